"""Every exercise of every lesson: the solution passes, each known mistake gets its own hint."""

import importlib
import inspect
import pkgutil

import pytest
import torch

from ddpm_lessons import checks
from ddpm_lessons.checks.exercise import Exercise, Mistake

LESSONS = [m.name for m in pkgutil.iter_modules(checks.__path__) if m.name.startswith("lesson")]
EXERCISES = {
    f"{lesson}.{name}": exercise
    for lesson in LESSONS
    for name, exercise in importlib.import_module(f"ddpm_lessons.checks.{lesson}").EXERCISES.items()
}
MISTAKES = [(name, i) for name, e in EXERCISES.items() for i in range(len(e.mistakes))]
FUNCTIONS = [name for name, e in EXERCISES.items() if next(iter(e.cases()))]  # not values
each_exercise = pytest.mark.parametrize("name", EXERCISES)
each_function = pytest.mark.parametrize("name", FUNCTIONS)


def answer(exercise: Exercise, function):
    """What a learner would hand in: the function itself, or its value where it takes nothing."""
    return function if next(iter(exercise.cases())) else function()


def test_every_lesson_has_three_exercises_named_as_in_the_module():
    for lesson in LESSONS:
        module = importlib.import_module(f"ddpm_lessons.checks.{lesson}")
        assert len(module.EXERCISES) >= 3, lesson
        for name, exercise in module.EXERCISES.items():
            assert getattr(module, name) is exercise, f"{lesson}.{name}"


@each_exercise
def test_the_solution_passes(name):
    exercise = EXERCISES[name]
    assert exercise(answer(exercise, exercise.solution)).outcome == "passed"


@each_function
def test_the_solution_in_float64_passes(name):
    exercise = EXERCISES[name]

    def widened(*arguments):
        return exercise.solution(
            *(
                x.double() if isinstance(x, torch.Tensor) and x.is_floating_point() else x
                for x in arguments
            )
        )

    assert exercise(widened).outcome == "passed"


@each_exercise
def test_an_empty_answer_is_not_attempted(name):
    exercise = EXERCISES[name]
    for blank in (..., None):
        given = (lambda *arguments, blank=blank: blank) if next(iter(exercise.cases())) else blank
        verdict = exercise(given)
        assert verdict.outcome == "not attempted"
        assert verdict.message == exercise.task


@pytest.mark.parametrize(("name", "i"), MISTAKES)
def test_each_mistake_gets_its_own_hint(name, i):
    exercise = EXERCISES[name]
    verdict = exercise(answer(exercise, exercise.mistakes[i].wrong))
    assert verdict.outcome == "failed"
    assert verdict.message == exercise.mistakes[i].hint


@each_exercise
def test_three_mistakes_are_known_and_their_hints_differ(name):
    hints = [mistake.hint for mistake in EXERCISES[name].mistakes]
    assert len(hints) >= 3
    assert len(set(hints)) == len(hints)


@each_function
def test_an_answer_that_raises_is_shown_at_the_learners_line(name):
    def broken(*arguments):
        return undefined_name + 1  # noqa: F821

    exercise = EXERCISES[name]
    verdict = exercise(broken)
    assert verdict.outcome == "failed"
    assert "NameError" in verdict.message
    assert "return undefined_name + 1" in verdict.message


def test_a_list_is_as_good_as_a_range_or_a_tensor():
    timesteps, nearest = EXERCISES["lesson06.timesteps"], EXERCISES["lesson07.nearest_other"]
    assert timesteps(list(range(1000, 0, -1))).outcome == "passed"
    assert nearest(lambda images: nearest.solution(images).tolist()).outcome == "passed"
    assert nearest(lambda images: list(nearest.solution(images))).outcome == "passed"
    wrong = timesteps(list(range(1000, 500, -1)))
    assert wrong.outcome == "failed"
    assert "a list of 500 that starts with 1000" in wrong.message


def test_an_unknown_mistake_is_answered_with_both_numbers():
    square = Exercise("Square it.", lambda x: x**2, lambda: [(3.0,)])
    assert repr(square(lambda x: x)) == "✗ Not yet. Your answer is 3 for 3; expected 9."


@pytest.mark.parametrize("wrong", ["text", torch.zeros(2), (1.0, 2.0), {"a": 1}, object()])
def test_an_answer_of_the_wrong_kind_fails_quietly(wrong):
    square = Exercise("Square it.", lambda x: x**2, lambda: [(3.0,)])
    assert square(lambda x: wrong).outcome == "failed"


def test_an_answer_that_changes_its_arguments_cannot_spoil_the_comparison():
    def in_place(x):
        return x.mul_(2)

    double = Exercise("Double it.", lambda x: 2 * x, lambda: [(torch.ones(3),)])
    assert double(in_place).outcome == "passed"


def test_text_in_a_verdict_is_escaped_in_html():
    def broken(x):
        raise ValueError("<b>")

    html = Exercise("t", lambda x: x, lambda: [(1.0,)])(broken)._repr_html_()
    assert "<b>" not in html
    assert "&lt;b&gt;" in html


def test_exercises_are_data():
    assert inspect.isclass(Mistake)
    assert all(isinstance(exercise, Exercise) for exercise in EXERCISES.values())
