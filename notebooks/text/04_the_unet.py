# %% [markdown]
# # 04 · The U-Net
#
# Everything so far was arithmetic around a black box: noise in, a guess at that noise out. Now we open the
# box. Inside there are a few dozen small layers, put together in the shape of a U. You will see what each of them
# makes, how far each can look, and what goes wrong when you cut one.
#
# **What you will be able to do**
#
# - say why the network's answer must be an image, and why a plain stack of convolutions is a poor way to get it;
# - follow a digit's shape through the net, and count parameters and multiplications by hand;
# - *measure* what a pixel of the answer looks at, and what each skip connection is good for;
# - turn a timestep into a vector, bring it into a block, and show that the network is lost without it.
#
# Time on two CPU cores: about 40 s to run, 70 minutes to read and try.
#
# Article section: *the noise predictor*. The architecture is the one of [Ho, Jain & Abbeel
# 2020](https://arxiv.org/abs/2006.11239) in miniature; the U was drawn first by [Ronneberger, Fischer & Brox
# 2015](https://arxiv.org/abs/1505.04597), for medical images.

# %%
import torch
from torch import nn

from ddpm_lessons import predict_x0, q_sample, simple_loss
from ddpm_lessons.checks import lesson04
from ddpm_lessons.data import load_mnist
from ddpm_lessons.models import UNet, UNetConfig
from ddpm_lessons.models.pretrained import load_pretrained
from ddpm_lessons.models.probe import edited, influence, radius, receptive_field, walk
from ddpm_lessons.models.unet import Attention, ResBlock, TimeEmbedding, sinusoids
from ddpm_lessons.show import unet_plots
from ddpm_lessons.show.chains import grid
from ddpm_lessons.show.player import player
from ddpm_lessons.show.plots import image_rows, show
from ddpm_lessons.show.source import show_source

torch.set_num_threads(1)  # our batches are small: a second thread would mostly wait for the first
net, schedule, config = load_pretrained()  # the network that comes with the course
test = load_mnist("test")
digit = test[[18]]  # the 3 of the lessons before
print("channels at each level, finest first:", config.widths)
print("residual blocks at each level:       ", config.blocks)

# %% [markdown]
# ## What goes in, what comes out
#
# The network is a function $\epsilon_\theta(x_t, t)$. In go a noisy image and its timestep. Out comes a guess
# at the noise that is in it. We take one digit at three noise levels, as a batch of three:


# %%
def noisy(x_0, t, seed=0):  # every image with a t of its own, all with the same noise
    eps = torch.randn(x_0[:1].shape, generator=torch.Generator().manual_seed(seed)).expand_as(x_0)
    return q_sample(x_0, schedule.at(t, like=x_0), eps), eps


t = torch.tensor([100, 400, 900])
x_0 = digit.expand(3, -1, -1, -1)
x_t, eps = noisy(x_0, t)
with torch.no_grad():
    guess = net(x_t, t)
print("in: ", tuple(x_t.shape), "and", tuple(t.shape))
print("out:", tuple(guess.shape))

# %% tags=["nbval-ignore-output"]
x0_hat = predict_x0(x_t, schedule.at(t, like=x_t), guess)
show(
    image_rows(
        [x_t, eps / 3, guess / 3, x0_hat],
        [f"$t = {i}$" for i in t.tolist()],
        ["$x_t$", "the noise", "the guess", r"$\hat x_0$"],
    ),
    alt="Three columns for t = 100, 400 and 900. Rows: the noisy 3; the noise, the same in all columns; the network's guess "
    "at it, which looks like the noise; and the clean image that follows from the guess, sharp at 100 and blurred or wrong at 900.",
)

# %% [markdown]
# **Why an image?** Because the question is asked for every pixel: *how much noise is on you?* 784 numbers
# went into the digit, so 784 numbers have to be named. A classifier answers with ten numbers and may forget
# where things were; this network may not. Each number of the answer belongs to one place.
#
# And what does a pixel have to look at, to answer for its own noise?
#
# - At $t = 100$ a glance at the **neighbours** nearly settles it: on paper, or inside a stroke, they agree with
#   each other, and whatever deviates is noise.
# - At $t = 400$ the noise is twice as strong as the digit, in the neighbours too, and a few of them cannot settle it. Whether
#   there should be ink *here* is decided by the **whole digit**: is this a 3, how large, how slanted?
#
# So we look for something that keeps every pixel's place and still sees the whole picture.
#
# ## How far does a convolution see?
#
# A **convolution** computes each position from a small window of its input, here $3 \times 3$, with the same
# weights everywhere. It keeps places by construction, and it does not care how large the image is. What it
# lacks is a wide view. The pixels that can have any effect on a position are its **receptive field**. Let
# layer $i$ have a kernel of $k_i$ positions and a **stride** $s_i$ (with stride 2 it moves its window two
# positions at a time, and so halves the image). Then the field is
#
# $$r = 1 + \sum_i (k_i - 1) \prod_{j < i} s_j$$
#
# pixels wide: each layer adds its kernel less one, in steps that the strides before it have made larger.
#
# **By calculator.** Three $3 \times 3$ convolutions: $1 + 2 + 2 + 2 = 7$. Now the same with a halving after
# each of the first two, by $2 \times 2$ windows at stride 2: $1 + 2 + 1 + 2 \cdot 2 + 1 \cdot 2 + 2 \cdot 4 =
# 18$.

