"""The figures of lesson 12 in the house's style: a bank slip, restored digits with their votes, a
posterior and what stands in for it, and what is left of a spot.
"""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, Rectangle
from matplotlib.ticker import NullFormatter, PercentFormatter
from torch import Tensor

from ddpm_lessons.door import check_images
from ddpm_lessons.gaussian import Gaussian
from ddpm_lessons.show.plots import COLOURS, draw_image, style

BLUE, ORANGE, GREEN = COLOURS[:3]
INK, PAPER, COFFEE = (0.07, 0.16, 0.42), "#fbf7ea", (0.55, 0.36, 0.20)
SIDE = 28  # pixels of a box


@style()
def slip(
    rows: Mapping[str, Tensor], *, lost: Tensor | None = None, notes: Sequence[str] | None = None
) -> Figure:
    """A bank slip with a line of boxes for each name: digits (N, 1, 28, 28) in [-1, 1], in ink.

    lost: (N, 28, 28) bool, stained in the last line. notes: N texts below the last line. Raises
    ValueError where a line has other images.
    """
    n = len(next(iter(rows.values())))
    height = 1.42 * len(rows) + 0.45 + 0.3 * (notes is not None)
    figure = Figure(figsize=(9.0, height), facecolor=PAPER)
    places = figure.subplots(len(rows), 1, squeeze=False)[:, 0]
    figure.suptitle("PAYMENT ORDER", x=0.02, ha="left", fontsize=13, color=INK, weight="bold")
    for axes, (name, digits) in zip(places, rows.items(), strict=True):
        check_images("rows", digits)
        if digits.shape != (n, 1, SIDE, SIDE):
            expected = f"({n}, 1, {SIDE}, {SIDE})"
            raise ValueError(f"rows has {tuple(digits.shape)} in {name!r}, expected {expected}")
        _boxes(axes, digits)
        axes.set_title(name, fontsize=11, color=INK)
    if lost is not None:
        stain = torch.tensor([*COFFEE, 1.0]).expand(*lost.shape, 4) * lost[..., None]
        places[-1].imshow(torch.cat(list(stain), dim=1).numpy(), zorder=3, interpolation="none")
    for i, note in enumerate(notes or ()):
        places[-1].text(SIDE * (i + 0.5), SIDE + 7, note, ha="center", va="center", color=INK)
    return figure


def _boxes(axes: Axes, digits: Tensor) -> None:
    """Digits side by side in ink, a box around each."""
    ink = ((digits.clamp(-1, 1) + 1) / 2).float().cpu()[:, 0]  # (N, 28, 28), 1 is ink
    picture = torch.tensor([*INK, 0.0]).repeat(SIDE, SIDE * len(digits), 1)  # (28, 28 N, RGBA)
    picture[..., 3] = torch.cat(list(ink), dim=1)
    axes.imshow(picture.numpy(), interpolation="none")
    for i in range(len(digits)):
        frame = Rectangle((SIDE * i - 0.5, -0.5), SIDE, SIDE, fill=False, edgecolor=INK, zorder=4)
        axes.add_patch(frame)
    axes.set(xlim=(-1, SIDE * len(digits)), ylim=(SIDE, -1))
    axes.set_axis_off()


@style()
def readings(
    rows: Mapping[str, Tensor], probabilities: Mapping[str, Tensor], *, truth: Sequence[int]
) -> Figure:
    """N digits as columns: named rows of images (N, 1, H, W), and bars of the probability of each
    of the ten digits below, (N, 10) for each name; the bars of the true ones are green.

    Raises ValueError where the numbers of digits differ.
    """
    n = len(truth)
    for name, value in {**rows, **probabilities}.items():
        if len(value) != n:
            raise ValueError(f"{name!r} has {len(value)} entries, expected {n} like truth")
    heights = [1.0] * len(rows) + [0.85] * len(probabilities)
    figure = Figure(figsize=(1.2 * n + 0.6, 1.15 * sum(heights) + 0.5))
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03)
    grid = figure.subplots(len(heights), n, squeeze=False, height_ratios=heights)
    for place, (name, images) in zip(grid, rows.items(), strict=False):
        for axes, image in zip(place, images, strict=True):
            draw_image(axes, image)
        place[0].set_ylabel(name)
    for place, (name, shares) in zip(grid[len(rows) :], probabilities.items(), strict=True):
        for axes, share, right in zip(place, shares.tolist(), truth, strict=True):
            _bars(axes, share, right)
        place[0].set_ylabel(name)
    return figure


def _bars(axes: Axes, share: Sequence[float], right: int) -> None:
    """Ten bars, that of the right digit in green."""
    colours = [GREEN if digit == right else ORANGE for digit in range(10)]
    axes.bar(range(10), share, color=colours, width=0.8)
    axes.set(xlim=(-0.7, 9.7), ylim=(0, 1.05), yticks=[])
    axes.set_xticks(range(10), [str(digit) for digit in range(10)], fontsize=7)
    axes.tick_params(axis="x", length=0, pad=1)
    axes.grid(visible=False)


