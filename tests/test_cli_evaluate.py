"""The evaluation from the command line: stopped, shared and resumed, it reports the same."""

import argparse
import dataclasses
import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_lessons.cli import chunks, evaluate, main, report, streams
from ddpm_lessons.cli.chunks import Chunks, fingerprint
from ddpm_lessons.cli.streams import choose_labels, stream
from ddpm_lessons.cli.tables import markdown
from ddpm_lessons.data import Digits, load_mnist
from ddpm_lessons.evaluation import (
    BitsPerDim,
    Estimate,
    Interval,
    Memorisation,
    Quality,
    fid,
    quality,
    read,
)
from ddpm_lessons.models import (
    CheckpointError,
    UNet,
    UNetConfig,
    load_classifier,
    load_weights,
    save_weights,
)
from ddpm_lessons.models.storage import read_tensors
from ddpm_lessons.schedule import cosine_schedule
from ddpm_lessons.training import MixedPrecision

TINY = UNetConfig(widths=(8, 8), blocks=(1, 1), groups=4, time_width=8, T=5)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """An empty folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True, scope="module")
def _small():
    """Small sets of digits, and a bound of few images at a time."""
    small = {}
    for split in ("train", "test"):
        whole = load_mnist(split)
        small[split] = Digits(whole.images[:300], whole.labels[:300])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "BOUND_CHUNK", 10)
        for module in (evaluate, report):
            patch.setattr(module, "load_mnist", small.__getitem__)
        yield


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """Two files of untrained weights."""
    folder = tmp_path_factory.mktemp("weights")
    for seed in (0, 1):
        torch.manual_seed(seed)
        model = UNet(TINY)
        torch.nn.init.normal_(model.head.weight, std=0.05)
        save_weights(folder / f"{seed}.safetensors", model, cosine_schedule(T=5))
    return folder


@pytest.fixture(scope="module")
def command(weights):
    """The command's words, with the options that matter here."""

    def words(*more: str, out: str = "out", seed: int = 0) -> list[str]:
        file = str(weights / f"{seed}.safetensors")
        sizes = ["--n", "45", "--chunk", "20", "--bound-images", "15", "--device", "cpu"]
        return ["evaluate", "--checkpoint", file, *sizes, "--out", out, *more]

    return words


@pytest.fixture(scope="module")
def finished(command, tmp_path_factory) -> Path:
    """The folder of a run from beginning to end."""
    out = tmp_path_factory.mktemp("runs") / "out"
    assert main(command(out=str(out))) == 0
    return out


@pytest.fixture
def folder(finished, tmp_path) -> Path:
    """A copy of it."""
    return shutil.copytree(finished, tmp_path / "out")


def found(out: str | Path = "out") -> dict:
    return json.loads(Path(out, "report.json").read_text(encoding="utf-8"))


# --- one run ---


def test_the_report_says_what_the_functions_say_of_the_images_in_the_folder(
    command, tmp_path, capsys
):
    assert main(command("--clip", "1")) == 0
    printed, out = capsys.readouterr().out, tmp_path / "out"
    pieces = [out / f"samples-000{i}.safetensors" for i in range(3)]
    images = torch.cat([read_tensors(p, chunks.FORMAT)[0]["images"] for p in pieces])
    assert images.dtype == torch.uint8
    assert images.shape == (60, 1, 28, 28)  # whole pieces; 45 of them count
    classifier, test = load_classifier(), load_mnist("test").images[:300]
    real, samples = read(classifier, test), read(classifier, images[:45])
    numbers = found()
    expected = fid(samples.features, real.features)
    assert numbers["samples"]["fid"]["value"] == pytest.approx(expected, rel=1e-6)
    assert numbers["samples"]["quality"]["shares"] == list(quality(samples.probabilities).shares)
    assert numbers["test"]["quality"]["confident"] == quality(real.probabilities).confident
    assert numbers["samples"]["images"] == numbers["floor"]["images"] == 45
    assert numbers["settings"]["clip_x0"] == 1
    assert numbers["settings"]["variance"] == "beta"
    assert numbers["bits_per_dim"].keys() == {"beta", "posterior"}
    assert numbers["bits_per_dim"]["beta"]["images"] == 15
    text = (out / "report.md").read_text(encoding="utf-8")
    assert text in printed
    assert f"{expected:.3g} (" in text
    assert "| 45 samples | 45 training digits (the floor) | the 300 test digits |" in text
    assert Image.open(out / "samples.png").size == (2 * 7 * 30, 2 * 7 * 30)
    assert Image.open(out / "neighbours.png").size == (2 * 13 * 30, 2 * 10 * 30)


