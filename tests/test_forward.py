"""The forward process, against the composition of its single steps and the article's code."""

import math

import numpy as np
import oracles
import pytest
import torch
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from oracles import images, seeded

from ddpm_lessons import (
    SCHEDULES,
    Coefficients,
    cosine_schedule,
    linear_schedule,
    predict_eps,
    predict_x0,
    q_marginal,
    q_sample,
    q_step,
)

pytestmark = pytest.mark.filterwarnings("ignore::ddpm_lessons.NoiseLeftWarning")

PAPER = (1000, 1e-4, 0.02)
STEEP = (10, 0.05, 0.6)  # few steps, so that a wrong index shows at once


@pytest.mark.parametrize("setting", [PAPER, STEEP, (3, 0.1, 0.9)])
def test_the_jump_is_the_composition_of_single_steps(setting):
    """Eq. (4) from Eq. (2) alone: push mean and variance through t steps, for every t."""
    schedule = linear_schedule(*setting)
    x_0 = images(4)
    mean, var = x_0, 0.0
    for t in range(1, schedule.T + 1):
        c = schedule.at(t)
        shrink = (q_step(1.0, c).mean - q_step(0.0, c).mean) ** 2
        mean, var = q_step(mean, c).mean, shrink * var + q_step(0.0, c).var
        jump = q_marginal(x_0, c)
        oracles.agree(jump.mean, mean, rtol=1e-12)
        assert jump.var == pytest.approx(var, rel=1e-11)


@pytest.mark.parametrize("setting", [STEEP, (3, 0.1, 0.9)])
def test_the_jump_has_the_moments_of_the_joint_gaussian(setting):
    schedule, betas = linear_schedule(*setting), oracles.linear_betas(*setting)
    cov = oracles.chain_covariance(betas, 0.01)
    for t in range(1, schedule.T + 1):
        weight, var = oracles.condition(cov, t, [0])
        jump = q_marginal(0.8, schedule.at(t))
        assert jump.mean == pytest.approx(0.8 * weight[0], rel=1e-12)
        assert jump.var == pytest.approx(var, rel=1e-12)


def test_one_step_keeps_a_standard_normal():
    """Variances 1 - beta and beta add up to 1: shrinking and noise belong together."""
    for t in (1, 500, 1000):
        c = linear_schedule().at(t)
        step = q_step(1.0, c)
        assert step.mean**2 + step.var == pytest.approx(1, rel=1e-14)


@pytest.mark.parametrize("name", SCHEDULES)
def test_q_sample_adds_the_standard_deviation_times_eps(name):
    """labml took the root of another quantity for sqrt(1 - alpha_bar)."""
    schedule, x_0, eps = SCHEDULES[name](20), images(3, 1, 4, 4), images(3, 1, 4, 4, seed=1)
    alpha_bars = oracles.alpha_bars_of(schedule.betas.numpy())
    for t in range(1, 21):
        signal, noise = math.sqrt(alpha_bars[t]), math.sqrt(1 - alpha_bars[t])
        x_t = q_sample(x_0, schedule.at(t), eps)
        oracles.agree(x_t, signal * x_0 + noise * eps, rtol=1e-12, atol=1e-13)


def test_a_draw_from_the_marginal_is_q_sample_with_the_same_noise():
    schedule, x_0 = linear_schedule(*STEEP), images(3, 4)
    for t in range(1, 11):
        eps = images(3, 4, seed=t)
        draw = q_marginal(x_0, schedule.at(t)).sample(seeded(t))
        oracles.agree(draw, q_sample(x_0, schedule.at(t), eps), rtol=1e-13, atol=1e-14)


