"""Lesson 07, the results: its open exercise, with many right answers."""

from collections.abc import Iterable

import torch
from torch import Tensor

from ddpm_lessons.checks.exercise import Exercise, Mistake

MADE, REAL, FEW = 500, 1500, 50  # numbers in a crowd
WIDTH = 0.25  # of a peak; the two lie at 1 to either side of the middle
STRAY = 3  # from the middle: so far off lies one number of the 500

MOVED = (
    "A crowd that is moved by half a unit gets less than twice what your judge gives to a fresh "
    "draw, which should come out near 0. What decides in your number: chance, a single stray "
    "number, or how many there are?"
)
SPREAD = (
    "Your judge does not see a wrong spread: a crowd that is half as wide, or one that is twice as "
    "wide, gets less than twice what a fresh draw gets."
)
LOST = (
    "Your judge does not miss a peak: a crowd that is drawn from one of the two only gets less "
    "than twice what a fresh draw gets. Each of its numbers is fine. Which are not there?"
)
MELTED = (
    "Your judge does not see shapes: a single bell with the mean and the standard deviation of the "
    "real crowd gets less than twice what a fresh draw gets, and half of its numbers lie where "
    "hardly any real ones are. Compare more than means and spreads."
)
COUNT = (
    "Your number depends on how many there are: the same fault, with 50 made ones in place of 500, "
    "gets less than half or more than double. Is there a sum where a mean should be?"
)
MORE = (
    "A crowd that is moved three times as far gets no more. A judge that only says yes or no, or "
    "whose number is soon as large as it can be, cannot tell a better model from a worse one."
)


def _two_peaks(n: int, middle: float, generator: torch.Generator) -> Tensor:
    """n numbers in any order, half of them at each peak."""
    side = 2.0 * (torch.randperm(n, generator=generator) % 2) - 1
    return middle + side + WIDTH * torch.randn(n, generator=generator)


def _standard(generator: torch.Generator) -> Tensor:
    """A bell of mean 0 and standard deviation 1 exactly."""
    z = torch.randn(MADE - 1, generator=generator)
    return (z - z.mean()) / z.std()


def trial_crowds(seed: int | None = None) -> dict[str, tuple[Tensor, Tensor]]:
    """What a judge is tried on: (made, real) by name, each a crowd of numbers, (N,) float32.

    The real one has two peaks; with a seed its middle lies anywhere in [-1, 0], else at 0.5. The
    made ones are a fresh draw of the same, this draw spoilt in six ways, and a few fresh ones that
    are moved. In each of the large ones a single number strays, and that is no fault.
    """
    generator = torch.Generator().manual_seed(7 if seed is None else seed)
    middle = 0.5 if seed is None else -torch.rand((), generator=generator).item()
    real, draw = (_two_peaks(n, middle, generator) for n in (REAL, MADE - 1))
    mean, std = draw.mean(), draw.std()
    stray = torch.tensor([middle + STRAY])
    fresh = torch.cat([draw, stray])
    made = {
        "fresh": fresh,
        "moved": fresh + 0.5,
        "moved three times as far": fresh + 1.5,
        "half as wide": torch.cat([mean + 0.5 * (draw - mean), stray]),
        "twice as wide": torch.cat([mean + 2 * (draw - mean), stray]),
        "one peak lost": torch.cat([middle + 1 + WIDTH * _standard(generator), stray]),
        "melted into one": torch.cat([mean + std * _standard(generator), stray]),
        "a few, moved": _two_peaks(FEW, middle, generator) + 0.5,
    }
    return {name: (crowd, real) for name, crowd in made.items()}


def _cases(seed: int | None = None) -> Iterable[tuple]:
    yield from trial_crowds(seed).values()


def _asked_of_a_judge(scores: list[Tensor]) -> dict[str, bool]:
    """What holds for the fixed crowds and for those of the moment."""
    n = len(trial_crowds())
    tables = [scores[i : i + n] for i in range(0, len(scores), n)]

    def seen(*faults: int) -> bool:
        return all(bool(table[i] > 2 * table[0].abs()) for table in tables for i in faults)

    return {
        MOVED: seen(1),
        SPREAD: seen(3, 4),
        LOST: seen(5),
        MELTED: seen(6),
        COUNT: all(bool(0.5 * table[1] < table[7] < 2 * table[1]) for table in tables),
        MORE: all(bool(table[2] > table[1]) for table in tables),
    }


def _by_rank(made, real):
    """The mean way from rank to rank, at a hundred ranks: so the crowds may differ in size."""
    ranks = torch.linspace(0.005, 0.995, 100, dtype=made.dtype)
    return (made.quantile(ranks) - real.quantile(ranks)).abs().mean()


def _below(crowd: Tensor, x: Tensor) -> Tensor:
    """The share of a crowd that is not above x, for each x."""
    return (crowd <= x[:, None]).double().mean(dim=1)


def _pairs(made: Tensor, real: Tensor) -> Tensor:
    """The first with the first, the second with the second."""
    n = min(len(made), len(real))
    return (made[:n] - real[:n]).abs().mean()


own_judge = Exercise(
    name="07.own_judge",
    task="Complete my_judge: small for a fresh draw, at least twice that for each fault. Many "
    "answers are right.",
    solution=_by_rank,
    cases=_cases,
    demands=_asked_of_a_judge,
    mistakes=(
        Mistake(
            _pairs,
            "You compare the first with the first, the second with the second. Who came first is "
            "chance, so two fresh draws lie as far apart. Put both crowds in order before.",
        ),
        Mistake(
            lambda made, real: -_by_rank(made, real),
            "Your judge gives the more, the better the crowds agree. Asked is a distance: near 0 "
            "for a fresh draw, and more for a fault.",
        ),
        Mistake(lambda made, real: (made.std() - real.std()).abs(), MOVED),
        Mistake(lambda made, real: (made.mean() - real.mean()).abs(), SPREAD),
        Mistake(lambda made, real: (made[:, None] - real).abs().min(dim=1).values.mean(), LOST),
        Mistake(
            lambda made, real: (made.mean() - real.mean()) ** 2 + (made.std() - real.std()) ** 2,
            MELTED,
        ),
        Mistake(lambda made, real: (_below(made, made) - _below(real, made)).abs().sum(), COUNT),
        Mistake(lambda made, real: float(_by_rank(made, real) > 0.1), MORE),
    ),
)
