"""Ctrl-C, or JupyterLab's square button, or a cluster's notice, where nothing is half done."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interruptible(*others: signal.Signals) -> Iterator[list[int]]:
    """Within this block the first Ctrl-C only enters the list; a second one stops at once.

    A loop that looks at the list between two steps can end with every part of its run at the same
    step. Outside the main thread, where Python does not handle signals, the list stays empty.

    others: signals that only enter the list, too, such as SIGTERM, by which clusters and launchers
        say that the time is over; the next one does what it did before.
    """
    seen: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield seen
        return

    def note(signum: int, _frame: object) -> None:
        seen.append(signum)
        interrupt = signum == signal.SIGINT
        signal.signal(signum, signal.default_int_handler if interrupt else before[signum])

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *others)}
    for number in before:
        signal.signal(number, note)
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
