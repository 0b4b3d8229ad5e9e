"""The door: arguments are checked here, and here float64 coefficients meet float32 images.

`1 - alpha_bar_1` computed in float32 is wrong by 0.02 %, so coefficients stay float64 until an
equation has combined them; only its result takes the images' dtype. `equation` does both for every
equation.
"""

import functools
import inspect
import operator
import reprlib
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

EpsModel = Callable[[Tensor, Tensor], Tensor]  # (x_t, t) -> eps, with t (B,) int64 in 1..T
# One generator for a whole batch, or one for each image: then no image depends on its neighbours.
Randomness = torch.Generator | Sequence[torch.Generator] | None


def equation(function: Callable) -> Callable:
    """Check the images and coefficients given to `function`; return its result in their dtype.

    Images are numbers or floating tensors of one shape on one device. `c` (a `Coefficients`) holds
    numbers in (0, 1), or tensors with as many dimensions as the images that broadcast to their
    shape and not beyond it: a `(B,)` coefficient against `(B, C, H, W)` images would silently run
    along the width, and is refused. NaN in gives NaN out. Raises ValueError, naming the argument.
    """
    names = tuple(inspect.signature(function).parameters)

    @functools.wraps(function)
    def checked(*args: object, **kwargs: object) -> object:
        arguments = dict(zip(names, args, strict=False)) | kwargs
        images = {name: value for name, value in arguments.items() if name != "c"}
        tensors = {name: x for name, x in images.items() if isinstance(x, Tensor)}
        check_same(images)
        if "c" in arguments:
            _check_coefficients(arguments["c"], tensors)
        result = function(*args, **kwargs)
        return _cast(result, [x.dtype for x in tensors.values()]) if tensors else result

    return checked


def check_images(name: str, x: object, *, look: bool = True) -> None:
    """Raise ValueError unless `x` is a floating tensor (B, ...), not empty, of finite entries.

    look: False does not look at the entries; a look makes the CPU wait for an accelerator.
    """
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise ValueError(f"{name} has {_kind(x)}, expected a floating-point tensor")
    if x.ndim == 0 or x.numel() == 0:
        raise ValueError(f"{name} has shape {tuple(x.shape)}, expected a non-empty batch (B, ...)")
    if look and not torch.isfinite(x).all():
        raise ValueError(f"{name} has entries that are NaN or infinite, expected finite numbers")


def check_same(images: dict[str, object]) -> None:
    """Raise ValueError unless every entry is a number or a floating tensor with entries, all of
    one shape and device.
    """
    first: tuple[str, Tensor] | None = None
    for name, x in images.items():
        if isinstance(x, (int, float)) and not isinstance(x, bool):
            continue
        if not isinstance(x, Tensor) or not x.is_floating_point():
            raise ValueError(f"{name} has {_kind(x)}, expected a number or a floating-point tensor")
        if x.numel() == 0:
            raise ValueError(f"{name} has shape {tuple(x.shape)}, expected at least one entry")
        if first is None:
            first = (name, x)
        elif x.shape != first[1].shape:
            expected = f"{tuple(first[1].shape)} like {first[0]}"
            raise ValueError(f"{name} has shape {tuple(x.shape)}, expected {expected}")
        elif x.device != first[1].device:
            raise ValueError(f"{name} is on {x.device}, expected {first[1].device} like {first[0]}")


def _kind(x: object) -> str:
    return f"dtype {x.dtype}" if isinstance(x, Tensor) else f"type {type(x).__name__}"


def _check_coefficients(c: object, images: dict[str, Tensor]) -> None:
    fields = getattr(c, "_fields", ())
    if "alpha_bar" not in fields:
        raise ValueError(f"c has {_kind(c)}, expected Coefficients: schedule.at(t, like=x)")
    for field, value in zip(fields, c, strict=True):
        if not isinstance(value, Tensor):  # a root of a negative number would be complex
            check_number(f"c.{field}", value, "(0, 1)" if field == "alpha_bar" else "(0, 1]")
            continue
        for name, x in images.items():
            if not fits(value.shape, x.shape) or (value.ndim and value.device != x.device):
                found = f"shape {tuple(value.shape)} on {value.device}"
                expected = f"one to multiply {name}, {tuple(x.shape)} on {x.device}"
                remedy = f"schedule.at(t, like={name})"
                raise ValueError(f"c.{field} has {found}, expected {expected}: {remedy}")


def fits(part: Sequence[int], whole: Sequence[int]) -> bool:
    """Whether shape `part` multiplies shape `whole` without growing it.

    It does as a single number, or with as many dimensions, each of full size or 1.
    """
    sizes = zip(part, whole, strict=False)
    return len(part) in (0, len(whole)) and all(size in (1, full) for size, full in sizes)


def _cast(value: object, dtypes: list[torch.dtype]) -> object:
    """Cast tensors, also those in a named tuple, to the promoted dtype of the images."""
    if isinstance(value, Tensor):
        return value.to(functools.reduce(torch.promote_types, dtypes))
    if isinstance(value, tuple):
        return type(value)(*(_cast(item, dtypes) for item in value))
    return value


