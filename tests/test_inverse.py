"""Inverse problems with a correlated Gaussian prior, whose posterior is known.

The network is the ideal one of that prior, so that whatever is wrong is wrong with the method. It
is linear, and so are most methods: the mean and the covariance of what comes out are read off
without sampling.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import oracles
import pytest
import torch
from oracles import images, seeded
from torch import Tensor

from ddpm_lessons import (
    LinearOperator,
    Measurement,
    NoiseSchedule,
    Step,
    blur,
    ddim,
    denoise,
    dps,
    heun,
    identity,
    keep,
    linear_schedule,
    measured,
    noise_timestep,
    repaint,
    sdedit,
    shrink,
)
from ddpm_lessons.inverse.bayes import conjugate_gradients

pytestmark = pytest.mark.filterwarnings("ignore::ddpm_lessons.NoiseLeftWarning")

SHAPE, N = (1, 2, 2), 4
PIXELS = [(i, j) for i in range(2) for j in range(2)]
COARSE, FINE = linear_schedule(20, 1e-3, 0.7), linear_schedule()


class Prior(NamedTuple):
    mean: np.ndarray  # (4,)
    cov: np.ndarray  # (4, 4)


MEAN = np.array([0.3, -0.2, 0.1, 0.4])
DISTANCE = np.array([[abs(i - k) + abs(j - m) for k, m in PIXELS] for i, j in PIXELS])
ALIKE = Prior(MEAN, 0.25 * 0.8**DISTANCE)  # neighbours are alike, as pixels are
PLAIN = Prior(MEAN, 0.16 * np.eye(N))


class Problem(NamedTuple):
    operator: LinearOperator
    A: np.ndarray  # (M, 4), the same by hand
    y: np.ndarray  # (M,)
    shape: tuple[int, ...]  # of y as the operator gives it, without B

    def measurement(self, noise_std: float) -> Measurement:
        y = torch.from_numpy(self.y).view(1, *self.shape)
        return Measurement(self.operator, y, noise_std)


BLUR = np.exp(-(np.array([[(i - k) ** 2 + (j - m) ** 2 for k, m in PIXELS] for i, j in PIXELS])))
PROBLEMS = {
    "keep": Problem(
        keep(torch.tensor([[True, False], [False, True]])),
        np.eye(N)[[0, 3]],
        np.array([0.9, -0.1]),
        (1, 2),
    ),
    "shrink": Problem(shrink(2), np.full((1, N), 0.25), np.array([0.8]), (1, 1, 1)),
    "blur": Problem(
        blur(0.5**0.5),
        BLUR / BLUR.sum(axis=1, keepdims=True),
        np.array([0.5, 0.1, 0.3, 0.0]),
        SHAPE,
    ),
    "identity": Problem(identity(), np.eye(N), np.array([1.0, -0.4, 0.1, 0.9]), SHAPE),
}


# --- what is known of a Gaussian ---------------------------------------------------------------


def ideal(prior: Prior, schedule: NoiseSchedule) -> Callable[[Tensor, Tensor], Tensor]:
    """E[eps | x_t] by linear regression: Cov(eps, x_t) Cov(x_t)^-1 (x_t - E[x_t])."""
    mean, cov = torch.from_numpy(prior.mean), torch.from_numpy(prior.cov)
    ab = schedule.alpha_bars[:, None, None]
    regression = (1 - ab) ** 0.5 * torch.linalg.inv(ab * cov + (1 - ab) * torch.eye(N).double())

    def eps(x_t: Tensor, t: Tensor) -> Tensor:
        away = x_t.flatten(1) - schedule.alpha_bars[t][:, None] ** 0.5 * mean
        if (t == t[0]).all():
            return (away @ regression[t[0]].T).view(x_t.shape)
        return torch.einsum("bij,bj->bi", regression[t], away).view(x_t.shape)

    return eps


def posterior(prior: Prior, A: np.ndarray, y: np.ndarray, noise_std: float) -> Prior:
    """x_0 given y, by conditioning their joint Gaussian."""
    gain = prior.cov @ A.T @ np.linalg.inv(A @ prior.cov @ A.T + noise_std**2 * np.eye(len(A)))
    return Prior(prior.mean + gain @ (y - A @ prior.mean), prior.cov - gain @ A @ prior.cov)


def noised(prior: Prior, alpha_bar: float) -> Prior:
    """The x_t of such an x_0."""
    return Prior(
        math.sqrt(alpha_bar) * prior.mean, alpha_bar * prior.cov + (1 - alpha_bar) * np.eye(N)
    )


def eps_of(x: np.ndarray, p: Prior, alpha_bar: float) -> np.ndarray:
    """The noise prediction of which the score of N(p) at x is a multiple."""
    return math.sqrt(1 - alpha_bar) * np.linalg.solve(p.cov, x - p.mean)


# --- the law of what a chain gives, when it is affine in its noise ------------------------------


class OneByOne:
    """Stands in for torch.randn: row 0 of a batch is given no noise at all, and every further row
    one single number of all that is drawn, 1, after `first` rows of the caller's own.
    """

    def __init__(self, first: int) -> None:
        self.row = first

    def __call__(self, size: torch.Size, *, dtype: torch.dtype, **_: object) -> Tensor:
        z = torch.zeros(size[0], math.prod(size[1:]), dtype=dtype)
        rows = torch.arange(self.row, self.row + z.shape[1])
        self.row += z.shape[1]
        if len(z) > 1:
            z[rows, torch.arange(z.shape[1])] = 1
        return z.view(size)


def law(
    chain: Callable[[Tensor], Iterator[Step]],
    monkeypatch: pytest.MonkeyPatch,
    *,
    at: int = 0,
    start: Tensor | None = None,
) -> Prior:
    """Mean and covariance of the state at t = `at`, for x_T from N(0, I), or one given x."""
    first = torch.zeros(1 if start is not None else 1 + N, N, dtype=torch.float64)
    if start is None:
        first[1:] = torch.eye(N)
    counter = OneByOne(len(first))
    with monkeypatch.context() as patch:
        patch.setattr(torch, "randn", counter)
        x_T = torch.zeros(1, *SHAPE, dtype=torch.float64)
        reach(chain(x_T if start is None else start), at)
        x_T = torch.zeros(counter.row, N, dtype=torch.float64)
        x_T[: len(first)] = first
        patch.setattr(torch, "randn", OneByOne(len(first)))
        x_T = x_T.view(-1, *SHAPE)
        x = reach(chain(x_T if start is None else start.expand(x_T.shape)), at)
    x = x.flatten(1).numpy()
    return Prior(x[0], (x[1:] - x[0]).T @ (x[1:] - x[0]))


def reach(chain: Iterator[Step], at: int) -> Tensor:
    return next(step.x for step in chain if step.t == at)


def bias(found: Prior, truth: Prior) -> tuple[float, float]:
    """How far the mean is off, in units of the posterior's width; and what the total variance is
    of the right one.
    """
    total = np.trace(truth.cov)
    off = np.linalg.norm(found.mean - truth.mean) / math.sqrt(total)
    return float(off), float(np.trace(found.cov) / total)


def samples(chain: Callable, n: int) -> Prior:
    """The same by n samples, for a chain that is not affine: chain(x_T, generator)."""
    generator = seeded(1)
    x_T = torch.randn(n, *SHAPE, dtype=torch.float64, generator=generator)
    x = reach(chain(x_T, generator), 0).flatten(1).numpy()
    return Prior(x.mean(axis=0), np.cov(x.T))


TURN = images(N, N, seed=7)


def wavy(x_t: Tensor, t: Tensor) -> Tensor:
    """A network that is not linear: the gradient of a wave, so that its Jacobian is symmetric."""
    waves = 0.3 * x_t.flatten(1) @ TURN.T + 0.1 * t[:, None]
    return (0.3 * waves.sin() @ TURN + 0.2 * x_t.flatten(1)).view(x_t.shape)


# --- a noise prediction that knows y -----------------------------------------------------------

EVERY_T = torch.arange(1, 21)
X = images(20, *SHAPE, seed=3)


@pytest.mark.parametrize("noise_std", [0.0, 0.3])
@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize(
    ("prior", "spread"), [(PLAIN, 0.4), (PLAIN, "tweedie"), (ALIKE, "tweedie")]
)
def test_the_right_spread_gives_the_exact_posterior_at_every_t(prior, spread, name, noise_std):
    """x_t is x_0 with noise that y knows nothing of: its law given y is that of x_0, noised."""
    problem = PROBLEMS[name]
    measurement = problem.measurement(noise_std)
    model = measured(ideal(prior, COARSE), COARSE, measurement, spread=spread)
    truth = posterior(prior, problem.A, problem.y, noise_std)
    found = model(X, EVERY_T)
    for x, t, eps in zip(X, EVERY_T.tolist(), found, strict=True):
        level = float(COARSE.alpha_bars[t])
        expected = eps_of(x.flatten().numpy(), noised(truth, level), level)
        oracles.agree(eps.flatten(), expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", PROBLEMS)
def test_another_spread_does_not(name):
    problem = PROBLEMS[name]
    net, measurement = ideal(ALIKE, COARSE), problem.measurement(0.3)
    right = measured(net, COARSE, measurement, spread="tweedie")(X, EVERY_T)
    for spread in (0.0, 0.5, 1.0):
        wrong = measured(net, COARSE, measurement, spread=spread)(X, EVERY_T)
        assert (wrong - right).abs().max() > 0.03


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("spread", [0.0, 0.7, "tweedie"])
def test_the_slope_goes_through_the_network(spread, name):
    """The same with the whole Jacobian and an inverted matrix; only r_t stays out of the slope."""
    problem, noise_std = PROBLEMS[name], 0.3
    model = measured(wavy, COARSE, problem.measurement(noise_std), spread=spread, weight=1.7)
    found, A, compared = model(X, EVERY_T), torch.from_numpy(problem.A), 0
    for x, t, eps in zip(X, EVERY_T, found, strict=True):
        ab = COARSE.alpha_bars[t]

        def x0_hat(x: Tensor, t: Tensor = t, ab: Tensor = ab) -> Tensor:
            eps = wavy(x.view(1, *SHAPE), t[None]).flatten()
            return (x.flatten() - (1 - ab).sqrt() * eps) / ab.sqrt()

        J = torch.autograd.functional.jacobian(x0_hat, x.flatten())
        if spread == "tweedie":
            V = (1 - ab) / ab.sqrt() * J
        else:
            V = (1 - ab) * spread**2 / (ab * spread**2 + 1 - ab) * torch.eye(N).double()
        total = noise_std**2 * torch.eye(len(A)).double() + A @ V @ A.T
        residual = torch.from_numpy(problem.y) - A @ x0_hat(x)
        if torch.linalg.eigvalsh(total)[0] < 1e-3:
            continue  # the network's own covariance may be none: nothing is promised there
        compared += 1
        slope = J.T @ A.T @ torch.linalg.solve(total, residual)
        free = wavy(x[None], t[None]).flatten()
        oracles.agree(eps.flatten(), free - 1.7 * (1 - ab).sqrt() * slope, rtol=1e-6, atol=1e-7)
    assert compared >= 10


def test_conjugate_gradients_solve_each_image_alone():
    roots = images(3, 5, 5)
    matrices = roots @ roots.mT + 0.1 * torch.eye(5)
    wanted = images(3, 5, seed=1)
    wanted[1] = 0  # solved before it begins
    found = conjugate_gradients(lambda u: (matrices @ u[..., None])[..., 0], wanted, 8)
    oracles.agree(found, torch.linalg.solve(matrices, wanted), rtol=1e-7, atol=1e-8)
    assert not found[1].any()


class Layer(torch.nn.Module):
    """A network with weights, which notes in which mode it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.modes = torch.nn.Conv2d(1, 1, 1), []

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        self.modes.append(self.training)
        return self.layer(x_t)