def test_the_floor_is_measured_without_a_network(tmp_path, capsys):
    assert main(["evaluate", "--real-only", "--n", "40", "--out", "out", "--device", "cpu"]) == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"report.json", "report.md"}
    assert "| 40 training digits (the floor) | the 300 test digits |" in capsys.readouterr().out
    assert 0 < found()["floor"]["fid"]["low"] < found()["floor"]["fid"]["value"]
    assert found()["floor"]["quality"]["confident"] > 0.9
    assert "samples" not in found()


def test_the_first_columns_of_the_neighbours_are_the_closest_samples():
    images = load_mnist("test").images[:12]
    numbers, near = report.recall(images, torch.device("cpu"))
    assert numbers["median_distance_of_test_digits"] == pytest.approx(
        report.recall(load_mnist("test").images[:300], torch.device("cpu"))[0]["median_distance"]
    )
    report.write_pictures(Path(), images, near)
    picture = torch.tensor(np.array(Image.open("neighbours.png").convert("L")))
    picture = picture.view(10 * 30, 2, 13 * 30, 2)[:, 0, :, 0]
    cells = picture.unfold(0, 30, 30).unfold(1, 30, 30)[..., 1:-1, 1:-1]  # (10, 13, 28, 28)
    order = near.distances[:, 0].argsort(stable=True)
    train = load_mnist("train").images
    assert torch.equal(cells[2, 0], images[order[2], 0])
    assert torch.equal(cells[2, 1:6], train[near.indices[order[2]], 0])
    assert torch.equal(cells[2, 7], images[2, 0])
    assert torch.equal(cells[2, 8:], train[near.indices[2], 0])


# --- stopped, shared, resumed ---


