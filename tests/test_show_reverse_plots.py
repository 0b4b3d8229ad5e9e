"""Lesson 02's figures show the densities and the coefficients that they are said to show."""

import pytest
import torch
from matplotlib.figure import Figure

from ddpm_lessons.exact import Mixture, reverse_density
from ddpm_lessons.gaussian import Gaussian
from ddpm_lessons.schedule import cosine_schedule, linear_schedule
from ddpm_lessons.show import reverse_plots

GRID = torch.linspace(-4, 4, 801, dtype=torch.float64)
PEAKS = Mixture(torch.tensor([[-1.0], [1.0]]), torch.tensor([0.04, 0.04]), torch.tensor([0.5, 0.5]))


def lines(axes):
    return {line.get_label(): torch.as_tensor(line.get_xydata()) for line in axes.get_lines()}


def test_moments_of_a_known_density():
    density = Gaussian(0.3, 0.25).log_prob(GRID).exp()
    assert reverse_plots.moments(density, GRID) == pytest.approx((0.3, 0.25), abs=1e-9)


def test_moments_of_two_peaks_are_those_of_the_mixture():
    density = PEAKS.log_density(GRID[:, None]).exp()
    assert reverse_plots.moments(density, GRID) == pytest.approx((0.0, 1.04), abs=1e-9)


@pytest.mark.parametrize(("s", "gap_at_least", "gap_at_most"), [(399, 0.0, 1e-4), (0, 0.3, 1.0)])
def test_one_step_back_is_a_bell_and_a_long_jump_is_not(s, gap_at_least, gap_at_most):
    c = linear_schedule().between(s, 400)
    figure = reverse_plots.reverse_curves(PEAKS, 0.2, c, title="a title")
    assert isinstance(figure, Figure)
    drawn = lines(figure.axes[0])
    (product,) = (xy for name, xy in drawn.items() if "product" in name)
    (gaussian,) = (xy for name, xy in drawn.items() if "Gaussian" in name)
    assert len(drawn) == 4
    exact = reverse_density(PEAKS, product[:, 0].contiguous(), 0.2, c)
    torch.testing.assert_close(product[:, 1], exact / exact.max())
    gap = (product[:, 1] - gaussian[:, 1]).abs().max().item()
    assert gap_at_least <= gap <= gap_at_most


def test_the_description_counts_the_peaks():
    schedule = linear_schedule()
    near = reverse_plots.describe_reverse(PEAKS, 0.2, schedule.between(399, 400))
    assert near == "beta of the jump is 0.008; the product has one peak, at 0.2"
    far = reverse_plots.describe_reverse(PEAKS, 0.2, schedule.between(0, 400))
    assert far == "beta of the jump is 0.805; the product has 2 peaks, at -1.0 and 1.0"


def test_weights_by_the_precisions_of_both_witnesses():
    schedule = cosine_schedule(T=20)
    left, right = reverse_plots.posterior_weights(schedule).axes
    weights, (ratio,) = lines(left), lines(right).values()
    for t in range(2, schedule.T + 1):
        c = schedule.at(t)
        near, far = c.alpha / c.beta, 1 / (1 - c.alpha_bar_prev)
        x_t = near / (near + far) / c.alpha**0.5
        x_0 = far / (near + far) * c.alpha_bar_prev**0.5
        assert weights["weight of $x_t$"][t - 1].tolist() == pytest.approx([t, x_t])
        assert weights["weight of $x_0$"][t - 1].tolist() == pytest.approx([t, x_0])
        assert ratio[t - 1].tolist() == pytest.approx([t, 1 / (near + far) / c.beta])
    assert weights["weight of $x_0$"][0].tolist() == pytest.approx([1, 1])
    assert ratio[0].tolist() == pytest.approx([1, 0])


def test_the_bell_over_the_histogram_is_a_density():
    p = Gaussian(0.7, 0.3)
    samples = p.mean + p.var**0.5 * torch.randn(1000, generator=torch.Generator().manual_seed(0))
    (axes,) = reverse_plots.histogram_and_bell(samples, p, x_label="$x_1$").axes
    (curve,) = lines(axes).values()
    assert torch.trapezoid(curve[:, 1], curve[:, 0]).item() == pytest.approx(1, abs=1e-3)
    assert sum(bar.get_height() * bar.get_width() for bar in axes.patches) == pytest.approx(1)
