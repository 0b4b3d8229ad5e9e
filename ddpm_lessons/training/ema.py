"""The exponential moving average (EMA) of the weights: what is sampled from, while the weights
themselves still tremble from step to step."""

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class Ema(AveragedModel):
    """An averaged copy of `model`: each update takes theta_ema to d theta_ema + (1 - d) theta.

    d grows with the number n of updates so far, as min(decay, (1 + n) / (10 + n)), and the first
    update copies the weights: with the full decay from the start, the random first weights would
    linger for thousands of steps. Buffers are copied, not averaged. The averaged network is
    `ema.module`, in eval mode and without gradients; `model` is never changed.

    decay: the final d. Raises ValueError unless it is in [0, 1).
    """

    def __init__(self, model: nn.Module, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay is {decay!r}, expected a number in [0, 1)")
        super().__init__(model)
        self.module.requires_grad_(False).eval()
        self.decay = decay

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Take the weights of `model` into the average."""
        n = int(self.n_averaged)  # it stays on the CPU; torch's own update would wait for a GPU
        d = min(self.decay, (1 + n) / (10 + n)) if n else 0.0
        average = get_ema_multi_avg_fn(d)
        average(list(self.module.parameters()), list(model.parameters()), n)
        for own, new in zip(self.module.buffers(), model.buffers(), strict=True):
            own.copy_(new)
        self.n_averaged += 1
