"""What the figures are made of: real digits, noise, and the chains that the library computes."""

from functools import cache

import torch
from torch import Tensor

from ddpm_lessons.data import load_mnist
from ddpm_lessons.models.pretrained import Pretrained, load_pretrained
from ddpm_lessons.samplers import Step, ddpm
from ddpm_lessons.schedule import linear_schedule

SCHEDULE = linear_schedule(T=1000, beta_1=1e-4, beta_T=0.02)  # the article's
THREE, FIVE, TWO, EIGHT = 68, 120, 82, 128  # well-written digits of the test split

# Not all that a small network draws is a digit. These are the well-formed ones of a few dozen: of
# `reverse_chain`, and of the noise in the film. Look again when the weights have changed.
CHAIN_SEED, CHAIN_PICKS = 7, (3, 0)
FILM_SEED, FILM_PICKS, FILM_OTHERS = 5, [0, 12, 24], [11, 8, 36]


@cache
def shipped() -> Pretrained:
    """The network that comes with the course."""
    return load_pretrained("mnist")


@cache
def digit(index: int) -> Tensor:
    """One digit of MNIST's test split, (1, 28, 28) in [-1, 1]."""
    return load_mnist("test")[index]


def noise(seed: int, count: int = 1) -> Tensor:
    """`count` images of pure noise, (count, 1, 28, 28)."""
    return torch.randn(count, 1, 28, 28, generator=torch.Generator().manual_seed(seed))


@cache
def reverse_chain() -> list[Step]:
    """Algorithm 2 from noise to new digits: the states t = T ... 0, (4, 1, 28, 28) each."""
    generator = torch.Generator().manual_seed(CHAIN_SEED)
    x_T = torch.randn(4, 1, 28, 28, generator=generator)
    return list(ddpm(shipped().eps_model, shipped().schedule, x_T, generator=generator))
