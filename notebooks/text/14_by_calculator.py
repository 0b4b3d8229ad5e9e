# %% [markdown]
# # 14 · One pixel by calculator
#
# A diffusion model is a long chain of short sums. Here is the whole chain, with nothing left out, for **one pixel and four
# steps**: destroyed, learned from, restored, and paid for in bits. You need a pencil, paper and a pocket calculator with the keys
# √, ln, exp and tanh. Cover the right-hand sides, and fill them in yourself.
#
# **What you will be able to do**
#
# - work out every number of a diffusion chain yourself, from the schedule to the last bit of the bound;
# - say which equation a number comes from, and get it in two ways where there are two;
# - feel what each part does: which numbers are large, which hardly matter, and where rounding hurts;
# - find a bug in your own code by holding its numbers against this page.
#
# Time on two CPU cores: about 15 s to run, 100 minutes to read and try.
#
# This page goes with lessons [01](01_forward_process.ipynb) to [06](06_sampling.ipynb) and explains little that stands there.
# Print it (File, then Print) for a class. Equation numbers are those of [Ho, Jain & Abbeel
# 2020](https://arxiv.org/abs/2006.11239).
#
# ## The rules of the page
#
# A line in typewriter letters, such as `x = 0.8 × 0.5 + 0.6 × 1.2 = 1.12`, is a line for the calculator: a name, what to type, what comes out.
#
# - An **=** before the result says that it is exact, a **≈** that it is rounded.
# - **Work with four decimals, and round only what you write.** Numbers of the schedule are made once and used often: they get
#   six (but for the roots of beta-tilde). So does what will be divided by 0.06, at $t = 4$. Nats and bits get three. A few
#   lines show two or three, where no more are needed.
# - Go on with the number that you have written, or with the one that your calculator still holds. The numbers of this page are
#   chosen so that **both give the same digits**.
#
# Every number has three witnesses: the line on the page, the library, which computes it with its own functions in the cell
# below, and this little function, which compares the two and stops if they differ in any digit that was written. (There
# is a fourth: a test of the course reads the page, types every line into a calculator of its own, and works the
# chain out once more from the definitions.)

# %%
import math

import torch

from ddpm_lessons import (
    Gaussian,
    Mixture,
    NoiseSchedule,
    bound,
    ddim,
    ddpm,
    decoder_log_likelihood,
    noise_weight,
    p_mean_from_eps,
    p_step,
    predict_eps,
    predict_x0,
    q_marginal,
    q_posterior,
    q_sample,
    q_step,
    simple_loss,
)
from ddpm_lessons.checks import lesson14
from ddpm_lessons.loss import variance_at_1
from ddpm_lessons.show.calculator_plots import Move, pixel_frames
from ddpm_lessons.show.charts import posterior_parts
from ddpm_lessons.show.player import player


def agree(names, by_hand, by_library):
    """Print the library's numbers; stop where one is not what was written by hand."""
    shown = []
    for name, hand, number in zip(names.split(), by_hand.split(), by_library, strict=True):
        places = len(hand.partition(".")[2])
        assert f"{number:.{places}f}" == hand, f"{name} is {number}, by hand {hand}"
        shown.append(f"{name} {number:.7f}")
    print("   ".join(shown))


# %% [markdown]
# ## The schedule
#
# Four steps. Their noise variances are chosen so that the roots are short: $0.96^2 + 0.28^2 = 1$, $0.8^2 + 0.6^2 = 1$.
#
# | $t$ | 1 | 2 | 3 | 4 |
# |---|---|---|---|---|
# | $\beta_t$ | 0.0784 | 0.36 | 0.64 | 0.9964 |
#
# What step $t$ keeps of the variance, $\alpha_t = 1 - \beta_t$, and the roots of both, with which amplitudes are multiplied:
#
# ```text
# alpha_1 = 1 − 0.0784 = 0.9216
# alpha_2 = 1 − 0.36 = 0.64
# alpha_3 = 1 − 0.64 = 0.36
# alpha_4 = 1 − 0.9964 = 0.0036
#
# sqrt_alpha_1 = √0.9216 = 0.96
# sqrt_alpha_2 = √0.64 = 0.8
# sqrt_alpha_3 = √0.36 = 0.6
# sqrt_alpha_4 = √0.0036 = 0.06
#
# sqrt_beta_1 = √0.0784 = 0.28
# sqrt_beta_2 = √0.36 = 0.6
# sqrt_beta_3 = √0.64 = 0.8
# sqrt_beta_4 = √0.9964 ≈ 0.998198
# ```
#
# What is left of the clean pixel's variance after $t$ steps, $\bar\alpha_t = \bar\alpha_{t-1}\,\alpha_t$ with $\bar\alpha_0 = 1$; what is
# noise by then, `noise_var` $= 1-\bar\alpha_t$; and the two amplitudes, `signal` $= \sqrt{\bar\alpha_t}$ and `noise` $= \sqrt{1-\bar\alpha_t}$:
#
# ```text
# alpha_bar_1 = 1 × 0.9216 = 0.9216
# alpha_bar_2 = 0.9216 × 0.64 = 0.589824
# alpha_bar_3 = 0.589824 × 0.36 = 0.21233664
# alpha_bar_4 = 0.21233664 × 0.0036 ≈ 0.000764
#
# noise_var_1 = 1 − 0.9216 = 0.0784
# noise_var_2 = 1 − 0.589824 = 0.410176
# noise_var_3 = 1 − 0.21233664 = 0.78766336
# noise_var_4 = 1 − 0.000764 ≈ 0.999236
#
# signal_1 = 1 × 0.96 = 0.96
# signal_2 = 0.96 × 0.8 = 0.768
# signal_3 = 0.768 × 0.6 = 0.4608
# signal_4 = 0.4608 × 0.06 = 0.027648
#
# noise_1 = √0.0784 = 0.28
# noise_2 = √0.410176 ≈ 0.640450
# noise_3 = √0.78766336 ≈ 0.887504
# noise_4 = √0.999236 ≈ 0.999618
# ```
#
# For `signal` there was no need of a root: multiply the roots that you have. How much louder the signal's variance is than the
# noise's, $\mathrm{SNR}_t = \bar\alpha_t / (1-\bar\alpha_t)$:
#
# ```text
# snr_1 = 0.9216 / 0.0784 ≈ 11.755102
# snr_2 = 0.589824 / 0.410176 ≈ 1.437978
# snr_3 = 0.21233664 / 0.78766336 ≈ 0.269578
# snr_4 = 0.000764 / 0.999236 ≈ 0.000765
# ```
#
# For the way back: the posterior's variance, $\tilde\beta_t = \frac{1-\bar\alpha_{t-1}}{1-\bar\alpha_t}\,\beta_t$, with its root; and the
# `share` $= \beta_t / \sqrt{1-\bar\alpha_t}$ of the predicted noise that Eq. (11) will remove. (At $t = 1$ nothing is left to doubt:
# $1-\bar\alpha_0 = 0$.)
#
# ```text
# beta_tilde_1 = 0.0784 × 0 / 0.0784 = 0
# beta_tilde_2 = 0.36 × 0.0784 / 0.410176 ≈ 0.068809
# beta_tilde_3 = 0.64 × 0.410176 / 0.78766336 ≈ 0.333280
# beta_tilde_4 = 0.9964 × 0.78766336 / 0.999236 ≈ 0.785428
#
# sqrt_beta_tilde_2 = √0.068809 ≈ 0.2623
# sqrt_beta_tilde_3 = √0.333280 ≈ 0.5773
# sqrt_beta_tilde_4 = √0.785428 ≈ 0.8862
#
# share_1 = 0.0784 / 0.28 = 0.28
# share_2 = 0.36 / 0.640450 ≈ 0.562105
# share_3 = 0.64 / 0.887504 ≈ 0.721124
# share_4 = 0.9964 / 0.999618 ≈ 0.996781
# ```
#
# The library takes the betas and supplies the rest; where it has no name for a number, we ask an equation for it. Eq. (4), say,
# gives `signal` when the pixel is 1 and the noise 0.