@pytest.mark.parametrize("spread", [1.0, "tweedie"])
def test_the_prediction_is_free_of_gradients_and_keeps_its_dtype(spread):
    network = Layer().train()
    model = measured(network, COARSE, PROBLEMS["keep"].measurement(0.1), spread=spread)
    last = reach(ddim(model, COARSE, X.float(), steps=3), 0)
    assert (last.dtype, last.requires_grad) == (torch.float32, False)
    assert network.layer.weight.grad is None
    assert network.modes == [False] * 3
    assert network.training  # put back


@pytest.mark.parametrize("sampler", [ddim, heun])
@pytest.mark.parametrize(("name", "spread"), [("keep", 0.4), ("shrink", 0.4), ("blur", "tweedie")])
def test_a_measurement_without_noise_is_met(sampler, name, spread):
    """Down to the last digit: the last estimate of x_0 is the nearest image that measures y."""
    measurement = PROBLEMS[name].measurement(0.0)
    model = measured(ideal(PLAIN, COARSE), COARSE, measurement, spread=spread)
    last = reach(sampler(model, COARSE, X, steps=20), 0)
    oracles.agree(measurement.residual(last), 0.0, atol=1e-9)


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_chain_ends_in_the_posterior(name, monkeypatch):
    """The flow of the exact prediction by Heun: mean and covariance, but for the solver's error."""
    problem = PROBLEMS[name]
    truth = posterior(ALIKE, problem.A, problem.y, 0.2)
    model = measured(ideal(ALIKE, FINE), FINE, problem.measurement(0.2), spread="tweedie")
    found = law(lambda x: heun(model, FINE, x, steps=100), monkeypatch)
    oracles.agree(found.mean, truth.mean, atol=2e-3)
    oracles.agree(found.cov, truth.cov, atol=4e-3)


