"""Measures a daily run beside a hand-written DuckDB script that computes the same features and segments.

python -m benchmarks.daily [--customers N] [--only {models,backfill,orchestration}] [--backfill-days N]

Every step is a process of its own; its wall time, CPU time (user and system) and peak memory are those that the
operating system counts for it. What dbt itself costs, everything but SQL, is what the very same step costs with 100
customers: the rest is called SQL here. The files, warehouses and logs stay in build/bench/.
"""

import argparse
import json
import os
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, timedelta
from multiprocessing import get_context
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from benchmarks import measure
from benchmarks.measure import ROOT, Cost
from flows.steps import dbt
from flows.steps.project import Project
from flows.steps.window import Window

HERE = Path(__file__).resolve().parent
FOLDER = ROOT / "build" / "bench"
FIRST_ORDERS, LAST_DATE = date(2016, 1, 2), date(2017, 12, 31)
DAY_BEFORE = LAST_DATE - timedelta(days=1)
SLICE_DAYS = 60
FEW_CUSTOMERS = 100

# What the hand-written script computes too: not the fits of expected sales and the units of fits, which are features as
# well. The models of segmentations are views: the first to read them is raw_segment_entries, which also compares each
# customer's segments with those of the day before.
COMPARED = (
    *("customer_category_days", "late_customer_days", "customer_days"),
    *("measured_days", "measure_changes", "customer_measures", "customer_measures_history"),
    *("score_cut_points", "customer_features", "customer_features_history"),
    *("path:models/segmentations", "segment_states", "raw_segment_entries"),
)
COMPARED_STEP = "features and segments"

CONSOLE = Console(highlight=False, width=None if sys.stdout.isatty() else 130)


@dataclass(frozen=True)
class Step:
    """A call of dbt: its name, command, and the nodes it selects and leaves out."""

    name: str
    command: str
    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


# What is measured of customers on a day, from stored customer days.
MEASURES = Step("measures", "run", select=("measured_days", "measure_changes"))
CUSTOMER_DAYS = ("customer_days", "customer_category_days")
INPUTS = Step("inputs", "build", select=dbt.INPUTS)
# A part of a backfill that is not its last, and one that is.
PART = Step("part of a backfill", "run", select=dbt.EVERY_DAY, exclude=dbt.INPUTS)
LAST_PART = Step("last part of a backfill", "run", exclude=dbt.INPUTS)
# As the flow calls dbt, and in smaller steps.
FLOW_STEPS = (INPUTS, Step("models", "build", exclude=dbt.INPUTS))
STEPS = (
    INPUTS,
    Step(COMPARED_STEP, "run", select=COMPARED),
    Step("history and marts", "run", exclude=(*dbt.INPUTS, *COMPARED)),
    Step("tests", "test", exclude=(*dbt.INPUTS, "test_type:unit")),
)


@dataclass(frozen=True)
class Build:
    """What the steps of building one day cost.

    Attributes:
        costs: by step.
        seconds: of every node, by name.
        rows: of every table after the build, by name.
    """

    costs: dict[str, Cost]
    seconds: dict[str, float]
    rows: dict[str, int]


