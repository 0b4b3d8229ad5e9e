"""The autoencoder: its shapes, what scaling means, and which files it refuses."""

import dataclasses

import oracles
import pytest
import torch
from torch import nn

from ddpm_lessons.data import load_mnist
from ddpm_lessons.evaluation import read
from ddpm_lessons.models import (
    Autoencoder,
    AutoencoderConfig,
    CheckpointError,
    load_autoencoder,
    load_classifier,
    load_pretrained,
    save_autoencoder,
)
from ddpm_lessons.models.autoencoder import FORMAT, latent_size
from ddpm_lessons.models.classifier import SHIPPED
from ddpm_lessons.models.storage import read_header, read_tensors, write_tensors

SMALL = AutoencoderConfig(latents=2, widths=(4, 6, 8))


@pytest.fixture
def small() -> Autoencoder:
    torch.manual_seed(0)
    return Autoencoder(SMALL).eval()


@pytest.fixture(scope="module")
def shipped() -> Autoencoder:
    return load_pretrained("mnist-latent").autoencoder


@pytest.mark.parametrize("size", [(28, 28), (8, 12)])
def test_latents_have_a_quarter_of_the_size(small, size):
    x = oracles.images(3, 1, *size, dtype=torch.float32)
    z = small.encode(x)
    assert z.shape == (3, 2, size[0] // 4, size[1] // 4)
    assert small.decode(z).shape == x.shape
    q = small.posterior(x)
    assert q.mean.shape == q.var.shape == z.shape
    assert (q.var > 0).all()


def test_decoding_undoes_the_scaling_of_encoding(small):
    """Latents are (mean - shift) / scale; the decoder itself gets the mean."""
    x = oracles.images(3, 1, 8, 8, dtype=torch.float32)
    mean = small.posterior(x).mean
    before = small.decoder(mean)
    small.shift.copy_(torch.tensor([0.5, -2.0]).view(1, 2, 1, 1))
    small.scale.copy_(torch.tensor([3.0, 0.1]).view(1, 2, 1, 1))
    z = small.encode(x)
    oracles.agree(z[:, 0], (mean[:, 0] - 0.5) / 3, rtol=1e-6, atol=1e-7)
    oracles.agree(z[:, 1], (mean[:, 1] + 2) / 0.1, rtol=1e-6, atol=1e-6)
    oracles.agree(small.decode(z), before, rtol=1e-4, atol=1e-5)


def test_a_draw_is_one_of_the_posterior(small):
    x = oracles.images(3, 1, 8, 8, dtype=torch.float32)
    small.shift.copy_(torch.tensor([0.5, -2.0]).view(1, 2, 1, 1))
    small.scale.copy_(torch.tensor([3.0, 0.1]).view(1, 2, 1, 1))
    z = small.draw(x, oracles.seeded(3))
    q, noise = small.posterior(x), torch.randn(3, 2, 2, 2, generator=oracles.seeded(3))
    expected = (q.mean + q.var**0.5 * noise - small.shift) / small.scale
    oracles.agree(z, expected, rtol=1e-5, atol=1e-6)


def test_the_posterior_is_made_of_the_encoders_two_halves(small):
    x = oracles.images(2, 1, 8, 8, dtype=torch.float32)
    out, q = small.encoder(x), small.posterior(x)
    oracles.agree(q.mean, out[:, :2], rtol=1e-6)
    oracles.agree(q.var, out[:, 2:].exp(), rtol=1e-6)
    nn.init.constant_(small.encoder[-1].bias, 1e4)
    assert torch.isfinite(small.posterior(x).var).all()


def test_an_image_is_coded_the_same_alone_and_in_company(small):
    x = oracles.images(3, 1, 8, 8, dtype=torch.float32)
    oracles.agree(small.encode(x)[1:2], small.encode(x[1:2]), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("x", "found"),
    [
        (torch.zeros(2, 3, 8, 8), r"\(2, 3, 8, 8\)"),
        (torch.zeros(2, 1, 8, 6), r"\(2, 1, 8, 6\)"),
        (torch.zeros(2, 8, 8), r"\(2, 8, 8\)"),
        (torch.zeros(2, 1, 8, 8, dtype=torch.uint8), "torch.uint8"),
        (None, "None"),
    ],
)
def test_what_it_cannot_encode_is_refused(small, x, found):
    for function in (small.encode, small.posterior):
        with pytest.raises(ValueError, match=rf"x (is|has shape) .*{found}.*, expected .*\(B, 1"):
            function(x)


def test_what_it_cannot_decode_is_refused(small):
    with pytest.raises(ValueError, match=r"z has shape \(2, 1, 8, 8\), expected \(B, 2, H, W\)"):
        small.decode(torch.zeros(2, 1, 8, 8))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"latents": 0}, r"latents is 0, expected whole numbers"),
        ({"channels": 1.5}, r"channels is 1.5, expected whole numbers"),
        ({"widths": (4, 4)}, r"widths is \(4, 4\), expected 3 numbers"),
        ({"widths": (4, 0, 4)}, r"widths is \(4, 0, 4\), expected whole numbers"),
    ],
)
def test_numbers_that_make_no_autoencoder_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMALL, **change)


