"""Lesson 04, the U-Net: its exercises."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from ddpm_lessons.checks.exercise import Exercise, Mistake, by_name
from ddpm_lessons.checks.lesson04_open import layers


def _receptive_field(layers):
    """Each layer adds kernel - 1 steps; a step is as long as the strides before it make it."""
    width, step = 1, 1
    for kernel, stride in layers:
        width += (kernel - 1) * step
        step *= stride
    return width


width_seen = Exercise(
    name="04.width_seen",
    task="Complete my_receptive_field: a list of (kernel, stride) in, the width in pixels out.",
    solution=_receptive_field,
    cases=lambda: [([(3, 1)] * 3,), ([(3, 1), (2, 2), (3, 1)],), ([(5, 3), (4, 2), (3, 2)],)],
    tolerance=0,
    mistakes=(
        Mistake(
            lambda layers: 1 + sum(kernel - 1 for kernel, _ in layers),
            "Right for a plain stack, but the strides do nothing in your answer. After a halving, "
            "one step to the side is two pixels.",
        ),
        Mistake(
            lambda layers: _receptive_field([(kernel + 1, stride) for kernel, stride in layers]),
            "You add the whole kernel. Its middle is seen already: only kernel - 1 new ones come.",
        ),
        Mistake(
            lambda layers: _receptive_field(
                [((k - 1) * stride + 1, stride) for k, stride in layers]
            ),
            "You multiply by a layer's stride before adding that layer. Its kernel still reads "
            "the finer grid; its stride counts for the layers after it.",
        ),
        Mistake(
            lambda layers: 1 + sum((kernel - 1) * stride for kernel, stride in layers),
            "You multiply by the layer's own stride. A step is as long as all strides before it.",
        ),
        Mistake(
            lambda layers: _receptive_field(layers) - 1,
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
            "Only where no halving leaves a remainder. Try 28 with three halvings by hand.",
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


def _block_parameters(w_in, w_out, emb):
    """Two norms, two 3x3 convolutions, the way in of the time, and a 1x1 shortcut if needed."""
    norms = 2 * w_in + 2 * w_out
    convolutions = (9 * w_in * w_out + w_out) + (9 * w_out * w_out + w_out)
    time = emb * w_out + w_out
    shortcut = w_in * w_out + w_out if w_in != w_out else 0
    return norms + convolutions + time + shortcut


def _less(part: Callable[[int, int, int], int]) -> Callable[[int, int, int], int]:
    """The right count without this number, for the mistakes."""
    return lambda w_in, w_out, emb: _block_parameters(w_in, w_out, emb) - part(w_in, w_out, emb)


block_parameters = Exercise(
    name="04.block_parameters",
    task="Complete my_parameters: the channels in and out and the embedding's length in, a count "
    "out.",
    solution=_block_parameters,
    cases=lambda: [(16, 16, 256), (32, 16, 256), (128, 64, 256), (24, 48, 32)],
    tolerance=0,
    mistakes=(
        Mistake(
            _less(lambda w_in, w_out, emb: (3 + (w_in != w_out)) * w_out),
            "The biases are missing: one for each output channel of every layer with weights.",
        ),
        Mistake(
            _less(lambda w_in, w_out, emb: (w_in != w_out) * (w_in + 1) * w_out),
            "Right where w_in = w_out. Otherwise the shortcut, a 1x1 convolution, counts too.",
        ),
        Mistake(
            _less(lambda w_in, w_out, emb: -(w_in == w_out) * (w_in + 1) * w_out),
            "You always count the shortcut's convolution. Where w_in = w_out it is the identity.",
        ),
        Mistake(
            _less(lambda w_in, w_out, emb: (emb + 1) * w_out),
            "The timestep's way in is missing: a linear layer from emb to w_out.",
        ),
        Mistake(
            _less(lambda w_in, w_out, emb: 2 * (w_in + w_out)),
            "The two GroupNorms are missing: each has a scale and a shift for every channel.",
        ),
        Mistake(
            _less(lambda w_in, w_out, emb: 2 * (w_in - w_out)),
            "You give both norms w_out channels. The first one stands before any convolution.",
        ),
        Mistake(
            _less(lambda w_in, w_out, emb: 9 * (w_out - w_in) * w_out),
            "The second convolution takes what the first has made: w_out channels in, not w_in.",
        ),
    ),
)


def _embedding(t, width):
    """The angles t / 10000^(k / half), a row for each t; first their sines, then their cosines."""
    half = width // 2
    frequencies = 10_000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
    angles = t[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _sinusoids(less=0, share=1, turn=1.0, join=lambda a: torch.cat([a.sin(), a.cos()], dim=1)):
    """The same, right as it stands, with one part exchanged for a wrong one."""

    def embedding(t, width):
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
    solution=_embedding,
    cases=lambda: [(torch.tensor([1, 2, 100, 1000]), 64), (torch.tensor([999, 5, 3]), 4)],
    tolerance=1e-3,
    mistakes=(
        Mistake(
            _sinusoids(less=1),
            "Your frequencies end exactly at 1/10000: you divide k by half - 1. Here it is k / "
            "half, which is also safe for a width of 2.",
        ),
        Mistake(
            _sinusoids(share=-1),
            "A sign: your frequencies rise from 1 to 10000. They should fall, to nearly 1/10000.",
        ),
        Mistake(
            _sinusoids(share=2),
            "You divide k by the whole width, and the waves only become 100 times longer. The "
            "exponent runs over half of the vector: k / half.",
        ),
        Mistake(
            _sinusoids(join=lambda a: torch.cat([a.cos(), a.sin()], dim=1)),
            "All the numbers are right, but the cosines stand first. Here the sines do.",
        ),
        Mistake(
            _sinusoids(join=lambda a: torch.stack([a.sin(), a.cos()], dim=2).flatten(1)),
            "All the numbers are right, but they alternate. Here all the sines stand first.",
        ),
        Mistake(
            _sinusoids(join=_by_rows),
            "The sines and cosines alternate over the rows, that is over the images of the batch. "
            "Each row must hold both, for its own t.",
        ),
        Mistake(
            _sinusoids(turn=1 / 1000),
            "You have divided t by 1000. Then even the fastest wave makes a sixth of a turn over "
            "the whole chain, and neighbours look alike: use t itself.",
        ),
        Mistake(
            _sinusoids(turn=torch.pi / 180),
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
            lambda h, shift: h + shift[:, :, None],
            "One axis is missing: torch lines shapes up from the right, so your images run along "
            "the channels and your channels along the rows.",
        ),
        Mistake(
            lambda h, shift: h + shift[:, None, None, :],
            "Your shift runs along the width of the image. It belongs to the channels, axis 1.",
        ),
        Mistake(
            lambda h, shift: h * shift[:, :, None, None],
            "The axes are right, but you multiply. This block adds. (Some networks do both.)",
        ),
        Mistake(
            lambda h, shift: h + shift.mean(dim=0)[None, :, None, None],
            "You have averaged over the batch. Each image has its own t, and so its own shift.",
        ),
    ),
)

EXERCISES = by_name(width_seen, size_back, block_parameters, embedding, inject, layers)
