"""The player without a kernel: in an exported page, offline, and in an untrusted notebook."""

import conftest
import nbformat
import pytest
import torch
from lab_page import LabPage, on_screen, pixels
from nbconvert import HTMLExporter

from ddpm_lessons.data.images import to_uint8
from ddpm_lessons.show.player import Player, player

T = (0, 10, 20, 30)
SOURCE = "print('this cell has been run elsewhere')"


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    """Four pictures, (4, 1, 28, 28) in [-1, 1]."""
    return torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture(scope="module")
def shown(images: torch.Tensor) -> Player:
    return player(images, [f"t = {t}" for t in T], values=T, start=1)


def notebook_with(shown: Player) -> nbformat.NotebookNode:
    """A notebook whose one cell has been run: its output is the player."""
    data = {"text/html": shown.html, "text/plain": repr(shown)}
    output = nbformat.v4.new_output("execute_result", data, execution_count=1)
    cell = nbformat.v4.new_code_cell(SOURCE, outputs=[output], execution_count=1, id="cell0")
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel})


def test_player_works_in_an_exported_page_without_a_network(browser, images, shown, tmp_path):
    exporter = HTMLExporter(exclude_input=True)
    path = tmp_path / "page.html"
    path.write_text(exporter.from_notebook_node(notebook_with(shown))[0], encoding="utf-8")
    page = browser.new_page()
    page.route("http*://**", lambda route: route.abort())
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(path.as_uri(), wait_until="domcontentloaded")
    image, slider = page.locator(".ddpm-player img"), page.get_by_role("slider", name="timestep t")
    assert (pixels(image) == to_uint8(images[1, 0]).numpy()).all()
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert (pixels(image) == to_uint8(images[2, 0]).numpy()).all()
    assert (on_screen(image, 28) == to_uint8(images[2, 0]).numpy()).all()
    assert page.locator(".ddpm-player output").inner_text() == "20"
    ours = [error for error in errors if "require" not in error and "MathJax" not in error]
    page.close()
    assert ours == []  # nbconvert's own page misses the libraries that it takes from a network


def test_player_shows_its_first_picture_in_an_untrusted_notebook(browser, lab, images, shown):
    nbformat.write(notebook_with(shown), lab.folder / "untrusted.ipynb")
    opened = LabPage(browser, lab, "untrusted.ipynb")
    image = opened.cell(0).locator("figure img")
    assert (pixels(image) == to_uint8(images[1, 0]).numpy()).all()
    assert image.get_attribute("alt") == "t = 10"
    assert image.bounding_box()["width"] == 280
    assert opened.cell(0).get_by_text("Run this cell, or trust this notebook").is_visible()
    assert not opened.cell(0).locator("input[type=range]").is_visible()
    assert opened.complaints == []
    opened.page.close()


def test_player_moves_calmly_for_readers_who_ask_for_it(browser, images, tmp_path):
    frames = images.repeat(10, 1, 1, 1)
    path = tmp_path / "calm.html"
    path.write_text(player(frames, [f"t = {t}" for t in range(40)]).html, encoding="utf-8")
    page = browser.new_page(reduced_motion="reduce")
    page.goto(path.as_uri())
    page.get_by_role("button", name="Play").click()
    output, seen = page.locator("output"), set()
    while len(seen) < 4:
        seen.add(int(output.inner_text()))
        page.wait_for_timeout(20)
    page.close()
    assert seen == {0, 3, 6, 9}  # a twelfth of the chain at a time, twice a second


def test_chromium_is_demanded_in_ci_and_only_there(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no Chromium"):
        conftest.find_chromium()
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="no Chromium"):
        conftest.find_chromium()
