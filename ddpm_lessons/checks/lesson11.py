"""Lesson 11, latent diffusion: its exercises."""

import math
from collections.abc import Iterable

import torch

from ddpm_lessons.checks.exercise import Exercise, Mistake, Numbers, by_name
from ddpm_lessons.checks.lesson11_open import own_code
from ddpm_lessons.schedule import Coefficients, linear_schedule

LINEAR = linear_schedule()


def _bells(seed: int = 11) -> Iterable[tuple]:
    """(mean, var): by calculator, then tensors, some variances above 1."""
    yield torch.tensor(0.5), torch.tensor(0.25)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(2):
        mean, z = torch.randn(2, 2, 4, 3, 3, generator=generator, dtype=torch.float64)
        yield mean, z.exp()


def _draws(seed: int = 12) -> Iterable[tuple]:
    """(mean, log_var, z): by calculator, then tensors."""
    yield torch.tensor(0.5), torch.tensor(math.log(0.25)), torch.tensor(1.5)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(2):
        yield tuple(torch.randn(3, 2, 4, 3, 3, generator=generator, dtype=torch.float64))


def _latents(seed: int = 13) -> Iterable[tuple]:
    """(code, drawn, shift, scale): two batches of latents, and a number for each channel."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(2):
        code, drawn = torch.randn(2, 2, 4, 3, 3, generator=generator, dtype=torch.float64)
        shift, size = torch.randn(2, 1, 4, 1, 1, generator=generator, dtype=torch.float64)
        yield code, drawn, shift, 0.3 + size.abs()


def _levels() -> Iterable[tuple]:
    """(c, std): by calculator, then at three timesteps."""
    c = Coefficients(beta=0.01, alpha=0.99, alpha_bar=0.5, alpha_bar_prev=0.505)
    yield c, 5.0
    for t, std in ((30, 0.2), (300, 1.0), (900, 5.49)):
        yield LINEAR.at(t), std


kl = Exercise(
    name="11.kl",
    task="Complete my_kl: KL(N(mean, var) || N(0, 1)) for each latent, in nats.",
    solution=lambda mean, var: (mean**2 + var - 1 - var.log()) / 2,
    cases=_bells,
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda mean, var: mean**2 + var - 1 - var.log(),
            "Twice too much: the half is missing that comes from the exponent of the bell.",
        ),
        Mistake(
            lambda mean, var: 0.5 * (mean**2 + var - 1 + var.log()),
            "The sign of the logarithm is turned round: a narrow bell would be cheap, and a "
            "latent could be told to any number of digits for nothing.",
        ),
        Mistake(
            lambda mean, var: 0.5 * (mean**2 + var - var.log()),
            "The 1 is missing: a latent that is N(0, 1) already says nothing, and must cost 0.",
        ),
        Mistake(
            lambda mean, var: 0.5 * ((1 + mean**2) / var - 1 + var.log()),
            "You have KL(N(0, 1) || q), the two turned round. The average is over q: what is "
            "drawn in training is drawn from q.",
        ),
        Mistake(
            lambda mean, var: 0.5 * (mean**2 + var.sqrt() - 1 - var.sqrt().log()),
            "var is a variance already: take no root of it.",
        ),
        Mistake(
            lambda mean, var: 0.5 * (mean**2 + var**2 - 1 - 2 * var.log()),
            "var is a variance already: do not square it.",
        ),
        Mistake(
            lambda mean, var: (0.5 * (mean**2 + var - 1 - var.log())).sum(),
            "Right, but summed up. Here each latent's own number is asked for.",
        ),
    ),
)

draw = Exercise(
    name="11.draw",
    task="Complete my_draw: a draw from N(mean, exp(log_var)) that is made of the given noise z.",
    solution=lambda mean, log_var, z: mean + (log_var / 2).exp() * z,
    cases=_draws,
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda mean, log_var, z: mean + log_var.exp() * z,
            "exp(log_var) is the variance. Noise is scaled by its root, the standard deviation.",
        ),
        Mistake(
            lambda mean, log_var, z: mean + log_var * z,
            "log_var is a logarithm: it is 0 where the noise has size 1, and below 0 where the "
            "noise is small. Undo the logarithm first.",
        ),
        Mistake(
            lambda mean, log_var, z: mean + log_var.exp(),
            "No noise in it: this is the mean and a fixed step beside it. Where is z?",
        ),
        Mistake(
            lambda mean, log_var, z: mean,
            "That is the mean. encode gives it, but in training a latent is drawn: only so does "
            "the decoder learn which digits of a latent it may rely on.",
        ),
        Mistake(
            lambda mean, log_var, z: (mean + z) * (log_var / 2).exp(),
            "The bracket is wrong: only the noise is scaled, not the mean.",
        ),
        Mistake(
            lambda mean, log_var, z: (log_var / 2).exp() * z,
            "Your noise is right. The mean, around which it lies, is missing.",
        ),
    ),
)

there_and_back = Exercise(
    name="11.there_and_back",
    task="Complete my_scaling: what the network is given of code, what the decoder of drawn.",
    solution=lambda code, drawn, shift, scale: ((code - shift) / scale, drawn * scale + shift),
    cases=_latents,
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda code, drawn, shift, scale: ((code - shift) / scale, (drawn - shift) / scale),
            "There twice, and never back. The decoder would get latents that are scaled again.",
        ),
        Mistake(
            lambda code, drawn, shift, scale: (drawn * scale + shift, (code - shift) / scale),
            "Both are right and have changed places: first what is learnt, then what is decoded.",
        ),
        Mistake(
            lambda code, drawn, shift, scale: ((code - shift) / scale, drawn),
            "The decoder has learnt latents in their own size: undo the scaling for it.",
        ),
        Mistake(
            lambda code, drawn, shift, scale: ((code - shift) / scale, (drawn + shift) * scale),
            "The way back undoes first what was done last: multiply, then shift.",
        ),
        Mistake(
            lambda code, drawn, shift, scale: (code / scale - shift, (drawn + shift) * scale),
            "There and back agree, but the mean is not 0: shift is that of the latents before "
            "they are scaled, so take it off first.",
        ),
        Mistake(
            lambda code, drawn, shift, scale: ((code - shift) * scale, drawn / scale + shift),
            "There and back agree, but the variance is scale^4 instead of 1: scale is the "
            "standard deviation of the latents. Divide by it.",
        ),
        Mistake(
            lambda code, drawn, shift, scale: (code / scale, drawn * scale),
            "That is all that Stable Diffusion does, with one number for all channels. Here each "
            "channel has a shift as well.",
        ),
    ),
)

signal_to_noise = Exercise(
    name="11.signal_to_noise",
    task="Complete my_ratio: signal over noise, as variances, for data of standard deviation std.",
    solution=lambda c, std: std**2 * c.alpha_bar / (1 - c.alpha_bar),
    cases=_levels,
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda c, std: c.alpha_bar / (1 - c.alpha_bar),
            "That is the ratio for data of variance 1. Where is std?",
        ),
        Mistake(
            lambda c, std: std * c.alpha_bar / (1 - c.alpha_bar),
            "The ratio is one of variances, so std enters squared.",
        ),
        Mistake(
            lambda c, std: std * (c.alpha_bar / (1 - c.alpha_bar)) ** 0.5,
            "A right ratio, but of amplitudes. Square it: variances are asked for.",
        ),
        Mistake(
            lambda c, std: std**2 * (c.alpha_bar / (1 - c.alpha_bar)) ** 0.5,
            "alpha_bar and 1 - alpha_bar are variances already: take no root of them.",
        ),
        Mistake(
            lambda c, std: (1 - c.alpha_bar) / (std**2 * c.alpha_bar),
            "Turned round: this is noise over signal. It should fall as t rises.",
        ),
        Mistake(
            lambda c, std: std**2 * c.alpha / (1 - c.alpha),
            "You use alpha, which belongs to one step. x_t has the noise of t steps: alpha_bar.",
        ),
        Mistake(
            lambda c, std: std**2 * c.alpha_bar / (std**2 * c.alpha_bar + 1 - c.alpha_bar),
            "That is the signal's share of the whole, a number below 1. Divide by the noise alone.",
        ),
    ),
)

savings = Exercise(
    name="11.savings",
    task="Put the number there: how many times fewer numbers the latents have than the image.",
    solution=lambda factor=8, channels=16: 3 * factor**2 / channels,
    tolerance=5e-4,
    mistakes=(
        Mistake(
            lambda factor=8, channels=16: factor**2,
            "You have counted positions: so many times fewer in height and in width. Each position "
            "also holds numbers: 3 before, more after.",
        ),
        Mistake(
            lambda factor=8, channels=16: 3 * factor**2 / 4,
            "That would be with 4 channels, as in the first Stable Diffusion. These latents have "
            "more.",
        ),
        Mistake(
            lambda factor=8, channels=16: 3 * factor**2,
            "You have counted the three colours of the image, but not the channels of the latents.",
        ),
        Mistake(
            lambda factor=8, channels=16: 3 * factor / channels,
            "A picture is smaller by the factor in height, and once more in width.",
        ),
        Mistake(
            lambda factor=8, channels=16: channels / (3 * factor**2),
            "Turned round: how many times fewer?",
        ),
        Mistake(
            lambda factor=8, channels=16: factor**2 / channels,
            "Channels grew from 3, so that many times as many numbers for a position, not as many "
            "as there are channels now.",
        ),
    ),
    numbers=Numbers(
        "An autoencoder makes a colour picture {factor} times smaller in height and in width, and "
        "keeps {channels} channels. How many times fewer numbers have its latents than "
        "the picture?",
        lambda draws: {
            "factor": draws.choice([8, 16, 32]),
            "channels": draws.choice([6, 8, 16, 32]),
        },
    ),
)

EXERCISES = by_name(kl, draw, signal_to_noise, there_and_back, savings, own_code)
