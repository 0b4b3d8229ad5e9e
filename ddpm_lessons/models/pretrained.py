"""Weights of a network with all it takes to use them: its architecture and the noise schedule."""

import os
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ddpm_lessons.models.autoencoder import Autoencoder, build_autoencoder
from ddpm_lessons.models.config import UNetConfig
from ddpm_lessons.models.storage import (
    CheckpointError,
    build,
    cast,
    check_finite,
    plain_names,
    read_tensors,
    write_tensors,
)
from ddpm_lessons.models.unet import UNet
from ddpm_lessons.schedule import NoiseSchedule

WEIGHTS = "ddpm_lessons.weights/1"
BETAS = "schedule/betas"  # beside the weights; no layer's name contains a slash
AUTOENCODER = "autoencoder/"  # before the names of the weights of one

# The networks that come with the course: name -> file in models/weights/. Trained by the presets
# of the same names; the second one can be told which digit to draw, and draws that one better; the
# third one draws latents, and its autoencoder makes digits of them.
PRETRAINED = {
    "mnist": "mnist.safetensors",
    "mnist-labels": "mnist-labels.safetensors",
    "mnist-latent": "mnist-latent.safetensors",
    "fashion": "fashion.safetensors",
}


class Pretrained(NamedTuple):
    """A trained network, ready to sample from, and what it was trained with."""

    eps_model: UNet
    schedule: NoiseSchedule
    config: UNetConfig


class PretrainedLatent(NamedTuple):
    """A trained network that draws latents, and the autoencoder that makes images of them."""

    eps_model: UNet
    schedule: NoiseSchedule
    config: UNetConfig
    autoencoder: Autoencoder


@torch.no_grad()
def to_images(network: Pretrained | PretrainedLatent, x: Tensor) -> Tensor:
    """The images of what a network draws: decoded, if it draws latents; else x itself."""
    return network.autoencoder.decode(x) if isinstance(network, PretrainedLatent) else x


def load_pretrained(
    name: str = "mnist", *, device: torch.device | str = "cpu"
) -> Pretrained | PretrainedLatent:
    """A network that comes with the course, in eval mode, its weights closed to gradients.

    name: a key of `PRETRAINED`. device: where the network shall live; the schedule needs none.
    Raises ValueError for another name, CheckpointError (a ValueError) for a damaged file.
    """
    if name not in PRETRAINED:
        raise ValueError(f"name is {name!r}, expected one of {sorted(PRETRAINED)}")
    return load_weights(Path(__file__).parent / "weights" / PRETRAINED[name], device=device)


def load_weights(
    path: str | os.PathLike[str],
    *,
    device: torch.device | str = "cpu",
    architecture: type[nn.Module] = UNet,
) -> Pretrained | PretrainedLatent:
    """The network in a file made by `save_weights`, in eval mode, closed to gradients.

    architecture: the class that it shall be of. Raises CheckpointError if the file is missing,
    damaged, or does not fit what it says it is.
    """
    state, header = read_tensors(path, WEIGHTS)
    betas, state = state.pop(BETAS, None), cast(state, torch.float16, torch.float32)
    return assemble(header, state, betas, path=path, device=device, architecture=architecture)


def save_weights(
    path: str | os.PathLike[str],
    model: nn.Module,
    schedule: NoiseSchedule,
    *,
    about: dict | None = None,
    half: bool = False,
    autoencoder: Autoencoder | None = None,
) -> None:
    """Write a network's weights, its architecture and its schedule to one file.

    model: a UNet, wrapped by torch.compile or not. about: what else the header shall say, in JSON.
    half: round the weights to float16, for a file of half the size; loaded, they are float32.
    autoencoder: that whose latents the network draws; they are no use without it.
    Raises CheckpointError if the file cannot be written, or a weight is NaN or infinite.
    """
    state = plain_names(model.state_dict()) | autoencoder_state(autoencoder)
    state = cast(state, torch.float32, torch.float16) if half else state
    check_finite(state, path=path)
    header = {"format": WEIGHTS, **describe(model, autoencoder), "about": about or {}}
    write_tensors(path, {**state, BETAS: schedule.betas}, header)


def describe(model: nn.Module, autoencoder: Autoencoder | None = None) -> dict:
    """What a file's header says of a network: enough to build it again."""
    model = getattr(model, "_orig_mod", model)
    words = {"architecture": type(model).__name__, "config": model.config.to_dict()}
    return words if autoencoder is None else words | {"autoencoder": autoencoder.config.to_dict()}


def autoencoder_state(autoencoder: Autoencoder | None) -> dict[str, Tensor]:
    """Its weights by the names that they have in a file."""
    state = {} if autoencoder is None else autoencoder.state_dict()
    return {AUTOENCODER + name: x for name, x in state.items()}


def assemble(
    header: dict,
    state: dict[str, Tensor],
    betas: Tensor | None,
    *,
    path: object,
    device: torch.device | str,
    architecture: type[nn.Module] = UNet,
) -> Pretrained | PretrainedLatent:
    """The network that a file's header describes, with these weights, ready to be used.

    Raises CheckpointError if it is of another architecture, or the weights do not fit it.
    """
    found, wanted = header.get("architecture"), architecture.__name__
    if found != wanted:
        raise CheckpointError(f"{path}: holds the architecture {found!r}, expected {wanted!r}")
    if betas is None:
        raise CheckpointError(f"{path}: holds no noise schedule, expected the tensor {BETAS!r}")
    try:
        schedule = NoiseSchedule(betas)
    except ValueError as error:
        raise CheckpointError(f"{path}: describes no network: {error}") from error
    coder = {}
    if "autoencoder" in header:
        names = [name for name in state if name.startswith(AUTOENCODER)]
        coder = {name.removeprefix(AUTOENCODER): state.pop(name) for name in names}
    model = build(
        lambda: architecture(UNetConfig.from_dict(header.get("config"))), state, path=path
    ).to(device)
    if "autoencoder" not in header:
        return Pretrained(model, schedule, model.config)
    autoencoder = build_autoencoder(header["autoencoder"], coder, path=path).to(device)
    return PretrainedLatent(model, schedule, model.config, autoencoder)
