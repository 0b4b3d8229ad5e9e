"""Build the notebooks: text/NN_title.py becomes NN_title.ipynb, run from top to bottom.

    python notebooks/build.py            every lesson
    python notebooks/build.py 01 03      these lessons

One direction only: edit the text, never the notebook. The same text gives the same cells, with the
same ids, so that a difference in a notebook is a difference in what it says or shows.
"""

import argparse
import hashlib
import os
import re
import sys
import time
from collections import Counter
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from traitlets.config import Config

NOTEBOOKS = Path(__file__).resolve().parent
TEXTS = NOTEBOOKS / "text"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
}
QUIET = Config(KernelManager={"transport_encryption": "auto"})  # else each kernel prints a warning
WIDGET = "application/vnd.jupyter.widget-view+json"
PANEL = "<p><em>Run this cell: a panel with controls appears here.</em></p>"
TIME = re.compile(r"Time on two CPU cores:\W*about (\d+) (s|min)\b")


def lessons() -> list[Path]:
    """The texts of all lessons, in order."""
    return sorted(TEXTS.glob("[0-9][0-9]_*.py"))


def notebook_of(text: Path) -> Path:
    """Where the notebook of a text lies."""
    return NOTEBOOKS / f"{text.stem}.ipynb"


def assemble(text: Path) -> NotebookNode:
    """The notebook of a text, not run."""
    notebook = nbformat.v4.new_notebook(metadata=METADATA)
    seen: Counter[str] = Counter()
    for cell in jupytext.read(text, fmt="py:percent").cells:
        words = f"{text.stem} {cell.cell_type}\n{cell.source}"
        seen[words] += 1
        cell.id = hashlib.sha256(f"{seen[words]} {words}".encode()).hexdigest()[:8]
        cell.metadata = {key: cell.metadata[key] for key in ("tags",) if key in cell.metadata}
        notebook.cells.append(cell)
    return notebook


def run(notebook: NotebookNode) -> None:
    """Run a notebook in place, in a fresh kernel, in the folder where a reader runs it.

    Its builder's own progress is not looked at.

    Raises CellExecutionError where a cell fails that is not tagged `raises-exception`.
    """
    os.environ["DDPM_LESSONS_RECORD"] = "off"
    NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=600,
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        config=QUIET,
        resources={"metadata": {"path": str(NOTEBOOKS)}},
    ).execute()
    notebook.metadata = nbformat.from_dict(METADATA)


def replace_widgets(notebook: NotebookNode) -> None:
    """A widget dies with its kernel: in the file, a line that says so stands in its place."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if WIDGET not in output.get("data", {}):
                continue
            if "nbval-ignore-output" not in cell.metadata.get("tags", []):
                raise ValueError(f"cell needs the tag nbval-ignore-output:\n{cell.source}")
            output.data = nbformat.from_dict({"text/html": output.data.get("text/html", PANEL)})


def declared_seconds(notebook: NotebookNode) -> int | None:
    """The time that the first cell promises, in seconds; None where it promises none."""
    match = TIME.search(notebook.cells[0].source)
    return int(match[1]) * (60 if match[2] == "min" else 1) if match else None


def build(text: Path) -> None:
    """Build one notebook and say how long it ran."""
    start = time.perf_counter()
    notebook = assemble(text)
    run(notebook)
    replace_widgets(notebook)
    nbformat.write(notebook, notebook_of(text))
    print(f"{text.stem}: ran in {time.perf_counter() - start:.0f} s", end="")
    print(f" (its first cell says {declared_seconds(notebook)} s)", flush=True)


def main() -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Build the notebooks from notebooks/text.")
    parser.add_argument("numbers", nargs="*", metavar="NN", help="lessons to build, e.g. 01 (all)")
    wanted = parser.parse_args().numbers or [text.name[:2] for text in lessons()]
    chosen = [text for text in lessons() if text.name[:2] in wanted]
    if unknown := set(wanted) - {text.name[:2] for text in chosen}:
        parser.error(f"no lesson {', '.join(sorted(unknown))} in {TEXTS}")
    failed = []
    for text in chosen:
        try:
            build(text)
        except (CellExecutionError, ValueError) as error:
            failed.append(text.stem)
            print(f"{text.stem}: NOT BUILT\n{error}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
