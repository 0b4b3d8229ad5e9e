"""Inverse problems: a part, a small copy or a noisy version of an image is known; what was it?

The prior is an unconditional network, trained once and for no such task. `operators` says what was
measured, `bayes` makes a noise prediction that knows of it, for every sampler, and `chains` holds
the samplers that know of it themselves.
"""

from ddpm_lessons.inverse.bayes import measured
from ddpm_lessons.inverse.chains import denoise, dps, noise_timestep, repaint, sdedit
from ddpm_lessons.inverse.operators import (
    LinearOperator,
    Measurement,
    blur,
    identity,
    keep,
    measure,
    shrink,
)

__all__ = [
    "LinearOperator",
    "Measurement",
    "blur",
    "denoise",
    "dps",
    "identity",
    "keep",
    "measure",
    "measured",
    "noise_timestep",
    "repaint",
    "sdedit",
    "shrink",
]
