"""The exercises' checks, one module a lesson: `from ddpm_lessons.checks import lesson01`."""
