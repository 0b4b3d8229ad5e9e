"""Lesson 04, the U-Net: its exercises."""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from ddpm_lessons.checks.exercise import Exercise, Mistake, by_name
from ddpm_lessons.models.probe import receptive_field
from ddpm_lessons.models.unet import ResBlock, sinusoids

Layers = Sequence[tuple[int, int]]  # (kernel, stride)


def _width(layers: Layers, *, start: int = 1, less: int = 1, early: bool = False) -> int:
    """The receptive field, right as it stands, with one part exchanged for a wrong one."""
    width, step = start, 1
    for kernel, stride in layers:
        width += (kernel - less) * step * (stride if early else 1)
        step *= stride
    return width


width_seen = Exercise(
    name="04.width_seen",
    task="Complete my_receptive_field: a list of (kernel, stride) in, the width in pixels out.",
    solution=receptive_field,
    cases=lambda: [([(3, 1)] * 3,), ([(3, 1), (2, 2), (3, 1)],), ([(5, 3), (4, 2), (3, 2)],)],
    tolerance=0,
    mistakes=(
        Mistake(
            lambda layers: 1 + sum(kernel - 1 for kernel, _ in layers),
            "Right for a plain stack, but the strides do nothing in your answer. After a halving, "
            "one step to the side is two pixels.",
        ),
        Mistake(
            lambda layers: _width(layers, less=0),
            "You add the whole kernel. Its middle lies on a position that is seen already: only "
            "kernel - 1 new ones come.",
        ),
        Mistake(
            lambda layers: _width(layers, early=True),
            "You multiply by a layer's stride before adding that layer. Its kernel still reads "
            "the finer grid; its stride counts for the layers after it.",
        ),
        Mistake(
            lambda layers: _width(layers, start=0),
            "One too few: before the first layer, a position sees one pixel, itself.",
        ),
    ),
)

