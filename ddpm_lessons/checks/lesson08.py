"""Lesson 08, the score: its exercises."""

from collections.abc import Iterable

import torch

from ddpm_lessons.checks.exercise import Exercise, Mistake, Numbers, by_name
from ddpm_lessons.checks.lesson08_open import compass
from ddpm_lessons.schedule import Coefficients, linear_schedule

LINEAR = linear_schedule()


def _predictions(seed: int = 8) -> Iterable[tuple]:
    """(eps, c): the article's coefficients, then tensors at three timesteps."""
    yield 0.3, Coefficients(beta=0.01, alpha=0.99, alpha_bar=0.5, alpha_bar_prev=0.505)
    generator = torch.Generator().manual_seed(seed)
    for t in (2, 300, 1000):
        yield torch.randn(2, 1, 4, 4, generator=generator, dtype=torch.float64), LINEAR.at(t)


def _walkers(seed: int = 8) -> Iterable[tuple]:
    """(x, score, step_size, z): by calculator, then tensors."""
    yield 1.0, -4.0, 0.1, 0.5
    generator = torch.Generator().manual_seed(seed)
    for step_size in (0.003, 0.5):
        yield *torch.randn(2, 5, generator=generator, dtype=torch.float64), step_size, 0.7


def _jumps(seed: int = 8) -> Iterable[tuple]:
    """(x, eps, alpha_bar, alpha_bar_to): down by calculator, then tensors down and up."""
    yield 0.778, 0.3, 0.5, 0.8
    generator = torch.Generator().manual_seed(seed)
    for alpha_bar, alpha_bar_to in ((0.1, 0.4), (0.7, 1.0), (0.6, 0.2)):
        x, eps = torch.randn(2, 5, generator=generator, dtype=torch.float64)
        yield x, eps, alpha_bar, alpha_bar_to


def _sigma(alpha_bar: float) -> float:
    return ((1 - alpha_bar) / alpha_bar) ** 0.5


def _jump(x, eps, alpha_bar, alpha_bar_to):
    """To y and sigma, one straight piece with the slope eps, and back to x."""
    y = x / alpha_bar**0.5
    y_to = y + (_sigma(alpha_bar_to) - _sigma(alpha_bar)) * eps
    return alpha_bar_to**0.5 * y_to


score = Exercise(
    name="08.score",
    task="Complete my_score: the score that a noise prediction stands for.",
    solution=lambda eps, c: -eps / (1 - c.alpha_bar) ** 0.5,
    cases=_predictions,
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda eps, c: eps / (1 - c.alpha_bar) ** 0.5,
            "The size is right, the direction is not: this points along the noise, away from the "
            "images. The compass points against it.",
        ),
        Mistake(
            lambda eps, c: -eps / (1 - c.alpha_bar),
            "You divide by the variance of the noise. One of the two roots has cancelled: x_t - "
            "sqrt(alpha_bar) x_0 is already sqrt(1 - alpha_bar) eps.",
        ),
        Mistake(
            lambda eps, c: -((1 - c.alpha_bar) ** 0.5) * eps,
            "This is the factor of the way back, from the score to eps. Solve for the score.",
        ),
        Mistake(
            lambda eps, c: -eps / (1 - c.alpha) ** 0.5,
            "You use alpha, the noise of one step. x_t has that of all t steps: alpha_bar.",
        ),
        Mistake(
            lambda eps, c: -eps / c.alpha_bar**0.5,
            "sqrt(alpha_bar) is the amplitude of the signal. The noise has another one.",
        ),
    ),
)

langevin_step = Exercise(
    name="08.langevin_step",
    task="Complete my_step: one step of Langevin dynamics, with the noise z given.",
    solution=lambda x, score, step_size, z: x + step_size / 2 * score + step_size**0.5 * z,
    cases=_walkers,
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda x, score, step_size, z: x - step_size / 2 * score + step_size**0.5 * z,
            "You walk downhill. This is no gradient descent on a loss: we want denser places.",
        ),
        Mistake(
            lambda x, score, step_size, z: x + step_size * score + step_size**0.5 * z,
            "The pull is twice too strong for this noise: the walk would end up too narrow, with "
            "half the variance.",
        ),
        Mistake(
            lambda x, score, step_size, z: x + step_size / 2 * score + step_size * z,
            "The noise is scaled by the step itself. Variances add up over steps, so the standard "
            "deviation of one step must be its root.",
        ),
        Mistake(
            lambda x, score, step_size, z: x + step_size * score + (2 * step_size) ** 0.5 * z,
            "A right walk, with a step of twice this size: here the pull is half the step, and the "
            "variance of the noise the whole of it.",
        ),
        Mistake(
            lambda x, score, step_size, z: x + step_size / 2 * score,
            "Without noise every walker climbs the nearest peak and stays there.",
        ),
        Mistake(
            lambda x, score, step_size, z: x + step_size / 2 * score + (step_size / 2) ** 0.5 * z,
            "The pull has the half, the noise has not: its variance is the whole step_size.",
        ),
    ),
)

