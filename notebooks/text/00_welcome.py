# %% [markdown]
# # 00 · Welcome
#
# Take a picture and add a little static. Add some more. After a thousand rounds nothing is left of
# it but noise, like a television tuned to no station. Now ask: could that film be run **backwards**?
# If something could take away a little noise at a time, it could start from pure static, and a
# picture that nobody has ever drawn would come out. That something is a diffusion model, and you are
# about to build one.
#
# **What you will be able to do**
#
# - say in two sentences what a diffusion model does, and see both halves happen under a slider;
# - know that your machine is ready for the course;
# - find your way: what each lesson answers, and how exercises are checked.
#
# Time on two CPU cores: about 40 s to run, 10 minutes to read and try.
#
# Article section: *the thought experiment*. The method is that of
# [Ho, Jain & Abbeel 2020](https://arxiv.org/abs/2006.11239), *Denoising Diffusion Probabilistic Models*, DDPM for short.
#
# **New to notebooks?** Click a grey cell and press Shift + Enter to run it; do it once now for each
# cell on the way down. Or run all of them: menu *Run*, *Run All Cells*. Should the first one say
# `ModuleNotFoundError`, this notebook runs in another Python than the course's: close JupyterLab and start
# it by `make lab`, from the course's folder.

# %%
import torch

from ddpm_lessons import ddpm, linear_schedule
from ddpm_lessons.checks import lesson00
from ddpm_lessons.data import load_mnist
from ddpm_lessons.models import load_pretrained
from ddpm_lessons.show import plots
from ddpm_lessons.show.chains import chain_player, forward_player
from ddpm_lessons.show.plots import show

torch.set_num_threads(1)  # for four digits a second thread would mostly wait for the first
digits = load_mnist("test")
height, width = digits.images.shape[-2:]
print(f"{len(digits):,} handwritten digits, each {height} by {width} pixels")

# %% tags=["nbval-ignore-output"]
show(
    plots.image_rows([digits[:10]], [str(label) for label in digits.labels[:10].tolist()]),
    alt="The first ten digits of the MNIST test set, white ink on black: 7, 2, 1, 0, 4, 1, 4, 9, 5, 9.",
)

# %% [markdown]
# These are real digits from MNIST, written by clerks and school pupils. They came with the
# repository; nothing in this course is downloaded.
#
# ## Forwards: a digit dissolves
#
# Here is one of them and a thousand steps of damage. Drag the slider, use the arrow keys, or press
# play. At $t = 0$ stands the clean digit. Each step shrinks it a little towards grey and adds a
# little noise.

# %% tags=["nbval-ignore-output"]
x_0 = digits[[18]]
schedule = linear_schedule()
forward_player(x_0, schedule, generator=torch.Generator().manual_seed(0))

# %% [markdown]
# Nothing was learned here. Destroying is arithmetic, and lesson 01 shows you all of it.
#
# ## Backwards: a digit forms
#
# Now the other direction. We start from pure noise, $t = 1000$, and a small neural network that
# was trained on 60,000 digits takes away a little noise, a thousand times. It comes with the course;
# training it took 90 minutes on two CPU cores. (This cell runs it 1000 times; give it some seconds.)

# %% tags=["nbval-ignore-output"]
pretrained = load_pretrained("mnist")
generator = torch.Generator().manual_seed(3)
x_T = torch.randn(4, 1, 28, 28, generator=generator)  # four images of pure noise
chain = list(ddpm(pretrained.eps_model, pretrained.schedule, x_T, clip_x0=1.0, generator=generator))
chain_player(chain, pretrained.schedule)

# %% [markdown]
# On the left is $x_t$, what the chain holds at time $t$. On the right is $\hat x_0$, what the network, looking
# at $x_t$, believes the clean image to be. At $t = 1000$ its belief is little more than noise itself.
# Around $t = 700$ it is a blur, the average of all digits that this could still become. Watch when
# it makes up its mind, and how early: long before *you* can see anything on the left.
#
# Nobody wrote these digits. Change the seed above, run the cell again, and you get others. Not
# all of them succeed; a small network sometimes ends in a squiggle.
#
# ## Both at once
#
# ![Two rows of seven pictures at t = 0, 50, 100, 200, 300, 500 and 1000. Above, from left to right, a handwritten 3 loses itself in noise. Below, from right to left, pure noise clears up into a new digit, a 2](../figures/both_chains.png)
#
# The **forward process** destroys; it is fixed and has nothing to learn. The **reverse process**
# restores, one small step at a time, and each step is what a network learns. All the mathematics of
# the course serves three questions about this picture: what exactly does one step forward do? What
# would be the right step back? And how can a network learn it, when the only thing we have is
# clean images?
#
# ## Your machine
#
# A laptop is enough. If there is a GPU, training will use it. The next cell looks whether everything is in
# place; a *note* stops nothing, and beside a *problem* stands what to do about it. In a terminal, in the course's
# folder, `.venv/bin/python -m ddpm_lessons doctor` says the same, with every folder's full name.

# %% tags=["nbval-ignore-output"]
from ddpm_lessons import doctor

doctor.report()

