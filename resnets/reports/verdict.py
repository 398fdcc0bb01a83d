"""The answer in plain words, computed from the numbers: it says what they say, either way."""

import shlex

from resnets.reports.comparison import Cell, Difference, cells, differences
from resnets.reports.results import STATUSES, Study
from resnets.reports.statistics import Paired


def number(value: float) -> str:
    """A percentage or a difference of percentages, to one decimal from 10 on, else to two.

    >>> number(49.84), number(-0.001)
    ('49.8', '0.00')
    """
    text = f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
    return text.removeprefix("-") if float(text) == 0 else text


def _gap(pair: Paired) -> str:
    """`49.7 points more (95 % interval 45.1 to 54.3, 3 pairs)`."""
    pairs = f"{pair.n} pair{'s' * (pair.n != 1)}"
    if pair.low is None or pair.high is None:
        interval = f"95 % interval unknown, {pairs}"
    else:
        interval = f"95 % interval {number(pair.low)} to {number(pair.high)}, {pairs}"
    size = number(abs(pair.mean))
    if float(size) == 0:
        words = "no difference"
    else:
        words = f"{size} points {'more' if pair.mean > 0 else 'less'}"
    return f"{words} ({interval})"


def _comparison(difference: Difference) -> list[str]:
    train, test = difference.train, difference.test
    parts, undecided = [], []
    if train:
        parts.append(
            f"At depth {difference.depth} {difference.arm} networks end at {number(train.first)} % "
            f"training error, {difference.reference} ones at {number(train.second)} %: "
            f"{_gap(train)}."
        )
    if test:
        start = "Test error" if train else f"At depth {difference.depth} test error"
        parts.append(
            f"{start} is {number(test.first)} % for {difference.arm} and {number(test.second)} % "
            f"for {difference.reference} networks: {_gap(test)}."
        )
    for pair, name in ((train, "training"), (test, "test")):
        if pair and pair.includes_zero:
            undecided.append(name)
    if undecided:
        verb = "intervals include" if len(undecided) > 1 else "interval includes"
        parts.append(
            f"The {' and '.join(undecided)} {verb} zero: these runs do not tell the two arms apart."
        )
    return parts


def _change(arm: str, change: float) -> str:
    size = number(abs(change))
    if float(size) == 0:
        return f"does not change for {arm} networks"
    if abs(change) < 0.5:
        return f"hardly changes for {arm} networks ({'+' if change > 0 else '-'}{size} points)"
    return f"{'rises' if change > 0 else 'falls'} by {size} points for {arm} networks"


def listed(parts: list[str]) -> str:
    """Join parts: `a, b and c`."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _depth_effect(study: Study, table: tuple[Cell, ...]) -> str:
    """What going from the shallowest to the deepest network does to the training error."""
    ranges: dict[tuple[int, int], list[str]] = {}
    for arm in study.arms:
        means = {cell.depth: cell.train.mean for cell in table if cell.arm == arm and cell.train}
        if len(means) > 1:
            low, high = min(means), max(means)
            ranges.setdefault((low, high), []).append(_change(arm, means[high] - means[low]))
    return " ".join(
        f"From depth {low} to {high} training error {listed(changes)}."
        for (low, high), changes in ranges.items()
    )


def completeness(study: Study) -> str:
    """How many runs are done, and what became of the others."""
    total, done = len(study.runs), study.count("done")
    if done == total:
        return f"All {total} runs are done." if total else "The manifest lists no run."
    others = [f"{study.count(s)} {s}" for s in STATUSES if s != "done" and study.count(s)]
    return f"Incomplete: {done} of {total} runs are done ({', '.join(others)})."


def verdict(study: Study) -> tuple[str, ...]:
    """The answer, a sentence an item; the last one says how complete it is."""
    table, pairs = cells(study), differences(study)
    sentences: list[str] = []
    if not study.count("done"):
        return ("No run is done yet: there is no answer to read.", completeness(study))
    for arm in study.arms:
        compared = [d for d in pairs if d.arm == arm and (d.train or d.test)]
        if compared:
            sentences += _comparison(compared[-1])
            if compared[-1].depth != max(d.depth for d in pairs if d.arm == arm):
                sentences.append(
                    f"Deeper {arm} networks have no pair with {compared[-1].reference} ones yet."
                )
    if pairs and not sentences:
        sentences.append("No two arms have a done run of the same depth and seed yet.")
    effect = _depth_effect(study, table)
    return (*sentences, *([effect] if effect else []), completeness(study))


def continue_command(study: Study) -> str | None:
    """The command that takes up the runs that are not done; None if all are.

    Should they differ in their overrides, it takes up those that share the first one's.
    """
    left = [run for run in study.runs if run.status != "done"]
    if not left:
        return None
    alike = [run for run in left if run.overrides == left[0].overrides]
    depths = ",".join(str(depth) for depth in sorted({run.depth for run in alike}))
    return shlex.join(
        [
            "./launch.sh",
            "study",
            study.name,
            f"--workdir={study.path}",
            *([f"--config={study.config}"] if study.config else []),
            f"--depths={depths}",
            f"--seeds={max(run.seed for run in alike) + 1}",
            *(f"--config.{key}={value}" for key, value in left[0].overrides.items()),
        ]
    )
