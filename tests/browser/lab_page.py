"""A notebook in JupyterLab as the tests see it: cells, pictures, and the page's complaints."""

import base64
import contextlib
import io
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import nbformat
import numpy as np
from PIL import Image

# What JupyterLab's console says of itself on a slow machine, and nothing else, is let through.
BENIGN = re.compile(
    r"^Plugin @?[\w/:.-]+ .*(took [\d.]+ms to activate|taking too long to activate)"
)

SESSION = "window.jupyterapp.shell.currentWidget.sessionContext.session"
HANG = "import re, time; time.sleep(0.5); re.match('(a+)+$', 'a' * 64 + 'b')"
READY = (
    "window.jupyterapp?.shell.currentWidget?.context?.isReady && "
    "window.jupyterapp.shell.currentWidget.context.path === PATH && "
    f"{SESSION}?.kernel?.status === 'idle'"
)


def write_notebook(path: Path, sources: Sequence[str]) -> None:
    """A notebook with these code cells, not run."""
    cells = [nbformat.v4.new_code_cell(source, id=f"cell{i}") for i, source in enumerate(sources)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, path)


class LabPage:
    """One browser page with one notebook open."""

    def __init__(self, browser: object, lab: object, name: str) -> None:
        self.page = browser.new_page(viewport={"width": 1280, "height": 1000})
        self.page.set_default_timeout(120_000)  # starting takes long where the machine is busy
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        self.page.on("console", self._listen)
        # A workspace of its own, or JupyterLab would open what another page had open as well.
        where = f"lab/workspaces/{Path(name).stem}/tree/{name}"
        self.page.goto(f"{lab.address}/{where}?token={lab.token}")
        self.wait_until(READY.replace("PATH", repr(name)))
        self.page.set_default_timeout(20_000)

    def _listen(self, message: object) -> None:
        if message.type in ("error", "warning") and not BENIGN.match(message.text):
            self.complaints.append(f"console {message.type}: {message.text}")

    def wait_until(self, condition: str) -> None:
        """Wait until a JavaScript expression is true."""
        self.page.wait_for_function(condition)

    def command(self, name: str, **arguments: object) -> object:
        """Execute one of JupyterLab's commands, and wait for its end."""
        script = "([name, given]) => window.jupyterapp.commands.execute(name, given)"
        return self.page.evaluate(script, [name, arguments])

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """Keep the kernel from answering for as long as the block lasts.

        A sleep would not do: newer kernels go on answering widgets on another thread. This regular
        expression backtracks for ever, lets no other thread run, and can be interrupted.
        """
        self.page.evaluate(
            "() => { window.working = true;"
            f"const code = {HANG!r};"
            f"const work = {SESSION}.kernel.requestExecute({{code}});"
            "work.done.finally(() => { window.working = false; }); }"
        )
        self.wait_until(f"{SESSION}.kernel.status === 'busy'")
        self.page.wait_for_timeout(600)  # now it hangs
        try:
            yield
            assert self.page.evaluate("window.working"), "the kernel was to be busy all the time"
        finally:
            self.page.evaluate(f"() => {SESSION}.kernel.interrupt()")
            self.wait_until("!window.working")

    def eventually(self, check: Callable[[], None], seconds: float = 15) -> None:
        """Check again and again until it passes, or time is up."""
        last = time.monotonic() + seconds
        while True:
            try:
                return check()
            except AssertionError:
                if time.monotonic() > last:
                    raise
            self.page.wait_for_timeout(20)

    @contextlib.contextmanager
    def watching(self, selector: str) -> Iterator[None]:
        """Look at each frame that the screen draws: this `<img>` must have its picture."""
        self.page.evaluate(
            "(selector) => { window.drawn = []; window.look = () => {"
            "const image = document.querySelector(selector);"
            "window.drawn.push(Boolean(image && image.complete && image.naturalWidth));"
            "window.looking = requestAnimationFrame(window.look); }; window.look(); }",
            selector,
        )
        yield
        drawn = self.page.evaluate("() => (cancelAnimationFrame(window.looking), window.drawn)")
        assert len(drawn) > 10, "the screen was hardly drawn"
        assert all(drawn), f"{drawn.count(False)} of {len(drawn)} frames were without a picture"

    @property
    def bad_outputs(self) -> list[str]:
        """The errors, and what was written to stderr, of all cells."""
        outputs = self.page.evaluate(
            "window.jupyterapp.shell.currentWidget.content.widgets.flatMap("
            "(cell) => cell.model.outputs ? cell.model.outputs.toJSON() : [])"
        )
        return [
            str(output.get("traceback") or output.get("text"))
            for output in outputs
            if output["output_type"] == "error" or output.get("name") == "stderr"
        ]

    def cell(self, index: int) -> object:
        """The cell's place on the page."""
        place = self.page.locator(".jp-Notebook .jp-Cell").nth(index)
        place.scroll_into_view_if_needed()
        return place


@contextlib.contextmanager
def opened_and_run(
    browser: object, lab: object, name: str, sources: Sequence[str]
) -> Iterator[LabPage]:
    """A notebook of these cells, run from top to bottom; each but the first shows a picture."""
    write_notebook(lab.folder / name, sources)
    opened = LabPage(browser, lab, name)
    assert opened.command("notebook:run-all-cells") is True
    assert opened.bad_outputs == []
    for index in range(1, len(sources)):
        opened.cell(index).locator("figure").first.wait_for()
    yield opened
    opened.page.close()


def pixels(image: object) -> np.ndarray:
    """The native pixels of an `<img>`, (H, W) uint8, from the PNG file in its address."""
    head, data = image.get_attribute("src").split(",")
    assert head == "data:image/png;base64"
    return np.array(Image.open(io.BytesIO(base64.b64decode(data))))


def on_screen(image: object, size: int) -> np.ndarray:
    """What the screen shows of an `<img>` of size x size native pixels: the middle of each."""
    image.scroll_into_view_if_needed()
    shot = np.array(Image.open(io.BytesIO(image.page.screenshot())).convert("L"))
    box, middles = image.bounding_box(), (np.arange(size) + 0.5) / size
    rows = (box["y"] + middles * box["height"]).astype(int)
    columns = (box["x"] + middles * box["width"]).astype(int)
    return shot[np.ix_(rows, columns)]


def drag(page: object, place: object, ends: tuple[float, float], moves: int = 25) -> Iterator[None]:
    """Press the mouse at one share of the place's width, and move to the other step by step."""
    box = place.bounding_box()
    y = box["y"] + box["height"] / 2
    for i in range(moves + 1):
        share = ends[0] + (ends[1] - ends[0]) * i / moves
        page.mouse.move(box["x"] + share * box["width"], y)
        if i == 0:
            page.mouse.down()
        yield
    page.mouse.up()
