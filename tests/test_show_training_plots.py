"""Lesson 05's figures show the numbers that they are given, and the right share of each range."""

import pytest
import torch
from matplotlib.figure import Figure

from ddpm_lessons.show import training_plots

LOSSES = torch.linspace(1, 0.05, 60)


def curves(axes) -> dict[str, torch.Tensor]:
    return {line.get_label(): torch.as_tensor(line.get_xydata()) for line in axes.get_lines()}


def strips(*steps: int) -> dict[int, torch.Tensor]:
    return {step: torch.full((3, 1, 4, 4), step / 100 - 0.5) for step in steps}


def levels(axes) -> set[int]:
    return set(axes.get_images()[0].get_array().flatten().tolist())


def test_learning_shows_each_loss_at_its_step_and_the_first_and_last_samples():
    """The training shown began after step 40."""
    figure = training_plots.learning(LOSSES, strips(40, 50, 60, 80, 100), window=5, rows=3)
    assert isinstance(figure, Figure)
    first, *pictures = figure.get_axes()
    shown = curves(first)
    torch.testing.assert_close(shown["one batch"][:, 0], torch.arange(41.0, 101).double())
    torch.testing.assert_close(shown["one batch"][:, 1], LOSSES.double())
    mean = shown["mean of 5"]
    assert mean[0, 0] == 45
    assert mean[0, 1].item() == pytest.approx(LOSSES[:5].mean().item())
    assert mean[-1, 1].item() == pytest.approx(LOSSES[-5:].mean().item())
    assert len(pictures) == 9
    assert [axes.get_ylabel() for axes in pictures[::3]] == ["step 40", "step 60", "step 100"]
    greys = [round((value + 1) * 127.5) for value in (-0.1, 0.1, 0.5)]
    assert [levels(axes) for axes in pictures[::3]] == [{grey} for grey in greys]


def test_shares_of_a_constant_loss_are_the_shares_of_the_timesteps():
    found = training_plots.shares([1, 30, 1000], torch.full((3,), 2.0))
    assert found == pytest.approx([0.02, 0.18, 0.4, 1.4])


def test_shares_of_a_line_over_log_t_are_its_sum():
    """5 - 0.5 log t, known at both ends only; the sums of log t are those of the log-factorial."""
    ends = 5 - 0.5 * torch.tensor([1.0, 1000.0], dtype=torch.float64).log()
    found = training_plots.shares([1, 1000], ends)
    factorial = torch.lgamma(torch.tensor([0.0, 10, 100, 300, 1000], dtype=torch.float64) + 1)
    counts = torch.tensor([10.0, 90, 200, 700], dtype=torch.float64)
    wanted = (5 * counts - 0.5 * factorial.diff()) / 1000
    assert found == pytest.approx(wanted.tolist(), rel=1e-9)


@pytest.mark.parametrize("timesteps", [[2, 1000], [1, 999], [1, 50, 50, 1000], [1000, 1]])
def test_shares_ask_for_the_whole_of_the_axis(timesteps):
    with pytest.raises(ValueError, match="expected to rise from 1 to 1000"):
        training_plots.shares(timesteps, torch.ones(len(timesteps)))


def test_over_time_draws_the_curves_and_stacks_the_shares():
    t = [1, 100, 1000]
    named = {"one": (t, torch.ones(3)), "half": (t, torch.full((3,), 0.5))}
    left, right = training_plots.over_time(named, bars=["half"]).get_axes()
    assert set(curves(left)) == {"one", "half"}
    assert curves(left)["half"][:, 1].tolist() == [0.5] * 3
    heights = [patch.get_height() for patch in right.patches]
    assert heights == pytest.approx([0.005, 0.045, 0.1, 0.35])
    assert [text.get_text() for text in right.texts] == ["0.5000"]


def test_samples_name_their_rows():
    figure = training_plots.samples(
        {"a": torch.full((2, 1, 4, 4), -1.0), "b": torch.ones(2, 1, 4, 4)}
    )
    axes = figure.get_axes()
    assert [axes[i].get_ylabel() for i in (0, 2)] == ["a", "b"]
    assert [levels(panel) for panel in axes] == [{0}, {0}, {255}, {255}]


def test_plateau_marks_a_tenth_of_the_way_on_both_axes():
    step = torch.arange(50, 5050, 50).double()
    loss = 0.02 + 0.5 / step
    left, right = training_plots.plateau(step, loss).get_axes()
    for axes, scale in ((left, "linear"), (right, "log")):
        curve, mark = (torch.as_tensor(line.get_xydata()) for line in axes.get_lines())
        torch.testing.assert_close(curve[:, 1], loss)
        assert mark[:, 0].tolist() == [500.0, 500.0]
        assert axes.get_yscale() == scale
    low, high = right.get_ylim()
    assert low < loss.min().item()
    assert loss[-1].item() < high < 1


def test_resumed_joins_the_mean_across_the_stop():
    """Were the mean begun anew after the stop, the first steps after it would look smooth."""
    before, after = torch.full((10,), 1.0), torch.full((4,), 3.0)
    axes = training_plots.resumed(before, {"all of it": after}, window=2).get_axes()[0]
    drawn = curves(axes)
    assert drawn["before the stop"][-1].tolist() == [0.0, 1.0]
    assert drawn["all of it"].tolist() == [[1.0, 2.0], [2.0, 3.0], [3.0, 3.0], [4.0, 3.0]]
