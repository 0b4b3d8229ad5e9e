"""The figures of lesson 08 in the house's style: slopes, fields, walks and paths."""

from collections.abc import Callable, Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ddpm_lessons.exact import Mixture
from ddpm_lessons.schedule import NoiseSchedule
from ddpm_lessons.show.plots import COLOURS, marginal_density, style

BLUE, ORANGE, GREEN = COLOURS[:3]
LINE = torch.linspace(-3.2, 3.2, 641, dtype=torch.float64)


@style()
def slope(mixture: Mixture, *, arrows: Sequence[float] = ()) -> Figure:
    """Numbers: the density, its logarithm and the slope of that, the score; and at each place of
    `arrows` one that points along the score, on the axis of the first panel.
    """
    figure = Figure(figsize=(9, 3.4))
    density, logarithm, score = figure.subplots(1, 3)
    column = LINE[:, None]
    density.fill_between(LINE, mixture.log_density(column).exp(), color=BLUE, alpha=0.25)
    density.plot(LINE, mixture.log_density(column).exp(), color=BLUE)
    logarithm.plot(LINE, mixture.log_density(column), color=BLUE)
    score.plot(LINE, mixture.score(column)[:, 0], color=ORANGE)
    score.axhline(0, color="0.3", linewidth=1)
    for place in arrows:
        at = torch.tensor([[place]], dtype=torch.float64)
        length = 0.5 * torch.tanh(mixture.score(at)[0, 0] / 4).item()
        arrow = {"arrowstyle": "-|>", "color": ORANGE, "linewidth": 2}
        density.annotate("", (place + length, 0.03), (place, 0.03), arrowprops=arrow)
        height = mixture.log_density(at).item()
        tilt = 0.35 * mixture.score(at)[0, 0].item()
        logarithm.plot([place - 0.35, place + 0.35], [height - tilt, height + tilt], color=ORANGE)
    density.set(title="density $q(x)$", ylim=(0, None))
    logarithm.set(title=r"its logarithm, and tangents", ylim=(-10, 1))
    score.set(title=r"their slope: the score", ylim=(-14, 14))
    for axes in (density, logarithm, score):
        axes.set(xlabel="$x$", xlim=(-2.6, 2.6))
    return figure


@style()
def fields(
    scores: Mapping[str, Callable[[Tensor], Tensor]],
    mixture: Mixture,
    *,
    half_width: float = 2.6,
    paths: Tensor | None = None,
) -> Figure:
    """For each score of a point in the plane: arrows along it, over the density of `mixture`.

    The arrows' length grows with the score, but less than in proportion. paths: (steps, N, 2),
    drawn as lines that end in a dot.
    """
    figure = Figure(figsize=(4.6 * len(scores), 4.5))
    panels = figure.subplots(1, len(scores), squeeze=False)[0]
    fine = torch.linspace(-half_width, half_width, 65, dtype=torch.float64)
    coarse = torch.linspace(-half_width, half_width, 16, dtype=torch.float64)
    for axes, (name, score) in zip(panels, scores.items(), strict=True):
        density = mixture.log_density(torch.cartesian_prod(fine, fine)).exp().view(65, 65).T
        axes.contourf(fine, fine, (density / density.max()) ** 0.5, levels=9, vmin=0, vmax=1.7,
                      cmap="Blues")  # fmt: skip
        points = torch.cartesian_prod(coarse, coarse)
        arrows = score(points)
        size = arrows.norm(dim=1, keepdim=True)
        arrows = arrows / size * torch.tanh(size / 6) ** 0.7
        axes.quiver(*points.T, *arrows.T, color=ORANGE, scale=19, width=0.0046, pivot="mid")
        if paths is not None:
            axes.plot(*paths.permute(2, 0, 1), color="0.15", linewidth=1)
            axes.plot(*paths[-1].T, "o", color="0.15", markersize=4)
        axes.set(xlim=(-half_width, half_width), ylim=(-half_width, half_width), title=name)
        axes.set_aspect("equal")
        axes.grid(visible=False)
    return figure


