"""A player: pictures under a slider that needs neither the kernel nor a network."""

import html
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from string import Template

from ddpm_lessons.door import check_index
from ddpm_lessons.show.pictures import Picture, pictures

PAGE = Template(files("ddpm_lessons.show").joinpath("player.html").read_text(encoding="utf-8"))

GAP = 20  # pixels between two panels, as in the page's style


@dataclass(frozen=True)
class Player:
    """A self-contained piece of HTML; the last line of a notebook's cell shows it."""

    html: str
    summary: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return f"Player({self.summary})"


def player(
    frames: Iterable[object] | Mapping[str, Iterable[object]],
    alts: Sequence[str],
    *,
    values: Sequence[object] | None = None,
    label: str = "timestep t",
    start: int = 0,
    width: int = 280,
) -> Player:
    """Show N frames under one slider, with a play button; the arrow keys, Home and End move it too.

    frames: N frames, each as `pictures` takes them: a tensor (N, C, H, W), or a list of images,
    figures or PNG bytes; or a mapping of names to such frames, to be shown side by side and in
    step. A name may hold an index, as in "x_t" or "x̂_0". alts: for each frame, what is seen, in
    words. values: what the slider shows in each place, 0..N-1 if not given. start: the place it
    starts in. width: of an image on the page, in pixels, at least. The same arguments give the same
    HTML. Raises ValueError where the numbers of frames, alts and values differ, or where `start` is
    not one of their places.
    """
    panels = dict(frames) if isinstance(frames, Mapping) else {"": frames}
    shown = {
        name: pictures(panel, check_index("width", width, 1, 10_000))
        for name, panel in panels.items()
    }
    alts = _check_alts(alts, shown)
    start = check_index("start", start, 0, len(alts) - 1)
    values = list(range(len(alts))) if values is None else list(values)
    if len(values) != len(alts):
        raise ValueError(
            f"values has {len(values)} entries, expected {len(alts)}, one for each frame"
        )
    page = PAGE.substitute(
        pictures="".join(_panel(name, panel[start], alts[start]) for name, panel in shown.items()),
        alt=html.escape(alts[start]),
        data=_script_data(
            frames=[[frame.base64 for frame in panel] for panel in shown.values()],
            names=[_prefix(name) for name in shown],
            alts=alts,
            values=[str(value) for value in values],
            label=_typeset(label),
            name=label,
            start=start,
            row=sum(panel[0].width for panel in shown.values()) + GAP * (len(shown) - 1),
        ),
    )
    return Player(page, f"{len(alts)} frames, {label} = {values[0]}..{values[-1]}")


def _check_alts(alts: Sequence[str], shown: Mapping[str, list[Picture]]) -> list[str]:
    if isinstance(alts, str) or not all(isinstance(alt, str) and alt for alt in alts):
        raise ValueError(f"alts is {alts!r}, expected a text for each frame")
    if not shown:
        raise ValueError("frames is empty, expected at least one sequence of frames")
    for name, panel in shown.items():
        if len(panel) != len(alts):
            of = f" of {name!r}" if name else ""
            raise ValueError(
                f"alts has {len(alts)} entries, expected {len(panel)}, one for each frame{of}"
            )
    return list(alts)


def _panel(name: str, first: Picture, alt: str) -> str:
    """One image with its name, as it stands before the script runs, or where none may run."""
    kind = ' class="pixels"' if first.pixelated else ""
    style = "image-rendering: pixelated" if first.pixelated else ""
    caption = f'<span class="name">{_typeset(name)}</span>' if name else ""
    return (
        f'<div><img{kind} src="{first.uri}" width="{first.width}" height="{first.height}" '
        f'style="{style}" alt="{html.escape(_prefix(name) + alt)}">{caption}</div>'
    )


def _script_data(**data: object) -> str:
    """What the script needs, as JavaScript; a "</script>" in a text must not end the script."""
    return json.dumps(data).replace("<", "\\u003c")


def _prefix(name: str) -> str:
    return f"{name}: " if name else ""


def _typeset(text: str) -> str:
    """Text as HTML, with `x_t` as an italic letter and its index, and a lone t in italics."""
    text = re.sub(r"([^\W\d_]\u0302?)_(\w+)", r"<i>\1</i><sub>\2</sub>", html.escape(text))
    return re.sub(r"\b[tT]\b(?![^<]*</sub>)", r"<i>\g<0></i>", text)
