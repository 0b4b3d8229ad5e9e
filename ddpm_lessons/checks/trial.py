"""An answer is tried, and its conduct noted: what it raises, spoils, or gives only once."""

import dis
import inspect
import traceback
from collections.abc import Callable, Collection, Sequence
from types import FunctionType, ModuleType
from typing import NamedTuple

import torch

from ddpm_lessons.checks.comparison import alike

OURS = tuple(
    f"ddpm_lessons{slash}{folder}{slash}" for folder in ("checks", "grading") for slash in "/\\"
)
UNUSUAL = 8_675_309_271  # a seed
IMPORTS = {
    "math": "import math",
    "np": "import numpy as np",
    "torch": "import torch",
    "nn": "from torch import nn",
    "F": "from torch.nn import functional as F",
}


class Trial(NamedTuple):
    """What trying an answer has told; it can be judged in another process.

    answers: what it gave for each case. complaint: about its conduct, "" if none. habit: what its
    code lets one guess should it be wrong, or "". function: whether it is one, and not a value.
    """

    answers: list
    complaint: str
    habit: str = ""
    function: bool = True


def tried(
    answer: object, cases: Callable[[], Sequence[tuple]], needed: Collection[str] = ()
) -> Trial:
    """Call `answer` on every case twice, in two orders. `cases` makes them anew each time.

    A value is the same answer to every case. needed: the names that the solution reads, for
    `habits`. It never raises but for KeyboardInterrupt; an exception is a complaint, and ends the
    trial.
    """
    function = answer if callable(answer) else lambda *_: answer
    fresh, random_state = cases(), torch.get_rng_state()
    torch.default_generator.manual_seed(UNUSUAL)  # a seed that an answer may set moves it from here
    before_all = torch.get_rng_state()
    answers, complaint = [], ""
    try:
        for case in fresh:
            before = [_copy(argument) for argument in case]
            answers.append(_copy(function(*case)))
            complaint = complaint or _spoilt(function, before, case)
        drawn = not torch.equal(before_all, torch.get_rng_state())
        again = [function(*case) for case in reversed(cases())][::-1]
        habit = habits(answer, needed)
    except Exception as error:
        return Trial(answers, raised(error, function, fresh[0]), "", callable(answer))
    finally:
        torch.set_rng_state(random_state)
    if drawn:
        complaint = complaint or (
            "Your function draws random numbers of its own, or sets torch's seed. Use what it is "
            "given: then the same arguments always give the same answer."
        )
    return Trial(answers, complaint or _unsteady(answers, again), habit, callable(answer))


def habits(answer: object, needed: Collection[str]) -> str:
    """What the code of a wrong answer lets one guess: an argument unused, a notebook's variable.

    needed: the names that the solution reads.
    """
    function = inspect.unwrap(answer)
    if not isinstance(function, FunctionType):
        return ""
    used = names_read(function)
    data = [
        name
        for name in function.__code__.co_names
        if name in used and _is_data(function.__globals__.get(name))
    ]
    if data:
        return f"Your function reads {data[0]} from the notebook; use what it is given."
    arguments = function.__code__.co_varnames[: function.__code__.co_argcount]
    idle = [name for name in arguments if name not in used and name in needed]
    return f"Your function does not use its argument {idle[0]}." if idle else ""


def _copy(value: object) -> object:
    """The value with its tensors cloned, so that nobody changes them later."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if type(value) in (tuple, list):
        return type(value)(map(_copy, value))
    return value


def _spoilt(function: Callable, before: list, after: tuple) -> str:
    """A complaint if an argument is not what it was."""
    for i, (old, new) in enumerate(zip(before, after, strict=True)):
        if type(old) in (torch.Tensor, tuple, list) and not alike(old, new):
            names = list(inspect.signature(function).parameters)
            name = names[i] if i < len(names) else f"number {i + 1}"
            return (
                f"Your function changes its argument {name} in place, by += or a method that ends "
                "in _, say. Whoever called it still needs it: make a new tensor."
            )
    return ""


def _unsteady(first: list, second: list) -> str:
    """A complaint if the same arguments gave another answer the second time."""
    if all(map(alike, first, second)):
        return ""
    return (
        "Called twice with the same arguments, your function gives two answers: it keeps something "
        "between the calls, in a variable outside of it, say."
    )


def names_read(function: Callable) -> set[str]:
    """The variables that a function reads, those of functions inside of it too.

    None where it is not written in Python, or wrapped by `functools.partial`.
    """
    function = inspect.unwrap(function)
    if not isinstance(function, FunctionType):
        return set()
    codes, read = [function.__code__], set()
    for code in codes:
        codes += [constant for constant in code.co_consts if inspect.iscode(constant)]
        for step in dis.get_instructions(code):
            if step.opname.startswith(("LOAD_FAST", "LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF")):
                read |= set(step.argval) if isinstance(step.argval, tuple) else {step.argval}
            if step.opname.startswith("STORE_FAST_LOAD_FAST"):
                read |= set(step.argval)
    return read


def _is_data(value: object) -> bool:
    """Whether a notebook's variable holds data, not a function, class or module."""
    return value is not None and not callable(value) and not isinstance(value, ModuleType)


def raised(error: BaseException, function: Callable | None = None, case: tuple = ()) -> str:
    """An exception in words, and the learner's line that raised it.

    function, case: the answer and the arguments that it was given, for a word about a name that is
    not defined.
    """
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not any(ours in frame.filename for ours in OURS)
    ]
    if not frames:
        return f"{type(error).__name__}: {error}. Keep the arguments as the task gives them."
    line = f' in your line "{frames[0].line}"' if frames[0].line else ""
    words = f"{type(error).__name__}{line}: {error}"
    return words if words.endswith((".", "?", "!")) else f"{words}.{_remedy(error, function, case)}"


def _remedy(error: BaseException, function: Callable | None, case: tuple) -> str:
    """Where a name that is not defined may be found: to be imported, or in an argument."""
    name = error.name if isinstance(error, NameError) else None
    if name in IMPORTS:
        return f" Write {IMPORTS[name]} above your function."
    code = getattr(inspect.unwrap(function), "__code__", None) if function else None
    for argument, value in zip(code.co_varnames if code else (), case, strict=False):
        if name and not isinstance(value, torch.Tensor) and hasattr(value, name):
            return f" Is {argument}.{name} meant?"
    return ""
