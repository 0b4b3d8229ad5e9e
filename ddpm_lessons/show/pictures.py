"""Images and figures as PNG pictures in an HTML page: native pixels, enlarged by the browser."""

import base64
import io
from collections.abc import Iterable
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor

from ddpm_lessons.data.images import to_uint8
from ddpm_lessons.door import check_index
from ddpm_lessons.schedule import NoiseSchedule

FIGURE_DPI = 144  # figures are drawn with 1.5 dots for each of the browser's 96 pixels an inch


class Picture(NamedTuple):
    """A PNG file and how large it is shown."""

    png: bytes
    width: int  # in CSS pixels, as is the height
    height: int
    pixelated: bool  # keep the native pixels sharp; False for a figure, which is smooth

    @property
    def base64(self) -> str:
        """The file in base64."""
        return base64.b64encode(self.png).decode("ascii")

    @property
    def uri(self) -> str:
        """The file as a `data:` address, which needs no network."""
        return f"data:image/png;base64,{self.base64}"


def picture(frame: object, width: int = 280) -> Picture:
    """One frame as a picture.

    frame: an image (C, H, W) or (H, W) with C = 1 or 3, uint8 in 0..255 or floating in [-1, 1]
    (values outside saturate), shown at the smallest whole multiple of its size that is at least
    `width` pixels wide; or a matplotlib figure; or the bytes of a PNG file. Raises ValueError for
    anything else, or for NaN.
    """
    if isinstance(frame, Tensor):
        return _from_tensor(frame, width)
    if hasattr(frame, "savefig"):  # a figure, without importing matplotlib to say so
        return _from_figure(frame)
    if isinstance(frame, bytes):
        size = _open(frame).size
        return Picture(frame, *size, pixelated=False)
    raise ValueError(
        f"frame is {type(frame).__name__}, expected a tensor, a matplotlib figure or PNG bytes"
    )


def pictures(frames: Iterable[object], width: int = 280) -> list[Picture]:
    """Frames of one size as pictures: a tensor (N, C, H, W), or a list of what `picture` takes.

    Raises ValueError where there are none, or where their sizes differ.
    """
    if isinstance(frames, Tensor) and frames.ndim != 4:
        raise ValueError(f"frames has shape {tuple(frames.shape)}, expected (N, C, H, W)")
    result = [picture(frame, width) for frame in frames]
    if not result:
        raise ValueError("frames is empty, expected at least one")
    sizes = {(p.width, p.height) for p in result}
    if len(sizes) > 1:
        raise ValueError(f"frames have the sizes {sorted(sizes)}, expected one size")
    return result


def describe(schedule: NoiseSchedule, t: int) -> str:
    """What is left of the image at t, in amplitudes: "t = 400, signal 0.44, noise 0.90"."""
    alpha_bar = schedule.alpha_bars[check_index("t", t, 0, schedule.T)].item()
    return f"t = {t}, signal {alpha_bar**0.5:.2f}, noise {(1 - alpha_bar) ** 0.5:.2f}"


def _from_tensor(frame: Tensor, width: int) -> Picture:
    image = frame[None] if frame.ndim == 2 else frame
    if image.ndim != 3 or image.shape[0] not in (1, 3) or image.numel() == 0:
        raise ValueError(f"frame has shape {tuple(frame.shape)}, expected (1, H, W) or (3, H, W)")
    image = (image if image.dtype == torch.uint8 else to_uint8(image)).cpu()
    # (1, H, W) -> (H, W), (3, H, W) -> (H, W, 3)
    pixels = image[0] if len(image) == 1 else image.permute(1, 2, 0)
    scale = max(1, -(-width // image.shape[2]))
    png = _png(Image.fromarray(pixels.contiguous().numpy()))
    return Picture(png, scale * image.shape[2], scale * image.shape[1], pixelated=True)


def _from_figure(figure: object) -> Picture:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=FIGURE_DPI)
    image = _open(buffer.getvalue()).convert("RGB")
    few = image.quantize(128, dither=Image.Dither.NONE)  # enough for curves, a quarter of the bytes
    width, height = (round(side * 96 / FIGURE_DPI) for side in image.size)
    return Picture(_png(few), width, height, pixelated=False)


def _open(png: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(png), formats=["PNG"])
    except (OSError, SyntaxError) as error:
        raise ValueError(f"frame is {png[:8]!r}..., expected the bytes of a PNG file") from error


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