# %%
schedule = NoiseSchedule(torch.tensor([0.0, 0.0784, 0.36, 0.64, 0.9964], dtype=torch.float64))
C = [None, *(schedule.at(t) for t in (1, 2, 3, 4))]  # C[t]: beta, alpha, alpha_bar, alpha_bar_prev

agree("alpha_1 alpha_2 alpha_3 alpha_4", "0.9216 0.6400 0.3600 0.0036", [c.alpha for c in C[1:]])
agree(
    "sqrt_alpha_1 sqrt_alpha_2 sqrt_alpha_3 sqrt_alpha_4",
    "0.9600 0.8000 0.6000 0.0600",
    [q_step(1.0, c).mean for c in C[1:]],
)
agree(
    "sqrt_beta_1 sqrt_beta_2 sqrt_beta_3 sqrt_beta_4",
    "0.2800 0.6000 0.8000 0.998198",
    [q_step(1.0, c).var ** 0.5 for c in C[1:]],
)
agree(
    "alpha_bar_1 alpha_bar_2 alpha_bar_3 alpha_bar_4",
    "0.9216 0.589824 0.21233664 0.000764",
    schedule.alpha_bars[1:],
)
agree(
    "noise_var_1 noise_var_2 noise_var_3 noise_var_4",
    "0.0784 0.410176 0.78766336 0.999236",
    [q_marginal(1.0, c).var for c in C[1:]],
)
agree(
    "signal_1 signal_2 signal_3 signal_4",
    "0.9600 0.7680 0.4608 0.027648",
    [q_sample(1.0, c, 0.0) for c in C[1:]],
)
agree(
    "noise_1 noise_2 noise_3 noise_4",
    "0.2800 0.640450 0.887504 0.999618",
    [q_sample(0.0, c, 1.0) for c in C[1:]],
)
agree(
    "snr_1 snr_2 snr_3 snr_4",
    "11.755102 1.437978 0.269578 0.000765",
    [q_marginal(1.0, c).mean ** 2 / q_marginal(1.0, c).var for c in C[1:]],
)
agree(
    "beta_tilde_1 beta_tilde_2 beta_tilde_3 beta_tilde_4",
    "0.0000 0.068809 0.333280 0.785428",
    [q_posterior(0.0, 0.0, c).var for c in C[1:]],
)
agree(
    "sqrt_beta_tilde_2 sqrt_beta_tilde_3 sqrt_beta_tilde_4",
    "0.2623 0.5773 0.8862",
    [q_posterior(0.0, 0.0, c).var ** 0.5 for c in C[2:]],
)
agree(
    "share_1 share_2 share_3 share_4",
    "0.2800 0.562105 0.721124 0.996781",
    [-(c.alpha**0.5) * p_mean_from_eps(0.0, c, 1.0) for c in C[1:]],
)

# %% [markdown]
# All of it once more, to keep beside you:
#
# | | $t = 1$ | $t = 2$ | $t = 3$ | $t = 4$ |
# |---|---|---|---|---|
# | $\beta_t$ `beta` | 0.0784 | 0.36 | 0.64 | 0.9964 |
# | $\alpha_t$ `alpha` | 0.9216 | 0.64 | 0.36 | 0.0036 |
# | $\sqrt{\alpha_t}$ `sqrt_alpha` | 0.96 | 0.8 | 0.6 | 0.06 |
# | $\sqrt{\beta_t}$ `sqrt_beta` | 0.28 | 0.6 | 0.8 | 0.998198 |
# | $\bar\alpha_t$ `alpha_bar` | 0.9216 | 0.589824 | 0.21233664 | 0.000764 |
# | $1-\bar\alpha_t$ `noise_var` | 0.0784 | 0.410176 | 0.78766336 | 0.999236 |
# | $\sqrt{\bar\alpha_t}$ `signal` | 0.96 | 0.768 | 0.4608 | 0.027648 |
# | $\sqrt{1-\bar\alpha_t}$ `noise` | 0.28 | 0.640450 | 0.887504 | 0.999618 |
# | $\mathrm{SNR}_t$ `snr` | 11.755102 | 1.437978 | 0.269578 | 0.000765 |
# | $\tilde\beta_t$ `beta_tilde` | 0 | 0.068809 | 0.333280 | 0.785428 |
# | $\beta_t/\sqrt{1-\bar\alpha_t}$ `share` | 0.28 | 0.562105 | 0.721124 | 0.996781 |
#
# In the column of $t - 1$ you find $\bar\alpha_{t-1}$; before the first column stands the clean pixel, with $\bar\alpha_0 = 1$. At $t = 2$ the
# signal is still the louder one, at $t = 3$ no more, and at $t = 4$ less than a thousandth of the variance is signal.
#
# ### Exercise 14.1 · A line of the table
#
# Somewhere in another schedule $\bar\alpha_{t-1} = 0.64$, and the next step has $\beta_t = 0.19$. Work out
# $(\alpha_t,\ \bar\alpha_t,\ \sqrt{\bar\alpha_t},\ \sqrt{1-\bar\alpha_t},\ \tilde\beta_t,\ \mathrm{SNR}_t)$, with four decimals.
#
# <details><summary>Hint</summary>In this order each entry needs only the ones before it, and the two numbers that
# are given.</details>

# %% tags=["nbval-ignore-output"]
my_line = ...  # replace the dots: six numbers, (..., ..., ..., ..., ..., ...)

lesson14.table_line(my_line)

# %% [markdown]
# ## Forwards
#
# ### Step by step
#
# The pixel is ink: $x_0 = 1$ (drawn bright, as everywhere in this course; paper is $-1$). For the four steps we have
# drawn $\epsilon_1 = -1$, $\epsilon_2 = 0.1$, $\epsilon_3 = -0.9$ and $\epsilon_4 = 0.6$. A step shrinks the pixel and adds noise, Eq. (2):
#
# $$x_t = \sqrt{\alpha_t}\,x_{t-1} + \sqrt{\beta_t}\,\epsilon_t$$
#
# ```text
# x_1 = 0.96 × 1 + 0.28 × (−1) = 0.68
# x_2 = 0.8 × 0.68 + 0.6 × 0.1 = 0.604
# x_3 = 0.6 × 0.604 + 0.8 × (−0.9) = −0.3576
# x_4 = 0.06 × (−0.3576) + 0.998198 × 0.6 ≈ 0.577463
# ```
#
# After three steps the ink looks more like paper. And $x_4$ is nearly all $\epsilon_4$: of $x_3$ six hundredths are left.

