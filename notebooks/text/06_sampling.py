# %% [markdown]
# # 06 · Sampling
#
# You have a network that can do one thing: look at a noisy picture and name the noise in it. This lesson turns it
# into a machine that draws digits nobody has written. The recipe fits into five lines. Then we do what is rarely
# done with a recipe: take every ingredient out once and see what happens.
#
# **What you will be able to do**
#
# - work out one step of sampling with a calculator, and say what each part of it is for;
# - watch digits form out of noise, and explain why the network's early guesses are blurred;
# - choose $\sigma_t$ and clipping, knowing what each choice costs at 1000 steps and at 10;
# - test a sampler *exactly*, in worlds where the right answer is known, and so find the bugs that no eye finds.
#
# Time on two CPU cores: about 90 s to run, 70 minutes to read and try.
#
# Article section: *generating images*. Equation numbers are those of [Ho, Jain & Abbeel
# 2020](https://arxiv.org/abs/2006.11239).

# %%
import math
import time
from itertools import islice, pairwise

import torch

from ddpm_lessons import (
    Coefficients,
    Mixture,
    NoiseSchedule,
    cosine_schedule,
    ddim,
    ddpm,
    p_mean_from_eps,
    p_step,
    predict_eps,
    predict_x0,
    q_posterior,
    q_sample,
)
from ddpm_lessons.checks import lesson06
from ddpm_lessons.data import TOYS, load_mnist
from ddpm_lessons.models import load_pretrained
from ddpm_lessons.show import sampling_plots
from ddpm_lessons.show.chains import chain_player
from ddpm_lessons.show.player import player
from ddpm_lessons.show.plots import image_rows, show
from ddpm_lessons.show.sampling_widgets import explore_chains
from ddpm_lessons.show.source import show_source

torch.set_num_threads(1)  # for six digits a second thread would mostly wait for the first
pretrained = load_pretrained("mnist")
net, schedule = pretrained.eps_model, pretrained.schedule
print(f"a trained network and its schedule of T = {schedule.T} steps")

# %% [markdown]
# ## Algorithm 2, line by line
#
# The forward process ends in noise. So we start with noise and undo it, step by step: ask the network what the
# noise is, remove a little of it, add a little *fresh* noise, and ask again.
#
# ![A loop. Pure noise x_T enters as x_t; the network predicts the noise in it; a little of that is removed, which gives the mean; fresh noise sigma_t z is added, but none at t = 1; the result x_{t-1} goes round again, T rounds, and leaves the loop as a digit](../figures/sampling_loop.svg)
#
# The paper calls this **Algorithm 2**:
#
# | line | in words |
# |---|---|
# | 1. $x_T \sim \mathcal N(0, I)$ | start with pure noise. Allowed, because the forward process ends there: lesson 03 found a fiftieth of a bit between the two, for the whole image |
# | 2. for $t = T, \dots, 1$ | walk down, one step at a time |
# | 3. $z \sim \mathcal N(0, I)$ if $t > 1$, else $z = 0$ | fresh noise, but none at the last step |
# | 4. $x_{t-1} = \mu_\theta(x_t, t) + \sigma_t z$ | a little of the predicted noise out, a little fresh noise in |
# | 5. give back $x_0$ | the picture |
#
# You know all its parts. In lesson 02 the step back became a Gaussian,
# $p_\theta(x_{t-1} \mid x_t) = \mathcal N(\mu_\theta(x_t, t), \sigma_t^2 I)$, and line 4 draws from it: its mean,
# plus its standard deviation times standard normal noise. The mean was
#
# $$\mu_\theta(x_t, t) = \frac{1}{\sqrt{\alpha_t}}\Big(x_t - \frac{\beta_t}{\sqrt{1-\bar\alpha_t}}\,\epsilon_\theta(x_t, t)\Big) \tag{11}$$
#
# and for the width the article takes $\sigma_t = \sqrt{\beta_t}$.
#
# ### One step with a calculator
#
# One pixel, somewhere in the middle of a chain: $\alpha_t = 0.99$, so $\beta_t = 0.01$, and $\bar\alpha_t = 0.5$. The
# pixel is $x_t = 0.4$, the network takes $\epsilon_\theta = 0.3$ of it for noise, and the die for the fresh noise
# shows $z = 0.1$.

# %%
c = Coefficients(beta=0.01, alpha=0.99, alpha_bar=0.5, alpha_bar_prev=0.5 / 0.99)
x_t, eps, z = 0.4, 0.3, 0.1
share = c.beta / (1 - c.alpha_bar) ** 0.5
less = x_t - share * eps
mean = less / c.alpha**0.5
print(f"share to remove    0.01 / sqrt(0.5)       = {share:.5f}")
print(f"remove it          0.4 - {share:.5f} * 0.3  = {less:.5f}")
print(f"undo the shrinking {less:.5f} / sqrt(0.99)  = {mean:.4f}   the mean")
print(f"fresh noise        sqrt(0.01) * 0.1       = {c.beta**0.5 * z:.4f}")
print(f"together                                    {mean + c.beta**0.5 * z:.4f}   x_(t-1)")

# %% [markdown]
# So 0.4 became **0.408**. Now by the library, once by Eq. (11) alone and once as the Gaussian that line 4 draws
# from:

# %%
p = p_step(x_t, c, eps).p
print(f"p_mean_from_eps: {p_mean_from_eps(x_t, c, eps):.4f}")
print(f"p_step: mean {p.mean:.4f}, variance {p.var}; with z: {p.mean + p.var**0.5 * z:.4f}")

# %% tags=["nbval-ignore-output"]
show_source(p_mean_from_eps, p_step)

# %% [markdown]
# `p_step` knows a second road to the same mean, and it says better what is going on. Let the network's answer
# be a guess at the *clean* pixel, Eq. (15), and then take the step that the posterior takes when somebody whispers
# it $x_0$, Eq. (7):
#
# $$\hat x_0 = \frac{x_t - \sqrt{1-\bar\alpha_t}\,\epsilon_\theta}{\sqrt{\bar\alpha_t}}, \qquad
# \mu_\theta = \frac{\sqrt{\bar\alpha_{t-1}}\,\beta_t}{1-\bar\alpha_t}\,\hat x_0 + \frac{\sqrt{\alpha_t}\,(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}\,x_t$$

