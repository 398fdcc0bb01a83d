"""What a run will need of its devices' memory, said before it starts."""

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resnets.training.setup import Plan

_logger = logging.getLogger("resnets.memory")


def announce(plan: "Plan", label: str, at_once: int = 1) -> None:
    """Say how much a run's training program will hold, and warn if a device has less.

    With several devices each holds all parameters, their gradients and resident data, and its
    share of the batch's activations. Devices that are processor cores have one memory together.

    Args:
      plan: of the run.
      label: of the run.
      at_once: such runs on the same device.
    """
    import jax

    from resnets.analysis import liveness, program
    from resnets.training import lowering
    from resnets.training.machine import device_memory

    read = program.read(lowering.lower(plan).compiler_ir("stablehlo"))
    given, working = liveness.arguments_bytes(read), liveness.temporary_bytes(read)
    params = jax.eval_shape(plan.initial_state).params
    gradients = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(params))
    mesh = plan.recipe.mesh
    activations = max(0, working - gradients) // mesh.size
    needed = given + gradients + activations
    shared = at_once * (len(mesh.local_devices) if plan.recipe.platform == "cpu" else 1)
    there = device_memory(mesh.local_devices[0])
    _logger.info(
        "%s: about %s%s of %s memory: activations %s, gradients %s, state and data %s",
        *(label, f"{shared} x " if shared > 1 else "", _size(needed)),
        _size(there) if there else "unknown",
        *map(_size, (activations, gradients, given)),
    )
    if there and shared * needed > there:
        remat = hasattr(plan.recipe.model, "remat") and plan.recipe.model.remat == "none"
        ways = ["--config.model.remat=block"] if remat else []
        ways += ["fewer runs at once (--max_parallel)"] if at_once > 1 else []
        ways += ["a larger config.accumulation", "more devices", "a smaller batch"]
        _logger.warning(
            "%s: that is more than there is, so it will probably fail; less takes: %s",
            *(label, ", ".join(ways)),
        )


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
