"""The first minute: is this machine ready for the course, and if not, what is to be done?

`python -m ddpm_lessons doctor` prints the report, lesson 00 shows it. The checks are in `findings`.
"""

import html
import re
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import NamedTuple

from ddpm_lessons.doctor.findings import CHECKS
from ddpm_lessons.doctor.probes import (
    NOTE,
    OK,
    PROBLEM,
    NoTorchError,
    Outcome,
    brief,
    install,
    note,
    problem,
)

COLOURS = {OK: "#1a7f37", NOTE: "#6e7781", PROBLEM: "#b35900"}
SIGNS = {OK: "✓ ok", NOTE: "○ note", PROBLEM: "✗ problem"}
READY = "This machine is ready for the course."
COLUMNS = ("result", "check", "found", "what to do")
LEFT = "text-align: left; vertical-align: top"
NOT_READY = "Mend what is called a problem, from the top, and look again."

# From a slash, or a Windows drive, to the last name: it starts a word, and is no part of https://.
ABSOLUTE = re.compile(r"(?<![\w.~/\\:…-])(?:[A-Za-z]:)?[/\\](?:[^\s'\",;:()/\\]+[/\\])*")


class Finding(NamedTuple):
    """What one check has to say."""

    title: str
    mark: str  # these three as in Outcome
    found: str
    remedy: str = ""


class Report:
    """The findings of all checks: `str` for a terminal; a table, or plain text, for a notebook.

    What a notebook shows is stored, so there no folder is named in full.
    """

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)

    @property
    def ready(self) -> bool:
        """Whether there is no problem; notes do not count."""
        return all(one.mark != PROBLEM for one in self.findings)

    def __str__(self) -> str:
        return _text(self.findings, self._verdict())

    def __repr__(self) -> str:
        return _text([_without_folders(one) for one in self.findings], self._verdict())

    def _repr_html_(self) -> str:
        rows = "".join(_row(_without_folders(one)) for one in self.findings)
        head = "".join(f'<th scope="col" style="{LEFT}">{name}</th>' for name in COLUMNS)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        return f"<div><strong>{self._verdict()}</strong>{table}</div>"

    def _verdict(self) -> str:
        return READY if self.ready else NOT_READY


def report() -> Report:
    """Ask all checks, in an order in which problems are best mended; a few seconds, no network.

    Raises nothing: a check that fails is a problem that says how.
    """
    return Report([Finding(title, *_ask(check)) for title, check in CHECKS.items()])


def _ask(check: Callable[[], Outcome]) -> Outcome:
    try:
        return check()
    except NoTorchError:
        return note("not looked at, because PyTorch cannot be loaded", "see the line PyTorch")
    except PackageNotFoundError as error:
        return problem(f"{error.args[0]} is not installed in this Python", install())
    except Exception as error:  # whatever is broken here, the other lines must still come
        remedy = "mend what stands above first; if this line stays: make clean, and make lab"
        return problem(f"could not be looked at ({brief(error)})", remedy)


def _text(findings: Sequence[Finding], verdict: str) -> str:
    width = max(len(one.title) for one in findings)
    lines = []
    for title, mark, found, remedy in findings:
        lines.append(f"{mark:7}  {title:{width}}  {found}")
        if remedy:
            lines.append(f"{'':7}  {'':{width}}  -> {remedy}")
    return "\n".join([*lines, "", verdict])


def _row(finding: Finding) -> str:
    ink = f"color-mix(in srgb, {COLOURS[finding.mark]} 55%, currentColor)"  # legible on any paper
    style = f"color: {ink}; white-space: nowrap"
    sign = f'<strong style="{style}">{SIGNS[finding.mark]}</strong>'
    words = [sign, *(html.escape(one) for one in (finding.title, finding.found, finding.remedy))]
    return "<tr>" + "".join(f'<td style="{LEFT}">{one}</td>' for one in words) + "</tr>"


def _without_folders(finding: Finding) -> Finding:
    """The same with the home folder as ~, and of any other folder's way the last name only."""
    found, remedy = (_shortened(one) for one in (finding.found, finding.remedy))
    return finding._replace(found=found, remedy=remedy)


def _shortened(words: str) -> str:
    words = words.replace(f"{sys.executable} -m", "python -m")
    home = str(Path.home())
    if len(home) > 1:  # not the root of a container
        words = re.sub(re.escape(home) + r"(?=[/\\]|\W|$)", "~", words)
    return ABSOLUTE.sub("…/", words)
