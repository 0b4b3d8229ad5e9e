"""The figures of lesson 07 in the house's style: crowds of digits, and the numbers that judge them.

Whiskers are 95 % intervals, or two standard errors.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, PercentFormatter
from torch import Tensor
from torch.nn.functional import pad

from ddpm_lessons.evaluation import Interval
from ddpm_lessons.show.chains import grid
from ddpm_lessons.show.plots import COLOURS, draw_image, style

BLUE, ORANGE, GREEN = COLOURS[:3]
MARKS = ("o", "s", "^", "D")


class Trend(NamedTuple):
    """Means at N places, and their standard errors, (N,) each."""

    x: Sequence[float] | Tensor
    mean: Tensor
    error: Tensor


def table(images: Tensor, *, gap: int = 1) -> Tensor:
    """Images (rows, columns, C, H, W) in [-1, 1] as one image, a black line `gap` wide between.

    Raises ValueError for another number of dimensions.
    """
    if images.ndim != 5:
        shape = tuple(images.shape)
        raise ValueError(f"images has shape {shape}, expected (rows, columns, C, H, W)")
    framed = pad(images.clamp(-1, 1), (0, gap, 0, gap), value=-1.0)
    R, K, C, H, W = framed.shape
    return framed.permute(2, 0, 3, 1, 4).reshape(C, R * H, K * W)[:, : R * H - gap, : K * W - gap]


@style()
def crowds(sets: Mapping[str, Tensor]) -> Figure:
    """Sets of images (N, C, H, W) in [-1, 1], each as one large square grid under its name."""
    figure = Figure(figsize=(4.8 * len(sets), 5.1))
    panels = figure.subplots(1, len(sets), squeeze=False)[0]
    for axes, (name, images) in zip(panels, sets.items(), strict=True):
        draw_image(axes, grid(images))
        axes.set_title(name, loc="center")
    return figure


@style()
def captioned(rows: Mapping[str, tuple[Tensor, Sequence[str]]]) -> Figure:
    """Rows of images (N, C, H, W) in [-1, 1], a name before each row, a caption under each image.

    Raises ValueError where a row has not one caption for each image.
    """
    if any(len(images) != len(captions) for images, captions in rows.values()) or not rows:
        sizes = [(len(images), len(captions)) for images, captions in rows.values()]
        raise ValueError(f"rows have {sizes} images and captions, expected as many of each")
    columns = max(len(images) for images, _ in rows.values())
    figure = Figure(figsize=(0.92 * columns + 1.0, 1.12 * len(rows) + 0.1))
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02)
    places = figure.subplots(len(rows), columns, squeeze=False)
    for axes_row, (name, (images, captions)) in zip(places, rows.items(), strict=True):
        for axes in axes_row[len(images) :]:
            axes.set_axis_off()
        for axes, image, caption in zip(axes_row, images, captions, strict=False):
            draw_image(axes, image)
            axes.set_xlabel(caption, fontsize=10, labelpad=2)
        axes_row[0].set_ylabel(name, rotation=0, ha="right", va="center")
    return figure


@style()
def class_shares(found: Sequence[float], n: int, reference: Sequence[float]) -> Figure:
    """The share of each class among n images, with two standard errors, and its real share."""
    whiskers = [2 * (p * (1 - p) / n) ** 0.5 for p in found]
    figure = Figure(figsize=(8, 3.3))
    axes = figure.subplots()
    classes = range(len(found))
    axes.bar(classes, found, width=0.7, color=BLUE, alpha=0.45, label=f"{n} samples")
    axes.errorbar(classes, found, whiskers, fmt="none", ecolor=BLUE, capsize=4)
    for k, share in enumerate(reference):
        axes.hlines(share, k - 0.45, k + 0.45, color=ORANGE, label=None if k else "real digits")
    top = max(p + e for p, e in zip(found, whiskers, strict=True))
    axes.set(xticks=classes, xlabel="read as", ylim=(0, 1.35 * top))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(visible=False, axis="x")
    axes.legend(ncols=2, loc="upper right")
    return figure


@style()
def doubts(confidences: Mapping[str, Tensor]) -> Figure:
    """For named confidences, (N,) each: the share of images that are read with more doubt than d,
    over d = 1 - confidence, both on logarithmic axes; a line at d = 0.1.
    """
    figure = Figure(figsize=(8, 3.5))
    axes = figure.subplots()
    for (name, confidence), dash in zip(confidences.items(), ("-", "--", ":"), strict=False):
        doubt = (1 - confidence.double()).clamp(min=1e-6).sort(descending=True).values
        share = torch.arange(1, len(doubt) + 1) / len(doubt)
        axes.step(doubt, share, dash, where="post", label=name)
    axes.axvline(0.1, color="0.3", linewidth=1, linestyle=":")
    axes.set(xscale="log", yscale="log", xlim=(1e-4, 1), xlabel="doubt $d$, 1 - confidence")
    axes.set_ylabel("share with more doubt")
    axes.yaxis.set_major_formatter(lambda y, _: f"{100 * y:g} %")
    axes.legend(loc="lower left")
    return figure


@style()
def against_n(
    panels: Mapping[str, Mapping[str, tuple[Sequence[int], Sequence[Interval]]]],
) -> Figure:
    """A panel for each distance, log axes for those that are never below 0: named distances with
    their intervals over the number of images.
    """
    figure = Figure(figsize=(4.7 * len(panels), 3.7))
    places = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, curves) in zip(places, panels.items(), strict=True):
        for i, (name, (n, intervals)) in enumerate(curves.items()):
            value, low, high = torch.tensor(intervals, dtype=torch.float64).T
            style_of = {"fmt": f"{MARKS[i]}-", "color": COLOURS[i], "capsize": 3, "label": name}
            axes.errorbar(n, value, [value - low, high - value], linewidth=1.5, **style_of)
        lowest = min(i.low for _, intervals in curves.values() for i in intervals)
        axes.set(xscale="log", title=title, xlabel="number of images")
        if lowest > 0:
            axes.set_yscale("log")
        else:
            axes.axhline(0, color="0.3", linewidth=1, linestyle=":")
        ticks = sorted({n for ns, _ in curves.values() for n in ns})
        axes.set_xticks(ticks, [f"{n:,}" for n in ticks], rotation=45)
        axes.xaxis.set_minor_formatter(NullFormatter())
    places[0].legend(fontsize=10)
    return figure


@style()
def ruler(values: Mapping[str, Interval], *, marked: Sequence[str] = ()) -> Figure:
    """Named values with their intervals, one under the other, over a logarithmic axis; the names in
    `marked` in another colour.
    """
    figure = Figure(figsize=(8, 0.42 * len(values) + 0.9))
    axes = figure.subplots()
    for y, (name, (value, low, high)) in enumerate(values.items()):
        colour = ORANGE if name in marked else BLUE
        axes.errorbar(value, y, xerr=[[value - low], [high - value]], fmt="o", color=colour,
                      capsize=4)  # fmt: skip
        axes.annotate(f"{value:.3g}", (high, y), (8, 0), textcoords="offset points", va="center",
                      color=colour)  # fmt: skip
    axes.set_yticks(range(len(values)), list(values))
    axes.invert_yaxis()
    axes.set(xscale="log", xlabel="digit-FID")
    axes.margins(x=0.12)
    return figure


@style()
def histograms(values: Mapping[str, Tensor], *, x_label: str, bins: int = 40) -> Figure:
    """Histograms of named numbers, (N,) each, as shares on a logarithmic axis: the tails count."""
    figure = Figure(figsize=(8, 3.3))
    axes = figure.subplots()
    top = max(v.max().item() for v in values.values())
    edges = torch.linspace(0, top, bins + 1).numpy()
    for i, (name, v) in enumerate(values.items()):
        weights = torch.full((len(v),), 1 / len(v)).numpy()
        axes.hist(v.numpy(), edges, weights=weights, color=COLOURS[i], alpha=0.2)
        axes.hist(v.numpy(), edges, weights=weights, color=COLOURS[i], histtype="step",
                  linewidth=2, label=name)  # fmt: skip
    axes.set(xlabel=x_label, ylabel="share of images", yscale="log")
    axes.yaxis.set_major_formatter(lambda y, _: f"{100 * y:g} %")
    axes.legend(loc="upper right")
    return figure


@style()
def over_t(
    panels: Mapping[str, Mapping[str, Trend]],
    *,
    levels: Mapping[str, Mapping[str, float]] | None = None,
) -> Figure:
    """A panel for each title: named trends over t with whiskers, and named levels as dotted lines.
    Time runs from T on the left, as a chain does.
    """
    figure = Figure(figsize=(4.7 * len(panels), 3.8))
    places = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, trends) in zip(places, panels.items(), strict=True):
        for i, (name, (t, mean, error)) in enumerate(trends.items()):
            axes.errorbar(t, mean, 2 * error, fmt=f"{MARKS[i]}-", color=COLOURS[i], capsize=3,
                          markersize=5, linewidth=1.5, label=name)  # fmt: skip
        for name, level in (levels or {}).get(title, {}).items():
            axes.axhline(level, color="0.35", linewidth=1, linestyle=":")
            axes.annotate(
                name,
                (0.98, level),
                (0, 3),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                ha="right",
                fontsize=9.5,
                color="0.25",
            )
        axes.set(title=title, xlabel="$t$", ylim=(0, 1.12 * axes.get_ylim()[1]))
        axes.invert_xaxis()
    places[0].legend(fontsize=10, loc="upper left")
    return figure


@style()
def by_class(found: Sequence[float], real: Sequence[Interval], *, y_label: str) -> Figure:
    """A number for each class as a dot, over the interval that real digits of this class have."""
    figure = Figure(figsize=(8, 3.3))
    axes = figure.subplots()
    for digit, (value, low, high) in enumerate(real):
        axes.bar(digit, high - low, 0.6, bottom=low, color=ORANGE, alpha=0.3,
                 label="as many real digits" if digit == 0 else None)  # fmt: skip
        axes.hlines(value, digit - 0.3, digit + 0.3, color=ORANGE)
    axes.plot(range(len(found)), found, "o", color=BLUE, label="samples")
    axes.set(xticks=range(len(found)), xlabel="class", ylabel=y_label)
    axes.grid(visible=False, axis="x")
    axes.legend(ncols=2)
    return figure
