"""Hundreds of odd arguments for every public function: a ValueError that names the argument.

CASES holds, for every function, one call that works and strategies for what may not be passed.
Nothing here may end in another exception, or in a result.
"""

import datetime
import math
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ddpm_lessons
from ddpm_lessons import (
    Coefficients,
    Gaussian,
    Measurement,
    Mixture,
    NoiseSchedule,
    blur,
    bound,
    classifier_guided,
    cosine_schedule,
    ddim,
    ddim_invert,
    ddpm,
    decoder_log_likelihood,
    denoise,
    dpm_solver,
    dps,
    eps_from_score,
    even_timesteps,
    exact_divergence,
    flow_bound,
    flow_jump,
    flow_log_density,
    guided,
    heun,
    hutchinson,
    identity,
    keep,
    langevin,
    linear_schedule,
    measure,
    measured,
    noise_timestep,
    noise_weight,
    p_mean_from_eps,
    p_step,
    predict_eps,
    predict_x0,
    probability_flow,
    q_marginal,
    q_posterior,
    q_sample,
    q_step,
    repaint,
    reverse_density,
    score_from_eps,
    score_model,
    sdedit,
    shrink,
    simple_loss,
    slerp,
)

Strategy = st.SearchStrategy

SHAPE = (2, 1, 3, 3)
SCHEDULE = linear_schedule(6, 0.1, 0.97)
IMAGES = torch.linspace(-1, 1, 18).view(SHAPE)
C = SCHEDULE.at(torch.tensor([1, 6]), like=IMAGES)
T_OF_TWO = torch.tensor([1, 6])
LINE = Mixture([-0.5, 0.5], [0.1, 0.2], [0.5, 0.5])
GRID = torch.linspace(-3, 3, 50, dtype=torch.float64)

# --- what may not be passed --------------------------------------------------------------------

# Of no use anywhere: no number, no tensor, no grid.
junk = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=5),
    st.binary(max_size=3),
    st.complex_numbers(),
    st.dictionaries(st.integers(), st.integers(), max_size=1),
    st.builds(object),
    st.dates().map(lambda day: datetime.timedelta(day.day)),
)
something = junk.filter(lambda x: x is not None)
not_finite = st.sampled_from([math.nan, math.inf, -math.inf])
shapes = st.lists(st.integers(0, 4), max_size=5).map(tuple)
wrong_dtypes = st.sampled_from([torch.int64, torch.uint8, torch.bool, torch.complex64, torch.int32])


@st.composite
def spoilt(draw: Callable) -> torch.Tensor:
    """Images with one entry that is not finite."""
    x = IMAGES.clone()
    x.view(-1)[draw(st.integers(0, 17))] = draw(not_finite)
    return x


wrong_kind = st.one_of(
    junk,
    st.builds(lambda dtype: torch.ones(SHAPE, dtype=dtype), wrong_dtypes),
    st.just(IMAGES.numpy()),
)
# Not (2, ...) in four dimensions, which C multiplies; nor a shape that torch would broadcast.
wrong_shape = shapes.filter(lambda s: len(s) != 4 or s[0] != 2 or 0 in s).map(torch.zeros)
broadcast = st.sampled_from([(2, 1, 1, 1), (2, 1, 1, 3), (2, 4, 3, 3)]).map(torch.zeros)
elsewhere = st.just(torch.zeros(SHAPE, device="meta"))
# In an equation a single number may stand for an image, and NaN goes through.
no_image = st.one_of(wrong_kind, wrong_shape, elsewhere, st.lists(st.floats(), max_size=3))
# Where data enters, it must be a batch, and finite.
empty = st.sampled_from([(0,), (0, 1, 3, 3), (2, 0), (2, 1, 0, 3), ()]).map(torch.zeros)
no_batch = st.one_of(wrong_kind, empty, spoilt(), st.floats(), st.integers())
outside_range = st.floats(1.001, 1e6).map(lambda size: IMAGES * size)


def no_tensor(x: object) -> bool:
    return not torch.is_tensor(x)


def numbers_outside(inside: Callable[[float], bool]) -> Strategy:
    """Numbers of the wrong size, and what is no number."""
    numbers = st.one_of(st.floats(), st.integers(-100, 100)).filter(lambda x: not inside(x))
    return st.one_of(numbers, not_finite.filter(lambda x: not inside(x)), junk, one_number)


