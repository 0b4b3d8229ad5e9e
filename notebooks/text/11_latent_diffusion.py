# %% [markdown]
# # 11 · Latent diffusion
#
# Every program that paints from a sentence on a home computer does the same trick: **it does not diffuse pixels**. A small network first turns a picture into far fewer
# numbers, diffusion works on those, and in the end another small network turns them back into a picture. This lesson builds it for digits, with nothing new
# in the diffusion itself, and asks at each point what is gained, in numbers, and what is paid.
#
# **What you will be able to do**
#
# - say where the time of a step goes, and what part of it a smaller space saves;
# - read an autoencoder's loss as a price list, in nats, and check it with a calculator;
# - show why a decoder alone is no generator, and why diffusion behind it is one;
# - explain the number 0.18215 in Stable Diffusion's code, and what goes wrong without it;
# - count what Stable Diffusion saves, and say what it cannot get back.
#
# Time on two CPU cores: about 60 s to run, 70 minutes to read and try.
#
# The article names latent diffusion and leaves it there. The method is that of [Rombach et al. 2022](https://arxiv.org/abs/2112.10752), the autoencoder that of
# [Kingma & Welling 2014](https://arxiv.org/abs/1312.6114). Equations with a number in brackets are those of [Ho, Jain & Abbeel 2020](https://arxiv.org/abs/2006.11239).

# %%
import json
import math
import time
from itertools import islice
from pathlib import Path

import torch

from ddpm_lessons import (
    Gaussian,
    ddim,
    dpm_solver,
    q_sample,
    simple_loss,
)
from ddpm_lessons.checks import lesson11
from ddpm_lessons.data import Batches, load_mnist, to_uint8
from ddpm_lessons.evaluation import read
from ddpm_lessons.models import UNet, load_classifier, load_pretrained
from ddpm_lessons.models.autoencoder import Autoencoder
from ddpm_lessons.models.probe import walk
from ddpm_lessons.show import fast_plots, latent_plots, result_plots
from ddpm_lessons.show.chains import grid
from ddpm_lessons.show.pictures import describe
from ddpm_lessons.show.player import player
from ddpm_lessons.show.plots import image_rows, show
from ddpm_lessons.show.source import show_source
from ddpm_lessons.show.unet_plots import by_level
from ddpm_lessons.training import MixedPrecision, train
from ddpm_lessons.training.autoencode import elbo_loss, encoded, scale_latents

torch.set_num_threads(1)  # few digits at a time: a second thread would mostly wait for the first
pixel, latent = load_pretrained("mnist"), load_pretrained("mnist-latent")
autoencoder, schedule = latent.autoencoder, latent.schedule
train_set, test_set, reader = load_mnist("train"), load_mnist("test"), load_classifier()
precision = MixedPrecision("cpu")


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def end_of(steps):  # the last state of a chain
    *_, last = steps
    return last.x


@torch.no_grad()
def code_of(x):  # the mean of q(z | x)
    return autoencoder.encode(x)


@torch.no_grad()
def draw_code(x, seed):  # a draw of it
    return autoencoder.draw(x, seeded(seed))


@torch.no_grad()
def decode(z):
    return autoencoder.decode(z).clamp(-1, 1)


# in bfloat16 where the machine computes in it: faster
pixel_net, latent_net = (precision.autocasting(net.eps_model) for net in (pixel, latent))
print(f"T = {schedule.T}; one network draws {pixel.config.shape}, the other {latent.config.shape}")

# %% [markdown]
# ## Where does a step spend its time?
#
# A step is one call of the network. Let us send an image through our U-Net and count, stage by stage, how often it multiplies (lesson 04 did it by hand), and how many numbers it holds on the way. The stages are
# sorted by the size of their pictures: the U-Net works at $28\times 28$, at $14\times 14$ and at $7\times 7$. Beside it stands the small network of this lesson, which gets four maps of $7 \times 7$ and never
# works at any other size.


# %%
def counted(network):  # per level: multiplications and numbers held, in millions, for one image
    stops = walk(network.eps_model, torch.zeros(1, *network.config.shape), torch.tensor([1]))
    products = {level: count / 1e6 for level, (_, count) in by_level(stops).items()}
    numbers = dict.fromkeys(products, 0.0)
    for stop in stops:
        size = stop.features.shape[-1]
        numbers[f"{size} × {size}"] += stop.features.numel() / 1e6
    return products, numbers


costs = {"of pixels": counted(pixel), "of latents": counted(latent)}
for name, (products, _) in costs.items():
    print(f"{name:10}: {sum(products.values()):5.1f} million multiplications a call:", end=" ")
    print(", ".join(f"{count:.1f} at {level}" for level, count in products.items()))
share = costs["of pixels"][0]["7 × 7"] / sum(costs["of pixels"][0].values())
print(f"the network of pixels does {share:.0%} of its work at 7 × 7")

# %% tags=["nbval-ignore-output"]
titles = ("multiplications, in millions", "numbers held, in millions")
show(
    latent_plots.stacked(
        {title: {name: found[i] for name, found in costs.items()} for i, title in enumerate(titles)}
    ),
    alt="Two panels of stacked bars for one call. The network of pixels multiplies 308 million times, most of it at 14 and at 28 pixels, and holds most of its numbers at 28. The network of latents has only the part at 7: "
    "52 million multiplications and a small fraction of the numbers.",
)

# %% [markdown]
# More than four fifths of the work is done on the two upper floors, with pixels and with pairs of pixels, and it is done **at every step**, a thousand times. The article's U-Net goes down to $7 \times 7$ because there it decides *what* the picture shall show, and
# comes up again to say *which pixels* that means. Could one go down once, take all the steps at the bottom, and come up once?
#
# The network of latents is just that: the ground floor of the U-Net, six blocks and an attention, without the stairs. It needs one thing: a $7\times 7$ description of a digit from which the digit can be drawn again.
#
# ## An image holds fewer facts than pixels
#
# Is there such a description? Pixels are not independent facts. How well does a pixel tell its right neighbour?

# %%
x = test_set[:2000]
left, right = x[..., :-1].flatten(), x[..., 1:].flatten()
r = torch.corrcoef(torch.stack([left, right]))[0, 1].item()
print(f"correlation of neighbours: {r:.2f}; variance of a pixel that is news: {1 - r**2:.0%}")

