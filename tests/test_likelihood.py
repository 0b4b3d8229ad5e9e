"""The likelihood by the ODE, against closed forms, quadrature and the full Jacobian."""

import itertools
import math
from itertools import pairwise

import oracles
import pytest
import torch
from oracles import images, seeded
from torch import Tensor

from ddpm_lessons import (
    Gaussian,
    Mixture,
    NoiseSchedule,
    bound,
    decoder_log_likelihood,
    even_timesteps,
    exact_divergence,
    flow_bound,
    flow_log_density,
    hutchinson,
    linear_schedule,
)

FINE = linear_schedule(4096, 1e-4 / 4, 0.02 / 4)
SHALLOW = NoiseSchedule(torch.linspace(0, 1e-3, 2001))  # alpha_bar_T = 0.37: no noise at all


def network(x_t: Tensor, t: Tensor) -> Tensor:
    """Not linear, mixes the entries of an image, different at every t."""
    rows = x_t.flatten(1)
    weight = torch.linspace(-1, 1, rows.shape[1] ** 2, dtype=x_t.dtype).view(-1, rows.shape[1])
    mixed = (rows @ weight + 0.001 * t[:, None]).sin() + 0.3 * rows
    return mixed.view(x_t.shape)


def traces(x: Tensor, t: int) -> list[float]:
    """The trace of each image's own Jacobian, one image at a time."""
    found = []
    for one in x:
        jacobian = torch.autograd.functional.jacobian(
            lambda v: network(v[None], torch.tensor([t]))[0], one
        )
        found.append(torch.trace(jacobian.reshape(one.numel(), -1)).item())
    return found


@pytest.mark.parametrize("shape", [(3, 4), (2, 1, 2, 3), (1, 1), (4,)])
def test_the_divergence_is_the_trace_of_the_jacobian(shape):
    x = images(*shape)
    function = network if len(shape) > 1 else lambda x_t, t: x_t**2
    expected = traces(x, 7) if len(shape) > 1 else (2 * x).tolist()
    oracles.agree(exact_divergence(function, x, 7), expected, rtol=1e-12, atol=1e-12)
    assert not x.requires_grad


def test_hutchinsons_estimate_is_unbiased(monkeypatch):
    """Its mean over all 2^D probes is the trace, to the digit; one probe alone is v . J v."""
    x = images(2, 3)
    signs = [torch.tensor([v, v]).double() for v in itertools.product((-1, 1), repeat=3)]
    monkeypatch.setattr(torch, "randn", oracles.ScriptedNoise(signs))
    oracles.agree(hutchinson(len(signs))(network, x, 4), traces(x, 4), rtol=1e-12, atol=1e-13)
    v = 2.5 * signs[3]  # only the signs count
    monkeypatch.setattr(torch, "randn", oracles.ScriptedNoise([v]))
    one = hutchinson()(network, x, 4)
    for i in range(2):
        jacobian = torch.autograd.functional.jacobian(
            lambda u, i=i: network(u[None], torch.tensor([4]))[0], x[i]
        )
        assert one[i].item() == pytest.approx((signs[3][i] @ jacobian @ signs[3][i]).item())


def test_the_generator_decides_and_the_probes_are_new_each_time():
    x, g = images(2, 5), seeded()
    one, other = hutchinson(generator=g), hutchinson(generator=seeded())
    first = one(network, x, 3)
    assert torch.equal(first, other(network, x, 3))
    assert not torch.equal(first, one(network, x, 3))


