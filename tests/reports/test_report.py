"""The whole report: its files, escaping, no network, no NaN, the same again."""

import csv
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resnets.errors import RunError
from resnets.reports import summary, write_report
from resnets.reports.files import write
from resnets.reports.markdown import escape
from resnets.reports.page import page
from resnets.reports.palette import arms, dark_twins, depths
from resnets.reports.results import read_study
from resnets.reports.status import status_of
from tests.reports.fake_study import finish, row, whole_study, write_run, write_study

HOSTILE = "<img src=x onerror=alert(1)> a|b `c` *d* </td>"


@pytest.fixture(scope="module", autouse=True)
def without_vega() -> Iterator[None]:
    """Bundling it takes seconds; the tests in a browser run it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("resnets.drawing.document.runtime", lambda: "")
        yield


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Done, failed, partial and queued runs, hostile names, infinities; and its report's text."""
    path = tmp_path_factory.mktemp("studies") / "mixed"
    rows = [row(arm, depth, s) for s in (0, 1) for depth in (8, 56) for arm in ("plain", "<b>|x")]
    for r in rows:
        r["id"] = r["id"].replace("<b>|x", "x")
    rows[0]["config"] = HOSTILE
    write_study(path, rows, name="a <b>|study", question=HOSTILE)
    for r in rows[:4]:
        write_run(path, r["id"], 2.0, 3.0)
    finish(path / "runs" / rows[0]["id"], 2.0, 3.0, loss=float("nan"))
    failed = write_run(path, rows[4]["id"], 2.0, 3.0, done=False)
    (failed / "failed.json").write_text('{"reason": "<script>loss</script> | not finite"}')
    partial = write_run(path, rows[5]["id"], 2.0, 3.0, done=False)
    with (partial / "metrics.jsonl").open("a") as file:
        file.write('{"ki')
    return path, write_report(path)


class Page(HTMLParser):
    """Collects what a page asks for, its tags, and the text a reader sees."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.text = self.panels = ""
        self._within = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag, its id, and what it would load."""
        self.tags.append(tag)
        self._within = "panels" if dict(attrs).get("id") == "panels" else tag
        self.links += [v or "" for k, v in attrs if k in ("src", "href", "xlink:href", "srcset")]
        self.ids += [v or "" for k, v in attrs if k == "id"]

    def handle_data(self, data: str) -> None:
        """Collect text, and what the script draws."""
        if self._within == "panels":
            self.panels += data
        elif self._within not in ("script", "style"):
            self.text += data

    def handle_endtag(self, _: str) -> None:
        """Leave a script."""
        self._within = ""


def parsed(path: Path) -> Page:
    """The report's page."""
    reader = Page()
    reader.feed((path / "report" / "report.html").read_text())
    return reader


def test_files(mixed: tuple[Path, str]) -> None:
    """All of them, none left half-written, pictures of the right kind."""
    folder = mixed[0] / "report"
    charts = {
        f"{name}.{end}" for name in ("curves", "final", "difference") for end in ("svg", "png")
    }
    others = {"results.csv", "report.md", "report.html"}
    assert {file.name for file in folder.iterdir()} == charts | others
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "final.svg").read_text().startswith("<svg")


