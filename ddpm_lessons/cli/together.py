"""What several processes of one training must agree on: when to stop, and that one has failed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from ddpm_lessons.training import MixedPrecision, Run

ASK_EVERY = 10  # steps between two questions to the other processes


def stopped(interrupted: list[int], run: Run, accelerator: MixedPrecision) -> bool:
    """Whether there was a signal to stop. Processes ask each other, at times, so that all leave
    the loop after the same step: one that went on alone would wait for the others forever.
    """
    if accelerator.num_processes == 1:
        return bool(interrupted)
    if run.step % ASK_EVERY:
        return False
    asked = torch.tensor(float(bool(interrupted)), device=accelerator.device)
    return accelerator.mean(asked).item() > 0


@contextmanager
def company(accelerator: MixedPrecision, checkpoint: Path) -> Iterator[None]:
    """Within this block, say what it means when the processes cannot go on together."""
    try:
        yield
    except RuntimeError as error:
        if accelerator.num_processes == 1:
            raise
        reason = (str(error) or repr(error)).splitlines()[0]
        raise ValueError(
            f"process {accelerator.process_index} of {accelerator.num_processes} failed, or has "
            f"lost another one ({reason}). {checkpoint} is whole: go on with --resume"
        ) from error
