"""What the benchmarks share: taking turns, the machine in words, and where results go."""

import argparse
import importlib.metadata
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch

from ddpm_lessons.cli.tables import table
from ddpm_lessons.files import write_whole

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "diffusers", "denoising-diffusion-pytorch", "labml-nn")


def options(about: str, **more: tuple) -> argparse.Namespace:
    """The command line: --device, --threads, and each of `more`, a type, a default and a help."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, help="of the CPU (default: torch's choice)")
    for name, (kind, default, words) in more.items():
        flag = f"--{name.replace('_', '-')}"
        if kind is bool:
            parser.add_argument(flag, action="store_true", help=words)
        else:
            parser.add_argument(flag, type=kind, default=default, help=f"{words} ({default})")
    found = parser.parse_args()
    if found.threads:
        torch.set_num_threads(found.threads)
    return found


def seconds_of(job: Callable[[], object], device: str) -> float:
    """How long a call takes, with all that it has asked of the device."""
    _wait(device)
    start = time.perf_counter()
    job()
    _wait(device)
    return time.perf_counter() - start


def in_turn(
    jobs: dict[str, Callable[[], object]],
    *,
    rounds: int,
    device: str,
    before: dict[str, Callable[[], object]] | None = None,
) -> dict[str, list[float]]:
    """Seconds of each job, one call after another, round after round: what else the machine does
    hits all of them alike. A first round, which compiles and fills caches, does not count.

    before: what is called right before the job of the same name, and does not count.
    """
    found = {name: [] for name in jobs}
    for number in range(rounds + 1):
        for name, job in jobs.items():
            if before:
                before[name]()
            seconds = seconds_of(job, device)
            if number:
                found[name].append(seconds)
    return found


def machine(device: str) -> dict[str, str]:
    """What was measured on, in words."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "missing"
    gpu = {"gpu": torch.cuda.get_device_name(device)} if device.startswith("cuda") else {}
    return {"cpu": _cpu(), "threads": str(torch.get_num_threads()), **gpu, **versions}


def report(script: str, device: str, rows: list[dict], columns: dict[str, str]) -> None:
    """Print rows as a table, and keep them, with the machine, in results/SCRIPT-DEVICE.json.

    columns: the title of each key of a row, in order.
    """
    data = {"machine": machine(device), "rows": rows}
    write_whole(_path(script, device), (json.dumps(data, indent=1) + "\n").encode())
    print(", ".join(f"{name} {value}" for name, value in data["machine"].items()))
    lines = [[_words(row.get(key, "")) for key in columns] for row in rows]
    print("\n" + table([list(columns.values()), *lines]) + "\n")


def earlier(script: str, device: str) -> list[dict]:
    """The rows that `report` has kept from another time; none where it has not."""
    path = _path(script, device)
    return json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []


def _path(script: str, device: str) -> Path:
    return RESULTS / f"{script}-{torch.device(device).type}.json"


def _words(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def _cpu() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.processor()
