"""What the probes report is what the network does, and they leave no trace in it."""

import copy
import inspect
import re

import pytest
import torch
from oracles import awake
from torch import nn
from torch.nn import functional as F

from ddpm_lessons.models import UNet, UNetConfig
from ddpm_lessons.models.probe import edited, influence, radius, receptive_field, stages, walk

SMALL = UNetConfig(widths=(8, 16, 24), blocks=(1, 2, 2), groups=4, heads=2, time_width=8)
T = torch.tensor([10, 700])


def noise(size: int = 28) -> torch.Tensor:
    return torch.randn(2, 1, size, size, generator=torch.Generator().manual_seed(size))


@pytest.fixture(scope="module")
def model() -> UNet:
    torch.manual_seed(0)
    return awake(UNet(SMALL))


@pytest.fixture(autouse=True)
def _no_hook_is_left(model):
    yield
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


# --- walk ---


def test_the_stages_in_the_order_of_the_calls(model):
    names = [stop.name for stop in walk(model, noise(), T)]
    assert names == [
        "stem",
        *("down.0.blocks.0", "down.0.shrink"),
        *("down.1.blocks.0", "down.1.blocks.1", "down.1.shrink"),
        *("middle.0", "attention", "middle.1"),
        *("up.0.grow", "up.0.blocks.0", "up.0.blocks.1"),
        *("up.1.grow", "up.1.blocks.0"),
        "head",
    ]
    assert set(names) == set(stages(model))


def test_the_last_stage_makes_the_answer(model):
    assert torch.equal(walk(model, noise(), T)[-1].features, model(noise(), T))


def test_the_shapes_in_the_margin_of_the_source():
    """Every shape in UNet.forward's comments occurs in the default network, and none is missing."""
    written = {
        tuple(map(int, shape))
        for shape in re.findall(
            r"\(B, (\d+), (\d+), (\d+)\)", inspect.getsource(UNet.forward).replace("B, C, H, W", "")
        )
    }
    net, joined = UNet(), []
    for level in net.up:
        for block in level.blocks:
            block.register_forward_pre_hook(lambda _m, inputs: joined.append(inputs[0].shape[1:]))
    made = {tuple(stop.features.shape[1:]) for stop in walk(net, noise(), T)}
    assert written == made | {tuple(shape) for shape in joined}


def test_the_parameters_are_all_but_those_of_the_time_and_the_last_norm(model):
    rest = sum(p.numel() for part in (model.time, model.norm) for p in part.parameters())
    everything = sum(p.numel() for p in model.parameters())
    assert sum(stop.parameters for stop in walk(model, noise(), T)) == everything - rest


def test_the_multiply_adds_by_hand(model):
    """A convolution: kernel size x channels in x channels out x positions, for one image."""
    cost = {stop.name: stop.multiply_adds for stop in walk(model, noise(), T)}
    assert cost["stem"] == 9 * 1 * 8 * 28**2
    assert cost["down.0.blocks.0"] == 2 * 9 * 8 * 8 * 28**2 + 32 * 8  # and the time's linear layer
    assert cost["down.1.shrink"] == 4 * 16 * 24 * 7**2
    assert cost["up.0.grow"] == 4 * 24 * 16 * 7**2
    assert cost["up.1.blocks.0"] == (9 * 16 * 8 + 9 * 8 * 8 + 16 * 8) * 28**2 + 32 * 8
    assert cost["attention"] == 4 * 24 * 24 * 49 + 2 * 24 * 49**2  # four 1x1, scores, values


# --- influence ---


def reach(seen: torch.Tensor) -> tuple[int, int, int, int]:
    rows, columns = seen.any(dim=1).nonzero(), seen.any(dim=0).nonzero()
    return rows.min().item(), rows.max().item(), columns.min().item(), columns.max().item()


@pytest.mark.parametrize(
    ("stage", "first", "last"),
    [  # each 3x3 convolution adds its stride on both sides, each halving one pixel of its own grid
        ("stem", 31, 33),
        ("down.0.blocks.0", 29, 35),
        ("down.0.shrink", 29, 36),
        ("down.1.blocks.0", 25, 40),
        ("down.1.blocks.1", 21, 44),
        ("down.1.shrink", 21, 46),
        ("middle.0", 13, 54),
    ],
)
def test_the_receptive_field_by_counting(model, stage, first, last):
    seen = influence(model, noise(64), T, stage=stage) > 0
    assert reach(seen) == (first, last, first, last)
    assert seen.sum() == (last - first + 1) ** 2  # a full square


