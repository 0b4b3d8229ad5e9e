"""The clothes that come with the package."""

import hashlib

import torch

from ddpm_lessons.data import load_fashion
from ddpm_lessons.data.fashion import CLASSES


def test_a_hundred_clothes_of_ten_kinds():
    clothes = load_fashion()
    assert clothes.images.shape == (100, 1, 28, 28)
    assert clothes.labels.unique().tolist() == list(range(len(CLASSES)))
    assert clothes[:].min() == -1
    assert clothes[:].max() == 1


def test_they_are_the_first_of_the_test_set():
    """By the digest of these bytes of the original files, and by their first labels."""
    clothes = load_fashion()
    digest = hashlib.sha256(clothes.images.numpy().tobytes()).hexdigest()
    assert digest == "d8c9b85550f6c8fa33478e27cb3fe70fd34b4cc96e6ab91b911853b51fb3d527"
    assert clothes.labels[:8].tolist() == [9, 2, 1, 1, 6, 1, 4, 6]
    assert torch.equal(load_fashion().images, clothes.images)
