# %% [markdown]
# # 13 · The bug gallery
#
# Every lesson so far had a part called "what breaks if ...". This one is nothing else. It is about a peculiar trouble of generative models: **they go on working when
# they are broken.** A sorting function with a wrong index gives you a wrong list. A sampler with a wrong index gives you digits. There is no right answer to hold a sample
# against, the loss falls as it should, the pictures look fine, and so the mistake is published, copied and taught. All the bugs of this lesson were in code that
# people used; for each you get the address, and a switch.
#
# **What you will be able to do**
#
# - climb a ladder of tests, from cheap to dear, that a diffusion model has to pass before anybody looks at a picture;
# - say for ten historic bugs what they do to the digits, which number gives them away, and which small test shouts where the picture whispers;
# - write the sharpest of these tests yourself: the exact variance of whatever a sampler draws;
# - tell from a few pictures and four numbers what is wrong with a model.
#
# Time on two CPU cores: about 75 s to run, 60 minutes to read and try.
#
# Beyond the article. Equation numbers are those of [Ho, Jain & Abbeel 2020](https://arxiv.org/abs/2006.11239).

# %%
import torch

from ddpm_lessons import Coefficients, ddpm, predict_eps, predict_x0
from ddpm_lessons.bugs import (
    BUGS,
    LADDER,
    RIGHT,
    Walker,
    draw,
    even_steps,
    exact_loss,
    exhibits,
    first_weights,
    gaussian_model,
    last_variance,
    least_loss,
    noise_levels,
    parts,
    specimen,
    teach,
)
from ddpm_lessons.bugs.ladder import step_error, told_wrongly
from ddpm_lessons.checks import lesson13
from ddpm_lessons.models import load_pretrained
from ddpm_lessons.show import bug_plots
from ddpm_lessons.show.bug_widgets import explore_bugs, show_stories
from ddpm_lessons.show.fast_plots import over_steps
from ddpm_lessons.show.plots import image_rows, show
from ddpm_lessons.show.source import show_source
from ddpm_lessons.training import MixedPrecision

torch.set_num_threads(1)  # few digits at a time: a second thread would mostly wait for the first
pretrained, precision = load_pretrained("mnist"), MixedPrecision("cpu")
x_T = torch.randn(9, 1, 28, 28, generator=torch.Generator().manual_seed(6))
print(f"{len(BUGS)} bugs:", *BUGS, sep="\n- ")

# %% [markdown]
# ## Digits are no witnesses
#
# Three rows of digits by the course's network, in a thousand steps, all from the same $x_T$ and with the same noise. One row was drawn by the right sampler, two by a sampler with a bug from the list above. Which
# two?

# %% tags=["nbval-ignore-output"]
thousand = noise_levels(RIGHT, T=1000)
late = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])  # one batch: the last four are told t - 1
net = precision.autocasting(pretrained.eps_model)
walker = Walker(RIGHT, lambda x, t: net(x, (t - late).clamp(min=1)), thousand)
seeds = [torch.Generator().manual_seed(seed) for seed in (1, 2, 3, 4, 1, 2, 3, 4)]
chain = list(walker.walk(x_T[:4].repeat(2, 1, 1, 1), even_steps(1000, 1000), generator=seeds))
right, told_late = chain[-1].x.split(4)

# Noise at the last step is in the last step: up to x_1 it is the right chain.
careless = Walker(BUGS["noise at the last step"].parts, net, thousand)
noisy, _ = careless.step(
    chain[-2].x[:4], 1, 0, noise=lambda x: torch.randn(x.shape, generator=seeds[0])
)

rows = [x.clamp(-1, 1) for x in (noisy, right, told_late)]
show(
    image_rows(rows, list("1234"), ["row I", "row II", "row III"]),
    alt="Three rows of digits. All three show the same four, as clean and as well drawn as each other; by eye they cannot be told apart.",
)

