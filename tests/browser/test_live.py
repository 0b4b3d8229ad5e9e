"""Lesson 05's live panel in a real JupyterLab: it moves while the kernel trains, and ends clean."""

import re

from lab_page import LabPage, write_notebook

SETUP = """
from dataclasses import replace
import torch
from ddpm_lessons.data import load_mnist
from ddpm_lessons.show.live_widgets import Watch
from ddpm_lessons.training import PRESETS, start_run, steps_of

tiny = replace(PRESETS["quick"], steps=10_000, batch_size=8)
run = start_run(tiny, load_mnist("train"), device=torch.device("cpu"))
x_T = torch.randn(4, 1, 28, 28, generator=torch.Generator().manual_seed(3))
"""
TRAIN = """
watch = Watch(run, x_T, seconds=8, at_least=3, every=1)
for _ in watch(steps_of(run)):
    pass
"""


def test_the_panel_shows_the_training_while_it_runs(browser, lab):
    write_notebook(lab.folder / "live.ipynb", [SETUP, TRAIN])
    opened = LabPage(browser, lab, "live.ipynb")
    start = "() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
    opened.page.evaluate(start)  # and do not wait for the end
    place = opened.cell(1).locator(".ddpm-live")
    states = set()  # of the strip: the first is from before the training
    while place.get_by_text("finished").count() == 0:
        states |= {image.get_attribute("alt") for image in place.locator("img").all()}
        opened.page.wait_for_timeout(100)
    assert "4 samples after step 0" in states
    place.get_by_text(re.compile(r"finished · step \d+ ")).wait_for(timeout=120_000)
    words = place.locator("p").first.inner_text()
    assert re.search(r" · \d+ s · loss [01]\.\d{4} \(mean of the last \d+\)$", words)
    strip = place.locator("img")
    assert re.fullmatch(r"4 samples after step \d+", strip.get_attribute("alt"))
    assert strip.evaluate("(image) => image.complete && image.naturalWidth") > 100
    assert place.locator("svg").first.is_visible()  # the curve
    assert opened.bad_outputs == []
    assert opened.complaints == []
    opened.page.close()
