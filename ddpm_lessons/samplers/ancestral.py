"""From noise to an image: the chains that walk from t = T to t = 0.

A sampler is a generator of `Step`s: sliders, progress bars and tests consume the same loop. It
calls the network once a step, with t as a (B,) int64 tensor, in eval mode and without gradients;
between two steps the network is in the mode it was in, and gradients are as the consumer set them.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from torch import Tensor

from ddpm_lessons.door import (
    EpsModel,
    Randomness,
    check_generator,
    check_images,
    check_index,
    check_loop,
    check_number,
    predict_noise,
)
from ddpm_lessons.forward import predict_eps
from ddpm_lessons.gaussian import Gaussian
from ddpm_lessons.posterior import estimate_x0, p_step, q_posterior
from ddpm_lessons.schedule import NoiseSchedule


class Step(NamedTuple):
    """One state: x_t, and x0_hat, the clean image that the network sees in it (at t = 0, x)."""

    t: int
    x: Tensor
    x0_hat: Tensor


def ddpm(
    eps_model: EpsModel,
    schedule: NoiseSchedule,
    x_T: Tensor,
    *,
    variance: str = "beta",
    clip_x0: float | None = None,
    generator: Randomness = None,
) -> Iterator[Step]:
    """Algorithm 2: ancestral sampling. Yields T + 1 states, t = T ... 0, by T calls of eps_model.

    x_T is (B, ...) noise; `variance` and `clip_x0` as in `p_step`; noise is drawn for the whole
    batch at each t > 1, and none at t = 1, from one generator, or from a list with one for each
    image. Raises ValueError, at the first step, where an argument does not fit.
    """
    _check(eps_model, schedule, x_T, generator)
    x = x_T
    for t in range(schedule.T, 0, -1):
        eps = predict_noise(eps_model, x, t)
        p, x0_hat = p_step(x, schedule.at(t), eps, variance=variance, clip_x0=clip_x0)
        yield Step(t, x, x0_hat)
        x = p.sample(generator) if t > 1 else p.mean
    yield Step(0, x, x)


def ddim(
    eps_model: EpsModel,
    schedule: NoiseSchedule,
    x_T: Tensor,
    *,
    steps: int = 50,
    timesteps: Sequence[int] | None = None,
    eta: float = 0.0,
    clip_x0: float | None = None,
    generator: Randomness = None,
) -> Iterator[Step]:
    """DDIM (Song, Meng & Ermon 2021, Eq. 12): jumps over a sub-grid of 1..T, from T to 0.

    Yields one state for each grid point, and the state at 0. `steps` grid points spread evenly
    from T to 1, or an explicit falling grid `timesteps`. `eta` in [0, 1] scales the noise: 0 draws
    none, 1 draws as much as the posterior of each jump has, which over all T steps is
    `ddpm(variance="posterior")`. Exactly one call of eps_model a grid point. Raises ValueError, at
    the first step, where an argument does not fit.
    """
    _check(eps_model, schedule, x_T, generator)
    check_number("eta", eta, "[0, 1]")
    T = schedule.T
    grid = _even_grid(T, steps) if timesteps is None else _check_grid(T, timesteps)
    x = x_T
    for t, s in zip(grid, [*grid[1:], 0], strict=True):
        c = schedule.between(s, t)
        x0_hat = estimate_x0(x, c, predict_noise(eps_model, x, t), clip_x0=clip_x0)
        yield Step(t, x, x0_hat)
        eps = predict_eps(x, c, x0_hat)  # after clipping, the noise of the clipped x0_hat
        var = eta**2 * q_posterior(x0_hat, x, c).var  # 0 at s = 0
        mean = c.alpha_bar_prev**0.5 * x0_hat + (1 - c.alpha_bar_prev - var) ** 0.5 * eps
        x = Gaussian(mean, var).sample(generator) if var > 0 else mean
    yield Step(0, x, x)


SAMPLERS = {"ddpm": ddpm, "ddim": ddim}


def _check(eps_model: object, schedule: object, x_T: object, generator: object) -> None:
    check_loop(eps_model, schedule, None)
    check_images("x_T", x_T)
    check_generator(generator, images=len(x_T))


def _even_grid(T: int, steps: int) -> list[int]:
    """`steps` whole numbers that fall evenly from T to 1, both included (T alone for one step)."""
    steps = check_index("steps", steps, 1, T)
    if steps == 1:
        return [T]
    return [T - (i * (T - 1) + (steps - 1) // 2) // (steps - 1) for i in range(steps)]


def _check_grid(T: int, timesteps: Sequence[int]) -> list[int]:
    if not isinstance(timesteps, Iterable):
        raise ValueError(f"timesteps is {timesteps!r}, expected a falling grid in 1..{T}")
    grid = [check_index("timesteps", t, 1, T) for t in timesteps]
    if not grid or any(s >= t for t, s in pairwise(grid)):
        raise ValueError(f"timesteps is {list(timesteps)!r}, expected a falling grid in 1..{T}")
    return grid
