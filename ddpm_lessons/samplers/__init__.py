"""From noise to an image: the chains that walk from t = T to t = 0.

A sampler is a generator of `Step`s: sliders, progress bars and tests consume the same loop. It
calls the network with t as a (B,) int64 tensor, in eval mode and without gradients; between two
steps the network is in the mode it was in, and gradients are as the consumer set them.
"""

from functools import partial

from ddpm_lessons.samplers.ancestral import ddpm
from ddpm_lessons.samplers.chain import Step
from ddpm_lessons.samplers.implicit import ddim, ddim_invert
from ddpm_lessons.samplers.ode import dpm_solver, heun

# By name, as the command line and the lessons know them.
SAMPLERS = {
    "ddpm": ddpm,
    "ddim": ddim,
    "heun": heun,
    "dpm_solver": dpm_solver,
    "sde": partial(dpm_solver, eta=1.0),
}

__all__ = ["SAMPLERS", "Step", "ddim", "ddim_invert", "ddpm", "dpm_solver", "heun"]
