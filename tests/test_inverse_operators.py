"""The operators against matrices written out by hand, and their adjoints against autograd."""

import math

import numpy as np
import oracles
import pytest
import torch
from oracles import images, seeded
from torch import Tensor

from ddpm_lessons import LinearOperator, Measurement, blur, identity, keep, measure, shrink

MASK = torch.tensor(
    [[1, 0, 0, 1, 1, 0], [0, 1, 0, 0, 0, 0], [1, 1, 0, 1, 0, 0], [0, 0, 1, 0, 0, 1]]
).bool()
CHANNELS = torch.stack([MASK, ~MASK])
SHAPE = (2, 4, 6)
OPERATORS = {
    "identity": identity(),
    "keep": keep(MASK),
    "keep, other pixels of each channel": keep(CHANNELS),
    "keep one row": keep(MASK[0]),
    "shrink 2": shrink(2),
    "shrink 1": shrink(1),
    "blur": blur(0.8),
    "blur hardly": blur(0.05),
}
ALL = pytest.mark.parametrize("name", OPERATORS)


def eye() -> Tensor:
    return torch.eye(math.prod(SHAPE), dtype=torch.float64).view(-1, *SHAPE)


def matrix(operator: LinearOperator) -> Tensor:
    """A, (M, D), column by column."""
    return operator.forward(eye()).flatten(1).T