# %% [markdown]
# One neighbour alone tells nearly two thirds of a pixel's variance, and a pixel has eight. So how many *numbers* does it take to describe a digit, if it may be a little wrong? Three ways to keep few numbers:
#
# - **make it smaller**: the means of $2 \times 2$ pixels, 196 numbers, and enlarge again;
# - **the best straight line**: directions in the space of images along which the training digits vary most, and a digit's place along each (principal components). No *linear* method does better;
# - **a network**: the autoencoder of this lesson, also 196 numbers.

# %% tags=["nbval-ignore-output"]
known = train_set[:6000].flatten(1).double()
mean = known.mean(dim=0)
_, directions = torch.linalg.eigh((known - mean).T @ (known - mean))  # the last ones vary most
flat = x.flatten(1).double()


def grey_levels(difference):  # the root of the mean square, of 255
    return 127.5 * difference.square().mean().sqrt().item()


def kept(n):  # the error of n principal components
    some = directions[:, -n:]
    return grey_levels((flat - mean) @ some @ some.T + mean - flat)


counts = [1, 2, 5, 10, 20, 35, 50, 75, 100, 140, 196, 280, 392, 550, 784]
smaller = torch.nn.functional.interpolate(torch.nn.functional.avg_pool2d(x, 2), scale_factor=2.0)
errors = {"made smaller": grey_levels(smaller - x), "autoencoder": grey_levels(decode(code_of(x)) - x)}  # fmt: skip
line = (counts, [kept(n) for n in counts])

# %% tags=["nbval-ignore-output"]
show(
    latent_plots.numbers_kept(
        line,
        {name: (196, error) for name, error in errors.items()},
        line_name="principal components",
    ),
    alt="Error of a pixel in grey levels over the numbers kept. The line of principal components falls from about 65 to 0. At 196 numbers, making the digit smaller is far above the line, and the autoencoder below it.",
)
print({name: f"{error:.1f} grey levels" for name, error in errors.items()}, f"line: {kept(196):.1f}")  # fmt: skip

# %% [markdown]
# A quarter of the numbers, and hardly anything lost. Here is how the network does it.
#
# ## The autoencoder
#
# Two networks that are trained together. The **encoder** takes the digit through convolutions, two of them with stride 2, from $28$ over $14$ to $7$, and ends with eight numbers for each place: a mean and a log-variance for each of four
# channels. The **decoder** takes four numbers for each place and goes back up. In shapes: $1\times 28\times 28 \to 4 \times 7 \times 7 \to 1\times 28 \times 28$; in numbers: $784 \to 196 \to 784$. We write $z$ for the
# latents, so that $x$ remains a picture.

# %% tags=["nbval-ignore-output"]
show_source(Autoencoder)

# %% tags=["nbval-ignore-output"]
few = test_set[[18, 0, 1, 4, 7]]
show(
    latent_plots.codes(few, code_of(few), decode(code_of(few))),
    alt="Five test digits, a row for each: the digit; four maps of 7 by 7 coloured squares, of which three show a coarse shape of the digit, and the third is nearly blank; the decoded digit, which looks the same; "
    "the difference, faint specks along the edges of the strokes.",
)

# %% [markdown]
# Look at the maps. They are no secret code: they still have the digit's shape, because each latent is made from pixels around its place. Latents of this kind are **a small picture with four unusual colours**. That is intended. The U-Net that
# will work on them is made for pictures, and finds neighbours where it looks for them.
#
# What do they do? Drag the slider: in each panel the four latents in the middle of *one* channel are set to the value shown, and all others stay.

# %% tags=["nbval-ignore-output"]
values = [i / 2 for i in range(-8, 9)]
z = code_of(few[:1])
panels = {}
for channel in range(4):
    changed = z.repeat(len(values), 1, 1, 1)
    changed[:, channel, 2:4, 2:4] = torch.tensor(values).view(-1, 1, 1)
    panels[f"channel {channel + 1}"] = decode(changed)
alts = [f"a 3, with four latents in the middle of one channel set to {value:g}" for value in values]
player(panels, alts, values=values, label="value of the latents", start=8, width=160)

# %% tags=["nbval-ignore-output"]
for name, found in panels.items():
    print(
        f"{name}: from -4 to 4 the pixels move by {grey_levels(found[-1] - found[0]):.1f} grey levels"
    )

# %% [markdown]
# Latents decide about a few pixels around their place, as parts of a stroke: there, or not, or slanting. And one of the channels does hardly anything. Remember that; we shall find out why.
#
# ### What is lost is lost
#
# How good are the decoded digits? For a thousand test digits, which the autoencoder has never seen:

# %% tags=["nbval-ignore-output"]
x = test_set[:1000]
back = decode(code_of(x))
before, after = read(reader, to_uint8(x)), read(reader, to_uint8(back))
print(f"error of a pixel: {grey_levels(back - x):.1f} grey levels of 255")
print(f"read as before:   {(before.labels == after.labels).float().mean():.1%}")
worst = (back - x).square().flatten(1).mean(dim=1).topk(6).indices

# %% tags=["nbval-ignore-output"]
show(
    image_rows([x[worst], back[worst]], [""] * 6, ["digit", "decoded"]),
    alt="The six test digits of this thousand that come back worst, above, and what comes back, below: still the same digits, a little blurred where strokes are thin or nearly touch.",
)

# %% [markdown]
# These six are the worst of them. What goes missing is what is rare: hairlines, narrow gaps between strokes, frayed edges. **No diffusion model behind this autoencoder can ever draw them**, however long it is trained: a picture that the decoder cannot make
# is not among its answers. This is the price of the whole method, paid once and for all. (It is why early Stable Diffusion could not write small letters or draw a small face: at $8\times 8$ pixels for each place, they were lost before
# diffusion had begun.)
#
# ## A loss that is a price list
#
# Why does the encoder give a mean *and a variance*? Because a code that may use real numbers at any precision is no compression at all: one number with enough digits holds a library. Precision must cost something. In training the decoder therefore does not get the mean. It
# gets a **draw** from $q(z \mid x) = \mathcal N(\mu, \sigma_z^2)$, and the encoder pays for every bit by which that bell is narrower than, or away from, the bell that is free of charge, $\mathcal N(0, 1)$:
#
# $$L = \underbrace{\mathbb E_{z\sim q}\Big[\frac{\|x - \hat x(z)\|^2}{2\,s^2}\Big]}_{\text{errors of the picture}} + \underbrace{\mathrm{KL}\big(q(z \mid x)\,\big\|\,\mathcal N(0, I)\big)}_{\text{price of the code}}$$
#
# You have met this loss. It is the bound of lesson 03 with one step instead of a thousand: reconstruction, and a KL. (There the encoder was noise and needed no learning. This is what "as for VAEs" meant.) The KL between two bells has a closed form:
#
# $$\mathrm{KL}\big(\mathcal N(\mu, \sigma^2)\,\|\,\mathcal N(0, 1)\big) = \tfrac12\big(\mu^2 + \sigma^2 - 1 - \ln \sigma^2\big).$$
#
# By calculator, $\mu = 0.5$ and $\sigma^2 = 0.25$: $\frac12(0.25 + 0.25 - 1 + 1.386) = 0.443$ nats.

