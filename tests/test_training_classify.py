"""The classifier's training: the jitter, and that a few steps teach it something."""

import copy
import itertools

import pytest
import torch
from torch.nn import functional as F

from ddpm_lessons import linear_schedule
from ddpm_lessons.data import Batches, Digits, load_mnist
from ddpm_lessons.models import DigitClassifier, NoisyClassifier, UNetConfig
from ddpm_lessons.training import classify
from ddpm_lessons.training.classify import jitter, noised, scale_features, train_classifier


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def digits() -> Digits:
    train = load_mnist("train")
    return Digits(train.images[:256], train.labels[:256])


# --- jitter ---


def test_a_jittered_digit_stays_in_range_and_keeps_its_ink(digits):
    x_0 = digits[:]
    x = jitter(x_0, seeded())
    assert x.shape == x_0.shape
    assert x.min() >= -1
    assert x.max() <= 1
    ink, before = (x + 1).sum(dim=(1, 2, 3)), (x_0 + 1).sum(dim=(1, 2, 3))
    assert ((ink / before).log().abs() < 0.35).all()  # 12 % a side, and a little at the border
    assert (ink / before).log().mean().abs() < 0.05


def test_paper_stays_paper_also_where_it_comes_in_from_outside():
    paper = torch.full((3, 1, 28, 28), -1.0)
    assert torch.equal(jitter(paper, seeded()), paper)


def test_every_image_is_moved_by_its_own_amounts(digits):
    one = digits[:1].expand(6, -1, -1, -1)
    x = jitter(one, seeded()).flatten(1)
    assert (torch.cdist(x, x) + 9 * torch.eye(6) > 1).all()


def test_without_draws_nothing_moves(digits, monkeypatch):
    for name in ("DEGREES", "ZOOM", "SHIFT"):
        monkeypatch.setattr(classify, name, 0.0)
    torch.testing.assert_close(jitter(digits[:5], seeded()), digits[:5], rtol=0, atol=1e-5)


def dot() -> torch.Tensor:
    """A blurred dot, right of the middle."""
    y, x = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    return (2 * torch.exp(-((x - 20) ** 2 + (y - 13.5) ** 2) / 4) - 1).expand(200, 1, 28, 28)


@pytest.mark.parametrize(
    ("name", "across", "down"),
    # The dot is 6.5 pixels from the middle: 12 degrees are 1.35 pixels down, 12 % are 0.78 across.
    [("DEGREES", 0.15, 1.35), ("ZOOM", 0.9, 0.0), ("SHIFT", 1.4, 1.4)],
)
def test_each_motion_goes_as_far_as_it_says_and_not_farther(name, across, down, monkeypatch):
    for other in {"DEGREES", "ZOOM", "SHIFT"} - {name}:
        monkeypatch.setattr(classify, other, 0.0)
    ink = (jitter(dot(), seeded()) + 1)[:, 0]
    ink = ink / ink.sum(dim=(1, 2), keepdim=True)
    x = (ink.sum(dim=1) * torch.arange(28.0)).sum(dim=1) - 20
    y = (ink.sum(dim=2) * torch.arange(28.0)).sum(dim=1) - 13.5
    for found, reach in ((x, across), (y, down)):
        assert found.abs().max() <= reach + 0.05
        assert found.abs().max() >= 0.8 * reach - 0.05


# --- training ---


def trained(digits: Digits, seed: int = 0, **options: object) -> tuple[DigitClassifier, list]:
    torch.manual_seed(seed)
    classifier = DigitClassifier()
    generator = seeded(seed)
    options = {"epochs": 3, "generator": generator, **options}
    batches = Batches(digits, 32, generator=generator)
    return classifier, list(train_classifier(classifier, batches, **options))


def whole(digits: Digits, size: int = 256, **options: object) -> Batches:
    return Batches(digits, size, **{"generator": None, **options})


@pytest.fixture(scope="module")
def result(digits):
    return trained(digits)


