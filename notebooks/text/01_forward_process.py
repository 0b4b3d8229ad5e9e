# %% [markdown]
# # 01 · The forward process
#
# A diffusion model learns to undo damage. Before it can, we must do the damage, and do it so
# carefully that we know every probability on the way. That is this lesson.
#
# **What you will be able to do**
#
# - take one step of the forward process by hand, and say why it shrinks the image before it adds noise;
# - jump from a clean image to any timestep in one line, and prove that the jump equals the steps;
# - read a noise schedule: where the image is lost, and what linear and cosine schedules do differently;
# - translate between code that counts $t = 1 \dots T$ and code that counts $0 \dots T-1$ without losing a step.
#
# Time on two CPU cores: about 15 s to run, 50 minutes to read and try.
#
# Article section: *the forward process: destroying images*. Equation numbers are those of
# [Ho, Jain & Abbeel 2020](https://arxiv.org/abs/2006.11239).

# %%
import torch

from ddpm_lessons import linear_schedule, q_marginal, q_sample, q_step
from ddpm_lessons.checks import lesson01
from ddpm_lessons.data import load_mnist
from ddpm_lessons.schedule import SCHEDULES, Coefficients, NoiseSchedule, cosine_schedule
from ddpm_lessons.show import plots
from ddpm_lessons.show.chains import forward_player, forward_states
from ddpm_lessons.show.plots import show
from ddpm_lessons.show.source import show_source
from ddpm_lessons.show.widgets import explore_forward

digits = load_mnist("test")
x_0 = digits[[18]]  # one digit, as a batch of one
print("a batch of images:", tuple(x_0.shape), x_0.dtype)
print("darkest and brightest pixel:", x_0.min().item(), x_0.max().item())

# %% [markdown]
# A batch of images has the shape `(B, C, H, W)`: one image, one grey channel, 28 by 28 pixels.
# A pixel is a number between $-1$ (paper) and $1$ (ink). Zero is the middle of the scale, and that
# matters: soon we will pull images towards zero, and noise that is spread around zero will take over.
#
# ## One step
#
# How do you damage an image a little? Add a little static. But if you only ever add, the numbers
# grow without limit. So each step first **shrinks** the image by a hair and then adds noise:
#
# $$q(x_t \mid x_{t-1}) = \mathcal N\!\left(x_t;\ \sqrt{1-\beta_t}\,x_{t-1},\ \beta_t I\right) \tag{2}$$
#
# Read it from the right. $\beta_t$ is the variance of the noise that step $t$ adds, a small number
# between 0 and 1. The mean of the new image is the old one times $\sqrt{1-\beta_t}$, a little less
# than 1. $\mathcal N$ says that the noise is Gaussian, and $I$ that each pixel gets its own.
#
# **By calculator.** A pixel of 0.8 and $\beta = 0.01$: the mean is $\sqrt{0.99} \times 0.8 = 0.796$;
# the variance is 0.01, so the standard deviation is $\sqrt{0.01} = 0.1$. The library agrees:

# %%
c = Coefficients(beta=0.01, alpha=0.99, alpha_bar=0.5, alpha_bar_prev=0.505)
step = q_step(0.8, c)
print(f"mean {step.mean:.3f}, variance {step.var:.2f}, standard deviation {step.var**0.5:.1f}")

# %% [markdown]
# `Coefficients` are the four numbers that the equations of one step need. We typed them in; from
# now on a schedule will supply them. And this is all that `q_step` does:

# %% tags=["nbval-ignore-output"]
show_source(q_step)

# %% [markdown]
# The same function takes a pixel or a batch of images. (`@equation` checks the arguments and looks
# after precision; we come back to it [below](#Precision).)
#
# ### Why shrink?
#
# Suppose that pixels have variance 1 before the step. Shrinking by $\sqrt{1-\beta}$ leaves a variance of
# $1-\beta$; the noise adds $\beta$; together that is 1 again. The step **preserves variance**. Without
# the shrinking each step would add $\beta_t$ on top. Over the thousand steps of the usual
# schedule, which we are about to meet:

