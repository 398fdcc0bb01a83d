"""Weights in and out as safetensors files, in our naming, torchvision's or Keras's."""

from resnets.models.interop.files import Loaded, load, read_arrays, save
from resnets.models.interop.libraries import NAMINGS, places

__all__ = ["NAMINGS", "Loaded", "load", "places", "read_arrays", "save"]
