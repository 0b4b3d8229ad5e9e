"""The command `grade`, from a folder of notebooks to the table."""

import csv
import json
import os
import sys

import pytest

from ddpm_lessons import cli
from ddpm_lessons.checks.progress import all_exercises
from ddpm_lessons.cli import grade, main
from ddpm_lessons.grading import watch
from ddpm_lessons.kit.builds import learner_key

RIGHT = """
def my_q_sample(x_0, c, eps):
    return c.alpha_bar**0.5 * x_0 + (1 - c.alpha_bar) ** 0.5 * eps
"""
IMPORTS = "from ddpm_lessons.checks import lesson01"
WALLS = {"landlock": 7, "seccomp": True, "limits": True}


def notebook(path, *cells):
    path.parent.mkdir(parents=True, exist_ok=True)
    code = [{"cell_type": "code", "source": cell, "outputs": [], "metadata": {}} for cell in cells]
    path.write_text(json.dumps({"cells": code, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))


@pytest.fixture(autouse=True)
def _command(monkeypatch):
    monkeypatch.setitem(cli.COMMANDS, "grade", grade)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ada has one right, Bob has left all open, Eve writes, =Mal is no notebook; and a sheet."""
    folder = tmp_path_factory.mktemp("term") / "submissions"
    asked = f"{RIGHT}\nlesson01.jump(my_q_sample)"
    own = all_exercises()["01.mostly_noise"].asked_of("ada", secret=learner_key("ada", "autumn"))
    value = f"my_t = {own.solution()}\nlesson01.mostly_noise(my_t)"
    notebook(folder / "ada" / "01_forward_process.ipynb", IMPORTS, asked, value)
    open_one = "def my_q_sample(*a):\n    return ...\nlesson01.jump(my_q_sample)"
    notebook(folder / "bob_01_forward_process.ipynb", IMPORTS, open_one)
    target = folder.parent / "written"
    attack = asked.replace("    return", f'    open({str(target)!r}, "w")\n    return')
    notebook(folder / "eve" / "work" / "x.ipynb", IMPORTS, attack, "lesson01.one_step(max)")
    (folder / "=Mal").mkdir()
    (folder / "=Mal" / "x.ipynb").write_text("no JSON")
    return folder


@pytest.fixture(scope="module")
def graded(folder):
    """The table after one run, and what was said."""
    out = folder.parent / "grades.csv"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(cli.COMMANDS, "grade", grade)
        code = main(["grade", str(folder), "--out", str(out), "--secret", "autumn", "--time", "20"])
    assert code == 0
    with out.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_has_every_exercise_of_every_learner(graded):
    names = [name for name in all_exercises() if name.startswith("01.")]
    for learner in ("ada", "bob", "eve"):
        assert [row["exercise"] for row in graded if row["learner"] == learner] == names
    outcomes = {(row["learner"], row["exercise"]): row["outcome"] for row in graded}
    assert outcomes["ada", "01.jump"] == outcomes["ada", "01.mostly_noise"] == "passed"
    assert outcomes["ada", "01.one_step"] == outcomes["bob", "01.jump"] == "not attempted"
    assert outcomes["eve", "01.jump"] == outcomes["'=Mal", ""] == "stopped"
    assert outcomes["eve", "01.one_step"] == "failed"


def test_the_table_says_why(graded, folder):
    said = {(row["learner"], row["exercise"]): row["diagnosis"] for row in graded}
    assert said["eve", "01.jump"] == f"tried to write {folder.parent / 'written'}"
    assert said["bob", "01.jump"] == "not filled in"
    assert said["'=Mal", ""].startswith("'=Mal/x.ipynb is no notebook")
    assert not (folder.parent / "written").exists()
    assert sorted(path.name for path in folder.iterdir()) == [
        "=Mal", "ada", "bob_01_forward_process.ipynb", "eve"
    ]  # fmt: skip


def run(capsys, *options) -> tuple[int, str, str]:
    code = main(["grade", *map(str, options)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_summary_is_short_and_readable(folder, tmp_path, capsys, monkeypatch):
    """Without an answer that had to run: nothing is said of walls."""
    notebook(tmp_path / "in" / "ada" / "x.ipynb", "lesson01.jump(lesson01.jump.solution)")
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, "in", "--lessons", "06", "01")
    assert code == 0
    lines = out.splitlines()
    total = sum(name[:2] in ("01", "06") for name in all_exercises())
    assert lines[0].split()[:2] == ["learner", "passed"]
    assert lines[1].split() == ["ada", "0", "of", str(total)]
    assert lines[2:] == [f"grades.csv: {total} rows"]
    assert "learner" in err  # the progress
    assert "takes the answer from the check itself" in (tmp_path / "grades.csv").read_text()


def test_missing_walls_are_named(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    assert grade._notes({}) == []
    assert grade._notes(WALLS) == [grade.ALL]
    lacking, advice = grade._notes(WALLS | {"landlock": 0})
    assert lacking.startswith("Without Landlock")
    assert "container" in advice
    monkeypatch.setattr(watch, "psutil", None)
    assert "psutil" in grade._notes(WALLS)[0]
    monkeypatch.setattr(watch, "psutil", sys)
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    assert any("root" in note for note in grade._notes(WALLS))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["nowhere"], "FOLDER is '"),
        (["empty"], "there is no notebook in"),
        (["in", "--lessons", "99", "01"], "--lessons has 99, expected some of 00, 01"),
        (["in", "--out", "grades.txt"], "--out is 'grades.txt', expected the name of a .csv file"),
        (["in", "--out", "in/ada/grades.csv"], "which is in a learner's folder"),
        (["in", "--out", "in/new/grades.csv"], "which is in a learner's folder"),
        (["in", "--out", "no/where/grades.csv"], "expected a folder you may write to"),
    ],
)
def test_a_mistake_is_a_line_and_code_2(tmp_path, monkeypatch, capsys, options, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    notebook(tmp_path / "in" / "ada" / "x.ipynb", IMPORTS)
    code, out, err = run(capsys, *options)
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "grades.csv").exists()


@pytest.mark.parametrize("option", [["--time", "0"], ["--memory", "0.1"], ["--time", "soon"]])
def test_limits_are_numbers_in_their_range(option, capsys):
    with pytest.raises(SystemExit):
        main(["grade", "x", *option])
    assert "expected a number above" in capsys.readouterr().err
