"""How much of what the machine can compute does the network use, and where does the rest go?

    python benchmarks/ceiling.py [--device cuda] [--batch 128] [--rounds 7]

The ceiling is a large matrix product, measured in turn with the network. The second table is the
profiler's: the time of each kind of operation, as a share of all of it.
"""

import re
from statistics import median

import torch
from common import in_turn, options, report
from contenders import NARROW, SHIPPED, ours
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

SIDE = 2048  # of the matrices
COLUMNS = {
    "name": "what",
    "gigaflop": "GFLOP an image",
    "rate": "images/s",
    "teraflops": "TFLOP/s",
    "share": "share of the matrix product",
}
KINDS = {  # the first that fits an operation's name
    "convolution, backward": r"convolution_backward|convolution.*bwd|dgrad|wgrad",
    "convolution, forward": r"conv",
    "matrix product": r"mm|matmul|linear|gemm|attention",
    "norm": r"norm|var_mean",
    "optimiser and average": r"adam|foreach|lerp|fused",
    "copies and casts": r"copy|_to|contiguous|clone|cat|fill|zero|memcpy|memset",
    "noise": r"normal|random|uniform",
    "SiLU and sums": r"silu|sigmoid|add|mul|div|sub|exp|softmax|mse|elementwise|reduce|sum",
}


def profile_of(job: object, device: str, *, calls: int = 3) -> dict[str, float]:
    """The share of each kind of operation in the time that the device computes."""
    cuda = device.startswith("cuda")
    activity = ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU
    with profile(activities=[activity]) as found:
        for _ in range(calls):
            job()
    times: dict[str, float] = {}
    for event in found.key_averages():
        seconds = event.self_device_time_total if cuda else event.self_cpu_time_total
        kind = next(
            (k for k, words in KINDS.items() if re.search(words, event.key.lower())), "rest"
        )
        times[kind] = times.get(kind, 0.0) + seconds
    whole = sum(times.values()) or 1.0
    return {kind: times.get(kind, 0.0) / whole for kind in [*KINDS, "rest"]}


def flops(job: object) -> int:
    """Floating-point operations of a call: convolutions and matrix products."""
    with FlopCounterMode(display=False) as counter:
        job()
    return counter.get_total_flops()


def main() -> None:
    """Measure, print, keep."""
    chosen = options(
        __doc__.splitlines()[0],
        batch=(int, 128, "images a call"),
        rounds=(int, 7, "calls of each that count"),
    )
    device, jobs, work = chosen.device, {}, {}
    for dtype in (torch.float32, torch.bfloat16):
        a = torch.randn(SIDE, SIDE, device=device, dtype=dtype)
        name = f"matrix product, {str(dtype).removeprefix('torch.')}"
        jobs[name], work[name] = lambda a=a: a @ a, 2 * SIDE**3
    x = 2 * torch.rand(chosen.batch, 1, 28, 28, device=device) - 1
    t = torch.full((chosen.batch,), 500, device=device)
    for config in (NARROW, SHIPPED):
        name = "-".join(map(str, config.widths))
        plain = ours(name, config, device)
        fast = ours(name, config, device, compiled=True)
        forward = flops(lambda c=plain: c.call(x, t))
        for words, job, passes in (
            ("one call", lambda c=plain: c.call(x, t), 1),
            ("one call, compiled", lambda c=fast: c.call(x, t), 1),
            ("a step of training", lambda c=plain: c.step(x), 3),
            ("a step of training, compiled", lambda c=fast: c.step(x), 3),
        ):
            jobs[f"{name}: {words}"], work[f"{name}: {words}"] = job, passes * forward
    seconds = {
        name: median(found)
        for name, found in in_turn(jobs, rounds=chosen.rounds, device=device).items()
    }
    ceiling = max(work[name] / took for name, took in seconds.items() if "matrix" in name)
    rows = [
        {
            "name": name,
            "gigaflop": "" if "matrix" in name else work[name] / chosen.batch / 1e9,
            "rate": "" if "matrix" in name else round(chosen.batch / took),
            "teraflops": work[name] / took / 1e12,
            "share": f"{100 * work[name] / took / ceiling:.0f} %",
        }
        for name, took in seconds.items()
    ]
    report("ceiling", device, rows, COLUMNS)
    shares = {name: profile_of(job, device) for name, job in jobs.items() if "matrix" not in name}
    rows = [
        {
            "name": "the rest; compiled, also norms, SiLU and sums" if kind == "rest" else kind,
            **{name: f"{100 * share[kind]:.0f} %" for name, share in shares.items()},
        }
        for kind in [*KINDS, "rest"]
    ]
    report("profile", device, rows, {"name": "share of the time", **{n: n for n in shares}})


if __name__ == "__main__":
    main()
