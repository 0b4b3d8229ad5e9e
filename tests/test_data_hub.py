"""Data sets of Hugging Face, by a stand-in for their library: no network, nothing installed."""

import sys
import types
from collections.abc import Iterator

import pytest
import torch
from PIL import Image

from ddpm_lessons.data import DataError, load_images


class Rows:
    """What `load_dataset` returns, as far as we need it."""

    def __init__(self, features: dict, columns: dict) -> None:
        self.features, self.columns = features, columns

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, key: int | str) -> object:
        if isinstance(key, str):
            return self.columns[key]
        return {name: column[key] for name, column in self.columns.items()}


class ImageFeature:
    """`datasets.Image`."""


class ClassLabel:
    """`datasets.ClassLabel`."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)


def squares(*levels: int) -> list[Image.Image]:
    return [Image.new("RGB", (8, 8), (level, 0, 0)) for level in levels]


@pytest.fixture
def hub(monkeypatch) -> Iterator[dict]:
    """The sets that there are: (name, split) -> rows. What is asked for is noted under "asked"."""
    sets: dict = {"asked": []}

    def load_dataset(name, *, split):
        sets["asked"].append((name, split))
        if (name, split) not in sets:
            raise FileNotFoundError(f"Dataset '{name}' does not exist.\nMore words.")
        return sets[name, split]

    stub = types.ModuleType("datasets")
    stub.load_dataset, stub.Image, stub.ClassLabel = load_dataset, ImageFeature, ClassLabel
    monkeypatch.setitem(sys.modules, "datasets", stub)
    return sets


def test_the_columns_are_found_by_their_types(hub):
    features = {"id": object(), "photo": ImageFeature(), "kind": ClassLabel("cat", "dog")}
    columns = {"id": [7, 8, 9], "photo": squares(1, 2, 3), "kind": [1, 0, 1]}
    hub["me/pets", "train"] = Rows(features, columns)
    found = load_images("hf:me/pets", size=8)
    assert hub["asked"] == [("me/pets", "train")]
    assert found.digits.images[:, 0, 0, 0].tolist() == [1, 2, 3]
    assert found.digits.images.shape == (3, 3, 8, 8)
    assert found.digits.labels.tolist() == [1, 0, 1]
    assert found.classes == ("cat", "dog")
    assert load_images("hf:me/pets").digits.images.shape == (3, 3, 32, 32)


def test_a_split_and_a_column_of_labels_can_be_named(hub):
    features = {"img": ImageFeature(), "fine": ClassLabel(*"abc"), "coarse": ClassLabel(*"xy")}
    hub["c", "test"] = Rows(features, {"img": squares(5, 6), "fine": [2, 1], "coarse": [0, 1]})
    for column, labels, classes in (("fine", [2, 1], "abc"), ("coarse", [0, 1], "xy")):
        found = load_images(f"hf:c:test:{column}", size=8)
        assert found.digits.labels.tolist() == labels
        assert found.classes == tuple(classes)
    with pytest.raises(DataError, match=r"labels \['fine', 'coarse'\]; choose one by hf:NAME"):
        load_images("hf:c:test")
    with pytest.raises(DataError, match=r"labels \['fine', 'coarse'\], expected 'img'"):
        load_images("hf:c:test:img")


def test_without_labels_all_are_0_and_a_missing_label_is_none(hub):
    hub["a", "train"] = Rows({"image": ImageFeature()}, {"image": squares(1, 2)})
    found = load_images("hf:a", size=8)
    assert (found.digits.labels.tolist(), found.classes) == ([0, 0], ())
    features = {"image": ImageFeature(), "label": ClassLabel("a", "b")}
    hub["b", "train"] = Rows(features, {"image": squares(1, 2, 3), "label": [1, -1, None]})
    assert torch.equal(load_images("hf:b", size=8).digits.labels, torch.tensor([1, -1, -1]))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("hf:", "source is 'hf:', expected hf:NAME, hf:NAME:SPLIT"),
        ("hf::train", "source is 'hf::train', expected"),
        ("hf:a:b:c:d", "source is 'hf:a:b:c:d', expected"),
        ("hf:other", r"hf:other: cannot be loaded \(Dataset 'other' does not exist\.\)$"),
        ("hf:words", r"hf:words: has the columns of images \[\] among \['text'\], expected one"),
        ("hf:pairs", r"hf:pairs: has the columns of images \['left', 'right'\]"),
        ("hf:nothing", "hf:nothing: holds no images"),
        ("hf:small", "hf:small, image 0: has 8 x 8 pixels, expected at least 16 x 16"),
    ],
)
def test_what_cannot_be_used_is_refused(hub, source, message):
    image = ImageFeature()
    hub["words", "train"] = Rows({"text": object()}, {"text": ["a"]})
    hub["pairs", "train"] = Rows({"left": image, "right": image}, {"left": [], "right": []})
    hub["nothing", "train"] = Rows({"image": image}, {"image": []})
    hub["small", "train"] = Rows({"image": image}, {"image": squares(1)})
    with pytest.raises(DataError, match=message):
        load_images(source, size=64)


def test_without_the_library_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"hf:a needs a package .*: pip install datasets$"):
        load_images("hf:a")
