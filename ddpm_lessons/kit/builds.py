"""One source, three builds: blank lessons, lessons with solutions, a sheet for each learner.

The source is the course's folder: the stored notebooks, and the checks with their solutions.
"""

import ast
import hashlib
import json
import re
import shutil
from functools import cache
from pathlib import Path

from ddpm_lessons.checks.progress import all_exercises
from ddpm_lessons.files import write_whole
from ddpm_lessons.kit.mistakes import mistakes_page
from ddpm_lessons.kit.questions import load_questions, quiz
from ddpm_lessons.kit.solutions import solution_source
from ddpm_lessons.kit.submissions import Piece, pieces

BESIDE = ("figures/*.png", "figures/*.svg", "figures/*.gif", "benchmarks/results/*")
FOR_LESSONS_ONLY = re.compile(
    r"ddpm_lessons\.show|ddpm_lessons import doctor|matplotlib|ipywidgets"
)
METADATA = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
HOW = """# Exercises of {learner}

Replace the dots in each cell and run it: the check tells you whether you are right, and if not,
often which mistake it looks like. Save this notebook under the name that it has, and hand it in.
{numbers}"""

OWN = "Where a task asks for a number, its numbers are your own; your neighbour's are others.\n"


def lessons_of(course: Path, numbers: list[str] | None = None) -> list[Path]:
    """The notebooks of a course, or those with the numbers ("01") given.

    Raises ValueError for a number that no lesson has.
    """
    found = sorted((course / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    wanted = [notebook.name[:2] for notebook in found] if numbers is None else numbers
    if unknown := sorted(set(wanted) - {notebook.name[:2] for notebook in found}):
        raise ValueError(f"lessons are {', '.join(unknown)}, expected numbers such as 01")
    return [notebook for notebook in found if notebook.name[:2] in wanted]


def student_build(course: Path, out: Path) -> int:
    """The lessons with blank exercises, and the pictures and tables that they show; how many."""
    notebooks = lessons_of(course)
    for notebook in notebooks:
        write_whole(out / "notebooks" / notebook.name, notebook.read_bytes())
    _copy_beside(course, out)
    return len(notebooks)


def solution_build(course: Path, out: Path) -> int:
    """The lessons with every exercise solved and checked; how many exercises.

    Raises AssertionError if a check refuses a solution.
    """
    _copy_beside(course, out)
    solved = 0
    for notebook in lessons_of(course):
        content = json.loads(notebook.read_text(encoding="utf-8"))
        for piece in pieces(notebook):
            _solve(content["cells"][piece.cell], piece)
            solved += 1
        first = content["cells"][0]
        first["source"] = f"{''.join(first['source'])}\n\n*With solutions: for instructors.*"
        _write(out / "notebooks" / notebook.name, content)
    return solved


def _copy_beside(course: Path, out: Path) -> None:
    """What the lessons show, at the same places beside them."""
    for pattern in BESIDE:
        for file in course.glob(pattern):
            (out / file.relative_to(course)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, out / file.relative_to(course))


def mistakes_build(out: Path) -> int:
    """The page of the mistakes that the checks know, out/mistakes.md; how many."""
    write_whole(out / "mistakes.md", mistakes_page().encode())
    return sum(len(exercise.mistakes) for exercise in all_exercises().values())


def learner_key(learner: str, secret: str) -> str:
    """What draws a learner's own numbers: of the instructor's secret, which it does not tell."""
    return hashlib.sha256(f"{secret} {learner}".encode()).hexdigest()[:12]


def sheet(notebooks: list[Path], learner: str, *, secret: str | None = None) -> dict:
    """A notebook with all exercises of some lessons; with a secret, the learner's own numbers."""
    numbers = OWN if secret is not None else ""
    cells = [_cell("markdown", HOW.format(learner=learner, numbers=numbers))]
    for notebook in notebooks:
        sources, imports, answers = _read(notebook)
        cells.append(_cell("markdown", sources[0].splitlines()[0].replace("# ", "## ", 1)))
        cells.append(_cell("code", "\n".join(imports)))
        for piece in answers:
            cells += _asked(piece, sources, learner=learner, secret=secret)
    for i, cell in enumerate(cells):
        cell["id"] = hashlib.sha256(f"{i} {cell['source']}".encode()).hexdigest()[:8]
    return {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}


def grading_build(
    course: Path,
    out: Path,
    learners: list[str],
    *,
    secret: str | None = None,
    numbers: list[str] | None = None,
) -> int:
    """A sheet for each learner, out/<learner>.ipynb; how many.

    Raises ValueError for a name that cannot be a file's.
    """
    notebooks = lessons_of(course, numbers)
    for learner in learners:
        if not re.fullmatch(r"\w[\w.@-]*", learner):
            raise ValueError(
                f"learner is {learner!r}, expected letters, digits and . @ - _: it names a file"
            )
        _write(out / f"{learner}.ipynb", sheet(notebooks, learner, secret=secret))
    return len(learners)


def quiz_build(bank: Path, out: Path) -> int:
    """The question bank as a sheet and a key for each lesson; how many questions."""
    lessons = load_questions(bank)
    for number, questions in lessons.items():
        write_whole(out / f"{number}.md", quiz(questions, answers=False).encode())
        write_whole(out / f"{number}_answers.md", quiz(questions, answers=True).encode())
    return sum(map(len, lessons.values()))


@cache
def _read(notebook: Path) -> tuple[list[str], list[str], list[Piece]]:
    """The cells of a lesson, its imports, and its exercises: read once for all learners."""
    content = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in content]
    code = [s for s, cell in zip(sources, content, strict=True) if cell["cell_type"] == "code"]
    return sources, _imports(code), pieces(notebook)


def _solve(cell: dict, piece: Piece) -> None:
    """Put the solution into an exercise's cell, and the check's verdict under it."""
    exercise = all_exercises()[piece.name]
    source = solution_source(exercise, piece.answer)
    scope: dict = {}
    exec(source, scope)
    verdict = exercise.check(scope[piece.answer])
    assert verdict.outcome == "passed", f"{piece.name}: {verdict}"
    cell["source"] = f"{source}\n\n{_check_line(cell)}"
    data = {"text/html": verdict._repr_html_(), "text/plain": repr(verdict)}
    number = {"execution_count": cell["execution_count"]}
    cell["outputs"] = [{"data": data, "metadata": {}, "output_type": "execute_result", **number}]


def _asked(piece: Piece, sources: list[str], *, learner: str, secret: str | None) -> list[dict]:
    """The task and the blank cell of an exercise."""
    exercise = all_exercises()[piece.name]
    heading = f"### Exercise {exercise.title}"
    words = next(source for source in sources if heading in source)
    source = sources[piece.cell]
    if exercise.numbers and secret is not None:
        key = learner_key(learner, secret)
        own = exercise.asked_of(learner, secret=key)
        words = f"{heading}\n\n{own.task}"
        check = f"lesson{piece.name}"
        source = source.replace(f"{check}(", f'{check}.asked_of("{learner}", secret="{key}")(')
    return [_cell("markdown", words[words.index(heading) :]), _cell("code", source)]


def _imports(sources: list[str]) -> list[str]:
    """The imports of a lesson that its exercises may need, each once."""
    found: dict[str, None] = {}
    for source in sources:
        for statement in ast.parse(source).body:
            if isinstance(statement, (ast.Import, ast.ImportFrom)):
                line = ast.unparse(statement)
                if not FOR_LESSONS_ONLY.search(line):
                    found[line] = None
    return list(found)


def _check_line(cell: dict) -> str:
    source = "".join(cell["source"])
    return ast.unparse(ast.parse(source).body[-1])


def _cell(kind: str, source: str) -> dict:
    blank = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {}, "source": source, **blank}


def _write(path: Path, content: dict) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True)
    write_whole(path, f"{text}\n".encode())
