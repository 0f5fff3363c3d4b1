"""Measures whether a daily run costs more the longer the history is.

python -m benchmarks.growth [--customers N]

Builds 3,000 days of a company that stays as large as it is (growth.sql), in chunks as a backfill does, and runs days
30, 300 and 3,000 as daily runs: inputs, models with their tests, release. Each of these finds files that end with its
day, and warehouse and release as the daily run of the day before left them. They are run in turns, since a machine's
speed changes within minutes, and the least of each figure counts. Prints what they cost, how the costs relate, what
is stored per customer and year, and how many rows the logs have per move. The files, warehouse and logs stay in
build/bench/growth.
"""

import argparse
import json
import os
import shutil
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field, fields
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from benchmarks import measure
from benchmarks.measure import ROOT, Cost
from flows.steps import dbt
from flows.steps.project import Project
from flows.steps.release import current_release, publish
from flows.steps.window import Window

HERE = Path(__file__).resolve().parent
FOLDER = ROOT / "build" / "bench" / "growth"
# Windows of 365 days are full when the history begins.
START = date(2016, 1, 1)
DAYS = (30, 300, 3000)
LATE_DAYS = 90
CHUNK_CUSTOMER_DAYS = 150_000
ROUNDS = 3
LAYERS = ("inputs", "features", "segmentations", "history", "marts", "checks", "tests")

CONSOLE = Console(highlight=False, width=None if sys.stdout.isatty() else 130)


@dataclass
class DailyRun:
    """What a daily run cost: its processes, and the seconds of its nodes by layer and by name."""

    costs: dict[str, Cost] = field(default_factory=dict)
    layers: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    nodes: dict[str, float] = field(default_factory=dict)


