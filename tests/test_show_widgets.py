"""The explorers without a browser: what the controls compute, and what is seen when it fails."""

import base64
import io
import re

import ipywidgets as W
import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_lessons.data.digits import Digits
from ddpm_lessons.data.images import to_uint8
from ddpm_lessons.posterior import q_posterior
from ddpm_lessons.schedule import SCHEDULES, cosine_schedule, linear_schedule
from ddpm_lessons.show.widgets import FRAMES, explore_forward, explore_posterior


@pytest.fixture(scope="module")
def digits() -> Digits:
    levels = torch.randint(0, 256, (20, 1, 28, 28), generator=torch.Generator().manual_seed(5))
    return Digits(levels.to(torch.uint8), torch.arange(20) % 10)


def control(view: W.Widget, name: str) -> W.Widget:
    """The control with this description."""
    return next(w for w in widgets(view) if getattr(w, "description", None) == name)


def widgets(view: W.Widget) -> list[W.Widget]:
    return [view, *(w for child in getattr(view, "children", ()) for w in widgets(child))]


def stack(view: W.Widget) -> W.Stack:
    return next(w for w in widgets(view) if isinstance(w, W.Stack))


def text(view: W.Widget) -> str:
    """All that the explorer says outside its stack."""
    frames = stack(view).children if any(isinstance(w, W.Stack) for w in widgets(view)) else ()
    return "\n".join(w.value for w in widgets(view) if isinstance(w, W.HTML) and w not in frames)


def image(frame: W.HTML) -> np.ndarray:
    data = re.search(r'src="data:image/png;base64,([^"]+)"', frame.value).group(1)
    return np.array(Image.open(io.BytesIO(base64.b64decode(data))))


def check(view: W.Widget, x_0: torch.Tensor, seed: int, schedule) -> None:
    """Every frame under the slider is x_t by Eq. (4), for the t that the slider shows."""
    time = control(view, "timestep t")
    eps = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(seed))
    assert (time.options[0], time.options[-1]) == ("0", str(schedule.T))
    for label, frame in zip(time.options, stack(view).children, strict=False):
        kept = schedule.alpha_bars[int(label)].item()
        wanted = to_uint8(kept**0.5 * x_0 + (1 - kept) ** 0.5 * eps)[0, 0].numpy()
        assert np.abs(image(frame).astype(int) - wanted.astype(int)).max() <= 1
        signal_and_noise = f"signal {kept**0.5:.2f}, noise {(1 - kept) ** 0.5:.2f}"
        assert f'alt="t = {label}, {signal_and_noise}"' in frame.value
        assert f'<figcaption style="margin-top: 8px">t = {label}, ' in frame.value


def test_forward_explorer_starts_as_asked(digits):
    view = explore_forward(digits, T=1000, digit=3, seed=9)
    check(view, digits.x_0([3]), 9, linear_schedule())
    assert len(control(view, "timestep t").options) == FRAMES
    assert control(view, "timestep t").label == "400"
    assert stack(view).selected_index == control(view, "timestep t").index


def test_forward_explorer_follows_every_control(digits):
    view = explore_forward(digits)
    check(view, digits.x_0([7]), 0, linear_schedule())
    control(view, "digit").value = 2
    check(view, digits.x_0([2]), 0, linear_schedule())
    control(view, "which one").value = 1
    check(view, digits.x_0([12]), 0, linear_schedule())
    control(view, "seed").value = 31
    check(view, digits.x_0([12]), 31, linear_schedule())
    control(view, "schedule").value = "cosine"
    check(view, digits.x_0([12]), 31, cosine_schedule())
    control(view, "T").value = 50
    check(view, digits.x_0([12]), 31, SCHEDULES["cosine"](50))


def test_the_timestep_keeps_its_place_when_T_changes(digits):
    view = explore_forward(digits)
    time = control(view, "timestep t")
    for T, label in ((500, "200"), (10, "4"), (1000, "400")):
        control(view, "T").value = T
        assert time.label == label
        assert stack(view).selected_index == time.index


def test_the_timestep_slider_is_linked_in_the_browser_and_asks_no_python(digits, monkeypatch):
    links = []
    monkeypatch.setattr(W, "jslink", lambda *ends: links.append(ends))
    view = explore_forward(digits)
    time = control(view, "timestep t")
    assert links == [((time, "index"), (stack(view), "selected_index"))]
    before = [frame.value for frame in stack(view).children]
    time.index = 3
    assert [frame.value for frame in stack(view).children] == before


