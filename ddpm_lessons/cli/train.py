"""Train a U-Net on MNIST or on other images, with a checkpoint to resume from."""

import argparse
import dataclasses
import signal
import time
from pathlib import Path

import torch
from tqdm.auto import tqdm

from ddpm_lessons.cli.dataset import DATA, add_data, ask, choose_autoencoder, fit, open_images
from ddpm_lessons.cli.network import open_network
from ddpm_lessons.cli.options import add_device, choose_accelerator, number, whole
from ddpm_lessons.cli.together import company, stopped
from ddpm_lessons.cli.trainlog import TrainLog
from ddpm_lessons.data import Digits
from ddpm_lessons.models import Autoencoder, load_pretrained, save_weights
from ddpm_lessons.models.storage import read_header
from ddpm_lessons.training import (
    PRESETS,
    MixedPrecision,
    Preset,
    Run,
    interruptible,
    load_checkpoint,
    read_about,
    save_checkpoint,
    start_run,
    steps_of,
)
from ddpm_lessons.training.presets import decay_start

CHECKPOINT, WEIGHTS, LOG = "checkpoint.safetensors", "weights.safetensors", "log.csv"
COURSE = "course"  # --start without a file
SAVE_EVERY = 60.0  # seconds between two checkpoints


def add(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    rows = [f"  {name:12} {p.steps:7,} steps  {p.about}" for name, p in PRESETS.items()]
    parser.epilog = "\n".join(["presets:", *rows])
    parser.add_argument("--preset", choices=PRESETS, help="see below (default: quick)")
    add_data(parser)
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--steps", type=whole(1), help="instead of the preset's; with --resume, a new end"
    )
    length.add_argument("--minutes", type=number(0, 1e5), help="as many steps as fit, measured")
    parser.add_argument(
        "--batch-size", type=whole(1), help="images a step, of all processes together"
    )
    parser.add_argument("--out", type=Path, help="folder for the results (default: runs/PRESET)")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.add_argument(
        "--start",
        nargs="?",
        const=COURSE,
        help="begin with the weights in this file; without a file, with those of the course",
    )
    parser.add_argument("--seed", type=whole(0), help="default: 0")
    parser.add_argument(
        "--compile", action="store_true", help="quicker steps after a minute; for GPUs"
    )
    add_device(parser)


def run(options: argparse.Namespace) -> int:
    """Train, and leave a checkpoint, a log and, at the end, the weights in the folder --out."""
    out = options.out or Path("runs") / (options.preset or "quick")
    accelerator = choose_accelerator(options.device, compiled=options.compile)
    device = accelerator.device
    preset, about, digits = prepare(options, out / CHECKPOINT, accelerator)
    autoencoder = choose_autoencoder(options, preset, out / CHECKPOINT)
    if options.minutes:
        seconds = 60 * options.minutes
        steps = steps_within(
            preset, digits, seconds, accelerator=accelerator, autoencoder=autoencoder
        )
        preset = dataclasses.replace(preset, steps=steps)
    about |= {"preset": preset.to_dict()}
    seed, start = about["seed"], None
    if options.start:
        course = options.start == COURSE
        start = load_pretrained() if course else open_network(Path(options.start), device)
    torch.manual_seed(seed)  # for whatever a network draws in training; our U-Net draws nothing
    session = start_run(
        preset, digits, seed=seed, device=device, start=start, autoencoder=autoencoder
    )
    if options.resume:
        load_checkpoint(out / CHECKPOINT, session)
    accelerator.wait()  # none writes the checkpoint while another one looks for it
    greet(session, preset, accelerator, seed=seed)
    advance(session, preset, accelerator, out=out, about=about)
    if accelerator.is_main_process:
        finish(session, preset, out=out, about=about)
    return 0


def prepare(
    options: argparse.Namespace, checkpoint: Path, accelerator: MixedPrecision
) -> tuple[Preset, dict, Digits]:
    """What to train, what its files shall say of it, and the images."""
    preset, about = plan(options, checkpoint, accelerator)
    images = open_images(about.get("data"), tell=accelerator.is_main_process)
    if not options.resume:
        preset, about = fit(preset, images, about)
    return preset, about, images.digits


def finish(run: Run, preset: Preset, *, out: Path, about: dict) -> None:
    """Write the weights, unless the training was stopped; say how to go on."""
    if run.step < preset.steps:
        print(f"stopped after step {run.step}. To go on:")
        print(f"    python -m ddpm_lessons train --resume --out {out}")
        return
    about = about | {"steps": run.step, "seconds": round(run.seconds), "weights": "EMA"}
    more = {"about": about, "half": preset.half, "autoencoder": run.autoencoder}
    save_weights(out / WEIGHTS, run.ema.module, run.schedule, **more)
    print(f"{run.step} steps in {run.seconds:.0f} s. To see samples:")
    print(f"    python -m ddpm_lessons sample --checkpoint {out / WEIGHTS}")


