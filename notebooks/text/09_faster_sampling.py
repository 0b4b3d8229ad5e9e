# %% [markdown]
# # 09 · Faster sampling
#
# Our network draws well and slowly: a thousand calls for a digit, one after the other. That was the method's great
# weakness when it appeared. Since then the price has fallen to a fiftieth or less, and **nobody had to train anything anew**.
# This lesson takes one trained network and samples from it in every way that the library knows, on equal terms.
#
# **What you will be able to do**
#
# - say why skipping steps breaks Algorithm 2, and derive DDIM, which may skip them, from one remark about the loss;
# - measure the *order* of a sampler on a density that is known exactly, and say when a higher order pays and when it does not;
# - read a plot of quality against calls: what is a difference there, and what is chance;
# - use $x_T$ as a code: blend two digits, and find the noise that belongs to a digit of your own;
# - say honestly what a picture costs, beside a generator that needs one call.
#
# Time on two CPU cores: about 110 s to run, 80 minutes to read and try.
#
# The article names DDIM and leaves it there. Equations with a number in brackets are those of
# [Ho, Jain & Abbeel 2020](https://arxiv.org/abs/2006.11239); DDIM is [Song, Meng & Ermon
# 2021](https://arxiv.org/abs/2010.02502). The others say where they come from.

# %%
import json
import math
import time
from pathlib import Path

import torch

from ddpm_lessons import (
    SAMPLERS,
    Coefficients,
    Mixture,
    ddim,
    ddim_invert,
    ddpm,
    dpm_solver,
    even_timesteps,
    flow_jump,
    heun,
    linear_schedule,
    predict_eps,
    predict_x0,
    q_posterior,
    q_sample,
    slerp,
)
from ddpm_lessons.checks import lesson09
from ddpm_lessons.data import TOYS, load_mnist
from ddpm_lessons.models import load_pretrained
from ddpm_lessons.show import fast_plots, score_plots
from ddpm_lessons.show.chains import grid
from ddpm_lessons.show.fast_widgets import compare_samplers
from ddpm_lessons.show.player import player
from ddpm_lessons.show.plots import image_rows, show
from ddpm_lessons.show.source import show_source
from ddpm_lessons.training import MixedPrecision

torch.set_num_threads(1)  # few digits at a time: a second thread would mostly wait for the first
pretrained, precision = load_pretrained("mnist"), MixedPrecision("cpu")
schedule = pretrained.schedule


def net(x_t, t):  # the trained network, in bfloat16 where the machine computes in it: faster
    with precision.autocast():
        return pretrained.eps_model(x_t, t).float()


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def end_of(steps):  # the last state of a chain
    *_, last = steps
    return last.x


print(f"one network, T = {schedule.T}, and the samplers {', '.join(SAMPLERS)}")

# %% [markdown]
# ## Why not just skip?
#
# The network knows 1000 noise levels. Nobody forces us to visit them all: from $t$ we may jump straight to some lower $s$. A
# jump undoes a forward step with $\alpha = \bar\alpha_t/\bar\alpha_s$, and Eq. (6, 7) gives its posterior as for any other step. (Lesson 06
# did so, and warned of those who keep the coefficients of *one* step.) Let us skip, in a world where nothing but the skipping can be wrong:
# numbers near $-0.5$ in three of four cases, else near 1.5, with their exact noise prediction.

# %% tags=["nbval-ignore-output"]
world = Mixture(*TOYS["uneven_peaks"]())
ideal = world.eps_model(schedule)
start = torch.randn(3000, 1, generator=seeded(0), dtype=torch.float64)
ends = {
    f"{n} steps": end_of(ddim(ideal, schedule, start, steps=n, eta=1.0, generator=seeded(1)))
    for n in (1000, 50, 20, 5)  # eta = 1 is Algorithm 2 with such jumps: see below
}
show(
    score_plots.histograms(ends, world),
    alt="Four histograms of 3000 numbers under the same exact density with a high narrow peak and a low broad one. With 1000 steps "
    "they agree. With 50 the high peak is somewhat too narrow and too high, with 20 more so, and with 5 the low peak is gone.",
)

# %% [markdown]
# The fewer the steps, the narrower the peaks, until with 5 the lower one is gone. We can say why. A step back draws from $q(x_s \mid x_t)$. For a small step that is
# nearly a Gaussian (lesson 02), and Algorithm 2 draws from one. For a long jump it is nothing of the sort: from far away *both*
# peaks are possible. What the jump does instead is to take $\hat x_0$, **the average of all that is possible**, for the truth, and to go where that
# truth would lead. The spread of what is possible gets lost, at each jump, and the longer the jump the more of it.
#
# So Algorithm 2 needs its thousand steps. But does the *network* need them?
#
# ## A remark about the loss
#
# Look at Eq. (14) once more:
#
# $$L_\text{simple} = \mathbb E_{t,\,x_0,\,\epsilon}\big\|\epsilon - \epsilon_\theta\big(\sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon,\; t\big)\big\|^2$$
#
# It speaks of pairs: a clean image, and one noisy version. **No $x_{t-1}$ in it.** The network was shown the marginals
# $q(x_t \mid x_0)$ and nothing else. It never saw a chain. Every process, however it moves from one noise level to the next, is as good a teacher
# as the one in the article, as long as it has these marginals. So we may choose another process, one with easier long jumps, and use the network that we have.
# (Its steps *forward* will depend on $x_0$ and look odd. Nobody ever takes them.)
#
# ### The jump of DDIM
#
# We know $x_0$ and $x_t$, and look for an $x_s$. From the two we know the noise that is in $x_t$:
# $\epsilon = (x_t - \sqrt{\bar\alpha_t}\,x_0)/\sqrt{1-\bar\alpha_t}$. Build $x_s$ of three parts: the image, *some of the old noise*, and some fresh
# noise $z$ of standard deviation $\sigma$:
#
# $$\boxed{\;x_s = \sqrt{\bar\alpha_s}\;x_0 + \sqrt{1-\bar\alpha_s-\sigma^2}\;\epsilon + \sigma\,z\;}$$
#
# Does it have the right marginal? Given $x_0$, both noises are standard normal and independent. So the mean is
# $\sqrt{\bar\alpha_s}\,x_0$, and variances add: $(1-\bar\alpha_s-\sigma^2) + \sigma^2 = 1-\bar\alpha_s$. That is $q(x_s \mid x_0)$, Eq. (4), **whatever $\sigma$ is**.
#
# By calculator, with the article's numbers $\bar\alpha_t = 0.5$, $x_0 = 0.8$, $\epsilon = 0.3$, so $x_t = 0.778$, and a jump to $\bar\alpha_s = 0.8$. How large may $\sigma$
# be? At most $\sqrt{1 - 0.8} = 0.447$, or nothing is left under the root.

