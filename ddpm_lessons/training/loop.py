"""Algorithm 1, the training loop, as a generator: a progress bar, a plot or a test consumes it."""

import contextlib
import functools
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from ddpm_lessons.door import EpsModel, check_number, send
from ddpm_lessons.loss import draw_noise, simple_loss
from ddpm_lessons.models.compiled import compile_for_training
from ddpm_lessons.schedule import NoiseSchedule

CHECK_EVERY = 50  # steps between two looks at the loss; a look makes the CPU wait for the GPU


class TrainStep(NamedTuple):
    """One finished step of training."""

    step: int  # of this call of `train`, from 1
    loss: Tensor  # (), float32, detached, on the images' device: reading it waits for the device


class Latents(NamedTuple):
    """A batch of latents: trained on as images are, but within no range."""

    z: Tensor  # (B, C, H, W)
    labels: Tensor  # (B,) int64


class Accelerator(Protocol):
    """What `train` asks of an accelerator. That of Hugging Face's accelerate has all of it."""

    num_processes: int  # that train together
    process_index: int  # of this one, from 0

    def autocast(self) -> contextlib.AbstractContextManager:
        """A context for the network's forward pass."""

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients of the loss."""


class MixedPrecision:
    """Convolutions and matrix products in bfloat16, where the device computes in it: twice the
    speed or more. The weights, the loss and the optimiser stay in float32. For one process;
    `processes.Processes` is for several.

    enabled: whether to use bfloat16; by default, if the device has it (see `has_bfloat16`).
    compiled: whether `prepare_model` has the network translated by torch.compile, which takes a
        minute and then makes each step quicker.
    """

    num_processes, process_index = 1, 0

    def __init__(
        self, device: torch.device | str, *, enabled: bool | None = None, compiled: bool = False
    ) -> None:
        self.device = torch.device(device)
        self.enabled = has_bfloat16(device) if enabled is None else enabled
        self.compiled = compiled

    @property
    def is_main_process(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.process_index == 0

    def autocast(self) -> contextlib.AbstractContextManager:
        """torch's autocast to bfloat16, or a context that does nothing."""
        if not self.enabled:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def autocasting(self, eps_model: EpsModel) -> EpsModel:
        """The network asked within `autocast`; its answers are float32, as a sampler wants them."""

        def answer(x_t: Tensor, t: Tensor) -> Tensor:
            with self.autocast():
                return eps_model(x_t, t).float()

        return answer

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients. Bfloat16 has float32's range, so the loss needs no scaling."""
        loss.backward()

    def prepare_model(self, model: nn.Module) -> nn.Module:
        """The model as `train` shall have it: with the same weights."""
        return compile_for_training(model) if self.compiled else model

    def mean(self, x: Tensor) -> Tensor:
        """The mean of x over the processes."""
        return x

    def gather(self, x: Tensor, n: int) -> Tensor:
        """The n rows of which x is this process's share."""
        return x

    def wait(self) -> None:
        """Go on when all processes have come here."""


