"""The two chains under a slider: a digit that dissolves, and noise that becomes one."""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from ddpm_lessons.door import check_images, check_index, randn_like
from ddpm_lessons.forward import q_sample
from ddpm_lessons.samplers import Step
from ddpm_lessons.schedule import NoiseSchedule
from ddpm_lessons.show.pictures import describe
from ddpm_lessons.show.player import Player, player


def forward_player(
    x_0: Tensor,
    schedule: NoiseSchedule,
    timesteps: Sequence[int] | None = None,
    *,
    generator: torch.Generator | None = None,
    start: int = 0,
    width: int = 280,
) -> Player:
    """x_t for t = 0 ... T by Eq. (4), all with one draw of eps: only the mixture changes with t.

    x_0: (B, C, H, W) in [-1, 1], or one image (C, H, W); several are shown as one grid. timesteps:
    the t to show, in 0..T, as `spread` chooses them if not given. start, width: as for `player`.
    Raises ValueError.
    """
    x_0 = x_0[None] if isinstance(x_0, Tensor) and x_0.ndim == 3 else x_0
    timesteps = spread(schedule.T) if timesteps is None else timesteps
    x_ts = forward_states(x_0, schedule, timesteps, generator=generator)
    alts = [describe(schedule, t) for t in timesteps]
    return player([grid(x_t) for x_t in x_ts], alts, values=timesteps, start=start, width=width)


def forward_states(
    x_0: Tensor,
    schedule: NoiseSchedule,
    timesteps: Sequence[int],
    *,
    generator: torch.Generator | None = None,
) -> list[Tensor]:
    """x_t for each of `timesteps` (0 gives x_0 itself), all with one eps. Raises ValueError."""
    check_images("x_0", x_0)
    timesteps = [check_index("timesteps", t, 0, schedule.T) for t in timesteps]
    eps = randn_like(x_0, generator)
    return [q_sample(x_0, schedule.at(t), eps) if t else x_0 for t in timesteps]


def chain_player(
    steps: Iterable[Step],
    schedule: NoiseSchedule | None = None,
    *,
    frames: int = 101,
    show_x0_hat: bool = True,
    start: int = 0,
    width: int = 280,
) -> Player:
    """A sampler's chain from t = T to 0: x_t, and beside it x0_hat, the network's guess at x_0.

    steps: what a sampler yields, or a list of it. With `schedule` the text under the picture names
    signal and noise. frames: at most so many states are shown, evenly chosen, the first and the
    last included. show_x0_hat: False shows x_t alone. start, width: as for `player`. Raises
    ValueError.
    """
    steps = list(steps)
    if not steps:
        raise ValueError("steps is empty, expected the states of a chain")
    shown = [steps[i] for i in spread(len(steps) - 1, check_index("frames", frames, 2, 10_000))]
    panels = {"x_t": [grid(step.x) for step in shown]}
    if show_x0_hat:
        panels["x\u0302_0"] = [grid(step.x0_hat) for step in shown]
    ts = [step.t for step in shown]
    alts = [f"t = {t}" if schedule is None else describe(schedule, t) for t in ts]
    return player(panels, alts, values=ts, start=start, width=width)


def spread(last: int, n: int = 101) -> list[int]:
    """At most n whole numbers that rise evenly from 0 to `last`, both included."""
    n = min(n, last + 1)
    return [0] if n == 1 else [(i * last + (n - 1) // 2) // (n - 1) for i in range(n)]


def grid(x: Tensor) -> Tensor:
    """A batch (B, C, H, W) in [-1, 1] as one nearly square image, with grey lines between.

    One image stays as it is. Tiles as torchvision's make_grid does, whose import takes seconds.
    """
    if len(x) == 1:
        return x[0]
    B, C, H, W = x.shape
    columns = math.isqrt(B - 1) + 1
    rows = -(-B // columns)
    tiles = x.new_zeros(rows * columns, C, H + 1, W + 1)  # each with a line above and to the left
    tiles[:B, :, 1:, 1:] = x.clamp(-1, 1)
    tiles = tiles.view(rows, columns, C, H + 1, W + 1).permute(2, 0, 3, 1, 4)
    return pad(tiles.reshape(C, rows * (H + 1), columns * (W + 1)), (0, 1, 0, 1))
