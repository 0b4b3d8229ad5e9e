# %% [markdown]
# # 05 · Training
#
# Until now the network came ready-made. In this lesson you make one. You will watch static turn into strokes and
# strokes into digits, while a number called *loss* falls for a minute and then seems to have had enough. Whether
# it has, what a reasonable loss is, and what else can go wrong between "it runs" and "it works": that is the rest
# of the lesson.
#
# **What you will be able to do**
#
# - write a training loop, line by line beside Algorithm 1, and train a network of your own on your machine;
# - read a loss: where it starts, what it is made of, why it looks flat while the samples still improve, and how
#   many images it takes to see a change of one per cent;
# - say what the average of the weights is good for, and why it must be warmed up;
# - stop a training, go on later, and get the same result bit for bit.
#
# Time on two CPU cores: about 100 s to run, 60 minutes to read and try.
#
# Article section: *practical implementation*. Equation numbers are those of [Ho, Jain & Abbeel
# 2020](https://arxiv.org/abs/2006.11239).

# %%
import itertools
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ddpm_lessons import Coefficients, Mixture, ddim, ddpm, linear_schedule, q_sample, simple_loss
from ddpm_lessons.checks import lesson05
from ddpm_lessons.cli.options import choose_device
from ddpm_lessons.data import Digits, load_mnist
from ddpm_lessons.models import UNet, load_pretrained
from ddpm_lessons.show import training_plots
from ddpm_lessons.show.live_widgets import Watch
from ddpm_lessons.show.plots import show
from ddpm_lessons.show.source import show_source

# %%
from ddpm_lessons.training import (
    PRESETS,
    Ema,
    load_checkpoint,
    loss_by_timestep,
    make_schedule,
    pretrained_log,
    save_checkpoint,
    start_run,
    steps_of,
    train,
)

digits, test = load_mnist("train"), load_mnist("test")
print(f"{len(digits):,} digits to learn from, {len(test):,} to test with")

# %% [markdown]
# ## Four pieces of code
#
# A diffusion model in a blog post is four pieces of code: a schedule, a function that adds noise, a training
# step, and a loop that samples. Here they are in our words, in the style that you will meet everywhere, where $t$
# counts from 0 because tables do. To have something to compute with, there are only 20 steps.

# %%
T = 20
betas = torch.linspace(0.001, 0.6, T)  # the article has T = 1000, from 0.0001 to 0.02
alphas = 1 - betas
alpha_bars = torch.cumprod(alphas, dim=0)


def forward_diffusion(x_0, t, noise):
    kept = alpha_bars[t].view(-1, 1, 1, 1)
    return kept.sqrt() * x_0 + (1 - kept).sqrt() * noise


