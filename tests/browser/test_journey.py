"""A learner's way in a real JupyterLab: a blank cell, mistakes, hints, the answer, the record."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_page import LabPage

from ddpm_lessons.checks.progress import lessons
from ddpm_lessons.checks.record import passed

COURSE = Path(__file__).resolve().parents[2] / "notebooks"
LESSON = "journey/notebooks/01_forward_process.ipynb"
BLANK = "return ...  # replace the dots: x_t"


def blank_lesson(folder: Path) -> None:
    """Lesson 01's exercises in a course's folder, and a look at the progress: no outputs."""
    cells = json.loads((COURSE / "01_forward_process.ipynb").read_text("utf-8"))["cells"]
    kept = [cell for cell in cells if "lesson01." in "".join(cell["source"])]
    first = (
        "from ddpm_lessons.checks import lesson01\nimport os\nos.environ.pop('DDPM_LESSONS_RECORD')"
    )
    last = "from ddpm_lessons.checks.progress import progress\n\nprogress()"
    blank = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    sources = [first, *("".join(cell["source"]) for cell in kept), last]
    cells = [{**blank, "source": source, "id": f"cell{i}"} for i, source in enumerate(sources)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    content = {
        "cells": cells,
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (folder / "notebooks").mkdir(parents=True)
    (folder / "notebooks" / "00_welcome.ipynb").write_text(json.dumps(content), "utf-8")
    (folder / LESSON.split("/", 1)[1]).write_text(json.dumps(content), "utf-8")


@pytest.fixture(scope="module")
def notebook(browser, lab) -> Iterator[LabPage]:
    """The lesson, run from top to bottom as it is."""
    blank_lesson(lab.folder / "journey")
    opened = LabPage(browser, lab, LESSON)
    assert opened.command("notebook:run-all-cells") is True
    yield opened
    assert opened.bad_outputs == []
    assert opened.complaints == []
    opened.page.close()


def rewrite(notebook: LabPage, index: int, old: str, new: str) -> str:
    """Put the cursor into a cell, type its new text, and run it; what it shows then."""
    cell, page = notebook.cell(index), notebook.page
    source = cell.locator(".cm-content").inner_text().replace("\xa0", " ")
    assert old in source
    cell.locator(".cm-content").click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(source.replace(old, new))
    page.keyboard.press("Shift+Enter")
    notebook.wait_until(
        "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'"
    )
    return cell.locator(".jp-OutputArea-output").last.inner_text()


def test_from_a_blank_cell_to_the_record(notebook, lab):
    jump = 2  # the cell of exercise 1.2
    record = lab.folder / "journey" / "progress.txt"
    assert "Not attempted yet" in notebook.cell(jump).locator(".jp-OutputArea-output").inner_text()
    assert not record.exists()

    def shows(old: str, new: str, *words: str) -> None:
        rewrite(notebook, jump, old, new)
        output = notebook.cell(jump).locator(".jp-OutputArea-output").last
        for word in words:
            notebook.eventually(lambda word=word: _in(word, output.inner_text()))

    forgotten = "return c.alpha_bar**0.5 * x_0 + (1 - c.alpha_bar) * eps"
    shows(
        BLANK, forgotten, "Not yet", "standard deviation 1 - alpha_bar", "The reparameterised form"
    )
    misspelt = "return c.alpha_bar**0.5 * x_0 + (1 - c.alpha_ba)**0.5 * eps"
    shows(forgotten, misspelt, "AttributeError in your line", "alpha_ba")
    assert not record.exists()
    shows(misspelt, "return c.alpha_bar**0.5 * x_0 + (1 - c.alpha_bar)**0.5 * eps", "Passed")
    assert list(passed(record)) == ["01.jump"]
    last = len(lessons()[1].exercises) + 1
    rewrite(notebook, last, "progress()", "progress()")
    output = notebook.cell(last).locator(".jp-OutputArea-output").last
    notebook.eventually(lambda: _in("01 the forward process\t■□□□□ 1 of 5", output.inner_text()))


def _in(words: str, found: str) -> None:
    assert words in found
