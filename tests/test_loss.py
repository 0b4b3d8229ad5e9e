"""The loss and the bound, against hand-made sums, 30-digit bins and the entropy of the data."""

import math
from collections.abc import Callable

import mpmath
import oracles
import pytest
import torch
from oracles import images, seeded
from torch import Tensor, nn

from ddpm_lessons import (
    Gaussian,
    Mixture,
    bound,
    ddpm,
    decoder_log_likelihood,
    linear_schedule,
    noise_weight,
    p_step,
    q_posterior,
    q_sample,
    simple_loss,
)
from ddpm_lessons import loss as loss_module
from ddpm_lessons.loss import draw_noise

SHORT = (3, 0.3, 0.98)  # alpha_bar_3 = 0.005: three steps, each with a face of its own
pytestmark = pytest.mark.filterwarnings("ignore::ddpm_lessons.NoiseLeftWarning")


class Recorder:
    """A network that remembers what it was asked."""

    def __init__(self, answer: Callable = lambda x_t, t: torch.zeros_like(x_t)) -> None:
        self.answer, self.x_t, self.t = answer, [], []

    def __call__(self, x_t: Tensor, t: Tensor) -> Tensor:
        self.x_t.append(x_t)
        self.t.append(t)
        return self.answer(x_t, t)


