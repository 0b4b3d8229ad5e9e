# %% [markdown]
# # 07 · The results
#
# The network draws digits. Are they any good? "Look at them" is the honest first answer, and a poor last one: eyes
# are kind to what they made themselves, and a picture of nine samples shows the nine that somebody picked. In this
# lesson you put the digits on trial. You will meet four judges, each blind in its own way, and learn what each of
# them cannot see. At the end we test a sentence that every introduction repeats: *early steps decide the structure,
# late steps the detail.*
#
# **What you will be able to do**
#
# - show samples honestly, and say how sure you are of any number about them;
# - explain what an FID measures, work one out with a calculator, and refuse to read one without its floor;
# - say why good likelihood and good looks are two things, by an example that costs less than a hundredth of a bit a pixel;
# - test whether a model draws or recites;
# - find out at which $t$ a digit becomes *this* digit, and how certain that finding is.
#
# Time on two CPU cores: about 120 s to run, 80 minutes to read and try.
#
# Article section: *results and analysis*.

# %%
import copy

import torch
from torch.nn.functional import avg_pool2d

from ddpm_lessons import Bound, Mixture, ddim, ddpm, q_sample
from ddpm_lessons.checks import lesson07
from ddpm_lessons.data import load_mnist, to_model_range, to_uint8
from ddpm_lessons.evaluation import (
    Interval,
    Moments,
    bounds,
    distances,
    fid,
    fid_interval,
    frechet_distance,
    kid_interval,
    memorisation,
    moments,
    nearest,
    quality,
    read,
)
from ddpm_lessons.models import load_classifier, load_pretrained
from ddpm_lessons.show import loss_plots, result_plots
from ddpm_lessons.show.chains import chain_player
from ddpm_lessons.show.player import player
from ddpm_lessons.show.plots import image_rows, show
from ddpm_lessons.show.source import show_source
from ddpm_lessons.training import MixedPrecision

train, test = load_mnist("train"), load_mnist("test")
pretrained, judge = load_pretrained("mnist"), load_classifier()
schedule, precision = pretrained.schedule, MixedPrecision("cpu")


def net(x_t, t):  # the trained network, in bfloat16 where the machine computes in it: faster
    with precision.autocast():
        return pretrained.eps_model(x_t, t).float()


print(f"T = {schedule.T}; {len(train):,} digits to learn from, {len(test):,} to compare with")

# %% [markdown]
# ## Look first
#
# We draw 300 digits. One seed, fixed in advance; nothing is thrown away. A full chain of 1000 steps for each would
# take some minutes, so these are made by `ddim` with 30 calls of the network instead of 1000 (lesson 09 explains it),
# and $\hat x_0$ is clipped to $[-1, 1]$. Where the difference could matter we say so. `python -m ddpm_lessons
# evaluate` finds the same numbers for 10,000 samples; the README has the table.

# %% tags=["nbval-ignore-output"]
x_T = torch.randn(300, 1, 28, 28, generator=torch.Generator().manual_seed(7))
*_, last = ddim(net, schedule, x_T, steps=30, clip_x0=1.0)
samples = to_uint8(last.x)  # as a picture file would hold them: whole grey levels

generator = torch.Generator().manual_seed(0)
order = torch.randperm(len(test), generator=generator)
show(
    result_plots.crowds({"A": to_model_range(samples[:100]), "B": test[order[:100]]}),
    alt="Two grids of a hundred small handwritten digits each, named A and B. Both hold all ten digits in many hands. "
    "In one of them a few are broken or are no digit at all.",
)

# %% [markdown]
# One grid was written by clerks and pupils, the other by our network: its first hundred, against a hundred test
# digits drawn at random. **Which is which?** Take a minute, and write down what gave it away. The rest of this
# lesson tries to put exactly that into numbers.
#
# <details><summary>Answer</summary>A is the network's. Look for strokes that stop in mid-air, loops that do not
# close, stray dots, and shapes between two digits. Then look how many of those you find among the real ones.</details>
#
# ### How they come about
#
# Lesson 06 showed chains at work. Here are twelve full ones of a thousand steps, by Algorithm 2, again with $\hat x_0$ clipped. On the left of the
# slider is $x_t$, on the right $\hat x_0$, what the network takes for the clean image at that moment. The paper calls
# the right side *progressive generation* (its Figure 6).

# %% tags=["nbval-ignore-output"]
generator = torch.Generator().manual_seed(0)
x_T = torch.randn(12, 1, 28, 28, generator=generator)
chain = ddpm(net, schedule, x_T, clip_x0=1.0, generator=generator)
states = {step.t: step for step in chain if step.t % 10 == 0}
chain_player(states.values(), schedule, frames=51)

# %% tags=["nbval-ignore-output"]
times = [*range(1000, 0, -100), 50, 0]
rows = [torch.stack([states[t].x0_hat[k] for t in times]) for k in range(6)]
show(
    image_rows(rows, [f"t = {t}" for t in times]),
    alt="Six rows, each the network's guess at the clean image from t = 1000 on the left to t = 0 on the right. At 1000 "
    "there are specks, until about 600 a grey blur, near 400 a soft digit, then the same digit with sharper strokes.",
)

# %% [markdown]
# Read a row from left to right. First a blur that could become anything; then rather suddenly a digit, still soft;
# from then on the same digit with sharper strokes. The last section of this lesson measures *when*.
#
# ## The first judge: a reader of digits
#
# The course comes with a small classifier, `judge`: five convolutions that look at an image and give each of the
# ten digits a probability. The largest of the ten is its **confidence**. Is it any good itself? It had never seen
# the test digits:

