"""The noise schedule, against 50-digit arithmetic and the stories of wrong schedules."""

import dataclasses
import math
import warnings

import mpmath
import numpy as np
import oracles
import pytest
import torch

from ddpm_lessons import (
    SCHEDULES,
    Coefficients,
    NoiseLeftWarning,
    NoiseSchedule,
    cosine_schedule,
    linear_schedule,
    predict_eps,
    predict_x0,
    q_posterior,
)

pytestmark = pytest.mark.filterwarnings("ignore::ddpm_lessons.NoiseLeftWarning")

# float64 carries 1.1e-16 a multiplication, and alpha_bar_1000 is a product of 1000 numbers.
RTOL = 3e-13


def close(value: float, expected: mpmath.mpf, rtol: float = RTOL) -> bool:
    return abs(mpmath.mpf(value) - expected) <= rtol * abs(expected)


def exact_linear(T: int) -> list[mpmath.mpf]:
    """[0, beta_1, ..., beta_T] of the paper, in 50 digits."""
    low, high = mpmath.mpf(1e-4), mpmath.mpf(0.02)
    return [mpmath.mpf(0)] + [low + (high - low) * i / max(T - 1, 1) for i in range(T)]


def exact_cosine(T: int) -> list[mpmath.mpf]:
    def f(t: int) -> mpmath.mpf:
        return (
            mpmath.cos((mpmath.mpf(t) / T + mpmath.mpf(0.008)) / mpmath.mpf(1.008) * mpmath.pi / 2)
            ** 2
        )

    return [mpmath.mpf(0)] + [min(1 - f(t) / f(t - 1), mpmath.mpf(0.999)) for t in range(1, T + 1)]


@pytest.mark.parametrize("T", [2, 3, 10, 1000])
@pytest.mark.parametrize(
    ("make", "exact", "rtol"),
    # cosine: beta_t = 1 - a ratio close to 1, which leaves 1e-16 / beta_1 = 3e-12 at T = 1000
    [(linear_schedule, exact_linear, RTOL), (cosine_schedule, exact_cosine, 1e-11)],
)
def test_the_schedules_agree_with_50_digits_at_the_first_two_and_the_last_step(
    T, make, exact, rtol
):
    with mpmath.workdps(50):
        betas, schedule = exact(T), make(T)
        for t in (1, 2, T):
            c = schedule.at(t)
            alpha_bar_prev = mpmath.fprod(1 - beta for beta in betas[:t])
            assert close(c.beta, betas[t], rtol)
            assert close(c.alpha, 1 - betas[t], rtol)
            assert close(c.alpha_bar, alpha_bar_prev * (1 - betas[t]), rtol)
            assert close(c.alpha_bar_prev, alpha_bar_prev, rtol)


@pytest.mark.parametrize("T", [5, 1000])
def test_cosine_alpha_bar_is_the_squared_cosine_until_the_clip(T):
    """alpha_bar_t = f(t) / f(0): the product must give back what the betas were made from."""
    schedule = cosine_schedule(T)
    t = torch.arange(T, dtype=torch.float64)
    f = torch.cos((t / T + 0.008) / 1.008 * math.pi / 2) ** 2
    oracles.agree(schedule.alpha_bars[:T], f / f[0], rtol=1e-11)


def test_the_tables_have_a_row_for_the_clean_image():
    """superminddpm's row 0 held beta_1: its t = 1 was the second step, and alpha_bar_0 not 1."""
    schedule = linear_schedule()
    assert len(schedule.betas) == len(schedule.alphas) == len(schedule.alpha_bars) == 1001
    assert (schedule.T, schedule.betas[0], schedule.alphas[0], schedule.alpha_bars[0]) == (
        1000,
        0,
        1,
        1,
    )
    assert schedule.alpha_bars[1] == 0.9999
    assert schedule.alpha_bars[2].item() == pytest.approx(0.999780092, abs=5e-10)
    assert schedule.at(1).alpha_bar_prev == 1.0


def test_the_small_end_of_the_schedule_is_exact():
    """A float32 table puts sqrt(1 - alpha_bar_1) at 0.01000083 instead of 0.01."""
    c = linear_schedule().at(1)
    assert math.sqrt(1 - c.alpha_bar) == pytest.approx(0.01, rel=1e-11)
    assert linear_schedule().betas.dtype == torch.float64
    like = torch.zeros(1, 1, 2, 2)
    batch = linear_schedule().at(torch.tensor([1]), like=like)
    assert (1 - batch.alpha_bar).sqrt().item() == pytest.approx(0.01, rel=1e-11)


