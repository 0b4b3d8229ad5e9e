"""The probability-flow ODE, against DDIM, closed forms and the quantiles of a mixture."""

import math
from itertools import pairwise

import numpy as np
import oracles
import pytest
import torch
from oracles import images
from scipy import stats
from torch import Tensor

from ddpm_lessons import (
    Mixture,
    NoiseSchedule,
    cosine_schedule,
    ddim,
    even_timesteps,
    flow_jump,
    linear_schedule,
    probability_flow,
    slerp,
)
from ddpm_lessons.flow import log_variance

FINE = linear_schedule(4096, 1e-4 / 4, 0.02 / 4)  # T = 1000 four times finer: a smooth alpha_bar
STEEP = linear_schedule(10, 0.02, 0.9)
ALPHA_BARS = oracles.alpha_bars_of(oracles.linear_betas(10, 0.02, 0.9))
DATA = [(0.4, 0.01), (-0.2, 2.0)]  # (mean, variance)


def network(x_t: Tensor, t: Tensor) -> Tensor:
    t = t.view(-1, *(1,) * (x_t.ndim - 1)).to(x_t.dtype)
    return (1.3 * x_t + 0.01 * t).sin() + 0.1 * x_t


def ideal(schedule, data):
    mean, var = data
    return Mixture.gaussian(torch.tensor([mean], dtype=torch.float64), var).eps_model(schedule)


def last(states):
    *_, state = states
    return state.x


def exact_map(x: Tensor, data: tuple, start: float, end: float) -> Tensor:
    """The flow of N(mean, var) from one alpha_bar to another keeps the standard score z."""
    mean, var = data
    z = (x - math.sqrt(start) * mean) / math.sqrt(start * var + 1 - start)
    return math.sqrt(end) * mean + math.sqrt(end * var + 1 - end) * z


def sigma(alpha_bar: float) -> float:
    return math.sqrt((1 - alpha_bar) / alpha_bar)


@pytest.mark.parametrize(("here", "there"), [(0.5, 0.9), (0.9, 0.5), (0.3, 1.0), (0.2, 0.2)])
def test_a_jump_is_straight_in_the_coordinates_of_the_ode(here, there):
    x, eps = images(2, 3), images(2, 3, seed=1)
    y = x / math.sqrt(here) + (sigma(there) - sigma(here)) * eps
    found = flow_jump(x, eps, alpha_bar=here, alpha_bar_to=there)
    oracles.agree(found, math.sqrt(there) * y, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("bad", [0, 0.0, -0.1, 1.1, math.nan, True, None, torch.tensor(0.5)])
def test_a_level_out_of_range_is_named(bad):
    with pytest.raises(ValueError, match=r"^alpha_bar (is|has) "):
        flow_jump(1.0, 1.0, alpha_bar=bad, alpha_bar_to=0.5)
    with pytest.raises(ValueError, match=r"^alpha_bar_to (is|has) "):
        flow_jump(1.0, 1.0, alpha_bar=0.5, alpha_bar_to=bad)


@pytest.mark.parametrize("grid", [list(range(10, 0, -1)), [10, 7, 4, 1], [10], [6, 5], [9, 1]])
def test_ddim_without_noise_is_eulers_method(grid):
    x_T = images(3, 2)
    expected = [step.x for step in ddim(network, STEEP, x_T, timesteps=grid)]
    states = list(probability_flow(network, STEEP, x_T, timesteps=[*grid, 0], method="euler"))
    assert [state.t for state in states] == [*grid, 0]
    for state, x in zip(states, expected, strict=True):
        oracles.agree(state.x, x, rtol=1e-11, atol=1e-12)


def test_heun_by_hand():
    """Two steps down, the last to 0, and two up: which t the network is asked about, and where."""
    for grid in ([9, 4, 0], [2, 5, 9]):
        asked = []

        def remembering(x_t: Tensor, t: Tensor, asked: list = asked) -> Tensor:
            asked.append(t[0].item())
            assert (t.dtype, t.shape, torch.is_grad_enabled()) == (torch.int64, (3,), False)
            return network(x_t, t)

        x = images(3, 2)
        states = list(probability_flow(remembering, STEEP, x, timesteps=grid))
        times, y = [], x
        for t, s in pairwise(grid):
            a, b = ALPHA_BARS[t], ALPHA_BARS[s]
            first = network(y, torch.full((3,), t))
            there = y / math.sqrt(a) + (sigma(b) - sigma(a)) * first
            times.append(t)
            if s:
                second = network(math.sqrt(b) * there, torch.full((3,), s))
                there = y / math.sqrt(a) + (sigma(b) - sigma(a)) * (first + second) / 2
                times.append(s)
            y = math.sqrt(b) * there
        assert asked == times
        oracles.agree(states[-1].x, y, rtol=1e-11, atol=1e-12)
        assert torch.equal(states[0].x, x)


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("up", [True, False])
def test_the_map_of_a_gaussian_in_both_directions(data, up):
    grid = even_timesteps(FINE, 800)
    grid = grid if up else grid[::-1]
    x, ab = torch.tensor([[-1.3], [0.0], [0.6]], dtype=torch.float64), FINE.alpha_bars.tolist()
    found = last(probability_flow(ideal(FINE, data), FINE, x, timesteps=grid))
    expected = exact_map(x, data, ab[grid[0]], ab[grid[-1]])
    oracles.agree(found, expected, atol=2e-3 * expected.abs().max().item())


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("heun", 2)])
@pytest.mark.parametrize("data", DATA)
def test_the_order_of_convergence(method, order, data):
    """Twice as many steps: half the error for Euler, a quarter for Heun."""
    x, ab, errors = torch.tensor([[1.3]], dtype=torch.float64), FINE.alpha_bars.tolist(), []
    for stride in (128, 64, 32):
        grid = list(range(4096, 1023, -stride))  # down to 1024, where the slopes are still gentle
        found = last(probability_flow(ideal(FINE, data), FINE, x, timesteps=grid, method=method))
        errors.append((found - exact_map(x, data, ab[4096], ab[1024])).abs().item())
    slopes = [math.log2(a / b) for a, b in pairwise(errors)]
    assert slopes == pytest.approx([order] * 2, abs=0.2), errors