# --- Eq. (8, 12) -------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [SHORT, ()])
@pytest.mark.parametrize("variance", ["beta", "posterior"])
def test_the_weight_turns_the_error_of_the_noise_into_the_kl(arguments, variance):
    """Beyond what the right noise costs, the KL of torch's two normals is weight times error^2."""
    schedule = linear_schedule(*arguments)
    x_0, eps, guess = images(3, 2, 3, 4)
    for t in {2, 3, schedule.T // 2 + 1, schedule.T}:
        c = schedule.at(t)
        x_t = q_sample(x_0, c, eps)
        posterior = q_posterior(x_0, x_t, c)
        var = c.beta if variance == "beta" else posterior.var
        true, guessed = (
            torch.distributions.kl_divergence(
                torch.distributions.Normal(posterior.mean, posterior.var**0.5),
                torch.distributions.Normal(p_step(x_t, c, e, variance=variance).p.mean, var**0.5),
            )
            for e in (eps, guess)
        )
        wanted = noise_weight(c, var) * (eps - guess) ** 2
        oracles.agree(guessed - true, wanted, rtol=1e-8, atol=1e-12)


# --- Eq. (14) ----------------------------------------------------------------------------------


def test_the_loss_is_the_mean_square_between_the_noise_and_the_answer():
    """By hand: from x_t and t that the network saw, the noise is found, image by image."""
    schedule, x_0 = linear_schedule(*SHORT), images(8, 1, 2, 3)
    network = Recorder(lambda x_t, t: 0.5 * x_t + 0.1 * t.double().view(-1, 1, 1, 1))
    loss = simple_loss(network, schedule, x_0, generator=seeded(1))
    alpha_bars = oracles.alpha_bars_of(oracles.linear_betas(*SHORT))
    squares = []
    for x, x_t, t in zip(x_0, network.x_t[0], network.t[0].tolist(), strict=True):
        eps = (x_t - math.sqrt(alpha_bars[t]) * x) / math.sqrt(1 - alpha_bars[t])
        squares += ((eps - (0.5 * x_t + 0.1 * t)) ** 2).flatten().tolist()
    assert loss.shape == ()
    assert loss.item() == pytest.approx(sum(squares) / len(squares), rel=1e-12)


def test_t_and_eps_may_be_given():
    """The same numbers as those that are drawn, in the order in which they are drawn."""
    schedule, x_0 = linear_schedule(*SHORT), images(8, 1, 2, 3)
    network = Recorder(lambda x_t, t: 0.5 * x_t)
    drawn = simple_loss(network, schedule, x_0, generator=seeded(1))
    t, eps = draw_noise(schedule, x_0, seeded(1))
    assert t.dtype == torch.int64
    assert eps.shape == x_0.shape
    assert torch.equal(simple_loss(network, schedule, x_0, noise=(t, eps)), drawn)
    parts = [simple_loss(network, schedule, x_0[r], noise=(t[r], eps[r])) for r in ([0, 1], [2])]
    assert not torch.equal(*parts)
    with pytest.raises(ValueError, match="eps has shape"):
        simple_loss(network, schedule, x_0, noise=(t, eps[:4]))
    with pytest.raises(ValueError, match="t contains 11, expected"):
        simple_loss(network, schedule, x_0, noise=(t.fill_(11), eps))


def test_a_gpu_draws_its_own_noise_from_a_seed_that_the_generator_gives(monkeypatch):
    """On the CPU the noise is the generator's own; a state of the generator decides both."""
    schedule, x_0 = linear_schedule(*SHORT), images(8, 1, 2, 3)
    t, eps = draw_noise(schedule, x_0, seeded(1))
    monkeypatch.setattr(loss_module, "DRAW_THERE", ("cpu",))  # as if this were one
    (t_1, eps_1), (t_2, eps_2) = (draw_noise(schedule, x_0, seeded(1)) for _ in range(2))
    assert torch.equal(t_1, t)
    assert torch.equal(t_1, t_2)
    assert torch.equal(eps_1, eps_2)
    assert not torch.equal(eps_1, eps)
    one = seeded(1)
    assert not torch.equal(draw_noise(schedule, x_0, one)[1], draw_noise(schedule, x_0, one)[1])


def test_a_network_that_answers_0_scores_1():
    """The mean over entries: a sum would grow with the size of the images."""
    schedule = linear_schedule()
    for shape in ((5000, 2), (200, 1, 10, 10)):
        loss = simple_loss(Recorder(), schedule, images(*shape), generator=seeded(2))
        n = math.prod(shape)
        assert loss.item() == pytest.approx(1, abs=5 * math.sqrt(2 / n))


def test_a_network_that_knows_the_noise_scores_0():
    schedule, x_0 = linear_schedule(), images(50, 4)
    alpha_bars = torch.from_numpy(oracles.alpha_bars_of(oracles.linear_betas(1000, 1e-4, 0.02)))

    def knows(x_t: Tensor, t: Tensor) -> Tensor:
        alpha_bar = alpha_bars[t][:, None]
        return (x_t - alpha_bar.sqrt() * x_0) / (1 - alpha_bar).sqrt()

    assert simple_loss(knows, schedule, x_0, generator=seeded()).item() < 1e-25


def test_the_ideal_network_scores_the_variance_that_is_left():
    """For data N(m, v): Var(eps | x_t) = alpha_bar v / (alpha_bar v + 1 - alpha_bar), averaged
    over t.
    """
    schedule, mixture = linear_schedule(*SHORT), Mixture.gaussian(0.4, 0.5)
    x_0 = mixture.sample(100_000, seeded(3))
    loss = simple_loss(mixture.eps_model(schedule), schedule, x_0, generator=seeded(4))
    alpha_bars = oracles.alpha_bars_of(oracles.linear_betas(*SHORT))[1:]
    expected = (alpha_bars * 0.5 / (alpha_bars * 0.5 + 1 - alpha_bars)).mean()
    assert loss.item() == pytest.approx(expected, abs=5 * math.sqrt(2 / 1e5) * expected * 2)


def test_training_and_sampling_meet_the_same_t():
    """randint(1, n_T) never trains the step that sampling starts with (minDiffusion); a loop from
    noise_steps - 1 never takes the last one. Both ends count, and every t is as likely.
    """
    schedule, network, sampled = linear_schedule(*SHORT), Recorder(), Recorder()
    simple_loss(network, schedule, torch.zeros(20_000, 1), generator=seeded())
    list(ddpm(sampled, schedule, torch.zeros(1, 1)))
    counts = network.t[0].bincount().tolist()
    assert set(network.t[0].tolist()) == {t.item() for t in sampled.t} == {1, 2, 3}
    assert counts[1:] == pytest.approx([20_000 / 3] * 3, abs=5 * math.sqrt(20_000 * 2 / 9))


def test_the_network_gets_one_t_for_each_image():
    network = Recorder()
    simple_loss(network, linear_schedule(), torch.zeros(64, 1, 2, 2), generator=seeded())
    (t,) = network.t
    assert (t.shape, t.dtype) == ((64,), torch.int64)
    assert len(set(t.tolist())) > 32
    assert len(network.x_t[0].unique()) == 64 * 4  # and noise of its own to each entry


def test_the_generator_decides_everything():
    schedule, x_0, before = linear_schedule(), images(6, 2), torch.get_rng_state()
    first, again = (simple_loss(Recorder(), schedule, x_0, generator=seeded(5)) for _ in range(2))
    other = simple_loss(Recorder(), schedule, x_0, generator=seeded(6))
    assert first == again != other
    assert torch.equal(torch.get_rng_state(), before)
    assert simple_loss(Recorder(), schedule, x_0) != simple_loss(Recorder(), schedule, x_0)


def test_the_gradient_reaches_the_network_in_the_mode_it_is_in():
    schedule, x_0 = linear_schedule(*SHORT), images(7, 2)
    modes, seen = [], []

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.tensor(0.5, dtype=torch.float64))

        def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
            modes.append(self.training)
            seen.append((x_t, t))
            return self.weight * x_t

    net = Net()
    for mode in (True, False):
        simple_loss(net.train(mode), schedule, x_0, generator=seeded())
        assert net.training is mode
    assert modes == [True, False]
    net.zero_grad()
    simple_loss(net, schedule, x_0, generator=seeded()).backward()
    (x_t, t) = seen[-1]
    alpha_bar = torch.from_numpy(oracles.alpha_bars_of(oracles.linear_betas(*SHORT)))[t][:, None]
    eps = (x_t - alpha_bar.sqrt() * x_0) / (1 - alpha_bar).sqrt()
    by_hand = (2 * (0.5 * x_t - eps) * x_t).mean()
    assert net.weight.grad.item() == pytest.approx(by_hand.item(), rel=1e-12)


