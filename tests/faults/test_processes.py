"""Two processes on one run: the numbers of one, and the same end whatever ends one of them."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from resnets.training import checkpoints
from resnets.training.links import free_port
from resnets.training.lock import locked
from tests.data import fake_imagenet
from tests.faults import slurm_cluster
from tests.faults.commands import SMALL, start, wait_for
from tests.faults.conftest import outcome

pytestmark = pytest.mark.faults

DIGITS = (
    "--config=configs/digits.py:depth=8",
    *SMALL,
    "--config.data.validation=validation[:30]",
    "--config.epochs=3",
    "--config.log_every=3",
    "--config.average_decay=0.9",
)
IMAGES = (
    "--config=configs/imagenet.py:model=lenet5",
    "--config.data.image_size=32",
    "--config.data.resize=36",
    "--config.data.train_crop=area:smallest=0.3",
    "--config.data.workers=1",
    "--config.batch_size=4",
    "--config.learning_rate=0.05",
    "--config.log_every=1",
    "--config.epochs=2",
)
ENDS_WITHIN_S = 30


def devices(count):
    flags = ("--xla_backend_optimization_level=0", "--xla_cpu_use_fusion_emitters=false")
    return " ".join((*flags, f"--xla_force_host_platform_device_count={count}"))


def launch(run, *flags, count=2, of=4, each=((), ())):
    """Start so many processes on a run, with `of` devices each and flags of their own."""
    port, processes = free_port(), []
    of = of if isinstance(of, tuple) else (of,) * count
    for index in range(count):
        place = (f"--coordinator=127.0.0.1:{port}", f"--processes={count}", f"--process={index}")
        where = place if count > 1 else ()
        command = ("train", f"--workdir={run}", *flags, *where, *each[index])
        started = start(*command, errors=subprocess.PIPE, XLA_FLAGS=devices(of[index]))
        processes.append(started)
    return processes


def ends(processes, seconds=400):
    """Exit statuses, answers and messages of processes that all end."""
    try:
        said = [process.communicate(timeout=seconds) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for _, err in said:
        assert "Traceback" not in err
    return [p.returncode for p in processes], [out for out, _ in said], [err for _, err in said]


def last_line(errors):
    """The last line of all of them, which they have in common."""
    (line,) = {err.strip().splitlines()[-1] for err in errors}
    return line


def lines(run):
    file = run / "metrics.jsonl"
    return file.read_text().count("\n") if file.exists() else 0


def near(found, expected):
    """Hold two trees of records against each other: the same names, numbers to 1e-5."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name in expected.keys() - {"parameters_sha256", "state_sha256"}:
            near(found[name], expected[name])
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            near(one, other)
    elif isinstance(expected, str):
        assert found == expected
    else:
        assert found == pytest.approx(expected, rel=1e-5)


def farthest(run, other):
    """The largest difference of a parameter, or of a value of the average, between two runs."""
    states = [checkpoints.read(path / "checkpoints") for path in (run, other)]
    kept = [[state[name] for name in ("params", "average")] for state in states]
    differences = jax.tree.map(lambda a, b: float(np.max(np.abs(a - b))), *kept)
    return max(jax.tree.leaves(differences))


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """A run that two processes with four devices each trained."""
    run = tmp_path_factory.mktemp("processes") / "together"
    codes, answers, _ = ends(launch(run, *DIGITS))
    assert codes == [0, 0]
    assert "parameters_sha256" in answers[0]
    assert answers[1] == ""
    return run


def test_two_processes_train_what_one_with_as_many_devices_does(together, tmp_path):
    alone = tmp_path / "alone"
    assert ends(launch(alone, *DIGITS, count=1, of=8))[0] == [0]
    near(outcome(together), outcome(alone))
    difference = farthest(together, alone)
    print(f"largest difference of a parameter: {difference:.3g}")
    assert difference <= 1e-6
    assert len(json.loads((together / "config.json").read_text())["devices"]) == 8


@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_process_ends_the_other_and_both_go_on(together, tmp_path, killed):
    run = tmp_path / "run"
    processes = launch(run, *DIGITS)
    wait_for(lambda: lines(run) >= 4)  # in the second epoch, once the first is saved
    wait_for(lambda: (run / "checkpoints" / "4").exists())
    processes[killed].kill()
    began = time.monotonic()
    _, err = processes[1 - killed].communicate(timeout=ENDS_WITHIN_S)
    print(f"noticed within {time.monotonic() - began:.2f} s: {err.splitlines()[-1]}")
    assert processes[1 - killed].returncode not in (0, None)
    processes[killed].communicate()
    codes, _, said = ends(launch(run, *DIGITS))
    assert codes == [0, 0]
    assert re.search(r"goes on from step [48]\b", said[0])
    assert outcome(run) == outcome(together)


