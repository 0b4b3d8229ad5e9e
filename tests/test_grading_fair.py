"""Fair answers in a real worker: the verdicts are those of the lesson, whoever compares."""

import subprocess
import sys
import textwrap

import pytest

from ddpm_lessons.checks.progress import all_exercises
from ddpm_lessons.grading.grades import Answer, Grader, Submission, judge, lessons_in
from ddpm_lessons.grading.nursery import start_alone, starter
from ddpm_lessons.grading.process import Limits, Worker
from ddpm_lessons.grading.tasks import Task
from ddpm_lessons.kit.builds import learner_key
from ddpm_lessons.kit.solutions import solution_source
from ddpm_lessons.kit.submissions import Piece

LIMITS = Limits(seconds=60, memory=2)
RIGHT = "def f(x_0, c, eps):\n    return c.alpha_bar**0.5 * x_0 + (1 - c.alpha_bar) ** 0.5 * eps\n"
# Answers to 01.jump that fail, each in its own way.
WRONG = {
    "known mistake": "f = lambda x_0, c, eps: c.alpha_bar * x_0 + (1 - c.alpha_bar) * eps",
    "unknown mistake": "f = lambda x_0, c, eps: c.alpha_bar * x_0 + 2 * eps",
    "unused": "f = lambda x_0, c, eps: 3.0 * x_0 * c.alpha_bar",
    "notebook": "W = 3.0\ndef f(x_0, c, eps):\n    return W * x_0 + c.alpha_bar * eps",
    "raises": "def f(x_0, c, eps):\n    return undefined * x_0",
    "of the library": "import torch\ndef f(*a):\n    return torch.zeros(2) @ torch.zeros(3)",
    "nothing": "def f(x_0, c, eps):\n    x_0 + eps",
    "no function": "f = 0.5",
    "in place": f"import torch\n{RIGHT}g = f\ndef f(x_0, c, eps):\n    r = g(x_0, c, eps)\n"
    "    if torch.is_tensor(x_0): x_0 += 1\n    return r",
    "chance": f"import torch\n{RIGHT}g = f\nf = lambda *a: g(*a) + torch.rand(())",
    "text": "f = lambda *a: 'text'",
    "dots": "def f(x_0, c, eps):\n    return ...",
}
SEARCH = """
import sys
def f(x_0, c, eps):
    places, frame = [], sys._getframe()
    while frame:
        places += [frame.f_globals, frame.f_locals]
        frame = frame.f_back
    places += [vars(module) for module in list(sys.modules.values())]
    values = [value for place in places for value in list(place.values())]
    for value in list(values):
        if isinstance(value, dict):
            values += value.values()
    found = {type(one).__name__ for one in values if type(one).__name__ in ("Exercise", "Mistake")}
    functions = [one for one in values if type(one).__name__ == "function"]
    found |= {one.__qualname__ for one in functions if "checks.lesson" in str(one.__module__)}
    return 12345.0 + len(found)
"""
NOTEBOOK = """
import copy, json, tempfile
import matplotlib.pyplot as plt
from ddpm_lessons import linear_schedule
from ddpm_lessons.models import load_pretrained
from ddpm_lessons.show import plots
from ddpm_lessons.show.widgets import explore_posterior
from tqdm.auto import tqdm
net = load_pretrained()
figure, axes = plt.subplots()
figure.savefig("figure.png")
with tempfile.TemporaryDirectory() as folder:
    open(folder + "/x", "w").write("x")
display(figure)
shares = 1 - linear_schedule().alpha_bars
my_t = next(t for t in tqdm(range(1001)) if shares[t] > 0.75)
"""


def piece(code: str, name: str = "01.jump", answer: str = "f", cell: int = 0) -> Piece:
    return Piece(name, textwrap.dedent(code), answer, cell)


@pytest.fixture(scope="module")
def start():
    with starter() as start:
        yield start


def grader(start, tmp_path, secret=None) -> Grader:
    return Grader(start, secret, LIMITS, hidden=[tmp_path / "submissions"])


def solved(name: str, **numbers) -> Answer:
    exercise = all_exercises()[name].asked_of(**numbers) if numbers else all_exercises()[name]
    if next(iter(exercise.cases())):
        code = solution_source(exercise, "answer")
    else:
        code = f"answer = {exercise.solution()!r}"
    return Answer(piece(code, name, "answer"), "solved.ipynb")


def test_every_solution_passes(start, tmp_path):
    answers = [solved(name) for name in all_exercises()]
    found = grader(start, tmp_path).judged("ada", answers)
    missed = {a.piece.name: str(v[:2]) for a, (v, _) in found.items() if v.outcome != "passed"}
    assert not missed


def test_what_a_notebook_needs_may_be_done(start, tmp_path):
    answer = Answer(piece(NOTEBOOK, "01.mostly_noise", "my_t"), "x.ipynb")
    ((verdict, _),) = grader(start, tmp_path).judged("ada", [answer]).values()
    assert verdict[:2] == ("passed", "Your answer agrees with the library.")