def test_results_csv(mixed: tuple[Path, str]) -> None:
    """A row a done run; what was not finite is empty."""
    with (mixed[0] / "report" / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [r["run"] for r in rows] == ["plain-d8-s0", "x-d8-s0", "plain-d56-s0", "x-d56-s0"]
    assert ",".join(rows[0]) == (
        "study,run,arm,depth,seed,train_loss,train_error_pct,test_error_pct,steps,wall_s"
    )
    assert rows[0]["train_loss"] == ""
    assert rows[1]["train_loss"] == "0.5"
    assert rows[1]["arm"] == "<b>|x"
    assert rows[1]["test_error_pct"] == "3.0"


def test_page_asks_for_nothing(mixed: tuple[Path, str]) -> None:
    """Its policy forbids every request; links lead beside the page; no id stands twice."""
    reader, text = parsed(mixed[0]), (mixed[0] / "report" / "report.html").read_text()
    assert "default-src 'none'" in text
    files = {file.name for file in (mixed[0] / "report").iterdir()}
    assert all(link.startswith("#") or link in files for link in reader.links)
    assert not {"link", "iframe", "img", "image", "object"} & set(reader.tags)
    assert len(reader.ids) == len(set(reader.ids))


def test_page_shows_names_as_text(mixed: tuple[Path, str]) -> None:
    """What a reader sees is what the files hold."""
    reader = parsed(mixed[0])
    for text in (HOSTILE, "a <b>|study", "<b>|x", "<script>loss</script> | not finite"):
        assert text in reader.text
    assert "b" not in reader.tags


def test_markdown_tables_hold(mixed: tuple[Path, str]) -> None:
    """Every line of a table has as many cells as its heading; nothing becomes a tag."""
    text = (mixed[0] / "report" / "report.md").read_text()
    for block in text.strip().split("\n\n"):
        lines = block.split("\n")
        if lines[0].startswith("| "):
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1, block
        if not block.startswith("    "):
            assert "<" not in block, "outside the code block, where it is text"


def test_every_run_is_accounted_for(mixed: tuple[Path, str]) -> None:
    """Failed, partial and queued runs show, with the reason, in all three forms."""
    path, text = mixed
    reader, markdown = parsed(path), (path / "report" / "report.md").read_text()
    for words in ("plain-d8-s1", "x-d8-s1", "plain-d56-s1", "cut off", "not finite", "not begun"):
        assert words in " ".join(text.split())
        assert words in reader.text
        assert words in markdown
    for run in read_study(path).runs:
        assert run.id in reader.text
        assert run.id in markdown
    assert "Incomplete: 4 of 8 runs are done (1 failed, 1 partial, 2 queued)." in text
    assert "./launch.sh study" in text
    assert "./launch.sh study" in reader.text


def test_no_nan(mixed: tuple[Path, str]) -> None:
    """Nowhere, although a loss was NaN and every interval has one pair only."""
    reader = parsed(mixed[0])
    contents = {"text": reader.text, "panels": reader.panels}
    for name in ("report.md", "results.csv", "curves.svg", "final.svg", "difference.svg"):
        contents[name] = (mixed[0] / "report" / name).read_text()
    for name, content in contents.items():
        assert not re.search(r"\b(nan|inf|infinity)\b", content, re.IGNORECASE), name
    assert "nan" not in mixed[1].lower().split()


def test_terminal_width(tmp_path: Path) -> None:
    """The usual study fits 80 columns; the summary alone writes nothing."""
    study = whole_study(tmp_path, lambda arm, depth, seed: 12.34 + depth + seed)
    text = summary(study)
    assert max(map(len, text.splitlines())) <= 80
    assert {entry.name for entry in study.iterdir()} == {"study.json", "manifest.jsonl", "runs"}
    assert "depth  arm       train error, % (n)  test error, % (n)" in text
    assert "   56  plain       69.34 ± 1.00 (3)   70.34 ± 1.00 (3)" in text


def test_same_again(mixed: tuple[Path, str]) -> None:
    """A second report of the same files is the same, byte by byte."""
    path, text = mixed
    before = {file.name: file.read_bytes() for file in (path / "report").iterdir()}
    assert write_report(path) == text
    assert {file.name: file.read_bytes() for file in (path / "report").iterdir()} == before


@pytest.mark.parametrize("rows", [[], [row("plain", 8, 0), row("residual", 8, 0)]])
def test_empty_study(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    """A report without charts that says so."""
    text = write_report(write_study(tmp_path, rows))
    assert "No run is done yet" in text
    assert "No run is done yet" in parsed(tmp_path).text
    assert not list((tmp_path / "report").glob("*.svg"))


def test_charts_without_data_are_removed(tmp_path: Path) -> None:
    """A report does not stand beside pictures of other data."""
    write_study(tmp_path, [row("plain", 8, 0)])
    write(tmp_path / "report" / "curves.svg", "old")
    write_report(tmp_path)
    assert not (tmp_path / "report" / "curves.svg").exists()


def test_unwritable(tmp_path: Path) -> None:
    """One line says where."""
    write_study(tmp_path, [])
    (tmp_path / "report").write_text("a file")
    with pytest.raises(RunError, match=r"report.* cannot be written"):
        write_report(tmp_path)


def test_page_without_charts_has_no_figure(tmp_path: Path) -> None:
    """The template stands on its own."""
    study = read_study(write_study(tmp_path, [row("plain", 8, 0)]))
    assert "<figure" not in page(study, (), status_of(study))


@given(st.text())
def test_escaped_text_is_one_line_without_markup(text: str) -> None:
    """No tag, no open cell border."""
    escaped = escape(text)
    assert "\n" not in escaped
    assert "<" not in escaped
    assert not re.search(r"(?<!\\)(\\\\)*\|", escaped)


def test_dark_twins() -> None:
    """Every colour that charts use has a twin of its own, for any number of depths."""
    for count in range(1, 9):
        twins = dark_twins(count)
        assert set(depths(count)) <= set(twins)
        assert set(arms(9)) <= set(twins)
        assert len(set(depths(count))) == count