# %%
print(f"by hand: {0.5 * (0.25 + 0.25 - 1 - math.log(0.25)):.3f}")
print(f"library: {Gaussian(0.5, 0.25).kl(Gaussian(0.0, 1.0)):.3f}")
for std in (1.0, 0.5, 0.25, 0.125):
    print(f"a bell at 0 of width {std:5}: {Gaussian(0.0, std**2).kl(Gaussian(0.0, 1.0)):.3f} nats")

# %% [markdown]
# Look at the last lines. A narrow bell costs about $\ln 2 = 0.69$ nats, that is one bit, for each time that its width is halved. So the KL is what it should be: **a price for digits**.
#
# ### Exercise 11.1 · The price of a latent
#
# Complete `my_kl` for tensors of means and variances, one number for each latent.
#
# <details><summary>Hint</summary>
#
# The formula above, entry by entry. <code>var.log()</code>. For the calculator's bell it is 0.443.
# </details>


# %% tags=["nbval-ignore-output"]
def my_kl(mean, var):
    return ...  # replace the dots: nats


lesson11.kl(my_kl)

# %% [markdown]
# ### The exchange rate
#
# Both parts of the loss are in nats, and $s$ (`noise_std`) is the exchange rate: the standard deviation that a pixel is allowed to err. An error of 8.5 grey levels is $8.5/127.5 = 0.067$, and with $s = 0.1$ it costs $0.067^2/0.02 = 0.22$ nats a pixel.
#
# When is a latent worth its price? Take one number with variance $v$, told by one latent, decoded by multiplication. Then the best choice can be worked out (Tipping & Bishop 1999; Lucas et al. [2019](https://arxiv.org/abs/1911.02469)): if $v > s^2$, spend
#
# $$\tfrac12 \ln\frac{v}{s^2} \text{ nats},$$
#
# and the error that is left is $s$. If $v < s^2$, spend **nothing**: tell the mean, and live with the error. We can let the machine search for the best choice, without the formula:


# %%
def cheapest(v, s):  # z from N(a x, width^2), x_hat = w z: all a, w and width are tried
    a, w, width = torch.meshgrid(*[torch.linspace(0.01, 1.2, 120).double()] * 3, indexing="ij")
    error = (1 - a * w) ** 2 * v + w**2 * width**2
    price = 0.5 * (a**2 * v + width**2 - 1 - 2 * width.log())
    best = (error / (2 * s**2) + price).argmin()
    return price.flatten()[best].item(), error.flatten()[best].item() ** 0.5


for v, s in ((1.0, 0.25), (1.0, 0.5), (0.5, 0.5), (0.16, 0.5)):
    nats, error = cheapest(v, s)
    formula = max(0.0, 0.5 * math.log(v / s**2))
    print(f"v = {v:4}, s = {s:4}: {nats:.2f} nats (formula {formula:.2f}), error left {error:.2f}")

# %% [markdown]
# A latent whose fact is too small for the exchange rate is **switched off**. Now look at ours: the nats that each latent costs on average, where it stands, for the test digits.

# %%
with torch.no_grad():
    q = autoencoder.posterior(x)
prior = Gaussian(torch.zeros_like(q.mean), torch.ones_like(q.var))
nats = q.kl(prior)
print(f"{nats.sum(dim=(1, 2, 3)).mean():.0f} nats for a digit, {nats.mean():.1f} for a latent")
print("by channel:", [f"{value:.1f}" for value in nats.mean(dim=(0, 2, 3)).tolist()])

# %% tags=["nbval-ignore-output"]
show(
    latent_plots.maps(
        {f"channel {i + 1}": nats.mean(dim=0)[i] for i in range(4)}, label="nats, mean of 1000"
    ),
    alt="Four maps of 7 by 7. In channels 1, 2 and 4 the middle is bright, up to several nats, and the rim is dark. Channel 3 is dark everywhere.",
)

# %% [markdown]
# There is the whole story in one picture. In the middle, where the strokes are, latents are worth two or three nats. On the rim there is only paper, and nothing to tell: the bells there stay at $\mathcal N(0, 1)$, and no one pays. And channel 3 has been switched off for good (it costs a
# fiftieth of the others). People call this *posterior collapse* and write papers against it; here it is the loss doing its job. Three channels are enough for digits at this exchange rate.

# %% tags=["nbval-ignore-output"]
show_source(elbo_loss, Gaussian.kl, Gaussian.sample)

# %% [markdown]
# ### A draw that lets gradients through
#
# One line there deserves a second look: `q.sample(generator)`. How does one train an encoder *through* a draw? "Draw from $\mathcal N(\mu, \sigma^2)$" has no slope. But $z = \mu + \sigma\,\epsilon$ with $\epsilon \sim \mathcal N(0, 1)$ is the same draw, and it has: the die is thrown outside, and what remains is a sum
# and a product. It is the *reparameterisation* that Eq. (4) used for $x_t$.
#
# ### Exercise 11.2 · The draw
#
# The encoder's last layer gives `mean` and `log_var`, $\ln \sigma^2$. Complete `my_draw`, with the noise `z` given.
#
# <details><summary>Hint</summary>
#
# $\sigma = \sqrt{e^{\ln\sigma^2}} = e^{\frac12\ln\sigma^2}$. A tensor has <code>.exp()</code>.
# </details>


# %% tags=["nbval-ignore-output"]
def my_draw(mean, log_var, z):
    return ...  # replace the dots: a draw


lesson11.draw(my_draw)

# %% [markdown]
# ### Does it keep to its price list?
#
# Each latent has a width of its own, $\sigma_z$, and has paid for it. If the theory is right, a *draw* of that width moves the pixels of the strokes by about $s = 0.1$, or 12.7 grey levels, or somewhat less: not more, or the encoder would have bought more precision, and not much less, or it would have sold some. We multiply the
# width of all latents by a factor, and compare with what the mean decodes to:

# %% tags=["nbval-ignore-output"]
factors = [0.5, 1.0, 2.0, 4.0, 8.0]
rows = [few, decode(code_of(few))]
with torch.no_grad():
    q, own = autoencoder.posterior(x), autoencoder.posterior(few)
    die, own_die = (torch.randn(p.mean.shape, generator=seeded(1)) for p in (q, own))
    for factor in factors:
        moved = autoencoder.decoder(q.mean + factor * q.var.sqrt() * die).clamp(-1, 1) - back
        print(
            f"{factor:3} times: the strokes move by {grey_levels(moved[x > -1]):3.0f} grey levels"
        )
        rows.append(autoencoder.decoder(own.mean + factor * own.var.sqrt() * own_die).clamp(-1, 1))
told = (nats.mean(dim=0) > 0.5).sum().item()
print(
    f"{told} of 196 latents cost over half a nat; twice the width would save {told * math.log(2):.0f} nats"
)

# %% tags=["nbval-ignore-output"]
names = ["digit", "the mean", *(f"{factor:g} times" for factor in factors)]
show(
    image_rows(rows, [""] * 5, names),
    alt="Five test digits, what is decoded from the means of their latents, and from draws with 0.5 to 8 times the right width. At the right width nothing is to be seen. At twice the width the first specks appear on the paper, at 4 times many, and at 8 times the digits drown in blots.",
)

# %% [markdown]
# The encoder has bought as much precision as one just does not see the lack of, and no more. With another exchange rate it would have stopped elsewhere. Stable Diffusion's autoencoder sits at one end: its KL is weighted with one millionth, so precision costs next to nothing,
# and two other losses keep its pictures sharp (a perceptual one, and a GAN's). What it gives up in return you will see next.
#
# ## A decoder is a generator. Of what?
#
# The loss pulls all codes towards $\mathcal N(0, I)$. So one may hope: draw $z \sim \mathcal N(0, I)$, decode it, and get a new digit, in **one** call. That is the variational autoencoder as a generator, and people used it so for years. Let us try, and help it along. Four rows:
#
# 1. $z \sim \mathcal N(0, I)$, what the loss promised;
# 2. each latent with its own right mean and variance, measured on codes of training digits, but each for itself;
# 3. a Gaussian with all the right covariances as well: the best that any Gaussian can do;
# 4. the latents drawn by diffusion, in 20 calls.

# %%
codes = torch.cat([draw_code(train_set[i : i + 500], seed=i) for i in range(0, 4000, 500)])
flat = codes.flatten(1).double()  # (4000, 196)
mean, cov = flat.mean(dim=0), flat.T.cov()
z = torch.randn(300, 196, generator=seeded(0), dtype=torch.float64)
cholesky = torch.linalg.cholesky(cov)
shape = (300, *latent.config.shape)
drawn = {
    "each alone": (mean + cov.diagonal().sqrt() * z).float().view(shape),
    "together": (mean + z @ cholesky.T).float().view(shape),
    "diffusion": end_of(dpm_solver(latent_net, schedule, z.float().view(shape), steps=20)),
}
print("latents:", {name: tuple(codes.shape) for name, codes in drawn.items()})

# %% tags=["nbval-ignore-output"]
with torch.no_grad():
    promised = autoencoder.decoder(z.float().view(shape)).clamp(-1, 1)  # before any scaling
images = {r"$\mathcal{N}(0, I)$": promised} | {name: decode(codes) for name, codes in drawn.items()}
for name, found in images.items():
    sure = (read(reader, to_uint8(found)).confidence > 0.9).float().mean()
    print(f"{name:20}: {sure:.0%} are read with more than 0.9 confidence")
show(
    image_rows([found[:9] for found in images.values()], [""] * 9, list(images)),
    alt="Four rows of nine pictures, all decoded from the same draws of noise. First specks and bits of strokes, anywhere; then scraps of strokes in the middle; then longer strokes, but hardly a digit; in the last row digits, most of them.",
)

# %% [markdown]
# The decoder is the same in all rows, and so are the dice. What differs is how much is known about **which codes digits have**. The first row knows nothing. The second knows where there is paper, the third which latents go together, and only the last one knows digits. The codes of all digits together,
# $q(z) = \mathbb E_x\,q(z \mid x)$, have a name, the *aggregated posterior*, and it is not $\mathcal N(0, I)$, whatever the loss pulls. A look at it: the variance along its main directions, widest first, beside that of as many draws from $\mathcal N(0, I)$.

# %% tags=["nbval-ignore-output"]
really = torch.linalg.eigvalsh(cov).flip(0)
hoped = torch.linalg.eigvalsh(torch.randn(4000, 196, generator=seeded(2)).T.cov()).flip(0)
show(
    latent_plots.spectra({"codes of digits": really, "draws from N(0, I)": hoped}),
    alt="Variance over the 196 directions, logarithmic. The draws from N(0, I) fall gently from 1.5 to 0.6, by chance. The codes of digits fall from about 7 to a seventh.",
)

# %% [markdown]
# Neighbouring latents know of each other: where a stroke comes in, it has to go on. And even with all covariances right (row 3), digits are not a Gaussian cloud: it may be a 3 or an 8, but not the mean of both.
#
# > **A good code needs a good model of its codes.** The autoencoder says how digits are written down. What can be written is another question, and the answer is a density over 196 numbers. Learning a density from examples is what this
# > course has been about for ten lessons.
#
# That is latent diffusion in a sentence, and it is also why Stable Diffusion may let its KL sleep: if diffusion models the codes anyway, nobody needs them to be $\mathcal N(0, I)$.
#
# ## Why the variance must be 1
#
# Nothing of the diffusion has to change for latents, but one thing. A noise schedule is made for data of a certain size. Eq. (4) mixes $\sqrt{\bar\alpha_t}\,x_0$ and $\sqrt{1-\bar\alpha_t}\,\epsilon$; if the data have standard deviation $s$ (not the exchange rate any more), the **signal-to-noise ratio** is
#
# $$\mathrm{SNR}(t) = \frac{s^2\,\bar\alpha_t}{1-\bar\alpha_t}.$$
#
# By calculator: at $\bar\alpha_t = 0.5$ it is $s^2$. With $s = 1$ signal and noise are even. The latents of Stable Diffusion's encoder have a standard deviation of about 5.49, so there it would be 30: thirty times as much signal, at every $t$.
# Drag the slider, and look at the lower row.

