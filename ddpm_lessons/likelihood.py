"""How probable an image is by the probability-flow ODE, in bits/dim, beside the bound of Eq. (5).

Along the flow, d log p(x_t) / dt is minus the divergence of the velocity: where paths spread, the
density falls (Chen et al. 2018; Song et al. 2021, section 4.3).
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from ddpm_lessons.door import (
    EpsModel,
    check_generator,
    check_images,
    check_index,
    check_loop,
    noise_with_gradient,
    predict_noise,
    randn_like,
)
from ddpm_lessons.flow import check_grid, log_variance, probability_flow
from ddpm_lessons.forward import q_marginal
from ddpm_lessons.gaussian import Gaussian
from ddpm_lessons.loss import decoder_log_likelihood, variance_at_1
from ddpm_lessons.posterior import p_step
from ddpm_lessons.schedule import NoiseSchedule

Divergence = Callable[[EpsModel, Tensor, int], Tensor]  # (eps_model, x_t, t) -> (B,)


def exact_divergence(eps_model: EpsModel, x_t: Tensor, t: int) -> Tensor:
    """div eps = sum_i d eps_i / d x_i at x_t, (B,): the trace of the Jacobian, entry by entry.

    As many backward passes as x_t has entries, so for small dimensions. The network must treat the
    images of a batch one by one, as a U-Net in eval mode does. Raises ValueError where an argument
    does not fit, or where eps cannot be differentiated.
    """
    eps, x = _with_gradient(eps_model, x_t, t)
    total = torch.zeros(len(x), dtype=eps.dtype, device=eps.device)
    columns = eps.reshape(len(eps), -1)
    for i in range(columns.shape[1]):
        (gradient,) = torch.autograd.grad(columns[:, i].sum(), x, retain_graph=True)
        total += gradient.reshape(len(x), -1)[:, i]
    return total


def hutchinson(probes: int = 1, *, generator: torch.Generator | None = None) -> Divergence:
    """Hutchinson's estimate of the divergence, for large dimensions: the mean of v . (J v).

    v has entries -1 and 1 by a fair coin, new at each call, drawn on the generator's device; one
    backward pass for each of the `probes`. Unbiased, because E[v_i v_j] is 1 for i = j and else 0.
    Raises ValueError where probes < 1.
    """
    probes = check_index("probes", probes, 1, 10**6)
    check_generator(generator)

    def divergence(eps_model: EpsModel, x_t: Tensor, t: int) -> Tensor:
        eps, x = _with_gradient(eps_model, x_t, t)
        total = torch.zeros(len(x), dtype=eps.dtype, device=eps.device)
        for _ in range(probes):
            v = torch.where(randn_like(eps, generator) < 0, -1.0, 1.0).to(eps.dtype)
            (gradient,) = torch.autograd.grad(eps, x, v, retain_graph=True)
            total += (v * gradient).reshape(len(x), -1).sum(dim=1)
        return total / probes

    return divergence


class FlowDensity(NamedTuple):
    """Where the path of each image ends, and the log-density at its beginning."""

    x_T: Tensor
    log_density: Tensor  # (B,), in nats, float64 on the CPU


def flow_log_density(
    eps_model: EpsModel,
    schedule: NoiseSchedule,
    x: Tensor,
    *,
    timesteps: Sequence[int],
    divergence: Divergence = exact_divergence,
) -> FlowDensity:
    """The log-density at x that the ODE gives to noise x_T from N(0, I), carried back to t.

    x is (B, ...), at the first of `timesteps`, which rise to T. For l = log((1 - alpha_bar) /
    alpha_bar), log p(x) = log N(x_T; 0, I) - 1/2 integral of (D (1 - alpha_bar) -
    sqrt(1 - alpha_bar) div eps) dl, by the trapezoidal rule on Heun's path. Raises ValueError where
    an argument does not fit.
    """
    if not callable(divergence):
        raise ValueError(
            f"divergence is {divergence!r}, expected a function, as hutchinson() gives"
        )
    check_images("x", x)
    rates, levels, D = [], [], x[0].numel()
    for t, x_t in probability_flow(eps_model, schedule, x, timesteps=timesteps):
        noise = 1 - schedule.alpha_bars[t].item()
        div = divergence(eps_model, x_t, t).to("cpu", torch.float64)
        rates.append((D * noise - noise**0.5 * div) / 2)
        levels.append(log_variance(schedule)[t].item())
    if t != schedule.T:
        raise ValueError(f"timesteps ends with {t}, expected T = {schedule.T}")
    change = sum(
        (there - here) * (one + other) / 2
        for (here, there), (one, other) in zip(pairwise(levels), pairwise(rates), strict=True)
    )
    log_prior = Gaussian(_exact(x_t), 1.0).log_prob(torch.zeros_like(_exact(x_t)))
    return FlowDensity(x_t, log_prior.reshape(len(x), -1).sum(dim=1) - change)


class FlowBound(NamedTuple):
    """Two terms for each of B images, in bits per dimension."""

    latent: Tensor  # (B,): -log2 p(x_1) + log2 q(x_1 | x_0), what it takes to name x_1
    reconstruction: Tensor  # (B,): L_0 of Eq. (5), -log2 p(x_0 | x_1)

    @property
    def total(self) -> Tensor:
        """The bound, (B,), from one draw: in the mean an upper limit of -log2 P(x_0)."""
        return self.latent + self.reconstruction


def flow_bound(
    eps_model: EpsModel,
    schedule: NoiseSchedule,
    x_0: Tensor,
    *,
    timesteps: Sequence[int],
    divergence: Divergence = exact_divergence,
    generator: torch.Generator | None = None,
) -> FlowBound:
    """-log P(x_0) <= E_q[-log p(x_1) + log q(x_1 | x_0) - log p(x_0 | x_1)], p(x_1) by the ODE.

    P draws x_1 with the ODE and the pixels with the decoder of Eq. (13), of the same variance as in
    `bound`; so both are bounds on 8-bit data and their L_0 is the same. The expectation is
    estimated by one draw of x_1. x_0 is (B, ...) with 8-bit values scaled to [-1, 1]; timesteps
    rise from 1 to T. Raises ValueError where an argument does not fit.
    """
    check_loop(eps_model, schedule, generator)
    check_images("x_0", x_0)
    if (grid := check_grid(schedule.T, timesteps))[0] != 1:
        raise ValueError(f"timesteps begins with {grid[0]}, expected 1: x_1 is what is encoded")
    c, clean = schedule.at(1), _exact(x_0)
    q = q_marginal(clean, c)
    x_1 = q.mean + q.var**0.5 * randn_like(x_0, generator).to("cpu", torch.float64)
    x_1 = x_1.to(x_0)
    eps = predict_noise(eps_model, x_1, 1)
    p = p_step(_exact(x_1), c, _exact(eps)).p
    nats = -decoder_log_likelihood(clean, Gaussian(p.mean, variance_at_1(schedule)))
    found = flow_log_density(eps_model, schedule, x_1, timesteps=grid, divergence=divergence)
    latent = q.log_prob(_exact(x_1)).reshape(len(x_0), -1).sum(dim=1) - found.log_density
    per_dim = math.log(2) * x_0[0].numel()
    return FlowBound(latent / per_dim, nats.reshape(len(x_0), -1).sum(dim=1) / per_dim)


def _with_gradient(eps_model: EpsModel, x_t: Tensor, t: int) -> tuple[Tensor, Tensor]:
    """eps at x_t, and the copy of x_t by which it can be differentiated."""
    if not callable(eps_model):
        raise ValueError(f"eps_model is {eps_model!r}, expected a callable (x_t, t) -> eps")
    check_images("x_t", x_t)
    t = check_index("t", t, 1, 10**6)
    with torch.enable_grad():
        x = x_t.detach().requires_grad_()
        eps = noise_with_gradient(eps_model, x, t)
    if not eps.requires_grad:
        raise ValueError("eps_model(x_t, t) has no gradient, expected a function of x_t")
    return eps, x


def _exact(x: Tensor) -> Tensor:
    return x.to("cpu", torch.float64)
