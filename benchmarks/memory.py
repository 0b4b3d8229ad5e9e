"""How much memory does a chain take, against its length and the batch? And a step of training?

    python benchmarks/memory.py [--device cuda] [--images 16 64 256] [--steps 10 100]

Each row is a fresh process. On a CPU: how much its resident memory grew, at the highest, beyond the
network and the libraries; on a GPU: the most that its tensors took, beyond the network's.
"""

import argparse
import multiprocessing
import threading
from collections.abc import Callable

import psutil
import torch
from common import report
from contenders import NARROW, SHIPPED, course, ours, those_here

OURS, COURSE = "ours, 16-64-128", "diffusers, the course's network"
BUILDERS = {
    OURS: lambda device: ours(OURS, NARROW, device),
    "ours, 32-96-160": lambda device: ours("ours, 32-96-160", SHIPPED, device),
    COURSE: course,
}
COLUMNS = {"name": "network", "what": "what", "images": "images", "megabytes": "MB at the highest"}
MB = 2**20


class Watch:
    """The resident memory of this process, looked at all the time; use as a context."""

    def __enter__(self) -> "Watch":
        self.process, self.ended = psutil.Process(), threading.Event()
        self.start = self.highest = self.process.memory_info().rss
        self.thread = threading.Thread(target=self.look)
        self.thread.start()
        return self

    def look(self) -> None:
        """Until the end."""
        while not self.ended.wait(0.001):
            self.highest = max(self.highest, self.process.memory_info().rss)

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()


def peak(job: Callable[[], object], device: str) -> float:
    """Megabytes that a call takes at the highest."""
    if device.startswith("cuda"):
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        job()
        return (torch.cuda.max_memory_allocated(device) - before) / MB
    with Watch() as watch:
        job()
    return (watch.highest - watch.start) / MB


def measure(name: str, steps: int, images: int, device: str) -> float | None:
    """A chain of so many steps, or, for 0, a step of training; None where the peer is not here."""
    found = those_here(lambda: BUILDERS[name](device))
    if not found:
        return None
    (contender,) = found
    x = torch.randn(images, 1, 28, 28, device=device).clamp(-1, 1)
    small = x[:1]
    if steps:
        contender.chain(small, 2)  # what is loaded and kept once
        return peak(lambda: contender.chain(x, steps), device)
    contender.step(small)
    return peak(lambda: contender.step(x), device)


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--images", type=int, nargs="*", default=[16, 64, 256])
    parser.add_argument("--steps", type=int, nargs="*", default=[10, 100])
    chosen = parser.parse_args()
    device, rows = chosen.device, []
    cases = [(steps, chosen.images[0]) for steps in chosen.steps]
    cases += [(chosen.steps[0], images) for images in chosen.images[1:]]
    cases += [(0, images) for images in chosen.images]
    context = multiprocessing.get_context("spawn")
    for name in BUILDERS:
        for steps, images in cases:
            with context.Pool(1) as pool:
                megabytes = pool.apply(measure, (name, steps, images, device))
            if megabytes is not None:
                what = f"a chain of {steps} steps" if steps else "a step of training"
                rows.append({"name": name, "what": what, "images": images, "megabytes": megabytes})
    report("memory", device, rows, COLUMNS)


if __name__ == "__main__":
    main()
