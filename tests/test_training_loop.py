"""Algorithm 1 against the same steps written out, the average of the weights, and the presets."""

import copy
import functools
import itertools
import json
import warnings

import pytest
import torch
from torch import nn

from ddpm_lessons import cosine_schedule, ddpm, linear_schedule, simple_loss
from ddpm_lessons.data import load_mnist
from ddpm_lessons.models import UNet, UNetConfig
from ddpm_lessons.training import (
    PRESETS,
    Ema,
    MixedPrecision,
    Preset,
    has_bfloat16,
    make_optimizer,
    make_schedule,
    train,
)
from ddpm_lessons.training.fit import fit
from ddpm_lessons.training.presets import decay_start, lr_factor

SMALL = UNetConfig(widths=(8, 8, 16), blocks=(1, 1, 1), groups=4, time_width=8, T=50)
SCHEDULE = cosine_schedule(T=50)


class Scale(nn.Module):
    """The smallest network there is: eps_theta(x_t, t) = w x_t."""

    def __init__(self, w: float = 0.5):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w, dtype=torch.float64))

    def forward(self, x_t, t):
        return self.w * x_t


def images(*shape: int) -> torch.Tensor:
    return 2 * torch.rand(shape, generator=torch.Generator().manual_seed(3)) - 1


def endless(x_0: torch.Tensor):
    return itertools.repeat((x_0, torch.zeros(len(x_0), dtype=torch.int64)))


def small() -> UNet:
    torch.manual_seed(0)
    return UNet(SMALL)


# --- Algorithm 1 ---


