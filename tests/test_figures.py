"""The static pictures are what figures/make.py draws, and nothing else lies beside them."""

import re
import sys
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image, ImageSequence

REPOSITORY = Path(__file__).resolve().parent.parent
FOLDER = REPOSITORY / "figures"
sys.path.insert(0, str(REPOSITORY))  # `figures` is no part of the package

from figures.make import FIGURES, make  # noqa: E402

# Written by the README's two `python -m ddpm_lessons evaluate` lines, beside the weights they show.
SAMPLES = {"samples.png", "samples_labels.png"}
BYTES = 1_500_000
NUMBER = re.compile(r"-?\d+\.?\d*(?:e-?\d+)?")

each_figure = pytest.mark.parametrize("name", FIGURES)
each_raster = pytest.mark.parametrize(
    "name", [name for name, drawing in FIGURES.items() if not drawing.file.endswith(".svg")]
)
each_drawing = pytest.mark.parametrize(
    "name", [name for name, drawing in FIGURES.items() if drawing.file.endswith(".svg")]
)


@pytest.fixture(scope="module")
def again(tmp_path_factory):
    """Draw a picture again, once; returns its new file."""
    folder = tmp_path_factory.mktemp("figures")
    return cache(lambda name: make(name, folder))


def stored(name: str) -> Path:
    return FOLDER / FIGURES[name].file


def test_the_folder_holds_the_pictures_and_what_draws_them():
    pictures = {path.name for path in FOLDER.iterdir() if path.is_file() and path.suffix != ".py"}
    assert pictures - SAMPLES == {drawing.file for drawing in FIGURES.values()}


@each_figure
def test_a_picture_says_what_is_to_be_seen(name):
    assert len(FIGURES[name].alt.split()) >= 10
    assert stored(name).stat().st_size <= BYTES


@each_raster
def test_a_raster_is_what_is_drawn_now(name, again):
    """Grey by grey, within what another processor or another font renderer changes."""
    with Image.open(stored(name)) as old, Image.open(again(name)) as new:
        assert (old.size, old.format) == (new.size, new.format)
        frames = [
            [np.asarray(frame.convert("L"), dtype=float) for frame in ImageSequence.Iterator(image)]
            for image in (old, new)
        ]
    assert len(frames[0]) == len(frames[1])
    for before, after in zip(*frames, strict=True):
        assert np.abs(before - after).mean() < 3


def parts(path: Path) -> tuple[list[str], list[float]]:
    """The elements of an SVG file in order, and all numbers in their geometry."""
    names, numbers = [], []
    for element in ElementTree.parse(path).iter():
        names.append(element.tag)
        for attribute in ("d", "x", "y", "width", "height", "transform", "viewBox"):
            numbers += [float(found) for found in NUMBER.findall(element.get(attribute, ""))]
    return names, numbers


@each_drawing
def test_a_drawing_is_what_is_drawn_now(name, again):
    """Element by element, at the same place within half a pixel."""
    (names, numbers), (new_names, new_numbers) = parts(stored(name)), parts(again(name))
    assert new_names == names
    assert new_numbers == pytest.approx(numbers, abs=0.5)


def test_the_readmes_picture_moves():
    with Image.open(stored("digit")) as film:
        assert film.n_frames > 20
        assert film.info["loop"] == 0  # for ever


def test_drawing_leaves_no_figure_open(again):
    for name in FIGURES:
        again(name)
    assert plt.get_fignums() == []


def test_the_comparison_sees_a_difference(tmp_path):
    old, new = tmp_path / "old.svg", tmp_path / "new.svg"
    old.write_text('<svg width="9"><path d="M 1 2"/></svg>')
    new.write_text('<svg width="9"><path d="M 1 4"/></svg>')
    assert parts(old) == (["svg", "path"], [9.0, 1.0, 2.0])
    assert parts(old)[1] != pytest.approx(parts(new)[1], abs=0.5)
