"""The probes by name, each on a restored run: plain rows for tables, plain arrays for pictures."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from resnets.errors import UserError
from resnets.probes import (
    calibration,
    evaluation,
    feature_maps,
    gradients,
    lesions,
    receptive_fields,
    responses,
    shifts,
)
from resnets.probes.taps import levels
from resnets.probes.trained import Trained

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked of a probe.

    Attributes:
      split: of the data.
      examples: how many of its first examples, at most; None for all.
      images: places of chosen examples in the split.
      choices: how many random choices of blocks a number of deletions or exchanges gets.
      pixels: the largest shift.
    """

    split: str = "test"
    examples: int | None = None
    images: tuple[int, ...] = (0, 1, 2)
    choices: int = 5
    pixels: int = 4


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a probe found in one run.

    Attributes:
      tables: rows by the name of their file.
      pictures: arrays by name, for the charts that show images.
      examples: how many were looked at.
    """

    tables: Mapping[str, list[Row]]
    examples: int
    pictures: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)


def lesion(run: Trained, request: Request) -> Outcome:
    """Delete each block, delete several, exchange some."""
    images, labels = run.examples(request.split, request.examples)
    given = run.model, run.variables, images, labels
    blocks = lesions.sites(run.model, images.shape[1:])
    seeds, numbers = range(request.choices), lesions.counts(blocks)
    exchanges = tuple(2**power for power in range(8) if 2**power <= 2 * len(blocks))
    found = lesions.delete_each(*given)
    found += lesions.delete_random(*given, numbers, seeds)
    found += lesions.permute(*given, exchanges, seeds)
    order = {site.name: place for place, site in enumerate(blocks, 1)}
    rows: list[Row] = [
        {
            "kind": harm.kind,
            "count": harm.count,
            "choice": harm.seed,
            "place": order[harm.blocks[0]] if harm.kind == "delete" else None,
            "stage": harm.blocks[0].rpartition("/")[0] if harm.kind == "delete" else None,
            "blocks": " ".join(harm.blocks),
            "error_pct": harm.error_pct,
        }
        for harm in found
    ]
    return Outcome({"lesion": rows}, len(labels))


def response(run: Trained, request: Request) -> Outcome:
    """Standard deviation of each layer's response; branch to shortcut of each residual block."""
    images, labels = run.examples(request.split, request.examples)
    given = run.model, run.variables, images
    tables: dict[str, list[Row]] = {
        "response": [
            {"place": place, "layer": found.layer, "mean": found.mean, "std": found.std}
            for place, found in enumerate(responses.responses(*given), 1)
        ]
    }
    try:
        blocks = responses.ratios(*given)
    except UserError:
        blocks = []  # a plain network adds nothing; the chart says so
    tables["response_ratio"] = [
        {
            "place": place,
            "block": found.block,
            "branch_rms": found.branch,
            "shortcut_rms": found.shortcut,
            "branch_to_shortcut": found.ratio,
        }
        for place, found in enumerate(blocks, 1)
    ]
    return Outcome(tables, len(labels))


def gradient(run: Trained, request: Request) -> Outcome:
    """Gradient norm of each layer on one training batch, before the first step and after the last.

    The batch is the first of the training split, in the size that the run was trained with.
    """
    images, labels = run.examples("train", run.plan.recipe.batch_size)
    states = {"initial": run.initial_variables(), "trained": run.variables}
    rows: list[Row] = [
        {
            "state": state,
            "place": place,
            "layer": found.layer,
            "gradient_norm": found.norm,
            "weight_norm": found.weight_norm,
        }
        for state, variables in states.items()
        for place, found in enumerate(gradients.gradients(run.model, variables, images, labels), 1)
    ]
    return Outcome({"gradient": rows}, len(labels))


def shift(run: Trained, request: Request) -> Outcome:
    """Shift images by 0 to so many pixels."""
    images, labels = run.examples(request.split, request.examples)
    names = levels(run.model, images.shape[1:])
    found = shifts.shifts(
        run.model, run.variables, images, labels, range(request.pixels + 1), names
    )
    rows: list[Row] = [
        {
            "pixels": one.pixels,
            "direction": one.direction,
            "error_pct": one.error_pct,
            "consistency_pct": one.consistency_pct,
            "logits_change_pct": 100 * one.logits_change,
        }
        for one in found
    ]
    maps: list[Row] = [
        {
            "pixels": one.pixels,
            "direction": one.direction,
            "module": name,
            "change_pct": 100 * change,
            "moved_back_change_pct": 100 * one.moved_map_change[name]
            if name in one.moved_map_change
            else None,
        }
        for one in found
        for name, change in one.map_change.items()
    ]
    return Outcome({"shift": rows, "shift_maps": maps}, len(labels))


