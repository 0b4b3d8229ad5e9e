"""Broken models without a name. Which bug is it?"""

import hashlib

from ddpm_lessons.bugs.exhibit import Bug
from ddpm_lessons.bugs.gallery import BUGS
from ddpm_lessons.door import check_choice

# The first digits of the SHA-256 of each bug's name: who reads this file has not read the answers.
SEALED = {"A": "dcb909", "B": "da4053", "C": "a7a392"}


def specimen(letter: str) -> Bug:
    """The bug of a specimen. Raises ValueError for another letter."""
    return BUGS[diagnosis(letter)]


def diagnosis(letter: str) -> str:
    """The name of the bug of a specimen: the answer. Raises ValueError for another letter."""
    check_choice("letter", letter, SEALED)
    return next(name for name in BUGS if seal(name).startswith(SEALED[letter]))


def seal(name: str) -> str:
    """A name, so that it cannot be read."""
    return hashlib.sha256(name.encode()).hexdigest()
