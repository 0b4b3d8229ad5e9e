"""Algorithm 2 with exchangeable parts: the running sampler in which the gallery's bugs are planted.

With the parts as they should be it is `ddpm` over a grid: all levels of a schedule, or some.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor

from ddpm_lessons.bugs.parts import Parts
from ddpm_lessons.door import (
    EpsModel,
    Randomness,
    check_choice,
    check_index,
    predict_noise,
    randn_like,
)
from ddpm_lessons.exact import Mixture
from ddpm_lessons.forward import predict_x0
from ddpm_lessons.posterior import q_posterior
from ddpm_lessons.samplers import Step
from ddpm_lessons.schedule import NoiseLeftWarning, NoiseSchedule


@dataclass(frozen=True)
class Walker:
    """A sampler made of parts, for one network and one schedule."""

    parts: Parts
    eps_model: EpsModel
    schedule: NoiseSchedule

    @cached_property
    def previous(self) -> Tensor:
        """The table of alpha_bar_{t-1}, (T,): entry s is alpha_bar_s, if the part is right."""
        return self.parts.previous(self.schedule.alpha_bars[1:])

    def step(
        self, x: Tensor, t: int, following: int, *, noise: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """From x_t to the next state of the grid; returns it, and x0_hat.

        noise: gives standard normal noise like its argument; asked only where there is some.
        """
        parts, s = self.parts, self.parts.lower(t, following)
        c = self.schedule.between(s, t)._replace(alpha_bar_prev=self.previous[s].item())
        x0_hat = predict_x0(x, c, predict_noise(self.eps_model, x, parts.told(t)))
        mean, sigma = q_posterior(x0_hat, x, c).mean, parts.sigma(c, following == 0)
        return parts.keep(mean + sigma * noise(x) if sigma > 0 else mean), x0_hat

    def walk(
        self, x_T: Tensor, grid: Sequence[int], *, generator: Randomness = None
    ) -> Iterator[Step]:
        """The states of a chain at the levels of a falling grid, and at 0."""
        x = x_T
        for t, following in pairwise([*grid, 0]):
            after, x0_hat = self.step(x, t, following, noise=lambda x: randn_like(x, generator))
            yield Step(t, x, x0_hat)
            x = after
        yield Step(0, x, x)


def noise_levels(parts: Parts, T: int) -> NoiseSchedule:
    """The schedule of T steps, without the library's warning where it leaves the image in x_T.

    Raises ValueError where T does not divide 1000.
    """
    check_choice("T", T, [n for n in range(1, 1001) if 1000 % n == 0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoiseLeftWarning)  # it names one of the bugs
        return parts.schedule(T)


def even_steps(T: int, steps: int) -> range:
    """`steps` levels of T, evenly from T down. Raises ValueError where steps does not divide T."""
    check_index("steps", steps, 1, T)
    check_choice("steps", steps, [n for n in range(1, T + 1) if T % n == 0])
    return range(T, 0, -(T // steps))


def gaussian_model(var: float, schedule: NoiseSchedule) -> EpsModel:
    """The ideal network for numbers (B,) from N(0, var): one factor for each t, from `Mixture`."""
    t = torch.arange(1, schedule.T + 1)
    ones = torch.ones(schedule.T, dtype=torch.float64)
    gain = Mixture.gaussian(0.0, var).eps_model(schedule)(ones, t)
    return lambda x, t: gain[t - 1] * x