@pytest.mark.parametrize("T", [50, 200, 1000, 4000])
def test_only_the_last_beta_of_the_cosine_schedule_is_clipped(T):
    """Unclipped, the last beta is 1 and 1 / sqrt(alpha_T) infinite. lucidrains' clip drifted from
    0.999 to 0.9999 and to 1 within a year, and was turned back.
    """
    betas = cosine_schedule(T).betas
    assert betas[T] == 0.999
    assert (betas[1:T] < 0.999).all()
    assert (betas[1:].diff() > 0).all()
    assert 1 / math.sqrt(cosine_schedule(T).at(T).alpha) == pytest.approx(31.6, abs=0.03)


@pytest.mark.parametrize(
    ("T", "alpha_bar_T"), [(50, 0.60), (100, 0.36), (200, 0.13), (300, 0.048), (500, 0.0064)]
)
def test_the_betas_of_1000_steps_with_few_steps_give_a_warning(T, alpha_bar_T):
    """The "deadly bug" of many forks: 1e-4 ... 0.02 kept at T = 50, so that x_T is no noise."""
    with pytest.warns(NoiseLeftWarning, match=r"alpha_bar_T is") as caught:
        schedule = linear_schedule(T)
    assert schedule.alpha_bars[-1].item() == pytest.approx(alpha_bar_T, rel=0.02)
    assert f"{schedule.alpha_bars[-1].item():.3g}" in str(caught[0].message)
    assert f"T = {T}" in str(caught[0].message)
    assert caught[0].filename == __file__  # it points at the caller's line


@pytest.mark.parametrize("make", [linear_schedule, cosine_schedule])
def test_the_schedules_of_the_papers_give_no_warning(make):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make()


def test_the_rule_of_1000_over_T_breaks_for_few_steps_and_is_refused():
    """guided-diffusion scales the betas by 1000 / T: beta_T is 1 at T = 20, and 2 at T = 10."""
    for T in (20, 10):
        with pytest.raises(ValueError, match=r"beta_T is \d"):
            linear_schedule(T, 1e-4 * 1000 / T, 0.02 * 1000 / T)
    with pytest.raises(ValueError, match=r"betas\[2\] is 1,"):
        NoiseSchedule([0.0, 0.5, 1.0])


def test_a_schedule_that_leaves_nothing_of_the_image_is_refused():
    """Zero terminal SNR with a noise prediction divides by sqrt(alpha_bar_T) = 0: black images,
    which clipping hides.
    """
    with pytest.raises(ValueError, match="alpha_bar_T = 0"):
        NoiseSchedule([0.0] + [0.999] * 200)


@pytest.mark.parametrize("beta", [1e-17, -0.1, 0.0, math.nan, math.inf, 1.5])
def test_a_beta_outside_its_range_is_refused_by_name(beta):
    """Below 1e-16, 1 - beta is 1 in float64, and Eq. (7) would divide by 1 - alpha_bar_1 = 0."""
    with pytest.raises(ValueError, match=r"betas\[2\] is"):
        NoiseSchedule([0.0, 0.1, beta, 0.2])


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("T", [1, 2, 10, 1000])
def test_every_schedule_gives_finite_numbers_at_every_t(name, T):
    schedule = SCHEDULES[name](T)
    assert schedule.T == T
    for t in range(1, T + 1):
        c = schedule.at(t)
        values = [
            *c,
            predict_x0(1.0, c, -1.0),
            predict_eps(1.0, c, -1.0),
            *q_posterior(1.0, -1.0, c),
        ]
        assert all(math.isfinite(value) for value in values), t
        assert 0 < c.alpha_bar < c.alpha_bar_prev <= 1
        assert 0 < c.beta < 1


def test_a_batch_of_t_gets_the_coefficients_of_each_t():
    schedule = linear_schedule()
    t = torch.tensor([1000, 1, 500, 1, 2])
    for like, shape in (
        (None, (5,)),
        (torch.zeros(5, 3, 4, 4), (5, 1, 1, 1)),
        (torch.zeros(5), (5,)),
    ):
        batch = schedule.at(t, like=like)
        for i, each in enumerate(t.tolist()):
            assert Coefficients(*(row[i].item() for row in batch)) == schedule.at(each)
        assert all(row.shape == shape and row.dtype == torch.float64 for row in batch)


