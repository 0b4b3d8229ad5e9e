"""What an answer is compared with, and what its form alone says about it."""

import math
from copy import copy
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

ARRAYS = (Tensor, np.ndarray)
REVERSED = (type(reversed(range(0))), type(reversed([])))  # they can be read once: read a copy


def close(answer: object, expected: object, tolerance: float) -> bool:
    """Whether an answer has the form of what is expected, and all its numbers within `tolerance`.

    Numbers may come as floats, fractions, tensors of any dtype, NumPy arrays, or lists and tuples
    of them: a list of rows is as good as a tensor, a tensor of two numbers as good as a pair. The
    distance is relative to 1 + the size of what is expected, and nan is close to nan.
    """
    if isinstance(expected, str):
        return isinstance(answer, str) and answer == expected
    try:
        theirs, ours = _both(answer, expected)
    except (TypeError, ValueError, RuntimeError):
        return False
    return len(ours) == len(theirs) and all(
        a.shape == b.shape and torch.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)
        for a, b in zip(theirs, ours, strict=True)
    )


def alike(one: object, two: object) -> bool:
    """Whether two values are equal, number by number; what has no numbers is not compared."""
    try:
        ours, theirs = _parts(one), _parts(two)
    except (TypeError, ValueError, RuntimeError):
        return True
    return len(ours) == len(theirs) and all(
        a.shape == b.shape and torch.allclose(a, b, rtol=0, atol=0, equal_nan=True)
        for a, b in zip(ours, theirs, strict=True)
    )


def mismatch(answer: object, expected: object) -> str:
    """What is wrong with an answer where its `brief` does not tell; "" if that does.

    Its form, whatever its numbers, or a number far behind the first one.
    """
    if (words := wrong_form(answer, expected)) or isinstance(expected, str):
        return words
    theirs, ours = _both(answer, expected)
    shown = list if len(ours) > 4 else tuple
    return _later(theirs, ours) if brief(shown(theirs)) == brief(shown(ours)) else ""


def wrong_form(answer: object, expected: object) -> str:
    """What is wrong with an answer whatever its numbers: their count, the shape, nan; or ""."""
    if isinstance(expected, str):
        return "" if isinstance(answer, str) else _asked(answer, expected)
    given, wanted = _length(answer), _length(expected)
    if given is not None and wanted is not None and given != wanted:
        return f"Your answer has {_count(given)}; asked {_are(wanted)}."
    try:
        theirs, ours = _both(answer, expected)
    except (TypeError, ValueError, RuntimeError):
        return _asked(answer, expected)
    if len(ours) != len(theirs):
        return f"Your answer has {_count(len(theirs))}; asked {_are(len(ours))}."
    for a, b in zip(theirs, ours, strict=True):
        if a.shape != b.shape:
            return f"Your answer has the shape {tuple(a.shape)}; expected {tuple(b.shape)}."
        if b.isfinite().all() and not a.isfinite().all():
            kind = "nan" if a.isnan().any() else "inf"
            return f"There is {kind} in your answer: a division by 0, or the root of something < 0?"
    return ""


def in_numbers(answer: object, expected: object) -> Tensor | tuple[Tensor, ...]:
    """The numbers of an answer that has the form expected, in float64.

    One tensor, a list of equal parts stacked, or a tuple of parts that have different shapes.
    """
    parts, _ = _both(answer, expected)
    return torch.stack(parts).squeeze(0) if len({p.shape for p in parts}) == 1 else tuple(parts)


def direction(answer: object, expected: object) -> str:
    """What is wrong with a value, without telling the right one."""
    given = f"Your answer is {brief(answer)}"
    if wrong := wrong_form(answer, expected):
        return wrong
    if isinstance(expected, str):
        return f"{given}; that is not it."
    theirs, ours = _both(answer, expected)
    if len(ours) > 1 and close(theirs[0], ours[0], 1e-6):
        return _later(theirs, ours).partition(";")[0] + "; that is not it."
    if len(ours) > 1 or theirs[0].numel() != 1 or not theirs[0].isfinite():
        return f"{given}; that is not it."
    return f"{given}; that is too {'large' if theirs[0].item() > ours[0].item() else 'small'}."


