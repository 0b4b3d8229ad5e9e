"""Lessons as pages: a stored notebook becomes HTML, and the parts that the site needs."""

import copy
import html
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from nbconvert import HTMLExporter
from nbformat import NO_CONVERT, NotebookNode, read

REPOSITORY = Path(__file__).resolve().parent.parent
NOTEBOOKS = REPOSITORY / "notebooks"
ROW = re.compile(
    r"^\| \[(?P<title>\d\d · [^\]]+)\]\(notebooks/(?P<name>\w+)\.ipynb\) \| (?P<answers>[^|]+) "
    r"\| (?P<runs>[^|]+) \| (?P<read>[^|]+) \|$",
    re.MULTILINE,
)
ASLEEP = "Run this cell: a panel with controls appears here."  # notebooks/build.py: PANEL
ON_SITE = (
    "In JupyterLab a panel with controls appears here. It asks the kernel, which a page lacks."
)
MARK, PLACE = "<p>[output {}]</p>", re.compile(r"<p>\[output (\d+)\]</p>")
TEXT, SKIP = {"p", "li", "td", "th", "summary", "blockquote"}, {"script", "style"}


@dataclass(frozen=True)
class Lesson:
    """A row of the README's table of lessons."""

    name: str  # as in NAME.ipynb and NAME.html
    title: str  # "01 · The forward process"
    answers: str  # the question
    runs: str
    read: str

    @property
    def number(self) -> str:
        """Two digits."""
        return self.title[:2]

    @property
    def page(self) -> str:
        """Where the lesson lies in the site."""
        return f"{self.name}.html"


@dataclass(frozen=True)
class Section:
    """A heading and the words below it, down to the next one."""

    level: int
    anchor: str  # as it stands in an address
    heading: str
    words: str

    @property
    def spoken(self) -> str:
        """A heading with a formula as a screen reader may read it; empty for one without."""
        plain = re.sub(r"\\text\b|[$\\{}]", "", self.heading)
        return plain if "$" in self.heading else ""


def all_lessons() -> list[Lesson]:
    """The lessons in their order, from the README's table."""
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    return [Lesson(**row.groupdict()) for row in ROW.finditer(readme)]


def notebook_of(lesson: Lesson) -> NotebookNode:
    """The stored notebook."""
    return read(NOTEBOOKS / f"{lesson.name}.ipynb", as_version=NO_CONVERT)


def cells_as_html(notebook: NotebookNode) -> str:
    """The cells and their outputs, with addresses that hold within the site."""
    exporter = HTMLExporter(
        template_name="basic",
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )
    bare, outputs = without_html(notebook)
    body, _ = exporter.from_notebook_node(bare)
    body = re.sub(r'<a class="anchor-link".*?</a>', "", body)  # the list of headings has them
    body = body.replace('src="../figures/', 'src="figures/')
    body = re.sub(r'href="(\d\d_\w+)\.ipynb(#[^"]*)?"', r'href="\1.html\2"', body)
    body = PLACE.sub(lambda found: outputs[int(found[1])], body)
    return re.sub(r"<table\b.*?</table>", r'<div class="wide">\g<0></div>', body, flags=re.DOTALL)


def without_html(notebook: NotebookNode) -> tuple[NotebookNode, list[str]]:
    """The notebook with a mark in place of each HTML output, and these: nbconvert parses a page
    once more when it is whole, which takes long for a megabyte of pictures, and writes it anew.
    """
    bare, outputs = copy.deepcopy(notebook), []
    for cell in bare.cells:
        for output in cell.get("outputs", []):
            if "text/html" in output.get("data", {}):
                words = output.data["text/html"].replace(ASLEEP, ON_SITE)
                output.data = {"text/html": MARK.format(len(outputs))}
                outputs.append(words)
    return bare, outputs


def sections(cells: str) -> list[Section]:
    """What a page says, heading by heading: for its list of headings, and for the search."""
    reader = _Reader()
    reader.feed(cells)
    return [
        Section(level, anchor, " ".join(heading.split()), " ".join(words.split()))
        for level, anchor, heading, words in reader.found
    ]


class _Reader(HTMLParser):
    """Collects headings, and the prose and code below each."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[list] = []  # level, anchor, heading, words
        self.inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if re.fullmatch(r"h[1-6]", tag):
            self.found.append([int(tag[1]), html.unescape(dict(attrs).get("id") or ""), "", ""])
        if tag in TEXT and self.found:
            self.found[-1][3] += " "
        if tag not in ("br", "hr", "img", "input", "meta", "link"):
            self.inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while tag in self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not self.found or SKIP & set(self.inside):
            return
        in_heading = any(re.fullmatch(r"h[1-6]", tag) for tag in self.inside)
        self.found[-1][2 if in_heading else 3] += data