# %%
readings = {"test digits": read(judge, test.images)}
right = (readings["test digits"].labels == test.labels).double().mean().item()
print(f"it reads more than 99 % of the test digits correctly: {right > 0.99}")

# %% tags=["nbval-ignore-output"]
readings["samples"] = read(judge, samples)
for name, reading in readings.items():
    found = quality(reading.probabilities)
    error = (found.confident * (1 - found.confident) / len(reading.labels)) ** 0.5
    print(f"{name:11}: {found.confident:.1%} ± {error:.1%} read with confidence over 0.9")
show(
    result_plots.doubts({name: reading.confidence for name, reading in readings.items()}),
    alt="Share of images over the doubt with which they are read, logarithmic axes, a line for the test digits and one "
    "for the samples. A dotted line marks a doubt of 0.1. The higher a line, the more doubtful images there are.",
)

# %% [markdown]
# Two lines, because **a number about samples means nothing on its own**. Real digits are not all read with
# confidence either. Put the same question to real ones, and compare.
#
# ### How sure is a share?
#
# The ± above is a **standard error**. Each sample is a coin that shows "confident" with probability $p$. One coin has
# variance $p(1-p)$; the mean of $n$ independent coins has variance $p(1-p)/n$. So a share that was found to be
# $\hat p$ is uncertain by about
#
# $$\mathrm{SE} = \sqrt{\frac{\hat p\,(1-\hat p)}{n}},$$
#
# and in 95 of 100 repetitions the truth lies within two of them. **By calculator:** 90 of 100 images were read with
# confidence. $\sqrt{0.9 \cdot 0.1 / 100} = 0.03$: the share is 90 % ± 3, so anything from 84 to 96 % is believable.
#
# ### Exercise 7.1 · The error of a share
#
# Return the standard error of a share that was found among `n` images.
#
# <details><summary>Hint</summary>Read it off the equation. For 0.9 and 100 it gives 0.03.</details>


# %% tags=["nbval-ignore-output"]
def my_standard_error(share, n):
    return ...  # replace the dots


lesson07.standard_error(my_standard_error)

# %% [markdown]
# ### Exercise 7.2 · How many samples?
#
# Somebody claims that a trick raised the share from 97 to 98 %. How many samples does it take before two standard
# errors are as small as that one point? Return the (fractional) number for any `share` and `difference`.
#
# <details><summary>Hint</summary>Set twice the standard error equal to the difference, square both sides, solve for
# n.</details>


# %% tags=["nbval-ignore-output"]
def my_samples(share, difference):
    return ...  # replace the dots


lesson07.samples_needed(my_samples)

# %% [markdown]
# For 0.97 and one point the answer is well over a thousand, and twice as many of *each* kind if both shares are measured. Our 300 digits can tell a poor model from a good one;
# they cannot settle a quarrel about a point. Remember that when you see a table with a bold number in it.
#
# ### What does a bad sample look like?
#
# The ten samples that the judge is least sure of, the ten that it is surest of, and for fairness the ten *real* test
# digits that it is least sure of. Under each: what it reads, and its confidence.


# %% tags=["nbval-ignore-output"]
def extremes(images, reading, largest):  # ten images, and a caption for each
    i = reading.confidence.topk(10, largest=largest).indices
    pairs = zip(reading.labels[i].tolist(), reading.confidence[i].tolist(), strict=True)
    return to_model_range(images[i]), [f"{label}: {c:.2f}" for label, c in pairs]


rows = {
    "samples,\nleast sure": extremes(samples, readings["samples"], largest=False),
    "samples,\nsurest": extremes(samples, readings["samples"], largest=True),
    "real digits,\nleast sure": extremes(test.images, readings["test digits"], largest=False),
}
show(
    result_plots.captioned(rows),
    alt="Three rows of ten digits with the judge's reading and confidence under each. The first: broken samples and shapes "
    "between two digits. The second: clear samples. The third: real digits that are badly written.",
)

# %% [markdown]
# Real people write bad digits as well (third row). But theirs are bad in a different way: hasty, cut off, one digit
# written like another. Ours are bad where strokes do not know of each other. A judge that only reports confidence
# cannot tell these apart. It has a second weakness: it can be *sure* of nonsense, because it was never shown any
# (second row, if you find some there).
#
# ### Can it not draw, or can it not decide?
#
# Many of the broken ones look like two digits at once. Perhaps our network draws strokes well enough, and only fails to
# make up its mind. That can be tested. The course has a second network, which was trained with the label as one more
# input, hidden for every fifth digit (lesson 10 will need it). So this *one* network can draw from the same noise twice:
# told nothing, or told which digit it shall be.

# %% tags=["nbval-ignore-output"]
second, wanted = load_pretrained("mnist-labels").eps_model, torch.arange(10).repeat(10)
x_T = torch.randn(100, 1, 28, 28, generator=torch.Generator().manual_seed(8))
drawn = {}
for name, labels in {"told nothing": None, "told the digit": wanted}.items():

    def asked(x_t, t, labels=labels):
        with precision.autocast():
            return second(x_t, t, labels).float()

    *_, last = ddim(asked, schedule, x_T, steps=30, clip_x0=1.0)
    drawn[name] = last.x.clamp(-1, 1)
    share = quality(read(judge, to_uint8(drawn[name])).probabilities).confident
    error = (share * (1 - share) / len(x_T)) ** 0.5
    print(f"{name:14}: {share:.1%} ± {error:.1%} read with confidence over 0.9")
