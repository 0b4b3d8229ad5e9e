"""Draw the pictures of the lessons and the README again, into this folder.

    python figures/make.py [name ...] [--out DIR]

Everything in them is computed: real digits of MNIST, the library's own functions, and the network
that comes with the course. On one machine the same code writes the same bytes.
"""

import argparse
import inspect
import io
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from matplotlib.figure import Figure
from PIL import Image

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))  # for `figures`, when this file is run as a script

from ddpm_lessons.files import write_whole  # noqa: E402
from ddpm_lessons.show.diagrams import PIXELS, clashes  # noqa: E402
from ddpm_lessons.show.plots import style  # noqa: E402
from figures import algorithms, chains, concepts, film, network, unet  # noqa: E402


class Drawing(NamedTuple):
    """A picture: its file in this folder, and the function that draws it."""

    file: str  # .svg or .png for a figure, .gif for frames
    draw: Callable[[], Figure | list[Image.Image]]

    @property
    def alt(self) -> str:
        """What is to be seen in it, for those who cannot see it: the docstring of the function."""
        return " ".join(inspect.getdoc(self.draw).split())


FIGURES = {
    Path(drawing.file).stem: drawing
    for drawing in (
        Drawing("both_chains.png", chains.both_chains),
        Drawing("forward_chain.png", chains.forward_chain),
        Drawing("closed_form_jump.svg", concepts.closed_form_jump),
        Drawing("conventions.svg", concepts.conventions),
        Drawing("posterior.svg", concepts.posterior),
        Drawing("posterior_net.svg", network.posterior_net),
        Drawing("loss_derivation.svg", algorithms.loss_derivation),
        Drawing("training_algorithm.svg", algorithms.training_algorithm),
        Drawing("unet.svg", unet.unet),
        Drawing("sampling_loop.svg", algorithms.sampling_loop),
        Drawing("noise_to_image.png", chains.noise_to_image),
        Drawing("digit.gif", film.digit_film),
    )
}


def make(name: str, folder: Path = FOLDER) -> Path:
    """Draw one of FIGURES and write its file, whole or not at all; returns the file.

    Raises ValueError where texts of the figure overlap or leave it.
    """
    drawing = FIGURES[name]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in one order: the bytes do not depend on the number of cores
    try:
        data = encode(drawing)
    finally:
        torch.set_num_threads(threads)
    path = folder / drawing.file
    write_whole(path, data)
    return path


def encode(drawing: Drawing) -> bytes:
    """The content of the picture's file: no date in it, nothing random."""
    drawn, buffer = drawing.draw(), io.BytesIO()
    if isinstance(drawn, list):
        first, *others = drawn
        first.save(buffer, "GIF", save_all=True, append_images=others, loop=0)
        return buffer.getvalue()
    if found := clashes(drawn):
        raise ValueError(f"{drawing.file} cannot be read: {'; '.join(found)}")
    kind = Path(drawing.file).suffix[1:]
    dropped = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}[kind]
    with style():
        drawn.savefig(buffer, format=kind, dpi=2 * PIXELS,
                      metadata={"Description": drawing.alt, **dropped})  # fmt: skip
    return buffer.getvalue()


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(FIGURES)}")
    parser.add_argument("--out", type=Path, default=FOLDER, metavar="DIR", help="default: here")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - set(FIGURES)):
        parser.error(f"unknown: {', '.join(unknown)}; expected names of {', '.join(FIGURES)}")
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.names or FIGURES:
        start = time.perf_counter()
        path = make(name, options.out)
        seconds = time.perf_counter() - start
        print(f"{path.name:24}{path.stat().st_size / 1024:7.0f} KiB{seconds:7.1f} s", flush=True)


if __name__ == "__main__":
    main()
