"""Write torchvision's networks with random weights, and what they answer, as safetensors files.

Runs in an environment of its own, which has torch and torchvision and not this project:
`python torchvision_reference.py DIRECTORY NETWORK:SIZE ...` writes `NETWORK.safetensors` (its
`state_dict`) and `NETWORK.answer.safetensors` (images `[2, SIZE, SIZE, 3]`, logits `[2, 1000]`).
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

# Without its compiled operators torchvision cannot register their shapes; networks need none.
torch.library.register_fake = lambda *_, **__: lambda function: function

import torchvision  # noqa: E402


def randomise(network, generator):
    """Weights that keep activations near one through all layers."""

    def normal(tensor):
        return torch.randn(tensor.shape, generator=generator)

    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data = 1 + 0.25 * torch.tanh(normal(module.weight))
            module.bias.data = 0.3 * normal(module.bias)
            module.running_mean = 0.3 * normal(module.bias)
            module.running_var = 1 + 0.25 * torch.tanh(normal(module.bias))
        elif isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            fan_in = module.weight[0].numel()
            module.weight.data = normal(module.weight) * (2 / fan_in) ** 0.5
            if module.bias is not None:
                module.bias.data = 0.3 * normal(module.bias)


def write(directory, name, size):
    """Write one network and what it answers."""
    generator = torch.Generator().manual_seed(0)
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    network = getattr(torchvision.models, name)(weights=None, **options).eval()
    randomise(network, generator)
    images = torch.randn(2, 3, size, size, generator=generator)
    with torch.no_grad():
        logits = network(images)
    save_file(network.state_dict(), directory / f"{name}.safetensors")
    answer = {"images": images.permute(0, 2, 3, 1).contiguous(), "logits": logits}
    save_file(answer, directory / f"{name}.answer.safetensors")


for argument in sys.argv[2:]:
    network_name, _, image_size = argument.partition(":")
    write(Path(sys.argv[1]), network_name, int(image_size))