show(
    image_rows([x[:10] for x in drawn.values()], [str(i) for i in range(10)], list(drawn)),
    alt="Two rows of ten digits from the same noise, the digit that was asked for above each column. In the upper row, told "
    "nothing, digits of all kinds, some broken. In the lower row, told the digit, nearly all are the digit that was asked for.",
)

# %% [markdown]
# A hundred of each are too few to be sure, as you now know how to tell. With a thousand of each (50 steps, with `eta=1`) we
# found 90.7 % ± 0.9 and 96.8 % ± 0.6, and that *is* a difference: told the digit, the same network breaks a third as many.
# **Most of what looked like bad handwriting was indecision.** Keep it in mind for the last section, which asks *when* a chain decides, and for lesson 10, where the label becomes a steering wheel.
#
# ### All ten of them?
#
# A model that draws beautiful ones and nothing else would have the best confidence of all. So count the classes.

# %% tags=["nbval-ignore-output"]
found = quality(readings["samples"].probabilities).shares
real = quality(readings["test digits"].probabilities).shares
show(
    result_plots.class_shares(found, len(samples), real),
    alt="Ten bars, the share of samples read as each digit, with whiskers of two standard errors, and a short line across "
    "each bar for the share among real digits, all near ten per cent.",
)
off = sum(
    abs(p - q) > 2 * (q * (1 - q) / len(samples)) ** 0.5 for p, q in zip(found, real, strict=True)
)
print(f"{off} of 10 classes lie more than two standard errors from their real share")

# %% [markdown]
# Ten comparisons at 95 % each: even a perfect model has at least one of its classes outside in about four cases out of
# ten ($1 - 0.95^{10} = 0.40$), and two or more in about one of ten. Three or more would be news.
#
# ## The second judge: a distance between crowds
#
# Confidence looks at one image at a time. But quality is a property of the *crowd*: slants, thicknesses, hands, in
# the right proportions. We want one number for how far two crowds of images lie apart.
#
# Comparing pixels is hopeless (a 7 shifted by one pixel is far from itself). So let the judge look instead. Its last
# layer but one gives each image 128 numbers, its **features**: images that look alike to the judge have features
# that lie close together. A crowd of images becomes a cloud of points in 128 dimensions. Fit a Gaussian to each
# cloud, and measure how far the two Gaussians are apart:
#
# $$d(a, b) = \|\mu_a - \mu_b\|^2 + \operatorname{tr}\!\big(C_a + C_b - 2\,(C_a C_b)^{1/2}\big)$$
#
# ($\mu$ are the means, $C$ the covariance matrices, tr sums the diagonal.) This is the **Fréchet distance**; with
# features of the Inception network it became famous as FID
# ([Heusel et al. 2017](https://arxiv.org/abs/1706.08500), Eq. 6). For one feature it is plainer than it looks: means
# $m$, standard deviations $s$, and
#
# $$d = (m_a - m_b)^2 + (s_a - s_b)^2 .$$
#
# **By calculator:** $\mathcal N(1, 4)$ and $\mathcal N(3, 9)$: $(1 - 3)^2 + (2 - 3)^2 = 5$.

# %%
one = Moments(torch.tensor([1.0]).double(), torch.tensor([[4.0]]).double())
other = Moments(torch.tensor([3.0]).double(), torch.tensor([[9.0]]).double())
print(f"frechet_distance: {frechet_distance(one, other):.4f}")

# %% [markdown]
# Why this formula? It has a meaning: it is what the **cheapest way to carry one Gaussian over to the other** costs, where moving a
# point costs the square of its way. (For crowds that are no Gaussians it is a lower limit.) In one dimension the cheapest way is easy to find: the smallest goes to the
# smallest, the next to the next, and so on. Let us do that with two hundred thousand points from each, and no formula:

# %%
generator = torch.Generator().manual_seed(1)
a, b = torch.randn(2, 200_000, generator=generator, dtype=torch.float64)
a, b = (1 + 2 * a).sort().values, (3 + 3 * b).sort().values
print(f"mean squared way from rank to rank: {((a - b) ** 2).mean():.1f}")

# %% tags=["nbval-ignore-output"]
show_source(moments, frechet_distance, distances._frechet)

# %% [markdown]
# The last lines are the equation. The root of the matrix product is the one delicate part; the library takes it from
# eigenvalues, so that a feature that never fires does no harm. If no two features are correlated, the matrices are
# diagonal, and the formula is a sum over features of the line above. Check it, then write it:

# %%
m_a, m_b = torch.randn(2, 128, generator=generator, dtype=torch.float64)
v_a, v_b = torch.rand(2, 128, generator=generator, dtype=torch.float64)
by_matrix = frechet_distance(Moments(m_a, torch.diag(v_a)), Moments(m_b, torch.diag(v_b)))
by_sum = ((m_a - m_b) ** 2 + (v_a.sqrt() - v_b.sqrt()) ** 2).sum().item()
print(f"128 uncorrelated features: the same to 1e-9: {abs(by_matrix - by_sum) < 1e-9}")

# %% [markdown]
# ### Exercise 7.3 · A distance without correlations
#
# You are given the means and the *variances* of two Gaussians, four tensors `(d,)`. Return the Fréchet distance, one
# number. (No peeking: do it with $v_a + v_b - 2\sqrt{v_a v_b}$, the form that generalises.)
#
# <details><summary>Hint</summary>Square the difference of the means; add the three terms of the variances; sum over
# features. The distance of a Gaussian from itself must be 0.</details>


