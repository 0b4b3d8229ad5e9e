"""Lesson 05, training: its exercises."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from ddpm_lessons.checks.exercise import Exercise, Mistake, Numbers, by_name
from ddpm_lessons.checks.lesson05_open import memory
from ddpm_lessons.forward import q_sample
from ddpm_lessons.schedule import Coefficients, linear_schedule

LINEAR = linear_schedule()
DIGITS = 60_000  # in MNIST's training set


def _pixels(seed: int = 5) -> Iterable[tuple]:
    """(w, lr, c, x_0, eps): the article's pixel, then small batches at three timesteps."""
    c = Coefficients(beta=0.01, alpha=0.99, alpha_bar=0.5, alpha_bar_prev=0.505)
    yield 0.5, 0.1, c, torch.tensor([0.8]).double(), torch.tensor([0.3]).double()
    generator = torch.Generator().manual_seed(seed)
    for t, w in ((1, 0.9), (300, -0.4), (1000, 0.2)):
        x_0, eps = torch.randn(2, 4, 1, 3, 3, generator=generator, dtype=torch.float64)
        yield w, 0.05, LINEAR.at(t), x_0.clamp(-1, 1), eps


def _step(w, lr, c, x_0, eps):
    """Down the slope of the loss, the mean of (w x_t - eps) squared."""
    x_t = q_sample(x_0, c, eps)
    slope = (2 * (w * x_t - eps) * x_t).mean()
    return w - lr * slope


def _step_with(
    *,
    noisy: Callable = q_sample,
    slope: Callable = lambda error, x_t: (2 * error * x_t).mean(),
    rate: Callable = lambda lr: -lr,
    target: Callable = lambda x_0, eps: eps,
) -> Callable:
    """A gradient step, right as it stands, with one part exchanged for a wrong one."""

    def step(w: float, lr: float, c: Coefficients, x_0: Tensor, eps: Tensor) -> Tensor:
        x_t = noisy(x_0, c, eps)
        return w + rate(lr) * slope(w * x_t - target(x_0, eps), x_t)

    return step


def _averages(seed: int = 5) -> Iterable[tuple]:
    """(average, before, after, n, decay): early updates, where d is warming up, and late ones."""
    generator = torch.Generator().manual_seed(seed)
    for n, decay in ((1, 0.999), (8, 0.999), (300, 0.99), (100_000, 0.9995)):
        yield (*torch.randn(3, 6, generator=generator, dtype=torch.float64), n, decay)


def _ema(average, before, after, n, decay):
    """The newest weights count 1 - d; in the first updates d is smaller than `decay`."""
    d = min(decay, (1 + n) / (10 + n))
    return d * average + (1 - d) * after


def _average(
    *,
    factor: Callable = lambda n, decay: min(decay, (1 + n) / (10 + n)),
    swapped: bool = False,
    stale: bool = False,
) -> Callable:
    """An update of the average, right as it stands, with one part exchanged for a wrong one."""

    def update(average: Tensor, before: Tensor, after: Tensor, n: int, decay: float) -> Tensor:
        d, weights = factor(n, decay), before if stale else after
        return (1 - d) * average + d * weights if swapped else d * average + (1 - d) * weights

    return update


def _spreads() -> Iterable[tuple]:
    """(mean, std, share): chosen so that the answer is a whole number."""
    yield 0.03, 0.045, 0.01
    yield 0.02, 0.05, 0.05
    yield 1.0, 2.0, 0.1


one_step = Exercise(
    name="05.one_step",
    task="Complete my_step: the weight w after one gradient step on the article's loss.",
    solution=_step,
    cases=_pixels,
    tolerance=1e-6,
    mistakes=(
        Mistake(
            _step_with(rate=lambda lr: lr),
            "This climbs: the loss grows. The gradient points uphill, so subtract it.",
        ),
        Mistake(
            _step_with(rate=lambda lr: -1.0),
            "The direction is right, but you go the whole slope. A step is lr times the slope.",
        ),
        Mistake(
            _step_with(slope=lambda error, x_t: (error * x_t).mean()),
            "Half of the step: the derivative of a square brings down a 2.",
        ),
        Mistake(
            _step_with(slope=lambda error, x_t: (2 * error * x_t).sum()),
            "You have summed over the pixels; the loss is a mean, and so is its derivative.",
        ),
        Mistake(
            _step_with(slope=lambda error, x_t: (2 * error).mean()),
            "The chain rule has a second factor: by how much does the guess w * x_t move when w "
            "does?",
        ),
        Mistake(
            _step_with(noisy=lambda x_0, c, eps: x_0),
            "The network was shown x_0. It must see x_t, the image with the noise in it.",
        ),
        Mistake(
            _step_with(target=lambda x_0, eps: x_0),
            "You compare the guess with x_0. The network of the article guesses the noise, eps.",
        ),
        Mistake(
            _step_with(noisy=lambda x_0, c, eps: c.alpha_bar**0.5 * x_0 + (1 - c.alpha_bar) * eps),
            "Your x_t has noise of standard deviation 1 - alpha_bar. Eq. (4) takes the root; "
            "q_sample does it for you.",
        ),
    ),
)

