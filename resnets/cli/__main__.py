"""`python -m resnets.cli VERB ...`: find the verb, run it, turn mistakes into one line."""

import importlib
import os
import sys
from collections.abc import Sequence

from resnets.errors import Preempted, RunError, UserError, suggest

VERBS = (
    *("study", "train", "models", "analyze", "whatif", "calibrate", "validate"),
    *(
        "install",
        "export",
        "probe",
        "report",
        "status",
        "tensorboard",
        "bench",
        "screenshots",
        "test",
    ),
)

INTERRUPTED = 130


def main(argv: Sequence[str]) -> int:
    """Run a verb and return the exit status.

    0 done, 1 failed, 2 bad arguments, 75 preempted: run it again, 130 interrupted.
    """
    verb, arguments = (argv[0], list(argv[1:])) if argv else ("study", [])
    try:
        if verb not in VERBS:
            raise UserError(f"unknown verb {verb!r}; {suggest(verb, VERBS)}")
        status: int = importlib.import_module(f"resnets.cli.{verb}").main(arguments)
        return status
    except (UserError, RunError) as error:
        print(f"launch.sh {verb}: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # such as `| head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Preempted as preempted:
        print(f"launch.sh {verb}: {preempted}", file=sys.stderr)
        return preempted.exit_code
    except KeyboardInterrupt:
        print(
            f"launch.sh {verb}: interrupted; the same command goes on from the last checkpoint",
            file=sys.stderr,
        )
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
