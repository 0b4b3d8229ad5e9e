"""Time to quality: the digit-FID that a training from scratch has reached after so many seconds.

    python benchmarks/quality.py [--device cuda] [--minutes 5 10 20] [--course 10 60] [--eta 0 1]

Our recipe (the preset "quick", as many steps as fit) is run once for each length, because its
learning rate falls to 0 at the end; the Hugging Face course's network and recipe (float32, Adam at
a constant rate) is run once, and judged on the way. All take turns of some seconds; only its own
seconds count for each. Beside every number stands what real training digits score. --preset adds
one of our presets with all its steps, compiled; what the compiler takes does not count. --eta is
the noise of DDIM, by which all are judged, once for each value: without noise, what a network gets
wrong adds up.

The hours can be spent in pieces: rows are added to those in results/, and the course's training is
kept in --keep when it is judged, to go on from there.
"""

import argparse
import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from common import earlier, report
from contenders import Contender, T, course
from judging import draw, features, floor, interval, judge

from ddpm_lessons import linear_schedule
from ddpm_lessons.cli.train import steps_within
from ddpm_lessons.data import Batches, Digits, load_mnist
from ddpm_lessons.door import EpsModel
from ddpm_lessons.models.storage import read_tensors, write_tensors
from ddpm_lessons.training import PRESETS, MixedPrecision, Preset, start_run, steps_of

TURN = 5.0  # seconds at a time
COURSE = "the course's network, Adam, float32"
KEPT = "ddpm_lessons.benchmark/1"
COLUMNS = {
    "name": "recipe",
    "eta": "eta",
    "minutes": "minutes",
    "images": "images seen",
    "interval": "digit-FID (95 %)",
    "kid": "KID",
    "share": "read with > 0.9",
}


class Racer:
    """A training that is advanced turn by turn, and judged when its own seconds reach a mark.

    step: trains one step and returns how many images it saw; 0 when the training is finished.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], int],
        eps_model: Callable[[], EpsModel],
        marks: list[float],
    ) -> None:
        self.name, self.step, self.eps_model, self.marks = name, step, eps_model, sorted(marks)
        self.seconds, self.images, self.bfloat16 = 0.0, 0, None
        self.schedule = linear_schedule(T)
        self.keep: Callable[[], None] = lambda: None  # called at each mark

    def advance(self, device: str) -> float | None:
        """Train for a turn; returns the mark if that, or the end, was reached."""
        start, end = time.perf_counter(), min(self.seconds + TURN, self.marks[0])
        seen = 1
        while seen and self.seconds + time.perf_counter() - start < end:
            seen = self.step()
            self.images += seen
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)
        self.seconds += time.perf_counter() - start
        if seen and self.seconds < self.marks[0]:
            return None
        return self.marks.pop(0)


def timed_racer(digits: Digits, seconds: float, device: str) -> Racer:
    """The preset "quick" in as many steps as fit: measured first, on a run that is thrown away."""
    preset, accelerator = PRESETS["quick"], MixedPrecision(device)
    fit = steps_within(preset, digits, seconds, accelerator=accelerator)
    decay = 0.99 if fit < 4000 else 0.999  # the average must forget the beginning
    preset = dataclasses.replace(preset, steps=fit, ema_decay=decay)
    return our_racer("quick", preset, digits, accelerator, seconds=seconds)


def whole_racer(name: str, digits: Digits, device: str) -> Racer:
    """All the steps of a preset, compiled beforehand."""
    preset, accelerator = PRESETS[name], MixedPrecision(device, compiled=True)
    for n in {preset.batch_size, len(digits) % preset.batch_size or preset.batch_size}:
        some = dataclasses.replace(preset, batch_size=n, images=None)
        next(steps_of(start_run(some, digits, device=device), accelerator))
    return our_racer(name, preset, digits, accelerator, seconds=math.inf)


def our_racer(
    name: str, preset: Preset, digits: Digits, accelerator: MixedPrecision, *, seconds: float
) -> Racer:
    """Our training by a preset, for so many seconds at most."""
    run = start_run(preset, digits, device=accelerator.device)
    steps = steps_of(run, accelerator)

    def step() -> int:
        if run.step == preset.steps:
            return 0
        next(steps)
        run.step += 1
        return preset.batch_size

    racer = Racer(f"ours, preset {name}", step, lambda: run.ema.module, [seconds])
    racer.schedule = run.schedule
    return racer


def course_racer(
    digits: Digits, marks: list[float], device: str, *, keep: Path, done: set[float]
) -> Racer:
    """The course's network and recipe, batches of 128. keep: the file of its state at its last
    mark, which is judged now if its minutes are not among those `done`.
    """
    contender, images, seconds = course(device), 0, 0.0
    if keep.exists():
        images, seconds = go_on(contender, keep)
    order = torch.Generator().manual_seed(images)  # others than before
    batches = Batches(digits, 128, generator=order, device=device)

    def step() -> int:
        x_0, _ = next(batches)
        contender.network.train()
        contender.step(x_0)
        return len(x_0)

    def eps_model() -> EpsModel:
        contender.network.eval()
        return lambda x, t: contender.call(x, t - 1)  # diffusers counts from 0

    kept = {mark for mark in marks if seconds - TURN < mark <= seconds and mark / 60 not in done}
    left = [mark for mark in marks if mark > seconds or mark in kept]
    racer = Racer(COURSE, step, eps_model, left)
    racer.bfloat16, racer.images, racer.seconds = False, images, seconds
    racer.keep = lambda: put(contender, keep, images=racer.images, seconds=racer.seconds)
    return racer


def put(contender: Contender, path: Path, **header: float) -> None:
    """Keep a contender's weights and the state of its optimiser."""
    moments = contender.optimizer.state_dict()["state"]
    tensors = {f"network/{name}": x for name, x in contender.network.state_dict().items()}
    tensors |= {f"{i}/{name}": x for i, own in moments.items() for name, x in own.items()}
    write_tensors(path, tensors, {"format": KEPT, **header})


