"""Lesson 01, the forward process: its exercises."""

from collections.abc import Iterable

import torch
from torch import Tensor

from ddpm_lessons.checks.exercise import Exercise, Mistake, Numbers, by_name
from ddpm_lessons.checks.lesson01_open import fifty_steps
from ddpm_lessons.schedule import Coefficients, cosine_schedule, linear_schedule

LINEAR = linear_schedule()
ARTICLE = Coefficients(beta=0.01, alpha=0.99, alpha_bar=0.5, alpha_bar_prev=0.505)


def _first(condition: Tensor) -> int:
    return int(condition.nonzero()[0])


def _steps(seed: int = 1) -> Iterable[tuple]:
    """(x_prev, beta, eps): the article's numbers, and a small batch."""
    yield 0.8, 0.01, 0.3
    x_prev, eps = torch.randn(2, 3, 1, 4, 4, generator=torch.Generator().manual_seed(seed))
    yield x_prev, 0.3, eps


def _jumps(seed: int = 1) -> Iterable[tuple]:
    """(x_0, c, eps): the article's numbers, and small batches at the ends and in the middle."""
    yield 0.8, ARTICLE, 0.3
    x_0, eps = torch.randn(2, 3, 1, 4, 4, generator=torch.Generator().manual_seed(seed))
    for t in (1, 2, 250, 1000):
        yield x_0, LINEAR.at(t), eps


one_step = Exercise(
    name="01.one_step",
    task="Complete my_step so that it returns x_t by Eq. (2).",
    solution=lambda x_prev, beta, eps: (1 - beta) ** 0.5 * x_prev + beta**0.5 * eps,
    cases=_steps,
    mistakes=(
        Mistake(
            lambda x_prev, beta, eps: (1 - beta) ** 0.5 * x_prev + beta * eps,
            "Your noise has standard deviation beta. In Eq. (2) beta is the variance: multiply eps "
            "by its square root.",
        ),
        Mistake(
            lambda x_prev, beta, eps: (1 - beta) * x_prev + beta**0.5 * eps,
            "You shrink by 1 - beta. Eq. (2) shrinks by its square root, so that the variances "
            "1 - beta and beta add up to 1.",
        ),
        Mistake(
            lambda x_prev, beta, eps: x_prev + beta**0.5 * eps,
            "The noise is right, but the image has not been shrunk first: without the factor "
            "sqrt(1 - beta) the variance grows at every step.",
        ),
        Mistake(
            lambda x_prev, beta, eps: (1 - beta) * x_prev + beta * eps,
            "This cross-fades with 1 - beta and beta. Eq. (2) has the square root of both, because "
            "they are shares of the variance.",
        ),
        Mistake(
            lambda x_prev, beta, eps: (1 - beta) ** 0.5 * x_prev,
            "This is the mean of Eq. (2). A draw adds the noise: the standard deviation times eps.",
        ),
        Mistake(
            lambda x_prev, beta, eps: (1 - beta) ** 0.5 * x_prev + eps,
            "The image is shrunk as it should be, but your noise has variance 1, whatever beta is. "
            "Scale eps first.",
        ),
        Mistake(
            lambda x_prev, beta, eps: beta**0.5 * x_prev + (1 - beta) ** 0.5 * eps,
            "Image and noise have changed places. beta is the small one: the share of the noise.",
        ),
    ),
)

jump = Exercise(
    name="01.jump",
    task="Complete my_q_sample so that it returns x_t by Eq. (4).",
    solution=lambda x_0, c, eps: c.alpha_bar**0.5 * x_0 + (1 - c.alpha_bar) ** 0.5 * eps,
    cases=_jumps,
    mistakes=(
        Mistake(
            lambda x_0, c, eps: c.alpha**0.5 * x_0 + (1 - c.alpha) ** 0.5 * eps,
            "This is one step: it uses alpha where Eq. (4) has alpha_bar, the product of all "
            "alphas up to t.",
        ),
        Mistake(
            lambda x_0, c, eps: c.alpha_bar**0.5 * x_0 + (1 - c.alpha_bar) * eps,
            "Your noise has standard deviation 1 - alpha_bar. That is its variance; Eq. (4) "
            "multiplies eps by the square root.",
        ),
        Mistake(
            lambda x_0, c, eps: c.alpha_bar * x_0 + (1 - c.alpha_bar) ** 0.5 * eps,
            "Your signal is alpha_bar * x_0. Eq. (4) has the square root of alpha_bar, so that the "
            "variances add up to 1.",
        ),
        Mistake(
            lambda x_0, c, eps: c.alpha_bar * x_0 + (1 - c.alpha_bar) * eps,
            "This is a cross-fade with alpha_bar and 1 - alpha_bar. Eq. (4) takes the square root "
            "of both, because they are shares of the variance.",
        ),
        Mistake(
            lambda x_0, c, eps: c.alpha_bar_prev**0.5 * x_0 + (1 - c.alpha_bar_prev) ** 0.5 * eps,
            "This is x_{t-1}: t is off by one. Use alpha_bar, not alpha_bar_prev.",
        ),
        Mistake(
            lambda x_0, c, eps: (1 - c.alpha_bar) ** 0.5 * x_0 + c.alpha_bar**0.5 * eps,
            "Signal and noise have changed places: x_0 is multiplied by sqrt(alpha_bar).",
        ),
        Mistake(
            lambda x_0, c, eps: c.alpha_bar**0.5 * x_0 + c.beta**0.5 * eps,
            "The signal is right. Your noise is that of one step, beta; x_t has the noise of all "
            "steps up to t.",
        ),
        Mistake(
            lambda x_0, c, eps: c.alpha_bar**0.5 * x_0 + (1 - c.alpha_bar**0.5) * eps,
            "The signal is right. The noise is multiplied by the root of 1 - alpha_bar, not by 1 "
            "minus the root.",
        ),
        Mistake(
            lambda x_0, c, eps: c.alpha_bar**0.5 * x_0,
            "This is the mean of Eq. (4). A draw adds the noise: the standard deviation times eps.",
        ),
    ),
)