# %%
print("three convolutions:           ", receptive_field([(3, 1)] * 3))
print("with a halving after each two:", receptive_field([(3, 1), (2, 2), (3, 1), (2, 2), (3, 1)]))

# %% tags=["nbval-ignore-output"]
show_source(receptive_field)

# %% [markdown]
# ### What a plain stack would cost
#
# Two corners of a digit are 27 pixels apart, and every plain $3 \times 3$ convolution reaches one pixel further.
# So 27 of them are needed before one corner can know of the other. What is that in work? A convolution from
# $C$ to $C'$ channels has to compute $C' \times H \times W$ numbers, each from $9\,C$ inputs:
#
# $$\text{multiply-adds} = 9\; C\, C'\, H\, W$$
#
# **By calculator**, with 64 channels at $28 \times 28$: $9 \cdot 64 \cdot 64 \cdot 784 = 28.9$ million. Times
# 27. Against it, our whole network, counted by PyTorch while it works:

# %%
stops = walk(net, x_t, t)  # each stage of the network: its name, what it makes, what it costs
ours = sum(stop.multiply_adds for stop in stops)
stack = 27 * 9 * 64 * 64 * 28 * 28
print(f"27 plain convolutions: {stack / 1e6:.0f} million multiply-adds for one image")
print("our network takes less than half of that:", ours < stack / 2)

# %% [markdown]
# **Halving** is the way out. After one halving there are a quarter as many positions, so a convolution costs
# a quarter; or twice the channels at the same cost. And a step to the side is two pixels. After two halvings
# a $28 \times 28$ digit has become $7 \times 7$, and a single convolution spans three of its seven positions. What suffers
# is the place: "somewhere in this $4 \times 4$ patch". The U-Net gets that back by a trick that you are about
# to see.
#
# ### Exercise 4.1 · The receptive field
#
# Return the width of the receptive field of a list of layers, each a pair `(kernel, stride)`.
#
# <details><summary>Hint</summary>Go through the layers with two numbers in hand: the width so far, and how many pixels one step is. Which of the
# two do you change first?</details>


# %% tags=["nbval-ignore-output"]
def my_receptive_field(layers):
    return ...  # replace the dots, and use more lines if you like


lesson04.width_seen(my_receptive_field)

# %% [markdown]
# ## The U
#
# Down on the left, up on the right, and bridges between:
#
# ![A network in the shape of a U. From the noisy digit at the left, boxes lead down over ever smaller and wider features to a bottom with attention, and up again to the predicted noise at the right. Blue arrows carry features straight across to the decoder at each resolution. From below, the embedded timestep enters every ResBlock](../figures/unet.svg)
#
# - The **encoder** (left) turns places into meaning: fewer positions, more channels, each position sees more.
# - The **bottom** sees everything at once, and decides what is going on. Its **attention** lets every position
#   ask all others directly.
# - The **decoder** (right) goes back to $28 \times 28$, and turns meaning into places.
# - The **skip connections** hand the encoder's features across at each resolution, before they were halved: the
#   exact places, for the decoder to lay beside the meaning. They are joined as additional channels.
#
# The whole of it is a page of code. Read the shapes in the margin from top to bottom; they are those of the
# library's default network, which is drawn above, too. (The lines with `labels` wait for lesson 10.)

# %% tags=["nbval-ignore-output"]
show_source(UNet.forward)

# %% [markdown]
# The network that you have loaded is of the same form, with more channels and with two blocks at each level. Let it speak
# for itself: `walk` hangs a listener (a *hook*, in PyTorch's words) on each of its stages, calls it once, and writes down
# what comes by:

# %%
for stop in stops:
    B, C, H, W = stop.features.shape
    print(f"{stop.name:16} {C:4} x {H:2} x {W:2} = {C * H * W:6,} numbers")

# %% tags=["nbval-ignore-output"]
show(
    unet_plots.shapes(stops),
    alt="The stages from left to right, to scale. High thin boxes of 28 x 28 at both ends, lower and wider ones of 14 x 14 "
    "next to them, flat and long ones of 7 x 7 in the middle, one of them the attention. Arrows lead over the middle, "
    "from each ResBlock of the encoder to one of the same size in the decoder.",
    caption="Drawn from what the network did: as high as the features, as wide as they have channels (the number).",
)

# %% [markdown]
# ### A digit on its way through
#
# And this is what these boxes hold. Each frame is a stage; each tile is one of its channels, the 16 liveliest
# ones, black where it is lowest and white where it is highest. Press play, or step with the arrow keys.

# %% tags=["nbval-ignore-output"]
journey = walk(net, x_t[1:2], t[1:2])[:-1]  # at t = 400; the last stage is the answer itself
names = [f"{stop.name}, {tuple(stop.features.shape[1:])}" for stop in journey]
player(
    [unet_plots.sheet(stop.features[0]) for stop in journey],
    [f"sixteen channels of {name}" for name in names],
    values=names,
    label="stage",
    width=468,
)

# %% [markdown]
# On the way down the digit dissolves into coarse patches that no eye can read. On the way up it comes back:
# look for the stage where clean outlines of the digit appear beside channels that are nothing but the noise. To
# name the noise, the network has to know the digit.
#
# ### The brick
#
# Most stages are **residual blocks**: two convolutions whose result is *added* to what came in. A block can
# only suggest a change, and a gradient finds an open way around it. **GroupNorm** brings the features to a
# common scale, for each image on its own. (It can do so in groups of channels; here all of them are one group.) SiLU,
# $x / (1 + e^{-x})$, is the bend between the convolutions: two of them in a row without one are a single one. Leave the two lines with `time` for later.