# %%
c = Coefficients(beta=1 - 0.5 / 0.8, alpha=0.5 / 0.8, alpha_bar=0.5, alpha_bar_prev=0.8)
print("sigma | image | old noise |  x_s for z = 0 | variance given x_0")
for sigma in (0.0, 0.2, 0.387, 0.447):
    image, old = c.alpha_bar_prev**0.5 * 0.8, max(1 - c.alpha_bar_prev - sigma**2, 0.0) ** 0.5
    print(
        f"{sigma:5} | {image:.3f} | {old:.3f} eps | {image + old * 0.3:14.3f} | {old**2 + sigma**2:.2f}"
    )

# %% [markdown]
# The variance is 0.20 in each row, as $1 - \bar\alpha_s = 0.2$ demands. Now the same with many numbers: 2000 values of $x_0$ from our world
# with two peaks, noised to $t = 400$, and from there to $s = 150$ with more and more fresh noise. Drag the slider.

# %% tags=["nbval-ignore-output"]
t, s = 400, 150
c = schedule.between(s, t)
x_0 = world.sample(2000, seeded(2))
eps, z = torch.randn(2, 2000, 1, generator=seeded(3), dtype=torch.float64)
x_t, room = q_sample(x_0, c, eps), 1 - c.alpha_bar_prev
frames, alts, shares = [], [], [0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0]
for share in shares:
    old, fresh = (room * (1 - share)) ** 0.5, (room * share) ** 0.5
    x_s = c.alpha_bar_prev**0.5 * x_0 + old * eps + fresh * z
    frames.append(
        fast_plots.coupling(
            x_t[:, 0], x_s[:, 0], world.noised(c.alpha_bar_prev), group=x_0[:, 0] > 0.5,
            title=f"fresh: {share:.0%} of the noise's variance",
        )
    )  # fmt: skip
    alts.append(
        f"{share:.0%} of the noise is fresh. Left, x_s over x_t: "
        + (
            "two narrow bands"
            if share == 0
            else "two bands, wider and flatter the more noise is fresh"
        )
        + ". Right, the histogram of x_s, which lies under the exact density"
    )
player(frames, alts, values=[f"{share:.0%}" for share in shares], label="fresh noise")

# %% [markdown]
# The left side changes from two narrow bands (a line for each $x_0$) to two shapeless clouds: how $x_s$ hangs together with $x_t$ depends on $\sigma$. The right
# side, **which is all that training ever saw, does not move**. Three places on this slider have names:
#
# - **$\sigma = 0$**: nothing is drawn. Given the image, $x_s$ follows from $x_t$. This is DDIM proper.
# - **$\sigma^2 = \tilde\beta$**, the variance of the posterior: the article's process. (For the calculator's jump it is 0.387.) Not only the
#   variance agrees, the mean does too:

# %%
c = Coefficients(beta=1 - 0.5 / 0.8, alpha=0.5 / 0.8, alpha_bar=0.5, alpha_bar_prev=0.8)
p = q_posterior(0.8, 0.778, c)
by_ddim = 0.8**0.5 * 0.8 + (1 - 0.8 - p.var) ** 0.5 * predict_eps(0.778, c, 0.8)
print(f"sigma = {p.var**0.5:.3f}; mean by Eq. (7) {p.mean:.4f}, by DDIM {by_ddim:.4f}")

# %% [markdown]
# - **all of it fresh**: the old noise is thrown away, and $x_0$ is noised anew.
#
# DDIM counts from the first to the second: $\sigma = \eta\,\sqrt{\tilde\beta}$ with $\eta$ between 0 and 1.
#
# In sampling nobody tells us $x_0$, so its place is taken by $\hat x_0$, Eq. (15), and $\epsilon$ is the network's answer. Here is the whole sampler; look
# for the boxed line:

# %% tags=["nbval-ignore-output"]
show_source(ddim)

# %% [markdown]
# One jump of it beside the box, from $t = 400$ to $s = 150$, with $\eta = 0.5$ and the exact noise prediction:

# %%
c, x = schedule.between(150, 400), start[:5]
at_400, at_150, at_0 = ddim(ideal, schedule, x, timesteps=[400, 150], eta=0.5, generator=seeded(4))

eps = ideal(x, torch.full((5,), 400))
sigma = 0.5 * q_posterior(0.0, 0.0, c).var ** 0.5
z = torch.randn(x.shape, generator=seeded(4), dtype=torch.float64)
by_hand = (
    c.alpha_bar_prev**0.5 * predict_x0(x, c, eps)
    + (1 - c.alpha_bar_prev - sigma**2) ** 0.5 * eps
    + sigma * z
)
print("times:", at_400.t, at_150.t, at_0.t)
print("the library's x_150 is that of the box:", torch.allclose(at_150.x, by_hand))
every = end_of(ddim(ideal, schedule, x, steps=1000, eta=1.0, generator=seeded(5)))
chain = end_of(ddpm(ideal, schedule, x, variance="posterior", generator=seeded(5)))
print("all 1000 steps with eta = 1 are Algorithm 2:", torch.allclose(every, chain))

# %% [markdown]
# ### Exercise 9.1 · The jump
#
# Complete `my_jump`. `c` belongs to the jump from $t$ to $s$: `c.alpha_bar` is $\bar\alpha_t$, and `c.alpha_bar_prev` is $\bar\alpha_s$. Return $x_s$.
#
# <details><summary>Hint</summary>
#
# First the old noise: <code>predict_eps(x_t, c, x0_hat)</code>. Then the box. For the calculator's jump with
# $\sigma = 0.2$ and $z = 1$ it is 1.036.
# </details>


# %% tags=["nbval-ignore-output"]
def my_jump(x_t, x0_hat, c, sigma, z):
    return ...  # replace the dots, and use more lines if you like


lesson09.jump(my_jump)

