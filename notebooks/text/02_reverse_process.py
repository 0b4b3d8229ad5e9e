# %% [markdown]
# # 02 · The reverse process
#
# Here is a film of a digit dissolving into static. Play it backwards, and a digit forms. So all we
# need is a rule that takes any frame and gives the frame before it. This lesson finds out why
# nobody can compute that rule, and which neighbouring question has an answer that fits on one line.
#
# **What you will be able to do**
#
# - say what $q(x_{t-1} \mid x_t)$ means, why it is out of reach for images, and see it exactly where it is not;
# - explain why a diffusion model takes many small steps, and why each of them may be a Gaussian;
# - derive the posterior $q(x_{t-1} \mid x_t, x_0)$ yourself, with a calculator at your side;
# - say what the network has to learn, and what it does not.
#
# Time on two CPU cores: about 30 s to run, 60 minutes to read and try.
#
# Article section: *the reverse process: learning to denoise*. Equation numbers are those of
# [Ho, Jain & Abbeel 2020](https://arxiv.org/abs/2006.11239).

# %%
import math

import torch

from ddpm_lessons.checks import lesson02
from ddpm_lessons.data import TOYS, load_mnist
from ddpm_lessons.exact import Mixture, reverse_density
from ddpm_lessons.forward import predict_eps, q_sample, q_step
from ddpm_lessons.gaussian import Gaussian
from ddpm_lessons.posterior import p_mean_from_eps, q_posterior
from ddpm_lessons.samplers import ddpm
from ddpm_lessons.schedule import Coefficients, NoiseSchedule, cosine_schedule, linear_schedule
from ddpm_lessons.show import plots, reverse_plots
from ddpm_lessons.show.chains import chain_player
from ddpm_lessons.show.pictures import describe
from ddpm_lessons.show.player import player
from ddpm_lessons.show.plots import show
from ddpm_lessons.show.source import show_source
from ddpm_lessons.show.widgets import explore_posterior

schedule = linear_schedule()  # T = 1000, as in lesson 01
digit = load_mnist("test")[[18]]  # the 3 of lesson 01
print(schedule.T, "steps;", "one digit:", tuple(digit.shape))

# %% [markdown]
# ## What we want
#
# ![Two rows of seven pictures at t = 0, 50, 100, 200, 300, 500 and 1000. Above, from left to right, a handwritten 3 loses itself in noise. Below, from right to left, pure noise clears up into a new digit](../figures/both_chains.png)
#
# The forward process turns $x_{t-1}$ into $x_t$. We want the way back. Can we not solve the forward step for
# $x_{t-1}$? Lesson 01 wrote it as $x_t = \sqrt{1-\beta_t}\,x_{t-1} + \sqrt{\beta_t}\,z$ with $z$ drawn at random, so
#
# $$x_{t-1} = \frac{x_t - \sqrt{\beta_t}\,z}{\sqrt{1-\beta_t}}.$$
#
# But which $z$? It was drawn and thrown away. Take one pixel that is 0.6 now, and try three:

# %%
c = Coefficients(beta=0.01, alpha=0.99, alpha_bar=0.5, alpha_bar_prev=0.505)
for z in (-1.0, 0.0, 1.0):
    before = (0.6 - c.beta**0.5 * z) / c.alpha**0.5
    after = q_step(before, c).mean + c.beta**0.5 * z
    print(f"z = {z:4.1f}: the pixel was {before:.4f}; one step forward gives {after:.4f}")

# %% [markdown]
# Many pasts lead to the same present. So the answer is not one image but a **distribution** over
# images, those that may have come before $x_t$, the likely ones with more weight:
#
# $$q(x_{t-1} \mid x_t).$$
#
# If we could draw from it, we could start with pure noise $x_T$, draw $x_{T-1}$, then $x_{T-2}$, and so on down to
# $x_0$: a new image. Everything depends on this one distribution.
#
# ## Bayes' rule, and where it gets stuck
#
# We know the step forward, $q(x_t \mid x_{t-1})$. Turning a conditional probability around is what Bayes' rule is for:
#
# $$q(x_{t-1} \mid x_t) = \frac{q(x_t \mid x_{t-1})\; q(x_{t-1})}{q(x_t)}$$
#
# Three factors. Look at each.
#
# - $q(x_t \mid x_{t-1})$, the **likelihood**: if $x_{t-1}$ was the past, how well does it explain $x_t$? One step of
#   Eq. (2). We know it.
# - $q(x_{t-1})$, the **prior**: before we look at $x_t$, which noisy images are common at $t-1$ at all?
# - $q(x_t)$ only makes the total 1.
#
# The prior is the trouble. A noisy image at $t-1$ may have come from *any* clean image, so
#
# $$q(x_{t-1}) = \int q(x_{t-1} \mid x_0)\; q(x_0)\; \mathrm dx_0,$$
#
# an integral over all clean images, each weighted by how probable it is as a digit. To write down
# $q(x_0)$ is to know what digits look like. That is what we wanted to learn in the first place.
#
# ### Where it can be computed
#
# Shrink the world until the integral is easy. Let an "image" be **one pixel** that is almost black
# or almost white: two narrow bells, at $-1$ and $1$. Noise blurs the bells until they merge, and we know
# the blurred density $q(x_t)$ exactly for every $t$:

# %% tags=["nbval-ignore-output"]
toy = Mixture(*TOYS["two_peaks"]())
show(
    plots.marginal_densities(toy, schedule),
    alt="The density of the one-pixel world over t. At t = 0 two narrow peaks stand at -1 and 1; they move "
    "towards each other, widen, and from about t = 400 on have merged into one bell, the standard normal.",
)

# %% [markdown]
# Now Bayes' rule is plain arithmetic on a fine grid of values: multiply the two densities point by point (add their
# logarithms), then divide by the area. In the library's version the first half checks the input; the last five lines are Bayes:

# %% tags=["nbval-ignore-output"]
show_source(reverse_density)

# %% [markdown]
# Suppose we find the pixel at $x_{400} = 0.2$. What was it before? The slider below goes back from $t = 400$ to an
# earlier time $s$ **in one jump**, first a small one, $s = 399$, then larger ones, until $s = 0$. (Lesson 01 showed that
# many steps are one step with larger $\beta$; `schedule.between(s, t)` gives its coefficients.) Watch the green area.

