"""The one error that people who run Tessera should read, and how it quotes others."""

import re

# DuckDB's errors that quote a value, up to the line of SQL: where they begin and end, what they quote, lines of files.
_OF_VALUES = re.compile(
    r"\b(?:Conversion|Constraint|Invalid Input) Error:.*?(?=\n\s*LINE \d|\n\s*compiled code at|\Z)", re.DOTALL
)
_VALUE = re.compile(r"(?P<mark>['\"]).*(?P=mark)", re.DOTALL)
_LINE = re.compile(r"Original Line:.*?(?=\n\s*(?:Expected|Value|Error|Possible|Reject)|\Z)", re.DOTALL)


class RunStopped(Exception):
    """A run cannot go on. The message says what was wrong, where, and what to do.

    Attributes:
        status: the command's exit status, 1 if nothing was released.
    """

    status = 1


def interruption(error: BaseException | None) -> BaseException | None:
    """The interruption, such as KeyboardInterrupt, behind an error of DuckDB's; None if there is none."""
    while error is not None:
        if isinstance(error, RuntimeError) and "Query interrupted" in str(error):
            return error.__cause__ or KeyboardInterrupt(str(error))
        error = error.__cause__ or error.__context__
    return None


def first_line(error: object) -> str:
    """The first line of an error or a message; the name of its class if it has no text."""
    return next((line for line in without_values(str(error)).splitlines() if line.strip()), type(error).__name__)


def without_values(message: str) -> str:
    """A message without the row values that DuckDB quotes: messages are kept where no erasure looks."""
    return _OF_VALUES.sub(lambda found: _VALUE.sub("'...'", found[0]), _LINE.sub("Original Line: ...", message))