# %% [markdown]
# ### Where to ask
#
# Which of the 1000 times should a short chain visit? It starts from pure noise, so the first is $t = T$. And it should come
# close to the image before it leaves the noise for good, so the last is $t = 1$; from there it jumps to 0. Between them, spread evenly, that makes
# `steps` questions. It sounds like nothing, and it has gone wrong in most libraries at some time: grids that start at 981, that ask 31 times
# when 30 were ordered, or whose jumps land somewhere else than the next question is asked. The end of the lesson shows what that costs.
#
# ### Exercise 9.2 · The grid
#
# Complete `my_grid`: `steps` whole numbers that fall evenly from $T$ to 1, both included, as a list. (We try only cases in which nothing has to be rounded, such
# as $T = 10$ in 4 steps.)
#
# <details><summary>Hint</summary>
#
# Between <code>steps</code> points there are <code>steps - 1</code> gaps. For $T = 10$ in 4 steps: 10, 7, 4, 1.
# </details>


# %% tags=["nbval-ignore-output"]
def my_grid(T, steps):
    return ...  # replace the dots: a list, or a range


lesson09.grid(my_grid)

# %% [markdown]
# ## How much noise on the way?
#
# Now $\hat x_0$ stands where $x_0$ should, so the marginals are no longer exact, for any $\eta$. How wrong do they get? In a world $x_0 \sim \mathcal N(0, v)$ we need
# not draw anything to find out: each jump multiplies $x$ by a number and adds noise of a known variance (lesson 06).


# %%
def end_variance(v, grid, eta, *, shorten=True, lands=None, begin=1.0):
    """The variance of x_0 that DDIM ends with in the world N(0, v), worked out without sampling."""
    perfect, variance = Mixture.gaussian(0.0, v).eps_model(schedule), begin
    for t, s in zip(grid, lands or [*grid[1:], 0], strict=True):
        c = schedule.between(s, t)
        eps = perfect(torch.ones(1, dtype=torch.float64), torch.tensor([t])).item()  # linear in x
        fresh = eta**2 * q_posterior(0.0, 0.0, c).var
        old = 1 - c.alpha_bar_prev - (fresh if shorten else 0.0)
        factor = c.alpha_bar_prev**0.5 * predict_x0(1.0, c, eps) + old**0.5 * eps
        variance = factor**2 * variance + fresh
    return variance


def even(steps):
    return [round(t) for t in torch.linspace(schedule.T, 1, steps, dtype=torch.float64).tolist()]


numbers = [5, 10, 20, 50, 100, 200]
print("the variance that 10, 100 and 1000 steps end with, over the true one, for v = 0.25")
for eta in (0.0, 0.5, 1.0):
    found = [end_variance(0.25, even(n), eta) / 0.25 for n in (10, 100, 1000)]
    print(f"eta = {eta}:", ", ".join(f"{share:.3f}" for share in found))

# %% tags=["nbval-ignore-output"]
etas = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
missing = {
    (v, eta): [1 - end_variance(v, even(n), eta) / v for n in numbers]
    for v in (0.01, 0.25, 1.0)
    for eta in etas
}
frames = [
    fast_plots.over_steps(
        {
            f"$v = {v:g}$": {r"$\eta = 0$": (numbers, missing[v, 0.0]), rf"$\eta = {eta}$": (numbers, missing[v, eta])}
            for v in (0.01, 0.25, 1.0)
        },
        x_label="steps",
        y_label="share of the variance that is lost",
    )
    for eta in etas
]  # fmt: skip
alts = [
    f"eta = {eta}: the share of the variance that is lost falls with the steps, as one over their number, and lies "
    + ("on" if eta == 0 else "above")
    + " the line of eta = 0, for narrow, middling and standard normal data"
    for eta in etas
]
player(frames, alts, values=etas, label="eta")

# %% [markdown]
# Three things to see. All chains end too narrow, as the histograms above did. Once there are enough of them, twice as many steps leave half of the error: it falls as
# 1/steps. And **the more noise, the larger the error**; at any number of steps $\eta = 0$ is the best.
#
# So why would anyone draw noise at all? Because this world has a perfect network, and a start that is exactly right. Suppose instead that the chain has
# gone astray, and is twice as wide as it should be when it begins:

# %%
print("50 steps in the world v = 0.25; the end variance as a multiple of that after a right start")
for eta in (0.0, 0.5, 1.0):
    right, astray = (end_variance(0.25, even(50), eta, begin=b) for b in (1.0, 4.0))
    print(f"eta = {eta}: {astray / right:.2f}")

# %% [markdown]
# Without noise the error is carried to the end in full: four times the variance in, four times the variance out. With noise it is
# *forgotten*, for each jump replaces some of the old noise, and its errors with it, by noise that is right by construction. A trained network makes errors
# at every step. That is the bargain: **noise washes out the network's errors, and charges more steps for it.** Which of the two weighs more
# for our digits, the measurement below will say.
#
# ## The same thing as an ODE
#
# With $\eta = 0$ no die is thrown. Lesson 08 showed what is left: the *probability-flow ODE*. In the coordinates
# $y = x_t/\sqrt{\bar\alpha_t}$ and $\sigma = \sqrt{(1-\bar\alpha_t)/\bar\alpha_t}$ (another $\sigma$ than above) it reads
#
# $$\frac{\mathrm dy}{\mathrm d\sigma} = \epsilon_\theta(x_t, t),$$
#
# and DDIM goes straight on in the direction of the network's answer: **Euler's method**. Check it with the calculator's jump. From $\bar\alpha = 0.5$ to
# 0.8, $y = 0.778/\sqrt{0.5} = 1.100$ and $\sigma$ falls from 1 to 0.5, so $y$ becomes $1.100 - 0.5 \cdot 0.3 = 0.950$, and $x = \sqrt{0.8} \cdot 0.950 = 0.850$.
# That is the 0.850 in the first row of the table.

# %%
print(f"{flow_jump(0.778, 0.3, alpha_bar=0.5, alpha_bar_to=0.8):.3f}")

# %% [markdown]
# Where a path bends, straight pieces leave it. Here are some paths of our world, exact in grey, and what three solvers make of them. (The two on the right come
# next. The slider counts *calls*, because that is what costs time.)

# %% tags=["nbval-ignore-output"]
starts = torch.tensor([[-1.6], [-0.6], [0.3], [0.75], [1.5]], dtype=torch.float64)
fine = list(ddim(ideal, schedule, starts, steps=1000))
exact = ([step.t for step in fine], torch.stack([step.x[:, 0] for step in fine]))


def few_calls(sampler, model, x_T, calls, **options):
    """At most `calls` calls of the network: Heun's method makes two for each point but the last."""
    points = (calls + 1) // 2 if sampler is heun else calls
    return sampler(model, schedule, x_T, steps=points, **options)


def followed(sampler, calls):
    steps = list(few_calls(sampler, ideal, starts, calls))
    return [step.t for step in steps], torch.stack([step.x[:, 0] for step in steps])


