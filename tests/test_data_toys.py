"""The toy distributions: proper mixtures, of the size of the noise, shaped as they are named."""

import math

import pytest
import torch
from torch import Tensor

from ddpm_lessons.data import TOYS, ToyParameters
from ddpm_lessons.exact import Mixture

NUMBERS = ["gaussian", "two_peaks", "uneven_peaks"]
POINTS = ["ring", "grid", "moons", "spiral"]


def moments(toy: ToyParameters) -> tuple[Tensor, Tensor]:
    """Mean (D,) and covariance (D, D) of the mixture, by the law of total variance."""
    mean = toy.weights @ toy.means
    centred = toy.means - mean
    between = torch.einsum("k,kd,ke->de", toy.weights, centred, centred)
    return mean, between + (toy.weights @ toy.var) * torch.eye(len(mean), dtype=torch.float64)


def test_the_registry_names_them_all():
    assert list(TOYS) == NUMBERS + POINTS


@pytest.mark.parametrize("name", TOYS)
def test_parameters_are_a_proper_mixture(name):
    toy = TOYS[name]()
    k = len(toy.weights)
    assert toy.means.shape == (k, 1 if name in NUMBERS else 2)
    assert toy.var.shape == toy.weights.shape == (k,)
    assert {value.dtype for value in toy} == {torch.float64}
    assert (toy.var > 0).all()
    assert (toy.weights > 0).all()
    assert toy.weights.sum().item() == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize("name", TOYS)
def test_each_call_gives_its_own_tensors(name):
    TOYS[name]().means.zero_().add_(7)
    assert not (TOYS[name]().means == 7).any()


@pytest.mark.parametrize("name", TOYS)
def test_mean_is_zero_and_the_size_is_that_of_the_noise(name):
    mean, covariance = moments(TOYS[name]())
    assert mean.abs().max() < 1e-15
    variance = covariance.trace().item() / len(mean)
    if name in POINTS:
        assert variance == pytest.approx(1, abs=1e-14)
    else:
        assert 0.2 < variance < 1.1


@pytest.mark.parametrize("name", TOYS)
def test_no_toy_is_left_as_it_is_by_the_forward_process(name):
    """N(0, I) would be: a lesson that shows it dissolving would show nothing."""
    toy = TOYS[name]()
    assert (toy.var < 0.3).all()


@pytest.mark.parametrize("name", TOYS)
def test_samples_of_the_exact_mixture_have_these_moments(name):
    toy = TOYS[name]()
    mean, covariance = moments(toy)
    x = Mixture(*toy).sample(20_000, torch.Generator().manual_seed(0))  # (n, D)
    assert x.shape == (20_000, toy.means.shape[1])
    spread = covariance.diagonal().sqrt()
    assert ((x.mean(0) - mean).abs() < 5 * spread / math.sqrt(20_000)).all()
    torch.testing.assert_close(x.T.cov(correction=0).reshape(covariance.shape), covariance,
                               rtol=0, atol=0.06)  # fmt: skip


@pytest.mark.parametrize("name", NUMBERS)
def test_density_of_a_number_integrates_to_one(name):
    grid = torch.linspace(-6, 6, 4001, dtype=torch.float64)
    density = Mixture(*TOYS[name]()).log_density(grid[:, None]).exp()
    assert torch.trapezoid(density, grid).item() == pytest.approx(1, abs=1e-9)


def test_two_peaks_are_apart_and_mirrored():
    means, var, weights = TOYS["two_peaks"]()
    assert means.flatten().tolist() == [-1, 1]
    assert weights.tolist() == [0.5, 0.5]
    assert 6 * var.sqrt().max() < 2  # there is a gap


def test_ring_has_equal_radii_and_equal_angles():
    means = TOYS["ring"]().means
    radii = means.norm(dim=1)
    torch.testing.assert_close(radii, radii[:1].expand(8), rtol=1e-12, atol=0)
    steps = (means - means.roll(1, 0)).norm(dim=1)
    torch.testing.assert_close(steps, 2 * radii * math.sin(math.pi / 8), rtol=1e-12, atol=0)


def test_grid_is_three_by_three():
    means = TOYS["grid"]().means
    for column in means.T:
        values, counts = column.round(decimals=9).unique(return_counts=True)
        assert counts.tolist() == [3, 3, 3]
        assert (values[2] - values[1]).item() == pytest.approx((values[1] - values[0]).item())
    assert len(means.unique(dim=0)) == 9


@pytest.mark.parametrize(("name", "arcs"), [("moons", 2), ("spiral", 1)])
def test_strings_of_gaussians_have_no_gaps(name, arcs):
    toy = TOYS[name]()
    for arc in toy.means.chunk(arcs):
        steps = arc.diff(dim=0).norm(dim=1)
        assert (steps < 2 * toy.var.sqrt().min()).all()  # beyond 2 std two peaks would show
        assert steps.max() / steps.min() < 1.5  # even distances


def test_moons_interlock_without_touching():
    toy = TOYS["moons"]()
    upper, lower = toy.means.chunk(2)
    assert torch.cdist(upper, lower).min() > 3 * toy.var.sqrt().max()
    assert lower[:, 0].min() < upper[:, 0].max()
    assert lower[:, 1].max() > upper[:, 1].min()
