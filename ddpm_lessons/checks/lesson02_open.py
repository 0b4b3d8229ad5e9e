"""Lesson 02, the reverse process: its open exercise, with many right answers."""

import math

import torch

from ddpm_lessons.checks.exercise import Exercise, Mistake
from ddpm_lessons.data import TOYS
from ddpm_lessons.exact import Mixture, reverse_density
from ddpm_lessons.gaussian import Gaussian
from ddpm_lessons.schedule import linear_schedule

SCHEDULE = linear_schedule()
BLACK_OR_WHITE = Mixture(*TOYS["two_peaks"]())  # the lesson's one-pixel world
GRID = torch.linspace(-4, 4, 801, dtype=torch.float64)
BITS, STEPS, DENSITY = 0.5, 60, 0.05

ORDER = (
    "s and t should be whole numbers with 0 <= s < t <= 1000: the jump starts at t and goes back "
    "to s."
)
OCCURS = (
    "Your x_t hardly ever occurs at that t: its density is below 0.05. A loss that nobody meets "
    "costs nothing. Which pixels are common there?"
)
LOSES = (
    "In this jump the best Gaussian loses half a bit or less. A longer jump loses more, and so "
    "does one of the same length at another t, or from another x_t."
)
SHORT = (
    "Your Gaussian loses more than half a bit, but your jump is longer than 60 steps. At which t "
    "is it being decided whether the pixel is black or white? There a short one is enough."
)


def _density(t: int, x_t: float) -> float:
    """q(x_t) in the world of one pixel."""
    here = BLACK_OR_WHITE.noised(SCHEDULE.at(t).alpha_bar)
    return here.log_density(torch.tensor([[x_t]], dtype=torch.float64)).exp().item()


def _bits_lost(s: int, t: int, x_t: float) -> float:
    """The KL from the true q(x_s | x_t) to the Gaussian with its mean and variance, in bits."""
    density = reverse_density(BLACK_OR_WHITE, GRID, x_t, SCHEDULE.between(s, t))
    mean = torch.trapezoid(density * GRID, GRID)
    var = torch.trapezoid(density * (GRID - mean) ** 2, GRID)
    bell = Gaussian(mean.item(), var.item())
    difference = torch.xlogy(density, density) - density * bell.log_prob(GRID)
    return torch.trapezoid(difference, GRID).item() / math.log(2)


def _asked_of_a_jump(answers: list[torch.Tensor]) -> dict[str, bool]:
    """What holds for (s, t, x_t); what cannot be asked of a jump that is none is left out."""
    s, t, x_t = answers[0].tolist()
    if not (s.is_integer() and t.is_integer() and 0 <= s < t <= SCHEDULE.T):
        return {ORDER: False}
    s, t = int(s), int(t)
    if _density(t, x_t) < DENSITY:
        return {OCCURS: False}
    return {
        ORDER: True,
        OCCURS: True,
        LOSES: _bits_lost(s, t, x_t) > BITS,
        SHORT: t - s <= STEPS,
    }


bad_jump = Exercise(
    name="02.bad_jump",
    task="Find a jump (s, t, x_t) of at most 60 steps in which the best Gaussian loses more than "
    "half a bit. Many answers are right.",
    solution=lambda: (50, 110, 0.1),
    demands=_asked_of_a_jump,
    mistakes=(
        Mistake(
            lambda: (0, 400, 0.2),
            "That is the lesson's own example. It loses more than a bit, but it takes 400 steps to "
            "do so. A jump need not begin where the lesson's does.",
        ),
        Mistake(
            lambda: (399, 400, 0.2),
            "One step, and next to nothing is lost: that is why the chain takes small steps. You "
            "are looking for one that is too large.",
        ),
        Mistake(
            lambda: (400, 0, 0.2),
            "You have put the later time first. s is the earlier one, where the jump arrives.",
        ),
        Mistake(
            lambda: (940, 1000, 0.0),
            "At t = 940 as at t = 1000 everything is noise: the prior is one bell, and black or "
            "white is not decided there. Go to where its two peaks part.",
        ),
        Mistake(lambda: (50.5, 110, 0.1), ORDER),
        Mistake(lambda: (0, 60, 0.0), OCCURS),
        Mistake(lambda: (140, 200, 0.2), LOSES),
        Mistake(lambda: (0, 100, 0.2), SHORT),
    ),
)
