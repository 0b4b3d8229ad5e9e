# %% [markdown]
# # 12 · Case study: a damaged form, a noisy scan
#
# So far the network has drawn from nothing. But much of the world's work with images is not drawing, it is **repair**: a part is missing, the picture is too small, out of focus, full of
# noise. The article names inpainting, super-resolution and medical imaging. All of them are one problem, and our network, which was trained for none of them, can do them all.
# There is a bill to pay, though. Where the data are silent, the network will *invent*, and it will do so beautifully. The second half of this lesson is about that.
#
# **What you will be able to do**
#
# - write inpainting, super-resolution, deblurring and denoising as one equation, and test an operator together with its adjoint;
# - give Bayes' rule to a sampler, and say of four published methods which of them draws from the posterior, and how far off the others are;
# - restore the digits of a bank slip, show by several samples what is certain and what is not, and decide when a human has to look;
# - denoise a scan exactly, without any new method; measure what a prior wipes out and what it invents, and say what follows for medicine.
#
# Time on two CPU cores: about 90 s to run, 85 minutes to read and try.
#
# The methods have papers of their own, which are named where they appear. The notation is that of [Ho, Jain & Abbeel 2020](https://arxiv.org/abs/2006.11239).

# %%
import torch

from ddpm_lessons import (
    Gaussian,
    LinearOperator,
    Measurement,
    Mixture,
    blur,
    ddim,
    denoise,
    dps,
    heun,
    identity,
    keep,
    measure,
    measured,
    noise_timestep,
    repaint,
    sdedit,
    shrink,
)
from ddpm_lessons.checks import lesson12
from ddpm_lessons.data import load_fashion, load_mnist
from ddpm_lessons.evaluation import read
from ddpm_lessons.inverse.bayes import slope_of
from ddpm_lessons.models import load_classifier, load_pretrained
from ddpm_lessons.show import case_plots
from ddpm_lessons.show.chains import grid
from ddpm_lessons.show.pad_widgets import explore_drawing
from ddpm_lessons.show.player import player
from ddpm_lessons.show.plots import image_rows, show
from ddpm_lessons.show.source import show_source
from ddpm_lessons.training import MixedPrecision

torch.set_num_threads(1)  # few digits at a time: a second thread would mostly wait for the first
pretrained, precision = load_pretrained("mnist"), MixedPrecision("cpu")
schedule, classifier = pretrained.schedule, load_classifier()
test_set = load_mnist("test")
net = precision.autocasting(pretrained.eps_model)  # in bfloat16 where the machine computes in it


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def end_of(steps):  # the last state of a chain
    *_, last = steps
    return last.x


print("the prior: one network, trained on digits, and told of no task")

# %% [markdown]
# ## The form
#
# Somebody has filled in a payment order, by hand, with eight digits of the test set. Then somebody else has put a cup of coffee on it. The clerk scans what is left, with a cheap scanner: each of its
# pixels is the mean of $2 \times 2$ of ours, and it adds noise of standard deviation 0.2 (paper is $-1$ and ink is 1).

# %% tags=["nbval-ignore-output"]
rows = [19, 10, 17, 110, 35, 15, 30, 12]
digits, number = test_set[rows], test_set.labels[rows].tolist()
down, right = torch.meshgrid(torch.arange(28), torch.arange(8 * 28), indexing="ij")


def spilt(row, column, height, width):  # a round stain on the form, (28, 224) bool
    return ((down - row) / height) ** 2 + ((right - column) / width) ** 2 < 1


stain = spilt(14, 84, 18, 15) | spilt(3, 7 * 28 + 15, 10, 12)
blocks = stain.view(14, 2, 8 * 14, 2).any(3).any(1)  # a pixel of the scan is lost with any of its 4
lost = blocks.view(14, 8, 14).transpose(0, 1)  # (8, 14, 14), one for each box


def in_turn(first, then):  # two operators as one: A = then first, A^T = first^T then^T
    return LinearOperator(
        lambda x: then.forward(first.forward(x)),
        lambda y: first.adjoint(then.adjoint(y)),
        gain=first.gain * then.gain,
    )


scanners = [in_turn(shrink(2), keep(~hole)) for hole in lost]
scans = [
    measure(scanner, digits[[i]], 0.2, generator=seeded(i)) for i, scanner in enumerate(scanners)
]
pictures = torch.cat([scan.operator.adjoint(scan.y) / scan.operator.gain for scan in scans])
show(
    case_plots.slip(
        {"account number, as it was written": digits, "as it was scanned": pictures},
        lost=lost.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2),
    ),
    alt="A payment order with two lines of eight boxes. Above, in ink: 4 0 7 8 2 5 3 9. Below, the scan: coarse and grainy, with one brown stain over the right half of the 7 and the left half of the 8, and another "
    "over the upper half of the 9.",
)

# %% [markdown]
# Can you read it? The first, second, fifth, sixth and seventh box, yes. The others: hold that thought, and say how sure you are.
#
# A machine that reads digits is at hand, the classifier of lesson 07, which is right in 99.6 % of all test digits. We show it the scan:

# %% tags=["nbval-ignore-output"]
before = read(classifier, pictures.clamp(-1, 1))
print("written:", *number)
print("read:   ", *before.labels.tolist())
print("sure:   ", *(f"{p:.0%}" for p in before.confidence.tolist()))

