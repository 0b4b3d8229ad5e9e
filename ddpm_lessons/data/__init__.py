"""Data: MNIST digits, their scaling to [-1, 1], training batches, and toy distributions."""

from ddpm_lessons.data.digits import Batches, Digits
from ddpm_lessons.data.images import to_model_range, to_uint8
from ddpm_lessons.data.mnist import DataError, load_mnist, status
from ddpm_lessons.data.toys import TOYS, ToyParameters

__all__ = [
    "TOYS",
    "Batches",
    "DataError",
    "Digits",
    "ToyParameters",
    "load_mnist",
    "status",
    "to_model_range",
    "to_uint8",
]
