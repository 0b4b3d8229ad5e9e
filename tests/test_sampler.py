"""The samplers, against exact recursions, the article's loop and Hugging Face diffusers."""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import oracles
import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import images, seeded
from scipy import optimize, stats
from torch import Tensor, nn

from ddpm_lessons import (
    SAMPLERS,
    Mixture,
    NoiseSchedule,
    cosine_schedule,
    ddim,
    ddpm,
    linear_schedule,
)

pytestmark = pytest.mark.filterwarnings("ignore::ddpm_lessons.NoiseLeftWarning")

PAPER = (1000, 1e-4, 0.02)
SHORT = [(3, 0.3, 0.98), (10, 0.01, 0.6)]
DATA = [(0.4, 0.01), (-0.2, 2.0)]  # (mean, variance); wrong indices shout on narrow data


def network(x_t: Tensor, t: Tensor) -> Tensor:
    """Not linear, different at every t and for every image of the batch."""
    t = t.view(-1, *(1,) * (x_t.ndim - 1)).to(x_t.dtype)
    return (1.3 * x_t + 0.01 * t).sin() + 0.1 * x_t


class Recorder:
    """A network that remembers t, and whether it was asked under a gradient."""

    def __init__(self) -> None:
        self.t = []

    def __call__(self, x_t: Tensor, t: Tensor) -> Tensor:
        assert (t.shape, t.dtype, t.device) == ((len(x_t),), torch.int64, x_t.device)
        assert len(set(t.tolist())) == 1
        assert not torch.is_grad_enabled()
        self.t.append(t[0].item())
        return network(x_t, t)


def ideal(schedule: NoiseSchedule, data: tuple[float, float]) -> Callable:
    """The ideal network for numbers from N(mean, var), as (B, 1) images."""
    mean, var = data
    return Mixture.gaussian(torch.tensor([mean], dtype=torch.float64), var).eps_model(schedule)


def noisy(name: str) -> dict:
    """Options with which a sampler takes 10 steps, and draws noise if it can."""
    return {} if name == "ddpm" else {"steps": 10} | ({} if name == "heun" else {"eta": 1.0})


def last(steps: object) -> Tensor:
    *_, step = steps
    return step.x


# --- the loop itself ---------------------------------------------------------------------------


@pytest.mark.parametrize("T", [1, 2, 30])
def test_ddpm_calls_the_network_once_for_each_t(T):
    """range(1, noise_steps) skipped the last step; a notebook stepped twice in each round."""
    recorder, x_T = Recorder(), images(2, 3)
    steps = list(ddpm(recorder, linear_schedule(T, 0.1, 0.5), x_T))
    assert recorder.t == list(range(T, 0, -1))
    assert [step.t for step in steps] == list(range(T, -1, -1))


@pytest.mark.parametrize("T", [1, 2, 30])
def test_ddim_takes_every_number_of_steps(T):
    """range(0, T, T // S) gives 31 steps for 30 of 1000 and 1000 for 999."""
    schedule = linear_schedule(T, 0.1, 0.5)
    for S in range(1, T + 1):
        recorder = Recorder()
        ts = [step.t for step in ddim(recorder, schedule, torch.zeros(1, 1), steps=S)]
        assert len(recorder.t) == S
        assert ts == [*recorder.t, 0]
        assert ts[0] == T
        assert S == 1 or ts[-2] == 1
        gaps = [a - b for a, b in pairwise(ts[:-1])]
        assert not gaps or max(gaps) - min(gaps) <= 1  # evenly spread
        assert all(gap >= 1 for gap in gaps)


