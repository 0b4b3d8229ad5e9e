"""The training of the autoencoder, and a stream of its latents for the training of a U-Net."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from ddpm_lessons.data import Batches, Digits
from ddpm_lessons.door import check_images, check_index, check_number
from ddpm_lessons.gaussian import Gaussian
from ddpm_lessons.models import Autoencoder
from ddpm_lessons.training.fit import fit
from ddpm_lessons.training.loop import Accelerator, Latents, TrainStep


def elbo_loss(
    autoencoder: Autoencoder,
    x_0: Tensor,
    *,
    noise_std: float = 0.1,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The negative evidence lower bound of Kingma & Welling (2014), in nats per entry of x_0, but
    for a constant: E[(x_0 - x_hat)^2 / (2 noise_std^2)] + KL(q(z | x_0) || N(0, I)).

    x_0: (B, C, H, W) in [-1, 1]. noise_std: the standard deviation of p(x | z). It sets the price
    of a latent's precision: where pixels may err more, fewer nats are spent on z. One z is drawn
    for each image. Returns a scalar. Raises ValueError where an argument does not fit.
    """
    check_images("x_0", x_0, look=x_0.is_cpu)
    check_number("noise_std", noise_std, "(0, inf)")
    q = autoencoder.posterior(x_0)
    x_hat = autoencoder.decoder(q.sample(generator)).float()
    error = (x_0 - x_hat).square() / (2 * noise_std**2)
    kl = q.kl(Gaussian(torch.zeros_like(q.mean), torch.ones_like(q.var)))
    return error.mean() + kl.sum() / x_0.numel()


def train_autoencoder(
    autoencoder: Autoencoder,
    batches: Batches,
    *,
    epochs: int,
    noise_std: float = 0.1,
    accelerator: Accelerator | None = None,
    generator: torch.Generator | None = None,
) -> Iterator[TrainStep]:
    """Teach an autoencoder images by `elbo_loss`; yields each finished step.

    AdamW; the learning rate rises to 2e-3 and falls to 0. batches: on its device. generator: of z;
    torch's global one if None. When all is done, `scale_latents` is still to be called. Raises
    ValueError where epochs is not in 1..1000, or the loss is NaN or infinite.
    """
    check_index("epochs", epochs, 1, 1000)

    def loss_of() -> Tensor:
        x_0, _ = next(batches)
        return elbo_loss(autoencoder, x_0, noise_std=noise_std, generator=generator)

    steps = epochs * batches.steps_per_epoch
    yield from fit(autoencoder, loss_of, steps, lr=2e-3, accelerator=accelerator)


@torch.no_grad()
def scale_latents(autoencoder: Autoencoder, digits: Digits) -> None:
    """Set the autoencoder's shift and scale: over these images each channel of `draw` has mean 0
    and variance 1, taken over images and positions.

    The variance of a draw is that of the means, and the mean of the variances. A channel that the
    encoder does not use is all variance and no mean: it stays small in `encode`, and is pure noise
    in `draw`.
    """
    parts = [autoencoder.posterior(digits[row]) for row in torch.arange(len(digits)).split(500)]
    means, variances = (torch.cat([part[i].double() for part in parts]) for i in (0, 1))
    over = {"dim": (0, 2, 3), "keepdim": True}
    autoencoder.shift.copy_(means.mean(**over))
    autoencoder.scale.copy_((means.var(**over, correction=0) + variances.mean(**over)).sqrt())


def encoded(
    batches: Iterable[tuple[Tensor, Tensor]],
    autoencoder: Autoencoder,
    *,
    accelerator: Accelerator,
    generator: torch.Generator | None = None,
) -> Iterator[Latents]:
    """Batches of latents with their labels: what `train` is given to learn in latent space.

    One draw of q(z | x_0) for each image, anew each time it comes.
    """
    for x_0, labels in batches:
        with torch.no_grad(), accelerator.autocast():
            z = autoencoder.draw(x_0, generator).float()
        yield Latents(z, labels)
