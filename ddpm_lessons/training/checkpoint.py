"""Checkpoints: everything that a training run needs to go on as if it had never stopped."""

import os
from typing import Any

import torch
from torch import Tensor

from ddpm_lessons.models.config import UNetConfig
from ddpm_lessons.models.pretrained import (
    AUTOENCODER,
    BETAS,
    Pretrained,
    assemble,
    autoencoder_state,
    describe,
)
from ddpm_lessons.models.storage import (
    CheckpointError,
    check_finite,
    check_tensors,
    load_exactly,
    plain_names,
    read_header,
    read_tensors,
    write_tensors,
)
from ddpm_lessons.schedule import NoiseSchedule
from ddpm_lessons.training.run import Run

CHECKPOINT = "ddpm_lessons.checkpoint/1"


def save_checkpoint(path: str | os.PathLike[str], run: Run, *, about: dict | None = None) -> None:
    """Write a run to one file, whole or not at all. The run is not changed.

    about: what else the file's header shall say, in JSON; `read_about` gives it back.
    Raises CheckpointError if the file cannot be written, or a weight is NaN or infinite; a file
    that was there before is then untouched.
    """
    moments, optimizer = _part(run.optimizer.state_dict())
    tensors = {
        **_under("model/", plain_names(run.model.state_dict())),
        **_under("ema/", plain_names(run.ema.module.state_dict())),
        **_under("optimizer/", moments),
        "ema_updates": run.ema.n_averaged,
        "rng/noise": run.generator.get_state(),
        "rng/torch": torch.get_rng_state(),
        BETAS: run.schedule.betas,
        **autoencoder_state(run.autoencoder),
    }
    check_finite(tensors, path=path)
    header = {
        "format": CHECKPOINT,
        **_kind(run),
        "step": run.step,
        "seconds": run.seconds,
        "optimizer_state": optimizer,
        "lr_scheduler_state": run.lr_scheduler.state_dict(),
        "batches": run.batches.state_dict(),
        "about": about or {},
    }
    write_tensors(path, tensors, header)


def load_checkpoint(path: str | os.PathLike[str], run: Run) -> None:
    """Bring `run` to where the file's run stood; every part stays on the device it is on.

    torch's global CPU generator is set as well. Raises CheckpointError, and changes nothing, if
    the file is missing or damaged, or of another architecture, schedule, optimiser or data set.
    """
    tensors, header = read_tensors(path, CHECKPOINT)
    _check_fits(path, run, tensors, header)
    try:
        run.batches.load_state_dict(header["batches"])
    except ValueError as error:
        raise CheckpointError(f"{path}: of other training data: {error}") from error
    load_exactly(run.model, _below("model/", tensors), path=path)
    load_exactly(run.ema.module, _below("ema/", tensors), path=path)
    run.ema.n_averaged.copy_(tensors["ema_updates"])
    optimizer = run.optimizer.state_dict()
    moments = _below("optimizer/", tensors)
    run.optimizer.load_state_dict(_join(optimizer, header["optimizer_state"], moments))
    run.lr_scheduler.load_state_dict(header["lr_scheduler_state"])
    run.generator.set_state(tensors["rng/noise"])
    torch.set_rng_state(tensors["rng/torch"])
    run.step, run.seconds = header["step"], header["seconds"]


def load_network(
    path: str | os.PathLike[str], *, ema: bool = True, device: torch.device | str = "cpu"
) -> Pretrained:
    """The network of a checkpoint, ready to sample from: its EMA, or the weights in training.

    Raises CheckpointError if the file is missing or damaged.
    """
    tensors, header = read_tensors(path, CHECKPOINT)
    state = _below("ema/" if ema else "model/", tensors)
    state |= _under(AUTOENCODER, _below(AUTOENCODER, tensors))
    return assemble(header, state, tensors.get(BETAS), path=path, device=device)


def read_about(path: str | os.PathLike[str]) -> dict:
    """What `save_checkpoint` was told about the run.

    Raises CheckpointError if the file is missing, damaged, or no checkpoint.
    """
    header = read_header(path)
    if header.get("format") != CHECKPOINT:
        expected = f"{CHECKPOINT!r}, which holds what is needed to go on"
        raise CheckpointError(f"{path}: its format is {header.get('format')!r}, not {expected}")
    return header["about"]


def _kind(run: Run) -> dict:
    """What must be the same in a file and in the run that it is loaded into."""
    parts = {"optimizer": run.optimizer, "lr_scheduler": run.lr_scheduler}
    names = {name: type(part).__name__ for name, part in parts.items()}
    return describe(run.model, run.autoencoder) | names


def _check_fits(path: object, run: Run, tensors: dict[str, Tensor], header: dict) -> None:
    """Refuse the file before anything is changed."""
    for key, value in _kind(run).items():
        found = header.get(key)
        if key == "config" and isinstance(found, dict):
            found = UNetConfig().to_dict() | found  # an older file lacks the newer fields
        if found != value:
            raise CheckpointError(f"{path}: its {key} is {found}, expected {value}")
    if not torch.equal(tensors[BETAS], run.schedule.betas):
        found = NoiseSchedule(tensors[BETAS])
        raise CheckpointError(f"{path}: its schedule is {found}, expected {run.schedule}")
    weights = plain_names(run.model.state_dict())
    for part in ("model/", "ema/"):
        check_tensors(weights, _below(part, tensors), path=path)
    for name, x in autoencoder_state(run.autoencoder).items():
        if not torch.equal(x.cpu(), tensors[name]):
            raise CheckpointError(f"{path}: its latents are those of another autoencoder")
    saved, current = header["optimizer_state"], run.optimizer.state_dict()
    found, wanted = ([len(g["params"]) for g in s["param_groups"]] for s in (saved, current))
    if found != wanted:
        raise CheckpointError(f"{path}: its optimiser has groups of {found}, expected {wanted}")


def _part(state: dict[str, Any]) -> tuple[dict[str, Tensor], dict]:
    """Part an optimiser's state into tensors, and a rest that JSON can hold."""
    tensors, rest = {}, {}
    for index, entry in state["state"].items():
        for key, value in entry.items():
            if isinstance(value, Tensor):
                tensors[f"{index}/{key}"] = value
            else:
                rest.setdefault(str(index), {})[key] = value
    return tensors, {"rest": rest, "param_groups": state["param_groups"]}


def _join(current: dict, saved: dict, tensors: dict[str, Tensor]) -> dict:
    """The inverse of `_part`. JSON has made lists of tuples; `current` says which they were."""
    state = {int(index): dict(entry) for index, entry in saved["rest"].items()}
    for name, value in tensors.items():
        index, key = name.split("/", 1)
        state.setdefault(int(index), {})[key] = value
    groups = [
        {key: tuple(v) if isinstance(now.get(key), tuple) else v for key, v in group.items()}
        for now, group in zip(current["param_groups"], saved["param_groups"], strict=True)
    ]
    return {"state": state, "param_groups": groups}


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: x for name, x in tensors.items()}


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): x for name, x in tensors.items() if name.startswith(prefix)}
