"""Draw images from a trained network: a grid as PNG, the chain as GIF."""

import argparse
from io import BytesIO
from math import isqrt
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from tqdm.auto import tqdm

from ddpm_lessons.cli.network import add_network, choose_network, draw, tell
from ddpm_lessons.cli.options import add_device, choose_accelerator, picture, whole
from ddpm_lessons.cli.streams import choose_labels
from ddpm_lessons.data import to_uint8
from ddpm_lessons.models import Pretrained, to_images
from ddpm_lessons.models.storage import write_atomically
from ddpm_lessons.training import MixedPrecision
from ddpm_lessons.training.loop import share

FRAMES = 50  # of the GIF, evenly spread over t
FRAME, PAUSE = 60, 2000  # milliseconds that a frame and the last frame are shown
LINE = 96  # grey level between the images of a grid


def add(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    # The launchers of several processes take --n for an abbreviation of options of their own.
    parser.add_argument(
        "--n", "--samples", type=whole(1, 4096), default=64, help="how many (default: 64)"
    )
    add_network(parser)
    parser.add_argument(
        "--out", type=picture(".png"), default=Path("samples.png"), help="default: samples.png"
    )
    parser.add_argument("--gif", type=picture(".gif"), help="also write the chain, T to 0")
    parser.add_argument("--scale", type=whole(1, 32), default=2, help="screen pixels a pixel (2)")
    add_device(parser)


def run(options: argparse.Namespace) -> int:
    """Sample, and write the pictures."""
    accelerator = choose_accelerator(options.device)
    device, first = accelerator.device, accelerator.is_main_process
    network = choose_network(options, device)
    if first:
        print(f"{options.n} images by {options.sampler} on {device}, seed {options.seed}")
    drawn = [accelerator.gather(x, options.n) for x in _chain(options, network, accelerator)]
    if not first:
        return 0
    states = [grid(x, options.scale) for x in drawn]
    write_atomically(options.out, encode(states[-1:], "PNG"))
    print(options.out)
    if options.gif:
        durations = [FRAME] * (len(states) - 1) + [PAUSE]
        write_atomically(options.gif, encode(states, "GIF", duration=durations, loop=0))
        print(options.gif)
    return 0


def grid(x: Tensor, scale: int = 1, *, columns: int | None = None) -> Image.Image:
    """N images (N, 1 or 3, H, W) in [-1, 1], in rows and columns with a line between them.

    Values outside [-1, 1] saturate. scale: screen pixels a pixel. columns: by default about as many
    as rows. Raises ValueError for NaN.
    """
    pixels = F.pad(to_uint8(x).cpu(), (1, 1, 1, 1), value=LINE)  # (N, C, H + 2, W + 2)
    columns = columns or isqrt(len(pixels) - 1) + 1
    empty = torch.full_like(pixels[:1], LINE).expand(-len(pixels) % columns, -1, -1, -1)
    rows = [torch.cat(list(row), dim=-1) for row in torch.cat([pixels, empty]).split(columns)]
    array = torch.cat(rows, dim=-2).permute(1, 2, 0).squeeze(-1).numpy()
    image = Image.fromarray(array)
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def _chain(
    options: argparse.Namespace, network: Pretrained, accelerator: MixedPrecision
) -> list[Tensor]:
    """The states to draw: the last one, and for a GIF about 50 before it; of this process's share
    of the images.
    """
    T = network.schedule.T
    numbers = range(options.n)[share(accelerator, options.n)[0]]
    labels = choose_labels(options.label, options.seed, numbers)
    eps_model = tell(network, labels, options.guidance)
    steps = draw(options, network, numbers, eps_model=eps_model)
    drawn, shown = [], -1
    # The bar waits a moment: a sampler that refuses its arguments does so at the first step.
    first = accelerator.is_main_process
    with tqdm(total=T, unit="t", dynamic_ncols=True, delay=0.5, disable=not first) as bar:
        for state in steps:
            bar.update(T - state.t - bar.n)
            frame = (T - state.t) * FRAMES // T
            if state.t == 0 or (options.gif and frame > shown):
                drawn, shown = [*drawn, to_images(network, state.x)], frame
    return drawn


def encode(pictures: list[Image.Image], format: str, **options: object) -> bytes:
    """Pictures as the bytes of a file; more than one are the frames of a GIF."""
    buffer = BytesIO()
    more = {"save_all": True, "append_images": pictures[1:]} if len(pictures) > 1 else {}
    pictures[0].save(buffer, format, **more, **options)
    return buffer.getvalue()
