"""Checkpoints: a run that stopped goes on as if it had not; files that do not fit are refused."""

import copy
import os
import random
import signal
import sys
import time
import timeit
from pathlib import Path
from typing import NoReturn

import pytest
import torch

from ddpm_lessons import cosine_schedule, linear_schedule
from ddpm_lessons.data import Batches, load_mnist
from ddpm_lessons.data.digits import Digits
from ddpm_lessons.models import CheckpointError, UNet, UNetConfig, load_weights, save_weights
from ddpm_lessons.models.storage import plain_names, read_header, read_tensors, write_tensors
from ddpm_lessons.training import (
    Ema,
    MixedPrecision,
    Run,
    load_checkpoint,
    load_network,
    read_about,
    save_checkpoint,
    steps_of,
)
from ddpm_lessons.training.checkpoint import CHECKPOINT

SMALL = UNetConfig(widths=(8, 16), blocks=(1, 1), groups=4, time_width=8, T=20)


@pytest.fixture(scope="module")
def digits() -> Digits:
    all_of_them = load_mnist("test")
    return Digits(all_of_them.images[:64], all_of_them.labels[:64])


def make_run(digits: Digits, *, seed: int = 0, config: UNetConfig = SMALL, **parts: object) -> Run:
    torch.manual_seed(seed)
    model = UNet(config)
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.8, 0.99))
    run = Run(
        model=model,
        schedule=cosine_schedule(T=20),
        batches=Batches(digits, 24, generator=generator),  # 3 a pass, the last one smaller
        optimizer=optimizer,
        lr_scheduler=torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 30),
        ema=Ema(model, 0.9),
        generator=generator,
    )
    for name, part in parts.items():
        setattr(run, name, part)
    return run


def advance(run: Run, steps: int, *, bfloat16: bool = False) -> list[float]:
    losses = []
    for result in steps_of(run, MixedPrecision("cpu", enabled=bfloat16)):
        torch.rand(3)  # whatever else draws from torch's global generator
        losses.append(result.loss.item())
        run.step += 1
        if len(losses) == steps:
            return losses


def everything(run: Run) -> dict:
    """All of a run's state, copied."""
    return copy.deepcopy(
        {
            "model": run.model.state_dict(),
            "ema": run.ema.state_dict(),
            "optimizer": run.optimizer.state_dict(),
            "lr_scheduler": run.lr_scheduler.state_dict(),
            "batches": run.batches.state_dict(),
            "noise": run.generator.get_state(),
            "torch": torch.get_rng_state(),
            "step": run.step,
            "seconds": run.seconds,
        }
    )


def assert_same(a: object, b: object, where: str = "run") -> None:
    """Bit for bit, type for type, all the way down."""
    assert type(a) is type(b), f"{where}: {type(a)} and {type(b)}"
    if isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype, where
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_same(a[key], b[key], f"{where}[{key!r}]")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}[{i}]")
    else:
        assert a == b, where


# --- going on (traps 62-67) ---


@pytest.mark.parametrize("bfloat16", [False, True])
@pytest.mark.parametrize("stop", [10, 9, 0], ids=["in a pass", "between passes", "at the start"])
def test_twenty_steps_are_some_and_a_resume_and_the_rest(digits, tmp_path, stop, bfloat16):
    path = tmp_path / "c.safetensors"
    straight = make_run(digits)
    losses = advance(straight, 20, bfloat16=bfloat16)
    expected = everything(straight)

    first = make_run(digits)
    begun = advance(first, stop, bfloat16=bfloat16) if stop else []
    save_checkpoint(path, first)
    torch.manual_seed(99)
    second = make_run(digits, seed=7)  # nothing of it may survive
    load_checkpoint(path, second)
    assert begun + advance(second, 20 - stop, bfloat16=bfloat16) == losses
    assert_same(everything(second), expected)


