"""What does a chain of 1000 steps cost, and how much of it is the network?

    python benchmarks/sampling.py [--device cuda] [--images 16] [--steps 50] [--rounds 5]

Each project's own sampler and bare calls of its network take turns. On a CPU some steps of each are
measured and multiplied: every step costs the same, but for the first ones after another's turn,
which do not count. The ratio of the two is what the loop adds; it cannot be below 1, because step t
needs the result of step t + 1.
"""

from statistics import median

import torch
from common import in_turn, options, report
from contenders import NARROW, SHIPPED, Contender, T, course, labml, lucidrains, ours, those_here

FIRST = 5  # steps, uncounted, before each turn
COLUMNS = {
    "name": "network and sampler",
    "recipe": "precision",
    "images": "images",
    "chain": "s for 1000 steps",
    "bare": "s for 1000 bare calls",
    "overhead": "ratio",
    "ratio": "times as fast as diffusers",
}


def bare(contender: Contender, x: torch.Tensor, steps: int) -> None:
    """That many calls of the network, on the same images."""
    t = torch.full((len(x),), 500, device=x.device)
    for _ in range(steps):
        contender.call(x, t)


def measure(contenders: list[Contender], n: int, *, steps: int, rounds: int, device: str) -> list:
    """The rows for n images."""
    jobs, before = {}, {}
    for i, contender in enumerate(contenders):
        x = torch.randn(n, 1, contender.size, contender.size, device=device)
        jobs[f"chain {i}"] = lambda c=contender, x=x: c.chain(x, steps)
        jobs[f"bare {i}"] = lambda c=contender, x=x: bare(c, x, steps)
        before[f"chain {i}"] = before[f"bare {i}"] = lambda c=contender, x=x: c.chain(x, FIRST)
    seconds = in_turn(jobs, rounds=rounds, device=device, before=before)
    rows = []
    for i, contender in enumerate(contenders):
        pairs = zip(seconds[f"chain {i}"], seconds[f"bare {i}"], strict=True)
        chain = median(seconds[f"chain {i}"]) * T / steps
        rows.append(
            {
                "name": contender.name,
                "recipe": contender.recipe,
                "images": n,
                "chain": chain,
                "bare": median(seconds[f"bare {i}"]) * T / steps,
                "overhead": median([chain / call for chain, call in pairs]),
                "ratio": median(seconds["chain 0"]) * T / steps / chain,
            }
        )
    return rows


def main() -> None:
    """Measure, print, keep."""
    chosen = options(
        __doc__.splitlines()[0],
        images=(int, 16, "images a chain"),
        steps=(int, 50, "steps that are measured"),
        rounds=(int, 5, "chains of each that count"),
    )
    device = chosen.device
    contenders = those_here(
        lambda: course(device),
        lambda: lucidrains(device, dim=24, multiples=(1, 2, 4)),
        lambda: labml(device),
        lambda: ours("ours, 16-64-128", NARROW, device),
        lambda: ours("ours, 16-64-128", NARROW, device, compiled=True),
        lambda: ours("ours, 32-96-160", SHIPPED, device),
        lambda: ours("ours, 32-96-160", SHIPPED, device, compiled=True),
    )
    rows = measure(
        contenders, chosen.images, steps=chosen.steps, rounds=chosen.rounds, device=device
    )
    report(f"sampling-{chosen.images}", device, rows, COLUMNS)


if __name__ == "__main__":
    main()