# %% tags=["nbval-ignore-output"]
t, x_t = 400, 0.2
earlier = [399, 398, 395, 390, 380, 360, *range(340, 0, -20), 10, 0]
jumps = [schedule.between(s, t) for s in earlier]
frames = [
    reverse_plots.reverse_curves(toy, x_t, c, title=f"from {t} back to {s}")
    for s, c in zip(earlier, jumps, strict=True)
]
alts = [reverse_plots.describe_reverse(toy, x_t, c) for c in jumps]
player(frames, alts, values=earlier, label="back to s")

# %% [markdown]
# What you see:
#
# - **A small jump:** the likelihood (dotted) is narrow. Over its width the prior hardly changes, so the product
#   is the likelihood, slightly shifted. It is a bell. The dashed black Gaussian lies on top of it.
# - **A large jump:** the likelihood is so broad that it says little, and the prior decides. The pixel was
#   black *or* white, and there are two peaks. No single Gaussian can say "black or white"; the dashed one is tallest
#   at grey, which hardly ever happens.
#
# Here is the reason in one line. Near $x_t$, the *logarithm* of a smooth prior is nearly a straight line, and a Gaussian
# times $e^{\text{straight line}}$ is again a Gaussian of the same width, moved uphill. The smaller $\beta$, the smaller the
# stretch on which the line must be straight. (The slope of that line is called the *score*. It returns in lesson 08.)
#
# That is the bargain of diffusion models. **One big step back is complicated; a thousand small ones are
# simple.** How good is the bargain? Let us measure what is lost, in bits, when the true
# $q(x_{t-1} \mid x_t)$ is replaced by the best Gaussian at every step of a whole chain of $T$ steps.
# The loss of one step is a Kullback-Leibler divergence: 0 if the two agree, larger the more they differ.
# (Lesson 03 explains it; here any yardstick would do.) First for one step and one value of $x_t$:

# %%
grid = torch.linspace(-4, 4, 801, dtype=torch.float64)


def bits_lost(x_t, c):
    density = reverse_density(toy, grid, x_t, c)
    log_bell = reverse_plots.moments(density, grid).log_prob(grid)  # same mean, same variance
    difference = torch.xlogy(density, density) - density * log_bell
    return torch.trapezoid(difference, grid).item() / math.log(2)


for s in (399, 300, 200, 100, 0):
    lost = bits_lost(0.2, schedule.between(s, 400))
    print(f"from t = 400 back to s = {s:3}: {lost:.3f} bits lost")

# %% [markdown]
# Then for whole chains: at each $t$ the average over all $x_t$, each as often as it occurs, and the sum over $t$.

# %%
x_ts = torch.linspace(-3.5, 3.5, 31, dtype=torch.float64)
for T in (2, 4, 8, 16):
    short, total = cosine_schedule(T), 0.0
    for t in range(1, T + 1):
        c = short.at(t)
        probability = toy.noised(c.alpha_bar).log_density(x_ts[:, None]).exp()
        lost = torch.tensor([bits_lost(x, c) for x in x_ts.tolist()], dtype=torch.float64)
        total += torch.trapezoid(probability * lost, x_ts).item()
    print(f"{T:2} steps: {total:.2f} bits lost in the whole chain")

# %% [markdown]
# There is one bit to know here, black or white, and two Gaussian steps lose more than that. Twice as many steps lose
# less than half as much, although each of them loses something. At $T = 1000$ nothing worth mentioning is left.
# So when we let each step of our model be a Gaussian, we give up almost nothing, **provided the steps are small**.
#
# ### Where it cannot be computed
#
# For the pixel we put 801 points on a line. For an image, each of 784 pixels needs its own axis. Even
# with nothing but 256 grey levels:

# %%
pixels, levels = 28 * 28, 256
places = int(pixels * math.log10(levels)) + 1
print(f"possible images: {levels} to the power {pixels}, a number with {places} digits")

# %% [markdown]
# The universe has some $10^{80}$ atoms. We cannot run through all images to do the integral, and we would not know
# how probable each is if we could. **$q(x_{t-1} \mid x_t)$ is intractable**, and this is all the word means.
#
# ### A tempting way out
#
# "But I *have* a data set. Let me take $q(x_0)$ to be those images, each equally likely." Then the integral is a sum,
# and for 500 digits it is easy: the library's `Mixture.from_data` computes the ideal noise prediction with no network at
# all. Here is a whole reverse chain made with it. (How a chain uses a noise prediction is the business of lesson 06.)

# %% tags=["nbval-ignore-output"]
known = load_mnist("train")[:500]
short = cosine_schedule(T=100)
generator = torch.Generator().manual_seed(2)
x_T = torch.randn(4, 1, 28, 28, generator=generator)
photocopier = Mixture.from_data(known).eps_model(short)
chain = list(ddpm(photocopier, short, x_T, generator=generator))
chain_player(chain, short)

# %% [markdown]
# Four perfect digits out of pure noise, with no training. It looks like magic. Now search for each in the 500:

# %%
made = chain[-1].x
distance = (made[:, None] - known[None]).abs().amax(dim=(2, 3, 4))  # (4, 500): worst pixel
copied = (distance.min(dim=1).values < 0.01).tolist()
print("all pixels within 0.01 of a known digit:", copied)

# %% tags=["nbval-ignore-output"]
nearest = known[distance.argmin(dim=1)]
show(
    plots.image_rows([made, nearest], [""] * 4, ["made", "nearest"]),
    alt="Four digits made by the chain, and under each the nearest of the 500 known digits. Each pair is the same image.",
)

# %% [markdown]
# A photocopier. The exact reverse process of a *data set* can only give back the data set, for it has been told that
# nothing else exists. What we want is the reverse process of *handwriting*, of which the data set is a sample. A
# network, which cannot memorise everything and has to be smooth, will fill in between the examples. That is a
# hope until it is checked; lesson 07 checks it.
#
# ## The question that has an answer
#
# Change the question a little. Suppose someone whispers which clean image $x_0$ it all began with. What came
# before $x_t$ **then**? Write Bayes' rule again, with $x_0$ given everywhere:
#
# $$q(x_{t-1} \mid x_t, x_0) = \frac{q(x_t \mid x_{t-1}, x_0)\; q(x_{t-1} \mid x_0)}{q(x_t \mid x_0)}$$
#
# Go through the factors once more.
#
# - $q(x_t \mid x_{t-1}, x_0) = q(x_t \mid x_{t-1})$: the forward step looks at $x_{t-1}$ and at nothing else, so knowing $x_0$ as well changes
#   nothing. One step, Eq. (2).
# - $q(x_{t-1} \mid x_0)$: the jump to $t-1$, Eq. (4). The integral over all images is gone, because we know the image.
# - $q(x_t \mid x_0)$: the jump to $t$, Eq. (4).
#
# **Three Gaussians, all known from lesson 01.** The rest is arithmetic, and we do it slowly. This is where we are
# going: what $x_0$ says about $x_{t-1}$ (blue) and what $x_t$ says (orange) combine into the posterior (green).
#
# ![Bell curves over x at t-1. Left, a large step: the blue bell of what the clean pixel says, the orange bell of what the noisy pixel says, and between them, narrower than both, the green posterior. Right, a small step: the orange bell is so narrow that the posterior lies upon it, with mean 0.602](../figures/posterior.svg)
#
# ### Two witnesses
#
# Think of one pixel, and write $x$ for the unknown $x_{t-1}$. Two witnesses speak about it. To have numbers for the
# calculator we take step $t = 2$ of the tiny schedule of lesson 01, and a pixel with $x_0 = 0.8$ and $x_2 = 0.6$.

