"""The notebooks are what their texts say, were run from top to bottom, and read well everywhere."""

import ast
import importlib.util
import re
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest

import ddpm_lessons

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGE = Path(ddpm_lessons.__file__).parent

SPEC = importlib.util.spec_from_file_location("build", REPOSITORY / "notebooks" / "build.py")
BUILD = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(BUILD)

TAGS = {"nbval-ignore-output", "raises-exception"}
BYTES = 3_000_000
SECONDS = 120
EXERCISES = 3
PICTURES = {"image/png", "image/jpeg", "image/gif", "image/svg+xml"}
MARKDOWN_IMAGE = re.compile(r"!\[(?P<alt>[^\]]*)\]\((?P<target>[^)\s]+)\)")
MARKDOWN_LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^(#{1,6}) (.+)$", re.MULTILINE)

TEXTS = BUILD.lessons()
each_lesson = pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.stem)


def read(text: Path) -> nbformat.NotebookNode:
    return nbformat.read(BUILD.notebook_of(text), as_version=nbformat.NO_CONVERT)


def of_kind(text: Path, kind: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in read(text).cells if cell.cell_type == kind]


def tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def outputs(text: Path) -> list[nbformat.NotebookNode]:
    return [output for cell in of_kind(text, "code") for output in cell.outputs]


def prose(text: Path) -> str:
    return "\n\n".join(cell.source for cell in of_kind(text, "markdown"))


def headings(text: Path) -> list[tuple[int, str]]:
    return [(len(level), title.strip()) for level, title in HEADING.findall(prose(text))]


class Images(HTMLParser):
    """Collects the alternative text of every `<img>`, and the ids that links can point at."""

    def __init__(self) -> None:
        super().__init__()
        self.alts: list[str | None] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "img":
            self.alts.append(given.get("alt"))
        if "id" in given:
            self.ids.add(given["id"])


def parsed(html: str) -> Images:
    found = Images()
    found.feed(html)
    return found


def test_the_course_has_its_lessons():
    assert [text.name[:2] for text in TEXTS] == [f"{n:02}" for n in range(len(TEXTS))]
    assert len(TEXTS) >= 4
    stored = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
    assert stored == [BUILD.notebook_of(text) for text in TEXTS]  # and no notebook without a text


@each_lesson
def test_notebook_and_text_are_a_pair(text):
    """A fresh build would have these cells: the same words, tags and ids."""

    def of(notebook):
        return [(cell.id, cell.cell_type, tags(cell), cell.source) for cell in notebook.cells]

    assert of(read(text)) == of(BUILD.assemble(text)), f"make notebooks LESSON={text.name[:2]}"


@each_lesson
def test_file_is_a_clean_notebook(text):
    notebook = read(text)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata == BUILD.METADATA  # kernel python3, no widget state, no versions
    assert all(set(cell.metadata) <= {"tags"} for cell in notebook.cells)
    assert BUILD.notebook_of(text).stat().st_size <= BYTES


@each_lesson
def test_tags_are_known(text):
    for cell in read(text).cells:
        assert set(tags(cell)) <= TAGS, cell.source


@each_lesson
def test_run_from_top_to_bottom_without_error(text):
    cells = of_kind(text, "code")
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        kinds = {output.output_type for output in cell.outputs}
        assert "error" not in kinds or "raises-exception" in tags(cell), cell.source


@each_lesson
def test_code_says_the_same_everywhere(text):
    """nbval ignores a closing semicolon and cannot follow outputs that are taken back."""
    for cell in of_kind(text, "code"):
        assert not re.search(r";\s*(#.*)?$", cell.source, re.MULTILINE), cell.source
        assert not re.search(r"clear_output|update_display|display_id", cell.source), cell.source


@each_lesson
def test_outputs_carry_nothing_of_this_machine(text):
    machine = re.compile(r"site-packages|/home/|/root/|/tmp/|/Users/|[A-Z]:\\\\|0x[0-9a-f]{8,}")
    for output in outputs(text):
        assert output.get("name") != "stderr", output.text
        data = output.get("data", {})
        assert BUILD.WIDGET not in data
        shown = [output.get("text", ""), data.get("text/plain", ""), data.get("text/html", "")]
        for words in shown:  # base64 may spell anything, so leave it out
            assert not machine.search(re.sub(r"[A-Za-z0-9+/=]{200,}", "", words))


@each_lesson
def test_every_picture_has_an_alternative_text(text):
    for output in outputs(text):
        data = output.get("data", {})
        assert not PICTURES & data.keys(), "JupyterLab drops its alt text; use show(figure, alt)"
        for alt in parsed(data.get("text/html", "")).alts:
            assert (alt or "").strip()
    for match in MARKDOWN_IMAGE.finditer(prose(text)):
        assert len(match["alt"]) >= 20, f"{match['target']}: say what there is to see"
    assert all((alt or "").strip() for alt in parsed(prose(text)).alts)


@each_lesson
def test_links_lead_somewhere(text):
    words = prose(text)
    anchors = parsed(words).ids | {title.replace(" ", "-") for _, title in headings(text)}
    targets = [match["target"] for match in MARKDOWN_IMAGE.finditer(words)]
    targets += [match["target"] for match in MARKDOWN_LINK.finditer(words)]
    for target in targets:
        path, _, anchor = target.partition("#")
        if re.match(r"https?:", target):
            continue
        assert not path or (REPOSITORY / "notebooks" / path).exists(), target
        assert path or anchor in anchors, target


@each_lesson
def test_headings_are_in_order(text):
    found = headings(text)
    first, *others = found
    assert first[0] == 1
    assert first[1].startswith(f"{text.name[:2]} · ")
    assert all(level > 1 for level, _ in others), "one title a lesson"
    jumps = [(a, b) for (a, _), b in zip(found, others, strict=False) if b[0] > a + 1]
    assert jumps == []
    assert [title for level, title in found if level == 2][-1] == "Summary"
    # "#69" at the start of a line is text for JupyterLab, and a heading for what makes the site.
    assert not re.search(r"^#+[^#\s]", prose(text), re.MULTILINE)


@each_lesson
def test_first_cell_says_what_and_how_long(text):
    first = read(text).cells[0].source
    assert "What you will be able to do" in first
    seconds = BUILD.declared_seconds(read(text))
    assert seconds is not None, "Time on two CPU cores: about N s"
    assert seconds <= SECONDS


@each_lesson
def test_exercises_are_numbered_and_checked(text):
    lesson = int(text.name[:2])
    cells = read(text).cells
    found = []
    for i, cell in enumerate(cells):
        for level, number in re.findall(r"^(#+) Exercise ([\d.]+) · \S", cell.get("source"), re.M):
            assert level == "###"
            found.append(number)
            answer = next(below for below in cells[i + 1 :] if below.cell_type == "code")
            assert "..." in answer.source, "an exercise waits for its answer"
            assert f"lesson{lesson:02}." in answer.source, "and has a check"
    assert found == [f"{lesson}.{i}" for i in range(1, len(found) + 1)]
    assert len(found) >= EXERCISES


def defined(source: str) -> set[str]:
    kinds = (ast.FunctionDef, ast.ClassDef)
    return {node.name for node in ast.parse(source).body if isinstance(node, kinds)}


@each_lesson
def test_a_notebook_copies_nothing_of_the_library(text):
    library = set()
    for path in PACKAGE.rglob("*.py"):
        library |= defined(path.read_text(encoding="utf-8"))
    for cell in of_kind(text, "code"):
        assert not defined(cell.source) & library, "import it"
