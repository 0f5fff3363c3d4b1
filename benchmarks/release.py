"""Measures what a release costs by the length of the history, with as many moves as a large company has.

python -m benchmarks.release [--customers N] [--years Y ...]

Generates the stays of N customers (release.sql), writes them as a release that has nothing to begin with, moves on by a
day, and writes the release of that day twice: beginning with the one before, and with nothing. Only the one mart that
has a row per move is written; how a whole daily run grows is measured by benchmarks.growth. Files go to
build/bench/release.
"""

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from benchmarks.measure import ROOT
from flows.steps.mart_files import MANIFEST, write_marts

FOLDER = ROOT / "build" / "bench" / "release"
GENERATE = (Path(__file__).resolve().parent / "release.sql").read_text()
# The next day is the last of a month, whose moves are the most that a release writes.
DAY = date(2025, 1, 30)

CONSOLE = Console(highlight=False, width=None if sys.stdout.isatty() else 130)


def generate(connection: duckdb.DuckDBPyConnection, customers: int, years: float, day: date) -> None:
    """Have the stays as of a day in a temporary table."""
    connection.execute("set memory_limit = '6GB'")
    for name, value in {"customers": customers, "days": round(365 * years), "day": f"date '{day}'"}.items():
        connection.execute(f"set variable {name} = {value}")
    connection.execute(GENERATE)


def build(warehouse: Path, customers: int, years: float) -> None:
    """Make a warehouse as of DAY; runs have appended stays as they ended."""
    with duckdb.connect(str(warehouse)) as connection:
        generate(connection, customers, years, DAY)
        connection.execute("create schema marts")
        order = "order by if(is_current, valid_from, valid_to), customer_id, segmentation"
        connection.execute(f"create table marts.fct_segment_spells as from spells {order}")


def move_on(warehouse: Path, customers: int, years: float) -> int:
    """Run the day after DAY, as the model does; returns how many stays began."""
    day = DAY + timedelta(days=1)
    with duckdb.connect(str(warehouse)) as connection:
        generate(connection, customers, years, day)
        connection.execute(
            "delete from marts.fct_segment_spells where is_current and (customer_id, segmentation, valid_from) in "
            f"(select (customer_id, segmentation, valid_from) from spells where valid_to = date '{day}')"
        )
        connection.execute(
            "insert into marts.fct_segment_spells from spells "
            f"where valid_to = date '{day}' or valid_from = date '{day}'"
        )
        connection.execute("update marts.fct_segment_spells set days = days + 1 where is_current and days > 1")
        return connection.execute(f"select count(*) from spells where valid_from = date '{day}'").fetchone()[0]


def timed(action: Callable[[], None]) -> tuple[float, float]:
    """Seconds of processor time and on the clock."""
    cpu, wall = time.process_time(), time.monotonic()
    action()
    return time.process_time() - cpu, time.monotonic() - wall


def write(warehouse: Path, folder: Path, base: Path | None) -> None:
    """Write the files of a release."""
    folder.mkdir()
    (folder / MANIFEST).write_text(json.dumps(write_marts(warehouse, folder, base)))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.release", description="A release by length of history.")
    parser.add_argument("--customers", type=int, default=100_000, metavar="N")
    parser.add_argument("--years", type=float, nargs="+", default=[0.5, 2, 4], metavar="Y")
    arguments = parser.parse_args()
    CONSOLE.print(f"{os.cpu_count()} cores, of which others kept {os.getloadavg()[0]:.1f} busy in the last minute")
    table = Table(
        title=f"\nA release of {arguments.customers:,} customers' stays, CPU and wall s", title_justify="left"
    )
    for name in ("years", "stays", "of the day", "beginning with the last one", "", "with nothing", "", "MiB"):
        table.add_column(name, justify="right")
    for years in arguments.years:
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(parents=True)
        warehouse, last, new, whole = (FOLDER / name for name in ("warehouse.duckdb", "last", "new", "whole"))
        build(warehouse, arguments.customers, years)
        write(warehouse, last, None)
        moves = move_on(warehouse, arguments.customers, years)
        CONSOLE.print(f"built {years:g} years")
        begun = timed(lambda paths=(warehouse, new, last): write(*paths))
        again = timed(lambda paths=(warehouse, whole): write(*paths, None))
        stays = json.loads((new / MANIFEST).read_text())["rows_by_mart"]["fct_segment_spells"]
        size = sum(path.stat().st_size for path in new.rglob("*") if path.is_file()) / 2**20
        seconds = (f"{figure:.1f}" for figure in (*begun, *again))
        table.add_row(f"{years:g}", f"{stays:,}", f"{moves:,}", *seconds, f"{size:,.0f}")
    CONSOLE.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
