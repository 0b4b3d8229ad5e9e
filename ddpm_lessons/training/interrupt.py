"""Ctrl-C, or JupyterLab's square button, at a place where nothing is half done."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interruptible() -> Iterator[list[int]]:
    """Within this block the first Ctrl-C only enters the list; a second one stops at once.

    A loop that looks at the list between two steps can end with every part of its run at the same
    step. Outside the main thread, where Python does not handle signals, the list stays empty.
    """
    seen: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield seen
        return

    def note(signum: int, _frame: object) -> None:
        seen.append(signum)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)
