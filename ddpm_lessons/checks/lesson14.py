"""Lesson 14, one pixel by calculator: its exercises, all of them numbers worked out by hand."""

import random
from collections.abc import Callable

import torch

from ddpm_lessons.checks.exercise import Exercise, Mistake, Numbers, by_name
from ddpm_lessons.checks.lesson14_open import FOUR, NETWORK, own_draws
from ddpm_lessons.posterior import p_mean_from_eps

BY_HAND = 5e-4  # what rounding to four decimals can come to, after a few lines


def _drawn(draws: random.Random, **ranges: tuple[float, float]) -> dict[str, float]:
    """A number with two decimals from each range."""
    return {name: round(draws.uniform(*ends), 2) for name, ends in ranges.items()}


def _table_line(beta=0.19, alpha_bar_prev=0.64):
    """The step keeps alpha of what was left; amplitudes are roots; beta-tilde is Eq. (7)'s."""
    alpha = 1 - beta
    alpha_bar = alpha_bar_prev * alpha
    noise_var = 1 - alpha_bar
    beta_tilde = (1 - alpha_bar_prev) / noise_var * beta
    return alpha, alpha_bar, alpha_bar**0.5, noise_var**0.5, beta_tilde, alpha_bar / noise_var


def _line_but(change: Callable) -> Callable:
    """The same line with something changed: alpha, alpha_bar, signal, noise, beta-tilde, SNR."""
    return lambda beta=0.19, alpha_bar_prev=0.64: change(*_table_line(beta, alpha_bar_prev))


def _line_from(alpha: float, alpha_bar: float, alpha_bar_prev: float) -> tuple:
    """The line that follows from a wrong alpha_bar."""
    noise_var = 1 - alpha_bar
    tilde = (1 - alpha_bar_prev) / noise_var * (1 - alpha)
    return alpha, alpha_bar, alpha_bar**0.5, noise_var**0.5, tilde, alpha_bar / noise_var


table_line = Exercise(
    name="14.table_line",
    task="Work out the six numbers of the line and put them there, in parentheses.",
    solution=_table_line,
    tolerance=BY_HAND,
    mistakes=(
        Mistake(
            _line_but(lambda a, bar, s, n, tilde, snr: _line_from(a, a, bar / a)),
            "Your alpha_bar is alpha, as in a first step. Multiply it by the alpha_bar before it.",
        ),
        Mistake(
            _line_but(lambda a, bar, s, n, tilde, snr: (a, bar, bar, 1 - bar, tilde, snr)),
            "The two amplitudes are roots: sqrt(alpha_bar) and sqrt(1 - alpha_bar).",
        ),
        Mistake(
            _line_but(lambda a, bar, s, n, tilde, snr: (a, bar, s, n, (1 - a) ** 2 / tilde, snr)),
            "All but beta-tilde is right. Its fraction is upside down: it must be below beta.",
        ),
        Mistake(
            _line_but(lambda a, bar, s, n, tilde, snr: (a, bar, s, n, tilde, s / n)),
            "All but the last is right. The SNR is a ratio of variances, not of amplitudes.",
        ),
    ),
    numbers=Numbers(
        "Before a step alpha_bar is {alpha_bar_prev}; the step has beta = {beta}. Work out (alpha, "
        "alpha_bar, its root, the root of 1 - alpha_bar, beta-tilde, SNR).",
        lambda draws: _drawn(draws, beta=(0.1, 0.45), alpha_bar_prev=(0.5, 0.9)),
    ),
)


def _posterior_weights(t=3, x_t=0.5):
    """The weights of Eq. (7) for a pixel of paper, x_0 = -1."""
    c = FOUR.at(t)
    weight_x0 = c.alpha_bar_prev**0.5 * c.beta / (1 - c.alpha_bar)
    weight_xt = c.alpha**0.5 * (1 - c.alpha_bar_prev) / (1 - c.alpha_bar)
    return weight_x0, weight_xt, weight_x0 * -1 + weight_xt * x_t


def _weights_but(change: Callable, x_0: float = -1.0) -> Callable:
    """The same with other weights, made from the coefficients and the right ones."""

    def answer(t=3, x_t=0.5):
        weight_x0, weight_xt = change(FOUR.at(t), *_posterior_weights(t, x_t)[:2])
        return weight_x0, weight_xt, weight_x0 * x_0 + weight_xt * x_t

    return answer


posterior_weights = Exercise(
    name="14.posterior_weights",
    task="Work out (weight_x0, weight_xt, mean) and put the three numbers there.",
    solution=_posterior_weights,
    tolerance=BY_HAND,
    mistakes=(
        Mistake(
            _weights_but(lambda c, of_x0, of_xt: (of_xt, of_x0)),
            "The weights have changed places: x_0 has the one with beta_t above the line.",
        ),
        Mistake(
            _weights_but(lambda c, of_x0, of_xt: (c.alpha**0.5 * of_x0, of_xt)),
            "In weight_x0 you take the signal of step t. The step leads to t - 1: take its signal.",
        ),
        Mistake(
            _weights_but(lambda c, *both: [(1 - c.alpha_bar) * weight for weight in both]),
            "Both weights still have to be divided by 1 - alpha_bar_t.",
        ),
        Mistake(
            _weights_but(lambda c, of_x0, of_xt: (of_x0, 1 - of_x0)),
            "weight_x0 is right. The two need not add up to 1: the mean is no average of them.",
        ),
        Mistake(
            _weights_but(lambda c, of_x0, of_xt: (of_x0, of_xt), x_0=1.0),
            "Both weights are right. In the mean the pixel is paper: x_0 is -1.",
        ),
    ),
    numbers=Numbers(
        "In the schedule of lesson 14, x_0 = -1 and x_{t} = {x_t}. Work out (weight_x0, weight_xt, "
        "mean) of Eq. (7) for the step from t = {t}.",
        lambda draws: {"t": draws.choice([2, 3]), **_drawn(draws, x_t=(0.2, 0.95))},
    ),
)


