"""The U-Net: shapes, sizes, what each part is for, and the time embedding in every precision."""

import copy
import json
import math

import pytest
import torch
from oracles import awake

from ddpm_lessons.models import UNet, UNetConfig
from ddpm_lessons.models.unet import sinusoids

SMALL = UNetConfig(widths=(8, 16, 24), blocks=(1, 1, 2), groups=4, heads=2, time_width=8)


def noise(b: int = 2, size: int = 28, channels: int = 1) -> torch.Tensor:
    return torch.randn(b, channels, size, size, generator=torch.Generator().manual_seed(b * size))


@pytest.fixture(scope="module")
def model() -> UNet:
    torch.manual_seed(0)
    return awake(UNet(SMALL))


# --- shapes and sizes (traps 50-55) ---


@pytest.mark.parametrize("size", [4, 28, 32])
def test_any_size_that_can_be_halved_works(model, size):
    x = noise(3, size)
    assert model(x, torch.tensor([1, 500, 1000])).shape == x.shape


def test_images_may_be_oblong(model):
    assert model(noise()[..., :12], torch.tensor([1, 2])).shape == (2, 1, 28, 12)


@pytest.mark.parametrize("size", [1, 7, 29, 30, 31])
def test_a_size_that_cannot_be_halved_is_refused_with_the_multiple(model, size):
    with pytest.raises(ValueError, match=rf"{size} x {size} pixels.*multiples of 4.*2 times"):
        model(noise(2, size), torch.tensor([1, 2]))


def test_three_halvings_of_28_are_refused():
    model = UNet(UNetConfig(widths=(8, 8, 8, 8), blocks=(1, 1, 1, 1)))
    with pytest.raises(ValueError, match="28 x 28 pixels, expected multiples of 8"):
        model(noise(), torch.tensor([1, 2]))


def test_28_14_7_and_attention_at_the_coarsest_level_only(model):
    seen = {}

    def note(name):
        return lambda _module, inputs, output: seen.update({name: tuple(output.shape[1:])})

    hooks = [m.register_forward_hook(note(name)) for name, m in model.named_modules() if name]
    model(noise(), torch.tensor([1, 2]))
    for hook in hooks:
        hook.remove()
    blocks = {name: s for name, s in seen.items() if name.count(".") <= 3 and "blocks" in name}
    assert {n: s for n, s in blocks.items() if n[-1].isdigit()} == {
        "down.0.blocks.0": (8, 28, 28),
        "down.1.blocks.0": (16, 14, 14),
        "up.0.blocks.0": (16, 14, 14),
        "up.1.blocks.0": (8, 28, 28),
    }
    assert seen["middle.0"] == seen["middle.1"] == seen["attention"] == (24, 7, 7)


def test_every_option_off_its_default():
    config = UNetConfig(3, (12, 24), (2, 3), groups=6, heads=3, time_width=5, T=10)
    assert UNet(config)(noise(2, 6, 3), torch.tensor([1, 10])).shape == (2, 3, 6, 6)


@pytest.mark.parametrize("width", [8, 16, 24, 48])
def test_group_norm_takes_the_usual_widths(width):
    model = UNet(UNetConfig(widths=(width, 2 * width), blocks=(1, 1), groups=8))
    assert torch.isfinite(model(noise(), torch.tensor([1, 2]))).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": (12, 16, 16), "groups": 8}, r"contains 12, expected multiples of groups=8"),
        ({"widths": (8, 16)}, "one number a level in both"),
        ({"widths": ()}, "widths"),
        ({"widths": 8}, "widths"),
        ({"widths": (8, 16, 0)}, "at least 1"),
        ({"widths": (8, 16, 24.0)}, "whole numbers"),
        ({"heads": 3}, "divisor of the last width"),
        ({"groups": 0}, "groups contains 0"),
        ({"channels": True}, "channels contains True"),
        ({"time_width": 1}, "at least 2"),
        ({"T": -1}, "T contains -1"),
        ({"size": 0}, "size contains 0"),
    ],
)
def test_a_network_that_cannot_be_is_refused_at_once(options, message):
    with pytest.raises(ValueError, match=message):
        UNetConfig(**options)


# --- what it computes ---


def test_an_untrained_network_predicts_no_noise():
    assert not UNet(SMALL)(noise(), torch.tensor([1, 2])).any()


@pytest.mark.parametrize("groups", [1, 4])
def test_the_order_in_memory_changes_no_answer(groups):
    torch.manual_seed(0)
    network = awake(UNet(UNetConfig(**{**SMALL.to_dict(), "groups": groups}))).double()
    x, t, orders = noise().double(), torch.tensor([7, 900]), []
    network.middle[0].register_forward_hook(lambda module, given, h: orders.append(h))
    expected = network(x, t)
    in_order = orders[0].is_contiguous(memory_format=torch.channels_last)
    assert in_order == (groups == 1)
    swap = {torch.channels_last: torch.contiguous_format}
    network.order = swap.get(network.order, torch.channels_last)
    torch.testing.assert_close(network(x, t), expected, rtol=1e-10, atol=1e-10)
    assert orders[1].is_contiguous(memory_format=network.order)
    assert expected.std() > 1e-3


