"""Which U-Net learns most in the same time? Candidates are trained in turn, in one process.

    python benchmarks/architectures.py [--minutes 10] [--samples 2000] [--only TEXT] [--out FILE]

Each candidate gets the same number of minutes of training, a few steps at a time, turn by turn, so
that whatever else the machine does hits all of them alike. How many steps that buys is measured
first. Then each draws the same number of digits with the average of its weights, and these are
judged as `python -m ddpm_lessons evaluate` does. Everything but the network is that of the preset
"mnist". Prints a table; beside every number stands what real training digits score.
"""

import argparse
import dataclasses
import json
import math
import time
from pathlib import Path

import torch
from common import RESULTS
from judging import STEPS, draw, features, floor, interval, judge
from torch import Tensor
from tqdm import tqdm

from ddpm_lessons.cli.tables import table
from ddpm_lessons.data import Digits, load_mnist, to_model_range
from ddpm_lessons.files import write_whole
from ddpm_lessons.models import UNetConfig
from ddpm_lessons.training import (
    PRESETS,
    MixedPrecision,
    Preset,
    loss_by_timestep,
    start_run,
    steps_of,
)

TURN = 10  # steps at a time, while the speeds are measured
TURNS = 200  # of each candidate, equally long, until all are trained
SHAPE = 120, 480  # noisier, nearly nothing is decided; cleaner, nearly everything is
CANDIDATES = {  # the second half, in the light of the first
    "16-64-128, 1-1-2, 8 groups": UNetConfig(groups=8),
    "16-64-192, 1-1-3, 8 groups": UNetConfig(widths=(16, 64, 192), blocks=(1, 1, 3), groups=8),
    "16-96-192, 1-1-3, 8 groups": UNetConfig(widths=(16, 96, 192), blocks=(1, 1, 3), groups=8),
    "16-64-128, 1-2-4, 8 groups": UNetConfig(widths=(16, 64, 128), blocks=(1, 2, 4), groups=8),
    "32-64-128, 2-2-2, 8 groups": UNetConfig(widths=(32, 64, 128), blocks=(2, 2, 2), groups=8),
    "32-64-128, 2-2-2": UNetConfig(widths=(32, 64, 128), blocks=(2, 2, 2)),
    "32-64-192, 2-2-3": UNetConfig(widths=(32, 64, 192), blocks=(2, 2, 3)),
    "32-96-160, 2-2-2": UNetConfig(widths=(32, 96, 160), blocks=(2, 2, 2)),
}


class Candidate:
    """A run that is advanced turn by turn; its own seconds are counted."""

    def __init__(self, preset: Preset, digits: Digits, precision: MixedPrecision) -> None:
        self.preset, self.precision, self.run = preset, precision, start_run(preset, digits)
        self.seconds = 0.0
        self.steps = steps_of(self.run, precision)

    def advance(self, steps: int) -> None:
        """Some more steps, as far as there are any."""
        start = time.perf_counter()
        for _ in range(min(steps, self.preset.steps - self.run.step)):
            next(self.steps)
            self.run.step += 1
        self.seconds += time.perf_counter() - start


