"""Where the commands' randomness comes from: a generator for each seed, use and number.

Sample i has a generator of its own: it is the same digit, but for rounding, in whatever batch and
by whichever process it is drawn, and the digits of `sample` are the first ones of `evaluate`.
"""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from ddpm_lessons.data import load_mnist

SEEDS = 2**32  # the CPU generator tells this many seeds apart
STRIDE = 2_654_435_769  # odd, so that no two numbers share a seed; large, so that all are far apart
STREAMS = ("samples", "bound", "floor", "bootstrap", "labels")  # the uses of randomness, kept apart


def stream(seed: int, name: str, index: int = 0) -> torch.Generator:
    """A generator of its own for each seed, use and number; it lives on the CPU, so that a seed
    means the same on every device.
    """
    first = int(np.random.SeedSequence([seed, STREAMS.index(name)]).generate_state(1)[0])
    return torch.Generator().manual_seed((first + index * STRIDE) % SEEDS)


def streams(seed: int, name: str, indices: Iterable[int]) -> list[torch.Generator]:
    """The streams of these numbers."""
    return [stream(seed, name, i) for i in indices]


def choose_labels(label: int | str | None, seed: int, indices: range) -> Tensor | None:
    """The labels of these samples as --label says, (n,) int64; None without.

    "data" draws them as often as the training set has them.
    """
    if label == "data":
        labels = load_mnist("train").labels
        draws = streams(seed, "labels", indices)
        return torch.cat([labels[torch.randint(len(labels), (1,), generator=g)] for g in draws])
    return None if label is None else torch.full((len(indices),), label)
