"""Whatever stands in a manifest: a right result or one clear line, and never a way out."""

import json

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from resnets.errors import UserError
from resnets.reports.status import read_status
from resnets.studies import manifest
from resnets.training.config import config_hash, flatten

GOOD = {
    "id": "plain-d8-s0",
    "arm": "plain",
    "depth": 8,
    "seed": 0,
    "config": "configs/digits.py:depth=8,shortcut=none",
    "overrides": {"epochs": "2", "seed": "0"},
    "config_hash": "0123456789abcdef",
}
texts = st.text(max_size=12) | st.sampled_from(
    ["", "..", "../x", "a/b", "/etc", ".hidden", "a\0b", "a\nb", "\ud800", "<b>", "x" * 300, "%s"]
)
values = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), texts),
    *(st.lists(texts, max_size=2), st.dictionaries(texts, texts | st.integers(), max_size=2)),
)
configs = st.builds(
    "{}:{}".format,
    st.sampled_from(["configs/digits.py"] * 4 + ["configs", "pyproject.toml", "../x.py", "/", ""]),
    st.sampled_from(["depth=8", "depth=9", "depth=", "depth", "shortcut=Z", ",", ""]) | texts,
)
known = ("epochs", "batch_size", "data.name", "model.shortcut", "flip", "data", "learning_rate")
overrides = st.dictionaries(
    st.sampled_from(known) | texts,
    st.sampled_from(["1", "-1", "1e9", "nan", "true", "(1,2", "[", "__import__('os')"]) | texts,
    min_size=1,
    max_size=2,
)
changes = st.one_of(
    configs.map(lambda config: {"config": config}),
    overrides.map(lambda chosen: {"overrides": chosen}),
    (texts | values).map(lambda name: {"id": name}),
    st.dictionaries(st.sampled_from(sorted(GOOD)), values, min_size=1, max_size=1),
    st.dictionaries(texts, values, max_size=1),
)
row_lines = changes.map(lambda change: json.dumps(GOOD | change).encode())
broken_lines = st.one_of(
    row_lines.flatmap(lambda line: st.integers(0, len(line)).map(lambda end: line[:end])),
    values.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=40),
)
other = json.dumps(GOOD | {"id": "residual-d8-s0", "arm": "residual"}).encode() + b"\n"
manifests = st.one_of(
    row_lines, row_lines.map(lambda line: other + line), broken_lines.map(lambda line: other + line)
)


def outcome(function, *arguments):
    """What it gives, or the one line of its error; anything else is a failure of the test."""
    try:
        return function(*arguments), ""
    except UserError as error:
        message = str(error)
        assert message
        assert "\n" not in message
        message.encode()
        return None, message


@settings(max_examples=300, deadline=1000, suppress_health_check=list(HealthCheck))
@given(content=manifests)
@example(content=b"[" * 100_000)
@example(content=b"1" * 5000)
@example(content=json.dumps(GOOD | {"depth": 10**400}).encode())
@example(content=json.dumps(GOOD | {"overrides": {"epochs": "9" * 4000}}).encode())
@example(content=json.dumps(GOOD | {"config": "configs/" + "x" * 4000 + ".py"}).encode())
@example(content=json.dumps(GOOD).encode() + b"\n" + json.dumps(GOOD).encode())
def test_a_manifest_is_understood_or_refused_in_one_line(content, tmp_path):
    (tmp_path / "study.json").write_text('{"name": "s", "question": "q?", "reading": "r"}')
    (tmp_path / "manifest.jsonl").write_bytes(content)
    (tmp_path / "runs").mkdir(exist_ok=True)

    read, message = outcome(read_status, tmp_path)
    assert read is not None or "manifest.jsonl" in message

    rows, message = outcome(manifest.read, tmp_path)
    if rows is None:
        assert "manifest.jsonl" in message
        return
    assert len(rows) == len([line for line in content.split(b"\n") if line.strip()])
    for row in rows:
        assert (tmp_path / "runs" / row.id).resolve().parent == (tmp_path / "runs").resolve()
        config, _ = outcome(row.load_config)
        if config is not None:
            assert set(row.overrides) <= set(flatten(config))
            assert config_hash(config) != row.config_hash, "so a worker refuses it"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "manifest.jsonl",
        "runs",
        "study.json",
    ]
