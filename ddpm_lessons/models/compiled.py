"""A network translated to machine code, for samples by the thousand."""

import copy
import os
import shutil

import torch
from torch import Tensor, nn


class Compiled(nn.Module):
    """A copy of a network that gives the same answers, but for rounding, in less time.

    torch.compile merges what lies between the convolutions, and "channels last" is the order of
    memory in which a convolution is a plain matrix product. On a GPU a call is recorded as a CUDA
    graph, too: then its hundred small programs start as one. The first call of each batch size
    takes half a minute and a C++ compiler. The copy is for sampling: it has no gradients, and later
    changes of `model` do not reach it.

    model: a UNet, or another network of x_t, t and, where it knows them, labels.
    Raises ValueError where there is no compiler.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        check_compiler()
        own = copy.deepcopy(model).eval().requires_grad_(False)
        own = own.to(memory_format=torch.channels_last)
        on_gpu = any(p.device.type == "cuda" for p in own.parameters())
        options = {"triton.cudagraphs": True} if on_gpu else {"freezing": True}
        self.answer = torch.compile(own, options=options)
        self.eval()

    def forward(self, x_t: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """The network's answer, contiguous, in memory of its own: a graph's next call writes over
        its last answer.
        """
        x_t = x_t.contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            answer = self.answer(x_t, t, labels)
        return answer.clone(memory_format=torch.contiguous_format)


def check_compiler() -> None:
    """Raise ValueError where there is no C++ compiler, which torch.compile needs."""
    names = (os.environ.get("CXX", "g++"), "clang++", "cl")
    if not any(map(shutil.which, names)):
        raise ValueError(f"no C++ compiler is here, expected one of {names}")