# %%
eps = [None, -1.0, 0.1, -0.9, 0.6]  # eps[t]: the draw of step t
x = [1.0]  # x[t]
for t in (1, 2, 3, 4):
    step = q_step(x[t - 1], C[t])
    x.append(step.mean + step.var**0.5 * eps[t])
agree("x_1 x_2 x_3 x_4", "0.6800 0.6040 -0.3576 0.577463", x[1:])

# %% [markdown]
# ### In one jump
#
# Eq. (4) needs one noise for all steps so far, $x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\bar\epsilon_t$. Which noise is it? Follow the
# static in the pixel alone: a step shrinks the old static with the pixel, and adds its own.
#
# ```text
# static_1 = 0.28 × (−1) = −0.28
# static_2 = 0.8 × (−0.28) + 0.6 × 0.1 = −0.164
# static_3 = 0.6 × (−0.164) + 0.8 × (−0.9) = −0.8184
# static_4 = 0.06 × (−0.8184) + 0.998198 × 0.6 ≈ 0.549815
# ```
#
# Its *variance* goes the same way with squares, because the draws are independent: and it arrives at `noise_var`. That is why
# one standard normal number can stand for all of them.
#
# ```text
# variance_2 = 0.64 × 0.0784 + 0.36 = 0.410176
# variance_3 = 0.36 × 0.410176 + 0.64 = 0.78766336
# variance_4 = 0.0036 × 0.78766336 + 0.9964 ≈ 0.999236
# ```
#
# So the **merged noise** is the static in units of its standard deviation (at $t = 1$ it is $\epsilon_1$ itself):
#
# ```text
# eps_bar_2 = −0.164 / 0.640450 ≈ −0.2561
# eps_bar_3 = −0.8184 / 0.887504 ≈ −0.9221
# eps_bar_4 = 0.549815 / 0.999618 ≈ 0.550025
# ```
#
# and with it one jump lands where the steps have landed:
#
# ```text
# x_2 = 0.768 × 1 + 0.640450 × (−0.2561) ≈ 0.6040
# x_3 = 0.4608 × 1 + 0.887504 × (−0.9221) ≈ −0.3576
# x_4 = 0.027648 × 1 + 0.999618 × 0.550025 ≈ 0.577463
# ```
#
# In training nobody walks. One draws $\bar\epsilon_t$ at once, calls it $\epsilon$, and jumps.

# %%
static, variance = [0.0], [0.0]
for t in (1, 2, 3, 4):
    static.append(q_step(static[t - 1], C[t]).mean + q_step(0.0, C[t]).var ** 0.5 * eps[t])
    variance.append(q_step(1.0, C[t]).mean ** 2 * variance[t - 1] + q_step(0.0, C[t]).var)
eps_bar = [None, *(predict_eps(x[t], C[t], x[0]) for t in (1, 2, 3, 4))]
agree(
    "static_1 static_2 static_3 static_4",
    "-0.2800 -0.1640 -0.8184 0.549815",
    static[1:],
)
agree("variance_2 variance_3 variance_4", "0.410176 0.78766336 0.999236", variance[2:])
agree("eps_bar_2 eps_bar_3 eps_bar_4", "-0.2561 -0.9221 0.550025", eps_bar[2:])
agree(
    "x_2 x_3 x_4",
    "0.6040 -0.3576 0.577463",
    [q_sample(1.0, C[t], static[t] / variance[t] ** 0.5) for t in (2, 3, 4)],
)

# %% [markdown]
# ## One step back, if somebody tells $x_0$
#
# Where was the pixel before step $t$? If $x_0$ is known, the answer is a bell, Eq. (6, 7), whose mean listens to both ends:
#
# $$\tilde\mu_t = \frac{\sqrt{\bar\alpha_{t-1}}\,\beta_t}{1-\bar\alpha_t}\,x_0 + \frac{\sqrt{\alpha_t}\,(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}\,x_t$$
#
# ### The two weights
#
# ```text
# weight_x0_1 = 1 × 0.0784 / 0.0784 = 1
# weight_x0_2 = 0.96 × 0.36 / 0.410176 ≈ 0.842565
# weight_x0_4 = 0.4608 × 0.9964 / 0.999236 ≈ 0.459492
#
# weight_xt_1 = 0.96 × 0 / 0.0784 = 0
# weight_xt_2 = 0.8 × 0.0784 / 0.410176 ≈ 0.152910
# weight_xt_4 = 0.06 × 0.78766336 / 0.999236 ≈ 0.047296
# ```
#
# (Those of $t = 3$ are yours, in the exercise.) At $t = 1$ all the weight lies on $x_0$: the way ends there. For $x_0 = 1$ and
# the $x_2$ from above:
#
# ```text
# mean_2 = 0.842565 × 1 + 0.152910 × 0.604 ≈ 0.9349
# ```
#
# The true $x_1$ was 0.68. The bell has the width $\sqrt{\tilde\beta_2} = 0.2623$, so 0.68 is about one width away. That is no contradiction.

# %%
agree(
    "weight_x0_1 weight_x0_2 weight_x0_4",
    "1.0000 0.842565 0.459492",
    [q_posterior(1.0, 0.0, C[t]).mean for t in (1, 2, 4)],
)
agree(
    "weight_xt_1 weight_xt_2 weight_xt_4",
    "0.0000 0.152910 0.047296",
    [q_posterior(0.0, 1.0, C[t]).mean for t in (1, 2, 4)],
)
agree("mean_2", "0.9349", [q_posterior(1.0, x[2], C[2]).mean])

# %% [markdown]
# ### The same by Bayes' rule
#
# Two witnesses speak about $x_1$. The one at the clean end says $0.96 \times 1$, with variance 0.0784. The other has seen
# $x_2 = 0.8\,x_1 + 0.6\,\epsilon_2$, so it says $x_2 / 0.8$, with variance $0.36 / 0.64$. A product of two bells is a bell: **precisions
# (one over the variance) add up, and the mean is the average weighted with them.**
#
# ```text
# precision_clean = 1 / 0.0784 ≈ 12.7551
# precision_noisy = 0.64 / 0.36 ≈ 1.7778
# place_noisy = 0.604 / 0.8 = 0.755
# precision = 12.7551 + 1.7778 ≈ 14.5329
# variance = 1 / 14.5329 ≈ 0.068809
# mean = (12.7551 × 0.96 + 1.7778 × 0.755) / 14.5329 ≈ 0.9349
# ```
#
# That is $\tilde\beta_2$, and that is the mean.

# %%
parts = posterior_parts(1.0, x[2], C[2])
agree("precision_clean", "12.7551", [1 / parts.prior.var])
agree(
    "precision_noisy place_noisy",
    "1.7778 0.7550",
    [1 / parts.likelihood.var, parts.likelihood.mean],
)
agree("precision", "14.5329", [1 / parts.prior.var + 1 / parts.likelihood.var])
agree("variance mean", "0.068809 0.9349", [parts.posterior.var, parts.posterior.mean])

