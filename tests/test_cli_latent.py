"""Latent diffusion by the command line: an autoencoder, a network of its latents, samples."""

import dataclasses
import re
from pathlib import Path

import pytest
import torch
from PIL import Image

from ddpm_lessons.cli import autoencoder, classifier, main
from ddpm_lessons.data import Digits, load_mnist
from ddpm_lessons.models import (
    PRETRAINED,
    load_autoencoder,
    load_noisy_classifier,
    load_weights,
)
from ddpm_lessons.models.storage import read_header
from ddpm_lessons.training import PRESETS, load_network

TINY = dataclasses.replace(
    PRESETS["tiny"],
    images=None,
    warmup=50,
    latent=True,
    model=dataclasses.replace(
        PRESETS["tiny"].model, channels=2, widths=(8,), blocks=(2,), heads=2, size=7
    ),
)


@pytest.fixture(autouse=True)
def _small(tmp_path, monkeypatch):
    """An empty folder, 256 digits of each set, and a small preset."""
    monkeypatch.chdir(tmp_path)
    whole = {split: load_mnist(split) for split in ("train", "test")}
    small = {split: Digits(x.images[:256], x.labels[:256]) for split, x in whole.items()}
    for module in (autoencoder, classifier):
        monkeypatch.setattr(module, "load_mnist", small.__getitem__)
    monkeypatch.setitem(PRESETS, "mnist-latent", TINY)


def say(line: str) -> int:
    return main([*line.split(), "--device", "cpu"])


def test_an_autoencoder_its_network_and_a_picture(capsys):
    assert say("autoencoder --latents 2 --epochs 2 --seed 5 --noise-std 0.5 --out a.st") == 0
    printed = capsys.readouterr().out
    assert re.search(r"a.st: 256 test digits come back [\d.]+ grey levels off, [\d.]+%", printed)
    about = read_header("a.st")["about"]
    assert (about["epochs"], about["noise_std"], about["seed"]) == (2, 0.5, 5)
    own = load_autoencoder("a.st")
    assert own.config.latents == 2

    assert say("train --preset mnist-latent --autoencoder a.st --steps 4 --out run") == 0
    network = load_weights("run/weights.safetensors")
    for (name, x), (_, y) in zip(
        network.autoencoder.state_dict().items(), own.state_dict().items(), strict=True
    ):
        torch.testing.assert_close(x, y, rtol=0, atol=0, msg=name)
    assert network.config.shape == (2, 7, 7)
    assert say("train --resume --out run --steps 6") == 0
    assert load_network("run/checkpoint.safetensors").autoencoder.config.latents == 2

    assert say("sample --checkpoint run/weights.safetensors --n 4 --gif c.gif --scale 1") == 0
    assert Image.open("samples.png").size == (60, 60)  # four digits with a line around each
    assert Image.open("c.gif").n_frames > 5
    line = "evaluate --checkpoint run/weights.safetensors --n 20 --sampler ddim --steps 2"
    assert say(f"{line} --bound-images 0 --chunk 10 --out e") == 0
    assert "digit-FID" in Path("e/report.md").read_text(encoding="utf-8")
    capsys.readouterr()
    assert say(line) == 2
    assert "--bound-images is 1000, expected 0: a network of latents" in capsys.readouterr().err


def test_an_autoencoder_where_there_is_no_use_for_it(capsys):
    assert say("train --preset tiny --autoencoder a.st") == 2
    assert "--autoencoder is a.st, expected a preset of latents" in capsys.readouterr().err
    assert say("sample --network mnist-latent --checkpoint a.st") == 2
    error = capsys.readouterr().err
    assert "--network is mnist-latent, and --checkpoint is a.st, expected one of the two" in error


@pytest.mark.parametrize("name", PRETRAINED)
def test_each_network_of_the_course_draws(name):
    assert say(f"sample --network {name} --n 2 --sampler dpm_solver --steps 3 --scale 1") == 0
    assert Image.open("samples.png").size == (60, 30)


def test_clothes_are_not_judged_by_a_reader_of_digits(capsys):
    assert say("evaluate --network fashion --n 20") == 2
    assert "--network is fashion, expected digits" in capsys.readouterr().err


def test_a_classifier_of_noisy_digits(capsys):
    assert say("classifier --noisy --epochs 1 --out n.st") == 0
    printed = capsys.readouterr().out
    assert "n.st: of the 256 test digits it reads right" in printed
    assert re.findall(r"at t = (\d+)", printed)[1:4] == ["100", "200", "300"]
    assert load_noisy_classifier("n.st").config.num_classes == 10
