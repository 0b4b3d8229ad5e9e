"""What the explorers show, as HTML: one function of numbers for each explorer, without a widget."""

import math

from torch import Tensor

from ddpm_lessons.posterior import q_posterior
from ddpm_lessons.schedule import Coefficients, NoiseSchedule
from ddpm_lessons.show.chains import spread
from ddpm_lessons.show.charts import (
    BLUE,
    GREEN,
    ORANGE,
    Curve,
    Window,
    bell,
    chart,
    legend,
    posterior_parts,
)
from ddpm_lessons.show.pictures import describe, picture

# ipywidgets gives its sliders no accessible name. A picture, once it is loaded, hands each slider
# of its explorer the label before it and the number behind it, and the timestep slider its own
# description; and again a second later, because the sliders may not be there yet.
ON_LOAD = (
    "const name = () => { const box = this.closest('.ddpm-explorer');"
    "for (const slider of box ? box.querySelectorAll('.widget-slider') : []) {"
    "const [handle, label, number] = ['[role=slider]', '.widget-label', '.widget-readout']"
    ".map((part) => slider.querySelector(part)); if (!handle || !label || !number) continue;"
    "const said = slider.classList.contains('ddpm-time') ? this.alt : number.textContent;"
    "handle.setAttribute('aria-label', label.textContent);"
    "handle.setAttribute('aria-valuetext', said); } };"
    "name(); setTimeout(name, 1000)"
)
EMPTY_IMAGE = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
FIGURE = '<figure style="margin: 0; line-height: 1.4; font-variant-numeric: tabular-nums">'
ROW = '<div style="display: flex; flex-wrap: wrap; gap: 12px 20px">'


def forward_drawing(x_t: Tensor, schedule: NoiseSchedule, t: int) -> str:
    """x_t (C, H, W), and beside it the amplitudes of signal and noise with a line at t."""
    alt = describe(schedule, t)
    shown = picture(x_t)
    ts = spread(schedule.T, 61)
    kept = schedule.alpha_bars[ts]
    curves = [
        Curve("signal", ts, kept.sqrt(), BLUE),
        Curve("noise", ts, (1 - kept).sqrt(), ORANGE, dash="6 3"),
    ]
    drawing = chart(
        curves,
        Window((0, schedule.T), (0, 1.02), (0, schedule.T), (0, 1), size=(300, 250)),
        alt="Amplitudes of signal and noise for every t, with a line at this one",
        x_name="t",
        marker=t,
    )
    return (
        f'{FIGURE}{ROW}<img src="{shown.uri}" width="{shown.width}" height="{shown.height}" '
        f'alt="{alt}" onload="{ON_LOAD}" style="image-rendering: pixelated; border-radius: 4px; '
        'box-shadow: 0 0 0 1px rgb(128 128 128 / 40%)">'
        f'<div style="text-align: center">{drawing}<br>{legend(curves)}</div></div>'
        f'<figcaption style="margin-top: 8px">{alt}</figcaption></figure>'
    )


def posterior_drawing(x_0: float, x_t: float, c: Coefficients, *, t: int) -> str:
    """Prior, likelihood and posterior over x_{t-1}: the whole axis, close up, and numbers."""
    parts = posterior_parts(x_0, x_t, c)
    posterior = parts.posterior
    mean, std = posterior.mean, math.sqrt(posterior.var)
    far = max(3.0, abs(mean) + 6 * std, abs(parts.likelihood.mean) + 0.3)
    near = (mean - 6 * std, mean + 6 * std) if std > 0 else (mean - 0.01, mean + 0.01)
    charts = ""
    for title, (low, high) in (("the whole axis", (-far, far)), ("close up", near)):
        curves = [
            Curve("posterior q(xₜ₋₁|xₜ,x₀)", *bell(posterior, low, high), GREEN, fill=True),
            Curve("prior q(xₜ₋₁|x₀)", *bell(parts.prior, low, high), BLUE, "7 4"),
            Curve("likelihood q(xₜ|xₜ₋₁)", *bell(parts.likelihood, low, high), ORANGE, "2 4"),
        ]
        window = Window((low, high), (0, 1.06), (low, (low + high) / 2, high))
        alt = f"{title}: posterior with mean {mean:.3g}, standard deviation {std:.3g}"
        drawing = chart(curves, window, alt=alt, x_name="xₜ₋₁")
        charts += f'<div style="text-align: center"><small>{title}</small><br>{drawing}</div>'
    return (
        f'{FIGURE}{ROW}{charts}</div><div style="margin: 6px 0 10px">{legend(curves)}'
        "(each drawn to the same height)</div>"
        f"<figcaption>{_posterior_numbers(x_0, x_t, c, t)}</figcaption>"
        f'<img src="{EMPTY_IMAGE}" alt="" width="1" height="1" onload="{ON_LOAD}"></figure>'
    )


def _posterior_numbers(x_0: float, x_t: float, c: Coefficients, t: int) -> str:
    """The numbers of Eq. (7): the weights are what the mean is for (1, 0) and for (0, 1)."""
    weight_x0, weight_xt = q_posterior(1.0, 0.0, c).mean, q_posterior(0.0, 1.0, c).mean
    p = q_posterior(x_0, x_t, c)
    lines = (
        f"mean μ̃ₜ = {weight_x0:.4g} · x₀ + {weight_xt:.4g} · xₜ = <b>{p.mean:.4g}</b>",
        f"standard deviation √β̃ₜ = <b>{math.sqrt(p.var):.4g}</b>",
        f"at t = {t}: βₜ = {c.beta:.4g}, ᾱₜ₋₁ = {c.alpha_bar_prev:.4g}, ᾱₜ = {c.alpha_bar:.4g}",
    )
    return "<br>".join(lines)
