"""A reader of noisy digits: what classifier guidance asks at every step of a chain."""

import os
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ddpm_lessons.models.config import UNetConfig
from ddpm_lessons.models.pretrained import load_weights
from ddpm_lessons.models.unet import Attention, Level, ResBlock, TimeEmbedding, check_input
from ddpm_lessons.schedule import NoiseSchedule

SHIPPED = Path(__file__).parent / "weights" / "noisy-classifier.safetensors"


class NoisyClassifier(nn.Module):
    """log p(label | x_t): a noisy image and its timestep in, a log-probability for each label out.

    The encoder of the U-Net with another end (Dhariwal & Nichol 2021, section 4): instead of a
    decoder, the mean over all positions and one linear layer. It must know t: what looks like a 3
    in heavy noise says less than the same strokes on clean paper.
    config: as of a UNet; `num_classes` is how many labels it tells apart, at least 2. Raises
    ValueError for fewer.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        if config.num_classes < 2:
            raise ValueError(f"num_classes is {config.num_classes}, expected at least 2")
        self.config = config
        widths, groups, emb = config.widths, config.groups, 4 * config.time_width
        halvings = list(zip(widths[:-1], widths[1:], config.blocks[:-1], strict=True))

        def blocks(n: int, width: int) -> nn.ModuleList:
            make = [ResBlock(width, width, emb=emb, groups=groups) for _ in range(n)]
            return nn.ModuleList(make)

        self.time = TimeEmbedding(config.time_width, emb)
        self.stem = nn.Conv2d(config.channels, widths[0], 3, padding=1)
        self.down = nn.ModuleList(
            Level(blocks(n, fine), shrink=nn.Conv2d(fine, coarse, 2, stride=2))
            for fine, coarse, n in halvings
        )
        self.middle = blocks(config.blocks[-1], widths[-1])
        self.attention = Attention(widths[-1], heads=config.heads, groups=groups)
        self.norm = nn.GroupNorm(groups, widths[-1])
        self.head = nn.Linear(widths[-1], config.num_classes)

    # fmt: off
    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        """x_t: (B, C, H, W) noisy images; t: (B,) int64 in 1..config.T. In the margin: the shapes
        of the network that ships.

        Returns log-probabilities, (B, num_classes) float32. Raises ValueError as the U-Net does.
        """
        check_input(x_t, t, self.config)
        emb = self.time(t)                              # (B, 128)
        h = self.stem(x_t)                              # (B, 16, 28, 28)
        for level in self.down:                         # 28 -> 14 -> 7
            for block in level.blocks:
                h = block(h, emb)                       # (B, 16, 28, 28)   (B, 32, 14, 14)
            h = level.shrink(h)                         # (B, 32, 14, 14)   (B, 64, 7, 7)
        for block in self.middle:
            h = block(h, emb)                           # (B, 64, 7, 7)
        h = F.silu(self.norm(self.attention(h)))        # (B, 64, 7, 7)
        logits = self.head(h.mean(dim=(2, 3)))          # (B, 10)
        return F.log_softmax(logits.float(), dim=1)
    # fmt: on


class PretrainedClassifier(NamedTuple):
    """A trained classifier of noisy images, and the schedule of the noise that it knows."""

    log_probs: NoisyClassifier
    schedule: NoiseSchedule
    config: UNetConfig


def load_noisy_classifier(
    path: str | os.PathLike[str] = SHIPPED, *, device: torch.device | str = "cpu"
) -> PretrainedClassifier:
    """The course's classifier of noisy digits, or that of a file which `save_weights` has written.

    In eval mode, its weights closed to gradients; x_t is not. Raises CheckpointError (a ValueError)
    if the file is missing or damaged, or holds something else.
    """
    return PretrainedClassifier(*load_weights(path, device=device, architecture=NoisyClassifier))
