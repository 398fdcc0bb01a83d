"""Where the time of a training step goes, by JAX's profiler: C15."""

import collections
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.claims.behaviour import Behaviour
from experiments.claims.claim import Finding, Picture, Table
from experiments.claims.effects import Effect
from experiments.claims.workplace import Workplace
from resnets.analysis import lower
from resnets.analysis.calibration import measured
from resnets.analysis.calibration.microbenchmarks import time_call
from resnets.analysis.hlo import Module
from resnets.analysis.kernels import Kernel, Share, kernels
from resnets.analysis.scopes import Scopes
from resnets.data import Dataset
from resnets.training import epoch
from resnets.training.config_file import load_config
from resnets.training.setup import Plan, prepare

CONFIG, BATCH, REPEATS = "configs/deepnet.py:dropout=0.3", 32, 5
INPUT_GRADIENT, KERNEL_GRADIENT = "convolution, input gradient", "convolution, kernel gradient"
NORM_GRADIENT = "normalisation, gradient"
CLAIMED = (INPUT_GRADIENT, KERNEL_GRADIENT, NORM_GRADIENT)
INPUT = "augmentation"
_FLOAT = 4


def measure() -> dict[str, Any]:
    """Profile steps of DeepNet's training, one by one.

    Returns:
      `kinds`: for each profile, seconds by kind of operation; `operations`: the longest ones of the
      first profile, as kind, layer and seconds; `step_s`: of a step; `explained`: share of the
      profiled time in which a named operation runs.
    """
    flags = ["--config.data.name=synthetic:train=512,test=32", f"--config.batch_size={BATCH}"]
    plan = prepare(load_config(CONFIG, flags).to_dict())
    lowered = lower.training_step(plan.recipe, plan.dataset.image_shape, platform=_platform())
    program = lowered.lowered.compile(compiler_options=epoch.OPTIONS.get(plan.recipe.platform))
    serialised = program.runtime_executable().hlo_modules()[0].as_serialized_hlo_module_proto()
    found, _ = kernels(serialised, Scopes(lowered.modules[()], lowered.modules, training=True))
    flow = measured.order(Module(serialised), frozenset(kernel.name for kernel in found))
    arguments = _arguments(plan)
    weights = _weights(arguments[0].params)
    steps = Steps(program, *arguments)
    timing = time_call(steps, repeats=REPEATS)
    profiles, explained = [], 0.0
    for _ in range(REPEATS):
        profile, seconds = measured.profile(steps, (), 1)
        taken, _ = measured.by_kernel(found, measured.occupied(measured.spans(profile, flow)), flow)
        explained += sum(taken.values()) / seconds / REPEATS
        profiles.append(taken)
    first = profiles[0]
    longest = sorted(found, key=lambda kernel: -first[kernel.name])[:12]
    return {
        "kinds": [by_kind(found, taken, weights) for taken in profiles],
        "operations": [
            [kind(kernel, share, weights), share.layer, first[kernel.name]]
            for kernel in longest
            for share in _served(kernel, weights)[:1]
        ],
        "step_s": timing.seconds,
        "explained": explained,
    }


class Steps:
    """A compiled step, called without arguments: it gives up the state, which is kept here."""

    def __init__(self, program: Callable[..., Any], state: Any, *rest: Any) -> None:
        """Call nothing yet."""
        self.program, self.state, self.rest = program, state, rest

    def __call__(self) -> Any:
        """Take a step; return its metrics."""
        self.state, metrics = self.program(self.state, *self.rest)
        return metrics


def _platform() -> str:
    platform = jax.default_backend()
    return "cuda" if platform == "gpu" else platform


def _arguments(plan: Plan) -> tuple[Any, ...]:
    images, labels = _examples(plan)
    return (
        plan.initial_state(),
        jnp.asarray(images[:BATCH]),
        jnp.asarray(labels[:BATCH]),
        jnp.float32(1e-3),
        jax.random.key(0),
    )


