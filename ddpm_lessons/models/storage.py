"""Tensors on the disk: one safetensors file, written whole or not at all, verified when read.

There is no pickle, so opening a file runs no code. A JSON header (safetensors' metadata) says what
the file holds; it contains a SHA-256 digest over every byte of the file, taken while the digest's
own place held zeros.
"""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from ddpm_lessons.files import reason, write_whole

M = TypeVar("M", bound=nn.Module)

KEY = "ddpm_lessons"  # the one entry of the file's metadata
BLANK = "0" * 64
WRAPPERS = ("module", "_orig_mod")  # what DistributedDataParallel and torch.compile put into names


class CheckpointError(ValueError):
    """A file of weights that cannot be used; the message names it and what was expected."""


def write_tensors(path: str | os.PathLike[str], tensors: dict[str, Tensor], header: dict) -> None:
    """Write tensors and a header (anything JSON holds, but NaN) to `path`.

    The file appears by a rename once it is complete, so a crash leaves an older one as it was.
    Raises CheckpointError if it cannot be written.
    """
    content = {name: x.detach().cpu().contiguous() for name, x in tensors.items()}
    metadata = {KEY: json.dumps({"sha256": BLANK, **header}, allow_nan=False)}
    data = save(content, metadata=metadata)
    digest = hashlib.sha256(data).hexdigest()
    write_atomically(path, data.replace(BLANK.encode(), digest.encode(), 1))


def read_tensors(path: str | os.PathLike[str], expected: str) -> tuple[dict[str, Tensor], dict]:
    """The tensors, on the CPU, and the header of a file made by `write_tensors`.

    expected: the header's "format", which says what kind of file this must be.
    Raises CheckpointError if the file is missing, cut off, altered, or of another kind.
    """
    data = _read(path)
    header = _verified_header(path, data)
    if header.get("format") != expected:
        raise CheckpointError(f"{path}: its format is {header.get('format')!r}, not {expected!r}")
    try:
        return load(data), header
    except SafetensorError as error:
        raise CheckpointError(f"{path}: damaged ({error}), expected a safetensors file") from error


def read_header(path: str | os.PathLike[str]) -> dict:
    """The header of a file made by `write_tensors`; raises CheckpointError as `read_tensors`."""
    return _verified_header(path, _read(path))


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file by `write_whole`.

    Raises CheckpointError if it cannot be written; a file that was there before is untouched.
    """
    try:
        write_whole(path, data)
    except OSError as error:
        older = "; the older file of that name is untouched" if os.access(path, os.F_OK) else ""
        raise CheckpointError(f"{path}: cannot be written {reason(error)}{older}") from error


def plain_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict without what wrappers put into its names, at any depth."""
    return {_plain(name): tensor for name, tensor in state.items()}


def load_exactly(module: nn.Module, state: dict[str, Tensor], *, path: object) -> None:
    """Load a state dict into a module, either of them wrapped or not.

    Raises CheckpointError, and changes nothing, unless names, shapes and dtypes all agree.
    """
    state, own = plain_names(state), module.state_dict()
    check_tensors(plain_names(own), state, path=path)
    module.load_state_dict({name: state[_plain(name)] for name in own})


def build(make: Callable[[], M], state: dict[str, Tensor], *, path: object) -> M:
    """The module that `make` gives, with these weights, in eval mode and closed to gradients.

    Its first weights are drawn only to be replaced, so torch's global generator is put back. Raises
    CheckpointError where `make` raises ValueError, or names, shapes and dtypes do not all agree.
    """
    try:
        with torch.random.fork_rng(devices=[]):
            module = make()
    except ValueError as error:
        raise CheckpointError(f"{path}: describes no network: {error}") from error
    load_exactly(module, state, path=path)
    return module.eval().requires_grad_(False)


def check_tensors(wanted: dict[str, Tensor], found: dict[str, Tensor], *, path: object) -> None:
    """Raise CheckpointError unless both hold the same names with the same shapes and dtypes."""
    missing, extra = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    if missing or extra:
        raise CheckpointError(
            f"{path}: of another architecture: {len(missing)} tensors missing, such as "
            f"{missing[:2]}, and {len(extra)} that are not expected, such as {extra[:2]}"
        )
    for name, x in wanted.items():
        y = found[name]
        if (x.shape, x.dtype) != (y.shape, y.dtype):
            expected = f"{x.dtype} {tuple(x.shape)}"
            raise CheckpointError(
                f"{path}: of another architecture: {name} is {y.dtype} {tuple(y.shape)}, "
                f"expected {expected}"
            )


def check_finite(state: dict[str, Tensor], *, path: object) -> None:
    """Raise CheckpointError if a tensor holds NaN or infinity: such a file must not be written."""
    for name, x in state.items():
        if x.is_floating_point() and not torch.isfinite(x).all():
            raise CheckpointError(
                f"{path}: not written, because {name} holds NaN or infinity: the training has "
                "diverged, try a smaller learning rate; an earlier file there is untouched"
            )


def cast(state: dict[str, Tensor], old: torch.dtype, new: torch.dtype) -> dict[str, Tensor]:
    """A state dict with its tensors of one dtype in another, the rest as they are."""
    return {name: x.to(new) if x.dtype == old else x for name, x in state.items()}


def _plain(name: str) -> str:
    # Whole parts of a name only: "module." must not be cut out of "submodule.weight".
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def _read(path: str | os.PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise CheckpointError(f"{path}: {reason}, expected a safetensors file") from error


def _verified_header(path: object, data: bytes) -> dict:
    """Read the header (8 bytes of length, then JSON) and compare the digest it carries."""
    size = f"{len(data)} bytes"
    try:
        end = 8 + int.from_bytes(data[:8], "little")
        if len(data) < 8 or end > len(data):
            raise ValueError("its header is not complete")
        header = json.loads(json.loads(data[8:end])["__metadata__"][KEY])
        digest = header["sha256"]
        blank = data[:end].replace(digest.encode(), BLANK.encode(), 1) + data[end:]
    except KeyError:
        expected = "a file written by ddpm_lessons"
        raise CheckpointError(f"{path}: has no header of ours, expected {expected}") from None
    except (ValueError, AttributeError, TypeError) as error:
        expected = "a whole safetensors file"
        raise CheckpointError(f"{path}: damaged ({size}: {error}), expected {expected}") from error
    found = hashlib.sha256(blank).hexdigest()
    if found != digest:
        raise CheckpointError(
            f"{path}: cut off or altered: the SHA-256 of its {size} is {found[:12]}..., "
            f"expected {digest[:12]}..."
        )
    return header
