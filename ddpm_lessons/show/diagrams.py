"""Drawing primitives for diagrams: boxes, arrows, small pictures and captions, measured in pixels.

A canvas is a matplotlib axes whose unit is one CSS pixel (96 an inch), with y pointing down, as on
a page. One meaning, one colour: SIGNAL is the clean image, NOISE the noise, NETWORK what is
learned.
"""

from itertools import combinations
from typing import NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import PlaceHolderLayoutEngine
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch
from matplotlib.text import Text
from torch import Tensor

from ddpm_lessons.data.images import to_uint8
from ddpm_lessons.show.plots import COLOURS

PIXELS = 96  # CSS pixels an inch
SIGNAL, NOISE, NETWORK = COLOURS[:3]
INK, QUIET, HAIR = "#1f2933", "#52606d", "#cbd2d9"

Point = tuple[float, float]


class Place(NamedTuple):
    """A rectangle on a canvas: its centre (x, y), width and height in pixels."""

    x: float
    y: float
    width: float
    height: float

    def at(self, side: str, gap: float = 0.0, shift: float = 0.0) -> Point:
        """The middle of a side ("left", "right", "top", "bottom"), `gap` pixels outside it.

        `shift` moves the point along the side, to the right or down.
        """
        dx, dy = self.width / 2 + gap, self.height / 2 + gap
        points = {
            "left": (self.x - dx, self.y + shift),
            "right": (self.x + dx, self.y + shift),
            "top": (self.x + shift, self.y - dy),
            "bottom": (self.x + shift, self.y + dy),
        }
        if side not in points:
            raise ValueError(f"side is {side!r}, expected one of {sorted(points)}")
        return points[side]


def canvas(width: float, height: float) -> Axes:
    """An empty white figure of that many pixels: axes without a frame, y running down."""
    still = PlaceHolderLayoutEngine(adjust_compatible=True, colorbar_gridspec=True)
    figure = Figure(figsize=(width / PIXELS, height / PIXELS), layout=still)  # "none" gets lost
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return axes


def tint(colour: str, share: float = 0.14) -> tuple[float, ...]:
    """The colour mixed with white: `share` of it, in 0..1, the rest white."""
    return tuple(1 - share * (1 - part) for part in mpl.colors.to_rgb(colour))


def write(
    axes: Axes,
    at: Point,
    text: str,
    *,
    size: float = 12.0,
    colour: str = INK,
    align: str = "center",
) -> Text:
    """Text at the height of the point, which lies at its `align`: left, center or right.

    size: of the letters, in points. Between two $ signs it is mathematics.
    """
    x, y = at
    lines = "\n" in text  # one line stands on its baseline, so that neighbours are level
    if not lines:
        y += 0.33 * size * PIXELS / 72  # a third of a letter's size: the middle of its height
    return axes.text(
        x, y, text, size=size, color=colour, ha=align, va="center" if lines else "baseline",
        linespacing=1.4, zorder=5,
    )  # fmt: skip


def heading(axes: Axes, at: Point, text: str, *, size: float = 13.0, colour: str = INK) -> Text:
    """Bold text that begins at the point."""
    result = write(axes, at, text, size=size, colour=colour, align="left")
    result.set_weight("bold")
    return result


def box(
    axes: Axes,
    place: Place,
    text: str = "",
    *,
    colour: str = QUIET,
    size: float = 12.0,
    filled: bool = True,
) -> Place:
    """A rounded box with text in its middle, its fill a tint of its edge; returns its place."""
    corner = (place.x - place.width / 2, place.y - place.height / 2)
    patch = FancyBboxPatch(
        corner, place.width, place.height,
        boxstyle="round,pad=0,rounding_size=8", linewidth=1.6, edgecolor=colour,
        facecolor=tint(colour) if filled else "white",
    )  # fmt: skip
    axes.add_patch(patch)
    if text:
        write(axes, (place.x, place.y), text, size=size)
    return place


def picture(
    axes: Axes, at: Point, image: Tensor, *, side: float = 104.0, colour: str | None = None
) -> Place:
    """One image (C, H, W) in [-1, 1] as a square with its native pixels; returns its place.

    C is 1 or 3. Values outside [-1, 1] saturate. colour: of a frame, which says what the image is.
    """
    x, y = at
    half = side / 2
    colours = to_uint8(image).expand(3, -1, -1).permute(1, 2, 0)  # (H, W, 3)
    extent = (x - half, x + half, y + half, y - half)
    axes.imshow(colours.cpu().numpy(), interpolation="none", extent=extent, aspect="auto", zorder=2)
    if colour is not None:
        frame = mpl.patches.Rectangle((x - half, y - half), side, side)
        frame.set(facecolor="none", edgecolor=colour, linewidth=2.6, zorder=3, joinstyle="round")
        axes.add_patch(frame)
    return Place(x, y, side, side)


def arrow(
    axes: Axes,
    start: Point,
    end: Point,
    *,
    colour: str = QUIET,
    head: str = "-|>",
    path: str = "arc3",
) -> FancyArrowPatch:
    """An arrow; `head` is matplotlib's arrowstyle and `path` its connectionstyle."""
    patch = FancyArrowPatch(
        start, end, arrowstyle=head, connectionstyle=path, mutation_scale=15, linewidth=1.9,
        color=colour, shrinkA=0, shrinkB=0, joinstyle="miter", zorder=4,
    )  # fmt: skip
    axes.add_patch(patch)
    return patch


def badge(axes: Axes, at: Point, text: str, *, colour: str = INK) -> None:
    """A disc with a white number in it, such as the number of a step."""
    axes.add_patch(Circle(at, 13, facecolor=colour, edgecolor="none", zorder=5))
    write(axes, at, text, size=12, colour="white").set(weight="bold", zorder=6)


def clashes(figure: Figure) -> list[str]:
    """What a reader could not read: texts that overlap each other or leave the figure, in words."""
    figure.draw_without_rendering()
    texts = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    boxes = [(t.get_text(), t.get_window_extent()) for t in texts]
    page = figure.bbox
    outside = [
        f"{text!r} leaves the figure" for text, b in boxes
        if b.x0 < page.x0 or b.y0 < page.y0 or b.x1 > page.x1 or b.y1 > page.y1
    ]  # fmt: skip
    pairs = combinations(boxes, 2)
    return outside + [f"{a!r} overlaps {b!r}" for (a, p), (b, q) in pairs if p.overlaps(q)]
