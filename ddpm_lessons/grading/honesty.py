"""What a look at the code tells before it runs: does an answer come from the check itself?

The library's own functions are fair: using them is what the lessons teach. Not fair are an
exercise's solution and its arguments, and tools that search a running program for them. Only what
is written plainly is found; what is hidden with effort meets the walls that come after.
"""

import ast
import re
from collections.abc import Iterable

from ddpm_lessons.kit.submissions import LESSON

PRIVATE = ("ddpm_lessons.checks", "ddpm_lessons.kit", "ddpm_lessons.grading")
PRIVATE += ("ddpm_lessons.bugs.specimens.diagnosis",)  # the answers of three exercises
ASKED = re.compile(r"ddpm_lessons\.checks\.lesson\d\d\.[a-z]\w*")  # to call a check is harmless
TOOLS = ("gc", "inspect", "importlib", "runpy")
TOOLS += ("sys.modules", "sys._getframe", "sys._current_frames", "__import__")
INSIDE = re.compile(
    r"__(globals|closure|code|subclasses|builtins)__|cell_contents"
    r"|f_(back|globals|locals|builtins)|(gi|cr|ag|tb)_frame"
)
NAMED = re.compile(r"ddpm_lessons[./\\](checks|kit|grading)")
SHOWN = 80  # characters


def suspicion(code: str, answer: str) -> str:
    """The first piece of an answer's code that reaches for the check; "" if there is none.

    Raises SyntaxError where it is no Python.
    """
    trees = [ast.parse(code), ast.parse(answer, mode="eval")]
    bound = {}
    for node in ast.walk(trees[0]):
        if isinstance(node, ast.Import):
            bound |= {
                a.asname or _first(a.name): a.name if a.asname else _first(a.name)
                for a in node.names
            }
        elif isinstance(node, ast.ImportFrom) and not node.level:
            bound |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    found = (piece for tree in trees for piece in _reaching(tree, bound))
    return next((_shown(piece) for piece in found), "")


def _first(name: str) -> str:
    return name.partition(".")[0]


def _shown(node: ast.AST) -> str:
    words = ast.unparse(node)
    return words if len(words) <= SHOWN else words[: SHOWN - 3] + "..."


def _reaching(node: ast.AST, bound: dict[str, str], called: bool = False) -> Iterable[ast.AST]:
    """The nodes that reach for the check. called: whether this one is what a call calls."""
    name = _dotted(node, bound)
    if name:
        is_check = called and ASKED.fullmatch(name)
        looks_inside = any(INSIDE.fullmatch(part) for part in name.split("."))
        if looks_inside or (_private(name) and not is_check):
            yield node
        return
    if isinstance(node, ast.Attribute) and INSIDE.fullmatch(node.attr):
        yield node
    if isinstance(node, ast.ImportFrom) and _private(f"{node.module}.") and _takes_all(node):
        yield node
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and NAMED.search(node.value):
        yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(node, ast.Expr) and isinstance(child, ast.Constant)):  # a docstring
            yield from _reaching(child, bound, isinstance(node, ast.Call) and child is node.func)


def _dotted(node: ast.AST, bound: dict[str, str]) -> str:
    """The full name of `a.b.c`, with what an import has bound to `a`; "" for anything else."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    unbound = f"ddpm_lessons.checks.{node.id}" if LESSON.fullmatch(node.id) else node.id
    return ".".join([bound.get(node.id, unbound), *reversed(parts)])


def _private(name: str) -> bool:
    return any(f"{name}.".startswith(f"{start}.") for start in (*PRIVATE, *TOOLS))


def _takes_all(node: ast.ImportFrom) -> bool:
    return any(alias.name == "*" for alias in node.names)
