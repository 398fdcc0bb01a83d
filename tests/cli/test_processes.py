"""The options that make several processes train one run."""

import pytest

from resnets.cli import processes
from resnets.cli.__main__ import main
from resnets.cli.parser import Parser
from resnets.errors import UserError
from resnets.training.links import Place

BY_HAND = ("--coordinator=10.0.0.1:29500", "--processes=2")
SLURM = {
    "SLURM_JOB_ID": "5",
    "SLURM_STEP_NODELIST": "node[03-04],big1",
    "SLURM_NTASKS": "3",
    "SLURM_PROCID": "2",
    "SLURM_LOCALID": "0",
}
OPEN_MPI = {
    "OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://10.96.0.1,10.148.0.1:34911",
    "OMPI_COMM_WORLD_SIZE": "4",
    "OMPI_COMM_WORLD_RANK": "0",
    "OMPI_COMM_WORLD_LOCAL_RANK": "0",
}


def place(*flags):
    parser = Parser("train", "", "")
    processes.add_options(parser)
    return processes.place(parser.parse_args(flags))


@pytest.fixture
def alone(monkeypatch):
    """An environment in which nothing has started this process."""
    for name in (*SLURM, *OPEN_MPI, "KUBERNETES_SERVICE_HOST", "JAX_COORDINATOR_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_a_run_of_one_process_needs_no_options(alone):
    assert place() is None
    assert place("--coordinator=here:1", "--processes=1", "--process=0") is None


def test_by_hand():
    assert place(*BY_HAND, "--process=1") == Place("10.0.0.1:29500", 2, 1, processes.CONNECT_S)
    found = place("--coordinator=[::1]:80", "--processes=3", "--process=0", "--connect_timeout=2.5")
    assert found == Place("[::1]:80", 3, 0, 2.5)
    assert (found.host, found.port) == ("::1", 80)


def test_what_slurm_says(alone):
    for name, value in SLURM.items():
        alone.setenv(name, value)
    found = place("--distributed")
    assert (found.host, found.count, found.index) == ("node03", 3, 2)
    assert 61440 <= found.port < 65536
    alone.setenv("JAX_COORDINATOR_ADDRESS", "127.0.0.1:4000")
    assert place("--distributed").address == "127.0.0.1:4000"


def test_what_open_mpi_says(alone):
    for name, value in OPEN_MPI.items():
        alone.setenv(name, value)
    found = place("--distributed", "--connect_timeout=9")
    assert (found.host, found.count, found.index, found.timeout_s) == ("10.96.0.1", 4, 0, 9.0)


def test_one_task_of_slurm_is_a_run_of_one_process(alone):
    for name, value in (SLURM | {"SLURM_NTASKS": "1", "SLURM_PROCID": "0"}).items():
        alone.setenv(name, value)
    assert place("--distributed") is None


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--process=1",), "--process needs --coordinator and --processes as well"),
        (BY_HAND, "--coordinator needs --process as well"),
        ((*BY_HAND, "--process=2"), "--process=2 must be below --processes=2"),
        ((*BY_HAND, "--process=-1"), "--process=-1 is not a whole number from 0 on"),
        (("--coordinator=a:1", "--processes=0", "--process=0"), "--processes=0 is not a whole"),
        (("--coordinator=a", "--processes=2", "--process=0"), "must read HOST:PORT, such as"),
        (("--coordinator=a:0", "--processes=2", "--process=0"), "must read HOST:PORT, such as"),
        (("--coordinator=a:99999", "--processes=2", "--process=0"), "must read HOST:PORT"),
        (("--distributed", "--processes=2"), "finds out by itself what --processes says"),
        (("--connect_timeout=3",), "--connect_timeout needs --distributed or --coordinator"),
        ((*BY_HAND, "--process=0", "--connect_timeout=soon"), "not a number of seconds above 0"),
        ((*BY_HAND, "--process=0", "--connect_timeout=nan"), "not a number of seconds above 0"),
        (("--distributed",), "finds no Slurm step (start it with srun), Kubernetes job, TPU pod"),
    ],
)
def test_a_mistake_is_one_line(alone, flags, says):
    with pytest.raises(UserError) as caught:
        place(*flags)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_kubernetes_without_its_package_says_what_to_install(alone):
    alone.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(UserError, match=r"pip install jax\[k8s\]") as caught:
        place("--distributed")
    assert "\n" not in str(caught.value)


def test_the_command_ends_with_status_2(alone, capsys, tmp_path):
    flags = ("--config=configs/digits.py", f"--workdir={tmp_path / 'run'}", "--processes=2")
    assert main(["train", *flags]) == 2
    assert "needs --coordinator and --process as well" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
