"""The command line: train, stop, resume, sample, and an answer in one line to every mistake."""

import csv
import dataclasses
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_lessons.cli import COMMANDS, main
from ddpm_lessons.cli.options import choose_device
from ddpm_lessons.cli.sample import grid
from ddpm_lessons.cli.trainlog import TrainLog
from ddpm_lessons.evaluation import read
from ddpm_lessons.models import load_classifier, load_weights
from ddpm_lessons.models.storage import read_header, read_tensors
from ddpm_lessons.samplers import SAMPLERS
from ddpm_lessons.training import PRESETS, MixedPrecision, load_network, read_about
from ddpm_lessons.training.checkpoint import CHECKPOINT


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """An empty folder, as a newcomer has it."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """The folder of a finished training."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    assert main(["train", "--preset", "tiny", "--out", str(out), "--device", "cpu"]) == 0
    return out


def tensors(path: Path) -> dict:
    return read_tensors(path, CHECKPOINT)[0]


# --- train ---


def test_a_training_leaves_weights_a_checkpoint_and_a_log(trained):
    assert {p.name for p in trained.iterdir()} == {
        "checkpoint.safetensors",
        "weights.safetensors",
        "log.csv",
    }
    about = read_header(trained / "weights.safetensors")["about"]
    assert about["preset"] == PRESETS["tiny"].to_dict()
    assert about["weights"] == "EMA"
    assert (about["seed"], about["steps"]) == (0, 8)
    weights = load_weights(trained / "weights.safetensors").eps_model.state_dict()
    ema = load_network(trained / "checkpoint.safetensors").eps_model.state_dict()
    raw = load_network(trained / "checkpoint.safetensors", ema=False).eps_model.state_dict()
    assert all(torch.equal(weights[k], ema[k]) for k in weights)
    assert any(not torch.equal(weights[k], raw[k]) for k in weights)


