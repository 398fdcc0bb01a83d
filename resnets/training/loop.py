"""Train one run, from its config to its `done.json`."""

import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from resnets.errors import RunError
from resnets.training.checkpoints import Checkpoints
from resnets.training.config import flatten
from resnets.training.feed import Feed, open_feed, run_steps
from resnets.training.metrics import MetricsWriter
from resnets.training.pretrained import Pretrained
from resnets.training.progress import Display, RunProgress
from resnets.training.run_directory import RunDirectory, parameters_sha256, write_json
from resnets.training.setup import Plan, prepare
from resnets.training.state import Sums, TrainState

_logger = logging.getLogger(__name__)

Numbers = dict[str, float]


def train(
    config: Mapping[str, Any],
    workdir: Path,
    label: str,
    display: Display | None = None,
    stop: threading.Event | None = None,
) -> dict[str, Any]:
    """Train the run that `config` describes, or what is missing of it.

    A run that is done is left alone; an interrupted one goes on from its newest checkpoint.

    Args:
      config: nested config with the fields of `configs/common.py`.
      workdir: the run directory; made if it does not exist.
      label: the run's name in progress messages.
      display: where progress is shown, if anywhere.
      stop: ends the run at its next record when it is set from another thread.

    Returns:
      The final numbers, as `done.json` holds them.

    Raises:
      UserError: the config or the directory cannot be used.
      RunError: the run cannot go on (a non-finite loss, a directory that cannot be written).
      KeyboardInterrupt: `stop` was set; the same call goes on from the newest checkpoint.
    """
    plan = prepare(config)
    directory = RunDirectory(workdir)
    directory.claim(config)
    result = directory.result()
    if result is not None:
        return result
    with (
        Checkpoints(directory.checkpoints, plan.keep_checkpoints) as checkpoints,
        open_feed(plan) as feed,
    ):
        run = _Run(plan, feed, directory, checkpoints, config, label, stop or threading.Event())
        return run.finish(display)


