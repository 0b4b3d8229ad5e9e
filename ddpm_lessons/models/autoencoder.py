"""A variational autoencoder: images as fewer numbers, and back. Latent diffusion works on those."""

import dataclasses
import os
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ddpm_lessons.door import Randomness, randn_like
from ddpm_lessons.gaussian import Gaussian
from ddpm_lessons.models.storage import (
    CheckpointError,
    build,
    cast,
    check_finite,
    read_tensors,
    write_tensors,
)

FORMAT = "ddpm_lessons.autoencoder/1"
HALVINGS = 2  # 28 -> 14 -> 7


@dataclass(frozen=True)
class AutoencoderConfig:
    """The shape of an autoencoder.

    channels: of the images. latents: of the latents, which have a quarter of the images' height and
    width. widths: channels of the features at full, half and quarter size.
    Raises ValueError for numbers that make no autoencoder.
    """

    channels: int = 1
    latents: int = 4
    widths: tuple[int, int, int] = (32, 64, 64)

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))  # JSON has lists only
        if len(self.widths) != HALVINGS + 1:
            raise ValueError(f"widths is {self.widths}, expected {HALVINGS + 1} numbers")
        for name in ("channels", "latents", "widths"):
            value = getattr(self, name)
            for n in value if name == "widths" else (value,):
                if not isinstance(n, int) or isinstance(n, bool) or n < 1:
                    raise ValueError(f"{name} is {value!r}, expected whole numbers of at least 1")

    def to_dict(self) -> dict:
        """The fields as JSON holds them."""
        return {**dataclasses.asdict(self), "widths": list(self.widths)}

    @classmethod
    def from_dict(cls, fields: dict) -> "AutoencoderConfig":
        """The inverse of `to_dict`. Raises ValueError for what is none."""
        try:
            return cls(**fields)
        except TypeError as error:
            raise ValueError(f"fields is {fields!r}, expected those of the class") from error


