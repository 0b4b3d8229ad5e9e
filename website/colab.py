"""Other people's computers: the notebooks in Colab and on Binder."""

import copy

import nbformat
from nbformat import NotebookNode

BRANCH = "main"  # of the source
PAGES = "gh-pages"  # the branch that holds the site, see .github/workflows/site.yml
INSTALL = """\
# On Colab this brings the course and its library. Elsewhere it does nothing.
import sys

if "google.colab" in sys.modules:
    !git clone --quiet --depth 1 https://github.com/{repository}
    %cd {name}/notebooks
    %pip install --quiet ..[course]"""


def ways_to_run(name: str, repository: str) -> list[tuple[str, str]]:
    """Names and addresses under which a lesson's notebook can be had."""
    ways = [("Take the notebook", f"notebooks/{name}.ipynb")]
    if repository:
        tree = f"{PAGES}/notebooks/{name}.ipynb"
        ways += [
            ("Open in Colab", f"https://colab.research.google.com/github/{repository}/blob/{tree}"),
            (
                "Open on Binder",
                f"https://mybinder.org/v2/gh/{repository}/{BRANCH}"
                f"?urlpath=lab/tree/notebooks/{name}.ipynb",
            ),
        ]
    return ways


def colab_copy(notebook: NotebookNode, repository: str) -> NotebookNode:
    """The notebook with a first cell that installs the course on Colab, and pictures that Colab
    finds; without a repository the notebook as it is.
    """
    if not repository:
        return notebook
    found = copy.deepcopy(notebook)
    raw = f"https://raw.githubusercontent.com/{repository}/{BRANCH}/figures/"
    for cell in found.cells:
        if cell.cell_type == "markdown":
            cell.source = cell.source.replace("](../figures/", f"]({raw}")
    name = repository.split("/")[1]
    source = INSTALL.format(repository=repository, name=name)
    found.cells.insert(0, nbformat.v4.new_code_cell(source, id="on-colab"))
    return found
