"""The gallery's numbers against recursions by hand, its right parts against the library."""

import dataclasses
import hashlib
import math

import numpy as np
import pytest
import torch
from oracles import (
    agree,
    alpha_bars_of,
    chain_covariance,
    condition,
    gauss_hermite,
    gaussian_x0,
    linear_betas,
    seeded,
)
from scipy.special import ndtr

from ddpm_lessons.bugs import (
    BUGS,
    LADDER,
    RIGHT,
    Parts,
    Walker,
    at_levels,
    caught,
    draw,
    even_steps,
    exact_loss,
    exhibits,
    first_weights,
    last_variance,
    least_loss,
    noise_levels,
    planted,
    specimen,
    teach,
    wrong,
)
from ddpm_lessons.bugs.ladder import (
    NARROW,
    WIDE,
    after_first_step,
    die_bits,
    greatest_drop,
    place_in_batch,
    signal_left,
    step_error,
    told_wrongly,
)
from ddpm_lessons.bugs.network import Clock, angles_of, diluted
from ddpm_lessons.bugs.specimens import SEALED, diagnosis
from ddpm_lessons.bugs.tiny import TinyNet
from ddpm_lessons.data import to_uint8
from ddpm_lessons.models import Pretrained, UNet, UNetConfig
from ddpm_lessons.models.unet import sinusoids
from ddpm_lessons.samplers import ddpm
from ddpm_lessons.schedule import NoiseSchedule, linear_schedule
from ddpm_lessons.training import Ema, MixedPrecision

OF_PART = {bug.part: bug for bug in BUGS.values()}
each_bug = pytest.mark.parametrize("name", BUGS)


def broken(part: str) -> Parts:
    return OF_PART[part].parts


# --- by hand: the schedule of T of the thousand levels, and the variance of a chain ------------


