# %% [markdown]
# # 03 · The loss
#
# To train a network you need one number that says how wrong it is. For a diffusion model that number is
# surprisingly plain: hide noise in a digit, let the network guess the noise, square the error, take the mean.
# This lesson shows where that one line comes from. Every step on the way is small, and every one is checked
# by numbers.
#
# **What you will be able to do**
#
# - say what we would like to minimise, why nobody can compute it, and what a bound is good for;
# - take the variational bound apart into three kinds of terms, and read each of them in bits per pixel;
# - follow the arrows from the bound to $L_\text{simple}$, and say at each what is exact and what is given up;
# - explain why the loss of a *perfect* network is not zero, so that you are not alarmed when yours stops
#   falling.
#
# Time on two CPU cores: about 45 s to run, 70 minutes to read and try.
#
# Article section: *predicting the noise*. Equation numbers are those of [Ho, Jain & Abbeel
# 2020](https://arxiv.org/abs/2006.11239).

# %%
import math
import zlib

import torch
from torch.autograd.functional import hessian, jacobian
from torch.distributions import MultivariateNormal, kl_divergence

from ddpm_lessons import (
    Coefficients,
    Gaussian,
    Mixture,
    NoiseSchedule,
    bound,
    cosine_schedule,
    decoder_log_likelihood,
    linear_schedule,
    noise_weight,
    p_mean_from_eps,
    p_step,
    predict_x0,
    q_marginal,
    q_posterior,
    q_sample,
    q_step,
    simple_loss,
)
from ddpm_lessons.checks import lesson03
from ddpm_lessons.data import TOYS, load_mnist
from ddpm_lessons.evaluation import bounds
from ddpm_lessons.loss import draw_noise
from ddpm_lessons.models.pretrained import load_pretrained
from ddpm_lessons.models.unet import sinusoids
from ddpm_lessons.show import loss_plots
from ddpm_lessons.show.player import player
from ddpm_lessons.show.plots import show
from ddpm_lessons.show.source import show_source

torch.set_num_threads(1)  # our tensors are small: a second thread would mostly wait for the first
schedule = linear_schedule()  # T = 1000
train, test = load_mnist("train"), load_mnist("test")
digit = test[[18]]  # the 3 of lessons 01 and 02
print(schedule.T, "steps;", len(train), "digits to learn from,", len(test), "to test with")

# %% [markdown]
# ## The route
#
# Here is the whole lesson in one picture. You need not understand the formulas yet; each gets its own
# section. In the first box, a principle that nobody argues with and nobody can compute is replaced by a bound
# on it. In the last stands the loss. Three of the four arrows between them lose nothing that can be learnt; the
# last one gives something up, and we will see what.
#
# ![Five boxes from top to bottom: the variational bound; the KL between the true posterior and the model's step; the squared distance of their means; the weighted squared error of the noise; L_simple. Beside each arrow stands what happens there](../figures/loss_derivation.svg)
#
# ## What we want, and cannot have
#
# Lesson 02 ended with a model of one step back,
# $p_\theta(x_{t-1} \mid x_t) = \mathcal N(\mu_\theta(x_t, t), \sigma_t^2 I)$, with a network inside that has
# parameters $\theta$. How should we choose $\theta$?
#
# There is a classical answer: **maximum likelihood**. A model of digits should find real digits probable.
# Write $p_\theta(x_0)$ for the probability that the model gives to the digit $x_0$, and make
#
# $$-\log p_\theta(x_0), \quad \text{averaged over the training digits,}$$
#
# as small as you can. The logarithm turns products into sums, and the minus makes it a loss. With the natural
# logarithm its unit is called a **nat**.
#
# What is $p_\theta(x_0)$? The model makes a digit by a walk: it starts with noise $x_T$ from
# $p(x_T) = \mathcal N(0, I)$ and takes $T$ steps back. The probability of one whole walk is a product,
#
# $$p_\theta(x_{0:T}) = p(x_T)\prod_{t=1}^{T} p_\theta(x_{t-1} \mid x_t) \tag{1}$$
#
# But many different walks end in the same digit, and all of them count:
#
# $$p_\theta(x_0) = \int p_\theta(x_{0:T})\,\mathrm dx_1 \cdots \mathrm dx_T .$$
#
# For a digit and a thousand steps this is an integral over $1000 \times 784$ variables, with a network
# inside. Nobody can compute it. That is the same wall as in lesson 02, seen from the other side.
#
# ### One pixel, three steps
#
# As in lesson 02 we build a world so small that everything can be computed. An "image" is one number, drawn
# from $\mathcal N(0, 0.25)$ (so "probability" means density here). There are three big steps. And for the
# network we take the *best possible* one, which is a formula in such a world (`eps_model`), multiplied by a
# knob $w$ to have worse ones too: $w = 1$ is perfect, $w = 0$ always answers "no noise".

# %%
tiny = NoiseSchedule(torch.tensor([0.0, 0.5, 0.9, 0.99]))
world = Mixture.gaussian(0.0, var=0.25)


def step_back(x_t, t, w=1.0, schedule=tiny):  # p(x_{t-1} | x_t)
    eps = w * world.eps_model(schedule)(x_t, torch.full((len(x_t),), t))
    return p_step(x_t, schedule.at(t), eps).p


p = step_back(torch.tensor([1.0]).double(), 3)
print(f"one step back from x_3 = 1: mean {p.mean.item():.4f}, variance {p.var:.2f}")

# %% [markdown]
# Each step back multiplies by a number and adds Gaussian noise. Then everything stays Gaussian, with mean 0
# by symmetry, and we only have to follow the variance: times the slope squared, plus $\sigma_t^2 = \beta_t$.
# That *is* the integral over all walks.


# %%
def exact_nll(x_0, w=1.0, schedule=tiny):  # -log p(x_0), the "negative log-likelihood"
    var = 1.0  # x_T is standard normal
    for t in range(schedule.T, 0, -1):
        slope = step_back(torch.ones(1).double(), t, w, schedule).mean.item()
        var = slope**2 * var + schedule.at(t).beta
    return -Gaussian(0.0, var).log_prob(x_0)


for w in (1.0, 0.9, 0.5, 0.0):
    print(f"w = {w}: -log p(0.8) = {exact_nll(0.8, w):.4f} nats")

# %% [markdown]
# The worse the network, the less probable it finds the number 0.8, as it should be. Remember **1.1987**. We
# will now pretend that we cannot compute it.
#
# ## A bound instead
#
# Among all the walks that the model might take, hardly any come near a given digit. But we know where to look
# for those that do: **the forward process makes walks that start at this very digit.** So let us average over
# forward walks, $q(x_{1:T} \mid x_0)$. Multiply and divide by it under the integral:
#
# $$p_\theta(x_0) = \int q(x_{1:T} \mid x_0)\,\frac{p_\theta(x_{0:T})}{q(x_{1:T} \mid x_0)}\,\mathrm dx_1 \cdots \mathrm dx_T
# = \mathbb E_q\!\left[\frac{p_\theta(x_{0:T})}{q(x_{1:T} \mid x_0)}\right]$$
#
# ($\mathbb E_q$ means: the average over forward walks.) Still exact. Now take the logarithm, and move it
# inside the average. That is not an equality. The logarithm is a curve that bends down, and on such a curve
# **the log of an average is at least the average of the logs** (Jensen's inequality). By calculator, for the
# two numbers 1 and 4: the log of the average is $\log 2.5 = 0.916$, the average of the logs is
# $(0 + 1.386)/2 = 0.693$. With the minus sign it becomes an upper bound:
#
# $$-\log p_\theta(x_0) \;\le\; \mathbb E_q\!\left[-\log \frac{p_\theta(x_{0:T})}{q(x_{1:T} \mid x_0)}\right] =: L \tag{3}$$
#
# This is the **variational bound**. If you have met variational autoencoders: it is their ELBO with the sign
# turned, the forward process is the encoder, and this encoder has nothing to learn.
#
# Try it. We draw 100,000 forward walks from $x_0 = 0.8$, compute the ratio for each, and average the same
# ratios in two ways.


