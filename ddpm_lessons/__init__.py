"""ddpm_lessons: the small, exact library behind the course on denoising diffusion models.

The mathematics lies flat here, in reading order: schedule, gaussian, forward, posterior, exact,
loss, samplers, score, flow, likelihood, guidance, inverse.
"""

try:
    import torch  # noqa: F401  first, so that its absence is said in words that help
except (ImportError, OSError) as error:
    error.add_note("`python ddpm_lessons doctor`, in the course's folder, says what to do.")
    raise

from ddpm_lessons.exact import Mixture, reverse_density
from ddpm_lessons.flow import FlowState, even_timesteps, flow_jump, probability_flow, slerp
from ddpm_lessons.forward import predict_eps, predict_x0, q_marginal, q_sample, q_step
from ddpm_lessons.gaussian import Gaussian
from ddpm_lessons.guidance import classifier_guided, guided
from ddpm_lessons.inverse import (
    LinearOperator,
    Measurement,
    blur,
    denoise,
    dps,
    identity,
    keep,
    measure,
    measured,
    noise_timestep,
    repaint,
    sdedit,
    shrink,
)
from ddpm_lessons.likelihood import (
    FlowBound,
    FlowDensity,
    exact_divergence,
    flow_bound,
    flow_log_density,
    hutchinson,
)
from ddpm_lessons.loss import Bound, bound, decoder_log_likelihood, noise_weight, simple_loss
from ddpm_lessons.posterior import p_mean_from_eps, p_step, q_posterior
from ddpm_lessons.samplers import SAMPLERS, Step, ddim, ddim_invert, ddpm, dpm_solver, heun
from ddpm_lessons.schedule import (
    SCHEDULES,
    Coefficients,
    NoiseLeftWarning,
    NoiseSchedule,
    cosine_schedule,
    linear_schedule,
)
from ddpm_lessons.score import eps_from_score, langevin, score_from_eps, score_model

__all__ = [
    "SAMPLERS",
    "SCHEDULES",
    "Bound",
    "Coefficients",
    "FlowBound",
    "FlowDensity",
    "FlowState",
    "Gaussian",
    "LinearOperator",
    "Measurement",
    "Mixture",
    "NoiseLeftWarning",
    "NoiseSchedule",
    "Step",
    "blur",
    "bound",
    "classifier_guided",
    "cosine_schedule",
    "ddim",
    "ddim_invert",
    "ddpm",
    "decoder_log_likelihood",
    "denoise",
    "dpm_solver",
    "dps",
    "eps_from_score",
    "even_timesteps",
    "exact_divergence",
    "flow_bound",
    "flow_jump",
    "flow_log_density",
    "guided",
    "heun",
    "hutchinson",
    "identity",
    "keep",
    "langevin",
    "linear_schedule",
    "measure",
    "measured",
    "noise_timestep",
    "noise_weight",
    "p_mean_from_eps",
    "p_step",
    "predict_eps",
    "predict_x0",
    "probability_flow",
    "q_marginal",
    "q_posterior",
    "q_sample",
    "q_step",
    "repaint",
    "reverse_density",
    "score_from_eps",
    "score_model",
    "sdedit",
    "shrink",
    "simple_loss",
    "slerp",
]
