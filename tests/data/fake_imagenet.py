"""Small archives in the form of ImageNet's: real JPEG files in tars in a tar, and in a tar."""

import io
import pathlib
import tarfile

import numpy as np
from PIL import Image

SYNSETS = ("n01440764", "n01443537", "n01484850")  # the first three of the thousand classes
CORRUPT = "n01443537_1.JPEG"
CMYK = "n01739381_1309.JPEG"  # one of those that the original has by mistake
SMALL_RUN = {
    "data.image_size": 32,
    "data.resize": 36,
    "data.train_crop": "area:smallest=0.3",
    "data.workers": 0,
    "batch_size": 4,
    "learning_rate": 0.05,
    "log_every": 1,
    "epochs": 3,
    "diagnostics": "off",
}
"""Fields of a run on it that takes a moment."""


def jpeg(seed: int, width: int, height: int, mode: str = "RGB") -> bytes:
    """A photograph of nothing: smooth, so that JPEG keeps it."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, channels), np.uint8)
    image = Image.fromarray(coarse.squeeze(), mode if mode != "L" else None)
    file = io.BytesIO()
    image.resize((width, height), Image.Resampling.BICUBIC).save(file, "JPEG", quality=95)
    return file.getvalue()


def train_files() -> dict[str, dict[str, bytes]]:
    """By class: nine images of many sizes, among them a grayscale, a CMYK and a truncated one."""
    files: dict[str, dict[str, bytes]] = {}
    for label, synset in enumerate(SYNSETS):
        files[synset] = {
            f"{synset}_{i}.JPEG": jpeg(10 * label + i, 40 + 13 * i, 90 - 7 * i) for i in range(3)
        }
    files[SYNSETS[0]][f"{SYNSETS[0]}_0.JPEG"] = jpeg(50, 61, 47, "L")
    files[SYNSETS[2]][CMYK] = jpeg(51, 45, 66, "CMYK")
    whole = files[SYNSETS[1]][CORRUPT]
    files[SYNSETS[1]][CORRUPT] = whole[: len(whole) // 2]
    return files


def validation_files() -> dict[str, bytes]:
    """Five images; the fourth is truncated."""
    files = {
        f"ILSVRC2012_val_{i + 1:08d}.JPEG": jpeg(80 + i, 70 + 9 * i, 90 - 8 * i) for i in range(5)
    }
    broken = "ILSVRC2012_val_00000004.JPEG"
    files[broken] = files[broken][:-300]
    return files


def pack(files: dict[str, bytes]) -> bytes:
    """A tar of files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def write_archives(directory: pathlib.Path) -> pathlib.Path:
    """Put both archives where a user would; return their folder."""
    folder = directory / "downloads" / "manual"
    folder.mkdir(parents=True)
    classes = {f"{synset}.tar": pack(files) for synset, files in train_files().items()}
    (folder / "ILSVRC2012_img_train.tar").write_bytes(pack(classes))
    (folder / "ILSVRC2012_img_val.tar").write_bytes(pack(validation_files()))
    return folder
