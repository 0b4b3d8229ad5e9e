"""The explorer of lesson 06: choose how a chain is walked, press the button, look at every state.

The button asks the kernel, which runs the network for a moment. The slider does not: the pictures
of the chain lie ready in the browser.
"""

from collections.abc import Callable, Iterable, Sequence

import ipywidgets as W

from ddpm_lessons.door import check_choice, check_index
from ddpm_lessons.posterior import VARIANCES
from ddpm_lessons.samplers import Step
from ddpm_lessons.show.chains import grid, spread
from ddpm_lessons.show.drawings import FIGURE, ON_LOAD, ROW
from ddpm_lessons.show.pictures import picture
from ddpm_lessons.show.widgets import at_work

FRAMES = 26  # pictures that lie ready under the slider

_NARROW = {"layout": {"width": "210px"}, "style": {"description_width": "76px"}}


def explore_chains(
    run: Callable[..., Iterable[Step]],
    *,
    steps: Sequence[int] = (10, 20, 50),
    seed: int = 0,
    width: int = 180,
) -> W.Widget:
    """Walk chains: choose the number of steps, the variance, clipping and the seed, then press.

    run: run(steps=..., variance=..., clip_x0=..., seed=...) gives the states of a chain, as `ddpm`
    does; it is called once at the start and at each press. steps: the choices, the last one first.
    width: of x_t and of x0_hat on the page, in pixels, at least. Raises ValueError.
    """
    if not callable(run):
        raise ValueError(f"run is {run!r}, expected a function that gives the states of a chain")
    for number in steps:
        check_index("steps", number, 1, 10_000)
    check_index("seed", seed, 0, 10**9)
    check_index("width", width, 1, 10_000)
    return _ChainExplorer(run, tuple(steps), seed, width).view


class _ChainExplorer:
    def __init__(self, run: Callable, steps: tuple[int, ...], seed: int, width: int) -> None:
        check_choice("steps", steps[-1] if steps else None, steps)
        self.run, self.width = run, width
        self.steps = W.Dropdown(options=steps, value=steps[-1], description="steps", **_NARROW)
        self.variance = W.Dropdown(options=VARIANCES, description="variance", **_NARROW)
        self.clip = W.Checkbox(value=False, description="clip x̂₀ to [-1, 1]", indent=False)
        self.seed = W.BoundedIntText(value=seed, min=0, max=10**9, description="seed", **_NARROW)
        self.button = W.Button(description="Sample", button_style="primary", icon="play")
        style, layout = W.HTML().style, W.Layout(margin="0")  # shared by all: fewer messages
        self.frames = [W.HTML(style=style, layout=layout) for _ in range(FRAMES)]
        self.stack, self.error = W.Stack(self.frames, selected_index=0), W.HTML()
        self.time, self.right = None, W.VBox()
        self.button.on_click(self.on_click)
        self.update()
        controls = [self.steps, self.variance, self.clip, self.seed, self.button]
        left = W.VBox(controls, layout=W.Layout(margin="0 24px 12px 0"))
        self.view = W.HBox([left, self.right], layout=W.Layout(flex_flow="row wrap"))
        self.view.add_class("ddpm-explorer")

    def on_click(self, _: object) -> None:
        """Walk a chain. What goes wrong is shown below the picture, and raised as well."""
        with at_work(self.button, self.error, "Sampling ..."):
            self.update()

    def update(self) -> None:
        """Walk the chain that the controls ask for, and hand its pictures to the browser."""
        chain = list(
            self.run(
                steps=self.steps.value,
                variance=self.variance.value,
                clip_x0=1.0 if self.clip.value else None,
                seed=self.seed.value,
            )
        )
        shown = [chain[i] for i in spread(len(chain) - 1, FRAMES)]
        for frame, step in zip(self.frames, shown, strict=False):
            frame.value = chain_drawing(step, self.width)
        labels = tuple(str(step.t) for step in shown)
        if self.time is None or labels != self.time.options:
            self.new_slider(labels)

    def new_slider(self, labels: tuple[str, ...]) -> None:
        """A slider with these labels, at its end. JupyterLab does not redraw the handle of one
        whose number of options changes, so each length gets a slider of its own.
        """
        if self.time is not None:
            self.link.unlink()
        self.time = W.SelectionSlider(
            options=labels,
            index=len(labels) - 1,
            description="steps left",
            style={"description_width": "initial"},
            layout=W.Layout(width="420px", max_width="98%"),
        ).add_class("ddpm-time")
        self.stack.selected_index = len(labels) - 1
        self.link = W.jslink((self.time, "index"), (self.stack, "selected_index"))
        self.right.children = [self.stack, self.time, self.error]


def chain_drawing(step: Step, width: int) -> str:
    """One state of a chain as HTML: x_t, and beside it x0_hat, as grids of images."""
    images = ""
    for name, x in (("x<sub>t</sub>", step.x), ("x̂<sub>0</sub>", step.x0_hat)):
        shown = picture(grid(x), width)
        alt = f"{step.t} steps left: {'x_t' if x is step.x else 'x0_hat'} of {len(x)} chains"
        images += (
            f'<div style="text-align: center"><img src="{shown.uri}" width="{shown.width}" '
            f'height="{shown.height}" alt="{alt}" onload="{ON_LOAD}" style="image-rendering: '
            f'pixelated; border-radius: 4px"><br><i>{name}</i></div>'
        )
    return f"{FIGURE}{ROW}{images}</div></figure>"