# %% tags=["nbval-ignore-output"]
def my_frechet(mean_a, var_a, mean_b, var_b):
    return ...  # replace the dots


lesson07.diagonal_frechet(my_frechet)

# %% [markdown]
# ### The floor
#
# Now a trap. Two crowds of *real* digits should be at distance 0. Take training digits, $n$ of them, against all
# 10,000 test digits. Beside it another distance, **KID** ([Bińkowski et al. 2018](https://arxiv.org/abs/1801.01401)):
# it compares how similar points are within each crowd with how similar they are across, by the kernel
# $k(x, y) = (x \cdot y / 128 + 1)^3$, and is built to have no bias.

# %% tags=["nbval-ignore-output"]
generator = torch.Generator().manual_seed(2)
features = readings["test digits"].features
drawn = torch.randperm(len(train), generator=generator)[:5000]
real_train = read(judge, train.images[drawn])
sizes = [100, 300, 1000, 2000, 5000]
few = features[order[:2000]]  # enough for KID, which does not mind
floors = {
    "FID": [fid_interval(real_train.features[:n], features, resamples=25, generator=generator)
            for n in sizes],
    "KID": [kid_interval(real_train.features[:n], few, resamples=25, generator=generator)
            for n in sizes],
}  # fmt: skip
seen = readings["samples"].features
ours = {
    "FID": fid_interval(seen, features, resamples=100, generator=generator),
    "KID": kid_interval(seen, few, resamples=100, generator=generator),
}

# %% tags=["nbval-ignore-output"]
panels = {
    f"digit-{name}": {
        "training digits (the floor)": (sizes, floors[name]),
        "our samples": ([len(samples)], [ours[name]]),
    }
    for name in floors
}
show(
    result_plots.against_n(panels),
    alt="Two panels over the number of images, with 95 % intervals. Left, digit-FID of real training digits falls steadily "
    "from about 5 at n = 100 to a small part of that at 5000; the orange square is our samples. Right, digit-KID of real "
    "digits stays near 0 at every n, only its interval narrows.",
)
for name in ours:
    value, low, high = ours[name]
    print(f"digit-{name} of {len(samples)} samples: {value:.3g} (95 %: {low:.3g} to {high:.3g})")
    print(f"   as many training digits: {floors[name][1].value:.3g}")

# %% [markdown]
# Look at the left panel. Nothing changed but the *number* of real digits, and the "distance" fell many times
# over. A covariance matrix of 128 features has over eight thousand different entries; from 100 images it can only be
# guessed, and every error of the guess adds to the distance. So:
#
# - **an FID without its sample size is not a number**, and two FIDs at different sizes cannot be compared;
# - **the floor** is what real digits score at the same size. A model is done when it reaches the floor, not 0;
# - the interval comes from the **bootstrap**: draw 300 of our 300 images with replacement, compute again, many
#   times, and see how much the result wanders.
#
# KID has no such slope: its floor is 0 at every size. It pays for that with wider intervals, and it may come out below
# 0. (Small print for both floors: the judge was trained on training digits and has never seen a test digit, so the two
# crowds are not quite alike to it.)
#
# And one warning more. These are distances as *our* judge sees them. A published "FID on MNIST" uses other features
# (often Inception's, which was trained on photographs and has no idea of digits). **The number can be compared with
# itself and with nothing else.**
#
# ### A ruler
#
# Is the samples' number much or little? Hurt real digits in ways you can imagine, and see what *they* score. Each row
# is 300 images against the same 10,000.

# %% tags=["nbval-ignore-output"]
x = train[drawn[:300]]
noisy = (x + 0.3 * torch.randn(x.shape, generator=generator)).clamp(-1, 1)
half = drawn[train.labels[drawn] < 5][:300]
hurt = {
    "real digits (the floor)": x,
    "100 of them, three times each": x[:100].repeat(3, 1, 1, 1),
    "without the digits 5 to 9": train[half],
    "with noise of size 0.3": noisy,
    "blurred, 3 x 3 pixels": avg_pool2d(x + 1, 3, stride=1, padding=1) - 1,
    "moved by 2 pixels": x.roll(2, dims=3),
}
marks = {name: read(judge, images).features for name, images in hurt.items()}
scores = {
    name: fid_interval(f, features, resamples=25, generator=generator) for name, f in marks.items()
}
scores = dict(sorted({**scores, "our samples": ours["FID"]}.items(), key=lambda kv: kv[1].value))
show(
    result_plots.ruler(scores, marked=["our samples"]),
    alt="Digit-FID with intervals on a logarithmic axis, one row for each kind of damage, sorted: real digits first, then "
    "the damaged ones; our samples are marked in orange.",
)

# %% [markdown]
# Now the number has neighbours. The judge has a taste of its own: moving a digit by two pixels means little to it, and a
# grain that your eye forgives costs far more than a blur. And look at the hundred digits that were shown three times
# each: they score what 100 images score. FID notices that they are few, but not that they are copies, and it is **blind to
# memorising**: the floor itself *is* the score of a model that recites training digits. We shall need another judge for that.
#
# ## The third judge: the likelihood
#
# Lesson 03 computed the variational bound of one test digit in bits per dimension. It judges without any
# classifier: how probable does the model find real, unseen digits? Here are six test digits, drawn at random, with
# both variances: $\sigma_t^2 = \beta_t$ and $\sigma_t^2 = \tilde\beta_t$. (1000 calls of the network; both use the
# same.)

