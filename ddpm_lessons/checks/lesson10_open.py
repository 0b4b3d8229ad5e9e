"""Lesson 10, guidance: its open exercise, with many right answers."""

from collections.abc import Iterable

import torch
from torch import Tensor

from ddpm_lessons.checks.exercise import Exercise, Mistake

SIDE, HALF = 28, 14
TOUCH = 0.1  # by how much a pixel is darkened to see what it does

DARKER = (
    "The upper half fades to paper, and somewhere on the way your wish falls or stands still. The "
    "darker it gets, down to -1, the more your wish should say."
)
SLOPE = (
    "There is a pixel of the upper half that your wish does not hear: it gets a little darker, and "
    "the wish says the same as before, or less. Without a slope nothing pulls at that pixel."
)
ALONE = (
    "Your wish changes when a pixel of the lower half does. That half is none of its business: a "
    "digit is to be drawn there."
)
OWN = (
    "What your wish says of an image depends on the others in the batch. Each image is drawn by "
    "itself, so take no mean, and no largest one, over the first axis."
)


def _touched(image: Tensor) -> Tensor:
    """An image (1, 1, 28, 28), then 784 of them, each with another pixel a little darker."""
    one_each = torch.eye(SIDE * SIDE, dtype=image.dtype).view(-1, 1, SIDE, SIDE)
    return torch.cat([image, image - TOUCH * one_each])


def _images(seed: int = 10) -> Iterable[tuple]:
    """Three images; two of them alone; one on its way to paper; one with each pixel touched."""
    generator = torch.Generator().manual_seed(seed)
    size = (3, 1, SIDE, SIDE)
    images = 1.6 * torch.rand(size, generator=generator, dtype=torch.float64) - 0.7
    fading = torch.cat([images[:1]] * 6)
    way = torch.linspace(0, 1, 6, dtype=torch.float64).view(-1, 1, 1, 1)
    fading[:, :, :HALF] = (1 - way) * fading[:, :, :HALF] - way
    yield from ((images,), (images[:1],), (images[[2]],), (fading,), (_touched(images[1:2]),))


def _asked_of_a_wish(answers: list[Tensor]) -> dict[str, bool]:
    rounds = [answers[i : i + 5] for i in range(0, len(answers), 5)]
    met = dict.fromkeys((DARKER, SLOPE, ALONE, OWN), True)
    for together, first, last, fading, touched in rounds:
        gains = (touched[1:] - touched[0]).view(2, -1)  # of the upper half, and of the lower
        upper, lower = gains[0], gains[1].abs()
        alone = torch.cat([first, last])
        scale = together.abs().max() + fading.diff().abs().max()
        found = {
            DARKER: (fading.diff() > 0).all(),
            SLOPE: (upper > 0).all(),
            ALONE: (lower <= 1e-3 * upper.abs().max()).all(),
            OWN: ((together[[0, 2]] - alone).abs() <= 1e-4 * scale).all(),
        }
        met = {words: met[words] and bool(yes) for words, yes in found.items()}
    return met


wish = Exercise(
    name="10.wish",
    task="Complete my_wish: a number for each image, the larger the more its upper half is paper. "
    "Many answers are right.",
    solution=lambda x0_hat: -x0_hat[:, 0, :14].mean(dim=(1, 2)),
    cases=_images,
    tolerance=1e-6,
    demands=_asked_of_a_wish,
    mistakes=(
        Mistake(
            lambda x0_hat: x0_hat[:, 0, :14].mean(dim=(1, 2)),
            "You wish for ink above: the sign is turned round. Paper is -1, ink is 1, and the "
            "chain goes where your number rises.",
        ),
        Mistake(
            lambda x0_hat: -x0_hat[:, 0, 14:].mean(dim=(1, 2)),
            "You empty the lower half. Rows are counted from the top.",
        ),
        Mistake(
            lambda x0_hat: -x0_hat[:, 0, :, :14].mean(dim=(1, 2)),
            "You empty the left half. The axes are image, channel, row, column.",
        ),
        Mistake(
            lambda x0_hat: (x0_hat[:, 0, :14] < 0).double().mean(dim=(1, 2)),
            "You count dark pixels. A count jumps when a pixel crosses the border and stands still "
            "otherwise: it has no slope, and nothing pulls.",
        ),
        Mistake(lambda x0_hat: -(x0_hat[:, 0, :14] ** 2).mean(dim=(1, 2)), DARKER),
        Mistake(lambda x0_hat: -x0_hat[:, 0, :14].amax(dim=(1, 2)), SLOPE),
        Mistake(lambda x0_hat: -x0_hat.mean(dim=(1, 2, 3)), ALONE),
        Mistake(
            lambda x0_hat: (-x0_hat[:, 0, :14].mean(dim=(1, 2))).softmax(dim=0),
            OWN,
        ),
    ),
)