def by_hand(name: str) -> np.ndarray:
    """A, (M, D), entry by entry, from what the operator is said to do."""
    pixels = [(c, i, j) for c in range(2) for i in range(4) for j in range(6)]
    unit = np.eye(len(pixels))
    if name == "identity" or name == "shrink 1":
        return unit
    if name == "keep one row":
        return unit[[bool(MASK[0, j]) for _, _, j in pixels]]
    if name.startswith("keep"):
        kept = [MASK[i, j] if name == "keep" else CHANNELS[c, i, j] for c, i, j in pixels]
        return unit[[bool(x) for x in kept]]
    if name == "shrink 2":
        blocks = [(c, i, j) for c in range(2) for i in range(2) for j in range(3)]
        return np.array(
            [[0.25 * ((c, i // 2, j // 2) == block) for c, i, j in pixels] for block in blocks]
        )
    std = 0.8 if name == "blur" else 0.05

    def weight(here: tuple, there: tuple) -> float:
        squares = (here[1] - there[1]) ** 2 + (here[2] - there[2]) ** 2
        return (here[0] == there[0]) * math.exp(-squares / (2 * std**2))

    rows = np.array([[weight(here, there) for there in pixels] for here in pixels])
    return rows / rows.sum(axis=1, keepdims=True)


@ALL
def test_the_operator_is_the_matrix_written_by_hand(name):
    oracles.agree(matrix(OPERATORS[name]), by_hand(name), atol=1e-14)


@ALL
def test_the_adjoint_is_that_of_autograd(name):
    """<A x, y> = <x, A^T y>: A^T y is the gradient of <A x, y>."""
    operator, x = OPERATORS[name], images(3, *SHAPE).requires_grad_()
    seen = operator.forward(x)
    y = images(*seen.shape, seed=1)
    (expected,) = torch.autograd.grad((seen * y).sum(), x)
    back = operator.adjoint(y)
    assert back.shape == x.shape
    oracles.agree(back, expected, atol=1e-14)
    oracles.agree((seen * y).sum(), (x * back).sum(), rtol=1e-13)


@ALL
def test_the_gain_is_what_it_claims(name):
    operator = OPERATORS[name]
    product = matrix(operator) @ matrix(operator).T
    multiple = torch.equal(product, product[0, 0] * torch.eye(len(product)).double())
    assert multiple == (operator.gain is not None) or name == "blur hardly"
    if operator.gain is not None:
        oracles.agree(product, operator.gain * np.eye(len(product)), atol=1e-15)


def test_a_plain_image_stays_plain():
    """The border of a digit is -1: weights that missed there would make it grey."""
    plain = torch.full((1, 1, 5, 7), -1.0)
    oracles.agree(blur(2.0).forward(plain), plain, atol=1e-6)
    oracles.agree(shrink(1).forward(plain), plain)


@ALL
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_dtype_and_the_gradient_go_through(name, dtype):
    operator, x = OPERATORS[name], images(2, *SHAPE, dtype=dtype).requires_grad_()
    seen = operator.forward(x)
    back = operator.adjoint(seen)
    assert seen.dtype == back.dtype == dtype
    assert back.requires_grad
    assert operator.adjoint(operator.forward(x.detach().to("meta"))).shape == x.shape


# --- measurements ------------------------------------------------------------------------------


def test_a_measurement_is_the_image_through_the_operator_and_noise():
    x_0 = images(2, *SHAPE)
    for operator in OPERATORS.values():
        exact, noisy = measure(operator, x_0), measure(operator, x_0, 0.3, generator=seeded(5))
        z = torch.randn(exact.y.shape, dtype=torch.float64, generator=seeded(5))
        oracles.agree(noisy.y, operator.forward(x_0) + 0.3 * z, atol=1e-14)
        assert (exact.noise_std, noisy.noise_std) == (0.0, 0.3)
        oracles.agree(exact.residual(x_0), 0 * z)
        oracles.agree(noisy.residual(x_0), 0.3 * z, atol=1e-14)
        oracles.agree(exact.residual(0.5 * x_0, 0.5), 0 * z, atol=1e-15)


def test_an_image_is_measured_alike_in_any_batch():
    x_0 = images(3, *SHAPE)
    together = measure(shrink(2), x_0, 0.3, generator=[seeded(i) for i in range(3)])
    alone = measure(shrink(2), x_0[1:2], 0.3, generator=[seeded(1)])
    assert torch.equal(together.y[1:2], alone.y)


def test_one_measurement_serves_many_images():
    x, y = images(3, *SHAPE), images(1, 2, 2, 3, seed=1)
    oracles.agree(Measurement(shrink(2), y).residual(x), y - shrink(2).forward(x))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: keep(MASK.float()), r"mask is torch\.float32 \(4, 6\), expected a bool tensor"),
        (lambda: keep(MASK & ~MASK), "somewhere True"),
        (lambda: keep(torch.tensor(True)), "one entry for each pixel"),
        (lambda: keep(MASK).forward(images(2, 1, 6, 4)), r"x has shape \(2, 1, 6, 4\), expected"),
        (lambda: keep(MASK).forward(images(4, 6)), r"x has shape \(4, 6\), expected"),
        (lambda: keep(MASK).adjoint(images(2, 1, 5)), r"expected \(B, \.\.\., 9\)"),
        (lambda: shrink(0), "factor is 0, expected a whole number"),
        (lambda: shrink(2).forward(images(2, 1, 4, 5)), "expected H and W divisible by 2"),
        (lambda: shrink(2).forward(images(4, 4)), r"expected \(B, \.\.\., H, W\)"),
        (lambda: blur(0), "std is 0, expected"),
        (lambda: blur(1).forward(images(4, 4)), r"expected \(B, \.\.\., H, W\)"),
        (lambda: identity().forward(MASK), "x has dtype torch.bool"),
        (lambda: LinearOperator(None, torch.sin), "forward is None, expected a callable"),
        (lambda: LinearOperator(torch.sin, 3), "adjoint is 3"),
        (lambda: LinearOperator(torch.sin, torch.sin, 0), "gain is 0, expected"),
        (lambda: Measurement(shrink, images(1, 2)), "operator is <function shrink"),
        (lambda: Measurement(identity(), None), "y has type NoneType"),
        (lambda: Measurement(identity(), images(1, 2), -1), "noise_std is -1"),
        (lambda: measure(identity(), images(2, 3), math.nan), "noise_std is nan"),
        (lambda: measure(identity(), images(2, 3), generator=[seeded()]), "a list of 2"),
        (lambda: measure(keep, images(2, 3)), "operator is <function keep"),
        (
            lambda: Measurement(identity(), images(2, 3)).residual(images(4, 3)),
            r"y has shape \(2, 3\), expected \(4, 3\) like A x, or with 1 in place of 4",
        ),
        (
            lambda: Measurement(LinearOperator(lambda x: 3, len), images(2, 3)).residual(MASK),
            r"operator\.forward\(x\) has type int, expected a tensor",
        ),
    ],
)
def test_a_bad_argument_is_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()
