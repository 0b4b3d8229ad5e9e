"""The HTML player and its pictures: the right pixels, in the right order, in words, and safe."""

import base64
import io
import json
import re
import sys
from html.parser import HTMLParser
from subprocess import run

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_lessons.data.images import to_uint8
from ddpm_lessons.samplers import Step
from ddpm_lessons.schedule import cosine_schedule, linear_schedule
from ddpm_lessons.show.chains import chain_player, forward_player, forward_states, grid, spread
from ddpm_lessons.show.pictures import describe, picture, pictures
from ddpm_lessons.show.player import Player, player

SCHEDULE = linear_schedule()


def gen(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int, channels: int = 1, size: int = 6) -> torch.Tensor:
    return torch.rand(n, channels, size, size, generator=gen()) * 2 - 1


def decode(data: str | bytes) -> np.ndarray:
    png = (
        base64.b64decode(data.removeprefix("data:image/png;base64,"))
        if isinstance(data, str)
        else data
    )
    return np.array(Image.open(io.BytesIO(png)))


class Page(HTMLParser):
    """The tags of a player, and the data of its script."""

    def __init__(self, shown: Player) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.feed(shown.html)
        self.data = json.loads(re.search(r"const data = (\{.*\});\n", shown.html).group(1))

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_every_frame_is_there_in_order_with_its_words_and_value():
    x = images(4)
    page = Page(player(x, ["a", "b", "c", "d"], values=[30, 20, 10, 0], start=2))
    assert [decode(data).tolist() for data in page.data["frames"][0]] == to_uint8(x)[:, 0].tolist()
    assert page.data["alts"] == ["a", "b", "c", "d"]
    assert page.data["values"] == ["30", "20", "10", "0"]
    assert page.data["start"] == 2


def test_the_first_picture_stands_in_the_page_before_any_script_runs():
    x = images(3, size=28)
    shown = player(x, ["t = 0", "t = 1", "t = 2"], start=1)
    (image,) = Page(shown).all("img")
    assert (decode(image["src"]) == to_uint8(x[1, 0]).numpy()).all()
    assert image["alt"] == "t = 1"
    assert (image["width"], image["height"]) == ("280", "280")
    assert shown.html.index("<img") < shown.html.index("<script")


def test_panels_are_named_and_move_together():
    x, y = images(3), -images(3)
    page = Page(player({"x_t": x, "x\u0302_0": y}, ["a", "b", "c"]))
    assert [image["alt"] for image in page.all("img")] == ["x_t: a", "x\u0302_0: a"]
    assert page.data["names"] == ["x_t: ", "x\u0302_0: "]
    assert [len(frames) for frames in page.data["frames"]] == [3, 3]
    assert (decode(page.data["frames"][1][2]) == to_uint8(y[2, 0]).numpy()).all()


def test_names_are_typeset():
    shown = player({"x_t": images(2), "x\u0302_0": images(2)}, ["a", "b"])
    assert '<span class="name"><i>x</i><sub>t</sub></span>' in shown.html
    assert '<span class="name"><i>x\u0302</i><sub>0</sub></span>' in shown.html
    assert Page(shown).data["label"] == "timestep <i>t</i>"
    assert Page(player(images(2), ["a", "b"], label="left at the step")).data["label"] == (
        "left at the step"
    )


def test_the_same_arguments_give_the_same_page_without_ids_or_addresses():
    pages = [player(images(3), ["a", "b", "c"]).html for _ in range(2)]
    assert pages[0] == pages[1]
    assert not re.search(r"\bid=|https?:|src=\"(?!data:)", pages[0])


def test_texts_cannot_break_out_of_the_page():
    evil = '</script><b>"&\u2028'
    shown = player({evil: images(2)}, [evil, evil], values=[evil, evil], label=evil)
    assert shown.html.count("</script>") == 1
    page = Page(shown)
    assert page.all("b") == []
    assert page.data["alts"] == [evil, evil]
    assert page.data["name"] == evil
    assert page.all("img")[0]["alt"] == f"{evil}: {evil}"


