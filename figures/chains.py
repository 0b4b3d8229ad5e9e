"""Pictures made of computed chains: digits that dissolve, and noise that becomes digits."""

from itertools import pairwise

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from ddpm_lessons.forward import q_step
from ddpm_lessons.show.diagrams import (
    INK,
    NETWORK,
    NOISE,
    QUIET,
    SIGNAL,
    arrow,
    canvas,
    heading,
    picture,
    write,
)
from ddpm_lessons.show.plots import style
from figures.digits import CHAIN_PICKS, EIGHT, FIVE, SCHEDULE, THREE, digit, reverse_chain


def forward_states(x_0: Tensor, timesteps: list[int], seed: int) -> list[Tensor]:
    """x_t at `timesteps` of one true chain: every step is drawn by Eq. (2), none is jumped over."""
    generator = torch.Generator().manual_seed(seed)
    x, states = x_0, {0: x_0}
    for t in range(1, max(timesteps) + 1):
        x = q_step(x, SCHEDULE.at(t)).sample(generator)
        states[t] = x
    return [states[t] for t in timesteps]


@style()
def both_chains() -> Figure:
    """Two rows of seven pictures, at t = 0, 50, 100, 200, 300, 500 and 1000. Above, orange arrows
    from left to right: a handwritten 3 loses itself in noise. Below, green arrows from right to
    left: pure noise clears up, step by step, into a digit that nobody has written.
    """
    timesteps, axes = [0, 50, 100, 200, 300, 500, 1000], canvas(900, 424)
    columns = [62 + 129 * i for i in range(7)]
    forward = forward_states(digit(THREE), timesteps, seed=1)
    reverse = {step.t: step.x[CHAIN_PICKS[0]] for step in reverse_chain()}
    for x, t, state in zip(columns, timesteps, forward, strict=True):
        picture(axes, (x, 130), state, side=92, colour=SIGNAL if t == 0 else NOISE)
        write(axes, (x, 213), f"$x_{{{t}}}$", size=16)
        picture(axes, (x, 294), reverse[t], side=92, colour=NOISE if t == 1000 else NETWORK)
    for left, right in pairwise(columns):
        arrow(axes, (left + 51, 130), (right - 51, 130), colour=NOISE)
        arrow(axes, (right - 51, 294), (left + 51, 294), colour=NETWORK)
    _row_title(axes, 28, NOISE, "Forward: add a little noise", r"$q(x_t\,|\,x_{t{-}1})$")
    learned = r"$p_\theta(x_{t{-}1}\,|\,x_t)$"
    _row_title(axes, 372, NETWORK, "Reverse: remove a little noise", learned)
    for y, words in ((58, "fixed, nothing to learn"), (402, "learned by a network")):
        write(axes, (16, y), words, colour=QUIET, align="left")
    maker = "a new digit, made by the network of this course"
    write(axes, (884, 402), maker, colour=QUIET, align="right")
    return axes.figure


def _row_title(axes: Axes, y: float, colour: str, words: str, formula: str) -> None:
    heading(axes, (16, y), words, size=15, colour=colour)
    write(axes, (884, y), formula, size=19, colour=colour, align="right")


@style()
def forward_chain() -> Figure:
    """Eight columns, from t = 0 to t = 1000. In each, two handwritten digits, which are clean at
    the left, grainy at t = 100, hardly there at t = 300 and pure noise at the right; under them a
    bar, all blue at first and all orange at the end, and the amplitudes of signal and noise: at
    t = 200 they are 0.81 and 0.58.
    """
    timesteps, axes = [0, 20, 50, 100, 200, 300, 500, 1000], canvas(900, 372)
    columns = [179 + 94 * i for i in range(8)]
    for y, index, seed in ((88, FIVE, 1), (182, EIGHT, 2)):
        for x, x_t in zip(columns, forward_states(digit(index), timesteps, seed), strict=True):
            picture(axes, (x, y), x_t, side=86)
    for x, t in zip(columns, timesteps, strict=True):
        share = SCHEDULE.alpha_bars[t].item()  # of the squares; its root is an amplitude
        write(axes, (x, 24), f"{t}", size=14)
        for left, width, colour in ((0, share, SIGNAL), (share, 1 - share, NOISE)):
            bar = Rectangle((x - 43 + 86 * left, 250), 86 * width, 20, facecolor=colour)
            axes.add_patch(bar)
        write(axes, (x, 304), f"{share**0.5:.2f}", size=14, colour=SIGNAL)
        write(axes, (x, 344), f"{(1 - share) ** 0.5:.2f}", size=14, colour=NOISE)
    for y, words, colour in (
        (24, "$t$", INK),
        (304, r"signal  $\sqrt{\bar\alpha_t}$", SIGNAL),
        (344, r"noise  $\sqrt{1-\bar\alpha_t}$", NOISE),
    ):
        write(axes, (16, y), words, size=13, colour=colour, align="left")
    for x, words, colour in ((16, r"$\bar\alpha_t$", SIGNAL), (46, r"$1-\bar\alpha_t$", NOISE)):
        write(axes, (x, 260), words, size=13, colour=colour, align="left")
    return axes.figure


@style()
def noise_to_image() -> Figure:
    """Two digits are born, each in two rows of eight pictures from t = 1000 to t = 0. The upper row
    of each pair is x_t: noise that thins out until a digit stands on black. The lower row is the
    guess at the clean image made at that moment: specks at t = 1000, a blur at 700, soon a digit
    that changes no more but for finer strokes.
    """
    timesteps, axes = [1000, 700, 500, 400, 300, 200, 100, 0], canvas(900, 508)
    steps = {step.t: step for step in reverse_chain()}
    columns = [115 + 103 * i for i in range(8)]
    for row, which in enumerate(CHAIN_PICKS):
        y = 92 + 218 * row
        for x, t in zip(columns, timesteps, strict=True):
            picture(axes, (x, y), steps[t].x[which], side=94, colour=NETWORK if t == 0 else None)
            picture(axes, (x, y + 101), steps[t].x0_hat[which], side=94)
        write(axes, (34, y), "$x_t$", size=18)
        write(axes, (34, y + 101), r"$\hat x_0$", size=18, colour=NETWORK)
    for x, t in zip(columns, timesteps, strict=True):
        write(axes, (x, 22), f"$t={t}$", size=13.5)
    words = r"$\hat x_0$: what the network of this course takes for the clean image"
    write(axes, (450, 484), words, colour=QUIET)
    return axes.figure
