"""Networks: the article's U-Net, a reader of digits, and the weights that come with the course."""

from ddpm_lessons.models.classifier import DigitClassifier, load_classifier, save_classifier
from ddpm_lessons.models.config import UNetConfig
from ddpm_lessons.models.pretrained import (
    PRETRAINED,
    Pretrained,
    load_pretrained,
    load_weights,
    save_weights,
)
from ddpm_lessons.models.storage import CheckpointError
from ddpm_lessons.models.unet import UNet

__all__ = [
    "PRETRAINED",
    "CheckpointError",
    "DigitClassifier",
    "Pretrained",
    "UNet",
    "UNetConfig",
    "load_classifier",
    "load_pretrained",
    "load_weights",
    "save_classifier",
    "save_weights",
]
