"""The instructor's kit: its minutes add up, its lessons, exercises and commands exist."""

import importlib
import re
import tomllib
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from ddpm_lessons.checks.progress import all_exercises

REPOSITORY = Path(__file__).resolve().parent.parent
KIT = (REPOSITORY / "teaching" / "README.md").read_text(encoding="utf-8")
TEXTS = {path.name[:2]: path for path in sorted((REPOSITORY / "notebooks/text").glob("[0-9]*.py"))}
TABLE_OF_LESSONS = re.compile(r"^\| \[(\d\d) · [^|]+\|[^|]+\|[^|]+\| (\d+) min \|$", re.MULTILINE)
MINUTES = {
    lesson: int(minutes)
    for lesson, minutes in TABLE_OF_LESSONS.findall(
        (REPOSITORY / "README.md").read_text(encoding="utf-8")
    )
}

EXERCISE = 1 / 20  # of its lesson's time; the rest is shared among the sections by their length
OPEN = {  # minutes of an open exercise, whatever the lesson; in 00 and 13 it is as short as others
    f"Exercise {exercise.title}": 10
    for name, exercise in all_exercises().items()
    if exercise.demands and name[:2] not in ("00", "13")
}
ROUNDING = 0.5  # of a minute
SPAN = re.compile(r"\*(?P<first>[^*]+)\*(?: to \*(?P<last>[^*]+)\*)?")
CHECK = re.compile(r"`(lesson\d\d)\.(\w+)`")
VERBS = (  # of things that one can watch being done
    "Choose Compute Count Denoise Derive Describe Determine Distinguish Explain Find Follow Give "
    "Guide Jump Measure Predict Read Restore Run Show State Stop Take Test Trace Translate Turn "
    "Use Walk Write"
)

each_lesson = pytest.mark.parametrize("lesson", TEXTS)


def section(title: str, level: str = "##") -> str:
    """The words under a heading of the kit, up to the next one of its level."""
    _, _, after = KIT.partition(f"\n{level} {title}\n")
    assert after, title
    return re.split(rf"^#{{2,{len(level)}}} ", after, flags=re.MULTILINE)[0]


def rows(words: str) -> list[list[str]]:
    """The cells of the table in these words, without its head."""
    lines = [line for line in words.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in lines[2:]]


@cache
def shares(lesson: str) -> dict[str, float]:
    """The minutes of each section of a lesson, in order; before the first heading stands ''."""
    lengths, heading, words = {"": 0}, "", False
    for line in TEXTS[lesson].read_text(encoding="utf-8").splitlines():
        if line.startswith("# %%"):
            words = "[markdown]" in line
        elif words and (found := re.match(r"# #{2,3} (.+)", line)):
            heading = found[1]
            assert heading not in lengths, heading  # else a plan could not name it
            lengths[heading] = 0
        else:
            lengths[heading] += len(line.split())
    fixed = {name: OPEN[name] for name in lengths if name in OPEN}
    closed = MINUTES[lesson] - sum(fixed.values())
    fixed |= {n: EXERCISE * closed for n in lengths if n.startswith("Exercise ") and n not in OPEN}
    free = MINUTES[lesson] - sum(fixed.values())
    length = sum(own for name, own in lengths.items() if name not in fixed)
    return {name: fixed.get(name, free * own / length) for name, own in lengths.items()}


def sections_in(words: str, lesson: str) -> list[str]:
    """The headings that a cell names: *one*, or *one* to *another* with all between them."""
    headings, named = list(shares(lesson)), []
    for span in SPAN.finditer(words.replace("**", "")):
        first, last = span["first"], span["last"] or span["first"]
        assert first in headings, f"lesson {lesson}: {first}"
        assert last in headings, f"lesson {lesson}: {last}"
        assert headings.index(first) <= headings.index(last), span[0]
        named += headings[headings.index(first) : headings.index(last) + 1]
    return named


class Row(NamedTuple):
    """A row of a plan."""

    begins: int
    ends: int
    lesson: str  # "–" where it belongs to none
    learners: str
    instructor: str
    skip: str


def plan(title: str) -> list[Row]:
    found = []
    for minute, *cells in rows(section(title).split("\n### ")[0]):
        begins, ends = map(int, minute.split("–"))
        found.append(Row(begins, ends, *cells))
    return found


WORKSHOP, COURSE = plan("A workshop of two hours"), plan("A course of ten hours")
HOME = {lesson: (int(minutes), words) for lesson, minutes, words in rows(section("At home", "###"))}
in_both = pytest.mark.parametrize("rows_of", [WORKSHOP, COURSE], ids=["workshop", "course"])


def test_the_table_of_lessons_was_read():
    assert list(MINUTES) == list(TEXTS)


@pytest.mark.parametrize(("rows_of", "minutes"), [(WORKSHOP, 120), (COURSE, 600)])
def test_the_minutes_add_up(rows_of, minutes):
    assert sum(row.ends - row.begins for row in rows_of) == minutes
    assert (rows_of[0].begins, rows_of[-1].ends) == (0, minutes)
    for row, following in pairwise(rows_of):
        assert row.ends == following.begins, following
    assert all(row.begins < row.ends for row in rows_of)


def test_every_hour_of_the_course_is_closed_in_itself():
    """So that it can be given as five sessions of two hours or ten of one."""
    assert {60 * hour for hour in range(11)} <= {0} | {row.ends for row in COURSE}
    opened = [row for row in COURSE if "**Hour " in row.learners]
    assert [row.begins for row in opened] == list(range(0, 600, 60))
    names = [re.search(r"\*\*Hour (\d+)\.\*\*", row.learners)[1] for row in opened]
    assert names == [str(hour) for hour in range(1, 11)]