# %% [markdown]
# Half of the digits are wrong, and look at the last line: it is *sure*. It has never seen a coarse, grainy digit with a grey hole, so what it says about one means nothing, and it has no way
# to say "I do not know". We could train another classifier, on damaged digits, for this damage; and another for the next. Or we repair the digits first, by one prior for all damages.
#
# ## One equation for all damages
#
# $$\boxed{\;y = A\,x_0 + \sigma\,z, \qquad z \sim \mathcal N(0, I)\;}$$
#
# $x_0$ is the image that we want, $y$ is what was measured, $A$ is a linear map that says *how*, and $\sigma$ is the standard deviation of the measurement's noise. Only $A$ changes with the task:
#
# | task | $A$ | in this library |
# |---|---|---|
# | inpainting | keep some pixels | `keep(mask)` |
# | super-resolution | means of blocks | `shrink(factor)` |
# | deblurring | weighted means of neighbours | `blur(std)` |
# | denoising | nothing | `identity()` |
#
# And where several happen at once, as to our form, one after the other: `in_turn` above.
#
# As matrices these are large (784 columns). Nobody writes them down. What a method needs is what $A$ does to an image, and what its transpose does to a measurement. $A^T$ is called the **adjoint**, and one property defines it:
#
# $$\langle A x, y\rangle = \langle x, A^T y\rangle \qquad\text{for all } x \text{ and } y.$$
#
# By calculator, for the mean of two pixels: $A = (\tfrac12\;\tfrac12)$. Take $x = (3, 5)$ and $y = 2$. On the left $4 \cdot 2 = 8$. On the right $A^T y = (1, 1)$, and $3 + 5 = 8$. So the adjoint of a mean *hands each pixel its share*. It does not undo anything:
# $A A^T y = 1$, not 2. Here it is off by a factor, $A A^T = \tfrac12$, which the library calls the operator's `gain`; divided by it, $A^T y / \text{gain} = (2, 2)$ is the smallest image that would measure $y$. That is how "the picture of a measurement" was drawn above.
#
# Now all operators, with random $x$ and $y$. A wrong adjoint is the most frequent bug in this trade, because everything still runs, only a little worse. These two lines find it:

# %%
operators = {
    "identity": identity(),
    "keep": keep(torch.arange(784).view(28, 28) % 3 > 0),
    "shrink by 4": shrink(4),
    "blur": blur(1.5),
    "the 8's scanner": scanners[3],
}
for name, A in operators.items():
    x = torch.randn(1, 1, 28, 28, generator=seeded(0)).double()
    y = torch.randn(A.forward(x).shape, generator=seeded(1)).double()
    left, also = (A.forward(x) * y).sum(), (x * A.adjoint(y)).sum()
    there = A.forward(A.adjoint(y))
    gain = "none" if A.gain is None else f"{A.gain:g}, {torch.allclose(there, A.gain * y)}"
    print(f"{name:15}: {left:8.4f} = {also:8.4f}   {y.numel():3} numbers   gain {gain}")

# %% [markdown]
# The scanner of the 8 delivers about a hundred numbers. An image has 784. No method in the world can compute 784 unknowns from a hundred equations: *very* many images fit the measurement exactly. What tells them apart is whether they look like a digit, and who knows that? Our network.
#
# ### Exercise 12.1 · The adjoint of a mean
#
# Complete `my_adjoint` for the operator that takes means of blocks of `factor` $\times$ `factor` pixels: from `y` (B, C, h, w) to an image.
#
# <details><summary>Hint</summary>
#
# Each pixel gets its share of its block's number. <code>y.repeat_interleave(2, dim=-1)</code> writes each column twice.
# </details>


# %% tags=["nbval-ignore-output"]
def my_adjoint(y, factor):
    return ...  # replace the dots


lesson12.adjoint(my_adjoint)

# %% [markdown]
# ## Bayes once more
#
# Two things are known. The **prior** $p(x_0)$: how digits look. The **likelihood** $p(y \mid x_0) = \mathcal N(y;\, A x_0,\, \sigma^2 I)$: how well an image explains the measurement. Bayes' rule puts them together:
#
# $$p(x_0 \mid y) \;\propto\; p(x_0)\; p(y \mid x_0).$$
#
# By calculator, with one pixel: the prior is $\mathcal N(0, 0.25)$, we measure $y = 0.6$ with $\sigma = 0.5$. Both have the variance 0.25, so each gets half of the trust: the posterior's mean is
# $0 + \frac{0.25}{0.25 + 0.25}\,(0.6 - 0) = 0.3$. And precisions add: $1/0.25 + 1/0.25 = 8$, so its variance is $0.125$. Move the noise of the measurement:

# %% tags=["nbval-ignore-output"]
levels, frames, alts = [0.15, 0.25, 0.35, 0.5, 0.7, 1.0, 1.5], [], []
for noise_std in levels:
    trust = 0.25 / (0.25 + noise_std**2)
    after = Gaussian(trust * 0.6, (1 - trust) * 0.25)
    frames.append(case_plots.bells(Gaussian(0.0, 0.25), after, y=0.6, noise_std=noise_std))
    alts.append(f"noise {noise_std}: mean {after.mean:.2f} and variance {after.var:.3f} after y")
player(frames, alts, values=levels, label="noise of the measurement", start=3)

# %% [markdown]
# Little noise: the posterior sits on $y$, and the prior hardly matters. Much noise: it sits on the prior, and $y$ hardly matters. Remember this picture. Everything that follows, the good and the bad, is this picture with 784 pixels.
#
# ### Exercise 12.2 · The posterior
#
# Complete `my_posterior` for one pixel: prior $\mathcal N(\text{mean}, \text{var})$, measured $y$, noise `noise_std`. Return the posterior's mean and variance.
#
# <details><summary>Hint</summary>
#
# With the trust $k = \text{var}/(\text{var} + \sigma^2)$ the mean moves from the prior's mean by $k$ of the way to $y$. And $1/\text{variance} = 1/\text{var} + 1/\sigma^2$.
# </details>


# %% tags=["nbval-ignore-output"]
def my_posterior(mean, var, y, noise_std):
    return ...  # replace the dots: two numbers


lesson12.posterior(my_posterior)

