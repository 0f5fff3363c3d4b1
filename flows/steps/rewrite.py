"""Rewrites the published history on a copy of the warehouse, which takes its place when its release is ready.

So a rewrite that fails or is killed leaves the history that the next daily run builds on as it was, and the two can be
compared while both are there.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import duckdb

from flows.steps.operations_log import read_runs
from flows.steps.release import make_current, waiting_release
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
        with duckdb.connect(str(self.published)) as connection:
            connection.checkpoint()
        self.copy.parent.mkdir()
        shutil.copyfile(self.published, self.copy)

    def take_over(self) -> None:
        """Put the copy in the place of the published warehouse."""
        self.copy.replace(self.published)
        discard_copy(self.published)

    def environment(self, run_id: str, window: Window) -> dict[str, str]:
        """What dbt has to know of it while the days of a window are built."""
        return {}

    @property
    def note(self) -> str | None:
        """What ops_runs says of it once it is released."""
        return None


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
    if any(waiting.name == f"{run.last_as_of_date}-{run.run_id}" for run in rewritten):
        make_current(serving)


def discard_copy(warehouse: Path) -> None:
    """Remove the copy of a rewrite that ended, however it did."""
    shutil.rmtree(warehouse.parent / FOLDER, ignore_errors=True)
