"""Digits in memory and the stream of batches: what is drawn, in which order, and resuming it."""

import dataclasses
import itertools
import json
import pickle
from collections.abc import Iterable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from ddpm_lessons.data import Batches, Digits, to_uint8

N = 23


def marked(n: int = N) -> Digits:
    """Image i is filled with level i and labelled 1000 + i: every image is recognisable."""
    images = torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1).expand(n, 1, 2, 2).contiguous()
    return Digits(images, torch.arange(n) + 1000)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batches(n: int = N, batch_size: int = 5, seed: int = 0) -> Batches:
    return Batches(marked(n), batch_size, generator=seeded(seed))


def indices(x_0: torch.Tensor) -> list[int]:
    """Which images of the marked set are in a batch."""
    return to_uint8(x_0)[:, 0, 0, 0].tolist()


def take(stream: Batches, steps: int) -> list[list[int]]:
    return [indices(next(stream)[0]) for _ in range(steps)]


def flat(rows: Iterable[list[int]]) -> list[int]:
    return list(itertools.chain.from_iterable(rows))


# Digits


def test_images_are_given_in_the_model_range():
    levels = torch.tensor([0, 51, 102, 255], dtype=torch.uint8)
    digits = Digits(levels.view(1, 1, 2, 2), torch.zeros(1, dtype=torch.int64))
    torch.testing.assert_close(
        digits[0], torch.tensor([[[-1.0, -0.6], [-0.2, 1.0]]]), rtol=0, atol=1e-7
    )


def test_the_stored_images_do_not_change():
    digits = marked()
    digits[3].fill_(0.5)
    digits[:].fill_(0.5)
    assert torch.equal(digits.images, marked().images)


@given(index=st.integers(-N, N - 1))
def test_an_integer_gives_one_image(index):
    image = marked()[index]
    assert (image.shape, image.dtype) == ((1, 2, 2), torch.float32)
    assert indices(image[None]) == [range(N)[index]]


@given(rows=st.lists(st.integers(-N, N - 1), min_size=1), form=st.sampled_from(["list", "numpy"]))
def test_many_indices_give_a_batch_in_their_order(rows, form):
    index = rows if form == "list" else np.array(rows)
    expected = [range(N)[row] for row in rows]
    assert indices(marked().x_0(index)) == expected
    assert indices(marked()[torch.tensor(rows)]) == expected


@given(part=st.slices(N))
def test_slices_are_those_of_python(part):
    if expected := list(range(N)[part]):
        assert indices(marked()[part]) == expected


@given(chosen=st.lists(st.booleans(), min_size=N, max_size=N).filter(any))
def test_a_mask_selects(chosen):
    expected = [i for i, wanted in enumerate(chosen) if wanted]
    assert indices(marked()[torch.tensor(chosen)]) == expected


def test_a_label_selects_its_digits():
    digits = marked()
    assert indices(digits[digits.labels == 1007]) == [7]


def test_a_uint8_index_is_an_index_and_not_a_mask():
    assert indices(marked()[torch.tensor([1, 0, 1, 5], dtype=torch.uint8)]) == [1, 0, 1, 5]


@pytest.mark.parametrize("index", [N, -N - 1, 10**12, [0, N], torch.tensor([-N - 1])])
def test_beyond_the_set_is_an_index_error_and_a_value_error(index):
    for kind in (IndexError, ValueError):
        with pytest.raises(kind, match=rf"^index is .*expected integers in -{N}\.\.{N - 1}"):
            marked()[index]


@pytest.mark.parametrize(
    "index",
    [
        *(1.0, 1j, "3", None, True, ..., 10**30),
        *([], [0.5], [True, False], [[0, 1]], (0, "a"), {0: 1}),
        *(slice(5, 5), slice(0.5, 2)),
        *(torch.zeros(2), torch.zeros(N, dtype=torch.bool)),
    ],
    ids=repr,
)
def test_no_other_index_is_guessed_at(index):
    with pytest.raises(ValueError, match=r"^index is .*expected integers"):
        marked()[index]


