"""The U-Net that predicts the noise: eps_theta(x_t, t).

An encoder halves the image (28 -> 14 -> 7), a decoder doubles it again, and skip connections carry
the encoder's features across to the decoder at equal resolution. The timestep enters every block.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ddpm_lessons.models.config import UNetConfig


class UNet(nn.Module):
    """eps_theta(x_t, t): a noisy image and its timestep in, an estimate of its noise out.

    The weights are drawn from torch's global generator, as those of every torch layer are. The last
    convolution starts at zero, so an untrained network predicts no noise, and its loss starts at 1.
    """

    def __init__(self, config: UNetConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or UNetConfig()
        widths, emb = config.widths, 4 * config.time_width
        # One entry a halving: the finer width, the coarser width, the blocks at the finer level.
        halvings = list(zip(widths[:-1], widths[1:], config.blocks[:-1], strict=True))

        def blocks(n: int, w_in: int, w_out: int) -> nn.ModuleList:
            make = [ResBlock(w_in, w_out, emb=emb, groups=config.groups) for _ in range(n)]
            return nn.ModuleList(make)

        # With a pixel's channels side by side a convolution is one matrix product. Of torch's
        # GroupNorm only that with one group is fast in this order.
        self.order = torch.channels_last if config.groups == 1 else torch.contiguous_format
        self.time = TimeEmbedding(config.time_width, emb)
        if config.num_classes:  # a row for each label, and the last one for "no label"
            self.label = zeroed(nn.Embedding(config.num_classes + 1, emb))
        self.stem = nn.Conv2d(config.channels, widths[0], 3, padding=1)
        self.down = nn.ModuleList(
            Level(blocks(n, fine, fine), shrink=nn.Conv2d(fine, coarse, 2, stride=2))
            for fine, coarse, n in halvings
        )
        self.middle = blocks(config.blocks[-1], widths[-1], widths[-1])
        self.attention = Attention(widths[-1], heads=config.heads, groups=config.groups)
        self.up = nn.ModuleList(
            Level(blocks(n, 2 * fine, fine), grow=nn.ConvTranspose2d(coarse, fine, 2, stride=2))
            for fine, coarse, n in reversed(halvings)
        )
        self.norm = nn.GroupNorm(config.groups, widths[0])
        self.head = zeroed(nn.Conv2d(widths[0], config.channels, 3, padding=1))

    # fmt: off
    def forward(self, x_t: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """Predict the noise in x_t. In the margin: the shapes of the default network on MNIST.

        x_t: (B, C, H, W) noisy images; H and W multiples of `config.size_multiple`.
        t: (B,) int64 timesteps in 1..config.T.
        labels: (B,) int64 in 0..config.num_classes - 1, or -1 for an image without one; None for
            no labels at all, the only choice where num_classes is 0.
        Returns the predicted noise, (B, C, H, W).
        Raises ValueError for other shapes, dtypes, timesteps or labels.
        """
        check_input(x_t, t, self.config)
        emb = self.time(t)                              # (B, 256)
        rows = self._rows(labels, t)
        if rows is not None:
            emb = emb + self.label(rows)
        h = self.stem(x_t)                              # (B, 16, 28, 28)
        h = h.contiguous(memory_format=self.order)

        skips = []
        for level in self.down:                         # the encoder: 28 -> 14 -> 7
            for block in level.blocks:
                h = block(h, emb)                       # (B, 16, 28, 28)   (B, 64, 14, 14)
                skips.append(h)
            h = level.shrink(h)                         # (B, 64, 14, 14)   (B, 128, 7, 7)

        for i, block in enumerate(self.middle):         # the coarsest level: 7
            h = block(h, emb)                           # (B, 128, 7, 7)
            if i == 0:
                h = self.attention(h)                   # (B, 128, 7, 7)

        for level in self.up:                           # the decoder: 7 -> 14 -> 28
            h = level.grow(h)                           # (B, 64, 14, 14)   (B, 16, 28, 28)
            for block in level.blocks:
                h = torch.cat([h, skips.pop()], dim=1)  # (B, 128, 14, 14)  (B, 32, 28, 28)
                h = block(h, emb)                       # (B, 64, 14, 14)   (B, 16, 28, 28)
        assert not skips

        return self.head(F.silu(self.norm(h)))          # (B, 1, 28, 28)
    # fmt: on

    def _rows(self, labels: Tensor | None, t: Tensor) -> Tensor | None:
        """The rows of the table of labels; None if this network has no such table."""
        n = self.config.num_classes  # the row of "no label"
        if labels is None:
            return torch.full_like(t, n) if n else None
        if n == 0:
            raise ValueError("labels are given, expected None: this network was built without")
        if not isinstance(labels, Tensor) or (labels.dtype, labels.shape) != (t.dtype, t.shape):
            raise ValueError(f"labels is {labels!r}, expected torch.int64 {tuple(t.shape)}")
        if _readable(labels) and (labels.min() < -1 or labels.max() >= n):
            wrong = labels[(labels < -1) | (labels >= n)][0].item()
            raise ValueError(f"labels contains {wrong}, expected -1 (none) or 0..{n - 1}")
        return labels.where(labels >= 0, n)


class Level(nn.Module):
    """The blocks of one resolution, and the way to the coarser (shrink) or from it (grow).

    Shrinking makes one position of each 2x2 patch, growing a 2x2 patch of each position.
    """

    def __init__(self, blocks: nn.ModuleList, **way: nn.Module) -> None:
        super().__init__()
        self.blocks = blocks
        for name, module in way.items():
            self.add_module(name, module)


class ResBlock(nn.Module):
    """Two convolutions with the timestep injected between them, added to the block's input."""

    def __init__(self, w_in: int, w_out: int, *, emb: int, groups: int) -> None:
        super().__init__()
        self.norm_1 = nn.GroupNorm(groups, w_in)
        self.conv_1 = nn.Conv2d(w_in, w_out, 3, padding=1)
        self.time = nn.Linear(emb, w_out)
        self.norm_2 = nn.GroupNorm(groups, w_out)
        self.conv_2 = zeroed(nn.Conv2d(w_out, w_out, 3, padding=1))
        self.shortcut = nn.Identity() if w_in == w_out else nn.Conv2d(w_in, w_out, 1)

    # fmt: off
    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        """x: (B, w_in, H, W); emb: (B, emb), what time it is. Returns (B, w_out, H, W)."""
        h = self.conv_1(F.silu(self.norm_1(x)))          # (B, w_out, H, W)
        shift = self.time(F.silu(emb))                   # (B, w_out)
        h = h + shift[:, :, None, None]                  # the same for all pixels of a channel
        h = self.conv_2(F.silu(self.norm_2(h)))          # (B, w_out, H, W)
        return self.shortcut(x) + h
    # fmt: on


