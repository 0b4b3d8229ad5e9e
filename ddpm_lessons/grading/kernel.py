"""Walls that Linux keeps, whatever runs in the process: Landlock and seccomp, called by `ctypes`.

Landlock allows the files below the folders named, and nothing else: neither Python nor C++ can open
others. It starts no program, makes no TCP connection, and sends no signal to processes outside.
What it leaves: the names, sizes and rights of files can still be seen, and rights changed.

seccomp refuses what would make a new process or a socket of any kind. Threads are allowed.

Both hold for the thread that calls and all that come from it, and cannot be taken back.
References: Linux's Documentation/userspace-api/landlock.rst and seccomp_filter.rst.
"""

import ctypes
import errno
import os
import platform
import signal
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every processor
PATH_BENEATH = 1
# The rights that each version of Landlock has added, by their bits: files', TCP's, scopes'.
FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}  # how many
READ = 1 << 2 | 1 << 3  # files, folders
OF_FILES = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15  # rights that a file can have
EXECUTE = 1 << 0
SPECIAL = EXECUTE | 1 << 6 | 1 << 9 | 1 << 11 | 1 << 15  # and devices, sockets; not even for root
TCP = 0b11  # bind, connect
SCOPES = 0b11  # abstract sockets, signals

NO_NEW_PRIVILEGES, DEATH_SIGNAL, SECCOMP = 38, 1, 22  # of prctl
FILTER = 2
# Per processor: its number in the audit system, and those of its calls to the system.
CALLS = {
    "x86_64": (0xC000003E, {"clone": 56, "clone3": 435, "socket": 41}, (57, 58, 59, 322, 101, 425)),
    "aarch64": (0xC00000B7, {"clone": 220, "clone3": 435, "socket": 198}, (221, 281, 117, 425)),
}  # the last: fork, vfork, execve, execveat, ptrace, io_uring_setup, where there are such
CLONE_THREAD = 0x10000
LOAD, EQUAL, ANY_BIT, AT_LEAST, RETURN = 0x20, 0x15, 0x45, 0x35, 0x06  # instructions of the filter
ALLOW, ERROR = 0x7FFF0000, 0x00050000


def close_files(readable: Iterable[str | Path], folder: str | Path) -> int:
    """Allow no file but those below `readable`, to read, and below `folder`, to change.

    Returns Landlock's version, or 0 where this system has none. Paths that are not there are
    passed over. Raises OSError where the system has it and refuses.
    """
    version = landlock()
    if not version:
        return 0
    rights = (1 << next(n for v, n in reversed(FILE_RIGHTS.items()) if v <= version)) - 1
    handled = struct.pack("=QQQ", rights, TCP * (version >= 4), SCOPES * (version >= 6))
    size = 8 if version < 4 else 16 if version < 6 else 24
    rules = _call(CREATE_RULESET, handled, size, 0)
    try:
        for path in readable:
            _allow(rules, path, READ & rights)
        _allow(rules, folder, rights & ~SPECIAL)
        _allow(rules, os.devnull, rights & ~SPECIAL)
        _prctl(NO_NEW_PRIVILEGES, 1)
        _call(RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)
    return version


def landlock() -> int:
    """The version of Landlock that this system has, or 0."""
    if sys.platform != "linux":
        return 0
    try:
        return _call(CREATE_RULESET, None, 0, 1)
    except OSError:  # an older kernel, or switched off
        return 0


def close_processes() -> bool:
    """Refuse to make processes and sockets; False where there is no seccomp for this processor."""
    machine = platform.machine()
    if sys.platform != "linux" or machine not in CALLS or sys.maxsize < 2**32:
        return False
    program = b"".join(struct.pack("=HBBI", *step) for step in _filter(*CALLS[machine]))
    buffer = ctypes.create_string_buffer(program)
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    try:
        _prctl(NO_NEW_PRIVILEGES, 1)
        _prctl(SECCOMP, FILTER, ctypes.create_string_buffer(header))
    except OSError:  # a kernel without it
        return False
    return True


def die_with_parent() -> None:
    """On Linux: be killed when the process that started this one ends, however it ends."""
    if sys.platform == "linux":
        _prctl(DEATH_SIGNAL, signal.SIGKILL)


def _filter(processor: int, calls: dict[str, int], refused: Iterable[int]) -> list[tuple]:
    """The filter's instructions: (what, steps to skip if so, steps to skip if not, number)."""
    no = ERROR | errno.EPERM
    program = [(LOAD, 0, 0, 4), (EQUAL, 1, 0, processor), (RETURN, 0, 0, no), (LOAD, 0, 0, 0)]
    program += [(AT_LEAST, 0, 1, 0x40000000), (RETURN, 0, 0, no)]  # the calls of x32
    for number in (*refused, calls["socket"]):
        program += [(EQUAL, 0, 1, number), (RETURN, 0, 0, no)]
    # The C library then takes clone, whose flags a filter can see.
    program += [(EQUAL, 0, 1, calls["clone3"]), (RETURN, 0, 0, ERROR | errno.ENOSYS)]
    program += [(EQUAL, 0, 3, calls["clone"]), (LOAD, 0, 0, 16)]
    program += [(ANY_BIT, 1, 0, CLONE_THREAD), (RETURN, 0, 0, no)]
    return [*program, (RETURN, 0, 0, ALLOW)]


def _allow(rules: int, path: str | Path, rights: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rights &= -1 if Path(path).is_dir() else OF_FILES
        _call(ADD_RULE, rules, PATH_BENEATH, struct.pack("=Qi", rights, opened), 0)
    finally:
        os.close(opened)


def _call(number: int, *arguments: object) -> int:
    """A call to the system. Raises OSError with its reason."""
    library = ctypes.CDLL(None, use_errno=True)
    library.syscall.restype = ctypes.c_long
    numbers = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _checked(library.syscall(ctypes.c_long(number), *numbers))


def _prctl(option: int, *arguments: object) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    given = [*arguments, 0, 0, 0, 0][:4]
    longs = [ctypes.c_ulong(a) if isinstance(a, int) else a for a in given]
    _checked(library.prctl(option, *longs))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
