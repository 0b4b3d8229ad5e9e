"""A training that is watched: what the panel says, when it ends, and that it changes nothing."""

import itertools
import os
import re
import signal
import time

import pytest
import torch
from jupyter_client.manager import start_new_kernel

from ddpm_lessons.data import Digits
from ddpm_lessons.show import charts, live_widgets
from ddpm_lessons.show.live_widgets import Watch, loss_drawing, row
from ddpm_lessons.training import (
    PRESETS,
    Run,
    TrainStep,
    interruptible,
    start_run,
    steps_of,
)

X_T = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def shown(monkeypatch) -> list:
    """What was put on the page."""
    pages = []
    monkeypatch.setattr("IPython.display.display", pages.append)
    return pages


def make_run() -> Run:
    levels = torch.randint(0, 256, (24, 1, 8, 8), generator=torch.Generator().manual_seed(0))
    digits = Digits(levels.to(torch.uint8), torch.zeros(24).long())
    return start_run(PRESETS["tiny"], digits)


def endless(loss: float = 0.1):
    """Steps that cost nothing, as many as are asked for."""
    number = 0
    while True:
        number += 1
        yield TrainStep(number, torch.tensor(loss))


def test_watching_changes_nothing(monkeypatch):
    """Bit for bit: samples are drawn in between, and neither weights nor generators notice."""
    monkeypatch.setattr(live_widgets, "SAMPLE_SHARE", 1e9)  # a strip after every step
    alone, watched = make_run(), make_run()
    plain = [step.loss for step in itertools.islice(steps_of(alone), 6)]
    watch = Watch(watched, X_T, steps=6, every=1e-9)
    seen = [step.loss for step in watch(steps_of(watched))]
    assert list(watch.strips) == list(range(7))
    assert torch.equal(torch.stack(plain), torch.stack(seen))
    assert torch.equal(torch.stack(seen), watch.losses)
    for ours, theirs in ((alone.model, watched.model), (alone.ema, watched.ema)):
        pairs = zip(ours.parameters(), theirs.parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    assert torch.equal(alone.generator.get_state(), watched.generator.get_state())
    assert torch.equal(next(alone.batches)[0], next(watched.batches)[0])


def test_it_ends_after_its_steps_and_remembers_samples(shown):
    run = make_run()
    watch = Watch(run, X_T, steps=5, every=1e-9)
    assert len(list(watch(steps_of(run)))) == 5
    assert (run.step, run.batches.epoch * 24 + run.batches.position) == (5, 40)
    first, *_, last = watch.strips
    assert (first, last) == (0, 5)
    assert all(strip.shape == X_T.shape for strip in watch.strips.values())
    assert not torch.equal(watch.strips[0], watch.strips[5])
    assert shown == [watch.view]
    assert "finished · step 5 · " in watch.words.value
    assert 'role="img"' in watch.curve.value
    assert 'alt="3 samples after step 5"' in watch.strip.value


def test_it_goes_on_where_it_was(shown):
    run = make_run()
    for _ in range(2):
        list(Watch(run, X_T, steps=2)(steps_of(run)))
    assert run.step == 4
    assert "step 4 · " in shown[-1].children[0].value


def test_it_ends_after_its_seconds():
    run = make_run()
    watch = Watch(run, X_T, seconds=0.2)
    start = time.perf_counter()
    for _ in watch(endless()):
        time.sleep(0.01)
    assert run.seconds >= 0.2
    assert time.perf_counter() - start < 20
    assert 1 <= run.step == len(watch.losses) <= 20


def test_a_slow_machine_is_waited_for_but_not_for_ever(monkeypatch):
    """A step takes a second here, by a clock that ticks when it is read in `_elapsed`."""
    monkeypatch.setattr(Watch, "_elapsed", lambda self: float(self.run.step))
    for at_least, wanted in ((0, 3), (2, 3), (7, 7), (100, 12)):
        run = make_run()
        steps = Watch(run, X_T, seconds=3, at_least=at_least)(endless())
        assert (len(list(steps)), run.step) == (wanted, wanted)


def test_an_interrupt_ends_it_between_two_steps_and_says_so():
    run, done = make_run(), []
    handler = signal.getsignal(signal.SIGINT)
    watch = Watch(run, X_T)
    for step in watch(steps_of(run)):
        if step.step == 3:
            os.kill(os.getpid(), signal.SIGINT)
        done.append(step.step)  # the reader's own line is still carried out
    assert done == [1, 2, 3]
    assert run.step == 3
    assert int(run.ema.n_averaged) == 3
    assert "stopped; to go on, run the cell again" in watch.words.value
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_second_interrupt_stops_at_once():
    def press_twice():
        with interruptible() as seen:
            os.kill(os.getpid(), signal.SIGINT)
            assert seen == [signal.SIGINT]
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        press_twice()
    assert signal.getsignal(signal.SIGINT) is before


def test_samples_take_at_most_a_twentieth_of_the_time(monkeypatch):
    """A sample that costs a second is followed by twenty without one."""
    clock = iter([])
    monkeypatch.setattr(live_widgets.time, "perf_counter", lambda: next(clock))
    watch = Watch(make_run(), X_T, every=5.0)
    clock = iter([100.0, 101.0])
    watch._sample()
    assert watch._next_sample == pytest.approx(121.0)
    clock = iter([200.0, 200.1])
    watch._sample()
    assert watch._next_sample == pytest.approx(205.1)


def test_a_loss_that_is_nan_ends_the_loop(monkeypatch):
    monkeypatch.setattr(live_widgets, "DRAW_EVERY", 0.0)
    watch = Watch(make_run(), X_T)
    with pytest.raises(ValueError, match="the loss is nan"):
        list(watch(endless(float("nan"))))


@pytest.mark.parametrize(("loss", "share"), [(0.1, 0.5), (0.9, 0.9)])
def test_the_drawing_is_the_running_mean_on_its_axis(loss, share):
    """A level line from step 11 to 60, on an axis that ends at 0.2, or at 1 at first."""
    drawing = loss_drawing(torch.full((50,), loss), 60, "a description")
    points = re.search(r'points="([^"]+)"', drawing)[1].split()
    xy = torch.tensor([[float(n) for n in point.split(",")] for point in points])
    assert 'aria-label="a description"' in drawing
    assert len(xy) == 31  # the mean of 20 is known from the 20th of these steps on
    height, width = 200 - charts.TOP - charts.BOTTOM, 600 - 2 * charts.SIDE
    torch.testing.assert_close(xy[:, 1], torch.full((31,), height * (1 - share)), atol=0.1, rtol=0)
    assert xy[0, 0].item() == pytest.approx(width * 20 / 50, abs=0.1)
    assert xy[-1, 0].item() == pytest.approx(width, abs=0.1)


def test_a_row_keeps_the_pixels_and_their_order():
    x = torch.stack([torch.full((1, 2, 3), -1.0), torch.full((1, 2, 3), 2.0)])
    assert row(x).tolist() == [[[0, -1, -1, -1, 0, 0, 1, 1, 1, 0]] * 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seconds": 0}, "seconds is 0"),
        ({"seconds": "60"}, "seconds is '60'"),
        ({"steps": -1}, "steps is -1"),
        ({"every": 0.0}, r"every is 0\.0"),
    ],
)
def test_bad_numbers_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Watch(make_run(), X_T, **change)
    with pytest.raises(ValueError, match="x_T has type str"):
        Watch(make_run(), "noise")