def brief(value: object) -> str:
    """A value in a few characters: numbers in full, tensors by shape and first entry."""
    if isinstance(value, ARRAYS) and math.prod(value.shape) > 1:
        kind = "a tensor" if isinstance(value, Tensor) else "an array"
        if value.ndim == 1 and len(value) <= 4:
            return f"{kind} [{', '.join(map(brief, value.tolist()))}]"
        return f"{kind} {tuple(value.shape)} that starts with {brief(value.reshape(-1)[0].item())}"
    if isinstance(value, (*ARRAYS, np.generic)) and math.prod(value.shape) == 1:
        value = value.item()
    value = list(copy(value)) if type(value) in REVERSED else value
    if isinstance(value, list) and len(value) > 4:
        return f"a list of {len(value)} that starts with {brief(value[0])}"
    if hasattr(value, "_fields"):
        fields = (f"{k}={brief(v)}" for k, v in zip(value._fields, value, strict=True))
        return f"{type(value).__name__}({', '.join(fields)})"
    if isinstance(value, tuple):
        return f"({', '.join(map(brief, value))})"
    if callable(value):
        return f"the function {getattr(value, '__name__', 'of this case')}"
    words = f"{value:.4g}" if isinstance(value, float) and math.isfinite(value) else repr(value)
    return words if len(words) <= 80 else words[:77] + "..."


def _both(answer: object, expected: object) -> tuple[list[Tensor], list[Tensor]]:
    """The numbers of an answer and of what is expected; the answer in the same wrapping, if it has
    another one only: a list for a tensor, an array for a pair, one number in a tensor (1,).
    """
    if isinstance(expected, (tuple, list, range)):
        answer = list(copy(answer)) if _is_listlike(answer, len(expected)) else answer
        if isinstance(answer, (tuple, list, range)) and len(answer) == len(expected):
            pairs = [_both(a, e) for a, e in zip(answer, expected, strict=True)]
            return [a for pair in pairs for a in pair[0]], [e for pair in pairs for e in pair[1]]
    elif isinstance(expected, Tensor) and expected.ndim > 0 and isinstance(answer, (tuple, list)):
        stacked = _stacked(answer)
        answer = stacked if isinstance(answer, list) or stacked.ndim == expected.ndim else answer
    theirs, ours = _parts(answer), _parts(expected)
    if len(theirs) == len(ours) == 1 and ours[0].ndim == 0 and theirs[0].numel() == 1:
        theirs = [theirs[0].reshape(())]
    return theirs, ours


def _is_listlike(value: object, n: int) -> bool:
    """Whether a value stands for a list: something turned round, an array of numbers or n rows."""
    if isinstance(value, ARRAYS):
        return value.ndim == 1 or (value.ndim > 1 and len(value) == n)
    return type(value) in REVERSED


def _stacked(rows: list | tuple) -> Tensor:
    """Numbers, tensors, arrays, or lists of them as one tensor."""
    parts = [_stacked(row) if isinstance(row, (list, tuple)) else _parts(row)[0] for row in rows]
    return torch.stack(parts) if parts else torch.zeros(0)


def _parts(value: object) -> list[Tensor]:
    """A number, a tensor, or a tuple, list or range of them, as float64 tensors."""
    value = list(copy(value)) if type(value) in REVERSED else value
    if isinstance(value, (tuple, list, range)):
        return [part for item in value for part in _parts(item)]
    if isinstance(value, np.ndarray):
        value = value.copy()  # torch does not take one that is turned round, a[::-1]
    part = torch.as_tensor(float(value) if isinstance(value, Fraction) else value).detach()
    if part.is_complex():  # as Python's root of a number below 0
        part = part.real.where(part.imag == 0, math.nan)
    return [part.to("cpu", torch.float64)]


def _later(theirs: list[Tensor], ours: list[Tensor]) -> str:
    """Where an answer that begins as it should is furthest from what is expected.

    The parts have the same shapes, and at least one number differs.
    """
    far = [((a - b).abs() / (1 + b.abs())).nan_to_num(0) for a, b in zip(theirs, ours, strict=True)]
    part = max((i for i in range(len(far)) if far[i].numel()), key=lambda i: far[i].max())
    index = [int(i) for i in np.unravel_index(int(far[part].argmax()), far[part].shape)]
    place = f"[{part}]" * (len(far) > 1) + f"{index}" * bool(index)
    a, b = (f"{side[part][tuple(index)].item():.6g}" for side in (theirs, ours))
    begins = f"Your answer begins as it should, but answer{place}" if place else "Your answer"
    return f"{begins} is {a}; expected {b}."


def _asked(answer: object, expected: object) -> str:
    """What kind of answer is asked for, without telling it."""
    count = _length(expected)
    if isinstance(expected, str):
        kind = 'is a text, in quotation marks: "..."'
    elif isinstance(expected, bool):
        kind = "is True or False"
    elif isinstance(expected, ARRAYS) and math.prod(expected.shape) != 1:
        kind = f"is a tensor of the shape {tuple(expected.shape)}"
    else:
        kind = "is a number" if count is None else f"are {_count(count)}"
    return f"Your answer is {brief(answer)}; asked {kind}."


def _length(value: object) -> int | None:
    """How many there are in a list, tuple or range; None for anything else."""
    return len(value) if isinstance(value, (list, tuple, range)) else None


def _count(n: int) -> str:
    return f"{n} values" if n != 1 else "one value"


def _are(n: int) -> str:
    return f"are {n}" if n != 1 else "is one"
