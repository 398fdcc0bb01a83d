"""Images a second from a folder of JPEG files through torchvision's transformations and loader."""

import json
import sys
import time

import torch

from benchmarks.steps import serving
from benchmarks.steps.vision import torchvision  # before its parts

BATCH, WARM_UP = 32, 8


def main() -> None:
    """Take a folder, a number of workers and one of batches; print one line of JSON."""
    from torchvision.transforms import v2

    folder, workers, batches = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    crop = v2.Compose(
        [v2.RandomResizedCrop(224, antialias=True), v2.RandomHorizontalFlip(), v2.PILToTensor()]
    )
    dataset = torchvision.datasets.ImageFolder(folder, crop)
    many = torch.utils.data.RandomSampler(dataset, True, BATCH * (WARM_UP + batches))
    loader = torch.utils.data.DataLoader(dataset, BATCH, sampler=many, num_workers=workers)
    arriving = iter(loader)
    for _ in range(WARM_UP):
        next(arriving)
    began, busy = time.perf_counter(), serving.busy_seconds()
    for _ in range(batches):
        next(arriving)
    taken, worked = time.perf_counter() - began, serving.busy_seconds() - busy
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__}
    rates = {"images_per_s": BATCH * batches / taken, "cores": worked / taken}
    print(json.dumps(rates | versions))


if __name__ == "__main__":
    main()
