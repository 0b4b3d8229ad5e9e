"""Toy distributions of one and two numbers, small enough to see and to compute exactly.

Each is a mixture of Gaussians, given by its parameters; `ddpm_lessons.exact.Mixture(*params)`
makes the distribution of them, with exact densities, scores and noise predictions. A curve is a
mixture too: a string of small Gaussians along it.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class ToyParameters(NamedTuple):
    """The mixture sum_k weights_k N(means_k, var_k I) of K Gaussians in D dimensions.

    means: (K, D); var: (K,), > 0; weights: (K,), > 0, with sum 1. All float64.
    """

    means: Tensor
    var: Tensor
    weights: Tensor


def gaussian() -> ToyParameters:
    """One peak, N(0, 0.25). Not N(0, 1): the forward process would leave that as it is."""
    return _numbers(means=[0.0], std=[0.5], weights=[1.0])


def two_peaks() -> ToyParameters:
    """Two narrow peaks of equal weight at -1 and 1: black or white, nothing between."""
    return _numbers(means=[-1.0, 1.0], std=[0.2, 0.2], weights=[0.5, 0.5])


def uneven_peaks() -> ToyParameters:
    """A narrow peak at -0.5 that holds 3/4 of the mass, and a broad one at 1.5."""
    return _numbers(means=[-0.5, 1.5], std=[0.2, 0.4], weights=[0.75, 0.25])


def ring() -> ToyParameters:
    """Eight Gaussians on a circle."""
    angle = 2 * math.pi * torch.arange(8, dtype=torch.float64) / 8  # (K,)
    return _points(torch.stack([angle.cos(), angle.sin()], dim=1), std=0.07)


def grid() -> ToyParameters:
    """Nine Gaussians on a 3 x 3 grid."""
    line = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)
    return _points(torch.cartesian_prod(line, line), std=0.1)


def moons() -> ToyParameters:
    """Two interlocking half circles, each a string of 16 Gaussians."""
    angle = math.pi * (torch.arange(16, dtype=torch.float64) + 0.5) / 16
    upper = torch.stack([angle.cos(), angle.sin()], dim=1)  # (16, 2)
    lower = torch.tensor([1.0, 0.5], dtype=torch.float64) - upper
    return _points(torch.cat([upper, lower]), std=0.1)


def spiral() -> ToyParameters:
    """A spiral of one and a half turns, a string of 80 Gaussians at even distances."""
    turns = torch.linspace(0.25**2, 1.75**2, 80, dtype=torch.float64).sqrt()  # length ~ angle^2
    angle = 2 * math.pi * turns
    return _points(torch.stack([turns * angle.cos(), turns * angle.sin()], dim=1), std=0.08)


def _numbers(means: list[float], std: list[float], weights: list[float]) -> ToyParameters:
    column, sigma, share = (torch.tensor(v, dtype=torch.float64) for v in (means, std, weights))
    return ToyParameters(column[:, None], sigma.square(), share)


def _points(means: Tensor, std: float) -> ToyParameters:
    """Equal Gaussians at the points (K, D), moved and scaled to mean 0 and mean variance 1.

    The samples then have the size of the noise, and one range of axes fits every picture.
    """
    centred = means - means.mean(dim=0)
    scale = (centred.square().mean() + std**2).sqrt()  # of one coordinate, over all of them
    k = len(means)
    var = torch.full((k,), std**2, dtype=torch.float64) / scale.square()
    return ToyParameters(centred / scale, var, torch.full((k,), 1 / k, dtype=torch.float64))


TOYS: dict[str, Callable[[], ToyParameters]] = {
    function.__name__: function
    for function in (gaussian, two_peaks, uneven_peaks, ring, grid, moons, spiral)
}