# %%
tiny = NoiseSchedule(torch.tensor([0.0, 0.4, 0.6, 0.8, 0.99]))
c = tiny.at(2)
x_0, x_t = 0.8, 0.6
print(f"beta {c.beta:.2f}, alpha {c.alpha:.2f}")
print(f"alpha_bar {c.alpha_bar:.2f}, alpha_bar_prev {c.alpha_bar_prev:.2f}")

# %% [markdown]
# **The first witness knows where we started.** The jump from $x_0$ to $t-1$ says: $x$ is near $\sqrt{\bar\alpha_{t-1}}\,x_0$, with variance $1-\bar\alpha_{t-1}$.
#
# **The second knows where we went next.** The step gives $x_t$ from $x$: $\mathcal N(x_t;\ \sqrt{\alpha_t}\,x,\ \beta_t)$. Read it the other way round,
# as a statement about $x$. In its exponent stands
#
# $$\frac{(x_t - \sqrt{\alpha_t}\,x)^2}{\beta_t} = \frac{\alpha_t}{\beta_t}\Big(x - \frac{x_t}{\sqrt{\alpha_t}}\Big)^2 ,$$
#
# which is the exponent of a Gaussian in $x$ with mean $x_t / \sqrt{\alpha_t}$ and variance $\beta_t / \alpha_t$. It undoes the shrinking, and is unsure by as
# much noise as the step added.

# %%
from_start = Gaussian(mean=c.alpha_bar_prev**0.5 * x_0, var=1 - c.alpha_bar_prev)
from_next = Gaussian(mean=x_t / c.alpha**0.5, var=c.beta / c.alpha)
print(f"from x_0: mean {from_start.mean:.4f}, variance {from_start.var:.4f}")
print(f"from x_t: mean {from_next.mean:.4f}, variance {from_next.var:.4f}")

# %% [markdown]
# Is the second reading honest? A density over $x_t$ and one over $x$ differ by a constant factor. If the factor is the
# same for all $x$, it drops out when we normalise:

# %%
for x in (-1.0, 0.3, 2.0):
    factor = math.exp(q_step(x, c).log_prob(x_t) - from_next.log_prob(x))
    print(f"x = {x:4.1f}: the two readings differ by the factor {factor:.4f}")

# %% [markdown]
# ### Completing the square
#
# Multiply the two witnesses. Exponents add. Leaving out the common $-\tfrac12$:
#
# $$\frac{\alpha_t}{\beta_t}\Big(x - \frac{x_t}{\sqrt{\alpha_t}}\Big)^2 + \frac{1}{1-\bar\alpha_{t-1}}\Big(x - \sqrt{\bar\alpha_{t-1}}\,x_0\Big)^2$$
#
# **Step 1: sort by powers of $x$.** Everything without $x$ is a constant and will be normalised away.
#
# $$\underbrace{\Big(\frac{\alpha_t}{\beta_t} + \frac{1}{1-\bar\alpha_{t-1}}\Big)}_{A}\,x^2 \;-\; 2\,\underbrace{\Big(\frac{\sqrt{\alpha_t}}{\beta_t}\,x_t + \frac{\sqrt{\bar\alpha_{t-1}}}{1-\bar\alpha_{t-1}}\,x_0\Big)}_{B}\,x \;+\; \text{constant}$$

# %%
A = c.alpha / c.beta + 1 / (1 - c.alpha_bar_prev)
B = c.alpha**0.5 / c.beta * x_t + c.alpha_bar_prev**0.5 / (1 - c.alpha_bar_prev) * x_0
print(f"A = {c.alpha / c.beta:.4f} + {1 / (1 - c.alpha_bar_prev):.4f} = {A:.4f}")
print(f"B = {c.alpha**0.5 / c.beta * x_t:.4f} + {B - c.alpha**0.5 / c.beta * x_t:.4f} = {B:.4f}")

# %% [markdown]
# **Step 2: complete the square.** $A x^2 - 2 B x = A\,(x - B/A)^2 - B^2/A$, and the last term is one more constant. What is left,
# $A\,(x - B/A)^2$, is the exponent of a Gaussian with **mean $B/A$ and variance $1/A$**. Does it have the shape of the product?
# The difference of the logarithms must be the same for all $x$:

# %%
square = Gaussian(mean=B / A, var=1 / A)
print(f"mean B/A = {square.mean:.4f}, variance 1/A = {square.var:.4f}")
for x in (-1.0, 0.3, 2.0):
    both, one = from_start.log_prob(x) + from_next.log_prob(x), square.log_prob(x)
    print(
        f"x = {x:4.1f}: log of product {both:7.4f}, of square {one:7.4f}, difference {both - one:.4f}"
    )

# %% [markdown]
# Stay with $A$ for a moment. The inverse of a variance is called the **precision**: how sure a witness is.
# Step 1 says that **precisions add**: two witnesses together are surer than either alone. And $B/A$ is the average of the
# two means, each **weighted by its precision**: whoever is surer is believed more. This holds for any two Gaussians:

# %% [markdown]
# ### Exercise 2.1 · Two witnesses
#
# Two Gaussians over the same number, with means `m1`, `m2` and variances `v1`, `v2`. Return the mean and the variance of
# their normalised product.
#
# <details><summary>Hint</summary>Turn both variances into precisions, 1 / v. Add them. What is the variance now? And the mean is
# the precision-weighted average.</details>


# %% tags=["nbval-ignore-output"]
def my_product(m1, v1, m2, v2):
    return ...  # replace the dots: mean, variance


lesson02.product(my_product)

