"""The page that draws: its mathematics against the library's, and its controls in a browser."""

import contextlib
import functools
import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from obstacles import obstacles

from ddpm_lessons import ddim, guided
from ddpm_lessons.data import load_mnist
from ddpm_lessons.data.images import to_uint8
from ddpm_lessons.forward import predict_eps, predict_x0, q_sample
from ddpm_lessons.models import load_pretrained
from ddpm_lessons.samplers.chain import even_grid

# PyTorch and the browser's runtime add in other orders: the noise that they see differs by less
# than EPS, as tests/test_website_draw.py demands. Eq. (15) divides that by sqrt(alpha_bar_t), 0.006
# at t = 1000; a chain carries it on. Measured: 1e-4 in any x_t, 3e-3 in the x0_hat of t = 1000.
EPS = 1e-4
CHAIN = 5e-4
LEVELS = 1  # of 255: how far apart pictures may be on the screen
BYTES = 9_500_000  # what a reader loads for the first digit

WORKING = "(id) => document.querySelector(`#${id} .work.working`) !== null"
FORMING = """() => { const slider = document.querySelector("#generate .film input");
  return slider.max === "100" && !slider.disabled; }"""
GREY = """(canvas) => [...canvas.getContext("2d").getImageData(0, 0, 28, 28).data]
  .filter((_, i) => i % 4 === 0)"""
