"""A set of labelled images held in memory, and the endless stream of training batches from it.

MNIST's 60,000 training digits are 47 MB as uint8. That fits any device, so there are no worker
processes and no copies per batch: a batch is one gather and one scaling, on the device.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ddpm_lessons.data.images import to_model_range


class IndexOutOfRange(IndexError, ValueError):
    """An index beyond the set: an IndexError, as Python's `for` expects, and a ValueError."""


@dataclass(frozen=True, eq=False)
class Digits:
    """Labelled images as they are stored: 8 bits a pixel.

    images: uint8, (N, C, H, W); for MNIST (N, 1, 28, 28), 0 is paper and 255 is ink.
    labels: int64, (N,), on the same device.
    `digits[i]`, the same as `digits.x_0(i)`, is the image in the model's range.
    """

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if not isinstance(images, Tensor) or images.dtype != torch.uint8 or images.ndim != 4:
            raise ValueError(f"images: expected uint8 (N, C, H, W), got {_kind(images)}")
        if images.numel() == 0:
            raise ValueError(f"images: expected at least one pixel, got {_kind(images)}")
        expected = f"int64 ({len(images)},) on {images.device}"
        if not isinstance(labels, Tensor) or labels.dtype != torch.int64:
            raise ValueError(f"labels: expected {expected}, got {_kind(labels)}")
        if labels.shape != images.shape[:1] or labels.device != images.device:
            raise ValueError(f"labels: expected {expected}, got {_kind(labels)}")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int | slice | list[int] | Tensor) -> Tensor:
        return self.x_0(index)

    def x_0(self, index: int | slice | list[int] | Tensor) -> Tensor:
        """The chosen images as x_0: float32 in [-1, 1].

        index: an int (negative counts from the end), which gives (C, H, W); or a slice, a list
        or a tensor of B ints, or a mask of N booleans, which give (B, C, H, W).
        Raises ValueError for anything else, IndexOutOfRange (a ValueError) beyond the set.
        """
        if not isinstance(index, slice):
            index = self._checked(index)
        return to_model_range(self.images[index])

    def to(self, device: torch.device | str) -> "Digits":
        """The same set on another device (itself if it is already there)."""
        images = self.images.to(device)
        return self if images is self.images else Digits(images, self.labels.to(device))

    def _checked(self, index: int | list[int] | Tensor) -> Tensor:
        n = len(self)
        expected = f"index: expected ints in {-n}..{n - 1} or a mask of {n} booleans"
        try:
            rows = torch.as_tensor(index, device=self.images.device)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"{expected}, got {index!r}") from error
        if rows.dtype == torch.bool and rows.shape == (n,):
            return rows
        if rows.is_floating_point() or rows.is_complex() or rows.dtype == torch.bool:
            raise ValueError(f"{expected}, got {_kind(rows)}")
        rows = rows.to(torch.int64)  # torch takes a uint8 index for a mask
        if rows.ndim > 1 or rows.numel() == 0:
            raise ValueError(f"{expected}, got {_kind(rows)}")
        if rows.min() < -n or rows.max() >= n:
            raise IndexOutOfRange(f"{expected}, got {rows.min()}..{rows.max()}")
        return rows


class Batches:
    """An endless iterator of training batches (x_0, label): Algorithm 1's "x_0 ~ q(x_0)".

    x_0: float32 (B, C, H, W) in [-1, 1]; label: int64 (B,); both on `device`.

    Each epoch shows every image exactly once, in a new order. The last batch of an epoch is
    smaller when batch_size does not divide the set: nothing is left out.

    One seed is drawn from `generator` (torch's global one if None) when the object is made.
    The order of epoch e depends on that seed and on e alone, so other draws from the generator
    change nothing, the order is the same on every device, and three numbers are the whole state.

    epoch: complete passes so far. position: images given in this pass, 0..N-1.
    Raises ValueError for a batch_size outside 1..N or arguments of another type.
    """

    def __init__(
        self,
        digits: Digits,
        batch_size: int,
        *,
        generator: torch.Generator | None,
        device: torch.device | str | None = None,
    ) -> None:
        if not isinstance(digits, Digits):
            raise ValueError(f"digits: expected Digits, got {digits!r}")
        if not _is_int(batch_size) or not 1 <= batch_size <= len(digits):
            raise ValueError(f"batch_size: expected 1..{len(digits)}, got {batch_size!r}")
        if generator is not None and not isinstance(generator, torch.Generator):
            raise ValueError(f"generator: expected a torch.Generator or None, got {generator!r}")
        self.digits = digits if device is None else digits.to(device)
        self.batch_size = batch_size
        self.seed = _draw_seed(generator)
        self.epoch = 0
        self.position = 0
        self._order: Tensor | None = None  # of this epoch, made when it is first needed

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one pass, the last and smaller one included."""
        return -(-len(self.digits) // self.batch_size)

    def __iter__(self) -> "Batches":
        return self

    def __next__(self) -> tuple[Tensor, Tensor]:
        if self._order is None:
            self._order = self._permutation(self.epoch)
        rows = self._order[self.position : self.position + self.batch_size]  # (B,)
        self.position += len(rows)
        if self.position == len(self.digits):
            self.epoch, self.position, self._order = self.epoch + 1, 0, None
        return self.digits.x_0(rows), self.digits.labels[rows]

    def state_dict(self) -> dict[str, int]:
        """Where the stream stands, in ints: after loading it, the next batch is the same."""
        return {
            "seed": self.seed,
            "epoch": self.epoch,
            "position": self.position,
            "size": len(self.digits),
        }

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go to where another stream stood, in the middle of an epoch too.

        Raises ValueError, and changes nothing, if a key is missing or unknown, a value is out
        of range, or the state was taken from a set of another size.
        """
        n = len(self.digits)
        allowed = {"seed": 2**32, "epoch": 2**63, "position": n}
        if not isinstance(state, dict) or set(state) != {*allowed, "size"}:
            raise ValueError(f"state: expected keys {[*allowed, 'size']}, got {state!r}")
        if state["size"] != n:
            raise ValueError(f"state['size']: expected {n} images, got {state['size']!r}")
        for key, end in allowed.items():
            value = state[key]
            if not _is_int(value) or not 0 <= value < end:
                raise ValueError(f"state[{key!r}]: expected 0..{end - 1}, got {value!r}")
        self.seed, self.epoch, self.position = (state[key] for key in allowed)
        self._order = None

    def _permutation(self, epoch: int) -> Tensor:
        generator = torch.Generator().manual_seed((self.seed + epoch) % 2**32)
        return torch.randperm(len(self.digits), generator=generator).to(self.digits.images.device)


def _draw_seed(generator: torch.Generator | None) -> int:
    device = "cpu" if generator is None else generator.device
    return int(torch.randint(2**32, (), generator=generator, device=device))


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _kind(value: object) -> str:
    if isinstance(value, Tensor):
        return f"{value.dtype} {tuple(value.shape)} on {value.device}"
    return repr(value)