def test_forward_explorer_warns_where_x_T_is_not_noise(digits):
    view = explore_forward(digits, T=50)
    assert "alpha_bar_T is 0.603 at T = 50" in text(view)
    control(view, "T").value = 1000
    assert "alpha_bar_T" not in text(view)


def test_a_new_schedule_appears_in_the_menu(digits):
    view = explore_forward(digits, schedules={"steep": lambda T: linear_schedule(T, beta_T=0.1)})
    assert control(view, "schedule").options == ("steep",)
    check(view, digits.x_0([7]), 0, linear_schedule(1000, beta_T=0.1))


def fail_at(T: int):
    def make(given: int):
        if given == T:
            raise RuntimeError("no <schedule> today")
        return linear_schedule(given)

    return make


def test_what_goes_wrong_in_a_callback_is_shown_and_raised(digits):
    view = explore_forward(digits, schedules={"broken": fail_at(500)})
    with pytest.raises(RuntimeError, match="today"):
        control(view, "T").value = 500
    assert "RuntimeError: no &lt;schedule&gt; today" in text(view)
    assert 'role="alert"' in text(view)
    control(view, "T").value = 1000
    assert "RuntimeError" not in text(view)


def test_what_goes_wrong_at_once_is_raised(digits):
    with pytest.raises(RuntimeError, match="today"):
        explore_forward(digits, schedules={"broken": fail_at(1000)})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"digit": 10}, "digit is 10"),
        ({"digit": "7"}, "digit is '7'"),
        ({"T": 0}, "T is 0"),
        ({"T": 10.5}, "T is 10.5"),
        ({"seed": -1}, "seed is -1"),
        ({"schedules": {}}, "schedules is"),
    ],
)
def test_forward_explorer_refuses(digits, arguments, message):
    with pytest.raises(ValueError, match=message):
        explore_forward(digits, **arguments)


def numbers(x_0: float, x_t: float, c) -> list[str]:
    p = q_posterior(x_0, x_t, c)
    weights = q_posterior(1.0, 0.0, c).mean, q_posterior(0.0, 1.0, c).mean
    return [
        f"{weights[0]:.4g} · x₀ + {weights[1]:.4g} · xₜ = <b>{p.mean:.4g}</b>",
        f"√β̃ₜ = <b>{p.var**0.5:.4g}</b>",
        f"βₜ = {c.beta:.4g}, ᾱₜ₋₁ = {c.alpha_bar_prev:.4g}, ᾱₜ = {c.alpha_bar:.4g}",
    ]


def test_posterior_explorer_follows_every_control():
    view = explore_posterior(x_0=-0.5, x_t=1.0, t=20)
    assert all(line in text(view) for line in numbers(-0.5, 1.0, linear_schedule().at(20)))
    control(view, "x₀").value = 0.25
    assert all(line in text(view) for line in numbers(0.25, 1.0, linear_schedule().at(20)))
    control(view, "xₜ").value = -2.0
    assert all(line in text(view) for line in numbers(0.25, -2.0, linear_schedule().at(20)))
    control(view, "schedule").value = "cosine"
    assert all(line in text(view) for line in numbers(0.25, -2.0, cosine_schedule().at(20)))
    for t in (1, 2, 999, 1000):
        control(view, "t").value = t
        assert all(line in text(view) for line in numbers(0.25, -2.0, cosine_schedule().at(t)))
        assert "nan" not in text(view)


@pytest.mark.parametrize("T", [1, 4, 50])
def test_posterior_explorer_takes_any_T_without_a_warning(T, recwarn):
    view = explore_posterior(T=T, t=1)
    assert control(view, "t").max == T
    assert list(recwarn) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"t": 0}, "t is 0"),
        ({"t": 1001}, "t is 1001"),
        ({"T": 0}, "T is 0"),
        ({"x_0": 1.5}, r"x_0 is 1.5, expected a number in \[-1, 1\]"),
        ({"x_t": float("nan")}, "x_t is nan"),
        ({"x_t": "0.6"}, "x_t is '0.6'"),
        ({"schedules": {}}, "schedules is"),
    ],
)
def test_posterior_explorer_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        explore_posterior(**arguments)
