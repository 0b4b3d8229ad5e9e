"""Lesson 06's figures show the steps, the chains and the densities that they are said to show."""

import pytest
import torch

from ddpm_lessons.exact import Mixture
from ddpm_lessons.gaussian import Gaussian
from ddpm_lessons.schedule import cosine_schedule
from ddpm_lessons.show import sampling_plots

TEN = cosine_schedule(T=10)
PEAKS = Mixture(torch.tensor([[-0.5], [1.5]]), torch.tensor([0.04, 0.16]), torch.tensor([0.7, 0.3]))


def lines(axes):
    return {line.get_label(): torch.as_tensor(line.get_xydata()) for line in axes.get_lines()}


def test_a_step_ends_at_the_mean_plus_sigma_z():
    """The article's numbers; a variance taken for sigma would end at 0.3988."""
    step = sampling_plots.StepBack(0.4, Gaussian(0.3978, 0.01), 0.1)
    assert step.x_prev == pytest.approx(0.4078, abs=1e-12)


def test_a_step_is_drawn_with_its_three_places():
    steps = {"small": (0.4, Gaussian(0.3978, 0.01), 0.1), "large": (1.2, Gaussian(0.35, 0.5), -2.0)}
    steps = {name: sampling_plots.StepBack(*step) for name, step in steps.items()}
    figure = sampling_plots.steps_back(steps)
    for axes, (name, step) in zip(figure.axes, steps.items(), strict=True):
        assert axes.get_title(loc="left") == name
        texts = " ".join(text.get_text() for text in axes.texts)
        for x in (step.x_t, step.p.mean, step.x_prev):
            assert f"= {x:.4g}" in texts
            assert axes.get_xlim()[0] < x < axes.get_xlim()[1]
        arrows = [(text.xyann[0], text.xy[0]) for text in axes.texts if text.arrow_patch]
        assert arrows == [(step.x_t, step.p.mean), (step.p.mean, step.x_prev)]


def test_ratios_stand_where_they_were_given_and_time_runs_down():
    t, ratio = torch.tensor([3, 2, 1]), torch.tensor([1.0, 1.5, 2.5])
    figure = sampling_plots.variance_errors({"a": {"x": (t, ratio)}, "b": {"y": (t, 1 / ratio)}})
    first, second = figure.axes
    assert lines(first)["x"].tolist() == torch.stack([t, ratio], dim=1).tolist()
    assert lines(second)["y"][:, 1].tolist() == pytest.approx((1 / ratio).tolist())
    assert first.get_xlim()[0] > first.get_xlim()[1]


@pytest.mark.parametrize("log_y", [True, False])
def test_lines_along_the_chain_keep_their_numbers_and_time_runs_down(log_y):
    t, y = torch.tensor([20, 10, 1]), torch.tensor([0.1, 0.2, 0.4])
    figure = sampling_plots.along_the_chain({"a": (t, y)}, y_label="size", log_y=log_y)
    (axes,) = figure.axes
    assert lines(axes)["a"].tolist() == torch.stack([t, y], dim=1).tolist()
    assert axes.get_xlim() == (20, 0)
    assert (axes.get_yscale() == "log") is log_y


def test_paths_have_the_colour_of_the_component_where_they_end():
    chains = torch.linspace(-2, 2, 11, dtype=torch.float64)[:, None].repeat(1, 3)
    chains[0] = torch.tensor([-0.4, 1.4, -3.0])
    (axes,) = sampling_plots.paths(PEAKS, TEN, chains).axes
    drawn = axes.get_lines()
    assert [line.get_color() for line in drawn] == [sampling_plots.COLOURS[i] for i in (0, 1, 0)]
    for line, chain in zip(drawn, chains.T, strict=True):
        assert line.get_xdata().tolist() == list(range(11))
        assert line.get_ydata().tolist() == chain.tolist()
    assert axes.get_xlim() == (10, 0)


def test_the_map_under_the_paths_is_the_density_from_T_to_0():
    (axes,) = sampling_plots.paths(PEAKS, TEN, torch.zeros(11, 1)).axes
    image = torch.as_tensor(axes.images[0].get_array())  # (x, t), from t = 10 to t = 0
    x = torch.linspace(sampling_plots.LOW, sampling_plots.HIGH, len(image), dtype=torch.float64)
    for column, t in ((0, 10), (-1, 0), (3, 7)):
        density = PEAKS.noised(TEN.alpha_bars[t].item()).log_density(x[:, None]).exp()
        torch.testing.assert_close(image[:, column], density / density.max())


@pytest.mark.parametrize("shape", [(10, 2), (11,), (2, 11)])
def test_paths_need_a_row_for_each_t(shape):
    with pytest.raises(ValueError, match=r"chains has shape .*, expected \(11, N\)"):
        sampling_plots.paths(PEAKS, TEN, torch.zeros(shape))


def test_histogram_and_curve_are_densities_of_the_same_t():
    alpha_bar = TEN.alpha_bars[4].item()
    samples = PEAKS.noised(alpha_bar).sample(5000, torch.Generator().manual_seed(0))
    figure = sampling_plots.histogram_and_density(samples, PEAKS, alpha_bar, title="t = 4")
    (axes,) = figure.axes
    curve = lines(axes)["exact $q(x_t)$"]
    assert torch.trapezoid(curve[:, 1], curve[:, 0]).item() == pytest.approx(1, abs=5e-3)
    exact = PEAKS.noised(alpha_bar).log_density(curve[:, :1].contiguous()).exp()
    torch.testing.assert_close(curve[:, 1], exact)
    normal = lines(axes)["$N(0, 1)$"]
    assert normal[:, 1].max().item() == pytest.approx(0.3989, abs=1e-4)
    assert sum(bar.get_height() * bar.get_width() for bar in axes.patches) == pytest.approx(1)
