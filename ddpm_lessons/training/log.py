"""The log of a training, as `python -m ddpm_lessons train` writes it, and that of our weights."""

import csv
import os
from pathlib import Path

import torch
from torch import Tensor

from ddpm_lessons import models
from ddpm_lessons.models.pretrained import PRETRAINED


def read_log(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The columns of a training's CSV file by name, (N,) float64 each, a row for every 50 steps.

    step: steps finished. epoch: passes over the data. seconds: since the start. loss: the mean
    over these 50 steps. Raises ValueError if the file is missing, empty, or no table of numbers.
    """
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            names, *rows = csv.reader(file)
        numbers = [[float(entry) for entry in row] for row in rows]
        columns = (torch.tensor(x, dtype=torch.float64) for x in zip(*numbers, strict=True))
        return dict(zip(names, columns, strict=True))
    except (OSError, ValueError) as error:
        raise ValueError(f"path is {path}, expected a training's log: {error}") from error


def pretrained_log(name: str = "mnist") -> dict[str, Tensor]:
    """How the network `load_pretrained(name)` was trained: the log that lies beside its weights.

    Raises ValueError for another name.
    """
    if name not in PRETRAINED:
        raise ValueError(f"name is {name!r}, expected one of {sorted(PRETRAINED)}")
    weights = Path(models.__file__).parent / "weights" / PRETRAINED[name]
    return read_log(weights.with_suffix(".csv"))
