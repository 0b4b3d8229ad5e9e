"""Report whether the digits are there, and whole."""

import argparse

from ddpm_lessons.data import status


def add(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("--root", help="the cache folder (default: DDPM_LESSONS_DATA, or yours)")


def run(options: argparse.Namespace) -> int:
    """Print one line a file; the code is 1 if one is damaged."""
    found = status(root=options.root)
    for item in found:
        print(f"{item.state:9} {item.place:8} {item.path}: {item.detail}")
    return int(any(item.state == "damaged" for item in found))
