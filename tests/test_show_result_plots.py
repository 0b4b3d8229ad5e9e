"""Lesson 07's figures show the numbers that they are given, where they belong."""

import math

import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ddpm_lessons.evaluation import Interval
from ddpm_lessons.show import result_plots
from ddpm_lessons.show.result_plots import Trend


def images(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.rand(n, 1, 6, 6, generator=generator) - 1


def line_named(axes, label):
    (found,) = (line for line in axes.get_lines() if line.get_label() == label)
    return torch.as_tensor(found.get_xydata())


def whiskers(axes):
    """The ends of every upright whisker, {(x, low, high)}, rounded."""
    found = set()
    for collection in axes.collections:
        for segment in getattr(collection, "get_segments", list)():
            (x, low), (same, high) = segment
            if x == same and low != high:
                found.add((round(x, 4), round(low, 4), round(high, 4)))
    return found


def test_a_table_has_each_image_in_its_place():
    x = images(6).view(2, 3, 1, 6, 6)
    table = result_plots.table(x, gap=2)
    assert table.shape == (1, 2 * 8 - 2, 3 * 8 - 2)
    for row in range(2):
        for column in range(3):
            part = table[:, 8 * row : 8 * row + 6, 8 * column : 8 * column + 6]
            torch.testing.assert_close(part, x[row, column])
    assert (table[:, 6:8] == -1).all()


def test_a_table_wants_rows_and_columns():
    with pytest.raises(ValueError, match="rows, columns"):
        result_plots.table(images(6))


def test_crowds_are_drawn_whole_and_named():
    figure = result_plots.crowds({"A": images(9), "B": images(4)})
    assert isinstance(figure, Figure)
    assert [axes.get_title(loc="center") for axes in figure.axes] == ["A", "B"]
    sizes = [axes.get_images()[0].get_array().shape for axes in figure.axes]
    assert sizes == [(3 * 7 + 1, 3 * 7 + 1), (2 * 7 + 1, 2 * 7 + 1)]


def test_each_image_has_its_own_caption():
    rows = {"first": (images(3), ["a", "b", "c"]), "second": (images(2), ["d", "e"])}
    axes = result_plots.captioned(rows).axes
    assert [place.get_xlabel() for place in axes] == ["a", "b", "c", "d", "e", ""]
    assert [axes[0].get_ylabel(), axes[3].get_ylabel()] == ["first", "second"]
    assert not axes[5].axison


@pytest.mark.parametrize("rows", [{}, {"first": (images(3), ["a", "b"])}])
def test_captions_that_do_not_match_are_refused(rows):
    with pytest.raises(ValueError, match="captions"):
        result_plots.captioned(rows)


def test_class_shares_carry_two_standard_errors():
    share, n = [0.1, 0.3, 0.6], 50
    (axes,) = result_plots.class_shares(share, n, [0.2, 0.3, 0.5]).axes
    assert [bar.get_height() for bar in axes.patches] == pytest.approx(share)
    expected = {
        (float(k), round(p - 2 * e, 4), round(p + 2 * e, 4))
        for k, p in enumerate(share)
        for e in [math.sqrt(p * (1 - p) / n)]
    }
    assert expected <= whiskers(axes)


def test_a_line_of_doubts_counts_the_images_beyond():
    (axes,) = result_plots.doubts({"a": torch.tensor([0.5, 0.99, 0.8, 0.9999])}).axes
    expected = torch.tensor([[0.5, 0.25], [0.2, 0.5], [0.01, 0.75], [1e-4, 1.0]]).double()
    torch.testing.assert_close(line_named(axes, "a"), expected, atol=1e-6, rtol=1e-3)


def test_distances_over_n_with_their_intervals():
    floor = [Interval(5.0, 4.0, 7.0), Interval(1.0, 0.5, 1.5)]
    kid = [Interval(0.1, -0.2, 0.5)]
    panels = {"FID": {"floor": ([100, 1000], floor)}, "KID": {"floor": ([100], kid)}}
    left, right = result_plots.against_n(panels).axes
    assert {(100.0, 4.0, 7.0), (1000.0, 0.5, 1.5)} <= whiskers(left)
    assert (100.0, -0.2, 0.5) in whiskers(right)
    assert [left.get_yscale(), right.get_yscale()] == ["log", "linear"]


def test_a_ruler_has_a_row_for_each_name():
    values = {"real": Interval(1.0, 0.5, 2.0), "ours": Interval(8.0, 7.0, 9.0)}
    (axes,) = result_plots.ruler(values, marked=["ours"]).axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["real", "ours"]
    points = {
        tuple(line.get_xydata()[0]): line.get_color()
        for line in axes.get_lines()
        if line.get_marker() == "o"
    }
    assert points == {(1.0, 0): result_plots.BLUE, (8.0, 1): result_plots.ORANGE}


def test_a_histogram_is_of_shares():
    values = {"a": torch.tensor([0.1, 0.2, 3.9, 4.0]), "b": torch.tensor([1.1])}
    (axes,) = result_plots.histograms(values, x_label="distance", bins=4).axes
    bars = [bar for bar in axes.patches if isinstance(bar, Rectangle)]
    filled = [bar.get_height() for bar in bars if bar.get_height() > 0]
    assert filled == pytest.approx([0.5, 0.5, 1.0])


def test_trends_run_backwards_in_time_with_two_standard_errors():
    trend = Trend([100, 200], torch.tensor([0.8, 0.4]), torch.tensor([0.1, 0.05]))
    panels = {"share": {"real": trend, "chains": trend}, "distance": {"real": trend}}
    left, right = result_plots.over_t(panels, levels={"share": {"chance": 0.25}}).axes
    assert left.xaxis_inverted()
    assert right.xaxis_inverted()
    assert {(100.0, 0.6, 1.0), (200.0, 0.3, 0.5)} <= whiskers(left) & whiskers(right)
    assert [text.get_text() for text in left.texts] == ["chance"]
    assert not right.texts
    assert len(left.get_legend().get_texts()) == 2


def test_classes_stand_over_their_bands():
    real = [Interval(6.0, 5.0, 7.0), Interval(9.0, 8.0, 10.0)]
    (axes,) = result_plots.by_class([6.5, 12.0], real, y_label="distance").axes
    bands = [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in axes.patches]
    assert bands == [(5.0, 7.0), (8.0, 10.0)]
    assert line_named(axes, "samples")[:, 1].tolist() == [6.5, 12.0]