# %% tags=["nbval-ignore-output"]
generator = torch.Generator().manual_seed(3)
x_0 = test[torch.randperm(len(test), generator=generator)[:6]]
found = bounds(net, schedule, x_0, generator=generator)
names = {"beta": r"$\sigma_t^2 = \beta_t$", "posterior": r"$\sigma_t^2 = \tilde\beta_t$"}
averaged = {  # over the six digits, term by term
    names[v]: Bound(*(term.mean(dim=-1, keepdim=True) for term in b)) for v, b in found.items()
}
eps = torch.randn(1, 1, 28, 28, generator=generator)
x_ts = {t: q_sample(x_0[:1], schedule.at(t), eps) for t in (1, 3, 10, 30, 100, 300, 1000)}
show(
    loss_plots.bound_in_pictures(averaged, x_ts),
    alt="Above, one of the digits at t = 1, 3, 10, 30, 100, 300 and 1000. Middle, the mean denoising term of each t on "
    "logarithmic axes: it falls by five orders of magnitude from t = 2 to 1000, the posterior's variance lies below. "
    "Below, sums over pieces of the axis: L_0 is the largest, the pieces up to 100 come next, 300 to 1000 is small.",
)

# %% tags=["nbval-ignore-output"]
for variance, b in found.items():
    error = b.total.std() / len(x_0) ** 0.5
    late = b.denoising[301:].sum(dim=0).mean() / b.total.mean()
    print(f"{variance:9}: {b.total.mean():.2f} ± {error:.2f} bits/dim, of it t > 300: {late:.0%}")
saved = found["beta"].total - found["posterior"].total  # the same digits and noise: a fair pair
error = saved.std() / len(x_0) ** 0.5
print(f"the posterior's variance saves {saved.mean():.2f} ± {error:.2f} bits/dim")

# %% [markdown]
# Read the two errors. The total is uncertain by a lot, because six digits differ: a thick 8 costs more than a thin 1.
# The *difference* of the two variances is much more certain, because both were measured on the same digits with the
# same noise. Compare in pairs whenever you can. What $\beta_t$ loses is the toll of lesson 03: it is wider than the
# posterior at every step, most of all at small $t$. (Of the toll's 0.49 bits/dim some comes back: a wider bell forgives more of the
# network's errors.)
#
# And see where the bits are: at small $t$, in the exact greys of pixels. All that makes a digit a digit happens at
# $t > 300$ and hardly counts.
#
# ### Looks and likelihood are two things
#
# That is not a detail. Let a model give away 99 of every 100 draws: with probability 0.01 it draws from our network,
# otherwise it prints **pure noise**. Its samples are rubbish. And its likelihood? For any digit $x$
#
# $$p_\text{mix}(x) = 0.01\,p(x) + 0.99\,p_\text{noise}(x) \;\ge\; 0.01\,p(x),$$
#
# so it needs at most $-\log_2 0.01 = 6.64$ bits more, for the whole image. Per pixel:

# %%
extra = -torch.tensor(0.01).log2().item()
print(f"{extra:.2f} bits for the image, {extra / 784:.4f} bits/dim")

# %% [markdown]
# A hundredth of a bit a pixel, far within the ± above. **A likelihood can be excellent while 99 % of the samples are noise**
# (the example is from [Theis, van den Oord & Bethge 2016](https://arxiv.org/abs/1511.01844)). The other way round
# works as well: lesson 02's photocopier shows nothing but flawless digits, and finds an unseen one impossible. That is
# why the bound and the FID stand side by side in a table: neither can answer for the other.
#
# ### Exercise 7.4 · The price of noise
#
# Only a `share` of the images comes from the good model, the rest is noise. At most how many bits/dim does that cost,
# for images with `pixels` numbers?
#
# <details><summary>Hint</summary>The two lines above, for any share and any number of pixels. <code>import math</code>, and
# <code>math.log2</code> is at your service.</details>


# %% tags=["nbval-ignore-output"]
def my_price(share, pixels):
    return ...  # replace the dots


lesson07.price_of_noise(my_price)

# %% [markdown]
# ## The fourth judge: is it reciting?
#
# A model could pass all of this by copying its training digits. So take each sample and search all 60,000 for the
# nearest, by the plain Euclidean distance of the pixels. Here are the four samples that come *closest* to a training
# digit: the worst cases, not the typical ones.

# %% tags=["nbval-ignore-output"]
near = nearest(samples, train.images, k=6)
rows = {}
for i in near.distances[:, 0].argsort()[:4].tolist():
    beside = torch.cat([to_model_range(samples[[i]]), train[near.indices[i]]])
    rows[f"sample {i}"] = (beside, ["sample", *(f"{d:.2f}" for d in near.distances[i].tolist())])
show(
    result_plots.captioned(rows),
    alt="Four rows: a sample, then its six nearest training digits with their distances. They are the same digit in a "
    "similar hand, mostly upright strokes of 1, but not the same image.",
)

# %% [markdown]
# Close, for some. But how close is *too* close? Some digits are just alike; a 1 is a stroke. Again the answer comes
# from real digits: 600 **test** digits, which nobody can have memorised, search the training set in the same way. And
# for contrast, a model that does memorise.
#
# We can build one exactly, without training. Lesson 02's photocopier is the *perfect* noise prediction for a world
# that consists of 500 training digits. The same sampler, other noise:

