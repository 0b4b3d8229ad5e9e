"""Lesson 13, the bug gallery: its exercises."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from ddpm_lessons.bugs import BUGS
from ddpm_lessons.bugs.specimens import diagnosis
from ddpm_lessons.checks.exercise import Exercise, Mistake, Verdict, by_name
from ddpm_lessons.checks.lesson13_open import own_test
from ddpm_lessons.checks.trial import Trial
from ddpm_lessons.forward import predict_eps, predict_x0
from ddpm_lessons.schedule import Coefficients, cosine_schedule

Step = Callable[[float, int, float], float]
TEN = cosine_schedule(T=10)


def _steps() -> Iterable[tuple]:
    """(step, T): samplers of numbers, of which it is known only what they answer."""
    generator = torch.Generator().manual_seed(13)
    for T in (3, 10):
        a, b = (0.5 + torch.rand(2, T + 1, generator=generator, dtype=torch.float64)).tolist()
        for last in (0.0, b[1]):  # without noise at the last step, and with it
            yield _sampler(a, [b[0], last, *b[2:]]), T


def _sampler(a: list[float], b: list[float]) -> Step:
    def step(x: float, t: int, z: float) -> float:
        return a[t] * x + b[t] * z

    return step


def _follow(step: Step, T: int) -> float:
    """Ask each step for its a and its b, and follow the variance down."""
    v = 1.0
    for t in range(T, 0, -1):
        a, b = step(1.0, t, 0.0), step(0.0, t, 1.0)
        v = a**2 * v + b**2
    return v


def _wrongly(
    spread: Callable = lambda v, a, b: a**2 * v + b**2,
    *,
    start: float = 1.0,
    order: Callable = lambda T: range(T, 0, -1),
) -> Callable:
    """The same with one part exchanged for a wrong one."""

    def found(step: Step, T: int) -> float:
        v = start
        for t in order(T):
            v = spread(v, step(1.0, t, 0.0), step(0.0, t, 1.0))
        return v

    return found


end_variance = Exercise(
    name="13.end_variance",
    task="Complete my_end_variance: the variance of x_0, where x_T has variance 1.",
    solution=_follow,
    cases=_steps,
    tolerance=1e-6,
    mistakes=(
        Mistake(
            _wrongly(lambda v, a, b: a * v + b),
            "a and b multiply numbers. A variance is multiplied by their squares.",
        ),
        Mistake(
            _wrongly(lambda v, a, b: a**2 * v),
            "The fresh noise of each step is missing: it adds b^2.",
        ),
        Mistake(
            _wrongly(lambda v, a, b: v + b**2),
            "What x_t brings along is not scaled: the step multiplies it by a.",
        ),
        Mistake(
            _wrongly(lambda v, a, b: (a + b) ** 2 * v),
            "x_t and z are independent: their variances add up, not their standard deviations.",
        ),
        Mistake(_wrongly(start=0.0), "You begin with variance 0. x_T is drawn from N(0, 1)."),
        Mistake(
            _wrongly(order=lambda T: range(1, T + 1)),
            "You walk from 1 to T. Sampling begins at T, and the order matters: each a scales the "
            "noise of the steps before it.",
        ),
        Mistake(
            _wrongly(order=lambda T: range(T, 1, -1)),
            "Your loop stops at x_1. The last step, t = 1, is where one of the bugs sits.",
        ),
    ),
)


class Diagnosis(Exercise):
    """An exercise whose answer is the name of a bug: an unknown name is not told the right one."""

    def judge(self, trial: Trial, *, seed: int) -> Verdict:
        """As for every exercise, but for names that the gallery does not have."""
        verdict = super().judge(trial, seed=seed)
        if verdict.outcome != "failed" or verdict.message in {one.hint for one in self.mistakes}:
            return verdict
        names = ", ".join(f'"{name}"' for name in BUGS)
        return verdict._replace(message=f"No bug of the gallery has this name. There are {names}.")


def _suspects(letter: str, shows: str) -> tuple[Mistake, ...]:
    """All bugs but that of a specimen, and what it shows against them."""
    return tuple(
        Mistake(lambda name=name: name, f"With this bug you would see this: {bug.at_10}. {shows}")
        for name, bug in BUGS.items()
        if name != diagnosis(letter)
    )


specimen_A = Diagnosis(
    name="13.specimen_A",
    task='Which bug does specimen A have? Put its name there, one of BUGS: "..."',
    solution=lambda: diagnosis("A"),
    mistakes=_suspects(
        "A",
        "A draws clean digits; its narrow data end as they should, its wide data with 64 per cent "
        "too much variance.",
    ),
)
specimen_B = Diagnosis(
    name="13.specimen_B",
    task='Which bug does specimen B have? Put its name there, one of BUGS: "..."',
    solution=lambda: diagnosis("B"),
    mistakes=_suspects(
        "B", "B draws noise, and yet its variances are right wherever all levels are walked."
    ),
)
specimen_C = Diagnosis(
    name="13.specimen_C",
    task='Which bug does specimen C have? Put its name there, one of BUGS: "..."',
    solution=lambda: diagnosis("C"),
    mistakes=_suspects(
        "C",
        "All variances of C are right; in every picture strokes are torn, and in 50 steps the "
        "paper is clean.",
    ),
)


def _jumps(seed: int = 13) -> Iterable[tuple]:
    """(x_t, c, eps): with some x0_hat beyond 1."""
    generator = torch.Generator().manual_seed(seed)
    for t in (3, 6, 9):
        x_t, eps = 1.5 * torch.randn(2, 2, 1, 4, 4, generator=generator)
        yield x_t, TEN.at(t), eps


def _mixed(x0_hat: Tensor, eps: Tensor, alpha_bar: float) -> Tensor:
    return alpha_bar**0.5 * x0_hat + (1 - alpha_bar) ** 0.5 * eps


def _clipped(x_t: Tensor, c: Coefficients, eps: Tensor) -> Tensor:
    return predict_x0(x_t, c, eps).clamp(-1, 1)


def _mended(x_t: Tensor, c: Coefficients, eps: Tensor) -> Tensor:
    """The clipped x0_hat, and the noise that makes x_t of it, at level t - 1."""
    x0_hat = predict_x0(x_t, c, eps).clamp(-1, 1)
    own = predict_eps(x_t, c, x0_hat)
    return c.alpha_bar_prev**0.5 * x0_hat + (1 - c.alpha_bar_prev) ** 0.5 * own


repaired = Exercise(
    name="13.repaired",
    task="Complete my_jump: x0_hat clipped to [-1, 1], its own eps, and the mixture for t - 1.",
    solution=_mended,
    cases=_jumps,
    mistakes=(
        Mistake(
            lambda x_t, c, eps: _mixed(_clipped(x_t, c, eps), eps, c.alpha_bar_prev),
            "x0_hat is clipped, but eps is still the old one: together they no longer make x_t.",
        ),
        Mistake(
            lambda x_t, c, eps: _mixed(predict_x0(x_t, c, eps), eps, c.alpha_bar_prev),
            "Nothing is clipped. x0_hat shall stay in [-1, 1].",
        ),
        Mistake(
            lambda x_t, c, eps: _mended(x_t, c, eps).clamp(-1, 1),
            "x0_hat and eps are right, but x_{t-1} is clipped too. It is noisy on purpose.",
        ),
        Mistake(
            lambda x_t, c, eps: _mixed(_clipped(x_t, c, eps), eps, c.alpha_bar),
            "One fault is mended. eps is still the old one, and you mix with alpha_bar_t.",
        ),
        Mistake(
            lambda x_t, c, eps: _mixed(
                (x0_hat := _clipped(x_t, c, eps)), predict_eps(x_t, c, x0_hat), c.alpha_bar
            ),
            "You mix with alpha_bar_t, so you are back at x_t. Where shall the step arrive?",
        ),
    ),
)

EXERCISES = by_name(own_test, end_variance, specimen_A, specimen_B, specimen_C, repaired)
