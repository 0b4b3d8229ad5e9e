"""How long does a reader wait? For the import, the first slider, and each lesson.

    python benchmarks/startup.py [--rounds 5] [--lessons]

Each is a fresh Python, so that nothing is warm but the disk, and they take turns. The first slider:
from the start of Python to the HTML of a forward chain. --lessons runs every notebook, too.
"""

import re
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from common import in_turn, options, report

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
SLIDER = """
import torch
from ddpm_lessons import linear_schedule
from ddpm_lessons.data import load_mnist
from ddpm_lessons.show.chains import forward_player
forward_player(load_mnist("test")[0], linear_schedule())._repr_html_()
"""
JOBS = {
    "python": "pass",
    "python, import torch": "import torch",
    "python, import ddpm_lessons": "import ddpm_lessons",
    "python, import torch, torchvision, diffusers": "import torch, torchvision, diffusers",
    "python to the first slider": SLIDER,
}
COLUMNS = {"name": "what", "seconds": "s (median)", "declared": "declared, s"}


def fresh(source: str) -> None:
    """Run this in a Python of its own."""
    subprocess.run([sys.executable, "-c", source], check=True)


def lesson(path: Path) -> dict:
    """The row of a notebook: its seconds from top to bottom, kernel and imports included."""
    command = ["jupyter", "nbconvert", "--to", "notebook", "--execute", "--stdout", str(path)]
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", *command], check=True, stdout=subprocess.DEVNULL)
    found = re.search(r"Time on two CPU cores: about (\d+) s", path.read_text(encoding="utf-8"))
    declared = int(found.group(1)) if found else ""
    return {"name": path.stem, "seconds": time.perf_counter() - start, "declared": declared}


def main() -> None:
    """Measure, print, keep."""
    chosen = options(
        __doc__.splitlines()[0],
        rounds=(int, 5, "runs of each that count"),
        lessons=(bool, False, "run the lessons, too"),
    )
    jobs = {name: lambda source=source: fresh(source) for name, source in JOBS.items()}
    seconds = in_turn(jobs, rounds=chosen.rounds, device="cpu")
    rows = [{"name": name, "seconds": median(found)} for name, found in seconds.items()]
    if chosen.lessons:
        rows += [lesson(path) for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))]
    report("startup", "cpu", rows, COLUMNS)


if __name__ == "__main__":
    main()