# %%
copied = train[:500]
photocopier = Mixture.from_data(copied).eps_model(schedule)
x_T = torch.randn(60, 1, 28, 28, generator=torch.Generator().manual_seed(4))
*_, last = ddim(photocopier, schedule, x_T, steps=40)
recited = nearest(last.x.clamp(-1, 1), copied)
print(f"largest distance to a training digit: {recited.distances.max():.2f}")
print(f"more than 40 different ones among the 60: {len(recited.indices.unique()) > 40}")

# %% [markdown]
# Every draw lands on a training digit, at distance 0, whatever noise it came from. **The network that minimises the
# loss on its training set perfectly is a photocopier.** Ours is saved by not being perfect: it has far fewer parameters than the training
# set has pixels, and convolutions that must treat all places alike. That it draws *new* digits is a gift of its
# limits, and therefore something to check, not to assume.

# %% tags=["nbval-ignore-output"]
fresh = nearest(test.images[order[:600]], train.images).distances[:, 0]
mine = near.distances[:, 0]
show(
    result_plots.histograms(
        {"test digits": fresh, "samples": mine, "photocopier": recited.distances[:, 0]},
        x_label="distance to the nearest training digit",
    ),
    alt="Histograms of the distance to the nearest training digit, shares on a logarithmic axis. Test digits and samples both spread broadly, from about "
    "2 to 15; the photocopier is one bar at 0.",
)
verdict = memorisation(mine, fresh)
error = (0.01 * 0.99 * (1 / len(samples) + 1 / len(fresh))) ** 0.5  # both crowds are samples
print(f"closer than 99 % of the test digits: {verdict.share:.1%} of the samples")
print(f"one that draws like the world and recites nothing: 1.0 % ± {error:.1%}")
print("a sign of reciting:", verdict.share > 0.01 + 2 * error)
print(f"median distance: samples {mine.median():.1f}, test digits {fresh.median():.1f}")

# %% [markdown]
# If the samples' hill lies to the *right* of the test digits', that is no praise: a broken digit is far from
# everything. Only the left end speaks about reciting. And pixels are a coarse measure; a copy moved by one pixel
# would slip through. (Larger models on smaller data do recite: [Carlini et al.
# 2023](https://arxiv.org/abs/2301.13188) pulled photographs out of a well-known one.)
#
# ### Exercise 7.5 · The nearest other
#
# One could also take the yardstick from the training set itself: how far is each training digit from its nearest
# *other*? Given images `(N, C, H, W)`, return those distances, `(N,)`. A double loop is fine.
#
# <details><summary>Hint</summary><code>images.flatten(1)</code> has one row for each image. Who is every image's
# nearest neighbour, if you are not careful?</details>


# %% tags=["nbval-ignore-output"]
def my_nearest_other(images):
    return ...  # replace the dots


lesson07.nearest_other(my_nearest_other)

# %% [markdown]
# ### Variety
#
# The opposite failure: not copies of training digits, but copies of *each other*. Within each class, how far are two
# samples apart on average? Compared with as many real digits of that class, drawn 200 times:


# %% tags=["nbval-ignore-output"]
def spread_of(images):  # mean distance of two of them
    return torch.pdist(images.flatten(1).float()).mean().item()


generator = torch.Generator().manual_seed(5)
ends = torch.tensor([0.5, 0.025, 0.975])
found, real, labels = [], [], readings["samples"].labels
for digit in range(10):
    own = to_model_range(samples[labels == digit])
    pool = test[(test.labels == digit).nonzero().flatten()]
    picks = [torch.randperm(len(pool), generator=generator)[: len(own)] for _ in range(200)]
    draws = torch.tensor([spread_of(pool[pick]) for pick in picks])
    found.append(spread_of(own))
    real.append(Interval(*draws.quantile(ends).tolist()))
show(
    result_plots.by_class(found, real, y_label="mean distance of two"),
    alt="For each class, the mean distance between two samples as a dot, over a band where it lies for as many real "
    "digits. The ones lie closest together.",
)
below = sum(value < band.low for value, band in zip(found, real, strict=True))
print(f"classes with less variety than real digits: {below} of 10")

# %% [markdown]
# A dot *below* its band would be a class that the model draws too much alike. A dot *above* is again no praise: broken
# digits are far from each other, too.
#
# ### What a Fréchet distance cannot see
#
# Copies are not the only thing that escapes the second judge. Imagine a single feature,
# which in real digits lies near one of two values, half of them at each. Five hundred numbers are made, to be compared with 1500 real
# ones: a fresh draw of the same two peaks, and the same draw spoilt in several ways. (One number of the five hundred strays, and that
# is no fault.) What does the Fréchet distance say?

# %%
from ddpm_lessons.checks.lesson07_open import trial_crowds

for name, (made, real) in trial_crowds().items():
    score = (made.mean() - real.mean()) ** 2 + (made.std() - real.std()) ** 2
    print(f"{name:24}: {score:.2f}")

