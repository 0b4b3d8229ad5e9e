"""Lesson 09, faster sampling: its exercises."""

import math
from collections.abc import Iterable

import torch

from ddpm_lessons.checks.exercise import Exercise, Mistake, by_name
from ddpm_lessons.checks.lesson09_open import own_grid
from ddpm_lessons.forward import predict_eps
from ddpm_lessons.schedule import Coefficients, linear_schedule

LINEAR = linear_schedule()
BY_CALCULATOR = Coefficients(beta=0.375, alpha=0.625, alpha_bar=0.5, alpha_bar_prev=0.8)


def _jumps(seed: int = 9) -> Iterable[tuple]:
    """(x_t, x0_hat, c, sigma, z): the lesson's numbers, then tensors for three jumps."""
    yield 0.778, 0.8, BY_CALCULATOR, 0.2, 1.0
    generator = torch.Generator().manual_seed(seed)
    for s, t in ((20, 120), (300, 500), (700, 1000)):
        c = LINEAR.between(s, t)
        x_t, x0_hat, z = torch.randn(3, 2, 1, 4, 4, generator=generator)
        yield x_t, x0_hat, c, 0.6 * (1 - c.alpha_bar_prev) ** 0.5, z


def _jump(x_t, x0_hat, c, sigma, z):
    """At s: the signal, the noise that is in x_t already, and fresh noise."""
    eps = predict_eps(x_t, c, x0_hat)
    old = (1 - c.alpha_bar_prev - sigma**2) ** 0.5
    return c.alpha_bar_prev**0.5 * x0_hat + old * eps + sigma * z


def _jump_with(
    old=lambda c, sigma: (1 - c.alpha_bar_prev - sigma**2) ** 0.5,
    fresh=lambda sigma: sigma,
    eps=predict_eps,
):
    """The same jump, right as it stands, with one part exchanged for a wrong one."""
    return lambda x_t, x0_hat, c, sigma, z: (
        c.alpha_bar_prev**0.5 * x0_hat + old(c, sigma) * eps(x_t, c, x0_hat) + fresh(sigma) * z
    )


jump = Exercise(
    name="09.jump",
    task="Complete my_jump: x_s from x0_hat, the noise already in x_t, and the fresh noise z.",
    solution=_jump,
    cases=_jumps,
    mistakes=(
        Mistake(
            _jump_with(old=lambda c, sigma: (1 - c.alpha_bar_prev) ** 0.5),
            "The fresh noise comes on top of a full share of the old one: the variance would be "
            "1 - alpha_bar_s + sigma^2. Make room for it under the root.",
        ),
        Mistake(
            _jump_with(old=lambda c, sigma: 1 - c.alpha_bar_prev - sigma**2),
            "1 - alpha_bar_s - sigma^2 is a variance. What multiplies eps is its root.",
        ),
        Mistake(
            _jump_with(old=lambda c, sigma: (1 - c.alpha_bar_prev - sigma) ** 0.5),
            "Under the root stand variances: sigma^2, not sigma. Yours may fall below 0.",
        ),
        Mistake(
            _jump_with(old=lambda c, sigma: sigma),
            "What multiplies the old noise is not sigma, but the root of what sigma^2 leaves.",
        ),
        Mistake(
            _jump_with(old=lambda c, sigma: (1 - c.alpha_bar_prev) ** 0.5 - sigma),
            "You subtract standard deviations. Variances add up, so subtract under the root.",
        ),
        Mistake(_jump_with(fresh=lambda sigma: sigma**2), "z is multiplied by sigma as it is."),
        Mistake(_jump_with(fresh=lambda sigma: 0), "The fresh noise is missing: add sigma z."),
        Mistake(
            lambda x, x0, c, sigma, z: _jump(
                x, x0, c._replace(alpha_bar_prev=c.alpha_bar), sigma, z
            ),
            "You stay at t: alpha_bar belongs to x_t. The jump ends at s, and c.alpha_bar_prev is "
            "the alpha_bar there.",
        ),
        Mistake(
            _jump_with(eps=lambda x_t, c, x0_hat: x_t),
            "You take x_t for its noise. Take the signal out first: (x_t - sqrt(alpha_bar_t) "
            "x0_hat) / sqrt(1 - alpha_bar_t).",
        ),
    ),
)


