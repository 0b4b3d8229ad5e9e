"""The noise schedule: how much noise each step adds. t = 1..T; index 0 is the clean image."""

import math
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from ddpm_lessons.door import as_float64, check_index, check_number, send


class Coefficients(NamedTuple):
    """The four numbers of step t: floats, or tensors shaped to multiply a batch of images."""

    beta: float | Tensor  # variance of the noise that step t adds, in (0, 1)
    alpha: float | Tensor  # 1 - beta
    alpha_bar: float | Tensor  # alpha_1 ... alpha_t multiplied: the share of x_0's variance left
    alpha_bar_prev: float | Tensor  # the same at t - 1


class NoiseLeftWarning(UserWarning):
    """x_T of this schedule still contains the image, so sampling must not start from pure noise."""


@dataclass(frozen=True, eq=False, repr=False)
class NoiseSchedule:
    """A noise schedule of T steps: one float64 tensor `betas` of T + 1 entries, with betas[0] = 0.

    Raises ValueError where `betas` is not 1-D, does not start with 0 or leaves (1e-16, 1), or where
    alpha_bar_T is 0 in float64 (Eq. (15) divides by its root). Warns (NoiseLeftWarning) where
    alpha_bar_T > 1e-3.
    """

    betas: Tensor

    def __post_init__(self) -> None:
        betas = as_float64("betas", self.betas)
        if betas.ndim != 1 or len(betas) < 2 or betas[0] != 0:
            found = f"shape {tuple(betas.shape)} and starts with {betas.flatten()[:1].tolist()}"
            raise ValueError(f"betas has {found}, expected T + 1 entries [0, beta_1 ... beta_T]")
        outside = ~((betas[1:] > 1e-16) & (betas[1:] < 1))  # below, 1 - beta is 1 in float64
        if outside.any():
            t = int(outside.nonzero()[0]) + 1
            raise ValueError(f"betas[{t}] is {betas[t].item():g}, expected a number in (1e-16, 1)")
        object.__setattr__(self, "betas", betas)
        alpha_bar_T = self.alpha_bars[-1].item()
        if alpha_bar_T == 0:
            raise ValueError("betas give alpha_bar_T = 0, expected some of x_0 left at t = T")
        if alpha_bar_T > 1e-3:
            warnings.warn(
                f"alpha_bar_T is {alpha_bar_T:.3g} at T = {self.T}, expected at most 0.001: "
                f"x_T keeps {math.sqrt(alpha_bar_T):.0%} of x_0's amplitude and is not noise; "
                "use larger betas or more steps",
                NoiseLeftWarning,
                stacklevel=4,  # the line that called linear_schedule or cosine_schedule
            )

    @property
    def T(self) -> int:
        """The number of steps."""
        return len(self.betas) - 1

    @cached_property
    def alphas(self) -> Tensor:
        """1 - betas, (T + 1,); alphas[0] = 1."""
        return 1 - self.betas

    @cached_property
    def alpha_bars(self) -> Tensor:
        """The cumulative product of alphas, (T + 1,); alpha_bars[0] = 1."""
        return torch.cumprod(self.alphas, dim=0)

    def at(self, t: int | Tensor, like: Tensor | None = None) -> Coefficients:
        """The coefficients of step t.

        `t` an int in 1..T gives Python floats. `t` a (B,) int64 tensor gives float64 tensors: of
        shape (B,), or, with `like` of shape (B, ...), of shape (B, 1, ...) on its device (float32
        on MPS, which has no float64). Raises ValueError where t leaves 1..T, is no integer, or
        does not match `like`; the entries of a t on a GPU are not looked at, as a look would wait.
        """
        batch = isinstance(t, Tensor) and t.ndim > 0
        i = self._check_batch(t, like) if batch else check_index("t", t, 1, self.T)
        rows = self._table(i)[:, i - 1]  # (4,) or (4, B)
        if not batch:
            return Coefficients(*rows.tolist())
        if like is not None:
            dtype = torch.float32 if like.device.type == "mps" else torch.float64
            shape = (4, len(t), *(1,) * (like.ndim - 1))  # (4, B, 1, ...)
            rows = send(rows, like.device, dtype).view(shape)
        return Coefficients(*rows)

    def between(self, s: int, t: int) -> Coefficients:
        """The coefficients of one jump from x_s to x_t, 0 <= s < t <= T, as floats.

        A jump is a step of the forward process with alpha = alpha_bar_t / alpha_bar_s, and
        `between(t - 1, t)` is `at(t)`. DDIM walks such jumps back. Raises ValueError where s or t
        leave their range.
        """
        t = check_index("t", t, 1, self.T)
        s = check_index("s", s, 0, t - 1)
        if s == t - 1:
            return self.at(t)
        alpha_bar, alpha_bar_prev = self.alpha_bars[t].item(), self.alpha_bars[s].item()
        alpha = alpha_bar / alpha_bar_prev
        return Coefficients(1 - alpha, alpha, alpha_bar, alpha_bar_prev)

    @cached_property
    def _rows(self) -> Tensor:
        """The four coefficients of t = 1..T, (4, T) float64, on the CPU."""
        bars = self.alpha_bars
        return torch.stack((self.betas[1:], self.alphas[1:], bars[1:], bars[:-1]))

    def _table(self, t: int | Tensor) -> Tensor:
        """The same on the device of t: small enough to be sent there each time it is asked for."""
        if not isinstance(t, Tensor) or t.is_cpu:
            return self._rows
        return send(self._rows, t.device, torch.float32 if t.device.type == "mps" else None)

    def _check_batch(self, t: Tensor, like: Tensor | None) -> Tensor:
        if t.dtype != torch.int64 or t.ndim != 1:
            raise ValueError(
                f"t has dtype {t.dtype} and shape {tuple(t.shape)}, expected (B,) int64"
            )
        if like is not None and not isinstance(like, Tensor):
            raise ValueError(f"like is {like!r}, expected the batch of images that t belongs to")
        if like is not None and (like.ndim == 0 or len(like) != len(t)):
            expected = f"one entry for each image of the batch {tuple(like.shape)}"
            raise ValueError(f"t has shape {tuple(t.shape)}, expected {expected}")
        if t.is_cpu and len(wrong := t[(t < 1) | (t > self.T)]):
            raise ValueError(f"t contains {wrong[0].item()}, expected whole numbers in 1..{self.T}")
        return t

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NoiseSchedule) and torch.equal(self.betas, other.betas)

    def __hash__(self) -> int:
        return hash(tuple(self.betas.tolist()))

    def __repr__(self) -> str:
        beta_1, beta_T, alpha_bar_T = self.betas[1], self.betas[-1], self.alpha_bars[-1]
        return (
            f"NoiseSchedule(T={self.T}, beta_1={beta_1:.6g}, beta_T={beta_T:.6g}, "
            f"alpha_bar_T={alpha_bar_T:.3g})"
        )


