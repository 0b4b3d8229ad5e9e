"""Diagrams of the derivation of the loss, of training and of sampling."""

from functools import cache

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ddpm_lessons.door import predict_noise
from ddpm_lessons.forward import q_sample
from ddpm_lessons.posterior import p_step
from ddpm_lessons.show.diagrams import (
    HAIR,
    INK,
    NETWORK,
    NOISE,
    QUIET,
    SIGNAL,
    Place,
    arrow,
    badge,
    box,
    canvas,
    heading,
    picture,
    write,
)
from ddpm_lessons.show.plots import style
from figures.digits import CHAIN_PICKS, THREE, digit, noise, reverse_chain, shipped

STAGES = (  # a formula, its name and its number, and what leads from it to the next
    (
        r"$E[-\log p_\theta(x_0)]\;\leq\;E_q\left[L_T+\sum_{t>1}L_{t{-}1}+L_0\right]$",
        "the variational bound",
        "Eq. (5)",
        r"$L_T$ has nothing to learn; look at one step of the chain",
    ),
    (
        r"$L_{t{-}1}=\mathrm{KL}\left(\,q(x_{t{-}1}|x_t,x_0)\;\|\;p_\theta(x_{t{-}1}|x_t)\,\right)$",
        "match the posterior",
        "Eq. (5)",
        "two Gaussians of the same variance: only their means can differ",
    ),
    (
        r"$\dfrac{1}{2\sigma_t^2}\;\|\tilde\mu_t(x_t,x_0)-\mu_\theta(x_t,t)\|^2$",
        "match its mean",
        "Eq. (8)",
        r"write both means with the noise:  $x_0=(x_t-\sqrt{1-\bar\alpha_t}\,\epsilon)"
        r"\,/\,\sqrt{\bar\alpha_t}$",
    ),
    (
        r"$\dfrac{\beta_t^2}{2\sigma_t^2\,\alpha_t\,(1-\bar\alpha_t)}\;"
        r"\|\epsilon-\epsilon_\theta(x_t,t)\|^2$",
        "predict the noise",
        "Eq. (12)",
        "leave the weight out, and take the mean over all $t$",
    ),
    (
        r"$L_\mathrm{simple}=E_{t,\,x_0,\,\epsilon}\;\|\epsilon-\epsilon_\theta(x_t,t)\|^2$",
        "the loss of training",
        "Eq. (14)",
        "",
    ),
)


@style()
def loss_derivation() -> Figure:
    """Five boxes one below the other, each with a formula: the variational bound; its term L_{t-1}
    as a KL divergence; the squared distance of two means; that of two noises with a weight; and
    L_simple, the same without the weight. The arrow to the next box says what was done.
    """
    axes = canvas(900, 716)
    for i, (formula, name, number, reason) in enumerate(STAGES):
        y, last = 54 + 152 * i, i == len(STAGES) - 1
        colour, place = NETWORK if last else QUIET, Place(582, y, 604, 94)
        badge(axes, (30, y), str(i + 1), colour=colour)
        heading(axes, (54, y), name)
        box(axes, place, colour=colour, filled=last)
        write(axes, (550, y), formula, size=18)
        write(axes, (868, y), number, size=11.5, align="right", colour=QUIET)
        if not last:
            arrow(axes, place.at("bottom", 4, -262), (320, y + 101))
            write(axes, (340, y + 76), reason, size=12, align="left")
    return axes.figure


@cache
def example() -> tuple[int, Tensor, Tensor, Tensor, Tensor]:
    """One step of training, computed: t, x_0, eps, x_t and the predicted eps, (1, 28, 28) each."""
    t, x_0, eps = 250, digit(THREE)[None], noise(11)
    x_t = q_sample(x_0, shipped().schedule.at(t), eps)
    guess = predict_noise(shipped().eps_model, x_t, t)
    return t, x_0[0], eps[0], x_t[0], guess[0]


