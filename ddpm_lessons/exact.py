"""Diffusion without training: distributions whose every noised version is known in closed form.

A mixture of Gaussians stays one under the forward process, so its marginals q(x_t), their scores
and the ideal noise prediction E[eps | x_t] are formulas. One Gaussian is a mixture of one; a
finite data set is a mixture of spikes (variance 0). Everything is computed in float64 on the CPU
and given in the dtype asked.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ddpm_lessons.door import (
    as_float64,
    check_generator,
    check_images,
    check_index,
    check_number,
)
from ddpm_lessons.forward import q_step
from ddpm_lessons.schedule import Coefficients, NoiseSchedule


@dataclass(frozen=True, eq=False)
class Mixture:
    """The mixture sum_k weights_k N(means_k, var_k I).

    means: (K, *shape), where shape is that of one sample, () for numbers; var: (K,), >= 0;
    weights: (K,), > 0, with sum 1. Raises ValueError where they do not fit.
    """

    means: Tensor
    var: Tensor
    weights: Tensor

    def __post_init__(self) -> None:
        for name in ("means", "var", "weights"):
            value = as_float64(name, getattr(self, name))
            check_images(name, value)
            object.__setattr__(self, name, value)
        for name, value in (("var", self.var), ("weights", self.weights)):
            if value.shape != self.means.shape[:1]:
                expected = f"({len(self.means)},) like means"
                raise ValueError(f"{name} has shape {tuple(value.shape)}, expected {expected}")
        if self.var.min() < 0:
            raise ValueError(f"var contains {self.var.min().item():g}, expected variances >= 0")
        if self.weights.min() <= 0 or abs(self.weights.sum().item() - 1) > 1e-6:
            total = self.weights.sum().item()
            raise ValueError(f"weights sum to {total:g}, expected positive numbers with sum 1")

    @classmethod
    def gaussian(cls, mean: float | Tensor = 0.0, var: float = 1.0) -> "Mixture":
        """One Gaussian N(mean, var I); `mean` has the shape of one sample."""
        check_number("var", var, "[0, inf)")
        return cls(as_float64("mean", mean)[None], as_float64("var", [var]), torch.ones(1))

    @classmethod
    def from_data(cls, x_0: Tensor) -> "Mixture":
        """The finite data set x_0, (K, *shape), each sample with probability 1 / K."""
        check_images("x_0", x_0)
        share = torch.full((len(x_0),), 1 / len(x_0), dtype=torch.float64)
        return cls(x_0, torch.zeros(len(x_0)), share)

    def noised(self, alpha_bar: float) -> "Mixture":
        """The marginal q(x_t) where alpha_bar_t = alpha_bar: again a mixture, by Eq. (4)."""
        check_number("alpha_bar", alpha_bar, "[0, 1]")
        means = alpha_bar**0.5 * self.means
        return Mixture(means, alpha_bar * self.var + (1 - alpha_bar), self.weights)

    def log_density(self, x: Tensor) -> Tensor:
        """Log-density at x in nats, (B, *shape) -> (B,). Raises ValueError where var is 0."""
        return self._log_joint(self._rows(x), 1.0).logsumexp(dim=1).to(x.device, x.dtype)

    def score(self, x: Tensor) -> Tensor:
        """The gradient of log_density at x, (B, *shape). Raises ValueError as log_density does."""
        return self._score(self._rows(x), 1.0).view(x.shape).to(x.device, x.dtype)

    def eps_model(self, schedule: NoiseSchedule) -> Callable[[Tensor, Tensor], Tensor]:
        """The ideal eps(x_t, t) = E[eps | x_t] = -sqrt(1 - alpha_bar_t) score(x_t).

        It is the minimum of Eq. (14). It takes x_t (B, *shape) and t (B,) int64 in 1..T, as a
        trained network does. Raises ValueError, as it does where these do not fit.
        """

        if not isinstance(schedule, NoiseSchedule):
            raise ValueError(f"schedule is {schedule!r}, expected a NoiseSchedule")

        def eps_star(x_t: Tensor, t: Tensor) -> Tensor:
            rows = self._rows(x_t, "x_t")
            alpha_bar = schedule.at(t, like=rows).alpha_bar  # (B, 1)
            eps = -((1 - alpha_bar) ** 0.5) * self._score(rows, alpha_bar)
            return eps.view(x_t.shape).to(x_t.device, x_t.dtype)

        return eps_star

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n independent samples, (n, *shape) float64."""
        n = check_index("n", n, 1, 10**9)
        check_generator(generator)
        k = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        std = (self.var[k] ** 0.5).view(n, *(1,) * (self.means.ndim - 1))
        return self.means[k] + std * torch.randn(
            self.means[k].shape, dtype=torch.float64, generator=generator
        )

    def _rows(self, x: Tensor, name: str = "x") -> Tensor:
        """x as float64 rows, (B, D)."""
        check_images(name, x)
        if x.shape[1:] != self.means.shape[1:]:
            expected = ("B", *self.means.shape[1:])
            raise ValueError(f"{name} has shape {tuple(x.shape)}, expected {expected} like means")
        return x.to("cpu", torch.float64).reshape(len(x), -1)

    def _log_joint(self, x: Tensor, alpha_bar: float | Tensor) -> Tensor:
        """log(weights_k N(x; component k at alpha_bar)), (B, D) -> (B, K).

        alpha_bar is a number or (B, 1).
        """
        means = self.means.flatten(1) if self.means.ndim > 1 else self.means[:, None]  # (K, D)
        var = alpha_bar * self.var + (1 - alpha_bar)  # (K,) or (B, K)
        if var.min() <= 0:
            raise ValueError(
                "var contains 0, expected a density: add noise first, with noised(alpha_bar)"
            )
        square = (
            (x**2).sum(1, keepdim=True)
            - 2 * alpha_bar**0.5 * x @ means.T
            + alpha_bar * (means**2).sum(1)
        )
        return self.weights.log() - 0.5 * (
            square / var + means.shape[1] * torch.log(2 * math.pi * var)
        )

    def _score(self, x: Tensor, alpha_bar: float | Tensor) -> Tensor:
        """sum_k p(k | x) (sqrt(alpha_bar) means_k - x) / var_k, (B, D) -> (B, D)."""
        share = self._log_joint(x, alpha_bar).softmax(dim=1) / (
            alpha_bar * self.var + (1 - alpha_bar)
        )  # (B, K)
        return (
            alpha_bar**0.5 * share @ self.means.reshape(len(self.means), -1)
            - share.sum(1, keepdim=True) * x
        )


