"""The metrics files."""

import json

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from resnets.training.metrics import MetricsWriter, truncate
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
