"""Pictures made into squares: which part, which filter, which colours; and what is refused."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ddpm_lessons.data import DataError
from ddpm_lessons.data.pictures import Pictures, gather, square

RED, BLUE, GREY = (255, 0, 0), (0, 0, 255), (90, 90, 90)


def noise(width: int, height: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    channels = {"RGB": (3,), "RGBA": (4,), "L": ()}[mode]
    levels = np.random.default_rng(seed).integers(0, 256, (height, width, *channels))
    return Image.fromarray(levels.astype(np.uint8))


def halves(width: int, height: int) -> Image.Image:
    """Red on the left, blue on the right."""
    picture = Image.new("RGB", (width, height), RED)
    picture.paste(BLUE, (width // 2, 0, width, height))
    return picture


# One picture


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("L", 1)])
def test_a_picture_of_the_size_stays_as_it_is(mode, channels):
    picture = noise(9, 9, mode)
    image = square(picture, 9, channels)
    assert (image.shape, image.dtype) == ((channels, 9, 9), torch.uint8)
    for x in range(9):
        for y in range(9):
            level = picture.getpixel((x, y))
            assert tuple(image[:, y, x].tolist()) == (level if channels == 3 else (level,))


def test_a_long_picture_loses_both_ends_alike():
    levels = torch.arange(12, dtype=torch.uint8)  # each column of its own level
    wide = Image.fromarray(levels.expand(4, 12).numpy().copy())
    assert square(wide, 4, 1)[0].tolist() == [[4, 5, 6, 7]] * 4
    tall = wide.transpose(Image.Transpose.TRANSPOSE)
    assert square(tall, 4, 1)[0].tolist() == [[level] * 4 for level in (4, 5, 6, 7)]


@settings(max_examples=30)
@given(
    width=st.integers(2, 60),
    height=st.integers(2, 60),
    level=st.integers(0, 255),
    size=st.sampled_from([1, 3, 8]),
)
def test_a_plain_picture_stays_plain_whatever_its_form(width, height, level, size):
    image = square(Image.new("L", (width, height), level), size, 3)
    assert image.unique().tolist() == [level]


def test_shrinking_averages_and_does_not_pick():
    board = np.indices((64, 64)).sum(0) % 2 * 255  # every other pixel white
    image = square(Image.fromarray(board.astype(np.uint8)), 8, 1).int()
    assert (image - 127).abs().max() <= 3
    ramp = np.arange(64).repeat(64).reshape(64, 64).T * 4  # level 4 x
    image = square(Image.fromarray(ramp.astype(np.uint8)), 8, 1)[0, 4].double()
    expected = 4 * (8 * torch.arange(8) + 3.5)  # the mean of each 8 pixels
    assert (image - expected).abs()[1:-1].max() <= 1


def test_a_picture_is_turned_as_its_camera_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held so that the left of the file is the top
    halves(8, 8).save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as picture:
        image = square(picture, 8, 3)
    assert {tuple(rgb) for rgb in image[:, :4].flatten(1).T.tolist()} == {RED}
    assert {tuple(rgb) for rgb in image[:, 4:].flatten(1).T.tolist()} == {BLUE}


def test_the_transparent_is_white():
    picture = Image.new("RGBA", (4, 4), (*RED, 0))
    picture.putpixel((1, 2), (*BLUE, 255))
    image = square(picture, 4, 3)
    assert tuple(image[:, 2, 1].tolist()) == BLUE
    assert image[:, 0].unique().tolist() == [255]
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([*RED, *BLUE])
    palette.info["transparency"] = 0
    assert square(palette, 4, 3).unique().tolist() == [255]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV"])
@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_of_every_8_bit_mode_are_taken(mode, channels):
    image = square(Image.new("L", (6, 6), 255).convert("RGB").convert(mode), 6, channels)
    assert image.shape == (channels, 6, 6)
    assert image.min() >= 254


def test_colour_becomes_grey_by_brightness():
    """ITU-R 601: 0.299, 0.587, 0.114."""
    for channel, share in enumerate((0.299, 0.587, 0.114)):
        colour = [255 * (i == channel) for i in range(3)]
        (level,) = square(Image.new("RGB", (2, 2), tuple(colour)), 2, 1).unique().tolist()
        assert abs(level - 255 * share) <= 1


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_more_than_8_bits_are_refused(mode):
    with pytest.raises(ValueError, match=f"has the mode '{mode}', expected 8 bits a channel"):
        square(Image.new(mode, (4, 4)), 4, 1)


def test_a_picture_is_enlarged_four_times_at_most():
    assert square(Image.new("L", (20, 8), 7), 32, 1).unique().tolist() == [7]
    with pytest.raises(ValueError, match=r"has 20 x 7 pixels, expected at least 8 x 8"):
        square(Image.new("L", (20, 7)), 32, 1)


# All pictures


def pictures(*images: Image.Image) -> Pictures:
    return Pictures(images.__getitem__, lambda i: f"number {i}", list(range(len(images))), ())


def test_all_pictures_come_in_their_order_with_their_labels():
    images = [noise(5, 5, seed=seed) for seed in range(4)]
    digits = gather(pictures(*images), size=5)
    assert digits.labels.tolist() == [0, 1, 2, 3]
    for image, picture in zip(digits.images, images, strict=True):
        assert torch.equal(image, square(picture, 5, 3))


def test_they_are_grey_if_every_pixel_is_and_coloured_otherwise():
    grey = [Image.new("L", (4, 4), 90), Image.new("RGB", (4, 4), GREY)]
    assert gather(pictures(*grey), size=4).images.shape == (2, 1, 4, 4)
    nearly = Image.new("RGB", (4, 4), GREY)
    nearly.putpixel((3, 3), (90, 91, 90))
    for order in ([*grey, nearly], [nearly, *grey]):
        digits = gather(pictures(*order), size=4)
        assert digits.images.shape == (3, 3, 4, 4)
    assert gather(pictures(*grey), size=4, channels=3).images.shape == (2, 3, 4, 4)
    assert gather(pictures(nearly), size=4, channels=1).images.shape == (1, 1, 4, 4)


def test_grey_is_the_same_whether_it_was_asked_for_or_found():
    """A run finds the channels, and a resumed one asks for them."""
    grey = [noise(30, 20, "L", seed).convert("RGB") for seed in range(3)]
    asked, found = gather(pictures(*grey), size=8, channels=1), gather(pictures(*grey), size=8)
    assert torch.equal(asked.images, found.images)


def test_a_picture_that_cannot_be_used_is_named():
    with pytest.raises(DataError, match=r"^number 1: has 1 x 9 pixels, .*; replace or remove it$"):
        gather(pictures(noise(9, 9), Image.new("L", (1, 9))), size=9)

    def read(i):
        raise OSError("cannot identify\nthis")

    with pytest.raises(DataError, match=r"^number 0: cannot identify; replace or remove it$"):
        gather(pictures(noise(9, 9))._replace(read=read), size=9)


def test_more_than_the_memory_holds_is_refused():
    many = pictures()._replace(labels=range(10**12))
    with pytest.raises(DataError, match=r"1,000,000,000,000 images of 3 x 64 x 64 take .* bytes"):
        gather(many, size=64)
