"""The backfill flow: build a period, in chunks, and release it.

python -m flows.backfill --first DATE [--last DATE] [--vars YAML] [--accept CODE ... --reason TEXT]
python -m flows.backfill --restate --first DATE [--last DATE] --reason TEXT [--vars YAML] [--accept CODE ...]
"""

import argparse
import sys
from datetime import date

from flows.steps.acceptance import acceptance
from flows.steps.api import call_flow
from flows.steps.command import run_command
from flows.steps.errors import RunStopped
from flows.steps.pipeline import CONSOLE, Job, run_flow
from flows.steps.project import Project
from flows.steps.restatement import Restatement
from flows.steps.watch import flow
from flows.steps.window import resolve_backfill, resolve_restatement


@flow("backfill")
def backfill(
    first: date,
    last: date | None = None,
    restate: bool = False,
    reason: str | None = None,
    vars: str | None = None,
    accept: list[str] | None = None,
    accept_reason: str | None = None,
) -> str:
    """Build, check and release the days from `first` on; returns the release.

    Args:
        first: the first day to build.
        last: the last day to build; without it the newest complete day of the sources, or the last published one.
        restate: rewrite days that are published. Days after `last` follow from it and are built again too.
        reason: why they are rewritten; ops_restatements shows it.
        vars: dbt vars that differ from dbt_project.yml, as YAML.
        accept: codes of checks that do not stop this run if they fail; only those that ask whether data are plausible.
        accept_reason: why; ops_runs and the report show it.
    """
    accepted = acceptance(accept, accept_reason)
    if reason and not restate:
        raise RunStopped(
            "--reason explains why published days are rewritten or checks are let through: add --restate or "
            "--accept CODE, or leave it out."
        )
    if restate and not (reason and reason.strip()):
        raise RunStopped('Say why published days are rewritten: --reason "..."; ops_restatements will show it.')

    def find(project: Project) -> Job:
        if not restate:
            return Job(resolve_backfill(project, first, last), "backfill")
        window = resolve_restatement(project, first, last)
        if last and last < window.last:
            CONSOLE.print(f"The days after {last} follow from it: they are built again too, up to {window.last}.")
        restatement = Restatement(project.warehouse, reason.strip(), first, last or window.last)
        return Job(window, "restate", restatement)

    return run_flow("restate" if restate else "backfill", vars, find, accepted)


def main() -> int:
    """Run the flow from the command line."""
    parser = argparse.ArgumentParser(prog="python -m flows.backfill", description="Build a period.")
    parser.add_argument("--first", type=date.fromisoformat, metavar="DATE", required=True, help="first day to build")
    parser.add_argument("--last", type=date.fromisoformat, metavar="DATE", help="last day to build")
    parser.add_argument("--restate", action="store_true", help="rewrite published days")
    parser.add_argument(
        "--reason", metavar="TEXT", help="why published days are rewritten, or why a check is let through"
    )
    parser.add_argument(
        "--accept", metavar="CODE", action="append", help="a check that does not stop this run; can be given repeatedly"
    )
    parser.add_argument("--vars", metavar="YAML", help="dbt vars, such as '{sources: [files], files_folder: data}'")
    given = vars(parser.parse_args())
    # One reason serves both.
    parameters = given | {"accept_reason": given["reason"] if given["accept"] else None}
    if given["accept"] and not given["restate"]:
        parameters["reason"] = None
    return run_command(lambda: call_flow(backfill, **parameters))


if __name__ == "__main__":
    sys.exit(main())
