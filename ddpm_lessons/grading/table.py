"""Grades as a table: a CSV file that a spreadsheet may open, and a summary for the terminal."""

import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

FORMULA = tuple("=+-@\t\r＝＋－＠")  # what makes a spreadsheet compute a cell instead of showing it
LONGEST = 500


class Row(NamedTuple):
    """One line of the grades. outcome: passed, not attempted, failed, or stopped; see OUTCOMES."""

    learner: str
    exercise: str
    title: str
    outcome: str
    diagnosis: str
    seconds: float = 0.0


def as_csv(rows: Iterable[Row]) -> bytes:
    """The rows as CSV in UTF-8, with the mark by which Excel knows it."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(Row._fields)
    for row in rows:
        table.writerow([*map(defused, row[:-1]), f"{row.seconds:.1f}"])
    return text.getvalue().encode("utf-8-sig")


def defused(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    cell = clean(text)
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def clean(text: str) -> str:
    """A text in one line, of bounded length, without anything that steers a terminal or hides."""
    shown = "".join(
        " " if letter.isspace() else letter
        for letter in text
        if letter.isspace() or unicodedata.category(letter)[0] != "C"
    )
    shown = " ".join(shown.split())
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 3] + "..."


def summary(rows: Sequence[Row]) -> str:
    """For each learner how many exercises have passed of all, and what was stopped, and why."""
    lines = [("learner", "passed", "stopped, or not readable")]
    for learner in dict.fromkeys(row.learner for row in rows):
        own = [row for row in rows if row.learner == learner]
        asked = {row.exercise for row in own if row.exercise}
        passed = {row.exercise for row in own if row.outcome == "passed"}
        stopped = [f"{row.exercise} {row.diagnosis}" for row in own if row.outcome == "stopped"]
        lines.append(
            (clean(learner), f"{len(passed)} of {len(asked)}", clean("; ".join(stopped)).strip())
        )
    widths = [max(len(line[i]) for line in lines) for i in range(2)]
    return "\n".join(
        f"{name:{widths[0]}}  {count:{widths[1]}}  {words}".rstrip() for name, count, words in lines
    )
