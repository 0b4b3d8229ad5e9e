"""The figures of lesson 09 in the house's style: couplings, orders, paths in few steps, and prices.

Logarithmic axes wherever steps, errors or seconds are compared.
"""

from collections.abc import Mapping, Sequence
from itertools import cycle

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, PercentFormatter
from torch import Tensor

from ddpm_lessons.exact import Mixture
from ddpm_lessons.show.plots import COLOURS, marginal_density, style

BLUE, ORANGE, GREEN = COLOURS[:3]
MARKS = ("o", "s", "^", "D", "v", "P", "X")
LINE = torch.linspace(-3.2, 3.2, 641, dtype=torch.float64)
FLOOR = "real digits"  # the row of `quality` that no sampler can beat
COLUMNS = ("name", "calls", "fid", "fid_low", "fid_high", "confident")

Line = tuple[Sequence[float] | Tensor, Sequence[float] | Tensor]  # x and y, (N,) each


@style()
def coupling(x_t: Tensor, x_s: Tensor, target: Mixture, *, group: Tensor, title: str) -> Figure:
    """Pairs of numbers (N,): x_s over x_t, and how x_s is spread, under the density of `target`.

    group: (N,), bool; the two groups have two colours.
    """
    figure = Figure(figsize=(8.4, 3.7))
    pairs, spread = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    for members, colour in ((~group, BLUE), (group, ORANGE)):
        pairs.plot(x_t[members], x_s[members], ".", color=colour, markersize=2.5, alpha=0.5)
    spread.hist([x_s[~group].tolist(), x_s[group].tolist()], bins=64, range=(-3.2, 3.2),
                density=True, stacked=True, color=[BLUE, ORANGE], alpha=0.45,
                orientation="horizontal")  # fmt: skip
    density = marginal_density(target, 1.0, LINE)
    spread.plot(density, LINE, color="0.15", linewidth=1.5)
    pairs.set(xlabel="$x_t$", ylabel="$x_s$", xlim=(-3.2, 3.2), ylim=(-3.2, 3.2), title=title)
    spread.set(xlabel="density", xlim=(0, 1.3 * density.max().item()), title="$q(x_s)$, exact")
    return figure


@style()
def over_steps(
    panels: Mapping[str, Mapping[str, Line]],
    *,
    y_label: str,
    x_label: str = "calls of the network",
    slopes: Mapping[str, Line] | None = None,
    level: float | None = None,
) -> Figure:
    """A panel for each name, with named lines over the number of steps or calls, both axes
    logarithmic; `slopes`, named thin lines to compare with; `level`, a dotted line across.
    """
    figure = Figure(figsize=(max(8.0, 3.2 * len(panels)), 3.7))
    places = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, (title, lines) in zip(places, panels.items(), strict=True):
        for name, (x, y) in (slopes or {}).items():
            axes.plot(x, y, color="0.55", linewidth=1, linestyle="--")
            axes.annotate(name, (x[-1], y[-1]), (4, -3), textcoords="offset points", color="0.4")
        if level is not None:
            axes.axhline(level, color="0.3", linewidth=1, linestyle=":")
        for (name, (x, y)), mark in zip(lines.items(), MARKS, strict=False):
            axes.plot(x, y, f"{mark}-", label=name, markersize=5.5)
        axes.set(title=title, xlabel=x_label, xscale="log", yscale="log")
        whole_ticks(axes, [x for xs, _ in lines.values() for x in xs])
    places[0].set_ylabel(y_label)
    places[0].legend()
    return figure


