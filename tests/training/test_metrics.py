"""The metrics files."""

import json
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from resnets.training.memory import Memory
from resnets.training.metrics import MetricsWriter, read, truncate
from resnets.training.run_directory import parameters_sha256


def test_truncation_keeps_records_up_to_the_step_and_drops_a_torn_line(tmp_path):
    file = tmp_path / "metrics.jsonl"
    lines = [json.dumps({"kind": "train", "step": n, "epoch": 1}) for n in (1, 2, 3)]
    file.write_text("\n".join([*lines, lines[0][:-1]]))
    assert [record["step"] for record in truncate(file, 2, 0, 0)] == [1, 2]
    assert file.read_text().splitlines() == lines[:2]


def test_truncating_nothing_is_fine(tmp_path):
    assert truncate(tmp_path / "metrics.jsonl", 2, 1, 0) == []


def test_records_stand_in_both_files(tmp_path):
    with MetricsWriter(tmp_path, [], {"epochs": 3, "model.name": "net"}) as writer:
        writer.record({"kind": "epoch", "step": 4, "epoch": 1, "train_loss": 2.5})
        writer.final({"test_error_pct": 1.5})
    assert json.loads((tmp_path / "metrics.jsonl").read_text())["train_loss"] == 2.5
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    scalar = events.Scalars("train_loss")[0]
    assert (scalar.step, scalar.value) == (4, 2.5)
    assert events.Scalars("final/test_error_pct")[0].value == pytest.approx(1.5)
    assert events.SummaryMetadata("_hparams_/experiment").plugin_data.plugin_name == "hparams"


def curve(run, tag):
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    return [(scalar.step, scalar.value) for scalar in events.Scalars(tag)]


def record(kind, step, **fields):
    return {"kind": kind, "step": step, "epoch": step // 2, **fields}


def test_a_run_that_goes_on_shows_each_step_once_whatever_the_clock_says(tmp_path, monkeypatch):
    from resnets.training import events

    clock = iter(range(2_000_000_000, 0, -1_000_000))
    monkeypatch.setattr(events.time, "time", lambda: float(next(clock)))
    older = tmp_path / "tensorboard" / "events.out.tfevents.1999999999.host"  # of another writer
    older.parent.mkdir()
    older.write_bytes(b"")
    for first in (0, 2, 3):
        kept = truncate(tmp_path / "metrics.jsonl", first, 0, 0)
        with MetricsWriter(tmp_path, kept, {}) as writer:
            for step in range(first + 1, first + 4):
                writer.record(record("train", step, train_loss=float(step)))
    assert curve(tmp_path, "steps/train_loss") == [(step, float(step)) for step in range(1, 7)]
    assert [r["step"] for r in read(tmp_path / "metrics.jsonl")] == [1, 2, 3, 4, 5, 6]
    (file,) = (tmp_path / "tensorboard").iterdir()
    assert file.name > older.name  # as TensorBoard orders them


def test_what_is_kept_is_what_the_checkpoint_knows_to_be_recorded(tmp_path):
    file = tmp_path / "metrics.jsonl"
    lines = [
        record("train", 2),
        record("epoch", 2),
        record("rewind", 2, rewind=1),
        record("rewind", 2, rewind=2),
        record("train", 4),
        record("epoch", 4),
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert truncate(file, 4, epochs=1, rewinds=1) == [lines[i] for i in (0, 1, 2, 4)]
    assert truncate(file, 3, epochs=1, rewinds=0) == lines[:2]
    assert truncate(file, 2, epochs=0, rewinds=0) == lines[:1]


GARBAGE = st.one_of(
    st.binary(max_size=20).filter(lambda line: b"\n" not in line),
    st.sampled_from(
        [b"[" * 3000, b"9" * 5000, b"null", b'{"kind": "rewind", "step": 1, "epoch": 1}']
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(string.printable),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["kind", "step"]), inner),
        max_leaves=5,
    ).map(lambda value: json.dumps(value).encode()),
)
GOOD = st.builds(record, st.sampled_from(["train", "epoch"]), st.integers(0, 9), x=st.floats(0, 1))


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(GOOD | GARBAGE, max_size=8), torn=st.binary(max_size=5), step=st.integers(0, 9)
)
def test_of_any_file_the_whole_records_are_read_and_nothing_else(
    tmp_path_factory, lines, torn, step
):
    file = tmp_path_factory.mktemp("fuzzed") / "metrics.jsonl"
    good = [line for line in lines if isinstance(line, dict)]
    raw = [json.dumps(x).encode() if isinstance(x, dict) else x for x in lines]
    file.write_bytes(b"".join(line + b"\n" for line in raw) + torn.replace(b"\n", b""))
    kept = truncate(file, step, 9, 9)
    assert kept == [line for line in good if line["step"] <= step]
    assert read(file) == kept
    assert truncate(file, step, 9, 9) == kept


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 2**20, width=32), st.floats(0, 2**20, width=32), st.integers(0, 2**31 - 1))
def test_sums_go_through_json_bit_for_bit(loss, errors, count):
    import numpy as np

    memory = Memory(epochs=3, validation_losses=[loss])
    sums = {"loss": np.float32(loss), "errors": np.float32(errors), "count": np.int32(count)}
    memory.window = memory.window.replace(**sums)
    back = Memory.from_json(json.loads(json.dumps(memory.as_json())) | {"of_others": 1})
    assert back == memory
    for name, value in sums.items():
        found = getattr(back.window, name)
        assert (found.dtype, found.tobytes()) == (value.dtype, value.tobytes())


def test_the_hash_of_parameters_sees_every_bit_and_name():
    import numpy as np

    base = {"a": np.array([1.0, 2.0], np.float32), "b": {"c": np.zeros(3, np.float32)}}
    same = {"b": {"c": np.zeros(3, np.float32)}, "a": np.array([1.0, 2.0], np.float32)}
    flipped = {"a": np.array([1.0, np.nextafter(np.float32(2), 3)], np.float32), "b": base["b"]}
    renamed = {"a": base["a"], "b": {"d": base["b"]["c"]}}
    digest = parameters_sha256(base)
    assert parameters_sha256(same) == digest
    assert parameters_sha256(flipped) != digest
    assert parameters_sha256(renamed) != digest
