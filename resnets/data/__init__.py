"""Data sets: loaded by name into memory, or streamed from their files."""

from resnets.data.crops import View
from resnets.data.dataset import Dataset, DatasetError
from resnets.data.description import describe
from resnets.data.sources import load, names
from resnets.data.streaming import Streamed, stream, streamed

__all__ = [
    "Dataset",
    "DatasetError",
    "Streamed",
    "View",
    "describe",
    "load",
    "names",
    "stream",
    "streamed",
]
