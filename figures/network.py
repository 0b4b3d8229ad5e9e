"""Diagrams of the network: what it has to learn."""

from matplotlib.figure import Figure

from ddpm_lessons.posterior import p_mean_from_eps, q_posterior
from ddpm_lessons.show.diagrams import (
    INK,
    NETWORK,
    SIGNAL,
    Place,
    arrow,
    box,
    canvas,
    heading,
    picture,
    write,
)
from ddpm_lessons.show.plots import style
from figures.algorithms import example
from figures.digits import shipped


@style()
def posterior_net() -> Figure:
    """Two rows. Above, in training: a clean 3 and its noisy version lead to the true posterior and
    the picture of its mean. Below, in sampling: a question mark stands for the clean digit, and the
    noisy picture goes through a network to a mean of its own. A double arrow joins the two means:
    training makes them agree.
    """
    t, x_0, _, x_t, guess = example()
    c, axes = shipped().schedule.at(t), canvas(900, 452)
    true, learned = q_posterior(x_0, x_t, c).mean, p_mean_from_eps(x_t, c, guess)
    rows = ((118, INK, "In training, $x_0$ is known"), (344, NETWORK, "In sampling, it is not"))
    for y, colour, words in rows:
        heading(axes, (16, y - 92), words, size=14, colour=colour)
        noisy = picture(axes, (202, y), x_t, colour=INK)
        write(axes, (202, y + 76), "$x_t$", size=16)
        write(axes, (70, y + 76), "$x_0$", size=16, colour=SIGNAL)
        arrow(axes, noisy.at("right", 5), (306, y), colour=colour)
        arrow(axes, (614, y), (676, y), colour=colour)
    picture(axes, (70, 118), x_0, colour=SIGNAL)
    box(axes, Place(70, 344, 104, 104), "?", colour=SIGNAL, size=34, filled=False)
    above, below = Place(460, 118, 300, 104), Place(460, 344, 300, 104)
    box(axes, above, colour=INK, filled=False)
    box(axes, below, colour=NETWORK)
    for place, name, formula in (
        (above, "the true posterior, Eq. (6, 7)", r"$q(x_{t{-}1}\,|\,x_t,\,x_0)$"),
        (below, "a network with weights $\\theta$", r"$p_\theta(x_{t{-}1}\,|\,x_t)$"),
    ):
        write(axes, (place.x, place.y - 22), name, size=12.5)
        write(axes, (place.x, place.y + 20), formula, size=19)
    first = picture(axes, (734, 118), true, colour=INK)
    second = picture(axes, (734, 344), learned, colour=NETWORK)
    write(axes, (734, 48), r"$\tilde\mu_t(x_t,x_0)$", size=16)
    write(axes, (734, 420), r"$\mu_\theta(x_t,t)$", size=16, colour=NETWORK)
    arrow(axes, first.at("bottom", 6), second.at("top", 6), head="<|-|>", colour=NETWORK)
    write(axes, (752, 231), "training makes\nthem agree", size=12.5, align="left")
    return axes.figure
