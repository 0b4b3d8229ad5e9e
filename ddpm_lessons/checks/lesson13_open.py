"""Lesson 13, the bug gallery: its open exercise, with many right answers."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from ddpm_lessons.checks.exercise import Exercise, Mistake

Draw = Callable[[int], Tensor]

YES_OR_NO = "Your test gives something else than True or False. Has this trainer passed it?"
CRIES_WOLF = (
    "Your test cries wolf: a trainer that does as it should has failed it. How far does chance "
    "take a count from where it should be? Draw many, and leave it room."
)
ENDS = (
    "A bug gets through: a trainer that never draws one of the two ends, 1 or T, has passed your "
    "test."
)
OUTSIDE = "A bug gets through: a trainer that draws a t which is none, 0 or T + 1, has passed."
INSIDE = (
    "The ends are well guarded. But a trainer that never draws a certain t between them has passed."
)
RARE = (
    "What is never drawn you find. But one trainer draws a t ten times too rarely, and has passed: "
    "a set forgets how often. Count."
)


def _uniform(low: int, high: int) -> Callable[[torch.Generator], Draw]:
    return lambda generator: lambda n: torch.randint(low, high, (n,), generator=generator)


def _shuffled(T: int) -> Callable[[torch.Generator], Draw]:
    """Each t once, in random order, and again: as even as can be."""

    def trainer(generator: torch.Generator) -> Draw:
        def draw(n: int) -> Tensor:
            rounds = torch.rand(n // T + 1, T, generator=generator).argsort(dim=1)
            return rounds.flatten()[:n] + 1

        return draw

    return trainer


def _mirrored(T: int) -> Callable[[torch.Generator], Draw]:
    """Pairs t and T + 1 - t, as in the code of DDIM: each t is drawn equally often."""

    def trainer(generator: torch.Generator) -> Draw:
        def draw(n: int) -> Tensor:
            half = torch.randint(1, T + 1, (n // 2 + 1,), generator=generator)
            return torch.cat([half, T + 1 - half])[:n]

        return draw

    return trainer


def _weighted(weights: Tensor) -> Callable[[torch.Generator], Draw]:
    """t in proportion to its weight; weights (T + 1,), that of 0 first."""

    def trainer(generator: torch.Generator) -> Draw:
        return lambda n: torch.multinomial(weights, n, replacement=True, generator=generator)

    return trainer


def _but(T: int, t: int, weight: float) -> Callable[[torch.Generator], Draw]:
    """All equally often but for one t."""
    weights = torch.ones(T + 1)
    weights[0], weights[t] = 0.0, weight
    return _weighted(weights)


def _trainers(T: int) -> list[tuple[str, Callable[[torch.Generator], Draw]]]:
    """Trainers, each with what is said to whose test does not judge it rightly."""
    right = (_uniform(1, T + 1), _shuffled(T), _mirrored(T), _uniform(1, T + 1))
    ends = (_uniform(1, T), _uniform(2, T + 1))
    outside = (_uniform(0, T), _uniform(0, T + 1), _uniform(1, T + 2))
    inside = [_but(T, t, 0.0) for t in (2, T // 4, T // 2, T - 1)]
    rare = [_but(T, t, 0.1) for t in (1, T // 4, T // 2 + 1, T)]
    kinds = {CRIES_WOLF: right, ENDS: ends, OUTSIDE: outside, INSIDE: inside, RARE: rare}
    return [(words, trainer) for words, trainers in kinds.items() for trainer in trainers]


LENGTHS = (10, 50)


def _draws() -> Iterable[tuple]:
    """(draw, T): how different trainers draw their t; draw(n) gives (n,) int64."""
    for T in LENGTHS:
        for i, (_, trainer) in enumerate(_trainers(T)):
            yield trainer(torch.Generator().manual_seed(100 * T + i)), T


def _asked_of_a_test(verdicts: list[Tensor]) -> dict[str, bool]:
    kinds = [words for T in LENGTHS for words, _ in _trainers(T)]
    met = {YES_OR_NO: all(verdict.item() in (0, 1) for verdict in verdicts)}
    for words, verdict in zip(kinds, verdicts, strict=True):
        right = bool(verdict) == (words == CRIES_WOLF)
        met[words] = met.get(words, True) and right
    return met


def _even(draw: Draw, T: int) -> bool:
    """Each of 1..T at least half as often as it should come, and nothing else."""
    counts = draw(20_000).bincount(minlength=T + 1)
    return len(counts) == T + 1 and counts[0].item() == 0 and counts[1:].min().item() > 10_000 / T


def _set(draw: Draw, n: int = 20_000) -> set[int]:
    return set(draw(n).tolist())


own_test = Exercise(
    name="13.own_test",
    task="Complete my_test: True if a trainer draws its t as it should, False if not. Many answers "
    "are right.",
    solution=_even,
    cases=_draws,
    tolerance=0,
    demands=_asked_of_a_test,
    mistakes=(
        Mistake(
            lambda draw, T: True,
            "Your test passes everything, so it tells nothing. A test that cannot fail is no test.",
        ),
        Mistake(
            lambda draw, T: _set(draw) == set(range(1, T)),
            "Your test has the trainer's own bug: range(1, T) ends at T - 1. So it passes that "
            "trainer, and fails the right ones.",
        ),
        Mistake(
            lambda draw, T: _set(draw, n=T) == set(range(1, T + 1)),
            "Of the right trainers only those that deal the t out like cards have passed. Do you "
            "take T draws, or want all counts equal? By chance alone about a third of the t is "
            "missing in T draws. Draw 20,000, and leave chance some room.",
        ),
        Mistake(lambda draw, T: len(_set(draw)), YES_OR_NO),
        Mistake(lambda draw, T: False, CRIES_WOLF),
        Mistake(lambda draw, T: _set(draw) <= set(range(1, T + 1)), ENDS),
        Mistake(lambda draw, T: set(range(1, T + 1)) <= _set(draw), OUTSIDE),
        Mistake(lambda draw, T: min(_set(draw)) == 1 and max(_set(draw)) == T, INSIDE),
        Mistake(lambda draw, T: _set(draw) == set(range(1, T + 1)), RARE),
    ),
)
