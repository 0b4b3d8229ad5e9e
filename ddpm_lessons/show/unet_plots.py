"""The figures of lesson 04 in the house's style: a U-Net's shapes, costs, sight and clock."""

import itertools
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ddpm_lessons.models.probe import Stop
from ddpm_lessons.show.chains import grid
from ddpm_lessons.show.diagrams import (
    NETWORK,
    QUIET,
    SIGNAL,
    Place,
    arrow,
    canvas,
    write,
)
from ddpm_lessons.show.plots import COLOURS, style

# What a stage's box is called: by a part of its name.
KINDS = {
    "stem": ("convolution", QUIET),
    "blocks": ("ResBlock", NETWORK),
    "shrink": ("halve", QUIET),
    "middle": ("ResBlock", NETWORK),
    "attention": ("attention", COLOURS[4]),
    "grow": ("double", QUIET),
    "head": ("convolution", QUIET),
}
UNSEEN = 236  # the grey of a pixel without any influence
PER_PIXEL = 4.2  # how high a box is drawn, for each row of its features
MIDDLE = 142.0  # the height of the line that the boxes sit on


def kind(name: str) -> tuple[str, str]:
    """What a stage is called in a diagram, and its colour."""
    return next(value for part, value in KINDS.items() if part in name)


def by_level(stops: Sequence[Stop]) -> dict[str, tuple[int, int]]:
    """Parameters and multiply-adds of the stages that make features of each size, finest first."""
    sums: dict[int, tuple[int, int]] = {}
    for stop in stops:
        size = stop.features.shape[-1]
        parameters, multiply_adds = sums.get(size, (0, 0))
        sums[size] = (parameters + stop.parameters, multiply_adds + stop.multiply_adds)
    return {f"{size} × {size}": sums[size] for size in sorted(sums, reverse=True)}


@style()
def shapes(stops: Sequence[Stop]) -> Figure:
    """The stages from left to right, drawn to scale: a box is as high as its features have rows,
    and as wide as they have channels (the number under it). Arrows above: the skip connections.
    """
    widths = [stop.features.shape[1] for stop in stops]
    axes = canvas(920, 382)
    gap = 25.0
    per_channel = (890 - gap * len(stops)) / sum(widths)
    x, places = 15.0, []
    for stop, width in zip(stops, widths, strict=True):
        high, wide = PER_PIXEL * stop.features.shape[-1], max(2.0, per_channel * width)
        place = Place(x + gap / 2 + wide / 2, MIDDLE + 22, wide, high)
        axes.add_patch(_slab(place, kind(stop.name)[1]))
        write(axes, (place.x, MIDDLE + 102), str(width), size=11)
        words = write(axes, (place.x, MIDDLE + 116), kind(stop.name)[0], size=10.5, colour=QUIET)
        words.set(rotation=90, va="top")
        places.append(place)
        x += gap + per_channel * width
    for a, b in itertools.pairwise(places):
        arrow(axes, a.at("right", 1), b.at("left", 1), head="->").set(linewidth=1.2)
    _sizes(axes, stops, places)
    _skips(axes, stops, places)
    return axes.figure


def _slab(place: Place, colour: str) -> mpl.patches.Rectangle:
    corner = (place.x - place.width / 2, place.y - place.height / 2)
    slab = mpl.patches.Rectangle(corner, place.width, place.height)
    slab.set(facecolor=(*mpl.colors.to_rgb(colour), 0.35), edgecolor=colour, linewidth=1.2)
    return slab


def _sizes(axes: Axes, stops: Sequence[Stop], places: Sequence[Place]) -> None:
    """One line under each run of stages of one size."""
    pairs = zip(stops, places, strict=True)
    for size, run in itertools.groupby(pairs, key=lambda pair: pair[0].features.shape[-1]):
        _, inside = zip(*run, strict=True)
        left, right = inside[0].at("left", 5)[0], inside[-1].at("right", 5)[0]
        axes.plot([left, right], [356, 356], color=QUIET, linewidth=1.2)
        write(axes, ((left + right) / 2, 369), f"{size} × {size}", size=11)


def _skips(axes: Axes, stops: Sequence[Stop], places: Sequence[Place]) -> None:
    """From each encoder block to the decoder block that takes its features, last made first."""
    at = {stop.name: place for stop, place in zip(stops, places, strict=True)}
    down = [name for name in at if name.startswith("down") and "blocks" in name]
    up = [name for name in at if name.startswith("up") and "blocks" in name]
    heights = torch.linspace(26, 74, max(2, len(down))).tolist()
    for a, b, y in zip(down, reversed(up), heights, strict=False):
        (left, top), (right, under) = at[a].at("top", 1), at[b].at("top", 2)
        axes.plot([left, left, right, right], [top, y, y, under - 6], color=SIGNAL, linewidth=1.9)
        arrow(axes, (right, under - 14), (right, under), colour=SIGNAL)
        if y == heights[0]:
            write(axes, ((left + right) / 2, y - 10), "skips", size=11, colour=SIGNAL)


