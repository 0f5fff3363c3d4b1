"""The log of runs, checks, acknowledgements and notifications in the warehouse, which marts show."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import yaml

from expectations.runner import CheckResult
from flows.steps.project import ROOT

# The tables are defined once, in the sources that the marts read.
SOURCES = ROOT / "models" / "marts" / "operations" / "_operations__sources.yml"


@dataclass(frozen=True)
class Run:
    """One run of a flow, as ops_runs shows it; times are in UTC."""

    run_id: str
    first_as_of_date: date | None
    last_as_of_date: date | None
    kind: str
    status: str
    message: str | None
    started_at: datetime
    ended_at: datetime
    code_version: str
    rows_by_mart: str | None


def utc_now() -> datetime:
    """Now in UTC, to the second, without a zone, as the log keeps it."""
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


def log_run(warehouse: Path, run: Run) -> None:
    """Write a run down, in place of what was written of it before."""
    with duckdb.connect(str(warehouse)) as connection:
        _create_tables(connection)
        connection.execute("delete from operations.runs where run_id = ?", [run.run_id])
        _insert(connection, "runs", [vars(run)])


def log_checks(warehouse: Path, run_id: str, results: Iterable[CheckResult]) -> None:
    """Write down what the checks of a run found."""
    columns = [column["name"] for column in _tables()["checks"]]
    rows = [
        {"run_id": run_id} | {name: getattr(result, name) for name in columns if name != "run_id"} for result in results
    ]
    with duckdb.connect(str(warehouse)) as connection:
        _create_tables(connection)
        _insert(connection, "checks", rows)


def log_acknowledgement(warehouse: Path, alert_id: str, by: str, note: str | None) -> None:
    """Write down who has seen an alert; fct_alerts shows it from the next run on."""
    row = {"alert_id": alert_id, "acknowledged_by": by, "note": note, "acknowledged_at": utc_now()}
    with duckdb.connect(str(warehouse)) as connection:
        _create_tables(connection)
        _insert(connection, "alert_acknowledgements", [row])


def log_notifications(warehouse: Path, run_id: str, owner: str, events: Iterable[tuple[str, str]]) -> None:
    """Write down the (alert_id, event) pairs that an owner was told."""
    rows = [
        {"alert_id": alert_id, "event": event, "owner": owner, "run_id": run_id, "sent_at": utc_now()}
        for alert_id, event in events
    ]
    with duckdb.connect(str(warehouse)) as connection:
        _create_tables(connection)
        _insert(connection, "notifications", rows)


def told_events(warehouse: Path) -> set[tuple[str, str]]:
    """The (alert_id, event) pairs that owners were told."""
    with duckdb.connect(str(warehouse)) as connection:
        _create_tables(connection)
        return set(connection.table("operations.notifications").select("alert_id, event").fetchall())


def _tables() -> dict[str, list[dict[str, str]]]:
    (source,) = yaml.safe_load(SOURCES.read_text())["sources"]
    return {table["name"]: table["columns"] for table in source["tables"]}


def _create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("create schema if not exists operations")
    for name, columns in _tables().items():
        definition = ", ".join(f"{column['name']} {column['data_type']}" for column in columns)
        connection.execute(f"create table if not exists operations.{name} ({definition})")


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        names = list(rows[0])
        marks = ", ".join("?" for _ in names)
        connection.executemany(
            f"insert into operations.{table} ({', '.join(names)}) values ({marks})",
            [list(row.values()) for row in rows],
        )