def test_noise_loses_less_variance_with_more_steps(monkeypatch):
    """eta = 1: the mean is exact for any number of steps, the variance falls short as 1 / steps."""
    problem = PROBLEMS["keep"]
    truth = posterior(ALIKE, problem.A, problem.y, 0.2)
    model = measured(
        ideal(ALIKE, FINE), FINE, problem.measurement(0.2), spread="tweedie", iterations=2
    )
    short = []
    for steps in (50, 100, 200):
        found = law(lambda x, s=steps: ddim(model, FINE, x, steps=s, eta=1.0), monkeypatch)
        off, share = bias(found, truth)
        assert off < 1e-3
        short.append(1 - share)
    assert short[0] > 1.6 * short[1] > 1.6**2 * short[2] > 0
    assert short[2] < 0.15


# --- diffusion posterior sampling --------------------------------------------------------------


def test_dps_is_the_published_algorithm():
    """With twice the gradient of the norm, which is zeta / norm times that of its square."""
    measurement = PROBLEMS["shrink"].measurement(0.1)
    steps = list(
        dps(wavy, COARSE, X[:3], measurement=measurement, step_size=0.3, generator=seeded(4))
    )
    generator, x, ab = seeded(4), X[:3], COARSE.alpha_bars
    for t in range(20, 0, -1):
        assert steps[20 - t].t == t
        oracles.agree(steps[20 - t].x, x, rtol=1e-10, atol=1e-10)
        x = x.detach().requires_grad_()
        score = -wavy(x, torch.full((3,), t)) / (1 - ab[t]).sqrt()
        x0_hat = (x + (1 - ab[t]) * score) / ab[t].sqrt()
        oracles.agree(steps[20 - t].x0_hat, x0_hat, rtol=1e-10, atol=1e-10)
        alpha, beta = COARSE.alphas[t], COARSE.betas[t]
        mean = alpha.sqrt() * (1 - ab[t - 1]) * x + ab[t - 1].sqrt() * beta * x0_hat
        sigma = ((1 - ab[t - 1]) / (1 - ab[t]) * beta).sqrt()
        norms = torch.stack([(measurement.y[0] - row.mean()).abs().sum() for row in x0_hat])
        (slope,) = torch.autograd.grad(norms.sum(), x)
        x = mean / (1 - ab[t]) - 0.3 * 2 * slope
        if t > 1:
            x = x + sigma * torch.randn(x.shape, dtype=x.dtype, generator=generator)
    oracles.agree(steps[-1].x, x, rtol=1e-10, atol=1e-10)
    assert not any(step.x.requires_grad or step.x0_hat.requires_grad for step in steps)