# %% tags=["nbval-ignore-output"]
show_source(ResBlock)

# %% [markdown]
# ### Exercise 4.2 · The way down and up again
#
# A $2 \times 2$ convolution at stride 2 makes one position of every full $2 \times 2$ patch; a row or column
# that is left over has no patch. Doubling makes two rows of each one. Given the image's `size` and the number of
# `halvings`, which size comes back?
#
# <details><summary>Hint</summary>Do 28 with three halvings on paper: 14, 7, and then?</details>


# %% tags=["nbval-ignore-output"]
def my_size_back(size, halvings):
    return ...  # replace the dots


lesson04.size_back(my_size_back)

# %% [markdown]
# ### What breaks if ... there is one halving more?

# %%
halve, double = nn.Conv2d(8, 8, 2, stride=2), nn.ConvTranspose2d(8, 8, 2, stride=2)
h = torch.zeros(1, 8, 28, 28)
sizes = []
for layer in (halve, halve, halve, double):
    sizes.append(h.shape[-1])
    h = layer(h)
print(" -> ".join(map(str, [*sizes, h.shape[-1]])))

# %% tags=["nbval-ignore-output"]
try:
    torch.cat([h, torch.zeros(1, 8, 7, 7)], dim=1)
except RuntimeError as error:
    print(error)

# %% [markdown]
# The skip brings $7 \times 7$, and the way up arrives with $6 \times 6$. Many have met this message deep inside
# somebody's model, with no word about the image that was too odd
# ([first-order-model #50](https://github.com/AliaksandrSiarohin/first-order-model/issues/50): "Got 7 and 6").
# (Convolutions that are padded round up instead: 28, 14, 7, 4, and back to 8.) Ours looks at the image before
# anything else, and says what would fit:

# %%
deeper = UNet(UNetConfig(widths=(8, 8, 8, 8), blocks=(1, 1, 1, 1)))
try:
    deeper(torch.zeros(1, 1, 28, 28), torch.tensor([1]))
except ValueError as error:
    print(error)
print("32 x 64 pixels:", tuple(deeper(torch.zeros(1, 1, 32, 64), torch.tensor([1])).shape))

# %% [markdown]
# That is why some MNIST models pad the digits to $32 \times 32$. And note the last line: no layer
# knows the image's size. The same weights take any image whose sides can be halved often enough.
#
# ## What it costs
#
# **By calculator.** A $3 \times 3$ convolution from 64 to 64 channels has $9 \cdot 64 \cdot 64 = 36{,}864$
# weights and 64 biases, wherever it stands. But each weight is used once at every position:
#
# | at | positions | multiply-adds |
# |---|---|---|
# | $28 \times 28$ | 784 | 28.9 million |
# | $14 \times 14$ | 196 | 7.2 million |
# | $7 \times 7$ | 49 | 1.8 million |
#
# **The finest level is the expensive one**, sixteen times the coarsest for the same convolution. That is why the
# network has few channels there and many at the bottom. Count the encoder's first block by hand, and compare:

# %%
conv = nn.Conv2d(64, 64, 3, padding=1)
print("weights and biases:", sum(p.numel() for p in conv.parameters()))
w, emb_width = config.widths[0], 4 * config.time_width
by_hand = 2 * (9 * w * w * 28 * 28) + emb_width * w  # two convolutions, and the timestep's way in
print("the first block as counted by hand:", stops[1].multiply_adds == by_hand)

# %% tags=["nbval-ignore-output"]
parameters = sum(p.numel() for p in net.parameters())
show(
    unet_plots.costs(stops),
    alt="Bars for each level. Parameters: hardly any at 28 x 28, and about as many at 14 x 14 as at 7 x 7. Multiply-adds: most "
    "of them at 14 x 14, fewest at 7 x 7.",
    caption=f"{parameters / 1e6:.2f} million parameters, {ours / 1e6:.0f} million multiply-adds an image.",
)

# %% [markdown]
# The parameters sit at the two coarser levels, where the channels are many. The bottom, in spite of its parameters, is the
# cheapest to compute, because it has so few positions.
#
# ### Exercise 4.3 · Count a block
#
# How many parameters has `ResBlock(w_in, w_out, emb=emb, groups=...)`? Read its source above.
#
# <details><summary>Hint</summary>Six parts, one of them sometimes free. A convolution has kernel × kernel × in × out weights and out biases, a
# linear layer in × out and out, a GroupNorm a scale and a shift for each channel. How many channels has each of
# the two norms?</details>


# %% tags=["nbval-ignore-output"]
def my_parameters(w_in, w_out, emb):
    return ...  # replace the dots, and use more lines if you like


lesson04.block_parameters(my_parameters)

# %% [markdown]
# ## What a pixel really looks at
#
# The formula gave us the width of the receptive field. We can also **measure** it. Take one position of some
# stage, and ask by how much it would move if a pixel of $x_t$ moved a little. That is a derivative, and
# automatic differentiation has it for all pixels at once:
#
# $$\text{influence of pixel } i = \left|\frac{\partial\, \text{feature}}{\partial x_t^i}\right|, \quad \text{averaged over several images.}$$

# %% tags=["nbval-ignore-output"]
show_source(influence)

# %% [markdown]
# Does the measurement agree with the formula, on the way down to the first block at the bottom? (To have room
# we give the network $64 \times 64$ pixels of noise. It does not mind.)