def test_three_steps_by_hand():
    """x_t, the loss, its derivative by w, and the step of SGD, from the formulas, in float64."""
    x_0, w, model = images(4, 1, 2, 2).double(), 0.5, Scale(0.5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    steps = train(
        model, SCHEDULE, endless(x_0), optimizer, generator=torch.Generator().manual_seed(1)
    )
    draws = torch.Generator().manual_seed(1)
    for number in (1, 2, 3):
        t = torch.randint(1, 51, (4,), generator=draws)
        eps = torch.randn(x_0.shape, generator=draws, dtype=torch.float64)
        keep = torch.stack([(1 - SCHEDULE.betas[1 : s + 1]).prod() for s in t]).view(4, 1, 1, 1)
        x_t = keep.sqrt() * x_0 + (1 - keep).sqrt() * eps
        error = w * x_t - eps
        loss, slope = (error**2).mean(), (2 * error * x_t).mean()
        w -= 0.1 * slope.item()
        step = next(steps)
        assert step.step == number
        torch.testing.assert_close(step.loss, loss)
        assert model.w.item() == pytest.approx(w, rel=1e-12), "yielded before the update?"


def test_each_timestep_is_trained_and_sampled_both_ends_included():
    """t = T, where sampling starts, was left out of training by more than one library."""
    schedule, seen = cosine_schedule(T=10), {"train": [], "sample": []}

    class Spy(Scale):
        def forward(self, x_t, t):
            assert t.dtype == torch.int64
            assert t.shape == (len(x_t),)
            seen["train" if self.training else "sample"] += t.tolist()
            return super().forward(x_t, t)

    model, x_0 = Spy(), images(50, 1, 2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    steps = train(model, schedule, endless(x_0), optimizer)
    list(itertools.islice(steps, 40))
    list(ddpm(model, schedule, x_0))
    assert set(seen["train"]) == set(seen["sample"]) == set(range(1, 11))
    counts = torch.tensor(seen["train"]).bincount()[1:]
    assert ((counts - 200).abs() < 5 * 200**0.5).all(), "t must be uniform"


def test_a_step_is_yielded_when_everything_has_been_updated():
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    lr_scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    ema = Ema(model)
    steps = train(
        model, SCHEDULE, endless(images(4, 1, 8, 8)), optimizer, lr_scheduler=lr_scheduler, ema=ema
    )
    for number in (1, 2):
        before = copy.deepcopy(model.state_dict())
        step = next(steps)
        assert step.step == number
        assert any(not torch.equal(before[k], v) for k, v in model.state_dict().items())
        assert optimizer.param_groups[0]["lr"] == 0.1 * 0.5**number
        assert ema.n_averaged == number
        assert not step.loss.requires_grad
        assert step.loss.shape == ()


def test_the_loss_of_digits_falls():
    model, x_0 = small(), load_mnist("test").x_0(slice(0, 64))
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    batches = itertools.cycle(x_0.split(16))
    generator = torch.Generator().manual_seed(0)
    steps = train(model, SCHEDULE, batches, optimizer, generator=generator)
    losses = [step.loss.item() for step in itertools.islice(steps, 80)]
    assert losses[0] == pytest.approx(1, abs=0.1)  # it predicts no noise yet
    assert sum(losses[-10:]) / 10 < 0.4


def test_a_generator_decides_all_of_the_noise():
    def losses(seed: int) -> list[float]:
        model = Scale()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        generator = torch.Generator().manual_seed(seed)
        steps = train(model, SCHEDULE, endless(images(4, 3)), optimizer, generator=generator)
        return [step.loss.item() for step in itertools.islice(steps, 3)]

    before = torch.get_rng_state()
    assert losses(1) == losses(1) != losses(2)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_consumer_may_sample_between_steps_and_work_without_gradients():
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    steps = train(model, SCHEDULE, endless(images(2, 1, 8, 8)), optimizer)
    with torch.no_grad():
        next(steps)
        assert not torch.is_grad_enabled()
        model.eval()  # left on by the consumer
        next(steps)
        assert model.training
        assert not torch.is_grad_enabled()
    next(steps)
    assert torch.is_grad_enabled()


def test_batches_may_be_plain_tensors_of_any_kind_and_may_end():
    points = 3 * torch.randn(4, 2)  # not images: free to leave [-1, 1]
    model = Scale()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    assert len(list(train(model, SCHEDULE, [points, points], optimizer))) == 2


@pytest.mark.parametrize(
    ("x_0", "message"),
    [
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), "torch.uint8"),
        (torch.rand(2, 1, 4, 4), r"images in \[0.*expected the range \[-1, 1\]"),
        (2 * images(2, 1, 4, 4), r"expected the range \[-1, 1\]"),
        (images(2, 1, 4, 4) / 0, "NaN or infinity"),
        (images(2, 3) * torch.nan, "NaN or infinity"),
        (torch.zeros(0, 1, 4, 4), "expected a floating tensor"),
        ("digits", "'digits', expected a floating tensor"),
    ],
)
def test_a_first_batch_that_is_no_training_data_is_refused(x_0, message):
    model = Scale()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match=rf"batches begins with .*{message}"):
        next(train(model, SCHEDULE, [(x_0, None)], optimizer))
    assert model.w == 0.5


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_loss_that_is_not_finite_stops_the_training(bad):
    model = Scale(bad)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    steps = train(model, SCHEDULE, endless(images(2, 3)), optimizer)
    list(itertools.islice(steps, 49))  # a look at each step would make the CPU wait for the GPU
    with pytest.raises(ValueError, match=r"the loss is (nan|inf), expected a finite number"):
        next(steps)


def test_fit_is_adamw_at_a_rate_that_rises_and_falls():
    """Adam's first step is of the size of the learning rate, which begins at a 25th of its peak."""
    model = Scale(1.0)
    steps = fit(model, lambda: (model.w - 3).square(), 400, lr=0.05)
    assert next(steps).loss == 4
    assert model.w.item() == pytest.approx(1 + 0.05 / 25, rel=1e-4)
    *_, last = steps
    assert (last.step, model.training) == (400, False)
    assert model.w.item() == pytest.approx(3, abs=1e-2)


def test_fit_refuses_no_steps_and_a_loss_that_is_none():
    model = Scale()
    with pytest.raises(ValueError, match=r"steps is 0, expected a whole number in 1\.\."):
        next(fit(model, lambda: model.w, 0, lr=0.1))
    with pytest.raises(ValueError, match=r"the loss is nan, expected a finite number"):
        next(fit(model, lambda: model.w * torch.nan, 3, lr=0.1))
    assert model.w == 0.5


# --- precision (traps 56, 57) ---


