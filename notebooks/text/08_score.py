# %% [markdown]
# # 08 · The score
#
# Our network was trained to guess noise. Without being told, it has learnt something else: in which direction,
# from any noisy image, the digits lie. This lesson takes that compass out of the network, checks it against
# exact ones, walks by it, and uses it to ask how probable a digit is.
#
# **What you will be able to do**
#
# - say what a score is, and derive $\epsilon_\theta(x_t, t) \approx -\sqrt{1-\bar\alpha_t}\;\nabla_{x_t}\log q(x_t)$ in four lines;
# - tell what a trained network knows from what its training set knows, and why the difference is the point;
# - walk by Langevin dynamics, and say what goes wrong when the step is too small or too large;
# - see DDPM and DDIM as two ways to follow one equation, and measure a likelihood with it.
#
# Time on two CPU cores: about 75 s to run, 80 minutes to read and try.
#
# Article section: *connection to score-based models*. Equations with a number in brackets are those of
# [Ho, Jain & Abbeel 2020](https://arxiv.org/abs/2006.11239); the others say where they come from.

# %%
import torch
from torch import nn

from ddpm_lessons import (
    Coefficients,
    Mixture,
    ddim,
    ddpm,
    even_timesteps,
    flow_bound,
    flow_jump,
    flow_log_density,
    hutchinson,
    langevin,
    linear_schedule,
    p_mean_from_eps,
    predict_x0,
    probability_flow,
    q_sample,
    score_from_eps,
    score_model,
)
from ddpm_lessons.checks import lesson08
from ddpm_lessons.data import TOYS, load_mnist
from ddpm_lessons.evaluation import bounds
from ddpm_lessons.models.pretrained import load_pretrained
from ddpm_lessons.models.unet import sinusoids
from ddpm_lessons.show import loss_plots, plots, score_plots
from ddpm_lessons.show.chains import grid
from ddpm_lessons.show.pictures import describe
from ddpm_lessons.show.player import player
from ddpm_lessons.show.plots import show
from ddpm_lessons.show.source import show_source
from ddpm_lessons.training import train

torch.set_num_threads(1)  # few digits at a time: a second thread would mostly wait for the first
net, schedule, _ = load_pretrained("mnist")
train_set, test_set = load_mnist("train"), load_mnist("test")


def seeded(seed):
    return torch.Generator().manual_seed(seed)


print(f"T = {schedule.T}; {len(train_set)} digits to learn from")

# %% [markdown]
# ## A compass
#
# You stand somewhere in the space of all images, in fog. How do you get to where the digits are? You need not know
# how probable your place is. You need a direction: **which way does it get more probable?** That is the slope of the
# density. It is handier to take the slope of its logarithm, and this is called the **score**:
#
# $$s(x) = \nabla_x \log q(x).$$
#
# $\nabla_x$ (read: gradient) collects the derivatives by every entry of $x$, so the score of an image is an image:
# for each pixel, whether more or less of it would be more digit-like. By calculator, for a bell
# $\mathcal N(m, s^2)$: $\log q(x) = -\frac{(x-m)^2}{2s^2} + \text{const}$, and the slope is $-\frac{x-m}{s^2}$. At $x = 0.5$
# for $\mathcal N(0, 0.25)$ that is $-0.5/0.25$:

# %%
bell = Mixture.gaussian(0.0, var=0.25)
x = torch.tensor([0.5, -1.0]).double()
print("score at 0.5 and at -1:", bell.score(x).tolist())

# %% [markdown]
# It points back to the middle, and the more strongly the farther you are away. Two things make the score pleasant.
# The constant has gone: whoever cannot compute the total area under a density, and for images nobody can, still has
# its score. And it is a *local* thing, that can be learnt from examples. Here for a density with a narrow
# peak and a broad one:

# %% tags=["nbval-ignore-output"]
uneven = Mixture(*TOYS["uneven_peaks"]())  # 3/4 in a narrow peak at -0.5, 1/4 in a broad one at 1.5
show(
    score_plots.slope(uneven, arrows=(-1.3, 0.05, 0.8, 2.4)),
    alt="Left, a density with a high narrow peak at -0.5 and a low broad one at 1.5, and arrows on the axis that point to the "
    "nearer peak. Middle, its logarithm with four tangents. Right, the slope of the tangents: the score crosses zero "
    "downwards at each peak, and upwards in the valley between them.",
)

# %% [markdown]
# The score is zero on top of each peak and, between them, at the bottom of the valley. A walker who follows it
# ends on a peak; which one, the valley decides.
#
# ### Noise makes the compass usable
#
# In the plane the score is a field of arrows. Far from all data there are no examples from which a network could learn a sharp
# density's arrows, and on its ridges the arrows change within a hair's breadth. Noise helps: it blurs the density, and the arrows reach
# farther. Drag the slider from $t = 1000$ down. At first there is one big hill, the standard normal, and all arrows point
# to the middle. Then they learn where the two moons are.

# %% tags=["nbval-ignore-output"]
moons = Mixture(*TOYS["moons"]())
ts = [1000, 700, 500, 400, 300, 200, 150, 100, 50, 20]
noisy_moons = [moons.noised(schedule.alpha_bars[t].item()) for t in ts]
frames = [
    score_plots.fields({f"$t = {t}$": q.score}, q) for t, q in zip(ts, noisy_moons, strict=True)
]
alts = [f"{describe(schedule, t)}: arrows point to where the blurred moons are denser" for t in ts]
player(frames, alts, values=ts)

# %% [markdown]
# ## The noise, seen as a score
#
# Now the network comes in. Take **one** clean image $x_0$. Its noisy versions are a bell, Eq. (4):
# $q(x_t \mid x_0) = \mathcal N(\sqrt{\bar\alpha_t}\,x_0,\,(1-\bar\alpha_t) I)$. We have just learnt the score of a bell:
#
# $$\nabla_{x_t}\log q(x_t \mid x_0) = -\frac{x_t - \sqrt{\bar\alpha_t}\,x_0}{1-\bar\alpha_t}
# = -\frac{\sqrt{1-\bar\alpha_t}\,\epsilon}{1-\bar\alpha_t} = -\frac{\epsilon}{\sqrt{1-\bar\alpha_t}}.$$
#
# So for one image, the score is the noise, turned round and scaled. By calculator, with the article's numbers
# $\bar\alpha_t = 0.5$, $x_0 = 0.8$, $\epsilon = 0.3$, so $x_t = 0.778$:

