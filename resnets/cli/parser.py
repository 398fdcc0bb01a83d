"""Command lines: argparse for the verb's own flags, `--config.FIELD=VALUE` for the rest."""

import argparse
from collections.abc import Sequence
from typing import NoReturn

from resnets.errors import UserError, suggest


class Parser(argparse.ArgumentParser):
    """Reports mistakes as `UserError`, with the nearest valid flag."""

    def __init__(self, verb: str, description: str, epilog: str):
        """Describe a verb; the texts keep their line breaks."""
        super().__init__(
            prog=f"launch.sh {verb}",
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Raise in place of printing the usage."""
        raise UserError(f"{message}; see {self.prog} --help")

    def parse_with_overrides(self, argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
        """Parse the verb's flags and return them with the config overrides.

        Raises:
          UserError: an unknown flag; names the nearest.
        """
        known, rest = self.parse_known_args(argv)
        overrides = []
        for argument in rest:
            if not argument.startswith("--config."):
                flags = [flag for action in self._actions for flag in action.option_strings]
                raise UserError(
                    f"unknown argument {argument!r}; {suggest(argument.partition('=')[0], flags)}"
                )
            overrides.append(argument)
        return known, overrides


def comma_list(text: str) -> tuple[str, ...]:
    """Split at commas, dropping empty parts."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def int_list(text: str) -> tuple[int, ...]:
    """Split at commas into whole numbers."""
    try:
        return tuple(int(part) for part in comma_list(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers") from None
