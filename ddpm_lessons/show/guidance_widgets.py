"""The explorer of lesson 10: two sliders, a label and a weight, over digits that lie ready.

Both sliders work in the browser: the pictures of all choices are there, and no kernel is asked.
"""

import html
from collections.abc import Mapping

import ipywidgets as W
from torch import Tensor

from ddpm_lessons.door import check_images, check_index, check_number
from ddpm_lessons.show.chains import grid
from ddpm_lessons.show.drawings import FIGURE, ON_LOAD
from ddpm_lessons.show.pictures import picture


def explore_guidance(
    drawn: Mapping[float, Tensor], *, label: int = 7, weight: float = 1.0, width: int = 330
) -> W.Widget:
    """Digits of a label, drawn with a weight: move both.

    drawn: for each weight the images (K, N, C, H, W) in [-1, 1], N for each of K labels. label,
    weight: the first choices. width: of the picture on the page, in pixels, at least. Raises
    ValueError where there is nothing to show, or a first choice is not there.
    """
    labels, width = _check(drawn), check_index("width", width, 1, 10_000)
    if weight not in drawn or label not in labels:
        found = f"label is {label!r} and weight {weight!r}"
        raise ValueError(f"{found}, expected one of {list(labels)} and one of {list(drawn)}")
    style, layout = W.HTML().style, W.Layout(margin="0")  # shared by all: fewer messages
    label_slider = _slider("label", labels, label)
    weight_slider = _slider("weight", drawn, weight)
    stacks = []
    for k in labels:
        frames = [
            W.HTML(guided_digits(x[k], label=k, weight=w, width=width), style=style, layout=layout)
            for w, x in drawn.items()
        ]
        stacks.append(W.Stack(frames, selected_index=weight_slider.index))
    outer = W.Stack(stacks, selected_index=label_slider.index)
    view = W.VBox([label_slider, weight_slider, outer]).add_class("ddpm-explorer")
    links = [W.jslink((weight_slider, "index"), (stack, "selected_index")) for stack in stacks]
    view.links = [*links, W.jslink((label_slider, "index"), (outer, "selected_index"))]
    return view


def guided_digits(x: Tensor, *, label: int, weight: float, width: int) -> str:
    """The images (N, C, H, W) as HTML, with a line that says what was asked for."""
    shown = picture(grid(x), width)
    words = html.escape(f"{len(x)} digits, asked for {label} with weight {weight:g}")
    return (
        f'{FIGURE}<img src="{shown.uri}" width="{shown.width}" height="{shown.height}" '
        f'alt="{words}" onload="{ON_LOAD}" style="image-rendering: pixelated; border-radius: 4px">'
        f"<figcaption>{words}</figcaption></figure>"
    )


def _check(drawn: object) -> range:
    """The labels that all weights have images of."""
    if not isinstance(drawn, Mapping) or not drawn:
        raise ValueError(f"drawn is {drawn!r}, expected images for each weight")
    for weight, x in drawn.items():
        check_number("a weight of drawn", weight, "[0, inf)")
        check_images("drawn", x)
    shapes = {tuple(x.shape) for x in drawn.values()}
    if len(shapes) > 1 or len(next(iter(shapes))) != 5:
        raise ValueError(f"drawn has the shapes {sorted(shapes)}, expected one, (K, N, C, H, W)")
    return range(next(iter(shapes))[0])


def _slider(name: str, options: object, value: object) -> W.SelectionSlider:
    return W.SelectionSlider(
        options=[f"{option:g}" for option in options],
        value=f"{value:g}",
        description=name,
        style={"description_width": "60px"},
        layout=W.Layout(width="420px", max_width="98%"),
    )
