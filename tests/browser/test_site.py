"""The site, opened from disk without a network: every slider moves, and nobody is shut out."""

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from moving_players import NAMES, NOTEBOOKS, move_over_its_range, stored_players
from obstacles import obstacles

BYTES = 3_200_000  # of a page: "about 3 MB"

each_lesson = pytest.mark.parametrize("name", NAMES)
each_page = pytest.mark.parametrize("name", ["index", *NAMES])  # draw/ has tests of its own


class Page:
    """A page of the site in the browser, and all that it complains of or asks the network for."""

    def __init__(self, browser: object, site: Path, name: str, **options: object) -> None:
        self.page = browser.new_page(viewport={"width": 1280, "height": 900}, **options)
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        self.page.on("console", self._listen)
        self.page.on("requestfailed", lambda request: self.complaints.append(request.url))
        self.page.route(re.compile("^(https?|wss?):"), self._refuse)
        self.page.goto((site / f"{name}.html").as_uri())
        if self.page.evaluate("Boolean(window.MathJax)"):
            self.page.evaluate("MathJax.startup.promise")

    def _listen(self, message: object) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"console {message.type}: {message.text}")

    def _refuse(self, route: object) -> None:
        self.complaints.append(f"asked the network for {route.request.url}")
        route.abort()


@pytest.fixture
def opened(browser, site) -> Iterator[object]:
    """Opens pages; at the end none may have complained."""
    pages = []

    def open_page(name: str, **options: object) -> Page:
        pages.append(Page(browser, site, name, **options))
        return pages[-1]

    yield open_page
    for page in pages:
        page.page.close()
        assert page.complaints == []


@each_lesson
def test_every_slider_of_a_page_moves(opened, name):
    page = opened(name).page
    places, stored = page.locator(".ddpm-player").all(), stored_players(name)
    assert len(places) == len(stored)
    for place, data in zip(places, stored, strict=True):
        move_over_its_range(page, place, data)


@each_page
def test_a_page_weighs_little_and_its_mathematics_is_set(opened, site, name):
    assert (site / f"{name}.html").stat().st_size < BYTES
    page = opened(name).page
    formulas = page.locator("mjx-container").count()
    assert page.locator("mjx-merror, [data-mml-node=merror]").count() == 0
    left = page.locator("main .text_cell_render").evaluate_all(
        "(parts) => parts.flatMap((part) => { const copy = part.cloneNode(true);"
        "copy.querySelectorAll('code, pre').forEach((code) => code.remove());"
        "return copy.textContent.match(/\\$[^$]+\\$/g) || []; })"
    )
    assert left == []
    assert formulas > 5 or name == "index"


@each_page
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nobody_is_shut_out(opened, npm, name, theme):
    page = opened(name, color_scheme=theme).page
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    serious = obstacles(page, npm)
    assert serious == [], "\n".join(serious)


@each_page
def test_links_lead_somewhere(opened, site, name):
    page = opened(name).page
    links = page.locator("a[href]").evaluate_all("(links) => links.map((a) => a.href)")
    for link in links:
        if not link.startswith("file:"):
            assert link.startswith("https://"), link
            continue
        target, _, anchor = link.partition("#")
        path = Path(page.evaluate("(a) => decodeURIComponent(new URL(a).pathname)", target))
        assert path.exists(), link
        assert anchor or "#" not in link, link
        if anchor and path.suffix == ".html":
            text = path.read_text(encoding="utf-8")
            assert f'id="{anchor}"' in text, link


def test_the_theme_is_kept(opened):
    page = opened("index", color_scheme="light").page
    page.get_by_role("button", name="Dark theme").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.goto(page.url.replace("index.html", "01_forward_process.html"))
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_the_search_finds_sections(opened):
    page = opened("index").page
    page.get_by_label("Find in all lessons").fill("posterior variance")
    first = page.locator("#results a").first
    first.wait_for()
    assert re.fullmatch(r"\d+ sections", page.locator("#found").inner_text())
    first.click()
    assert page.locator("h1").count() == 1
    assert page.locator(f'[id="{page.url.partition("#")[2]}"]').count() == 1


def test_a_page_fits_a_phone(browser, site):
    for name in ("index", *NAMES):
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.goto((site / f"{name}.html").as_uri())
        wide = page.evaluate("document.documentElement.scrollWidth")
        page.close()
        assert wide <= 390, f"{name} is {wide} pixels wide"


def test_notebooks_for_colab_install_the_course_first(site):
    for name in NAMES:
        path = site / "notebooks" / f"{name}.ipynb"
        copied = nbformat.read(path, as_version=nbformat.NO_CONVERT)
        nbformat.validate(copied)
        stored = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=nbformat.NO_CONVERT)
        first, *others = copied.cells
        assert "git clone --quiet --depth 1 https://github.com/someone/ddpm-lessons" in first.source
        assert "](../figures/" not in "".join(cell.source for cell in others)
        assert [cell.id for cell in others] == [cell.id for cell in stored.cells]
    page = (site / f"{NAMES[0]}.html").read_text(encoding="utf-8")
    where = "someone/ddpm-lessons"
    assert f"https://colab.research.google.com/github/{where}/blob/gh-pages/notebooks/" in page
    assert f"https://mybinder.org/v2/gh/{where}/main?urlpath=lab/tree/notebooks/" in page
