"""Files of releases that take from each other what has not changed."""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import PUBLISHED, Shop
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flows.steps import release
from flows.steps.mart_files import checksum, write_marts
from flows.steps.operations_log import log_run, read_runs
from flows.steps.project import ROOT, Project
from flows.steps.rewrite import Rewrite
from flows.steps.run import Run
from flows.steps.window import Window

FOR_EVER = date(9999, 12, 31)
COLUMNS = "customer_id integer, segment varchar, valid_from date, valid_to date, days bigint"

Row = tuple[int, str | None, date, date, int]

# Few values, so that releases have months in common, and rows that are there twice.
spells = st.tuples(
    st.integers(1, 2),
    st.sampled_from([None, "champions", "it's"]),
    st.just(date(2024, 1, 1)),
    st.sampled_from([date(2024, 1, 31), date(2024, 2, 1), date(2024, 2, 29), FOR_EVER]),
    st.integers(1, 2),
)
JANUARY: Row = (1, "champions", date(2024, 1, 1), date(2024, 1, 31), 30)
FEBRUARY: Row = (1, "it's", date(2024, 1, 31), date(2024, 2, 7), 7)
LASTS: Row = (1, "champions", date(2024, 2, 7), FOR_EVER, 3)
# So many ended in January that a release of a later day begins with this one.
STAYS = [JANUARY, *((customer, *JANUARY[1:]) for customer in (2, 3, 4)), FEBRUARY, LASTS]
A_DAY_LATER = [*STAYS[:-1], (*LASTS[:3], date(2024, 2, 9), 2), (1, None, date(2024, 2, 9), FOR_EVER, 1)]