@pytest.mark.parametrize("S", [7, 13, 30, 50, 60, 300, 999])
def test_ddim_starts_at_T_and_ends_at_1(S):
    """The default grid of diffusers starts at 981 of 0 ... 999."""
    recorder = Recorder()
    list(ddim(recorder, linear_schedule(), torch.zeros(1, 1), steps=S))
    assert (len(recorder.t), recorder.t[0], recorder.t[-1]) == (S, 1000, 1)


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_chain_has_every_state_once(name):
    """lucidrains' return_all_timesteps doubled the first image and lost the last."""
    schedule, x_T = linear_schedule(10, 0.01, 0.6), images(2, 3)
    options = {} if name == "ddpm" else {"steps": 10}
    steps = list(SAMPLERS[name](network, schedule, x_T, generator=seeded(), **options))
    assert len(steps) == 11
    assert torch.equal(steps[0].x, x_T)
    assert torch.equal(steps[-1].x, steps[-1].x0_hat)
    for one, other in pairwise(steps):
        assert not torch.equal(one.x, other.x)
    ab = oracles.alpha_bars_of(oracles.linear_betas(10, 0.01, 0.6))
    for step in steps[:-1]:
        eps = network(step.x, torch.full((2,), step.t))
        x0_hat = (step.x - math.sqrt(1 - ab[step.t]) * eps) / math.sqrt(ab[step.t])
        oracles.agree(step.x0_hat, x0_hat, rtol=1e-12, atol=1e-12)


def test_the_last_step_draws_no_noise():
    """labml and lucidrains added noise at the last step, which ends in every picture."""
    schedule = linear_schedule(10, 0.01, 0.6)
    for name, sampler in SAMPLERS.items():
        finals = []
        for disturbance in (1, 2):
            generator = seeded()
            chain = sampler(network, schedule, images(2, 3), generator=generator, **noisy(name))
            for step in chain:
                if step.t == 1:
                    generator.manual_seed(disturbance)
                    untouched = generator.get_state()
            finals.append(step.x)
            assert torch.equal(generator.get_state(), untouched)
        assert torch.equal(*finals)


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_generator_decides_everything(name):
    options = noisy(name)
    schedule, x_T = linear_schedule(10, 0.01, 0.6), images(2, 3)
    copy, before = x_T.clone(), torch.get_rng_state()
    one, same, other = (
        last(SAMPLERS[name](network, schedule, x_T, generator=seeded(seed), **options))
        for seed in (0, 0, 1)
    )
    assert torch.equal(one, same)
    assert torch.equal(one, other) == (name == "heun")  # which draws nothing
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(x_T, copy)  # and x_T is left as it was


@pytest.mark.parametrize("name", SAMPLERS)
def test_with_a_generator_for_each_image_no_image_depends_on_its_neighbours(name):
    """One generator hands out the noise of the whole batch: then a seed gives image 0 other noise
    in a larger batch.
    """
    options = noisy(name)
    schedule, x_T = linear_schedule(10, 0.01, 0.6), images(4, 3)

    def drawn(numbers: list[int], generators: object) -> Tensor:
        sampler = SAMPLERS[name]
        return last(sampler(network, schedule, x_T[numbers], generator=generators, **options))

    together = drawn([0, 1, 2, 3], [seeded(i) for i in range(4)])
    for numbers in ([0], [2, 1], [3, 0, 2]):
        apart = drawn(numbers, [seeded(i) for i in numbers])
        oracles.agree(apart, together[numbers], rtol=1e-13)
    for i in range(4):  # and its noise is what its generator draws alone
        oracles.agree(drawn([i], seeded(i)), together[[i]], rtol=1e-13)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("wrong", [[], [0, 1], [torch.Generator()], [torch.Generator()] * 3])
def test_a_list_of_generators_has_one_for_each_image(name, wrong):
    steps = SAMPLERS[name](network, linear_schedule(10), images(2, 3), generator=wrong)
    with pytest.raises(ValueError, match=r"generator is \[.*expected None .* list of 2, one for"):
        next(steps)


