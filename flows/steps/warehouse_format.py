"""The format of a warehouse: the shape of the tables that keep days, recorded in operations.format.

A run migrates an older version's warehouse to today's format step by step, or refuses it and says what to do. It
refuses a newer version's. It decides before it changes anything. dbt makes the same check when it starts
(macros/sources/check_format.sql).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import yaml

from flows.steps.errors import RunStopped
from flows.steps.project import ROOT, Project

SOURCES = ROOT / "models" / "marts" / "operations" / "_operations__sources.yml"
TABLE = "operations.format"

# The format of a warehouse from before formats were recorded.
UNSTAMPED = 1


class OtherFormat(RunStopped):
    """A warehouse has a format that this version cannot use."""


@dataclass(frozen=True)
class Migration:
    """A step from one format to the next.

    Attributes:
        what: what it changes, for people.
        apply: changes the tables; all steps of a warehouse are one transaction.
    """

    what: str
    apply: Callable[[duckdb.DuckDBPyConnection], object]


# By the format that a step begins with; it leads to the next one. From 1 to 2 there is none: amounts and units of days
# past were kept rounded, and cannot be made exact.
MIGRATIONS: Mapping[int, Migration] = {}


def current_format() -> int:
    """The format that this version writes."""
    (source,) = yaml.safe_load(SOURCES.read_text())["sources"]
    (table,) = (table for table in source["tables"] if table["name"] == "format")
    return table["config"]["meta"]["version"]


def read_format(connection: duckdb.DuckDBPyConnection) -> int | None:
    """The format of a warehouse; None where nothing was built in it yet.

    Raises:
        duckdb.Error: it cannot be read.
    """
    tables = connection.sql("from duckdb_tables()").filter("not internal and database_name = current_database()")
    names = set(tables.select("schema_name, table_name").fetchall())
    if ("operations", "format") in names:
        (version,) = connection.table(TABLE).max("version").fetchone()
        if version is not None:
            return version
    return UNSTAMPED if any(schema != "operations" for schema, _ in names) else None


def ensure_format(connection: duckdb.DuckDBPyConnection) -> None:
    """Stamp a warehouse in which nothing was built yet.

    Raises:
        OtherFormat: it has another format than this version writes.
    """
    version, wanted = read_format(connection), current_format()
    if version is None:
        _stamp(connection, wanted)
    elif version != wanted:
        raise OtherFormat(_refusal(version, wanted))


def check_format(warehouse: Path, migrations: Mapping[int, Migration] = MIGRATIONS, wanted: int | None = None) -> None:
    """Stop if a warehouse has a format that cannot be migrated to today's. A missing warehouse is fine.

    Raises:
        OtherFormat: it has such a format; the message says what to do.
        duckdb.Error: it cannot be read.
    """
    if not warehouse.is_file():
        return
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        version = read_format(connection)
    wanted = wanted or current_format()
    if version is not None and _path(version, wanted, migrations) is None:
        raise OtherFormat(_refusal(version, wanted, warehouse))


def bring_up_to_date(
    warehouse: Path,
    report: Callable[[str], None] = print,
    migrations: Mapping[int, Migration] = MIGRATIONS,
    wanted: int | None = None,
) -> None:
    """Migrate a warehouse to today's format, all steps or none; the caller holds the lock.

    Raises:
        OtherFormat: it cannot be migrated, or a step failed; the warehouse is unchanged.
        duckdb.Error: it cannot be opened.
    """
    wanted = wanted or current_format()
    check_format(warehouse, migrations, wanted)
    if not warehouse.is_file():
        return
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        version = read_format(connection)
    if version in (None, wanted):
        return
    with duckdb.connect(str(warehouse)) as connection:
        connection.begin()
        try:
            for number in _path(version, wanted, migrations) or []:
                report(f"The warehouse gets format {number + 1}: {migrations[number].what}")
                migrations[number].apply(connection)
            _stamp(connection, wanted)
            connection.commit()
        except Exception as error:
            connection.rollback()
            raise OtherFormat(
                f"The warehouse {warehouse} has format {version} and could not be migrated to {wanted}: {error}. It is "
                "unchanged. Keep using the version that wrote it, or move it away and build the history again."
            ) from error


def _path(version: int, wanted: int, migrations: Mapping[int, Migration]) -> list[int] | None:
    """The formats to step from, in order; None if there is no way."""
    steps = list(range(version, wanted))
    return steps if version <= wanted and all(step in migrations for step in steps) else None


def _refusal(version: int, wanted: int, warehouse: Path | None = None) -> str:
    name = f"The warehouse {warehouse}" if warehouse else "The warehouse"
    if version > wanted:
        return (
            f"{name} has format {version}, which a newer version of the project wrote; this one knows {wanted}. "
            "Use the newer version, or set TESSERA_WAREHOUSE to another file."
        )
    has = (
        "no format version: an older version of the project wrote it"
        if version == UNSTAMPED
        else (f"format {version}, which an older version of the project wrote")
    )
    return (
        f"{name} has {has}. This version writes format {wanted} and cannot continue its history. Keep using the "
        "older version; or move the file away, keep it as a backup, and build the history again from the sources: "
        "python -m flows.backfill --first <first day of the history>. Readers keep their release meanwhile."
    )


def _stamp(connection: duckdb.DuckDBPyConnection, version: int) -> None:
    connection.execute("create schema if not exists operations")
    connection.execute(f"create table if not exists {TABLE} (version bigint, made_by varchar)")
    connection.execute(f"delete from {TABLE}")
    made_by = f"Tessera {Project().code_version}, DuckDB {duckdb.__version__}"
    connection.execute(f"insert into {TABLE} values (?, ?)", [version, made_by])
