"""The solution of an exercise as source, taken out of its check: there is no second copy of it."""

import ast
import inspect
import textwrap
from functools import cache, partial
from types import ModuleType

from ddpm_lessons.checks.exercise import Exercise
from ddpm_lessons.checks.progress import module_of
from ddpm_lessons.kit.slices import names_bound, names_read, needed


def solution_source(exercise: Exercise, answer: str) -> str:
    """Python that defines `answer`, the name of a function or a value, as the exercise's solution.

    What the solution uses of its module, imports and helpers, stands before it. A function of the
    library is called. With a learner's own numbers (`asked_of`) they stand in the code.
    """
    module = module_of(exercise)
    node = _solution_node(module, exercise)
    numbers = exercise.solution.keywords if isinstance(exercise.solution, partial) else {}
    is_value = not next(iter(exercise.cases()))
    if isinstance(node, ast.Constant):
        own = ast.Assign([ast.Name(answer, ast.Store())], node)
    elif isinstance(node, ast.Lambda) and is_value:
        own = ast.Assign([ast.Name(answer, ast.Store())], _with_numbers(node, numbers))
    elif isinstance(node, ast.Lambda):
        own = ast.parse(f"def {answer}(): ...").body[0]
        own.args, own.body = node.args, [ast.Return(node.body)]
    elif isinstance(node, ast.FunctionDef) and is_value:
        given = ", ".join(f"{name}={number!r}" for name, number in numbers.items())
        own = ast.parse(f"{answer} = {node.name}({given})").body[0]
    elif isinstance(node, ast.FunctionDef):
        own = ast.parse(ast.unparse(node)).body[0]
        own.name = answer
    else:  # the library's own
        arguments = ", ".join(inspect.signature(exercise.solution).parameters)
        called = ast.unparse(node)
        own = ast.parse(f"def {answer}({arguments}): return {called}({arguments})").body[0]
    own = _bare(own)
    statements = [_bare(statement) for statement in _statements(module)]
    before = [part for part in needed(own, statements) if answer not in names_bound(part)]
    return _laid_out([*_imports_of(before, own), ast.fix_missing_locations(own)])


@cache
def _statements(module: ModuleType) -> list[ast.stmt]:
    """What a module is made of, without its docstring."""
    return ast.parse(inspect.getsource(module)).body[1:]


def _solution_node(module: ModuleType, exercise: Exercise) -> ast.expr | ast.FunctionDef:
    """What stands behind `solution=` in an exercise; a function of the module as its definition."""
    given = [
        word.value for word in exercise_call(module, exercise).keywords if word.arg == "solution"
    ]
    if not given:  # made by a function, for several exercises: then it is a value
        return ast.Constant(exercise.solution())
    found = given[0]
    functions = {one.name: one for one in _statements(module) if isinstance(one, ast.FunctionDef)}
    return functions.get(found.id, found) if isinstance(found, ast.Name) else found


def exercise_call(module: ModuleType, exercise: Exercise) -> ast.Call:
    """The call that makes an exercise, in its module."""
    short = exercise.name.partition(".")[2]
    return next(
        one.value for one in _statements(module) if short in names_bound(one) and _is_call(one)
    )


def _bare(statement: ast.stmt) -> ast.stmt:
    """A function without annotations: as in a lesson, and fewer imports to make."""
    if not isinstance(statement, ast.FunctionDef):
        return statement
    bare = ast.parse(ast.unparse(statement)).body[0]
    for node in ast.walk(bare):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
    return bare


def _imports_of(statements: list[ast.stmt], own: ast.stmt) -> list[ast.stmt]:
    """The statements, their imports without the names that none of them reads."""
    read = names_read(*statements, own)
    for i, one in enumerate(statements):
        if isinstance(one, ast.ImportFrom):
            names = [alias for alias in one.names if (alias.asname or alias.name) in read]
            statements[i] = ast.ImportFrom(one.module, names, one.level)
    return statements


def _is_call(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call)


def _with_numbers(value: ast.Lambda, numbers: dict) -> ast.expr:
    """The lambda's body with its arguments' values in it: the defaults, or those of a learner."""
    defaults = dict(zip([one.arg for one in value.args.args], value.args.defaults, strict=True))
    defaults |= {name: ast.Constant(number) for name, number in numbers.items()}

    class Put(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return defaults.get(node.id, node)

    return Put().visit(ast.parse(ast.unparse(value.body), mode="eval").body)


def _laid_out(statements: list[ast.stmt]) -> str:
    """The statements as source: imports close together, functions two lines apart."""
    source, previous = "", None
    for statement in statements:
        function = isinstance(statement, ast.FunctionDef)
        blank = 2 if function or isinstance(previous, ast.FunctionDef) else 0
        blank = 1 if not blank and type(statement) is not type(previous) else blank
        source += "\n" * (blank + 1 if previous is not None else 0)
        source += textwrap.dedent(ast.unparse(statement))
        previous = statement
    return source
