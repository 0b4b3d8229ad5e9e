"""What the network is trained on, and the variational bound that it comes from, in bits/dim."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ddpm_lessons.door import (
    EpsModel,
    check_answer,
    check_images,
    check_loop,
    check_same,
    equation,
    predict_noise,
    randn_like,
    send,
)
from ddpm_lessons.forward import q_marginal, q_sample
from ddpm_lessons.gaussian import Gaussian, check_gaussian, check_variance
from ddpm_lessons.posterior import p_step, q_posterior
from ddpm_lessons.schedule import Coefficients, NoiseSchedule

DRAW_THERE = ("cuda",)  # devices that draw noise much faster than the CPU does


def simple_loss(
    eps_model: EpsModel,
    schedule: NoiseSchedule,
    x_0: Tensor,
    *,
    noise: tuple[Tensor, Tensor] | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Eq. (14): L_simple = E ||eps - eps_theta(x_t, t)||^2.

    One t, uniform in 1..T, and one eps from N(0, I) for each image: `draw_noise`, unless they are
    given as `noise`. The mean over entries, not the sum, as in the paper's code: a network that
    always answers 0 scores 1. x_0 is (B, ...); returns a scalar in at least float32. Raises
    ValueError where the shapes do not match.
    """
    check_loop(eps_model, schedule, generator)
    check_images("x_0", x_0, look=getattr(x_0, "is_cpu", False))  # no wait in a training step
    t, eps = draw_noise(schedule, x_0, generator) if noise is None else noise
    x_t = q_sample(x_0, schedule.at(t, like=x_0), eps)
    predicted = eps_model(x_t, send(t, x_0.device))
    check_answer(predicted, x_t)
    return torch.nn.functional.mse_loss(
        predicted.to(torch.promote_types(x_0.dtype, torch.float32)), eps
    )


