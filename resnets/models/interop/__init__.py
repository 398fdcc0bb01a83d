"""Weights in and out as safetensors files, in our naming, torchvision's or Keras's."""

from resnets.models.interop.files import Loaded, load, named, read_arrays, save
from resnets.models.interop.libraries import NAMINGS, places

__all__ = ["NAMINGS", "Loaded", "load", "named", "places", "read_arrays", "save"]