# %%
def walks(x_0, noise):  # forward walks [x_0, x_1, x_2, x_3], one for each row of noise (N, 3)
    x = [torch.full((len(noise),), x_0, dtype=torch.float64)]
    for t in (1, 2, 3):
        step = q_step(x[-1], tiny.at(t))
        x.append(step.mean + step.var**0.5 * noise[:, t - 1])
    return x


def log_q(x):  # log q(x_1, x_2, x_3 | x_0)
    return sum(q_step(x[t - 1], tiny.at(t)).log_prob(x[t]) for t in (1, 2, 3))


def log_p(x, w=1.0):  # log p(x_0, x_1, x_2, x_3), Eq. (1)
    steps = sum(step_back(x[t], t, w).log_prob(x[t - 1]) for t in (1, 2, 3))
    return Gaussian(0.0, 1.0).log_prob(x[3]) + steps


# %%
generator = torch.Generator().manual_seed(0)
x = walks(0.8, torch.randn(100_000, 3, generator=generator, dtype=torch.float64))
log_ratio = log_p(x) - log_q(x)
print(f"average the ratios, then -log: {-log_ratio.exp().mean().log().item():.2f}")
print(f"take -log, then average:       {-log_ratio.mean().item():.2f}")
print(f"exact -log p(0.8):             {exact_nll(0.8):.2f}")

# %% [markdown]
# The first line finds $-\log p_\theta(x_0)$, with no integral. Then why not use it? Because it only works in
# a tiny world: with 784,000 variables a few freak walks would have almost all of the ratio's weight, and you
# would never draw them. The second line, the bound, is an average of *logarithms*, which are tame numbers. It
# is a little too large, as promised.
#
# ### How large is the gap?
#
# Split the probability of a walk: $p_\theta(x_{0:T}) = p_\theta(x_0)\,p_\theta(x_{1:T} \mid x_0)$. The first
# factor does not depend on the walk, so it leaves the average, and what remains is
#
# $$L - \big({-\log p_\theta(x_0)}\big) = \mathbb E_q\!\left[\log \frac{q(x_{1:T} \mid x_0)}{p_\theta(x_{1:T} \mid x_0)}\right]
# = D_\mathrm{KL}\big(q(x_{1:T} \mid x_0)\,\big\|\,p_\theta(x_{1:T} \mid x_0)\big).$$
#
# That is the **Kullback–Leibler divergence**, the yardstick that lesson 02 borrowed: the average of
# $\log q - \log p$ under $q$. It is never negative, and zero only if the two distributions are the same. So
# the gap compares two answers to one question, *how did we get from $x_0$ to noise?*: the walks that the
# forward process takes, and the walks that the model would guess.
#
# In the tiny world we can compute both sides. On the left, $L$ without random draws: for a quadratic
# expression in independent standard normal numbers it is enough to let each be $-1$ or $1$, because these two
# have the same mean, 0, and the same mean square, 1. Three numbers give eight walks.


# %%
signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 3)  # (8, 3)


def exact_bound(x_0, w=1.0):  # Eq. (3)
    x = walks(x_0, signs)
    return (log_q(x) - log_p(x, w)).mean().item()


print(f"bound {exact_bound(0.8):.4f}, exact {exact_nll(0.8):.4f}")
print(f"gap   {exact_bound(0.8) - exact_nll(0.8):.4f}")

# %% [markdown]
# On the right, by another road altogether: if the log of a density is quadratic, the density is a Gaussian,
# and PyTorch's automatic differentiation finds which. The second derivatives give the covariance, the first
# give the mean. Both distributions of walks are such Gaussians in three numbers, and PyTorch knows the KL of
# those.


# %%
def as_gaussian(log_density):  # the Gaussian over (x_1, x_2, x_3) with this log-density
    origin = torch.zeros(3, 1, dtype=torch.float64)
    covariance = (-hessian(log_density, origin).view(3, 3)).inverse()
    return MultivariateNormal(covariance @ jacobian(log_density, origin).view(3), covariance)


x_0 = torch.tensor([0.8], dtype=torch.float64)
forward = as_gaussian(lambda walk: log_q([x_0, *walk]).sum())
guessed = as_gaussian(lambda walk: log_p([x_0, *walk]).sum())
print(f"KL(forward walks || the model's walks) = {kl_divergence(forward, guessed).item():.4f}")

# %% [markdown]
# The same number. So the bound is right, and we know what it overcharges us for. Here it is for other $x_0$
# (left), and for other networks (right, averaged over all data; by the same trick as above, $x_0 = \pm 0.5$
# stands for the whole of $\mathcal N(0, 0.25)$):

# %% tags=["nbval-ignore-output"]
places = torch.linspace(-1.6, 1.6, 41, dtype=torch.float64)
knobs = torch.linspace(0.7, 1.3, 31, dtype=torch.float64)
over_x0 = [(exact_nll(x, 1.0), exact_bound(x, 1.0)) for x in places.tolist()]
over_w = [(exact_nll(0.5, w), exact_bound(0.5, w)) for w in knobs.tolist()]
gaps = {
    "$x_0$, with the best network": loss_plots.Gap(places, *torch.tensor(over_x0).T),
    "knob $w$ of the network, mean over $x_0$": loss_plots.Gap(knobs, *torch.tensor(over_w).T),
}
show(
    loss_plots.bound_gaps(gaps),
    alt="Two panels, each with the exact negative log-likelihood and the bound above it. Left, over x_0: two parabolas, "
    "the gap is narrow everywhere. Right, over the network's knob w: the bound is a steep valley with its lowest "
    "point at w = 1; the exact curve below is flatter, touches nearly at w = 1, and is lowest near w = 1.2.",
)

# %% [markdown]
# **What is a bound good for?** Push $L$ down, and either the model gets better or the gap closes; the true
# loss lies below in any case. The right panel shows this, and also the small print. The bound is lowest
# exactly at $w = 1$, the best prediction of the noise. The likelihood itself is lowest a little further
# right, at a network that exaggerates: three steps are so coarse that overdoing it repairs some of the
# damage. A bound is a stand-in, not the thing. With more and smaller steps the difference fades, as you will
# see in a moment.
#
# ## Three kinds of terms
#
# Eq. (3) compares whole walks, forward against backward. It would be handy to compare *single steps*, but the
# two walk in opposite directions: $q(x_t \mid x_{t-1})$ goes up, $p_\theta(x_{t-1} \mid x_t)$ comes down.
# Lesson 02 taught the trick that turns a forward step round, and its condition: given $x_0$, Bayes' rule is
# harmless.
#
# $$q(x_t \mid x_{t-1}) = q(x_t \mid x_{t-1}, x_0) = \frac{q(x_{t-1} \mid x_t, x_0)\; q(x_t \mid x_0)}{q(x_{t-1} \mid x_0)}$$
#
# Multiply this for $t = 2 \dots T$, and by $q(x_1 \mid x_0)$ for the first step. The fractions
# $q(x_t \mid x_0) / q(x_{t-1} \mid x_0)$ cancel like the segments of a telescope, and all that is left of
# them is $q(x_T \mid x_0)$:
#
# $$q(x_{1:T} \mid x_0) = q(x_T \mid x_0)\prod_{t=2}^{T} q(x_{t-1} \mid x_t, x_0)$$
#
# The forward walk, told backwards: jump to the end, then take posterior steps. Is that the same probability,
# for every walk? For our 100,000:

# %%
told_backwards = q_marginal(x[0], tiny.at(3)).log_prob(x[3])
for t in (3, 2):
    told_backwards = told_backwards + q_posterior(x[0], x[t], tiny.at(t)).log_prob(x[t - 1])
difference = (told_backwards - log_q(x)).abs().max().item()
print("log-probabilities agree for every walk, to 1e-12:", difference < 1e-12)

# %% [markdown]
# Now each factor of $q$ has a partner in $p_\theta$, Eq. (1). Put both into Eq. (3), pair them up, and
# average. A $\log q - \log p$ averaged under $q$ is a KL:
#
# $$L = \mathbb E_q\Big[\underbrace{D_\mathrm{KL}\big(q(x_T \mid x_0)\,\|\,p(x_T)\big)}_{L_T}
# + \sum_{t=2}^{T}\underbrace{D_\mathrm{KL}\big(q(x_{t-1} \mid x_t, x_0)\,\|\,p_\theta(x_{t-1} \mid x_t)\big)}_{L_{t-1}}
# \;\underbrace{-\log p_\theta(x_0 \mid x_1)}_{L_0}\Big] \tag{5}$$
#
# | term | the question it asks | depends on $\theta$? |
# |---|---|---|
# | $L_T$, **prior matching** | is the end of the forward process really $\mathcal N(0, I)$, where sampling starts? | no: fixed by the schedule |
# | $L_{t-1}$, **denoising matching** | how far is the model's step back from the true posterior, the one that was told $x_0$? | yes: here it learns |
# | $L_0$, **reconstruction** | the last step: how probable is the clean image, seen from $x_1$? | yes |
#
# Every KL stands for one step and needs one $x_t$, which one jump of Eq. (4) provides. The same trick as
# above makes the averages exact ($\epsilon = -1$ and $1$):


# %%
def three_kinds(x_0, w=1.0, schedule=tiny):  # Eq. (5), each term averaged exactly
    eps = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    x_0 = torch.full((2,), x_0, dtype=torch.float64)
    terms = {schedule.T: q_marginal(x_0, schedule.at(schedule.T)).kl(Gaussian(0.0, 1.0))}
    for t in range(schedule.T, 0, -1):
        x_t = q_sample(x_0, schedule.at(t), eps)
        p = step_back(x_t, t, w, schedule)
        matched = q_posterior(x_0, x_t, schedule.at(t))
        terms[t - 1] = matched.kl(p) if t > 1 else -p.log_prob(x_0)
    return {i: term.mean().item() for i, term in terms.items()}


terms = three_kinds(0.8)
print(" + ".join(f"L_{i}" for i in terms), "=", " + ".join(f"{L:.4f}" for L in terms.values()))
print(f"Eq. (5): {sum(terms.values()):.4f}     Eq. (3): {exact_bound(0.8):.4f}")

# %% [markdown]
# The two forms agree. Nothing was given up at this arrow. What was gained? First, **a training step may pick
# one $t$ at random** and look at that term alone, because the bound is now a sum over $t$. Second, each KL is
# a formula, where Eq. (3) had to average $\log q - \log p$ by drawing.
#
# And the gap? Here is the same world with more and smaller steps. The exact loss can never fall below the
# *entropy* of the data, the randomness that is really there.

# %%
schedules = {"3 steps": tiny, "100 steps": cosine_schedule(100), "1000 steps": schedule}
for name, s in schedules.items():
    exact, bounded = exact_nll(0.5, schedule=s), sum(three_kinds(0.5, schedule=s).values())
    print(f"{name:10}: exact {exact:.3f}, bound {bounded:.3f}, gap {bounded - exact:.3f}")
print(f"entropy   :       {0.5 * math.log(2 * math.pi * math.e * 0.25):.3f}")

# %% [markdown]
# With a thousand steps a perfect network reaches the entropy, and the bound is off by a thousandth of a nat.
# From now on we work with the bound and do not look back.
#
# ## The three terms of a real digit
#
# ### Bits per dimension
#
# A probability $p$ and a code length go together: an event of probability $p$ can be written down in
# $-\log_2 p$ bits, and not in fewer on average. So $-\log_2 p_\theta(x_0)$ is the **size of the file** that
# the model would compress this digit to. Divide by the number of pixels and you have **bits per dimension**,
# bits/dim. A nat is $1/\log 2 = 1.44$ bits.
#
# To have a feeling for the scale: MNIST stores a pixel in 8 bits. A model that knows nothing finds all 256
# grey levels equally likely:

# %%
nats = -math.log(1 / 256)
print(f"a uniform guess: {nats:.3f} nats = {nats / math.log(2):.0f} bits for each pixel")

# %% [markdown]
# So 8 bits/dim is what you get for free. Two cheap competitors show what is *not* hard: an old-fashioned zip,
# and a model that gives every one of the 784 pixels a fixed histogram of its own and ignores all the others.

# %% tags=["nbval-ignore-output"]
some = test.images[:2000]
zipped = len(zlib.compress(some.numpy().tobytes(), 9)) * 8 / some.numel()
pixels = train.images[:20_000].flatten(1).T.long()  # (784, 20000)
counts = torch.ones(784, 256).scatter_add_(1, pixels, torch.ones(pixels.shape))  # none is 0
log2_p = (counts / counts.sum(dim=1, keepdim=True)).log2()
histograms = -log2_p.gather(1, some.flatten(1).T.long()).mean().item()
print(f"zip: {zipped:.2f} bits/dim, histograms: {histograms:.2f} bits/dim")

# %% [markdown]
# Keep that number in mind, about 1.6. Most of a digit is paper, and paper is cheap. We will come back to it.
#
# ### Exercise 3.1 · From nats to bits per dimension
#
# You are given a batch of images' worth of negative log-probabilities, in nats, one for each pixel: shape
# `(B, C, H, W)`. Return the bits per dimension of each image, shape `(B,)`.
#
# <details><summary>Hint</summary><code>nats.flatten(1)</code> has one row for each image. Per dimension is a mean. Are there more bits
# than nats, or fewer?</details>


# %% tags=["nbval-ignore-output"]
def my_bits_per_dim(nats):
    return ...  # replace the dots


lesson03.bits_per_dim(my_bits_per_dim)

# %% [markdown]
# ### $L_T$: nothing to learn
#
# How far is $q(x_T \mid x_0)$ from pure noise? No network takes part, so we can compute it for our digit at
# once:

# %%
end = q_marginal(digit.double(), schedule.at(schedule.T))
L_T = end.kl(Gaussian(torch.zeros_like(digit).double(), 1.0)).mean().item() / math.log(2)
print(f"L_T = {L_T:.6f} bits/dim, {784 * L_T:.2f} bits for the whole digit")

# %% [markdown]
# A fiftieth of a bit for the whole image: fixed by design, and designed well.
#
# ### $L_0$: back to whole grey levels
#
# The last step gives a Gaussian for $x_0$, but a pixel is one of 256 grey levels, not any real number. On the
# scale from $-1$ to $1$ the levels lie $1/127.5$ apart. The paper gives each level the probability that falls
# into **its bin**, half a distance to either side:
#
# $$p_\theta(x_0 \mid x_1) = \prod_{i=1}^{784} \int_{x_0^i - 1/255}^{x_0^i + 1/255} \mathcal N\big(x;\ \mu_\theta^i(x_1, 1),\ \sigma_1^2\big)\,\mathrm dx \tag{13}$$
#
# The bins of black and white are open to the outside, so that nothing is lost. Here is one pixel of grey
# level 102 and one of level 0 (paper), when the mean is predicted *perfectly*:

# %%
var = q_posterior(0.0, 0.0, schedule.at(2)).var  # the variance at t = 1: see below
print(f"standard deviation {var**0.5:.4f}, width of a bin {1 / 127.5:.4f}")
for level in (102, 0):
    x_0 = torch.tensor([level / 127.5 - 1], dtype=torch.float64)
    nats = -decoder_log_likelihood(x_0, Gaussian(x_0, var)).item()
    print(f"level {level:3}: probability {math.exp(-nats):.3f}, {nats / math.log(2):.2f} bits")

# %% tags=["nbval-ignore-output"]
show(
    loss_plots.decoder_bins([102, 0], var),
    alt="Bars under a bell. Left, a mean at grey level 102: the level itself gets probability 0.40, its neighbours 0.24 "
    "each, the next 0.05. Right, a mean at level 0, whose bin is open on the left: it gets 0.70, level 1 gets 0.24.",
)

# %% [markdown]
# Even a perfect guess is not free, because the width $\sigma_1$ is fixed and about as large as a bin. The
# model has no way to say "I am *sure* that this is paper"; it must pay half a bit for every pixel of paper.
# Remember that when we come to the total.
#
# **Which variance?** The posterior's $\tilde\beta_1$ is 0, since at $t = 1$ it knows $x_0$ exactly, and a
# bell of width 0 puts everything into one bin. So one has to choose something here. Like the paper's code,
# this library takes $\tilde\beta_2$. ([Below](#Log-of-zero) you will see what else people took.)
#
# ### $L_{t-1}$: two Gaussians
#
# The KL of two Gaussians is a formula. For $q = \mathcal N(m_1, v_1)$ and $p = \mathcal N(m_2, v_2)$, for
# each pixel,
#
# $$D_\mathrm{KL}(q\,\|\,p) = \frac{(m_1 - m_2)^2}{2\,v_2} + \frac12\Big(\frac{v_1}{v_2} - 1 - \log\frac{v_1}{v_2}\Big).$$
#
# The first part asks whether the means agree, the second whether the widths agree. It is 0 if $v_1 = v_2$.
#
# **By calculator.** The article's posterior has mean 0.602 and variance 0.0099. Suppose the model says mean
# 0.65, variance 0.01: $0.048^2 / 0.02 = 0.1152$ for the means, and for the widths
# $\tfrac12(0.99 - 1 - \log 0.99) = 0.000025$. Let the library say so, and let a sum over a fine grid confirm
# it from the definition:

# %%
q, p = Gaussian(0.602, 0.0099), Gaussian(0.65, 0.01)
grid = torch.linspace(-0.4, 1.6, 4001, dtype=torch.float64)
integrand = q.log_prob(grid).exp() * (q.log_prob(grid) - p.log_prob(grid))
print(f"the formula: {q.kl(p):.4f} nats, the integral: {torch.trapezoid(integrand, grid):.4f}")
print(f"the widths' share: {Gaussian(0.0, q.var).kl(Gaussian(0.0, p.var)):.6f}")

# %% tags=["nbval-ignore-output"]
show_source(Gaussian.kl)

# %% [markdown]
# ## From the KL to a distance
#
# The first arrow of the route is behind us. The second: the model has no say in the widths, because
# $\sigma_t^2$ is fixed. What is left to learn is the mean:
#
# $$L_{t-1} = \mathbb E_q\!\left[\frac{1}{2\sigma_t^2}\,\big\|\tilde\mu_t(x_t, x_0) - \mu_\theta(x_t, t)\big\|^2\right] + C \tag{8}$$
#
# $\|\cdot\|^2$ is the sum of the squares over all pixels, and $C$ does not depend on $\theta$. **A KL has
# become a squared error.** Distances count in units of the width, and double distance costs four times as
# much:

# %% tags=["nbval-ignore-output"]
show(
    loss_plots.equal_widths(),
    alt="Left, four bells of the same width, three of them shifted by 0.5, 1 and 2 standard deviations. Right, the KL "
    "over the distance: a parabola through 0.125, 0.5 and 2 nats.",
)

# %% [markdown]
# **An honest remark.** "With equal variances the KL becomes a squared distance" is exactly true for
# $\sigma_t^2 = \tilde\beta_t$, the posterior's own variance. For $\sigma_t^2 = \beta_t$, the article's choice
# in sampling, the widths differ, and $C$ is not 0. But it is the same for every network, so it cannot
# influence training. Watch it on our digit, with two very different networks, one that answers 0 and one that
# answers at random:

# %%
generator = torch.Generator().manual_seed(1)
x_0 = digit.double()
print("   t | sigma^2 = beta:  C of network 1, of network 2 | sigma^2 = beta-tilde:  C")
for t in (2, 10, 100, 500, 1000):
    c, row = schedule.at(t), []
    x_t = q_sample(x_0, c, torch.randn(x_0.shape, generator=generator).double())
    posterior = q_posterior(x_0, x_t, c)
    for eps, variance in ((0.0, "beta"), (torch.randn_like(x_0), "beta"), (0.0, "posterior")):
        p = p_step(x_t, c, eps * torch.ones_like(x_0), variance=variance).p
        distance = (posterior.mean - p.mean) ** 2 / (2 * p.var)
        row.append((posterior.kl(p) - distance).mean().item() / math.log(2))
    print(f"{t:4} | {row[0]:32.6f}, {row[1]:12.6f} | {abs(row[2]):24.6f}")

# %% [markdown]
# $C$ depends on $t$ alone. It is a toll in bits that every model with $\sigma_t^2 = \beta_t$ has to pay,
# mostly in the first few steps. All tolls together:

# %%
pairs = [(schedule.at(t), q_posterior(0.0, 0.0, schedule.at(t)).var) for t in range(2, 1001)]
toll = sum(Gaussian(0.0, var).kl(Gaussian(0.0, c.beta)) for c, var in pairs) / math.log(2)
print(f"sum of all C for sigma^2 = beta: {toll:.3f} bits/dim")

# %% [markdown]
# ### Exercise 3.2 · Equal widths
#
# Return the KL, in nats, of two Gaussians with means `mean_q` and `mean_p` and the same variance `var`. No
# sum: one value for each entry.
#
# <details><summary>Hint</summary>It is Eq. (8) without the norm. Is <code>var</code> sigma, or sigma squared?</details>


# %% tags=["nbval-ignore-output"]
def my_kl(mean_q, mean_p, var):
    return ...  # replace the dots


lesson03.kl(my_kl)

