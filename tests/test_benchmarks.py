"""The benchmarks run, at the smallest size: what they measure is not judged here."""

import json
import runpy
import shlex
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from ddpm_lessons.data import Digits, load_mnist
from ddpm_lessons.models import UNetConfig

FOLDER = Path(__file__).parents[1] / "benchmarks"
SMALL = UNetConfig(widths=(8, 8, 16), blocks=(1, 1, 1), groups=1, time_width=8)
# What a script is told, and the rows that its table must have.
SCRIPTS = {
    "training": ("--batch 2 --rounds 1", {"training-2": 7}),
    "sampling": ("--images 2 --steps 2 --rounds 1", {"sampling-2": 5}),
    "ceiling": ("--batch 2 --rounds 1", {"ceiling": 5, "profile": 9}),
    "quality": (
        "--minutes 0.01 --course 0.01 0.02 --samples 20 --preset tiny --keep KEEP",
        {"quality": 5},
    ),
    "memory": ("--images 2 --steps 2", {"memory": 4}),
    "samplers": ("--samples 20 --calls 2 --only DDIM", {"samplers": 3}),
    "startup": ("--rounds 1", {"startup": 2}),
}


class Here:
    """Stands for multiprocessing: calls here, where the small networks are."""

    @classmethod
    @contextmanager
    def Pool(cls, processes):
        yield cls

    @staticmethod
    def apply(function, arguments):
        return function(*arguments)


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """The folder on the path, small networks, nothing compiled, and results elsewhere."""
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setattr(torch, "compile", lambda module, **options: module)
    names = ("common", "contenders", "judging", *SCRIPTS)
    import common
    import contenders

    monkeypatch.setattr(common, "RESULTS", tmp_path)
    for name in ("NARROW", "SHIPPED", "LIKE_COURSE", "LIKE_LABML"):
        monkeypatch.setattr(contenders, name, SMALL)
    yield
    for name in names:
        sys.modules.pop(name, None)


def judge_few(module, monkeypatch):
    """Let a script that judges quality learn from, and judge, few digits."""
    digits = load_mnist("test")
    few = Digits(digits.images[:200], digits.labels[:200])
    monkeypatch.setattr(module, "load_mnist", lambda split: few)
    monkeypatch.setattr(sys.modules["judging"], "BATCH", 20)
    monkeypatch.setattr(sys.modules["judging"], "STEPS", 2)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_prints_its_table_and_keeps_it(script, scripts, tmp_path, monkeypatch, capsys):
    words, tables = SCRIPTS[script]
    words = words.replace("KEEP", str(tmp_path / "kept"))
    monkeypatch.setattr(sys, "argv", [script, *words.split(), "--device", "cpu"])
    module = __import__(script)
    if script == "startup":  # without the long ones
        monkeypatch.setattr(module, "JOBS", {"nothing": "pass", "one": "import math"})
    if script == "memory":  # in this process
        monkeypatch.setattr(module.multiprocessing, "get_context", lambda method: Here)
    if script in ("quality", "samplers"):
        judge_few(module, monkeypatch)
    module.main()
    printed = capsys.readouterr().out
    assert "| --- |" in printed
    for name, rows in tables.items():
        data = json.loads((tmp_path / f"{name}-cpu.json").read_text(encoding="utf-8"))
        assert len(data["rows"]) >= rows
        assert data["machine"]["torch"] == torch.__version__.split("+")[0]
        for row in data["rows"]:
            assert row["name"] in printed


def test_a_project_that_is_not_installed_is_left_out(scripts, capsys):
    from contenders import those_here

    def missing():
        raise ModuleNotFoundError("No module named 'labml_nn'", name="labml_nn")

    assert those_here(missing, lambda: 3) == [3]
    assert "labml_nn is not here" in capsys.readouterr().out


def test_all_projects_answer_for_the_same_images(scripts):
    """A chain of n steps makes n calls, and every sampler gives images of the batch's shape."""
    import contenders

    for contender in (contenders.course("cpu"), contenders.ours("ours", SMALL, "cpu")):
        x = torch.randn(2, 1, 28, 28)
        contender.step(x.clamp(-1, 1))
        assert contender.call(x, torch.tensor([3, 4])).shape == x.shape
        assert contender.chain(x, 2).numel() == x.numel()
        assert contender.weights == sum(p.numel() for p in contender.network.parameters())


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_one_command_runs_all_with_options_that_they_have(device, monkeypatch, capsys):
    monkeypatch.syspath_prepend(FOLDER)
    started = []

    def run(command):
        started.append([str(word) for word in command[1:]])
        return subprocess.CompletedProcess(command, len(started) == 1)

    main = runpy.run_path(str(FOLDER / "all.py"))["main"]
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(sys, "argv", ["all", "--device", device])
    assert main() == 1  # the first one failed, the others ran all the same
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("--> ")]
    assert [shlex.split(line)[2:] for line in lines] == [words for _, *words in started]
    assert len({script for script, *_ in started}) >= 5
    for script, *words in started:
        known = Path(script).read_text(encoding="utf-8") + (FOLDER / "common.py").read_text()
        for option in (word for word in words if word.startswith("--")):
            name = option.removeprefix("--")
            assert f'"{option}"' in known or f"{name}=(" in known, (script, option)


def test_the_race_goes_on_where_it_was_judged(scripts, tmp_path, monkeypatch, capsys):
    import quality

    judge_few(quality, monkeypatch)
    words = ["--samples", "20", "--device", "cpu", "--keep", str(tmp_path / "kept"), "--course"]
    table = tmp_path / "quality-cpu.json"

    def rows(*options):
        monkeypatch.setattr(sys, "argv", ["quality", *words, *options])
        quality.main()
        return json.loads(table.read_text(encoding="utf-8"))["rows"]

    (first,) = (row for row in rows("0.01", "--minutes") if row["name"] == quality.COURSE)
    later = first["minutes"] + 0.01
    rows("0.01", str(later), "--minutes")
    rows = rows("--minutes", "0.01")
    course = [row for row in rows if row["name"] == quality.COURSE]
    assert [row["mark"] for row in course] == pytest.approx([0.01, later])  # as it was printed
    assert course[0] == first  # which was not run again
    assert course[1]["images"] > course[0]["images"] > 0
    assert 0.01 <= course[0]["minutes"] < later <= course[1]["minutes"]
    assert [row["name"] for row in rows].count("ours, preset quick") == 1
    assert [row["name"] for row in rows].count("real digits") == 1
    one, other = (quality.course("cpu") for _ in range(2))
    for contender in (one, other):
        quality.go_on(contender, tmp_path / "kept")
    x_0 = load_mnist("test").x_0(slice(0, 4))
    for contender in (one, other):
        torch.manual_seed(0)
        contender.step(x_0)
    for a, b in zip(one.network.parameters(), other.network.parameters(), strict=True):
        assert torch.equal(a, b)