# %% [markdown]
# ## How a chain learns of $y$
#
# A chain needs a score at every noise level (lesson 08). Of the posterior, that is, by Bayes' rule for $x_t$ in place of $x_0$,
#
# $$\nabla_{x_t}\log p(x_t \mid y) = \nabla_{x_t}\log p(x_t) + \nabla_{x_t}\log p(y \mid x_t).$$
#
# The first term the network knows. You have met this sum in lesson 10, where $y$ was the name of a digit and a classifier of noisy images gave the second term. Here nobody trains anything: we know $p(y \mid x_0)$ as a formula. But the chain is at $x_t$, and
#
# $$p(y \mid x_t) = \int p(y \mid x_0)\;p(x_0 \mid x_t)\;\mathrm dx_0$$
#
# asks for *all* clean images that may hide in $x_t$. The network tells us their mean, $\hat x_0$. **What do we assume about their spread?** That is the whole difference between the methods. Say they are a Gaussian with the covariance $V$. Then $A x_0$ is one too, the noise of the measurement
# comes on top, and $p(y \mid x_t) = \mathcal N\big(y;\; A\hat x_0,\; \sigma^2 I + A V A^T\big)$. Its slope, by the chain rule, with $J = \partial\hat x_0/\partial x_t$:
#
# $$\nabla_{x_t}\log p(y \mid x_t) = J^T A^T \big(\sigma^2 I + A V A^T\big)^{-1} (y - A\hat x_0).$$
#
# Read it from the right. What does the guess $\hat x_0$ leave unexplained? How much of that is to be taken seriously? ($V$ large: little, the guess is still open.) Which pixels does it concern? ($A^T$.) And how must $x_t$ change so that the network's guess changes there? ($J^T$: once through
# the network backwards.) The choices for $V$:
#
# | $V$ | name | |
# |---|---|---|
# | $0$ | diffusion posterior sampling, [Chung et al. 2023](https://arxiv.org/abs/2209.14687) | "the guess is the truth". Taken at its word it pulls much too hard; the paper therefore sets the length of the pull by hand, which is `dps` |
# | $s^2\,\frac{1-\bar\alpha_t}{\bar\alpha_t s^2 + 1-\bar\alpha_t}\;I$ | pseudoinverse guidance, [Song et al. 2023](https://openreview.net/forum?id=9_gsMA8MRKQ) | right for independent pixels of variance $s^2$ |
# | $\frac{1-\bar\alpha_t}{\sqrt{\bar\alpha_t}}\;J$ | [Rozet et al. 2024](https://arxiv.org/abs/2405.13712) | asks the network itself, several times; right for *every* Gaussian |
#
# `measured` makes of a noise prediction one that knows $y$, so that every sampler of lesson 09 can use it:

# %% tags=["nbval-ignore-output"]
show_source(measured, slope_of)

# %% [markdown]
# Is it right? With one pixel, where we know the answer. The chain of Heun's method is a straight line here, $x_0 = a + b\,x_T$, so its mean and its standard deviation can be read off from two starts:

# %%
pixel = Mixture.gaussian(torch.zeros(1), var=0.25).eps_model(schedule)
seen = Measurement(identity(), torch.tensor([[0.6]]).double(), 0.5)
knows = measured(pixel, schedule, seen, spread=0.5)  # s^2 = 0.25
at_0, at_1 = end_of(heun(knows, schedule, torch.tensor([[0.0], [1.0]]).double(), steps=50))
print(f"mean {at_0.item():.3f}, variance {(at_1 - at_0).item() ** 2:.3f}")

# %% [markdown]
# Mean 0.3 and variance 0.125, as by calculator.
#
# ### The methods before a judge
#
# Now two pixels that are *alike*, as neighbours in an image are: variance 0.25 each and covariance 0.2. Only the first is measured, $y = 0.6$ with $\sigma = 0.2$. The second must be inferred. The exact posterior is known, and so is the exact network, so whatever is wrong is the method's fault.
#
# One more method takes part, older and of another kind. **RePaint** ([Lugmayr et al. 2022](https://arxiv.org/abs/2201.09865)) uses no gradient. After each step down it simply *replaces* the measured part of $x_t$ by $y$, noised to the same level. The rest does not know of that yet, so the chain goes up one step,
# with fresh noise, and down again, several rounds, until old and new fit together.

# %%
cov = torch.tensor([[0.25, 0.20], [0.20, 0.25]]).double()
eye, bars = torch.eye(2).double(), schedule.alpha_bars[:, None, None]
regression = (1 - bars).sqrt() * torch.linalg.inv(bars * cov + (1 - bars) * eye)


def two_pixels(x_t, t):  # E[eps | x_t] where x_0 ~ N(0, cov): a matrix for each t
    return x_t @ regression[t[0]].T


seen = Measurement(keep(torch.tensor([True, False])), torch.tensor([[0.6]]).double(), 0.2)
trust = cov[:, 0] / (cov[0, 0] + 0.2**2)
exact = (trust * 0.6, cov - torch.outer(trust, cov[0]))

start = torch.randn(2000, 2, generator=seeded(0)).double()
by = {
    name: heun(measured(two_pixels, schedule, seen, spread=V, iterations=1), schedule, start)
    for name, V in {"V asked": "tweedie", "V for s = 0.5": 0.5, "V for s = 1": 1.0, "V = 0": 0}.items()
}  # fmt: skip
for size in (0.1, 1.0):
    by[f"DPS, step {size:g}"] = dps(
        two_pixels, schedule, start, measurement=seen, step_size=size, generator=seeded(1)
    )
for rounds in (1, 10):
    by[f"RePaint, {rounds} round{'s' * (rounds > 1)}"] = repaint(
        two_pixels, schedule, start, measurement=seen, resamples=rounds, steps=100, generator=seeded(1)
    )  # fmt: skip
clouds = {name: end_of(chain) for name, chain in by.items()}
print("                  |  x_1: mean, std |  x_2: mean, std")
for name, (mean, std) in {
    "exact": (exact[0], exact[1].diagonal().sqrt()),
    **{name: (x.mean(0), x.std(0)) for name, x in clouds.items()},
}.items():
    print(f"{name:18}|  {mean[0]:8.2f}, {std[0]:.2f} |  {mean[1]:8.2f}, {std[1]:.2f}")

# %% tags=["nbval-ignore-output"]
chosen = (
    "V asked",
    "V for s = 0.5",
    "V = 0",
    "DPS, step 1",
    "RePaint, 1 round",
    "RePaint, 10 rounds",
)
show(
    case_plots.clouds({name: clouds[name] for name in chosen}, cov, exact, y=0.6),
    alt="Six clouds of points in the plane over two ellipses: a long dashed one, the prior, and a smaller solid one, the exact posterior, to the upper right. With V asked of the network the cloud fills the solid ellipse, and nearly so for s = 0.5. "
    "With V = 0 it is a thin streak too far up and to the right. DPS with step 1 falls apart into two clouds, to the left and to the right of the ellipse. RePaint with one round lies too low, and with ten rounds nearly fills the ellipse.",
)

