"""What was measured: y = A x_0 + noise_std z, with a linear A and z from N(0, I).

All that a method needs of A is what it does to images, and its adjoint A^T, which brings
measurements back among the images: <A x, y> = <x, A^T y>. Where moreover A A^T = c I, nothing has
to be solved, and A^T y / c is the smallest image that measures y: the picture of a measurement.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ddpm_lessons.door import (
    Randomness,
    check_generator,
    check_images,
    check_index,
    check_number,
    randn_like,
    send,
)


@dataclass(frozen=True, eq=False)
class LinearOperator:
    """A linear A by what it does: `forward` is A, (B, ...) -> (B, ...), and `adjoint` A^T.

    gain: the number c with A A^T = c I, or None where there is none. Raises ValueError where the
    first two are not callable, or gain is not positive.
    """

    forward: Callable[[Tensor], Tensor]
    adjoint: Callable[[Tensor], Tensor]
    gain: float | None = None

    def __post_init__(self) -> None:
        for name in ("forward", "adjoint"):
            if not callable(getattr(self, name)):
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected a callable")
        if self.gain is not None:
            check_number("gain", self.gain, "(0, inf)")


def identity() -> LinearOperator:
    """Nothing is lost: what remains is the noise. gain 1."""

    def same(x: Tensor) -> Tensor:
        check_images("x", x, look=False)
        return x

    return LinearOperator(same, same, gain=1.0)


def keep(mask: Tensor) -> LinearOperator:
    """The entries where mask is True, (B, ..., *mask.shape) -> (B, ..., N), in reading order.

    A mask (H, W) serves every channel. gain 1: a list of the kept entries, and not an image with
    zeros elsewhere, because then A A^T = I, and noise falls on what was measured only; A^T y is
    that image. Raises ValueError where mask is no bool tensor with a True, or does not fit x.
    """
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool or not mask.any():
        found = f"{mask.dtype} {tuple(mask.shape)}" if isinstance(mask, Tensor) else repr(mask)
        raise ValueError(f"mask is {found}, expected a bool tensor that is somewhere True")
    shape, size = mask.shape, mask.numel()
    if not shape:
        raise ValueError(f"mask is {mask!r}, expected one entry for each pixel")
    kept = mask.detach().flatten().nonzero()[:, 0].cpu()  # (N,)

    def forward(x: Tensor) -> Tensor:
        check_images("x", x, look=False)
        if x.ndim <= len(shape) or x.shape[-len(shape) :] != shape:
            raise ValueError(f"x has shape {tuple(x.shape)}, expected (B, ..., *{tuple(shape)})")
        return x.flatten(-len(shape)).index_select(-1, send(kept, x.device))

    def adjoint(y: Tensor) -> Tensor:
        check_images("y", y, look=False)
        if y.ndim < 2 or y.shape[-1] != len(kept):
            raise ValueError(f"y has shape {tuple(y.shape)}, expected (B, ..., {len(kept)})")
        empty = y.new_zeros(*y.shape[:-1], size)
        return empty.index_copy(-1, send(kept, y.device), y).unflatten(-1, shape)

    return LinearOperator(forward, adjoint, gain=1.0)


def shrink(factor: int) -> LinearOperator:
    """The means of blocks of factor x factor pixels, (B, ..., H, W) -> (B, ..., H/f, W/f).

    gain 1 / factor^2. Raises ValueError where factor is no whole number >= 1, or x does not part
    into such blocks.
    """
    f = check_index("factor", factor, 1, 10**6)

    def forward(x: Tensor) -> Tensor:
        check_planes("x", x)
        if x.shape[-1] % f or x.shape[-2] % f:
            raise ValueError(f"x has shape {tuple(x.shape)}, expected H and W divisible by {f}")
        blocks = x.unflatten(-1, (-1, f)).unflatten(-3, (-1, f))  # (B, ..., H/f, f, W/f, f)
        return blocks.mean(dim=(-3, -1))

    def adjoint(y: Tensor) -> Tensor:
        check_planes("y", y)
        return y.repeat_interleave(f, dim=-1).repeat_interleave(f, dim=-2) / f**2

    return LinearOperator(forward, adjoint, gain=1 / f**2)


def blur(std: float) -> LinearOperator:
    """A Gaussian blur of `std` pixels, (B, ..., H, W) -> (B, ..., H, W). No gain.

    Each pixel becomes a mean of all pixels, with the weights exp(-distance^2 / (2 std^2)). At the
    border the weights of what lies inside are made to sum to 1 again: a plain image stays as it is,
    and A^T is not A. Raises ValueError where std is not positive, or x has no H and W.
    """
    check_number("std", std, "(0, inf)")

    def weights(n: int, like: Tensor) -> Tensor:
        """(n, n), made where it is used: nothing has to be sent there."""
        at = torch.arange(n, dtype=like.dtype, device=like.device)
        return torch.softmax(-((at[:, None] - at) ** 2) / (2 * std**2), dim=1)

    def forward(x: Tensor) -> Tensor:
        check_planes("x", x)
        return weights(x.shape[-2], x) @ x @ weights(x.shape[-1], x).T

    def adjoint(y: Tensor) -> Tensor:
        check_planes("y", y)
        return weights(y.shape[-2], y).T @ y @ weights(y.shape[-1], y)

    return LinearOperator(forward, adjoint)


def check_planes(name: str, x: object) -> None:
    """Raise ValueError unless x is a floating tensor (B, ..., H, W)."""
    check_images(name, x, look=False)
    if x.ndim < 3:
        raise ValueError(f"{name} has shape {tuple(x.shape)}, expected (B, ..., H, W)")


@dataclass(frozen=True, eq=False)
class Measurement:
    """y = A x_0 + noise_std z: what is known of an image x_0.

    y: (B, ...), or (1, ...) for many images that are to fit one measurement. Raises ValueError
    where an argument is no such thing.
    """

    operator: LinearOperator
    y: Tensor
    noise_std: float = 0.0

    def __post_init__(self) -> None:
        check_operator(self.operator)
        check_images("y", self.y)
        check_number("noise_std", self.noise_std, "[0, inf)")

    def residual(self, x: Tensor, scale: float = 1.0) -> Tensor:
        """scale y - A x: what x leaves unexplained; for an x_t the scale is sqrt(alpha_bar_t).

        Raises ValueError where y and A x do not match.
        """
        seen = self.operator.forward(x)
        if not isinstance(seen, Tensor):
            kind = type(seen).__name__
            raise ValueError(f"operator.forward(x) has type {kind}, expected a tensor like y")
        if self.y.shape[1:] != seen.shape[1:] or len(self.y) not in (1, len(seen)):
            expected = f"{tuple(seen.shape)} like A x, or with 1 in place of {len(seen)}"
            raise ValueError(f"y has shape {tuple(self.y.shape)}, expected {expected}")
        return scale * send(self.y, seen.device, seen.dtype) - seen


def measure(
    operator: LinearOperator,
    x_0: Tensor,
    noise_std: float = 0.0,
    *,
    generator: Randomness = None,
) -> Measurement:
    """Measure images x_0 (B, ...): y = A x_0 + noise_std z.

    generator: one, or a list with one for each image. Raises ValueError where an argument is no
    such thing, or operator does not fit x_0.
    """
    check_operator(operator)
    check_images("x_0", x_0)
    check_number("noise_std", noise_std, "[0, inf)")
    check_generator(generator, images=len(x_0))
    y = operator.forward(x_0)
    return Measurement(operator, y + noise_std * randn_like(y, generator), noise_std)


def check_operator(operator: object) -> None:
    """Raise ValueError unless this is a LinearOperator."""
    if not isinstance(operator, LinearOperator):
        raise ValueError(f"operator is {operator!r}, expected a LinearOperator, as keep(mask)")


def check_measurement(measurement: object) -> None:
    """Raise ValueError unless this is a Measurement."""
    if not isinstance(measurement, Measurement):
        expected = "a Measurement(operator, y, noise_std)"
        raise ValueError(f"measurement is {measurement!r}, expected {expected}")
