"""Lesson 09, faster sampling: its open exercise, with many right answers."""

from collections.abc import Iterable
from functools import cache

import torch
from torch import Tensor

from ddpm_lessons.checks.exercise import Exercise, Mistake
from ddpm_lessons.data.toys import TOYS
from ddpm_lessons.exact import Mixture
from ddpm_lessons.flow import even_timesteps
from ddpm_lessons.samplers.chain import even_grid
from ddpm_lessons.samplers.implicit import ddim
from ddpm_lessons.schedule import NoiseSchedule, linear_schedule

WORLD = Mixture(*TOYS["uneven_peaks"]())
SHARES = (torch.arange(200, dtype=torch.float64) + 0.5) / 200  # of the walkers to the left of one
BETTER = 0.9  # how large the error may be, beside that of the even grid

WHOLE = (
    "The network knows the whole numbers from 1 to T, and no others. One of your times is none of "
    "them."
)
FALLS = (
    "Each time must be less than the one before it. One of yours is not: does rounding make two of "
    "them the same?"
)
START = (
    "Your grid does not begin at T, which is schedule.T, 1000 here and 4000 there. The first image "
    "is pure noise, and must be named as such."
)
NEARER = (
    "Your grid is not a tenth better than the even one for each number of steps that we try. Where "
    "do the paths bend, at much noise or at little? Ask more often there."
)


def _grids() -> Iterable[tuple]:
    """(schedule, steps): few and more, and once with other times."""
    for steps in (8, 12, 20):
        yield linear_schedule(), steps
    yield linear_schedule(4000, 1e-4 / 4, 0.02 / 4), 10


def _at_shares(density: Mixture) -> Tensor:
    """The numbers that have SHARES of the density to their left, within 1e-4; (200, 1)."""
    line = torch.linspace(-6, 6, 120_001, dtype=torch.float64)
    far = (line[:, None] - density.means.flatten()) / density.var.sqrt()
    left = torch.special.ndtr(far) @ density.weights
    return line[torch.searchsorted(left, SHARES)][:, None]


def _error(schedule: NoiseSchedule, times: list[int]) -> float:
    """How far DDIM ends from the exact ends, on average. On a line the order is kept."""
    x_T = _at_shares(WORLD.noised(schedule.alpha_bars[-1].item()))
    *_, end = ddim(WORLD.eps_model(schedule), schedule, x_T, timesteps=times)
    return (end.x - _at_shares(WORLD)).abs().mean().item()


@cache
def _to_beat() -> list[float]:
    return [_error(schedule, even_grid(schedule.T, steps)) for schedule, steps in _grids()]


def _asked_of_grids(grids: list[Tensor]) -> dict[str, bool]:
    schedules = [schedule for schedule, _ in _grids()]
    pairs = list(zip(grids, schedules, strict=True))
    met = {
        WHOLE: all(
            bool(((grid == grid.round()) & (grid >= 1) & (grid <= schedule.T)).all())
            for grid, schedule in pairs
        ),
        FALLS: all(bool((grid.diff() < 0).all()) for grid in grids),
        START: all(bool(grid[0] == schedule.T) for grid, schedule in pairs),
    }
    if not all(met.values()):
        return met | {NEARER: False}
    errors = [_error(schedule, grid.long().tolist()) for grid, schedule in pairs]
    beaten = [ours <= BETTER * even for ours, even in zip(errors, _to_beat(), strict=True)]
    return met | {NEARER: all(beaten)}


own_grid = Exercise(
    name="09.own_grid",
    task="Complete my_times: a grid with which DDIM ends nearer to the truth than with the even "
    "one. Many answers are right.",
    solution=lambda schedule, steps: [
        round(1 + (schedule.T - 1) * (1 - i / (steps - 1)) ** 1.5) for i in range(steps)
    ],
    cases=_grids,
    tolerance=1e-6,
    demands=_asked_of_grids,
    mistakes=(
        Mistake(
            lambda schedule, steps: even_grid(schedule.T, steps),
            "This is the even grid of exercise 9.2, the one to beat. Leave its first time where it "
            "is, and move the others.",
        ),
        Mistake(
            lambda schedule, steps: even_timesteps(schedule, steps)[::-1],
            "Even in log sigma: that helps Heun's method, and here DDIM ends farther off with it. "
            "Look at the list: a third of its times lie below 100, where little is left to decide.",
        ),
        Mistake(
            lambda schedule, steps: [
                round(1 + (schedule.T - 1) * (i / (steps - 1)) ** 1.5) for i in range(steps)
            ],
            "Good times, in the order of the forward process. Sampling falls from T.",
        ),
        Mistake(
            lambda schedule, steps: [
                round(schedule.T * (1 - i / (steps - 1)) ** 1.5) for i in range(steps)
            ],
            "0 is where the last jump lands, but no place to ask the network: end at 1 or above.",
        ),
        Mistake(
            lambda schedule, steps: [
                1 + (schedule.T - 1) * (1 - i / (steps - 1)) ** 1.5 for i in range(steps)
            ],
            WHOLE,
        ),
        Mistake(
            lambda schedule, steps: [
                round(schedule.T ** (1 - i / (steps - 1))) for i in range(steps)
            ],
            FALLS,
        ),
        Mistake(
            lambda schedule, steps: [
                round(schedule.T * (1 - (i + 1) / (steps + 1)) ** 1.5) for i in range(steps)
            ],
            START,
        ),
        Mistake(
            lambda schedule, steps: [
                round(1 + (schedule.T - 1) * (1 - i / (steps - 1)) ** 0.5) for i in range(steps)
            ],
            NEARER,
        ),
    ),
)