# %%
x0_hat = predict_x0(x_t, c, eps)
weight_x0, weight_xt = q_posterior(1.0, 0.0, c).mean, q_posterior(0.0, 1.0, c).mean
by_guess = weight_x0 * x0_hat + weight_xt * x_t
print(f"guess at the clean pixel: {x0_hat:.4f}")
print(f"mean: {weight_x0:.4f} * {x0_hat:.4f} + {weight_xt:.4f} * 0.4 = {by_guess:.4f}")

generator = torch.Generator().manual_seed(0)
some_x_t, some_eps = torch.randn(2, 100, generator=generator, dtype=torch.float64)
roads = [
    (p_mean_from_eps(some_x_t, at, some_eps), q_posterior(predict_x0(some_x_t, at, some_eps), some_x_t, at).mean)
    for at in map(schedule.at, range(1, schedule.T + 1))
]  # fmt: skip
print("both roads agree at every t, to 1e-11:", all((a - b).abs().max() < 1e-11 for a, b in roads))

# %% [markdown]
# The same 0.3978. A step moves the pixel *a little* towards what the network takes for the clean image: of
# $\hat x_0$ it takes 1.4 per cent. (The posterior's road needs $\bar\alpha_{t-1}$. It must be $0.5 / 0.99$ here, because
# $\bar\alpha_t = \alpha_t\,\bar\alpha_{t-1}$; lesson 02 rounded it to 0.505.)
#
# Here is the step as a picture, and beside it a much larger one, from a chain of only ten:

# %% tags=["nbval-ignore-output"]
ten = cosine_schedule(T=10)
big = p_step(1.2, ten.at(8), 1.7).p
steps = {
    "the article's step": sampling_plots.StepBack(x_t, p, z),
    "t = 8 in a chain of 10": sampling_plots.StepBack(1.2, big, 1.4),
}
show(
    sampling_plots.steps_back(steps),
    alt="Two steps back, each as a number line. Left, the article's: x_t = 0.4 and the mean 0.3978 are hardly apart, "
    "the bell around the mean is 0.1 wide, and x_{t-1} = 0.4078 lies well inside it. Right, a large step: an arrow "
    "from x_t = 1.2 back to the mean 0.354, a bell of width 0.73, and an arrow of noise that ends at 1.380.",
)

# %% [markdown]
# ### Why does noise help?
#
# Look at the left panel again. The mean moved by 0.002. The noise has a width of 0.1, **forty-five times as
# much**. How can anything come of a walk whose purpose is drowned like that?
#
# First, noise does not add up as moves do. A hundred moves of 0.002 in one direction make 0.2; a hundred kicks of
# 0.1 make 1, not 10, because variances add and standard deviations do not. So in a hundred steps the kicks lead by a factor of
# 5 only, in ten thousand they would have lost.
#
# Second, later moves take earlier kicks back out. Watch the noise in the picture over one step. Let the network know $x_0$, so that nothing is in doubt. Before
# step $t$ the noise in $x_t$ has standard deviation $\sqrt{1-\bar\alpha_t}$. The mean keeps the fraction `weight_xt` of it.
# Then fresh noise comes on top (here with the posterior's own variance $\tilde\beta_t$), and what we want to arrive at is
# $\sqrt{1-\bar\alpha_{t-1}}$.

# %%
print("   t | noise in x_t | in the mean | with fresh noise | wanted")
for t in (1000, 500, 100, 10, 2, 1):
    c = schedule.at(t)
    before = (1 - c.alpha_bar) ** 0.5
    kept = q_posterior(0.0, before, c)  # x_0 = 0: only the noise is left
    after = (kept.mean**2 + kept.var) ** 0.5
    print(
        f"{t:4} | {before:12.4f} | {kept.mean:11.4f} | {after:16.4f} | {(1 - c.alpha_bar_prev) ** 0.5:.4f}"
    )

# %% [markdown]
# At $t = 1000$ the mean removes one per cent of the noise, and fresh noise of 0.14 puts it back, because
# $0.99^2 + 0.14^2 = 1$: one per cent of the amplitude is two per cent of the variance, and $\beta_{1000} = 0.02$. So **a
# step back is mostly an exchange**: old noise out, fresh noise in, and the picture a trifle clearer than before. As $t$
# falls the exchange gets smaller, and the last step only takes.
#
# What is an exchange good for? The network has looked at the old noise and made its errors on it. Fresh
# noise lets the chain look again, and err otherwise. You will see below how much the result depends on it, and that
# there is a way to do without (DDIM).
#
# ## The loop
#
# Here is the whole sampler:

# %% tags=["nbval-ignore-output"]
show_source(ddpm)

# %% [markdown]
# Line 2 of Algorithm 2 is the `for`, line 3 the `if t > 1`, line 4 is `p_step` and `p.sample`. Three things about the
# form:
#
# - It is a **generator**: it yields a `Step(t, x, x0_hat)` for each state, $t = T \dots 0$. You may look at every state,
#   or stop in the middle; a progress bar, a slider and a test all use this one loop.
# - The network is told $t$ as a tensor with one entry for each image, as in training.
# - Randomness comes from the `generator` that you hand in. The same generator, the same digits.
#
# Take three steps, and beside them the same three written out by hand:

# %%
x_T = torch.randn(6, 1, 28, 28, generator=torch.Generator().manual_seed(6))
walk = ddpm(net, schedule, x_T, generator=torch.Generator().manual_seed(1))
states = list(islice(walk, 4))  # x_1000, x_999, x_998, x_997: then we stop asking

x, generator = x_T, torch.Generator().manual_seed(1)
for t in (1000, 999, 998):
    with torch.no_grad():
        eps = net(x, torch.full((6,), t))
    z = torch.randn(x.shape, generator=generator)
    x = p_mean_from_eps(x, schedule.at(t), eps) + schedule.at(t).beta ** 0.5 * z
print("t:", [step.t for step in states], " shape:", tuple(states[-1].x.shape))
print("x_997 by hand agrees, to 1e-5:", torch.allclose(x, states[-1].x, atol=1e-5))

# %% [markdown]
# ### Exercise 6.1 · The order of time
#
# Which `range` gives the $t$ of the loop, $1000, 999, \dots, 2, 1$?
#
# <details><summary>Hint</summary><code>list(range(5, 0, -2))</code> is <code>[5, 3, 1]</code>. The end is left out.</details>

# %% tags=["nbval-ignore-output"]
my_timesteps = ...  # replace the dots: range(...)

lesson06.timesteps(my_timesteps)

