"""How a process is isolated, measured and killed, on the systems that Python knows."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ddpm_lessons.grading.ground import PACKAGE

try:
    import psutil
except ImportError:  # it comes with Jupyter
    psutil = None

START = """
import sys
sys.path[:] = {paths}
from ddpm_lessons.grading import {module}
{module}.main(*{given})
"""
FILES = 10_000  # in a worker's folder; more are not counted


def command(module: str, *given: int) -> list[str]:
    """What runs `main` of a module here: Python without the user's settings and the folder of now.

    It finds the packages that this process finds, and the course.
    """
    here = str(Path.cwd())
    paths = [path for path in sys.path if path and os.path.abspath(path) != here]  # noqa: PTH100
    code = START.format(paths=[*paths, str(PACKAGE.parent)], module=module, given=given)
    return [sys.executable, "-s", "-P", "-B", "-X", "utf8", "-c", code]


def environment(folder: Path) -> dict[str, str]:
    """The environment of a worker: of this one's only what a system needs to start Python."""
    kept = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "LANG")
    homes = ("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP", "APPDATA", "LOCALAPPDATA")
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        **dict.fromkeys(homes, str(folder)),
        **dict.fromkeys(threads, "1"),
        "CUDA_VISIBLE_DEVICES": "",
        "HF_HUB_OFFLINE": "1",
        "MPLBACKEND": "Agg",
        "PATH": os.defpath,
        "PYTHONHASHSEED": "0",
    }


def resident(process: subprocess.Popen, *, alone: bool = False) -> int:
    """The memory in use, in bytes, of a process and all that it has started; 0 without psutil.

    alone: it cannot have started any; to look for them means to look at every process there is.
    """
    if psutil is None:
        return 0
    total = 0
    with suppress(psutil.Error):  # it has just ended
        top = psutil.Process(process.pid)
        for one in (top, *([] if alone else top.children(recursive=True))):
            total += one.memory_info().rss
    return total


def folder_size(folder: Path) -> int:
    """The bytes in a folder and those in it, and as many as fill it if there are too many files."""
    total, seen = 0, 0
    for top, folders, files in os.walk(folder):
        seen += len(files) + len(folders)
        if seen > FILES:
            return sys.maxsize
        for name in files:
            try:
                total += (Path(top) / name).lstat().st_size
            except OSError:  # it has just been deleted
                continue
    return total


def kill_tree(process: subprocess.Popen) -> None:
    """Kill a process and all that it has started, and wait until it is gone."""
    children = []
    if psutil is not None:
        with suppress(psutil.Error):
            children = psutil.Process(process.pid).children(recursive=True)
    if hasattr(os, "killpg"):
        _quietly(lambda: os.killpg(process.pid, signal.SIGKILL))
    for one in (*children, process):
        _quietly(one.kill)
    process.wait()


def remove(folder: Path) -> None:
    """Delete a folder, also where its owner has taken away the right to look into it."""
    for top, folders, _ in os.walk(folder):
        for name in folders:
            _quietly(lambda path=Path(top) / name: path.is_symlink() or path.chmod(0o700))
    shutil.rmtree(folder, ignore_errors=True)


def _quietly(action: Callable[[], object]) -> None:
    """Do it if that is still possible."""
    with suppress(OSError, *([psutil.Error] if psutil else [])):
        action()


def ending(process: subprocess.Popen) -> str:
    """How a process has ended that has closed its results."""
    try:
        code = process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        return "closed the pipe of the results"
    names = {one.value: one.name for one in signal.Signals}
    return f"died ({names.get(-code, code)})" if code < 0 else f"ended its process (code {code})"
