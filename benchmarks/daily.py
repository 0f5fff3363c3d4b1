"""Measures a daily run by step and node, beside hand-written DuckDB SQL that computes the same features and segments.

python -m benchmarks.daily [--customers N] [--rounds N]

The first day is built from the lines, the next one as a daily run; both are whole runs, from the source files to the
release (benchmarks.day). With --rounds the daily run is repeated from the same state, and the one of median cost is
shown. The files, warehouses, logs and results stay in build/bench/<customers>.
"""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from statistics import median_low

import duckdb

from benchmarks import measure
from benchmarks.company import DAY_BEFORE, FIRST_ORDERS, LAST_DATE, SMALLEST, Company
from benchmarks.console import CONSOLE, figures, print_days, print_load, print_nodes, table_of
from benchmarks.day import Day, run_day, run_dbt
from benchmarks.measure import Cost
from benchmarks.nodes import NodeCost
from benchmarks.run_sql import run_sql
from flows.steps import dbt
from flows.steps.window import Window

HERE = Path(__file__).resolve().parent
SLICE_DAYS = 60

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


class Handwritten:
    """The hand-written script on the same files."""

    def __init__(self, company: Company) -> None:
        """Begin with an empty database."""
        self.company = company
        self.database = company.folder / "handwritten.duckdb"
        self.database.unlink(missing_ok=True)

    def days(self, first: date, last: date) -> Cost:
        """Append customer days from the lines."""
        options = ("--days", str(first), str(last), str(SLICE_DAYS))
        return self._run(HERE / "handwritten_days.sql", *options)

    def features(self, day: date) -> Cost:
        """Compute features and segments from customer days."""
        return self._run(HERE / "handwritten.sql", "--set", f"as_of_date=date '{day}'")

    def differing_rows(self, day: date) -> dict[str, int]:
        """How many rows of features and of segments only the models have, or only the script."""
        # In a process of its own: the peaks of later child processes begin at the memory of this one.
        with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
            return pool.submit(differing_rows, self.database, self.company.project.warehouse, day).result()

    def _run(self, script: Path, *options: str) -> Cost:
        command = run_sql(str(self.database), script, *options)
        return measure.run(command, self.company.folder / "logs" / f"{script.stem}.log", self.company.files)


def differing_rows(database: Path, warehouse: Path, day: date) -> dict[str, int]:
    """How many rows of features and of segments only one of the script's database and the warehouse has."""
    with duckdb.connect() as connection:
        connection.execute("set enable_progress_bar = false")
        connection.execute(f"attach '{database}' as handwritten (read_only)")
        # Views name the warehouse as the file is called.
        connection.execute(f"attach '{warehouse}' as warehouse (read_only)")
        connection.execute("use warehouse")
        names = connection.table("handwritten.main.features").columns
        columns = ", ".join(names)
        segmentations = connection.table("handwritten.main.segments").columns[1:]
        pairs = {
            "features": (
                f"select {columns} from warehouse.features.customer_features where as_of_date = date '{day}'",
                f"select {columns} from handwritten.main.features",
            ),
            "segments": (
                "select segmentation, customer_id, segment from warehouse.history.segment_states "
                f"where as_of_date = date '{day}'",
                " union all ".join(
                    f"select '{name}', customer_id, {name} from handwritten.main.segments" for name in segmentations
                ),
            ),
        }
        differing = {}
        for name, (ours, theirs) in pairs.items():
            either = f"({ours} except all ({theirs})) union all (({theirs}) except all {ours})"
            differing[name] = connection.execute(f"select count(*) from ({either})").fetchone()[0]
        return differing


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.daily", description="What a daily run costs.")
    parser.add_argument("--customers", type=int, default=100_000, metavar="N", help="a multiple of 100")
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="daily runs, of which the median is shown")
    parser.add_argument("--alone", action="store_true", help="without the hand-written script")
    given = parser.parse_args()
    if given.customers < SMALLEST or given.customers % SMALLEST:
        parser.error("--customers must be a multiple of 100")
    print_load()
    company = Company(given.customers)
    lines = duckdb.read_parquet(str(company.files / "transactions.parquet")).count("*").fetchone()[0]
    CONSOLE.print(f"{company.customers:,} customers, {lines:,} lines")
    days: dict[str, Day] = {}
    script = None if given.alone else Handwritten(company)
    written: dict[str, dict[str, Cost]] = {}
    differing: dict[str, int] = {}
    for name, day, first, rounds in (
        (FIRST, DAY_BEFORE, FIRST_ORDERS, 1),
        (DAILY, LAST_DATE, LAST_DATE, given.rounds),
    ):
        days[name] = median_day(company, day, rounds)
        if script:
            written[name] = {"customer days": script.days(first, day), "features and segments": script.features(day)}
            differing |= {f"{name}: {what}": rows for what, rows in script.differing_rows(day).items()}
    print_days(days)
    print_nodes(days)
    if script:
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


def print_handwritten(days: dict[str, Day], written: dict[str, dict[str, Cost]], differing: dict[str, int]) -> None:
    """Print the models beside the script, and how many rows of both differ."""
    table = table_of("Features and segments", "", "wall s", "CPU s", "peak MiB", "CPU over script")
    for name, day in days.items():
        ours, theirs = day.cost_of(is_compared), sum(written[name].values(), Cost(0.0, 0.0, 0.0))
        table.add_row(f"{name}: models", *figures(ours), f"{ours.cpu / theirs.cpu:.2f}")
        for what, cost in written[name].items():
            table.add_row(f"{name}: script, {what}", *figures(cost), "")
        table.add_section()
    CONSOLE.print(table)
    told = ", ".join(f"{name} {rows:,}" for name, rows in differing.items())
    CONSOLE.print(f"Rows that only the models or only the script has: {told}")


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