class Net(nn.Module):
    """A layer with dropout, in whatever mode it was left."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.dropout = nn.Linear(3, 3), nn.Dropout(0.5)

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        return self.dropout(self.layer(x_t))


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("mode", [True, False])
def test_sampling_leaves_the_network_and_gradients_alone(name, mode):
    """Dropout was active while sampling, or the network stayed in eval mode, and the next epochs
    trained without it.
    """
    net, schedule = Net().train(mode), linear_schedule(10, 0.01, 0.6)
    options = {} if name == "ddpm" else {"steps": 10}
    x_T, results = images(2, 3).float(), []
    for _ in range(2):
        for step in SAMPLERS[name](net, schedule, x_T, generator=seeded(), **options):
            assert net.training is net.dropout.training is mode
            assert torch.is_grad_enabled()
            assert not step.x.requires_grad
        results.append(step.x)
    assert torch.equal(*results)
    net.layer(results[0]).sum().backward()  # an inference-mode tensor could not be trained on
    assert net.layer.weight.grad is not None


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_states_keep_the_dtype_of_the_noise(name, dtype):
    options = {} if name == "ddpm" else {"steps": 10}
    steps = SAMPLERS[name](
        network, linear_schedule(10, 0.01, 0.6), images(2, 3).to(dtype), **options
    )
    assert {value.dtype for step in steps for value in (step.x, step.x0_hat)} == {dtype}


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("make", [linear_schedule, cosine_schedule])
def test_a_clipped_chain_stays_finite_even_with_a_hopeless_network(name, make):
    """1 / sqrt(alpha_T) is 31.6 in the cosine schedule: an unclipped chain explodes at once."""
    schedule = make(50) if make is cosine_schedule else make(1000)
    options = {} if name == "ddpm" else {"steps": 25}

    def hopeless(x_t: Tensor, t: Tensor) -> Tensor:
        return -5 * torch.ones_like(x_t)

    steps = SAMPLERS[name](
        hopeless, schedule, images(4, 3), clip_x0=1.0, generator=seeded(), **options
    )
    for step in steps:
        assert step.x.abs().max() < 10
        assert step.x0_hat.abs().max() <= 1 + 1e-11


def test_a_bad_argument_is_named_before_the_network_is_asked():
    recorder, schedule, x_T = Recorder(), linear_schedule(10, 0.01, 0.6), images(2, 3)
    for steps, name in (
        (ddim(recorder, schedule, x_T, steps=11), "steps is 11, expected a whole number in 1..10"),
        (ddim(recorder, schedule, x_T), "steps is 50"),
        (ddim(recorder, schedule, x_T, timesteps=[3, 3, 1]), r"timesteps is \[3, 3, 1\]"),
        (ddim(recorder, schedule, x_T, timesteps=[1, 2]), r"timesteps is \[1, 2\]"),
        (ddim(recorder, schedule, x_T, timesteps=[]), r"timesteps is \[\]"),
        (ddim(recorder, schedule, x_T, timesteps=[11]), "timesteps is 11"),
        (ddim(recorder, schedule, x_T, timesteps=[2, 0]), "timesteps is 0"),
        (ddim(recorder, schedule, x_T, eta=1.5), r"eta is 1\.5"),
        (ddpm(schedule, recorder, x_T), "eps_model has type NoiseSchedule"),
    ):
        with pytest.raises(ValueError, match=name):
            next(steps)
    assert recorder.t == []


# --- exact chains ------------------------------------------------------------------------------


def affine(run: Callable, draws: int, monkeypatch: pytest.MonkeyPatch) -> tuple:
    """Read a, b and s_i of x_0 = a x_T + b + sum_i s_i z_i off a sampler, and count its draws."""
    x_T, noise = oracles.basis(draws)
    script = oracles.ScriptedNoise(noise)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "randn", script)
        result = last(run(x_T))
    assert script.draws == draws
    return oracles.read_affine(result)


def agree_affine(found: tuple, expected: tuple, atol: float) -> None:
    oracles.agree(found[:2], expected[:2], atol=atol)
    oracles.agree(found[2], expected[2], atol=atol)


def compare_ddpm(
    monkeypatch: pytest.MonkeyPatch, setting: tuple, data: tuple[float, float], variance: str
) -> None:
    schedule = linear_schedule(*setting)
    model = ideal(schedule, data)
    found = affine(
        lambda x: ddpm(model, schedule, x, variance=variance), setting[0] - 1, monkeypatch
    )
    chain = oracles.ddpm_chain(oracles.linear_betas(*setting), data, variance)
    a, b, noise = oracles.compose(chain)
    agree_affine(found, (a, b, noise[:-1]), atol=1e-10)
    assert noise[-1] == 0


@pytest.mark.parametrize("variance", ["beta", "posterior"])
@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("setting", SHORT)
def test_ddpm_is_the_exact_chain_of_a_gaussian(monkeypatch, setting, data, variance):
    """With the ideal network for N(mean, var) every step is affine, and so is the whole chain. Its
    T - 1 draws each have their own factor: noise at t = 1, or a variance for a standard deviation,
    moves one of them.
    """
    compare_ddpm(monkeypatch, setting, data, variance)


@pytest.mark.parametrize("setting", SHORT)
def test_each_variance_is_exact_for_the_data_the_paper_names(monkeypatch, setting):
    """Section 3.2: sigma^2 = beta is optimal for x_0 from N(0, I), beta-tilde for a single point.
    Started with the variance of q(x_T), the chain ends with that of the data, to the digit; less
    the beta_1 that the first kind would have drawn at t = 1, where nothing is drawn.
    """
    schedule, T = linear_schedule(*setting), setting[0]
    alpha_bar_T = schedule.alpha_bars[-1].item()
    for var, variance, missing in ((1.0, "beta", setting[1]), (0.0, "posterior", 0.0)):
        model = ideal(schedule, (0.4, var))
        a, b, s = affine(lambda x: ddpm(model, schedule, x, variance=variance), T - 1, monkeypatch)  # noqa: B023
        mean = a * math.sqrt(alpha_bar_T) * 0.4 + b
        spread = a**2 * (alpha_bar_T * var + 1 - alpha_bar_T) + sum(x**2 for x in s)
        assert mean == pytest.approx(0.4, abs=1e-9)
        assert spread + missing == pytest.approx(var, abs=1e-11)


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize(
    ("setting", "steps", "grid"),
    [
        ((10, 0.01, 0.6), 10, list(range(10, 0, -1))),
        ((10, 0.01, 0.6), 4, [10, 7, 4, 1]),
        ((10, 0.01, 0.6), 3, [10, 5, 1]),
        ((10, 0.01, 0.6), 2, [10, 1]),
        ((10, 0.01, 0.6), 1, [10]),
        (PAPER, 38, list(range(1000, 0, -27))),
    ],
)
def test_ddim_is_the_exact_chain_of_a_gaussian(monkeypatch, setting, steps, grid, data, eta):
    """DDIM's Eq. 12 with sigma of Eq. 16, jump by jump. sigma made from alpha_bar_t alone, or a
    direction that does not make room for it, moves the factors.
    """
    schedule, betas = linear_schedule(*setting), oracles.linear_betas(*setting)
    model = ideal(schedule, data)
    chain = oracles.ddim_chain(betas, data, grid, eta)
    a, b, noise = oracles.compose(chain)
    # the last jump, to s = 0, and any jump at eta = 0 draw nothing; other draws may be minute
    draws = len(grid) - 1 if eta else 0
    found = affine(lambda x: ddim(model, schedule, x, steps=steps, eta=eta), draws, monkeypatch)
    agree_affine(found, (a, b, noise[:draws]), atol=1e-10)
    assert noise[draws:] == [0.0] * (len(grid) - draws)


@pytest.mark.parametrize("grid", [[9, 4, 2], [10], [1], [10, 9, 1], [6, 5, 4]])
def test_ddim_takes_any_falling_grid(monkeypatch, grid):
    """"prev = t - T // S" beside a list of another spacing is an open bug for years. Here the end
    of each jump is the start of the next.
    """  # fmt: skip
    setting, data = (10, 0.01, 0.6), DATA[0]
    schedule = linear_schedule(*setting)
    model = ideal(schedule, data)
    a, b, noise = oracles.compose(
        oracles.ddim_chain(oracles.linear_betas(*setting), data, grid, 0.7)
    )
    found = affine(
        lambda x: ddim(model, schedule, x, timesteps=grid, eta=0.7), len(grid) - 1, monkeypatch
    )
    agree_affine(found, (a, b, noise[:-1]), atol=1e-11)


@settings(max_examples=150, deadline=None)
@given(
    betas=st.lists(st.floats(1e-5, 0.999), min_size=1, max_size=8),
    mean=st.floats(-1, 1),
    var=st.floats(0, 2),
    eta=st.floats(0, 1),
    data=st.data(),
)
def test_ddim_is_the_exact_chain_on_any_schedule(betas, mean, var, eta, data):
    """Schedules and grids that nobody would choose: 1 - alpha_bar_s - sigma^2 must not fall below
    0, where its root is complex.
    """
    betas = np.array([0.0, *betas])
    grid = sorted(data.draw(st.sets(st.integers(1, len(betas) - 1), min_size=1)), reverse=True)
    schedule, x_T = NoiseSchedule(betas), torch.tensor([[-1.0], [2.0]], dtype=torch.float64)
    model = ideal(schedule, (mean, var))
    x, generator = x_T.clone(), seeded(1)
    for a, b, s in oracles.ddim_chain(betas, (mean, var), grid, eta):
        z = torch.randn(x.shape, dtype=x.dtype, generator=generator) if s else torch.zeros(2, 1)
        x = a * x + b + s * z
    found = last(ddim(model, schedule, x_T, timesteps=grid, eta=eta, generator=seeded(1)))
    # predicting x_0 divides by sqrt(alpha_bar), which may be 1e-12 here
    atol = 1e-10 / math.sqrt(schedule.alpha_bars[grid[0]].item())
    oracles.agree(found, x, rtol=1e-8, atol=atol)


@pytest.mark.parametrize("steps", [1, 7, 10, 50, 100, 1000])
def test_ddim_reaches_a_single_point_with_any_number_of_steps(steps):
    """Grids that ended with (0, 0), or a last alpha_bar of 0.9999, left noise or black images."""
    schedule, point = linear_schedule(), torch.tensor([[0.3, -0.7, 1.0]])
    model = Mixture.from_data(point).eps_model(schedule)
    x_T = images(5, 3).float()
    # float32 rounding, magnified by 1 / sqrt(alpha_bar) = 157 where the only step starts at T
    atol = 1e-6 if steps > 1 else 5e-5
    oracles.agree(last(ddim(model, schedule, x_T, steps=steps)), point.expand(5, 3), atol=atol)


@pytest.mark.parametrize("variance", ["beta", "posterior"])
@pytest.mark.parametrize("data", DATA)
def test_ddpm_is_the_exact_chain_with_1000_steps(monkeypatch, data, variance):
    """All 999 factors of the noise."""
    compare_ddpm(monkeypatch, PAPER, data, variance)


def test_ddim_carries_quantiles_to_quantiles():
    """Without noise the chain follows a flow, which in one dimension keeps the order of points: the
    p-quantile of N(0, 1) arrives at the p-quantile of the data.
    """
    schedule = linear_schedule()
    data = Mixture(torch.tensor([[-0.9], [0.5]]), [0.04, 0.2], [0.4, 0.6])
    p = np.array([0.02, 0.2, 0.35, 0.41, 0.5, 0.7, 0.9, 0.99])

    def cdf(x: float) -> float:
        return 0.4 * stats.norm.cdf(x, -0.9, 0.2) + 0.6 * stats.norm.cdf(x, 0.5, math.sqrt(0.2))

    expected = [optimize.brentq(lambda x, q=q: cdf(x) - q, -5, 5) for q in p]
    x_T = torch.from_numpy(stats.norm.ppf(p))[:, None]
    x_0 = last(ddim(data.eps_model(schedule), schedule, x_T, steps=1000))
    oracles.agree(x_0.flatten(), expected, atol=0.01)


# --- other people's loops ----------------------------------------------------------------------


def test_the_articles_loop_gives_the_same_chain_one_index_lower():
    """Its t runs over range(T) and its noise stops at t = 0: our t from T to 1."""
    article, schedule, x_T = oracles.Article(50), linear_schedule(50), images(4, 1, 3, 3)

    def model(x: Tensor, t: int) -> Tensor:
        return network(x, torch.full((len(x),), t + 1))

    theirs = article.sample(model, x_T, seeded(1))
    ours = [step.x for step in ddpm(network, schedule, x_T, generator=seeded(1))]
    assert len(ours) == len(theirs) == 51
    for our, their in zip(ours, theirs, strict=True):
        oracles.agree(our, their, rtol=1e-10, atol=1e-10)


def in_float64(scheduler: DDPMScheduler | DDIMScheduler, T: int) -> DDPMScheduler | DDIMScheduler:
    """diffusers' tables are float32; with these the comparison is to 11 digits, not to 4."""
    scheduler.betas = torch.linspace(1e-3, 0.3, T, dtype=torch.float64)
    scheduler.alphas = 1 - scheduler.betas
    scheduler.alphas_cumprod = torch.cumprod(scheduler.alphas, dim=0)
    return scheduler


