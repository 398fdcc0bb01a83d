"""Import torchvision where its compiled operators are missing, too, as beside a torch for CPUs."""

import torch

try:
    import torchvision
except RuntimeError:
    # Without its compiled operators it cannot register their shapes; nothing here needs them.
    torch.library.register_fake = lambda *_, **__: lambda function: function
    import torchvision

__all__ = ["torchvision"]
