"""Evaluation: how good samples are, measured. Each number is to be read beside real digits' own."""

from ddpm_lessons.evaluation.bits import BitsPerDim, Estimate, bits_per_dim, bounds
from ddpm_lessons.evaluation.distances import (
    Interval,
    Moments,
    fid,
    fid_interval,
    frechet_distance,
    kid,
    kid_interval,
    moments,
)
from ddpm_lessons.evaluation.memory import (
    Memorisation,
    Neighbours,
    closeness,
    memorisation,
    nearest,
)
from ddpm_lessons.evaluation.quality import Quality, quality, share_ratios
from ddpm_lessons.evaluation.reading import Reading, noisy_accuracy, read

__all__ = [
    "BitsPerDim",
    "Estimate",
    "Interval",
    "Memorisation",
    "Moments",
    "Neighbours",
    "Quality",
    "Reading",
    "bits_per_dim",
    "bounds",
    "closeness",
    "fid",
    "fid_interval",
    "frechet_distance",
    "kid",
    "kid_interval",
    "memorisation",
    "moments",
    "nearest",
    "noisy_accuracy",
    "quality",
    "read",
    "share_ratios",
]
