"""Lesson 03, the loss: its exercises."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

from ddpm_lessons.checks.exercise import Exercise, Mistake, Numbers, by_name
from ddpm_lessons.checks.lesson03_open import distance
from ddpm_lessons.forward import q_sample
from ddpm_lessons.posterior import q_posterior
from ddpm_lessons.schedule import Coefficients, linear_schedule

LINEAR = linear_schedule()


def _nats(seed: int = 3) -> Iterable[tuple]:
    """A batch of 3 digits' worth of log-probabilities, and one of 2 tiny images."""
    generator = torch.Generator().manual_seed(seed)
    for shape in ((3, 1, 28, 28), (2, 3, 4, 4)):
        yield (torch.rand(shape, generator=generator, dtype=torch.float64) * 5,)


def _pairs(seed: int = 3) -> Iterable[tuple]:
    """(mean_q, mean_p, var): by calculator, then tensors at variances of a schedule's ends."""
    yield 0.602, 0.650, 0.01
    generator = torch.Generator().manual_seed(seed)
    for var in (1e-2, 0.3, 2.0):
        mean_q, mean_p = torch.randn(2, 5, generator=generator, dtype=torch.float64)
        yield mean_q, mean_p, var


def _steps() -> Iterable[tuple]:
    """(c, var): the article's coefficients, then beta and beta-tilde at four timesteps."""
    yield Coefficients(beta=0.01, alpha=0.99, alpha_bar=0.5, alpha_bar_prev=0.505), 0.01
    for t in (2, 10, 300, 1000):
        c = LINEAR.at(t)
        yield c, c.beta
        yield c, q_posterior(0.0, 0.0, c).var


def _examples(seed: int = 3) -> Iterable[tuple]:
    """(eps_model, schedule, x_0, t, eps), with a network whose answer depends on t."""

    def eps_model(x_t: Tensor, t: Tensor) -> Tensor:
        return (0.2 + 0.6 * t.view(-1, 1, 1, 1) / 1000) * x_t

    generator = torch.Generator().manual_seed(seed)
    for t in ([1, 1, 2], [2, 250, 1000]):
        x_0, eps = torch.randn(2, 3, 1, 4, 4, generator=generator, dtype=torch.float64)
        yield eps_model, LINEAR, x_0.clamp(-1, 1), torch.tensor(t), eps


def _loss(eps_model, schedule, x_0, t, eps):
    """The noisy images, the network's guess at their noise, the mean of the squared errors."""
    x_t = q_sample(x_0, schedule.at(t, like=x_0), eps)
    return ((eps_model(x_t, t) - eps) ** 2).mean()


def _example(noisy=q_sample, error=mse_loss, target=lambda x_0, x_t, eps: eps, told=0):
    """The same loss, right as it stands, with one part exchanged for a wrong one."""

    def loss(eps_model, schedule, x_0, t, eps):
        x_t = noisy(x_0, schedule.at(t, like=x_0), eps)
        return error(eps_model(x_t, t + told), target(x_0, x_t, eps))

    return loss


bits_per_dim = Exercise(
    name="03.bits_per_dim",
    task="Complete my_bits_per_dim: (B, C, H, W) nats in, (B,) bits per dimension out.",
    solution=lambda nats: nats.flatten(1).mean(dim=1) / math.log(2),
    cases=_nats,
    mistakes=(
        Mistake(
            lambda nats: nats.flatten(1).mean(dim=1),
            "These are nats per dimension, 0.69 of the number of bits. Divide by log 2.",
        ),
        Mistake(
            lambda nats: nats.flatten(1).sum(dim=1) / math.log(2),
            "These are bits for the whole image. Per dimension means: the mean over its numbers, "
            "not the sum.",
        ),
        Mistake(
            lambda nats: nats.flatten(1).mean(dim=1) * math.log(2),
            "You multiply by log 2. A nat is the larger unit, 1.44 bits, so there must be more "
            "bits than nats: divide.",
        ),
        Mistake(
            lambda nats: nats.mean() / math.log(2),
            "The unit is right, but you have averaged over the batch too. Each image has its own "
            "number: the answer has shape (B,).",
        ),
    ),
)

kl = Exercise(
    name="03.kl",
    task="Complete my_kl: the KL of two Gaussians with the same variance, entry by entry.",
    solution=lambda mean_q, mean_p, var: (mean_q - mean_p) ** 2 / (2 * var),
    cases=_pairs,
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda mean_q, mean_p, var: (mean_q - mean_p) ** 2 / (2 * var**0.5),
            "You divide by the standard deviation. Eq. (8) has sigma squared: that is `var`.",
        ),
        Mistake(
            lambda mean_q, mean_p, var: (mean_q - mean_p) ** 2 / (2 * var**2),
            "You have squared the variance. `var` is sigma squared already: take it as it is.",
        ),
        Mistake(
            lambda mean_q, mean_p, var: (mean_q - mean_p) ** 2 / var,
            "Twice too much: the 2 of 1 / (2 sigma squared) is missing.",
        ),
        Mistake(lambda q, p, v: abs(q - p) / (2 * v), "The distance of the means is not squared."),
        Mistake(
            lambda mean_q, mean_p, var: (mean_q - mean_p) ** 2 / (2 * var) / math.log(2),
            "These are bits. The exercise asks for nats, as Gaussian.kl gives them.",
        ),
    ),
)

