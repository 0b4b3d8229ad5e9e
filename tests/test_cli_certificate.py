"""python -m ddpm_lessons certificate: complete, not complete, and everything that can go wrong."""

import pytest

from ddpm_lessons.checks.progress import all_exercises
from ddpm_lessons.checks.record import SETTING, keep
from ddpm_lessons.cli import main

NAMES = list(all_exercises())


@pytest.fixture
def record(tmp_path, monkeypatch):
    """A file for the record, and a working directory that is no course."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(SETTING, raising=False)
    return tmp_path / "progress.txt"


def run(*options: object) -> int:
    return main(["certificate", "--name", "Ada", *map(str, options)])


def test_a_complete_record_makes_a_page(record, tmp_path, capsys):
    for name in NAMES:
        keep(name, record)
    assert run("--record", record) == 0
    assert f"certificate.pdf: {len(NAMES)} exercises" in capsys.readouterr().out
    assert (tmp_path / "certificate.pdf").read_bytes().startswith(b"%PDF")


def test_what_is_open_is_said(record, tmp_path, capsys):
    for name in [*NAMES[:3], "00.of_an_older_course"]:
        keep(name, record)
    assert run("--record", record) == 1
    said = capsys.readouterr().out
    assert f"{len(NAMES) - 3} of {len(NAMES)} exercises are still open" in said
    assert all_exercises()[NAMES[3]].title in said
    assert not (tmp_path / "certificate.pdf").exists()
    assert run("--record", record, "--so-far", "--out", "so_far.svg") == 0
    assert "so_far.svg: 3 exercises" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "there is no course in"),
        (["--record", "missing.txt"], "record is 'missing.txt', and there is no such file"),
        (["--record", "empty.txt"], "the record has no passed exercise yet"),
        (["--record", "full.txt", "--so-far", "--out", "page.png"], "expected a name that ends in"),
        (["--record", "full.txt", "--so-far", "--out", "full.txt/a.pdf"], "a file stands where"),
        (
            ["--record", "full.txt", "--so-far", "--name", ""],
            "name is '', expected 1 to 60 letters",
        ),
    ],
)
def test_mistakes_are_one_line_and_code_2(record, tmp_path, capsys, options, message):
    (tmp_path / "empty.txt").write_text("")
    keep(NAMES[0], tmp_path / "full.txt")
    assert run(*options) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
