"""The probability-flow ODE: from noise to image and back, on one path, without any noise.

It moves x_t so that at every t the states are distributed as q(x_t), like those of the forward
process. In the coordinates y = x_t / sqrt(alpha_bar_t) and sigma = sqrt((1 - alpha_bar_t) /
alpha_bar_t) it reads dy / dsigma = eps(x_t, t): the noise prediction is the velocity.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from ddpm_lessons.door import (
    EpsModel,
    check_choice,
    check_images,
    check_index,
    check_loop,
    check_number,
    check_same,
    equation,
    predict_noise,
)
from ddpm_lessons.schedule import NoiseSchedule

METHODS = ("euler", "heun")


class FlowState(NamedTuple):
    """One point of the path."""

    t: int
    x: Tensor


@equation
def flow_jump(
    x: float | Tensor, eps: float | Tensor, *, alpha_bar: float, alpha_bar_to: float
) -> float | Tensor:
    """One straight piece of the path, y_to = y + (sigma_to - sigma) eps, for x = sqrt(alpha_bar) y.

    From the noise level of alpha_bar to that of alpha_bar_to, both numbers in (0, 1], in either
    direction. This is Euler's method, and DDIM's step without noise (Song, Meng & Ermon 2021,
    Eq. 13 and 14). Raises ValueError where a level leaves its range.
    """
    check_number("alpha_bar", alpha_bar, "(0, 1]")
    check_number("alpha_bar_to", alpha_bar_to, "(0, 1]")
    shrink = (alpha_bar_to / alpha_bar) ** 0.5
    return shrink * x + ((1 - alpha_bar_to) ** 0.5 - shrink * (1 - alpha_bar) ** 0.5) * eps


def probability_flow(
    eps_model: EpsModel,
    schedule: NoiseSchedule,
    x: Tensor,
    *,
    timesteps: Sequence[int],
    method: str = "heun",
) -> Iterator[FlowState]:
    """Follow the ODE (Song et al. 2021, Eq. 13) along a grid of timesteps. Yields a state for each.

    x: (B, ...), at the first of `timesteps`, which rise (encode an image) or fall (decode noise)
    within 1..T; a falling grid may end with 0. method: "euler", one call of eps_model a step, and
    an error proportional to the length of the steps; or "heun", which averages the velocities at
    both ends of a step: two calls, and an error proportional to its square. A step to 0, where
    there is no eps to ask for, is Euler's. Raises ValueError, at the first state, where an
    argument does not fit.
    """
    check_loop(eps_model, schedule, None)
    check_images("x", x)
    check_choice("method", method, METHODS)
    grid = check_grid(schedule.T, timesteps)
    alpha_bars = schedule.alpha_bars.tolist()
    yield FlowState(grid[0], x)
    for t, s in pairwise(grid):
        levels = {"alpha_bar": alpha_bars[t], "alpha_bar_to": alpha_bars[s]}
        eps = predict_noise(eps_model, x, t)
        x_s = flow_jump(x, eps, **levels)
        if method == "heun" and s > 0:
            x_s = flow_jump(x, (eps + predict_noise(eps_model, x_s, s)) / 2, **levels)
        x = x_s
        yield FlowState(s, x)


def even_timesteps(schedule: NoiseSchedule, n: int) -> list[int]:
    """At most n timesteps that rise from 1 to T, nearly evenly spread in log sigma.

    At equal steps in t an ODE's solver would spend most of them where hardly anything happens.
    Fewer than n where neighbours fall on the same whole number. Raises ValueError where n leaves
    2..T.
    """
    if not isinstance(schedule, NoiseSchedule):
        raise ValueError(f"schedule is {schedule!r}, expected a NoiseSchedule")
    n = check_index("n", n, min(2, schedule.T), schedule.T)
    level = log_variance(schedule)[1:]
    wanted = torch.linspace(level[0].item(), level[-1].item(), n, dtype=torch.float64)
    nearest = (wanted[:, None] - level).abs().argmin(dim=1) + 1
    return nearest.unique().tolist()


def slerp(x: Tensor, y: Tensor, share: float) -> Tensor:
    """A point between x and y, `share` of the way along the arc on a sphere, image by image.

    x, y: (B, ...). share: 0 gives x, 1 gives y. With theta, the angle between two images as seen
    from 0, it is sin((1 - share) theta) / sin(theta) x + sin(share theta) / sin(theta) y (Shoemake
    1985; for x_T: Song, Meng & Ermon 2021, appendix D.5). Two images of one norm stay on it, as
    noise must; a straight line would pass inside. Raises ValueError where an argument does not fit,
    where an image is 0, or where two point in opposite directions: between those there are many
    arcs.
    """
    check_images("x", x)
    check_images("y", y)
    check_same({"x": x, "y": y})
    check_number("share", share, "[0, 1]")
    wide = torch.promote_types(x.dtype, torch.float32)
    rows = [image.reshape(len(image), -1).to(wide) for image in (x, y)]
    u, v = (row / row.norm(dim=1, keepdim=True) for row in rows)
    angle = 2 * torch.atan2((u - v).norm(dim=1), (u + v).norm(dim=1))  # also right near 0 and pi
    if not (angle < math.pi - 1e-3).all():  # nor NaN
        raise ValueError(
            "y has an image of 0, or opposite to that of x, expected an angle below pi"
        )
    angle = angle.view(-1, *(1,) * (x.ndim - 1)) / math.pi  # (B, 1, ...), as torch.sinc takes it
    parts = [a * torch.sinc(a * angle) / torch.sinc(angle) for a in (1 - share, share)]
    return (parts[0] * x + parts[1] * y).to(x.dtype)


def log_variance(schedule: NoiseSchedule) -> Tensor:
    """log sigma_t^2 = log((1 - alpha_bar_t) / alpha_bar_t) for t = 0..T, (T + 1,); -inf at 0."""
    return torch.log((1 - schedule.alpha_bars) / schedule.alpha_bars)


def check_grid(T: int, timesteps: object) -> list[int]:
    """The timesteps as a list: a strictly rising grid in 1..T, or a strictly falling one in 0..T.

    Raises ValueError for another.
    """
    expected = f"at least one of 1..{T}, rising, or falling and then perhaps 0"
    if not isinstance(timesteps, (Sequence, Tensor)) or isinstance(timesteps, (str, bytes)):
        raise ValueError(f"timesteps is {timesteps!r}, expected {expected}")
    grid = [check_index("timesteps", t, 0, T) for t in timesteps]
    rising = all(t < s for t, s in pairwise(grid))
    falling = all(t > s for t, s in pairwise(grid))
    if not grid or grid[0] == 0 or not (rising or falling):
        raise ValueError(f"timesteps is {list(timesteps)!r}, expected {expected}")
    return grid
