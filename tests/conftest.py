"""Test-wide settings: strict dtype promotion, run-time type checks, eight small CPU devices."""

import os

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = (
    "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"
)

from jaxtyping import install_import_hook

from resnets.cli import backend

backend.configure()
CHECKED = ("models", "data.augmentation", "training.step", "training.epoch")
install_import_hook([f"resnets.{name}" for name in CHECKED], "beartype.beartype")

import jax  # noqa: E402
import pytest  # noqa: E402

jax.config.update("jax_numpy_dtype_promotion", "strict")


def pytest_addoption(parser):
    """Options of the slow groups."""
    parser.addoption("--targets", action="store_true", help="also run device compilers")
    parser.addoption("--faults", action="store_true", help="also kill runs, harm files, fill disks")
    parser.addoption("--browser", action="store_true", help="also open pages in a Chromium")
    parser.addoption("--slow", action="store_true", help="also run the tests marked slow")
    parser.addoption("--parity", default="", help="interpreter that has torch and torchvision")
    parser.addoption("--parity_table", default="", help="write the measured differences to a csv")


@pytest.fixture(autouse=True)
def one_device(monkeypatch):
    """Runs use one of the eight devices unless a test says otherwise."""
    from resnets.training import setup

    mesh = setup.device_mesh(jax.devices()[:1])
    monkeypatch.setattr(setup, "device_mesh", lambda devices=None: mesh)


@pytest.fixture(scope="session", autouse=True)
def data_directory(tmp_path_factory):
    """Data sets that the tests build go to a temporary place, once a session."""
    os.environ["TFDS_DATA_DIR"] = str(tmp_path_factory.mktemp("data"))


def pytest_collection_modifyitems(config, items):
    for group in ("slow", "targets", "faults", "browser"):
        if not config.getoption(f"--{group}"):
            skip = pytest.mark.skip(reason=f"{group}; --{group} runs it")
            for item in items:
                if item.get_closest_marker(group):
                    item.add_marker(skip)
