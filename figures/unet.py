"""The diagram of the U-Net, drawn from its configuration."""

from itertools import pairwise
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ddpm_lessons.models.unet import UNet, UNetConfig
from ddpm_lessons.show.diagrams import (
    INK,
    NETWORK,
    QUIET,
    SIGNAL,
    Place,
    arrow,
    box,
    canvas,
    picture,
    write,
)
from ddpm_lessons.show.plots import COLOURS, style
from figures.algorithms import example
from figures.digits import shipped

TIME = COLOURS[3]
DOWN = "angle,angleA=90,angleB=0,rad=8"  # first down, then to the right
UP = "angle,angleA=0,angleB=90,rad=8"  # first to the right, then up
SIZE = 28


class Stage(NamedTuple):
    """One column of the diagram: a layer or blocks, and the features that they make."""

    name: str
    level: int  # 0 is the finest
    width: int  # channels
    part: str  # "encoder", "bottom" or "decoder": these hear the time; "" for the others


def stages(config: UNetConfig) -> list[Stage]:
    """The way through the network, in the order of `UNet.forward`."""
    names = ["ResBlock" if n == 1 else f"{n} ResBlocks" for n in config.blocks]
    *fine, bottom = [(names[i], i, width) for i, width in enumerate(config.widths)]
    _, level, width = bottom
    rest = config.blocks[-1] - 1  # of the bottom's blocks, after the first one and the attention
    middle = [Stage("ResBlock", level, width, "bottom"), Stage("attention", level, width, "")]
    if rest:
        words = "ResBlock" if rest == 1 else f"{rest} ResBlocks"
        middle.append(Stage(words, level, width, "bottom"))
    return [
        Stage("conv", 0, config.widths[0], ""),
        *(Stage(*stage, "encoder") for stage in fine),
        *middle,
        *(Stage(*stage, "decoder") for stage in reversed(fine)),
        Stage("conv", 0, config.channels, ""),
    ]


@style()
def unet() -> Figure:
    """A network in the shape of a U. From the noisy digit at the left, boxes lead down over ever
    smaller and wider features to a bottom with attention, and up again to the predicted noise at
    the right. Blue arrows carry features straight across to the decoder at each resolution. From
    below, the embedded timestep enters every ResBlock.
    """
    (_, _, _, x_t, guess), config = example(), shipped().config
    plan = stages(config)
    deepest = max(stage.level for stage in plan)
    axes, step = canvas(900, 306 + 118 * deepest), 900 / (len(plan) + 2)
    widest = max(config.widths)
    places = [_place(stage, step, i, widest) for i, stage in enumerate(plan)]
    for stage, place in zip(plan, places, strict=True):
        box(axes, place, str(stage.width), colour=NETWORK if stage.part else QUIET, size=13)
        write(axes, place.at("top", 13), stage.name, size=10.5)
    left, side = step / 2 + 6, step - 16
    start = picture(axes, (left, _row(0)), x_t, side=side, colour=INK)
    end = picture(axes, (900 - left, _row(0)), guess, side=side, colour=NETWORK)
    write(axes, start.at("top", 17), "$x_t$", size=15)
    write(axes, end.at("top", 17), r"$\epsilon_\theta$", size=15, colour=NETWORK)
    for level in range(deepest + 1):
        size = SIZE // 2**level
        write(axes, (left, _row(level) + (0 if level else 58)), f"{size} × {size}", size=12.5)
    _path(axes, plan, [start, *places, end])
    _skips(axes, plan, places)
    _time(axes, shipped().eps_model, [(s, p) for s, p in zip(plan, places, strict=True) if s.part])
    return axes.figure


def _row(level: int) -> float:
    return 112 + 118 * level


def _place(stage: Stage, step: float, column: int, widest: int) -> Place:
    """A box is the higher, the finer its features, and the wider, the more channels they have."""
    width = 24 + (0.64 * step - 24) * (stage.width / widest) ** 0.5
    return Place(step * (column + 1.5), _row(stage.level), width, 124 * 0.7**stage.level)


def _path(axes: Axes, plan: list[Stage], places: list[Place]) -> None:
    levels = [0, *(stage.level for stage in plan), 0]
    for i, (a, b) in enumerate(pairwise(places)):
        if levels[i] == levels[i + 1]:
            arrow(axes, a.at("right", 2), b.at("left", 2))
        elif levels[i] < levels[i + 1]:
            arrow(axes, a.at("bottom", 1), b.at("left", 2), path=DOWN)
            write(axes, (a.x + 6, b.y - 13), "halve", size=10.5, align="left", colour=QUIET)
        else:
            arrow(axes, a.at("right", 1), b.at("bottom", 2), path=UP)
            write(axes, (b.x - 6, a.y - 13), "double", size=10.5, align="right", colour=QUIET)


def _skips(axes: Axes, plan: list[Stage], places: list[Place]) -> None:
    for i, stage in enumerate(plan):
        if stage.part != "encoder":
            continue
        j = next(j for j, s in enumerate(plan) if (s.level, s.part) == (stage.level, "decoder"))
        arrow(axes, places[i].at("right", 3, -16), places[j].at("left", 3, -16), colour=SIGNAL)
        x, y = (places[i].x + places[j].x) / 2, places[i].y - 33
        words = "skip" if stage.level else "skip connection: details go straight across"
        write(axes, (x, y), words, size=12, colour=SIGNAL)


def _time(axes: Axes, net: UNet, heard: list[tuple[Stage, Place]]) -> None:
    y = axes.get_ylim()[0] - 100
    shift = {"encoder": -13, "bottom": 0, "decoder": 13}
    xs = [place.x + shift[stage.part] for stage, place in heard]
    for (_, place), x in zip(heard, xs, strict=True):
        arrow(axes, (x, y), (x, place.y + place.height / 2 + 2), colour=TIME)
    axes.plot([xs[0], xs[-1]], [y, y], color=TIME, linewidth=1.9, solid_capstyle="round")
    wide = net.time.linear_2.out_features
    words = ("$t$", f"sinusoids: {net.config.time_width}", f"two linear layers: {wide}")
    places = [Place(x, y + 56, width, 40) for x, width in ((160, 50), (292, 134), (500, 200))]
    for place, text in zip(places, words, strict=True):
        box(axes, place, text, colour=TIME)
    for a, b in pairwise(places):
        arrow(axes, a.at("right", 2), b.at("left", 2), colour=TIME)
    axes.plot([500, 500], [y + 36, y], color=TIME, linewidth=1.9)
    count = sum(parameter.numel() for parameter in net.parameters())
    for shift, text in ((42, "in the boxes: channels"), (70, f"{count / 1e6:.1f} million weights")):
        write(axes, (884, y + shift), text, align="right", colour=QUIET)
