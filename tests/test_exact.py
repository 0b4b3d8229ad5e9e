"""Exact densities, scores and ideal networks, against autograd, quadrature and conditioning."""

import math

import numpy as np
import oracles
import pytest
import torch
from oracles import images, seeded
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from ddpm_lessons import Mixture, linear_schedule, predict_x0, reverse_density

STEEP = linear_schedule(10, 0.02, 0.9)  # few steps, so that a wrong index shows at once
BETAS = oracles.linear_betas(10, 0.02, 0.9)
ALPHA_BARS = oracles.alpha_bars_of(BETAS)


LINE = Mixture([-0.9, 0.2, 0.8], [0.01, 0.03, 0.002], [0.5, 0.2, 0.3])
PLANE = Mixture(images(4, 2), [0.01, 0.5, 0.1, 0.02], [0.1, 0.4, 0.2, 0.3])
DIGITS = Mixture.from_data(images(5, 1, 3, 3).clamp(-1, 1))  # a finite data set
NARROW = Mixture.gaussian(0.4, 0.01)
MIXTURES = {"line": LINE, "plane": PLANE, "digits": DIGITS, "narrow": NARROW}


def torch_mixture(m: Mixture, alpha_bar: float) -> MixtureSameFamily:
    """The noised mixture by torch.distributions."""
    means = m.means.flatten(1) if m.means.ndim > 1 else m.means[:, None]
    std = (alpha_bar * m.var + 1 - alpha_bar).sqrt()[:, None].expand_as(means)
    parts = Independent(Normal(math.sqrt(alpha_bar) * means, std), 1)
    return MixtureSameFamily(Categorical(m.weights), parts)


def line_density(nodes: np.ndarray) -> np.ndarray:
    """The density of LINE, term by term."""
    rows = zip(LINE.means.tolist(), LINE.var.tolist(), LINE.weights.tolist(), strict=True)
    return sum(w * oracles.normal_pdf(nodes, mean, var) for mean, var, w in rows)


