"""The commands behind python -m ddpm_lessons: one module each, with `add` and `run`."""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from ddpm_lessons.cli import (
    autoencoder,
    certificate,
    classifier,
    data,
    doctor,
    evaluate,
    grade,
    kit,
    sample,
    train,
)
from ddpm_lessons.files import reason

COMMANDS = {
    "train": train,
    "sample": sample,
    "evaluate": evaluate,
    "classifier": classifier,
    "autoencoder": autoencoder,
    "data": data,
    "doctor": doctor,
    "certificate": certificate,
    "kit": kit,
    "grade": grade,
}


class Parser(argparse.ArgumentParser):
    """argparse's, but a mistake is answered by one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and leave with code 2."""
        self.exit(2, f"{self.prog}: {message} (--help lists the options)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. A mistake in the options or a file is one line on stderr, and code 2."""
    parser = Parser(
        prog="python -m ddpm_lessons",
        description="Train a small diffusion model on handwritten digits, and sample from it.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        about = module.__doc__.splitlines()[0]
        module.add(commands.add_parser(name, help=about, description=about))
    options = parser.parse_args(argv)
    try:
        return COMMANDS[options.command].run(options)
    except (ValueError, OSError) as error:
        print(f"python -m ddpm_lessons {options.command}: {_words(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


def _words(error: Exception) -> str:
    """A mistake in words; Python's own name the file last, or, where a disk is full, not at all."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    return f"{error.filename or 'a file'} {reason(error)}"
