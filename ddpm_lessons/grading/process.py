"""The grader's side of a worker: it is started, listened to, watched, and killed."""

import json
import queue
import secrets
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ddpm_lessons.checks.trial import Trial
from ddpm_lessons.grading import watch
from ddpm_lessons.grading.nursery import Forked
from ddpm_lessons.grading.plain import from_plain
from ddpm_lessons.grading.tasks import Task

GB = 2**30
TICK = 0.05  # seconds between two looks at the memory
START = 300  # seconds that a worker may take to start
LINE = 16_000_000  # bytes; twenty answers of the longest kind
FOLDER_BYTES = 256_000_000
PATIENCE = 5  # seconds for what has been killed to be gone
TEXT = 2000  # characters of what is said of an answer
TAIL = 4000  # bytes of a worker's output that are kept

Start = Callable[[Path], subprocess.Popen | Forked]


class Limits(NamedTuple):
    """What an exercise may take: seconds by the clock, and GB (2**30 bytes) of resident memory."""

    seconds: float = 60.0
    memory: float = 3.0


class Report(NamedTuple):
    """What became of a task: a trial, or why there is none; and how long it took, in seconds."""

    trial: Trial | None
    stopped: str
    seconds: float


class Ended(Exception):
    """A worker has ended or was stopped; says why."""


class Worker:
    """A worker with some tasks, in an empty folder; a context manager that leaves nothing behind.

    start: starts its process in a folder, see `nursery`. hidden: folders that its code must not
    read. walls: those that stand, once it has started.
    """

    def __init__(
        self, start: Start, tasks: Sequence[Task], limits: Limits, *, hidden: Sequence[Path]
    ) -> None:
        self.tasks, self.limits, self.walls = tasks, limits, {}
        self.folder = Path(tempfile.mkdtemp(prefix="ddpm-grade-")).resolve()
        self._token, self._output, self._looked = secrets.token_hex(16), b"", 0.0
        self._lines: queue.Queue[bytes] = queue.Queue(maxsize=8)  # a flood waits in the pipe
        self._process = start(self.folder)
        job = json.dumps({**self._job(), "hidden": [str(path) for path in hidden]}).encode()
        jobs = (self._listen, ()), (self._drain, ()), (self._hand_over, (job,))
        self._threads = [threading.Thread(target=f, args=a, daemon=True) for f, a in jobs]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        watch.kill_tree(self._process)
        end = time.monotonic() + PATIENCE
        while any(thread.is_alive() for thread in self._threads) and time.monotonic() < end:
            self._take(TICK)  # the listener may wait for room
        if time.monotonic() < end:  # else somebody has got away, with the pipes
            self._process.stdout.close()
            self._process.stderr.close()
        watch.remove(self.folder)

    def reports(self) -> Iterator[Report]:
        """A report on each task in turn; none on those after a task that had to be stopped.

        Raises ValueError where the worker does not start.
        """
        try:
            self.walls = self._message(time.monotonic() + START)["ready"]
        except (Ended, KeyError) as error:
            said = self._output.decode(errors="replace").strip().splitlines() or [error]
            raise ValueError(f"the process for the answers does not start: {said[-1]}") from None
        for i in range(len(self.tasks)):
            report, is_fit = self._report(i)
            yield report
            if not is_fit:
                return

    def _report(self, i: int) -> tuple[Report, bool]:
        """The report on task i, and whether the worker is fit for the next one."""
        begun, tried = time.monotonic(), ""
        try:
            while True:
                message = self._message(begun + self.limits.seconds)
                if "refused" in message:
                    tried = tried or f"tried to {message['refused']}"[:TEXT]
                elif message.get("end") == i:
                    stopped = tried or str(message.get("stopped", ""))[:TEXT]
                    trial = None if stopped else self._trial(message["trial"])
                    seconds = time.monotonic() - begun
                    return Report(trial, stopped, seconds), not message["threads"]
                elif message.get("begin") != i:
                    raise ValueError(f"task {i} is on, and the message is about another")
        except Ended as error:
            stopped = tried or str(error)
        except (ValueError, KeyError, TypeError, RecursionError):  # a learner's code has sent that
            stopped = tried or "wrote into the pipe of the results"
        return Report(None, stopped, time.monotonic() - begun), False

    def _message(self, end: float) -> dict:
        """The next message. Raises Ended if the worker is stopped or ends, ValueError if forged."""
        while True:
            line = self._take(TICK)
            if time.monotonic() > end:
                raise Ended(f"took more than {self.limits.seconds:g} s")
            self._look()
            if line is not None and not line.endswith(b"\n") and len(line) < LINE:  # the end
                raise Ended(watch.ending(self._process))
            if line:
                message = json.loads(line)
                if not isinstance(message, dict) or message.pop("token", "") != self._token:
                    raise ValueError("the line has not the token")
                return message

    def _look(self) -> None:
        """Raise Ended where the worker takes too much; a look every TICK is enough."""
        if time.monotonic() < self._looked + TICK:
            return
        alone = bool(self.walls.get("seccomp"))
        if watch.resident(self._process, alone=alone) > self.limits.memory * GB:
            raise Ended(too_much(self.limits))
        if watch.folder_size(self.folder) > FOLDER_BYTES:
            raise Ended("filled its folder")
        self._looked = time.monotonic()

    def _trial(self, found: dict) -> Trial:
        """A trial that was sent. Raises ValueError, KeyError or TypeError if it is none."""
        answers = [from_plain(answer) for answer in found["answers"]]
        complaint = str(found["complaint"])[:TEXT].replace(str(self.folder), "its folder")
        return Trial(answers, complaint, str(found["habit"])[:TEXT], bool(found["function"]))

    def _take(self, seconds: float) -> bytes | None:
        """The next line, b"" at the end, None if there is none in time."""
        try:
            return self._lines.get(timeout=seconds)
        except queue.Empty:
            return None

    def _job(self) -> dict:
        return {
            "token": self._token,
            "folder": str(self.folder),
            "tasks": self.tasks,
            "memory": int(self.limits.memory * GB),
            "seconds": int(self.limits.seconds * len(self.tasks)) + 60,
        }

    def _hand_over(self, job: bytes) -> None:
        with suppress(OSError), self._process.stdin as stream:  # if it has ended, others say so
            stream.write(job)

    def _listen(self) -> None:
        while line := self._process.stdout.readline(LINE):
            self._lines.put(line)
        self._lines.put(b"")

    def _drain(self) -> None:
        """Read whatever the worker prints, however much, and keep the end of it."""
        while some := self._process.stderr.read1(65536):
            self._output = (self._output + some)[-TAIL:]


def too_much(limits: Limits) -> str:
    """What is said of an answer that takes too much memory."""
    return f"took more than {limits.memory:g} GB of memory"
