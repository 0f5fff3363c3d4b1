"""A process that is told to end (SIGTERM) writes down that it was, and then ends.

The signal raises an exception wherever the process happens to be. Libraries may drop it or turn it into an error of
their own, as Great Expectations does with queries that DuckDB gives up, so it is also remembered.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_was_told = False


class Terminated(BaseException):
    """This process was told to end (SIGTERM)."""


def told_to_end() -> Terminated | None:
    """The exception, which may have been dropped, if this process was told to end."""
    return Terminated() if _was_told else None


def end_if_told() -> None:
    """Raise the exception again if it was dropped.

    Raises:
        Terminated: this process was told to end.
    """
    if told := told_to_end():
        raise told


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Raise `Terminated` in the block on SIGTERM; after it the signal ends the process as it always does."""
    global _was_told
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(_signal: int, _frame: object) -> None:
        global _was_told
        _was_told = True
        # A second signal would interrupt the writing down.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except Terminated:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
        raise
    finally:
        _was_told = False
        signal.signal(signal.SIGTERM, before)
