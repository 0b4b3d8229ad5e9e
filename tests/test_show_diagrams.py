"""The drawing primitives: what is asked for is where it was asked for, in pixels of the page."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

from ddpm_lessons.data.images import to_uint8
from ddpm_lessons.show.diagrams import (
    INK,
    NETWORK,
    NOISE,
    PIXELS,
    SIGNAL,
    Place,
    arrow,
    badge,
    box,
    canvas,
    clashes,
    heading,
    picture,
    tint,
    write,
)

WHITE = [255, 255, 255]


def pixels(axes) -> np.ndarray:
    """The figure as it is seen on a page, (height, width, 3) in 0..255."""
    agg = FigureCanvasAgg(axes.figure)
    axes.figure.set_dpi(PIXELS)
    agg.draw()
    return np.asarray(agg.buffer_rgba())[..., :3].astype(int)


def ink(image: np.ndarray) -> tuple[int, int, int, int]:
    """The left, right, top and bottom pixel that is not white."""
    rows, columns = np.nonzero((image != WHITE).any(axis=2))
    return columns.min(), columns.max(), rows.min(), rows.max()


def rgb(colour: str) -> list[int]:
    return [round(255 * part) for part in mpl.colors.to_rgb(colour)]


def test_a_canvas_has_one_white_pixel_for_each_unit_and_y_runs_down():
    axes = canvas(120, 80)
    axes.plot([30], [20], "s", color="black", markersize=4)
    image = pixels(axes)
    assert image.shape == (80, 120, 3)
    assert (image[60:] == 255).all()
    left, right, top, bottom = ink(image)
    assert (left + right + 1) / 2 == pytest.approx(30, abs=1)
    assert (top + bottom + 1) / 2 == pytest.approx(20, abs=1)


def test_a_canvas_is_unknown_to_pyplot_and_can_be_saved_twice(tmp_path):
    figure = canvas(50, 50).figure
    with mpl.rc_context({"figure.constrained_layout.use": True}):
        figure.savefig(tmp_path / "first.png")
        figure.savefig(tmp_path / "second.png")  # a lost layout engine warns here
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("side", "point"),
    [("left", (67, 43)), ("right", (133, 43)), ("top", (103, 27)), ("bottom", (103, 73))],
)
def test_the_sides_of_a_place(side, point):
    assert Place(100, 50, 60, 40).at(side, gap=3, shift=3) == pytest.approx(
        point if side in ("top", "bottom") else (point[0], 53)
    )


def test_a_place_has_four_sides():
    with pytest.raises(ValueError, match=r"side is 'middle', expected one of .*'bottom'"):
        Place(0, 0, 1, 1).at("middle")


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_tint_lies_between_white_and_the_colour(share):
    expected = (1 - share) * np.ones(3) + share * np.array(mpl.colors.to_rgb(NOISE))
    assert tint(NOISE, share) == pytest.approx(tuple(expected))


def test_the_three_meanings_have_three_colours():
    assert len({SIGNAL, NOISE, NETWORK, INK}) == 4


@pytest.mark.parametrize(("align", "edge"), [("left", 0), ("right", 1)])
def test_text_begins_or_ends_at_the_point(align, edge):
    axes = canvas(200, 60)
    write(axes, (100, 30), "HHH", align=align)
    assert ink(pixels(axes))[edge] == pytest.approx(100, abs=3)


def test_capital_letters_stand_around_the_height_asked_for():
    axes = canvas(200, 60)
    write(axes, (100, 30), "H", size=24)
    left, right, top, bottom = ink(pixels(axes))
    assert (left + right) / 2 == pytest.approx(100, abs=1.5)
    assert (top + bottom) / 2 == pytest.approx(30, abs=2)


def test_neighbours_stand_on_one_line_whatever_their_letters():
    axes = canvas(200, 60)
    bottoms = [ink(pixels_of(axes, text))[3] for text in ("H", "x", "t")]
    assert max(bottoms) - min(bottoms) <= 1


def pixels_of(axes, text: str) -> np.ndarray:
    artist = write(axes, (100, 30), text, size=24)
    image = pixels(axes)
    artist.remove()
    return image


def test_a_heading_is_bold_and_begins_at_the_point():
    axes = canvas(200, 60)
    title = heading(axes, (40, 30), "HHH", colour=NETWORK)
    assert (title.get_weight(), title.get_color()) == ("bold", NETWORK)
    assert ink(pixels(axes))[0] == pytest.approx(40, abs=3)


def test_a_box_fills_its_place_with_a_tint_of_its_colour():
    axes, place = canvas(200, 100), Place(100, 50, 80, 40)
    assert box(axes, place, colour=NETWORK) == place
    image = pixels(axes)
    assert ink(image) == pytest.approx((60, 139, 30, 69), abs=2)  # half of the line lies outside
    assert image[50, 100].tolist() == pytest.approx([255 * part for part in tint(NETWORK)], abs=2)
    assert image[50, 60].tolist() == pytest.approx(rgb(NETWORK), abs=60)  # a smoothed line


def test_an_unfilled_box_is_white_and_holds_its_text():
    axes, place = canvas(200, 100), Place(100, 50, 80, 40)
    box(axes, place, "HH", filled=False)
    image = pixels(axes)
    assert image[60, 130].tolist() == WHITE
    assert ink(image[36:64, 66:134])[:2] == pytest.approx((22, 45), abs=8)  # in its middle


def test_a_picture_shows_its_own_pixels_at_its_place():
    x = torch.rand(1, 28, 28, generator=torch.Generator().manual_seed(0)) * 2 - 1
    axes = canvas(200, 100)
    assert picture(axes, (60, 50), x, side=56) == Place(60, 50, 56, 56)
    shown = pixels(axes)[22:78, 32:88]
    expected = to_uint8(x)[0].repeat_interleave(2, 0).repeat_interleave(2, 1).numpy()
    assert (shown == expected[..., None]).all()


def test_a_picture_saturates_outside_the_models_range():
    axes = canvas(100, 100)
    picture(axes, (50, 50), torch.tensor([[[-3.0, 3.0], [1.0, -1.0]]]), side=40)
    image = pixels(axes)
    corners = [image[y, x, 0] for y in (40, 60) for x in (40, 60)]
    assert corners == [0, 255, 255, 0]


def test_a_pictures_frame_has_its_colour():
    axes = canvas(100, 100)
    picture(axes, (50, 50), torch.zeros(1, 4, 4), side=40, colour=NOISE)
    assert pixels(axes)[50, 30].tolist() == pytest.approx(rgb(NOISE), abs=5)


@pytest.mark.parametrize("turned", [False, True])
def test_an_arrow_leads_from_point_to_point_with_its_head_at_the_end(turned):
    axes, ends = canvas(200, 100), [(30, 50), (170, 50)]
    arrow(axes, *(ends[::-1] if turned else ends), colour=NOISE)
    image = pixels(axes)
    assert ink(image)[:2] == pytest.approx((30, 170), abs=3)
    thickness = (image != WHITE).any(axis=2).sum(axis=0)
    head, tail = (40, 160) if turned else (160, 40)
    assert thickness[head] > thickness[tail] + 3


def test_an_arrow_may_have_two_heads_and_another_path():
    axes = canvas(200, 100)
    arrow(axes, (30, 20), (170, 80), head="<|-|>", path="angle,angleA=90,angleB=0")
    image = pixels(axes)
    assert (image[80, 60:150] != WHITE).any(axis=1).all()  # first down, then to the right
    assert (image[25:75, 90:110] == WHITE).all()


def test_a_badge_is_a_disc_with_a_white_number():
    axes = canvas(100, 100)
    badge(axes, (50, 50), "1", colour=NETWORK)
    image = pixels(axes)
    assert ink(image) == pytest.approx((37, 62, 37, 62), abs=1)
    assert image[50, 41].tolist() == rgb(NETWORK)
    assert (image[42:58, 44:56] == WHITE).all(axis=2).any()


def test_clashes_finds_nothing_where_all_can_be_read():
    axes = canvas(300, 100)
    write(axes, (80, 30), "one")
    write(axes, (80, 70), "two $x_t$")
    write(axes, (2, 50), "")
    assert clashes(axes.figure) == []


def test_clashes_finds_texts_on_each_other():
    axes = canvas(300, 100)
    write(axes, (80, 30), "one")
    write(axes, (90, 36), "two")
    assert clashes(axes.figure) == ["'one' overlaps 'two'"]


@pytest.mark.parametrize("at", [(0, 50), (300, 50), (150, 2), (150, 99)])
def test_clashes_finds_a_text_that_leaves_the_figure(at):
    axes = canvas(300, 100)
    write(axes, at, "one")
    assert clashes(axes.figure) == ["'one' leaves the figure"]
