"""The figures of lesson 05 in the house's style: what a training does, as numbers and as digits."""

import itertools
from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from torch import Tensor

from ddpm_lessons.show.chains import spread
from ddpm_lessons.show.plots import COLOURS, draw_image, style

BLUE, ORANGE, GREEN = COLOURS[:3]
EDGES = (0, 10, 100, 300, 1000)  # ranges of t: 1..10, 11..100, ...


@style()
def learning(
    losses: Tensor, strips: Mapping[int, Tensor], *, window: int = 10, rows: int = 5
) -> Figure:
    """A training in one picture: above, the loss of each step, (N,), and its running mean, on a
    logarithmic axis; below, `rows` of the samples `strips`, {step: (B, C, H, W)}, the first and the
    last included.
    """
    shown = [list(strips)[i] for i in spread(len(strips) - 1, rows)]
    width = len(strips[shown[0]])
    figure = Figure(figsize=(9, 3.2 + 0.95 * len(shown)))
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02)
    above, below = figure.subfigures(2, 1, height_ratios=(3.2, 0.95 * len(shown)))
    axes = above.subplots()
    first = max(strips) - len(losses)  # steps before this part of the training
    _losses(axes, torch.arange(first + 1, first + len(losses) + 1), losses, window=window)
    for step in shown:
        axes.axvline(step, color="0.5", linewidth=0.8, linestyle=":")
    grid = below.subplots(len(shown), width, squeeze=False)
    for places, step in zip(grid, shown, strict=True):
        for place, image in zip(places, strips[step], strict=True):
            draw_image(place, image)
        places[0].set_ylabel(f"step {step:,}", rotation=0, ha="right", va="center")
    return figure


@style()
def over_time(
    curves: Mapping[str, tuple[Sequence[int], Tensor]], *, bars: Sequence[str] = ()
) -> Figure:
    """Left: named losses (timesteps, loss (N,)) over t, on logarithmic axes. Right: for those of
    the names `bars`, what each range of t adds to the mean over all t, and the sum.
    """
    figure = Figure(figsize=(9, 3.9))
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    for (name, (t, loss)), dash in zip(curves.items(), (":", "--", "-", "-."), strict=False):
        left.plot(t, loss, dash, marker="o", markersize=3.5, label=name)
    left.set(xscale="log", yscale="log", xlabel="$t$", title="mean squared error at $t$")
    left.legend(fontsize=10, loc="lower left")
    parts = torch.tensor([shares(*curves[name]) for name in bars], dtype=torch.float64)
    bottom = torch.zeros(len(bars), dtype=torch.float64)
    for i, (low, high) in enumerate(itertools.pairwise(EDGES)):
        part = parts[:, i]
        label = f"$t = {low + 1}$–${high}$"
        right.bar(bars, part, bottom=bottom, color=COLOURS[i], label=label, width=0.6)
        bottom = bottom + part
    for i, total in enumerate(bottom.tolist()):
        right.annotate(f"{total:.4f}", (i, total), ha="center", va="bottom")
    right.set(title="what each range adds to the loss", ylim=(0, 1.12 * bottom.max().item()))
    handles, labels = right.get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside right center", title="range of $t$")
    right.grid(visible=False, axis="x")
    return figure


def shares(timesteps: Sequence[int], loss: Tensor) -> list[float]:
    """What each range of t between two of EDGES adds to the mean of a loss over t = 1..1000.

    loss: (N,), known at `timesteps`, rising from 1 to 1000; between them, it is a straight line
    over log t. Raises ValueError where the timesteps do not cover 1..1000.
    """
    known, T = torch.as_tensor(timesteps, dtype=torch.float64), EDGES[-1]
    if known[0] != 1 or known[-1] != T or not (known.diff() > 0).all():
        raise ValueError(f"timesteps is {list(timesteps)}, expected to rise from 1 to {T}")
    t = torch.arange(1, T + 1, dtype=torch.float64)
    after = torch.searchsorted(known, t).clamp(min=1)
    x, y = known.log(), loss.double()
    part = (t.log() - x[after - 1]) / (x[after] - x[after - 1])
    everywhere = y[after - 1] + part * (y[after] - y[after - 1])  # (1000,), entry i is t = i + 1
    return [everywhere[low:high].sum().item() / T for low, high in itertools.pairwise(EDGES)]


