"""From a config to a plan: values out of range are refused before anything is written."""

import jax
import pytest

from resnets.errors import UserError
from resnets.training import setup


def test_a_plan_counts_whole_batches(small_config):
    plan = setup.prepare(small_config(**{"data.train": "train[:100]"}))
    assert plan.steps_per_epoch == 3
    assert plan.total_steps == 9


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("batch_size", 1000, "larger than the training split (128)"),
        ("batch_size", 0, "at least 1"),
        ("epochs", 0, "at least 1"),
        ("learning_rate", -1.0, "at least 0"),
        ("label_smoothing", 1.0, "must be below 1"),
        ("average_decay", 2.0, "must be below 1"),
        ("accumulation", 3, "multiple of config.accumulation=3"),
        ("optimizer", "sgdd", "did you mean 'sgd'"),
        ("schedule", "cosin", "did you mean 'cosine'"),
        ("schedule", "plateau", "needs validation data"),
        ("model.name", "cifar_resnet57", "6n+2"),
        ("model.shortcut", "D", "is not one of 'A', 'B', 'C', 'none'"),
        ("model.span", 4, "is not one of 1, 2, 3"),
        ("data.name", "digit", "digits"),
        ("data.train", "train[:0]", "no examples"),
        ("data.train", "training", "training"),
        ("data.shift", -1, "at least 0"),
        ("seed", -1, "at least 0"),
    ],
)
def test_a_value_out_of_range_is_one_line_that_names_its_field(small_config, field, value, says):
    with pytest.raises(UserError) as caught:
        setup.prepare(small_config(**{field: value}))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_field_that_nobody_reads_is_refused(small_config):
    config = small_config()
    config["warmup"] = 5
    with pytest.raises(UserError, match=r"nothing reads config\.warmup"):
        setup.prepare(config)


def test_an_option_of_another_family_is_refused(small_config):
    config = small_config()
    config["model"]["growth"] = 12
    with pytest.raises(UserError, match="no field 'growth'"):
        setup.prepare(config)


def test_the_batch_must_divide_over_the_devices(small_config, monkeypatch):
    eight = setup.Mesh(jax.devices(), ("data",))
    monkeypatch.setattr(setup, "device_mesh", lambda: eight)
    with pytest.raises(UserError, match="times 8 devices"):
        setup.prepare(small_config(batch_size=12))