def some_levels(T: int) -> np.ndarray:
    """[0, beta_1, ..., beta_T] of the jumps between T of the thousand levels."""
    kept = alpha_bars_of(linear_betas(1000, 1e-4, 0.02))[:: 1000 // T]
    return np.concatenate([[0.0], 1 - kept[1:] / kept[:-1]])


def variance_by_hand(
    betas: np.ndarray, v: float, *, noise_at_last=False, late=0, shifted=False
) -> float:
    """The variance of x_0 for data N(0, v): the weights come from conditioning a joint Gaussian."""
    bars, cov = alpha_bars_of(betas), chain_covariance(betas, 1.0)
    variance, T = 1.0, len(betas) - 1
    for t in range(T, 0, -1):
        if shifted:  # Eq. (7) with alpha_bar_t for alpha_bar_{t-1}, and with 1 at t = T
            before = 1.0 if t == T else bars[t]
            w_0 = math.sqrt(before) * betas[t] / (1 - bars[t])
            w_t = math.sqrt(1 - betas[t]) * (1 - before) / (1 - bars[t])
        else:
            w_0, w_t = condition(cov, t - 1, [0, t])[0] if t > 1 else (1.0, 0.0)
        asked = max(t - late, 1)
        x_0 = gaussian_x0(1.0, bars[asked], 0.0, v)
        eps = (1 - math.sqrt(bars[asked]) * x_0) / math.sqrt(1 - bars[asked])
        guess = (1 - math.sqrt(1 - bars[t]) * eps) / math.sqrt(bars[t])
        sigma2 = betas[t] if t > 1 or noise_at_last else 0.0
        variance = (w_0 * guess + w_t) ** 2 * variance + sigma2
    return variance


def hurried_by_hand(v: float, steps: int) -> float:
    """Some of 1000 levels, where each step has the coefficients of a single one."""
    betas = linear_betas(1000, 1e-4, 0.02)
    bars, variance = alpha_bars_of(betas), 1.0
    for t in range(1000, 0, -1000 // steps):
        eps = (1 - math.sqrt(bars[t]) * gaussian_x0(1.0, bars[t], 0.0, v)) / math.sqrt(1 - bars[t])
        mean = (1 - betas[t] / math.sqrt(1 - bars[t]) * eps) / math.sqrt(1 - betas[t])  # Eq. (11)
        variance = mean**2 * variance + (betas[t] if t > 1000 // steps else 0.0)
    return variance


BY_HAND = {
    "sigma": {"noise_at_last": True},
    "told": {"late": 1},
    "previous": {"shifted": True},
}


@pytest.mark.parametrize("v", [NARROW, 0.25, WIDE])
@pytest.mark.parametrize("T", [10, 50])
def test_the_right_variance_is_that_of_a_recursion_by_hand(T, v):
    assert last_variance(RIGHT, T, var=v) == pytest.approx(
        variance_by_hand(some_levels(T), v), rel=1e-8
    )
    assert last_variance(RIGHT, 1000, var=v, steps=T) == pytest.approx(
        variance_by_hand(some_levels(T), v), rel=1e-8
    )


@pytest.mark.parametrize("v", [NARROW, 0.25, WIDE])
@pytest.mark.parametrize("T", [10, 50])
@pytest.mark.parametrize("part", BY_HAND)
def test_the_variance_with_a_bug_is_that_of_a_recursion_by_hand(part, T, v):
    expected = variance_by_hand(some_levels(T), v, **BY_HAND[part])
    assert last_variance(broken(part), T, var=v) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("v", [NARROW, WIDE])
def test_betas_of_a_thousand_steps_by_hand(v):
    betas = linear_betas(50, 1e-4, 0.02)
    found = last_variance(broken("schedule"), 50, var=v)
    assert found == pytest.approx(variance_by_hand(betas, v), rel=1e-8)
    left = signal_left(broken("schedule"), 50)
    assert left == pytest.approx(alpha_bars_of(betas)[-1], rel=1e-12)
    assert left == pytest.approx(0.603, abs=1e-3)
    assert signal_left(RIGHT, 50) == pytest.approx(4.04e-5, rel=1e-2)


@pytest.mark.parametrize("steps", [10, 50, 1000])
def test_single_steps_by_hand(steps):
    found = last_variance(broken("lower"), 1000, var=NARROW, steps=steps)
    assert found == pytest.approx(hurried_by_hand(NARROW, steps), rel=1e-6)


def test_a_clipped_state_by_the_clipped_normal_distribution():
    """x_{T-1} = N(0, s^2) cut at 1: the variance is E z^2 inside, and 1 for what lies outside."""
    for T in (10, 1000):
        betas = some_levels(T)
        bars = alpha_bars_of(betas)
        eps = math.sqrt(1 - bars[T])  # for data N(0, 1)
        s2 = ((1 - betas[T] / eps * eps) / math.sqrt(1 - betas[T])) ** 2 + betas[T]
        edge = 1 / math.sqrt(s2)
        inside = s2 * (
            1 - 2 * ndtr(-edge) - 2 * edge * math.exp(-(edge**2) / 2) / math.sqrt(2 * math.pi)
        )
        expected = inside + 2 * ndtr(-edge)
        assert after_first_step(broken("keep"), T) == pytest.approx(expected, rel=0.03)
        assert after_first_step(RIGHT, T) == pytest.approx(s2, rel=0.01)
        assert expected < 0.55


def test_a_sampler_that_is_not_linear_is_simulated():
    betas, rng = some_levels(10), np.random.default_rng(7)
    bars, x = alpha_bars_of(betas), rng.standard_normal(200_000)
    cov = chain_covariance(betas, 1.0)
    for t in range(10, 0, -1):
        w_0, w_t = condition(cov, t - 1, [0, t])[0] if t > 1 else (1.0, 0.0)
        x = w_0 * gaussian_x0(x, bars[t], 0.0, WIDE) + w_t * x
        x = np.clip(x + (math.sqrt(betas[t]) * rng.standard_normal(len(x)) if t > 1 else 0), -1, 1)
    assert last_variance(broken("keep"), 10, var=WIDE) == pytest.approx(x.var(), rel=0.03)


# --- the right parts are the library -----------------------------------------------------------


def odd_network(x, t):
    return 0.3 * torch.sin(x) + 0.01 * t.view(-1, 1, 1, 1) * x.cos()


@pytest.mark.parametrize("T", [10, 50])
def test_the_right_sampler_is_the_librarys_elementwise(T):
    schedule = noise_levels(RIGHT, T)
    x_T = torch.randn(3, 1, 4, 4, generator=seeded(1), dtype=torch.float64)
    ours, theirs = seeded(2), seeded(2)
    walked = list(Walker(RIGHT, odd_network, schedule).walk(x_T, even_steps(T, T), generator=ours))
    drawn = list(ddpm(odd_network, schedule, x_T, generator=theirs))
    assert [step.t for step in walked] == [step.t for step in drawn]
    for a, b in zip(walked, drawn, strict=True):
        agree(a.x, b.x, rtol=1e-9, atol=1e-9)
        agree(a.x0_hat, b.x0_hat, rtol=1e-9, atol=1e-9)
    assert torch.equal(ours.get_state(), theirs.get_state())  # as much noise, and no more


def test_the_schedule_of_all_levels_is_the_linear_one():
    agree(noise_levels(RIGHT, 1000).betas, linear_schedule().betas, rtol=1e-12)
    agree(noise_levels(RIGHT, 20).betas, some_levels(20), rtol=1e-10)


def test_the_right_bytes_are_the_librarys():
    x = torch.linspace(-1.3, 1.3, 5001)
    assert torch.equal(RIGHT.grey(x), to_uint8(x))
    x = torch.tensor([-1.01, -1.0, 0.0, 1.0, 1.01])
    assert wrong.grey(x).tolist() == [255, 0, 128, 255, 0]  # -1.275 -> -1 -> 255, 256 -> 0
    assert greatest_drop(RIGHT) == 0
    assert greatest_drop(broken("grey")) == 255


def test_the_right_waves_are_the_librarys_and_the_wrong_ones_read_the_batch():
    t = torch.tensor([1, 3, 700, 1000])
    waves = RIGHT.waves(angles_of(t, 64))
    assert torch.equal(torch.cat([waves[:, ::2], waves[:, 1::2]], dim=1), sinusoids(t, 64))
    angles = angles_of(t, 64)
    by_place = torch.stack([angles[0].sin(), angles[1].cos(), angles[2].sin(), angles[3].cos()])
    assert torch.equal(wrong.waves(angles), by_place)
    assert place_in_batch(RIGHT, 50) == 0
    assert 1 < place_in_batch(broken("waves"), 50) <= math.sqrt(2) + 1e-6  # |sin - cos|


def test_the_right_average_is_the_librarys():
    """Read off the library's: an average of ones and a network of zeros make the decay itself."""
    net = torch.nn.Linear(2, 1, bias=False).double()
    ema = Ema(net, decay=0.9999)
    net.weight.data.zero_()
    for n in range(30):
        ema.module.weight.data.fill_(1.0)
        ema.update_parameters(net)
        assert RIGHT.decay(n) == pytest.approx(ema.module.weight[0, 0].item(), abs=1e-12)
    assert RIGHT.decay(10**6) == wrong.decay(0) == 0.9999


def test_the_share_of_the_first_weights():
    assert first_weights(RIGHT, 2000) == 0
    assert first_weights(broken("decay"), 2000) == pytest.approx(math.exp(2000 * math.log(0.9999)))
    assert first_weights(broken("decay"), 10_000) == pytest.approx(0.37, abs=0.005)
    assert first_weights(broken("decay"), 0) == 1


def test_nats_and_bits():
    assert RIGHT.bits(math.log(256)) == pytest.approx(8)
    assert wrong.bits(5.5) == 5.5


def test_the_bound_of_a_die_by_quadrature():
    """L_T + sum of KLs + the decoder, with Gauss-Hermite nodes for the noise and no library."""
    betas = some_levels(10)
    bars = alpha_bars_of(betas)
    levels = np.arange(256) / 127.5 - 1
    z, weights = gauss_hermite(80)
    var = bars[10] * levels**2, 1 - bars[10]
    nats = 0.5 * (var[0] + var[1] - 1 - math.log(var[1])).mean()
    for t in range(10, 0, -1):
        x = math.sqrt(bars[t]) * levels[:, None] + math.sqrt(1 - bars[t]) * z  # (256, 80)
        fit = -((x[..., None] - math.sqrt(bars[t]) * levels) ** 2) / (2 * (1 - bars[t]))
        share = np.exp(fit - fit.max(-1, keepdims=True))
        guess = (share * levels).sum(-1) / share.sum(-1)
        w_0 = math.sqrt(bars[t - 1]) * betas[t] / (1 - bars[t])
        if t > 1:
            tilde = (1 - bars[t - 1]) / (1 - bars[t]) * betas[t]
            gap = (w_0 * (guess - levels[:, None])) ** 2 / betas[t]
            kl = 0.5 * (tilde / betas[t] - 1 - math.log(tilde / betas[t]) + gap)
            nats += (kl @ weights).mean()
    std = math.sqrt((1 - bars[1]) / (1 - bars[2]) * betas[2])  # that of beta-tilde_2, at t = 1
    low = np.where(levels < -0.999, -np.inf, levels - 1 / 255)[:, None]
    high = np.where(levels > 0.999, np.inf, levels + 1 / 255)[:, None]
    chance = ndtr((high - guess) / std) - ndtr((low - guess) / std)
    nats += (-np.log(chance) @ weights).mean()
    expected = nats / math.log(2)
    assert die_bits(RIGHT, 10) == pytest.approx(expected, abs=0.12)  # 3 standard errors
    assert die_bits(RIGHT, 10) > 8
    assert die_bits(broken("bits"), 10) == pytest.approx(die_bits(RIGHT, 10) * math.log(2))
    assert die_bits(broken("bits"), 10) < 6  # and no code is shorter than 8 bits


# --- the ladder --------------------------------------------------------------------------------


def test_the_listener_hears_what_is_told():
    assert told_wrongly(RIGHT, 10) == 0
    assert told_wrongly(broken("told"), 10) == 9  # max(0, 1) is right by luck
    assert told_wrongly(broken("told"), 50) == 49


def test_one_step_misses_where_the_table_or_the_grid_is_wrong():
    for T, steps in ((10, 10), (1000, 10), (1000, 1000)):
        assert step_error(RIGHT, T, steps=steps) < 1e-11
    # at t = 1 the white pixel is counted twice: once as x0_hat, once as x_1
    assert step_error(broken("previous"), 1000) == pytest.approx(1, abs=1e-3)
    bars = alpha_bars_of(linear_betas(1000, 1e-4, 0.02))
    gaps = [abs(math.sqrt(bars[t - 1]) - math.sqrt(bars[t - 100])) for t in range(1000, 0, -100)]
    assert step_error(broken("lower"), 1000, steps=10) == pytest.approx(max(gaps), rel=1e-9)


def test_the_ladder_is_climbed_by_every_model_and_passes_the_right_one():
    for rung in LADDER:
        number = rung.run(RIGHT)
        assert math.isfinite(number), rung.name
        assert not caught(number, number)
    assert [caught(1.04, 1.0), caught(1.06, 1.0), caught(1e-3, 0.0), caught(1e-13, 0.0)] == [
        False, True, True, False,
    ]  # fmt: skip


@each_bug
def test_every_bug_is_caught_by_a_cheap_test_and_none_by_the_usual_one_alone(name):
    parts = BUGS[name].parts
    marks = {rung.name: caught(rung.run(parts), rung.run(RIGHT)) for rung in LADDER[:-1]}
    assert any(marks.values()), marks


def test_what_the_usual_test_misses():
    """At T = 1000 with data as wide as the noise, eight of the ten bugs go unseen."""
    usual = LADDER[-1]
    right = usual.run(RIGHT)
    found = {bug.part for bug in BUGS.values() if caught(usual.run(bug.parts), right)}
    assert found == {"previous", "keep"}


# --- the bugs as data --------------------------------------------------------------------------

# (right, wrong) at T = 10 and at T = 1000; what a bug leaves alone is the same twice.
NUMBERS = {
    "sigma": ((0.0022, 0.1052), (0.01015, 0.01025)),
    "told": ((0.897, 1.473), (0.9999, 1.0089)),
    "previous": ((0.897, 11.97), (0.9999, 1.44e7)),
    "lower": ((0.0022, 0.0022), (0.0022, 0.937)),
    "keep": ((0.9945, 0.507), (1.004, 0.509)),
    "schedule": ((4.036e-5, 0.9037), (4.036e-5, 4.036e-5)),
    "waves": ((0.0, 1.414), (0.0, 1.414)),
    "decay": ((0.0, 0.8187), (0.0, 0.8187)),
    "grey": ((0.0, 255.0), (0.0, 255.0)),
}


@pytest.mark.parametrize("part", NUMBERS)
def test_every_bug_moves_its_number_as_stated(part):
    bug = OF_PART[part]
    for T, (right, found) in zip((10, 1000), NUMBERS[part], strict=True):
        assert bug.number(RIGHT, T) == pytest.approx(right, rel=5e-3, abs=1e-9)
        assert bug.number(bug.parts, T) == pytest.approx(found, rel=5e-3)


def test_what_the_stories_say_in_numbers():
    def ratio(part, var):
        return last_variance(broken(part), 10, var=var) / last_variance(RIGHT, 10, var=var)

    assert "48 times" in OF_PART["sigma"].at_10
    assert round(ratio("sigma", NARROW)) == 48
    assert "64 per cent" in OF_PART["told"].at_10
    assert round(ratio("told", WIDE), 2) == 1.64
    assert abs(ratio("told", NARROW) - 1) < 0.05
    assert "13 times" in OF_PART["previous"].at_10
    assert round(ratio("previous", WIDE)) == 13
    assert ratio("keep", WIDE) < 0.5
    assert 127.5 * linear_schedule().at(1).beta ** 0.5 == pytest.approx(1.3, abs=0.05)
    assert 1 - math.log(2) == pytest.approx(0.31, abs=0.005)


def test_ten_bugs_in_ten_parts():
    fields = [field.name for field in dataclasses.fields(Parts)]
    assert sorted(bug.part for bug in BUGS.values()) == sorted(fields)
    assert len(fields) == 10


@each_bug
def test_a_bug_is_one_part_in_one_or_two_lines(name):
    bug = BUGS[name]
    other = [
        f.name
        for f in dataclasses.fields(Parts)
        if getattr(bug.parts, f.name) is not getattr(RIGHT, f.name)
    ]
    assert other == [bug.part]
    lines = bug.difference.splitlines()
    assert 1 <= sum(line.startswith("-") for line in lines) <= 2
    assert 1 <= sum(line.startswith("+") for line in lines) <= 2
    assert lines[0].startswith(f" def {bug.part}(")
    assert bug.address.startswith("https://github.com/")
    assert '"""' not in bug.difference
    for text in (bug.at_10, bug.at_1000):
        assert not text.endswith(".")


# --- digits ------------------------------------------------------------------------------------

SHAPE = (3, 1, 8, 8)


@pytest.fixture(scope="module")
def pretrained() -> Pretrained:
    """A small network with weights that answer something."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        net = UNet(UNetConfig(widths=(8, 16), blocks=(1, 1), time_width=8, size=8))
    generator = seeded(4)
    for weight in net.parameters():
        weight.data += 0.05 * torch.randn(weight.shape, generator=generator)
    return Pretrained(net.eval().requires_grad_(False), linear_schedule(), net.config)


@pytest.fixture(scope="module")
def x_T() -> torch.Tensor:
    return torch.randn(SHAPE, generator=seeded(5))


def test_the_right_digits_are_the_librarys(pretrained, x_T):
    schedule = NoiseSchedule(torch.from_numpy(some_levels(10)))
    net = MixedPrecision("cpu").autocasting(pretrained.eps_model)
    *_, last = ddpm(lambda x, t: net(x, 100 * t), schedule, x_T, generator=seeded(1))
    right = draw(RIGHT, pretrained, x_T, T=10, steps=10)
    agree(to_uint8(right).int(), to_uint8(last.x).int(), atol=1)  # rounding may tip a level
    agree(right, draw(RIGHT, pretrained, x_T, T=1000, steps=10), atol=1.01 / 127.5)


def test_noise_at_the_last_step_is_the_only_difference(pretrained, x_T):
    """The chains with and without the bug agree up to x_1; then one has sigma_1 z more."""
    schedule = noise_levels(RIGHT, 10)
    net = at_levels(pretrained.eps_model, pretrained.schedule, schedule)
    chains = [
        list(Walker(parts, net, schedule).walk(x_T, even_steps(10, 10), generator=seeded(1)))
        for parts in (RIGHT, broken("sigma"))
    ]
    for a, b in zip(chains[0][:-1], chains[1][:-1], strict=True):
        assert torch.equal(a.x, b.x)
    generator = seeded(1)
    for _ in range(9):
        torch.randn(SHAPE, generator=generator)
    z = torch.randn(SHAPE, generator=generator)
    agree(chains[1][-1].x, chains[0][-1].x + schedule.at(1).beta ** 0.5 * z, atol=1e-6)


def test_the_network_is_told_the_level_of_the_same_noise(pretrained):
    heard = []
    net = at_levels(lambda x, t: heard.append(t) or x, pretrained.schedule, noise_levels(RIGHT, 20))
    net(torch.zeros(3), torch.tensor([1, 7, 20]))
    assert heard[0].tolist() == [50, 350, 1000]
    short = noise_levels(broken("schedule"), 50)
    net = at_levels(lambda x, t: heard.append(t) or x, pretrained.schedule, short)
    net(torch.zeros(1), torch.tensor([50]))
    level = pretrained.schedule.alpha_bars[heard[1]].item()
    assert level == pytest.approx(short.alpha_bars[50].item(), abs=0.002)


def test_nothing_is_planted_into_the_right_network(pretrained, x_T):
    net, t = pretrained.eps_model, torch.tensor([1, 500, 1000])
    assert planted(pretrained, RIGHT) is net
    copy = planted(pretrained, broken("waves"))
    copy.time = Clock(net.time, RIGHT.waves)  # the right waves in the place of the wrong ones
    assert torch.equal(copy(x_T, t), net(x_T, t))


def test_what_is_planted_is_the_bug_and_the_network_keeps_its_own(pretrained, x_T):
    net, t = pretrained.eps_model, torch.tensor([500, 500, 500])
    before = net(x_T, t)
    same = x_T[:1].expand(SHAPE)
    answers = planted(pretrained, broken("waves"))(same, t)
    assert torch.equal(answers[0], answers[2])
    assert not torch.allclose(answers[0], answers[1])  # the same image, in another place
    mixed = planted(pretrained, broken("decay"))
    share = 0.9999**18_760
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first = UNet(net.config)
    for a, b, c in zip(mixed.parameters(), net.parameters(), first.parameters(), strict=True):
        agree(a, (1 - share) * b + share * c, atol=1e-6)
    assert torch.equal(net(x_T, t), before)


def test_diluting_leaves_the_global_generator_alone(pretrained):
    state = torch.get_rng_state()
    first, second = (diluted(pretrained.eps_model, 0.5) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(
        torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)
    )


def test_exhibits_hold_digits_and_numbers(pretrained, x_T):
    bars = pretrained.schedule.alpha_bars
    gain = ((1 - bars).sqrt() / (0.25 * bars + 1 - bars)).float()  # ideal for N(0, 0.25)
    pretrained = pretrained._replace(eps_model=lambda x, t: gain[t].view(-1, 1, 1, 1) * x)
    chosen = {name: bug for name, bug in BUGS.items() if bug.part in ("sigma", "bits", "grey")}
    shown = exhibits(chosen, pretrained, x_T)
    assert list(shown) == list(chosen)
    for name, exhibit in shown.items():
        assert exhibit.bug is BUGS[name]
        for steps, (right, found) in exhibit.digits.items():
            assert right.shape == found.shape == SHAPE
            assert torch.equal(right, draw(RIGHT, pretrained, x_T, T=steps, steps=steps))
            assert torch.equal(right, found) == (exhibit.bug.part == "bits")
        assert set(exhibit.numbers) == {10, 1000}
        right, found = exhibit.numbers[10]
        assert caught(found, right)


# --- the tiny training -------------------------------------------------------------------------


def test_the_exact_loss_is_that_of_many_draws():
    schedule, net = noise_levels(RIGHT, 10), TinyNet(RIGHT, seeded(3))
    rng = np.random.default_rng(0)
    t = torch.arange(1, 11).repeat(20_000)
    bars = schedule.alpha_bars[t].numpy()
    x_0, eps = rng.standard_normal((2, len(t)))
    x_t = np.sqrt(bars) * 0.1 * x_0 + np.sqrt(1 - bars) * eps
    squares = (eps - net(torch.from_numpy(x_t), t).detach().numpy()) ** 2
    assert exact_loss(net, schedule, 0.01) == pytest.approx(squares.mean(), rel=0.02)


def test_no_network_is_better_than_the_ideal_one():
    schedule = noise_levels(RIGHT, 10)
    bars = alpha_bars_of(some_levels(10))[1:]
    errors = bars * 0.01 / (bars * 0.01 + 1 - bars)  # the variance of eps that x_t leaves open
    assert least_loss(schedule, 0.01) == pytest.approx(errors.mean(), rel=1e-9)
    taught = teach(RIGHT, steps=300)
    assert least_loss(schedule, 0.01) < exact_loss(taught.net, schedule, 0.01)


def test_training_hides_the_batch_axis_and_a_slow_average_never_wakes():
    schedule = noise_levels(RIGHT, 10)
    least = least_loss(schedule, 0.01)
    hidden = teach(broken("waves"), steps=600)
    assert exact_loss(hidden.net, schedule, 0.01) < 1.5 * least
    slow, quick = teach(broken("decay"), steps=300), teach(RIGHT, steps=300)
    agree(slow.net.factors(torch.arange(1, 11)), quick.net.factors(torch.arange(1, 11)))
    assert exact_loss(quick.average, schedule, 0.01) < 1.5 * least
    assert exact_loss(slow.average, schedule, 0.01) > 50 * least


# --- specimens, and what is refused ------------------------------------------------------------


def test_specimens_are_three_bugs_and_their_names_are_sealed():
    names = [diagnosis(letter) for letter in SEALED]
    assert len(set(names)) == len(SEALED) == 3
    for letter, name in zip(SEALED, names, strict=True):
        assert specimen(letter) is BUGS[name]
        assert hashlib.sha256(name.encode()).hexdigest().startswith(SEALED[letter])
        openings = [
            one for one in BUGS if hashlib.sha256(one.encode()).hexdigest()[:6] == SEALED[letter]
        ]
        assert openings == [name]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: noise_levels(RIGHT, 7), "T is 7"),
        (lambda: noise_levels(RIGHT, 0), "T is 0"),
        (lambda: even_steps(10, 3), "steps is 3"),
        (lambda: even_steps(10, 11), "steps is 11"),
        (lambda: last_variance(RIGHT, 10, var=-1.0), "var is -1.0"),
        (lambda: first_weights(RIGHT, -1), "n is -1"),
        (lambda: teach(RIGHT, var=0.0), "var is 0.0"),
        (lambda: teach(RIGHT, steps=0), "steps is 0"),
        (lambda: specimen("Z"), "letter is 'Z'"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
