"""One step back: the posterior q(x_{t-1} | x_t, x_0), and the model's p_theta(x_{t-1} | x_t)."""

from typing import NamedTuple

from torch import Tensor

from ddpm_lessons.door import check_choice, check_number, equation
from ddpm_lessons.forward import predict_x0
from ddpm_lessons.gaussian import Gaussian
from ddpm_lessons.schedule import Coefficients

VARIANCES = ("beta", "posterior")


@equation
def q_posterior(x_0: float | Tensor, x_t: float | Tensor, c: Coefficients) -> Gaussian:
    """Eq. (6, 7): q(x_{t-1} | x_t, x_0) = N(mu-tilde_t(x_t, x_0), beta-tilde_t I).

    At t = 1 it is x_0 itself: alpha_bar_0 = 1 gives the weights 1 and 0 and the variance 0.
    """
    weight_x0 = c.alpha_bar_prev**0.5 * c.beta / (1 - c.alpha_bar)
    weight_xt = c.alpha**0.5 * (1 - c.alpha_bar_prev) / (1 - c.alpha_bar)
    var = (1 - c.alpha_bar_prev) / (1 - c.alpha_bar) * c.beta
    return Gaussian(mean=weight_x0 * x_0 + weight_xt * x_t, var=var)


@equation
def p_mean_from_eps(x_t: float | Tensor, c: Coefficients, eps: float | Tensor) -> float | Tensor:
    """Eq. (11): mu_theta = (x_t - beta_t / sqrt(1 - alpha_bar_t) eps) / sqrt(alpha_t).

    The same number as Eq. (7) at the x0_hat of Eq. (15), with x_0 eliminated.
    """
    return (x_t - c.beta / (1 - c.alpha_bar) ** 0.5 * eps) / c.alpha**0.5


def estimate_x0(
    x_t: float | Tensor, c: Coefficients, eps: float | Tensor, *, clip_x0: float | None = None
) -> float | Tensor:
    """x0_hat of Eq. (15), clipped to [-clip_x0, clip_x0] unless that is None.

    Raises ValueError where clip_x0 is not positive.
    """
    if clip_x0 is not None:
        check_number("clip_x0", clip_x0, "(0, inf)")
    x0_hat = predict_x0(x_t, c, eps)
    if clip_x0 is None:
        return x0_hat
    if isinstance(x0_hat, Tensor):
        return x0_hat.clamp(-clip_x0, clip_x0)
    return min(max(x0_hat, -clip_x0), clip_x0)


class ReverseStep(NamedTuple):
    """p_theta(x_{t-1} | x_t), and the estimate of the clean image that it was made from."""

    p: Gaussian
    x0_hat: float | Tensor


def p_step(
    x_t: float | Tensor,
    c: Coefficients,
    eps: float | Tensor,
    *,
    variance: str = "beta",
    clip_x0: float | None = None,
) -> ReverseStep:
    """Eq. (1): the model's step p_theta(x_{t-1} | x_t) = N(mu_theta, sigma_t^2 I), from its eps.

    `variance="beta"` is sigma_t^2 = beta_t, `"posterior"` is beta-tilde_t (section 3.2).
    `clip_x0=None` takes the mean by Eq. (11); a number clips x0_hat to [-clip_x0, clip_x0] first
    and takes the mean by Eq. (7), as the paper's code does with 1. Raises ValueError where a
    choice is unknown.
    """
    check_choice("variance", variance, VARIANCES)
    x0_hat = estimate_x0(x_t, c, eps, clip_x0=clip_x0)
    tilde = q_posterior(x0_hat, x_t, c)
    mean = p_mean_from_eps(x_t, c, eps) if clip_x0 is None else tilde.mean
    return ReverseStep(Gaussian(mean, c.beta if variance == "beta" else tilde.var), x0_hat)