def test_dps_that_fits_already_stays():
    """Where the residual is 0 its norm has no gradient, and would be divided by."""
    prior = Measurement(LinearOperator(lambda x: 0 * x, lambda y: 0 * y, None), 0 * X[:1])
    found = reach(dps(wavy, COARSE, X, measurement=prior, generator=seeded(4)), 0)
    expected = reach(dps(wavy, COARSE, X, measurement=prior, step_size=0, generator=seeded(4)), 0)
    assert torch.equal(found, expected)


def test_dps_is_no_posterior():
    """Its step knows neither the noise of y nor how sure the network is: a longer one fits y no
    worse and makes the samples too wide, and a noisy y is followed too closely.
    """
    problem, schedule = PROBLEMS["keep"], linear_schedule(200, 5e-4, 0.1)
    net = ideal(ALIKE, schedule)
    shares, offs = {}, {}
    for noise_std, step_size in ((0.0, 0.1), (0.0, 0.5), (0.0, 1.0), (0.2, 0.1)):
        measurement = problem.measurement(noise_std)
        found = samples(
            lambda x, g, m=measurement, z=step_size: dps(
                net, schedule, x, measurement=m, step_size=z, generator=g
            ),
            1000,
        )
        truth = posterior(ALIKE, problem.A, problem.y, noise_std)
        offs[noise_std, step_size], shares[noise_std, step_size] = bias(found, truth)
    assert shares[0.0, 0.1] == pytest.approx(1, abs=0.2)
    assert shares[0.0, 0.5] > 2.5
    assert shares[0.0, 1.0] > 7
    assert offs[0.0, 0.1] < 0.1
    assert offs[0.2, 0.1] > 0.4
    assert shares[0.2, 0.1] < 0.7


