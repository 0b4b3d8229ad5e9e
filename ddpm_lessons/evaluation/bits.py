"""How many bits a pixel costs: the bound of Eq. (5) on many images, with its standard error."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ddpm_lessons.door import EpsModel, check_answer
from ddpm_lessons.loss import Bound, bound
from ddpm_lessons.posterior import VARIANCES
from ddpm_lessons.schedule import NoiseSchedule


class Estimate(NamedTuple):
    """A mean over images, and its standard error."""

    mean: float
    error: float


class BitsPerDim(NamedTuple):
    """The bound averaged over images, in bits per dimension; an estimate of an upper limit."""

    images: int
    prior: Estimate  # L_T
    denoising: Estimate  # L_{T-1} + ... + L_1
    reconstruction: Estimate  # L_0
    total: Estimate
    per_t: tuple[float, ...]  # T + 1 means: entry t is L_{t-1}; entries 0 and 1 are 0


def bounds(
    eps_model: EpsModel,
    schedule: NoiseSchedule,
    x_0: Tensor,
    *,
    clip_x0: float | None = None,
    generator: torch.Generator,
) -> dict[str, Bound]:
    """`loss.bound` of the same images with both variances, {"beta": ..., "posterior": ...}.

    Both are given the same noise, and the network is asked once: its T answers are kept, which
    takes T times the memory of x_0 (3 MB for one digit at T = 1000).
    Raises ValueError as `bound` does, and where generator is None.
    """
    if not isinstance(generator, torch.Generator):
        raise ValueError(
            f"generator is {generator!r}, expected a torch.Generator to draw from twice"
        )
    start, remembered = generator.get_state(), _Remembered(eps_model)
    results = {}
    for variance in VARIANCES:
        generator.set_state(start)
        results[variance] = bound(
            remembered, schedule, x_0, variance=variance, clip_x0=clip_x0, generator=generator
        )
    return results


def bits_per_dim(batches: Sequence[Bound]) -> BitsPerDim:
    """Average the bounds of one or more batches of images, term by term.

    Raises ValueError for no batches, other things than bounds, or fewer than two images.
    """
    batches = [batches] if isinstance(batches, Bound) else batches
    several = isinstance(batches, list | tuple) and len(batches) > 0
    if not several or not all(isinstance(batch, Bound) for batch in batches):
        raise ValueError(f"batches is {batches!r}, expected Bounds, one or more")
    joined = Bound(*(torch.cat(parts, dim=-1) for parts in zip(*batches, strict=True)))
    if len(joined.prior) < 2:
        raise ValueError("batches holds one image, expected two or more for a standard error")
    return BitsPerDim(
        images=len(joined.prior),
        prior=_estimate(joined.prior),
        denoising=_estimate(joined.denoising.sum(dim=0)),
        reconstruction=_estimate(joined.reconstruction),
        total=_estimate(joined.total),
        per_t=tuple(joined.denoising.mean(dim=1).tolist()),
    )


class _Remembered:
    """eps_model, which is asked once for each t; the second time it answers from memory."""

    def __init__(self, eps_model: EpsModel) -> None:
        self.eps_model, self.answers = eps_model, {}

    def __call__(self, x_t: Tensor, t: Tensor) -> Tensor:
        key = int(t[0])
        if key not in self.answers:
            self.answers[key] = self.eps_model(x_t, t)
            check_answer(self.answers[key], x_t)
        return self.answers[key]


def _estimate(values: Tensor) -> Estimate:
    return Estimate(values.mean().item(), (values.std() / len(values) ** 0.5).item())