def rates(
    presets: dict[str, Preset], digits: Digits, precision: MixedPrecision, *, turns: int = 5
) -> dict[str, float]:
    """Steps a second of each, the median over some turns."""
    found = {name: [] for name in presets}
    candidates = {name: Candidate(preset, digits, precision) for name, preset in presets.items()}
    for turn in range(turns + 1):
        for name, candidate in candidates.items():
            before = candidate.seconds
            candidate.advance(TURN)
            if turn:  # the first steps are slower
                found[name].append(TURN / (candidate.seconds - before))
    return {name: sorted(rate)[turns // 2] for name, rate in found.items()}


def timed_draw(candidate: Candidate, n: int) -> tuple[Tensor, float]:
    """n digits (uint8) by the average of the weights, and milliseconds an image and call."""
    start = time.perf_counter()
    images = draw(candidate.run.ema.module, candidate.run.schedule, n, device="cpu")
    return images, 1e3 * (time.perf_counter() - start) / n / STEPS


def losses_of(candidate: Candidate, x_0: Tensor) -> tuple[float, float]:
    """L_simple on test digits, and the part of it that decides the shape: the mean of t in SHAPE.

    All candidates are asked the same; these numbers tell networks apart with less noise than FID.
    """
    run, times = candidate.run, torch.arange(20, 1001, 20)
    with candidate.precision.autocast():
        generator = torch.Generator().manual_seed(3)
        found = loss_by_timestep(
            run.ema.module, run.schedule, x_0, timesteps=times.tolist(), generator=generator
        ).mean(dim=1)
    return found.mean().item(), found[(times >= SHAPE[0]) & (times <= SHAPE[1])].mean().item()


def compare(minutes: float, n: int, only: str = "") -> list[dict]:
    """Train all candidates with that in their names, judge them, and the real digits first."""
    train, test, precision = load_mnist("train"), load_mnist("test"), MixedPrecision("cpu")
    reference = features(test)
    rows = [{"network": "real digits", **floor(train, reference, n)}]
    presets = {
        name: dataclasses.replace(PRESETS["mnist"], steps=10**6, model=config)
        for name, config in CANDIDATES.items()
        if only in name
    }
    for name, rate in rates(presets, train, precision).items():
        presets[name] = dataclasses.replace(presets[name], steps=max(1, int(60 * minutes * rate)))
    candidates = {name: Candidate(preset, train, precision) for name, preset in presets.items()}
    with tqdm(total=sum(preset.steps for preset in presets.values()), unit="step") as bar:
        while any(c.run.step < c.preset.steps for c in candidates.values()):
            for candidate in candidates.values():
                candidate.advance(math.ceil(candidate.preset.steps / TURNS))
            bar.update(sum(c.run.step for c in candidates.values()) - bar.n)
    x_0 = to_model_range(test.images[:: len(test) // 500])
    for name, candidate in candidates.items():
        images, milliseconds = timed_draw(candidate, n)
        loss, shape_loss = losses_of(candidate, x_0)
        parameters = sum(p.numel() for p in candidate.run.model.parameters())
        rows.append(
            {
                "network": name,
                "parameters": parameters,
                "steps": candidate.run.step,
                "seconds": candidate.seconds,
                "images_per_second": 64 * candidate.run.step / candidate.seconds,
                "call_ms": milliseconds,
                "loss": loss,
                "shape_loss": shape_loss,
                **judge(images, reference),
            }
        )
    return rows


def markdown(rows: list[dict]) -> str:
    """The table for the README."""
    titles = ("network", "million weights", "images/s in training", "ms an image and call")
    titles += (
        "L_simple",
        f"at t = {SHAPE[0]}-{SHAPE[1]}",
        "digit-FID (95 %)",
        "KID",
        "read with > 0.9",
    )
    lines = [titles]
    for row in rows:
        cost = [""] * 5
        if "steps" in row:
            cost = [f"{row['parameters'] / 1e6:.2f}", f"{row['images_per_second']:.0f}"]
            cost += [f"{row['call_ms']:.2f}", f"{row['loss']:.4f}"]
            cost += [f"{row['shape_loss']:.4f}"]
        looks = [interval(row), f"{row['kid']:.4f}", f"{100 * row['confident']:.1f} %"]
        lines.append([row["network"], *cost, *looks])
    return table(lines)


def main() -> None:
    """Compare, print the table, and keep the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="of training, for each (10)")
    parser.add_argument("--samples", type=int, default=2000, help="digits drawn by each (2000)")
    parser.add_argument("--only", default="", help="candidates with this text in their names")
    parser.add_argument("--out", type=Path, default=RESULTS / "architectures.json")
    options = parser.parse_args()
    rows = compare(options.minutes, options.samples, options.only)
    write_whole(options.out, (json.dumps(rows, indent=1) + "\n").encode())
    print(markdown(rows))


if __name__ == "__main__":
    main()
