"""Train the digit classifier that the evaluation reads samples with."""

import argparse
import time
from pathlib import Path

import torch
from tqdm.auto import tqdm

from ddpm_lessons.cli.options import add_device, choose_device, whole
from ddpm_lessons.data import load_mnist
from ddpm_lessons.evaluation.reading import read
from ddpm_lessons.models import DigitClassifier, load_classifier, save_classifier
from ddpm_lessons.training import MixedPrecision
from ddpm_lessons.training.classify import scale_features, train_classifier


def add(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("--epochs", type=whole(1, 1000), default=8, help="default: 8")
    parser.add_argument("--seed", type=whole(0), default=0, help="default: 0")
    out = Path("runs/classifier/classifier.safetensors")
    parser.add_argument("--out", type=Path, default=out, help=f"default: {out}")
    add_device(parser)


def run(options: argparse.Namespace) -> int:
    """Train on the 60,000 training digits, write the file, and count how many test digits it reads
    right.
    """
    device = choose_device(options.device)
    torch.manual_seed(options.seed)  # the first weights come from torch's global generator
    classifier = DigitClassifier().to(device)
    digits = load_mnist("train").to(device)
    steps = train_classifier(
        classifier,
        digits,
        epochs=options.epochs,
        accelerator=MixedPrecision(device),
        generator=torch.Generator().manual_seed(options.seed),
    )
    start = time.perf_counter()
    with tqdm(unit="step", dynamic_ncols=True) as bar:
        for result in steps:
            if result.step % 50 == 0:
                bar.set_postfix_str(f"loss {result.loss.item():.4f}", refresh=False)
            bar.update()
    scale_features(classifier, digits)
    about = {"epochs": options.epochs, "seed": options.seed, "data": "the 60,000 training digits"}
    about["seconds"] = round(time.perf_counter() - start)
    save_classifier(options.out, classifier, about=about)
    test = load_mnist("test")
    reading = read(load_classifier(options.out), test.images)  # as it was written
    right = (reading.labels == test.labels).float().mean().item()
    print(f"{options.out}: reads {right:.2%} of the {len(test):,} test digits right")
    return 0
