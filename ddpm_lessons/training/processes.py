"""Several processes that work as one, on the GPUs of one machine or of many, or on CPU cores.

`accelerate launch` or `torchrun` starts them; Hugging Face's accelerate joins them. This is the one
module that knows of it.
"""

import os
from datetime import timedelta

import torch
from torch import Tensor, nn

from ddpm_lessons.training.loop import MixedPrecision, part

PATIENCE = timedelta(hours=6)  # a process that is done early waits for the others


def launched() -> bool:
    """Whether this process is one of several that were started together."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


class Processes(MixedPrecision):
    """An accelerator for `train` in each of several processes, each on a device of its own.

    device: "auto" for the GPUs, or CPU cores where there are none; or "cpu".
    compiled: as for `MixedPrecision`.
    Raises ValueError for another device, or where accelerate is not installed.
    """

    def __init__(self, device: str = "auto", *, compiled: bool = False) -> None:
        if device not in ("auto", "cpu"):
            expected = "auto or cpu: each process takes a device of its own"
            raise ValueError(f"--device is {device!r}, expected {expected}")
        try:
            from accelerate import Accelerator, InitProcessGroupKwargs  # only if it is needed
        except ImportError:
            remedy = "pip install accelerate"
            raise ValueError(
                f"several processes need a package that is not here: {remedy}"
            ) from None
        cpu = device == "cpu" or not torch.cuda.is_available()
        patience = InitProcessGroupKwargs(timeout=PATIENCE)
        # Not its mixed precision: that would change the network's forward method for good.
        self.engine = Accelerator(cpu=cpu, mixed_precision="no", kwargs_handlers=[patience])
        self.num_processes = self.engine.num_processes
        self.process_index = self.engine.process_index
        chosen = torch.device("cpu") if cpu else self.engine.device
        super().__init__(chosen, compiled=compiled)

    def prepare_model(self, model: nn.Module) -> nn.Module:
        """The model, wrapped so that its gradients become the mean over the processes."""
        return super().prepare_model(self.engine.prepare_model(model))

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients, and their mean over the processes."""
        self.engine.backward(loss)

    def mean(self, x: Tensor) -> Tensor:
        """The mean of x over the processes, in each of them. All must call it."""
        return self.engine.reduce(x, reduction="mean")

    def gather(self, x: Tensor, n: int) -> Tensor:
        """The n rows of which x is this process's share, in each process. All must call it."""
        sizes = [len(range(n)[part(n, i, self.num_processes)]) for i in range(self.num_processes)]
        padded = x.new_zeros(max(sizes), *x.shape[1:])  # the engine wants equal shares
        padded[: len(x)] = x
        shares = self.engine.gather(padded).split(len(padded))
        return torch.cat([rows[:size] for rows, size in zip(shares, sizes, strict=True)])

    def wait(self) -> None:
        """Go on when all processes have come here."""
        self.engine.wait_for_everyone()
