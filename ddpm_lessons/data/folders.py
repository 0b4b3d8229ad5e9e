"""Pictures in a folder on the disk: image files, or the two files that MNIST's format has."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from ddpm_lessons.data.mnist import DataError
from ddpm_lessons.data.pictures import Pictures

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp")  # in capitals too
IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")  # each may end in .gz


def image_folder(folder: Path) -> Pictures:
    """The image files in a folder, without labels, or in its sub-folders, one for each class.

    Labels are the places of the sub-folders in the order of their names. The order of the pictures
    is that of their names, class by class. Of an animation the first frame counts. Files with other
    endings, and whatever begins with a dot, are counted and left alone.
    Raises DataError for a folder that is neither: nothing in it, images on both levels, a
    sub-folder without images, or folders below the sub-folders.
    """
    files, folders, ignored = _entries(folder)
    if files and folders:
        expected = "expected either images, or one folder a class"
        raise DataError(f"{folder}: holds images and the folder {folders[0].name!r}, {expected}")
    if not files and not folders:
        raise DataError(f"{folder}: holds no images, expected files in {', '.join(SUFFIXES)}")
    labels = [0] * len(files)
    for label, part in enumerate(folders):
        inside, deeper, others = _entries(part)
        if deeper or not inside:
            found = f"the folder {deeper[0].name!r}" if deeper else "no images"
            raise DataError(f"{part}: holds {found}, expected the images of one class")
        files, ignored = files + inside, ignored + others
        labels += [label] * len(inside)
    return Pictures(
        read=lambda i: _open(files[i]),
        name=lambda i: str(files[i]),
        labels=labels,
        classes=tuple(part.name for part in folders),
        ignored=ignored,
    )


def has_idx(folder: Path) -> bool:
    """Whether the folder holds training images in MNIST's format."""
    return any((folder / f"{IDX[0]}{end}").exists() for end in ("", ".gz"))


def idx_folder(folder: Path) -> tuple[Pictures, int]:
    """The training images of a set in MNIST's format, such as Fashion-MNIST, and their size (the
    shorter side): the files `IDX` of 8-bit numbers, compressed by gzip or not.

    Raises DataError for a file that is missing, damaged or does not belong to the other one.
    """
    images, labels = read_idx(folder, IDX[0], 3), read_idx(folder, IDX[1], 1)
    if len(images) != len(labels):
        raise DataError(f"{folder}: holds {len(images)} images and {len(labels)} labels")
    pictures = Pictures(
        read=lambda i: Image.fromarray(images[i]),
        name=lambda i: f"{folder / IDX[0]}, image {i}",
        labels=labels.tolist(),
        classes=tuple(str(label) for label in range(labels.max() + 1)),
    )
    return pictures, min(images.shape[1:])


def _entries(folder: Path) -> tuple[list[Path], list[Path], int]:
    """The image files and the folders in a folder, by name, and how many others there are."""
    entries = sorted(folder.iterdir(), key=lambda path: path.name)
    shown = [path for path in entries if not path.name.startswith(".")]
    folders = [path for path in shown if path.is_dir()]
    files = [path for path in shown if path.suffix.lower() in SUFFIXES and not path.is_dir()]
    return files, folders, len(entries) - len(files) - len(folders)


def _open(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        picture.load()  # before the file is closed
        return picture


def read_idx(folder: Path, name: str, dimensions: int) -> np.ndarray:
    """The numbers in an IDX file: two zeros, the type (8: a byte), how many dimensions, these."""
    path = next((p for p in (folder / name, folder / f"{name}.gz") if p.exists()), folder / name)
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    start = 4 + 4 * dimensions
    shape = np.frombuffer(data[4:start], ">u4").tolist() if len(data) >= start else []
    whole = data[:4] == bytes([0, 0, 8, dimensions]) and len(data) == start + math.prod(shape)
    if not whole or not math.prod(shape):
        found = f"{len(data)} bytes that begin with {data[:start].hex()}"
        expected = f"an IDX file of bytes in {dimensions} dimensions"
        raise DataError(f"{path}: damaged, {found}, expected {expected}")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
