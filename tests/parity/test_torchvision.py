"""Parity with torchvision: the same random weights give the same logits.

torch and torchvision live in an environment of their own; `./launch.sh test --parity` makes it.
"""

import csv
import subprocess
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from resnets.models import interop

HERE = Path(__file__).parent
MODELS = HERE.parent / "models"
FIELDS = {"googlenet": {"bn": True, "five_by_five": False}}
SIZES = {"alexnet": 64, "googlenet": 64, "inception_v3": 107}


def networks():
    """Every network whose names are recorded in tests/models/interop."""
    with (MODELS / "interop" / "torchvision_names.csv").open() as file:
        return [row["network"] for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def interpreter(request):
    """The Python that has torch and torchvision."""
    path = request.config.getoption("--parity")
    if not path:
        pytest.skip("needs torch and torchvision: ./launch.sh test --parity")
    return path


@pytest.mark.parametrize("name", networks())
def test_logits_are_those_of_torchvision_and_weights_return(name, interpreter, compare, tmp_path):
    size = SIZES.get(name, 40)
    script = str(HERE / "torchvision_reference.py")
    subprocess.run([interpreter, script, str(tmp_path), f"{name}:{size}"], check=True)
    answer = safetensors.numpy.load_file(tmp_path / f"{name}.answer.safetensors")
    file = tmp_path / f"{name}.safetensors"
    fields = FIELDS.get(name, {})
    model, variables = compare(
        name,
        1000,
        fields,
        file,
        answer["images"],
        answer["logits"],
        "torchvision 0.28.0",
        "torchvision",
    )
    original = interop.read_arrays(file)
    interop.save(file, model, variables, "torchvision")
    returned = interop.read_arrays(file)
    assert returned.keys() == original.keys()
    for array, value in original.items():
        np.testing.assert_array_equal(returned[array], value, array)
    for written in tmp_path.iterdir():
        written.unlink()  # half a gigabyte for some
