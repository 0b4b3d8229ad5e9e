"""The question bank: read from TOML files, examined, and written as a quiz or as its key.

A file NN.toml holds the questions of lesson NN: the lesson's `title`, a table of `objectives`, and
any number of `[[question]]`, each with three or four `[[question.options]]`, of which one is
`right`. Every option, right or wrong, has a `why`.
"""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

LEVELS = ("recall", "understand", "apply")
LETTERS = "ABCD"
FEWEST = 3  # options of a question; the most is as many as there are letters


class Option(NamedTuple):
    """One answer to choose: its words, whether it is the right one, and why or why not."""

    text: str
    right: bool
    why: str


class Question(NamedTuple):
    """A question of the bank. All words are Markdown, with mathematics between dollar signs."""

    number: str  # "01.3": the third question of lesson 01
    lesson: str  # the lesson's title, "01 · The forward process"
    text: str
    options: tuple[Option, ...]
    objective: str  # the sentence of which learning objective it tests
    level: str  # one of LEVELS
    place: str  # the heading in the lesson under which the answer is found


def load_questions(folder: str | Path) -> dict[str, list[Question]]:
    """The questions of every file NN.toml in a folder, by lesson: {"00": [...], "01": [...], ...}.

    Raises ValueError where the folder has no such file, or where something in a file is not as it
    should be, naming the file, the question and what was expected.
    """
    files = sorted(Path(folder).glob("*.toml"))
    if not files:
        raise ValueError(f"folder is {str(folder)!r}, expected one with question files NN.toml")
    return {file.stem: _lesson(file) for file in files}


def quiz(questions: Sequence[Question], *, answers: bool) -> str:
    """The questions as Markdown: a sheet for learners, or with `answers` the key.

    The key marks the right option and explains each, and says where in the lesson to read, what is
    tested, and at which level. Questions come in the order given, under their lesson's title.
    """
    if not questions:
        raise ValueError("questions is empty, expected at least one question")
    blocks, lesson = ["# Key to the quiz" if answers else "# Quiz"], ""
    if not answers:
        blocks.append("One answer of each question is right.")
    for question in questions:
        if question.lesson != lesson:
            lesson = question.lesson
            blocks.append(f"## {lesson}")
        blocks += _with_answers(question) if answers else _without_answers(question)
    return "\n\n".join(blocks) + "\n"


def _without_answers(question: Question) -> list[str]:
    pairs = zip(LETTERS, question.options, strict=False)
    options = [f"- **{letter}**  {option.text}" for letter, option in pairs]
    return [f"**{question.number}**  {question.text}", "\n".join(options)]


def _with_answers(question: Question) -> list[str]:
    pairs = list(zip(LETTERS, question.options, strict=False))
    (right,) = (letter for letter, option in pairs if option.right)
    options = [
        f"- **{letter}** {'✓' if option.right else '✗'}  {option.text}\n  {option.why}"
        for letter, option in pairs
    ]
    return [
        f"**{question.number}**  {question.text}",
        f"Right: **{right}**",
        "\n".join(options),
        f"Read: *{question.place}*. Level: {question.level}. Objective: {question.objective}",
    ]


def _lesson(file: Path) -> list[Question]:
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} is no TOML: {error}") from error
    _expect_keys(table, {"title", "objectives", "question"}, str(file))
    title, objectives = _words(table, "title", str(file)), table["objectives"]
    if not (re.fullmatch(r"\d\d", file.stem) and title.startswith(f"{file.stem} · ")):
        raise ValueError(f"{file}: title is {title!r}, expected 'NN · ...' in a file NN.toml")
    if not isinstance(objectives, dict) or not objectives:
        raise ValueError(f"{file}: objectives is {objectives!r}, expected a table of sentences")
    sentences = {key: _words(objectives, key, f"{file}, objectives") for key in objectives}
    found = []
    for n, row in enumerate(_tables(table, "question", str(file)), 1):
        question = _question(row, f"{file}, question {n}", sentences)
        found.append(question._replace(number=f"{file.stem}.{n}", lesson=title))
    _expect_different([question.text for question in found], "question", str(file))
    return found


def _question(row: dict, where: str, sentences: dict[str, str]) -> Question:
    _expect_keys(row, {"text", "objective", "level", "place", "options"}, where)
    text, objective, level, place = (
        _words(row, key, where) for key in ("text", "objective", "level", "place")
    )
    if objective not in sentences:
        raise ValueError(f"{where}: objective is {objective!r}, expected one of {[*sentences]}")
    if level not in LEVELS:
        raise ValueError(f"{where}: level is {level!r}, expected one of {[*LEVELS]}")
    return Question("", "", text, _options(row, where), sentences[objective], level, place)


def _options(row: dict, where: str) -> tuple[Option, ...]:
    tables, found = _tables(row, "options", where), []
    if not FEWEST <= len(tables) <= len(LETTERS):
        raise ValueError(f"{where} has {len(tables)} options, expected {FEWEST} to {len(LETTERS)}")
    for letter, table in zip(LETTERS, tables, strict=False):
        here = f"{where}, option {letter}"
        _expect_keys({"right": False} | table, {"text", "right", "why"}, here)
        right = table.get("right", False)
        if not isinstance(right, bool):
            raise ValueError(f"{here}: right is {right!r}, expected true or false")
        found.append(Option(_words(table, "text", here), right, _words(table, "why", here)))
    marked = sum(option.right for option in found)
    if marked != 1:
        raise ValueError(f"{where} has {marked} options marked right, expected exactly one")
    _expect_different([option.text for option in found], "option", where)
    return tuple(found)


def _expect_keys(table: dict, expected: set[str], where: str) -> None:
    missing, unknown = sorted(expected - table.keys()), sorted(table.keys() - expected)
    if missing:
        raise ValueError(f"{where}: {', '.join(missing)} missing, expected {sorted(expected)}")
    if unknown:
        raise ValueError(f"{where}: {', '.join(unknown)} unknown, expected {sorted(expected)}")


def _words(table: dict, key: str, where: str) -> str:
    value: Any = table[key]
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{where}: {key} is {value!r}, expected words")
    return value.strip()


def _tables(table: dict, key: str, where: str) -> list[dict]:
    value: Any = table[key]
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value) or not value:
        raise ValueError(f"{where}: {key} is {value!r}, expected a list of tables")
    return value


def _expect_different(words: list[str], name: str, where: str) -> None:
    for word in words:
        if words.count(word) > 1:
            raise ValueError(f"{where}: the {name} {word!r} comes twice, expected different ones")
