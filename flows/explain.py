"""Why a customer is in their segments: python -m flows.explain --customer ID [--as-of DATE] [--vars YAML]."""

import argparse
import sys
from datetime import date

from rich.table import Table
from rich.text import Text

from flows.rules.explain import Explanation, explain
from flows.steps.command import run_command
from flows.steps.console import DataConsole, plain
from flows.steps.project import Project


def main() -> int:
    """Print the explanations."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.explain", description="Why a customer is in their segments on a day of the history."
    )
    parser.add_argument("--customer", required=True, metavar="ID", help="the customer's key")
    parser.add_argument(
        "--as-of", type=date.fromisoformat, metavar="DATE", help="a day (YYYY-MM-DD); without it that of the release"
    )
    parser.add_argument("--vars", metavar="YAML", help="dbt vars, as for flows.daily")
    arguments = parser.parse_args()

    def said() -> str:
        return explanation_of(arguments.customer, arguments.as_of, Project.with_vars(arguments.vars).checked())

    return run_command(said)


def explanation_of(customer: str, as_of: date | None = None, project: Project | None = None) -> str:
    """The explanations of a customer on a day, as text for people."""
    day, explanations = explain(project or Project(), customer, as_of)
    console = DataConsole(width=120 if not sys.stdout.isatty() else None, record=True, file=sys.stderr)
    with console.capture() as capture:
        console.print(Text(plain(f"Customer {customer} on {day}"), style="bold"))
        for explanation in explanations:
            console.print(_table(explanation))
    return capture.get().rstrip()


def _table(explanation: Explanation) -> Table:
    reasons, spell = explanation.reasons, explanation.spell
    table = Table(
        title=f"\n{reasons['segmentation']}: {reasons['segment']}",
        title_justify="left",
        show_header=False,
        box=None,
        padding=(0, 2, 0, 0),
    )
    table.add_column(no_wrap=True, style="dim")
    table.add_column()
    since = f"{spell['valid_from']}, {spell['entry_reason']}"
    rows = {
        "since": since + (f" (from {spell['previous_segment']})" if spell["previous_segment"] else ""),
        "until": f"{spell['valid_to']}, {spell['exit_reason']}" if spell["exit_reason"] else None,
        "waiting": None
        if reasons["segment"] == reasons["rule_segment"]
        else f"the rules say {reasons['rule_segment']} now; it counts once it has held",
        "because": reasons["deciding_clauses"] or "no rule holds",
        "values": reasons["clause_values"],
        "missed": reasons["missed_rules"],
        "fit": f"{reasons['fit']:.2f}",
        "nearest": reasons["nearest_segment"] and f"{reasons['nearest_segment']}{_change(reasons)}",
        "rules": reasons["rule_version"],
    }
    for name, text in rows.items():
        if text:
            table.add_row(name, str(text))
    return table


def _change(reasons: dict) -> str:
    if reasons["nearest_segment"] == reasons["rule_segment"]:
        return ", where the rules put them already"
    if reasons["change_feature"] is None:
        return ", by no change of a single feature"
    before = reasons["change_from"] or "missing"
    return f", if {reasons['change_feature']} were {reasons['change_to']} instead of {before}"


if __name__ == "__main__":
    sys.exit(main())