class Autoencoder(nn.Module):
    """q(z | x) and x_hat(z): images (B, C, H, W) to Gaussians of latents, latents to images.

    The KL-regularised autoencoder of latent diffusion (Rombach et al. 2022, section 3.1), without
    its perceptual and adversarial losses. `encode`, `draw` and `decode` use latents that are
    shifted and scaled, a channel at a time, so that those of `draw` have mean 0 and variance 1 over
    the training images: a noise schedule is made for such data. Until
    `training.autoencode.scale_latents` has looked at the images, the shift is 0 and the scale 1.
    """

    def __init__(self, config: AutoencoderConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or AutoencoderConfig()
        fine, half, quarter = config.widths
        self.encoder = nn.Sequential(
            *_convolution(config.channels, fine),
            *_convolution(fine, half, stride=2),  # 28 -> 14
            *_convolution(half, half),
            *_convolution(half, quarter, stride=2),  # 14 -> 7
            *_convolution(quarter, quarter),
            nn.Conv2d(quarter, 2 * config.latents, 1),  # mean and log-variance
        )
        self.decoder = nn.Sequential(
            *_convolution(config.latents, quarter),
            *_convolution(quarter, quarter),
            *_growing(quarter, half),  # 7 -> 14
            *_convolution(half, half),
            *_growing(half, fine),  # 14 -> 28
            *_convolution(fine, fine),
            nn.Conv2d(fine, config.channels, 3, padding=1),
        )
        self.register_buffer("shift", torch.zeros(1, config.latents, 1, 1))
        self.register_buffer("scale", torch.ones(1, config.latents, 1, 1))

    def posterior(self, x: Tensor) -> Gaussian:
        """q(z | x): its mean and variance, each (B, latents, H / 4, W / 4), not yet scaled.

        x: (B, C, H, W) in [-1, 1]. Raises ValueError for another shape.
        """
        self._check("x", x, self.config.channels, multiple=2**HALVINGS)
        mean, log_var = self.encoder(x).float().chunk(2, dim=1)
        return Gaussian(mean, log_var.clamp(-20, 10).exp())

    def encode(self, x: Tensor) -> Tensor:
        """The mean of q(z | x), shifted and scaled: the latents that x comes back from best.

        x: (B, C, H, W) in [-1, 1]; returns (B, latents, H / 4, W / 4).
        """
        return (self.posterior(x).mean - self.shift) / self.scale

    def draw(self, x: Tensor, generator: Randomness = None) -> Tensor:
        """A draw of q(z | x), shifted and scaled: what a diffusion model learns to draw.

        Nothing finer than its noise has to be learnt, because the decoder was trained on such
        draws. x: (B, C, H, W) in [-1, 1]; returns (B, latents, H / 4, W / 4).
        """
        q = self.posterior(x)
        return (q.mean + q.var.sqrt() * randn_like(q.mean, generator) - self.shift) / self.scale

    def decode(self, z: Tensor) -> Tensor:
        """The image of latents as `encode` gives them, (B, C, H, W), about in [-1, 1].

        z: (B, latents, H / 4, W / 4). Raises ValueError for another shape.
        """
        self._check("z", z, self.config.latents)
        return self.decoder(z * self.scale + self.shift)

    @staticmethod
    def _check(name: str, x: Tensor, channels: int, *, multiple: int = 1) -> None:
        if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim != 4:
            found = f"{x.dtype} {tuple(x.shape)}" if isinstance(x, Tensor) else repr(x)
            raise ValueError(f"{name} is {found}, expected a floating (B, {channels}, H, W)")
        if x.shape[1] != channels or any(n == 0 or n % multiple for n in x.shape[2:]):
            expected = f"(B, {channels}, H, W) with H and W multiples of {multiple}"
            raise ValueError(f"{name} has shape {tuple(x.shape)}, expected {expected}")


def latent_size(size: int) -> int:
    """Height and width of the latents of images so large. Raises ValueError unless they fit."""
    if size < 1 or size % 2**HALVINGS:
        raise ValueError(f"size is {size}, expected a multiple of {2**HALVINGS}")
    return size // 2**HALVINGS


def save_autoencoder(
    path: str | os.PathLike[str], autoencoder: Autoencoder, *, about: dict | None = None
) -> None:
    """Write an autoencoder to one file, its weights in float16.

    about: what else the header shall say, in JSON. Raises CheckpointError if the file cannot be
    written, or a weight is NaN or infinite.
    """
    state = cast(autoencoder.state_dict(), torch.float32, torch.float16)
    check_finite(state, path=path)
    config = autoencoder.config.to_dict()
    write_tensors(path, state, {"format": FORMAT, "config": config, "about": about or {}})


def load_autoencoder(
    path: str | os.PathLike[str], *, device: torch.device | str = "cpu"
) -> Autoencoder:
    """The autoencoder in a file made by `save_autoencoder`, in eval mode, closed to gradients. That
    of the course comes with its network: `load_pretrained("mnist-latent").autoencoder`.

    Raises CheckpointError (a ValueError) if the file is missing, damaged, or holds something else.
    """
    state, header = read_tensors(path, FORMAT)
    state = cast(state, torch.float16, torch.float32)
    return build_autoencoder(header.get("config"), state, path=path).to(device)


def build_autoencoder(config: dict, state: dict[str, Tensor], *, path: object) -> Autoencoder:
    """The autoencoder that a file describes, with these weights, in eval mode, closed to gradients.

    Raises CheckpointError where config or weights do not fit.
    """
    try:
        config = AutoencoderConfig.from_dict(config)
    except ValueError as error:
        raise CheckpointError(f"{path}: describes no autoencoder: {error}") from error
    return build(lambda: Autoencoder(config), state, path=path)


def _convolution(w_in: int, w_out: int, *, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(w_in, w_out, 3, stride=stride, padding=1), nn.SiLU()]


def _growing(w_in: int, w_out: int) -> list[nn.Module]:
    return [nn.ConvTranspose2d(w_in, w_out, 2, stride=2), nn.SiLU()]