# %% [markdown]
# - **$V$ asked of the network** has the posterior, up to the draw of 2000 points. For this world it is exact.
# - **$V$ for $s = 0.5$**, which has the pixels' variance right and takes them for independent, is close. With $s = 1$ it trusts $y$ too little, and is too wide.
# - **$V = 0$** pulls much too hard: the cloud is far too narrow, and both pixels overshoot, the first beyond $y$ itself.
# - **DPS** has a knob without a right position. A small step gives too narrow a cloud that takes no notice of $\sigma$. A large one tears the cloud apart: each move has the same length, however small the misfit that it should mend, so the last one throws $x_1$ off to the left or to the right. On photographs, with a knob found by trial, its pictures look splendid. Whether they are *samples of the posterior* is another question, and the answer is no.
# - **RePaint** with one round, which is mere replacing, puts the second pixel too low: it has not heard of the first in time. Ten rounds mend the mean, and lose a little width (each jump does, lesson 09).
#
# None of this can be seen in restored photographs. Who wants to use the *uncertainty* of such a method, and we do, must test it where the answer is known.
#
# ### Exercise 12.3 · What RePaint replaces
#
# Complete `my_known` for `keep`: from $y = x_0 + \sigma z$, with its noise in it, to a value that is distributed as the same pixels of $x_t$, that is $\sqrt{\bar\alpha_t}\,x_0$ plus noise of variance $1 - \bar\alpha_t$ in all. `z` is fresh standard normal noise.
#
# <details><summary>Hint</summary>
#
# Scale $y$ first. How much noise variance has it brought along, after the scaling? Fill up the rest. With $y = 0.6$, $\sigma = \bar\alpha_t = 0.5$ and $z = 1$ it is 1.037.
# </details>


# %% tags=["nbval-ignore-output"]
def my_known(y, noise_std, alpha_bar, z):
    return ...  # replace the dots


lesson12.known(my_known)

# %% [markdown]
# ## Digits, with their uncertainty
#
# Now the real prior. We use `measured` with the middle choice of $V$: one pass backwards for each call, at two to three times the price of a plain one. (Asking the network for $V$ costs several passes more; `dps` needs all 1000 steps. Both are for patient people.) The number $s$ is the standard deviation of a pixel, which we can measure:

# %%
s = load_mnist("train")[:5000].std().item()
print(f"s = {s:.1f}")

# %% tags=["nbval-ignore-output"]


def restore(scan, n, *, steps=20, told=None, spread=s, seed=0):
    """n samples of x_0 given one scan; `told` is the sigma that the method is told."""
    told = scan if told is None else Measurement(scan.operator, scan.y, told)
    knows = measured(net, schedule, told, spread=spread)
    x_T = torch.randn(n, 1, 28, 28, generator=seeded(seed))
    chain = ddim(
        knows, schedule, x_T, steps=steps, eta=1.0, clip_x0=1.0, generator=seeded(seed + 1)
    )
    return end_of(chain).clamp(-1, 1)


def names_of(samples):  # what the classifier reads, most frequent first: "5 times 3, 4 times 8"
    counts = read(classifier, samples).labels.bincount(minlength=10)
    order = counts.argsort(descending=True, stable=True)[: (counts > 0).sum()]
    return ", ".join(f"{counts[k]} times {k}" for k in order.tolist())


def panels_of(scans, restored):  # a scan's picture, its samples, their mean and their spread
    picture = [(scan.operator.adjoint(scan.y) / (scan.operator.gain or 1))[0] for scan in scans]
    return {
        "what is known": picture,
        "nine samples": [grid(x) for x in restored],
        "their mean": [x.mean(0) for x in restored],
        "their spread": [2 * x.std(0) - 1 for x in restored],  # black: all agree
    }


eight = test_set[[110]]
shares = [1.0, 0.75, 0.6, 0.5, 0.4, 0.25, 0.1]
views, found = [], []
for share in shares:
    mask = torch.arange(28).expand(28, 28) >= round(28 * (1 - share))
    views.append(measure(keep(mask), eight, 0.1, generator=seeded(3)))
    found.append(restore(views[-1], 9, steps=30))
alts = [
    f"{share:.0%} of the 8 known, nine samples, read as: {names_of(x)}"
    for share, x in zip(shares, found, strict=True)
]
player(panels_of(views, found), alts, values=[f"{share:.0%}" for share in shares], label="known", start=3, width=190)  # fmt: skip

# %% [markdown]
# This is the picture to take home from the first half. Drag from 100 % down. (The line below the pictures says how the classifier reads the nine samples. In the panel on the right a pixel is black where all nine agree, and the lighter the more they differ.)
#
# - **Where $y$ says something, the samples agree**: the right part is black in the panel of the spread, at any place of the slider.
# - **With half of the digit hidden the samples are 3s and 8s.** From the right, a 3 and an 8 look alike. Whoever shows you *one* of these pictures, sharp and clean, has told you something that he does not know. All nine together tell you what is known: *a 3 or an 8*.
# - **The mean is no digit**, but an honest picture: sharp where all agree, grey where they do not.
# - Toward 10 % the samples are whatever digits like, given a few columns of paper.
#
# **The samples disagree, and that is the right answer.**
#
# ### Smaller and smaller
#
# The same with resolution: a 3, of which a scan of $28 \times 28$, $14 \times 14$, $7 \times 7$, $4 \times 4$ and $2 \times 2$ pixels is known.

# %% tags=["nbval-ignore-output"]
three, factors = test_set[[30]], [1, 2, 4, 7, 14]
views = [measure(shrink(f), three, 0.1, generator=seeded(4)) for f in factors]
found = [restore(view, 9, steps=30) for view in views]
sizes = [f"{28 // f} x {28 // f}" for f in factors]
alts = [
    f"a scan of {size} pixels, nine samples, read as: {names_of(x)}"
    for size, x in zip(sizes, found, strict=True)
]
player(panels_of(views, found), alts, values=sizes, label="scan", start=2, width=190)

