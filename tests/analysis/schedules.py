"""Schedules made by hand and at random, for the tests of planners."""

from hypothesis import strategies as st

from resnets.analysis.costs import Cost
from resnets.analysis.schedule import Schedule, Step


def step(reads, writes, layer="layer", work=(), product=None):
    """A step that reads `(tensor, bytes)` pairs and writes tensors."""
    return Step(
        layer, "forward", "elementwise", (), tuple(reads), tuple(writes), work, Cost(), product
    )


def chain(sizes):
    """Step i reads tensor i and writes tensor i + 1; the first is input, the last output."""
    steps = [step([(n, sizes[n])], [n + 1]) for n in range(len(sizes) - 1)]
    last = len(sizes) - 1
    return Schedule(tuple(steps), dict(enumerate(sizes)), frozenset({0}), frozenset({last}))


@st.composite
def schedules(draw, most_steps=8, most_bytes=12):
    """Any schedule: steps read inputs and earlier results, whole or in part; some are outputs."""
    count = draw(st.integers(1, most_steps))
    inputs = draw(st.integers(1, 4))
    sizes = {n: draw(st.integers(1, most_bytes)) for n in range(inputs)}
    steps, made = [], []
    for _ in range(count):
        known = sorted(sizes)
        operands = draw(st.lists(st.sampled_from(known), min_size=1, max_size=3, unique=True))
        reads = []
        for tensor in operands:
            part = tensor in made and draw(st.integers(0, 5)) == 0
            size = draw(st.integers(1, sizes[tensor])) if part else sizes[tensor]
            reads.append((tensor, size))
        results = []
        for _ in range(draw(st.integers(1, 2))):
            tensor = len(sizes)
            sizes[tensor] = draw(st.integers(1, most_bytes))
            results.append(tensor)
        steps.append((reads, results))
        made += results
    read = {tensor for reads, _ in steps for tensor, _ in reads}
    outputs = {t for t in made if t not in read or draw(st.integers(0, 4)) == 0}
    return Schedule(
        tuple(step(reads, writes) for reads, writes in steps),
        sizes,
        frozenset(n for n in range(inputs) if n in read),
        frozenset(outputs),
    )
