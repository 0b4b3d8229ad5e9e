"""A diffusion model in ten parts, each as it should be. The gallery exchanges one at a time.

Each part is a function of few lines, so that a bug is a difference in one of them; `wrong` holds
its counterparts under the same names.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from ddpm_lessons.schedule import Coefficients, NoiseSchedule, linear_schedule


def schedule(T: int) -> NoiseSchedule:
    """T of the thousand noise levels of the linear schedule, evenly chosen; T divides 1000."""
    levels = linear_schedule(T=1000).alpha_bars[:: 1000 // T]
    return NoiseSchedule(pad(1 - levels[1:] / levels[:-1], (1, 0)))


def previous(alpha_bars: Tensor) -> Tensor:
    """The table of alpha_bar_{t-1} for t = 1..T, from that of alpha_bar_t; both (T,)."""
    return pad(alpha_bars[:-1], (1, 0), value=1.0)


def lower(t: int, following: int) -> int:
    """The level that a step from t goes down to; `following` is the next one on the grid."""
    return following


def told(t: int) -> int:
    """The t that the network is told of an image at level t."""
    return t


def sigma(c: Coefficients, last: bool) -> float:
    """The standard deviation of a step's noise; `last`: whether the step ends at 0."""
    return 0.0 if last else c.beta**0.5


def keep(x: Tensor) -> Tensor:
    """The state x_{t-1} as the next step gets it."""
    return x


def waves(angles: Tensor) -> Tensor:
    """The embedding of B timesteps: sines and cosines in turn, of angles (B, width)."""
    waves = angles.clone()
    waves[:, ::2] = angles[:, ::2].sin()
    waves[:, 1::2] = angles[:, 1::2].cos()
    return waves


def decay(n: int) -> float:
    """The share of the old average that stays in the EMA of the weights, after n updates."""
    return min(0.9999, (1 + n) / (10 + n)) if n else 0.0


def grey(x: Tensor) -> Tensor:
    """Images in [-1, 1], as the sampler leaves them, as bytes."""
    levels = ((x + 1) * 127.5).round()
    return levels.clamp(0, 255).int().to(torch.uint8)


def bits(nats: float) -> float:
    """A code length in nats, in bits."""
    return nats / math.log(2)


@dataclass(frozen=True)
class Parts:
    """A diffusion model: its ten parts, right unless they are exchanged (`dataclasses.replace`)."""

    schedule: Callable[[int], NoiseSchedule] = schedule
    previous: Callable[[Tensor], Tensor] = previous
    lower: Callable[[int, int], int] = lower
    told: Callable[[int], int] = told
    sigma: Callable[[Coefficients, bool], float] = sigma
    keep: Callable[[Tensor], Tensor] = keep
    waves: Callable[[Tensor], Tensor] = waves
    decay: Callable[[int], float] = decay
    grey: Callable[[Tensor], Tensor] = grey
    bits: Callable[[float], float] = bits


RIGHT = Parts()
