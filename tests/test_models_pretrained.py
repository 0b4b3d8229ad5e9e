"""Files of weights: what comes back, what is refused, and what a crash cannot destroy."""

import copy
import functools
import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import ddpm_lessons.models
from ddpm_lessons import ddim, linear_schedule, simple_loss
from ddpm_lessons.data import load_mnist, to_uint8
from ddpm_lessons.evaluation import read
from ddpm_lessons.models import (
    PRETRAINED,
    CheckpointError,
    UNet,
    UNetConfig,
    load_classifier,
    load_pretrained,
    load_weights,
    save_weights,
)
from ddpm_lessons.models.storage import (
    load_exactly,
    plain_names,
    read_header,
    write_atomically,
    write_tensors,
)

SMALL = UNetConfig(widths=(8, 16), blocks=(1, 1), groups=4, time_width=8)
SHIPPED = Path(ddpm_lessons.models.__file__).parent / "weights"


def small(seed: int = 0) -> UNet:
    torch.manual_seed(seed)
    return UNet(SMALL)


@pytest.fixture
def path(tmp_path) -> Path:
    path = tmp_path / "w.safetensors"
    save_weights(path, small(), linear_schedule(), about={"weights": "EMA"})
    return path


def same(a: nn.Module, b: nn.Module) -> bool:
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


# --- what comes with the course ---


@pytest.mark.parametrize("name", PRETRAINED)
def test_the_networks_of_the_course_are_whole_and_ready(name):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    network = load_pretrained(name)
    assert torch.equal(torch.get_rng_state(), before), "loading must not move the generator"
    assert not any(m.training for m in network.eps_model.modules())
    assert not any(p.requires_grad for p in network.eps_model.parameters())
    assert network.schedule == linear_schedule()
    assert network.config == network.eps_model.config
    assert network.config.T == network.schedule.T
    about = read_header(SHIPPED / PRETRAINED[name])["about"]
    assert about["weights"] == "EMA"
    assert {"preset", "seed", "steps", "seconds"} <= about.keys()
    assert (SHIPPED / PRETRAINED[name]).stat().st_size < 6e6


def test_every_file_of_weights_is_in_the_registry():
    classifiers = {"classifier.safetensors", "noisy-classifier.safetensors"}  # loaded otherwise
    assert {p.name for p in SHIPPED.glob("*.safetensors")} == {*PRETRAINED.values(), *classifiers}


def test_the_shipped_network_predicts_the_noise_in_digits_it_has_not_seen():
    network = load_pretrained()
    x_0 = load_mnist("test").x_0(slice(0, 100))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        losses = [
            simple_loss(network.eps_model, network.schedule, x_0, generator=generator)
            for _ in range(3)
        ]
    assert torch.stack(losses).mean() < 0.03  # no noise at all, as an untrained one answers: 1.0


