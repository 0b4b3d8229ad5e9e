"""The record of passed exercises: `progress.txt` in the course's folder, one line for each.

It is a text file that people can read, mend and carry to another machine. Lines are only ever
added, each by one write at the end of the file: two kernels do not disturb each other, and whatever
a crash leaves of a line is passed over by the reader.
"""

import os
import re
import sys
from datetime import datetime
from pathlib import Path

from ddpm_lessons.files import reason

FILE = "progress.txt"
SETTING = "DDPM_LESSONS_RECORD"  # the name of another file, or "off"
HEAD = "# The exercises that you have passed. Delete a line, and the exercise is open again.\n"
LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d)  (\d\d\.\w+)\s*")


def course_folder() -> Path | None:
    """The folder of the course in which Python was started, or None if it was elsewhere."""
    here = Path.cwd()
    folders = (folder for folder in (here, *here.parents) if _is_course(folder))
    return next(folders, None)


def record_file() -> Path | None:
    """Where the record is: what DDPM_LESSONS_RECORD names, or else in the course's folder.

    None where there is no course or the variable says "off".
    """
    setting = os.environ.get(SETTING)
    if setting:
        return None if setting == "off" else Path(setting)
    folder = course_folder()
    return folder / FILE if folder else None


def passed(file: Path | None) -> dict[str, str]:
    """Each passed exercise ("01.jump") and when it was first passed; empty without a file.

    Raises OSError where the file is there but cannot be read.
    """
    if file is None or not file.exists():
        return {}
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    found = [match.groups() for line in lines if (match := LINE.fullmatch(line))]
    return {name: when for when, name in reversed(found)}  # the first of several counts


def keep(name: str, file: Path) -> None:
    """Add an exercise to the record, unless it is there. Raises OSError where that fails."""
    if name in passed(file):
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab+") as stream:  # "a": every write goes to the end, whoever else has written
        start = HEAD if stream.tell() == 0 else ""
        if not start:
            stream.seek(-1, os.SEEK_END)
            start = "" if stream.read(1) == b"\n" else "\n"  # a crash cut the last line
        stream.write(f"{start}{datetime.now():%Y-%m-%d %H:%M}  {name}\n".encode())
        stream.flush()
        os.fsync(stream.fileno())


def keep_in_course(name: str) -> str:
    """Add an exercise to the record if this is a notebook; a sentence if that fails, else ""."""
    if not in_notebook():
        return ""
    file = record_file()
    try:
        if file is not None:
            keep(name, file)
    except OSError as error:
        return f" It could not be put down in {file} {reason(error)}."
    return ""


def in_notebook() -> bool:
    """Whether a Jupyter kernel is running this."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel")


def _is_course(folder: Path) -> bool:
    return (folder / "notebooks" / "00_welcome.ipynb").is_file()
