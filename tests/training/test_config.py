"""Reading configs: every field is read, every mistake is named."""

import pytest
from ml_collections import ConfigDict

from resnets.errors import UserError
from resnets.training.config import ConfigReader, config_hash, flatten
from resnets.training.config_file import load_config

NESTED = {"a": 1, "b": {"c": 2.0, "d": {"e": "x"}}}


def test_flatten_names_leaves_by_their_path():
    assert flatten(NESTED) == {"a": 1, "b.c": 2.0, "b.d.e": "x"}
    assert flatten(ConfigDict(NESTED)) == flatten(NESTED)


def test_a_reader_is_content_when_every_leaf_was_read():
    read = ConfigReader(NESTED)
    assert read("a") == 1
    assert read.section("b") == {"c": 2.0, "d.e": "x"}
    read.check_all_read()


def test_a_field_that_nobody_reads_is_an_error_that_names_it():
    read = ConfigReader(NESTED)
    read("a")
    read("b.d.e")
    with pytest.raises(UserError, match=r"nothing reads config\.b\.c"):
        read.check_all_read()


def test_a_missing_field_names_the_nearest():
    with pytest.raises(UserError, match=r"config\.b\.cc is missing.*'b\.c'"):
        ConfigReader(NESTED)("b.cc")


def test_the_hash_depends_on_content_and_not_on_order():
    assert config_hash({"a": 1, "b": 2}) == config_hash({"b": 2, "a": 1})
    assert config_hash({"a": 1}) != config_hash({"a": 2})
    assert config_hash({"a": {"b": 1}}) != config_hash({"a": {"c": 1}})


@pytest.mark.parametrize("spec", ["configs/digits.py", "configs/cifar.py"])
def test_shipped_configs_load(spec):
    assert load_config(spec).batch_size in (64, 128)


def test_arguments_and_overrides_reach_the_config():
    config = load_config(
        "configs/cifar.py:depth=110,shortcut=none,classes=100",
        ["--config.epochs=3", "--config.learning_rate=1", "--config.data.flip=false"],
    )
    assert config.model.name == "cifar_plain110"
    assert config.data.name == "cifar100"
    assert (config.epochs, config.learning_rate, config.data.flip) == (3, 1.0, False)


@pytest.mark.parametrize(
    ("spec", "override", "says"),
    [
        ("configs/digit.py", None, "did you mean 'configs/digits.py'"),
        ("configs/digits.py:dept=8", None, "did you mean 'depth'"),
        ("configs/digits.py:depth=deep", None, "depth='deep' is not of type int"),
        ("configs/digits.py:depth", None, "must read key=value"),
        ("configs/digits.py:depth=8,depth=20", None, "given twice"),
        ("configs/cifar.py:classes=11", None, "must be 10 or 100"),
        ("configs/digits.py", "--config.epoch=1", "did you mean 'epochs'"),
        ("configs/digits.py", "--config.epochs=many", "config.epochs='many' is not of type int"),
        ("configs/digits.py", "--config.epochs=1.5", "is not of type int"),
        ("configs/digits.py", "--config.data.flip=perhaps", "is not of type bool"),
        ("configs/digits.py", "--config.epochs", "must read --config.FIELD=VALUE"),
        ("configs/digits.py", "--config.model=x", "no field 'model'"),
    ],
)
def test_a_mistake_is_one_line(spec, override, says):
    with pytest.raises(UserError) as caught:
        load_config(spec, [override] if override else [])
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


class TestFieldsInTheSpec:
    def test_they_set_fields_of_the_config_and_leave_the_arguments_to_the_file(self):
        config = load_config("configs/digits.py:depth=8,config.epochs=3,config.data.shift=2")
        assert (config.model.name, config.epochs, config.data.shift) == ("cifar_resnet8", 3, 2)

    def test_a_flag_comes_after_them(self):
        config = load_config("configs/digits.py:config.epochs=3", ["--config.epochs=4"])
        assert config.epochs == 4

    @pytest.mark.parametrize(
        ("spec", "says"),
        [
            ("config.epoch=3", "config has no field 'epoch'; did you mean 'epochs'"),
            ("config.epochs=many", "not of type int"),
            ("config.epochs=3,config.epochs=4", "configs/digits.py: .* given twice"),
            ("config.model.a.b=3", "config has no field 'model.a.b'"),
            ("config.epochs", "must read key=value"),
        ],
    )
    def test_a_mistake_is_one_line(self, spec, says):
        with pytest.raises(UserError, match=says) as caught:
            load_config(f"configs/digits.py:{spec}")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [("block", "block"), ("true", True), ("False", False), ("4", 4), ("0.5", 0.5), ("1x1", "1x1")],
)
def test_a_field_of_the_network_that_the_file_does_not_list_is_added(text, value):
    by_flag = load_config("configs/digits.py", [f"--config.model.extra={text}"]).model.extra
    by_spec = load_config(f"configs/digits.py:config.model.extra={text}").model.extra
    assert by_flag == by_spec == value
    assert type(by_flag) is type(by_spec) is type(value)


def test_the_network_refuses_a_field_that_it_does_not_have():
    from resnets.training.setup import prepare

    config = load_config("configs/digits.py:depth=8", ["--config.model.shortcuts=A"])
    with pytest.raises(UserError, match=r"cifar_resnet8 has no field 'shortcuts'; did you mean"):
        prepare(config.to_dict())
