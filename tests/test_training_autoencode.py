"""The autoencoder's training: its loss term by term, the scaling, and runs on latents."""

import dataclasses
import itertools

import oracles
import pytest
import torch
from oracles import seeded
from torch.distributions import Normal, kl_divergence

from ddpm_lessons.data import Batches, Digits, load_mnist
from ddpm_lessons.models import (
    Autoencoder,
    AutoencoderConfig,
    CheckpointError,
    load_weights,
    save_weights,
    to_images,
)
from ddpm_lessons.training import (
    PRESETS,
    MixedPrecision,
    load_checkpoint,
    load_network,
    save_checkpoint,
    start_run,
    steps_of,
)
from ddpm_lessons.training.autoencode import (
    elbo_loss,
    encoded,
    scale_latents,
    train_autoencoder,
)
from ddpm_lessons.training.loop import check_x_0

SMALL = AutoencoderConfig(latents=4, widths=(4, 6, 8))
TINY = dataclasses.replace(
    PRESETS["tiny"],
    latent=True,
    model=dataclasses.replace(
        PRESETS["tiny"].model, channels=4, widths=(8,), blocks=(2,), heads=2, size=7
    ),
)


@pytest.fixture(scope="module")
def digits() -> Digits:
    train = load_mnist("train")
    return Digits(train.images[:256], train.labels[:256])


def make(seed: int = 0) -> Autoencoder:
    torch.manual_seed(seed)
    return Autoencoder(SMALL)


@pytest.mark.parametrize("noise_std", [0.1, 0.7])
def test_the_loss_is_minus_the_evidence_bound_but_for_its_constant(digits, noise_std):
    """By torch.distributions, on the same draw of z."""
    autoencoder, x_0 = make(), digits[:8]
    found = elbo_loss(autoencoder, x_0, noise_std=noise_std, generator=seeded(3))
    mean, log_var = autoencoder.encoder(x_0).chunk(2, dim=1)
    q = Normal(mean, (log_var / 2).exp())
    z = mean + q.stddev * torch.randn(mean.shape, generator=seeded(3))
    decoder = Normal(autoencoder.decoder(z), noise_std)
    constant = -Normal(0.0, noise_std).log_prob(torch.tensor(0.0)) * x_0.numel()
    kl = kl_divergence(q, Normal(0.0, 1.0)).sum()
    expected = (kl - decoder.log_prob(x_0).sum() - constant) / x_0.numel()
    oracles.agree(found, expected, rtol=1e-4, atol=1e-5)


def test_a_few_steps_teach_it_something(digits):
    autoencoder = make()
    batches = Batches(digits, 32, generator=seeded())
    steps = list(train_autoencoder(autoencoder, batches, epochs=6, noise_std=0.5))
    assert [s.step for s in steps] == list(range(1, 6 * 8 + 1))
    losses = torch.stack([s.loss for s in steps])
    assert losses[-4:].mean() < 0.7 * losses[:2].mean()
    assert not losses.requires_grad


def test_latents_are_scaled_to_mean_0_and_variance_1(digits):
    autoencoder = make()
    scale_latents(autoencoder, digits)
    z = torch.cat([autoencoder.draw(digits[:], seeded(seed)) for seed in range(20)])
    error = (z[0, 0].numel() * len(z)) ** -0.5  # of a mean of so many, if they were independent
    oracles.agree(z.mean(dim=(0, 2, 3)), 0.0, atol=5 * error)
    oracles.agree(z.var(dim=(0, 2, 3)), 1.0, atol=10 * error)


def test_batches_of_latents_are_those_of_the_images(digits):
    autoencoder = make()
    batches, same = (Batches(digits, 32, generator=seeded()) for _ in range(2))
    stream = encoded(
        batches,
        autoencoder,
        accelerator=MixedPrecision("cpu", enabled=False),
        generator=seeded(4),
    )
    draws = seeded(4)
    for (z, labels), (x_0, expected) in itertools.islice(zip(stream, same, strict=False), 10):
        assert torch.is_grad_enabled()
        assert not z.requires_grad
        assert torch.equal(labels, expected)
        oracles.agree(z, autoencoder.draw(x_0, draws), rtol=1e-5, atol=1e-6)