def greet(run: Run, preset: Preset, accelerator: MixedPrecision, *, seed: int) -> None:
    """Say what begins, once."""
    dtype = "bfloat16 and float32" if accelerator.enabled else "float32"
    several = f"{accelerator.num_processes} processes, "
    words = several if accelerator.num_processes > 1 else ""
    words += f"device {accelerator.device}, {dtype}, seed {seed}; step {run.step} of {preset.steps}"
    if accelerator.is_main_process:
        print(words, flush=True)


def plan(
    options: argparse.Namespace, checkpoint: Path, accelerator: MixedPrecision
) -> tuple[Preset, dict]:
    """What to train, and what its files shall say of it (the seed, the start, the data): by the
    options, or by the checkpoint that is to be resumed. The data may still change the preset, and
    --minutes its steps.
    """
    preset = PRESETS[options.preset or "quick"]
    about = {"seed": options.seed or 0} | ({"start": options.start} if options.start else {})
    if options.resume:
        for name in ("preset", "batch_size", "minutes", "seed", "start", *DATA):
            if getattr(options, name) is not None and (name != "preset" or options.out):
                flag = name.replace("_", "-")
                raise ValueError(f"--{flag} is decided by {checkpoint}; leave it out")
        about = read_about(checkpoint)
        preset = Preset.from_dict(about["preset"])
        if options.steps:
            preset = with_end(preset, options.steps, read_header(checkpoint)["step"])
    elif checkpoint.exists():
        remedy = "go on with --resume, or choose another folder by --out"
        raise ValueError(f"{checkpoint} is there already; {remedy}")
    else:
        preset, data = ask(options, preset)
        about |= data
    if options.batch_size:
        preset = dataclasses.replace(preset, batch_size=options.batch_size)
    if options.minutes and accelerator.num_processes > 1:  # each would measure another speed
        raise ValueError(f"--minutes is {options.minutes:g}, expected --steps with processes")
    if options.steps:
        preset = dataclasses.replace(preset, steps=options.steps)
    return preset, about


def with_end(preset: Preset, steps: int, step: int) -> Preset:
    """The preset of a run that has come to `step`, now to end after `steps`.

    Nothing of what was done so far depends on the end until the learning rate begins to fall:
    before, the run goes on as one that was meant to end there from the start.
    Raises ValueError once it falls, or where with the new end it would have begun to.
    """
    changed = dataclasses.replace(preset, steps=steps)
    fixed = min(decay_start(preset), decay_start(changed))
    if steps != preset.steps and step > fixed:
        expected = f"{preset.steps}: the learning rate falls from step {fixed}, before step {step}"
        raise ValueError(f"--steps is {steps}, expected {expected}")
    return changed


def steps_within(
    preset: Preset,
    digits: Digits,
    seconds: float,
    *,
    accelerator: MixedPrecision,
    autoencoder: Autoencoder | None = None,
) -> int:
    """How many steps fit into that time, by timing some of a run that is then thrown away."""
    device = accelerator.device
    steps = steps_of(start_run(preset, digits, device=device, autoencoder=autoencoder), accelerator)
    for _ in range(3):  # the first ones are slower
        next(steps).loss.item()
    start, count = time.perf_counter(), 0
    while count < 5 or time.perf_counter() - start < min(5.0, seconds / 10):
        next(steps).loss.item()
        count += 1
    return max(1, int(seconds * count / (time.perf_counter() - start)))


def advance(
    run: Run, preset: Preset, accelerator: MixedPrecision, *, out: Path, about: dict
) -> None:
    """Train to the preset's last step, or until Ctrl-C or SIGTERM; a checkpoint is left anyway.

    Of several processes the first one writes the files.
    """
    first = accelerator.is_main_process

    def save() -> float:
        if first:
            save_checkpoint(out / CHECKPOINT, run, about=about)
        return time.perf_counter()

    saved = save()  # a folder that is no good shows at once
    start = saved - run.seconds
    log = TrainLog(out / LOG, run, accelerator)
    bar = tqdm(
        total=preset.steps, initial=run.step, unit="step", dynamic_ncols=True, disable=not first
    )
    ends = interruptible(signal.SIGTERM)
    with bar, ends as interrupted, company(accelerator, out / CHECKPOINT):
        steps = steps_of(run, accelerator)
        while run.step < preset.steps and not stopped(interrupted, run, accelerator):
            result = next(steps)
            run.step += 1
            run.seconds = time.perf_counter() - start
            bar.set_postfix_str(log.add(result.loss), refresh=False)
            bar.update()
            if time.perf_counter() - saved > SAVE_EVERY:
                saved = save()
        save()