CARDS = (  # of the training algorithm, clockwise from the left end of the upper row
    ("Take a digit", r"$x_0\sim q(x_0)$"),
    ("Draw a timestep", r"$t\sim\mathrm{Uniform}\{1\ldots T\}$"),
    ("Draw noise", r"$\epsilon\sim N(0,\,I)$"),
    ("Mix the two", r"$x_t=\sqrt{\bar\alpha_t}\,x_0+\sqrt{1-\bar\alpha_t}\,\epsilon$"),
    ("Predict the noise", r"$\epsilon_\theta(x_t,t)$"),
    ("Take a gradient step", r"$\nabla_\theta\,\|\epsilon-\epsilon_\theta(x_t,t)\|^2$"),
)


@style()
def training_algorithm() -> Figure:
    """Six numbered cards in a ring. 1, a clean digit. 2, a timestep marked on the line from 1 to
    1000. 3, a picture of noise. 4, the digit mixed with the noise. 5, a network that looks at the
    noisy digit and predicts the noise. 6, noise and prediction compared, and a gradient step. An
    arrow leads from the last card back to the first.
    """
    axes, (t, x_0, eps, x_t, guess) = canvas(900, 528), example()
    spots = ((150, 132), (450, 132), (750, 132), (750, 396), (450, 396), (150, 396))
    cards = [Place(x, y, 268, 228) for x, y in spots]
    for i, (card, (title, formula)) in enumerate(zip(cards, CARDS, strict=True)):
        learned = i >= 4
        box(axes, card, colour=NETWORK if learned else HAIR, filled=learned)
        badge(axes, (card.x - 108, card.y - 86), str(i + 1), colour=NETWORK if learned else INK)
        heading(axes, (card.x - 86, card.y - 86), title)
        write(axes, (card.x, card.y + 86), formula, size=15)
    for start, end, side, other in ((0, 1, "right", "left"), (1, 2, "right", "left"),
                                    (2, 3, "bottom", "top"), (3, 4, "left", "right"),
                                    (4, 5, "left", "right"), (5, 0, "top", "bottom")):  # fmt: skip
        arrow(axes, cards[start].at(side, 3), cards[end].at(other, 3))
    write(axes, (170, 264), "again and again", colour=QUIET, align="left")
    for card, image, colour in ((0, x_0, SIGNAL), (2, eps, NOISE), (3, x_t, INK)):
        picture(axes, (cards[card].x, cards[card].y), image, side=112, colour=colour)
    _timeline(axes, cards[1], t)
    _prediction(axes, cards[4], x_t, guess)
    _comparison(axes, cards[5], eps, guess)
    return axes.figure


def _timeline(axes: Axes, card: Place, t: int) -> None:
    left, right, y = card.x - 104, card.x + 104, card.y + 14
    at = left + (right - left) * t / 1000
    axes.plot([left, right], [y, y], color=QUIET, linewidth=2, solid_capstyle="round")
    axes.plot([left, right], [y, y], "|", color=QUIET, markersize=11, markeredgewidth=2)
    axes.plot(at, y, "o", color=INK, markersize=11)
    write(axes, (at, y - 30), f"$t={t}$", size=14)
    write(axes, (left, y + 26), "1", colour=QUIET)
    write(axes, (right - 8, y + 26), "1000", colour=QUIET)


def _prediction(axes: Axes, card: Place, x_t: Tensor, guess: Tensor) -> None:
    noisy = picture(axes, (card.x - 86, card.y), x_t, side=76, colour=INK)
    place = Place(card.x, card.y, 54, 54)
    network = box(axes, place, r"$\epsilon_\theta$", colour=NETWORK, size=18)
    found = picture(axes, (card.x + 86, card.y), guess, side=76, colour=NETWORK)
    arrow(axes, noisy.at("right", 2), network.at("left", 1), colour=NETWORK)
    arrow(axes, network.at("right", 1), found.at("left", 2), colour=NETWORK)