# %% tags=["nbval-ignore-output"]
code, noise = code_of(few[:1])[0, 1], torch.randn(7, 7, generator=seeded(3))
sizes = [0.18, 0.4, 1.0, 2.5, 5.49]
frames = [
    latent_plots.in_noise(code, noise, schedule, std=s, timesteps=(50, 200, 400, 600))
    for s in sizes
]
alts = [
    f"data of standard deviation {s:g}: the signal-to-noise ratio is {s * s:.3g} times that of variance 1; in the lower row the latents "
    + ("drown earlier" if s < 1 else "stay visible longer" if s > 1 else "drown as in the upper one")
    for s in sizes
]  # fmt: skip
player(frames, alts, values=sizes, label="standard deviation", start=2)

# %%
for s in (0.18, 1.0, 5.49):
    ratio = s**2 * schedule.alpha_bars[1:] / (1 - schedule.alpha_bars[1:])
    easy, dark = (ratio > 30).sum().item(), (ratio < 0.03).sum().item()
    print(
        f"std {s:4}: {easy:3} steps too easy (ratio above 30), {1000 - easy - dark} in between, {dark} in the dark (below 0.03);"
        f" x_T keeps {s * schedule.alpha_bars[-1].item() ** 0.5:.1%}"
    )

# %% [markdown]
# **Too small**, and the data drown in the first steps: seven of ten questions are asked in the dark, and the few that decide are rushed through. **Too large**, and a quarter of the questions are too easy, $x_T$ is not quite the pure noise that sampling starts from, and the network gets inputs of size 5, which it is not made
# for. Where exactly the curve lies best is a matter of trial (for large pictures the experts push it further into the noise). But that is the schedule's business. It should be somebody's decision, and not an accident of the autoencoder.
#
# The remedy is one division. Stable Diffusion's authors measured the standard deviation of their latents, on a first batch, and found about $5.49$. Its inverse is the famous number in the code:

# %%
print(f"1 / 0.18215 = {1 / 0.18215:.2f}")

# %% [markdown]
# ([huggingface/diffusers #437](https://github.com/huggingface/diffusers/issues/437) is where the world asked where it comes from, and was answered by the author.) Every autoencoder has a number of its own, and somebody else's is of no use. Ours has one pair for each channel, `shift` and `scale`, so that
# the codes of each channel have mean 0 and variance 1. `scale_latents` measures them once, when training is over:

# %% tags=["nbval-ignore-output"]
show_source(scale_latents)

# %%
print("scale:   ", [f"{value:.2f}" for value in autoencoder.scale.flatten().tolist()])
print("variance:", [f"{value:.1f}" for value in codes.var(dim=(0, 2, 3)).tolist()])
place = codes.var(dim=0).mean(dim=0)  # over digits, at each of the 7 x 7 places
noise = (q.var / autoencoder.scale**2).mean(dim=(0, 1)) / place  # of q(z | x): the share it has
print(f"a share of it is noise: {noise[0, 0]:.0%} in a corner, {noise[3, 3]:.0%} in the middle")

# %% [markdown]
# Ours are close to 1 by themselves. No wonder: the KL has pulled the codes towards $\mathcal N(0, 1)$ all the time. Where the KL sleeps nothing holds the scale, and it may come out as anything. And a variance of 1 does not mean that all places are alike: on the rim nearly all of it is noise, in the middle most of it is news.
# (One number for all, one for each channel, one for each latent: all are in use. It is the least that a schedule asks for.)
#
# ### Exercise 11.3 · Signal to noise
#
# Complete `my_ratio`: the ratio of the two *variances* at the coefficients `c`, for data of standard deviation `std`.
#
# <details><summary>Hint</summary>
#
# <code>c.alpha_bar</code> is $\bar\alpha_t$. The formula is above.
# </details>


# %% tags=["nbval-ignore-output"]
def my_ratio(c, std):
    return ...  # replace the dots


lesson11.signal_to_noise(my_ratio)

# %% [markdown]
# ### Exercise 11.4 · There and back
#
# Complete `my_scaling`. `code` comes from the encoder, as it is: what is the network given to learn? `drawn` comes from the sampler: what does the decoder get? Return both.
#
# <details><summary>Hint</summary>
#
# First to mean 0, then to variance 1. On the way back, what was done last is undone first.
# </details>


# %% tags=["nbval-ignore-output"]
def my_scaling(code, drawn, shift, scale):
    return ...  # replace the dots: what is learnt, what is decoded


lesson11.there_and_back(my_scaling)

# %% [markdown]
# ## The same diffusion
#
# What has to be written anew for diffusion in latents? This:

# %% tags=["nbval-ignore-output"]
show_source(encoded)

# %% [markdown]
# It stands between the batches and `train`, and that is all. One word in it is worth a thought: it gives the network a *draw* of $q(z \mid x)$, not the mean, although the mean decodes a little better. The mean of a latent is a number with many digits, and most of them mean nothing to the decoder, which has never seen a latent without its noise. A network that
# learns means has to learn those digits too, and has less strength left for what counts. The noise of $q$ covers them up. (Measured, after ten epochs each: digit-FID 15.4 with means, 13.1 with draws.)
#
# Otherwise nothing is new. `train`, `simple_loss`, the schedule, `ddpm`, `ddim`, `dpm_solver` do not know that their $x$ is no picture. To prove it, both trainings from the beginning, for a few steps each, with the same function:


# %% tags=["nbval-ignore-output"]
def images_a_second(config, batches, *, batch_size=64, steps=4):
    torch.manual_seed(0)
    newborn = UNet(config)
    optimizer = torch.optim.AdamW(newborn.parameters())
    training = train(newborn, schedule, batches, optimizer, accelerator=precision)
    next(training)  # the first step takes longer
    begin = time.perf_counter()
    for _ in islice(training, steps):
        pass
    return batch_size * steps / (time.perf_counter() - begin)


stream = Batches(train_set, 64, generator=seeded(0))
speed = {
    "pixels": images_a_second(pixel.config, stream),
    "latents": images_a_second(
        latent.config, encoded(stream, autoencoder, accelerator=precision, generator=seeded(1))
    ),
}
print({name: f"{rate:.0f} images a second" for name, rate in speed.items()})
print(f"{speed['latents'] / speed['pixels']:.1f} times as many, the encoder's work included")

