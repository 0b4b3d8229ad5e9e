"""One step back, against the conditioning of a joint Gaussian and Bayes' rule on a grid."""

import math

import numpy as np
import oracles
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import images
from scipy.integrate import trapezoid

from ddpm_lessons import (
    SCHEDULES,
    Coefficients,
    NoiseSchedule,
    linear_schedule,
    p_mean_from_eps,
    p_step,
    predict_x0,
    q_posterior,
)

pytestmark = pytest.mark.filterwarnings("ignore::ddpm_lessons.NoiseLeftWarning")

SETTINGS = [(3, 0.1, 0.9), (4, 0.05, 0.5), (10, 0.01, 0.6)]


def weights(c: Coefficients) -> tuple[float, float]:
    """The factors of x_0 and x_t in the posterior's mean."""
    return q_posterior(1.0, 0.0, c).mean, q_posterior(0.0, 1.0, c).mean


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("var_0", [0.01, 1.0])
def test_the_posterior_is_a_joint_gaussian_conditioned(setting, var_0):
    """The covariance of the whole chain, from single steps; x_{t-1} conditioned on x_0 and x_t."""
    schedule = linear_schedule(*setting)
    cov = oracles.chain_covariance(oracles.linear_betas(*setting), var_0)
    for t in range(2, schedule.T + 1):
        expected, var = oracles.condition(cov, t - 1, [0, t])
        c = schedule.at(t)
        oracles.agree(weights(c), expected, rtol=1e-11)
        assert q_posterior(0.3, -0.4, c).var == pytest.approx(var, rel=1e-11)


def test_the_posterior_at_1000_steps_is_a_joint_gaussian_conditioned():
    schedule = linear_schedule()
    cov = oracles.chain_covariance(oracles.linear_betas(1000, 1e-4, 0.02), 1.0)
    for t in (2, 3, 10, 500, 999, 1000):
        expected, var = oracles.condition(cov, t - 1, [0, t])
        # the Schur complement subtracts numbers near 1 that differ by beta: 1e-16 / 1e-4
        oracles.agree(weights(schedule.at(t)), expected, rtol=1e-9, atol=1e-11)
        assert q_posterior(0.0, 0.0, schedule.at(t)).var == pytest.approx(var, rel=1e-9)


@pytest.mark.parametrize("t", [2, 3, 7])
def test_the_posterior_is_bayes_rule_on_a_grid(t):
    """q(x_t | x_{t-1}) q(x_{t-1} | x_0), normalised by the trapezoidal rule."""
    schedule, betas = linear_schedule(7, 0.1, 0.5), oracles.linear_betas(7, 0.1, 0.5)
    alpha_bars, x_0, x_t = oracles.alpha_bars_of(betas), 0.8, -0.3
    grid = np.linspace(-6, 6, 20001)
    likelihood = oracles.normal_pdf(x_t, math.sqrt(1 - betas[t]) * grid, betas[t])
    prior = oracles.normal_pdf(grid, math.sqrt(alpha_bars[t - 1]) * x_0, 1 - alpha_bars[t - 1])
    bayes = likelihood * prior
    bayes /= trapezoid(bayes, grid)
    p = q_posterior(x_0, x_t, schedule.at(t))
    oracles.agree(oracles.normal_pdf(grid, p.mean, p.var), bayes, atol=1e-11)


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_posterior_keeps_the_marginals_at_every_t(name):
    """lucidrains padded alpha_bar_prev on the wrong side, and every coefficient was wrong for
    three days. Pushing q(x_t | x_0) through the posterior must give q(x_{t-1} | x_0).
    """
    schedule = SCHEDULES[name]()
    alpha_bars = oracles.alpha_bars_of(schedule.betas.numpy())
    for t in range(1, schedule.T + 1):
        c = schedule.at(t)
        w_0, w_t = weights(c)
        var = q_posterior(0.0, 0.0, c).var
        here, before = alpha_bars[t], alpha_bars[t - 1]
        assert w_0 + w_t * math.sqrt(here) == pytest.approx(math.sqrt(before), rel=1e-12)
        assert w_t**2 * (1 - here) + var == pytest.approx(1 - before, rel=1e-11, abs=1e-15)


