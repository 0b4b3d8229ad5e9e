"""The frame that all pages of the site share: header, navigation, theme, footer."""

import html
from pathlib import Path

import jinja2

HERE = Path(__file__).resolve().parent
LINKS = (("Lessons", "index.html#lessons"), ("Draw in your browser", "draw/index.html"))

TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE),
    undefined=jinja2.StrictUndefined,
    keep_trailing_newline=True,
    lstrip_blocks=True,
)  # not escaping: cells and frames are HTML; words are escaped by those who hand them over


def fill(template: str, **given: object) -> str:
    """A template of this folder, filled in."""
    return TEMPLATES.get_template(template).render(**given)


def framed(
    body: str,
    *,
    title: str,
    about: str,
    place: str,
    kind: str = "page",
    mathematics: bool = False,
    head: str = "",
) -> str:
    """A whole page around `body`, which is HTML.

    title, about: plain words for the browser's tab and for search engines. place: where the page
    lies in the site, as "index.html" or "draw/index.html"; addresses are relative to it. kind: a
    class for the style sheet. mathematics: whether MathJax is needed. head: more for `<head>`.
    """
    root = "../" * place.count("/")
    return fill(
        "frame.html.j2",
        body=body,
        title=html.escape(title),
        about=html.escape(about),
        root=root,
        here=root + place,
        links=[(html.escape(name), root + target) for name, target in LINKS],
        kind=kind,
        mathematics=mathematics,
        head=head,
    )
