"""Open exercises: many answers are right, and each demand is heard by whoever does not meet it."""

import bisect
import collections
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Normal
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from ddpm_lessons.checks import lesson02_open, lesson04_open, lesson08_open, lesson09_open
from ddpm_lessons.checks.exercise import Exercise, Mistake
from ddpm_lessons.checks.progress import all_exercises, lessons
from ddpm_lessons.exact import Mixture
from ddpm_lessons.schedule import cosine_schedule, linear_schedule

OPEN = {name: one for name, one in all_exercises().items() if one.demands}
FUNCTIONS = [name for name, one in OPEN.items() if next(iter(one.cases()))]
RIGHT: dict[str, list] = {}  # answers that differ, and all of them right
WRONG: dict[str, list] = {}  # (answer, how the message begins) beyond the known mistakes


def seeded(seed):
    return torch.Generator().manual_seed(seed)


# --- 00 -----------------------------------------------------------------------------------------

RIGHT["00.dial"] = [
    lambda t, T: t / T,
    lambda t, T: (t / T) ** 2,
    lambda t, T: 1 - math.cos(math.pi / 2 * t / T) ** 2,
    lambda t, T: 1 - math.sqrt(1 - t / T),
    lambda t, T: float(t == T),
    lambda t, T: np.sqrt(t / T),
    lambda t, T: torch.tensor(t / T),
]
WRONG["00.dial"] = [
    (lambda t, T: 0.5, "Your dial does not stand at 0"),
    (lambda t, T: 1 - (t / T) ** 2, "Your dial does not stand at 0"),
    (lambda t, T: t / T * 0.999, "Your dial does not stand at 1"),
    (lambda t, T: t / T + math.sin(9 * math.pi * t / T), "Your dial leaves the range"),
]

# --- 01 -----------------------------------------------------------------------------------------

RIGHT["01.fifty_steps"] = [
    lambda T: cosine_schedule(T).betas[1:],
    lambda T: np.linspace(0.1 / T, 20 / T, T),
    lambda T: [0.0001 + 15 / T * (t / T) ** 0.5 for t in range(1, T + 1)],
    lambda T: tuple(10 / T / (1 + math.exp(6 - 12 * t / T)) * 1.9 for t in range(T)),
]


@RIGHT["01.fifty_steps"].append
def _(T):
    """From the end: a straight line for alpha_bar, and the betas that make it."""
    bars = [1 - 0.9995 * t / T for t in range(T + 1)]
    return [1 - bars[t] / bars[t - 1] for t in range(1, T + 1)]


WRONG["01.fifty_steps"] = [
    (lambda T: torch.linspace(1e-4, 0.02, T) * (1000 / T) ** 0.5, "Too much of the digit is left"),
    (lambda T: [0.2] * T, "Your betas are all the same"),
    (lambda T: [0.5] + [10 / T] * (T - 1), "One of your steps takes more than a tenth"),
    (lambda T: [-0.1] + [10 / T] * (T - 1), "Each beta is the share"),
    (lambda T: 0.2, "Your answer has the shape ()"),
]

# --- 02 -----------------------------------------------------------------------------------------

RIGHT["02.bad_jump"] = [
    lambda: (40, 100, 0.2),
    lambda: (62, 120, -0.1),
    lambda: [55, 105, 0.0],
    lambda: np.array([50.0, 110.0, 0.15]),
    lambda: (torch.tensor(60), torch.tensor(120), torch.tensor(0.1)),
]


@RIGHT["02.bad_jump"].append
def _():
    """A hunt, by the closed form below."""
    for t in range(60, 200, 7):
        for x_t in (0.3, 0.2, 0.1, 0.0):
            density, bits = pixel(t - 60, t, x_t)
            if density > 0.06 and bits > 0.55:
                return t - 60, t, x_t


WRONG["02.bad_jump"] = [
    (lambda: (110, 50, 0.1), "s and t should be whole numbers"),
    (lambda: (1000, 1060, 0.0), "s and t should be whole numbers"),
    (lambda: (0.1, 50, 110), "s and t should be whole numbers"),
    (lambda: (20, 80, 0.1), "Your x_t hardly ever occurs"),
    (lambda: (0, 1000, 5.0), "Your x_t hardly ever occurs"),
    (lambda: (340, 400, 0.2), "In this jump the best Gaussian loses half a bit or less."),
    (lambda: (50, 110, 0.6), "In this jump the best Gaussian loses half a bit or less."),
    (lambda: (0, 1000, 0.0), "Your Gaussian loses more than half a bit, but"),
    (lambda: (50, 110), "Your answer has 2 values; asked are 3."),
]


def pixel(s: int, t: int, x_t: float) -> tuple[float, float]:
    """q(x_t) and the bits lost: the posterior of two bells is two bells again, in closed form.

    The divergence is the difference of two entropies, for both have the same mean and variance.
    """
    bar_s, bar_t = (linear_schedule().alpha_bars[i].item() for i in (s, t))
    alpha, var = bar_t / bar_s, 1 - 0.96 * bar_s
    means = torch.tensor([-1.0, 1.0], dtype=torch.float64) * bar_s**0.5
    far = var * alpha + 1 - alpha  # the variance of x_t around the mean of each bell
    seen = Normal(alpha**0.5 * means, far**0.5).log_prob(x_t + 0 * means).exp() / 2
    peaks = means + var * alpha**0.5 / far * (x_t - alpha**0.5 * means)
    share, width = seen / seen.sum(), var * (1 - alpha) / far
    x = torch.linspace(-5, 5, 20_001, dtype=torch.float64)[:, None]
    log_q = (Normal(peaks, width**0.5).log_prob(x) + share.log()).logsumexp(1)
    spread = width + share @ peaks**2 - (share @ peaks) ** 2
    entropy = torch.trapezoid(-log_q.exp() * log_q, x[:, 0])
    nats = 0.5 * torch.log(2 * math.pi * math.e * spread) - entropy
    return seen.sum().item(), nats.item() / math.log(2)


