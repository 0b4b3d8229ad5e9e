"""Lesson 12, the case study: its exercises."""

from collections.abc import Iterable

import torch
from torch import Tensor

from ddpm_lessons.checks.exercise import Exercise, Mistake, by_name
from ddpm_lessons.checks.lesson12_open import own_damage
from ddpm_lessons.schedule import linear_schedule

LINEAR = linear_schedule()


def _small_copies(seed: int = 12) -> Iterable[tuple]:
    """(y, factor): four numbers, then small images."""
    yield torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), 2
    yield torch.randn(2, 1, 3, 4, generator=torch.Generator().manual_seed(seed)), 3


def _enlarged(y: Tensor, factor: int) -> Tensor:
    return y.repeat_interleave(factor, dim=-1).repeat_interleave(factor, dim=-2)


def _corners(y: Tensor, factor: int) -> Tensor:
    empty = torch.zeros_like(_enlarged(y, factor))
    empty[..., ::factor, ::factor] = y
    return empty


adjoint = Exercise(
    name="12.adjoint",
    task="Complete my_adjoint: A^T y, where A takes the means of factor x factor pixels.",
    solution=lambda y, factor: _enlarged(y, factor) / factor**2,
    cases=_small_copies,
    mistakes=(
        Mistake(
            _enlarged,
            "This is the picture of the measurement, A^T y / gain. In A each pixel counts 1 / "
            "factor^2, and A^T has the same entries.",
        ),
        Mistake(
            lambda y, factor: _enlarged(y, factor) / factor,
            "A block has factor rows and factor columns: how many pixels share a mean?",
        ),
        Mistake(
            lambda y, factor: y.repeat(1, 1, factor, factor) / factor**2,
            "You have laid copies of the image side by side. Take repeat_interleave, not repeat.",
        ),
        Mistake(
            lambda y, factor: _corners(y, factor) / factor**2,
            "Only one pixel of each block gets something. All of them have part in the mean.",
        ),
    ),
)


def _bells() -> Iterable[tuple]:
    """(mean, var, y, noise_std): the lesson's numbers, then a wide noise and a narrow one."""
    yield from ((0.0, 0.25, 0.6, 0.5), (0.3, 0.04, -0.5, 0.4), (-1.0, 2.0, 0.5, 0.3))


def _posterior(mean, var, y, noise_std):
    """The mean moves by the trust towards y; the variance loses as large a share."""
    trust = var / (var + noise_std**2)
    return mean + trust * (y - mean), (1 - trust) * var


posterior = Exercise(
    name="12.posterior",
    task="Complete my_posterior: the mean and the variance of p(x | y).",
    solution=_posterior,
    cases=_bells,
    mistakes=(
        Mistake(
            lambda m, v, y, s: (m + s**2 / (v + s**2) * (y - m), _posterior(m, v, y, s)[1]),
            "The trust is turned round: the noisier y is, the less it should move the mean.",
        ),
        Mistake(
            lambda m, v, y, s: (m + v**0.5 / (v**0.5 + s) * (y - m), _posterior(m, v, y, s)[1]),
            "Your variance is right. The trust compares variances, not standard deviations.",
        ),
        Mistake(
            lambda m, v, y, s: _posterior(m, v, y, s**0.5),
            "noise_std is a standard deviation: square it before it meets var.",
        ),
        Mistake(
            lambda m, v, y, s: (_posterior(m, v, y, s)[0], v + s**2),
            "Your variance is that of y. Knowing y must leave less variance than before, not more.",
        ),
        Mistake(
            lambda m, v, y, s: (_posterior(m, v, y, s)[0], _posterior(m, v, y, s)[1] ** 0.5),
            "Your mean is right. Your second number is the standard deviation: no root was asked.",
        ),
        Mistake(
            lambda m, v, y, s: (_posterior(m, v, y, s)[0], 1 / v + 1 / s**2),
            "Your mean is right. Your second number is the precision: the variance is its inverse.",
        ),
        Mistake(
            lambda m, v, y, s: (y, s**2),
            "This is the likelihood alone: you believe y and have forgotten the prior.",
        ),
    ),
)


def _levels(seed: int = 12) -> Iterable[tuple]:
    """(y, noise_std, alpha_bar, z): by calculator, then tensors."""
    yield 0.6, 0.5, 0.5, 1.0
    generator = torch.Generator().manual_seed(seed)
    for noise_std, alpha_bar in ((0.1, 0.9), (0.4, 0.3), (0.0, 0.6)):
        y, z = torch.randn(2, 2, 5, generator=generator)
        yield y, noise_std, alpha_bar, z


def _known(y, noise_std, alpha_bar, z):
    """y scaled as x_t is, and as much fresh noise as is missing then."""
    missing = 1 - alpha_bar - alpha_bar * noise_std**2
    return alpha_bar**0.5 * y + missing**0.5 * z


