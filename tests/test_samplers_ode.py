"""The solvers of second order and the way back: exact flows, the posterior, diffusers."""

import math
from itertools import pairwise

import oracles
import pytest
import torch
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from oracles import images, seeded
from scipy import optimize, stats
from test_sampler import Recorder, affine, ideal, last, network
from torch import Tensor

from ddpm_lessons import (
    Gaussian,
    Mixture,
    NoiseSchedule,
    ddim,
    ddim_invert,
    dpm_solver,
    even_timesteps,
    flow_jump,
    heun,
    linear_schedule,
    predict_eps,
    probability_flow,
    q_posterior,
)
from ddpm_lessons.samplers.ode import solver_jump

pytestmark = pytest.mark.filterwarnings("ignore::ddpm_lessons.NoiseLeftWarning")

FINE = linear_schedule(4000, 1e-4 / 4, 0.02 / 4)  # T = 1000 four times finer: grids of any kind
DATA = (0.4, 0.05)  # mean and variance
X_T = torch.tensor([[-1.7], [-0.3], [0.9], [2.1]], dtype=torch.float64)
TWO = Mixture(torch.tensor([[-0.8], [0.6]]), torch.tensor([0.02, 0.05]), torch.tensor([0.4, 0.6]))


def gaussian_at(x: Tensor, start: float, end: float) -> Tensor:
    """The flow of N(mean, var) from one alpha_bar to another keeps the standard score."""
    mean, var = DATA
    z = (x - math.sqrt(start) * mean) / math.sqrt(start * var + 1 - start)
    return math.sqrt(end) * mean + math.sqrt(end * var + 1 - end) * z


def mixture_at(x: Tensor, start: float, end: float) -> Tensor:
    """In one dimension the flow carries quantiles to quantiles."""

    def cdf(value: float, alpha_bar: float) -> float:
        noised = TWO.noised(alpha_bar)
        parts = stats.norm.cdf(value, noised.means[:, 0], noised.var**0.5)
        return float((noised.weights.numpy() * parts).sum())

    shares = [cdf(value, start) for value in x.flatten().tolist()]
    found = [
        optimize.brentq(lambda y, share=share: cdf(y, end) - share, -9, 9, xtol=1e-13)
        for share in shares
    ]
    return torch.tensor(found, dtype=torch.float64).view(x.shape)


def falling(n: int) -> list[int]:
    """About n timesteps from T to 1, even in the logarithm of the noise."""
    return even_timesteps(FINE, n)[::-1]


def errors_at_1(sampler: object, model: object, exact: object, numbers: tuple) -> list[float]:
    """The largest error of the state at t = 1, before the jump to 0, for each number of steps."""
    levels, found = FINE.alpha_bars.tolist(), []
    truth = exact(X_T, levels[-1], levels[1])
    for n in numbers:
        *_, before, _end = sampler(model, FINE, X_T, timesteps=falling(n))
        assert before.t == 1
        found.append((before.x - truth).abs().max().item())
    return found


@pytest.mark.parametrize("data", ["one Gaussian", "two"])
@pytest.mark.parametrize(("sampler", "order"), [(ddim, 1), (heun, 2), (dpm_solver, 2)])
def test_the_error_falls_with_the_steps_as_the_order_says(sampler, order, data):
    one = data == "one Gaussian"
    model = ideal(FINE, DATA) if one else TWO.eps_model(FINE)
    errors = errors_at_1(sampler, model, gaussian_at if one else mixture_at, (40, 80, 160))
    for coarse, fine in pairwise(errors):
        assert math.log2(coarse / fine) == pytest.approx(order, abs=0.35)
    assert errors[-1] < (0.02 if order == 1 else 1e-3)


def test_with_as_many_calls_the_second_order_is_closer():
    model = ideal(FINE, DATA)
    (first,) = errors_at_1(ddim, model, gaussian_at, (100,))
    (by_heun,) = errors_at_1(heun, model, gaussian_at, (50,))
    (by_memory,) = errors_at_1(dpm_solver, model, gaussian_at, (100,))
    assert by_heun < first / 4
    assert by_memory < first / 4