class Models:
    """The project on generated files, in a warehouse of its own."""

    def __init__(self, customers: int, history_start: date = DAY_BEFORE) -> None:
        """Generate the files, unless they are there, and begin with an empty warehouse."""
        self.customers = customers
        self.folder = FOLDER / str(customers)
        self.project = Project(
            overrides={
                "sources": ["files"],
                "files_folder": str(self.folder.relative_to(ROOT) / "files"),
                "history_start": str(history_start),
            },
            warehouse=self.folder / "warehouse.duckdb",
        )
        self._generate()
        self.project.warehouse.unlink(missing_ok=True)

    @property
    def files(self) -> Path:
        """The folder of the Parquet files."""
        return self.folder / "files"

    def _generate(self) -> None:
        if self.files.exists():
            return
        half_done = self.folder / "half-done"
        shutil.rmtree(half_done, ignore_errors=True)
        half_done.mkdir(parents=True)
        command = run_sql(":memory:", HERE / "generate.sql", "--set", f"customers={self.customers}")
        cost = measure.run(command, self.folder / "generate.log", half_done)
        half_done.rename(self.files)
        if self.customers != FEW_CUSTOMERS:
            CONSOLE.print(f"Generated {self.customers:,} customers in {cost.wall:.0f} s.")

    def run(
        self, day: date, step: Step, first: date | None = None, **variables: object
    ) -> tuple[Cost, dict[str, float]]:
        """Run one step of building a day, or the days from `first` to it, at times with other vars.

        Returns its cost, and the seconds of its nodes.
        """
        project = replace(self.project, overrides={**self.project.overrides, **variables})
        environment = {
            "TESSERA_WAREHOUSE": str(self.project.warehouse),
            "TESSERA_FIRST_DATE": str(first or day),
            "TESSERA_LAST_DATE": str(day),
            "DBT_TARGET_PATH": str(self.folder / "target"),
            "DBT_LOG_PATH": str(self.folder / "logs"),
        }
        arguments = dbt.dbt_arguments(step.command, project, select=step.select, exclude=step.exclude)
        command = [str(Path(sys.executable).with_name("dbt")), *arguments]
        cost = measure.run(command, self.folder / "logs" / f"{day} {step.name}.log", environment=environment)
        seconds: dict[str, float] = {}
        for result in json.loads((self.folder / "target" / "run_results.json").read_text())["results"]:
            # model.tessera.customer_days; test.tessera.unique_combination_customer_days_<columns>.<hash>
            kind, _, name = result["unique_id"].split(".")[:3]
            name = name.split("__")[0] if kind == "test" else name
            seconds[name] = seconds.get(name, 0.0) + result["execution_time"]
        return cost, seconds

    def rows(self) -> dict[str, int]:
        """Rows of every table, by name."""
        with duckdb.connect(str(self.project.warehouse), read_only=True) as connection:
            tables = connection.execute("select schema_name, table_name from duckdb_tables()").fetchall()
            return {name: connection.table(f"{schema}.{name}").count("*").fetchone()[0] for schema, name in tables}


def build(day: date, *models: Models) -> list[Build]:
    """Build one day of each, step by step in turns, so that what is compared was measured in the same minutes."""
    builds = [Build({}, {}, {}) for _ in models]
    for step in STEPS:
        for project, done in zip(models, builds, strict=True):
            done.costs[step.name], seconds = project.run(day, step)
            for name, value in seconds.items():
                done.seconds[name] = done.seconds.get(name, 0.0) + value
    for project, done in zip(models, builds, strict=True):
        done.rows.update(project.rows())
    return builds


class Handwritten:
    """The hand-written script on the same files."""

    def __init__(self, models: Models) -> None:
        """Begin with an empty database."""
        self.models = models
        self.database = models.folder / "handwritten.duckdb"
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
            return pool.submit(differing_rows, self.database, self.models.project.warehouse, day).result()

    def _run(self, script: Path, *options: str) -> Cost:
        command = run_sql(str(self.database), script, *options)
        return measure.run(command, self.models.folder / "logs" / f"{script.stem}.log", self.models.files)


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


def run_sql(database: str, script: Path, *options: str) -> list[str]:
    """The command that runs a SQL file: with half as much memory again as the models, so that it lacks none."""
    memory = os.environ.get("TESSERA_MEMORY", "3GB")
    return [sys.executable, "-m", "benchmarks.run_sql", database, str(script), "--memory", memory, *options]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.daily", description="What a daily run costs.")
    parser.add_argument("--customers", type=int, default=100_000, metavar="N", help="a multiple of 100")
    parser.add_argument("--only", choices=("models", "backfill", "orchestration"), help="measure one part only")
    parser.add_argument("--backfill-days", type=int, default=90, metavar="N", help="days of the backfill (default 90)")
    arguments = parser.parse_args()
    if arguments.customers < FEW_CUSTOMERS or arguments.customers % 100:
        parser.error("--customers must be a multiple of 100")
    # Times on a machine that others use too say little.
    CONSOLE.print(f"{os.cpu_count()} cores, of which others kept {os.getloadavg()[0]:.1f} busy in the last minute")
    same = True
    if arguments.only in (None, "models"):
        same = measure_models(Models(arguments.customers), Models(FEW_CUSTOMERS))
    if arguments.only in (None, "orchestration"):
        few = Models(FEW_CUSTOMERS)
        for day in (DAY_BEFORE, LAST_DATE):
            build(day, few)
        measure_orchestration(few)
    # Not part of the whole: it takes the better part of an hour.
    if arguments.only == "backfill":
        measure_backfill(arguments.customers, arguments.backfill_days)
    return 0 if same else 1