weight = Exercise(
    name="03.weight",
    task="Complete my_weight so that it returns the factor of Eq. (12).",
    solution=lambda c, var: c.beta**2 / (2 * var * c.alpha * (1 - c.alpha_bar)),
    cases=_steps,
    tolerance=1e-5,
    mistakes=(
        Mistake(
            lambda c, var: c.beta**2 / (2 * var * c.alpha_bar * (1 - c.alpha_bar)),
            "Below stands alpha_t, the step's, not alpha_bar_t: Eq. (11) has 1 / sqrt(alpha_t).",
        ),
        Mistake(
            lambda c, var: c.beta**2 / (2 * var * c.alpha * (1 - c.alpha)),
            "The last factor is 1 - alpha_bar_t, the noise of all steps so far, not 1 - alpha_t.",
        ),
        Mistake(
            lambda c, var: c.beta**2 / (2 * var * c.alpha * (1 - c.alpha_bar_prev)),
            "t is off by one: 1 - alpha_bar_t, not alpha_bar_{t-1}.",
        ),
        Mistake(
            lambda c, var: c.beta / (2 * var * c.alpha * (1 - c.alpha_bar)),
            "beta_t must be squared: it is part of the distance of the means.",
        ),
        Mistake(
            lambda c, var: c.beta**2 / (2 * var**0.5 * c.alpha * (1 - c.alpha_bar)),
            "You divide by the standard deviation. `var` is sigma_t squared: take it as it is.",
        ),
        Mistake(
            lambda c, var: c.beta**2 / (2 * var**2 * c.alpha * (1 - c.alpha_bar)),
            "You have squared the variance. `var` is sigma_t squared already.",
        ),
        Mistake(
            lambda c, var: c.beta**2 / (2 * var * (1 - c.alpha_bar)),
            "alpha_t is missing below: the mean of Eq. (11) is divided by its root.",
        ),
        Mistake(
            lambda c, var: c.beta**2 / (var * c.alpha * (1 - c.alpha_bar)),
            "Twice too much: the 2 of 1 / (2 sigma squared) is missing.",
        ),
        Mistake(
            lambda c, var: c.beta / (2 * var * (c.alpha * (1 - c.alpha_bar)) ** 0.5),
            "This is the factor before squaring. Square it: Eq. (8) squares the distance.",
        ),
    ),
)

one_example = Exercise(
    name="03.one_example",
    task="Complete my_loss: build x_t, ask the network, return the mean of the squared errors.",
    solution=_loss,
    cases=_examples,
    tolerance=1e-5,
    mistakes=(
        Mistake(
            _example(error=lambda a, b: mse_loss(a, b, reduction="sum")),
            "You have summed over all entries. The library, like the paper's code, takes the "
            "mean, so that the number does not depend on the image's size.",
        ),
        Mistake(
            _example(error=lambda a, b: mse_loss(a, b, reduction="sum") / len(a)),
            "You have averaged over the images, but summed over the pixels of each. Eq. (14) looks "
            "like that; the library, like the paper's code, takes the mean over both.",
        ),
        Mistake(_example(error=lambda a, b: mse_loss(a, b) ** 0.5), "Eq. (14) takes no root."),
        Mistake(_example(error=l1_loss), "This is the mean of absolute errors. Eq. (14) squares."),
        Mistake(
            _example(lambda x_0, c, eps: c.alpha**0.5 * x_0 + (1 - c.alpha) ** 0.5 * eps),
            "Your x_t is one step from x_0: it uses alpha where Eq. (4) has alpha_bar.",
        ),
        Mistake(
            _example(lambda x_0, c, eps: c.alpha_bar**0.5 * x_0 + (1 - c.alpha_bar) * eps),
            "Your x_t has noise of standard deviation 1 - alpha_bar. Eq. (4) takes the root.",
        ),
        Mistake(
            _example(lambda x_0, c, e: q_sample(x_0, c._replace(alpha_bar=c.alpha_bar_prev), e)),
            "Your x_t belongs to t - 1, one step too early: it uses alpha_bar_prev.",
        ),
        Mistake(_example(told=-1), "Your x_t is right, but the network is told t - 1, not its t."),
        Mistake(
            _example(lambda x_0, c, eps: x_0),
            "The network was shown the clean x_0, where there is no noise. It must see x_t.",
        ),
        Mistake(
            _example(target=lambda x_0, x_t, eps: x_0),
            "You compare with x_0. The network's answer is a guess at eps.",
        ),
        Mistake(
            _example(target=lambda x_0, x_t, eps: x_t - x_0),
            "You compare with x_t - x_0. That is not the noise: x_0 was shrunk too, and eps was "
            "scaled. The target is eps itself.",
        ),
    ),
)

randint_arguments = Exercise(
    name="03.randint_arguments",
    task="Put the two numbers there that make torch.randint draw t from 1, 2, ..., 1000.",
    solution=lambda T=1000: (1, T + 1),
    tolerance=0,
    mistakes=(
        Mistake(
            lambda T=1000: (1, T),
            "torch.randint leaves its upper end out, so t = T is never trained, and sampling "
            "starts there. More than one public project shipped exactly this.",
        ),
        Mistake(
            lambda T=1000: (0, T),
            "That is t from 0, as code with 0-based arrays draws it. Here t = 0 is the clean "
            "image: there is no noise to predict, and t = T would be missed.",
        ),
        Mistake(
            lambda T=1000: (0, T + 1),
            "t = 0 is the clean image: there is no noise to predict. Start at 1.",
        ),
    ),
    numbers=Numbers(
        "Which (low, high) make torch.randint(low, high, (B,)) draw t from 1, 2, ..., {T}?",
        lambda draws: {"T": draws.randrange(50, 4000, 50)},
    ),
)

EXERCISES = by_name(bits_per_dim, kl, weight, one_example, randint_arguments, distance)
