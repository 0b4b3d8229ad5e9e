"""The panel of bugs shows what is chosen, without asking the kernel."""

import pytest
import torch

from ddpm_lessons.bugs import BUGS, STEPS, Exhibit
from ddpm_lessons.show.bug_widgets import bug_drawing, difference, explore_bugs, stories


def flat(level):
    return torch.full((4, 1, 8, 8), float(level))


@pytest.fixture
def exhibits():
    numbers = {10: (0.0022, 0.1052), 1000: (0.01015, 0.01025)}
    digits = {steps: (flat(-1), flat(steps / 100)) for steps in STEPS}
    return {name: Exhibit(bug, digits, numbers) for name, bug in BUGS.items()}


def test_every_bug_and_number_of_steps_has_its_own_frame(exhibits):
    view = explore_bugs(exhibits, width=40)
    (bug, steps), outer = view.children[0].children, view.children[1]
    assert list(bug.options) == list(BUGS)
    assert list(steps.options) == ["10 steps", "50 steps"]
    for name, stack in zip(BUGS, outer.children, strict=True):
        for n, frame in zip(STEPS, stack.children, strict=True):
            assert frame.value == bug_drawing(name, exhibits[name], n, width=40)
    frames = [frame.value for stack in outer.children for frame in stack.children]
    assert len(set(frames)) == 20


def test_the_browser_links_the_controls_to_the_frames(exhibits):
    view = explore_bugs(exhibits)
    (bug, steps), outer = view.children[0].children, view.children[1]
    pairs = [(link.source, link.target) for link in view.links]
    assert pairs[-1] == ((bug, "index"), (outer, "selected_index"))
    assert pairs[:-1] == [((steps, "index"), (stack, "selected_index")) for stack in outer.children]
    assert (bug.index, steps.index, outer.selected_index) == (0, 0, 0)


def test_a_frame_says_what_is_to_be_seen(exhibits):
    name = "noise at the last step"
    shown = bug_drawing(name, exhibits[name], 10, width=40)
    assert shown.count("<img") == 2
    assert f'alt="4 digits in 10 steps, without the bug: {name}"' in shown
    assert f'alt="4 digits in 10 steps, with the bug: {name}"' in shown
    for words in ("0.0022", "0.105", "0.0101", "0.0103", BUGS[name].address, "48 times"):
        assert words in shown


def test_the_fix_is_shown_as_a_difference():
    shown = difference(BUGS["noise at the last step"])
    assert "-    return c.beta**0.5</div>" in shown
    assert "+    return 0.0 if last else c.beta**0.5</div>" in shown
    assert shown.count("background") == 2
    assert "-&gt; float" in shown


def test_every_bug_has_a_line_in_the_table_of_stories():
    head, rule, *lines = stories(BUGS).splitlines()
    assert head.count("|") == rule.count("|") == 5
    for (name, bug), line in zip(BUGS.items(), lines, strict=True):
        assert line.count(" | ") == 3
        for words in (name, bug.story, bug.address, bug.at_10, bug.at_1000):
            assert words in line


def test_bad_input_is_named(exhibits):
    with pytest.raises(ValueError, match="exhibits is empty"):
        explore_bugs({})
    with pytest.raises(ValueError, match="width is 0"):
        explore_bugs(exhibits, width=0)