@pytest.mark.parametrize("name", MIXTURES)
@pytest.mark.parametrize("t", [1, 4, 10])
def test_the_log_density_is_that_of_torch_distributions(name, t):
    mixture, alpha_bar = MIXTURES[name], STEEP.at(t).alpha_bar
    x = images(6, *mixture.means.shape[1:], seed=t)
    expected = torch_mixture(mixture, ALPHA_BARS[t]).log_prob(x.reshape(6, -1))
    oracles.agree(mixture.noised(alpha_bar).log_density(x), expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", MIXTURES)
@pytest.mark.parametrize("t", [1, 4, 10])
def test_score_and_ideal_noise_are_gradients_of_the_log_density(name, t):
    """eps*(x, t) = -sqrt(1 - alpha_bar_t) grad log q(x_t), the gradient by autograd."""
    mixture = MIXTURES[name]
    x = images(6, *mixture.means.shape[1:], seed=t).requires_grad_()
    log_q = torch_mixture(mixture, ALPHA_BARS[t]).log_prob(x.reshape(6, -1))
    (gradient,) = torch.autograd.grad(log_q.sum(), x)
    (own,) = torch.autograd.grad(mixture.noised(ALPHA_BARS[t]).log_density(x).sum(), x)
    oracles.agree(own, gradient, rtol=1e-9, atol=1e-9)
    oracles.agree(mixture.noised(ALPHA_BARS[t]).score(x), gradient, rtol=1e-9, atol=1e-9)
    eps = mixture.eps_model(STEEP)(x.detach(), torch.full((6,), t))
    oracles.agree(eps, -math.sqrt(1 - ALPHA_BARS[t]) * gradient, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("t", range(1, 11))
def test_the_ideal_noise_points_at_the_mean_of_all_possible_images(t):
    """predict_x0 with eps* is E[x_0 | x_t]: Bayes' rule on a line, by quadrature over x_0."""
    x_t = torch.tensor([-1.5, -0.3, 0.0, 0.4, 1.2], dtype=torch.float64)
    nodes = np.linspace(-2.5, 2.5, 40001)
    expected = [oracles.expected_x0(x, ALPHA_BARS[t], line_density, nodes) for x in x_t.tolist()]
    eps = LINE.eps_model(STEEP)(x_t, torch.full((5,), t))
    oracles.agree(predict_x0(x_t, STEEP.at(t), eps), expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("t", [1, 2, 10])
def test_for_one_gaussian_the_ideal_noise_is_a_regression_line(t):
    x_t = torch.tensor([-2.0, 0.3, 1.0], dtype=torch.float64)
    x0_hat = predict_x0(x_t, STEEP.at(t), NARROW.eps_model(STEEP)(x_t, torch.full((3,), t)))
    expected = [oracles.gaussian_x0(x, ALPHA_BARS[t], 0.4, 0.01) for x in x_t.tolist()]
    oracles.agree(x0_hat, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("t", [1, 5, 10])
def test_for_a_data_set_the_ideal_noise_weighs_the_samples(t):
    """E[x_0 | x_t] of a finite data set: every sample by its likelihood, in plain Python."""
    data, x_t = DIGITS.means.flatten(1), images(3, 1, 3, 3, seed=2)
    signal, noise = math.sqrt(ALPHA_BARS[t]), 1 - ALPHA_BARS[t]
    eps = DIGITS.eps_model(STEEP)(x_t, torch.full((3,), t))
    x0_hat = predict_x0(x_t, STEEP.at(t), eps).flatten(1)
    for row, found in zip(x_t.flatten(1), x0_hat, strict=True):
        logs = [-float(((row - signal * x) ** 2).sum()) / (2 * noise) for x in data]
        likelihood = [math.exp(value - max(logs)) for value in logs]
        mean = sum(like * x for like, x in zip(likelihood, data, strict=True)) / sum(likelihood)
        oracles.agree(found, mean, rtol=1e-9, atol=1e-9)


def test_every_image_is_asked_about_at_its_own_t():
    model, x_t = PLANE.eps_model(STEEP), images(4, 2, seed=3)
    t = torch.tensor([10, 1, 5, 1])
    together = model(x_t, t)
    for i in range(4):
        oracles.agree(together[i : i + 1], model(x_t[i : i + 1], t[i : i + 1]), rtol=1e-12)


def test_one_t_for_many_images_is_refused():
    with pytest.raises(ValueError, match=r"t has shape \(1,\), expected one entry for each image"):
        PLANE.eps_model(STEEP)(images(4, 2), torch.tensor([5]))
    with pytest.raises(ValueError, match=r"x_t has shape \(4, 3\)"):
        PLANE.eps_model(STEEP)(images(4, 3), torch.tensor([5] * 4))


def test_a_784_dimensional_data_set_does_not_underflow():
    data = images(50, 1, 28, 28).clamp(-1, 1)
    mixture, schedule = Mixture.from_data(data), linear_schedule()
    for t in (1, 500, 1000):
        x_t = images(2, 1, 28, 28, seed=t)
        assert mixture.noised(schedule.at(t).alpha_bar).log_density(x_t).isfinite().all()
        assert mixture.eps_model(schedule)(x_t, torch.full((2,), t)).isfinite().all()
    c = schedule.at(1)
    x_1 = math.sqrt(c.alpha_bar) * data[:1] + math.sqrt(1 - c.alpha_bar) * images(1, 1, 28, 28)
    eps = mixture.eps_model(schedule)(x_1, torch.tensor([1]))
    oracles.agree(predict_x0(x_1, c, eps), data[:1], atol=1e-9)  # nothing else is near


def test_noising_to_the_ends():
    assert torch.equal(LINE.noised(1.0).var, LINE.var)  # alpha_bar_0 = 1: untouched, to the digit
    assert torch.equal(LINE.noised(1.0).means, LINE.means)
    x = images(5)
    oracles.agree(LINE.noised(0.0).log_density(x), Normal(0.0, 1.0).log_prob(x), rtol=1e-12)


def test_noising_twice_is_noising_once():
    twice, once = LINE.noised(0.8).noised(0.5), LINE.noised(0.4)
    oracles.agree(twice.means, once.means, rtol=1e-14)
    oracles.agree(twice.var, once.var, rtol=1e-14)


def test_the_density_is_one_in_all():
    grid = torch.linspace(-8, 8, 20001, dtype=torch.float64)
    total = torch.trapezoid(LINE.noised(0.6).log_density(grid).exp(), grid)
    assert total.item() == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_the_answers_have_the_dtype_of_the_question(dtype):
    x = images(3, 2).to(dtype)
    model = PLANE.eps_model(STEEP)
    for function in (PLANE.log_density, PLANE.score, lambda y: model(y, torch.tensor([1, 5, 10]))):
        assert function(x).dtype == dtype
        assert torch.equal(function(x), function(x.double()).to(dtype))  # inside it is float64


def test_samples_are_means_plus_noise():
    draw = NARROW.sample(4, seeded(1))
    assert (draw.shape, draw.dtype) == ((4,), torch.float64)
    big = Mixture.gaussian(torch.tensor([0.4, -2.0]), 0.01).sample(40_000, seeded(1))
    assert big.mean(0).tolist() == pytest.approx([0.4, -2.0], abs=5 * 0.1 / 200)
    assert big.var(0).tolist() == pytest.approx([0.01, 0.01], rel=5 * math.sqrt(2 / 40_000))
    assert torch.equal(NARROW.sample(4, seeded(1)), draw)


def test_samples_of_a_data_set_are_its_members_in_equal_shares():
    draw = DIGITS.sample(10_000, seeded(0))
    counts = [(draw == member).flatten(1).all(1).sum().item() for member in DIGITS.means]
    assert sum(counts) == 10_000
    assert all(abs(count - 2000) < 5 * math.sqrt(10_000 * 0.2 * 0.8) for count in counts)


def test_components_come_in_the_shares_of_their_weights():
    spikes = Mixture([0.0, 1.0, 2.0], [0.0, 0.0, 0.0], [0.5, 0.2, 0.3])
    counts = spikes.sample(10_000, seeded(0)).to(torch.int64).bincount().tolist()
    assert counts == pytest.approx([5000, 2000, 3000], abs=5 * 50)


def analytic_reverse(mixture: Mixture, grid: np.ndarray, x_t: float, t: int) -> np.ndarray:
    """q(x_{t-1} | x_t) of a mixture on a line: condition each component's joint Gaussian."""
    density, total = np.zeros_like(grid), 0.0
    rows = zip(mixture.means, mixture.var, mixture.weights, strict=True)
    for mean, var, weight in ((m.item(), v.item(), w.item()) for m, v, w in rows):
        means, cov = oracles.chain_mean(BETAS, mean), oracles.chain_covariance(BETAS, var)
        (gain,), rest = oracles.condition(cov, t - 1, [t])
        share = weight * oracles.normal_pdf(x_t, means[t], cov[t, t])
        centre = means[t - 1] + gain * (x_t - means[t])
        density += share * oracles.normal_pdf(grid, centre, rest)
        total += share
    return density / total


@pytest.mark.parametrize("t", [1, 2, 6, 10])
@pytest.mark.parametrize("x_t", [-1.0, 0.1, 0.7])
def test_the_reverse_density_is_the_analytic_mixture(t, x_t):
    grid = np.linspace(-8, 8, 16001)
    found = reverse_density(LINE, torch.from_numpy(grid), x_t, STEEP.at(t))
    expected = analytic_reverse(LINE, grid, x_t, t)
    oracles.agree(found, expected, atol=1e-8 * expected.max())


def test_the_reverse_density_takes_samples_of_shape_1_and_any_rising_grid():
    grid = torch.linspace(-2, 2, 4001, dtype=torch.float64) ** 3
    column = Mixture(LINE.means[:, None], LINE.var, LINE.weights)
    found = reverse_density(column, grid, 0.1, STEEP.at(6))
    expected = analytic_reverse(LINE, grid.numpy(), 0.1, 6)
    oracles.agree(found, expected, atol=1e-4 * expected.max())  # the grid is coarse at its ends
    assert torch.trapezoid(found, grid).item() == pytest.approx(1, rel=1e-14)


def test_a_mixture_is_frozen_and_owns_its_numbers():
    means = torch.zeros(2, dtype=torch.float64)
    mixture = Mixture(means, [1.0, 1.0], [0.5, 0.5])
    means[0] = 5.0
    assert mixture.means[0] == 0
    assert Mixture([0.1], [0.2], [1.0]).means.item() == 0.1  # not 0.1 in float32


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("means", [[0.0, 1.0]], r"var has shape \(2,\), expected \(1,\) like means"),
        ("var", [0.1], r"var has shape \(1,\), expected \(2,\) like means"),
        ("var", [-0.1, 0.1], r"var contains -0\.1, expected variances >= 0"),
        ("weights", [0.5, 0.6], r"weights sum to 1\.1, expected positive numbers with sum 1"),
        ("weights", [1.0, 0.0], r"weights sum to 1, expected positive numbers"),
        ("weights", [0.5, math.nan], r"weights has entries that are NaN"),
    ],
)
def test_numbers_that_make_no_mixture_are_refused(name, value, message):
    good = {"means": [0.0, 1.0], "var": [0.1, 0.2], "weights": [0.5, 0.5]}
    with pytest.raises(ValueError, match=message):
        Mixture(**good | {name: value})


def test_a_spike_has_no_density():
    with pytest.raises(ValueError, match=r"var contains 0, expected a density: add noise first"):
        DIGITS.log_density(images(2, 1, 3, 3))
    with pytest.raises(ValueError, match="var contains 0"):
        DIGITS.score(images(2, 1, 3, 3))
