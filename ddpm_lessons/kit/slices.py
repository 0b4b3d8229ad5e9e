"""Which statements does a piece of code need?

For solutions out of a module, and answers out of a notebook. A slice is made of top-level
statements. What a function's body reads counts when the function is called, after everything else;
all other names count where they stand.
"""

import ast
import builtins
from collections.abc import Iterable, Sequence

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
IMPORTS = (ast.Import, ast.ImportFrom)
BUILTIN = frozenset(dir(builtins))


def needed(target: ast.AST, statements: Sequence[ast.stmt]) -> list[ast.stmt]:
    """Those of the statements, in order, that give `target` its names when run before it.

    Of several statements that bind a name those count that still matter at the end; `import *` is
    always kept. Names that nothing binds are left to Python.
    """
    wanted = names_read(target)
    while True:
        kept, deferred = _backwards(wanted, statements)
        if deferred <= wanted:
            return kept
        wanted |= deferred


def names_read(*nodes: ast.AST, bodies: bool = True) -> set[str]:
    """The names that code reads from outside of itself, but for Python's own.

    bodies: also those that functions in it will read when they are called.
    """
    return set().union(*(_free(node, bodies) for node in nodes)) - BUILTIN


def _free(node: ast.AST, bodies: bool) -> set[str]:
    """The names that a node reads, without the parameters and variables of functions in it."""
    if isinstance(node, ast.Name):
        return {node.id} if isinstance(node.ctx, ast.Load) else set()
    parts = _defaults(node) if isinstance(node, FUNCTIONS) else ast.iter_child_nodes(node)
    found = set().union(*(_free(part, bodies) for part in parts))
    if isinstance(node, FUNCTIONS) and bodies:
        body = node.body if isinstance(node.body, list) else [node.body]
        inner = set().union(*(_free(part, bodies) for part in body))
        own = {argument.arg for argument in ast.walk(node.args) if isinstance(argument, ast.arg)}
        found |= inner - own.union(*map(names_bound, body), *map(_stored, body))
    elif isinstance(node, COMPREHENSIONS):
        found -= set().union(*(_stored(part.target) for part in node.generators))
    return found


def _defaults(function: ast.AST) -> list[ast.expr]:
    """What a function's definition evaluates at once."""
    given = [*function.args.defaults, *filter(None, function.args.kw_defaults)]
    return given + getattr(function, "decorator_list", [])


def _stored(node: ast.AST) -> set[str]:
    inner = [one for one in ast.walk(node) if isinstance(one, ast.Name)]
    return {name.id for name in inner if not isinstance(name.ctx, ast.Load)}


def names_bound(statement: ast.stmt) -> set[str]:
    """The names that a top-level statement binds."""
    if isinstance(statement, IMPORTS):
        return {alias.asname or alias.name.split(".")[0] for alias in statement.names}
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {statement.name}
    found = [inner for inner in _outside_functions(statement) if isinstance(inner, ast.Name)]
    return {name.id for name in found if not isinstance(name.ctx, ast.Load)}


def _backwards(wanted: set[str], statements: Sequence[ast.stmt]) -> tuple[list, set[str]]:
    """The statements kept by a walk from the end, and what the functions among them will read."""
    open_names, kept, deferred = set(wanted), [], set()
    for statement in reversed(statements):
        bound = names_bound(statement)
        if not (bound & open_names or "*" in bound or _changes(statement, open_names)):
            continue
        kept.append(statement)
        inner = [node for node in ast.walk(statement) if isinstance(node, FUNCTIONS)]
        deferred |= names_read(*inner)
        at_once = names_read(statement, bodies=False)
        if not isinstance(statement, (ast.If, ast.For, ast.While, ast.Try, ast.AugAssign)):
            open_names -= bound  # whatever it was before is gone
        open_names |= at_once | (bound if isinstance(statement, ast.AugAssign) else set())
    return kept[::-1], deferred


def _changes(statement: ast.stmt, names: set[str]) -> bool:
    """Whether a statement may change what a name holds: x.append(1), x[0] = 1, x.y = 1."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return bool(_root(statement.value.func) & names)
    if isinstance(statement, (ast.Assign, ast.AugAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return any(_root(target) & names for target in targets)
    return False


def _root(node: ast.AST) -> set[str]:
    """The name at the root of x.y.z or x[i].y; nothing for a bare name."""
    if not isinstance(node, (ast.Attribute, ast.Subscript)):
        return set()
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def _outside_functions(node: ast.AST) -> Iterable[ast.AST]:
    """The node and what is in it, without the bodies of functions."""
    yield node
    inside = _defaults(node) if isinstance(node, FUNCTIONS) else ast.iter_child_nodes(node)
    for child in inside:
        yield from _outside_functions(child)
