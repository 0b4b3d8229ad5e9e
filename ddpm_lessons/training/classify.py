"""The training of classifiers: of that which judges digits, and of that which guides chains."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ddpm_lessons.data import Batches, Digits
from ddpm_lessons.door import check_index, send
from ddpm_lessons.forward import q_sample
from ddpm_lessons.loss import draw_noise
from ddpm_lessons.models import DigitClassifier, UNetConfig
from ddpm_lessons.schedule import NoiseSchedule
from ddpm_lessons.training.fit import fit
from ddpm_lessons.training.loop import Accelerator, TrainStep

# The classifier of noisy digits that ships.
NOISY = UNetConfig(widths=(16, 32, 64), blocks=(1, 1, 2), time_width=32, num_classes=10)

# What a classifier is shown of a batch: (x_0, generator) -> its arguments.
View = Callable[[Tensor, torch.Generator | None], tuple[Tensor, ...]]

DEGREES, ZOOM, SHIFT = 12.0, 0.12, 0.1  # the shift in half-widths of the image: 1.4 pixels


def train_classifier(
    classifier: nn.Module,
    batches: Batches,
    *,
    epochs: int,
    view: View | None = None,
    accelerator: Accelerator | None = None,
    generator: torch.Generator | None = None,
) -> Iterator[TrainStep]:
    """Teach a classifier the labels of images; yields each finished step.

    Cross-entropy, with AdamW; the learning rate rises to 3e-3 and falls to 0. No label smoothing:
    the probabilities shall mean what they say. batches: on the classifier's device. view: what it
    is shown of them, such as `noised(schedule)`; by default jittered images (see `jitter`).
    generator: of what the view draws; torch's global one if None.
    The classifier is left in eval mode when the last step is done. Raises ValueError where epochs
    is not in 1..1000, or the loss is NaN or infinite.
    """
    check_index("epochs", epochs, 1, 1000)
    view = view or (lambda x_0, generator: (jitter(x_0, generator),))

    def loss_of() -> Tensor:
        x_0, labels = next(batches)
        return F.cross_entropy(classifier(*view(x_0, generator)), labels)

    steps = epochs * batches.steps_per_epoch
    yield from fit(classifier, loss_of, steps, lr=3e-3, decay=0.01, accelerator=accelerator)


def noised(schedule: NoiseSchedule) -> View:
    """The view (x_t, t): each image at a t of its own, uniform in 1..T, by Eq. (4).

    Nothing is jittered: guidance asks for the labels of the images that the chain draws.
    """

    def view(x_0: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        t, eps = draw_noise(schedule, x_0, generator)
        return q_sample(x_0, schedule.at(t, like=x_0), eps), send(t, x_0.device)

    return view


@torch.no_grad()
def scale_features(classifier: DigitClassifier, digits: Digits) -> None:
    """Scale the features to a mean square of 1 over these digits; no logit changes by that.

    A factor passes through max(0, x), so the hidden layer is divided by the root of the mean square
    and the last layer's weights are multiplied by it. Distances between features have a natural
    unit then, and KID's kernel (x . y / d + 1)^3 is of order one.
    """
    rows = torch.arange(len(digits)).split(500)
    total = sum(
        classifier.features(digits[row]).double().square().mean() * len(row) for row in rows
    )
    root = (total / len(digits)).sqrt().to(classifier.hidden.bias)
    classifier.hidden.weight /= root
    classifier.hidden.bias /= root
    classifier.head.weight *= root


def jitter(x_0: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Every image turned, scaled and shifted a little, each by its own amounts.

    x_0: (B, C, H, W) in [-1, 1]. Up to 12 degrees, 12 % and 5 % of the width, uniformly drawn; what
    comes in from outside is paper, -1. Interpolated between pixels, so the range stays [-1, 1].
    """
    device = x_0.device if generator is None else generator.device
    draws = 2 * torch.rand(len(x_0), 5, generator=generator, device=device).to(x_0.device) - 1
    angle, scale = math.radians(DEGREES) * draws[:, 0], 1 + ZOOM * draws[:, 1:3]  # (B,), (B, 2)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1)
    affine = torch.cat([turn.view(-1, 2, 2) * scale[:, None], SHIFT * draws[:, 3:, None]], dim=2)
    grid = F.affine_grid(affine.to(x_0.dtype), list(x_0.shape), align_corners=False)
    return F.grid_sample(x_0 + 1, grid, align_corners=False) - 1  # outside the image is 0: paper
