"""Data: MNIST digits, their scaling to [-1, 1], training batches, and toy distributions."""

from ddpm_lessons.data.digits import Batches, Digits
from ddpm_lessons.data.images import to_model_range, to_uint8
from ddpm_lessons.data.mnist import DataError, load_mnist

__all__ = ["Batches", "DataError", "Digits", "load_mnist", "to_model_range", "to_uint8"]
