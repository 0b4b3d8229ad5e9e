"""The record of a course as a page to print: whose it is, what has been passed, and when."""

import io
import textwrap
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import torch
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.ft2font import FT2Font
from matplotlib.textpath import TextPath

from ddpm_lessons.data import load_mnist
from ddpm_lessons.files import write_whole
from ddpm_lessons.forward import q_sample
from ddpm_lessons.schedule import linear_schedule
from ddpm_lessons.show.plots import COLOURS, STYLE, draw_image

A4 = (8.27, 11.69)  # inches, upright
COLUMNS = 3
DIGIT = 18  # of the test set: the one that dissolves in lesson 00
TIMES = (1000, 600, 450, 330, 230, 150, 90, 45, 0)
NAME_FONT = "DejaVu Sans"  # comes with matplotlib
GREY = "#57606a"


def certificate(name: str, passed: Mapping[str, Sequence[str]], *, total: int, date: str) -> Figure:
    """An A4 page: the learner's name, and under each lesson the exercises passed.

    passed: a lesson's title, and the titles of its exercises. total: how many the course has. date:
    of the last one. Raises ValueError for a name that is blank, longer than 60 letters, or in
    letters that no font of this machine has.
    """
    font = _font_for(name)
    count = sum(map(len, passed.values()))
    amount = f"all {total}" if count == total else f"{count} of the {total}"
    with mpl.rc_context({**STYLE, "figure.constrained_layout.use": False}):
        figure = plt.Figure(figsize=A4)
        _film(figure)
        put = _writer(figure)
        put(0.795, "Denoising Diffusion Probabilistic Models", size=19, weight="bold")
        put(0.765, "an interactive course with exercises that are checked", size=11, color=GREY)
        put(0.695, name, size=_size_of(name, font), color=COLOURS[0], font=font)
        put(0.655, f"has passed {amount} exercises, the last one on {date}.", size=12)
        _list(figure, passed)
        note = "Made of the learner's own progress.txt: a record of work done, not an examination."
        put(0.035, note, size=8, color=GREY)
    return figure


def write_certificate(figure: Figure, path: Path) -> None:
    """Write a page as PDF or SVG, by the file's ending; whole, or not at all.

    Raises ValueError for another ending, OSError where it cannot be written.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("pdf", "svg"):
        raise ValueError(f"out is {str(path)!r}, expected a name that ends in .pdf or .svg")
    data = io.BytesIO()
    date = {"CreationDate": None} if kind == "pdf" else {"Date": None}  # same record, same bytes
    with mpl.rc_context(STYLE):
        figure.savefig(data, format=kind, metadata=date)
    write_whole(path, data.getvalue())


def _film(figure: Figure) -> None:
    """A row of pictures: out of noise comes a digit, by Eq. (4) read from right to left."""
    x_0 = load_mnist("test")[[DIGIT]]
    eps = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(0))
    schedule = linear_schedule()
    width = 0.8 / len(TIMES)
    for i, t in enumerate(TIMES):
        axes = figure.add_axes((0.1 + i * width, 0.855, 0.92 * width, 0.07))
        draw_image(axes, q_sample(x_0, schedule.at(t), eps)[0] if t else x_0[0])


def _list(figure: Figure, passed: Mapping[str, Sequence[str]]) -> None:
    """The lessons with their exercises, in columns of about equal length."""
    blocks = [[title, *(f"✓ {one}" for one in ones)] for title, ones in passed.items() if ones]
    height = sum(len(block) + 1 for block in blocks) / COLUMNS
    line = min(0.0165, 0.54 / (height + 4))
    column, y = 0, 0.61
    for block in blocks:
        past = (0.61 - y) / line + len(block) / 2  # lines to the middle of this lesson
        if past > height and column < COLUMNS - 1:
            column, y = column + 1, 0.61
        x = 0.08 + column * 0.29
        for i, words in enumerate(block):
            weight, colour = ("bold", "black") if i == 0 else ("normal", "#24292f")
            short = textwrap.shorten(words, 44, placeholder=" …")
            figure.text(x, y, short, size=460 * line, weight=weight, color=colour)
            y -= line
        y -= line


def _writer(figure: Figure):
    """Writes a line in the middle of the page, at a height from 0 to 1."""

    def put(y: float, words: str, *, font: str = NAME_FONT, **looks: object) -> None:
        figure.text(0.5, y, words, ha="center", family=font, **looks)

    return put


def _size_of(name: str, font: str) -> float:
    """The size at which a name fills at most four fifths of the page's width, in points."""
    width = TextPath((0, 0), name, size=26, prop=FontProperties(family=font)).get_extents().width
    return 26 * min(1, 0.8 * 72 * A4[0] / width)


def _font_for(name: str) -> str:
    """The family of a font that has every letter of a name: the house's, or another one here."""
    if not name.strip() or len(name) > 60 or not name.isprintable():
        raise ValueError(f"name is {name!r}, expected 1 to 60 letters on one line")
    letters = {ord(letter) for letter in name if not letter.isspace()}
    house = font_manager.findfont(NAME_FONT)
    if letters <= _letters(house):
        return NAME_FONT
    for font in sorted(font_manager.fontManager.ttflist, key=lambda font: (font.name, font.fname)):
        if font.style == "normal" and letters <= _letters(font.fname):
            return font.name
    lost = "".join(sorted(chr(letter) for letter in letters - _letters(house)))
    raise ValueError(f"name is {name!r}, and no font of this machine has all of {lost}")


@cache
def _letters(file: str) -> frozenset[int]:
    try:
        return frozenset(FT2Font(file).get_charmap())
    except (OSError, RuntimeError):  # a bitmap font, say
        return frozenset()