# %% [markdown]
# ## From the mean to the noise
#
# The network should hit $\tilde\mu_t(x_t, x_0)$. In lesson 02 we wrote that mean with the noise in place of
# $x_0$, Eq. (11), and it holds for the true posterior with the true noise $\epsilon$ as it does for the model
# with the guess $\epsilon_\theta$:
#
# $$\tilde\mu_t = \frac{1}{\sqrt{\alpha_t}}\Big(x_t - \frac{\beta_t}{\sqrt{1-\bar\alpha_t}}\,\epsilon\Big), \qquad
# \mu_\theta = \frac{1}{\sqrt{\alpha_t}}\Big(x_t - \frac{\beta_t}{\sqrt{1-\bar\alpha_t}}\,\epsilon_\theta(x_t, t)\Big).$$
#
# Subtract one from the other. **$x_t$ cancels**: both know it. What remains is the error of the noise, times
# a number:
#
# $$\tilde\mu_t - \mu_\theta = -\frac{\beta_t}{\sqrt{\alpha_t}\sqrt{1-\bar\alpha_t}}\,\big(\epsilon - \epsilon_\theta(x_t, t)\big)$$
#
# Square it and put it into Eq. (8):
#
# $$L_{t-1} - C = \mathbb E_{x_0, \epsilon}\!\left[\frac{\beta_t^2}{2\sigma_t^2\,\alpha_t\,(1-\bar\alpha_t)}\,
# \Big\|\epsilon - \epsilon_\theta\big(\sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon,\ t\big)\Big\|^2\right] \tag{12}$$
#
# That was the third arrow. It is exact: only letters changed. Your turn to turn it into code.
#
# ### Exercise 3.3 · The weight
#
# Return the factor in front of the norm in Eq. (12). `c` has the fields `beta`, `alpha`, `alpha_bar`,
# `alpha_bar_prev`; `var` is $\sigma_t^2$.
#
# <details><summary>Hint</summary>Read it off, letter by letter. Which of the two alphas under the line carries a bar?</details>


# %% tags=["nbval-ignore-output"]
def my_weight(c, var):
    return ...  # replace the dots


lesson03.weight(my_weight)

# %% [markdown]
# Here is Eq. (12) against Eq. (8) on our digit: the squared distance of the means on the left, the weighted
# squared error of the noise on the right. The "network" is a clumsy one: it answers with the true noise plus
# some of its own.

# %%
generator = torch.Generator().manual_seed(2)
for t in (2, 10, 100, 500, 1000):
    c = schedule.at(t)
    eps, blunder = torch.randn(2, *x_0.shape, generator=generator, dtype=torch.float64)
    x_t, guess = q_sample(x_0, c, eps), eps + 0.3 * blunder
    distance = (q_posterior(x_0, x_t, c).mean - p_mean_from_eps(x_t, c, guess)) ** 2
    left = distance.sum().item() / (2 * c.beta)
    right = noise_weight(c, c.beta) * ((eps - guess) ** 2).sum().item()
    print(f"t = {t:4}: by the means {left:.6f} nats, by the noise {right:.6f} nats")

# %% [markdown]
# ### Three languages for one guess
#
# Given $x_t$, a guess at the noise, a guess at the clean image and a guess at the mean of the step are **the
# same information**: each is a linear function of each other. Translate one round the circle and it comes
# back:

# %%
c = Coefficients(beta=0.01, alpha=0.99, alpha_bar=0.5, alpha_bar_prev=0.505)
x_t, eps = 0.6, 0.25
x0_hat = predict_x0(x_t, c, eps)
mean = p_mean_from_eps(x_t, c, eps)
back = (x_t - c.alpha**0.5 * mean) * (1 - c.alpha_bar) ** 0.5 / c.beta
print(f"noise {eps} -> clean image {x0_hat:.4f} -> mean {mean:.4f} -> noise {back:.4f}")

# %% [markdown]
# But an error looks very different in the three languages. Let the noise be wrong by 0.1:

# %%
print("   t | error of eps | of x0_hat | of the mean of the step")
for t in (1, 10, 100, 500, 1000):
    c = schedule.at(t)
    of_x0 = predict_x0(0.0, c, 0.0) - predict_x0(0.0, c, 0.1)
    of_mean = p_mean_from_eps(0.0, c, 0.0) - p_mean_from_eps(0.0, c, 0.1)
    print(f"{t:4} |     0.1      | {of_x0:9.4f} | {of_mean:.6f}")

# %% [markdown]
# At $t = 1000$ an error of 0.1 in the noise is an error of 16 in the clean image, eight times the distance
# from black to white; at $t = 1$ it is an eighth of one grey level. A squared error on $x_0$ would be ruled
# by large $t$, where nobody can know the image. And the mean of the step is an awkward target for another
# reason: nearly all of it is $x_t$, which the network is given anyway; the news is a thousandth. The noise
# has variance 1 at every $t$, and all of it is news.
#
# The paper tried the others too: predicting the mean worked with the weights of the bound but not with the
# plain squared error we are coming to, and predicting $x_0$ gave worse samples early on (section 3.2 and
# table 2 there).
#
# ## $L_\text{simple}$
#
# The last arrow is the only one that gives something up. How do the weights of Eq. (12) depend on $t$?

# %% tags=["nbval-ignore-output"]
t = torch.arange(2, 1001)
weights = {
    name: torch.tensor([noise_weight(c, var if name == "tilde" else c.beta) for c, var in pairs])
    for name in ("beta", "tilde")
}
lines = {
    r"Eq. (12), $\sigma_t^2 = \beta_t$": (t, weights["beta"]),
    r"Eq. (12), $\sigma_t^2 = \tilde\beta_t$": (t, weights["tilde"]),
    r"$L_{simple}$, of the same mean": (t, torch.full((999,), weights["beta"].mean().item())),
}
show(
    loss_plots.over_time(lines, y_label="weight of the error at $t$"),
    alt="The weights over t on logarithmic axes. Both of Eq. (12) fall from 0.27 or 0.60 at t = 2 to 0.005 near "
    "t = 350, and rise again to 0.01 at t = 1000. The weight of L_simple is a flat line just below 0.01.",
)

# %%
for t in (2, 10, 100, 350, 1000):
    c = schedule.at(t)
    print(f"t = {t:4}: weight {noise_weight(c, c.beta):.4f}")
share = weights["beta"][:49].sum() / weights["beta"].sum()
print(f"share of all weight that lies on t = 2 ... 50: {share:.0%}, in L_simple {49 / 999:.0%}")

# %% [markdown]
# The bound cares a great deal about the first few steps, fifty times more at $t = 2$ than at $t = 350$. Ho,
# Jain and Abbeel **dropped the weight**:
#
# $$L_\text{simple}(\theta) = \mathbb E_{t, x_0, \epsilon}\Big[\big\|\epsilon - \epsilon_\theta\big(\sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon,\ t\big)\big\|^2\Big],
# \qquad t \text{ uniform in } 1 \dots T \tag{14}$$
#
# Compared with the bound, small $t$ count less and large $t$ count more. At small $t$ the task is to remove
# noise that no eye can see. At large $t$ it is to decide what the picture shall be. A network of limited size
# does better to spend its strength there, and the samples look better for it. The price is a slightly worse
# likelihood. The paper measured both on CIFAR-10 (its tables 1 and 2): trained on the bound, 3.70 bits/dim
# and an FID of 13.5; trained on $L_\text{simple}$, 3.75 bits/dim and an FID of 3.2. (FID measures how far the
# samples are from real images; lower is better. It has its own place in lesson 07.)
#
# Note what has *not* changed. For each $t$ on its own, the best answer is the same with any positive weight.
# A network that could be perfect at every $t$ would be the same network.
#
# ### The one line
#
# **By calculator.** Take the pixel of lesson 01: $x_0 = 0.8$ and $\epsilon = 0.3$ gave $x_t = 0.778$. The
# network sees 0.778 and $t$, and says 0.25. The noise was 0.3, so this example costs
# $(0.3 - 0.25)^2 = 0.0025$. Here it is by the library, and then the library's loss, all of it:

# %%
eps, guess = torch.tensor([0.3]), torch.tensor([0.25])
c = Coefficients(beta=0.01, alpha=0.99, alpha_bar=0.5, alpha_bar_prev=0.505)
x_t = q_sample(torch.tensor([0.8]), c, eps)
loss = torch.nn.functional.mse_loss(guess, eps)
print(f"the network sees {x_t.item():.3f} and says {guess.item()}: loss {loss.item():.4f}")

