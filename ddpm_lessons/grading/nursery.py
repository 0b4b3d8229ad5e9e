"""Where workers come from. To import PyTorch takes seconds, so on Linux that is done once.

The nursery is a process that has imported all that a worker needs, and runs nothing of a learner's.
For each worker it forks. Elsewhere, where a fork of a process with such libraries is not safe,
each worker is started as a process of its own.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from ddpm_lessons.checks.progress import lessons
from ddpm_lessons.grading import kernel, watch, worker

REQUEST = 100_000  # bytes
PATIENCE = 300  # seconds to import everything, on a slow disk


class Forked:
    """A worker of the nursery; like a `subprocess.Popen`, as far as the grader uses one."""

    def __init__(self, nursery: socket.socket, folder: Path) -> None:
        pipes = [os.pipe() for _ in range(3)]
        (job, self_in), (self_out, results), (self_err, output) = pipes
        self._nursery, self._code = nursery, None
        theirs = job, results, output
        request = {"folder": str(folder), "environment": watch.environment(folder)}
        socket.send_fds(nursery, [json.dumps(request).encode()], theirs)
        for number in theirs:
            os.close(number)
        self.stdin, self.stdout = os.fdopen(self_in, "wb"), os.fdopen(self_out, "rb")
        self.stderr = os.fdopen(self_err, "rb")
        self.pid = _answer(nursery)

    def wait(self, timeout: float = 60) -> int:
        """The exit code, as Popen's. Raises subprocess.TimeoutExpired if it has not ended."""
        end = time.monotonic() + timeout
        while self._code is None:
            self._nursery.send(json.dumps({"ended": self.pid}).encode())
            self._code = _answer(self._nursery)
            if self._code is None and time.monotonic() > end:
                raise subprocess.TimeoutExpired("a worker", timeout)
            time.sleep(0.01 * (self._code is None))
        return self._code

    def kill(self) -> None:
        """Kill it, unless it is known to have ended."""
        if self._code is None:
            os.kill(self.pid, 9)


def _answer(nursery: socket.socket) -> int | None:
    """What the nursery says. Raises ValueError where it has died."""
    line = nursery.recv(REQUEST)
    if not line:
        raise ValueError("the process that starts the workers has died")
    return json.loads(line)


@contextmanager
def starter() -> Iterator[Callable[[Path], subprocess.Popen | Forked]]:
    """A function that starts a worker in a folder; the nursery ends with this context."""
    if sys.platform != "linux":
        yield start_alone
        return
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(PATIENCE)
    with tempfile.TemporaryDirectory(prefix="ddpm-grade-") as folder, ours:
        with theirs:
            process = subprocess.Popen(
                watch.command("nursery", theirs.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd=folder,
                env=watch.environment(Path(folder)),
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        try:
            yield lambda folder: Forked(ours, folder)
        finally:
            watch.kill_tree(process)


def start_alone(folder: Path) -> subprocess.Popen:
    """Start a worker as a process of its own."""
    return subprocess.Popen(
        watch.command("worker"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=watch.environment(folder),
        start_new_session=True,  # a process group, to be killed as a whole
    )


def main(number: int) -> None:
    """The nursery itself: answer the requests that come by the socket of that number."""
    kernel.die_with_parent()
    lessons()
    with socket.socket(fileno=number) as grader:
        while True:
            line, numbers, *_ = socket.recv_fds(grader, REQUEST, 3)
            if not line:
                return
            request = json.loads(line)
            if "ended" in request:
                pid, status = os.waitpid(request["ended"], os.WNOHANG)
                answer = os.waitstatus_to_exitcode(status) if pid else None
            elif (answer := os.fork()) == 0:
                grader.close()
                _become(request, numbers)
                _live()
            else:
                for one in numbers:
                    os.close(one)
            grader.send(json.dumps(answer).encode())


def _live() -> NoReturn:
    """A worker's life, and its end: never back into the nursery's loop."""
    try:
        worker.main()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _become(request: dict, numbers: list[int]) -> None:
    """Turn a fork into what `start_alone` starts."""
    os.setsid()
    for standard, given in enumerate(numbers):
        os.dup2(given, standard)
        os.close(given)
    os.environ.clear()
    os.environ.update(request["environment"])
    tempfile.tempdir = None  # it is found anew
    os.chdir(request["folder"])
