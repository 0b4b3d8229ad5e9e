"""Several processes train as one would: the same gradients, the same weights, the same files."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import launched
import numpy as np
import oracles
import psutil
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from ddpm_lessons.cli import main
from ddpm_lessons.data import load_mnist
from ddpm_lessons.training import (
    PRESETS,
    MixedPrecision,
    Processes,
    load_checkpoint,
    load_network,
    start_run,
)
from ddpm_lessons.training.loop import part, share

ALONE = {**os.environ, "OMP_NUM_THREADS": "1"}  # two processes share the cores


def launch(*words: str, cwd: Path) -> subprocess.Popen:
    """Two processes of our own, on the CPU."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    return subprocess.Popen(
        [*torchrun, *words],
        cwd=cwd,
        env=ALONE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen, *, expected: int = 0) -> str:
    output, _ = process.communicate(timeout=240)
    assert process.returncode == expected, output
    return output


# --- one training in two processes ---


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> Path:
    """The folder that two processes have written to."""
    folder = tmp_path_factory.mktemp("two")
    finish(launch(launched.__file__, str(folder), cwd=folder))
    return folder


@pytest.fixture(scope="module")
def two(job) -> list[dict[str, torch.Tensor]]:
    """What each of two processes found."""
    return [load_file(job / f"{rank}.safetensors") for rank in (0, 1)]


@pytest.fixture(scope="module")
def one() -> dict[str, torch.Tensor]:
    """What one process finds."""
    return launched.work(MixedPrecision("cpu", enabled=False))


@pytest.mark.parametrize("step", range(launched.STEPS))
def test_the_gradient_of_a_global_batch_is_that_of_one_process(step, one, two):
    """Also where the shares are unequal; each weighs as much as it has images."""
    expected = one[f"gradient/{step}"]
    assert expected.abs().max() > 1e-3
    for rank in two:
        oracles.agree(rank[f"gradient/{step}"], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("step", range(launched.STEPS))
@pytest.mark.parametrize("name", ["x_t", "t", "labels"])
def test_the_batch_is_parted_without_gap_or_overlap(name, step, one, two):
    found = torch.cat([rank[f"{name}/{step}"] for rank in two])
    assert torch.equal(found, one[f"{name}/{step}"])
    assert min(len(rank[f"{name}/{step}"]) for rank in two) >= 1


@pytest.mark.parametrize("name", ["weights", "average"])
def test_all_processes_hold_the_weights_of_one(name, one, two):
    assert torch.equal(two[0][name], two[1][name])
    oracles.agree(two[0][name], one[name], rtol=1e-7, atol=1e-9)


def test_all_processes_have_drawn_the_same_noise(one, two):
    """So that another number of processes can go on from their checkpoint."""
    for rank in two:
        assert torch.equal(rank["rng"], one["rng"])


def test_one_process_goes_on_where_two_have_stopped(job):
    alone = MixedPrecision("cpu", enabled=False)
    straight, run = launched.six_steps(), launched.six_steps()
    launched.advance(straight, alone, 6)
    load_checkpoint(job / "half.safetensors", run)
    assert run.step == 3
    launched.advance(run, alone, 3)
    for name in ("model", "ema"):
        for x, y in zip(*(getattr(r, name).parameters() for r in (run, straight)), strict=True):
            oracles.agree(x, y, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n", [2, 5])
def test_shares_come_together_in_order(n, one, two):
    for found in (one, *two):
        assert found[f"gathered/{n}"].tolist() == [10 * i for i in range(n)]


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("n", [7, 8, 64])
def test_parts_are_as_equal_as_may_be(n, count):
    rows = [list(range(n)[part(n, i, count)]) for i in range(count)]
    assert [i for row in rows for i in row] == list(range(n))
    assert max(map(len, rows)) - min(map(len, rows)) <= 1

    accelerator, weights = MixedPrecision("cpu"), []
    accelerator.num_processes = count
    for accelerator.process_index in range(count):
        weights.append(share(accelerator, n)[1])
    oracles.agree(torch.tensor(weights), torch.tensor([len(r) * count / n for r in rows]))


def test_more_processes_than_images_are_refused():
    accelerator = MixedPrecision("cpu")
    accelerator.num_processes = 3
    with pytest.raises(ValueError, match="2 images, expected at least 3, one for each process"):
        share(accelerator, 2)


def test_each_process_chooses_its_own_device():
    with pytest.raises(ValueError, match="--device is 'cuda:1', expected auto or cpu"):
        Processes("cuda:1")


def test_without_accelerate_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(ValueError, match=r"several processes need .*: pip install accelerate"):
        Processes()


# --- the commands ---

TRAIN = ("-m", "ddpm_lessons", "train", "--preset", "tiny", "--device", "cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("commands")


@pytest.fixture(scope="module")
def trained(folder) -> Path:
    """The folder of a training by two processes, which a third one may go on from."""
    output = finish(launch(*TRAIN, "--batch-size", "6", "--out", "two", cwd=folder))
    assert output.count("2 processes, device cpu") == output.count("8 steps in") == 1
    return folder / "two"


def test_two_processes_write_what_one_writes(trained, folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert main(["train", *TRAIN[3:], "--batch-size", "6", "--out", "one"]) == 0
    expected, found = (load_file(folder / n / "weights.safetensors") for n in ("one", "two"))
    for (
        name,
        x,
    ) in expected.items():  # bfloat16, where there is some, rounds another batch otherwise
        oracles.agree(found[name], x, atol=3e-3)
    lines = (folder / "two/log.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1  # the head: a line comes after 50 steps


def test_two_processes_draw_what_one_draws(trained, folder, monkeypatch):
    monkeypatch.chdir(folder)
    words = ["sample", "--checkpoint", str(trained / "weights.safetensors"), "--samples", "5"]
    words += ["--scale", "1", "--device", "cpu", "--out"]
    finish(launch("-m", "ddpm_lessons", *words, "two.png", cwd=folder))
    assert main([*words, "one.png"]) == 0
    one, two = (np.array(Image.open(folder / f"{n}.png")).astype(int) for n in ("one", "two"))
    assert one.std() > 20
    assert np.abs(one - two).max() <= 1


def begin(folder: Path) -> subprocess.Popen:
    """A long training, some steps after its beginning."""
    process, log = launch(*TRAIN, "--steps", "100000", cwd=folder), folder / "runs/tiny/log.csv"
    deadline = time.monotonic() + 120
    while not (log.exists() and len(log.read_text(encoding="utf-8").splitlines()) > 2):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return process


def test_ctrl_c_stops_all_processes_after_the_same_step(tmp_path):
    process = begin(tmp_path)
    process.send_signal(signal.SIGINT)
    output = finish(process, expected=1)  # the launcher's own way to say that it was stopped
    assert "stopped after step" in output
    assert "lost another one" not in output
    run = start_run(PRESETS["tiny"], load_mnist("train"))
    load_checkpoint(tmp_path / "runs/tiny/checkpoint.safetensors", run)
    assert f"stopped after step {run.step}." in output
    assert run.step >= 100


def test_a_killed_process_ends_the_run_and_leaves_a_checkpoint_that_is_whole(tmp_path):
    process = begin(tmp_path)
    workers = psutil.Process(process.pid).children(recursive=True)
    next(worker for worker in workers if worker.environ().get("RANK") == "1").kill()
    output = finish(process, expected=1)
    assert "process 0 of 2 failed, or has lost another one" in output
    assert "checkpoint.safetensors is whole: go on with --resume" in output
    assert load_network(tmp_path / "runs/tiny/checkpoint.safetensors").config.T == 20