def receptive_field(run: Trained, request: Request) -> Outcome:
    """What units at the centre could see, and what they respond to."""
    images, labels = run.examples(request.split, request.examples)
    names = levels(run.model, images.shape[1:])
    large = receptive_fields.canvas(run.model, run.variables, images, names)
    rows: list[Row] = []
    pictures = {}
    for found in receptive_fields.receptive_fields(run.model, run.variables, large, names):
        row, column = found.unit
        spans = found.field.spans if found.field else (None, None)
        low = [s.interval(u)[0] if s else None for s, u in zip(spans, (row, column), strict=True)]
        rows.append(
            {
                "module": found.module,
                "theoretical_px": spans[0].size if spans[0] else None,
                "theoretical_width_px": spans[1].size if spans[1] else None,
                "step_px": spans[0].step if spans[0] else None,
                "effective_px": found.side,
                "image_px": images.shape[1],
                "canvas_px": large.shape[1],
                "first_row": low[0],
                "first_column": low[1],
            }
        )
        pictures[found.module] = found.influence
    return Outcome({"receptive_field": rows}, len(labels), pictures)


def features(run: Trained, request: Request) -> Outcome:
    """Feature maps of chosen images, and the filters of the first convolution."""
    pixels, labels = run.pixels(request.split)
    for place in request.images:
        if not 0 <= place < len(labels):
            raise UserError(
                f"--images={place}: the {request.split} split has images 0 to {len(labels) - 1}"
            )
    chosen = list(request.images)
    images = run.examples(request.split)[0][np.asarray(chosen)]
    names = levels(run.model, images.shape[1:])
    maps = feature_maps.feature_maps(run.model, run.variables, images, names)
    filters = feature_maps.first_filters(run.model, run.variables, images.shape[1:])
    rows: list[Row] = [
        {
            "image": place,
            "label": int(labels[place]),
            "module": name,
            "channel": channel,
            "mean": float(values.mean()),
            "std": float(values.std()),
            "largest": float(values.max()),
            "zero_pct": float(100 * np.mean(values == 0)),
        }
        for name, found in maps.items()
        for place, image in zip(chosen, found, strict=True)
        for channel, values in enumerate(np.moveaxis(image, -1, 0))
    ]
    shown = {f"map {name}": found for name, found in maps.items()}
    shown |= {"images": pixels[chosen], "labels": labels[chosen], "filters": filters.kernel}
    return Outcome({"features": rows}, len(chosen), shown)


def calibrated(run: Trained, request: Request) -> Outcome:
    """Confidence against accuracy, what is taken for what, and the surest mistakes."""
    pixels, labels = run.pixels(request.split, request.examples)
    images, _ = run.examples(request.split, request.examples)
    shares = calibration.probabilities(evaluation.logits(run.model, run.variables, images))
    found = calibration.calibration(shares, labels)
    counts = calibration.confusion(shares.argmax(-1), labels, run.dataset.num_classes)
    confused = calibration.most_confused(shares, labels, 12)
    tables: dict[str, list[Row]] = {
        "calibration": [dataclasses.asdict(one) for one in found.bins],
        "calibration_sums": [{name: getattr(found, name) for name in _SUMS}],
        "confusion": [
            {"label": label, "predicted": predicted, "examples": int(count)}
            for (label, predicted), count in np.ndenumerate(counts)
        ],
        "confused": [dataclasses.asdict(one) for one in confused],
    }
    shown = pixels[[one.example for one in confused]]
    return Outcome(tables, len(labels), {"confused": shown})


_SUMS = ("count", "accuracy", "confidence", "expected_error", "largest_error", "loss")

PROBES: Mapping[str, Callable[[Trained, Request], Outcome]] = {
    "lesion": lesion,
    "response": response,
    "gradient": gradient,
    "shift": shift,
    "receptive_field": receptive_field,
    "features": features,
    "calibration": calibrated,
}
"""What `--what` takes."""


def applicable(run: Trained) -> Sequence[str]:
    """The probes that can be made on a network."""
    try:
        lesions.sites(run.model, run.plan.image_shape)
    except UserError:
        return [name for name in PROBES if name != "lesion"]
    return list(PROBES)