# %% tags=["nbval-ignore-output"]
show_source(simple_loss, draw_noise)

# %% [markdown]
# **Sum or mean?** $\|\cdot\|^2$ in Eq. (14) is a sum over pixels; the paper's code, and this library, take
# the **mean**. That divides by a constant, 784, and changes nothing about the best network. But it gives the
# loss a scale that you can remember: the noise has variance 1, so **a network that always answers 0 scores
# 1**, whatever the size of the image. Anything below 1 is knowledge. Our U-Net starts there, because its last
# layer starts at zero.


# %%
def always_zero(x_t, t):
    return torch.zeros_like(x_t)


generator = torch.Generator().manual_seed(3)
lazy = simple_loss(always_zero, schedule, test[:500], generator=generator).item()
print(f"a network that always answers 0 scores {lazy:.2f}")

# %% tags=["nbval-ignore-output"]
net = load_pretrained().eps_model  # trained on the 60,000 training digits; these are others
with torch.no_grad():
    score = simple_loss(net, schedule, test[:500], generator=generator).item()
print(f"the trained network that comes with the course scores {score:.3f}")

# %% [markdown]
# ### One training example under a slider
#
# The network gets $x_t$ and $t$. It has to say what the noise was. Each $t$ below is a possible training
# example, with one draw of noise; the last panel is what the network would reconstruct from its guess,
# $\hat x_0$ of Eq. (15).

# %% tags=["nbval-ignore-output"]
times = [1, 2, 5, 10, 20, 30, *range(50, 1001, 50)]
t = torch.tensor(times)
copies = digit.expand(len(t), -1, -1, -1)  # the same digit at each t, and the same noise
eps = torch.randn(digit.shape, generator=torch.Generator().manual_seed(4)).expand_as(copies)
c = schedule.at(t, like=copies)
x_t = q_sample(copies, c, eps)
with torch.no_grad():
    guess = net(x_t, t)
errors = ((eps - guess) ** 2).mean(dim=(1, 2, 3)).tolist()
panels = {
    "x_t": x_t,
    "the noise ε": eps / 3,
    "the guess": guess / 3,
    "the error": (eps - guess) / 3,
    "x̂_0": predict_x0(x_t, c, guess),
}
alts = [
    f"t = {t}, mean squared error of the guess {e:.4f}" for t, e in zip(times, errors, strict=True)
]
player(panels, alts, values=times, start=len(times) // 2, width=140)

# %% [markdown]
# (Noise is shown divided by 3, so that grey is 0.) Three things to see:
#
# - **Large $t$:** $x_t$ is nearly all noise, so the noise is easy to read off. At $t = 1000$ the error is a
#   thousandth or less, and $\hat x_0$ is nonsense all the same, because Eq. (15) magnifies that error 157 times.
#   A small error in the noise can hide complete ignorance of the image.
# - **Middle $t$:** now the error has a form. Around $t = 500$ the network may take the 3 for another digit, and
#   the 3 that it missed stands in the error. What it does not know about the image is what it does not know
#   about the noise.
# - **Small $t$:** the noise can hardly be seen. On paper the network still finds it, because paper is exactly
#   $-1$. In the strokes it cannot tell one per cent of noise from the pen's own shades, and the error there is
#   as large as the noise.
#
# ### Algorithm 1
#
# Training is this, again and again:
#
# ![Six cards in a ring: take a digit; draw a timestep; draw noise; mix the two; predict the noise; take a gradient step; and again](../figures/training_algorithm.svg)
#
# | step | in the code |
# |---|---|
# | 1. take $x_0$ from the data | the argument `x_0` of `simple_loss`, a batch |
# | 2. draw $t$ from $1 \dots T$, all equally likely | `draw_noise`: `torch.randint(1, schedule.T + 1, ...)` |
# | 3. draw $\epsilon$ from $\mathcal N(0, I)$ | `draw_noise`: `randn_like(x_0, ...)` |
# | 4. make $x_t$, one jump of Eq. (4) | `x_t = q_sample(x_0, schedule.at(t, like=x_0), eps)` |
# | 5. predict the noise | `predicted = eps_model(x_t, t)` |
# | 6. take a gradient step on the squared error | `mse_loss(predicted, eps)`, then `loss.backward()` and `optimizer.step()` |
#
# No chain is walked in training. Each example is one jump and one call of the network, and every image of the
# batch has a $t$ of its own. Lesson 05 runs the whole thing.
#
# ### Exercise 3.4 · One training example
#
# Steps 4 to 6, without the gradient: you are given the network, the schedule, a batch `x_0`, its `t` (one
# whole number for each image) and its noise `eps`. Return the loss, a scalar.
#
# <details><summary>Hint</summary><code>schedule.at(t, like=x_0)</code> gives coefficients that fit the batch. <code>q_sample</code> is imported already. Take the
# mean of the squares, over everything.</details>


# %% tags=["nbval-ignore-output"]
def my_loss(eps_model, schedule, x_0, t, eps):
    return ...  # replace the dots, and use more lines if you like


lesson03.one_example(my_loss)

# %% [markdown]
# ### Exercise 3.5 · Which t?
#
# `torch.randint(low, high, (B,))` draws whole numbers. Which `low` and `high` draw $t$ from
# $1, 2, \dots, 1000$, all equally likely? Put both as a pair, `(low, high)`.
#
# <details><summary>Hint</summary>Like Python's <code>range</code>, it leaves one of its ends out.</details>

# %% tags=["nbval-ignore-output"]
my_arguments = ...  # your answer: (low, high)

lesson03.randint_arguments(my_arguments)

# %% [markdown]
# ## The loss that cannot reach zero
#
# Train a diffusion model, and you will see this: in the first minutes the loss falls from 1 to something like
# 0.03, and then, to all appearances, it *stops*. Beginners stop the training there. Is the network not
# learning any more?
#
# Look at the task once more. The network sees $x_t$ and should name the noise. But many pairs of image and
# noise give the same $x_t$, and it was drawn from one of them. **No network can know which.** The best it can
# do is the average noise over all that are possible, $\epsilon^*(x_t, t) = \mathbb E[\epsilon \mid x_t]$, and
# what remains,
#
# $$\mathbb E\,\big\|\epsilon - \epsilon^*(x_t, t)\big\|^2 > 0,$$
#
# is a **floor** that belongs to the data, not to the network. In a world where $\epsilon^*$ is a formula we
# can compute the floor first and then train. We take lesson 02's pixel that is black or white, and a net with
# two hidden layers.

# %%
toy = Mixture(*TOYS["two_peaks"]())
generator = torch.Generator().manual_seed(5)
pixels = toy.sample(256_000, generator).float()  # (256000, 1)
floor = simple_loss(toy.eps_model(schedule), schedule, pixels, generator=generator).item()
print(f"the best possible network scores {floor:.2f}")


# %%
class SmallNet(torch.nn.Module):
    def __init__(self):
        super().__init__()
        first, middle = torch.nn.Linear(33, 64), torch.nn.Linear(64, 64)
        last, bend = torch.nn.Linear(64, 1), torch.nn.SiLU()
        self.layers = torch.nn.Sequential(first, bend, middle, bend, last)

    def forward(self, x_t, t):
        waves = sinusoids(t, 32)  # t as 32 numbers: lesson 04
        return self.layers(torch.cat([x_t, waves], dim=1))


# %% tags=["nbval-ignore-output"]
torch.manual_seed(0)
small, losses = SmallNet(), []
optimizer = torch.optim.Adam(small.parameters(), lr=0.02)
slower = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 1000)
for x_0 in pixels.split(256):  # 1000 batches
    loss = simple_loss(small, schedule, x_0, generator=generator)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    slower.step()
    losses.append(loss.item())