alpha_bars = Exercise(
    name="01.alpha_bars",
    task="Complete my_alpha_bars so that it returns [alpha_bar_0, ..., alpha_bar_T].",
    solution=lambda betas: torch.cumprod(1 - betas, dim=0),
    cases=lambda: [(LINEAR.betas,), (cosine_schedule(T=7).betas,)],
    mistakes=(
        Mistake(
            lambda betas: torch.cumprod(1 - betas[1:], dim=0),
            "The numbers are right, but alpha_bar_0 is missing: you have T entries, so index t "
            "holds alpha_bar_{t+1}. betas[0] = 0 gives alpha_bar_0 = 1 by itself.",
        ),
        Mistake(
            lambda betas: torch.cat([torch.ones(1), torch.cumprod(1 - betas, dim=0)]),
            "One entry too many: you have put a 1 in front, but betas[0] = 0 has made it already.",
        ),
        Mistake(
            lambda betas: torch.cat([torch.ones(1), torch.cumprod(1 - betas, dim=0)[:-1]]),
            "Everything is one place too late: index t holds alpha_bar_{t-1}. betas[0] = 0 makes "
            "the 1 at index 0 by itself.",
        ),
        Mistake(
            lambda betas: torch.cumprod(betas, dim=0),
            "You multiply the betas. alpha_bar is the product of the alphas, 1 - beta.",
        ),
        Mistake(
            lambda betas: 1 - betas,
            "These are the alphas of the single steps. alpha_bar_t is the product of the first t.",
        ),
        Mistake(
            lambda betas: 1 - torch.cumsum(betas, dim=0),
            "You add the betas up. That is nearly right while they are small, but the exact rule "
            "is a product of 1 - beta.",
        ),
        Mistake(
            lambda betas: torch.cumprod(1 - betas, dim=0) ** 0.5,
            "These are the square roots: the amplitude of the signal. alpha_bar itself is a share "
            "of the variance.",
        ),
    ),
)

mostly_noise = Exercise(
    name="01.mostly_noise",
    task="Find the first t with more than three quarters of noise, and put it there.",
    solution=lambda share=0.75: _first(1 - LINEAR.alpha_bars > share),
    tolerance=0,
    mistakes=(
        Mistake(
            lambda share=0.75: _first(1 - LINEAR.alpha_bars > share) - 1,
            "One too few: that t has not passed it yet. Did you count from 0?",
        ),
        Mistake(
            lambda share=0.75: _first(1 - LINEAR.alpha_bars > share) + 1,
            "One too many: the t before it has passed the share already.",
        ),
        Mistake(
            lambda share=0.75: _first(LINEAR.alpha_bars**0.5 < 1 - share),
            "Here the amplitude of the signal, sqrt(alpha_bar), falls below the rest. Shares of "
            "the variance are alpha_bar and 1 - alpha_bar.",
        ),
        Mistake(
            lambda share=0.75: _first((1 - LINEAR.alpha_bars) ** 0.5 > share),
            "Here the amplitude of the noise, sqrt(1 - alpha_bar), passes that share. The share of "
            "the variance is 1 - alpha_bar, without the root.",
        ),
        Mistake(
            lambda share=0.75: _first(LINEAR.alpha_bars < share),
            "Here the signal falls below that share: you have compared the wrong one of the two.",
        ),
    ),
    numbers=Numbers(
        "Under the linear schedule with T = 1000: what is the first t at which more than {share} "
        "of the variance of x_t is noise?",
        lambda draws: {"share": draws.randrange(55, 96) / 100},
    ),
)

EXERCISES = by_name(one_step, jump, alpha_bars, mostly_noise, fifty_steps)