def test_a_config_comes_back_from_json():
    assert AutoencoderConfig.from_dict(SMALL.to_dict()) == SMALL
    for fields in (None, {"width": 3}):
        with pytest.raises(ValueError, match="fields is"):
            AutoencoderConfig.from_dict(fields)


def test_the_size_of_latents():
    assert (latent_size(28), latent_size(32)) == (7, 8)
    for size in (0, 30, -4):
        with pytest.raises(ValueError, match=rf"size is {size}, expected a multiple of 4"):
            latent_size(size)


# --- files ---


def test_a_file_gives_the_autoencoder_back(small, tmp_path):
    path = tmp_path / "a.safetensors"
    small.shift.fill_(0.25)
    save_autoencoder(path, small, about={"epochs": 3})
    torch.manual_seed(5)
    before = torch.get_rng_state()
    again = load_autoencoder(path)
    assert torch.equal(torch.get_rng_state(), before)
    assert again.config == SMALL
    assert not again.training
    assert not any(p.requires_grad for p in again.parameters())
    assert read_header(path)["about"] == {"epochs": 3}
    for name, x in again.state_dict().items():
        assert x.dtype == torch.float32
        oracles.agree(x, small.state_dict()[name], rtol=1e-3, atol=1e-4)


def test_other_files_are_refused(small, tmp_path):
    path = tmp_path / "a.safetensors"
    with pytest.raises(CheckpointError, match=r"its format is .*not 'ddpm_lessons.autoencoder/1'"):
        load_autoencoder(SHIPPED)
    save_autoencoder(path, small)
    state = read_tensors(path, FORMAT)[0]
    write_tensors(path, state, {"format": FORMAT, "config": {"latents": 0}})
    with pytest.raises(CheckpointError, match="describes no autoencoder: latents is 0"):
        load_autoencoder(path)
    write_tensors(path, state, {"format": FORMAT, "config": AutoencoderConfig().to_dict()})
    with pytest.raises(CheckpointError, match="of another architecture"):
        load_autoencoder(path)
    nn.init.constant_(small.decoder[0].bias, 1e6)  # more than float16 can hold
    with pytest.raises(CheckpointError, match=r"decoder.0.bias holds NaN or infinity"):
        save_autoencoder(path, small)


# --- the one that ships ---


def test_the_shipped_latents_have_mean_0_and_variance_1_over_the_training_digits(shipped):
    train = load_mnist("train")
    with torch.no_grad():
        z = shipped.draw(train[:6000], oracles.seeded(1))
    oracles.agree(z.mean(dim=(0, 2, 3)), 0.0, atol=0.03)
    oracles.agree(z.var(dim=(0, 2, 3)), 1.0, atol=0.04)


def test_the_shipped_one_brings_test_digits_back(shipped):
    test = load_mnist("test")
    x = test[:1000]
    with torch.no_grad():
        back = shipped.decode(shipped.encode(x))
    assert (back - x).square().mean().sqrt() * 127.5 < 12  # grey levels
    classifier = load_classifier()
    same = read(classifier, back.clamp(-1, 1)).labels == read(classifier, x).labels
    assert same.float().mean() > 0.99