# %% [markdown]
# ### Exercise 14.2 · The weights of step 3
#
# Another pixel is paper, $x_0 = -1$, and at $t = 3$ it is $x_3 = 0.5$. Work out `(weight_x0, weight_xt, mean)` for the step from $t = 3$
# to $t = 2$.
#
# <details><summary>Hint</summary>Divide by <code>noise_var_3</code>. Above it stand numbers of step 3, <code>beta_3</code> and
# <code>sqrt_alpha_3</code>, and numbers of the place you go to, <code>signal_2</code> and <code>noise_var_2</code>.</details>

# %% tags=["nbval-ignore-output"]
my_weights = ...  # replace the dots: three numbers, (..., ..., ...)

lesson14.posterior_weights(my_weights)

# %% [markdown]
# ## Training
#
# The network sees $x_t$ and $t$ and guesses $\epsilon$. Eq. (14) squares the miss. Take the example that we have, $t = 3$ with its merged noise,
# and the smallest network in the world: one weight, $\epsilon_\theta(x_t) = w\,x_t$, with $w = 0.5$ to begin with.
#
# ```text
# guess = 0.5 × (−0.3576) = −0.1788
# miss = −0.9221 − (−0.1788) ≈ −0.7433
# loss = (−0.7433)² ≈ 0.5525
# ```
#
# How does the loss change with $w$? It is $(\epsilon - w x_t)^2$, so its derivative is $-2\,(\epsilon - w x_t)\,x_t$. The gradient points uphill; we go against
# it, with a learning rate of 0.1:
#
# ```text
# gradient = −2 × (−0.7433) × (−0.3576) ≈ −0.5316
# w = 0.5 − 0.1 × (−0.5316) ≈ 0.5532
# ```
#
# And the same example after the step:
#
# ```text
# new_guess = 0.5532 × (−0.3576) ≈ −0.1978
# new_miss = −0.9221 − (−0.1978) ≈ −0.7243
# new_loss = (−0.7243)² ≈ 0.5246
# ```
#
# A little better. That is Algorithm 1, with one weight in place of millions. (Over many pixels, of ink and of paper, $w$ would settle at
# `noise_3` $= 0.887504$: the average of $\epsilon\,x_t$ is $\sqrt{1-\bar\alpha_t}$, and that of $x_t^2$ is 1.)

# %%
x_3 = torch.tensor([[x[3]]], dtype=torch.float64)  # a batch of one image of one pixel
example = (torch.tensor([3]), torch.tensor([[eps_bar[3]]], dtype=torch.float64))  # t and eps


def try_out(w):  # guess, miss, and the library's loss
    x_0 = torch.ones_like(x_3)
    loss = simple_loss(lambda x_t, t: w * x_t, schedule, x_0, noise=example)
    guess = w.item() * x_3.item()
    return guess, eps_bar[3] - guess, loss


w = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
guess, miss, loss = try_out(w)
loss.backward()  # PyTorch finds the derivative
agree("guess miss loss", "-0.1788 -0.7433 0.5525", [guess, miss, loss.item()])
agree("gradient", "-0.5316", [w.grad])
w = (w - 0.1 * w.grad).detach()
agree("w", "0.5532", [w])
agree("new_guess new_miss new_loss", "-0.1978 -0.7243 0.5246", try_out(w))

# %% [markdown]
# ### Exercise 14.3 · A step of training
#
# A pixel of paper, $x_0 = -1$, at $t = 2$ with $\epsilon = 0.5$; the weight is $w = 0.8$, the learning rate 0.1. Work out
# `(loss, w)`: the loss before the step, and the weight after it.
#
# <details><summary>Hint</summary>First the jump to x_2, then guess, miss, loss, gradient. Mind the signs: you subtract the
# gradient.</details>

# %% tags=["nbval-ignore-output"]
my_training = ...  # replace the dots: two numbers, (..., ...)

lesson14.training_step(my_training)

# %% [markdown]
# ## The best possible network
#
# In our world a pixel is ink or paper, $+1$ or $-1$, with equal odds. Then nobody has to train: the best answer is known. Seen from
# $x_t$, Eq. (4) gives each of the two a bell of the same width $\sqrt{1-\bar\alpha_t}$, around $+\sqrt{\bar\alpha_t}$ and $-\sqrt{\bar\alpha_t}$. In
# the ratio of the two heights the squares cancel, and what is left is
#
# $$\frac{P(\text{ink} \mid x_t)}{P(\text{paper} \mid x_t)} = e^{2u}, \qquad u = \frac{\sqrt{\bar\alpha_t}\,x_t}{1-\bar\alpha_t}.$$
#
# The best guess at $x_0$, in the mean square, is its average, $P(\text{ink}) - P(\text{paper})$, and that is a function with a key of its own:
#
# $$\hat x_0 = \frac{e^{2u} - 1}{e^{2u} + 1} = \tanh u$$
#
# By calculator, for the $x_2 = 0.604$ from above, by odds and by the key:
#
# ```text
# u = 0.768 × 0.604 / 0.410176 ≈ 1.1309
# odds = exp(2 × 1.1309) ≈ 9.60
# p_ink = 9.60 / (9.60 + 1) ≈ 0.9057
# average = 0.9057 × 1 + (1 − 0.9057) × (−1) ≈ 0.811
# x0_hat = tanh(1.1309) ≈ 0.8113
# ```
#
# Nine in ten for ink: rightly so. And what Algorithm 2 wants to hear, the noise, is then Eq. (4) solved for it,
# $\hat\epsilon = (x_t - \sqrt{\bar\alpha_t}\,\hat x_0)/\sqrt{1-\bar\alpha_t}$:
#
# ```text
# eps_hat = (0.604 − 0.768 × 0.8113) / 0.640450 ≈ −0.0298
# ```
#
# The noise truly was $-0.2561$. Nobody could know; the answer is the best *on average*. The library has this network as the exact noise
# prediction for a finite data set, here one of two "images":

# %%
world = Mixture.from_data(torch.tensor([[1.0], [-1.0]], dtype=torch.float64))
network = world.eps_model(schedule)


def ask_network(x_t, t):  # u, x0_hat, eps_hat
    bells = [q_marginal(x_0, C[t]).log_prob(x_t) for x_0 in (1.0, -1.0)]
    eps_hat = network(torch.tensor([[x_t]], dtype=torch.float64), torch.tensor([t])).item()
    return (bells[0] - bells[1]) / 2, predict_x0(x_t, C[t], eps_hat), eps_hat


u, x0_hat, eps_hat = ask_network(x[2], 2)
p_ink = 1 / (1 + math.exp(-2 * u))
agree("u odds p_ink", "1.1309 9.60 0.9057", [u, p_ink / (1 - p_ink), p_ink])
agree("average", "0.811", [p_ink - (1 - p_ink)])
agree("x0_hat eps_hat", "0.8113 -0.0298", [x0_hat, eps_hat])

