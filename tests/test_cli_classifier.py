"""The command that trains the classifier."""

import re

import pytest

from ddpm_lessons.cli import classifier, main
from ddpm_lessons.data import Digits, load_mnist
from ddpm_lessons.evaluation import read
from ddpm_lessons.models import load_classifier
from ddpm_lessons.models.storage import read_header


@pytest.fixture(autouse=True)
def _small(tmp_path, monkeypatch):
    """An empty folder, and 256 digits of each set."""
    monkeypatch.chdir(tmp_path)
    whole = {split: load_mnist(split) for split in ("train", "test")}
    small = {split: Digits(x.images[:256], x.labels[:256]) for split, x in whole.items()}
    monkeypatch.setattr(classifier, "load_mnist", small.__getitem__)


def test_it_trains_writes_and_says_how_many_test_digits_are_read_right(capsys):
    assert main(["classifier", "--epochs", "3", "--seed", "5", "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    (path, right, count) = re.findall(r"^(.*): reads ([\d.]+)% of the (\d+) test", printed)[0]
    about = read_header(path)["about"]
    assert (about["epochs"], about["seed"]) == (3, 5)
    test = load_mnist("test")
    labels = read(load_classifier(path), test.images[:256]).labels
    assert count == "256"
    assert float(right) == pytest.approx(
        100 * (labels == test.labels[:256]).float().mean().item(), abs=0.01
    )


def test_no_epochs_are_refused(capsys):
    with pytest.raises(SystemExit):
        main(["classifier", "--epochs", "0"])
    assert "expected a whole number 1..1000" in capsys.readouterr().err
