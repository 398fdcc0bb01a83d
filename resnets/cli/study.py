"""`launch.sh study`: run a grid of runs and report."""

import dataclasses
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import TYPE_CHECKING

from resnets.cli import backend, engines
from resnets.cli.parser import Parser, comma_list, int_list
from resnets.errors import UserError, suggest
from resnets.training.config_file import CHECKOUT

if TYPE_CHECKING:
    from resnets.studies.row import Row

CLAIMS = "claims"
"""A study that is no grid of runs: a package of experiments/ with a command of its own."""

_DESCRIPTION = """\
Run a study: the grid of arms, depths and seeds that experiments/NAME.py declares. Runs that are
done are left alone, so the same command goes on where it stopped, and a larger grid adds to it."""

_EPILOG = """\
examples:
  launch.sh                                        the study `degradation` on handwritten digits
  launch.sh study degradation --depths=8,20,56,110 --seeds=5
  launch.sh study degradation --workdir=runs/slow --config.learning_rate=0.01
  launch.sh study degradation --workdir=runs/c --config.model.shortcut=C --arms=residual
  launch.sh study --list                           all studies, with their cost
  launch.sh study span --config=configs/cifar.py   the same arms on another data set
  launch.sh study span --config=configs/imagenet.py --depths=26
  launch.sh study --engine=ray --address=10.0.0.1:6379 --gpus=1
  launch.sh study --engine=slurm --cpus=4 --sbatch=--partition=long --sbatch=--mem=8G --timeout=3600
  launch.sh study claims                           what the source documents say, held against our
                                                   numbers; has options of its own, see its --help

--config.FIELD=VALUE sets a field of every run's config; configs/common.py lists them. A field that
the arms of a study differ in cannot be set.
The summary goes to stdout, progress to stderr. The study directory then holds manifest.jsonl,
runs/ID/, attempts/ID/ (who began a run, what it printed, how it ended) and report/ with
report.html, report.md, results.csv and the charts. `launch.sh status DIR` shows how it stands.
All machines of a Ray or Slurm cluster must see the study directory and the checkout under the same
paths. A run that fails does not stop the others. One that crashed or lost its machine is begun
again up to --retries times, from its last checkpoint; preemption does not count.
Interrupting (Ctrl-C) ends the runs on every engine, as does SIGTERM.
exit status: 0 done, 1 a run failed, 2 bad arguments, 75 terminated (SIGTERM): start it again."""


def _parser() -> Parser:
    parser = Parser("study", _DESCRIPTION, _EPILOG)
    parser.add_argument("name", nargs="?", default="degradation", help="file in experiments/")
    parser.add_argument("--list", action="store_true", help="list the studies and their cost")
    parser.add_argument("--config", help="config file in place of the study's own")
    parser.add_argument("--workdir", type=Path, help="study directory (default: runs/NAME)")
    parser.add_argument("--depths", type=int_list, help="layers, e.g. 8,20,56")
    parser.add_argument("--seeds", type=int, help="how many seeds, from 0")
    parser.add_argument("--arms", type=comma_list, help="arms to run, e.g. plain,residual")
    engines.add_options(parser)
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the verb; return the exit status."""
    if CLAIMS in argv[:1]:
        return _claims(argv[1:])
    args, overrides = _parser().parse_with_overrides(argv)
    if args.name == CLAIMS:
        raise UserError(f"write `study {CLAIMS}` first and its own options after it")
    if args.list:
        return _list()
    engines.check(args)
    directory = args.workdir or CHECKOUT / "runs" / args.name
    backend.configure(directory / "runs")
    from resnets.reports import print_summary, write_report
    from resnets.studies import grid, manifest

    study = grid.find_study(args.name)
    arms = {arm: study.arms[arm] for arm in _known_arms(args.arms, tuple(study.arms))}
    study = dataclasses.replace(
        study,
        config=args.config or study.config,
        arms=arms,
        depths=study.depths if args.depths is None else args.depths,
        seeds=study.seeds if args.seeds is None else args.seeds,
    )
    rows = grid.expand(study, overrides)
    grid.check(rows)
    manifest.extend(directory, study, rows)
    print(
        f"{study.question}\n{len(rows)} runs in {directory}; "
        f"how they stand: ./launch.sh status {directory}, "
        f"or on a page: ./launch.sh report {directory} --watch",
        file=sys.stderr,
    )
    if args.engine == "local":
        _announce(rows, directory, args.max_parallel)
    with engines.terminable() as terminated:
        failures = engines.run(args, rows, directory)
    if terminated():
        print(
            f"launch.sh study: terminated; the same command goes on ({directory})", file=sys.stderr
        )
        return engines.PREEMPTED
    write_report(directory)
    print_summary(directory)
    print(
        f"report: {directory / 'report' / 'report.html'}\n"
        f"curves: ./launch.sh tensorboard {directory}",
        file=sys.stderr,
    )
    return 1 if failures else 0


def _announce(rows: Sequence["Row"], directory: Path, parallel: int | None) -> None:
    """Say what the deepest of the runs that are left needs of this machine's memory."""
    from resnets.cli import memory
    from resnets.studies.engines.local import default_parallel
    from resnets.training.setup import prepare

    left = [row for row in rows if not (directory / "runs" / row.id / "done.json").exists()]
    if left:
        deepest = max(left, key=lambda row: row.depth)
        at_once = min(len(left), parallel or default_parallel())
        memory.announce(prepare(deepest.load_config()), deepest.id, at_once)


def _list() -> int:
    """Print every study with what it costs."""
    from resnets.studies.grid import every_study
    from resnets.terminal import print_table

    rows = [("study", "runs", "minutes", "question")]
    for study in every_study():
        minutes = "-" if study.minutes is None else f"{study.minutes:.1f}"
        rows.append((study.name, str(study.runs), minutes, study.question))
    rows.append((CLAIMS, "-", "-", "Which of 33 statements of the source documents hold?"))
    print_table(rows, {1, 2})
    print(
        "minutes: about, for the default grid on digits and two CPU cores; -: not run yet; "
        f"`study {CLAIMS} --help` explains the study of claims, which runs others at its own size",
        file=sys.stderr,
    )
    return 0


def _known_arms(wanted: tuple[str, ...] | None, known: tuple[str, ...]) -> tuple[str, ...]:
    for arm in wanted or ():
        if arm not in known:
            raise UserError(f"unknown arm {arm!r}; {suggest(arm, known)}")
    return known if wanted is None else wanted


def _claims(argv: Sequence[str]) -> int:
    """Run the study of claims, whatever other package named experiments is on the path."""
    folder = Path(__file__).parents[2] / "experiments"
    if not (folder / CLAIMS).is_dir():
        raise UserError(f"study {CLAIMS}: {folder / CLAIMS} is missing; run it from a checkout")
    if folder.name not in sys.modules:
        spec = ModuleSpec(folder.name, None, is_package=True)
        spec.submodule_search_locations = [str(folder)]
        sys.modules[folder.name] = importlib.util.module_from_spec(spec)
    status: int = importlib.import_module(f"{folder.name}.{CLAIMS}.command").main(argv)
    return status