# %%
c = Coefficients(beta=0.01, alpha=0.99, alpha_bar=0.5, alpha_bar_prev=0.505)
x_t = q_sample(0.8, c, 0.3)
print(f"slope of the bell: {-(x_t - 0.5**0.5 * 0.8) / 0.5:.4f}")
print(f"from the noise:    {score_from_eps(0.3, c):.4f}")

# %% [markdown]
# But $x_t$ may have come from any image. The density $q(x_t)$ is an average of bells over all $x_0$, and its score
# is an average of their scores, each bell with the weight that it has *at this place*. (Differentiate
# $\log \int q(x_t \mid x_0)\,q(x_0)\,\mathrm dx_0$: the chain rule divides by $q(x_t)$, and Bayes' rule turns what is left into
# the posterior.) That makes
#
# $$\nabla_{x_t}\log q(x_t) = \mathbb E\big[\nabla_{x_t}\log q(x_t \mid x_0)\;\big|\;x_t\big]
# = -\frac{\mathbb E[\epsilon \mid x_t]}{\sqrt{1-\bar\alpha_t}}.$$
#
# The last piece you know from lesson 03: what minimises a squared error is the average of all right answers,
# $\epsilon_\theta(x_t, t) = \mathbb E[\epsilon \mid x_t]$. Put together:
#
# $$\boxed{\;\epsilon_\theta(x_t, t) \approx -\sqrt{1-\bar\alpha_t}\;\nabla_{x_t}\log q(x_t)\;}$$
#
# with equality for a perfect network. **To guess the noise is to know the score.** Vincent (2011) found this and named it
# *denoising score matching*; Song & Ermon (2019) made pictures with it, one year before DDPM.

# %% tags=["nbval-ignore-output"]
show_source(score_from_eps, score_model)

# %% [markdown]
# Is it true? Take the density with two peaks at $t = 200$. Draw 4,000,000 pairs of a clean number and a noise, keep those whose
# $x_t$ falls next to 0.3, and average their noise. Beside it the score, measured as the difference of two log-densities.

# %%
c = schedule.at(200)
x_0 = uneven.sample(4_000_000, seeded(0))[:, 0]
eps = torch.randn(len(x_0), generator=seeded(1), dtype=torch.float64)
near = (q_sample(x_0, c, eps) - 0.3).abs() < 0.01
log_q = uneven.noised(c.alpha_bar).log_density(torch.tensor([[0.3 - 1e-4], [0.3 + 1e-4]]).double())
slope = (log_q[1] - log_q[0]).item() / 2e-4
print(f"mean noise of the {near.sum().item()} pairs kept: {eps[near].mean().item():.2f}")
print(f"-sqrt(1 - alpha_bar) times the slope: {-((1 - c.alpha_bar) ** 0.5) * slope:.2f}")

# %% [markdown]
# ### Exercise 8.1 · The score of a prediction
#
# Complete `my_score`: a noise prediction and the coefficients of step $t$ in, the score out.
#
# <details><summary>Hint</summary>
#
# The box above, solved for the gradient. `c.alpha_bar` is $\bar\alpha_t$.
# </details>


# %% tags=["nbval-ignore-output"]
def my_score(eps, c):
    return ...  # replace the dots: the score that eps stands for


lesson08.score(my_score)

# %% [markdown]
# ## A small network learns a field
#
# Theory says that training finds the score. Let us watch it: a network of three hidden layers, the moons, and the
# library's own `train` of lesson 05, for a few seconds. It sees points and noise, never an arrow.


# %%
class Small(nn.Module):
    def __init__(self, width=128):
        super().__init__()
        first, last = nn.Linear(2 + 32, width), nn.Linear(width, 2)
        middle = [nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()]
        self.layers = nn.Sequential(first, nn.SiLU(), *middle, last)

    def forward(self, x_t, t):
        return self.layers(torch.cat([x_t, sinusoids(t, 32)], dim=1))


torch.manual_seed(0)
small, steps = Small(), 1500
optimizer = torch.optim.Adam(small.parameters(), lr=5e-3)
fade = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
points = (moons.sample(256, seeded(step)).float() for step in range(steps))
for _ in train(small, schedule, points, optimizer, lr_scheduler=fade, generator=seeded(1)):
    pass

# %% tags=["nbval-ignore-output"]
t = 100
exact = moons.noised(schedule.alpha_bars[t].item())
learnt = score_model(small, schedule, t)
show(
    score_plots.fields(
        {"exact score, $t = 100$": exact.score, "the network's": lambda x: learnt(x.float())}, exact
    ),
    alt="Two fields of arrows over the blurred moons. Near the moons both show the same arrows. Far outside, where no "
    "training point ever was, the network's arrows are smoother and in places wrong.",
)

# %% [markdown]
# Where there are data, nearly the same arrows. In the corners, where hardly any noisy point ever falls, nobody corrected the
# network, and nobody needs it there either, as long as no walk strays so far.
# How good is it at other $t$? Its mean squared difference from the exact $\epsilon^*$, at the places where data
# are, beside what answering 0 would cost:

# %% tags=["nbval-ignore-output"]
ideal = moons.eps_model(schedule)
errors, sizes, ts = [], [], [1, 3, 10, 20, 50, 100, 200, 400, 700, 1000]
for t in ts:
    x_t = moons.noised(schedule.alpha_bars[t].item()).sample(2000, seeded(t)).float()
    label = torch.full((2000,), t)
    with torch.no_grad():
        errors.append((small(x_t, label) - ideal(x_t, label)).square().mean().item())
    sizes.append(ideal(x_t, label).square().mean().item())
place = torch.tensor(ts)
lines = {"the network": (place, torch.tensor(errors)), "answering 0": (place, torch.tensor(sizes))}

# %% tags=["nbval-ignore-output"]
show(
    loss_plots.over_time(lines, y_label="mean squared difference"),
    alt="Mean squared difference from the exact noise prediction over t, logarithmic. The network's error is below a "
    "thousandth for t from 400 on, rises to about a tenth near t = 50, and at t = 1 lies above the line of answering 0.",
)

