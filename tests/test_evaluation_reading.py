"""What the classifier says of images, batch by batch."""

import pytest
import torch

from ddpm_lessons.data import load_mnist
from ddpm_lessons.evaluation import read
from ddpm_lessons.models import DigitClassifier, load_classifier


@pytest.fixture(scope="module")
def classifier() -> DigitClassifier:
    return load_classifier()


@pytest.fixture(scope="module")
def digits() -> torch.Tensor:
    return load_mnist("test").images[:23]


def test_it_is_the_classifiers_own_answer(classifier, digits):
    found = read(classifier, digits)
    x_0 = load_mnist("test")[:23]
    torch.testing.assert_close(found.features, classifier.features(x_0), rtol=1e-4, atol=1e-4)
    logits = classifier(x_0)
    expected = logits.exp() / logits.exp().sum(dim=1, keepdim=True)
    torch.testing.assert_close(found.probabilities, expected, rtol=1e-3, atol=1e-5)
    assert torch.equal(found.labels, logits.argmax(dim=1))
    torch.testing.assert_close(found.confidence, expected.amax(dim=1), rtol=1e-3, atol=1e-5)


def test_the_size_of_the_batches_and_the_form_of_the_images_do_not_matter(classifier, digits):
    whole = read(classifier, digits)
    for images in (digits, load_mnist("test")[:23]):
        parts = read(classifier, images, batch_size=5)
        for a, b in zip(parts, whole, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_nothing_is_left_on_the_graph_or_changed(classifier, digits):
    before = {name: x.clone() for name, x in classifier.state_dict().items()}
    found = read(classifier.requires_grad_(True), digits)
    classifier.requires_grad_(False)
    assert not found.features.requires_grad
    assert all(torch.equal(x, before[name]) for name, x in classifier.state_dict().items())


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.full((2, 1, 28, 28), 1.5), r"images reaches 1.5, expected images in \[-1, 1\]"),
        (torch.zeros(1, 28, 28), r"images has shape \(1, 28, 28\)"),
        (torch.zeros(0, 1, 28, 28).byte(), r"images has shape \(0, 1, 28, 28\)"),
        (torch.zeros(2, 1, 28, 28).int(), "images has dtype torch.int32"),
        (torch.full((2, 1, 28, 28), torch.nan), "images has entries that are NaN"),
        (None, "images has type NoneType"),
    ],
)
def test_images_that_do_not_fit_are_refused(classifier, images, message):
    with pytest.raises(ValueError, match=message):
        read(classifier, images)


def test_a_classifier_in_training_mode_is_refused(digits):
    with pytest.raises(ValueError, match="classifier is in training mode"):
        read(DigitClassifier(), digits)


@pytest.mark.parametrize("other", [None, torch.nn.Linear(3, 2)])
def test_another_classifier_is_refused(other, digits):
    with pytest.raises(ValueError, match=r"classifier is of type \w+, expected a DigitClassifier"):
        read(other, digits)
