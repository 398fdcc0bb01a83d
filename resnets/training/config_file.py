"""Config files, their arguments and their overrides, through ml_collections' own flag parser."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from absl import flags
from ml_collections import ConfigDict, config_flags

from resnets.arguments import split_arguments
from resnets.errors import UserError, suggest
from resnets.training.config import flatten

CHECKOUT = Path(__file__).parents[2]
_FIELD = "config."


def locate(file: str) -> Path:
    """Find a config file below the working directory or the checkout.

    Raises:
      UserError: it is in neither; names the nearest one that is.
    """
    for root in (Path(), CHECKOUT):
        if (root / file).is_file():
            return root / file
    shipped = sorted(f"configs/{path.name}" for path in (CHECKOUT / "configs").glob("*.py"))
    known = [name for name in shipped if name != "configs/common.py"]
    raise UserError(f"config file {file!r} does not exist; {suggest(file, known)}")


def load_config(spec: str, overrides: Sequence[str] = ()) -> ConfigDict:
    """Load `FILE.py:key=value,...` and apply overrides.

    Args:
      spec: a config file and its arguments; `config.FIELD=value` among them sets a field.
      overrides: flags such as `--config.epochs=3`, applied last.

    A field that is set must be one of the config's, and the value fit its type. Fields of the
    network that the file does not list are added (`config.model.remat=block`), with the type that
    the value reads as; the network refuses those that it does not have.

    Raises:
      UserError: unknown file, argument or field, or a value of the wrong type.
    """
    file, _, text = spec.partition(":")
    arguments, settings = _split(file, text)
    config = _load_module(locate(file)).get_config(arguments or None)
    if not isinstance(config, ConfigDict):
        raise UserError(f"{file}: get_config must return a ConfigDict")
    for override in overrides:
        field, equals, value = override.removeprefix("--config.").partition("=")
        if not equals:
            raise UserError(f"override {override!r} must read --config.FIELD=VALUE")
        settings.append((field, value))
    for field, value in settings:
        _set(config, field, value)
    return config


def _split(file: str, text: str) -> tuple[str, list[tuple[str, str]]]:
    """Part the file's own arguments from the fields of the config that are set beside them."""
    try:
        given = split_arguments(text)
    except UserError as error:
        raise UserError(f"{file}: {error}") from None
    own = {key: value for key, value in given.items() if not key.startswith(_FIELD)}
    fields = [(k.removeprefix(_FIELD), v) for k, v in given.items() if k.startswith(_FIELD)]
    return ",".join(f"{key}={value}" for key, value in own.items()), fields


def _set(config: ConfigDict, field: str, value: str) -> None:
    fields = flatten(config)
    section, _, name = field.partition(".")
    if field in fields:
        _override(config, field, value, type(fields[field]).__name__)
    elif section == "model" and name.isidentifier():
        with config.unlocked():
            config.model[name] = _literal(value)
    else:
        raise UserError(f"config has no field {field!r}; {suggest(field, fields)}")


def _literal(text: str) -> bool | int | float | str:
    """The value that a text reads as: `true`, `3`, `0.5`, else the text."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _load_module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"config_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UserError(f"config file {str(path)!r} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "get_config"):
        raise UserError(f"config file {str(path)!r} has no function get_config")
    return module


def _override(config: ConfigDict, field: str, value: str, kind: str) -> None:
    values = flags.FlagValues()
    arguments = ["resnets", f"--config.{field}={value}"]
    config_flags.DEFINE_config_dict("config", config, flag_values=values, sys_argv=arguments)
    try:
        values(arguments)
    except (flags.Error, ValueError, TypeError):
        raise UserError(f"config.{field}={value!r} is not of type {kind}") from None