def test_the_network_that_knows_labels_hears_them():
    """Told the digit, it draws that one; told nothing, it draws some other."""
    network, wanted = load_pretrained("mnist-labels"), torch.arange(10).repeat(3)
    assert network.config.num_classes == 10
    x_T = torch.randn(30, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    read_as = []
    for eps_model in (functools.partial(network.eps_model, labels=wanted), network.eps_model):
        *_, last = ddim(eps_model, network.schedule, x_T, steps=20, clip_x0=1.0)
        read_as.append(read(load_classifier(), to_uint8(last.x)).labels)
    assert (read_as[0] == wanted).float().mean() > 0.85
    assert (read_as[1] == wanted).float().mean() < 0.5


def test_the_shipped_network_draws_what_has_the_ink_of_digits():
    network = load_pretrained()
    x_T = torch.randn(8, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    *_, last = ddim(network.eps_model, network.schedule, x_T, steps=20, clip_x0=1.0)
    ink = (last.x > 0).float().mean(dim=(1, 2, 3))  # in MNIST 0.13, from 0.04 to 0.3
    assert ((ink > 0.02) & (ink < 0.35)).all()
    edge = torch.cat([last.x[..., :2].flatten(), last.x[..., -2:].flatten()])
    assert edge.mean() < -0.95  # digits stand in the middle, on black


def test_each_call_gives_a_network_of_its_own():
    one, two = load_pretrained().eps_model, load_pretrained().eps_model
    one.head.bias.data.add_(1)
    assert not same(one, two)


@pytest.mark.parametrize("name", ["MNIST", "", None, "mnist.safetensors"])
def test_an_unknown_name_is_refused_with_the_known_ones(name):
    with pytest.raises(ValueError, match=r"expected one of \['fashion', 'mnist', 'mnist-labels', "):
        load_pretrained(name)


# --- there and back ---


def test_there_and_back(path):
    network = load_weights(path, device=torch.device("cpu"))
    assert same(network.eps_model, small())
    assert network.schedule == linear_schedule()
    assert network.config == SMALL
    assert read_header(path)["about"] == {"weights": "EMA"}


def test_in_half_the_size_there_and_back_up_to_rounding(path, tmp_path):
    short = tmp_path / "half.safetensors"
    save_weights(short, small(), linear_schedule(), half=True)
    betas = 8 * len(linear_schedule().betas)  # the schedule stays float64
    assert short.stat().st_size - betas < 0.6 * (path.stat().st_size - betas)
    network = load_weights(short)
    assert network.schedule == linear_schedule()
    wanted = small().state_dict()
    for name, x in network.eps_model.state_dict().items():
        assert x.dtype == torch.float32
        torch.testing.assert_close(x, wanted[name], rtol=2**-11, atol=2**-25)  # float16's
    again = tmp_path / "again.safetensors"
    save_weights(again, network.eps_model, linear_schedule(), half=True)
    assert again.read_bytes() == short.read_bytes()


def test_weights_too_large_for_half_the_size_are_not_written(tmp_path):
    model = small()
    model.head.bias.data.fill_(1e5)
    with pytest.raises(CheckpointError, match=r"head\.bias holds NaN or infinity"):
        save_weights(tmp_path / "w", model, linear_schedule(), half=True)


def test_the_same_weights_make_the_same_file(path, tmp_path):
    again = tmp_path / "again.safetensors"
    save_weights(again, small(), linear_schedule(), about={"weights": "EMA"})
    assert again.read_bytes() == path.read_bytes()


def test_saving_leaves_the_model_alone(tmp_path):
    model = small().train()
    before = copy.deepcopy(model)
    save_weights(tmp_path / "w", model, linear_schedule())
    assert same(model, before)
    assert model.training
    assert all(p.requires_grad for p in model.parameters())


def test_a_folder_is_made_if_it_is_missing(tmp_path):
    path = tmp_path / "new" / "folder" / "w.safetensors"
    save_weights(path, small(), linear_schedule())
    assert same(load_weights(path).eps_model, small())


# --- damaged and foreign files (traps 69-71) ---


@pytest.mark.parametrize("share", [0, 0.3, 0.9, 0.999])
def test_a_file_that_is_cut_off_is_named(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(CheckpointError, match=r"w\.safetensors: (damaged|cut off).*expected"):
        load_weights(path)


def test_one_flipped_bit_anywhere_is_noticed(path):
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    places = [*range(0, end, 97), *range(end, len(data), len(data) // 40), len(data) - 1]
    for place in places:
        wrong = bytearray(data)
        wrong[place] ^= 1 << (place % 8)
        path.write_bytes(wrong)
        with pytest.raises(CheckpointError, match=r"w\.safetensors"):
            load_weights(path)
    path.write_bytes(data)
    assert same(load_weights(path).eps_model, small())


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(CheckpointError, match=f"{path.name}.*expected a safetensors file"):
            load_weights(path)


def test_a_foreign_safetensors_file_is_refused(tmp_path):
    path = tmp_path / "foreign.safetensors"
    save_file({"x": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match=r"foreign\.safetensors.*written by ddpm_lessons"):
        load_weights(path)


class Trap:
    """A pickle that would leave a mark if anybody opened it."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def test_a_pickle_is_refused_and_never_run(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(pickle.dumps(Trap(tmp_path / "mark")))
    with pytest.raises(CheckpointError, match=r"model\.pt"):
        load_weights(path)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "ddpm_lessons.weights/99"}, "its format is 'ddpm_lessons.weights/99'"),
        ({"architecture": "VAE"}, "architecture 'VAE', expected 'UNet'"),
        ({"config": {"widths": [8, 12]}}, "describes no network: widths"),
        ({"config": None}, "describes no network"),
        ({"config": {**SMALL.to_dict(), "widths": [8, 24]}}, "of another architecture: "),
        ({"config": {**SMALL.to_dict(), "blocks": [2, 1]}}, "tensors missing, such as"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(path, change, message):
    header = {k: v for k, v in read_header(path).items() if k != "sha256"} | change
    tensors = {**small().state_dict(), "schedule/betas": linear_schedule().betas}
    write_tensors(path, tensors, header)
    with pytest.raises(CheckpointError, match=f"w.safetensors.*{message}"):
        load_weights(path)


def test_a_file_without_a_schedule_is_refused(path):
    header = {k: v for k, v in read_header(path).items() if k != "sha256"}
    write_tensors(path, small().state_dict(), header)
    with pytest.raises(CheckpointError, match="holds no noise schedule"):
        load_weights(path)


# --- names (trap 72) ---


class Wrapper(nn.Module):
    """As DistributedDataParallel puts the network under the name `module`."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module


@pytest.mark.parametrize(
    "wrap",
    [
        Wrapper,
        torch.compile,
        lambda m: Wrapper(torch.compile(m)),
        lambda m: torch.compile(Wrapper(m)),
    ],
    ids=["parallel", "compiled", "parallel(compiled)", "compiled(parallel)"],
)
def test_the_names_that_wrappers_add_do_not_matter(wrap, path):
    wrapped, plain = wrap(small(0)), small(1)
    load_exactly(plain, wrapped.state_dict(), path=path)
    assert same(plain, small(0))
    load_exactly(wrapped, small(2).state_dict(), path=path)
    assert plain_names(wrapped.state_dict()).keys() == plain.state_dict().keys()
    for name, tensor in plain_names(wrapped.state_dict()).items():
        assert torch.equal(tensor, small(2).state_dict()[name])


def test_a_compiled_network_is_saved_under_plain_names(path):
    save_weights(path, torch.compile(small(3)), linear_schedule())
    assert same(load_weights(path).eps_model, small(3))


def test_a_name_that_only_ends_like_a_wrapper_is_kept():
    names = {"submodule.weight": torch.zeros(1), "my_orig_mod.x": torch.zeros(1)}
    assert plain_names(names).keys() == names.keys()


@pytest.mark.parametrize(
    "damage",
    [
        lambda s: s.pop("stem.bias"),
        lambda s: s.update(extra=torch.zeros(1)),
        lambda s: s.update({"stem.bias": torch.zeros(9)}),
        lambda s: s.update({"stem.bias": torch.zeros(8, dtype=torch.float16)}),
    ],
    ids=["missing", "extra", "shape", "dtype"],
)
def test_no_tensor_is_left_out_silently(damage):
    model, state = small(0), small(1).state_dict()
    damage(state)
    with pytest.raises(CheckpointError, match=r"a file: of another architecture.*(stem|extra)"):
        load_exactly(model, state, path="a file")
    assert same(model, small(0))


# --- whole or not at all (trap 68) ---


def test_weights_that_are_nan_are_not_written(path):
    model = small(1)
    model.head.weight.data[0, 0, 0, 0] = torch.nan
    with pytest.raises(CheckpointError, match=r"head\.weight holds NaN.*diverged"):
        save_weights(path, model, linear_schedule())
    assert same(load_weights(path).eps_model, small(0))


@pytest.mark.parametrize("call", ["open", "fsync", "replace"])
def test_a_full_disk_leaves_the_old_file(path, monkeypatch, call):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*{"fsync": (os, "fsync")}.get(call, (Path, call)), full)
    with pytest.raises(CheckpointError, match=r"w\.safetensors: cannot be written.*No space left"):
        save_weights(path, small(1), linear_schedule())
    monkeypatch.undo()
    assert same(load_weights(path).eps_model, small(0))
    assert [p.name for p in path.parent.iterdir()] == ["w.safetensors"]


def test_ctrl_c_while_writing_leaves_the_old_file(path, monkeypatch):
    def interrupted(_fd):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_weights(path, small(1), linear_schedule())
    assert same(load_weights(path).eps_model, small(0))
    assert [p.name for p in path.parent.iterdir()] == ["w.safetensors"]


def test_a_folder_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError, match="cannot be written"):
        write_atomically(tmp_path / "file" / "w.safetensors", b"")
