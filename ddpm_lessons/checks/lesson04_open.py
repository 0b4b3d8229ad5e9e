"""Lesson 04, the U-Net: its open exercise, with many right answers."""

import torch

from ddpm_lessons.checks.exercise import Exercise, Mistake
from ddpm_lessons.models.probe import receptive_field

SIDE, CHANNELS, LAYERS = 28, 32, 7
FIELD, COARSEST, BUDGET = 55, 7, 15_000_000

LEGAL = (
    "Each layer is a pair (kernel, stride) of whole numbers: a kernel from 1 to 5, and a stride of "
    "1 or 2 that is not longer than the kernel. One of yours is not."
)
FINE = (
    "Your first layer should look at the whole picture and halve nothing: a kernel of 3 or more at "
    "stride 1. What it makes goes over the finest skip, and nothing is missed more than that."
)
COARSE = (
    "You halve too often: at the end there are fewer than 7 x 7 positions, and 7 cannot be halved "
    "without a remainder."
)
WIDE = (
    "Your stack sees fewer than 55 pixels, so one corner does not yet know of the other. A kernel "
    "counts for more after a halving, and most after two."
)
CHEAP = (
    "Your stack sees enough, but it costs more than 15 million multiply-adds. Which of your layers "
    "is the dear one? The same kernel costs a quarter after a halving."
)


def _multiply_adds(layers: list[tuple[int, int]]) -> int:
    """Those of the whole stack: kernel squared, times 32 x 32 channels, at every position made."""
    side, total = SIDE, 0
    for kernel, stride in layers:
        side //= stride
        total += kernel**2 * CHANNELS**2 * side**2
    return total


def _asked_of_layers(answers: list[torch.Tensor]) -> dict[str, bool]:
    """What holds for seven pairs; what cannot be asked of layers that are none is left out."""
    layers = answers[0].view(LAYERS, 2)
    kernels, strides = layers.T
    sizes = (kernels >= 1) & (kernels <= 5) & (strides >= 1) & (strides <= kernels.clamp(max=2))
    if not bool((sizes & (layers == layers.round()).all(dim=1)).all()):
        return {LEGAL: False}
    pairs = [(int(kernel), int(stride)) for kernel, stride in layers.tolist()]
    return {
        LEGAL: True,
        FINE: pairs[0][0] >= 3 and pairs[0][1] == 1,
        COARSE: SIDE / strides.prod().item() >= COARSEST,
        WIDE: receptive_field(pairs) >= FIELD,
        CHEAP: _multiply_adds(pairs) <= BUDGET,
    }


layers = Exercise(
    name="04.layers",
    task="Design my_layers: seven pairs (kernel, stride) that see 55 pixels for at most 15 million "
    "multiply-adds. Many answers are right.",
    solution=lambda: [(3, 1), (2, 2), (3, 2), (5, 1), (5, 1), (4, 1), (3, 1)],
    tolerance=0,
    demands=_asked_of_layers,
    mistakes=(
        Mistake(
            lambda: [(3, 1)] * 7,
            "A plain stack of seven sees 15 pixels, and costs more than three times the budget. "
            "What makes a layer reach further, and cheaper?",
        ),
        Mistake(
            lambda: [(5, 1)] * 7,
            "Larger kernels alone see 29 pixels, for nine times the budget. Without a halving each "
            "layer pays for 28 x 28 positions.",
        ),
        Mistake(
            lambda: [(1, 3), (2, 2), (2, 3), (1, 5), (1, 5), (1, 4), (1, 3)],
            "You have put the strides first. A pair is (kernel, stride).",
        ),
        Mistake(lambda: [(7, 1), (2, 2), (2, 2), (5, 1), (5, 1), (5, 1), (5, 1)], LEGAL),
        Mistake(lambda: [(5, 2), (5, 2), (5, 1), (5, 1), (5, 1), (5, 1), (5, 1)], FINE),
        Mistake(lambda: [(3, 1), (3, 2), (3, 2), (3, 2), (3, 1), (3, 1), (3, 1)], COARSE),
        Mistake(lambda: [(3, 1), (3, 2), (3, 2), (3, 1), (3, 1), (3, 1), (3, 1)], WIDE),
        Mistake(lambda: [(5, 1), (2, 2), (2, 2), (5, 1), (5, 1), (5, 1), (5, 1)], CHEAP),
    ),
)
