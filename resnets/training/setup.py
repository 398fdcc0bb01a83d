"""From a config to everything that a run needs, checked before anything is written."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from jax.sharding import AxisType, Mesh

from resnets import data, models
from resnets.data.augmentation import Preprocessing
from resnets.errors import UserError, reason, suggest
from resnets.training import divergence, schedules
from resnets.training.config import ConfigReader
from resnets.training.diagnosis import Cadence, cadence
from resnets.training.divergence import Policy
from resnets.training.pretrained import Pretrained
from resnets.training.schedules import Schedule
from resnets.training.state import TrainState
from resnets.training.step import Recipe, initialise

_UNFIT = (ValueError, TypeError, ArithmeticError)  # what networks say to fields of no use to them
BEST_BY = ("validation_loss", "validation_error_pct")
"""What a best checkpoint may go by: never test data."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """A run, ready to start.

    Attributes:
      seed: of initial values, order, augmentation and dropout.
      recipe: what the compiled program depends on.
      dataset: the data, in memory or streamed.
      schedule: learning rates.
      epochs: passes over the training split.
      log_every: steps between records within an epoch; 0 for one record an epoch.
      eval_every: epochs between evaluations.
      checkpoint_every: epochs between checkpoints; 0 for one at the end.
      keep_checkpoints: how many of the newest to keep.
      keep_best: what the checkpoint that is kept beside them is best by; empty for none.
      on_divergence: what is done about steps that are not finite.
      diagnostics: after which epochs the network is diagnosed.
      profile: steps to profile; 0 for none.
      pretrained: the file that the first values come from, if any.
    """

    seed: int
    recipe: Recipe
    dataset: data.Dataset | data.Streamed
    schedule: Schedule
    epochs: int
    log_every: int
    eval_every: int
    checkpoint_every: int
    keep_checkpoints: int
    keep_best: str
    on_divergence: Policy
    diagnostics: Cadence
    profile: int
    pretrained: Pretrained | None

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in the training split; the rest waits for another epoch's order."""
        return self.dataset.size("train") // self.recipe.batch_size

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self.epochs * self.steps_per_epoch

    def key(self) -> jax.Array:
        """The run's random key."""
        return jax.random.key(self.seed)

    def initial_state(self) -> TrainState:
        """The state before the first step."""
        key = jax.random.fold_in(self.key(), 0)
        return initialise(self.recipe, key, self.image_shape)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels that the network sees."""
        height, width, channels = self.dataset.image_shape
        crop = self.recipe.preprocessing.crop
        return crop or height, crop or width, channels


def device_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Put devices, all of them by default, in one row named `data`."""
    chosen = devices or jax.devices()
    return jax.make_mesh((len(chosen),), ("data",), (AxisType.Auto,), devices=chosen)


def at_least(read: ConfigReader, name: str, minimum: float) -> Any:
    """Read a number of the minimum's type and refuse one that is too small.

    Raises:
      UserError: naming the field and the type or the bound.
    """
    value = read(name, type(minimum))
    if not value >= minimum:
        raise UserError(f"config.{name}={value} must be at least {minimum}")
    return value


def prepare(config: Mapping[str, Any]) -> Plan:
    """Turn a config into a plan, reading all of its fields.

    Raises:
      UserError: a field is missing, read by nothing, or has a value out of range.
    """
    read = ConfigReader(config)
    dataset = _dataset(read)
    on_divergence = divergence.policy(read("on_divergence", str))
    recipe = dataclasses.replace(_recipe(read, dataset), guarded=on_divergence.guarded)
    epochs = at_least(read, "epochs", 1)
    steps_per_epoch = dataset.size("train") // recipe.batch_size
    schedule = schedules.build(
        read("schedule", str),
        at_least(read, "learning_rate", 0.0),
        epochs * steps_per_epoch,
        steps_per_epoch,
    )
    if schedule.plateau and not dataset.size("validation"):
        raise UserError("config.schedule=plateau needs validation data; set config.data.validation")
    plan = Plan(
        seed=at_least(read, "seed", 0),
        recipe=recipe,
        dataset=dataset,
        schedule=schedule,
        epochs=epochs,
        log_every=at_least(read, "log_every", 0),
        eval_every=at_least(read, "eval_every", 1),
        checkpoint_every=at_least(read, "checkpoint_every", 0),
        keep_checkpoints=at_least(read, "keep_checkpoints", 1),
        keep_best=_keep_best(read, dataset),
        on_divergence=on_divergence,
        diagnostics=cadence(read("diagnostics", str)),
        profile=at_least(read, "profile", 0),
        pretrained=_pretrained(read),
    )
    read.check_all_read()
    _check_network(plan)
    return plan