@pytest.fixture
def _heard():
    """Ctrl-C raises KeyboardInterrupt here, also where a shell has started the tests in the
    background and has it ignored.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("when", [2, 5])
@pytest.mark.usefixtures("_heard")
def test_a_run_that_was_stopped_goes_on_and_reports_the_same(
    when, command, finished, monkeypatch, capsys
):
    write, written = Chunks.write, []

    def press(self, i, tensors):
        written.append((self.name, i))
        if len(written) == when:
            signal.raise_signal(signal.SIGINT)
        write(self, i, tensors)

    with monkeypatch.context() as patch:
        patch.setattr(Chunks, "write", press)
        assert main(command()) == 130
        assert "stopped" in capsys.readouterr().err
        done = len(written) - 1
        assert main(command()) == 0
    assert len(written) == done + 1 + 5 - done  # three pieces of samples and two of bounds, once
    assert found() == found(finished)


def test_parts_share_the_work_and_report_the_same(command, finished, tmp_path, capsys):
    assert main(command("--part", "2/2")) == 0
    assert "this part is done" in capsys.readouterr().out
    files = {p.name for p in (tmp_path / "out").iterdir()}
    assert files == {"samples-0001.safetensors", "bound-0001.safetensors"}
    assert main(command("--part", "1/2")) == 0
    assert found() == found(finished)


def test_more_samples_later_keep_those_that_are_there(command, folder):
    before = {p: p.stat().st_mtime_ns for p in folder.glob("*.safetensors")}
    assert main(command("--n", "70")) == 0
    assert found()["samples"]["images"] == 70
    after = {p: p.stat().st_mtime_ns for p in folder.glob("*.safetensors")}
    assert len(after) == len(before) + 1
    assert all(after[p] == time for p, time in before.items())


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--seed", "1"], r"made with seed 0, expected 1"),
        (["--variance", "posterior"], r"made with variance 'beta', expected 'posterior'"),
        (["--clip", "1"], r"made with clip_x0 None, expected 1.0"),
        (["--sampler", "ddim"], r"made with sampler 'ddpm', expected 'ddim'"),
        (["--compile"], r"made with compiled False, expected True"),
        (["--chunk", "30"], r"made with chunk 20, expected 30"),
    ],
)
def test_a_folder_of_other_settings_is_refused(more, message, command, folder, capsys):
    before = found()
    assert main(command(*more)) == 2
    assert message in (error := capsys.readouterr().err)
    assert "choose another folder by --out" in error
    assert found() == before


def test_a_folder_of_other_weights_is_refused(command, folder, capsys):
    assert main(command(seed=1)) == 2
    assert "made with weights" in capsys.readouterr().err


def test_a_damaged_piece_is_refused_by_name(command, folder, capsys):
    path = folder / "bound-0001.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    assert main(command()) == 2
    assert "bound-0001.safetensors: cut off or altered" in capsys.readouterr().err


@pytest.mark.parametrize("bfloat16", [True, False])
def test_what_the_network_is_asked(bfloat16, command, monkeypatch):
    forward, sizes, rough = UNet.forward, [], []

    def note(self, x_t, t, *more):
        sizes.append(len(x_t))
        rough.append(torch.is_autocast_enabled("cpu"))
        return forward(self, x_t, t, *more)

    monkeypatch.setattr(UNet, "forward", note)
    monkeypatch.setattr("ddpm_lessons.training.loop.has_bfloat16", lambda device: True)
    assert main(command(*(() if bfloat16 else ("--float32",)))) == 0
    # T calls for each of three pieces of 20 samples; and for two pieces of the bound, which asks
    # once for both variances. Never more than a piece at once, and the bound never in bfloat16.
    assert sizes == [20] * 15 + [10] * 10
    assert rough == [bfloat16] * 15 + [False] * 10


# --- labels ---


@pytest.fixture
def labelled(tmp_path) -> str:
    """A file of weights of a network that knows labels."""
    torch.manual_seed(0)
    model = UNet(dataclasses.replace(TINY, num_classes=10))
    for parameter in (model.head.weight, model.label.weight):
        torch.nn.init.normal_(parameter, std=0.5)
    save_weights(tmp_path / "labelled.safetensors", model, cosine_schedule(T=5))
    return str(tmp_path / "labelled.safetensors")


@pytest.mark.parametrize("label", ["data", "7"])
def test_the_network_is_told_the_labels_that_are_reported(label, labelled, monkeypatch, capsys):
    """The bound stays that of a network which is told nothing."""
    forward, told = UNet.forward, []

    def note(self, x_t, t, labels=None):
        told.append(labels)
        return forward(self, x_t, t, labels)

    monkeypatch.setattr(UNet, "forward", note)
    sizes = ["--n", "40", "--chunk", "20", "--bound-images", "5", "--device", "cpu", "--out", "out"]
    assert main(["evaluate", "--checkpoint", labelled, "--label", label, *sizes]) == 0
    pieces = [read_tensors(f"out/samples-000{i}.safetensors", chunks.FORMAT)[0] for i in (0, 1)]
    for i, labels in enumerate(told[:10]):
        assert torch.equal(labels, pieces[i // 5]["labels"])
    assert told[10:] == [None] * 5
    labels = torch.cat([piece["labels"] for piece in pieces])
    assert set(labels.tolist()) == {7} if label == "7" else len(labels.unique()) > 5
    images = torch.cat([piece["images"] for piece in pieces])
    share = (read(load_classifier(), images).probabilities.argmax(dim=1) == labels).double().mean()
    assert found()["samples"]["as_asked"] == pytest.approx(share.item())
    assert f"| read as the digit asked for | {100 * share:.2f} % |" in capsys.readouterr().out
    assert main(["evaluate", "--checkpoint", labelled, *sizes]) == 2
    assert "was made with label" in capsys.readouterr().err


def test_data_asks_for_each_digit_as_often_as_it_occurs():
    labels = choose_labels("data", 0, range(20_000))
    real = load_mnist("train").labels
    shares = [torch.bincount(x, minlength=10) / len(x) for x in (labels, real)]
    assert torch.allclose(*shares, atol=4 * (0.1 * 0.9 / 20_000) ** 0.5)
    assert torch.equal(choose_labels("data", 0, range(7, 19)), labels[7:19])


def test_labels_for_a_network_without_are_refused(command, capsys):
    assert main(command("--label", "3")) == 2
    assert "labels are given, expected None: this network was built" in capsys.readouterr().err


def test_the_compiled_network_draws_the_same(command, finished, monkeypatch):
    asked, compiled = [], []

    def compile(module, **options):
        compiled.append(module)
        return lambda *given: asked.append(given) or module(*given)

    monkeypatch.setattr(torch, "compile", compile)
    assert main(command("--compile")) == 0
    assert len(compiled) == 1
    assert len(asked) == 15  # T for each piece of samples; the bound asks the network itself
    assert found()["settings"]["compiled"] is True
    for name in (f"samples-000{i}.safetensors" for i in range(3)):
        images, expected = (
            read_tensors(folder / name, chunks.FORMAT)[0]["images"].int()
            for folder in (Path("out"), finished)
        )
        assert expected.float().std() > 30
        assert (images - expected).abs().max() <= 15  # grey levels: bfloat16 rounds otherwise


@pytest.mark.parametrize("order", [(1, 0), (1, 2, 0)])
def test_processes_share_the_pieces_and_the_first_one_reports(
    order, command, finished, monkeypatch
):
    """One after the other here; waiting for each other is the accelerator's part."""
    accelerator, waited = MixedPrecision("cpu"), []
    accelerator.num_processes = len(order)
    monkeypatch.setattr(accelerator, "wait", lambda: waited.append(accelerator.process_index))
    monkeypatch.setattr(evaluate, "choose_accelerator", lambda device: accelerator)
    for index in order:
        accelerator.process_index = index
        assert not Path("out/report.md").exists()
        assert main(command()) == 0
    assert tuple(waited) == order
    assert found() == found(finished)


