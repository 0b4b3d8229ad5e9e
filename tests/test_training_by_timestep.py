"""The loss at each timestep, against a network whose error is known, and the mean over all t."""

import math

import oracles
import pytest
import torch
from oracles import images, seeded

from ddpm_lessons import Mixture, linear_schedule, simple_loss
from ddpm_lessons.training import loss_by_timestep, pretrained_log, read_log

pytestmark = pytest.mark.filterwarnings("ignore::ddpm_lessons.NoiseLeftWarning")
SHORT = (4, 0.2, 0.9)


def test_each_entry_is_the_error_of_its_own_timestep_and_image():
    """By hand: x_t is built from the same draws, and the guess is w_t x_t."""
    schedule, x_0, seen = linear_schedule(*SHORT), images(3, 1, 2, 2), []

    def network(x_t, t):
        seen.append(t.tolist())
        return 0.1 * t.double().view(-1, 1, 1, 1) * x_t

    loss = loss_by_timestep(network, schedule, x_0, timesteps=[4, 1, 3], generator=seeded(2))
    draws, alpha_bars = seeded(2), oracles.alpha_bars_of(oracles.linear_betas(*SHORT))
    assert seen == [[4] * 3, [1] * 3, [3] * 3]
    for row, t in zip(loss, (4, 1, 3), strict=True):
        eps = torch.randn(x_0.shape, generator=draws, dtype=torch.float64)
        x_t = math.sqrt(alpha_bars[t]) * x_0 + math.sqrt(1 - alpha_bars[t]) * eps
        wanted = [((0.1 * t * x - e) ** 2).mean().item() for x, e in zip(x_t, eps, strict=True)]
        oracles.agree(row, wanted, rtol=1e-12)


def test_the_best_network_for_gaussian_data_leaves_the_known_floor():
    """For data N(0, v): Var[eps | x_t] = alpha_bar v / (alpha_bar v + 1 - alpha_bar)."""
    schedule, var = linear_schedule(*SHORT), 0.04
    x_0 = var**0.5 * images(20_000, 1, seed=3)
    network = Mixture.gaussian(torch.zeros(1), var=var).eps_model(schedule)
    loss = loss_by_timestep(network, schedule, x_0, timesteps=range(1, 5), generator=seeded(4))
    for t, row in enumerate(loss, start=1):
        kept = oracles.alpha_bars_of(oracles.linear_betas(*SHORT))[t]
        floor = kept * var / (kept * var + 1 - kept)
        assert row.mean().item() == pytest.approx(floor, rel=0.05), t  # error of the mean: 1 %


def test_its_mean_over_all_t_is_the_training_loss():
    schedule, x_0 = linear_schedule(*SHORT), images(20_000, 1, seed=5)

    def network(x_t, t):
        return 0.2 * t.view(-1, 1) * x_t

    each = loss_by_timestep(network, schedule, x_0, timesteps=range(1, 5), generator=seeded(6))
    whole = simple_loss(network, schedule, x_0, generator=seeded(7))
    assert each.mean().item() == pytest.approx(whole.item(), rel=0.03)


def test_the_network_is_left_as_it_was_and_asked_in_eval_mode():
    class Spy(torch.nn.Module):
        def forward(self, x_t, t):
            assert not self.training
            assert not torch.is_grad_enabled()
            return torch.zeros_like(x_t)

    spy, x_0 = Spy().train(), images(2, 1, 2, 2, dtype=torch.float32)
    loss = loss_by_timestep(spy, linear_schedule(), x_0, timesteps=[1], generator=seeded())
    assert spy.training
    assert (loss.dtype, tuple(loss.shape)) == (torch.float64, (1, 2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"timesteps": []}, "timesteps is empty"),
        ({"timesteps": [0]}, r"timesteps is 0, expected a whole number in 1\.\.4"),
        ({"timesteps": [5]}, "timesteps is 5"),
        ({"timesteps": [2.0]}, r"timesteps is 2\.0"),
        ({"x_0": torch.zeros(2, 3, dtype=torch.int64)}, "x_0 has dtype torch.int64"),
        ({"generator": 0}, "generator is 0"),
    ],
)
def test_bad_input_is_refused(change, message):
    arguments = {"x_0": images(2, 3), "timesteps": [1], "generator": None, **change}
    with pytest.raises(ValueError, match=message):
        loss_by_timestep(
            lambda x_t, t: x_t, linear_schedule(*SHORT), arguments.pop("x_0"), **arguments
        )


# --- the log that lies beside the weights ---


def test_the_log_is_that_of_the_weights_beside_it():
    from importlib.resources import files

    from ddpm_lessons.models.storage import read_header

    log = pretrained_log("mnist")
    weights = files("ddpm_lessons.models").joinpath("weights", "mnist.safetensors")
    about = read_header(str(weights))["about"]
    assert {"step", "epoch", "seconds", "loss"} <= log.keys()
    assert about["steps"] - 50 < log["step"][-1] <= about["steps"]
    assert abs(log["seconds"][-1].item() - about["seconds"]) < 0.02 * about["seconds"]
    for name in ("step", "epoch", "seconds"):
        assert (log[name].diff() > 0).all(), name
    assert log["loss"][0] > 0.2
    assert 0 < log["loss"][-1] < 0.05


def test_a_log_is_read_as_numbers_and_other_files_are_refused(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("step,loss\n50,0.5\n100,0.25\n", encoding="utf-8")
    log = read_log(path)
    assert {name: column.tolist() for name, column in log.items()} == {
        "step": [50.0, 100.0],
        "loss": [0.5, 0.25],
    }
    for words in ("", "step,loss\n", "step,loss\n50,much\n", "step,loss\n50\n"):
        path.write_text(words, encoding="utf-8")
        with pytest.raises(ValueError, match="expected a training's log"):
            read_log(path)
    with pytest.raises(ValueError, match="expected a training's log"):
        read_log(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="name is 'cat', expected one of"):
        pretrained_log("cat")
