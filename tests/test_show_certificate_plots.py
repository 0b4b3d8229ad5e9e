"""The page to print: its words, letters of any script, and its two kinds of file."""

import re
from pathlib import Path

import pytest
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg

from ddpm_lessons.show.certificate_plots import certificate, write_certificate

PASSED = {"00 · welcome": ["From bytes to numbers", "A little static"], "01 · noise": ["One step"]}


def words(figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def test_the_page_says_who_what_and_when():
    found = words(certificate("Ada Lovelace", PASSED, total=3, date="2026-11-29"))
    assert "Ada Lovelace" in found
    assert "has passed all 3 exercises, the last one on 2026-11-29." in found
    assert [one for one in found if one[0] == "✓"] == [
        f"✓ {t}" for ts in PASSED.values() for t in ts
    ]
    found = words(certificate("Ada", PASSED, total=58, date="2026-11-29"))
    assert "has passed 3 of the 58 exercises, the last one on 2026-11-29." in found


def test_everything_lies_on_the_page_and_nothing_on_anything_else():
    passed = {
        f"{n:02} · a lesson": [f"exercise {i} of some length" for i in range(5)] for n in range(16)
    }
    figure = certificate("W" * 60, passed, total=80, date="2026-11-29")
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in figure.texts]
    page = figure.bbox
    for box in boxes:
        assert box.x0 >= page.x0
        assert box.x1 <= page.x1
        assert box.y0 >= page.y0
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            inside = a.shrunk(0.98, 0.6)
            assert not inside.overlaps(b.shrunk(0.98, 0.6)), (words(figure)[i],)


def test_letters_of_other_scripts(monkeypatch):
    assert "Софья Ковалевская" in words(certificate("Софья Ковалевская", PASSED, total=3, date="d"))
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [])
    with pytest.raises(ValueError, match="no font of this machine has all of \U00013000"):
        certificate("Ada \U00013000", PASSED, total=3, date="d")


@pytest.mark.parametrize("name", ["", "  ", "x" * 61, "two\nlines"])
def test_a_name_that_cannot_stand_there(name):
    with pytest.raises(ValueError, match=r"name is .*, expected 1 to 60 letters on one line"):
        certificate(name, PASSED, total=3, date="d")


def test_the_files(tmp_path):
    for kind, start in (("pdf", b"%PDF"), ("svg", b"<?xml")):
        pages = []
        for i in range(2):
            file = tmp_path / f"{i}.{kind}"
            write_certificate(certificate("Ada", PASSED, total=3, date="d"), file)
            pages.append(file.read_bytes())
        assert pages[0].startswith(start)
        assert pages[0] == pages[1]  # the same record is the same file
        assert not re.search(rb"/(home|root)/", pages[0])
        assert str(Path(__file__).resolve().parents[1]).encode() not in pages[0]
    with pytest.raises(
        ValueError, match=r"out is .*page.png', expected a name that ends in .pdf or"
    ):
        write_certificate(certificate("Ada", PASSED, total=3, date="d"), tmp_path / "page.png")
