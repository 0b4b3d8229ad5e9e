"""Measure how good a network's digits are, beside real ones."""

import argparse
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ddpm_lessons.cli.chunks import Chunks, fingerprint
from ddpm_lessons.cli.network import (
    add_network,
    choose_knobs,
    choose_network,
    device_of,
    draw,
    tell,
)
from ddpm_lessons.cli.options import add_device, choose_accelerator, whole
from ddpm_lessons.cli.report import Samples, measure, recall, write_pictures
from ddpm_lessons.cli.streams import choose_labels, stream
from ddpm_lessons.cli.tables import as_json, markdown
from ddpm_lessons.data import load_mnist, to_uint8
from ddpm_lessons.door import EpsModel
from ddpm_lessons.evaluation import BitsPerDim, bits_per_dim, bounds
from ddpm_lessons.loss import Bound
from ddpm_lessons.models import Pretrained, PretrainedLatent, to_images
from ddpm_lessons.models.classifier import SHAPE
from ddpm_lessons.models.compiled import Compiled
from ddpm_lessons.models.storage import write_atomically
from ddpm_lessons.posterior import VARIANCES
from ddpm_lessons.training import MixedPrecision

BOUND_CHUNK = 100  # images; their noise predictions for T = 1000 take 300 MB


def add(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "10,000 full chains take two to three hours on two CPU cores. Finished pieces are kept in\n"
        "--out: after Ctrl-C the same command goes on, and with --part several share the work."
    )
    parser.add_argument(
        "--n", "--samples", type=whole(2, 60_000), default=10_000, help="how many (10000)"
    )
    add_network(parser)
    parser.add_argument(
        "--bound-images", type=whole(0, 10_000), default=1000, help="for bits/dim (1000; 0: none)"
    )
    parser.add_argument("--chunk", type=whole(1, 10_000), default=250, help="samples a piece (250)")
    parser.add_argument("--float32", action="store_true", help="no bfloat16 for samples")
    parser.add_argument("--compile", action="store_true", help="faster, see models.compiled")
    parser.add_argument("--part", type=part, help="K/N: every Nth piece, from K (default: all)")
    parser.add_argument("--real-only", action="store_true", help="the floor: n training digits")
    out = Path("runs/evaluation")
    parser.add_argument("--out", type=Path, default=out, help=f"folder (default: {out})")
    add_device(parser)


def run(options: argparse.Namespace) -> int:
    """Sample, take the bound, measure; leave report.md, report.json and two pictures in --out."""
    if options.bound_images == 1:
        raise ValueError("--bound-images is 1, expected 0 or at least 2, for a standard error")
    accelerator = choose_accelerator(options.device)
    options.part = options.part or (accelerator.process_index + 1, accelerator.num_processes)
    device, report, samples = accelerator.device, {"settings": {"seed": options.seed}}, None
    if not options.real_only:
        report, samples = produce(options, accelerator)
        if not accelerator.is_main_process:
            return 0
        if samples is None:
            print("this part is done; give the command again when the others are, for the report")
            return 0
    report |= measure(samples, options.n, seed=options.seed, device=device)
    write_atomically(options.out / "report.json", as_json(report).encode())
    write_atomically(options.out / "report.md", markdown(report).encode())
    print(markdown(report))
    return 0


def produce(
    options: argparse.Namespace, accelerator: MixedPrecision
) -> tuple[dict, Samples | None]:
    """Make the missing pieces, and the pictures; returns what is known then, and the samples.

    None instead of the samples where other parts still have pieces to make, and in all processes
    but the first.
    """
    device = accelerator.device
    if options.network == "fashion":
        raise ValueError("--network is fashion, expected digits: a classifier of them judges")
    network = choose_network(options, device)
    check_digits(network)
    if isinstance(network, PretrainedLatent) and options.bound_images:
        found = f"--bound-images is {options.bound_images}"
        raise ValueError(f"{found}, expected 0: a network of latents gives pixels no bound")
    settings = describe(options, network, accelerator.enabled)
    samples = Chunks(options.out, "samples", settings)
    limits = Chunks(options.out, "bound", bound_settings(settings))
    if accelerator.is_main_process:
        print(f"{options.n:,} samples on {device}; to go on after Ctrl-C, give the command again")
    draw_samples(options, network, samples)
    draw_bounds(options, network, limits)
    accelerator.wait()
    wanted = pieces(options.n, options.chunk), pieces(options.bound_images, BOUND_CHUNK)
    others = samples.missing(wanted[0]) or limits.missing(wanted[1])
    if others or not accelerator.is_main_process:  # the first process alone goes on
        return {}, None
    drawn = gather(samples, options.n, options.chunk)
    numbers, near = recall(drawn.images, device)
    write_pictures(options.out, drawn.images, near)
    bits = gather_bits(limits, options.bound_images)
    return {"settings": settings, "memory": numbers, "bits_per_dim": bits}, drawn


def check_digits(network: Pretrained) -> None:
    """Raise ValueError unless the network draws what the classifier, which judges, can read."""
    drawn = torch.zeros(1, *network.config.shape, device=device_of(network))
    shape = tuple(to_images(network, drawn).shape[1:])
    if shape != SHAPE:
        found = f"draws images of {' x '.join(map(str, shape))}"
        expected = f"{' x '.join(map(str, SHAPE))}: a classifier of MNIST's digits judges them"
        raise ValueError(f"--checkpoint {found}, expected {expected}")


