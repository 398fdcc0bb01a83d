"""Ways to run the rows of a manifest. What became of a run is read from its files alone."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Limits:
    """What an engine may do.

    Attributes:
      max_parallel: runs at once; None for the engine's own measure.
      retries: how often a run that crashed is started again.
      timeout_s: seconds that an attempt may take; None for any.
    """

    max_parallel: int | None = None
    retries: int = 0
    timeout_s: float | None = None


@dataclasses.dataclass(frozen=True)
class Resources:
    """What each run gets.

    Attributes:
      cpus: cores.
      gpus: accelerators.
    """

    cpus: int = 1
    gpus: int = 0
