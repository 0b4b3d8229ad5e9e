"""The one distribution that the mathematics needs: a Gaussian with independent entries."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ddpm_lessons.door import randn_like


class Gaussian(NamedTuple):
    """N(mean, var I): floats, or tensors where `var` broadcasts to `mean`. `var` is a variance,
    not its root.
    """

    mean: float | Tensor
    var: float | Tensor

    def sample(self, generator: torch.Generator | None = None) -> float | Tensor:
        """One draw, mean + sqrt(var) z, in the shape of the mean; the mean itself where var = 0."""
        if not isinstance(self.mean, Tensor):
            z = randn_like(torch.empty((), dtype=torch.float64), generator)
            return (self.mean + self.var**0.5 * z).item()
        return self.mean + self.var**0.5 * randn_like(self.mean, generator)

    def log_prob(self, x: float | Tensor) -> float | Tensor:
        """log N(x; mean, var) entry by entry, in nats (sum over an image's entries for its
        log-density).

        Raises ValueError where var is not positive.
        """
        _check_positive("var", self.var)
        return -0.5 * ((x - self.mean) ** 2 / self.var + math.log(2 * math.pi) + _log(self.var))

    def kl(self, other: "Gaussian") -> float | Tensor:
        """KL(self || other) entry by entry, in nats; 0 only where both are equal.

        Raises ValueError where a variance is not positive.
        """
        _check_positive("var", self.var)
        _check_positive("other.var", other.var)
        ratio = self.var / other.var
        return 0.5 * ((self.mean - other.mean) ** 2 / other.var + ratio - 1 - _log(ratio))


def _log(value: float | Tensor) -> float | Tensor:
    return value.log() if isinstance(value, Tensor) else math.log(value)


def _check_positive(name: str, var: float | Tensor) -> None:
    smallest = var.min().item() if isinstance(var, Tensor) else var
    if not smallest > 0:
        raise ValueError(f"{name} is {smallest!r}, expected a variance > 0")