def test_every_image_of_a_batch_uses_its_own_t():
    schedule, x_0, eps = linear_schedule(), images(5, 1, 3, 3), images(5, 1, 3, 3, seed=1)
    t = torch.tensor([1000, 1, 500, 2, 1])
    c = schedule.at(t, like=x_0)
    for function in (q_sample, predict_x0, predict_eps):
        batch = function(x_0, c, eps)
        for i, each in enumerate(t.tolist()):
            alone = function(x_0[i : i + 1], schedule.at(each), eps[i : i + 1])
            oracles.agree(batch[i : i + 1], alone, rtol=1e-12, atol=1e-13)
    oracles.agree(q_step(x_0, c).var.flatten(), [schedule.at(i).beta for i in t.tolist()])


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_noise_and_the_image_are_found_again_at_every_t(name):
    schedule, x_0, eps = SCHEDULES[name](), images(6), images(6, seed=1)
    for t in range(1, 1001):
        c = schedule.at(t)
        x_t = q_sample(x_0, c, eps)
        # rounding of x_t, 1e-16, is magnified by 1 / sqrt(alpha_bar) or 1 / sqrt(1 - alpha_bar)
        oracles.agree(predict_x0(x_t, c, eps), x_0, atol=2e-15 / math.sqrt(c.alpha_bar))
        oracles.agree(predict_eps(x_t, c, x_0), eps, atol=2e-15 / math.sqrt(1 - c.alpha_bar))


def test_float32_images_meet_float64_coefficients():
    """With a float32 schedule the noise of t = 1 is wrong by 8e-5; here only rounding is left."""
    schedule = linear_schedule()
    x_0, eps = images(1, 1, 1, 8, dtype=torch.float32), images(1, 1, 1, 8, seed=1).float()
    for t in (1, 2, 1000):
        exact = q_sample(x_0.double(), schedule.at(t), eps.double())
        for c in (schedule.at(t), schedule.at(torch.tensor([t]), like=x_0)):
            oracles.agree(q_sample(x_0, c, eps), exact, rtol=3e-7, atol=1e-7)
    clean = torch.zeros(1, 1, 1, 8)
    noise = q_sample(clean, schedule.at(torch.tensor([1]), like=clean), eps)
    oracles.agree(noise, 0.01 * eps.double(), rtol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_images_do_not_round_the_schedule(dtype):
    """alpha_bar is 1 in fp16 for the first 2 steps and in bf16 for the first 10: 0 / 0 followed."""
    schedule = linear_schedule()
    x_0, eps = images(10, 1, 2, 2).to(dtype), images(10, 1, 2, 2, seed=1).to(dtype)
    c = schedule.at(torch.arange(1, 11), like=x_0)
    for function in (q_sample, predict_x0, predict_eps):
        exact = function(x_0.double(), c, eps.double())
        assert torch.equal(function(x_0, c, eps), exact.to(dtype))
        assert exact.isfinite().all()


def test_the_articles_code_gives_the_same_x_t_one_index_lower():
    """The article's tables start at t = 0 with what the text calls t = 1."""
    article, schedule = oracles.Article(1000), linear_schedule()
    x_0, noise = images(2, 1, 4, 4), images(2, 1, 4, 4, seed=1)
    for t in (1, 2, 259, 260, 999, 1000):
        theirs = article.forward_diffusion(x_0, t - 1, noise)
        oracles.agree(q_sample(x_0, schedule.at(t), noise), theirs, rtol=1e-13, atol=1e-14)


def test_diffusers_adds_the_same_noise_one_index_lower():
    scheduler = DDPMScheduler(num_train_timesteps=1000, beta_start=1e-4, beta_end=0.02)
    x_0, noise = images(4, 1, 3, 3), images(4, 1, 3, 3, seed=1)
    t = torch.tensor([1, 2, 500, 1000])
    scheduler.alphas_cumprod = torch.from_numpy(np.cumprod(1 - np.linspace(1e-4, 0.02, 1000)))
    theirs = scheduler.add_noise(x_0, noise, t - 1)
    ours = q_sample(x_0, linear_schedule().at(t, like=x_0), noise)
    oracles.agree(ours, theirs, rtol=1e-12, atol=1e-13)


def test_the_last_state_of_the_cosine_schedule_is_noise():
    x_T = q_sample(torch.ones(1), cosine_schedule().at(1000), torch.zeros(1))
    assert abs(x_T.item()) < 1e-4


def test_numbers_that_are_no_coefficients_are_refused():
    """(1 - 1.5) ** 0.5 is a complex number in Python."""
    good = Coefficients(beta=0.01, alpha=0.99, alpha_bar=0.5, alpha_bar_prev=0.505)
    for field in good._fields:
        for value in (1.5, -0.1, 0.0, math.nan, "0.5", None):
            with pytest.raises(ValueError, match=rf"c\.{field} is .*expected a number in \(0, 1"):
                q_sample(0.8, good._replace(**{field: value}), 0.3)