IN_A_KERNEL = """
import itertools, torch
from ddpm_lessons.models import UNet
from ddpm_lessons.show.live_widgets import Watch
from ddpm_lessons.training import (
    PRESETS, Run, TrainStep, Ema, make_optimizer, make_schedule, train
)
preset = PRESETS["tiny"]
model = UNet(preset.model)
schedule = make_schedule(preset)
run = Run(model, schedule, None, *make_optimizer(preset, model), Ema(model), None)
batches = itertools.repeat(torch.rand(4, 1, 8, 8) * 2 - 1)
watch = Watch(run, torch.randn(2, 1, 8, 8))
for step in watch(train(model, schedule, batches, run.optimizer, ema=run.ema)):
    if step.step == 1:
        print("training", flush=True)
print("the next line:", run.step == int(run.ema.n_averaged) == len(watch.losses))
"""


def test_jupyters_square_button_ends_the_cell_without_an_error():
    manager, client = start_new_kernel(startup_timeout=300)
    said, pressed, deadline = "", False, time.monotonic() + 280
    try:
        request = client.execute(IN_A_KERNEL)
        while "idle" not in said and time.monotonic() < deadline:
            message = client.get_iopub_msg(timeout=280)
            if message["parent_header"].get("msg_id") != request:
                continue
            content = message["content"]
            said += str(content.get("text", "")) + str(content.get("evalue", ""))
            said += str(content.get("execution_state", ""))
            if "training" in said and not pressed:
                pressed = True
                manager.interrupt_kernel()
        reply = client.get_shell_msg(timeout=60)["content"]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert pressed
    assert reply["status"] == "ok", said
    assert "the next line: True" in said
