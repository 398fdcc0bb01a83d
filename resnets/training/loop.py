"""Train one run, from its config to its `done.json`.

The trajectory is a function of the config and its seed. A process only moves along it: it may end
at any moment, and the next one goes on from the newest checkpoint to the same end. Of several
processes on one trajectory all run this, in step, and the first alone decides and writes.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from resnets.errors import Preempted, RunError, reason
from resnets.training import divergence
from resnets.training.checkpoints import Tag
from resnets.training.config import flatten
from resnets.training.diagnosis import diagnose
from resnets.training.divergence import DivergedError, Rewind
from resnets.training.evaluation import (
    Numbers,
    errors_said,
    evaluate,
    final_numbers,
    means,
)
from resnets.training.events import DIAGNOSTICS
from resnets.training.feed import Feed, open_feed, run_steps
from resnets.training.keeper import Keeper, keeper, owned
from resnets.training.memory import Memory, nothing
from resnets.training.pace import Pace
from resnets.training.placement import share_restored
from resnets.training.processes import ALONE, Team
from resnets.training.profiling import Profile
from resnets.training.progress import Display, RunProgress
from resnets.training.run_directory import RunDirectory
from resnets.training.setup import Plan, prepare
from resnets.training.state import TrainState

_logger = logging.getLogger(__name__)


def train(
    config: Mapping[str, Any],
    workdir: Path,
    label: str,
    display: Display | None = None,
    stop: threading.Event | None = None,
    team: Team = ALONE,
    before: Callable[[Plan, str], None] | None = None,
) -> dict[str, Any]:
    """Train the run that `config` describes, or what is missing of it.

    A run that is done is left alone; an interrupted one goes on from its newest checkpoint.

    Args:
      config: nested config with the fields of `configs/common.py`.
      workdir: the run directory; made if it does not exist, and used by the first process only.
      label: the run's name in progress messages.
      display: where progress is shown, if anywhere.
      stop: when another thread sets it, the run saves and ends, within a second or a step.
      team: the processes that train the run; each makes this call.
      before: called with the plan and the label before anything is trained, by the first process.

    Returns:
      The final numbers, as `done.json` holds them.

    Raises:
      UserError: the config or the directory cannot be used.
      RunError: the run cannot go on (a non-finite loss, a directory that cannot be written), or
        another process has the directory.
      Preempted: `stop` was set, and the run saved; the same call goes on from there.
    """
    team.check_same("config", flatten(config))
    plan = team.in_turn(lambda: prepare(config))
    directory = RunDirectory(workdir)
    result = team.share(lambda: directory.open(config))
    if result is not None:
        return result
    with owned(directory, team):
        result = team.share(lambda: directory.claim(config))
        if result is not None:  # another process had just finished it
            return result
        if before and team.first:
            before(plan, label)
        try:
            with keeper(directory, plan, config, team) as kept, open_feed(plan, team) as feed:
                run = _Run(plan, feed, kept, label, stop or threading.Event(), team)
                return run.run(display)
        except OSError as error:
            raise RunError(
                f"{label}: {reason(error)}; what is saved in {directory.checkpoints} is kept; when "
                "the disk is well again, the same command goes on from there"
            ) from None


class _Run:
    """One run under way."""

    def __init__(
        self, plan: Plan, feed: Feed, keeper: Keeper, label: str, stop: threading.Event, team: Team
    ) -> None:
        self.plan, self.feed, self.keeper = plan, feed, keeper
        self.label, self.stop, self.team = label, stop, team
        self.pace = Pace(team)
        self.progress: RunProgress | None = None
        self.profile = Profile(plan.profile, keeper.path)
        self.tested: Numbers = {}
        rewinds = team.share(lambda: [(r.step, r.diverged) for r in keeper.rewinds()])
        self.rewinds = [Rewind(*rewind) for rewind in rewinds]
        self._restore(at_most=None)

    def _restore(self, at_most: int | None) -> None:
        """Take the newest checkpoint up to a step, or the values before the first step."""
        self.state: TrainState = self.plan.initial_state()
        self.memory = Memory()
        self.metric: float | None = None
        restored = share_restored(
            self.team, lambda like: self.keeper.restore(like, at_most), self.state
        )
        if restored:
            self.state, stored = restored
            self.memory = Memory.from_json(stored)
            self.feed.remember(stored)
            _logger.info("%s: goes on from step %d", self.label, int(self.state.step))
        elif self.plan.pretrained:
            model, path = self.plan.recipe.model, self.keeper.path
            self.state = self.plan.pretrained.begin(model, self.state, path, self.label)
        self.step = int(self.state.step)
        self.started = time.monotonic() - self.memory.wall_s

    def run(self, display: Display | None) -> dict[str, Any]:
        if display:
            self.progress = display.run(self.label, self.plan.total_steps, self.step)
        result: dict[str, Any] = {}
        try:
            while not result:
                try:
                    result = self._finish()
                except DivergedError as error:
                    self._go_back(error.step)
        finally:
            if self.progress:
                self.progress.end(errors_said(result, "train", "test") if result else "")
        return result

    def _finish(self) -> dict[str, Any]:
        plan, memory = self.plan, self.memory
        with self.keeper.recording(self.step, memory):
            try:
                for epoch in range(memory.epochs + 1, plan.epochs + 1):
                    self._epoch(epoch)
                result = self._result()
            except Preempted:
                self._save(planned=False)
                self.team.share(self.keeper.wait)
                raise
            self.keeper.conclude(result)
            self._save()
            self.keeper.wait()
        self.keeper.finish(result)
        return self.team.share(lambda: result)

    def _save(self, planned: bool = True) -> None:
        """Start to save where the run stands, once its records are on the disk."""
        if self.step == 0:
            return
        self.memory.wall_s = self._wall_s()
        tag = Tag(planned, len(self.rewinds), self.metric if planned else None)
        stored = self.memory.as_json() | self.feed.memory()
        self.keeper.save(self.state, self.step, stored, tag)

    def _wall_s(self) -> float:
        return time.monotonic() - self.started

    def _epoch(self, epoch: int) -> None:
        """Train what is left of epoch number `epoch` (from 1), evaluate, record, save when due."""
        plan, memory = self.plan, self.memory
        last = epoch * plan.steps_per_epoch
        first = last - plan.steps_per_epoch
        self._record_rewinds(first)
        scales = divergence.scales(self.rewinds, plan.on_divergence.factor, first, last)
        rates = plan.schedule.rates(first, last, memory.validation_losses)
        rates = np.asarray(rates * scales, np.float32)
        every = plan.log_every or plan.steps_per_epoch
        while self.step < last:
            stop = min(last, first + ((self.step - first) // every + 1) * every)
            common = {"step": stop, "epoch": epoch, "learning_rate": float(rates[stop - first - 1])}
            self._window(stop, rates, common)
        place = {"step": last, "epoch": epoch, "learning_rate": float(rates[-1])}
        record: dict[str, Any] = {"kind": "epoch", **place, **means(memory.whole, "train")}
        if epoch % plan.eval_every == 0 or epoch == plan.epochs:
            record |= self._evaluate(("validation", "test"))
            self.tested = {k: v for k, v in record.items() if k == "test_error_pct"}
            if "validation_loss" in record:
                memory.validation_losses.append(record["validation_loss"])
        self._diagnose(place)
        self.keeper.record(record | self._counts() | {"wall_s": round(self._wall_s(), 3)})
        memory.epochs, memory.whole = epoch, nothing()
        self.metric = record.get(plan.keep_best)
        if plan.checkpoint_every and epoch % plan.checkpoint_every == 0 and epoch < plan.epochs:
            self._save()

    def _diagnose(self, place: Mapping[str, Any]) -> None:
        """Record how the network fares inside, if it is time."""
        plan, epoch = self.plan, place["epoch"]
        if not plan.diagnostics.due(epoch, plan.epochs):
            return
        rate = place["learning_rate"]
        found = diagnose(plan.recipe, self.feed, self.state, rate, plan.key())
        self.keeper.record({"kind": DIAGNOSTICS, "step": self.step, "epoch": epoch, **found.record})
        if plan.diagnostics.pictured(epoch, plan.epochs):
            self.keeper.picture(self.step, found.readings)

    def _window(self, stop: int, rates: np.ndarray, common: Mapping[str, Any]) -> None:
        """Train until the next record of steps, in calls of about a second, and write it."""
        memory, began, before = self.memory, time.monotonic(), self.step
        while self.step < stop:
            self._advance(min(stop, self.step + self._amount()), rates)
            numbers = means(memory.window, "train")
            if self.progress and numbers:
                self.progress.update(
                    self.step, errors_said({**numbers, **self.tested}, "train", "test")
                )
        if self.plan.log_every:
            rate = (stop - before) * self.plan.recipe.batch_size / (time.monotonic() - began)
            self.keeper.record({"kind": "train", **common, **numbers, "images_per_s": rate})
        memory.skipped += int(memory.window.nonfinite)
        memory.whole = jax.tree.map(np.add, memory.whole, memory.window)
        memory.window = nothing()

    def _amount(self) -> int:
        """Steps of the next call, alike at all processes."""
        amount = self.pace.amount()
        if not self.plan.profile:
            return amount
        return self.team.share(lambda: self.profile.wanted() or amount)

    def _advance(self, stop: int, rates: np.ndarray) -> None:
        self._pause()
        memory = self.memory
        tolerated = self.plan.on_divergence.skips - memory.skipped
        before = memory.window
        with self.pace.call(stop - self.step), self.profile.call():
            self.state, memory.window = run_steps(
                self.feed, self.state, stop, rates, before, tolerated
            )
        taken = memory.window.count + memory.window.nonfinite - before.count - before.nonfinite
        self.step += int(taken)
        if memory.window.nonfinite > tolerated:
            raise DivergedError(self.step)

    def _pause(self) -> None:
        """Look, between two calls of the device, whether a save failed or the run is to end."""
        self.keeper.check()
        if self.team.any_set(self.stop):
            raise Preempted(
                f"{self.label}: asked to stop at step {self.step} of {self.plan.total_steps}, and "
                "saved; the same command goes on from there"
            )

    def _go_back(self, step: int) -> None:
        """Answer to a non-finite step: back to the last planned checkpoint, or the end.

        Raises:
          RunError: the policy allows no more.
        """
        plan = self.plan
        if len(self.rewinds) >= plan.on_divergence.rewinds:
            numbers = means(self.memory.window, "train")
            text = plan.on_divergence.failure(step, int(self.memory.window.count), numbers)
            self.keeper.fail(f"{self.label}: {text}")
            raise RunError(f"{self.label}: {text}")
        every = plan.checkpoint_every * plan.steps_per_epoch
        target = (step - 1) // every * every if every else 0
        self.rewinds.append(Rewind(target, step))
        self.keeper.go_back(self.rewinds)
        _logger.warning(
            "%s: step %d was not finite; back to step %d with %g of the learning rate",
            *(self.label, step, target, plan.on_divergence.factor ** len(self.rewinds)),
        )
        self._restore(at_most=target)

    def _record_rewinds(self, first: int) -> None:
        """Write the rewinds to the first step of an epoch that are not recorded yet."""
        plan, memory = self.plan, self.memory
        for number, rewind in enumerate(self.rewinds, 1):
            if rewind.step == first and number > memory.rewinds:
                epoch = first // plan.steps_per_epoch
                self.keeper.record(rewind.record(number, epoch, plan.on_divergence.factor**number))
                memory.rewinds = number

    def _evaluate(self, splits: tuple[str, ...]) -> Numbers:
        return evaluate(self.feed, self.state, splits, self._pause)

    def _counts(self) -> dict[str, int]:
        """Counts that a policy or a data set adds to the records."""
        policy = self.plan.on_divergence
        skipped = {"skipped_steps": self.memory.skipped} if policy.skips else {}
        rewound = {"rewinds": self.memory.rewinds} if policy.rewinds else {}
        return self.feed.counts() | skipped | rewound

    def _result(self) -> dict[str, Any]:
        return {
            **self._evaluate(("train", "validation", "test")),
            **self._counts(),
            "steps": self.step,
            "epochs": self.plan.epochs,
            "wall_s": round(self._wall_s(), 3),
            **final_numbers(self.state),
        }
