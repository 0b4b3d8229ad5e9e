"""A hundred pictures of clothes, for the lesson that needs a second kind of images."""

from pathlib import Path

import torch

from ddpm_lessons.data.digits import Digits
from ddpm_lessons.data.folders import read_idx

FILES = Path(__file__).parent / "files"
CLASSES = (
    "T-shirt",
    "trousers",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)


def load_fashion() -> Digits:
    """The first 100 test images of Fashion-MNIST (Xiao, Rasul & Vollgraf 2017): 1 x 28 x 28, and
    labels 0..9, which `CLASSES` names.

    They come with the package. The whole set, 60,000 to learn from, is read by `load_images`.
    Raises DataError (a ValueError) where the files are damaged.
    """
    images = read_idx(FILES, "fashion-100-images-idx3-ubyte", 3)
    labels = read_idx(FILES, "fashion-100-labels-idx1-ubyte", 1)
    pixels = torch.from_numpy(images.copy())[:, None]
    return Digits(pixels, torch.from_numpy(labels.copy()).to(torch.int64))
