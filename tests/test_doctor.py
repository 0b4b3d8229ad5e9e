"""The first minute: everything that can be wrong with a beginner's machine, provoked."""

import errno
import html
import importlib
import json
import os
import re
import shutil
import sys
import sysconfig
import warnings
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from ddpm_lessons import doctor
from ddpm_lessons.data import status
from ddpm_lessons.doctor import Finding, Report, findings, probes
from ddpm_lessons.models import classifier

REPOSITORY = Path(__file__).resolve().parent.parent
INSTALL = '-m pip install -e ".[course]"'


def look(title: str) -> Finding:
    """The line of one check."""
    return Finding(title, *doctor._ask(findings.CHECKS[title]))


def fail_with(error: Exception):
    def fail(*_arguments, **_options):
        raise error

    return fail


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """An empty folder below another empty folder, as a newcomer has it."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


# --- the whole ---


def test_each_check_has_one_line_and_a_remedy_where_not_all_is_well():
    found = doctor.report()
    assert [one.title for one in found.findings] == list(findings.CHECKS)
    for one in found.findings:
        assert one.mark in doctor.SIGNS
        assert one.found
        assert bool(one.remedy) == (one.mark != "ok"), one
        assert "\n" not in one.found + one.remedy
    assert list(Path.cwd().iterdir()) == []  # and nothing is left


def test_a_machine_of_the_developers_is_ready():
    """The packages, the notebooks' side, the digits and the networks of this environment."""
    for title in ("Packages", "PyTorch", "Notebooks", "Sliders", "Working folder", "Cache folder"):
        assert look(title).mark == "ok", look(title)
    assert look("Digits").found.startswith("70,000 digits, intact")
    assert look("Networks").found == "6 networks, intact"


def test_a_check_that_raises_is_a_problem_that_says_what_was_raised(monkeypatch):
    error = ZeroDivisionError("one line\nand another")
    monkeypatch.setitem(findings.CHECKS, "Memory", fail_with(error))
    found = doctor.report()
    (line,) = (one for one in found.findings if one.title == "Memory")
    assert line.mark == "problem"
    assert "(ZeroDivisionError: one line)" in line.found
    assert not found.ready


# --- Python and its packages ---


def test_a_python_that_is_too_old_is_told_which_to_install(monkeypatch):
    monkeypatch.setattr(findings, "ROOT", Path.cwd())  # no environment of `make lab` there
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    line = look("Python")
    assert line.mark == "problem"
    assert line.found.endswith(", expected 3.11 to 3.14")
    assert line.remedy.endswith("make lab PYTHON=python3.14")
    monkeypatch.setattr(sys, "version_info", (3, 15, 0))
    assert look("Python").mark == "problem"


def test_a_python_without_the_course_reads_the_versions_from_the_clone(monkeypatch):
    monkeypatch.setattr(findings, "metadata", fail_with(PackageNotFoundError("ddpm-lessons")))
    monkeypatch.setattr(findings, "ROOT", Path.cwd())
    shutil.copy(REPOSITORY / "pyproject.toml", "pyproject.toml")
    assert look("Python").mark == "ok"
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    assert look("Python").found.endswith(", expected 3.11 to 3.14")


def test_another_python_than_that_of_make_lab_is_noticed(monkeypatch):
    (Path.cwd() / ".venv").mkdir()
    monkeypatch.setattr(findings, "ROOT", Path.cwd())
    line = look("Python")
    assert line.mark == "note"  # a conda environment may have all it needs
    monkeypatch.setattr(findings, "installed", lambda name: None)
    assert look("Python").mark == "problem"
    assert ".venv/bin/python" in line.remedy.replace("\\", "/").replace("Scripts", "bin")


def test_the_course_is_not_installed_here(monkeypatch):
    monkeypatch.setattr(probes, "requires", fail_with(PackageNotFoundError("ddpm-lessons")))
    for title in ("Packages", "Notebooks"):
        line = look(title)
        assert (line.mark, INSTALL in line.remedy) == ("problem", True)
        assert line.found == "ddpm-lessons is not installed in this Python"


def test_what_is_missing_or_too_old_is_named_with_the_command(monkeypatch):
    versions = {"numpy": "1.20.3", "tqdm": None, "torch": "2.1.0+cu118"}
    here = probes.installed
    monkeypatch.setattr(probes, "installed", lambda name: versions.get(name, here(name)))
    line = look("Packages")
    assert line.mark == "problem"
    assert line.found.split("; ") == [
        "tqdm is missing",
        "numpy is 1.20.3, expected >=1.26",
        "torch is 2.1.0+cu118, expected >=2.6",
    ]
    assert INSTALL in line.remedy


