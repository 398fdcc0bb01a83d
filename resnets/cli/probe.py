"""`launch.sh probe`: experiments on a trained run, or on the arms of a study."""

import csv
import io
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnets.cli import backend
from resnets.cli.parser import Parser, int_list
from resnets.errors import UserError, suggest
from resnets.terminal import print_table

if TYPE_CHECKING:
    from resnets.probes.experiments import Outcome, Request
    from resnets.probes.trained import Trained
    from resnets.reports.probes import Findings

_DESCRIPTION = """\
Ask a trained network a question: a chart (SVG and PNG) and csv tables in DIR/probes, the answer as
a table on stdout. DIR is a run, or a study: then its arms are compared at one depth, over seeds."""

WHAT = {
    "lesion": "delete blocks, one or several, and exchange some",
    "response": "standard deviation of each layer's response; branch to shortcut",
    "gradient": "gradient norm of each layer, before training and after",
    "shift": "predictions, logits and maps of shifted images",
    "receptive_field": "what a unit could see, and what it responds to",
    "features": "feature maps of chosen images; first-layer filters",
    "calibration": "reliability, confusion matrix, the surest mistakes",
}
"""The probes, and what each does."""

_EXAMPLES = {"receptive_field": 16, "calibration": None}
"""Examples that a probe looks at by default where it is not `_MANY`; None for the whole split."""
_MANY = 1000

_EPILOG = (
    "probes:\n"
    + "\n".join(f"  {name:16} {text}" for name, text in WHAT.items())
    + """

examples:
  launch.sh probe runs/degradation --what=lesion
  launch.sh probe runs/degradation/runs/residual-d56-s0 --what=features --images=0,3,17

docs/probes.md says how to read the charts.
exit status: 0 done, 1 failed, 2 bad arguments, or a probe that does not apply to the network."""
)


@dataclass(frozen=True)
class _Subject:
    """A run to probe.

    Attributes:
      directory: it.
      series: what it is compared as: its arm in a study, its own name alone.
      labels: columns of its rows.
    """

    directory: Path
    series: str
    labels: Mapping[str, Any]


