"""A run's start: the same on every call, in its own randomness, and on the digits asked for."""

import dataclasses
import itertools

import pytest
import torch

from ddpm_lessons import linear_schedule
from ddpm_lessons.data import Digits
from ddpm_lessons.models import CheckpointError, Pretrained, UNet
from ddpm_lessons.training import PRESETS, start_run, steps_of


def some_digits(n: int = 80) -> Digits:
    levels = torch.randint(0, 256, (n, 1, 8, 8), generator=torch.Generator().manual_seed(0))
    return Digits(levels.to(torch.uint8), torch.arange(n) % 10)


def weights(run):
    return torch.cat([p.detach().flatten() for p in run.model.parameters()])


def test_a_seed_is_a_start_and_nothing_else_is_touched():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = start_run(PRESETS["tiny"], some_digits(), seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    second, other = (start_run(PRESETS["tiny"], some_digits(), seed=seed) for seed in (1, 2))
    assert torch.equal(weights(first), weights(second))
    assert not torch.equal(weights(first), weights(other))
    assert torch.equal(first.generator.get_state(), second.generator.get_state())
    assert torch.equal(next(first.batches)[0], next(second.batches)[0])
    assert (first.step, first.seconds) == (0, 0.0)


def test_the_preset_says_how_many_digits_and_whether_labels_are_hidden():
    preset = PRESETS["tiny"]
    assert len(start_run(preset, some_digits()).batches.digits) == preset.images == 64
    everything = dataclasses.replace(preset, images=None, label_dropout=0.5)
    run = start_run(everything, some_digits())
    assert len(run.batches.digits) == 80
    assert run.label_dropout == 0.5


def test_the_preset_says_whether_images_are_mirrored():
    for flip in (False, True):
        preset = dataclasses.replace(PRESETS["tiny"], flip=flip)
        assert start_run(preset, some_digits()).batches.flip is flip


def test_the_steps_train_all_parts_and_leave_the_counting_to_their_consumer():
    run = start_run(PRESETS["tiny"], some_digits())
    before = weights(run)
    steps = list(itertools.islice(steps_of(run), 3))
    assert [step.step for step in steps] == [1, 2, 3]
    assert (weights(run) != before).any()
    assert run.ema.n_averaged == run.lr_scheduler.last_epoch == 3
    assert run.step == 0


def test_labels_reach_the_network():
    """The table of labels starts at zero, so what becomes of it says which labels were seen."""
    preset = PRESETS["tiny"]
    model = dataclasses.replace(preset.model, num_classes=10)
    for dropout, hidden, shown in ((0.0, False, True), (1.0, True, False)):
        run = start_run(
            dataclasses.replace(preset, model=model, label_dropout=dropout), some_digits()
        )
        list(itertools.islice(steps_of(run), 4))
        table = run.model.label.weight
        assert bool((table[-1] != 0).any()) is hidden
        assert bool((table[:-1] != 0).any()) is shown


def trained(**changes) -> Pretrained:
    """A network whose answers are not 0 any more."""
    run = start_run(dataclasses.replace(PRESETS["tiny"], **changes), some_digits(), seed=3)
    list(itertools.islice(steps_of(run), 4))
    return Pretrained(run.ema.module, run.schedule, run.model.config)


def test_a_run_can_start_from_weights():
    start = trained()
    run = start_run(PRESETS["tiny"], some_digits(), start=start)
    for own in (run.model, run.ema.module):
        for (name, x), (_, y) in zip(
            own.state_dict().items(), start.eps_model.state_dict().items(), strict=True
        ):
            assert torch.equal(x, y), name
            assert x.data_ptr() != y.data_ptr()  # training must not change the network given
    assert all(p.requires_grad for p in run.model.parameters())


def test_a_network_that_learns_labels_begins_with_the_answers_that_it_had():
    start, preset = trained(), PRESETS["tiny"]
    model = dataclasses.replace(preset.model, num_classes=10)
    run = start_run(dataclasses.replace(preset, model=model), some_digits(), start=start)
    x_t, t = torch.randn(5, 1, 8, 8), torch.tensor([1, 2, 5, 10, 20])
    with torch.no_grad():
        expected = start.eps_model(x_t, t)
        assert expected.abs().max() > 1e-3
        for labels in (None, torch.tensor([-1, 0, 3, 9, 5])):
            assert torch.equal(run.model.eval()(x_t, t, labels), expected)


def test_a_start_that_does_not_fit_is_refused():
    preset = PRESETS["tiny"]
    wide = dataclasses.replace(preset.model, widths=(8, 8, 32))
    with pytest.raises(CheckpointError, match="start: of another architecture"):
        start_run(dataclasses.replace(preset, model=wide), some_digits(), start=trained())
    other = Pretrained(UNet(preset.model), linear_schedule(T=20, beta_T=0.6), preset.model)
    with pytest.raises(ValueError, match="start was trained with another noise schedule"):
        start_run(preset, some_digits(), start=other)