# %% [markdown]
# And Eq. (14) for the two trained networks, on the same test digits:

# %% tags=["nbval-ignore-output"]
with torch.no_grad():
    losses = {
        "pixels": simple_loss(pixel_net, schedule, x[:300], generator=seeded(4)),
        "latents": simple_loss(
            latent_net, schedule, draw_code(x[:300], seed=5), generator=seeded(4)
        ),
    }
print({name: f"{loss.item():.3f}" for name, loss in losses.items()})

# %% [markdown]
# The loss of the latents is many times larger. Is the network worse? **No: the two numbers cannot be compared.** Most of a digit's pixels are plain paper, and noise on paper is easy to name. The autoencoder has thrown out what is easy to predict; what is left is news, and noise. Take a latent on the rim, that is $\mathcal N(0, 1)$ and says nothing. Then $x_t$
# is $\mathcal N(0, 1)$ as well, the best guess at the noise in it is $\sqrt{1-\bar\alpha_t}\,x_t$, and its mean squared error is $\bar\alpha_t$: no network on earth gets below. Averaged over $t$:

# %%
print(f"the least loss for a latent of pure noise: {schedule.alpha_bars[1:].mean().item():.3f}")

# %% [markdown]
# The denser a code, the higher the best loss that can be reached. Losses are for comparing networks on *one* kind of data.
#
# ### A chain of latents
#
# Here are four chains, 50 steps of `ddim`. Left $z_t$, four maps for each digit. In the middle the decoder's picture *of the noisy latents*. Right, decoded, what the network takes for the clean ones, $\hat z_0$.

# %% tags=["nbval-ignore-output"]
z_T = torch.randn(4, *latent.config.shape, generator=seeded(5))
chain = list(ddim(latent_net, schedule, z_T, steps=50))
panels = {
    "z_t": [latent_plots.mosaic(step.x) for step in chain],
    "decoded z_t": [grid(decode(step.x)) for step in chain],
    "decoded z\u0302_0": [grid(decode(step.x0_hat)) for step in chain],
}
times = [step.t for step in chain]
alts = [
    f"{describe(schedule, t)}. Maps of latents of four digits; what the decoder makes of them; and of the network's guess"
    for t in times
]
player(panels, alts, values=times, width=280)

# %% [markdown]
# Compare with lesson 06. Something is different: in the middle there is no digit under static, there are *specks of ink* all the way, until late. Noise in latents is not noise in pixels. The decoder turns every code into strokes, for it has never learnt anything else, and a random code into random strokes. Only the guess on the right
# comes near to codes that it knows: first a blur, the average of many, as in lesson 06, and then a digit, long before one can be seen in the middle. **Decode $\hat z_0$ if you want to look into a chain, never $z_t$.**
#
# ## Cost against quality
#
# Now the comparison. The same sampler, 20 calls each, 100 digits by each network. The commands `python -m ddpm_lessons sample` and `sample --network mnist-latent` do the same.

# %% tags=["nbval-ignore-output"]
seconds = {}
begin = time.perf_counter()
x_T = torch.randn(100, *pixel.config.shape, generator=seeded(6))
by_pixels = end_of(dpm_solver(pixel_net, schedule, x_T, steps=20, clip_x0=1.0)).clamp(-1, 1)
seconds["pixels"] = time.perf_counter() - begin
begin = time.perf_counter()
z_T = torch.randn(100, *latent.config.shape, generator=seeded(7))
z_0 = end_of(dpm_solver(latent_net, schedule, z_T, steps=20))
by_latents = decode(z_0)
seconds["latents, decoded"] = time.perf_counter() - begin

# %% tags=["nbval-ignore-output"]
show(
    result_plots.crowds({"diffusion of pixels": by_pixels[:64], "of latents": by_latents[:64]}),
    alt="Two grids of 64 digits, left drawn by the network of pixels, right by that of latents and decoded. Both are digits of all kinds; some in each are malformed.",
)
for name, found in {"pixels": by_pixels, "latents": by_latents}.items():
    sure = (read(reader, to_uint8(found)).confidence > 0.9).float().mean()
    print(f"{name:8}: {sure:.0%} of 100 read with more than 0.9 confidence")

# %% tags=["nbval-ignore-output"]
print({name: f"{1000 * value / 100:.1f} ms a digit" for name, value in seconds.items()})
print(f"the whole way is {seconds['pixels'] / seconds['latents, decoded']:.1f} times as quick")

# %% [markdown]
# A hundred digits say little about quality. `python benchmarks/samplers.py` has drawn many more, and put them before the judge of lesson 07:

# %%
results = Path("../benchmarks/results/samplers-cpu.json")
rows = json.loads(results.read_text(encoding="utf-8"))["rows"]
wanted = {"real digits": 0, "DPM-Solver++(2M)": 20, "latent diffusion": 20}
judged = {row["name"]: row for row in rows if wanted.get(row["name"]) == row["calls"]}
for name in wanted:
    row = judged[name]
    interval = f"{row['fid']:.2f} ({row['fid_low']:.2f} to {row['fid_high']:.2f})"
    print(f"{name:17} | digit-FID {interval} | {row['confident']:.1%} read with confidence")
one, other = judged["DPM-Solver++(2M)"], judged["latent diffusion"]
apart = other["fid_low"] > one["fid_high"] or one["fid_low"] > other["fid_high"]
better = "pixels" if one["fid"] < other["fid"] else "latents"
print("by digit-FID", f"{better} are better" if apart else "the two cannot be told apart")
print(f"an image by latents takes {other['milliseconds'] / one['milliseconds']:.0%} of the time")

# %% [markdown]
# So that is the exchange, with its rate: so much quality for so much time. The autoencoder is not where quality goes: test digits that have merely been encoded and decoded have a digit-FID of 0.014. What is lost is lost by the network, and there are two reasons. It is smaller, with a sixth of the work. And its task is denser: a wrong grey is a
# wrong grey, but a wrong latent is a broken stroke.
#
# For digits of $28 \times 28$ pixels you may find the bargain good or bad. With the size of the picture it gets better and better, because the work on the upper floors grows with the area, and what they have to say grows much more slowly.
#
# ## Stable Diffusion, in numbers
#
# A picture of $512\times 512$ in three colours; an autoencoder that halves three times, to $64 \times 64$ with four channels. By calculator:
#
# | | pixels | latents | |
# |---|---|---|---|
# | numbers | $512\cdot 512\cdot 3 = 786{,}432$ | $64\cdot 64\cdot 4 = 16{,}384$ | 48 times fewer |
# | places | $262{,}144$ | $4096$ | 64 times fewer |
# | pairs of places (attention) | $262{,}144^2$ | $4096^2$ | 4096 times fewer |