def _even(T, steps):
    """From T down by gaps of one length; there is one gap less than there are points."""
    return [T - i * (T - 1) // (steps - 1) for i in range(steps)]


grid = Exercise(
    name="09.grid",
    task="Complete my_grid: `steps` whole numbers that fall evenly from T to 1.",
    solution=_even,
    cases=lambda: [(10, 4), (1000, 4), (1000, 10), (1000, 28)],  # where nothing has to be rounded
    tolerance=0,
    mistakes=(
        Mistake(
            lambda T, steps: list(range(T, 0, -(T // steps))),
            "Steps of T // steps: the grid misses t = 1, and for some numbers it has more points "
            "than were asked for. There are steps - 1 gaps between T and 1.",
        ),
        Mistake(
            lambda T, steps: [t - 1 for t in _even(T, steps)],
            "This grid ends at 0, where nothing is left to ask. These are rows of an array that "
            "counts from 0; here t runs from T to 1.",
        ),
        Mistake(
            lambda T, steps: [*_even(T, steps), 0],
            "0 is where the last jump lands, but no place to ask the network.",
        ),
        Mistake(
            lambda T, steps: _even(T, steps)[::-1],
            "The right times, in the order of the forward process. Sampling falls from T.",
        ),
        Mistake(
            lambda T, steps: [T - i * T // steps for i in range(steps)],
            "The gaps are T / steps, so the last point is one gap above 0, not at 1. The last "
            "jump, to 0, would be as long as the others.",
        ),
    ),
)

order = Exercise(
    name="09.order",
    task="Complete my_order: the power of the steps with which the error falls.",
    solution=lambda error, error_of_twice: math.log2(error / error_of_twice),
    cases=lambda: [(0.4, 0.1), (0.3, 0.15), (0.02, 0.0025), (0.05, 0.03)],
    mistakes=(
        Mistake(
            lambda error, error_of_twice: error / error_of_twice,
            "This is the factor by which the error falls. The order is the power of 2 that gives "
            "it: 4 = 2^2 has order 2.",
        ),
        Mistake(
            lambda error, error_of_twice: math.log2(error) / math.log2(error_of_twice),
            "A quotient of logarithms is not the logarithm of the quotient: divide first.",
        ),
        Mistake(
            lambda error, error_of_twice: math.log(error / error_of_twice),
            "math.log has base e. The steps have doubled, so the base is 2.",
        ),
        Mistake(
            lambda error, error_of_twice: math.log10(error / error_of_twice),
            "This logarithm has base 10. The steps have doubled, so the base is 2.",
        ),
        Mistake(
            lambda error, error_of_twice: math.log2(error_of_twice / error),
            "The sign is turned round: an error that falls has a positive order.",
        ),
        Mistake(
            lambda error, error_of_twice: error / error_of_twice / 2,
            "Right for a factor of 4 only. Which power of 2 is a factor of 8?",
        ),
    ),
)


def _memories(seed: int = 9) -> Iterable[tuple]:
    """(x0_hat, x0_before, h, h_before): the lesson's numbers, then tensors."""
    yield 0.7, 0.6, 1.0, 1.0
    generator = torch.Generator().manual_seed(seed)
    for h, h_before in ((0.4, 0.7), (1.5, 0.3)):
        yield *torch.randn(2, 2, 1, 4, 4, generator=generator), h, h_before


ahead = Exercise(
    name="09.ahead",
    task="Complete my_ahead: x0_hat as it will be in the middle of the jump, on a straight line.",
    solution=lambda x0_hat, x0_before, h, h_before: (
        x0_hat + h / (2 * h_before) * (x0_hat - x0_before)
    ),
    cases=_memories,
    mistakes=(
        Mistake(
            lambda x0_hat, x0_before, h, h_before: x0_hat + h / h_before * (x0_hat - x0_before),
            "This is x0_hat at the end of the jump. Asked is that of the middle: half as far.",
        ),
        Mistake(
            lambda new, old, h, h_before: new + h_before / (2 * h) * (new - old),
            "Your two lengths have changed places: over h_before it changed by the difference, so "
            "over h / 2 it changes by h / (2 h_before) of it.",
        ),
        Mistake(
            lambda new, old, h, h_before: new - h / (2 * h_before) * (new - old),
            "You go back to where it was. The line is to be continued.",
        ),
        Mistake(
            lambda x0_hat, x0_before, h, h_before: x0_hat + (x0_hat - x0_before) / 2,
            "Right where both jumps have one length. In general: how long is half of this jump, "
            "measured in the last one?",
        ),
    ),
)


def _pairs(seed: int = 9) -> Iterable[tuple]:
    """(x, y, share): rows of numbers of different norms and at no right angle."""
    generator = torch.Generator().manual_seed(seed)
    for share in (0.25, 0.5, 0.9):
        x, noise = torch.randn(2, 6, generator=generator, dtype=torch.float64) / 3
        yield x, 0.6 * x + noise, share


def _arc(x, y, share, angle):
    return torch.sin((1 - share) * angle) * x + torch.sin(share * angle) * y


def _slerp(x, y, share):
    """x counts by the sine of the angle to y that is left, y by the sine of the one gone."""
    angle = torch.acos(x @ y / (x.norm() * y.norm()))
    return _arc(x, y, share, angle) / torch.sin(angle)


slerp = Exercise(
    name="09.slerp",
    task="Complete my_slerp: the point at `share` of the arc from x to y.",
    solution=_slerp,
    cases=_pairs,
    mistakes=(
        Mistake(
            lambda x, y, share: (1 - share) * x + share * y,
            "This is the straight line. It passes inside the sphere, where noise is too quiet.",
        ),
        Mistake(lambda x, y, s: _slerp(y, x, s), "You walk from y to x: share 0 must give x."),
        Mistake(
            lambda x, y, share: _arc(x, y, share, torch.tensor(math.pi / 2)),
            "Right for a right angle, and noise is nearly at one; in general, measure the angle.",
        ),
        Mistake(
            lambda x, y, share: _slerp(x / x.norm(), y / y.norm(), share),
            "You mix the unit vectors. The norms are for the angle alone: mix x and y themselves.",
        ),
        Mistake(
            lambda x, y, share: _arc(x, y, share, torch.acos(x @ y)) / torch.sin(torch.acos(x @ y)),
            "The cosine of the angle is x . y divided by both norms.",
        ),
        Mistake(
            lambda x, y, share: _arc(x, y, share, torch.acos(x @ y / x.norm() / y.norm())),
            "The division by sin(theta) is missing: a share of 0 would not give x.",
        ),
    ),
)

EXERCISES = by_name(jump, grid, order, ahead, slerp, own_grid)