class Warehouse:
    """A warehouse with spells, another mart and a view, and the folders that its marts are released to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "it's a warehouse.duckdb"
        self.releases: list[Path] = []

    def hold(self, rows: Sequence[Row], columns: str = COLUMNS) -> None:
        """Have these spells and no others."""
        with duckdb.connect(str(self.file)) as connection:
            connection.execute("create schema if not exists marts; create schema if not exists operations")
            connection.execute(f"create or replace table marts.fct_segment_spells ({columns})")
            if rows:
                connection.executemany("insert into marts.fct_segment_spells values (?, ?, ?, ?, ?)", rows)
            connection.execute(f"create or replace table marts.dim_customers as select {len(rows)} as customer_id")
            connection.execute("create or replace table operations.runs as select 'daily' as kind")
            connection.execute("create or replace view marts.ops_runs as from operations.runs")

    def write(self, base: Path | None) -> Path:
        """Write the marts as a release does."""
        made = self.folder / f"release-{len(self.releases)}"
        made.mkdir()
        manifest = write_marts(self.file, made, base)
        (made / "manifest.json").write_text(json.dumps(manifest))
        self.releases.append(made)
        return made


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    warehouse = Warehouse(tmp_path)
    warehouse.hold(STAYS)
    return warehouse


def content(relation: duckdb.DuckDBPyRelation) -> tuple[Any, ...]:
    return relation.columns, relation.types, sorted(relation.fetchall(), key=str)


def files_of(made: Path) -> dict[str, str]:
    """The files of spells, by month."""
    folder = Path("parquet") / "fct_segment_spells.parquet"
    return {file.name[: len("2024-01")]: str(folder / file.name) for file in sorted((made / folder).iterdir())}


def assert_release_is_what_the_warehouse_has(warehouse: Warehouse, made: Path) -> None:
    manifest = json.loads((made / "manifest.json").read_text())
    assert sorted(path.name for path in made.iterdir()) == ["manifest.json", "parquet", "tessera.duckdb"]
    with (
        duckdb.connect(str(warehouse.file), read_only=True) as published,
        duckdb.connect(str(made / "tessera.duckdb"), read_only=True) as released,
    ):
        marts = [name for (name,) in released.sql("select table_name from duckdb_tables() order by all").fetchall()]
        assert marts == ["dim_customers", "fct_segment_spells", "ops_runs"] == sorted(manifest["rows_by_mart"])
        assert sorted(path.stem for path in (made / "parquet").iterdir()) == marts
        for mart in marts:
            expected = content(published.sql(f"from marts.{mart}"))
            assert content(released.sql(f"from marts.{mart}")) == expected
            assert content(released.read_parquet(str(made / "parquet" / f"{mart}.parquet"))) == expected
            assert manifest["rows_by_mart"][mart] == len(expected[-1])
        ended = "select distinct strftime(valid_to, '%Y-%m') from marts.fct_segment_spells"
        assert list(files_of(made)) == sorted({"9999-12"}.union(month for (month,) in published.sql(ended).fetchall()))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(tables=st.lists(st.lists(spells, max_size=8), min_size=2, max_size=4))
# Rows that are there twice, and others instead.
@example(tables=[[*STAYS, *STAYS, LASTS, LASTS], [*STAYS, *STAYS, (2, *LASTS[1:]), (2, *LASTS[1:])]])
def test_release_is_what_the_warehouse_has_whatever_it_begins_with(tables: list[list[Row]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        warehouse, base = Warehouse(Path(folder)), None
        for rows in tables:
            warehouse.hold(rows)
            base = warehouse.write(base)
            assert_release_is_what_the_warehouse_has(warehouse, base)


@contextmanager
def forged(made: Path, file: str) -> Iterator[Path]:
    """Change a file of a release, and its checksum."""
    yield made / file
    manifest = json.loads((made / "manifest.json").read_text())
    manifest["checksums"][file] = checksum(made / file)
    (made / "manifest.json").write_text(json.dumps(manifest))


def forge(made: Path) -> None:
    """Have all stays last 100 days longer than the warehouse says, so that it can be told which are taken over."""
    with (
        forged(made, "tessera.duckdb") as database,
        duckdb.connect(str(database)) as connection,
    ):
        connection.execute("update marts.fct_segment_spells set days = days + 100")
    for name in files_of(made).values():
        with forged(made, name) as file:
            changed = duckdb.read_parquet(str(file)).select("* replace (days + 100 as days)")
            changed.write_parquet(str(file) + ".new")
            file.with_name(f"{file.name}.new").replace(file)


def test_months_that_are_over_are_taken_as_they_are(warehouse: Warehouse) -> None:
    first = warehouse.write(None)
    forge(first)
    warehouse.hold(A_DAY_LATER)
    second = warehouse.write(first)
    with duckdb.connect(str(second / "tessera.duckdb"), read_only=True) as connection:
        for rows in (
            connection.table("marts.fct_segment_spells"),
            connection.read_parquet(str(second / "parquet" / "fct_segment_spells.parquet")),
        ):
            assert sorted(rows.select("days").fetchall()) == [(1,), (2,), (7,), *4 * [(130,)]]


def without_manifest(made: Path) -> None:
    (made / "manifest.json").unlink()


def of_an_older_tessera(made: Path) -> None:
    (made / "manifest.json").write_text(json.dumps({"rows_by_mart": {"dim_customers": 3}}))


def with_another_manifest(made: Path) -> None:
    (made / "manifest.json").write_text("[1]")


def of_another_engine(made: Path) -> None:
    forge(made)
    manifest = json.loads((made / "manifest.json").read_text()) | {"engine": "1.0.0"}
    (made / "manifest.json").write_text(json.dumps(manifest))


def database_changed(made: Path) -> None:
    with (made / "tessera.duckdb").open("r+b") as file:
        file.seek(-9, 2)
        file.write(b"\xff")


def month_cut_off(made: Path) -> None:
    file = made / files_of(made)["2024-01"]
    file.write_bytes(file.read_bytes()[:-5])


def month_lost(made: Path) -> None:
    (made / files_of(made)["2024-02"]).unlink()


def table_lost(made: Path) -> None:
    """Its checksum is that of the file, and a run that had to change the table would stop on every day."""
    with forged(made, "tessera.duckdb") as database, duckdb.connect(str(database)) as connection:
        connection.execute("drop table marts.fct_segment_spells")


def with_a_row_more(made: Path) -> None:
    with forged(made, "tessera.duckdb") as database, duckdb.connect(str(database)) as connection:
        connection.execute("insert into marts.fct_segment_spells from marts.fct_segment_spells limit 1")


def removed(made: Path) -> None:
    shutil.rmtree(made)


@pytest.mark.parametrize(
    "damage",
    [
        without_manifest,
        of_an_older_tessera,
        with_another_manifest,
        of_another_engine,
        database_changed,
        month_cut_off,
        month_lost,
        table_lost,
        with_a_row_more,
        removed,
    ],
)
def test_release_that_is_damaged_or_another_version_s_is_not_begun_with(
    warehouse: Warehouse, damage: Callable[[Path], None]
) -> None:
    first = warehouse.write(None)
    damage(first)
    assert_release_is_what_the_warehouse_has(warehouse, warehouse.write(first))


@pytest.mark.parametrize(
    "columns", [COLUMNS.replace("segment ", "group_name "), COLUMNS.replace("days bigint", "days integer")]
)
def test_mart_whose_columns_change_is_written_anew(warehouse: Warehouse, columns: str) -> None:
    first = warehouse.write(None)
    warehouse.hold(STAYS, columns)
    assert_release_is_what_the_warehouse_has(warehouse, warehouse.write(first))


def test_mart_that_is_gone_is_gone(warehouse: Warehouse) -> None:
    first = warehouse.write(None)
    with duckdb.connect(str(warehouse.file)) as connection:
        connection.execute("drop table marts.fct_segment_spells")
    second = warehouse.write(first)
    assert sorted(path.stem for path in (second / "parquet").iterdir()) == ["dim_customers", "ops_runs"]
    with duckdb.connect(str(second / "tessera.duckdb"), read_only=True) as connection:
        names = connection.sql("select table_name from duckdb_tables() order by all").fetchall()
    assert names == [("dim_customers",), ("ops_runs",)]


def test_release_that_would_be_replaced_for_the_most_part_is_not_begun_with(warehouse: Warehouse) -> None:
    first = warehouse.write(None)
    forge(first)
    # Of six stays one is as it was.
    warehouse.hold([*STAYS[1:4], (5, *JANUARY[1:]), FEBRUARY, (2, *LASTS[1:])])
    assert_release_is_what_the_warehouse_has(warehouse, warehouse.write(first))


def test_release_does_not_grow_by_what_it_begins_with(warehouse: Warehouse) -> None:
    """Twenty days over a month's turn; on each a twentieth of 40,000 stays ends and begins again."""
    lasts = f"valid_to = date '{FOR_EVER}'"
    with duckdb.connect(str(warehouse.file)) as connection:
        connection.execute(
            "create or replace table marts.fct_segment_spells as "
            f"select hash(range) % 40000 as customer_id, 'champions' as segment, date '2023-01-01' as valid_from, "
            f"if(range < 40000, date '{FOR_EVER}', date '2023-01-02' + cast(range % 300 as integer)) as valid_to, "
            "hash(range) % 1000 as days from range(250000)"
        )
    base = warehouse.write(None)
    for number in range(20):
        day = f"date '2024-01-20' + {number}"
        with duckdb.connect(str(warehouse.file)) as connection:
            connection.execute(
                f"create or replace temp table ended as select * replace ({day} as valid_to) "
                f"from marts.fct_segment_spells where {lasts} and customer_id % 20 = {number};"
                f"delete from marts.fct_segment_spells where {lasts} and customer_id % 20 = {number};"
                "insert into marts.fct_segment_spells from ended;"
                f"insert into marts.fct_segment_spells "
                f"select * replace ({day} as valid_from, date '{FOR_EVER}' as valid_to, 1 as days) from ended;"
                f"update marts.fct_segment_spells set days = days + 1 where {lasts}"
            )
        before, base = base, warehouse.write(base)
        shutil.rmtree(before)
    assert_release_is_what_the_warehouse_has(warehouse, base)
    # Which thread writes which rows decides how well a new file is compressed: by a third, from one to the next.
    again = max((warehouse.write(None) / "tessera.duckdb").stat().st_size for _ in range(4))
    assert (base / "tessera.duckdb").stat().st_size <= 1.5 * again


