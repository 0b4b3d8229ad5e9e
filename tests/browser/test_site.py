"""The site, opened from disk without a network: every slider moves, and nobody is shut out."""

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from moving_players import NAMES, NOTEBOOKS, move_over_its_range, stored_players
from obstacles import obstacles

BYTES = 3_200_000  # of a page: "about 3 MB"

PAGES = ["index", *NAMES]  # the one that draws has tests of its own
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 800}


class Page:
    """A page of the site in the browser, and all that it complains of or asks the network for."""

    def __init__(self, browser: object, site: Path, name: str, **options: object) -> None:
        self.name, self.page = name, browser.new_page(viewport=WIDE, **options)
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


@pytest.fixture(scope="module", params=PAGES)
def opened(request, browser, site) -> Iterator[Page]:
    """Each page, opened once for all tests that ask for it: setting the mathematics takes long."""
    page = Page(browser, site, request.param, color_scheme="light")
    yield page
    page.page.close()


@pytest.fixture
def page(opened) -> Iterator[object]:
    """The same; no test may make it complain."""
    yield opened.page
    assert opened.complaints == []


def test_every_slider_of_a_page_moves(opened, page):
    places = page.locator(".ddpm-player").all()
    stored = stored_players(opened.name) if opened.name in NAMES else []
    assert len(places) == len(stored)
    for place, data in zip(places, stored, strict=True):
        move_over_its_range(page, place, data)


def test_a_page_weighs_little_and_its_mathematics_is_set(opened, page, site):
    assert (site / f"{opened.name}.html").stat().st_size < BYTES
    formulas = page.locator("mjx-container").count()
    assert page.locator("mjx-merror, [data-mml-node=merror]").count() == 0
    left = page.locator("main .text_cell_render").evaluate_all(
        "(parts) => parts.flatMap((part) => { const copy = part.cloneNode(true);"
        "copy.querySelectorAll('code, pre').forEach((code) => code.remove());"
        "return copy.textContent.match(/\\$[^$]+\\$/g) || []; })"
    )
    assert left == []
    assert formulas > 5 or opened.name == "index"


def test_nobody_is_shut_out(page, npm):
    button = page.get_by_role("button", name="Dark theme")
    for theme, rules in (("light", ()), ("dark", ("color-contrast",))):
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        serious = obstacles(page, npm, rules=rules)
        assert serious == [], "\n".join([theme, *serious])
        button.click()


def test_a_page_fits_a_phone(page):
    page.set_viewport_size(PHONE)
    wide = page.evaluate("document.documentElement.scrollWidth")
    page.set_viewport_size(WIDE)
    assert wide <= PHONE["width"]


def test_links_lead_somewhere(page):
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


def test_the_theme_is_kept(browser, site):
    page = Page(browser, site, "index", color_scheme="light").page
    page.get_by_role("button", name="Dark theme").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.goto(page.url.replace("index.html", "01_forward_process.html"))
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.close()


def test_a_reader_who_likes_it_dark_gets_it_dark(browser, site):
    page = Page(browser, site, "index", color_scheme="dark").page
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.close()


def test_the_search_finds_sections(browser, site):
    page = Page(browser, site, "index").page
    page.get_by_label("Find in all lessons").fill("posterior variance")
    first = page.locator("#results a").first
    first.wait_for()
    assert re.fullmatch(r"\d+ sections", page.locator("#found").inner_text())
    first.click()
    page.wait_for_url(re.compile(r"/\d\d_\w+\.html#"))
    page.locator("main :target").wait_for()  # the heading that was found
    page.close()


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


def test_lessons_with_a_chain_lead_to_the_page_that_draws(site):
    for name, linked in (
        ("06_sampling", True),
        ("12_case_study", True),
        ("01_forward_process", False),
    ):
        text = (site / f"{name}.html").read_text("utf-8")
        assert ('<a href="draw/index.html">' in text.split("<main")[1]) is linked
