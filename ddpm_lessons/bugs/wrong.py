"""The ten parts as they stood in public code: each wrong in one line, and as short as it was.

The names are those of `parts`, so that the difference between the two is the bug and nothing else.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

from ddpm_lessons.schedule import Coefficients, NoiseSchedule, linear_schedule


def schedule(T: int) -> NoiseSchedule:
    """The betas of a thousand steps, whatever T is."""
    return linear_schedule(T=T)


def previous(alpha_bars: Tensor) -> Tensor:
    """The 1 of alpha_bar_0 stands at the wrong end."""
    return pad(alpha_bars[:-1], (0, 1), value=1.0)


def lower(t: int, following: int) -> int:
    """One level down, although the grid leaves out many."""
    return t - 1


def told(t: int) -> int:
    """As if the network counted from 0."""
    return max(t - 1, 1)


def sigma(c: Coefficients, last: bool) -> float:
    """Noise at every step, also at the last."""
    return c.beta**0.5


def keep(x: Tensor) -> Tensor:
    """A noisy state, cut to the range of a clean image."""
    return x.clamp(-1, 1)


def waves(angles: Tensor) -> Tensor:
    """Sines for the images of even number, cosines for the others."""
    waves = angles.clone()
    waves[::2] = angles[::2].sin()
    waves[1::2] = angles[1::2].cos()
    return waves


def decay(n: int) -> float:
    """The final decay, from the first update on."""
    return 0.9999


def grey(x: Tensor) -> Tensor:
    """Bytes count on from 255 to 0."""
    levels = ((x + 1) * 127.5).round()
    return levels.int().to(torch.uint8)


def bits(nats: float) -> float:
    """Nats under another name."""
    return nats
