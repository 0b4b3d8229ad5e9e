"""Samplers that know a measurement, and two ways to begin a chain in its middle."""

import math
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from ddpm_lessons.door import (
    EpsModel,
    Randomness,
    check_images,
    check_index,
    check_loop,
    check_number,
    noise_with_gradient,
    predict_noise,
    randn_like,
)
from ddpm_lessons.flow import log_variance
from ddpm_lessons.forward import q_sample, q_step
from ddpm_lessons.gaussian import Gaussian
from ddpm_lessons.inverse.bayes import check_gradient
from ddpm_lessons.inverse.operators import Measurement, check_measurement
from ddpm_lessons.posterior import estimate_x0, p_step, q_posterior
from ddpm_lessons.samplers import Step, ddim
from ddpm_lessons.samplers.chain import check_chain, even_grid
from ddpm_lessons.schedule import NoiseSchedule


def dps(
    eps_model: EpsModel,
    schedule: NoiseSchedule,
    x_T: Tensor,
    *,
    measurement: Measurement,
    step_size: float = 1.0,
    clip_x0: float | None = None,
    generator: Randomness = None,
) -> Iterator[Step]:
    """Diffusion posterior sampling as published (Chung et al. 2023, Algorithm 1). T + 1 states.

    `ddpm` with the posterior variance, and after each step a move of the state by -step_size / |y -
    A x0_hat| times the gradient of |y - A x0_hat|^2 by x_t, through the network; norms are those of
    each image alone. The authors' code takes half of that. The length of the move is a choice and
    follows from no density: what comes out fits y, but is no sample of p(x_0 | y). `clip_x0` as in
    `p_step`. Raises ValueError, at the first step, where an argument does not fit.
    """
    check_chain(eps_model, schedule, x_T, generator=generator)
    check_measurement(measurement)
    check_number("step_size", step_size, "[0, inf)")
    x = x_T
    for t in range(schedule.T, 0, -1):
        with torch.enable_grad():
            here = x.detach().requires_grad_()
            eps = noise_with_gradient(eps_model, here, t)
            check_gradient(eps)
            p, x0_hat = p_step(here, schedule.at(t), eps, variance="posterior", clip_x0=clip_x0)
            squares = (measurement.residual(x0_hat) ** 2).flatten(1).sum(1)  # (B,)
            slope = torch.autograd.grad(squares.sum(), here)[0]
        yield Step(t, x, x0_hat.detach())
        p = Gaussian(p.mean.detach(), p.var)
        norm = squares.detach().sqrt().clamp(min=torch.finfo(x.dtype).eps)
        move = step_size / norm.view(-1, *(1,) * (x.ndim - 1)) * slope
        x = (p.sample(generator) if t > 1 else p.mean) - move
    yield Step(0, x, x)


def repaint(
    eps_model: EpsModel,
    schedule: NoiseSchedule,
    x_T: Tensor,
    *,
    measurement: Measurement,
    steps: int = 50,
    resamples: int = 10,
    clip_x0: float | None = None,
    generator: Randomness = None,
) -> Iterator[Step]:
    """RePaint (Lugmayr et al. 2022, Algorithm 1): what is known is painted over, noised as x_t is.

    The grid of `steps` timesteps is that of `ddim`, and a jump that of eta = 1. After each jump to
    s the measured part is replaced, x + A^T (y_s - A x) / gain, with y noised to that level; then
    the state goes up again by the forward process and down once more, `resamples` times in all, so
    that the rest can come to fit it. Where y is noisier than x_s, at the end, it has nothing more
    to say, and the chain goes on without it: for A = I that is `denoise`.
    Yields steps + 1 states, each as the last resample left it; steps * resamples calls of
    eps_model, fewer at the end. Every round loses the little variance that a jump loses: the more
    resamples, the finer the steps should be.
    Raises ValueError, at the first step, where an argument does not fit, the operator has no gain,
    or y is noisier than every state of the grid.
    """
    check_chain(eps_model, schedule, x_T, generator=generator)
    resamples = check_index("resamples", resamples, 1, 10**6)
    grid = [*even_grid(schedule.T, steps), 0]
    bars = schedule.alpha_bars.tolist()
    check_repaint(measurement, [bars[s] for s in grid[1:]])
    x = x_T
    for t, s in pairwise(grid):
        c = schedule.between(s, t)
        known = noise_to_add(measurement, c.alpha_bar_prev) >= 0
        rounds = resamples if known and s > 0 else 1
        for turn in range(rounds):
            x0_hat = estimate_x0(x, c, predict_noise(eps_model, x, t), clip_x0=clip_x0)
            if turn == 0:
                yield Step(t, x, x0_hat)
            p = q_posterior(x0_hat, x, c)
            x_s = p.sample(generator) if s > 0 else p.mean
            if known:
                x_s = paint_over(x_s, measurement, c.alpha_bar_prev, generator=generator)
            x = q_step(x_s, c).sample(generator) if turn < rounds - 1 else x_s
    yield Step(0, x, x)


