"""Every lesson as it is stored, opened and trusted in a real JupyterLab: all players move, and no
output of ours shuts anybody out.
"""

import shutil
import subprocess
import sys

import pytest
from lab_page import LabPage
from moving_players import NAMES, NOTEBOOKS, move_over_its_range, stored_players
from obstacles import obstacles


@pytest.fixture(scope="module")
def course(lab) -> None:
    """The lessons and their figures, where JupyterLab sees them, and trusts them."""
    (lab.folder / "course" / "notebooks").mkdir(parents=True)
    shutil.copytree(NOTEBOOKS.parent / "figures", lab.folder / "course" / "figures")
    copies = [lab.folder / "course" / "notebooks" / f"{name}.ipynb" for name in NAMES]
    for copied in copies:
        shutil.copy(NOTEBOOKS / copied.name, copied)
    sign = [sys.executable, "-m", "nbformat.sign", *map(str, copies)]
    subprocess.run(sign, env=lab.environment, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("name", NAMES)
def test_every_player_of_a_lesson_moves_in_jupyterlab(browser, lab, course, npm, name):
    opened = LabPage(browser, lab, f"course/notebooks/{name}.ipynb")
    stored = stored_players(name)
    places = opened.page.locator(".ddpm-player")
    opened.eventually(lambda: expect_count(places, len(stored)))
    for place, data in zip(places.all(), stored, strict=True):
        place.scroll_into_view_if_needed()
        move_over_its_range(opened.page, place, data)
    serious = obstacles(opened.page, npm, ".jp-OutputArea-output figure")
    assert serious == [], "\n".join(serious)
    assert opened.complaints == []
    opened.page.close()


def expect_count(places: object, n: int) -> None:
    assert places.count() == n
