"""The bound on many images: both variances from one asking of the network, and honest errors."""

import numpy as np
import pytest
import torch

from ddpm_lessons import Bound, bound, linear_schedule
from ddpm_lessons.data import to_model_range
from ddpm_lessons.evaluation import bits_per_dim, bounds

SCHEDULE = linear_schedule(6, 0.1, 0.97)
X_0 = to_model_range(torch.linspace(0, 255, 5 * 9).byte()).view(5, 1, 3, 3)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Counting:
    """Some function of x_t and t that notes how it was called."""

    def __init__(self):
        self.asked = []

    def __call__(self, x_t, t):
        self.asked.append(int(t[0]))
        return 0.3 * x_t + 0.01 * t.view(-1, 1, 1, 1)


@pytest.mark.parametrize("clip_x0", [None, 1.0])
def test_both_variances_are_those_of_the_bound_and_the_network_is_asked_once(clip_x0):
    network = Counting()
    found = bounds(network, SCHEDULE, X_0, clip_x0=clip_x0, generator=seeded())
    assert network.asked == [6, 5, 4, 3, 2, 1]
    assert found.keys() == {"beta", "posterior"}
    for variance, result in found.items():
        expected = bound(
            Counting(), SCHEDULE, X_0, variance=variance, clip_x0=clip_x0, generator=seeded()
        )
        assert all(torch.equal(a, b) for a, b in zip(result, expected, strict=True))
    assert not torch.equal(found["beta"].denoising, found["posterior"].denoising)


def test_the_generator_goes_on_where_one_bound_leaves_it():
    one, two = seeded(), seeded()
    bounds(Counting(), SCHEDULE, X_0, generator=one)
    bound(Counting(), SCHEDULE, X_0, generator=two)
    assert torch.equal(one.get_state(), two.get_state())


def made_up(n: int, seed: int = 0) -> Bound:
    def draw(*shape):
        return torch.rand(*shape, generator=seeded(seed), dtype=torch.float64)

    denoising = draw(5, n)
    denoising[:2] = 0
    return Bound(draw(n), denoising, 2 * draw(n))


def test_means_and_standard_errors_are_numpys():
    batch = made_up(11)
    found = bits_per_dim(batch)
    columns = {
        "prior": batch.prior,
        "denoising": batch.denoising.sum(dim=0),
        "reconstruction": batch.reconstruction,
        "total": batch.prior + batch.denoising.sum(dim=0) + batch.reconstruction,
    }
    for name, values in columns.items():
        estimate, values = getattr(found, name), values.numpy()
        assert estimate.mean == pytest.approx(values.mean(), rel=1e-12)
        assert estimate.error == pytest.approx(np.std(values, ddof=1) / 11**0.5, rel=1e-12)
    assert found.images == 11
    np.testing.assert_allclose(found.per_t, batch.denoising.numpy().mean(axis=1), rtol=1e-12)


def test_the_terms_add_up():
    found = bits_per_dim([made_up(3), made_up(4, 1)])
    parts = found.prior.mean + found.denoising.mean + found.reconstruction.mean
    assert found.total.mean == pytest.approx(parts, rel=1e-12)
    assert sum(found.per_t) == pytest.approx(found.denoising.mean, rel=1e-12)


def test_how_the_images_are_batched_does_not_matter():
    whole = made_up(10)
    parts = [Bound(*(x[..., rows] for x in whole)) for rows in (slice(0, 3), slice(3, 10))]
    assert bits_per_dim(parts) == bits_per_dim(whole)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"generator is None, expected a torch.Generator"):
        bounds(Counting(), SCHEDULE, X_0, generator=None)
    with pytest.raises(ValueError, match="x_0 reaches 2"):
        bounds(Counting(), SCHEDULE, 2 * X_0, generator=seeded())
    with pytest.raises(ValueError, match="expected a tensor like x_t"):
        bounds(lambda x, t: 0.0, SCHEDULE, X_0, generator=seeded())
    for batches in ([], [1.0], None, 3):
        with pytest.raises(ValueError, match=r"batches is .*, expected Bounds"):
            bits_per_dim(batches)
    with pytest.raises(ValueError, match="batches holds one image"):
        bits_per_dim(made_up(1))