def has_bfloat16(device: torch.device | str) -> bool:
    """Whether the device itself computes in bfloat16; emulated, it is slower than float32."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        features = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(getattr(torch.cpu, name, lambda: False)() for name in features)
    return False


def train(
    eps_model: nn.Module,
    schedule: NoiseSchedule,
    batches: Iterable,
    optimizer: torch.optim.Optimizer,
    *,
    lr_scheduler: torch.optim.lr_scheduler.LRScheduler | None = None,
    ema: AveragedModel | None = None,
    accelerator: Accelerator | None = None,
    generator: torch.Generator | None = None,
    label_dropout: float | None = None,
) -> Iterator[TrainStep]:
    """Algorithm 1: take images x_0, draw t and eps, step down the gradient of Eq. (14).

    A step is yielded when it is complete: after the optimiser, the learning rate and the average
    have been updated. The loop ends with `batches`, or when its consumer asks for no more.

    Several processes train as one would: each takes all batches, draws all the noise, and works on
    its own rows of both.

    batches: x_0, or tuples that begin with it, on the network's device; images in [-1, 1], or
        `Latents`.
    lr_scheduler: stepped once a step. ema: of `eps_model` (see `Ema`), updated once a step.
    accelerator: for mixed precision or many processes, for which it has prepared `eps_model`; plain
        float32 in one process if None.
    generator: of t and eps; torch's global one if None.
    label_dropout: to train with the labels that come second in `batches`, as a network with
        `num_classes` takes them; that share of them, in [0, 1], is hidden, so that one network
        learns to do with and without (Ho & Salimans 2022). None: no labels.
    Raises ValueError if the first batch cannot be trained on, or if the loss is NaN or infinite at
    one of the looks that are taken every 50 steps.
    """
    accelerator = accelerator or MixedPrecision("cpu", enabled=False)
    for step, batch in enumerate(batches, start=1):
        x_0 = batch if isinstance(batch, Tensor) else batch[0]
        if step == 1:
            check_x_0(x_0, bounded=not isinstance(batch, Latents))
        rows, weight = share(accelerator, len(x_0))
        answer = eps_model.train()
        if label_dropout is not None:
            labels = drop_labels(batch[1], label_dropout, generator)
            answer = functools.partial(eps_model, labels=labels[rows])
        t, eps = draw_noise(schedule, x_0, generator)
        optimizer.zero_grad()
        with torch.enable_grad():
            with accelerator.autocast():
                loss = simple_loss(answer, schedule, x_0[rows], noise=(t[rows], eps[rows]))
            accelerator.backward(weight * loss)
        optimizer.step()
        if lr_scheduler is not None:
            lr_scheduler.step()
        if ema is not None:
            ema.update_parameters(eps_model)
        if step % CHECK_EVERY == 0:
            check_loss(loss)
        yield TrainStep(step, loss.detach())


def share(accelerator: Accelerator, n: int) -> tuple[slice, float]:
    """This process's rows of a batch of n, and how its loss counts in the mean over processes.

    Raises ValueError where there are more processes than rows.
    """
    count = accelerator.num_processes
    rows = part(n, accelerator.process_index, count)
    if n < count:
        raise ValueError(f"{n} images, expected at least {count}, one for each process")
    return rows, (rows.stop - rows.start) * count / n


def part(n: int, index: int, count: int) -> slice:
    """The rows of part `index` where n rows are parted into `count` parts, as equal as may be."""
    return slice(index * n // count, (index + 1) * n // count)


def drop_labels(labels: Tensor, share: float, generator: torch.Generator | None) -> Tensor:
    """Labels (B,) with each replaced by -1, no label, with probability `share`.

    Raises ValueError for a share outside [0, 1].
    """
    check_number("label_dropout", share, "[0, 1]")
    device = labels.device if generator is None else generator.device
    hidden = torch.rand(labels.shape, generator=generator, device=device) < share
    return labels.masked_fill(send(hidden, labels.device), -1)


def check_x_0(x_0: Tensor, *, bounded: bool = True) -> None:
    """Raise ValueError unless x_0 can be trained on: finite, and images (4-D) within [-1, 1].

    bounded: False for latents, which have no range.
    """
    if not isinstance(x_0, Tensor) or not x_0.is_floating_point() or x_0.numel() == 0:
        found = f"{x_0.dtype} {tuple(x_0.shape)}" if isinstance(x_0, Tensor) else repr(x_0)
        raise ValueError(f"batches begins with {found}, expected a floating tensor (B, ...)")
    if not torch.isfinite(x_0).all():
        raise ValueError("batches begins with NaN or infinity, expected finite numbers")
    low, high = x_0.min().item(), x_0.max().item()
    if bounded and x_0.ndim == 4 and (low < -1 or high > 1 or low >= 0):
        raise ValueError(
            f"batches begins with images in [{low:g}, {high:g}], expected the range [-1, 1]: "
            "ddpm_lessons.data.to_model_range scales 8-bit images to it"
        )


def check_loss(loss: Tensor) -> None:
    """Raise ValueError if the loss is NaN or infinite: from there, training never recovers."""
    if not torch.isfinite(loss).all():
        raise ValueError(
            f"the loss is {loss.item()}, expected a finite number: the training has diverged; go "
            "back to the last checkpoint, or begin again with a smaller learning rate"
        )