def test_the_quantiles_of_a_mixture_are_carried_along():
    """On a line, paths cannot cross: F_t(x_t) stays what it was. F by scipy."""
    means, stds, weights = (-0.5, 1.5), (0.2, 0.4), (0.75, 0.25)
    mixture = Mixture(means, [s**2 for s in stds], weights)

    def cdf(x: np.ndarray, alpha_bar: float) -> np.ndarray:
        return sum(
            w * stats.norm.cdf(x, math.sqrt(alpha_bar) * m,
                               math.sqrt(alpha_bar * s**2 + 1 - alpha_bar))
            for m, s, w in zip(means, stds, weights, strict=True)
        )  # fmt: skip

    x = torch.linspace(-2, 2.5, 10, dtype=torch.float64)
    grid = even_timesteps(FINE, 1000)[::-1]
    quantiles = cdf(x.numpy(), FINE.alpha_bars[FINE.T].item())
    for state in probability_flow(mixture.eps_model(FINE), FINE, x, timesteps=grid):
        if state.t in (grid[200], grid[500], grid[-1]):
            here = cdf(state.x.numpy(), FINE.alpha_bars[state.t].item())
            oracles.agree(here, quantiles, atol=2e-3)


def test_there_and_back_again():
    """The error of the round trip falls with the square of the number of steps, to (almost) 0."""
    mixture = Mixture([[-1.0, 0.3], [1.0, -0.2]], [0.04, 0.09], [0.4, 0.6])
    eps_model, x, errors = mixture.eps_model(FINE), images(5, 2), []
    for stride in (128, 64, 32):
        up = list(range(1024, 4097, stride))
        x_T = last(probability_flow(eps_model, FINE, x, timesteps=up))
        back = last(probability_flow(eps_model, FINE, x_T, timesteps=up[::-1]))
        errors.append((back - x).abs().max().item())
    assert errors[0] > 3 * errors[1] > 9 * errors[2]
    assert errors[2] < 2e-3


@pytest.mark.parametrize("make", [linear_schedule, cosine_schedule])
@pytest.mark.parametrize("n", [2, 3, 10, 50, 200])
def test_the_even_grid(make, n):
    schedule = make(1000)
    grid = even_timesteps(schedule, n)
    assert (grid[0], grid[-1]) == (1, 1000)
    assert all(s < t for s, t in pairwise(grid))
    assert n / 2 < len(grid) <= n
    level = log_variance(schedule)
    ab = schedule.alpha_bars
    for t in (1, 500, 1000):
        assert level[t].item() == pytest.approx(2 * math.log(sigma(ab[t].item())), rel=1e-9)
    wide = (level[-1] - level[1]).item() / (n - 1)
    steps = level.diff()[1:]  # a grid of whole numbers is as even as its own steps allow
    for s, t in pairwise(grid):
        assert (level[t] - level[s]).item() <= wide + 2 * steps[max(s - 2, 0) : t].max().item()


