"""A network translated to machine code, for samples by the thousand."""

import copy
import os
import shutil

import torch
from torch import Tensor, nn


class Compiled(nn.Module):
    """A copy of a network that gives the same answers, but for rounding, in less time.

    torch.compile merges what lies between the convolutions, and "channels last" is the order of
    memory in which a convolution is a plain matrix product. The first call of each batch size takes
    half a minute and a C++ compiler. The copy is for sampling: it has no gradients, and later
    changes of `model` do not reach it.

    model: a UNet, or another network of x_t, t and, where it knows them, labels.
    Raises ValueError where there is no compiler.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        names = (os.environ.get("CXX", "g++"), "clang++", "cl")
        if not any(map(shutil.which, names)):
            raise ValueError(f"no C++ compiler is here, expected one of {names}")
        own = copy.deepcopy(model).eval().requires_grad_(False)
        own = own.to(memory_format=torch.channels_last)
        self.answer = torch.compile(own, options={"freezing": True})
        self.eval()

    def forward(self, x_t: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """The network's answer, contiguous."""
        x_t = x_t.contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            return self.answer(x_t, t, labels).contiguous()
