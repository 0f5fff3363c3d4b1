"""Measures a daily run by step and node, beside scripts written by hand that compute the same features and segments.

python -m benchmarks.daily [--customers N] [--rounds N]

The first day is built from the lines, the next one as a daily run; both are whole runs, from the source files to the
release (benchmarks.day). With --rounds the daily run is repeated from the same state, and the one of median cost is
shown. The files, warehouses, logs and results stay in build/bench/<customers>.
"""

import argparse
import sys
from datetime import date
from statistics import median_low

import duckdb

from benchmarks.company import DAY_BEFORE, FIRST_ORDERS, LAST_DATE, SMALLEST, Company
from benchmarks.console import CONSOLE, figures, print_days, print_load, print_nodes, table_of
from benchmarks.day import Day, run_day, run_dbt
from benchmarks.handwritten import InPolars, InSql, Script
from benchmarks.measure import Cost
from benchmarks.nodes import NodeCost
from flows.steps import dbt
from flows.steps.window import Window

# The script computes neither the forecasts nor the units of fits, which are features as well.
ONLY_OURS = (
    *("customer_repeats", "repeat_patterns", "value_parameters", "pattern_expectations", "customer_expectations"),
    *("backtest_repeats", "backtest_patterns", "backtest_parameters", "backtest_pattern_expectations"),
    *("backtest_expectations", "category_buyers", "feature_units"),
)
# The models of segmentations are views: the first to read them is raw_segment_entries, which also compares each
# customer's segments with those of the day before.
READS_SEGMENTS = ("segment_states", "raw_segment_entries")
# What is measured of customers on a day, from stored customer days.
MEASURES = ("measured_days", "measure_changes")
FROM_LINES = ("customer_days", "customer_category_days")

FIRST, DAILY = "first day", "daily run"


def is_compared(node: NodeCost) -> bool:
    """Whether the script computes what the node does."""
    if node.name in READS_SEGMENTS:
        return True
    return node.layer in ("features", "segmentations") and node.name not in ONLY_OURS


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.daily", description="What a daily run costs.")
    parser.add_argument("--customers", type=int, default=100_000, metavar="N", help="a multiple of 100")
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="daily runs, of which the median is shown")
    parser.add_argument("--alone", action="store_true", help="without the hand-written scripts")
    given = parser.parse_args()
    if given.customers < SMALLEST or given.customers % SMALLEST:
        parser.error("--customers must be a multiple of 100")
    print_load()
    company = Company(given.customers)
    lines = duckdb.read_parquet(str(company.files / "transactions.parquet")).count("*").fetchone()[0]
    CONSOLE.print(f"{company.customers:,} customers, {lines:,} lines")
    days: dict[str, Day] = {}
    scripts: list[Script] = [] if given.alone else [InSql(company), InPolars(company)]
    written: dict[str, dict[str, dict[str, Cost]]] = {}
    differing: dict[str, int] = {}
    for name, day, first, rounds in (
        (FIRST, DAY_BEFORE, FIRST_ORDERS, 1),
        (DAILY, LAST_DATE, LAST_DATE, given.rounds),
    ):
        days[name] = median_day(company, day, rounds)
        written[name] = {}
        for script in scripts:
            costs = {"customer days": script.days(first, day), "features and segments": script.features(day)}
            written[name][script.name] = costs
            differing |= {f"{name}, {script.name}: {what}": n for what, n in script.differing_rows(day).items()}
    print_days(days)
    print_nodes(days)
    if scripts:
        print_handwritten(days, written, differing)
        print_incremental(company, days[FIRST])
    return 1 if any(differing.values()) else 0


def median_day(company: Company, day: date, rounds: int) -> Day:
    """Run a day so many times from the same state, and return the run of median CPU."""
    if rounds > 1:
        company.keep()
    runs = []
    for number in range(rounds):
        if number:
            company.back()
        runs.append(run_day(company.folder, Window(day, day, DAY_BEFORE), company.variables))
        spent = runs[-1].whole
        CONSOLE.print(f"{day}: {spent.wall:,.0f} s, {spent.cpu:,.0f} s of CPU, {spent.peak:,.0f} MiB")
    middle = median_low([run.whole.cpu for run in runs])
    return next(run for run in runs if run.whole.cpu == middle)


def print_handwritten(
    days: dict[str, Day], written: dict[str, dict[str, dict[str, Cost]]], differing: dict[str, int]
) -> None:
    """Print the models beside the scripts, and how many rows of them differ."""
    table = table_of("Features and segments", "", "wall s", "CPU s", "peak MiB", "models' CPU over it")
    for name, day in days.items():
        ours = day.cost_of(is_compared)
        table.add_row(f"{name}: models", *figures(ours), "")
        for script, costs in written[name].items():
            whole = sum(costs.values(), Cost(0.0, 0.0, 0.0))
            table.add_row(f"{name}: {script}", *figures(whole), f"{ours.cpu / whole.cpu:.2f}")
            for what, cost in costs.items():
                table.add_row(f"  {what}", *figures(cost), "")
        table.add_section()
    CONSOLE.print(table)
    told = ", ".join(f"{name} {rows:,}" for name, rows in differing.items())
    CONSOLE.print(f"Rows that only the models or only a script has: {told}")


def print_incremental(company: Company, first: Day) -> None:
    """Print what carrying measures on costs beside measuring everybody, on the last day, which is built."""
    full, carried = (measures(company, incremental) for incremental in (False, True))
    from_lines = first.cost_of(lambda node: node.name in FROM_LINES)
    table = table_of("Measures of a day", "", "wall s", "CPU s", "peak MiB")
    table.add_row("carried on", *figures(carried))
    table.add_row("everybody", *figures(full))
    table.add_row("ratio, from stored customer days", "", f"{carried.cpu / full.cpu:.2f}", "")
    table.add_row("ratio, from the lines", "", f"{carried.cpu / (full + from_lines).cpu:.2f}", "")
    CONSOLE.print(table)


def measures(company: Company, incremental: bool) -> Cost:
    """Measure customers on the last day once more."""
    project = company.project
    project.overrides["incremental_features"] = incremental
    arguments = dbt.dbt_arguments("run", project, select=MEASURES)
    _, nodes = run_dbt(arguments, project, Window(LAST_DATE, LAST_DATE, DAY_BEFORE), company.folder)
    return sum((Cost(node.wall, node.cpu, node.peak) for node in nodes if node.name in MEASURES), Cost(0, 0, 0))


if __name__ == "__main__":
    sys.exit(main())
