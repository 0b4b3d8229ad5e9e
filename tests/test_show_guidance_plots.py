"""Lesson 10's figures show the densities with powers, the ends of chains, and what was measured."""

import pytest
import torch
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex

from ddpm_lessons.exact import Mixture
from ddpm_lessons.show import guidance_plots
from ddpm_lessons.show.guidance_plots import powered

TOLD = Mixture.gaussian(torch.tensor([1.0]), 0.25)
FREE = Mixture.gaussian(torch.tensor([0.0]), 1.0)
PLANE = Mixture([[-1.0, 0.0], [1.0, 0.5]], [0.1, 0.2], [0.5, 0.5])
LEFT = Mixture([[-1.0, 0.0]], [0.1], [1.0])


def lines(axes):
    return {line.get_label(): torch.as_tensor(line.get_xydata()) for line in axes.get_lines()}


@pytest.mark.parametrize(
    ("weight", "mean", "var"), [(0, 0.0, 1.0), (1, 1.0, 0.25), (3, 1.2, 0.1), (0.5, 0.8, 0.4)]
)
def test_a_bell_to_a_power_is_a_bell(weight, mean, var):
    """Precisions add up: 3 / 0.25 - 2 = 10, and (3 / 0.25) / 10 = 1.2."""
    x = torch.linspace(-4, 4, 801, dtype=torch.float64)
    found = powered(TOLD, FREE, x[:, None], weight=weight)
    expected = (-((x - mean) ** 2) / (2 * var)).exp()
    torch.testing.assert_close(found, expected / expected.max(), atol=1e-9, rtol=1e-9)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"weight is -1"):
        powered(TOLD, FREE, torch.zeros(2, 1), weight=-1)
    with pytest.raises(ValueError, match=r"levels has \['b'\], expected names of panels: \['a'\]"):
        guidance_plots.against_weight({"a": ([1, 2], [0.5, 0.6])}, levels={"b": 1.0})


def test_the_curves_on_the_line_are_densities_with_the_moments_given():
    ends = {"ODE": torch.tensor([1.5, 1 / 64]), "DDPM": torch.tensor([1.31, 0.067])}
    figure = guidance_plots.on_a_line(TOLD, FREE, ends, weight=3, top=3.4)
    (axes,) = figure.axes
    curves = list(lines(axes).values())
    expected = [(0.0, 1.0), (1.0, 0.25), (1.2, 0.1), (1.5, 1 / 64), (1.31, 0.067)]
    assert list(lines(axes))[-2:] == ["ODE", "DDPM"]
    for curve, (mean, var) in zip(curves, expected, strict=True):
        x, y = curve.T
        assert torch.trapezoid(y, x).item() == pytest.approx(1, abs=3e-3)
        assert torch.trapezoid(x * y, x).item() == pytest.approx(mean, abs=2e-2)
        found = torch.trapezoid((x - mean) ** 2 * y, x).item()
        assert found == pytest.approx(var, rel=0.04)
    assert axes.get_title(loc="left") == "$w = 3$"
    assert axes.get_ylim() == (0, 3.4)


def test_the_plane_shows_the_density_left_and_the_chains_right():
    ends = torch.tensor([[-1.0, 0.0], [-1.2, 0.3], [-2.0, 1.0]])
    paths = torch.stack([torch.zeros(2, 2), ends[:2]])  # (steps, n, 2)
    figure = guidance_plots.on_the_plane(LEFT, PLANE, ends, paths=paths, weight=2)
    formula, chains = figure.axes
    assert not formula.get_lines()
    *walks, dots = chains.get_lines()
    assert dots.get_xydata() == pytest.approx(ends.numpy())
    assert to_hex(dots.get_color()) == "#d55e00"
    for i, walk in enumerate(walks):
        assert walk.get_xydata() == pytest.approx(paths[:, i].numpy())
    assert "$w = 2$" in formula.get_title(loc="left")
    assert chains.get_title(loc="left") == "where 3 chains end, $w = 2$"


def test_the_shades_on_the_plane_are_the_density_with_the_power(monkeypatch):
    asked = []

    def recorded(told, free, x, *, weight):
        asked.append(weight)
        return powered(told, free, x, weight=weight)

    monkeypatch.setattr(guidance_plots, "powered", recorded)
    dot = torch.zeros(1, 2)
    figure = guidance_plots.on_the_plane(LEFT, PLANE, dot, paths=dot[None], weight=5)
    assert asked == [5, 1.0]  # left the power, right the label itself
    assert not any(isinstance(c, PathCollection) for c in figure.axes[0].collections)
    # the darkest shade lies at the label's mean, not mirrored or turned: x and y are not exchanged
    off = Mixture([[-1.0, 1.5]], [0.05], [1.0])
    both = Mixture([[-1.0, 1.5], [1.5, -1.0]], [0.05, 0.05], [0.5, 0.5])
    formula, _ = guidance_plots.on_the_plane(off, both, dot, paths=dot[None], weight=2).axes
    darkest = [path for path in formula.collections[0].get_paths() if len(path.vertices)][-1]
    assert darkest.vertices.mean(axis=0) == pytest.approx([-1.0, 1.5], abs=0.1)


def test_measured_points_stand_at_their_weights_with_real_digits_beside():
    panels = {"read": ([1, 2, 5], [0.9, 0.95, 1.0]), "ink": ([1, 2, 5], [0.1, 0.12, 0.2])}
    read, ink = guidance_plots.against_weight(panels, levels={"ink": 0.15}).axes
    assert [axes.get_title(loc="left") for axes in (read, ink)] == ["read", "ink"]
    (points,) = read.get_lines()
    assert points.get_xydata().tolist() == [[1, 0.9], [2, 0.95], [5, 1.0]]
    level, points = ink.get_lines()
    assert list(level.get_ydata()) == [0.15, 0.15]
    assert points.get_ydata().tolist() == [0.1, 0.12, 0.2]
    assert [text.get_text() for text in ink.texts] == ["real digits"]
    assert not read.texts
