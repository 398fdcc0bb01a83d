"""Config files, their arguments and their overrides, through ml_collections' own flag parser."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from absl import flags
from ml_collections import ConfigDict, config_flags

from resnets.errors import UserError, suggest
from resnets.training.config import flatten

CHECKOUT = Path(__file__).parents[2]


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
      spec: a config file and its arguments.
      overrides: flags such as `--config.epochs=3`; each must name a field of the config and fit
        its type.

    Raises:
      UserError: unknown file, argument or field, or a value of the wrong type.
    """
    file, _, arguments = spec.partition(":")
    config = _load_module(locate(file)).get_config(arguments or None)
    if not isinstance(config, ConfigDict):
        raise UserError(f"{file}: get_config must return a ConfigDict")
    fields = flatten(config)
    for override in overrides:
        field, equals, value = override.removeprefix("--config.").partition("=")
        if not equals:
            raise UserError(f"override {override!r} must read --config.FIELD=VALUE")
        if field not in fields:
            raise UserError(f"config has no field {field!r}; {suggest(field, fields)}")
        _override(config, field, value, type(fields[field]).__name__)
    return config


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
