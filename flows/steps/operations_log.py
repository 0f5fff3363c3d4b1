"""The log of runs, checks, acknowledgements and notifications in the warehouse, which marts show."""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import yaml

from expectations.runner import CheckResult
from flows.steps.warehouse_format import SOURCES, ensure_format

# How runs are called: by the time at which they started, unless an earlier run has a later name.
RUN_ID = re.compile(r"\d{8}T\d{6}Z")
_RUN_ID_TIME = "%Y%m%dT%H%M%SZ"

# A run that has not said how it ended: it is under way, or was killed.
UNFINISHED = ("running", "releasing")

# The kinds of runs that change the history in place, in their step `models`. A rewrite works on a copy, a release again
# builds nothing, and a rollback turns a link.
BUILDS = ("daily", "catch-up", "backfill")

# Where a run stopped that had not found its days yet: nothing was touched.
WINDOW = "window"


@dataclass(frozen=True)
class Run:
    """One run of a flow; the columns of ops_runs say what each field means. Times are in UTC."""

    run_id: str
    first_as_of_date: date | None
    last_as_of_date: date | None
    kind: str
    status: str
    message: str | None
    started_at: datetime
    ended_at: datetime | None
    code_version: str
    rows_by_mart: str | None
    duration_seconds: float | None = None
    stopped_in: str | None = None
    seconds_by_step: str | None = None
    rule_versions: str | None = None
    days_built: int | None = None
    customers: int | None = None
    accepted_checks: str | None = None
    accepted_reason: str | None = None

    @property
    def may_have_built(self) -> bool:
        """Whether it came so far that the history in the warehouse may be another than before."""
        came_to_models = self.stopped_in == "models" or '"models"' in (self.seconds_by_step or "")
        return self.kind in BUILDS and (came_to_models or self.status in UNFINISHED)


def utc_now() -> datetime:
    """Now in UTC, to the second, without a zone, as the log keeps it."""
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


def next_run_id(now: datetime, taken: Iterable[str]) -> str:
    """The name of a run that starts now, greater than those that are taken.

    Runs and releases are ordered by it: a clock that was ahead once, or two runs in a second, change no order.
    """
    name = now.strftime(_RUN_ID_TIME)
    last = max(filter(RUN_ID.fullmatch, taken), default="")
    if name <= last:
        now = datetime.strptime(last, _RUN_ID_TIME) + timedelta(seconds=1)
    return now.strftime(_RUN_ID_TIME)


def log_run(warehouse: Path, run: Run) -> None:
    """Write a run down, in place of what was written of it before."""
    with duckdb.connect(str(warehouse)) as connection:
        _create_tables(connection)
        # A process that is killed between the two leaves the row as it was.
        connection.begin()
        connection.execute("delete from operations.runs where run_id = ?", [run.run_id])
        _insert(connection, "runs", [vars(run)])
        connection.commit()


def log_checks(warehouse: Path, run_id: str, results: Iterable[CheckResult]) -> None:
    """Write down what the checks of a run found."""
    columns = [column["name"] for column in _tables()["checks"]]
    rows = [
        {"run_id": run_id} | {name: getattr(result, name) for name in columns if name != "run_id"} for result in results
    ]
    with duckdb.connect(str(warehouse)) as connection:
        _create_tables(connection)
        _insert(connection, "checks", rows)


def log_source_files(warehouse: Path, run_id: str, files: Iterable[dict[str, Any]]) -> None:
    """Write down which files a run reads, in place of what was written of it before."""
    with duckdb.connect(str(warehouse)) as connection:
        _create_tables(connection)
        connection.execute("delete from operations.source_files where run_id = ?", [run_id])
        _insert(connection, "source_files", [{"run_id": run_id} | file for file in files])


def read_built(warehouse: Path) -> dict[str, dict[str, Any]]:
    """What tables of a warehouse were built from (operations.built), by group of tables.

    Raises:
        duckdb.Error: the file cannot be read.
    """
    if not warehouse.is_file():
        return {}
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        try:
            built = connection.table("operations.built")
        except duckdb.CatalogException:
            return {}
        rows = [dict(zip(built.columns, row, strict=True)) for row in built.fetchall()]
    return {row["tables"]: row for row in rows}


def log_built(warehouse: Path, *groups: dict[str, Any]) -> None:
    """Write down what groups of tables were built from, or before they are built that nothing is known of them."""
    with duckdb.connect(str(warehouse)) as connection:
        _create_tables(connection)
        connection.begin()
        for group in groups:
            connection.execute("delete from operations.built where tables = ?", [group["tables"]])
        _insert(connection, "built", [group for group in groups if "fingerprint" in group])
        connection.commit()


