"""Erasing customers: they are in no table and no release any more, and what is left still reconciles."""

import pickle
import shutil
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
import yaml
from conftest import NEXT_DAY, PUBLISHED, Shop, released, rows
from shop import HISTORY_START, TAKEN_OUT, take_out

from flows.daily import daily
from flows.erase import erase
from flows.rollback import rollback
from flows.steps.dbt import dbt_arguments, run_dbt
from flows.steps.erasure import OUTDATED, Erasure, NotFound, find_customers, read_customers
from flows.steps.errors import RunStopped
from flows.steps.operations_log import log_run, read_runs
from flows.steps.pipeline import tidy
from flows.steps.project import Project
from flows.steps.release import list_releases
from flows.steps.rewrite import Rewrite
from flows.steps.run import Run
from flows.steps.window import Window

ONE_DAY = timedelta(days=1)


def ask(shop: Shop, customers: tuple[int, ...], reason: str = "asked for it on 9 April") -> str:
    file = shop.folder / "erase.txt"
    file.write_text("".join(f"{customer}\n" for customer in customers))
    return erase(customers=str(file), reason=reason, vars=shop.vars)


def customer_tables(shop: Shop) -> dict[str, list[tuple]]:
    """What the history says of the customers who stay."""
    stay = f"where customer_id not in {TAKEN_OUT} order by all"
    queries = {
        "spells": f"from marts.fct_segment_spells {stay}",
        "segments": f"from marts.customer_segments {stay}",
        "features": f"from marts.fct_customer_features {stay}",
        "customers": f"from marts.dim_customers {stay}",
    }
    return {name: released(shop, query) for name, query in queries.items()}


def sizes_by_hand(shop: Shop, sales: dict[tuple[date, int], tuple[Decimal, int]]) -> dict[tuple, list]:
    """fct_segment_daily, counted customer by customer from spells and what everybody bought."""
    counted: dict[tuple, list] = {}

    def count(day: date, segmentation: str, segment: str, place: int, value) -> None:
        counted.setdefault((day, segmentation, segment), [0, 0, 0, 0, 0, Decimal(0), 0])[place] += value

    for customer, segmentation, segment, before, after, begin, end in released(
        shop,
        "select customer_id, segmentation, segment, previous_segment, next_segment, valid_from, valid_to "
        "from marts.fct_segment_spells",
    ):
        count(begin, segmentation, segment, 1, 1)
        count(begin, segmentation, segment, 3, before is None)
        if end <= PUBLISHED:
            count(end, segmentation, segment, 2, 1)
            count(end, segmentation, segment, 4, after == "(left)")
        day = begin
        while day < min(end, PUBLISHED + ONE_DAY):
            net_sales, orders = sales.get((day, customer), (Decimal(0), 0))
            for place, value in ((0, 1), (5, net_sales), (6, orders)):
                count(day, segmentation, segment, place, value)
            day += ONE_DAY
    return counted


