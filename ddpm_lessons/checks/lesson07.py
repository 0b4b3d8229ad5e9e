"""Lesson 07, the results: its exercises."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from ddpm_lessons.checks.exercise import Exercise, Mistake, by_name
from ddpm_lessons.checks.lesson07_open import own_judge


def _shares() -> Iterable[tuple]:
    """(share, n): by calculator, then a rare and a common event."""
    yield from ((0.9, 100), (0.02, 400), (0.985, 300), (0.5, 10_000))


def _differences() -> Iterable[tuple]:
    """(share, difference)."""
    yield from ((0.9, 0.02), (0.97, 0.01), (0.5, 0.05))


def _diagonals(seed: int = 7) -> Iterable[tuple]:
    """(mean_a, var_a, mean_b, var_b): one number by calculator, then more features."""
    yield tuple(torch.tensor([x], dtype=torch.float64) for x in (1.0, 4.0, 3.0, 9.0))
    generator = torch.Generator().manual_seed(seed)
    for width in (3, 8):
        means = torch.randn(2, width, generator=generator, dtype=torch.float64)
        variances = 0.1 + 3 * torch.rand(2, width, generator=generator, dtype=torch.float64)
        variances[0, 0] = 0.0  # a feature that never fires
        yield means[0], variances[0], means[1], variances[1]


def _images(seed: int = 7) -> Iterable[tuple]:
    """A few small images in [-1, 1], (N, 1, 4, 4)."""
    generator = torch.Generator().manual_seed(seed)
    for n in (3, 6):
        yield (2 * torch.rand(n, 1, 4, 4, generator=generator, dtype=torch.float64) - 1,)


def _frechet(mean_a, var_a, mean_b, var_b):
    """Feature by feature: the means' distance squared, and how far the widths lie apart."""
    spread = var_a + var_b - 2 * (var_a * var_b).sqrt()
    return ((mean_a - mean_b) ** 2 + spread).sum()


def _with_spread(spread: Callable[[Tensor, Tensor], Tensor]) -> Callable:
    """A distance with the right first part, and this one of the variances, feature by feature."""
    return lambda ma, va, mb, vb: ((ma - mb) ** 2 + spread(va, vb)).sum()


def _nearest_other(images):
    """All distances, each image's own put out of the way, and of the others the smallest."""
    rows = images.flatten(1)
    distances = torch.cdist(rows, rows).fill_diagonal_(math.inf)
    return distances.min(dim=1).values


def _differences_of(images: Tensor) -> Tensor:
    """Every image less every other, pixel by pixel, (N, N, pixels)."""
    rows = images.flatten(1)
    return rows[:, None] - rows[None]


def _least_other(pairs: Tensor) -> Tensor:
    """The smallest entry of each row of (N, N), the diagonal left out."""
    away = torch.eye(len(pairs), dtype=torch.bool)
    return pairs.masked_fill(away, math.inf).min(dim=1).values


standard_error = Exercise(
    name="07.standard_error",
    task="Complete my_standard_error: share and n in, the standard error of the share out.",
    solution=lambda share, n: math.sqrt(share * (1 - share) / n),
    cases=_shares,
    mistakes=(
        Mistake(
            lambda share, n: share * (1 - share) / n,
            "This is the variance of the share. The standard error is its root.",
        ),
        Mistake(
            lambda share, n: math.sqrt(share * (1 - share)),
            "This is the spread of a single yes or no. A mean of n of them spreads less.",
        ),
        Mistake(
            lambda share, n: math.sqrt(share * (1 - share)) / n,
            "You divide by n after taking the root, so the n must have its root taken too: four "
            "times the samples only halve the error.",
        ),
        Mistake(
            lambda share, n: math.sqrt(share / n),
            "This is the error of a count of rare events. A share that comes near 1 is certain "
            "again: where is the factor 1 - share?",
        ),
        Mistake(
            lambda share, n: math.sqrt(share * (1 - share) / (n - 1)),
            "n - 1 belongs to a spread that is estimated from draws. A share is divided by n.",
        ),
        Mistake(
            lambda share, n: 2 * math.sqrt(share * (1 - share) / n),
            "These are two standard errors, half of a 95 % interval. One is asked for.",
        ),
    ),
)

samples_needed = Exercise(
    name="07.samples_needed",
    task="Complete my_samples: how many images make two standard errors as small as `difference`?",
    solution=lambda share, difference: 4 * share * (1 - share) / difference**2,
    cases=_differences,
    mistakes=(
        Mistake(
            lambda share, difference: share * (1 - share) / difference**2,
            "With so many images ONE standard error is as large as the difference. Two are asked "
            "for, and the 2 is squared on the way.",
        ),
        Mistake(
            lambda share, difference: 2 * share * (1 - share) / difference**2,
            "Almost: the 2 stands in front of a root. What becomes of it when you square?",
        ),
        Mistake(
            lambda share, difference: 4 * share * (1 - share) / difference,
            "The difference must be squared: half of it needs four times as many images.",
        ),
        Mistake(
            lambda share, difference: 2 * math.sqrt(share * (1 - share)) / difference,
            "This is the root of n. Square it.",
        ),
    ),
)

