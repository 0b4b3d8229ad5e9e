"""The exercises in a notebook: where they stand, and all the code that an answer needs."""

import ast
import json
import re
from pathlib import Path
from typing import NamedTuple

from ddpm_lessons.kit.slices import needed

LESSON = re.compile(r"lesson\d\d")
BYTES = 50_000_000  # the course's notebooks have less than 3
ANSWERS = 500
CODE = 2_000_000  # characters of code; these have less than 0.1


class Piece(NamedTuple):
    """An answer in a notebook.

    name: the exercise, "01.jump". code: what has to be run so that the answer is defined. answer:
    the expression that the check is given, "my_q_sample". cell: the index of its cell.
    """

    name: str
    code: str
    answer: str
    cell: int


def pieces(notebook: Path) -> list[Piece]:
    """The answers in a notebook, in order. Nothing of it is run.

    Raises ValueError, with the file's name, where it is no notebook, has more than 50 MB, more than
    2 MB of code or 500 answers, or an answer's cell is no Python.
    """
    sources = _sources(notebook)
    found, before = [], []
    for i, source in sources:
        try:
            statements = ast.parse(source).body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            if LESSON.search(source) and ".checks" not in source:
                line = getattr(error, "lineno", None)
                where = f", line {line}" if line else ""
                raise ValueError(f"{notebook}: cell {i + 1}{where} is no Python: {error}") from None
            continue  # a cell of the learner's own that nobody could run
        for statement in statements:
            if check := _check(statement):
                name, answer = check
                code = [ast.unparse(one) for one in needed(answer, before)]
                found.append(Piece(name, "\n".join(code), ast.unparse(answer), i))
                if len(found) > ANSWERS:
                    raise ValueError(f"{notebook} has more than {ANSWERS} answers")
            before.append(statement)
    return found


def _sources(notebook: Path) -> list[tuple[int, str]]:
    """The code cells and their indices, without the lines that only a notebook understands."""
    if notebook.stat().st_size > BYTES:
        raise ValueError(f"{notebook} has {notebook.stat().st_size:,} bytes, expected a notebook")
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        found = [
            (i, "".join(cell["source"]))  # a string or a list of lines
            for i, cell in enumerate(cells)
            if cell["cell_type"] == "code"
        ]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{notebook} is no notebook: {error!r}") from None
    if sum(len(source) for _, source in found) > CODE:
        raise ValueError(f"{notebook} has more than {CODE:,} characters of code")
    return [(i, re.sub(r"^\s*[%!].*$", "", source, flags=re.M)) for i, source in found]


def _check(statement: ast.stmt) -> tuple[str, ast.expr] | None:
    """The exercise and its answer if a statement is a check: lesson01.jump(my_q_sample).

    Also in the form for a learner's own numbers, lesson01.jump.asked_of("ada")(my_q_sample).
    """
    call = statement.value if isinstance(statement, ast.Expr) else None
    if not isinstance(call, ast.Call) or len(call.args) != 1:
        return None
    called = call.func
    if isinstance(called, ast.Call) and isinstance(called.func, ast.Attribute):
        called = called.func.value if called.func.attr == "asked_of" else called
    if not (isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name)):
        return None
    if not LESSON.fullmatch(called.value.id):
        return None
    return f"{called.value.id.removeprefix('lesson')}.{called.attr}", call.args[0]