# --- RePaint -----------------------------------------------------------------------------------


@pytest.mark.parametrize("resamples", [1, 3])
def test_repaint_is_the_published_algorithm(resamples):
    """With a mask, and pixels known exactly: written once more."""
    mask = torch.tensor([[True, False], [False, True]])
    known, ab = images(1, *SHAPE, seed=9), COARSE.alpha_bars
    measurement = Measurement(keep(mask), known[:, :, mask])
    steps = list(
        repaint(
            wavy, COARSE, X[:3], measurement=measurement, steps=20, resamples=resamples,
            generator=seeded(2),
        )
    )  # fmt: skip
    assert [step.t for step in steps] == list(range(20, -1, -1))
    generator, x = seeded(2), X[:3]

    def noise(n: int = N) -> Tensor:
        return torch.randn((3, *((1, n) if n < N else SHAPE)), dtype=x.dtype, generator=generator)

    for t in range(20, 0, -1):
        oracles.agree(steps[20 - t].x, x, rtol=1e-10, atol=1e-10)
        for u in range(1, resamples + 1 if t > 1 else 2):
            beta, alpha = COARSE.betas[t], COARSE.alphas[t]
            eps = wavy(x, torch.full((3,), t))
            unknown = (x - beta / (1 - ab[t]).sqrt() * eps) / alpha.sqrt()
            painted = ab[t - 1].sqrt() * known.expand(3, *SHAPE).clone()
            if t > 1:
                unknown = unknown + ((1 - ab[t - 1]) / (1 - ab[t]) * beta).sqrt() * noise()
                painted[:, :, mask] += (1 - ab[t - 1]).sqrt() * noise(2)
            below = torch.where(mask, painted, unknown)
            if u < resamples and t > 1:
                x = alpha.sqrt() * below + beta.sqrt() * noise()
        x = below
    oracles.agree(steps[-1].x, x, rtol=1e-10, atol=1e-10)
    oracles.agree(steps[-1].x[:, :, mask], known[:, :, mask].expand(3, 1, 2), atol=1e-14)