# %%
schedule = linear_schedule()  # T = 1000, beta from 0.0001 to 0.02
without, with_shrinking = 1.0, 1.0
for t in range(1, schedule.T + 1):
    beta = schedule.at(t).beta
    without = without + beta
    with_shrinking = (1 - beta) * with_shrinking + beta
print(f"variance after {schedule.T} steps, noise added only: {without:.2f}")
print(f"variance after {schedule.T} steps of Eq. (2):        {with_shrinking:.2f}")

# %% [markdown]
# A network that must work at every $t$ is glad to see numbers of the same size at every $t$.
#
# ### A thousand steps
#
# Now walk. We apply Eq. (2) again and again, drawing fresh noise each time, and keep some of the states.

# %%
generator = torch.Generator().manual_seed(0)
kept = [0, 50, 100, 200, 300, 400, 600, 1000]
x, walk = x_0, [x_0]
for t in range(1, schedule.T + 1):
    x = q_step(x, schedule.at(t)).sample(generator)
    if t in kept:
        walk.append(x)
print("states kept:", len(walk))

# %% tags=["nbval-ignore-output"]
show(
    plots.image_rows([torch.cat(walk)], [f"t = {t}" for t in kept]),
    alt="A handwritten 3 at eight timesteps. Grain appears at t = 50, the digit is still plain at 200, "
    "a ghost at 400, and nothing but static at 600 and 1000.",
)

# %% [markdown]
# At $t = 1000$ the digit is gone: the mean has drifted to zero and the noise has won. That is the
# point. The end of the chain looks the same whatever we started from, so that later we can start
# there *without* an image, from pure noise.
#
# ### Exercise 1.1 · One step
#
# Write one step of Eq. (2). You are given the old image, $\beta_t$, and a draw `eps` of standard
# normal noise; return the new image.
#
# <details><summary>Hint</summary>To draw from a Gaussian with mean m and variance v, take m plus the
# <em>standard deviation</em> times a standard normal number.</details>


# %% tags=["nbval-ignore-output"]
def my_step(x_prev, beta, eps):
    return ...  # replace the dots: the new image


lesson01.one_step(my_step)

# %% [markdown]
# ## Many steps at once
#
# To train a network we will need $x_t$ for random $t$, millions of times. Walking there would take 500
# steps on average. Can we jump?
#
# Take two steps by hand. Write $\alpha_t = 1 - \beta_t$. With independent noises $\epsilon_1, \epsilon_2$,
#
# $$x_1 = \sqrt{\alpha_1}\,x_0 + \sqrt{1-\alpha_1}\,\epsilon_1,$$
# $$x_2 = \sqrt{\alpha_2}\,x_1 + \sqrt{1-\alpha_2}\,\epsilon_2
#      = \sqrt{\alpha_2\alpha_1}\,x_0 + \underbrace{\sqrt{\alpha_2(1-\alpha_1)}\,\epsilon_1 + \sqrt{1-\alpha_2}\,\epsilon_2}_{\text{two independent Gaussians}}.$$
#
# A sum of independent Gaussians is a Gaussian, and its variance is the sum of theirs:
#
# $$\alpha_2(1-\alpha_1) + (1-\alpha_2) = 1 - \alpha_2\alpha_1.$$
#
# The middle terms cancel. The two steps are **one** step whose $\alpha$ is the product
# $\alpha_2\alpha_1$. The third step multiplies by $\alpha_3$, and so on. With
#
# $$\bar\alpha_t = \alpha_1 \alpha_2 \cdots \alpha_t$$
#
# we can jump from the clean image to any $t$:
#
# $$q(x_t \mid x_0) = \mathcal N\!\left(x_t;\ \sqrt{\bar\alpha_t}\,x_0,\ (1-\bar\alpha_t)I\right) \tag{4}$$
#
# ### T = 4, by calculator
#
# Four big steps, so that you can check every number yourself. Left: walk, one step at a time,
# tracking the mean and the variance of a pixel that starts at 0.8. Right: jump with Eq. (4).

