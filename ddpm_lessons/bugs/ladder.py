"""Tests of a diffusion model, each one number, in the order of what they cost.

They take the `Parts` of a model and give one number; a bug shows where it differs from that of the
right parts. None needs a trained network.
"""

import math
from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import torch
from torch import Tensor

from ddpm_lessons.bugs.network import angles_of, first_weights
from ddpm_lessons.bugs.parts import Parts
from ddpm_lessons.bugs.walk import Walker, even_steps, gaussian_model, noise_levels
from ddpm_lessons.data import to_model_range
from ddpm_lessons.door import check_number
from ddpm_lessons.exact import Mixture
from ddpm_lessons.loss import bound
from ddpm_lessons.schedule import NoiseSchedule

NARROW, WIDE = 0.01, 1.0  # variances of data: a thin line, and one as wide as the noise
SAMPLES = 20_000


def signal_left(parts: Parts, T: int) -> float:
    """alpha_bar_T: the share of the image's variance that is left in x_T. It should be nearly 0."""
    return noise_levels(parts, T).alpha_bars[-1].item()


def greatest_drop(parts: Parts) -> float:
    """How far the grey falls between neighbours of a wedge that rises from -1.1 to 1.1, in levels.

    It should be 0: what rises may not fall.
    """
    levels = parts.grey(torch.linspace(-1.1, 1.1, 221, dtype=torch.float64)).int()
    return max(0.0, -levels.diff().min().item())


def place_in_batch(parts: Parts, T: int) -> float:
    """How far the embedding of a t moves when it stands elsewhere in the batch. It should be 0."""
    angles = angles_of(torch.arange(1, T + 1), 64)
    alone = torch.cat([parts.waves(one) for one in angles.split(1)])
    return (parts.waves(angles) - alone).abs().max().item()


def told_wrongly(parts: Parts, T: int) -> float:
    """The number of steps at which the network is told another t than the image's: 0, we hope."""
    said = []

    def listener(x: Tensor, t: Tensor) -> Tensor:
        said.append(int(t[0]))
        return torch.zeros_like(x)

    schedule, grid = noise_levels(parts, T), even_steps(T, T)
    list(Walker(parts, listener, schedule).walk(torch.zeros(1), grid))
    return float(sum(t != heard for t, heard in zip(grid, said, strict=True)))


def step_error(parts: Parts, T: int, *, steps: int | None = None) -> float:
    """How far a step without noise misses, where the network is right about everything.

    From x_t = sqrt(alpha_bar_t) of a white pixel (and no noise in it) a step must lead to
    sqrt(alpha_bar_s). The largest error over the grid; it should be 0 but for rounding.
    """
    schedule, grid = noise_levels(parts, T), even_steps(T, steps or T)
    walker = Walker(parts, lambda x, t: torch.zeros_like(x), schedule)
    right, errors = schedule.alpha_bars.sqrt(), []
    for t, following in zip(grid, [*grid[1:], 0], strict=True):
        after, _ = walker.step(right[[t]], t, following, noise=torch.zeros_like)
        errors.append((after - right[following]).abs().item())
    return max(errors)


def last_variance(parts: Parts, T: int, *, var: float, steps: int | None = None) -> float:
    """The variance of what is drawn, where the data are N(0, var) and the network is ideal. Exact.

    Then x_{t-1} = a x_t + b z, and the variance goes from v to a^2 v + b^2. A sampler whose steps
    are not of this kind is simulated, with 20,000 numbers. Raises ValueError for var < 0.
    """
    check_number("var", var, "[0, inf)")
    schedule, grid = noise_levels(parts, T), even_steps(T, steps or T)
    walker = Walker(parts, gaussian_model(var, schedule), schedule)
    x, z = torch.tensor([[1.0, 0.0, 9.0], [0.0, 1.0, 0.0]], dtype=torch.float64)
    variance = 1.0
    for t, following in zip(grid, [*grid[1:], 0], strict=True):
        after, _ = walker.step(x, t, following, noise=lambda _: z)
        a, b, nine_a = after.tolist()
        if not math.isclose(nine_a, 9 * a):
            return simulated(walker, grid)[-1].var().item()
        variance = a**2 * variance + b**2
    return variance


def simulated(walker: Walker, grid: range) -> list[Tensor]:
    """The states of many chains, (20,000,) each, always of the same noise."""
    generator = torch.Generator().manual_seed(0)
    x_T = torch.randn(SAMPLES, generator=generator, dtype=torch.float64)
    return [step.x for step in walker.walk(x_T, grid, generator=generator)]


def after_first_step(parts: Parts, T: int) -> float:
    """The variance after the first step, where data and noise have variance 1. It should stay 1."""
    schedule = noise_levels(parts, T)
    walker = Walker(parts, gaussian_model(WIDE, schedule), schedule)
    generator = torch.Generator().manual_seed(0)
    x, z = torch.randn(2, SAMPLES, generator=generator, dtype=torch.float64)
    after, _ = walker.step(x, T, T - 1, noise=lambda _: z)
    return (after.var() / x.var()).item()


def die_bits(parts: Parts, T: int) -> float:
    """The bound for a pixel that shows each of the 256 levels equally often, as it is reported.

    Its entropy is 8 bits, and no code is shorter. The network is ideal; 1,024 draws for a short
    chain, 256 for a long one.
    """
    return parts.bits(die_nats(parts.schedule, T))


@cache
def die_nats(schedule: Callable[[int], NoiseSchedule], T: int) -> float:
    """The same in nats, computed once for each schedule: that of a long chain takes seconds."""
    noise = noise_levels(Parts(schedule=schedule), T)
    levels = to_model_range(torch.arange(256, dtype=torch.uint8))[:, None].double()
    x_0 = levels.repeat(4 if T <= 100 else 1, 1)
    network = Mixture.from_data(levels).eps_model(noise)
    generator = torch.Generator().manual_seed(0)
    return bound(network, noise, x_0, generator=generator).total.mean().item() * math.log(2)


class Rung(NamedTuple):
    """One test of the ladder."""

    name: str
    asks: str
    run: Callable[[Parts], float]


LADDER = (
    Rung("signal in x_T", "is x_T noise?", partial(signal_left, T=10)),
    Rung("grey wedge", "do bytes rise where pixels rise?", greatest_drop),
    Rung(
        "place in the batch",
        "does an image depend on its neighbours?",
        partial(place_in_batch, T=10),
    ),
    Rung("t told", "is the network told the image's t?", partial(told_wrongly, T=10)),
    Rung("one step", "does a step without noise arrive?", partial(step_error, T=1000, steps=10)),
    Rung("first step", "is x_{T-1} as wide as it should be?", partial(after_first_step, T=10)),
    Rung(
        "first weights",
        "is the random start still in the average?",
        partial(first_weights, n=2000),
    ),
    Rung("narrow, T = 10", "end variance", partial(last_variance, T=10, var=NARROW)),
    Rung("wide, T = 10", "end variance", partial(last_variance, T=10, var=WIDE)),
    Rung(
        "narrow, 10 of 1000", "end variance", partial(last_variance, T=1000, var=NARROW, steps=10)
    ),
    Rung("bits of a die", "is the bound above the entropy?", partial(die_bits, T=10)),
    Rung(
        "wide, T = 1000",
        "end variance, as everybody tests it",
        partial(last_variance, T=1000, var=WIDE),
    ),
)


def caught(found: float, right: float) -> bool:
    """Whether a test tells a bug: its number is over 5 % off, or not 0 where it should be."""
    return abs(found - right) > 0.05 * abs(right) + 1e-6
