"""Right answers that are written otherwise than the library's pass: as learners would write them.

Other algebra, loops in place of vectorised code, NumPy, float64, and the library's own functions
where the solution is a formula.
"""

import inspect
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ddpm_lessons.checks import (
    lesson02,
    lesson03,
    lesson04,
    lesson05,
    lesson06,
    lesson07,
    lesson09,
    lesson12,
)
from ddpm_lessons.checks.progress import all_exercises
from ddpm_lessons.evaluation import Moments, frechet_distance, nearest
from ddpm_lessons.flow import flow_jump
from ddpm_lessons.flow import slerp as slerp_images
from ddpm_lessons.forward import predict_eps, predict_x0, q_marginal, q_sample, q_step
from ddpm_lessons.gaussian import Gaussian
from ddpm_lessons.inverse import noise_timestep, shrink
from ddpm_lessons.loss import noise_weight
from ddpm_lessons.models.probe import receptive_field
from ddpm_lessons.models.unet import ResBlock, sinusoids
from ddpm_lessons.posterior import p_mean_from_eps, p_step, q_posterior
from ddpm_lessons.schedule import Coefficients, linear_schedule
from ddpm_lessons.score import eps_from_score, score_from_eps

EXERCISES = {n: one for n, one in all_exercises().items() if n < "13" and not one.demands}
FUNCTIONS = [name for name, one in EXERCISES.items() if next(iter(one.cases()))]
VALUES = [name for name in EXERCISES if name not in FUNCTIONS]
LINEAR = linear_schedule()
RIGHT: dict[str, list] = {}


def right(name: str, *answers):
    """Note right answers to an exercise; without any, a decorator for one that takes lines."""

    def keep(answer):
        RIGHT.setdefault(name, []).append(answer)
        return answer

    for answer in answers:
        keep(answer)
    return keep


# --- 00 -----------------------------------------------------------------------------------------

right(
    "00.scaling",
    lambda byte: (byte - 127.5) / 127.5,
    lambda byte: 2 * byte / 255 - 1,
    lambda byte: (torch.tensor(byte / 255) - 0.5) / 0.5,  # ToTensor, then Normalize
    lambda byte: np.interp(byte, [0, 255], [-1, 1]),
)
right(
    "00.static",
    lambda x, v, eps: math.sqrt(v) * eps + x,
    lambda x, v, eps: x + np.sqrt(v) * eps,
    lambda x, v, eps: np.asarray(x) + np.sqrt(v) * np.asarray(eps),
    lambda x, v, eps: torch.as_tensor(x) + torch.tensor(v).sqrt() * torch.as_tensor(eps),
)
right("00.calls", 1000, 1000.0, np.int64(1000), torch.tensor(1000), len(range(1000, 0, -1)))

# --- 01 -----------------------------------------------------------------------------------------

right(
    "01.one_step",
    lambda x, b, e: math.sqrt(1 - b) * x + math.sqrt(b) * e,
    lambda x, b, e: np.sqrt(1 - b) * x + np.sqrt(b) * e,
    lambda x, b, e: (b * (1 - b)) ** 0.5 * (x / b**0.5 + e / (1 - b) ** 0.5),
)


@right("01.one_step")
def _(x_prev, beta, eps):
    step = q_step(x_prev, Coefficients(beta, 1 - beta, 0.5 * (1 - beta), 0.5))
    return step.mean + step.var**0.5 * eps


right(
    "01.jump",
    q_sample,
    lambda x, c, e: math.sqrt(c.alpha_bar) * x + math.sqrt(1 - c.alpha_bar) * e,
    lambda x, c, e: np.sqrt(c.alpha_bar) * np.asarray(x) + np.sqrt(1 - c.alpha_bar) * np.asarray(e),
    lambda x, c, e: q_marginal(x, c).mean + q_marginal(x, c).var ** 0.5 * e,
)


@right("01.jump")
def _(x_0, c, eps):
    """From the ratio of noise to signal."""
    sigma = ((1 - c.alpha_bar) / c.alpha_bar) ** 0.5
    return (x_0 + sigma * eps) / (1 + sigma**2) ** 0.5


@right("01.jump")
def _(x_0, c, eps):
    """In float64, with coefficients as tensors."""
    x_0, eps, bar = (torch.as_tensor(x, dtype=torch.float64) for x in (x_0, eps, c.alpha_bar))
    return torch.sqrt(bar) * x_0 + torch.sqrt(1.0 - bar) * eps


right(
    "01.alpha_bars",
    lambda betas: torch.log(1 - betas).cumsum(0).exp(),
    lambda betas: np.cumprod(1 - betas.numpy()),
    lambda betas: torch.stack([(1 - betas[: t + 1]).prod() for t in range(len(betas))]),
    lambda betas: [(1 - betas[: t + 1]).prod() for t in range(len(betas))],
    lambda betas: tuple(
        math.prod(1 - b for b in betas.tolist()[: t + 1]) for t in range(len(betas))
    ),
    lambda betas: torch.cat([torch.ones(1), (1 - betas[1:]).cumprod(0)]),
)


@right("01.alpha_bars")
def _(betas):
    bars, bar = [], 1.0
    for beta in betas:
        bar = bar * (1 - beta)
        bars.append(bar)
    return bars


NOISE = 1 - LINEAR.alpha_bars
right(
    "01.mostly_noise",
    int((NOISE <= 0.75).sum()),
    (NOISE > 0.75).nonzero()[0],
    (NOISE > 0.75).nonzero()[0].item(),
    torch.argmax((NOISE > 0.75).int()),
    np.argmax(NOISE.numpy() > 0.75),
    np.where(NOISE.numpy() > 0.75)[0][0],
    np.searchsorted(NOISE.numpy(), 0.75, side="right"),
    next(t for t in range(1, 1001) if 1 - LINEAR.at(t).alpha_bar > 0.75),
    float(min(t for t in range(1, 1001) if LINEAR.at(t).alpha_bar < 0.25)),
)

# --- 02 -----------------------------------------------------------------------------------------

right(
    "02.product",
    lambda m1, v1, m2, v2: ((v2 * m1 + v1 * m2) / (v1 + v2), v1 * v2 / (v1 + v2)),
    lambda m1, v1, m2, v2: [m1 + v1 / (v1 + v2) * (m2 - m1), v1 - v1**2 / (v1 + v2)],
    lambda m1, v1, m2, v2: np.array([(v2 * m1 + v1 * m2), v1 * v2]) / (v1 + v2),
    lambda m1, v1, m2, v2: torch.tensor([v2 * m1 + v1 * m2, v1 * v2]) / (v1 + v2),
    lambda m1, v1, m2, v2: (np.average([m1, m2], weights=[1 / v1, 1 / v2]), 1 / (1 / v1 + 1 / v2)),
    lambda m1, v1, m2, v2: Gaussian(mean=(v2 * m1 + v1 * m2) / (v1 + v2), var=v1 * v2 / (v1 + v2)),
)


@right("02.product")
def _(m1, v1, m2, v2):
    """On a fine grid, by nothing but the definition."""
    x = np.linspace(-30, 30, 600_001)
    density = np.exp(-((x - m1) ** 2) / (2 * v1) - (x - m2) ** 2 / (2 * v2))
    density /= density.sum()
    mean = (x * density).sum()
    return mean, ((x - mean) ** 2 * density).sum()


