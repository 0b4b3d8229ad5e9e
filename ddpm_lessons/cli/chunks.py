"""Long computations in pieces, a file each: a command that was stopped goes on where it was."""

import hashlib
import re
from pathlib import Path

from torch import Tensor

from ddpm_lessons.models import Pretrained
from ddpm_lessons.models.pretrained import autoencoder_state
from ddpm_lessons.models.storage import read_header, read_tensors, write_tensors

FORMAT = "ddpm_lessons.chunk/2"  # 2: every sample has a generator of its own


class Chunks:
    """The finished pieces of one computation in a folder: NAME-0000.safetensors, NAME-0001, ...

    Each file is written whole or not at all, and carries the settings it was made with. Raises
    ValueError if there is one of other settings in the folder, CheckpointError if one is damaged.
    """

    def __init__(self, folder: Path, name: str, settings: dict) -> None:
        self.folder, self.name, self.settings = folder, name, settings
        files = folder.glob(f"{name}-*.safetensors")
        for path in sorted(p for p in files if re.fullmatch(rf"{name}-\d+", p.stem)):
            self._check(path, read_header(path))

    def missing(self, count: int) -> list[int]:
        """Those of the pieces 0..count-1 that are still to be made."""
        return [i for i in range(count) if not self._path(i).exists()]

    def write(self, i: int, tensors: dict[str, Tensor]) -> None:
        """Keep piece i."""
        write_tensors(self._path(i), tensors, {"format": FORMAT, "settings": self.settings})

    def read(self, i: int) -> dict[str, Tensor]:
        """Piece i."""
        tensors, header = read_tensors(self._path(i), FORMAT)
        self._check(self._path(i), header)
        return tensors

    def _path(self, i: int) -> Path:
        return self.folder / f"{self.name}-{i:04}.safetensors"

    def _check(self, path: Path, header: dict) -> None:
        found = {"format": header.get("format"), **header.get("settings", {})}
        for key, value in {"format": FORMAT, **self.settings}.items():
            if found.get(key) != value:
                remedy = "choose another folder by --out, or delete this one"
                raise ValueError(
                    f"{path} was made with {key} {found.get(key)!r}, expected {value!r}; {remedy}"
                )


def fingerprint(network: Pretrained) -> str:
    """16 hexadecimal digits that say which weights and which schedule these are."""
    digest = hashlib.sha256()
    state = {**network.eps_model.state_dict(), "betas": network.schedule.betas}
    state |= autoencoder_state(getattr(network, "autoencoder", None))
    for name, x in sorted(state.items()):
        digest.update(f"{name} {x.dtype} {tuple(x.shape)}".encode())
        digest.update(x.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
