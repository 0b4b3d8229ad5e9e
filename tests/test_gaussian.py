"""Gaussians, against torch.distributions and numerical integration."""

import math

import oracles
import pytest
import torch
from oracles import seeded
from scipy import integrate
from torch.distributions import Normal, kl_divergence

from ddpm_lessons import Gaussian

PAIRS = [
    (Gaussian(0.3, 0.01), Gaussian(0.3, 0.01)),
    (Gaussian(0.3, 0.01), Gaussian(0.31, 0.02)),
    (Gaussian(-1.0, 2.0), Gaussian(0.5, 0.3)),
    (Gaussian(0.0, 1e-4), Gaussian(0.0, 1.0)),
    (Gaussian(0.0063, 0.99996), Gaussian(0.0, 1.0)),  # the prior term at t = 1000
]


def tensors(seed: int, *shape: int) -> Gaussian:
    mean, var = torch.randn(2, *shape, dtype=torch.float64, generator=seeded(seed))
    return Gaussian(mean, var.exp())


def normal(p: Gaussian) -> Normal:
    mean, var = (torch.as_tensor(value, dtype=torch.float64) for value in p)
    return Normal(mean, var.sqrt())


def density(p: Gaussian, x: float) -> float:
    return math.exp(-((x - p.mean) ** 2) / (2 * p.var)) / math.sqrt(2 * math.pi * p.var)


@pytest.mark.parametrize(("p", "q"), PAIRS)
def test_kl_is_the_integral_of_the_log_ratio(p, q):
    def integrand(x: float) -> float:
        log_ratio = (x - q.mean) ** 2 / (2 * q.var) - (x - p.mean) ** 2 / (2 * p.var)
        return density(p, x) * (log_ratio + 0.5 * math.log(q.var / p.var))

    reach = 12 * math.sqrt(p.var)
    expected, _ = integrate.quad(integrand, p.mean - reach, p.mean + reach, epsabs=1e-14)
    assert p.kl(q) == pytest.approx(expected, rel=1e-9, abs=1e-13)
    assert isinstance(p.kl(q), float)


def test_kl_of_tensors_entry_by_entry():
    p, q = tensors(1, 3, 4, 5), tensors(2, 3, 4, 5)
    oracles.agree(p.kl(q), kl_divergence(normal(p), normal(q)), rtol=1e-12)
    oracles.agree(q.kl(p), kl_divergence(normal(q), normal(p)), rtol=1e-12)
    assert (p.kl(q) > 0).all()
    assert (p.kl(p) == 0).all()


def test_kl_broadcasts_a_variance_that_is_one_number():
    p = Gaussian(tensors(1, 3, 4).mean, 0.2)
    q = Gaussian(tensors(2, 3, 4).mean, torch.tensor(0.3, dtype=torch.float64))
    oracles.agree(p.kl(q), kl_divergence(normal(p), normal(q)), rtol=1e-12)


def test_log_prob_is_the_log_of_the_density():
    p, x = tensors(1, 3, 4), tensors(3, 3, 4).mean
    oracles.agree(p.log_prob(x), normal(p).log_prob(x), rtol=1e-12, atol=1e-14)
    number = Gaussian(0.796, 0.01)
    assert number.log_prob(0.9) == pytest.approx(math.log(density(number, 0.9)), rel=1e-12)


def test_var_is_a_variance_and_not_its_root():
    """The most common slip of all: sampling with sigma where sigma^2 stands, or the reverse."""
    p = tensors(1, 2, 50)
    z = torch.randn(2, 50, dtype=torch.float64, generator=seeded(7))
    oracles.agree(p.sample(seeded(7)), p.mean + p.var.sqrt() * z, rtol=1e-15)


def test_the_spread_of_many_samples():
    x = Gaussian(torch.full((100_000,), 0.5, dtype=torch.float64), 0.04).sample(seeded(0))
    assert x.mean().item() == pytest.approx(0.5, abs=5 * 0.2 / math.sqrt(1e5))
    assert x.var().item() == pytest.approx(0.04, rel=5 * math.sqrt(2 / 1e5))


def test_no_variance_means_no_noise():
    mean = tensors(1, 5).mean
    assert torch.equal(Gaussian(mean, 0.0).sample(seeded(0)), mean)
    assert Gaussian(0.3, 0.0).sample(seeded(0)) == 0.3


def test_a_number_gives_a_number():
    z = torch.randn((), dtype=torch.float64, generator=seeded(4)).item()
    draw = Gaussian(0.796, 0.01).sample(seeded(4))
    assert isinstance(draw, float)
    assert draw == pytest.approx(0.796 + 0.1 * z, rel=1e-15)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_a_sample_looks_like_the_mean(dtype):
    draw = Gaussian(torch.zeros(2, 3, dtype=dtype), torch.full((2, 1), 0.5, dtype=dtype)).sample()
    assert (draw.shape, draw.dtype) == ((2, 3), dtype)


@pytest.mark.parametrize("var", [0.0, -1.0, math.nan, "1", torch.tensor([0.1, 0.0])])
def test_a_density_needs_a_positive_variance(var):
    p, good = Gaussian(torch.zeros(2), var), Gaussian(torch.zeros(2), 1.0)
    for call, name in ((lambda: p.kl(good), "var"), (lambda: p.log_prob(torch.zeros(2)), "var")):
        with pytest.raises(ValueError, match=rf"^{name} is"):
            call()
    with pytest.raises(ValueError, match=r"^other\.var is"):
        good.kl(p)


def test_a_negative_variance_gives_no_sample():
    """(-1) ** 0.5 is a complex number in Python, and NaN in torch: both silent."""
    for var in (-1.0, torch.tensor([0.5, -1.0])):
        with pytest.raises(ValueError, match=r"^var is -1\.0"):
            Gaussian(torch.zeros(2), var).sample()


def test_shapes_that_do_not_match_are_refused():
    """(3,) against (3, 1) would broadcast to (3, 3)."""
    p = Gaussian(torch.zeros(3), 1.0)
    with pytest.raises(ValueError, match=r"^x has shape \(3, 1\)"):
        p.log_prob(torch.zeros(3, 1))
    with pytest.raises(ValueError, match=r"^other\.mean has shape \(3, 1\)"):
        p.kl(Gaussian(torch.zeros(3, 1), 1.0))
    with pytest.raises(ValueError, match=r"^var has shape \(4,\)"):
        Gaussian(torch.zeros(4, 4), torch.ones(4)).sample()
    with pytest.raises(ValueError, match=r"^other has type float, expected a Gaussian"):
        p.kl(1.0)
