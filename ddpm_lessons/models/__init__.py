"""Networks: the article's U-Net, and the trained weights that come with the course."""

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
    "Pretrained",
    "UNet",
    "UNetConfig",
    "load_pretrained",
    "load_weights",
    "save_weights",
]
