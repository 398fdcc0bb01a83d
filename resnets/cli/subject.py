"""What is analysed: networks by name or from a config file, with batch, images and dtype."""

import argparse
import ast
import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from resnets.arguments import split_call
from resnets.errors import UserError

if TYPE_CHECKING:
    from flax.linen import Module
    from jax.sharding import Mesh

    from resnets.analysis.lower import Lowered
    from resnets.training.step import Recipe

Shape = tuple[int, int, int]

_AUGMENTATION = ("shift", "flip", "crop")
_RECIPE = (
    "optimizer",
    "weight_decay",
    "clip_norm",
    "label_smoothing",
    "average_decay",
    "accumulation",
)


@dataclasses.dataclass(frozen=True)
class Subject:
    """A network to analyse.

    Attributes:
      name: as the user wrote it.
      model: the network.
      image_shape: `(height, width, channels)` that the network sees.
      stored_shape: of the images before a crop, as a training step is given them.
      dtype: that it computes in.
      config: fields of the recipe for a training step; empty for the defaults.
    """

    name: str
    model: "Module"
    image_shape: Shape
    stored_shape: Shape
    dtype: str
    config: dict[str, Any]

    def recipe(self, batch_size: int) -> "Recipe":
        """The trainer's recipe on one device; SGD 0.9 with weight decay unless a config says.

        Means and deviations of the images are not known here; they change no cost.
        """
        import jax

        from resnets.data.augmentation import Preprocessing
        from resnets.training.setup import device_mesh
        from resnets.training.step import Recipe

        channels = (0.5,) * self.image_shape[2]
        images = self.config.get("data", {})
        hosted = "train_crop" in images  # a streamed set is cropped and mirrored by the host
        augmented = {} if hosted else {k: images[k] for k in _AUGMENTATION if k in images}
        chosen = {field: self.config[field] for field in _RECIPE if field in self.config}
        recipe: dict[str, Any] = {"weight_decay": 1e-4} | chosen
        preprocessing = Preprocessing(channels, channels, **augmented)
        mesh = device_mesh(jax.devices()[:1])
        return Recipe(self.model, preprocessing, mesh, batch_size, **recipe)


PHASES = ("inference", "train")
PLATFORMS = ("tpu", "cuda", "cpu")
DTYPES = ("float32", "bfloat16")


def positive(text: str) -> int:
    """Read a whole number of at least 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} must be a whole number of at least 1")
    return int(text)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what says which network, and on what."""
    add = parser.add_argument
    add("name", nargs="?", metavar="NAME", help="a network of `launch.sh models`")
    add("--config", default="", help="FILE.py or FILE.py:key=value,... in place of NAME")
    add("--phase", choices=PHASES, default="inference", help="default: inference")
    add("--batch_size", type=positive, default=1, help="images at once (default: 1)")
    add("--image_size", default="", help="224, 224x192 or 224x192x3 (default: the paper's)")
    add("--classes", type=positive, help="size of the last layer (default: the paper's)")
    add("--dtype", choices=DTYPES, default="", help="compute dtype (default: the network's)")
    add("--platform", choices=PLATFORMS, default="tpu", help="whose program (default: tpu)")


def check(args: argparse.Namespace, overrides: list[str]) -> None:
    """Refuse options that name no network, or two.

    Raises:
      UserError: says what to give.
    """
    if bool(args.name) == bool(args.config):
        raise UserError("give one of NAME or --config=FILE; `launch.sh models` lists the names")
    if overrides and not args.config:
        raise UserError(f"{overrides[0]} needs --config; a NAME takes NAME:field=value")


def given(args: argparse.Namespace, overrides: list[str]) -> Subject:
    """Make the network that the options name.

    Raises:
      UserError: as `named` and `configured`.
    """
    shown = args.classes, args.image_size, args.dtype
    if args.config:
        return configured(args.config, overrides, *shown)
    return named(args.name, *shown)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read what `as_arguments` gives."""
    parser = argparse.ArgumentParser()
    add_options(parser)
    return parser.parse_args(argv)


def as_arguments(args: argparse.Namespace) -> list[str]:
    """The options again, for another process."""
    fields = ("config", "phase", "batch_size", "image_size", "classes", "dtype", "platform")
    given = {field: getattr(args, field) for field in fields}
    flags = [f"--{field}={value}" for field, value in given.items() if value]
    return [args.name, *flags] if args.name else flags


def lower(
    network: Subject,
    args: argparse.Namespace,
    platform: str,
    mesh: "Mesh | None" = None,
    prepared: bool = True,
) -> "Lowered":
    """Lower the phase that the options name, for devices that need not exist if there is a mesh.

    Args:
      network: what is lowered.
      args: the options.
      platform: whose program it is.
      mesh: the devices.
      prepared: as `lower.inference` has it.

    Raises:
      UserError: the network cannot be traced with these images; says where.
    """
    from resnets import analysis
    from resnets.analysis import lower as lowering

    try:
        if args.phase == "train":
            recipe = network.recipe(args.batch_size)
            return lowering.training_step(recipe, network.stored_shape, platform, mesh)
        shown = network.model, network.image_shape, args.batch_size, platform
        return lowering.inference(*shown, mesh, prepared)
    except analysis.AnalysisError as error:
        raise UserError(f"{network.name}: {error}") from None


def named(spec: str, classes: int | None, size: str, dtype: str) -> Subject:
    """Make the network that `NAME:field=value,...` names.

    Raises:
      UserError: unknown name, field, size or dtype; names the valid ones.
    """
    name, values = split_call(spec)
    return _create(
        spec, name, {k: _literal(v) for k, v in values.items()}, classes, size, dtype, {}
    )


def configured(
    file: str, overrides: list[str], classes: int | None, size: str, dtype: str
) -> Subject:
    """Make the network of a config file, on the images of its data set.

    Raises:
      UserError: as the trainer says it of the config; unknown size or dtype.
    """
    from resnets import data
    from resnets.training.config_file import load_config

    config = load_config(file, overrides).to_dict()
    fields = dict(config["model"])
    name = fields.pop("name")
    shape, own_classes = data.describe(config["data"])
    given = _create(
        f"{file} ({name})",
        name,
        fields,
        classes or own_classes,
        size or "x".join(map(str, shape)),
        dtype,
        config,
    )
    if size:
        return given
    stored, _ = data.describe(config["data"] | {"crop": 0})
    return dataclasses.replace(given, stored_shape=stored)


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text.capitalize() if text in ("true", "false") else text)
    except (ValueError, SyntaxError):
        return text


def _create(
    shown: str,
    name: str,
    fields: dict[str, Any],
    classes: int | None,
    size: str,
    dtype: str,
    config: dict[str, Any],
) -> Subject:
    from resnets import models

    if dtype:
        fields["dtype"] = dtype
    try:
        shape = models.family(name).image_shape
        model = models.create(name, classes, **fields)
    except (ValueError, TypeError) as error:
        raise UserError(str(error)) from None
    seen = _shape(size, shape)
    return Subject(shown, model, seen, seen, fields.get("dtype", "float32"), config)


def _shape(size: str, default: Shape) -> Shape:
    """Read `224`, `224x192` or `224x192x3`; what is left out is as in the paper."""
    if not size:
        return default
    parts = size.split("x")
    if len(parts) > 3 or not all(part.isdigit() and int(part) for part in parts):
        raise UserError(f"--image_size={size} must read 224, 224x192 or 224x192x3")
    numbers = [int(part) for part in parts]
    height, width = numbers[0], numbers[min(1, len(numbers) - 1)]
    return height, width, numbers[2] if len(numbers) == 3 else default[2]