# %% [markdown]
# ### Exercise 6.2 · The sampler
#
# Now all of it. You are given a network, a schedule, $x_T$ (a batch of images) and the noise: `z[t]` is to be used in step
# $t$. Return $x_0$, with $\sigma_t^2 = \beta_t$.
#
# <details><summary>Hint</summary>The loop that you have just seen, down to 1, is nearly it. The network wants
# <code>torch.full((len(x),), t)</code>. And what happens to the noise at the last step?</details>


# %% tags=["nbval-ignore-output"]
def my_sampler(eps_model, schedule, x_T, z):
    return ...  # replace the dots, and use more lines


lesson06.sampler(my_sampler)

# %% [markdown]
# ## A thousand steps
#
# Six chains from pure noise, with the article's settings. The network runs a thousand times, so give this cell a
# moment.

# %% tags=["nbval-ignore-output"]
start = time.perf_counter()
chain = list(ddpm(net, schedule, x_T, generator=torch.Generator().manual_seed(1)))
seconds = time.perf_counter() - start
chain_player(chain, schedule, frames=61, width=320)

# %%
print(len(chain), "states, the first at t =", chain[0].t, "and the last at t =", chain[-1].t)

# %% [markdown]
# Drag the slider slowly. On the left is $x_t$, on the right $\hat x_0$, what the network takes for the clean image when it
# sees the left one.
#
# - At $t = 1000$ the guess is garbage. Eq. (15) divides by $\sqrt{\bar\alpha_T} = 0.0064$, so an error of a hundredth in the
#   noise is an error of 1.6 in the image. The step does not mind: it takes hardly anything of $\hat x_0$ there.
# - Then it is a **blur** in the middle of the picture, that slowly becomes a shape.
# - From some $t$ on the right picture hardly changes any more, while on the left you still see little but noise. From there
#   on the chain only works out details.
#
# Here are two other chains at a few moments, for a closer look:
#
# ![Two chains from t = 1000 to t = 0. In each, the upper row shows x_t, noise out of which a digit emerges at about t = 300. The lower row shows the network's guess: noise, a grey blur at t = 700, a recognisable but soft digit at t = 500, and from t = 400 on nearly the final one](../figures/noise_to_image.png)
#
# ### Why is the early guess a blur?
#
# Because it is an average. The network was trained with a squared error, and lesson 03 showed what that makes of it: the
# best answer is the *mean* of all noises that are possible, $\mathbb E[\epsilon \mid x_t]$, and therefore
#
# $$\hat x_0 = \mathbb E[x_0 \mid x_t],$$
#
# **the average of all clean images that could be hidden in this $x_t$**, each weighted by how well it fits. If that is
# true, we can compute it without any network, in a world that contains finitely many images. Take 300 training digits, all
# equally likely. By Bayes' rule digit $k$ has the weight
#
# $$w_k \propto \exp\Big(-\frac{\|x_t - \sqrt{\bar\alpha_t}\,x_0^{(k)}\|^2}{2\,(1-\bar\alpha_t)}\Big),$$
#
# and the average is $\sum_k w_k\, x_0^{(k)}$. Against that we hold the other way: the exact noise prediction for this
# world, put through Eq. (15).

# %%
known = load_mnist("train")[:300].double()
ideal = Mixture.from_data(known).eps_model(schedule)
noise = torch.randn(1, 1, 28, 28, generator=torch.Generator().manual_seed(2)).double()
times = [1000, 900, 800, 700, 600, 500, 400, 200]
noisy, average, candidates = [], [], []
for t in times:
    c = schedule.at(t)
    x_t = q_sample(known[[7]], c, noise)  # the eighth of them is hidden in it
    fit = -((x_t - c.alpha_bar**0.5 * known) ** 2).sum(dim=(1, 2, 3)) / (2 * (1 - c.alpha_bar))
    w = fit.softmax(dim=0)  # (300,)
    noisy.append(x_t)
    average.append((w.view(-1, 1, 1, 1) * known).sum(dim=0, keepdim=True))
    candidates.append(torch.special.entr(w).sum().exp().item())

# %%
by_noise = [
    predict_x0(x, schedule.at(t), ideal(x, torch.tensor([t])))
    for x, t in zip(noisy, times, strict=True)
]
same = all(torch.allclose(a, b, atol=1e-8) for a, b in zip(average, by_noise, strict=True))
print("the weighted average is x0_hat, to 1e-8:", same)
for t, number in zip(times, candidates, strict=True):
    print(f"t = {t:4}: about {number:3.0f} of the 300 digits are still in the running")

# %% [markdown]
# ("In the running" is the exponential of the entropy of the weights, an honest way to count: $n$ digits of equal weight
# give $n$.) Here are the averages, and below them what the trained network says about the same $x_t$:

# %% tags=["nbval-ignore-output"]
x_ts = torch.cat(noisy).float()
with torch.no_grad():
    eps = net(x_ts, torch.tensor(times))
guesses = predict_x0(x_ts, schedule.at(torch.tensor(times), like=x_ts), eps)
rows = [x_ts, torch.cat(average), guesses]
show(
    image_rows(
        [row.clamp(-1, 1) for row in rows],
        [f"t = {t}" for t in times],
        ["$x_t$", "exact", "network"],
    ),
    alt="Three rows over t from 1000 to 200. The noisy image. Below it the exact average: a grey cloud in the middle at "
    "t = 1000, the average of all 300, then a digit that sharpens. Below that the network's guess: noise at 1000, a "
    "similar cloud afterwards, and then the digit.",
)

# %% [markdown]
# The exact guess at $t = 1000$ is the average digit, a cloud. Then candidates drop out, one after the other, and with each
# the average gets sharper. The network learnt from 60,000 digits, not from 300, so for it more candidates remain and it
# stays blurred longer. **A blur is not a weakness of the network. It is the right answer to a question that cannot be
# answered yet.** And it shows why one cannot jump from noise to $\hat x_0$ at once: the average of many digits is no digit. The
# chain takes a small step, rolls the dice, and asks again.
#
# ## How large is a step?
#
# We have all the states, so we can measure. Each step splits in two: from $x_t$ to the mean, and from the mean to $x_{t-1}$,
# which is the noise. "Size" is the root of the mean square over all pixels.

# %% tags=["nbval-ignore-output"]
sizes = {"the whole step": [], "to the mean": [], "the noise": [], r"$\sqrt{\beta_t}$": []}
for step, following in pairwise(chain[:-1]):
    c = schedule.at(step.t)
    mean = q_posterior(step.x0_hat, step.x, c).mean  # the second road
    parts = (following.x - step.x, mean - step.x, following.x - mean)
    for name, part in zip(sizes, (*parts, torch.tensor(c.beta**0.5)), strict=True):
        sizes[name].append((part**2).mean().sqrt().item())