def test_the_network_is_asked_in_eval_mode_and_left_as_it_was():
    net = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Dropout(0.5)).train()

    class Asked(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
            assert not self.training
            return self.net(x_t)

    model = Asked().train()
    found = exact_divergence(model, images(2, 3).float(), 1)
    oracles.agree(found, torch.trace(net[0].weight).item(), rtol=1e-5)
    assert model.training
    assert net[1].training
    assert net[0].weight.grad is None


# --- densities ---------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", [FINE, SHALLOW])
@pytest.mark.parametrize(("mean", "var"), [(0.4, 0.01), (-0.2, 2.0)])
def test_the_density_of_a_gaussian_in_closed_form(schedule, mean, var):
    """The map is affine: log N(x_T; 0, 1) + log(slope), also where N(0, 1) is the wrong end."""
    mixture = Mixture.gaussian(torch.full((2,), mean, dtype=torch.float64), var)
    start, errors = schedule.T % 64 + 192, []
    first, end = schedule.alpha_bars[start].item(), schedule.alpha_bars[-1].item()
    x = images(3, 2) * math.sqrt(var) + mean
    slope = math.sqrt((end * var + 1 - end) / (first * var + 1 - first))
    x_T = math.sqrt(end) * mean + slope * (x - math.sqrt(first) * mean)
    expected = (-(x_T**2) / 2 - math.log(2 * math.pi) / 2 + math.log(slope)).sum(dim=1)
    for stride in (64, 32, 16):
        grid = list(range(start, schedule.T + 1, stride))
        found = flow_log_density(mixture.eps_model(schedule), schedule, x, timesteps=grid)
        errors.append((found.log_density - expected).abs().max().item())
    assert errors[-1] < 2e-3
    assert errors[0] > 3 * errors[1] > 9 * errors[2]  # second order
    oracles.agree(found.x_T, x_T, atol=2e-3)


def test_the_density_of_a_mixture_in_the_plane():
    mixture = Mixture([[-1.0, 0.0], [1.0, 0.5], [0.2, -0.8]], [0.1, 0.04, 0.2], [0.2, 0.3, 0.5])
    x = mixture.sample(20, seeded())
    for t in (1, 1500):
        grid = [t, *(s for s in even_timesteps(FINE, 400) if s > t)]
        found = flow_log_density(mixture.eps_model(FINE), FINE, x, timesteps=grid)
        exact = mixture.noised(FINE.alpha_bars[t].item()).log_density(x)
        oracles.agree(found.log_density, exact, atol=5e-3)


def test_whatever_the_network_says_the_density_is_one_in_all():
    """A wrong sign, root or number of dimensions would make or lose mass."""

    def odd(x_t: Tensor, t: Tensor) -> Tensor:
        return 0.5 * x_t + 0.3 * torch.sin(2 * x_t + 0.001 * t)

    x = torch.linspace(-12, 12, 2401, dtype=torch.float64)
    grid = even_timesteps(SHALLOW, 250)
    found = flow_log_density(odd, SHALLOW, x, timesteps=grid)
    assert torch.trapezoid(found.log_density.exp(), x).item() == pytest.approx(1, abs=1e-3)
    slope = torch.gradient(found.x_T, spacing=(x,))[0]  # the change of variables, by differences
    by_hand = -(found.x_T**2) / 2 - math.log(2 * math.pi) / 2 + slope.log()
    inside = x.abs() < 5
    oracles.agree(found.log_density[inside], by_hand[inside], atol=2e-3)


def test_hutchinsons_density_is_right_on_average():
    mixture = Mixture([[-1.0, 0.3], [1.0, -0.2]], [0.1, 0.1], [0.5, 0.5])
    x, grid = images(1, 2).expand(200, 2).clone(), even_timesteps(FINE, 60)
    eps_model = mixture.eps_model(FINE)
    exact = flow_log_density(eps_model, FINE, x[:1], timesteps=grid).log_density
    found = flow_log_density(
        eps_model, FINE, x, timesteps=grid, divergence=hutchinson(generator=seeded())
    ).log_density
    assert found.std() > 1e-3
    error = (found.mean() - exact).item()
    assert abs(error) < 5 * found.std().item() / math.sqrt(200)


def test_the_grid_must_reach_T():
    model = Mixture.gaussian(torch.zeros(1)).eps_model(FINE)
    for grid in ([1, 10], [4096, 1]):
        with pytest.raises(ValueError, match=r"timesteps ends with \d+, expected T = 4096"):
            flow_log_density(model, FINE, images(1, 1), timesteps=grid)


# --- bits --------------------------------------------------------------------------------------

LEVELS = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)


def test_to_name_one_of_two_levels_takes_the_log_of_its_share():
    """A pixel that is black in 1/4 of all cases and else white: 2 bits and 0.415 bits for x_1; for
    the level, which is known from x_1, only what the decoder's fixed width spills.
    """
    schedule = linear_schedule(1000, 1e-5, 0.03)
    world = Mixture(LEVELS, [0.0, 0.0], [0.25, 0.75])
    x_0 = LEVELS.repeat(50, 1)
    grid = even_timesteps(schedule, 600)
    found = flow_bound(world.eps_model(schedule), schedule, x_0, timesteps=grid,
                       generator=seeded())  # fmt: skip
    oracles.agree(found.latent[0::2].mean(), 2.0, atol=0.02)
    oracles.agree(found.latent[1::2].mean(), math.log2(4 / 3), atol=0.02)
    betas = schedule.betas.tolist()
    tilde = betas[1] / (1 - (1 - betas[1]) * (1 - betas[2])) * betas[2]
    hit = 0.5 * math.erfc(-1 / 255 / math.sqrt(2 * tilde))  # the bins at the ends are half open
    oracles.agree(found.reconstruction, -math.log2(hit), atol=1e-6)
    oracles.agree(found.total, found.latent + found.reconstruction, rtol=1e-15)


