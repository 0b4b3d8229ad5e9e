"""Every slider, moved by hand in a real JupyterLab; what it shows must be what the library says."""

import warnings
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from lab_page import LabPage, drag, on_screen, opened_and_run, pixels

from ddpm_lessons.data.images import to_uint8
from ddpm_lessons.posterior import q_posterior
from ddpm_lessons.schedule import (
    SCHEDULES,
    Coefficients,
    NoiseLeftWarning,
    NoiseSchedule,
    linear_schedule,
)

SETUP = """
import torch
from ddpm_lessons.data.digits import Digits
from ddpm_lessons.samplers import Step
from ddpm_lessons.schedule import linear_schedule
from ddpm_lessons.show.chains import chain_player, forward_player, forward_states
from ddpm_lessons.show.widgets import explore_forward, explore_posterior

images = torch.randint(0, 256, (20, 1, 28, 28), generator=torch.Generator().manual_seed(5))
digits = Digits(images.to(torch.uint8), torch.arange(20) % 10)
schedule = linear_schedule()
"""
PLAYER = "forward_player(digits[3], schedule, generator=torch.Generator().manual_seed(7), start=40)"
CHAIN = """
generator = torch.Generator().manual_seed(11)
states = forward_states(digits.x_0([4]), schedule, range(0, 1001, 50), generator=generator)
steps = [Step(50 * i, x_t, digits.x_0([4])) for i, x_t in enumerate(states)]
chain_player(reversed(steps), schedule)
"""
FORWARD, POSTERIOR = "explore_forward(digits, T=200, digit=7, seed=3)", "explore_posterior()"
CELLS = [SETUP, PLAYER, CHAIN, FORWARD, POSTERIOR]
AT = {"player": 1, "chain": 2, "forward": 3, "posterior": 4}

SCHEDULE = linear_schedule()


@pytest.fixture(scope="module")
def notebook(browser, lab) -> Iterator[LabPage]:
    """The notebook, run from top to bottom."""
    with opened_and_run(browser, lab, "sliders.ipynb", CELLS) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _no_complaints(notebook: LabPage) -> Iterator[None]:
    yield
    assert notebook.bad_outputs == []
    assert notebook.complaints == []


@pytest.fixture(scope="module")
def digits() -> torch.Tensor:
    """The notebook's digits, (20, 1, 28, 28) in [-1, 1]."""
    images = torch.randint(0, 256, (20, 1, 28, 28), generator=torch.Generator().manual_seed(5))
    return images.to(torch.uint8) / 127.5 - 1


def expected(x_0: torch.Tensor, seed: int, schedule: NoiseSchedule, t: int) -> np.ndarray:
    """The pixels of x_t by Eq. (4), from the arrays of the schedule; x_0 is (1, 1, 28, 28)."""
    eps = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(seed))
    alpha_bar = schedule.alpha_bars[t].item()
    x_t = alpha_bar**0.5 * x_0 + (1 - alpha_bar) ** 0.5 * eps
    return to_uint8(x_t)[0, 0].numpy()


class Player:
    """The HTML player in a cell."""

    def __init__(self, notebook: LabPage, name: str) -> None:
        self.place = notebook.cell(AT[name]).locator(".ddpm-player")
        self.slider = self.place.get_by_role("slider", name="timestep t")
        self.image = self.place.locator("img").first

    @property
    def t(self) -> int:
        return int(self.place.locator("output").inner_text())

    def check(self, x_0: torch.Tensor, seed: int) -> int:
        """Compare picture, alternative text and spoken value with the t that is shown."""
        t = self.t
        near(pixels(self.image), expected(x_0, seed, SCHEDULE, t))
        assert self.image.get_attribute("alt") == self.slider.get_attribute("aria-valuetext")
        assert self.image.get_attribute("alt").startswith(f"t = {t}, signal ")
        assert self.place.locator("figcaption").inner_text().startswith(f"t = {t}, signal ")
        return t