one_number = st.floats(0.1, 0.9).map(torch.tensor)  # a tensor, where a plain number is asked for


def no_index(low: int, high: int) -> Strategy:
    whole = st.integers(-(10**12), 10**12).filter(lambda t: not low <= t <= high)
    fractions = st.floats(low, high)  # 2.0 too: a t of float dtype is a slip
    return st.one_of(
        whole, fractions, not_finite, junk, fractions.map(torch.tensor), whole.map(np.int64)
    )


@st.composite
def no_batch_of_t(draw: Callable) -> torch.Tensor:
    """Tensors that are no (2,) batch of int64 in 1..6."""
    good = st.lists(st.integers(1, 6), min_size=2, max_size=2)
    values = torch.tensor(draw(good))
    return draw(
        st.one_of(
            st.sampled_from([torch.int32, torch.float32, torch.bool, torch.uint8]).map(values.to),
            st.integers(-9, 9)
            .filter(lambda t: not 1 <= t <= 6)
            .map(lambda t: torch.tensor([3, t])),
            st.sampled_from(
                [values[None], values[:, None], values.repeat(3), values[:1], values[:0]]
            ),
        )
    )


@st.composite
def spoilt_coefficients(draw: Callable) -> Coefficients:
    """Numbers, one of which is no share of a variance."""
    value = draw(numbers_outside(lambda x: 0 < x <= 1).filter(no_tensor))
    return SCHEDULE.at(3)._replace(**{draw(st.sampled_from(Coefficients._fields)): value})


T_PAIR = torch.tensor([1, 6])
no_coefficients = st.one_of(
    junk,
    spoilt_coefficients(),
    st.sampled_from(
        [
            SCHEDULE,
            SCHEDULE.at(T_PAIR),  # (B,) beside (B, C, H, W)
            SCHEDULE.at(T_PAIR.repeat(2), like=torch.zeros(4, 1, 1, 1)),
            SCHEDULE.at(T_PAIR, like=torch.zeros(2, 1, 1, 1, device="meta")),
        ]
    ),
)


@st.composite
def no_answer(draw: Callable) -> Callable:
    """A network that gives no tensor like x_t: nothing, a tuple, a number, another shape ..."""
    answer = draw(st.one_of(no_image, st.floats(), st.just((IMAGES,))))
    return lambda x_t, t: answer


no_model = st.one_of(junk, st.just(SCHEDULE), st.floats(), no_answer())
no_score = st.one_of(junk, st.floats(), no_image.map(lambda found: lambda x: found))
no_function = st.one_of(junk, st.floats(), st.just(IMAGES))
no_schedule = st.one_of(junk, st.just(IMAGES), st.floats(), st.just(linear_schedule))
no_generator = st.one_of(st.integers(), st.floats(), something)
no_weight = numbers_outside(lambda x: 0 <= x < math.inf)
no_share = numbers_outside(lambda x: 0 <= x <= 1)
no_clip = numbers_outside(lambda x: 0 < x < math.inf).filter(lambda x: x is not None)
no_variance = st.one_of(junk, st.floats(), st.sampled_from(["Beta", "beta_tilde", "fixed_small"]))


@st.composite
def no_gaussian(draw: Callable) -> object:
    """No Gaussian over images, or one without a density."""
    size = numbers_outside(lambda x: 0 < x < math.inf).filter(
        lambda x: not isinstance(x, torch.Tensor)
    )
    return draw(
        st.one_of(
            junk,
            st.just((IMAGES, 1.0)),
            st.builds(Gaussian, no_image.filter(lambda x: not isinstance(x, float)), st.just(1.0)),
            st.builds(Gaussian, st.just(IMAGES), size),
            st.builds(Gaussian, st.just(IMAGES), st.floats(-9, 0).map(lambda x: IMAGES + x)),
            st.just(Gaussian(IMAGES, torch.ones(3))),
        )
    )