# %%
def train_step(network, optimizer, x_0):
    t = torch.randint(0, T, (len(x_0),))
    noise = torch.randn_like(x_0)
    guess = network(forward_diffusion(x_0, t, noise), t)
    loss = ((guess - noise) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


# %%
def sample_from(network, x):
    for t in reversed(range(T)):
        eps = network(x, torch.full((len(x),), t))
        x = (x - betas[t] / (1 - alpha_bars[t]).sqrt() * eps) / alphas[t].sqrt()
        if t > 0:
            x = x + betas[t].sqrt() * torch.randn(x.shape)
    return x


# %% [markdown]
# That is all there is, and it is right. Beside it, the library:
#
# | piece | in a blog post, $t = 0 \dots T-1$ | in this library, $t = 1 \dots T$ | what the library adds |
# |---|---|---|---|
# | schedule | three tensors of $T$ numbers | `linear_schedule(T)`, tables of $T + 1$: entry 0 is the clean image | float64; a warning if $x_T$ would not be noise |
# | adding noise | `forward_diffusion(x_0, t, noise)` | `q_sample(x_0, schedule.at(t, like=x_0), eps)`, Eq. (4) | shapes are checked |
# | training step | `train_step(network, optimizer, x_0)` | `train(...)`, Algorithm 1, with `simple_loss`, Eq. (14) | a loop; the average of the weights; mixed precision |
# | sampling | `sample_from(network, x)` | `ddpm(eps_model, schedule, x_T)`, Algorithm 2 | every state on the way, $\hat x_0$, clipping: lesson 06 |
#
# Do they agree? The tables and the noise first. Note the shift: row `t` over there is our $t + 1$.

# %%
schedule_20 = linear_schedule(T, beta_1=0.001, beta_T=0.6)
x_0, eps = digits[:4], torch.randn(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
theirs = forward_diffusion(x_0, torch.tensor([0, 5, 12, 19]), eps)
ours = q_sample(x_0, schedule_20.at(torch.tensor([1, 6, 13, 20]), like=x_0), eps)
print("the tables:", torch.allclose(schedule_20.alpha_bars[1:].float(), alpha_bars, atol=1e-6))
print("x_t:       ", torch.allclose(theirs, ours, atol=1e-5))

# %% [markdown]
# Then a hundred training steps of the smallest network there is, $\epsilon_\theta(x_t, t) = w\,x_t$, with one
# number to learn. From the same seed both draw the same $t$ and the same noise.


# %%
class OneWeight(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.tensor(0.0))

    def forward(self, x_t, t):
        return self.w * x_t


theirs, ours = OneWeight(), OneWeight()
torch.manual_seed(1)
sgd = torch.optim.SGD(theirs.parameters(), lr=0.05)
losses = [train_step(theirs, sgd, digits[8 * i : 8 * i + 8]) for i in range(100)]

# %%
torch.manual_seed(1)
sgd = torch.optim.SGD(ours.parameters(), lr=0.05)
batches = (digits[8 * i : 8 * i + 8] for i in range(100))
library = [step.loss.item() for step in train(ours, schedule_20, batches, sgd)]
print(f"w = {theirs.w.item():.3f} and {ours.w.item():.3f}")
print("all losses:", torch.allclose(torch.tensor(losses), torch.tensor(library), atol=1e-5))

# %% [markdown]
# And sampling. The network is lesson 02's photocopier, the exact noise prediction for a world of ten digits: it
# is made for our $t$, so for the other loop it is wrapped once, `t + 1`.

# %%
photocopier = Mixture.from_data(digits[:10]).eps_model(schedule_20)
x_T = torch.randn(5, 1, 28, 28, generator=torch.Generator().manual_seed(2))
torch.manual_seed(3)
theirs = sample_from(lambda x, t: photocopier(x, t + 1), x_T)
torch.manual_seed(3)
*_, last = ddpm(photocopier, schedule_20, x_T)
print("the samples:", torch.allclose(theirs, last.x, atol=1e-3))

# %% [markdown]
# ## Algorithm 1, line by line
#
# This is the library's loop. It is a generator: it makes one step, hands it to you, and waits. A progress bar, a
# plot or a test is the one who asks for the next step; the loop knows nothing of them.

# %% tags=["nbval-ignore-output"]
show_source(train)

# %% [markdown]
# | Algorithm 1 | in the code |
# |---|---|
# | 1: repeat | `for step, batch in enumerate(batches, start=1)` |
# | 2: $x_0 \sim q(x_0)$ | `x_0 = batch ...`, shuffled anew in each pass over the data |
# | 3: $t \sim \text{Uniform}(1, \dots, T)$ | `draw_noise`, one for each image |
# | 4: $\epsilon \sim \mathcal N(0, I)$ | likewise |
# | 5: gradient step on $\lVert\epsilon - \epsilon_\theta(\dots)\rVert^2$ | `zero_grad`, `backward`, `optimizer.step()` |
# | 6: until converged | whoever consumes the loop decides |
#
# What is not in Algorithm 1: the learning rate's own schedule, the average of the weights (`ema`, below), mixed
# precision, `rows`, which matters only where several processes share each batch, and a look at the loss every 50
# steps. Only every 50, because to *read* a number from a GPU means to wait for it.
#
# **By calculator.** One step of `OneWeight` on the article's pixel, $x_0 = 0.8$, $\epsilon = 0.3$,
# $\bar\alpha = 0.5$, so $x_t = 0.778$. Let $w = 0.5$: the guess is $0.389$, the error $0.089$, the loss
# $0.089^2 = 0.0079$. Its slope is $2 \cdot 0.089 \cdot 0.778 = 0.138$; with a learning rate of 0.1 the new $w$ is
# $0.5 - 0.0138 = 0.486$.

# %%
c = Coefficients(beta=0.01, alpha=0.99, alpha_bar=0.5, alpha_bar_prev=0.505)
x_t = q_sample(0.8, c, 0.3)
w = torch.tensor(0.5, requires_grad=True)
loss = (w * x_t - 0.3) ** 2
loss.backward()
print(f"x_t {x_t:.3f}, loss {loss.item():.4f}, slope {w.grad.item():.3f}")
print(f"new w {(w - 0.1 * w.grad).item():.3f}")

# %% [markdown]
# ### Exercise 5.1 · One step
#
# The same for a whole batch: `x_0` and `eps` are tensors, the loss is the mean of the squared errors over all
# entries. Return the new `w`. (Use the formula for the slope or `torch.autograd`, as you like.)
#
# <details><summary>Hint</summary><code>q_sample(x_0, c, eps)</code> gives x_t. The mean of (w x_t - eps) squared has the derivative: mean of 2 (w x_t -
# eps) x_t.</details>


# %% tags=["nbval-ignore-output"]
def my_step(w, lr, c, x_0, eps):
    return ...  # replace the dots, and use more lines if you like


lesson05.one_step(my_step)

# %% [markdown]
# ### Two ends of the scale
#
# **Where does the loss start?** The noise has variance 1, and a network that knows nothing had best answer 0.
# Ours does, because its last layer starts at zero. So it starts at 1:

# %%
schedule = linear_schedule()  # T = 1000 again
torch.manual_seed(0)
untrained = UNet().eval()
with torch.no_grad():
    first = simple_loss(untrained, schedule, test[:500], generator=torch.Generator().manual_seed(0))
print(f"the loss of an untrained network: {first.item():.2f}")

# %% [markdown]
# **A landmark on the way.** Suppose a network looks at each pixel on its own and knows only how bright this pixel is on
# average, and its variance $v$ over all digits. The best guess at the noise that is a straight line in $x_t$ leaves an error of
#
# $$\frac{\bar\alpha_t\,v}{\bar\alpha_t\,v + 1 - \bar\alpha_t}$$
#
# (linear regression: the variance of $\epsilon$, 1, minus its squared covariance with $x_t$, $1 - \bar\alpha_t$, over the
# variance of $x_t$). By calculator, for $\bar\alpha = 0.5$ and $v = 0.27$: $0.135 / 0.635 = 0.21$. Averaged over all pixels and all $t$:

# %%
v = digits[:10_000].double().var(dim=0)  # (1, 28, 28)
kept = schedule.alpha_bars[1:].view(-1, 1, 1, 1)  # (1000, 1, 1, 1)
error = kept * v / (kept * v + 1 - kept)
print(f"mean variance of a pixel: {v.mean().item():.2f}")
print(f"the best guess, pixel by pixel: {error.mean().item():.2f}")

# %% [markdown]
# So a loss of 0.12 needs no idea of what a digit looks like. The best *curve* for each pixel, in place of a straight line, would bring it to
# about half of that. Whatever lies below has been learnt by looking at neighbours.
#
# **Where can it end?** Not at 0. From $x_t$ alone nobody can know the noise exactly; [lesson
# 03](03_the_loss.ipynb#The-loss-that-cannot-reach-zero) computed that floor in worlds where it can be computed.
# For real digits nobody knows it.
#
# **Which $t$ are asked?** All of them, both ends included. A spy that answers 0 and writes down what it is asked:

# %%
asked = []


def spy(x_t, t):
    asked.append(t)
    return torch.zeros_like(x_t)


simple_loss(spy, schedule, torch.zeros(20_000, 1), generator=torch.Generator().manual_seed(0))
asked = torch.cat(asked)
print(f"from {asked.min().item()} to {asked.max().item()}, {len(asked.unique())} different ones")

# %% [markdown]
# ## Your turn to train
#
# A training is more than a network. These are its parts, all of them; you will need the list again when we stop
# one and go on.


# %%
show_source(start_run)

# %% [markdown]
# And Algorithm 1 on all of them:

# %%
show_source(steps_of)

# %% [markdown]
# ### The budget
#
# **With a GPU** the cell below trains the article's 20 epochs with the network of the course's own weights, the preset
# `"gpu"`. **On a CPU** it trains a small network for as long as you say. `MINUTES = 0.75` is enough to see it learn, and keeps
# this lesson below two minutes. **Set it to 3, and most of the samples become digits.** It is a time and not a
# number of steps, so that you know how long to wait. (A slow or busy machine may take up to four times as long, to reach
# at least 250 steps.) For the same reason the learning rate stays constant after a
# short rise: such a training may end at any moment, and the average of the weights, which the samples come from,
# does what a falling learning rate would do.

# %% tags=["nbval-ignore-output"]
MINUTES = 0.75  # 3 for digits; a GPU trains its 20 epochs, whatever stands here
device = choose_device("auto")
brief = replace(PRESETS["quick"], steps=10_000, lr=3e-3, warmup=40, decay=0.1, ema_decay=0.999)
on_gpu = device.type != "cpu"
preset = PRESETS["gpu"] if on_gpu else brief
budget = {"steps": preset.steps} if on_gpu else {"seconds": 60 * MINUTES, "at_least": 250}
run = start_run(preset, digits, device=device)
weights = sum(p.numel() for p in run.model.parameters())
print(f"{device}: {weights:,} weights, batches of {preset.batch_size}, learning rate {preset.lr}")

# a second average, without something important: see below
unwarmed = AveragedModel(run.model, multi_avg_fn=get_ema_multi_avg_fn(0.999))

# %% [markdown]
# Now train. Below the cell appear the loss, and eight samples that are drawn every few seconds, always from the
# same noise. **The square button in the toolbar (or the menu *Kernel*, *Interrupt*) stops it cleanly** between two
# steps; run the cell again, and it goes on.

# %% tags=["nbval-ignore-output"]
x_T = torch.randn(8, 1, 28, 28, generator=torch.Generator().manual_seed(3))
watch = Watch(run, x_T, **budget)
for _ in watch(steps_of(run)):
    unwarmed.update_parameters(run.model)

# %% tags=["nbval-ignore-output"]
print(f"{run.step} steps in {run.seconds:.0f} s")
show(
    training_plots.learning(watch.losses, watch.strips),
    alt="Above, the loss of every step on a logarithmic axis: it starts at 1, falls steeply within the first hundred or two "
    "steps to below 0.1, then ever more slowly. Below, rows of eight samples, from the first step to the last: "
    "noise at first, then white blotches, then strokes, and some digits.",
)

# %% [markdown]
# Read the picture from left to right and from top to bottom.
#
# - **The fall.** In the first fifty or hundred steps the network finds out that most of $x_t$ *is* noise: for large
#   $t$, to hand back $x_t$ is already a good answer. That brings the loss from 1 to our landmark, 0.12, and
#   nothing of it is knowledge about digits. The samples are noise, or blotches.
# - **The bend.** Then it learns what ink and paper look like, and how long and how thick a stroke is. This part of
#   the curve looks almost flat, and it is where all that you wanted happens.
# - **The scatter.** The pale line shows single batches. They jump by a tenth or more from step to step, without
#   meaning anything.
#
# ### From the shipped weights
#
# The network that comes with the course has had hours. Does it learn anything in ten more seconds? Its file holds
# the averaged weights and the schedule, but not the optimiser, so that and the average start afresh, and we give it a small learning rate
# for caution.

# %% tags=["nbval-ignore-output"]
pretrained = load_pretrained(device=device)
gentle = replace(brief, lr=1e-4, warmup=1, model=pretrained.config)
later = start_run(gentle, digits, device=device, start=pretrained)
watch_later = Watch(later, x_T, seconds=10, at_least=10)
for _ in watch_later(steps_of(later)):
    pass

# %% tags=["nbval-ignore-output"]
show(
    training_plots.learning(watch_later.losses, watch_later.strips, rows=2),
    alt="The loss of the shipped network while it is trained for ten more seconds: single batches scatter around a level "
    "line, far below where your own training ended. Two rows of samples, before and after: the same eight digits.",
)

# %% [markdown]
# Nothing to see, and that is a result too. The curve has no visible slope, the digits look the same, and it would
# be quite wrong to conclude that the network is finished. The next section says why.
#
# ### Exercise 5.2 · How long is "20 epochs"?
#
# MNIST has 60,000 training digits. With batches of 64, the last batch of each epoch holds what is left over. How
# many steps does the optimiser make in 20 epochs?
#
# <details><summary>Hint</summary>How many full batches fit into 60,000, and is anything left?</details>

# %% tags=["nbval-ignore-output"]
my_steps = ...  # replace the dots: a whole number

lesson05.steps(my_steps)

# %% [markdown]
# ## What loss is reasonable?
#
# It is the question that learners ask most, and "about 0.02 to 0.03 for MNIST with this schedule" is an answer that
# does not help. Three things make the number hard to read: what it is an average *of*, how little of it concerns
# what you see, and how noisy it is.
#
# ### An average over all t
#
# `loss_by_timestep` takes the loss apart: a mean squared error for each $t$, on test digits, with the same noise for
# each network.

# %% tags=["nbval-ignore-output"]
show_source(loss_by_timestep)

# %% tags=["nbval-ignore-output"]
short, shipped = run.ema.module, pretrained.eps_model
times = [1, 2, 4, 10, 20, 50, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]
x_0 = test[:32].to(device)
networks = {"untrained": untrained.to(device), "yours": short, "shipped": shipped}
curves = {}
for name, network in networks.items():
    same = torch.Generator().manual_seed(4)
    found = loss_by_timestep(network, schedule, x_0, timesteps=times, generator=same)  # (16, 32)
    curves[name] = (times, found.mean(dim=1))
show(
    training_plots.over_time(curves, bars=["yours", "shipped"]),
    alt="Left, the mean squared error over t on logarithmic axes: the untrained network at 1 everywhere; yours falls from "
    "about 0.5 at t = 1 to a few thousandths at 1000; the shipped one lies below it everywhere, most clearly, in "
    "proportion, at t above 700. Right, bars of what four ranges of t add to the loss: t above 300 is the smaller part.",
)

# %% tags=["nbval-ignore-output"]
draws = [10, 90, 200, 700]  # how many t lie in each range
mine, theirs = (training_plots.shares(*curves[name]) for name in ("yours", "shipped"))
print("    t      | share of the draws | of your loss | of the shipped network's")
for i, name in enumerate(("1-10", "11-100", "101-300", "301-1000")):
    print(
        f"{name:10} | {draws[i] / 1000:18.0%} | {mine[i] / sum(mine):12.0%} | "
        f"{theirs[i] / sum(theirs):8.0%}"
    )

# %% [markdown]
# Every $t$ is drawn equally often, so seven tenths of all the work goes into $t > 300$. But the errors there are
# small, and most of the *number* comes from the other three tenths. The reason is lesson 03's floor. At small $t$ the noise
# hides among the pen's own shades and much of it cannot be found by anyone; at large $t$ nearly all of $x_t$ is noise and
# easily read off. So **$L_\text{simple}$ is dominated by the $t$ that decide least about the digit.**
#
# ### Which part of the loss makes the digits?
#
# Here is an experiment that the loss alone could never tell you about. A sampler asks the network at $t = 1000$ first and at
# $t = 1$ last. Nobody says that it must be the *same* network. Let us graft: one network above $t = 300$, the
# other from there down.


# %% tags=["nbval-ignore-output"]
def graft(above, below, at=300):
    return lambda x_t, t: (above if t[0] > at else below)(x_t, t)


cases = {  # name: (the network, its loss)
    "yours": (short, sum(mine)),
    "yours, then shipped": (graft(short, shipped), sum(theirs[:3]) + mine[3]),
    "shipped, then yours": (graft(shipped, short), sum(mine[:3]) + theirs[3]),
    "shipped": (shipped, sum(theirs)),
}
x_T = torch.randn(10, 1, 28, 28, generator=torch.Generator().manual_seed(1)).to(device)
rows = {}
for name, (network, loss) in cases.items():
    same = torch.Generator().manual_seed(2)
    *_, last = ddim(network, schedule, x_T, steps=30, eta=1.0, clip_x0=1.0, generator=same)
    rows[f"{name}\nloss {loss:.4f}"] = last.x

# %% tags=["nbval-ignore-output"]
show(
    training_plots.samples(rows),
    alt="Four rows of ten samples from the same noise. Your network: scrawls, some of them digits. Yours above t = 300 and the "
    "shipped one below: nearly the same scrawls. The shipped one above and yours below: nearly the same digits as in "
    "the last row, which is the shipped network alone.",
)

# %% [markdown]
# Compare the rows. The second looks like the first, the third like the fourth: **what the digit will be is decided above
# $t = 300$.** And now compare the losses. Handing the shipped network everything *below* 300 repairs the larger part
# of the loss and hardly any of the samples. Handing it only what lies *above* repairs the samples, and
# leaves most of the loss where it was. (On the machine that built this page the better digits even have the worse
# loss of the two. Yours may differ with your training time.)
#
# So that is why the loss seems to stop while the samples improve: the number is mostly about the $t$ that you do not
# see, and what you see lives in a small remainder. In this remainder things are still moving. Look at the curves
# above, at the right end: at $t$ from 700 on your network is worse than the shipped one *several times over*, and all
# of that together is only a few per cent of the loss.
#
# ### Looked at closely, it has not stopped
#
# The log of the training that made the shipped weights, twice. Each point is the mean of 50 steps, and the dotted line is at a
# tenth of the way.

# %% tags=["nbval-ignore-output"]
log = pretrained_log()
show(
    training_plots.plateau(log["step"], log["loss"]),
    alt="The loss of the shipped network's training. Left, on an axis from 0 to 1: a fall at the very beginning, then a flat "
    "line. Right, the same on a logarithmic axis around the end: scattered, but falling all the way to the right.",
)

# %% tags=["nbval-ignore-output"]
tenth = len(log["loss"]) // 10
early = log["loss"][tenth - 2 : tenth + 3].mean().item()
final = log["loss"][-20:].mean().item()
print(f"after a tenth of the training: {early:.4f}; at the end: {final:.4f}")
print(f"so {(1 - early) / (1 - final):.1%} of the way down was done in the first tenth")

# %% [markdown]
# Around 99 % of the fall from 1 is over in the first tenth. On the axis of a progress bar the rest has no height. But
# in proportion to what is *left* it is a good deal, and all that time the digits still get better.
#
# ### How noisy is the number?
#
# Each batch draws other digits, other $t$, other $\epsilon$. Let $m$ be the mean of a batch's loss and $s$ its standard
# deviation. The mean of $n$ batches then has the **standard error** $s / \sqrt n$.
#
# **By calculator.** If $s$ is 12 % of $m$: 100 batches give $12\,\% / \sqrt{100} = 1.2\,\%$. From your own training
# (neighbouring steps subtracted, so that the slope of the curve does not count as noise):

# %% tags=["nbval-ignore-output"]
last = watch.losses[len(watch.losses) // 2 :]
m, s = last.mean(), last.diff().std() / 2**0.5
n = (s / (0.01 * m)) ** 2
print(f"m = {m:.4f}, s = {s:.4f}, that is {s / m:.0%}")
print(f"for a standard error of 1 %: {n:.0f} batches of {preset.batch_size}")

# %% [markdown]
# One to three hundred batches, for a single number that is good to 1 %; and to *see* a difference of 1 % between two
# networks, several times as many, because both are uncertain and an error of one standard deviation is nothing rare. Whoever
# compares two trainings by the last number on the progress bar compares dice.
#
# **There is a cheaper way: ask both networks the same questions.** With the same digits, the same $t$ and the same
# noise, most of the luck is the same for both and cancels in the difference. That is what the seed in
# `loss_by_timestep` is for; we will use it in a moment.
#
# ### Exercise 5.3 · How many images?
#
# The loss of one random image with one random $t$ has mean `mean` and standard deviation `std`. How many images make
# the standard error of the mean equal to `share` times the mean (`share = 0.01` for 1 %)? No need to round.
#
# <details><summary>Hint</summary>Write down: std / sqrt(n) = share * mean. Solve for n.</details>


# %% tags=["nbval-ignore-output"]
def my_images(mean, std, share):
    return ...  # replace the dots


lesson05.images(my_images)

# %% [markdown]
# ## The average of the weights
#
# With every step the weights jump a little in a direction that this one batch liked. The samples above did not come from
# them, but from their **exponential moving average**, the EMA:
#
# $$\bar\theta \;\leftarrow\; d\,\bar\theta + (1 - d)\,\theta, \qquad d \text{ near } 1$$
#
# after every step of the optimiser. It remembers about the last $1 / (1 - d)$ steps: a thousand for $d = 0.999$. Almost every
# diffusion model is sampled that way; the paper used $d = 0.9999$ over 800,000 steps.
#
# **The catch.** What is $\bar\theta$ at the beginning? The random first weights. By calculator: after $n$ steps their
# share is $d^n$.

# %%
for d, n in ((0.9999, 2000), (0.9999, 10_000), (0.999, 300)):
    print(f"d = {d}, after {n:6,} steps: {d**n:.0%} of the random start is left")

# %% [markdown]
# This puzzled users of a well-known code base: the samples of a short training were noise, although its loss was fine
# ([openai/improved-diffusion #59](https://github.com/openai/improved-diffusion/issues/59)). The remedy is to let $d$
# grow, $d_n = \min\big(d,\ \tfrac{1 + n}{10 + n}\big)$ after $n$ updates (the very first one just copies the weights), so that the memory is always about a tenth of the training so far.

# %% tags=["nbval-ignore-output"]
show_source(Ema)

# %%
for n in (1, 10, 90, 1000, 100_000):
    print(f"n = {n:6}: d = {min(0.999, (1 + n) / (10 + n)):.4f}")

# %% [markdown]
# ### Exercise 5.4 · The average by hand
#
# Given the average so far, the weights `before` and `after` the optimiser's step, the number `n` of updates so far (1 or more) and
# the final `decay`, return the new average, warm-up included.
#
# <details><summary>Hint</summary>Which of the two sets of weights is the newest? And which of the two shares is the small one?</details>


# %% tags=["nbval-ignore-output"]
def my_ema(average, before, after, n, decay):
    return ...  # replace the dots


lesson05.ema(my_ema)

# %% [markdown]
# ### Exercise 5.5 · A memory of your own
#
# Many answers are right here. The average of this lesson remembers a tenth of the training so far, and in the end a thousand
# updates. You have a long training before you, and want to do better. Write your own $d_n$ for $n = 0, 1, 2, \dots$ updates so
# far (it will be tried up to a million), so that
#
# - it is a share, $0 \le d_n < 1$, and never falls,
# - the scrawls are forgotten: after 100 updates less than a hundredth of the average comes from the random start and the first
#   ten updates, $d_{10}\,d_{11} \cdots d_{99} < 0.01$, and after 1000 updates as little from the first hundred,
#   $d_{100}\,d_{101} \cdots d_{999} < 0.01$,
# - a training that ends early has an average too: from $n = 500$ on it spans at least 50 updates, counted as $1 / (1 - d_n)$,
# - a long one has a longer average: from $n = 10{,}000$ on it spans at least 2000 updates, but never more than 10,000, or new
#   weights would hardly count.
#
# <details><summary>Hint</summary>2000 updates are d = 0.9995. Before that you may climb in steps, along a curve, or by a formula like the
# lesson's: which numbers in it make the memory a tenth of <code>n</code>? Work out the products in a cell of your own; a plain mean of all weights so far,
# d = n / (n + 1), leaves a tenth of the scrawls.</details>


# %% tags=["nbval-ignore-output"]
def my_decay(n):
    return ...  # replace the dots: the d of this update


lesson05.memory(my_decay)

# %% [markdown]
# Now your own training, three times: the weights themselves, their average, and the average without a warm-up that
# we kept beside it. The same questions for all three:

# %% tags=["nbval-ignore-output"]
versions = {"the weights": run.model, "their average": short, "not warmed up": unwarmed.module}
few = [10, 50, 100, 200, 300, 500, 700, 1000]
answers, rows = {}, {}
for name, network in versions.items():
    same = torch.Generator().manual_seed(5)
    answers[name] = loss_by_timestep(network, schedule, x_0, timesteps=few, generator=same)
    *_, last = ddim(
        network, schedule, x_T, steps=30, eta=1.0, clip_x0=1.0, generator=same.manual_seed(2)
    )
    rows[f"{name}\nloss {answers[name].mean():.4f}"] = last.x

# %% tags=["nbval-ignore-output"]
show(
    training_plots.samples(rows),
    alt="Three rows of ten samples from the same noise. The weights and their average: scrawls and digits that resemble each "
    "other. The average that was not warmed up: after a short training, nothing but noise.",
)

# %% tags=["nbval-ignore-output"]
one, other = answers["the weights"].mean(dim=0), answers["their average"].mean(dim=0)  # (32,)
apart = (one.var() + other.var()).sqrt() / len(one) ** 0.5
together = (one - other).std() / len(one) ** 0.5
print(f"difference of the losses: {(one - other).mean() / other.mean():+.1%}")
print(f"its standard error: {together / other.mean():.1%}", end="")
print(f"; had the questions been different ones: {apart / other.mean():.1%}")

# %% [markdown]
# (These losses are means over eight chosen $t$; compare them with each other only.) After a few hundred steps
# the average and the weights differ by some per cent. It is in long trainings that the average pays: the learning rate keeps the
# weights trembling, the average stands still in the middle. The last lines show what the same questions are worth: the
# standard error of a *difference* becomes several times smaller.
#
# Two more ways to get the average wrong, both from published code: averaging the **buffers** too, where a schedule's tables may be stored
# ([lucidrains #136](https://github.com/lucidrains/denoising-diffusion-pytorch/issues/136): black pictures); and **publishing
# the weights instead of the average**, which makes a network look much worse than its paper says.
#
# ## Stop, go on, and get the same
#
# A long training will be interrupted. What has to be kept, so that it goes on *exactly* as if nothing had
# happened? Everything that `Run` holds. A small network for a test: one run of 20 steps; another that stops after 10, in the
# middle of an epoch, is written to a file, and goes on in a new `Run` that started from another seed.

# %%
torch.set_num_threads(1)  # sums in one order, and these networks are tiny
tiny = PRESETS["tiny"]
few_digits = Digits(digits.images[:64], digits.labels[:64])
folder = tempfile.TemporaryDirectory()
file = Path(folder.name) / "checkpoint.safetensors"


def go(run, n):
    losses = []
    for step in itertools.islice(steps_of(run), n):
        run.step += 1
        losses.append(step.loss)
    return torch.stack(losses).cpu()


# %%
straight, stopped = start_run(tiny, few_digits), start_run(tiny, few_digits)
go(straight, 20)
go(stopped, 10)
save_checkpoint(file, stopped)

resumed = start_run(tiny, few_digits, seed=99)
load_checkpoint(file, resumed)
print(f"the file is of step {resumed.step}; epoch {resumed.batches.epoch}, ", end="")
print(f"{resumed.batches.position} digits into it")
_ = go(resumed, 10)


# %%
def same(a, b):  # bit for bit
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def adam_state(run):  # what Adam remembers of each weight
    state = run.optimizer.state
    return [state[p][k] for p in run.model.parameters() for k in sorted(state[p])]


pair = straight, resumed
print("weights:   ", same(*(run.model.parameters() for run in pair)))
print("average:   ", same(*(run.ema.module.parameters() for run in pair)))
print("optimiser: ", same(*map(adam_state, pair)))
print("next noise:", same(*([run.generator.get_state()] for run in pair)))
print("next batch:", same(*(next(run.batches) for run in pair)))

# %% [markdown]
# Equal bit for bit, not nearly. That is worth demanding, because each part that is forgotten fails *silently*:
#
# | a checkpoint holds | if it is forgotten | it happened to |
# |---|---|---|
# | the weights | you notice | |
# | the average | sampling starts from the trembling weights, or from a fresh average | ace, Latte: the average was made anew at each resume |
# | the optimiser's moments | the first steps are blind, the loss jumps: see below | a popular DDPM code, for 22 months (lucidrains, commit a0c3443) |
# | the learning rate's schedule | the warm-up is repeated | the_well #63 |
# | the number of steps, after this step | one step is done twice, or left out | improved-diffusion |
# | the generators and the place in the data | each resume replays the first epoch's order; what is stopped every hour sees some digits again and again, and others never | accelerate #3996, and many others |
# | the noise schedule | sampled with other betas: grey or noisy digits | |
#
# **The order of the data.** What would a new stream hand out, if only the weights had been kept?

# %%
new, first = start_run(tiny, few_digits), start_run(tiny, few_digits)
load_checkpoint(file, resumed)
print("kept:      epoch", resumed.batches.epoch, "digit", resumed.batches.position)
print("forgotten: epoch", new.batches.epoch, "digit", new.batches.position)
print("the first batch once more:", same(next(new.batches), next(first.batches)))

# %% [markdown]
# **The optimiser.** Adam divides each gradient by its usual size, which it has to learn. A new Adam knows nothing, and its
# first step moves *every* weight by the full learning rate, however small or uncertain its gradient. With your own
# network, 20 steps after a stop:

# %% tags=["nbval-ignore-output"]
save_checkpoint(file, run)
steady = replace(preset, steps=10 * preset.steps, decay=0.1)  # a learning rate that does not end
after = {}
for name in ("resumed in full", "with a new optimiser"):
    trial = start_run(steady, digits, device=device)
    load_checkpoint(file, trial)
    if name == "with a new optimiser":
        trial.optimizer.state.clear()
    after[name] = go(trial, 20)
show(
    training_plots.resumed(watch.losses[-50:], after),
    alt="The loss before a stop and after it. Resumed in full, it goes on at its level. With a new optimiser it jumps up at "
    "once, and comes down again over the following steps.",
)

# %% [markdown]
# The training recovers, and that is the treacherous part: nobody looks for a bug in a curve that ends well.
#
# ## What breaks if ...
#
# **... the images lie in [0, 1]?** PyTorch's loaders deliver them so, and code that forgets the scaling trains without
# complaint; one of the most used implementations did for nine months (lucidrains, commit 16c9ae7). A sampler that
# expects $-1$ for paper then draws on grey. This library looks at the first batch:

# %%
raw = digits.images[:8].float() / 255
network = UNet(tiny.model)
sgd = torch.optim.SGD(network.parameters(), lr=0.1)
try:
    next(train(network, make_schedule(tiny), [raw], sgd))
except ValueError as error:
    print(error)

# %% [markdown]
# **... `randint(1, T)` draws $t$?** Its upper end is left out. $t = T$ is never trained, and sampling *starts* there
# (cloneofsimo/minDiffusion does so). One untrained $t$ in a thousand hardly shows, because neighbours help out; with $T = 20$ it would.
# The spy above has shown that our loop asks for both ends.
#
# **... the learning rate is too high?** A tiny network on 64 digits, for 100 steps:

# %% tags=["nbval-ignore-output"]
for lr in (0.001, 0.1, 10.0):
    wild = start_run(replace(tiny, lr=lr, warmup=1, steps=1000, decay=0.1), few_digits)
    try:
        print(f"learning rate {lr}: the last losses are about {go(wild, 100)[-20:].mean():.2f}")
    except ValueError as error:
        print(f"learning rate {lr}: {error}")

# %% [markdown]
# Too high by a factor of a hundred, and the network is knocked back to knowing nothing: a loss that *stays at 1* says "lower the
# learning rate". Higher still, and the numbers overflow to NaN. From there no training recovers, so `train` stops,
# and `save_checkpoint` refuses to overwrite a good file with such weights.
#
# **... the loss looks right, and the samples do not?** Then it is not the training. Sample from the average; with the
# schedule of the training; with $t$ counted the same way on both sides; and without noise in the last step. Lesson 06 takes
# the sampler apart.
#
# ## For real
#
# In a terminal, in the repository's folder (`.venv/bin/python` for `python`, if the environment is not active):
#
#     python -m ddpm_lessons train --preset quick              # minutes, on a CPU
#     python -m ddpm_lessons train --minutes 20                # as many steps as fit
#     python -m ddpm_lessons train --preset gpu                # the article's 20 epochs, on a GPU
#     python -m ddpm_lessons train --resume --out runs/gpu     # go on where it stopped
#     python -m ddpm_lessons sample --checkpoint runs/gpu/weights.safetensors
#
# Ctrl-C stops it between two steps and leaves a checkpoint. The presets are a table in `training/presets.py`; these
# are its rows today:

# %% tags=["nbval-ignore-output"]
for name, row in PRESETS.items():
    print(
        f"{name:12} {row.steps:6,} steps of {row.batch_size:3}, widths {row.model.widths}: {row.about}"
    )

# %% [markdown]
# ## Summary
#
# | | |
# |---|---|
# | Algorithm 1 | digits, $t$, noise; jump to $x_t$; guess the noise; one gradient step. Ten lines |
# | the loss starts at | 1, the variance of the noise |
# | it is made of | mostly small $t$, where much of the noise cannot be known by anyone |
# | the digits are made at | $t > 300$, a small part of the number; hence flat curves and better samples |
# | its scatter | a tenth to a fifth from batch to batch; 1 % takes a hundred batches and more, or the same questions |
# | the average of the weights | is what you sample from; warm it up |
# | a checkpoint | holds weights, average, optimiser, learning rate, generators, the place in the data |
# | compare trainings by | the loss for each $t$ with the same noise, and by samples; never by the last number on a progress bar |
#
# Next: [06 · Sampling](06_sampling.ipynb), where the network that you trained, or the one that was shipped, draws.
