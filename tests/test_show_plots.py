"""Figures and charts show the library's numbers, leave nothing open and change no setting."""

import base64
import math
import re
from runpy import run_path
from xml.etree import ElementTree

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
import torch

from ddpm_lessons.data.images import to_uint8
from ddpm_lessons.exact import Mixture
from ddpm_lessons.forward import q_sample
from ddpm_lessons.gaussian import Gaussian
from ddpm_lessons.schedule import Coefficients, NoiseSchedule, cosine_schedule, linear_schedule
from ddpm_lessons.show import plots
from ddpm_lessons.show.charts import BLUE, Curve, Window, bell, chart, legend, posterior_parts
from ddpm_lessons.show.drawings import posterior_drawing
from ddpm_lessons.show.plots import figure_html, show, style
from ddpm_lessons.show.source import show_source, source_markdown

LINEAR, COSINE = linear_schedule(), cosine_schedule()
PEAKS = Mixture(torch.tensor([-1.0, 1.0]), torch.tensor([0.04, 0.04]), torch.tensor([0.25, 0.75]))
ARTICLE = Coefficients(beta=0.01, alpha=0.99, alpha_bar=0.5, alpha_bar_prev=0.505)


def images(n: int) -> torch.Tensor:
    return torch.rand(n, 1, 28, 28, generator=torch.Generator().manual_seed(0)) * 2 - 1


def lines(axes) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [tuple(map(torch.as_tensor, line.get_data())) for line in axes.lines]


FIGURES = {
    "schedule_curves": lambda: plots.schedule_curves({"linear": LINEAR, "cosine": COSINE}),
    "marginal_densities": lambda: plots.marginal_densities(PEAKS, LINEAR),
    "image_rows": lambda: plots.image_rows([images(2), images(2)], ["a", "b"], ["one", "two"]),
}


def test_every_figure_of_the_module_is_tested_here():
    made = {
        name
        for name, function in vars(plots).items()
        if getattr(function, "__annotations__", {}).get("return") is plots.Figure
    }
    assert made == set(FIGURES)


def test_no_figure_is_left_open_and_no_setting_is_changed():
    before = dict(mpl.rcParams)
    for name in list(FIGURES) * 5:  # 35 calls; pyplot warns at 20 that are open
        FIGURES[name]()
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == before


