"""The classifier of noisy digits: its shapes, what it was shipped for, the files it refuses."""

import dataclasses

import oracles
import pytest
import torch
from torch.nn import functional as F

from ddpm_lessons import classifier_guided, dpm_solver
from ddpm_lessons.data import load_mnist
from ddpm_lessons.evaluation import noisy_accuracy, read
from ddpm_lessons.models import (
    CheckpointError,
    NoisyClassifier,
    UNet,
    UNetConfig,
    load_classifier,
    load_noisy_classifier,
    load_pretrained,
    load_weights,
    save_weights,
)
from ddpm_lessons.models.noisy_classifier import SHIPPED

SMALL = UNetConfig(widths=(4, 8), blocks=(1, 2), groups=2, time_width=8, T=20, num_classes=3)


@pytest.fixture
def small() -> NoisyClassifier:
    torch.manual_seed(0)
    return oracles.awake(NoisyClassifier(SMALL))


@pytest.fixture(scope="module")
def shipped():
    return load_noisy_classifier()


def test_a_row_of_log_probabilities_for_each_image(small):
    x_t = oracles.images(5, 1, 8, 12, dtype=torch.float32)
    rows = small(x_t, torch.tensor([1, 5, 10, 15, 20]))
    assert rows.shape == (5, 3)
    oracles.agree(rows.exp().sum(dim=1), 1.0, rtol=1e-6)


def test_an_image_is_read_by_itself_at_its_own_time(small):
    x_t = oracles.images(4, 1, 8, 8, dtype=torch.float32)
    t = torch.tensor([1, 5, 10, 20])
    alone = torch.cat([small(x_t[i : i + 1], t[i : i + 1]) for i in range(4)])
    oracles.agree(small(x_t, t), alone, rtol=1e-4, atol=1e-5)
    later = small(x_t, t.flip(0))
    assert ((later - small(x_t, t)).abs().amax(dim=1) > 1e-3).all()  # t matters


def test_its_slope_by_the_image_is_that_of_finite_differences(small):
    small = small.double()
    x, t = oracles.images(1, 1, 4, 4).requires_grad_(), torch.tensor([7])
    (slope,) = torch.autograd.grad(small(x, t)[0, 1], x)
    with torch.no_grad():
        for i, j in ((0, 0), (1, 2), (3, 3)):
            h = torch.zeros_like(x)
            h[0, 0, i, j] = 1e-3
            expected = (small(x + h, t) - small(x - h, t))[0, 1] / 2e-3
            oracles.agree(slope[0, 0, i, j], expected, rtol=1e-2, atol=1e-4)


def test_what_does_not_fit_is_refused(small):
    with pytest.raises(ValueError, match=r"num_classes is 0, expected at least 2"):
        NoisyClassifier(dataclasses.replace(SMALL, num_classes=0))
    x_t, t = torch.zeros(2, 1, 8, 8), torch.tensor([1, 20])
    with pytest.raises(ValueError, match=r"t contains 21, expected timesteps in 1..20"):
        small(x_t, t + 1)
    with pytest.raises(ValueError, match=r"x_t is 8 x 7 pixels, expected multiples of 2"):
        small(x_t[..., :7], t)


def test_files_of_other_networks_are_refused(small, tmp_path):
    path = tmp_path / "n.safetensors"
    schedule = load_pretrained().schedule
    save_weights(path, small, schedule, half=True)
    again = load_noisy_classifier(path)
    assert again.config == SMALL
    assert again.schedule == schedule
    assert not any(p.requires_grad for p in again.log_probs.parameters())
    with pytest.raises(CheckpointError, match="architecture 'NoisyClassifier', expected 'UNet'"):
        load_weights(path)
    torch.manual_seed(0)
    save_weights(path, UNet(SMALL), schedule)
    with pytest.raises(CheckpointError, match="architecture 'UNet', expected 'NoisyClassifier'"):
        load_noisy_classifier(path)


# --- the one that ships ---


def test_the_shipped_one_reads_digits_through_noise(shipped):
    """At least as well as measured after its training, less what 2,000 digits leave to chance."""
    test = load_mnist("test")
    some = dataclasses.replace(test, images=test.images[:2000], labels=test.labels[:2000])
    found = noisy_accuracy(
        shipped.log_probs,
        shipped.schedule,
        some,
        timesteps=(1, 200, 400, 1000),
        generator=oracles.seeded(1),
    )
    assert found[0] > 0.97
    assert found[1] > 0.96
    assert 0.6 < found[2] < 0.97
    assert 0.05 < found[3] < 0.2  # nothing is left to read: one in ten


def test_the_shipped_one_means_its_probabilities(shipped):
    """Where it is sure to p, it is right in a share p of the cases (t = 400)."""
    test = load_mnist("test")
    x_0, labels = test[:2000], test.labels[:2000]
    alpha_bar = shipped.schedule.alpha_bars[400].item()
    eps = oracles.images(*x_0.shape, dtype=torch.float32)
    x_t = alpha_bar**0.5 * x_0 + (1 - alpha_bar) ** 0.5 * eps
    with torch.no_grad():
        sure, found = shipped.log_probs(x_t, torch.full((2000,), 400)).exp().max(dim=1)
    right = (found == labels).float()
    for low, high in ((0.3, 0.6), (0.6, 0.9), (0.9, 1.0)):
        rows = (sure > low) & (sure <= high)
        assert rows.sum() > 50
        assert (right[rows].mean() - sure[rows].mean()).abs() < 0.08


def test_the_shipped_one_guides_a_chain_to_a_digit(shipped):
    """Threes from the network that was never told a label."""
    network, labels = load_pretrained("mnist"), torch.full((8,), 3)
    model = classifier_guided(
        network.eps_model, network.schedule, shipped.log_probs, labels=labels, weight=3.0
    )
    x_T = torch.randn(8, 1, 28, 28, generator=oracles.seeded(5))
    *_, last = dpm_solver(model, network.schedule, x_T, steps=15, clip_x0=1.0)
    read_as = read(load_classifier(), last.x.clamp(-1, 1)).labels
    assert (read_as == 3).sum() >= 6


def test_the_shipped_file_is_small():
    assert SHIPPED.stat().st_size < 1e6


def test_accuracy_counts_what_the_classifier_says():
    """One that always answers 4 is right for the share of fours, at every t."""
    test = load_mnist("test")
    some = dataclasses.replace(test, images=test.images[:700], labels=test.labels[:700])
    schedule, asked = load_pretrained().schedule, []

    def fours(x_t, t):
        asked.append((len(x_t), t.unique().item(), x_t.var().item()))
        return F.one_hot(torch.full_like(t, 4), 10).double().log()

    found = noisy_accuracy(fours, schedule, some, timesteps=[1, 1000])
    oracles.agree(found, [(some.labels == 4).double().mean().item()] * 2, rtol=1e-6)
    assert [(n, t) for n, t, _ in asked] == [(500, 1), (200, 1), (500, 1000), (200, 1000)]
    assert asked[2][2] == pytest.approx(1, abs=0.02)  # noise alone
    with pytest.raises(ValueError, match=r"timesteps is 0, expected a whole number in 1..1000"):
        noisy_accuracy(fours, schedule, some, timesteps=[0])
