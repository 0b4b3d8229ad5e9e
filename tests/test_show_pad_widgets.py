"""The pad's explorer noises what is drawn, and goes back from every t when it is asked to."""

import pytest
import torch

from ddpm_lessons.forward import q_sample
from ddpm_lessons.samplers import Step
from ddpm_lessons.schedule import linear_schedule
from ddpm_lessons.show.pad_widgets import DigitPad, drawing_frame, explore_drawing
from ddpm_lessons.show.pictures import describe

SCHEDULE = linear_schedule()
EXAMPLE = torch.linspace(-1, 1, 784).view(1, 1, 28, 28)
TIMES = (100, 900)


class Recorder:
    """Two chains of flat images, and what it was asked for."""

    def __init__(self) -> None:
        self.asked = []

    def __call__(self, x_0, t):
        self.asked.append((x_0.clone(), t))
        yield Step(t, torch.full((2, 1, 28, 28), t / 1000), x_0)
        yield Step(0, torch.full((2, 1, 28, 28), -t / 1000), x_0)


def parts(view):
    left, right = view.children
    pad, button = left.children
    stack, time, error = right.children
    return pad, button, stack, time, error


def noised(x_0, t):
    eps = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(0))
    x_t = q_sample(x_0, SCHEDULE.at(t), eps)
    return drawing_frame({"drawing": x_0, "with noise": x_t}, describe(SCHEDULE, t), 160)


def test_the_slider_noises_the_example_until_something_is_drawn():
    run = Recorder()
    pad, _, stack, time, _ = parts(explore_drawing(run, SCHEDULE, EXAMPLE, times=TIMES))
    assert time.options == ("100", "900")
    assert [frame.value for frame in stack.children] == [noised(EXAMPLE, t) for t in TIMES]
    drawn = EXAMPLE.flip(-1)
    pad.pixels = drawn.flatten().tolist()
    assert [frame.value for frame in stack.children] == [noised(drawn, t) for t in TIMES]
    pad.pixels = []  # Clear
    assert [frame.value for frame in stack.children] == [noised(EXAMPLE, t) for t in TIMES]
    assert run.asked == []  # no network for a slider or a line


def test_the_button_goes_back_from_every_t():
    run = Recorder()
    names = {0.1: "a 1", 0.9: "a 9"}
    view = explore_drawing(
        run, SCHEDULE, EXAMPLE, times=TIMES, names=lambda x: names[round(-x.mean().item(), 1)]
    )
    pad, button, stack, *_ = parts(view)
    pad.pixels = EXAMPLE.flip(-1).flatten().tolist()
    button.click()
    assert [t for _, t in run.asked] == list(TIMES)
    for (x_0, t), frame in zip(run.asked, stack.children, strict=True):
        assert (x_0 == EXAMPLE.flip(-1)).all()
        words = f"{describe(SCHEDULE, t)}; read as: a {t // 100}"
        flat = torch.full((2, 1, 28, 28), t / 1000)
        panels = {"drawing": x_0, "with noise": flat[:1], "what comes back": -flat}
        assert frame.value == drawing_frame(panels, words, 160)


def test_an_error_is_shown_and_the_button_can_be_pressed_again(caplog):
    def broken(x_0, t):
        raise RuntimeError("no network here")

    _, button, _, _, error = parts(explore_drawing(broken, SCHEDULE, EXAMPLE, times=TIMES))
    button.click()  # ipywidgets catches what a callback raises, and logs it
    assert "no network here" in caplog.text
    assert "no network here" in error.value
    assert not button.disabled


def test_what_is_sent_is_a_digit_or_nothing():
    pad = DigitPad()
    assert pad.image() is None
    pad.pixels = [1.5] * 784
    assert (pad.image() == torch.ones(1, 1, 28, 28)).all()
    pad.pixels = [0.0] * 783  # of another version of the script
    assert pad.image() is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"run": 3}, "run is 3"),
        ({"example": torch.zeros(1, 28, 28)}, "example"),
        ({"example": torch.zeros(2, 1, 28, 28)}, "example has shape"),
        ({"times": ()}, "times is empty"),
        ({"times": (0,)}, "times is 0"),
        ({"times": (1001,)}, "times is 1001"),
        ({"width": 0}, "width is 0"),
    ],
)
def test_wrong_arguments_are_named(change, words):
    given = {"run": Recorder(), "example": EXAMPLE, "times": TIMES, "width": 160} | change
    run, example = given.pop("run"), given.pop("example")
    with pytest.raises(ValueError, match=words):
        explore_drawing(run, SCHEDULE, example, **given)
