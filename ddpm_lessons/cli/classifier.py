"""Train a classifier of digits to judge samples, or, --noisy, to guide them."""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from tqdm.auto import tqdm

from ddpm_lessons.cli.options import add_device, choose_device, whole
from ddpm_lessons.data import Batches, Digits, load_mnist
from ddpm_lessons.evaluation.reading import noisy_accuracy, read
from ddpm_lessons.models import (
    DigitClassifier,
    NoisyClassifier,
    load_classifier,
    load_noisy_classifier,
    save_classifier,
    save_weights,
)
from ddpm_lessons.schedule import linear_schedule
from ddpm_lessons.training import MixedPrecision, TrainStep
from ddpm_lessons.training.classify import NOISY, noised, scale_features, train_classifier

TIMESTEPS = (1, 100, 200, 300, 400, 500, 700, 1000)  # at which a classifier of noise is tried


def add(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("--noisy", action="store_true", help="of x_t, for classifier guidance")
    parser.add_argument("--epochs", type=whole(1, 1000), default=8, help="default: 8")
    parser.add_argument("--seed", type=whole(0), default=0, help="default: 0")
    out = Path("runs/classifier")
    parser.add_argument(
        "--out", type=Path, help=f"default: {out}/classifier.safetensors, or noisy-classifier..."
    )
    add_device(parser)


def run(options: argparse.Namespace) -> int:
    """Train on the 60,000 training digits, write the file, and count how many test digits it reads
    right.
    """
    device, schedule = choose_device(options.device), linear_schedule()
    name = "noisy-classifier" if options.noisy else "classifier"
    out = options.out or Path(f"runs/classifier/{name}.safetensors")
    torch.manual_seed(options.seed)  # the first weights come from torch's global generator
    classifier = (NoisyClassifier(NOISY) if options.noisy else DigitClassifier()).to(device)
    digits = load_mnist("train").to(device)
    generator = torch.Generator().manual_seed(options.seed)
    steps = train_classifier(
        classifier,
        Batches(digits, 128, generator=generator),
        epochs=options.epochs,
        view=noised(schedule) if options.noisy else None,
        accelerator=MixedPrecision(device),
        generator=generator,
    )
    about = {"epochs": options.epochs, "seed": options.seed, "data": "the 60,000 training digits"}
    about["seconds"] = watch(steps)
    if options.noisy:
        save_weights(out, classifier, schedule, about=about, half=True)
        report_noisy(out, load_mnist("test"))
    else:
        scale_features(classifier, digits)
        save_classifier(out, classifier, about=about)
        report(out, load_mnist("test"))
    return 0


def watch(steps: Iterator[TrainStep]) -> int:
    """Go through the steps with a progress bar; returns the whole seconds that they took."""
    start = time.perf_counter()
    with tqdm(unit="step", dynamic_ncols=True) as bar:
        for result in steps:
            if result.step % 50 == 0:
                bar.set_postfix_str(f"loss {result.loss.item():.4f}", refresh=False)
            bar.update()
    return round(time.perf_counter() - start)


def report(path: Path, test: Digits) -> None:
    """Print how many test digits the classifier in that file, as it was written, reads right."""
    right = (read(load_classifier(path), test.images).labels == test.labels).float().mean().item()
    print(f"{path}: reads {right:.2%} of the {len(test):,} test digits right")


def report_noisy(path: Path, test: Digits) -> None:
    """The same for a classifier of noisy digits, a line for each of some timesteps."""
    log_probs, schedule, _ = load_noisy_classifier(path)
    generator = torch.Generator().manual_seed(0)
    found = noisy_accuracy(log_probs, schedule, test, timesteps=TIMESTEPS, generator=generator)
    print(f"{path}: of the {len(test):,} test digits it reads right")
    for t, right in zip(TIMESTEPS, found.tolist(), strict=True):
        print(f"  {right:7.2%} at t = {t}")
