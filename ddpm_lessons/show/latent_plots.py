"""The figures of lesson 11 in the house's style: latents in colour, what they cost, what they keep.

Latents are blue below 0, white at 0 and red above, so that nobody takes them for images.
"""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch
from torch import Tensor

from ddpm_lessons.door import check_images, check_number
from ddpm_lessons.forward import q_sample
from ddpm_lessons.schedule import NoiseSchedule
from ddpm_lessons.show.chains import grid
from ddpm_lessons.show.plots import COLOURS, draw_image, style

LIMIT = 3.0  # latents of this size and above have the darkest colour
SIGNED, SHADES = "RdBu_r", "viridis"


def mosaic(z: Tensor, *, limit: float = LIMIT) -> Tensor:
    """Latents (B, C, h, w) as one picture (3, H, W) in [-1, 1]: for each its C maps side by side in
    a square, the squares in a nearly square grid, as `grid` places images.

    limit: the size from which on a colour is the darkest. Raises ValueError for other shapes.
    """
    check_images("z", z)
    check_number("limit", limit, "(0, inf)")
    if z.ndim != 4:
        raise ValueError(f"z has shape {tuple(z.shape)}, expected (B, C, h, w)")
    place = (z.detach().cpu().double() / limit).clamp(-1, 1) / 2 + 0.5  # in 0..1
    rgb = torch.from_numpy(mpl.colormaps[SIGNED](place.numpy())[..., :3])  # (B, C, h, w, 3)
    maps = 2 * rgb.permute(0, 1, 4, 2, 3) - 1  # (B, C, 3, h, w)
    return grid(torch.stack([grid(own) for own in maps])).float()


@style()
def codes(x: Tensor, z: Tensor, back: Tensor) -> Figure:
    """A row for each digit: the digit, the maps of its latents, what the decoder makes of them, and
    the difference of the two pictures (red: too much ink).

    x, back: (B, 1, H, W) in [-1, 1]. z: (B, C, h, w). Raises ValueError where they are not as many.
    """
    if not len(x) == len(z) == len(back):
        found = f"x, z and back have {len(x)}, {len(z)} and {len(back)} entries"
        raise ValueError(f"{found}, expected as many of each")
    names = ["digit", *(f"channel {i}" for i in range(1, z.shape[1] + 1)), "decoded", "difference"]
    figure = Figure(figsize=(1.15 * len(names) + 0.2, 1.15 * len(x) + 0.9))
    figure.get_layout_engine().set(w_pad=0.04, h_pad=0.04)
    places = figure.subplots(len(x), len(names), squeeze=False)
    for row, image, code, again in zip(places, x, z, back, strict=True):
        draw_image(row[0], image)
        for axes, values in zip(row[1:-2], code, strict=True):
            drawn = _signed_map(axes, values, LIMIT)
        draw_image(row[-2], again)
        _signed_map(row[-1], (again.clamp(-1, 1) - image)[0], 1.0)
    for axes, name in zip(places[0], names, strict=True):
        axes.set_title(name, loc="center", fontsize=11)
    every = places.ravel().tolist()
    figure.colorbar(drawn, ax=every, location="bottom", shrink=0.4, aspect=30, label="a latent")
    return figure


