"""How an exercise is checked: against the right answer, and against the mistakes that people make.

An `Exercise` is data: what is asked, the library's own solution, the arguments to try and the known
wrong variants with a hint each. Calling it with an answer gives a `Verdict`; nothing is raised, so
an unsolved notebook runs from top to bottom.
"""

import html
import inspect
import random
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from ddpm_lessons.checks import record
from ddpm_lessons.checks.comparison import (
    brief,
    close,
    direction,
    in_numbers,
    mismatch,
    wrong_form,
)
from ddpm_lessons.checks.places import PLACES
from ddpm_lessons.checks.trial import Trial, names_read, tried

OUTCOMES = {"passed": "✓ Passed", "not attempted": "○ Not attempted yet", "failed": "✗ Not yet"}
NOTHING = "Your function gives nothing back. Does its last line say return? (print shows only.)"
COLOURS = {"passed": "#1a7f37", "not attempted": "#6e7781", "failed": "#b35900"}


class Verdict(NamedTuple):
    """What a check says: one of OUTCOMES, a sentence for the learner, and where to read on."""

    outcome: str
    message: str
    section: str = ""

    def __repr__(self) -> str:
        return " ".join(filter(None, (f"{OUTCOMES[self.outcome]}. {self.message}", self._place())))

    def _repr_html_(self) -> str:
        colour = COLOURS[self.outcome]
        ink = f"color-mix(in srgb, {colour} 55%, currentColor)"  # legible on any paper
        return (
            f'<div style="border-left: 4px solid {colour}; padding: .4em .8em">'
            f'<strong style="color: {ink}">{OUTCOMES[self.outcome]}.</strong> '
            f"{html.escape(self.message)} <em>{html.escape(self._place())}</em></div>"
        )

    def _place(self) -> str:
        failed = self.outcome == "failed" and self.section
        return f"It is explained under \u201c{self.section}\u201d." if failed else ""


class Mistake(NamedTuple):
    """A known wrong variant, with the solution's arguments, and what to tell who made it."""

    wrong: Callable
    hint: str


class Numbers(NamedTuple):
    """How an exercise with one answer is asked with other numbers: those of each learner.

    question: the task, with {fields} for the numbers. draw: makes them, by a `random.Random`; they
    are the keyword arguments of the exercise's solution and mistakes.
    """

    question: str
    draw: Callable[[random.Random], dict]


