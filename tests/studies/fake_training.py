"""Stands in for `resnets.cli train`: makes the files of a run in no time, or fails as it is told.

The environment variable FAKE says how: `done`; `crash:N` ends N times without a word of its own;
`diverge` says why it fails; `preempted:N` exits 75 N times; `wait` waits for the file GO, then is
done; `hang` hears no signal.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path


def main() -> int:
    """Do as FAKE says; count in the run directory how often."""
    options = dict(argument.split("=", 1) for argument in sys.argv[1:])
    workdir = Path(options["--workdir"])
    workdir.mkdir(exist_ok=True)
    (workdir / "config.json").write_text('{"config": {"epochs": 4}}')
    count = workdir / "count"
    times = int(count.read_text()) if count.exists() else 0
    count.write_text(str(times + 1))
    (workdir / "metrics.jsonl").write_text("")
    what, _, number = os.environ["FAKE"].partition(":")
    print("hello from", what, flush=True)
    if what == "crash" and times < int(number):
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "preempted" and times < int(number):
        return 75
    if what == "diverge":
        (workdir / "failed.json").write_text('{"reason": "the loss became non-finite"}')
        return 1
    if what == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    while what == "wait" and not Path(os.environ["GO"]).exists():
        time.sleep(0.01)
    result = {"train_loss": 0.1, "train_error_pct": 1.0, "test_error_pct": 2.0, "steps": times + 1}
    (workdir / "done.json").write_text(json.dumps(result | {"wall_s": 1.0, "by": os.getpid()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
