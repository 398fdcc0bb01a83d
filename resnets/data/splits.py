"""Split expressions: which examples of a source each role of a run takes."""

import itertools
from collections.abc import Mapping, Sequence

import tensorflow_datasets as tfds

from resnets.data.dataset import DatasetError

Span = tuple[str, int, int]
"""Consecutive examples of a source: its split, the first one, and the one after the last."""


def resolve(
    name: str, expressions: Mapping[str, str], splits: tfds.core.SplitDict
) -> dict[str, list[Span]]:
    """Find the examples that each role's TFDS split expression chooses.

    Args:
      name: the data set, for messages.
      expressions: by role (`train`, `validation`, `test`); an empty one chooses nothing.
      splits: names and sizes of the source's splits.

    Raises:
      DatasetError: an unknown split, one without examples, roles that share examples.
    """
    spans = {
        role: _spans(f"dataset={name!r}, {role}={text!r}", text, splits)
        for role, text in expressions.items()
    }
    _check_disjoint(name, expressions, spans)
    return spans


def _spans(where: str, expression: str, splits: tfds.core.SplitDict) -> list[Span]:
    if not expression:
        return []
    try:
        instructions = tfds.core.ReadInstruction.from_spec(expression).to_absolute(splits)
    except (ValueError, NotImplementedError) as error:
        raise DatasetError(f"{where}: {str(error).splitlines()[-1]}") from None
    spans = []
    for part in instructions:
        stop = splits[part.splitname].num_examples if part.to is None else part.to
        spans.append((part.splitname, part.from_ or 0, stop))
    if all(start >= stop for _, start, stop in spans):
        raise DatasetError(f"{where}: no examples; the splits are {_sizes(splits)}")
    return spans


def _sizes(splits: tfds.core.SplitDict) -> str:
    return ", ".join(f"{name} ({info.num_examples})" for name, info in splits.items())


def _check_disjoint(
    name: str, expressions: Mapping[str, str], spans: Mapping[str, Sequence[Span]]
) -> None:
    for one, other in itertools.combinations(spans, 2):
        for first, second in itertools.product(spans[one], spans[other]):
            start, stop = max(first[1], second[1]), min(first[2], second[2])
            if first[0] == second[0] and start < stop:
                raise DatasetError(
                    f"dataset={name!r}: {one}={expressions[one]!r} and "
                    f"{other}={expressions[other]!r} share examples"
                )