def check_index(name: str, value: object, low: int, high: int) -> int:
    """Return `value` as an int if it is a whole number in low..high; raise ValueError otherwise."""
    try:
        index = operator.index(value)  # takes int and NumPy integers, refuses floats
    except TypeError:
        index = None
    truth = isinstance(value, bool) or getattr(value, "dtype", None) == torch.bool
    if index is None or truth or not low <= index <= high:
        raise ValueError(f"{name} is {value!r}, expected a whole number in {low}..{high}")
    return index


def check_number(name: str, value: object, interval: str) -> None:
    """Raise ValueError unless `value` is a number in `interval`, as "(0, 1]" for 0 < value <= 1."""
    low, high = map(float, interval[1:-1].split(","))
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    inside = number and (low < value or (low == value and interval[0] == "["))
    if not (inside and (value < high or (value == high and interval[-1] == "]"))):
        raise ValueError(f"{name} is {value!r}, expected a number in {interval}")


def check_generator(generator: object, *, images: int | None = None) -> None:
    """Raise ValueError unless `generator` is None or a torch.Generator (a bare seed is neither).

    images: how many there are, where the generator may also be a list with one for each.
    """
    if generator is None or isinstance(generator, torch.Generator):
        return
    expected = "None or a torch.Generator: torch.Generator().manual_seed(0)"
    if images is not None:
        expected += f", or a list of {images}, one for each image"
        listed = isinstance(generator, Sequence) and len(generator) == images
        if listed and all(isinstance(one, torch.Generator) for one in generator):
            return
    raise ValueError(f"generator is {reprlib.repr(generator)}, expected {expected}")


def check_loop(eps_model: object, schedule: object, generator: object) -> None:
    """Raise ValueError unless these are what every loop over t needs, in this order."""
    if not callable(eps_model):
        raise ValueError(f"eps_model has {_kind(eps_model)}, expected a callable (x_t, t) -> eps")
    if not hasattr(schedule, "alpha_bars"):
        raise ValueError(f"schedule has {_kind(schedule)}, expected a NoiseSchedule")
    check_generator(generator)


def check_answer(eps: object, x_t: Tensor) -> None:
    """Raise ValueError unless the network's answer is a tensor that matches x_t."""
    if not isinstance(eps, Tensor):
        raise ValueError(f"eps_model(x_t, t) has {_kind(eps)}, expected a tensor like x_t")
    check_same({"x_t": x_t, "eps_model(x_t, t)": eps})


def check_choice(name: str, value: object, choices: Iterable[object]) -> None:
    """Raise ValueError unless `value` is one of `choices`."""
    choices = tuple(choices)
    if value not in choices:
        raise ValueError(f"{name} is {value!r}, expected one of {', '.join(map(repr, choices))}")


def as_float64(name: str, value: object) -> Tensor:
    """A float64 copy of numbers, on the CPU. Raises ValueError where they are none."""
    try:
        return torch.as_tensor(value, dtype=torch.float64, device="cpu").detach().clone()
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{name} is {value!r}, expected numbers") from None


def randn_like(x: Tensor, generator: Randomness = None) -> Tensor:
    """Standard normal noise in the shape, dtype and device of `x`.

    It is drawn on the generator's device and then moved, so that a CPU generator gives every
    machine the same noise; without a generator it comes from the global one of x's device.
    """
    check_generator(generator, images=len(x) if x.ndim else None)
    if isinstance(generator, Sequence):
        draws = [randn_like(image, own) for image, own in zip(x, generator, strict=True)]
        return torch.stack(draws)
    device = x.device if generator is None else generator.device
    return send(torch.randn(x.shape, dtype=x.dtype, device=device, generator=generator), x.device)


def send(x: Tensor, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """x on that device (itself if it is there), and in that dtype. On its way to a GPU the CPU does
    not wait for what the GPU is still doing; MPS may read x only later, so there it does.
    """
    ahead = x.device.type == "cpu" and device.type != "mps"
    return x.to(device, dtype or x.dtype, non_blocking=ahead)


@torch.no_grad()
def predict_noise(eps_model: EpsModel, x_t: Tensor, t: int) -> Tensor:
    """One call of the network outside training: t as (B,) int64, in eval mode, no gradient.

    Its mode is put back. Raises ValueError where the answer has not the shape of x_t.
    """
    return noise_with_gradient(eps_model, x_t, t)


def noise_with_gradient(eps_model: EpsModel, x_t: Tensor, t: int) -> Tensor:
    """As `predict_noise`, but with a gradient where x_t has one: for derivatives by x_t."""
    training = [module for module in _modules(eps_model) if module.training]
    for module in training:
        module.training = False
    try:
        eps = eps_model(x_t, torch.full((len(x_t),), t, device=x_t.device))
    finally:
        for module in training:
            module.training = True
    check_answer(eps, x_t)
    return eps


def _modules(eps_model: EpsModel) -> list[nn.Module]:
    """Every module of a network. Its own `modules()` takes 0.2 ms for a U-Net, a tenth of what a
    small one takes to answer.
    """
    found = [eps_model] if isinstance(eps_model, nn.Module) else []
    for module in found:  # the list grows while it is walked
        found.extend(child for child in module._modules.values() if child is not None)
    return found
