"""digit-FID and KID against closed forms, SciPy, double loops and fresh samples."""

import numpy as np
import pytest
import scipy.linalg
import torch

from ddpm_lessons.evaluation import (
    Moments,
    fid,
    fid_interval,
    frechet_distance,
    kid,
    kid_interval,
    moments,
)
from ddpm_lessons.evaluation.distances import centred_interval


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=seeded(seed), dtype=torch.float64)


def covariance(d: int, seed: int) -> torch.Tensor:
    root = normal(d, d, seed)
    return root @ root.T / d + 0.1 * torch.eye(d, dtype=torch.float64)


def exactly(mean: torch.Tensor, cov: torch.Tensor, n: int = 50, seed: int = 0) -> torch.Tensor:
    """n rows whose sample mean and unbiased sample covariance are these, to rounding."""
    x = normal(n, len(mean), seed)
    x = x - x.mean(dim=0)
    x = x @ torch.linalg.inv(torch.linalg.cholesky(torch.atleast_2d(torch.cov(x.T)))).T
    return x @ torch.linalg.cholesky(cov).T + mean


# --- FID ---


def test_two_bell_curves_by_hand():
    """N(0, 1) and N(3, 4): the means are 3 apart, the standard deviations 1. 3^2 + 1^2 = 10."""
    one = Moments(torch.tensor([0.0]).double(), torch.tensor([[1.0]]).double())
    two = Moments(torch.tensor([3.0]).double(), torch.tensor([[4.0]]).double())
    assert frechet_distance(one, two) == pytest.approx(10, abs=1e-12)
    a, b = exactly(one.mean, one.cov), exactly(two.mean, two.cov, n=70, seed=1)
    assert fid(a, b) == pytest.approx(10, abs=1e-9)


