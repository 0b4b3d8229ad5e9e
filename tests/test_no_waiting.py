"""On a GPU the CPU runs ahead: in the loops, nothing makes it wait until the GPU has finished.

The device "meta" stands for the GPU: it computes shapes only, and a look at a value is an error.
"""

import inspect
from itertools import islice, repeat

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ddpm_lessons import (
    SAMPLERS,
    Measurement,
    blur,
    classifier_guided,
    dps,
    guided,
    keep,
    linear_schedule,
    loss,
    measured,
    repaint,
)
from ddpm_lessons.models import NoisyClassifier, UNet, UNetConfig
from ddpm_lessons.samplers import chain
from ddpm_lessons.training import Ema, loop, make_optimizer, train
from ddpm_lessons.training.presets import PRESETS

SMALL = UNetConfig(widths=(8, 16), blocks=(1, 1), time_width=8, num_classes=3)
SCHEDULE = linear_schedule()


class Waits(TorchDispatchMode):
    """Collects the copies between devices for which the CPU waits."""

    def __init__(self) -> None:
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result, kwargs = function(*args, **(kwargs or {})), kwargs or {}
        tensors = [x for x in (result, *args) if isinstance(x, Tensor)]
        between = function.__name__.startswith(("_to_copy", "copy_"))
        if between and len({x.device for x in tensors}) > 1 and not kwargs.get("non_blocking"):
            self.found.append((function, [(x.device, tuple(x.shape)) for x in tensors]))
        return result


class Elsewhere(torch.Generator):
    """A generator of the CPU, whatever device is asked for."""

    def __new__(cls, device: object) -> "Elsewhere":
        return super().__new__(cls, "cpu")


@pytest.fixture
def network(monkeypatch) -> UNet:
    """On the device that stands for a GPU, where noise is drawn as it is there."""

    def draw(x: Tensor, generator: object) -> Tensor:
        return torch.randn(x.shape, device=x.device)

    monkeypatch.setattr(loss, "DRAW_THERE", ("meta",))
    monkeypatch.setattr(loss, "randn_like", draw)
    monkeypatch.setattr(loop, "check_x_0", lambda x_0, bounded: None)  # looks once, at first
    monkeypatch.setattr(chain, "check_images", lambda name, x: None)
    with torch.device("meta"):
        return UNet(SMALL)


def test_a_copy_that_waits_is_noticed(network):
    with Waits() as waits:
        torch.ones(3).to("meta", non_blocking=True)
        assert waits.found == []
        torch.ones(3).to("meta")
    assert len(waits.found) == 1


@pytest.mark.parametrize("label_dropout", [None, 0.5])
def test_a_step_of_training_waits_for_nothing(network, label_dropout, monkeypatch):
    monkeypatch.setattr(torch, "Generator", Elsewhere)
    batch = (torch.zeros(4, 1, 8, 8, device="meta"), torch.zeros(4, device="meta").long())
    optimizer, lr_scheduler = make_optimizer(PRESETS["quick"], network)
    steps = train(
        network,
        SCHEDULE,
        repeat(batch),
        optimizer,
        lr_scheduler=lr_scheduler,
        ema=Ema(network),
        generator=torch.default_generator,
        label_dropout=label_dropout,
    )
    with Waits() as waits:
        losses = [step.loss for step in islice(steps, 3)]
    assert [x.device.type for x in losses] == ["meta"] * 3
    assert waits.found == []


@pytest.mark.parametrize("generator", [None, torch.default_generator, "one each"])
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_step_of_a_chain_waits_for_nothing(network, name, generator):
    x_T = torch.zeros(4, 1, 8, 8, device="meta")
    generator = [torch.default_generator] * 4 if generator == "one each" else generator
    knows_eta = "eta" in inspect.signature(SAMPLERS[name]).parameters
    options = {"generator": generator} | ({"eta": 1.0} if knows_eta else {})
    with Waits() as waits:
        states = list(islice(SAMPLERS[name](network, SCHEDULE, x_T, **options), 4))
    assert [state.x.device.type for state in states] == ["meta"] * 4
    assert waits.found == []


def test_a_guided_step_waits_for_nothing(network):
    """Though the labels are on the CPU."""
    labels, x_T = torch.tensor([0, 1, 2, -1]), torch.zeros(4, 1, 8, 8, device="meta")
    steps = SAMPLERS["ddpm"](guided(network, labels, 2.0), SCHEDULE, x_T)
    with Waits() as waits:
        assert [state.x.device.type for state in islice(steps, 3)] == ["meta"] * 3
    assert waits.found == []


def test_a_step_guided_by_a_classifier_waits_for_nothing(network):
    with torch.device("meta"):
        classifier = NoisyClassifier(SMALL)
    x_T, labels = torch.zeros(4, 1, 8, 8, device="meta"), torch.tensor([0, 1, 2, 0])
    told = classifier_guided(network, SCHEDULE, classifier, labels=labels)
    with Waits() as waits:
        steps = SAMPLERS["ddim"](told, SCHEDULE, x_T, eta=1.0)
        assert [state.x.device.type for state in islice(steps, 3)] == ["meta"] * 3
    assert waits.found == []


@pytest.mark.parametrize("way", ["a spread", "tweedie", "blur", "dps", "repaint"])
def test_a_step_that_knows_a_measurement_waits_for_nothing(network, way):
    """Though what was measured, and which pixels, is on the CPU."""
    x_T, mask = torch.zeros(4, 1, 8, 8, device="meta"), torch.eye(8).bool()
    seen = Measurement(keep(mask), torch.zeros(1, 1, 8), 0.1)
    if way == "blur":
        seen = Measurement(blur(1.0), torch.zeros(4, 1, 8, 8), 0.1)
    if way in ("dps", "repaint"):
        steps = {"dps": dps, "repaint": repaint}[way](network, SCHEDULE, x_T, measurement=seen)
    else:
        told = measured(network, SCHEDULE, seen, spread="tweedie" if way == "tweedie" else 1.0)
        steps = SAMPLERS["ddim"](told, SCHEDULE, x_T, eta=1.0)
    with Waits() as waits:
        assert [state.x.device.type for state in islice(steps, 3)] == ["meta"] * 3
    assert waits.found == []
