"""What the samplers share: the state that they yield, and the checks of what they are given."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from torch import Tensor

from ddpm_lessons.door import (
    check_generator,
    check_images,
    check_index,
    check_loop,
)
from ddpm_lessons.schedule import NoiseSchedule


class Step(NamedTuple):
    """One state: x_t, and x0_hat, the clean image that the network sees in it (at t = 0, x)."""

    t: int
    x: Tensor
    x0_hat: Tensor


def check_chain(eps_model: object, schedule: object, x_T: object, *, generator: object) -> None:
    """Raise ValueError unless these are what a chain needs; the generator may be one an image."""
    check_loop(eps_model, schedule, None)
    check_images("x_T", x_T)
    check_generator(generator, images=len(x_T))


def choose_grid(schedule: NoiseSchedule, steps: int, timesteps: Sequence[int] | None) -> list[int]:
    """The timesteps at which the network is asked: `steps` of them, even, or those that are given.

    Raises ValueError unless they fall strictly within 1..T.
    """
    T = schedule.T
    return even_grid(T, steps) if timesteps is None else check_falling(T, timesteps)


def even_grid(T: int, steps: int) -> list[int]:
    """`steps` whole numbers that fall evenly from T to 1, both included (T alone for one step)."""
    steps = check_index("steps", steps, 1, T)
    if steps == 1:
        return [T]
    return [T - (i * (T - 1) + (steps - 1) // 2) // (steps - 1) for i in range(steps)]


def check_falling(T: int, timesteps: object) -> list[int]:
    """The timesteps as a list. Raises ValueError unless they fall strictly within 1..T."""
    if not isinstance(timesteps, Iterable):
        raise ValueError(f"timesteps is {timesteps!r}, expected a falling grid in 1..{T}")
    grid = [check_index("timesteps", t, 1, T) for t in timesteps]
    if not grid or any(s >= t for t, s in pairwise(grid)):
        raise ValueError(f"timesteps is {list(timesteps)!r}, expected a falling grid in 1..{T}")
    return grid
