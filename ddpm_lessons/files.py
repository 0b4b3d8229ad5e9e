"""Files are written whole or not at all, and where that fails the reason is said in plain words."""

import errno
import os
import secrets
from pathlib import Path

# What to do about the errors that a beginner meets, by their names in `errno`.
ADVICE = {
    "ENOSPC": "the disk is full, so make room on it or choose another",
    "EDQUOT": "your share of the disk is full, so make room there or choose another disk",
    "EACCES": "you have no right to do so, choose a folder of your own",
    "EPERM": "you have no right to do so, choose a folder of your own",
    "EROFS": "this disk can only be read, choose a folder on another",
    "ENOTDIR": "a file stands where a folder is needed, choose another name",
    "EEXIST": "a file stands where a folder is needed, choose another name",
}


def reason(error: OSError) -> str:
    """What a failed read or write says of its reason: "(Permission denied): you have no right ...".

    The file's name is for the caller to say: an error names a temporary file, or none at all.
    """
    advice = ADVICE.get(errno.errorcode.get(error.errno, ""), "")
    return f"({error.strerror or error})" + (f": {advice}" if advice else "")


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file by a temporary one in the same folder, flushed to the disk and then renamed.

    A reader sees all of it or nothing, a crash leaves an older file as it was, and two processes
    may do this at once. The folder is made if it is missing. Raises OSError where it cannot be
    written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb") as file:  # rights by the umask, so that a group can share it
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