diagonal_frechet = Exercise(
    name="07.diagonal_frechet",
    task="Complete my_frechet: means and variances (d,) of two Gaussians in, a number out.",
    solution=_frechet,
    cases=_diagonals,
    mistakes=(
        Mistake(
            _with_spread(lambda va, vb: (va - vb) ** 2),
            "You subtract the variances. The formula compares standard deviations: take roots.",
        ),
        Mistake(
            _with_spread(lambda va, vb: va + vb),
            "Without the mixed term two equal Gaussians would lie apart: try a = b.",
        ),
        Mistake(
            _with_spread(lambda va, vb: va + vb + 2 * (va * vb).sqrt()),
            "The mixed term has the wrong sign. The distance of a Gaussian from itself must be 0.",
        ),
        Mistake(
            _with_spread(lambda va, vb: va + vb - (va * vb).sqrt()),
            "The mixed term comes twice: try a = b, the distance must be 0.",
        ),
        Mistake(
            _with_spread(lambda va, vb: va + vb - 2 * va * vb),
            "The root of the mixed term is missing: sqrt(var_a * var_b).",
        ),
        Mistake(
            lambda ma, va, mb, vb: ((ma - mb).abs() + (va.sqrt() - vb.sqrt()) ** 2).sum(),
            "The difference of the means is not squared.",
        ),
        Mistake(
            lambda ma, va, mb, vb: ((va.sqrt() - vb.sqrt()) ** 2).sum(),
            "The means are missing: two bells of one width would never lie apart.",
        ),
        Mistake(
            lambda ma, va, mb, vb: ((ma - mb) ** 2 + (va.sqrt() - vb.sqrt()) ** 2).mean(),
            "You take the mean over the features. A trace, like a squared length, is a sum.",
        ),
        Mistake(
            lambda ma, va, mb, vb: ((ma - mb) ** 2 + (va.sqrt() - vb.sqrt()) ** 2).sum().sqrt(),
            "This is the root. The name says distance, but by custom the square is reported.",
        ),
    ),
)

nearest_other = Exercise(
    name="07.nearest_other",
    task="Complete my_nearest_other: images (N, C, H, W) in, N distances out.",
    solution=_nearest_other,
    cases=_images,
    mistakes=(
        Mistake(
            lambda x: _differences_of(x).norm(dim=2).min(dim=1).values,
            "All zeros: each image has found itself. Put infinity on the diagonal, for instance.",
        ),
        Mistake(
            lambda x: (
                torch.cdist(x.flatten(1), x.flatten(1)).fill_diagonal_(math.inf).argmin(dim=1)
            ),
            "These are the neighbours' numbers, as argmin gives them. Asked is how far they are.",
        ),
        Mistake(
            lambda x: _differences_of(x).norm(dim=2).sum(dim=1) / (len(x) - 1),
            "This is the mean distance to the others. One close relative is what gives a copy "
            "away, so take the smallest.",
        ),
        Mistake(
            lambda x: _differences_of(x).norm(dim=2).mean(dim=1),
            "This is the mean distance, the image itself included. Take the smallest of others.",
        ),
        Mistake(
            lambda x: _least_other(_differences_of(x).abs().sum(dim=2)),
            "These are sums of absolute differences (L1). The Euclidean distance squares, sums, "
            "and takes the root.",
        ),
        Mistake(
            lambda x: _least_other(_differences_of(x).square().sum(dim=2)),
            "These are squared distances: the root is missing.",
        ),
        Mistake(
            lambda x: _least_other(_differences_of(x).square().mean(dim=2).sqrt()),
            "This is the root of the MEAN square. The Euclidean distance sums over the pixels.",
        ),
    ),
)

price_of_noise = Exercise(
    name="07.price_of_noise",
    task="Complete my_price: how many bits/dim does it cost to give away all but `share`?",
    solution=lambda share, pixels: -math.log2(share) / pixels,
    cases=lambda: [(0.01, 784), (0.5, 784), (0.2, 3072)],
    tolerance=1e-7,
    mistakes=(
        Mistake(
            lambda share, pixels: -math.log(share) / pixels,
            "These are nats. A bit is the smaller unit, so there are more of them.",
        ),
        Mistake(
            lambda share, pixels: -math.log(share) * math.log(2) / pixels,
            "You multiply by log 2 to make bits of nats. Divide.",
        ),
        Mistake(
            lambda share, pixels: -math.log2(share),
            "These are bits for the whole image. Per dimension means: for each pixel.",
        ),
        Mistake(
            lambda share, pixels: math.log2(share) / pixels,
            "The sign: the worse model must cost more bits, not fewer.",
        ),
        Mistake(
            lambda share, pixels: -math.log2(1 - share) / pixels,
            "1 - share is what went to the noise. The digits are found by the other part.",
        ),
    ),
)

EXERCISES = by_name(
    standard_error, samples_needed, diagonal_frechet, price_of_noise, nearest_other, own_judge
)
