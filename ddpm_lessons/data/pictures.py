"""Pictures of any size and kind, made into the equal squares that a network learns from."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ddpm_lessons.data.digits import Digits
from ddpm_lessons.data.mnist import DataError

ENLARGED = 4  # times, at most: beyond, a network would learn what the enlarging made up


class Pictures(NamedTuple):
    """Labelled pictures that are yet to be read."""

    read: Callable[[int], Image.Image]  # number i
    name: Callable[[int], str]  # of number i, for messages
    labels: list[int]  # one a picture, -1 where it has none
    classes: tuple[str, ...]  # the name of each label; empty if there are no labels
    ignored: int = 0  # files beside them that are not read


def gather(pictures: Pictures, *, size: int, channels: int | None = None) -> Digits:
    """Read all pictures, each as `square` makes it, into memory.

    channels: 3 for colour, 1 for grey; None for grey if every pixel of every image is grey.
    Returns images uint8 (N, channels, size, size), N * channels * size * size bytes, and labels.
    Raises DataError for a picture that cannot be read or used, which it names, and where there is
    not enough memory.
    """
    n, wanted, grey = len(pictures.labels), channels or 3, channels is None
    try:
        images = torch.empty((n, wanted, size, size), dtype=torch.uint8)
    except RuntimeError as error:
        needed = f"{n:,} images of {wanted} x {size} x {size} take {n * wanted * size**2:,} bytes"
        raise DataError(f"{needed}, more than there is; choose a smaller size") from error
    for i in range(n):
        try:
            images[i] = image = square(pictures.read(i), size, wanted)
        except Exception as error:  # each format has its own ways to be damaged
            reason = (str(error) or repr(error)).splitlines()[0]
            raise DataError(f"{pictures.name(i)}: {reason}; replace or remove it") from error
        grey = grey and bool((image == image[:1]).all())
    return Digits(images[:, :1].clone() if grey else images, torch.tensor(pictures.labels))


def square(picture: Image.Image, size: int, channels: int) -> Tensor:
    """The middle of a picture as an image uint8 (channels, size, size); channels is 3 or 1.

    The picture is turned as its camera says, and white where it is transparent. Its shorter side
    becomes `size`, by a Lanczos filter, and what the longer side has beyond is cut off at both ends
    alike. A picture of that size stays as it is.
    Raises ValueError for one that would be enlarged more than 4 times, or with more than 8 bits a
    channel, whose range nobody can know.
    """
    if picture.mode[0] in "IF":
        raise ValueError(f"has the mode {picture.mode!r}, expected 8 bits a channel")
    if ENLARGED * min(picture.size) < size:
        found, least = " x ".join(map(str, picture.size)), -(-size // ENLARGED)
        expected = f"at least {least} x {least}, to be enlarged to {size} x {size}"
        raise ValueError(f"has {found} pixels, expected {expected}")
    picture = ImageOps.exif_transpose(picture)
    if picture.has_transparency_data:
        paper = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(paper, picture.convert("RGBA"))
    picture = picture.convert("RGB" if channels == 3 else "L")
    picture = ImageOps.fit(picture, (size, size), method=Image.Resampling.LANCZOS)
    pixels = torch.from_numpy(np.array(picture)).view(size, size, channels)
    return pixels.permute(2, 0, 1)  # (H, W, C) -> (C, H, W)
