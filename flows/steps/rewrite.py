"""Rewrites the published history on a copy of the warehouse, which takes its place when its release is ready.

So a rewrite that fails or is killed leaves the history that the next daily run builds on as it was, and the two can be
compared while both are there.
"""

import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from glob import escape
from pathlib import Path

import duckdb

from flows.steps.operations_log import Run, read_runs
from flows.steps.places import try_to_remove
from flows.steps.release import make_current, release_name, run_of, waiting_release
from flows.steps.window import Window

FOLDER = "restating"

# The kinds of runs that rewrite what is published.
REWRITES = ("restate", "erase")


@dataclass(frozen=True)
class Rewrite:
    """A change of history that is published, on purpose.

    Attributes:
        published: the warehouse whose history is rewritten.
        reason: why, in the words of who asked for it.
    """

    published: Path
    reason: str

    @property
    def copy(self) -> Path:
        """The warehouse to work on; it has the same name, since views name the warehouse as the file is called."""
        return self.published.parent / FOLDER / self.published.name

    def begin(self) -> None:
        """Copy the published warehouse.

        Raises:
            OSError: there is no room for it.
        """
        discard_copy(self.published)
        # What a process that was killed left in the log of the database belongs to it.
        _make_whole(self.published)
        self.copy.parent.mkdir()
        shutil.copyfile(self.published, self.copy)

    def take_over(self) -> None:
        """Put the copy in the place of the published warehouse.

        Raises:
            OSError, duckdb.Error: there is no room to write all of it into its file; the published one is as it was.
        """
        _make_whole(self.copy)
        self.copy.replace(self.published)
        discard_copy(self.published)

    def environment(self, run_id: str, window: Window) -> dict[str, str]:
        """What dbt has to know of it while the days of a window are built."""
        return {}

    @property
    def note(self) -> str | None:
        """What ops_runs says of it once it is released."""
        return None


def restated_since(runs: Iterable[Run], release: Path) -> list[Run]:
    """The restatements that were released after a release: the warehouse has what they rewrote, it has not."""
    restated = (run for run in runs if run.kind == "restate" and run.status == "released")
    return [run for run in restated if run.run_id > run_of(release)]


def how_to_restate_back(restated: Iterable[Run]) -> str:
    """The command that takes back what restatements rewrote, once its cause is mended."""
    first = min(run.first_as_of_date for run in restated)
    return f'python -m flows.backfill --restate --first {first} --reason "..."'


def finish_switch(warehouse: Path, serving: Path) -> None:
    """Let readers see the release of a rewrite that ended when its copy had become the warehouse already.

    Raises:
        duckdb.Error: the warehouse cannot be read.
    """
    waiting = waiting_release(serving)
    if waiting is None or (warehouse.parent / FOLDER / warehouse.name).exists() or not warehouse.is_file():
        return
    # The copy's log of runs says that it was releasing; that of the warehouse before it does not know.
    rewritten = [run for run in read_runs(warehouse) if run.kind in REWRITES and run.status == "releasing"]
    if any(waiting.name == release_name(run.last_as_of_date, run.run_id) for run in rewritten):
        make_current(serving)


def _make_whole(database: Path) -> None:
    """Have the file of a database, which is to be copied or moved, hold all of it.

    Raises:
        OSError, duckdb.Error: it cannot, mostly for want of room.
    """
    with duckdb.connect(str(database)) as connection:
        connection.checkpoint()
    # DuckDB does not say where it could not do that when the last connection ended.
    log = database.with_name(f"{database.name}.wal")
    if log.exists():
        raise OSError(f"{log} could not be written into {database.name}, which lacks what is in it")


def discard_copy(warehouse: Path) -> None:
    """Remove the copy of a rewrite that ended, however it did, and what DuckDB put beside it."""
    folder = warehouse.parent / FOLDER
    if folder.is_symlink():
        # Nobody has made one here, and what it leads to is somebody's.
        try_to_remove(folder)
        return
    for path in folder.glob(f"{escape(warehouse.stem)}*"):
        try_to_remove(path)
    with suppress(OSError):
        folder.rmdir()