right(
    "02.weights",
    lambda c: (q_posterior(1.0, 0.0, c).mean, q_posterior(0.0, 1.0, c).mean),
    lambda c: [
        np.sqrt(c.alpha_bar_prev) * c.beta / (1 - c.alpha_bar),
        np.sqrt(c.alpha) * (1 - c.alpha_bar_prev) / (1 - c.alpha_bar),
    ],
    lambda c: (
        np.array([c.alpha_bar_prev**0.5 * c.beta, (1 - c.beta) ** 0.5 * (1 - c.alpha_bar_prev)])
        / (1 - c.alpha_bar)
    ),
    lambda c: (
        torch.tensor([c.alpha_bar_prev**0.5 * (1 - c.alpha), c.alpha**0.5 * (1 - c.alpha_bar_prev)])
        / (1 - c.alpha_bar)
    ),
)


@right("02.weights")
def _(c):
    """By precision weighting: x_{t-1} is seen from x_0 and, through one step, from x_t."""
    from_x0, from_xt = 1 / (1 - c.alpha_bar_prev), c.alpha / c.beta
    both = from_x0 + from_xt
    return from_x0 * c.alpha_bar_prev**0.5 / both, from_xt / c.alpha**0.5 / both


right(
    "02.variance",
    lambda c: q_posterior(0.0, 0.0, c).var,
    lambda c: 1 / (c.alpha / c.beta + 1 / (1 - c.alpha_bar_prev)),
    lambda c: (c.beta - c.beta**2 / (1 - c.alpha_bar)) / c.alpha,
    lambda c: np.float32(c.beta * (1 - c.alpha_bar_prev)) / np.float32(1 - c.alpha_bar),
    lambda c: torch.tensor(c.beta) * (1 - c.alpha_bar_prev) / (1 - c.alpha_bar),
)


@right("02.reverse_step")
def _(x_t, t, schedule, eps, z):
    step = p_step(x_t, schedule.at(t), eps).p
    return step.mean + (step.var**0.5 * z if t > 1 else 0)


@right("02.reverse_step")
def _(x_t, t, schedule, eps, z):
    """Through x0_hat and Eq. (7)."""
    c = schedule.at(t)
    x0_hat = (x_t - math.sqrt(1 - c.alpha_bar) * eps) / math.sqrt(c.alpha_bar)
    if t == 1:
        return x0_hat
    return q_posterior(x0_hat, x_t, c).mean + math.sqrt(c.beta) * z


@right("02.reverse_step")
def _(x_t, t, schedule, eps, z):
    """Through x0_hat, by precision weighting, in float64."""
    c = schedule.at(t)
    x_t, eps, z = x_t.double(), eps.double(), z.double()
    x0_hat = (x_t - (1 - c.alpha_bar) ** 0.5 * eps) / c.alpha_bar**0.5
    if t == 1:
        return x0_hat
    from_x0, from_xt = 1 / (1 - c.alpha_bar_prev), c.alpha / c.beta
    mean = from_x0 * c.alpha_bar_prev**0.5 * x0_hat + from_xt * x_t / c.alpha**0.5
    return mean / (from_x0 + from_xt) + c.beta**0.5 * z


@right("02.reverse_step")
def _(x_t, t, schedule, eps, z):
    """With the schedule's tables, NumPy and a loop over the images."""
    beta, bar = schedule.betas[t].item(), schedule.alpha_bars[t].item()
    images = []
    for x, e, noise in zip(x_t.numpy(), eps.numpy(), z.numpy(), strict=True):
        mean = (x - beta / np.sqrt(1 - bar) * e) / np.sqrt(1 - beta)
        images.append(torch.from_numpy(mean + (t > 1) * np.sqrt(beta) * noise))
    return torch.stack(images)


# --- 03 -----------------------------------------------------------------------------------------

right(
    "03.bits_per_dim",
    lambda nats: (nats / np.log(2)).mean(dim=(1, 2, 3)),
    lambda nats: (-torch.log2(torch.exp(-nats))).flatten(1).mean(1),
    lambda nats: nats.numpy().reshape(len(nats), -1).mean(axis=1) / np.log(2),
    lambda nats: [image.mean() / math.log(2) for image in nats],
    lambda nats: [image.mean().item() * math.log2(math.e) for image in nats],
    lambda nats: tuple(image.sum() / image.numel() / math.log(2) for image in nats),
    lambda nats: nats.sum(dim=(1, 2, 3)) / nats[0].numel() / torch.log(torch.tensor(2.0)),
)


@right("03.bits_per_dim")
def _(nats):
    bits = torch.zeros(len(nats))
    for i, image in enumerate(nats.tolist()):
        numbers = [x for channel in image for row in channel for x in row]
        bits[i] = sum(numbers) / len(numbers) / math.log(2)
    return bits


right(
    "03.kl",
    lambda q, p, v: Gaussian(q, v).kl(Gaussian(p, v)),
    lambda q, p, v: ((p - q) / v**0.5) ** 2 / 2,
    lambda q, p, v: 0.5 / v * np.square(np.asarray(q) - np.asarray(p)),
    lambda q, p, v: abs(q - p) * abs(q - p) / v * 0.5,
)


@right("03.kl")
def _(mean_q, mean_p, var):
    q, p = (
        torch.distributions.Normal(torch.as_tensor(mean).double(), math.sqrt(var))
        for mean in (mean_q, mean_p)
    )
    return torch.distributions.kl_divergence(q, p)


right(
    "03.weight",
    noise_weight,
    lambda c, var: (c.beta / (c.alpha * (1 - c.alpha_bar)) ** 0.5) ** 2 / (2 * var),
    lambda c, var: 0.5 * c.beta * c.beta / var / (1 - c.beta) / (1 - c.alpha_bar),
    lambda c, var: np.square(c.beta / np.sqrt(2 * var * c.alpha * (1 - c.alpha_bar))),
    # the distance of the means of Eq. (11) for a guess that is wrong by 1
    lambda c, var: (p_mean_from_eps(0.0, c, 1.0) - p_mean_from_eps(0.0, c, 0.0)) ** 2 / (2 * var),
)


@right("03.one_example")
def _(eps_model, schedule, x_0, t, eps):
    x_t = q_sample(x_0, schedule.at(t, like=x_0), eps)
    return F.mse_loss(eps_model(x_t, t), eps)


@right("03.one_example")
def _(eps_model, schedule, x_0, t, eps):
    """One image at a time, with whole numbers for t."""
    losses = []
    for i in range(len(x_0)):
        x_t = q_sample(x_0[i], schedule.at(int(t[i])), eps[i])
        losses.append(((eps[i] - eps_model(x_t[None], t[i : i + 1])[0]) ** 2).mean().item())
    return sum(losses) / len(losses)


@right("03.one_example")
def _(eps_model, schedule, x_0, t, eps):
    """With the table of alpha_bars, and NumPy at the end."""
    bars = schedule.alpha_bars[t].reshape(-1, 1, 1, 1)
    error = eps_model(bars.sqrt() * x_0 + (1 - bars).sqrt() * eps, t) - eps
    return np.mean(error.numpy() ** 2)


@right("03.one_example")
def _(eps_model, schedule, x_0, t, eps):
    """In float32."""
    bars = schedule.alpha_bars.float()[t][:, None, None, None]
    guess = eps_model(bars**0.5 * x_0.float() + (1 - bars) ** 0.5 * eps.float(), t)
    return torch.square(guess - eps.float()).sum() / guess.numel()


