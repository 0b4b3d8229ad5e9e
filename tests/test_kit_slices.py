"""A slice of code has what it needs, and no more: shown by running it."""

import ast

import pytest

from ddpm_lessons.kit.slices import names_bound, names_read, needed


def slice_of(target: str, code: str) -> list[str]:
    """The statements that a target needs, each as its first line."""
    kept = needed(ast.parse(target).body[0], ast.parse(code).body)
    return [ast.unparse(statement).splitlines()[0] for statement in kept]


@pytest.mark.parametrize(
    ("target", "code", "kept"),
    [
        ("a", "a = 1\nb = 2", ["a = 1"]),
        ("a", "b = 2\na = b\nc = 3", ["b = 2", "a = b"]),
        ("a", "a = 1\na = 2", ["a = 2"]),  # the first is gone
        ("a", "a = 1\na += 2", ["a = 1", "a += 2"]),
        ("a", "a = 1\na = a + 2", ["a = 1", "a = a + 2"]),
        ("a", "b = 1\na = b\nb = 2", ["b = 1", "a = b"]),  # what b became later does not matter
        ("f", "b = 1\ndef f(): return b\nb = 2", ["def f():", "b = 2"]),  # and here only that does
        ("f", "import math\ndef f(x): return math.sqrt(x)", ["import math", "def f(x):"]),
        ("f", "x = 1\ndef f(x): return x", ["def f(x):"]),  # its parameter, not the notebook's x
        ("f", "y = 1\ndef f(x):\n    y = x\n    return y", ["def f(x):"]),
        ("f", "n = 3\ndef f(x, k=n): return k", ["n = 3", "def f(x, k=n):"]),
        ("f", "y = 1\nf = lambda x: x + y\ny = 2", ["f = lambda x: x + y", "y = 2"]),
        ("f", "def g(x): return x\ndef f(x): return g(x)", ["def g(x):", "def f(x):"]),
        ("f", "def f(x): return g(x)\ndef g(x): return x", ["def f(x):", "def g(x):"]),
        ("a", "i = 9\na = [i for i in range(3)]", ["a = [i for i in range(3)]"]),
        ("a", "b = 2\na = [i * b for i in range(3)]", ["b = 2", "a = [i * b for i in range(3)]"]),
        ("a", "a = []\na.append(1)\nprint(2)", ["a = []", "a.append(1)"]),
        ("a", "a = [0]\na[0] = 1", ["a = [0]", "a[0] = 1"]),
        ("a", "a = 1\nif True:\n    a = 2", ["a = 1", "if True:"]),
        ("a", "for a in range(3): pass", ["for a in range(3):"]),
        ("a", "(a, b) = (1, 2)", ["a, b = (1, 2)"]),
        ("a", "with open('x') as a: pass", ["with open('x') as a:"]),
        ("a", "import numpy as a\nimport a.b", ["import a.b"]),
        ("a", "from m import *\nb = 1", ["from m import *"]),
        ("C", "class B: pass\nclass C(B): pass", ["class B:", "class C(B):"]),
        ("unknown(a)", "a = 1", ["a = 1"]),
    ],
)
def test_what_a_slice_keeps(target, code, kept):
    assert slice_of(target, code) == kept


def test_a_slice_runs_as_the_whole_does():
    code = """
import math
scale = 3
def other(x):
    return x - 1
def helper(x):
    return scale * math.sqrt(x)
values = [1]
scale = 5
values.append(4)
def answer(x):
    total = 0
    for value in values:
        total += helper(value) * x
    return total
scale = 7
"""
    whole, part = {}, {}
    exec(code, whole)
    kept = needed(ast.parse("answer").body[0], ast.parse(code).body)
    exec(ast.unparse(ast.Module(kept, [])), part)
    assert part["answer"](2) == whole["answer"](2) == 7 * 2 + 14 * 2
    assert "other" not in part


def test_names():
    assert names_read(ast.parse("f(x, y=z) + len(w)").body[0]) == {"f", "x", "z", "w"}
    assert names_bound(ast.parse("import a.b, c as d").body[0]) == {"a", "d"}
