"""The score and Langevin dynamics, against numerical gradients and exact recursions."""

import math

import oracles
import pytest
import torch
from oracles import images, seeded
from torch import Tensor, nn

from ddpm_lessons import (
    Coefficients,
    Mixture,
    eps_from_score,
    langevin,
    linear_schedule,
    predict_x0,
    score_from_eps,
    score_model,
)

STEEP = linear_schedule(10, 0.02, 0.9)
ALPHA_BARS = oracles.alpha_bars_of(oracles.linear_betas(10, 0.02, 0.9))
PLANE = Mixture([[-1.0, 0.0], [1.0, 0.5], [0.2, -0.8]], [0.01, 0.04, 0.2], [0.2, 0.3, 0.5])


def log_density(x: Tensor, alpha_bar: float) -> Tensor:
    """Of PLANE with noise, in plain sums; (B, 2) -> (B,)."""
    total = torch.zeros(len(x), dtype=torch.float64)
    for mean, var, weight in zip(PLANE.means, PLANE.var, PLANE.weights, strict=True):
        v = alpha_bar * var + 1 - alpha_bar
        square = ((x - math.sqrt(alpha_bar) * mean) ** 2).sum(dim=1)
        total += weight * torch.exp(-square / (2 * v)) / (2 * math.pi * v)
    return total.log()


@pytest.mark.parametrize("t", [1, 2, 5, 10])
def test_the_best_noise_prediction_is_the_slope_of_the_log_density(t):
    """Central differences of the log-density, which know neither a sign nor a root."""
    x, step = images(6, 2, seed=t), 1e-5
    slope = torch.stack(
        [
            (log_density(x + e, ALPHA_BARS[t]) - log_density(x - e, ALPHA_BARS[t])) / (2 * step)
            for e in step * torch.eye(2, dtype=torch.float64)
        ],
        dim=1,
    )
    eps = PLANE.eps_model(STEEP)(x, torch.full((6,), t))
    oracles.agree(score_from_eps(eps, STEEP.at(t)), slope, rtol=1e-6, atol=1e-6)
    oracles.agree(eps_from_score(slope, STEEP.at(t)), eps, rtol=1e-6, atol=1e-6)
    oracles.agree(score_model(PLANE.eps_model(STEEP), STEEP, t)(x), slope, rtol=1e-6, atol=1e-6)


def test_by_calculator():
    c = Coefficients(beta=0.01, alpha=0.99, alpha_bar=0.5, alpha_bar_prev=0.505)
    assert score_from_eps(0.3, c) == pytest.approx(-0.4243, abs=5e-5)
    x_t = 0.5**0.5 * 0.8 + 0.5**0.5 * 0.3  # the score of N(sqrt(0.5) 0.8, 0.5) at x_t
    assert score_from_eps(0.3, c) == pytest.approx(-(x_t - 0.5**0.5 * 0.8) / 0.5, rel=1e-12)
    assert eps_from_score(score_from_eps(0.3, c), c) == pytest.approx(0.3, rel=1e-14)


def test_each_image_of_a_batch_has_its_own_t():
    eps, t = images(4, 1, 3, 3), torch.tensor([1, 10, 4, 1])
    together = score_from_eps(eps, STEEP.at(t, like=eps))
    for i, one in enumerate(t.tolist()):
        oracles.agree(together[i], -eps[i] / math.sqrt(1 - ALPHA_BARS[one]), rtol=1e-13)
    oracles.agree(eps_from_score(together, STEEP.at(t, like=eps)), eps, rtol=1e-13)


def test_tweedies_formula():
    """x_t + (1 - alpha_bar) score is sqrt(alpha_bar) E[x_0 | x_t]."""
    x = images(5, 2)
    for t in (1, 6, 10):
        score = score_model(PLANE.eps_model(STEEP), STEEP, t)(x)
        x0_hat = (x + (1 - ALPHA_BARS[t]) * score) / math.sqrt(ALPHA_BARS[t])
        eps = PLANE.eps_model(STEEP)(x, torch.full((5,), t))
        oracles.agree(predict_x0(x, STEEP.at(t), eps), x0_hat, rtol=1e-11, atol=1e-12)