def rules_on(warehouse: Path, day: date) -> set[tuple[str, str]]:
    """The segmentations and rule versions that the history in a warehouse has on a day; none if it cannot be read."""
    with suppress(duckdb.Error), duckdb.connect(str(warehouse), read_only=True) as connection:
        days = connection.table("history.segmentation_days")
        return set(days.filter(f"as_of_date = date '{day}'").select("segmentation, rule_version").fetchall())
    return set()


def read_delivered_days(warehouse: Path) -> dict[str, date | None]:
    """The first and the newest day of which the inputs in a warehouse have a line, kept or rejected."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        days = connection.table("conformed.delivered_days").aggregate("min(order_date), max(order_date)").fetchone()
    return dict(zip(("first_date", "newest_date"), days, strict=True))


def repeat_source_files(warehouse: Path, run_id: str, of: str) -> bool:
    """Write down that a run reads the same files as an earlier one did; returns whether that one is remembered."""
    columns = ", ".join(column["name"] for column in _tables()["source_files"] if column["name"] != "run_id")
    with duckdb.connect(str(warehouse)) as connection:
        _create_tables(connection)
        connection.execute("delete from operations.source_files where run_id = ?", [run_id])
        connection.execute(
            f"insert into operations.source_files (run_id, {columns}) "
            f"select ?, {columns} from operations.source_files where run_id = ?",
            [run_id, of],
        )
        return bool(connection.execute("select 1 from operations.source_files where run_id = ?", [run_id]).fetchone())


def log_rows_read(warehouse: Path, run_id: str) -> None:
    """Write down how many rows of its files a run read, kept and rejected, by what its input checks counted."""
    counts = ("rows_read", "rows_kept", "rows_rejected")
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(
            f"update operations.source_files as logged set {', '.join(f'{name} = counted.{name}' for name in counts)} "
            "from checks.source_files as counted where logged.run_id = ? "
            "and logged.source_system = counted.source_system and logged.table_name = counted.table_name",
            [run_id],
        )


def read_runs(database: Path, table: str = "operations.runs") -> list[Run]:
    """The runs in a warehouse, or in a release as `marts.ops_runs`, oldest first; columns it lacks are None.

    Raises:
        duckdb.Error: the file cannot be read.
    """
    with duckdb.connect(str(database), read_only=True) as connection:
        try:
            found = connection.table(table)
        except duckdb.CatalogException:
            return []
        names = [field.name for field in fields(Run) if field.name in found.columns]
        # Not by the clock, which may have been wrong.
        rows = found.select(", ".join(names)).order("run_id").fetchall()
    return [Run(**dict(zip(names, row, strict=True))) for row in rows]


def published_by(runs: Iterable[Run]) -> date | None:
    """The last day that a log, oldest first, tells to be published, and that no later run has begun to build again."""
    published = None
    for run in runs:
        first, last = run.first_as_of_date, run.last_as_of_date
        if run.status == "released":
            published = last
        elif published and first and run.may_have_built:
            published = min(published, first - timedelta(days=1))
    return published


def forget_runs(warehouse: Path, before: datetime) -> int:
    """Forget the runs that started before a time, with their checks; returns how many runs."""
    with duckdb.connect(str(warehouse)) as connection:
        old = "select run_id from operations.runs where started_at < ?"
        for table in ("checks", "source_files"):
            connection.execute(f"delete from operations.{table} where run_id in ({old})", [before])
        return connection.execute("delete from operations.runs where started_at < ?", [before]).fetchone()[0]


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
    """Make the tables that are missing, and the columns that a table of an earlier version lacks.

    Raises:
        OtherFormat: another version of the project wrote the warehouse.
    """
    ensure_format(connection)
    connection.execute("create schema if not exists operations")
    for name, columns in _tables().items():
        definitions = [f"{column['name']} {column['data_type']}" for column in columns]
        connection.execute(f"create table if not exists operations.{name} ({', '.join(definitions)})")
        for definition in definitions:
            connection.execute(f"alter table operations.{name} add column if not exists {definition}")


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        names = list(rows[0])
        marks = ", ".join("?" for _ in names)
        connection.executemany(
            f"insert into operations.{table} ({', '.join(names)}) values ({marks})",
            [list(row.values()) for row in rows],
        )
