"""The images that `train` learns from: MNIST's digits, or what --data names."""

import argparse
import dataclasses
from pathlib import Path

from ddpm_lessons.cli.options import whole
from ddpm_lessons.data import ImageSet, load_images, load_mnist
from ddpm_lessons.models import Autoencoder, load_autoencoder, load_pretrained
from ddpm_lessons.models.autoencoder import latent_size
from ddpm_lessons.training import Preset, load_network

# The options, which a checkpoint remembers.
DATA = ("data", "size", "channels", "flip", "autoencoder")


def add_data(parser: argparse.ArgumentParser) -> None:
    """The options that say what to learn from."""
    parser.add_argument(
        "--data",
        help="a folder of images, or of one folder a class, or of MNIST's format; or hf:NAME, "
        "hf:NAME:SPLIT (default: MNIST)",
    )
    parser.add_argument(
        "--size",
        type=whole(1, 4096),
        help="height and width to bring --data to (32, or those of MNIST's format)",
    )
    parser.add_argument(
        "--channels", type=int, choices=(1, 3), help="of --data (1 if all images are grey, else 3)"
    )
    parser.add_argument(
        "--autoencoder", type=Path, help="whose latents to learn, for the preset mnist-latent"
    )
    # None rather than False: then what is not given looks the same for every option.
    parser.add_argument(
        "--flip", action="store_true", default=None, help="mirror half of the images, at random"
    )


def choose_autoencoder(
    options: argparse.Namespace, preset: Preset, checkpoint: Path
) -> Autoencoder | None:
    """That whose latents the preset learns, if it learns latents: the checkpoint's, where a run is
    resumed, that of --autoencoder, or that of the course.
    """
    if not preset.latent:
        if options.autoencoder is not None:
            expected = "a preset of latents with it"
            raise ValueError(f"--autoencoder is {options.autoencoder}, expected {expected}")
        return None
    if options.resume:
        return load_network(checkpoint).autoencoder
    if options.autoencoder is not None:
        return load_autoencoder(options.autoencoder)
    return load_pretrained("mnist-latent").autoencoder


def ask(options: argparse.Namespace, preset: Preset) -> tuple[Preset, dict]:
    """The preset with what the options say already, and --data and its kin, for a checkpoint.

    Raises ValueError where they make no sense, before anything is read.
    """
    asked = {name: getattr(options, name) for name in ("size", "channels")}
    for name, value in asked.items():
        if value is not None and options.data is None:
            raise ValueError(f"--{name} is {value}, expected --data with it")
    if options.size:
        model = dataclasses.replace(preset.model, size=options.size)
        preset = dataclasses.replace(preset, model=model)
    about = {} if options.data is None else {"data": {"source": options.data, **asked}}
    return dataclasses.replace(preset, flip=preset.flip or bool(options.flip)), about


def open_images(data: dict | None, *, tell: bool = True) -> ImageSet:
    """The images that a checkpoint's "data" describes; MNIST's digits if there is none.

    tell: say what is read, which can take a while, and what was found.
    Raises ValueError if they cannot be read, or have other classes than it says.
    """
    if data is None:
        return ImageSet(load_mnist("train"), tuple("0123456789"))
    if tell:
        print(f"reading {data['source']}", flush=True)
    images = load_images(data["source"], size=data["size"], channels=data["channels"])
    if list(images.classes) != data.get("classes", list(images.classes)):
        found, expected = list(images.classes), data["classes"]
        raise ValueError(f"{data['source']}: has the classes {found}, expected {expected}")
    if tell:
        print(describe(images), flush=True)
    return images


def fit(preset: Preset, images: ImageSet, about: dict) -> tuple[Preset, dict]:
    """The preset for these images: its network's size, channels and number of labels are theirs,
    and so are those that the checkpoint's "data" says from now on.

    Raises ValueError if the network cannot halve them, or learns labels that they have not.
    """
    _, channels, size, _ = images.digits.images.shape
    if preset.latent:
        size, channels = latent_size(size), preset.model.channels
    shape = {"size": size, "channels": channels}
    labels = preset.model.num_classes
    if preset.label_dropout is not None:
        labels = len(images.classes)
        if not labels:
            raise ValueError("--preset: it learns labels, and these images have none")
    model = dataclasses.replace(preset.model, **shape, num_classes=labels)
    if "data" in about:
        data = {**about["data"], **shape, "classes": list(images.classes)}
        about = {**about, "data": data}
    return dataclasses.replace(preset, model=model), about


def describe(images: ImageSet) -> str:
    """What was found, in one line."""
    n, channels, size, _ = images.digits.images.shape
    words = f"{n:,} images of {channels} x {size} x {size}"
    words += f", {len(images.classes)} classes" if images.classes else ""
    return words + (f"; other files left alone: {images.ignored}" if images.ignored else "")