# %% [markdown]
# Large $t$ is easy: one smooth hill. Towards small $t$ the field grows thin folds, and the error rises, down to about $t = 50$. At the very
# smallest $t$ hardly anything about the noise can be told from $x_t$, the right answer is nearly 0, and the few seconds of
# training did not even teach it that. Something similar will show on digits.
#
# ## Digits: whose score is it?
#
# Now the question of this lesson. There is a world of digits whose score we know *exactly*: the one that consists of 5,000
# training digits and nothing else (`Mixture.from_data`, the photocopier of lesson 02). And there is the trained
# network, which has seen these digits and 55,000 others. Both claim to know the noise. We ask both about noisy training digits, and about noisy **test** digits, that
# neither has seen, and compare with the noise that was really added.

# %% tags=["nbval-ignore-output"]
known = train_set[:5000]
photocopier = Mixture.from_data(known).eps_model(schedule)
ts = [10, 30, 100, 200, 300, 400, 500, 600, 700, 800, 1000]
error = {(who, what): [] for who in ("network", "exact") for what in ("training", "test")}
for what, digits in {"training": known[:10], "test": test_set[:10]}.items():
    for t in ts:
        eps = torch.randn(digits.shape, generator=seeded(t))
        x_t, label = q_sample(digits, schedule.at(t), eps), torch.full((10,), t)
        for who, model in {"network": net, "exact": photocopier}.items():
            with torch.no_grad():
                error[who, what].append((model(x_t, label) - eps).square().mean().item())

# %% tags=["nbval-ignore-output"]
lines = {
    f"{who}, {what}": (torch.tensor(ts), torch.tensor(values).clamp(min=1e-5))
    for (who, what), values in error.items()
}
show(
    loss_plots.over_time(lines, y_label="error of the noise"),
    alt="Squared error of the noise over t, both axes logarithmic. The network's two lines, for training and for test digits, lie upon "
    "each other and fall from about 0.1 to almost 0. The exact score of 5,000 digits is perfect on training digits up to t = 300, "
    "and on test digits its error climbs to over 50 at t = 10. From t = 600 on all four lie together.",
)

# %% [markdown]
# Read this picture slowly; it holds the lesson.
#
# - **From $t = 600$ on all agree.** So much noise hides what tells one 4 from another. The score only has to know what
#   digits look like on the whole, and 5,000 examples say enough about that.
# - **For small $t$ the exact score knows its own digits by heart**: error 0. Shown a digit that is not among them, it is
#   worse than answering nothing (that would cost 1), by far: it takes the difference to its nearest digit for noise.
# - **The network makes hardly any difference** between training and test digits. At small $t$ it *disagrees with the exact score of
#   its training set*, and that disagreement is what we want. It is called **generalisation**.
#
# In pictures: a test digit, noised to some $t$, and what each of the two believes the clean digit to be, by Eq. (15).

# %% tags=["nbval-ignore-output"]
shown = (50, 200, 400, 500, 600, 800)
digit, label = test_set[[18]].expand(6, -1, -1, -1), torch.tensor(shown)
c = schedule.at(label, like=digit)
x_ts = q_sample(digit, c, torch.randn(digit.shape, generator=seeded(2)))
with torch.no_grad():
    believed = [predict_x0(x_ts, c, model(x_ts, label)) for model in (net, photocopier)]

# %% tags=["nbval-ignore-output"]
show(
    plots.image_rows(
        [x_ts, *believed], [f"$t = {t}$" for t in shown], ["$x_t$", "network", "exact"]
    ),
    alt="A test digit, a 3, at six times. The network's guess at the clean digit is this digit for small t, and a blur for large t. "
    "The exact score of 5,000 digits always answers with digits that it has: a sharp but different 3 for small t, other digits "
    "at t = 400 and 500, and nearly the same blur as the network for large t.",
)

# %% [markdown]
# (With more noise both guess, and may well guess wrong: the digit is hardly in the picture any more.)
#
# And this is what each of them draws, when both start from the same noise. (The method, `probability_flow`, comes
# further down; it draws no noise on the way, so that only the scores differ.)

# %% tags=["nbval-ignore-output"]
down = [*even_timesteps(schedule, 25)[::-1], 0]
x_T = torch.randn(8, 1, 28, 28, generator=seeded(5))
*_, by_net = probability_flow(net, schedule, x_T, timesteps=down)
*_, by_heart = probability_flow(photocopier, schedule, x_T, timesteps=down)
distance = torch.cdist(by_heart.x.flatten(1), known.flatten(1))
nearest = known[distance.argmin(dim=1)]
show(
    plots.image_rows([by_net.x, by_heart.x, nearest], [""] * 8, ["network", "exact", "nearest"]),
    alt="Eight digits drawn by the network, below them eight drawn by the exact score of 5,000 training digits from the same "
    "noise, below these the nearest training digits, which are the same images.",
)

# %%
worst = (by_heart.x - nearest).abs().amax(dim=(1, 2, 3))
print("drawn by the exact score = a training digit, all pixels:", (worst < 0.05).tolist())

# %% [markdown]
# **The exact score of a set of digits can only reproduce that set.** A network that reached the minimum of its
# training loss would be a photocopier too, of all 60,000. Ours does not get there: it has far fewer parameters than the training set
# has pixels, and it must answer smoothly. What it draws lies between the examples.
# Compare the upper rows: where both start from the same noise, the coarse form is often shared. That was decided
# at large $t$, where both agree.
#
# ## Along a line between two digits
#
# A score has 784 entries. To look at it, we choose a direction. Take two training digits $a$ and $b$, one
# noise $\epsilon$, and the line of noisy images between them, $x_t(\lambda) = \sqrt{\bar\alpha_t}\,\big((1-\lambda)\,a + \lambda\,b\big) +
# \sqrt{1-\bar\alpha_t}\,\epsilon$. Walking along it, $\log q$ changes by
#
# $$\frac{\mathrm d}{\mathrm d\lambda}\log q\big(x_t(\lambda)\big) = \nabla\log q\;\cdot\;\sqrt{\bar\alpha_t}\,(b - a).$$
#
# Above zero: it gets more probable towards $b$.

