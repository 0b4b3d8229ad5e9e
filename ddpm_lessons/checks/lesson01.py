"""Lesson 01, the forward process: its exercises."""

from collections.abc import Iterable

import torch

from ddpm_lessons.checks.exercise import Exercise, Mistake
from ddpm_lessons.forward import q_sample
from ddpm_lessons.schedule import Coefficients, linear_schedule

SCHEDULE = linear_schedule()


def _images() -> Iterable[tuple]:
    """(x, c, other): the article's numbers, and random batches at the ends and in the middle."""
    yield 0.8, Coefficients(beta=0.01, alpha=0.99, alpha_bar=0.5, alpha_bar_prev=0.505), 0.3
    generator = torch.Generator().manual_seed(1)
    for t in (1, 2, 250, 1000):
        x, other = torch.randn(2, 3, 1, 4, 4, generator=generator).double()
        yield x, SCHEDULE.at(t), other


jump = Exercise(
    task="Complete my_q_sample so that it returns x_t by Eq. (4).",
    solution=q_sample,
    cases=_images,
    mistakes=(
        Mistake(
            lambda x_0, c, eps: c.alpha**0.5 * x_0 + (1 - c.alpha) ** 0.5 * eps,
            "This is one step: it uses alpha where Eq. (4) has alpha_bar, the product of all "
            "alphas up to t.",
        ),
        Mistake(
            lambda x_0, c, eps: c.alpha_bar**0.5 * x_0 + (1 - c.alpha_bar) * eps,
            "Your noise has standard deviation 1 - alpha_bar. That is its variance; Eq. (4) "
            "multiplies eps by the square root.",
        ),
        Mistake(
            lambda x_0, c, eps: c.alpha_bar * x_0 + (1 - c.alpha_bar) ** 0.5 * eps,
            "Your signal is alpha_bar * x_0. Eq. (4) has the square root of alpha_bar, so that the "
            "variances add up to 1.",
        ),
        Mistake(
            lambda x_0, c, eps: c.alpha_bar * x_0 + (1 - c.alpha_bar) * eps,
            "This is a cross-fade: alpha_bar and 1 - alpha_bar. Eq. (4) takes the square root of "
            "both, because they are shares of the variance.",
        ),
        Mistake(
            lambda x_0, c, eps: c.alpha_bar_prev**0.5 * x_0 + (1 - c.alpha_bar_prev) ** 0.5 * eps,
            "This is x_{t-1}: t is off by one. Use alpha_bar, not alpha_bar_prev.",
        ),
        Mistake(
            lambda x_0, c, eps: (1 - c.alpha_bar) ** 0.5 * x_0 + c.alpha_bar**0.5 * eps,
            "Signal and noise have changed places: x_0 is multiplied by sqrt(alpha_bar).",
        ),
    ),
)

EXERCISES = {"jump": jump}