def quiet(name: str, T: int) -> NoiseSchedule:
    """A schedule of T steps, also where it leaves some of the image in x_T."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoiseLeftWarning)
        return SCHEDULES[name](T)


def near(seen: np.ndarray, wanted: np.ndarray) -> None:
    """Equal but for the last grey level, which rounding may change."""
    assert seen.shape == wanted.shape
    assert np.abs(seen.astype(int) - wanted.astype(int)).max() <= 1


def test_player_shows_the_first_picture_sharp_and_large(notebook, digits):
    player = Player(notebook, "player")
    assert player.check(digits[3:4], 7) == 400
    assert player.image.bounding_box()["width"] == 280
    near(on_screen(player.image, 28), expected(digits[3:4], 7, SCHEDULE, 400))


@pytest.mark.parametrize(
    ("keys", "t"),
    [
        (["Home"], 0),
        (["Home", "ArrowRight"], 10),
        (["End"], 1000),
        (["End", "ArrowLeft", "ArrowLeft"], 980),
        (["Home", "ArrowUp"], 10),
        (["End", "PageDown"], 900),
    ],
)
def test_player_obeys_the_keys(notebook, digits, keys, t):
    player = Player(notebook, "player")
    player.slider.focus()
    for key in keys:
        notebook.page.keyboard.press(key)
    assert player.check(digits[3:4], 7) == t


def test_player_keeps_its_keys_from_the_notebook(notebook):
    place = "window.jupyterapp.shell.currentWidget.content.activeCellIndex"
    player = Player(notebook, "player")
    player.slider.click()
    before = notebook.page.evaluate(place)
    for key in ("ArrowDown", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home"):
        notebook.page.keyboard.press(key)
    assert notebook.page.evaluate(place) == before


def test_player_follows_the_mouse(notebook, digits):
    player = Player(notebook, "player")
    seen = [player.check(digits[3:4], 7) for _ in drag(notebook.page, player.slider, (0.01, 0.99))]
    assert seen == sorted(seen)
    assert len(set(seen)) > 20
    assert (seen[0], seen[-1]) == (0, 1000)
    near(on_screen(player.image, 28), expected(digits[3:4], 7, SCHEDULE, 1000))


def test_player_plays_and_pauses(notebook, digits):
    player = Player(notebook, "player")
    player.slider.focus()
    notebook.page.keyboard.press("Home")
    player.place.get_by_role("button", name="Play").click()
    output = "document.querySelector('.ddpm-player output').textContent"
    notebook.wait_until(f"+{output} >= 50")
    player.place.get_by_role("button", name="Pause").click()
    t = player.check(digits[3:4], 7)
    notebook.page.wait_for_timeout(200)
    assert player.t == t
    player.slider.focus()
    notebook.page.keyboard.press(" ")
    notebook.wait_until(f"+{output} > {t}")
    notebook.page.keyboard.press(" ")
    player.check(digits[3:4], 7)


def test_players_are_independent_and_panels_move_together(notebook, digits):
    other, chain = Player(notebook, "player"), Player(notebook, "chain")
    before = other.t
    chain.slider.focus()
    notebook.page.keyboard.press("Home")
    assert chain.t == 1000
    for t in (950, 900, 850):
        notebook.page.keyboard.press("ArrowRight")
        assert chain.t == t
        x_t, x0_hat = chain.place.locator("img").all()
        assert x_t.get_attribute("alt").startswith(f"x_t: t = {t}, signal")
        near(pixels(x_t), expected(digits[4:5], 11, SCHEDULE, t))
        near(pixels(x0_hat), to_uint8(digits[4])[0].numpy())
    assert other.t == before


def test_player_works_while_the_kernel_is_busy(notebook, digits):
    player = Player(notebook, "player")
    player.slider.focus()
    with notebook.busy():
        for key, t in (("Home", 0), ("ArrowRight", 10), ("End", 1000)):
            notebook.page.keyboard.press(key)
            assert player.check(digits[3:4], 7) == t


class ForwardExplorer:
    """The explorer of the forward process: T = 200, digit 7 and seed 3 at first."""

    def __init__(self, notebook: LabPage) -> None:
        self.notebook = notebook
        self.place = notebook.cell(AT["forward"]).locator(".ddpm-explorer")
        self.time = self.place.get_by_role("slider", name="timestep t")
        self.image = self.place.locator("img")

    @property
    def t(self) -> int:
        return int(self.place.locator(".ddpm-time .widget-readout").inner_text())

    def shows(self, x_0: torch.Tensor, seed: int, schedule: NoiseSchedule, t: int) -> None:
        """Wait until the slider stands at t, and its picture is that of t."""

        def check() -> None:
            assert self.t == t
            alt = self.image.get_attribute("alt")
            assert alt.startswith(f"t = {t}, signal ")
            assert self.time.get_attribute("aria-valuetext") == alt
            near(pixels(self.image), expected(x_0, seed, schedule, t))

        self.notebook.eventually(check)

    def choose(self, label: str, value: str) -> None:
        control = self.place.get_by_label(label, exact=True)
        if control.evaluate("(element) => element.tagName") == "SELECT":
            control.select_option(value)
        else:
            control.fill(value)
            control.press("Enter")


def test_forward_explorer_obeys_keys_and_mouse(notebook, digits):
    explorer, schedule = ForwardExplorer(notebook), quiet("linear", 200)
    explorer.shows(digits[7:8], 3, schedule, 80)
    near(on_screen(explorer.image, 28), expected(digits[7:8], 3, schedule, 80))
    explorer.time.focus()
    for key, t in (("ArrowRight", 84), ("ArrowLeft", 80), ("End", 200), ("Home", 0)):
        notebook.page.keyboard.press(key)
        explorer.shows(digits[7:8], 3, schedule, t)
    track, seen = explorer.place.locator(".ddpm-time .noUi-target"), []
    for _ in drag(notebook.page, track, (0.005, 0.995)):
        seen.append(explorer.t)
        explorer.shows(digits[7:8], 3, schedule, seen[-1])
    assert seen == sorted(seen)
    assert len(set(seen)) > 20
    assert (seen[0], seen[-1]) == (0, 200)


def test_no_slider_flickers(notebook):
    player, explorer = Player(notebook, "player"), ForwardExplorer(notebook)
    for slider, track, image in (
        (explorer.time, explorer.place.locator(".ddpm-time .noUi-target"), ".ddpm-explorer img"),
        (player.slider, player.slider, ".ddpm-player img"),
    ):
        slider.scroll_into_view_if_needed()
        slider.focus()
        notebook.page.keyboard.press("Home")
        with notebook.watching(image):
            assert len(list(drag(notebook.page, track, (0.005, 0.995), moves=40))) == 41


def test_forward_explorer_moves_while_the_kernel_is_busy(notebook, digits):
    explorer, schedule = ForwardExplorer(notebook), quiet("linear", 200)
    explorer.time.focus()
    with notebook.busy():
        for key, t in (("Home", 0), ("ArrowRight", 4), ("End", 200)):
            notebook.page.keyboard.press(key)
            explorer.shows(digits[7:8], 3, schedule, t)


def test_forward_explorer_computes_what_the_controls_say(notebook, digits):
    explorer = ForwardExplorer(notebook)
    explorer.time.focus()
    for key in ["Home", *20 * ["ArrowRight"]]:
        notebook.page.keyboard.press(key)
    explorer.shows(digits[7:8], 3, quiet("linear", 200), 80)
    explorer.choose("digit", "8")
    explorer.shows(digits[8:9], 3, quiet("linear", 200), 80)
    explorer.choose("schedule", "cosine")
    explorer.shows(digits[8:9], 3, quiet("cosine", 200), 80)
    explorer.choose("T", "1000")
    explorer.shows(digits[8:9], 3, quiet("cosine", 1000), 400)
    explorer.choose("seed", "12")
    explorer.shows(digits[8:9], 12, quiet("cosine", 1000), 400)
    explorer.choose("which one", "1")
    explorer.shows(digits[18:19], 12, quiet("cosine", 1000), 400)
    explorer.choose("schedule", "linear")
    explorer.choose("T", "10")
    explorer.shows(digits[18:19], 12, quiet("linear", 10), 4)
    explorer.place.get_by_text("alpha_bar_T is 0.904 at T = 10").wait_for()


def test_posterior_explorer_follows_every_control(notebook):
    place = notebook.cell(AT["posterior"]).locator(".ddpm-explorer")

    def shows(x_0: float, x_t: float, c: Coefficients) -> None:
        p = q_posterior(x_0, x_t, c)
        texts = (f"ₜ = {p.mean:.4g}\n", f"√β̃ₜ = {p.var**0.5:.4g}\n", f"ᾱₜ = {c.alpha_bar:.4g}")

        def check() -> None:
            numbers = place.locator("figcaption").inner_text()
            assert all(text in numbers for text in texts), (numbers, texts)
            drawing = place.locator("svg[role=img]").first.get_attribute("aria-label")
            assert f"mean {p.mean:.3g}, standard deviation {p.var**0.5:.3g}" in drawing

        notebook.eventually(check)

    def press(name: str, *keys: str) -> None:
        place.get_by_role("slider", name=name, exact=True).focus()
        for key in keys:
            notebook.page.keyboard.press(key)

    def says(name: str, value: str) -> None:
        slider = place.get_by_role("slider", name=name, exact=True)

        def check() -> None:
            assert slider.get_attribute("aria-valuetext") == value

        notebook.eventually(check)

    shows(0.8, 0.6, SCHEDULE.at(500))
    press("x₀", "ArrowLeft")
    shows(0.75, 0.6, SCHEDULE.at(500))
    press("xₜ", "ArrowRight", "ArrowRight")
    shows(0.75, 0.7, SCHEDULE.at(500))
    says("xₜ", "0.70")
    press("t", "End")
    shows(0.75, 0.7, SCHEDULE.at(1000))
    press("t", "Home")
    shows(0.75, 0.7, SCHEDULE.at(1))
    place.get_by_label("schedule").select_option("cosine")
    press("t", "ArrowRight")
    shows(0.75, 0.7, SCHEDULES["cosine"]().at(2))
    track = place.locator(".noUi-target").nth(2)  # t; the handle stands near its left end
    assert len(list(drag(notebook.page, track, (0.0, 1.0), moves=8))) == 9
    shows(0.75, 0.7, SCHEDULES["cosine"]().at(1000))
