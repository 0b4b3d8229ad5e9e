"""A training run: all its parts, how it starts, and the loop that drives it on."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from ddpm_lessons.data import Batches, Digits
from ddpm_lessons.models import Autoencoder, Pretrained, UNet
from ddpm_lessons.models.storage import load_exactly
from ddpm_lessons.schedule import NoiseSchedule
from ddpm_lessons.training.autoencode import encoded
from ddpm_lessons.training.ema import Ema
from ddpm_lessons.training.loop import MixedPrecision, TrainStep, train
from ddpm_lessons.training.presets import Preset, make_optimizer, make_schedule


@dataclass
class Run:
    """A training run between two steps: what `train` is given, and how far it has come."""

    model: nn.Module
    schedule: NoiseSchedule
    batches: Batches
    optimizer: torch.optim.Optimizer
    lr_scheduler: torch.optim.lr_scheduler.LRScheduler
    ema: AveragedModel
    generator: torch.Generator  # of t and eps
    label_dropout: float | None = None  # share of hidden labels; None to train without labels
    autoencoder: Autoencoder | None = None  # whose latents it learns; None to learn images
    step: int = 0  # steps finished so far, before a resume too
    seconds: float = 0.0  # spent on them


def start_run(
    preset: Preset,
    digits: Digits,
    *,
    seed: int = 0,
    device: str | torch.device = "cpu",
    start: Pretrained | None = None,
    autoencoder: Autoencoder | None = None,
) -> Run:
    """The run of a preset before its first step, on (the first `preset.images` of) the digits.

    Weights and noise are drawn on the CPU, so that a seed means the same on every device. torch's
    global generator, from which the layers draw their weights, is put back afterwards.

    start: a network to begin with, instead of random weights. It must be that of the preset, except
        that a table of labels which it lacks begins at zero: then no label changes its answers yet.
    autoencoder: that whose latents shall be learnt, where the preset is `latent`.
    Raises ValueError if `start` is another network, or was trained with another noise schedule, or
    the autoencoder is missing, not wanted, or of another number of channels.
    """
    check_latent(preset, autoencoder)
    if preset.images is not None:
        digits = Digits(digits.images[: preset.images], digits.labels[: preset.images])
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model = UNet(preset.model)
    schedule = make_schedule(preset)
    if start is not None:
        _begin(model, schedule, start)
    model.to(device)
    generator = torch.Generator().manual_seed(seed)
    optimizer, lr_scheduler = make_optimizer(preset, model)
    return Run(
        model=model,
        schedule=schedule,
        batches=Batches(
            digits, preset.batch_size, generator=generator, device=device, flip=preset.flip
        ),
        optimizer=optimizer,
        lr_scheduler=lr_scheduler,
        ema=Ema(model, preset.ema_decay),
        generator=generator,
        label_dropout=preset.label_dropout,
        autoencoder=autoencoder and autoencoder.to(device),
    )


def check_latent(preset: Preset, autoencoder: Autoencoder | None) -> None:
    """Raise ValueError unless the autoencoder is one for this preset."""
    wanted = preset.model.channels if preset.latent else None
    found = None if autoencoder is None else autoencoder.config.latents
    if found != wanted:
        expected = f"one with {wanted} latents" if preset.latent else "None: it learns images"
        raise ValueError(f"autoencoder has {found} latents, expected {expected}")


def _begin(model: UNet, schedule: NoiseSchedule, start: Pretrained) -> None:
    """Give the model the weights of `start`."""
    table = {name: x for name, x in model.state_dict().items() if name.startswith("label.")}
    load_exactly(model, table | start.eps_model.state_dict(), path="start")
    if not torch.equal(start.schedule.betas, schedule.betas):
        raise ValueError("start was trained with another noise schedule than the preset's")


def steps_of(run: Run, accelerator: MixedPrecision | None = None) -> Iterator[TrainStep]:
    """`train` on all the parts of a run, in the mixed precision of its device unless told other.

    Who consumes the steps counts them: `run.step` and `run.seconds` stay as they are.
    """
    accelerator = accelerator or MixedPrecision(next(run.model.parameters()).device)
    batches = run.batches
    if run.autoencoder is not None:
        batches = encoded(
            batches, run.autoencoder, accelerator=accelerator, generator=run.generator
        )
    return train(
        accelerator.prepare_model(run.model),
        run.schedule,
        batches,
        run.optimizer,
        lr_scheduler=run.lr_scheduler,
        ema=run.ema,
        accelerator=accelerator,
        generator=run.generator,
        label_dropout=run.label_dropout,
    )
