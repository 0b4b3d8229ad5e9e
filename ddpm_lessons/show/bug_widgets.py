"""The panel of lesson 13: choose a bug and the number of steps, and see what it does.

All pictures lie ready in the browser; no kernel is asked, and no network runs.
"""

import html
from collections.abc import Mapping

import ipywidgets as W

from ddpm_lessons.bugs import STEPS, Bug, Exhibit
from ddpm_lessons.door import check_index
from ddpm_lessons.show.bug_plots import brief
from ddpm_lessons.show.chains import grid
from ddpm_lessons.show.drawings import FIGURE, ROW
from ddpm_lessons.show.pictures import picture

LINK = "color: var(--jp-content-link-color, #0969da); text-decoration: underline"
INKS = {"-": "background: rgb(220 60 60 / 22%)", "+": "background: rgb(40 160 80 / 22%)", " ": ""}


def explore_bugs(exhibits: Mapping[str, Exhibit], *, width: int = 230) -> W.Widget:
    """The gallery: a list of bugs, buttons for the steps, and the digits without and with the bug.

    width: of each picture on the page, in pixels, at least. Raises ValueError where there are no
    exhibits.
    """
    if not exhibits:
        raise ValueError("exhibits is empty, expected at least one")
    check_index("width", width, 1, 10_000)
    names = list(exhibits)
    bug = W.ToggleButtons(  # and no list: JupyterLab takes the arrow keys before a list has them
        options=names, description="bug", style={"button_width": "272px"}, layout=_COLUMN
    )
    steps = W.ToggleButtons(
        options=[f"{n} steps" for n in STEPS],
        description="digits in",
        style={"button_width": "135px"},
    )
    style, layout = W.HTML().style, W.Layout(margin="0")  # shared by all: fewer messages
    stacks = []
    for name, exhibit in exhibits.items():
        drawn = [bug_drawing(name, exhibit, n, width=width) for n in STEPS]
        frames = [W.HTML(value, style=style, layout=layout) for value in drawn]
        stacks.append(W.Stack(frames, selected_index=0))
    outer = W.Stack(stacks, selected_index=0)
    left = W.VBox([bug, steps], layout=W.Layout(margin="0 24px 12px 0"))
    view = W.HBox([left, outer], layout=W.Layout(flex_flow="row wrap")).add_class("ddpm-explorer")
    links = [W.jslink((steps, "index"), (stack, "selected_index")) for stack in stacks]
    view.links = [*links, W.jslink((bug, "index"), (outer, "selected_index"))]
    return view


_COLUMN = {"width": "600px", "max_width": "98%"}  # two columns of buttons


def bug_drawing(name: str, exhibit: Exhibit, steps: int, *, width: int) -> str:
    """A bug as HTML: its line, digits without it and with it, its number, and its story."""
    images = ""
    for title, x in zip(("without the bug", "with the bug"), exhibit.digits[steps], strict=True):
        shown = picture(grid(x), width)
        alt = html.escape(f"{len(x)} digits in {steps} steps, {title}: {name}")
        images += (
            f'<div style="text-align: center"><img src="{shown.uri}" width="{shown.width}" '
            f'height="{shown.height}" alt="{alt}" style="image-rendering: pixelated; '
            f'border-radius: 4px"><br>{title}</div>'
        )
    return (
        f"{FIGURE}{ROW}{images}{numbers(exhibit)}</div>{difference(exhibit.bug)}"
        f'<figcaption style="max-width: 760px">{story(exhibit.bug)}</figcaption></figure>'
    )


def show_stories(bugs: Mapping[str, Bug]) -> None:
    """Display a table: of each bug where it was, what happened, and what is to be seen of it."""
    from IPython.display import Markdown, display  # here: only a notebook has it

    display(Markdown(stories(bugs)))


def stories(bugs: Mapping[str, Bug]) -> str:
    """What `show_stories` displays, in Markdown."""
    lines = ["| bug | what happened | with 10 steps | with 1000 steps |", "|---|---|---|---|"]
    for name, bug in bugs.items():
        told = f"**{bug.stage.capitalize()}.** {bug.story} ([the place]({bug.address}))"
        lines.append(f"| **{name}** | {told} | {bug.at_10} | {bug.at_1000} |")
    return "\n".join(lines)


def numbers(exhibit: Exhibit) -> str:
    """The number of a bug, right and wrong, at both T, as a small table."""
    cell = '<td style="padding: 2px 10px; text-align: right">'
    rows = "".join(
        f"<tr>{cell}T = {T}</td>{cell}{brief(right)}</td>{cell}<b>{brief(found)}</b></td></tr>"
        for T, (right, found) in exhibit.numbers.items()
    )
    head = "".join(f'<th style="padding: 2px 10px">{word}</th>' for word in ("", "right", "found"))
    what = f'<div style="max-width: 230px">{html.escape(exhibit.bug.what)}</div>'
    return f"<div>{what}<table><tr>{head}</tr>{rows}</table></div>"


def difference(bug: Bug) -> str:
    """The lines of a part as they should be, and as they were, as HTML."""
    lines = "".join(
        f'<div style="{INKS[line[0]]}">{html.escape(line)}</div>'
        for line in bug.difference.splitlines()
    )
    return f'<pre style="line-height: 1.35; margin: 10px 0; max-width: 760px">{lines}</pre>'


def story(bug: Bug) -> str:
    """What happened, where, and what is to be seen, as HTML."""
    place = html.escape(bug.address.removeprefix("https://"))
    parts = (
        f"<b>{html.escape(bug.stage.capitalize())}.</b> {html.escape(bug.story)}",
        f"<b>T = 10:</b> {html.escape(bug.at_10)}.",
        f"<b>T = 1000:</b> {html.escape(bug.at_1000)}.",
        f'<a href="{bug.address}" target="_blank" rel="noopener" style="{LINK}">{place}</a>',
    )
    return "<br>".join(parts)
