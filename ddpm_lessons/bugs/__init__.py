"""The bug gallery: a diffusion model in ten parts, each of which has been wrong somewhere."""

from ddpm_lessons.bugs.exhibit import FEW, MANY, STEPS, Bug, Exhibit, exhibits
from ddpm_lessons.bugs.gallery import BUGS
from ddpm_lessons.bugs.ladder import LADDER, Rung, caught, last_variance
from ddpm_lessons.bugs.network import at_levels, draw, first_weights, planted
from ddpm_lessons.bugs.parts import RIGHT, Parts
from ddpm_lessons.bugs.specimens import specimen
from ddpm_lessons.bugs.tiny import exact_loss, least_loss, teach
from ddpm_lessons.bugs.walk import Walker, even_steps, gaussian_model, noise_levels

__all__ = [
    "BUGS",
    "FEW",
    "LADDER",
    "MANY",
    "RIGHT",
    "STEPS",
    "Bug",
    "Exhibit",
    "Parts",
    "Rung",
    "Walker",
    "at_levels",
    "caught",
    "draw",
    "even_steps",
    "exact_loss",
    "exhibits",
    "first_weights",
    "gaussian_model",
    "last_variance",
    "least_loss",
    "noise_levels",
    "planted",
    "specimen",
    "teach",
]
