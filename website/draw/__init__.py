"""The page on which the course's network draws in the reader's browser."""