def noise_to_add(measurement: Measurement, alpha_bar: float) -> float:
    """The variance that sqrt(alpha_bar) y lacks to be as noisy as A x_t; negative if it is noisier.

    A x_t has the noise of A eps, gain (1 - alpha_bar), and alpha_bar noise_std^2 is there already.
    """
    noise_var = measurement.noise_std**2
    return measurement.operator.gain * (1 - alpha_bar) - alpha_bar * noise_var


def paint_over(
    x: Tensor, measurement: Measurement, alpha_bar: float, *, generator: Randomness
) -> Tensor:
    """x with its measured part replaced by y, noised to alpha_bar: x + A^T (y_s - A x) / gain."""
    operator, std = measurement.operator, noise_to_add(measurement, alpha_bar) ** 0.5
    difference = measurement.residual(x, alpha_bar**0.5)
    if std > 0:
        difference = difference + std * randn_like(difference, generator)
    return x + operator.adjoint(difference) / operator.gain


def check_repaint(measurement: object, alpha_bars: list[float]) -> None:
    """Raise ValueError unless the measurement can replace a part of a state of these levels."""
    check_measurement(measurement)
    if measurement.operator.gain is None:
        raise ValueError(
            "measurement.operator has no gain, expected one with A A^T = gain I: what it measured "
            "can be replaced without solving for it"
        )
    if max(noise_to_add(measurement, alpha_bar) for alpha_bar in alpha_bars) < 0:
        found = f"measurement.noise_std is {measurement.noise_std:g}"
        raise ValueError(f"{found}, expected less noise than in some state after x_T")


def noise_timestep(schedule: NoiseSchedule, noise_std: float) -> int:
    """The t at which x_t / sqrt(alpha_bar_t) has (nearly) the noise of x_0 + noise_std z.

    (1 - alpha_bar_t) / alpha_bar_t = noise_std^2; the nearest t in the logarithm. Raises ValueError
    where noise_std lies outside what t = 1 and T have.
    """
    if not isinstance(schedule, NoiseSchedule):
        raise ValueError(f"schedule is {schedule!r}, expected a NoiseSchedule")
    check_number("noise_std", noise_std, "(0, inf)")
    level, wanted = log_variance(schedule)[1:], 2 * math.log(noise_std)
    low, high = level[0].item(), level[-1].item()
    if not low - 1e-9 <= wanted <= high + 1e-9:
        expected = f"{math.exp(low / 2):.3g}..{math.exp(high / 2):.3g}, as at t = 1..{schedule.T}"
        raise ValueError(f"noise_std is {noise_std!r}, expected a number in {expected}")
    return int((level - wanted).abs().argmin()) + 1


def denoise(
    eps_model: EpsModel,
    schedule: NoiseSchedule,
    y: Tensor,
    *,
    noise_std: float,
    steps: int | None = None,
    generator: Randomness = None,
) -> Iterator[Step]:
    """Samples of p(x_0 | y) for y = x_0 + noise_std z: sqrt(alpha_bar_t) y is an x_t of the chain.

    Nothing is approximated but the chain itself: t is `noise_timestep`, and from there `ddim` goes
    down with eta = 1 on `steps` timesteps (None: all). The first state's x0_hat is the mean of
    p(x_0 | y), after one call of eps_model. Raises ValueError, at the first step, where an argument
    does not fit.
    """
    check_loop(eps_model, schedule, None)
    check_images("y", y)
    t = noise_timestep(schedule, noise_std)
    x_t = schedule.at(t).alpha_bar ** 0.5 * y
    yield from descend(eps_model, schedule, x_t, t=t, steps=steps, generator=generator)


def sdedit(
    eps_model: EpsModel,
    schedule: NoiseSchedule,
    x_0: Tensor,
    *,
    t: int,
    steps: int | None = None,
    generator: Randomness = None,
) -> Iterator[Step]:
    """SDEdit (Meng et al. 2022): noise an image or a sketch x_0 up to t, and sample back.

    What noise at t drowns is drawn anew, in the manner of the data; what is coarser stays: t near 1
    keeps x_0, t = T forgets it. The way back is that of `denoise`. Raises ValueError, at the first
    step, where an argument does not fit.
    """
    check_loop(eps_model, schedule, None)
    check_images("x_0", x_0)
    t = check_index("t", t, 1, schedule.T)
    x_t = q_sample(x_0, schedule.at(t), randn_like(x_0, generator))
    yield from descend(eps_model, schedule, x_t, t=t, steps=steps, generator=generator)


def descend(
    eps_model: EpsModel,
    schedule: NoiseSchedule,
    x_t: Tensor,
    *,
    t: int,
    steps: int | None,
    generator: Randomness,
) -> Iterator[Step]:
    """From x_t to x_0 with as much noise as the posterior has; `steps` timesteps, or all t."""
    grid = even_grid(t, t if steps is None else steps)
    return ddim(eps_model, schedule, x_t, timesteps=grid, eta=1.0, generator=generator)