def test_it_shows_itself_in_a_notebook():
    shown = player(images(3), ["a", "b", "c"], values=[0, 5, 10])
    assert shown._repr_html_() == shown.html
    assert repr(shown) == "Player(3 frames, timestep t = 0..10)"


def test_one_frame_is_enough():
    assert Page(player(images(1), ["a"])).data["values"] == ["0"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alts": ["a", "b"]}, "alts has 2 entries, expected 3"),
        ({"alts": "abc"}, "alts is 'abc'"),
        ({"alts": ["a", "", "c"]}, "alts is"),
        ({"alts": ["a", 1, "c"]}, "alts is"),
        ({"values": [1, 2]}, "values has 2 entries, expected 3"),
        ({"start": 3}, "start is 3, expected a whole number in 0..2"),
        ({"start": -1}, "start is -1"),
        ({"start": 0.5}, "start is 0.5"),
        ({"width": 0}, "width is 0"),
        ({"frames": []}, "frames is empty"),
        ({"frames": {}}, "frames is empty"),
        ({"frames": {"a": images(3), "b": images(2)}}, "expected 2, one for each frame of 'b'"),
        ({"frames": images(3)[0]}, r"frames has shape \(1, 6, 6\), expected \(N, C, H, W\)"),
        ({"frames": [images(1)[0], images(1, size=5)[0], images(1)[0]]}, "sizes"),
        ({"frames": images(3, channels=2)}, "expected \\(1, H, W\\) or \\(3, H, W\\)"),
        ({"frames": [1, 2, 3]}, "frame is int"),
        ({"frames": [b"GIF89a"] * 3}, "expected the bytes of a PNG"),
        ({"frames": images(3) * float("nan")}, "NaN"),
        ({"frames": torch.zeros(3, 1, 2, 2, dtype=torch.int64)}, "floating"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    given = {"frames": images(3), "alts": ["a", "b", "c"]} | arguments
    with pytest.raises(ValueError, match=message):
        player(given.pop("frames"), given.pop("alts"), **given)


def test_pictures_are_native_pixels_enlarged_by_a_whole_number():
    for width, shown in ((280, 280), (281, 308), (1, 28), (28, 28)):
        p = picture(images(1, size=28)[0], width)
        assert decode(p.png).shape == (28, 28)
        assert (p.width, p.height, p.pixelated) == (shown, shown, True)


def test_pictures_of_every_kind():
    colour = images(1, channels=3)[0]
    assert (decode(picture(colour).png) == to_uint8(colour).permute(1, 2, 0).numpy()).all()
    levels = torch.arange(36, dtype=torch.uint8).view(6, 6)
    assert (decode(picture(levels).png) == levels.numpy()).all()
    outside = torch.tensor([[[-7.0, 7.0]]])
    assert decode(picture(outside).png).tolist() == [[0, 255]]
    png = picture(levels).png
    assert picture(png) == (png, 6, 6, False)


def test_figures_are_pictures_of_their_size_on_the_page():
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 2))
    figure.subplots().plot([1, 2])
    p = pictures([figure])[0]
    assert (p.width, p.height, p.pixelated) == (384, 192, False)
    assert len(p.png) < 20_000


def test_forward_player_shows_equation_4_with_one_noise_for_all_t():
    x_0, ts = images(1, size=28), [0, 1, 400, 1000]
    page = Page(forward_player(x_0, SCHEDULE, ts, generator=gen(3)))
    eps = torch.randn(x_0.shape, generator=gen(3))
    for t, frame in zip(ts, page.data["frames"][0], strict=True):
        alpha_bar = SCHEDULE.alpha_bars[t].item()
        x_t = alpha_bar**0.5 * x_0 + (1 - alpha_bar) ** 0.5 * eps
        difference = decode(frame).astype(int) - to_uint8(x_t)[0, 0].numpy().astype(int)
        assert np.abs(difference).max() <= 1
    assert (decode(page.data["frames"][0][0]) == to_uint8(x_0)[0, 0].numpy()).all()
    assert page.data["values"] == ["0", "1", "400", "1000"]
    assert page.data["alts"][2] == "t = 400, signal 0.44, noise 0.90"