# %% [markdown]
# ## Backwards
#
# ### Algorithm 2
#
# Now sampling. There is no image at the start: somebody throws $x_4 = 1.5$, a standard normal number like any other, and for the three steps with noise
# $z_4 = 0.5$, $z_3 = -1.3$, $z_2 = 0.4$. Each step asks the network, takes a share of the noise away, undoes the shrinking, and adds fresh noise, `sigma_z`:
#
# $$x_{t-1} = \underbrace{\frac{1}{\sqrt{\alpha_t}}\Big(x_t - \frac{\beta_t}{\sqrt{1-\bar\alpha_t}}\,\hat\epsilon\Big)}_{\text{mean, Eq. (11)}} + \underbrace{\sqrt{\beta_t}\,z_t}_{\sigma_t z_t}$$
#
# **From $t = 4$ to 3.** The network can hardly tell: its guess at the clean pixel is 0.04, and it takes nearly everything for noise.
#
# ```text
# u_4 = 0.027648 × 1.5 / 0.999236 ≈ 0.041504
# x0_hat_4 = tanh(0.041504) ≈ 0.041480
# eps_hat_4 = (1.5 − 0.027648 × 0.041480) / 0.999618 ≈ 1.499426
# mean_4 = (1.5 − 0.996781 × 1.499426) / 0.06 ≈ 0.0900
# sigma_z_4 = 0.998198 × 0.5 ≈ 0.4991
# x_3 = 0.0900 + 0.4991 ≈ 0.5891
# ```
#
# **From $t = 3$ to 2.** "Rather ink", says the network. The fresh noise says otherwise.
#
# ```text
# u_3 = 0.4608 × 0.5891 / 0.78766336 ≈ 0.3446
# x0_hat_3 = tanh(0.3446) ≈ 0.3316
# eps_hat_3 = (0.5891 − 0.4608 × 0.3316) / 0.887504 ≈ 0.4916
# mean_3 = (0.5891 − 0.721124 × 0.4916) / 0.6 ≈ 0.3910
# sigma_z_3 = 0.8 × (−1.3) = −1.04
# x_2 = 0.3910 − 1.04 ≈ −0.6490
# ```
#
# **From $t = 2$ to 1.** Now the network has changed its mind, and is nearly sure.
#
# ```text
# u_2 = 0.768 × (−0.6490) / 0.410176 ≈ −1.2152
# x0_hat_2 = tanh(−1.2152) ≈ −0.8382
# eps_hat_2 = (−0.6490 − 0.768 × (−0.8382)) / 0.640450 ≈ −0.0082
# mean_2 = (−0.6490 − 0.562105 × (−0.0082)) / 0.8 ≈ −0.8055
# sigma_z_2 = 0.6 × 0.4 = 0.24
# x_1 = −0.8055 + 0.24 ≈ −0.5655
# ```
#
# **From $t = 1$ to 0**, without noise. (For $u$ two decimals will do: out there tanh is flat.)
#
# ```text
# u_1 = 0.96 × (−0.5655) / 0.0784 ≈ −6.92
# x0_hat_1 = tanh(−6.92) ≈ −1.0000
# eps_hat_1 = (−0.5655 − 0.96 × (−1.0000)) / 0.28 ≈ 1.4089
# x_0 = (−0.5655 − 0.28 × 1.4089) / 0.96 ≈ −1.0000
# ```
#
# Paper. Notice the last line: at $t = 1$ Eq. (11) gives $\hat x_0$ itself, as the weights 1 and 0 have promised.


# %%
def step_back(x_t, t, z, variance="beta"):  # all that a step writes down; the last is x_{t-1}
    u, x0_hat, eps_hat = ask_network(x_t, t)
    p = p_step(x_t, C[t], eps_hat, variance=variance).p
    return [u, x0_hat, eps_hat, p.mean, p.var**0.5 * z, p.mean + p.var**0.5 * z]


z = {4: 0.5, 3: -1.3, 2: 0.4, 1: 0.0}
chain = {}  # chain[t]: what the step from t wrote down
x_t = 1.5
for t in (4, 3, 2, 1):
    chain[t] = step_back(x_t, t, z[t])
    x_t = chain[t][-1]
agree("u_4 x0_hat_4 eps_hat_4", "0.041504 0.041480 1.499426", chain[4][:3])
agree("mean_4 sigma_z_4 x_3", "0.0900 0.4991 0.5891", chain[4][3:])
agree("u_3 x0_hat_3 eps_hat_3", "0.3446 0.3316 0.4916", chain[3][:3])
agree("mean_3 sigma_z_3 x_2", "0.3910 -1.0400 -0.6490", chain[3][3:])
agree("u_2 x0_hat_2 eps_hat_2", "-1.2152 -0.8382 -0.0082", chain[2][:3])
agree("mean_2 sigma_z_2 x_1", "-0.8055 0.2400 -0.5655", chain[2][3:])
agree("u_1 x0_hat_1 eps_hat_1", "-6.92 -1.0000 1.4089", chain[1][:3])
agree("x_0", "-1.0000", chain[1][-1:])

# %% [markdown]
# Is this what the library's loop does? It throws its own $z$. So let it, throw the same ones with a generator of the same seed,
# and walk beside it.

# %%
generator, same_seed = (torch.Generator().manual_seed(14) for _ in range(2))
x_T = torch.tensor([[1.5]], dtype=torch.float64)
states = [step.x.item() for step in ddpm(network, schedule, x_T, generator=generator)]
walked = [1.5]
for t in (4, 3, 2, 1):
    draw = torch.randn(1, 1, generator=same_seed, dtype=torch.float64).item() if t > 1 else 0.0
    walked.append(step_back(walked[-1], t, draw)[-1])
print(
    "the loop and the steps agree, to 1e-12:",
    all(abs(a - b) < 1e-12 for a, b in zip(states, walked, strict=True)),
)

# %% [markdown]
# ### Where rounding hurts
#
# Why six decimals at $t = 4$? Because Eq. (11) takes two nearly equal numbers from each other there, and divides what is left by 0.06. One unit in the fourth decimal
# of `eps_hat_4`, 0.0001, is a slip of
#
# ```text
# slip = 0.0001 × 0.996781 / 0.06 ≈ 0.0017
# ```
#
# in the mean. The other road to the mean has no such place. It goes by $\hat x_0$ and the two weights, Eq. (7), and is content with four decimals, $\hat x_0 = 0.0415$:
#
# ```text
# mean_4 = 0.459492 × 0.0415 + 0.047296 × 1.5 ≈ 0.0900
# ```
#
# On paper both are the same formula. On a calculator, and in the short numbers of a GPU, they are not.

# %%
moved = [p_mean_from_eps(1.5, C[4], chain[4][2] + slip) for slip in (0.0, -0.0001)]
agree("slip", "0.0017", [moved[1] - moved[0]])
agree("mean_4", "0.0900", [q_posterior(chain[4][1], 1.5, C[4]).mean])