SET_UP = """async () => {
  const numbers = await (await fetch("numbers.json")).json();
  const { Network } = await import("./network.mjs");
  window.page = { numbers, network: new Network(numbers.files) };
  for (const name of ["diffusion", "drawing", "chains", "sketch"])
    Object.assign(window.page, await import(`./${name}.mjs`));
  await window.page.network.load();
}"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Python's own server, as the page tells its readers to start it."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Where the site is served."""
    handler = functools.partial(Quiet, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@contextlib.contextmanager
def visit(browser: object, address: str, **options: object) -> Iterator[object]:
    """The page, which must not complain, and asks nobody but its server."""
    page = browser.new_page(**({"viewport": {"width": 1280, "height": 1000}} | options))
    page.set_default_timeout(60_000)  # a busy machine may take long over a step
    complaints = []
    page.on("pageerror", lambda error: complaints.append(f"page error: {error}"))
    page.on("console", lambda m: m.type in ("error", "warning") and complaints.append(m.text))
    page.on("request", lambda r: r.url.startswith((address, "data:")) or complaints.append(r.url))
    page.goto(f"{address}draw/")
    page.wait_for_function("document.querySelector('#sketch figcaption').textContent")
    yield page
    page.close()
    assert complaints == []


@pytest.fixture(scope="module")
def modules(browser, address) -> Iterator[object]:
    """A page with what its modules offer in `window.page`, and the networks loaded."""
    with visit(browser, address) as page:
        page.evaluate(SET_UP)
        yield page


@pytest.fixture(scope="module")
def page(browser, address) -> Iterator[object]:
    """The page as a reader finds it; these tests go on where the one before left it."""
    with visit(browser, address) as page:
        yield page


def noise(seed: int) -> torch.Tensor:
    return torch.randn(1, 1, 28, 28, generator=torch.Generator().manual_seed(seed))


def grey(canvas: object) -> torch.Tensor:
    """The pixels of a canvas, (1, 1, 28, 28), 0..255."""
    return torch.tensor(canvas.evaluate(GREY)).view(1, 1, 28, 28)


def apart(canvas: object, x: torch.Tensor) -> int:
    """How many levels of grey lie between a canvas and an image in [-1, 1], at most."""
    return int((grey(canvas) - to_uint8(x).to(torch.int64)).abs().max())


def run(page: object, section: str, button: str) -> str:
    """Press a button, wait for the end of what it starts, and return the last words."""
    page.locator(f"#{section}").get_by_role("button", name=button).click()
    page.wait_for_function(f"(id) => !({WORKING})(id)", arg=section)
    return page.locator(f"#{section} [role=status]").inner_text()


def slide(slider: object, value: int) -> None:
    """Move a slider of whole numbers there, as a hand on the keyboard would."""
    slider.focus()
    slider.press("Home")
    for _ in range(value - int(slider.get_attribute("min"))):
        slider.press("ArrowRight")
    assert slider.input_value() == str(value)


# The mathematics.


def test_the_grid_is_the_librarys(modules):
    asked = [(T, steps) for T in (1, 2, 9, 437, 1000) for steps in range(1, min(T, 60) + 1)]
    asked += [(1000, 100), (1000, 333), (1000, 999), (1000, 1000)]
    found = modules.evaluate("(asked) => asked.map((one) => page.evenGrid(...one))", asked)
    assert found == [even_grid(*one) for one in asked]


def test_a_seed_draws_pytorchs_noise(modules):
    for seed in (0, 1, 7, 2**31, 2**32 - 1):
        found = modules.evaluate("(seed) => [...page.randn(seed, 784)]", seed)
        np.testing.assert_allclose(found, noise(seed).flatten(), rtol=0, atol=1e-5)


def test_the_equations_are_the_librarys(modules):
    """Eq. (4), Eq. (15) and that for the noise; the schedule is the network's own."""
    schedule = load_pretrained("mnist-labels").schedule
    assert modules.evaluate("page.numbers.alpha_bars") == schedule.alpha_bars.tolist()
    x = torch.rand(2, 784, generator=torch.Generator().manual_seed(3)) * 2 - 1
    t = [*range(1, 1001, 37), 1000]
    script = """([name, x, t]) => { const [a, b] = x.map((one) => Float32Array.from(one));
      return t.map((one) => [...page[name](a, page.numbers.alpha_bars[one], b)]); }"""
    for name, equation in (
        ("qSample", lambda c: q_sample(x[0], c, x[1])),
        ("predictX0", lambda c: predict_x0(x[0], c, x[1])),
        ("predictEps", lambda c: predict_eps(x[0], c, x[1])),
    ):
        right = torch.stack([equation(schedule.at(one)) for one in t])
        found = modules.evaluate(script, [name, x.tolist(), t])
        np.testing.assert_allclose(found, right, rtol=3e-6, atol=2e-5, err_msg=name)


@pytest.mark.parametrize(
    ("label", "weight", "start", "steps"),
    [(-1, 2.0, 1000, 10), (7, 2.5, 1000, 5), (3, 1.0, 437, 3), (3, 0.0, 60, 2)],
)
def test_a_chain_is_the_librarys(modules, label, weight, start, steps):
    """Every x_t and every x0_hat, from noise, and from the middle as for a drawing."""
    net, schedule, _ = load_pretrained("mnist-labels")
    x_0 = load_mnist("test")[:1]
    x_t = noise(5) if start == 1000 else q_sample(x_0, schedule.at(start), noise(5))
    grid = even_grid(start, steps)
    right = list(ddim(guided(net, label, weight), schedule, x_t, timesteps=grid, clip_x0=1.0))
    script = """async ([x, settings]) => {
      const states = [], { network, numbers } = page, x_t = Float32Array.from(x);
      for await (const state of page.chain(network, numbers.alpha_bars, x_t, settings))
        states.push({ t: state.t, x: [...state.x], x0Hat: [...state.x0Hat] });
      return states; }"""
    settings = {"t": start, "label": label, "weight": weight, "steps": steps}
    found = modules.evaluate(script, [x_t.flatten().tolist(), settings])
    assert [state["t"] for state in found] == [state.t for state in right] == [*grid, 0]
    for mine, theirs in zip(found, right, strict=True):
        atol = CHAIN + EPS / schedule.alpha_bars[theirs.t].sqrt().item()
        np.testing.assert_allclose(mine["x"], theirs.x.flatten(), rtol=0, atol=CHAIN)
        np.testing.assert_allclose(mine["x0Hat"], theirs.x0_hat.flatten(), rtol=0, atol=atol)


def test_a_drawing_is_scaled_and_centred_as_mnist(modules):
    """In a box of 20 x 20, its mass in the middle, wherever and however large it was drawn."""
    script = "(strokes) => [...page.digitOf(strokes)]"
    seven = np.array([[0.3, 0.2], [0.7, 0.2], [0.45, 0.8]])
    digits = [
        np.array(modules.evaluate(script, [points.tolist()])).reshape(28, 28)
        for points in (seven, 0.5 * seven + [0.45, 0.02])
    ]
    np.testing.assert_allclose(*digits, atol=1e-5)
    ink = (digits[0] + 1) / 2
    middles = np.arange(28) + 0.5
    centre = (ink.sum(0) @ middles / ink.sum(), ink.sum(1) @ middles / ink.sum())
    np.testing.assert_allclose(centre, 14, atol=0.1)
    rows, columns = (ink > 0.5).any(1).sum(), (ink > 0.5).any(0).sum()
    assert 19 <= max(rows, columns) <= 21
    dot = np.array(modules.evaluate(script, [[[0.9, 0.1]]])).reshape(28, 28)
    assert dot[13:15, 13:15].min() > 0.7  # a dot stays a dot, in the middle
    assert (dot > -1).sum() < 25
    assert set(modules.evaluate(script, [])) == {-1}  # blank paper


def test_where_a_digit_turns_is_said_in_words(modules):
    say = "(found) => page.turns(found)"
    assert modules.evaluate(say, [[100, 4], [200, 4]]) == "Read as a 4 from every t."
    found = modules.evaluate(say, [[100, 4], [200, 8], [300, 4], [400, 9]])
    assert found == "Read as a 4 up to t = 100, and as an 8 from t = 200."


# What a reader does.


def test_a_digit_forms_as_in_python_and_can_be_seen_again(page):
    section = page.locator("#generate")
    assert apart(section.locator("canvas").first, noise(1)) <= LEVELS  # there before anything loads
    section.get_by_label("8", exact=True).check()
    slide(section.get_by_role("slider", name="Steps of DDIM"), 5)
    section.get_by_label("Seed").fill("42")
    assert re.fullmatch(r"5 steps in [\d.]+ s\.", run(page, "generate", "Draw"))
    said = section.locator("figcaption").inner_text()
    assert re.fullmatch(r"t = 0: the digit, read as an 8 \(\d+ %\)\.", said)
    lines: dict = {}
    exec(section.locator("pre").text_content(), lines)  # "The same digit in Python"
    x_t, x0_hat = section.locator("canvas").all()
    assert apart(x_t, lines["last"].x) <= LEVELS
    slider, output = (
        section.get_by_role("slider", name="timestep t"),
        section.locator(".film .value"),
    )
    assert (slider.get_attribute("max"), output.inner_text()) == ("5", "0")
    slider.press("Home")
    assert apart(x_t, noise(42)) <= LEVELS
    slider.press("ArrowRight")
    assert output.inner_text() == "750"
    assert slider.get_attribute("aria-valuetext") == "t = 750"
    words = section.locator("figcaption").inner_text()
    assert re.fullmatch(r"t = 750: \d+ % noise; what the network makes .* read as an? \d .*", words)
    assert words in x0_hat.get_attribute("aria-label")
    box = slider.bounding_box()
    page.mouse.click(box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2)
    assert output.inner_text() == "1"
    slider.press(" ")  # plays, from where it is to the end
    page.wait_for_function("document.querySelector('#generate .film .value').textContent === '0'")


def test_sliders_live_while_a_digit_forms_and_it_can_be_stopped(page):
    section = page.locator("#generate")
    seed = section.get_by_label("Seed").input_value()
    section.get_by_role("slider", name="Steps of DDIM").press("End")
    section.get_by_role("button", name="Next seed").click()
    page.wait_for_function(FORMING)
    weight = section.get_by_role("slider", name="Guidance weight")
    weight.press("Home")
    assert (weight.input_value(), section.locator(".value").nth(1).inner_text()) == ("0", "0")
    assert page.evaluate(WORKING, "generate")
    assert section.get_by_label("Seed").input_value() == str(int(seed) + 1)
    assert run(page, "generate", "Stop") == "Stopped."
    assert 0 < int(section.get_by_role("slider", name="timestep t").get_attribute("max")) < 100
    assert section.get_by_role("button", name="Next seed").is_visible()


def test_a_drawing_is_noised_and_denoised(page, modules):
    section, pad = page.locator("#sketch"), page.locator("canvas.pad")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    points = [(0.3, 0.2), (0.7, 0.2), (0.45, 0.8)]
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=5)
    page.mouse.up()
    seven = modules.evaluate("(points) => [...page.digitOf([points])]", points)
    assert apart(section.locator("canvas.small"), torch.tensor(seven).view(1, 1, 28, 28)) <= 3
    x_0 = grey(section.locator("canvas.small")).float() / 127.5 - 1
    t = section.get_by_role("slider", name="Noise it to t")
    schedule = load_pretrained("mnist-labels").schedule
    for key, value in (("End", 1000), ("Home", 1), ("PageUp", 101)):
        t.press(key)
        assert t.input_value() == str(value)
        x_t = q_sample(x_0, schedule.at(value), noise(9))
        assert apart(section.locator(".film canvas").first, x_t) <= LEVELS + 1
    section.get_by_text("Weight, steps, seed").click()
    slide(section.get_by_role("slider", name="Steps of DDIM"), 3)
    assert re.fullmatch(r"From t = 101: read as a 7 \(\d+ %\)\.", run(page, "sketch", "Denoise"))
    back = grey(section.locator(".film canvas").last).float() / 127.5 - 1
    assert (back - x_0).abs().mean() < 0.1  # it is the drawing, tidied
    section.get_by_role("button", name="Undo").click()
    assert set(grey(section.locator("canvas.small")).flatten().tolist()) == {0}


