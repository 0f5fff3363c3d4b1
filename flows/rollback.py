"""Go back to an earlier release.

    python -m flows.rollback [--to RELEASE]

The next daily run begins after the day of the release that is current then.
"""

import argparse
import sys

from flows.steps.command import run_command
from flows.steps.lock import warehouse_lock
from flows.steps.project import Project
from flows.steps.release import roll_back


def rollback(to: str | None = None) -> str:
    """Make the release before the current one, or the one named `to`, the current one."""
    project = Project()
    with warehouse_lock(project.warehouse):
        return f"Readers now see {roll_back(project.serving, to)}"


def main() -> int:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(prog="python -m flows.rollback", description="Go back to an earlier release.")
    parser.add_argument("--to", metavar="RELEASE", help="name of the release; without it the one before the current")
    arguments = parser.parse_args()
    return run_command(lambda: rollback(arguments.to))


if __name__ == "__main__":
    sys.exit(main())
