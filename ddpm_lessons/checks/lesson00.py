"""Lesson 00, welcome: four exercises to warm up."""

from collections.abc import Iterable

import torch

from ddpm_lessons.checks.exercise import Exercise, Mistake, Numbers, by_name
from ddpm_lessons.checks.lesson00_open import dial


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


EXERCISES = by_name(scaling, static, calls, dial)