@in_both
def test_each_row_says_what_to_do(rows_of):
    for row in rows_of:
        assert row.learners
        if row.lesson != "–":
            assert sections_in(row.learners, row.lesson), row
            assert row.instructor, row
            assert row.skip, row


@in_both
def test_each_row_has_the_time_that_its_sections_need(rows_of):
    for row in rows_of:
        if row.lesson != "–":
            times = shares(row.lesson)
            needed = sum(times[name] for name in sections_in(row.learners, row.lesson))
            assert row.ends - row.begins >= needed - ROUNDING, f"{row}: {needed:.1f} minutes"


@in_both
def test_nothing_is_done_twice_and_no_lesson_has_more_than_its_time(rows_of):
    for lesson in TEXTS:
        own = [row for row in rows_of if row.lesson == lesson]
        named = [name for row in own for name in sections_in(row.learners, lesson)]
        assert len(named) == len(set(named)), lesson
        assert sum(row.ends - row.begins for row in own) <= MINUTES[lesson], lesson


@each_lesson
def test_class_and_home_give_each_lesson_its_whole_time(lesson):
    own = [row for row in COURSE if row.lesson == lesson]
    done = {name for row in own for name in sections_in(row.learners, lesson)}
    in_class = sum(row.ends - row.begins for row in own)
    at_home, words = HOME.get(lesson, (0, "all but what was done in class"))
    assert in_class + at_home >= MINUTES[lesson]
    times = shares(lesson)
    if lesson not in HOME:  # then it is done in class wholly
        assert set(times) - done == {""}
    elif not words.startswith("all"):
        left = set(sections_in(words, lesson))
        assert not left & done
        assert left | done | {""} == set(times)
    rest = sum(minutes for name, minutes in times.items() if name not in done)
    assert at_home >= (rest if lesson in HOME else 0) - 2 * ROUNDING, f"{rest:.1f} minutes"
    assert set(sections_in(words, lesson)) <= set(times) - done


@each_lesson
def test_objectives_are_those_of_the_bank(lesson):
    table = tomllib.loads(
        (REPOSITORY / "teaching" / "questions" / f"{lesson}.toml").read_text(encoding="utf-8")
    )
    _, _, after = section("Learning objectives").partition(f"**{table['title']}**\n")
    listed = re.findall(r"^- (.+)$", after.partition("\n**")[0], re.MULTILINE)
    assert listed == list(table["objectives"].values())
    for sentence in listed:
        assert sentence.split()[0].strip(",") in VERBS.split(), sentence


@each_lesson
def test_objectives_follow_the_lessons_own(lesson):
    """As many as the points of "What you will be able to do"."""
    source = TEXTS[lesson].read_text(encoding="utf-8")
    points = source.partition("**What you will be able to do**")[2].partition("# Time on")[0]
    table = tomllib.loads(
        (REPOSITORY / "teaching" / "questions" / f"{lesson}.toml").read_text(encoding="utf-8")
    )
    assert len(table["objectives"]) == len(re.findall(r"^# - ", points, re.MULTILINE))


@each_lesson
def test_misconceptions_show_something_that_exists(lesson):
    title = re.search(r"^# # (.+)$", TEXTS[lesson].read_text(encoding="utf-8"), re.MULTILINE)[1]
    found = rows(section(title, "###"))
    assert 2 <= len(found) <= 5
    for said, wrong, shown in found:
        assert said.startswith('"'), said
        assert len(wrong) >= 20, said
        checks = CHECK.findall(shown)
        assert checks or sections_in(shown, lesson), shown
        assert all(module == f"lesson{lesson}" for module, _ in checks), shown


def test_every_exercise_named_exists():
    named = set(CHECK.findall(KIT))
    assert len(named) >= 40
    for module, exercise in named:
        checks = importlib.import_module(f"ddpm_lessons.checks.{module}")
        assert exercise in checks.EXERCISES, f"{module}.{exercise}"


def test_links_commands_and_the_example():
    headings = re.findall(r"^#{2,3} (.+)$", KIT, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for target in re.findall(r"\]\(([^)\s]+)\)", KIT):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif not target.startswith("https://"):
            assert (REPOSITORY / "teaching" / target.partition("#")[0]).exists(), target
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:^    |`)make (\w+)", KIT, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"


def test_the_example_makes_a_sheet_and_a_key(monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", KIT, re.DOTALL)
    monkeypatch.chdir(REPOSITORY)
    exec(compile(code, "teaching/README.md", "exec"), {})
    said = capsys.readouterr().out
    assert said.count("# Quiz") == said.count("# Key to the quiz") == 1
    assert said.count("Right: **") == 2


def test_grading_has_its_section():
    assert "python -m ddpm_lessons kit " in section("Grading")
    assert "python -m ddpm_lessons grade FOLDER " in section("Grading")


def test_the_tests_would_see_a_plan_that_is_too_tight():
    times = shares("03")
    assert abs(sum(times.values()) - MINUTES["03"]) < 1e-9
    assert times["Exercise 3.6 · Why squares?"] == 10
    assert times["Exercise 3.5 · Which t?"] == (MINUTES["03"] - 10) / 20
    assert sections_in("*The route* to *A bound instead*, *Summary*", "03") == [
        "The route",
        "What we want, and cannot have",
        "One pixel, three steps",
        "A bound instead",
        "Summary",
    ]
    with pytest.raises(AssertionError, match="No such"):
        sections_in("*No such heading*", "03")