# %% [markdown]
# "Enhance!", says the detective, and the number plate becomes readable. At $7 \times 7$ most samples are the 3 that it was. At $4 \times 4$ they are clean, sharp digits of several kinds, *each of which fits the scan as well as the truth does*. Nothing has been enhanced; it has been made up. Super-resolution
# can tell you what is likely. It cannot tell you what was there.
#
# ### Out of focus
#
# `blur` has no gain, and nothing can simply be pasted. The method solves a small linear system at each step instead (conjugate gradients, in `slope_of` above). The blur is one of 1.5 pixels, the noise 0.05:

# %% tags=["nbval-ignore-output"]
some = test_set[[61, 17, 30, 35, 18, 11]]
photo = measure(blur(1.5), some, 0.05, generator=seeded(7))
sharp = restore(photo, 6)
show(
    image_rows([some, photo.y.clamp(-1, 1), sharp], [""] * 6, ["digit", "photo", "sample"]),
    alt="Three rows of six digits. The digits, blurred photos of them in soft grey, and a sample for each: sharp again, and nearly as it was.",
)

# %% [markdown]
# A blur loses little, if the noise is low: the strokes are still there, spread out. Here the samples agree with the truth nearly everywhere.
#
# ## The form, restored
#
# Now the bank slip. Sixteen samples for each digit, and each sample is read by the classifier, so that each digit gets sixteen votes:

# %% tags=["nbval-ignore-output"]
restored = torch.stack(
    [restore(scan, 16, seed=10 * i) for i, scan in enumerate(scans)]
)  # (8, 16, 1, 28, 28)
labels = read(classifier, restored.flatten(0, 1)).labels.view(8, 16)
votes = torch.stack([row.bincount(minlength=10) for row in labels])  # (8, 10)
show(
    case_plots.readings(
        {
            "scan": pictures.clamp(-1, 1),
            "sample": restored[:, 0],
            "another": restored[:, 1],
            "another ": restored[:, 2],
            "mean": restored.mean(1),
            "spread": 2 * restored.std(1) - 1,
        },
        {"read before": before.probabilities, "votes after": votes / 16},
        truth=number,
    ),
    alt="Eight columns, one for each digit of the form. The scans; three samples of each, all clean digits; their mean and spread: those of the unstained digits are sharp and dark. Of the stained 7, 8 and 9 the hidden parts differ between the samples. Bars: before the repair the classifier is sure, and in four columns wrong; after it the votes are on the right digit in nearly all columns, but those of the 8 are split between 3 and 8, and a few of the 9 are for 4.",
)

# %% tags=["nbval-ignore-output"]
best = votes.max(dim=1)
print("written:", *number)
print("before: ", *before.labels.tolist())
print("after:  ", *best.indices.tolist())
print("votes:  ", ", ".join(f"{count} of 16" for count in best.values.tolist()))
for i, line in enumerate(labels.T[:5].tolist()):
    print(f"sample {i} alone would have said", *line)

# %% tags=["nbval-ignore-output"]
show(
    case_plots.slip(
        {"account number, restored: the mean of sixteen samples": restored.mean(1)},
        notes=[f"{k}: {n / 16:.0%}" for k, n in zip(best.indices, best.values, strict=True)],
    ),
    alt="The payment order once more with eight boxes in clean ink, and below each box the digit that it is read as with its share of the votes. The 8 is a blurred shape between 3 and 8 with hardly more than half of the votes.",
)

# %% [markdown]
# Most boxes are settled, among them those that the classifier had misread before the repair, and even the stained 7. The 9 keeps a few votes for a 4, of which the scan has the same lower half. And the box of the 8 is as open as the paper leaves it: half of the votes say 3, half say 8, and the winner
# may well be the wrong one. The bars say *what else it may have been*. Each sample alone is a complete, clean, plausible account number. About half of them are the number of somebody else.
#
# **A payment must not be booked on a hallucination.** So what should the bank do? Let the share of a digit's votes stand for the probability that it is right. The number is right only if *all* digits are:

# %% tags=["nbval-ignore-output"]
certain = (best.values / 16).prod().item()
print(f"all eight digits are right with a probability of about {certain:.0%}")
print("please look at the boxes", *[i + 1 for i in range(8) if best.values[i] < 16])

# %% [markdown]
# Below the threshold, say 99 %, a human looks at the paper, and the machine can even say at which boxes. Two words of caution:
#
# - **Sixteen votes prove little.** If all of sixteen independent samples agree, the probability could still be as low as 83 % ($0.83^{16} = 0.05$). For 99 % at the same confidence you need some 300 samples that all agree. Samples are cheap; wrong bookings are not.
# - **The votes are as good as the prior.** It believes that account numbers are eight independent digits of MNIST's writers. A check digit, which real account numbers have, is a much better prior, and it costs nothing.
#
# One more test should always be made, because it needs no truth: does the result *fit the data*? What a sample leaves unexplained, $y - A x$, should look like the scanner's noise, of standard deviation 0.2:

# %% tags=["nbval-ignore-output"]
for i, scan in enumerate(scans):
    print(f"box {i + 1}: {scan.residual(restored[i]).std():.2f}", end="   ")

# %% [markdown]
# ### Exercise 12.4 · How sure is the number?
#
# Complete `my_certainty`. `votes` has a row for each digit of a number and ten columns: how many samples were read as 0, as 1, ... Return the probability that the number made of the winners is right, if shares of votes are probabilities and the digits are independent.
#
# <details><summary>Hint</summary>
#
# <code>votes.max(dim=1).values</code> are the winners' votes, <code>votes.sum(dim=1)</code> all votes of each digit. "And" multiplies.
# </details>


# %% tags=["nbval-ignore-output"]
def my_certainty(votes):
    return ...  # replace the dots


lesson12.certainty(my_certainty)

# %% [markdown]
# ## The scan
#
# A CT scanner with a tenth of the X-ray dose gives a picture with more noise: that is the reason why hospitals want denoisers, and it is a good one. Here $A$ is the identity, and
#
# $$y = x_0 + \sigma z.$$
#
# Look at it for a moment. Multiply by $\sqrt{\bar\alpha_t}$:
#
# $$\sqrt{\bar\alpha_t}\;y = \sqrt{\bar\alpha_t}\;x_0 + \sqrt{\bar\alpha_t}\,\sigma\,z.$$
#
# If $t$ is chosen such that $\sqrt{\bar\alpha_t}\,\sigma = \sqrt{1-\bar\alpha_t}$, this is Eq. (4). **The noisy scan *is* an $x_t$**, with $\bar\alpha_t = 1/(1+\sigma^2)$. So no method is needed at all: put it into the chain at $t$, and go down. Nothing is approximated except the network and the steps. By calculator, for $\sigma = 0.5$: $\bar\alpha_t = 1/1.25 = 0.8$.