# %%
room = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(1))
layers, ends = [(3, 1)], {"stem": 1}  # (kernel, stride) of the way down; where each stage ends
for i, n in enumerate(config.blocks[:-1]):
    layers += 2 * n * [(3, 1)] + [(2, 2)]
    ends |= {f"down.{i}.blocks.{n - 1}": len(layers) - 1, f"down.{i}.shrink": len(layers)}
layers, ends["middle.0"] = layers + 2 * [(3, 1)], len(layers) + 2
for stage, end in ends.items():
    seen = influence(net, room, torch.tensor([400]), stage=stage) > 0
    widths = seen.any(dim=0).sum().item(), receptive_field(layers[:end])
    print(f"{stage:16} measured {widths[0]:2}, by the formula {widths[1]:2}")

# %% [markdown]
# They agree to the pixel. Now on digits, stage by stage, for a position in the middle and for the one in the
# upper left corner. Yellow is strong influence, dark blue ten thousand times weaker, and grey is *none at
# all*.

# %% tags=["nbval-ignore-output"]
eight = test[:8]
x_t, _ = noisy(eight, torch.full((8,), 400))
times = torch.full((8,), 400)
middle = [influence(net, x_t, times, stage=stop.name) for stop in stops]
corner = [influence(net, x_t, times, stage=stop.name, position=(0, 0)) for stop in stops]
seen = [((a > 0).sum().item(), (b > 0).sum().item()) for a, b in zip(middle, corner, strict=True)]
player(
    {
        "the middle sees": [unet_plots.heat(one) for one in middle],
        "the corner sees": [unet_plots.heat(one) for one in corner],
    },
    [f"the middle sees {a} of 784 pixels, the corner {b}" for a, b in seen],
    values=[stop.name for stop in stops],
    label="stage",
)

# %% [markdown]
# - The first stages see small squares. Each halving makes them grow faster.
# - The first block at the bottom (`middle.0`) has a field 46 pixels wide, so the middle sees the whole digit. The corner does
#   not: its field is as wide, but nearly half of it lies outside.
# - The **attention** is the first stage where the corner knows of the opposite corner.
# - On the way up the view narrows again, not in what *can* be seen but in what is listened to: a hot spot at
#   the pixel itself, and the rest of the digit as a faint background.
#
# ### A whisper from everywhere
#
# There is one thing we have hidden. Count the pixels that have any influence on the first block's middle:

# %%
for through_norms in (False, True):
    looked = influence(net, x_t, times, stage=stops[1].name, through_norms=through_norms)
    print(f"through the norms too: {through_norms!s:5} -> {(looked > 0).sum().item()} pixels")

# %% [markdown]
# GroupNorm divides by the standard deviation over *all positions*. Brighten one pixel anywhere and
# every position changes a little. So a network with such norms always has a hint of the whole
# image, for instance of how noisy it is; but a hint of two numbers a norm, the mean and the spread, and not
# of who stands where. `influence` holds these two numbers fixed unless you ask otherwise.
#
# ### Near and far, by timestep
#
# Now to the answer itself: what does the *last* stage look at, for one pixel in the middle, at each $t$? That is
# no longer a matter of architecture, it is what the network has learned. The second panel shows what every
# pixel contributes (here dark blue is a thousand times weaker than the strongest), the third the digit that it reconstructs.

# %% tags=["nbval-ignore-output"]
ts = [5, 20, 50, 100, 150, 200, 250, 300, 350, 400, 450, 500, 600, 700, 800, 900, 1000]
maps, states, guesses, alts = [], [], [], []
for i in ts:
    x_t, eps = noisy(eight, torch.full((8,), i))
    with torch.no_grad():
        guess = net(x_t, torch.full((8,), i))
    looked = influence(net, x_t, torch.full((8,), i))
    maps.append(unet_plots.heat(looked, decades=3))
    states.append(x_t[0])
    guesses.append(predict_x0(x_t, schedule.at(i), guess)[0])
    far = radius(looked, (14, 14), share=0.8)
    alts.append(f"80 % of what the other pixels contribute comes from within {far} pixels")

# %% tags=["nbval-ignore-output"]
player({"x_t": states, "influence": maps, "x̂_0": guesses}, alts, values=ts, start=3, width=196)

# %% [markdown]
# At small $t$ the network listens to the near neighbours, as we guessed. With more noise it listens further
# and further out. At the very end $x_t$ *is* nearly the noise, so the pixel itself is nearly the answer, and
# whatever digit may be in there is a small correction.
#
# To see that the far view really comes over the bottom, cut it off. `edited` puts zeros in place of what
# comes up to the finest level from the coarser ones:

# %%
x_t, eps = noisy(eight, times)
with edited(net, coarse={0: torch.zeros_like}):
    looked = influence(net, x_t, times) > 0
print("width that is seen over the finest level alone:", looked.any(dim=0).sum().item())
n = config.blocks[0]
print("by the formula:", receptive_field([(3, 1)] + 4 * n * [(3, 1)] + [(3, 1)]))

# %% [markdown]
# ## What the skips carry
#
# Why bridges? The bottom knows *what* is in the picture, but its positions are $4 \times 4$ pixels wide. And
# the answer that is asked for is noise: every pixel's value is independent of all others, there is no pattern
# in it that could be put in fewer words. Somebody has to hand it over pixel by pixel.
#
# We can find out who, by cutting. With `edited` we put zeros in the place of one connection at a time, and ask the
# network for its answer. (It was never trained for this. So we learn how much *this* network leans on a
# connection, not how well another would do without.)

