"""The score, grad log q(x_t): a compass that points to where data are denser.

A network that predicts the noise has learnt it, but for a factor; Langevin dynamics walks by it.
"""

from collections.abc import Callable, Iterator

from torch import Tensor

from ddpm_lessons.door import (
    EpsModel,
    Randomness,
    check_generator,
    check_images,
    check_index,
    check_loop,
    check_number,
    check_same,
    equation,
    predict_noise,
    randn_like,
)
from ddpm_lessons.schedule import Coefficients, NoiseSchedule

Score = Callable[[Tensor], Tensor]  # x (B, ...) -> grad log density, of the same shape


@equation
def score_from_eps(eps: float | Tensor, c: Coefficients) -> float | Tensor:
    """The score that a noise prediction stands for: -eps / sqrt(1 - alpha_bar_t).

    Exact for eps = E[eps | x_t], the minimum of the loss: denoising score matching (Vincent 2011;
    Song et al. 2021, "Score-based generative modeling through SDEs", section 3).
    """
    return -eps / (1 - c.alpha_bar) ** 0.5


@equation
def eps_from_score(score: float | Tensor, c: Coefficients) -> float | Tensor:
    """The noise prediction that a score stands for: -sqrt(1 - alpha_bar_t) score."""
    return -((1 - c.alpha_bar) ** 0.5) * score


def score_model(eps_model: EpsModel, schedule: NoiseSchedule, t: int) -> Score:
    """The score of q(x_t) at one t, as the network knows it: x_t (B, ...) -> (B, ...).

    Each call asks `eps_model` once, in eval mode and without gradients. Raises ValueError where t
    leaves 1..T; the score itself does where x_t is no batch of finite numbers.
    """
    check_loop(eps_model, schedule, None)
    c = schedule.at(check_index("t", t, 1, schedule.T))

    def score(x_t: Tensor) -> Tensor:
        check_images("x_t", x_t)
        return score_from_eps(predict_noise(eps_model, x_t, t), c)

    return score


def langevin(
    score: Score,
    x: Tensor,
    *,
    step_size: float,
    steps: int,
    generator: Randomness = None,
) -> Iterator[Tensor]:
    """Langevin dynamics: x <- x + step_size / 2 score(x) + sqrt(step_size) z, z from N(0, I).

    Song & Ermon (2019), Eq. 4. Yields steps + 1 states (B, ...), the given x first. For small steps
    the states end up distributed with the density that `score` belongs to; there is no accept or
    reject step, so a finite step_size leaves a bias: N(m, s^2) becomes one of variance
    s^2 / (1 - step_size / (4 s^2)), and beyond step_size = 4 s^2 the walk explodes. Raises
    ValueError, at the first state, where an argument does not fit, or score(x) not to x.
    """
    if not callable(score):
        raise ValueError(f"score is {score!r}, expected a callable x -> score")
    check_images("x", x)
    check_number("step_size", step_size, "(0, inf)")
    steps = check_index("steps", steps, 0, 10**9)
    check_generator(generator, images=len(x))
    yield x
    for _ in range(steps):
        slope = score(x)
        if not isinstance(slope, Tensor):
            raise ValueError(f"score(x) has type {type(slope).__name__}, expected a tensor like x")
        check_same({"x": x, "score(x)": slope})
        x = x + step_size / 2 * slope + step_size**0.5 * randn_like(x, generator)
        yield x