show(
    loss_plots.loss_curve(losses, floor),
    alt="The loss of a small network falls from above 0.8 within the first hundred steps to 0.3, then slowly towards a "
    "dashed line at 0.20, the lowest loss possible, and stays just above it while single batches scatter widely.",
)

# %% [markdown]
# The curve does what yours will do, and here we know why: it has arrived. The scatter of single batches is
# luck, mostly which $t$ were drawn. For real digits nobody knows the floor. So a flat curve says little;
# compare runs by long averages, or look at samples.

# %% [markdown]
# ### Exercise 3.6 · Why squares?
#
# Many answers are right here. "The best it can do is the average" is no law of nature: it is what *squares* ask
# for. With absolute errors the best guess would be the median. But lesson 02 needs the average, because Eq. (7) is
# linear in $x_0$. Is the square the only distance that asks for it?
#
# Write another one. You are given a batch of guesses and a batch of truths, both of shape `(8,)`, numbers from
# $-4$ to $4$. Return one number, such that
#
# - it is 0 where all guesses are right, and never negative;
# - it grows when guesses move away from their truths: any of them, to either side;
# - where several truths share one guess (the network saw the same $x_t$), it is smallest if that guess is their
#   mean, however skewed they are and whatever the other guesses;
# - it is not the squared error in other units: twice the error does not always cost four times as much.
#
# <details><summary>Hint</summary>There are two roads. The first begins at the mean of the squares: a valley stays
# where it is if you measure its heights on another scale. The second begins at a bowl, any curve that bends upwards
# everywhere. Lay the tangent to it at the guess. How far above the tangent is the bowl, at the truth?</details>


# %% tags=["nbval-ignore-output"]
def my_distance(guess, truth):
    return ...  # replace the dots: one number


lesson03.distance(my_distance)

# %% [markdown]
# <details><summary>When it has passed: could one train with it?</summary>In training every batch is another one, and
# the losses of all batches add up. A sum over the numbers of a batch does not mind how they are divided. The root of
# such a sum does: for a batch of one number it is the absolute error, and the median is back. So the second road
# leads to losses for training, and the first need not. Those of the second are called Bregman divergences; the squared
# error is the one of the bowl $x^2$.</details>
#
# ### The floor at each t
#
# Where does it come from? Here are three of them. The pixel world's exact floor. The exact floor of a world
# that consists of 64 digits and nothing else (lesson 02's photocopier). And what the trained network leaves
# over on test digits, which is no floor, but an upper limit of one.

# %% tags=["nbval-ignore-output"]
known = train[:64]
photocopier = Mixture.from_data(known).eps_model(schedule)
cases = {
    "a pixel, black or white: exact": (toy.eps_model(schedule), pixels[:20_000]),
    "a world of 64 digits: exact": (photocopier, known),
    "the trained network, test digits": (net, test[:64]),
}
times = torch.tensor(
    [1, 2, 4, 7, 10, 20, 40, 70, 100, 150, 200, 300, 400, 500, 600, 700, 800, 900, 1000]
)
lines = {}
for name, (model, x_0) in cases.items():
    rest = []
    for t in times.tolist():
        eps = torch.randn(x_0.shape, generator=generator)
        with torch.no_grad():
            guess = model(q_sample(x_0, schedule.at(t), eps), torch.full((len(x_0),), t))
        rest.append(((guess - eps) ** 2).mean().item())
    lines[name] = (times, torch.tensor(rest).clamp(min=1e-6))
show(
    loss_plots.over_time(lines, y_label="mean squared error of the noise"),
    alt="Mean squared error over t, logarithmic axes. The pixel world starts at 1 for t = 1, dips at 100, rises to 0.5 at "
    "200 and falls to almost 0 at 1000. The world of 64 digits is at the bottom except for a hump of 0.004 around "
    "t = 600. The trained network starts at 0.15 and falls steadily to almost 0 at 1000.",
)

# %% [markdown]
# - **The pixel:** at $t = 1$ the floor is 1, as bad as answering 0. The data vary on their own by more than
#   that wisp of noise, and nobody can tell the two apart. The bump near $t = 200$ is the question "black or
#   white?".
# - **64 digits:** for small $t$ one glance tells which of the 64 it is, so the noise is known exactly. Only
#   around $t = 600$ is there any doubt. A network with this curve on its training digits has memorised them.
#   (What lies below $10^{-6}$ is drawn at $10^{-6}$.)
# - **The trained network** pays most at small $t$, on the pens' shades; the average of this curve over all
#   $t$ is the loss that a progress bar shows.
#
# ## The bound of a real digit
#
# Back to the bound, and to the question what a trained network is worth in bits. `bound` computes Eq. (5)
# term by term: for each $t$ one draw of $x_t$, one call of the network, one KL; at $t = 1$ Eq. (13); at the
# end $L_T$.

# %% tags=["nbval-ignore-output"]
show_source(bound)

# %% [markdown]
# First a check on a case where we know the answer in advance. In the world of 64 digits, to name an image is
# to name one of 64: that takes $\log_2 64 = 6$ bits. Let the exact $\epsilon^*$ of that world have its bound
# computed, with the posterior's variance, for 16 of its digits:

# %%
generator = torch.Generator().manual_seed(6)
copied = bound(photocopier, schedule, known[:16], variance="posterior", generator=generator)
print(f"denoising, all t together: {784 * copied.denoising.sum(dim=0).mean():.0f} bits per digit")
print(f"reconstruction: {copied.reconstruction.mean():.2f} bits/dim")

# %% [markdown]
# Six bits, as it must be. A thousand KLs between 784-dimensional Gaussians add up to the information "which
# of 64". (And the fixed $\sigma_1$ costs 0.65 bits/dim on top, although every mean is perfect. You saw why.)
# What does the photocopier say to a digit that is not among its 64?

# %%
stranger = bound(photocopier, schedule, digit, variance="posterior", generator=generator)
print(f"a test digit: more than 1000 bits/dim: {stranger.total.item() > 1000}")

# %% [markdown]
# "Impossible." A likelihood on unseen data cannot be cheated by memorising.
#
# Now the trained network, on our test digit, for both choices of $\sigma_t^2$. The draws of $x_t$ are the
# same for both, so `bounds` asks the network only once and uses each answer twice.

# %% tags=["nbval-ignore-output"]
names = {"beta": r"$\sigma_t^2 = \beta_t$", "posterior": r"$\sigma_t^2 = \tilde\beta_t$"}
both = bounds(net, schedule, digit, generator=torch.Generator().manual_seed(7))

# %% tags=["nbval-ignore-output"]
eps = torch.randn(digit.shape, generator=torch.Generator().manual_seed(1))
x_ts = {t: q_sample(digit, schedule.at(t), eps) for t in (1, 3, 10, 30, 100, 300, 1000)}
show(
    loss_plots.bound_in_pictures({names[v]: b for v, b in both.items()}, x_ts),
    alt="Above, the digit 3 at t = 1, 3, 10, 30, 100, 300 and 1000; it looks clean up to 30. Middle, the denoising term of "
    "each t on logarithmic axes: from 0.25 bits per dimension at t = 2 down to a millionth at 1000. Below, sums over "
    "pieces of the axis: about 0.95 for L_0, then 0.37, 0.33, 0.25, 0.19, 0.11 and 0.06 up to t = 1000, nothing for L_T; "
    "a little less with the posterior's variance. Together 2.3 and 2.0.",
)