def test_all_is_there_for_a_keyboard(page):
    """A digit of MNIST in place of a drawing; ten starts; and the chain of one of them."""
    section, digits = page.locator("#sketch"), load_mnist("test")
    section.get_by_role("button", name="2, an example").press("Enter")
    two = digits[[digits.labels.tolist().index(2)]]
    assert apart(section.locator("canvas.small"), two) == 0
    slide(section.get_by_role("slider", name="Steps of DDIM"), 1)
    said = run(page, "sketch", "From every hundredth t")
    assert re.match(r"Read as a 2 (up to t = \d00, and as|from every t)", said)
    rung = section.get_by_role("button", name=re.compile(r"From t = 200 read as a 2 \("))
    rung.press("Enter")
    assert section.get_by_role("slider", name="Noise it to t").input_value() == "200"
    slider = section.get_by_role("slider", name="timestep t of the chain")
    assert slider.get_attribute("aria-valuetext") == "t = 0"
    slider.press("ArrowLeft")
    schedule = load_pretrained("mnist-labels").schedule
    x_t = q_sample(two, schedule.at(200), noise(9))
    assert apart(section.locator(".film canvas").first, x_t) <= LEVELS


# The page.


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nobody_is_shut_out_of_the_page(page, npm, theme):
    page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
    assert obstacles(page, npm) == []


def test_a_finger_draws_on_a_phone(browser, address):
    options = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    with visit(browser, address, **options) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.locator("canvas.pad").tap()
        small = grey(page.locator("canvas.small"))
        assert small[0, 0, 13:15, 13:15].min() > 200  # a dot


def test_opened_from_disk_the_page_says_what_to_do(browser, site):
    page = browser.new_page()
    page.goto((site / "draw" / "index.html").as_uri())
    assert page.get_by_text("python -m http.server", exact=True).is_visible()
    assert not page.locator("#generate").is_visible()
    page.close()


def test_the_first_digit_loads_what_the_page_says(site, modules):
    folder = site / "draw"
    files = modules.evaluate("page.numbers.files")
    sizes = {one["name"]: one["bytes"] for one in files.values()}
    assert sizes == {name: (folder / name).stat().st_size for name in sizes}
    assert sum(sizes.values()) < BYTES
    said = re.search(r"loads ([\d.]+) MB", modules.locator(".weight").inner_text())[1]
    assert float(said) == round(sum(sizes.values()) / 1e6, 1)