def test_a_grid_of_two_times_and_of_one():
    assert even_timesteps(STEEP, 2) == [1, STEEP.T]
    assert even_timesteps(NoiseSchedule([0.0, 0.9]), 1) == [1]
    states = list(probability_flow(network, STEEP, images(2, 2), timesteps=[4]))
    assert [state.t for state in states] == [4]


@pytest.mark.parametrize(
    "grid", [[], [0], [0, 1, 2], [3, 3], [3, 1, 2], [11], [5.0, 3.0], "321", None, 3, [-1], [True]]
)
def test_a_grid_that_does_not_fit_is_named(grid):
    def never(x_t: Tensor, t: Tensor) -> Tensor:
        raise AssertionError("asked too early")

    with pytest.raises(ValueError, match="timesteps is"):
        next(probability_flow(never, STEEP, images(2, 2), timesteps=grid))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_states_keep_the_dtype_and_x_is_left_alone(dtype):
    x = images(2, 2).to(dtype)
    copy = x.clone()
    states = list(probability_flow(network, STEEP, x, timesteps=[10, 5, 1, 0]))
    assert {state.x.dtype for state in states} == {dtype}
    assert torch.equal(x, copy)


# --- between two images ------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_slerp_walks_the_arc_evenly_and_keeps_the_norm(share):
    """Each image in its own plane, found by Gram and Schmidt."""
    x, y = images(3, 1, 4, 4), images(3, 1, 4, 4, seed=1)
    x, y = (2.5 * one / one.flatten(1).norm(dim=1).view(3, 1, 1, 1) for one in (x, y))
    found = slerp(x, y, share)
    for one, other, between in zip(x.numpy(), y.numpy(), found.numpy(), strict=True):
        first = one.ravel() / 2.5
        cos = first @ other.ravel() / 2.5
        second = other.ravel() / 2.5 - cos * first
        second /= np.linalg.norm(second)
        angle = share * math.acos(cos)
        expected = 2.5 * (math.cos(angle) * first + math.sin(angle) * second)
        oracles.agree(between.ravel(), expected, atol=1e-12)
        assert np.linalg.norm(between) == pytest.approx(2.5, rel=1e-12)


def test_slerp_by_hand_and_between_images_of_different_norm():
    right_angle = slerp(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]]), 1 / 3)
    oracles.agree(right_angle, [[math.cos(math.pi / 6), 2 * math.sin(math.pi / 6)]], atol=1e-6)
    sixty_degrees = slerp(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 3**0.5]]), 0.5)
    oracles.agree(sixty_degrees, [[2 / 3**0.5, 1.0]], atol=1e-6)  # sin 30 / sin 60 of each


def test_slerp_of_nearly_the_same_image_is_a_straight_line():
    """sin(theta) is 0 there, and the arccosine of a rounded 1 would be noise."""
    x = images(2, 3, 3, dtype=torch.float32)
    oracles.agree(slerp(x, x, 0.3), x, rtol=1e-6)
    near = x + 1e-4 * images(2, 3, 3, seed=1, dtype=torch.float32)
    oracles.agree(slerp(x, near, 0.25), x + 0.25 * (near - x), atol=1e-6)


@pytest.mark.parametrize(("dtype", "rounding"), [(torch.bfloat16, 2**-8), (torch.float16, 2**-10)])
def test_slerp_rounds_once_at_the_end(dtype, rounding):
    x, y = images(2, 1, 28, 28).to(dtype), images(2, 1, 28, 28, seed=1).to(dtype)
    found = slerp(x, y, 0.5)
    assert found.dtype == dtype
    oracles.agree(found, slerp(x.double(), y.double(), 0.5), rtol=rounding, atol=1e-6)


def test_slerp_refuses_what_has_no_arc():
    x = images(2, 3)
    zero, opposite = x.clone(), x.clone()
    zero[1], opposite[1] = 0, -2 * x[1]
    for one, other in ((x, zero), (zero, x), (x, opposite)):
        with pytest.raises(ValueError, match="expected an angle below pi"):
            slerp(one, other, 0.5)