def test_forward_player_takes_one_image_or_many_and_chooses_its_timesteps():
    one = Page(forward_player(images(1)[0], cosine_schedule(4), generator=gen()))
    assert one.data["values"] == ["0", "1", "2", "3", "4"]
    many = Page(forward_player(images(9), SCHEDULE, [0, 500], generator=gen()))
    assert decode(many.data["frames"][0][0]).shape == (3 * 7 + 1, 3 * 7 + 1)


@pytest.mark.parametrize("timesteps", [[-1], [1001], [0.5], [True]])
def test_forward_states_refuse_wrong_timesteps(timesteps):
    with pytest.raises(ValueError, match="timesteps"):
        forward_states(images(1), SCHEDULE, timesteps)


def chain(T: int, n: int = 1) -> list[Step]:
    return [Step(t, images(n) * 0 + t / T, images(n) * 0 - t / T) for t in range(T, -1, -1)]


def test_chain_player_shows_x_t_beside_x0_hat_from_T_to_0():
    page = Page(chain_player(iter(chain(4))))
    assert page.data["values"] == ["4", "3", "2", "1", "0"]
    assert page.data["alts"] == [f"t = {t}" for t in (4, 3, 2, 1, 0)]
    x_t, x0_hat = page.data["frames"]
    assert [decode(frame)[0, 0] for frame in x_t] == [255, 223, 191, 159, 128]
    assert [decode(frame)[0, 0] for frame in x0_hat] == [0, 32, 64, 96, 128]


def test_chain_player_keeps_the_first_and_the_last_of_a_long_chain():
    page = Page(chain_player(chain(1000), SCHEDULE, frames=11, show_x0_hat=False))
    assert page.data["values"] == [str(t) for t in range(1000, -1, -100)]
    assert page.data["alts"][6] == "t = 400, signal 0.44, noise 0.90"
    assert len(page.data["frames"]) == 1


def test_chain_player_refuses_nothing_to_show():
    with pytest.raises(ValueError, match="steps is empty"):
        chain_player([])
    with pytest.raises(ValueError, match="frames is 1"):
        chain_player(chain(4), frames=1)


@pytest.mark.parametrize("last", [0, 1, 3, 50, 999, 1000])
@pytest.mark.parametrize("n", [2, 11, 101])
def test_spread_rises_from_0_to_the_last_in_even_steps(last, n):
    numbers = spread(last, n)
    assert (numbers[0], numbers[-1], len(numbers)) == (0, last, min(n, last + 1))
    gaps = np.diff(numbers)
    assert last == 0 or (gaps.min() >= 1 and gaps.max() - gaps.min() <= 1)


def test_grid_tiles_as_torchvision_does():
    from torchvision.utils import make_grid

    assert torch.equal(grid(images(1)), images(1)[0])
    for n, columns in ((2, 2), (3, 2), (4, 2), (5, 3), (9, 3), (10, 4), (16, 4)):
        x = images(n, channels=3)
        assert torch.equal(grid(x), make_grid(x, nrow=columns, padding=1, pad_value=0.0))
        assert grid(images(n)).shape[0] == 1


def test_describe_counts_amplitudes_and_knows_the_clean_image():
    assert describe(SCHEDULE, 0) == "t = 0, signal 1.00, noise 0.00"
    assert describe(SCHEDULE, 1000) == "t = 1000, signal 0.01, noise 1.00"
    for t in (-1, 1001, 0.5):
        with pytest.raises(ValueError, match="t is"):
            describe(SCHEDULE, t)


def test_a_player_needs_neither_matplotlib_nor_ipywidgets():
    code = (
        "import sys, torch; from ddpm_lessons.show.player import player;"
        "player(torch.zeros(2, 1, 4, 4), ['a', 'b']);"
        "sys.exit(str({'matplotlib', 'ipywidgets', 'IPython'} & set(sys.modules) or ''))"
    )
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
