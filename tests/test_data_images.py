"""The one place of scaling: exact at every level, and no silent wrap, cut or double scaling."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ddpm_lessons.data import to_model_range, to_uint8

LEVELS = torch.arange(256, dtype=torch.uint8)


def test_every_level_is_where_exact_arithmetic_puts_it():
    exact = np.arange(256) * 2 / 255 - 1  # float64, and another way to write it
    x = to_model_range(LEVELS)
    assert x.dtype == torch.float32
    np.testing.assert_allclose(x.double().numpy(), exact, rtol=0, atol=2**-24)
    assert x[[0, 255]].tolist() == [-1, 1]  # the ends exactly, not 0.99999994


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_round_trip_is_the_identity_for_all_levels(dtype):
    assert torch.equal(to_uint8(to_model_range(LEVELS).to(dtype)), LEVELS)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_not_rounded_twice(dtype):
    """Every half-precision number in [-1, 1] gives the level that is nearest to it."""
    x = torch.arange(-(2**15), 2**15).to(torch.int16).view(dtype)
    x = x[x.abs() <= 1]
    exact = (x.double().numpy() + 1) * 127.5
    assert (np.abs(to_uint8(x).numpy() - exact) <= 0.5 + 1e-5).all()


@given(level=st.integers(0, 255), shift=st.floats(-0.49, 0.49))
def test_a_value_within_half_a_bin_gives_its_level(level, shift):
    x = torch.tensor([(level + shift) / 127.5 - 1], dtype=torch.float64)
    assert to_uint8(x).item() == level  # rounding; truncation would lose every shift below 0


@pytest.mark.parametrize(
    ("value", "level"),
    [(-1.01, 0), (1.004, 255), (-3.0, 0), (1e30, 255), (math.inf, 255), (-math.inf, 0)],
)
def test_values_outside_saturate_and_do_not_wrap(value, level):
    assert to_uint8(torch.tensor([value])).item() == level


@pytest.mark.parametrize("shape", [(), (1,), (2, 1, 28, 28), (0, 1, 28, 28)])
def test_shape_is_kept_and_the_input_is_not_changed(shape):
    x = torch.rand(shape, requires_grad=True)
    before = x.detach().clone()
    assert to_uint8(x).shape == shape
    assert torch.equal(x.detach(), before)
    assert to_model_range(to_uint8(x)).shape == shape


def test_nan_is_refused_and_counted():
    x = torch.tensor([0.0, float("nan"), float("nan")])
    with pytest.raises(ValueError, match=r"^x has NaN in 2 of 3 values"):
        to_uint8(x)


@pytest.mark.parametrize(
    "images", [LEVELS.float() / 255, LEVELS.long(), LEVELS.bool(), LEVELS.numpy(), [0, 255], None]
)
def test_only_8_bit_tensors_are_scaled_so_never_twice(images):
    with pytest.raises(ValueError, match=r"^images is .*expected a uint8 tensor"):
        to_model_range(images)


@pytest.mark.parametrize("x", [LEVELS, LEVELS.long(), LEVELS.bool(), np.zeros(3), 0.5, None])
def test_only_floating_tensors_are_turned_into_levels(x):
    with pytest.raises(ValueError, match=r"^x is .*expected a floating tensor"):
        to_uint8(x)
