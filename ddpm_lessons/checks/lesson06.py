"""Lesson 06, sampling: its exercises."""

from collections.abc import Iterable

import torch
from torch import Tensor

from ddpm_lessons.checks.exercise import Exercise, Mistake, Numbers, by_name
from ddpm_lessons.checks.lesson06_open import own_sigma
from ddpm_lessons.checks.reverse import in_steps, sigma, tilde
from ddpm_lessons.forward import predict_x0
from ddpm_lessons.posterior import p_mean_from_eps, q_posterior
from ddpm_lessons.schedule import Coefficients, cosine_schedule

TEN = cosine_schedule(T=10)  # steps so large that no two formulas give the same numbers


def _coefficients() -> Iterable[tuple]:
    yield (Coefficients(beta=0.01, alpha=0.99, alpha_bar=0.5, alpha_bar_prev=0.5 / 0.99),)
    for t in range(2, TEN.T + 1):  # at t = 1 some of the mistakes would divide by 0
        yield (TEN.at(t),)


sigmas = Exercise(
    name="06.sigmas",
    task="Complete my_sigmas so that it returns both standard deviations, sqrt(beta_t) first.",
    solution=lambda c: (
        c.beta**0.5,
        ((1 - c.alpha_bar_prev) / (1 - c.alpha_bar) * c.beta) ** 0.5,
    ),
    cases=_coefficients,
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda c: (c.beta, tilde(c)),
            "These are the variances. What multiplies z is their square root.",
        ),
        Mistake(
            lambda c: (c.beta**0.5, tilde(c)),
            "The first is right. The second is still a variance: take its root too.",
        ),
        Mistake(
            lambda c: (tilde(c) ** 0.5, c.beta**0.5),
            "Both are right and have changed places: the root of beta_t first.",
        ),
        Mistake(
            lambda c: (c.beta**0.5, c.beta**0.5),
            "The first is right. In the second beta_t is multiplied by a fraction below 1.",
        ),
        Mistake(
            lambda c: (c.beta**0.5, ((1 - c.alpha_bar_prev) * c.beta) ** 0.5),
            "The first is right. In the second the division by 1 - alpha_bar_t is missing.",
        ),
        Mistake(
            lambda c: (c.beta**0.5, ((1 - c.alpha_bar) / (1 - c.alpha_bar_prev) * c.beta) ** 0.5),
            "The first is right. In the second the fraction is upside down: it must be below 1.",
        ),
        Mistake(
            lambda c: (c.beta**0.5, (1 - c.alpha_bar_prev) / (1 - c.alpha_bar) * c.beta**0.5),
            "The first is right. In the second the fraction belongs under the root too.",
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
            "These are the rows of an array that counts from 0. Here t counts steps, from 1.",
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
        lambda draws: {"T": draws.randrange(20, 400, 10)},
    ),
)


def _pixels(seed: int = 6) -> Iterable[tuple]:
    """(x_t, c, eps, z): with some x0_hat beyond 1, as a network gives at large t."""
    generator = torch.Generator().manual_seed(seed)
    for t in (2, 5, 9):
        x_t, eps, z = 1.5 * torch.randn(3, 2, 1, 4, 4, generator=generator)
        yield x_t, TEN.at(t), eps, z


def _clipped_step(x_t, c, eps, z):
    """Clip Eq. (15), put it into Eq. (7); then noise of variance beta_t."""
    x0_hat = predict_x0(x_t, c, eps).clamp(-1, 1)
    return q_posterior(x0_hat, x_t, c).mean + c.beta**0.5 * z


def _clip_with(low=-1, high=1, sigma=lambda c: c.beta**0.5, mean=q_posterior):
    """The same step, right as it stands, with one part exchanged for a wrong one."""

    def step(x_t, c, eps, z):
        x0_hat = predict_x0(x_t, c, eps).clamp(low, high)
        return mean(x0_hat, x_t, c)[0] + sigma(c) * z

    return step