def test_a_bad_jump_is_measured_as_in_closed_form():
    places = [(50, 110, 0.1), (40, 100, 0.2), (0, 400, 0.2), (140, 200, -0.3), (940, 1000, 1.0)]
    for s, t, x_t in places:
        density, bits = pixel(s, t, x_t)
        assert lesson02_open._density(t, x_t) == pytest.approx(density, rel=1e-9)
        measured = lesson02_open._bits_lost(s, t, x_t)
        assert measured == pytest.approx(bits, abs=1e-4)  # the lesson's grid ends at 4


# --- 03 -----------------------------------------------------------------------------------------


def above_a_tangent(bowl, slope):
    """How far a bowl lies, at the truth, above its tangent at the guess; number by number."""

    def distance(guess, truth):
        pairs = list(zip(guess.tolist(), truth.tolist(), strict=True))
        return sum(bowl(y) - bowl(g) - slope(g) * (y - g) for g, y in pairs) / len(pairs)

    return distance


def squared(guess, truth):
    return ((guess - truth) ** 2).mean()


RIGHT["03.distance"] = [
    lambda guess, truth: squared(guess, truth).sqrt(),
    lambda guess, truth: np.log1p(np.square(guess.numpy() - truth.numpy()).sum()),
    lambda guess, truth: squared(guess, truth) ** 2,
    lambda guess, truth: squared(guess, truth) + squared(guess, truth).sqrt(),
    lambda guess, truth: 1 - torch.exp(-squared(guess, truth)),
    lambda guess, truth: (guess - truth).norm(),
    lambda guess, truth: torch.dist(guess.float(), truth.float()),
    above_a_tangent(math.cosh, math.sinh),
    above_a_tangent(lambda x: x**4 + x**2, lambda x: 4 * x**3 + 2 * x),
    above_a_tangent(lambda x: x**2 * (1 + (x > 0)), lambda x: 2 * x * (1 + (x > 0))),
    above_a_tangent(lambda x: math.log1p(math.exp(x)), lambda x: 1 / (1 + math.exp(-x))),
]
WRONG["03.distance"] = [
    (lambda guess, truth: (guess - truth) ** 2, "Your answer has the shape (8,); expected ()."),
    (lambda guess, truth: 1.0, "Where every guess is the truth"),
    (lambda guess, truth: (guess - truth.mean()).square().mean(), "Where every guess is the truth"),
    (lambda guess, truth: ((guess - truth) ** 3).mean(), "Your distance is below 0"),
    (lambda guess, truth: squared(guess, truth).clamp(max=4).sqrt(), "For some guesses your"),
    (lambda guess, truth: (guess != truth).double().mean(), "For some guesses your distance"),
    (lambda guess, truth: guess.sub(truth).mean().abs(), "For some guesses your distance"),
    (
        lambda guess, truth: (1 - (truth - guess).square().neg().exp()).mean(),
        "Where several truths",
    ),
    (lambda guess, truth: torch.cosh(guess - truth).log().mean(), "Where several truths"),
    (lambda guess, truth: 25 * (((guess - truth) / 5).cosh() - 1).mean(), "Where several truths"),
    (lambda guess, truth: (guess - truth).norm(p=1.9), "Where several truths"),
    (lambda guess, truth: squared(guess.exp(), truth.exp()), "Where several truths"),
    (lambda guess, truth: ((guess - truth) ** 2).sum() / 2, "That is the squared error"),
    (lambda guess, truth: F.huber_loss(guess, truth, delta=8.0), "That is the squared error"),
    (lambda guess, truth: squared(guess, truth) / truth.var(), "That is the squared error"),
]

# --- 04 -----------------------------------------------------------------------------------------

RIGHT["04.layers"] = [
    lambda: [(3, 1), (2, 2), (2, 2), (5, 1), (5, 1), (5, 1), (5, 1)],
    lambda: ((3, 1), (3, 2), (2, 2), (4, 1), (5, 1), (5, 1), (3, 1)),
    lambda: [(3, 1), (2, 2), (3, 1), (2, 2), (5, 1), (5, 1), (5, 1)],
    lambda: np.array([[3, 1], [2, 2], [4, 2], [4, 1], [4, 1], [4, 1], [4, 1]]),
    lambda: torch.tensor([[3, 1], [1, 1], [3, 2], [2, 2], [5, 1], [5, 1], [5, 1]]),
]
WRONG["04.layers"] = [
    (lambda: [(3, 1)] * 27, "Your answer has 27 values; asked are 7."),
    (lambda: [(3, 1), (1, 2), (2, 2)] + [(5, 1)] * 4, "Each layer is a pair"),
    (lambda: [(3, 1), (4, 4)] + [(5, 1)] * 5, "Each layer is a pair"),
    (lambda: [(3, 1), (2.5, 2), (2, 2)] + [(5, 1)] * 4, "Each layer is a pair"),
    (lambda: [(1, 1), (5, 2), (5, 2)] + [(5, 1)] * 4, "Your first layer should look"),
    (lambda: [(3, 1), (2, 2), (2, 2), (2, 2)] + [(5, 1)] * 3, "You halve too often"),
    (lambda: [(3, 1), (2, 2), (2, 2)] + [(3, 1)] * 4, "Your stack sees fewer than 55"),
    (lambda: [(3, 1), (3, 1), (5, 2), (5, 2)] + [(5, 1)] * 3, "Your stack sees enough, but"),
    (lambda: [(4, 1), (2, 2), (2, 2)] + [(5, 1)] * 4, "Your stack sees enough, but"),
]


