"""Lesions: a trained network without some of its blocks, or with blocks in another order.

Veit, Wilber and Belongie 2016 (arXiv 1605.06431): a residual network is an ensemble of paths of
many lengths, so it should lose little with a block, and more the more blocks are gone; a plain
network has one path. Nothing is trained again, and batch statistics stay as they were.
"""

import dataclasses
import functools
import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int

from resnets.errors import UserError
from resnets.models.residual_block import Block
from resnets.probes.evaluation import batches, error_pct
from resnets.probes.taps import Call, Context, path

Variables = Mapping[str, Any]
Images = Float[Array, "batch height width channels"]
Labels = Int[Array, " batch"]


@dataclasses.dataclass(frozen=True)
class Site:
    """A block of a network.

    Attributes:
      name: it (`stage2/block1`).
      keeps_shape: its result has its input's shape, so that it can be skipped or exchanged.
      residual: it has a shortcut, which stays when the branch is removed.
    """

    name: str
    keeps_shape: bool
    residual: bool

    @property
    def deletable(self) -> bool:
        """Whether the network still works without it."""
        return self.residual or self.keeps_shape

    @property
    def stage(self) -> str:
        """The stage that it is in."""
        return self.name.rpartition("/")[0]


@dataclasses.dataclass(frozen=True)
class Lesion:
    """A network that was harmed, and what came of it.

    Attributes:
      kind: `none`, `delete` one block, `random`: delete several, or `permute`: exchange blocks.
      blocks: those that are gone; for `permute`, those that stand in another place.
      count: how many blocks are gone, or how many exchanges were made.
      seed: of the choice; None where there was none.
      error_pct: percent of wrong predictions.
    """

    kind: str
    blocks: tuple[str, ...]
    count: int
    seed: int | None
    error_pct: float


@functools.cache
def sites(model: nn.Module, image_shape: tuple[int, ...]) -> tuple[Site, ...]:
    """The blocks of a residual or plain network in order; a loop over blocks counts as one block.

    Raises:
      UserError: the network has no such blocks.
    """
    found: list[Site] = []

    def note(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any], context: Context) -> Any:
        result = call(*args, **kwargs)
        if _is_block(context):
            design = context.module.design
            same = args[0].shape == result.shape and context.module.strides == 1
            found.append(Site(path(context.module), same, design.shortcut != "none"))
        return result

    images = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    with nn.intercept_methods(note):
        jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), images)
    if not found:
        raise UserError(
            f"lesions need the blocks of a residual or plain network; "
            f"{type(model).__name__} has none"
        )
    return tuple(found)


def _is_block(context: Context) -> bool:
    return isinstance(context.module, Block) and context.method_name == "__call__"


@functools.partial(jax.jit, static_argnums=(0, 1))
def _logits(
    model: nn.Module,
    blocks: tuple[Site, ...],
    variables: Variables,
    kept: Bool[Array, " blocks"],
    images: Images,
) -> Array:
    """Logits of the network of which only the blocks `kept` are there; one program for all."""
    order = {site.name: place for place, site in enumerate(blocks)}

    def gate(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any], context: Context) -> Any:
        result = call(*args, **kwargs)
        if not isinstance(context.module, Block) or path(context.module) not in order:
            return result
        place = order[path(context.module)]
        residual, method = blocks[place].residual, context.method_name
        if residual and method == "_scaled":  # the branch: only the shortcut stays
            return jnp.where(kept[place], result, jnp.zeros_like(result))
        if not residual and method == "__call__" and blocks[place].keeps_shape:
            return jnp.where(kept[place], result, args[0])
        return result

    with nn.intercept_methods(gate):
        logits: Array = model.apply(variables, images, train=False)  # type: ignore[assignment]
    return logits


def error_without(
    model: nn.Module,
    variables: Variables,
    images: Images,
    labels: Labels,
    deleted: Collection[str] = (),
) -> float:
    """Percent of wrong predictions of a network that has lost blocks.

    A residual block loses its branch and keeps its shortcut, with the nonlinearity after the
    addition; a plain one is skipped.

    Args:
      model: a residual or plain network without loops over blocks.
      variables: its variables.
      images: `[batch, height, width, channels]`.
      labels: `[batch]`.
      deleted: names of blocks (`stage2/block1`).

    Raises:
      UserError: one of them does not exist or cannot be deleted; names those that can.
    """
    blocks = sites(model, images.shape[1:])
    valid = [site.name for site in blocks if site.deletable]
    unknown = sorted(set(deleted) - set(valid))
    if unknown:
        raise UserError(f"{unknown[0]} cannot be deleted (valid: {', '.join(valid) or 'none'})")
    kept = jnp.asarray([site.name not in deleted for site in blocks])
    parts = [
        np.asarray(_logits(model, blocks, variables, kept, batch))[:count]
        for batch, count in batches(images)
    ]
    return error_pct(np.concatenate(parts), labels)


