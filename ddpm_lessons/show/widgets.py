"""Explorers: controls that change what is computed. The only module that imports ipywidgets.

Digit, schedule, T and seed ask the kernel. The timestep slider of `explore_forward` does not: its
pictures lie ready in the browser. No callback runs a network.
"""

import html
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import ipywidgets as W
import torch

from ddpm_lessons.data.digits import Digits
from ddpm_lessons.door import check_choice, check_index
from ddpm_lessons.schedule import SCHEDULES, NoiseLeftWarning, NoiseSchedule
from ddpm_lessons.show.chains import forward_states, spread
from ddpm_lessons.show.drawings import forward_drawing, posterior_drawing

FRAMES = 51  # pictures that lie ready under the timestep slider
STEPS = (4, 10, 50, 100, 200, 500, 1000)  # the choices of T

Schedules = Mapping[str, Callable[[int], NoiseSchedule]]


def explore_forward(
    digits: Digits,
    *,
    schedules: Schedules = SCHEDULES,
    T: int = 1000,
    digit: int = 7,
    seed: int = 0,
) -> W.Widget:
    """The forward process in the reader's hands: choose a digit, a schedule, T and the seed.

    Shows x_t for t = 0 ... T by Eq. (4), all with the one eps of `seed`, and the amplitudes of
    signal and noise. schedules: functions of T, by name. T, digit: the first choices. Raises
    ValueError where one is impossible.
    """
    return _ForwardExplorer(digits, schedules, T=T, digit=digit, seed=seed).view


def explore_posterior(
    *,
    schedules: Schedules = SCHEDULES,
    T: int = 1000,
    x_0: float = 0.8,
    x_t: float = 0.6,
    t: int = 500,
) -> W.Widget:
    """The posterior q(x_{t-1} | x_t, x_0) of one pixel, Eq. (6, 7): move x_0, x_t and t.

    Prior and likelihood are drawn with it, and its mean stands below in numbers. schedules:
    functions of T, by name. x_0 in [-1, 1], x_t in [-3, 3] and t in 1..T: the first choices.
    Raises ValueError where one is impossible.
    """
    return _PosteriorExplorer(schedules, T, x_0=x_0, x_t=x_t, t=t).view


class _Explorer:
    """Controls on the left, a picture on the right, and a place where errors are shown."""

    def assemble(self, controls: list[W.Widget], picture: list[W.Widget]) -> W.Widget:
        """Draw once, then whenever a control changes; return the whole as one widget."""
        self.error = W.HTML()
        self.update()
        for control in controls:
            control.observe(self.on_change, "value")
        left = W.VBox(controls, layout=W.Layout(margin="0 24px 12px 0"))
        right = W.VBox([*picture, self.error])
        box = W.HBox([left, right], layout=W.Layout(flex_flow="row wrap"))
        return box.add_class("ddpm-explorer")

    def on_change(self, _: object) -> None:
        """Draw anew. What goes wrong is shown beside the picture, and raised as well."""
        try:
            self.update()
        except Exception:
            self.error.value = _error(traceback.format_exc())
            raise
        self.error.value = ""

    def update(self) -> None:
        raise NotImplementedError


