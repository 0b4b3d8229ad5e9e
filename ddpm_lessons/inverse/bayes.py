"""Bayes' rule at every t: grad log p(x_t | y) = grad log p(x_t) + grad log p(y | x_t).

The network knows the first slope. For the second, x_0 given x_t is taken for a Gaussian around
x0_hat; the methods differ in the covariance that they give it.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ddpm_lessons.door import EpsModel, check_answer, check_index, check_loop, check_number
from ddpm_lessons.forward import predict_x0
from ddpm_lessons.guidance import Made
from ddpm_lessons.inverse.operators import Measurement, check_measurement
from ddpm_lessons.schedule import Coefficients, NoiseSchedule
from ddpm_lessons.score import eps_from_score

TWEEDIE = "tweedie"


def measured(
    eps_model: EpsModel,
    schedule: NoiseSchedule,
    measurement: Measurement,
    *,
    spread: float | str = 1.0,
    weight: float = 1.0,
    iterations: int = 10,
) -> Made:
    """A noise prediction that knows y: eps - weight sqrt(1 - alpha_bar_t) grad log p(y | x_t).

    p(y | x_t) is taken for N(A x0_hat(x_t), noise_std^2 I + A V A^T), where V, the covariance of
    x_0 given x_t, comes from `spread`: a number s stands for data of variance s^2 in every pixel,
    V = s^2 (1 - alpha_bar_t) / (alpha_bar_t s^2 + 1 - alpha_bar_t) I, which is exact for N(m, s^2
    I). 1 is pseudoinverse guidance (Song et al. 2023); 0 is diffusion posterior sampling (Chung et
    al. 2023) with the step that the density asks for, blind to what x_t leaves open. "tweedie" asks
    the network itself, V = (1 - alpha_bar_t) / sqrt(alpha_bar_t) dx0_hat / dx_t, which is exact for
    every Gaussian (Rozet et al. 2024): `iterations` more derivatives of the network a call.
    iterations: of conjugate gradients; they solve with noise_std^2 I + A V A^T where A has no gain,
    or for "tweedie". At most as many as y has entries per image are needed, and few mostly do.
    The gradient goes through eps_model: a call takes about three times as long. Raises ValueError
    where an argument is no such thing, does not fit x_t, or eps_model has no gradient.
    """
    check_loop(eps_model, schedule, None)
    check_measurement(measurement)
    check_number("weight", weight, "[0, inf)")
    check_index("iterations", iterations, 1, 10**6)
    if spread != TWEEDIE:
        check_spread(spread, measurement.noise_std)

    def answer(x_t: Tensor, t: Tensor) -> Tensor:
        c = schedule.at(t, like=x_t)
        with torch.enable_grad():
            x = x_t.detach().requires_grad_()
            eps = eps_model(x, t)
            check_answer(eps, x)
            check_gradient(eps)
            x0_hat = predict_x0(x, c, eps)
        slope = slope_of(measurement, x, x0_hat, c=c, spread=spread, iterations=iterations)
        return eps.detach() + weight * eps_from_score(slope, c)

    return Made(answer, eps_model)


def slope_of(
    measurement: Measurement,
    x: Tensor,
    x0_hat: Tensor,
    *,
    c: Coefficients,
    spread: float | str,
    iterations: int,
) -> Tensor:
    """grad log p(y | x_t) = J^T A^T (noise_std^2 I + A V A^T)^-1 (y - A x0_hat), like x.

    J = dx0_hat / dx_t; V does not move with x_t.
    """
    operator, noise_var = measurement.operator, measurement.noise_std**2

    def through_network(image: Tensor) -> Tensor:
        """J^T image."""
        return torch.autograd.grad(x0_hat, x, image, retain_graph=True)[0]

    def covariance(u: Tensor) -> Tensor:
        """(noise_std^2 I + A V A^T) u."""
        back = operator.adjoint(u)
        if spread == TWEEDIE:  # V is symmetric: J^T will do for J
            explained = (scale * through_network(back)).to(u.dtype)
        else:
            explained = scale.to(u.dtype) * back
        return noise_var * u + operator.forward(explained)

    with torch.no_grad():
        scale, residual = variance_left(c, spread), measurement.residual(x0_hat)
        if operator.gain is not None and spread != TWEEDIE:
            total = noise_var + operator.gain * scale  # (B, 1, ...)
            share = residual / total.view(-1, *(1,) * (residual.ndim - 1)).to(residual.dtype)
        else:
            share = conjugate_gradients(covariance, residual, iterations)
        return torch.autograd.grad(x0_hat, x, operator.adjoint(share))[0]


def variance_left(c: Coefficients, spread: float | str) -> Tensor:
    """What V is a multiple of: for "tweedie", V / J; for a number s, Var[x_0 | x_t] of N(m, s^2).

    (B, 1, ...), like the coefficients.
    """
    noise = 1 - c.alpha_bar
    if spread == TWEEDIE:
        return noise / c.alpha_bar**0.5
    return spread**2 * noise / (c.alpha_bar * spread**2 + noise)


def conjugate_gradients(
    product: Callable[[Tensor], Tensor], wanted: Tensor, iterations: int
) -> Tensor:
    """u with product(u) = wanted, (B, ...), for a symmetric positive product of each image alone.

    Hestenes & Stiefel (1952), from u = 0. An image that is solved stays as it is; nothing looks at
    the numbers, so that no GPU has to be waited for.
    """

    def dot(a: Tensor, b: Tensor) -> Tensor:
        """(B, 1, ...)."""
        return (a * b).flatten(1).sum(1).view(-1, *(1,) * (a.ndim - 1))

    def ratio(a: Tensor, b: Tensor) -> Tensor:
        """a / b, or 0 where nothing is left to do, or product was not positive."""
        return torch.where(b > 0, a / torch.where(b > 0, b, 1), 0)

    u, left = torch.zeros_like(wanted), wanted
    direction, size = left, dot(left, left)
    for _ in range(iterations):
        seen = product(direction)
        step = ratio(size, dot(direction, seen))
        u, left = u + step * direction, left - step * seen
        before, size = size, dot(left, left)
        direction = left + ratio(size, before) * direction
    return u


def check_gradient(eps: Tensor) -> None:
    """Raise ValueError unless the network's answer has a gradient."""
    if not eps.requires_grad:
        expected = "one by x_t: a network that is neither frozen nor compiled for inference"
        raise ValueError(f"eps_model(x_t, t) has no gradient, expected {expected}")


def check_spread(spread: object, noise_std: float) -> None:
    """Raise ValueError unless spread is a number that leaves y some variance."""
    if isinstance(spread, (int, float)) and not isinstance(spread, bool):
        check_number("spread", spread, "[0, inf)")
    else:
        raise ValueError(f"spread is {spread!r}, expected a number in [0, inf) or {TWEEDIE!r}")
    if spread == noise_std == 0:
        raise ValueError("spread is 0 and so is noise_std, expected one of them to be positive")
