"""Lesson 02, the reverse process: its exercises."""

from collections.abc import Iterable

import torch

from ddpm_lessons.checks.exercise import Exercise, Mistake, by_name
from ddpm_lessons.checks.lesson02_open import bad_jump
from ddpm_lessons.checks.reverse import in_steps, sigma
from ddpm_lessons.posterior import p_mean_from_eps
from ddpm_lessons.schedule import Coefficients, cosine_schedule

SCHEDULE = cosine_schedule(T=10)  # steps so large that no two formulas give the same numbers


def _product(m1, v1, m2, v2):
    """The precisions 1 / v add up; the mean is weighted by them."""
    precision = 1 / v1 + 1 / v2
    return (m1 / v1 + m2 / v2) / precision, 1 / precision


def _mean(*args: float) -> float:
    return _product(*args)[0]


def _var(*args: float) -> float:
    return _product(*args)[1]


product = Exercise(
    name="02.product",
    task="Complete my_product so that it returns the mean and the variance of the product.",
    solution=_product,
    cases=lambda: [(0.62, 0.4, 0.95, 1.5), (0.0, 1.0, 2.0, 1.0), (-1.0, 0.04, 3.0, 4.0)],
    mistakes=(
        Mistake(
            lambda *args: (_mean(*args), args[1] + args[3]),
            "Your mean is right; your variance is the sum. But two witnesses of one number are "
            "together surer than either: the precisions 1 / v add, not the variances.",
        ),
        Mistake(
            lambda *args: (_mean(*args), 1 / _var(*args)),
            "Your mean is right. The second number you return is the precision; its inverse is "
            "the variance.",
        ),
        Mistake(
            lambda *args: (_mean(*args), _var(*args) ** 0.5),
            "Your mean is right. The second number you return is the standard deviation; the "
            "variance was asked.",
        ),
        Mistake(
            lambda *args: (_mean(*args), args[1] * args[3]),
            "Your mean is right. Your variance is v1 v2; it still has to be divided by v1 + v2.",
        ),
        Mistake(
            lambda m1, v1, m2, v2: ((v1 * m1 + v2 * m2) / (v1 + v2), _var(m1, v1, m2, v2)),
            "Your variance is right. Your mean weights each witness by its variance, so it trusts "
            "the vaguer one more. Weight by the precision, 1 / v.",
        ),
        Mistake(
            lambda m1, v1, m2, v2: ((m1 + m2) / 2, _var(m1, v1, m2, v2)),
            "Your variance is right. Your mean is half way between the two, however sure each of "
            "them is. Weight each by its precision, 1 / v.",
        ),
        Mistake(
            lambda m1, v1, m2, v2: (m1 / v1 + m2 / v2, _var(m1, v1, m2, v2)),
            "Your variance is right. Your mean is a sum that still has to be divided by the sum "
            "of the weights, 1 / v1 + 1 / v2.",
        ),
        Mistake(
            lambda m1, v1, m2, v2: ((m1 / v1 + m2 / v2) / (v1 + v2), _var(m1, v1, m2, v2)),
            "Your variance is right. Your mean is divided by the sum of the variances. Its weights "
            "are 1 / v1 and 1 / v2: divide by the sum of these.",
        ),
        Mistake(
            lambda m1, v1, m2, v2: (m1 + m2, v1 + v2),
            "That is the sum of two random numbers. Asked is the product of two densities over "
            "the same number.",
        ),
    ),
)


def _weights(c):
    """How much of x_0 and of x_t there is in the mean of Eq. (7)."""
    weight_x0 = c.alpha_bar_prev**0.5 * c.beta / (1 - c.alpha_bar)
    weight_xt = c.alpha**0.5 * (1 - c.alpha_bar_prev) / (1 - c.alpha_bar)
    return weight_x0, weight_xt


def _coefficients() -> Iterable[tuple]:
    yield (Coefficients(beta=0.01, alpha=0.99, alpha_bar=0.5, alpha_bar_prev=0.5 / 0.99),)
    for t in range(2, SCHEDULE.T + 1):  # at t = 1 the precision of q(x_0 | x_0) is infinite
        yield (SCHEDULE.at(t),)


