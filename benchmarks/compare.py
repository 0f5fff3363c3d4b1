"""Compares every mart of two releases, row for row, both ways.

python -m benchmarks.compare BEFORE AFTER [--but MART ...]

BEFORE and AFTER are releases, or DuckDB files of a release or a warehouse. Rows are compared by the columns that both
have; which columns and marts only one has is printed. Ends with status 1 where a row differs.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

# They tell of runs, not of customers.
OF_RUNS = ("ops_runs", "ops_checks", "ops_source_files")


@dataclass(frozen=True)
class Difference:
    """How a mart differs; columns are None where only one has the mart."""

    mart: str
    rows: tuple[int, int]
    only: tuple[int, int]
    columns: str | None = None


def main() -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description="Marts of two releases.")
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--but", nargs="*", default=[], metavar="MART", help="marts that are left out")
    given = parser.parse_args()
    with duckdb.connect() as connection:
        for name in ("before", "after"):
            place: Path = getattr(given, name)
            file = place / "tessera.duckdb" if place.is_dir() else place
            connection.execute(f"attach '{str(file).replace(chr(39), chr(39) * 2)}' as {name} (read_only)")
        differences = list(compare(connection, {*given.but, *OF_RUNS}))
    table = Table(title="Marts that differ", title_justify="left")
    for name in ("mart", "rows before", "rows after", "only before", "only after", "columns that only one has"):
        table.add_column(name, justify="right" if name.startswith(("rows", "only")) else "left")
    for found in differences:
        numbers = (f"{number:,}" for number in (*found.rows, *found.only))
        table.add_row(found.mart, *numbers, found.columns or "")
    if differences:
        Console(highlight=False).print(table)
    is_equal = not any(any(found.only) for found in differences)
    print("Every row is in both." if is_equal else "Rows differ.")
    return 0 if is_equal else 1


def compare(connection: duckdb.DuckDBPyConnection, but: set[str]):
    """Differences between the marts of the attached databases `before` and `after`."""
    columns: dict[str, dict[str, list[str]]] = {}
    for database in ("before", "after"):
        found = connection.execute(
            "select table_name, column_name from duckdb_columns() where database_name = ? and schema_name = 'marts' "
            "order by table_name, column_index",
            [database],
        ).fetchall()
        for mart, column in found:
            columns.setdefault(mart, {}).setdefault(database, []).append(column)
    for mart, of in sorted(columns.items()):
        if mart in but:
            continue
        if len(of) == 1:
            (database,) = of
            yield Difference(mart, (0, 0), (0, 0), f"the whole mart is only {database}")
            continue
        both = [column for column in of["before"] if column in of["after"]]
        listed = ", ".join(f'"{column}"' for column in both)
        before, after = (f"select {listed} from {database}.marts.{mart}" for database in of)
        rows = tuple(_number(connection, f"from {database}.marts.{mart}") for database in of)
        only = (
            _number(connection, f"({before}) except all ({after})"),
            _number(connection, f"({after}) except all ({before})"),
        )
        single = sorted({*of["before"]} ^ {*of["after"]})
        if single or any(only):
            yield Difference(mart, rows, only, ", ".join(single) or None)


def _number(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    return connection.execute(f"select count(*) from ({query})").fetchone()[0]


if __name__ == "__main__":
    sys.exit(main())
