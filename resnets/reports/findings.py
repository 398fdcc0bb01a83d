"""What the numbers say, in a line: the headline of the report and the titles of its charts.

A judgement needs an interval that leaves zero out; what is not decided is put as numbers or as a
question.
"""

from resnets.reports.comparison import Difference, cells, deepening, differences
from resnets.reports.results import Study
from resnets.reports.statistics import Paired
from resnets.reports.verdict import listed, number

_NOTICEABLE = 0.5
"""Percentage points below which a change of error is not called one."""


def capital(text: str) -> str:
    """The text with a capital first."""
    return text[:1].upper() + text[1:]


def _rises(change: Paired) -> bool:
    """Whether an error is known to rise."""
    return change.low is not None and change.low > 0 and change.mean >= _NOTICEABLE


def _holds(change: Paired) -> bool:
    """Whether an error is known not to rise noticeably."""
    return change.high is not None and change.high < _NOTICEABLE


def headline(study: Study) -> str:
    """The answer in one line, with its numbers."""
    pairs = [d for d in differences(study) if d.train]
    if pairs:
        text = _against(study, pairs[-1])
    elif study.count("done"):
        text = _alone(study)
    else:
        return "No run is done yet"
    return capital(text) if study.count("done") == len(study.runs) else f"So far {text}"


def _against(study: Study, difference: Difference) -> str:
    pair, arm, other = difference.train, difference.arm, difference.reference
    assert pair is not None
    at = f"{difference.depth} layers"
    first, second = f"{number(pair.first)} %", f"{number(pair.second)} %"
    numbers = f"{first} training error at {at}, against {second} for {other} ones"
    deeper = deepening(study, arm, "train_error_pct")
    if pair.low is None or pair.high is None:
        return (
            f"at {at} {arm} networks end at {first} training error and {other} ones at {second}, "
            "from one pair of runs"
        )
    if pair.low > 0 and deeper and _rises(deeper[2]):
        return f"{arm} networks degrade with depth: {numbers}"
    if pair.low > 0 or pair.high < 0:
        how = "worse" if pair.low > 0 else "better"
        return f"{arm} networks train {how}: {numbers}"
    return f"{arm} and {other} networks are not told apart: {numbers}"


def _alone(study: Study) -> str:
    known = [cell for cell in cells(study) if cell.train]
    if not known:
        return "the runs that are done have no finite error"
    last = known[-1]
    first = next(cell for cell in known if cell.arm == last.arm)
    assert first.train
    assert last.train
    start, end = f"{number(first.train.mean)} %", f"{number(last.train.mean)} %"
    if first.depth == last.depth:
        return f"{last.arm} networks of {last.depth} layers end at {end} training error"
    return (
        f"{last.arm} networks end at {start} training error with {first.depth} layers "
        f"and at {end} with {last.depth}"
    )


def curves_title(study: Study) -> str:
    """Which arms get worse with depth, if that is known of all; else the question."""
    changes = {arm: deepening(study, arm, "train_error_pct") for arm in study.arms}
    rising = [arm for arm, change in changes.items() if change and _rises(change[2])]
    holding = [arm for arm, change in changes.items() if change and _holds(change[2])]
    if len(rising) + len(holding) < len(changes):
        return "How low does the error get, and does depth help?"
    if not rising:
        return "Deeper networks end with no higher training error"
    if not holding:
        return "Deeper networks end with a higher training error"
    return (
        f"Deeper {listed(rising)} networks end with a higher training error, "
        f"deeper {listed(holding)} ones do not"
    )


def final_title(study: Study) -> str:
    """What going from the shallowest to the deepest network does to the training error."""
    parts, ends = [], set()
    for arm in study.arms:
        change = deepening(study, arm, "train_error_pct")
        if change:
            ends.add(change[:2])
            parts.append(f"{_signed(change[2].mean)} points for {arm} networks")
    if not parts or len(ends) > 1:
        return "What does depth do to the final error?"
    low, high = ends.pop()
    return f"From {low} to {high} layers training error changes by {listed(parts)}"


def _signed(points: float) -> str:
    size = number(points)
    return f"+{size}" if float(size) > 0 else size


def difference_title(study: Study) -> str:
    """How much the arms differ at the greatest depth if the interval tells; else the question."""
    pairs = [d for d in differences(study) if d.train]
    arms = {d.arm for d in differences(study)}
    last = pairs[-1] if pairs else None
    if last is None or len(arms) > 1 or last.train is None or last.train.low is None:
        return "How much more do the arms err than the reference at equal depth and seed?"
    if last.train.includes_zero:
        return (
            f"{capital(last.arm)} and {last.reference} networks are not told apart at "
            f"{last.depth} layers"
        )
    more = "more" if last.train.mean > 0 else "less"
    return (
        f"{capital(last.arm)} networks of {last.depth} layers have "
        f"{number(abs(last.train.mean))} points {more} training error than {last.reference} ones"
    )
