"""The moving picture of the README: digits dissolve, and of the noise the network makes others."""

import torch
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn.functional import pad

from ddpm_lessons.data.images import to_uint8
from ddpm_lessons.forward import q_sample
from ddpm_lessons.samplers import ddim
from ddpm_lessons.show.diagrams import HAIR, INK, NETWORK, NOISE, tint
from figures.digits import FILM_OTHERS, FILM_PICKS, FILM_SEED, noise, shipped

PIXEL = 10  # screen pixels for one of a digit
STRIP = 46  # screen pixels below the digits, for the words
SHADES = 12  # grey levels: fewer make a smaller file, and noise looks the same
GRID = [round(1000 * (i / 88) ** 1.3) for i in range(89)]  # of t; every fourth is shown
HOLD, STEP, TURN = 1600, 60, 400  # milliseconds a frame: a clean digit, on the way, pure noise


def digit_film() -> list[Image.Image]:
    """Three digits side by side, a 4, a 5 and a 3 that the network has made, dissolve into noise
    while a line below them fills up and the number t rises from 0 to 1000. Then t falls again and
    the network makes three others of it, a 2, a 6 and a 7. They dissolve and the first three come
    back: the film runs in a circle.
    """
    noise_a, noise_b = (noise(FILM_SEED, 40)[picks] for picks in (FILM_PICKS, FILM_OTHERS))
    first = _reverse(noise_a)[-1][1]
    there = _forward(first, noise_b)
    other = _reverse(there[-1][1])
    back = _forward(other[-1][1], noise_a)
    home = _reverse(back[-1][1])[:-1]  # its last state is the first frame
    ways = ((there, NOISE), (other[1:], NETWORK), (back[1:], NOISE), (home[1:], NETWORK))
    return [_frame(x, t, colour) for way, colour in ways for t, x in way]


def _forward(x_0: Tensor, eps: Tensor) -> list[tuple[int, Tensor]]:
    """x_t by Eq. (4) with one eps, for every fourth t of the grid, rising."""
    return [(t, q_sample(x_0, shipped().schedule.at(t), eps) if t else x_0) for t in GRID[::4]]


def _reverse(x_T: Tensor) -> list[tuple[int, Tensor]]:
    """The states of DDIM, which draws no noise and so moves smoothly; every fourth t, falling."""
    timesteps = GRID[:0:-1]
    steps = ddim(shipped().eps_model, shipped().schedule, x_T, timesteps=timesteps)
    return [(step.t, step.x) for i, step in enumerate(steps) if i % 4 == 0]


def _frame(x: Tensor, t: int, colour: str) -> Image.Image:
    rows = [pad(image, (1, 1, 1, 1), value=255) for image in to_uint8(x)]
    pixels = torch.cat(rows, dim=2)[0]  # (30, 90): three digits with white between
    pixels = (((pixels / 255 * (SHADES - 1)).round() / (SHADES - 1)) * 255).round().to(torch.uint8)
    size = (90 * PIXEL, 30 * PIXEL)
    digits = Image.fromarray(pixels.numpy()).resize(size, Image.Resampling.NEAREST)
    frame = Image.new("RGB", (90 * PIXEL, 30 * PIXEL + STRIP), "white")
    frame.paste(digits)
    draw, y = ImageDraw.Draw(frame), 30 * PIXEL
    words = "forward: noise is added" if colour == NOISE else "reverse: the network removes it"
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), 23)
    draw.text((PIXEL, y + 26), words, fill=colour, font=font, anchor="lm")
    draw.text((89 * PIXEL, y + 26), f"t = {t}", fill=INK, font=font, anchor="rm")
    draw.line((PIXEL, y + 4, 89 * PIXEL, y + 4), fill=HAIR, width=4)
    draw.line((PIXEL, y + 4, PIXEL + 88 * PIXEL * t / 1000, y + 4), fill=colour, width=4)
    frame = frame.quantize(palette=_palette(), dither=Image.Dither.NONE)
    frame.info["duration"] = {0: HOLD, 1000: TURN}.get(t, STEP)
    return frame


def _palette() -> Image.Image:
    greys = [(i / (SHADES - 1),) * 3 for i in range(SHADES)]
    inks = [tint(c, share / 6) for c in (NOISE, NETWORK) for share in range(1, 7)]
    image = Image.new("P", (1, 1))
    image.putpalette([round(255 * part) for rgb in (*greys, *inks) for part in rgb])
    return image
