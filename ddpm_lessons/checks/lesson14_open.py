"""Lesson 14, one pixel by calculator: its open exercise, with many right answers, and its world."""

from itertools import pairwise

import torch
from torch import Tensor

from ddpm_lessons.checks.exercise import Exercise, Mistake
from ddpm_lessons.exact import Mixture
from ddpm_lessons.forward import predict_x0
from ddpm_lessons.posterior import p_mean_from_eps
from ddpm_lessons.schedule import NoiseSchedule

FOUR = NoiseSchedule(torch.tensor([0.0, 0.0784, 0.36, 0.64, 0.9964], dtype=torch.float64))
NETWORK = Mixture.from_data(torch.tensor([[1.0], [-1.0]], dtype=torch.float64)).eps_model(FOUR)

TURNS = (
    "The network does not change its mind at every step: two of its guesses x0_hat at t = 4, 3, 2, "
    "1 that follow each other have the same sign."
)
MEANS_IT = (
    "The network changes its mind at every step, but at t = 3 or at t = 2 it only wavers: there "
    "|x0_hat| is below 0.5."
)
CLEAR = (
    "All turns are there, but the end is neither ink nor paper: |x_0| is below 0.99. Send x_1 "
    "further out."
)
LUCK = (
    "The network changes its mind as asked, but only in a chain that hardly ever happens: the sum "
    "of your four squares is above 5. Which of the jumps is longer than it need be?"
)


def _asked(x_t: float, t: int) -> tuple[float, float]:
    """The network's guess at x_0, and the mean of Algorithm 2's step, Eq. (11)."""
    eps = NETWORK(torch.tensor([[x_t]], dtype=torch.float64), torch.tensor([t])).item()
    return predict_x0(x_t, FOUR.at(t), eps), p_mean_from_eps(x_t, FOUR.at(t), eps)


def _own_draws() -> tuple[float, float, float, float]:
    """Choose where the pixel shall be, x_4 to x_1; each step then tells the draw that it takes."""
    x = {4: 0.2, 3: -1.0, 2: 0.32, 1: -0.25}
    z = {t: (x[t - 1] - _asked(x[t], t)[1]) / FOUR.at(t).beta ** 0.5 for t in (4, 3, 2)}
    return x[4], z[4], z[3], z[2]


def _guesses(x_t: float, draws: list[float]) -> list[float]:
    """x0_hat at t = 4, 3, 2, 1 of the chain with these draws; the last of them is x_0."""
    guesses = []
    for t, z in zip((4, 3, 2, 1), [*draws, 0.0], strict=True):
        x0_hat, mean = _asked(x_t, t)
        guesses.append(x0_hat)
        x_t = mean + FOUR.at(t).beta ** 0.5 * z
    return guesses


def _asked_of_draws(answers: list[Tensor]) -> dict[str, bool]:
    x_4, *draws = answers[0].tolist()
    guesses = _guesses(x_4, draws)
    return {
        TURNS: all(a * b < 0 for a, b in pairwise(guesses)),
        MEANS_IT: all(abs(guess) >= 0.5 for guess in guesses[1:3]),
        CLEAR: abs(guesses[3]) >= 0.99,
        LUCK: answers[0].square().sum().item() <= 5,
    }


own_draws = Exercise(
    name="14.own_draws",
    task="Find (x_4, z_4, z_3, z_2) with which the network changes its mind at every step. Many "
    "answers are right.",
    solution=_own_draws,
    tolerance=5e-4,
    demands=_asked_of_draws,
    mistakes=(
        Mistake(
            lambda: (1.5, 0.5, -1.3, 0.4),
            "With the draws of this page the network changes its mind once, at t = 2: its guesses "
            "have the signs +, +, -, -.",
        ),
        Mistake(
            lambda: (1.5, 0.5891, -0.6490, -0.5655),
            "These are the places where the page's chain has been, x_4 to x_1. Asked are x_4 and "
            "the three draws z.",
        ),
        Mistake(
            lambda: (1.5, 0.0, 0.0, 0.0),
            "Without noise on the way the network never changes its mind: what it guesses at first "
            "is what comes out. It takes a draw to contradict it.",
        ),
        Mistake(lambda: (1.0, -1.5, 1.5, 1.0), TURNS),
        Mistake(lambda: (0.5, -0.5, 0.5, -1.0), MEANS_IT),
        Mistake(lambda: (0.2, -1.1, 1.3, -0.9), CLEAR),
        Mistake(lambda: (1.5, -1.5, 1.5, -1.5), LUCK),
    ),
)