def test_without_packaging_versions_are_told_but_not_judged(monkeypatch):
    here = probes.installed
    monkeypatch.setattr(probes, "installed", lambda n: None if n == "packaging" else here(n))
    monkeypatch.setitem(sys.modules, "packaging.specifiers", None)  # its import fails
    line = look("Packages")
    assert line.mark == "note"
    assert "torch 2" in line.found
    assert "pip install packaging" in line.remedy


@pytest.fixture
def torch_fails(monkeypatch):
    """A function after which the import of PyTorch raises what it is given."""
    real = importlib.import_module

    def arrange(error: Exception) -> None:
        def load(name, package=None):
            if name == "torch":
                raise error
            return real(name, package)

        monkeypatch.setattr(importlib, "import_module", load)
        probes.load_torch.cache_clear()

    yield arrange
    probes.load_torch.cache_clear()


@pytest.mark.parametrize(
    ("platform", "error", "remedy"),
    [
        ("linux", ModuleNotFoundError("No module named 'torch'", name="torch"), INSTALL),
        ("linux", ModuleNotFoundError("No module named 'sympy'", name="sympy"), "--force-reinst"),
        ("linux", OSError("libcudnn.so.9: cannot open shared object file"), "--force-reinstall"),
        ("win32", OSError('[WinError 126] Error loading "c10.dll"'), "vc_redist.x64.exe"),
    ],
)
def test_without_pytorch_all_other_lines_still_come(
    torch_fails, monkeypatch, platform, error, remedy
):
    torch_fails(error)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(findings, "memory", lambda: 8 * 10**9)
    lines = {one.title: one for one in doctor.report().findings}
    assert lines["PyTorch"].mark == "problem"
    assert f"{type(error).__name__}: {error}" in lines["PyTorch"].found
    assert remedy in lines["PyTorch"].remedy
    for title in ("Device", "Cache folder", "Digits", "Networks"):
        assert lines[title].found == "not looked at, because PyTorch cannot be loaded"
        assert lines[title].mark == "note"
    for title in ("Packages", "Notebooks", "Sliders", "Memory", "Working folder"):
        assert lines[title].mark == "ok", lines[title]


def test_torch_and_torchvision_must_be_a_pair(monkeypatch):
    monkeypatch.setattr(findings, "wanted", lambda name: {"torch": "==2.6.0"})
    line = look("PyTorch")
    assert line.mark == "problem"
    assert "was built for torch ==2.6.0: they are no pair" in line.found
    assert line.remedy.endswith("-m pip install --upgrade torch torchvision")
    monkeypatch.setattr(findings, "wanted", lambda name: {})  # as conda's is
    assert look("PyTorch").mark == "ok"


def test_torchvision_is_missing(monkeypatch):
    monkeypatch.setattr(findings, "version", fail_with(PackageNotFoundError("torchvision")))
    assert look("PyTorch").found == "torchvision is not installed in this Python"


def test_the_requirements_of_a_distribution_are_read_in_every_form(monkeypatch):
    lines = [
        "numpy>=1.26",
        "torch (>=2.14.0)",
        "jupyter-core!=6.0.*,>=5.1",
        'jupyterlab>=4.3; extra == "course"',
        "thing[more]<2 ; extra == 'test'",
        "tqdm",
    ]
    monkeypatch.setattr(probes, "requires", lambda name: lines)
    expected = {"numpy": ">=1.26", "torch": ">=2.14.0", "jupyter-core": "!=6.0.*,>=5.1", "tqdm": ""}
    assert probes.wanted("any") == expected
    assert probes.wanted("any", "course") == {"jupyterlab": ">=4.3"}
    assert probes.wanted("any", "test") == {"thing": "<2"}
    monkeypatch.setattr(probes, "requires", lambda name: None)
    assert probes.wanted("any") == {}


# --- notebooks ---


def test_sliders_without_their_extension_are_told(monkeypatch, tmp_path):
    monkeypatch.setattr("jupyter_core.paths.jupyter_path", lambda *names: [str(tmp_path / "none")])
    line = look("Sliders")
    assert line.mark == "problem"
    assert "no slider would appear" in line.found
    assert "pip install --force-reinstall jupyterlab_widgets" in line.remedy


