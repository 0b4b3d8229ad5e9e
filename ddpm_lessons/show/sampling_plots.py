"""The figures of lesson 06 in the house's style: steps back, chains of numbers, where they end."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from matplotlib.figure import Figure
from torch import Tensor

from ddpm_lessons.exact import Mixture
from ddpm_lessons.gaussian import Gaussian
from ddpm_lessons.schedule import NoiseSchedule
from ddpm_lessons.show.chains import spread
from ddpm_lessons.show.charts import bell
from ddpm_lessons.show.plots import COLOURS, marginal_density, style

BLUE, ORANGE, GREEN = COLOURS[:3]
LOW, HIGH = -3.4, 3.4  # the numbers that are drawn


class StepBack(NamedTuple):
    """One step of Algorithm 2 on a number: where it starts, p(x_{t-1} | x_t), and the draw z."""

    x_t: float
    p: Gaussian
    z: float

    @property
    def x_prev(self) -> float:
        """x_{t-1} = mean + sigma z."""
        return self.p.mean + self.p.var**0.5 * self.z


@style()
def steps_back(steps: Mapping[str, StepBack]) -> Figure:
    """A panel for each step, from top to bottom: x_t; the arrow to the mean; the bell of width
    sigma around it; the arrow of the noise sigma z, and where it ends, x_{t-1}.
    """
    figure = Figure(figsize=(4.6 * len(steps), 3.5))
    panels = figure.subplots(1, len(steps), squeeze=False)[0]
    for axes, (title, step) in zip(panels, steps.items(), strict=True):
        mean, sigma = step.p.mean, step.p.var**0.5
        axes.fill_between(*bell(step.p, mean - 4 * sigma, mean + 4 * sigma), color=GREEN,
                          alpha=0.2, linewidth=0)  # fmt: skip
        far = 1.2 * max(3 * sigma, abs(step.x_t - mean), abs(step.x_prev - mean))
        for height, start, end, colour in (
            (1.35, step.x_t, mean, GREEN), (0.55, mean, step.x_prev, ORANGE)
        ):  # fmt: skip
            head = min(14.0, 120 * abs(end - start) / far)  # a short arrow has a small head
            axes.annotate("", (end, height), (start, height), arrowprops={
                "arrowstyle": "-|>", "mutation_scale": max(head, 0.1), "color": colour,
                "linewidth": 2.5, "shrinkA": 0, "shrinkB": 0})  # fmt: skip
        marks = (
            (step.x_t, 1.35, BLUE, "$x_t$", 1), (mean, 1.0, GREEN, r"$\mu_\theta$", -1),
            (step.x_prev, 0.55, ORANGE, "$x_{t-1}$", 1),
        )  # fmt: skip
        for x, height, colour, name, side in marks:
            axes.plot([x, x], [0, height], ":", color=colour, linewidth=1.5)
            axes.annotate(f"{name} = {x:.4g}", (x, height), (8 * side, 8), color=colour,
                          textcoords="offset points", ha="left" if side > 0 else "right",
                          fontsize=11.5)  # fmt: skip
        axes.plot([x for x, *_ in marks[:1]], [1.35], "o", color=BLUE, markersize=6)
        axes.set(title=title, ylim=(0, 1.7), yticks=[], xlim=(mean - far, mean + far))
        axes.spines["left"].set_visible(False)
        axes.grid(visible=False)
    return figure


@style()
def variance_errors(panels: Mapping[str, Mapping[str, tuple[Tensor, Tensor]]]) -> Figure:
    """For each panel, lines (t, ratio), (N,) each: the variance of a chain over the true one."""
    figure = Figure(figsize=(4.6 * len(panels), 3.5))
    axes_of = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, (title, lines) in zip(axes_of, panels.items(), strict=True):
        axes.axhline(1, color="0.3", linewidth=1, linestyle=":")
        for (name, (t, ratio)), dash in zip(lines.items(), ("o-", "s--", "^-."), strict=False):
            axes.plot(t, ratio, dash, label=name)
        axes.set(title=title, xlabel="$t$")
        axes.invert_xaxis()  # the chain runs from T to 0
        axes.legend()
    axes_of[0].set_ylabel("variance of the chain / truth")
    return figure


@style()
def along_the_chain(
    lines: Mapping[str, tuple[Tensor, Tensor]], *, y_label: str, log_y: bool = False
) -> Figure:
    """Named lines (t, y), (N,) each; time runs from T on the left to 0 on the right."""
    figure = Figure(figsize=(8, 3.5))
    axes = figure.subplots()
    for (name, (t, y)), dash in zip(lines.items(), ("-", "--", "-.", ":"), strict=False):
        axes.plot(t, y, dash, label=name)
    last = max(t.max().item() for t, _ in lines.values())
    axes.set(xlabel="$t$", ylabel=y_label, yscale="log" if log_y else "linear", xlim=(last, 0))
    axes.legend()
    return figure


@style()
def paths(mixture: Mixture, schedule: NoiseSchedule, chains: Tensor) -> Figure:
    """Chains of numbers (T + 1, N), row t holding x_t, drawn over the density of q(x_t) for all t,
    each t scaled to its peak. Time runs from T on the left to 0 on the right; a chain has the
    colour of the component of the mixture that its end is nearest to.

    Raises ValueError where the mixture is not over numbers, or the rows are not T + 1.
    """
    if chains.ndim != 2 or len(chains) != schedule.T + 1:
        expected = f"({schedule.T + 1}, N): a row for each t = 0 ... T"
        raise ValueError(f"chains has shape {tuple(chains.shape)}, expected {expected}")
    x = torch.linspace(LOW, HIGH, 321, dtype=torch.float64)
    kept = schedule.alpha_bars[spread(schedule.T, 201)].tolist()
    columns = [marginal_density(mixture, alpha_bar, x) for alpha_bar in reversed(kept)]
    figure = Figure(figsize=(9, 4.2))
    axes = figure.subplots()
    image = torch.stack([column / column.max() for column in columns], dim=1).numpy()  # (x, t)
    axes.imshow(image, extent=(schedule.T, 0, LOW, HIGH), aspect="auto", origin="lower",
                cmap="Greys", interpolation="bilinear", vmax=1.6)  # fmt: skip
    nearest = (chains[0, :, None] - mixture.means.flatten()).abs().argmin(dim=1).tolist()
    for chain, component in zip(chains.T, nearest, strict=True):
        axes.plot(range(schedule.T + 1), chain, color=COLOURS[component % 6], linewidth=1)
    axes.grid(visible=False)
    axes.set(xlabel="$t$", ylabel="$x_t$", xlim=(schedule.T, 0), ylim=(LOW, HIGH))
    return figure


@style()
def histogram_and_density(
    samples: Tensor, mixture: Mixture, alpha_bar: float, *, title: str = ""
) -> Figure:
    """A histogram of numbers (N,), as a density, under the exact density of q(x_t), and N(0, 1).

    Raises ValueError where the mixture is not over numbers.
    """
    x = torch.linspace(LOW, HIGH, 641, dtype=torch.float64)
    figure = Figure(figsize=(6.6, 3.2))
    axes = figure.subplots()
    axes.hist(samples.flatten().tolist(), bins=80, range=(LOW, HIGH), density=True, color=BLUE,
              alpha=0.4, label=f"{samples.numel():,} chains")  # fmt: skip
    axes.plot(x, marginal_density(mixture, alpha_bar, x), color=ORANGE, label="exact $q(x_t)$")
    axes.plot(x, Gaussian(torch.zeros_like(x), 1.0).log_prob(x).exp(), "k:", linewidth=1.3,
              label="$N(0, 1)$")  # fmt: skip
    axes.set(xlabel="$x_t$", ylabel="density", title=title, xlim=(LOW, HIGH), ylim=(0, 1.6))
    axes.legend(loc="upper right", fontsize=10)
    return figure