jump = Exercise(
    name="08.jump",
    task="Complete my_jump: to y and sigma, one straight piece, and back to x.",
    solution=_jump,
    cases=_jumps,
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda x, eps, alpha_bar, alpha_bar_to: (
                x / alpha_bar**0.5 + (_sigma(alpha_bar_to) - _sigma(alpha_bar)) * eps
            ),
            "This is y at the end of the piece. Multiply by sqrt(alpha_bar_to) to be back at x.",
        ),
        Mistake(
            lambda x, eps, alpha_bar, alpha_bar_to: (
                x + alpha_bar**0.5 * (_sigma(alpha_bar_to) - _sigma(alpha_bar)) * eps
            ),
            "You return to x by the root of alpha_bar, where the piece began. At its end the root "
            "of alpha_bar_to belongs.",
        ),
        Mistake(
            lambda x, eps, alpha_bar, alpha_bar_to: (
                alpha_bar_to**0.5
                * (x / alpha_bar**0.5 + (_sigma(alpha_bar_to) ** 2 - _sigma(alpha_bar) ** 2) * eps)
            ),
            "Your sigma has no root: (1 - alpha_bar) / alpha_bar is the variance of y's noise.",
        ),
        Mistake(
            lambda x, eps, alpha_bar, alpha_bar_to: (
                alpha_bar_to**0.5 * (x + (_sigma(alpha_bar_to) - _sigma(alpha_bar)) * eps)
            ),
            "You begin at x. The straight pieces are in y = x / sqrt(alpha_bar).",
        ),
        Mistake(
            lambda x, eps, alpha_bar, alpha_bar_to: (
                alpha_bar_to**0.5
                * (x / alpha_bar**0.5 + (_sigma(alpha_bar) - _sigma(alpha_bar_to)) * eps)
            ),
            "The sign of the step is turned round: it is sigma at the end minus sigma at the "
            "beginning, so that going down takes noise away.",
        ),
        Mistake(
            lambda x, eps, alpha_bar, alpha_bar_to: (
                alpha_bar_to**0.5
                * (x / alpha_bar**0.5 + ((1 - alpha_bar_to) ** 0.5 - (1 - alpha_bar) ** 0.5) * eps)
            ),
            "Your sigma is the noise of x. In y everything is divided by sqrt(alpha_bar), and so "
            "is sigma: sqrt((1 - alpha_bar) / alpha_bar).",
        ),
    ),
)

walkers_variance = Exercise(
    name="08.walkers_variance",
    task="Put the variance there that the walkers end up with.",
    solution=lambda s2=0.04, h=0.06: s2 / (1 - h / (4 * s2)),
    tolerance=5e-4,
    mistakes=(
        Mistake(
            lambda s2=0.04, h=0.06: s2,
            "That is the variance of the target. Only an infinitely small step would reach it.",
        ),
        Mistake(
            lambda s2=0.04, h=0.06: s2 + h,
            "You have added one step's noise to the target's variance. But each step also shrinks "
            "what was there before: solve v = (1 - h / (2 s^2))^2 v + h.",
        ),
        Mistake(
            lambda s2=0.04, h=0.06: s2 / (1 - h / (2 * s2)),
            "Almost: that is s^2 / (1 - h / (2 s^2)). Square the factor once more: the term with "
            "h^2 has 4 s^4 below it, and one h and one s^2 cancel.",
        ),
        Mistake(
            lambda s2=0.04, h=0.06: s2 * (1 - h / (4 * s2)),
            "The walk is too wide, not too narrow: you have multiplied by 1 - h / (4 s^2).",
        ),
    ),
    numbers=Numbers(
        "Walkers follow the score of a Gaussian of variance {s2} with h = {h}. Which variance do "
        "they end up with?",
        lambda draws: {"s2": draws.choice([0.04, 0.05, 0.08, 0.1]), "h": draws.randint(2, 7) / 100},
    ),
)

EXERCISES = by_name(score, langevin_step, walkers_variance, jump, compass)