@pytest.mark.parametrize(("sampler", "calls"), [(heun, 9), (dpm_solver, 5), (ddim, 5)])
def test_the_calls_of_the_network(sampler, calls):
    recorder, schedule = Recorder(), linear_schedule(10, 0.01, 0.6)
    steps = list(sampler(recorder, schedule, images(2, 3), timesteps=[10, 8, 5, 2, 1]))
    assert [step.t for step in steps] == [10, 8, 5, 2, 1, 0]
    assert len(recorder.t) == calls
    expected = [10, 8, 8, 5, 5, 2, 2, 1, 1] if sampler is heun else [10, 8, 5, 2, 1]
    assert recorder.t == expected


def test_heun_is_the_probability_flow_by_heun():
    schedule, x_T = linear_schedule(20, 1e-3, 0.3), images(3, 1, 2, 2)
    grid = [20, 13, 7, 2, 1]
    ours = list(heun(network, schedule, x_T, timesteps=grid))
    flow = list(probability_flow(network, schedule, x_T, timesteps=[*grid, 0], method="heun"))
    for step, state in zip(ours, flow, strict=True):
        assert step.t == state.t
        oracles.agree(step.x, state.x, rtol=1e-11, atol=1e-11)


# --- a jump of DPM-Solver ----------------------------------------------------------------------


