"""The door: what it lets in, the noise, and how a network is called outside training."""

import math

import oracles
import pytest
import torch
from oracles import seeded
from torch import nn

from ddpm_lessons import Coefficients, Gaussian, linear_schedule, q_posterior, q_sample
from ddpm_lessons.door import (
    as_float64,
    check_choice,
    check_images,
    check_index,
    check_number,
    predict_noise,
    randn_like,
)

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
C = Coefficients(beta=0.01, alpha=0.99, alpha_bar=0.5, alpha_bar_prev=0.505)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_a_cpu_generator_gives_every_device_the_same_noise(device, dtype):
    """The same seed on another device gave another image, so noise is drawn on the generator's."""
    x = torch.zeros(2, 3, 4, dtype=dtype, device=device)
    z = randn_like(x, seeded())
    assert (z.shape, z.dtype, z.device) == (x.shape, x.dtype, x.device)
    oracles.agree(z, torch.randn(2, 3, 4, dtype=dtype, generator=seeded()))


def test_noise_from_a_generator_leaves_the_global_one_alone():
    before = torch.get_rng_state()
    randn_like(torch.zeros(5), seeded())
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(3)
    expected = torch.randn(5)
    torch.manual_seed(3)
    oracles.agree(randn_like(torch.zeros(5)), expected)  # without one, the global one serves


def test_a_list_of_generators_gives_each_image_the_noise_of_its_own():
    x = torch.zeros(3, 2, 4, dtype=torch.float64)
    z = randn_like(x, [seeded(5), seeded(6), seeded(7)])
    for i, image in enumerate(z):
        oracles.agree(image, torch.randn(2, 4, dtype=torch.float64, generator=seeded(5 + i)))
    with pytest.raises(
        ValueError, match=r"expected None or a torch\.Generator.* list of 3, one for"
    ):
        randn_like(x, [seeded()] * 2)
    with pytest.raises(ValueError, match=r"0\)$"):  # a number has no images
        Gaussian(0.5, 0.1).sample([seeded()])


def test_a_seed_is_no_generator():
    with pytest.raises(ValueError, match=r"generator is 0, expected None or a torch\.Generator"):
        randn_like(torch.zeros(2), 0)


def test_numbers_stay_numbers():
    assert isinstance(q_sample(0.8, C, 0.3), float)
    assert all(isinstance(value, float) for value in q_posterior(0.8, 0.6, C))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_results_have_the_dtype_of_the_images(dtype):
    x_0, eps = (
        torch.full((3, 1, 2, 2), 0.8, dtype=dtype),
        torch.full((3, 1, 2, 2), 0.3, dtype=dtype),
    )
    for t in (1, torch.tensor([1, 2, 1000])):
        c = linear_schedule().at(t, like=x_0)
        p = q_posterior(x_0, eps, c)
        assert isinstance(p, Gaussian)
        assert q_sample(x_0, c, eps).dtype == p.mean.dtype == dtype
    assert p.var.dtype == dtype


def test_mixed_dtypes_are_promoted():
    single, double = torch.ones(2), torch.ones(2, dtype=torch.float64)
    assert q_sample(single, C, double).dtype == torch.float64
    assert q_sample(single.half(), C, single).dtype == torch.float32


def test_nan_goes_through_the_equations():
    assert math.isnan(q_sample(math.nan, C, 0.3))
    x_0 = torch.tensor([0.5, math.nan])
    assert q_sample(x_0, C, torch.zeros(2)).isnan().tolist() == [False, True]


def test_a_coefficient_per_image_needs_the_shape_to_multiply_images():
    """(B,) against (B, C, H, W) runs along the width: no error from torch, and a wrong image."""
    x_0 = torch.zeros(4, 1, 4, 4)
    t = torch.tensor([1, 2, 3, 4])
    with pytest.raises(ValueError, match=r"c\.beta has shape \(4,\).*schedule\.at\(t, like=x_0\)"):
        q_sample(x_0, linear_schedule().at(t), x_0)
    assert q_sample(x_0, linear_schedule().at(t, like=x_0), x_0).shape == x_0.shape


def test_a_missing_argument_is_pythons_own_error():
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'eps'"):
        q_sample(0.8, C)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'c'"):
        q_sample(x_0=0.8, eps=0.3)
    assert q_sample(x_0=0.8, eps=0.3, c=C) == q_sample(0.8, C, 0.3)


