"""Networks: the article's U-Net, a reader of digits, and the weights that come with the course."""

from ddpm_lessons.models.autoencoder import (
    Autoencoder,
    AutoencoderConfig,
    load_autoencoder,
    save_autoencoder,
)
from ddpm_lessons.models.classifier import DigitClassifier, load_classifier, save_classifier
from ddpm_lessons.models.config import UNetConfig
from ddpm_lessons.models.noisy_classifier import (
    NoisyClassifier,
    PretrainedClassifier,
    load_noisy_classifier,
)
from ddpm_lessons.models.pretrained import (
    PRETRAINED,
    Pretrained,
    PretrainedLatent,
    load_pretrained,
    load_weights,
    save_weights,
    to_images,
)
from ddpm_lessons.models.storage import CheckpointError
from ddpm_lessons.models.unet import UNet

__all__ = [
    "PRETRAINED",
    "Autoencoder",
    "AutoencoderConfig",
    "CheckpointError",
    "DigitClassifier",
    "NoisyClassifier",
    "Pretrained",
    "PretrainedClassifier",
    "PretrainedLatent",
    "UNet",
    "UNetConfig",
    "load_autoencoder",
    "load_classifier",
    "load_noisy_classifier",
    "load_pretrained",
    "load_weights",
    "save_autoencoder",
    "save_classifier",
    "save_weights",
    "to_images",
]
