"""The one error that a person who runs Tessera is meant to read, and how it quotes others."""


class RunStopped(Exception):
    """A run cannot go on. The message says what was wrong, where, and what to do.

    Attributes:
        status: what the command ends with, 1 where nothing was released.
    """

    status = 1


def first_line(error: object) -> str:
    """The first line of what an error or a message says; the name of its class where it says nothing."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