solvers = {"DDIM": ddim, "Heun": heun, "DPM-Solver++": dpm_solver}
budgets = [3, 5, 7, 9, 13, 19, 29, 49]
frames = [
    fast_plots.paths(exact, {name: followed(sampler, calls) for name, sampler in solvers.items()})
    for calls in budgets
]
alts = [
    f"{calls} calls: the walks of DDIM, Heun and DPM-Solver++ from t = 1000 on the left, over the exact paths in grey. "
    + ("Some leave them." if calls < 19 else "They follow them closely.")
    for calls in budgets
]
player(frames, alts, values=budgets, label="calls", start=2)

# %% [markdown]
# ### How fast does the error fall?
#
# On a line paths cannot cross, so who starts as the 300th of 1000 from the left ends as the 300th (lesson 08). That gives the exact end of a path without solving anything: the
# number with the same share of the density to its left. So we can measure the error of a solver, on a density that is no simple bell. (The schedule is four times finer than usual, to
# have room for long grids. They are even in $\log\sigma$, and we look at $t = 1$, before the last jump.)


# %%
def share_left(x, alpha_bar):
    q = world.noised(alpha_bar)
    return (q.weights * torch.special.ndtr((x - q.means[:, 0]) / q.var.sqrt())).sum(1, keepdim=True)


def carried(x, alpha_bar, alpha_bar_to):
    """Where the ODE leads x: the number with as much to its left, by halving an interval."""
    low, high = torch.full_like(x, -9.0), torch.full_like(x, 9.0)
    for _ in range(60):
        middle = (low + high) / 2
        below = share_left(middle, alpha_bar_to) < share_left(x, alpha_bar)
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return low


