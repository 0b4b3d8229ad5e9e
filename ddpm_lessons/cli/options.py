"""What the commands' options have in common: numbers, files, the device."""

import argparse
import math
import os
from collections.abc import Callable
from pathlib import Path

import torch

from ddpm_lessons.training import MixedPrecision, Processes, launched


def whole(least: int, most: int = 2**31 - 1) -> Callable[[str], int]:
    """The type of an option that is a whole number in least..most."""

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            raise argparse.ArgumentTypeError(
                f"is {text!r}, expected a whole number {least}..{most}"
            )
        return value

    return convert


def number(low: float, high: float) -> Callable[[str], float]:
    """The type of an option that is a number above low, up to high."""

    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low < value <= high:
            expected = f"a number above {low:g}, up to {high:g}"
            raise argparse.ArgumentTypeError(f"is {text!r}, expected {expected}")
        return value

    return convert


def picture(suffix: str) -> Callable[[str], Path]:
    """The type of an option that names a file to write, in a folder that exists."""

    def convert(text: str) -> Path:
        path = Path(text)
        if path.suffix.lower() != suffix or path.is_dir():
            raise argparse.ArgumentTypeError(
                f"is {text!r}, expected a file name ending in {suffix}"
            )
        if not os.access(path.parent, os.W_OK):
            raise argparse.ArgumentTypeError(f"is {text!r}, expected a folder you may write to")
        return path

    return convert


def add_device(parser: argparse.ArgumentParser) -> None:
    """The option --device."""
    parser.add_argument(
        "--device", default="auto", help="cpu, cuda, mps, ... (default: the fastest one here)"
    )


def choose_accelerator(name: str, *, compiled: bool = False) -> MixedPrecision:
    """What the command computes with: one process on the device of that name (`choose_device`), or,
    where `accelerate launch` or `torchrun` has started several, all of these.
    """
    if launched():
        return Processes(name, compiled=compiled)
    return MixedPrecision(choose_device(name), compiled=compiled)


def choose_device(name: str) -> torch.device:
    """The device of that name, tried out; "auto" is cuda if there is one, else mps, else cpu.

    Raises ValueError if torch cannot use it here.
    """
    if name == "auto":
        mps = "mps" if torch.backends.mps.is_available() else "cpu"
        name = "cuda" if torch.cuda.is_available() else mps
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except Exception as error:  # each backend has its own way to say no
        reason = str(error).splitlines()[0]
        raise ValueError(f"--device is {name!r}, which cannot be used here ({reason})") from error
    return device
