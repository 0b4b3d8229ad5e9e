"""The one distribution that the mathematics needs: a Gaussian with independent entries."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ddpm_lessons.door import Randomness, check_number, check_same, fits, randn_like


class Gaussian(NamedTuple):
    """N(mean, var I): floats, or tensors where `var`, a variance and not its root, fits `mean`."""

    mean: float | Tensor
    var: float | Tensor

    def sample(self, generator: Randomness = None) -> float | Tensor:
        """One draw, mean + sqrt(var) z, in the shape of the mean; the mean itself where var = 0.

        generator: one, or for a batch a list with one for each image.
        Raises ValueError where var is negative or does not fit the mean.
        """
        check_gaussian("", self, "[0, inf)")
        if not isinstance(self.mean, Tensor):
            z = randn_like(torch.empty((), dtype=torch.float64), generator)
            return (self.mean + self.var**0.5 * z).item()
        return self.mean + self.var**0.5 * randn_like(self.mean, generator)

    def log_prob(self, x: float | Tensor) -> float | Tensor:
        """log N(x; mean, var) entry by entry, in nats; an image's log-density is their sum.

        Raises ValueError where var is not positive, or x has not the mean's shape.
        """
        check_gaussian("", self)
        check_same({"mean": self.mean, "x": x})
        return -0.5 * ((x - self.mean) ** 2 / self.var + math.log(2 * math.pi) + _log(self.var))

    def kl(self, other: "Gaussian") -> float | Tensor:
        """KL(self || other) entry by entry, in nats; 0 only where both are equal.

        Raises ValueError where a variance is not positive, or the means' shapes differ.
        """
        check_gaussian("", self)
        check_gaussian("other", other)
        check_same({"mean": self.mean, "other.mean": other.mean})
        ratio = self.var / other.var
        return 0.5 * ((self.mean - other.mean) ** 2 / other.var + ratio - 1 - _log(ratio))


def _log(value: float | Tensor) -> float | Tensor:
    return value.log() if isinstance(value, Tensor) else math.log(value)


def check_gaussian(name: str, p: object, interval: str = "(0, inf)") -> None:
    """Raise ValueError unless p is a Gaussian whose var fits its mean and lies in `interval`."""
    if not isinstance(p, Gaussian):
        raise ValueError(f"{name} has type {type(p).__name__}, expected a Gaussian")
    prefix = f"{name}." if name else ""
    check_same({f"{prefix}mean": p.mean})
    shape = tuple(getattr(p.mean, "shape", ()))
    if isinstance(p.var, Tensor) and not fits(p.var.shape, shape):
        found, expected = f"shape {tuple(p.var.shape)}", f"one that multiplies {shape}"
        raise ValueError(f"{prefix}var has {found}, expected {expected}")
    check_variance(f"{prefix}var", p.var, interval)


def check_variance(name: str, var: object, interval: str = "(0, inf)") -> None:
    """Raise ValueError unless every entry of `var` lies in `interval`."""
    check_number(name, var.min().item() if isinstance(var, Tensor) else var, interval)