@pytest.mark.parametrize("images_in", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("answer_in", [torch.float32, torch.float16, torch.bfloat16])
def test_the_loss_is_taken_in_at_least_float32(images_in, answer_in):
    """Under autocast the answer is half precision while the noise is not."""
    network = Recorder(lambda x_t, t: torch.full_like(x_t, 0.1, dtype=answer_in))
    loss = simple_loss(network, linear_schedule(), torch.zeros(500, 2, dtype=images_in))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(1.01, abs=5 * math.sqrt(2 / 1000))


# --- Eq. (13) ----------------------------------------------------------------------------------

LEVELS = torch.arange(256, dtype=torch.float64) / 127.5 - 1


def exact_bin(level: int, mean: float, var: float) -> mpmath.mpf:
    """log of the mass of bin `level` of 256, in 30 digits and more where tails cancel."""
    with mpmath.workdps(60):
        std, x = mpmath.sqrt(mpmath.mpf(var)), mpmath.mpf(level) * 2 / 255 - 1
        centre, half = mpmath.mpf(mean), mpmath.mpf(1) / 255
        sign = -1 if x > centre else 1  # count from the tail that is small
        low, high = (x - half - centre) / std, (x + half - centre) / std
        low = -mpmath.inf if level == 0 else low
        high = mpmath.inf if level == 255 else high
        mass = abs(mpmath.ncdf(sign * high) - mpmath.ncdf(sign * low))
        return mpmath.log(mass)


@pytest.mark.parametrize("mean", [-1.3, -1.0, -0.2, 0.0, 0.5, 0.99, 1.0, 4.0])
@pytest.mark.parametrize("var", [5.5e-5, 1e-4, 0.01, 1.0])
def test_the_bins_are_the_exact_ones(mean, var):
    """Bins of 2/255 around each grey level; the first and the last reach to infinity. Where the
    paper's code stops at 1e-12 (39.9 bits a pixel), the tails here are exact.
    """
    levels = [0, 1, 2, 64, 127, 128, 200, 253, 254, 255]
    found = decoder_log_likelihood(
        LEVELS[levels], Gaussian(torch.full((10,), mean, dtype=torch.float64), var)
    )
    for level, value in zip(levels, found.tolist(), strict=True):
        expected = float(exact_bin(level, mean, var))
        assert value == pytest.approx(expected, rel=1e-8, abs=1e-13), level
    if var == 5.5e-5:
        assert found.min() < math.log(1e-12)


@pytest.mark.parametrize("mean", [-3.0, -0.999, 0.1, 1.0])
@pytest.mark.parametrize("var", [5.5e-5, 0.01, 25.0])
def test_the_256_bins_add_up_to_one(mean, var):
    p = Gaussian(torch.full((256,), mean, dtype=torch.float64), var)
    assert decoder_log_likelihood(LEVELS, p).exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_the_bins_take_a_variance_for_each_entry_and_float32():
    mean, var = images(4, 8), images(4, 8, seed=1).exp()
    x_0 = LEVELS[torch.randint(0, 256, (4, 8), generator=seeded())]
    together = decoder_log_likelihood(x_0, Gaussian(mean, var))
    for i, j in ((0, 0), (1, 5), (3, 7)):
        alone = decoder_log_likelihood(
            x_0[i, j, None], Gaussian(mean[i, j].item(), var[i, j].item())
        )
        assert together[i, j].item() == pytest.approx(alone.item(), rel=1e-12)
    single = decoder_log_likelihood(x_0.float(), Gaussian(mean.float(), var.float()))
    assert single.dtype == torch.float32
    oracles.agree(single, together, rtol=2e-3)  # two neighbouring log_ndtr in float32


def test_images_outside_their_range_have_no_bin():
    for x_0 in (torch.tensor([1.1]), torch.tensor([255.0])):
        with pytest.raises(ValueError, match=r"x_0 reaches .*expected images in \[-1, 1\]"):
            decoder_log_likelihood(x_0, Gaussian(torch.zeros(1), 0.1))


# --- Eq. (5) -----------------------------------------------------------------------------------


def network(x_t: Tensor, t: Tensor) -> Tensor:
    """Not linear, different at every t."""
    return (0.7 * x_t + 0.2 * t.to(x_t.dtype).view(-1, *(1,) * (x_t.ndim - 1))).sin()


def kl(mean_1: float, var_1: float, mean_2: float, var_2: float) -> float:
    return 0.5 * (math.log(var_2 / var_1) + (var_1 + (mean_1 - mean_2) ** 2) / var_2 - 1)


def bound_of_a_pixel(
    level: int, noise: list[float], variance: str, clip_x0: float | None
) -> list[float]:
    """[L_T, L_1, ..., L_{T-1}, L_0] of one pixel in nats: number by number, t = 1 ... T = 3."""
    betas = oracles.linear_betas(*SHORT)
    ab, cov = oracles.alpha_bars_of(betas), oracles.chain_covariance(betas, 1.0)
    x_0 = level / 127.5 - 1
    terms = [kl(math.sqrt(ab[3]) * x_0, 1 - ab[3], 0.0, 1.0)]
    for t in (2, 3, 1):
        x_t = math.sqrt(ab[t]) * x_0 + math.sqrt(1 - ab[t]) * noise[t]
        eps = math.sin(0.7 * x_t + 0.2 * t)
        x0_hat = (x_t - math.sqrt(1 - ab[t]) * eps) / math.sqrt(ab[t])
        x0_hat = x0_hat if clip_x0 is None else min(max(x0_hat, -clip_x0), clip_x0)
        if t == 1:  # x_0's bin under the mean x0_hat, with the variance beta-tilde_2
            _, tilde_2 = oracles.condition(cov, 1, [0, 2])
            terms.append(-float(exact_bin(level, x0_hat, tilde_2)))
            continue
        (w_0, w_t), tilde = oracles.condition(cov, t - 1, [0, t])
        true, guess = w_0 * x_0 + w_t * x_t, w_0 * x0_hat + w_t * x_t
        terms.append(kl(true, tilde, guess, betas[t] if variance == "beta" else tilde))
    return terms


@pytest.mark.parametrize("variance", ["beta", "posterior"])
@pytest.mark.parametrize("clip_x0", [None, 1.0])
def test_the_bound_of_two_tiny_images_term_by_term(monkeypatch, variance, clip_x0):
    """Everybody who failed to reproduce a bits/dim had forgotten one of: the mean over pixels, the
    log to base 2, L_T, the bins, or sigma at t = 1.
    """
    levels = torch.tensor([[0, 130, 7], [255, 200, 64]])
    noise = {t: images(2, 1, 1, 3, seed=t) for t in (3, 2, 1)}
    script = oracles.ScriptedNoise(noise.values())
    monkeypatch.setattr(torch, "randn", script)
    x_0 = LEVELS[levels].view(2, 1, 1, 3)
    found = bound(network, linear_schedule(*SHORT), x_0, variance=variance, clip_x0=clip_x0)
    assert script.draws == 3
    assert found.denoising.shape == (4, 2)
    assert found.denoising[:2].count_nonzero() == 0
    for i in range(2):
        pixels = [
            bound_of_a_pixel(
                levels[i, j].item(), [math.nan] + [noise[t][i, 0, 0, j].item() for t in (1, 2, 3)],
                variance, clip_x0,
            )
            for j in range(3)
        ]  # fmt: skip
        prior, L_1, L_2, L_0 = (sum(term) / 3 / math.log(2) for term in zip(*pixels, strict=True))
        assert found.prior[i].item() == pytest.approx(prior, rel=1e-10)
        assert found.denoising[2, i].item() == pytest.approx(L_1, rel=1e-9)
        assert found.denoising[3, i].item() == pytest.approx(L_2, rel=1e-9)
        assert found.reconstruction[i].item() == pytest.approx(L_0, rel=1e-9)
        assert found.total[i].item() == pytest.approx(prior + L_1 + L_2 + L_0, rel=1e-10)


def test_the_prior_term_of_a_white_pixel():
    """A wrong log-variance of q(x_T | x_0) stayed unseen in a public library, because only L_T
    uses it. At x_0 = 1 and T = 1000 it is 2.9112945e-5 bits.
    """
    found = bound(network, linear_schedule(), torch.ones(1, 1), generator=seeded())
    assert found.prior.item() == pytest.approx(2.9112945e-5, rel=1e-7)


def test_an_images_bound_does_not_depend_on_its_neighbours(monkeypatch):
    schedule, x_0 = linear_schedule(*SHORT), LEVELS[torch.tensor([[3, 200], [90, 255], [0, 1]])]
    noise = [images(3, 2, seed=t) for t in (3, 2, 1)]
    monkeypatch.setattr(torch, "randn", oracles.ScriptedNoise(noise))
    together = bound(network, schedule, x_0)
    for i in range(3):
        monkeypatch.setattr(torch, "randn", oracles.ScriptedNoise(z[i : i + 1] for z in noise))
        alone = bound(network, schedule, x_0[i : i + 1])
        for whole, part in zip(together, alone, strict=True):
            oracles.agree(whole[..., i : i + 1], part, rtol=1e-12)


def test_an_image_tiled_with_itself_has_the_same_bits_per_dimension(monkeypatch):
    schedule, x_0 = linear_schedule(*SHORT), LEVELS[torch.tensor([[3, 200]])]
    noise = [images(1, 2, seed=t) for t in (3, 2, 1)]
    monkeypatch.setattr(torch, "randn", oracles.ScriptedNoise(noise))
    small = bound(network, schedule, x_0).total
    monkeypatch.setattr(torch, "randn", oracles.ScriptedNoise(z.repeat(1, 5) for z in noise))
    oracles.agree(bound(network, schedule, x_0.repeat(1, 5)).total, small, rtol=1e-12)


@pytest.mark.parametrize(
    ("T", "variance", "excess"), [(1000, "beta", 0.4), (1000, "posterior", 0.1), (12, "beta", 2.3)]
)
def test_no_bound_lies_below_the_entropy_of_the_data(monkeypatch, T, variance, excess):
    """Data of known entropy, the ideal network, and the expectation over the noise by quadrature:
    each value with every Gauss-Hermite node. Nats taken for bits would fall below the entropy.
    """
    levels, shares = torch.tensor([20, 120, 125]), torch.tensor([0.5, 0.3, 0.2]).double()
    shares /= shares.sum()
    entropy = -(shares * shares.log2()).sum().item()
    schedule = linear_schedule() if T == 1000 else linear_schedule(12, 0.001, 0.9)
    data = Mixture(LEVELS[levels][:, None], torch.zeros(3), shares)
    nodes, node_weights = (torch.from_numpy(a) for a in oracles.gauss_hermite(100))
    x_0 = LEVELS[levels].repeat_interleave(100)[:, None]
    monkeypatch.setattr(torch, "randn", oracles.ScriptedNoise([nodes.repeat(3)[:, None]] * T))
    found = bound(data.eps_model(schedule), schedule, x_0, variance=variance)

    def expected(term: Tensor) -> float:
        return ((term.view(3, 100) @ node_weights) @ shares).item()

    assert expected(found.total) > entropy
    # x_1 still tells the three values apart, so the terms before L_0 carry the entropy as well:
    # with many steps little more than that
    before = expected(found.prior + found.denoising.sum(dim=0))
    assert entropy - 0.01 < before < entropy + excess


def test_one_step_uses_beta_1_in_the_decoder():
    schedule = linear_schedule(1, 0.9995, 0.9995)
    found = bound(lambda x_t, t: x_t, schedule, LEVELS[100:101, None], generator=seeded())
    c = schedule.at(1)
    x_1 = math.sqrt(c.alpha_bar) * LEVELS[100] + math.sqrt(c.beta) * images(1, 1)
    x0_hat = (1 - math.sqrt(c.beta)) * x_1.item() / math.sqrt(c.alpha_bar)
    expected = -float(exact_bin(100, x0_hat, 0.9995)) / math.log(2)
    assert found.reconstruction.item() == pytest.approx(expected, rel=1e-9)
    assert found.denoising.count_nonzero() == 0


def test_the_bound_asks_the_network_once_for_each_t():
    recorder = Recorder()
    bound(recorder, linear_schedule(*SHORT), torch.zeros(2, 1, 2, 2), generator=seeded())
    assert [t.tolist() for t in recorder.t] == [[3, 3], [2, 2], [1, 1]]
    assert all(t.dtype == torch.int64 for t in recorder.t)
    assert all(x_t.dtype == torch.float32 for x_t in recorder.x_t)  # its own precision


def test_the_bound_is_reproducible_and_silent():
    schedule, x_0, before = linear_schedule(*SHORT), torch.zeros(2, 3), torch.get_rng_state()
    first, again = (bound(network, schedule, x_0, generator=seeded()).total for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(torch.get_rng_state(), before)


def test_images_outside_their_range_have_no_bound():
    """Images in [0, 255]: the mistake of everybody's first bits/dim."""
    with pytest.raises(ValueError, match=r"x_0 reaches 255, expected images in \[-1, 1\]"):
        bound(network, linear_schedule(*SHORT), torch.tensor([[0.0, 255.0]]))