t = torch.arange(schedule.T, 1, -1)
show(
    sampling_plots.along_the_chain(
        {name: (t, torch.tensor(size)) for name, size in sizes.items()},
        y_label="size of a step",
        log_y=True,
    ),
    alt="Sizes of steps from t = 1000 to 0, on a logarithmic axis. The whole step and its noise lie together on the curve of "
    "the root of beta_t, which falls from 0.14 to 0.01. The move to the mean is between 0.005 and 0.01 all along: a tenth of "
    "the noise or less, until the two meet at the end.",
)

# %%
t = torch.tensor([1000, 800, 500, 200, 50, 10])
noise_part = torch.tensor(sizes["the noise"])[schedule.T - t]
agree = ((noise_part / schedule.betas[t].sqrt()).log().abs() < 0.05).all().item()
print("the noise has the size sqrt(beta_t), within 5 %:", agree)
print(f"all noise steps end to end: {schedule.betas.sqrt().sum():.0f}")
print(f"their sum, as independent steps add: {schedule.betas.sum().sqrt():.1f}")

# %% [markdown]
# Laid end to end, steps of these sizes make a way of about 95, and all that to arrive 1 or 2 away from the start. Nearly all of it
# is noise that later steps remove again. And watch the move to the mean: it is small everywhere, but it alone knows where to go.
#
# ## A shorter chain, for experiments
#
# From here on we want to compare many chains, and a thousand steps each is long. Can we use the network with fewer steps? It
# has learnt 1000 noise levels. We may visit some of them only, say every twentieth, if we do the jumps honestly: the jump
# from $t$ to a lower level $s$ undoes a forward step with $\alpha = \bar\alpha_t / \bar\alpha_s$. So we make a *new schedule*, whose
# $\bar\alpha$ are some of the old ones, and tell the network the old $t$.


# %%
def fewer(steps):
    """A schedule with `steps` of the noise levels, and the network that answers for them."""
    grid = torch.linspace(0, schedule.T, steps + 1).round().long()  # 0 ... T
    kept = schedule.alpha_bars[grid]
    betas = torch.cat([torch.zeros(1), 1 - kept[1:] / kept[:-1]])
    return (lambda x, i: net(x, grid[i])), NoiseSchedule(betas)


short_net, short = fewer(50)
print(
    "the same end of the forward process:",
    math.isclose(short.alpha_bars[-1], schedule.alpha_bars[-1]),
)
print("all steps give the old schedule:", torch.allclose(fewer(1000)[1].betas, schedule.betas))
print(f"beta of the last step: {schedule.betas[-1]:.3f} of 1000, {short.betas[-1]:.3f} of 50")

# %% [markdown]
# The steps are larger now, so the approximations of lesson 02 are coarser (a step back is a Gaussian *if it is small*). For
# comparisons it will do.
#
# ## Where does chance enter?
#
# Twice: in $x_T$, and in every $z$ on the way. Which of them decides what digit it will be? Keep one and change the other.


# %%
def end_of(steps):  # the last picture of a chain
    *_, last = steps
    return last.x.clamp(-1, 1)


def noise_of(seed):
    return torch.Generator().manual_seed(seed)


# %% tags=["nbval-ignore-output"]
same_x_T = end_of(ddpm(short_net, short, x_T[:1].expand(6, -1, -1, -1), generator=noise_of(1)))
same_z = torch.cat([end_of(ddpm(short_net, short, x[None], generator=noise_of(1))) for x in x_T])
no_z = end_of(ddim(net, schedule, x_T, steps=50))
show(
    image_rows(
        [same_x_T, same_z, no_z],
        list("123456"),
        ["same $x_T$,\nother z", "same z,\nother $x_T$", "no z\n(DDIM)"],
    ),
    alt="Three rows of six digits. With the same x_T and other z, the six are different digits. With the same z and "
    "other x_T, they resemble each other or are even the same. With no z at all, by DDIM, they differ.",
)

# %% [markdown]
# Chains that start in the *same* $x_T$ part company; chains that are kicked by the *same* $z$ tend to come together, wherever they
# started. In DDPM it is the noise on the way that writes the digit, and $x_T$ is forgotten. That follows from the exchange
# that you have seen: at large $t$ every step replaces one or two per cent of the noise's variance, and after 1000 steps nothing of
# $x_T$ is left. Its share is
# $\sqrt{\alpha_1 \alpha_2 \cdots \alpha_T} = \sqrt{\bar\alpha_T} = 0.0064$ if the data are noise themselves; the forward process
# forgets $x_0$ at the same rate.
#
# The last row uses a sampler that adds no noise at all. There $x_T$ must decide everything, and it does. You will meet it at the
# end of the lesson.
#
# ### When is the digit decided?
#
# Take the first of our six long chains, go back to one of its states, and let it go on from there with other noise, six times.
# (`ddim(..., eta=1.0)` walks the same steps as `ddpm` with the variance $\tilde\beta_t$; we use it because it accepts a list of
# timesteps, so that it can start in the middle.)

# %% tags=["nbval-ignore-output"]
moments, rows, spreads = (1000, 800, 600, 400, 200), [], []
for moment in moments:
    x_t = chain[schedule.T - moment].x[:1].expand(6, -1, -1, -1)
    grid = range(moment, 0, -20)  # moment, moment - 20, ..., 20, and from there to 0
    rows.append(end_of(ddim(net, schedule, x_t, timesteps=grid, eta=1.0, generator=noise_of(5))))
    spreads.append(rows[-1].std(dim=0).mean().item())
show(
    image_rows(rows, list("123456"), [f"from {moment}" for moment in moments]),
    alt="Five rows of six digits, each row continued from one state of the same chain with other noise. From t = 1000 "
    "and 800: different digits. From lower t: more and more alike. From t = 200: six times the same digit.",
)

# %%
print("continued from t = 200 they differ less than from 600, and those less than from 1000:")
print(spreads[4] < spreads[2] < spreads[0])

# %% [markdown]
# Somewhere in the middle of the chain the digit is settled; below that, new noise changes only details. This is one chain, a
# first look. Lesson 07 tests it on many, with a classifier as the judge.
#
# ## Which sigma?
#
# The article names two choices for the width of a step: $\sigma_t^2 = \beta_t$, the variance of the step forward, or $\tilde\beta_t$,
# that of the posterior. Both in numbers:

# %%
print("   t | sqrt(beta) | sqrt(beta-tilde)")
for t in (1000, 500, 100, 20, 5, 2, 1):
    c = schedule.at(t)
    print(f"{t:4} | {c.beta**0.5:10.4f} | {q_posterior(0.0, 0.0, c).var ** 0.5:.4f}")

# %% [markdown]
# Over most of the chain they differ by less than one per cent. Only in the last twenty steps is it more than a few.
#
# ### Exercise 6.3 · Two widths
#
# `c` has the fields `beta`, `alpha`, `alpha_bar` and `alpha_bar_prev`. Return both *standard deviations*: the root of
# $\beta_t$, and the root of $\tilde\beta_t = \frac{1-\bar\alpha_{t-1}}{1-\bar\alpha_t}\,\beta_t$.
#
# <details><summary>Hint</summary>By calculator for the article's step: 0.1 and 0.0995.</details>


# %% tags=["nbval-ignore-output"]
def my_sigmas(c):
    return ...  # replace the dots: two numbers, separated by a comma


lesson06.sigmas(my_sigmas)

# %% [markdown]
# ### Each is right in a world of its own
#
# Lesson 02 found two worlds, and for each of them one choice that is exact: $\tilde\beta_t$ if all data are **one point**, and
# $\beta_t$ if the data are **standard normal**. (The paper's section 3.2 names them as the two extremes; real data lie between.) Now
# we can watch whole chains. In a world with $x_0 \sim \mathcal N(0, v)$ the best network is a formula, each step multiplies by a
# number and adds Gaussian noise, and all that we have to follow is the variance, as in lesson 03. The truth is
# $\bar\alpha_t\,v + 1 - \bar\alpha_t$.


# %%
def variances(v, s, *, told=0, sigma2=lambda p, t: p.var if t > 1 else 0.0, **choice):
    """The variance of x_t in a chain with the ideal network for N(0, v), at t = T ... 0."""
    ideal, result = Mixture.gaussian(0.0, v).eps_model(s), [1.0]
    for t in range(s.T, 0, -1):
        asked = torch.tensor([max(t + told, 1)])
        eps = ideal(torch.ones(1, dtype=torch.float64), asked).item()  # eps is linear in x_t
        p = p_step(1.0, s.at(t), eps, **choice).p
        result.append(p.mean**2 * result[-1] + sigma2(p, t))
    return torch.tensor(result, dtype=torch.float64)


def truth(v, s):
    return (s.alpha_bars * v + 1 - s.alpha_bars).flip(0)


# %%
for s in (ten, schedule):
    for v, world in ((0.0, "one point"), (1.0, "N(0, 1)")):
        off = [
            (variances(v, s, variance=choice) / truth(v, s))[1:-1].log().abs().max().expm1().item()
            for choice in ("beta", "posterior")
        ]
        print(
            f"T = {s.T:4}, {world:9}: off by at most {off[0]:.1%} with beta, {off[1]:.1%} with beta-tilde"
        )

# %% tags=["nbval-ignore-output"]
t = torch.arange(9, 0, -1)
panels = {
    world: {
        name: (t, (variances(v, ten, variance=choice) / truth(v, ten))[1:-1])
        for name, choice in ((r"$\beta_t$", "beta"), (r"$\tilde\beta_t$", "posterior"))
    }
    for world, v in (("T = 10, the data are one point", 0.0), ("T = 10, the data are N(0, 1)", 1.0))
}
show(
    sampling_plots.variance_errors(panels),
    alt="Variance of the chain over the true variance for t = 9 down to 1. Left, data of one point: with beta-tilde the "
    "ratio is 1 throughout; with beta it rises as t falls, far above 1 at t = 1. Right, standard normal data: with beta it is 1 "
    "throughout, with beta-tilde it falls below 1.",
)

# %% [markdown]
# Exact where theory says so, and far off elsewhere at $T = 10$. What about the 85 % at $T = 1000$? That is at $t = 1$, where the
# truth is a variance of 0.0001; at $t = 50$ it is 2 %, and at $t = 200$ half a per cent.
#
# **On digits.** Most of a digit is paper, and at its margin the paper is a point: $-1$ in every training image. So theory predicts
# that with few steps $\beta_t$ brings the paper to the last step noisier than the network is told (above: with three times the variance).
# A perfect network would wipe it clean all the same; ours leaves some. With $\tilde\beta_t$ that should not happen. The same $x_T$,
# the same $z$:

# %% tags=["nbval-ignore-output"]
drawn, names = {}, []
for steps in (10, 50):
    eps_model, s = fewer(steps)
    for variance, letter in (("beta", r"$\beta$"), ("posterior", r"$\tilde\beta$")):
        *_, last = ddpm(eps_model, s, x_T, variance=variance, generator=noise_of(1))
        drawn[steps, variance] = last.x
        names.append(f"{letter}, {steps} steps")
drawn[1000, "beta"] = chain[-1].x
names.append(r"$\beta$, 1000 steps")
show(
    image_rows([x.clamp(-1, 1) for x in drawn.values()], list("123456"), names),
    alt="Five rows of six digits. With beta and 10 steps: grain all over the paper. With beta-tilde and 10 steps: clean. "
    "At 50 steps the grain with beta is faint. At 1000 steps with beta there is none.",
)

# %%
grain = {variance: drawn[10, variance][:, :, :3].std() for variance in ("beta", "posterior")}
print("with 10 steps, beta leaves more grain on the upper edge, where there is only paper:")
print((grain["beta"] > 1.5 * grain["posterior"]).item())

# %% [markdown]
# For pictures in a thousand steps you need not choose: take either. (In bits/dim it matters even then: lessons 03 and 07.) At ten, the
# choice is the difference between clean and dirty.
#
# ## Clipping
#
# Nothing in Algorithm 2 keeps a pixel inside $[-1, 1]$. The clean image *is* inside, so a guess outside is known to be wrong.
# How often does that happen?