def go_on(contender: Contender, path: Path) -> tuple[int, float]:
    """Go back to what was kept; returns the images that it has seen, and the seconds."""
    tensors, header = read_tensors(path, KEPT)
    weights, moments = {}, {}
    for name, x in tensors.items():
        place, rest = name.split("/", 1)
        if place == "network":
            weights[rest] = x
        else:
            moments.setdefault(int(place), {})[rest] = x
    contender.network.load_state_dict(weights)
    groups = contender.optimizer.state_dict()["param_groups"]
    contender.optimizer.load_state_dict({"state": moments, "param_groups": groups})
    return header["images"], header["seconds"]


def race(
    racers: list[Racer], reference: torch.Tensor, n: int, *, device: str, etas: list[float]
) -> Iterator[dict]:
    """A row for each mark of each racer and each eta of the DDIM that it is judged by."""
    racers = [racer for racer in racers if racer.marks]
    while racers:
        for racer in racers:
            mark = racer.advance(device)
            if mark is None:
                continue
            racer.keep()
            for eta in etas:
                how = {"device": device, "enabled": racer.bfloat16, "eta": eta}
                drawn = draw(racer.eps_model(), racer.schedule, n, **how)
                own = row(racer.name, judge(drawn, reference), racer)
                yield own | {"eta": eta, "mark": "all" if math.isinf(mark) else mark / 60}
        racers = [racer for racer in racers if racer.marks]


def row(name: str, found: dict, racer: Racer | None = None) -> dict:
    """A line of the table, with the numbers of `judge`."""
    return {
        "name": name,
        "eta": "",
        "mark": "",
        "minutes": racer.seconds / 60 if racer else "",
        "images": racer.images if racer else "",
        "interval": interval(found),
        "share": f"{100 * found['confident']:.1f} %",
        **found,
    }


def main() -> None:
    """Race, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--minutes", type=float, nargs="*", default=[5.0, 10.0, 20.0])
    parser.add_argument("--course", type=float, nargs="*", default=[10.0, 20.0, 60.0])
    parser.add_argument("--eta", type=float, nargs="+", default=[0.0], help="of the sampler")
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--preset", choices=PRESETS)
    keep = Path("runs/quality.safetensors")
    parser.add_argument("--keep", type=Path, default=keep, help=f"default: {keep}")
    chosen = parser.parse_args()
    device, train = chosen.device, load_mnist("train")
    reference = features(load_mnist("test"))
    racers = [timed_racer(train, 60 * minutes, device) for minutes in chosen.minutes]
    if chosen.preset:
        racers.append(whole_racer(chosen.preset, train, device))
    if chosen.course:
        marks = [60 * m for m in sorted(chosen.course)]
        rows = [x for x in earlier("quality", device) if x["name"] == COURSE]
        judged = [{x["mark"] for x in rows if x["eta"] == eta} for eta in chosen.eta]
        done = set.intersection(*judged)
        racers.append(course_racer(train, marks, device, keep=chosen.keep, done=done))
    put_down(row("real digits", floor(train, reference, chosen.samples)), device)
    for own in race(racers, reference, chosen.samples, device=device, etas=chosen.eta):
        put_down(own, device)


def put_down(own: dict, device: str) -> None:
    """Keep and print a row among those that are there."""
    same = [own[key] for key in ("name", "mark", "eta")]
    others = earlier("quality", device)
    rows = [x for x in others if [x[key] for key in ("name", "mark", "eta")] != same] + [own]
    rows.sort(key=lambda x: (x["name"], x["minutes"] or 0, x["eta"] or 0))
    report("quality", device, rows, COLUMNS)


if __name__ == "__main__":
    main()