# %% tags=["nbval-ignore-output"]
a, b = known[[7]], known[[1]]
share = torch.linspace(-0.25, 1.25, 25)
between = a + share.view(-1, 1, 1, 1) * (b - a)  # (25, 1, 28, 28)
eps = torch.randn(a.shape, generator=seeded(6)).expand(25, -1, -1, -1)
panels = {}
for t in (200, 400, 600):
    c = schedule.at(t)
    x_t, direction = q_sample(between, c, eps), c.alpha_bar**0.5 * (b - a)
    panels[f"$t = {t}$"] = {
        name: (score_model(model, schedule, t)(x_t) * direction).flatten(1).sum(dim=1)
        for name, model in {"exact for 5,000 digits": photocopier, "network": net}.items()
    }

# %% tags=["nbval-ignore-output"]
show(
    score_plots.along(
        panels,
        share,
        x_label=r"$\lambda$: from $a$ to $b$",
        y_label=r"nats for each unit of $\lambda$",
    ),
    alt="The derivative of log q along the line, three panels. At t = 600 both curves nearly agree. At t = 200 the exact one falls "
    "steeply, jumps up in the middle and falls again: two narrow valleys of attraction. The network's follows it near the two digits.",
)

# %% [markdown]
# At $t = 600$ the two compasses nearly agree. At smaller $t$ each digit has its own basin: falling lines
# that cross zero near $\lambda = 0$ and $\lambda = 1$ (the noise $\epsilon$ shifts both by the same amount), and a jump between them where the exact score changes its mind. The
# network has been trained at those ends, and on the way from one to the other it has to make something up.
#
# ### Is the network's field a slope at all?
#
# A score is a gradient, and second derivatives may be taken in either order: the Jacobian $J_{ij} = \partial\epsilon_i /
# \partial x_j$ of a true score is symmetric, $Jv = J^\top v$. No one told the network. We compare the antisymmetric part
# with the symmetric one, $\|Jv - J^\top v\| / \|Jv + J^\top v\|$, for a random direction $v$ without its share that $J$ only stretches:

# %% tags=["nbval-ignore-output"]
for t in (20, 100, 300, 600):
    x_t = q_sample(test_set[:2], schedule.at(t), torch.randn(2, 1, 28, 28, generator=seeded(7)))
    v = torch.randn(x_t.shape, generator=seeded(8))
    label = torch.full((2,), t)
    _, Jv = torch.autograd.functional.jvp(lambda x: net(x, label), x_t, v)  # noqa: B023
    _, JTv = torch.autograd.functional.vjp(lambda x: net(x, label), x_t, v)  # noqa: B023
    Jv, JTv = (x - (x * v).sum() / (v * v).sum() * v for x in (Jv, JTv))  # v itself says nothing
    print(f"t = {t:3}: asymmetry {(Jv - JTv).norm() / (Jv + JTv).norm():.1%}")

# %% [markdown]
# Not zero, but far below 1, which is what a matrix of independent random entries would give. The network's field comes near to
# being the slope of something, without anyone having asked for it; nearest where the noise is small.
#
# ## Walking by the compass
#
# Suppose you have a score and want samples. Following the arrows alone leads every walker to a
# peak. They should be spread around it. So push them about at each step:
#
# $$x \leftarrow x + \tfrac{h}{2}\,s(x) + \sqrt{h}\,z, \qquad z \sim \mathcal N(0, I).$$
#
# This is **Langevin dynamics** (here as in Song & Ermon 2019). For small $h$ and many steps, the walkers end up distributed with the density whose score
# it is. By calculator for $\mathcal N(0, 0.25)$ at $x = 1$, where the score is $-4$, with $h = 0.1$:
# $1 - 0.05 \cdot 4 = 0.8$, plus $0.316\,z$.

# %% tags=["nbval-ignore-output"]
show_source(langevin)

# %%
*_, x = langevin(
    bell.score, torch.ones(100_000).double(), step_size=0.1, steps=1, generator=seeded(9)
)
print(f"one step from 1: mean {x.mean().item():.2f}, standard deviation {x.std().item():.2f}")

# %% [markdown]
# How small must $h$ be? For a bell the answer is exact. One step multiplies the distance from the middle by
# $1 - \frac{h}{2s^2}$ and adds the variance $h$. The variance $v$ that reproduces itself satisfies
# $v = \big(1-\frac{h}{2s^2}\big)^2 v + h$, so
#
# $$v = \frac{s^2}{1 - \frac{h}{4 s^2}}.$$
#
# Always too wide: a little for small $h$, ten times for $h = 0.9 \cdot 4s^2$. From $h = 4s^2$ on there is no such $v$, and the walkers
# spread without end.

# %%
for h in (0.01, 0.1, 0.5, 0.9, 1.1):
    start = torch.zeros(20_000, dtype=torch.float64)
    *_, x = langevin(bell.score, start, step_size=h, steps=200, generator=seeded(10))
    formula = f"{0.25 / (1 - h / (4 * 0.25)):.2f}" if h < 1 else "none"
    print(f"h = {h:4}: measured {x.var().item():.3g}, formula {formula} (target 0.25)")

# %% [markdown]
# ### Exercise 8.2 · One step
#
# Return where the walker is after one step from `x`. Here `score` is the score at $x$, already computed, and `z` the noise.
#
# <details><summary>Hint</summary>
#
# Half a step along the score; noise whose *variance* is the step.
# </details>


# %% tags=["nbval-ignore-output"]
def my_step(x, score, step_size, z):
    return ...  # replace the dots: where the walker is after one step


lesson08.langevin_step(my_step)

# %% [markdown]
# ### Exercise 8.3 · The price of a long step
#
# Walkers follow the score of $\mathcal N(0, 0.04)$ with $h = 0.06$. Which variance do they end up with?
#
# <details><summary>Hint</summary>
#
# Insert $s^2 = 0.04$ into the formula above. Is $h$ still below $4s^2$?
# </details>

# %% tags=["nbval-ignore-output"]
my_variance = ...  # replace the dots: a number

lesson08.walkers_variance(my_variance)

# %% [markdown]
# ### Three walks
#
# Three thousand walkers on the density with two peaks, with three step sizes. The slider counts steps.