def whole_ticks(axes: Axes, places: Sequence[float]) -> None:
    """Whole numbers as ticks of a logarithmic x-axis, where there are data: 1, 2, 5, 10, ...; where
    these would touch, 1, 3, 10, ...
    """
    low, high = float(min(places)), float(max(places))
    digits = (1, 2, 5) if high <= 50 * low else (1, 3)
    ticks = [k * 10**e for e in range(7) for k in digits if low <= k * 10**e <= high]
    axes.set_xticks(ticks, [f"{tick}" for tick in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())


@style()
def paths(
    exact: tuple[Sequence[int], Tensor], walks: Mapping[str, tuple[Sequence[int], Tensor]]
) -> Figure:
    """For each name a panel with the walk in few steps, (timesteps, x (len(timesteps), N)), over
    the exact paths, which are given likewise, in grey. Time runs from T on the left to 0.
    """
    figure = Figure(figsize=(3.5 * len(walks), 3.7))
    places = figure.subplots(1, len(walks), squeeze=False, sharey=True)[0]
    for axes, (name, (ts, x)) in zip(places, walks.items(), strict=True):
        axes.plot(exact[0], exact[1], color="0.75", linewidth=3.5, solid_capstyle="round")
        for walk, colour in zip(x.T, COLOURS * x.shape[1], strict=False):
            axes.plot(ts, walk, "o-", color=colour, linewidth=1.2, markersize=4)
        axes.set(title=name, xlabel="$t$", xlim=(1.03 * max(exact[0]), -30), ylim=(-2.6, 2.9))
    places[0].set_ylabel("$x_t$")
    return figure


@style()
def quality(rows: Sequence[Mapping]) -> Figure:
    """Digit-FID with its intervals, and the share of digits that are read with confidence, over the
    calls of the network, a line for each name; both axes of the first panel are logarithmic.

    rows: as benchmarks/samplers.py stores them, with the keys of COLUMNS; that of FLOOR is drawn
    as a band. Raises ValueError where a row lacks a key, or there are no rows.
    """
    table = _by_name(rows)
    figure = Figure(figsize=(9.2, 4.9))
    distance, share = figure.subplots(1, 2, width_ratios=(3, 2))
    for row in table.pop(FLOOR, []):
        distance.axhspan(row["fid_low"], row["fid_high"], color="0.5", alpha=0.3, linewidth=0)
        distance.axhline(row["fid"], color="0.4", linewidth=1, label=FLOOR)
        share.axhline(row["confident"], color="0.4", linewidth=1)
    looks = zip(cycle(MARKS), cycle((*COLOURS, "0.25")), strict=False)
    for (name, own), (mark, colour) in zip(table.items(), looks, strict=False):
        calls, fid, low, high = ([row[key] for row in own] for key in COLUMNS[1:5])
        whiskers = [[y - end for y, end in zip(fid, low, strict=True)],
                    [end - y for y, end in zip(fid, high, strict=True)]]  # fmt: skip
        look = {"color": colour, "linewidth": 1.5, "markersize": 5.5}
        distance.errorbar(calls, fid, whiskers, fmt=f"{mark}-", capsize=3, label=name, **look)
        share.plot(calls, [row["confident"] for row in own], f"{mark}-", **look)
    for axes in (distance, share):
        axes.set(xscale="log", xlabel="calls of the network for a digit")
        whole_ticks(axes, [row["calls"] for own in table.values() for row in own])
    distance.set(yscale="log", title="digit-FID, 95 % intervals (low is good)")
    distance.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
    distance.yaxis.set_minor_formatter(NullFormatter())
    share.set_title("read with confidence (high is good)")
    share.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    figure.legend(*distance.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _by_name(rows: Sequence[Mapping]) -> dict[str, list[Mapping]]:
    """The rows of each name, in the order of their calls."""
    if not rows:
        raise ValueError(f"rows is {rows!r}, expected what benchmarks/samplers.py has stored")
    found: dict[str, list[Mapping]] = {}
    for row in rows:
        if missing := [key for key in COLUMNS if key not in row]:
            expected = ", ".join(COLUMNS)
            raise ValueError(f"rows has a row without {missing[0]!r}, expected {expected}")
        found.setdefault(row["name"], []).append(row)
    return {name: sorted(own, key=lambda row: row["calls"]) for name, own in found.items()}


@style()
def prices(seconds: Mapping[str, float]) -> Figure:
    """What a digit costs in named ways: bars over a logarithmic axis of seconds, the number beside
    each.
    """
    figure = Figure(figsize=(8.5, 0.42 * len(seconds) + 0.9))
    axes = figure.subplots()
    axes.barh(list(seconds), list(seconds.values()), color=BLUE, alpha=0.6, height=0.6)
    for i, value in enumerate(seconds.values()):
        text = (
            f" {value:.1f} s" if value >= 1 else f" {1000 * value:.{1 if value < 0.01 else 0}f} ms"
        )
        axes.text(value, i, text, va="center")
    low, high = min(seconds.values()), max(seconds.values())
    axes.set(xscale="log", xlim=(low / 3, 6 * high), xlabel="seconds for one digit, alone")
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    return figure