def test_erased_customers_are_nowhere_and_what_is_left_adds_up(shop: Shop, capsys: pytest.CaptureFixture) -> None:
    before, seen = customer_tables(shop), shop.fingerprint()
    sales = {
        (day, customer): (Decimal(str(net_sales)), orders)
        for day, customer, net_sales, orders in rows(
            shop.warehouse,
            "select as_of_date, customer_id, net_sales_30d, orders_30d from features.customer_measures_history "
            "where orders_30d > 0",
        )
    }
    # Checks of earlier versions have quoted some of them, and so have their logs.
    quoted = {
        "unknown_customer": "1 of 1 row: unknown_customer 1 (example unknown_customer: order 5, customer 777)",
        "customer_segment_duplicate": "2 rows share 777/seg_value",
        "segment_not_given": "1 of 6,000 rows: segment null (customer_id 777, segmentation seg_value)",
        "customer_duplicate": "60 of 1,200 rows, such as 777",
        "customers_empty": "777 rows",
    }
    with duckdb.connect(str(shop.warehouse)) as connection:
        for code, observed in quoted.items():
            status = "passed" if code == "customers_empty" else "failed"
            connection.execute(
                "update operations.checks set observed = ?, status = ? where code = ?", [observed, status, code]
            )
    (log,) = (shop.logs / "runs").glob("*.jsonl")
    log.write_text('{"event": "check_not_passed", "observed": "2 rows share 777"}\n')

    # --- As long as the sources deliver them, the next run would bring them back.
    with pytest.raises(RunStopped, match=r"files, customers: 7 row\(s\) of 7 of them; files, transactions: \d+ row"):
        ask(shop, TAKEN_OUT)
    assert shop.fingerprint() == seen

    # --- They are taken out of everything, and nobody else is touched.
    take_out(shop.files, TAKEN_OUT)
    with pytest.raises(
        NotFound, match=rf"Released {PUBLISHED}-\w+\. Line 8 of the list: nothing was found of 1 customer"
    ):
        ask(shop, (*TAKEN_OUT, 99999))
    assert "Line 8 of the list" in capsys.readouterr().out
    assert find_customers(shop.warehouse, TAKEN_OUT) == {}
    assert find_customers(shop.serving / "current" / "tessera.duckdb", TAKEN_OUT) == {}
    for file in (shop.serving / "current" / "parquet").iterdir():
        with duckdb.connect() as connection:
            mart = connection.read_parquet(str(file))
            if "customer_id" in mart.columns:
                assert not len(mart.filter(f"customer_id in {TAKEN_OUT}")), file.name
    assert [release.name for release in list_releases(shop.serving)] == [(shop.serving / "current").readlink().name]
    assert not (shop.warehouse.parent / "restating").exists()
    assert not log.exists()
    assert len(list((shop.logs / "runs").glob("*.jsonl"))) == 1
    assert customer_tables(shop) == before
    assert released(shop, "select observed from marts.ops_checks where observed like '%777%'") == [("777 rows",)]
    assert rows(
        shop.warehouse, "select count(*) from duckdb_tables() where table_name similar to '.*erased.*|outdated_files'"
    ) == [(0,)]
    run = released(shop, "select kind, status, message, customers from marts.ops_runs order by started_at desc limit 1")
    assert run == [("erase", "released", "Erased 7 customers: asked for it on 9 April", 1200 - len(TAKEN_OUT))]

    # --- Sizes are those of the customers who are left, counted one by one ...
    in_force = "select segmentation, segment from marts.dim_segments where is_current"
    by_hand = sizes_by_hand(shop, sales)
    days = [HISTORY_START + n * ONE_DAY for n in range((PUBLISHED - HISTORY_START).days + 1)]
    nothing = [0, 0, 0, 0, 0, Decimal(0), 0]
    expected = {(day, *segment): nothing for day in days for segment in released(shop, in_force)} | by_hand
    found = {
        row[:3]: list(row[3:])
        for row in released(
            shop,
            'select as_of_date, segmentation, segment, customers, entered, exited, joined, "left", net_sales_30d, '
            "orders_30d from marts.fct_segment_daily",
        )
    }
    assert found == expected
    assert Counter(key[0] for key in found) == Counter(dict.fromkeys(days, len(released(shop, in_force))))

    # --- ... and what is counted by day is what the models make of the logs that are left.
    logged = {
        table: f"from {table} order by all"
        for table in ("marts.fct_segment_daily", "marts.fct_segment_migrations", "history.segmentation_moves")
    }
    subtracted = {table: rows(shop.warehouse, query) for table, query in logged.items()}
    whole = Window(HISTORY_START, PUBLISHED, HISTORY_START)
    project = Project(overrides=yaml.safe_load(shop.vars))
    with duckdb.connect(str(shop.warehouse)) as connection:
        connection.execute(
            "create or replace table features.measures_in_force as "
            "select *, lead(measured_on, 1, date '9999-12-31') over (partition by customer_id order by measured_on) "
            "as valid_to from features.measure_changes"
        )
    models = ("customer_measures", "recent_spells", "segmentation_moves", "fct_segment_daily", "fct_segment_migrations")
    run_dbt(dbt_arguments("run", project, select=models), project, whole, print)
    assert {table: rows(shop.warehouse, query) for table, query in logged.items()} == subtracted

    # --- The next day goes on from there: nothing is late, and nobody has left.
    assert daily(vars=shop.vars).startswith(f"Released {NEXT_DAY}")
    assert released(shop, "from marts.fct_late_arrivals") == []
    assert released(shop, f"select sum(\"left\") from marts.fct_segment_daily where as_of_date = '{NEXT_DAY}'") == [
        (0,)
    ]
    assert find_customers(shop.warehouse, TAKEN_OUT) == {}
    with pytest.raises(NotFound, match=r"Nothing to erase\. Lines 1-7 of the list: nothing was found of 7 customers"):
        ask(shop, TAKEN_OUT)


def test_an_erasure_is_refused_where_it_would_publish_more_than_less_customers(shop: Shop) -> None:
    seen = shop.fingerprint()
    take_out(shop.files, TAKEN_OUT)
    change = {
        "without customer_days": "drop table features.customer_days",
        "without customer_days, measures_in_force": "drop table features.measures_in_force",
        "The rules of this checkout are not those of the release": "update operations.runs set rule_versions = '{}'",
        "has days up to 2024-04-10": "insert into history.segmentation_days values ('2024-04-10', '', '')",
    }
    for message, statement in change.items():
        with duckdb.connect(str(shop.warehouse)) as connection:
            connection.execute(statement)
        with pytest.raises(RunStopped, match=message):
            ask(shop, TAKEN_OUT)
    assert shop.fingerprint() == seen
    assert set().union(*find_customers(shop.warehouse, TAKEN_OUT).values()) == set(TAKEN_OUT)
    assert not (shop.warehouse.parent / "restating").exists()


