"""Published accuracies of networks, each with its source: `published.csv`."""

import csv
import dataclasses
import functools
from importlib import resources

from resnets.arguments import split_call


@dataclasses.dataclass(frozen=True)
class Published:
    """What somebody measured with a network.

    Attributes:
      network: name with the fields that make it theirs (`preact_resnet50:keras=true`).
      data_set: that the errors are of.
      top1_error_pct: share of images whose class is not the first guess.
      top5_error_pct: nor among the first five; None where it is not given.
      crops: parts of an image whose predictions are averaged; None where there are no crops.
      image_size: height and width that it was tested at; None for the network's own.
      n: runs behind the number, in words; empty where it is not said.
      source: where it stands.
    """

    network: str
    data_set: str
    top1_error_pct: float
    top5_error_pct: float | None
    crops: int | None
    image_size: int | None
    n: str
    source: str

    @property
    def name(self) -> str:
        """The registered name."""
        return split_call(self.network)[0]


@functools.cache
def published() -> dict[str, Published]:
    """The published accuracies by registered name; networks without one are not in it."""
    text = resources.files("resnets.analysis").joinpath("published.csv").read_text("utf-8")
    rows = [
        Published(
            row["network"],
            row["data_set"],
            float(row["top1_error_pct"]),
            float(row["top5_error_pct"]) if row["top5_error_pct"] else None,
            int(row["crops"]) if row["crops"] else None,
            int(row["image_size"]) if row["image_size"] else None,
            row["n"],
            row["source"],
        )
        for row in csv.DictReader(text.splitlines())
    ]
    return {row.name: row for row in rows}
