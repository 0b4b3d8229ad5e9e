"""The explorer of chains asks for what its controls say, and shows the states that it is given."""

import pytest
import torch

from ddpm_lessons.samplers import Step
from ddpm_lessons.show import sampling_widgets
from ddpm_lessons.show.sampling_widgets import chain_drawing, explore_chains


class Recorder:
    """A chain of flat images, and what it was asked for."""

    def __init__(self) -> None:
        self.asked = []

    def __call__(self, *, steps, variance, clip_x0, seed):
        self.asked.append((steps, variance, clip_x0, seed))
        for t in range(steps, -1, -1):
            yield Step(t, torch.full((4, 1, 8, 8), t / 100), torch.zeros(4, 1, 8, 8))


def parts(view):
    left, right = view.children
    steps, variance, clip, seed, button = left.children
    stack, time, error = right.children
    return (steps, variance, clip, seed), button, stack, time, error


def test_the_button_asks_for_what_the_controls_say():
    run = Recorder()
    (steps, variance, clip, seed), button, *_ = parts(explore_chains(run, steps=(3, 10)))
    assert run.asked == [(10, "beta", None, 0)]
    steps.value, variance.value, clip.value, seed.value = 3, "posterior", True, 7
    assert len(run.asked) == 1  # nothing runs before the press
    button.click()
    assert run.asked[1:] == [(3, "posterior", 1.0, 7)]


def test_the_pictures_are_the_states_and_the_slider_ends_at_the_digits():
    view = explore_chains(Recorder(), steps=(60, 3))
    controls, button, stack, time, _ = parts(view)
    assert (time.options, time.index, stack.selected_index) == (("3", "2", "1", "0"), 3, 3)
    for frame, t in zip(stack.children, (3, 2, 1, 0), strict=False):
        state = Step(t, torch.full((4, 1, 8, 8), t / 100), torch.zeros(4, 1, 8, 8))
        assert frame.value == chain_drawing(state, 180)
    button.click()
    assert parts(view)[3] is time  # of the same length, it stays where the reader put it
    controls[0].value = 60
    button.click()
    *_, longer, _ = parts(view)
    assert len(longer.options) == sampling_widgets.FRAMES
    assert (longer.options[0], longer.options[-1]) == ("60", "0")
    assert longer.index == stack.selected_index == sampling_widgets.FRAMES - 1


def test_an_error_is_shown_and_logged_and_the_button_can_be_pressed_again(caplog):
    class Broken(Recorder):
        def __call__(self, **options):
            if self.asked:
                raise RuntimeError("<no network>")
            return super().__call__(**options)

    run = Broken()
    _, button, _, _, error = parts(explore_chains(run))
    button.click()  # ipywidgets catches what a callback raises, and logs it
    assert "<no network>" in caplog.text
    assert "&lt;no network&gt;" in error.value
    assert (button.disabled, button.description) == (False, "Sample")


def test_a_state_is_drawn_with_both_pictures_and_their_words():
    drawing = chain_drawing(Step(2, torch.ones(4, 1, 8, 8), torch.zeros(4, 1, 8, 8)), 100)
    assert drawing.count("<img") == 2
    assert 'alt="2 steps left: x_t of 4 chains"' in drawing
    assert 'alt="2 steps left: x0_hat of 4 chains"' in drawing


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"run": None}, "run is None, expected a function"),
        ({"run": Recorder(), "steps": (0,)}, "steps is 0"),
        ({"run": Recorder(), "steps": ()}, "steps is None"),
        ({"run": Recorder(), "seed": -1}, "seed is -1"),
        ({"run": Recorder(), "width": 0}, "width is 0"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        explore_chains(**arguments)