def draw_noise(
    schedule: NoiseSchedule, x_0: Tensor, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """What chance has to decide for Eq. (14): t, (B,) int64, uniform in 1..T, on the generator's
    device, and eps from N(0, I), like x_0.

    Where x_0 is on a GPU, eps is drawn there, by a generator that takes its seed from the given
    one: drawn on the CPU, the noise of a batch would take as long as its step of training.
    """
    device = torch.device("cpu") if generator is None else generator.device
    t = torch.randint(1, schedule.T + 1, (len(x_0),), generator=generator, device=device)
    if x_0.device.type in DRAW_THERE and device.type == "cpu":
        seed = torch.randint(2**63 - 1, (), generator=generator).item()
        generator = torch.Generator(x_0.device).manual_seed(seed)
    return t, randn_like(x_0, generator)


class Bound(NamedTuple):
    """The terms of the variational bound for each of B images, in bits per dimension."""

    prior: Tensor  # L_T, (B,): how far x_T is from N(0, I); nothing to learn
    denoising: Tensor  # (T + 1, B): entry t is L_{t-1}, t = 2..T; entries 0 and 1 are 0
    reconstruction: Tensor  # L_0, (B,): -log2 p(x_0 | x_1)

    @property
    def total(self) -> Tensor:
        """The bound, (B,), from one draw: in the mean an upper limit of -log2 p(x_0)."""
        return self.prior + self.denoising.sum(dim=0) + self.reconstruction


@equation
def noise_weight(c: Coefficients, var: float | Tensor) -> float | Tensor:
    """Eq. (8, 12): what L_{t-1} multiplies ||eps - eps_theta||^2 with, for sigma_t^2 = var.

    Eq. (8), ||mu-tilde - mu_theta||^2 / (2 sigma_t^2), with both means written by Eq. (11):
    beta_t^2 / (2 sigma_t^2 alpha_t (1 - alpha_bar_t)), in nats for each unit of squared error.
    Raises ValueError where var is not positive.
    """
    check_variance("var", var)
    return c.beta**2 / (2 * var * c.alpha * (1 - c.alpha_bar))


def bound(
    eps_model: EpsModel,
    schedule: NoiseSchedule,
    x_0: Tensor,
    *,
    variance: str = "beta",
    clip_x0: float | None = None,
    generator: torch.Generator | None = None,
) -> Bound:
    """Eq. (3, 5): -log p(x_0) <= L_T + sum_{t>1} L_{t-1} + L_0.

    Each expectation over x_t is estimated by one draw. x_0 is (B, ...) with 8-bit values scaled to
    [-1, 1]; T calls of `eps_model`; float64 on the CPU. beta-tilde_1 = 0 cannot be a variance of
    Eq. (13): at t = 1 both choices of `variance` use beta-tilde_2, as the paper's code does.
    Raises ValueError where x_0 leaves [-1, 1] or a choice is unknown.
    """
    check_loop(eps_model, schedule, generator)
    _check_range("x_0", x_0)
    clean = _exact(x_0)
    prior = q_marginal(clean, schedule.at(schedule.T)).kl(Gaussian(torch.zeros_like(clean), 1.0))
    denoising = torch.zeros(schedule.T + 1, len(x_0), dtype=torch.float64)
    for t in range(schedule.T, 0, -1):
        c = schedule.at(t)
        x_t = q_sample(x_0, c, randn_like(x_0, generator))
        eps = _exact(predict_noise(eps_model, x_t, t))
        p = p_step(_exact(x_t), c, eps, variance=variance, clip_x0=clip_x0).p
        if t > 1:
            denoising[t] = _bits_per_dim(q_posterior(clean, _exact(x_t), c).kl(p))
    nats = -decoder_log_likelihood(clean, Gaussian(p.mean, variance_at_1(schedule)))
    return Bound(_bits_per_dim(prior), denoising, _bits_per_dim(nats))


def decoder_log_likelihood(x_0: Tensor, p: Gaussian) -> Tensor:
    """Eq. (13): log of the probability that p gives to the bin of each entry of x_0, in nats.

    The 256 bins lie 1/127.5 apart on [-1, 1] and reach 1/255 to either side; the first and the
    last are open to the outside, so their probabilities add up to 1. Exact in the tails, where the
    paper's code clamps at 1e-12. Raises ValueError where x_0 leaves [-1, 1], or p does not fit it.
    """
    _check_range("x_0", x_0)
    check_gaussian("p", p)
    check_same({"x_0": x_0, "p.mean": p.mean})
    std = p.var**0.5
    lower = torch.where(x_0 < -0.999, -math.inf, (x_0 - p.mean - 1 / 255) / std)
    upper = torch.where(x_0 > 0.999, math.inf, (x_0 - p.mean + 1 / 255) / std)
    # Phi(b) - Phi(a) = Phi(-a) - Phi(-b): take the side where both are small, subtract in the log
    flip = lower + upper > 0
    a, b = torch.where(flip, -upper, lower), torch.where(flip, -lower, upper)
    log_b, log_a = torch.special.log_ndtr(b), torch.special.log_ndtr(a)
    return log_b + torch.log(-torch.expm1(log_a - log_b))


def _check_range(name: str, x: Tensor) -> None:
    check_images(name, x)
    if x.abs().max() > 1:
        raise ValueError(f"{name} reaches {x.abs().max().item():g}, expected images in [-1, 1]")


def variance_at_1(schedule: NoiseSchedule) -> float:
    """The variance of the decoder at t = 1: beta-tilde_2, or beta_1 where there is one step."""
    if schedule.T == 1:
        return schedule.at(1).beta
    return q_posterior(0.0, 0.0, schedule.at(2)).var


def _exact(x: Tensor) -> Tensor:
    return x.to("cpu", torch.float64)


def _bits_per_dim(nats: Tensor) -> Tensor:
    """(B, ...) nats -> (B,): the mean over an image's entries, in bits."""
    return nats.flatten(1).mean(dim=1) / math.log(2)
