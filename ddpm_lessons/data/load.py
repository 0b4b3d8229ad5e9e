"""Training images from elsewhere: a folder of pictures, a set in MNIST's format, the hub."""

import os
from pathlib import Path
from typing import NamedTuple

from ddpm_lessons.data.digits import Digits
from ddpm_lessons.data.folders import has_idx, idx_folder, image_folder
from ddpm_lessons.data.hub import PREFIX, hub_pictures
from ddpm_lessons.data.mnist import DataError
from ddpm_lessons.data.pictures import gather
from ddpm_lessons.door import check_choice, check_index

SIZE = 32  # height and width of images that have no common one of their own
LARGEST = 4096


class ImageSet(NamedTuple):
    """Images to train on, and what their labels mean."""

    digits: Digits
    classes: tuple[str, ...]  # the name of each label; empty if the images have none: all are 0
    ignored: int = 0  # files in the folder that are no images, and were left alone


def load_images(
    source: str | os.PathLike[str], *, size: int | None = None, channels: int | None = None
) -> ImageSet:
    """All images of a data set, in memory, as uint8 squares (see `pictures.square`).

    source: one of
        a folder of images (.png, .jpg, .webp, .bmp, .gif), or with one sub-folder of images for
            each class (see `folders.image_folder`);
        a folder with the two training files of MNIST's format (see `folders.idx_folder`);
        hf:NAME, hf:NAME:SPLIT or hf:NAME:SPLIT:LABELS, a data set of Hugging Face, for which the
            package `datasets` must be installed (see `hub.hub_pictures`).
    size: height and width; by default 32, or what the files of MNIST's format have.
    channels: 3 for colour, 1 for grey; by default grey if all of them are.

    They stay in memory, N * channels * size * size bytes: 60,000 colour images of 32 x 32 take
    184 MB, a million of 64 x 64 take 12 GB. While it is not clear whether all are grey, they take
    three channels. Reading takes as long as decoding the files, at every start.
    Raises ValueError for another size or number of channels; DataError, a ValueError, for a source
    that is none of these, or an image that cannot be read or used, which it names.
    """
    if size is not None:
        check_index("size", size, 1, LARGEST)
    if channels is not None:
        check_choice("channels", channels, (1, 3))
    if isinstance(source, str) and source.startswith(PREFIX):
        pictures = hub_pictures(source)
    elif not isinstance(source, str | os.PathLike) or not Path(source).is_dir():
        expected = "a folder of images, or hf:NAME for a data set of Hugging Face"
        raise DataError(f"source is {str(source)!r}, expected {expected}")
    elif has_idx(Path(source)):
        pictures, own = idx_folder(Path(source))
        size, channels = size or own, channels or 1
    else:
        pictures = image_folder(Path(source))
    digits = gather(pictures, size=size or SIZE, channels=channels)
    return ImageSet(digits, pictures.classes, pictures.ignored)
