"""Go back to an earlier release.

    python -m flows.rollback [--to RELEASE]

The next daily run begins after the day of the release that is current then. It goes on from the warehouse as it is:
what a restatement rewrote is not taken back.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress

import duckdb

from flows.steps.command import run_command
from flows.steps.lock import warehouse_lock
from flows.steps.operations_log import Run, read_runs
from flows.steps.pipeline import tidy
from flows.steps.project import Project, shown
from flows.steps.release import current_release, roll_back
from flows.steps.rewrite import how_to_restate_back, restated_since
from flows.steps.run import log_rollback


def rollback(to: str | None = None) -> str:
    """Make the release before the current one, or the one named `to`, the current one."""
    project = Project()
    with warehouse_lock(project.warehouse):
        # What a run that was killed had released counts as released, before readers see another release.
        tidy(project)
        runs = _runs(project)
        release = roll_back(project.serving, to)
        log_rollback(project, release)
    restated = restated_since(runs, release)
    return "\n".join([f"Readers now see {shown(release)}", *([_warning(restated)] if restated else [])])


def _runs(project: Project) -> list[Run]:
    """The runs by the warehouse or, where somebody holds it or it is lost, by the release that readers see."""
    current = current_release(project.serving)
    logs = [(project.warehouse, "operations.runs")]
    logs += [(current / "tessera.duckdb", "marts.ops_runs")] if current else []
    for database, table in logs:
        with suppress(duckdb.Error):
            if database.is_file():
                return read_runs(database, table)
    return []


def _warning(restated: Sequence[Run]) -> str:
    days = ", ".join(f"{run.first_as_of_date} to {run.last_as_of_date} (run {run.run_id})" for run in restated)
    return (
        f"warning: The warehouse keeps what was restated after that release: {days}. The next run that releases a new "
        "day builds on it, and readers see the restated days again. To take them back, mend the cause and restate once "
        f"more before that run: {how_to_restate_back(restated)}"
    )


def main() -> int:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(prog="python -m flows.rollback", description="Go back to an earlier release.")
    parser.add_argument("--to", metavar="RELEASE", help="name of the release; without it the one before the current")
    arguments = parser.parse_args()
    return run_command(lambda: rollback(arguments.to))


if __name__ == "__main__":
    sys.exit(main())