@style()
def stacked(panels: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Figure:
    """A panel for each title, in it a bar for each name, made of named parts, and the bar's sum.

    The same part has the same colour everywhere; the legend names them in the order of appearance.
    """
    bars = max(len(bars) for bars in panels.values())
    figure = Figure(figsize=(9.2, 0.5 * bars + 1.5))
    row = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    colours: dict[str, str] = {}
    for axes, (title, named) in zip(row, panels.items(), strict=True):
        for name, parts in named.items():
            left = 0.0
            for part, amount in parts.items():
                colour = colours.setdefault(part, COLOURS[len(colours) % len(COLOURS)])
                axes.barh(name, amount, left=left, color=colour, alpha=0.75, height=0.62)
                left += amount
            axes.text(left, name, f" {left:.3g}", va="center")
        longest = max(sum(parts.values()) for parts in named.values())
        axes.set(title=title, xlim=(0, 1.2 * longest))
        axes.grid(visible=False, axis="y")
    row[0].invert_yaxis()
    handles = [Patch(color=colour, alpha=0.75, label=part) for part, colour in colours.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


@style()
def numbers_kept(
    line: tuple[Sequence[float], Sequence[float]],
    points: Mapping[str, tuple[float, float]],
    *,
    line_name: str,
) -> Figure:
    """The error in grey levels over how many numbers are kept of an image: a line, and named points
    (numbers, error) beside it.
    """
    figure = Figure(figsize=(8.4, 3.7))
    axes = figure.subplots()
    axes.plot(*line, color="0.45", label=line_name)
    marks = zip("osD^", COLOURS, strict=False)
    for (name, (n, error)), (mark, colour) in zip(points.items(), marks, strict=False):
        axes.plot([n], [error], mark, color=colour, markersize=10, label=name)
    axes.set(xscale="log", ylim=(0, None), ylabel="error of a pixel, grey levels of 255")
    axes.set(xlabel="numbers kept of the 784")
    ticks = [n for n in (1, 5, 10, 20, 50, 100, 196, 392, 784) if n >= min(line[0])]
    axes.set_xticks(ticks, [str(n) for n in ticks])
    axes.xaxis.minorticks_off()
    axes.legend()
    return figure


@style()
def maps(panels: Mapping[str, Tensor], *, label: str) -> Figure:
    """Named maps (h, w) of numbers from 0 up on one scale of shades, which `label` names."""
    highest = max(values.max().item() for values in panels.values())
    figure = Figure(figsize=(2.05 * len(panels) + 0.9, 2.6))
    row = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (name, values) in zip(row, panels.items(), strict=True):
        drawn = axes.imshow(values.detach().numpy(), cmap=SHADES, vmin=0, vmax=highest)
        axes.set(xticks=[], yticks=[])
        axes.set_title(name, loc="center")
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
    figure.colorbar(drawn, ax=row.tolist(), label=label, shrink=0.85)
    return figure


@style()
def spectra(variances: Mapping[str, Tensor]) -> Figure:
    """Named variances (N,) along N directions, in the order given, on a logarithmic axis."""
    figure = Figure(figsize=(8.4, 3.5))
    axes = figure.subplots()
    for (name, values), dash in zip(variances.items(), ("-", "--", "-."), strict=False):
        axes.plot(torch.arange(1, len(values) + 1), values.detach(), dash, label=name)
    axes.set(yscale="log", xlabel="direction, the widest first", ylabel="variance along it")
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
    axes.yaxis.set_minor_formatter(lambda y, _: f"{y:g}" if f"{y:.0e}"[0] in "25" else "")
    axes.legend()
    return figure


@style()
def in_noise(
    code: Tensor, eps: Tensor, schedule: NoiseSchedule, *, std: float, timesteps: Sequence[int]
) -> Figure:
    """What a noise schedule does to data that are `std` times as large as they should be.

    Left: their signal-to-noise ratio over t, and in grey that of data of variance 1. Right: a map
    of latents (h, w) of variance about 1 in the noise `eps` at some t, above as it is and below
    `std` times as large; each picture is shown with its own variance scaled to 1.
    """
    check_number("std", std, "(0, inf)")
    figure = Figure(figsize=(9.2, 3.0))
    figure.get_layout_engine().set(w_pad=0.05, h_pad=0.05)
    left, right = figure.subfigures(1, 2, width_ratios=(3, 4))
    axes = left.subplots()
    kept = schedule.alpha_bars[1:]
    t, ratio = torch.arange(1, schedule.T + 1), kept / (1 - kept)
    names = ("variance 1", f"std {std:.3g}")
    axes.plot(t, ratio, color="0.55", label=names[0])
    axes.plot(t, std**2 * ratio, color=COLOURS[1], label=names[1])
    axes.axhline(1, color="0.3", linewidth=1, linestyle=":")
    axes.set(yscale="log", xlabel="$t$", title="signal-to-noise ratio", ylim=(1e-7, 1e7))
    axes.legend(loc="lower left", fontsize=10)
    places = right.subplots(2, len(timesteps), squeeze=False)
    for row, scale, name in zip(places, (1.0, std), names, strict=True):
        for cell, at in zip(row, timesteps, strict=True):
            c = schedule.at(at)
            size = (scale**2 * c.alpha_bar + 1 - c.alpha_bar) ** 0.5
            _signed_map(cell, q_sample(scale * code, c, eps) / size, LIMIT)
        row[0].set_ylabel(name)
    for cell, at in zip(places[0], timesteps, strict=True):
        cell.set_title(f"$t = {at}$", loc="center", fontsize=11)
    return figure


def _signed_map(axes: Axes, values: Tensor, limit: float) -> AxesImage:
    """A map (h, w) in its place, in blue, white and red, without an axis."""
    drawn = axes.imshow(values.detach().cpu().numpy(), cmap=SIGNED, vmin=-limit, vmax=limit)
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    axes.spines[:].set(visible=True, linewidth=0.6, color="0.7")
    return drawn