class Attention(nn.Module):
    """Self-attention: each position looks at all others, whatever the size of the image.

    Written out to be read; torch's fused scaled_dot_product_attention computes the same.
    """

    def __init__(self, width: int, *, heads: int, groups: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(groups, width)
        self.qkv = nn.Conv2d(width, 3 * width, 1)
        self.out = zeroed(nn.Conv2d(width, width, 1))

    # fmt: off
    def forward(self, x: Tensor) -> Tensor:
        """x: (B, C, H, W). Returns the same shape."""
        B, C, H, W = x.shape
        qkv = self.qkv(self.norm(x))                                          # (B, 3C, H, W)
        q, k, v = qkv.reshape(B, 3, self.heads, C // self.heads, H * W).unbind(1)  # (B, h, C/h, HW)
        weights = torch.softmax(q.mT @ k / math.sqrt(C // self.heads), dim=-1)     # (B, h, HW, HW)
        h = v @ weights.mT                                                         # (B, h, C/h, HW)
        return x + self.out(h.reshape(B, C, H, W))
    # fmt: on


class TimeEmbedding(nn.Module):
    """The timestep as a vector that the blocks can use: sinusoids, then two linear layers."""

    def __init__(self, width: int, emb: int) -> None:
        super().__init__()
        self.width = width
        self.linear_1 = nn.Linear(width, emb)
        self.linear_2 = nn.Linear(emb, emb)

    def forward(self, t: Tensor) -> Tensor:
        """t: (B,) timesteps. Returns (B, emb)."""
        waves = sinusoids(t, self.width).to(self.linear_1.weight.dtype)  # (B, width)
        return self.linear_2(F.silu(self.linear_1(waves)))


def check_input(x_t: Tensor, t: Tensor, config: UNetConfig) -> None:
    """Raise ValueError unless a network of this shape can look at these images, at these t."""
    shape = tuple(x_t.shape)
    if len(shape) != 4 or shape[1] != config.channels:
        raise ValueError(f"x_t has shape {shape}, expected (B, {config.channels}, H, W)")
    multiple = config.size_multiple
    if any(size == 0 or size % multiple for size in shape[2:]):
        halvings = len(config.widths) - 1
        raise ValueError(
            f"x_t is {shape[2]} x {shape[3]} pixels, expected multiples of {multiple}: "
            f"this U-Net halves the image {halvings} times"
        )
    if not isinstance(t, Tensor) or t.dtype != torch.int64 or tuple(t.shape) != shape[:1]:
        found = f"{t.dtype} {tuple(t.shape)}" if isinstance(t, Tensor) else repr(t)
        raise ValueError(f"t is {found}, expected torch.int64 ({shape[0]},): one per image")
    if _readable(t) and t.numel() and (t.min() < 1 or t.max() > config.T):
        wrong = t[(t < 1) | (t > config.T)][0].item()
        raise ValueError(f"t contains {wrong}, expected timesteps in 1..{config.T}")


def sinusoids(t: Tensor, width: int, max_period: float = 10_000.0) -> Tensor:
    """Sines and cosines of t at geometric frequencies, as in Vaswani et al. (2017), section 3.5.

    Computed in float32, whatever the network's dtype: bfloat16 cannot tell the whole numbers above
    256 apart, and half of 1000 timesteps would look like another.

    t: (B,) timesteps. width: numbers a timestep, at least 2; an odd width ends with a zero.
    Returns (B, width) float32 in [-1, 1].
    """
    half = width // 2
    steps = torch.arange(half, dtype=torch.float32, device=t.device)
    frequencies = torch.exp(-math.log(max_period) / half * steps)  # (half,), falling from 1
    angles = t.to(torch.float32)[:, None] * frequencies  # (B, half)
    return F.pad(torch.cat([angles.sin(), angles.cos()], dim=1), (0, width % 2))


def _readable(x: Tensor) -> bool:
    """Whether a look at the values costs nothing: an accelerator would have to wait for it in every
    step of training, and torch.compile would have to cut the network in two.
    """
    return x.device.type == "cpu" and not torch.compiler.is_compiling()


def zeroed(module: nn.Module) -> nn.Module:
    """Start a layer at zero, so that at first a block is the identity and the network silent."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module