def _parser() -> Parser:
    parser = Parser("probe", _DESCRIPTION, _EPILOG)
    add = parser.add_argument
    add("directory", type=Path, metavar="DIR", help="run directory or study directory")
    add("--what", required=True, metavar="PROBE", help="one of the probes below")
    add("--out", type=Path, metavar="DIR", help="folder of charts and tables; default: DIR/probes")
    add("--depth", type=int, help="of a study's runs; default: its deepest")
    add("--split", default="test", help="of the data: train, validation or test (default)")
    add(
        "--examples",
        type=int,
        help=f"how many of the split's first examples; default: {_MANY} at most, "
        "receptive_field 16, calibration all",
    )
    add("--images", type=int_list, default=(0, 1, 2), help="features: places; default: 0,1,2")
    add("--choices", type=int, default=5, help="lesion: random choices of blocks; default: 5")
    add("--pixels", type=int, default=4, help="shift: the largest; default: 4")
    add("--format", choices=("table", "csv", "json"), default="table", help="default: table")
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the verb; return the exit status."""
    parser = _parser()
    args, overrides = parser.parse_with_overrides(argv)
    if overrides:
        parser.error(f"a run has its config already: {overrides[0]} is out of place")
    if args.what not in WHAT:
        parser.error(f"--what={args.what}: {suggest(args.what, WHAT)}")
    for name, least in (("examples", 1), ("choices", 1), ("pixels", 0)):
        value = getattr(args, name)
        if value is not None and value < least:
            parser.error(f"--{name}={value} must be at least {least}")
    subjects = _subjects(args.directory, args.depth)
    backend.configure(subjects[0].directory.parent)
    from resnets.probes.experiments import Request

    examples = args.examples or _EXAMPLES.get(args.what, _MANY)
    request = Request(args.split, examples, args.images, args.choices, args.pixels)
    findings = _findings(args.what, subjects, request)
    out = args.out or args.directory / "probes"
    files = _write(findings, out)
    _answer(findings, args.format, files)
    return 0


def _subjects(directory: Path, depth: int | None) -> list[_Subject]:
    """The run itself, or the done runs of a study at one depth."""
    if not (directory / "manifest.jsonl").is_file():
        if depth is not None:
            raise UserError(f"--depth chooses runs of a study, and {directory} is none")
        name = directory.resolve().name
        return [_Subject(directory, name, {"run": name})]
    from resnets.reports.results import read_study

    study = read_study(directory)
    done = [run for run in study.runs if run.status == "done"]
    depths = sorted({run.depth for run in done})
    if not done:
        raise UserError(f"{directory}: no run of the study is done yet")
    if depth is not None and depth not in depths:
        valid = ", ".join(map(str, depths))
        raise UserError(f"--depth={depth}: no run of that depth is done (valid: {valid})")
    chosen = [run for run in done if run.depth == (depth or depths[-1])]
    return [
        _Subject(
            directory / "runs" / run.id,
            run.arm,
            {"run": run.id, "arm": run.arm, "depth": run.depth, "seed": run.seed},
        )
        for run in chosen
    ]


def _findings(what: str, subjects: Sequence[_Subject], request: "Request") -> "Findings":
    from resnets.probes.trained import restore
    from resnets.reports.probes import Findings

    tables: dict[str, list[dict[str, Any]]] = {}
    pictures: dict[str, Mapping[str, Any]] = {}
    examples = 0
    for number, subject in enumerate(subjects, 1):
        if len(subjects) > 1:
            print(f"{number} of {len(subjects)}: {subject.labels['run']}", file=sys.stderr)
        run = restore(subject.directory)
        outcome = _probed(what, run, request)
        examples = outcome.examples
        for name, rows in outcome.tables.items():
            labelled = [{"series": subject.series, **subject.labels, **row} for row in rows]
            tables.setdefault(name, []).extend(labelled)
        pictures.setdefault(subject.series, outcome.pictures)
    series = tuple(dict.fromkeys(subject.series for subject in subjects))
    split = "training" if what == "gradient" or request.split == "train" else request.split
    return Findings(what, split, examples, series, tables, pictures)


def _probed(what: str, run: "Trained", request: "Request") -> "Outcome":
    from resnets.probes.experiments import PROBES, applicable

    valid = applicable(run)
    if what not in valid:
        network = type(run.model).__name__
        raise UserError(
            f"{run.directory}: --what={what} needs the blocks of a residual or plain network; "
            f"{network} has none (what applies: {', '.join(valid)})"
        )
    return PROBES[what](run, request)


def _write(findings: "Findings", folder: Path) -> list[str]:
    from resnets.drawing.chart import write
    from resnets.reports.files import write as write_file
    from resnets.reports.probes import draw

    charts = draw(findings)
    files = []
    for name, rows in findings.tables.items():
        if rows:
            write_file(folder / f"{name}.csv", _csv(rows))
            files.append(f"{name}.csv")
    write(charts, folder)
    files += [f"{chart.name}.{ending}" for chart in charts for ending in ("svg", "png")]
    return [str(folder / name) for name in files]


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _answer(findings: "Findings", form: str, files: Sequence[str]) -> None:
    from resnets.reports.probes import summary

    rows = summary(findings)
    if form == "json":
        answer = {
            "probe": findings.what,
            "split": findings.split,
            "examples": findings.examples,
            "runs": findings.runs,
            "summary": rows,
            "files": list(files),
        }
        print(json.dumps(answer, indent=2))
    elif form == "csv":
        print(_csv(rows), end="")
    else:
        headings = list(rows[0])
        cells = [tuple(_shown(row[name]) for name in headings) for row in rows]
        numeric = [
            n for n, name in enumerate(headings) if not any(isinstance(r[name], str) for r in rows)
        ]
        print_table([tuple(headings), *cells], numeric, f"{findings.what}: {findings.counted()}")
        print(f"charts and tables in {Path(files[0]).parent}", file=sys.stderr)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if not isinstance(value, float):
        return str(value)
    small = value and abs(value) < 0.01
    return f"{value:.2e}" if small else f"{value:.2f}" if abs(value) < 100 else f"{value:,.0f}"
