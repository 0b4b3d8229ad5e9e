"""Lesson 06, sampling: its open exercise, with many right answers."""

from collections.abc import Iterable

import torch

from ddpm_lessons.checks.exercise import Exercise, Mistake
from ddpm_lessons.checks.reverse import tilde
from ddpm_lessons.posterior import q_posterior
from ddpm_lessons.schedule import Coefficients, cosine_schedule, linear_schedule

V = 0.27  # of N(0, V): the mean variance of a digit's pixel
TEN, THOUSAND = cosine_schedule(T=10), linear_schedule()
SHORT = [TEN.at(t) for t in range(10, 1, -1)]  # at t = 1 no noise is added
LONG = [THOUSAND.at(t) for t in (1000, 500, 100, 20, 5, 2)]
OFF = 0.1  # how far a chain's variance may be off, of the true one
ROUNDED = 1e-5  # at large t the two ends lie closer together than that

NARROW = (
    "At some t your width is below the root of beta-tilde_t. So much is unsure even to somebody "
    "who knows x_0. (A variance is no width yet: take its root.)"
)
WIDE = (
    "At some t your width is above the root of beta_t. Even standard normal data need no more, and "
    "ours are narrower."
)
MUCH = (
    "Your width lies between the two everywhere, but it is too large: somewhere the chain's "
    "variance comes out more than 10 % above the true one. Go nearer to beta-tilde."
)
LITTLE = (
    "Your width lies between the two everywhere, but it is too small: somewhere the chain's "
    "variance comes out more than 10 % below the true one. Go nearer to beta."
)


def _steps() -> Iterable[tuple]:
    for c in (*SHORT, *LONG):
        yield (c,)


def _excess(sigmas: list[float]) -> list[float]:
    """By how much of the truth the variances of x_9 ... x_1 are too large, in the chain of ten."""
    var, excess = 1.0, []
    for c, sigma in zip(SHORT, sigmas, strict=True):
        x0_hat = c.alpha_bar**0.5 * V / (c.alpha_bar * V + 1 - c.alpha_bar)  # for x_t = 1
        var = q_posterior(x0_hat, 1.0, c).mean ** 2 * var + sigma**2
        excess.append(var / (c.alpha_bar_prev * V + 1 - c.alpha_bar_prev) - 1)
    return excess


def _asked_of_widths(sigmas: list[torch.Tensor]) -> dict[str, bool]:
    widths = [sigma.item() for sigma in sigmas]
    excess = _excess(widths[: len(SHORT)])
    pairs = list(zip((*SHORT, *LONG), widths, strict=True))
    return {
        NARROW: all(width >= (1 - ROUNDED) * tilde(c) ** 0.5 for c, width in pairs),
        WIDE: all(width <= (1 + ROUNDED) * c.beta**0.5 for c, width in pairs),
        MUCH: max(excess) <= OFF,
        LITTLE: min(excess) >= -OFF,
    }


def _width(c):
    """Exact: of the way from beta-tilde to beta, the share V over the true variance of x_t.

    Half of the way at each t would do as well.
    """
    share = V / (c.alpha_bar * V + 1 - c.alpha_bar)
    return (share * c.beta + (1 - share) * q_posterior(0.0, 0.0, c).var) ** 0.5


def _at(share: float, power: float = 0.5):
    """This share of the way from beta-tilde to beta, and the root."""

    def width(c: Coefficients) -> float:
        return (share * c.beta + (1 - share) * tilde(c)) ** power

    return width


own_sigma = Exercise(
    name="06.own_sigma",
    task="Complete my_sigma: a width between the two, right within 10 % for N(0, 0.27). Many "
    "answers are right.",
    solution=_width,
    cases=_steps,
    tolerance=1e-6,
    demands=_asked_of_widths,
    mistakes=(
        Mistake(
            _at(1),
            "That is the one end, right if v = 1. In this world the variance comes out up to 20 % "
            "too large. Move away from it, towards beta-tilde.",
        ),
        Mistake(
            _at(0),
            "That is the other end, right if v = 0. In this world the variance comes out up to a "
            "third too small. Move away from it, towards beta.",
        ),
        Mistake(
            _at(0.5, power=1),
            "That is a variance, half-way between the two. A width is a standard deviation: its "
            "root.",
        ),
        Mistake(
            _at(V),
            "You go the share v of the way at each t. That is right where x_t is nearly noise "
            "only. The nearer x_t is to x_0, the nearer to beta the true width lies.",
        ),
        Mistake(lambda c: 0.0, NARROW),
        Mistake(lambda c: (c.beta + tilde(c)) ** 0.5, WIDE),
        Mistake(_at(0.9), MUCH),
        Mistake(lambda c: (c.beta * tilde(c)) ** 0.25, LITTLE),
    ),
)