def test_saving_and_loading_change_nothing_else(digits, tmp_path):
    path = tmp_path / "c.safetensors"
    run = make_run(digits)
    advance(run, 2)
    run.seconds = 1.25
    before = everything(run)
    save_checkpoint(path, run, about={"preset": "test"})
    assert_same(everything(run), before)
    load_checkpoint(path, run)
    assert_same(everything(run), before)
    assert run.model.training
    assert read_about(path) == {"preset": "test"}


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.SGD(p, lr=0.01),
        lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9),
        lambda p: torch.optim.RMSprop(p, lr=0.001),
        lambda p: torch.optim.AdamW(p, lr=0.001, amsgrad=True, fused=True),
    ],
    ids=["sgd", "momentum", "rmsprop", "fused"],
)
def test_any_optimiser_is_kept(digits, tmp_path, make):
    path = tmp_path / "c.safetensors"

    def new(seed: int) -> Run:
        run = make_run(digits, seed=seed)
        run.optimizer = make(run.model.parameters())
        run.lr_scheduler = torch.optim.lr_scheduler.ExponentialLR(run.optimizer, 0.9)
        return run

    first, second = new(0), new(1)
    advance(first, 3)
    save_checkpoint(path, first)
    advance(first, 2)
    expected = everything(first)
    load_checkpoint(path, second)
    advance(second, 2)
    assert_same(everything(second), expected)


def test_a_compiled_run_is_kept_under_plain_names(digits, tmp_path):
    path = tmp_path / "c.safetensors"
    plain, compiled = make_run(digits), make_run(digits, seed=1)
    advance(plain, 2)
    weights = copy.deepcopy(plain.model.state_dict())
    plain.model = torch.compile(plain.model)  # its steps are not run: that would need a compiler
    save_checkpoint(path, plain)
    again = make_run(digits, seed=2)
    load_checkpoint(path, again)
    assert_same(dict(again.model.state_dict()), dict(weights))
    compiled.model = torch.compile(compiled.model)
    load_checkpoint(path, compiled)
    assert_same(dict(plain_names(compiled.model.state_dict())), dict(weights))


def test_the_network_to_sample_from_is_the_average(digits, tmp_path):
    path = tmp_path / "c.safetensors"
    run = make_run(digits)
    advance(run, 5)
    save_checkpoint(path, run)
    averaged, raw = load_network(path), load_network(path, ema=False)
    assert_same(dict(averaged.eps_model.state_dict()), dict(run.ema.module.state_dict()))
    assert_same(dict(raw.eps_model.state_dict()), dict(run.model.state_dict()))
    assert averaged.schedule == run.schedule
    assert averaged.config == SMALL
    for network in (averaged, raw):
        assert not network.eps_model.training
        assert not any(p.requires_grad for p in network.eps_model.parameters())


# --- killed while saving (trap 68) ---


def save_for_ever(path: Path, run: Run, pipe: int, seconds: float) -> NoReturn:
    """Save after each step, and say so; only a kill ends it. The disk is slow, as disks may be."""
    fsync = os.fsync
    os.fsync = lambda file: (time.sleep(seconds), fsync(file))
    while True:
        run.step += 1
        save_checkpoint(path, run)
        os.write(pipe, b".")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork and no SIGKILL")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_fifty_kills_while_saving_never_lose_the_last_good_checkpoint(digits, tmp_path):
    path, run = tmp_path / "c.safetensors", make_run(digits)
    advance(run, 1)
    save_checkpoint(path, run)
    seconds = timeit.timeit(lambda: save_checkpoint(path, run), number=3) / 3
    moments, torn = random.Random(0), 0
    for _ in range(50):
        source, pipe = os.pipe()
        child = os.fork()
        if child == 0:
            save_for_ever(path, run, pipe, seconds)
        os.close(pipe)
        assert os.read(source, 1) == b".", "the child could not save once"
        time.sleep(moments.uniform(0, 3 * seconds))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        finished = run.step + 1 + len(os.read(source, 10**6))
        os.close(source)
        load_checkpoint(path, run)  # whole, or it raises
        assert run.step in (finished, finished + 1)  # the last may have ended unsaid
        rest = [other for other in tmp_path.iterdir() if other != path]
        torn += bool(rest)
        for other in rest:
            other.unlink()
    assert torn >= 5, "the kills must have hit the writing itself"


# --- files that do not fit (traps 69, 70, 74) ---


@pytest.fixture
def saved(digits, tmp_path):
    path = tmp_path / "c.safetensors"
    run = make_run(digits)
    advance(run, 2)
    save_checkpoint(path, run)
    return path


