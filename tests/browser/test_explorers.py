"""The explorers of the later lessons in a real JupyterLab: every slider, button and the pad."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from lab_page import LabPage, drag, opened_and_run, pixels

from ddpm_lessons.data.images import to_uint8
from ddpm_lessons.forward import q_sample
from ddpm_lessons.schedule import linear_schedule

SETUP = """
import torch
from ddpm_lessons.samplers import Step
from ddpm_lessons.schedule import linear_schedule
from ddpm_lessons.bugs import BUGS, Exhibit
from ddpm_lessons.show.bug_widgets import explore_bugs
from ddpm_lessons.show.fast_widgets import compare_samplers
from ddpm_lessons.show.guidance_widgets import explore_guidance
from ddpm_lessons.show.pad_widgets import explore_drawing
from ddpm_lessons.show.sampling_widgets import explore_chains

schedule = linear_schedule()

def flat(level, n=1):
    return torch.full((n, 1, 28, 28), float(level))

def run(*, steps, variance, clip_x0, seed):
    for t in range(steps, -1, -1):
        yield Step(t, flat(t / steps), flat(-t / steps))

def go_back(x_0, t):
    yield Step(t, flat(t / 1000, 9), x_0)
    yield Step(0, flat(-t / 1000, 9), x_0)
"""
CELLS = [
    SETUP,
    "explore_chains(run, steps=(5, 20))",
    "drawn = {w: torch.stack([flat(k / 9 * w / 2, 4) for k in range(10)]) for w in (0., 1., 2.)}\n"
    "explore_guidance(drawn)",
    "compare_samplers(lambda *, sampler, calls, seed: flat(calls / 50, 4), ['one', 'other'])",
    "example = torch.linspace(-1, 1, 784).view(1, 1, 28, 28)\n"
    "explore_drawing(go_back, schedule, example, times=(50, 400, 1000))",
    "pair = flat(-1, 9), flat(1, 9)\n"
    "numbers = {10: (1., 2.), 1000: (1., 2.)}\n"
    "digits = {10: pair, 50: pair}\n"
    "explore_bugs({name: Exhibit(bug, digits, numbers) for name, bug in BUGS.items()})",
]
CHAINS, GUIDANCE, COMPARISON, DRAWING, BUGS = 1, 2, 3, 4, 5
EPS = torch.randn(1, 1, 28, 28, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def notebook(browser, lab) -> Iterator[LabPage]:
    """The notebook, run from top to bottom."""
    with opened_and_run(browser, lab, "explorers.ipynb", CELLS) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _no_complaints(notebook: LabPage) -> Iterator[None]:
    yield
    assert notebook.bad_outputs == []
    assert notebook.complaints == []


def alts(place: object) -> list[str]:
    return [image.get_attribute("alt") for image in place.locator("img:visible").all()]


def shows(notebook: LabPage, place: object, *expected: str) -> None:
    notebook.eventually(lambda: _equal(alts(place), list(expected)))


def _equal(found: object, expected: object) -> None:
    assert found == expected


def test_the_slider_of_chains_shows_every_state(notebook):
    place = notebook.cell(CHAINS).locator(".ddpm-explorer")

    def state(left: int) -> tuple[str, str]:
        return f"{left} steps left: x_t of 1 chains", f"{left} steps left: x0_hat of 1 chains"

    shows(notebook, place, *state(0))
    place.get_by_role("slider", name="steps left").focus()
    notebook.page.keyboard.press("Home")
    for left in range(20, -1, -1):
        shows(notebook, place, *state(left))
        notebook.page.keyboard.press("ArrowRight")
    notebook.page.keyboard.press("Home")  # a handle is dragged, the track is not
    shows(notebook, place, *state(20))
    seen = []
    for _ in drag(notebook.page, place.locator(".ddpm-time .noUi-target"), (0.0, 1.0), moves=8):
        notebook.page.wait_for_timeout(50)
        seen.append(int(alts(place)[0].split()[0]))
    shows(notebook, place, *state(0))
    assert seen[0] == 20
    assert seen == sorted(seen, reverse=True)
    place.get_by_label("steps", exact=True).select_option("5")
    place.get_by_role("button", name="Sample").click()
    slider = place.get_by_role("slider", name="steps left")  # it is made anew for another range
    notebook.eventually(lambda: _equal(slider.get_attribute("aria-valuemax"), "5.0"))
    slider.focus()
    notebook.page.keyboard.press("Home")
    shows(notebook, place, *state(5))


def test_label_and_weight_of_guidance_are_two_sliders(notebook):
    place = notebook.cell(GUIDANCE).locator(".ddpm-explorer")
    for name, key, label, weight in (
        ("label", "Home", 0, 1),
        ("weight", "End", 0, 2),
        ("label", "End", 9, 2),
        ("weight", "Home", 9, 0),
        ("weight", "ArrowRight", 9, 1),
    ):
        place.get_by_role("slider", name=name).focus()
        notebook.page.keyboard.press(key)
        shows(notebook, place, f"4 digits, asked for {label} with weight {weight}")
    grey = int(to_uint8(torch.full((1,), 0.5)).item())  # label 9, weight 1
    found = pixels(place.locator("img:visible"))
    assert grey in np.unique(found)
    for slider, end in (("label", "for 9"), ("weight", "weight 2")):
        place.get_by_role("slider", name=slider).focus()
        notebook.page.keyboard.press("Home")
        notebook.eventually(lambda end=end: _equal(end in alts(place)[0], False))
        track = place.locator(".widget-slider", has_text=slider).locator(".noUi-target")
        assert len(list(drag(notebook.page, track, (0.0, 1.0), moves=6))) == 7
        notebook.eventually(lambda end=end: _equal(end in alts(place)[0], True))


def test_the_comparison_draws_what_its_controls_say(notebook):
    place = notebook.cell(COMPARISON).locator(".ddpm-explorer")
    expected = "4 digits by {} in {} calls of the network"
    shows(notebook, place, expected.format("one", 10), expected.format("other", 10))
    place.get_by_label("left").select_option("other")
    place.get_by_label("calls").select_option("50")
    place.get_by_role("button", name="Draw").click()
    shows(notebook, place, *2 * [expected.format("other", 50)])


def scribble(notebook: LabPage, paper: object) -> None:
    """A seven, by mouse."""
    box = paper.bounding_box()
    line = [(0.3, 0.25), (0.7, 0.25), (0.45, 0.8)]
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in line]
    notebook.page.mouse.move(*places[0])
    notebook.page.mouse.down()
    for place in places[1:]:
        notebook.page.mouse.move(*place, steps=8)
    notebook.page.mouse.up()


def test_a_drawing_is_noised_and_comes_back(notebook):
    place = notebook.cell(DRAWING).locator(".ddpm-explorer")
    before = pixels(place.locator("img:visible").first)
    scribble(notebook, place.locator("canvas.paper"))
    small = "(canvas) => [...canvas.getContext('2d').getImageData(0, 0, 28, 28).data]"
    image = place.locator("img:visible").first
    notebook.eventually(lambda: _equal((pixels(image) != before).any(), True))
    in_browser = np.array(place.locator("canvas.digit").evaluate(small))[::4].reshape(28, 28)
    drawn = pixels(image)
    assert np.abs(drawn.astype(int) - in_browser).max() <= 1
    assert drawn[:12].max() > 200  # the bar of the seven
    assert drawn[16:, 20:].max() == 0
    x_0 = torch.from_numpy(drawn).float().div(127.5).sub(1).view(1, 1, 28, 28)
    place.get_by_role("slider", name="noise it to t").focus()
    for key, t in (("Home", 50), ("ArrowRight", 400), ("End", 1000)):
        notebook.page.keyboard.press(key)
        x_t = to_uint8(q_sample(x_0, linear_schedule().at(t), EPS))[0, 0].numpy().astype(int)

        def noised(x_t=x_t) -> None:
            found = pixels(place.locator("img:visible").nth(1)).astype(int)
            assert np.abs(found - x_t).max() <= 2  # the drawing itself was rounded to bytes

        notebook.eventually(noised)
    place.get_by_role("button", name="Go back from every t").click()
    notebook.eventually(lambda: _equal(len(alts(place)), 3))
    assert alts(place)[2].startswith("what comes back: t = 1000")
    place.get_by_role("button", name="Clear").click()
    notebook.eventually(lambda: _equal((pixels(image) == before).all(), True))


def test_a_bug_and_the_steps_are_chosen_by_keys_alone(notebook):
    place = notebook.cell(BUGS).locator(".ddpm-explorer")

    def digits(steps: int, name: str) -> list[str]:
        return [
            f"9 digits in {steps} steps, {which} the bug: {name}" for which in ("without", "with")
        ]

    shows(notebook, place, *digits(10, "noise at the last step"))
    for name, key in (("bytes that wrap", "Space"), ("told t - 1", "Enter")):
        place.get_by_role("button", name=name, exact=True).focus()
        notebook.page.keyboard.press(key)
        shows(notebook, place, *digits(10, name))
    place.get_by_role("button", name="50 steps").focus()
    notebook.page.keyboard.press("Space")
    shows(notebook, place, *digits(50, "told t - 1"))
    with notebook.busy():  # nothing asks the kernel
        place.get_by_role("button", name="nats called bits").click()
        shows(notebook, place, *digits(50, "nats called bits"))