def test_sliders_of_another_generation_are_told(monkeypatch):
    here = probes.installed
    old = {"jupyterlab_widgets": "1.1.11"}
    monkeypatch.setattr(probes, "installed", lambda name: old.get(name, here(name)))
    assert "jupyterlab_widgets is 1.1.11, expected ~=3.0" in look("Sliders").found


def kernelspec(folder: Path, program: str) -> Path:
    """A kernel called python3 that starts that program; returns its folder."""
    place = folder / "kernels" / "python3"
    place.mkdir(parents=True)
    argv = [program, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Python 3", "language": "python"}
    (place / "kernel.json").write_text(json.dumps(spec))
    return place


@pytest.fixture
def lab(monkeypatch):
    """JupyterLab is not on the PATH, as in an environment that was not activated."""
    monkeypatch.setattr(shutil, "which", lambda name: None)


@pytest.mark.parametrize("program", ["python", "python3", "python{}.{}", sys.executable])
def test_a_kernel_that_starts_this_python_is_fine(monkeypatch, tmp_path, lab, program):
    kernelspec(tmp_path, program.format(*sys.version_info[:2]))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    assert look("Kernel").mark == "ok"


def test_a_users_kernel_of_another_python_is_told(monkeypatch, tmp_path, lab):
    """Left behind by `ipykernel install --user` in some other project."""
    place = kernelspec(tmp_path / "data", str(tmp_path / "other" / "bin" / "python"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    line = look("Kernel")
    assert line.mark == "problem"
    assert f"in another Python, {tmp_path / 'other' / 'bin' / 'python'}" in line.found
    assert str(place / "kernel.json") in line.found
    assert line.remedy.endswith("-m jupyter kernelspec remove python3")


def test_a_kernel_of_this_environment_that_starts_another_python_is_written_anew(
    monkeypatch, tmp_path, lab
):
    """A virtual environment that was moved, or copied."""
    kernelspec(tmp_path, str(tmp_path / "old" / "bin" / "python"))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert "-m ipykernel install --sys-prefix" in look("Kernel").remedy


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_environments_that_share_one_python_are_told_apart(tmp_path):
    base = tmp_path / "base" / "bin" / "python3.11"
    base.parent.mkdir(parents=True)
    base.touch()
    (base.parent / "python3").symlink_to(base)
    pythons = []
    for name in ("one", "two"):
        python = tmp_path / name / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.symlink_to(base)
        (tmp_path / name / "pyvenv.cfg").touch()
        pythons.append(python)
    one, two = pythons
    assert len({probes.environment(p) for p in (one, two, base)}) == 3
    assert probes.environment(base.parent / "python3") == probes.environment(base)
    assert probes.environment(one.with_name("jupyter")) == probes.environment(one)


def test_a_jupyter_of_another_python_is_noticed_but_not_in_a_notebook(monkeypatch, tmp_path):
    other = tmp_path / "other" / "bin" / "jupyter"
    monkeypatch.setattr(shutil, "which", lambda name: str(other))
    line = look("Kernel")
    assert line.mark == "note"
    assert str(other) in line.found
    assert "make lab" in line.remedy
    monkeypatch.setattr("builtins.__IPYTHON__", True, raising=False)
    assert look("Kernel").mark == "ok"
    monkeypatch.delattr("builtins.__IPYTHON__")
    own = Path(sysconfig.get_path("scripts")) / "jupyter"
    monkeypatch.setattr(shutil, "which", lambda name: str(own))
    assert look("Kernel").mark == "ok"


def test_no_kernel_at_all(monkeypatch):
    monkeypatch.setattr(
        "jupyter_client.kernelspec.KernelSpecManager.get_kernel_spec",
        fail_with(KeyError("python3")),
    )
    assert "could not be looked at (KeyError: 'python3')" in look("Kernel").found


# --- the machine ---


def test_a_cpu_is_enough(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    line = look("Device")
    assert line.mark == "ok"
    assert line.found.startswith("CPU, which is enough; bfloat16 is ")


def test_a_gpu_that_pytorch_does_not_see_is_noticed(monkeypatch):
    def driver_too_old():
        warnings.warn("CUDA initialization: The NVIDIA driver is too old", stacklevel=1)
        return False

    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    assert "this PyTorch cannot use the NVIDIA GPU" in look("Device").found
    monkeypatch.setattr(torch.cuda, "is_available", driver_too_old)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    line = look("Device")
    assert "The NVIDIA driver is too old" in line.found
    assert line.mark == "note"
    assert "pytorch.org/get-started" in line.remedy


def test_a_gpu_is_named_and_tried_out(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA Imaginary")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    one = torch.ones(1)
    monkeypatch.setattr(torch, "ones", lambda _n, device: one)
    assert look("Device") == Finding("Device", "ok", "NVIDIA Imaginary; bfloat16 is fast here")
    no_kernel = RuntimeError("CUDA error: no kernel image is available\nmore")
    monkeypatch.setattr(torch, "ones", fail_with(no_kernel))
    line = look("Device")
    assert line.mark == "problem"
    assert "no kernel image is available)" in line.found
    assert "--device cpu" in line.remedy


def test_little_memory_and_a_single_core_are_noticed(monkeypatch):
    monkeypatch.setattr(findings, "memory", lambda: 2 * 10**9)
    line = look("Memory")
    assert (line.mark, line.found.startswith("2.0 GB of memory")) == ("note", True)
    assert "Shut Down All Kernels" in line.remedy
    monkeypatch.setattr(findings, "memory", lambda: 8 * 10**9)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0}, raising=False)
    line = look("Memory")
    assert "CPU cores: 1" in line.found
    assert line.mark == "note"


def test_the_memory_of_this_machine():
    psutil = pytest.importorskip("psutil")
    assert 0.5e9 < probes.memory() <= psutil.virtual_memory().total * 1.01


# --- folders ---


@pytest.mark.parametrize(
    ("title", "remedy"),
    [("Working folder", "train --out FOLDER"), ("Cache folder", "DDPM_LESSONS_DATA=FOLDER")],
)
class TestFolder:
    @pytest.fixture(autouse=True)
    def _cache(self, monkeypatch, tmp_path):
        self.cache = tmp_path / "cache"
        monkeypatch.setenv("DDPM_LESSONS_DATA", str(self.cache))

    def test_it_is_fine(self, title, remedy):
        assert re.search(r" free$", look(title).found)

    @pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC])
    def test_nothing_can_be_written(self, monkeypatch, title, remedy, code):
        error = OSError(code, os.strerror(code))
        monkeypatch.setattr(Path, "write_bytes", fail_with(error))
        line = look(title)
        assert line.mark == "problem"
        assert f"nothing can be written there ({os.strerror(code)})" in line.found
        assert remedy in line.remedy

    def test_the_disk_is_full(self, monkeypatch, title, remedy):
        monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=20_000_000))
        line = look(title)
        assert line.mark == "problem"
        assert re.search(r": 20 MB free, expected at least (60|100) MB", line.found)
        assert line.remedy.startswith("make room on the disk; or ")
        assert remedy in line.remedy


