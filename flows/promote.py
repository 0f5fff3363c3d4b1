"""Make a challenger the active segmentation: python -m flows.promote CHALLENGER."""

import argparse
import sys
from pathlib import Path

from flows.rules.promote import promote
from flows.steps.command import run_command
from flows.steps.project import ROOT


def main() -> int:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.promote",
        description="Make a challenger the active segmentation, and the active one its challenger, in the YAML files.",
    )
    parser.add_argument("challenger", metavar="CHALLENGER", help="name of the challenger, such as seg_value_by_spend")
    arguments = parser.parse_args()
    return run_command(lambda: promoted(arguments.challenger))


def promoted(challenger: str, root: Path = ROOT) -> str:
    """Promote a challenger; what was changed and what to do next, as text for people."""
    done = promote(challenger, root)
    changes = [f"  {path}: {change}" for path, told in done.changes.items() for change in told]
    return "\n".join(
        [
            f"{done.promoted} is the active segmentation now, and {done.challenged} challenges it:",
            *changes,
            "Both keep their rules, so the history of both continues.",
            "",
            "Next:",
            "  1. Review the diff: git diff",
            "  2. See what it changes before it is merged: python -m flows.plan",
            f"  3. The column {done.challenged} of dim_customers gives way to {done.promoted}: tell its readers, and "
            "write it into CHANGELOG.md and tests/python/promised_columns.yml.",
            "  4. If offers are to follow it, set vars: cross_sell_segmentation.",
            "  5. Commit. The next run builds it.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