# %%
tiny = NoiseSchedule(torch.tensor([0.0, 0.4, 0.6, 0.8, 0.99]))  # betas[0] = 0: the clean image
mean, var = 0.8, 0.0
print(" t  beta  alpha  alpha_bar |  walked: mean  variance |  jumped: mean  variance")
for t in range(1, tiny.T + 1):
    c = tiny.at(t)
    mean, var = c.alpha**0.5 * mean, c.alpha * var + c.beta
    jump = q_marginal(0.8, c)
    print(
        f"{t:2}  {c.beta:.2f}   {c.alpha:.2f}    {c.alpha_bar:.5f} |       {mean:.5f}   {var:.5f}"
        f" |       {jump.mean:.5f}   {jump.var:.5f}"
    )

# %% [markdown]
# The two halves agree in every digit. They agree for the thousand-step schedule too; here is the
# largest difference between walking and jumping over all $t$, which is rounding error:

# %%
mean, var, largest = 0.8, 0.0, 0.0
for t in range(1, schedule.T + 1):
    c = schedule.at(t)
    mean, var = c.alpha**0.5 * mean, c.alpha * var + c.beta
    jump = q_marginal(0.8, c)
    largest = max(largest, abs(mean - jump.mean), abs(var - jump.var))
print("largest difference below 1e-12:", largest < 1e-12)

# %% [markdown]
# ### The reparameterised form
#
# To *draw* an $x_t$, take one standard normal $\epsilon$ per pixel, scale and shift:
#
# $$x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon, \qquad \epsilon \sim \mathcal N(0, I)$$
#
# This line is the workhorse of the whole course. It says what $x_t$ is made of: so much signal,
# so much noise, and we know exactly *which* noise. Lesson 03 will ask a network for it.
#
# **By calculator.** $\bar\alpha_t = 0.5$, $x_0 = 0.8$, and suppose we drew $\epsilon = 0.3$:
# $\sqrt{0.5} \times 0.8 = 0.566$ of signal and $\sqrt{0.5} \times 0.3 = 0.212$ of noise.

# %%
c = Coefficients(beta=0.01, alpha=0.99, alpha_bar=0.5, alpha_bar_prev=0.505)
signal, noise = q_sample(0.8, c, 0.0), q_sample(0.0, c, 0.3)
print(f"{signal:.3f} + {noise:.3f} = {q_sample(0.8, c, 0.3):.3f}")

# %% [markdown]
# Both roots are 0.707, so you may read that the image is "70.7 % signal and 70.7 % noise". That
# adds up to more than a whole because it counts **amplitudes**. What adds up is the **variance**:
# $\bar\alpha_t + (1 - \bar\alpha_t) = 1$, here half and half. Mixing up the two is the commonest
# mistake in diffusion code, and an exercise below will try it on you. In the picture the bars are
# shares of the variance, and the numbers under them are amplitudes:
#
# ![Two digits, a 5 and an 8, at t = 0, 20, 50, 100, 200, 300, 500 and 1000. Grain grows until nothing is left of them. Bars below show the share of the variance that is still signal: all of it at t = 0, about a third at 300, hardly any at 1000](../figures/forward_chain.png)

# %% tags=["nbval-ignore-output"]
show_source(q_marginal, q_sample)

# %% [markdown]
# ![Above, one long arrow jumps from a clean 2 to its noisy version at t = 260, over the chain of 260 small steps. Below, the sum: 0.71 times the clean digit plus 0.71 times noise is the noisy digit](../figures/closed_form_jump.svg)
#
# ### Drag it
#
# One digit, one draw of noise, every $t$. Drag the slider, or click it and use the arrow keys; the
# play button runs through all frames.

