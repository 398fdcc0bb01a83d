"""A step of PyTorch, channels last, on batches on the device; in an environment of its own."""

import contextlib
import os

import torch
from torch import nn
from torch.nn import functional

from benchmarks.steps import serving


class Block(nn.Module):
    """A basic block with a zero-padded shortcut."""

    def __init__(self, channels: int, features: int, strides: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, features, 3, strides, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(features)
        self.conv2 = nn.Conv2d(features, features, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(features)
        self.strides, self.added = strides, features - channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's result."""
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        if self.strides > 1 or self.added:
            x = functional.pad(x[:, :, :: self.strides, :: self.strides], (0,) * 5 + (self.added,))
        return functional.relu(x + y)


class ResNet(nn.Module):
    """He et al.'s network for CIFAR."""

    def __init__(self, depth: int, channels: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, 16, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        widths = [16 * 2**stage for stage in range(3) for _ in range((depth - 2) // 6)]
        before = [16, *widths[:-1]]
        pairs = zip(before, widths, strict=True)
        self.blocks = nn.Sequential(*(Block(a, b, 2 if a != b else 1) for a, b in pairs))
        self.classifier = nn.Linear(64, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        x = self.blocks(functional.relu(self.norm(self.stem(x))))
        return self.classifier(x.mean((2, 3)))


def network(name: str, channels: int, classes: int) -> nn.Module:
    """One for CIFAR, or torchvision's."""
    if name.startswith("cifar_resnet"):
        return ResNet(int(name.removeprefix("cifar_resnet")), channels, classes)
    from benchmarks.steps.vision import torchvision

    return torchvision.models.get_model(name, num_classes=classes)


def main() -> None:
    """Serve."""
    asked = serving.options()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.backends.cudnn.benchmark = True
    model = network(asked.network, asked.channels, asked.classes)
    model = model.to(device, memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(model.parameters(), 0.01, 0.9, weight_decay=1e-4)
    shape = (asked.batch, asked.channels, asked.size, asked.size)
    images = torch.randn(shape, device=device).to(memory_format=torch.channels_last)
    labels = torch.randint(0, asked.classes, (asked.batch,), device=device)
    forward = torch.compile(model) if asked.compile else model
    half = torch.autocast(device, torch.bfloat16)
    precision = half if asked.dtype == "bfloat16" else contextlib.nullcontext()

    def steps(count: int) -> None:
        for _ in range(count):
            optimizer.zero_grad(set_to_none=True)
            with precision:
                loss = functional.cross_entropy(forward(images), labels)
            loss.backward()
            optimizer.step()
        loss.item()

    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    serving.serve(steps, {"torch": torch.__version__, "device": name})


if __name__ == "__main__":
    main()
