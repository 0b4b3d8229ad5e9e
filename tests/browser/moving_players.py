"""The players of the stored notebooks: what they hold, and their sliders moved from end to end."""

import json
import re
from pathlib import Path

import nbformat
from lab_page import drag

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
NAMES = [path.stem for path in sorted(NOTEBOOKS.glob("*.ipynb"))]
DATA = re.compile(r"const data = (\{.*\});$", re.MULTILINE)
PLACES = 12  # of a slider that are compared, at least


def stored_players(name: str) -> list[dict]:
    """What the players of a stored notebook hold: frames, alternative texts, values."""
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=nbformat.NO_CONVERT)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pages = [output.get("data", {}).get("text/html", "") for output in outputs]
    return [json.loads(found[1]) for page in pages for found in DATA.finditer(page)]


LOOK = """async (place) => {
  const images = [...place.querySelectorAll("img")], slider = place.querySelector("input");
  await Promise.all(images.map((image) => image.decode()));  // fails where there is no picture
  return { frames: images.map((image) => image.src.replace("data:image/png;base64,", "")),
           alts: images.map((image) => image.alt), spoken: slider.getAttribute("aria-valuetext"),
           place: +slider.value, value: place.querySelector("output").textContent };
}"""


def check(place: object, data: dict, i: int | None = None) -> int:
    """In place i, or wherever the slider is, each panel shows its frame, and all say what is to be
    seen. Returns the place.
    """
    seen = place.evaluate(LOOK)
    i = seen["place"] if i is None else i
    assert seen == {
        "frames": [frames[i] for frames in data["frames"]],
        "alts": [name + data["alts"][i] for name in data["names"]],
        "spoken": data["alts"][i],
        "place": i,
        "value": data["values"][i],
    }
    return i


def move_over_its_range(page: object, place: object, data: dict) -> None:
    """A slider from end to end, by keyboard, then by mouse."""
    slider, last = place.get_by_role("slider", name=data["name"]), len(data["values"]) - 1
    check(place, data, data["start"])
    slider.focus()
    page.keyboard.press("Home")
    for i in range(last + 1):
        if i % max(1, last // PLACES) == 0 or i == last:
            check(place, data, i)
        page.keyboard.press("ArrowRight")
    slider.scroll_into_view_if_needed()
    seen = []
    for _ in drag(page, slider, (0.001, 0.999), moves=PLACES):
        seen.append(check(place, data))
    assert (seen[0], seen[-1]) == (0, last)
    assert seen == sorted(seen)
    assert len(set(seen)) > min(last, PLACES) // 2
