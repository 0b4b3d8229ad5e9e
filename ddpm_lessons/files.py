"""Files are written whole or not at all."""

import os
import secrets
from pathlib import Path


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