@pytest.mark.parametrize("name", ["keep", "shrink", "identity"])
@pytest.mark.parametrize("noise_std", [0.0, 0.3])
def test_what_is_painted_over_has_the_noise_of_its_level(name, noise_std, monkeypatch):
    """A x_s is noised to the level of s, of which y brings its own part; once y has more noise than
    the level the chain goes on without it.
    """
    problem, net = PROBLEMS[name], ideal(ALIKE, COARSE)
    measurement, A = problem.measurement(noise_std), problem.A
    gain, free = float((A @ A.T)[0, 0]), []
    for s in (15, 8, 4, 1, 0):
        found = law(
            lambda x: repaint(net, COARSE, x, measurement=measurement, steps=20, resamples=2),
            monkeypatch,
            at=s,
        )
        level = float(COARSE.alpha_bars[s])
        var = gain * (1 - level) - level * noise_std**2
        if var >= 0:
            oracles.agree(A @ found.mean, math.sqrt(level) * problem.y, atol=1e-12)
            oracles.agree(A @ found.cov @ A.T, var * np.eye(len(A)), atol=1e-12)
        else:
            free.append(s)
            assert np.abs(A @ found.mean - math.sqrt(level) * problem.y).max() > 1e-3
    assert bool(free) == (noise_std > 0)


def test_repaint_needs_resampling(monkeypatch):
    """Once, what is painted in has no time to fit what surrounds it: the mean is off, and the
    variance too large, although the chain itself loses some. Resampling heals the first; each
    further round loses variance as the chain does, and needs finer steps.
    """
    problem = PROBLEMS["keep"]
    truth, measurement = posterior(ALIKE, problem.A, problem.y, 0.0), problem.measurement(0.0)
    net, found = ideal(ALIKE, FINE), {}
    for steps, resamples in ((500, 1), (50, 1), (50, 10), (150, 10)):
        result = law(
            lambda x, n=steps, r=resamples: repaint(
                net, FINE, x, measurement=measurement, steps=n, resamples=r
            ),
            monkeypatch,
        )
        found[steps, resamples] = bias(result, truth)
    assert found[500, 1][0] > 0.03
    assert found[500, 1][1] > 1.12
    assert found[50, 10][0] < found[50, 1][0] / 5
    assert found[150, 10][0] < 0.005
    assert found[50, 10][1] < found[150, 10][1] < 0.9


def test_repaint_of_a_noisy_image_is_denoising(monkeypatch):
    """A = I: the last state that is painted over is a noised y, and the rest is `denoise`."""
    problem, net = PROBLEMS["identity"], ideal(ALIKE, FINE)
    t = noise_timestep(FINE, 0.3)
    noise_std = float(((1 - FINE.alpha_bars[t]) / FINE.alpha_bars[t]).sqrt()) * (1 - 1e-9)
    truth = posterior(ALIKE, problem.A, problem.y, noise_std)
    start = torch.from_numpy(problem.y).view(1, *SHAPE)
    mean, cov = law(lambda y: denoise(net, FINE, y, noise_std=noise_std), monkeypatch, start=start)
    schedule = NoiseSchedule(FINE.betas[: t + 3])  # the beginning does not matter, and costs rows
    painted = law(
        lambda x: repaint(
            ideal(ALIKE, schedule), schedule, x, measurement=problem.measurement(noise_std),
            steps=t + 2, resamples=2,
        ),
        monkeypatch,
    )  # fmt: skip
    oracles.agree(painted.mean, mean, atol=1e-6)
    oracles.agree(painted.cov, cov, atol=1e-6)
    oracles.agree(mean, truth.mean, atol=1e-6)


class Counting:
    """Notes at which t it is asked, and that no gradient is on the way."""

    def __init__(self) -> None:
        self.t = []

    def __call__(self, x_t: Tensor, t: Tensor) -> Tensor:
        assert not torch.is_grad_enabled()
        assert not x_t.requires_grad
        self.t.append(t[0].item())
        return wavy(x_t, t)


def test_the_calls_and_the_states_of_repaint():
    counting = Counting()
    for noise_std, expected in (
        (0.0, [20] * 3 + [14] * 3 + [7] * 3 + [1]),
        (1.0, [20] * 3 + [14] * 3 + [7, 1]),  # at t = 1 y would be too noisy
    ):
        counting.t.clear()
        steps = list(
            repaint(
                counting, COARSE, X, measurement=PROBLEMS["keep"].measurement(noise_std),
                steps=4, resamples=3, generator=seeded(),
            )
        )  # fmt: skip
        assert counting.t == expected
        assert [step.t for step in steps] == [20, 14, 7, 1, 0]
        assert torch.equal(steps[0].x, X)
        assert torch.equal(steps[-1].x, steps[-1].x0_hat)
        for step in steps[:-1]:
            ab = COARSE.alpha_bars[step.t]
            eps = wavy(step.x, torch.full((20,), step.t))
            clean = (step.x - (1 - ab).sqrt() * eps) / ab.sqrt()
            oracles.agree(step.x0_hat, clean, rtol=1e-11, atol=1e-11)