# %% [markdown]
# ### The same with beta-tilde
#
# Same $x_4$, same $z$, but $\sigma_t = \sqrt{\tilde\beta_t}$. The first four lines do not change; then
#
# ```text
# sigma_z_4 = 0.8862 × 0.5 ≈ 0.4431
# x_3 = 0.0900 + 0.4431 ≈ 0.5331
#
# u_3 = 0.4608 × 0.5331 / 0.78766336 ≈ 0.3119
# x0_hat_3 = tanh(0.3119) ≈ 0.3022
# eps_hat_3 = (0.5331 − 0.4608 × 0.3022) / 0.887504 ≈ 0.4438
# mean_3 = (0.5331 − 0.721124 × 0.4438) / 0.6 ≈ 0.3551
# sigma_z_3 = 0.5773 × (−1.3) ≈ −0.7505
# x_2 = 0.3551 − 0.7505 ≈ −0.3954
#
# u_2 = 0.768 × (−0.3954) / 0.410176 ≈ −0.7403
# x0_hat_2 = tanh(−0.7403) ≈ −0.6293
# eps_hat_2 = (−0.3954 − 0.768 × (−0.6293)) / 0.640450 ≈ 0.1373
# mean_2 = (−0.3954 − 0.562105 × 0.1373) / 0.8 ≈ −0.5907
# sigma_z_2 = 0.2623 × 0.4 ≈ 0.1049
# x_1 = −0.5907 + 0.1049 ≈ −0.4858
#
# u_1 = 0.96 × (−0.4858) / 0.0784 ≈ −5.95
# x0_hat_1 = tanh(−5.95) ≈ −1.0000
# eps_hat_1 = (−0.4858 − 0.96 × (−1.0000)) / 0.28 ≈ 1.6936
# x_0 = (−0.4858 − 0.28 × 1.6936) / 0.96 ≈ −1.0000
# ```
#
# The kicks are smaller, the smallest by far at $t = 2$, and the end is the same: it was $z_3$ that decided.

# %%
tilde = {}
x_t = 1.5
for t in (4, 3, 2, 1):
    tilde[t] = step_back(x_t, t, z[t], variance="posterior")
    x_t = tilde[t][-1]
agree("sigma_z_4 x_3", "0.4431 0.5331", tilde[4][4:])
agree("u_3 x0_hat_3 eps_hat_3", "0.3119 0.3022 0.4438", tilde[3][:3])
agree("mean_3 sigma_z_3 x_2", "0.3551 -0.7505 -0.3954", tilde[3][3:])
agree("u_2 x0_hat_2 eps_hat_2", "-0.7403 -0.6293 0.1373", tilde[2][:3])
agree("mean_2 sigma_z_2 x_1", "-0.5907 0.1049 -0.4858", tilde[2][3:])
agree("u_1 x0_hat_1 eps_hat_1", "-5.95 -1.0000 1.6936", tilde[1][:3])
agree("x_0", "-1.0000", tilde[1][-1:])

# %% [markdown]
# ### DDIM in two steps
#
# Again from $x_4 = 1.5$, without any noise ($\eta = 0$), asking the network at $t = 4$ and $t = 1$ only. DDIM takes the two parts that the network sees, and puts them
# together again for the earlier time (lesson [09](09_faster_sampling.ipynb)):
#
# $$x_s = \sqrt{\bar\alpha_s}\,\hat x_0 + \sqrt{1-\bar\alpha_s}\,\hat\epsilon$$
#
# The answers at $t = 4$ stand above already. So, with the amplitudes of $t = 1$ and then those of the clean pixel, 1 and 0:
#
# ```text
# x_1 = 0.96 × 0.041480 + 0.28 × 1.499426 ≈ 0.4597
# u_1 = 0.96 × 0.4597 / 0.0784 ≈ 5.63
# x0_hat_1 = tanh(5.63) ≈ 1.0000
# eps_hat_1 = (0.4597 − 0.96 × 1.0000) / 0.28 ≈ −1.7868
# x_0 = 1 × 1.0000 + 0 × (−1.7868) ≈ 1.0000
# ```
#
# Ink! From the same start. Without noise on the way nothing else *can* decide: in this world DDIM sends every $x_4 > 0$ to ink, and every $x_4 < 0$
# to paper. With noise the start has next to no say: of all pixels with this $x_4$, says $\hat x_0 = 0.0415$, 52 in 100 are ink.

# %%
first, second, last = ddim(network, schedule, x_T, steps=2, eta=0.0)
print("asked at t =", first.t, "and t =", second.t)
agree("x_1", "0.4597", [second.x.item()])
agree("u_1 x0_hat_1 eps_hat_1", "5.63 1.0000 -1.7868", ask_network(second.x.item(), 1))
agree("x_0", "1.0000", [last.x.item()])

# %% [markdown]
# ### Exercise 14.4 · Another draw
#
# The chain of Algorithm 2 stands at $x_3 = 0.5891$, with $\sigma_3 = \sqrt{\beta_3}$. What is $x_2$ if the draw is $z_3 = 0.9$ instead of $-1.3$?
#
# <details><summary>Hint</summary>How much of that step changes?</details>

# %% tags=["nbval-ignore-output"]
my_x_2 = ...  # replace the dots: a number

lesson14.another_draw(my_x_2)

# %% [markdown]
# ### Exercise 14.5 · Ink or paper?
#
# At $x_2 = -0.6490$ the matter seems settled: with $z_2 = 0.4$ the chain ends as paper. But a large enough $z_2$ turns it. **Above which $z_2$ does the chain end as
# ink?** (Algorithm 2, $\sigma_2 = \sqrt{\beta_2}$.)
#
# <details><summary>Hint</summary>The end has the sign of u_1, so that of x_1. For which z_2 is x_1 = 0?</details>

# %% tags=["nbval-ignore-output"]
my_z_2 = ...  # replace the dots: a number

lesson14.tipping_point(my_z_2)

# %% [markdown]
# ### Exercise 14.6 · A network that cannot decide
#
# Many answers are right here. In the chain of this page the network changes its mind once: its guesses at the clean pixel, $\hat x_0$ at $t = 4, 3, 2, 1$, have the signs $+, +, -, -$. Now *you* throw the noise, for Algorithm 2
# with $\sigma_t = \sqrt{\beta_t}$. Find $(x_4, z_4, z_3, z_2)$ so that
#
# - the network changes its mind **at every step**: $+, -, +, -$, or the other way round;
# - it means it: at $t = 3$ and at $t = 2$ its guess is at least 0.5 away from 0 ($t = 4$ is too noisy for that);
# - it ends as clear ink or clear paper: $|x_0| \ge 0.99$;
# - it takes no miracle: $x_4^2 + z_4^2 + z_3^2 + z_2^2 \le 5$. (For four draws from $\mathcal N(0, 1)$ this sum is 4 on average. The page's own has 4.35.)
#
# The calculator will do; so will `step_back(x_t, t, z)` from above, in a cell of your own.
#
# <details><summary>Hint</summary>Do not try out draws. Choose where the pixel shall be next: which x_3 makes the guess just strong enough? The mean of the step and sigma_t then tell
# which z leads there. Anything longer than need be costs you later.</details>

# %% tags=["nbval-ignore-output"]
my_draws = ...  # replace the dots: four numbers, (x_4, z_4, z_3, z_2)

lesson14.own_draws(my_draws)

# %% [markdown]
# ### Watch it
#
# The whole walk, out and back. The square is the pixel; what lies beyond $-1$ or $1$ is drawn as black or white. On the line stands the bell that the step draws from. The
# green arrow is the way to its mean, the orange one the noise, and the diamond what the network takes for the clean pixel. Use the arrow keys.

# %% tags=["nbval-ignore-output"]
moves, titles = [Move("x_0", Gaussian(1.0, 0.0), 1.0)], ["The clean pixel: ink"]
for t in (1, 2, 3, 4):
    moves.append(Move(f"x_{t}", q_step(x[t - 1], C[t]), x[t], x[t - 1], f"x_{t - 1}"))
    titles.append(f"Forwards, step t = {t}")
