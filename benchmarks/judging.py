"""Digits drawn in the same way by every network, and what the classifier thinks of them."""

import torch
from torch import Tensor

from ddpm_lessons import ddim
from ddpm_lessons.data import Digits, to_uint8
from ddpm_lessons.door import EpsModel
from ddpm_lessons.evaluation import fid_interval, kid, quality, read
from ddpm_lessons.models.classifier import load_classifier
from ddpm_lessons.schedule import NoiseSchedule
from ddpm_lessons.training import MixedPrecision

BATCH, STEPS = 100, 50  # samples at a time; of DDIM


def draw(
    eps_model: EpsModel,
    schedule: NoiseSchedule,
    n: int,
    *,
    device: str,
    enabled: bool | None = None,
    eta: float = 0.0,
) -> Tensor:
    """n digits, uint8, by 50 steps of DDIM, from the same noise for every network.

    enabled: whether in bfloat16; by default where the device has it. eta: DDIM's own noise.
    """
    generator, images = torch.Generator().manual_seed(1), []
    precision = MixedPrecision(device, enabled=enabled)
    for size in [BATCH] * (n // BATCH):
        x_T = torch.randn(size, 1, 28, 28, generator=generator).to(device)
        with precision.autocast():
            chain = {"steps": STEPS, "eta": eta, "clip_x0": 1.0, "generator": generator}
            *_, last = ddim(eps_model, schedule, x_T, **chain)
        images.append(to_uint8(last.x.float()).cpu())
    return torch.cat(images)


def judge(images: Tensor, reference: Tensor) -> dict:
    """What real digits have, too: digit-FID with its interval, KID, and the share read surely."""
    reading = read(load_classifier(), images)
    fid = fid_interval(reading.features, reference, generator=torch.Generator().manual_seed(2))
    return {
        "fid": fid.value,
        "fid_low": fid.low,
        "fid_high": fid.high,
        "kid": kid(reading.features, reference),
        "confident": quality(reading.probabilities).confident,
    }


def features(test: Digits) -> Tensor:
    """The yardstick: the features of the test digits."""
    return read(load_classifier(), test.images).features


def floor(train: Digits, reference: Tensor, n: int) -> dict:
    """What n real training digits score."""
    chosen = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))[:n]
    return judge(train.images[chosen], reference)


def interval(found: dict) -> str:
    """The digit-FID of `judge` with its interval, for a table."""
    return f"{found['fid']:.2f} ({found['fid_low']:.2f}-{found['fid_high']:.2f})"
