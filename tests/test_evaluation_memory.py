"""Nearest neighbours against the definition of distance; copies that were planted are found."""

import pytest
import torch

from ddpm_lessons.data import to_model_range
from ddpm_lessons.evaluation import Neighbours, closeness, memorisation, nearest


def images(n: int, seed: int = 0, *, size: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (n, 1, size, size), generator=generator, dtype=torch.uint8)


def brute(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """All distances, (N, M), by the definition, in float64."""
    a, b = (to_model_range(x).double().flatten(1) for x in (a, b))
    return (a[:, None] - b[None]).square().sum(dim=2).sqrt()


@pytest.mark.parametrize("rows", [5, 250])
@pytest.mark.parametrize("k", [1, 3, 40])
def test_the_nearest_are_those_of_the_definition(k, rows, monkeypatch):
    monkeypatch.setattr("ddpm_lessons.evaluation.memory.ROWS", rows)
    a, b = images(12), images(40, 1)
    found, expected = nearest(a, b, k=k), brute(a, b).sort(dim=1)
    assert torch.equal(found.indices, expected.indices[:, :k])
    torch.testing.assert_close(
        found.distances.double(), expected.values[:, :k], rtol=1e-5, atol=1e-5
    )


def test_a_copy_is_at_distance_0_exactly():
    """At 28 x 28 the matrix product alone would leave the square root of a rounding error."""
    references = images(50, size=28)
    found = nearest(references[[7, 33]], references)
    assert found.indices.flatten().tolist() == [7, 33]
    assert found.distances.flatten().tolist() == [0, 0]


def test_neighbours_at_almost_the_same_distance_are_still_in_order():
    """Among many, some differ by less than the matrix product is wrong by."""
    found = nearest(images(4, size=28), images(3000, 1, size=28), k=3000)
    assert (found.distances.diff(dim=1) >= 0).all()


def test_8_bit_images_and_scaled_ones_are_the_same():
    a, b = images(6), images(9, 1)
    one, two = nearest(a, b, k=2), nearest(to_model_range(a), to_model_range(b), k=2)
    assert all(torch.equal(x, y) for x, y in zip(one, two, strict=True))


def test_the_unit_is_that_of_the_model_range():
    black, white = torch.zeros(1, 1, 2, 2).byte(), torch.full((1, 1, 2, 2), 255).byte()
    assert nearest(black, white).distances.item() == 4.0  # four pixels, each 2 apart


def test_the_threshold_is_the_references_own_share():
    reference = torch.arange(1, 1001, dtype=torch.float32)
    found = memorisation(reference, reference, quantile=0.01)
    assert 10 <= found.threshold < 11
    assert found.share == found.reference_share == 0.01


def test_copies_that_were_planted_are_counted():
    generator = torch.Generator().manual_seed(0)
    fresh = 5 + torch.rand(900, generator=generator)
    reference = 5 + torch.rand(1000, generator=generator)
    found = memorisation(torch.cat([fresh, torch.zeros(100)]), reference)
    assert found.share == pytest.approx(0.1 + 0.9 * 0.01, abs=0.01)
    assert found.reference_share == pytest.approx(0.01, abs=1e-3)


def test_of_several_neighbours_the_nearest_counts():
    near = torch.tensor([[1.0, 9.0], [2.0, 9.0]])
    assert memorisation(near, near, quantile=0.5) == memorisation(
        near[:, 0], near[:, 0], quantile=0.5
    )


def test_closeness_is_the_nearest_over_the_second_nearest():
    distances = torch.tensor([[1.0, 4.0, 9.0], [2.0, 2.0, 3.0], [0.0, 3.0, 5.0], [0.0, 0.0, 1.0]])
    found = closeness(Neighbours(distances, torch.zeros(4, 3).long()))
    assert found.tolist() == [0.25, 1, 0, 0]


def test_a_noisy_copy_is_closer_than_it_is_far():
    """A copy with noise may be farther off than two thin digits are; its closeness tells."""
    references = images(50, size=28)
    noise = images(1, 2, size=28).float().sub(127.5).mul(0.2)
    copy = (references[:1].float() + noise).round().clamp(0, 255).byte()
    found = closeness(nearest(torch.cat([copy, images(1, 3, size=28)]), references, k=2))
    assert found[0] < 0.2
    assert found[1] > 0.9


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (images(2), images(2, size=5), r"references has shape \(2, 1, 5, 5\), expected \(M, \*\(1"),
        (images(2).float(), images(2), r"images reaches \d+, expected images in \[-1, 1\]"),
        (images(2)[0], images(2), r"images has shape \(1, 4, 4\)"),
        (images(2), images(2)[:0], "references has shape"),
        (images(2).int(), images(2), "images has dtype torch.int32"),
    ],
)
def test_images_that_do_not_fit_are_refused(a, b, message):
    with pytest.raises(ValueError, match=message):
        nearest(a, b)


def test_other_arguments_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"k is 3, expected a whole number in 1..2"):
        nearest(images(2), images(2), k=3)
    with pytest.raises(ValueError, match="expected Neighbours with k of at least 2"):
        closeness(nearest(images(2), images(2)))
    ones = torch.ones(3)
    with pytest.raises(ValueError, match=r"quantile is 1, expected a number in \(0, 1\)"):
        memorisation(ones, ones, quantile=1)
    with pytest.raises(ValueError, match=r"reference_distances has shape .* and minimum -1"):
        memorisation(ones, -ones)
    with pytest.raises(ValueError, match="distances has entries that are NaN"):
        memorisation(ones / 0, ones)