clipped_step = Exercise(
    name="06.clipped_step",
    task="Complete my_clipped_step: clip x0_hat to [-1, 1], then Eq. (7) and the noise.",
    solution=_clipped_step,
    cases=_pixels,
    mistakes=(
        Mistake(
            _clip_with(low=-torch.inf, high=torch.inf),
            "This is the step without clipping. If you did clip: Eq. (11) does not know your "
            "clipped x0_hat, because it uses eps. Put x0_hat into Eq. (7).",
        ),
        Mistake(
            lambda *args: _clip_with(low=-torch.inf, high=torch.inf)(*args).clamp(-1, 1),
            "You clip x_{t-1}. That one is noisy on purpose and must be allowed to leave [-1, 1]; "
            "clip the clean image, x0_hat.",
        ),
        Mistake(
            lambda *args: _clipped_step(*args).clamp(-1, 1),
            "You clip x0_hat, as you should, but x_{t-1} as well. That one is noisy on purpose.",
        ),
        Mistake(
            _clip_with(low=0),
            "You clip to [0, 1]. Images are in [-1, 1] here: -1 is paper, 0 is a middle grey.",
        ),
        Mistake(
            _clip_with(sigma=lambda c: 0),
            "Your mean is right. The noise is missing: add sigma_t z.",
        ),
        Mistake(
            _clip_with(sigma=lambda c: c.beta),
            "Your mean is right. The noise has standard deviation sqrt(beta_t), not beta_t.",
        ),
        Mistake(
            _clip_with(sigma=lambda c: tilde(c) ** 0.5),
            "Your mean is right. Your sigma_t is the root of beta-tilde_t, not that of beta_t.",
        ),
        Mistake(
            _clip_with(mean=lambda x0_hat, x_t, c: (x0_hat,)),
            "You jump to x0_hat itself. In Eq. (7) x0_hat and x_t share the mean.",
        ),
        Mistake(
            _clip_with(mean=lambda x0_hat, x_t, c: q_posterior(x_t, x0_hat, c)),
            "x0_hat and x_t have changed places in Eq. (7): q_posterior(x_0, x_t, c).",
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


def _sampler(eps_model, schedule, x_T, z):
    """All of Algorithm 2: from x_T down to x_0, with noise in every step but the last."""
    x = x_T
    for t in range(schedule.T, 0, -1):
        c = schedule.at(t)
        eps = eps_model(x, torch.full((len(x),), t))
        x = (x - c.beta / (1 - c.alpha_bar) ** 0.5 * eps) / c.alpha**0.5
        if t > 1:
            x = x + c.beta**0.5 * z[t]
    return x


def _loop(sigma=sigma, *, steps=slice(None), told=0, noise=0, row=0, mean=p_mean_from_eps):
    """The same loop, right as it stands, with one part exchanged for a wrong one."""

    def sample(eps_model, schedule, x_T, z):
        x = x_T
        for t in range(schedule.T, 0, -1)[steps]:
            bars = schedule.alpha_bars[t + row], schedule.alpha_bars[t + row - 1]
            c = Coefficients(schedule.betas[t + row], schedule.alphas[t + row], *bars)
            eps = eps_model(x, torch.full((len(x),), t + told))
            x = mean(x, c, eps) + sigma(c, t) * z[t + noise]
        return x

    return sample


sampler = Exercise(
    name="06.sampler",
    task="Complete my_sampler so that it returns x_0: Algorithm 2, with the noise that is given.",
    solution=_sampler,
    cases=_chains,
    mistakes=(
        *in_steps(_loop),
        Mistake(_loop(steps=slice(-1)), "Your chain stops at x_1: the step of t = 1 is missing."),
        Mistake(_loop(steps=slice(None, None, -1)), "You walk upwards. Sampling begins at T."),
        Mistake(
            _loop(steps=slice(1)),
            "Your chain makes one step, from T to T - 1. Does `return` stand inside the loop?",
        ),
        Mistake(
            _loop(told=-1),
            "The network is told t - 1. It was trained to be told the t of the image it sees.",
        ),
        Mistake(
            _loop(row=-1),
            "Do you read the schedule's tables at t - 1? Here index t belongs to step t; at index "
            "0, where nothing has happened yet, you divide by 0.",
        ),
        Mistake(_loop(noise=-1), "In step t you use z[t - 1]. The noise of step t is z[t]."),
        Mistake(
            _loop(mean=lambda x, c, eps: _clipped_step(x, c, eps, 0)),
            "You clip x0_hat. That can help, but Algorithm 2 does not: Exercise 6.4 will.",
        ),
    ),
)

EXERCISES = by_name(timesteps, sampler, sigmas, clipped_step, own_sigma)
