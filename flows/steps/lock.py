"""Keeps a second run of the same warehouse out, by a lock of the operating system."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.steps.errors import RunStopped


@contextmanager
def warehouse_lock(warehouse: Path) -> Iterator[None]:
    """Hold the warehouse for this process; the lock dies with the process, however it ends.

    Raises:
        RunStopped: another run holds it.
    """
    warehouse.parent.mkdir(parents=True, exist_ok=True)
    path = warehouse.with_suffix(".lock")
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown process"
            raise RunStopped(
                f"Another run has the warehouse {warehouse} ({holder}). Wait until it ends, or stop it, and run again."
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        yield
        file.truncate(0)