@pytest.mark.parametrize(
    ("variance", "variance_type"), [("beta", "fixed_large"), ("posterior", "fixed_small")]
)
@pytest.mark.parametrize("clip_x0", [None, 1.0, 0.5])
def test_ddpm_agrees_with_diffusers_step_by_step(variance, variance_type, clip_x0):
    schedule = linear_schedule(20, 1e-3, 0.3)
    scheduler = in_float64(
        DDPMScheduler(
            num_train_timesteps=20,
            variance_type=variance_type,
            clip_sample=clip_x0 is not None,
            clip_sample_range=clip_x0 or 1.0,
        ),
        20,
    )
    x_T, theirs = images(3, 1, 2, 2), seeded(1)
    steps = list(
        ddpm(network, schedule, x_T, variance=variance, clip_x0=clip_x0, generator=seeded(1))
    )
    for step, after in pairwise(steps):
        eps = network(step.x, torch.full((3,), step.t))
        reply = scheduler.step(eps, step.t - 1, step.x, generator=theirs)
        oracles.agree(step.x0_hat, reply.pred_original_sample, rtol=1e-10, atol=1e-10)
        oracles.agree(after.x, reply.prev_sample, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("spacing", ["trailing", "leading"])
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("clip_x0", [None, 1.0])
@pytest.mark.parametrize("S", [20, 5, 1])
def test_ddim_agrees_with_diffusers_step_by_step(spacing, eta, clip_x0, S):
    """The grid is given, because diffusers' own starts at 981 of 1000 by default."""
    schedule = linear_schedule(20, 1e-3, 0.3)
    scheduler = in_float64(
        DDIMScheduler(
            num_train_timesteps=20,
            timestep_spacing=spacing,
            set_alpha_to_one=True,
            clip_sample=clip_x0 is not None,
        ),
        20,
    )
    scheduler.set_timesteps(S)
    grid = (scheduler.timesteps + 1).tolist()
    theirs, kwargs = seeded(1), {"eta": eta, "clip_x0": clip_x0, "generator": seeded(1)}
    steps = list(ddim(network, schedule, images(3, 4), timesteps=grid, **kwargs))
    assert [step.t for step in steps] == [*grid, 0]
    for step, after in pairwise(steps):
        reply = scheduler.step(
            network(step.x, torch.full((3,), step.t)),
            step.t - 1,
            step.x,
            eta=eta,
            use_clipped_model_output=True,  # clipped x0_hat and old eps do not belong together
            generator=theirs,
        )
        oracles.agree(step.x0_hat, reply.pred_original_sample, rtol=1e-10, atol=1e-10)
        oracles.agree(after.x, reply.prev_sample, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("setting", SHORT)
@pytest.mark.parametrize("clip_x0", [None, 0.8])
def test_ddim_with_all_steps_and_full_noise_is_ddpm(setting, clip_x0):
    schedule, x_T = linear_schedule(*setting), images(4, 3)
    kwargs = {"clip_x0": clip_x0}
    ancestral = ddpm(network, schedule, x_T, variance="posterior", generator=seeded(3), **kwargs)
    implicit = ddim(
        network, schedule, x_T, steps=setting[0], eta=1.0, generator=seeded(3), **kwargs
    )
    for one, other in zip(ancestral, implicit, strict=True):
        assert one.t == other.t
        oracles.agree(one.x, other.x, rtol=1e-10, atol=1e-10)
        oracles.agree(one.x0_hat, other.x0_hat, rtol=1e-9, atol=1e-9)


def test_a_ddim_step_after_clipping_takes_the_noise_that_belongs_to_the_clipped_image():
    """Found twice in one library, six months apart: x0_hat clipped, but the old eps kept."""
    schedule, ab = linear_schedule(10, 0.01, 0.6), None
    ab = oracles.alpha_bars_of(oracles.linear_betas(10, 0.01, 0.6))
    x_T = torch.tensor([[2.0, -3.0]], dtype=torch.float64)
    first, second, *_ = ddim(network, schedule, x_T, steps=3, clip_x0=1.0)
    raw = (x_T - math.sqrt(1 - ab[10]) * network(x_T, torch.tensor([10]))) / math.sqrt(ab[10])
    assert (raw.abs() > 1).all()
    clipped = raw.clip(-1, 1)
    eps = (x_T - math.sqrt(ab[10]) * clipped) / math.sqrt(1 - ab[10])
    oracles.agree(first.x0_hat, clipped)
    oracles.agree(second.x, math.sqrt(ab[5]) * clipped + math.sqrt(1 - ab[5]) * eps, rtol=1e-12)