# %% tags=["nbval-ignore-output"]
outside = {
    f"beyond ±{1 + margin:g}": torch.tensor(
        [((step.x0_hat.abs() > 1 + margin).double().mean()).item() for step in chain[:-1]]
    )
    for margin in (0.02, 0.1, 0.5)
}
t = torch.arange(schedule.T, 0, -1)
show(
    sampling_plots.along_the_chain(
        {name: (t, share) for name, share in outside.items()},
        y_label=r"share of the pixels of $\hat x_0$",
    ),
    alt="Share of the pixels of x0_hat outside the range, from t = 1000 to 0. At t = 1000 more than half of them, and many "
    "beyond 1.5. Soon none is beyond 1.5, later none beyond 1.1; the share beyond 1.02 falls more slowly, towards nothing at the end.",
)

# %% [markdown]
# Very often at the beginning of the chain, where Eq. (15) magnifies every error; later by small amounts only. The paper's
# code clips: it takes the network's answer, works out $\hat x_0$, **clips $\hat x_0$ to $[-1, 1]$**, and takes the mean
# by Eq. (7). In this library that is `clip_x0=1.0`, and it is the reason why `p_step` needs its second road: Eq. (11) does not
# contain an $\hat x_0$ that one could clip.
#
# ### Exercise 6.4 · A clipped step
#
# Write it: from $x_t$, the coefficients `c`, the predicted noise `eps` and the draw `z` to $x_{t-1}$, with $\hat x_0$ clipped to
# $[-1, 1]$ and $\sigma_t^2 = \beta_t$.
#
# <details><summary>Hint</summary><code>predict_x0</code>, <code>.clamp(-1, 1)</code>, <code>q_posterior(...).mean</code>, and the noise.</details>


# %% tags=["nbval-ignore-output"]
def my_clipped_step(x_t, c, eps, z):
    return ...  # replace the dots, and use more lines if you like


lesson06.clipped_step(my_clipped_step)

# %% [markdown]
# ### Clip the guess, not the state
#
# It is tempting to clip $x_{t-1}$ instead, "to keep the image in range", and people did
# ([dome272/Diffusion-Models-pytorch #23](https://github.com/dome272/Diffusion-Models-pytorch/issues/23) is one of the threads about it;
# the pictures come out greyish). But $x_{t-1}$ is *meant* to be noisy. At large $t$ it is nearly standard normal, and of such
# numbers

# %%
beyond = math.erfc(1 / math.sqrt(2))
density = math.exp(-0.5) / math.sqrt(2 * math.pi)
var = (1 - beyond) - 2 * density + beyond  # inside: z^2 up to 1; outside: exactly 1
print(
    f"{beyond:.1%} lie outside [-1, 1]; clipped, their standard deviation is {var**0.5:.2f}, not 1"
)

# %% [markdown]
# The network is then shown images that the forward process never makes. From the second step on it is told to expect noise of
# standard deviation 1, and sees 0.72. Compare:


# %%
def clip_the_state(x, generator):  # the mistake
    for step in range(short.T, 0, -1):
        with torch.no_grad():
            eps = short_net(x, torch.full((len(x),), step))
        p = p_step(x, short.at(step), eps).p
        x = (p.sample(generator) if step > 1 else p.mean).clamp(-1, 1)
    return x


# %% tags=["nbval-ignore-output"]
rows = {
    "no clipping": drawn[50, "beta"].clamp(-1, 1),
    r"clip $\hat x_0$": end_of(ddpm(short_net, short, x_T, clip_x0=1.0, generator=noise_of(1))),
    "clip $x_{t-1}$": clip_the_state(x_T, noise_of(1)),
}
show(
    image_rows(list(rows.values()), list("123456"), list(rows)),
    alt="Three rows of six digits in 50 steps. Without clipping and with x0_hat clipped they are nearly the same. With "
    "x_{t-1} clipped, some are other digits or damaged ones.",
)

# %% [markdown]
# With a well-trained network and many steps, clipping $\hat x_0$ changes little, and is a safety net: no chain can run away. With
# a worse network, with few steps or at the end of a cosine schedule it can save the picture. Clipping $x_{t-1}$ still gives
# something like digits here, but they are drawn from something that is not the model: some columns show another digit or a damaged one.
#
# A related mistake: clip $\hat x_0$, and go on with the *old* noise beside it. In samplers that use both (DDIM does) they must
# belong together, or they no longer add up to $x_t$. One implementation had to mend this twice, half a year apart
# (lucidrains/denoising-diffusion-pytorch, commits 6dda508 and 2205bab). By calculator, at $\bar\alpha_t = 0.5$:

# %%
c = Coefficients(beta=0.01, alpha=0.99, alpha_bar=0.5, alpha_bar_prev=0.5 / 0.99)
x_t, eps = 1.2, 0.3
x0_hat = predict_x0(x_t, c, eps)
clipped = min(x0_hat, 1.0)
print(f"x0_hat = {x0_hat:.3f}, clipped {clipped:.1f}")
print(f"clipped, with the old noise: {q_sample(clipped, c, eps):.3f} instead of x_t = 1.2")
new_eps = predict_eps(x_t, c, clipped)
print(f"clipped, with noise {new_eps:.3f}: {q_sample(clipped, c, new_eps):.3f}")

# %% [markdown]
# ## In your hands
#
# Four chains in few steps. Choose, press the button, then drag the slider through the states. Try 10 steps with `beta`, then with
# `posterior`: same seed, same digits, other paper.


# %% tags=["nbval-ignore-output"]
def four_chains(*, steps, variance, clip_x0, seed):
    eps_model, s = fewer(steps)
    generator = noise_of(seed)
    x_T = torch.randn(4, 1, 28, 28, generator=generator)
    return ddpm(eps_model, s, x_T, variance=variance, clip_x0=clip_x0, generator=generator)


explore_chains(four_chains, steps=(10, 20, 50))

# %% [markdown]
# ## Is the sampler right?
#
# Digits look good or bad, but they cannot tell you whether the *sampler* is right: a faulty sampler with a good network still draws
# digits, as you have seen. For a proof we need a world in which the answer is known. Here is one: a number that is near
# $-0.5$ in three of four cases, and otherwise near 1.5. Its exact noise prediction is a formula. We put that in place of the network,
# send 3000 numbers through all 1000 steps, and compare with the exact density at every $t$.

# %%
world = Mixture(*TOYS["uneven_peaks"]())
generator = torch.Generator().manual_seed(0)
start = torch.randn(3000, 1, generator=generator, dtype=torch.float64)
numbers = list(ddpm(world.eps_model(schedule), schedule, start, generator=generator))
x = torch.cat([step.x for step in reversed(numbers)], dim=1).T  # (1001, 3000), row t is x_t
mean = (world.weights @ world.means).item()
var = (world.weights @ (world.var + world.means[:, 0] ** 2)).item() - mean**2
print(f"share in the right peak: {(x[0] > 0.5).double().mean():.2f}, exact 0.25")
print(
    f"mean {x[0].mean():.1f}, exact {mean:.1f}; standard deviation {x[0].std():.2f}, exact {var**0.5:.2f}"
)

