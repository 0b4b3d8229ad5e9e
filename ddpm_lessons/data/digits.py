"""A set of labelled images held in memory, and the endless stream of training batches from it.

MNIST's 60,000 training digits are 47 MB as uint8. That fits any device, so there are no worker
processes and no copies per batch: a batch is one gather and one scaling, on the device.
"""

import reprlib
from dataclasses import dataclass

import torch
from torch import Tensor

from ddpm_lessons.data.images import kind, to_model_range
from ddpm_lessons.door import check_index

SEEDS = 2**32  # the CPU generator tells this many seeds apart


class IndexOutOfRange(IndexError, ValueError):
    """An index beyond the set: an IndexError, as Python's `for` expects, and a ValueError."""


@dataclass(frozen=True, eq=False)
class Digits:
    """Labelled images as they are stored: 8 bits a pixel.

    images: uint8, (N, C, H, W); for MNIST (N, 1, 28, 28), 0 is paper and 255 is ink. Not only
        digits: C is 3 for colour, and `load.load_images` reads any images.
    labels: int64, (N,), on the same device.
    `digits[i]`, the same as `digits.x_0(i)`, is the image in the model's range.
    """

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if not isinstance(images, Tensor) or images.dtype != torch.uint8 or images.ndim != 4:
            raise ValueError(f"images is {kind(images)}, expected torch.uint8 (N, C, H, W)")
        if images.numel() == 0:
            raise ValueError(f"images is {kind(images)}, expected at least one pixel")
        fits = (
            isinstance(labels, Tensor)
            and labels.dtype == torch.int64
            and labels.shape == images.shape[:1]
            and labels.device == images.device
        )
        if not fits:
            expected = f"torch.int64 ({len(images)},) on {images.device}"
            raise ValueError(f"labels is {kind(labels)}, expected {expected}")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int | slice | list[int] | Tensor) -> Tensor:
        return self.x_0(index)

    def x_0(self, index: int | slice | list[int] | Tensor) -> Tensor:
        """The chosen images as x_0: float32 in [-1, 1].

        index: an int (negative counts from the end), which gives (C, H, W); or a slice, a list
        or a tensor of B ints, or a mask of N booleans, which give (B, C, H, W).
        Raises ValueError for anything else and for an index that selects nothing;
        IndexOutOfRange, an IndexError and a ValueError, beyond the set.
        """
        return to_model_range(self.images[self._rows(index)])

    def to(self, device: torch.device | str) -> "Digits":
        """The same set on another device (itself if it is already there)."""
        images = self.images.to(device)
        return self if images is self.images else Digits(images, self.labels.to(device))

    def _rows(self, index: int | slice | list[int] | Tensor) -> Tensor:
        n = len(self)
        expected = f"expected integers in {-n}..{n - 1} or a mask of {n} booleans"
        try:
            index = list(range(n)[index]) if isinstance(index, slice) else index
            rows = torch.as_tensor(index, device=self.images.device)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"index is {reprlib.repr(index)}, {expected}") from error
        if rows.dtype == torch.bool and rows.shape == (n,):
            rows = rows.nonzero().flatten()
        whole = not (rows.is_floating_point() or rows.is_complex() or rows.dtype == torch.bool)
        if not whole or rows.ndim > 1 or rows.numel() == 0:
            raise ValueError(f"index is {kind(rows)}, {expected}")
        rows = rows.to(torch.int64)  # torch would take a uint8 index for a mask
        if rows.min() < -n or rows.max() >= n:
            raise IndexOutOfRange(f"index is in {rows.min()}..{rows.max()}, {expected}")
        return rows


class Batches:
    """An endless iterator of training batches (x_0, label): Algorithm 1's "x_0 ~ q(x_0)".

    x_0: float32 (B, C, H, W) in [-1, 1]; label: int64 (B,); both on `device`.

    Each epoch shows every image exactly once, in a new order. The last batch of an epoch is
    smaller when batch_size does not divide the set: nothing is left out.

    One seed is drawn from `generator` (torch's global one if None) when the object is made.
    The order of epoch e depends on that seed and on e alone, so other draws from the generator
    change nothing, the order is the same on every device, and three numbers are the whole state.

    flip: show each image mirrored, left for right, in about half of the epochs. Whether image i is
        mirrored in epoch e depends on the seed, e and i alone; the order is as it is without.
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
        flip: bool = False,
    ) -> None:
        if not isinstance(digits, Digits):
            raise ValueError(f"digits is {kind(digits)}, expected Digits")
        if generator is not None and not isinstance(generator, torch.Generator):
            raise ValueError(f"generator is {kind(generator)}, expected a torch.Generator or None")
        if not isinstance(flip, bool):
            raise ValueError(f"flip is {flip!r}, expected True or False")
        self.digits = digits if device is None else digits.to(device)
        self.batch_size = check_index("batch_size", batch_size, 1, len(digits))
        self.flip = flip
        self.seed = _draw_seed(generator)
        self.epoch = 0
        self.position = 0
        # Of this epoch, made when they are first needed: (N,) rows, and (N,) whether to mirror.
        self._order: Tensor | None = None
        self._mirrored: Tensor | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one pass, the last and smaller one included."""
        return -(-len(self.digits) // self.batch_size)

    def __iter__(self) -> "Batches":
        return self

    def __next__(self) -> tuple[Tensor, Tensor]:
        if self._order is None:
            self._order, self._mirrored = self._draw_epoch(self.epoch)
        rows = self._order[self.position : self.position + self.batch_size]  # (B,)
        self.position += len(rows)
        if self.position == len(self.digits):
            self.epoch, self.position, self._order = self.epoch + 1, 0, None
        images = self.digits.images[rows]
        if self.flip:
            images = images.flip(-1).where(self._mirrored[rows].view(-1, 1, 1, 1), images)
        return to_model_range(images), self.digits.labels[rows]

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
        highest = {"seed": SEEDS - 1, "epoch": 2**63 - 1, "position": len(self.digits) - 1}
        if not isinstance(state, dict) or set(state) != {*highest, "size"}:
            raise ValueError(f"state is {reprlib.repr(state)}, expected keys {[*highest, 'size']}")
        check_index("state['size']", state["size"], len(self.digits), len(self.digits))
        values = [check_index(f"state[{k!r}]", state[k], 0, top) for k, top in highest.items()]
        self.seed, self.epoch, self.position = values
        self._order = None

    def _draw_epoch(self, epoch: int) -> tuple[Tensor, Tensor]:
        """The order of the images, and which of them are mirrored; drawn in this order, so that
        the first does not depend on the second.
        """
        generator, device = torch.Generator(), self.digits.images.device
        generator.manual_seed((self.seed + epoch) % SEEDS)
        order = torch.randperm(len(self.digits), generator=generator)
        mirrored = torch.rand(len(self.digits), generator=generator) < 0.5
        return order.to(device), mirrored.to(device)


def _draw_seed(generator: torch.Generator | None) -> int:
    device = "cpu" if generator is None else generator.device
    return int(torch.randint(SEEDS, (), generator=generator, device=device))
