"""Keeps everybody else out of a warehouse while a run is under way."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

import duckdb

from flows.steps.errors import RunStopped, first_line

# How long to wait for what ends by itself: an orphan that is dying, somebody's query on the warehouse.
PATIENCE_SECONDS = 30.0

# How DuckDB says that another process has the file open.
LOCK_CONFLICT = "Could not set lock on file"

_held: set[int] = set()


@contextmanager
def warehouse_lock(warehouse: Path, report: Callable[[str], None] = print) -> Iterator[None]:
    """Hold the warehouse for this process and those that it gives `lock_descriptors` to.

    The lock of the operating system dies with the last of them, however they end. A lock whose holder was killed is
    waited for, since what the holder started may still be at work.

    Raises:
        RunStopped: another run holds it.
    """
    warehouse.parent.mkdir(parents=True, exist_ok=True)
    path = warehouse.with_suffix(".lock")
    with path.open("a+") as file:
        deadline = time.monotonic() + PATIENCE_SECONDS
        is_told = False
        while not _take(file):
            file.seek(0)
            holder = file.read().strip()
            if _is_alive(holder) or time.monotonic() > deadline:
                raise RunStopped(
                    f"Another run has the warehouse {warehouse} ({holder or 'unknown process'}). "
                    "Wait until it ends, or stop it and what it started, and run again."
                )
            if not is_told:
                report(f"The run before ({holder}) was killed; waiting for what it started to end ...")
                is_told = True
            time.sleep(0.2)
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        _held.add(file.fileno())
        try:
            yield
        finally:
            _held.discard(file.fileno())
            file.truncate(0)


def lock_descriptors() -> tuple[int, ...]:
    """The locks that this process holds, for a child process that works on the warehouse for it."""
    return tuple(_held)


def wait_until_free(warehouse: Path, report: Callable[[str], None] = print) -> None:
    """Wait while another process has the warehouse's file open: a query ends by itself, a run need not fail for it.

    Raises:
        RunStopped: it is still open after `PATIENCE_SECONDS`.
    """
    if not warehouse.exists():
        return
    deadline = time.monotonic() + PATIENCE_SECONDS
    is_told = False
    while True:
        try:
            duckdb.connect(str(warehouse)).close()
        except duckdb.IOException as error:
            reason = first_line(error)
            if not is_lock_conflict(error):
                raise
            if time.monotonic() > deadline:
                raise RunStopped(held_open(warehouse, error)) from error
            if not is_told:
                report(f"{reason}. Waiting up to {PATIENCE_SECONDS:.0f} seconds ...")
                is_told = True
            time.sleep(0.5)
        else:
            return


def is_lock_conflict(error: Exception) -> bool:
    """Whether DuckDB could not open a file because another process has it open."""
    return isinstance(error, duckdb.IOException) and LOCK_CONFLICT in str(error)


def held_open(warehouse: Path, error: object) -> str:
    """What to tell about a lock conflict; DuckDB names the process."""
    return (
        f"The warehouse {warehouse} is held open by another process: {first_line(error)}. Close it there and "
        "run again; to read the marts, open the release in serving/current instead."
    )


def _take(file: TextIO) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _is_alive(holder: str) -> bool:
    """Whether the process that a lock file names is there; a name that cannot be read is taken for a living one."""
    _, _, number = holder.partition("process ")
    if not number.isdigit():
        return True
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
