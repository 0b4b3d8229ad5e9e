"""The house: who may import whom, how long a function may be, and what the core leaves alone."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ddpm_lessons

PACKAGE = Path(ddpm_lessons.__file__).parent
MODULES = {
    path.relative_to(PACKAGE).with_suffix("").as_posix(): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

# From the bottom up. A module imports from the lines below its own; folders also from themselves.
LAYERS = [
    ["door", "files"],
    ["schedule", "gaussian"],
    ["models", "data"],
    ["forward"],
    ["posterior", "exact", "score", "flow"],
    ["loss", "samplers", "guidance"],
    ["likelihood", "inverse"],
    ["training", "evaluation"],
    ["bugs"],
    ["show"],
    ["checks", "doctor"],
    ["kit"],
    ["grading"],
    ["cli"],
    ["__main__"],
]
CORE = [name for layer in LAYERS[:8] for name in layer]
ONLY_IN = {
    "matplotlib": {name for name in MODULES if re.fullmatch(r"show/((\w+_)?plots|diagrams)", name)},
    "ipywidgets": {name for name in MODULES if re.fullmatch(r"show/(\w+_)?widgets", name)},
    "anywidget": {"show/pad_widgets"},
    "torchvision": {"data/mnist"},
    "accelerate": {"training/processes"},
    "datasets": {"data/hub"},
    "pickle": set(),  # a file from elsewhere must not be able to run code
}

MODULE_LINES = 250
BODY_LINES = 28  # "about 25": lines of code, without the docstring, comments and blank lines
PARAMETERS = 6
POSITIONAL = 3

# The course's contract gives the samplers all their knobs at once; a range reads best as its two
# ends, check_index("t", t, 1, T). Elsewhere six arguments, three by position, are plenty.
SAMPLERS = {"ddim", "dpm_solver", "heun", "dps", "repaint"}
EXCEPTIONS = SAMPLERS | {"reverse_density", "train", "check_index"}

parametrize_modules = pytest.mark.parametrize("name", MODULES)


def tree(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text(encoding="utf-8"))


def unit(module: str) -> str:
    """The module or folder of LAYERS that 'ddpm_lessons.show.plots' or 'show/plots' belongs to."""
    return module.removeprefix("ddpm_lessons").strip("./").replace(".", "/").split("/")[0]


def imported(name: str) -> list[str]:
    """The full names of the modules that a module imports, at the top or inside a function."""
    found = []
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}.py imports relatively; write the full name"
            if node.module == "ddpm_lessons":  # it offers the mathematics, samplers and all
                modules = {alias.name for alias in node.names} & {unit(one) for one in MODULES}
                found += [f"ddpm_lessons.{module}" for module in modules or {"samplers"}]
            else:
                found.append(node.module)
    return found


def functions_in(node: ast.AST) -> list[ast.FunctionDef]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [inner for inner in ast.walk(node) if isinstance(inner, kinds) and inner is not node]


def level(module: str) -> int | None:
    return next((i for i, layer in enumerate(LAYERS) if unit(module) in layer), None)


@parametrize_modules
def test_every_module_has_a_place_in_the_layers(name):
    assert name == "__init__" or level(name) is not None, f"{name}.py is in none of LAYERS"


@parametrize_modules
def test_imports_go_strictly_downwards(name):
    if name == "__init__":
        allowed = CORE
    else:
        allowed = [low for layer in LAYERS[: level(name)] for low in layer]
        allowed += [unit(name)] if "/" in name else []
    ours = [module for module in imported(name) if module.split(".")[0] == "ddpm_lessons"]
    upwards = [module for module in ours if unit(module) not in allowed]
    assert not upwards, f"{name}.py imports {upwards}; it may import {allowed}"


@parametrize_modules
def test_heavy_libraries_stay_where_they_belong(name):
    libraries = {module.split(".")[0] for module in imported(name)}
    strays = {library for library in libraries & ONLY_IN.keys() if name not in ONLY_IN[library]}
    assert not strays, f"{name}.py imports {strays}; see ONLY_IN"


@parametrize_modules
def test_nothing_unpickles(name):
    calls = {ast.unparse(node.func) for node in ast.walk(tree(name)) if isinstance(node, ast.Call)}
    assert not calls & {"torch.load", "numpy.load", "np.load", "torch.save"}, "use safetensors"


@pytest.mark.parametrize("name", [name for name in MODULES if unit(name) in [*CORE, "__init__"]])
def test_the_core_is_silent(name):
    called = {ast.unparse(node.func) for node in ast.walk(tree(name)) if isinstance(node, ast.Call)}
    loud = {"print", "torch.manual_seed", "torch.set_default_dtype", "torch.set_num_threads"}
    loud |= {"torch.use_deterministic_algorithms", "random.seed", "np.random.seed"}
    assert not called & loud


@parametrize_modules
def test_a_module_is_one_idea(name):
    lines = len(MODULES[name].read_text(encoding="utf-8").splitlines())
    assert lines <= MODULE_LINES, f"{name}.py has {lines} lines; beyond 250 it is two ideas"


def code_lines(function: ast.FunctionDef, source: list[str]) -> int:
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    if not body:
        return 0
    lines = source[body[0].lineno - 1 : body[-1].end_lineno]
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in lines)


@parametrize_modules
def test_functions_are_short(name):
    source = MODULES[name].read_text(encoding="utf-8").splitlines()
    lengths = {function.name: code_lines(function, source) for function in functions_in(tree(name))}
    long = {function: lines for function, lines in lengths.items() if lines > BODY_LINES}
    assert not long, f"{name}.py: {long}, expected at most {BODY_LINES} lines of code"


@parametrize_modules
def test_functions_take_few_arguments(name):
    functions = functions_in(tree(name))
    inside = {inner for outer in functions for inner in functions_in(outer)}  # nobody's API
    for function in functions:
        if function.name in EXCEPTIONS or function in inside:
            continue
        given = function.args
        positional = [a.arg for a in given.posonlyargs + given.args if a.arg not in ("self", "cls")]
        keyword = [a.arg for a in given.kwonlyargs]
        where = f"{name}.py: {function.name}({', '.join(positional + keyword)})"
        few = len(positional) <= POSITIONAL or function.name.startswith("_")
        assert few, f"{where}: keyword-only after the third, please"
        assert len(positional) + len(keyword) <= PARAMETERS, f"{where}: at most six"


STATE = """
import json, sys, warnings
import numpy, torch
before = torch.get_rng_state(), torch.get_default_dtype(), torch.is_grad_enabled()
numpy_before = numpy.random.get_state()[1].tolist()
threads, filters = torch.get_num_threads(), list(warnings.filters)
import ddpm_lessons
heavy = ("matplotlib", "ipywidgets", "torchvision", "accelerate", "IPython")
json.dump({
    "heavy": [name for name in heavy if name in sys.modules],
    "rng": torch.equal(before[0], torch.get_rng_state()),
    "numpy rng": numpy_before == numpy.random.get_state()[1].tolist(),
    "default dtype": torch.get_default_dtype() == before[1],
    "gradients": torch.is_grad_enabled() == before[2],
    "threads": torch.get_num_threads() == threads,
    "warning filters": list(warnings.filters) == filters,
}, sys.stderr)
"""


def test_import_is_light_silent_and_changes_nothing():
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", STATE], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    report = json.loads(result.stderr)  # and not a word more on stderr
    assert report.pop("heavy") == []
    assert all(report.values()), report


def test_the_tests_would_see_a_violation():
    """The rules above read the syntax tree; this shows that the reading finds what it looks for."""
    source = "def f(a):\n    '''Doc.'''\n\n    # why\n    b = a\n    return b\n"
    assert code_lines(ast.parse(source).body[0], source.splitlines()) == 2
    assert unit("ddpm_lessons.show.plots") == unit("show/plots") == "show"
    assert "torch" in imported("schedule")
    assert level("show/plots") > level("samplers") > level("schedule") > level("door")