class Company:
    """The project on generated files, in a warehouse of its own."""

    def __init__(self, customers: int) -> None:
        """Begin with an empty warehouse."""
        shutil.rmtree(FOLDER, ignore_errors=True)
        self.customers = customers
        self.files = FOLDER / "files"
        self.files.mkdir(parents=True)
        self.serving = FOLDER / "serving"
        self.project = Project(
            overrides={
                "sources": ["files"],
                "files_folder": str(self.files.relative_to(ROOT)),
                "history_start": str(START),
                "late_days": LATE_DAYS,
            },
            warehouse=FOLDER / "tessera.duckdb",
        )

    def deliver(self, last: date) -> None:
        """Write files that end with a day."""
        options = ("--set", f"customers={self.customers}", f"last=date '{last}'")
        command = [sys.executable, "-m", "benchmarks.run_sql", ":memory:", str(HERE / "growth.sql"), *options]
        measure.run(command, FOLDER / "generate.log", self.files)

    def dbt(self, arguments: list[str], window: Window) -> tuple[Cost, list[dict]]:
        """Run dbt on a window; returns what it cost and the results of its nodes."""
        environment = {
            "TESSERA_WAREHOUSE": str(self.project.warehouse),
            "TESSERA_FIRST_DATE": str(window.first),
            "TESSERA_LAST_DATE": str(window.last),
            "TESSERA_HISTORY_START": str(START),
            "DBT_TARGET_PATH": str(FOLDER / "target"),
            "DBT_LOG_PATH": str(FOLDER / "logs"),
        }
        command = [str(Path(sys.executable).with_name("dbt")), *arguments]
        cost = measure.run(command, FOLDER / "dbt.log", environment=environment)
        return cost, json.loads((FOLDER / "target" / "run_results.json").read_text())["results"]

    def backfill(self, first: date, last: date) -> None:
        """Build days that are not measured: what keeps days, in chunks."""
        self.deliver(last)
        window = Window(first, last, START)
        self.dbt(dbt.dbt_arguments("build", self.project, select=dbt.INPUTS), window)
        keep = dbt.dbt_arguments("run", self.project, select=dbt.EVERY_DAY, exclude=dbt.INPUTS)
        for chunk in window.chunks(CHUNK_CUSTOMER_DAYS // self.customers):
            self.dbt(keep, chunk)

    def daily(self, day: date) -> DailyRun:
        """Run one day as the flow does."""
        self.deliver(day)
        run = DailyRun()
        window = Window(day, day, START)
        for name, arguments in (
            ("inputs", dbt.dbt_arguments("build", self.project, select=dbt.INPUTS)),
            ("models", dbt.dbt_arguments("build", self.project, exclude=dbt.INPUTS)),
        ):
            run.costs[name], results = self.dbt(arguments, window)
            for result in results:
                kind, _, node = result["unique_id"].split(".")[:3]
                if kind == "operation":
                    continue
                layer = "inputs" if name == "inputs" else "tests" if kind == "test" else layer_of(node)
                run.layers[layer] += result["execution_time"]
                run.nodes[node] = run.nodes.get(node, 0.0) + result["execution_time"]
        begun, cpu = time.monotonic(), time.process_time()
        publish(
            self.project.warehouse,
            self.serving,
            day,
            f"{day:%Y%m%d}",
            "benchmark",
            ["files"],
            1,
            lambda folder: None,
            base=current_release(self.serving),
        )
        run.costs["release"] = Cost(time.monotonic() - begun, time.process_time() - cpu, 0)
        return run

    def keep(self, number: int) -> None:
        """Keep warehouse and release as they are before a day."""
        kept = FOLDER / f"before-{number}"
        shutil.copytree(self.serving, kept / "serving", symlinks=True)
        shutil.copyfile(self.project.warehouse, kept / "tessera.duckdb")

    def back_to(self, number: int) -> None:
        """Have warehouse and release as they were kept before a day."""
        kept = FOLDER / f"before-{number}"
        shutil.rmtree(self.serving)
        shutil.copytree(kept / "serving", self.serving, symlinks=True)
        shutil.copyfile(kept / "tessera.duckdb", self.project.warehouse)

    def all_lines(self, day: date) -> float:
        """The seconds of the look at all lines, which finds late rows however late they are."""
        self.deliver(day)
        project = Project(overrides=self.project.overrides | {"late_days": None}, warehouse=self.project.warehouse)
        _, results = self.dbt(dbt.dbt_arguments("run", project, select=["delivered_days"]), Window(day, day, START))
        return results[0]["execution_time"]

    def stored(self) -> dict[str, int]:
        """Bytes of every table of the warehouse, by schema and name."""
        with duckdb.connect(str(self.project.warehouse)) as connection:
            connection.execute("checkpoint")
            block = connection.execute("select block_size from pragma_database_size()").fetchone()[0]
            tables = connection.execute("select schema_name, table_name from duckdb_tables()").fetchall()
            return {
                f"{schema}.{table}": block
                * connection.execute(
                    f"select count(distinct block_id) from pragma_storage_info('{schema}.{table}') where block_id >= 0"
                ).fetchone()[0]
                for schema, table in tables
            }

    def value(self, query: str) -> int:
        """One number out of the warehouse."""
        with duckdb.connect(str(self.project.warehouse), read_only=True) as connection:
            return connection.execute(query).fetchone()[0]


def least(runs: list[DailyRun]) -> DailyRun:
    """The least of each figure of several runs of one day."""
    return DailyRun(
        costs={
            step: Cost(*(min(getattr(run.costs[step], figure.name) for run in runs) for figure in fields(Cost)))
            for step in runs[0].costs
        },
        layers=defaultdict(float, {layer: min(run.layers[layer] for run in runs) for layer in LAYERS}),
        nodes={node: min(run.nodes[node] for run in runs) for node in runs[0].nodes},
    )


def layer_of(model: str) -> str:
    """The folder of models that a model lies in."""
    (path,) = (path for path in (ROOT / "models").rglob(f"{model}.*") if path.suffix in (".sql", ".py"))
    return path.relative_to(ROOT / "models").parts[0]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description="Cost over the length of history.")
    parser.add_argument("--customers", type=int, default=2_000, metavar="N", help="customers at any time")
    company = Company(parser.parse_args().customers)
    CONSOLE.print(f"{os.cpu_count()} cores, of which others kept {os.getloadavg()[0]:.1f} busy in the last minute")
    days = {number: START + timedelta(days=number - 1) for number in DAYS}
    first = START
    for number, day in days.items():
        company.backfill(first, day - timedelta(days=2))
        company.daily(day - timedelta(days=1))
        company.keep(number)
        CONSOLE.print(f"built {number - 1:,} days")
        first = day
    runs: dict[int, list[DailyRun]] = {number: [] for number in DAYS}
    for _ in range(ROUNDS):
        for number, day in days.items():
            company.back_to(number)
            runs[number].append(company.daily(day))
            CONSOLE.print(f"day {number:,}: {sum(cost.cpu for cost in runs[number][-1].costs.values()):.1f} s of CPU")
    # After the runs: with another variable dbt reads the whole project again, and once more without it.
    all_lines = {number: company.all_lines(day) for number, day in days.items()}
    measured = {number: least(of_day) for number, of_day in runs.items()}
    print_costs(measured, all_lines)
    print_nodes(measured)
    print_storage(company, DAYS[-1])
    return 0


