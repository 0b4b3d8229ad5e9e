"""Training on other images from the command line: their size and colours reach the samples."""

import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_lessons.cli import main
from ddpm_lessons.cli.dataset import fit
from ddpm_lessons.cli.trainlog import TrainLog
from ddpm_lessons.data import Digits, ImageSet, load_mnist
from ddpm_lessons.models import load_pretrained, load_weights
from ddpm_lessons.models.storage import read_header, read_tensors
from ddpm_lessons.training import PRESETS, Preset, read_about
from ddpm_lessons.training.checkpoint import CHECKPOINT


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """An empty folder, as a newcomer has it."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """12 coloured pictures of 20 x 16 pixels, in two classes."""
    folder = tmp_path_factory.mktemp("data") / "photos"
    generator = np.random.default_rng(0)
    for i in range(12):
        path = folder / ("cats", "dogs")[i % 2] / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (16, 20, 3), dtype=np.uint8)).save(path)
    return folder


def train(*words: str, preset: str = "tiny") -> int:
    return main(["train", "--preset", preset, "--device", "cpu", *words])


@pytest.fixture(scope="module")
def trained(photos, tmp_path_factory) -> Path:
    """The folder of a finished training on them."""
    out = tmp_path_factory.mktemp("runs") / "photos"
    assert train("--data", str(photos), "--size", "16", "--flip", "--out", str(out)) == 0
    return out


def tensors(folder: Path) -> dict:
    return read_tensors(folder / "checkpoint.safetensors", CHECKPOINT)[0]


def error(capsys) -> str:
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said.strip().splitlines()[-1]


def test_the_files_say_what_the_network_has_learned_from(trained, photos):
    for name in ("checkpoint", "weights"):
        about = read_header(trained / f"{name}.safetensors")["about"]
        assert about["data"] == {
            "source": str(photos),
            "size": 16,
            "channels": 3,
            "classes": ["cats", "dogs"],
        }
        preset = Preset.from_dict(about["preset"])
        assert preset.flip
        assert (preset.model.channels, preset.model.size, preset.model.num_classes) == (3, 16, 0)
        assert preset.model.T == PRESETS["tiny"].model.T
    assert load_weights(trained / "weights.safetensors").config == preset.model


def test_it_is_said_what_was_found(photos, capsys):
    assert train("--data", str(photos), "--size", "16", "--steps", "1") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [f"reading {photos}", "12 images of 3 x 16 x 16, 2 classes"]


def test_samples_have_the_size_and_the_colours_of_the_images(trained):
    words = ["sample", "--checkpoint", str(trained / "weights.safetensors"), "--n", "3"]
    assert main([*words, "--scale", "1", "--device", "cpu", "--gif", "chain.gif"]) == 0
    with Image.open("samples.png") as image, Image.open("chain.gif") as film:
        assert (image.size, image.mode) == ((2 * 18, 2 * 18), "RGB")
        red, green, _ = np.moveaxis(np.array(image).astype(int), -1, 0)
        assert np.abs(red - green).mean() > 5
        assert film.size == image.size
        assert film.n_frames == 21


def test_a_run_on_other_images_is_resumed_exactly(trained, photos, monkeypatch, capsys):
    add = TrainLog.add

    def press(self, loss):
        if self.run.step == 3:
            signal.raise_signal(signal.SIGINT)
        return add(self, loss)

    with monkeypatch.context() as patch:
        patch.setattr(TrainLog, "add", press)
        assert train("--data", str(photos), "--size", "16", "--flip", "--out", "mine") == 0
    assert read_header("mine/checkpoint.safetensors")["step"] == 3
    assert main(["train", "--resume", "--out", "mine", "--device", "cpu"]) == 0
    a, b = tensors(Path("mine")), tensors(trained)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)
    for option in (["--data", str(photos)], ["--size", "16"], ["--channels", "3"], ["--flip"]):
        capsys.readouterr()
        assert main(["train", "--resume", "--out", "mine", *option]) == 2
        assert f"{option[0]} is decided by" in error(capsys)


def test_flip_changes_what_is_learned(trained, photos):
    assert train("--data", str(photos), "--size", "16", "--out", "plain") == 0
    a, b = tensors(Path("plain")), tensors(trained)
    assert any(not torch.equal(a[name], b[name]) for name in a)
    assert not read_about("plain/checkpoint.safetensors")["preset"]["flip"]


def test_a_folder_that_changed_is_not_resumed(photos, capsys):
    for source, name in ((photos, "photos"), (photos / "cats", "photos/cats")):
        Path(name).mkdir(exist_ok=True)
        for path in source.glob("*.png"):
            Path(name, path.name).write_bytes(path.read_bytes())
    Path("photos/dogs").mkdir()
    for path in (photos / "dogs").iterdir():
        Path("photos/dogs", path.name).write_bytes(path.read_bytes())
    assert train("--data", "photos", "--size", "16", "--steps", "2") == 0
    Path("photos/cats/new.png").write_bytes(Path("photos/cats/00.png").read_bytes())
    assert main(["train", "--resume", "--out", "runs/tiny"]) == 2
    assert "of other training data" in error(capsys)
    Path("photos/cats").rename("photos/lions")
    assert main(["train", "--resume", "--out", "runs/tiny"]) == 2
    assert "has the classes ['dogs', 'lions'], expected ['cats', 'dogs']" in error(capsys)


def test_a_preset_with_labels_learns_those_of_the_data(photos, monkeypatch, capsys):
    told = Preset.from_dict({**PRESETS["tiny"].to_dict(), "label_dropout": 0.2})
    monkeypatch.setitem(PRESETS, "tiny", told)
    assert train("--data", str(photos), "--size", "16", "--steps", "2") == 0
    weights = "runs/tiny/weights.safetensors"
    assert load_weights(weights).config.num_classes == 2
    sample = ["sample", "--checkpoint", weights, "--n", "2", "--device", "cpu", "--label"]
    assert main([*sample, "1"]) == 0
    for label, message in (("2", "--label is 2, expected 0 to 1"), ("data", "--label is data, ")):
        assert main([*sample, label]) == 2
        assert message in error(capsys)
    assert train("--data", str(photos / "cats"), "--out", "flat") == 2
    assert "it learns labels, and these images have none" in error(capsys)


def test_grey_images_make_a_grey_network(photos):
    assert train("--data", str(photos), "--size", "8", "--channels", "1", "--steps", "1") == 0
    config = load_weights("runs/tiny/weights.safetensors").config
    assert (config.channels, config.size) == (1, 8)


def test_the_preset_for_images_takes_the_form_of_the_data():
    assert (PRESETS["images"].model.channels, PRESETS["images"].model.size) == (3, 32)
    digits = load_mnist("test")
    few = ImageSet(Digits(digits.images[:2], digits.labels[:2]), tuple("0123456789"))
    preset, about = fit(PRESETS["images"], few, {"seed": 0})
    assert (preset.model.channels, preset.model.size) == (1, 28)
    assert about == {"seed": 0}  # no "data": these are MNIST's
    for name in PRESETS.keys() - {"images"}:
        assert fit(PRESETS[name], few, {})[0] == PRESETS[name]


def test_the_weights_of_the_course_draw_what_they_always_drew():
    assert load_pretrained("mnist").config.size == 28


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--data nowhere", "source is 'nowhere', expected a folder of images, or hf:NAME"),
        ("--data empty", "empty: holds no images"),
        ("--data PHOTOS --size 17", "size is 17, expected a multiple of 4: this U-Net halves"),
        ("--data PHOTOS --size 68", "00.png: has 20 x 16 pixels, expected at least 17 x 17"),
        ("--data PHOTOS --size 0", "--size: is '0'"),
        ("--data PHOTOS --channels 2", "invalid choice: 2"),
        ("--size 32", "--size is 32, expected --data with it"),
        ("--channels 3", "--channels is 3, expected --data with it"),
        ("--data PHOTOS --batch-size 13", "batch_size is 13, expected a whole number in 1..12"),
        ("--data hf:me/pets", "pip install datasets"),
    ],
)
def test_mistakes_are_answered_by_one_line(photos, monkeypatch, capsys, words, message):
    monkeypatch.setitem(sys.modules, "datasets", None)
    Path("empty").mkdir()
    try:
        code = train(*words.replace("PHOTOS", str(photos)).split())
    except SystemExit as stop:  # argparse leaves by itself
        code = stop.code
    assert code == 2
    assert message in error(capsys)
    assert not Path("runs").exists()


def test_evaluate_judges_digits_only(trained, capsys):
    words = ["evaluate", "--checkpoint", str(trained / "weights.safetensors"), "--n", "2"]
    assert main([*words, "--device", "cpu"]) == 2
    expected = "draws images of 3 x 16 x 16, expected 1 x 28 x 28: a classifier of MNIST's digits"
    assert expected in error(capsys)
    assert not Path("runs").exists()