def test_a_cache_folder_below_a_file(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("DDPM_LESSONS_DATA", str(tmp_path / "file" / "cache"))
    line = look("Cache folder")
    assert line.mark == "problem"
    assert f"{tmp_path / 'file' / 'cache'}: nothing can be written there" in line.found


def test_a_cache_folder_of_somebody_else(monkeypatch, tmp_path):
    """One in which one may not even look."""

    def forbidden(self, **_options):
        if str(self).startswith(str(tmp_path / "theirs")):
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return stat(self, **_options)

    stat = Path.stat
    monkeypatch.setattr(Path, "stat", forbidden)
    monkeypatch.setenv("DDPM_LESSONS_DATA", str(tmp_path / "theirs" / "cache"))
    line = look("Cache folder")
    assert line.mark == "problem"
    assert "cache: nothing can be written there (Permission denied)" in line.found


def test_a_cache_that_is_filled_needs_no_right_to_write(monkeypatch, tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for one in status():
        (raw / one.file.name).touch()
    monkeypatch.setenv("DDPM_LESSONS_DATA", str(tmp_path))
    monkeypatch.setattr(Path, "write_bytes", fail_with(PermissionError(13, "Permission denied")))
    assert look("Cache folder").mark == "ok"


def test_a_working_folder_that_was_deleted(tmp_path):
    Path.cwd().rmdir()
    line = look("Working folder")
    assert line.mark == "problem"
    assert "FileNotFoundError" in line.found
    assert "No such file" in doctor.report().__str__()


# --- the course's own files ---


def test_digits_that_are_not_unpacked_yet_are_fine(monkeypatch, tmp_path):
    monkeypatch.setenv("DDPM_LESSONS_DATA", str(tmp_path))
    line = look("Digits")
    assert line.mark == "ok"
    assert line.found == "70,000 digits, intact; the first lesson unpacks them"


def test_damaged_digits_in_the_cache_are_named(monkeypatch, tmp_path):
    path = tmp_path / "MNIST" / "raw" / "train-labels-idx1-ubyte"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\0\0\x08\x01")
    monkeypatch.setenv("DDPM_LESSONS_DATA", str(tmp_path))
    line = look("Digits")
    assert line.mark == "problem"
    assert line.found.startswith(f"{path}: found 0 labels in 4 bytes")
    assert line.remedy.startswith("delete what is named")


@pytest.mark.parametrize(("clone", "remedy"), [(True, "git checkout -- "), (False, "it, again")])
def test_damaged_digits_of_the_course_are_fetched_again(monkeypatch, tmp_path, clone, remedy):
    one = status()[0]._replace(state="damaged", detail="altered")
    monkeypatch.setattr("ddpm_lessons.data.status", lambda: [one])
    monkeypatch.setattr(probes, "ROOT", tmp_path)
    if clone:
        (tmp_path / ".git").mkdir()
    line = look("Digits")
    assert line.mark == "problem"
    assert ".gz: altered" in line.found
    assert remedy in line.remedy


def test_a_damaged_network_is_named(monkeypatch, tmp_path):
    folder = tmp_path / "weights"
    shutil.copytree(classifier.SHIPPED.parent, folder)
    data = (folder / "mnist.safetensors").read_bytes()
    (folder / "mnist.safetensors").write_bytes(data[:-1000])
    (folder / "fashion.safetensors").unlink()
    monkeypatch.setattr(classifier, "SHIPPED", folder / classifier.SHIPPED.name)
    line = look("Networks")
    assert line.mark == "problem"
    assert re.search(
        r"mnist\.safetensors: cut off or altered.*; .*fashion\.safetensors: No such file",
        line.found,
    )
    assert "ddpm_lessons/models/weights" in line.remedy


# --- how it is shown ---

HOME = Path.home()
LINES = [
    Finding("Python", "ok", f"3.11.7 at {sys.executable}"),
    Finding("Folder", "note", "/srv/some where/ä: <b> & 'q'", "export DDPM_LESSONS_DATA=FOLDER"),
    Finding(
        "Kernel", "problem", f"{HOME / '.local' / 'k.json'} says so", f"{sys.executable} -m jupyter"
    ),
    Finding(
        "Windows", "problem", r"C:\Users\ann\x.py, D:\y", "see https://pytorch.org/get-started"
    ),
]


def test_a_terminal_gets_a_line_for_each_finding_and_one_for_each_remedy():
    lines = str(Report(LINES)).splitlines()
    assert len(lines) == 4 + 3 + 2
    assert lines[0] == f"ok       Python   3.11.7 at {sys.executable}"
    assert lines[2] == "                  -> export DDPM_LESSONS_DATA=FOLDER"
    assert lines[-1] == doctor.NOT_READY
    assert str(Report(LINES[:2])).endswith(doctor.READY)


def test_a_notebook_gets_a_table_and_text_without_folders():
    found = Report(LINES)
    shown = html.unescape(re.sub("<[^>]+>", " ", found._repr_html_().replace("<b>", "")))
    for words in (repr(found), shown):
        assert "~/.local/k.json says so".replace("/", os.sep) in words.replace("\\", os.sep)
        assert "python -m jupyter" in words
        assert "…/x.py, …/y" in words
        assert "https://pytorch.org/get-started" in words
        assert "DDPM_LESSONS_DATA=FOLDER" in words
        for folder in (str(HOME) + os.sep, "/srv", "Users", str(Path(sys.executable).parent)):
            assert folder not in words
    table = found._repr_html_()
    assert table.count("<tr>") == 1 + len(LINES)
    assert "&lt;b&gt; &amp; " in table
    assert all(sign in table for sign in doctor.SIGNS.values())


def test_the_lesson_shows_no_folder_of_this_machine():
    found = doctor.report()
    shown = repr(found) + found._repr_html_()
    assert not re.search(
        r"site-packages|/home/|/root/|/tmp/|/Users/|[A-Z]:\\|0x[0-9a-f]{8,}", shown
    )
