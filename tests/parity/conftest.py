"""What the parity tests share: networks without values, and the table of differences."""

import csv
import functools

import jax
import numpy as np
import pytest

from resnets import models
from resnets.models import interop

FAST = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
LIMIT = 1e-4

HEADINGS = ("network", "reference", "image_size", "fields", "max_relative_difference")


@pytest.fixture(scope="session")
def table(request):
    """Rows of differences; written as csv at the end where `--parity_table` says so."""
    rows = []
    yield rows
    if file := request.config.getoption("--parity_table"):
        with open(file, "w", newline="") as stream:  # noqa: PTH123
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(HEADINGS)
            writer.writerows(sorted(rows, key=lambda row: (row[1], row[0])))


@pytest.fixture(scope="session")
def compare(table):
    """Load a file into a network of ours and hold its logits against the reference's."""
    return functools.partial(_compare, table)


def _compare(table, name, classes, fields, file, images, expected, reference, naming):
    """Return network and variables; the difference is relative to the largest logit."""
    model = models.create(name, classes, **fields)
    image = jax.ShapeDtypeStruct((1, 299, 299, 3), np.float32)  # auxiliary heads need it
    if "grid" in fields:
        image = jax.ShapeDtypeStruct(images.shape, np.float32)
    key = jax.eval_shape(lambda: jax.random.key(0))
    shapes = jax.eval_shape(lambda k, x: model.init(k, x, train=False), key, image)
    initial = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    variables, report = interop.load(file, model, initial)
    assert (report.naming, report.missing, report.unused) == (naming, (), ())
    run = jax.jit(lambda v, x: model.apply(v, x, train=False), compiler_options=FAST)
    logits = np.asarray(run(variables, images))
    difference = np.abs(logits - expected).max() / np.abs(expected).max()
    shown = " ".join(f"{field}={value}" for field, value in fields.items())
    table.append((name, reference, images.shape[1], shown, f"{difference:.1e}"))
    assert difference < LIMIT
    return model, variables