def test_device_progress_loss_and_rate_are_shown(capsys):
    assert (
        main(["train", "--preset", "tiny", "--steps", "51", "--device", "cpu", "--seed", "3"]) == 0
    )
    shown = capsys.readouterr()
    assert re.search(r"device cpu, (bfloat16 and )?float32, seed 3; step 0 of 51", shown.out)
    assert "sample --checkpoint runs/tiny/weights.safetensors" in shown.out.replace("\\", "/")
    assert re.search(r"51/51 .*loss 0\.\d+, \d+ images/s", shown.err)
    with Path("runs/tiny/log.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["step"] == "50"
    assert float(row["epoch"]) == 50 * 8 / 64
    assert 0.3 < float(row["loss"]) < 1.2
    assert float(row["images_per_second"]) > 0


def test_the_same_seed_trains_the_same_weights(trained, tmp_path):
    for seed, same in ((0, True), (1, False)):
        out = tmp_path / str(seed)
        assert main(["train", "--preset", "tiny", "--out", str(out), "--seed", str(seed)]) == 0
        a, b = tensors(out / "checkpoint.safetensors"), tensors(trained / "checkpoint.safetensors")
        assert all(torch.equal(a[k], b[k]) for k in b) is same


def test_a_training_can_start_from_weights(trained, tmp_path, capsys):
    start, out = trained / "weights.safetensors", tmp_path / "further"
    command = ["train", "--preset", "tiny", "--out", str(out)]
    assert main([*command, "--start", str(start), "--steps", "1"]) == 0
    before = load_weights(start).eps_model.state_dict()
    after = load_weights(out / "weights.safetensors").eps_model.state_dict()
    moved = max((after[name] - before[name]).abs().max() for name in before)
    assert 0 < moved < 2e-3  # one step of Adam
    assert read_about(out / "checkpoint.safetensors")["start"] == str(start)
    assert main(["train", "--resume", "--out", str(out), "--steps", "3"]) == 0
    assert read_about(out / "checkpoint.safetensors")["start"] == str(start)
    assert main(["train", "--preset", "tiny", "--out", str(tmp_path / "x"), "--start"]) == 2
    assert "start: of another architecture" in capsys.readouterr().err


def press_at(step: int, monkeypatch, number: int = signal.SIGINT) -> None:
    """Press Ctrl-C, or send another signal, after this step of a training."""
    add = TrainLog.add

    def press(self, loss):
        if self.run.step == step:
            signal.raise_signal(number)
        return add(self, loss)

    monkeypatch.setattr(TrainLog, "add", press)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_finishes_the_step_and_the_run_can_be_resumed(number, trained, monkeypatch, capsys):
    handler = signal.getsignal(number)
    with monkeypatch.context() as patch:
        press_at(3, patch, number)
        assert main(["train", "--preset", "tiny", "--out", "mine"]) == 0
    assert signal.getsignal(number) is handler
    said = capsys.readouterr().out
    assert "stopped after step 3. To go on:" in said
    (command,) = re.findall(r"python -m ddpm_lessons (train .*)", said)
    out = Path(command.split()[-1])
    assert read_header(out / "checkpoint.safetensors")["step"] == 3
    assert not (out / "weights.safetensors").exists()

    assert main(command.split()) == 0  # exactly as the message says
    assert "step 3 of 8" in capsys.readouterr().out
    a, b = tensors(out / "checkpoint.safetensors"), tensors(trained / "checkpoint.safetensors")
    assert a.keys() == b.keys()
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_a_second_ctrl_c_stops_at_once(monkeypatch, capsys):
    def press(_self, _loss):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(TrainLog, "add", press)
    assert main(["train", "--preset", "tiny", "--out", "mine"]) == 130
    assert capsys.readouterr().err.endswith("stopped\n")
    assert read_header("mine/checkpoint.safetensors")["step"] == 0


def test_a_run_that_gets_a_later_end_is_the_longer_run(monkeypatch):
    """Before the learning rate falls, the end is not yet decided: bit for bit."""
    constant = dataclasses.replace(PRESETS["tiny"], decay=0.25)  # 8 steps: falls from step 6
    monkeypatch.setitem(PRESETS, "tiny", constant)
    assert main(["train", "--preset", "tiny", "--steps", "16", "--out", "straight"]) == 0
    with monkeypatch.context() as patch:
        press_at(5, patch)
        assert main(["train", "--preset", "tiny", "--out", "longer"]) == 0
    assert main(["train", "--resume", "--steps", "16", "--out", "longer"]) == 0
    a, b = (tensors(Path(out) / "checkpoint.safetensors") for out in ("straight", "longer"))
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert read_about("longer/checkpoint.safetensors")["preset"]["steps"] == 16


def test_a_finished_run_resumed_is_finished(trained, capsys):
    before = tensors(trained / "checkpoint.safetensors")
    assert main(["train", "--resume", "--out", str(trained)]) == 0
    assert "step 8 of 8" in capsys.readouterr().out
    after = tensors(trained / "checkpoint.safetensors")
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_the_log_of_a_resumed_run_has_each_step_once(trained):
    lines = ["step,epoch,seconds,loss,images_per_second", "50,1,1,1,1", "100,1,1,1,1"]
    path = Path("log.csv")

    class Stopped:
        step = 60
        batches = type("Batches", (), {"epoch": 0, "position": 0, "digits": range(1)})

    path.write_text("\n".join(lines) + "\n")
    TrainLog(path, Stopped, MixedPrecision("cpu"))
    assert path.read_text().splitlines() == lines[:2]


def test_minutes_are_turned_into_steps_by_measuring(monkeypatch):
    monkeypatch.setattr("ddpm_lessons.cli.dataset.load_mnist", _load_once())
    assert main(["train", "--preset", "tiny", "--minutes", "0.01", "--out", "short"]) == 0
    steps = read_about("short/checkpoint.safetensors")["preset"]["steps"]
    assert 1 <= steps < 600  # more would be a thousand steps a second
    assert read_header("short/checkpoint.safetensors")["step"] == steps


def test_a_training_can_be_compiled(trained, monkeypatch):
    """The same steps, by the compiled network; its weights have their plain names."""
    translated = []

    monkeypatch.setattr(torch, "compile", lambda module, **_: translated.append(module) or module)
    command = ["train", "--preset", "tiny", "--compile", "--out", "fast", "--device", "cpu"]
    assert main(command) == 0
    assert len(translated) == 1
    found, expected = (
        tensors("fast/checkpoint.safetensors"),
        tensors(trained / "checkpoint.safetensors"),
    )
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def _load_once():
    from ddpm_lessons.data import load_mnist

    digits = load_mnist("train")
    return lambda _split: digits


def test_a_training_that_diverges_keeps_the_good_checkpoint(monkeypatch, capsys):
    from dataclasses import replace

    wild = replace(PRESETS["tiny"], lr=1e30, warmup=1)
    monkeypatch.setitem(PRESETS, "tiny", wild)
    assert main(["train", "--preset", "tiny", "--out", "wild"]) == 2
    assert "diverged" in last_line(capsys)
    assert read_header("wild/checkpoint.safetensors")["step"] == 0
    assert not Path("wild/weights.safetensors").exists()


# --- sample ---


QUICKLY = ["--sampler", "ddim", "--steps", "20", "--clip", "1"]


def pixels(path: str | Path) -> torch.Tensor:
    """The grey levels of a picture, (H, W) uint8."""
    with Image.open(path) as image:
        return torch.tensor(np.array(image))


def sample(*options: str) -> int:
    return main(["sample", "--n", "3", "--scale", "1", *options])


def test_the_weights_of_the_course_are_sampled_by_default():
    assert sample("--sampler", "ddim", "--steps", "4", "--clip", "1") == 0
    with Image.open("samples.png") as image:
        assert (image.size, image.mode) == ((60, 60), "L")  # 2 x 2 places of 30 pixels
        dark, bright = image.getextrema()
        assert dark == 0
        assert bright > 200


@pytest.mark.parametrize("digit", [3, 6])
def test_the_course_draws_the_digit_that_is_asked_for(digit):
    assert sample("--n", "9", *QUICKLY, "--label", str(digit)) == 0
    cells = pixels("samples.png").unfold(0, 30, 30).unfold(1, 30, 30)[..., 1:-1, 1:-1]
    labels = read(load_classifier(), cells.reshape(9, 1, 28, 28)).labels
    assert (labels == digit).sum() >= 7  # it is heard in 94 cases out of a hundred


@pytest.mark.parametrize(("name", "more"), [("mnist", []), ("mnist-labels", ["--label", "data"])])
def test_the_same_seed_draws_the_same_digits_from_the_weights_of_the_course(name, more):
    """On any CPU, in any year. The pictures beside this file were made by this command:
    `sample --n 16 --sampler ddim --steps 20 --clip 1 --scale 1 [--label data] --out FILE`.
    """
    assert sample("--n", "16", *QUICKLY, *more) == 0
    found = pixels("samples.png").int()
    expected = pixels(Path(__file__).parent / "pictures" / f"{name}.png").int()
    assert found.shape == expected.shape == (4 * 30, 4 * 30)
    assert (found - expected).abs().max() <= 3  # of 255 grey levels


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_draws_the_same_image_for_the_same_seed(trained, sampler):
    weights = ("--checkpoint", str(trained / "weights.safetensors"), "--sampler", sampler)
    if sampler != "ddpm":
        weights += ("--steps", "5")
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert sample(*weights, "--seed", seed, "--out", f"{name}.png") == 0
    a, b, c = (Path(f"{name}.png").read_bytes() for name in "abc")
    assert a == b != c


def test_a_checkpoint_is_sampled_by_its_average(trained):
    checkpoint = ("--checkpoint", str(trained / "checkpoint.safetensors"))
    assert sample(*checkpoint, "--out", "ema.png") == 0
    assert sample(*checkpoint, "--out", "raw.png", "--raw") == 0
    weights = ("--checkpoint", str(trained / "weights.safetensors"))
    assert sample(*weights, "--out", "weights.png") == 0
    ema, raw, shipped = (Path(f"{n}.png").read_bytes() for n in ("ema", "raw", "weights"))
    assert ema == shipped != raw


def test_the_options_reach_the_sampler(trained):
    weights = ("--checkpoint", str(trained / "weights.safetensors"))
    pictures = set()
    for number, options in enumerate(
        [
            [],
            ["--clip", "0.5"],
            ["--variance", "posterior"],
            ["--sampler", "ddim", "--steps", "20"],
            ["--sampler", "ddim", "--steps", "7"],
            ["--sampler", "ddim", "--steps", "7", "--eta", "0.7"],
        ]
    ):
        assert sample(*weights, *options, "--out", f"{number}.png") == 0
        pictures.add(Path(f"{number}.png").read_bytes())
    assert len(pictures) == 6


def test_the_gif_is_the_chain_and_ends_with_the_picture(trained):
    weights = ("--checkpoint", str(trained / "weights.safetensors"))
    assert sample(*weights, "--gif", "chain.gif") == 0
    with Image.open("chain.gif") as film, Image.open("samples.png") as last:
        assert film.n_frames == 21  # T = 20: every state, T to 0
        assert film.info["loop"] == 0
        first = film.convert("L").tobytes()
        film.seek(film.n_frames - 1)
        assert film.info["duration"] >= 1000
        assert film.convert("L").tobytes() == last.tobytes() != first


def test_a_grid_is_read_from_left_to_right_and_down():
    shades = torch.linspace(-1, 1, 5).view(5, 1, 1, 1).expand(5, 1, 2, 3)
    image = grid(shades, scale=2)
    assert image.size == (3 * 5 * 2, 2 * 4 * 2)
    middles = [image.getpixel((10 * (i % 3) + 5, 8 * (i // 3) + 4)) for i in range(6)]
    assert middles == [0, 64, 128, 191, 255, 96]  # the last place is empty
    assert image.getpixel((0, 0)) == image.getpixel((10, 4)) == 96  # the lines
    assert grid(shades.expand(5, 3, 2, 3)).mode == "RGB"
    assert grid(2 * shades[4:]).getpixel((2, 2)) == 255  # beyond the range: saturated
    with pytest.raises(ValueError, match="NaN"):
        grid(shades * torch.nan)


# --- data ---


def test_data_tells_what_is_there(capsys):
    assert main(["data"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8
    assert all(line.startswith(("verified", "missing")) for line in lines)


def test_data_that_is_damaged_is_told_with_code_1(tmp_path, capsys):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01")
    assert main(["data", "--root", str(tmp_path)]) == 1
    damaged = [s for s in capsys.readouterr().out.splitlines() if s.startswith("damaged")]
    assert len(damaged) == 1
    assert "train-labels-idx1-ubyte" in damaged[0]


# --- mistakes ---


def last_line(capsys) -> str:
    err = capsys.readouterr().err
    assert "Traceback" not in err
    return err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("", "COMMAND"),
        ("paint", "invalid choice: 'paint'"),
        ("train --preset huge", "invalid choice: 'huge'"),
        ("train --steps 0", "--steps: is '0', expected a whole number 1.."),
        ("train --steps 1.5", "--steps: is '1.5'"),
        ("sample --guidance 2", "--guidance is 2, expected --label beside it"),
        ("train --minutes 0", "--minutes: is '0', expected a number above 0"),
        ("train --minutes nan", "--minutes: is 'nan'"),
        ("train --steps 5 --minutes 5", "not allowed with"),
        ("train --seed -1", "--seed: is '-1'"),
        ("train --preset tiny --device tpu9", "--device is 'tpu9', which cannot be used here"),
        ("train --preset tiny --out file/in/the/way", "cannot be written"),
        ("train --resume --out nowhere", "nowhere/checkpoint.safetensors: No such file"),
        (
            "train --resume --out done --steps 9",
            "--steps is 9, expected 8: the learning rate falls",
        ),
        ("train --resume --out done --seed 9", "--seed is decided by"),
        ("train --resume --out done --preset gpu", "--preset is decided by"),
        ("train --resume --out done --start", "--start is decided by"),
        ("train --preset tiny --start none", "none: No such file"),
        ("train --resume --out broken", "broken/checkpoint.safetensors: damaged"),
        ("train --preset tiny --out done", "there already; go on with --resume, or choose another"),
        ("sample --n 0", "--n/--samples: is '0'"),
        ("sample --n ten", "--n/--samples: is 'ten'"),
        ("sample --sampler magic", "invalid choice: 'magic'"),
        (
            "sample --label 3 --checkpoint done/checkpoint.safetensors",
            "labels are given, expected None",
        ),
        ("sample --label ten", "--label: is 'ten', expected a label from 0, or data"),
        ("sample --label 10", "--label is 10, expected 0 to 9"),
        ("sample --steps 5", "--steps: the sampler ddpm has no such option"),
        ("sample --sampler ddim --variance beta", "--variance: the sampler ddim has no such"),
        ("sample --sampler ddim --steps 1001", "steps is 1001, expected a whole number in 1..1000"),
        ("sample --sampler ddim --eta 2", "eta is 2.0, expected a number in [0, 1]"),
        ("sample --clip 0", "--clip: is '0', expected a number above 0"),
        ("sample --raw", "--raw is for training checkpoints"),
        (
            "sample --out picture.jpg",
            "--out: is 'picture.jpg', expected a file name ending in .png",
        ),
        ("sample --out no/folder.png", "--out: is 'no/folder.png', expected a folder"),
        ("sample --gif film.mp4", "expected a file name ending in .gif"),
        ("sample --checkpoint nothing.safetensors", "nothing.safetensors: No such file"),
        ("sample --checkpoint file", "file: damaged"),
        ("sample --checkpoint broken/checkpoint.safetensors", "damaged"),
        ("sample --checkpoint .", "expected a safetensors file"),
        ("data --nonsense", "unrecognized arguments"),
    ],
)
def test_a_mistake_is_answered_by_one_line_and_code_2(trained, capsys, command, message):
    Path("file").write_text("in the way")
    for name, size in (("done", None), ("broken", 1000)):
        Path(name).mkdir()
        data = (trained / "checkpoint.safetensors").read_bytes()[:size]
        Path(name, "checkpoint.safetensors").write_bytes(data)
    capsys.readouterr()
    try:
        code = main(command.split())
    except SystemExit as stop:  # argparse leaves by itself
        code = stop.code
    said = capsys.readouterr().err
    assert code == 2, said
    assert message in said.replace("\\", "/")
    assert len(said.strip().splitlines()) == 1, said
    assert said.startswith("python -m ddpm_lessons")


def test_the_fastest_device_is_chosen(monkeypatch):
    for cuda, mps, expected in (
        (True, True, "cuda"),
        (False, True, "mps"),
        (False, False, "cpu"),
    ):
        monkeypatch.setattr(torch.cuda, "is_available", lambda found=cuda: found)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda found=mps: found)
        monkeypatch.setattr(torch, "zeros", lambda _n, device: torch.ones(1))  # tried out: works
        assert choose_device("auto").type == expected
        monkeypatch.undo()


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_every_option(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    said = capsys.readouterr().out
    assert COMMANDS[command].__doc__.splitlines()[0] in said
    if command == "train":
        assert all(preset.about in said for preset in PRESETS.values())


def test_it_runs_as_a_module():
    command = [sys.executable, "-m", "ddpm_lessons", "sample", "--n", "0"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == 2
    assert "--n/--samples: is '0'" in result.stderr
    assert "Traceback" not in result.stderr