# %%
cuts = {
    "whole": {},
    "no skip at 28 × 28": {"skips": {0: torch.zeros_like}},
    "no skip at 14 × 14": {"skips": {1: torch.zeros_like}},
    "no bottom": {"coarse": {1: torch.zeros_like}},
}
some, ts = test[:16], [5, 20, 50, 100, 150, 200, 250, 300, 400, 500, 600, 700, 800, 900, 1000]
answers = {name: {} for name in cuts}
for i in ts:
    x_t, eps = noisy(some, torch.full((16,), i))
    for name, cut in cuts.items():
        with torch.no_grad(), edited(net, **cut):
            guess = net(x_t, torch.full((16,), i))
        error = ((guess - eps) ** 2).mean().item()
        answers[name][i] = error, predict_x0(x_t, schedule.at(i), guess)

# %%
loss = {name: torch.tensor([answers[name][i][0] for i in ts]) for name in cuts}
for name in list(cuts)[1:]:
    print(f"{name:18}: worse on average: {bool(loss[name].mean() > loss['whole'].mean())}")
worst = all(bool((loss["no skip at 28 × 28"] >= loss[name]).all()) for name in cuts)
print("the finest skip is missed most, at every t:", worst)

# %% tags=["nbval-ignore-output"]
panels = {name: [grid(answers[name][i][1][[0, 1, 3, 4]]) for i in ts] for name in cuts}
alts = [", ".join(f"{name}: loss {answers[name][i][0]:.3f}" for name in cuts) for i in ts]
player(
    {f"x̂_0, {name}": shown for name, shown in panels.items()}, alts, values=ts, start=3, width=174
)

# %% tags=["nbval-ignore-output"]
show(
    unet_plots.lines(
        {name: (ts, loss[name].tolist()) for name in cuts}, x_label="$t$", y_label="loss at $t$"
    ),
    alt="The loss over t on a logarithmic scale. The whole network falls from the left to far below 0.01 on the right. "
    "Without the finest skip it stays between 1 and 3. Without the skip at 14 x 14 it lies between. Without the bottom it is "
    "close to the whole at both ends and above it in the middle.",
)

# %% [markdown]
# - **Without the finest skip** the noise is not named any more: the loss is thrown back to the order of 1,
#   where a network stands that always answers 0. What you see is $x_t$ with wrong noise taken off it.
# - **Without the skip at $14 \times 14$** the digit is there, but strokes get soft or grey, and patches of noise
#   remain.
# - **Without the bottom** all is well at small $t$, where the neighbours suffice. At $t = 300$ to $500$ the
#   strokes no longer agree with each other: pieces that are each plausible and together no digit.
#
# Details go over the bridge, the plan comes over the bottom.
#
# ### Whose digit is it?
#
# If that is true, it must be possible to fool the network. We show it eight digits at once, and on the way up we
# **exchange the bottom's messages**: the first image gets what the bottom has to say about the last one, and so on
# (`flip` turns the order of the batch around). Skips and $x_t$ stay with their owners.


# %%
def exchanged(t, level):  # the reconstructions, with the messages to this level turned around
    x_t, _ = noisy(crew, torch.full((8,), t), seed=1)
    coarse = {} if level is None else {level: lambda h: h.flip(0)}
    with torch.no_grad(), edited(net, coarse=coarse):
        return predict_x0(x_t, schedule.at(t), net(x_t, torch.full((8,), t)))


crew = test[[0, 1, 2, 3, 4, 7, 18, 5]]
own, fooled = exchanged(400, None), exchanged(400, 1)

# %% tags=["nbval-ignore-output"]
show(
    image_rows(
        [crew, noisy(crew, torch.full((8,), 400), seed=1)[0], own, fooled, own.flip(0)],
        list("abcdefgh"),
        ["$x_0$", "$x_{400}$", "own", "exchanged", "partner's"],
    ),
    alt="Eight columns. Rows: the digit; the digit at t = 400, hardly to be recognised; its reconstruction; the reconstruction "
    "with the bottom's message about another image, which leans towards that other digit; that other digit's own.",
)

# %% [markdown]
# The fourth row is made of the same noisy pixels as the third. But compare it with the last row: it leans towards the
# *partner*, in some columns so far that another digit stands there. At this noise level both readings are possible,
# and the bottom's word tips the balance.
#
# How far does it lean? Call the way from the own reconstruction to the partner's 100 %:

# %% tags=["nbval-ignore-output"]
for t_now in (100, 400):
    own = exchanged(t_now, None)
    way = own.flip(0) - own
    for level, name in ((1, "the bottom's messages"), (0, "all that comes to 28 × 28")):
        gone = ((exchanged(t_now, level) - own) * way).sum() / (way**2).sum()
        print(f"t = {t_now}, {name} exchanged: {gone:.0%} of the way")

# %% [markdown]
# At $t = 100$ the bottom can say what it likes: with so little noise, the evidence over the skips is too strong to be
# talked away. At $t = 400$ it is listened to. Exchange *everything* that comes up to the finest level, and most of
# the plan changes hands.
#
# ## What time is it?
#
# The same network serves all thousand noise levels, so it is told which one it is looking at. Is that
# necessary? It could see for itself how noisy an image is. Let us show it images of one noise level and *tell* it
# another:

# %%
told = [10, 25, 50, 75, 100, 150, 200, 250, 300, 350, 400, 450, 500, 600, 700, 800, 900, 1000]
true = (100, 300, 500)
mistold = {}
for i in true:
    x_t, eps = noisy(some, torch.full((16,), i))
    with torch.no_grad():
        losses = [((net(x_t, torch.full((16,), s)) - eps) ** 2).mean().item() for s in told]
    mistold[i] = losses
    print(f"at t = {i} the answer is best when told t = {told[losses.index(min(losses))]}")

# %% tags=["nbval-ignore-output"]
show(
    unet_plots.lines(
        {f"truly $t = {i}$": (told, losses) for i, losses in mistold.items()},
        x_label="the $t$ that the network is told",
        y_label="loss",
        marks=true,
    ),
    alt="Three curves of the loss over the t that the network is told, for images at t = 100, 300 and 500. Each has a sharp "
    "valley whose lowest point lies at the true t, marked by a dotted line, and rises steeply on both sides.",
)

# %% [markdown]
# Three sharp valleys, each at the truth. It *could* judge by itself, but it was never wrong to believe what it was
# told, so it does. Now move the word, not the image. Below, $x_t$ stays the same, at $t = 300$:

# %% tags=["nbval-ignore-output"]
x_t, eps = noisy(test[[18, 0, 10, 4]], torch.full((4,), 300))
with torch.no_grad():
    guesses = [net(x_t, torch.full((4,), s)) for s in told]
panels = {
    "x_t, the same": [grid(x_t)] * len(told),
    "the guess at the noise": [grid(guess / 3) for guess in guesses],
    "x̂_0": [grid(predict_x0(x_t, schedule.at(300), guess)) for guess in guesses],
}
words = ["too little noise is taken off", "this is the truth", "too much is taken for noise"]
alts = [f"told t = {s}: {words[(s >= 300) + (s > 300)]}" for s in told]
player(panels, alts, values=told, label="told t", start=told.index(300), width=232)

# %% [markdown]
# - **Told a small $t$**, it expects a clean image and finds grains of dirt: it takes off a little, and most of the
#   noise stays in $\hat x_0$.
# - **Told a large $t$**, it expects hardly any image at all: everything is noise, the digit too.
#
# The article says it this way: at $t = 900$ and at $t = 100$ different denoising is wanted. Here it is, with the
# same pixels.
#
# ### A number as a vector
#
# How do you tell a network a whole number between 1 and 1000? As it stands, 1000 would drown everything else;
# divided by 1000, neighbouring timesteps would differ by 0.001. The trick is that of a clock: one hand shows hours, one
# minutes, one seconds. Each is coarse or ambiguous alone, together they are precise. In place of hands we take
# waves. With a vector of width $d$ and $k = 0, 1, \dots, d/2 - 1$,
#
# $$\omega_k = 10000^{-2k/d}, \qquad \mathrm{emb}_k(t) = \sin(\omega_k t), \qquad \mathrm{emb}_{d/2+k}(t) = \cos(\omega_k t)$$
#
# (Vaswani et al. 2017, for the position of a word in a sentence.) Wave $k$ is $2\pi / \omega_k$ steps long.
#
# **By calculator**, with $d = 64$. The fastest hand, $k = 0$, turns once in $2\pi = 6.28$ steps. The one in the
# middle, $k = 16$: $\omega_{16} = 10000^{-1/2} = 0.01$, once in 628 steps. At $t = 100$ it stands at angle
# $1$, so $\sin 1 = 0.841$ and $\cos 1 = 0.540$.

# %%
emb = sinusoids(torch.tensor([100]), 64)
print(f"entry 16: {emb[0, 16]:.3f}, entry 32 + 16: {emb[0, 48]:.3f}")
for k in (0, 8, 16, 24, 31):
    print(f"wave {k:2} is {2 * torch.pi * 10_000 ** (k / 32):8.1f} steps long")

# %% tags=["nbval-ignore-output"]
show_source(sinusoids)

# %% tags=["nbval-ignore-output"]
every = torch.arange(1, schedule.T + 1)
wide = sinusoids(every, 64)
show(
    unet_plots.waves({"the first 60 timesteps": wide[:60], "all timesteps": wide}),
    alt="Two maps with a row for each t and 64 columns. The sines at the left and the cosines at the right each go from "
    "columns that flicker from row to row to columns that hardly change over the whole range.",
)

# %% [markdown]
# The columns at the left of each half are the second hands, those at the right the hour hands. How far apart are two
# timesteps? The waves have a fine property: **the distance depends only on the difference of the two**,
# because $(\sin a - \sin b)^2 + (\cos a - \cos b)^2 = 2 - 2\cos(a - b)$.

# %%
for a, b in ((10, 11), (500, 501), (10, 500), (500, 990)):
    apart = (sinusoids(torch.tensor([a]), 64) - sinusoids(torch.tensor([b]), 64)).norm().item()
    print(f"t = {a:3} and {b:3}: {apart:.3f}")

# %% [markdown]
# Neighbours are a good distance apart, everywhere. Two linear layers, which are trained, make of it what the
# blocks need: the **time embedding**.

# %% tags=["nbval-ignore-output"]
show_source(TimeEmbedding)
every_tenth = torch.arange(1, schedule.T + 1, 10)
with torch.no_grad():
    learned = net.time(every_tenth)
show(
    unet_plots.distances(
        {
            "the sinusoids": sinusoids(every_tenth, config.time_width),
            "after the two layers": learned,
        },
        every_tenth.tolist(),
    ),
    alt="Two maps of the distance of each pair of timesteps. Left: a narrow dark diagonal, then a pattern of stripes. "
    "Right: a broad dark band along the diagonal, and smoothly growing distances away from it.",
)

