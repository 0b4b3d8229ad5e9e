"""Look whether this machine is ready, and say what to do where it is not."""

import argparse
import sys

from ddpm_lessons import doctor


def add(parser: argparse.ArgumentParser) -> None:
    """This command has no options."""


def run(options: argparse.Namespace) -> int:
    """Print a line for each check; the code is 1 if there is a problem."""
    found = doctor.report()
    # A terminal may lack letters that a folder's name has.
    encoding = sys.stdout.encoding or "utf-8"
    print(str(found).encode(encoding, "backslashreplace").decode(encoding))
    return int(not found.ready)