# %% [markdown]
# Row I has noise in the last step. Row III is by a network that was told the wrong $t$, in nearly all of a thousand steps. If you did not see it, you are in good company: even side by side, with the same noise, they look the same.
# And in life there is no row II to compare with. Another seed gives other digits, and nobody can say that a *sample* is the wrong one.
#
# That is how such bugs survive. So the first rule of this lesson is: **do not begin with the pictures.** They are the last and dearest test, and the most forgiving one.
#
# ## A model in ten parts
#
# To watch bugs at work we need a model in which each can be switched on alone. It lies in `ddpm_lessons/bugs`: the sampler of lesson 06, and around it what trains and measures it, cut
# into ten small parts. Each part has been wrong somewhere.
#
# | part | what it does | lesson |
# |---|---|---|
# | `schedule(T)` | gives the noise levels of a chain of $T$ steps | 01 |
# | `previous(alpha_bars)` | the table of $\bar\alpha_{t-1}$ | 01, 02 |
# | `lower(t, following)` | the level that a step goes down to | 06, 09 |
# | `told(t)` | the $t$ that the network is told | 06 |
# | `sigma(c, last)` | the standard deviation of the fresh noise | 06 |
# | `keep(x)` | what is done to $x_{t-1}$ before the next step sees it: nothing | 06 |
# | `waves(angles)` | sines and cosines of the time embedding | 04 |
# | `decay(n)` | how much the average of the weights keeps of itself | 05 |
# | `grey(x)` | bytes from what the sampler leaves | 00 |
# | `bits(nats)` | the unit of the bound | 03 |
#
# This is the step of the sampler, and the four shortest of the parts:

# %% tags=["nbval-ignore-output"]
show_source(Walker.step, parts.lower, parts.told, parts.sigma, parts.keep)

# %% [markdown]
# With the right parts it *is* the library's sampler. That has to be checked first, or we would be testing a model of our own invention:

