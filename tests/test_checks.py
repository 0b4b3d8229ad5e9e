"""Every exercise of every lesson: the solution passes, each known mistake gets its own hint."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest
import torch

from ddpm_lessons.checks.comparison import brief
from ddpm_lessons.checks.exercise import Exercise, Mistake, Numbers
from ddpm_lessons.checks.places import PLACES
from ddpm_lessons.checks.progress import all_exercises, lessons, module_of

TEXTS = Path(__file__).resolve().parent.parent / "notebooks" / "text"
EXERCISES = all_exercises()
MISTAKES = [(name, i) for name, e in EXERCISES.items() for i in range(len(e.mistakes))]
FUNCTIONS = [name for name, e in EXERCISES.items() if next(iter(e.cases()))]  # not values
SEEDED = [
    name for name in FUNCTIONS if "seed" in inspect.signature(EXERCISES[name].cases).parameters
]
NUMBERED = [name for name, e in EXERCISES.items() if e.numbers]
each_exercise = pytest.mark.parametrize("name", EXERCISES)
each_function = pytest.mark.parametrize("name", FUNCTIONS)
HEADING = re.compile(r"^# #+ (.+)$", re.MULTILINE)


def answer(exercise: Exercise, function):
    """What a learner would hand in: the function itself, or its value where it takes nothing."""
    return function if next(iter(exercise.cases())) else function()


def exercise_of(solution, *cases, **fields) -> Exercise:
    """An exercise that no lesson has."""
    return Exercise("00.of_a_test", "Do it.", solution, lambda: cases, **fields)


def test_every_lesson_has_its_exercises_named_as_in_the_module():
    for lesson in lessons():
        module = importlib.import_module(f"ddpm_lessons.checks.lesson{lesson.number}")
        assert len(module.EXERCISES) >= 3, lesson.number
        for name, exercise in module.EXERCISES.items():
            assert getattr(module, name) is exercise, exercise.name
            assert exercise.name == f"{lesson.number}.{name}"


def test_the_places_of_the_exercises_are_those_of_the_lessons():
    assert list(PLACES) == list(EXERCISES)  # in the order of the lessons, too
    for name, place in PLACES.items():
        text = next(TEXTS.glob(f"{name[:2]}_*.py")).read_text(encoding="utf-8")
        found = HEADING.findall(text)
        assert place.section in found, name
        assert f"Exercise {place.title}" in found, name
        own = text.index(f"\n# ### Exercise {place.title}\n")
        check = text.index(f"\nlesson{name}(")
        assert own < check, name
        assert "### Exercise" not in text[own + 10 : check], name


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
    for given in (answer(exercise, lambda *arguments: ...), ..., None):
        verdict = exercise(given)
        assert verdict.outcome == "not attempted"
        assert verdict.message == exercise.task


@each_function
def test_the_solution_passes_whatever_the_seed(name):
    exercise = EXERCISES[name]
    outcomes = {exercise.check(exercise.solution, seed=seed).outcome for seed in range(20)}
    assert outcomes == {"passed"}


@pytest.mark.parametrize("name", SEEDED)
def test_random_arguments_are_others_with_another_seed(name):
    exercise = EXERCISES[name]
    one, two = (exercise.cases(seed=seed) for seed in (1, 2))
    assert any(
        not torch.equal(a, b)
        for first, second in zip(one, two, strict=True)
        for a, b in zip(first, second, strict=True)
        if isinstance(a, torch.Tensor)
    )


@pytest.mark.parametrize(("name", "i"), MISTAKES)
def test_each_mistake_gets_its_own_hint(name, i):
    exercise = EXERCISES[name]
    for seed in range(3):
        verdict = exercise.check(answer(exercise, exercise.mistakes[i].wrong), seed=seed)
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
    timesteps, nearest = EXERCISES["06.timesteps"], EXERCISES["07.nearest_other"]
    assert timesteps(list(range(1000, 0, -1))).outcome == "passed"
    assert nearest(lambda images: nearest.solution(images).tolist()).outcome == "passed"
    assert nearest(lambda images: list(nearest.solution(images))).outcome == "passed"
    wrong = timesteps(list(range(1000, 500, -1)))
    assert wrong.outcome == "failed"
    assert "has 500 values; asked are 1000" in wrong.message


def test_an_unknown_mistake_is_answered_with_both_numbers():
    square = exercise_of(lambda x: x**2, (3.0,))
    assert repr(square(lambda x: x)) == "✗ Not yet. Your answer is 3 for 3; expected 9."


@pytest.mark.parametrize("wrong", ["text", torch.zeros(2), (1.0, 2.0), {"a": 1}, object()])
def test_an_answer_of_the_wrong_kind_fails_quietly(wrong):
    square = exercise_of(lambda x: x**2, (3.0,))
    assert square(lambda x: wrong).outcome == "failed"


def message(answer, solution, *cases) -> str:
    verdict = exercise_of(solution, *cases)(answer)
    assert verdict.outcome == "failed"
    return verdict.message


def double(x):
    return 2 * x


def test_an_answer_that_changes_its_arguments_is_told_which():
    def in_place(x):
        return x.mul_(2)

    def of_a_list(x):
        x[0] += x[0]
        return x[0]

    assert "changes its argument x in place" in message(in_place, double, (torch.ones(3),))
    pair = [torch.ones(3), torch.ones(3)]
    assert "changes its argument x" in message(of_a_list, lambda x: 2 * x[0], (pair,))


def test_the_wrong_form_is_named_before_any_number():
    case = (torch.ones(3, 2),)
    assert "shape (); expected (3, 2)" in message(lambda x: x.sum(), double, case)
    assert "has one value; asked are 2" in message(lambda x: x, lambda x: (x, x), case)
    assert "has 2 values; asked is one" in message(lambda x: (x, x), double, case)
    assert "There is nan" in message(lambda x: x * float("nan"), double, case)
    assert "There is inf" in message(lambda x: x / 0, double, case)
    assert "is 'text'; asked is a number." in message(lambda x: "text", double, (1,))
    assert "asked are 2 values." in message(lambda x: "text", lambda x: (x, x), (1,))
    assert "of the shape (3, 2)." in message(lambda x: "text", double, case)
    assert "asked is True or False." in message(lambda x: "yes", lambda x: x > 0, (1,))
    assert "shape (3, 2); expected ()" in message(lambda x: x > 0, lambda x: True, case)


def test_an_answer_that_returns_nothing_is_told_so():
    def forgot(x):
        2 * x

    assert "say return?" in message(forgot, double, (1.0,), (2.0,))


def test_an_answer_that_is_no_function_is_told_so():
    assert message(0.5, double, (1.0,)) == "Asked is a function; yours is 0.5."


def test_a_number_in_place_of_an_answer_is_recognised():
    cases = (1.0,), (2.0,), (3.0,)
    assert "the same whatever the arguments are" in message(lambda x: 4.0, double, *cases)
    assert "With the first arguments it is right" in message(
        lambda x: 2.0 + 0.5 * (x - 1), double, *cases
    )
    assert "same whatever" not in message(lambda x: 4.0, lambda x: 0.0, *cases)


def test_chance_and_state_are_recognised_even_in_right_answers():
    kept = []

    def own_noise(x):
        return x + torch.randn(())

    def seeds(x):
        torch.manual_seed(0)
        return 2 * x

    def counts(x):
        kept.append(x)
        return x * len(kept)

    torch.manual_seed(0)  # the one that an answer sets: it is noticed all the same
    before = torch.get_rng_state()
    assert "random numbers of its own" in message(own_noise, double, (1.0,), (2.0,))
    assert "sets torch's seed" in message(seeds, double, (1.0,), (2.0,))
    assert torch.equal(before, torch.get_rng_state())  # the check leaves no trace
    assert "two answers" in message(counts, double, (1.0,), (2.0,))


FROM_THE_NOTEBOOK = torch.tensor(3.0)


def test_what_the_code_of_a_wrong_answer_tells():
    def reads_a_global(x, y):
        return x * FROM_THE_NOTEBOOK + y

    def idle(x, y):
        return x * 2.5

    cases = (torch.tensor(1.0), torch.tensor(2.0)), (torch.tensor(5.0), torch.tensor(7.0))
    found = message(reads_a_global, lambda x, y: x * y, *cases)
    assert "reads FROM_THE_NOTEBOOK from the notebook" in found
    found = message(idle, lambda x, y: x * y, *cases)
    assert "does not use its argument y" in found
    assert "argument" not in message(lambda x, y: x + 2 * y, lambda x, y: x * y, *cases)


def test_the_learners_line_is_shown_where_the_library_complains():
    def asks(x):
        value = x + 1
        return torch.zeros(2) @ torch.zeros(3) + value

    found = message(asks, double, (1.0,))
    assert 'in your line "return torch.zeros(2) @ torch.zeros(3) + value"' in found
    assert "takes 0 positional arguments" in message(lambda: 1, double, (1.0,))


def test_a_name_that_is_not_defined_is_looked_for():
    def unknown(x):
        return math.sqrt(x)  # noqa: F821

    def of_an_argument(x_0, c, eps):
        return alpha_bar * x_0  # noqa: F821

    def nowhere(x):
        return x + nothing_like_it  # noqa: F821

    assert message(unknown, double, (1.0,)).endswith("Write import math above your function.")
    found = EXERCISES["01.jump"].check(of_an_argument).message
    assert found.endswith("name 'alpha_bar' is not defined. Is c.alpha_bar meant?")
    assert message(nowhere, double, (1.0,)).endswith("'nothing_like_it' is not defined.")


def test_a_verdict_says_where_to_read_on_only_where_it_failed():
    exercise = EXERCISES["01.jump"]
    failed = exercise(lambda x_0, c, eps: x_0)
    assert repr(failed).endswith("It is explained under “The reparameterised form”.")
    for slip in (lambda x_0, c, eps: None, lambda x_0, c, eps: x_0 + c, lambda x: x):
        assert "explained under" not in repr(exercise(slip))
    assert "The reparameterised form" in failed._repr_html_()
    assert "explained under" not in repr(exercise(exercise.solution))
    assert "explained under" not in repr(exercise(...))


def test_text_in_a_verdict_is_escaped_in_html():
    def broken(x):
        raise ValueError("<b>")

    html = exercise_of(lambda x: x, (1.0,))(broken)._repr_html_()
    assert "<b>" not in html
    assert "&lt;b&gt;" in html


@pytest.mark.parametrize("name", NUMBERED)
def test_a_learners_own_numbers(name):
    """The same for the same learner, others for another; each mistake keeps its own hint."""
    exercise = EXERCISES[name]
    tasks = set()
    for learner in ("ada", "emmy", "sofya", "mary", "grace", "hedy"):
        own = exercise.asked_of(learner, secret="autumn")
        assert own.task == exercise.asked_of(learner, secret="autumn").task
        assert own.check(own.solution()).outcome == "passed"
        for mistake in own.mistakes:
            assert own.check(mistake.wrong()).message == mistake.hint
        tasks.add(own.task)
    assert len(tasks) >= 3
    assert exercise.asked_of("ada", secret="spring").name == exercise.name


def test_numbers_that_cannot_tell_the_mistakes_apart_are_drawn_again():
    drawn = iter([0, 1, 2])
    twice = Exercise(
        "00.of_a_test",
        "Twice 2?",
        lambda x=2: 2 * x,
        mistakes=[
            Mistake(lambda x=2: x**2 + x, "A square, and once more.")
        ],  # the same for 0 and 1
        numbers=Numbers("Twice {x}?", lambda draws: {"x": next(drawn)}),
    )
    own = twice.asked_of("ada")
    assert own.task == "Twice 2?"
    assert own.check(4).outcome == "passed"


def test_exercises_are_data():
    assert inspect.isclass(Mistake)
    assert all(isinstance(exercise, Exercise) for exercise in EXERCISES.values())


READABLE = [name for name in EXERCISES if not name.startswith("13.specimen")]  # these are sealed


@pytest.mark.parametrize("name", READABLE)
def test_a_solution_can_be_read(name):
    """It is an expression, or a function that explains itself, or the library's: no factory's."""
    body = ast.parse(inspect.getsource(module_of(EXERCISES[name]))).body
    exercise = next(
        one
        for one in body
        if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == name[3:]
    )
    solution = next(word.value for word in exercise.value.keywords if word.arg == "solution")
    if isinstance(solution, ast.Lambda):
        return
    assert isinstance(solution, ast.Name), ast.unparse(solution)
    own = {one.name: one for one in body if isinstance(one, ast.FunctionDef)}
    if solution.id in own:
        assert ast.get_docstring(own[solution.id])
    else:
        imports = [one for one in body if isinstance(one, ast.ImportFrom)]
        library = [one for one in imports if one.module.startswith("ddpm_lessons.")]
        assert solution.id in {alias.asname or alias.name for one in library for alias in one.names}


@each_exercise
def test_a_solution_takes_what_the_learners_function_takes(name):
    """A value's solution takes the numbers of the task, all of them given."""
    parameters = inspect.signature(EXERCISES[name].solution).parameters.values()
    assert all(one.kind is one.POSITIONAL_OR_KEYWORD for one in parameters)
    if name not in FUNCTIONS:
        assert all(one.default is not one.empty for one in parameters)
        return
    text = next(TEXTS.glob(f"{name[:2]}_*.py")).read_text(encoding="utf-8")
    check = re.compile(rf"^lesson{re.escape(name)}\((\w+)\)$", re.MULTILINE)
    cells = re.split(r"^# %%.*$", text, flags=re.MULTILINE)
    cell, asked = next((cell, found[1]) for cell in cells if (found := check.search(cell)))
    defined = [one for one in ast.parse(cell).body if isinstance(one, ast.FunctionDef)]
    learners = next(one for one in defined if one.name == asked)
    assert [one.name for one in parameters] == [one.arg for one in learners.args.args]


VALUES = [name for name in EXERCISES if name not in FUNCTIONS]


@pytest.mark.parametrize("name", VALUES)
def test_a_wrong_value_is_not_told_the_right_one(name):
    """Otherwise whoever types anything has the answer."""
    exercise = EXERCISES[name]
    right = exercise.solution()
    for wrong in (-123, 10**9, 0.123, "text", (7, 7, 7), float("nan")):
        verdict = exercise.check(wrong, seed=0)
        assert verdict.outcome == "failed"
        assert not re.search(rf"(?<![\d.]){re.escape(brief(right))}(?!\.?\d)", verdict.message)


def test_a_wrong_value_is_told_the_direction():
    exercise = EXERCISES["01.mostly_noise"]
    assert exercise(500).message == "Your answer is 500; that is too large."
    assert exercise(2).message == "Your answer is 2; that is too small."
    assert "asked is a number" in exercise({"t": 2}).message