@style()
def histograms(samples: Mapping[str, Tensor], mixture: Mixture) -> Figure:
    """Histograms of named samples of numbers (N,), each under the curve of the density."""
    figure = Figure(figsize=(3.4 * len(samples), 2.9))
    exact = marginal_density(mixture, 1.0, LINE)
    for axes, (name, x) in zip(figure.subplots(1, len(samples), squeeze=False)[0],
                               samples.items(), strict=True):  # fmt: skip
        axes.hist(x.flatten().tolist(), bins=64, range=(-3.2, 3.2), density=True, color=BLUE,
                  alpha=0.45)  # fmt: skip
        axes.plot(LINE, exact, color=ORANGE)
        axes.set(title=name, xlim=(-3.2, 3.2), ylim=(0, 1.35 * exact.max()), xlabel="$x$",
                 yticks=[])  # fmt: skip
    return figure


@style()
def paths(
    walks: Mapping[str, Tensor], ts: Sequence[int], mixture: Mixture, *, schedule: NoiseSchedule
) -> Figure:
    """For each name, N paths of a number over t, (len(ts), N), on the map of the density q(x_t)."""
    figure = Figure(figsize=(4.9 * len(walks), 3.9))
    panels = figure.subplots(1, len(walks), squeeze=False, sharey=True)[0]
    for axes, (name, x) in zip(panels, walks.items(), strict=True):
        _density_map(axes, mixture, schedule)
        for path, colour in zip(x.T, COLOURS[1:] * x.shape[1], strict=False):
            axes.plot(ts, path, color=colour, linewidth=1.3)
        axes.set(title=name, xlabel="$t$", xlim=(schedule.T, 0), ylim=(-3.2, 3.2))
    panels[0].set_ylabel("$x_t$")
    return figure


def _density_map(axes: Axes, mixture: Mixture, schedule: NoiseSchedule) -> None:
    """q(x_t) of numbers for all t as shades, each t scaled to its peak."""
    ts = torch.linspace(0, schedule.T, 101).round().long()
    columns = [marginal_density(mixture, a, LINE) for a in schedule.alpha_bars[ts].tolist()]
    image = torch.stack([column / column.max() for column in columns], dim=1)  # (x, t)
    axes.imshow(image, extent=(0, schedule.T, -3.2, 3.2), aspect="auto", origin="lower",
                cmap="Greys", vmax=1.6, interpolation="bilinear")  # fmt: skip
    axes.grid(visible=False)


@style()
def along(
    panels: Mapping[str, Mapping[str, Tensor]], place: Tensor, *, x_label: str, y_label: str
) -> Figure:
    """Named lines over one axis `place` (N,), in a panel for each name; heights are not shared."""
    figure = Figure(figsize=(3.5 * len(panels), 3.4))
    row = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, lines) in zip(row, panels.items(), strict=True):
        for (name, y), dash in zip(lines.items(), ("-", "--", ":"), strict=False):
            axes.plot(place, y, dash, label=name)
        axes.axhline(0, color="0.3", linewidth=1)
        axes.set(title=title, xlabel=x_label)
    row[0].set_ylabel(y_label)
    figure.legend(*row[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


@style()
def bits(parts: Mapping[str, Mapping[str, float]]) -> Figure:
    """For each name a bar of bits per dimension, put together of named parts."""
    figure = Figure(figsize=(8.5, 0.6 * len(parts) + 1.5))
    axes = figure.subplots()
    ends = dict.fromkeys(parts, 0.0)
    for part, colour in zip(next(iter(parts.values())), COLOURS, strict=False):
        widths = [parts[name][part] for name in parts]
        bars = axes.barh(list(parts), widths, left=list(ends.values()), color=colour, alpha=0.75,
                         label=part, height=0.62)  # fmt: skip
        axes.bar_label(bars, [f"{width:.2f}" for width in widths], label_type="center")
        ends = {name: ends[name] + parts[name][part] for name in parts}
    for i, total in enumerate(ends.values()):
        axes.text(total, i, f"  {total:.2f}", va="center", weight="bold")
    axes.invert_yaxis()
    axes.set(xlabel="bits per dimension", xlim=(0, 1.12 * max(ends.values())))
    axes.grid(visible=False, axis="y")
    figure.legend(loc="outside upper center", ncols=3)
    return figure
