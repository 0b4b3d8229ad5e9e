"""Lesson 06, sampling: its exercises."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from ddpm_lessons.checks.exercise import Exercise, Mistake, Numbers, by_name
from ddpm_lessons.posterior import estimate_x0, p_step, q_posterior
from ddpm_lessons.schedule import Coefficients, NoiseSchedule, cosine_schedule

TEN = cosine_schedule(T=10)  # steps so large that no two formulas give the same numbers


def _tilde(c: Coefficients) -> float:
    return q_posterior(0.0, 0.0, c).var


def _coefficients() -> Iterable[tuple]:
    yield (Coefficients(beta=0.01, alpha=0.99, alpha_bar=0.5, alpha_bar_prev=0.5 / 0.99),)
    for t in range(2, TEN.T + 1):  # at t = 1 some of the mistakes would divide by 0
        yield (TEN.at(t),)


sigmas = Exercise(
    name="06.sigmas",
    task="Complete my_sigmas so that it returns both standard deviations, sqrt(beta_t) first.",
    solution=lambda c: (c.beta**0.5, _tilde(c) ** 0.5),
    cases=_coefficients,
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda c: (c.beta, _tilde(c)),
            "These are the variances. What multiplies z is their square root.",
        ),
        Mistake(
            lambda c: (_tilde(c) ** 0.5, c.beta**0.5),
            "Both are right and have changed places: the root of beta_t first.",
        ),
        Mistake(
            lambda c: (c.beta**0.5, c.beta**0.5),
            "The first is right. The second is the posterior's: beta_t times a fraction that is "
            "below 1.",
        ),
        Mistake(
            lambda c: (c.beta**0.5, ((1 - c.alpha_bar_prev) * c.beta) ** 0.5),
            "The first is right. In the second the division by 1 - alpha_bar_t is missing.",
        ),
        Mistake(
            lambda c: (c.beta**0.5, ((1 - c.alpha_bar) / (1 - c.alpha_bar_prev) * c.beta) ** 0.5),
            "The first is right. In the second the fraction is upside down: the posterior knows "
            "more, so its sigma must be the smaller one.",
        ),
        Mistake(
            lambda c: (c.beta**0.5, (1 - c.alpha_bar_prev) / (1 - c.alpha_bar) * c.beta**0.5),
            "The first is right. In the second you take the root of beta_t only; the fraction "
            "belongs under the root too.",
        ),
    ),
)

timesteps = Exercise(
    name="06.timesteps",
    task="Put a range there that gives 1000, 999, ..., 2, 1.",
    solution=lambda T=1000: range(T, 0, -1),
    tolerance=0,
    mistakes=(
        Mistake(
            lambda T=1000: range(T, 1, -1),
            "The last step, t = 1, is missing: a range leaves its end out. The chain would stop "
            "at x_1, with a little noise left.",
        ),
        Mistake(
            lambda T=1000: range(T, -1, -1),
            "One too many: at t = 0 the image is clean, and there is no step to undo.",
        ),
        Mistake(
            lambda T=1000: range(T - 1, -1, -1),
            "These are the rows of an array that counts from 0, as in the article's code. Here "
            "t counts noise steps, from 1.",
        ),
        Mistake(
            lambda T=1000: range(T - 1, 0, -1),
            "t = T is missing. x_T belongs to T, and the first question is about it.",
        ),
        Mistake(
            lambda T=1000: range(1, T + 1),
            "The right numbers, in the order of the forward process. Sampling walks down.",
        ),
        Mistake(
            lambda T=1000: range(T, 0),
            "This range is empty: without a third number it counts upwards.",
        ),
    ),
    numbers=Numbers(
        "Which range gives the t of a sampler's loop with T = {T}: {T}, ..., 2, 1?",
        lambda draws: {"T": draws.randrange(50, 4000, 50)},
    ),
)


def _pixels(seed: int = 6) -> Iterable[tuple]:
    """(x_t, c, eps, z): with some x0_hat beyond 1, as a network gives at large t."""
    generator = torch.Generator().manual_seed(seed)
    for t in (2, 5, 9):
        x_t, eps, z = 1.5 * torch.randn(3, 2, 1, 4, 4, generator=generator)
        yield x_t, TEN.at(t), eps, z


def _clipped(
    x_t: Tensor, c: Coefficients, eps: Tensor, z: Tensor, *, clip_x0: float | None = 1.0
) -> Tensor:
    p = p_step(x_t, c, eps, clip_x0=clip_x0).p
    return p.mean + p.var**0.5 * z


clipped_step = Exercise(
    name="06.clipped_step",
    task="Complete my_clipped_step: clip x0_hat to [-1, 1], then Eq. (7) and the noise.",
    solution=_clipped,
    cases=_pixels,
    mistakes=(
        Mistake(
            lambda x_t, c, eps, z: _clipped(x_t, c, eps, z, clip_x0=None),
            "This is the step without clipping. If you did clip: Eq. (11) does not know your "
            "clipped x0_hat, because it uses eps. Put x0_hat into Eq. (7).",
        ),
        Mistake(
            lambda x_t, c, eps, z: _clipped(x_t, c, eps, z, clip_x0=None).clamp(-1, 1),
            "You clip x_{t-1}. That one is noisy on purpose and must be allowed to leave [-1, 1]; "
            "clip the clean image, x0_hat.",
        ),
        Mistake(
            lambda x_t, c, eps, z: (
                q_posterior(estimate_x0(x_t, c, eps).clamp(0, 1), x_t, c).mean + c.beta**0.5 * z
            ),
            "You clip to [0, 1]. Images are in [-1, 1] here: -1 is paper, 0 is a middle grey.",
        ),
        Mistake(
            lambda x_t, c, eps, z: p_step(x_t, c, eps, clip_x0=1.0).p.mean,
            "Your mean is right. The noise is missing: add sigma_t z.",
        ),
        Mistake(
            lambda x_t, c, eps, z: p_step(x_t, c, eps, clip_x0=1.0).p.mean + c.beta * z,
            "Your mean is right. The noise has standard deviation sqrt(beta_t), not beta_t.",
        ),
        Mistake(
            lambda x_t, c, eps, z: estimate_x0(x_t, c, eps, clip_x0=1.0) + c.beta**0.5 * z,
            "You jump to x0_hat itself. One step goes only a little way there: x0_hat and x_t "
            "share the mean, Eq. (7).",
        ),
    ),
)


def _network(x_t: Tensor, t: Tensor) -> Tensor:
    """A network that takes t as every network here: (B,) int64."""
    if not isinstance(t, Tensor) or t.shape != (len(x_t),) or t.dtype != torch.int64:
        raise ValueError(f"t is {t!r}, expected a tensor ({len(x_t)},) of int64, one t an image")
    return (0.3 + 0.05 * t.view(-1, 1, 1, 1)) * x_t.sin()


def _chains(seed: int = 6) -> Iterable[tuple]:
    """(eps_model, schedule, x_T, z), where z[t] is the noise of step t."""
    generator = torch.Generator().manual_seed(seed)
    for schedule in (TEN, cosine_schedule(T=6)):
        x_T = torch.randn(2, 1, 4, 4, generator=generator)
        z = torch.randn(schedule.T + 1, 2, 1, 4, 4, generator=generator)
        yield _network, schedule, x_T, z


def _loop(
    sigma: Callable = lambda c, t: c.beta**0.5 if t > 1 else 0.0,
    *,
    steps: Callable = lambda T: range(T, 0, -1),
    told: Callable = lambda t, T: t,
    mean: Callable = lambda x, c, eps: p_step(x, c, eps).p.mean,
) -> Callable:
    """The whole of Algorithm 2, right as it stands, with one part exchanged for a wrong one."""

    def sample(eps_model: Callable, schedule: NoiseSchedule, x_T: Tensor, z: Tensor) -> Tensor:
        x = x_T
        for t in steps(schedule.T):
            c = schedule.at(t)
            eps = eps_model(x, torch.full((len(x),), told(t, schedule.T)))
            x = mean(x, c, eps) + sigma(c, t) * z[t]
        return x

    return sample


sampler = Exercise(
    name="06.sampler",
    task="Complete my_sampler so that it returns x_0: Algorithm 2, with the noise that is given.",
    solution=_loop(),
    cases=_chains,
    mistakes=(
        Mistake(
            _loop(lambda c, t: c.beta**0.5),
            "All but the last step is right: at t = 1 the image is finished, and noise would only "
            "be dirt on it.",
        ),
        Mistake(
            _loop(lambda c, t: c.beta if t > 1 else 0.0),
            "Your noise has standard deviation beta_t. That is its variance: take the root.",
        ),
        Mistake(
            _loop(lambda c, t: _tilde(c) ** 0.5),
            "Your sigma_t is the root of beta-tilde_t. A good choice, but the exercise asks for "
            "the article's, the root of beta_t.",
        ),
        Mistake(
            _loop(lambda c, t: 0.0),
            "You never add noise. Each step but the last ends with sigma_t z.",
        ),
        Mistake(
            _loop(steps=lambda T: range(T, 1, -1)),
            "Your chain stops at x_1: the step of t = 1 is missing.",
        ),
        Mistake(
            _loop(steps=lambda T: range(1, T + 1)),
            "Your loop walks upwards, from 1 to T. Sampling starts at T.",
        ),
        Mistake(
            _loop(told=lambda t, T: t - 1),
            "Your coefficients are right, but the network is told t - 1. It was trained to be "
            "told the t of the image that it sees.",
        ),
        Mistake(
            _loop(mean=lambda x, c, eps: x - c.beta / (1 - c.alpha_bar) ** 0.5 * eps),
            "In the mean the division by the root of alpha_t is missing.",
        ),
        Mistake(
            _loop(mean=lambda x, c, eps: (x - c.beta * eps) / c.alpha**0.5),
            "In the mean, beta_t still has to be divided by the root of 1 - alpha_bar_t.",
        ),
        Mistake(
            _loop(mean=lambda x, c, eps: (x - (1 - c.alpha_bar) ** 0.5 * eps) / c.alpha_bar**0.5),
            "You jump to x0_hat in every step. Algorithm 2 takes away a little: Eq. (11).",
        ),
        Mistake(
            _loop(
                mean=lambda x, c, eps: (x + c.beta / (1 - c.alpha_bar) ** 0.5 * eps) / c.alpha**0.5
            ),
            "You add the predicted noise. On the way back it is taken away.",
        ),
    ),
)

EXERCISES = by_name(timesteps, sampler, sigmas, clipped_step)
