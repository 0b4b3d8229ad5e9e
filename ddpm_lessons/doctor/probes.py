"""Questions that the checks of `findings` put to this machine. The standard library is enough."""

# A Python that is too old must come so far as to be told so.
from __future__ import annotations

import functools
import importlib
import os
import re
import secrets
import shutil
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]  # of the clone, where the course was installed from one
OK, NOTE, PROBLEM = "ok", "note", "problem"


class Outcome(NamedTuple):
    """What a check says."""

    mark: str  # OK; NOTE, if the course works nevertheless; or PROBLEM
    found: str
    remedy: str = ""  # what to do about it, unless it is OK


def ok(found: str) -> Outcome:
    """All is well."""
    return Outcome(OK, found)


def note(found: str, remedy: str) -> Outcome:
    """The course works nevertheless."""
    return Outcome(NOTE, found, remedy)


def problem(found: str, remedy: str) -> Outcome:
    """Something of the course does not work."""
    return Outcome(PROBLEM, found, remedy)


class NoTorchError(Exception):
    """PyTorch cannot be loaded; the check of that name says why."""


@functools.cache  # a second try would only fail in another way
def load_torch() -> tuple:
    """PyTorch and None; or None and the exception that its import raises."""
    try:
        return importlib.import_module("torch"), None
    except Exception as error:
        return None, error


def needs_torch() -> ModuleType:
    """PyTorch. Raises NoTorchError if it cannot be loaded."""
    torch, error = load_torch()
    if torch is None:
        raise NoTorchError from error
    return torch


def wanted(distribution: str, extra: str = "") -> dict[str, str]:
    """What an installed distribution requires, or its extra does: name -> range, such as ">=2.6".

    Raises PackageNotFoundError if it is not installed.
    """
    found = {}
    for line in requires(distribution) or []:
        name, versions, marker = re.match(r"([\w.-]+)(?:\[.*?\])?([^;]*);?(.*)", line).groups()
        of = re.search(r"extra == ['\"]([\w-]+)", marker)
        if (of[1] if of else "") == extra:
            found[name] = versions.strip(" ()")
    return found


def within(found: str, versions: str) -> bool:
    """Whether a version lies in a range. Raises ImportError where `packaging` is missing.

    It is no dependency of the course, but matplotlib and ipykernel bring it.
    """
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(versions).contains(found, prereleases=True)


def judge(ranges: dict[str, str]) -> Outcome:
    """The outcome for packages that shall be installed in these ranges."""
    found = {name: installed(name) for name in ranges}
    wrong = {name: "missing" for name, one in found.items() if one is None}
    comparable = installed("packaging") is not None
    for name, versions in ranges.items():
        if comparable and name not in wrong and not within(found[name], versions):
            wrong[name] = f"{found[name]}, expected {versions}"
    if wrong:
        words = "; ".join(f"{name} is {one}" for name, one in wrong.items())
        return problem(words, install())
    words = ", ".join(f"{name} {one}" for name, one in found.items())
    if not comparable:
        remedy = f"{call()} -m pip install packaging; then give this command again"
        return note(f"{words}; whether these are new enough cannot be said", remedy)
    return ok(words)


def install() -> str:
    """How all packages of the course are put into this Python, in the ranges that it declares."""
    return f'in the course\'s folder: {call()} -m pip install -e ".[course]"'


def again(folder: str) -> str:
    """How to get files of the course back."""
    if (ROOT / ".git").exists():
        return f"in the course's folder: git checkout -- {folder}"
    return "this copy of the course is damaged: get it, and install it, again"


def installed(distribution: str) -> str | None:
    """The version of an installed distribution, or None."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def there(path: str | Path) -> bool:
    """Whether there is such a file, as far as one may look."""
    return os.access(path, os.F_OK)


def room(folder: Path, needed: int, remedy: str) -> Outcome:
    """The outcome for a folder, or the one that it would be made in: can a file be written there,
    and is there space for that many bytes?
    """
    try:
        nearest = next(one for one in (folder, *folder.parents) if one.exists())
        free = shutil.disk_usage(nearest).free
        probe = nearest / f".ddpm-lessons-{secrets.token_hex(4)}"
        probe.write_bytes(b"?")  # to try is more certain than to ask for the rights
        probe.unlink()
    except OSError as error:
        reason = error.strerror or brief(error)
        return problem(f"{folder}: nothing can be written there ({reason})", remedy)
    if free < needed:
        words = f"{folder}: {size(free)} free, expected at least {size(needed)}"
        return problem(words, f"make room on the disk; or {remedy}")
    return ok(f"{folder}, {size(free)} free")


def memory() -> int:
    """Bytes of memory; in a container, of which it may use so much."""
    if sys.platform == "win32":
        import ctypes

        kilobytes = ctypes.c_ulonglong()
        ctypes.windll.kernel32.GetPhysicallyInstalledSystemMemory(ctypes.byref(kilobytes))
        return 1024 * kilobytes.value
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdigit() else total


def environment(program: object) -> Path:
    """The folder that tells one Python environment from another, for a program that lies in one.

    A virtual environment's python is only a link, to one that many environments share.
    """
    path = Path(program).absolute()
    home = path.parent.parent
    if (home / "pyvenv.cfg").is_file():
        return home.resolve()
    return path.resolve().parent


def inside(environment: Path) -> str:
    """How the Python of a virtual environment is called from the folder that this lies in."""
    return environment.name + (r"\Scripts\python" if sys.platform == "win32" else "/bin/python")


def call(program: object = sys.executable) -> str:
    """A program as a command names it: by the way from here, if it lies below this folder."""
    try:
        way = os.path.relpath(program)
    except (ValueError, OSError):  # on another drive of Windows; in a folder that was deleted
        way = os.pardir
    name = str(program) if way.startswith(os.pardir) else way
    return f'"{name}"' if " " in name else name


def brief(error: object) -> str:
    """What an exception says, in one line."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"


def size(count: int) -> str:
    """Bytes in words."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