def measure_models(models: Models, few: Models) -> bool:
    """Print what the models and the script cost; returns whether both gave the same rows."""
    lines = duckdb.read_parquet(str(models.files / "transactions.parquet")).count("*").fetchone()[0]
    CONSOLE.print(f"\n{models.customers:,} customers, {lines:,} lines\n")
    script = Handwritten(models)
    base: dict[date, Build] = {}
    built: dict[date, Build] = {}
    written: dict[date, dict[str, Cost]] = {}
    differing: dict[date, dict[str, int]] = {}
    for day, first in ((DAY_BEFORE, FIRST_ORDERS), (LAST_DATE, LAST_DATE)):
        base[day], built[day] = build(day, few, models)
        written[day] = {"customer days": script.days(first, day), COMPARED_STEP: script.features(day)}
        differing[day] = script.differing_rows(day)
    titles = {DAY_BEFORE: "First build, from the lines", LAST_DATE: "Daily run, from stored customer days"}
    for day, title in titles.items():
        print_costs(f"{title} ({day})", built[day], base[day], written[day])
    print_nodes(built[DAY_BEFORE], built[LAST_DATE], base[LAST_DATE])
    comparison = Table(title="SQL of the models over the hand-written script", title_justify="left")
    for name in ("", "wall", "CPU", "features that differ", "segments that differ"):
        comparison.add_column(name, justify="left" if not name else "right")
    for day, title in titles.items():
        theirs = sum_of(written[day])
        for scope, steps in ((COMPARED_STEP, [COMPARED_STEP]), ("all steps", [step.name for step in STEPS])):
            start = sum_of({name: base[day].costs[name] for name in steps})
            ours = sum_of({name: built[day].costs[name] for name in steps}).beyond(start)
            comparison.add_row(
                f"{title}: {scope}",
                ratio(ours.wall, theirs.wall, start.wall),
                ratio(ours.cpu, theirs.cpu, start.cpu),
                *(f"{differing[day][name]:,}" for name in ("features", "segments")),
            )
    CONSOLE.print(comparison)
    print_incremental(models, few, sum(built[DAY_BEFORE].seconds[name] for name in CUSTOMER_DAYS))
    return not any(count for counts in differing.values() for count in counts.values())


def print_incremental(models: Models, few: Models, customer_days: float) -> Cost:
    """Print what carrying measures on costs beside measuring everybody, on the same day and in turns.

    Returns what measuring everybody cost.

    Args:
        models: the last day is built.
        few: the same with few customers.
        customer_days: seconds that the first build took to make customer days from the lines.
    """
    costs = {}
    # Carried on first: it forgets as little as a run of the next day does.
    for incremental in (True, False):
        (mine, seconds), (base, base_seconds) = (
            each.run(LAST_DATE, MEASURES, incremental_features=incremental) for each in (models, few)
        )
        wall = sum(seconds.values()) - sum(base_seconds.values())
        costs[incremental] = (wall, mine.beyond(base))
    (wall, carried), (full_wall, full) = costs[True], costs[False]
    table = Table(title="\nMeasures of a day: carried on over everybody", title_justify="left")
    for name in ("", "wall s", "CPU s", "peak MiB"):
        table.add_column(name, justify="left" if not name else "right")
    for name, seconds, cost in (("carried on", wall, carried), ("everybody", full_wall, full)):
        table.add_row(name, f"{seconds:.1f}", f"{cost.cpu:.1f}", f"{cost.peak:,.0f}")
    table.add_row("ratio, from stored customer days", f"{wall / full_wall:.2f}", f"{carried.cpu / full.cpu:.2f}", "")
    table.add_row("ratio, from the lines", f"{wall / (full_wall + customer_days):.2f}", "", "")
    CONSOLE.print(table)
    return full


