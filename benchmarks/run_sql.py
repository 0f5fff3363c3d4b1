"""Runs SQL files in a DuckDB database, as the child process that a benchmark measures.

python -m benchmarks.run_sql DATABASE FILE... [--set NAME=VALUE ...] [--days FIRST LAST SLICE]
"""

import argparse
import os
import sys
from datetime import date, timedelta
from pathlib import Path

import duckdb


def run_sql(database: str, script: Path, *options: str) -> list[str]:
    """The command that runs a SQL file: with half as much memory again as the models, so that it lacks none."""
    memory = os.environ.get("TESSERA_MEMORY", "3GB")
    return [sys.executable, "-m", "benchmarks.run_sql", database, str(script), "--memory", memory, *options]


def main() -> None:
    """Run the files in order; with --days the first of them once per slice of days."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run_sql")
    parser.add_argument("database")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="variables of the scripts")
    parser.add_argument("--days", nargs=3, metavar=("FIRST", "LAST", "SLICE"), help="slices for the first file")
    parser.add_argument("--memory", default="3GB")
    arguments = parser.parse_args()
    with duckdb.connect(arguments.database) as connection:
        connection.execute(f"set memory_limit = '{arguments.memory}'")
        connection.execute("set preserve_insertion_order = false")
        for setting in arguments.set:
            name, value = setting.split("=", 1)
            connection.execute(f"set variable {name} = {value}")
        files = arguments.files
        if arguments.days:
            script = files[0].read_text()
            first, last = (date.fromisoformat(day) for day in arguments.days[:2])
            while first <= last:
                end = min(first + timedelta(days=int(arguments.days[2])), last + timedelta(days=1))
                connection.execute(f"set variable slice_first = date '{first}'; set variable slice_end = date '{end}'")
                connection.execute(script)
                first = end
            files = files[1:]
        for file in files:
            connection.execute(file.read_text())


if __name__ == "__main__":
    main()
