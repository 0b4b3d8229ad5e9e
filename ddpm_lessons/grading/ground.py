"""Where a worker may go: its own folder, and what Python needs to read."""

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).resolve().parent.parent

# What Linux, Python and its packages look up outside of their own folders.
SYSTEM = (
    "/usr", "/lib", "/lib64", "/opt", "/etc/fonts", "/etc/ld.so.cache", "/etc/localtime",
    "/etc/mime.types", "/etc/os-release", "/etc/passwd", "/dev/null", "/dev/urandom", "/dev/zero",
    "/sys/devices/system", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/sys/vm",
    "/proc/self",
)  # fmt: skip


class Ground(NamedTuple):
    """Where a worker may go: its own folder, what it may read, and what it may not.

    Of two folders, one in the other, the inner one counts.
    """

    folder: str
    readable: Sequence[str]
    hidden: Sequence[str]


def ground(folder: str | Path, hidden: Iterable[str | Path]) -> Ground:
    """The ground of a worker whose empty folder is `folder`. hidden: people's homes, submissions.

    Python and its packages may be read wherever they lie, in somebody's home, say; not what the
    checks, the solutions and this grader are written in.
    """
    packages = [path for path in sys.path if Path(path).is_dir() and not _is_repository(path)]
    readable = (sys.prefix, sys.base_prefix, sys.exec_prefix, *packages, PACKAGE, *SYSTEM, folder)
    private = (PACKAGE / name for name in ("checks", "kit", "grading"))
    return Ground(
        real_path(folder), [*map(real_path, readable)], [*map(real_path, (*hidden, *private))]
    )


def _is_repository(path: str) -> bool:
    """Whether a folder on Python's path is that of the course, in which anything may lie."""
    packages = ("site-packages", "dist-packages")
    return Path(path).resolve() == PACKAGE.parent and Path(path).name not in packages


def real_path(path: str | Path) -> str:
    """A path as it is compared: without links, on Windows in small letters."""
    return os.path.normcase(os.path.realpath(path))


def depth(path: str, folders: Iterable[str], separator: str = os.sep) -> int:
    """How long the longest of the folders is that holds `path`; -1 if none does."""
    inside = path + separator
    held = (one for one in folders if inside.startswith(one.rstrip(separator) + separator))
    return max(map(len, held), default=-1)