def measure_backfill(customers: int, days: int) -> None:
    """Print what each day of a backfill that ends with LAST_DATE costs beside a run that builds that day in full.

    The day before it is built first, from the lines. A full day measures everybody, from stored customer days.
    """
    before = LAST_DATE - timedelta(days=days)
    models, few = Models(customers, before), Models(FEW_CUSTOMERS, before)
    for each in (models, few):
        each.run(before, INPUTS)
    _, seconds = models.run(before, PART)
    few.run(before, PART)
    window = Window(before + timedelta(days=1), LAST_DATE, before)
    part_days = max(1, int(models.project.vars["chunk_customer_days"]) // customers)
    mine, base = Cost(0.0, 0.0, 0.0), Cost(0.0, 0.0, 0.0)
    *parts, last = window.chunks(part_days)
    for part, step in [*((part, PART) for part in parts), (last, LAST_PART)]:
        cost, nodes = models.run(part.last, step, part.first)
        mine, base = mine + cost, base + few.run(part.last, step, part.first)[0]
        longest = sorted(nodes, key=lambda name: -nodes[name])[:8]
        shown = ", ".join(f"{name} {nodes[name]:.1f}" for name in longest)
        CONSOLE.print(f"{part}: {cost.cpu:,.0f} s of CPU, {cost.peak:,.0f} MiB; {shown}")
    measured = print_incremental(models, few, sum(seconds[name] for name in CUSTOMER_DAYS))
    full, base_full = (each.run(LAST_DATE, LAST_PART, incremental_features=False)[0] for each in (models, few))
    table = Table(
        title=f"\nA backfill of {days} days in parts of {part_days}, {customers:,} customers: what a day costs",
        title_justify="left",
    )
    for name in ("", "wall s", "CPU s", "over a full day (CPU)", "peak MiB"):
        table.add_column(name, justify="left" if not name else "right")
    whole = full.beyond(base_full)
    for name, cost, over in (
        ("a full day: measures, segments, history and marts, SQL", whole, 1),
        ("of it the measures of everybody", measured, 1),
        ("a day of the backfill, SQL", mine.beyond(base), days),
        ("a day of the backfill, dbt included", mine, days),
    ):
        share = f"{cost.cpu / over / whole.cpu:.2f}"
        table.add_row(name, f"{cost.wall / over:.1f}", f"{cost.cpu / over:.1f}", share, f"{cost.peak:,.0f}")
    CONSOLE.print(table)


def ratio(ours: float, theirs: float, start: float) -> str:
    """Ours over theirs, or that ours is too little to tell from what was taken off."""
    return f"{ours / theirs:.2f}" if ours > start / 2 else "within noise"


def sum_of(costs: dict[str, Cost]) -> Cost:
    """The cost of all, one after the other."""
    return sum(costs.values(), Cost(0.0, 0.0, 0.0))


def print_costs(title: str, build: Build, base: Build, written: dict[str, Cost]) -> None:
    """Print what the steps of a build and of the script cost."""
    table = Table(title=f"\n{title}", title_justify="left", caption_justify="left")
    for name in ("", "wall s", "CPU s", "peak MiB", "SQL wall s", "SQL CPU s"):
        table.add_column(name, justify="left" if not name else "right")

    def add(name: str, cost: Cost, sql: Cost, last: bool = False) -> None:
        values = (cost.wall, cost.cpu, cost.peak, sql.wall, sql.cpu)
        texts = (f"{value:,.0f}" if value is cost.peak else f"{value:,.1f}" for value in values)
        table.add_row(name, *texts, end_section=last)

    for name, cost in build.costs.items():
        add(f"dbt: {name}", cost, cost.beyond(base.costs[name]), name == STEPS[-1].name)
    total = sum_of(build.costs)
    add("dbt: all steps", total, total.beyond(sum_of(base.costs)), True)
    for name, cost in written.items():
        add(f"hand-written: {name}", cost, cost)
    add("hand-written: both", sum_of(written), sum_of(written))
    table.caption = f"SQL: what a step costs beyond the same step with {FEW_CUSTOMERS} customers"
    CONSOLE.print(table)


def print_nodes(first: Build, second: Build, base: Build, shown: int = 25) -> None:
    """Print the seconds and rows of the nodes that take longest on the second day."""
    table = Table(
        title="\nModels and tests by seconds (two run at a time)", title_justify="left", caption_justify="left"
    )
    for name in ("", "first build", "daily run", f"{FEW_CUSTOMERS} customers", "rows", "rows more than the day before"):
        table.add_column(name, justify="left" if not name else "right")
    longest = sorted(second.seconds, key=lambda name: -second.seconds[name])
    for name in longest[:shown]:
        rows = second.rows.get(name)
        table.add_row(
            name,
            f"{first.seconds.get(name, 0):.2f}",
            f"{second.seconds[name]:.2f}",
            f"{base.seconds.get(name, 0):.2f}",
            "" if rows is None else f"{rows:,}",
            "" if rows is None else f"{rows - first.rows.get(name, 0):,}",
        )
    for label, names in (("the others", longest[shown:]), ("all", longest)):
        values = (sum(build.seconds.get(name, 0) for name in names) for build in (first, second, base))
        table.add_row(label, *(f"{value:.2f}" for value in values))
    CONSOLE.print(table)


def measure_orchestration(few: Models) -> None:
    """Print what a daily run of the demo costs besides SQL."""
    folder = FOLDER / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    environment = {
        "TESSERA_WAREHOUSE": str(folder / "warehouse.duckdb"),
        "TESSERA_SERVING": str(folder / "serving"),
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
    }
    flow = [sys.executable, "-m", "flows.daily", "--as-of", str(DAY_BEFORE)]
    history = measure.run(flow, folder / "history.log", environment=environment)
    parts_file = folder / "parts.json"
    command = [sys.executable, "-m", "benchmarks.flow_cpu", str(parts_file)]
    # dbt itself before and after the run: how far they lie apart is how much the machine's load moved.
    before = sum_of({step.name: few.run(LAST_DATE, step)[0] for step in FLOW_STEPS}).cpu
    whole = measure.run(command, folder / "daily.log", environment=environment)
    after = sum_of({step.name: few.run(LAST_DATE, step)[0] for step in FLOW_STEPS}).cpu
    parts = json.loads(parts_file.read_text())
    own = {name: part["own"] for name, part in parts.items()}
    in_dbt = sum(part["children"] for part in parts.values())
    in_checks = own["input checks"] + own["mart checks"] + own["data docs"]
    in_release = own["release"] - own["data docs"]
    dbt_itself = (before + after) / 2
    table = Table(
        title=f"\nDaily run of the demo ({LAST_DATE}): where its CPU time goes",
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("")
    table.add_column("CPU s", justify="right")
    table.add_column("measured as")
    rows = (
        (
            "Prefect",
            whole.cpu - in_dbt - in_checks - in_release,
            "what no step of the run takes: imports, server, engine",
        ),
        ("dbt itself", dbt_itself, f"same calls, {FEW_CUSTOMERS} customers: {before:.1f} before, {after:.1f} after"),
        ("Great Expectations", in_checks, "steps input checks and mart checks, and the data docs"),
        ("release", in_release, "step release without the data docs"),
    )
    for name, seconds, how in rows:
        table.add_row(name, f"{seconds:.1f}", how)
    table.add_section()
    table.add_row("orchestration", f"{sum(seconds for _, seconds, _ in rows):.1f}", "all of these")
    table.add_row(
        "SQL", f"{in_dbt - dbt_itself:.1f}", "child processes of the steps inputs and models, less dbt itself"
    )
    table.add_row(
        "whole run",
        f"{whole.cpu:.1f}",
        f"the process and its children; wall {whole.wall:.1f} s, peak {whole.peak:,.0f} MiB",
    )
    table.caption = f"Building the demo's history before it took {history.wall:.0f} s, {history.cpu:.0f} s of CPU."
    CONSOLE.print(table)


if __name__ == "__main__":
    sys.exit(main())
