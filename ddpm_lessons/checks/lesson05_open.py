"""Lesson 05, training: its open exercise, with many right answers."""

from collections.abc import Iterable

import torch

from ddpm_lessons.checks.exercise import Exercise, Mistake

FIRST = 1000  # updates, of which each is asked
LATER = (1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 1_000_000)
NEAR = 1e-6  # as float32 rounds

SHARE = (
    "Each d is the share of the old average that is kept: 0 or more, and less than 1. One of "
    "yours is not. (With 1 the newest weights would not count at all.)"
)
FALLS = (
    "Somewhere your d falls as n grows. d is the share that is kept of the old average, 1 - d that "
    "of the newest weights. Begin with a short memory, and let it become longer."
)
START = (
    "Your average does not forget its beginnings: after 100 updates a hundredth or more of it "
    "still comes from the random start and the first ten, or after 1000 from the first hundred. "
    "Multiply d_10 ... d_99, and d_100 ... d_999. Begin with a shorter memory."
)
SHORT = (
    "A training that ends early has hardly an average: at n = 500 yours spans fewer than 50 "
    "updates, for d is below 0.98. Let the memory grow sooner."
)
LONG = (
    "Late in the training your average spans fewer than 2000 updates: somewhere from n = 10,000 on "
    "d is below 0.9995."
)
FROZEN = (
    "Your memory grows beyond 10,000 updates, for d comes above 0.9999. Late in a long training "
    "new weights would hardly count any more. Where should it stop?"
)


def _updates() -> Iterable[tuple]:
    """(n,): each of the first, then some of the later ones."""
    for n in (*range(FIRST), *LATER):
        yield (n,)


def _asked_of_a_memory(decays: list) -> dict[str, bool]:
    values = torch.stack(decays)
    late = dict(zip(LATER, values[FIRST:].tolist(), strict=True))
    return {
        SHARE: bool(((values >= 0) & (values < 1)).all()),
        FALLS: bool((values.diff() > -NEAR).all()),
        START: all(bool(values[n : 10 * n].prod() < 0.01) for n in (10, 100)),
        SHORT: bool(values[500] > 0.98 - NEAR),
        LONG: all(d > 0.9995 - NEAR for n, d in late.items() if n >= 10_000),
        FROZEN: bool((values < 0.9999 + NEAR).all()),
    }


memory = Exercise(
    name="05.memory",
    task="Complete my_decay: the d of update n, for a memory that is short at first and long in "
    "the end. Many answers are right.",
    solution=lambda n: min(0.9995, (1 + n) / (5 + n)),
    cases=_updates,
    tolerance=1e-6,
    demands=_asked_of_a_memory,
    mistakes=(
        Mistake(
            lambda n: min(0.999, (1 + n) / (10 + n)),
            "This is the lesson's own. Its memory is a tenth of the training so far, and never "
            "more than 1000 updates. Asked is a longer one that forgets the start all the same.",
        ),
        Mistake(
            lambda n: 0.9995 if n else 0.0,
            "The first update copies the weights, and from then on hardly anything is forgotten. "
            "But what was copied are the random first weights, one step on. Let the memory grow.",
        ),
        Mistake(
            lambda n: min(0.9995, n / (1 + n)),
            "This is the plain mean of all weights so far, the first scrawls included: after 100 "
            "updates the start and the first ten still are a tenth of it. Forget a little faster.",
        ),
        Mistake(lambda n: min(0.9995, (n - 1) / (n + 3)), SHARE),
        Mistake(lambda n: 0.9995 ** (n + 1), FALLS),
        Mistake(lambda n: 0.9995, START),
        Mistake(lambda n: min(0.9995, n / 10_000), SHORT),
        Mistake(lambda n: min(0.9995, (1 + n) / (10 + n)), LONG),
        Mistake(lambda n: (1 + n) / (5 + n), FROZEN),
    ),
)