def test_check_index_takes_whole_numbers_alone():
    assert check_index("t", 3, 1, 5) == 3
    assert type(check_index("t", torch.tensor(3), 1, 5)) is int
    for value in (0, 6, 2.0, True, torch.tensor(True), torch.tensor(2.0), "2", None, [2]):
        with pytest.raises(ValueError, match=r"t is .*expected a whole number in 1\.\.5"):
            check_index("t", value, 1, 5)


@pytest.mark.parametrize(
    ("interval", "inside", "outside"),
    [
        ("(0, 1)", [0.5, 1e-300], [0, 1, -1, 2, math.nan]),
        ("[0, 1]", [0, 1, 0.5], [-1e-9, 1.1, math.nan]),
        ("(0, 1]", [1, 0.1], [0, 1.1]),
        ("[0, inf)", [0, 1e300], [-1, math.inf]),
    ],
)
def test_check_number_knows_its_ends(interval, inside, outside):
    for value in inside:
        check_number("eta", value, interval)
    for value in [*outside, True, "0.5", None, torch.tensor(0.5)]:
        with pytest.raises(ValueError, match=r"eta is .*, expected a number in [\[(]"):
            check_number("eta", value, interval)


def test_check_choice_lists_the_choices():
    check_choice("variance", "beta", ("beta", "posterior"))
    with pytest.raises(
        ValueError, match="variance is 'betas', expected one of 'beta', 'posterior'"
    ):
        check_choice("variance", "betas", ("beta", "posterior"))


def test_check_images_lets_finite_floating_batches_in():
    check_images("x_0", torch.zeros(1))
    check_images("x_0", torch.zeros(2, 1, 28, 28, dtype=torch.float16))


def test_as_float64_copies_and_keeps_the_digits_of_python_numbers():
    x = torch.zeros(2, dtype=torch.float64)
    assert as_float64("x", x).data_ptr() != x.data_ptr()
    assert as_float64("x", [0.1]).item() == 0.1
    assert as_float64("x", torch.ones(2, requires_grad=True)).requires_grad is False


class Net(nn.Module):
    """Dropout inside, a frozen part, and a memory of how it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.frozen = nn.BatchNorm1d(4).eval()
        self.weight = nn.Parameter(torch.tensor(2.0))
        self.calls = []

    def forward(self, x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        modes = [module.training for module in self.modules()]
        self.calls.append((t.tolist(), t.dtype, t.shape, t.device, any(modes)))
        return self.dropout(self.frozen(x_t)) * self.weight


@pytest.mark.parametrize("device", DEVICES)
def test_the_network_gets_t_as_a_batch_of_int64(device):
    """minDiffusion's sampler passed the float i / n_T where training had passed a (B,) tensor."""
    net = Net().to(device)
    predict_noise(net, torch.ones(3, 4, device=device), 7)
    assert net.calls[0][:3] == ([7, 7, 7], torch.int64, (3,))
    assert net.calls[0][3].type == device


def test_dropout_is_off_and_every_mode_is_put_back():
    """Samplers ran with dropout on, or left the network in eval mode for the rest of training."""
    net = Net().train()
    net.frozen.eval()
    before = [module.training for module in net.modules()]
    x = torch.ones(3, 4)
    assert torch.equal(predict_noise(net, x, 1), predict_noise(net, x, 1))
    assert [call[-1] for call in net.calls] == [False, False]
    assert [module.training for module in net.modules()] == before == [True, True, False]


def test_the_mode_is_put_back_when_the_network_fails():
    net = Net().train()
    with pytest.raises(RuntimeError):
        predict_noise(net, torch.ones(3, 5), 1)
    assert net.training
    assert net.dropout.training


def test_the_answer_has_no_gradient_but_may_be_used_under_one():
    """An inference-mode tensor raises an error as soon as training touches it."""
    net = Net()
    eps = predict_noise(net, torch.ones(3, 4), 1)
    assert not eps.requires_grad
    assert not eps.is_inference()
    assert torch.is_grad_enabled()
    (eps * net.weight).sum().backward()
    assert net.weight.grad is not None


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (0.0, "type float"),
        (None, "type NoneType"),
        ((torch.zeros(3, 4),), "type tuple"),
        (torch.zeros(3, 1), r"shape \(3, 1\)"),
        (torch.zeros(3, 4, dtype=torch.int64), "dtype torch.int64"),
        (torch.zeros(3, 4, device="meta"), "is on meta"),
    ],
)
def test_an_answer_that_does_not_match_the_images_is_named(answer, found):
    with pytest.raises(ValueError, match=rf"eps_model\(x_t, t\) (has )?{found}"):
        predict_noise(lambda x_t, t: answer, torch.zeros(3, 4), 1)
