"""Rewrites published days on a copy of the warehouse, which takes its place when its release is ready.

So a restatement that fails or is killed leaves the history that the next daily run builds on as it was, and the two
can be compared while both are there.
"""

import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from flows.steps.operations_log import read_runs
from flows.steps.release import make_current, waiting_release
from flows.steps.window import Window

FOLDER = "restating"


@dataclass(frozen=True)
class Restatement:
    """Published days that are rewritten on purpose.

    Attributes:
        published: the warehouse whose history is rewritten.
        first: the first day asked for.
        last: the last day asked for; days after it that are published follow from it and are built again too.
        reason: why, in the words of who asked for it.
    """

    published: Path
    first: date
    last: date
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
        """What ops_restatements has to know while the days of a window are rewritten."""
        return {
            "TESSERA_RESTATE_RUN": run_id,
            "TESSERA_RESTATE_REASON": self.reason,
            "TESSERA_RESTATE_FIRST": str(self.first),
            "TESSERA_RESTATE_LAST": str(self.last),
            "TESSERA_RESTATE_REBUILT_TO": str(window.last),
            "TESSERA_RESTATE_PUBLISHED": str(self.published),
        }


def finish_switch(warehouse: Path, serving: Path) -> None:
    """Let readers see the release of a restatement that was killed when its copy had become the warehouse already.

    Raises:
        duckdb.Error: the warehouse cannot be read.
    """
    waiting = waiting_release(serving)
    if waiting is None or (warehouse.parent / FOLDER / warehouse.name).exists() or not warehouse.is_file():
        return
    # The copy's log of runs says that it was releasing; that of the warehouse before it does not know.
    restated = [run for run in read_runs(warehouse) if run.kind == "restate" and run.status == "releasing"]
    if any(waiting.name == f"{run.last_as_of_date}-{run.run_id}" for run in restated):
        make_current(serving)


def discard_copy(warehouse: Path) -> None:
    """Remove the copy of a restatement that ended, however it did."""
    shutil.rmtree(warehouse.parent / FOLDER, ignore_errors=True)
