"""The one error that a person who runs Tessera is meant to read, and how it quotes others."""


class RunStopped(Exception):
    """A run cannot go on. The message says what was wrong, where, and what to do."""


def interruption(error: BaseException | None) -> BaseException | None:
    """What told the process to end, such as KeyboardInterrupt, where DuckDB made an error of it; else None."""
    while error is not None:
        if isinstance(error, RuntimeError) and "Query interrupted" in str(error):
            return error.__cause__ or KeyboardInterrupt(str(error))
        error = error.__cause__ or error.__context__
    return None


def first_line(error: object) -> str:
    """The first line of what an error or a message says; the name of its class where it says nothing."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
