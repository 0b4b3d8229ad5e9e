"""Train the autoencoder in whose latents the preset mnist-latent learns to draw."""

import argparse
from pathlib import Path

import torch

from ddpm_lessons.cli.classifier import watch
from ddpm_lessons.cli.options import add_device, choose_device, number, whole
from ddpm_lessons.data import Batches, Digits, load_mnist, to_uint8
from ddpm_lessons.evaluation import fid, read
from ddpm_lessons.models import (
    Autoencoder,
    AutoencoderConfig,
    load_autoencoder,
    load_classifier,
    save_autoencoder,
)
from ddpm_lessons.training import MixedPrecision
from ddpm_lessons.training.autoencode import scale_latents, train_autoencoder


def add(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("--epochs", type=whole(1, 1000), default=6, help="default: 6")
    parser.add_argument(
        "--latents", type=whole(1, 64), default=4, help="channels of the latents (4)"
    )
    parser.add_argument(
        "--noise-std", type=number(0, 10), default=0.1, help="of a pixel, given its latents (0.1)"
    )
    parser.add_argument("--seed", type=whole(0), default=0, help="default: 0")
    out = Path("runs/autoencoder/autoencoder.safetensors")
    parser.add_argument("--out", type=Path, default=out, help=f"default: {out}")
    add_device(parser)


def run(options: argparse.Namespace) -> int:
    """Train on the 60,000 training digits, write the file, and say what it makes of test digits."""
    device = choose_device(options.device)
    torch.manual_seed(options.seed)  # the first weights come from torch's global generator
    autoencoder = Autoencoder(AutoencoderConfig(latents=options.latents)).to(device)
    digits = load_mnist("train").to(device)
    generator = torch.Generator().manual_seed(options.seed)
    steps = train_autoencoder(
        autoencoder,
        Batches(digits, 128, generator=generator),
        epochs=options.epochs,
        noise_std=options.noise_std,
        accelerator=MixedPrecision(device),
        generator=generator,
    )
    about = {"epochs": options.epochs, "noise_std": options.noise_std, "seed": options.seed}
    about |= {"data": "the 60,000 training digits", "seconds": watch(steps)}
    scale_latents(autoencoder, digits)
    save_autoencoder(options.out, autoencoder, about=about)
    report(options.out, load_mnist("test"))
    return 0


@torch.no_grad()
def report(path: Path, test: Digits) -> None:
    """Print how near the test digits come back from the autoencoder in that file."""
    autoencoder, classifier = load_autoencoder(path), load_classifier()
    rows = torch.arange(len(test)).split(500)
    back = torch.cat([autoencoder.decode(autoencoder.encode(test[row])) for row in rows])
    error = (back - test[:]).square().mean().sqrt().item() * 127.5
    found, real = read(classifier, to_uint8(back)), read(classifier, test.images)
    same = (found.labels == real.labels).float().mean().item()
    distance = fid(found.features, real.features)
    print(f"{path}: {len(test):,} test digits come back {error:.1f} grey levels off, {same:.2%} of")
    print(f"them are read as before, and their digit-FID is {distance:.3f}")
