"""The answers are found in a notebook, with all that they need; nothing in it is run."""

import json

import pytest

from ddpm_lessons.checks.progress import all_exercises
from ddpm_lessons.kit.builds import lessons_of
from ddpm_lessons.kit.submissions import pieces


def notebook(tmp_path, *sources, kind="code"):
    cells = [{"cell_type": "markdown", "source": "words"}]
    cells += [{"cell_type": kind, "source": source} for source in sources]
    file = tmp_path / "ada.ipynb"
    file.write_text(json.dumps({"cells": cells}))
    return file


def test_every_exercise_of_the_course_is_found_in_its_lesson(request):
    found = [
        (piece.name, notebook.name[:2])
        for notebook in lessons_of(request.config.rootpath)
        for piece in pieces(notebook)
    ]
    assert sorted(name for name, _ in found) == sorted(all_exercises())
    assert all(name[:2] == lesson for name, lesson in found)


def test_an_answer_comes_with_what_it_needs(tmp_path):
    file = notebook(
        tmp_path,
        [
            "import torch\n",
            "import math\n",
            "%matplotlib inline\n",
            "!pip list\n",
        ],  # as files have it
        "def helper(x):\n    return math.sqrt(x)\n\nprint('shown')\n1 / 0",
        "def my_step(x_prev, beta, eps):\n    return helper(1 - beta) * x_prev\n\n"
        "lesson01.one_step(my_step)",
        "my_t = int(5)\nlesson01.mostly_noise.asked_of('ada', secret='x')(my_t)",
    )
    one, two = pieces(file)
    assert (one.name, one.answer, one.cell) == ("01.one_step", "my_step", 3)
    scope = {}
    exec(one.code, scope)
    assert scope["my_step"](2.0, 0.75, 0.0) == 1.0
    assert "torch" not in one.code
    assert "shown" not in one.code
    assert "1 / 0" not in one.code
    assert two == ("01.mostly_noise", "my_t = int(5)", "my_t", 4)


def test_other_calls_are_no_checks(tmp_path):
    sources = [
        "print(1)",
        "lesson01.jump",
        "lesson01.jump()",
        "other.jump(1)",
        "x.lesson01.jump(1)",
    ]
    assert pieces(notebook(tmp_path, *sources)) == []
    assert pieces(notebook(tmp_path, "lesson01.jump(1)", kind="markdown")) == []


def test_a_cell_that_is_no_python_is_said_only_where_it_matters(tmp_path):
    assert pieces(notebook(tmp_path, "what is this", "lesson01.jump(1)"))[0].name == "01.jump"
    with pytest.raises(ValueError, match=r"ada.ipynb: cell 2, line 1 is no Python"):
        pieces(notebook(tmp_path, "def my_jump(:\n    pass\nlesson01.jump(my_jump)"))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"cells": 3}', '{"cells": [{}]}', "[" * 100_000, "\xff"]
)
def test_what_is_no_notebook_is_refused_by_name(tmp_path, text):
    file = tmp_path / "ada.ipynb"
    file.write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=r"ada\.ipynb is no notebook"):
        pieces(file)


def test_a_huge_file_is_not_read(tmp_path):
    file = tmp_path / "ada.ipynb"
    with file.open("wb") as stream:
        stream.truncate(60_000_000)
    with pytest.raises(ValueError, match=r"ada\.ipynb has 60,000,000 bytes"):
        pieces(file)


def test_too_much_code_is_refused_before_it_is_read(tmp_path):
    with pytest.raises(ValueError, match=r"more than 2,000,000 characters of code"):
        pieces(notebook(tmp_path, "x = 1\n" * 400_000))
    with pytest.raises(ValueError, match=r"more than 500 answers"):
        pieces(notebook(tmp_path, "lesson01.jump(1)\n" * 501))
