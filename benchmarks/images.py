"""Images a second that the host decodes and crops, ours and torchvision's, from the same files.

Generated JPEG files of 500x375 pixels, the mean size of ImageNet's.
"""

import io
import json
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import rows
from benchmarks.contest import CHECKOUT
from benchmarks.steps import serving
from resnets.cli import parity
from resnets.data import View, stream

WIDTH, HEIGHT, FILES = 500, 375, 256
BATCH, WARM_UP, STEPS = 32, 8, 24
CROPS = ("area:smallest=0.08", "scale:smallest=256,largest=480")
WORKERS = (0, 1, 2)
ROUNDS = 3


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


def write_files(directory: Path) -> int:
    """Write them as the official archives and as a folder; return the mean size of a file."""
    manual, folder = directory / "downloads" / "manual", directory / "folder" / "n01440764"
    for place in (manual, folder):
        place.mkdir(parents=True)
    train = {f"n01440764_{i}.JPEG": photograph(i) for i in range(FILES)}
    for name, content in train.items():
        (folder / name).write_bytes(content)
    validation = {"ILSVRC2012_val_00000001.JPEG": photograph(FILES)}
    inner = {"n01440764.tar": pack(train)}
    (manual / "ILSVRC2012_img_train.tar").write_bytes(pack(inner))
    (manual / "ILSVRC2012_img_val.tar").write_bytes(pack(validation))
    return sum(map(len, train.values())) // FILES


def ours(directory: Path, crop: str, workers: int) -> tuple[float, float]:
    """Images a second and busy cores, after a stream's processes have filled their buffers."""
    view = View(size=224, resize=256, crop=crop, flip=True)
    dataset = stream("imagenet2012", view, directory=str(directory), workers=workers)
    batches = dataset.train_batches(0, BATCH, 0, WARM_UP + STEPS)
    for _ in range(WARM_UP):
        next(batches)
    began, busy = time.perf_counter(), serving.busy_seconds()
    for _ in range(STEPS):
        next(batches)
    taken, worked = time.perf_counter() - began, serving.busy_seconds() - busy
    batches.close()
    return BATCH * STEPS / taken, worked / taken


def torchvisions(python: Path, directory: Path, workers: int) -> dict[str, Any]:
    """Images a second of torchvision's loader, with its versions."""
    command = [str(python), "-m", "benchmarks.steps.torch_images", str(directory / "folder")]
    command += [str(workers), str(STEPS)]
    said = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(said.stdout)
    return found


def medians(pairs: Sequence[tuple[float, float]]) -> tuple[float | None, float | None]:
    """Of the first and of the second numbers; None of nothing."""
    if not pairs:
        return None, None
    first, second = zip(*pairs, strict=True)
    return statistics.median(first), statistics.median(second)


def main() -> None:
    """Measure crops and numbers of workers, print the table and write it."""
    python, found = parity.interpreter(), []
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        size = write_files(directory)
        for crop in CROPS:
            for workers in WORKERS:
                print(f"{crop}, {workers} workers", file=sys.stderr, flush=True)
                mine, theirs = [], []  # images a second and cores
                facts: dict[str, Any] = {"grain": version("grain")}
                for _ in range(ROUNDS):
                    mine.append(ours(directory, crop, workers))
                    if crop == CROPS[0]:  # torchvision has the crop of one recipe
                        facts |= torchvisions(python, directory, workers)
                        theirs.append((facts["images_per_s"], facts["cores"]))
                rate, cores = medians(mine)
                other, their_cores = medians(theirs)
                found.append(
                    {
                        "crop": crop,
                        "workers": workers,
                        "ours_images_per_s": rate,
                        "ours_cores": cores,
                        "torchvision_images_per_s": other,
                        "torchvision_cores": their_cores,
                        "ratio": rate / other if rate and other else None,
                        "n": ROUNDS,
                        "kb_a_file": size / 1e3,
                        "versions": rows.versions(facts),
                    }
                )
    print(rows.table(found))
    print(f"\nwritten to {rows.write('data', found)}", file=sys.stderr)


if __name__ == "__main__":
    main()
