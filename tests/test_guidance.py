"""Guidance on a labelled mixture, where the guided density is known at every t."""

import functools

import oracles
import pytest
import torch
from oracles import images, seeded
from torch import Tensor, nn

from ddpm_lessons import Mixture, classifier_guided, ddim, ddpm, guided, heun, linear_schedule
from ddpm_lessons.models import UNet, UNetConfig

pytestmark = pytest.mark.filterwarnings("ignore::ddpm_lessons.NoiseLeftWarning")

SCHEDULE = linear_schedule(50, 1e-3, 0.2)
MEANS = torch.tensor([[-0.8, 0.3], [0.6, 0.2], [0.1, -0.7]], dtype=torch.float64)
VAR = torch.tensor([0.05, 0.02, 0.1], dtype=torch.float64)
SHARES = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)
ALL = Mixture(MEANS, VAR, SHARES)
EACH = [Mixture.gaussian(mean, var.item()) for mean, var in zip(MEANS, VAR, strict=True)]
X, T = images(6, 2), torch.tensor([1, 5, 20, 35, 49, 50])
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])


def knows_labels(x_t: Tensor, t: Tensor, labels: Tensor) -> Tensor:
    """The ideal network of the mixture, told the component, or -1."""
    models = [one.eps_model(SCHEDULE) for one in [*EACH, ALL]]
    rows = [models[k](x[None], s[None]) for x, s, k in zip(x_t, t, labels.tolist(), strict=True)]
    return torch.cat(rows)


def log_density(mixture: Mixture, x: Tensor, t: int) -> Tensor:
    """Of x at t, differentiable: written out once more."""
    level = SCHEDULE.alpha_bars[t]
    spread = level * mixture.var + 1 - level
    squares = ((x - level.sqrt() * mixture.means) ** 2).sum(dim=1)
    parts = mixture.weights.log() - squares / (2 * spread) - spread.log()
    return torch.logsumexp(parts, dim=0) - torch.log(torch.tensor(2 * torch.pi))


def posterior(x_t: Tensor, t: Tensor) -> Tensor:
    """log p(component | x_t), (B, 3): the ideal classifier of noisy points."""
    level = SCHEDULE.alpha_bars[t][:, None]
    spread = level * VAR + 1 - level
    squares = ((x_t[:, None] - level[:, :, None].sqrt() * MEANS) ** 2).sum(dim=2)
    return torch.log_softmax(SHARES.log() - squares / (2 * spread) - spread.log(), dim=1)


