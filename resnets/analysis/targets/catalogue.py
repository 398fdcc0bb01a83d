"""The machines that programs can be compiled for without owning one."""

import dataclasses
import math
import re

from resnets.errors import UserError, suggest


@dataclasses.dataclass(frozen=True)
class Target:
    """A machine that a compiler knows.

    Attributes:
      name: as on the command line.
      extra: the packages that compile for it: `tpu` or `cuda`.
      platform: as JAX calls it.
      family: as the compiler calls it.
      sides: of the smallest slice; its first device runs what needs one device only.
      hardware: the file of `analysis.hardware` that describes it.
      clock: cycles a second of its cores, for compilers that estimate cycles; 0 if they do not.
    """

    name: str
    extra: str
    platform: str
    family: str
    sides: tuple[int, ...]
    hardware: str
    clock: float


TARGETS = {
    target.name: target
    for target in (
        # Clocks: v4 275e12 / (8 units of 128 x 128, 2 operations) and v5p as in "How to Scale Your
        # Model" (Austin et al. 2025); v5e 197e12 / (4 units of 128 x 128, 2); v6e 918e12 / (4 units
        # of 256 x 256, 2).
        Target("tpu_v4", "tpu", "tpu", "v4", (2, 2, 1), "tpu_v4", 1.05e9),
        Target("tpu_v5e", "tpu", "tpu", "v5e", (2, 2), "tpu_v5e", 1.5e9),
        Target("tpu_v5p", "tpu", "tpu", "v5p", (2, 2, 1), "tpu_v5p", 1.75e9),
        Target("tpu_v6e", "tpu", "tpu", "v6e", (2, 2), "tpu_v6e", 1.75e9),
        Target("a100", "cuda", "cuda", "a100", (1,), "a100_80", 0.0),
        Target("h100", "cuda", "cuda", "h100", (1,), "h100_sxm", 0.0),
        Target("h200", "cuda", "cuda", "h200", (1,), "h200", 0.0),
    )
}


@dataclasses.dataclass(frozen=True)
class Slice:
    """Devices of a target, connected.

    Attributes:
      target: what they are.
      sides: of the slice.
    """

    target: Target
    sides: tuple[int, ...]

    @property
    def topology(self) -> str:
        """As the compiler names it: `v5e:4x4`."""
        return f"{self.target.family}:{'x'.join(map(str, self.sides))}"

    @property
    def devices(self) -> int:
        """How many there are."""
        return math.prod(self.sides)


def read_target(text: str) -> Slice:
    """Read `NAME` or `NAME:TOPOLOGY`, such as `tpu_v5e:4x4`.

    Raises:
      UserError: unknown name, or a topology of other dimensions; names the valid ones.
    """
    name, colon, sides = text.partition(":")
    if name not in TARGETS:
        raise UserError(f"--target={text}: unknown target {name!r}; {suggest(name, TARGETS)}")
    target = TARGETS[name]
    if not colon:
        return Slice(target, target.sides)
    example = "x".join(map(str, target.sides))
    if not re.fullmatch(r"[1-9]\d*(x[1-9]\d*)*", sides) or sides.count("x") != example.count("x"):
        raise UserError(f"--target={text}: the topology of {name} must read like {example}")
    return Slice(target, tuple(map(int, sides.split("x"))))


def slice_for(whole: Slice, devices: int) -> Slice:
    """The smallest slice of doubling sides that has so many devices; GPUs come in any number.

    Raises:
      UserError: no slice has exactly so many; a program for one device runs on the smallest.
    """
    if devices == 1 or devices == whole.devices:
        return whole
    if whole.target.platform == "cuda":
        return Slice(whole.target, (devices,))
    sides = list(whole.target.sides)
    while math.prod(sides) < devices:
        shortest = min(range(len(sides)), key=lambda axis: (sides[axis], axis))
        sides[shortest] *= 2
    if math.prod(sides) != devices:
        raise UserError(
            f"--devices={devices}: slices of {whole.target.name} have 1 device or a power of 2 of "
            f"at least {math.prod(whole.target.sides)}"
        )
    return Slice(whole.target, tuple(sides))
