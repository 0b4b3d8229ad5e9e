"""The instructor's builds: every solution passes, and every learner has numbers of their own."""

import ast
import json

import nbformat
import pytest

from ddpm_lessons.checks.progress import all_exercises
from ddpm_lessons.cli import main
from ddpm_lessons.kit import builds
from ddpm_lessons.kit.slices import names_bound
from ddpm_lessons.kit.solutions import solution_source
from ddpm_lessons.kit.submissions import pieces

EXERCISES = all_exercises()
NUMBERED = [name for name, exercise in EXERCISES.items() if exercise.numbers]


def defined(source: str, name: str) -> object:
    scope: dict = {}
    exec(source, scope)
    return scope[name]


@pytest.fixture(scope="module")
def course(request):
    return request.config.rootpath


@pytest.fixture(scope="module")
def solutions(course, tmp_path_factory):
    out = tmp_path_factory.mktemp("solution")
    builds.solution_build(course, out)
    return out


@pytest.mark.parametrize("name", EXERCISES)
def test_the_source_of_a_solution_passes_its_check(name):
    source = solution_source(EXERCISES[name], "my_answer")
    assert EXERCISES[name].check(defined(source, "my_answer")).outcome == "passed"
    assert "Exercise(" not in source  # nothing of the check itself
    assert "Mistake" not in source
    assert len(source.splitlines()) <= 40


@pytest.mark.parametrize("name", NUMBERED)
def test_a_solution_with_a_learners_own_numbers(name):
    own = EXERCISES[name].asked_of("ada", secret="autumn")
    value = defined(solution_source(own, "my_answer"), "my_answer")
    assert own.check(value).outcome == "passed"
    assert EXERCISES[name].check(value).outcome == "failed"  # they are other numbers


def test_the_solution_build_is_the_course_with_every_exercise_passed(course, solutions):
    found = set()
    for notebook in builds.lessons_of(course):
        solved = nbformat.read(solutions / "notebooks" / notebook.name, as_version=4)
        nbformat.validate(solved)
        blank = nbformat.read(notebook, as_version=4)
        answered = {piece.cell: piece for piece in pieces(solutions / "notebooks" / notebook.name)}
        for i, (ours, theirs) in enumerate(zip(blank.cells[1:], solved.cells[1:], strict=True), 1):
            if i not in answered:
                assert ours == theirs  # all else is the lesson itself
                continue
            piece = answered[i]
            assert "..." not in theirs.source
            assert (
                EXERCISES[piece.name].check(defined(piece.code, piece.answer)).outcome == "passed"
            )
            assert "Passed" in theirs.outputs[0].data["text/plain"]
            found.add(piece.name)
    assert found == set(EXERCISES)


def test_a_solution_hides_no_name_of_its_lesson(course, solutions):
    """A helper that comes with a solution must not replace what later cells of the lesson use."""
    for notebook in builds.lessons_of(course):
        cells = nbformat.read(notebook, as_version=4).cells
        solved = nbformat.read(solutions / "notebooks" / notebook.name, as_version=4).cells
        own = {piece.cell for piece in pieces(notebook)}
        code = [
            (i, ast.parse(cell.source)) for i, cell in enumerate(cells) if cell.cell_type == "code"
        ]
        bound = {
            name: ast.unparse(statement)
            for i, tree in code
            if i not in own
            for statement in tree.body
            if not isinstance(statement, (ast.Import, ast.ImportFrom))
            for name in names_bound(statement)
        }
        for i in own:
            for statement in ast.parse(solved[i].source).body:
                for name in names_bound(statement) & bound.keys():
                    same = bound[name] == ast.unparse(statement)
                    assert same, f"{notebook.name}, cell {i + 1}: {name}"


def test_the_student_build_is_the_course(course, solutions, tmp_path):
    assert builds.student_build(course, tmp_path) == len(builds.lessons_of(course))
    for notebook in builds.lessons_of(course):
        assert b"my_" in notebook.read_bytes()
        assert (tmp_path / "notebooks" / notebook.name).read_bytes() == notebook.read_bytes()
        assert (solutions / "notebooks" / notebook.name).is_file()
    for build in (tmp_path, solutions):
        assert (build / "figures" / "unet.svg").is_file()
        assert any((build / "benchmarks" / "results").iterdir())


