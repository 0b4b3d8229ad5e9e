"""Those who run: our networks with our training step, and three public projects with theirs.

Each is given the same batches, in memory and scaled. What its own data loading would cost on top is
not counted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice, repeat

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ddpm_lessons import ddpm, linear_schedule
from ddpm_lessons.models import UNet, UNetConfig
from ddpm_lessons.models.compiled import Compiled
from ddpm_lessons.training import PRESETS, Ema, MixedPrecision, make_optimizer, train

T = 1000
NARROW = PRESETS["quick"].model  # 16-64-128, one block: what a laptop trains in minutes
SHIPPED = PRESETS["mnist"].model  # 32-96-160, two blocks: the weights of the course
LIKE_COURSE = UNetConfig(widths=(16, 80, 160))  # with as many weights as the course's network
LIKE_LABML = UNetConfig(widths=(16, 96, 224), blocks=(1, 1, 3))


def those_here(*builders: Callable[[], "Contender"]) -> list["Contender"]:
    """The contenders whose packages are installed; says which are not."""
    found = []
    for build in builders:
        try:
            found.append(build())
        except ModuleNotFoundError as error:
            print(f'{error.name} is not here; pip install -e ".[bench]" brings it')
    return found


@dataclass
class Contender:
    """A project, as the scripts see it."""

    name: str
    network: nn.Module
    step: Callable[[Tensor], object]  # one step of training on images (B, 1, size, size)
    call: Callable[[Tensor, Tensor], Tensor]  # one bare call of the network, no gradients
    chain: Callable[[Tensor, int], Tensor]  # from x_T, that many steps of its own sampler
    size: int = 28
    recipe: str = ""
    optimizer: torch.optim.Optimizer | None = None  # where a training is to be kept

    @property
    def weights(self) -> int:
        """How many numbers the network has learnt."""
        return sum(p.numel() for p in self.network.parameters())


def ours(name: str, config: UNetConfig, device: str, *, compiled: bool = False) -> Contender:
    """Our loop: mixed precision where the device has bfloat16, EMA, AdamW.

    compiled: both for training and for sampling.
    """
    model, schedule = UNet(config).to(device), linear_schedule(T)
    precision, preset = MixedPrecision(device, compiled=compiled), PRESETS["mnist"]
    optimizer, lr_scheduler = make_optimizer(preset, model)
    state: dict[str, Tensor] = {}
    steps = train(
        precision.prepare_model(model),
        schedule,
        (state["x_0"] for _ in repeat(None)),
        optimizer,
        lr_scheduler=lr_scheduler,
        ema=Ema(model),
        accelerator=precision,
        generator=torch.Generator(device).manual_seed(0),
    )
    fast = Compiled(model) if compiled else model

    def step(x_0: Tensor) -> None:
        state["x_0"] = x_0
        next(steps)

    @torch.no_grad()
    def call(x: Tensor, t: Tensor) -> Tensor:
        fast.eval()
        with precision.autocast():
            return fast(x, t)

    def answer(x: Tensor, t: Tensor) -> Tensor:
        return call(x, t).float()

    def chain(x_T: Tensor, n: int) -> Tensor:
        generator = torch.Generator(device).manual_seed(0)
        states = ddpm(answer, schedule, x_T, generator=generator)
        *_, last = islice(states, n)  # a state is yielded after the call that looks at it
        return last.x

    dtype = "bfloat16" if precision.enabled else "float32"
    return Contender(name, model, step, call, chain, recipe=f"{dtype}{', compiled' * compiled}")


def course(device: str, *, bfloat16: bool = False) -> Contender:
    """The Hugging Face course's network for MNIST, and the loop of diffusers' own example: float32
    and Adam. bfloat16: the same in our precision, to tell the network from the precision.
    """
    from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

    model = UNet2DModel(
        sample_size=28,
        in_channels=1,
        out_channels=1,
        layers_per_block=2,
        block_out_channels=(32, 64, 64),
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    ).to(device)
    scheduler = DDPMScheduler(num_train_timesteps=T)
    precision = MixedPrecision(device, enabled=bfloat16)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step(x_0: Tensor) -> None:
        noise = torch.randn_like(x_0)
        t = torch.randint(0, T, (len(x_0),), device=device)
        noisy = scheduler.add_noise(x_0, noise, t)
        with precision.autocast():
            loss = F.mse_loss(model(noisy, t).sample, noise)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        loss.item()  # as the example does, for its log

    @torch.no_grad()
    def call(x: Tensor, t: Tensor) -> Tensor:
        with precision.autocast():
            return model(x, t).sample

    def chain(x_T: Tensor, n: int) -> Tensor:
        pipeline = DDPMPipeline(unet=model, scheduler=scheduler)
        pipeline.set_progress_bar_config(disable=True)
        with precision.autocast():
            found = pipeline(batch_size=len(x_T), num_inference_steps=n, output_type="np")
        return torch.from_numpy(found.images)

    recipe = "bfloat16" if bfloat16 else "float32"
    return Contender(
        "diffusers, the course's network",
        model,
        step,
        call,
        chain,
        recipe=recipe,
        optimizer=optimizer,
    )


def ancestral(p_sample: Callable[[Tensor, int], Tensor]) -> Callable[[Tensor, int], Tensor]:
    """The first n steps of a chain whose single step from x_t, t counted from 0, is `p_sample`."""

    @torch.no_grad()
    def chain(x_T: Tensor, n: int) -> Tensor:
        x = x_T
        for t in islice(reversed(range(T)), n):
            x = p_sample(x, t)
        return x

    return chain


def lucidrains(device: str, *, dim: int, multiples: tuple[int, ...]) -> Contender:
    """denoising-diffusion-pytorch, with its trainer's Adam and clipping of gradients."""
    from denoising_diffusion_pytorch import GaussianDiffusion, Unet

    size = 28 if 28 % 2 ** (len(multiples) - 1) == 0 else 32
    model = Unet(dim=dim, dim_mults=multiples, channels=1).to(device)
    diffusion = GaussianDiffusion(model, image_size=size, timesteps=T).to(device)
    optimizer = torch.optim.Adam(diffusion.parameters(), lr=1e-4, betas=(0.9, 0.99))

    def step(x_0: Tensor) -> None:
        loss = diffusion((x_0 + 1) / 2)
        loss.backward()
        nn.utils.clip_grad_norm_(diffusion.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    chain = ancestral(lambda x, t: diffusion.p_sample(x, t)[0])
    name = f"denoising-diffusion-pytorch, dim {dim}"
    call = torch.no_grad()(model.forward)
    return Contender(name, model, step, call, chain, size=size, recipe="float32")


def labml(device: str, *, channels: int = 32) -> Contender:
    """labml-nn's annotated DDPM; 32 channels are its least, and three resolutions fit 28 x 28."""
    from labml_nn.diffusion.ddpm import DenoiseDiffusion
    from labml_nn.diffusion.ddpm.unet import UNet as Net

    model = Net(
        image_channels=1, n_channels=channels, ch_mults=(1, 2, 2), is_attn=(False, False, True)
    ).to(device)
    diffusion = DenoiseDiffusion(model, T, device=torch.device(device))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-5)

    def step(x_0: Tensor) -> None:
        optimizer.zero_grad()
        loss = diffusion.loss(x_0)
        loss.backward()
        optimizer.step()

    chain = ancestral(
        lambda x, t: diffusion.p_sample(x, x.new_full((len(x),), t, dtype=torch.long))
    )
    name = f"labml-nn, {channels} channels"
    call = torch.no_grad()(model.forward)
    return Contender(name, model, step, call, chain, recipe="float32")
