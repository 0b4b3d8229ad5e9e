"""Lesson 00, welcome: its open exercise, with many right answers."""

import math
from collections.abc import Iterable

import torch

from ddpm_lessons.checks.exercise import Exercise, Mistake

LENGTHS = (10, 1000)  # the T that a dial is tried with
PLACES_ON_IT = 11

STARTS = "Your dial does not stand at 0 at t = 0. Nothing has happened to the picture yet."
ENDS = "Your dial does not stand at 1 at t = T, where nothing but noise is left, whatever T is."
STAYS = "Your dial leaves the range from 0 to 1 on the way. It is a share: how much is noise."
RISES = "Somewhere on the way your dial falls. Noise never gets less."


def _times() -> Iterable[tuple]:
    """(t, T), along a short dial and a long one."""
    for T in LENGTHS:
        for i in range(PLACES_ON_IT):
            yield i * T // (PLACES_ON_IT - 1), T


def _asked_of_a_dial(shares: list) -> dict[str, bool]:
    values = torch.stack(shares).view(len(LENGTHS), PLACES_ON_IT)
    near = 1e-6
    return {
        STARTS: bool((values[:, 0].abs() < near).all()),
        ENDS: bool(((values[:, -1] - 1).abs() < near).all()),
        STAYS: bool(((values > -near) & (values < 1 + near)).all()),
        RISES: bool((values.diff() > -near).all()),
    }


dial = Exercise(
    name="00.dial",
    task="Complete my_dial: from 0 at t = 0 to 1 at t = T, and never down. Many answers are right.",
    solution=lambda t, T: t / T,
    cases=_times,
    demands=_asked_of_a_dial,
    mistakes=(
        Mistake(
            lambda t, T: 1 - t / T,
            "That is the share of the picture. The dial says how much is noise: 0 where it begins.",
        ),
        Mistake(
            lambda t, T: t,
            "t counts steps and goes up to T. The dial ends at 1.",
        ),
        Mistake(
            lambda t, T: t / (T + 1),
            "At t = T it should stand at 1 exactly, whatever T is, and yours has not arrived. "
            "There are T steps from 0 to T.",
        ),
        Mistake(
            lambda t, T: t / 1000,
            "You divide by 1000. That is right for T = 1000 only; my_dial is given T.",
        ),
        Mistake(lambda t, T: (t + 1) / (T + 1), STARTS),
        Mistake(lambda t, T: math.sin(math.pi * t / T), ENDS),
        Mistake(lambda t, T: t / T + 0.1 * math.sin(4 * math.pi * t / T), RISES),
        Mistake(lambda t, T: t / T + 0.5 * math.sin(math.pi * t / T), STAYS),
    ),
)