def other_optimizer(digits):
    run = make_run(digits, seed=1)
    run.optimizer = torch.optim.SGD(run.model.parameters(), lr=0.1)
    return run


def other_groups(digits):
    run = make_run(digits, seed=1)
    one, *rest = run.model.parameters()
    run.optimizer = torch.optim.AdamW([{"params": [one]}, {"params": rest}], lr=0.1)
    run.lr_scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(run.optimizer, 30)
    return run


def other_data(digits):
    fewer = Digits(digits.images[:60], digits.labels[:60])
    return make_run(digits, seed=1, batches=Batches(fewer, 24, generator=None))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            lambda d: make_run(d, seed=1, config=UNetConfig(**{**SMALL.to_dict(), "heads": 2})),
            "its config is .*'heads': 4.*expected .*'heads': 2",
        ),
        (
            lambda d: make_run(d, seed=1, schedule=linear_schedule(T=1000)),
            r"its schedule is NoiseSchedule\(T=20.*expected NoiseSchedule\(T=1000",
        ),
        (
            lambda d: make_run(d, seed=1, schedule=cosine_schedule(T=20, s=0.01)),
            "its schedule is",
        ),
        (other_optimizer, "its optimizer is AdamW, expected SGD"),
        (other_groups, "its optimiser has groups of"),
        (other_data, "of other training data: .*60"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_and_changes_nothing(digits, saved, other, message):
    run = other(digits)
    before = everything(run)
    with pytest.raises(CheckpointError, match=rf"c\.safetensors: {message}"):
        load_checkpoint(saved, run)
    assert_same(everything(run), before)


def test_a_checkpoint_from_before_a_field_of_the_network_was_added_goes_on(digits, saved, tmp_path):
    tensors, header = read_tensors(saved, CHECKPOINT)
    for newer in ("num_classes", "size"):
        del header["config"][newer]
    del header["sha256"]
    write_tensors(tmp_path / "old.safetensors", tensors, header)
    run = make_run(digits, seed=1)
    load_checkpoint(tmp_path / "old.safetensors", run)
    assert run.step == header["step"]


@pytest.mark.parametrize("share", [0, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("load", [read_about, load_network, "run"])
def test_a_checkpoint_that_is_cut_off_is_named(digits, saved, load, share):
    data = saved.read_bytes()
    saved.write_bytes(data[: int(share * len(data))])
    run = make_run(digits, seed=1)
    before = everything(run)
    with pytest.raises(CheckpointError, match=r"c\.safetensors: (damaged|cut off)"):
        load_checkpoint(saved, run) if load == "run" else load(saved)
    assert_same(everything(run), before)


def test_one_flipped_bit_is_noticed(digits, saved):
    data = saved.read_bytes()
    for place in range(0, len(data), len(data) // 60):
        wrong = bytearray(data)
        wrong[place] ^= 1 << (place % 8)
        saved.write_bytes(wrong)
        with pytest.raises(CheckpointError):
            load_network(saved)


def test_weights_are_no_checkpoint_and_a_checkpoint_is_no_file_of_weights(saved, tmp_path):
    weights = tmp_path / "w.safetensors"
    save_weights(weights, UNet(SMALL), cosine_schedule(T=20))
    for load in (load_network, read_about):
        with pytest.raises(CheckpointError, match=r"its format is 'ddpm_lessons\.weights/1'"):
            load(weights)
    with pytest.raises(CheckpointError, match=r"its format is 'ddpm_lessons\.checkpoint/1'"):
        load_weights(saved)
    assert read_header(saved)["architecture"] == "UNet"


# --- a run that has diverged (trap 56) ---


@pytest.mark.parametrize("part", ["model", "ema", "optimizer"])
def test_nan_never_overwrites_a_good_checkpoint(digits, saved, part):
    good = saved.read_bytes()
    run = make_run(digits)
    advance(run, 1)
    if part == "optimizer":
        state = run.optimizer.state[next(iter(run.model.parameters()))]
        state["exp_avg"].flatten()[0] = torch.nan
    else:
        network = run.model if part == "model" else run.ema.module
        network.stem.weight.data[0] = torch.inf
    with pytest.raises(CheckpointError, match=f"{part}/.* holds NaN or infinity.*diverged"):
        save_checkpoint(saved, run)
    assert saved.read_bytes() == good