def test_a_sheet_has_every_exercise_and_the_learners_numbers(course, tmp_path):
    builds.grading_build(course, tmp_path, ["ada", "emmy"], secret="autumn")
    texts = {}
    for learner in ("ada", "emmy"):
        file = tmp_path / f"{learner}.ipynb"
        sheet = nbformat.read(file, as_version=4)
        nbformat.validate(sheet)
        assert [piece.name for piece in pieces(file)] == list(EXERCISES)
        text = "\n\n".join(cell.source for cell in sheet.cells)
        key = builds.learner_key(learner, "autumn")
        for name, exercise in EXERCISES.items():
            assert f"### Exercise {exercise.title}\n" in text
            if exercise.numbers:
                assert exercise.asked_of(learner, secret=key).task in text
                assert f'lesson{name}.asked_of("{learner}", secret="{key}")(' in text
        assert "autumn" not in text
        texts[learner] = text
    assert texts["ada"] != texts["emmy"]


def test_a_blank_sheet_runs_from_top_to_bottom(course):
    """Every cell runs, in one namespace as in a kernel, and every check says: not attempted."""
    sheet = builds.sheet(builds.lessons_of(course), "ada")
    scope: dict = {}
    outcomes = []
    for cell in sheet["cells"]:
        if cell["cell_type"] == "code":
            *statements, last = ast.parse(cell["source"]).body
            exec(ast.unparse(ast.Module(statements, [])), scope)
            if isinstance(last, ast.Expr):
                outcomes.append(eval(ast.unparse(last), scope).outcome)
            else:
                exec(ast.unparse(last), scope)
    assert outcomes == ["not attempted"] * len(EXERCISES)


def test_another_secret_asks_other_numbers(course):
    notebooks = builds.lessons_of(course, ["01"])
    one, two = (json.dumps(builds.sheet(notebooks, "ada", secret=s)) for s in ("autumn", "spring"))
    assert one != two


def test_without_a_secret_everybody_has_the_lessons_numbers(course):
    notebooks = builds.lessons_of(course)
    one, two = (builds.sheet(notebooks, name)["cells"][1:] for name in ("ada", "emmy"))
    assert one == two
    assert "asked_of" not in json.dumps(one)
    assert "your own" not in json.dumps(builds.sheet(notebooks, "ada")["cells"][0])


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a b", "a\\b"])
def test_a_learner_who_cannot_name_a_file_is_refused(course, tmp_path, name):
    with pytest.raises(ValueError, match=r"learner is .*, expected letters, digits"):
        builds.grading_build(course, tmp_path, [name])


def test_the_command_writes_everything(course, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(course / "notebooks")  # below the course is as good
    roster = tmp_path / "roster.txt"
    roster.write_text("ada\n\n emmy \n", encoding="utf-8-sig")
    options = ["--learners", str(roster), "--secret", "autumn", "--lessons", "00", "01"]
    assert main(["kit", "--out", str(tmp_path / "kit"), *options]) == 0
    said = capsys.readouterr().out
    assert f"{len(EXERCISES)} exercises solved" in said
    assert {file.name for file in (tmp_path / "kit" / "grading").iterdir()} == {
        "ada.ipynb",
        "emmy.ipynb",
    }
    assert len(list((tmp_path / "kit" / "quiz").glob("*_answers.md"))) >= 13
    assert {p.name[:2] for p in pieces_files(tmp_path / "kit" / "student")} == {
        notebook.name[:2] for notebook in builds.lessons_of(course)
    }


def pieces_files(build):
    return sorted((build / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize(
    ("roster", "options", "message"),
    [
        ("ada\nada\n", [], "learners: ada stands in"),
        ("\n", [], "is empty, expected a name in each line"),
        ("a/b\n", [], "learner is 'a/b'"),
        ("ada\n", ["--lessons", "99"], "lessons are 99, expected numbers such as 01"),
        (None, [], "learners: missing.txt (No such file or directory)"),
    ],
)
def test_mistakes_are_one_line_and_code_2(
    course, tmp_path, monkeypatch, capsys, roster, options, message
):
    monkeypatch.chdir(course)
    monkeypatch.setattr(builds, "solution_build", lambda course, out: 0)  # it is tested above
    name = "missing.txt"
    if roster is not None:
        (tmp_path / "roster.txt").write_text(roster)
        name = str(tmp_path / "roster.txt")
    assert main(["kit", "--out", str(tmp_path / "kit"), "--learners", name, *options]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_the_page_of_mistakes_has_every_hint_and_most_of_the_code(course, tmp_path):
    known = builds.mistakes_build(tmp_path)
    assert f"the {known} wrong answers" in (course / "README.md").read_text("utf-8")
    page = (tmp_path / "mistakes.md").read_text("utf-8")
    hints = [mistake.hint for exercise in EXERCISES.values() for mistake in exercise.mistakes]
    assert all(f"| {hint} |" in page for hint in hints)
    assert "| `c.alpha_bar ** 0.5 * x_0 + (1 - c.alpha_bar) * eps` | Your noise has" in page
    assert page.count("| – |") < 0.25 * len(hints)


def test_outside_of_a_course_it_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["kit"]) == 2
    assert "there is no course in" in capsys.readouterr().err
