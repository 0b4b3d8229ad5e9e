"""The worker: a process that runs a learner's answers and tells what they gave, as plain data.

It is started by `process`, with a job on standard input and the pipe for the results as standard
output. Every line that it writes there is a JSON object with the job's token:

    {"ready": {...}}                       the walls stand; which there are
    {"begin": 3}                           the clock of task 3 runs
    {"refused": "write /etc/passwd"}       its code has tried to
    {"end": 3, "trial": {...}, "threads": 0}     or "stopped": why there is no trial
"""

import builtins
import gc
import json
import linecache
import os
import random
import secrets
import sys
from collections.abc import Callable, Iterable
from types import FunctionType, ModuleType
from typing import NamedTuple

import numpy as np
import torch

from ddpm_lessons.checks import progress
from ddpm_lessons.checks.trial import Trial, names_read, raised, tried
from ddpm_lessons.grading import kernel, walls
from ddpm_lessons.grading.ground import ground
from ddpm_lessons.grading.plain import to_plain
from ddpm_lessons.grading.tasks import Task

HIDDEN = ("ddpm_lessons.checks.", "ddpm_lessons.kit.", "ddpm_lessons.grading.")


class Prepared(NamedTuple):
    """A task, its arguments made twice, and the names that the solution reads."""

    task: Task
    cases: list[list[tuple]]
    needed: set[str]


def main() -> None:
    """Do the job that standard input holds."""
    kernel.die_with_parent()
    job = json.load(sys.stdin)
    tell = _channel(job["token"])
    torch.set_num_threads(1)
    prepared = [_prepared(Task(*task)) for task in job["tasks"]]
    forget(prepared)
    tell({"ready": _build_walls(job, tell)})
    for i, one in enumerate(prepared):
        _fresh()
        tell({"begin": i})
        try:
            outcome = {"trial": _attempt(one)}
        except BaseException as error:  # whatever an answer raises, the next one is asked too
            outcome = {"stopped": _ending(error)}
        tell({"end": i, "threads": len(sys._current_frames()) - 1, **outcome})


def _channel(token: str) -> Callable[[dict], None]:
    """What writes a line of results. Standard output goes to standard error from now on."""
    number = 100 + secrets.randbelow(100)
    os.dup2(1, number, inheritable=False)
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    write, dumps = os.write, json.dumps

    def tell(message: dict) -> None:
        line = dumps({"token": token, **message}).encode() + b"\n"
        while line:
            line = line[write(number, line) :]

    return tell


def _prepared(task: Task) -> Prepared:
    exercise = progress.all_exercises()[task.exercise]
    cases = [exercise.arguments(task.seed) for _ in range(2)]
    return Prepared(task, cases, names_read(exercise.solution))


def _build_walls(job: dict, tell: Callable[[dict], None]) -> dict:
    """Build all walls that there are here, and say which."""
    found = ground(job["folder"], job["hidden"])
    limits = walls.limit(job["memory"], job["seconds"])
    standing = {
        "limits": limits,
        "seccomp": kernel.close_processes(),
        "landlock": kernel.close_files(found.readable, found.folder),
    }
    walls.guard(found, lambda words: tell({"refused": words}))
    return standing


class Blank(ModuleType):
    """What stands for a module of the checks: whatever is called in it does nothing."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return sys.modules.get(f"{self.__name__}.{name}", _nothing)


def _nothing(*arguments: object, **options: object) -> None:
    """Stands for a check, and for `display`, which notebooks have and Python has not."""


def forget(prepared: Iterable[Prepared]) -> None:
    """Take the solutions out of this process, as far as the tasks' arguments do not need them.

    The lessons' networks among the arguments read names of their modules; these stay.
    """
    used = set()
    for _, cases, _ in prepared:
        functions = [a for case in cases[0] for a in case if isinstance(a, FunctionType)]
        used = used.union(*map(names_read, functions))
    progress.lessons.cache_clear()
    hidden = [name for name in sys.modules if f"{name}.".startswith(HIDDEN)]
    for name in hidden:
        module, sys.modules[name] = sys.modules[name], Blank(name)
        file = getattr(module, "__file__", None) or name
        linecache.cache[file] = (0, None, [], file)  # a traceback must not want to read it
        if name.startswith("ddpm_lessons.checks.lesson"):
            for own in vars(module).keys() - used:
                if not own.startswith("__"):
                    delattr(module, own)
        if name.count(".") == 1:
            setattr(sys.modules["ddpm_lessons"], name.partition(".")[2], sys.modules[name])
    gc.collect()


def _fresh() -> None:
    """The state in which every answer starts, whatever the one before has left."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float32)
    torch.set_grad_enabled(True)


def _attempt(one: Prepared) -> dict:
    """Run the code, try the answer, and say what it gave."""
    task = one.task
    lines = [f"{line}\n" for line in task.code.splitlines()]
    linecache.cache[task.label] = (len(task.code), None, lines, task.label)
    names = {"__name__": "__main__", "__builtins__": builtins, "display": _nothing}
    try:
        exec(compile(task.code, task.label, "exec"), names)
        answer = eval(compile(task.answer, task.label, "eval"), names)
    except Exception as error:
        trial = Trial([], raised(error))
    else:
        trial = tried(answer, iter(one.cases).__next__, one.needed)
    return trial._replace(answers=[to_plain(value) for value in trial.answers])._asdict()


def _ending(error: BaseException) -> str:
    """Why an answer ended without a trial."""
    if isinstance(error, walls.Refused):
        return f"tried to {error}"
    if isinstance(error, SystemExit):
        return "called exit()"
    return f"raised {type(error).__name__}"
