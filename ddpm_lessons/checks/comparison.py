"""What an answer is compared with, and what its form alone says about it."""

import math

import torch


def close(answer: object, expected: object, tolerance: float) -> bool:
    """Whether an answer has the form of what is expected, and all its numbers within `tolerance`.

    Numbers may come as floats, tensors of any dtype, NumPy arrays, or lists and tuples of them; the
    distance is relative to 1 + the size of what is expected, and nan is close to nan.
    """
    if isinstance(expected, (str, bool)):
        return answer == expected
    try:
        ours, theirs = _parts(expected), _parts(_as_expected(answer, expected))
    except (TypeError, ValueError, RuntimeError):
        return False
    return len(ours) == len(theirs) and all(
        a.shape == b.shape and torch.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)
        for a, b in zip(theirs, ours, strict=True)
    )


def same(one: object, two: object) -> bool:
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
    """What is wrong with the form of an answer, whatever its numbers; "" if nothing is."""
    if isinstance(expected, (str, bool)):
        return "" if isinstance(answer, type(expected)) else _asked(answer, expected)
    try:
        ours, theirs = _parts(expected), _parts(_as_expected(answer, expected))
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


def brief(value: object) -> str:
    """A value in a few characters: numbers in full, tensors by shape and first entry."""
    if isinstance(value, torch.Tensor) and value.numel() > 1:
        return f"a tensor {tuple(value.shape)} that starts with {value.flatten()[0].item():.4g}"
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        value = value.item()
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


def _as_expected(answer: object, expected: object) -> object:
    """A list of numbers where a tensor is expected is a tensor."""
    if isinstance(expected, torch.Tensor) and isinstance(answer, list):
        return torch.as_tensor(answer)
    return answer


def _parts(value: object) -> list[torch.Tensor]:
    """A number, a tensor, or a tuple, list or range of them, as float64 tensors."""
    if isinstance(value, (tuple, list, range)):
        return [part for item in value for part in _parts(item)]
    return [torch.as_tensor(value).detach().to("cpu", torch.float64)]


def _asked(answer: object, expected: object) -> str:
    return f"Your answer is {brief(answer)}; asked was something like {brief(expected)}."


def _count(n: int) -> str:
    return f"{n} values" if n != 1 else "one value"


def _are(n: int) -> str:
    return f"are {n}" if n != 1 else "is one"
