"""The library's own code on a lesson's page: what the reader sees is what runs."""

import inspect
import textwrap
from pathlib import PurePosixPath


def show_source(*objects: object) -> None:
    """Display the source of functions, classes or methods of the library, each under its place.

    A decorated function shows its own code, with the decorator's line. Raises ValueError for an
    object without Python source.
    """
    from IPython.display import Markdown, display  # here: only a notebook has it

    display(Markdown(source_markdown(*objects)))


def source_markdown(*objects: object) -> str:
    """What `show_source` displays: for each object its file and name, and its code in a fence."""
    if not objects:
        raise ValueError("objects is empty, expected at least one function or class")
    return "\n\n".join(_block(inspect.unwrap(obj)) for obj in objects)


def _block(obj: object) -> str:
    try:
        code = textwrap.dedent(inspect.getsource(obj)).rstrip()
        path = PurePosixPath(*obj.__module__.split(".")).with_suffix(".py")
    except (TypeError, OSError, AttributeError) as error:
        raise ValueError(
            f"objects holds {obj!r}, expected a function or class of Python"
        ) from error
    return f"**`{path}` · `{obj.__qualname__}`**\n\n```python\n{code}\n```"
