"""The training loss taken apart: how large it is at each timestep."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ddpm_lessons.door import (
    EpsModel,
    check_images,
    check_index,
    check_loop,
    predict_noise,
    randn_like,
)
from ddpm_lessons.forward import q_sample
from ddpm_lessons.schedule import NoiseSchedule


def loss_by_timestep(
    eps_model: EpsModel,
    schedule: NoiseSchedule,
    x_0: Tensor,
    *,
    timesteps: Sequence[int],
    generator: torch.Generator | None = None,
) -> Tensor:
    """The mean square of eps - eps_theta(x_t, t), for each of `timesteps` and each image.

    L_simple, Eq. (14), is the mean of this over the images and over t = 1..T. A draw of eps for
    every timestep and image, in this order, so that the same seed asks two networks the same
    questions. x_0 is (B, ...), on the network's device. One call of the network for each timestep,
    in eval mode and without gradients. Returns (len(timesteps), B) float64 on the CPU.
    Raises ValueError where `timesteps` is empty or leaves 1..T, or a shape does not match.
    """
    check_loop(eps_model, schedule, generator)
    check_images("x_0", x_0)
    timesteps = [check_index("timesteps", t, 1, schedule.T) for t in timesteps]
    if not timesteps:
        raise ValueError("timesteps is empty, expected at least one in 1..T")
    losses = torch.empty(len(timesteps), len(x_0), dtype=torch.float64)
    for row, t in zip(losses, timesteps, strict=True):
        eps = randn_like(x_0, generator)
        guess = predict_noise(eps_model, q_sample(x_0, schedule.at(t), eps), t)
        row.copy_((guess.double() - eps.double()).square().flatten(1).mean(dim=1))
    return losses