# %% [markdown]
# On the left a sharp diagonal: every $t$ is itself; beyond a few steps the distance grows slowly, and not even steadily. On the right is what
# training made of it: a smooth scale, on which near times are near. Look where the dark band is narrow. There
# a few steps more or less matter to the network.
#
# ### Exercise 4.4 · The clock
#
# Write it yourself: `t` has shape `(B,)`, `width` is even; return `(B, width)`, first all the sines, then all the
# cosines.
#
# <details><summary>Hint</summary><code>t[:, None] * frequencies</code> is a table of angles, a row for each image. How long is <code>frequencies</code>?</details>


# %% tags=["nbval-ignore-output"]
def my_embedding(t, width):
    return ...  # replace the dots, and use more lines if you like


lesson04.embedding(my_embedding)

# %% [markdown]
# ### What breaks if ...
#
# **... the clock is kept in bfloat16?** Training in 16-bit numbers saves time and memory, and most of the
# network forgives the rounding. The clock does not. A bfloat16 number has 8 binary digits: whole numbers up to
# 256 are exact, above that only every second one exists, above 512 only every fourth. By calculator: $256 +
# 128 + 122 = 506$ timesteps are left of 1000.

# %%
blurred = every.bfloat16()
print("different timesteps in bfloat16:", len(blurred.unique()))
error = (sinusoids(blurred.long(), 64) - wide).abs().max().item()
print(f"largest error of a sine or cosine: {error:.1f}, of at most 2")

# %% tags=["nbval-ignore-output"]
rows = slice(699, 740)
show(
    unet_plots.waves(
        {"float32": wide[rows], "t in bfloat16": sinusoids(blurred.long(), 64)[rows]}, first=700
    ),
    alt="Rows for t = 700 to 740. Left, in float32, the fast waves change from row to row. Right, in bfloat16, three and five "
    "rows in turn are equal, like an uneven staircase.",
)

# %% [markdown]
# Three or five timesteps in a row look the same to such a network. Nothing crashes, training goes on, and at large $t$ the network is
# told a wrong time. Look again at the source of `sinusoids`: it computes in float32, whatever the network's own precision, and
# only the result is rounded.
#
# **... the waves are laid along the wrong axis?** In one public implementation `emb[::2] = sin(...)` stood
# where `emb[:, ::2]` was meant. The first axis is the batch: half of the images got sines, the other half cosines,
# and the network trained on
# ([Diffusion_models_from_scratch #10](https://github.com/gmongaras/Diffusion_models_from_scratch/issues/10)). A
# network that ignores $t$ still learns something, because it can guess the noise level from the image. You only ever see it in the samples.
#
# **... $t$ is scaled to $0 \dots 1$ first?** Then even the fastest hand makes only a sixth of a turn over the
# whole chain, and most of the others hardly move. Models with continuous time have met it
# ([SiT #24](https://github.com/willisma/SiT/issues/24)); many multiply $t$ by 1000 first.
#
# ### How the time gets into a block
#
# Now the two lines in `ResBlock` that we left out. Each block has a linear layer of its own, which makes of the
# time embedding **one number for each of its channels**. It is added to all positions of that channel, between the two
# convolutions:
#
# $$h \leftarrow h + W\,\mathrm{SiLU}(\mathrm{emb}(t)) + b$$
#
# That is all. At this $t$ channel 7, say, is lifted by 0.4, and after the next norm and SiLU it counts for more. With hundreds of such levers the same filters do the work of fine cleaning at one end of time and of bold guessing
# at the other.
#
# ### Exercise 4.5 · The lever
#
# `h` has shape `(B, C, H, W)`, `shift` has `(B, C)`. Add each shift to all positions of its channel.
#
# <details><summary>Hint</summary>To be lined up with <code>h</code>, the shift needs two more axes. <code>None</code> in an index makes one of length 1. Beware: torch
# lines up shapes from the right, and says nothing if a wrong axis happens to have the right length.</details>


# %% tags=["nbval-ignore-output"]
def my_inject(h, shift):
    return ...  # replace the dots


lesson04.inject(my_inject)

# %% [markdown]
# ### Exercise 4.6 · See far, pay little
#
# Many answers are right here. Design a stack that lets one corner of a $28 \times 28$ picture know of the other. With
# 32 channels everywhere, 27 plain $3 \times 3$ convolutions would do it for 195 million multiply-adds. Make do with
# **seven** layers, each a pair `(kernel, stride)`, and with 15 million:
#
# - a kernel is 1 to 5 positions wide, a stride is 1 or 2, and no longer than its kernel;
# - the first layer has a kernel of 3 or more and stride 1: what it makes is for the finest skip;
# - the last one still makes $7 \times 7$ positions or more;
# - the receptive field is at least 55 pixels wide;
# - all of them together cost at most 15 million multiply-adds.
#
# Borders are padded, so that a layer of stride 1 keeps the size and one of stride 2 halves it. You have two
# instruments: `receptive_field`, and `millions` below.
#
# <details><summary>Hint</summary>Begin with seven layers of <code>(3, 1)</code>, print both numbers, and change one layer at a time. Which
# change makes the field wider <em>and</em> the price lower? Does it matter whether it comes early or late?</details>


# %% tags=["nbval-ignore-output"]
def millions(layers, side=28, cost=0):  # of multiply-adds, with 32 channels everywhere
    for kernel, stride in layers:
        side //= stride
        cost += kernel**2 * 32 * 32 * side**2
    return cost / 1e6


