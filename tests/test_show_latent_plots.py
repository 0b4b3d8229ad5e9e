"""Lesson 11's figures show the latents, the sums and the ratios that they are said to show."""

import oracles
import pytest
import torch
from matplotlib.colors import to_hex

from ddpm_lessons.schedule import linear_schedule
from ddpm_lessons.show import latent_plots
from ddpm_lessons.show.plots import COLOURS

SCHEDULE = linear_schedule(T=20, beta_1=0.01, beta_T=0.6)


def test_a_mosaic_has_each_map_in_its_place():
    """Latent [b, c, i, j] lies in square b and in that in quarter c; lines are one pixel wide."""
    z = torch.zeros(4, 4, 3, 3)
    z[2, 1, 0, 2], z[2, 3, 2, 0] = 3.0, -3.0
    picture = latent_plots.mosaic(z)
    side = 2 * (3 + 1) + 1  # a square of four maps
    assert picture.shape == (3, 2 * (side + 1) + 1, 2 * (side + 1) + 1)
    top, left = 1 + side + 1, 1  # where the third square begins: second row, first column
    red, green, blue = picture[:, top + 1, left + (3 + 1) + 1 + 2].tolist()  # quarter 1
    assert red > blue + 0.3
    assert green < -0.9
    red, green, blue = picture[:, top + (3 + 1) + 1 + 2, left + (3 + 1) + 1].tolist()  # quarter 3
    assert blue > red + 0.3
    strong = (picture.amax(dim=0) - picture.amin(dim=0)) > 0.2
    assert strong.sum() == 2  # all else is white or grey


