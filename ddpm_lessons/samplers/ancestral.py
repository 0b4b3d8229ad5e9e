"""Algorithm 2: one step for each t, each with noise of its own."""

from collections.abc import Iterator

from torch import Tensor

from ddpm_lessons.door import EpsModel, Randomness, predict_noise
from ddpm_lessons.posterior import p_step
from ddpm_lessons.samplers.chain import Step, check_chain
from ddpm_lessons.schedule import NoiseSchedule


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
    check_chain(eps_model, schedule, x_T, generator=generator)
    x = x_T
    for t in range(schedule.T, 0, -1):
        eps = predict_noise(eps_model, x, t)
        p, x0_hat = p_step(x, schedule.at(t), eps, variance=variance, clip_x0=clip_x0)
        yield Step(t, x, x0_hat)
        x = p.sample(generator) if t > 1 else p.mean
    yield Step(0, x, x)