weights = Exercise(
    name="02.weights",
    task="Complete my_weights so that it returns the weights of x_0 and of x_t in Eq. (7).",
    solution=_weights,
    cases=_coefficients,
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda c: _weights(c)[::-1],
            "Both numbers are right and have changed places: x_0's first, then x_t's.",
        ),
        Mistake(
            lambda c: (c.alpha_bar**0.5 * c.beta / (1 - c.alpha_bar), c.alpha**0.5),
            "You have taken alpha_bar_t where Eq. (7) has alpha_bar_{t-1}, in both weights. In "
            "code: c.alpha_bar_prev.",
        ),
        Mistake(
            lambda c: (c.alpha_bar**0.5 * c.beta / (1 - c.alpha_bar), _weights(c)[1]),
            "The weight of x_t is right. In that of x_0 the root is of alpha_bar_{t-1}: it is "
            "x_{t-1} whose signal is meant.",
        ),
        Mistake(
            lambda c: tuple(w * (1 - c.alpha_bar) / (1 - c.alpha_bar_prev) for w in _weights(c)),
            "Both numerators are right. Below stands 1 - alpha_bar_t, not alpha_bar_{t-1}.",
        ),
        Mistake(
            lambda c: (_weights(c)[0], c.alpha**0.5),
            "The weight of x_0 is right. In that of x_t stand two different bars: 1 - "
            "alpha_bar_{t-1} above, 1 - alpha_bar_t below. With you they cancel.",
        ),
        Mistake(
            lambda c: (c.alpha_bar_prev * c.beta / (1 - c.alpha_bar), _weights(c)[1]),
            "The weight of x_t is right. In that of x_0 a square root is missing: the root of "
            "alpha_bar_{t-1} is the amplitude of the signal.",
        ),
        Mistake(
            lambda c: (_weights(c)[0], c.alpha * (1 - c.alpha_bar_prev) / (1 - c.alpha_bar)),
            "The weight of x_0 is right. In that of x_t a square root is missing: alpha_t is "
            "under a root.",
        ),
        Mistake(
            lambda c: (c.alpha_bar_prev**0.5 * c.beta, c.alpha**0.5 * (1 - c.alpha_bar_prev)),
            "Both numerators are right. Divide both by 1 - alpha_bar_t.",
        ),
        Mistake(
            lambda c: tuple(w / sum(_weights(c)) for w in _weights(c)),
            "You have scaled the weights so that they add up to 1. They need not: x_0 and x_t are "
            "not on the same scale as x_{t-1}.",
        ),
    ),
)

variance = Exercise(
    name="02.variance",
    task="Complete my_variance so that it returns beta-tilde_t of Eq. (7).",
    solution=lambda c: (1 - c.alpha_bar_prev) / (1 - c.alpha_bar) * c.beta,
    cases=_coefficients,
    tolerance=1e-6,
    mistakes=(
        Mistake(
            lambda c: c.beta,
            "This is beta_t, the variance of a step forward. The step back knows x_0 and is surer: "
            "multiply by (1 - alpha_bar_{t-1}) / (1 - alpha_bar_t).",
        ),
        Mistake(
            lambda c: (1 - c.alpha_bar_prev) * c.beta,
            "The division by 1 - alpha_bar_t is missing. At large t you would hardly see it; at "
            "small t your variance is thousands of times too small.",
        ),
        Mistake(
            lambda c: ((1 - c.alpha_bar_prev) / (1 - c.alpha_bar) * c.beta) ** 0.5,
            "This is the standard deviation. The variance was asked: no root.",
        ),
        Mistake(
            lambda c: (1 - c.alpha_bar) / (1 - c.alpha_bar_prev) * c.beta,
            "The fraction is upside down: your variance is larger than beta_t, although knowing "
            "x_0 can only make it smaller.",
        ),
        Mistake(
            lambda c: c.alpha / c.beta + 1 / (1 - c.alpha_bar_prev),
            "This is the precision, the sum of the two witnesses' precisions. The variance is its "
            "inverse.",
        ),
    ),
)


def _reverse_step(x_t, t, schedule, eps, z):
    """The mean of Eq. (11), and noise of variance beta_t in every step but the last."""
    c = schedule.at(t)
    mean = (x_t - c.beta / (1 - c.alpha_bar) ** 0.5 * eps) / c.alpha**0.5
    return mean + c.beta**0.5 * z if t > 1 else mean


def _step_with(mean=p_mean_from_eps, sigma=sigma):
    """The same step, right as it stands, with one part exchanged for a wrong one."""

    def step(x_t, t, schedule, eps, z):
        c = schedule.at(t)
        return mean(x_t, c, eps) + sigma(c, t) * z

    return step


def _states(seed: int = 2) -> Iterable[tuple]:
    """(x_t, t, schedule, eps, z): both ends and the middle of a chain of ten large steps."""
    generator = torch.Generator().manual_seed(seed)
    for t in (1, 2, 5, 10):
        x_t, eps, z = torch.randn(3, 2, 1, 4, 4, generator=generator)
        yield x_t, t, SCHEDULE, eps, z


reverse_step = Exercise(
    name="02.reverse_step",
    task="Complete my_reverse_step so that it returns x_{t-1}, without noise at t = 1.",
    solution=_reverse_step,
    cases=_states,
    mistakes=(
        *in_steps(_step_with),
        Mistake(
            lambda x_t, t, s, eps, z: (
                (x_t - s.betas[t - 1] / (1 - s.alpha_bars[t - 1]) ** 0.5 * eps)
                / s.alphas[t - 1] ** 0.5
                + (t > 1) * s.betas[t - 1] ** 0.5 * z
            ),
            "Do you read the schedule's tables at t - 1? Here index t belongs to step t; at index "
            "0, where nothing has happened yet, you divide by 0.",
        ),
        Mistake(
            lambda x_t, t, schedule, eps, z: _reverse_step(x_t, max(t - 1, 1), schedule, eps, z),
            "Your coefficients are those of t - 1. The step from x_t to x_{t-1} undoes step t: "
            "use schedule.at(t).",
        ),
    ),
)

EXERCISES = by_name(product, weights, variance, reverse_step, bad_jump)