def print_costs(measured: dict[int, DailyRun], all_lines: dict[int, float]) -> None:
    """Print the costs of the daily runs and how they relate."""
    table = Table(title="\nA daily run, by the length of the history before it", title_justify="left")
    table.add_column("")
    for name in (*(f"day {number:,}" for number in DAYS), f"{DAYS[1]} : {DAYS[0]}", f"{DAYS[2]} : {DAYS[1]}"):
        table.add_column(name, justify="right")

    def add(name: str, values: list[float]) -> None:
        ratios = [later / earlier if earlier else 0.0 for earlier, later in pairwise(values)]
        table.add_row(name, *(f"{value:.2f}" for value in values), *(f"{ratio:.2f}" for ratio in ratios))

    for unit in ("cpu", "wall"):
        for step in ("inputs", "models", "release"):
            add(f"{step}, {unit} s", [getattr(run.costs[step], unit) for run in measured.values()])
        add(f"all, {unit} s", [sum(getattr(cost, unit) for cost in run.costs.values()) for run in measured.values()])
    table.add_section()
    for layer in LAYERS:
        add(f"seconds in the engine: {layer}", [run.layers[layer] for run in measured.values()])
    add("seconds in the engine: all", [sum(run.layers.values()) for run in measured.values()])
    table.add_section()
    add("the look at all lines (late_days: null)", list(all_lines.values()))
    CONSOLE.print(table)


def print_nodes(measured: dict[int, DailyRun], shown: int = 12) -> None:
    """Print the nodes that grew most."""
    first, _, last = measured.values()
    table = Table(title="\nModels and tests that grew most, seconds", title_justify="left")
    for name in ("", *(f"day {number:,}" for number in DAYS)):
        table.add_column(name, justify="right" if name else "left")
    grown = sorted(last.nodes, key=lambda name: first.nodes.get(name, 0.0) - last.nodes[name])
    for name in grown[:shown]:
        table.add_row(name, *(f"{run.nodes.get(name, 0.0):.2f}" for run in measured.values()))
    CONSOLE.print(table)


def print_storage(company: Company, days: int) -> None:
    """Print bytes per customer and year, and rows of the logs per move."""
    stored = company.stored()
    customer_years = company.customers * days / 365.25
    release = (company.serving / "current").resolve()
    parts = {
        "customer days (features)": sum(size for name, size in stored.items() if name.startswith("features.")),
        "entries (history)": sum(size for name, size in stored.items() if "entries" in name),
        "explanations (history, last day only)": stored["history.segment_fits"],
        "marts": sum(size for name, size in stored.items() if name.startswith("marts.")),
        "warehouse, the whole file": company.project.warehouse.stat().st_size,
        "release: DuckDB file": (release / "tessera.duckdb").stat().st_size,
        "release: Parquet": sum(path.stat().st_size for path in (release / "parquet").rglob("*") if path.is_file()),
    }
    table = Table(title=f"\nWhat is stored after {days:,} days", title_justify="left")
    for name in ("", "MiB", "bytes per customer and year"):
        table.add_column(name, justify="right" if name else "left")
    for name, size in parts.items():
        table.add_row(name, f"{size / 2**20:.1f}", f"{size / customer_years:,.0f}")
    CONSOLE.print(table)
    moves = company.value('select cast(sum(entered + "left") as bigint) from marts.fct_segment_daily')
    segmentations = company.value("select count(*) from marts.dim_segmentations where is_current")
    states = company.customers * days * segmentations
    for log in ("segment_entries", "raw_segment_entries"):
        rows = company.value(f"select count(*) from history.{log}")
        CONSOLE.print(
            f"{log}: {rows:,} rows, {rows / moves:.2f} per move, {rows / states:.4f} per customer, day and segmentation"
        )


if __name__ == "__main__":
    sys.exit(main())