# %% tags=["nbval-ignore-output"]
moments = [1000, 700, 500, 400, 300, 250, 200, 150, 120, 90, 60, 40, 20, 10, 0]
frames = [
    sampling_plots.histogram_and_density(x[t], world, schedule.alpha_bars[t].item(), title=f"t = {t}")
    for t in moments
]  # fmt: skip
alts = [f"t = {t}: histogram of the chains under the exact density of q(x_t)" for t in moments]
player(frames, alts, values=moments)

# %% [markdown]
# They agree all the way. And here are eight of the chains over the density, six that end on the left peak and two that end on the
# right one. The colour says which.

# %% tags=["nbval-ignore-output"]
right = x[0] > 0.5
chosen = torch.cat([x[:, ~right][:, :6], x[:, right][:, :2]], dim=1)
show(
    sampling_plots.paths(world, schedule, chosen),
    alt="Eight jagged paths from t = 1000 on the left to t = 0 on the right, over a grey map of the density that splits at "
    "about t = 200 into a strong band near -0.5 and a faint one near 1.5. Until about t = 400 the colours are mixed; then the orange "
    "paths stay above and the blue ones below.",
)

# %% [markdown]
# Look where blue and orange part. Far left they cross freely: nothing is decided. It is decided where the density splits, and not by
# a decision, but by many small kicks that no longer get undone.
#
# ### Between the two
#
# One thing is left over from the two widths. $\beta_t$ is exact for data of variance 1, $\tilde\beta_t$ for variance 0, and a digit's
# pixel has neither: 0.27 on average, lesson 05 found. So take the world $\mathcal N(0, 0.27)$ and the chain of ten steps, `ten`, and see
# how far from the truth either choice leads, over $t = 9 \dots 1$:


# %%
def off_by(sigma, v=0.27):
    """The variance of x_t in the chain of ten over the true one, less 1: its smallest and largest."""
    found = variances(v, ten, sigma2=lambda p, t: sigma(ten.at(t)) ** 2 if t > 1 else 0.0)
    ratio = (found / truth(v, ten))[1:-1] - 1
    return f"from {ratio.min():+.0%} to {ratio.max():+.0%}"


print("beta:      ", off_by(lambda c: c.beta**0.5))
print("beta-tilde:", off_by(lambda c: q_posterior(0.0, 0.0, c).var ** 0.5))

# %% [markdown]
# ### Exercise 6.5 · A width of your own
#
# Many answers are right here. Design a better width. Given `c`, with the fields `beta`, `alpha`, `alpha_bar` and `alpha_bar_prev`,
# return a standard deviation $\sigma_t$, so that
#
# - it lies between the two at every $t \ge 2$, in long chains too: $\sqrt{\tilde\beta_t} \le \sigma_t \le \sqrt{\beta_t}$. (At
#   $t = 1$ no noise is added, and you are not asked.)
# - in this world, with ten steps, the variance is nowhere more than 10 % off.
#
# `off_by(my_sigma)` tells how you are doing. Can you reach 0 %?
#
# <details><summary>Hint</summary>Mix the two: variances, widths, or their logarithms, in equal parts or not. For 0 %, the share of each must
# change with t. What is unsure about x_{t-1} when you see x_t? The posterior's own variance, and on top of it whatever you do not know of
# x_0.</details>


# %% tags=["nbval-ignore-output"]
def my_sigma(c):
    return ...  # replace the dots: a standard deviation


lesson06.own_sigma(my_sigma)

# %% [markdown]
# ## What breaks if ...
#
# We have two instruments now: digits, and exact variances. Let us make the classic mistakes and read both.
#
# **... noise is added at the last step?** It stays in the picture, since nobody removes it. The article, like the paper, sets $z = 0$ at
# $t = 1$; labml's well-known tutorial adds it all the same. With $\sigma_1 = \sqrt{0.0001} = 0.01$ that
# is $0.01 \times 127.5 = 1.3$ grey levels: nobody sees it.
#
# **... no noise is added at all?** After all, the mean is the best guess.
#
# **... the network is told $t - 1$?** Easy to do when half of the code counts from 0. (A notebook of a fine textbook did, *Understanding Deep
# Learning*, 18.3; its samples still look right.)
#
# The variance at the end, for narrow data ($v = 0.01$) and for standard normal data, exactly:

# %%
bugs = {
    "right": {},
    "noise at t = 1": {"sigma2": lambda p, t: p.var},
    "no noise": {"sigma2": lambda p, t: 0.0},
    "told t - 1": {"told": -1},
}
print(f"{'':14} |  T = 10: v = 0.01,   v = 1 |  T = 1000: v = 0.01,   v = 1")
for name, bug in bugs.items():
    ends = [variances(v, s, **bug)[-1].item() for s in (ten, schedule) for v in (0.01, 1.0)]
    print(f"{name:14} | {ends[0]:17.4f}, {ends[1]:7.4f} | {ends[2]:19.4f}, {ends[3]:7.4f}")

# %% [markdown]
# ("Right" is not 0.01 at $T = 10$: with so few steps, neither the variance $\beta_t$ nor "no noise at the end" is exact for narrow data.)
#
# Read the columns. At $T = 1000$ with $v = 1$, the setting that everybody tests with, noise at the last step changes the fourth digit, and
# *towards* 1: the bug looks like an improvement. At $T = 10$ with narrow data it makes the variance **five times** that of the right sampler. The wrong $t$ is hardly
# visible at $T = 1000$ either; at $T = 10$ it costs over 40 per cent, this time on the *wide* data. Only forgetting the noise is a disaster
# everywhere: all chains collapse onto the mean. **Test a sampler with few steps, on narrow and on wide data. There bugs shout; elsewhere they
# whisper.** This library's tests do.
#
# **... you take fewer steps, and forget that the jumps are longer?** Walk $t = 1000, 980, \dots$ but use the coefficients of *one* step each time.
# [diffusers #2076](https://github.com/huggingface/diffusers/pull/2076) mended exactly that: DDPM with fewer steps gave pure noise. Exactly why:


# %%
def hurried(v, steps, *, honest):  # the end variance after `steps` jumps
    grid = torch.linspace(schedule.T, 0, steps + 1).round().long().tolist()
    ideal, result = Mixture.gaussian(0.0, v).eps_model(schedule), 1.0
    for t, s in pairwise(grid):
        c = schedule.between(s, t) if honest else schedule.at(t)
        eps = ideal(torch.ones(1, dtype=torch.float64), torch.tensor([t])).item()
        p = p_step(1.0, c, eps).p
        result = p.mean**2 * result + (p.var if s > 0 else 0.0)
    return result


# %%
for steps in (10, 50, 250):
    ends = [hurried(0.01, steps, honest=honest) for honest in (True, False)]
    print(
        f"{steps:3} steps: variance {ends[0]:.3f} with honest jumps, {ends[1]:.3f} with single steps"
    )

# %% [markdown]
# It should be 0.01. (Ten honest jumps are too coarse for $\beta_t$ and an end without noise, as above; fifty are not.) With single steps, each step
# back removes the noise of one step forward, and 50 of them cannot remove that of 1000. Now on digits, all in 50 steps:


# %%
def walk_with(*, told=0, honest=True, sigma=lambda p, t: p.var**0.5 if t > 1 else 0.0):
    x, generator = x_T, noise_of(1)
    for t in range(50, 0, -1):
        with torch.no_grad():
            eps = short_net(x, torch.full((6,), max(t + told, 1)))
        p = p_step(x, short.at(t) if honest else schedule.at(20 * t), eps).p
        x = p.mean + sigma(p, t) * torch.randn(x.shape, generator=generator)
    return x.clamp(-1, 1)


# %% tags=["nbval-ignore-output"]
rows = {
    "right": drawn[50, "beta"].clamp(-1, 1),
    "noise at t = 1": walk_with(sigma=lambda p, t: p.var**0.5),
    "no noise": walk_with(sigma=lambda p, t: 0.0),
    "told t - 1": walk_with(told=-1),
    "single steps": walk_with(honest=False),
}
show(
    image_rows(list(rows.values()), list("123456"), list(rows)),
    alt="Five rows of six pictures. Right: digits. With noise at the last step: the same digits with a little grain. With no "
    "noise: six times nearly the same plain stroke. Told t - 1: nearly the same digits as the right ones. Single steps: pure noise.",
)

# %% [markdown]
# Two of them everybody notices. Without noise the chains do not get the *average* of all digits, because each step asks the network
# again and it insists on something digit-like; but they all slide into the same corner, and end in much the same plain picture. The other
# two mistakes pass for digits, and that is the point.
#
# **... you want the same digit again?** The same seed gives the same digits, if the *batch* is the same too. Noise is drawn for the whole batch, so the
# first image of a batch of two gets other noise from the second step on than an image alone:

# %%
start = torch.randn(2, 1, generator=noise_of(0), dtype=torch.float64)
tiny = world.eps_model(ten)
alone, again = (list(ddpm(tiny, ten, start[:1], generator=noise_of(3)))[-1].x for _ in range(2))
pair = list(ddpm(tiny, ten, start, generator=noise_of(3)))[-1].x
own = list(ddpm(tiny, ten, start, generator=[noise_of(3), noise_of(4)]))[-1].x
print("the same seed, the same batch:", torch.equal(alone, again))
print("the same seed, a larger batch:", torch.equal(alone[0], pair[0]))
print("a seed for each image of it:  ", torch.equal(alone[0], own[0]))

# %% [markdown]
# That is how `torch.randn` works: it hands out one long stream of numbers. It is no error, but it surprises people who want to redraw one
# picture of a grid. The last line is the remedy: a list of generators, one for each image. With it no image depends on its neighbours.
# `python -m ddpm_lessons sample` does that, so `--n 4` and `--n 64` begin with the same four digits.
#
# ## The price
#
# One digit costs $T$ calls of the network, one after the other: step $t$ needs the result of step $t + 1$, so no number of processors makes the
# chain shorter. On this machine:

# %% tags=["nbval-ignore-output"]
print(
    f"{1000 * seconds / schedule.T:.1f} ms for a step of six digits, {seconds:.0f} s for the chain"
)
begin = time.perf_counter()
*_, fast = ddim(net, schedule, x_T, steps=50)
print(f"{time.perf_counter() - begin:.1f} s with DDIM in 50 steps")
show(
    image_rows(
        [chain[-1].x.clamp(-1, 1), fast.x.clamp(-1, 1)], list("123456"), ["DDPM, 1000", "DDIM, 50"]
    ),
    alt="Two rows of six digits, above from the long chain, below from 50 steps of DDIM. Other digits, since DDIM is led by x_T "
    "alone, of similar quality.",
)

# %% [markdown]
# A generative adversarial network, the main rival when the paper appeared, draws a picture in *one* call. That was the method's great weakness, and the second row
# is the first answer to it: **DDIM** uses the same network, adds no noise ($\eta = 0$), and its jumps may therefore be long. It took 50 calls
# instead of 1000. Why that works is lesson 09; here we only note that the network did not have to be trained again.
#
# ## Summary
#
# | | |
# |---|---|
# | Algorithm 2 | $x_T$ from $\mathcal N(0, I)$; for $t = T, \dots, 1$: $x_{t-1} = \frac{1}{\sqrt{\alpha_t}}\big(x_t - \frac{\beta_t}{\sqrt{1-\bar\alpha_t}}\,\epsilon_\theta(x_t, t)\big) + \sigma_t z$, with $z = 0$ at $t = 1$ |
# | two roads to the mean | Eq. (11), or $\hat x_0$ by Eq. (15) and then the posterior's mean, Eq. (7): the same number; the second can be clipped |
# | $\hat x_0$ | the average of all images that could be hidden in $x_t$: blurred as long as there are many |
# | the noise on the way | an exchange of old noise for fresh; it, and not $x_T$, decides the digit |
# | $\sigma_t^2$ | $\beta_t$ is exact for $\mathcal N(0, I)$ data, $\tilde\beta_t$ for a single point; to the eye no difference at 1000 steps, a large one at 10 |
# | clipping | of $\hat x_0$ to $[-1, 1]$: yes, if you like; of $x_{t-1}$: never |
# | tests | few steps, narrow and wide data, exact variances: there the bugs shout |
# | the price | $T$ calls of the network, one after the other |
#
# Now we can make as many digits as we have patience for. Are they any *good*? That is a question for measurements, in
# [lesson 07](07_results.ipynb).