# %%
t = noise_timestep(schedule, 0.5)
print(f"t = {t}, alpha_bar = {schedule.at(t).alpha_bar:.3f}")
first = next(denoise(pixel, schedule, torch.tensor([[0.6]]).double(), noise_std=0.5))
print(
    f"one pixel, y = 0.6: x_t = {first.x.item():.3f}, mean of the posterior {first.x0_hat.item():.2f}"
)

# %% tags=["nbval-ignore-output"]
show_source(denoise)

# %% [markdown]
# It offers two answers. The first $\hat x_0$, after **one** call of the network, is the mean of the posterior: no other picture has a smaller squared error on average. The end of the chain is a **sample** of the posterior: it looks like a real image, and its squared error is about twice as large. (In a
# table of PSNR the mean always wins, and the more it blurs, the more surely it does. RMSE is no measure of posterior samples.)
#
# ### Exercise 12.5 · Where does the chain begin?
#
# Complete `my_start`: return $t$, as an int in 1..T, and the $x_t$ that `y` becomes. (For the noise that we try, some $t$ fits exactly.)
#
# <details><summary>Hint</summary>
#
# <code>schedule.alpha_bars</code> has T + 1 entries, from $t = 0$. Where is <code>(1 - bars) / bars</code> nearest to $\sigma^2$? <code>.argmin().item()</code>.
# </details>


# %% tags=["nbval-ignore-output"]
def my_start(y, noise_std, schedule):
    return ...  # replace the dots: t and x_t


lesson12.start(my_start)

# %% [markdown]
# ### A second prior
#
# A set of medical images that may be shared, is small enough to ship and does not name a patient was not to be had for a course that must work without a network. So we take a stand-in: the clothes of **Fashion-MNIST** (Xiao et al. 2017), which have what matters here, smooth areas, edges and fine detail, with a small U-Net of their own. Please read "tissue" where it
# says "fabric". The slider is the noise, from a good scan to a hopeless one:

# %% tags=["nbval-ignore-output"]
clothes = load_pretrained("fashion")
wardrobe = load_fashion()
tailor = precision.autocasting(clothes.eps_model)


def scanned(images, noise_std, seed=4):
    return images + noise_std * torch.randn(images.shape, generator=seeded(seed))


def samples_of(y, noise_std, *, prior=tailor, seed=5, steps=20):
    t = noise_timestep(clothes.schedule, noise_std)
    chain = denoise(prior, clothes.schedule, y, noise_std=noise_std, steps=min(steps, t), generator=seeded(seed))  # fmt: skip
    first = next(chain)
    return first.x0_hat.clamp(-1, 1), end_of(chain).clamp(-1, 1)


items = wardrobe[[0, 1, 19, 30]]
noises = [0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.5]
panels = {"the scan": [], "the posterior's mean": [], "a sample": [], "another": []}
for noise_std in noises:
    y = scanned(items, noise_std)
    mean, both = samples_of(torch.cat([y, y]), noise_std)
    parts = (y.clamp(-1, 1), mean[:4], both[:4], both[4:])
    for name, part in zip(panels, parts, strict=True):
        panels[name].append(grid(part))
alts = [f"noise of {noise_std}: four garments, their scan, the mean of what fits and two samples" for noise_std in noises]  # fmt: skip
player(panels, alts, values=noises, label="noise", start=3, width=190)

# %% [markdown]
# Up to about 0.3 all three agree with each other, and the noise is simply gone. From about 0.5 on look at the lettering on the sweater, at the front of the shirt and at the bag's fittings. The mean goes soft there, which says "I do not know". The samples stay crisp at every place of the slider, **and say different things**: other letters, a print on the shirt in
# one and none in the other. At 2.5 they are still sharp clothes, with hardly anything of the scan in them. Sharpness is a property of the prior, not of the evidence.
#
# ## What the prior invents
#
# ### It sees what it knows
#
# The same scans of clothes, given to the prior that has seen only *digits*:

# %% tags=["nbval-ignore-output"]
items = wardrobe[[0, 1, 19, 30, 23, 82]]
y = scanned(items, 0.75)
own, by_digits = samples_of(y, 0.75), samples_of(y, 0.75, prior=net)
show(
    image_rows(
        [items, y.clamp(-1, 1), own[1], by_digits[0], by_digits[1]],
        [""] * 6,
        ["garment", "scan", "clothes'\nprior", "digits'\nmean", "digits'\nsample"],
    ),
    alt="Six garments, noisy scans of them, a sample by the clothes' prior, which are garments again, and the mean and a sample by the digits' prior: shoes and sandals become a few bright pen strokes, shirts and bags white blobs with dark holes, all of it without any grey.",
)

# %% [markdown]
# In the last rows a boot is a bundle of pen strokes, because strokes are what this prior takes images to be made of. Nothing warns us: no error, no blur. The pictures are as crisp as ever. In a clinic this is the scanner of another maker, the child where all training patients were adults, the rare disease.
#
# ### The lesion that disappears
#
# And the case that matters most: the prior is right about nearly everything, and the one thing that it does not expect is the one that counts. Here is a plain white sweater with a small dark spot, $3 \times 3$ pixels. Of the 6000 sweaters in the training set one has something of the kind there. It is our lesion.

# %% tags=["nbval-ignore-output"]
healthy, depth, area = wardrobe[[77]], 0.6, (slice(12, 15), slice(12, 15))
ill = healthy.clone()
ill[..., *area] -= depth
noises = [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5]


def what_passes(noise_std, n=8):
    """The share of the spot that is left in mean and sample: with it against without, same noise."""
    grain = noise_std * torch.randn(n, 1, 28, 28, generator=seeded(6))
    mean, sample = samples_of(torch.cat([ill + grain, healthy + grain]), noise_std, steps=15)
    dark = [(x[n:] - x[:n])[..., *area].mean().item() / depth for x in (mean, sample)]
    return dark, (ill + grain)[0], mean[0], sample[:3]


