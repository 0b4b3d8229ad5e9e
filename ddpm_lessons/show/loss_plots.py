"""The figures of lesson 03 in the house's style: the bound, its terms, and the loss made of it."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ddpm_lessons.data.images import to_uint8
from ddpm_lessons.gaussian import Gaussian
from ddpm_lessons.loss import Bound, decoder_log_likelihood
from ddpm_lessons.show.charts import bell
from ddpm_lessons.show.plots import COLOURS, style

BLUE, ORANGE, GREEN = COLOURS[:3]


class Gap(NamedTuple):
    """A quantity and its upper bound over one x, (N,) each."""

    x: Tensor
    exact: Tensor
    bound: Tensor


@style()
def bound_gaps(gaps: Mapping[str, Gap]) -> Figure:
    """The exact -log p(x_0) and the bound above it, the gap shaded: a panel for each x axis."""
    figure = Figure(figsize=(4.4 * len(gaps), 3.6))
    panels = figure.subplots(1, len(gaps), squeeze=False)[0]
    for axes, (name, gap) in zip(panels, gaps.items(), strict=True):
        axes.fill_between(gap.x, gap.exact, gap.bound, color=ORANGE, alpha=0.2, linewidth=0,
                          label="the gap")  # fmt: skip
        axes.plot(gap.x, gap.bound, color=ORANGE, label="the bound $L$")
        axes.plot(gap.x, gap.exact, color=BLUE, label=r"exact $-\log p_\theta(x_0)$")
        for curve, colour in ((gap.bound, ORANGE), (gap.exact, BLUE)):
            lowest = curve.argmin()
            axes.plot(gap.x[lowest], curve[lowest], "o", color=colour, markersize=7)
        axes.set(xlabel=name, ylabel="nats")
    panels[0].legend(loc="upper center")
    return figure


@style()
def equal_widths(distances: Sequence[float] = (0.5, 1.0, 2.0)) -> Figure:
    """Left: a bell, and others of the same width moved away from it. Right: KL over the distance,
    both measured in standard deviations, with a dot for each of the bells.
    """
    figure = Figure(figsize=(9, 3.3))
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    still = Gaussian(0.0, 1.0)
    left.fill_between(*bell(still, -4, 8.5), color="0.5", alpha=0.25, linewidth=0)
    left.plot(*bell(still, -4, 8.5), color="0.3", label=r"posterior, mean $\tilde\mu$")
    d = torch.linspace(0, 2.6, 53, dtype=torch.float64)
    right.plot(d, Gaussian(d, 1.0).kl(Gaussian(torch.zeros_like(d), 1.0)), color="0.3")
    for distance, colour in zip(distances, COLOURS, strict=False):
        moved = Gaussian(distance, 1.0)
        left.plot(*bell(moved, -4, 8.5), color=colour, label=rf"model, {distance:g} $\sigma$ away")
        right.plot(distance, still.kl(moved), "o", color=colour, markersize=9)
        right.annotate(f"{still.kl(moved):.3g}", (distance, still.kl(moved)), (-8, 6),
                       textcoords="offset points", ha="right", color=colour)  # fmt: skip
    left.set(xlabel=r"$x_{t-1}$, in units of $\sigma$", yticks=[], ylim=(0, None), xlim=(-4, 8.5))
    left.legend(fontsize=10, loc="upper right")
    right.set(xlabel=r"distance of the means, in $\sigma$", title="KL in nats", ylim=(0, None))
    return figure


@style()
def decoder_bins(centres: Sequence[int], var: float, *, around: int = 3) -> Figure:
    """For a mean at each grey level of `centres` (0..255): the bell of variance `var`, and the
    probability of each level within `around`, the area over its bin, Eq. (13).
    """
    figure = Figure(figsize=(4.5 * len(centres), 3.3))
    panels = figure.subplots(1, len(centres), squeeze=False)[0]
    for axes, centre in zip(panels, centres, strict=True):
        levels = torch.arange(max(0, centre - around), min(255, centre + around) + 1)
        x_0, mean = levels.double() / 127.5 - 1, centre / 127.5 - 1
        share = decoder_log_likelihood(x_0, Gaussian(torch.full_like(x_0, mean), var)).exp()
        low, high = levels[0].item() - 0.6, levels[-1].item() + 0.6
        x, height = bell(Gaussian(mean, var), low / 127.5 - 1, high / 127.5 - 1)
        peak = 1 / (127.5 * (2 * torch.pi * var) ** 0.5)  # of the density, for each grey level
        bars = axes.bar(levels, share, width=0.94, color=BLUE, alpha=0.4)
        axes.bar_label(bars, [f"{p:.2f}" for p in share.tolist()], fontsize=10.5, padding=5)
        axes.plot((x + 1) * 127.5, height * peak, color=ORANGE)
        axes.set(xlabel="grey level", xticks=levels.tolist(), xlim=(low, high), ylim=(0, 0.8))
        axes.set_title(f"predicted mean at level {centre}")
    panels[0].set_ylabel("probability")
    return figure


@style()
def over_time(
    lines: Mapping[str, tuple[Tensor, Tensor]], *, y_label: str, log_y: bool = True
) -> Figure:
    """Named lines (t, y), (N,) each, over a logarithmic axis of t."""
    figure = Figure(figsize=(8, 3.7))
    axes = figure.subplots()
    for (name, (t, y)), dash in zip(lines.items(), ("-", "--", "-.", ":"), strict=False):
        axes.plot(t, y, dash, label=name)
    axes.set(xscale="log", yscale="log" if log_y else "linear", xlabel="$t$", ylabel=y_label)
    axes.set_xlim(1, None)
    axes.legend()
    return figure


@style()
def loss_curve(losses: Sequence[float], floor: float, *, window: int = 50) -> Figure:
    """The loss of each training step, its running mean, and the lowest loss that is possible."""
    loss = torch.tensor(losses, dtype=torch.float64)
    mean = loss.unfold(0, window, 1).mean(dim=1)  # (steps - window + 1,)
    figure = Figure(figsize=(8, 3.3))
    axes = figure.subplots()
    axes.plot(loss, color=BLUE, alpha=0.25, linewidth=0.8, label="loss of one batch")
    axes.plot(torch.arange(window, len(loss) + 1), mean, color=BLUE,
              label=f"mean of the last {window}")  # fmt: skip
    axes.axhline(floor, color=ORANGE, linestyle="--", label=f"the floor, {floor:.2f}")
    axes.set(xlabel="training step", ylabel="$L_{simple}$", ylim=(0, loss[5:].max() * 1.05))
    axes.legend(ncols=3, loc="upper right")
    return figure


@style()
def bound_in_pictures(bounds: Mapping[str, Bound], x_ts: Mapping[int, Tensor]) -> Figure:
    """The bound of one image over a logarithmic axis of t, in bits per dimension.

    Above: the noisy images x_ts, {t: (1, C, H, W)}, each over its t. Middle: L_{t-1} for each t.
    Below: what each piece of the axis adds up to, L_0 left of t = 1 and L_T right of t = T.
    bounds: of one image each, by name, all with the same T.
    """
    last = len(next(iter(bounds.values())).denoising) - 1
    left, right = 10**-0.5, last * 10**0.5
    figure = Figure(figsize=(9, 6.6))
    strip, terms, sums = figure.subplots(3, 1, height_ratios=(1.1, 2.4, 2.4))
    _strip(strip, x_ts, left, right)
    for (name, bound), dash in zip(bounds.items(), ("-", "--"), strict=False):
        terms.plot(range(2, last + 1), bound.denoising[2:, 0], dash, linewidth=1.4, label=name)
    terms.set(yscale="log", ylabel="bits/dim", title="each step on its own: $L_{t-1}$ for each $t$")
    sums.set(ylabel="bits/dim", title="summed over pieces of the axis")
    for axes in (terms, sums):
        axes.set(xscale="log", xlim=(left, right))
    _sums(sums, bounds)
    for axes in (terms, sums):
        axes.minorticks_off()
        axes.legend(loc="upper right")
    ticks = [t for t in (1, 3, 10, 30, 100, 300) if t < last] + [last]
    terms.set_xticks(ticks, [f"$t={t}$" for t in ticks])
    return figure


def pieces(bound: Bound) -> dict[str, tuple[float, float]]:
    """The bound of one image in pieces: name -> (its place on the axis of t, bits per dimension).

    A piece of the denoising terms lies between two of the times 1, 3, 10, 30, 100, 300, T.
    """
    last = len(bound.denoising) - 1
    edges = [t for t in (1, 3, 10, 30, 100, 300) if t < last] + [last]
    result = {"$L_0$": (10**-0.25, bound.reconstruction[0].item())}
    for low, high in itertools.pairwise(edges):
        bits = bound.denoising[low + 1 : high + 1, 0].sum().item()
        result[f"{low + 1} to {high}"] = ((low * high) ** 0.5, bits)
    return {**result, "$L_T$": (last * 10**0.25, bound.prior[0].item())}


def _strip(axes: Axes, x_ts: Mapping[int, Tensor], left: float, right: float) -> None:
    """Small images, each over its t on a logarithmic axis from `left` to `right`."""
    axes.set_axis_off()
    for t, x_t in x_ts.items():
        place = math.log(t / left) / math.log(right / left)  # in 0..1
        inset = axes.inset_axes((place - 0.055, 0.0, 0.11, 1.0))
        inset.imshow(to_uint8(x_t)[0].permute(1, 2, 0).squeeze(-1), vmin=0, vmax=255)
        inset.set(xticks=[], yticks=[])
        inset.spines[:].set_visible(False)


def _sums(axes: Axes, bounds: Mapping[str, Bound]) -> None:
    """Bars for each piece of the axis, those of the bounds side by side."""
    for i, (name, bound) in enumerate(bounds.items()):
        places, bits = zip(*pieces(bound).values(), strict=True)
        shift = 1.55 ** (i - (len(bounds) - 1) / 2)  # on a logarithmic axis
        x = torch.tensor(places) * shift
        bars = axes.bar(x, bits, width=0.4 * x, color=COLOURS[i])
        labels = [f"{b:.2f}" if b > 0.005 else f"{b:.0e}".replace("e-0", "e-") for b in bits]
        axes.bar_label(bars, labels, fontsize=9)
        bars.set_label(f"{name}, together {bound.total[0]:.2f}")
    axes.set_xticks(places, list(pieces(bound)))
    axes.grid(visible=False, axis="x")
    axes.set_ylim(0, axes.get_ylim()[1] * 1.12)
