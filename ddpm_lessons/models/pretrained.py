"""Weights of a network with all it takes to use them: its architecture and the noise schedule."""

import os
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ddpm_lessons.models.config import UNetConfig
from ddpm_lessons.models.storage import (
    CheckpointError,
    cast,
    load_exactly,
    plain_names,
    read_tensors,
    write_tensors,
)
from ddpm_lessons.models.unet import UNet
from ddpm_lessons.schedule import NoiseSchedule

WEIGHTS = "ddpm_lessons.weights/1"
BETAS = "schedule/betas"  # beside the weights; no layer's name contains a slash

# The networks that come with the course: name -> file in models/weights/. Trained by the presets
# of the same names; the second one can be told which digit to draw, and draws that one better.
PRETRAINED = {"mnist": "mnist.safetensors", "mnist-labels": "mnist-labels.safetensors"}


class Pretrained(NamedTuple):
    """A trained network, ready to sample from, and what it was trained with."""

    eps_model: UNet
    schedule: NoiseSchedule
    config: UNetConfig


def load_pretrained(name: str = "mnist", *, device: torch.device | str = "cpu") -> Pretrained:
    """A network that comes with the course, in eval mode, its weights closed to gradients.

    name: a key of `PRETRAINED`. device: where the network shall live; the schedule needs none.
    Raises ValueError for another name, CheckpointError (a ValueError) for a damaged file.
    """
    if name not in PRETRAINED:
        raise ValueError(f"name is {name!r}, expected one of {sorted(PRETRAINED)}")
    return load_weights(Path(__file__).parent / "weights" / PRETRAINED[name], device=device)


def load_weights(path: str | os.PathLike[str], *, device: torch.device | str = "cpu") -> Pretrained:
    """The network in a file made by `save_weights`, in eval mode, closed to gradients.

    Raises CheckpointError if the file is missing, damaged, or does not fit what it says it is.
    """
    state, header = read_tensors(path, WEIGHTS)
    betas, state = state.pop(BETAS, None), cast(state, torch.float16, torch.float32)
    return assemble(header, state, betas, path=path, device=device)


def save_weights(
    path: str | os.PathLike[str],
    model: nn.Module,
    schedule: NoiseSchedule,
    *,
    about: dict | None = None,
    half: bool = False,
) -> None:
    """Write a network's weights, its architecture and its schedule to one file.

    model: a UNet, wrapped by torch.compile or not. about: what else the header shall say, in JSON.
    half: round the weights to float16, for a file of half the size; loaded, they are float32.
    Raises CheckpointError if the file cannot be written, or a weight is NaN or infinite.
    """
    state = plain_names(model.state_dict())
    state = cast(state, torch.float32, torch.float16) if half else state
    check_finite(state, path=path)
    header = {"format": WEIGHTS, **describe(model), "about": about or {}}
    write_tensors(path, {**state, BETAS: schedule.betas}, header)


def describe(model: nn.Module) -> dict:
    """What a file's header says of a network: enough to build it again."""
    model = getattr(model, "_orig_mod", model)
    return {"architecture": "UNet", "config": model.config.to_dict()}


def assemble(
    header: dict,
    state: dict[str, Tensor],
    betas: Tensor | None,
    *,
    path: object,
    device: torch.device | str,
) -> Pretrained:
    """The network that a file's header describes, with these weights, ready to sample from.

    Raises CheckpointError if this library has no such architecture, or the weights do not fit it.
    """
    if header.get("architecture") != "UNet":
        found = header.get("architecture")
        raise CheckpointError(f"{path}: holds the architecture {found!r}, expected 'UNet'")
    if betas is None:
        raise CheckpointError(f"{path}: holds no noise schedule, expected the tensor {BETAS!r}")
    try:
        with torch.random.fork_rng(devices=[]):  # its first weights are drawn only to be replaced
            model = UNet(UNetConfig.from_dict(header.get("config")))
        schedule = NoiseSchedule(betas)
    except ValueError as error:
        raise CheckpointError(f"{path}: describes no network: {error}") from error
    load_exactly(model, state, path=path)
    return Pretrained(model.eval().requires_grad_(False).to(device), schedule, model.config)


def check_finite(state: dict[str, Tensor], *, path: object) -> None:
    """Raise CheckpointError if a tensor holds NaN or infinity: such a file must not be written."""
    for name, x in state.items():
        if x.is_floating_point() and not torch.isfinite(x).all():
            raise CheckpointError(
                f"{path}: not written, because {name} holds NaN or infinity: the training has "
                "diverged, try a smaller learning rate; an earlier file there is untouched"
            )
