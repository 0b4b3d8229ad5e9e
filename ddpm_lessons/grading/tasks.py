"""What a worker is asked to do."""

from typing import NamedTuple


class Task(NamedTuple):
    """An answer to be tried.

    exercise: its name, "01.jump". code: what defines the answer. answer: the expression. label: the
    file's name for messages. seed: of the random arguments.
    """

    exercise: str
    code: str
    answer: str
    label: str
    seed: int
