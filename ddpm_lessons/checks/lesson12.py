"""Lesson 12, the case study: its exercises."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from ddpm_lessons.checks.exercise import Exercise, Mistake, by_name
from ddpm_lessons.inverse import noise_timestep, shrink
from ddpm_lessons.schedule import NoiseSchedule, linear_schedule

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
    solution=lambda y, factor: shrink(factor).adjoint(y),
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
            "You have laid copies of the whole small image side by side. Each of its numbers "
            "belongs to one block: repeat_interleave, not repeat.",
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


def _posterior(
    trust: Callable = lambda var, noise_std: var / (var + noise_std**2),
    left: Callable = lambda var, noise_std: var * noise_std**2 / (var + noise_std**2),
) -> Callable:
    """The posterior, right as it stands, with one of its two parts exchanged for a wrong one."""

    def found(mean: float, var: float, y: float, noise_std: float) -> tuple:
        return mean + trust(var, noise_std) * (y - mean), left(var, noise_std)

    return found


posterior = Exercise(
    name="12.posterior",
    task="Complete my_posterior: the mean and the variance of p(x | y).",
    solution=_posterior(),
    cases=_bells,
    mistakes=(
        Mistake(
            _posterior(trust=lambda var, noise_std: noise_std**2 / (var + noise_std**2)),
            "The trust is turned round: the noisier y is, the less it should move the mean.",
        ),
        Mistake(
            lambda mean, var, y, noise_std: _posterior()(mean, var, y, noise_std**0.5),
            "noise_std is a standard deviation: square it before it meets var.",
        ),
        Mistake(
            _posterior(left=lambda var, noise_std: var + noise_std**2),
            "Your variance is that of y. Knowing y must leave less variance than before, not more.",
        ),
        Mistake(
            lambda mean, var, y, noise_std: (y, noise_std**2),
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


def _known(
    signal: Callable = lambda bar: bar**0.5,
    noise: Callable = lambda bar, noise_std: (1 - bar - bar * noise_std**2) ** 0.5,
) -> Callable:
    """What replaces the measured part, with one of its two amplitudes exchanged."""

    def replaced(y: Tensor, noise_std: float, alpha_bar: float, z: Tensor) -> Tensor:
        return signal(alpha_bar) * y + noise(alpha_bar, noise_std) * z

    return replaced


known = Exercise(
    name="12.known",
    task="Complete my_known: y, made as noisy as x_t is.",
    solution=_known(),
    cases=_levels,
    mistakes=(
        Mistake(
            _known(noise=lambda bar, noise_std: (1 - bar) ** 0.5),
            "Too noisy: y has brought noise along already. Take its variance, as it is after the "
            "scaling, off under the root.",
        ),
        Mistake(
            _known(noise=lambda bar, noise_std: (1 - bar - noise_std**2) ** 0.5),
            "The noise of y is scaled together with y: its variance is alpha_bar noise_std^2.",
        ),
        Mistake(
            _known(signal=lambda bar: 1.0),
            "x_t holds sqrt(alpha_bar) x_0, so y must be scaled likewise.",
        ),
        Mistake(
            _known(noise=lambda bar, noise_std: 1 - bar - bar * noise_std**2),
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
            "The weakest digit is a bound: the number cannot be surer than it. But several "
            "doubtful digits are worse than one.",
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


def _start(
    level: Callable = lambda bars: (1 - bars) / bars,
    wanted: Callable = lambda noise_std: noise_std**2,
    power: float = 0.5,
    shift: int = 0,
) -> Callable:
    """Where the chain begins, right as it stands, with something exchanged."""

    def begun(y: Tensor, noise_std: float, schedule: NoiseSchedule) -> tuple:
        far = (level(schedule.alpha_bars[1:]) - wanted(noise_std)).abs()
        t = far.argmin().item() + 1
        return t + shift, schedule.alpha_bars[t].item() ** power * y

    return begun


def _right_start(y: Tensor, noise_std: float, schedule: NoiseSchedule) -> tuple:
    t = noise_timestep(schedule, noise_std)
    return t, schedule.at(t).alpha_bar ** 0.5 * y


start = Exercise(
    name="12.start",
    task="Complete my_start: the t at which the chain begins, and the x_t.",
    solution=_right_start,
    cases=_scans,
    mistakes=(
        Mistake(
            _start(power=0.0),
            "The right t, but y itself is no x_t: scale it by sqrt(alpha_bar_t).",
        ),
        Mistake(
            _start(level=lambda bars: 1 - bars),
            "1 - alpha_bar_t is the noise's variance in x_t. y = x_t / sqrt(alpha_bar_t) has more: "
            "divide by alpha_bar_t.",
        ),
        Mistake(
            _start(wanted=lambda noise_std: noise_std),
            "A ratio of variances must meet a variance: noise_std^2.",
        ),
        Mistake(
            _start(shift=-1),
            "t is one too small. alpha_bars has an entry for t = 0; if you leave that out to "
            "search, count it again afterwards.",
        ),
    ),
)

EXERCISES = by_name(adjoint, posterior, known, certainty, start)
