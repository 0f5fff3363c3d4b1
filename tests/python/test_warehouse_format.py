"""The stamp of a warehouse's format: who may go on with it, and how one of an older version gets there."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest
import yaml

from flows.rules.macros import macros
from flows.steps.doctor import Facts, check_warehouse
from flows.steps.errors import RunStopped
from flows.steps.operations_log import Run, log_acknowledgement, log_run, read_runs
from flows.steps.pipeline import run_flow, tidy
from flows.steps.project import Project
from flows.steps.warehouse_format import (
    MIGRATIONS,
    SOURCES,
    Migration,
    OtherFormat,
    bring_up_to_date,
    check_format,
    current_format,
    read_format,
)

NOW = current_format()


def stamp_of(file: Path) -> int | None:
    with duckdb.connect(str(file), read_only=True) as connection:
        return read_format(connection)


def unstamped(file: Path) -> Path:
    """A warehouse as versions before stamps left it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(file)) as connection:
        connection.execute("create schema operations; create schema features; create schema history")
        connection.execute("create table operations.runs (run_id varchar, status varchar)")
        connection.execute("create table features.customer_days (customer_id bigint, units bigint)")
        connection.execute("create table history.segmentation_days as select date '2024-04-09' as as_of_date")
    return file


def stamped(file: Path, version: int) -> Path:
    unstamped(file)
    with duckdb.connect(str(file)) as connection:
        connection.execute(f"create table operations.format as select {version} as version, 'test' as made_by")
    return file


def by_flows(file: Path) -> None:
    """As a run does it when it begins."""
    fields = (None, None, "daily", "running", None, datetime(2024, 4, 9), None, "test", None)
    log_run(file, Run("20240409T000000Z", *fields))


def by_dbt(file: Path) -> None:
    """As dbt does it before it touches a table."""
    (source,) = yaml.safe_load(SOURCES.read_text())["sources"]
    sources = {
        table["name"]: SimpleNamespace(
            source_name="operations",
            schema=source["schema"],
            identifier=table["name"],
            config=SimpleNamespace(meta=SimpleNamespace(**table.get("config", {}).get("meta", {}))),
        )
        for table in source["tables"]
    }
    with duckdb.connect(str(file)) as connection:

        def run_query(query: str) -> SimpleNamespace:
            return SimpleNamespace(rows=connection.execute(query).fetchall())

        graph = {"nodes": {}, "sources": sources}
        macros(graph=graph, run_query=run_query, dbt_version="1.11").check_format()


def tables(file: Path) -> list[tuple]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.sql("select schema_name, table_name, sql from duckdb_tables() order by all").fetchall()


@pytest.mark.parametrize("make", [by_flows, by_dbt])
def test_e7_new_warehouse_is_stamped_once(make: Callable[[Path], None], tmp_path: Path) -> None:
    file = tmp_path / "tessera.duckdb"
    make(file)
    make(file)
    with duckdb.connect(str(file)) as connection:
        ((version, made_by),) = connection.table("operations.format").fetchall()
        connection.execute("create schema features; create table features.customer_days (customer_id bigint)")
    assert version == NOW
    assert made_by.startswith("dbt " if make is by_dbt else "Tessera ")
    # It goes on being its own, for both.
    by_flows(file)
    by_dbt(file)
    assert stamp_of(file) == NOW


@pytest.mark.parametrize("make", [by_flows, by_dbt])
def test_e7_log_of_a_run_that_built_nothing_is_no_older_warehouse(make: Callable[[Path], None], tmp_path: Path) -> None:
    file = tmp_path / "tessera.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("create schema operations; create table operations.runs (run_id varchar)")
    make(file)
    assert stamp_of(file) == NOW


@pytest.mark.parametrize("make", [by_flows, by_dbt])
@pytest.mark.parametrize("older", [unstamped, lambda file: stamped(file, NOW + 1)], ids=["older", "newer"])
def test_e7_other_formats_are_refused_and_not_touched(
    make: Callable[[Path], None], older: Callable[[Path], Path], tmp_path: Path
) -> None:
    """Its tables were used as they were: columns of another type, and days that mix two ways of counting."""
    file = older(tmp_path / "tessera.duckdb")
    before = tables(file)
    with pytest.raises(RunStopped, match=r"has (format|no format version)"):
        make(file)
    assert tables(file) == before


def test_e7_refusal_says_what_to_do(tmp_path: Path) -> None:
    file = unstamped(tmp_path / "old.duckdb")
    with pytest.raises(OtherFormat, match=r"old\.duckdb has no format version.* python -m flows\.backfill --first"):
        check_format(file)
    with pytest.raises(OtherFormat, match="format 99, which a newer version"):
        check_format(stamped(tmp_path / "new.duckdb", 99))
    check_format(tmp_path / "none.duckdb")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    for name in ("warehouse/tessera.duckdb", "serving", "logs"):
        monkeypatch.setenv(f"TESSERA_{name.split('/')[0].upper()}", str(tmp_path / name))
    return Project()


def test_e7_flow_stops_before_it_looks_for_days_and_tells_its_log(project: Project) -> None:
    unstamped(project.warehouse)
    before = tables(project.warehouse)
    with pytest.raises(OtherFormat, match="no format version"):
        run_flow("daily", None, lambda _project: pytest.fail("it looked for days"))
    # A command beside the flows does not write into it either, and what killed runs left is somebody else's.
    with pytest.raises(OtherFormat):
        log_acknowledgement(project.warehouse, "a", "me", None)
    tidy(project)
    assert tables(project.warehouse) == before
    assert read_runs(project.warehouse) == []
    (log,) = (project.logs / "runs").iterdir()
    assert "no format version" in log.read_text()


def test_e7_doctor_tells_the_format(project: Project) -> None:
    unstamped(project.warehouse)
    (finding,) = check_warehouse(Facts(project))
    assert (finding.code, finding.state) == ("warehouse_format", "error")
    assert "python -m flows.backfill --first" in finding.remedy


def with_decimals(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("alter table features.customer_days alter units type decimal(18, 4)")


def test_e7_migrations_are_applied_in_order_all_or_none(tmp_path: Path) -> None:
    file, told = unstamped(tmp_path / "tessera.duckdb"), []

    def broken(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("alter table features.customer_days add column half_done bigint")
        raise ValueError("a row that does not fit")

    steps = {1: Migration("units have decimals", with_decimals), 2: Migration("half", broken)}
    before = tables(file)
    with pytest.raises(OtherFormat, match=r"could not be migrated to 3: a row that does not fit\. It is unchanged"):
        bring_up_to_date(file, told.append, steps, wanted=3)
    assert tables(file) == before
    with pytest.raises(OtherFormat, match="no format version"):
        bring_up_to_date(file, told.append, {2: steps[2]}, wanted=3)

    steps[2] = Migration("discounts", lambda connection: connection.execute("create table features.discounts (id int)"))
    told.clear()
    bring_up_to_date(file, told.append, steps, wanted=3)
    assert told == [
        "The warehouse gets format 2: units have decimals",
        "The warehouse gets format 3: discounts",
    ]
    assert stamp_of(file) == 3
    with duckdb.connect(str(file), read_only=True) as connection:
        assert [str(kind) for kind in connection.table("features.customer_days").types] == ["BIGINT", "DECIMAL(18,4)"]
    told.clear()
    bring_up_to_date(file, told.append, steps, wanted=3)
    assert told == []


def test_e7_migrations_lead_to_the_format_of_this_version() -> None:
    assert set(MIGRATIONS) <= set(range(1, NOW))