# %% tags=["nbval-ignore-output"]
forward_player(x_0, schedule, generator=torch.Generator().manual_seed(1))

# %% [markdown]
# Stop where you can no longer tell which digit it is. For most people and most digits that is
# somewhere between 350 and 550. Notice how little happens after 700.
#
# Now change what is computed: another digit, another schedule, fewer steps, another seed.

# %% tags=["nbval-ignore-output"]
explore_forward(digits)

# %% [markdown]
# ### Exercise 1.2 · The jump
#
# Write Eq. (4) in its reparameterised form. `c` has the fields `beta`, `alpha`, `alpha_bar` and
# `alpha_bar_prev`; `eps` is standard normal noise.
#
# <details><summary>Hint</summary>Which of the four fields says how much of the <em>clean</em> image is
# left? And is it a share of the amplitude, or of the variance?</details>


# %% tags=["nbval-ignore-output"]
def my_q_sample(x_0, c, eps):
    return ...  # replace the dots: x_t


lesson01.jump(my_q_sample)

# %% [markdown]
# ## The schedule
#
# The list $\beta_1 \dots \beta_T$ is called the **noise schedule**. It is chosen, not learned. The paper
# lets $\beta$ rise linearly from 0.0001 to 0.02 over $T = 1000$ steps. Small steps first, while there
# is detail to lose, larger ones when only a blur is left.

# %%
print(schedule)
for t in (1, 100, 259, 260, 500, 1000):
    c = schedule.at(t)
    print(
        f"t = {t:4}: beta {c.beta:.5f}, alpha_bar {c.alpha_bar:.5f}, "
        f"signal {c.alpha_bar**0.5:.3f}, noise {(1 - c.alpha_bar) ** 0.5:.3f}"
    )

# %% [markdown]
# **A remark on the worked examples.** They use $\bar\alpha_{500} = 0.5$, a round number for
# illustration. With the linear schedule $\bar\alpha_{500}$ is 0.0786; signal and noise are even
# between $t = 259$ and $260$. At half time the linear schedule has destroyed nine tenths of the image's variance.
#
# Is that wasteful? Nichol & Dhariwal (2021) thought so and proposed a schedule whose
# $\bar\alpha_t$ falls like a squared cosine, slowly at both ends:

# %% tags=["nbval-ignore-output"]
schedules = {name: make() for name, make in SCHEDULES.items()}
show(
    plots.schedule_curves(schedules),
    alt="Curves over t for the linear and the cosine schedule. alpha_bar of the linear one falls to one half "
    "at t = 260 and is near zero from 700 on; the cosine one crosses one half at t = 497 and "
    "falls evenly.",
)

# %% [markdown]
# The last panel shows the **signal-to-noise ratio** $\mathrm{SNR}(t) = \bar\alpha_t / (1-\bar\alpha_t)$,
# which sums a schedule up in one falling curve: two schedules with the same SNR at a time make the
# same noisy images at that time.

# %%
for name, s in schedules.items():
    half = next(t for t in range(1, s.T + 1) if s.at(t).alpha_bar < 0.5)
    c = s.at(s.T)
    print(
        f"{name:6}: alpha_bar falls below one half at t = {half}; at t = T it is {c.alpha_bar:.2e}"
    )

# %% [markdown]
# Here is the same digit with the same noise under both schedules, in step:

# %% tags=["nbval-ignore-output"]
from ddpm_lessons.show.player import player

timesteps = list(range(0, 1001, 10))
panels = {}
for name, s in schedules.items():
    generator = torch.Generator().manual_seed(1)  # the same noise for both
    states = forward_states(x_0, s, timesteps, generator=generator)
    panels[name] = torch.cat(states)
alts = [
    f"t = {t}: signal {schedules['linear'].alpha_bars[t] ** 0.5:.2f} under the linear schedule, "
    f"{schedules['cosine'].alpha_bars[t] ** 0.5:.2f} under the cosine schedule"
    for t in timesteps
]
player(panels, alts, values=timesteps)

