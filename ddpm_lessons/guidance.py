"""Guidance: how a chain is led to what somebody asks for.

Each function makes one noise prediction of another and is given to any sampler in its place.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ddpm_lessons.door import EpsModel, check_answer, check_index, check_loop, check_number, send
from ddpm_lessons.schedule import NoiseSchedule
from ddpm_lessons.score import eps_from_score

NO_LABEL = -1
LogProbs = Callable[[Tensor, Tensor], Tensor]  # (x_t, t) -> log p(label | x_t), (B, K)


class Made(nn.Module):
    """A noise prediction that is made from networks: a sampler puts them into eval mode with it."""

    def __init__(self, answer: EpsModel, *networks: object) -> None:
        super().__init__()
        self.answer = answer
        self.networks = nn.ModuleList(x for x in networks if isinstance(x, nn.Module))

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        """x_t (B, ...), t (B,) int64. Returns the predicted noise, like x_t."""
        return self.answer(x_t, t)


def guided(eps_model: Callable[..., Tensor], labels: int | Tensor, weight: float) -> Made:
    """Classifier-free guidance (Ho & Salimans 2022): eps(none) + weight (eps(label) - eps(none)).

    weight: 0 asks for no label, 1 for the label as it was learnt, more insists on it; the paper
        counts from there, w = weight - 1. In terms of densities p(x_t | label)^weight p(x_t)^(1 -
        weight), at each t; but a chain that follows these does not end at that of t = 0.
    eps_model: takes `labels`, (B,) int64, as a UNet with `num_classes` does: -1 for none.
    labels: one for all images, or (B,) of them; an image with -1 is not guided.
    One call a step, on a batch twice as large; weight 0 and 1 need but one half. Raises ValueError
    where labels or weight are no such thing, or do not fit x_t.
    """
    if not callable(eps_model):
        raise ValueError(f"eps_model is {eps_model!r}, expected a network that takes labels")
    check_number("weight", weight, "[0, inf)")
    if not isinstance(labels, Tensor):
        check_index("labels", labels, NO_LABEL, 10**9)

    def answer(x_t: Tensor, t: Tensor) -> Tensor:
        asked = rows_of(labels, x_t)
        nothing = torch.full_like(asked, NO_LABEL)
        if weight in (0, 1):
            return eps_model(x_t, t, labels=asked if weight else nothing)
        twice = torch.cat([x_t, x_t])
        both = eps_model(twice, torch.cat([t, t]), labels=torch.cat([asked, nothing]))
        check_answer(both, twice)
        told, free = both.chunk(2)
        return free + weight * (told - free)

    return Made(answer, eps_model)


def classifier_guided(
    eps_model: EpsModel,
    schedule: NoiseSchedule,
    log_probs: LogProbs,
    *,
    labels: int | Tensor,
    weight: float = 1.0,
) -> Made:
    """Classifier guidance: eps - weight sqrt(1 - alpha_bar_t) grad log p(label | x_t).

    Dhariwal & Nichol (2021), Algorithm 2. For weight 1 Bayes' rule makes it the prediction of one
    that was taught labels. log_probs: a classifier of noisy images, (x_t, t) -> (B, K), that must
    know every t of the chain, and whose entry for an image depends on that image alone. eps_model
    is asked without gradients. Raises ValueError where an argument is no such thing, or its answer
    does not fit x_t.
    """
    check_loop(eps_model, schedule, None)
    if not callable(log_probs):
        raise ValueError(f"log_probs is {log_probs!r}, expected a callable (x_t, t) -> (B, K)")
    check_number("weight", weight, "[0, inf)")
    if not isinstance(labels, Tensor):
        check_index("labels", labels, 0, 10**9)

    def answer(x_t: Tensor, t: Tensor) -> Tensor:
        slope = slope_of(log_probs, x_t, t, labels=labels)
        eps = eps_model(x_t, t)
        check_answer(eps, x_t)
        return eps + weight * eps_from_score(slope, schedule.at(t, like=x_t))

    return Made(answer, eps_model, log_probs)


def slope_of(log_probs: LogProbs, x_t: Tensor, t: Tensor, *, labels: int | Tensor) -> Tensor:
    """The gradient of log p(label | x_t) by x_t, like x_t."""
    with torch.enable_grad():
        x = x_t.detach().requires_grad_()
        rows = log_probs(x, t)
        check_rows(rows, len(x))
        check_labels(labels, rows.shape[1])
        chosen = rows.gather(1, rows_of(labels, x)[:, None]).sum()
        return torch.autograd.grad(chosen, x)[0]


def check_labels(labels: int | Tensor, count: int) -> None:
    """Raise ValueError unless they are in 0..count - 1; a look at those on a GPU would wait."""
    labels = torch.as_tensor(labels)
    if labels.is_cpu and (labels.min() < 0 or labels.max() >= count):
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise ValueError(f"labels contains {wrong}, expected 0..{count - 1}")


def check_rows(rows: object, n: int) -> None:
    """Raise ValueError unless these are log-probabilities (n, K) with a gradient."""
    if not isinstance(rows, Tensor) or rows.ndim != 2 or len(rows) != n or not rows.requires_grad:
        found = f"shape {tuple(rows.shape)}" if isinstance(rows, Tensor) else repr(rows)
        expected = f"({n}, K), with a gradient by x_t"
        raise ValueError(f"log_probs(x_t, t) has {found}, expected {expected}")


def rows_of(labels: int | Tensor, x_t: Tensor) -> Tensor:
    """(B,) int64 labels on the device of x_t. Raises ValueError where they do not fit it."""
    if not isinstance(labels, Tensor):
        return torch.full((len(x_t),), labels, device=x_t.device)
    if labels.dtype != torch.int64 or labels.shape != x_t.shape[:1]:
        found = f"{labels.dtype} {tuple(labels.shape)}"
        raise ValueError(f"labels is {found}, expected torch.int64 ({len(x_t)},): one per image")
    return send(labels, x_t.device)