# --- pieces ---


def test_seeds_uses_and_pieces_have_noise_of_their_own():
    asked = [(s, name, i) for s in (0, 1) for name in streams.STREAMS for i in (0, 1)]
    draws = {torch.rand(3, generator=stream(*one)).sum().item() for one in asked}
    assert len(draws) == len(asked)
    again = [torch.rand(3, generator=stream(0, "bound", 1)) for _ in range(2)]
    assert torch.equal(*again)


def test_ten_thousand_samples_have_ten_thousand_seeds():
    """Drawn by chance out of 2**32, two would be equal in one case of 86."""
    assert len({stream(0, "samples", i).initial_seed() for i in range(10_000)}) == 10_000


@pytest.mark.parametrize("label", [None, "data"])
def test_a_sample_is_the_same_in_pieces_of_any_size_and_from_the_other_command(label, labelled):
    """Where noise is drawn for a batch, a seed means another digit in every size of batch."""
    words = ["--checkpoint", labelled, "--device", "cpu", "--clip", "1"]
    words += ["--label", label] if label else []
    shape = ["--n", "10", "--bound-images", "0", "--float32"]
    for chunk in ("10", "3"):
        assert main(["evaluate", *words, *shape, "--chunk", chunk, "--out", chunk]) == 0
    pieces = [read_tensors(f"3/samples-000{i}.safetensors", chunks.FORMAT)[0] for i in range(4)]
    whole, _ = read_tensors("10/samples-0000.safetensors", chunks.FORMAT)
    assert whole["images"].float().std() > 30
    for name, together in whole.items():
        apart = torch.cat([piece[name] for piece in pieces])[:10]
        assert (apart.int() - together.int()).abs().max() <= 1  # grey level
    assert main(["sample", *words, "--n", "4", "--scale", "1", "--out", "four.png"]) == 0
    with Image.open("four.png") as image:
        cells = torch.tensor(np.array(image)).unfold(0, 30, 30).unfold(1, 30, 30)
    drawn = cells.reshape(4, 1, 30, 30)[..., 1:-1, 1:-1]
    assert (drawn.int() - whole["images"][:4].int()).abs().max() <= 1


def test_pieces_of_an_older_form_are_refused(command, folder, monkeypatch, capsys):
    """They hold other samples."""
    monkeypatch.setattr(chunks, "FORMAT", "ddpm_lessons.chunk/3")
    assert main(command()) == 2
    assert "was made with format 'ddpm_lessons.chunk/2', expected" in capsys.readouterr().err


