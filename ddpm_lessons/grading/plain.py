"""Answers as plain data: what a worker sends, and the grader can read without running anything."""

import math
from copy import copy
from fractions import Fraction

import numpy as np
import torch

from ddpm_lessons.checks.comparison import ARRAYS, REVERSED, brief

NUMBERS = 20_000  # of one answer; the longest that an exercise asks for has 4000
DEPTH = 10
TEXT = 1000
SIMPLE = {  # what is made of how many numbers
    "int": (int, 1),
    "float": (float, 1),
    "complex": (complex, 2),
    "fraction": (Fraction, 2),
    "range": (range, 3),
}
KINDS = {"b": torch.bool, "i": torch.int64, "f": torch.float64}


class Other:
    """What is no number, text, array, or sequence of these. All that is known of it are words."""

    def __init__(self, words: str) -> None:
        self.words = words

    def __repr__(self) -> str:
        return self.words


def to_plain(value: object) -> list:
    """A value as lists, texts and numbers for JSON; whatever is not plain, in words only."""
    try:
        coded = _encode(value, DEPTH)
        return coded if _count(coded) <= NUMBERS else _in_words(value)
    except Exception:  # a learner's class may raise anything
        return _in_words(value)


def from_plain(coded: object) -> object:
    """The value that was encoded. Raises ValueError where `coded` is nothing of that kind."""
    try:
        if _count(coded) > NUMBERS:
            raise ValueError("an answer has too many numbers")
        return _decode(coded, DEPTH)
    except (TypeError, ValueError, LookupError, ArithmeticError, RuntimeError) as error:
        raise ValueError(f"an answer cannot be read: {error}") from None


def _encode(value: object, depth: int) -> list:
    if value is None or value is ... or isinstance(value, bool):
        return [{None: "none", ...: "...", True: "true", False: "false"}[value]]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, int) and abs(value) < 2**63:
        return ["int", int(value)]
    if isinstance(value, float):
        return ["float", float(value)]
    if isinstance(value, complex):
        return ["complex", value.real, value.imag]
    if isinstance(value, Fraction):
        return ["fraction", int(value.numerator), int(value.denominator)]
    if isinstance(value, str):
        return ["text", str(value)[:TEXT]]
    if isinstance(value, range) and len(value) <= NUMBERS:
        return ["range", value.start, value.stop, value.step]
    if isinstance(value, ARRAYS):
        return _encode_array(value)
    if type(value) in REVERSED:
        value = list(copy(value))
    if isinstance(value, (list, tuple)) and len(value) <= NUMBERS and depth:
        kind = "tuple" if isinstance(value, tuple) else "list"
        return [kind, [_encode(item, depth - 1) for item in value]]
    return _in_words(value)


def _encode_array(value: torch.Tensor | np.ndarray) -> list:
    if math.prod(value.shape) > NUMBERS:
        return _in_words(value)
    name = "tensor" if isinstance(value, torch.Tensor) else "array"
    flat = torch.as_tensor(value.copy() if name == "array" else value).detach().cpu().reshape(-1)
    if flat.is_complex():
        flat = torch.where(flat.imag == 0, flat.real, math.nan)  # as `comparison` takes it
    kind = "f" if flat.is_floating_point() else "b" if flat.dtype == torch.bool else "i"
    return [name, kind, list(value.shape), flat.to(KINDS[kind]).tolist()]


def _in_words(value: object) -> list:
    try:
        words = brief(value)
    except Exception:
        words = f"a {type(value).__name__}"
    return ["other", str(words)[:TEXT]]


def _count(coded: object) -> int:
    """How many numbers there are, at least one for each list; all of a range's."""
    if not isinstance(coded, list) or not coded:
        return 1
    if coded[0] == "range":
        return len(range(*coded[1:]))
    return sum(map(_count, coded[-1])) + 1 if isinstance(coded[-1], list) else 1


def _decode(coded: list, depth: int) -> object:
    kind, *parts = coded
    simple = {"none": None, "...": ..., "true": True, "false": False}
    if kind in simple and not parts:
        return simple[kind]
    if kind in ("text", "other") and isinstance(parts[0], str):
        return parts[0] if kind == "text" else Other(parts[0])
    if kind in ("list", "tuple") and depth:
        items = [_decode(item, depth - 1) for item in parts[0]]
        return items if kind == "list" else tuple(items)
    if kind in ("tensor", "array"):
        dtype, shape, values = parts
        tensor = torch.tensor(values, dtype=KINDS[dtype]).reshape(shape)
        return tensor if kind == "tensor" else tensor.numpy()
    make, count = SIMPLE[kind]
    if len(parts) != count or not all(type(part) in (int, float) for part in parts):
        raise ValueError(f"{kind} of {parts}")
    return make(*parts)