def test_a_set_can_be_walked_through():
    walked = list(marked())
    assert [indices(image[None])[0] for image in walked] == list(range(N))
    assert len(marked()) == N


@pytest.mark.parametrize(
    ("images", "labels", "name"),
    [
        (torch.zeros(3, 1, 2, 2), torch.zeros(3, dtype=torch.int64), "images"),  # floating
        (torch.zeros(3, 2, 2, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64), "images"),
        (torch.zeros(0, 1, 2, 2, dtype=torch.uint8), torch.zeros(0).long(), "images"),
        (np.zeros((3, 1, 2, 2), np.uint8), torch.zeros(3, dtype=torch.int64), "images"),
        (torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64), "labels"),
        (torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.zeros(3, 1).long(), "labels"),
        (torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.zeros(3), "labels"),
        (torch.zeros(3, 1, 2, 2, dtype=torch.uint8), [0, 1, 2], "labels"),
        (torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.zeros(3).long().to("meta"), "labels"),
    ],
)
def test_only_matching_images_and_labels_make_digits(images, labels, name):
    with pytest.raises(ValueError, match=f"^{name} is .*expected"):
        Digits(images, labels)


def test_digits_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        marked().images = marked(3).images


def test_to_moves_both_and_keeps_what_is_there():
    digits = marked()
    assert digits.to("cpu") is digits
    moved = digits.to("meta")
    assert {moved.images.device.type, moved.labels.device.type} == {"meta"}
    assert digits.images.device.type == "cpu"


# Batches: what an epoch holds


@pytest.mark.parametrize("batch_size", [1, 2, 5, 11, 22, 23])
def test_an_epoch_shows_every_image_exactly_once(batch_size):
    stream = batches(batch_size=batch_size)
    for epoch in range(3):
        assert (stream.epoch, stream.position) == (epoch, 0)
        rows = take(stream, stream.steps_per_epoch)
        assert sorted(flat(rows)) == list(range(N))
        full, rest = divmod(N, batch_size)
        assert [len(row) for row in rows] == [batch_size] * full + [rest] * (rest > 0)


def test_each_image_comes_with_its_label():
    stream = batches()
    for _ in range(20):
        x_0, label = next(stream)
        assert (x_0.dtype, label.dtype) == (torch.float32, torch.int64)
        assert x_0.shape == (len(label), 1, 2, 2)
        assert [1000 + i for i in indices(x_0)] == label.tolist()


def test_position_counts_images():
    stream = batches(batch_size=10)
    seen = []
    for _ in range(4):
        next(stream)
        seen.append((stream.epoch, stream.position))
    assert seen == [(0, 10), (0, 20), (1, 0), (1, 10)]


def test_it_is_its_own_iterator_and_does_not_restart():
    stream = batches()
    assert iter(stream) is stream
    first = [indices(x_0) for (x_0, _), _ in zip(stream, range(2), strict=False)]
    assert first[0] != take(stream, 1)[0]


# Batches: order


def test_the_order_is_a_function_of_seed_and_epoch():
    """The rule of the docstring, written out: nothing else may enter."""
    seed = int(torch.randint(2**32, (), generator=seeded(7)))
    stream = batches(batch_size=N, seed=7)
    for epoch in range(3):
        expected = torch.randperm(N, generator=seeded((seed + epoch) % 2**32)).tolist()
        assert take(stream, 1) == [expected]


def test_epochs_differ_and_seeds_differ_and_equal_seeds_agree():
    one = take(batches(batch_size=N), 2)
    assert one[0] != one[1]
    assert one == take(batches(batch_size=N), 2)
    assert one[0] != take(batches(batch_size=N, seed=1), 1)[0]


def test_two_streams_from_one_generator_differ():
    generator = seeded()
    one, two = (Batches(marked(), N, generator=generator) for _ in range(2))
    assert take(one, 1) != take(two, 1)


def test_the_order_of_images_does_not_depend_on_the_batch_size():
    assert flat(take(batches(batch_size=4), 6)) == take(batches(batch_size=N), 1)[0]


