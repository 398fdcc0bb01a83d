"""How a contestant talks: options in, facts out, then a number of steps in and their time out.

Standard library only, as it runs in other environments than the project's, too.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def options() -> argparse.Namespace:
    """The step to take: network, image size and channels, classes, batch, dtype."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--network", required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--channels", type=int, default=3)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--devices", type=int, default=0, help="processors that pass for devices")
    parser.add_argument("--compile", action="store_true", help="torch.compile")
    parser.add_argument("--unrolled", action="store_true", help="no loop over the blocks")
    parser.add_argument("--remat", choices=("none", "block", "stage"), default="none")
    parser.add_argument("--our_flags", action="store_true", help="plain Flax with XLA set as ours")
    return parser.parse_args()


def busy_seconds() -> float:
    """Seconds that the machine's cores have worked since it started; 0 where nobody counts them."""
    try:
        first = Path("/proc/stat").read_text(encoding="utf-8").splitlines()[0]
    except OSError:
        return 0.0
    user, nice, system, *_ = map(int, first.split()[1:])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")


def serve(steps: Callable[[int], None], facts: dict[str, Any]) -> None:
    """Take two steps to warm up, say so, and then as many as each line of the input asks for.

    Args:
      steps: takes a number of steps and waits for the last.
      facts: for the table: versions, device.
    """
    began = time.perf_counter()
    steps(1)
    facts["first_step_s"] = time.perf_counter() - began
    steps(1)
    print(json.dumps(facts), flush=True)
    for line in sys.stdin:
        count = int(line)
        began = time.perf_counter()
        steps(count)
        print((time.perf_counter() - began) / count, flush=True)