no_betas = st.one_of(
    junk,
    st.lists(st.one_of(junk, st.floats(0.1, 0.9)), min_size=1, max_size=4).filter(
        lambda row: not all(isinstance(x, (float, bool)) for x in row)
    ),
    st.lists(st.floats(0.01, 0.9), max_size=5),  # beta_0 is missing
    numbers_outside(lambda x: 1e-16 < x < 1)
    .filter(lambda x: isinstance(x, (int, float)) and not isinstance(x, bool))
    .map(lambda beta: [0.0, 0.5, beta, 0.5]),
    st.just([[0.0, 0.5]]),
    st.just([0.0] + [0.999] * 200),
    st.just(torch.zeros(3, device="meta")),
)
no_grid = st.one_of(
    st.lists(no_index(1, 6), min_size=1, max_size=3).filter(lambda grid: None not in grid),
    st.lists(st.integers(1, 6), min_size=2, max_size=5).filter(
        lambda grid: any(s >= t for t, s in pairwise(grid))
    ),
    st.just([]),
    st.integers(),
    st.floats(),
    something.filter(lambda x: not isinstance(x, (bytes, dict))),  # these hold whole numbers
)
no_path = st.one_of(
    st.lists(no_index(0, 6), min_size=1, max_size=3),
    st.sampled_from([[], [0], [0, 6], [3, 3], [1, 3, 2], [6, 1, 6]]),
    st.integers(),
    st.floats(),
    junk,
)
no_points = st.one_of(
    wrong_kind,
    empty,
    st.just(GRID.flip(0)),
    st.just(GRID[:2]),
    st.just(GRID.view(5, 10)),
    st.just(torch.zeros(9)),
    st.just(torch.tensor([0.0, 1.0, math.nan])),
)
no_weights = st.one_of(
    junk,
    st.lists(st.floats(0.1, 1), max_size=4).filter(lambda w: len(w) != 2 or abs(sum(w) - 1) > 1e-5),
    st.sampled_from([[0.0, 1.0], [-0.5, 1.5], [math.nan, 0.5], [[0.5, 0.5]]]),
)
no_spread = st.one_of(
    junk, st.lists(st.floats(0, 1), max_size=4).filter(lambda row: len(row) != 2),
    st.sampled_from([[-0.1, 0.1], [math.nan, 0.1], [math.inf, 0.1], [[0.1, 0.1]]]),
)  # fmt: skip
no_means = st.one_of(junk, st.sampled_from([[], [math.nan, 0.0], [0.0], [[[]]], [1.0, 2.0, 3.0]]))
no_x_line = st.one_of(
    wrong_kind,
    empty,
    st.just(torch.zeros(3, 1)),
    st.just(torch.tensor([0.0, math.nan])),
    st.floats(),
)
no_std = numbers_outside(lambda x: 0 <= x < math.inf)
no_level = numbers_outside(lambda x: 0.3 < x < 40)  # SCHEDULE has 0.33 to 35
no_steps = no_index(1, 6).filter(lambda x: x is not None)
no_operator = st.one_of(junk, st.floats(), st.just(shrink), st.just(IMAGES))
no_measurement = st.one_of(junk, st.floats(), st.just(IMAGES), st.just(shrink(3)))
no_mask = st.one_of(
    junk,
    st.floats(),
    st.just(IMAGES),
    st.sampled_from([torch.zeros(3, 3, dtype=torch.bool), torch.tensor(True), torch.ones(3)]),
)
# An operator does not look at the entries, but 3 x 3 pixels are what these three expect.
no_planes = st.one_of(
    wrong_kind,
    empty,
    st.floats(),
    st.sampled_from([(3, 3), (9,), (2, 1, 3, 4), (2, 1, 9, 1)]).map(torch.zeros),
)

# --- every public function, once right ---------------------------------------------------------


class Case(NamedTuple):
    """A function, arguments that it takes, and what to pass instead."""

    call: Callable
    good: dict[str, Any]
    bad: dict[str, Strategy]


