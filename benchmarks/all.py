"""Every table of the README, one script after another.

    python benchmarks/all.py [--device cuda] [--list]

On a GPU it takes some minutes, on two CPU cores three hours, most of them for quality.py. --list
only says what would be run.
"""

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

import torch

LINES = {
    "cpu": (
        "training.py",
        "sampling.py --images 16 --steps 60 --rounds 4",
        "sampling.py --images 64 --steps 10 --rounds 3",
        "ceiling.py",
        "memory.py",
        "startup.py --lessons",
        "samplers.py",
        "quality.py --minutes 5 10 20 --course 10 60",
    ),
    "cuda": (
        "training.py --batch 128 --rounds 50",
        "training.py --batch 512 --rounds 50 --large",
        "sampling.py --images 64 --steps 1000 --rounds 3",
        "ceiling.py --batch 512 --rounds 30",
        "memory.py --images 64 256 1024",
        "samplers.py --samples 10000",
        "quality.py --minutes 0.33 1 --course 1 5 --preset gpu",
    ),
}


def main() -> int:
    """Run the lines; returns how many failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--list", action="store_true")
    chosen, folder, failed = parser.parse_args(), Path(__file__).parent, 0
    for line in LINES[torch.device(chosen.device).type]:
        device = [] if line.startswith("startup.py") else ["--device", chosen.device]
        script, *words = [*shlex.split(line), *device]
        print(f"--> {script} {shlex.join(words)}", flush=True)
        if not chosen.list:
            failed += subprocess.run([sys.executable, folder / script, *words]).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