# %% [markdown]
# **Step 3: tidy up $A$.** Put both fractions over one denominator:
#
# $$A = \frac{\alpha_t (1-\bar\alpha_{t-1}) + \beta_t}{\beta_t\,(1-\bar\alpha_{t-1})} = \frac{1 - \bar\alpha_t}{\beta_t\,(1-\bar\alpha_{t-1})},$$
#
# because $\alpha_t + \beta_t = 1$ and $\alpha_t\,\bar\alpha_{t-1} = \bar\alpha_t$. The variance $1/A$ gets its own name, **beta-tilde**.
#
# **Step 4: tidy up $B/A$.** Multiply each part of $B$ by $1/A = \tilde\beta_t$; one factor cancels in each:
#
# $$\frac{\beta_t\,(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}\cdot\frac{\sqrt{\alpha_t}}{\beta_t} = \frac{\sqrt{\alpha_t}\,(1-\bar\alpha_{t-1})}{1-\bar\alpha_t},
# \qquad \frac{\beta_t\,(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}\cdot\frac{\sqrt{\bar\alpha_{t-1}}}{1-\bar\alpha_{t-1}} = \frac{\sqrt{\bar\alpha_{t-1}}\,\beta_t}{1-\bar\alpha_t}.$$
#
# That is all. Here is the posterior, in the paper's form:
#
# $$q(x_{t-1} \mid x_t, x_0) = \mathcal N\big(x_{t-1};\ \tilde\mu_t(x_t, x_0),\ \tilde\beta_t I\big) \tag{6}$$
#
# $$\tilde\mu_t(x_t, x_0) = \frac{\sqrt{\bar\alpha_{t-1}}\,\beta_t}{1-\bar\alpha_t}\,x_0 + \frac{\sqrt{\alpha_t}\,(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}\,x_t,
# \qquad \tilde\beta_t = \frac{1-\bar\alpha_{t-1}}{1-\bar\alpha_t}\,\beta_t \tag{7}$$
#
# The mean is a weighted sum of what we know, $x_0$ and $x_t$; the variance does not depend on either. Do the library's
# numbers agree with our square?

# %%
p = q_posterior(x_0, x_t, c)
print(f"completed square: mean {square.mean:.4f}, variance {square.var:.4f}")
print(f"Eq. (6, 7):       mean {p.mean:.4f}, variance {p.var:.4f}")

# %% [markdown]
# ### By calculator: halfway through the chain
#
# The article's worked example stands at $t = 500$ of 1000, with $\alpha = 0.99$, $\beta = 0.01$, $\bar\alpha_t = 0.5$, $\bar\alpha_{t-1} = 0.505$,
# and the pixel from above, $x_0 = 0.8$, $x_t = 0.6$:
#
# $$\frac{\sqrt{0.505}\times 0.01}{0.5} = 0.0142, \qquad \frac{\sqrt{0.99}\times 0.495}{0.5} = 0.985,
# \qquad 0.0142\times 0.8 + 0.985\times 0.6 = 0.602$$

# %%
c = Coefficients(beta=0.01, alpha=0.99, alpha_bar=0.5, alpha_bar_prev=0.505)
weight_x0 = q_posterior(1.0, 0.0, c).mean  # the mean for x_0 = 1, x_t = 0 is the weight of x_0
weight_xt = q_posterior(0.0, 1.0, c).mean
p = q_posterior(0.8, 0.6, c)
print(f"{weight_x0:.4f} * 0.8 + {weight_xt:.3f} * 0.6 = {p.mean:.3f}")
print(f"variance {p.var:.4f}, standard deviation {p.var**0.5:.4f}")

# %% [markdown]
# The pixel is 0.6, the truth is 0.8, and the step back goes to 0.602. It leans almost entirely on $x_t$. One step
# knows its place.
#
# **Two honest remarks about these numbers.** First, they are rounded: $\bar\alpha_{t-1}\,\alpha_t$ should *be* $\bar\alpha_t$, and $0.505 \times 0.99$ is
# $0.49995$, not $0.5$. Step 3 used that identity, so the two ways to write $A$ differ here, in the fourth digit. Second,
# $\bar\alpha_{500} = 0.5$ is an illustration. The linear schedule has $\bar\alpha_{500} = 0.0786$, and its one half falls between $t = 259$ and $260$:

# %%
print(f"alpha_bar_prev * alpha = {c.alpha_bar_prev * c.alpha:.5f}")
A = c.alpha / c.beta + 1 / (1 - c.alpha_bar_prev)
print(f"variance as 1/A: {1 / A:.6f}; by Eq. (7): {p.var:.6f}")
for t in (259, 260, 500):
    c = schedule.at(t)
    w_0, w_t = q_posterior(1.0, 0.0, c).mean, q_posterior(0.0, 1.0, c).mean
    print(f"linear, t = {t}: alpha_bar {c.alpha_bar:.4f}, weights {w_0:.4f} and {w_t:.4f}")

# %% [markdown]
# Now it is your turn, before we look at how the library does it.
#
# ### Exercise 2.2 · The two weights
#
# Return the weights of $x_0$ and of $x_t$ in Eq. (7). `c` has the fields `beta`, `alpha`, `alpha_bar` and `alpha_bar_prev`.
#
# <details><summary>Hint</summary>Check yourself at $t = 1$, where alpha_bar_prev is 1 and beta is 1 - alpha_bar: which weights must come
# out, if $x_{t-1}$ <em>is</em> $x_0$?</details>


# %% tags=["nbval-ignore-output"]
def my_weights(c):
    return ...  # replace the dots: weight_x0, weight_xt


lesson02.weights(my_weights)

# %% [markdown]
# ### Exercise 2.3 · Beta-tilde
#
# Return the variance $\tilde\beta_t$ of the posterior.
#
# <details><summary>Hint</summary>It is beta_t times a fraction that is at most 1: knowing $x_0$ cannot make you less sure.</details>


# %% tags=["nbval-ignore-output"]
def my_variance(c):
    return ...  # replace the dots: beta-tilde


lesson02.variance(my_variance)

# %% [markdown]
# The library's own version. Four lines, and they work for a pixel and for a batch of images alike:

# %% tags=["nbval-ignore-output"]
show_source(q_posterior)

# %% [markdown]
# ### Two independent checks
#
# A derivation can be wrong in a way that its author cannot see. So we ask two others who know nothing about completing
# squares. **The first is brute force.** Start at $x_0 = 0.8$ four million times, take the jump to $x_1$ and one step to $x_2$ with the
# tiny schedule. Keep only the runs that happened to land near $x_2 = 0.6$. Where had *those* been at $x_1$?

