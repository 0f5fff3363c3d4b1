"""The backfill flow: build a period again, in chunks, and release it.

python -m flows.backfill --first DATE [--last DATE] [--vars YAML]
"""

import argparse
import sys
from datetime import date

from prefect import flow

from flows.steps.api import call_flow
from flows.steps.command import run_command
from flows.steps.pipeline import run_window
from flows.steps.project import Project
from flows.steps.window import resolve_backfill


@flow(name="backfill", log_prints=False)
def backfill(first: date, last: date | None = None, vars: str | None = None) -> str:
    """Build, check and release the days from `first` on; returns the release.

    History after `first` is forgotten and built anew, so `last` is at least the last published day.

    Args:
        first: the first day to build.
        last: the last day to build; without it the newest complete day of the sources.
        vars: dbt vars that differ from dbt_project.yml, as YAML.
    """
    project = Project.with_vars(vars)
    return run_window(project, resolve_backfill(project, first, last), "backfill")


def main() -> int:
    """Run the flow from the command line."""
    parser = argparse.ArgumentParser(prog="python -m flows.backfill", description="Build a period again.")
    parser.add_argument("--first", type=date.fromisoformat, metavar="DATE", required=True, help="first day to build")
    parser.add_argument("--last", type=date.fromisoformat, metavar="DATE", help="last day to build")
    parser.add_argument("--vars", metavar="YAML", help="dbt vars, such as '{sources: [files], files_folder: data}'")
    arguments = parser.parse_args()
    return run_command(lambda: call_flow(backfill, first=arguments.first, last=arguments.last, vars=arguments.vars))


if __name__ == "__main__":
    sys.exit(main())
