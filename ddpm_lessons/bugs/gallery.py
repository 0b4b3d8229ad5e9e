"""The ten bugs of the gallery. Each was in public code; the addresses say where."""

from functools import partial

from ddpm_lessons.bugs.exhibit import FEW, Bug
from ddpm_lessons.bugs.ladder import (
    NARROW,
    WIDE,
    after_first_step,
    die_bits,
    first_weights,
    greatest_drop,
    last_variance,
    place_in_batch,
    signal_left,
)

GITHUB = "https://github.com/"
LUCIDRAINS = GITHUB + "lucidrains/denoising-diffusion-pytorch/"

BUGS: dict[str, Bug] = {
    "noise at the last step": Bug(
        part="sigma",
        stage="sampling",
        story="At t = 1 the image is finished, and noise is added all the same. labml's "
        "annotated DDPM does so; lucidrains' DDIM did until July 2022.",
        address=LUCIDRAINS + "commit/1345a8a",
        what="end variance of narrow data (0.01)",
        number=partial(last_variance, var=NARROW),
        at_10="grain all over the paper, and narrow data end with 48 times the right variance",
        at_1000="the right digits: the noise is 1.3 grey levels; the variance moves by 1 per cent",
    ),
    "told t - 1": Bug(
        part="told",
        stage="sampling",
        story="Half of the code counts from 1 and half from 0, so the network is told a t "
        "that is one too small. A notebook of the textbook Understanding Deep Learning "
        "(18.3) is off by one in this way, and its samples look right.",
        address=GITHUB
        + "udlbook/udlbook/blob/main/Notebooks/Chap18/18_3_Reparameterized_Model.ipynb",
        what="end variance of wide data (1)",
        number=partial(last_variance, var=WIDE),
        at_10="digits, only other ones; wide data end with 64 per cent too much variance, "
        "narrow data with 3",
        at_1000="the right digits; the variance of wide data is off by 1 per cent",
    ),
    "alpha_bar_prev on the wrong side": Bug(
        part="previous",
        stage="sampling",
        story="The table of alpha_bar_{t-1} is that of alpha_bar_t, moved by one place, with "
        "a 1 in front. The 1 was put at the end. It came with a rewrite and lived for "
        "three days in April 2022.",
        address=LUCIDRAINS + "commit/71953eb",
        what="end variance of wide data (1)",
        number=partial(last_variance, var=WIDE),
        at_10="digits in hard black and white among specks; wide data end with 13 times "
        "the right variance",
        at_1000="black, white and specks again; the variance of wide data is 14 million",
    ),
    "single steps on a sub-grid": Bug(
        part="lower",
        stage="sampling",
        story="A chain of 1000 levels is walked in 10 or 50 steps, and each step still goes "
        "down by one level only. diffusers' DDPM did until January 2023: fewer steps "
        "gave pure noise.",
        address=GITHUB + "huggingface/diffusers/pull/2076",
        what="end variance of narrow data (0.01) in 10 steps",
        number=lambda parts, T: last_variance(parts, T, var=NARROW, steps=FEW),
        at_10="pure noise when 10 of 1000 levels are walked; nothing where T is 10 and no "
        "level is left out",
        at_1000="nothing when all 1000 levels are walked",
        thousand=True,
    ),
    "x_{t-1} clipped": Bug(
        part="keep",
        stage="sampling",
        story="To keep images in range, the noisy state is clipped to [-1, 1] after each "
        "step, instead of the estimate of the clean image. A remedy that is passed on "
        "in forums.",
        address=GITHUB + "dome272/Diffusion-Models-pytorch/issues/23",
        what="variance after the first step (should stay 1)",
        number=after_first_step,
        at_10="digits, some of them torn; wide data end with less than half of their "
        "variance, narrow data hardly tell",
        at_1000="clean digits, only other ones; the first step leaves half of the variance",
    ),
    "betas of 1000 steps": Bug(
        part="schedule",
        stage="schedule",
        story="The linear betas from 0.0001 to 0.02 are made for 1000 steps. With 50 of them "
        "x_T keeps 60 per cent of the image's variance, and sampling begins with noise "
        "all the same. Its finder called it a deadly bug.",
        address=GITHUB + "zoubohao/DenoisingDiffusionProbabilityModel-ddpm-/issues/14",
        what="alpha_bar_T, the image's share of x_T",
        number=signal_left,
        at_10="noise instead of digits (in 50 steps: scribbles), and alpha_bar_T is 0.9",
        at_1000="nothing: for 1000 steps these betas are right",
    ),
    "batch axis in the embedding": Bug(
        part="waves",
        stage="network",
        story="Sines were meant for the even columns of the time embedding, and cosines for "
        "the odd ones. A comma was missing: the even images of a batch got sines, the "
        "odd ones cosines.",
        address=GITHUB + "gmongaras/Diffusion_models_from_scratch/issues/10",
        what="change of an embedding with the place in the batch",
        number=place_in_batch,
        at_10="every other picture is noise, in a network that learnt without the bug; no "
        "variance moves",
        at_1000="the same",
    ),
    "slow average from the start": Bug(
        part="decay",
        stage="training",
        story="The average of the weights begins with the random ones and keeps 0.9999 of "
        "itself at each update. After 10,000 updates 37 per cent is random still: the "
        "samples were noise.",
        address=GITHUB + "openai/improved-diffusion/issues/59",
        what="share of the first weights after 2,000 updates",
        number=lambda parts, T: first_weights(parts, 2_000),
        at_10="torn strokes, though the training loss is fine; no variance of the sampler moves",
        at_1000="the same: it is the network that is damaged, not the chain",
    ),
    "bytes that wrap": Bug(
        part="grey",
        stage="pictures",
        story="Samples leave [-1, 1] by a little. Cast to bytes without a clamp, a pixel just"
        " below 0 becomes 255: white specks on black. A script in MONAI's "
        "GenerativeModels had it until March 2023.",
        address=GITHUB + "Project-MONAI/GenerativeModels/issues/323",
        what="greatest drop of a rising grey wedge, in levels",
        number=lambda parts, T: greatest_drop(parts),
        at_10="specks all over the paper, black turned white; no variance moves",
        at_1000="specks still, in some pictures all over the paper",
    ),
    "nats called bits": Bug(
        part="bits",
        stage="evaluation",
        story="The bound comes out in nats. Whoever forgets to divide by ln 2 reports a "
        "number that is 31 per cent too good. A reader of OpenAI's VDVAE (an "
        "autoencoder) found its log too small to be bits.",
        address=GITHUB + "openai/vdvae/issues/5",
        what="bound of a pixel with an entropy of 8 bits",
        number=die_bits,
        at_10="the same digits and the same variances; the bound lies below the entropy, "
        "which cannot be",
        at_1000="the same",
    ),
}
