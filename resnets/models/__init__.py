"""Networks, one family a file, created by name."""

from resnets.models import resnet as resnet
from resnets.models.registry import create, names

__all__ = ["create", "names"]