ema = Exercise(
    name="05.ema",
    task="Complete my_ema: the average of the weights after one more update than n.",
    solution=_ema,
    cases=_averages,
    tolerance=1e-6,
    mistakes=(
        Mistake(
            _average(swapped=True),
            "The two shares are swapped: with d near 1 your average is nearly the newest weights, "
            "and it trembles as they do.",
        ),
        Mistake(
            _average(factor=lambda n, decay: min(decay, (2 + n) / (11 + n))),
            "You count this update too. n is how many there were before: (1 + n) / (10 + n).",
        ),
        Mistake(
            _average(stale=True),
            "You average the weights from before the optimiser's step: always one step behind.",
        ),
        Mistake(
            _average(factor=lambda n, decay: decay),
            "The warm-up is missing: in the first updates d must be smaller, or the random first "
            "weights stay in the average for a long time.",
        ),
        Mistake(
            _average(factor=lambda n, decay: max(decay, (1 + n) / (10 + n))),
            "You take the larger of the two numbers. Then d comes ever nearer to 1, beyond "
            "`decay`, and the average freezes.",
        ),
        Mistake(
            _average(factor=lambda n, decay: (1 + n) / (10 + n)),
            "The upper limit is missing: d keeps growing with n, and late in a long training new "
            "weights hardly count any more. Stop at `decay`.",
        ),
    ),
)

steps = Exercise(
    name="05.steps",
    task="Put a whole number there: the optimiser's steps in 20 epochs of batches of 64.",
    solution=lambda epochs=20, batch=64: epochs * math.ceil(DIGITS / batch),
    tolerance=0,
    mistakes=(
        Mistake(
            lambda epochs=20, batch=64: round(epochs * DIGITS / batch),
            "That is epochs x 60,000 / batch size. But the last batch of each epoch, with what is "
            "left over, is a step as well.",
        ),
        Mistake(
            lambda epochs=20, batch=64: epochs * (DIGITS // batch),
            "You have dropped the last, smaller batch of each epoch. This library uses it.",
        ),
        Mistake(
            lambda epochs=20, batch=64: math.ceil(DIGITS / batch),
            "That is one epoch. The question is about all of them.",
        ),
        Mistake(
            lambda epochs=20, batch=64: DIGITS // batch,
            "That is one epoch, and without its last, smaller batch.",
        ),
        Mistake(
            lambda epochs=20, batch=64: epochs * DIGITS,
            "So many images does the network see. A step takes a whole batch of them at once.",
        ),
    ),
    numbers=Numbers(
        "MNIST has 60,000 training digits; the last batch of each epoch holds what is left over. "
        "How many steps does the optimiser make in {epochs} epochs with batches of {batch}?",
        lambda draws: {
            "epochs": draws.randint(8, 40),
            "batch": draws.choice([36, 56, 64, 112, 128]),
        },
    ),
)

images = Exercise(
    name="05.images",
    task="Complete my_images: how many images make the standard error a given share of the loss.",
    solution=lambda mean, std, share: (std / (share * mean)) ** 2,
    cases=_spreads,
    mistakes=(
        Mistake(
            lambda mean, std, share: std / (share * mean),
            "The error falls with the root of n, not with n. Solve std / sqrt(n) = share * mean "
            "for n.",
        ),
        Mistake(
            lambda mean, std, share: (std / share) ** 2,
            "This makes the error equal to `share` itself. It should be that share of the mean.",
        ),
        Mistake(
            lambda mean, std, share: (std / mean) ** 2 / share,
            "Nearly: `share` stands inside the square too. For half the error you need four times "
            "as many images.",
        ),
        Mistake(
            lambda mean, std, share: std**2 / (share * mean),
            "Square the whole fraction, not only the numerator.",
        ),
        Mistake(
            lambda mean, std, share: (share * mean / std) ** 2,
            "Upside down: a larger spread needs more images, not fewer.",
        ),
    ),
)

EXERCISES = by_name(one_step, steps, images, ema, memory)
