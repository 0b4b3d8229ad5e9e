"""Confidence and shares of classes, on probabilities made up for the purpose."""

import pytest
import torch

from ddpm_lessons.evaluation import quality, share_ratios


def rows(*probabilities: tuple[int, float]) -> torch.Tensor:
    """Rows (label, its probability), the rest spread over the other nine."""
    return torch.tensor(
        [[p if i == label else (1 - p) / 9 for i in range(10)] for label, p in probabilities]
    )


def test_shares_and_confidence_are_counted():
    found = quality(rows((3, 0.95), (3, 0.5), (7, 0.99), (0, 0.8)))
    assert found.shares == (0.25, 0, 0, 0.5, 0, 0, 0, 0.25, 0, 0)
    assert found.confident == 0.5
    assert found.mean_confidence == pytest.approx((0.95 + 0.5 + 0.99 + 0.8) / 4)


def test_the_threshold_itself_is_not_above_it():
    exact = torch.tensor([[0.75, 0.25], [0.5, 0.5]])
    assert quality(exact, threshold=0.75).confident == 0
    assert quality(exact, threshold=0.5).confident == 0.5


def test_a_share_is_compared_with_its_own_reference():
    assert share_ratios((0.1, 0.9), (0.2, 0.8)) == pytest.approx((0.5, 1.125))


@pytest.mark.parametrize(
    ("probabilities", "message"),
    [
        (torch.randn(4, 10), r"expected \(N, classes\) with rows that sum to 1"),
        (torch.full((10,), 0.1), r"expected \(N, classes\)"),
        (torch.zeros(0, 10), "non-empty"),
        ([0.5, 0.5], "probabilities has type list"),
    ],
)
def test_what_are_no_probabilities_is_refused(probabilities, message):
    with pytest.raises(ValueError, match=message):
        quality(probabilities)


def test_other_arguments_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"threshold is 2, expected a number in \[0, 1\]"):
        quality(rows((1, 0.5)), threshold=2)
    for reference, message in (
        ((0.0, 1.0), r"an entry of reference is 0.0, expected a number in \(0, 1\]"),
        ((1.0,), r"reference is \(1.0,\), expected 2 shares"),
        (None, "reference is None, expected a tuple of shares"),
    ):
        with pytest.raises(ValueError, match=message):
            share_ratios((0.5, 0.5), reference)
    with pytest.raises(ValueError, match=r"shares is \(\), expected a tuple"):
        share_ratios((), ())
    with pytest.raises(ValueError, match=r"an entry of shares is '0.5'"):
        share_ratios(("0.5",), (0.5,))