@dataclass(frozen=True)
class Exercise:
    """An exercise; its answer is a function, or a value (then solution and mistakes take none).

    name: as in the record, "01.jump". task: what is asked, in a line. solution: the right answer.
    cases: the argument tuples to try; with a parameter `seed`, they are tried once as they are and
    once with a seed of the moment. mistakes: the known wrong variants. tolerance: how far an answer
    may lie from the solution, relative to 1 + its size; float32 answers need 1e-4. numbers: how to
    ask for a value with a learner's own numbers. demands: for an open task, with many right
    answers: takes the numbers of the answers to all cases, and says of each demand whether it is
    met; the demands are named by what is said to a learner who does not meet them.
    """

    name: str
    task: str
    solution: Callable
    cases: Callable[..., Iterable[tuple]] = lambda: [()]
    mistakes: Sequence[Mistake] = ()
    tolerance: float = 1e-4
    numbers: Numbers | None = None
    demands: Callable[[list], dict[str, bool]] | None = None

    @property
    def title(self) -> str:
        """Its heading in the lesson, "1.2 · The jump"."""
        return PLACES[self.name].title if self.name in PLACES else self.name

    @property
    def section(self) -> str:
        """The lesson's heading under which the matter is explained."""
        return PLACES[self.name].section if self.name in PLACES else ""

    def __call__(self, answer: object) -> Verdict:
        """Check `answer` and, in a notebook of the course, put down that it has passed."""
        verdict = self.check(answer)
        if verdict.outcome != "passed":
            return verdict
        return verdict._replace(message=verdict.message + record.keep_in_course(self.name))

    def check(self, answer: object, *, seed: int | None = None) -> Verdict:
        """The verdict on `answer`, a function or a value; `...` has not been attempted.

        seed: of the random arguments that are tried beside the fixed ones; the moment's if None.
        """
        seed = secrets.randbits(31) if seed is None else seed
        trial = tried(answer, partial(self.arguments, seed), names_read(self.solution))
        return self.judge(trial, seed=seed)

    def judge(self, trial: Trial, *, seed: int) -> Verdict:
        """The verdict on an answer that has been tried on `arguments(seed)`, here or elsewhere."""
        empty = (..., None) if not trial.function else (...,)
        if any(value is nothing for value in trial.answers for nothing in empty):
            return Verdict("not attempted", self.task)
        cases = self.arguments(seed)
        if cases[0] and not trial.function and trial.answers:
            words = f"Asked is a function; yours is {brief(trial.answers[0])}."
            return Verdict("failed", words, self.section)
        return self._judged(trial, cases)

    def asked_of(self, learner: str, *, secret: str = "") -> "Exercise":
        """This exercise with the numbers of one learner; itself where it has no `numbers`.

        The same learner and secret give the same numbers. They are drawn until no known mistake
        gives the right answer, so each keeps its own hint.
        """
        if self.numbers is None:
            return self
        draws = random.Random(f"{secret} {learner} {self.name}")
        for _ in range(1000):
            given = self.numbers.draw(draws)
            mistakes = [Mistake(partial(m.wrong, **given), m.hint) for m in self.mistakes]
            solution = partial(self.solution, **given)
            values = [solution(), *(mistake.wrong() for mistake in mistakes)]
            if not any(
                close(a, b, self.tolerance) for i, a in enumerate(values) for b in values[:i]
            ):
                task = self.numbers.question.format(**given)
                return replace(self, task=task, solution=solution, mistakes=mistakes, numbers=None)
        raise AssertionError(f"{self.name}: two of its answers are the same with any numbers")

    def arguments(self, seed: int) -> list[tuple]:
        """The cases, the fixed ones first; always the same for a seed, and made anew each time."""
        random_ones = "seed" in inspect.signature(self.cases).parameters
        return [*self.cases(), *(self.cases(seed=seed) if random_ones else ())]

    def _judged(self, trial: Trial, cases: list[tuple]) -> Verdict:
        """The known mistakes first, then what their conduct tells, then all others.

        Where to read on is said of a mistake in the matter only.
        """
        if len(trial.answers) < len(cases):  # it raised
            return Verdict("failed", trial.complaint)
        right = [self.solution(*case) for case in cases]
        fault = (self._unmet if self.demands else self._unlike)(trial, right, cases)
        if not fault:
            found = "does all that is asked" if self.demands else "agrees with the library"
            passed = Verdict("passed", f"Your answer {found}.")
            return Verdict("failed", trial.complaint) if trial.complaint else passed
        for mistake in self.mistakes:
            if self._agree(trial.answers, [mistake.wrong(*case) for case in cases]):
                return Verdict("failed", mistake.hint, self.section)
        if trial.complaint or fault == NOTHING:
            return Verdict("failed", trial.complaint or fault)
        return Verdict("failed", fault, self.section)

    def _agree(self, answers: list, expected: list) -> bool:
        return all(close(a, e, self.tolerance) for a, e in zip(answers, expected, strict=True))

    def _unmet(self, trial: Trial, right: list, cases: list[tuple]) -> str:
        """What is wrong with the form of an open answer, or the first demand not met; or ""."""
        if all(value is None for value in trial.answers):
            return NOTHING
        pairs = list(zip(trial.answers, right, strict=True))
        wrong = next(filter(None, (wrong_form(a, e) for a, e in pairs)), "")
        met = {} if wrong else self.demands([in_numbers(a, e) for a, e in pairs])
        return next((words for words, yes in met.items() if not yes), wrong)

    def _unlike(self, trial: Trial, right: list, cases: list[tuple]) -> str:
        """How an answer differs from the right one, as far as nobody's known mistake; or ""."""
        answers = trial.answers
        if self._agree(answers, right):
            return ""
        if all(value is None for value in answers):
            return NOTHING
        if not cases[0]:
            return direction(answers[0], right[0])
        agrees = [close(a, e, self.tolerance) for a, e in zip(answers, right, strict=True)]
        first = agrees.index(False)
        if form := mismatch(answers[first], right[first]):
            return form
        given = f" for {', '.join(map(brief, cases[first]))}"
        numbers = f"Your answer is {brief(answers[first])}{given}; expected {brief(right[first])}."
        varied = len(cases) > 1 and not all(close(e, right[0], self.tolerance) for e in right)
        if varied and all(close(a, answers[0], self.tolerance) for a in answers):
            return f"Your answer is the same whatever the arguments are: compute it. {numbers}"
        if first > 0 and not any(agrees[first:]):
            numbers += (
                " With the first arguments it is right: what is special about them, or is one of"
                " their numbers written into your code?"
            )
        return f"{trial.habit} {numbers}".strip()


def by_name(*exercises: Exercise) -> dict[str, Exercise]:
    """The exercises of a lesson in its order, by their names without the lesson's number."""
    return {exercise.name.partition(".")[2]: exercise for exercise in exercises}