# %% [markdown]
# The two peaks have *melted into one* bell with the same mean and the same spread: half of its numbers lie where hardly any real ones
# are, and the distance is 0.00.
#
# ### Exercise 7.6 · A judge of your own
#
# Many answers are right here. Every judge is blind somewhere; build one that sees all of these faults. Given two crowds of numbers,
# `made` (500 or 50 of them) and `real` (1500), in no order, return a number, so that
#
# - each fault scores at least twice what the fresh draw scores: moved, half as wide, twice as wide, one peak lost, melted into one,
# - moved three times as far scores more than moved,
# - it does not matter how many there are: 50 made ones that are moved score between half and double of what 500 score.
#
# It will be tried on these crowds and on others whose middle lies elsewhere, between $-1$ and 0. (All numbers lie between $-6$ and 6.)
#
# <details><summary>Hint</summary>Look at one judge that you know: what would it need to see? Put both in order and compare from rank to rank
# (<code>quantile</code>, where the numbers differ); or count how many lie in each of twenty boxes; or compare the distances within a crowd with those
# across; or give Fréchet more features than one.</details>


# %% tags=["nbval-ignore-output"]
def my_judge(made, real):
    return ...  # replace the dots, and use more lines


lesson07.own_judge(my_judge)

# %% [markdown]
# ## Who decides what, and when?
#
# "Early steps decide the structure, late steps the detail." Early means the first steps of sampling, large $t$.
# The rows of $\hat x_0$ above look like it. But a look at twelve chains is an impression. What would a *test* be?
#
# **Test 1: forget up to $t$.** Take a real digit, put noise on it up to $t$ by Eq. (4), and let the model walk back,
# several times with fresh noise. What all the results share was still written in $x_t$; where they differ, it
# was decided later, below $t$. If they are still the same digit, the class was fixed at $t$.
#
# **Test 2: part at $t$.** Take one of the twelve chains at $t$, and continue it several times with different noise
# from there. Do the branches end in the digit that the chain itself ended in?
#
# If the model were perfect, both tests would have to give the same curve: its walks would be the forward process told
# backwards (lesson 03), so $x_0$ and $x_t$ would come in the same pairs. Their agreement tests the model as well.
#
# To walk back from $t$ we take `ddim` with `eta=1`, which draws as much noise as the posterior has, on a coarse grid.

# %% tags=["nbval-ignore-output"]
times = list(range(100, 1000, 100))
firsts = [(test.labels == digit).nonzero()[:2].flatten() for digit in range(10)]
originals = test[torch.stack(firsts, dim=1).flatten()]  # the test set's first two of each class


