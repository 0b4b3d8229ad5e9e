"""Lesson 01, the forward process: its open exercise, with many right answers."""

import torch

from ddpm_lessons.checks.exercise import Exercise, Mistake
from ddpm_lessons.schedule import cosine_schedule, linear_schedule

LEFT, BITE = 1e-3, 0.1  # of the variance: what may be left at T, what one step may take

BETWEEN = (
    "Each beta is the share of the variance that its step replaces by noise: more than 0, less "
    "than 1. One of yours is not."
)
NOISE = (
    "Too much of the digit is left at the end: alpha_bar_T is not below 0.001 for every T. Fewer "
    "steps need larger betas."
)
SAME = (
    "Your betas are all the same, so the first step takes the largest bite, while there is most "
    "to lose: at T = 50 more than a tenth of the variance. Begin with smaller ones."
)
GENTLE = (
    "One of your steps takes more than a tenth of the variance: alpha_bar falls by more than 0.1 "
    "at once. Share the work out among the steps."
)


def _asked_of_betas(lists: list[torch.Tensor]) -> dict[str, bool]:
    """What holds for every list of T betas."""
    bars = [torch.cat([torch.ones(1), (1 - betas).cumprod(0)]) for betas in lists]
    gentle = all(bool((-bar.diff() <= BITE).all()) for bar in bars)
    return {
        BETWEEN: all(bool(((betas > 0) & (betas < 1)).all()) for betas in lists),
        NOISE: all(bool(bar[-1] < LEFT) for bar in bars),
        SAME: gentle or not all(bool((betas == betas[0]).all()) for betas in lists),
        GENTLE: gentle,
    }


fifty_steps = Exercise(
    name="01.fifty_steps",
    task="Complete my_betas: T betas whose chain ends in noise, without a rough step. Many answers "
    "are right.",
    solution=lambda T: linear_schedule(T, beta_1=0.1 / T, beta_T=20 / T).betas[1:],
    cases=lambda: [(50,), (200,), (1000,)],
    tolerance=1e-6,
    demands=_asked_of_betas,
    mistakes=(
        Mistake(
            lambda T: torch.linspace(1e-4, 0.02, T),
            "These are right for a thousand steps. Fifty of them leave alpha_bar at 0.6: more than "
            "half of the digit. (Public code has started its chains from there.) The shorter the "
            "chain, the larger its betas.",
        ),
        Mistake(
            lambda T: torch.full((T,), 1 / T),
            "Your betas add up to 1, but what is left multiplies: (1 - 1 / T) to the power T is "
            "still 0.37.",
        ),
        Mistake(
            lambda T: linear_schedule(T, beta_1=0.1 / T, beta_T=20 / T).betas,
            "One entry too many: you have beta_0 = 0 as well. Asked are beta_1, ..., beta_T.",
        ),
        Mistake(
            lambda T: cosine_schedule(T).alpha_bars[1:],
            "These are alpha_bars: what is left of the variance. A beta is what one step replaces.",
        ),
        Mistake(lambda T: torch.linspace(0, 20 / T, T), BETWEEN),
        Mistake(lambda T: torch.full((T,), 5 / T), NOISE),
        Mistake(lambda T: torch.full((T,), 10 / T), SAME),
        Mistake(lambda T: torch.tensor([1e-4] * (T - 1) + [0.9999]), GENTLE),
    ),
)