def test_the_network_is_asked_as_everywhere():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dropout, self.seen = nn.Dropout(0.5), []

        def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
            self.seen.append((self.training, torch.is_grad_enabled(), t.dtype, t.tolist()))
            return self.dropout(x_t)

    net = Net().train()
    oracles.agree(score_model(net, STEEP, 7)(torch.ones(3, 2)), -((1 - ALPHA_BARS[7]) ** -0.5),
                  rtol=1e-6)  # fmt: skip
    assert net.seen == [(False, False, torch.int64, [7, 7, 7])]
    assert net.training


# --- Langevin dynamics -------------------------------------------------------------------------


@pytest.mark.parametrize(("mean", "var", "h"), [(0.4, 0.01, 0.005), (-0.2, 2.0, 1.0)])
def test_langevin_is_the_exact_chain_of_a_gaussian(monkeypatch, mean, var, h):
    """x_n - m = (1 - h / (2 s^2)) (x_{n-1} - m) + sqrt(h) z: the whole chain, factor by factor."""
    n, shrink = 8, 1 - h / (2 * var)
    x, noise = oracles.basis(n)
    monkeypatch.setattr(torch, "randn", oracles.ScriptedNoise(noise))
    score = Mixture.gaussian(torch.tensor([mean], dtype=torch.float64), var).score
    *_, last = langevin(score, x, step_size=h, steps=n)
    a, b, found = oracles.read_affine(last)
    assert a == pytest.approx(shrink**n, abs=1e-12)
    assert b == pytest.approx(mean * (1 - shrink**n), abs=1e-12)
    oracles.agree(found, [math.sqrt(h) * shrink ** (n - 1 - i) for i in range(n)], atol=1e-12)


@pytest.mark.parametrize("var", [0.01, 1.0])
@pytest.mark.parametrize("ratio", [0.1, 1.0, 3.0])
def test_the_bias_of_a_finite_step_is_the_stated_one(monkeypatch, var, ratio):
    """After many steps the variance is s^2 / (1 - h / (4 s^2)), not s^2."""
    h, n = ratio * var, 400
    x, noise = oracles.basis(n)
    monkeypatch.setattr(torch, "randn", oracles.ScriptedNoise(noise))
    *_, last = langevin(lambda x: -x / var, x, step_size=h, steps=n)
    a, _, found = oracles.read_affine(last)
    assert sum(s**2 for s in found) == pytest.approx(var / (1 - h / (4 * var)), rel=1e-6)
    assert abs(a) < 1e-6


def test_beyond_four_variances_the_walk_explodes():
    for ratio, explodes in ((3.9, False), (4.1, True)):
        *_, last = langevin(lambda x: -x, images(50), step_size=ratio, steps=400,
                            generator=seeded())  # fmt: skip
        assert (last.abs().max() > 1e6).item() is explodes


def test_langevin_finds_the_shape_of_a_mixture():
    """Both of two peaks that touch, and their uneven weights, from a single point."""
    peaks = Mixture([-0.6, 0.6], [0.16, 0.16], [0.25, 0.75])
    start = torch.zeros(4000, dtype=torch.float64)
    *_, x = langevin(peaks.score, start, step_size=0.05, steps=400, generator=seeded())
    share = (x > 0).double().mean().item()
    right = 0.25 * 0.5 * math.erfc(1.5 / 2**0.5) + 0.75 * (1 - 0.5 * math.erfc(1.5 / 2**0.5))
    assert share == pytest.approx(right, abs=0.03)
    assert x.var().item() == pytest.approx(0.16 + 0.36 * 0.75, rel=0.08)


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_the_walk_has_every_state_once_and_the_generator_decides(steps):
    x = images(3, 2)
    copy, before = x.clone(), torch.get_rng_state()
    one, same, other = (
        list(langevin(PLANE.score, x, step_size=0.1, steps=steps, generator=seeded(seed)))
        for seed in (0, 0, 1)
    )
    assert len(one) == steps + 1
    assert torch.equal(one[0], copy)
    assert torch.equal(one[-1], same[-1])
    assert steps == 0 or not torch.equal(one[-1], other[-1])
    assert torch.equal(x, copy)
    assert torch.equal(torch.get_rng_state(), before)
    assert {state.dtype for state in one} == {torch.float64}


def test_the_states_keep_the_dtype():
    x = images(3, 2).float()
    *_, last = langevin(PLANE.score, x, step_size=0.1, steps=2, generator=seeded())
    assert last.dtype == torch.float32
