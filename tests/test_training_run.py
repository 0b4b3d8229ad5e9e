"""A run's start: the same on every call, in its own randomness, and on the digits asked for."""

import dataclasses
import itertools

import torch

from ddpm_lessons.data import Digits
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
