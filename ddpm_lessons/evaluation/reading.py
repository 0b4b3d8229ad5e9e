"""What the digit classifier sees in images: its features, and how sure it is of which digit."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ddpm_lessons.data import Digits, to_model_range
from ddpm_lessons.door import check_images, check_index, check_loop, randn_like
from ddpm_lessons.forward import q_sample
from ddpm_lessons.models import DigitClassifier
from ddpm_lessons.schedule import NoiseSchedule


class Reading(NamedTuple):
    """What the classifier says of N images."""

    features: Tensor  # (N, 128), float32: the layer before the last
    probabilities: Tensor  # (N, 10), float32: of each digit; a row adds up to 1

    @property
    def labels(self) -> Tensor:
        """The digit that each image is read as, (N,)."""
        return self.probabilities.argmax(dim=1)

    @property
    def confidence(self) -> Tensor:
        """The probability of that digit, (N,)."""
        return self.probabilities.max(dim=1).values


@torch.no_grad()
def read(classifier: DigitClassifier, images: Tensor, *, batch_size: int = 500) -> Reading:
    """Let the classifier read images, a batch at a time; the result lies on the CPU.

    images: (N, 1, 28, 28), floating in [-1, 1] or 8-bit (uint8), on any device. Raises ValueError
    for others (an image beyond [-1, 1] is no picture yet: `to_uint8` makes one of a sample), and
    for another classifier, or one in training mode, which would judge each image by its batch.
    """
    if not isinstance(classifier, DigitClassifier):
        raise ValueError(
            f"classifier is of type {type(classifier).__name__}, expected a DigitClassifier"
        )
    if classifier.training:
        raise ValueError("classifier is in training mode, expected eval mode: classifier.eval()")
    check_index("batch_size", batch_size, 1, 2**31)
    check_pictures("images", images)
    device = next(classifier.parameters()).device
    features, probabilities = [], []
    for batch in images.split(batch_size):
        feature = classifier.features(in_model_range(batch).to(device))
        features.append(feature.float().cpu())
        probabilities.append(classifier.head(feature).float().softmax(dim=1).cpu())
    return Reading(torch.cat(features), torch.cat(probabilities))


@torch.no_grad()
def noisy_accuracy(
    log_probs: Callable[[Tensor, Tensor], Tensor],
    schedule: NoiseSchedule,
    digits: Digits,
    *,
    timesteps: Sequence[int],
    generator: torch.Generator | None = None,
) -> Tensor:
    """The share of digits that a classifier of noisy images reads right, for each of some t.

    log_probs: (x_t, t) -> (B, K), as for classifier guidance. Returns (len(timesteps),) float32 in
    [0, 1], on the CPU. Raises ValueError where a timestep is not in 1..T, or an argument of another
    kind.
    """
    check_loop(log_probs, schedule, generator)
    shares = []
    for t in timesteps:
        c, right = schedule.at(check_index("timesteps", t, 1, schedule.T)), 0
        for rows in torch.arange(len(digits)).split(500):
            x_0 = digits[rows]
            x_t = q_sample(x_0, c, randn_like(x_0, generator))
            found = log_probs(x_t, torch.full((len(x_0),), t, device=x_0.device)).argmax(dim=1)
            right += (found == digits.labels[rows.to(x_0.device)]).sum()
        shares.append(right / len(digits))
    return torch.stack(shares).cpu()


def check_pictures(name: str, images: object) -> None:
    """Raise ValueError unless these are images (N, C, H, W), uint8 or floating in [-1, 1]."""
    if not (isinstance(images, Tensor) and images.dtype == torch.uint8):
        check_images(name, images)
        if images.abs().max() > 1:
            reach = images.abs().max().item()
            raise ValueError(f"{name} reaches {reach:g}, expected images in [-1, 1], or uint8")
    if images.ndim != 4 or images.numel() == 0:
        raise ValueError(f"{name} has shape {tuple(images.shape)}, expected images (N, C, H, W)")


def in_model_range(images: Tensor) -> Tensor:
    """8-bit images scaled to [-1, 1]; floating ones as they are."""
    return to_model_range(images) if images.dtype == torch.uint8 else images