def reverse_density(mixture: Mixture, grid: Tensor, x_t: float, c: Coefficients) -> Tensor:
    """The true q(x_{t-1} | x_t) on a grid of numbers, by Bayes' rule and the trapezoidal rule.

    q(x_t | x_{t-1}) q(x_{t-1}) / q(x_t): the marginals contain the whole data set, which is why
    nobody can compute this for images. `mixture` is over numbers (shape () or (1,)); `grid` is
    (N,) and must rise and cover the mass; returns densities (N,). Raises ValueError where the grid
    does not rise or has under 3 points.
    """
    if not isinstance(mixture, Mixture) or mixture.means[0].numel() != 1:
        raise ValueError(f"mixture is {mixture!r}, expected a Mixture of numbers")
    check_number("x_t", x_t, "(-inf, inf)")
    check_images("grid", grid)
    if grid.ndim != 1 or len(grid) < 3 or not (grid.diff() > 0).all():
        raise ValueError(
            f"grid has shape {tuple(grid.shape)}, expected (N,) rising numbers, N >= 3"
        )
    log_likelihood = q_step(grid, c).log_prob(x_t)
    prior = mixture.noised(c.alpha_bar_prev)
    log_density = log_likelihood + prior.log_density(grid.view(-1, *mixture.means.shape[1:]))
    density = torch.exp(log_density - log_density.max())
    return density / torch.trapezoid(density, grid)
