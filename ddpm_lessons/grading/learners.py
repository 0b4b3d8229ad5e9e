"""Who has handed in what: the learners in a folder of submissions, and their notebooks."""

import os
import re
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from ddpm_lessons.files import reason

LESSON = re.compile(r"(.+?)[ _.-]+\d\d_[a-z0-9_]+")  # ada_01_forward_process


class Learner(NamedTuple):
    """A learner's name, notebooks in order, and what else was found, in words."""

    name: str
    notebooks: list[Path]
    problems: list[str]


def learners(folder: Path) -> list[Learner]:
    """The learners in a folder, in order of their names.

    A folder in it is a learner of that name, with the notebooks anywhere inside. A notebook that
    lies in it directly belongs to the learner whose name stands before the lesson's:
    ada_01_forward_process.ipynb is Ada's, and so is ada.ipynb. Hidden files and folders do not
    count. A link is not followed, because it may lead to somebody else's work: it is a problem.
    Raises ValueError where there is no such folder, or nobody in it.
    """
    if not folder.is_dir():
        raise ValueError(f"FOLDER is {str(folder)!r}, and there is no such folder")
    found = defaultdict(lambda: ([], []))
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_symlink():
            found[entry.stem][1].append(f"{entry.name} is a link, and links are not followed")
        elif entry.is_dir():
            for path in _inside(entry, found[entry.name][1]):
                if path.is_symlink():
                    name = path.relative_to(folder).as_posix()
                    found[entry.name][1].append(f"{name} is a link, and links are not followed")
                elif path.suffix == ".ipynb":
                    found[entry.name][0].append(path)
        elif entry.suffix == ".ipynb":
            found[_owner(entry.stem)][0].append(entry)
    if not any(notebooks or problems for notebooks, problems in found.values()):
        raise ValueError(
            f"there is no notebook in {folder}, expected NAME/NOTEBOOK.ipynb for each learner"
        )
    # A name that is no text, from another system's disk, is shown as far as it is one.
    texts = {name: name.encode(errors="replace").decode() for name in found}
    return [Learner(texts[name], *found[name]) for name in sorted(found)]


def _owner(stem: str) -> str:
    """The learner whose name stands before a lesson's, or else all of it."""
    match = LESSON.fullmatch(stem)
    return match[1] if match else stem


def _inside(folder: Path, problems: list[str]) -> list[Path]:
    """All files and links in a folder and those below it, in order, but for hidden ones.

    Folders that cannot be read are added to the problems.
    """
    found = []

    def unreadable(error: OSError) -> None:
        name = Path(error.filename).relative_to(folder.parent).as_posix()
        problems.append(f"{name} cannot be read {reason(error)}")

    for top, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if (Path(top) / name).is_symlink()]
        found += [Path(top) / name for name in (*files, *links) if not name.startswith(".")]
    return sorted(found)
