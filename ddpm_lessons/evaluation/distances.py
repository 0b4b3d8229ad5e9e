"""How far two sets of images lie apart, measured on the classifier's features: digit-FID and KID.

Both compare distributions, not images, and both are 0 for two endless sets from one distribution.
They can be compared only with numbers from the same classifier and the same sample size: published
FIDs use another network's features (Inception's, trained on photographs), which mean little on
digits. What a number is worth is said by the floor, the distance of real training digits from real
test digits.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from ddpm_lessons.door import check_generator, check_images, check_index

ROWS = 500  # of a kernel matrix at a time


class Moments(NamedTuple):
    """A Gaussian fitted to features."""

    mean: Tensor  # (d,), float64
    cov: Tensor  # (d, d), float64


class Interval(NamedTuple):
    """An estimate, and an interval that in 95 % of the cases holds its mean over other samples."""

    value: float
    low: float
    high: float


def fid(a: Tensor, b: Tensor) -> float:
    """The Frechet distance (Heusel et al. 2017, Eq. 6) between Gaussians fitted to two sets.

    a, b: features, (N, d) and (M, d). It is at least 0, and falls with N and M although nothing
    gets better: compare at equal numbers. Raises ValueError for fewer than two rows, or other
    widths.
    """
    _check_features(a, b)
    return frechet_distance(moments(a), moments(b))


def kid(a: Tensor, b: Tensor) -> float:
    """The kernel distance (Binkowski et al. 2018): the squared maximum mean discrepancy under the
    kernel k(x, y) = (x . y / d + 1)^3, without bias.

    a, b: features, (N, d) and (M, d). Its mean over sets from one distribution is 0 at every N and
    M, so single values may be below 0. Raises ValueError as `fid`.
    """
    _check_features(a, b)
    a, b = a.double(), b.double()
    ones = torch.ones(1, len(a), dtype=torch.float64)
    return (_kernel_terms(a, b, ones) + _inner_mean(b)).item()


def moments(features: Tensor, counts: Tensor | None = None) -> Moments:
    """Mean and (unbiased) covariance of features (N, d), row i taken counts[i] times, in float64.

    Raises ValueError for fewer than two rows.
    """
    check_images("features", features)
    n = torch.as_tensor(len(features)) if counts is None else counts.sum()
    if features.ndim != 2 or n < 2:
        raise ValueError(f"features has shape {tuple(features.shape)}, expected (N, d) with N > 1")
    weights = torch.ones(len(features)) if counts is None else counts
    weights = weights.double()[:, None]  # and with them everything below
    mean = (weights * features).sum(dim=0) / n
    centred = features - mean
    return Moments(mean, (weights * centred).T @ centred / (n - 1))


def frechet_distance(a: Moments, b: Moments) -> float:
    """||mean_a - mean_b||^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)).

    The trace of that root is taken from the eigenvalues of C_b^(1/2) C_a C_b^(1/2), which is
    symmetric with no eigenvalue below 0, so singular covariances (a feature that never fires, fewer
    images than features) do no harm. Raises ValueError unless both are `Moments` of one size.
    """
    for name, x in {"a": a, "b": b}.items():
        if not isinstance(x, Moments):
            raise ValueError(f"{name} is of type {type(x).__name__}, expected Moments")
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"b has {len(b.mean)} features, expected {len(a.mean)} like a")
    return _frechet(a, b, _root(b.cov))


def fid_interval(
    a: Tensor, b: Tensor, *, resamples: int = 200, generator: torch.Generator | None = None
) -> Interval:
    """`fid`, with a 95 % interval by the bootstrap over the rows of a.

    b is the yardstick and stays as it is: the interval says how far the mean over other
    samples may lie off. See `centred_interval`. Raises ValueError as `fid`.
    """
    _check_features(a, b)
    fixed = moments(b)
    root = _root(fixed.cov)
    draws = [_frechet(moments(a, w), fixed, root) for w in _counts(len(a), resamples, generator)]
    value = _frechet(moments(a), fixed, root)
    return centred_interval(value, torch.tensor(draws, dtype=torch.float64))


def kid_interval(
    a: Tensor, b: Tensor, *, resamples: int = 200, generator: torch.Generator | None = None
) -> Interval:
    """`kid`, with a 95 % interval as `fid_interval`'s."""
    _check_features(a, b)
    a, b = a.double(), b.double()
    counts = list(_counts(len(a), resamples, generator))
    terms = _kernel_terms(a, b, torch.stack([torch.ones(len(a)), *counts]).double())
    terms = terms + _inner_mean(b)
    return centred_interval(terms[0].item(), terms[1:])


def centred_interval(value: float, draws: Tensor) -> Interval:
    """A 95 % interval from bootstrap draws (R,), moved so that their mean falls on `value`.

    A bootstrap sample repeats some images and misses others. Both distances take that for a
    smaller, farther set, so the draws lie too high, and only their spread is of use.
    """
    tails = torch.tensor([0.025, 0.975], dtype=torch.float64)
    low, high = (draws.double() - draws.double().mean()).quantile(tails).tolist()
    return Interval(value, value + low, value + high)


def _frechet(a: Moments, b: Moments, root_b: Tensor) -> float:
    eigenvalues = torch.linalg.eigvalsh(root_b @ a.cov @ root_b)
    trace = a.cov.trace() + b.cov.trace() - 2 * eigenvalues.clamp(min=0).sqrt().sum()
    return max(0.0, ((a.mean - b.mean).square().sum() + trace).item())  # rounding may end below 0


def _root(cov: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(cov)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


def _counts(n: int, resamples: int, generator: torch.Generator | None) -> Iterator[Tensor]:
    """How often each of n rows comes in a draw of n with replacement; one tensor a resample."""
    check_index("resamples", resamples, 2, 100_000)
    check_generator(generator)
    for _ in range(resamples):
        yield torch.bincount(torch.randint(n, (n,), generator=generator), minlength=n)


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _kernel_terms(a: Tensor, b: Tensor, weights: Tensor) -> Tensor:
    """The terms of the squared discrepancy that contain a, once for each row of weights (R, N).

    The mean of k over pairs of two different draws from a, less twice its mean between a and b;
    a few rows of the kernel matrices at a time.
    """
    n, total = len(a), torch.zeros(len(weights), dtype=torch.float64)
    for rows in torch.arange(n).split(ROWS):
        w, inner = weights[:, rows], _kernel(a[rows], a)  # (R, rows), (rows, N)
        total += ((weights @ inner.T) * w).sum(dim=1) / (n * (n - 1))
        total -= w @ inner[torch.arange(len(rows)), rows] / (n * (n - 1))
        total -= 2 * w @ _kernel(a[rows], b).mean(dim=1) / n
    return total


def _inner_mean(x: Tensor) -> Tensor:
    """The mean of k over pairs of two different rows of x."""
    n, total = len(x), torch.zeros((), dtype=torch.float64)
    for rows in torch.arange(n).split(ROWS):
        inner = _kernel(x[rows], x)
        total += inner.sum() - inner[torch.arange(len(rows)), rows].sum()
    return total / (n * (n - 1))


def _check_features(a: Tensor, b: Tensor) -> None:
    for name, x in {"a": a, "b": b}.items():
        check_images(name, x)
        if x.ndim != 2 or len(x) < 2:
            raise ValueError(f"{name} has shape {tuple(x.shape)}, expected (N, d) with N > 1")
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"b has {b.shape[1]} features, expected {a.shape[1]} like a")