# %% [markdown]
# ## The map
#
# | lesson | answers |
# |---|---|
# | **00 welcome** | what is a diffusion model? |
# | [01 the forward process](01_forward_process.ipynb) | what does a step of noise do, and how do we jump to any $t$? |
# | [02 the reverse process](02_reverse_process.ipynb) | why can nobody run it backwards, and which question makes it possible? |
# | [03 the loss](03_the_loss.ipynb) | why does training come down to "predict the noise"? |
# | [04 the U-Net](04_the_unet.ipynb) | what is in the box, how far does it see, what are the skips for? |
# | [05 training](05_training.ipynb) | how is it trained, and why does the loss stop falling so soon? |
# | [06 sampling](06_sampling.ipynb) | how does noise become a digit, and what is each part of the recipe for? |
# | [07 results](07_results.ipynb) | are the digits any good, and are they new? |
# | [08 the score](08_score.ipynb) | what else has the network learnt? |
# | [09 faster sampling](09_faster_sampling.ipynb) | why a thousand steps, and how do ten do? |
# | [10 guidance](10_guidance.ipynb) | how do I get a seven, and what does it cost to insist? |
# | [11 latent diffusion](11_latent_diffusion.ipynb) | where do Stable Diffusion's savings come from, and what do they cost? |
# | [12 case study](12_case_study.ipynb) | how is a damaged form or a noisy scan restored, and when must nobody believe it? |
# | [13 bug gallery](13_bug_gallery.ipynb) | the samples look fine: how would you know that the code is wrong? |
# | [14 by calculator](14_by_calculator.ipynb) | can all of it be done with a pencil? One pixel, four steps, every number |
#
# Each lesson has the same rhythm: a question in words, the equation, the same thing in numbers small
# enough for a calculator, the library's own source, a proof that all of them agree, and a picture to
# drag. It helps to know a little Python and PyTorch (tensors and their shapes). The mathematics
# needed is the Gaussian bell curve, and that variances of independent things add.
#
# ## Exercises
#
# You learn this by doing it. An exercise gives you a cell with `...` in it. Replace the dots, run the
# cell, and the check tells you whether you are right, and if not, often which mistake it looks like.
# Nothing breaks while a cell is unsolved. Four to warm up:
#
# ### Exercise 0.1 · From bytes to numbers
#
# On disk a pixel is a whole number, from 0 (paper) to 255 (ink). The network wants numbers from $-1$ to $1$. Write
# the conversion.
#
# <details><summary>Hint</summary>0 must become -1 and 255 must become 1. What becomes of 127.5?</details>


# %% tags=["nbval-ignore-output"]
def my_scaling(byte):
    return ...  # replace the dots: a number from -1 to 1


lesson00.scaling(my_scaling)

# %% [markdown]
# ### Exercise 0.2 · A little static
#
# Add static to a pixel `x`: noise of **variance** `v`. You are given `eps`, a draw from the standard
# normal distribution, whose variance is 1.
#
# <details><summary>Hint</summary>If you multiply a random number by s, its variance is multiplied by
# s squared.</details>


# %% tags=["nbval-ignore-output"]
def my_static(x, v, eps):
    return ...  # replace the dots: the pixel with static on it


lesson00.static(my_static)

# %% [markdown]
# ### Exercise 0.3 · What does a digit cost?
#
# The chain above started at $t = 1000$ and ended at $t = 0$. How many times did the network have to run?
# (The picture has 1001 states. Which of them needs no network?)

# %% tags=["nbval-ignore-output"]
my_calls = ...  # replace the dots: a whole number

lesson00.calls(my_calls)

# %% [markdown]
# That number is the price of diffusion models, and lessons to come are about lowering it.
#
# ### Exercise 0.4 · A dial of your own
#
# Many answers are right here. Think of a dial that says how much of the picture is noise at step $t$ of $T$: a number between 0
# and 1. At $t = 0$ the picture is clean, at $t = T$ nothing but noise is left, and noise never gets less on the way.
# How it grows in between is up to you. (Lesson 01 has two dials that people use, and says why.)
#
# <details><summary>Hint</summary>The straight line from 0 to 1 is one. Would you rather begin slowly?</details>


# %% tags=["nbval-ignore-output"]
def my_dial(t, T):
    return ...  # replace the dots: a number from 0 to 1


lesson00.dial(my_dial)

# %% [markdown]
# ## Your progress
#
# What you pass is put down in `progress.txt`, in the course's folder: a text file, for you alone, that nothing sends anywhere.
# Delete a line in it, and the exercise is open again. The next cell reads it; run it whenever you come back. When all
# is passed, `progress().certificate("Your Name")` in a cell makes a page to print, `certificate.pdf` beside the lessons.
#
# Your code in the cells is kept when you save a lesson. What a kernel computed is gone when it ends: another day begin with *Run*, *Run
# All Cells*. A panel that says *Error displaying widget* is waiting for just that.

# %% tags=["nbval-ignore-output"]
from ddpm_lessons.checks.progress import progress

progress()

# %% [markdown]
# ## Summary
#
# - The **forward process** adds a little noise, a thousand times, until nothing but noise is left. It is
#   arithmetic.
# - The **reverse process** starts from noise and removes a little, a thousand times. Each step asks a
#   network for advice.
# - Images are numbers from $-1$ to $1$; $t$ counts noise steps from 1 to $T = 1000$; $t = 0$ is the clean image.
#
# Next: [01 · The forward process](01_forward_process.ipynb).
