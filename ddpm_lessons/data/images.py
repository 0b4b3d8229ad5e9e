"""Images between their two ranges: uint8 in 0..255 on disk, float32 in [-1, 1] in the model.

This module is the one place where images are scaled. Everything that the library calls x_0
has passed through `to_model_range`; everything that is drawn goes through `to_uint8`.
"""

import torch
from torch import Tensor


def to_model_range(images: Tensor) -> Tensor:
    """Scale 8-bit images to the range of the model: images / 127.5 - 1.

    images: uint8 in 0..255, any shape. Returns float32 of the same shape and device in
    [-1, 1]; level 0 becomes exactly -1 and level 255 exactly 1.
    Raises ValueError for any other dtype, so that an image cannot be scaled twice.
    """
    if not isinstance(images, Tensor) or images.dtype != torch.uint8:
        raise ValueError(f"images is {kind(images)}, expected a uint8 tensor in 0..255")
    return images.to(torch.float32) / 127.5 - 1


def to_uint8(x: Tensor) -> Tensor:
    """Turn images in the model's range into 8-bit images: the inverse of `to_model_range`.

    x: floating tensor, any shape, meant to lie in [-1, 1]. Returns uint8 of the same shape and
    device. Values are rounded to the nearest level; values outside [-1, 1] saturate at 0 or 255
    (a plain cast would wrap round, or cut every level down).
    Raises ValueError for NaN, which has no level, and for a dtype that is not floating.
    """
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise ValueError(f"x is {kind(x)}, expected a floating tensor in [-1, 1]")
    nans = int(x.isnan().sum())
    if nans:
        raise ValueError(f"x has NaN in {nans} of {x.numel()} values, expected numbers in [-1, 1]")
    x = x.detach().to(torch.promote_types(x.dtype, torch.float32))  # one rounding
    return ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def kind(value: object) -> str:
    """What a value is, in words, for error messages."""
    if isinstance(value, Tensor):
        return f"a {value.dtype} tensor {tuple(value.shape)} on {value.device}"
    return f"of type {type(value).__name__}"