def test_other_draws_from_the_generator_change_nothing():
    """A training loop draws its noise from the same generator."""
    generator = seeded()
    stream = Batches(marked(), 5, generator=generator)
    rows = []
    for _ in range(12):
        torch.randn(100, generator=generator)
        rows += take(stream, 1)
    assert rows == take(batches(), 12)


def test_without_a_generator_the_global_one_decides_and_no_other_state_moves():
    torch.manual_seed(3)
    one = Batches(marked(), 5, generator=None)
    after = torch.get_rng_state()
    rows = take(one, 10)
    assert torch.equal(torch.get_rng_state(), after)  # batches draw nothing from it
    torch.manual_seed(3)
    assert take(Batches(marked(), 5, generator=None), 10) == rows


def test_every_image_comes_first_equally_often():
    """Consecutive seeds are used for consecutive epochs: their orders must be independent."""
    n, epochs = 6, 6000
    stream = batches(n=n, batch_size=n)
    pairs = torch.zeros(n, n)  # first image of an epoch against first image of the next
    rows = take(stream, epochs)
    for row, following in itertools.pairwise(rows):
        pairs[row[0], following[0]] += 1
    expected = (epochs - 1) / n**2
    assert ((pairs - expected).abs() < 5 * expected**0.5).all()


# Batches: resuming


@pytest.mark.parametrize("before", range(12))  # 5 steps an epoch: start, middle, end, next epoch
def test_resuming_continues_exactly(before):
    straight = take(batches(), before + 12)
    stream = batches()
    take(stream, before)
    state = json.loads(json.dumps(stream.state_dict()))  # ints survive any format
    resumed = batches(seed=99)
    take(resumed, 3)  # wherever it was
    resumed.load_state_dict(state)
    assert resumed.state_dict() == state
    assert take(resumed, 12) == straight[before:]


def test_the_state_is_a_copy_of_ints():
    stream = batches()
    state = stream.state_dict()
    assert {type(value) for value in state.values()} == {int}
    take(stream, 3)
    assert state["position"] == 0


def test_resuming_does_not_depend_on_the_generator_afterwards():
    generator = seeded()
    stream = Batches(marked(), 5, generator=generator)
    take(stream, 7)
    state = stream.state_dict()
    expected = take(stream, 7)
    stream.load_state_dict(state)
    torch.randn(10, generator=generator)
    assert take(stream, 7) == expected


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"size": N + 1}, "size"),
        ({"position": N}, "position"),
        ({"position": -1}, "position"),
        ({"position": 1.0}, "position"),
        ({"epoch": -1}, "epoch"),
        ({"epoch": True}, "epoch"),
        ({"seed": 2**32}, "seed"),
        ({"seed": "0"}, "seed"),
        ({"seed": None}, "seed"),
        ({"extra": 0}, "extra"),
    ],
)
def test_a_wrong_state_is_refused_and_changes_nothing(change, name):
    stream, twin = batches(), batches()
    take(stream, 2), take(twin, 2)
    with pytest.raises(ValueError, match=f"^state.*{name}"):
        stream.load_state_dict({**stream.state_dict(), **change})
    assert take(stream, 5) == take(twin, 5)


@pytest.mark.parametrize("state", [None, [], {}, {"seed": 0, "epoch": 0, "position": 0}])
def test_an_incomplete_state_is_refused(state):
    with pytest.raises(ValueError, match=r"^state is .*expected keys"):
        batches().load_state_dict(state)


# Batches: mirrored images


def sided(n: int = N) -> Digits:
    """Image i has level i on the left and 100 + i on the right."""
    left = torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1).expand(n, 1, 2, 1)
    return Digits(torch.cat([left, 100 + left], dim=-1), torch.arange(n) + 1000)


def sides(stream: Batches, steps: int) -> list[tuple[int, bool]]:
    """Which images come, and whether each is mirrored."""
    seen = []
    for _ in range(steps):
        x_0, label = next(stream)
        rows = to_uint8(x_0)[:, 0]  # (B, 2, 2)
        left, right = rows[:, 0, 0], rows[:, 0, 1]
        i, mirrored = torch.minimum(left, right), left > right
        assert torch.equal(rows[:, 0], rows[:, 1])
        assert torch.equal(torch.maximum(left, right), 100 + i)
        assert [1000 + k for k in i.tolist()] == label.tolist()
        seen += zip(i.tolist(), mirrored.tolist(), strict=True)
    return seen