# %%
places = {"pixels": 512 * 512, "latents": 64 * 64}
print(f"numbers: {3 * places['pixels'] / (4 * places['latents']):.0f} times fewer")
for name, n in places.items():
    print(f"attention over {name:7}: {n**2:.3g} pairs, {2 * n**2 / 1e9:.3g} GB of float16 a head")

# %% [markdown]
# The last line decides. A convolution's work grows with the number of places, and a factor of 64 is much. But attention looks at every *pair* of places, and with it a picture hears the sentence that describes it. In pixels one such map at full size would take 137 GB, for one head
# of one layer; in latents it fits beside the rest. (Programs that never store the map still have to multiply for each pair.) Diffusion models of pixels do without attention there, and build a large picture in stages, a small one first. Latents made *one* network at *one* size enough.
#
# How many pixels for a place? Rombach et al. tried factors from 1 to 32. With 1 and 2 training is slow; with 32 too much is lost before diffusion begins; 4 and 8 are best. Ours is 4.
#
# ### Exercise 11.5 · A later autoencoder
#
# Stable Diffusion 3 halves three times as well, but keeps **16** channels, so that less is lost. How many times fewer numbers than a colour picture of $1024 \times 1024$ has are its latents?
#
# <details><summary>Hint</summary>
#
# Numbers of the picture: height, width, three colours. Of the latents: a height and a width that are 8 times smaller, 16 channels.
# </details>

# %% tags=["nbval-ignore-output"]
my_savings = ...  # replace the dots: a number

lesson11.savings(my_savings)

# %% [markdown]
# ### Exercise 11.6 · A code by hand
#
# Many answers are right here. There are pictures, `x` of shape (B, 1, 8, 8), for which nobody has to train an autoencoder. They are made of $4 \times 4$ **tiles**: $2 \times 2$ pixels each, all four of the same grey. The grey of a tile has nothing to do
# with that of its neighbours; over all pictures it has the mean $-0.2$ and the standard deviation $0.4$. So there are 64 pixels and 16 facts, a quarter, as with our latents. Write an encoder for them, `my_code(x)`, of shape (B, 16), so that
#
# - nothing is lost: different pictures have different codes, and not just by a hair;
# - each picture is coded by itself, whatever else is in the batch;
# - the codes are ready for a schedule: over all pictures each of the 16 numbers has mean 0 (it will be measured to within 0.1) and variance 1 (to within 0.2).
#
# The simplest code is quickly written. When it has passed, try one that looks like no picture at all.
#
# <details><summary>Hint</summary>
#
# Slices with a step, <code>x[..., ::2, ::2]</code>, or <code>torch.nn.functional.avg_pool2d</code>, and then <code>.flatten(1)</code>. A number with mean $m$ and standard deviation $s$ is brought to 0 and 1 as in exercise 11.4. For the other kind: the sum of two greys and their difference tell both. What are
# the mean and the variance of a sum? Pictures to try it with: <code>greys = -0.2 + 0.4 * torch.randn(1000, 1, 4, 4)</code>, and each twice in both directions by <code>.repeat_interleave(2, -1).repeat_interleave(2, -2)</code>.
# </details>


# %% tags=["nbval-ignore-output"]
def my_code(x):
    return ...  # replace the dots: (B, 16)


lesson11.own_code(my_code)

# %% [markdown]
# ## Between two digits
#
# "In latent space one can interpolate", one reads. Can one? Four pairs of test digits, and all that lies between, in three ways: pixels mixed; latents mixed and decoded; and latents mixed *in the noise*: both codes are noised to $t = 300$ with the same $\epsilon$, mixed there, and led back to 0 by the network (so did the paper
# with pixels, in its figure 8).

# %% tags=["nbval-ignore-output"]
a, b = test_set[[0, 1, 4, 18]], test_set[[1, 18, 7, 61]]
shares = [i / 12 for i in range(13)]


def mixed(a, b):  # (13, B, ...) from one to the other
    return torch.stack([(1 - share) * a + share * b for share in shares])


c, noise = schedule.at(300), torch.randn(len(a), *latent.config.shape, generator=seeded(8))
noisy = mixed(q_sample(code_of(a), c, noise), q_sample(code_of(b), c, noise)).flatten(0, 1)
led_back = end_of(ddim(latent_net, schedule, noisy, timesteps=range(300, 0, -13)))
ways = {
    "pixels": mixed(a, b),
    "latents": decode(mixed(code_of(a), code_of(b)).flatten(0, 1)).view(13, 4, 1, 28, 28),
    "latents, in noise": decode(led_back).view(13, 4, 1, 28, 28),
}
alts = [f"{share:.0%} of the way from four digits to four others, in three ways" for share in shares]  # fmt: skip
player(
    {name: [grid(images) for images in found] for name, found in ways.items()},
    alts,
    values=[f"{share:.0%}" for share in shares],
    label="of the way",
    start=6,
    width=230,
)

# %% [markdown]
# - **Pixels**: one digit fades out, the other in. Halfway it is a double exposure.
# - **Latents**: nearly the same, and strokes break. No wonder: our latents are a small picture, and the mean of two small pictures is a double exposure too. A mean of codes is not a code. Autoencoders with a single short vector for the whole picture are better at this, and worse at everything else.
# - **In noise**: whole strokes on most of the way, because the network leads whatever it gets to where codes of digits are. The ends are no longer quite the digits that we began with. That is the price of the noise, and there is a choice in it: with more noise the way is smoother, and the ends are farther off.
#
# The ability to interpolate comes from the *model of the codes*, and not from the code.
#
# ## One call, or twenty?
#
# What does a digit cost, alone, on this machine?


# %% tags=["nbval-ignore-output"]
def seconds_of(job, times=20):
    job()
    begin = time.perf_counter()
    for _ in range(times):
        job()
    return (time.perf_counter() - begin) / times


one_x, one_z, at = torch.randn(1, 1, 28, 28), torch.randn(1, *latent.config.shape), torch.tensor([500])  # fmt: skip
with torch.no_grad():
    call = {"pixels": seconds_of(lambda: pixel_net(one_x, at)), "latents": seconds_of(lambda: latent_net(one_z, at))}  # fmt: skip