def _training_step(t=2, eps=0.5, w=0.8):
    """The jump from x_0 = -1, Eq. (4); the squared miss, Eq. (14); w against its gradient."""
    c = FOUR.at(t)
    x_t = c.alpha_bar**0.5 * -1 + (1 - c.alpha_bar) ** 0.5 * eps
    miss = eps - w * x_t
    gradient = -2 * miss * x_t
    return miss**2, w - 0.1 * gradient


def _training_but(
    x_t: Callable = lambda c, eps: (1 - c.alpha_bar) ** 0.5 * eps - c.alpha_bar**0.5,
    target: Callable = lambda eps: eps,
    factor: float = 2.0,
) -> Callable:
    """The same, right as it stands, with one part exchanged."""

    def answer(t=2, eps=0.5, w=0.8):
        x = x_t(FOUR.at(t), eps)
        return (target(eps) - w * x) ** 2, w + 0.1 * factor * (target(eps) - w * x) * x

    return answer


training_step = Exercise(
    name="14.training_step",
    task="Work out (loss, w), the loss before the step and the weight after it.",
    solution=_training_step,
    tolerance=BY_HAND,
    mistakes=(
        Mistake(
            _training_but(factor=-2.0),
            "The loss is right. Your step leads uphill: subtract the learning rate times the "
            "gradient, and mind its sign.",
        ),
        Mistake(
            _training_but(factor=1.0),
            "The loss is right. The derivative of a square has a 2 in front.",
        ),
        Mistake(
            _training_but(lambda c, eps: c.beta**0.5 * eps - c.alpha**0.5),
            "Your x_t is one step from x_0, by Eq. (2). Training jumps, with alpha_bar: Eq. (4).",
        ),
        Mistake(
            _training_but(target=lambda eps: -1.0),
            "You compare the guess with x_0. The network guesses the noise, eps.",
        ),
    ),
    numbers=Numbers(
        "In the schedule of lesson 14, with x_0 = -1, t = {t}, eps = {eps}, a network w x_t with w "
        "= {w} and the learning rate 0.1: work out (loss, w after the step).",
        lambda draws: {"t": draws.choice([2, 3]), **_drawn(draws, eps=(0.2, 1.5), w=(0.3, 1))},
    ),
)


def _mean(x_t: float, t: int) -> float:
    """The mean of Algorithm 2's step from a number x_t, by the exact network of lesson 14."""
    eps = NETWORK(torch.tensor([[x_t]], dtype=torch.float64), torch.tensor([t])).item()
    return p_mean_from_eps(x_t, FOUR.at(t), eps)


another_draw = Exercise(
    name="14.another_draw",
    task="Work out x_2 for the other draw, and put the number there.",
    solution=lambda x_3=0.5891, z=0.9: _mean(x_3, 3) + 0.8 * z,
    tolerance=BY_HAND,
    mistakes=(
        Mistake(
            lambda x_3=0.5891, z=0.9: _mean(x_3, 3) + 0.64 * z,
            "You multiply z by the variance, 0.64. The width of the bell is its root.",
        ),
        Mistake(
            lambda x_3=0.5891, z=0.9: _mean(x_3, 3) + 0.5773 * z,
            "That is the step with the root of beta-tilde. Here sigma is the root of beta.",
        ),
        Mistake(
            lambda x_3=0.5891, z=0.9: _mean(x_3, 3) - 0.8 * z,
            "The noise has the wrong sign: a positive z leads upwards.",
        ),
        Mistake(
            lambda x_3=0.5891, z=0.9: x_3 + 0.8 * z,
            "You add the noise to x_3. It comes on top of the mean of the step.",
        ),
    ),
    numbers=Numbers(
        "In lesson 14's chain of Algorithm 2, x_3 = {x_3} and z_3 = {z}. What is x_2?",
        lambda draws: _drawn(draws, x_3=(-0.95, -0.3), z=(0.5, 1.5)),
    ),
)

tipping_point = Exercise(
    name="14.tipping_point",
    task="Work out the z_2 for which x_1 is 0, and put the number there.",
    solution=lambda x_2=-0.6490: -_mean(x_2, 2) / 0.6,
    tolerance=BY_HAND,
    mistakes=(
        Mistake(
            lambda x_2=-0.6490: _mean(x_2, 2) / 0.6,
            "The size is right, the sign is not: the noise has to take the mean back to 0.",
        ),
        Mistake(
            lambda x_2=-0.6490: -_mean(x_2, 2) / 0.36,
            "You divide by the variance. A draw moves the pixel by z times the root of beta_2.",
        ),
        Mistake(
            lambda x_2=-0.6490: -_mean(x_2, 2) / 0.2623,
            "That is where the chain with beta-tilde tips. Here sigma_2 is the root of beta_2.",
        ),
        Mistake(
            lambda x_2=-0.6490: -_mean(x_2, 2),
            "That is how far the noise has to move the pixel. It moves it by sigma_2 times z_2.",
        ),
        Mistake(
            lambda x_2=-0.6490: -x_2 / 0.6,
            "The noise is added to the mean of the step, not to x_2.",
        ),
    ),
    numbers=Numbers(
        "In lesson 14's chain of Algorithm 2, x_2 = {x_2}. Above which z_2 does it end as ink?",
        lambda draws: _drawn(draws, x_2=(-0.95, -0.3)),
    ),
)

EXERCISES = by_name(
    table_line, posterior_weights, training_step, another_draw, tipping_point, own_draws
)