# %%
c = tiny.at(2)
generator = torch.Generator().manual_seed(1)
noise = torch.randn(2, 4_000_000, generator=generator)
x_1 = q_sample(torch.full((4_000_000,), 0.8), tiny.at(1), noise[0])
x_2 = c.alpha**0.5 * x_1 + c.beta**0.5 * noise[1]
kept = x_1[(x_2 - 0.6).abs() < 0.02]
p = q_posterior(0.8, 0.6, c)
print(f"kept runs:  mean {kept.mean().item():.3f}, variance {kept.var().item():.3f}")
print(f"Eq. (6, 7): mean {p.mean:.3f}, variance {p.var:.3f}")
print(f"the mean of {len(kept):,} runs is known to about {(p.var / len(kept)) ** 0.5:.3f}")

# %% tags=["nbval-ignore-output"]
show(
    reverse_plots.histogram_and_bell(kept, p, x_label="$x_1$"),
    alt="A histogram of the x_1 of all runs that landed near x_2 = 0.6, and the bell of Eq. (6, 7) drawn over it. "
    "They coincide: both are centred near 0.69, with a standard deviation of 0.56.",
)

# %% [markdown]
# **The second is linear regression.** Given $x_0$, the pair $(x_{t-1}, x_t)$ is jointly Gaussian, and any textbook gives the best guess of one from
# the other: its mean, plus covariance over variance times the surprise. Here for every pixel of a digit, at several $t$:

# %%
generator = torch.Generator().manual_seed(3)
for t in (1, 2, 10, 500, 1000):
    c = schedule.at(t)
    x_t = q_sample(digit, c, torch.randn(digit.shape, generator=generator)).double()
    covariance = c.alpha**0.5 * (1 - c.alpha_bar_prev)  # of x_{t-1} and x_t, given x_0
    surprise = x_t - c.alpha_bar**0.5 * digit.double()
    mean = c.alpha_bar_prev**0.5 * digit.double() + covariance / (1 - c.alpha_bar) * surprise
    var = (1 - c.alpha_bar_prev) - covariance**2 / (1 - c.alpha_bar)
    p = q_posterior(digit.double(), x_t, c)
    agree = torch.allclose(p.mean, mean, atol=1e-12) and abs(p.var - var) < 1e-12
    print(f"t = {t:4}: regression and Eq. (6, 7) agree for all pixels: {agree}")

# %% [markdown]
# ## Reading the posterior
#
# ### Who is listened to?
#
# The two weights of Eq. (7), for all $t$ of the linear schedule. Mind the logarithmic axis: the action is at small $t$.

# %% tags=["nbval-ignore-output"]
show(
    reverse_plots.posterior_weights(schedule),
    alt="Left: the weight of x_0 starts at 1 for t = 1, crosses the weight of x_t between t = 2 and 3, and is "
    "below 0.02 from t = 100 on, while the weight of x_t rises from 0 to nearly 1. Right: beta-tilde over "
    "beta is 0 at t = 1, 0.45 at t = 2, 0.85 at t = 10 and then approaches 1.",
)

# %%
for t in (1, 2, 3, 10, 100, 500, 1000):
    c = schedule.at(t)
    w_0, w_t = q_posterior(1.0, 0.0, c).mean, q_posterior(0.0, 1.0, c).mean
    ratio = q_posterior(0.0, 0.0, c).var / c.beta
    print(f"t = {t:4}: weight of x_0 {w_0:.4f}, of x_t {w_t:.4f}; beta-tilde / beta {ratio:.3f}")

# %% [markdown]
# **Why does the step lean on $x_t$?** Because of the precisions. $x_t$ is *one* step away from $x_{t-1}$, so it is a sharp witness: its
# precision is $\alpha_t/\beta_t$, about 99 at $t = 500$. The clean image is 499 steps away, and all that noise lies between: its precision is
# $1/(1-\bar\alpha_{t-1})$, about 1.09. Ninety to one. Only in the last few steps, when hardly any noise lies between $x_0$ and $x_{t-1}$, is $x_0$ the
# better witness.
#
# So is $x_0$ unimportant? No: its voice is quiet, but it says the same thing at every step, while the noise says
# something else each time. A thousand quiet hints in one direction add up, as you will see below.
#
# **At $t = 1$ the posterior is $x_0$ itself**: weight 1 on $x_0$, weight 0 on $x_1$, variance 0. Nobody wrote a special case for it. With
# $\bar\alpha_0 = 1$ and $\beta_1 = 1-\bar\alpha_1$ it is plain arithmetic, $1\cdot\beta_1/\beta_1 = 1$. That is what index 0 is for.
#
# **Beta-tilde against beta.** The step forward has variance $\beta_t$; the step back, knowing $x_0$, has the smaller $\tilde\beta_t$. For
# large $t$ the two are the same for all practical purposes. They differ where $t$ is small.
#
# ### Drag it
#
# Move $x_0$ and $x_t$, and watch the posterior follow $x_t$ and ignore $x_0$. Then go to $t = 3, 2, 1$ (the arrow keys move by one) and see
# power change hands. (At $t = 2$ a pixel of 0.8 cannot really have become 0.6, that would be 13 standard deviations. The
# arithmetic does not mind: it settles about half way between two witnesses who contradict each other.)

# %% tags=["nbval-ignore-output"]
explore_posterior()

# %% [markdown]
# ### A chain that is told the answer
#
# Now on a real digit. We start from pure noise and walk all the way back with the posterior: at each step compute $\tilde\mu_t(x_t, x_0)$ from
# the noisy image and the whispered $x_0$, draw from the Gaussian, repeat.

# %%
generator = torch.Generator().manual_seed(4)
x, states, means = torch.randn(digit.shape, generator=generator), [], []
for t in range(schedule.T, 0, -1):
    p = q_posterior(digit, x, schedule.at(t))
    states.append(x[0])
    means.append(p.mean[0])
    x = p.sample(generator)
print("the chain ends at the digit itself:", torch.equal(x, digit))

# %% tags=["nbval-ignore-output"]
places = [*range(0, 1000, 10), 999]
panels = {
    "x_t": [states[i] for i in places],
    "posterior mean": [means[i] for i in places],
    "what the step changes, × 50": [50 * (means[i] - states[i]) for i in places],
    "x_0": [digit[0]] * len(places),
}
times = [schedule.T - i for i in places]
alts = [describe(schedule, t) for t in times]
player(panels, alts, values=times, width=196)

# %% [markdown]
# The first two panels look the same: a step is *small*. So the third shows the difference between them, fifty times
# enlarged. It looks like static. Is it, perhaps, the noise that is in $x_t$, taken away? Compare the two, pixel by pixel:

# %%
for t in (1000, 500, 100, 10):
    i = schedule.T - t
    change = means[i] - states[i]
    eps = predict_eps(states[i], schedule.at(t), digit[0])  # the noise between x_0 and x_t
    correlation = torch.corrcoef(torch.stack((change.flatten(), eps.flatten())))[0, 1]
    print(f"t = {t:4}: correlation of the change with the noise in x_t {correlation:.2f}")

# %% [markdown]
# **A step back is, almost entirely, a little noise removed.** Keep that for lesson 03.
#
# And yet the chain ends at the digit, exactly. Try another seed: another path, the same end. This chain cheats, of
# course. It had to be told $x_0$, and if you know $x_0$ you need no chain.
#
# ## What the network must do
#
# When we generate, nobody whispers. So we let a **network** look at $x_t$ and do as well as it can without $x_0$:
#
# $$p_\theta(x_{t-1} \mid x_t) = \mathcal N\big(x_{t-1};\ \mu_\theta(x_t, t),\ \sigma_t^2 I\big) \tag{1}$$
#
# ![Two rows. Above, in training, a clean 3 and its noisy version lead to the true posterior and the picture of its mean. Below, in sampling, a question mark stands for the clean digit, and the noisy picture goes through a network to a mean of its own. A double arrow joins the two means: training makes them agree](../figures/posterior_net.svg)
#
# $p_\theta$ is the model, with parameters $\theta$. It gets to know $t$ too, because the right step at $t = 900$ and at $t = 10$ are different
# things. That the answer is a Gaussian is no longer a guess: you have seen that for small steps it is enough. Nor is the $I$, one variance for
# all pixels and none shared between them: for a small step the shape of the bell is the likelihood's, and the forward noise is just so.
#
# What should $\mu_\theta$ be? Eq. (7) is *linear* in $x_0$. So the mean of $q(x_{t-1} \mid x_t)$, averaged over all clean images that may lie
# behind $x_t$, is Eq. (7) with the **average** of those images put in for $x_0$. The network needs no distribution over clean images,
# **only its best single guess**, $\hat x_0(x_t, t)$. Let us verify that on the one-pixel world, where everything is known:

# %%
c = schedule.at(300)
x_t = torch.tensor([[0.5]], dtype=torch.float64)  # shape (B, 1): a batch of one pixel
eps_star = toy.eps_model(schedule)(x_t, torch.tensor([300]))  # the ideal noise prediction
best_guess = (x_t - (1 - c.alpha_bar) ** 0.5 * eps_star) / c.alpha_bar**0.5  # E[x_0 | x_t]
by_integration = reverse_plots.moments(reverse_density(toy, grid, 0.5, c), grid)
print(f"best guess of x_0: {best_guess.item():.4f}")
by_guess = q_posterior(best_guess, x_t, c).mean.item()
print(f"mean of q(x_299 | x_300 = 0.5), Eq. (7) with the guess: {by_guess:.5f}")
print(f"mean of q(x_299 | x_300 = 0.5), by integration:         {by_integration.mean:.5f}")

# %% [markdown]
# The best guess at a black-or-white pixel is a timid grey. It is not what the pixel was; it is what is right on
# average, and that is what a small step needs. Next step, with a little less noise, the guess will be a little bolder.
#
# ### Guess the image, or guess the noise
#
# There is an equivalent way to guess. Eq. (4) ties $x_0$, $x_t$ and the noise $\epsilon$ together: who knows two of them knows the third.
#
# $$x_0 = \frac{x_t - \sqrt{1-\bar\alpha_t}\,\epsilon}{\sqrt{\bar\alpha_t}} \tag{15}$$
#
# Put this into Eq. (7). The coefficient of $x_t$ becomes
#
# $$\frac{\beta_t}{(1-\bar\alpha_t)\sqrt{\alpha_t}} + \frac{\sqrt{\alpha_t}\,(1-\bar\alpha_{t-1})}{1-\bar\alpha_t} = \frac{\beta_t + \alpha_t - \bar\alpha_t}{(1-\bar\alpha_t)\sqrt{\alpha_t}} = \frac{1}{\sqrt{\alpha_t}},$$
#
# where the first term used $\sqrt{\bar\alpha_{t-1}/\bar\alpha_t} = 1/\sqrt{\alpha_t}$. The coefficient of $\epsilon$ is $-\beta_t / (\sqrt{\alpha_t}\sqrt{1-\bar\alpha_t})$. Together:
#
# $$\mu_\theta(x_t, t) = \frac{1}{\sqrt{\alpha_t}}\Big(x_t - \frac{\beta_t}{\sqrt{1-\bar\alpha_t}}\,\epsilon_\theta(x_t, t)\Big) \tag{11}$$
#
# where $\epsilon_\theta$ is the network's guess of the noise. Take a little of the noise away, then undo the shrinking. It is the *same
# number* as Eq. (7), written with other letters. By calculator, with the pixel of the worked example:

# %%
c = Coefficients(beta=0.01, alpha=0.99, alpha_bar=0.5, alpha_bar_prev=0.505)
eps = predict_eps(0.6, c, 0.8)
share = c.beta / (1 - c.alpha_bar) ** 0.5
print(f"the noise between 0.8 and 0.6: {eps:.4f}")
mean = p_mean_from_eps(0.6, c, eps)
print(f"Eq. (11): (0.6 - {share:.5f} * {eps:.4f}) / {c.alpha**0.5:.5f} = {mean:.3f}")
print(f"Eq. (7):  {q_posterior(0.8, 0.6, c).mean:.3f}")

# %% tags=["nbval-ignore-output"]
show_source(p_mean_from_eps)

# %% [markdown]
# And on the digit, for every $t$ and every pixel:

# %%
generator = torch.Generator().manual_seed(5)
largest = 0.0
for t in range(1, schedule.T + 1):
    c = schedule.at(t)
    eps = torch.randn(digit.shape, generator=generator, dtype=torch.float64)
    x_t = q_sample(digit.double(), c, eps)
    difference = p_mean_from_eps(x_t, c, eps) - q_posterior(digit.double(), x_t, c).mean
    largest = max(largest, difference.abs().max().item())
print("Eq. (11) and Eq. (7) differ by less than 1e-12 everywhere:", largest < 1e-12)

