"""What people get wrong in a step back, Eq. (11): for the checks of lessons 02 and 06."""

from collections.abc import Callable

from ddpm_lessons.checks.exercise import Mistake
from ddpm_lessons.schedule import Coefficients


def sigma(c: Coefficients, t: int) -> float:
    """The article's sigma_t, the root of beta_t; no noise at the last step."""
    return c.beta**0.5 if t > 1 else 0.0


def tilde(c: Coefficients) -> float:
    """beta-tilde_t of Eq. (7)."""
    return (1 - c.alpha_bar_prev) / (1 - c.alpha_bar) * c.beta


MEANS = (  # of x_{t-1}, from x_t, the coefficients of step t and the predicted noise
    Mistake(
        lambda x, c, eps: x - c.beta / (1 - c.alpha_bar) ** 0.5 * eps,
        "In the mean the division by the root of alpha_t is missing: a step forward shrinks, so a "
        "step back must grow.",
    ),
    Mistake(
        lambda x, c, eps: x / c.alpha**0.5 - c.beta / (1 - c.alpha_bar) ** 0.5 * eps,
        "In the mean a bracket is missing: the root of alpha_t divides the whole difference, the "
        "part with eps too.",
    ),
    Mistake(
        lambda x, c, eps: (x - c.beta / (1 - c.alpha_bar) ** 0.5 * eps) / c.alpha_bar**0.5,
        "You divide by the root of alpha_bar_t, which undoes the shrinking of all t steps at once. "
        "One step back divides by the root of alpha_t.",
    ),
    Mistake(
        lambda x, c, eps: (x - c.beta * eps) / c.alpha**0.5,
        "In the mean, beta_t still has to be divided by the root of 1 - alpha_bar_t.",
    ),
    Mistake(
        lambda x, c, eps: (x - c.beta / (1 - c.alpha_bar) * eps) / c.alpha**0.5,
        "Under beta_t belongs the square root of 1 - alpha_bar_t; yours has no root.",
    ),
    Mistake(
        lambda x, c, eps: (x - (1 - c.alpha_bar) ** 0.5 * eps) / c.alpha**0.5,
        "You subtract all the noise at once, as for x0_hat. One step back takes away only "
        "beta_t / sqrt(1 - alpha_bar_t) of eps.",
    ),
    Mistake(
        lambda x, c, eps: (x - (1 - c.alpha_bar) ** 0.5 * eps) / c.alpha_bar**0.5,
        "You jump to x0_hat. A step of Algorithm 2 goes only a little way there: Eq. (11).",
    ),
    Mistake(
        lambda x, c, eps: (x + c.beta / (1 - c.alpha_bar) ** 0.5 * eps) / c.alpha**0.5,
        "You add the predicted noise. It was added on the way forward; on the way back it is "
        "taken away.",
    ),
)

SIGMAS = (  # what multiplies z in step t
    Mistake(
        lambda c, t: c.beta**0.5,
        "Right for t > 1, but you add noise at the last step. At t = 1 the image is finished, and "
        "noise would only be dirt on it: return the mean alone.",
    ),
    Mistake(
        lambda c, t: c.beta if t > 1 else 0.0,
        "Your noise has standard deviation beta_t. That is its variance: multiply z by the root.",
    ),
    Mistake(
        lambda c, t: tilde(c) ** 0.5,
        "Your sigma_t is the root of beta-tilde_t. That works too; this exercise asks for the "
        "article's choice, sigma_t squared = beta_t.",
    ),
    Mistake(
        lambda c, t: sigma(c, t) / c.alpha**0.5,
        "Your noise is inside the bracket, where the root of alpha_t divides it. Add it behind.",
    ),
    Mistake(
        lambda c, t: 0.0,
        "Your mean, Eq. (11), is right. The noise is missing: add sigma_t z wherever t > 1.",
    ),
)


def in_steps(make: Callable[..., Callable]) -> list[Mistake]:
    """All of these, each in the function that make(mean=...) or make(sigma=...) returns."""
    means = [Mistake(make(mean=one.wrong), one.hint) for one in MEANS]
    return [*means, *(Mistake(make(sigma=one.wrong), one.hint) for one in SIGMAS)]
