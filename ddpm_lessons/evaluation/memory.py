"""Does the network draw, or does it recite? Each image's distance to its nearest training image."""

from typing import NamedTuple

import torch
from torch import Tensor

from ddpm_lessons.door import check_images, check_index, check_number
from ddpm_lessons.evaluation.reading import check_pictures, in_model_range

ROWS = 250  # images whose distances to every training image are in memory at once


class Neighbours(NamedTuple):
    """The nearest images in a reference set, the nearest first."""

    distances: Tensor  # (N, k), float32: Euclidean, over the pixels in [-1, 1]
    indices: Tensor  # (N, k), int64: where they stand in the reference set


class Memorisation(NamedTuple):
    """How many images lie closer to a training image than new real images do."""

    threshold: float  # the distance within which an image counts
    share: float  # of the images
    reference_share: float  # of the real test images: what a network that recites nothing has


def nearest(images: Tensor, references: Tensor, *, k: int = 1) -> Neighbours:
    """The k nearest of `references` to each image, by the Euclidean distance in pixels.

    images: (N, C, H, W); references: (M, C, H, W); uint8, or floating in [-1, 1]. The search
    multiplies matrices, ||x - y||^2 = ||x||^2 - 2 x . y + ||y||^2, a few rows at a time; the
    distances found are then computed again as they are defined, so a copy is at 0 exactly.
    Raises ValueError where the shapes do not match, or k is not in 1..M.
    """
    for name, x in {"images": images, "references": references}.items():
        check_pictures(name, x)
    if images.shape[1:] != references.shape[1:]:
        found, expected = tuple(references.shape), tuple(images.shape[1:])
        raise ValueError(f"references has shape {found}, expected (M, *{expected}) like images")
    check_index("k", k, 1, len(references))
    y = in_model_range(references).flatten(1).float()  # (M, pixels)
    norms = y.square().sum(dim=1)
    distances, indices = [], []
    for batch in images.split(ROWS):
        x = in_model_range(batch).flatten(1).to(y)  # (rows, pixels)
        # ||x||^2 is the same for every reference: it decides nothing
        found = torch.addmm(norms, x, y.T, alpha=-2).topk(k, dim=1, largest=False).indices
        exact = torch.stack([(x - y[column]).norm(dim=1) for column in found.T], dim=1)
        order = exact.argsort(dim=1, stable=True)
        distances.append(exact.gather(1, order).cpu())
        indices.append(found.gather(1, order).cpu())
    return Neighbours(torch.cat(distances), torch.cat(indices))


def closeness(found: Neighbours) -> Tensor:
    """The nearest distance over the second nearest, (N,): 0 for a copy, near 1 for a new image.

    Distances alone compare unlike things: a 1 has little ink and lies close to many others, so the
    closest images of any set are 1s. This ratio means the same for every digit (Yoon et al. 2023
    use it likewise). Raises ValueError unless `found` holds two or more neighbours.
    """
    if not isinstance(found, Neighbours) or found.distances.shape[1] < 2:
        raise ValueError(f"found is {found!r}, expected Neighbours with k of at least 2")
    first, second = found.distances[:, 0], found.distances[:, 1]
    return first / second.clamp(min=torch.finfo(second.dtype).tiny)  # two copies: 0


def memorisation(
    distances: Tensor, reference_distances: Tensor, *, quantile: float = 0.01
) -> Memorisation:
    """Compare distances to the nearest training image with those of real test images.

    The test images' `quantile` is the threshold, so about that share of them lies within it: they
    were not learnt by heart, digits are just alike. A share of samples well above it says that some
    are copies. distances: (N,) or (N, k), the nearest first, or `closeness`; reference_distances
    likewise.
    Raises ValueError where they are not, or quantile is not in (0, 1).
    """
    check_number("quantile", quantile, "(0, 1)")
    for name, x in {"distances": distances, "reference_distances": reference_distances}.items():
        check_images(name, x)
        if x.ndim > 2 or x.min() < 0:
            found = f"shape {tuple(x.shape)} and minimum {x.min().item():g}"
            raise ValueError(f"{name} has {found}, expected (N,) or (N, k) distances of at least 0")
    own = distances.double().view(len(distances), -1)[:, 0]
    reference = reference_distances.double().view(len(reference_distances), -1)[:, 0]
    threshold = reference.quantile(quantile)
    shares = ((x <= threshold).double().mean().item() for x in (own, reference))
    return Memorisation(threshold.item(), *shares)