known = Exercise(
    name="12.known",
    task="Complete my_known: y, made as noisy as x_t is.",
    solution=_known,
    cases=_levels,
    mistakes=(
        Mistake(
            lambda y, std, bar, z: bar**0.5 * y + (1 - bar) ** 0.5 * z,
            "Too noisy: y has brought noise along. Under the root, take off what it has, scaled.",
        ),
        Mistake(
            lambda y, std, bar, z: bar**0.5 * y + (1 - bar - std**2) ** 0.5 * z,
            "The noise of y is scaled together with y: its variance is alpha_bar noise_std^2.",
        ),
        Mistake(
            lambda y, std, bar, z: y + (1 - bar - bar * std**2) ** 0.5 * z,
            "x_t holds sqrt(alpha_bar) x_0, so y must be scaled likewise.",
        ),
        Mistake(
            lambda y, std, bar, z: bar**0.5 * y + (1 - bar - bar * std) ** 0.5 * z,
            "noise_std is a standard deviation: square it before it meets other variances.",
        ),
        Mistake(
            lambda y, std, bar, z: bar**0.5 * y + (1 - bar - bar * std**2) * z,
            "This is the variance that is missing. What multiplies z is its root.",
        ),
    ),
)


def _ballots() -> Iterable[tuple]:
    """(votes,): of three, two and four digits, rows that need not have the same sum."""
    for rows in (
        [[0, 9, 3], [12, 0, 0], [4, 2, 6]],
        [[10, 10, 0], [1, 18, 1]],
        [[16, 0, 0], [0, 15, 1], [2, 0, 14], [8, 8, 0]],
    ):
        yield (torch.nn.functional.pad(torch.tensor(rows), (0, 7)),)


def _shares(votes: Tensor) -> Tensor:
    return votes.max(dim=1).values / votes.sum(dim=1)


certainty = Exercise(
    name="12.certainty",
    task="Complete my_certainty: the probability that every digit of the number is right.",
    solution=lambda votes: _shares(votes).prod(),
    cases=_ballots,
    mistakes=(
        Mistake(
            lambda votes: _shares(votes).mean(),
            "The mean forgives: seven sure digits would outvote a doubtful one. A number is right "
            "only if the first is, and the second is, and ...",
        ),
        Mistake(
            lambda votes: _shares(votes).min(),
            "The weakest digit is a bound, but several doubtful digits are worse than one.",
        ),
        Mistake(
            lambda votes: (votes.max(dim=0).values / votes.sum(dim=0)).prod(),
            "dim=0 goes down a column, along the digits. The votes for a digit are a row: dim=1.",
        ),
        Mistake(
            lambda votes: (votes.max(dim=1).values / votes.sum()).prod(),
            "You divide by the votes of all digits together. Each digit has its own: sum(dim=1).",
        ),
        Mistake(
            lambda votes: votes.max(dim=1).values.prod(),
            "You multiply counts. Divide each by the number of votes in its row.",
        ),
        Mistake(
            lambda votes: 1 - _shares(votes).prod(),
            "This is the probability that something is wrong with the number.",
        ),
    ),
)


def _scans(seed: int = 12) -> Iterable[tuple]:
    """(y, noise_std, schedule): noise that some t has exactly."""
    generator = torch.Generator().manual_seed(seed)
    for t in (40, 300, 700):
        bar = LINEAR.alpha_bars[t].item()
        yield torch.randn(2, 4, generator=generator), ((1 - bar) / bar) ** 0.5, LINEAR


def _start(y, noise_std, schedule):
    """The t at which x_t / sqrt(alpha_bar_t) has the noise of y; y, scaled as x_t is."""
    bars = schedule.alpha_bars[1:]
    t = ((1 - bars) / bars - noise_std**2).abs().argmin().item() + 1
    return t, schedule.at(t).alpha_bar ** 0.5 * y


def _begin(level=lambda bars: (1 - bars) / bars, wanted=lambda std: std**2, power=0.5, shift=0):
    """The same, right as it stands, with something exchanged."""

    def begun(y, noise_std, schedule):
        far = (level(schedule.alpha_bars[1:]) - wanted(noise_std)).abs()
        t = far.argmin().item() + 1
        return t + shift, schedule.alpha_bars[t].item() ** power * y

    return begun


start = Exercise(
    name="12.start",
    task="Complete my_start: the t at which the chain begins, and the x_t.",
    solution=_start,
    cases=_scans,
    mistakes=(
        Mistake(_begin(power=0), "The right t, but y is no x_t: scale it by sqrt(alpha_bar_t)."),
        Mistake(
            _begin(level=lambda bars: 1 - bars),
            "1 - alpha_bar_t is the noise's variance in x_t. y = x_t / sqrt(alpha_bar_t) has more: "
            "divide by alpha_bar_t.",
        ),
        Mistake(
            _begin(wanted=lambda noise_std: noise_std),
            "A ratio of variances must meet a variance: noise_std^2.",
        ),
        Mistake(
            _begin(shift=-1),
            "t is one too small: alpha_bars has an entry for t = 0, which your search leaves out.",
        ),
    ),
)

EXERCISES = by_name(adjoint, posterior, known, certainty, start, own_damage)
