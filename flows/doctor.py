"""Look the project over and say what is wrong and what to do: python -m flows.doctor [--json] [--deep] [--vars YAML].

Changes nothing, and can be asked while a run is under way. Ends with status 1 where it finds an error.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from rich.table import Table
from rich.text import Text

from flows.steps.command import run_command
from flows.steps.console import DataConsole
from flows.steps.doctor import Facts, Finding, examine
from flows.steps.project import Project

STYLES = {"ok": "green", "warning": "yellow", "error": "bold red"}


def main() -> int:
    """Print the findings."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.doctor", description="What is wrong with the project, its warehouse and its releases."
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument(
        "--deep", action="store_true", help="read every block of the warehouse, and every file of all releases"
    )
    parser.add_argument("--vars", metavar="YAML", help="dbt vars, as for flows.daily")
    arguments = parser.parse_args()
    findings: list[Finding] = []

    def look() -> str:
        project = Project.with_vars(arguments.vars) if arguments.vars else Project()
        findings.extend(examine(Facts(project, deep=arguments.deep)))
        return as_json(findings) if arguments.json else as_text(findings)

    stopped = run_command(look)
    return max(stopped, int(any(finding.state == "error" for finding in findings)))


def as_json(findings: Sequence[Finding]) -> str:
    """The findings as a JSON list."""
    return json.dumps([asdict(finding) for finding in findings], indent=2)


def as_text(findings: Sequence[Finding]) -> str:
    """The findings as a table for people."""
    console = DataConsole(width=None if sys.stdout.isatty() else 140, force_terminal=sys.stdout.isatty())
    table = Table()
    table.add_column("check", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("found", ratio=3, overflow="fold")
    table.add_column("what to do", ratio=2, overflow="fold")
    previous = None
    for finding in findings:
        state = finding.state if finding.state == "ok" else f"{finding.state}: {finding.code}"
        table.add_row(
            "" if finding.check == previous else finding.check,
            Text(state, style=STYLES[finding.state]),
            finding.found,
            finding.remedy,
        )
        previous = finding.check
    with console.capture() as capture:
        console.print(table)
    return capture.get().rstrip()


if __name__ == "__main__":
    sys.exit(main())