@pytest.mark.parametrize(("s", "t"), [(4, 5), (1, 9), (0, 3), (0, 10)])
def test_a_jump_is_the_flow_or_the_posterior(s, t):
    """For one x0_hat: without noise the ODE's solution, with all of it the posterior's."""
    c, x, x0 = linear_schedule(10, 0.01, 0.6).between(s, t), images(2, 3), images(2, 3, seed=1)
    calm, full = solver_jump(x, x0, c, eta=0.0), solver_jump(x, x0, c, eta=1.0)
    eps = predict_eps(x, c, x0)
    straight = flow_jump(x, eps, alpha_bar=c.alpha_bar, alpha_bar_to=c.alpha_bar_prev)
    oracles.agree(calm.mean, straight, rtol=1e-12, atol=1e-13)
    assert calm.var == 0
    posterior = q_posterior(x0, x, c)
    oracles.agree(full.mean, posterior.mean, rtol=1e-12, atol=1e-13)
    assert full.var == pytest.approx(posterior.var, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
def test_two_jumps_are_one(eta):
    """While x0_hat stays, no error depends on where the grid has its points."""
    schedule, x, x0 = linear_schedule(10, 0.01, 0.6), 0.7, -0.2
    direct = solver_jump(x, x0, schedule.between(2, 9), eta=eta)
    first = solver_jump(x, x0, schedule.between(5, 9), eta=eta)
    a = solver_jump(1.0, 0.0, schedule.between(2, 5), eta=eta)  # what a unit of x becomes
    b = solver_jump(0.0, x0, schedule.between(2, 5), eta=eta)
    assert a.mean * first.mean + b.mean == pytest.approx(direct.mean, rel=1e-12)
    assert a.mean**2 * first.var + a.var == pytest.approx(direct.var, rel=1e-11, abs=1e-15)


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("grid", [[20, 15, 10, 6, 3, 1], [20, 11], [20]])
def test_dpm_solver_agrees_with_diffusers_step_by_step(eta, grid):
    """Their tables are float32."""
    schedule, betas = linear_schedule(20, 1e-3, 0.3), torch.linspace(1e-3, 0.3, 20)
    scheduler = DPMSolverMultistepScheduler(
        trained_betas=betas.double().numpy(),
        num_train_timesteps=20,
        solver_order=2,
        algorithm_type="sde-dpmsolver++" if eta else "dpmsolver++",
        solver_type="midpoint",
        final_sigmas_type="zero",
    )
    scheduler.set_timesteps(timesteps=[t - 1 for t in grid])
    x_T, theirs = images(3, 1, 2, 2), seeded(1)
    steps = list(dpm_solver(network, schedule, x_T, timesteps=grid, eta=eta, generator=seeded(1)))
    assert [step.t for step in steps] == [*grid, 0]
    for step, after in pairwise(steps):
        eps = network(step.x, torch.full((3,), step.t))
        z = torch.randn(x_T.shape, dtype=x_T.dtype, generator=theirs) if eta and after.t else None
        reply = scheduler.step(eps, step.t - 1, step.x, variance_noise=z)
        oracles.agree(after.x, reply.prev_sample, rtol=1e-4, atol=1e-5)


def test_the_stochastic_solver_ends_with_the_variance_of_the_data(monkeypatch):
    """With the ideal network of a Gaussian the chain is affine: its variance, without sampling.
    It is nearer than DDIM's with as much noise, and comes nearer with more steps.
    """
    model, (mean, var) = ideal(FINE, DATA), DATA
    level, off = FINE.alpha_bars[-1].item(), {}
    for name, sampler in (("first", ddim), ("second", dpm_solver)):
        for n in (15, 30, 60):
            grid = falling(n)
            a, b, noise = affine(
                lambda x, s=sampler, g=grid: s(model, FINE, x, timesteps=g, eta=1.0),
                len(grid) - 1,
                monkeypatch,
            )
            found = a**2 * (level * var + 1 - level) + sum(x**2 for x in noise)
            assert a * math.sqrt(level) * mean + b == pytest.approx(mean, abs=2e-3)
            off[name, n] = abs(found / var - 1)
    assert off["second", 60] < off["second", 30] / 2 < off["second", 15] / 4
    assert all(off["second", n] < off["first", n] / 3 for n in (15, 30, 60))


# --- the way back ------------------------------------------------------------------------------


def test_the_way_there_ends_where_the_flow_does():
    """And the way back ends where the way there began: both errors fall as 1 / steps."""
    model, levels = ideal(FINE, DATA), FINE.alpha_bars.tolist()
    x_0 = torch.tensor([[0.1], [0.35], [0.9]], dtype=torch.float64)
    truth, there, back = gaussian_at(x_0, 1.0, levels[-1]), [], []
    for n in (50, 100, 200):
        x_T = last(ddim_invert(model, FINE, x_0, timesteps=falling(n)))
        there.append((x_T - truth).abs().max().item())
        again = last(ddim(model, FINE, x_T, timesteps=falling(n)))
        back.append((again - x_0).abs().max().item())
    for errors in (there, back):
        assert errors[0] > errors[1] > errors[2]
        assert math.log2(errors[1] / errors[2]) == pytest.approx(1, abs=0.35)
    assert back[-1] < 0.02


def test_the_states_of_the_way_there():
    recorder, schedule = Recorder(), linear_schedule(10, 0.01, 0.6)
    x_0 = images(2, 3)
    steps = list(ddim_invert(recorder, schedule, x_0, timesteps=[10, 6, 1]))
    assert [step.t for step in steps] == [0, 1, 6, 10]
    assert recorder.t == [1, 1, 6, 10]  # x_0 is asked about as if it were x_1
    assert torch.equal(steps[0].x, x_0)
    assert torch.equal(steps[0].x0_hat, x_0)
    ab = oracles.alpha_bars_of(oracles.linear_betas(10, 0.01, 0.6))
    for step, after in pairwise(steps):
        eps = network(step.x, torch.full((2,), max(step.t, 1)))
        here, there = (float(ab[t]) if t else 1.0 for t in (step.t, after.t))
        clean = (step.x - math.sqrt(1 - here) * eps) / math.sqrt(here)
        expected = math.sqrt(there) * clean + math.sqrt(1 - there) * eps
        oracles.agree(after.x, expected, rtol=1e-12, atol=1e-12)
    assert len(list(ddim_invert(network, schedule, x_0, steps=4))) == 5


def test_a_bad_argument_is_named():
    schedule, x = NoiseSchedule(torch.tensor([0.0, 0.5])), images(2, 3)
    for steps, words in (
        (heun(network, schedule, x), "steps is 25, expected a whole number in 1..1"),
        (dpm_solver(network, schedule, x, steps=1, eta=-0.1), r"eta is -0\.1"),
        (dpm_solver(network, schedule, x, timesteps=[2]), "timesteps is 2"),
        (ddim_invert(network, schedule, x.int()), "x_0 has dtype torch.int32"),
        (heun(network, schedule, x, steps=1, generator=3), "generator is 3"),
    ):
        with pytest.raises(ValueError, match=words):
            next(steps)
    assert isinstance(solver_jump(0.1, 0.2, schedule.at(1), eta=0.0), Gaussian)
