"""The figures of lesson 14 in the house's style: one pixel and its chain, on a number line."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ddpm_lessons.gaussian import Gaussian
from ddpm_lessons.show.charts import bell
from ddpm_lessons.show.plots import COLOURS, draw_image, style

BLUE, ORANGE, GREEN, PURPLE = COLOURS[:4]
LOW, HIGH = -2.4, 2.4  # the numbers that are drawn
EDGE = 1.55  # beyond it a number's name would leave the picture
TOP, MIDDLE, BOTTOM = 1.5, 1.0, 0.5  # heights of what a step starts from, its mean, and its end


class Move(NamedTuple):
    """One step of a chain on one pixel: the bell that it draws from, and what it drew."""

    name: str  # of the new state, as "x_2"
    p: Gaussian  # over the new state; of variance 0 where nothing is drawn
    end: float  # the new state
    start: float | None = None  # the state before; None at the start of a chain
    start_name: str = ""
    x0_hat: float | None = None  # the network's guess at the clean pixel, on the way back

    def describe(self) -> str:
        """The step in words, for those who cannot see the picture."""
        mean, std, end = (_number(x) for x in (self.p.mean, self.p.var**0.5, self.end))
        told = "" if self.x0_hat is None else f"guess at x_0 {_number(self.x0_hat)}, "
        if self.p.var == 0:
            return f"{told}no noise: {self.name} = {end}"
        return f"{told}bell of mean {mean} and width {std}, drawn {self.name} = {end}"


@style()
def pixel_on_a_line(move: Move, *, title: str) -> Figure:
    """The new state as a grey square, and the step on a number line above a scale of greys.

    From top to bottom: the state before, the arrow to the mean, the bell around it, the arrow of
    the noise, and the new state. A diamond marks the guess at the clean pixel. Raises ValueError
    where a number leaves the line.
    """
    places = [x for x in (move.start, move.p.mean, move.end, move.x0_hat) if x is not None]
    if beyond := [x for x in places if not LOW < x < HIGH]:
        raise ValueError(f"move reaches {beyond[0]:g}, expected numbers in ({LOW}, {HIGH})")
    figure = Figure(figsize=(8.6, 3.3))
    square, line = figure.subplots(1, 2, width_ratios=(1, 3.6))
    draw_image(square, torch.full((1, 1, 1), move.end).clamp(-1, 1))
    square.spines[:].set(visible=True, color="0.6")
    square.set_xlabel(f"${move.name}$ = {_number(move.end)}", fontsize=14)
    _scale_of_greys(line)
    _step(line, move)
    line.set(xlim=(LOW, HIGH), ylim=(-0.16, 1.8), yticks=[], xticks=range(-2, 3))
    line.set_title(title, fontsize=13)
    line.spines["left"].set_visible(False)
    line.grid(visible=False)
    return figure


def pixel_frames(moves: Sequence[Move], titles: Sequence[str]) -> tuple[list[Figure], list[str]]:
    """A figure for each move, and what it shows in words: the frames and alts of a `player`.

    Raises ValueError where there is not one title for each move.
    """
    if len(titles) != len(moves):
        raise ValueError(f"titles has {len(titles)} entries, expected {len(moves)}, one a move")
    figures = [pixel_on_a_line(m, title=title) for m, title in zip(moves, titles, strict=True)]
    return figures, [f"{t}: {m.describe()}" for m, t in zip(moves, titles, strict=True)]


def _scale_of_greys(axes: Axes) -> None:
    """Under the line: how dark each number is, as in the square; beyond -1 and 1 it stays."""
    greys = torch.linspace(LOW, HIGH, 241).clamp(-1, 1)[None].numpy()
    axes.imshow(greys, extent=(LOW, HIGH, -0.16, -0.03), aspect="auto", vmin=-1, vmax=1)
    axes.axhline(0, color="0.3", linewidth=1)


def _step(axes: Axes, move: Move) -> None:
    mean, end, drawn = move.p.mean, move.end, move.p.var > 0
    axes.fill_between(*bell(move.p, LOW, HIGH), color=GREEN, alpha=0.22, linewidth=0)
    if move.x0_hat is not None:
        _diamond(axes, move.x0_hat)
    start = mean if move.start is None else move.start
    if move.start is not None:
        _arrow(axes, start, mean, height=TOP, colour=GREEN)
        _mark(axes, start, TOP, move.start_name, colour=BLUE, right=start >= mean)
    if drawn:
        _arrow(axes, mean, end, height=BOTTOM, colour=ORANGE)
        _mark(axes, mean, MIDDLE, "mean", colour=GREEN, right=mean > start)
    _mark(axes, end, BOTTOM if drawn else MIDDLE, move.name, colour=ORANGE, right=end > mean)


def _arrow(axes: Axes, start: float, end: float, *, height: float, colour: str) -> None:
    head = min(14.0, 70 * abs(end - start))  # a short arrow has a small head
    axes.annotate("", (end, height), (start, height), arrowprops={
        "arrowstyle": "-|>", "mutation_scale": max(head, 0.1), "color": colour, "linewidth": 2.5,
        "shrinkA": 0, "shrinkB": 0})  # fmt: skip


def _mark(axes: Axes, x: float, height: float, name: str, *, colour: str, right: bool) -> None:
    """A dot with a dotted line down to the scale, its name and number on the side that is free."""
    right = right if abs(x) < EDGE else x < 0  # near an end of the line there is one side only
    axes.plot([x, x], [0, height], ":", color=colour, linewidth=1.5)
    axes.plot([x], [height], "o", color=colour, markersize=7)
    axes.annotate(f"{_typeset(name)} = {_number(x)}", (x, height), (10 if right else -10, 5),
                  color=colour, fontsize=12.5, textcoords="offset points",
                  ha="left" if right else "right")  # fmt: skip


def _diamond(axes: Axes, x0_hat: float) -> None:
    axes.plot([x0_hat], [0], "D", color=PURPLE, markersize=10, markeredgecolor="k", clip_on=False,
              zorder=5)  # fmt: skip
    axes.annotate(r"$\hat x_0$", (x0_hat, 0), (0, 10), textcoords="offset points", ha="center",
                  fontsize=13, zorder=5, bbox={"facecolor": "w", "alpha": 0.8, "linewidth": 0,
                                               "pad": 0.8})  # fmt: skip


def _typeset(name: str) -> str:
    return f"${name}$" if "_" in name else name


def _number(x: float) -> str:
    """At most four decimals, as they are written on the page."""
    return f"{round(x, 4) + 0.0:.4f}".rstrip("0").rstrip(".").replace("-", "\u2212")
