"""How long the analysis of a network takes, imports not counted, and how much memory.

Command: PYTHONPATH=. python benchmarks/analysis.py
"""

import resource
import time

from resnets.cli import backend

backend.configure()

from resnets import analysis, models  # noqa: E402


def seconds(name: str) -> float:
    """Analyse the inference of one network at the size of its paper."""
    model = models.create(name)
    if hasattr(model, "scan_blocks"):
        model = model.clone(scan_blocks=name.startswith(("cifar", "preact_resnet1")))
    start = time.perf_counter()
    analysis.cost(model, models.family(name).image_shape)
    return time.perf_counter() - start


def main() -> None:
    """Print the times of two deep networks and of all of them, and the largest memory."""
    seconds("lenet5")  # what JAX sets up once
    for name in ("resnet152", "cifar_resnet1202"):
        print(f"{name}: {seconds(name):.1f} s")
    times = {name: seconds(name) for name in models.names()}
    slowest = max(times, key=lambda name: times[name])
    print(f"all {len(times)} networks: {sum(times.values()):.0f} s; ", end="")
    print(f"slowest {slowest}, {times[slowest]:.1f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"largest memory: {peak / 1e6:.2f} GB")


if __name__ == "__main__":
    main()