def test_the_width_by_calculator_is_the_width_measured(model):
    """SMALL has blocks of two 3x3 convolutions, and halves with 2x2 at stride 2."""
    block, halve = [(3, 1), (3, 1)], [(2, 2)]
    layers = [(3, 1), *block, *halve, *block, *block, *halve, *block]
    ends = {"stem": 1, "down.0.blocks.0": 3, "down.0.shrink": 4, "down.1.shrink": 9, "middle.0": 11}
    for stage, n in ends.items():
        first, last, _, _ = reach(influence(model, noise(64), T, stage=stage) > 0)
        assert receptive_field(layers[:n]) == last - first + 1, stage


def test_the_receptive_field_of_strided_convolutions_by_their_gradient():
    """Three 1-D convolutions with weights of ones, by autograd."""
    layers = [(5, 3), (4, 2), (3, 1)]
    x = torch.zeros(1, 1, 200, requires_grad=True)
    h = x
    for kernel, stride in layers:
        h = F.conv1d(h, torch.ones(1, 1, kernel), stride=stride)
    h[0, 0, 10].backward()
    assert receptive_field(layers) == (x.grad != 0).sum() == 26
    assert receptive_field([]) == 1


@pytest.mark.parametrize(("layer", "name"), [((0, 1), "kernel"), ((3, 0), "stride")])
def test_a_layer_of_nothing_is_refused(layer, name):
    with pytest.raises(ValueError, match=f"{name} .*expected"):
        receptive_field([(3, 1), layer])


def test_attention_sees_everything_from_a_corner(model):
    near = influence(model, noise(64), T, stage="middle.0", position=(0, 0))
    far = influence(model, noise(64), T, stage="attention", position=(0, 0))
    assert reach(near > 0) == (0, 22, 0, 22)
    assert (far > 0).all()


def test_without_the_coarser_levels_the_answer_looks_near(model):
    with edited(model, coarse={0: torch.zeros_like}):
        seen = influence(model, noise(), T, position=(14, 14)) > 0
    assert reach(seen) == (8, 20, 8, 20)  # stem, two blocks of two, head: 6 pixels on each side


def test_a_norm_lets_every_pixel_whisper(model):
    stage = "down.0.blocks.0"
    assert (influence(model, noise(), T, stage=stage, through_norms=True) > 0).all()
    still, heard = (influence(model, noise(), T, stage=stage, through_norms=b) for b in (0, 1))
    assert (still - heard).abs().max() > 0


def test_the_influence_is_a_derivative(model):
    """Against central differences in float64, through the norms."""
    net, x, t, step = copy.deepcopy(model).double(), noise(8)[:1].double(), T[:1], 1e-5
    measured = influence(net, x, t, stage="middle.1", position=(1, 0), through_norms=True)

    def feature(x):
        return walk(net, x, t)[8].features[0, :, 1, 0].sum().item()

    assert walk(net, x, t)[8].name == "middle.1"
    for row, column in ((0, 0), (2, 5), (7, 7)):
        nudge = torch.zeros_like(x)
        nudge[..., row, column] = step
        slope = (feature(x + nudge) - feature(x - nudge)) / (2 * step)
        assert measured[row, column].item() == pytest.approx(abs(slope), abs=1e-7)


def test_fixed_norms_are_the_affine_map_that_they_are_at_this_image():
    """Against a GroupNorm written out with constants, differentiated by hand."""
    torch.manual_seed(0)
    net = awake(UNet(UNetConfig(widths=(4,), blocks=(1,), groups=2, heads=1, time_width=2)))
    x, t, block = noise(6)[:1], T[:1], net.middle[0]
    stem = net.stem(x)
    groups = stem.view(1, 2, -1)
    scale = (groups.var(dim=2, correction=0) + 1e-5).rsqrt().repeat_interleave(2, dim=1)
    mean = groups.mean(dim=2).repeat_interleave(2, dim=1)
    x.requires_grad_(True)
    h = (net.stem(x) - mean[..., None, None]) * scale[..., None, None]
    h = h * block.norm_1.weight[:, None, None] + block.norm_1.bias[:, None, None]
    first = block.conv_1(F.silu(h))[:, :, 3, 3].sum()
    (expected,) = torch.autograd.grad(first, x)
    net.middle[0] = FirstHalf(block)
    measured = influence(net, x.detach(), t, stage="middle.0.conv_1", position=(3, 3))
    torch.testing.assert_close(measured, expected.abs()[0, 0])


