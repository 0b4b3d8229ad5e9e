"""Images from folders on the disk: which files, in which order, with which labels; and damage."""

import gzip
import itertools
import struct
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from PIL import Image

from ddpm_lessons.data import DataError, load_images
from ddpm_lessons.data.folders import IDX, SUFFIXES


def paint(path: Path, level: int = 0, *, size: tuple[int, int] = (8, 8), **options) -> Path:
    """A grey picture of one level in a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, level).save(path, **options)
    return path


def levels(digits) -> list[int]:
    """The level of each image, which has but one."""
    flat = digits.images.flatten(1)
    assert (flat == flat[:, :1]).all()
    return flat[:, 0].tolist()


# A folder of images


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".PNG", ".JPG"])
def test_every_kind_of_file_is_read(tmp_path, suffix):
    paint(tmp_path / f"a{suffix}", 100)
    found = load_images(tmp_path, size=8)
    assert found.digits.images.shape == (1, 1, 8, 8)
    assert (found.digits.images.int() - 100).abs().max() <= 1  # not every format is exact
    assert (found.digits.labels.tolist(), found.classes, found.ignored) == ([0], (), 0)


def test_a_flat_folder_has_no_labels_and_the_order_of_its_names(tmp_path):
    for level, name in enumerate(["b", "a10", "a9", "C", "ä"]):
        paint(tmp_path / f"{name}.png", level)
    found = load_images(str(tmp_path), size=8)
    assert levels(found.digits) == [3, 1, 2, 0, 4]  # capitals, digits, letters: by code point
    assert found.digits.labels.tolist() == [0] * 5
    assert found.classes == ()


def test_sub_folders_are_classes_in_the_order_of_their_names(tmp_path):
    for level, name in enumerate(["dog/2.png", "cat/1.png", "dog/1.png", "ant.jpg/x.bmp"]):
        paint(tmp_path / name, level)
    found = load_images(tmp_path, size=8)
    assert found.classes == ("ant.jpg", "cat", "dog")
    assert levels(found.digits) == [3, 1, 2, 0]
    assert found.digits.labels.tolist() == [0, 1, 2, 2]


def test_an_animation_counts_by_its_first_frame(tmp_path):
    frames = [Image.new("L", (8, 8), level) for level in (50, 200)]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    assert levels(load_images(tmp_path, size=8).digits) == [50]


def test_other_files_are_counted_and_left_alone(tmp_path):
    paint(tmp_path / "cats/a.png")
    paint(tmp_path / "cats/.a.png")
    (tmp_path / ".cache").mkdir()
    (tmp_path / "README.txt").write_text("words")
    (tmp_path / "cats/labels.csv").write_text("words")
    found = load_images(tmp_path)
    assert len(found.digits) == 1
    assert found.ignored == 4


def test_images_become_32_pixels_wide_unless_told_otherwise(tmp_path):
    paint(tmp_path / "a.png", size=(50, 40))
    assert load_images(tmp_path).digits.images.shape == (1, 1, 32, 32)
    assert load_images(tmp_path, size=12).digits.images.shape == (1, 1, 12, 12)
    assert load_images(tmp_path, size=12, channels=3).digits.images.shape == (1, 3, 12, 12)


def test_pictures_of_different_sizes_go_together(tmp_path):
    for level, size in enumerate([(8, 8), (100, 20), (9, 300)]):
        paint(tmp_path / f"{level}.png", level, size=size)
    assert levels(load_images(tmp_path, size=16).digits) == [0, 1, 2]


def damage(folder: Path, path: str, data: bytes) -> Path:
    paint(folder / "a.png")
    (folder / path).write_bytes(data)
    return folder / path


@pytest.mark.parametrize("data", [b"", b"words", b"\x89PNG\r\n\x1a\n" + bytes(50)])
def test_a_file_that_is_no_image_is_named(tmp_path, data):
    path = damage(tmp_path, "b.png", data)
    with pytest.raises(DataError, match=rf"{path.name}.*; replace or remove it$") as caught:
        load_images(tmp_path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_that_is_cut_off_is_named(tmp_path, suffix):
    noise = torch.randint(0, 256, (64, 64), generator=torch.Generator().manual_seed(0))
    path = tmp_path / f"b{suffix}"
    Image.fromarray(noise.byte().numpy()).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError) as caught:
        load_images(tmp_path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_bomb_is_refused(tmp_path, monkeypatch):
    paint(tmp_path / "a.png", size=(100, 100))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(DataError, match=r"a\.png: .*decompression bomb"):
        load_images(tmp_path)


def test_an_image_that_is_too_small_is_named(tmp_path):
    paint(tmp_path / "a.png", size=(7, 99))
    with pytest.raises(DataError, match=r"a\.png: has 7 x 99 pixels, expected at least 8 x 8"):
        load_images(tmp_path)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], r"holds no images, expected files in \.bmp, "),
        (["a.txt"], "holds no images"),
        (["a.png", "cats/b.png"], "holds images and the folder 'cats', expected either"),
        (["cats/a.png", "dogs/b.txt"], "dogs: holds no images, expected the images of one class"),
        (["train/cats/a.png"], "train: holds the folder 'cats', expected the images of one class"),
    ],
)
def test_a_folder_of_another_form_is_refused(tmp_path, names, message):
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        paint(path) if path.suffix == ".png" else path.write_text("words")
    with pytest.raises(DataError, match=message):
        load_images(tmp_path)


@pytest.mark.parametrize("source", ["nowhere", "", "a.png", None, 7])
def test_what_is_no_folder_is_refused(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    paint(tmp_path / "a.png")
    if source == "":
        (tmp_path / "a.png").unlink()  # "" is the current folder, for Path
    with pytest.raises(DataError, match=r"source is |holds no images"):
        load_images(source)


@pytest.mark.parametrize("size", [0, -1, 4097, 8.0, "8", True])
def test_a_size_that_is_none_is_refused(tmp_path, size):
    with pytest.raises(ValueError, match=r"^size is .*expected a whole number in 1\.\.4096"):
        load_images(tmp_path, size=size)


@pytest.mark.parametrize("channels", [0, 2, 4, "1"])
def test_channels_are_one_or_three(tmp_path, channels):
    with pytest.raises(ValueError, match=r"^channels is .*expected one of 1, 3"):
        load_images(tmp_path, channels=channels)


# Files in MNIST's format


def idx(items: torch.Tensor) -> bytes:
    head = struct.pack(f">BBBB{items.ndim}I", 0, 0, 8, items.ndim, *items.shape)
    return head + bytes(items.byte().flatten().tolist())


IMAGES = torch.randint(0, 256, (5, 6, 6), generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([2, 0, 3, 2, 0])


def write(folder: Path, images: bytes, labels: bytes, *, packed: bool = False) -> Path:
    for name, data in zip(IDX, (images, labels), strict=True):
        path = folder / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(data) if packed else data)
    return folder


@pytest.mark.parametrize("packed", [False, True])
def test_a_set_in_the_format_of_mnist_is_read_as_it_is(tmp_path, packed):
    found = load_images(write(tmp_path, idx(IMAGES), idx(LABELS), packed=packed))
    assert torch.equal(found.digits.images, IMAGES.byte()[:, None])
    assert torch.equal(found.digits.labels, LABELS)
    assert found.classes == ("0", "1", "2", "3")


def test_its_images_can_be_brought_to_another_form(tmp_path):
    write(tmp_path, idx(IMAGES), idx(LABELS))
    assert load_images(tmp_path, size=8).digits.images.shape == (5, 1, 8, 8)
    colour = load_images(tmp_path, channels=3).digits.images
    assert torch.equal(colour, IMAGES.byte()[:, None].expand(-1, 3, -1, -1))


def test_the_digits_of_mnist_itself_come_out(tmp_path):
    """The test set in the place of the training set, and what is known of it."""
    for name in IDX:
        packed = files("ddpm_lessons.data") / "files" / f"{name.replace('train', 't10k')}.gz"
        (tmp_path / f"{name}.gz").write_bytes(packed.read_bytes())
    found = load_images(tmp_path)
    assert found.digits.images.shape == (10_000, 1, 28, 28)
    assert abs(found.digits.images.double().mean() / 255 - 0.1325) < 1e-4
    assert found.digits.labels[:5].tolist() == [7, 2, 1, 0, 4]
    counts = found.digits.labels.bincount().tolist()
    assert counts == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (idx(IMAGES)[:-1], idx(LABELS), f"{IDX[0]}: damaged, 195 bytes"),
        (idx(IMAGES) + b"x", idx(LABELS), f"{IDX[0]}: damaged"),
        (idx(IMAGES), idx(LABELS)[:6], f"{IDX[1]}: damaged"),
        (idx(LABELS), idx(LABELS), f"{IDX[0]}: damaged.*in 3 dimensions"),
        (idx(IMAGES[:, 0, 0]), idx(LABELS), f"{IDX[0]}: damaged"),
        (b"", idx(LABELS), f"{IDX[0]}: damaged, 0 bytes"),
        (idx(IMAGES[:0]), idx(LABELS[:0]), f"{IDX[0]}: damaged"),
        (idx(IMAGES[:4]), idx(LABELS), "holds 4 images and 5 labels"),
    ],
)
def test_damaged_files_of_this_format_are_refused(tmp_path, images, labels, message):
    with pytest.raises(DataError, match=message):
        load_images(write(tmp_path, images, labels))


def test_files_of_this_format_that_cannot_be_unpacked_or_are_missing_are_named(tmp_path):
    write(tmp_path, idx(IMAGES), idx(LABELS), packed=True)
    packed, labels = (tmp_path / f"{name}.gz" for name in IDX)
    data = packed.read_bytes()
    for bad in (data[:-20], b"no gzip", data[:20] + b"xx" + data[22:]):
        packed.write_bytes(bad)
        with pytest.raises(DataError, match=rf"{IDX[0]}\.gz: (cannot be read|damaged)"):
            load_images(tmp_path)
    packed.write_bytes(data)
    labels.unlink()
    with pytest.raises(DataError, match=f"{IDX[1]}: cannot be read"):
        load_images(tmp_path)


def test_the_same_folder_gives_the_same_images_every_time(tmp_path):
    for i, name in itertools.product(range(3), "ab"):
        paint(tmp_path / name / f"{i}.png", 10 * i)
    one, two = load_images(tmp_path), load_images(tmp_path)
    assert torch.equal(one.digits.images, two.digits.images)
    assert torch.equal(one.digits.labels, two.digits.labels)
