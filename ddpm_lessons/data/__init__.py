"""Data: MNIST digits, images from elsewhere, scaling, training batches, toy distributions."""

from ddpm_lessons.data.digits import Batches, Digits
from ddpm_lessons.data.fashion import load_fashion
from ddpm_lessons.data.images import to_model_range, to_uint8
from ddpm_lessons.data.load import ImageSet, load_images
from ddpm_lessons.data.mnist import DataError, load_mnist, status
from ddpm_lessons.data.toys import TOYS, ToyParameters

__all__ = [
    "TOYS",
    "Batches",
    "DataError",
    "Digits",
    "ImageSet",
    "ToyParameters",
    "load_fashion",
    "load_images",
    "load_mnist",
    "status",
    "to_model_range",
    "to_uint8",
]
