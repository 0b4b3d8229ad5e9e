"""The grades of a folder of submissions: what becomes of every exercise of every learner."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ddpm_lessons.checks.exercise import Exercise, Verdict
from ddpm_lessons.checks.progress import all_exercises
from ddpm_lessons.files import reason
from ddpm_lessons.grading.honesty import suspicion
from ddpm_lessons.grading.learners import Learner, learners
from ddpm_lessons.grading.process import Limits, Report, Start, Worker, too_much
from ddpm_lessons.grading.table import Row
from ddpm_lessons.grading.tasks import Task
from ddpm_lessons.kit.builds import learner_key
from ddpm_lessons.kit.submissions import Piece, pieces

ADDRESS = re.compile(r"0x[0-9A-Fa-f]{6,}")  # in a message, another one at every run
NO_MEMORY = re.compile(r"\w*MemoryError\b|.*(can't allocate|not enough) memory", re.DOTALL)


class Answer(NamedTuple):
    """An answer that was handed in, and the notebook it stands in, by its name in the folder."""

    piece: Piece
    file: str


class Submission(NamedTuple):
    """What a learner has handed in: the answers in order, and what could not be read, in words."""

    learner: str
    answers: list[Answer]
    problems: list[str]


def submissions(folder: Path) -> list[Submission]:
    """All that was handed in. Raises ValueError where the folder is not one of submissions."""
    return [_read(learner, folder) for learner in learners(folder)]


def _read(learner: Learner, folder: Path) -> Submission:
    answers, problems = [], [*learner.problems]
    for notebook in learner.notebooks:
        name = notebook.relative_to(folder).as_posix()
        try:
            answers += [Answer(piece, name) for piece in pieces(notebook)]
        except ValueError as error:
            problems.append(str(error).replace(str(notebook), name))
        except OSError as error:
            problems.append(f"{name} cannot be read {reason(error)}")
        except Exception as error:  # code that is nested too deeply, say
            problems.append(f"{name} cannot be read ({type(error).__name__})")
    return Submission(learner.name, answers, problems)


def lessons_in(found: Sequence[Submission]) -> list[str]:
    """The lessons of which anybody has handed in an answer: ["01", "06"]."""
    known = {name[:2] for name in all_exercises()}
    return sorted(known & {answer.piece.name[:2] for one in found for answer in one.answers})


class Grader:
    """Grades submissions. secret: that of their sheets; None asks for the lessons' numbers.

    start: starts a worker, see `nursery`. hidden: the folders that no answer may read. walls:
    those that stand, after the first learner. Its methods raise ValueError where a worker does not
    start.
    """

    def __init__(
        self, start: Start, secret: str | None, limits: Limits, *, hidden: Sequence[Path]
    ) -> None:
        self.start, self.secret, self.limits, self.hidden = start, secret, limits, hidden
        self.walls = {}

    def grade(self, one: Submission, lessons: Sequence[str]) -> list[Row]:
        """A row for each exercise of the lessons, and for whatever else was handed in.

        An exercise that was handed in twice has two rows.
        """
        asked = {name: e for name, e in all_exercises().items() if name[:2] in lessons}
        rows = [Row(one.learner, "", "", "stopped", words) for words in one.problems]
        wanted = [a for a in one.answers if a.piece.name[:2] in lessons or _unknown(a)]
        found = self.judged(one.learner, wanted)
        times = Counter(answer.piece.name for answer in wanted)
        for name in [*asked, *(name for name in times if name not in asked)]:
            title = asked[name].title if name in asked else ""
            if name not in times:
                words = "in none of the notebooks handed in"
                rows.append(Row(one.learner, name, title, "not attempted", words))
            for answer, (verdict, seconds) in found.items():
                if answer.piece.name == name:
                    words = _where(answer) * (times[name] > 1) + verdict.message
                    rows.append(Row(one.learner, name, title, verdict.outcome, words, seconds))
        return rows

    def judged(
        self, learner: str, answers: Sequence[Answer]
    ) -> dict[Answer, tuple[Verdict, float]]:
        """The verdict on each answer, and the seconds it took."""
        tasks = {}
        verdicts = {answer: (refused, 0.0) for answer in answers if (refused := _refused(answer))}
        for answer in answers:
            if answer not in verdicts:
                name, code, expression, _ = answer.piece
                label = f"<{answer.file}: {name}>"
                tasks[answer] = Task(name, code, expression, label, self._seed(learner, name))
        reports = list(self._reports([*tasks.values()]))  # all, before the next thing takes time
        for (answer, task), report in zip(tasks.items(), reports, strict=True):
            exercise = all_exercises()[task.exercise]
            if self.secret is not None:
                key = learner_key(learner, self.secret)
                exercise = exercise.asked_of(learner, secret=key)
            verdicts[answer] = judge(exercise, task, report, limits=self.limits), report.seconds
        return {answer: verdicts[answer] for answer in answers}

    def _reports(self, tasks: Sequence[Task]) -> Iterator[Report]:
        """A report on each task. Whatever stops a worker costs one task; another does the rest."""
        done = 0
        while done < len(tasks):
            with Worker(self.start, tasks[done:], self.limits, hidden=self.hidden) as worker:
                for report in worker.reports():
                    done += 1
                    yield report
                self.walls = worker.walls

    def _seed(self, learner: str, name: str) -> int:
        """The seed of the random arguments: always the same, so that grades can be repeated."""
        words = f"{self.secret} {learner} {name}".encode(errors="replace")
        return int.from_bytes(hashlib.sha256(words).digest()[:4], "big") >> 1


def judge(exercise: Exercise, task: Task, report: Report, *, limits: Limits) -> Verdict:
    """The verdict on what a worker has reported; "stopped" is a fifth outcome."""
    if report.trial is None:
        return Verdict("stopped", _steady(report.stopped))
    if NO_MEMORY.match(report.trial.complaint):
        return Verdict("stopped", too_much(limits))
    try:
        verdict = exercise.judge(report.trial, seed=task.seed)
    except Exception as error:  # an answer so odd that the comparison fails
        words = f"the answer cannot be compared ({type(error).__name__})"
        return Verdict("failed", words)
    words = "not filled in" if verdict.outcome == "not attempted" else _steady(verdict.message)
    return verdict._replace(message=words)


def _unknown(answer: Answer) -> bool:
    return answer.piece.name not in all_exercises()


def _refused(answer: Answer) -> Verdict | None:
    """A verdict without running anything, where that is possible."""
    if _unknown(answer):
        return Verdict("failed", f"{answer.file} asks for it, and the course has no such exercise")
    try:
        piece = suspicion(answer.piece.code, answer.piece.answer)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return Verdict("failed", f"cannot be read as Python ({type(error).__name__})")
    return Verdict("failed", f"takes the answer from the check itself: {piece}") if piece else None


def _where(answer: Answer) -> str:
    return f"(handed in more than once; this is {answer.file}, cell {answer.piece.cell + 1}) "


def _steady(words: str) -> str:
    """A message without what is different at every run."""
    return ADDRESS.sub("0x...", words)
