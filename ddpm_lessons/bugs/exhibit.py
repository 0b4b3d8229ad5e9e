"""What is shown of a bug: the line that changed, digits with it and without, and its number."""

import ast
import difflib
import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from torch import Tensor

from ddpm_lessons.bugs import wrong
from ddpm_lessons.bugs.network import draw
from ddpm_lessons.bugs.parts import RIGHT, Parts
from ddpm_lessons.models import Pretrained

FEW, MANY = 10, 1000  # the two T at which every number is taken
STEPS = (10, 50)  # of the chains that draw digits


@dataclass(frozen=True)
class Bug:
    """One part of a diffusion model as it should not be, and what is to be said of it.

    part: the field of `Parts`. stage: where in the life of a model it sits. story: what happened,
    and where; address: the public place. what: the number that tells, which is number(parts, T).
    at_10, at_1000: what a reader sees with 10 and with 1000 steps. thousand: whether the digits are
    drawn by some of 1000 levels, instead of all levels of a short schedule.
    """

    part: str
    stage: str
    story: str
    address: str
    what: str
    number: Callable[[Parts, int], float]
    at_10: str
    at_1000: str
    thousand: bool = False

    @property
    def parts(self) -> Parts:
        """The model with this bug, and no other."""
        return replace(RIGHT, **{self.part: getattr(wrong, self.part)})

    @property
    def difference(self) -> str:
        """How the part was mended: its lines, "-" before the wrong ones, "+" before the right."""
        was, right = (body(getattr(parts, self.part)) for parts in (self.parts, RIGHT))
        lines = difflib.ndiff(was, right)
        return "\n".join(line[0] + line[2:] for line in lines if line[0] != "?")

    def draw(self, pretrained: Pretrained, x_T: Tensor, steps: int) -> Tensor:
        """Digits with the bug, (B, C, H, W) in [-1, 1], by `network.draw`."""
        T = MANY if self.thousand else steps
        return draw(self.parts, pretrained, x_T, T=T, steps=steps)


def body(function: Callable) -> list[str]:
    """The lines of a function's source without its docstring."""
    source = textwrap.dedent(inspect.getsource(function))
    lines, node = source.splitlines(), ast.parse(source).body[0]
    if ast.get_docstring(node) is None:
        return lines
    first = node.body[0]
    return lines[: first.lineno - 1] + lines[first.end_lineno :]


class Exhibit(NamedTuple):
    """A bug with its pictures and its numbers."""

    bug: Bug
    digits: dict[int, tuple[Tensor, Tensor]]  # steps: right and wrong, (B, C, H, W) in [-1, 1]
    numbers: dict[int, tuple[float, float]]  # T: right and wrong


def exhibits(bugs: Mapping[str, Bug], pretrained: Pretrained, x_T: Tensor) -> dict[str, Exhibit]:
    """All bugs, with digits of the same x_T (B, C, H, W) and the same noise, in 10 and 50 steps.

    The network is asked 60 times for each bug, and 60 times without one.
    """
    right = {steps: draw(RIGHT, pretrained, x_T, T=steps, steps=steps) for steps in STEPS}
    return {
        name: Exhibit(
            bug,
            {steps: (right[steps], bug.draw(pretrained, x_T, steps)) for steps in STEPS},
            {T: (bug.number(RIGHT, T), bug.number(bug.parts, T)) for T in (FEW, MANY)},
        )
        for name, bug in bugs.items()
    }
