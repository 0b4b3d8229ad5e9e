"""ddpm_lessons: the small, exact library behind the course on denoising diffusion models.

The mathematics lies flat here, in reading order: schedule, gaussian, forward, posterior, exact,
loss, sampler.
"""

from ddpm_lessons.exact import Mixture, reverse_density
from ddpm_lessons.forward import predict_eps, predict_x0, q_marginal, q_sample, q_step
from ddpm_lessons.gaussian import Gaussian
from ddpm_lessons.loss import Bound, bound, decoder_log_likelihood, noise_weight, simple_loss
from ddpm_lessons.posterior import p_mean_from_eps, p_step, q_posterior
from ddpm_lessons.sampler import SAMPLERS, Step, ddim, ddpm
from ddpm_lessons.schedule import (
    SCHEDULES,
    Coefficients,
    NoiseLeftWarning,
    NoiseSchedule,
    cosine_schedule,
    linear_schedule,
)

__all__ = [
    "SAMPLERS",
    "SCHEDULES",
    "Bound",
    "Coefficients",
    "Gaussian",
    "Mixture",
    "NoiseLeftWarning",
    "NoiseSchedule",
    "Step",
    "bound",
    "cosine_schedule",
    "ddim",
    "ddpm",
    "decoder_log_likelihood",
    "linear_schedule",
    "noise_weight",
    "p_mean_from_eps",
    "p_step",
    "predict_eps",
    "predict_x0",
    "q_marginal",
    "q_posterior",
    "q_sample",
    "q_step",
    "reverse_density",
    "simple_loss",
]
