"""What an instructor takes along: the question bank, and what is made of it."""

from ddpm_lessons.kit.questions import LEVELS, Option, Question, load_questions, quiz

__all__ = ["LEVELS", "Option", "Question", "load_questions", "quiz"]