@style()
def costs(stops: Sequence[Stop]) -> Figure:
    """Two panels of bars, one bar a level: millions of parameters, and of multiply-adds."""
    levels = by_level(stops)
    figure = Figure(figsize=(9, 0.55 * len(levels) + 1.1))
    panels = figure.subplots(1, 2, sharey=True)
    titles = ("parameters, in millions", "multiply-adds for one image, in millions")
    for axes, title, counts in zip(panels, titles, zip(*levels.values(), strict=True), strict=True):
        millions = [count / 1e6 for count in counts]
        bars = axes.barh(list(levels), millions, color=COLOURS[0], alpha=0.75, height=0.62)
        axes.bar_label(bars, [f"{number:.3g}" for number in millions], padding=4)
        axes.set(title=title, xlim=(0, 1.15 * max(millions)))
        axes.grid(visible=False, axis="y")
    panels[0].invert_yaxis()
    return figure


@style()
def lines(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    x_label: str,
    y_label: str,
    marks: Sequence[float] = (),
    log_y: bool = True,
) -> Figure:
    """Named curves (x, y) with a dot at each one's lowest point; marks: upright lines, one a curve,
    in its colour.
    """
    figure = Figure(figsize=(8.4, 3.9))
    axes = figure.subplots()
    for i, (name, (x, y)) in enumerate(curves.items()):
        colour, lowest = COLOURS[i % 6], min(range(len(y)), key=list(y).__getitem__)
        axes.plot(x, y, color=colour, label=name, linestyle=("-", "--", "-.", ":")[i % 4])
        if marks:
            axes.plot(x[lowest], y[lowest], "o", color=colour, markersize=7)
    for i, mark in enumerate(marks):
        axes.axvline(mark, color=COLOURS[i % 6], linewidth=1, linestyle=":")
    axes.set(xlabel=x_label, ylabel=y_label, yscale="log" if log_y else "linear")
    axes.margins(x=0.01)
    figure.legend(loc="outside right upper")
    return figure


@style()
def waves(panels: Mapping[str, Tensor], first: int = 1) -> Figure:
    """Embeddings (N, width) of the timesteps first, first + 1, ... as maps: a row for each t."""
    figure = Figure(figsize=(9, 3.9))
    row = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (name, emb) in zip(row, panels.items(), strict=True):
        rows, width = emb.shape
        drawn = axes.imshow(
            emb.float().numpy(), aspect="auto", cmap="RdBu", vmin=-1, vmax=1,
            extent=(-0.5, width - 0.5, first + rows - 0.5, first - 0.5),
        )  # fmt: skip
        axes.grid(visible=False)
        axes.set(title=name, xlabel="entry of the vector", ylabel="$t$")
    figure.colorbar(drawn, ax=row.tolist(), shrink=0.9)
    return figure


@style()
def distances(panels: Mapping[str, Tensor], timesteps: Sequence[int]) -> Figure:
    """How far apart the embeddings (N, width) of these timesteps lie, each pair of them, as maps:
    dark where two are hard to tell apart.
    """
    figure = Figure(figsize=(4.4 * len(panels), 3.7))
    row = figure.subplots(1, len(panels), squeeze=False)[0]
    first, last = timesteps[0], timesteps[-1]
    for axes, (name, emb) in zip(row, panels.items(), strict=True):
        apart = torch.cdist(emb.double(), emb.double())
        drawn = axes.imshow(
            apart.numpy(), cmap="viridis", origin="lower", extent=(first, last, first, last)
        )
        axes.grid(visible=False)
        axes.set(title=name, xlabel="$t$", ylabel="the other $t$")
        figure.colorbar(drawn, ax=axes, shrink=0.85)
    return figure


def heat(influence: Tensor, *, decades: float = 4.0) -> Tensor:
    """A map (H, W) of numbers from 0 up as a picture (3, H, W) uint8, on a logarithmic scale.

    Yellow is the map's maximum, the darkest blue `decades` powers of ten below it and less; a pale
    grey is exactly 0. Raises ValueError for negative numbers or NaN.
    """
    if influence.ndim != 2 or not bool((influence >= 0).all()):
        raise ValueError(f"influence is {influence}, expected (H, W) numbers from 0 up")
    share = influence / influence.max().clamp(min=1e-30)
    place = (1 + share.clamp(min=1e-30).log10() / decades).clamp(0, 1)  # in 0..1
    colours = torch.from_numpy(mpl.colormaps["viridis"](place.cpu().numpy())[..., :3])
    colours = (255 * colours).round().to(torch.uint8).permute(2, 0, 1)  # (3, H, W)
    return torch.where(influence.cpu() > 0, colours, torch.tensor(UNSEEN, dtype=torch.uint8))


def sheet(features: Tensor, count: int = 16, *, size: int = 28) -> Tensor:
    """The `count` liveliest channels of features (C, H, W) as tiles of one grey image (1, h, w).

    Liveliest is the largest standard deviation over the positions. Each tile is scaled by itself,
    from black at its lowest value to white at its highest, and enlarged to `size` pixels. Raises
    ValueError where there are fewer channels.
    """
    if features.ndim != 3 or len(features) < count:
        raise ValueError(f"features have shape {tuple(features.shape)}, expected {count} channels")
    liveliest = features.flatten(1).std(dim=1).argsort(descending=True, stable=True)[:count]
    chosen = features[liveliest]  # (count, H, W)
    low, high = chosen.amin(dim=(1, 2), keepdim=True), chosen.amax(dim=(1, 2), keepdim=True)
    tiles = 2 * (chosen - low) / (high - low).clamp(min=1e-12) - 1
    enlarged = torch.nn.functional.interpolate(tiles[:, None], size=(size, size))
    return grid(torch.nn.functional.pad(enlarged, (1, 1, 1, 1), value=1.0))  # each in a white frame