size_back = Exercise(
    name="04.size_back",
    task="Complete my_size_back: the image's size and the number of halvings in, a size out.",
    solution=lambda size, halvings: size // 2**halvings * 2**halvings,
    cases=lambda: [(28, 2), (28, 3), (31, 1), (30, 2), (63, 4)],
    tolerance=0,
    mistakes=(
        Mistake(
            lambda size, halvings: size,
            "That is what one would wish for. It holds where no halving leaves a remainder; try "
            "28 with three halvings by hand.",
        ),
        Mistake(
            lambda size, halvings: -(-size // 2**halvings) * 2**halvings,
            "You round up. A 2x2 kernel at stride 2 has no partner for the last row of an odd "
            "image, and leaves it out.",
        ),
        Mistake(
            lambda size, halvings: size // 2**halvings,
            "That is the size at the bottom. The decoder doubles it again.",
        ),
        Mistake(
            lambda size, halvings: size // 2 * 2,
            "You lose a row in the first halving only. Each halving may meet an odd size.",
        ),
    ),
)


def _block_parameters(w_in: int, w_out: int, emb: int) -> int:
    with torch.device("meta"):  # sizes without numbers: nothing is drawn
        block = ResBlock(w_in, w_out, emb=emb, groups=1)
    return sum(p.numel() for p in block.parameters())


def _count(
    *,
    bias: int = 1,
    norms: int = 1,
    time: int = 1,
    shortcut: Callable[[int, int], int] = lambda w_in, w_out: w_in != w_out,
) -> Callable[[int, int, int], int]:
    """The parameters of a residual block, right as it stands, with one part exchanged."""

    def count(w_in: int, w_out: int, emb: int) -> int:
        convolutions = 9 * (w_in * w_out + w_out * w_out) + 2 * bias * w_out
        rest = time * (emb * w_out + bias * w_out) + norms * 2 * (w_in + w_out)
        return convolutions + rest + shortcut(w_in, w_out) * (w_in * w_out + bias * w_out)

    return count


block_parameters = Exercise(
    name="04.block_parameters",
    task="Complete my_parameters: the channels in and out and the embedding's length in, a count "
    "out.",
    solution=_block_parameters,
    cases=lambda: [(16, 16, 256), (32, 16, 256), (128, 64, 256), (24, 48, 32)],
    tolerance=0,
    mistakes=(
        Mistake(
            _count(bias=0),
            "The biases are missing: one for each output channel of every convolution and of the "
            "linear layer.",
        ),
        Mistake(
            _count(shortcut=lambda w_in, w_out: 0),
            "Right where w_in = w_out. Otherwise the shortcut is a 1x1 convolution, with weights "
            "of its own.",
        ),
        Mistake(
            _count(shortcut=lambda w_in, w_out: 1),
            "You always count the shortcut's convolution. Where w_in = w_out it is the identity.",
        ),
        Mistake(
            _count(time=0),
            "The timestep's way in is missing: a linear layer from emb to w_out.",
        ),
        Mistake(
            _count(norms=0),
            "The two GroupNorms are missing: each has a scale and a shift for every channel.",
        ),
    ),
)


def _embedding(
    *,
    less: int = 0,
    share: int = 1,
    turn: float = 1.0,
    join: Callable[[Tensor], Tensor] = lambda a: torch.cat([a.sin(), a.cos()], dim=1),
) -> Callable[[Tensor, int], Tensor]:
    """Sinusoids of t, right as they stand, with one part exchanged for a wrong one."""

    def embedding(t: Tensor, width: int) -> Tensor:
        half = width // 2
        k = torch.arange(half, dtype=torch.float64)
        frequencies = 10_000.0 ** (-k / (share * half - less))
        return join(turn * t[:, None].double() * frequencies)

    return embedding


def _by_rows(a: Tensor) -> Tensor:
    """Sines in the even rows and cosines in the odd ones: the rows are the images of a batch."""
    rows = torch.arange(len(a))[:, None] % 2 == 0
    return torch.where(rows, torch.cat([a.sin()] * 2, dim=1), torch.cat([a.cos()] * 2, dim=1))


embedding = Exercise(
    name="04.embedding",
    task="Complete my_embedding: (B,) timesteps and an even width in, (B, width) sinusoids out.",
    solution=sinusoids,
    cases=lambda: [
        (torch.tensor([1, 2, 100, 1000]), 64),
        (torch.tensor([999]), 8),
        (torch.tensor([7, 5, 3]), 4),
    ],
    tolerance=1e-3,
    mistakes=(
        Mistake(
            _embedding(less=1),
            "Your frequencies end exactly at 1/10000: you divide k by half - 1. Here it is k / "
            "half, which is also safe for a width of 2.",
        ),
        Mistake(
            _embedding(share=2),
            "You divide k by the whole width, and the waves only become 100 times longer. The "
            "exponent runs over half of the vector: k / half.",
        ),
        Mistake(
            _embedding(join=lambda a: torch.cat([a.cos(), a.sin()], dim=1)),
            "All the numbers are right, but the cosines stand first. Here the sines do.",
        ),
        Mistake(
            _embedding(join=lambda a: torch.stack([a.sin(), a.cos()], dim=2).flatten(1)),
            "All the numbers are right, but sines and cosines alternate. Here all sines stand "
            "first, then all cosines.",
        ),
        Mistake(
            _embedding(join=_by_rows),
            "The sines and cosines alternate over the rows, that is over the images of the batch. "
            "Each row must hold both, for its own t.",
        ),
        Mistake(
            _embedding(turn=1 / 1000),
            "You have divided t by 1000. Then even the fastest wave makes a sixth of a turn over "
            "the whole chain, and neighbours look alike: use t itself.",
        ),
        Mistake(
            _embedding(turn=torch.pi / 180),
            "These are sines of degrees. torch.sin takes radians: leave the angle as it is.",
        ),
    ),
)


def _features(seed: int = 4) -> Iterable[tuple]:
    """(h, shift) with as many images as channels, rows and columns: every mix-up fits as well."""
    generator = torch.Generator().manual_seed(seed)
    for n in (4, 3):
        h = torch.randn(n, n, n, n, generator=generator)
        yield h, torch.randn(n, n, generator=generator)


inject = Exercise(
    name="04.inject",
    task="Complete my_inject: features (B, C, H, W) and shifts (B, C) in, features out.",
    solution=lambda h, shift: h + shift[:, :, None, None],
    cases=_features,
    mistakes=(
        Mistake(
            lambda h, shift: h + shift,
            "Torch lines shapes up from the right: you have added (B, C) along the image's height "
            "and width. It only fits because this test has B = C = H = W.",
        ),
        Mistake(
            lambda h, shift: h + shift[:, None, None, :],
            "Your shift runs along the width of the image. It belongs to the channels, axis 1.",
        ),
        Mistake(
            lambda h, shift: h * shift[:, :, None, None],
            "The axes are right, but you multiply. This block adds. (Some networks do both, with "
            "two numbers for each channel.)",
        ),
        Mistake(
            lambda h, shift: h + shift.mean(dim=0)[None, :, None, None],
            "You have averaged over the batch. Each image has its own t, and so its own shift.",
        ),
    ),
)

EXERCISES = by_name(width_seen, size_back, block_parameters, embedding, inject)
