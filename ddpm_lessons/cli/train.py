"""Train a U-Net on MNIST, with a checkpoint to resume from."""

import argparse
import dataclasses
import time
from pathlib import Path

import torch
from tqdm.auto import tqdm

from ddpm_lessons.cli.network import open_network
from ddpm_lessons.cli.options import add_device, choose_device, number, whole
from ddpm_lessons.cli.trainlog import TrainLog
from ddpm_lessons.data import load_mnist
from ddpm_lessons.models import load_pretrained, save_weights
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
    rows = [f"  {name:12} {p.steps:6,} steps  {p.about}" for name, p in PRESETS.items()]
    parser.epilog = "\n".join(["presets:", *rows])
    parser.add_argument("--preset", choices=PRESETS, help="see below (default: quick)")
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--steps", type=whole(1), help="instead of the preset's; with --resume, a new end"
    )
    length.add_argument("--minutes", type=number(0, 1e5), help="as many steps as fit, measured")
    parser.add_argument("--out", type=Path, help="folder for the results (default: runs/PRESET)")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.add_argument(
        "--start",
        nargs="?",
        const=COURSE,
        help="begin with the weights in this file; without a file, with those of the course",
    )
    parser.add_argument("--seed", type=whole(0), help="default: 0")
    add_device(parser)


def run(options: argparse.Namespace) -> int:
    """Train, and leave a checkpoint, a log and, at the end, the weights in the folder --out."""
    out = options.out or Path("runs") / (options.preset or "quick")
    device = choose_device(options.device)
    preset, about = plan(options, out / CHECKPOINT, device)
    seed, start = about["seed"], None
    if options.start:
        course = options.start == COURSE
        start = load_pretrained() if course else open_network(Path(options.start), device)
    torch.manual_seed(seed)  # for whatever a network draws in training; our U-Net draws nothing
    session = start_run(preset, load_mnist("train"), seed=seed, device=device, start=start)
    if options.resume:
        load_checkpoint(out / CHECKPOINT, session)
    precision = MixedPrecision(device)
    dtype = "bfloat16 and float32" if precision.enabled else "float32"
    print(f"device {device}, {dtype}, seed {seed}; step {session.step} of {preset.steps}")
    advance(session, preset, precision, out=out, about=about)
    if session.step < preset.steps:
        print(f"stopped after step {session.step}. To go on:")
        print(f"    python -m ddpm_lessons train --resume --out {out}")
        return 0
    about |= {"steps": session.step, "seconds": round(session.seconds), "weights": "EMA"}
    network = session.ema.module
    save_weights(out / WEIGHTS, network, session.schedule, about=about, half=preset.half)
    print(f"{session.step} steps in {session.seconds:.0f} s. To see digits:")
    print(f"    python -m ddpm_lessons sample --checkpoint {out / WEIGHTS}")
    return 0


def plan(
    options: argparse.Namespace, checkpoint: Path, device: torch.device
) -> tuple[Preset, dict]:
    """What to train, and what its files shall say of it (the preset, the seed, the start): by the
    options, or by the checkpoint that is to be resumed.
    """
    preset = PRESETS[options.preset or "quick"]
    about = {"seed": options.seed or 0} | ({"start": options.start} if options.start else {})
    if options.resume:
        for name in ("preset", "minutes", "seed", "start"):
            if getattr(options, name) is not None and (name != "preset" or options.out):
                raise ValueError(f"--{name} is decided by {checkpoint}; leave it out")
        about = read_about(checkpoint)
        preset = Preset.from_dict(about["preset"])
        if options.steps:
            preset = with_end(preset, options.steps, read_header(checkpoint)["step"])
    elif checkpoint.exists():
        remedy = "go on with --resume, or choose another folder by --out"
        raise ValueError(f"{checkpoint} is there already; {remedy}")
    if options.minutes:
        preset = dataclasses.replace(
            preset, steps=steps_within(preset, 60 * options.minutes, device)
        )
    elif options.steps:
        preset = dataclasses.replace(preset, steps=options.steps)
    return preset, about | {"preset": preset.to_dict()}


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


def steps_within(preset: Preset, seconds: float, device: torch.device) -> int:
    """How many steps fit into that time, by timing some of a run that is then thrown away."""
    steps = steps_of(start_run(preset, load_mnist("train"), device=device))
    for _ in range(3):  # the first ones are slower
        next(steps).loss.item()
    start, count = time.perf_counter(), 0
    while count < 5 or time.perf_counter() - start < min(5.0, seconds / 10):
        next(steps).loss.item()
        count += 1
    return max(1, int(seconds * count / (time.perf_counter() - start)))


def advance(run: Run, preset: Preset, precision: MixedPrecision, *, out: Path, about: dict) -> None:
    """Train to the preset's last step, or until Ctrl-C; a checkpoint is left in either case."""
    save_checkpoint(out / CHECKPOINT, run, about=about)  # a folder that is no good shows at once
    saved, start = time.perf_counter(), time.perf_counter() - run.seconds
    log = TrainLog(out / LOG, run)
    bar = tqdm(total=preset.steps, initial=run.step, unit="step", dynamic_ncols=True)
    with bar, interruptible() as interrupted:
        steps = steps_of(run, precision)
        while run.step < preset.steps and not interrupted:
            result = next(steps)
            run.step += 1
            run.seconds = time.perf_counter() - start
            bar.set_postfix_str(log.add(result.loss), refresh=False)
            bar.update()
            if time.perf_counter() - saved > SAVE_EVERY:
                save_checkpoint(out / CHECKPOINT, run, about=about)
                saved = time.perf_counter()
        save_checkpoint(out / CHECKPOINT, run, about=about)