@style()
def samples(rows: Mapping[str, Tensor]) -> Figure:
    """Named rows of images (N, C, H, W), as many in each, their names before them."""
    width = len(next(iter(rows.values())))
    figure = Figure(figsize=(9, 0.8 * len(rows) + 0.2))
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02)
    grid = figure.subplots(len(rows), width, squeeze=False)
    for places, (name, x) in zip(grid, rows.items(), strict=True):
        for place, image in zip(places, x, strict=True):
            draw_image(place, image)
        places[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=11)
    return figure


@style()
def plateau(step: Tensor, loss: Tensor) -> Figure:
    """One loss (N,) over the steps (N,), seen twice: on an axis from 0 to 1, where it seems to have
    stopped, and on a logarithmic one, where it has not. A dotted line marks a tenth of the way.
    """
    figure = Figure(figsize=(9, 3.4))
    left, right = figure.subplots(1, 2)
    left.plot(step, loss, color=BLUE)
    left.set(ylim=(0, 1), title="the axis of a progress bar")
    right.plot(step, loss, color=BLUE)
    right.set_title("the same numbers, looked at closely")
    low, high = 0.9 * loss.min().item(), 2.5 * loss[-1].item()
    ticks = [y for y in (0.015, 0.02, 0.025, 0.03, 0.04, 0.05) if low < y < high]
    right.set(yscale="log", ylim=(low, high))
    right.set_yticks(ticks, [f"{y:g}" for y in ticks])
    right.yaxis.set_minor_formatter(NullFormatter())
    for axes in (left, right):
        axes.axvline(step[-1] / 10, color="0.4", linewidth=1, linestyle=":")
        axes.set(xlabel="training step", ylabel="loss, mean of 50 steps")
    return figure


@style()
def resumed(before: Tensor, after: Mapping[str, Tensor], *, window: int = 5) -> Figure:
    """The running mean of a loss (N,) up to a stop, and what came after it in several trials."""
    figure = Figure(figsize=(8, 3.4))
    axes = figure.subplots()
    start = len(before)
    steps = torch.arange(window, start + 1) - start
    axes.plot(steps, before.unfold(0, window, 1).mean(dim=1), color="0.3", label="before the stop")
    for (name, losses), dash in zip(after.items(), ("-", "--", "-."), strict=False):
        joined = torch.cat([before[start - window + 1 :], losses])
        mean = joined.unfold(0, window, 1).mean(dim=1)
        axes.plot(torch.arange(1, len(mean) + 1), mean, dash, label=name)
    axes.axvline(0.5, color="0.5", linewidth=1, linestyle=":")
    axes.set(xlabel="steps after the stop", ylabel=f"loss, mean of {window} steps", yscale="log")
    axes.yaxis.set_minor_formatter(lambda y, _: f"{y:g}" if f"{y:.0e}"[0] in "12346" else "")
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
    axes.legend()
    return figure


def _losses(axes: Axes, step: Tensor, losses: Tensor, *, window: int) -> None:
    """The loss of each step as a pale line, and its running mean as a strong one."""
    window = min(window, len(losses))
    mean = losses.unfold(0, window, 1).mean(dim=1)
    axes.plot(step, losses, color=BLUE, alpha=0.3, linewidth=0.8, label="one batch")
    axes.plot(step[window - 1 :], mean, color=BLUE, label=f"mean of {window}")
    axes.set(xlabel="training step", ylabel="loss", yscale="log")
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
    axes.yaxis.set_minor_formatter(lambda y, _: f"{y:g}" if f"{y:.0e}"[0] in "235" else "")
    axes.legend(loc="upper right")
