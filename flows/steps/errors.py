"""The one error that a person who runs Tessera is meant to read, and how it quotes others."""

import re

# What DuckDB quotes of a CSV file that it cannot read: a customer's values.
QUOTED_LINE = re.compile(r"Original Line:.*?(?=\n\s*(?:Expected Number|Value with|Invalid unicode|Possible )|\Z)", re.S)


class RunStopped(Exception):
    """A run cannot go on. The message says what was wrong, where, and what to do."""


def first_line(error: object) -> str:
    """The first line of what an error or a message says; the name of its class where it says nothing."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def without_lines(message: str) -> str:
    """A message without the lines of source files that DuckDB quotes in it."""
    return QUOTED_LINE.sub("", message)
