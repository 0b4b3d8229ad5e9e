"""Lesson 14's figure shows the step that it is said to show."""

import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from ddpm_lessons.gaussian import Gaussian
from ddpm_lessons.show import calculator_plots
from ddpm_lessons.show.calculator_plots import Move, pixel_frames, pixel_on_a_line
from ddpm_lessons.show.player import player

BACK = Move("x_2", Gaussian(0.391, 0.64), -0.649, 0.5891, "x_3", 0.3316)
OUT = Move("x_1", Gaussian(0.96, 0.0784), 0.68, 1.0, "x_0")
DRAWN = Move("x_4", Gaussian(0.0, 1.0), 1.5)
LAST = Move("x_0", Gaussian(-1.0, 0.0), -1.0, -0.5655, "x_1", -1.0)


def parts(move):
    figure = pixel_on_a_line(move, title="a title")
    square, line = figure.axes
    return figure, square, line


def dots(line, marker="o"):
    """The places of the dots: height -> x."""
    found = [artist for artist in line.get_lines() if artist.get_marker() == marker]
    return {artist.get_ydata()[0]: artist.get_xdata()[0] for artist in found}


def arrows(line):
    return [(text.xyann[0], text.xy[0]) for text in line.texts if text.arrow_patch]


@pytest.mark.parametrize(
    ("end", "grey"), [(-1.0, 0), (0.0, 128), (0.6, 204), (1.0, 255), (1.5, 255), (-2.0, 0)]
)
def test_the_square_has_the_grey_of_the_new_state(end, grey):
    _, square, _ = parts(Move("x_1", Gaussian(0.0, 1.0), end))
    (image,) = square.images
    assert int(image.get_array().squeeze()) == pytest.approx(grey, abs=1)
    assert (image.get_clim(), image.get_cmap().name) == ((0, 255), "gray")
    assert f"$x_1$ = {end:g}".replace("-", "−") == square.get_xlabel()


def test_the_scale_of_greys_says_the_same_as_the_square():
    _, _, line = parts(OUT)
    (scale,) = line.images
    row = torch.as_tensor(scale.get_array())[0]
    low, high, *_ = scale.get_extent()
    x = torch.linspace(low, high, len(row))
    torch.testing.assert_close(row, x.clamp(-1, 1))
    assert scale.get_clim() == (-1, 1)
    assert line.get_xlim() == (low, high)


@pytest.mark.parametrize("move", [BACK, OUT, DRAWN])
def test_the_bell_is_the_one_that_the_step_draws_from(move):
    """By its peak and by its height one standard deviation away, e^-1/2."""
    _, _, line = parts(move)
    outline = torch.as_tensor(line.collections[0].get_paths()[0].vertices)
    x, y = outline[outline[:, 1] > 0].T
    order = x.argsort()
    x, y = x[order], y[order]
    mean, std = move.p.mean, move.p.var**0.5
    assert x[y.argmax()].item() == pytest.approx(mean, abs=1e-9)
    for place in (mean - std, mean + std):
        i = int(torch.searchsorted(x, place))
        share = (place - x[i - 1]) / (x[i] - x[i - 1])
        height = (y[i - 1] + share * (y[i] - y[i - 1])).item()
        assert height == pytest.approx(0.6065, abs=2e-3)


def test_a_step_with_noise_leads_by_two_arrows_over_the_mean():
    figure, _, line = parts(BACK)
    assert isinstance(figure, Figure)
    assert line.get_title(loc="left") == "a title"
    assert arrows(line) == [(0.5891, 0.391), (0.391, -0.649)]
    assert dots(line) == {1.5: 0.5891, 1.0: 0.391, 0.5: -0.649}
    assert list(dots(line, "D").values()) == [0.3316]
    texts = [text.get_text() for text in line.texts if text.get_text()]
    assert texts == [r"$\hat x_0$", "$x_3$ = 0.5891", "mean = 0.391", "$x_2$ = −0.649"]


def test_the_names_stand_on_the_sides_that_are_free():
    """Away from the arrows, and within the line at its ends."""

    def sides(move):
        texts = [text for text in parts(move)[2].texts if " = " in text.get_text()]
        return [text.get_horizontalalignment() for text in texts]

    assert sides(BACK) == ["left", "right", "right"]  # "left": the text begins at the dot
    assert sides(OUT._replace(end=1.2)) == ["left", "right", "left"]
    assert sides(DRAWN._replace(end=2.0)) == ["right", "right"]
    assert sides(DRAWN._replace(end=-2.0)) == ["right", "left"]


def test_the_last_step_has_no_noise_and_no_second_arrow():
    _, _, line = parts(LAST)
    assert arrows(line) == [(-0.5655, -1.0)]
    assert dots(line) == {1.5: -0.5655, 1.0: -1.0}


def test_a_start_has_nothing_before_it():
    _, _, line = parts(DRAWN)
    assert arrows(line) == [(0.0, 1.5)]
    assert dots(line) == {1.0: 0.0, 0.5: 1.5}
    assert not dots(line, "D")
    (point,) = (artist for artist in line.get_lines() if artist.get_ydata()[0] == 0.5)
    assert to_hex(point.get_color()).upper() == calculator_plots.ORANGE


def test_the_words_say_what_is_drawn():
    assert OUT.describe() == "bell of mean 0.96 and width 0.28, drawn x_1 = 0.68"
    told = "guess at x_0 0.3316, bell of mean 0.391 and width 0.8, drawn x_2 = −0.649"
    assert BACK.describe() == told
    assert LAST.describe() == "guess at x_0 −1, no noise: x_0 = −1"


def test_frames_are_a_players():
    figures, alts = pixel_frames([OUT, BACK], ["out", "back"])
    assert [figure.axes[1].get_title(loc="left") for figure in figures] == ["out", "back"]
    assert alts == [f"out: {OUT.describe()}", f"back: {BACK.describe()}"]
    assert "2 frames" in repr(player(figures, alts))


@pytest.mark.parametrize(
    "wrong", [{"end": 2.4}, {"start": -3.0}, {"p": Gaussian(5.0, 1.0)}, {"x0_hat": 9.0}]
)
def test_a_number_beyond_the_line_is_refused(wrong):
    with pytest.raises(ValueError, match=r"move reaches -?\d.*expected numbers in \(-2.4, 2.4\)"):
        pixel_on_a_line(BACK._replace(**wrong), title="")


def test_each_move_has_its_title():
    with pytest.raises(ValueError, match="titles has 1 entries, expected 2"):
        pixel_frames([OUT, BACK], ["out"])
