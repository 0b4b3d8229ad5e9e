"""The shape of a U-Net as a value: written into every file of weights, and read from it."""

import dataclasses
from dataclasses import dataclass


@dataclass(frozen=True)
class UNetConfig:
    """The shape of a U-Net: everything needed to build it again.

    channels: of the image (1 for MNIST).
    widths: channels of the features, one number a level, the finest level first; the image is
        halved `len(widths) - 1` times. The finest level is where most of the time goes.
    blocks: residual blocks a level, once in the encoder and once in the decoder; the last number
        counts the blocks of the coarsest level, which is passed through once.
    groups: of every GroupNorm; each width must be a multiple of it. One is the fastest on a CPU.
    heads: of the attention at the coarsest level; the last width must be a multiple of it.
    time_width: length of the sinusoidal embedding of t, at least 2.
    T: the largest timestep that the network takes.
    num_classes: how many labels it can be told, 0..num_classes - 1; 0 for a network without labels.
    size: height and width of the images that it learns from and is asked to draw. No weight depends
        on it, and the network takes every multiple of `size_multiple`.
    Raises ValueError for numbers that make no network.
    """

    channels: int = 1
    widths: tuple[int, ...] = (16, 64, 128)
    blocks: tuple[int, ...] = (1, 1, 2)
    groups: int = 1
    heads: int = 4
    time_width: int = 64
    T: int = 1000
    num_classes: int = 0
    size: int = 28

    def __post_init__(self) -> None:
        for name in ("widths", "blocks"):
            _check_counts(name, getattr(self, name))
            object.__setattr__(self, name, tuple(getattr(self, name)))  # JSON has lists only
        for name, least in {
            "channels": 1,
            "groups": 1,
            "heads": 1,
            "time_width": 2,
            "T": 1,
            "num_classes": 0,
            "size": 1,
        }.items():
            _check_count(name, getattr(self, name), least)
        if len(self.widths) != len(self.blocks):
            expected = "one number a level in both"
            raise ValueError(f"widths={self.widths} and blocks={self.blocks}, expected {expected}")
        for width in self.widths:
            if width % self.groups:
                expected = f"multiples of groups={self.groups}, which GroupNorm forms"
                raise ValueError(f"widths={self.widths} contains {width}, expected {expected}")
        if self.widths[-1] % self.heads:
            expected = f"a divisor of the last width, {self.widths[-1]}"
            raise ValueError(f"heads is {self.heads}, expected {expected}")

    @property
    def size_multiple(self) -> int:
        """Height and width of an image must be multiples of this: 2 for each halving."""
        return 2 ** (len(self.widths) - 1)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image, or latent: channels, height, width."""
        return (self.channels, self.size, self.size)

    def to_dict(self) -> dict:
        """The fields as JSON holds them; tuples become lists."""
        fields = dataclasses.asdict(self)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in fields.items()}

    @classmethod
    def from_dict(cls, fields: dict) -> "UNetConfig":
        """The inverse of `to_dict`; a field that is missing takes its default.

        Raises ValueError for an unknown field, or numbers that make no network.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        if not isinstance(fields, dict) or not set(fields) <= set(known):
            raise ValueError(f"fields is {fields!r}, expected a dictionary with keys in {known}")
        return cls(**fields)


def _check_counts(name: str, values: object) -> None:
    if not isinstance(values, tuple | list) or not values:
        raise ValueError(f"{name} is {values!r}, expected a tuple of whole numbers, one a level")
    for value in values:
        _check_count(name, value, 1)


def _check_count(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} contains {value!r}, expected whole numbers of at least {least}")