# %% tags=["nbval-ignore-output"]
start = torch.randn(3000, 1, generator=seeded(11), dtype=torch.float64)
ends = [0, 1, 3, 10, 30, 100, 300, 600]
walks = {}
for h in (0.0005, 0.02, 0.14):
    states = list(langevin(uneven.score, start, step_size=h, steps=600, generator=seeded(12)))
    walks[f"$h = {h}$"] = [states[i] for i in ends]
frames = [
    score_plots.histograms({name: states[i] for name, states in walks.items()}, uneven)
    for i in range(len(ends))
]
alts = [
    f"after {n} steps: histograms for a small, a middle and a large step under the density"
    for n in ends
]
player(frames, alts, values=ends, label="steps")

# %% [markdown]
# - **Too small** ($h = 0.0005$): after 600 steps they are still on their way.
# - **Too large** ($h = 0.14$): the narrow peak has $s^2 = 0.04$, so $h$ is almost $4s^2$. It cannot hold its walkers,
#   and they gather on the broad peak, which should have only a quarter.
# - **In between** ($h = 0.02$): each peak has nearly its right form within 30 steps. But look at how many are on each.

# %%
truth = 0.25  # the weight of the broad peak
x = walks["$h = 0.02$"][-1]
settled = walks["$h = 0.02$"][ends.index(30)]
began, now = ((x > 0.27).double().mean().item() for x in (settled, x))  # where it is deepest
print(f"right of the valley: {began:.2f} after 30 steps, {now:.2f} after 600, true {truth}")

# %% [markdown]
# Once they have settled, the walkers nearly keep their shares, which come from where they *started*. To correct them, some must cross the valley, where the
# density is low and all arrows point away. They do cross, but rarely; with a deeper valley it would take
# forever. In 784 dimensions it is hopeless: from a 1, no walk by the sharp score reaches a 7.
#
# ### Start in a blur
#
# The way out was in the first slider: with much noise there is one hill and no valley. So walk there first, and
# sharpen little by little, a few steps at each $t$. Song & Ermon (2019) call it **annealed** Langevin dynamics. In
# our library it is a loop around the same function:

# %%
generator, x = seeded(13), start
for t in range(1000, 0, -10):
    here = score_model(uneven.eps_model(schedule), schedule, t)
    noise = 1 - schedule.alpha_bars[t].item()  # the variance of the noise sets the scale of a step
    *_, x = langevin(here, x, step_size=0.3 * noise, steps=10, generator=generator)
*_, x = langevin(uneven.score, x, step_size=0.02, steps=50, generator=generator)
annealed = (x > 0.4).double().mean().item()
print(
    f"right of the valley: {annealed:.2f}, within 0.03 of the truth: {abs(annealed - truth) < 0.03}"
)

# %% [markdown]
# The shares are right. **This is almost a diffusion model**: a network that knows the score for every noise level, and a
# walk from much noise to none. DDPM's chain differs in taking exactly one, well-chosen, step at each $t$.
#
# ### A walk among noisy digits
#
# With the trained network we can stay at one $t$ and let digits wander. Here $t = 450$. Left the states $x_t$, right
# what the network sees in them. Drag the slider: on the left, noise remains noise. On the right, one digit turns into
# another, step by step, for at this $t$ the valleys between digits are shallow.

# %% tags=["nbval-ignore-output"]
t, c = 450, schedule.at(450)
x_t = q_sample(test_set[:4], c, torch.randn(4, 1, 28, 28, generator=seeded(14)))
compass, h = score_model(net, schedule, t), 0.4 * (1 - c.alpha_bar)
walk = list(langevin(compass, x_t, step_size=h, steps=100, generator=seeded(15)))[::5]
with torch.no_grad():
    seen = [predict_x0(x, c, net(x, torch.full((4,), t))) for x in walk]

# %% tags=["nbval-ignore-output"]
done = [5 * i for i in range(len(walk))]
alts = [f"after {n} steps: four noisy digits, and what the network sees in them" for n in done]
frames = {"x_t": [grid(x) for x in walk], "x\u0302_0": [grid(x) for x in seen]}
player(frames, alts, values=done, label="steps", width=200)

# %% [markdown]
# ## Small steps become an equation
#
# DDPM has $T = 1000$ steps. What happens with ten thousand, each ten times smaller? One step of Eq. (2) is
# $x_t = \sqrt{1-\beta_t}\,x_{t-1} + \sqrt{\beta_t}\,z$, and for small $\beta$ the root is nearly $1 - \beta/2$. So
#
# $$x_t - x_{t-1} \approx -\tfrac12\beta_t\,x_{t-1} + \sqrt{\beta_t}\,z.$$
#
# A pull to zero, and a push. In the limit this is a **stochastic differential equation** (SDE; Song et al. 2021, Eq. 11), written
# $\mathrm dx = -\frac12\beta\,x\,\mathrm dt + \sqrt\beta\,\mathrm dw$. Its $\bar\alpha$ at the end is $e^{-\sum\beta}$. Keep $\sum\beta = 10.05$, as
# in our schedule, and divide it among more and more steps:

# %%
for T in (50, 100, 1000, 10_000, 100_000):
    fine = linear_schedule(T, 0.1 / T, 20 / T)
    print(f"T = {T:6}: alpha_bar_T = {fine.alpha_bars[-1].item():.3e}")
print(f"the limit:  exp(-10.05) = {torch.tensor(-10.05).double().exp().item():.3e}")

# %% [markdown]
# $T = 1000$ is already close. The names change, the thing does not.
#
# ### Two ways back
#
# Which equation runs the film backwards? Anderson (1982) found it, and the only thing it needs is the score:
#
# $$\mathrm dx = \big[-\tfrac12\beta\,x - \beta\,s(x)\big]\,\mathrm dt + \sqrt\beta\,\mathrm d\bar w\qquad\text{(time runs down).}$$
#
# Put the score into Eq. (11), and you find that DDPM's step has been doing just this all the time:
# $\mu_\theta = \frac{1}{\sqrt{\alpha_t}}\big(x_t - \frac{\beta_t}{\sqrt{1-\bar\alpha_t}}\epsilon_\theta\big) =
# \frac{1}{\sqrt{\alpha_t}}\big(x_t + \beta_t\,s(x_t)\big)$.

