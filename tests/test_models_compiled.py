"""The compiled network: the same answers, a copy of its own, and no cut in the middle."""

import copy
import shutil

import pytest
import torch
from oracles import awake

from ddpm_lessons import linear_schedule
from ddpm_lessons.models import UNet, UNetConfig
from ddpm_lessons.models.compiled import Compiled
from ddpm_lessons.training import Ema, MixedPrecision, train

SMALL = UNetConfig(widths=(8, 16), blocks=(1, 1), groups=4, time_width=8, T=20, num_classes=3)
ARGUMENTS = (
    torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0)),
    torch.tensor([1, 7, 20]),
    torch.tensor([-1, 0, 2]),
)


@pytest.fixture
def model() -> UNet:
    torch.manual_seed(0)
    return awake(UNet(SMALL)).requires_grad_(True)


needs_compiler = pytest.mark.skipif(
    not shutil.which("g++"), reason="torch.compile needs a C++ compiler"
)


@needs_compiler
def test_the_answers_are_the_networks_own(model):
    torch.compiler.reset()
    compiled, expected = Compiled(model), model.eval()(*ARGUMENTS).detach()
    assert expected.std() > 0.1
    with torch.no_grad():  # later changes of the network do not reach it
        model.head.bias.add_(100)
    found = compiled(*ARGUMENTS)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())
    assert found.is_contiguous()
    assert not found.requires_grad
    with torch.no_grad():  # on a CPU the kernels were packed once, for all calls
        for kernel in (p for p in compiled.parameters() if p.ndim == 4):
            kernel.zero_()
    assert torch.equal(compiled(*ARGUMENTS), found)


@needs_compiler
def test_a_compiled_training_takes_the_same_steps(model):
    torch.compiler.reset()
    model = awake(UNet(UNetConfig(widths=(8,), blocks=(1,), time_width=8))).requires_grad_(True)
    x_0 = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    results = []
    for compiled in (False, True):
        own = copy.deepcopy(model)
        accelerator, ema = MixedPrecision("cpu", enabled=False, compiled=compiled), Ema(own, 0.5)
        steps = train(
            accelerator.prepare_model(own),
            linear_schedule(),
            [x_0, x_0, x_0],
            torch.optim.SGD(own.parameters(), lr=0.1),
            ema=ema,
            accelerator=accelerator,
            generator=torch.Generator().manual_seed(2),
        )
        losses = torch.stack([step.loss for step in steps])
        results.append([losses, *own.parameters(), *ema.module.parameters()])
    before = list(model.parameters())
    assert any((x - y).abs().max() > 1e-2 for x, y in zip(results[0][1:], before, strict=False))
    for plain, translated in zip(*results, strict=True):
        torch.testing.assert_close(translated, plain, rtol=1e-4, atol=1e-6)


def test_the_network_is_compiled_in_one_piece(model):
    """A look at the values of t in the middle would cut it in two."""
    explanation = torch._dynamo.explain(model.eval())(*ARGUMENTS)
    assert explanation.graph_break_count == 0
    assert explanation.graph_count == 1


def test_the_copy_has_no_modes_and_no_gradients(model, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda module, **options: module)
    monkeypatch.setattr(shutil, "which", lambda name: name)
    compiled = Compiled(model.train())
    assert not any(module.training for module in compiled.modules())
    assert not any(p.requires_grad for p in compiled.parameters())
    assert all(p.requires_grad for p in model.parameters())
    assert model.training


def test_no_compiler_is_said_at_once(model, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ValueError, match="no C\\+\\+ compiler is here"):
        Compiled(model)
    with pytest.raises(ValueError, match="no C\\+\\+ compiler is here"):
        MixedPrecision("cpu", compiled=True).prepare_model(model)
