"""Are they digits, and all ten of them? The classifier's confidence, and the shares of classes."""

from typing import NamedTuple

import torch
from torch import Tensor

from ddpm_lessons.door import check_images, check_number


class Quality(NamedTuple):
    """How the classifier reads a set of images, on the whole."""

    shares: tuple[float, ...]  # of images read as 0, 1, ... 9; they add up to 1
    confident: float  # share of images read with a confidence above the threshold
    mean_confidence: float


def quality(probabilities: Tensor, *, threshold: float = 0.9) -> Quality:
    """Sum up the probabilities (N, 10) of N images, as `read` gives them.

    Real digits are not all read with confidence either: compare with their own numbers.
    Raises ValueError unless each row is a distribution, and threshold is in [0, 1].
    """
    check_images("probabilities", probabilities)
    check_number("threshold", threshold, "[0, 1]")
    one = torch.ones((), dtype=probabilities.dtype)
    if probabilities.ndim != 2 or not torch.isclose(probabilities.sum(dim=1), one, atol=1e-3).all():
        found = f"shape {tuple(probabilities.shape)}"
        raise ValueError(
            f"probabilities has {found}, expected (N, classes) with rows that sum to 1"
        )
    confidence, labels = probabilities.double().max(dim=1)
    counts = torch.bincount(labels, minlength=probabilities.shape[1])
    return Quality(
        shares=tuple((counts / len(labels)).tolist()),
        confident=(confidence > threshold).double().mean().item(),
        mean_confidence=confidence.mean().item(),
    )


def share_ratios(shares: tuple[float, ...], reference: tuple[float, ...]) -> tuple[float, ...]:
    """Each class's share as a multiple of its share in a reference set: 1 is as it should be.

    Raises ValueError where a class is missing in the reference, or the lengths differ.
    """
    for name, given in {"shares": shares, "reference": reference}.items():
        if not isinstance(given, tuple | list) or not given:
            raise ValueError(f"{name} is {given!r}, expected a tuple of shares, one a class")
        for share in given:
            check_number(f"an entry of {name}", share, "[0, 1]" if given is shares else "(0, 1]")
    if len(shares) != len(reference):
        raise ValueError(f"reference is {reference}, expected {len(shares)} shares like shares")
    return tuple(share / own for share, own in zip(shares, reference, strict=True))