# %%
x, eps = torch.randn(2, 5, generator=seeded(16), dtype=torch.float64)
c = schedule.at(300)
by_score = (x + c.beta * score_from_eps(eps, c)) / c.alpha**0.5
print("Eq. (11) is a step along the score:", torch.allclose(by_score, p_mean_from_eps(x, c, eps)))

# %% [markdown]
# And there is a second way back. Song et al. (2021) noticed that half the score and *no* noise moves the whole crowd of
# samples in the same way, so that at each $t$ it has the same density:
#
# $$\mathrm dx = \big[-\tfrac12\beta\,x - \tfrac12\beta\,s(x)\big]\,\mathrm dt.$$
#
# This is an ordinary differential equation, the **probability-flow ODE**. It gets simple in the right coordinates. Divide out the shrinking
# of the image, $y = x_t/\sqrt{\bar\alpha_t}$, and measure time by the noise relative to the image, $\sigma =
# \sqrt{(1-\bar\alpha_t)/\bar\alpha_t}$ (not the $\sigma_t$ of Algorithm 2). Then Eq. (4) reads $y = x_0 + \sigma\,\epsilon$, and the ODE is
#
# $$\frac{\mathrm dy}{\mathrm d\sigma} = \epsilon_\theta(x_t, t).$$
#
# **The network's answer is the velocity.** The plainest way to follow it: go straight for a while,
# $y_\text{to} = y + (\sigma_\text{to} - \sigma)\,\epsilon_\theta$ (Euler's method). By calculator from $\bar\alpha = 0.5$ to $0.8$, with $x = 0.778$ and $\epsilon = 0.3$:
# $y = 1.100$, $\sigma$ from 1 to 0.5, $y_\text{to} = 0.950$, $x = 0.850$.

# %%
print(f"{flow_jump(0.778, 0.3, alpha_bar=0.5, alpha_bar_to=0.8):.3f}")

# %% tags=["nbval-ignore-output"]
show_source(flow_jump, probability_flow)

# %% [markdown]
# You may know this step already. It is **DDIM** with $\eta = 0$, the fast sampler of lesson 09:

# %%
x_T = torch.randn(3, 1, generator=seeded(17), dtype=torch.float64)
model, some = uneven.eps_model(schedule), [1000, 800, 500, 300, 100, 20, 1]
*_, one = ddim(model, schedule, x_T, timesteps=some)
*_, other = probability_flow(model, schedule, x_T, timesteps=[*some, 0], method="euler")
print("DDIM is Euler's method on the ODE:", torch.allclose(one.x, other.x))

# %% [markdown]
# `method="heun"` goes to the end of the straight piece, looks at the velocity there, and takes the mean of both. Two
# calls for each step, but an error that falls with the *square* of the step. On the map of a bell, which is known exactly:

# %%
narrow = Mixture.gaussian(torch.tensor([0.4]).double(), var=0.01)
x, first, last = torch.ones(1, 1).double(), schedule.at(1000).alpha_bar, schedule.at(200).alpha_bar
z = (x - first**0.5 * 0.4) / (first * 0.01 + 1 - first) ** 0.5  # standard deviations out: it stays
exact_end = last**0.5 * 0.4 + (last * 0.01 + 1 - last) ** 0.5 * z
for method in ("euler", "heun"):
    for stride in (40, 20, 10):
        down = range(1000, 199, -stride)
        *_, end = probability_flow(
            narrow.eps_model(schedule), schedule, x, timesteps=down, method=method
        )
        error = (end.x - exact_end).abs().item()
        print(f"{method}, {800 // stride:2} steps: error {error:.1e}")

# %% [markdown]
# Twice the steps: half the error, or a quarter of it.
#
# ### Exercise 8.4 · A straight piece
#
# Complete `my_jump`: from $x$ at the level `alpha_bar` to the level `alpha_bar_to`.
#
# <details><summary>Hint</summary>
#
# Three lines: compute $y$ and the two $\sigma$; move $y$; multiply by $\sqrt{\bar\alpha_\text{to}}$.
# </details>


# %% tags=["nbval-ignore-output"]
def my_jump(x, eps, alpha_bar, alpha_bar_to):
    return ...  # replace the dots: x at the end of the piece


lesson08.jump(my_jump)

# %% [markdown]
# ### One crowd, two ways
#
# The same 3,000 starting points, once by the SDE's steps (`ddpm`), once by the ODE, with the exact score of the density with two peaks.

# %% tags=["nbval-ignore-output"]
x_T = torch.randn(3000, 1, generator=seeded(18), dtype=torch.float64)
times = range(1000, 9, -10)
chain = ddpm(model, schedule, x_T, generator=seeded(19))
by_sde = {step.t: step.x for step in chain if step.t in times}
path = probability_flow(model, schedule, x_T, timesteps=times)
by_ode = {state.t: state.x for state in path}

# %% tags=["nbval-ignore-output"]
chosen = x_T[:, 0].argsort()[60::220]  # from the far left to the far right
few = {
    name: torch.stack([xs[t][chosen, 0] for t in times])
    for name, xs in {"SDE": by_sde, "ODE": by_ode}.items()
}
show(
    score_plots.paths(few, times, uneven, schedule=schedule),
    alt="Fourteen paths each from t = 1000 on the left to 10 on the right, over the grey map of the density. Those of the SDE "
    "jitter and cross; those of the ODE are smooth, never cross, and split between the two peaks.",
)

# %% tags=["nbval-ignore-output"]
frame_times = [1000, 800, 600, 500, 400, 300, 200, 100, 50, 10]
frames = [
    score_plots.histograms(
        {"SDE": by_sde[t], "ODE": by_ode[t]}, uneven.noised(schedule.alpha_bars[t].item())
    )
    for t in frame_times
]
alts = [
    f"{describe(schedule, t)}: both histograms lie under the exact density" for t in frame_times
]
player(frames, alts, values=frame_times)

# %%
q = torch.linspace(0.1, 0.9, 5, dtype=torch.float64)
for name, xs in {"SDE": by_sde, "ODE": by_ode}.items():
    print(name, "quantiles at t = 10:", [f"{v:.1f}" for v in xs[10][:, 0].quantile(q).tolist()])
crossed = (by_ode[10][x_T[:, 0].argsort(), 0].diff() < 0).any().item()
print("any two paths of the ODE crossed:", crossed)

