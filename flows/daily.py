"""The daily flow: resolve the window, build, check, release, summarise.

python -m flows.daily [--as-of DATE] [--vars YAML] [--accept CODE ... --reason TEXT]
"""

import argparse
import sys
from datetime import date

from flows.steps.acceptance import acceptance
from flows.steps.api import call_flow
from flows.steps.command import run_command
from flows.steps.pipeline import CONSOLE, Job, run_flow, tidy
from flows.steps.project import Project
from flows.steps.watch import flow
from flows.steps.window import published_date, resolve_release, resolve_window


@flow("daily")
def daily(
    as_of: date | None = None,
    vars: str | None = None,
    accept: list[str] | None = None,
    accept_reason: str | None = None,
) -> str:
    """Build, check and release every day after the last published one; returns the release, or why there is none.

    Where there is no such day and readers see no release, what was released last is released once more.

    Args:
        as_of: the last day to build; without it the newest complete day of the sources.
        vars: dbt vars that differ from dbt_project.yml, as YAML.
        accept: codes of checks that do not stop this run if they fail; only those that ask whether data are plausible.
        accept_reason: why; ops_runs and the report show it.
    """
    accepted = acceptance(accept, accept_reason)

    def find(project: Project) -> Job | str:
        window = resolve_window(project, as_of, report=CONSOLE.print)
        if window:
            return Job(window, "daily" if window.days == 1 else "catch-up")
        tidy(project)
        if published_date(project) is None:
            return Job(resolve_release(project), "release")
        return "Nothing to do: every complete day of the sources is published."

    return run_flow("daily", vars, find, accepted)


def main() -> int:
    """Run the flow from the command line."""
    parser = argparse.ArgumentParser(prog="python -m flows.daily", description="Build, check and release new days.")
    parser.add_argument("--as-of", type=date.fromisoformat, metavar="DATE", help="last day to build (YYYY-MM-DD)")
    parser.add_argument("--vars", metavar="YAML", help="dbt vars, such as '{sources: [files], files_folder: data}'")
    parser.add_argument(
        "--accept", metavar="CODE", action="append", help="a check that does not stop this run; can be given repeatedly"
    )
    parser.add_argument("--reason", metavar="TEXT", help="why it is let through; ops_runs and the report show it")
    given = parser.parse_args()
    parameters = {"as_of": given.as_of, "vars": given.vars, "accept": given.accept, "accept_reason": given.reason}
    return run_command(lambda: call_flow(daily, **parameters))


if __name__ == "__main__":
    sys.exit(main())
