"""DDIM: the same marginals in fewer steps, with less noise or none; and the way back."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from ddpm_lessons.door import (
    EpsModel,
    Randomness,
    check_images,
    check_loop,
    check_number,
    predict_noise,
)
from ddpm_lessons.flow import flow_jump
from ddpm_lessons.forward import predict_eps, predict_x0
from ddpm_lessons.gaussian import Gaussian
from ddpm_lessons.posterior import estimate_x0, q_posterior
from ddpm_lessons.samplers.chain import Step, check_chain, choose_grid
from ddpm_lessons.schedule import NoiseSchedule


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
    check_chain(eps_model, schedule, x_T, generator=generator)
    check_number("eta", eta, "[0, 1]")
    grid = choose_grid(schedule, steps, timesteps)
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


def ddim_invert(
    eps_model: EpsModel,
    schedule: NoiseSchedule,
    x_0: Tensor,
    *,
    steps: int = 50,
    timesteps: Sequence[int] | None = None,
) -> Iterator[Step]:
    """DDIM without noise, backwards: the x_T from which `ddim` comes back to (nearly) x_0.

    Song, Meng & Ermon (2021), section 4.3. Yields the states at 0 and at each grid point, up to T;
    the grid is that of `ddim`, and falls as there. A jump up needs the noise at its far end, which
    is not known yet, and takes that at the near end: the error of the way there and back falls as
    1 / steps. At t = 0, where the network was never asked, it is asked as if x_0 were x_1. One call
    of eps_model a jump, and one at the end for x0_hat. Raises ValueError, at the first state, where
    an argument does not fit.
    """
    check_loop(eps_model, schedule, None)
    check_images("x_0", x_0)
    grid = [0, *reversed(choose_grid(schedule, steps, timesteps))]
    levels, x = schedule.alpha_bars.tolist(), x_0
    for t, s in pairwise([*grid, None]):
        eps = predict_noise(eps_model, x, max(t, 1))
        yield Step(t, x, predict_x0(x, schedule.at(t), eps) if t else x)
        if s is not None:
            x = flow_jump(x, eps, alpha_bar=levels[t], alpha_bar_to=levels[s])
