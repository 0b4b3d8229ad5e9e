"""Lesson 12, the case study: its open exercise, with many right answers."""

from collections.abc import Iterable

import torch
from torch import Tensor

from ddpm_lessons.checks.exercise import Exercise, Mistake

PIXELS, KEPT = 64, 16  # of an image of 8 x 8; independent numbers that must be left

ALONE = (
    "What becomes of an image depends on the others of its batch. Damage each by itself: means "
    "over dim=0 mix the images."
)
NOTHING = (
    "An image of zeros does not stay one. Whatever A is, A 0 = 0: a damage that adds something of "
    "its own is not of the form A x."
)
LINEAR = (
    "Your damage is not linear: A (2 x - 3 y) is not 2 A x - 3 A y. It may take sums of pixels and "
    "multiply them by numbers; it may not look at a pixel to decide what to do."
)
LOSES = (
    "Nothing is lost: from what you return, x can be worked out again, by solving 64 equations. "
    "Let two different images become the same."
)
KEEPS = (
    "Too little is left: fewer than 16 independent numbers of the 64, so the restored image would "
    "be nearly all invention. Be gentler."
)


def _images(seed: int = 12) -> Iterable[tuple]:
    """(x,): zeros; each pixel alone; all of them mixed; x, y and 2 x - 3 y; two of x alone."""
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.randn(2, 4, 1, 8, 8, generator=generator)
    yield (torch.zeros(1, 1, 8, 8),)
    yield (torch.eye(PIXELS).view(PIXELS, 1, 8, 8),)
    yield (_weights().float().view(1, 1, 8, 8),)
    yield (x,)
    yield (y,)
    yield (2 * x - 3 * y,)
    yield (x[1:2],)
    yield (x[[3, 0]],)


def _weights() -> Tensor:
    return torch.linspace(-1, 2, PIXELS, dtype=torch.float64)


def _asked_of_a_damage(answers: list[Tensor]) -> dict[str, bool]:
    met = [_asked_once(answers[i : i + 8]) for i in range(0, len(answers), 8)]
    return {words: all(one[words] for one in met) for words in met[0]}


def _asked_once(answers: list[Tensor]) -> dict[str, bool]:
    zero, pixels, mixed, x, y, both, one, two = answers
    rows = pixels.reshape(PIXELS, PIXELS)  # the row of a pixel: what becomes of it
    size = max(answer.abs().max().item() for answer in answers)
    sizes = torch.linalg.svdvals(rows)
    rank = int((sizes > 1e-5 * sizes[0]).sum())

    def same(a: Tensor, b: Tensor) -> bool:
        return bool(((a - b).abs() <= 1e-4 * size).all())

    return {
        ALONE: same(x[1:2], one) and same(x[[3, 0]], two),
        NOTHING: bool((zero.abs() < 1e-6).all()),
        LINEAR: same(_weights() @ rows, mixed.flatten()) and same(2 * x - 3 * y, both),
        LOSES: rank < PIXELS,
        KEEPS: rank >= KEPT,
    }


def _stained(x: Tensor, colour: float) -> Tensor:
    inside = torch.zeros(8, 8, dtype=torch.bool)
    inside[2:6, 3:7] = True
    return x.masked_fill(inside, colour)


own_damage = Exercise(
    name="12.own_damage",
    task="Complete my_damage: images of 8 x 8 pixels, damaged by some A that loses something and "
    "keeps something. Many answers are right.",
    solution=lambda x: x * (torch.arange(8) % 2),
    cases=_images,
    tolerance=1e-4,
    demands=_asked_of_a_damage,
    mistakes=(
        Mistake(
            torch.zeros_like,
            "Nothing is left at all. Who restores this image has only the prior to go by.",
        ),
        Mistake(
            lambda x: _stained(x, -1.0),
            "You paint the hole with paper, -1. An image of zeros would get a stain, but A 0 = 0 "
            "for each A. In A x a lost pixel counts 0 times.",
        ),
        Mistake(
            lambda x: x[..., ::2, ::2],
            "That is an A, and a good one. But the answer shall be an image of 8 x 8 again, so "
            "that one can look at it: put the pixels that are left in their places.",
        ),
        Mistake(lambda x: x - x.mean(dim=0), ALONE),
        Mistake(lambda x: _stained(x, 0.5), NOTHING),
        Mistake(lambda x: x.clamp(-0.5, 0.5), LINEAR),
        Mistake(lambda x: x.flip(-1), LOSES),
        Mistake(lambda x: x.mean(dim=(-1, -2), keepdim=True).expand_as(x), KEEPS),
    ),
)
