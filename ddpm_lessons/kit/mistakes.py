"""The mistakes that the checks know, as a page for instructors: what was written, what is said."""

import ast
from ast import literal_eval

from ddpm_lessons.checks.exercise import Exercise
from ddpm_lessons.checks.progress import lessons, module_of
from ddpm_lessons.kit.solutions import exercise_call

HEAD = """# The mistakes that the checks know

For each exercise: a wrong answer as the check knows it, and what it says to whoever gives it. (A
dash stands where the answer is made by a function of the check.)
"""


def mistakes_page() -> str:
    """All mistakes of all exercises, in Markdown."""
    parts = [HEAD]
    for lesson in lessons():
        parts.append(f"## {lesson.number} · {lesson.name}\n")
        for exercise in lesson.exercises.values():
            parts.append(f"### {exercise.title}\n\n| wrong | the check says |\n|---|---|")
            rows = zip(wrong_sources(exercise), exercise.mistakes, strict=True)
            parts.append("\n".join(f"| {_code(wrong)} | {m.hint} |" for wrong, m in rows) + "\n")
    return "\n".join(parts)


def wrong_sources(exercise: Exercise) -> list[str]:
    """The source of each of an exercise's wrong answers, "" where it is made elsewhere."""
    module = module_of(exercise)
    call = exercise_call(module, exercise)
    given = [word.value for word in call.keywords if word.arg == "mistakes"]
    known = {}
    for node in ast.walk(given[0]) if given else ():
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Mistake":
            hint = node.args[1]
            try:
                words = vars(module)[hint.id] if isinstance(hint, ast.Name) else literal_eval(hint)
            except ValueError:  # it is put together
                continue
            known[words] = ast.unparse(node.args[0])
    return [known.get(mistake.hint, "") for mistake in exercise.mistakes]


def _code(source: str) -> str:
    """A piece of code for a table's cell."""
    inside = source.partition(": ")[2] if source.startswith("lambda") else source
    words = " ".join(inside.split()).replace("|", "\\|")
    return f"`{words}`" if words else "–"
