"""The forward process: how an image is destroyed, one step at a time or in one jump."""

from torch import Tensor

from ddpm_lessons.door import equation
from ddpm_lessons.gaussian import Gaussian
from ddpm_lessons.schedule import Coefficients

# Arguments are numbers, or tensors of one shape; `c` holds the coefficients of step t.


@equation
def q_step(x_prev: float | Tensor, c: Coefficients) -> Gaussian:
    """Eq. (2): one step, q(x_t | x_{t-1}) = N(sqrt(1 - beta_t) x_{t-1}, beta_t I)."""
    return Gaussian(mean=(1 - c.beta) ** 0.5 * x_prev, var=c.beta)


@equation
def q_marginal(x_0: float | Tensor, c: Coefficients) -> Gaussian:
    """Eq. (4): t steps at once, q(x_t | x_0) = N(sqrt(alpha_bar_t) x_0, (1 - alpha_bar_t) I)."""
    return Gaussian(mean=c.alpha_bar**0.5 * x_0, var=1 - c.alpha_bar)


@equation
def q_sample(x_0: float | Tensor, c: Coefficients, eps: float | Tensor) -> float | Tensor:
    """Eq. (4), reparameterised: x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps."""
    return c.alpha_bar**0.5 * x_0 + (1 - c.alpha_bar) ** 0.5 * eps


@equation
def predict_x0(x_t: float | Tensor, c: Coefficients, eps: float | Tensor) -> float | Tensor:
    """Eq. (15): Eq. (4) solved for x_0, (x_t - sqrt(1 - alpha_bar_t) eps) / sqrt(alpha_bar_t)."""
    return (x_t - (1 - c.alpha_bar) ** 0.5 * eps) / c.alpha_bar**0.5


@equation
def predict_eps(x_t: float | Tensor, c: Coefficients, x_0: float | Tensor) -> float | Tensor:
    """The noise, Eq. (4) solved for it: (x_t - sqrt(alpha_bar_t) x_0) / sqrt(1 - alpha_bar_t)."""
    return (x_t - c.alpha_bar**0.5 * x_0) / (1 - c.alpha_bar) ** 0.5
