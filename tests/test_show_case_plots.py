"""Lesson 12's figures show the images and numbers that they are given, where they belong."""

import math

import pytest
import torch
from matplotlib.colors import to_hex, to_rgba

from ddpm_lessons.gaussian import Gaussian
from ddpm_lessons.show import case_plots

BLUE, ORANGE, GREEN = (to_hex(colour) for colour in case_plots.COLOURS[:3])


def images(n, seed=0):
    return 2 * torch.rand(n, 1, 28, 28, generator=torch.Generator().manual_seed(seed)) - 1


def test_a_slip_shows_ink_where_the_digits_have_it():
    digits, scan = images(3), images(3, seed=1)
    figure = case_plots.slip({"written": digits, "scanned": scan}, notes=["4", "?", "7"])
    for axes, name, given in zip(figure.axes, ("written", "scanned"), (digits, scan), strict=True):
        assert axes.get_title(loc="left") == name
        (image,) = axes.get_images()
        picture = torch.as_tensor(image.get_array())
        assert picture.shape == (28, 3 * 28, 4)
        for i in range(3):
            opacity = picture[:, 28 * i : 28 * (i + 1), 3]
            torch.testing.assert_close(opacity, (given[i, 0] + 1) / 2)
        assert [box.get_x() for box in axes.patches] == [-0.5, 27.5, 55.5]
    written, scanned = figure.axes
    assert len(written.texts) == 0
    assert [(text.get_text(), text.get_position()[0]) for text in scanned.texts] == [
        ("4", 14),
        ("?", 42),
        ("7", 70),
    ]


def test_the_stain_lies_on_the_last_line_and_hides_what_is_lost():
    lost = torch.zeros(2, 28, 28, dtype=torch.bool)
    lost[0, :, 20:], lost[1, 3, 5] = True, True
    first, last = case_plots.slip({"a": images(2), "b": images(2)}, lost=lost).axes
    assert len(first.get_images()) == 1
    stain = torch.as_tensor(last.get_images()[1].get_array())
    assert torch.equal(stain[..., 3].bool(), torch.cat([lost[0], lost[1]], dim=1))
    assert tuple(stain[3, 28 + 5].tolist()) == pytest.approx((*case_plots.COFFEE, 1))
    assert last.get_images()[1].get_zorder() > last.get_images()[0].get_zorder()


def test_a_slip_wants_one_image_for_each_box():
    with pytest.raises(ValueError, match=r"^rows has \(2, 1, 28, 28\) in 'b', expected \(3, 1, 28"):
        case_plots.slip({"a": images(3), "b": images(2)})
    with pytest.raises(ValueError, match=r"^rows has \(2, 1, 14, 14\) in 'a', expected"):
        case_plots.slip({"a": images(2)[..., :14, :14]})


def test_readings_stand_below_their_digits_and_the_right_one_is_green():
    rows = {"scan": images(2), "mean": images(2, seed=1)}
    shares = {"before": torch.eye(10)[[3, 8]], "after": torch.full((2, 10), 0.1)}
    figure = case_plots.readings(rows, shares, truth=[3, 9])
    assert len(figure.axes) == 8
    for i, (name, given) in enumerate(rows.items()):
        left, right = figure.axes[2 * i : 2 * i + 2]
        assert left.get_ylabel() == name
        for axes, image in zip((left, right), given, strict=True):
            shown = torch.as_tensor(axes.get_images()[0].get_array()).float()
            assert (shown - 127.5 * (image[0] + 1)).abs().max() <= 0.51
    for i, (name, given) in enumerate(shares.items()):
        places = figure.axes[4 + 2 * i : 6 + 2 * i]
        assert places[0].get_ylabel() == name
        for axes, share, right in zip(places, given, (3, 9), strict=True):
            heights = [bar.get_height() for bar in axes.patches]
            assert heights == pytest.approx(share.tolist())
            colours = [to_hex(bar.get_facecolor()).upper() for bar in axes.patches]
            assert colours == [GREEN.upper() if k == right else ORANGE.upper() for k in range(10)]


