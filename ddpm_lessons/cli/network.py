"""What the commands that sample have in common: the network, the sampler and its options."""

import argparse
import inspect
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from ddpm_lessons.cli.options import number, whole
from ddpm_lessons.cli.streams import streams
from ddpm_lessons.door import EpsModel, randn_like
from ddpm_lessons.guidance import guided
from ddpm_lessons.models import PRETRAINED, Pretrained, load_pretrained, load_weights
from ddpm_lessons.models.storage import read_header
from ddpm_lessons.samplers import SAMPLERS, Step
from ddpm_lessons.training import load_network
from ddpm_lessons.training.checkpoint import CHECKPOINT

NOT_RAW = "--raw is for training checkpoints; other files hold one set of weights"
DIGITS = 10  # the classes of MNIST
KNOBS = ("steps", "eta", "variance")  # options that some sampler has


def add_network(parser: argparse.ArgumentParser) -> None:
    """The options that say which network samples, and how."""
    parser.add_argument(
        "--checkpoint", type=Path, help="default: mnist of the course, or mnist-labels with --label"
    )
    parser.add_argument("--raw", action="store_true", help="not the EMA of a training checkpoint")
    parser.add_argument("--network", choices=PRETRAINED, help="of the course's, by name")
    parser.add_argument("--seed", type=whole(0), default=0, help="default: 0")
    parser.add_argument("--sampler", choices=SAMPLERS, default="ddpm", help="default: ddpm")
    parser.add_argument("--steps", type=whole(1), help="grid points (default: the sampler's)")
    parser.add_argument("--eta", type=float, help="noise of ddim and dpm_solver, in [0, 1]")
    parser.add_argument("--variance", choices=("beta", "posterior"), help="of ddpm (default: beta)")
    parser.add_argument(
        "--label",
        type=label,
        help="such as a digit, or 'data' for MNIST's mixture; for networks that know labels",
    )
    parser.add_argument(
        "--guidance", type=number(0, 1e6), default=1.0, help="above 1: insist on the label"
    )
    parser.add_argument("--clip", type=number(0, 1e6), help="bound of x0_hat (default: none)")


def choose_network(options: argparse.Namespace, device: torch.device) -> Pretrained:
    """The network that the options name, on that device; by default one of the course, that
    which knows labels if it will be told some.
    """
    if options.network and options.checkpoint is not None:
        found = f"--network is {options.network}, and --checkpoint is {options.checkpoint}"
        raise ValueError(f"{found}, expected one of the two")
    if options.checkpoint is not None:
        network = open_network(options.checkpoint, device, raw=options.raw)
    elif options.raw:
        raise ValueError(NOT_RAW)
    else:
        name = "mnist" if options.label is None else "mnist-labels"
        network = load_pretrained(options.network or name, device=device)
    check_label(options.label, network.config.num_classes)
    if options.guidance != 1 and options.label is None:
        raise ValueError(f"--guidance is {options.guidance:g}, expected --label beside it")
    return network


def open_network(path: Path, device: torch.device, *, raw: bool = False) -> Pretrained:
    """The network in a file of weights or a training checkpoint. raw: not its EMA."""
    if read_header(path).get("format") == CHECKPOINT:
        return load_network(path, ema=not raw, device=device)
    if raw:
        raise ValueError(NOT_RAW)
    return load_weights(path, device=device)


def label(text: str) -> int | str:
    """The type of --label: a number, or "data" for labels as often as MNIST has them."""
    if text != "data" and not text.isdecimal():
        raise argparse.ArgumentTypeError(f"is {text!r}, expected a label from 0, or data")
    return text if text == "data" else int(text)


def check_label(label: int | str | None, classes: int) -> None:
    """Raise ValueError for a --label that a network with so many labels cannot be told.

    One without labels says so itself.
    """
    if classes and label is not None and label != "data" and label >= classes:
        raise ValueError(f"--label is {label}, expected 0 to {classes - 1}")
    if classes and label == "data" and classes != DIGITS:
        expected = f"0 to {classes - 1}: data is the mixture of MNIST's {DIGITS} digits"
        raise ValueError(f"--label is data, expected {expected}")


def tell(network: Pretrained, labels: Tensor | None, weight: float) -> EpsModel:
    """The network, told the labels of the images that it will be asked about (see `guided`)."""
    if labels is None:
        return network.eps_model
    return guided(network.eps_model, labels.to(device_of(network)), weight)


def device_of(network: Pretrained) -> torch.device:
    """Where its weights are."""
    return next(network.eps_model.parameters()).device


def choose_knobs(options: argparse.Namespace) -> dict:
    """The options meant for the sampler, or its defaults; one that it does not know is refused."""
    known = inspect.signature(SAMPLERS[options.sampler]).parameters
    asked = {name: getattr(options, name) for name in KNOBS}
    for name, value in asked.items():
        if value is not None and name not in known:
            raise ValueError(f"--{name}: the sampler {options.sampler} has no such option")
    knobs = {
        name: known[name].default if value is None else value
        for name, value in asked.items()
        if name in known
    }
    return {**knobs, "clip_x0": options.clip}


def draw(
    options: argparse.Namespace, network: Pretrained, numbers: range, *, eps_model: EpsModel
) -> Iterator[Step]:
    """The chains of the samples with these numbers, by the sampler that the options name.

    eps_model: that of `network`, as it shall be asked: told labels, in another precision.
    """
    generators = streams(options.seed, "samples", numbers)
    shape = (len(numbers), *network.config.shape)
    x_T = randn_like(torch.empty(shape, device=device_of(network)), generators)
    sampler, knobs = SAMPLERS[options.sampler], choose_knobs(options)
    return sampler(eps_model, network.schedule, x_T, generator=generators, **knobs)
