"""A training under the reader's eyes: loss and samples in a panel that keeps itself up to date."""

import html
import time
from collections.abc import Iterable, Iterator

import ipywidgets as W
import torch
from torch import Tensor
from torch.nn.functional import pad

from ddpm_lessons.door import check_images, check_number
from ddpm_lessons.samplers import ddim
from ddpm_lessons.show.charts import BLUE, Curve, Window, chart
from ddpm_lessons.show.pictures import Picture, picture
from ddpm_lessons.training import Run, TrainStep, interruptible
from ddpm_lessons.training.loop import check_loss

DRAW_EVERY = 1.0  # seconds between two drawings of the curve, about 2 ms each
SAMPLE_SHARE = 0.05  # of the time, at most, may go into samples
STEPS = 12  # of DDIM, for a strip of samples
MEAN_OVER = 20  # steps, in the curve
PATIENCE = 4  # times the seconds asked for: longer it does not wait for `at_least` steps
TOP = 0.2  # of the curve's axis, once the loss has fallen below it


class Watch:
    """Show a training while it runs, and remember what was to be seen.

        watch = Watch(run, x_T, seconds=60)
        for step in watch(train(...)):
            ...

    The loop ends after `seconds` (on a slow machine after `at_least` steps, if they come within
    four times the seconds), after `steps`, with the training's last step, or when the reader
    interrupts it, in each case between two steps: nothing is half done. `run.step` and
    `run.seconds` go along. From the same noise each time, the averaged network draws a strip of
    digits by 12 steps of DDIM (eta = 1) every `every` seconds, and less often where that would cost
    more than a twentieth of the time. Watching touches no weight and no generator of the run.

    x_T: (B, C, H, W) noise, on any device. losses: (N,) of each step, once the loop has ended.
    strips: the samples (B, C, H, W) by `run.step`, the first from before the training.
    Raises ValueError where x_T is no batch of images or a number is not positive.
    """

    def __init__(
        self,
        run: Run,
        x_T: Tensor,
        *,
        steps: int | None = None,
        seconds: float | None = None,
        at_least: int = 0,
        every: float = 5.0,
    ) -> None:
        check_images("x_T", x_T)
        for name, value in (("steps", steps), ("seconds", seconds), ("every", every)):
            if value is not None:
                check_number(name, value, "(0, inf)")
        self.run, self.x_T, self.every, self.at_least = run, x_T, every, at_least
        self.steps, self.seconds = steps or float("inf"), seconds or float("inf")
        self.losses, self.strips = torch.empty(0), {}
        self.words, self.curve, self.strip = W.HTML(), W.HTML(), W.HTML()
        self.view = W.VBox([self.words, self.curve, self.strip]).add_class("ddpm-live")
        self._new: list[Tensor] = []  # losses that nobody has read: a look would wait for a GPU

    def __call__(self, steps: Iterable[TrainStep]) -> Iterator[TrainStep]:
        """Pass the steps on, and show them. Raises ValueError if the loss is NaN or infinite."""
        from IPython.display import display  # here: only a notebook has it

        display(self.view)
        self._start = time.perf_counter()
        self._before = self.run.seconds
        self._sample()
        self._draw("starting")
        with interruptible() as interrupted:
            for step in steps:
                self._note(step)
                yield step
                if interrupted or self._over():
                    break
        self._sample()
        self._draw("stopped; to go on, run the cell again" if interrupted else "finished")

    def _note(self, step: TrainStep) -> None:
        self._new.append(step.loss)
        self.run.step += 1
        self.run.seconds = self._before + self._elapsed()
        if time.perf_counter() > self._next_sample:
            self._sample()
        if time.perf_counter() > self._next_draw:
            self._draw("training")

    def _over(self) -> bool:
        count, elapsed = len(self.losses) + len(self._new), self.run.seconds - self._before
        enough = count >= self.at_least or elapsed >= PATIENCE * self.seconds
        return count >= self.steps or (elapsed >= self.seconds and enough)

    def _elapsed(self) -> float:
        return time.perf_counter() - self._start

    def _sample(self) -> None:
        """Draw a strip of digits, and say when the next may be drawn."""
        start = time.perf_counter()
        network = self.run.ema.module
        x_T = self.x_T.to(next(network.parameters()).device)
        same = torch.Generator().manual_seed(0)  # fresh noise at each step forgives a young network
        chain = ddim(
            network, self.run.schedule, x_T, steps=STEPS, eta=1.0, clip_x0=1.0, generator=same
        )
        *_, last = chain
        self.strips[self.run.step] = last.x.cpu()
        alt = f"{len(x_T)} samples after step {self.run.step}"
        self.strip.value = _image(picture(row(last.x.cpu()), width=560), alt)
        now = time.perf_counter()
        self._next_sample = now + max(self.every, (now - start) / SAMPLE_SHARE)

    def _draw(self, state: str) -> None:
        """Say where the training stands, and draw the curve of its loss."""
        new = torch.stack(self._new).float().cpu() if self._new else torch.empty(0)
        self.losses, self._new = torch.cat([self.losses, new]), []
        words = f"{state} · step {self.run.step:,} · {self._elapsed():.0f} s"
        if len(self.losses):
            check_loss(self.losses[-1])
            mean = self.losses[-MEAN_OVER:].mean().item()
            words += f" · loss {mean:.4f} (mean of the last {min(MEAN_OVER, len(self.losses))})"
            self.curve.value = loss_drawing(self.losses, self.run.step, words)
        self.words.value = f"<p>{html.escape(words)}</p>"
        self._next_draw = time.perf_counter() + DRAW_EVERY


def loss_drawing(losses: Tensor, last: int, alt: str) -> str:
    """The running mean of the losses (N,) up to step `last`, as SVG.

    Its axis ends at 1, and at 0.2 as soon as the mean has fallen below.
    """
    window = min(MEAN_OVER, len(losses))
    mean = losses.unfold(0, window, 1).mean(dim=1)
    x = torch.arange(last - len(mean) + 1, last + 1)
    thin = max(1, len(mean) // 300)  # a browser need not draw ten thousand points
    first, top = last - len(losses), TOP if mean[-1] < TOP else 1.0
    frame = Window(
        x=(first, max(last, first + 1)),
        y=(0.0, top),
        x_ticks=[first, (first + last) // 2, last],
        y_ticks=[top * i / 4 for i in range(5)],
        size=(600, 200),
    )
    curve = Curve("loss", x[::thin], mean[::thin], BLUE)
    drawing = chart([curve], frame, alt=alt, x_name="training step")
    return f'<div style="padding-left: 28px">{drawing}</div>'  # room for the axis's numbers


def row(x: Tensor) -> Tensor:
    """A batch (B, C, H, W) as one image (C, H, W'), side by side with two grey pixels between."""
    return torch.cat([pad(image, (1, 1)) for image in x.clamp(-1, 1)], dim=-1)


def _image(shown: Picture, alt: str) -> str:
    return (
        f'<figure style="margin: 0"><img src="{shown.uri}" width="{shown.width}" '
        f'alt="{html.escape(alt)}" style="image-rendering: pixelated; max-width: 100%">'
        f"<figcaption>{html.escape(alt)}, from the same noise each time</figcaption></figure>"
    )
