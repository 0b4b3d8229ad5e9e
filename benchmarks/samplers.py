"""Every sampler on one checkpoint: the digit-FID of its samples against its calls of the network.

    python benchmarks/samplers.py [--device cuda] [--samples 1000] [--calls 5 10 20 50 100]

The same noise x_T, the same even grid from T to 1 and the same clipping for all; beside the numbers
stands what real training digits score. Below the samplers, at 20 calls: networks that are told a
label, with guidance, and the one that draws latents. Rows that results/ holds already, for as many
samples, are kept: the hours can be spent in pieces. --again measures them anew.
"""

import argparse
import time
from collections.abc import Iterator
from functools import cache, partial
from typing import NamedTuple

import torch
from common import earlier, report
from judging import features, floor, interval, judge
from torch import Tensor

from ddpm_lessons import SAMPLERS, guided
from ddpm_lessons.data import load_mnist, to_uint8
from ddpm_lessons.models import Pretrained, PretrainedLatent, load_pretrained, to_images
from ddpm_lessons.models.compiled import Compiled
from ddpm_lessons.training import MixedPrecision

BATCH, CALLS = 100, (5, 10, 20, 50, 100)
COLUMNS = {
    "name": "method",
    "calls": "calls",
    "milliseconds": "ms an image",
    "interval": "digit-FID (95 %)",
    "share": "read with > 0.9",
}


class Method(NamedTuple):
    """One row: a network, a sampler with its options, and how often it asks."""

    name: str
    network: str  # a key of PRETRAINED
    sampler: str  # a key of SAMPLERS
    calls: int
    knobs: dict
    weight: float | None = None  # of guidance, where labels are told

    @property
    def key(self) -> tuple:
        """What tells rows apart."""
        return (self.name, self.calls)


def methods(calls: list[int]) -> Iterator[Method]:
    """All rows, the quick ones first."""
    for n in calls:
        yield Method("DDIM", "mnist", "ddim", n, {"steps": n})
        yield Method("DDIM, eta = 1", "mnist", "ddim", n, {"steps": n, "eta": 1.0})
        # Two calls a step, one in the last.
        yield Method("Heun", "mnist", "heun", n // 2 * 2 - 1, {"steps": n // 2})
        yield Method("DPM-Solver++(2M)", "mnist", "dpm_solver", n, {"steps": n})
        yield Method("SDE-DPM-Solver++(2M)", "mnist", "sde", n, {"steps": n})
    twenty = ("dpm_solver", 20, {"steps": 20})
    for weight in (1.0, 1.5, 3.0):
        name = f"told labels, weight {weight:g}"
        yield Method(name, "mnist-labels", *twenty, weight)
    yield Method("latent diffusion", "mnist-latent", *twenty)
    for variance in ("beta", "posterior"):
        name = f"DDPM, variance {variance}"
        yield Method(name, "mnist", "ddpm", 1000, {"variance": variance})


def draw(method: Method, network: Pretrained, labels: Tensor, device: str) -> tuple[Tensor, float]:
    """A digit for each of the labels, uint8, and the seconds that it took. Most networks are not
    told the labels. A first call, which may compile, does not count.
    """
    generator, noise = (torch.Generator().manual_seed(seed) for seed in (1, 2))
    clip = None if isinstance(network, PretrainedLatent) else 1.0  # latents have no bounds
    sampler = partial(SAMPLERS[method.sampler], **method.knobs, clip_x0=clip)
    model, images, seconds = network.eps_model, [], 0.0
    for own in labels.split(BATCH):
        x_T = torch.randn(len(own), *network.config.shape, generator=generator).to(device)
        told = model if method.weight is None else guided(model, own.to(device), method.weight)
        eps_model = MixedPrecision(device).autocasting(told)
        with torch.no_grad():
            eps_model(x_T, torch.full((len(own),), network.schedule.T, device=device))
        start = time.perf_counter()
        *_, last = sampler(eps_model, network.schedule, x_T, generator=noise)
        images.append(to_uint8(to_images(network, last.x)).cpu())
        seconds += time.perf_counter() - start
    return torch.cat(images), seconds


@cache
def compiled(name: str, device: str) -> Pretrained:
    """A network of the course, compiled when it is first asked."""
    network = load_pretrained(name, device=device)
    return network._replace(eps_model=Compiled(network.eps_model))


def row(method: Method, found: dict, *, samples: int, seconds: float) -> dict:
    """A line of the table."""
    return {
        "name": method.name,
        "network": method.network,
        "sampler": method.sampler,
        "calls": method.calls,
        "samples": samples,
        "milliseconds": 1000 * seconds / samples,
        "interval": interval(found),
        "share": f"{100 * found['confident']:.1f} %",
        **found,
    }


def main() -> None:
    """Draw, judge, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--calls", type=int, nargs="*", default=CALLS)
    parser.add_argument("--only", default="", help="rows whose names contain this")
    parser.add_argument("--again", action="store_true")
    chosen = parser.parse_args()
    n, device, train = chosen.samples, chosen.device, load_mnist("train")
    reference = features(load_mnist("test"))
    real = Method("real digits", "", "", 0, {})
    rows = {real.key: row(real, floor(train, reference, n), samples=n, seconds=0.0)}
    old = [x for x in earlier("samplers", device) if x["samples"] == n]
    rows |= {(x["name"], x["calls"]): x for x in old}
    labels = train.labels[
        torch.randperm(len(train), generator=torch.Generator().manual_seed(3))[:n]
    ]
    for method in methods(chosen.calls):
        known = method.key in rows and not chosen.again
        if known or chosen.only not in method.name:
            continue
        images, seconds = draw(method, compiled(method.network, device), labels, device)
        found = judge(images, reference)
        rows[method.key] = row(method, found, samples=n, seconds=seconds)
        print(rows[method.key], flush=True)
        order = sorted(rows.values(), key=lambda x: (x["name"], x["calls"]))
        report("samplers", device, order, COLUMNS)


if __name__ == "__main__":
    main()