def answer(x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return x_t.sin()


def listed(sampler: Callable) -> Callable:
    return lambda **arguments: list(sampler(**arguments))


LOOP = {"eps_model": answer, "schedule": SCHEDULE, "generator": torch.Generator()}
NO_LOOP = {"eps_model": no_model, "schedule": no_schedule, "generator": no_generator}
FLOW = {"eps_model": answer, "schedule": SCHEDULE}
SEEN = Measurement(shrink(3), torch.zeros(1, 1, 1, 1), 0.1)
CHOICES = {"variance": "beta", "clip_x0": 1.0}
NO_CHOICES = {"variance": no_variance, "clip_x0": no_clip}


def equation(function: Callable, *names: str) -> Case:
    good = {"c": C, **dict.fromkeys(names, IMAGES)}
    misfit = no_image if len(names) == 1 else st.one_of(no_image, broadcast)
    return Case(function, good, {"c": no_coefficients, **dict.fromkeys(names, misfit)})


CASES = {
    "q_step": equation(q_step, "x_prev"),
    "q_marginal": equation(q_marginal, "x_0"),
    "q_sample": equation(q_sample, "x_0", "eps"),
    "predict_x0": equation(predict_x0, "x_t", "eps"),
    "predict_eps": equation(predict_eps, "x_t", "x_0"),
    "q_posterior": equation(q_posterior, "x_0", "x_t"),
    "p_mean_from_eps": equation(p_mean_from_eps, "x_t", "eps"),
    "p_step": Case(
        p_step,
        {"x_t": IMAGES, "c": C, "eps": IMAGES, **CHOICES},
        {"x_t": no_image, "c": no_coefficients, "eps": no_image, **NO_CHOICES},
    ),
    "NoiseSchedule": Case(NoiseSchedule, {"betas": [0.0, 0.5, 0.999]}, {"betas": no_betas}),
    "NoiseSchedule.at": Case(
        SCHEDULE.at,
        {"t": torch.tensor([1, 6]), "like": IMAGES},
        {"t": st.one_of(no_index(1, 6), no_batch_of_t()), "like": something},
    ),
    "NoiseSchedule.between": Case(
        SCHEDULE.between, {"s": 2, "t": 5}, {"s": no_index(0, 4), "t": no_index(1, 6)}
    ),
    "linear_schedule": Case(
        linear_schedule,
        {"T": 6, "beta_1": 0.1, "beta_T": 0.97},
        {
            "T": no_index(1, 10**6),
            "beta_1": numbers_outside(lambda x: 0 < x < 1),
            "beta_T": numbers_outside(lambda x: 0 < x < 1),
        },
    ),
    "cosine_schedule": Case(
        cosine_schedule,
        {"T": 6, "s": 0.008, "beta_max": 0.999},
        {
            "T": no_index(1, 10**6),
            "s": numbers_outside(lambda x: 0 <= x < math.inf),
            "beta_max": numbers_outside(lambda x: 0 < x < 1),
        },
    ),
    "Gaussian.sample": Case(
        lambda mean, var, generator: Gaussian(mean, var).sample(generator),
        {"mean": IMAGES, "var": 0.1, "generator": torch.Generator()},
        {
            "mean": wrong_kind,
            "var": numbers_outside(lambda x: 0 <= x < math.inf).filter(no_tensor),
            "generator": no_generator,
        },
    ),
    "Gaussian.log_prob": Case(Gaussian(IMAGES, 0.1).log_prob, {"x": IMAGES}, {"x": no_image}),
    "Gaussian.kl": Case(
        Gaussian(IMAGES, 0.1).kl, {"other": Gaussian(IMAGES, 1.0)}, {"other": no_gaussian()}
    ),
    "Mixture": Case(
        Mixture,
        {"means": [-0.5, 0.5], "var": [0.1, 0.2], "weights": [0.5, 0.5]},
        {"means": no_means, "var": no_spread, "weights": no_weights},
    ),
    "Mixture.gaussian": Case(
        Mixture.gaussian,
        {"mean": 0.4, "var": 0.1},
        {
            "mean": st.one_of(junk.filter(lambda x: not isinstance(x, bool)), not_finite),
            "var": numbers_outside(lambda x: 0 <= x < math.inf),
        },
    ),
    "Mixture.from_data": Case(Mixture.from_data, {"x_0": IMAGES}, {"x_0": no_batch}),
    "Mixture.noised": Case(
        LINE.noised, {"alpha_bar": 0.5}, {"alpha_bar": numbers_outside(lambda x: 0 <= x <= 1)}
    ),
    "Mixture.log_density": Case(LINE.log_density, {"x": torch.zeros(2)}, {"x": no_x_line}),
    "Mixture.score": Case(LINE.score, {"x": torch.zeros(2)}, {"x": no_x_line}),
    "Mixture.eps_model": Case(
        lambda schedule, x_t, t: LINE.eps_model(schedule)(x_t, t),
        {"schedule": SCHEDULE, "x_t": torch.zeros(2), "t": torch.tensor([1, 6])},
        {
            "schedule": no_schedule,
            "x_t": no_x_line,
            "t": st.one_of(no_index(1, 6), no_batch_of_t()),
        },
    ),
    "Mixture.sample": Case(
        LINE.sample,
        {"n": 3, "generator": torch.Generator()},
        {"n": no_index(1, 10**9), "generator": no_generator},
    ),
    "reverse_density": Case(
        reverse_density,
        {"mixture": LINE, "grid": GRID, "x_t": 0.3, "c": SCHEDULE.at(3)},
        {
            "mixture": st.one_of(junk, st.just(Mixture.from_data(IMAGES))),
            "grid": no_points,
            "x_t": numbers_outside(math.isfinite),
            "c": no_coefficients,
        },
    ),
    "noise_weight": Case(
        noise_weight,
        {"c": C, "var": torch.full((2, 1, 1, 1), 0.1)},
        {
            "c": no_coefficients,
            "var": st.one_of(
                numbers_outside(lambda x: 0 < x < math.inf).filter(no_tensor),
                st.floats(-1, 0).map(lambda x: torch.tensor([0.5, x]).view(2, 1, 1, 1)),
            ),
        },
    ),
    "simple_loss": Case(
        simple_loss, {**LOOP, "x_0": IMAGES}, {**NO_LOOP, "x_0": no_batch}
    ),
    "bound": Case(
        bound,
        {**LOOP, **CHOICES, "x_0": IMAGES},
        {**NO_LOOP, **NO_CHOICES, "x_0": st.one_of(no_batch, outside_range)},
    ),
    "decoder_log_likelihood": Case(
        decoder_log_likelihood,
        {"x_0": IMAGES, "p": Gaussian(IMAGES, 0.1)},
        {"x_0": st.one_of(no_batch, outside_range, wrong_shape), "p": no_gaussian()},
    ),
    "score_from_eps": equation(score_from_eps, "eps"),
    "eps_from_score": equation(eps_from_score, "score"),
    "score_model": Case(
        lambda eps_model, schedule, t, x_t: score_model(eps_model, schedule, t)(x_t),
        {"eps_model": answer, "schedule": SCHEDULE, "t": 3, "x_t": IMAGES},
        {"eps_model": no_model, "schedule": no_schedule, "t": no_index(1, 6), "x_t": no_batch},
    ),
    "langevin": Case(
        listed(langevin),
        {"score": torch.sin, "x": IMAGES, "step_size": 0.1, "steps": 2, "generator": None},
        {
            "score": no_score,
            "x": no_batch,
            "step_size": numbers_outside(lambda x: 0 < x < math.inf),
            "steps": no_index(0, 10**9),
            "generator": no_generator,
        },
    ),
    "flow_jump": Case(
        flow_jump,
        {"x": IMAGES, "eps": IMAGES, "alpha_bar": 0.5, "alpha_bar_to": 0.7},
        {
            "x": no_image,
            "eps": no_image,
            "alpha_bar": numbers_outside(lambda x: 0 < x <= 1),
            "alpha_bar_to": numbers_outside(lambda x: 0 < x <= 1),
        },
    ),
    "probability_flow": Case(
        listed(probability_flow),
        {**FLOW, "x": IMAGES, "timesteps": [6, 3, 0], "method": "heun"},
        {
            "eps_model": no_model,
            "schedule": no_schedule,
            "x": no_batch,
            "timesteps": no_path,
            "method": st.one_of(junk, st.sampled_from(["Heun", "rk4"])),
        },
    ),
    "slerp": Case(
        slerp,
        {"x": IMAGES, "y": IMAGES.flip(3), "share": 0.3},
        {
            "x": no_batch,
            "y": st.one_of(no_batch, wrong_shape, elsewhere, st.just(torch.zeros(SHAPE))),
            "share": numbers_outside(lambda x: 0 <= x <= 1),
        },
    ),
    "even_timesteps": Case(
        even_timesteps,
        {"schedule": SCHEDULE, "n": 4},
        {"schedule": no_schedule, "n": no_index(2, 6)},
    ),
    "exact_divergence": Case(
        exact_divergence,
        {"eps_model": answer, "x_t": IMAGES, "t": 3},
        {"eps_model": no_model, "x_t": no_batch, "t": no_index(1, 10**6)},
    ),
    "hutchinson": Case(
        lambda probes, generator, eps_model: hutchinson(probes, generator=generator)(
            eps_model, IMAGES, 3
        ),
        {"probes": 2, "generator": torch.Generator(), "eps_model": answer},
        {"probes": no_index(1, 10**6), "generator": no_generator, "eps_model": no_model},
    ),
    "flow_log_density": Case(
        flow_log_density,
        {**FLOW, "x": IMAGES, "timesteps": [1, 6], "divergence": exact_divergence},
        {
            "eps_model": no_model,
            "schedule": no_schedule,
            "x": no_batch,
            "timesteps": no_path,
            "divergence": no_function,
        },
    ),
    "flow_bound": Case(
        flow_bound,
        {**LOOP, "x_0": IMAGES, "timesteps": [1, 6], "divergence": exact_divergence},
        {
            **NO_LOOP,
            "x_0": st.one_of(no_batch, outside_range),
            "timesteps": no_path,
            "divergence": no_function,
        },
    ),
    "ddpm": Case(
        listed(ddpm), {**LOOP, **CHOICES, "x_T": IMAGES}, {**NO_LOOP, **NO_CHOICES, "x_T": no_batch}
    ),
    **{
        name: Case(
            listed(sampler),
            {**LOOP, "x_T": IMAGES, "steps": 3, "timesteps": None, "clip_x0": 1.0, **more},
            {
                **NO_LOOP,
                "x_T": no_batch,
                "steps": no_index(1, 6),
                "timesteps": no_grid,
                "clip_x0": no_clip,
                **wrong,
            },
        )
        for name, sampler, more, wrong in (
            ("heun", heun, {}, {}),
            ("dpm_solver", dpm_solver, {"eta": 0.5}, {"eta": no_share}),
            ("sde", ddpm_lessons.SAMPLERS["sde"], {}, {}),
        )
    },
    "guided": Case(
        lambda eps_model, labels, weight: guided(eps_model, labels, weight)(IMAGES, T_OF_TWO),
        {"eps_model": lambda x_t, t, labels: x_t, "labels": 1, "weight": 2.0},
        {
            "eps_model": st.one_of(
                junk, st.floats(), no_answer().map(lambda f: lambda x_t, t, labels: f(x_t, t))
            ),
            "labels": no_index(-1, 10**9),
            "weight": no_weight,
        },
    ),
    "classifier_guided": Case(
        lambda **arguments: classifier_guided(**arguments)(IMAGES, T_OF_TWO),
        {**FLOW, "log_probs": lambda x, t: x.flatten(1)[:, :3], "labels": 2, "weight": 2.0},
        {
            "eps_model": no_model,
            "schedule": no_schedule,
            "log_probs": no_function,
            "labels": no_index(0, 2),
            "weight": no_weight,
        },
    ),
    "identity": Case(
        lambda x: identity().forward(x),
        {"x": IMAGES},
        {"x": st.one_of(wrong_kind, empty, st.floats())},
    ),
    "keep": Case(
        lambda mask, x: keep(mask).forward(x),
        {"mask": torch.eye(3).bool(), "x": IMAGES},
        {"mask": no_mask, "x": no_planes},
    ),
    "shrink": Case(
        lambda factor, x: shrink(factor).forward(x),
        {"factor": 3, "x": IMAGES},
        {"factor": no_index(1, 10**6), "x": no_planes},
    ),
    "blur": Case(
        lambda std, x: blur(std).forward(x),
        {"std": 1.0, "x": IMAGES},
        {
            "std": numbers_outside(lambda x: 0 < x < math.inf),
            "x": st.one_of(wrong_kind, empty, st.just(IMAGES[0, 0])),
        },
    ),
    "Measurement": Case(
        Measurement,
        {"operator": shrink(3), "y": IMAGES, "noise_std": 0.1},
        {"operator": no_operator, "y": no_batch, "noise_std": no_std},
    ),
    "measure": Case(
        measure,
        {"operator": shrink(3), "x_0": IMAGES, "noise_std": 0.1, "generator": torch.Generator()},
        {
            "operator": no_operator,
            "x_0": no_batch,
            "noise_std": no_std,
            "generator": no_generator,
        },
    ),
    "measured": Case(
        lambda **arguments: measured(**arguments)(IMAGES, T_OF_TWO),
        {**FLOW, "measurement": SEEN, "spread": 1.0, "weight": 2.0, "iterations": 2},
        {
            "eps_model": no_model,
            "schedule": no_schedule,
            "measurement": no_measurement,
            "spread": no_std,
            "weight": no_weight,
            "iterations": no_index(1, 10**6),
        },
    ),
    "dps": Case(
        listed(dps),
        {**LOOP, "x_T": IMAGES, "measurement": SEEN, "step_size": 1.0, "clip_x0": 1.0},
        {
            **NO_LOOP,
            "x_T": no_batch,
            "measurement": no_measurement,
            "step_size": no_weight,
            "clip_x0": no_clip,
        },
    ),
    "repaint": Case(
        listed(repaint),
        {**LOOP, "x_T": IMAGES, "measurement": SEEN, "steps": 3, "resamples": 2, "clip_x0": 1.0},
        {
            **NO_LOOP,
            "x_T": no_batch,
            "measurement": no_measurement,
            "steps": no_index(1, 6),
            "resamples": no_index(1, 10**6),
            "clip_x0": no_clip,
        },
    ),
    "noise_timestep": Case(
        noise_timestep,
        {"schedule": SCHEDULE, "noise_std": 2.0},
        {"schedule": no_schedule, "noise_std": no_level},
    ),
    "denoise": Case(
        listed(denoise),
        {**LOOP, "y": IMAGES, "noise_std": 2.0, "steps": 2},
        {**NO_LOOP, "y": no_batch, "noise_std": no_level, "steps": no_steps},
    ),
    "sdedit": Case(
        listed(sdedit),
        {**LOOP, "x_0": IMAGES, "t": 4, "steps": 2},
        {**NO_LOOP, "x_0": no_batch, "t": no_index(1, 6), "steps": no_steps},
    ),
    "ddim_invert": Case(
        listed(ddim_invert),
        {**FLOW, "x_0": IMAGES, "steps": 3, "timesteps": None},
        {
            "eps_model": no_model,
            "schedule": no_schedule,
            "x_0": no_batch,
            "steps": no_index(1, 6),
            "timesteps": no_grid,
        },
    ),
    "ddim": Case(
        listed(ddim),
        {**LOOP, "x_T": IMAGES, "steps": 3, "timesteps": None, "eta": 0.5, "clip_x0": 1.0},
        {
            **NO_LOOP,
            "x_T": no_batch,
            "steps": no_index(1, 6),
            "timesteps": no_grid,
            "eta": no_share,
            "clip_x0": no_clip,
        },
    ),
}  # fmt: skip

ARGUMENTS = [(name, argument) for name, case in CASES.items() for argument in case.bad]


def quietly(call: Callable, arguments: dict[str, Any]) -> object:
    """Warnings are no refusal; NumPy and torch give some on the way."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call(**arguments)


@pytest.mark.parametrize("name", CASES)
def test_the_good_arguments_are_good(name):
    """Otherwise the refusals below would show nothing."""
    case = CASES[name]
    assert case.call(**case.good) is not None


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_bad_argument_is_refused_by_name(name, argument, data):
    case = CASES[name]
    value = data.draw(case.bad[argument], label=argument)
    with pytest.raises(ValueError, match=rf"(?<!\w){argument}s?\b") as caught:
        quietly(case.call, case.good | {argument: value})
    assert "expected" in str(caught.value)


def test_every_public_function_is_here():
    """A new function needs a row in CASES; the named tuples that only hold numbers need none."""
    functions = {
        name
        for name in ddpm_lessons.__all__
        if callable(getattr(ddpm_lessons, name))
        and not issubclass(type(getattr(ddpm_lessons, name)), type)
    }
    assert functions <= CASES.keys()
    assert set(ddpm_lessons.SAMPLERS) | {"linear_schedule", "cosine_schedule"} <= CASES.keys()