# %%
short = noise_levels(RIGHT, T=50)
start = torch.randn(5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
ideal = gaussian_model(0.01, short)  # the ideal network for numbers from N(0, 0.01)
walker = Walker(RIGHT, ideal, short)
*_, ours = walker.walk(start, even_steps(50, 50), generator=torch.Generator().manual_seed(1))
*_, theirs = ddpm(ideal, short, start, generator=torch.Generator().manual_seed(1))
print("the right parts draw what ddpm draws:", torch.allclose(ours.x, theirs.x, rtol=0, atol=1e-12))

# %% [markdown]
# And a bug is one part exchanged. Here is how the two of above were mended, as a commit would show it (`-` was wrong, `+` is right):

# %%
for name in ("noise at the last step", "told t - 1"):
    print(f"{name}\n{BUGS[name].difference}\n")

# %% [markdown]
# ## The ladder
#
# Tests of a generative model differ in what they cost by a factor of a million, and the cheap ones are also the sharp ones. So climb from below, and do not go on while a rung is broken:
#
# 1. **Nothing but tables and shapes.** Is $x_T$ noise, that is, is $\bar\alpha_T$ nearly 0? Are the data in $[-1, 1]$? Do bytes rise where pixels rise? Is an image treated the same wherever in the batch it stands?
#    *Microseconds.*
# 2. **A network that only listens.** It answers 0 and writes down what it was asked. Was it told each $t$ once, and in order? *Milliseconds.*
# 3. **A network that is always right.** For Gaussian data the ideal answer is a formula (lesson 06). Does one step without noise arrive where it should? Is the variance of what is drawn the right one, *exactly*: for narrow data and for
#    wide ones, with all levels and with some? *Milliseconds.*
# 4. **A training that takes seconds.** Does a tiny network reach the loss that theory allows, and does its average? Which $t$ does the trainer draw? *Seconds.*
# 5. **A bound with a known end.** Is the code length above the entropy of data whose entropy you know? *Seconds.*
# 6. **Few samples of the real network, in few steps.** Ten steps are not for beauty. They are for grain, specks, and what repeats itself. *Seconds.*
# 7. **Many samples, measured.** Digit-FID, class shares, memorisation (lesson 07). *Minutes to hours.*
#
# The library has twelve tests of the rungs 1 to 5 ready, each a function from a model to one number. The right model first:

# %%
print(f"{'test':19} | {'what it asks':42} | right")
for rung in LADDER:
    print(f"{rung.name:19} | {rung.asks:42} | {bug_plots.brief(rung.run(RIGHT))}")

# %% [markdown]
# ### A network that only listens
#
# A stand-in that keeps a record is called a *mock*, and it is the most useful tool in this lesson. Whatever a sampler asks its network, a mock has heard it:

# %% tags=["nbval-ignore-output"]
show_source(told_wrongly)

# %%
for name in ("told t - 1", "noise at the last step"):
    print(f"{name}: told another t in {told_wrongly(BUGS[name].parts, T=10):.0f} of 10 steps")

# %% [markdown]
# Nine of ten, because at $t = 1$ there is no $t - 1$ to be told. The test does not care how good the digits look.
#
# A trainer can be counted as well. Its $t$ is drawn at random, so one needs many draws, and then compares *sets*: what was drawn, and what the sampler will ask for. In one well-known short implementation the two differed by one
# number ([cloneofsimo/minDiffusion](https://github.com/cloneofsimo/minDiffusion) drew `randint(1, T)`, which never gives $T$, and began its sampling there): the first question to the network was one it had never been
# trained on.
#
# ### Exercise 13.1 · A test of your own
#
# Many answers are right here. Write a test for trainers. You are given `draw(n)`, which returns $n$ of a trainer's timesteps as a tensor, and $T$. Algorithm 1 says $t \sim \mathrm{Uniform}(\{1, \dots, T\})$. `my_test` returns `True` if that is what the trainer does, and `False` if not. It will meet a number of trainers:
#
# - right ones have to pass it, also those that shuffle the $t$ like cards and deal them all out before any comes again, and those that draw $t$ together with $T + 1 - t$, as the code of DDIM does;
# - who never draws one of the ends, 1 or $T$, fails;
# - so does who draws 0, or $T + 1$;
# - so does who leaves out one $t$ in the middle;
# - and so does who draws one $t$ ten times too rarely. (Its loss at this $t$ would be learnt as if training had ended at a tenth.)
#
# How many draws you take, and where you put the limit, is for you to decide. A test can err in two ways.
#
# <details><summary>Hint</summary><code>draw(20_000).bincount(minlength=T + 1)</code> counts how often 0, 1, 2, ... came. How often should each come, and how far from that will chance take it? Roughly the root of the number.</details>


# %% tags=["nbval-ignore-output"]
def my_test(draw, T):
    return ...  # replace the dots: True or False


lesson13.own_test(my_test)

# %% [markdown]
# ### A network that is always right
#
# If the network is ideal, whatever is still wrong is the sampler's fault. The simplest test with it takes one white pixel, $x_0 = 1$, and no noise at all: $x_t = \sqrt{\bar\alpha_t}$. The right answer of the network is $\epsilon = 0$, and the step (without its
# fresh noise) must arrive at $\sqrt{\bar\alpha_{t-1}}$. The error should be 0, so there is no tolerance to haggle over:

# %%
for name in ("told t - 1", "alpha_bar_prev on the wrong side", "single steps on a sub-grid"):
    missed = step_error(BUGS[name].parts, T=1000, steps=10)
    print(f"{name:33}: misses by {bug_plots.brief(missed)}")
print(f"{'right':33}: misses by {bug_plots.brief(step_error(RIGHT, T=1000, steps=10))}")

# %% [markdown]
# (The first one passes: a network that answers 0 to everything does not mind being told a wrong $t$. Every test is blind to something.)
#
# The sharpest test of all you know from lesson 06. For data from $\mathcal N(0, v)$ each step multiplies by a number and adds noise, $x_{t-1} = a_t x_t + b_t z$. The variance of what is drawn follows from that, *without drawing anything*:
#
# $$v_{t-1} = a_t^2\, v_t + b_t^2, \qquad v_T = 1.$$
#
# And $a_t$, $b_t$ need not be derived. **Ask the sampler**: the step from $x = 1$ with $z = 0$ gives $a_t$, the step from $x = 0$ with $z = 1$ gives $b_t$. So it works for a sampler that you have never seen from
# inside. Ten steps, data with $v = 0.01$:

# %%
ten = noise_levels(RIGHT, T=10)
walker = Walker(RIGHT, gaussian_model(0.01, ten), ten)
v = 1.0
print("  t |      a_t      b_t | variance after the step")
for t in range(10, 0, -1):
    x, z = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    after, _ = walker.step(x, t, t - 1, noise=lambda _, z=z: z)
    a, b = after.tolist()
    v = a**2 * v + b**2
    print(f" {t:2} | {a:8.4f} {b:8.4f} | {v:.4f}")
print(f"the library's last_variance: {last_variance(RIGHT, T=10, var=0.01):.4f}")

# %% [markdown]
# The data have 0.01 and we end at 0.0022, with the right sampler: ten steps are too few for $\sigma_t^2 = \beta_t$, as lesson 06 found. That does not matter. A test does not need a *good* number, only one that is *known*.
#
# ### Exercise 13.2 · The variance at the end
#
# Write it for any sampler: `step(x, t, z)` gives $x_{t-1}$, it is linear in $x$ and $z$, and $x_T$ has variance 1. Return the variance of $x_0$.
#
# <details><summary>Hint</summary>A loop over <code>range(T, 0, -1)</code> with two questions to <code>step</code> in it. The table above did the same.</details>


# %% tags=["nbval-ignore-output"]
def my_end_variance(step, T):
    return ...  # replace the dots, and use more lines


lesson13.end_variance(my_end_variance)

# %% [markdown]
# ## Small T shouts
#
# How much does a bug move the variance? It depends on how many steps the chain has, and on how wide the data are:

# %% tags=["nbval-ignore-output"]
lengths = [10, 20, 50, 100, 200, 500, 1000]
panels = {}
for var, world in ((0.01, "narrow data, v = 0.01"), (1.0, "wide data, v = 1")):
    right = [last_variance(RIGHT, T, var=var) for T in lengths]
    panels[world] = {
        name: (
            lengths,
            [
                abs(last_variance(BUGS[name].parts, T, var=var) / b - 1)
                for T, b in zip(lengths, right, strict=True)
            ],
        )
        for name in ("noise at the last step", "told t - 1")
    }
show(
    over_steps(panels, y_label="relative error of the end variance", x_label="T", level=0.01),
    alt="Relative error of the end variance over T, both axes logarithmic, for two bugs. Narrow data: noise at the last step falls from about 50 "
    "at T = 10 to 0.01 at T = 1000; told t - 1 wanders between 0.03 and 0.2. Wide data: told t - 1 falls from 0.6 to 0.01, noise at the last step from 0.1 to 0.0001. "
    "A dotted line marks one per cent.",
)

# %%
for T in (10, 1000):
    levels = noise_levels(RIGHT, T)
    print(
        f"T = {T:4}: the last step's noise has variance beta_1 = {levels.betas[1]:.4f}; narrow data have 0.01"
    )

# %% [markdown]
# The last step's noise has the variance $\beta_1$. With a thousand steps that is a hundredth of the *narrow* data's variance and a ten-thousandth of the wide ones'. With ten steps it is ten times the narrow data. And a neighbouring $t$ is nearly the same noise
# level when there are a thousand, and quite another one when there are ten.
#
# The dotted line is one per cent, about what you can see with 20,000 samples. At $T = 1000$ with unit variance, where everybody tests, both bugs lie on it or below. **So test at $T = 10$, on narrow data and on wide ones.**
#
# That is the rule. Remember it well, for the gallery has exceptions to it.
#
# ## The gallery
#
# Now all ten. For each the digits are drawn anew, nine of them in 10 and in 50 steps, from the same $x_T$ and with the same noise; and its number is taken at $T = 10$ and at $T = 1000$.
#
# An honest word on what is *trained*: nothing in this cell. A bug of sampling needs no training. The two bugs that sit in a network are *planted* into the course's network, which learnt without them: a batch axis in the embedding of a network that never had one, and an average with
# the 15 per cent of random weights that would be left in it after our 18,760 steps. What training makes of them comes afterwards.

# %% tags=["nbval-ignore-output"]
gallery = exhibits(BUGS, pretrained, x_T)
explore_bugs(gallery)

# %% [markdown]
# Choose a bug, and the number of steps. The coloured lines are how it was mended. And here is all of it on one sheet:

# %% tags=["nbval-ignore-output"]
show(
    bug_plots.contact_sheet(gallery),
    alt="Eleven rows of digits in 10 and in 50 steps, with a name and a number for each. No bug: clean digits. Noise at the last step: grain. Told t - 1: good digits, some others. "
    "alpha_bar_prev on the wrong side: black and white with specks. Single steps on a sub-grid: noise. x_{t-1} clipped: digits, some torn. Betas of 1000 steps: noise, and scribbles in 50 steps. Batch axis: "
    "every other picture is noise. Slow average: torn strokes. Bytes that wrap: specks all over. Nats called bits: as without a bug.",
)

# %% [markdown]
# What happened, and what is to be seen:

# %% tags=["nbval-ignore-output"]
show_stories(BUGS)

# %% [markdown]
# And the numbers. Variances at the end are exact; the one after the first step is of 20,000 numbers, because a sampler that clips is not linear.

# %%
print(f"{'':32} |  T = 10: right,   found | T = 1000: right,   found")
for name, exhibit in gallery.items():
    (b10, a10), (b1000, a1000) = exhibit.numbers[10], exhibit.numbers[1000]
    if name != "nats called bits":
        print(f"{name:32} | {b10:14.4g}, {a10:7.4g} | {b1000:15.4g}, {a1000:7.4g}")

# %% [markdown]
# Take your time with the sheet. Some things to notice:
#
# - **Noise at the last step** and **told t - 1** follow the rule: the number shouts at 10 and whispers at 1000. But only one of them shows. Told $t - 1$ draws good digits even in ten steps.
# - **Betas of 1000 steps** is silent at 1000, where these betas are right. **Single steps** is silent whenever *all* levels are walked, be it 10 of 10 or 1000 of 1000: only a chain that leaves levels out has the bug. A test of the full chain will never meet it.
# - **alpha_bar_prev on the wrong side** is the exception to "small $T$ shouts". At $T = 1000$ the variance is fourteen *million*. It was found in three days.
# - **x_{t-1} clipped** hardly moves the narrow data, which fit into $[-1, 1]$; the wide ones lose half their variance in the very first step.
# - **Bytes that wrap** and **nats called bits** sit behind the sampler. Every variance is right. In the last case even every picture.
# - **Batch axis**: every *other* picture. Whenever something alternates, or depends on how many images you draw at once, think of the batch.
#
# ## Which test catches what
#
# Ten bugs, twelve tests. What is coloured has been caught: the number is off by more than 5 per cent, or it is not 0 where it should be.

# %% tags=["nbval-ignore-output"]
right = [rung.run(RIGHT) for rung in LADDER]
found = {name: [rung.run(bug.parts) for rung in LADDER] for name, bug in BUGS.items()}
show(
    bug_plots.catches(found, right, [rung.name for rung in LADDER]),
    alt="A table of ten bugs and twelve tests. Each bug has at least one coloured cell. Four bugs are caught by one test only: the batch axis, the slow average, bytes that wrap and "
    "nats called bits. The last column, wide data at T = 1000, has two coloured cells: alpha_bar_prev on the wrong side and the clipped state.",
)

# %%
usual = len(LADDER) - 1
seen = [name for name in BUGS if bug_plots.caught(found[name][usual], right[usual])]
print("caught by the usual test, wide data and 1000 steps:", *seen, sep="\n- ")

# %% [markdown]
# Read the columns. The last one is what most people would call a thorough test: a thousand steps, and data of variance 1. It misses **eight of ten**. It is also the slowest of the twelve. The cheap ones to its left catch all ten between them, and none of them alone catches more than half.
#
# Now read the rows, because that is how one debugs: *a bug is a row of this table*. Four rows have one mark only. For those, one either has that test, or one does not find the bug.
#
# ## Bugs of training, trained
#
# Is a planted bug a fair one? A network that is *trained* with a bug may learn to live with it. Let us see, with a network so small that it trains in seconds, and data so simple that its loss can be worked out exactly: numbers from $\mathcal N(0, 0.01)$, ten steps. The ideal
# network multiplies $x_t$ with a factor that depends on $t$; ours learns that factor from the embedding of $t$. This part *is* trained, by Algorithm 1:

# %% tags=["nbval-ignore-output"]
least = least_loss(ten, var=0.01)
print(f"the least loss that is possible: {least:.4f}; a network that answers 0 has 1")
losses = {}
for name in (None, "batch axis in the embedding", "slow average from the start"):
    taught = teach(BUGS[name].parts if name else RIGHT, T=10, var=0.01, steps=1000)
    losses[name] = [exact_loss(net, ten, 0.01) for net in taught]
    print(
        f"{name or 'no bug':28}: loss {losses[name][0]:.4f}, of the averaged weights {losses[name][1]:.4f}"
    )

# %%
batch_axis, slow = losses["batch axis in the embedding"], losses["slow average from the start"]
print(
    "with the batch axis the loss is within a fifth of the right one:",
    batch_axis[0] < 1.2 * losses[None][0],
)
print("the slow average does worse than a network that answers 0:     ", slow[1] > 1)
for n in (500, 2_000, 10_000, 100_000):
    share = first_weights(BUGS["slow average from the start"].parts, n)
    print(f"after {n:7,} updates {share:6.1%} of the slow average are random weights")

# %% [markdown]
# Two lessons in one table.
#
# **Training hides the batch axis.** The tiny network has simply learnt two codes for the time, sines for the even places and cosines for the odd ones. That takes it a little longer: after 1000 steps its loss is a tenth above the right one's, and still falling. Who would notice? In the
# repository where it happened nobody did, and models were trained and given away. Such a network draws well, but answers differently when the same image stands elsewhere in the batch. No loss curve will tell you; a test of one line will.
#
# **The slow average damages nothing but the average.** The loss that is printed during training is fine, because it belongs to the weights themselves. The samples come from the average, which is mostly random: it does worse than no network. With the library's `Ema`, whose memory grows with the number of
# updates, the average is *better* than the weights. A decay of 0.9999 suits a training of a million steps; in one of a thousand it must not be used from the start.
#
# ## Three specimens
#
# You know the collection. Here are three models with one of its bugs each. You cannot look inside: all you get is what they draw, and four exact variances (data of variance 0.01 and of 1; the third number is for a chain that visits 10 of 1000 levels).

# %% tags=["nbval-ignore-output"]
letters = {letter: specimen(letter) for letter in "ABC"}
other_x_T = torch.randn(6, 1, 28, 28, generator=torch.Generator().manual_seed(13))
drawn = {
    "none": {steps: draw(RIGHT, pretrained, other_x_T, T=steps, steps=steps) for steps in (10, 50)}
}
for letter, bug in letters.items():
    drawn[letter] = {steps: bug.draw(pretrained, other_x_T, steps) for steps in (10, 50)}
show(
    bug_plots.specimens(drawn),
    alt="Four rows of six digits, in 10 steps on the left and in 50 steps on the right. No bug: digits. A: digits as good, some of them others. B: pure noise. C: torn and thin strokes, in 50 steps on clean paper.",
)

# %%
print(f"{'':8} | narrow, T = 10 | wide, T = 10 | narrow, 10 of 1000 | wide, T = 1000")
for letter, model in {"no bug": RIGHT, **{x: bug.parts for x, bug in letters.items()}}.items():
    variances = [
        last_variance(model, 10, var=0.01),
        last_variance(model, 10, var=1.0),
        last_variance(model, 1000, var=0.01, steps=10),
        last_variance(model, 1000, var=1.0),
    ]
    print("{:8} | {:14.4f} | {:12.3f} | {:18.4f} | {:14.3f}".format(letter, *variances))

# %% [markdown]
# Go about it as a doctor does. First: is it the sampler at all? The variances are those of the sampler alone, with an ideal network in it. Then: which suspects does a number *exclude*? Only then: what do the pictures say?
#
# Answer with a name from the list in the first cell, for example `"nats called bits"`. A wrong answer is told what speaks against it.
#
# ### Exercise 13.3 · Specimen A
#
# <details><summary>Hint</summary>Narrow data are all right, wide ones are not, and at 1000 steps there is next to nothing to see. Look for a row of the large table that does the same.</details>

# %% tags=["nbval-ignore-output"]
my_A = ...  # replace the dots: "the name of a bug"

lesson13.specimen_A(my_A)

# %% [markdown]
# ### Exercise 13.4 · Specimen B
#
# <details><summary>Hint</summary>Two bugs of the gallery draw pure noise. With which of them are both numbers of T = 10 the right ones?</details>

# %% tags=["nbval-ignore-output"]
my_B = ...  # replace the dots: "the name of a bug"

lesson13.specimen_B(my_B)

# %% [markdown]
# ### Exercise 13.5 · Specimen C
#
# <details><summary>Hint</summary>All four variances are right, so the sampler is. What is left are the network, the bytes and the bound. Are all pictures damaged, or every other one? Is the paper clean in 50 steps?</details>

# %% tags=["nbval-ignore-output"]
my_C = ...  # replace the dots: "the name of a bug"

lesson13.specimen_C(my_C)

# %% [markdown]
# ## An operation
#
# To find a bug is one thing, to mend it another. One repair of a DDIM sampler was needed *twice*, half a year apart, in the same repository
# ([6dda508](https://github.com/lucidrains/denoising-diffusion-pytorch/commit/6dda508) and [2205bab](https://github.com/lucidrains/denoising-diffusion-pytorch/commit/2205bab) of lucidrains' denoising-diffusion-pytorch): $\hat x_0$ was clipped, and $\epsilon$ stayed what it had been before. But
# DDIM mixes the two anew, and a mixture wants parts that belong together. In numbers, at $\bar\alpha_t = 0.5$:

# %%
c = Coefficients(beta=0.01, alpha=0.99, alpha_bar=0.5, alpha_bar_prev=0.5 / 0.99)
x_t, eps = 1.2, 0.3
clipped = min(predict_x0(x_t, c, eps), 1.0)
for word, noise in (("old", eps), ("its own", predict_eps(x_t, c, clipped))):
    again = c.alpha_bar**0.5 * clipped + (1 - c.alpha_bar) ** 0.5 * noise
    print(f"clipped x0_hat with {word:7} eps: x_t = {again:.3f} (it was {x_t})")

# %% [markdown]
# The patient below has three faults. (It runs. It draws digits, too.)
#
# ```python
# def jump(x_t, c, eps):  # one step of DDIM, without noise
#     x0_hat = predict_x0(x_t, c, eps).clamp(-1, 1)
#     x = c.alpha_bar**0.5 * x0_hat + (1 - c.alpha_bar) ** 0.5 * eps
#     return x.clamp(-1, 1)
# ```
#
# ### Exercise 13.6 · Three faults
#
# Mend it. $\hat x_0$ shall be clipped to $[-1, 1]$, the noise shall belong to it, and the step shall arrive at level $t - 1$, where $\bar\alpha_{t-1}$ is `c.alpha_bar_prev`.
#
# <details><summary>Hint</summary><code>predict_eps(x_t, c, x0_hat)</code> is the noise that makes $x_t$ of this x0_hat. Which level does the mixture go to? And which of the two clamps is allowed?</details>


# %% tags=["nbval-ignore-output"]
def my_jump(x_t, c, eps):
    return ...  # replace the dots, and use more lines


lesson13.repaired(my_jump)

# %% [markdown]
# ## How not to have them
#
# Tests find bugs. Better still is code in which they have no place. What this library does about the ten:
#
# | bug | why it cannot happen here, or not unseen |
# |---|---|
# | noise at the last step | `ddpm` says `if t > 1`; DDIM's noise is 0 there by arithmetic, because $\tilde\beta_1 = 0$ |
# | told $t - 1$ | one way of counting, $t = 1 \dots T$; a network that is told 0 raises an error |
# | `alpha_bar_prev` on the wrong side | tables have $T + 1$ entries, so `alpha_bars[t - 1]` needs no padding and no second table |
# | single steps on a sub-grid | a jump has coefficients of its own, `schedule.between(s, t)` |
# | $x_{t-1}$ clipped | `clip_x0` is the only clipping there is |
# | betas of 1000 steps | a schedule whose $\bar\alpha_T$ exceeds 0.001 warns (you may have seen it in lesson 01) |
# | batch axis | a test asks for one timestep alone and in a batch |
# | slow average | `Ema` begins with a short memory |
# | bytes that wrap | `to_uint8` is the only way to bytes, and it saturates |
# | nats called bits | one function has the division; a test holds the bound against known entropies |
#
# And `tests/mutations.py` plants dozens of public bugs into the library, one at a time, and checks that some test cries out. That is the last trick of this lesson: **test your tests.** A test that has never failed has not shown that it can.
#
# ## Summary
#
# | | |
# |---|---|
# | the trouble | a broken generative model goes on generating; a sample has no right answer |
# | the ladder | tables, a network that listens, one that is always right, a tiny training, a known entropy, few samples, many samples: in this order |
# | exact variance | ask the sampler for $a_t$ and $b_t$; $v_{t-1} = a_t^2 v_t + b_t^2$. Known numbers, not good ones |
# | where to look | $T = 10$; narrow *and* wide data; all levels *and* some of them |
# | $T = 1000$, variance 1 | missed eight bugs of ten |
# | exceptions | some bugs are silent at small $T$, some on full grids, some in every picture |
# | training | hides what it can learn to live with; the loss belongs to the weights, the samples to their average |
# | a diagnosis | first what the numbers exclude, then what the pictures say |
#
# This was the last lesson that takes things apart. Everything in it is yours to break: `dataclasses.replace(RIGHT, sigma=...)`, and see which test shouts.