def test_bfloat16_networks_have_float32_losses_and_weights():
    model, dtypes = small(), []
    model.stem.register_forward_hook(lambda _m, _i, out: dtypes.append(out.dtype))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    accelerator = MixedPrecision("cpu", enabled=True)
    steps = train(model, SCHEDULE, endless(images(4, 1, 8, 8)), optimizer, accelerator=accelerator)
    for step in itertools.islice(steps, 200):
        assert step.loss.dtype == torch.float32
    assert set(dtypes) == {torch.bfloat16}
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_an_accelerator_runs_the_forward_pass_and_the_gradients():
    calls = []

    class Spy(MixedPrecision):
        def autocast(self):
            calls.append("autocast")
            return super().autocast()

        def backward(self, loss):
            calls.append("backward")
            super().backward(loss)

    model = Scale()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    accelerator = Spy("cpu", enabled=False)
    list(train(model, SCHEDULE, [images(2, 3)] * 2, optimizer, accelerator=accelerator))
    assert calls == ["autocast", "backward"] * 2


def test_bfloat16_is_found_out_and_not_assumed(monkeypatch):
    assert has_bfloat16("mps") is False
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False, raising=False)
    assert has_bfloat16("cpu") is False
    assert not MixedPrecision("cpu").enabled
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    assert has_bfloat16("cpu") is True
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported")  # a torch that does not tell
    assert has_bfloat16("cpu") is False


# --- the average of the weights (traps 59-62) ---


def test_the_average_by_hand():
    model = Scale(1.0)
    ema = Ema(model, decay=0.5)
    expected = None
    for n in range(30):
        value = float((7 * n) % 11)
        model.w.data.fill_(value)
        ema.update_parameters(model)
        d = min(0.5, (1 + n) / (10 + n))
        expected = value if n == 0 else d * expected + (1 - d) * value
        assert ema.module.w.item() == pytest.approx(expected, rel=1e-6)
        assert model.w.item() == value


def test_buffers_are_copied_and_not_averaged():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    ema = Ema(model)
    for _ in range(100):
        model(torch.randn(5, 3))
        ema.update_parameters(model)
    for name, buffer in model.named_buffers():
        assert torch.equal(ema.module.get_buffer(name), buffer)
    assert not torch.equal(ema.module[0].weight, torch.zeros(4, 3))


def test_the_average_is_a_copy_that_nobody_trains():
    model = small()
    ema = Ema(model)
    assert not any(m.training for m in ema.module.modules())
    assert not any(p.requires_grad for p in ema.module.parameters())
    assert all(p.requires_grad for p in model.parameters())
    assert model.training
    shared = {p.data_ptr() for p in model.parameters()} & {
        p.data_ptr() for p in ema.module.parameters()
    }
    assert not shared


def test_after_a_short_training_the_average_is_as_good_as_the_weights():
    """With the full decay from the start, most of it would still be the random first weights."""
    model, x_0 = small(), load_mnist("test").x_0(slice(0, 64))
    ema = Ema(model, decay=0.9999)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    steps = train(model, SCHEDULE, itertools.cycle(x_0.split(16)), optimizer, ema=ema)
    list(itertools.islice(steps, 120))

    def loss(network):
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            return simple_loss(network.eval(), SCHEDULE, x_0, generator=generator)

    assert loss(ema.module) < 1.5 * loss(model) < 0.75


@pytest.mark.parametrize("decay", [1, -0.1, 1.5, float("nan")])
def test_a_decay_that_is_none_is_refused(decay):
    with pytest.raises(ValueError, match=r"decay is .* expected a number in \[0, 1\)"):
        Ema(Scale(), decay)


# --- the presets ---


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_can_be_trained(name):
    preset = PRESETS[name]
    assert Preset.from_dict(json.loads(json.dumps(preset.to_dict()))) == preset
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a schedule that leaves no pure noise at T would warn
        schedule = make_schedule(preset)
    model = UNet(preset.model)
    assert schedule.T == model.config.T
    optimizer, _ = make_optimizer(preset, model)
    x_0 = images(1, model.config.channels, model.config.size, model.config.size)
    assert torch.isfinite(next(train(model, schedule, [x_0], optimizer)).loss)


