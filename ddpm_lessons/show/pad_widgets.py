"""The explorer of lesson 12: draw a digit, noise it to any t, and see what comes back from there.

The pad is a widget of its own (anywidget): its lines are drawn, and made a digit of 28 x 28, in the
browser, by the same scripts that the site uses. A button asks the kernel to run the network.
"""

import html
from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files

import anywidget
import ipywidgets as W
import torch
import traitlets
from torch import Tensor

from ddpm_lessons.door import check_images, check_index, randn_like
from ddpm_lessons.forward import q_sample
from ddpm_lessons.samplers import Step
from ddpm_lessons.schedule import NoiseSchedule
from ddpm_lessons.show.chains import grid
from ddpm_lessons.show.drawings import FIGURE, ON_LOAD, ROW
from ddpm_lessons.show.pictures import describe, picture
from ddpm_lessons.show.widgets import at_work

SIZE = 28
SCRIPTS = ("drawing.mjs", "pad.mjs", "pad_widget.mjs")  # the last one puts the others together


def _read(name: str) -> str:
    return files("ddpm_lessons.show").joinpath(name).read_text(encoding="utf-8")


class DigitPad(anywidget.AnyWidget):
    """A pad to draw on with a mouse, a finger or a pen.

    pixels: the drawing as a digit, 28 x 28 numbers in [-1, 1], row by row; empty before the first
    line and after Clear.
    """

    _esm = "\n".join(_read(name) for name in SCRIPTS)
    _css = _read("pad_widget.css")
    pixels = traitlets.List(traitlets.Float()).tag(sync=True)

    def image(self) -> Tensor | None:
        """The digit, (1, 1, 28, 28) in [-1, 1]; None where nothing is drawn."""
        if len(self.pixels) != SIZE * SIZE:
            return None
        return torch.tensor(self.pixels).clamp(-1, 1).view(1, 1, SIZE, SIZE)


def explore_drawing(
    run: Callable[[Tensor, int], Iterable[Step]],
    schedule: NoiseSchedule,
    example: Tensor,
    *,
    times: Sequence[int] = (50, 150, 250, 350, 450, 550, 700, 1000),
    names: Callable[[Tensor], str] | None = None,
    width: int = 160,
) -> W.Widget:
    """Draw a digit; the slider noises it to any of `times`, the button goes back from all of them.

    run: run(x_0, t) gives the states of chains, as `sdedit` does, the first one at t. It is called
    for every t at each press. example: what there is before anything is drawn, (1, 1, 28, 28) in
    [-1, 1]. names: says what it takes images for, in words. width: of a picture on the page, in
    pixels, at least. Raises ValueError where an argument does not fit.
    """
    if not callable(run):
        raise ValueError(f"run is {run!r}, expected a function that gives the states of a chain")
    check_images("example", example)
    if tuple(example.shape) != (1, 1, SIZE, SIZE):
        raise ValueError(f"example has shape {tuple(example.shape)}, expected (1, 1, 28, 28)")
    if not times:
        raise ValueError("times is empty, expected at least one t")
    for t in times:
        check_index("times", t, 1, schedule.T)
    check_index("width", width, 1, 10_000)
    return _DrawingExplorer(run, schedule, example, tuple(times), names=names, width=width).view


class _DrawingExplorer:
    def __init__(
        self,
        run: Callable,
        schedule: NoiseSchedule,
        example: Tensor,
        times: tuple[int, ...],
        *,
        names: Callable | None,
        width: int,
    ) -> None:
        self.run, self.schedule, self.times = run, schedule, times
        self.example, self.names, self.width = example, names, width
        self.pad = DigitPad()
        self.button = W.Button(
            description="Go back from every t", button_style="primary", layout={"width": "224px"}
        )
        style, layout = W.HTML().style, W.Layout(margin="0")  # shared by all: fewer messages
        self.frames = [W.HTML(style=style, layout=layout) for _ in times]
        middle = len(times) // 2
        self.stack, self.error = W.Stack(self.frames, selected_index=middle), W.HTML()
        self.time = W.SelectionSlider(
            options=[str(t) for t in times],
            index=middle,
            description="noise it to t",
            style={"description_width": "initial"},
            layout=W.Layout(width="420px", max_width="98%"),
        ).add_class("ddpm-time")
        self.link = W.jslink((self.time, "index"), (self.stack, "selected_index"))
        self.pad.observe(lambda _: self.noise(), "pixels")
        self.button.on_click(self.on_click)
        self.noise()
        left = W.VBox([self.pad, self.button], layout=W.Layout(margin="0 24px 12px 0"))
        right = W.VBox([self.stack, self.time, self.error])
        self.view = W.HBox([left, right], layout=W.Layout(flex_flow="row wrap"))
        self.view.add_class("ddpm-explorer")

    @property
    def x_0(self) -> Tensor:
        """What is drawn, or the example."""
        image = self.pad.image()
        return self.example if image is None else image

    def noise(self) -> None:
        """Show the drawing with noise, by Eq. (4) and one eps for all t. No network is asked."""
        eps = randn_like(self.x_0, torch.Generator().manual_seed(0))
        for frame, t in zip(self.frames, self.times, strict=True):
            x_t = q_sample(self.x_0, self.schedule.at(t), eps)
            frame.value = drawing_frame(
                {"drawing": self.x_0, "with noise": x_t}, describe(self.schedule, t), self.width
            )

    def on_click(self, _: object) -> None:
        """Go back from every t. What goes wrong is shown below, and raised as well."""
        with at_work(self.button, self.error, "Going back ..."), torch.no_grad():
            for frame, t in zip(self.frames, self.times, strict=True):
                chain = list(self.run(self.x_0, t))
                first, last = chain[0].x[:1], chain[-1].x
                words = describe(self.schedule, t)
                if self.names:
                    words += f"; read as: {self.names(last)}"
                panels = {"drawing": self.x_0, "with noise": first, "what comes back": last}
                frame.value = drawing_frame(panels, words, self.width)


def drawing_frame(panels: dict[str, Tensor], words: str, width: int) -> str:
    """Images, (N, 1, 28, 28) each, side by side as HTML, with a line of words below."""
    images = ""
    for name, x in panels.items():
        shown = picture(grid(x) if len(x) > 1 else x[0], width)
        images += (
            f'<div style="text-align: center"><img src="{shown.uri}" width="{shown.width}" '
            f'height="{shown.height}" alt="{name}: {html.escape(words)}" onload="{ON_LOAD}" '
            f'style="image-rendering: pixelated; border-radius: 4px"><br><i>{name}</i></div>'
        )
    return f"{FIGURE}{ROW}{images}</div><figcaption>{html.escape(words)}</figcaption></figure>"