def test_t_may_be_any_whole_number_type():
    schedule = linear_schedule()
    assert schedule.at(np.int32(3)) == schedule.at(torch.tensor(3)) == schedule.at(3)
    assert all(isinstance(value, float) for value in schedule.at(3))


@pytest.mark.parametrize("t", [0, 1001, -1])
def test_t_beyond_either_end_is_refused(t):
    """Adapters that rounded to t = T, or added a steps_offset, read beyond the table, rarely."""
    schedule = linear_schedule()
    with pytest.raises(ValueError, match=rf"t is {t}, expected a whole number in 1\.\.1000"):
        schedule.at(t)
    with pytest.raises(ValueError, match=rf"t contains {t}, expected whole numbers in 1\.\.1000"):
        schedule.at(torch.tensor([5, t]))
    assert schedule.at(1).alpha_bar_prev == 1
    assert schedule.at(1000).alpha_bar == schedule.alpha_bars[-1].item()


def test_a_jump_is_made_of_its_single_steps():
    schedule = linear_schedule(10, 0.05, 0.5)
    betas = oracles.linear_betas(10, 0.05, 0.5)
    for t in range(1, 11):
        for s in range(t):
            c = schedule.between(s, t)
            alpha = math.prod(1 - beta for beta in betas[s + 1 : t + 1])
            assert c.alpha == pytest.approx(alpha, rel=1e-14)
            assert c.beta == pytest.approx(1 - alpha, rel=1e-13)
            assert c.alpha_bar == pytest.approx(math.prod(1 - betas[: t + 1]), rel=1e-14)
            assert c.alpha_bar_prev == pytest.approx(math.prod(1 - betas[: s + 1]), rel=1e-14)
        assert schedule.between(t - 1, t) == schedule.at(t)


@pytest.mark.parametrize(("s", "t", "name"), [(3, 3, "s"), (4, 3, "s"), (-1, 3, "s"), (0, 11, "t")])
def test_a_jump_that_does_not_go_back_is_refused(s, t, name):
    with pytest.raises(ValueError, match=rf"^{name} is"):
        linear_schedule(10, 0.05, 0.5).between(s, t)


def test_a_schedule_is_frozen_and_owns_its_betas():
    betas = torch.tensor([0.0, 0.5, 0.999], dtype=torch.float64)
    schedule = NoiseSchedule(betas)
    betas[1] = 0.1
    assert schedule.betas[1] == 0.5
    with pytest.raises(dataclasses.FrozenInstanceError):
        schedule.betas = betas


def test_python_numbers_keep_their_digits():
    assert NoiseSchedule([0, 0.1, 0.9999]).at(1).beta == 0.1


def test_schedules_compare_by_their_betas():
    assert linear_schedule() == linear_schedule()
    assert hash(linear_schedule()) == hash(linear_schedule())
    assert linear_schedule() != cosine_schedule()
    assert linear_schedule() != "linear"
    assert repr(linear_schedule()) == (
        "NoiseSchedule(T=1000, beta_1=0.0001, beta_T=0.02, alpha_bar_T=4.04e-05)"
    )


def test_the_options_of_the_schedules():
    assert linear_schedule(3, 0.1, 0.5).betas.tolist() == pytest.approx(
        [0, 0.1, 0.3, 0.5], rel=1e-15
    )
    assert cosine_schedule(10, beta_max=0.5).betas.max() == 0.5
    first = [cosine_schedule(10, s=s).betas[1].item() for s in (0.0, 0.008, 0.1)]
    assert first == sorted(first)  # the offset keeps beta_1 from vanishing


def test_a_t_elsewhere_is_answered_there_and_not_looked_at():
    """Elsewhere is a GPU: the same numbers, without a look at the entries, which would wait."""

    class There(torch.Tensor):
        is_cpu = False

    t, x = torch.tensor([1, 2, 19, 20]), torch.zeros(4, 1, 2, 2)
    schedule = linear_schedule(T=20, beta_1=0.01, beta_T=0.5)
    for like in (x, None):
        found = schedule.at(t.as_subclass(There), like=like)
        for ours, theirs in zip(found, schedule.at(t, like=like), strict=True):
            oracles.agree(torch.Tensor(ours), theirs, rtol=1e-15)
    found = schedule.at(t.to("meta"), like=x.to("meta"))
    assert {(c.device.type, tuple(c.shape)) for c in found} == {("meta", (4, 1, 1, 1))}