def _examples(plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    assert isinstance(plan.dataset, Dataset)  # synthetic images lie in memory
    return plan.dataset.split("train")


def _weights(params: Any) -> dict[str, int]:
    """Bytes of each kernel by the layer's path."""
    leaves = jax.tree_util.tree_flatten_with_path(params)[0]
    return {
        "/".join(str(part.key) for part in path[:-1]): _FLOAT * leaf.size
        for path, leaf in leaves
        if path[-1].key == "kernel"
    }


def kind(kernel: Kernel, share: Share, weights: Mapping[str, int]) -> str:
    """What a kernel does for one of its layers.

    Of a convolution's gradients the one by the kernel writes as many bytes as the kernel has, or
    prepares for it; flipping the kernel belongs to the other one, by the input. What a backward
    kernel computes again of the forward pass is its own work.
    """
    if kernel.phase == "optimizer":
        return "optimiser"
    if share.layer.startswith("augment"):
        return INPUT
    if "pool" in share.layer or "reduce-window" in kernel.name:
        return "pooling, both ways"
    forward = kernel.phase == "forward"
    if share.layer in weights:
        if forward:
            return "convolution, forward"
        writes_weights = kernel.output_bytes == weights[share.layer]
        return KERNEL_GRADIENT if writes_weights == bool(kernel.products) else INPUT_GRADIENT
    if share.layer.endswith("bn"):
        return "normalisation, forward" if forward else NORM_GRADIENT
    return "the rest, forward" if forward else "the rest, backward"


def _served(kernel: Kernel, weights: Mapping[str, int]) -> tuple[Share, ...]:
    """The shares that a kernel's time is divided over.

    With a product it is the product's; without, a bias that is added on the way, often several
    times, is no convolution.
    """
    own = tuple(share for share in kernel.shares if share.layer in weights)
    if kernel.products:
        return own[:1] or kernel.shares
    return tuple(share for share in kernel.shares if share not in own) or kernel.shares


def by_kind(
    found: Sequence[Kernel], seconds: Mapping[str, float], weights: Mapping[str, int]
) -> dict[str, float]:
    """Seconds by kind; where a kernel serves several layers, by the bytes of each."""
    kinds: dict[str, float] = collections.defaultdict(float)
    for kernel in found:
        shares = _served(kernel, weights)
        moved = sum(share.bytes for share in shares)
        for share in shares:
            part = share.bytes / moved if moved else 1 / len(shares)
            kinds[kind(kernel, share, weights)] += seconds[kernel.name] * part
    return dict(kinds)


def read(found: Mapping[str, Any]) -> Finding:
    """From a measurement to the finding."""
    shares = [
        {name: 100 * s / sum(kinds.values()) for name, s in kinds.items()}
        for kinds in found["kinds"]
    ]
    names = sorted({n for s in shares for n in s}, key=lambda n: -_mean(shares, n))
    others = [name for name in names if name not in CLAIMED]
    effects = tuple(
        Effect(
            f"{name}, over any other kind",
            tuple(s.get(name, 0.0) - max(s.get(other, 0.0) for other in others) for s in shares),
            "points of the step",
            "profile",
        )
        for name in CLAIMED
    )
    return Finding(
        (),
        f"{REPEATS} profiled steps of DeepNet, batch {BATCH}, 28x28, on this machine's processor "
        f"({found['step_s']:.2f} s a step; {100 * found['explained']:.0f} % of the time has a "
        f"name): {'; '.join(f'{n} {_mean(shares, n):.0f} %' for n in names[:5])}. The values are "
        f"{REPEATS} profiles of one program, no seeds: the intervals are those of this machine's "
        "clock. Nothing is decided about the input pipeline: the images lie in memory here, and "
        "augmentation, a part of the step, takes "
        f"{_mean(shares, INPUT):.1f} %. The document profiled another machine.",
        (
            Table(
                "A training step by kind of operation, mean of the profiles",
                ("kind", "share, %"),
                [(name, f"{_mean(shares, name):.1f}") for name in names],
            ),
            Table(
                "The longest operations of the first profile",
                ("kind", "layer", "ms"),
                [(name, layer, f"{1000 * s:.1f}") for name, layer, s in found["operations"]],
            ),
        ),
        effects=effects,
        charts=(
            Picture(
                "profile",
                "A training step of DeepNet by kind of operation",
                "",
                "Share of the step, %",
                [("", name, _mean(shares, name)) for name in names],
            ),
        ),
    )


def _mean(shares: Sequence[Mapping[str, float]], name: str) -> float:
    return float(np.mean([one.get(name, 0.0) for one in shares]))


def _profile(workplace: Workplace) -> Finding:
    return read(workplace.measured("profile", measure, [CONFIG, BATCH, REPEATS]))


BEHAVIOURS = (
    Behaviour(
        "C15",
        "A step's top operations are gradients by input, kernel and BN; the data are no bottleneck",
        _profile,
        "./launch.sh study claims --only=C15",
    ),
)