# %% tags=["nbval-ignore-output"]
for variance, b in both.items():
    parts = f"{b.reconstruction.item():.2f} + {b.denoising.sum().item():.2f} + {b.prior.item():.5f}"
    print(f"{variance:9}: L_0 + sum of L_(t-1) + L_T = {parts} = {b.total.item():.2f} bits/dim")
early = both["beta"].denoising[:31].sum() + both["beta"].reconstruction
print(f"share of t = 1 ... 30: {early.item() / both['beta'].total.item():.0%}")

# %% [markdown]
# Take your time with this picture.
#
# - **Most bits are spent where you see nothing happen.** About four fifths of them lie at $t \le 30$, where
#   the digit looks clean. They pin down the exact grey of every pixel. What makes it a 3, its form and its
#   place, is decided at $t > 300$ and costs less than a tenth of a bit per pixel. That is why the bound
#   weighs small $t$ so heavily, and why a loss that is meant to give good *pictures* should not.
# - **$\tilde\beta_t$ beats $\beta_t$** on this digit. It saves the toll of 0.49 bits/dim that you computed
#   above, and gives part of it back, because a narrower bell charges more for each error of the mean.
# - **Is that good?** It is far better than 8, the uniform guess. But zip needed about 1.6! Our network draws
#   digits that zip could not dream of, and compresses worse. There is no contradiction. Nearly all pixels of
#   MNIST are *exactly* black or white. Zip exploits that; a Gaussian of fixed width cannot say "exactly", and
#   pays half a bit for every pixel of paper. And $L_\text{simple}$ never asked the network to be good at the
#   small $t$ where the bits are.
#
# Whoever reports such a number should say of which data, with which bins, with which $\sigma_t^2$; and that
# it is one draw of $x_t$ for each $t$, on one digit, in our case.
#
# ## What breaks if ...
#
# **... the loss is summed and not averaged?** Then its size depends on the image's. Here the network that
# answers 0, on digits and on digits enlarged to twice the side:

# %%
generator = torch.Generator().manual_seed(8)
for side in (28, 56):
    images = torch.nn.functional.interpolate(test[:50], size=side)
    mean = simple_loss(always_zero, schedule, images, generator=generator).item()
    print(f"{side} x {side}: mean {mean:.2f}, sum over an image {mean * side * side:.0f}")

# %% [markdown]
# The gradient grows by the same factor, 784 or 3136. Plain gradient descent with the old learning rate
# explodes. Adam divides the factor out again and hides it, except where gradients are clipped: then *every*
# step is clipped. And the losses of two programs cannot be compared. A mean can go wrong quietly, too: from
# June 2022 to September 2023 one of the most used implementations wrote `reduce(loss, 'b ... -> b (...)',
# 'mean')`, which keeps every pixel and averages nothing; a later mean over everything hid it
# (lucidrains/denoising-diffusion-pytorch, commit
# [01c6bed](https://github.com/lucidrains/denoising-diffusion-pytorch/commit/01c6bed)).
#
# **... nats are reported as bits?** Then every model improves by 31 % without any work: 2 bits are 1.39 nats.
# Readers who try to reproduce a published likelihood get stuck and ask, again and again
# ([pesser/pytorch_diffusion #5](https://github.com/pesser/pytorch_diffusion/issues/5),
# [openai/improved-diffusion #33](https://github.com/openai/improved-diffusion/issues/33)). The unit is the first
# thing to check; sum or mean the second; and the third is this:
#
# **... $L_T$ is forgotten?** With this schedule it does not matter: 0.00003. But it is the term that catches
# the "deadly bug" of lesson 01. Keep the betas and set $T = 50$:

# %%
short = torch.linspace(1e-4, 0.02, 50, dtype=torch.float64)  # linear_schedule(50) would warn
lefts = {"T = 1000": schedule.alpha_bars[-1].item(), "T = 50": (1 - short).prod().item()}
for name, left in lefts.items():
    end = Gaussian(left**0.5 * digit.double(), 1 - left)
    L_T = end.kl(Gaussian(torch.zeros_like(digit).double(), 1.0)).mean().item() / math.log(2)
    print(f"{name:8}: alpha_bar_T = {left:.5f}, L_T = {L_T:.5f} bits/dim")

# %% [markdown]
# A model that denoises perfectly and leaves $L_T$ out of its sum would look splendid, and its samples would
# be wrong from the first step.
#
# <a id="Log-of-zero"></a>
# **... $\tilde\beta_1 = 0$ meets a logarithm?** Code stores $\log\sigma_t^2$, and $\log 0$ is $-\infty$. Some codes
# write $\log 10^{-20}$ instead. In sampling that is harmless. In the bound it is a bell of width $10^{-10}$, and
# every pixel whose mean misses its bin gets probability 0. So the probability is clamped at $10^{-12}$ in turn, and
# **each such pixel costs 39.9 bits**, an arbitrary number that comes from a clamp. How many pixels is that, with our
# trained network?

# %% tags=["nbval-ignore-output"]
c = schedule.at(1)
x_1 = q_sample(digit, c, torch.randn(digit.shape, generator=torch.Generator().manual_seed(9)))
with torch.no_grad():
    p = p_step(x_1, c, net(x_1, torch.tensor([1])), variance="posterior").p
mean = p.mean.double()
for name, var in {"log of 1e-20": 1e-20, "beta-tilde_2": pairs[0][1]}.items():
    log_p_0 = decoder_log_likelihood(digit.double(), Gaussian(mean, var)).clamp(min=math.log(1e-12))
    bits = -log_p_0 / math.log(2)
    share = (bits > 39).float().mean().item()
    print(f"{name}: L_0 = {bits.mean():.2f} bits/dim, {share:.0%} of the pixels at 39.9 bits")

# %% [markdown]
# One network, one digit, two conventions. The paper's authors wrote $10^{-20}$ in the first version of their
# code and took $\tilde\beta_2$ in the second. OpenAI's code does so too, with a comment that puzzled a
# reader: "to get a better decoder log likelihood"
# ([openai/guided-diffusion #69](https://github.com/openai/guided-diffusion/issues/69)). Now you could answer. If a
# bits/dim looks absurd, look at $t = 1$ first.
#
# ## Summary
#
# | | |
# |---|---|
# | wanted | $-\log p_\theta(x_0)$: an integral over all walks, out of reach |
# | the bound, Eq. (3) | average over forward walks and put the log inside (Jensen). Gap: $D_\mathrm{KL}\big(q(x_{1:T} \mid x_0)\,\Vert\,p_\theta(x_{1:T} \mid x_0)\big)$ |
# | step by step, Eq. (5) | $L_T$ (nothing to learn), $L_{t-1}$ (match the posterior), $L_0$ (hit the right grey level, Eq. 13). Exact |
# | equal widths, Eq. (8) | KL = squared distance of the means over $2\sigma_t^2$, plus a constant: 0 for $\tilde\beta_t$, a toll for $\beta_t$. Exact |
# | predict the noise, Eq. (12) | $x_t$ cancels; the error of the noise, times $\beta_t^2 / \big(2\sigma_t^2\alpha_t(1-\bar\alpha_t)\big)$. Exact |
# | $L_\text{simple}$, Eq. (14) | drop that weight: better pictures, slightly worse likelihood. **Here something is given up** |
# | its scale | answering 0 scores 1; the best possible score is not 0 |
# | the bound in bits | most of it is spent at small $t$, on what the eye does not see |
#
# You know now what the network must do, and how it is told. What should it look like inside? A digit and a
# number go in, and noise of the same shape comes out: that is lesson 04, the U-Net.
