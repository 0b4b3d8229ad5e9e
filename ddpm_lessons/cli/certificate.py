"""Make a record of the exercises that you have passed, as a page to print."""

import argparse
from pathlib import Path

from ddpm_lessons.checks.progress import Progress
from ddpm_lessons.checks.record import FILE, passed, record_file
from ddpm_lessons.files import reason


def add(parser: argparse.ArgumentParser) -> None:
    """The options of `certificate`."""
    parser.add_argument("--name", required=True, help="yours, as it should be printed")
    out = "the file, .pdf or .svg (certificate.pdf)"
    parser.add_argument("--out", type=Path, default=Path("certificate.pdf"), help=out)
    parser.add_argument("--record", type=Path, help=f"another record than the course's {FILE}")
    so_far = "also where exercises are still open; the page says how many are passed"
    parser.add_argument("--so-far", action="store_true", help=so_far)


def run(options: argparse.Namespace) -> int:
    """Write the page; 1 and what is open where the course is not complete."""
    progress = Progress(_record(options.record))
    print(progress.certificate(options.name, options.out, so_far=options.so_far))
    if progress.complete or options.so_far:
        return 0
    print("Once they are passed, this command makes the page. --so-far makes it now.")
    return 1


def _record(given: Path | None) -> dict[str, str]:
    """What has been passed by the record given, or the course's. Raises ValueError without one."""
    file = given or record_file()
    if file is None:
        raise ValueError(
            f"there is no course in {Path.cwd()}: start this in its folder, or name a --record"
        )
    if given and not given.is_file():
        raise ValueError(f"record is {str(given)!r}, and there is no such file")
    try:
        return passed(file)
    except OSError as error:
        raise ValueError(f"record: {file} {reason(error)}") from None