def linear_schedule(T: int = 1000, beta_1: float = 1e-4, beta_T: float = 0.02) -> NoiseSchedule:
    """betas that rise linearly from beta_1 to beta_T, as in Ho et al. (2020), section 4.

    Raises ValueError where T < 1 or a beta leaves (0, 1).
    """
    T = check_index("T", T, 1, 10**6)
    for name, beta in (("beta_1", beta_1), ("beta_T", beta_T)):
        check_number(name, beta, "(0, 1)")
    betas = torch.linspace(beta_1, beta_T, T, dtype=torch.float64)
    return NoiseSchedule(torch.cat((torch.zeros(1, dtype=torch.float64), betas)))


def cosine_schedule(T: int = 1000, s: float = 0.008, beta_max: float = 0.999) -> NoiseSchedule:
    """betas, each at most beta_max, whose alpha_bar_t follow cos^2: Nichol & Dhariwal (2021).

    Their Eq. 17. The offset s keeps beta_1 from vanishing. Without the clip beta_T would be 1 and
    1 / alpha_T infinite. Raises ValueError where T < 1, s < 0 or beta_max leaves (0, 1).
    """
    T = check_index("T", T, 1, 10**6)
    check_number("s", s, "[0, inf)")
    check_number("beta_max", beta_max, "(0, 1)")
    t = torch.arange(T + 1, dtype=torch.float64)
    f = torch.cos((t / T + s) / (1 + s) * math.pi / 2) ** 2
    betas = (1 - f[1:] / f[:-1]).clamp(max=beta_max)
    return NoiseSchedule(torch.cat((torch.zeros(1, dtype=torch.float64), betas)))


SCHEDULES = {"linear": linear_schedule, "cosine": cosine_schedule}
