"""Small line charts as SVG, by hand: a widget redraws one in a millisecond, matplotlib needs 200.

They take their ink from the page, so they are legible on light and on dark. The figures that stand
still are in `plots`.
"""

import html
import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ddpm_lessons.gaussian import Gaussian
from ddpm_lessons.posterior import q_posterior
from ddpm_lessons.schedule import Coefficients

# Four colours that every kind of colour vision tells apart, legible on white and on black.
BLUE, ORANGE, GREEN, PURPLE = "#2b87d1", "#e0621a", "#0a9e75", "#b8679c"

TOP, SIDE, BOTTOM = 8, 16, 36  # pixels around the curves


class Curve(NamedTuple):
    """One line of a chart: N points (x, y), and how they are drawn."""

    name: str
    x: Sequence[float] | Tensor
    y: Sequence[float] | Tensor
    colour: str
    dash: str = "none"  # SVG's stroke-dasharray: colour alone must not carry the meaning
    fill: bool = False  # shade the area under it


class Window(NamedTuple):
    """The part of the plane that a chart shows, its numbers, and its size on the page in pixels."""

    x: tuple[float, float]
    y: tuple[float, float]
    x_ticks: Sequence[float]
    y_ticks: Sequence[float] = ()
    size: tuple[int, int] = (330, 220)

    def across(self, x: float) -> float:
        """Pixels from the left edge of the curves' field."""
        return (x - self.x[0]) / (self.x[1] - self.x[0]) * (self.size[0] - 2 * SIDE)

    def down(self, y: float) -> float:
        """Pixels from the top edge of the curves' field."""
        return (self.y[1] - y) / (self.y[1] - self.y[0]) * (self.size[1] - TOP - BOTTOM)


def chart(
    curves: Sequence[Curve],
    window: Window,
    *,
    alt: str,
    x_name: str,
    marker: float | None = None,
) -> str:
    """The curves as an `<svg>` with the alternative text `alt`; what leaves the window is cut off.

    x_name: what the axis counts. marker: where to draw an upright line.
    """
    width, height = window.size
    lines = "".join(_line(curve, window) for curve in curves)
    if marker is not None:
        x = window.across(marker)
        lines += f'<path d="M{x:.1f} 0V{height}" stroke="currentColor" stroke-width="1.5"/>'
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{html.escape(alt)}" style="max-width: 100%; height: auto; overflow: visible">'
        f'<svg x="{SIDE}" y="{TOP}" width="{width - 2 * SIDE}" height="{height - TOP - BOTTOM}" '
        f'fill="none">{lines}</svg>{_axes(window, x_name)}</svg>'
    )


def legend(curves: Sequence[Curve]) -> str:
    """The names of the curves, each after a piece of its line."""
    return "".join(
        '<span style="white-space: nowrap; margin-right: 1.2em">'
        '<svg width="26" height="10" aria-hidden="true" style="vertical-align: middle">'
        f'<path d="M0 5H26" {_stroke(curve)}/></svg> {html.escape(curve.name)}</span>'
        for curve in curves
    )


class PosteriorParts(NamedTuple):
    """Three Gaussians over x_{t-1}: the third is the product of the first two, normalised."""

    prior: Gaussian  # q(x_{t-1} | x_0): where the forward process leads from x_0
    likelihood: Gaussian  # q(x_t | x_{t-1}) as a function of x_{t-1}, normalised
    posterior: Gaussian  # q(x_{t-1} | x_t, x_0)


def posterior_parts(x_0: float, x_t: float, c: Coefficients) -> PosteriorParts:
    """The two sources of Eq. (6, 7), and the posterior itself, for numbers x_0 and x_t."""
    prior = Gaussian(c.alpha_bar_prev**0.5 * x_0, 1 - c.alpha_bar_prev)
    likelihood = Gaussian(x_t / c.alpha**0.5, c.beta / c.alpha)
    return PosteriorParts(prior, likelihood, q_posterior(x_0, x_t, c))


def bell(p: Gaussian, low: float, high: float, *, points: int = 121) -> tuple[Tensor, Tensor]:
    """The density of p on `low`..`high`, scaled to a peak of 1; a spike where the variance is 0."""
    if p.var <= 0:
        return torch.tensor([p.mean, p.mean]), torch.tensor([0.0, 1.0])
    std = math.sqrt(p.var)
    near = torch.linspace(p.mean - 5 * std, p.mean + 5 * std, points, dtype=torch.float64)
    x = torch.cat((torch.tensor([low, high], dtype=torch.float64), near)).sort().values
    return x, torch.exp(-0.5 * ((x - p.mean) / std) ** 2)


def _line(curve: Curve, window: Window) -> str:
    xs, ys = torch.as_tensor(curve.x).tolist(), torch.as_tensor(curve.y).tolist()
    points = (f"{window.across(x):.1f},{window.down(y):.1f}" for x, y in zip(xs, ys, strict=True))
    return f'<polyline points="{" ".join(points)}" {_stroke(curve)}/>'


def _stroke(curve: Curve) -> str:
    fill = f' fill="{curve.colour}" fill-opacity="0.25"' if curve.fill else ""
    return f'stroke="{curve.colour}" stroke-width="2.2" stroke-dasharray="{curve.dash}"{fill}'


def _short(number: float) -> str:
    """Three significant digits, and 1000 rather than 1e+03."""
    return f"{float(f'{number:.3g}'):g}"


def _axes(window: Window, name: str) -> str:
    width, height = window.size
    bottom = height - BOTTOM
    path, texts = f"M{SIDE} {bottom}H{width - SIDE}", ""
    for tick in window.x_ticks:
        x = SIDE + window.across(tick)
        path += f"M{x:.1f} {bottom}v4"
        texts += f'<text x="{x:.1f}" y="{bottom + 16}">{_short(tick)}</text>'
    for tick in window.y_ticks:
        y = TOP + window.down(tick)
        path += f"M{SIDE} {y:.1f}h-4"
        texts += f'<text x="{SIDE - 10}" y="{y + 4:.1f}">{_short(tick)}</text>'
    texts += f'<text x="{width / 2:.1f}" y="{height - 4}">{html.escape(name)}</text>'
    return (
        f'<path d="{path}" stroke="currentColor" opacity=".6" fill="none"/>'
        f'<g fill="currentColor" font-size="12" text-anchor="middle">{texts}</g>'
    )
