"""Figures for the lessons, with matplotlib; nothing is set globally.

Every function returns a `Figure` that pyplot does not know, so none is left open. `show` puts one
on the page with an alternative text, as SVG: sharp at any size.
"""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

import matplotlib as mpl
import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ddpm_lessons.data.images import to_uint8
from ddpm_lessons.exact import Mixture
from ddpm_lessons.schedule import NoiseSchedule
from ddpm_lessons.show.chains import spread

# Okabe and Ito's palette, told apart by every kind of colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")

STYLE = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.labelsize": 12,
    "axes.prop_cycle": mpl.cycler(color=COLOURS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12.5,
    "figure.constrained_layout.h_pad": 0.1,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.1,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.7,
    "image.cmap": "gray",
    "image.interpolation": "none",  # native pixels, which SVG keeps sharp
    "legend.fontsize": 11,
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "mathtext.fontset": "dejavuserif",
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "ddpm-lessons",  # the same figure gives the same bytes
}


def style() -> AbstractContextManager[None]:
    """The house's style, for figures of your own: `with style(): ...`."""
    return mpl.rc_context(STYLE)


def show(figure: Figure, alt: str, *, caption: str | None = None) -> None:
    """Display a figure with the text `alt`, which says what is to be seen, and close it.

    caption: a line under the picture. Raises ValueError where `alt` is empty.
    """
    from IPython.display import HTML, display  # here: only a notebook has it

    display(HTML(figure_html(figure, alt, caption=caption)))


def figure_html(figure: Figure, alt: str, *, caption: str | None = None) -> str:
    """What `show` displays: a `<figure>` whose picture is inside it. The figure is closed."""
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError(f"alt is {alt!r}, expected a text that says what is to be seen")
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format="svg", dpi=200, metadata={"Date": None})
    plt.close(figure)  # one of pyplot's; our own are not among those
    width, height = (round(96 * side) for side in figure.get_size_inches())
    uri = f"data:image/svg+xml;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
    text = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return (
        f'<figure style="margin: 0.5em 0"><img src="{uri}" width="{width}" height="{height}" '
        f'alt="{html.escape(alt)}" style="max-width: 100%; height: auto; border-radius: 4px">'
        f"{text}</figure>"
    )


@style()
def schedule_curves(schedules: Mapping[str, NoiseSchedule]) -> Figure:
    """For each schedule: beta_t, alpha_bar_t, the amplitudes of signal and noise, their ratio."""
    figure = Figure(figsize=(9, 6.2))
    (beta, alpha_bar), (amplitude, ratio) = figure.subplots(2, 2)
    for i, (name, schedule) in enumerate(schedules.items()):
        t = torch.tensor(spread(schedule.T, 251))
        colour, kept = COLOURS[i % 6], schedule.alpha_bars[t]
        beta.plot(t[1:], schedule.betas[t[1:]], color=colour, label=name)
        alpha_bar.plot(t, kept, color=colour, label=name)
        amplitude.plot(t, kept.sqrt(), color=colour)
        amplitude.plot(t, (1 - kept).sqrt(), "--", color=colour)
        ratio.plot(t[1:], (kept / (1 - kept))[1:], color=colour, label=name)
    amplitude.plot([], [], color="0.3", label="signal")
    amplitude.plot([], [], "--", color="0.3", label="noise")
    ratio.axhline(1, color="0.3", linewidth=1, linestyle=":")
    beta.set(title=r"$\beta_t$, the variance that step $t$ adds", yscale="log")
    alpha_bar.set(title=r"$\bar\alpha_t$, the share of the image's variance left")
    amplitude.set(title=r"amplitudes $\sqrt{\bar\alpha_t}$ and $\sqrt{1-\bar\alpha_t}$")
    ratio.set(title=r"signal-to-noise ratio $\bar\alpha_t\,/\,(1-\bar\alpha_t)$", yscale="log")
    for axes in (beta, alpha_bar, amplitude, ratio):
        axes.set_xlabel("$t$")
        axes.legend()
    return figure


@style()
def marginal_densities(
    mixture: Mixture, schedule: NoiseSchedule, timesteps: Sequence[int] = (0, 100, 250, 500, 1000)
) -> Figure:
    """The density of q(x_t) of a mixture of numbers: for all t as a map, for `timesteps` as curves.

    Raises ValueError where the mixture is not over numbers (shape () or (1,)).
    """
    x = torch.linspace(-3.5, 3.5, 351, dtype=torch.float64)
    ts = torch.linspace(0, schedule.T, min(schedule.T + 1, 201)).round().long().tolist()
    alpha_bars = schedule.alpha_bars.tolist()
    density = {t: marginal_density(mixture, alpha_bars[t], x) for t in {*ts, *timesteps}}
    figure = Figure(figsize=(9, 3.8))
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    image = torch.stack([density[t] / density[t].max() for t in ts], dim=1).numpy()  # (x, t)
    left.imshow(
        image, extent=(0, schedule.T, -3.5, 3.5), aspect="auto", origin="lower", cmap="viridis",
        interpolation="bilinear",
    )  # fmt: skip
    left.grid(visible=False)
    left.set(xlabel="$t$", ylabel="$x_t$", title="$q(x_t)$, each $t$ scaled to its peak")
    shades = mpl.colormaps["viridis"](torch.linspace(0.0, 0.85, len(timesteps)).tolist())
    for t, shade in zip(timesteps, shades, strict=True):
        right.plot(x, density[t], color=shade, label=f"$t = {t}$")
    right.plot(x, torch.exp(-0.5 * x**2) / (2 * torch.pi) ** 0.5, "k:", label="$N(0, 1)$")
    right.set(xlabel="$x_t$", title="density of $q(x_t)$", ylim=(0, None))
    right.legend(fontsize=9.5)
    return figure


def marginal_density(mixture: Mixture, alpha_bar: float, x: Tensor) -> Tensor:
    """The density of q(x_t) at numbers x (N,), where alpha_bar_t = alpha_bar.

    Raises ValueError where the mixture is not over numbers (shape () or (1,)).
    """
    shape = tuple(mixture.means.shape[1:])
    if shape not in ((), (1,)):
        raise ValueError(f"mixture is over samples of shape {shape}, expected numbers: () or (1,)")
    return mixture.noised(alpha_bar).log_density(x.view(-1, *shape)).exp()


def draw_image(axes: Axes, image: Tensor) -> None:
    """One image (C, H, W) in [-1, 1] in its place, without an axis."""
    axes.imshow(to_uint8(image).cpu().permute(1, 2, 0).squeeze(-1).numpy(), vmin=0, vmax=255)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


@style()
def image_rows(
    rows: Sequence[Tensor], titles: Sequence[str], row_names: Sequence[str] | None = None
) -> Figure:
    """Rows of images (N, C, H, W) in [-1, 1], a title over each column, a name before each row."""
    if any(len(row) != len(titles) for row in rows) or not rows:
        raise ValueError(f"rows have {[len(row) for row in rows]} images, expected {len(titles)}")
    figure = Figure(figsize=(1.15 * len(titles) + 0.3, 1.15 * len(rows) + 0.45))
    figure.get_layout_engine().set(w_pad=0.04, h_pad=0.04)
    grid = figure.subplots(len(rows), len(titles), squeeze=False)
    for i, row in enumerate(rows):
        for axes, image in zip(grid[i], row, strict=True):
            draw_image(axes, image)
        if row_names is not None:
            grid[i, 0].set_ylabel(row_names[i])
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title, loc="center", fontsize=11)
    return figure
