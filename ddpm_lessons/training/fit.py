"""The training of any other network than eps_theta: autoencoders, classifiers."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from ddpm_lessons.door import check_index
from ddpm_lessons.training.loop import Accelerator, MixedPrecision, TrainStep, check_loss


def fit(
    model: nn.Module,
    loss_of: Callable[[], Tensor],
    steps: int,
    *,
    lr: float,
    decay: float = 0.0,
    accelerator: Accelerator | None = None,
) -> Iterator[TrainStep]:
    """Train any network: AdamW down the slope of `loss_of()`, which draws a batch each time.

    The learning rate rises to lr and falls to 0 with the last step. decay: of the weights.
    accelerator: plain float32 if None. Yields each finished step. Raises ValueError where steps is
    less than 1, or the loss is NaN or infinite.
    """
    check_index("steps", steps, 1, 10**9)
    accelerator = accelerator or MixedPrecision("cpu", enabled=False)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=decay)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
    for step in range(1, steps + 1):
        model.train()
        optimizer.zero_grad()
        with torch.enable_grad():
            with accelerator.autocast():
                loss = loss_of()
            check_loss(loss)
            accelerator.backward(loss)
        optimizer.step()
        rates.step()
        if step == steps:
            model.eval()
        yield TrainStep(step, loss.detach())
