"""What a worker's Python may do: an audit hook that refuses, and the limits of the system."""

import errno
import importlib.util
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from stat import S_ISDIR
from types import SimpleNamespace
from typing import NoReturn

from ddpm_lessons.grading.ground import Ground, depth, real_path

try:
    import fcntl
    import resource
except ImportError:  # Windows
    fcntl = resource = None

FILE_BYTES = 64_000_000
OPEN_FILES = 256
ROOM = 2**30  # bytes that are reserved and never used: threads' stacks, say
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

# Events of Python's audit hooks: the places of the paths among their arguments, each with that of
# the open folder that it is relative to.
CHANGES = {
    "os.remove": ((0, 1),),
    "os.rmdir": ((0, 1),),
    "os.mkdir": ((0, 2),),
    "os.rename": ((0, 2), (1, 3)),
    "os.link": ((0, 2), (1, 3)),
    "os.symlink": ((0, None), (1, 2)),
    "os.truncate": ((0, None),),
    "os.chmod": ((0, 2),),
    "os.chown": ((0, 3),),
    "os.utime": ((0, 3),),
    "os.chflags": ((0, None),),
    "os.setxattr": ((0, None),),
    "os.removexattr": ((0, None),),
    "sqlite3.connect": ((0, None),),
}
LOOKS = ("os.listdir", "os.scandir", "os.chdir", "os.listxattr", "os.getxattr")
REFUSED = {
    "start another process": (
        "subprocess.", "os.system", "os.fork", "os.exec", "os.posix_spawn", "os.spawn",
        "os.startfile", "pty.", "webbrowser.", "cpython.PyInterpreterState_New",
    ),
    "send a signal": ("os.kill", "signal.pthread_kill"),
    "use the network": (
        "socket.__new__", "socket.connect", "socket.send", "socket.bind", "socket.getaddrinfo",
        "socket.gethostby", "socket.getnameinfo", "urllib.", "http.", "ftplib.", "smtplib.",
    ),
    "reach into memory": ("ctypes.", "gc.get_"),
    "lift its limits": ("resource.",),
    "change the registry": (
        "winreg.CreateKey", "winreg.DeleteKey", "winreg.DeleteValue", "winreg.SetValue",
    ),
}  # fmt: skip


# Programs that packages ask for what they can do without: not found, no more.
PROBES = re.compile(r"(.*[/\\])?(fc-list|system_profiler|ldconfig|gcc|cc|ld)").fullmatch


class Refused(BaseException):
    """Raised in a learner's code that tries what is refused; not stopped by `except Exception`."""


def guard(ground: Ground, tell: Callable[[str], None]) -> None:
    """From now on refuse what leaves the ground; `tell` is told of it before it is raised.

    Nothing can take the hook away again. What it calls is its own copy, or bound here: a learner's
    code that exchanges `os.path.realpath` changes nothing.
    """
    locate, harmless = _locator(), set()
    libraries = ground.readable[:-1]  # without the worker's own folder

    def refuse(words: str) -> NoReturn:
        tell(words)
        raise Refused(words)

    changes, reads = _rules(ground, locate, refuse)

    def hook(event: str, arguments: tuple) -> None:
        if event in harmless:
            return
        if event in EVENTS:
            EVENTS[event](arguments, changes, reads)
        elif event == "subprocess.Popen" and PROBES(str(arguments[0])):
            raise PermissionError(errno.EPERM, "not here", str(arguments[0]))
        elif words := _refusal(event):
            if event != "ctypes.dlopen" or depth(locate(arguments[0]) or "", libraries) < 0:
                refuse(words)
        else:
            harmless.add(event)

    sys.addaudithook(hook)


def _rules(ground: Ground, locate: Callable, refuse: Callable) -> tuple[Callable, Callable]:
    """What is asked about a path that is to be changed, and about one that is to be read."""
    folder, readable, hidden = ground  # no longer by attributes, which could be exchanged
    devnull = real_path(os.devnull)
    others = re.compile(rf"/proc/(?!{os.getpid()}(/|$))\d+(/|$)").match  # files of processes

    def changes(path: object, at: object = None) -> None:
        real = locate(path, at)
        if real not in (None, devnull) and depth(real, [folder]) < 0:
            refuse(f"write {real}")

    def reads(path: object, opened: bool = False) -> None:
        real = locate(path)
        if real is None or depth(real, [folder]) >= 0:
            return
        inner = depth(real, hidden) > depth(real, readable)
        if inner or others(real) or (opened and _is_folder(real)):
            refuse(f"read {real}")

    return changes, reads


def _open(arguments: tuple, changes: Callable, reads: Callable) -> None:
    path, mode, flags = arguments
    if set(mode or "") & set("wax+") or (flags or 0) & WRITING:
        changes(path)
    else:
        reads(path, opened=mode is None)


def _change(event: str) -> Callable:
    def check(arguments: tuple, changes: Callable, reads: Callable) -> None:
        for index, at in CHANGES[event]:
            changes(arguments[index], None if at is None else arguments[at])

    return check


def _look(arguments: tuple, changes: Callable, reads: Callable) -> None:
    reads("." if arguments[0] is None else arguments[0])


EVENTS = {"open": _open, **dict.fromkeys(LOOKS, _look), **{one: _change(one) for one in CHANGES}}


def _refusal(event: str) -> str:
    """What an event is refused as, or ""."""
    return next((words for words, starts in REFUSED.items() if event.startswith(starts)), "")


def _is_folder(path: str, stat: Callable = os.stat) -> bool:
    """Whether it is a folder. What is done in one opened by `os.open` the hook is not told."""
    try:
        return S_ISDIR(stat(path).st_mode)
    except OSError:
        return False


def _locator() -> Callable[..., str | None]:
    """What finds the real place of a path, relative to an open folder perhaps.

    It gives None for the number of an open file, which has been opened before.
    """
    spec = importlib.util.find_spec(os.path.__name__)
    paths = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(paths)
    paths.os = SimpleNamespace(**vars(os))

    def locate(path: object, at: object = None) -> str | None:
        if path is None or isinstance(path, int):
            return None
        name = paths.os.fsdecode(path)
        if isinstance(at, int) and at >= 0 and not paths.isabs(name):
            name = paths.join(_folder_of(at), name)
        return paths.normcase(paths.realpath(name))

    return locate


def _folder_of(number: int, readlink: Callable = os.readlink) -> str:
    """The path of an open folder; "/" where this system does not tell."""
    try:
        if hasattr(fcntl, "F_GETPATH"):  # macOS
            return os.fsdecode(fcntl.fcntl(number, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0"))
        return readlink(f"/proc/self/fd/{number}")
    except OSError:
        return "/"


def limit(memory: int, seconds: int) -> bool:
    """Set the limits of the system; False where it has none.

    memory: bytes beyond those that the process has now, and ROOM. seconds: of processor time in
    all. The grader looks after both as well; these hold where it does not come to it.
    """
    if resource is None:
        return False
    limits = {"CORE": 0, "FSIZE": FILE_BYTES, "NOFILE": OPEN_FILES, "CPU": seconds}
    if sys.platform == "linux":  # elsewhere the memory that is mapped says little
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limits["AS"] = pages * resource.getpagesize() + memory + ROOM
    for name, most in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))
    return True
