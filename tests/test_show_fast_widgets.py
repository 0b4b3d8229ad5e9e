"""The comparison of samplers asks for what its controls say, and shows what it is given."""

import pytest
import torch

from ddpm_lessons.show.fast_widgets import compare_samplers, comparison


class Recorder:
    """Flat images, darker for every sampler, and what was asked for."""

    def __init__(self) -> None:
        self.asked = []

    def __call__(self, *, sampler, calls, seed):
        self.asked.append((sampler, calls, seed))
        return torch.full((4, 1, 8, 8), {"a": -1.0, "b": 0.0, "c": 3.0}[sampler])


def parts(view):
    left, right = view.children
    return *left.children, *right.children


def test_the_button_asks_both_samplers_for_what_the_controls_say():
    run = Recorder()
    first, second, calls, seed, button, _, _ = parts(compare_samplers(run, "abc", calls=(3, 10)))
    assert run.asked == [("a", 10, 0), ("b", 10, 0)]
    second.value, calls.value, seed.value = "c", 3, 7
    assert len(run.asked) == 2  # nothing runs before the press
    button.click()
    assert run.asked[2:] == [("a", 3, 7), ("c", 3, 7)]
    assert first.value == "a"


def test_the_pictures_are_what_was_drawn_with_their_distance():
    *_, button, picture, _ = parts(compare_samplers(Recorder(), ["a", "b"], calls=[5]))
    black, grey = torch.full((4, 1, 8, 8), -1.0), torch.zeros(4, 1, 8, 8)
    assert picture.value == comparison(["a", "b"], [black, grey], calls=5, width=240)
    assert picture.value.count("<img") == 2
    assert 'alt="4 digits by b in 5 calls of the network"' in picture.value
    assert "differs by 50.0%" in picture.value
    assert button.description == "Draw"


def test_the_distance_is_that_of_the_pictures_and_names_are_escaped():
    white, beyond = torch.ones(1, 1, 8, 8), torch.full((1, 1, 8, 8), 5.0)
    shown = comparison(["<b>", "b"], [white, beyond], calls=1, width=80)
    assert "differs by 0.0%" in shown  # beyond 1 a pixel is white
    assert "<b>" not in shown
    with pytest.raises(ValueError, match=r"^drawn has entries that are NaN"):
        comparison(["a", "b"], [white, white * float("nan")], calls=1, width=80)


def test_an_error_is_shown_and_logged_and_the_button_can_be_pressed_again(caplog):
    class Broken(Recorder):
        def __call__(self, **options):
            if len(self.asked) >= 2:
                raise RuntimeError("<no network>")
            return super().__call__(**options)

    *_, button, _, error = parts(compare_samplers(Broken(), ["a", "b"]))
    button.click()  # ipywidgets catches what a callback raises, and logs it
    assert "<no network>" in caplog.text
    assert "&lt;no network&gt;" in error.value
    assert (button.disabled, button.description) == (False, "Draw")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"run": None}, "run is None, expected a function"),
        ({"samplers": ["a"]}, r"samplers is \['a'\], expected at least two names"),
        ({"calls": (0,)}, "calls is 0"),
        ({"calls": ()}, "calls is None"),
        ({"seed": -1}, "seed is -1"),
        ({"width": 0}, "width is 0"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        compare_samplers(**{"run": Recorder(), "samplers": ["a", "b"], **arguments})
