"""Build the site: every lesson as a page whose sliders need neither a kernel nor a network.

    python website/build.py --npm FOLDER [--out build/site] [--repository owner/name]

FOLDER holds node_modules with the packages of website/package.json (`make site` brings them). With
--repository, the name of a repository on GitHub, pages offer the notebook in Colab and on Binder,
and the site holds copies of the notebooks whose first cell installs the package on Colab.
"""

import argparse
import json
import os
import re
import shutil
import sys
from html import escape
from pathlib import Path

import nbformat
from pygments.formatters import HtmlFormatter

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from colab import colab_copy, ways_to_run  # noqa: E402
from draw.build import build as build_drawing  # noqa: E402
from frame import fill, framed  # noqa: E402
from lessons import REPOSITORY, Lesson, all_lessons, cells_as_html, notebook_of, sections  # noqa: E402

SCRIPTS = ("theme.js", "page.js", "search.js", "mathjax-settings.js")
MATHJAX = "node_modules/mathjax/es5/tex-svg.js"
DRAWING = {  # what the page that runs the network offers to readers of a lesson
    "06": "Watch the network draw, in this browser",
    "10": "Choose label and weight, in this browser",
    "12": "Go on with a drawing, in this browser",
}
CODE = {"light": "default", "dark": "github-dark"}  # styles of Pygments


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Build the course as a site.")
    parser.add_argument("--out", type=Path, default=Path("build/site"))
    parser.add_argument("--npm", type=Path, required=True, help="the folder of node_modules")
    parser.add_argument("--repository", default=os.environ.get("GITHUB_REPOSITORY", ""))
    chosen = parser.parse_args()
    if chosen.repository and not re.fullmatch(r"[\w.-]+/[\w.-]+", chosen.repository):
        parser.error(f"--repository is {chosen.repository!r}, expected owner/name")
    if not (chosen.npm / MATHJAX).exists():
        parser.error(f"--npm: {chosen.npm / MATHJAX} is missing; `make site` brings it")
    build(chosen.out, chosen.npm, chosen.repository)
    print(f"{chosen.out / 'index.html'}: open it, or serve the folder for the page that draws")


def build(out: Path, npm: Path, repository: str = "") -> None:
    """Write the whole site into a folder, which is emptied first."""
    shutil.rmtree(out, ignore_errors=True)
    put_assets(out, npm)
    lessons, index = all_lessons(), []
    for i, lesson in enumerate(lessons):
        neighbours = (lessons[i - 1] if i else None, (lessons[i + 1 :] or [None])[0])
        index += put_lesson(out, lesson, neighbours, repository)
    words = json.dumps(index, ensure_ascii=False, separators=(",", ":"))
    (out / "assets" / "search-index.js").write_text(f"window.SECTIONS = {words};\n", "utf-8")
    ways = [("On GitHub", f"https://github.com/{repository}")] if repository else []
    page = framed(
        fill("index.html.j2", lessons=lessons, ways=ways),
        title="Diffusion models, from the first pixel",
        about="An interactive course on denoising diffusion probabilistic models.",
        place="index.html",
    )
    (out / "index.html").write_text(page, "utf-8")
    build_drawing(out, npm)


def put_assets(out: Path, npm: Path) -> None:
    """Style, scripts, figures, and MathJax."""
    (out / "assets").mkdir(parents=True)
    for name in SCRIPTS:
        shutil.copy(HERE / name, out / "assets" / name)
    shutil.copy(npm / MATHJAX, out / "assets" / "mathjax.js")
    style = (HERE / "style.css").read_text("utf-8")
    for theme, name in CODE.items():
        style += HtmlFormatter(style=name).get_style_defs(f"html[data-theme={theme}] .highlight")
    (out / "assets" / "style.css").write_text(style, "utf-8")
    (out / "figures").mkdir()
    for path in (REPOSITORY / "figures").iterdir():
        if path.suffix in (".png", ".svg", ".gif"):
            shutil.copy(path, out / "figures" / path.name)


def put_lesson(
    out: Path, lesson: Lesson, neighbours: tuple[Lesson | None, Lesson | None], repository: str
) -> list[dict]:
    """Write the page of a lesson and its notebook; returns what the search looks through."""
    notebook = notebook_of(lesson)
    cells = cells_as_html(notebook)
    found = sections(cells)
    body = fill(
        "lesson.html.j2",
        cells=cells,
        headings=[
            {
                "level": one.level,
                "anchor": escape(one.anchor),
                "words": escape(one.heading),
                "spoken": escape(one.spoken),
            }
            for one in found
            if one.level in (2, 3)
        ],
        ways=ways_to_run(lesson.name, repository),
        drawing=DRAWING.get(lesson.number),
        before=neighbours[0],
        after=neighbours[1],
    )
    page = framed(
        body,
        title=f"{lesson.title} · Diffusion models, from the first pixel",
        about=lesson.answers,
        place=lesson.page,
        kind="lesson",
        mathematics=True,
    )
    (out / lesson.page).write_text(page, "utf-8")
    (out / "notebooks").mkdir(exist_ok=True)
    nbformat.write(colab_copy(notebook, repository), out / "notebooks" / f"{lesson.name}.ipynb")
    return [
        {
            "lesson": lesson.title,
            "heading": one.heading,
            "page": f"{lesson.page}#{one.anchor}",
            "words": f"{one.heading} {one.words}",
        }
        for one in found
    ]


if __name__ == "__main__":
    main()