def part(text: str) -> tuple[int, int]:
    """The type of --part: "2/3" is (2, 3)."""
    numbers = text.split("/")
    if len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
        raise argparse.ArgumentTypeError(f"is {text!r}, expected K/N such as 1/2")
    k, n = map(int, numbers)
    if not 1 <= k <= n:
        raise argparse.ArgumentTypeError(f"is {text!r}, expected K/N with K in 1..N")
    return k, n


def describe(options: argparse.Namespace, network: Pretrained, bfloat16: bool) -> dict:
    """All that a sample depends on, but for its number; pieces of other settings do not mix."""
    return {
        "weights": fingerprint(network),
        "T": network.schedule.T,
        "sampler": options.sampler,
        **choose_knobs(options),
        "label": options.label,
        **({} if options.guidance == 1 else {"guidance": options.guidance}),
        "seed": options.seed,
        "chunk": options.chunk,
        "dtype": "bfloat16" if bfloat16 and not options.float32 else "float32",
        "compiled": options.compile,
    }


def bound_settings(settings: dict) -> dict:
    """All that a bound depends on. It takes float32: bfloat16's rounding weighs most at small t,
    where the bound has its largest terms, and would add some hundredths of a bit.
    """
    return {name: settings[name] for name in ("weights", "T", "clip_x0", "seed")}


def pieces(n: int, size: int) -> int:
    """How many pieces n images need. Pieces are made whole, so that they do not depend on n."""
    return -(-n // size)


def draw_samples(options: argparse.Namespace, network: Pretrained, chunks: Chunks) -> None:
    """Make this part's missing samples, as 8-bit images."""
    T, bfloat16 = network.schedule.T, chunks.settings["dtype"] == "bfloat16"
    precision = MixedPrecision(device_of(network), enabled=bfloat16)
    fast = network._replace(eps_model=Compiled(network.eps_model)) if options.compile else network
    todo = _mine(chunks.missing(pieces(options.n, options.chunk)), options.part)
    # The bar waits a moment: a sampler that refuses its arguments does so at the first step.
    with tqdm(total=T * len(todo), unit="t", desc="samples", delay=0.5, dynamic_ncols=True) as bar:
        for done, i in enumerate(todo):
            numbers = range(i * options.chunk, (i + 1) * options.chunk)
            labels = choose_labels(options.label, options.seed, numbers)
            eps_model = precision.autocasting(tell(fast, labels, options.guidance))
            for step in draw(options, network, numbers, eps_model=eps_model):
                bar.update(T * done + T - step.t - bar.n)
            told = {} if labels is None else {"labels": labels}
            chunks.write(i, {"images": to_uint8(to_images(network, step.x)), **told})


def draw_bounds(options: argparse.Namespace, network: Pretrained, chunks: Chunks) -> None:
    """Make this part's missing bounds, of test digits in an order of chance.

    The test set's first half is the easier one: the first images of it would flatter.
    """
    device = device_of(network)
    test = load_mnist("test")
    order = torch.randperm(len(test), generator=stream(options.seed, "bound"))
    todo = _mine(chunks.missing(pieces(options.bound_images, BOUND_CHUNK)), options.part)
    total = network.schedule.T * len(todo)
    with tqdm(total=total, unit="t", desc="bits/dim", delay=0.5, dynamic_ncols=True) as bar:
        eps_model = ticking(network.eps_model, bar)
        for i in todo:
            x_0 = test[order[i * BOUND_CHUNK : (i + 1) * BOUND_CHUNK]].to(device)
            found = bounds(
                eps_model,
                network.schedule,
                x_0,
                clip_x0=options.clip,
                generator=stream(options.seed, "bound", i + 1),
            )
            parts = {name: bound._asdict() for name, bound in found.items()}
            chunks.write(i, {f"{v}/{k}": x for v, terms in parts.items() for k, x in terms.items()})


def gather(chunks: Chunks, n: int, size: int) -> Samples:
    """The first n samples."""
    found = [chunks.read(i) for i in range(pieces(n, size))]
    images = torch.cat([piece["images"] for piece in found])[:n]
    told = "labels" in found[0]
    return Samples(images, torch.cat([piece["labels"] for piece in found])[:n] if told else None)


def gather_bits(chunks: Chunks, n: int) -> dict[str, BitsPerDim]:
    """The bound of the first n images for each variance; nothing for n = 0."""
    found = [chunks.read(i) for i in range(pieces(n, BOUND_CHUNK))]
    if not found:
        return {}
    return {
        variance: bits_per_dim(
            _first(n, [Bound(*(x[f"{variance}/{k}"] for k in Bound._fields)) for x in found])
        )
        for variance in VARIANCES
    }


def _first(n: int, batches: Iterable[Bound]) -> Bound:
    return Bound(*(torch.cat(parts, dim=-1)[..., :n] for parts in zip(*batches, strict=True)))


def _mine(missing: list[int], part: tuple[int, int]) -> list[int]:
    k, n = part
    return [i for i in missing if i % n == k - 1]


def ticking(eps_model: EpsModel, bar: tqdm) -> EpsModel:
    """The network; the bar counts its answers."""

    def answer(x_t: Tensor, t: Tensor) -> Tensor:
        bar.update()
        return eps_model(x_t, t)

    return answer
