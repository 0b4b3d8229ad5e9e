"""Lesson 00, welcome: four exercises to warm up."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch

from ddpm_lessons.checks.exercise import Exercise, Mistake, Numbers, by_name


def _pixels(seed: int = 0) -> Iterable[tuple]:
    yield 0.8, 0.01, 0.3
    x, eps = torch.randn(2, 5, generator=torch.Generator().manual_seed(seed))
    yield x, 0.5, eps


scaling = Exercise(
    name="00.scaling",
    task="Complete my_scaling so that 0 becomes -1 and 255 becomes 1.",
    solution=lambda byte: byte / 127.5 - 1,
    cases=lambda: [(32,), (0,), (255,), (127.5,)],
    tolerance=1e-6,
    mistakes=(
        Mistake(
            lambda byte: byte / 255,
            "That runs from 0 to 1. The network wants -1 to 1, with grey in the middle at 0.",
        ),
        Mistake(
            lambda byte: byte / 255 - 0.5,
            "That runs from -0.5 to 0.5: the middle is right, the width is half of what it "
            "should be.",
        ),
        Mistake(
            lambda byte: byte / 128 - 1,
            "Nearly: 255 becomes 0.992, not 1. The range 0..255 is 255 wide, so half of it is "
            "127.5.",
        ),
        Mistake(
            lambda byte: byte / 127.5,
            "That runs from 0 to 2: the width is right; now move it so that 0 becomes -1.",
        ),
        Mistake(
            lambda byte: 1 - byte / 127.5,
            "That is upside down: paper (0) should become -1 and ink (255) should become 1.",
        ),
    ),
)

static = Exercise(
    name="00.static",
    task="Complete my_static so that it adds noise of variance v.",
    solution=lambda x, v, eps: x + v**0.5 * eps,
    cases=_pixels,
    mistakes=(
        Mistake(
            lambda x, v, eps: x + v * eps,
            "Your noise has standard deviation v, so its variance is v squared. Multiply eps by "
            "the square root of v.",
        ),
        Mistake(
            lambda x, v, eps: x + v**2 * eps,
            "You have squared v. The variance of s * eps is s squared; which s gives v?",
        ),
        Mistake(
            lambda x, v, eps: (1 - v) ** 0.5 * x + v**0.5 * eps,
            "Your noise is right, but you also dim the pixel, as lesson 01 will. Here it stays as "
            "it is: only add.",
        ),
        Mistake(
            lambda x, v, eps: x + eps,
            "Your noise has variance 1, whatever v is. Scale eps first.",
        ),
        Mistake(
            lambda x, v, eps: v**0.5 * eps,
            "That is the noise alone. Add it to the pixel.",
        ),
    ),
)

calls = Exercise(
    name="00.calls",
    task="Count the network's calls and put the number in place of the dots.",
    solution=lambda T=1000, digits=4: T,
    tolerance=0,
    mistakes=(
        Mistake(
            lambda T=1000, digits=4: T + 1,
            "That is the number of states, t = T ... 0. At t = 0 the image is done: nothing is "
            "left to remove.",
        ),
        Mistake(
            lambda T=1000, digits=4: T - 1,
            "Close: the step from t = 1 to t = 0 asks the network too.",
        ),
        Mistake(
            lambda T=1000, digits=4: digits * T,
            "Several digits were made, but as one batch: each run of the network serves them all.",
        ),
    ),
    numbers=Numbers(
        "A chain of {digits} digits, made as one batch, starts at t = {T} and ends at t = 0. How "
        "many times does the network run?",
        lambda draws: {"T": draws.randrange(200, 4000, 50), "digits": draws.randint(3, 16)},
    ),
)


class Dial(NamedTuple):
    """What is asked of a dial, whatever it looks like."""

    starts_at_0: bool
    ends_at_1: bool
    never_falls: bool
    stays_between: bool


LENGTHS = (10, 1000)  # the T that a dial is tried with
PLACES_ON_IT = 11


def _times() -> Iterable[tuple]:
    for T in LENGTHS:
        for i in range(PLACES_ON_IT):
            yield i * T // (PLACES_ON_IT - 1), T


def _looks(shares: list) -> Dial:
    """What holds for all dials in a list of their values; nothing holds for what is no number."""
    try:
        values = torch.tensor([float(share) for share in shares]).view(len(LENGTHS), PLACES_ON_IT)
    except (TypeError, ValueError):
        return Dial(False, False, False, False)
    near = 1e-6
    return Dial(
        starts_at_0=bool((values[:, 0].abs() < near).all()),
        ends_at_1=bool(((values[:, -1] - 1).abs() < near).all()),
        never_falls=bool((values.diff() > -near).all()),
        stays_between=bool(((values > -near) & (values < 1 + near)).all()),
    )


dial = Exercise(
    name="00.dial",
    task="Complete my_dial: from 0 at t = 0 to 1 at t = T, and never down. Many answers are right.",
    solution=lambda t, T: t / T,
    cases=_times,
    properties=_looks,
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
            lambda t, T: (t + 1) / (T + 1),
            "At t = 0 there is some noise already. Nothing has happened to the picture yet.",
        ),
        Mistake(
            lambda t, T: math.sin(math.pi * t / T),
            "Your dial goes up and comes down again. Noise never gets less on the way.",
        ),
        Mistake(
            lambda t, T: t / T + 0.1 * math.sin(4 * math.pi * t / T),
            "Both ends are right, but in between it falls somewhere. Noise never gets less.",
        ),
    ),
)

EXERCISES = by_name(scaling, static, calls, dial)