class _Run:
    """One run under way."""

    def __init__(
        self,
        plan: Plan,
        feed: Feed,
        directory: RunDirectory,
        checkpoints: Checkpoints,
        config: Mapping[str, Any],
        label: str,
        stop: threading.Event,
    ) -> None:
        self.plan, self.feed = plan, feed
        self.directory, self.checkpoints = directory, checkpoints
        self.config, self.label, self.stop = config, label, stop
        self.state: TrainState = plan.initial_state()
        self.validation_losses: list[float] = []
        self.earlier_seconds = 0.0
        self.started = time.monotonic()
        restored = checkpoints.restore(self.state)
        if restored:
            self.state, host = restored
            self.validation_losses = list(host["validation_losses"])
            self.earlier_seconds = float(host["wall_s"])
            feed.remember(host)
        elif plan.pretrained:
            self._start_from(plan.pretrained)
        self.step = int(self.state.step)

    def _start_from(self, pretrained: Pretrained) -> None:
        """Take the first values from a file; say what of it, and keep that in the directory."""
        self.state, report = pretrained.apply(self.plan.recipe.model, self.state)
        write_json(self.directory.path / "init_from.json", pretrained.record(report))
        for line in report.lines():
            _logger.info("%s: %s", self.label, line)

    @property
    def wall_s(self) -> float:
        return self.earlier_seconds + time.monotonic() - self.started

    def finish(self, display: Display | None) -> dict[str, Any]:
        plan = self.plan
        progress = display.run(self.label, plan.total_steps, self.step) if display else None
        with MetricsWriter(self.directory.path, self.step, flatten(self.config)) as writer:
            for epoch in range(self.step // plan.steps_per_epoch + 1, plan.epochs + 1):
                self._epoch(epoch, writer, progress)
            result = self._result()
            numbers = {k: v for k, v in result.items() if k.endswith(("_pct", "_loss"))}
            writer.final(numbers)
        self.checkpoints.save(self.state, self.step, self._host_memory())
        self.directory.finish(result)
        return result

    def _host_memory(self) -> dict[str, Any]:
        memory = {"validation_losses": self.validation_losses, "wall_s": self.wall_s}
        return memory | self.feed.memory()

    def _epoch(self, epoch: int, writer: MetricsWriter, progress: RunProgress | None) -> None:
        """Train epoch number `epoch` (from 1), evaluate, record, and save when due."""
        plan = self.plan
        last = epoch * plan.steps_per_epoch
        first = last - plan.steps_per_epoch
        rates = plan.schedule.rates(first, last, self.validation_losses)
        whole = jax.device_get(Sums.zero())
        while self.step < last:
            stop = min(last, self.step + (plan.log_every or plan.steps_per_epoch))
            began, before = time.monotonic(), self.step
            sums = self._advance(stop, rates)
            whole = jax.tree.map(np.add, whole, sums)
            rate = (stop - before) * plan.recipe.batch_size / (time.monotonic() - began)
            common = {"step": stop, "epoch": epoch, "learning_rate": float(rates[stop - first - 1])}
            numbers = _numbers(sums, "train")
            if plan.log_every:
                speed = {"images_per_s": rate}
                writer.record({"kind": "train"} | common | numbers | speed)
            if progress:
                loss, error = numbers["train_loss"], numbers["train_error_pct"]
                progress.update(stop, f"train loss {loss:.3f}, error {error:.1f} %")
        record: dict[str, Any] = {"kind": "epoch"} | common | _numbers(whole, "train")
        if epoch % plan.eval_every == 0 or epoch == plan.epochs:
            record |= self._evaluate(("validation", "test"))
            if "validation_loss" in record:
                self.validation_losses.append(record["validation_loss"])
        writer.record(record | self.feed.counts() | {"wall_s": round(self.wall_s, 3)})
        if plan.checkpoint_every and epoch % plan.checkpoint_every == 0 and epoch < plan.epochs:
            self.checkpoints.save(self.state, self.step, self._host_memory())

    def _advance(self, stop: int, rates: np.ndarray) -> Sums:
        if self.stop.is_set():
            raise KeyboardInterrupt
        before = self.step
        self.state, sums = run_steps(self.feed, self.state, stop, rates)
        self.step = stop
        if before + sums.count < stop:
            self._diverged(before, sums)
        return sums

    def _diverged(self, before: int, sums: Sums) -> None:
        step = before + int(sums.count) + 1
        last = "no step of this call was finite"
        if sums.count:
            numbers = ", ".join(f"{k} {v:.4g}" for k, v in _numbers(sums, "train").items())
            last = f"mean of steps {before + 1} to {step - 1}: {numbers}"
        reason = (
            f"{self.label}: the loss became non-finite at step {step} ({last}); "
            f"try a lower config.learning_rate or config.clip_norm=1"
        )
        self.directory.fail(reason)
        raise RunError(reason)

    def _evaluate(self, splits: tuple[str, ...]) -> Numbers:
        """Loss and error over whole splits, of the parameters and of their moving average."""
        prefixes, variables = [""], [self.state.variables()]
        if self.state.average is not None:
            prefixes.append("average_")
            variables.append(self.state.average)
        evaluated = {split: self.feed.evaluate(split, variables) for split in splits}
        numbers: Numbers = {}
        for place, prefix in enumerate(prefixes):
            for split, sums in evaluated.items():
                if sums:
                    numbers |= _numbers(sums[place], f"{prefix}{split}")
        return numbers

    def _result(self) -> dict[str, Any]:
        parameters = jax.tree.leaves(self.state.params)
        return {
            **self._evaluate(("train", "validation", "test")),
            **self.feed.counts(),
            "steps": self.step,
            "epochs": self.plan.epochs,
            "wall_s": round(self.wall_s, 3),
            "parameters": sum(leaf.size for leaf in parameters),
            "parameters_sha256": parameters_sha256(jax.device_get(self.state.params)),
        }


def _numbers(sums: Sums, prefix: str) -> Numbers:
    return {
        f"{prefix}_loss": float(sums.loss / sums.count),
        f"{prefix}_error_pct": float(100.0 * sums.errors / sums.count),
    }
