"""The trainings of the course, as a table."""

import dataclasses
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from ddpm_lessons.models import UNetConfig
from ddpm_lessons.schedule import SCHEDULES, NoiseSchedule


@dataclass(frozen=True)
class Preset:
    """The numbers of one training.

    Raises ValueError for a schedule that is not in SCHEDULES, or images that the model cannot halve
    as often as it must.
    """

    about: str
    steps: int  # of the optimiser
    batch_size: int = 64
    lr: float = 1e-3  # AdamW's learning rate, between its warm-up and its fall to 0
    warmup: int = 200  # steps
    decay: float = 1.0  # the share of the steps, at the end, over which the learning rate falls
    ema_decay: float = 0.999
    images: int | None = None  # how many of the training images, the first ones; None for all
    schedule: str = "linear"  # a key of SCHEDULES; its T is that of the network
    label_dropout: float | None = None  # share of hidden labels; None to train without labels
    flip: bool = False  # whether images are mirrored at random, see `Batches`
    half: bool = False  # whether the finished weights are stored in float16, see `save_weights`
    latent: bool = False  # whether latents of an autoencoder are learnt, instead of images
    model: UNetConfig = field(default_factory=UNetConfig)

    def __post_init__(self) -> None:
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule is {self.schedule!r}, expected one of {sorted(SCHEDULES)}")
        size, multiple = self.model.size, self.model.size_multiple
        if size % multiple:
            halvings = f"this U-Net halves the image {len(self.model.widths) - 1} times"
            raise ValueError(f"size is {size}, expected a multiple of {multiple}: {halvings}")

    def to_dict(self) -> dict:
        """The fields as JSON holds them."""
        return {**dataclasses.asdict(self), "model": self.model.to_dict()}

    @classmethod
    def from_dict(cls, fields: dict) -> "Preset":
        """The inverse of `to_dict`. Raises ValueError for what is no preset."""
        try:
            return cls(**{**fields, "model": UNetConfig.from_dict(fields["model"])})
        except (KeyError, TypeError) as error:
            raise ValueError(f"fields is {fields!r}, expected those of a Preset") from error


SHIPPED = UNetConfig(widths=(32, 96, 160), blocks=(2, 2, 2))  # of the weights of the course

PRESETS = {
    "tiny": Preset(
        about="seconds, for tests: everything runs, and the digits are noise",
        steps=8,
        batch_size=8,
        warmup=2,
        images=64,
        schedule="cosine",
        model=UNetConfig(widths=(8, 8, 16), blocks=(1, 1, 1), groups=4, time_width=8, T=20),
    ),
    "quick": Preset(
        about="a few minutes on two CPU cores, 1.6 epochs: most samples are digits",
        steps=1_500,
        lr=2e-3,
        ema_decay=0.99,
    ),
    "mnist": Preset(
        about="20 epochs, 90 minutes on two CPU cores: the weights that come with the course",
        steps=20 * 938,
        decay=0.25,
        half=True,
        model=SHIPPED,
    ),
    "mnist-labels": Preset(
        about="10 epochs with labels, begun with --start from the weights of mnist",
        steps=10 * 938,
        decay=0.6,
        label_dropout=0.2,
        half=True,
        model=dataclasses.replace(SHIPPED, num_classes=10),
    ),
    "mnist-latent": Preset(
        about="latents of 4 x 7 x 7 instead of digits; needs --autoencoder, or the course's",
        steps=20 * 469,
        batch_size=128,
        lr=2e-3,
        decay=0.8,
        half=True,
        latent=True,
        model=UNetConfig(channels=4, widths=(96,), blocks=(6,), size=7),
    ),
    "fashion": Preset(
        about="clothes, with --data and the folder of Fashion-MNIST: 10 epochs, 15 minutes",
        steps=10 * 938,
        lr=2e-3,
        decay=0.5,
        half=True,
    ),
    "gpu": Preset(
        about="the article's 20 epochs of the course's network in larger steps, for a GPU",
        steps=20 * 235,
        batch_size=256,
        lr=2e-3,
        decay=0.5,
        ema_decay=0.998,
        half=True,
        model=SHIPPED,
    ),
    "images": Preset(
        about="colour images of 32 x 32 (or what --data holds), for a GPU",
        steps=100_000,
        batch_size=128,
        lr=2e-4,
        warmup=1_000,
        decay=0.25,
        ema_decay=0.9995,
        model=UNetConfig(
            channels=3, widths=(64, 128, 256), blocks=(2, 2, 2), time_width=128, size=32
        ),
    ),
}


def make_schedule(preset: Preset) -> NoiseSchedule:
    """The noise schedule of a preset."""
    return SCHEDULES[preset.schedule](T=preset.model.T)


def make_optimizer(preset: Preset, model: nn.Module) -> tuple[torch.optim.AdamW, LambdaLR]:
    """AdamW without weight decay, and its learning rate: it rises, stays, and falls to 0."""
    parameters = list(model.parameters())
    fused = parameters[0].device.type in ("cpu", "cuda")  # one call for all tensors
    optimizer = torch.optim.AdamW(parameters, lr=preset.lr, weight_decay=0.0, fused=fused)
    return optimizer, LambdaLR(optimizer, lambda step: lr_factor(step, preset))


def lr_factor(step: int, preset: Preset) -> float:
    """The learning rate of the step after `step` finished ones, as a share of the highest."""
    start = decay_start(preset)
    fall = (preset.steps - step) / max(1, preset.steps - start)
    return max(0.0, min(1.0, (step + 1) / preset.warmup, fall))


def decay_start(preset: Preset) -> int:
    """The number of finished steps at which the learning rate begins to fall."""
    return max(preset.warmup, round(preset.steps * (1 - preset.decay)))