right(
    "03.randint_arguments",
    (1, 1001),
    [1, 1001],
    (1, 1000 + 1),
    (1.0, 1001.0),
    torch.tensor([1, 1001]),
    np.array([1, 1001]),
    (np.int64(1), torch.tensor(1001)),
)

# --- 04 -----------------------------------------------------------------------------------------


right("04.width_seen", receptive_field)


@right("04.width_seen")
def _(layers):
    """From the last layer back to the image."""
    width = 1
    for kernel, stride in reversed(layers):
        width = (width - 1) * stride + kernel
    return width


@right("04.width_seen")
def _(layers):
    kernels, strides = np.array(layers).T
    steps = np.cumprod([1, *strides[:-1]])
    return 1 + ((kernels - 1) * steps).sum()


@right("04.width_seen")
def _(layers):
    """By trying: where is the gradient not zero?"""
    x = torch.zeros(1, 1, 400, dtype=torch.float64, requires_grad=True)
    h = x
    for kernel, stride in layers:
        h = F.conv1d(h, torch.ones(1, 1, kernel, dtype=torch.float64), stride=stride)
    h[0, 0, 0].backward()
    return (x.grad != 0).sum()


right(
    "04.size_back",
    lambda size, halvings: size - size % 2**halvings,
    lambda size, halvings: size >> halvings << halvings,
    lambda size, halvings: math.floor(size / 2**halvings) * 2**halvings,
    lambda size, halvings: int(size / 2**halvings) * 2.0**halvings,
    lambda size, halvings: torch.tensor(size).div(2**halvings, rounding_mode="floor") * 2**halvings,
)


@right("04.size_back")
def _(size, halvings):
    for _ in range(halvings):
        size = size // 2
    for _ in range(halvings):
        size = size * 2
    return size


@right("04.block_parameters")
def _(w_in, w_out, emb):
    with torch.device("meta"):
        block = ResBlock(w_in, w_out, emb=emb, groups=1)
    return sum(parameter.numel() for parameter in block.parameters())


@right("04.block_parameters")
def _(w_in, w_out, emb):
    total = 2 * w_in + 2 * w_out + 9 * (w_in + w_out) * w_out + 3 * w_out + emb * w_out
    if w_in != w_out:
        total += (w_in + 1) * w_out
    return total