def test_clipping_reaches_every_estimate():
    measurement = PROBLEMS["keep"].measurement(0.1)
    for chain in (
        dps(wavy, COARSE, X, measurement=measurement, clip_x0=0.2),
        repaint(wavy, COARSE, X, measurement=measurement, steps=5, resamples=2, clip_x0=0.2),
    ):
        assert max(step.x0_hat.abs().max() for step in chain if step.t) == 0.2


# --- chains that begin in the middle -----------------------------------------------------------


@pytest.mark.parametrize("noise_std", [0.05, 0.3, 2.0])
def test_the_timestep_of_a_noise(noise_std):
    t = noise_timestep(FINE, noise_std)
    stds = ((1 - FINE.alpha_bars) / FINE.alpha_bars) ** 0.5
    off = [abs(math.log(stds[s] / noise_std)) for s in (t - 1, t, t + 1)]
    assert off[1] == min(off)
    assert off[1] < 0.05
    for s in (1, 2, 500, 1000):
        assert noise_timestep(FINE, float(stds[s])) == s


def test_denoising_samples_the_posterior(monkeypatch):
    """The first estimate is its mean, the samples' mean too; their variance comes nearer with T."""
    y = torch.from_numpy(PROBLEMS["identity"].y).view(1, *SHAPE)
    short = []
    for T in (250, 1000):
        schedule = linear_schedule(T, 0.1 / T, 20 / T)
        t = noise_timestep(schedule, 0.3)
        level = float(schedule.alpha_bars[t])
        near = posterior(ALIKE, np.eye(N), y.flatten().numpy(), math.sqrt((1 - level) / level))
        truth = posterior(ALIKE, np.eye(N), y.flatten().numpy(), 0.3)
        assert bias(near, truth)[0] < 10 / T
        net = ideal(ALIKE, schedule)
        first = next(denoise(net, schedule, y, noise_std=0.3))
        assert first.t == t
        oracles.agree(first.x0_hat.flatten(), near.mean, atol=1e-12)
        found = law(
            lambda y, n=net, s=schedule: denoise(n, s, y, noise_std=0.3), monkeypatch, start=y
        )
        oracles.agree(found.mean, near.mean, atol=1e-9)
        short.append(1 - bias(found, near)[1])
    assert 0.2 > short[0] > 3 * short[1] > 0


def test_sdedit_draws_anew_what_noise_drowns(monkeypatch):
    """Noised to t and brought back by the exact network: its law is known for every image."""
    x_0 = images(1, *SHAPE, seed=8)
    net, given = ideal(ALIKE, FINE), x_0.flatten().numpy()
    for t, tolerance in ((30, 0.03), (150, 0.03), (600, 0.05)):
        level = float(FINE.alpha_bars[t])
        gain = math.sqrt(level) * ALIKE.cov @ np.linalg.inv(noised(ALIKE, level).cov)
        mean = ALIKE.mean + gain @ (math.sqrt(level) * (given - ALIKE.mean))
        left = ALIKE.cov - math.sqrt(level) * gain @ ALIKE.cov
        cov = left + (1 - level) * gain @ gain.T
        found = law(lambda x, t=t: sdedit(net, FINE, x, t=t), monkeypatch, start=x_0)
        oracles.agree(found.mean, mean, atol=1e-9)
        oracles.agree(found.cov, cov, atol=tolerance * np.trace(cov))
    assert np.linalg.norm(mean - ALIKE.mean) < 0.1  # t = 600 remembers next to nothing


