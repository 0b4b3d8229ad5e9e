"""Solvers of second order: fewer calls of the network for the same error.

Where DDIM takes a straight piece of the probability-flow ODE for each call, these look at how the
path bends: Heun's method asks the network at both ends of a piece, DPM-Solver++ remembers what it
was told at the last one.
"""

import math
from collections.abc import Iterator, Sequence

from torch import Tensor

from ddpm_lessons.door import EpsModel, Randomness, check_number, equation, predict_noise
from ddpm_lessons.flow import flow_jump
from ddpm_lessons.forward import predict_eps
from ddpm_lessons.gaussian import Gaussian
from ddpm_lessons.posterior import estimate_x0
from ddpm_lessons.samplers.chain import Step, check_chain, choose_grid
from ddpm_lessons.schedule import Coefficients, NoiseSchedule


def heun(
    eps_model: EpsModel,
    schedule: NoiseSchedule,
    x_T: Tensor,
    *,
    steps: int = 25,
    timesteps: Sequence[int] | None = None,
    clip_x0: float | None = None,
    generator: Randomness = None,
) -> Iterator[Step]:
    """Heun's method on the probability-flow ODE (Karras et al. 2022, Algorithm 1; no noise).

    Each jump is made twice: with the noise at its start, and, from where that leads, with the mean
    of the noise at both ends. Two calls of eps_model a grid point, but one at the last: the jump to
    0, where there is nothing to ask, is DDIM's. The error falls as 1 / steps^2. The grid and
    `clip_x0` as in `ddim`; `generator` as in every sampler, though nothing is drawn. Raises
    ValueError, at the first step, where an argument does not fit.
    """
    check_chain(eps_model, schedule, x_T, generator=generator)
    grid = choose_grid(schedule, steps, timesteps)
    x = x_T
    for t, s in zip(grid, [*grid[1:], 0], strict=True):
        c = schedule.between(s, t)
        levels = {"alpha_bar": c.alpha_bar, "alpha_bar_to": c.alpha_bar_prev}
        x0_hat, eps = look(eps_model, x, t, c=c, clip_x0=clip_x0)
        yield Step(t, x, x0_hat)
        there = flow_jump(x, eps, **levels)
        if s > 0:
            _, eps_there = look(eps_model, there, s, c=schedule.at(s), clip_x0=clip_x0)
            there = flow_jump(x, (eps + eps_there) / 2, **levels)
        x = there
    yield Step(0, x, x)


def look(
    eps_model: EpsModel, x: Tensor, t: int, *, c: Coefficients, clip_x0: float | None
) -> tuple[Tensor, Tensor]:
    """x0_hat, clipped, and the noise that goes with it; c: with the alpha_bar of t."""
    x0_hat = estimate_x0(x, c, predict_noise(eps_model, x, t), clip_x0=clip_x0)
    return x0_hat, predict_eps(x, c, x0_hat)


def dpm_solver(
    eps_model: EpsModel,
    schedule: NoiseSchedule,
    x_T: Tensor,
    *,
    steps: int = 20,
    timesteps: Sequence[int] | None = None,
    eta: float = 0.0,
    clip_x0: float | None = None,
    generator: Randomness = None,
) -> Iterator[Step]:
    """DPM-Solver++(2M) (Lu et al. 2022, "DPM-Solver++", Algorithm 2), and its stochastic sister.

    x0_hat is taken to change along a straight line in lambda = log(sqrt(alpha_bar) / sqrt(1 -
    alpha_bar)), through its last two values; the rest of the ODE is solved exactly. One call of
    eps_model a grid point. The first jump, which has no value before it, and the one to 0, where
    lambda is infinite, are DDIM's. `eta` in [0, 1]: 0 draws no noise, and the error falls as
    1 / steps^2; 1 solves the reverse SDE (SDE-DPM-Solver++(2M)). The grid and `clip_x0` as in
    `ddim`. Raises ValueError, at the first step, where an argument does not fit.
    """
    check_chain(eps_model, schedule, x_T, generator=generator)
    check_number("eta", eta, "[0, 1]")
    grid = choose_grid(schedule, steps, timesteps)
    x, before = x_T, None
    for t, s in zip(grid, [*grid[1:], 0], strict=True):
        c = schedule.between(s, t)
        x0_hat = estimate_x0(x, c, predict_noise(eps_model, x, t), clip_x0=clip_x0)
        yield Step(t, x, x0_hat)
        h, ahead = half_log_snr(c.alpha_bar_prev) - half_log_snr(c.alpha_bar), x0_hat
        if before is not None and s > 0:
            x0_before, h_before = before
            ahead = x0_hat + h / (2 * h_before) * (x0_hat - x0_before)
        p = solver_jump(x, ahead, c, eta=eta)
        x = p.sample(generator) if p.var > 0 else p.mean
        before = (x0_hat, h)
    yield Step(0, x, x)


def half_log_snr(alpha_bar: float) -> float:
    """lambda = log(sqrt(alpha_bar) / sqrt(1 - alpha_bar)); infinite for 1."""
    return math.log(alpha_bar / (1 - alpha_bar)) / 2 if alpha_bar < 1 else math.inf


@equation
def solver_jump(
    x_t: float | Tensor, x0_hat: float | Tensor, c: Coefficients, *, eta: float
) -> Gaussian:
    """The jump of `c` for an x0_hat that stays as it is: exact then, for every eta in [0, 1].

    With q = e^-h, the ratio of sqrt(alpha_bar) / sqrt(1 - alpha_bar) before and after the jump, the
    mean is q^eta std_s / std_t x_t + sqrt(alpha_bar_s) (1 - q^(1 + eta)) x0_hat, and the variance
    (1 - alpha_bar_s) (1 - q^(2 eta)).
    """
    std, std_s = (1 - c.alpha_bar) ** 0.5, (1 - c.alpha_bar_prev) ** 0.5
    q = (c.alpha_bar / c.alpha_bar_prev) ** 0.5 * std_s / std
    mean = q**eta * std_s / std * x_t + c.alpha_bar_prev**0.5 * (1 - q ** (1 + eta)) * x0_hat
    return Gaussian(mean, std_s**2 * (1 - q ** (2 * eta)))