passing = [what_passes(noise_std) for noise_std in noises]
shown = [0, 1, 2, 4, 6]
columns = [[passing[i][1].clamp(-1, 1), passing[i][2], *passing[i][3]] for i in shown]
show(
    image_rows(
        [torch.stack([ill[0]] * len(shown)), *(torch.stack(row) for row in zip(*columns, strict=True))],
        [rf"$\sigma = {noises[i]}$" for i in shown],
        ["truth", "scan", "mean", "sample", "sample", "sample"],
    ),
    alt="A white sweater with a dark spot on its chest in five columns of growing noise. Truth, scan, the posterior's mean and three samples. At a noise of 0.1 the spot is in all of them. At 0.2 it is paler in the mean, and one of the samples has none. From 0.5 on all restored pictures show clean sweaters.",
)  # fmt: skip

# %% [markdown]
# To measure it, we restore each scan twice, with the spot and without, and with exactly the same noise. The difference of the two results at the spot, over its true depth, is the share that came through. Below: how clearly the spot is in the **raw data**. Who knows where to look averages nine pixels, so it
# stands out by $0.6 \cdot \sqrt 9 / \sigma$ standard deviations.

# %% tags=["nbval-ignore-output"]
clarity = [depth * 9**0.5 / noise_std for noise_std in noises]
show(
    case_plots.passed(
        noises,
        {
            "the posterior's mean": [share[0] for share, *_ in passing],
            "samples": [share[1] for share, *_ in passing],
        },
        clarity=clarity,
    ),
    alt="Above, the share of the spot that is left over the noise: near 100 % at 0.1, two thirds at 0.2, a third at 0.3, less than a sixth from 0.5 on, for the mean and for the samples alike. Below, the spot's clarity in the raw data falls from 18 to about 1 standard deviations, and crosses the line of 3 at a noise of 0.6.",
)

# %% [markdown]
# Compare the two panels at $\sigma = 0.5$. In the raw data the spot stands out by 3.6 standard deviations: a radiologist who suspects something at this place has good evidence. In the restored pictures hardly a sixth of it is left, and in the samples less, in sweaters that look flawless. Even at 0.2, where it stands out by 9 standard deviations and you find it in the scan with the naked eye, one of three samples has wiped it out. **The restored picture is cleaner than the scan, and contains less.**
#
# No other method would mend that. It is Bayes' rule, the slider with the three bells: a prior under which such spots are rare explains a faint one as noise, and for the *average* sweater it is right to do so. The patient is not the average. And the prior is not nature: a network that has met a handful of such
# spots among sixty thousand garments cannot know how rare they really are. It says "never", and then nine standard deviations are not enough.
#
# The other direction you have seen above: samples at high noise show letters, seams and buttons that nobody ever wore. In a scan these would be vessels, fractures, tumours. Networks trained to translate medical images have been shown to add and to remove tumours, when sick and healthy were mixed otherwise in the training set than among the patients
# ([Cohen et al. 2018](https://arxiv.org/abs/1805.08841)).
#
# What follows for whoever builds such a thing:
#
# 1. **A clean picture is no evidence.** It shows what is probable, and what is probable under *this* prior.
# 2. **Show several samples**, or the mean with its spread. Never one sample alone.
# 3. **Show the residual** $y - A x$. If it has structure, something of the data was thrown away; here, a dark dot.
# 4. **Keep the raw data**, and let them be one click away.
# 5. **Test with what is rare**: put known spots in, as we did, and measure what passes. An average error over healthy patients will not tell.
#
# Number 3, on our sweater: the mean of the residuals of forty-eight scans of it. (In the residual of a single scan the eye would hardly find the dot among the noise. That, too, should be known to whoever relies on it.)

# %% tags=["nbval-ignore-output"]
left_over = []
for noise_std in (0.2, 0.5, 1.0):
    y = ill + noise_std * torch.randn(48, 1, 28, 28, generator=seeded(8))
    mean, _ = samples_of(y, noise_std, steps=2)
    left_over.append((y - mean).mean(0))
show(
    image_rows([torch.stack(left_over)], [rf"$\sigma = {x}$" for x in (0.2, 0.5, 1.0)]),
    alt="The mean residual at three noise levels, grey. A dark square shows where the spot is: faint at a noise of 0.2, clear at 0.5 and 1, among grains and a trace of the sweater's outline.",
)

# %% [markdown]
# ## A scribble becomes a digit
#
# Not all inventing is bad: sometimes it is the task. **SDEdit** ([Meng et al. 2022](https://arxiv.org/abs/2108.01073)) takes a crude drawing, noises it to some $t$, as if it were an image, and lets the chain go down. What the noise at $t$ has drowned is drawn anew, in the manner of the data; what is coarser than that stays. There is one knob, $t$, and it trades
# *faithfulness* against *realism*. A 3 made of five straight lines:

# %% tags=["nbval-ignore-output"]