finer = linear_schedule(4000, 1e-4 / 4, 0.02 / 4)
places = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]
truth = carried(places, finer.alpha_bars[-1].item(), finer.alpha_bars[1].item())
errors, doubled = {}, [20, 40, 80, 160, 320]
for name, sampler in solvers.items():
    errors[name] = []
    for calls in doubled:
        times = even_timesteps(finer, calls // 2 if sampler is heun else calls)[::-1]
        *_, at_1, _ = sampler(world.eps_model(finer), finer, places, timesteps=times)
        errors[name].append((at_1.x - truth).square().mean().sqrt().item())
    print(f"{name:12}:", ", ".join(f"{error:.1e}" for error in errors[name]))

# %% tags=["nbval-ignore-output"]
ruler = torch.tensor([40.0, 320.0])
show(
    fast_plots.over_steps(
        {"": {name: (doubled, found) for name, found in errors.items()}},
        y_label="error at $t = 1$",
        slopes={"1/n": (ruler, 3.5 / ruler), "1/n²": (ruler, 15 / ruler**2)},
    ),
    alt="Error over calls, both axes logarithmic. DDIM falls in parallel to the dashed line 1/n. Heun and DPM-Solver++ end up parallel to the line 1/n squared. "
    "With 20 calls Heun is worse than DDIM, with 320 ten times better; DPM-Solver++ is below both everywhere.",
)

# %% [markdown]
# On such axes a power is a straight line, and its steepness is the **order** of the method. With twice the calls DDIM's error is halved: order 1. For the other two it
# is quartered, in the end: order 2. Two lessons about reading such plots: an order is a promise for *many* steps (look at Heun's first pieces, which are not straight yet), and it says nothing about
# the height of the line.
#
# ### Exercise 9.3 · The order
#
# Complete `my_order`: from an error, and the error with twice as many steps, to the order.
#
# <details><summary>Hint</summary>
#
# An error $C/n^p$ falls by the factor $2^p$ when $n$ doubles. Which function undoes a power of 2?
# </details>


# %% tags=["nbval-ignore-output"]
def my_order(error, error_of_twice):
    return ...  # replace the dots: a number


lesson09.order(my_order)

# %% [markdown]
# ## Two ways to follow a bend
#
# **Heun: look ahead.** Go straight, ask the network again where that leads, and then take the step with the *mean* of both answers. By calculator in the world $\mathcal N(0, 0.25)$, where the
# velocity at $(y, \sigma)$ is $\epsilon = \sigma y/(0.25 + \sigma^2)$, from $y = 1.1$ at $\sigma = 1$ to $\sigma = 0.8$:

# %%
y, sigma, to = 1.1, 1.0, 0.8
first = sigma * y / (0.25 + sigma**2)
straight = y + (to - sigma) * first
second = to * straight / (0.25 + to**2)
bent = y + (to - sigma) * (first + second) / 2
exact_y = y * ((0.25 + to**2) / (0.25 + sigma**2)) ** 0.5
print(f"Euler {straight:.4f}, Heun {bent:.4f}, exact {exact_y:.4f}")
print(f"errors {abs(straight - exact_y):.4f} and {abs(bent - exact_y):.4f}")

# %% [markdown]
# It costs a second call for each step. Karras et al. ([2022](https://arxiv.org/abs/2206.00364)) found it worth that.
#
# **DPM-Solver++(2M): look back.** The network has told us something at the last step too. Keep it! If $\hat x_0$ was 0.60 at the last point and is 0.70 now, it will probably be 0.80 at the next, one as far away; so
# for the jump between, 0.75 is a better value than 0.70. That is all: a straight line through the last two values of $\hat x_0$, followed for half a jump. Distances
# are measured in $\lambda = \log(\sqrt{\bar\alpha}/\sqrt{1-\bar\alpha})$, the clock in which the rest of the ODE has an exact solution. With $h$ for the length of this jump and $h'$ for that of the last,
#
# $$D = \hat x_0 + \frac{h}{2h'}\,(\hat x_0 - \hat x_0').$$
#
# Then a jump of DDIM with $D$ in place of $\hat x_0$. Second order, **one** call a step (Lu et al. [2022](https://arxiv.org/abs/2211.01095)). With noise added as in $\eta = 1$ it is the sampler
# `sde`.

# %% tags=["nbval-ignore-output"]
show_source(heun, dpm_solver)

# %% [markdown]
# ### Exercise 9.4 · Look ahead
#
# Complete `my_ahead`, the $D$ above.
#
# <details><summary>Hint</summary>
#
# The formula, symbol by symbol. With 0.7, 0.6 and two jumps of one length it is 0.75.
# </details>


# %% tags=["nbval-ignore-output"]
def my_ahead(x0_hat, x0_before, h, h_before):
    return ...  # replace the dots: x0_hat in the middle of the jump


lesson09.ahead(my_ahead)

# %% [markdown]
# ## Digits
#
# Enough of worlds with formulas. One network, six draws of $x_T$ (a seed that gives clean digits; one in eleven is not, lesson 07), from 1000 steps down to 5. On the left the article's sampler ($\eta = 1$), on the right DDIM ($\eta = 0$), which start
# from the *same* $x_T$. Give the cell a moment: the two long chains are 2000 calls.

# %% tags=["nbval-ignore-output"]
x_T = torch.randn(6, 1, 28, 28, generator=seeded(25))
steps = [1000, 50, 20, 15, 10, 5]
drawn = {}
for n in steps:
    drawn["article", n] = end_of(ddim(net, schedule, x_T, steps=n, eta=1.0, generator=seeded(1)))
    drawn["DDIM", n] = end_of(ddim(net, schedule, x_T, steps=n))
player(
    {
        "the article's sampler": [grid(drawn["article", n]) for n in steps],
        "DDIM": [grid(drawn["DDIM", n]) for n in steps],
    },
    [
        f"six digits in {n} steps from one x_T, " + ("some blurred" if n == 5 else "all clear")
        for n in steps
    ],
    values=steps,
    label="steps",
    width=330,
)

# %% [markdown]
# Drag it back and forth.
#
# - **On the right the digits stay.** The path through noise is fixed by $x_T$, and fewer steps only follow it less exactly. A digit in 10 steps is the digit of 1000 steps, a
#   little softer.
# - **On the left other digits appear** at every number of steps: as many draws of noise on the way, as many other ways. One cannot say that a chain of 10 is "less exact" than
#   one of 1000, because it is not the same picture. Whether the *crowd* is as good is a question for statistics, and comes below.
#
# So for the solvers of the ODE there is a yardstick, DDIM's 1000 steps. Beside it all samplers with the same number of **calls**:

# %% tags=["nbval-ignore-output"]
calls = [50, 20, 15, 10, 5]
for n in calls:
    drawn["Heun", n] = end_of(few_calls(heun, net, x_T, n))
    times = even_timesteps(schedule, (n + 1) // 2)[::-1]
    drawn["Heun, even in log sigma", n] = end_of(heun(net, schedule, x_T, timesteps=times))
    drawn["DPM-Solver++", n] = end_of(dpm_solver(net, schedule, x_T, steps=n))
    drawn["SDE", n] = end_of(dpm_solver(net, schedule, x_T, steps=n, eta=1.0, generator=seeded(1)))
faults = {5: "blurred by DDIM and the article's sampler, snow by Heun", 50: "all clear"}
panels = {"DDIM, always 1000": [grid(drawn["DDIM", 1000])] * len(calls)}
for name in ("DDIM", "Heun", "DPM-Solver++", "article", "SDE"):
    panels[name] = [grid(drawn[name, n]) for n in calls]
player(
    panels,
    [f"six digits from one x_T in {n} calls, {faults.get(n, 'grainy by Heun')}" for n in calls],
    values=calls,
    label="calls",
    width=250,
)

# %% tags=["nbval-ignore-output"]
print("how far a pixel is from DDIM's 1000 steps on average, in grey levels of 255")
goal = drawn["DDIM", 1000].clamp(-1, 1)
for name in ("DDIM", "Heun", "Heun, even in log sigma", "DPM-Solver++"):
    far = {n: 127.5 * (drawn[name, n].clamp(-1, 1) - goal).abs().mean().item() for n in calls}
    print(f"{name:24}", ", ".join(f"{grey:5.1f} in {n}" for n, grey in far.items()))

# %% [markdown]
# - **DPM-Solver++** shows the final digit in 10 calls, sharper than DDIM, and nearly so in 5.
# - **Heun** is the worst of all with few calls: at 5 it draws snow. It has only three points there, and its second look is made so far down
#   the path that the mean of the two answers means nothing. *Second order* is a promise for small steps; with large ones it may be
#   worse than first order.
# - **Where** the points lie matters as much. All grids here are even in $t$, but for one row of the table: even in $\log\sigma$, where the path needs them, Heun's error
#   is half as large with 15 and 20 calls, and with 50 it is the smallest of all. A comparison of samplers that does not name the grid is worth little.
# - **SDE** and the article's sampler draw other digits, as they should, and mostly the same ones, because they share the noise on the way. Watch the blur of the article's at 5.
#
# Now it is your turn: any two samplers, the same $x_T$, the same number of calls.


# %% tags=["nbval-ignore-output"]
def six_digits(*, sampler, calls, seed):
    eta = {"eta": 1.0} if sampler == "ddim, eta = 1" else {}
    chosen = SAMPLERS[sampler.split(",")[0]]
    noise = torch.randn(6, 1, 28, 28, generator=seeded(seed))
    return end_of(few_calls(chosen, net, noise, calls, generator=seeded(seed + 1), **eta))


compare_samplers(six_digits, ["dpm_solver", "ddim", "ddim, eta = 1", "heun", "sde"])

# %% [markdown]
# ## Quality against calls
#
# Six digits convince nobody. What counts is the crowd: does it have the right shapes in the right shares? Lesson 07 has the judge, the **digit-FID**: the distance between the
# classifier's features of the samples and of test digits, with an interval that says how much of it may be chance. `python benchmarks/samplers.py` has put every sampler of the library before it: with the
# same network, the same draws of $x_T$, the same even grid, the same clipping of $\hat x_0$ to $[-1, 1]$, at many budgets. That takes hours, so its results lie in the repository.

# %%
results = Path("../benchmarks/results/samplers-cpu.json")
rows = json.loads(results.read_text(encoding="utf-8"))["rows"]
(floor,) = [row for row in rows if row["name"] == "real digits"]
judged = [row for row in rows if row.get("network") == "mnist"]  # other networks: lessons 10 and 11


def in_words(row):
    return f"{row['fid']:6.2f} ({row['fid_low']:.2f} to {row['fid_high']:.2f})"


print(f"digit-FID of {floor['samples']} samples, and the share that is read with confidence")
for row in (floor, *sorted(judged, key=lambda row: (row["name"], row["calls"]))):
    name = f"{row['name']}, {row['calls']} calls" if row["calls"] else row["name"]
    print(f"{name:36} | {in_words(row):24} | {row['confident']:.1%}")

# %% tags=["nbval-ignore-output"]
show(
    fast_plots.quality([floor, *judged]),
    alt="Left, digit-FID over the calls of the network, both axes logarithmic, a line with whiskers for each sampler and a grey band for real digits. Right, the "
    "share of digits read with confidence. Both get better with more calls, steeply at first, then hardly any more; but Heun's method in 3 calls has by far the worst distance and the highest share.",
)

# %% [markdown]
# How to read it:
#
# - **The band is the floor**: what as many real digits score. Nothing can lie much below it, so the distance to the band is what counts, not the distance to 0.
# - **Whiskers that overlap are no ranking.** Two samplers within each other's interval are equally good as far as anyone knows.
# - **One number can lie.** Heun's method in 3 calls draws snow, and the classifier reads all of it with full confidence: it was never shown snow, and has no word for it. The distance, which compares whole crowds, is not deceived.
# - **Across, not only down.** The question is rarely "who is best at 50 calls", but "how many calls until it no longer matters".
#
# Let the rows themselves answer. For each budget, the best sampler, and those that cannot be told from it:

# %%
for budget in (10, 20, 50, 100, 1000):
    allowed = [row for row in judged if row["calls"] <= budget]
    best = min(allowed, key=lambda row: row["fid"])
    level = {row["name"] for row in allowed if row["fid_low"] <= best["fid_high"]} - {best["name"]}
    print(f"up to {budget} calls: {best['name']} with {best['calls']}, {in_words(best).strip()}")
    print("    level with it:", "; ".join(sorted(level)) or "no other")

best = min(judged, key=lambda row: row["fid"])
level = [row for row in judged if row["fid_low"] <= best["fid_high"]]
soonest = min(level, key=lambda row: row["calls"])
print(f"fewest calls level with the best of all: {soonest['calls']}, by {soonest['name']}")

# %% [markdown]
# Why do the curves flatten at all, and not fall to the band? Because there are two errors. One is the solver's, and falls with the calls. The other is the
# **network's**: an ODE solved exactly with a velocity that is slightly wrong leads exactly to a slightly wrong place. Once the first is below the second, more
# steps are wasted. That is why the best answer to "how many steps?" is a plot like this one, for *your* network, and no rule of thumb. And it is where
# noise earns its price, or does not: compare the samplers with noise on the way (DDPM, DDIM with $\eta = 1$, SDE-DPM-Solver++) with those without, at 50 calls and more.
#
# ## The noise is a code
#
# With $\eta = 0$, $x_T$ decides everything. So $x_T$ is something like an address of the digit. What lies between two addresses? Between $x$ and $y$ one would first
# try the straight line, $(1-\lambda)\,x + \lambda\,y$. But noise has a *size*: the norm of 784 standard normal numbers is close to $\sqrt{784} = 28$, for each draw. Halfway between two draws, variances
# add: $\frac14 + \frac14 = \frac12$. By calculator, $28 \cdot \sqrt{0.5} = 19.8$:

# %%
x, y = torch.randn(2, 1, 1, 28, 28, generator=seeded(12)).double()
print(f"norms {x.norm():.1f} and {y.norm():.1f}, halfway {(x / 2 + y / 2).norm():.1f}")
angle = torch.acos((x * y).sum() / (x.norm() * y.norm())).item()
print(f"angle between them: {math.degrees(angle):.0f} degrees")

# %% [markdown]
# Too quiet by a third: a network that is told $t = 1000$ has never seen that. In high dimensions noise lives on a thin shell, and the way from one draw to another is an **arc** on it. For two
# vectors with the angle $\theta$ between them (Shoemake 1985):
#
# $$\operatorname{slerp}(x, y, \lambda) = \frac{\sin((1-\lambda)\,\theta)}{\sin\theta}\,x + \frac{\sin(\lambda\,\theta)}{\sin\theta}\,y$$
#
# The angle is nearly a right one, so halfway both weights are about $\sin 45° / \sin 90° = 0.707$, not 0.5, and the variance is $0.5 + 0.5 = 1$.

# %%
halfway = slerp(x, y, 0.5)
weight = math.sin(angle / 2) / math.sin(angle)
print(f"norm halfway: {halfway.norm():.1f}; weight of each: {weight:.3f}")

# %% tags=["nbval-ignore-output"]
show_source(slerp)

# %% [markdown]
# ### Exercise 9.5 · Along the arc
#
# Complete `my_slerp` for two vectors of numbers, which need not have one norm nor be at a right angle.
#
# <details><summary>Hint</summary>
#
# The cosine of the angle is <code>x @ y / (x.norm() * y.norm())</code>; <code>torch.acos</code>, <code>torch.sin</code>.
# </details>


# %% tags=["nbval-ignore-output"]
def my_slerp(x, y, share):
    return ...  # replace the dots, and use more lines if you like


lesson09.slerp(my_slerp)

# %% [markdown]
# Now digits. Six pairs of codes, and all that lies between, on the arc and on the straight line, each drawn by DPM-Solver++ in 15 calls:

# %% tags=["nbval-ignore-output"]
ends_of_pairs, others = x_T, x_T.roll(1, dims=0)
shares = [i / 16 for i in range(17)]
arc = torch.cat([slerp(ends_of_pairs, others, share) for share in shares])
line = torch.cat([(1 - share) * ends_of_pairs + share * others for share in shares])
between = {
    name: end_of(dpm_solver(net, schedule, codes, steps=15)).view(17, 6, 1, 28, 28)
    for name, codes in {"along the arc": arc, "straight": line}.items()
}
player(
    {name: [grid(images) for images in found] for name, found in between.items()},
    [f"{share:.0%} of the way from six digits to six others" for share in shares],
    values=[f"{share:.0%}" for share in shares],
    label="of the way",
    width=330,
)

# %% [markdown]
# On the left one digit turns into another, and on the way there are digits, or things that might be. Mostly a form holds for a while and then gives way rather quickly: an $x_T$ belongs to one
# digit or to another, and the border between them is thin. On the right, in the middle, the strokes get thin and the forms plainer: noise that is too quiet looks to the network like a picture
# with less in it. DDPM could not do any of this: there $x_T$ is forgotten on the way (lesson 06).
#
# ## There and back
#
# Every digit that we have drawn has an $x_T$. Does *your* digit have one? Walk the path upwards: `ddim_invert` takes the jumps of DDIM from $0$ to $T$. One thing is different. The jump up from $t$ to $s$
# should use the noise at its far end, which nobody knows yet, so it uses that at the near end. The error of the way there and back falls as 1/steps, and it is a good test of any implementation:

# %% tags=["nbval-ignore-output"]
mine = load_mnist("test")[[0, 1, 2, 4]]
grain = torch.randn(mine.shape, generator=seeded(13))
grainy = q_sample(mine, schedule.at(1), grain)  # x_1: looks the same, see below
codes, back = {}, {}
for n, digits in ((10, mine), (25, mine), (50, mine), ("grain, 50", grainy)):
    count = 50 if digits is grainy else n
    codes[n] = end_of(ddim_invert(net, schedule, digits, steps=count))
    back[n] = end_of(ddim(net, schedule, codes[n], steps=count)).clamp(-1, 1)
    far = 127.5 * (back[n] - mine).abs().mean()
    print(
        f"{n} steps: variance of the code {codes[n].var():.2f}; back within {far:.1f} grey levels"
    )

# %% tags=["nbval-ignore-output"]
quiet, loud = codes[50] / 3, codes["grain, 50"] / 3
names = ["digit", "10 steps:\nback", "50 steps:\ncode", "and back", "grain:\ncode", "and back"]
show(
    image_rows([mine, back[10], quiet, back[50], loud, back["grain, 50"]], [""] * 4, names),
    alt="Six rows of four. Test digits, 7, 2, 1 and 4. What comes back in 10 steps: some are changed. The codes of 50 steps, in which one still sees the digit in grey, and what "
    "comes back: all as they were. The codes of digits with a little grain, which are pure noise, and what comes back: not always the same digit.",
)

# %% [markdown]
# The error falls as promised. But look at the codes: their variance should be 1, and is a fraction of that, and one can *read* them. What is wrong? A file's digit has perfectly flat paper. No $x_1$ has that: even at $t = 1$ there is a grain of
# standard deviation 0.01, too little to be seen. The network does see that it is missing, says "hardly any noise here", and the path starts off in a region where no training example ever was. Add that grain (`q_sample` at $t = 1$), and the code is real noise. It is a bit too loud, because these
# paths bend more and 50 straight pieces do not follow them: the way back leads elsewhere. Lesson 08 gets them home with Heun's method.
#
# So there are two kinds of code: quiet ones, exact on the way back and no draws of $\mathcal N(0, I)$; and proper ones, that ask for more steps. Programs that edit photographs by inversion face the same choice.
#
# With codes of real digits we can blend real digits. Here the 7 turns into the 2, and the 1 into the 4, by the quiet codes of 50 steps:

# %% tags=["nbval-ignore-output"]
shares = [i / 8 for i in range(9)]
first, second = codes[50][0::2], codes[50][1::2]
between = torch.cat([slerp(first, second, share) for share in shares])
blended = end_of(ddim(net, schedule, between, steps=50)).clamp(-1, 1).view(9, 2, 1, 28, 28)
show(
    image_rows([blended[:, 0], blended[:, 1]], [f"{share:.0%}" for share in shares]),
    alt="Two rows of nine digits. Above, a 7 turns step by step into a 2; below, a 1 into a 4. At both ends stand the test digits themselves.",
)

# %% [markdown]
# ## One call
#
# How far down can we go? Here are 1, 2, 3 and 4 calls of the best solver:

# %% tags=["nbval-ignore-output"]
tiny = [end_of(dpm_solver(net, schedule, x_T, steps=n, clip_x0=1.0)) for n in (1, 2, 3, 4)]
show(
    image_rows([*tiny, drawn["DDIM", 1000].clamp(-1, 1)], [""] * 6,
               ["1 call", "2 calls", "3 calls", "4 calls", "1000"]),
    alt="Five rows of six pictures. In one and two calls: clouds of specks. In 3: the same with ghosts of digits in it. In 4: digits with "
    "faults. In 1000: clean digits.",
)  # fmt: skip

# %% [markdown]
# One call cannot work, and no solver can help: $\hat x_0$ at $t = T$ is the average of everything (lesson 06), and at $t = 1000$ even the average is drowned by the division by $\sqrt{\bar\alpha_T} = 0.0064$. (A second call at $t = 1$, where the grid must end, comes too late to help.) The path bends, and one straight piece does not
# know where to. People therefore *train* networks for one or a few calls, with a teacher like ours: they learn to jump to where the teacher's path ends (progressive distillation, Salimans & Ho
# [2022](https://arxiv.org/abs/2202.00512); consistency models, Song et al. [2023](https://arxiv.org/abs/2303.01469)). That is another training, and another network.
#
# ### What a picture costs
#
# The article says that 1000 forward passes are slow beside a GAN, and it is right. A **GAN**'s generator, or the decoder of a **VAE**, makes a picture in *one* pass. To be
# honest about the gap we have to say three things.
#
# 1. **A call is not a call.** What counts is seconds: calls times the price of one. Networks differ in size by more than the samplers do.
# 2. **Calls in a chain wait for each other.** A chain of 10 needs ten times the time of one call, on any machine. Only *different* pictures can share it: many at once cost less for each.
# 3. **The gap is not 1000 any more.** It is the number of calls at which *your* quality is reached, and you have seen that number above.
#
# On this machine, for a single digit and for each of many:

# %% tags=["nbval-ignore-output"]


def seconds_of(job, times=5):
    job()
    begin = time.perf_counter()
    for _ in range(times):
        job()
    return (time.perf_counter() - begin) / times


one, many, at = torch.randn(1, 1, 28, 28), torch.randn(64, 1, 28, 28), torch.full((64,), 500)
with torch.no_grad():
    alone, together = seconds_of(lambda: net(one, at[:1])), seconds_of(lambda: net(many, at), 2)
print(f"a call: {1000 * alone:.1f} ms for one digit, {1000 * together / 64:.1f} ms for each of 64")
seconds = {
    "the article, 1000 calls": 1000 * alone,
    "DDIM, 50": 50 * alone,
    "DPM-Solver++, 15": 15 * alone,
    "one call of our network": alone,
}
latent = load_pretrained("mnist-latent")
z = torch.randn(1, *latent.config.shape, generator=seeded(31))
seconds["one pass of a VAE's decoder"] = seconds_of(lambda: latent.autoencoder.decode(z))
show(
    fast_plots.prices(seconds),
    alt="Bars of seconds for one digit on a logarithmic axis: the article's 1000 calls take seconds, 50 and 15 calls fractions of a second, a single call of the network some "
    "milliseconds, and one pass of the decoder less than that.",
)

# %% [markdown]
# The lowest bar but one is the honest comparison for a one-shot generator *of our network's size*; the lowest is the decoder of a VAE, a smaller
# network, which lesson 11 trains. So a one-shot generator stays ahead by the number of calls, ten
# or twenty, and a little more. What does one get for that?
#
# - Against a **VAE**: sharpness. Its decoder is trained with an average over codes that could all have been meant, and averages are blurred. (Stable Diffusion uses *both*: a diffusion model draws the code, in a
#   few tens of calls of a network that sees small codes, and a decoder turns it into pixels in one pass. Lesson 11.)
# - Against a **GAN**: a training that is a plain regression and does not have to balance two networks, a crowd in which hardly any kind of image is missing (nobody tells a GAN's generator what it has left out), and a likelihood (lessons 03 and 08).
# - Against **both**: the number of calls is chosen *after* training, by whoever samples. Ten for a draft, fifty for print.
#
# Where milliseconds count, as in a game or a video call, one-shot generators are still the right choice, and diffusion models are distilled until they are one themselves.
#
# ## What breaks if ...
#
# All of these have happened in public code. We have an instrument that finds them: the end variance in worlds that are known. The number that should be there is $v$; what "right" shows is the sampler's own error.
#
# **... the old noise is not shortened?** With $\eta > 0$, the root of $1-\bar\alpha_s$ instead of $1-\bar\alpha_s-\sigma^2$: the fresh noise comes on top.
#
# **... the grid does not begin at $T$?** A popular library begins at 981 for 50 steps, while its first image is pure noise. **Or does not end at 1?**
#
# **... the jumps do not chain?** The grid says 1000, 889, 778, ..., but each jump lands at $t - T/\text{steps}$, that is at 900, 800, ... The network is then asked about $t = 889$ and shown an image with the noise of 900.

# %%
print("                      |   10 steps: v = 0.01,    v = 1 |   50 steps: v = 0.01,    v = 1")
stories = {
    "right, eta = 0": (0.0, even, None, True),
    "right, eta = 1": (1.0, even, None, True),
    "not shortened": (1.0, even, None, False),
    "begins below T": (0.0, lambda n: [1 + i * (1000 // n) for i in range(n)][::-1], None, True),
    "ends above 1": (0.0, lambda n: [1000 - i * (1000 // n) for i in range(n)], None, True),
    "does not chain": (0.0, even, lambda n: [max(t - 1000 // n, 0) for t in even(n)], True),
}
for name, (eta, grid_of, lands, shorten) in stories.items():
    found = [
        end_variance(v, grid_of(n), eta, lands=lands(n) if lands else None, shorten=shorten)
        for n in (10, 50)
        for v in (0.01, 1.0)
    ]
    print(f"{name:21} |" + " |".join(f"{a:20.4f}, {b:8.3f}" for a, b in (found[:2], found[2:])))

# %% [markdown]
# Only the first bug is a disaster with many steps. The others change the variance by less than the sampler's own error, and mostly *towards* the right value: chance, not merit. Read the first column alone, and the worst of them all would win: 0.0085 is
# the nearest to 0.01, because two errors happen to cancel. **A number that got better is no proof.** And the last three vanish as the steps approach 1000, so a test with a full grid never meets them. What finds them is not a number but an identity: the
# first question is about $T$ and the last about 1; each jump lands where the next question is asked; all steps with $\eta = 1$ are Algorithm 2; $\eta = 0$ is Euler's method. This library's tests hold all four.
#
# **... noise is added at the last jump?** To 0 there is nothing to add: with $\bar\alpha_s = 1$ the variance $\tilde\beta$ is 0 by arithmetic, and no `if` is needed. In code with an `if`, this has been forgotten (lesson 06 shows the grain).
#
# **... $\hat x_0$ is clipped, and the old $\epsilon$ kept?** Then the two no longer add up to $x_t$. Lesson 06 has the numbers; in the source above it is the line with the comment "after clipping".
#
# **... Heun's two calls are counted as one step?** Then a table of "steps" flatters it by a factor of two. Every comparison in this lesson counts calls.
#
# ### Exercise 9.6 · A grid of your own
#
# Many answers are right here. The even grid of exercise 9.2 is simple, but the paths do not bend evenly. Beat it: complete `my_times`, which is given a schedule (`schedule.T`, and `schedule.alpha_bars` if you want it)
# and a number of steps, and returns that many times, as a list.
#
# - They are whole numbers from $1$ to $T$, and fall.
# - They begin at $T$.
# - DDIM ($\eta = 0$) ends *nearer to the truth* with them: in this lesson's world with two peaks, its distance from the exact ends, averaged over all of the crowd, is at most nine tenths of that with the even grid.
#   We try 8, 12 and 20 steps of this schedule, and 10 of the finer one with $T = 4000$.
#
# A warning from above: even in $\log\sigma$ helped Heun's method. DDIM is another method.
#
# <details><summary>Hint</summary>
#
# Look at the grey paths further up. Where do they run straight, so that a long jump does no harm, and where do they bend? A formula for the even grid is
# <code>T - (T - 1) * s</code> with <code>s = i / (steps - 1)</code> from 0 to 1. Which curve in the place of <code>s</code> takes longer jumps first and shorter ones later? And how much of that is too much? Measure:
#
# <pre>fine = end_of(ddim(ideal, schedule, start, steps=1000))
# for times in (even(12), my_times(schedule, 12)):
#     print((end_of(ddim(ideal, schedule, start, timesteps=times)) - fine).abs().mean())</pre>
# </details>


# %% tags=["nbval-ignore-output"]
def my_times(schedule, steps):
    return ...  # replace the dots: a list of `steps` whole numbers that fall from T


lesson09.own_grid(my_times)

# %% [markdown]
# ## Summary
#
# | | |
# |---|---|
# | why a thousand | Algorithm 2 takes a long jump as if $\hat x_0$, an average, were the truth: the crowd gets too narrow |
# | what the loss knows | the marginals $q(x_t \mid x_0)$ only: any process that has them may use the network |
# | DDIM | $x_s = \sqrt{\bar\alpha_s}\,\hat x_0 + \sqrt{1-\bar\alpha_s-\sigma^2}\;\epsilon + \sigma z$, $\sigma = \eta\sqrt{\tilde\beta}$: $\eta = 1$ is the article's, $\eta = 0$ draws nothing |
# | noise on the way | washes out errors, and needs more steps |
# | an ODE | $\eta = 0$ is Euler's method: error $\propto 1/n$. Heun asks twice, DPM-Solver++ remembers: error $\propto 1/n^2$ once $n$ is not small |
# | quality against calls | two errors, the solver's and the network's; below the second, more calls are wasted |
# | $x_T$ is a code | blend along the arc, not the line; encode with `ddim_invert`, and test that it comes back |
# | the price | calls times the cost of one; a one-shot generator is ahead by the number of calls, and that is now ten or twenty |
#
# So far the network has drawn what *it* likes. In the next lesson we tell it what to draw.
