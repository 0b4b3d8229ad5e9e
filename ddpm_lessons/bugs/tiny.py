"""A training that takes seconds, with the parts of a model: a tiny network learns N(0, var).

The ideal network multiplies x_t with a factor that depends on t. So does this one; its factor is
learnt from the embedding of t. All its errors can be worked out exactly.
"""

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ddpm_lessons.bugs.network import angles_of
from ddpm_lessons.bugs.parts import Parts
from ddpm_lessons.bugs.walk import noise_levels
from ddpm_lessons.door import check_index, check_number
from ddpm_lessons.loss import simple_loss
from ddpm_lessons.schedule import NoiseSchedule

WIDTH = 16  # of the embedding
RATE, MOMENTUM = 0.1, 0.9  # of the training


class TinyNet(nn.Module):
    """eps_theta(x_t, t) = x_t factor(t), for numbers (B,), with a part `waves` as its embedding."""

    def __init__(self, parts: Parts, generator: torch.Generator) -> None:
        super().__init__()
        self.waves = parts.waves
        self.layers = nn.Sequential(nn.Linear(WIDTH, 32), nn.SiLU(), nn.Linear(32, 1)).double()
        for weight in self.layers.parameters():
            weight.data.normal_(0, max(weight.shape) ** -0.5, generator=generator)

    def factors(self, t: Tensor) -> Tensor:
        """The factor for each t of a batch (B,), in this order. Returns (B,)."""
        return self.layers(self.waves(angles_of(t, WIDTH)).double())[:, 0]

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        """x_t (B,) and t (B,) int64. Returns eps, (B,)."""
        return x_t * self.factors(t)


class Taught(NamedTuple):
    """A network after its training, and the average of its weights."""

    net: TinyNet
    average: TinyNet


def teach(
    parts: Parts, *, T: int = 10, var: float = 0.01, steps: int = 1000, seed: int = 0
) -> Taught:
    """Train by Algorithm 1 on numbers from N(0, var): batches of 256, descent with momentum.

    The average of the weights is taken after each step, by the part `decay`. All in float64. Raises
    ValueError where an argument is impossible.
    """
    check_number("var", var, "(0, inf)")
    check_index("steps", steps, 1, 100_000)
    schedule, generator = noise_levels(parts, T), torch.Generator().manual_seed(seed)
    net = TinyNet(parts, generator)
    average = copy.deepcopy(net).requires_grad_(False)
    weights, means = list(net.parameters()), list(average.parameters())
    speeds = [torch.zeros_like(weight) for weight in weights]
    for n in range(steps):
        x_0 = var**0.5 * torch.randn(256, generator=generator, dtype=torch.float64)
        loss = simple_loss(net, schedule, x_0, generator=generator)
        slopes = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for weight, mean, speed, slope in zip(weights, means, speeds, slopes, strict=True):
                weight -= RATE * speed.mul_(MOMENTUM).add_(slope)
                mean.lerp_(weight, 1 - parts.decay(n))
    return Taught(net.requires_grad_(False), average)


def exact_loss(net: TinyNet, schedule: NoiseSchedule, var: float) -> float:
    """The loss of Eq. (14) on N(0, var), without any chance: E (eps - factor x_t)^2, mean over t.

    With x_t of variance alpha_bar var + 1 - alpha_bar it is 1 - 2 f sqrt(1 - alpha_bar) + f^2 times
    that. All t are asked in one batch, half of them at each kind of place.
    """
    t = torch.arange(1, schedule.T + 1)
    places = torch.cat([t, t]) if schedule.T % 2 else torch.cat([t, t.roll(1)])
    bars = schedule.alpha_bars[places]
    f = net.factors(places)
    return (1 - 2 * f * (1 - bars).sqrt() + f**2 * (bars * var + 1 - bars)).mean().item()


def least_loss(schedule: NoiseSchedule, var: float) -> float:
    """The smallest loss that any network can have on N(0, var): that of the ideal one."""
    bars = schedule.alpha_bars[1:]
    return (bars * var / (bars * var + 1 - bars)).mean().item()