def _keep_best(read: ConfigReader, dataset: data.Dataset | data.Streamed) -> str:
    metric: str = read("keep_best", str)
    if metric and metric not in BEST_BY:
        raise UserError(f"config.keep_best={metric!r}: {suggest(metric, BEST_BY)}")
    if metric and not dataset.size("validation"):
        raise UserError(f"config.keep_best={metric} needs config.data.validation")
    return metric


def _pretrained(read: ConfigReader) -> Pretrained | None:
    file, new_head = read("init_from", str), read("init_new_head", bool)
    if new_head and not file:
        raise UserError("config.init_new_head=true needs config.init_from")
    return Pretrained(Path(file), new_head) if file else None


def _dataset(read: ConfigReader) -> data.Dataset | data.Streamed:
    name = read("data.name", str)
    roles = ("train", "validation", "test", "directory")
    places = {role: read(f"data.{role}", str) for role in roles}
    if not data.streamed(name):
        return data.load(name, **places)
    view = data.View(
        size=read("data.image_size", int),
        resize=read("data.resize", int),
        crop=read("data.train_crop", str),
        flip=read("data.flip", bool),
    )
    return data.stream(name, view, workers=at_least(read, "data.workers", 0), **places)


def _preprocessing(read: ConfigReader, dataset: data.Dataset | data.Streamed) -> Preprocessing:
    mean, std = dataset.statistics()
    if isinstance(dataset, data.Streamed):
        return Preprocessing(mean, std)  # the host has cropped and flipped
    shift, crop = at_least(read, "data.shift", 0), at_least(read, "data.crop", 0)
    height, width, _ = dataset.image_shape
    if crop > min(height, width):
        raise UserError(f"config.data.crop={crop} is larger than the images of {height}x{width}")
    return Preprocessing(mean, std, shift, read("data.flip", bool), crop)


def _recipe(read: ConfigReader, dataset: data.Dataset | data.Streamed) -> Recipe:
    options = read.section("model")
    name = options.pop("name", None)
    if not isinstance(name, str):
        raise UserError("config.model.name is missing")
    try:
        model = models.create(name, dataset.num_classes, **options)
    except _UNFIT as error:
        raise UserError(f"config.model: {reason(error)}") from None
    recipe = Recipe(
        model=model,
        preprocessing=_preprocessing(read, dataset),
        mesh=device_mesh(),
        batch_size=at_least(read, "batch_size", 1),
        optimizer=read("optimizer", str),
        weight_decay=at_least(read, "weight_decay", 0.0),
        clip_norm=at_least(read, "clip_norm", 0.0),
        label_smoothing=at_least(read, "label_smoothing", 0.0),
        average_decay=at_least(read, "average_decay", 0.0),
        accumulation=at_least(read, "accumulation", 1),
    )
    _check_recipe(recipe, dataset.size("train"))
    return recipe


def _check_recipe(recipe: Recipe, train_examples: int) -> None:
    size, parts, devices = recipe.batch_size, recipe.accumulation, recipe.mesh.size
    if size > train_examples:
        raise UserError(
            f"config.batch_size={size} is larger than the training split ({train_examples})"
        )
    if size % (parts * devices):
        raise UserError(
            f"config.batch_size={size} must be a multiple of config.accumulation={parts} "
            f"times {devices} devices"
        )
    for field in ("label_smoothing", "average_decay"):
        if not getattr(recipe, field) < 1.0:
            raise UserError(f"config.{field}={getattr(recipe, field)} must be below 1")
    recipe.direction()


def _check_network(plan: Plan) -> None:
    """Trace the initialisation: what does not fit the images, or the file, is said now."""
    try:
        state = jax.eval_shape(plan.initial_state)
    except _UNFIT as error:
        size = "x".join(map(str, plan.image_shape))
        raise UserError(f"config.model on images of {size}: {reason(error)}") from None
    if plan.pretrained:
        plan.pretrained.check(plan.recipe.model, state)
