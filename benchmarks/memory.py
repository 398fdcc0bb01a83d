"""The forecast of a run's memory against what XLA's compiler allocates for the same program."""

import sys
from typing import Any

from benchmarks import rows
from benchmarks.compiling import compiled

CIFAR, DIGITS = ("--size=32",), ("--size=8", "--channels=1")
CASES = (
    ("cifar_resnet20", 128, "none", CIFAR),
    ("cifar_resnet56", 128, "none", CIFAR),
    ("cifar_resnet110", 128, "none", CIFAR),
    ("cifar_resnet56", 128, "block", CIFAR),
    ("cifar_resnet110", 128, "block", CIFAR),
    ("cifar_resnet1202", 32, "block", CIFAR),
    ("cifar_resnet110", 128, "stage", CIFAR),
    ("cifar_resnet56", 64, "none", DIGITS),
)


def main() -> None:
    """Compile every case, print the table and write it."""
    found: list[dict[str, Any]] = []
    for network, batch, remat, images in CASES:
        print(f"{network}, {remat}", file=sys.stderr, flush=True)
        one = compiled(f"--network={network}", f"--batch={batch}", f"--remat={remat}", *images)
        found.append(
            {
                "network": network,
                "pixels": int(images[0].partition("=")[2]),
                "batch": batch,
                "remat": remat,
                "forecast_mb": one["forecast_bytes"] / 1e6,
                "compiler_mb": one["temporary_bytes"] / 1e6,
                "ratio": one["forecast_bytes"] / one["temporary_bytes"],
                "n": 1,
                "versions": rows.versions(one),
            }
        )
    print(rows.table(found))
    print(f"written to {rows.write('memory', found)}", file=sys.stderr)


if __name__ == "__main__":
    main()
