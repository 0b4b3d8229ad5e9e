"""The explorer of lesson 09: two samplers, the same x_T, as many calls of the network for each.

The button asks the kernel, which runs the network for a moment; no slider does.
"""

import html
from collections.abc import Callable, Sequence

import ipywidgets as W
from torch import Tensor

from ddpm_lessons.door import check_choice, check_images, check_index
from ddpm_lessons.show.chains import grid
from ddpm_lessons.show.drawings import FIGURE, ON_LOAD, ROW
from ddpm_lessons.show.pictures import picture
from ddpm_lessons.show.widgets import at_work

_NARROW = {"layout": {"width": "210px"}, "style": {"description_width": "76px"}}


def compare_samplers(
    run: Callable[..., Tensor],
    samplers: Sequence[str],
    *,
    calls: Sequence[int] = (5, 10, 20, 50),
    seed: int = 0,
    width: int = 240,
) -> W.Widget:
    """Choose two samplers, their calls of the network and the seed of x_T, then press.

    run: run(sampler=..., calls=..., seed=...) gives images (B, C, H, W) in [-1, 1]; it is called
    for both samplers at the start and at each press. samplers: their names, the first two chosen
    first. calls: the choices, the second one first where there are two. width: of each picture on
    the page, in pixels, at least. Raises ValueError.
    """
    if not callable(run):
        raise ValueError(f"run is {run!r}, expected a function that gives images")
    if len(samplers) < 2:
        raise ValueError(f"samplers is {samplers!r}, expected at least two names")
    for number in calls:
        check_index("calls", number, 1, 10_000)
    check_index("seed", seed, 0, 10**9)
    check_index("width", width, 1, 10_000)
    return _Comparison(run, tuple(samplers), tuple(calls), seed=seed, width=width).view


class _Comparison:
    def __init__(
        self, run: Callable, samplers: tuple, calls: tuple, *, seed: int, width: int
    ) -> None:
        first = calls[min(1, len(calls) - 1)] if calls else None
        check_choice("calls", first, calls)
        self.run, self.width = run, width
        self.names = [
            W.Dropdown(options=samplers, value=value, description=side, **_NARROW)
            for side, value in zip(("left", "right"), samplers, strict=False)
        ]
        self.calls = W.Dropdown(options=calls, value=first, description="calls", **_NARROW)
        self.seed = W.BoundedIntText(value=seed, min=0, max=10**9, description="seed", **_NARROW)
        self.button = W.Button(description="Draw", button_style="primary", icon="play")
        self.picture, self.error = W.HTML(), W.HTML()
        self.button.on_click(self.on_click)
        self.update()
        controls = [*self.names, self.calls, self.seed, self.button]
        left = W.VBox(controls, layout=W.Layout(margin="0 24px 12px 0"))
        right = W.VBox([self.picture, self.error])
        self.view = W.HBox([left, right], layout=W.Layout(flex_flow="row wrap"))
        self.view.add_class("ddpm-explorer")

    def on_click(self, _: object) -> None:
        """Draw with both. What goes wrong is shown below the picture, and raised as well."""
        with at_work(self.button, self.error, "Drawing ..."):
            self.update()

    def update(self) -> None:
        """Draw with both samplers what the controls ask for."""
        names, calls = [name.value for name in self.names], self.calls.value
        drawn = [self.run(sampler=name, calls=calls, seed=self.seed.value) for name in names]
        self.picture.value = comparison(names, drawn, calls=calls, width=self.width)


def comparison(names: Sequence[str], drawn: Sequence[Tensor], *, calls: int, width: int) -> str:
    """Two sets of images (B, C, H, W) side by side as HTML, and how far they are apart.

    Raises ValueError where one is no batch of finite images.
    """
    images = ""
    for name, x in zip(names, drawn, strict=True):
        check_images("drawn", x)
        shown = picture(grid(x), width)
        alt = html.escape(f"{len(x)} digits by {name} in {calls} calls of the network")
        images += (
            f'<div style="text-align: center"><img src="{shown.uri}" width="{shown.width}" '
            f'height="{shown.height}" alt="{alt}" onload="{ON_LOAD}" style="image-rendering: '
            f'pixelated; border-radius: 4px"><br>{html.escape(name)}, {calls} calls</div>'
        )
    apart = (drawn[0].clamp(-1, 1) - drawn[1].clamp(-1, 1)).abs().mean().item() / 2
    words = f"A pixel differs by {apart:.1%} of the way from paper to ink, on average."
    return f"{FIGURE}{ROW}{images}</div><p>{words}</p></figure>"
