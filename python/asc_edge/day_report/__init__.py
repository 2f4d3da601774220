"""A day or a week of the history as one page, or one picture."""