def _comparison(axes: Axes, card: Place, eps: Tensor, guess: Tensor) -> None:
    picture(axes, (card.x - 86, card.y), eps, side=76, colour=NOISE)
    write(axes, (card.x - 36, card.y), "−", size=20)
    picture(axes, (card.x + 14, card.y), guess, side=76, colour=NETWORK)
    loss = (eps - guess).square().mean().item()
    write(axes, (card.x + 94, card.y - 14), "loss", size=12)
    write(axes, (card.x + 94, card.y + 12), f"{loss:.3f}", size=14)


@style()
def sampling_loop() -> Figure:
    """A ring of pictures with an entrance and an exit. Pure noise x_T enters at the upper left. The
    state x_t goes through the network, which predicts its noise; a little of that is removed, which
    gives the mean; a little fresh noise is added, which gives x_{t-1}; and round again with t - 1.
    After the last round a clean digit leaves at the lower left.
    """
    t, axes = 160, canvas(900, 476)
    steps = {step.t: step.x[CHAIN_PICKS[0]] for step in reverse_chain()}
    eps = predict_noise(shipped().eps_model, steps[t][None], t)[0]
    p, _ = p_step(steps[t], shipped().schedule.at(t), eps)
    z = (steps[t - 1] - p.mean) / p.var**0.5  # the noise that the chain has drawn here
    top, low = 112, 352
    start = picture(axes, (78, top), steps[shipped().schedule.T], colour=NOISE)
    x_t = picture(axes, (262, top), steps[t], colour=INK)
    place = Place(510, top, 170, 84)
    network = box(axes, place, r"$\epsilon_\theta(x_t,\,t)$", colour=NETWORK, size=19)
    found = picture(axes, (764, top), eps, colour=NETWORK)
    mean = picture(axes, (764, low), p.mean, colour=NETWORK)
    fresh = picture(axes, (510, 254), z, side=76, colour=NOISE)
    plus = box(axes, Place(510, low, 46, 46), "+", colour=NOISE, size=20)
    x_prev = picture(axes, (262, low), steps[t - 1], colour=INK)
    end = picture(axes, (78, low), steps[0], colour=NETWORK)
    for a, b in ((start, x_t), (x_t, network), (network, found)):
        arrow(axes, a.at("right", 5), b.at("left", 5))
    for a, b in ((mean, plus), (plus, x_prev), (x_prev, end)):
        arrow(axes, a.at("left", 5), b.at("right", 5))
    for a, b in ((found, mean), (fresh, plus)):
        arrow(axes, a.at("bottom", 4), b.at("top", 4))
    arrow(axes, x_prev.at("top", 5), x_t.at("bottom", 5))
    _sampling_words(axes)
    return axes.figure


def _sampling_words(axes: Axes) -> None:
    mean = (
        r"$\mu_\theta=\dfrac{1}{\sqrt{\alpha_t}}"
        r"\left(x_t-\dfrac{\beta_t}{\sqrt{1-\bar\alpha_t}}\,\epsilon_\theta\right)$"
    )
    for at, words, size, colour in (
        ((78, 34), "$x_T$, pure noise", 13.5, NOISE),
        ((262, 34), "$x_t$", 16, INK),
        ((510, 34), "the network", 13.5, NETWORK),
        ((764, 34), "its noise, predicted", 13.5, NETWORK),
        ((764, 440), mean, 14, NETWORK),
        ((510, 402), r"$\sigma_t\,z$, but none at $t=1$", 13.5, NOISE),
        ((262, 430), "$x_{t{-}1}$", 16, INK),
        ((78, 430), "$x_0$, a digit", 13.5, NETWORK),
    ):
        write(axes, at, words, size=size, colour=colour)
    write(axes, (276, 216), r"$t\leftarrow t-1$", size=14, align="left")
    write(axes, (276, 246), "$T$ rounds", size=12, colour=QUIET, align="left")
    write(axes, (778, 232), "remove a\nlittle of it", size=12, colour=QUIET, align="left")
    write(axes, (562, 254), "fresh noise $z$", size=12, colour=QUIET, align="left")