# %% [markdown]
# ### Exercise 1.3 · A schedule from its betas
#
# Given `betas` as a tensor $[0, \beta_1, \dots, \beta_T]$, return the tensor of all $\bar\alpha_t$ for
# $t = 0 \dots T$. One line of torch is enough.
#
# <details><summary>Hint</summary><code>torch.cumprod(x, dim=0)</code> multiplies up. What should the first
# entry, $\bar\alpha_0$, be, and do you need to treat it as a special case?</details>


# %% tags=["nbval-ignore-output"]
def my_alpha_bars(betas):
    return ...  # replace the dots: the T + 1 values of alpha_bar


lesson01.alpha_bars(my_alpha_bars)

# %% [markdown]
# ### Exercise 1.4 · Mostly noise
#
# Under the linear schedule with $T = 1000$: what is the first $t$ at which **more than three
# quarters of the variance** of $x_t$ is noise? Find it in code; put the number below.
#
# <details><summary>Hint</summary>The share of noise in the variance is $1-\bar\alpha_t$.
# <code>schedule.at(t).alpha_bar</code> gives it for one t.</details>

# %% tags=["nbval-ignore-output"]
my_t = ...  # replace the dots: a whole number

lesson01.mostly_noise(my_t)

# %% [markdown]
# ### Exercise 1.5 · Fifty steps
#
# Many answers are right here. A thousand steps are slow; you want to make do with $T = 50$. Write your own schedule: a function
# that is given $T$ (it will be tried with 50, 200 and 1000) and returns the $T$ numbers $\beta_1 \dots \beta_T$, so that
#
# - every $\beta_t$ lies between 0 and 1,
# - the chain ends in noise: $\bar\alpha_T < 0.001$,
# - no step is rough: none takes more than a tenth of the variance, $\bar\alpha_{t-1} - \bar\alpha_t \le 0.1$. (Lesson 02 shows what a
#   large step costs on the way back.)
#
# <details><summary>Hint</summary>The paper's betas, 0.0001 to 0.02, leave $\bar\alpha_{50} = 0.6$. By what factor must they grow if there are
# 20 times fewer of them? Or begin at the end: choose a curve for $\bar\alpha_t$, and see which betas make it.</details>


# %% tags=["nbval-ignore-output"]
def my_betas(T):
    return ...  # replace the dots: T numbers, beta_1 ... beta_T


lesson01.fifty_steps(my_betas)

# %% [markdown]
# ## Counting from 1, counting from 0
#
# The paper and the article's text count steps from 1 to $T$; index 0 is the clean image. So does this
# library, and its arrays have $T + 1$ entries, so that `alpha_bars[t]` *is* $\bar\alpha_t$, and $\bar\alpha_0 = 1$
# needs no special case. Most code, the article's too, counts from 0 to $T - 1$ because Python lists do.
#
# ![Under the pictures x_0, x_1, x_2 ... x_1000 stand two rows of cells. In this course betas[0] is 0 and belongs to the clean image, and betas[1] is beta_1. In 0-based code the clean image has no entry, and betas[0] is beta_1](../figures/conventions.svg)
#
# | the same thing | paper, this library | article's code, Hugging Face diffusers |
# |---|---|---|
# | noise of the first step | $\beta_1$ · `betas[1]` | `betas[0]` |
# | after the first step | $\bar\alpha_1$ · `alpha_bars[1]` | `alphas_cumprod[0]` |
# | the clean image | $\bar\alpha_0 = 1$ · `alpha_bars[0]` | no entry; a special case |
# | before step $t$ | $\bar\alpha_{t-1}$ · `alpha_bars[t - 1]` | `alphas_cumprod[t - 1] if t > 0 else 1` |
# | pure noise | $x_T$, $t = T = 1000$ | after `t = 999` |
# | draw a training step | $t \sim \{1, \dots, T\}$ · `randint(1, T + 1)` | `randint(0, T)` |
# | walk back | `for t in range(T, 0, -1)` | `for t in reversed(range(T))` |
# | no noise at the last step | $t = 1$ | `t == 0` |
#
# Either is fine; a mixture is a bug, and a quiet one: samples still look plausible. The article's
# own lines, written 0-based, give the same numbers when shifted by one:

# %%
betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)  # 0-based, as in the article's code
alphas_cumprod = torch.cumprod(1 - betas, dim=0)
print(f"alphas_cumprod[499] = {alphas_cumprod[499]:.6f}")
print(f"alpha_bars[500]     = {schedule.alpha_bars[500]:.6f}")
print("equal for all t:", torch.equal(alphas_cumprod, schedule.alpha_bars[1:]))

# %% [markdown]
# ## What breaks if ...
#
# **... you keep the betas and take fewer steps?** To save time people set $T = 50$ and leave the rest as
# it was. Then $x_T$ is not noise: three quarters of the image's amplitude is left. Training runs,
# the loss falls, and sampling, which starts from pure noise, starts from something the network has never
# seen. (One project's tracker calls it the "deadly bug".) The library warns you:

# %%
import warnings

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    short = linear_schedule(T=50)
print(caught[0].category.__name__, "-", caught[0].message)

# %% tags=["nbval-ignore-output"]
seeds = [torch.Generator().manual_seed(1) for _ in range(3)]
ends = [
    forward_states(x_0, s, [s.T], generator=g)[0]
    for s, g in zip((short, cosine_schedule(T=50), schedule), seeds, strict=True)
]
show(
    plots.image_rows([torch.cat(ends)], ["linear, 50", "cosine, 50", "linear, 1000"]),
    alt="The last state of three schedules. With 50 steps of the linear betas the digit 3 is still plain to "
    "see; with 50 cosine steps and with 1000 linear steps there is only static.",
)

# %% [markdown]
# **... pixels run from 0 to 1?** Then paper is 0 and ink is 1, the average pixel is not near the
# middle, and the network must first learn to add an offset. Many projects shipped that bug. Here
# scaling happens once, in `ddpm_lessons.data`, and nowhere else.
#
# <a id="Precision"></a>
# **... the arithmetic is done in float32?** $\bar\alpha_1 = 0.9999$, so $1 - \bar\alpha_1$ is a small
# difference of nearly equal numbers, and in float32 its digits are lost:

# %%
exact = 1 - schedule.alpha_bars[1]
rough = 1 - schedule.alpha_bars[1].float()
print(f"1 - alpha_bar_1 in float64: {exact.item():.10f}")
print(f"1 - alpha_bar_1 in float32: {rough.item():.10f}")
print(f"off by {abs(rough.item() / exact.item() - 1):.3%}")

# %% [markdown]
# That is what `@equation` above the functions is for: coefficients stay float64 until the equation has
# combined them, and only the result takes the images' type.
#
# ## Summary
#
# | | |
# |---|---|
# | one step, Eq. (2) | $q(x_t \mid x_{t-1}) = \mathcal N(\sqrt{1-\beta_t}\,x_{t-1},\ \beta_t I)$: shrink a little, add a little noise; variance stays put |
# | many steps, Eq. (4) | $q(x_t \mid x_0) = \mathcal N(\sqrt{\bar\alpha_t}\,x_0,\ (1-\bar\alpha_t) I)$: the product of the $\alpha$ turns $t$ steps into one |
# | to draw it | $x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon$ |
# | the schedule | chosen so that $\bar\alpha_T \approx 0$: $x_T$ must be noise |
# | the index | $t = 1 \dots T$, and index 0 is the clean image |
#
# The forward process has nothing to learn. In [lesson 02](02_reverse_process.ipynb) we try to
# run it backwards, find that nobody can, and find the one question that makes it possible.
