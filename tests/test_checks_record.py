"""The record of passed exercises survives crashes, several kernels and people who edit it."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from ddpm_lessons.checks import lesson01, record
from ddpm_lessons.checks.progress import Progress, all_exercises, lessons, progress


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course's folder with the working directory in its notebooks, as a kernel has it."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "00_welcome.ipynb").write_text("{}")
    monkeypatch.chdir(tmp_path / "notebooks")
    monkeypatch.delenv(record.SETTING, raising=False)
    return tmp_path


@pytest.fixture
def notebook(monkeypatch):
    """IPython as it looks in a kernel."""
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))


def test_a_pass_in_a_notebook_is_put_down_once(course, notebook):
    for _ in range(2):
        assert lesson01.jump(lesson01.jump.solution).outcome == "passed"
    lesson01.one_step(lambda *arguments: 0)
    lesson01.one_step(...)
    lines = (course / "progress.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# The exercises that you have passed")
    assert [line[18:] for line in lines[1:]] == ["01.jump"]
    assert set(progress().when) == {"01.jump"}


def test_nothing_is_put_down_outside_of_a_notebook_or_a_course(course, tmp_path, monkeypatch):
    lesson01.jump(lesson01.jump.solution)  # no notebook
    assert not (course / "progress.txt").exists()
    monkeypatch.chdir("/")
    assert record.record_file() is None
    assert progress().when == {}


def test_nothing_is_put_down_elsewhere_even_in_a_notebook(tmp_path, monkeypatch, notebook):
    monkeypatch.chdir(tmp_path)
    assert lesson01.jump(lesson01.jump.solution).message == "Your answer agrees with the library."
    assert list(tmp_path.iterdir()) == []


def test_the_variable_names_another_file_or_none(course, notebook, monkeypatch, tmp_path):
    monkeypatch.setenv(record.SETTING, str(tmp_path / "mine" / "list.txt"))
    lesson01.jump(lesson01.jump.solution)
    assert set(record.passed(tmp_path / "mine" / "list.txt")) == {"01.jump"}
    monkeypatch.setenv(record.SETTING, "off")
    lesson01.one_step(lesson01.one_step.solution)
    assert not (course / "progress.txt").exists()


def test_a_record_that_cannot_be_written_does_not_stop_a_check(course, notebook):
    (course / "progress.txt").mkdir()
    verdict = lesson01.jump(lesson01.jump.solution)
    assert verdict.outcome == "passed"
    assert "It could not be put down in" in verdict.message


@pytest.mark.parametrize("rest", ["", "2026-11-2", "2026-11-29 20:01  01.ju", "\x00\x00\x00", "é"])
def test_what_a_crash_left_of_a_line_is_passed_over(tmp_path, rest):
    file = tmp_path / "progress.txt"
    record.keep("01.one_step", file)
    with file.open("a", encoding="latin-1") as stream:
        stream.write(rest)
    record.keep("01.alpha_bars", file)
    found = [name for name in record.passed(file) if name in all_exercises()]
    assert found == ["01.alpha_bars", "01.one_step"]
    assert file.read_bytes().endswith(b"  01.alpha_bars\n")


def test_people_may_edit_it(tmp_path):
    file = tmp_path / "progress.txt"
    file.write_text(
        "my own note\r\n2026-01-02 10:00  01.jump  \r\n\r\n2026-01-01 09:00  01.one_step\r\n"
        "2026-03-03 11:00  01.jump\r\n2026-01-05 10:00  00.of_an_older_course\r\n",
        encoding="utf-8",
    )
    when = record.passed(file)
    assert when["01.jump"] == "2026-01-02 10:00"  # the first time counts
    assert when["01.one_step"] == "2026-01-01 09:00"
    assert (
        sum(n for _, n in Progress(when).counts()) == 2
    )  # what the course does not have is left out
    assert record.passed(tmp_path / "missing") == {}
    assert record.passed(None) == {}


WRITER = """
import sys
from pathlib import Path
from ddpm_lessons.checks.record import keep
sys.stdin.readline()
for i in range(40):
    keep(f"01.of_{sys.argv[2]}_{i}", Path(sys.argv[1]))
"""


def test_two_kernels_at_once_lose_nothing(tmp_path):
    file = tmp_path / "progress.txt"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, file, name], stdin=subprocess.PIPE, text=True
        )
        for name in ("a", "b")
    ]
    for writer in writers:  # both have started and wait
        writer.stdin.write("\n")
        writer.stdin.close()
    assert [writer.wait(60) for writer in writers] == [0, 0]
    expected = {f"01.of_{name}_{i}" for name in ("a", "b") for i in range(40)}
    assert set(record.passed(file)) == expected
    names = [line.split()[-1] for line in file.read_text().splitlines() if line[0] != "#"]
    assert sorted(names) == sorted(expected)  # whole lines, and each once


def test_a_kernel_killed_at_any_moment_leaves_a_record_that_reads(tmp_path):
    file = tmp_path / "progress.txt"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, file, "a"], stdin=subprocess.PIPE, text=True
    )
    writer.stdin.write("\n")
    writer.stdin.flush()
    while not file.exists() or len(record.passed(file)) < 3:
        assert writer.poll() is None or len(record.passed(file)) == 40
    writer.kill()
    writer.wait(60)
    before = record.passed(file)
    record.keep("01.jump", file)
    assert set(record.passed(file)) == {*before, "01.jump"}


def test_the_progress_as_text_and_as_a_table():
    names = list(all_exercises())
    none, some, whole = (Progress(dict.fromkeys(names[:n], "now")) for n in (0, 3, len(names)))
    assert not none.complete
    assert whole.complete
    assert [one.name for one in some.open()] == names[3:]
    assert f"3 of {len(names)} exercises passed." in repr(some)
    assert "00 welcome: 3 of" in repr(some)
    assert "certificate" in repr(whole)
    table = some._repr_html_()
    assert table.count("<tr>") == 1 + len(lessons())
    following = all_exercises()["01.one_step"].title
    assert following in table
    assert whole._repr_html_().count('<td style="text-align: left">✓</td>') == len(lessons())


def test_a_course_is_found_from_below_and_not_from_beside(course, monkeypatch, tmp_path_factory):
    assert record.course_folder() == course
    monkeypatch.chdir(course)
    assert record.course_folder() == course
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert record.course_folder() is None
    assert os.environ.get(record.SETTING) is None


def test_the_progress_makes_a_certificate(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = list(all_exercises())
    none, some, whole = (
        Progress(dict.fromkeys(names[:n], "2026-05-01 10:00")) for n in (0, 3, len(names))
    )
    said = some.certificate("Ada")
    assert said.startswith(f"{len(names) - 3} of {len(names)} exercises are still open: ")
    assert all_exercises()[names[3]].title in said
    assert said.endswith(f" and {len(names) - 13} more.")
    assert list(tmp_path.iterdir()) == []
    assert some.certificate("Ada", "so_far.svg", so_far=True).startswith("so_far.svg: 3 exercises")
    said = whole.certificate("Ada")
    assert said == f"certificate.pdf: {len(names)} exercises, the last one passed on 2026-05-01"
    assert (tmp_path / "certificate.pdf").read_bytes().startswith(b"%PDF")
    with pytest.raises(ValueError, match="no passed exercise yet"):
        none.certificate("Ada")
    with pytest.raises(ValueError, match="name is ''"):
        whole.certificate("")
    with pytest.raises(ValueError, match="a name that ends in"):
        whole.certificate("Ada", "page.png")
