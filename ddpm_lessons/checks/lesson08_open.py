"""Lesson 08, the score: its open exercise, with many right answers."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from ddpm_lessons.checks.exercise import Exercise, Mistake

END, STEP, STEPS = 8, 0.02, 500  # places lie between -END and END; the length of a walk
PLACES = torch.arange(-20 * END, 20 * END + 1, dtype=torch.float64) / 20  # 0.05 apart
OUT = 4  # no step may throw beyond it who is within, nor farther out who is not
AROUND, HELD, EACH = 1, 0.9, 0.25  # of the two places; which share of the walkers must end there

REST = (
    "Nobody comes to rest at -2 and at 2. Just left of each of them, at 1.9 say, your compass must "
    "point to the right, so be more than 0, and just right of it to the left."
)
BACK = (
    "Far outside, your compass does not always point back. A walker at 8 or at -8, and anywhere "
    "between there and the two places, must find home."
)
MIDDLE = (
    "Between -2 and 2 your walkers can come to rest at a third place. There should be one valley, "
    "from which the compass points away on both sides."
)
THROWN = (
    "Your compass is too strong for steps of 0.02: one step throws a walker past the place where "
    "it should rest, and far out on the other side."
)
GATHER = (
    "The directions are right, but fewer than nine of ten walkers end within 1 of -2 or 2. Where a "
    "compass points is one thing, how strongly another: the noise scatters them at each step."
)
BOTH = (
    "One of the two places gets fewer than a quarter of the walkers. Where, between them, does "
    "your compass change its mind? Who starts beyond that is led to the other one."
)


def _crowd(arrows: Tensor) -> Tensor:
    """How many of the walkers end at each place: worked out, not drawn.

    They start all over -6..6. A row of the table says where one step of Langevin leads from there.
    """
    start = (PLACES.abs() < 6.01).double()
    middle = PLACES + STEP / 2 * arrows
    table = (-((PLACES - middle[:, None]) ** 2) / (2 * STEP)).softmax(dim=1)
    return start / start.sum() @ torch.linalg.matrix_power(table, STEPS)


def _asked_of_a_compass(answers: list[Tensor]) -> dict[str, bool]:
    (arrows,) = answers
    size, near = PLACES.abs(), 1e-6
    outwards = arrows * PLACES.sign()
    between = arrows[size < 1.95].sign()
    crowd = _crowd(arrows)
    shares = [crowd[(PLACES - home).abs() < AROUND + near].sum() for home in (-2, 2)]
    inside, outside = (outwards[(size - place).abs() < near] for place in (1.9, 2.1))
    return {
        REST: bool((inside > 0).all() and (outside < 0).all()),
        BACK: bool((outwards[size > 2.05] < 0).all()),
        MIDDLE: bool((between.diff() >= 0).all()),
        THROWN: bool(((PLACES + STEP / 2 * arrows).abs() <= size.clamp(min=OUT)).all()),
        GATHER: bool(sum(shares) >= HELD),
        BOTH: bool(min(shares) >= EACH),
    }


def _bells(x: Tensor) -> Tensor:
    """The density of two bells of variance 0.25."""
    return (torch.exp(-2 * (x - 2) ** 2) + torch.exp(-2 * (x + 2) ** 2)) / (2 * math.pi) ** 0.5


def _places() -> Iterable[tuple]:
    yield (PLACES.clone(),)


compass = Exercise(
    name="08.compass",
    task="Complete my_compass: a score whose walkers gather around -2 and 2. Many answers are "
    "right.",
    solution=lambda x: 4 * x - x**3,
    cases=_places,
    demands=_asked_of_a_compass,
    mistakes=(
        Mistake(
            lambda x: x**3 - 4 * x,
            "All arrows are turned round: your walkers flee from -2 and from 2. This is how a hill "
            "rises above them as an energy, which has its valleys where the density has its peaks.",
        ),
        Mistake(
            _bells,
            "This is a density: it says how probable a place is and is never below 0. Asked is its "
            "compass, the slope of its logarithm, which points left as well as right.",
        ),
        Mistake(lambda x: torch.sin(math.pi * x), REST),
        Mistake(lambda x: 4 * torch.sin(math.pi * x / 2), BACK),
        Mistake(lambda x: -x, MIDDLE),
        Mistake(lambda x: 100 * (x - x**3 / 4), THROWN),
        Mistake(lambda x: x - x**3 / 4, GATHER),
        Mistake(lambda x: -2 * (x + 2) * (x - 1.5) * (x - 2), BOTH),
    ),
)
