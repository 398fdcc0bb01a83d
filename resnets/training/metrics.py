"""Where a run's numbers go: `metrics.jsonl`, and the same as TensorBoard scalars."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter
from tensorboardX.summary import hparams

NOT_SCALARS = ("kind", "step", "epoch")


def truncate(file: Path, step: int) -> None:
    """Drop the records after a step, and a torn last line: the steps will be taken again."""
    if not file.exists():
        return
    kept = []
    for line in file.read_text().splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if record["step"] <= step:
            kept.append(line + "\n")
    temporary = file.with_name(f".{file.name}")
    temporary.write_text("".join(kept))
    temporary.replace(file)


class MetricsWriter:
    """Appends records to both places; a context manager that closes them."""

    def __init__(self, run: Path, first_step: int, configuration: Mapping[str, Any]):
        """Go on after `first_step`; later records of an interrupted run are dropped.

        Args:
          run: the run directory.
          first_step: steps taken so far.
          configuration: flat config, for TensorBoard's table of hyperparameters.
        """
        self._file = run / "metrics.jsonl"
        truncate(self._file, first_step)
        self._stream = self._file.open("a", buffering=1)
        self._board = SummaryWriter(
            logdir=str(run / "tensorboard"), purge_step=first_step + 1 if first_step else None
        )
        self._configuration = {
            key: value if isinstance(value, bool | int | float | str) else str(value)
            for key, value in configuration.items()
        }

    def __enter__(self) -> "MetricsWriter":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close both files."""
        self._stream.close()
        self._board.close()

    def record(self, record: Mapping[str, Any]) -> None:
        """Write one record: `kind`, `step`, `epoch` and named numbers, the unit in the name."""
        self._stream.write(json.dumps(record) + "\n")
        step = record["step"]
        prefix = "steps/" if record["kind"] == "train" else ""
        for name, value in record.items():
            if name not in NOT_SCALARS:
                self._board.add_scalar(prefix + name, value, step)

    def final(self, result: Mapping[str, float]) -> None:
        """Enter the run into TensorBoard's table of hyperparameters with its final numbers."""
        for summary in hparams(self._configuration, {f"final/{name}": None for name in result}):
            self._board.file_writer.add_summary(summary)
        for name, value in result.items():
            self._board.add_scalar(f"final/{name}", value)
