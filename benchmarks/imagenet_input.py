"""Images a second that the host decodes and crops, on generated JPEG files of 500x375 pixels.

Command: .venv/bin/python benchmarks/imagenet_input.py
"""

import io
import os
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from resnets.data import View, stream

WIDTH, HEIGHT, FILES = 500, 375, 256
BATCH, WARM_UP, STEPS = 32, 8, 24
CROPS = ("area:smallest=0.08", "scale:smallest=256,largest=480")
WORKERS = (0, 1, 2)


def photograph(seed: int) -> bytes:
    """Noise over several scales, as JPEG: about as many bytes as a photograph of this size."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros((HEIGHT, WIDTH, 3))
    for scale in (2, 8, 32, 128):
        shape = (HEIGHT // scale + 1, WIDTH // scale + 1, 3)
        coarse = Image.fromarray(rng.integers(0, 256, shape, np.uint8))
        pixels += np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), float) / 4
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()


def pack(files: dict[str, bytes]) -> bytes:
    """A tar of files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def write_archives(directory: Path) -> int:
    """Write them in the official form; return the mean size of a file."""
    folder = directory / "downloads" / "manual"
    folder.mkdir(parents=True)
    train = {f"n01440764_{i}.JPEG": photograph(i) for i in range(FILES)}
    validation = {"ILSVRC2012_val_00000001.JPEG": photograph(FILES)}
    inner = {"n01440764.tar": pack(train)}
    (folder / "ILSVRC2012_img_train.tar").write_bytes(pack(inner))
    (folder / "ILSVRC2012_img_val.tar").write_bytes(pack(validation))
    return sum(map(len, train.values())) // FILES


def images_per_second(directory: str, crop: str, workers: int) -> float:
    """Measure a training stream after its processes have started and filled their buffers."""
    view = View(size=224, resize=256, crop=crop, flip=True)
    dataset = stream("imagenet2012", view, directory=directory, workers=workers)
    batches = dataset.train_batches(0, BATCH, 0, WARM_UP + STEPS)
    for _ in range(WARM_UP):
        next(batches)
    began = time.perf_counter()
    for _ in range(STEPS):
        next(batches)
    taken = time.perf_counter() - began
    batches.close()
    return BATCH * STEPS / taken


def main() -> None:
    """Print a row a crop and number of workers."""
    with tempfile.TemporaryDirectory() as directory:
        size = write_archives(Path(directory))
        cores = len(os.sched_getaffinity(0))
        print(f"{WIDTH}x{HEIGHT} JPEG of {size / 1000:.0f} kB, {cores} cores")
        print(f"{'crop':<32}  workers  images/s")
        for crop in CROPS:
            for workers in WORKERS:
                rate = images_per_second(directory, crop, workers)
                print(f"{crop:<32}  {workers:7}  {rate:8.0f}", flush=True)


if __name__ == "__main__":
    main()
