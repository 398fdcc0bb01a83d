"""Small study directories with numbers chosen by hand or from closed forms."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ErrorOf = Callable[[str, int, int], float]
"""Final error in percent of (arm, depth, seed)."""

VERSIONS = {"python": "3.11.2", "jax": "0.10.2", "flax": "0.12.8"}


def row(arm: str, depth: int, seed: int, **overrides: str) -> dict[str, Any]:
    """A row of the manifest, as `resnets.studies` writes it."""
    return {
        "id": f"{arm}-d{depth}-s{seed}",
        "arm": arm,
        "depth": depth,
        "seed": seed,
        "config": f"configs/digits.py:depth={depth},shortcut={'none' if arm == 'plain' else 'A'}",
        "overrides": {"epochs": "30", "seed": str(seed), **overrides},
        "config_hash": "0123456789abcdef",
    }


def write_study(path: Path, rows: Sequence[Mapping[str, Any]], **about: Any) -> Path:
    """Write `study.json` and `manifest.jsonl`."""
    path.mkdir(parents=True, exist_ok=True)
    text = {"name": "degradation", "question": "Does depth hurt?", "reading": "Compare the arms."}
    (path / "study.json").write_text(json.dumps(text | about))
    (path / "manifest.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path


def write_run(
    study: Path, run_id: str, train: float, test: float, epochs: int = 3, done: bool = True
) -> Path:
    """Write a run whose errors fall from 90 % to the final ones, evaluated every other epoch."""
    directory = study / "runs" / run_id
    directory.mkdir(parents=True)
    config = {
        "config": {"epochs": epochs},
        "versions": VERSIONS,
        "git_commit": "abc123",
        "devices": ["cpu:0 cpu"],
        "argv": ["train"],
    }
    (directory / "config.json").write_text(json.dumps(config))
    lines: list[dict[str, Any]] = [{"kind": "train", "step": 1, "epoch": 1, "loss": 2.3}]
    for epoch in range(1, epochs + 1):
        share = math.exp(-5 * epoch / epochs)
        record = {"kind": "epoch", "step": 12 * epoch, "epoch": epoch, "wall_s": 1.0 * epoch}
        record |= {"train_loss": 2 * share, "train_error_pct": train + (90 - train) * share}
        if epoch % 2 == 0 or epoch == epochs:
            record |= {"test_loss": 2 * share, "test_error_pct": test + (90 - test) * share}
        lines.append(record)
    (directory / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if done:
        finish(directory, train, test, steps=12 * epochs)
    return directory


def diagnose(directory: Path, layers: int, epoch: int = 1, size: float = 1.0) -> None:
    """Add a diagnosis to a run: responses fall as size / layer, gradients as a power of ten.

    Updates are a thousandth of the weights; except in plain networks block n's branch is 1 / n of
    its shortcut; a tenth of the last ReLU's channels is dead and none of the others'.
    """
    blocks = [f"stage1/block{index}" for index in range(layers)]
    names = [f"{block}/conv1" for block in blocks]
    record = {
        "kind": "diagnostics",
        "step": 12 * epoch,
        "epoch": epoch,
        "gradient_norm_all": 1.0,
        "response_std": {name.replace("conv", "bn"): size / n for n, name in enumerate(names, 1)},
        "gradient_norm": {name: 10.0**-n for n, name in enumerate(names, 1)},
        "update_to_weight": dict.fromkeys(names, 0.001),
        "dead_relu_share": {f"{block}/relu1": 0.1 * (block == blocks[-1]) for block in blocks},
    }
    if not directory.name.startswith("plain"):
        record["branch_to_shortcut"] = {block: 1 / n for n, block in enumerate(blocks, 1)}
    with (directory / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(record) + "\n")


def finish(directory: Path, train: float, test: float, steps: int = 36, loss: float = 0.5) -> None:
    """Write `done.json`."""
    result = {
        "train_loss": loss,
        "train_error_pct": train,
        "test_loss": 0.6,
        "test_error_pct": test,
        "steps": steps,
        "wall_s": 30.0,
        "parameters_sha256": "0" * 64,
    }
    (directory / "done.json").write_text(json.dumps(result))


def whole_study(
    path: Path,
    error: ErrorOf,
    arms: Sequence[str] = ("plain", "residual"),
    depths: Sequence[int] = (8, 56),
    seeds: int = 3,
    epochs: int = 3,
    diagnosed: bool = True,
) -> Path:
    """A study with all runs done and, unless told not to be, diagnosed: a layer for each of depth.

    The test error is one point above the training error.
    """
    rows = [row(arm, depth, seed) for seed in range(seeds) for depth in depths for arm in arms]
    write_study(path, rows)
    for r in rows:
        final = error(r["arm"], r["depth"], r["seed"])
        directory = write_run(path, r["id"], final, final + 1, epochs)
        if diagnosed:
            diagnose(directory, r["depth"], epochs)
    return path