def test_what_does_not_fit_is_refused(digits):
    batches = Batches(digits, 32, generator=None)
    with pytest.raises(ValueError, match=r"epochs is 0, expected a whole number in 1..1000"):
        next(train_autoencoder(make(), batches, epochs=0))
    with pytest.raises(ValueError, match=r"noise_std is 0, expected a number in \(0, inf\)"):
        next(train_autoencoder(make(), batches, epochs=1, noise_std=0))
    broken = make()
    torch.nn.init.constant_(broken.decoder[-1].bias, float("nan"))
    with pytest.raises(ValueError, match="the loss is nan"):
        next(train_autoencoder(broken, batches, epochs=1))


# --- runs on latents ---


def advance(run, n: int) -> list[float]:
    losses = [step.loss.item() for step in itertools.islice(steps_of(run), n)]
    run.step += n
    return losses


def test_a_run_on_latents_resumes_bit_for_bit(digits, tmp_path):
    path, autoencoder = tmp_path / "c.safetensors", make().eval().requires_grad_(False)
    scale_latents(autoencoder, digits)
    straight = start_run(TINY, digits, autoencoder=autoencoder)
    losses = advance(straight, 6)
    first = start_run(TINY, digits, autoencoder=autoencoder)
    begun = advance(first, 3)
    save_checkpoint(path, first)
    second = start_run(TINY, digits, seed=7, autoencoder=load_network(path).autoencoder)
    load_checkpoint(path, second)
    assert begun + advance(second, 3) == losses
    other = start_run(TINY, digits, autoencoder=make(1))
    with pytest.raises(CheckpointError, match="latents are those of another autoencoder"):
        load_checkpoint(path, other)


@pytest.mark.parametrize("channels", [1, 3])
def test_latents_have_no_range_whatever_their_channels(digits, channels):
    """One or three channels are not taken for pictures, and pictures of four are."""
    torch.manual_seed(0)
    autoencoder = Autoencoder(AutoencoderConfig(latents=channels, widths=(4, 6, 8)))
    scale_latents(autoencoder.requires_grad_(False), digits)
    model = dataclasses.replace(TINY.model, channels=channels)
    run = start_run(dataclasses.replace(TINY, model=model), digits, autoencoder=autoencoder)
    assert len(advance(run, 2)) == 2
    pictures = 1.5 * oracles.images(2, 4, 7, 7, dtype=torch.float32)
    with pytest.raises(ValueError, match=r"expected the range \[-1, 1\]"):
        check_x_0(pictures)


def test_a_file_of_a_network_of_latents_holds_its_autoencoder(digits, tmp_path):
    autoencoder = make().eval().requires_grad_(False)
    scale_latents(autoencoder, digits)
    run = start_run(TINY, digits, autoencoder=autoencoder)
    advance(run, 2)
    save_weights(tmp_path / "w.safetensors", run.ema.module, run.schedule, autoencoder=autoencoder)
    save_checkpoint(tmp_path / "c.safetensors", run)
    z = oracles.images(2, 4, 7, 7, dtype=torch.float32)
    for network in (
        load_weights(tmp_path / "w.safetensors"),
        load_network(tmp_path / "c.safetensors"),
    ):
        assert network.config.shape == (4, 7, 7)
        assert torch.equal(to_images(network, z), autoencoder.decode(z))
        assert not any(p.requires_grad for p in network.autoencoder.parameters())


def test_without_an_autoencoder_an_image_is_what_was_drawn(digits, tmp_path):
    run = start_run(PRESETS["tiny"], digits)
    save_weights(tmp_path / "w.safetensors", run.model, run.schedule)
    network = load_weights(tmp_path / "w.safetensors")
    x = oracles.images(2, 1, 28, 28)
    assert to_images(network, x) is x
    assert network.config.shape == (1, 28, 28)


def test_an_autoencoder_that_does_not_fit_the_preset_is_refused(digits):
    with pytest.raises(ValueError, match=r"autoencoder has 4 latents, expected None: it learns"):
        start_run(PRESETS["tiny"], digits, autoencoder=make())
    with pytest.raises(ValueError, match=r"autoencoder has None latents, expected one with 4"):
        start_run(TINY, digits)
    three = Autoencoder(AutoencoderConfig(latents=3, widths=(4, 4, 4)))
    with pytest.raises(ValueError, match=r"autoencoder has 3 latents, expected one with 4"):
        start_run(TINY, digits, autoencoder=three)