def test_reader_who_meets_the_switch_does_not_mix_two_releases(warehouse: Warehouse) -> None:
    """A reader of the folder lists its files, and then opens each by the link, which may lead elsewhere by then."""
    link = warehouse.folder / "current"
    first = warehouse.write(None)
    link.symlink_to(first)
    listed = files_of(link)
    warehouse.hold(A_DAY_LATER)
    second = warehouse.write(first)
    link.unlink()
    link.symlink_to(second)
    found = {month: (link / file).read_bytes() for month, file in listed.items() if (link / file).exists()}
    assert found == {"2024-01": (first / listed["2024-01"]).read_bytes()}


KILLED_WHILE_COPYING = """
import os, signal, sys
from datetime import date
from pathlib import Path
from flows.steps.release import current_release, publish

def kill(event, arguments):
    if event == "shutil.copyfile" and "fct_segment_spells" in str(arguments):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill)
warehouse, serving = map(Path, sys.argv[1:])
base = current_release(serving)
publish(warehouse, serving, date(2024, 2, 9), "20240210T000000Z", "test", [], 5, lambda folder: None, base=base)
"""


def test_run_that_is_killed_while_files_are_taken_over_leaves_the_release_before(warehouse: Warehouse) -> None:
    serving = warehouse.folder / "serving"
    first = release.publish(
        warehouse.file, serving, date(2024, 2, 8), "20240209T000000Z", "test", [], 5, lambda folder: None
    )
    warehouse.hold(A_DAY_LATER)
    command = [sys.executable, "-c", KILLED_WHILE_COPYING, str(warehouse.file), str(serving)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    assert release.current_release(serving) == first
    (half,) = (serving / "releases").glob(".building-*")
    assert (half / "tessera.duckdb").stat().st_size == (first / "tessera.duckdb").stat().st_size
    second = release.publish(
        warehouse.file, serving, date(2024, 2, 9), "20240211T000000Z", "test", [], 5, lambda folder: None, base=first
    )
    assert release.list_releases(serving) == [first, second]
    assert not half.exists()
    assert_release_is_what_the_warehouse_has(warehouse, second)


@pytest.mark.parametrize("since", ["nothing", "a rewrite", "a rewrite that failed", "it is one", "another warehouse"])
def test_run_begins_with_the_current_release_unless_history_was_rewritten_since(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, since: str
) -> None:
    """A customer who was erased would stay in free blocks of its file, or one of whom a new warehouse knows nothing."""
    seen = {}
    current = release.current_release(shop.serving)
    monkeypatch.setattr(release, "publish", lambda **options: seen.update(options) or current)
    run = next(run for run in read_runs(shop.warehouse) if run.status == "released")
    if since.startswith("a rewrite"):
        status = "failed" if "failed" in since else "released"
        fields = vars(run) | {"run_id": "29990101T000000Z", "kind": "erase", "status": status}
        log_run(shop.warehouse, type(run)(**fields))
    if since == "another warehouse":
        with duckdb.connect(str(shop.warehouse)) as connection:
            connection.execute("delete from operations.runs")
    rewrite = Rewrite(shop.warehouse, "to see") if since == "it is one" else None
    Run(Project(), Window(PUBLISHED, PUBLISHED, PUBLISHED), "daily", rewrite=rewrite).publish()
    assert seen["base"] == (current if since == "nothing" else None)