class FirstHalf(nn.Module):
    """A residual block up to its first convolution."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.norm_1, self.conv_1 = block.norm_1, block.conv_1

    def forward(self, x: torch.Tensor, emb: torch.Tensor) -> torch.Tensor:
        return self.conv_1(F.silu(self.norm_1(x)))


def test_the_answer_itself_is_not_changed_by_fixing_the_norms(model):
    before = model(noise(), T)
    influence(model, noise(), T)
    assert torch.equal(model(noise(), T), before)
    with torch.no_grad():
        assert influence(model, noise(), T).any()


def test_the_radius_of_known_rings():
    """Influence at the distances 1, 2 and 4 from a pixel, in the shares 0.5, 0.3 and 0.2."""
    seen = torch.zeros(7, 7)
    seen[2, 3] = 1e6  # the pixel itself does not count
    seen[1, 3], seen[0, 3], seen[6, 0] = 5.0, 3.0, 2.0
    found = [radius(seen, (2, 3), share=share) for share in (0.4, 0.5, 0.51, 0.8, 0.81, 1.0)]
    assert found == [1, 1, 2, 2, 4, 4]


def test_a_radius_needs_other_pixels_and_a_share():
    alone = torch.zeros(5, 5)
    alone[2, 2] = 1.0
    with pytest.raises(ValueError, match=r"influence at \(2, 2\) .*expected"):
        radius(alone, (2, 2))
    for share in (0, 1.1, -1, "all"):
        with pytest.raises(ValueError, match=r"share is .*expected"):
            radius(torch.ones(5, 5), (2, 2), share=share)


# --- edited ---


def by_hand(model, x, t, *, skip=lambda s, level: s, up=lambda h, level: h):
    """The forward pass of a network with three levels, written out, with edits on the way."""
    emb, h, skips = model.time(t), model.stem(x), []
    for level, part in enumerate(model.down):
        for block in part.blocks:
            h = block(h, emb)
            skips.append(skip(h, level))
        h = part.shrink(h)
    h = model.attention(model.middle[0](h, emb))
    h = model.middle[1](h, emb)
    for level, part in zip((1, 0), model.up, strict=True):
        h = up(part.grow(h), level)
        for block in part.blocks:
            h = block(torch.cat([h, skips.pop()], dim=1), emb)
    return model.head(F.silu(model.norm(h)))


def test_nothing_edited_is_the_network(model):
    assert torch.equal(by_hand(model, noise(), T), model(noise(), T))
    with edited(model, skips={0: lambda s: s, 1: lambda s: s}, coarse={0: lambda h: h}):
        assert torch.equal(model(noise(), T), by_hand(model, noise(), T))


@pytest.mark.parametrize("level", [0, 1])
def test_a_skip_is_edited_at_its_level_only(model, level):
    with edited(model, skips={level: lambda s: s.flip(0)}):
        answer = model(noise(), T)
    expected = by_hand(model, noise(), T, skip=lambda s, at: s.flip(0) if at == level else s)
    assert torch.equal(answer, expected)
    assert not torch.allclose(answer, model(noise(), T))


@pytest.mark.parametrize("level", [0, 1])
def test_what_comes_up_is_edited_at_its_level_only(model, level):
    with edited(model, coarse={level: torch.zeros_like}):
        answer = model(noise(), T)
    expected = by_hand(model, noise(), T, up=lambda h, at: h * 0 if at == level else h)
    torch.testing.assert_close(answer, expected)
    assert not torch.allclose(answer, model(noise(), T))


def test_an_error_inside_leaves_the_network_whole(model):
    before = model(noise(), T)
    with pytest.raises(RuntimeError, match="inside"), edited(model, skips={0: torch.zeros_like}):
        raise RuntimeError("inside")
    assert torch.equal(model(noise(), T), before)


# --- the door ---


@pytest.mark.parametrize("name", ["skips", "coarse"])
@pytest.mark.parametrize("level", [2, -1, 0.5, "0"])
def test_a_level_without_a_skip_is_refused(model, name, level):
    with (
        pytest.raises(ValueError, match=f"{name}.*expected"),
        edited(model, **{name: {level: abs}}),
    ):
        pass


def test_an_unknown_stage_is_refused(model):
    with pytest.raises(ValueError, match=r"stage is 'bottom', expected one of \['stem'"):
        influence(model, noise(), T, stage="bottom")


@pytest.mark.parametrize("position", [(28, 0), (0, -1), (0.5, 0)])
def test_a_position_outside_is_refused(model, position):
    with pytest.raises(ValueError, match=r"position.*expected"):
        influence(model, noise(), T, position=position)


def test_images_that_the_network_refuses_are_refused(model):
    for look in (walk, influence):
        with pytest.raises(ValueError, match="x_t is 30 x 30"):
            look(model, noise(30), T)
