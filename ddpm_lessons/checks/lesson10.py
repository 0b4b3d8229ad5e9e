"""Lesson 10, guidance: its exercises."""

from collections.abc import Iterable

import torch

from ddpm_lessons.checks.exercise import Exercise, Mistake, Numbers, by_name
from ddpm_lessons.checks.lesson10_open import wish
from ddpm_lessons.guidance import NO_LABEL
from ddpm_lessons.schedule import Coefficients, linear_schedule

LINEAR = linear_schedule()


def _slopes(seed: int = 10) -> Iterable[tuple]:
    """(eps, slope, c, weight): by calculator, then tensors at three timesteps."""
    c = Coefficients(beta=0.01, alpha=0.99, alpha_bar=0.5, alpha_bar_prev=0.505)
    yield 0.3, 0.4, c, 2.0
    generator = torch.Generator().manual_seed(seed)
    for t, weight in ((3, 1.0), (300, 3.0), (900, 0.5)):
        eps, slope = torch.randn(2, 2, 1, 4, 4, generator=generator, dtype=torch.float64)
        yield eps, slope, LINEAR.at(t), weight


def _answers(seed: int = 10) -> Iterable[tuple]:
    """(told, free, weight): by calculator, then tensors."""
    yield 0.5, 0.3, 3.0
    generator = torch.Generator().manual_seed(seed)
    for weight in (0.0, 1.0, 2.5):
        yield *torch.randn(2, 2, 1, 4, 4, generator=generator, dtype=torch.float64), weight


def _labels(seed: int = 10) -> Iterable[tuple]:
    """(labels, u, share): labels with zeros among them, u uniform in [0, 1)."""
    generator = torch.Generator().manual_seed(seed)
    for share in (0.2, 0.7):
        labels = torch.randint(0, 10, (12,), generator=generator)
        labels[:2] = 0
        u = torch.rand(12, generator=generator)
        u[0], u[1] = share / 2, (1 + share) / 2  # a zero that is hidden, and one that is not
        yield labels, u, share


def _three(seed: int = 10) -> Iterable[tuple]:
    """(free, wanted, shunned, weight): by calculator, then tensors."""
    yield 0.3, 0.5, 0.1, 2.0
    generator = torch.Generator().manual_seed(seed)
    for weight in (1.0, 2.5):
        yield *torch.randn(3, 2, 1, 4, 4, generator=generator, dtype=torch.float64), weight


variance = Exercise(
    name="10.variance",
    task="Put the variance of p(x | y)^w p(x)^(1 - w) there: a number.",
    solution=lambda v=0.5, w=4: 1 / (w / v + 1 - w),
    tolerance=5e-4,
    mistakes=(
        Mistake(
            lambda v=0.5, w=4: v**w,
            "That is where the chain of an ODE ends, v^w. The question is about the density: add "
            "the precisions, each times its power.",
        ),
        Mistake(
            lambda v=0.5, w=4: v / w,
            "You have forgotten p(x)^(1 - w). Its power is negative, so it takes precision away.",
        ),
        Mistake(
            lambda v=0.5, w=4: 1 / (w / v + w - 1),
            "The power of p(x) is 1 - w, and that is below 0 here: its precision is subtracted.",
        ),
        Mistake(
            lambda v=0.5, w=4: w / v + 1 - w,
            "That is the precision, one over the variance.",
        ),
        Mistake(
            lambda v=0.5, w=4: w * v + 1 - w,
            "What adds up is one over the variances, not the variances. And no variance is below "
            "zero.",
        ),
    ),
    numbers=Numbers(
        "Those with the label are N(1, {v}) and all numbers are N(0, 1). Which variance has the "
        "density p(x | y)^w p(x)^(1 - w) for w = {w}?",
        lambda draws: {"v": draws.choice([0.2, 0.25, 0.4, 0.5]), "w": draws.randint(2, 7)},
    ),
)

by_slope = Exercise(
    name="10.by_slope",
    task="Complete my_eps: the noise prediction that a classifier's slope makes of eps.",
    solution=lambda eps, slope, c, weight: eps - weight * (1 - c.alpha_bar) ** 0.5 * slope,
    cases=_slopes,
    mistakes=(
        Mistake(
            lambda eps, slope, c, weight: eps + weight * (1 - c.alpha_bar) ** 0.5 * slope,
            "The sign is turned round: eps points away from the images, the slope towards the "
            "label. This chain would flee from what you asked for.",
        ),
        Mistake(
            lambda eps, slope, c, weight: eps - weight * slope,
            "Slopes are scores. To add one to a noise it has to be made a noise: the factor "
            "-sqrt(1 - alpha_bar) of lesson 08.",
        ),
        Mistake(
            lambda eps, slope, c, weight: eps - weight * (1 - c.alpha_bar) * slope,
            "The root is missing: 1 - alpha_bar is the variance of the noise.",
        ),
        Mistake(
            lambda eps, slope, c, weight: eps - weight * c.alpha_bar**0.5 * slope,
            "sqrt(alpha_bar) is the amplitude of the signal. A slope becomes a noise by the other "
            "one, sqrt(1 - alpha_bar).",
        ),
        Mistake(
            lambda eps, slope, c, weight: eps - weight * slope / (1 - c.alpha_bar) ** 0.5,
            "That factor leads from a noise to a score. You need the way back.",
        ),
        Mistake(
            lambda eps, slope, c, weight: eps - weight * (1 - c.alpha) ** 0.5 * slope,
            "You use alpha, the noise of one step. x_t has that of all t steps: alpha_bar.",
        ),
        Mistake(
            lambda eps, slope, c, weight: weight * (eps - (1 - c.alpha_bar) ** 0.5 * slope),
            "The weight belongs to the slope alone. Now eps is scaled too, and with it the noise "
            "that every step removes.",
        ),
        Mistake(
            lambda eps, slope, c, weight: eps - weight * ((1 - c.alpha_bar) ** 0.5 * slope + eps),
            "The slope is already a difference of two scores, by Bayes. Do not subtract eps again.",
        ),
    ),
)