my_layers = ...  # replace the dots: a list of seven pairs, (kernel, stride)

lesson04.layers(my_layers)

# %% [markdown]
# ## A network that starts silent
#
# Three kinds of layers begin with weights of zero (`zeroed`, in the source): the last convolution of each block, that of the
# attention, and the last one of all. So at birth every block passes on only what its shortcut carries, and the whole network
# says "no noise". In lesson 03 we saw what that scores: the mean of $\epsilon^2$, which is 1.

# %%
torch.manual_seed(0)
newborn = UNet(config)
block, h = newborn.middle[0], torch.randn(1, config.widths[-1], 7, 7)
with torch.no_grad():
    print("a new block changes nothing:", torch.equal(block(h, torch.randn(1, emb_width)), h))
    generator = torch.Generator().manual_seed(0)
    loss = simple_loss(newborn, schedule, test[:64], generator=generator).item()
    print(f"loss of a new network: {loss:.2f}")

# %% [markdown]
# So training starts at a known place, and **if the loss of your first batch is not 1, something is wrong** before
# you have waited an hour: noise of another scale, a sum in place of a mean, weights that were loaded by
# accident. With random weights in the last layer the first loss is another one for each
# seed, above or below 1, and only by luck 1:

# %% tags=["nbval-ignore-output"]
with torch.no_grad():
    for seed in range(4):
        torch.manual_seed(seed)
        newborn.head.reset_parameters()  # as PyTorch would have drawn it
        loss = simple_loss(newborn, schedule, test[:64], generator=generator).item()
        print(f"random last layer, seed {seed}: {loss:.2f}")

# %% [markdown]
# **... the groups do not fit?** One more trap of construction. GroupNorm cuts the channels into equal groups,
# and many codes have "32 groups" written into them, from networks with hundreds of channels. Then
# somebody wants a smaller one ([diffusers #410](https://github.com/huggingface/diffusers/issues/410)):

# %%
try:
    UNetConfig(widths=(16, 48), blocks=(1, 1), groups=32)
except ValueError as error:
    print(error)

# %% [markdown]
# ## Its big relatives
#
# The paper's network for CIFAR-10, colour images of $32 \times 32$, is built of the same bricks: four
# levels, from 128 to 256 channels, two blocks at each on the way down and three on the way up, attention at $16
# \times 16$ too. You know all its parts, so you can count it, with the library's own classes as yardsticks.
# (The `meta` device makes layers with sizes and no numbers.)


# %%
def count(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


def block(w_in, w_out, attention=False):
    heads = [Attention(w_out, heads=1, groups=32)] if attention else []
    return count(ResBlock(w_in, w_out, emb=512, groups=32), *heads)


with torch.device("meta"):
    w, skips = 128, [128]
    down = count(TimeEmbedding(128, 512), nn.Conv2d(3, w, 3))
    for level, width in enumerate((128, 256, 256, 256)):  # 32 x 32, 16, 8, 4
        for _ in range(2):
            down, w = down + block(w, width, attention=level == 1), width
            skips.append(w)
        if level < 3:  # halve, and keep a skip of this too
            down += count(nn.Conv2d(w, w, 3))
            skips.append(w)

# %%
with torch.device("meta"):
    bottom, up = block(w, w, attention=True) + block(w, w), 0
    for level, width in ((3, 256), (2, 256), (1, 256), (0, 128)):
        for _ in range(3):
            up, w = up + block(w + skips.pop(), width, attention=level == 1), width
        if level:  # double
            up += count(nn.Conv2d(w, w, 3))
    up += count(nn.GroupNorm(32, w), nn.Conv2d(w, 3, 3))
print(f"{down:,} + {bottom:,} + {up:,} = {down + bottom + up:,} parameters")

# %% [markdown]
# **35,746,307**, the "35.7 million" of the paper's appendix B, to the last one. What is different from ours:
#
# | | the paper's, CIFAR-10 | ours, MNIST |
# |---|---|---|
# | levels | 32, 16, 8, 4 | 28, 14, 7 |
# | attention | at 16 × 16 and at the bottom | at the bottom |
# | skips | one for each block, each halving, and the first convolution | one for each block |
# | halving | 3 × 3 convolution at stride 2 | 2 × 2 at stride 2: every pixel counts once |
# | doubling | copy each pixel, then a 3 × 3 convolution | a transposed 2 × 2 convolution |
# | dropout | 0.1 | none |
#
# Latent diffusion and its many descendants are U-Nets too, with the text brought in by a second kind of
# attention (lesson 11). Newer models often put a transformer in its place. What stays is the contract: noisy
# image and time in, image out.
#
# ## Summary
#
# | | |
# |---|---|
# | the contract | $\epsilon_\theta(x_t, t)$: an image and its time in, an image of the same shape out |
# | receptive field | $r = 1 + \sum_i (k_i - 1)\prod_{j<i} s_j$; halving makes it grow fast; attention sees all |
# | cost of a convolution | parameters $9\,C\,C' + C'$, multiply-adds $9\,C\,C'\,H\,W$: the finest level is dear |
# | encoder and bottom | the plan: which digit, where |
# | skips | the details, and the noise itself, pixel by pixel |
# | time embedding | sinusoids, two linear layers, a shift for each channel of each block; in float32 |
# | at birth | silent: the loss starts at 1 |
# | traps | odd sizes, groups that do not divide, the wrong axis, 16-bit clocks |
#
# The box is open, and you have seen that this one works. It was not born that way. In lesson 05 you train it.
