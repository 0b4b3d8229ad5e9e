"""Lesson 04's figures show the shapes, the costs and the numbers that they are said to show."""

import pytest
import torch
from matplotlib.figure import Figure

from ddpm_lessons.models import UNet, UNetConfig
from ddpm_lessons.models.probe import Stop, walk
from ddpm_lessons.models.unet import sinusoids
from ddpm_lessons.show import unet_plots
from ddpm_lessons.show.diagrams import clashes

SHIPPED = UNetConfig()
WIDER = UNetConfig(widths=(16, 64, 192), blocks=(1, 1, 3))
DEEPER = UNetConfig(widths=(8, 16, 16, 24), blocks=(1, 2, 1, 2), groups=4)


def walked(config: UNetConfig, size: int = 32) -> list[Stop]:
    return walk(UNet(config), torch.zeros(1, 1, size, size), torch.tensor([5]))


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


# --- the diagram of the shapes ---


@pytest.mark.parametrize("config", [SHIPPED, WIDER], ids=lambda config: str(config.widths))
def test_every_stage_is_a_box_drawn_to_scale(config):
    stops = walked(config, 28)
    figure = unet_plots.shapes(stops)
    boxes = figure.axes[0].patches[: len(stops)]
    high = [
        box.get_height() / stop.features.shape[2] for box, stop in zip(boxes, stops, strict=True)
    ]
    assert high == pytest.approx([high[0]] * len(stops))
    wide = [
        box.get_width() / stop.features.shape[1] for box, stop in zip(boxes, stops, strict=True)
    ]
    assert wide[:-1] == pytest.approx([wide[0]] * (len(stops) - 1))  # one channel is a hairline
    for stop in stops:
        assert str(stop.features.shape[1]) in texts(figure)
    assert {"28 × 28", "14 × 14", "7 × 7"} <= set(texts(figure))
    assert clashes(figure) == []


def test_a_skip_joins_the_blocks_of_one_size():
    stops = walked(DEEPER)
    figure = unet_plots.shapes(stops)
    (axes,) = figure.axes
    places = {
        round(p.get_x() + p.get_width() / 2): s for p, s in zip(axes.patches, stops, strict=False)
    }
    skips = [line.get_xydata() for line in axes.lines if len(line.get_xydata()) == 4]
    assert len(skips) == 4  # one for each of the encoder's blocks
    for xy in skips:
        start, end = places[round(xy[0, 0])], places[round(xy[-1, 0])]
        assert (start.name[:4], end.name[:2]) == ("down", "up")
        assert start.features.shape == end.features.shape
    assert len({xy[1, 1] for xy in skips}) == 4  # and none hides another


def test_every_stage_has_a_kind():
    assert {unet_plots.kind(stop.name)[0] for stop in walked(DEEPER)} == {
        "convolution", "ResBlock", "halve", "attention", "double"
    }  # fmt: skip


# --- the costs ---


def test_the_levels_add_up():
    stops = walked(DEEPER)
    levels = unet_plots.by_level(stops)
    assert list(levels) == ["32 × 32", "16 × 16", "8 × 8", "4 × 4"]
    parameters, multiply_adds = (sum(counts) for counts in zip(*levels.values(), strict=True))
    assert parameters == sum(stop.parameters for stop in stops)
    assert multiply_adds == sum(stop.multiply_adds for stop in stops)
    finest = [stop for stop in stops if stop.features.shape[-1] == 32]
    assert levels["32 × 32"][0] == sum(stop.parameters for stop in finest)


def test_the_bars_are_millions():
    stops = walked(SHIPPED)
    for axes, i in zip(unet_plots.costs(stops).axes, (0, 1), strict=True):
        drawn = [bar.get_width() * 1e6 for bar in axes.patches]
        assert drawn == pytest.approx([counts[i] for counts in unet_plots.by_level(stops).values()])


# --- curves and maps ---