def test_readings_want_as_many_of_each():
    with pytest.raises(ValueError, match=r"^'after' has 3 entries, expected 2 like truth"):
        case_plots.readings({"scan": images(2)}, {"after": torch.ones(3, 10)}, truth=[1, 2])


def test_bells_have_their_areas_and_their_peaks():
    prior, posterior = Gaussian(0.0, 0.25), Gaussian(0.3, 0.125)
    (axes,) = case_plots.bells(prior, posterior, y=0.6, noise_std=0.5).axes
    *curves, line = axes.get_lines()
    for curve, mean, var in zip(curves, (0, 0.6, 0.3), (0.25, 0.25, 0.125), strict=True):
        x, density = (torch.as_tensor(v) for v in curve.get_data())
        assert torch.trapezoid(density, x).item() == pytest.approx(1, abs=2e-3)
        assert x[density.argmax()].item() == pytest.approx(mean, abs=1e-9)
        assert density.max().item() == pytest.approx(1 / math.sqrt(2 * math.pi * var))
    assert list(line.get_xdata()) == [0.6, 0.6]
    assert "0.5" in axes.get_title(loc="left")


def test_an_ellipse_holds_95_per_cent():
    mean = torch.tensor([0.5, -1.0]).double()
    covariance = torch.tensor([[2.0, 0.9], [0.9, 0.5]]).double()
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(40_000, 2, generator=generator, dtype=torch.float64)
    points = mean + z @ torch.linalg.cholesky(covariance).T
    outline = case_plots.ellipse(mean, covariance)
    inside = outline.get_path().contains_points(points.numpy(), outline.get_patch_transform())
    assert inside.mean() == pytest.approx(0.95, abs=0.005)
    bent = torch.tensor([[1.0, 0.0], [0.0, -1.0]]).double()  # the other diagonal: another ellipse
    mirrored = case_plots.ellipse(mean, bent @ covariance @ bent)
    inside = mirrored.get_path().contains_points(points.numpy(), mirrored.get_patch_transform())
    assert inside.mean() < 0.85


def test_clouds_lie_over_both_ellipses():
    cloud = {name: torch.full((5, 2), i / 10) for i, name in enumerate("abcd")}
    posterior = (torch.tensor([0.5, 0.4]), torch.diag(torch.tensor([0.04, 0.01])))
    figure = case_plots.clouds(cloud, torch.eye(2) / 4, posterior, y=0.6)
    drawn, empty = figure.axes[:4], figure.axes[4:]
    assert [axes.axison for axes in empty] == [False, False]
    for axes, (name, x) in zip(drawn, cloud.items(), strict=True):
        assert axes.get_title(loc="left") == name
        points, line = axes.get_lines()
        torch.testing.assert_close(torch.as_tensor(points.get_xydata()).float(), x)
        assert list(line.get_xdata()) == [0.6, 0.6]
        prior, exact = axes.patches
        assert tuple(prior.get_center()) == (0, 0)
        assert sorted([prior.width, prior.height]) == pytest.approx([2 * 5.991**0.5 / 2] * 2)
        assert tuple(exact.get_center()) == pytest.approx((0.5, 0.4))
        assert to_rgba(exact.get_edgecolor()) == to_rgba(BLUE)


def test_what_passed_is_drawn_above_what_the_data_say():
    lines = {"mean": [1.0, 0.4], "samples": [0.9, -0.1]}
    share, data = case_plots.passed([0.1, 1.0], lines, clarity=[18.0, 1.8], seen_at=4).axes
    for line, (name, y) in zip(share.get_lines(), lines.items(), strict=False):
        assert line.get_label() == name
        assert line.get_xydata().tolist() == [[0.1, y[0]], [1.0, y[1]]]
    levels = [line.get_ydata()[0] for line in share.get_lines()[2:]]
    assert levels == [1, 0]
    curve, level = data.get_lines()
    assert curve.get_xydata().tolist() == [[0.1, 18.0], [1.0, 1.8]]
    assert level.get_ydata()[0] == 4
    assert data.get_yscale() == "log"
    assert data.texts[0].get_text() == "4: visible"
