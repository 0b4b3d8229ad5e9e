"""The figures of lesson 02 in the house's style: what one step back looks like."""

import torch
from matplotlib.figure import Figure
from torch import Tensor

from ddpm_lessons.exact import Mixture, reverse_density
from ddpm_lessons.gaussian import Gaussian
from ddpm_lessons.posterior import q_posterior
from ddpm_lessons.schedule import Coefficients, NoiseSchedule
from ddpm_lessons.show.charts import bell
from ddpm_lessons.show.plots import COLOURS, style

GRID = torch.linspace(-2.6, 2.6, 1041, dtype=torch.float64)  # the x_{t-1} that are drawn


def moments(density: Tensor, grid: Tensor) -> Gaussian:
    """The Gaussian with the mean and the variance of a density given on a grid, both (N,)."""
    mean = torch.trapezoid(density * grid, grid)
    return Gaussian(mean.item(), torch.trapezoid(density * (grid - mean) ** 2, grid).item())


def describe_reverse(mixture: Mixture, x_t: float, c: Coefficients) -> str:
    """What `reverse_curves` shows, in words: beta, and the peaks of q(x_{t-1} | x_t) over 1 % of
    the highest.
    """
    density = reverse_density(mixture, GRID, x_t, c)
    middle = density[1:-1]
    top = (middle > density[:-2]) & (middle >= density[2:]) & (middle > 0.01 * density.max())
    places = [f"{x:.1f}" for x in GRID[1:-1][top].tolist()]
    peaks = "one peak" if len(places) == 1 else f"{len(places)} peaks"
    return f"beta of the jump is {c.beta:.3f}; the product has {peaks}, at {' and '.join(places)}"


@style()
def reverse_curves(mixture: Mixture, x_t: float, c: Coefficients, *, title: str = "") -> Figure:
    """Bayes' rule for one step back in a mixture of numbers: prior q(x_{t-1}), likelihood q(x_t |
    x_{t-1}) as a function of x_{t-1}, their product normalised, and the Gaussian nearest to it.

    Each curve is scaled to a peak of 1, but the Gaussian as the density that it imitates.
    """
    shape = (-1, *mixture.means.shape[1:])
    prior = mixture.noised(c.alpha_bar_prev).log_density(GRID.view(shape)).exp()
    density = reverse_density(mixture, GRID, x_t, c)
    nearest = moments(density, GRID).log_prob(GRID).exp()
    likelihood = bell(Gaussian(x_t / c.alpha**0.5, c.beta / c.alpha), -2.6, 2.6)
    figure = Figure(figsize=(7.6, 3.7))
    axes = figure.subplots()
    axes.fill_between(GRID, density / density.max(), color=COLOURS[2], alpha=0.25, linewidth=0)
    axes.plot(GRID, density / density.max(), color=COLOURS[2], linewidth=3,
              label=r"product $q(x_s|x_t)$")  # fmt: skip
    axes.plot(GRID, nearest / density.max(), "k", linewidth=1.3, dashes=(2, 2),
              label="Gaussian of the same mean and variance")  # fmt: skip
    axes.plot(GRID, prior / prior.max(), "--", color=COLOURS[0], label="prior $q(x_s)$")
    axes.plot(*likelihood, ":", color=COLOURS[1], label=r"likelihood $q(x_t|x_s)$")
    axes.set(xlabel="$x_s$", xlim=(-2.2, 2.2), ylim=(0, 1.12), yticks=[], title=title)
    figure.legend(loc="outside lower center", ncols=2, fontsize=10)
    return figure


@style()
def posterior_weights(schedule: NoiseSchedule) -> Figure:
    """For all t: the weights of x_0 and x_t in the mean of Eq. (7); beta-tilde_t over beta_t."""
    t = torch.arange(1, schedule.T + 1)
    c = schedule.at(t)
    one, zero = torch.ones(len(t), dtype=torch.float64), torch.zeros(len(t), dtype=torch.float64)
    figure = Figure(figsize=(9, 3.6))
    left, right = figure.subplots(1, 2)
    left.plot(t, q_posterior(zero, one, c).mean, color=COLOURS[1], label="weight of $x_t$")
    left.plot(t, q_posterior(one, zero, c).mean, "--", color=COLOURS[0], label="weight of $x_0$")
    left.set(title=r"who is listened to in $\tilde\mu_t$?", xscale="log", xlabel="$t$")
    right.plot(t, q_posterior(zero, zero, c).var / c.beta, color=COLOURS[2])
    right.set(title=r"$\tilde\beta_t\,/\,\beta_t$", xscale="log", xlabel="$t$", ylim=(-0.04, 1.04))
    left.legend(loc="center right")
    for axes in (left, right):
        axes.xaxis.set_major_formatter("{x:.0f}")
    return figure


@style()
def histogram_and_bell(samples: Tensor, p: Gaussian, *, x_label: str, title: str = "") -> Figure:
    """A histogram of numbers (N,), as a density, under the curve of the Gaussian p."""
    std = p.var**0.5
    low, high = p.mean - 4 * std, p.mean + 4 * std
    x, y = bell(p, low, high)
    figure = Figure(figsize=(7, 3.2))
    axes = figure.subplots()
    axes.hist(samples.tolist(), bins=60, range=(low, high), density=True, color=COLOURS[0],
              alpha=0.35, label=f"{len(samples):,} samples that were kept")  # fmt: skip
    axes.plot(x, y / (2 * torch.pi * p.var) ** 0.5, color=COLOURS[2], linewidth=3,
              label="Eq. (6, 7)")  # fmt: skip
    axes.set(xlabel=x_label, ylabel="density", title=title)
    figure.legend(loc="outside lower center", ncols=2)
    return figure