@pytest.mark.parametrize("weight", [0, 0.5, 1, 3.0])
def test_the_guided_noise_is_the_slope_of_the_guided_density(weight):
    """p(x_t | label)^weight p(x_t)^(1 - weight), by autograd."""
    found = guided(knows_labels, LABELS, weight)(X, T)
    for x, t, label, eps in zip(X, T.tolist(), LABELS.tolist(), found, strict=True):
        x = x.clone().requires_grad_()
        told, free = log_density(EACH[label], x, t), log_density(ALL, x, t)
        (slope,) = torch.autograd.grad(weight * told + (1 - weight) * free, x)
        expected = -((1 - SCHEDULE.alpha_bars[t]) ** 0.5) * slope
        oracles.agree(eps, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("weight", [0.0, 1.0, 2.5])
def test_a_perfect_classifier_guides_as_labels_do(weight):
    """Bayes: grad log p(label | x_t) = grad log p(x_t | label) - grad log p(x_t)."""
    free = ALL.eps_model(SCHEDULE)
    by_classifier = classifier_guided(free, SCHEDULE, posterior, labels=LABELS, weight=weight)
    by_labels = guided(knows_labels, LABELS, weight)
    with torch.no_grad():
        found = by_classifier(X, T)
    oracles.agree(found, by_labels(X, T), rtol=1e-9, atol=1e-10)
    assert not found.requires_grad


def test_a_chain_told_a_component_ends_there():
    """One Gaussian of the three: its mean and variance, within the errors of 4,000 samples."""
    x_T = torch.randn(4000, 2, dtype=torch.float64, generator=seeded(3))
    model = guided(lambda x, t, labels: EACH[1].eps_model(SCHEDULE)(x, t), 1, 1.0)
    *_, told = heun(model, SCHEDULE, x_T, steps=50)
    by_classifier = classifier_guided(ALL.eps_model(SCHEDULE), SCHEDULE, posterior, labels=1)
    *_, led = heun(by_classifier, SCHEDULE, x_T, steps=50)
    oracles.agree(led.x, told.x, rtol=1e-6, atol=1e-7)
    error = (VAR[1] / 4000) ** 0.5
    assert (led.x.mean(dim=0) - MEANS[1]).abs().max() < 5 * error + 0.02
    assert led.x.var(dim=0).div(VAR[1]).sub(1).abs().max() < 0.15


def test_more_weight_leaves_less_spread():
    """And drives the samples away from what the other labels stand for."""
    x_T = torch.randn(500, 2, dtype=torch.float64, generator=seeded(3))
    spreads, distances = [], []
    for weight in (1.0, 2.0, 4.0):
        model = classifier_guided(
            ALL.eps_model(SCHEDULE), SCHEDULE, posterior, labels=0, weight=weight
        )
        *_, last = ddim(model, SCHEDULE, x_T)
        spreads.append(last.x.var(dim=0).sum())
        distances.append((last.x.mean(dim=0) - MEANS[1:].mean(dim=0)).norm())
    assert spreads[0] > spreads[1] > spreads[2]
    assert distances[0] < distances[1] < distances[2]


class Counting(nn.Module):
    """Notes what it is asked, and in which mode."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = []

    def forward(self, x_t: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        assert not self.training
        self.asked.append((len(x_t), t.tolist(), labels.tolist()))
        return 0.1 * x_t + labels.view(-1, 1)


@pytest.mark.parametrize(
    ("weight", "expected"),
    [(0, [-1, -1]), (1, [7, -1]), (3.0, [7, -1, -1, -1])],
)
def test_the_network_is_asked_once_a_step(weight, expected):
    network = Counting().train()
    labels = torch.tensor([7, -1])
    steps = list(ddpm(guided(network, labels, weight), linear_schedule(3, 0.1, 0.5), images(2, 3)))
    assert len(network.asked) == len(steps) - 1 == 3
    for t, (n, ts, labels) in zip((3, 2, 1), network.asked, strict=True):
        assert (n, ts, labels) == (len(expected), [t] * len(expected), expected)
    assert network.training  # put back


def test_an_image_without_a_label_is_not_guided():
    labels = torch.tensor([0, -1, 2, -1, 1, -1])
    strongly, free = guided(knows_labels, labels, 5.0)(X, T), guided(knows_labels, -1, 0)(X, T)
    same = labels < 0
    oracles.agree(strongly[same], free[same], rtol=1e-12, atol=1e-13)
    assert (strongly[~same] - free[~same]).abs().amax(dim=1).min() > 1e-3


def test_a_unet_is_guided():
    torch.manual_seed(0)
    config = UNetConfig(widths=(8, 16), blocks=(1, 1), time_width=8, T=20, num_classes=3)
    network = oracles.awake(UNet(config)).eval()
    with torch.no_grad():
        network.label.weight.normal_()
        x, t = images(2, 1, 8, 8).float(), torch.tensor([3, 20])
        told, free = network(x, t, torch.tensor([2, 2])), network(x, t)
        found = guided(network, 2, 2.0)(x, t)
        partial = functools.partial(network, labels=torch.tensor([2, 2]))
        oracles.agree(guided(network, 2, 1)(x, t), partial(x, t), rtol=1e-6, atol=1e-7)
    oracles.agree(found, 2 * told - free, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: guided(knows_labels, 1.5, 1.0), "labels is 1.5"),
        (lambda: guided(knows_labels, -2, 1.0), "labels is -2"),
        (lambda: guided(knows_labels, 1, -0.5), "weight is -0.5"),
        (lambda: guided(3, 1, 1.0), "eps_model is 3"),
        (lambda: guided(knows_labels, LABELS[:2], 2.0)(X, T), r"labels is torch.int64 \(2,\)"),
        (lambda: guided(knows_labels, LABELS.float(), 2.0)(X, T), "labels is torch.float32"),
        (lambda: led(log_probs=None), "log_probs is None"),
        (lambda: led(labels=3)(X, T), r"labels contains 3, expected 0\.\.2"),
        (lambda: led(labels=LABELS - 1)(X, T), r"labels contains -1, expected 0\.\.2"),
        (lambda: led(log_probs=lambda x, t: x.sum(dim=1))(X, T), r"has shape \(6,\), expected \(6"),
        (lambda: led(log_probs=lambda x, t: x.detach())(X, T), "with a gradient"),
        (lambda: led(weight=float("inf")), "weight is inf"),
    ],
)
def test_a_bad_argument_is_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def led(log_probs=posterior, labels=0, weight=1.0):
    model = ALL.eps_model(SCHEDULE)
    return classifier_guided(model, SCHEDULE, log_probs, labels=labels, weight=weight)
