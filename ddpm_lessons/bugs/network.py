"""The course's network with the parts of a model: its embedding of t, and its averaged weights.

What is planted here was not trained with: a bug of training is shown on a network that learnt
without it. `tiny` trains with the bugs.
"""

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ddpm_lessons.bugs.parts import RIGHT, Parts
from ddpm_lessons.bugs.walk import Walker, even_steps, noise_levels
from ddpm_lessons.data import to_model_range
from ddpm_lessons.door import EpsModel, check_index
from ddpm_lessons.models import Pretrained, UNet
from ddpm_lessons.schedule import NoiseSchedule
from ddpm_lessons.training import MixedPrecision

TRAINED_STEPS = 18_760  # of the weights that come with the course: as often was their average taken


def angles_of(t: Tensor, width: int) -> Tensor:
    """The angles of t (B,), (B, width): each of width / 2 frequencies twice in a row."""
    half = width // 2
    steps = torch.arange(half, dtype=torch.float32)
    frequencies = torch.exp(-math.log(10_000.0) / half * steps)
    return (t.float()[:, None] * frequencies).repeat_interleave(2, dim=1)


class Clock(nn.Module):
    """The time embedding of a trained network, with waves of another make."""

    def __init__(self, time: nn.Module, waves: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.time, self.waves = time, waves

    def forward(self, t: Tensor) -> Tensor:
        """t: (B,) timesteps. Returns (B, emb)."""
        waves = self.waves(angles_of(t, self.time.width))
        waves = torch.cat([waves[:, ::2], waves[:, 1::2]], dim=1)  # the network's order
        return self.time.linear_2(F.silu(self.time.linear_1(waves)))


def first_weights(parts: Parts, n: int) -> float:
    """The share of the weights that an average began with, after n updates."""
    check_index("n", n, 0, 10**7)
    return math.prod(parts.decay(i) for i in range(n))


def planted(pretrained: Pretrained, parts: Parts) -> UNet:
    """The trained network with these parts. With the right ones it is the network itself.

    The average is that of a network which had its final weights from the first step on, and began
    with random ones.
    """
    net, share = pretrained.eps_model, first_weights(parts, TRAINED_STEPS)
    if parts.waves is not RIGHT.waves:
        net = copy.deepcopy(net)
        net.time = Clock(net.time, parts.waves)
    return net if share == 0 else diluted(net, share)


@torch.no_grad()
def diluted(net: UNet, share: float, *, seed: int = 0) -> UNet:
    """A copy whose weights are `share` random first ones, and the trained ones for the rest."""
    mixed = copy.deepcopy(net)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        first = UNet(net.config)
    for weight, start in zip(mixed.parameters(), first.parameters(), strict=True):
        weight.lerp_(start, share)
    return mixed


def at_levels(net: EpsModel, known: NoiseSchedule, schedule: NoiseSchedule) -> EpsModel:
    """The network for another schedule: it is told the t of its own whose noise is the nearest."""
    far = (schedule.alpha_bars[:, None] - known.alpha_bars[1:]).abs()  # (T + 1, T of the network)
    table = far.argmin(dim=1) + 1
    return lambda x, t: net(x, table[t])


def draw(parts: Parts, pretrained: Pretrained, x_T: Tensor, *, T: int, steps: int) -> Tensor:
    """Digits by a model of these parts, (B, C, H, W) in [-1, 1], as its bytes are.

    x_T: (B, C, H, W), on the CPU. The schedule has T levels, of which `steps` are visited; the
    noise of the steps is always the same. The network computes in bfloat16 where the CPU does.
    Raises ValueError where T does not divide 1000, or steps not T.
    """
    schedule, grid = noise_levels(parts, T), even_steps(T, steps)
    answer = MixedPrecision("cpu").autocasting(planted(pretrained, parts))
    net = at_levels(answer, pretrained.schedule, schedule)
    generator = torch.Generator().manual_seed(1)
    *_, last = Walker(parts, net, schedule).walk(x_T, grid, generator=generator)
    return to_model_range(parts.grey(last.x))