moves.append(Move("x_4", Gaussian(0.0, 1.0), 1.5))
titles.append("A new start: a number from N(0, 1)")
x_t = 1.5
for t in (4, 3, 2, 1):
    _, x0_hat, _, mean, _, x_prev = chain[t]
    p = Gaussian(mean, C[t].beta if t > 1 else 0.0)
    moves.append(Move(f"x_{t - 1}", p, x_prev, x_t, f"x_{t}", x0_hat))
    titles.append(f"Backwards, step t = {t}")
    x_t = x_prev
figures, alts = pixel_frames(moves, titles)
player(figures, alts, values=[move.name for move in moves], label="state")

# %% [markdown]
# ### Many chains
#
# Four steps are few. How good are they? Ten thousand chains by the library, with both widths: how many end as ink, and how many end in between, with
# $|x_0| < 0.99$?

# %%
for variance in ("beta", "posterior"):
    generator = torch.Generator().manual_seed(0)
    x_T = torch.randn(10_000, 1, generator=generator, dtype=torch.float64)
    *_, end = ddpm(network, schedule, x_T, variance=variance, generator=generator)
    ink, between = (end.x > 0).double().mean(), (end.x.abs() < 0.99).double().mean()
    print(f"{variance:9}: ink {ink:.1%}, in between {between:.1%}")

# %% [markdown]
# Half and half, as it should be. But about one chain in seven ends in between, where our world has nothing. At $t = 2$ the truth often has two peaks, and a step draws
# from one bell (lesson [02](02_reverse_process.ipynb)). Small steps have no such trouble, and that is why a real chain has a thousand of them.
#
# ## The bound
#
# What does the model think of a pixel of ink? The bound of Eq. (5) is a sum of five terms. We take the forward walk from above for their expectations, one draw of each, as
# training does, and the model with $\sigma_t^2 = \tilde\beta_t$. All terms are in **nats**; divided by $\ln 2 = 0.6931$ they are bits.
#
# ### The end of the chain
#
# $L_T$ asks how far $q(x_4 \mid x_0)$, a bell of mean `signal_4` and variance `noise_var_4`, is from $\mathcal N(0, 1)$. For two bells
# $D_\mathrm{KL} = \frac12\big(\frac{(\mu_q-\mu_p)^2}{\sigma_p^2} + \frac{\sigma_q^2}{\sigma_p^2} - 1 - \ln\frac{\sigma_q^2}{\sigma_p^2}\big)$. Next to nothing:
#
# ```text
# L_T = 0.5 × (0.027648² + 0.999236 − 1 − ln(0.999236)) ≈ 0.000382
# ```

# %%
L_T = q_marginal(1.0, C[4]).kl(Gaussian(0.0, 1.0))
agree("L_T", "0.000382", [L_T])

# %% [markdown]
# ### The steps
#
# $L_{t-1}$ compares the posterior, which knows $x_0$, with the model's step, which has $\hat x_0$ in its place. Both bells have the width $\sqrt{\tilde\beta_t}$, and both
# means have the same weight on $x_t$. So the means differ by `weight_x0` times the error of the guess, and Eq. (8) is
# $L_{t-1} = (\tilde\mu_t - \mu_\theta)^2 / (2\tilde\beta_t)$. Eq. (12) says the same by the noise: $\frac{\beta_t^2}{2\tilde\beta_t\,\alpha_t\,(1-\bar\alpha_t)}\,(\bar\epsilon_t - \hat\epsilon)^2$. The
# factor before the square is `factor`. At $t = 4$:
#
# ```text
# u_4 = 0.027648 × 0.577463 / 0.999236 ≈ 0.015978
# x0_hat_4 = tanh(0.015978) ≈ 0.015977
# eps_hat_4 = (0.577463 − 0.027648 × 0.015977) / 0.999618 ≈ 0.577242
# apart_4 = 0.459492 × (1 − 0.015977) ≈ 0.4522
# L_3 = 0.4522² / (2 × 0.785428) ≈ 0.130
# factor_4 = 0.9964² / (2 × 0.785428 × 0.0036 × 0.999236) ≈ 175.70
# L_3_by_eps = 175.70 × (0.550025 − 0.577242)² ≈ 0.130
# ```
#
# At $t = 3$, where the walk looked like paper and the network was misled; first the weight that you found in Exercise 14.2:
#
# ```text
# weight_x0_3 = 0.768 × 0.64 / 0.78766336 ≈ 0.624023
# u_3 = 0.4608 × (−0.3576) / 0.78766336 ≈ −0.2092
# x0_hat_3 = tanh(−0.2092) ≈ −0.2062
# eps_hat_3 = (−0.3576 − 0.4608 × (−0.2062)) / 0.887504 ≈ −0.2959
# apart_3 = 0.624023 × (1 − (−0.2062)) ≈ 0.7527
# L_2 = 0.7527² / (2 × 0.333280) ≈ 0.850
# factor_3 = 0.64² / (2 × 0.333280 × 0.36 × 0.78766336) ≈ 2.1671
# L_2_by_eps = 2.1671 × (−0.9221 − (−0.2959))² ≈ 0.850
# ```
#
# At $t = 2$ you have the network's answer already, 0.8113 and $-0.0298$:
#
# ```text
# apart_2 = 0.842565 × (1 − 0.8113) ≈ 0.1590
# L_1 = 0.1590² / (2 × 0.068809) ≈ 0.184
# factor_2 = 0.36² / (2 × 0.068809 × 0.64 × 0.410176) ≈ 3.5874
# L_1_by_eps = 3.5874 × (−0.2561 − (−0.0298))² ≈ 0.184
# ```
#
# Look at the factors. $L_\text{simple}$ leaves them out, and so it tells the network to care less about $t = 4$ than the bound would, by a factor of 81 against $t = 3$.


# %%
def terms(t):  # x0_hat, eps_hat, how far the means are apart, Eq. (5), the factor, Eq. (12)
    u, x0_hat, eps_hat = ask_network(x[t], t)
    q, p = q_posterior(1.0, x[t], C[t]), p_step(x[t], C[t], eps_hat, variance="posterior").p
    factor = noise_weight(C[t], q.var)
    return [
        u,
        x0_hat,
        eps_hat,
        q.mean - p.mean,
        q.kl(p),
        factor,
        factor * (eps_bar[t] - eps_hat) ** 2,
    ]


L = {t: terms(t) for t in (4, 3, 2)}
agree("u_4 x0_hat_4 eps_hat_4", "0.015978 0.015977 0.577242", L[4][:3])
agree("apart_4 L_3 factor_4 L_3_by_eps", "0.4522 0.130 175.70 0.130", L[4][3:])
agree("weight_x0_3", "0.624023", [q_posterior(1.0, 0.0, C[3]).mean])
agree("u_3 x0_hat_3 eps_hat_3", "-0.2092 -0.2062 -0.2959", L[3][:3])
agree("apart_3 L_2 factor_3 L_2_by_eps", "0.7527 0.850 2.1671 0.850", L[3][3:])
agree("apart_2 L_1 factor_2 L_1_by_eps", "0.1590 0.184 3.5874 0.184", L[2][3:])