once = seconds_of(lambda: decode(one_z))
prices = {
    "the article: pixels, 1000 calls": 1000 * call["pixels"],
    "pixels, 20 calls": 20 * call["pixels"],
    "latents, 20 calls, decoded": 20 * call["latents"] + once,
    "the decoder alone (a VAE)": once,
}
show(
    fast_plots.prices(prices),
    alt="Bars of seconds for one digit on a logarithmic axis. The article's 1000 calls take seconds, 20 calls of the network of pixels a fraction of a second, 20 calls in latents less than that, the decoder alone less than a few milliseconds.",
)

# %% [markdown]
# To be honest about these bars:
#
# - The decoder alone is by far the cheapest, and what it draws you have seen: the first row of the four. A **VAE** with a better prior, or a larger one with many layers of latents, draws better than that, at a few calls' price.
# - A **GAN**'s generator is a network like this decoder: one call, milliseconds. It is trained so that a second network cannot tell its pictures from real ones, and there its pictures are sharp. What it leaves out, nobody tells it (lesson 09).
# - **Latent diffusion pays for its 20 calls, and pays less for each.** Alone, a tiny digit gains little: much of a call's time is not multiplication but overhead, for each of some fifty layers. In batches it gains what you saw above, and with the size of the picture it gains more.
# - It also borrows from both rivals. Its decoder is a VAE's, and Stable Diffusion's was trained with a GAN's loss. The three are less rivals than parts.
#
# ## What breaks if ...
#
# Ways to hold it wrong, all from the *same* noise. The right one first. For two of them we need codes whose scale is not 1, so we give our autoencoder other units: an encoder that multiplies by 5.49, and a decoder that divides by it first. It is the same autoencoder, and its scale is that of Stable Diffusion.

# %% tags=["nbval-ignore-output"]
z_T = torch.randn(6, *latent.config.shape, generator=seeded(9))
z_0 = end_of(dpm_solver(latent_net, schedule, z_T, steps=20))
halfway = next(step.x for step in ddim(latent_net, schedule, z_T, steps=50) if step.t <= 300)
clipped = end_of(dpm_solver(latent_net, schedule, z_T, steps=20, clip_x0=1.0))
raw = z_0 * autoencoder.scale + autoencoder.shift  # as the decoder wants them
with torch.no_grad():
    slips = {
        "right": decode(z_0),
        "not scaled\nback": autoencoder.decoder(raw / 5.49),
        "scaled back\ntwice": autoencoder.decoder(raw * 5.49),
        "the twin's\ndecoder": autoencoder.decoder(raw[:, [3, 0, 2, 1]]),
        "decoded\n$z_{300}$": decode(halfway),
        r"clipped $\hat z_0$": decode(clipped),
    }

# %% tags=["nbval-ignore-output"]
show(
    image_rows([rows.clamp(-1, 1) for rows in slips.values()], [""] * 6, list(slips)),
    alt="Six rows of six pictures. Right: digits. Not scaled back: black paper. Scaled back twice: swollen, jagged strokes. The twin's decoder: scattered specks. Decoded at t = 300: digits with broken strokes. Clipped: the same digits in pale and broken strokes.",
)

# %% [markdown]
# - **... the decoder gets scaled latents?** Or latents that are divided where they should be multiplied, or the other way round ([Project-MONAI/GenerativeModels #214](https://github.com/Project-MONAI/GenerativeModels/pull/214) mended that one)? Too quiet, and the paper stays black; too loud, and strokes swell and fray. It shows as far as the scale is from 1, and that is the trap: in one tutorial nobody noticed, as its author
#   said, because [his scale was close to 1](https://github.com/priyammaz/PyTorch-Adventures/issues/4). The test is exercise 11.4: encode, decode, and compare with the picture, *with a scale that is far from 1*.
# - **... decoder and latents come from two autoencoders?** A code has no meaning without the decoder that it was made for. Suppose our autoencoder had a twin, in which the same channels stand in another order. It has the same loss, to the last digit: nothing in the training prefers one order to the other. And its decoder makes specks
#   of our latents. So this course keeps both in one file: `load_pretrained("mnist-latent")` brings its autoencoder along, and you cannot take the wrong one.
# - **... $z_t$ is decoded instead of $\hat z_0$?** You get the picture of a noisy code, which is not a noisy picture.
# - **... $\hat z_0$ is clipped to $[-1, 1]$?** For pixels a safety net (lesson 06). Latents have no bounds: ours reach beyond 5. All of our samplers clip nothing unless asked, and for latents you should not ask.
#
# And one that does not show at all:
#
# - **... `scale_latents` looks at one batch only?** Then the scale is a little off, by chance. Nothing breaks; the network learns latents of that size. A scale is a convention between encoder, network and decoder, and any number near enough will do, as long as all three use *the same*. (But do measure: a script has been known to come out at
#   [109 where about 7 was right](https://github.com/JD-P/cloob-latent-diffusion/issues/7).)
#
# To build it yourself: `python -m ddpm_lessons autoencoder` trains the autoencoder in some minutes, and `train --preset mnist-latent --autoencoder FILE` the network of its latents.
#
# ## Summary
#
# | | |
# |---|---|
# | where the time goes | more than four fifths of our U-Net's multiplications are done above $7\times 7$, at each of a thousand steps |
# | the idea | go down once, diffuse at the bottom, come up once: $784 \to 196$ numbers, a sixth of the multiplications |
# | the autoencoder | its codes are a small picture with unusual colours. What it loses is lost for good |
# | its loss | errors and code in one currency: $\frac12(\mu^2+\sigma^2-1-\ln\sigma^2)$ nats for a latent; what is not worth its price is switched off |
# | decoder alone | one call, no digits: the codes of digits are not $\mathcal N(0, I)$. Diffusion learns what they are |
# | variance 1 | the schedule's signal-to-noise ratio grows with $s^2$; hence `scale_latents`, hence 0.18215 |
# | the diffusion | unchanged: `encoded` in front of `train`, `decode` behind the sampler. Its loss is not comparable with that of pixels |
# | Stable Diffusion | 48 times fewer numbers, 4096 times fewer pairs for attention |
#
# So far our prior has drawn what nobody has asked for, or what a label asks for. In the last lesson it gets half of a picture, and fills in the rest: [lesson 12](12_case_study.ipynb).