def test_the_verdicts_are_those_of_the_lesson(start, tmp_path):
    exercise = all_exercises()["01.jump"]
    tasks = [Task("01.jump", code, "f", f"<{name}>", 7) for name, code in WRONG.items()]
    with Worker(start, tasks, LIMITS, hidden=[]) as worker:
        reports = list(worker.reports())
    for task, report in zip(tasks, reports, strict=True):
        names = {"__name__": "__main__"}
        exec(compile(task.code, task.label, "exec"), names)
        here, there = (
            exercise.check(names["f"], seed=7),
            judge(exercise, task, report, limits=LIMITS),
        )
        if task.label == "<dots>":
            assert there[:2] == (here.outcome, "not filled in")
        elif task.label == "<raises>":  # the lesson has the line from the notebook
            where, what = there.message.split(": ")
            assert where == 'NameError in your line "return undefined * x_0"'
            assert what == "name 'undefined' is not defined."
        elif task.label == "<of the library>":
            assert 'in your line "return torch.zeros(2) @ torch.zeros(3)"' in there.message
        else:
            assert there == here


def test_no_solution_is_in_the_memory_of_a_worker(start):
    tasks = [Task("01.jump", SEARCH, "f", "<x>", 7)]
    tasks += [Task(name, RIGHT, "f", "<y>", 7) for name in ("06.sampler", "03.one_example")]
    with Worker(start, tasks, LIMITS, hidden=[]) as worker:
        report = next(worker.reports())
    assert report.trial.complaint == ""
    assert set(report.trial.answers) == {12345.0}


def test_own_numbers_are_those_of_the_sheet(start, tmp_path):
    name, key = "01.mostly_noise", learner_key("ada", "autumn")
    own, plain = solved(name, learner="ada", secret=key), solved(name)
    assert own.piece.code != plain.piece.code
    asked = grader(start, tmp_path, "autumn").judged("ada", [own, plain])
    assert [verdict.outcome for verdict, _ in asked.values()] == ["passed", "failed"]
    ((verdict, _),) = grader(start, tmp_path).judged("ada", [plain]).values()
    assert verdict.outcome == "passed"


def test_every_exercise_has_a_row_and_nothing_is_lost(start, tmp_path):
    once, again = Answer(piece(RIGHT), "a.ipynb"), Answer(piece("f = max", cell=4), "b.ipynb")
    other = Answer(piece("f = 1", "01.bonus"), "b.ipynb")
    taken = Answer(
        piece("from ddpm_lessons.checks import lesson01", "01.one_step", "lesson01.x"), "c"
    )
    odd = Answer(piece("f = object()", "01.mostly_noise"), "c")
    one = Submission("ada", [once, again, other, taken, odd], ["x.ipynb is no notebook"])
    rows = grader(start, tmp_path).grade(one, ["01"])
    assert [(row.exercise, row.outcome) for row in rows] == [
        ("", "stopped"),
        ("01.one_step", "failed"),
        ("01.jump", "passed"),
        ("01.jump", "failed"),
        ("01.alpha_bars", "not attempted"),
        ("01.mostly_noise", "failed"),
        ("01.fifty_steps", "not attempted"),
        ("01.bonus", "failed"),
    ]
    said = [row.diagnosis for row in rows]
    assert said[0] == "x.ipynb is no notebook"
    assert said[1] == "takes the answer from the check itself: lesson01.x"
    assert said[2].startswith("(handed in more than once; this is a.ipynb, cell 1) Your answer")
    assert said[3].startswith("(handed in more than once; this is b.ipynb, cell 5) ")
    assert said[4] == "in none of the notebooks handed in"
    assert "object at 0x...>" in said[5]
    assert said[7] == "b.ipynb asks for it, and the course has no such exercise"
    assert lessons_in([one]) == ["01"]
    seconds = [row.seconds for row in rows]
    assert seconds[0] == seconds[1] == 0 < max(seconds)
    again = grader(start, tmp_path).grade(one, ["01"])
    assert [row[:-1] for row in rows] == [row[:-1] for row in again]


def test_without_a_nursery_a_worker_is_the_same():
    tasks = [Task("01.jump", code, "f", "<x>", 7) for code in (RIGHT, 'f = open("/x", "w")')]
    with Worker(start_alone, tasks, LIMITS, hidden=[]) as worker:
        right, wrong = worker.reports()
    assert len(right.trial.answers) == len(all_exercises()["01.jump"].arguments(7))
    assert wrong.stopped == "tried to write /x"
    assert not worker.folder.exists()


def test_a_worker_that_does_not_start_says_why(tmp_path):
    def broken(folder):
        code = "import sys\nsys.exit('torch is broken')"
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen([sys.executable, "-c", code], start_new_session=True, **pipes)

    task = Task("01.jump", RIGHT * 1000, "f", "<x>", 7)
    with (
        Worker(broken, [task], LIMITS, hidden=[]) as worker,
        pytest.raises(ValueError, match="does not start: torch is broken"),
    ):
        next(worker.reports())