def test_the_grid_of_a_chain_from_the_middle():
    """All of t ... 1 unless a number of steps is given."""
    x = images(2, *SHAPE)
    assert [step.t for step in sdedit(wavy, COARSE, x, t=4)] == [4, 3, 2, 1, 0]
    assert [step.t for step in sdedit(wavy, COARSE, x, t=9, steps=3)] == [9, 5, 1, 0]
    t = noise_timestep(COARSE, 1.0)
    assert [step.t for step in denoise(wavy, COARSE, x, noise_std=1.0, steps=2)] == [t, 1, 0]


# --- one image alone ---------------------------------------------------------------------------

KEPT = PROBLEMS["keep"].measurement(0.1)


@pytest.mark.parametrize(
    "chain",
    [
        lambda x, g: dps(wavy, COARSE, x, measurement=KEPT, generator=g),
        lambda x, g: repaint(wavy, COARSE, x, measurement=KEPT, steps=9, generator=g),
        lambda x, g: denoise(wavy, COARSE, x, noise_std=1.0, generator=g),
        lambda x, g: sdedit(wavy, COARSE, x, t=12, generator=g),
    ],
    ids=["dps", "repaint", "denoise", "sdedit"],
)  # fmt: skip
def test_no_image_depends_on_its_neighbours(chain):
    x = images(4, *SHAPE)
    together = reach(chain(x, [seeded(i) for i in range(4)]), 0)
    alone = reach(chain(x[2:3], [seeded(2)]), 0)
    oracles.agree(together[2:3], alone, rtol=1e-9, atol=1e-10)
    assert (together[0] - together[1]).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: told(measurement=None), "measurement is None, expected a Measurement"),
        (lambda: told(spread=-0.1), r"spread is -0\.1"),
        (lambda: told(spread="dps"), "spread is 'dps', expected a number in .* or 'tweedie'"),
        (lambda: told(spread=0, noise_std=0.0), "spread is 0 and so is noise_std"),
        (lambda: told(weight=-1), "weight is -1"),
        (lambda: told(iterations=0), "iterations is 0"),
        (lambda: told(net=None), "eps_model has type NoneType"),
        (lambda: told(net=lambda x, t: x.detach())(X, EVERY_T), "eps_model.* has no gradient"),
        (
            lambda: told(net=lambda x, t: x)(X[:, :, :1], EVERY_T),
            r"x has shape \(20, 1, 1, 2\), expected",
        ),
        (lambda: told()(X, EVERY_T + 1), "t contains 21"),
        (lambda: first(repaint, operator="blur"), "operator has no gain"),
        (lambda: first(repaint, noise_std=50.0), r"measurement\.noise_std is 50, expected less"),
        (lambda: first(repaint, resamples=0), "resamples is 0"),
        (lambda: first(repaint, steps=21), "steps is 21"),
        (lambda: first(dps, step_size=-1), "step_size is -1"),
        (lambda: first(dps, clip_x0=0), "clip_x0 is 0"),
        (
            lambda: noise_timestep(COARSE, 1e-3),
            r"noise_std is 0\.001, expected a number in 0\.0316",
        ),
        (lambda: noise_timestep(COARSE, 1e9), r"as at t = 1\.\.20"),
        (lambda: noise_timestep(None, 0.1), "schedule is None"),
        (lambda: next(denoise(wavy, COARSE, X, noise_std=0.0)), r"noise_std is 0\.0"),
        (lambda: next(denoise(wavy, COARSE, None, noise_std=1.0)), "y has type NoneType"),
        (lambda: next(sdedit(wavy, COARSE, X, t=0)), "t is 0, expected a whole number in 1..20"),
        (lambda: next(sdedit(wavy, COARSE, X, t=4, steps=5)), "steps is 5, expected .* 1..4"),
    ],
)
def test_a_bad_argument_is_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def told(net=wavy, measurement=..., noise_std=0.1, **options):
    given = PROBLEMS["keep"].measurement(noise_std) if measurement is ... else measurement
    return measured(net, COARSE, given, **options)


def first(chain, operator="keep", noise_std=0.1, **options):
    measurement = PROBLEMS[operator].measurement(noise_std)
    options = {"steps": 5} | options if chain is repaint else options
    return next(chain(wavy, COARSE, X, measurement=measurement, **options))
