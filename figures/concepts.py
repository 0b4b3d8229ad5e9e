"""Diagrams of the forward process and of the posterior."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ddpm_lessons.forward import predict_eps
from ddpm_lessons.posterior import q_posterior
from ddpm_lessons.schedule import Coefficients
from ddpm_lessons.show.charts import bell, posterior_parts
from ddpm_lessons.show.diagrams import (
    HAIR,
    INK,
    NETWORK,
    NOISE,
    PIXELS,
    QUIET,
    SIGNAL,
    Place,
    arrow,
    box,
    canvas,
    heading,
    picture,
    tint,
    write,
)
from ddpm_lessons.show.plots import style
from figures.chains import forward_states
from figures.digits import SCHEDULE, TWO, digit


@style()
def closed_form_jump() -> Figure:
    """Above, a chain of small pictures from x_0 over x_1 and x_2 to x_260, joined by short arrows,
    and over them one long arrow that leads straight from the first to the last. Below, the same
    jump as a sum of pictures: 0.71 times the clean digit plus 0.71 times pure noise is the noisy
    digit.
    """
    t, axes = 260, canvas(900, 520)
    states = [digit(TWO), *forward_states(digit(TWO), [1, 2, t - 1, t], seed=3)]
    c, y = SCHEDULE.at(t), 362
    _steps_and_jump(axes, states, t)
    eps = predict_eps(states[-1], c, states[0])  # what the 260 steps have added, taken together
    factors = (
        (97, SIGNAL, c.alpha_bar**0.5, r"$\sqrt{\bar\alpha_t}$"),
        (397, NOISE, (1 - c.alpha_bar) ** 0.5, r"$\sqrt{1-\bar\alpha_t}$"),
    )
    for x, colour, number, formula in factors:
        write(axes, (x, y - 15), f"{number:.2f}  ×", size=18, colour=colour)
        write(axes, (x - 4, y + 25), formula, size=16, colour=colour)
    write(axes, (324, y), "+", size=24)
    write(axes, (652, y), "=", size=24)
    panels = (
        (224, states[0], SIGNAL, r"$x_0$"),
        (525, eps, NOISE, r"$\epsilon\sim N(0,\,I)$"),
        (779, states[-1], INK, f"$x_{{{t}}}$"),
    )
    for x, image, colour, name in panels:
        picture(axes, (x, y), image, side=132, colour=colour)
        write(axes, (x, y + 90), name, size=17)
    pixel = r"$\sqrt{0.5}\times 0.8+\sqrt{0.5}\times 0.3=0.566+0.212=0.778$"
    write(axes, (450, 496), rf"one pixel, at $\bar\alpha_t=0.5$:   {pixel}", size=13, colour=QUIET)
    return axes.figure


def _steps_and_jump(axes: Axes, states: list[Tensor], t: int) -> None:
    y, columns = 176, [58, 220, 382, 634, 842]
    names = ["0", "1", "2", str(t - 1), str(t)]
    for x, image, name in zip(columns, states, names, strict=True):
        picture(axes, (x, y), image, side=64, colour={58: SIGNAL, 842: INK}.get(x, HAIR))
        write(axes, (x, y + 50), f"$x_{{{name}}}$", size=15)
    for i in (1, 2, 4):
        left, right = columns[i - 1], columns[i]
        arrow(axes, (left + 40, y), (right - 40, y), colour=NOISE)
        step = f"$q(x_{{{names[i]}}}\\,|\\,x_{{{names[i - 1]}}})$"
        write(axes, ((left + right) / 2, y + 22), step, size=12, colour=QUIET)
    arrow(axes, (422, y), (472, y), colour=NOISE)
    write(axes, (508, y), r"$\cdots$", size=20, colour=NOISE)
    arrow(axes, (544, y), (594, y), colour=NOISE)
    arrow(axes, (58, y - 40), (842, y - 40), colour=SIGNAL, path="arc3,rad=-0.16")
    write(axes, (450, 36), r"one jump:  $q(x_t\,|\,x_0)$", size=18, colour=SIGNAL)
    write(axes, (450, 112), f"{t} small steps lead to the same place", size=13, colour=NOISE)


@style()
def conventions() -> Figure:
    """A row of pictures from the clean x_0 to the noise x_1000, and under it two arrays whose
    entries stand under the pictures they make. In this course the array has 1001 entries, index 0
    belongs to the clean image and index t to x_t. In 0-based code it has 1000 entries, the clean
    image has no index, and index i belongs to x_{i+1}.
    """
    axes = canvas(900, 400)
    columns = [262, 372, 482, 718, 828]
    names = ["0", "1", "2", "999", "1000"]
    states = forward_states(digit(TWO), [int(name) for name in names], seed=3)
    for x, name, state in zip(columns, names, states, strict=True):
        picture(axes, (x, 62), state, side=84, colour=SIGNAL if name == "0" else NOISE)
        write(axes, (x, 124), f"$x_{{{name}}}$", size=16)
    write(axes, (600, 62), r"$\cdots$", size=24, colour=NOISE)
    ours = ["0", r"$\beta_1$", r"$\beta_2$", r"$\beta_{999}$", r"$\beta_{1000}$"]
    _array(axes, 206, ("This course", "$t = 1 ... T$,", "as in the paper"), names, ours)
    theirs = ["", "0", "1", "998", "999"]
    _array(axes, 306, ("0-based code", "$i = 0 ... T-1$"), theirs, ["", *ours[1:]])
    write(axes, (538, 372), r"The same numbers: step $t$ here is index $i=t-1$ there.", size=14)
    return axes.figure


def _array(
    axes: Axes, y: float, title: tuple[str, ...], indices: list[str], cells: list[str]
) -> None:
    """An array at height y, its name and index over each of its cells."""
    heading(axes, (16, y - 26), title[0])
    for i, line in enumerate(title[1:]):
        write(axes, (16, y + 1 + 27 * i), line, size=13, align="left")
    for x, index, cell in zip([262, 372, 482, 718, 828], indices, cells, strict=True):
        if index:
            box(axes, Place(x, y, 104, 42), cell, colour=SIGNAL if cell == "0" else NOISE, size=15)
            write(axes, (x, y - 36), f"betas[{index}]", size=11).set_family("monospace")
        else:
            write(axes, (x, y), "no entry", colour=QUIET)
    box(axes, Place(600, y, 126, 42), r"$\cdots$", colour=NOISE, size=18)


@style()
def posterior() -> Figure:
    """Bell curves over x_{t-1}. Left, a large step: the blue bell of what x_0 says, the orange bell
    of what x_t says, and between them, narrower than both, the green posterior. Right, a small
    step, the worked example: the orange bell is so narrow that the posterior lies upon it, with
    mean 0.602.
    """
    figure = Figure(figsize=(900 / PIXELS, 440 / PIXELS))
    left, right = figure.subplots(1, 2)
    large = Coefficients(beta=0.3, alpha=0.7, alpha_bar=0.56, alpha_bar_prev=0.8)
    _bells(left, (0.9, -0.6), large)
    left.set_title("A large step: both sources count", size=13.5, pad=10)
    small = Coefficients(beta=0.01, alpha=0.99, alpha_bar=0.5, alpha_bar_prev=0.505)
    _bells(right, (0.8, 0.6), small)
    right.set_title("A small step: $x_t$ says nearly everything", size=13.5, pad=10)
    for x, words, colour in (
        (-1.5, "likelihood\n$q(x_t\\,|\\,x_{t{-}1})$", NOISE),
        (0.1, "posterior\n$q(x_{t{-}1}\\,|\\,x_t,x_0)$", NETWORK),
        (1.6, "prior\n$q(x_{t{-}1}\\,|\\,x_0)$", SIGNAL),
    ):
        left.text(x, 1.36, words, color=colour, size=13, ha="center", va="top", linespacing=1.4)
    right.text(0.602, 1.36, "likelihood and posterior\none upon the other", color=NETWORK, size=13,
               ha="center", va="top", linespacing=1.4)  # fmt: skip
    right.text(-0.55, 0.6, "prior", color=SIGNAL, size=13, ha="right")
    return figure


def _bells(axes: Axes, images: tuple[float, float], c: Coefficients) -> None:
    """Prior, likelihood and posterior for the numbers x_0 and x_t, each with a peak of 1."""
    x_0, x_t = images
    parts = posterior_parts(x_0, x_t, c)
    looks = ((SIGNAL, "--", 2), (NOISE, "-.", 3), (NETWORK, "-", 1))
    for p, (colour, line, order) in zip(parts, looks, strict=True):
        x, y = bell(p, -2.5, 2.5)
        axes.fill_between(x, y, color=tint(colour, 0.22), zorder=0)
        axes.plot(x, y, line, color=colour, linewidth=4 if order == 1 else 2.2, zorder=order)
    weights = q_posterior(1.0, 0.0, c).mean, q_posterior(0.0, 1.0, c).mean
    axes.set(xlim=(-2.5, 2.5), ylim=(0, 1.42), yticks=[], xticks=range(-2, 3))
    axes.spines["left"].set_visible(False)
    factor = f"{x_t}" if x_t > 0 else f"({x_t})"
    axes.set_xlabel(
        f"$x_{{t{{-}}1}}$\n$\\tilde\\mu_t={weights[0]:.3g}\\times{x_0}+{weights[1]:.3g}\\times{factor}"
        f"={parts.posterior.mean:.3f}$", linespacing=1.8, size=13,
    )  # fmt: skip
    axes.grid(visible=False)