hide = Exercise(
    name="10.hide",
    task="Complete my_labels: -1 in the place of a share of the labels.",
    solution=lambda labels, u, share: labels.masked_fill(u < share, NO_LABEL),
    cases=_labels,
    mistakes=(
        Mistake(
            lambda labels, u, share: labels.masked_fill(u >= share, NO_LABEL),
            "Turned round: you keep that share, and hide the rest. With a share of 0.2 the network "
            "would hardly ever be told anything.",
        ),
        Mistake(
            lambda labels, u, share: labels.masked_fill(u < share, 0),
            "Hidden labels must not become 0, as they do when multiplied by a mask: that is the "
            "digit zero. The network would learn that a zero may be anything.",
        ),
        Mistake(
            lambda labels, u, share: labels.masked_fill(u < share, 10),
            "The right ones are hidden, but as 10. Some programs count no label as an eleventh "
            "class; here it is -1.",
        ),
        Mistake(
            lambda labels, u, share: torch.full_like(labels, NO_LABEL) if u[0] < share else labels,
            "One draw decides for the whole batch. Each label needs its own: use all of u.",
        ),
        Mistake(
            lambda labels, u, share: labels[u >= share],
            "Labels are hidden, not taken out: the images stay in the batch.",
        ),
    ),
)

guided = Exercise(
    name="10.guided",
    task="Complete my_guided: the guided noise of the two answers.",
    solution=lambda told, free, weight: free + weight * (told - free),
    cases=_answers,
    mistakes=(
        Mistake(
            lambda told, free, weight: told + weight * (told - free),
            "That is the paper's way of counting, where 0 means the label as it was learnt. Here "
            "a weight of 1 does: begin at the answer without a label.",
        ),
        Mistake(
            lambda told, free, weight: told + weight * (free - told),
            "The two answers are exchanged: a weight of 1 now ignores the label, and more flees "
            "from it.",
        ),
        Mistake(
            lambda told, free, weight: free - weight * (told - free),
            "A sign: this begins at the answer without the label, and then flees from the label.",
        ),
        Mistake(
            lambda told, free, weight: free + weight * told,
            "Add the difference that the label makes, not the whole answer: else the noise is "
            "counted twice.",
        ),
        Mistake(
            lambda told, free, weight: weight * told,
            "Scaling the answer scales the noise that is removed, and leads nowhere. Only the "
            "difference between the two answers knows the label.",
        ),
        Mistake(
            lambda told, free, weight: (1 + weight) * told - (1 - weight) * free,
            "The two shares must add up to 1, so that both answers together are still one noise.",
        ),
    ),
)

away = Exercise(
    name="10.away",
    task="Complete my_away: towards one label, and away from another.",
    solution=lambda free, wanted, shunned, weight: free + weight * (wanted - shunned),
    cases=_three,
    mistakes=(
        Mistake(
            lambda free, wanted, shunned, weight: free + weight * (shunned - wanted),
            "Turned round: this one flees from what you want.",
        ),
        Mistake(
            lambda free, wanted, shunned, weight: shunned + weight * (wanted - shunned),
            "That is the negative prompt of image programs: guidance with the unwanted label in "
            "the place of none. It starts out from p(x | unwanted). Here we start from free.",
        ),
        Mistake(
            lambda free, wanted, shunned, weight: free + weight * (wanted - free),
            "Guidance towards the wanted label only: the other one has no say.",
        ),
        Mistake(
            lambda free, wanted, shunned, weight: wanted + weight * (wanted - shunned),
            "You begin at the answer for the wanted label, so it counts once more than the other. "
            "The formula begins at the answer without a label.",
        ),
        Mistake(
            lambda free, wanted, shunned, weight: free + weight * (wanted + shunned - 2 * free),
            "Towards both: this asks for an image that is an 8 and a 3 at once.",
        ),
    ),
)

EXERCISES = by_name(variance, by_slope, hide, guided, away, wish)
