"""The log of a training: a CSV file, and a few words for the progress bar."""

import time
from pathlib import Path

import torch
from torch import Tensor

from ddpm_lessons.training import MixedPrecision, Run
from ddpm_lessons.training.loop import check_loss

EVERY = 50  # steps a line; reading the loss more often would make the CPU wait for the GPU
COLUMNS = "step,epoch,seconds,loss,images_per_second"


class TrainLog:
    """A line for every 50 steps: the mean loss over them and the images per second.

    path: the CSV file. If the run is resumed, its lines beyond the run's step are dropped.
    accelerator: of several processes, all of which must keep the log; the first one writes it.
    """

    def __init__(self, path: Path, run: Run, accelerator: MixedPrecision) -> None:
        self.path, self.run, self.accelerator, self.words = path, run, accelerator, ""
        if accelerator.is_main_process:
            resumed = run.step and path.exists()
            old = path.read_text(encoding="utf-8").splitlines()[1:] if resumed else []
            kept = [line for line in old if int(line.split(",")[0]) <= run.step]
            path.write_text("\n".join([COLUMNS, *kept]) + "\n", encoding="utf-8")
        self._clear()

    def add(self, loss: Tensor) -> str:
        """Take the loss of one step; returns what the progress bar shall say.

        Raises ValueError if one of the last 50 losses is NaN or infinite.
        """
        self.losses.append(loss)
        if len(self.losses) == EVERY:
            mean = self.accelerator.mean(torch.stack(self.losses).mean())
            check_loss(mean)
            self._write(mean.item(), self.images() / (time.perf_counter() - self.start))
        return self.words

    def images(self) -> int:
        """Training images seen since the last line."""
        return self._seen() - self.seen

    def _write(self, loss: float, rate: float) -> None:
        epoch = self._seen() / len(self.run.batches.digits)
        line = f"{self.run.step},{epoch:.3f},{self.run.seconds:.1f},{loss:.5f},{rate:.1f}\n"
        if self.accelerator.is_main_process:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line)
        self.words = f"loss {loss:.4f}, {rate:.0f} images/s"
        self._clear()

    def _clear(self) -> None:
        self.losses: list[Tensor] = []
        self.start, self.seen = time.perf_counter(), self._seen()

    def _seen(self) -> int:
        batches = self.run.batches
        return batches.epoch * len(batches.digits) + batches.position