@settings(max_examples=100, deadline=None)
@given(betas=st.lists(st.floats(1e-4, 0.999), min_size=1, max_size=8), var_0=st.floats(0.01, 2))
def test_the_posterior_of_any_schedule_is_a_joint_gaussian_conditioned(betas, var_0):
    betas = np.array([0.0, *betas])
    schedule, cov = NoiseSchedule(betas), oracles.chain_covariance(betas, var_0)
    for t in range(2, len(betas)):
        expected, var = oracles.condition(cov, t - 1, [0, t])
        oracles.agree(weights(schedule.at(t)), expected, rtol=1e-7, atol=1e-9)
        assert q_posterior(0.0, 0.0, schedule.at(t)).var == pytest.approx(var, rel=1e-7)


def test_a_batch_of_t_takes_each_images_own_coefficients():
    schedule, x_0, x_t = linear_schedule(10, 0.01, 0.6), images(10, 2), images(10, 2, seed=1)
    t = torch.arange(10, 0, -1)
    c = schedule.at(t, like=x_0)
    batch, mean = q_posterior(x_0, x_t, c), p_mean_from_eps(x_t, c, x_0)
    for i, each in enumerate(t.tolist()):
        alone = q_posterior(x_0[i], x_t[i], schedule.at(each))
        oracles.agree(batch.mean[i], alone.mean, rtol=1e-13, atol=1e-15)
        assert batch.var[i].item() == pytest.approx(alone.var, rel=1e-13)
        expected = p_mean_from_eps(x_t[i], schedule.at(each), x_0[i])
        oracles.agree(mean[i], expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", SCHEDULES)
def test_at_t_1_the_posterior_is_the_clean_image(name):
    """beta-tilde_1 = 0: by the arithmetic of alpha_bar_0 = 1, without a special case."""
    x_0 = images(3)
    p = q_posterior(x_0, images(3, seed=1), SCHEDULES[name]().at(1))
    oracles.agree(p.mean, x_0, rtol=3e-12)  # beta_1 / (1 - alpha_bar_1): 1e-16 beside 4e-5
    assert p.var == 0.0


def test_beta_tilde_lies_below_beta_and_is_divided_by_the_noise_so_far():
    """A tutorial left out the division by 1 - alpha_bar_t. At t = 2 of two equal steps, beta-tilde
    is beta (1 - alpha) / (1 - alpha^2) = beta / (1 + alpha).
    """
    c = NoiseSchedule([0.0, 0.3, 0.3]).at(2)
    assert q_posterior(0.0, 0.0, c).var == pytest.approx(0.3 / 1.7, rel=1e-14)
    schedule = linear_schedule()
    assert all(
        q_posterior(0.0, 0.0, schedule.at(t)).var < schedule.at(t).beta for t in (1, 2, 1000)
    )


@pytest.mark.parametrize("name", SCHEDULES)
def test_eq_11_is_eq_7_at_the_predicted_image(name):
    schedule, x_t, eps = SCHEDULES[name](), images(5), images(5, seed=1)
    for t in range(1, schedule.T + 1):
        c = schedule.at(t)
        x0_hat = predict_x0(x_t, c, eps)
        through_x0 = q_posterior(x0_hat, x_t, c).mean
        size = 1 + float(through_x0.abs().max())
        oracles.agree(p_mean_from_eps(x_t, c, eps), through_x0, atol=1e-12 * size)


def test_the_step_takes_the_variance_that_is_asked_for():
    """Both are in the paper: sigma_t^2 = beta_t, the default, and beta-tilde_t."""
    c, x_t, eps = linear_schedule(10, 0.01, 0.6).at(5), images(3), images(3, seed=1)
    tilde = q_posterior(x_t, x_t, c).var
    assert p_step(x_t, c, eps).p.var == p_step(x_t, c, eps, variance="beta").p.var == c.beta
    assert p_step(x_t, c, eps, variance="posterior").p.var == tilde < c.beta
    for variance in ("beta", "posterior"):
        step = p_step(x_t, c, eps, variance=variance)
        assert torch.equal(step.p.mean, p_mean_from_eps(x_t, c, eps))
        assert torch.equal(step.x0_hat, predict_x0(x_t, c, eps))


@pytest.mark.parametrize("t", range(1, 11))
def test_clipping_touches_the_predicted_image_and_not_the_state(t):
    """Clipping x_{t-1} at every step ("greyish" samples) and not clipping at all (saturated ones)
    were both reported as bugs; the paper's code clips x0_hat and takes the mean by Eq. (7).
    """
    c = linear_schedule(10, 0.01, 0.6).at(t)
    x_t = torch.tensor([3.0, -3.0, 0.1, 0.0], dtype=torch.float64)
    eps = torch.tensor([-1.0, 0.5, 0.1, 2.5], dtype=torch.float64)
    raw = (x_t - math.sqrt(1 - c.alpha_bar) * eps) / math.sqrt(c.alpha_bar)
    clipped = raw.clip(-1, 1)
    w_0, w_t = weights(c)
    step = p_step(x_t, c, eps, clip_x0=1.0)
    oracles.agree(step.x0_hat, clipped, rtol=1e-12)
    oracles.agree(step.p.mean, w_0 * clipped + w_t * x_t, rtol=1e-12, atol=1e-15)
    assert (raw.abs() > 1).any()
    if t >= 5:
        assert step.p.mean.abs().max() > 1  # the state itself is left alone


def test_a_clip_that_is_wide_enough_changes_nothing():
    c, x_t, eps = linear_schedule(10, 0.01, 0.6).at(5), images(50), images(50, seed=1)
    wide, none = p_step(x_t, c, eps, clip_x0=100.0), p_step(x_t, c, eps)
    oracles.agree(wide.p.mean, none.p.mean, rtol=1e-12, atol=1e-14)
    assert torch.equal(wide.x0_hat, none.x0_hat)


def test_a_clip_of_another_size():
    c = linear_schedule(10, 0.01, 0.6).at(5)
    step = p_step(torch.tensor([9.0, -9.0]), c, torch.zeros(2), clip_x0=2.5)
    assert step.x0_hat.tolist() == [2.5, -2.5]


@pytest.mark.parametrize("x_t", [3.0, -3.0, 0.1])
@pytest.mark.parametrize("clip_x0", [None, 1.0])
def test_numbers_and_tensors_take_the_same_step(x_t, clip_x0):
    c = linear_schedule(10, 0.01, 0.6).at(5)
    number = p_step(x_t, c, 0.3, clip_x0=clip_x0)
    batch = torch.tensor([x_t, 0.0], dtype=torch.float64)
    tensor = p_step(batch, c, torch.full_like(batch, 0.3), clip_x0=clip_x0)
    assert isinstance(number.x0_hat, float)
    assert number.x0_hat == pytest.approx(tensor.x0_hat[0].item(), rel=1e-14)
    assert number.p.mean == pytest.approx(tensor.p.mean[0].item(), rel=1e-14)
    assert number.p.var == tensor.p.var


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_images_give_finite_steps(dtype):
    """The schedule was cast down with the model: 1 - alpha_bar became 0 and the mean NaN."""
    schedule, x_t, eps = linear_schedule(), images(3).to(dtype), images(3, seed=1).to(dtype)
    for t in range(1, 11):
        c = schedule.at(t)
        for clip_x0 in (None, 1.0):
            step = p_step(x_t, c, eps, clip_x0=clip_x0)
            exact = p_step(x_t.double(), c, eps.double(), clip_x0=clip_x0)
            assert step.p.mean.dtype == dtype
            oracles.agree(step.p.mean, exact.p.mean, atol=torch.finfo(dtype).eps * 4)
