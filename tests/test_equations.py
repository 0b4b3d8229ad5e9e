"""Every equation has one home: the docstrings of the library against the table in the README."""

import ast
import re
from pathlib import Path

import ddpm_lessons

PACKAGE = Path(ddpm_lessons.__file__).parent
REPOSITORY = Path(__file__).resolve().parent.parent

# What the course owes its reader, by the numbers of arXiv 2006.11239.
PROMISED = {f"Eq. {n}" for n in (2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15)}
PROMISED |= {"Algorithm 1", "Algorithm 2"}

HOME = re.compile(r"Eq\. \((?P<numbers>\d+(, \d+)*)\)|Algorithm (?P<algorithm>\d+)")
ROW = re.compile(r"^\| (?P<equation>(Eq|Algorithm)[^|]*) \| `(?P<function>[\w.]+)` "
                 r"\| `(?P<test>[\w./:]+)` \| (?P<lesson>\d\d) \|$", re.MULTILINE)  # fmt: skip


def names(label: str) -> set[str]:
    """'Eq. (6, 7)' -> {'Eq. 6', 'Eq. 7'}."""
    match = HOME.match(label)
    if match["algorithm"]:
        return {f"Algorithm {match['algorithm']}"}
    return {f"Eq. {number}" for number in match["numbers"].split(", ")}


def homes_in(tree: ast.AST, prefix: str) -> dict[str, str]:
    """The functions of a syntax tree whose docstring starts with an equation: name -> label."""
    found = {}
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            name = f"{prefix}.{node.name}"
            if match := HOME.match(ast.get_docstring(node) or ""):
                found[name] = match[0]
            found |= homes_in(node, name)
    return found


def homes() -> dict[str, str]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        found |= homes_in(ast.parse(path.read_text(encoding="utf-8")), module)
    return found


def table() -> list[dict[str, str]]:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    section = readme.split("## Every equation has one home")[1].split("\n## ")[0]
    return [match.groupdict() for match in ROW.finditer(section)]


def test_the_table_names_every_home_and_nothing_else():
    assert {row["function"]: row["equation"] for row in table()} == homes()


def test_the_table_says_nothing_twice():
    pairs = [(row["equation"], row["function"]) for row in table()]
    assert len(pairs) == len(set(pairs))


def test_every_line_of_the_table_is_read():
    """A row that does not fit the pattern would escape the other tests."""
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    section = readme.split("## Every equation has one home")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(table())  # the head and the rule below it


def test_an_equation_lives_in_one_module():
    where: dict[str, set[str]] = {}
    for function, label in homes().items():
        for equation in names(label):
            where.setdefault(equation, set()).add(function.rsplit(".", 1)[0])
    assert {equation: at for equation, at in where.items() if len(at) > 1} == {}


def test_every_promised_equation_has_a_home():
    assert set().union(*(names(label) for label in homes().values())) >= PROMISED


def test_the_named_tests_exist_and_speak_of_the_function():
    for row in table():
        path, test = row["test"].split("::")
        source = (REPOSITORY / path).read_text(encoding="utf-8")
        tests = {n.name for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef)}
        assert test in tests, row
        assert row["function"].rsplit(".", 1)[1] in source, row


def test_the_named_lessons_exist_and_speak_of_it():
    """By the function's name in code, or by the number."""
    for row in table():
        texts = list((REPOSITORY / "notebooks" / "text").glob(f"{row['lesson']}_*.py"))
        assert len(texts) == 1, row
        name, words = row["function"].rsplit(".", 1)[1], texts[0].read_text(encoding="utf-8")
        code = rf"\b{name}\(|`{name}\b|^from .* import .*\b{name}\b|^    {name},$"
        assert row["equation"] in words or re.search(code, words, re.MULTILINE), row


def test_the_reading_of_docstrings():
    source = 'def f():\n    """Eq. (6, 7): a."""\ndef g():\n    """See Eq. (4)."""\n'
    source += 'class C:\n    def h(self):\n        """Algorithm 2: b."""\n'
    assert homes_in(ast.parse(source), "m") == {"m.f": "Eq. (6, 7)", "m.C.h": "Algorithm 2"}
    assert names("Eq. (6, 7)") == {"Eq. 6", "Eq. 7"}
    assert names("Algorithm 2") == {"Algorithm 2"}
