"""How an exercise is checked: against the right answer, and against the mistakes that people make.

An `Exercise` is data: what is asked, the library's own solution, the arguments to try and the known
wrong variants with a hint each. Calling it with an answer gives a `Verdict`; nothing is raised, so
an unsolved notebook runs from top to bottom.
"""

import html
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

OUTCOMES = {"passed": "✓ Passed", "not attempted": "○ Not attempted yet", "failed": "✗ Not yet"}
COLOURS = {"passed": "#1a7f37", "not attempted": "#6e7781", "failed": "#b35900"}


class Verdict(NamedTuple):
    """What a check says: one of OUTCOMES, and a sentence for the learner."""

    outcome: str
    message: str

    def __repr__(self) -> str:
        return f"{OUTCOMES[self.outcome]}. {self.message}"

    def _repr_html_(self) -> str:
        colour = COLOURS[self.outcome]
        ink = f"color-mix(in srgb, {colour} 55%, currentColor)"  # legible on any paper
        return (
            f'<div style="border-left: 4px solid {colour}; padding: .4em .8em">'
            f'<strong style="color: {ink}">{OUTCOMES[self.outcome]}.</strong> '
            f"{html.escape(self.message)}</div>"
        )


class Mistake(NamedTuple):
    """A known wrong variant, with the solution's arguments, and what to tell who made it."""

    wrong: Callable
    hint: str


@dataclass(frozen=True)
class Exercise:
    """An exercise; its answer is a function, or a value (then solution and mistakes take none).

    task: what is asked, in a line. solution: the right answer. cases: the argument tuples to try.
    mistakes: the known wrong variants. tolerance: how far an answer may lie from the solution,
    relative to 1 + its size; float32 answers need 1e-4.
    """

    task: str
    solution: Callable
    cases: Callable[[], Iterable[tuple]] = lambda: [()]
    mistakes: Sequence[Mistake] = ()
    tolerance: float = 1e-4

    def __call__(self, answer: object) -> Verdict:
        """Check `answer`, a function or a value; `...` or None has not been attempted."""
        function = answer if callable(answer) else lambda: answer
        cases = list(self.cases())
        try:
            answers = [function(*_copies(case)) for case in cases]
        except Exception as error:
            return Verdict("failed", _where(error))
        if any(value is None or value is ... for value in answers):
            return Verdict("not attempted", self.task)
        right = [self.solution(*case) for case in cases]
        if self._agree(answers, right):
            return Verdict("passed", "Your answer agrees with the library.")
        for mistake in self.mistakes:
            if self._agree(answers, [mistake.wrong(*case) for case in cases]):
                return Verdict("failed", mistake.hint)
        return Verdict("failed", self._first_difference(answers, right, cases))

    def _agree(self, answers: list, expected: list) -> bool:
        return all(_close(a, e, self.tolerance) for a, e in zip(answers, expected, strict=True))

    def _first_difference(self, answers: list, right: list, cases: list[tuple]) -> str:
        for answer, expected, case in zip(answers, right, cases, strict=True):
            if not _close(answer, expected, self.tolerance):
                given = f" for {', '.join(map(_brief, case))}" if case else ""
                return f"Your answer is {_brief(answer)}{given}; expected {_brief(expected)}."
        raise AssertionError("unreachable: some answer differs")


def _copies(case: tuple) -> tuple:
    """The arguments with tensors cloned: an answer that changes them in place harms nobody."""
    return tuple(x.clone() if isinstance(x, torch.Tensor) else x for x in case)


def _parts(value: object) -> list[torch.Tensor]:
    """A number, a tensor, or a tuple, list or range of them, as float64 tensors."""
    if isinstance(value, (tuple, list, range)):
        return [part for item in value for part in _parts(item)]
    return [torch.as_tensor(value).detach().to("cpu", torch.float64)]


def _close(answer: object, expected: object, tolerance: float) -> bool:
    if isinstance(expected, (str, bool)):
        return answer == expected
    try:
        if isinstance(expected, torch.Tensor) and isinstance(answer, list):
            answer = torch.as_tensor(answer)
        ours, theirs = _parts(expected), _parts(answer)
    except (TypeError, ValueError, RuntimeError):
        return False
    return len(ours) == len(theirs) and all(
        a.shape == b.shape and torch.allclose(a, b, rtol=tolerance, atol=tolerance)
        for a, b in zip(theirs, ours, strict=True)
    )


def _brief(value: object) -> str:
    """A value in a few characters: numbers in full, tensors by shape and first entry."""
    if isinstance(value, torch.Tensor) and value.numel() > 1:
        return f"a tensor {tuple(value.shape)} that starts with {value.flatten()[0].item():.4g}"
    if isinstance(value, torch.Tensor):
        value = value.item()
    if isinstance(value, list) and len(value) > 4:
        return f"a list of {len(value)} that starts with {_brief(value[0])}"
    if hasattr(value, "_fields"):
        fields = (f"{k}={_brief(v)}" for k, v in zip(value._fields, value, strict=True))
        return f"{type(value).__name__}({', '.join(fields)})"
    if isinstance(value, tuple):
        return f"({', '.join(map(_brief, value))})"
    return f"{value:.4g}" if isinstance(value, float) else repr(value)


def _where(error: Exception) -> str:
    """The exception, and the learner's line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.line for frame in frames if frame.filename != __file__ and frame.line]
    line = f' in your line "{lines[0]}"' if lines else ""
    return f"{type(error).__name__}{line}: {error}"
