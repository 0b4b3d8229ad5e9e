"""How many images a second does each project train on? All take turns, step by step.

    python benchmarks/training.py [--device cuda] [--batch 128] [--rounds 9] [--large]

The first rows have about as many weights each, in pairs; the others are each project's own choice.
--large adds denoising-diffusion-pytorch's default network, which takes minutes a step on a CPU.
"""

from statistics import median

import torch
from common import in_turn, options, report
from contenders import (
    LIKE_COURSE,
    LIKE_LABML,
    NARROW,
    SHIPPED,
    course,
    labml,
    lucidrains,
    ours,
    those_here,
)

COLUMNS = {
    "name": "network and loop",
    "recipe": "precision",
    "million": "million weights",
    "rate": "images/s",
    "ratio": "times the course's",
    "milliseconds": "ms a step (median)",
    "spread": "ms, fastest to slowest",
}


def main() -> None:
    """Measure, print, keep."""
    chosen = options(
        __doc__.splitlines()[0],
        batch=(int, 128, "images a step"),
        rounds=(int, 9, "steps of each that count"),
        large=(bool, False, "the 36 million weights of denoising-diffusion-pytorch too"),
    )
    device = chosen.device
    large = [lambda: lucidrains(device, dim=64, multiples=(1, 2, 4, 8))]
    contenders = those_here(
        lambda: course(device),
        lambda: course(device, bfloat16=True),
        lambda: ours("ours, 16-80-160", LIKE_COURSE, device),
        lambda: lucidrains(device, dim=24, multiples=(1, 2, 4)),
        lambda: labml(device),
        lambda: ours("ours, 16-96-224", LIKE_LABML, device),
        lambda: ours("ours, 16-64-128 (preset quick)", NARROW, device),
        lambda: ours("ours, 16-64-128 (preset quick)", NARROW, device, compiled=True),
        lambda: ours("ours, 32-96-160 (the weights of the course)", SHIPPED, device),
        lambda: ours("ours, 32-96-160 (the weights of the course)", SHIPPED, device, compiled=True),
        *(large if chosen.large else []),
    )
    batches = {
        size: 2 * torch.rand(chosen.batch, 1, size, size, device=device) - 1 for size in (28, 32)
    }
    jobs = {str(i): lambda c=c: c.step(batches[c.size]) for i, c in enumerate(contenders)}
    seconds = in_turn(jobs, rounds=chosen.rounds, device=device)
    slowest = median(seconds["0"])
    rows = [
        {
            "name": contender.name,
            "recipe": contender.recipe,
            "million": round(contender.weights / 1e6, 2),
            "rate": round(chosen.batch / median(times)),
            "ratio": slowest / median(times),
            "milliseconds": 1000 * median(times),
            "spread": f"{1000 * min(times):.0f}-{1000 * max(times):.0f}",
        }
        for contender, times in zip(contenders, seconds.values(), strict=True)
    ]
    report(f"training-{chosen.batch}", device, rows, COLUMNS)


if __name__ == "__main__":
    main()