def test_importing_plots_changes_no_setting():
    before = dict(mpl.rcParams)
    run_path(plots.__file__)
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("name", FIGURES)
def test_figures_give_the_same_svg_twice(name):
    first, second = (figure_html(FIGURES[name](), "what is seen") for _ in range(2))
    assert first == second
    svg = base64.b64decode(re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', first).group(1))
    assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    assert len(first) < 300_000


def test_show_closes_the_figure_and_says_what_is_seen(capsys):
    figure, axes = plt.subplots(figsize=(5, 2))
    axes.plot([1, 2])
    shown = figure_html(figure, 'a "rising" line', caption="Rising <fast>")
    assert plt.get_fignums() == []
    assert 'alt="a &quot;rising&quot; line"' in shown
    assert "<figcaption>Rising &lt;fast&gt;</figcaption>" in shown
    assert 'width="480" height="192"' in shown
    show(plots.image_rows([images(1)], ["one"]), "one image")
    assert "HTML object" in capsys.readouterr().out  # what display() writes without a notebook


@pytest.mark.parametrize("alt", ["", "  ", None])
def test_show_demands_a_text(alt):
    with pytest.raises(ValueError, match="alt is"):
        figure_html(plots.image_rows([images(1)], ["one"]), alt)


def test_style_is_a_context():
    before = mpl.rcParams["axes.spines.top"]
    with style():
        assert mpl.rcParams["axes.spines.top"] is False
    assert mpl.rcParams["axes.spines.top"] == before


def test_schedule_curves_draws_the_schedule():
    beta, alpha_bar, amplitude, ratio = plots.schedule_curves({"linear": LINEAR}).axes
    t, y = lines(beta)[0]
    assert (t[0], t[-1]) == (4, 1000)
    assert torch.equal(y, LINEAR.betas[t])
    t, y = lines(alpha_bar)[0]
    assert (t[0], t[-1], y[0]) == (0, 1000, 1)
    assert torch.equal(y, LINEAR.alpha_bars[t])
    (_, signal), (_, noise), *_ = lines(amplitude)
    torch.testing.assert_close(signal**2 + noise**2, torch.ones_like(signal))
    t, snr = lines(ratio)[0]
    torch.testing.assert_close(snr * (1 - LINEAR.alpha_bars[t]), LINEAR.alpha_bars[t])


def test_short_schedules_are_drawn_whole():
    with pytest.warns(UserWarning, match="alpha_bar_T"):
        four = linear_schedule(4)
    t, _ = lines(plots.schedule_curves({"four": four}).axes[0])[0]
    assert t.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("t", [0, 100, 1000])
def test_marginal_density_is_that_of_a_sampled_mixture(t):
    """By its own formula: the sum of the components, each scaled and widened by hand."""
    x = torch.linspace(-8, 8, 4001, dtype=torch.float64)
    kept = LINEAR.alpha_bars[t].item()
    density = plots.marginal_density(PEAKS, kept, x)
    var = kept * 0.04 + 1 - kept
    wanted = sum(
        weight * torch.exp(-0.5 * (x - mean * kept**0.5) ** 2 / var) / (2 * math.pi * var) ** 0.5
        for weight, mean in ((0.25, -1), (0.75, 1))
    )
    torch.testing.assert_close(density, wanted)
    assert torch.trapezoid(density, x).item() == pytest.approx(1, abs=1e-9)


def test_marginal_densities_takes_numbers_of_either_shape_and_nothing_else():
    column = Mixture(PEAKS.means[:, None], PEAKS.var, PEAKS.weights)
    _, right = plots.marginal_densities(column, LINEAR, [0, 300]).axes
    for (x, y), t in zip(lines(right), (0, 300), strict=False):
        wanted = plots.marginal_density(PEAKS, LINEAR.alpha_bars[t].item(), x)
        torch.testing.assert_close(y, wanted)
    plane = Mixture(torch.zeros(1, 2), torch.ones(1), torch.ones(1))
    with pytest.raises(ValueError, match="expected numbers"):
        plots.marginal_densities(plane, LINEAR)


def test_posterior_is_the_product_of_its_two_sources():
    """Multiplied on a grid and normalised, without Eq. (6, 7)."""
    x = torch.linspace(-3, 3, 60_001, dtype=torch.float64)
    parts = posterior_parts(0.8, 0.6, ARTICLE)
    product = torch.exp(parts.prior.log_prob(x)) * torch.exp(-((0.6 - 0.99**0.5 * x) ** 2) / 0.02)
    # The article's alpha_bar is rounded: 0.505 * 0.99 is 0.49995, so Eq. (6, 7) is off by 1e-4.
    product = product / torch.trapezoid(product, x)
    mean = torch.trapezoid(product * x, x).item()
    var = torch.trapezoid(product * (x - mean) ** 2, x).item()
    assert parts.posterior.mean == pytest.approx(mean, abs=2e-4)
    assert parts.posterior.var == pytest.approx(var, rel=2e-4)
    likelihood = torch.exp(parts.likelihood.log_prob(x))
    assert x[likelihood.argmax()].item() == pytest.approx(0.6 / 0.99**0.5, abs=1e-4)


def test_a_bell_is_a_density_scaled_to_1_and_a_spike_without_variance():
    x, y = bell(Gaussian(0.3, 0.04), -3, 3)
    assert (x.diff() >= 0).all()
    assert y.max() == 1
    density = torch.exp(Gaussian(0.3, 0.04).log_prob(x))
    torch.testing.assert_close(y, density / density.max())
    x, y = bell(Gaussian(0.3, 0.0), -3, 3)
    assert y.tolist() == [0, 1]
    assert x.tolist() == pytest.approx([0.3, 0.3])


def drawn(figure) -> list[torch.Tensor]:
    return [torch.as_tensor(axes.images[0].get_array().data) for axes in figure.axes]


def test_image_rows_shows_the_pixels_with_titles_and_names():
    x, y = images(2), -images(2)
    figure = plots.image_rows([x, y], ["a", "b"], ["one", "two"])
    wanted = [*to_uint8(x)[:, 0], *to_uint8(y)[:, 0]]
    assert all(map(torch.equal, drawn(figure), wanted))
    assert [axes.get_title() for axes in figure.axes] == ["a", "b", "", ""]
    assert [axes.get_ylabel() for axes in figure.axes] == ["one", "", "two", ""]
    for rows in ([images(3)], []):
        with pytest.raises(ValueError, match="rows"):
            plots.image_rows(rows, ["a", "b"])


def test_chart_places_its_points():
    window = Window((0, 10), (0, 2), (0, 10), (0, 2), size=(132, 144))  # a field of 100 x 100
    curve = Curve("a <b>", [0.0, 5.0, 10.0], [0.0, 1.0, 2.0], BLUE, "2 4")
    svg = ElementTree.fromstring(chart([curve], window, alt='1 < "2"', x_name="t", marker=2.5))
    assert svg.get("aria-label") == '1 < "2"'
    (line,) = svg.iter("polyline")
    assert line.get("points") == "0.0,100.0 50.0,50.0 100.0,0.0"
    assert line.get("stroke-dasharray") == "2 4"
    assert any(path.get("d").startswith("M25.0 0V") for path in svg.iter("path"))
    assert [text.text for text in svg.iter("text")] == ["0", "10", "0", "2", "t"]
    assert "a &lt;b&gt;" in legend([curve])


def test_chart_writes_short_numbers():
    svg = chart([], Window((-0.0020211, 1000), (0, 1), (-0.0020211, 1000)), alt="a", x_name="x")
    assert [text.text for text in ElementTree.fromstring(svg).iter("text")] == [
        "-0.00202", "1000", "x",
    ]  # fmt: skip


def test_posterior_drawing_says_the_articles_numbers():
    text = posterior_drawing(0.8, 0.6, ARTICLE, t=500)
    assert "0.01421 · x₀ + 0.985 · xₜ" in text
    assert "<b>0.6024</b>" in text
    assert "posterior with mean 0.602, standard deviation 0.0995" in text


def test_source_is_the_code_that_runs_under_its_place():
    text = source_markdown(q_sample, NoiseSchedule.at)
    assert (
        "**`ddpm_lessons/forward.py` · `q_sample`**\n\n```python\n@equation\ndef q_sample(" in text
    )
    assert "return c.alpha_bar**0.5 * x_0 + (1 - c.alpha_bar) ** 0.5 * eps\n```" in text
    assert "**`ddpm_lessons/schedule.py` · `NoiseSchedule.at`**\n\n```python\ndef at(self" in text
    assert source_markdown(q_sample) == source_markdown(q_sample)
    assert "class Gaussian(NamedTuple):" in source_markdown(Gaussian)


@pytest.mark.parametrize("objects", [(), (3,), (math.sqrt,), ("q_sample",)])
def test_source_refuses_what_has_none(objects):
    with pytest.raises(ValueError, match="objects"):
        source_markdown(*objects)


def test_show_source_displays(capsys):
    show_source(q_sample)
    assert "Markdown object" in capsys.readouterr().out