# %% [markdown]
# Why prefer to guess the noise? The noise has variance 1 at every $t$; it is a target of the same size all along the chain.
# Lesson 03 shows what that does to the loss.
#
# ### Which variance?
#
# One number is left: $\sigma_t^2$. The article offers two, $\beta_t$ and $\tilde\beta_t$, and says that both work. Why these two, and why both?
#
# With $x_0$ known, the variance of $x_{t-1}$ is $\tilde\beta_t$. Without it, we are unsure of $x_0$ as well, and through the first weight of Eq. (7), call it
# $w_0$, that adds to the doubt (statisticians call it the law of total variance):
#
# $$\mathrm{Var}(x_{t-1} \mid x_t) = \tilde\beta_t + w_0^2\;\mathrm{Var}(x_0 \mid x_t), \qquad w_0 = \frac{\sqrt{\bar\alpha_{t-1}}\,\beta_t}{1-\bar\alpha_t}$$
#
# Two extremes.
#
# - **The data are a single point.** Then $x_0$ is never in doubt, and the variance is exactly $\tilde\beta_t$.
# - **The data are standard normal, $\mathcal N(0, I)$.** Then $\mathrm{Var}(x_0 \mid x_t) = 1 - \bar\alpha_t$, and the sum is
#   $\beta_t\,\frac{1-\bar\alpha_{t-1} + \bar\alpha_{t-1}\beta_t}{1-\bar\alpha_t} = \beta_t\,\frac{1-\bar\alpha_{t-1}(1-\beta_t)}{1-\bar\alpha_t} = \beta_t$, exactly.
#
# Real data lie between: more varied than a point, more orderly than noise. By integration, in a chain of 10 steps, where the
# two differ visibly:

# %%
ten = cosine_schedule(T=10)
c = ten.at(4)
worlds = {
    "a single point at 0.8": (Mixture.gaussian(0.8, var=0.0), 0.0),
    "standard normal": (Mixture.gaussian(0.0, var=1.0), 0.0),
    "black or white, x_t = 1": (toy, 1.0),
    "black or white, x_t = 0": (toy, 0.0),
}
print(f"beta-tilde = {q_posterior(0.0, 0.0, c).var:.4f}, beta = {c.beta:.4f}")
for name, (world, x_t) in worlds.items():
    p = reverse_plots.moments(reverse_density(world, grid, x_t, c), grid)
    print(f"{name:24} true variance of the step back: {p.var:.4f}")

# %% [markdown]
# The last line is worth a second look. At $x_t = 0$ the pixel is undecided between black and white, and its past is even
# less certain than $\beta_t$ allows. The two choices bracket the variance **on average** over all $x_t$, for data whose
# variance is at most 1, and not for each pixel. (Later work lets the network predict $\sigma_t^2$ too.)
#
# **And why do both work?** Because with many steps the choice hardly matters. Take the standard normal world, for which $\beta_t$ is right, and
# follow the variance of the samples down the chain exactly. (With the ideal network the mean of Eq. (11) is $\sqrt{\alpha_t}\,x_t$, so each step
# makes the variance $v$ into $\alpha_t v + \sigma_t^2$, without $\sigma_1^2$ at the last.) It should end at 1:

# %%
for T in (10, 100, 1000):
    s, end = cosine_schedule(T), {}
    for variance in ("beta", "beta-tilde"):
        v = 1.0
        for t in range(T, 0, -1):
            c = s.at(t)
            sigma2 = c.beta if variance == "beta" else q_posterior(0.0, 0.0, c).var
            v = c.alpha * v + (sigma2 if t > 1 else 0.0)
        end[variance] = v
    with_beta, with_tilde = end["beta"], end["beta-tilde"]
    print(f"T = {T:4}: variance {with_beta:.3f} with beta, {with_tilde:.3f} with beta-tilde")

# %% [markdown]
# At $T = 1000$ the wrong choice costs half a per cent. At $T = 10$ it costs a third. Lesson 06 lets you compare the two on digits.
#
# ### Exercise 2.4 · One step back
#
# Put it together. You are given $x_t$, the whole number $t$, a schedule, the predicted noise `eps`, and a draw `z` of standard normal
# noise. Return $x_{t-1}$, with $\sigma_t^2 = \beta_t$, and **without noise at $t = 1$**: at the last step the image is finished, and noise would
# only be dirt on it.
#
# <details><summary>Hint</summary><code>c = schedule.at(t)</code>, then Eq. (11) for the mean, then sigma times z. Sigma is a standard
# deviation.</details>


# %% tags=["nbval-ignore-output"]
def my_reverse_step(x_t, t, schedule, eps, z):
    return ...  # replace the dots, and use more lines if you like


lesson02.reverse_step(my_reverse_step)

# %% [markdown]
# ### Exercise 2.5 · A jump too far
#
# Many answers are right here. A step back may be a Gaussian if it is small. When is a jump *too large*? In the one-pixel world, from
# $x_{400} = 0.2$, you saw more than a bit get lost, but that was a jump of 400 steps. Find a short one that is bad: three numbers
# `(s, t, x_t)`, from $t$ back to $s$, such that
#
# - $s$ and $t$ are whole numbers, $0 \le s < t \le 1000$;
# - $x_t$ is a value that does occur: its density at $t$ is at least 0.05;
# - the best Gaussian loses more than half a bit;
# - and the jump takes at most 60 steps.
#
# You have two instruments: `bits_lost` from above, with `schedule.between(s, t)`, and `how_common` below. Try, print, or let a loop hunt.
#
# <details><summary>Hint</summary>Find, in the first figure of this lesson's one-pixel world, the $t$ at which the two peaks begin to touch. Long before it
# nothing is in doubt, long after it a few steps decide nothing. Which $x_t$ leaves most open? It may be a rare one: make a compromise.</details>


# %% tags=["nbval-ignore-output"]
def how_common(t, x_t):  # the density of x_t at t
    here = toy.noised(schedule.at(t).alpha_bar)
    return here.log_density(torch.tensor([[x_t]], dtype=torch.float64)).exp().item()


my_jump = ...  # replace the dots: (s, t, x_t)

lesson02.bad_jump(my_jump)

# %% [markdown]
# ## What breaks if ...
#
# **... the list of $\bar\alpha_{t-1}$ is padded at the wrong end?** Code that counts from 0 has no entry for the clean image, so it makes a second list,
# `alphas_cumprod_prev`: all but the last $\bar\alpha$, with a 1 put **in front**. In April 2022 one of the most used implementations was
# moved from NumPy to PyTorch, and the 1 landed **behind**:
#
#     np.append(1., alphas_cumprod[:-1])                 # before: right
#     F.pad(alphas_cumprod[:-1], (0, 1), value = 1.)     # after: each entry one place too far to the left
#     F.pad(alphas_cumprod[:-1], (1, 0), value = 1.)     # three days later
#
# It lived for three days before a reader noticed. (lucidrains/denoising-diffusion-pytorch, commits
# [bd1e3b6](https://github.com/lucidrains/denoising-diffusion-pytorch/commit/bd1e3b6) and
# [71953eb](https://github.com/lucidrains/denoising-diffusion-pytorch/commit/71953eb), thanks to jihoonerd.) With it $\bar\alpha_{t-1}$ is $\bar\alpha_t$ at every
# $t$ but the last, where it is 1. Nothing crashes, all shapes fit, training does not even use it. Let us give those
# coefficients to our cheating chain, which *knows* the answer:


# %% tags=["nbval-ignore-output"]
def wrong_end(t):
    c = schedule.at(t)
    return c._replace(alpha_bar_prev=c.alpha_bar if t < schedule.T else 1.0)


def told_the_answer(coefficients):
    generator = torch.Generator().manual_seed(4)
    states = [torch.randn(digit.shape, generator=generator)]
    for t in range(schedule.T, 0, -1):
        states.append(q_posterior(digit, states[-1], coefficients(t)).sample(generator))
    return states[::-1]  # so that states[t] is x_t


chains = {"right": told_the_answer(schedule.at), "wrong end": told_the_answer(wrong_end)}
shown = [1000, 999, 500, 200, 100, 1, 0]
rows = [torch.cat([x[t] for t in shown]) for x in chains.values()]
show(
    plots.image_rows(rows, [f"t = {t}" for t in shown], list(chains)),
    alt="Two chains that are told the digit. Above, the right one goes from static to a clean 3. Below, with the list "
    "padded at the wrong end: flat grey at t = 999, then static, and at the end a 3 in pure black and white, "
    "a little harsher than the original.",
)

# %% [markdown]
# A digit comes out all the same! Only its soft edges are gone. That is how such a bug survives: images are clamped to
# black and white before anybody sees them, and the clamp hides the rest. Look at the numbers under it:

# %%
for name, x in chains.items():
    times = (x[0] * digit).sum() / (digit * digit).sum()
    static = (x[0] - times * digit).std()
    print(f"{name:9}: {times:.1f} times the digit, plus static of standard deviation {static:.1f}")

# %% [markdown]
# The first step throws the noise away and starts from grey. After that each step adds its share of $x_0$ as it should, but
# *makes no room for it*: the weight of $x_t$ is the whole $\sqrt{\alpha_t}$. So the digit piles up, and the noise is never removed.
# And this chain knew $x_0$. A network would have to find it in images whose like it never saw in training.
#
# An identity would have caught the bug at once. If $x_t$ is $\sqrt{\bar\alpha_t}\,x_0$, the clean image merely shrunk, then the mean must be
# $\sqrt{\bar\alpha_{t-1}}\,x_0$, the same image shrunk one step less:

# %%
for name, coefficients in (("right", schedule.at), ("wrong end", wrong_end)):
    on_path = all(
        math.isclose(
            q_posterior(1.0, schedule.at(t).alpha_bar ** 0.5, coefficients(t)).mean,
            schedule.at(t).alpha_bar_prev ** 0.5,
            rel_tol=1e-9,
        )
        for t in range(1, schedule.T + 1)
    )
    print(f"{name:9}: a shrunk image steps back to the image shrunk less, for all t: {on_path}")

# %% [markdown]
# In this library `alpha_bars[0]` is 1 and $\bar\alpha_{t-1}$ is `alpha_bars[t - 1]`. There is nothing to pad.
#
# **... the variance is missing its division by $1-\bar\alpha_t$?** That is, $(1-\bar\alpha_{t-1})\,\beta_t$ instead of $\tilde\beta_t$, as a reader found in one published tutorial
# ([varun-ml/diffusion-models-tutorial #1](https://github.com/varun-ml/diffusion-models-tutorial/pull/1)). At large $t$ the divisor is nearly 1 and the bug is
# invisible. At small $t$ it swallows the noise. We follow the variance of the samples once more, in the standard normal world and with
# the full thousand steps:

# %%
for name in ("beta-tilde", "undivided"):
    v = 1.0
    for t in range(schedule.T, 0, -1):
        c = schedule.at(t)
        sigma2 = q_posterior(0.0, 0.0, c).var * (1 - c.alpha_bar if name == "undivided" else 1.0)
        v = c.alpha * v + (sigma2 if t > 1 else 0.0)
    print(f"{name:10}: variance of the samples {v:.2f}")

# %% [markdown]
# Half of the variety is gone. The samples look fine, one by one: a little smooth, a little alike, all too close to the average. **Bugs
# in the reverse process seldom crash. They produce slightly worse pictures**, and a slightly worse picture is easily blamed on the
# training. That is why every equation of this library is tested against a second derivation, as you did above.
#
# ## Summary
#
# | | |
# |---|---|
# | wanted | $q(x_{t-1} \mid x_t)$: intractable, since its prior $q(x_{t-1})$ contains all of the data distribution; nearly Gaussian if the step is small |
# | the posterior, Eq. (6) | $q(x_{t-1} \mid x_t, x_0) = \mathcal N(\tilde\mu_t, \tilde\beta_t I)$: once $x_0$ is known, a product of two Gaussians; precisions add |
# | its mean, Eq. (7) | $\tilde\mu_t = \frac{\sqrt{\bar\alpha_{t-1}}\,\beta_t}{1-\bar\alpha_t}\,x_0 + \frac{\sqrt{\alpha_t}(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}\,x_t$: leans on $x_t$, is pulled a little towards $x_0$ |
# | its variance, Eq. (7) | $\tilde\beta_t = \frac{1-\bar\alpha_{t-1}}{1-\bar\alpha_t}\,\beta_t$: at $t = 1$ it is 0 |
# | the model, Eq. (1) | $p_\theta(x_{t-1} \mid x_t) = \mathcal N(\mu_\theta(x_t, t), \sigma_t^2 I)$, with $\sigma_t^2 = \beta_t$ (right for $\mathcal N(0, I)$ data) or $\tilde\beta_t$ (right for a point) |
# | its mean, Eq. (11) | $\mu_\theta = \frac{1}{\sqrt{\alpha_t}}\big(x_t - \frac{\beta_t}{\sqrt{1-\bar\alpha_t}}\,\epsilon_\theta\big)$: Eq. (7) with the noise guessed instead of $x_0$ |
#
# The network stands in for the whisper. What it must be good at, and how "as close to the posterior as possible" turns into
# "predict the noise", is [lesson 03](03_the_loss.ipynb).