def test_each_image_is_treated_alone(model):
    """No batch statistics: an answer may not depend on its neighbours, or on their order."""
    x, t = noise(4), torch.tensor([1, 10, 500, 1000])
    alone = torch.cat([model(x[i : i + 1], t[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(model(x, t), alone, rtol=1e-4, atol=1e-5)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(model(x[order], t[order]), alone[order], rtol=1e-4, atol=1e-5)


def test_the_timestep_reaches_every_block(model):
    emb = model.time(torch.tensor([100, 900]))
    blocks = [m for m in model.modules() if type(m).__name__ == "ResBlock"]
    assert len(blocks) == 6
    for block in blocks:
        x = noise(1, 28, block.conv_1.in_channels).expand(2, -1, -1, -1)
        early, late = block(x, emb)
        assert (early - late).abs().max() > 1e-3


def test_every_weight_matters(model):
    """A part that is built but not used would have no gradient."""
    model = copy.deepcopy(model).requires_grad_(True)
    model(noise(), torch.tensor([3, 700])).square().sum().backward()
    idle = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


@pytest.mark.parametrize("level", [0, 1])
def test_the_skips_carry_what_the_bottleneck_loses(model, level):
    """Cut the way through the coarser levels: the image must still pass at this resolution."""
    cut = model.down[level].shrink.register_forward_hook(lambda _m, _i, out: out * 0)
    x = noise(1)
    moved = model(x, torch.tensor([5])) - model(x.flip(-1), torch.tensor([5]))
    cut.remove()
    assert moved.abs().max() > 1e-3


def test_the_attention_lets_far_corners_meet():
    """One block of convolutions at 7 x 7 sees 5 x 5 positions; attention sees them all."""
    model = awake(UNet(SMALL))
    h = noise(1, 7, 24)
    far = h.clone()
    far[..., 6, 6] += 3.0
    assert (model.attention(h) - model.attention(far))[0, :, 0, 0].abs().max() > 1e-5
    assert (model.middle[0].conv_1(h) - model.middle[0].conv_1(far))[0, :, 0, 0].abs().max() == 0


def test_attention_is_softmax_of_scores_times_values(model):
    """Against the formula, written out position by position for one head after the other."""
    x, layer = noise(1, 3, 24).double(), UNet(SMALL).double().attention
    awake(layer)
    tokens = layer.norm(x).flatten(2)[0].T  # (9, 24)
    q, k, v = (tokens @ layer.qkv.weight[:, :, 0, 0].T + layer.qkv.bias).chunk(3, dim=1)
    heads = []
    for cut in (slice(0, 12), slice(12, 24)):
        scores = q[:, cut] @ k[:, cut].T / math.sqrt(12)
        heads.append(torch.softmax(scores, dim=1) @ v[:, cut])
    out = torch.cat(heads, dim=1) @ layer.out.weight[:, :, 0, 0].T + layer.out.bias
    torch.testing.assert_close(layer(x), x + out.T.reshape(1, 24, 3, 3))


# --- the door (traps 16, 17) ---


@pytest.mark.parametrize(
    "t",
    [
        torch.tensor([0, 1]),
        torch.tensor([1, 1001]),
        torch.tensor([1.0, 2.0]),
        torch.tensor([1, 2], dtype=torch.int32),
        torch.tensor([1]),
        torch.tensor(1),
        torch.tensor([[1], [2]]),
        7,
        0.5,
    ],
    ids=str,
)
def test_a_timestep_must_be_one_int64_in_1_to_T_per_image(model, t):
    with pytest.raises(ValueError, match=r"t (is|contains) .*expected"):
        model(noise(), t)


def test_both_ends_of_time_are_accepted(model):
    assert torch.isfinite(model(noise(), torch.tensor([1, 1000]))).all()


@pytest.mark.parametrize("shape", [(1, 28, 28), (2, 3, 28, 28), (2, 784), (2, 1, 0, 28)])
def test_an_image_of_another_shape_is_refused(model, shape):
    with pytest.raises(ValueError, match="x_t "):
        model(torch.zeros(shape), torch.tensor([1, 2]))


# --- the time embedding (traps 18-21) ---

ALL = torch.arange(1, 1001)


def test_sinusoids_by_another_route():
    """As complex exponentials in float64."""
    frequency = 10_000.0 ** (-torch.arange(32, dtype=torch.float64) / 32)
    wave = torch.exp(1j * ALL.double()[:, None] * frequency)
    expected = torch.cat([wave.imag, wave.real], dim=1)
    torch.testing.assert_close(sinusoids(ALL, 64).double(), expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("width", [2, 3, 4, 128])
def test_sinusoids_of_any_width(width):
    waves = sinusoids(ALL, width)
    assert waves.shape == (1000, width)
    assert torch.isfinite(waves).all()
    assert len(waves.unique(dim=0)) == 1000


def test_sinusoids_belong_to_their_row():
    together = sinusoids(torch.tensor([1, 5, 9]), 64)
    assert torch.equal(together[1:2], sinusoids(torch.tensor([5]), 64))
    assert torch.equal(together.flip(0), sinusoids(torch.tensor([9, 5, 1]), 64))
    assert (together[0] - sinusoids(torch.tensor([1000]), 64)[0]).norm() > 1


@pytest.mark.parametrize(("how", "tolerance"), [("autocast", 0.05), ("bfloat16", 0.05)])
def test_a_thousand_timesteps_stay_distinct_in_half_precision(how, tolerance):
    torch.manual_seed(0)
    embedding = UNet().time.requires_grad_(False)
    expected = copy.deepcopy(embedding).double()(ALL)
    if how == "bfloat16":
        embedding = embedding.bfloat16()
    with torch.autocast("cpu", torch.bfloat16, enabled=how == "autocast"):
        emb = embedding(ALL)
    assert emb.dtype == torch.bfloat16
    assert len(emb.unique(dim=0)) == 1000
    torch.testing.assert_close(emb.double(), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_the_network_runs_in_its_own_precision(model, dtype):
    x, t = noise(), torch.tensor([1, 1000])
    out = copy.deepcopy(model).to(dtype)(x.to(dtype), t)
    assert out.dtype == dtype
    torch.testing.assert_close(out.float(), model(x, t), rtol=0.1, atol=0.1)


# --- the configuration ---


def test_the_configuration_survives_json():
    config = UNetConfig(3, (12, 24), (2, 3), groups=6, heads=3, time_width=5, T=10)
    assert UNetConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert UNetConfig.from_dict({}) == UNetConfig()
    assert UNetConfig().size == 28  # files of weights that do not say it are of MNIST
    assert hash(config) != hash(UNetConfig())


@pytest.mark.parametrize("fields", [{"width": 8}, [], None, {"T": "1000"}])
def test_a_foreign_configuration_is_refused(fields):
    with pytest.raises(ValueError, match="expected"):
        UNetConfig.from_dict(fields)


def test_the_default_network_is_the_one_whose_weights_are_published():
    """A changed name or size would leave every stored file of weights unreadable (trap 58)."""
    model = UNet()
    assert sum(p.numel() for p in model.parameters()) == 1_127_089
    names = [name for name, _ in model.named_children()]
    assert names == ["time", "stem", "down", "middle", "attention", "up", "norm", "head"]
    assert "down.0.blocks.0.conv_1.weight" in model.state_dict()
    assert "up.1.grow.bias" in model.state_dict()


# --- labels ---

LABELLED = UNetConfig(**{**SMALL.to_dict(), "num_classes": 3})


@pytest.fixture(scope="module")
def labelled() -> UNet:
    torch.manual_seed(0)
    return awake(UNet(LABELLED))


def test_each_label_and_none_at_all_give_different_answers(labelled):
    x, t = noise(1).expand(5, -1, -1, -1), torch.full((5,), 500)
    answers = labelled(x, t, torch.tensor([0, 1, 2, -1, 2])).flatten(1)
    apart = torch.cdist(answers, answers)
    torch.testing.assert_close(answers[2], answers[4])
    assert (apart[:4, :4] + torch.eye(4) > 1e-2).all()


def test_without_labels_a_labelled_network_is_asked_for_none(labelled):
    x, t = noise(2), torch.tensor([3, 700])
    assert torch.equal(labelled(x, t), labelled(x, t, torch.tensor([-1, -1])))
    mixed = labelled(x, t, torch.tensor([-1, 2]))
    torch.testing.assert_close(mixed[0], labelled(x, t)[0], rtol=1e-4, atol=1e-5)


def test_every_label_has_a_gradient_and_only_if_it_is_asked_for(labelled):
    model = copy.deepcopy(labelled).requires_grad_(True)
    model(noise(3), torch.tensor([3, 700, 9]), torch.tensor([2, -1, 2])).square().sum().backward()
    asked = model.label.weight.grad.abs().sum(dim=1) > 0
    assert asked.tolist() == [False, False, True, True]


def test_labels_leave_the_names_of_the_other_weights_alone(model, labelled):
    extra = labelled.state_dict().keys() - model.state_dict().keys()
    assert extra == {"label.weight"}
    assert UNetConfig.from_dict({"widths": [8, 16], "blocks": [1, 1]}).num_classes == 0


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([0, 3]), r"labels contains 3, expected -1 \(none\) or 0..2"),
        (torch.tensor([-2, 1]), r"labels contains -2"),
        (torch.tensor([0.0, 1.0]), r"expected torch.int64 \(2,\)"),
        (torch.tensor([1]), r"expected torch.int64 \(2,\)"),
        ([0, 1], r"expected torch.int64 \(2,\)"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labelled, labels, message):
    with pytest.raises(ValueError, match=message):
        labelled(noise(2), torch.tensor([1, 2]), labels)


def test_a_network_without_labels_refuses_them(model):
    with pytest.raises(ValueError, match="labels are given, expected None"):
        model(noise(2), torch.tensor([1, 2]), torch.tensor([0, 1]))
