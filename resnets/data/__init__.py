"""Data sets: loaded by name into memory."""

from resnets.data.dataset import Dataset, DatasetError
from resnets.data.sources import load, names

__all__ = ["Dataset", "DatasetError", "load", "names"]