def delete_each(
    model: nn.Module, variables: Variables, images: Images, labels: Labels
) -> list[Lesion]:
    """Delete each block alone; the first lesion is none, and blocks that cannot go have none.

    Raises:
      UserError: the network has no such blocks.
    """
    blocks = sites(model, images.shape[1:])
    without = functools.partial(error_without, model, variables, images, labels)
    lesions = [Lesion("none", (), 0, None, without())]
    names = [site.name for site in blocks if site.deletable]
    return lesions + [Lesion("delete", (name,), 1, None, without([name])) for name in names]


def counts(blocks: Sequence[Site]) -> tuple[int, ...]:
    """How many blocks `delete_random` deletes: 1, 2, 3, 4, 6, 8, 12, ... up to all it may."""
    most = sum(site.keeps_shape for site in blocks)
    steps = (base * 2**power for power in range(30) for base in (2, 3))
    found = {1, most, *itertools.takewhile(lambda n: n < most, steps)}
    return tuple(sorted(number for number in found if 0 < number <= most))


def delete_random(
    model: nn.Module,
    variables: Variables,
    images: Images,
    labels: Labels,
    numbers: Sequence[int],
    seeds: Sequence[int],
) -> list[Lesion]:
    """Delete several blocks at random, among those that keep the shape.

    Plain and residual networks of one depth lose the same blocks at the same seed, and a larger
    number deletes what a smaller one did, and more.

    Raises:
      UserError: the network has no such blocks, or fewer than a number says.
    """
    names = [site.name for site in sites(model, images.shape[1:]) if site.keeps_shape]
    if max(numbers, default=0) > len(names):
        raise UserError(
            f"{max(numbers)} blocks cannot be deleted: {len(names)} of the network keep the shape"
        )
    lesions = []
    for seed in seeds:
        order = np.random.default_rng(seed).permutation(len(names))
        for number in numbers:
            gone = tuple(names[place] for place in sorted(order[:number]))
            error = error_without(model, variables, images, labels, gone)
            lesions.append(Lesion("random", gone, number, seed, error))
    return lesions


def permuted(variables: Variables, order: Mapping[str, str]) -> dict[str, Any]:
    """Variables with the blocks' in another order: block `place` gets those of `order[place]`."""

    def at(tree: Any, name: str) -> Any:
        return functools.reduce(lambda node, key: node[key], name.split("/"), tree)

    result = {}
    for kind, tree in variables.items():
        copy = jax.tree.map(lambda leaf: leaf, tree)  # new dictionaries, the same arrays
        for place, source in order.items():
            stage, _, block = place.rpartition("/")
            if kind != "batch_stats" or tree:
                at(copy, stage)[block] = at(tree, source)
        result[kind] = copy
    return result


def exchange(blocks: Sequence[Site], number: int, seed: int) -> dict[str, str]:
    """Exchange pairs of blocks of one stage, one pair after the other, at random.

    Returns:
      For each block that keeps the shape, the block whose weights stand in its place; empty where
      no stage has two of them.
    """
    names = [site.name for site in blocks if site.keeps_shape]
    order = {name: name for name in names}
    stages = {site.name: site.stage for site in blocks}
    pairs = [p for p in itertools.combinations(names, 2) if stages[p[0]] == stages[p[1]]]
    if not pairs:
        return {}
    random = np.random.default_rng(seed)
    for _ in range(number):
        one, other = pairs[random.integers(len(pairs))]
        order[one], order[other] = order[other], order[one]
    return order


def permute(
    model: nn.Module,
    variables: Variables,
    images: Images,
    labels: Labels,
    numbers: Sequence[int],
    seeds: Sequence[int],
) -> list[Lesion]:
    """Exchange blocks within their stages at random; only those that keep the shape move.

    Returns:
      A lesion a number and seed; none where no stage has two blocks to exchange.

    Raises:
      UserError: the network has no such blocks.
    """
    blocks = sites(model, images.shape[1:])
    lesions = []
    for seed in seeds:
        for number in numbers:
            order = exchange(blocks, number, seed)
            if not order:
                return []
            moved = tuple(place for place, source in order.items() if place != source)
            error = error_without(model, permuted(variables, order), images, labels)
            lesions.append(Lesion("permute", moved, number, seed, error))
    return lesions