def flipping(batch_size: int = 5, seed: int = 0, flip: bool = True) -> Batches:
    return Batches(sided(), batch_size, generator=seeded(seed), flip=flip)


def test_without_flip_no_image_is_mirrored():
    assert not any(mirrored for _, mirrored in sides(flipping(flip=False), 50))


def test_about_half_of_the_images_are_mirrored_each_in_some_epochs():
    seen = sides(flipping(batch_size=N), 400)
    share = sum(mirrored for _, mirrored in seen) / len(seen)
    assert abs(share - 0.5) < 5 * 0.5 / len(seen) ** 0.5
    counts = torch.zeros(N)
    for i, mirrored in seen:
        counts[i] += mirrored
    assert ((counts - 200).abs() < 5 * 10).all()  # a binomial's standard deviation: 10


def test_the_order_is_the_same_with_and_without_flip():
    seen = sides(flipping(), 20)
    assert [i for i, _ in seen] == [i for i, _ in sides(flipping(flip=False), 20)]


def test_what_is_mirrored_depends_on_seed_epoch_and_image_alone():
    """Not on the size of the batches, nor on the place in the epoch."""
    one = sides(flipping(batch_size=5), 10)  # two epochs
    assert one == sides(flipping(batch_size=N), 2)
    assert dict(one[:N]) != dict(one[N:])
    assert dict(one[:N]) != dict(sides(flipping(batch_size=N, seed=1), 1))


@pytest.mark.parametrize("before", range(7))
def test_resuming_goes_on_exactly_with_mirrored_images(before):
    straight = sides(flipping(), before + 12)
    stream = flipping()
    gone = len(sides(stream, before))
    resumed = flipping(seed=99)
    sides(resumed, 3)
    resumed.load_state_dict(stream.state_dict())
    assert sides(resumed, 12) == straight[gone:]


def test_the_state_says_nothing_of_flip():
    """Checkpoints from before there was a flip are still good."""
    assert flipping().state_dict() == flipping(flip=False).state_dict()


@pytest.mark.parametrize("flip", [0, 1, None, "yes"])
def test_flip_is_true_or_false(flip):
    with pytest.raises(ValueError, match=r"^flip is .*expected True or False"):
        flipping(flip=flip)


# Batches: arguments, devices, processes


@pytest.mark.parametrize("batch_size", [0, -1, N + 1, 2.0, "8", None, True, 10**30])
def test_a_batch_size_outside_the_set_is_refused(batch_size):
    with pytest.raises(ValueError, match=rf"^batch_size is .*1\.\.{N}"):
        Batches(marked(), batch_size, generator=seeded())


def test_other_arguments_of_the_wrong_type_are_refused():
    with pytest.raises(ValueError, match=r"^digits is .*expected Digits"):
        Batches(marked().images, 5, generator=seeded())
    with pytest.raises(ValueError, match=r"^generator is .*expected a torch.Generator"):
        Batches(marked(), 5, generator=0)


def test_batches_are_made_on_the_device():
    """Everything after the order of an epoch happens there (the meta device has no data)."""
    stream = Batches(marked(), 5, generator=seeded(), device="meta")
    x_0, label = next(stream)
    assert (x_0.device.type, label.device.type) == ("meta", "meta")
    assert (x_0.shape, x_0.dtype, label.shape) == ((5, 1, 2, 2), torch.float32, (5,))


def test_pickling_keeps_the_place_in_the_stream():
    stream = batches()
    take(stream, 3)
    copy = pickle.loads(pickle.dumps(stream))
    assert take(copy, 10) == take(stream, 10)


def test_a_spawned_worker_reads_one_epoch():
    """macOS and Windows start workers by pickling the set into a fresh interpreter."""
    loader = DataLoader(marked(), 5, num_workers=1, multiprocessing_context="spawn", timeout=120)
    assert flat(indices(x_0) for x_0 in loader) == list(range(N))
