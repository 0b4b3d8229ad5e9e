"""The figures of lesson 13: all bugs on one sheet, what each test catches, and the specimens."""

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from torch import Tensor

from ddpm_lessons.bugs import STEPS, Exhibit, caught
from ddpm_lessons.show.plots import draw_image, style
from ddpm_lessons.show.result_plots import table

CAUGHT = ListedColormap(["#f2f2f2", "#F5B183"])  # pale grey for what passes, orange for the rest


@style()
def contact_sheet(exhibits: Mapping[str, Exhibit], *, shown: int = 5) -> Figure:
    """All bugs, one a row: its name and number, and digits with it in 10 and in 50 steps.

    The first row has no bug. shown: how many digits of each. Raises ValueError where there are no
    exhibits.
    """
    if not exhibits:
        raise ValueError("exhibits is empty, expected at least one")
    first = next(iter(exhibits.values()))
    rows = {"no bug": (["the same noise in every row"], {s: first.digits[s][0] for s in STEPS})}
    rows |= {
        name: (number_lines(shown_bug), {s: shown_bug.digits[s][1] for s in STEPS})
        for name, shown_bug in exhibits.items()
    }
    figure = Figure(figsize=(10.6, 0.87 * len(rows) + 0.35))
    figure.get_layout_engine().set(w_pad=0.05, h_pad=0.05)
    places = figure.subplots(len(rows), 1 + len(STEPS), width_ratios=(2.75, 3, 3), squeeze=False)
    for line, (name, (words, digits)) in zip(places, rows.items(), strict=True):
        caption(line[0], name, words)
        for axes, steps in zip(line[1:], STEPS, strict=True):
            draw_image(axes, table(digits[steps][None, :shown], gap=2))
    for axes, steps in zip(places[0, 1:], STEPS, strict=True):
        axes.set_title(f"{steps} steps", loc="center", fontsize=11)
    return figure


def caption(axes: Axes, name: str, words: Sequence[str]) -> None:
    """A name, and lines of words under it, in place of a picture."""
    axes.axis("off")
    axes.text(0, 0.98, name, va="top", fontweight="bold", fontsize=11)
    axes.text(0, 0.66, "\n".join(words), va="top", fontsize=9, linespacing=1.35, color="0.25")


def number_lines(exhibit: Exhibit) -> list[str]:
    """The number of a bug at both T, in words."""
    found = [f"T = {T}: {brief(a)}, right {brief(b)}" for T, (b, a) in exhibit.numbers.items()]
    return [exhibit.bug.what, *found]


@style()
def catches(
    found: Mapping[str, Sequence[float]], right: Sequence[float], tests: Sequence[str]
) -> Figure:
    """A table of bugs and tests: the number that each test finds; what it catches is coloured.

    found: for each bug the numbers of all tests; right: those without a bug. Raises ValueError
    where the lengths differ.
    """
    if not found or {len(numbers) for numbers in (*found.values(), right)} != {len(tests)}:
        raise ValueError(f"found has rows of other lengths than the {len(tests)} tests")
    rows = {"no bug": right, **found}
    marks = torch.tensor([[caught(a, b) for a, b in zip(row, right, strict=True)]
                          for row in rows.values()])  # fmt: skip
    figure = Figure(figsize=(11.4, 0.36 * len(rows) + 1.75))
    axes = figure.subplots()
    axes.grid(visible=False)
    axes.pcolormesh(marks, cmap=CAUGHT, vmin=0, vmax=1, edgecolors="white", linewidth=2)
    for i, row in enumerate(rows.values()):
        for j, number in enumerate(row):
            ink = "black" if marks[i, j] else "0.45"
            axes.text(
                j + 0.5, i + 0.5, brief(number), ha="center", va="center", fontsize=9.5, color=ink
            )
    axes.set_xticks(torch.arange(len(tests)) + 0.5, tests, rotation=35, ha="left", fontsize=10)
    axes.set_yticks(torch.arange(len(rows)) + 0.5, list(rows), fontsize=10.5)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)
    axes.invert_yaxis()
    return figure


def brief(number: float) -> str:
    """A number in a few characters: rounding errors are 0, and large ones have an exponent."""
    if abs(number) < 1e-9:
        return "0"
    return f"{number:.1e}" if abs(number) >= 1e5 or abs(number) < 1e-4 else f"{number:.3g}"


@style()
def specimens(digits: Mapping[str, Mapping[int, Tensor]], *, shown: int = 6) -> Figure:
    """Digits (N, C, H, W) of each specimen, one a row, a column for each number of steps.

    Raises ValueError where there are none.
    """
    if not digits:
        raise ValueError("digits is empty, expected those of at least one specimen")
    columns = list(next(iter(digits.values())))
    figure = Figure(figsize=(5.3 * len(columns) + 0.4, 0.92 * len(digits) + 0.4))
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.04)
    places = figure.subplots(len(digits), len(columns), squeeze=False)
    for line, (name, drawn) in zip(places, digits.items(), strict=True):
        for axes, steps in zip(line, columns, strict=True):
            draw_image(axes, table(drawn[steps][None, :shown], gap=2))
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=14)
    for axes, steps in zip(places[0], columns, strict=True):
        axes.set_title(f"{steps} steps", loc="center", fontsize=11)
    return figure