def test_colours_grow_up_to_the_limit_and_no_further():
    z = torch.tensor([0.0, 0.5, 1.0, 2.0, 9.0]).view(5, 1, 1, 1)
    picture = latent_plots.mosaic(z, limit=2.0)  # a 3 x 3 grid of single pixels
    greens = [picture[1, 1 + 2 * (i // 3), 1 + 2 * (i % 3)].item() for i in range(5)]
    assert greens[0] == pytest.approx(0.94, abs=0.03)  # white
    assert greens[0] > greens[1] > greens[2] > greens[3] == greens[4]
    assert picture.min() >= -1
    assert picture.max() <= 1


def test_what_is_no_batch_of_latents_is_refused():
    with pytest.raises(ValueError, match=r"z has shape \(4, 7, 7\), expected \(B, C, h, w\)"):
        latent_plots.mosaic(torch.zeros(4, 7, 7))
    with pytest.raises(ValueError, match=r"limit is 0, expected a number in \(0, inf\)"):
        latent_plots.mosaic(torch.zeros(1, 4, 7, 7), limit=0)
    with pytest.raises(ValueError, match=r"x, z and back have 2, 1 and 2 entries, expected as"):
        latent_plots.codes(
            torch.zeros(2, 1, 8, 8), torch.zeros(1, 4, 2, 2), torch.zeros(2, 1, 8, 8)
        )


def test_codes_stand_beside_their_digit():
    x, z = oracles.images(2, 1, 8, 8).tanh(), oracles.images(2, 3, 2, 2, seed=1)
    back = oracles.images(2, 1, 8, 8, seed=2)
    figure = latent_plots.codes(x, z, back)
    rows = [figure.axes[6 * i : 6 * i + 6] for i in range(2)]
    titles = [axes.get_title() for axes in rows[0]]
    assert titles == ["digit", "channel 1", "channel 2", "channel 3", "decoded", "difference"]
    for row, image, code, again in zip(rows, x, z, back, strict=True):
        shown = [axes.get_images()[0].get_array() for axes in row]
        oracles.agree(torch.as_tensor(shown[0]) / 127.5 - 1, image[0], atol=0.005)
        for found, expected in zip(shown[1:4], code, strict=True):
            oracles.agree(torch.as_tensor(found), expected)
        oracles.agree(torch.as_tensor(shown[5]), (again.clamp(-1, 1) - image)[0], atol=1e-12)
        assert row[5].get_images()[0].get_clim() == (-1, 1)
        assert row[1].get_images()[0].get_clim() == (-3, 3)


def test_stacked_bars_add_up_and_keep_their_colours():
    panels = {
        "costs": {"pixels": {"fine": 3.0, "coarse": 1.5}, "latents": {"coarse": 1.25}},
        "numbers": {"pixels": {"fine": 7.0}, "latents": {"coarse": 2.0}},
    }
    costs, numbers = latent_plots.stacked(panels).axes
    bars = [(bar.get_x(), bar.get_width(), to_hex(bar.get_facecolor())) for bar in costs.patches]
    fine, coarse = (colour.lower() for colour in COLOURS[:2])
    assert bars == [(0, 3.0, fine), (3.0, 1.5, coarse), (0, 1.25, coarse)]
    assert [text.get_text().strip() for text in costs.texts] == ["4.5", "1.25"]
    assert [to_hex(bar.get_facecolor()) for bar in numbers.patches] == [fine, coarse]
    (legend,) = costs.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["fine", "coarse"]


def test_errors_stand_at_their_numbers():
    line, points = ([1, 10, 784], [60.0, 30.0, 0.0]), {"code": (196, 8.5), "small": (196, 20.0)}
    (axes,) = latent_plots.numbers_kept(line, points, line_name="best line").axes
    drawn = {one.get_label(): one.get_xydata().tolist() for one in axes.get_lines()}
    assert drawn == {
        "best line": [[1, 60], [10, 30], [784, 0]],
        "code": [[196, 8.5]],
        "small": [[196, 20]],
    }
    assert [text.get_text() for text in axes.get_xticklabels()][-1] == "784"


def test_maps_share_one_scale():
    panels = {"a": torch.tensor([[0.0, 1.0]]), "b": torch.tensor([[4.0, 2.0]])}
    *row, bar = latent_plots.maps(panels, label="nats").axes
    assert [axes.get_title() for axes in row] == ["a", "b"]
    for axes, values in zip(row, panels.values(), strict=True):
        (image,) = axes.get_images()
        assert image.get_clim() == (0, 4)
        oracles.agree(torch.as_tensor(image.get_array()), values)
    assert bar.get_ylabel() == "nats"


def test_spectra_are_drawn_as_given():
    variances = {"codes": torch.tensor([4.0, 1.0, 0.2]), "hoped": torch.tensor([1.0, 1.0, 1.0])}
    (axes,) = latent_plots.spectra(variances).axes
    assert axes.get_yscale() == "log"
    for line, (name, values) in zip(axes.get_lines(), variances.items(), strict=True):
        assert line.get_label() == name
        oracles.agree(torch.as_tensor(line.get_xdata()), [1, 2, 3])
        oracles.agree(torch.as_tensor(line.get_ydata()), values)


def test_a_larger_std_lifts_the_ratio_by_its_square():
    code, eps = oracles.images(1, 3, 3)[0], oracles.images(1, 3, 3, seed=1)[0]
    figure = latent_plots.in_noise(code, eps, SCHEDULE, std=5.0, timesteps=(2, 15))
    curves, *cells = figure.axes
    (grey, lifted, one) = curves.get_lines()
    ratios = torch.as_tensor(grey.get_ydata())
    kept = torch.as_tensor(oracles.alpha_bars_of(oracles.linear_betas(20, 0.01, 0.6)))[1:]
    oracles.agree(ratios, kept / (1 - kept), rtol=1e-9)
    oracles.agree(torch.as_tensor(lifted.get_ydata()), 25 * kept / (1 - kept), rtol=1e-9)
    assert one.get_ydata() == [1, 1]
    assert len(cells) == 4
    assert [cell.get_ylabel() for cell in cells] == ["variance 1", "", "std 5", ""]
    assert [cell.get_title() for cell in cells] == ["$t = 2$", "$t = 15$", "", ""]
    for cell, (scale, t) in zip(cells, [(1, 2), (1, 15), (5, 2), (5, 15)], strict=True):
        a = kept[t - 1]
        expected = (scale * a.sqrt() * code + (1 - a).sqrt() * eps) / (scale**2 * a + 1 - a).sqrt()
        oracles.agree(torch.as_tensor(cell.get_images()[0].get_array()), expected, atol=1e-12)
    with pytest.raises(ValueError, match=r"std is 0, expected a number in \(0, inf\)"):
        latent_plots.in_noise(code, eps, SCHEDULE, std=0, timesteps=(2,))