# %% [markdown]
# ### The last step
#
# $L_0$ asks for the probability that the model gives to the pixel's grey value, one of 256 (Eq. (13); its width is $\sqrt{\tilde\beta_2}$, because $\tilde\beta_1 = 0$). White is the last of them, so its bin
# is open above: it begins $1/255$ below 1. $\Phi$ is the normal distribution, from a table or a calculator that has it.
#
# ```text
# u_1 = 0.96 × 0.68 / 0.0784 ≈ 8.33
# x0_hat_1 = tanh(8.33) ≈ 1.0000
# edge = (1 − 1 / 255 − 1.0000) / 0.2623 ≈ −0.015
# p_bin = 1 − Φ(−0.015) ≈ 0.506
# L_0 = −ln(0.506) ≈ 0.681
# ```
#
# The guess could not be better, and yet the term is large: half of the bell lies above 1, where there is nothing.

# %%
u, x0_hat, eps_hat = ask_network(x[1], 1)
decoder = Gaussian(torch.tensor([x0_hat], dtype=torch.float64), variance_at_1(schedule))
edge = (1 - 1 / 255 - x0_hat) / decoder.var**0.5
log_p = decoder_log_likelihood(torch.ones(1, dtype=torch.float64), decoder).item()
agree("u_1 x0_hat_1", "8.33 1.0000", [u, x0_hat])
agree("edge p_bin L_0", "-0.015 0.506 0.681", [edge, math.exp(log_p), -log_p])

# %% [markdown]
# ### The sum
#
# ```text
# total = 0.000382 + 0.130 + 0.850 + 0.184 + 0.681 ≈ 1.845
#
# bits_L_T = 0.000382 / 0.6931 ≈ 0.001
# bits_L_3 = 0.130 / 0.6931 ≈ 0.188
# bits_L_2 = 0.850 / 0.6931 ≈ 1.226
# bits_L_1 = 0.184 / 0.6931 ≈ 0.265
# bits_L_0 = 0.681 / 0.6931 ≈ 0.983
# bits_total = 1.845 / 0.6931 ≈ 2.662
# ```
#
# Nearly half of it was lost at $t = 3$, by bad luck: $\epsilon_3 = -0.9$ made ink look like paper.

# %%
nats = [L_T, L[4][4], L[3][4], L[2][4], -log_p]
agree("total", "1.845", [sum(nats)])
bits = [term / math.log(2) for term in nats]
agree("bits_L_T bits_L_3 bits_L_2", "0.001 0.188 1.226", bits[:3])
agree("bits_L_1 bits_L_0 bits_total", "0.265 0.983 2.662", [*bits[3:], sum(bits)])

# %% [markdown]
# With $\sigma_t^2 = \beta_t$ the widths of the two bells differ too, and the whole KL is needed. At $t = 2$:
#
# ```text
# ratio = 0.068809 / 0.36 ≈ 0.1911
# L_1_beta = 0.5 × (0.1590² / 0.36 + 0.1911 − 1 − ln(0.1911)) ≈ 0.458
# ```
#
# instead of 0.184: here the guess was good, and $\beta_2$ is wider than it need be. That alone, without any error of the guess, costs in bits
#
# ```text
# too_wide = 0.5 × (0.1911 − 1 − ln(0.1911)) / 0.6931 ≈ 0.610
# ```

# %%
p_beta = p_step(x[2], C[2], ask_network(x[2], 2)[2], variance="beta").p
q = q_posterior(1.0, x[2], C[2])
agree("ratio L_1_beta", "0.1911 0.458", [q.var / p_beta.var, q.kl(p_beta)])
agree("too_wide", "0.610", [q.kl(Gaussian(q.mean, p_beta.var)) / math.log(2)])

# %% [markdown]
# One walk is one draw. The library's `bound` makes its own walks; here is the average over 20,000 of them, all from the same pixel of ink. A fair coin cannot be told in less
# than **one bit**, so no honest model of our world can be below 1 on average. And which width is the better one *now*?

# %%
ink = torch.ones(20_000, 1, dtype=torch.float64)
print("           L_T   L_3   L_2   L_1   L_0   total, in bits")
for variance in ("posterior", "beta"):
    generator = torch.Generator().manual_seed(0)
    L_all = bound(network, schedule, ink, variance=variance, generator=generator)
    five = [L_all.prior, *(L_all.denoising[t] for t in (4, 3, 2)), L_all.reconstruction]
    print(f"{variance:9} " + " ".join(f"{term.mean():.2f} " for term in [*five, L_all.total]))

# %% [markdown]
# The other way round. $\tilde\beta_2$ is the width of somebody who *knows* $x_0$. The network does not, and every now and then it is sure and wrong: then a narrow bell is a long way from
# the truth, and the square is divided by a small number. At $t = 2$ the wide bell pays its 0.61 bits in every walk, and is insured. With a thousand small steps
# $\tilde\beta_t$ and $\beta_t$ are nearly the same but for the first few, and the question goes away (lesson [06](06_sampling.ipynb)).
#
# ## The whole chain on one page
#
# All from the library, with four decimals. Out:

# %%
print(" t     beta   alpha_bar    signal     noise |      eps       x_t   eps_bar")
print(f" 0   0.0000      1.0000    1.0000    0.0000 |             {x[0]:.4f}")
for t in (1, 2, 3, 4):
    c = C[t]
    amplitudes = f"{q_sample(1.0, c, 0.0):9.4f} {q_sample(0.0, c, 1.0):9.4f}"
    print(
        f"{t:2} {c.beta:8.4f} {c.alpha_bar:11.4f} {amplitudes} |"
        f" {eps[t]:8.1f} {x[t]:9.4f} {eps_bar[t]:9.4f}"
    )

# %% [markdown]
# And back, twice:

# %%
print("               t         u    x0_hat   eps_hat      mean   sigma_z   x_{t-1}")
for name, steps in (("beta", chain), ("beta-tilde", tilde)):
    for t in (4, 3, 2, 1):
        print(f"{name:11} {t:4} " + " ".join(f"{number:9.4f}" for number in steps[t]))

# %% [markdown]
# ## Summary
#
# | part | equation | what to remember |
# |---|---|---|
# | schedule | $\bar\alpha_t = \bar\alpha_{t-1}\alpha_t$ | shares of the variance multiply; so do their roots |
# | forwards | (2), (4) | step by step or in one jump: the static of all steps merges into one $\bar\epsilon_t$ |
# | posterior | (6, 7) | two witnesses; precisions add up; at $t = 1$ the weights are 1 and 0 |
# | training | (14) | guess, miss, square, and a step against the gradient |
# | network | $\hat x_0 = \tanh u$ | in a world of $+1$ and $-1$ the best answer is known; it is an average |
# | backwards | (11), Algorithm 2 | a share of the noise out, fresh noise in, none at the end; the noise decides, not the start |
# | two roads | (7) or (11) | the same on paper; with short numbers (7) is the safe one at large $t$ |
# | bound | (5, 8, 12, 13) | five terms; by means or by noises, the same nats; never below the data's own bits |
#
# Every line of a diffusion program is one of the lines of this page, for many pixels at once.
