"""Lesson 03, the loss: its open exercise, with many right answers."""

from collections.abc import Iterable

import torch

from ddpm_lessons.checks.exercise import Exercise, Mistake

TRUTHS = torch.tensor([-1.0, -0.75, -0.5, 0.0, 0.25, 0.5, 0.75, 1.0], dtype=torch.float64)
WAYS = torch.cat([torch.ones(1, 8), -torch.ones(1, 8), torch.tensor([[1.0, -1.0] * 4])])
WAYS = torch.cat([WAYS, torch.eye(8), -torch.eye(8)]).double()  # all, in turn, one by one
FAR = (0.0, 0.5, 1.0, 2.0, 3.0)  # how far the guesses move along each way
UNSURE = (  # truths that share one guess; the others are guessed 0.5 too high
    [-1.0, -1.0, -1.0, -1.0, -1.0, 3.0],
    [2.0, 2.0, 1.5, 2.0, -3.5, 1.0],
    [-1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, 3.5],
    [0.5, 0.5, 3.5],
)
PAST = (0.0, 0.005, -0.005, 0.1, -0.1, 0.4, -0.4, 0.8, -0.8, 1.6, -1.6)  # guesses around the mean

ZERO = "Where every guess is the truth, your distance should be 0, and it is not."
NEVER = "Your distance is below 0 for some guesses: they would be better than the truth itself."
FURTHER = (
    "For some guesses your distance does not grow when they move away from the truth. Each of the "
    "numbers counts, on either side, and an error here does not make up for one there."
)
MEAN = (
    "Where several truths share one guess, your distance is not smallest at their mean. A network "
    "that is trained with it learns something else: in a skewed world, the wrong noise."
)
OWN = (
    "That is the squared error, at most in other units: whoever is twice as far off pays four "
    "times as much. It does all the rest; what else does?"
)


def _pairs() -> Iterable[tuple]:
    """(guess, truth): guesses that move away from the truth, then guesses that several share."""
    for way in WAYS:
        for far in FAR:
            yield TRUTHS + far * way, TRUTHS.clone()
    for unsure in UNSURE:
        truth, n = TRUTHS.clone(), len(unsure)
        truth[:n] = torch.tensor(unsure)
        for past in PAST:
            guess = truth + 0.5
            guess[:n] = truth[:n].mean() + past
            yield guess, truth


def _asked_of_a_distance(answers: list[torch.Tensor]) -> dict[str, bool]:
    """What holds for the distances of all pairs; float32 must do."""
    distances = torch.stack(answers)
    near, n = 1e-5, len(WAYS) * len(FAR)
    away = distances[:n].view(len(WAYS), len(FAR))
    shared = distances[n:].view(len(UNSURE), len(PAST))
    four_times = away[:, 2:4] - 4 * away[:, 1:3]  # at 1 and 2, of those at 0.5 and 1
    return {
        ZERO: bool((away[:, 0].abs() < near).all()),
        NEVER: bool((distances > -near).all()),
        FURTHER: bool((away.diff() > 0).all()),
        MEAN: bool((shared[:, :1] < shared[:, 1:]).all()),
        OWN: bool((four_times.abs() > 0.01 * away[:, 2:4].abs()).any()),
    }


def _above_the_tangent(guess, truth):
    """How far the bowl e^x, at the truth, lies above its tangent at the guess."""
    tangent = guess.exp() + guess.exp() * (truth - guess)
    return (truth.exp() - tangent).mean()


def _bent(error: torch.Tensor) -> torch.Tensor:
    """Huber's error: a square near 0, and straight from 1 on."""
    size = error.abs()
    return torch.where(size < 1, size**2 / 2, size - 0.5).mean()


distance = Exercise(
    name="03.distance",
    task="Complete my_distance: another one than the squared error, and the best single guess is "
    "still the mean. Many answers are right.",
    solution=_above_the_tangent,
    cases=_pairs,
    demands=_asked_of_a_distance,
    mistakes=(
        Mistake(
            lambda guess, truth: (guess - truth).abs().mean(),
            "With absolute errors the best single guess is the median: for five truths of -1 and "
            "one of 3 it is -1, as if the 3 did not exist. Asked for is the mean.",
        ),
        Mistake(
            lambda guess, truth: ((guess - truth) ** 4).mean(),
            "With fourth powers a single far truth pulls the best guess towards it, past the mean. "
            "Where each error is weighed by itself, no curve but the square will do.",
        ),
        Mistake(
            lambda guess, truth: (guess.exp() - truth.exp() - truth.exp() * (guess - truth)).mean(),
            "You have laid the tangent at the truth and measured at the guess. The other way "
            "round: then it is the guess that is left with the mean.",
        ),
        Mistake(lambda guess, truth: (1 + (guess - truth) ** 2).sqrt().mean(), ZERO),
        Mistake(lambda guess, truth: (guess - truth).mean(), NEVER),
        Mistake(lambda guess, truth: (guess - truth).mean() ** 2, FURTHER),
        Mistake(lambda guess, truth: _bent(guess - truth), MEAN),
        Mistake(lambda guess, truth: ((guess - truth) ** 2).mean(), OWN),
    ),
)
