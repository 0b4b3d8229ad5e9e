"""The worked numbers of the article, by the library's functions, and the remarks they need."""

import math

import pytest
import torch

from ddpm_lessons import (
    Coefficients,
    linear_schedule,
    p_mean_from_eps,
    p_step,
    q_marginal,
    q_posterior,
    q_sample,
    q_step,
    simple_loss,
)

# The article's illustration of t = 500; alpha_bar_prev is rounded, see the last tests.
C = Coefficients(beta=0.01, alpha=0.99, alpha_bar=0.5, alpha_bar_prev=0.505)


def test_one_forward_step():
    """x_{t-1} = 0.8, beta = 0.01: mean 0.796, standard deviation 0.1."""
    step = q_step(0.8, C)
    assert round(step.mean, 3) == 0.796
    assert step.mean == pytest.approx(0.8 * math.sqrt(0.99), rel=1e-15)
    assert math.sqrt(step.var) == pytest.approx(0.1, rel=1e-15)


def test_the_closed_form():
    """alpha_bar = 0.5, x_0 = 0.8, eps = 0.3: 0.566 + 0.212 = 0.778."""
    assert round(q_sample(0.8, C, 0.0), 3) == 0.566
    assert round(q_sample(0.0, C, 0.3), 3) == 0.212
    assert round(q_sample(0.8, C, 0.3), 3) == 0.778


def test_the_posterior():
    """x_0 = 0.8, x_t = 0.6: coefficients 0.0142 and 0.985, mean 0.602."""
    assert round(q_posterior(1.0, 0.0, C).mean, 4) == 0.0142
    assert round(q_posterior(0.0, 1.0, C).mean, 3) == 0.985
    assert round(q_posterior(0.8, 0.6, C).mean, 3) == 0.602
    assert round(q_posterior(0.8, 0.6, C).var, 4) == 0.0099


def test_the_loss():
    """eps = 0.3, predicted 0.25: 0.0025. The network here knows the noise and misses by 0.05."""
    schedule, x_0 = linear_schedule(), torch.zeros(16, 1, dtype=torch.float64)

    def misses(x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return x_t / (1 - schedule.at(t, like=x_t).alpha_bar).sqrt() - 0.05

    loss = simple_loss(misses, schedule, x_0, generator=torch.Generator().manual_seed(0))
    assert round(loss.item(), 6) == 0.0025
    assert loss.item() == pytest.approx((0.3 - 0.25) ** 2, rel=1e-12)


def test_the_sampling_step():
    """x_t = 0.4, eps_theta = 0.3, z = 0.1: 0.3978 + 0.01 = 0.408."""
    mean = p_mean_from_eps(0.4, C, 0.3)
    p = p_step(0.4, C, 0.3).p
    assert round(mean, 4) == 0.3978
    assert p.mean == mean
    assert round(math.sqrt(p.var) * 0.1, 6) == 0.01
    assert round(mean + math.sqrt(p.var) * 0.1, 3) == 0.408


def test_the_share_of_the_signal():
    """"70.7 % of the signal" is an amplitude; of the variance it is 50 %."""  # fmt: skip
    jump = q_marginal(1.0, C)
    assert round(jump.mean, 3) == 0.707
    assert jump.mean**2 == pytest.approx(0.5, rel=1e-15)
    assert jump.var == 0.5


def test_half_of_the_signal_is_gone_by_t_260_and_not_by_500():
    """The article sets alpha_bar_500 = 0.5 for illustration."""
    alpha_bars = linear_schedule().alpha_bars
    assert round(alpha_bars[500].item(), 4) == 0.0786
    assert alpha_bars[259] > 0.5 > alpha_bars[260]


def test_the_rounded_alpha_bar_prev_does_not_quite_fit():
    """0.505 * 0.99 = 0.49995, not 0.5; the exact value changes none of the article's digits."""
    assert round(C.alpha_bar_prev * C.alpha, 5) == 0.49995
    exact = C._replace(alpha_bar_prev=0.5 / 0.99)
    assert round(q_posterior(1.0, 0.0, exact).mean, 4) == 0.0142
    assert round(q_posterior(0.0, 1.0, exact).mean, 3) == 0.985
    assert round(q_posterior(0.8, 0.6, exact).mean, 3) == 0.602


def test_the_text_counts_from_1_and_the_code_from_0():
    """The article's tables hold beta_1 in row 0; the library's hold the clean image there."""
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    assert torch.equal(linear_schedule().betas[1:], betas)
    assert linear_schedule().betas[0] == 0
