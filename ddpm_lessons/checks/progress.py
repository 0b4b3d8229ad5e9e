"""How far a learner has come: all exercises of the course, and the record of those passed."""

import html
import importlib
import pkgutil
import re
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from ddpm_lessons import checks
from ddpm_lessons.checks.exercise import COLOURS, Exercise
from ddpm_lessons.checks.record import passed, record_file

SHOWN = 10  # open exercises that are named
LESSON = re.compile(r"lesson\d\d")  # lesson01_open holds some of lesson01's exercises


class Lesson(NamedTuple):
    """A lesson's number ("01"), its name, and its exercises in order, by name ("01.jump")."""

    number: str
    name: str
    exercises: dict[str, Exercise]


@cache
def lessons() -> tuple[Lesson, ...]:
    """Every lesson that has exercises, in order."""
    modules = sorted(m.name for m in pkgutil.iter_modules(checks.__path__))
    found = []
    for module in modules:
        if not LESSON.fullmatch(module):
            continue
        content = importlib.import_module(f"{checks.__name__}.{module}")
        name = content.__doc__.split(":")[0].partition(", ")[2]
        exercises = {exercise.name: exercise for exercise in content.EXERCISES.values()}
        found.append(Lesson(module.removeprefix("lesson"), name, exercises))
    return tuple(found)


def module_of(exercise: Exercise) -> ModuleType:
    """The module in which an exercise is written."""
    name = f"{checks.__name__}.lesson{exercise.name[:2]}"
    lesson, its_open = importlib.import_module(name), importlib.import_module(f"{name}_open")
    return its_open if exercise.name[3:] in vars(its_open) else lesson


def all_exercises() -> dict[str, Exercise]:
    """Every exercise of the course, by its name."""
    return {name: one for lesson in lessons() for name, one in lesson.exercises.items()}


class Progress(NamedTuple):
    """Which exercises have been passed, and when: as text, or in a notebook as a table."""

    when: dict[str, str]

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do."""
        return not self.open()

    def open(self) -> list[Exercise]:
        """The exercises not passed yet, in order."""
        return [one for name, one in all_exercises().items() if name not in self.when]

    def counts(self) -> list[tuple[Lesson, int]]:
        """Each lesson, and how many of its exercises have been passed."""
        return [(lesson, len(self._passed(lesson))) for lesson in lessons()]

    def certificate(
        self, name: str, out: str | Path = "certificate.pdf", *, so_far: bool = False
    ) -> str:
        """Write the exercises passed as a page to print, with the learner's name; says what it did.

        out: the file, .pdf or .svg. so_far: also where exercises are open; else nothing is written,
        and it says which. Raises ValueError where nothing has been passed, for a name or a file's
        ending that is not fit, OSError where the file cannot be written.
        """
        from ddpm_lessons.show import certificate_plots as plots  # here: workers do not draw

        total, left = len(all_exercises()), self.open()
        if len(left) == total:
            raise ValueError(
                "the record has no passed exercise yet: the checks in the lessons fill it"
            )
        if left and not so_far:
            named = ", ".join(one.title for one in left[:SHOWN])
            more = f" and {len(left) - SHOWN} more" if len(left) > SHOWN else ""
            return f"{len(left)} of {total} exercises are still open: {named}{more}."
        lists = {
            f"{lesson.number} · {lesson.name}": [
                one.title.partition(" · ")[2] for one in self._passed(lesson)
            ]
            for lesson in lessons()
        }
        date = max(self.when[one] for one in self.when.keys() & all_exercises().keys())[:10]
        page = plots.certificate(name, lists, total=total, date=date)
        plots.write_certificate(page, Path(out))
        return f"{out}: {total - len(left)} exercises, the last one passed on {date}"

    def _passed(self, lesson: Lesson) -> list[Exercise]:
        return [one for name, one in lesson.exercises.items() if name in self.when]

    def __repr__(self) -> str:
        rows = [f"{one.number} {one.name}: {n} of {len(one.exercises)}" for one, n in self.counts()]
        return "\n".join([*rows, self._sum()])

    def _repr_html_(self) -> str:
        head = "<tr><th>lesson</th><th>passed</th><th>next</th></tr>"
        rows = "".join(self._row(lesson, n) for lesson, n in self.counts())
        return f"<table>{head}{rows}</table><p>{html.escape(self._sum())}</p>"

    def _row(self, lesson: Lesson, n: int) -> str:
        total = len(lesson.exercises)
        left = next((one for name, one in lesson.exercises.items() if name not in self.when), None)
        squares = (
            f'<span aria-hidden="true" style="color: {COLOURS["passed"]}">{"■" * n}</span>'
            f'<span aria-hidden="true">{"□" * (total - n)}</span>'
        )
        cells = (f"{lesson.number} {lesson.name}", f"{n} of {total}", left.title if left else "✓")
        name, count, following = map(html.escape, cells)
        left_aligned = 'style="text-align: left"'
        return (
            f"<tr><td {left_aligned}>{name}</td><td {left_aligned}>{squares} {count}</td>"
            f"<td {left_aligned}>{following}</td></tr>"
        )

    def _sum(self) -> str:
        total = len(all_exercises())
        done = total - len(self.open())
        if done == total:
            return (
                f"All {total} exercises are passed. A page to print: "
                'progress().certificate("Your Name")'
            )
        return f"{done} of {total} exercises passed."


def progress(file: Path | None = None) -> Progress:
    """The progress by a record; by that of this course if None. Raises OSError if unreadable."""
    return Progress(passed(file or record_file()))