def test_lines_have_a_dot_at_their_lowest_point_and_marks():
    curves = {"one": ([1, 2, 3], [0.3, 0.1, 0.2]), "two": ([1, 2, 3], [0.3, 0.4, 0.05])}
    figure = unet_plots.lines(curves, x_label="x", y_label="y", marks=(2, 3))
    one, dot, two, other_dot, *upright = figure.axes[0].lines
    assert one.get_xydata().tolist() == [[1, 0.3], [2, 0.1], [3, 0.2]]
    assert two.get_color() != one.get_color()
    assert dot.get_xydata().tolist() == [[2, 0.1]]
    assert other_dot.get_xydata().tolist() == [[3, 0.05]]
    assert [line.get_xdata()[0] for line in upright] == [2, 3]
    assert len(unet_plots.lines(curves, x_label="x", y_label="y").axes[0].lines) == 2


def test_waves_hold_the_embedding_row_by_row():
    emb = sinusoids(torch.arange(700, 741), 8)
    figure = unet_plots.waves({"a name": emb}, first=700)
    (image,) = figure.axes[0].images
    assert torch.equal(torch.as_tensor(image.get_array().data), emb)
    assert image.get_extent() == [-0.5, 7.5, 740.5, 699.5]
    assert image.get_clim() == (-1, 1)


def test_distances_hold_the_norm_of_each_difference():
    t = torch.arange(1, 101, 10)
    emb = sinusoids(t, 8)
    (image,) = unet_plots.distances({"a name": emb}, t.tolist()).axes[0].images
    drawn = torch.as_tensor(image.get_array().data)
    for i, j in ((0, 0), (2, 7), (9, 1)):
        assert drawn[i, j].item() == pytest.approx((emb[i] - emb[j]).norm().item(), abs=1e-5)


# --- pictures ---


def test_heat_is_yellow_at_the_maximum_and_grey_where_nothing_is():
    shown = unet_plots.heat(torch.tensor([[0.0, 1e-9], [0.5, 5.0]]), decades=4)
    assert shown.dtype == torch.uint8
    assert shown[:, 0, 0].tolist() == [unet_plots.UNSEEN] * 3
    assert shown[:, 0, 1].tolist() == [68, 1, 84]  # the two ends of viridis
    assert shown[:, 1, 1].tolist() == [253, 231, 37]
    between = unet_plots.heat(torch.tensor([[0.01, 0.1, 1.0]]), decades=2)[:, 0, 1]
    assert (between - torch.tensor([33, 145, 140])).abs().max() <= 1  # its middle


def test_heat_of_nothing_is_grey():
    assert (unet_plots.heat(torch.zeros(2, 2)) == unet_plots.UNSEEN).all()


@pytest.mark.parametrize(
    "wrong", [torch.tensor([[-1.0]]), torch.tensor([[torch.nan]]), torch.ones(3)]
)
def test_heat_takes_numbers_from_0_up(wrong):
    with pytest.raises(ValueError, match=r"influence is .*expected"):
        unet_plots.heat(wrong)


def test_a_sheet_shows_the_liveliest_channels_each_from_black_to_white():
    ramp = torch.linspace(-1, 1, 16).view(4, 4)
    features = torch.stack([0 * ramp + 7, 2 * ramp, 9 * ramp.T, ramp, -4 * ramp])
    sheet = unet_plots.sheet(features, 4, size=8)
    assert sheet.shape == (1, 23, 23)  # two tiles, each in its frame, and three lines
    tiles = [sheet[0, i : i + 8, j : j + 8] for i in (2, 13) for j in (2, 13)]
    for tile, expected in zip(tiles, (ramp.T, -ramp, ramp, ramp), strict=True):
        torch.testing.assert_close(tile[::2, ::2], expected)
        assert torch.equal(tile[::2], tile[1::2])


def test_a_flat_channel_is_no_division_by_zero():
    assert torch.isfinite(unet_plots.sheet(torch.ones(4, 7, 7), 4)).all()


@pytest.mark.parametrize("shape", [(3, 7, 7), (1, 16, 7, 7)])
def test_a_sheet_needs_enough_channels(shape):
    with pytest.raises(ValueError, match=r"features have shape .*expected 16 channels"):
        unet_plots.sheet(torch.ones(shape))