right(
    "04.embedding",
    sinusoids,
    lambda t, width: torch.cat(
        [
            f(
                torch.outer(
                    t.float(),
                    torch.exp(-math.log(10_000) * torch.arange(width // 2) / (width // 2)),
                )
            )
            for f in (torch.sin, torch.cos)
        ],
        dim=1,
    ),
    lambda t, width: [
        [f(s * 10_000 ** (-2 * k / width)) for f in (math.sin, math.cos) for k in range(width // 2)]
        for s in t.tolist()
    ],
)


@right("04.embedding")
def _(t, width):
    half = width // 2
    angles = t.numpy()[:, None] / np.power(10_000, np.arange(half) / half)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


@right("04.embedding")
def _(t, width):
    half = width // 2
    rows = torch.zeros(len(t), width)
    for i in range(len(t)):
        for k in range(half):
            angle = t[i] / 10_000 ** (k / half)
            rows[i, k], rows[i, half + k] = torch.sin(angle), torch.cos(angle)
    return rows


@right("04.embedding")
def _(t, width):
    """Rows of tensors in a list."""
    frequencies = torch.logspace(0, -4, width // 2 + 1, dtype=torch.float64)[:-1]
    return [torch.cat([(s * frequencies).sin(), (s * frequencies).cos()]) for s in t]


right(
    "04.inject",
    lambda h, shift: h + shift.unsqueeze(-1).unsqueeze(-1),
    lambda h, shift: h + shift.view(*shift.shape, 1, 1),
    lambda h, shift: (h.permute(0, 2, 3, 1) + shift[:, None, None]).permute(0, 3, 1, 2),
    lambda h, shift: h.numpy() + shift.numpy()[:, :, None, None],
    lambda h, shift: h + torch.einsum("bc,hw->bchw", shift, torch.ones(h.shape[2:])),
    lambda h, shift: h.double() + shift.double()[..., None, None].expand_as(h),
    lambda h, shift: [
        [plane + s for plane, s in zip(*pair, strict=True)] for pair in zip(h, shift, strict=True)
    ],
)


@right("04.inject")
def _(h, shift):
    out = h.clone()
    for b in range(len(h)):
        for channel in range(h.shape[1]):
            out[b, channel] += shift[b, channel]
    return out


# --- 05 -----------------------------------------------------------------------------------------


@right("05.one_step")
def _(w, lr, c, x_0, eps):
    """By autograd, in float32, as `torch.tensor(w)` is."""
    w = torch.tensor(w, requires_grad=True)
    ((w * q_sample(x_0, c, eps) - eps) ** 2).mean().backward()
    return w - lr * w.grad


@right("05.one_step")
def _(w, lr, c, x_0, eps):
    """By an optimiser."""
    weight = torch.nn.Parameter(torch.tensor([w], dtype=torch.float64))
    optimizer = torch.optim.SGD([weight], lr=lr)
    F.mse_loss(weight * q_sample(x_0, c, eps), eps).backward()
    optimizer.step()
    return weight


@right("05.one_step")
def _(w, lr, c, x_0, eps):
    """The bracket multiplied out, in NumPy."""
    x_t = q_sample(x_0, c, eps).numpy()
    return w * (1 - 2 * lr * np.mean(x_t**2)) + 2 * lr * np.mean(x_t * eps.numpy())


@right("05.one_step")
def _(w, lr, c, x_0, eps):
    """With a difference in place of the derivative: exact for a parabola."""

    def loss(w):
        return sum((w * a - b) ** 2 for a, b in zip(x_t, target, strict=True)) / len(x_t)

    x_t, target = q_sample(x_0, c, eps).flatten().tolist(), eps.flatten().tolist()
    return w - lr * (loss(w + 0.01) - loss(w - 0.01)) / 0.02


right(
    "05.steps",
    18760,
    18760.0,
    20 * -(-60_000 // 64),
    20 * np.ceil(60_000 / 64),
    torch.tensor(20 * math.ceil(60_000 / 64)),
    20 * len(torch.arange(60_000).split(64)),
    sum(1 for _ in range(20) for _ in range(0, 60_000, 64)),
)
right(
    "05.images",
    lambda m, s, p: s**2 / (p * m) ** 2,
    lambda m, s, p: (s / m / p) ** 2,
    lambda m, s, p: np.square(s / np.float64(p * m)),
    lambda m, s, p: torch.tensor(s / (p * m)).pow(2),
    lambda m, s, p: math.exp(2 * (math.log(s) - math.log(p) - math.log(m))),
    lambda m, s, p: round((s / (p * m)) ** 2),
    lambda m, s, p: [s * s / (p * p * m * m)],
)
right(
    "05.ema",
    lambda a, b, w, n, d: torch.lerp(w, a, min(d, (1 + n) / (10 + n))),
    lambda a, b, w, n, d: a + (1 - min(d, (n + 1) / (n + 10))) * (w - a),
    lambda a, b, w, n, d: a - max(1 - d, 9 / (10 + n)) * (a - w),
    lambda a, b, w, n, d: np.average(
        [a.numpy(), w.numpy()],
        axis=0,
        weights=[np.minimum(d, (1 + n) / (10 + n)), 1 - np.minimum(d, (1 + n) / (10 + n))],
    ),
)


@right("05.ema")
def _(average, before, after, n, decay):
    d = (1 + n) / (10 + n)
    if d > decay:
        d = decay
    return [d * a + (1 - d) * b for a, b in zip(average, after, strict=True)]


@right("05.ema")
def _(average, before, after, n, decay):
    d = torch.minimum(torch.tensor(decay), torch.tensor((1 + n) / (10 + n)))
    return average.clone().mul_(d).add_(after * (1 - d))


# --- 06 -----------------------------------------------------------------------------------------

right(
    "06.timesteps",
    range(1000, 0, -1),
    reversed(range(1, 1001)),
    range(1, 1001)[::-1],
    list(reversed(range(1, 1001))),
    reversed([*range(1, 1001)]),
    sorted(range(1, 1001), reverse=True),
    tuple(range(1000, 0, -1)),
    torch.arange(1000, 0, -1),
    torch.arange(1, 1001).flip(0),
    np.arange(1000, 0, -1),
    np.arange(1, 1001)[::-1],
    np.linspace(1000, 1, 1000),
    [1000 - i for i in range(1000)],
)


@right("06.sampler")
def _(eps_model, schedule, x_T, z):
    """With the library's step, and zeros for the last noise."""
    x = x_T
    for t in reversed(range(1, schedule.T + 1)):
        step = p_step(x, schedule.at(t), eps_model(x, torch.tensor([t] * len(x)))).p
        noise = z[t] if t > 1 else torch.zeros_like(x)
        x = step.mean + step.var**0.5 * noise
    return x


@right("06.sampler")
def _(eps_model, schedule, x_T, z):
    """Through x0_hat and Eq. (7)."""
    x, t = x_T, schedule.T
    while t >= 1:
        c = schedule.at(t)
        x0_hat = predict_x0(x, c, eps_model(x, t * torch.ones(len(x), dtype=torch.int64)))
        x = q_posterior(x0_hat, x, c).mean
        if t != 1:
            x = x + math.sqrt(c.beta) * z[t]
        t -= 1
    return x


@right("06.sampler")
def _(eps_model, schedule, x_T, z):
    """With the schedule's tables, in float64."""
    betas, bars = schedule.betas, torch.cumprod(1 - schedule.betas, 0)
    x = x_T.double()
    for t in range(schedule.T, 0, -1):
        eps = eps_model(x, torch.full((len(x),), t))
        x = (x - betas[t] / torch.sqrt(1 - bars[t]) * eps) / torch.sqrt(1 - betas[t])
        x += (t > 1) * torch.sqrt(betas[t]) * z[t]
    return x


@right("06.sampler")
def _(eps_model, schedule, x_T, z):
    """In NumPy, but for the network; the last step behind the loop."""

    def mean(x, t):
        c = schedule.at(t)
        eps = eps_model(torch.from_numpy(x), torch.full((len(x),), t)).numpy()
        return (x - c.beta / np.sqrt(1 - c.alpha_bar) * eps) / np.sqrt(c.alpha)

    x = x_T.numpy()
    for t in range(schedule.T, 1, -1):
        x = mean(x, t) + np.sqrt(schedule.at(t).beta) * z[t].numpy()
    return mean(x, 1)


right(
    "06.sigmas",
    lambda c: [math.sqrt(c.beta), math.sqrt(q_posterior(0.0, 0.0, c).var)],
    lambda c: np.sqrt([c.beta, c.beta * (1 - c.alpha_bar_prev) / (1 - c.alpha_bar)]),
    lambda c: torch.tensor([c.beta, (1 - c.alpha_bar_prev) / (1 - c.alpha_bar) * c.beta]).sqrt(),
    lambda c: (math.sqrt(c.beta), math.sqrt(1 / (c.alpha / c.beta + 1 / (1 - c.alpha_bar_prev)))),
    lambda c: (c.beta**0.5, c.beta**0.5 * ((1 - c.alpha_bar_prev) / (1 - c.alpha_bar)) ** 0.5),
    lambda c: ((1 - c.alpha) ** 0.5, ((c.beta - c.beta**2 / (1 - c.alpha_bar)) / c.alpha) ** 0.5),
)
right(
    "06.clipped_step",
    lambda x, c, e, z: p_step(x, c, e, clip_x0=1.0).p.mean + c.beta**0.5 * z,
    lambda x, c, e, z: (
        q_posterior(F.hardtanh(predict_x0(x, c, e)), x, c).mean + math.sqrt(c.beta) * z
    ),
)


@right("06.clipped_step")
def _(x_t, c, eps, z):
    """By Eq. (11), with the eps that fits the clipped x0_hat."""
    x0_hat = torch.clip(predict_x0(x_t, c, eps), -1, 1)
    return p_mean_from_eps(x_t, c, predict_eps(x_t, c, x0_hat)) + c.beta**0.5 * z


@right("06.clipped_step")
def _(x_t, c, eps, z):
    """In NumPy, by precision weighting."""
    x, e, noise = x_t.numpy(), eps.numpy(), z.numpy()
    x0_hat = np.clip((x - np.sqrt(1 - c.alpha_bar) * e) / np.sqrt(c.alpha_bar), -1, 1)
    from_x0, from_xt = 1 / (1 - c.alpha_bar_prev), c.alpha / c.beta
    mean = from_x0 * np.sqrt(c.alpha_bar_prev) * x0_hat + from_xt * x / np.sqrt(c.alpha)
    return mean / (from_x0 + from_xt) + np.sqrt(c.beta) * noise


@right("06.clipped_step")
def _(x_t, c, eps, z):
    """By masks, in float64."""
    x0_hat = predict_x0(x_t.double(), c, eps.double())
    x0_hat[x0_hat > 1] = 1
    x0_hat[x0_hat < -1] = -1
    weight_x0 = c.alpha_bar_prev**0.5 * c.beta / (1 - c.alpha_bar)
    weight_xt = c.alpha**0.5 * (1 - c.alpha_bar_prev) / (1 - c.alpha_bar)
    return weight_x0 * x0_hat + weight_xt * x_t + c.beta**0.5 * z


# --- 07 -----------------------------------------------------------------------------------------

right(
    "07.standard_error",
    lambda p, n: (p * (1 - p) / n) ** 0.5,
    lambda p, n: (p - p**2) ** 0.5 / n**0.5,
    lambda p, n: np.sqrt(p * (1 - p)) / np.sqrt(n),
    lambda p, n: torch.tensor(p * (1 - p) / n).sqrt(),
    lambda p, n: torch.distributions.Bernoulli(p).stddev / math.sqrt(n),
    lambda p, n: torch.distributions.Binomial(n, torch.tensor(p)).stddev / n,
)
right(
    "07.samples_needed",
    lambda p, d: (2 * math.sqrt(p * (1 - p)) / d) ** 2,
    lambda p, d: (p - p**2) / (d / 2) ** 2,
    lambda p, d: np.square(2 / d) * p * (1 - p),
    lambda p, d: torch.tensor(4 * p * (1 - p)) / torch.tensor(d) ** 2,
    lambda p, d: round(4 * p * (1 - p) / d**2),  # it happens to be whole
)


@right("07.diagonal_frechet")
def _(mean_a, var_a, mean_b, var_b):
    a, b = Moments(mean_a, torch.diag(var_a)), Moments(mean_b, torch.diag(var_b))
    return frechet_distance(a, b)


right(
    "07.diagonal_frechet",
    lambda ma, va, mb, vb: ((ma - mb) ** 2).sum() + ((va.sqrt() - vb.sqrt()) ** 2).sum(),
    lambda ma, va, mb, vb: (ma - mb).norm() ** 2 + torch.dist(va.sqrt(), vb.sqrt()) ** 2,
    lambda ma, va, mb, vb: (
        (ma - mb) @ (ma - mb) + torch.trace(torch.diag(va + vb - 2 * (va * vb) ** 0.5))
    ),
    lambda ma, va, mb, vb: sum((ma - mb) ** 2 + va + vb - 2 * torch.sqrt(va * vb)),
    lambda ma, va, mb, vb: np.sum(
        np.square(ma.numpy() - mb.numpy()) + np.square(np.sqrt(va.numpy()) - np.sqrt(vb.numpy()))
    ),
    lambda ma, va, mb, vb: (
        ((ma.float() - mb.float()) ** 2 + (va.float() ** 0.5 - vb.float() ** 0.5) ** 2).sum().item()
    ),
)


@right("07.diagonal_frechet")
def _(mean_a, var_a, mean_b, var_b):
    total = 0.0
    for i in range(len(mean_a)):
        total += (mean_a[i] - mean_b[i]) ** 2
        total += var_a[i] + var_b[i] - 2 * math.sqrt(var_a[i] * var_b[i])
    return total


right(
    "07.price_of_noise",
    lambda share, pixels: math.log2(1 / share) / pixels,
    lambda share, pixels: -math.log(share) / math.log(2) / pixels,
    lambda share, pixels: -math.log(share, 2) / pixels,
    lambda share, pixels: -np.log2(share) / pixels,
    lambda share, pixels: -torch.log2(torch.tensor(share)) / pixels,
    lambda share, pixels: sum(-math.log2(share) for _ in range(pixels)) / pixels**2,
)
right(
    "07.nearest_other",
    lambda images: nearest(images, images, k=2).distances[:, 1],
    lambda images: torch.cdist(images.flatten(1), images.flatten(1)).sort(dim=1).values[:, 1],
    lambda images: (
        torch.cdist(images.flatten(1), images.flatten(1)).topk(2, largest=False).values[:, 1]
    ),
    lambda images: [
        min((a - b).norm() for j, b in enumerate(images) if j != i) for i, a in enumerate(images)
    ],
    lambda images: sorted_distances(images.numpy())[:, 1],
    lambda images: (
        torch.cdist(images.float().flatten(1), images.float().flatten(1))
        .fill_diagonal_(1e9)
        .amin(1)
    ),
)


def sorted_distances(images: np.ndarray) -> np.ndarray:
    rows = images.reshape(len(images), -1)
    return np.sort(np.linalg.norm(rows[:, None] - rows[None], axis=-1), axis=1)


@right("07.nearest_other")
def _(images):
    found = []
    for i in range(len(images)):
        best = float("inf")
        for j in range(len(images)):
            if i != j:
                best = min(best, float(((images[i] - images[j]) ** 2).sum().sqrt()))
        found.append(best)
    return torch.tensor(found)


@right("07.nearest_other")
def _(images):
    """By the products of all pairs."""
    rows = images.flatten(1)
    products = rows @ rows.T
    squares = products.diag()[:, None] + products.diag()[None] - 2 * products
    squares = squares + torch.diag(torch.full((len(rows),), torch.inf))
    return squares.min(dim=0).values.sqrt()


# --- 08 -----------------------------------------------------------------------------------------

right(
    "08.score",
    score_from_eps,
    lambda eps, c: -eps / math.sqrt(1 - c.alpha_bar),
    lambda eps, c: -1 / np.sqrt(1 - c.alpha_bar) * np.asarray(eps),
    lambda eps, c: -torch.as_tensor(eps) * torch.tensor(1 - c.alpha_bar).rsqrt(),
    lambda eps, c: -((1 - c.alpha_bar) ** 0.5 * eps) / (1 - c.alpha_bar),  # (mean - x_t) / var
    lambda eps, c: -q_sample(0 * eps, c, eps) / q_marginal(0 * eps, c).var,
)


@right("08.score")
def _(eps, c):
    """The slope of the logarithm of the bell around sqrt(alpha_bar) x_0, by autograd."""
    eps, var = torch.as_tensor(eps).double(), 1 - c.alpha_bar
    x_t = (var**0.5 * eps).requires_grad_()
    (slope,) = torch.autograd.grad((-(x_t**2) / (2 * var)).sum(), x_t)
    return slope


right(
    "08.langevin_step",
    lambda x, s, h, z: x + 0.5 * h * s + math.sqrt(h) * z,
    lambda x, s, h, z: np.asarray(x) + h * np.asarray(s) / 2 + np.sqrt(h) * z,
    lambda x, s, h, z: x + h**0.5 * (h**0.5 / 2 * s + z),
    lambda x, s, h, z: x + s * (h / 2) + (2 * (h / 2)) ** 0.5 * z,
    lambda x, s, h, z: torch.add(torch.as_tensor(x), torch.as_tensor(s), alpha=h / 2) + h**0.5 * z,
)


@right("08.jump")
def _(x, eps, alpha_bar, alpha_bar_to):
    return flow_jump(x, eps, alpha_bar=alpha_bar, alpha_bar_to=alpha_bar_to)


@right("08.jump")
def _(x, eps, alpha_bar, alpha_bar_to):
    """DDIM: to x0_hat, and as far back."""
    x0_hat = (x - (1 - alpha_bar) ** 0.5 * eps) / alpha_bar**0.5
    return alpha_bar_to**0.5 * x0_hat + (1 - alpha_bar_to) ** 0.5 * eps


@right("08.jump")
def _(x, eps, alpha_bar, alpha_bar_to):
    """In NumPy, in two straight pieces with the same slope."""
    x, eps = np.asarray(x), np.asarray(eps)
    sigma, sigma_to = (np.sqrt(1 / bar - 1) for bar in (alpha_bar, alpha_bar_to))
    y = x / np.sqrt(alpha_bar)
    for piece in np.diff([sigma, (sigma + sigma_to) / 2, sigma_to]):
        y = y + piece * eps
    return y * np.sqrt(alpha_bar_to)


def settled(s2: float, h: float) -> float:
    """The variance of many steps of Langevin dynamics, by the recursion."""
    v = 0.0
    for _ in range(1000):
        v = (1 - h / (2 * s2)) ** 2 * v + h
    return v


right(
    "08.walkers_variance",
    0.064,
    np.float32(0.064),
    torch.tensor(0.064),
    Fraction(64, 1000),
    settled(0.04, 0.06),
    4 * 0.04**2 / (4 * 0.04 - 0.06),
    np.roots([(1 - 0.06 / 0.08) ** 2 - 1, 0.06])[0],
)

# --- 09 -----------------------------------------------------------------------------------------


@right("09.jump")
def _(x_t, x0_hat, c, sigma, z):
    eps = (x_t - math.sqrt(c.alpha_bar) * x0_hat) / math.sqrt(1 - c.alpha_bar)
    bar = c.alpha_bar_prev
    return math.sqrt(bar) * x0_hat + math.sqrt(1 - bar - sigma**2) * eps + sigma * z


@right("09.jump")
def _(x_t, x0_hat, c, sigma, z):
    """In NumPy; what is left of x_t, and what comes to it of x0_hat."""
    x_t, x0_hat, z = (np.asarray(x, dtype=np.float64) for x in (x_t, x0_hat, z))
    keep = np.sqrt((1 - c.alpha_bar_prev - sigma**2) / (1 - c.alpha_bar))
    return (
        keep * x_t + (np.sqrt(c.alpha_bar_prev) - keep * np.sqrt(c.alpha_bar)) * x0_hat + sigma * z
    )


right(
    "09.grid",
    lambda T, steps: range(T, 0, -((T - 1) // (steps - 1))),
    lambda T, steps: list(range(1, T + 1, (T - 1) // (steps - 1)))[::-1],
    lambda T, steps: reversed(range(1, T + 1, (T - 1) // (steps - 1))),
    lambda T, steps: np.linspace(T, 1, steps).round().astype(int),
    lambda T, steps: np.linspace(T, 1, steps),
    lambda T, steps: torch.linspace(T, 1, steps).round().int(),
    lambda T, steps: torch.linspace(T, 1, steps).round().long().tolist(),
    lambda T, steps: torch.linspace(T, 1, steps),
    lambda T, steps: torch.linspace(1, T, steps).flip(0).tolist(),
    lambda T, steps: [round(T - i * (T - 1) / (steps - 1)) for i in range(steps)],
    lambda T, steps: [T - i * ((T - 1) / (steps - 1)) for i in range(steps)],
    lambda T, steps: tuple(1 + i * (T - 1) // (steps - 1) for i in reversed(range(steps))),
)


@right("09.grid")
def _(T, steps):
    gap, times, t = (T - 1) / (steps - 1), [], float(T)
    while len(times) < steps:
        times.append(round(t))
        t = t - gap
    return times


right(
    "09.order",
    lambda e1, e2: math.log(e1 / e2, 2),
    lambda e1, e2: math.log2(e1) - math.log2(e2),
    lambda e1, e2: -math.log(e2 / e1) / math.log(2),
    lambda e1, e2: np.log2(e1 / e2),
    lambda e1, e2: torch.log2(torch.tensor(e1) / torch.tensor(e2)),
    lambda e1, e2: -np.polyfit([0, 1], np.log2([e1, e2]), 1)[0],
)
right(
    "09.ahead",
    lambda new, old, h, k: new + (new - old) / k * (h / 2),
    lambda new, old, h, k: (1 + h / (2 * k)) * new - h / (2 * k) * old,
    lambda new, old, h, k: torch.lerp(torch.as_tensor(old), torch.as_tensor(new), 1 + h / k / 2),
    lambda new, old, h, k: np.asarray(new) + h / 2 * (np.asarray(new) - np.asarray(old)) / k,
)
right(
    "09.slerp",
    lambda x, y, share: slerp_images(x[None], y[None], share)[0],
)


@right("09.slerp")
def _(x, y, share):
    """In NumPy, with the angle of the unit vectors."""
    x, y = x.numpy(), y.numpy()
    theta = np.arccos(np.dot(x / np.linalg.norm(x), y / np.linalg.norm(y)))
    return (
        np.sin((1 - share) * theta) / np.sin(theta) * x + np.sin(share * theta) / np.sin(theta) * y
    )


@right("09.slerp")
def _(x, y, share):
    """With math, number by number."""
    x, y = x.tolist(), y.tolist()
    dot = sum(a * b for a, b in zip(x, y, strict=True))
    theta = math.acos(dot / math.hypot(*x) / math.hypot(*y))
    weights = [math.sin(s * theta) / math.sin(theta) for s in (1 - share, share)]
    return [weights[0] * a + weights[1] * b for a, b in zip(x, y, strict=True)]


@right("09.slerp")
def _(x, y, share):
    """A quarter turn from x towards y, stretched: cos and sin in place of two sines."""
    cos = F.cosine_similarity(x, y, dim=0)
    theta = torch.atan2((1 - cos**2).sqrt(), cos)
    return (share * theta).cos() * x + (share * theta).sin() * (y - cos * x) / theta.sin()


# --- 10 -----------------------------------------------------------------------------------------

right(
    "10.variance",
    0.2,
    1 / 5,
    np.float64(0.2),
    torch.tensor(0.2),
    Fraction(1, 5),
    1 / (4 / 0.5 + (1 - 4) / 1),
    torch.linalg.inv(torch.tensor([[4 * 2.0 - 3.0]])),  # a matrix of one number
)
right(
    "10.by_slope",
    lambda e, s, c, w: e + w * eps_from_score(s, c),
    lambda e, s, c, w: e - w * math.sqrt(1 - c.alpha_bar) * s,
    lambda e, s, c, w: np.asarray(e) - np.sqrt(1 - c.alpha_bar) * w * np.asarray(s),
)


@right("10.by_slope")
def _(eps, slope, c, weight):
    """By the scores: add them, and back to a noise."""
    sigma = (1 - c.alpha_bar) ** 0.5
    score = -eps / sigma + weight * slope
    return -sigma * score


right(
    "10.hide",
    lambda y, u, share: torch.where(u < share, -1, y),
    lambda y, u, share: torch.where(u < share, torch.tensor(-1), y),
    lambda y, u, share: torch.where(u >= share, y, torch.full_like(y, -1)),
    lambda y, u, share: np.where(u.numpy() < share, -1, y.numpy()),
    lambda y, u, share: y * (u >= share) - 1 * (u < share),
    lambda y, u, share: (y + 1) * (u > share).long() - 1,
    lambda y, u, share: [-1 if p < share else d for d, p in zip(y, u, strict=True)],
    lambda y, u, share: [
        -1 if p < share else d for d, p in zip(y.tolist(), u.tolist(), strict=True)
    ],
)


@right("10.hide")
def _(labels, u, share):
    hidden = labels.clone()
    hidden[u < share] = -1
    return hidden


@right("10.hide")
def _(labels, u, share):
    """Labels as floats, from a loop."""
    out = torch.zeros(len(labels))
    for i in range(len(labels)):
        out[i] = labels[i] if u[i] > share else -1
    return out


right(
    "10.guided",
    lambda a, b, w: w * a + (1 - w) * b,
    lambda a, b, w: a + (w - 1) * (a - b),  # the paper's w is ours - 1
    lambda a, b, w: torch.lerp(torch.as_tensor(b), torch.as_tensor(a), w),
    lambda a, b, w: np.asarray(b) + w * (np.asarray(a) - np.asarray(b)),
    lambda a, b, w: b - w * (b - a),
)
right(
    "10.away",
    lambda f, a, b, w: f + w * a - w * b,
    lambda f, a, b, w: f + w * (a - f) - w * (b - f),
    lambda f, a, b, w: np.asarray(f) - w * (np.asarray(b) - np.asarray(a)),
    lambda f, a, b, w: sum(w * torch.as_tensor(x) for w, x in ((1, f), (w, a), (-w, b))),
)

# --- 11 -----------------------------------------------------------------------------------------

right(
    "11.kl",
    lambda m, v: Gaussian(m, v).kl(Gaussian(torch.zeros_like(m), torch.ones_like(v))),
    lambda m, v: -0.5 * (1 + torch.log(v) - m**2 - v),  # as most VAEs have it
    lambda m, v: 0.5 * (m.numpy() ** 2 + v.numpy() - 1 - np.log(v.numpy())),
    lambda m, v: m.square() / 2 + (v - 1) / 2 - torch.log(torch.sqrt(v)),
    lambda m, v: 0.5 * (np.square(m) + v - 1 - np.log(v)),
)


@right("11.kl")
def _(mean, var):
    normal = torch.distributions.Normal
    return torch.distributions.kl_divergence(normal(mean, var.sqrt()), normal(0.0, 1.0))


right(
    "11.draw",
    lambda m, lv, z: m + torch.exp(0.5 * lv) * z,
    lambda m, lv, z: m + lv.exp().sqrt() * z,
    lambda m, lv, z: torch.addcmul(m, (lv / 2).exp(), z),
    lambda m, lv, z: m + np.sqrt(np.exp(lv)) * z,
    lambda m, lv, z: m.numpy() + np.exp(lv.numpy() / 2) * z.numpy(),
    lambda m, lv, z: m + math.e ** (lv / 2) * z,
    lambda m, lv, z: m.double() + torch.pow(lv.double().exp(), 0.5) * z.double(),
)
right(
    "11.there_and_back",
    lambda c, d, h, s: [(c - h) / s, h + s * d],
    lambda c, d, h, s: torch.stack([(c - h) / s, d * s + h]),
    lambda c, d, h, s: (
        c / s - h / s,
        (d + h / s) * s,
    ),
    lambda c, d, h, s: (
        (c - h).numpy() / s.numpy(),
        (d * s + h).numpy(),
    ),
    lambda c, d, h, s: np.stack([(c - h) / s, d * s + h]),
)


@right("11.there_and_back")
def _(code, drawn, shift, scale):
    """A channel at a time."""
    learnt, decoded = torch.empty_like(code), torch.empty_like(drawn)
    for i in range(code.shape[1]):
        learnt[:, i] = (code[:, i] - shift[0, i]) / scale[0, i]
        decoded[:, i] = drawn[:, i] * scale[0, i] + shift[0, i]
    return learnt, decoded


right(
    "11.signal_to_noise",
    lambda c, std: (std * c.alpha_bar**0.5) ** 2 / (1 - c.alpha_bar),
    lambda c, std: std * std / (1 / c.alpha_bar - 1),
    lambda c, std: np.square(std) * c.alpha_bar / np.float64(1 - c.alpha_bar),
    lambda c, std: math.exp(2 * math.log(std) + math.log(c.alpha_bar) - math.log(1 - c.alpha_bar)),
    lambda c, std: torch.tensor(std).pow(2) * c.alpha_bar / (1 - c.alpha_bar),
)
right(
    "11.savings",
    12,
    12.0,
    Fraction(3 * 64, 16),
    np.float32(12),
    torch.tensor(12),
    1024 * 1024 * 3 / (128 * 128 * 16),
    torch.zeros(3, 1024, 1024, device="meta").numel()
    / torch.zeros(16, 128, 128, device="meta").numel(),
)

# --- 12 -----------------------------------------------------------------------------------------

right(
    "12.adjoint",
    lambda y, factor: shrink(factor).adjoint(y),
    lambda y, factor: F.interpolate(y, scale_factor=factor) / factor**2,
    lambda y, factor: torch.kron(y, torch.full((factor, factor), 1 / factor**2)),
    lambda y, factor: np.repeat(np.repeat(y.numpy(), factor, axis=2), factor, axis=3) / factor**2,
    lambda y, factor: (
        F.conv_transpose2d(y, torch.ones(1, 1, factor, factor), stride=factor) / factor**2
    ),
)


@right("12.adjoint")
def _(y, factor):
    """The transpose by autograd: the gradient of y . A x."""
    batch, channels, rows, columns = y.shape
    x = torch.zeros(batch, channels, rows * factor, columns * factor, requires_grad=True)
    return torch.autograd.grad((y * F.avg_pool2d(x, factor)).sum(), x)[0]


@right("12.adjoint")
def _(y, factor):
    out = torch.zeros(*y.shape[:2], y.shape[2] * factor, y.shape[3] * factor, dtype=torch.float64)
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            out[:, :, i, j] = y[:, :, i // factor, j // factor] / factor**2
    return out


right(
    "12.posterior",
    lambda m, v, y, s: (
        (m / v + y / s**2) / (1 / v + 1 / s**2),
        1 / (1 / v + 1 / s**2),
    ),
    lambda m, v, y, s: [
        (s**2 * m + v * y) / (v + s**2),
        v - v**2 / (v + s**2),
    ],
    lambda m, v, y, s: np.array([s**2 * m + v * y, v * s**2]) / (v + s**2),
    lambda m, v, y, s: torch.tensor([s**2 * m + v * y, v * s**2]) / (v + s**2),
)


@right("12.posterior")
def _(mean, var, y, noise_std):
    """x and y as one Gaussian, conditioned."""
    covariance = np.array([[var, var], [var, var + noise_std**2]])
    gain = covariance[0, 1] / covariance[1, 1]
    return Gaussian(mean + gain * (y - mean), covariance[0, 0] - gain * covariance[1, 0])


right(
    "12.known",
    lambda y, s, b, z: math.sqrt(b) * y + math.sqrt(1 - b * (1 + s**2)) * z,
    lambda y, s, b, z: (
        np.sqrt(b) * np.asarray(y) + np.sqrt(1 - b - (np.sqrt(b) * s) ** 2) * np.asarray(z)
    ),
    lambda y, s, b, z: b**0.5 * (y + ((1 - b) / b - s**2) ** 0.5 * z),
)


@right("12.known")
def _(y, noise_std, alpha_bar, z):
    """In float64."""
    y, z = (torch.as_tensor(x, dtype=torch.float64) for x in (y, z))
    scaled, had = alpha_bar**0.5 * y, alpha_bar * noise_std**2
    return scaled + torch.tensor(1 - alpha_bar - had, dtype=torch.float64).sqrt() * z


right(
    "12.certainty",
    lambda votes: math.prod((row.max() / row.sum()).item() for row in votes),
    lambda votes: math.prod(max(row) / sum(row) for row in votes.tolist()),
    lambda votes: np.prod(votes.numpy().max(axis=1) / votes.numpy().sum(axis=1)),
    lambda votes: (votes.amax(1) / votes.sum(1)).log().sum().exp(),
    lambda votes: (votes.double() / votes.sum(dim=1, keepdim=True)).max(dim=1).values.prod().item(),
    lambda votes: votes.max(dim=1).values.prod() / votes.sum(dim=1).prod(),
    lambda votes: (votes.max(dim=1, keepdim=True).values / votes.sum(dim=1, keepdim=True)).prod(0),
)


@right("12.certainty")
def _(votes):
    certainty = 1.0
    for row in votes:
        certainty *= row[row.argmax()] / row.sum()
    return certainty


@right("12.start")
def _(y, noise_std, schedule):
    t = noise_timestep(schedule, noise_std)
    return t, schedule.at(t).alpha_bar ** 0.5 * y


@right("12.start")
def _(y, noise_std, schedule):
    """A loop that keeps the best, over the standard deviations."""
    best, best_t = float("inf"), None
    for t in range(1, schedule.T + 1):
        bar = schedule.at(t).alpha_bar
        if abs(math.sqrt((1 - bar) / bar) - noise_std) < best:
            best, best_t = abs(math.sqrt((1 - bar) / bar) - noise_std), t
    return [best_t, math.sqrt(schedule.at(best_t).alpha_bar) * y]


@right("12.start")
def _(y, noise_std, schedule):
    """Solved for alpha_bar; t = 0 is searched along, and never the nearest."""
    t = (schedule.alpha_bars - 1 / (1 + noise_std**2)).abs().argmin()
    return t, schedule.alpha_bars[t].sqrt() * y


@right("12.start")
def _(y, noise_std, schedule):
    """In NumPy; the scaled image straight from the noise, which fits exactly."""
    bars = schedule.alpha_bars.numpy()
    t = np.argmin(np.abs((1 - bars) / bars - noise_std**2))
    return t, y.numpy() / np.sqrt(1 + noise_std**2)


# ------------------------------------------------------------------------------------------------


def test_every_exercise_has_another_right_answer():
    assert list(dict.fromkeys(sorted(RIGHT))) == sorted(EXERCISES)
    assert all(len(answers) >= 2 for answers in RIGHT.values())


@pytest.mark.filterwarnings("ignore:__array_wrap__")  # NumPy's functions of tensors
@pytest.mark.parametrize(
    ("name", "i"), [(name, i) for name, answers in RIGHT.items() for i in range(len(answers))]
)
def test_a_right_answer_written_otherwise_passes(name, i):
    exercise, answer = EXERCISES[name], RIGHT[name][i]
    assert callable(answer) == (name in FUNCTIONS)
    for seed in range(4 if callable(answer) else 1):
        verdict = exercise.check(answer, seed=seed)
        assert verdict.outcome == "passed", verdict


def mapped(form, value):
    """`form` of every tensor and number in a result; tuples and lists stay what they are."""
    if isinstance(value, (tuple, list, range)):
        return (
            type(value)([mapped(form, one) for one in value])
            if type(value) in (tuple, list)
            else value
        )
    return form(value)


FORMS = {
    "arrays": lambda value: mapped(np.asarray, value),
    "arrays of float32": lambda value: mapped(lambda x: np.asarray(x, dtype=np.float32), value),
    "tensors": lambda value: mapped(torch.as_tensor, value),
    "one number in a tensor (1,)": lambda value: mapped(
        lambda x: torch.as_tensor(x).reshape(1) if np.size(x) == 1 and np.ndim(x) == 0 else x, value
    ),
    "lists": lambda value: mapped(lambda x: torch.as_tensor(x).tolist(), value),
    "lists of tensors": lambda value: mapped(
        lambda x: list(x) if isinstance(x, torch.Tensor) and x.ndim > 0 else x, value
    ),
    "a list for a tuple": lambda value: list(value) if isinstance(value, tuple) else value,
    "a gradient attached": lambda value: mapped(
        lambda x: (
            x.clone().requires_grad_()
            if isinstance(x, torch.Tensor) and x.is_floating_point()
            else x
        ),
        value,
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("form", FORMS)
def test_the_form_of_a_right_answer_does_not_matter(form, name):
    exercise = EXERCISES[name]
    verdict = exercise.check(lambda *arguments: FORMS[form](exercise.solution(*arguments)), seed=1)
    assert verdict.outcome == "passed", verdict


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("kind", [float, np.float64, np.asarray, torch.tensor, lambda x: [x]])
def test_a_right_number_may_be_of_any_kind(kind, name):
    exercise = EXERCISES[name]
    value = exercise.solution()
    given = mapped(kind, value) if not isinstance(value, range) else [*map(kind, value)]
    assert exercise.check(given).outcome == "passed"


def test_the_alternatives_are_no_copies_of_the_solutions():
    for name, answers in RIGHT.items():
        if name in FUNCTIONS:
            solution = inspect.unwrap(EXERCISES[name].solution)
            codes = [inspect.unwrap(answer).__code__.co_code for answer in answers]
            assert any(code != solution.__code__.co_code for code in codes), name


def message(name: str, answer) -> str:
    verdict = EXERCISES[name].check(answer, seed=1)
    assert verdict.outcome == "failed"
    return verdict.message


def test_what_another_form_does_not_excuse():
    """A list, an array or an iterator is compared number by number, as anything else is."""
    assert "has 996 values; asked are 1000" in message("06.timesteps", reversed(range(5, 1001)))
    assert "has 996 values; asked are 1000" in message("06.timesteps", np.arange(1000, 4, -1))
    last = [*range(1000, 1, -1), 2]
    assert "but answer[999] is 2; that is not it" in message("06.timesteps", last)
    assert "but answer[999] is 2; that is not it" in message("06.timesteps", torch.tensor(last))
    assert "has one value; asked are 2" in message("02.weights", lambda c: c.beta)
    assert "has 3 values; asked are 2" in message("02.weights", lambda c: np.ones(3))
    assert "has 2 values; asked is one" in message("01.alpha_bars", lambda betas: (betas, betas))
    assert "shape (1000,); expected (1001,)" in message(
        "01.alpha_bars", lambda betas: (1 - betas[1:]).cumprod(0).tolist()[::-1]
    )
    assert "generator" in message("09.grid", lambda T, steps: (t for t in range(T)))


def test_a_difference_far_behind_the_first_number_is_shown():
    def nearly(h, shift):
        answer = h + shift[:, :, None, None]
        answer[0, 1, 0, 2] += 1
        return answer

    assert "begins as it should, but answer[0, 1, 0, 2] is" in message("04.inject", nearly)
    as_array = message("04.inject", lambda h, shift: nearly(h, shift).numpy())
    assert as_array == message("04.inject", nearly)

    def second(code, drawn, shift, scale):
        return (code - shift) / scale, (drawn * scale + shift) * torch.eye(3)

    assert "but answer[1][" in message("11.there_and_back", second)
    assert "[10, 6, 3, 0]" in message("09.grid", lambda T, n: np.linspace(T, 0, n).astype(int))
    found = message("05.images", lambda mean, std, share: 1.0002 * (std / (share * mean)) ** 2)
    assert found == "Your answer is 22504.5; expected 22500."


def test_the_root_of_a_negative_number_is_named():
    """Python's is complex; it must not be taken for its real part."""
    found = message(
        "01.jump", lambda x_0, c, eps: x_0 * c.alpha_bar**0.5 + (c.beta - 2) ** 0.5 * eps
    )
    assert "There is nan in your answer" in found


MAKERS = {
    "02.reverse_step": lesson02._step_with,
    "03.one_example": lesson03._example,
    "04.embedding": lesson04._sinusoids,
    "05.one_step": lesson05._step_with,
    "05.ema": lesson05._average,
    "06.sampler": lesson06._loop,
    "06.clipped_step": lesson06._clip_with,
    "07.diagonal_frechet": lambda: lesson07._with_spread(lambda a, b: (a**0.5 - b**0.5) ** 2),
    "09.jump": lesson09._jump_with,
    "12.start": lesson12._begin,
}


@pytest.mark.parametrize("name", MAKERS)
def test_what_makes_mistakes_is_right_as_it_stands(name):
    """So that a mistake is wrong in the one thing that its hint names."""
    assert EXERCISES[name].check(MAKERS[name](), seed=2).outcome == "passed"
