"""Look inside a U-Net at work: what each stage makes and costs, what it sees, what it is good for.

A stage is one of the steps that `UNet.forward` takes: the first and the last convolution, each
residual block, the attention, each halving and doubling. Its name is the module's, such as
"down.0.blocks.0". Everything is done with hooks, which are gone afterwards.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ddpm_lessons.door import check_index, check_number
from ddpm_lessons.models.unet import Attention, ResBlock, UNet

Edit = Callable[[Tensor], Tensor]


class Stop(NamedTuple):
    """A stage on the way through the network."""

    name: str
    features: Tensor  # what it makes, (B, C, H, W)
    parameters: int
    multiply_adds: int  # for one image, without those of the norms and activations


def stages(model: UNet) -> dict[str, nn.Module]:
    """The stages by name, as the modules are listed, not in the order of their calls."""
    modules = dict(model.named_modules())
    blocks = [name for name, m in modules.items() if isinstance(m, (ResBlock, Attention))]
    inside = tuple(f"{name}." for name in blocks)
    kinds = (ResBlock, Attention, nn.Conv2d, nn.ConvTranspose2d)
    return {n: m for n, m in modules.items() if isinstance(m, kinds) and not n.startswith(inside)}


def walk(model: UNet, x_t: Tensor, t: Tensor) -> list[Stop]:
    """Ask the network once, eps_theta(x_t, t), and return its stages in the order of the calls.

    x_t (B, C, H, W) and t (B,) as `UNet.forward` takes them. Raises ValueError for others.
    """
    made: dict[str, Tensor] = {}

    def keep(name: str) -> Callable:
        return lambda _module, _inputs, output: made.update({name: output})

    with ExitStack() as stack, torch.no_grad(), FlopCounterMode(display=False) as counter:
        for name, module in stages(model).items():
            stack.callback(module.register_forward_hook(keep(name)).remove)
        model(x_t, t)
    flops = {
        name.partition(".")[2]: sum(counts.values())
        for name, counts in counter.get_flop_counts().items()
    }
    return [
        Stop(
            name,
            features,
            sum(p.numel() for p in model.get_submodule(name).parameters()),
            flops[name] // (2 * len(x_t)),  # a multiplication and an addition are two operations
        )
        for name, features in made.items()
    ]


def receptive_field(layers: Sequence[tuple[int, int]]) -> int:
    """How many pixels wide is what one position sees after these convolutions, (kernel, stride).

    Each adds (kernel - 1) steps, and a step is as many pixels as the strides before it multiply to.
    Raises ValueError for a kernel or a stride below 1.
    """
    width, step = 1, 1
    for kernel, stride in layers:
        width += (check_index("kernel", kernel, 1, 10_000) - 1) * step
        step *= check_index("stride", stride, 1, 10_000)
    return width


def influence(
    model: UNet,
    x_t: Tensor,
    t: Tensor,
    *,
    stage: str = "head",
    position: tuple[int, int] | None = None,
    through_norms: bool = False,
) -> Tensor:
    """How much each pixel of x_t moves one position of a stage: the receptive field, measured.

    That is |d feature / d x_t|, where the feature is the sum over the stage's channels, averaged
    over the images and their channels. position: row and column in the stage's own grid, its centre
    if not given. through_norms: a GroupNorm takes its mean and variance over all positions, and so
    every pixel moves every feature a little; unless True, these two numbers are held fixed.
    Returns (H, W), zero where a pixel cannot be seen. Raises ValueError for another stage or
    position, or for x_t and t that `UNet.forward` refuses.
    """
    known = stages(model)
    if stage not in known:
        raise ValueError(f"stage is {stage!r}, expected one of {list(known)}")
    made = []
    with ExitStack() as stack, torch.enable_grad():
        hook = known[stage].register_forward_hook(lambda _module, _inputs, out: made.append(out))
        stack.callback(hook.remove)
        for module in model.modules():
            if isinstance(module, nn.GroupNorm) and not through_norms:
                stack.callback(module.register_forward_hook(_fixed_statistics).remove)
        x_t = x_t.detach().requires_grad_(True)
        model(x_t, t)
        rows, columns = made[0].shape[2:]
        row, column = position or (rows // 2, columns // 2)
        row = check_index("position", row, 0, rows - 1)
        column = check_index("position", column, 0, columns - 1)
        (gradient,) = torch.autograd.grad(made[0][:, :, row, column].sum(), x_t)
    return gradient.abs().mean(dim=(0, 1))


def radius(influence: Tensor, position: tuple[int, int], *, share: float = 0.8) -> int:
    """From how far `share` of the other pixels' influence (H, W) on a pixel comes, in pixels.

    The distance is the larger one of rows and columns; the pixel itself does not count. Raises
    ValueError for a share outside (0, 1], or where no other pixel has any influence.
    """
    check_number("share", share, "(0, 1]")
    rows, columns = (torch.arange(size) for size in influence.shape)
    away = torch.maximum((rows - position[0]).abs()[:, None], (columns - position[1]).abs())
    within = [influence[(away > 0) & (away <= r)].sum().item() for r in range(1, away.max() + 1)]
    if not within or not within[-1] > 0:
        raise ValueError(f"influence at {position} comes from no other pixel, expected some")
    return next(r for r, part in enumerate(within, 1) if part >= share * within[-1])


def _fixed_statistics(norm: nn.GroupNorm, inputs: tuple[Tensor], _output: Tensor) -> Tensor:
    """The same numbers as the norm's, but the mean and the variance have no gradient."""
    groups = inputs[0].unflatten(1, (norm.num_groups, -1))  # (B, G, C/G, H, W)
    var, mean = torch.var_mean(groups.detach(), dim=(2, 3, 4), correction=0, keepdim=True)
    h = ((groups - mean) * (var + norm.eps).rsqrt()).flatten(1, 2)  # (B, C, H, W)
    return h * norm.weight[:, None, None] + norm.bias[:, None, None]


@contextmanager
def edited(
    model: UNet,
    *,
    skips: Mapping[int, Edit] | None = None,
    coarse: Mapping[int, Edit] | None = None,
) -> Iterator[None]:
    """While the `with` lasts, change what the decoder gets to see.

    skips: for a level (0 is the finest), a function of the features that the skip connection brings
    to it, such as `torch.zeros_like`. coarse: the same for the features that come up to the level
    from the coarser ones. A function takes (B, C, H, W) and returns that shape; a level with
    several skips edits each of them. Raises ValueError for a level without a skip.
    """
    finest = len(model.up) - 1
    with ExitStack() as stack:
        for level, edit in (skips or {}).items():
            i = finest - check_index("skips", level, 0, finest)
            for block in model.up[i].blocks:
                stack.callback(block.register_forward_pre_hook(_edit_skip(edit)).remove)
        for level, edit in (coarse or {}).items():
            i = finest - check_index("coarse", level, 0, finest)
            hook = model.up[i].grow.register_forward_hook(_edit_output(edit))
            stack.callback(hook.remove)
        yield


def _edit_skip(edit: Edit) -> Callable:
    """A decoder's block is given [features, skip], as many channels of one as of the other."""

    def hook(_block: nn.Module, inputs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        h, skip = inputs[0].chunk(2, dim=1)
        return torch.cat([h, edit(skip)], dim=1), inputs[1]

    return hook


def _edit_output(edit: Edit) -> Callable:
    return lambda _module, _inputs, output: edit(output)