@pytest.mark.parametrize("name", PRESETS)
def test_the_learning_rate_warms_up_and_falls_to_nothing(name):
    preset = PRESETS[name]
    factors = [lr_factor(step, preset) for step in range(preset.steps)]
    top, start = preset.warmup, decay_start(preset)
    assert factors[0] == 1 / preset.warmup
    assert set(factors[top - 1 : start + 1]) == {1}
    assert factors[:top] == sorted(factors[:top])
    assert factors[start:] == sorted(factors[start:], reverse=True)
    assert preset.steps - start == pytest.approx(preset.decay * preset.steps, abs=preset.warmup)
    assert lr_factor((start + preset.steps) / 2, preset) == pytest.approx(0.5)
    assert factors[-1] == pytest.approx(1 / (preset.steps - start))
    assert lr_factor(2 * preset.steps, preset) == 0


def test_the_gpu_preset_is_the_articles_twenty_epochs():
    preset = PRESETS["gpu"]
    epochs = preset.steps / -(-60_000 // preset.batch_size)
    assert epochs == 20
    assert make_schedule(preset) == linear_schedule(T=1000)


@pytest.mark.parametrize(
    "change",
    [{"schedule": "sine"}, {"speed": 1}, {"model": {"width": 1}}, {"model": {"size": 30}}],
)
def test_a_preset_that_is_none_is_refused(change):
    with pytest.raises(ValueError, match="expected"):
        Preset.from_dict({**PRESETS["tiny"].to_dict(), **change})


# --- labels ---


class Asked(nn.Module):
    """Notes the labels that it is asked for."""

    def __init__(self):
        super().__init__()
        self.w, self.labels = nn.Parameter(torch.tensor(0.5)), []

    def forward(self, x_t, t, labels=None):
        self.labels.append(labels)
        return self.w * x_t


def asked(label_dropout, n: int = 4000) -> torch.Tensor | None:
    x_0, labels = images(n, 1, 1, 1), torch.arange(n) % 10
    model = Asked()
    steps = train(
        model,
        SCHEDULE,
        itertools.repeat((x_0, labels)),
        torch.optim.SGD(model.parameters(), lr=0.1),
        generator=torch.Generator().manual_seed(0),
        label_dropout=label_dropout,
    )
    next(steps)
    return model.labels[0]


def test_labels_are_used_only_if_it_is_said():
    assert asked(None) is None


@pytest.mark.parametrize("share", [0.0, 0.15, 1.0])
def test_that_share_of_the_labels_is_hidden_and_the_rest_is_kept(share):
    labels = asked(share)
    hidden = labels == -1
    assert hidden.float().mean() == pytest.approx(
        share, abs=4 * (share * (1 - share) / 4000) ** 0.5
    )
    assert torch.equal(labels[~hidden], (torch.arange(4000) % 10)[~hidden])


def test_a_share_outside_0_to_1_is_refused():
    with pytest.raises(ValueError, match=r"label_dropout is 1.5, expected .*\[0, 1\]"):
        asked(1.5)


def test_a_labelled_network_learns_what_its_labels_tell():
    """Half the images are dark, half light: in much noise, who is told which one knows better."""
    torch.manual_seed(0)
    model = UNet(UNetConfig(**{**SMALL.to_dict(), "num_classes": 2}))
    labels = torch.arange(16) % 2
    x_0 = (0.6 * labels - 0.3).view(-1, 1, 1, 1).expand(-1, 1, 4, 4).contiguous()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(0)
    batches = itertools.repeat((x_0, labels), 400)
    for _ in train(model, SCHEDULE, batches, optimizer, generator=generator, label_dropout=0.2):
        pass

    def error(told: torch.Tensor) -> float:
        draws = torch.Generator().manual_seed(1)
        net = functools.partial(model.eval(), labels=told)
        losses = [simple_loss(net, SCHEDULE, x_0, generator=draws).item() for _ in range(20)]
        return sum(losses) / len(losses)

    right, none, wrong = error(labels), error(torch.full_like(labels, -1)), error(1 - labels)
    assert 1.5 * right < none < wrong / 1.5
