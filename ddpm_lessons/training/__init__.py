"""Training: Algorithm 1, the average of the weights, checkpoints, and the presets."""

from ddpm_lessons.training.by_timestep import loss_by_timestep
from ddpm_lessons.training.checkpoint import (
    load_checkpoint,
    load_network,
    read_about,
    save_checkpoint,
)
from ddpm_lessons.training.ema import Ema
from ddpm_lessons.training.interrupt import interruptible
from ddpm_lessons.training.log import pretrained_log, read_log
from ddpm_lessons.training.loop import MixedPrecision, TrainStep, has_bfloat16, train
from ddpm_lessons.training.presets import PRESETS, Preset, make_optimizer, make_schedule
from ddpm_lessons.training.processes import Processes, launched
from ddpm_lessons.training.run import Run, start_run, steps_of

__all__ = [
    "PRESETS",
    "Ema",
    "MixedPrecision",
    "Preset",
    "Processes",
    "Run",
    "TrainStep",
    "has_bfloat16",
    "interruptible",
    "launched",
    "load_checkpoint",
    "load_network",
    "loss_by_timestep",
    "make_optimizer",
    "make_schedule",
    "pretrained_log",
    "read_about",
    "read_log",
    "save_checkpoint",
    "start_run",
    "steps_of",
    "train",
]