# %% [markdown]
# Different paths, the same crowd. The paths of an ODE cannot cross: from each point there is one way on. So on a line,
# who starts as the 300th from the left ends as the 300th from the left, and whether a noise becomes a
# "left" or a "right" is settled by one threshold.
#
# ### There and back
#
# A path without noise can be walked in both directions. So every digit has *its* noise: encode it, rising from
# $t = 1$ to $T$, then decode.

# %% tags=["nbval-ignore-output"]
x_1 = q_sample(test_set[:6], schedule.at(1), torch.randn(6, 1, 28, 28, generator=seeded(20)))
rows, names = [x_1], ["digit"]
for n in (10, 30):
    up = even_timesteps(schedule, n)
    *_, code = probability_flow(net, schedule, x_1, timesteps=up)
    *_, back = probability_flow(net, schedule, code.x, timesteps=up[::-1])
    rows += [code.x / 2, back.x]
    names += [f"noise, {n}", f"back, {n}"]
    print(
        f"{n} points: mean error {(back.x - x_1).abs().mean():.3f}, code's variance {code.x.var():.2f}"
    )

# %% tags=["nbval-ignore-output"]
show(
    plots.image_rows(rows, [""] * 6, names),
    alt="Six test digits, the noise that each is encoded to, and the digit decoded from it. With a grid of 10 times some come back "
    "as other digits; with 30 each comes back as it was.",
)

# %% [markdown]
# The codes look like noise, and their variance is near 1, as it should be. With steps that are too long the way back is not the
# way there, and a digit may return as another one.
#
# ## How probable is this digit?
#
# In lesson 03 we could only *bound* the probability of a digit. The ODE does better, because it keeps account. On a line:
# the crowd between two neighbouring paths stays between them. Where they spread, the density falls, by just as much. In formulas: if $x$ moves with
# velocity $f$, then along its path
#
# $$\frac{\mathrm d}{\mathrm dt}\log p(x_t) = -\,\nabla\!\cdot f(x_t)$$
#
# The right side, the **divergence** $\sum_i \partial f_i/\partial x_i$, says how fast paths spread. So: encode the image to $x_T$, where the density is
# $\mathcal N(0, I)$, add up the divergence on the way, and correct by it. For the density with two peaks, where we know the answer:

# %%
places = torch.tensor([[-1.0], [-0.5], [0.3], [1.5], [2.5]], dtype=torch.float64)
found = flow_log_density(model, schedule, places, timesteps=even_timesteps(schedule, 300))
truth = uneven.noised(schedule.alpha_bars[1].item()).log_density(places)
for x, by_flow, exact_value in zip(
    places[:, 0].tolist(), found.log_density.tolist(), truth.tolist(), strict=True
):
    print(f"x = {x:4}: log p by the ODE {by_flow:7.2f}, exact {exact_value:7.2f}")

# %% tags=["nbval-ignore-output"]
show_source(flow_log_density)

# %% [markdown]
# (The code takes another clock, $\ell = \log\sigma^2$, because with it the numbers to add up are bounded and smooth. In this time $x$ has the velocity
# $\frac12\big(\sqrt{1-\bar\alpha_t}\,\epsilon_\theta - (1-\bar\alpha_t)\,x\big)$. The second part is the shrinking; its divergence is known exactly.)
#
# ### Seven hundred and eighty-four derivatives
#
# The divergence of an image's velocity needs $\partial\epsilon_i/\partial x_i$ for each pixel, and that is one backward pass for each: 784 for
# each step. Hutchinson (1990) found a shortcut. Take $v$ with entries $-1$ and $1$ by coin. Then $v^\top J v = \sum_{ij} v_i J_{ij} v_j$, and on average
# only the terms with $i = j$ survive, since $v_i v_j$ is as often $1$ as $-1$ otherwise. What survives is the trace, the divergence. By calculator:

# %%
J = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
signs = [torch.tensor([i, j]) for i in (-1.0, 1.0) for j in (-1.0, 1.0)]
values = [(v @ J @ v).item() for v in signs]
print("v J v for the four v:", values, "mean:", sum(values) / 4, "trace:", J.trace().item())

# %% [markdown]
# One probe is a rough guess, but an honest one: right on average. We take a new probe at every step, and the errors average out.
#
# ### A fair comparison
#
# Digits have 256 grey levels; a density is about real numbers. To compare with the bound of lesson 03, both must speak about the same thing: the probability
# $P(x_0)$ of a digit with its grey levels. We give the ODE the same last step as there. Let it draw $x_1$, and let the decoder of Eq. (13)
# choose the grey levels: $P(x_0) = \int p(x_1)\,P(x_0 \mid x_1)\,\mathrm dx_1$. Multiply and divide by $q(x_1 \mid x_0)$, take $-\log$, use Jensen as
# in lesson 03:
#
# $$-\log P(x_0) \;\le\; \mathbb E_q\big[\underbrace{-\log p(x_1) + \log q(x_1 \mid x_0)}_{\text{to name } x_1} \;\underbrace{-\log P(x_0 \mid x_1)}_{L_0}\big]$$
#
# The last term is $L_0$, the same as in Eq. (5). So the comparison is: what does it cost to name $x_1$, by a thousand small KLs, or by one ODE?

# %% tags=["nbval-ignore-output"]
show_source(flow_bound)

# %% tags=["nbval-ignore-output"]
digits = test_set[[18, 0, 1]]
names = {"beta": r"bound, $\sigma_t^2=\beta_t$", "posterior": r"bound, $\sigma_t^2=\tilde\beta_t$"}
parts = {}
for variance, b in bounds(net, schedule, digits, generator=seeded(21)).items():
    to_name = (b.prior + b.denoising.sum(dim=0)).mean().item()
    parts[names[variance]] = {"to name $x_1$": to_name, "$L_0$": b.reconstruction.mean().item()}

# %% tags=["nbval-ignore-output"]
for n in (25, 50):
    f = flow_bound(net, schedule, digits, timesteps=even_timesteps(schedule, n),
                   divergence=hutchinson(generator=seeded(22)), generator=seeded(21))  # fmt: skip
    print(f"ODE with {n} points: {[f'{bits:.2f}' for bits in f.total.tolist()]} bits/dim")
