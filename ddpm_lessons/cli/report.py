"""What `evaluate` measures once it has its samples, and the pictures of them."""

from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor

from ddpm_lessons.cli.sample import LINE, encode, grid
from ddpm_lessons.cli.streams import stream
from ddpm_lessons.data import load_mnist, to_model_range
from ddpm_lessons.evaluation import (
    Neighbours,
    Reading,
    closeness,
    fid_interval,
    kid_interval,
    memorisation,
    nearest,
    quality,
    read,
    share_ratios,
)
from ddpm_lessons.models import load_classifier
from ddpm_lessons.models.storage import write_atomically

ROWS, BESIDE = 10, 5  # of the neighbours' picture: rows, and training images beside each sample
SCALE = 2  # screen pixels a pixel


class Samples(NamedTuple):
    """What a network drew."""

    images: Tensor  # uint8 (n, C, 28, 28)
    labels: Tensor | None = None  # (n,), which digits it was asked for; None if it was not told


def measure(samples: Samples | None, n: int, *, seed: int, device: torch.device) -> dict:
    """Every number that the classifier has a say in: of samples, training digits and test digits.

    samples: n of them; None for the real digits alone. "floor" is what n training digits,
    drawn at random, score against the same 10,000 test digits.
    """
    classifier = load_classifier(device=device)
    train, test = load_mnist("train"), load_mnist("test")
    real = read(classifier, test.images)
    drawn = torch.randperm(len(train), generator=stream(seed, "floor"))[:n]
    sets = {} if samples is None else {"samples": samples.images}
    sets["floor"] = train.images[drawn]
    readings = {name: read(classifier, x) for name, x in sets.items()}
    found = {name: _compare(reading, real, seed) for name, reading in readings.items()}
    if samples is not None and samples.labels is not None:
        classes = readings["samples"].probabilities.argmax(dim=1)
        found["samples"]["as_asked"] = (classes == samples.labels).double().mean().item()
    return {**found, "test": {"images": len(test), "quality": quality(real.probabilities)}}


def recall(images: Tensor, device: torch.device) -> tuple[dict, Neighbours]:
    """How close samples come to the training images, and which those are."""
    train = load_mnist("train").images.to(device)
    near, real = nearest(images, train, k=BESIDE), nearest(load_mnist("test").images, train, k=2)
    numbers = {
        "by_distance": memorisation(near.distances, real.distances),
        "by_closeness": memorisation(closeness(near), closeness(real)),
        "median_distance": near.distances[:, 0].median().item(),
        "median_distance_of_test_digits": real.distances[:, 0].median().item(),
    }
    return numbers, near


def write_pictures(out: Path, images: Tensor, near: Neighbours) -> None:
    """Write samples.png, the first 100, and neighbours.png: samples, each with its nearest training
    images; on the left the samples that come closest to one, on the right the first ones.
    """
    _write_png(out / "samples.png", grid(to_model_range(images[:100]), SCALE))
    train = load_mnist("train").images
    closest = near.distances[:, 0].argsort(stable=True)[:ROWS].tolist()
    cells, gap = [], torch.full_like(images[:1], LINE)
    for left, right in zip(closest, range(ROWS), strict=False):
        cells += [images[[left]], train[near.indices[left]], gap]
        cells += [images[[right]], train[near.indices[right]]]
    picture = grid(to_model_range(torch.cat(cells)), SCALE, columns=2 * (1 + BESIDE) + 1)
    _write_png(out / "neighbours.png", picture)


def _compare(reading: Reading, real: Reading, seed: int) -> dict:
    """A set of images against the test digits."""
    found, own = quality(reading.probabilities), quality(real.probabilities)
    distances = {"fid": fid_interval, "kid": kid_interval}
    return {
        "images": len(reading.features),
        **{
            name: interval(reading.features, real.features, generator=stream(seed, "bootstrap"))
            for name, interval in distances.items()
        },
        "quality": found,
        "share_ratios": share_ratios(found.shares, own.shares),
    }


def _write_png(path: Path, picture: Image.Image) -> None:
    write_atomically(path, encode([picture], "PNG"))