def leave_outdated(shop: Shop) -> list[Path]:
    """Copies of the release, as if an erasure had to remove them: older ones, and one of a clock that was ahead."""
    current = (shop.serving / "current").resolve()
    names = ["2024-04-08-20240409T000000Z", f"{PUBLISHED}-29990101T000000Z", current.name]
    with duckdb.connect(str(shop.warehouse)) as connection:
        connection.execute(f"create table {OUTDATED} as select 'release' as kind, unnest(?) as name", [names])
    return [shutil.copytree(current, current.with_name(name)) for name in names[:2]]


def test_d5_releases_that_a_killed_erasure_did_not_remove_go_with_the_next_run(shop: Shop) -> None:
    """All that were there when it began, whatever their names say of the time, and none that was made after it."""
    first = (shop.serving / "current").resolve()
    outdated = leave_outdated(shop)
    later = shutil.copytree(first, first.with_name("2024-04-08-20240101T000000Z"))
    tidy(Project())
    # Readers have one of them still: the erasure's own is not there yet, and what it has to do is not forgotten.
    assert set(list_releases(shop.serving)) == {first, later}
    (shop.serving / "current").unlink()
    (shop.serving / "current").symlink_to(Path("releases") / later.name)
    shutil.copytree(first, outdated[0])
    for _ in range(2):
        tidy(Project())
        assert list_releases(shop.serving) == [later]
    assert rows(shop.warehouse, "select count(*) from duckdb_tables() where table_name = 'outdated_files'") == [(0,)]


def test_rollback_after_an_erasure_that_was_killed_does_not_show_the_customers_again(shop: Shop) -> None:
    """Readers had the erasure's release, but it had not said so yet: the next run then called it interrupted."""
    (run,) = read_runs(shop.warehouse)
    outdated = leave_outdated(shop)
    log_run(shop.warehouse, replace(run, kind="erase", status="releasing"))
    with pytest.raises(RunStopped, match="There is no release before the current one"):
        rollback()
    assert not any(release.exists() for release in outdated)
    assert [each.status for each in read_runs(shop.warehouse)] == ["released"]


def test_asking_again_finishes_an_erasure_that_was_killed_around_its_switch(shop: Shop) -> None:
    """It said that there was nothing to erase, while readers still saw the release with the customers."""
    first = (shop.serving / "current").resolve()
    (run,) = read_runs(shop.warehouse)
    erasure = replace(run, run_id="29990101T000000Z", kind="erase", status="releasing")
    waiting = shutil.copytree(first, first.with_name(f"{PUBLISHED}-{erasure.run_id}"))
    (shop.serving / ".next").symlink_to(Path("releases") / waiting.name)
    # Its copy, with the customers gone, is the warehouse already.
    log_run(shop.warehouse, erasure)
    with duckdb.connect(str(shop.warehouse)) as connection:
        connection.execute(f"create table {OUTDATED} as select 'release' as kind, '{first.name}' as name")
    with pytest.raises(NotFound, match="Nothing to erase"):
        ask(shop, (99999,))
    assert list_releases(shop.serving) == [waiting]
    assert (shop.serving / "current").resolve() == waiting


def test_an_erasure_that_was_overtaken_or_interrupted_late_says_what_is_true(shop: Shop) -> None:
    project = Project(overrides=yaml.safe_load(shop.vars))
    rewrite = Rewrite(project.warehouse, "to see")
    earlier = Window(PUBLISHED - ONE_DAY, PUBLISHED - ONE_DAY, HISTORY_START)
    overtaken = Run(replace(project, warehouse=rewrite.copy), earlier, "erase", rewrite=rewrite)
    with pytest.raises(RunStopped, match="A day was published while this began"):
        overtaken.begin()
    # Readers have its release: that it was interrupted afterwards must not hide it from the next run.
    published = Run(project, replace(earlier, first=PUBLISHED, last=PUBLISHED), "erase", rewrite=rewrite)
    published.log("released", "Erased 7 customers")
    published.end("interrupted", "Stopped from outside")
    last = max(read_runs(shop.warehouse), key=lambda each: each.run_id)
    assert (last.run_id, last.status, last.message) == (published.run_id, "released", "Erased 7 customers")