class _ForwardExplorer(_Explorer):
    def __init__(
        self, digits: Digits, schedules: Schedules, *, T: int, digit: int, seed: int
    ) -> None:
        _check_schedules(schedules)
        classes = tuple(digits.labels.unique().tolist())
        check_choice("digit", digit, classes)
        T, seed = check_index("T", T, 1, 10_000), check_index("seed", seed, 0, 10**9)
        self.digits, self.schedules = digits, schedules
        self.digit = _dropdown("digit", classes, digit)
        self.example = _whole_number("which one", 0, 0)
        self.schedule = _dropdown("schedule", schedules, next(iter(schedules)))
        self.T = _dropdown("T", sorted({*STEPS, T}), T)
        self.seed = _whole_number("seed", seed, 10**9)
        self.time = W.SelectionSlider(
            options=["0"],
            description="timestep t",
            style={"description_width": "initial"},
            layout=W.Layout(width="600px", max_width="98%"),
        ).add_class("ddpm-time")
        style, layout = W.HTML().style, W.Layout(margin="0")  # shared by all: fewer messages
        self.frames = [W.HTML(style=style, layout=layout) for _ in range(FRAMES)]
        self.stack, self.note = W.Stack(self.frames, selected_index=0), W.HTML()
        self.link = W.jslink((self.time, "index"), (self.stack, "selected_index"))
        controls = [self.digit, self.example, self.schedule, self.T, self.seed]
        self.view = self.assemble(controls, [self.stack, self.time, self.note])

    def update(self) -> None:
        """Compute the pictures for the controls as they stand, and hand them to the browser."""
        rows = (self.digits.labels == self.digit.value).nonzero().flatten()
        self.example.max = len(rows) - 1
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", NoiseLeftWarning)
            schedule = self.schedules[self.schedule.value](self.T.value)
        self.note.value = "".join(_warning(str(warning.message)) for warning in caught)
        ts = spread(schedule.T, FRAMES)
        states = forward_states(
            self.digits.x_0(rows[[self.example.value]]).cpu(),
            schedule,
            ts,
            generator=torch.Generator().manual_seed(self.seed.value),
        )
        for frame, t, x_t in zip(self.frames, ts, states, strict=False):
            frame.value = forward_drawing(x_t[0], schedule, t)
        self.set_timesteps(tuple(str(t) for t in ts))

    def set_timesteps(self, labels: tuple[str, ...]) -> None:
        """Give the slider its timesteps; it keeps its place between 0 and T."""
        before = self.time.options
        if labels == before:
            return
        place = self.time.index / (len(before) - 1) if len(before) > 1 else 0.4
        with self.time.hold_sync():
            self.time.options = labels
            self.time.index = round(place * (len(labels) - 1))
        self.stack.selected_index = self.time.index


class _PosteriorExplorer(_Explorer):
    def __init__(self, schedules: Schedules, T: int, *, x_0: float, x_t: float, t: int) -> None:
        _check_schedules(schedules)
        check_index("T", T, 1, 10_000)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NoiseLeftWarning)  # one step back is right at any T
            self.schedules = {name: make(T) for name, make in schedules.items()}
        self.x_0 = _number("x₀", "x_0", x_0, 1.0)
        self.x_t = _number("xₜ", "x_t", x_t, 3.0)
        self.t = W.IntSlider(
            value=check_index("t", t, 1, T), min=1, max=T, description="t", **_WIDE
        )
        self.schedule = _dropdown("schedule", schedules, next(iter(schedules)))
        self.picture = W.HTML()
        self.view = self.assemble([self.x_0, self.x_t, self.t, self.schedule], [self.picture])

    def update(self) -> None:
        """Draw the posterior for the controls as they stand."""
        t = self.t.value
        c = self.schedules[self.schedule.value].at(t)
        self.picture.value = posterior_drawing(self.x_0.value, self.x_t.value, c, t=t)


_NARROW = {"layout": {"width": "210px"}, "style": {"description_width": "76px"}}
_WIDE = {"layout": {"width": "290px"}, "style": {"description_width": "76px"}}


def _check_schedules(schedules: Schedules) -> None:
    if not schedules:
        raise ValueError(f"schedules is {schedules!r}, expected functions of T, by name")


def _dropdown(name: str, options: object, value: object) -> W.Dropdown:
    return W.Dropdown(options=list(options), value=value, description=name, **_NARROW)


def _whole_number(name: str, value: int, highest: int) -> W.BoundedIntText:
    return W.BoundedIntText(value=value, min=0, max=highest, description=name, **_NARROW)


def _number(label: str, name: str, value: float, limit: float) -> W.FloatSlider:
    if not isinstance(value, (int, float)) or not -limit <= value <= limit:
        raise ValueError(f"{name} is {value!r}, expected a number in [-{limit:g}, {limit:g}]")
    return W.FloatSlider(value=value, min=-limit, max=limit, step=0.05, description=label, **_WIDE)


def _warning(text: str) -> str:
    return f'<p style="margin: 4px 0; line-height: 1.4">⚠ {html.escape(text)}</p>'


@contextmanager
def at_work(button: W.Button, error: W.HTML, words: str) -> Iterator[None]:
    """While a button's job runs, the button is dead and says so. What goes wrong is shown in
    `error`, and raised as well.
    """
    name = button.description
    button.disabled, button.description = True, words
    error.value = ""
    try:
        yield
    except Exception:
        error.value = _error(traceback.format_exc())
        raise
    finally:
        button.disabled, button.description = False, name


def _error(text: str) -> str:
    return (
        '<pre role="alert" style="margin: 8px 0; padding: 8px; border: 2px solid #d62728; '
        f'white-space: pre-wrap; line-height: 1.3">{html.escape(text)}</pre>'
    )
