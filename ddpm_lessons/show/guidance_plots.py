"""The figures of lesson 10 in the house's style: densities to a power, and what a weight costs."""

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from torch import Tensor

from ddpm_lessons.door import check_number
from ddpm_lessons.exact import Mixture
from ddpm_lessons.show.plots import COLOURS, style

BLUE, ORANGE, GREEN = COLOURS[:3]
DASHES = ("--", "-.", ":")
LINE = torch.linspace(-3, 3, 1201, dtype=torch.float64)
HALF_WIDTH = 3.0  # of the square of the plane that is drawn
FINE = torch.linspace(-HALF_WIDTH, HALF_WIDTH, 121, dtype=torch.float64)

Line = tuple[Sequence[float] | Tensor, Sequence[float] | Tensor]  # x and y, (N,) each


def powered(told: Mixture, free: Mixture, x: Tensor, *, weight: float) -> Tensor:
    """p(x | label)^weight p(x)^(1 - weight) at the places x (N, *shape), (N,), its maximum being 1.

    told, free: the densities with and without the label. Raises ValueError where they do not fit.
    """
    check_number("weight", weight, "[0, inf)")
    log_density = weight * told.log_density(x) + (1 - weight) * free.log_density(x)
    return (log_density - log_density.max()).exp()


@style()
def on_a_line(
    told: Mixture, free: Mixture, ends: Mapping[str, Tensor], *, weight: float, top: float
) -> Figure:
    """Numbers: p(x), p(x | label) and the density to the power of `weight`, and for each name in
    `ends` the density of a Gaussian with the mean and the variance (2,) that a chain ends with.

    top: of the axis of the densities.
    """
    column = LINE[:, None]
    density = powered(told, free, column, weight=weight)
    density = density / torch.trapezoid(density, LINE)
    figure = Figure(figsize=(8.4, 3.6))
    axes = figure.subplots()
    axes.plot(LINE, free.log_density(column).exp(), color="0.55", linewidth=1.5, label="$p(x)$")
    axes.plot(LINE, told.log_density(column).exp(), color=BLUE, linewidth=1.5,
              label=r"$p(x \mid y)$")  # fmt: skip
    axes.fill_between(LINE, density, color=GREEN, alpha=0.25, linewidth=0)
    axes.plot(LINE, density, color=GREEN, label=r"$p(x \mid y)^w\,p(x)^{1-w}$")
    for (name, (mean, var)), dash, colour in zip(
        ends.items(), DASHES, (ORANGE, *COLOURS[3:]), strict=False
    ):
        curve = Mixture.gaussian(mean[None], var.item()).log_density(column).exp()
        axes.plot(LINE, curve, dash, color=colour, label=name)
    axes.set(xlabel="$x$", ylabel="density", title=f"$w = {weight:g}$", xlim=(-2, 2.6),
             ylim=(0, top))  # fmt: skip
    axes.legend(loc="upper left", fontsize=10.5)
    return figure


@style()
def on_the_plane(
    told: Mixture, free: Mixture, ends: Tensor, *, paths: Tensor, weight: float
) -> Figure:
    """The plane: left the density to the power of `weight`, right where chains `ends`, (N, 2), on
    the density of the label, with some `paths`, (steps, n, 2). Both over the outline of p(x).
    """
    points = torch.cartesian_prod(FINE, FINE)
    figure = Figure(figsize=(9.2, 4.9))
    formula, chains = figure.subplots(1, 2, sharey=True)
    for axes, at in ((formula, weight), (chains, 1.0)):
        density = powered(told, free, points, weight=at)
        shades = density.view(len(FINE), -1).T.sqrt()
        axes.contourf(FINE, FINE, shades, levels=9, vmin=0, vmax=1.7, cmap="Blues")
        _outline(axes, free)
    chains.plot(*paths.permute(2, 0, 1), color="0.35", linewidth=0.8)
    chains.plot(*ends.T, ".", color=ORANGE, markersize=3)
    formula.set_title(rf"$p(x \mid y)^w\,p(x)^{{1-w}}$ for $w = {weight:g}$")
    chains.set_title(f"where {len(ends)} chains end, $w = {weight:g}$")
    return figure


def _outline(axes: Axes, free: Mixture) -> None:
    """A line around where the density is above a tenth of its maximum."""
    density = free.log_density(torch.cartesian_prod(FINE, FINE)).exp().view(len(FINE), -1).T
    axes.contour(FINE, FINE, density, levels=[density.max().item() / 10], colors="0.5",
                 linewidths=1)  # fmt: skip
    axes.set(xlim=(-HALF_WIDTH, HALF_WIDTH), ylim=(-HALF_WIDTH, HALF_WIDTH))
    axes.set_aspect("equal")
    axes.grid(visible=False)


@style()
def against_weight(
    panels: Mapping[str, Line], *, levels: Mapping[str, float] | None = None
) -> Figure:
    """A panel for each name with measured shares (weight, y), (N,) each; `levels`: for some of the
    panels a height to compare with, that of real digits, drawn across.

    Raises ValueError where a level has no panel.
    """
    levels = levels or {}
    if unknown := set(levels) - set(panels):
        raise ValueError(f"levels has {sorted(unknown)}, expected names of panels: {list(panels)}")
    figure = Figure(figsize=(3.2 * len(panels), 3.5))
    places = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, (x, y)), colour in zip(places, panels.items(), COLOURS, strict=False):
        if title in levels:
            axes.axhline(levels[title], color="0.4", linewidth=1.2, linestyle=":")
            below = y[-1] > levels[title]  # where the line is not
            axes.annotate("real digits", (max(x), levels[title]), (0, -13 if below else 4),
                          textcoords="offset points", ha="right", color="0.35",
                          fontsize=10)  # fmt: skip
        axes.plot(x, y, "o-", color=colour, markersize=5.5)
        axes.set(title=title, xlabel="weight $w$")
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.margins(y=0.15)
    return figure
