"""What test_training_processes.py runs in two processes at once: `torchrun ... launched.py FOLDER`.

Each process leaves what it saw and computed in FOLDER/RANK.safetensors.
"""

import dataclasses
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from ddpm_lessons import cosine_schedule
from ddpm_lessons.data import Batches, Digits, load_mnist
from ddpm_lessons.models import UNet, UNetConfig
from ddpm_lessons.training import (
    PRESETS,
    Ema,
    MixedPrecision,
    Processes,
    Run,
    launched,
    save_checkpoint,
    start_run,
    steps_of,
    train,
)
from ddpm_lessons.training.loop import share

CONFIG = UNetConfig(widths=(8, 16), blocks=(1, 1), groups=4, time_width=8, T=50, num_classes=3)
N, BATCH, STEPS = 17, 7, 5  # the batches have 7, 7, 3, 7 and 7 images: shares of 3 and 4, 1 and 2


class Seen(nn.Module):
    """A network that remembers the noisy images, the times and the labels that it was asked."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net, self.asked = UNet(CONFIG), []
        for parameter in self.net.parameters():
            nn.init.normal_(parameter, std=0.2)  # no layer is silent
        self.double()

    def forward(self, x_t, t, labels):
        self.asked.append((x_t.detach(), t, labels))
        return self.net(x_t, t, labels)


def digits() -> Digits:
    generator = torch.Generator().manual_seed(2)
    images = torch.randint(256, (N, 1, 4, 4), generator=generator).to(torch.uint8)
    return Digits(images, torch.arange(N) % 3)


def work(accelerator: MixedPrecision) -> dict[str, torch.Tensor]:
    """Some steps of training in float64; returns all that came of them."""
    generator, model = torch.Generator().manual_seed(1), Seen()
    batches = Batches(digits(), BATCH, generator=generator)
    ema = Ema(model, 0.9)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    steps = train(
        accelerator.prepare_model(model),
        cosine_schedule(T=50),
        ((x_0.double(), labels) for x_0, labels in batches),
        optimizer,
        ema=ema,
        accelerator=accelerator,
        generator=generator,
        label_dropout=0.3,
    )
    found = {}
    for step in range(STEPS):
        loss = next(steps).loss
        found[f"loss/{step}"] = accelerator.mean(loss)
        gradients = [p.grad.flatten() for p in model.parameters()]
        found[f"gradient/{step}"] = torch.cat(gradients).clone()
        for name, x in zip(("x_t", "t", "labels"), model.asked[step], strict=True):
            found[f"{name}/{step}"] = x.contiguous()
    found["weights"] = torch.cat([p.detach().flatten() for p in model.parameters()])
    found["average"] = torch.cat([p.flatten() for p in ema.module.parameters()])
    found["rng"] = generator.get_state()
    for n in (2, 5):
        mine = torch.arange(n)[share(accelerator, n)[0]] * 10
        found[f"gathered/{n}"] = accelerator.gather(mine, n)
    return found


def six_steps() -> Run:
    """A training of 6 steps, before the first one."""
    return start_run(dataclasses.replace(PRESETS["tiny"], steps=6, batch_size=6), load_mnist())


def advance(run: Run, accelerator: MixedPrecision, steps: int) -> None:
    for _, _ in zip(range(steps), steps_of(run, accelerator), strict=False):
        run.step += 1


if __name__ == "__main__":
    assert launched()
    processes, folder = Processes("cpu"), Path(sys.argv[1])
    results = work(processes)
    save_file(results, folder / f"{processes.process_index}.safetensors")
    processes.enabled = False  # float32, to be compared
    half = six_steps()
    advance(half, processes, 3)
    if processes.process_index == 0:
        save_checkpoint(folder / "half.safetensors", half)
    processes.wait()
