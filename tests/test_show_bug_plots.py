"""The figures of lesson 13 show every bug, every test and every specimen."""

import pytest
import torch
from matplotlib.figure import Figure

from ddpm_lessons.bugs import BUGS, STEPS, Exhibit
from ddpm_lessons.show import bug_plots


def flat(level, n=6):
    return torch.full((n, 1, 8, 8), float(level))


def exhibit(name, level):
    digits = {steps: (flat(-1), flat(level)) for steps in STEPS}
    return Exhibit(BUGS[name], digits, {10: (0.25, 12.0), 1000: (0.5, 1.44e7)})


@pytest.fixture
def exhibits():
    return {name: exhibit(name, i / 10) for i, name in enumerate(BUGS)}


def test_the_sheet_has_a_row_without_a_bug_and_one_for_each(exhibits):
    figure = bug_plots.contact_sheet(exhibits, shown=4)
    assert isinstance(figure, Figure)
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert texts[0] == "no bug"
    assert texts[2::2] == list(BUGS)
    assert texts[3].splitlines()[1:] == ["T = 10: 12, right 0.25", "T = 1000: 1.4e+07, right 0.5"]
    strips = [axes.get_images()[0].get_array() for axes in figure.axes if axes.get_images()]
    assert len(strips) == 2 * 11
    assert strips[0].shape == (8, 4 * 10 - 2)
    assert [strip[0, 0] for strip in strips[::2]] == [
        0,
        *(round((i / 10 + 1) * 127.5) for i in range(10)),
    ]


def test_what_is_caught_is_coloured():
    figure = bug_plots.catches({"a": [1.0, 0.5], "b": [1.04, 0.0]}, [1.0, 0.0], ["x", "y"])
    (axes,) = figure.axes
    marks = axes.collections[0].get_array().reshape(3, 2)
    assert marks.astype(int).tolist() == [[0, 0], [0, 1], [0, 0]]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["no bug", "a", "b"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["x", "y"]
    assert [text.get_text() for text in axes.texts] == ["1", "0", "1", "0.5", "1.04", "0"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1e-16, "0"),
        (0.0, "0"),
        (0.1052, "0.105"),
        (255.0, "255"),
        (1.44e7, "1.4e+07"),
        (4e-5, "4.0e-05"),
    ],
)
def test_numbers_are_brief(number, words):
    assert bug_plots.brief(number) == words


def test_specimens_stand_beside_their_letters():
    digits = {letter: {10: flat(0), 50: flat(1)} for letter in "AB"}
    axes = bug_plots.specimens(digits, shown=3).axes
    assert [place.get_ylabel() for place in axes] == ["A", "", "B", ""]
    assert [place.get_title(loc="center") for place in axes] == ["10 steps", "50 steps", "", ""]
    assert axes[1].get_images()[0].get_array().max() == 255


def test_nothing_to_show_is_refused():
    with pytest.raises(ValueError, match="exhibits is empty"):
        bug_plots.contact_sheet({})
    with pytest.raises(ValueError, match="2 tests"):
        bug_plots.catches({"a": [1.0]}, [1.0, 2.0], ["x", "y"])
    with pytest.raises(ValueError, match="digits is empty"):
        bug_plots.specimens({})