def test_along_common_axes_it_is_the_distance_of_the_standard_deviations():
    stds_a, stds_b = torch.tensor([1.0, 2.0, 0.5]).double(), torch.tensor([3.0, 0.1, 0.5]).double()
    shift = torch.tensor([1.0, -2.0, 0.5]).double()
    a = exactly(torch.zeros(3).double(), torch.diag(stds_a**2))
    b = exactly(shift, torch.diag(stds_b**2), n=80, seed=1)
    expected = ((stds_a - stds_b) ** 2).sum() + (shift**2).sum()
    assert fid(a, b) == pytest.approx(expected.item(), abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_the_trace_of_the_root_is_scipys(seed):
    d = 12
    a = Moments(normal(1, d, seed)[0], covariance(d, seed + 10))
    b = Moments(normal(1, d, seed + 20)[0], covariance(d, seed + 30))
    root = scipy.linalg.sqrtm((a.cov @ b.cov).numpy()).real
    expected = (
        ((a.mean - b.mean) ** 2).sum().item() + (a.cov.trace() + b.cov.trace()).item()
    ) - 2 * np.trace(root)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


def test_a_set_is_at_no_distance_from_itself_and_the_order_does_not_matter():
    a, b = normal(40, 6), 2 * normal(60, 6, 1) + 1
    assert fid(a, a) == pytest.approx(0, abs=1e-9)
    assert fid(a, b) == pytest.approx(fid(b, a), rel=1e-10)
    assert fid(a, a.flip(0)) == pytest.approx(0, abs=1e-9)


def test_turning_both_sets_changes_nothing():
    a, b = normal(40, 6), normal(60, 6, 1) @ covariance(6, 2)
    turn, _ = torch.linalg.qr(normal(6, 6, 3))
    assert fid(a @ turn, b @ turn) == pytest.approx(fid(a, b), rel=1e-9)
    assert fid(a @ turn, b) != pytest.approx(fid(a, b), rel=1e-3)  # turning one set does


def test_the_covariance_is_over_the_images_not_over_the_features():
    x = normal(9, 3) @ covariance(3, 5)
    found = moments(x)
    np.testing.assert_allclose(found.mean, np.mean(x.numpy(), axis=0), atol=1e-12)
    np.testing.assert_allclose(found.cov, np.cov(x.numpy(), rowvar=False), atol=1e-12)


def test_counts_stand_for_repeated_rows():
    x, counts = normal(5, 3), torch.tensor([2, 0, 1, 3, 1])
    for one, other in zip(
        moments(x, counts), moments(x.repeat_interleave(counts, dim=0)), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n", [3, 40])
def test_singular_covariances_do_no_harm(n):
    """Fewer images than features, and a feature that never fires."""
    a, b = normal(n, 8), normal(n, 8, 1) + 1
    a[:, 3] = b[:, 3] = 0
    assert fid(a, a) == pytest.approx(0, abs=1e-6)
    assert 0 < fid(a, b) < 1e3
    assert fid(a, b) == pytest.approx(fid(b, a), rel=1e-6)


def test_features_in_float32_are_summed_in_float64():
    a, b = (1000 + normal(5000, 2, seed) for seed in (0, 1))
    assert fid(a.float(), b.float()) == pytest.approx(fid(a, b), abs=1e-4)


def test_fid_falls_with_the_number_of_images_although_nothing_gets_better():
    few, many = (fid(normal(n, 16), normal(n, 16, 1)) for n in (50, 2000))
    assert many < few / 10


# --- KID ---


def by_double_loop(a: torch.Tensor, b: torch.Tensor) -> float:
    def k(x, y):
        return (float(x @ y) / len(x) + 1) ** 3

    n, m = len(a), len(b)
    own = sum(k(a[i], a[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    other = sum(k(b[i], b[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return own + other - 2 * sum(k(x, y) for x in a for y in b) / (n * m)


@pytest.mark.parametrize("rows", [4, 500])
def test_kid_is_its_definition(rows, monkeypatch):
    monkeypatch.setattr("ddpm_lessons.evaluation.distances.ROWS", rows)
    a, b = normal(7, 3), normal(10, 3, 1) + 0.5
    assert kid(a, b) == pytest.approx(by_double_loop(a, b), rel=1e-12)


def test_kid_has_no_bias():
    """Over pairs of small sets from one distribution its mean is 0; with i = j it would not be."""
    values = torch.tensor([kid(normal(12, 4, 2 * s), normal(9, 4, 2 * s + 1)) for s in range(400)])
    error = values.std() / 400**0.5
    assert abs(values.mean()) < 3 * error
    diagonal = ((normal(1000, 4) ** 2).sum(dim=1) / 4 + 1).pow(3).mean()
    assert diagonal / 12 > 20 * error  # what the bias would be, and that it would be seen


def test_kid_sees_a_shift_that_the_same_sets_do_not_have():
    a, b = normal(300, 4), normal(300, 4, 1)
    assert kid(a, b + 1) > 50 * abs(kid(a, b))


# --- intervals ---


@pytest.mark.parametrize(("interval", "distance"), [(fid_interval, fid), (kid_interval, kid)])
def test_an_interval_is_the_spread_over_resampled_images(interval, distance):
    a, b = normal(30, 3), normal(40, 3, 1) + 0.5
    found = interval(a, b, resamples=25, generator=seeded(7))
    generator = seeded(7)
    draws = np.array(
        [distance(a[torch.randint(30, (30,), generator=generator)], b) for _ in range(25)]
    )
    low, high = np.quantile(draws - draws.mean(), [0.025, 0.975])
    assert found.value == pytest.approx(distance(a, b), rel=1e-9)
    assert found.low == pytest.approx(found.value + low, rel=1e-9)
    assert found.high == pytest.approx(found.value + high, rel=1e-9)


def test_the_mean_over_fresh_samples_falls_into_the_interval():
    """The mean over fresh samples is caught by about 95 of 100 intervals; draws that are not
    centred would miss it, because a bootstrap sample looks like a smaller set."""
    b, d, n = normal(300, 4, 999), 4, 60
    truth = np.mean([fid(normal(n, d, seed), b) for seed in range(1000, 1300)])
    caught = uncentred = 0
    for seed in range(40):
        a = normal(n, d, seed)
        found = fid_interval(a, b, resamples=40, generator=seeded(seed))
        caught += found.low <= truth <= found.high
        draws = [fid(a[torch.randint(n, (n,), generator=seeded(r))], b) for r in range(20)]
        uncentred += min(draws) <= truth
    assert caught >= 34
    assert uncentred <= 30


def test_an_interval_is_centred_on_the_value():
    found = centred_interval(5.0, torch.arange(101.0) + 1000)
    assert found == pytest.approx((5.0, 5 - 47.5, 5 + 47.5))


def test_the_same_generator_gives_the_same_interval():
    a, b = normal(30, 3), normal(40, 3, 1)
    one, two, other = (fid_interval(a, b, resamples=9, generator=seeded(s)) for s in (1, 1, 2))
    assert one == two != other


# --- what does not fit ---


@pytest.mark.parametrize("function", [fid, kid, fid_interval, kid_interval])
@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (normal(5, 3), normal(5, 4), "b has 4 features, expected 3 like a"),
        (normal(1, 3), normal(5, 3), r"a has shape \(1, 3\), expected \(N, d\) with N > 1"),
        (normal(5, 3), normal(5, 3).view(5, 3, 1), r"b has shape \(5, 3, 1\)"),
        (normal(5, 3), normal(5, 3) / 0, "b has entries that are NaN or infinite"),
        (normal(5, 3).long(), normal(5, 3), "a has dtype torch.int64"),
        ([[1.0]], normal(5, 3), "a has type list"),
    ],
)
def test_features_that_do_not_fit_are_refused(function, a, b, message):
    with pytest.raises(ValueError, match=message):
        function(a, b)


def test_other_arguments_that_do_not_fit_are_refused():
    a = normal(5, 3)
    with pytest.raises(ValueError, match="resamples is 1, expected a whole number in 2"):
        fid_interval(a, a, resamples=1)
    with pytest.raises(ValueError, match=r"generator is 0, expected None or a torch.Generator"):
        kid_interval(a, a, generator=0)
    with pytest.raises(ValueError, match=r"features has shape \(1, 3\)"):
        moments(a[:1])
    with pytest.raises(ValueError, match="b has 4 features, expected 3 like a"):
        frechet_distance(moments(a), moments(normal(5, 4)))
    with pytest.raises(ValueError, match="a is of type NoneType, expected Moments"):
        frechet_distance(None, moments(a))