@pytest.mark.parametrize(
    ("asked", "number", "expected", "again"),
    [(1, signal.SIGTERM, [75, 75], (2, 4)), (0, signal.SIGINT, [130, 75], (1, 8))],
)
def test_a_signal_to_one_stops_both_at_the_same_step(
    together, tmp_path, asked, number, expected, again
):
    run = tmp_path / "run"
    processes = launch(run, *DIGITS)
    wait_for(lambda: lines(run) >= 4)
    processes[asked].send_signal(number)
    codes, _, said = ends(processes, ENDS_WITHIN_S)
    assert codes == expected
    step = int(last_line(said).split("at step ")[1].split()[0])
    assert (run / "checkpoints" / str(step) / "manifest.json").exists()
    assert not (run / "lock.json").exists()
    count, of = again  # as many devices, in as many processes or in one
    assert ends(launch(run, *DIGITS, count=count, of=of))[0] == [0] * count
    near(outcome(run), outcome(together))
    assert count == 1 or outcome(run) == outcome(together)


def test_processes_of_different_configs_are_refused_and_leave_nothing(tmp_path):
    each = ((), ("--config.learning_rate=0.3",))
    codes, answers, said = ends(launch(tmp_path / "run", *DIGITS, of=1, each=each))
    assert (codes, answers) == ([2, 2], ["", ""])
    assert "learning_rate (0.05 at process 0, 0.3 at 1)" in last_line(said)
    assert not (tmp_path / "run").exists()


def test_processes_of_unequally_many_devices_are_refused(tmp_path):
    codes, _, said = ends(launch(tmp_path / "run", *DIGITS, of=(1, 2)))
    assert codes == [2, 2]
    assert "the processes have 1, 2 devices; give all equally many" in last_line(said)
    assert not (tmp_path / "run").exists()


def test_a_directory_that_another_process_writes_ends_both(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    with locked(run):
        codes, _, said = ends(launch(run, *DIGITS, of=1))
    assert codes == [1, 1]
    assert f"{run} is being written by process {os.getpid()}" in last_line(said)


def test_a_save_that_fails_ends_both(tmp_path):
    run = tmp_path / "run"
    processes = launch(run, *DIGITS, "--config.epochs=1000", of=1)
    wait_for(lambda: (run / "checkpoints" / "4").exists())
    (run / "checkpoints").rename(run / "elsewhere")  # as a mount that is gone
    codes, _, said = ends(processes, 60)
    assert codes == [1, 1]
    assert "could not be saved" in last_line(said)


def test_a_loss_that_is_not_finite_sends_both_back_and_then_ends_both(tmp_path):
    hot = ("--config.learning_rate=1e20", "--config.on_divergence=rewind:limit=1")
    run = tmp_path / "run"
    codes, _, said = ends(launch(run, *DIGITS, *hot, of=1))
    assert codes == [1, 1]
    assert "non-finite at step" in last_line(said)
    assert "after 1 rewinds" in last_line(said)
    assert len(json.loads((run / "rewinds.json").read_text())) == 1


def test_streamed_images_are_divided_and_corrupt_ones_counted_once(tmp_path):
    fake_imagenet.write_archives(tmp_path)
    flags = (*IMAGES, f"--config.data.directory={tmp_path}")
    both, alone = tmp_path / "both", tmp_path / "alone"
    assert ends(launch(alone, *flags, count=1, of=2))[0] == [0]
    assert ends(launch(both, *flags, of=1))[0] == [0, 0]
    near(outcome(both), outcome(alone))
    assert farthest(both, alone) <= 1e-6
    assert json.loads((both / "done.json").read_text())["corrupt_images"] == 2


@pytest.mark.skipif(bool(slurm_cluster.missing()), reason=slurm_cluster.missing() or "-")
def test_tasks_of_slurm_find_each_other(tmp_path):
    run = tmp_path / "run"
    with slurm_cluster.cluster(tmp_path / "slurm") as slurm:
        done = subprocess.run(
            [
                *("srun", "--ntasks=2", "--nodes=2", str(Path(__file__).parents[2] / "launch.sh")),
                *("train", "--distributed", f"--workdir={run}", *DIGITS),
            ],
            # The two nodes are this machine, which no name server knows by their names.
            env=slurm
            | {"JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{free_port()}"}
            | {"XLA_FLAGS": devices(1), "JAX_PLATFORMS": "cpu"},
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("parameters_sha256") == 1
    assert len(json.loads((run / "config.json").read_text())["devices"]) == 2