@style()
def bells(prior: Gaussian, posterior: Gaussian, *, y: float, noise_std: float) -> Figure:
    """The densities of a number before and after y was seen, and what y alone says of it."""
    x = torch.linspace(-2, 2.5, 451, dtype=torch.float64)
    figure = Figure(figsize=(8, 3.4))
    axes = figure.subplots()
    likelihood = Gaussian(y, noise_std**2)
    curves = {"prior $p(x)$": prior, "likelihood $p(y \\mid x)$": likelihood,
              "posterior $p(x \\mid y)$": posterior}  # fmt: skip
    for (name, bell), colour in zip(curves.items(), (BLUE, ORANGE, GREEN), strict=True):
        mean, var = float(bell.mean), float(bell.var)
        density = torch.exp(-((x - mean) ** 2) / (2 * var)) / (2 * torch.pi * var) ** 0.5
        axes.plot(x, density, color=colour, label=name)
        axes.fill_between(x, density, color=colour, alpha=0.12)
    axes.axvline(y, color="0.3", linewidth=1, linestyle=":")
    axes.annotate("$y$", (y, 2.62), (4, 0), textcoords="offset points")
    axes.set(xlabel="$x$", ylim=(0, 2.8), title=f"noise of the measurement: {noise_std:g}")
    axes.legend(loc="upper left")
    return figure


@style()
def clouds(
    samples: Mapping[str, Tensor], prior: Tensor, posterior: tuple[Tensor, Tensor], *, y: float
) -> Figure:
    """For each name samples (N, 2), over the ellipses that hold 95 % of the exact posterior
    (mean, covariance) and of the prior (a covariance, the mean is 0); y was measured of x_1.
    """
    columns = min(3, len(samples))
    rows = -(-len(samples) // columns)
    figure = Figure(figsize=(3.1 * columns, 3.1 * rows + 0.2))
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).flatten()
    for axes in grid[len(samples) :]:
        axes.set_axis_off()
    for axes, (name, x) in zip(grid, samples.items(), strict=False):
        axes.plot(*x.T, ".", color=ORANGE, markersize=2, alpha=0.35, rasterized=True)  # thousands
        axes.add_patch(ellipse(torch.zeros(2), prior, edgecolor="0.5", linestyle="--"))
        axes.add_patch(ellipse(*posterior, edgecolor=BLUE, linewidth=2))
        axes.axvline(y, color="0.3", linewidth=1, linestyle=":")
        axes.set(title=name, xlim=(-1.5, 2.4), ylim=(-1.5, 2.4), aspect="equal")
    for i, axes in enumerate(grid):
        axes.set_xlabel("$x_1$" if i >= len(samples) - columns else "")
        axes.set_ylabel("$x_2$" if i % columns == 0 else "")
    return figure


def ellipse(mean: Tensor, covariance: Tensor, **look: object) -> Ellipse:
    """The outline that holds 95 % of N(mean, covariance) in the plane: |.|^2 up to 5.99 of it."""
    values, vectors = torch.linalg.eigh(covariance.double())
    width, height = (2 * (5.991 * values).sqrt()).tolist()
    angle = torch.rad2deg(torch.atan2(vectors[1, 0], vectors[0, 0])).item()
    return Ellipse(mean.tolist(), width, height, angle=angle, fill=False, zorder=3, **look)


@style()
def passed(
    noise: Sequence[float],
    lines: Mapping[str, Sequence[float]],
    *,
    clarity: Sequence[float],
    seen_at: float = 3.0,
) -> Figure:
    """What share of a spot is left in named pictures over the noise's standard deviation; and
    below, how many standard deviations the spot stands out of the raw data, `clarity`.

    seen_at: the level of the dotted line, at which a spot is called visible.
    """
    figure = Figure(figsize=(8, 5.4))
    share, data = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    for (name, y), mark, colour in zip(lines.items(), "os^D", COLOURS, strict=False):
        share.plot(noise, y, f"{mark}-", label=name, color=colour)
    share.axhline(1, color="0.4", linewidth=1, linestyle=":")
    share.axhline(0, color="0.4", linewidth=1, linestyle=":")
    share.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    share.set(title="what is left of the spot in the picture", ylim=(-0.2, 1.3))
    share.legend()
    data.plot(noise, clarity, "o-", color="0.3")
    data.axhline(seen_at, color=mpl.colors.to_rgba(ORANGE), linewidth=1.2, linestyle=":")
    data.annotate(f"{seen_at:g}: visible", (noise[-1], seen_at), (0, 4), ha="right",
                  textcoords="offset points", color=ORANGE)  # fmt: skip
    data.set(xlabel=r"noise $\sigma$", yscale="log",
             title="how far it stands out of the raw data, in its standard deviations")  # fmt: skip
    data.set_yticks([1, 3, 10, 30], ["1", "3", "10", "30"])
    data.yaxis.set_minor_formatter(NullFormatter())
    return figure
