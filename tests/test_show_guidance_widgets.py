"""The explorer of guidance: both sliders choose among pictures that lie ready."""

import pytest
import torch

from ddpm_lessons.show.guidance_widgets import explore_guidance, guided_digits


def flat(k: int, weight: float) -> torch.Tensor:
    """Two images of one grey, which says what they are."""
    return torch.full((2, 1, 8, 8), (10 * k + weight) / 100)


DRAWN = {w: torch.stack([flat(k, w) for k in range(3)]) for w in (0, 1, 2.5, 8)}


def parts(view):
    label, weight, outer = view.children
    return label, weight, outer


def test_each_place_holds_the_pictures_of_its_label_and_weight():
    label, weight, outer = parts(explore_guidance(DRAWN, label=1, weight=2.5, width=60))
    assert label.options == ("0", "1", "2")
    assert weight.options == ("0", "1", "2.5", "8")
    for k, stack in enumerate(outer.children):
        for w, frame in zip(DRAWN, stack.children, strict=True):
            assert frame.value == guided_digits(flat(k, w), label=k, weight=w, width=60)
    assert (label.value, weight.value) == ("1", "2.5")
    assert outer.selected_index == 1
    assert [stack.selected_index for stack in outer.children] == [2, 2, 2]


def test_the_sliders_are_linked_in_the_browser():
    view = explore_guidance(DRAWN, label=0, width=60)
    *_, outer = parts(view)
    targets = {
        (link.source[0].description, link.source[1], id(link.target[0]), link.target[1])
        for link in view.links
    }
    wanted = {("weight", "index", id(stack), "selected_index") for stack in outer.children}
    assert targets == wanted | {("label", "index", id(outer), "selected_index")}


def test_a_picture_says_what_was_asked_for():
    html = guided_digits(flat(7, 1.5), label=7, weight=1.5, width=60)
    assert html.count("<img") == 1
    assert 'alt="2 digits, asked for 7 with weight 1.5"' in html
    assert "<figcaption>2 digits, asked for 7 with weight 1.5</figcaption>" in html


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"drawn": {}}, "drawn is {}, expected images for each weight"),
        ({"drawn": None}, "drawn is None"),
        ({"drawn": DRAWN, "label": 3}, r"label is 3 and weight 1.0, expected one of \[0, 1, 2\]"),
        ({"drawn": DRAWN, "label": 0, "weight": 3}, r"weight 3, expected .* \[0, 1, 2.5, 8\]"),
        ({"drawn": {-1: DRAWN[0]}}, "a weight of drawn is -1"),
        ({"drawn": {0: DRAWN[0], 1: DRAWN[1][:2]}}, "drawn has the shapes"),
        ({"drawn": {1: DRAWN[1][0]}}, r"expected one, \(K, N, C, H, W\)"),
        ({"drawn": DRAWN, "label": 0, "width": 0}, "width is 0"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        explore_guidance(**arguments)