def test_it_is_a_bound_on_the_models_own_probability():
    """P(x_0) by quadrature over x_1, for a pixel and a network that is nobody's ideal. The levels'
    probabilities add up to 1, and none is smaller than the mean of many bounds says.
    """

    def odd(x_t: Tensor, t: Tensor) -> Tensor:
        return 0.6 * x_t + 0.1 * torch.sin(3 * x_t + 0.001 * t)

    schedule = linear_schedule(300, 0.01, 0.04)
    c, grid = schedule.at(1), list(range(1, 301))
    x_1 = torch.linspace(-12, 12, 4001, dtype=torch.float64)
    log_p = flow_log_density(odd, schedule, x_1, timesteps=grid).log_density
    eps = odd(x_1, torch.tensor(1.0))
    x0_hat = (x_1 - math.sqrt(1 - c.alpha_bar) * eps) / math.sqrt(c.alpha_bar)
    second = schedule.at(2)
    var = (1 - second.alpha_bar_prev) / (1 - second.alpha_bar) * second.beta
    levels = torch.arange(256, dtype=torch.float64) / 127.5 - 1
    decoded = torch.stack(
        [decoder_log_likelihood(x.expand(4001), Gaussian(x0_hat, var)) for x in levels]
    )
    log_P = torch.trapezoid((log_p + decoded).exp(), x_1).log()
    assert log_P.exp().sum().item() == pytest.approx(1, abs=2e-3)
    for i in (0, 100, 200):
        found = flow_bound(
            lambda x, t: odd(x, t[:, None]),
            schedule,
            levels[i].expand(2000, 1).clone(),
            timesteps=[*grid[::10], 300],
            generator=seeded(),
        )
        q = Gaussian(math.sqrt(c.alpha_bar) * levels[i].expand(4001), 1 - c.alpha_bar)
        log_q = q.log_prob(x_1)
        exact = torch.trapezoid(log_q.exp() * (log_q - log_p - decoded[i]), x_1) / math.log(2)
        spread = found.total.std().item() / math.sqrt(2000)
        assert found.total.mean().item() == pytest.approx(exact.item(), abs=5 * spread + 0.01)
        assert -log_P[i] / math.log(2) < exact


def test_both_bounds_have_the_same_reconstruction(monkeypatch):
    """The same x_1, the same decoder: L_0 to the digit, so that the rest can be compared."""
    schedule = linear_schedule(6, 0.1, 0.97)
    x_0, z = images(2, 3).clamp(-1, 1), images(2, 3, seed=1)
    monkeypatch.setattr(torch, "randn", oracles.ScriptedNoise([z] * 6))
    other = bound(network, schedule, x_0)
    monkeypatch.setattr(torch, "randn", oracles.ScriptedNoise([z]))
    found = flow_bound(network, schedule, x_0, timesteps=[1, 3, 6])
    oracles.agree(found.reconstruction, other.reconstruction, rtol=1e-12)


@pytest.mark.parametrize("grid", [[2, 4, 6], [6], [6, 4, 1]])
def test_a_path_that_does_not_begin_at_x_1_is_refused(grid):
    """What it would add up is no part of any bound, and looks like one."""

    def never(x_t: Tensor, t: Tensor) -> Tensor:
        raise AssertionError("asked too early")

    with pytest.raises(ValueError, match=rf"timesteps begins with {grid[0]}, expected 1"):
        flow_bound(never, linear_schedule(6, 0.1, 0.97), images(2, 3).clamp(-1, 1), timesteps=grid)


def test_the_error_of_the_grid_falls():
    mixture = Mixture.gaussian(torch.zeros(4, dtype=torch.float64), 0.05)
    x_0, totals = images(3, 4).clamp(-1, 1), []
    for n in (25, 50, 100, 1000):
        found = flow_bound(mixture.eps_model(FINE), FINE, x_0, timesteps=even_timesteps(FINE, n),
                           generator=seeded())  # fmt: skip
        totals.append(found.total)
    errors = [(total - totals[-1]).abs().max().item() for total in totals[:-1]]
    assert all(a > 2.5 * b for a, b in pairwise(errors))