def test_a_fingerprint_tells_weights_and_schedules_apart(weights):
    one, other = (load_weights(weights / f"{i}.safetensors") for i in (0, 1))
    longer = one._replace(schedule=cosine_schedule(T=6))
    prints = [fingerprint(x) for x in (one, other, longer)]
    assert len(set(prints)) == 3
    assert prints[0] == fingerprint(load_weights(weights / "0.safetensors"))


def test_a_piece_of_another_kind_is_refused(tmp_path, weights):
    pieces = Chunks(tmp_path, "samples", {"seed": 0})
    data = (weights / "0.safetensors").read_bytes()
    (tmp_path / "samples-0000.safetensors").write_bytes(data)
    with pytest.raises(CheckpointError, match=r"its format is 'ddpm_lessons.weights/1'"):
        pieces.read(0)
    with pytest.raises(ValueError, match=r"made with format 'ddpm_lessons\.weights/1', expected"):
        Chunks(tmp_path, "samples", {"seed": 0})


@pytest.mark.parametrize("text", ["1", "0/2", "3/2", "a/b", "1/2/3", "-1/2"])
def test_a_part_that_is_none_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="expected K/N"):
        evaluate.part(text)


def test_options_that_do_not_fit_are_refused(command, tmp_path, capsys):
    assert main(command("--eta", "0.5")) == 2
    assert "--eta: the sampler ddpm has no such option" in capsys.readouterr().err
    assert main(command("--bound-images", "1")) == 2
    assert (
        "--bound-images is 1, expected 0 or at least 2, for a standard error"
        in capsys.readouterr().err
    )
    assert main(command("--sampler", "ddim", "--steps", "9")) == 2
    assert "steps is 9, expected a whole number in 1..5" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_table_of_numbers_made_up():
    shares = (0.05, 0.15, *(0.1,) * 8)
    one = {
        "images": 1000,
        "fid": Interval(3.0, 2.5, 3.5),
        "kid": Interval(0.001, -0.002, 0.004),
        "quality": Quality(shares, 0.975, 0.9876),
        "share_ratios": (0.5, 1.5, *(1.0,) * 8),
    }
    terms = BitsPerDim(
        50, Estimate(0.1, 0), Estimate(1.2, 0.01), Estimate(0.3, 0), Estimate(1.6, 0.02), ()
    )
    text = markdown(
        {
            "settings": {"seed": 0, "sampler": "ddpm"},
            "samples": one,
            "floor": one | {"fid": Interval(2.0, 1, 3)},
            "test": {"images": 10_000, "quality": Quality((0.1,) * 10, 0.99, 0.995)},
            "memory": {
                "by_distance": Memorisation(3.5, 0.012, 0.01),
                "by_closeness": Memorisation(0.8, 0.013, 0.01),
                "median_distance": 7.0,
                "median_distance_of_test_digits": 6.5,
            },
            "bits_per_dim": {"beta": terms},
        }
    )
    for line in (
        "seed 0, sampler ddpm",
        "|  | 1,000 samples | 1,000 training digits (the floor) | the 10,000 test digits |",
        "| digit-FID against the test digits | 3 (2.5 to 3.5) | 2 (1 to 3) |  |",
        "| ... as a multiple of the floor | 1.50 | 1.00 |  |",
        "| KID × 1000 | 1 (-2 to 4) | 1 (-2 to 4) |  |",
        "| read with more than 0.9 confidence | 97.50 % | 97.50 % | 99.00 % |",
        "| mean confidence | 0.9876 | 0.9876 | 0.9950 |",
        "| rarest class, as a multiple of its real share | 0.50 (of 0) | 0.50 (of 0) | 1 |",
        "| most frequent class, likewise | 1.50 (of 1) | 1.50 (of 1) | 1 |",
        "| closer to a training image than 99 % of the test digits | 1.20 % |  | 1.00 % |",
        "| ... relative to the second closest one | 1.30 % |  | 1.00 % |",
        "| median distance to the closest training image | 7.00 |  | 6.50 |",
        "| bits/dim of 50 test digits | prior | denoising | reconstruction | total |",
        "| variance beta | 0.1000 ± 0.0000 | 1.2000 ± 0.0100 | 0.3000 ± 0.0000 | 1.6000 ± 0.0200 |",
    ):
        assert line in text.splitlines()
