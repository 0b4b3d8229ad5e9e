"""How long from a key to the new picture: the course's sliders, and the usual way.

    python benchmarks/sliders.py [--presses 60] [--npm .venv/npm | --site build/site]

All in one headless Chromium, a slider after the other: the player in a page of the site (opened
from disk), the player and the explorer with its ready pictures in a real JupyterLab, and, in the
same notebook, what most courses do: `interact` and a matplotlib figure drawn in the kernel.
Measured in the page: from the key's event until the browser has decoded the new picture. Needs
Chromium, and the packages of website/package.json.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from common import report

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "tests" / "browser"))

from lab_page import LabPage, write_notebook  # noqa: E402
from lab_server import find_chromium, headless, jupyterlab  # noqa: E402

CELLS = [
    """\
import torch
from ddpm_lessons import linear_schedule
from ddpm_lessons.data import load_mnist
from ddpm_lessons.show.chains import forward_player
from ddpm_lessons.show.widgets import explore_forward
digits, schedule = load_mnist("test"), linear_schedule()""",
    "forward_player(digits[[18]], schedule, generator=torch.Generator().manual_seed(0), start=0)",
    "explore_forward(digits)",
    """\
%matplotlib inline
import ipywidgets
import matplotlib.pyplot as plt
from ddpm_lessons import q_sample
eps = torch.randn(1, 1, 28, 28, generator=torch.Generator().manual_seed(0))
@ipywidgets.interact(t=(0, 1000, 10))
def show_noised(t=0):
    x_t = q_sample(digits[[18]], schedule.at(t), eps) if t else digits[[18]]
    plt.imshow(x_t[0, 0], cmap="gray")
    plt.show()""",
]
# What is measured, in the page: a key is pressed, and a picture with another address is decoded.
WATCH = """(place) => {
  window.found = [];
  const address = () => [...place.querySelectorAll("img")].map((image) => image.src).join();
  let pressed = null, before = address();
  place.addEventListener("keydown", (event) => { pressed = event.timeStamp; }, true);
  const look = async () => {
    const images = [...place.querySelectorAll("img")], now = address();
    if (pressed === null || now === before || !images.length) return;
    before = now;
    const since = pressed;
    pressed = null;
    await Promise.all(images.map((image) => image.decode()));
    window.found.push(performance.now() - since);
  };
  new MutationObserver(look).observe(place, { subtree: true, childList: true, attributes: true });
}"""
# Frames of the screen without a picture, while the slider moves.
BLANK = """(place) => {
  window.blank = 0; window.frames_seen = 0;
  const look = () => {
    const image = place.querySelector("img");
    window.frames_seen += 1;
    window.blank += !(image && image.complete && image.naturalWidth);
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""
REACH = 40  # places to the right, then as many to the left
COLUMNS = {
    "name": "slider",
    "median": "ms from key to picture (median)",
    "p95": "95 % within ms",
    "times": "times as fast as interact",
    "blank": "frames without a picture",
}


def measure(page: object, place: object, handle: object, *, presses: int) -> dict:
    """Press arrow keys so often, to and fro, each time when the last picture is there."""
    place.evaluate(WATCH)
    place.evaluate(BLANK)
    handle.focus()
    page.keyboard.press("Home")
    page.wait_for_timeout(1000)
    page.evaluate("window.found = []")
    for n in range(1, presses + 1):
        page.keyboard.press("ArrowLeft" if (n - 1) // REACH % 2 else "ArrowRight")
        page.wait_for_function("(n) => window.found.length >= n", arg=n)
        page.wait_for_timeout(30)
    found = sorted(page.evaluate("window.found"))
    return {
        "median": statistics.median(found),
        "p95": found[int(0.95 * (len(found) - 1))],
        "blank": page.evaluate("window.blank"),
        "frames": page.evaluate("window.frames_seen"),
        "presses": presses,
    }


def built(npm: Path, folder: Path) -> Path:
    """The site, made in a folder."""
    build = [sys.executable, str(REPOSITORY / "website" / "build.py")]
    subprocess.run([*build, "--npm", str(npm), "--out", str(folder)], check=True)
    return folder


def on_the_site(browser: object, folder: Path, presses: int) -> dict:
    """The first player of lesson 01, in a page opened from disk."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.goto((folder / "01_forward_process.html").as_uri())
    place = page.locator(".ddpm-player").first
    return measure(page, place, place.locator("input[type=range]"), presses=presses)


def in_jupyterlab(browser: object, home: Path, presses: int) -> dict[str, dict]:
    """The player, the explorer and interact, in one notebook."""
    with jupyterlab(home) as lab:
        write_notebook(lab.folder / "sliders.ipynb", CELLS)
        opened = LabPage(browser, lab, "sliders.ipynb")
        opened.command("notebook:run-all-cells")
        places = {
            "player, JupyterLab": (1, ".ddpm-player", "input[type=range]"),
            "explorer, JupyterLab": (2, ".ddpm-explorer", ".ddpm-time .noUi-handle"),
            "interact and matplotlib, JupyterLab": (3, ".widget-interact", ".noUi-handle"),
        }
        found = {}
        for name, (cell, box, handle) in places.items():
            place = opened.cell(cell).locator(box)
            place.locator("img").first.wait_for()
            slider = place.locator(handle)
            found[name] = measure(opened.page, place, slider, presses=presses)
        return found


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--presses", type=int, default=60)
    parser.add_argument("--npm", type=Path, default=Path(sys.prefix) / "npm")
    parser.add_argument("--site", type=Path, help="one that is built already")
    chosen = parser.parse_args()
    chromium = find_chromium()
    if chromium is None:
        parser.error("there is no Chromium; install one")
    with tempfile.TemporaryDirectory() as home, headless(chromium) as browser:
        home = Path(home)
        site = chosen.site or built(chosen.npm, home / "site")
        found = {"player, page": on_the_site(browser, site.resolve(), chosen.presses)}
        found |= in_jupyterlab(browser, home, chosen.presses)
    slow = found["interact and matplotlib, JupyterLab"]["median"]
    rows = [{"name": name, **row, "times": slow / row["median"]} for name, row in found.items()]
    report("sliders", "cpu", rows, COLUMNS)


if __name__ == "__main__":
    main()
