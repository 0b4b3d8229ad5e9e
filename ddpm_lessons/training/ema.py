"""The exponential moving average (EMA) of the weights: what is sampled from, while the weights
themselves still tremble from step to step."""

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def make_ema(model: nn.Module, decay: float = 0.999) -> AveragedModel:
    """An averaged copy of `model`: each update takes theta_ema to d theta_ema + (1 - d) theta.

    d grows with the number n of updates so far, as min(decay, (1 + n) / (10 + n)), and the first
    update copies the weights: with the full decay from the start, the random first weights would
    linger for thousands of steps. Buffers are copied, not averaged. The averaged network is
    `ema.module`, in eval mode and without gradients; `model` is never changed.

    decay: the final d. Raises ValueError unless it is in [0, 1).
    """
    if not 0 <= decay < 1:
        raise ValueError(f"decay is {decay!r}, expected a number in [0, 1)")

    def average(averaged: list[Tensor], current: list[Tensor], _n: Tensor) -> None:
        n = int(ema.n_averaged)  # _n is a copy on the network's device: reading it would wait
        warm = min(decay, (1 + n) / (10 + n))
        get_ema_multi_avg_fn(warm)(averaged, current, n)

    ema = AveragedModel(model, multi_avg_fn=average, use_buffers=False)
    ema.module.requires_grad_(False).eval()
    return ema