same_part = parts[names["posterior"]]["$L_0$"]  # one estimate for all three
parts["ODE"] = {"to name $x_1$": f.latent.mean().item(), "$L_0$": same_part}
show(
    score_plots.bits(parts),
    alt="Three bars of bits per dimension, the mean of three test digits. L_0 is the same in all. To name x_1 costs most by the bound "
    "with beta, less with beta-tilde, and least by the ODE.",
)

# %% [markdown]
# The network is the same, and so are the digits and $L_0$, the orange part. What differs is the account of $x_1$, the blue
# part, and the ODE's is the lowest. The bound averages over
# walks of a thousand steps. It pays Jensen's gap for all of them, and for their fixed widths (lesson 03). The ODE has one path for each $x_1$, so what it says of
# $\log p(x_1)$ is the value itself and not a bound, up to the solver's error and the coin's. Before you quote such a number, know what it is:
#
# - **a bound**, because of Jensen in the last step. The true $-\log P(x_0)$ is lower still;
# - **an estimate** of that bound: one draw of $x_1$, one probe for each step, three digits. Other seeds move a digit's
#   number by some hundredths;
# - with an **error of the solver**, which the bound of lesson 03 does not have. The two lines above show it: compare 25
#   points with 50. A number that still moves is not a result;
# - of **another model**: `ddpm` and the ODE with the same network are two models, and each has its own likelihood.
#
# ## What breaks if ...
#
# **... the sign of the score is turned round?** Then every walker flees. One line of code, and the commonest slip:

# %%
*_, x = langevin(
    lambda x: -bell.score(x),
    torch.ones(1000).double(),
    step_size=0.1,
    steps=50,
    generator=seeded(23),
)
print(f"after 50 steps the walkers are more than 100 away: {x.abs().mean().item() > 100}")

# %% [markdown]
# **... the root is forgotten**, and the score taken for $-\epsilon/(1-\bar\alpha_t)$? At $t = 1000$ nobody notices. At small $t$ the compass shouts:

# %%
for t in (1000, 300, 50, 1):
    print(f"t = {t:4}: too strong by a factor of {(1 - schedule.alpha_bars[t].item()) ** -0.5:.2f}")

# %% [markdown]
# A sampler with this bug draws good coarse forms, and destroys them in its last steps. If a sample looks fine at $t = 300$ and burnt
# at the end, look for a root.
#
# **... the step size is the same at all noise levels?** By the formula above a step must stay below $4s^2$, and near a digit $s^2$
# is about the variance of the noise, $1-\bar\alpha_t$. A step that is right for $t = 400$ explodes at $t = 10$:

# %%
for t in (400, 100, 10):
    limit = 4 * (1 - schedule.alpha_bars[t].item())
    print(f"t = {t:3}: steps must stay below about {limit:.3f}")

# %% [markdown]
# **... the encoder asks about the wrong $t$?** Going up from $t$ to $s$, Euler must ask the network about $x_t$ *at t*. Code for
# inverting DDIM has used the position in the list of timesteps, or the time of the other end (see the pull requests
# [Stability-AI/stablediffusion #226](https://github.com/Stability-AI/stablediffusion/pull/226) and
# [huggingface/diffusers #5832](https://github.com/huggingface/diffusers/pull/5832)). The encoded noise still looks like noise. The check that finds
# it is the one above: encode, decode, and see whether the error falls as the grid gets finer.
#
# ### Exercise 8.5 · A compass of your own
#
# Many answers are right here. Nobody gives you a density this time, only a wish: walkers on a line shall live around two places, $-2$ and $2$. Complete `my_compass`,
# a score of your own design: `x` is a tensor $(N,)$ of places, and so is your answer. We send walkers off from everywhere between $-6$ and $6$, for
# 500 steps with $h = 0.02$.
#
# - They come to rest at $-2$ and at $2$: there your compass changes from right ($+$) to left ($-$).
# - From far away, up to $-8$ and $8$, it points back.
# - In between there is one valley, and no third place of rest.
# - In one step it throws nobody out: not beyond $\pm 4$ who is within, nor farther out who is not.
# - In the end at least nine of ten walkers are within 1 of $-2$ or $2$, and each place has at least a quarter of them.
#
# The first three are about the directions of your arrows. The others are about their *lengths* too, and these must fit the noise: multiply a score by $k$, and it is
# that of the density to the power of $k$, scaled to an area of 1. (Lesson 10 lives on this.)
#
# <details><summary>Hint</summary>
#
# Draw the curve first: where is it zero, where above? Then find a formula that does it: a polynomial, pieces of straight lines (<code>torch.where</code>), a mixture of
# two bells. To see where your walkers end:
#
# <pre>*_, x = langevin(my_compass, torch.linspace(-6, 6, 2000).double(),
#                   step_size=0.02, steps=500, generator=seeded(24))
# ((x.abs() - 2).abs() &lt; 1).double().mean()</pre>
# </details>


# %% tags=["nbval-ignore-output"]
def my_compass(x):
    return ...  # replace the dots: which way, and how strongly, at each place


lesson08.compass(my_compass)

# %% [markdown]
# ## Summary
#
# | | |
# |---|---|
# | the score | $\nabla_x\log q(x)$: which way it gets more probable. No normalising constant |
# | noise and score | $\epsilon_\theta \approx -\sqrt{1-\bar\alpha_t}\,\nabla\log q(x_t)$: the average noise, turned round and scaled |
# | exact score of the training set | a photocopier. The network agrees at large $t$, differs at small $t$: generalisation |
# | Langevin | $x + \frac h2 \nabla\log q(x) + \sqrt h\,z$; on a bell of variance $s^2$ too wide by $1/(1-\frac{h}{4s^2})$; slow across valleys, hence many noise levels |
# | reverse SDE | half a pull, a whole score, noise: DDPM is its discretisation |
# | probability-flow ODE | $\mathrm dy/\mathrm d\sigma = \epsilon_\theta$: same densities, no noise, both directions. DDIM is Euler's method on it |
# | likelihood | add up the divergence along the path; our three digits then cost less to name than by the bound of Eq. (5) |
#
# An ODE can be solved in few steps by good solvers. That is why nobody waits for a thousand steps any more: lesson 09.
