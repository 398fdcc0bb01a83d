"""How a contestant talks: options in, facts out, then a number of steps in and their time out.

Standard library only, as it runs in other environments than the project's, too.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
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
    return parser.parse_args()


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
