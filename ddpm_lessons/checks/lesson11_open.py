"""Lesson 11, latent diffusion: its open exercise, with many right answers."""

from collections.abc import Iterable

import torch
from torch import Tensor

from ddpm_lessons.checks.exercise import Exercise, Mistake

MEAN, STD = -0.2, 0.4  # of the greys, over all pictures
NEAR = (
    0.02  # codes that are nearer than that, where the greys are one STD apart, are as good as one
)
SMALL = 1e-3  # how much brighter a tile is made
LADDER = torch.linspace(-0.9, 0.5, 57, dtype=torch.float64)  # greys that a tile is given in turn

LOST = (
    "Something is lost: there are different pictures with the same code, or very nearly. Change "
    "one tile, all tiles at once, exchange two: the code has to tell."
)
ALONE = (
    "The code of a picture changes with the other pictures of the batch. Nobody could decode it "
    "who has not seen those. Code each picture by itself."
)
CENTRED = (
    "Nothing is lost. But over all pictures one of your 16 numbers does not have the mean 0. "
    "Take off what it has."
)
SIZE = (
    "Nothing is lost, and the means are 0. But one of your 16 numbers does not have the variance "
    "1, so the schedule would find it too loud or too quiet."
)


def _tiled(greys: Tensor) -> Tensor:
    """Pictures (B, 1, 8, 8) with the 16 greys (B, 16) as tiles of 2 x 2 pixels."""
    grid = greys.view(-1, 1, 4, 4)
    return grid.repeat_interleave(2, dim=-1).repeat_interleave(2, dim=-2).float()


def _crowd(generator: torch.Generator) -> Tensor:
    """Greys (256, 16) with exactly the mean and the variance of all, and without correlations."""
    greys = torch.rand(256, 16, generator=generator, dtype=torch.float64)
    greys = greys - greys.mean(dim=0)
    return MEAN + STD * greys @ torch.linalg.inv(torch.linalg.cholesky(greys.T.cov())).T


def _altered(generator: torch.Generator) -> Tensor:
    """The greys (B, 16) of a picture, and of others that differ from it.

    First one tile after another a little brighter, then the picture turned round, with tiles
    exchanged, inverted, or brighter as a whole, then each tile with all greys of the ladder.
    """
    base = 0.4 * torch.rand(16, generator=generator, dtype=torch.float64) - 0.3
    base[[2, 7, 8, 13]] = torch.tensor([-0.9, 0.5, 0.3, -0.6], dtype=torch.float64)
    eye = torch.eye(16, dtype=torch.float64)
    steps = [base + (grey - base) * one for one in eye for grey in LADDER]
    grid, swapped = base.view(4, 4), base.clone()
    swapped[[2, 13]] = base[[13, 2]]
    turned = [grid.flip(0), grid.flip(1), grid.T, grid.roll(1, 0), grid.roll(1, 1)]
    others = [one.reshape(16) for one in turned] + [swapped, -base, base + 0.3]
    return torch.stack([base, *(base + SMALL * eye), *others, *steps])


def _pictures(seed: int = 11) -> Iterable[tuple]:
    """(x,): many pictures; such as hardly differ; two of the many by themselves."""
    generator = torch.Generator().manual_seed(seed)
    many = _tiled(_crowd(generator))
    yield (many,)
    yield (_tiled(_altered(generator)),)
    yield (many[[1, 0]],)


def _tells(codes: Tensor) -> bool:
    """Whether the codes of the altered pictures tell all that differs."""
    slopes = (codes[1:17] - codes[0]) / (SMALL / STD)
    others = (codes[17 : -16 * len(LADDER)] - codes[0]).norm(dim=1) >= NEAR
    ladders = codes[-16 * len(LADDER) :].view(16, len(LADDER), 16)
    gaps = (LADDER[:, None] - LADDER).abs() / STD
    apart = torch.cdist(ladders, ladders) >= NEAR * gaps
    return bool((torch.linalg.svdvals(slopes).min() >= NEAR) & others.all() & apart.all())


def _asked_of_a_code(codes: list[Tensor]) -> dict[str, bool]:
    crowds, altered, alone = codes[0::3], codes[1::3], codes[2::3]
    pairs = list(zip(crowds, alone, strict=True))
    return {
        LOST: all(map(_tells, altered)),
        ALONE: all(torch.allclose(many[[1, 0]], two, atol=1e-3) for many, two in pairs),
        CENTRED: all(bool((many.mean(dim=0).abs() < 0.1).all()) for many in crowds),
        SIZE: all(bool(((many.var(dim=0) - 1).abs() < 0.2).all()) for many in crowds),
    }


def _greys(x: Tensor) -> Tensor:
    return x[:, 0, ::2, ::2].flatten(1)


own_code = Exercise(
    name="11.own_code",
    task="Complete my_code: 16 numbers for each picture, with nothing lost, each of mean 0 and "
    "variance 1. Many answers are right.",
    solution=lambda x: (x[:, 0, ::2, ::2].flatten(1) + 0.2) / 0.4,
    cases=_pictures,
    tolerance=1e-3,
    demands=_asked_of_a_code,
    mistakes=(
        Mistake(
            lambda x: x.flatten(1)[:, :16],
            "Your 16 numbers are the first two rows of pixels: four greys, each of them four "
            "times. Of the lower tiles the code knows nothing.",
        ),
        Mistake(
            lambda x: torch.cat([x.mean(dim=2), x.mean(dim=3)], dim=-1).flatten(1),
            "The means of 8 columns and of 8 rows are 16 numbers, but tiles lie in pairs, so each "
            "comes twice. And exchange two tiles of a diagonal: who would notice?",
        ),
        Mistake(
            _greys,
            "A good code already, with nothing lost. But its numbers have the mean and the size "
            "of the greys, -0.2 and 0.4. Bring them to 0 and 1.",
        ),
        Mistake(
            lambda x: (_greys(x) + 0.2) / 0.16,
            "Your means are right. You divide by the variance; the standard deviation is its root.",
        ),
        Mistake(lambda x: (_greys(x) - _greys(x).roll(1, dims=1)) / 0.4 / 2**0.5, LOST),
        Mistake(lambda x: (_greys(x) - _greys(x).mean(dim=0)) / _greys(x).std(dim=0), ALONE),
        Mistake(lambda x: _greys(x) / 0.4, CENTRED),
        Mistake(lambda x: _greys(x) + 0.2, SIZE),
    ),
)