def test_seven_layers_cost_what_torch_counts():
    for pairs in [(3, 1), (2, 2), (3, 2), *[(5, 1)] * 4], [(5, 1), (3, 2), *[(1, 1)] * 4, (2, 2)]:
        convolutions = [
            nn.Conv2d(32, 32, kernel, stride, padding=(kernel - 1) // 2, device="meta")
            for kernel, stride in pairs
        ]
        with FlopCounterMode(display=False) as counter:
            nn.Sequential(*convolutions)(torch.zeros(1, 32, 28, 28, device="meta"))
        assert lesson04_open._multiply_adds(pairs) == counter.get_total_flops() // 2


# --- 05 -----------------------------------------------------------------------------------------

RIGHT["05.memory"] = [
    lambda n: min(0.9998, (3 + n) / (8 + n)),
    lambda n: 0.9995 * math.tanh(n / 100),
    lambda n: np.minimum(n / 500, 0.9997),
    lambda n: 1 - 1 / min(1 + n / 4, 5000),
    lambda n: torch.tensor(0.9999 / (1 + math.exp((300 - n) / 50))),
    lambda n: 0.0 if n < 500 else 0.9995,  # the average begins late
]


@RIGHT["05.memory"].append
def _(n):
    """In stairs."""
    for until, d in ((100, 0.9), (500, 0.95), (2000, 0.99), (10_000, 0.999)):
        if n < until:
            return d
    return 0.9996


@RIGHT["05.memory"].append
def _(n):
    """By the share that the newest weights have: at least 1 / 2000, at first half."""
    newest = 0.5
    while newest > 1 / 2000 and newest > 4 / (n + 1):
        newest *= 0.9
    return 1 - max(newest, 1 / 2000)


WRONG["05.memory"] = [
    (lambda n: 0.95, "A training that ends early"),
    (lambda n: 0.999, "Your average does not forget"),
    (lambda n: 1 - min(0.9995, (1 + n) / (5 + n)), "Somewhere your d falls"),
    (lambda n: min(1000, n / 4), "Each d is the share"),
    (lambda n: 1.0, "Each d is the share"),
    (lambda n: max(0.9995, (1 + n) / (5 + n)), "Your average does not forget"),
    (lambda n: 0.0 if n < 100 else 0.9995, "Your average does not forget"),
    (lambda n: min(0.9999, 1 - (1 + n) ** -0.75), "Late in the training"),
    (lambda n: 1 - 4 / (5 + n), "Your memory grows beyond"),
    (lambda n: 1 - 1 / n, "ZeroDivisionError"),
]

# --- 06 -----------------------------------------------------------------------------------------


def posterior_variance(c):
    return (1 - c.alpha_bar_prev) / (1 - c.alpha_bar) * c.beta


def mixed(share, power=1.0):
    """Of this share of beta and the rest of beta-tilde, in this power of the variance."""
    return lambda c: (
        (share(c) * c.beta**power + (1 - share(c)) * posterior_variance(c) ** power)
        ** (0.5 / power)
    )  # fmt: skip


RIGHT["06.own_sigma"] = [
    mixed(lambda c: 0.5),
    mixed(lambda c: 0.65),
    mixed(lambda c: 0.5, power=0.5),  # the mean of the widths
    mixed(lambda c: 0.65, power=0.001),  # of their logarithms, nearly: as a trained variance is
    mixed(lambda c: c.alpha_bar),
    mixed(lambda c: 0.27 / (0.27 * c.alpha_bar + 1 - c.alpha_bar)),
    lambda c: torch.tensor(c.beta**0.7 * posterior_variance(c) ** 0.3).sqrt(),
    lambda c: np.sqrt(np.average([c.beta, posterior_variance(c)], weights=[3, 2])),
]


@RIGHT["06.own_sigma"].append
def _(c):
    """By conditioning the Gaussian of (x_{t-1}, x_t) with x_0 ~ N(0, 0.27)."""
    before = 0.27 * c.alpha_bar_prev + 1 - c.alpha_bar_prev
    now = c.alpha * before + c.beta
    return math.sqrt(before - c.alpha * before**2 / now)


WRONG["06.own_sigma"] = [
    (lambda c: 0.5, "At some t your width is below"),
    (lambda c: 2.0, "At some t your width is above"),
    (lambda c: c.beta, "At some t your width is below"),
    (lambda c: c.beta**0.5 + posterior_variance(c) ** 0.5, "At some t your width is above"),
    (lambda c: 0.5 * posterior_variance(c) ** 0.5, "At some t your width is below"),
    (lambda c: -(c.beta**0.5), "At some t your width is below"),
    (lambda c: (1 - c.alpha_bar) ** 0.5, "At some t your width is above"),
    (mixed(lambda c: 0.8), "Your width lies between the two everywhere, but it is too large"),
    (mixed(lambda c: 0.4), "Your width lies between the two everywhere, but it is too small"),
    (mixed(lambda c: 1 - c.alpha_bar), "Your width lies between the two everywhere, but it is too"),
    (lambda c: (c.beta**0.5, posterior_variance(c) ** 0.5), "Your answer has 2 values"),
]

# --- 07 -----------------------------------------------------------------------------------------


def in_boxes(crowd, boxes=20):
    return torch.histc(crowd, boxes, -6, 6) / len(crowd)


def moments_of(crowd):
    z = (crowd - crowd.mean()) / crowd.std()
    return torch.stack([crowd.mean(), crowd.std(), (z**4).mean()])


def mean_gap(one, other):
    return (one[:, None] - other).abs().mean()


RIGHT["07.own_judge"] = [
    lambda made, real: np.abs(
        np.quantile(made, np.arange(1, 20) / 20) - np.quantile(real, np.arange(1, 20) / 20)
    ).mean(),
    lambda made, real: (in_boxes(made) - in_boxes(real)).abs().sum(),
    lambda made, real: 2 * mean_gap(made, real) - mean_gap(made, made) - mean_gap(real, real),
    lambda made, real: (moments_of(made) - moments_of(real)).norm(),
    lambda made, real: 1 - torch.minimum(in_boxes(made), in_boxes(real)).sum(),
]


@RIGHT["07.own_judge"].append
def _(made, real):
    """The area between the two curves of shares, added up in a loop."""
    made, real, area = sorted(made.tolist()), sorted(real.tolist()), 0.0
    for i in range(-600, 600):
        shares = [bisect.bisect(crowd, i / 100) / len(crowd) for crowd in (made, real)]
        area += abs(shares[0] - shares[1]) / 100
    return area


@RIGHT["07.own_judge"].append
def _(made, real):
    """Each real one as often as it takes, then Wasserstein's distance, squared."""
    made = made.repeat_interleave(len(real) // len(made)).sort().values
    return ((made - real.sort().values) ** 2).mean()


@RIGHT["07.own_judge"].append
def _(made, real):
    """Kernels: how alike within, how alike across. It may be a little below 0, as KID."""

    def alike(one, other):
        return (-((one[:, None] - other) ** 2)).exp().sum()

    n, m = len(made), len(real)
    within = (alike(made, made) - n) / (n * (n - 1)) + (alike(real, real) - m) / (m * (m - 1))
    return within - 2 * alike(made, real) / (n * m)


WRONG["07.own_judge"] = [
    (lambda made, real: 0.0, "A crowd that is moved by half"),
    (lambda made, real: 1.0, "A crowd that is moved by half"),
    (lambda made, real: made.std(), "A crowd that is moved by half"),
    (lambda made, real: mean_gap(made, real), "A crowd that is moved by half"),
    (lambda made, real: (made[:50] - real[:50]).norm(), "A crowd that is moved by half"),
    (lambda made, real: (made.mean() - real.mean()) ** 2, "Your judge does not see a wrong spread"),
    (lambda made, real: made.mean() - real.mean(), "Your judge does not see a wrong spread"),
    (lambda made, real: (made.median() - real.median()).abs(), "Your judge does not see a wrong"),
    (
        lambda made, real: ((made[:, None] - real).abs().min(dim=1).values > 0.1).double().mean(),
        "Your judge does not miss a peak",
    ),
    (
        lambda made, real: abs(made.mean() - real.mean()) + abs(made.var() - real.var()),
        "Your judge does not see shapes",
    ),
    (
        lambda made, real: len(made) * (in_boxes(made) - in_boxes(real)).abs().sum(),
        "Your number depends on how many",
    ),
    (
        lambda made, real: (in_boxes(made) - in_boxes(real)).abs().sum() > 0.3,
        "A crowd that is moved three times as far",
    ),
    (
        lambda made, real: (made.max() - real.max()).abs() + (made.min() - real.min()).abs(),
        "A crowd that is moved by half",  # one that strays decides
    ),
    (lambda made, real: (made.sort().values - real.sort().values).abs().mean(), "RuntimeError"),
]

# --- 08 -----------------------------------------------------------------------------------------

UNEQUAL = Mixture(torch.tensor([-2.0, 2.0]), torch.tensor([0.2, 0.1]), torch.tensor([0.3, 0.7]))
RIGHT["08.compass"] = [
    UNEQUAL.score,
    lambda x: torch.where(x > 0, 3 * (2 - x), 3 * (-2 - x)),
    lambda x: 8 * np.tanh(2 * x.numpy()) - 4 * x.numpy(),
    lambda x: [math.copysign(3, v) * (1 if abs(v) < 2 else -1) for v in x.tolist()],
    lambda x: torch.where(x.abs() < 0.3, 0.0, x.sign() * 5 * torch.tanh(2 - x.abs())),
]
WRONG["08.compass"] = [
    (lambda x: 0 * x, "Nobody comes to rest"),
    (lambda x: -2 * x, "Nobody comes to rest"),
    (lambda x: torch.where(x.abs() < 5, 4 * x - x**3, 0.0), "Far outside"),
    (lambda x: -x * (x**2 - 1) * (x**2 - 4), "Between -2 and 2"),
    (lambda x: 30 * x - 7.5 * x**3, "Your compass is too strong"),
    (UNEQUAL.log_density, "Nobody comes to rest"),
    (lambda x: 2 * x - x**3 / 2, "The directions are right"),
    (lambda x: torch.where(x > 1.8, 4 * (2 - x), 4 * (-2 - x)), "One of the two places"),
    (lambda x: (x - 2) / (x - 2) * (4 * x - x**3), "There is nan in your answer"),
    (lambda x: 4.0, "Your answer has the shape ()"),
]


def test_where_walkers_end_is_right_for_a_bell():
    """Its variance is known: lesson 08, s^2 / (1 - h / (4 s^2))."""
    crowd = lesson08_open._crowd(-lesson08_open.PLACES / 0.25)
    variance = (crowd * lesson08_open.PLACES**2).sum().item()
    assert variance == pytest.approx(0.25 / (1 - lesson08_open.STEP / 1), rel=1e-9)


# --- 09 -----------------------------------------------------------------------------------------


def falling(schedule, steps, curve) -> list[int]:
    """Whole numbers from T to 1 along a curve that rises from 0 to 1."""
    return [round(schedule.T - (schedule.T - 1) * curve(i / (steps - 1))) for i in range(steps)]


RIGHT["09.own_grid"] = [
    lambda schedule, steps: falling(schedule, steps, lambda s: math.sin(math.pi / 2 * s)),
    lambda schedule, steps: falling(schedule, steps, lambda s: s * (2 - s)),
    lambda schedule, steps: falling(schedule, steps, lambda s: (1 - math.exp(-s)) / 0.632121),
    lambda schedule, steps: falling(schedule, steps, lambda s: 0.3 * (s > 0) + 0.7 * s),
    lambda schedule, steps: [
        round(schedule.T * (3 ** (1 - i / steps) - 1) / 2) for i in range(steps)
    ],
]


@RIGHT["09.own_grid"].append
def _(schedule, steps):
    """Even in the angle whose cosine is the image's share: the nearest t for each."""
    angles = torch.acos(schedule.alpha_bars.sqrt())
    wanted = torch.linspace(angles[-1].item(), angles[1].item(), steps, dtype=angles.dtype)
    return [1 + int((angles[1:] - angle).abs().argmin()) for angle in wanted]


WRONG["09.own_grid"] = [
    (lambda schedule, steps: list(range(schedule.T, schedule.T - steps, -1)), "Your grid is not a"),
    (lambda schedule, steps: [schedule.T, *range(steps - 1, 0, -1)], "Your grid is not a tenth"),
    (lambda schedule, steps: falling(schedule, steps, lambda s: 1 - (1 - s) ** 3), "Each time"),
    (
        lambda schedule, steps: [schedule.T * i // steps for i in range(steps, 0, -1)],
        "Your grid is",
    ),
    (lambda schedule, steps: falling(schedule, steps, lambda s: 1 - s), "Each time must be less"),
    (lambda schedule, steps: [schedule.T] * steps, "Each time must be less"),
    (lambda schedule, steps: falling(schedule, steps, lambda s: 0.05 + 0.95 * s), "Your grid does"),
    (lambda schedule, steps: [t + 0.5 for t in range(steps, 0, -1)], "The network knows"),
    (lambda schedule, steps: falling(schedule, steps + 1, lambda s: s), "Your answer has 9 values"),
    (lambda schedule, steps: [1000 - 111 * i for i in range(8)], "Your answer has 8 values"),
]


def test_the_ends_of_the_paths_are_exact():
    """A thousand steps of DDIM nearly reach them, and 500 are twice as far off."""
    schedule = linear_schedule()
    every, half = (lesson09_open._error(schedule, [*range(1000, 1, -n), 1]) for n in (1, 2))
    assert every < 0.002
    assert half / every == pytest.approx(2, rel=0.1)


# --- 10 -----------------------------------------------------------------------------------------

RIGHT["10.wish"] = [
    lambda x0_hat: -x0_hat[:, :, :14].sum(dim=(1, 2, 3)),
    lambda x0_hat: -(x0_hat[:, 0, :14] + 1).square().flatten(1).norm(dim=1),
    lambda x0_hat: -x0_hat.numpy()[:, 0, :14].reshape(len(x0_hat), -1) @ np.arange(1, 393),
    lambda x0_hat: [50 - image[0, :14].exp().sum().item() for image in x0_hat],
    lambda x0_hat: -10 * x0_hat.chunk(2, dim=2)[0].flatten(1).logsumexp(dim=1),
    lambda x0_hat: torch.nn.functional.logsigmoid(-x0_hat[:, 0, :14]).mean(dim=(1, 2)),
]
WRONG["10.wish"] = [
    (lambda x0_hat: -x0_hat[:, :, :14].mean(), "Your answer has the shape ()"),
    (lambda x0_hat: -x0_hat[:, :, :14].mean(dim=(2, 3)), "Your answer has the shape (3, 1)"),
    (lambda x0_hat: -x0_hat[:, :, :14], "Your answer has the shape (3, 1, 14, 28)"),
    (lambda x0_hat: torch.zeros(len(x0_hat)), "The upper half fades"),
    (lambda x0_hat: -x0_hat[:, 0, :14].abs().mean(dim=(1, 2)), "The upper half fades"),
    (lambda x0_hat: -x0_hat[:, 0, :13].mean(dim=(1, 2)), "There is a pixel of the upper half"),
    (lambda x0_hat: -x0_hat[:, 0, :15].mean(dim=(1, 2)), "Your wish changes when a pixel of the l"),
    (lambda x0_hat: -x0_hat[:, 0, :14].clamp(min=0).mean(dim=(1, 2)), "The upper half fades"),
    (lambda x0_hat: 1 / (x0_hat[:, 0, :14] + 1).mean(dim=(1, 2)), "There is inf in your answer"),
    (lambda x0_hat: -(x0_hat[:, 0, :14] + 1).log().mean(dim=(1, 2)), "There is inf in your"),
    (
        lambda x0_hat: (x0_hat[:, 0, 14:] - x0_hat[:, 0, :14]).mean(dim=(1, 2)),
        "Your wish changes when a pixel of the lower half does",
    ),
    (
        lambda x0_hat: x0_hat[:, 0, :14].mean() - x0_hat[:, 0, :14].mean(dim=(1, 2)),
        "What your wish says of an image depends on the others",
    ),
]

# --- 11 -----------------------------------------------------------------------------------------


def greys_of(x):
    """The greys of the tiles, brought to mean 0 and variance 1."""
    return (torch.nn.functional.avg_pool2d(x, 2).flatten(1) + 0.2) / 0.4


def four_at_a_time(x, table):
    """Four greys each, mixed by an orthogonal table (4, 4)."""
    return (greys_of(x).view(-1, 4, 4) @ torch.as_tensor(table, dtype=x.dtype)).flatten(1)


ROOT = 2**0.5
HAAR = torch.tensor([[1, 1, 1, 1], [1, 1, -1, -1], [ROOT, -ROOT, 0, 0], [0, 0, ROOT, -ROOT]]) / 2


def by_pixels(x):
    """One pixel of each tile, column by column, in NumPy."""
    places = [(i, j) for j in (0, 2, 4, 6) for i in (1, 3, 5, 7)]
    return np.array([[(one[0, i, j] + 0.2) / 0.4 for i, j in places] for one in x.numpy()])


RIGHT["11.own_code"] = [
    by_pixels,
    lambda x: -greys_of(x).flip(1),
    lambda x: four_at_a_time(x, HAAR.T),
    lambda x: greys_of(x) @ torch.linalg.qr(torch.randn(16, 16, generator=seeded(3)))[0],
    lambda x: torch.cat([greys_of(x)[:, :1], greys_of(x).diff() / 2**0.5], dim=1),
    lambda x: greys_of(x).cumsum(1) / torch.arange(1, 17) ** 0.5,
    lambda x: torch.sinh(0.6 * greys_of(x)) / 0.671,  # bent, and still to be undone
]
WRONG["11.own_code"] = [
    (lambda x: x[:, 0, ::2, ::2], "Your answer has the shape (256, 4, 4); expected (256, 16)."),
    (lambda x: x[:, 0, :4, :4].flatten(1) / 0.4 + 0.5, "Something is lost"),
    (lambda x: greys_of(x).sort(dim=1).values, "Something is lost"),
    (lambda x: greys_of(x).abs(), "Something is lost"),
    (lambda x: greys_of(x).clamp(-1.5, 1.5), "Something is lost"),
    (lambda x: (10 * greys_of(x)).round() / 10, "Something is lost"),
    (lambda x: 2**0.5 * (5 * greys_of(x)).sin(), "Something is lost"),
    (lambda x: greys_of(x) - greys_of(x).mean(1, keepdim=True), "Something is lost"),
    (lambda x: greys_of(x) - greys_of(x).mean(0), "The code of a picture changes"),
    (lambda x: x[:, 0, ::2, ::2].flatten(1) / 0.4 - 0.5, "Nothing is lost. But over all"),
    (lambda x: greys_of(x) * 0.4, "Nothing is lost, and the means are 0."),
    (lambda x: 4 * (x[:, 0, ::2, ::2].flatten(1) + 0.2), "Nothing is lost, and the means are 0."),
]

# --- 12 -----------------------------------------------------------------------------------------


def waves_left_out(x):
    """The quick waves of an image taken away."""
    waves = torch.fft.fft2(x)
    waves[..., 3:6, :] = 0
    waves[..., :, 3:6] = 0
    return torch.fft.ifft2(waves).real


def row_by_row(x):
    """Means of pairs, pixel after pixel, in NumPy."""
    out = np.zeros(x.shape)
    for i in range(8):
        for j in range(0, 8, 2):
            out[:, 0, i, j] = out[:, 0, i, j + 1] = (x[:, 0, i, j] + x[:, 0, i, j + 1]).numpy() / 2
    return out


RIGHT["12.own_damage"] = [
    lambda x: x * (torch.rand(8, 8, generator=seeded(0)) > 0.5),
    lambda x: (x + x.flip(-1)) / 2,
    lambda x: x - x.roll(1, dims=-1),
    lambda x: x - x.mean(dim=(-1, -2), keepdim=True),
    lambda x: (
        torch.nn.functional.avg_pool2d(x, 2).repeat_interleave(2, -1).repeat_interleave(2, -2)
    ),
    lambda x: torch.cat([x[..., ::2, :], torch.zeros_like(x[..., ::2, :])], dim=-2),
    waves_left_out,
    row_by_row,
]
WRONG["12.own_damage"] = [
    (lambda x: x, "Nothing is lost"),
    (lambda x: 0.5 * x, "Nothing is lost"),
    (lambda x: x.roll(3, dims=-1), "Nothing is lost"),
    (lambda x: x + 0.9 * x.roll(1, dims=-1), "Nothing is lost"),
    (lambda x: x.abs(), "Your damage is not linear"),
    (lambda x: x.sign(), "Your damage is not linear"),
    (lambda x: x * (x > -0.5), "Your damage is not linear"),
    (lambda x: x.sort(dim=-1).values, "Your damage is not linear"),
    (lambda x: torch.nn.functional.max_pool2d(x, 3, 1, 1), "Your damage is not linear"),
    (lambda x: x.round(), "Your damage is not linear"),
    (lambda x: (x + 1) / 2, "An image of zeros does not stay one"),
    (lambda x: torch.ones_like(x), "An image of zeros does not stay one"),
    (lambda x: x.mean(dim=0, keepdim=True).expand_as(x), "What becomes of an image depends"),
    (lambda x: x * (torch.arange(len(x)) % 2).view(-1, 1, 1, 1), "What becomes of an image"),
    (lambda x: x.mean(dim=-1, keepdim=True).expand_as(x), "Too little is left"),
    (lambda x: x * (torch.arange(64).view(8, 8) < 15), "Too little is left"),
    (lambda x: x.flatten(1), "Your answer has the shape (1, 64); expected (1, 1, 8, 8)."),
    (lambda x: x + torch.randn(x.shape), "Your function draws random numbers"),
]

# --- 13 -----------------------------------------------------------------------------------------


def came(draw, T):
    """Whether 0, 1, ..., T + 1 came at all."""
    return draw(20_000).bincount(minlength=T + 2)[: T + 2] > 0


def guards_the_ends(draw, T):
    return came(draw, T)[[0, 1, T, T + 1]].tolist() == [False, True, True, False]


def sees_mean_and_variance(draw, T):
    t = draw(100_000).double()
    right = abs(t.mean() - (T + 1) / 2) < 0.01 * T and abs(t.var() * 12 / (T**2 - 1) - 1) < 0.01
    return right and t.min() == 1 and t.max() == T


def sees_whether_each_comes(draw, T):
    return came(draw, T).tolist() == [False, *[True] * T, False]


def by_counter(draw, T):
    """Plain Python: the rarest of all that was drawn, and no others."""
    counts = collections.Counter(draw(10_000).tolist())
    return sorted(counts) == list(range(1, T + 1)) and min(counts.values()) > 5_000 / T


def by_chi_squared(draw, T):
    """The sum of (count - expected)^2 / expected, about T if all is well."""
    counts = draw(30_000).bincount(minlength=T + 1)
    if len(counts) > T + 1 or counts[0] > 0:
        return False
    return ((counts[1:] - 30_000 / T) ** 2 / (30_000 / T)).sum() < 3 * T + 10


def by_histogram(draw, T):
    """Shares in NumPy, with whatever lies outside."""
    shares, _ = np.histogram(draw(50_000).numpy(), bins=np.arange(-0.5, T + 2))
    shares = shares / 50_000 * T
    return shares[0] == 0 and shares[-1] == 0 and np.all(np.abs(shares[1:-1] - 1) < 0.5)


def by_entropy(draw, T):
    """Evenly spread shares have the entropy ln T, and no others have."""
    shares = draw(100_000).bincount(minlength=T + 1)
    if len(shares) > T + 1 or shares[0] > 0:
        return False
    return torch.distributions.Categorical(shares[1:].double()).entropy() > math.log(T) - 0.003


RIGHT["13.own_test"] = [
    by_counter,
    by_chi_squared,
    by_histogram,
    by_entropy,
    lambda draw, T: all(
        (draw(5_000) == t).sum() > 2_500 / T if 1 <= t <= T else (draw(5_000) == t).sum() == 0
        for t in range(-1, T + 3)
    ),
]
WRONG["13.own_test"] = [
    (lambda draw, T: False, "Your test cries wolf"),
    (lambda draw, T: by_counter(lambda n: draw(T), T), "Your test cries wolf"),
    (lambda draw, T: abs(draw(20_000).double().mean() - T / 2) < 0.1, "Your test cries wolf"),
    (lambda draw, T: sorted(set(draw(20_000).tolist())) == list(range(T)), "Your test cries wolf"),
    (lambda draw, T: draw(20_000).max() <= T, "A bug gets through: a trainer that never draws"),
    (lambda draw, T: draw(20_000).min() == 1, "A bug gets through: a trainer that never draws"),
    (lambda draw, T: draw(20_000).max() == T, "A bug gets through: a trainer that never draws"),
    (lambda draw, T: abs(draw(20_000).double().mean() - (T + 1) / 2) < T / 50, "A bug gets"),
    (lambda draw, T: len(set(draw(20_000).tolist())) == T, "A bug gets through: a trainer that d"),
    (lambda draw, T: len(set(draw(20_000).tolist())) >= T, "A bug gets through: a trainer that d"),
    (sees_mean_and_variance, "The ends are well guarded."),
    (guards_the_ends, "The ends are well guarded."),
    (sees_whether_each_comes, "What is never drawn you find."),
    (lambda draw, T: sorted({*range(1, T + 1)} - {*draw(20_000).tolist()}), "Your answer has 0"),
    (lambda draw, T: "right", "Your answer is 'right'; asked is True or False."),
    (lambda draw, T: draw(20_000) == T, "Your answer has the shape (20000,); expected ()."),
    (lambda draw, T: draw(20_000).double().mean(), "Your test gives something else"),
]

# --- 14 -----------------------------------------------------------------------------------------

RIGHT["14.own_draws"] = [
    lambda: (0.5, -1.0, 1.2, -1.3),
    lambda: [0.16, -0.97, 1.15, -1.17],
    lambda: np.array([-0.16, 0.98, -1.16, 1.2]),
    lambda: torch.tensor([0.05, -1.05, 1.25, -1.3]),
    lambda: (-0.9, 1.0, -1.2, 1.3),
]
WRONG["14.own_draws"] = [
    (lambda: (1.0, 1.0, 1.0, 1.0), "The network does not change its mind at every step"),
    (lambda: (0.0, -1.0, 1.2, -1.2), "The network does not change its mind at every step"),
    (lambda: (1.0, -1.5, 1.5, 0.0), "The network does not change its mind at every step"),
    (lambda: (1.0, -1.0, 1.0, -1.0), "The network changes its mind at every step, but"),
    (lambda: (0.1, -1.1, 1.2, -1.3), "The network changes its mind at every step, but"),
    (lambda: (1.0, -1.5, 1.5, -1.0), "All turns are there"),
    (lambda: (2.0, -2.0, 2.0, -2.0), "The network changes its mind as asked, but only"),
    (lambda: (0.5, -1.0, 1.2), "Your answer has 3 values; asked are 4."),
    (lambda: 0.5, "Your answer has one value; asked are 4."),
    (lambda: "text", "Your answer is 'text'; asked are 4 values."),
]

# ------------------------------------------------------------------------------------------------


def handed_in(name: str, function):
    """A right value is written as a function of nothing, too: it is called."""
    return function if name in FUNCTIONS else function()


def test_every_lesson_has_an_open_exercise():
    assert [name[:2] for name in OPEN] == [lesson.number for lesson in lessons()]
    assert list(RIGHT) == list(WRONG) == list(OPEN)
    assert all(len(answers) >= 4 for answers in RIGHT.values())


@pytest.mark.filterwarnings("ignore:__array_wrap__")  # NumPy's functions of tensors
@pytest.mark.parametrize(
    ("name", "i"), [(name, i) for name, answers in RIGHT.items() for i in range(len(answers))]
)
def test_answers_that_differ_are_right(name, i):
    for seed in range(4 if name in FUNCTIONS else 1):
        verdict = OPEN[name].check(handed_in(name, RIGHT[name][i]), seed=seed)
        assert verdict == ("passed", "Your answer does all that is asked.", "")


@pytest.mark.parametrize(
    ("name", "i"), [(name, i) for name, answers in WRONG.items() for i in range(len(answers))]
)
def test_a_demand_that_is_not_met_is_named(name, i):
    answer, begins = WRONG[name][i]
    verdict = OPEN[name].check(handed_in(name, answer), seed=1)
    assert verdict.outcome == "failed"
    assert verdict.message.startswith(begins)


@pytest.mark.parametrize("name", OPEN)
def test_each_demand_is_heard_by_a_known_mistake(name):
    """So that none of them is there for nothing."""
    heard, asked = set(), []

    def overheard(answers):
        asked.append(OPEN[name].demands(answers))
        return asked[-1]

    exercise = Exercise(**(vars(OPEN[name]) | {"demands": overheard}))
    assert exercise.check(handed_in(name, exercise.solution), seed=1).outcome == "passed"
    for mistake in exercise.mistakes:
        heard.add(exercise.check(handed_in(name, mistake.wrong), seed=1).message)
    assert all(asked[0].values())
    assert set(asked[0]) <= heard


FORMS = [
    np.asarray,
    torch.as_tensor,
    lambda value: torch.as_tensor(value).tolist(),
    lambda value: torch.as_tensor(value, dtype=torch.float64),
    lambda value: torch.as_tensor(value, dtype=torch.float32).clone().requires_grad_(),
]


@pytest.mark.parametrize("name", OPEN)
@pytest.mark.parametrize("i", range(len(FORMS)))
def test_the_form_of_an_open_answer_does_not_matter(i, name):
    exercise = OPEN[name]

    def shaped(*arguments):
        return FORMS[i](exercise.solution(*arguments))

    assert exercise.check(handed_in(name, shaped), seed=1).outcome == "passed"


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("wrong", ["text", {"a": 1}, object(), (1.0, "two"), math.nan, []])
def test_an_open_answer_of_the_wrong_kind_fails_quietly(wrong, name):
    assert OPEN[name].check(lambda *arguments: wrong, seed=1).outcome == "failed"


def test_the_form_comes_before_a_demand_and_conduct_after_it():
    def small(answers):
        return {"Too large.": bool((torch.stack(answers) < 10).all())}

    exercise = Exercise(
        "00.of_a_test",
        "A number below 10 for each.",
        lambda x: x,
        lambda: [(1.0,), (2.0,)],
        [Mistake(lambda x: 20.0, "Twenty is the usual mistake.")],
        demands=small,
    )
    calls = []

    def counting(x):
        calls.append(x)
        return float(len(calls))

    def message(answer):
        return exercise.check(answer).message

    assert exercise.check(lambda x: -5.0).outcome == "passed"
    assert message(lambda x: 11.0) == "Too large."
    assert message(lambda x: 20.0) == "Twenty is the usual mistake."
    assert message(lambda x: (x, x)) == "Your answer has 2 values; asked is one."
    assert "say return?" in message(lambda x: None)
    assert "There is nan" in message(lambda x: math.nan)
    assert "gives two answers" in message(counting)
