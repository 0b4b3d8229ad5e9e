"""The lists of dependencies agree with one another and name nothing but packages."""

import platform
import re
import tomllib
from importlib.metadata import requires, version
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

REPOSITORY = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# conda-forge's names where they are others, and where the library lies; Binder has no GPU.
CONDA = {
    "environment.yml": ({"torch": "pytorch"}, "-e ."),
    "binder/environment.yml": ({"torch": "pytorch-cpu"}, "-e .."),
}
CONSTRAINTS = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()


def ours(*extras: str) -> dict[str, Requirement]:
    lines = list(PROJECT["dependencies"])
    for extra in extras:
        lines += PROJECT["optional-dependencies"][extra]
    found = [Requirement(line) for line in lines]
    return {one.name: one for one in found if one.name != PROJECT["name"]}


@pytest.mark.parametrize("path", CONDA)
def test_conda_gets_the_same_ranges_and_nothing_else(path):
    environment = yaml.safe_load((REPOSITORY / path).read_text(encoding="utf-8"))
    names, library = CONDA[path]
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    *packages, pip = environment["dependencies"]
    assert pip == {"pip": [library]}
    found = {one.name: one.specifier for one in map(Requirement, packages)}
    assert found.pop("python") == SpecifierSet(PROJECT["requires-python"])
    assert str(found.pop("pip")) == ""
    expected = {names.get(name, name): one.specifier for name, one in ours("course").items()}
    assert found == expected


def test_constraints_are_names_versions_and_markers_only():
    for line in CONSTRAINTS:
        one = Requirement(line)  # refuses comments, options and hashes
        assert re.fullmatch(r"==[\w.]+", str(one.specifier)), line
        assert one.url is None, line
        assert "://" not in line, line


def test_constraints_hold_every_dependency_within_its_range():
    pinned: dict[str, list[Requirement]] = {}
    for one in map(Requirement, CONSTRAINTS):
        pinned.setdefault(one.name, []).append(one)
    for name, wanted in ours("course", "site", "test").items():
        assert name in pinned, f"{name} is missing: make constraints"
        for one in pinned[name]:
            exact = str(one.specifier).removeprefix("==")
            assert wanted.specifier.contains(exact), f"{one} is not in {wanted}"


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_constraints_pin_one_version_for_each_python(python):
    here = default_environment() | {"python_version": python, "python_full_version": f"{python}.7"}
    names = [
        one.name
        for one in map(Requirement, CONSTRAINTS)
        if one.marker is None or one.marker.evaluate(here)
    ]
    assert len(names) == len(set(names))
    assert set(ours("course", "site", "test")) <= set(names)


def test_every_dependency_has_a_lower_bound():
    for one in ours("course", "site", "test").values():
        assert any(clause.operator == ">=" for clause in one.specifier), one


def test_this_environment_is_in_the_ranges():
    for name, one in ours("course", "site", "test").items():
        assert one.specifier.contains(version(name), prereleases=True), f"{name} {version(name)}"


def test_this_python_is_supported():
    assert SpecifierSet(PROJECT["requires-python"]).contains(platform.python_version())


def test_torch_and_torchvision_are_a_pair():
    """torchvision's own requirement names the one torch release that it was compiled for."""
    pair = [Requirement(line) for line in requires("torchvision")]
    torch = next(one for one in pair if one.name == "torch")
    assert torch.specifier.contains(version("torch"), prereleases=True)


@pytest.mark.parametrize("name", ["tests", "site"])
def test_workflows_use_what_there_is(name):
    path = REPOSITORY / ".github" / "workflows" / f"{name}.yml"
    (job,) = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
    words = "\n".join(step.get("run", "") for step in job["steps"])
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\w+)", words, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for folder in re.findall(r"--prefix (\w+)|cd (\S+)", words):
        assert (REPOSITORY / folder[0]).is_dir() or folder[1].startswith("build/")
    for extra in re.findall(r"\.\[(\w+)\]", words):
        assert extra in PROJECT["optional-dependencies"]
