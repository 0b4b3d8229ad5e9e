"""For instructors: grade a folder of notebooks, each in a process of its own, behind walls."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm.auto import tqdm

from ddpm_lessons.checks.progress import all_exercises
from ddpm_lessons.cli.options import number
from ddpm_lessons.files import write_whole
from ddpm_lessons.grading import grades, watch
from ddpm_lessons.grading.nursery import starter
from ddpm_lessons.grading.process import Limits
from ddpm_lessons.grading.table import Row, as_csv, clean, summary

LIMITS = Limits()
ALL = "All walls stood: audit hook, Landlock, seccomp, limits, a watch on the memory."
ADVICE = "If you do not trust the learners, grade in a container, or with an account made for it."


def add(parser: argparse.ArgumentParser) -> None:
    """The options of `grade`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "FOLDER holds a folder for each learner, by name, with the notebooks anywhere inside; or\n"
        "notebooks such as ada.ipynb and ada_01_forward_process.ipynb. Hidden files do not count."
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="what was handed in")
    out = Path("grades.csv")
    parser.add_argument("--out", type=Path, default=out, help=f"the table ({out}, where you are)")
    parser.add_argument("--secret", help="that of `kit`, where it has given them their own numbers")
    parser.add_argument(
        "--time", type=number(0, 86_400), default=LIMITS.seconds, help="seconds an exercise (60)"
    )
    parser.add_argument(
        "--memory", type=number(0.5, 4096), default=LIMITS.memory, help="GB, PyTorch's included (3)"
    )
    parser.add_argument("--lessons", nargs="+", metavar="NN", help="(all that were handed in)")


def run(options: argparse.Namespace) -> int:
    """Grade everything, write the table and print a summary."""
    folder = options.folder.resolve()
    found = grades.submissions(folder)
    lessons = _lessons(options.lessons) if options.lessons else grades.lessons_in(found)
    _check_out(options.out, folder)
    limits = Limits(options.time, options.memory)
    rows: list[Row] = []
    with starter() as start, tqdm(found, unit="learner", dynamic_ncols=True) as bar:
        hidden = [folder, Path.home()]
        grader = grades.Grader(start, options.secret, limits, hidden=hidden)
        stopped = False
        try:
            for one in bar:
                bar.set_postfix_str(clean(one.learner))
                rows += grader.grade(one, lessons)
        except KeyboardInterrupt:  # what has been graded is kept
            stopped = True
    write_whole(options.out, as_csv(rows))
    encoding = sys.stdout.encoding or "utf-8"  # a terminal may lack letters that a name has
    end = "; it was stopped, so not everybody is in it" if stopped else ""
    for line in (summary(rows), *_notes(grader.walls), f"{options.out}: {len(rows)} rows{end}"):
        print(line.encode(encoding, "backslashreplace").decode(encoding))
    return 130 if stopped else 0


def _lessons(given: Sequence[str]) -> list[str]:
    known = sorted({name[:2] for name in all_exercises()})
    if wrong := [one for one in given if one not in known]:
        expected = f"some of {', '.join(known)}"
        raise ValueError(f"--lessons has {', '.join(wrong)}, expected {expected}: two digits each")
    return sorted(set(given))


def _check_out(out: Path, folder: Path) -> None:
    """Raise ValueError unless the table may be written there, and in no learner's folder."""
    place = out.resolve()
    if out.suffix.lower() != ".csv" or place.is_dir():
        raise ValueError(f"--out is {str(out)!r}, expected the name of a .csv file")
    if place.parent != folder and place.is_relative_to(folder):
        raise ValueError(f"--out is {str(out)!r}, which is in a learner's folder: choose another")
    if not os.access(place.parent, os.W_OK):
        raise ValueError(f"--out is {str(out)!r}, expected a folder you may write to")


def _notes(walls: dict) -> list[str]:
    """What the reader should know of the walls; nothing where no answer had to be run."""
    if not walls:
        return []
    missing = {
        "Landlock, so that code in C++ (torch.save, say) could write outside of its folder": not (
            walls.get("landlock")
        ),
        "seccomp, so that code in C++ could start processes": not walls.get("seccomp"),
        "limits of the system for memory and time": not walls.get("limits"),
        "psutil, so that nobody has watched the memory": watch.psutil is None,
    }
    lacking = [words for words, is_missing in missing.items() if is_missing]
    notes = [f"Without {'; without '.join(lacking)}."] if lacking else [ALL]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        notes.append("You are root: whoever gets past the walls may do everything.")
    return notes if notes == [ALL] else [*notes, ADVICE]
