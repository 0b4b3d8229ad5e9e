"""Lesson 09's figures show the numbers that they are given, and on the axes that they promise."""

import math

import pytest
import torch
from matplotlib.colors import to_hex

from ddpm_lessons.exact import Mixture
from ddpm_lessons.show import fast_plots

PEAKS = Mixture(
    torch.tensor([[-0.5], [1.5]]), torch.tensor([0.04, 0.16]), torch.tensor([0.75, 0.25])
)
BLUE, ORANGE = (to_hex(colour) for colour in fast_plots.COLOURS[:2])


def lines(axes):
    return [torch.as_tensor(line.get_xydata()) for line in axes.get_lines()]


def row(name, calls, fid):
    return {"name": name, "sampler": "any", "calls": calls, "fid": fid, "fid_low": 0.9 * fid,
            "fid_high": 1.2 * fid, "confident": 1 - fid / 10, "samples": 1000}  # fmt: skip


def test_a_coupling_shows_both_groups_and_the_exact_density():
    x_t, x_s = torch.linspace(-1, 1, 40).double(), torch.linspace(2, -2, 40).double()
    group = torch.arange(40) % 4 == 0
    pairs, spread = fast_plots.coupling(x_t, x_s, PEAKS, group=group, title="half").axes
    assert pairs.get_title(loc="left") == "half"
    for members, points, colour in zip((~group, group), pairs.get_lines(), (BLUE, ORANGE),
                                       strict=True):  # fmt: skip
        assert points.get_color().lower() == colour
        expected = torch.stack([x_t[members], x_s[members]], dim=1)
        torch.testing.assert_close(torch.as_tensor(points.get_xydata()), expected)
    (curve,) = lines(spread)
    torch.testing.assert_close(curve[:, 0], PEAKS.log_density(curve[:, 1:].contiguous()).exp())
    area = sum(bar.get_width() * bar.get_height() for bar in spread.patches)
    assert area == pytest.approx(1, abs=1e-6)  # both groups together, stacked


def test_powers_are_straight_lines_over_steps():
    n = [10, 20, 40]
    panels = {"a": {"one": (n, [1.0, 0.5, 0.25])}, "b": {"two": (n, [1.0, 0.25, 0.0625])}}
    figure = fast_plots.over_steps(panels, y_label="error", slopes={"1/n": (n, [3, 2, 1])}, level=1)
    for axes, (title, curves) in zip(figure.axes, panels.items(), strict=True):
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        assert axes.get_title(loc="left") == title
        slope, level, drawn = lines(axes)
        assert slope[:, 1].tolist() == [3, 2, 1]
        assert level[:, 1].tolist() == [1, 1]
        ((x, y),) = curves.values()
        assert drawn.T.tolist() == [x, y]
        assert [text.get_text() for text in axes.texts] == ["1/n"]
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["10", "20"]


def test_the_labels_of_a_wide_axis_have_room():
    x = [5, 1000]
    (axes,) = fast_plots.over_steps({"": {"one": (x, x)}}, y_label="y").axes
    assert axes.get_xticks().tolist() == [10, 30, 100, 300, 1000]


def test_paths_lie_over_the_exact_ones_and_run_from_T_to_0():
    exact = ([4, 2, 0], torch.tensor([[1.0, -1.0], [0.7, -0.6], [0.5, -0.5]]))
    walks = {"few": ([4, 0], torch.tensor([[1.0, -1.0], [0.4, -0.2]]))}
    (axes,) = fast_plots.paths(exact, walks).axes
    left, right = axes.get_xlim()
    assert left > 4 > 0 > right
    assert axes.get_title(loc="left") == "few"
    drawn = lines(axes)
    for i in range(2):
        assert drawn[i][:, 1].tolist() == exact[1][:, i].tolist()
        assert drawn[2 + i].tolist() == [[4, exact[1][0, i]], [0, walks["few"][1][1, i]]]


def test_quality_is_drawn_with_its_whiskers_in_the_order_of_calls():
    floor = row("real digits", 0, 0.2)
    rows = [row("ddim", 50, 0.8), floor, row("ddim", 10, 2.0), row("ddpm", 1000, 1.0)]
    figure = fast_plots.quality(rows)
    distance, share = figure.axes
    assert (distance.get_xscale(), distance.get_yscale()) == ("log", "log")
    (band,) = distance.patches
    assert (band.get_y(), band.get_height()) == pytest.approx((0.9 * 0.2, 0.3 * 0.2))
    ddim, ddpm = distance.containers
    assert ddim.get_label() == "ddim"
    assert ddim.lines[0].get_xydata().tolist() == [[10, 2.0], [50, 0.8]]
    assert ddpm.lines[0].get_xydata().tolist() == [[1000, 1.0]]
    (whiskers,) = ddim.lines[2]
    ends = [segment[:, 1].tolist() for segment in whiskers.get_segments()]
    assert ends == [pytest.approx([0.9 * fid, 1.2 * fid]) for fid in (2.0, 0.8)]
    level, first, second = lines(share)
    assert level[0, 1].item() == pytest.approx(0.98)
    assert first.tolist() == [pytest.approx([10, 0.8]), pytest.approx([50, 0.92])]
    assert second.tolist() == [pytest.approx([1000, 0.9])]
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert set(named) == {"real digits", "ddim", "ddpm"}


def test_quality_says_what_a_row_lacks():
    with pytest.raises(ValueError, match=r"^rows is \[\]"):
        fast_plots.quality([])
    for key in fast_plots.COLUMNS:
        lame = {name: x for name, x in row("ddim", 10, 1.0).items() if name != key}
        with pytest.raises(ValueError, match=f"^rows has a row without '{key}'"):
            fast_plots.quality([lame])


def test_prices_are_bars_with_their_numbers():
    seconds = {"chain": 11.84, "fifteen": 0.1776, "call": 0.00234}
    (axes,) = fast_plots.prices(seconds).axes
    assert axes.get_xscale() == "log"
    assert [bar.get_width() for bar in axes.patches] == list(seconds.values())
    assert [text.get_text().strip() for text in axes.texts] == ["11.8 s", "178 ms", "2.3 ms"]
    left, right = axes.get_xlim()
    assert left < 0.00234
    assert right > 11.84
    assert axes.yaxis_inverted()
    assert math.isfinite(right)


def test_ten_samplers_are_ten_lines():
    """There are fewer colours and marks than that."""
    distance, share = fast_plots.quality([row(f"{i}", 10 + i, 1.0 + i) for i in range(10)]).axes
    assert [drawn.get_label() for drawn in distance.containers] == [f"{i}" for i in range(10)]
    looks = {(line.get_color(), line.get_marker()) for line in share.get_lines()}
    assert len(share.get_lines()) == 10
    assert len(looks) >= 7
