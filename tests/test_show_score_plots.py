"""Lesson 08's figures show the slopes, the crowds and the sums that they are said to show."""

import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.quiver import Quiver

from ddpm_lessons.exact import Mixture
from ddpm_lessons.schedule import linear_schedule
from ddpm_lessons.show import score_plots

PEAKS = Mixture(
    torch.tensor([[-0.5], [1.5]]), torch.tensor([0.04, 0.16]), torch.tensor([0.75, 0.25])
)
PLANE = Mixture([[-1.0, 0.0], [1.0, 0.5]], [0.1, 0.2], [0.5, 0.5])


def lines(axes):
    return [torch.as_tensor(line.get_xydata()) for line in axes.get_lines()]


def test_the_third_curve_is_the_slope_of_the_second_and_that_the_log_of_the_first():
    density, logarithm, score = score_plots.slope(PEAKS, arrows=(-1.0, 0.8)).axes
    p, log_p, s = lines(density)[0], lines(logarithm)[0], lines(score)[0]
    torch.testing.assert_close(log_p[:, 1], p[:, 1].log(), atol=1e-9, rtol=1e-9)
    (slope,) = torch.gradient(log_p[:, 1], spacing=(log_p[:, 0],))
    torch.testing.assert_close(s[1:-1, 1], slope[1:-1], atol=0.05, rtol=0.01)
    assert torch.trapezoid(p[:, 1], p[:, 0]).item() == pytest.approx(1, abs=1e-4)


def test_arrows_and_tangents_follow_the_score():
    places = (-1.0, 0.8)
    density, logarithm, _ = score_plots.slope(PEAKS, arrows=places).axes
    tangents = lines(logarithm)[1:]
    for place, note, tangent in zip(places, density.texts, tangents, strict=True):
        slope = PEAKS.score(torch.tensor([[place]]).double()).item()
        assert (note.xy[0] - place) * slope > 0
        rise = (tangent[1, 1] - tangent[0, 1]) / (tangent[1, 0] - tangent[0, 0])
        assert rise.item() == pytest.approx(slope, rel=1e-6)


def test_a_field_points_along_each_score():
    turned = {"right": PLANE.score, "wrong": lambda x: -PLANE.score(x)}
    walk = torch.zeros(3, 4, 2)
    walk[1:, :, 0] = 1.0
    figure = score_plots.fields(turned, PLANE, paths=walk)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["right", "wrong"]
    for axes, sign in zip(figure.axes, (1, -1), strict=True):
        (quiver,) = (c for c in axes.collections if isinstance(c, Quiver))
        at = torch.as_tensor(quiver.XY)
        drawn = torch.stack([torch.as_tensor(quiver.U), torch.as_tensor(quiver.V)], dim=1)
        cosine = torch.cosine_similarity(drawn.double(), sign * PLANE.score(at), dim=1)
        assert cosine.min() > 0.999
        assert drawn.norm(dim=1).max() <= 1
        assert len(axes.get_lines()) == 5  # four paths, and the dots at their ends


def test_histograms_are_densities_under_the_exact_one():
    samples = {"one": PEAKS.sample(2000), "other": PEAKS.sample(500)}
    for axes, name in zip(score_plots.histograms(samples, PEAKS).axes, samples, strict=True):
        assert axes.get_title(loc="left") == name
        area = sum(bar.get_height() * bar.get_width() for bar in axes.patches)
        assert area == pytest.approx(1, abs=1e-6)
        (curve,) = lines(axes)
        exact = PEAKS.log_density(curve[:, :1].contiguous()).exp()
        torch.testing.assert_close(curve[:, 1], exact)


def test_paths_are_drawn_from_T_to_0():
    ts, x = [6, 3, 0], torch.tensor([[1.0, -1.0], [0.5, -0.5], [0.2, -0.6]])
    schedule = linear_schedule(6, 0.1, 0.97)
    left, right = score_plots.paths({"a": x, "b": 2 * x}, ts, PEAKS, schedule=schedule).axes
    for axes, scale in ((left, 1), (right, 2)):
        assert axes.get_xlim() == (6, 0)
        for i, path in enumerate(lines(axes)):
            torch.testing.assert_close(path[:, 1], scale * x[:, i].double())
            assert path[:, 0].tolist() == ts


def test_the_lines_along_a_place():
    place = torch.linspace(0, 1, 5)
    panels = {"t = 1": {"exact": place, "network": 2 * place}, "t = 2": {"exact": -place}}
    one, two = score_plots.along(panels, place, x_label="x", y_label="y").axes
    assert [axes.get_title(loc="left") for axes in (one, two)] == list(panels)
    assert lines(one)[1][:, 1].tolist() == (2 * place).tolist()
    assert lines(two)[0][:, 1].tolist() == (-place).tolist()


def test_the_bars_add_up():
    parts = {"bound": {"x_1": 1.0, "L_0": 0.5}, "ODE": {"x_1": 0.75, "L_0": 0.5}}
    (axes,) = score_plots.bits(parts).axes
    assert {text.get_text().strip() for text in axes.texts} >= {"1.50", "1.25", "1.00", "0.75"}
    first = [bar for bar in axes.patches if to_hex(bar.get_facecolor()) == "#0072b2"]
    assert [bar.get_width() for bar in first] == [1.0, 0.75]
    assert [bar.get_x() for bar in axes.patches if bar not in first] == [1.0, 0.75]
