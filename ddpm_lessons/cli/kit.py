"""For instructors: solutions, a sheet for each learner, and quizzes."""

import argparse
import shlex
from pathlib import Path

from ddpm_lessons.checks.record import course_folder
from ddpm_lessons.files import reason
from ddpm_lessons.kit import builds


def add(parser: argparse.ArgumentParser) -> None:
    """The options of `kit`."""
    parser.add_argument("--out", type=Path, default=Path("build/kit"), help="folder (build/kit)")
    parser.add_argument("--learners", type=Path, help="a text file: a name in each line")
    secret = "any words: they draw numbers for each learner (else all have the lesson's)"
    parser.add_argument("--secret", help=secret)
    parser.add_argument("--lessons", nargs="+", metavar="NN", help="of the learners' sheets (all)")


def run(options: argparse.Namespace) -> int:
    """Write the builds into options.out. Raises ValueError where something does not fit."""
    course = course_folder()
    if course is None:
        raise ValueError(f"there is no course in {Path.cwd()}: start this in its folder, or below")
    out = options.out
    learners = _names(options.learners) if options.learners else []
    lessons = builds.student_build(course, out / "student")
    print(f"{out / 'student'}: {lessons} lessons, the exercises blank")
    exercises = builds.solution_build(course, out / "solution")
    print(
        f"{out / 'solution'}: the same with {exercises} exercises solved, each passed by its check"
    )
    questions = builds.quiz_build(course / "teaching" / "questions", out / "quiz")
    print(f"{out / 'quiz'}: {questions} questions, and their answers explained")
    mistakes = builds.mistakes_build(out)
    print(f"{out / 'mistakes.md'}: {mistakes} wrong answers, and what the checks say to them")
    if learners:
        sheets = builds.grading_build(
            course, out / "grading", learners, secret=options.secret, numbers=options.lessons
        )
        own = options.secret is not None
        numbers = "each with the learner's own numbers" if own else "all with the same numbers"
        print(f"{out / 'grading'}: {sheets} sheets of exercises, {numbers}")
        secret = f" --secret {shlex.quote(options.secret)}" if own else ""
        print(f"When they come back: python -m ddpm_lessons grade FOLDER{secret}")
    else:
        print("With --learners FILE, a name in each line, there is a sheet for each of them, too")
    return 0


def _names(file: Path) -> list[str]:
    """The learners in a file, without blank lines; each once."""
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except OSError as error:
        raise ValueError(f"learners: {file} {reason(error)}") from None
    except UnicodeDecodeError:
        raise ValueError(f"learners: {file} is no text in UTF-8") from None
    names = [line for line in lines if line]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"learners: {', '.join(twice)} stands in {file} more than once")
    if not names:
        raise ValueError(f"learners: {file} is empty, expected a name in each line")
    return names