def stroke(points, width=1.0):
    """A line through points (row, column) as an image (1, 1, 28, 28)."""
    place = torch.stack(torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij"), -1)
    distance = torch.full((28, 28), 99.0)
    for a, b in zip(torch.tensor(points), torch.tensor(points[1:]), strict=False):
        along = ((place - a) @ (b - a) / (b - a).square().sum()).clamp(0, 1)[..., None]
        distance = torch.minimum(distance, (place - a - along * (b - a)).norm(dim=-1))
    return (1 - 2 * (distance - width + 0.5).clamp(0, 1)).view(1, 1, 28, 28)


scribble = stroke([(5.0, 7.0), (5.0, 20.0), (12.0, 12.0), (14.0, 20.0), (22.0, 18.0), (22.0, 8.0)])
times = [50, 150, 250, 350, 450, 550, 700, 1000]


def go_back(x_0, t):  # nine chains that begin at the drawing with noise
    return sdedit(net, schedule, x_0.expand(9, -1, -1, -1), t=t, steps=15, generator=seeded(6))


edits = [list(go_back(scribble, t)) for t in times]
drawn = [chain[-1].x.clamp(-1, 1) for chain in edits]
player(
    {
        "scribble": [scribble[0]] * len(times),
        "with noise": [chain[0].x[0] for chain in edits],
        "nine drawings": [grid(x) for x in drawn],
    },
    [f"t = {t}, nine drawings, read as: {names_of(x)}" for t, x in zip(times, drawn, strict=True)],
    values=times,
    start=3,
    width=230,
)

# %% [markdown]
# At $t = 50$ it is your scribble. At 350 they are handwritten 3s, each by another hand. From 500 on other digits creep in, and at 1000 the scribble is forgotten. The moment at which a digit is decided is the one that lesson 06 found.
#
# Now yours. **Draw a digit** on the black pad, press the button, and wait some seconds: the network goes back from each $t$, nine times. Then move the slider. How much noise does your handwriting survive? And what becomes of a letter, or of a digit that does not exist?

# %% tags=["nbval-ignore-output"]
explore_drawing(go_back, schedule, scribble, names=names_of)

# %% [markdown]
# ## What breaks if ...
#
# **... the method is told a wrong $\sigma$?** Too small: it takes each grain of noise for signal, strains to reproduce it, and leaves the world of digits. Too large: it hardly listens to $y$, and draws what it likes. **... $V = 0$?** On a blur the pull has to be divided by something; with $V = 0$ only $\sigma^2$ is left, and it explodes. The photos of above, with $\sigma = 0.05$:

# %% tags=["nbval-ignore-output"]
wrong = {
    "right": restore(photo, 6),
    "told\n0.005": restore(photo, 6, told=0.005),
    "told 1": restore(photo, 6, told=1.0),
    "$V = 0$": restore(photo, 6, spread=0.0),
}
for name, x in wrong.items():
    print(f"{' '.join(name.split()):12}: residual {photo.residual(x).std():.3f}, should be 0.05")
show(
    image_rows([some, photo.y.clamp(-1, 1), *wrong.values()], [""] * 6, ["digit", "photo", *wrong]),
    alt="Six digits, their blurred photos, and four restorations. Right: clean digits. Told too little noise: digits with snow around them. Told too much: clean strokes that have drifted away from the digits. With V = 0: white blots.",
)

# %% [markdown]
# The residual finds all three, and needs no truth: it should be the noise, and is larger.
#
# **... the mask is applied to an image with zeros, instead of a list of pixels?** Then the holes are "measured to be 0", mid-grey, with certainty. `keep` gives a list for that reason.
#
# **... the adjoint is wrong by a factor?** The pull has another strength, and the method needs "tuning". If a method that ought to have no knob needs one, test $\langle Ax, y\rangle = \langle x, A^Ty\rangle$ first.
#
# **... one judges restorations by RMSE alone?** The mean wins over every sample, a blur over a digit, and a method that wipes out a lesion loses nothing: nine pixels of 784.
#
# ### Exercise 12.6 · A damage of your own
#
# Many answers are right here. Coffee, a coarse scanner, a lens out of focus: invent another damage. `my_damage(x)` takes images of shape (B, 1, 8, 8) and returns them damaged, in the same shape, so that one can look at them. (Where a pixel tells nothing any more it is 0, say; whoever uses the damage as a
# measurement leaves it out, as `keep` does.) It shall be one that the methods of this lesson can deal with:
#
# - each image is damaged by itself;
# - it is linear, some $A x$: $A\,(2 x - 3 y) = 2\,A x - 3\,A y$, and so $A\,0 = 0$;
# - it loses something: there are different images that become the same. As a matrix of $64 \times 64$, $A$ has a rank below 64;
# - it keeps something: the rank is at least 16.
#
# A random mask or random numbers are welcome if they are the same for every call: make them outside of the function, or from a generator with a seed. When it has passed, look at what it does to a digit, and think of a machine that damages like this.
#
# <details><summary>Hint</summary>
#
# Sums of pixels, and products with numbers: all that is made of these is linear. What does a window with one broken pane in two let through? What does an image keep that is laid on its mirror image, or moved by a pixel and taken away from itself? Which of its waves could one leave out?
# </details>


# %% tags=["nbval-ignore-output"]
def my_damage(x):
    return ...  # replace the dots: (B, 1, 8, 8)


lesson12.own_damage(my_damage)

# %% [markdown]
# ### A question without a check
#
# A hospital wants to buy a denoiser. The seller shows pairs: low dose on the left, "restored" on the right, and a full-dose scan to compare; the right one looks better than the full dose. Which three experiments would you ask for before anybody is treated after such a picture? Write them down, and compare with the five points above.
#
# ## Summary
#
# | | |
# |---|---|
# | one equation | $y = A x_0 + \sigma z$; only $A$ changes with the task |
# | the adjoint | $\langle Ax, y\rangle = \langle x, A^T y\rangle$: test it with random numbers, always |
# | Bayes for a chain | score of the posterior = the network's + $J^T A^T(\sigma^2 I + AVA^T)^{-1}(y - A\hat x_0)$ |
# | what $V$ is | the spread of all images that may hide in $x_t$: 0 pulls too hard, $s^2\frac{1-\bar\alpha_t}{\bar\alpha_t s^2+1-\bar\alpha_t} I$ is decent, the network's own is best and dear |
# | DPS, RePaint | a knob without a right position; rounds that make the rest fit. Neither is exactly the posterior |
# | denoising | $\sqrt{\bar\alpha_t}\,y$ with $\bar\alpha_t = 1/(1+\sigma^2)$ is an $x_t$: nothing is approximated |
# | uncertainty | several samples; where they differ, nobody knows. Votes become a decision only with a threshold, and enough votes |
# | what a prior does | it wipes out what is rare and invents what is common, in crisp pictures. Keep the raw data |
#
# Here the course's main road ends. You started with a pixel, a bell and a calculator. You have destroyed images, and learnt to bring them back; derived a loss and trained a network on it; drawn digits, judged them, made them faster, told them what to be, moved them into a latent space; and now you have put them to work, and seen where they must
# not be believed. The equations on the way were few, and you have checked each of them. **Everything that you will read about diffusion models from here on is a variation of them.** Have fun.