@pytest.mark.parametrize(
    ("content", "key_type", "read"),
    [
        (b"17\n\n 4 \r\n17\n", "bigint", {17: 1, 4: 3}),
        (b"C-0017\r\nC-4", "varchar", {"C-0017": 1, "C-4": 2}),
        (b"\xef\xbb\xbf(X)\n/X\nan@example.com\nA B\n", "varchar", {"(X)": 1, "/X": 2, "an@example.com": 3, "A B": 4}),
        # Lines end where a file says so, not where Unicode does.
        ("a\u2028b\nc\x0bd".encode(), "varchar", {"a\u2028b": 1, "c\x0bd": 2}),
        (
            b'customer_id\n X\nX \n\n"two\nlines"\n"say ""X"""\nX',
            "varchar",
            {" X": 2, "X ": 3, "two\nlines": 5, 'say "X"': 7, "X": 8},
        ),
        (b'name,customer_id\r\n"Smith, J",C-1\r\n', "varchar", {"C-1": 2}),
        (
            b'{"customer_id": " X"}\n{"name": 1, "customer_id": "two\\nlines"}\n\n{"customer_id": 17}\n',
            "varchar",
            {" X": 1, "two\nlines": 2, "17": 4},
        ),
        (b"customer_id\n17\n", "bigint", {17: 2}),
        (b'{"customer_id": 17}\n', "bigint", {17: 1}),
        (
            b"17\nC-4\n-1\n" + str(2**63).encode() + b"\n9\n" + b"9" * 5000,
            "bigint",
            "Lines 2-4, 6 of the list of customers",
        ),
        (b"customers\n17", "bigint", "Line 1 of the list of customers: no customer key"),
        # Nobody sees whether a blank or a mark is part of a key.
        (
            b'X\n X\nX \n"X"\na,b\na;b\na\tb\n',
            "varchar",
            "Lines 2-7 of the list of customers: no customer key. Write one key",
        ),
        (b"name,customer_id\nSmith\n,\n", "varchar", "Lines 2-3 of the list"),
        (
            b'{"customer_id": "X"}\n{"customer_id": null}\n{"customer_id": true}\nX\n',
            "varchar",
            "Lines 2-4 of the list",
        ),
        (b'customer_id\nX\n"Y\n', "varchar", "Line 3 of the list"),
        (b" \n", "varchar", "Line 1 of the list"),
        (b"customer_id\n", "varchar", "There is no customer to erase"),
        (b"", "varchar", "There is no customer to erase"),
        (b"X\nM\xfcller", "varchar", "not UTF-8 text"),
    ],
)
def test_d1_keys_are_read_exactly(content: bytes, key_type: str, read: dict | str) -> None:
    if isinstance(read, dict):
        assert read_customers(content, key_type) == read
    else:
        with pytest.raises(RunStopped, match=read) as error:
            read_customers(content, key_type)
        assert "C-4" not in str(error.value)


def test_d1_keys_stay_out_of_pickles_and_texts() -> None:
    """Prefect pickles what tasks are given, where it is told to; and errors show what they are about."""
    erasure = Erasure(Path("w.duckdb"), "asked for", ("forget-me-4711",), "varchar", found=1)
    assert b"forget-me" not in pickle.dumps(erasure)
    assert "forget-me" not in repr(erasure)


def test_the_file_of_the_warehouse_does_not_keep_what_was_deleted_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    erasure = Erasure(tmp_path / "tessera-prod.duckdb", "asked for", ("forget-me-4711",), "varchar", found=1)
    with duckdb.connect(str(erasure.published)) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.customers (customer_id varchar)")
        # In the middle of the file, whose end is cut off where it is free.
        connection.execute("insert into marts.customers values ('forget-me-4711')")
        connection.execute("insert into marts.customers select 'customer-' || i from range(300000) as numbers (i)")
        connection.execute('create view marts.everybody as from "tessera-prod".marts.customers')
    erasure.begin()
    with duckdb.connect(str(erasure.copy)) as connection:
        connection.execute("delete from marts.customers where customer_id = 'forget-me-4711'")
    assert b"forget-me-4711" in erasure.copy.read_bytes()
    erasure.finish()
    assert b"forget-me-4711" not in erasure.copy.read_bytes()
    assert rows(erasure.copy, "select count(*) from marts.everybody") == [(300000,)]

    erasure.begin()
    with pytest.raises(RunStopped, match=r"1 customer came back .* into marts\.customers"):
        erasure.finish()

    # The copy takes no more memory than it may.
    erasure.begin()
    with duckdb.connect(str(erasure.copy)) as connection:
        connection.execute("delete from marts.customers where customer_id = 'forget-me-4711'")
    monkeypatch.setenv("TESSERA_MEMORY", "1MB")
    with pytest.raises(duckdb.OutOfMemoryException):
        erasure.finish()
