"""A network translated to machine code: for samples by the thousand, and for long trainings."""

import contextlib
import copy
import os
import shutil

import torch
from torch import Tensor, nn

# The compiler's checks of what it has written itself: a millisecond of each call on a CPU.
CHECKS = ("alignment_asserts", "scalar_asserts", "size_asserts")


class Compiled(nn.Module):
    """A copy of a network that gives the same answers, but for rounding, in less time.

    torch.compile merges what lies between the convolutions, and "channels last" is the order of
    memory in which a convolution is a plain matrix product. On a CPU the weights become constants,
    cast and packed once. On a GPU a call is recorded as a CUDA graph: then its hundred small
    programs start as one. The first call of each batch size takes half a minute and a C++ compiler.
    The copy is for sampling: it has no gradients, and later changes of `model` do not reach it.

    model: a UNet, or another network of x_t, t and, where it knows them, labels.
    Raises ValueError where there is no compiler.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        check_compiler()
        own = copy.deepcopy(model).eval().requires_grad_(False)
        own = own.to(memory_format=torch.channels_last)
        self.on_gpu = any(p.device.type == "cuda" for p in own.parameters())
        options = {"triton.cudagraphs": True} if self.on_gpu else {"freezing": True}
        self.answer = torch.compile(own, dynamic=False, options=options | _unchecked())
        self.eval()

    def forward(self, x_t: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """The network's answer, contiguous, in memory of its own: a graph's next call writes over
        its last answer.
        """
        x_t = x_t.contiguous(memory_format=torch.channels_last)
        frozen = contextlib.nullcontext() if self.on_gpu else _freezing()
        with torch.no_grad(), frozen:
            answer = self.answer(x_t, t, labels)
        return answer.clone(memory_format=torch.contiguous_format)


def compile_for_training(model: nn.Module) -> nn.Module:
    """The same network, with its weights and gradients, its calls and their gradients translated.

    The first step of each batch size takes a minute on a CPU. Raises ValueError where there is no
    compiler.
    """
    check_compiler()
    return torch.compile(model, dynamic=False, options=_unchecked())


def _unchecked() -> dict[str, bool]:
    """Options of torch.compile: without its checks, as far as this version of torch has them."""
    import torch._inductor.config as config  # here: a second that `import` must not cost

    return {name: False for name in CHECKS if hasattr(config, name)}


def _freezing() -> contextlib.AbstractContextManager:
    """Within this context, weights count as constants: it is read when a network is traced, where
    the option of the same name is not known yet.
    """
    import torch._inductor.config as config

    return config.patch(freezing=True)


def check_compiler() -> None:
    """Raise ValueError where there is no C++ compiler, which torch.compile needs."""
    names = (os.environ.get("CXX", "g++"), "clang++", "cl")
    if not any(map(shutil.which, names)):
        raise ValueError(f"no C++ compiler is here, expected one of {names}")