def walk_back(x_t, t, generator):
    grid = torch.linspace(t, 1, max(5, t // 50)).round().long().tolist()
    *_, last = ddim(net, schedule, x_t, timesteps=grid, eta=1.0, clip_x0=1.0, generator=generator)
    return last.x.clamp(-1, 1)


# %% tags=["nbval-ignore-output"]
generator, forgot, parted = torch.Generator().manual_seed(6), {}, {}
for t in times:
    copies = originals.repeat(3, 1, 1, 1)  # three times each of the twenty
    noise = torch.randn(copies.shape, generator=generator)
    x_t = q_sample(copies, schedule.at(t), noise)
    forgot[t] = walk_back(x_t, t, generator).view(3, *originals.shape)
    x_t = states[t].x.repeat(3, 1, 1, 1)  # three branches of each of the twelve chains
    parted[t] = walk_back(x_t, t, generator).view(3, *states[t].x.shape)

# %% [markdown]
# First look. Top row: ten of the originals. Below: the three digits that came back, from the $t$ under the
# slider.

# %% tags=["nbval-ignore-output"]
frames = [result_plots.table(torch.cat([originals[None], forgot[t]])[:, :10]) for t in times]
alts = [f"ten digits, and below each three that came back from t = {t}" for t in times]
player(frames, alts, values=times, start=2, width=840)

# %% [markdown]
# Drag it slowly. Up to some $t$ the columns keep their digit, and only the hand changes. Further up the columns fall
# apart, and in the end they have nothing to do with their heads. Now in numbers: the share of results that the judge
# reads as the same digit, and the distance in pixels. The third line asks the chains themselves: is $\hat x_0$ at $t$
# already read as what the chain ends in?


# %% tags=["nbval-ignore-output"]
def labels_of(x):  # (..., 1, 28, 28) -> (...)
    return read(judge, to_uint8(x).view(-1, 1, 28, 28)).labels.view(x.shape[:-3])


def trend(values):  # for each t, (k, B): k tries with each of B images; only the B are independent
    means = torch.stack([v.double().mean(dim=0) for v in values])  # (times, B)
    return result_plots.Trend(times, means.mean(dim=1), means.std(dim=1) / means.shape[1] ** 0.5)


ends = states[0].x.clamp(-1, 1)
sources = {
    "real digits, forgotten to $t$": (originals, forgot),
    "chains, parted at $t$": (ends, parted),
}
same, apart = {}, {}
for name, (source, results) in sources.items():
    same[name] = trend([labels_of(results[t]) == labels_of(source) for t in times])
    apart[name] = trend([(results[t] - source).flatten(2).norm(dim=2) for t in times])
guesses = [labels_of(states[t].x0_hat)[None] == labels_of(ends) for t in times]
same[r"the guess $\hat x_0$ at $t$"] = trend(guesses)

# %% tags=["nbval-ignore-output"]
some = test[order[:400]].flatten(1)
alike = test.labels[order[:400], None] == test.labels[order[:400]]
gaps, others = torch.cdist(some, some), ~torch.eye(400, dtype=torch.bool)
titles = "share that is the same digit", "distance in pixels"
levels = {
    titles[0]: {"chance": 0.1},
    titles[1]: {
        "another of its class": gaps[alike & others].mean().item(),
        "any other digit": gaps[~alike].mean().item(),
    },
}
show(
    result_plots.over_t(dict(zip(titles, (same, apart), strict=True)), levels=levels),
    alt="Two panels over t, from 900 on the left to 100 on the right, with whiskers. Left, the share of results that are the "
    "same digit: near chance at first, a steep rise in the middle, close to one at the right. Right, the distance in "
    "pixels: as far as any other digit at the left, then falling steadily down to the right.",
)

# %% tags=["nbval-ignore-output"]
for name, found in same.items():
    line = "  ".join(f"{share:4.0%}" for share in found.mean.tolist())
    print(f"{name:32}: {line}   (± up to {found.error.max():.0%})")
print(f"{'t':>32}: {'  '.join(f'{t:4}' for t in times)}")
first, second, _ = same.values()
low, high = first.mean - 2 * first.error, first.mean + 2 * first.error
kept = [t for t, share in zip(times, high.tolist(), strict=True) if share >= 0.95]
lost = [t for t, share in zip(times, low.tolist(), strict=True) if share <= 0.10]
print(f"class as good as fixed (95 % not ruled out) up to t = {max(kept, default=0)}")
print(f"class forgotten (chance not ruled out) from t = {min(lost, default=1000)}")
gap, error = (first.mean - second.mean).abs(), (first.error**2 + second.error**2) ** 0.5
print(f"the two tests agree within two standard errors at {(gap <= 2 * error).sum()} of 9 times")

# %% [markdown]
# So, is the sentence true? Three findings, in the order in which a chain meets them:
#
# 1. **At first nothing is decided.** From the largest $t$ the results are as good as strangers: the class is at
#    chance, the distance that of any two digits. The first few hundred steps of sampling do not decide the structure;
#    they hardly decide anything. (They are not useless: the noise must be brought down without a mistake.)
# 2. **Then the class falls, within a short stretch** in the middle. That is where the blur of $\hat x_0$ turned into a
#    digit. Above it all is open, below it the digit stays what it is.
# 3. **The detail is not a late stage of its own.** From there the pixel distance falls steadily to the last step.
#    Position, slant and thickness are settled one after another, and the last steps settle what is left: edges.
#
# "Structure before detail" holds. "Early steps decide the structure" holds only if *early* means the middle. And note
# what limits our knowledge: twenty digits, twelve chains, one judge, and a coarse walk. The whiskers say how far each
# point could be off. They are computed over the *digits*, not over all sixty results: three walks from the same $x_0$
# are not independent, and to count them as if they were would make the whiskers too short.
#
# ## What breaks if ...
#
# **... the judge is left in training mode?** Then its batch normalisation judges every image by its neighbours in the
# batch. The library refuses; done by hand, the *same* 300 real digits, sorted and shuffled, lie apart from themselves:

# %%
careless = copy.deepcopy(judge).train()
digits = train[:300]
by_label = digits[train.labels[:300].argsort()]
with torch.no_grad():
    shuffled, in_order = (
        torch.cat([careless.features(batch) for batch in x.split(50)]) for x in (digits, by_label)
    )
calm = fid(read(judge, digits).features, read(judge, by_label).features)
print(f"in eval mode the distance is {calm:.2f}")
print(f"in training mode it is larger than 1: {fid(shuffled, in_order) > 1}")

# %% [markdown]
# This is not a hypothetical case: a much used implementation computed its FIDs with `torch.cov` over the wrong axis,
# and for two months longer with Inception in training mode
# ([lucidrains/denoising-diffusion-pytorch](https://github.com/lucidrains/denoising-diffusion-pytorch), commits 2a2fc83
# and 596aa34). The first is easy to catch: `torch.cov` wants variables in rows, features come with images in rows.

# %%
cloud = torch.randn(300, 128, generator=torch.Generator().manual_seed(8))
print("as it comes:", tuple(torch.cov(cloud).shape), " turned:", tuple(torch.cov(cloud.T).shape))

# %% [markdown]
# Two small tests would have caught both: the FID of a crowd with itself is 0, and two Gaussians with a known distance
# have that distance.
#
# **... real digits are compared without counting?** With 300 images of each kind, a class that makes up a tenth has a
# standard error of 1.7 points. "Our model draws 13 % threes, so it prefers threes" is not a finding.
#
# **... you pick the samples?** Then every figure in this lesson can be had for free. Sort by confidence, show the top
# row, and the worst model of the week looks finished. That is why the grid came first, with a seed that was fixed
# before anybody had looked.
#
# ## Summary
#
# | judge | asks | cannot see |
# |---|---|---|
# | your eyes | does it look right? | proportions, copies; and they pick |
# | classifier: confidence, classes | is each one a digit? are all ten there? | variety, confident nonsense |
# | digit-FID, digit-KID | do the crowds match, as the classifier sees them? | copies; and FID falls with $n$ |
# | bits/dim | are unseen digits probable? | looks: 99 % noise costs 0.0085 bits/dim |
# | nearest training digit | does it recite? | quality |
#
# | habit | why |
# |---|---|
# | put real digits through the same test | every number needs its floor |
# | give an error, count only what is independent | 300 samples cannot settle one point |
# | compare in pairs | the same digits and noise: most of the scatter cancels |
# | say $n$, features, $\sigma_t^2$, sampler | else nobody can compare |
#
# And what we found about time: at large $t$ nothing is decided, the class falls within a short stretch in the middle,
# and detail is settled all the way down.
#
# So far the network was a guesser of noise. Lesson [08 · The score](08_score.ipynb) shows that it knows something with
# an older name: the *score*, the direction in which digits become more probable.