def test_a_few_steps_teach_it_something(result, digits):
    classifier, steps = result
    assert [s.step for s in steps] == list(range(1, 3 * 8 + 1))
    losses = torch.stack([s.loss for s in steps])
    assert losses[0] == pytest.approx(2.3, abs=0.3)  # ten classes, nothing known: ln 10
    assert losses[-4:].mean() < 0.6 * losses[0]
    assert not losses.requires_grad
    assert not classifier.training
    right = classifier(digits[:]).argmax(1) == digits.labels
    assert right.float().mean() > 0.6


def test_the_same_seed_gives_the_same_weights(result, digits):
    first = result[0].state_dict()
    again, other = (trained(digits, seed)[0].state_dict() for seed in (0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_the_loss_is_the_cross_entropy_of_the_jittered_images(digits, monkeypatch):
    monkeypatch.setattr(classify, "jitter", lambda x_0, generator: -x_0)
    torch.manual_seed(0)
    classifier = DigitClassifier()
    step = next(train_classifier(classifier, whole(digits), epochs=1))
    torch.manual_seed(0)
    expected = F.cross_entropy(DigitClassifier()(-digits[:]), digits.labels)
    assert step.loss.item() == pytest.approx(expected.item(), rel=1e-4)


def test_a_noised_view_is_equation_4_at_a_time_of_its_own(digits):
    schedule, x_0 = linear_schedule(), digits[:200]
    x_t, t = noised(schedule)(x_0, seeded(3))
    same, again = noised(schedule)(x_0, seeded(3))
    assert torch.equal(x_t, same)
    assert torch.equal(t, again)
    assert (t.min(), t.max()) > (1, 900)
    assert len(t.unique()) > 150
    level = schedule.alpha_bars[t].float().view(-1, 1, 1, 1)
    eps = (x_t - level.sqrt() * x_0) / (1 - level).sqrt()
    assert eps.mean().abs() < 0.01
    assert eps.std().item() == pytest.approx(1, abs=0.01)


@pytest.mark.filterwarnings("ignore::ddpm_lessons.NoiseLeftWarning")
def test_a_classifier_of_noise_learns_by_the_same_loop(digits):
    torch.manual_seed(0)
    small = UNetConfig(widths=(8, 16), blocks=(1, 1), time_width=8, num_classes=10)
    classifier, view = NoisyClassifier(small), noised(linear_schedule(1000, 1e-6, 1e-4))
    batches = whole(digits, 32, generator=seeded())
    steps = train_classifier(classifier, batches, epochs=16, view=view, generator=seeded())
    losses = torch.stack([step.loss for step in steps])
    assert losses[0] == pytest.approx(2.3, abs=0.3)
    assert losses[-8:].mean() < 0.87 * losses[0]


def test_scaled_features_have_a_mean_square_of_1_and_give_the_same_logits(result, digits):
    classifier = copy.deepcopy(result[0])
    before, logits = classifier.features(digits[:]), classifier(digits[:])
    scale_features(classifier, digits)
    after = classifier.features(digits[:])
    assert before.square().mean() < 0.9 or before.square().mean() > 1.1
    assert after.square().mean().item() == pytest.approx(1, rel=1e-4)
    ratio = (after / before)[before > 0.1]
    torch.testing.assert_close(ratio, ratio.mean().expand_as(ratio), rtol=1e-3, atol=0)
    torch.testing.assert_close(classifier(digits[:]), logits, rtol=1e-3, atol=1e-4)


def test_a_consumer_may_switch_modes_between_two_steps(digits):
    torch.manual_seed(0)
    classifier = DigitClassifier()
    steps = train_classifier(classifier, whole(digits, 128), epochs=1, generator=seeded())
    for _ in itertools.islice(steps, 1):
        assert classifier.training
    classifier.eval()
    next(steps)
    assert classifier.convolutions[1].num_batches_tracked == 2


def test_what_does_not_fit_is_refused(digits):
    with pytest.raises(ValueError, match=r"epochs is 0, expected a whole number in 1..1000"):
        trained(digits, epochs=0)
    broken = DigitClassifier()
    torch.nn.init.constant_(broken.head.bias, float("nan"))
    with pytest.raises(ValueError, match="the loss is nan"):
        next(train_classifier(broken, whole(digits), epochs=1))
