"""late_customer_days on tables that are there already, which dbt's unit tests cannot stand in for."""

from collections.abc import Iterator
from datetime import date
from functools import cache
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from flows.rules.macros import macros

LINES = "(customer_id, order_id, order_date, net_amount)"
KEPT = [
    (1, "a", "2024-04-01", "5.00"),
    (1, "b", "2024-04-02", "1.00"),
    (2, "c", "2024-04-02", "2.00"),
    (2, "d", "2024-04-02", "3.00"),
    (3, "e", "2024-04-03", "4.00"),
]

DAYS = (
    "select customer_id, order_date as activity_date, count(*) as lines, "
    "cast(sum(net_amount * 10000) as double) as net_exact, sum(fingerprint) as fingerprint from lines"
)


class This(str):
    """The model's own table, of whose schema others can be named."""

    def incorporate(self, path: dict[str, str]) -> str:
        return path["identifier"]


def known(
    exists: bool = True, is_incremental: bool = True, first: int = 10, last: int = 10, columns: tuple[str, ...] = ()
) -> Any:
    """The macros in a run of some days of April; columns are those that the log has already."""
    return macros(
        variables={
            "first_date": f"2024-04-{first:02}",
            "last_date": f"2024-04-{last:02}",
            "history_start": "2024-04-01",
        },
        is_incremental=lambda: is_incremental,
        this=This("late_customer_days"),
        load_cached_relation=lambda name: name if exists else None,
        adapter={"get_columns_in_relation": lambda _table: [SimpleNamespace(name=name) for name in columns]},
    )


@cache
def late_rows_sql(exists: bool = True, is_incremental: bool = True, first: int = 10) -> str:
    return known(exists, is_incremental, first).render("features/late_customer_days.sql")


@cache
def line_fingerprint() -> str:
    return macros().line_fingerprint()


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    """Lines whose days are kept as they were delivered, and an empty log."""
    with duckdb.connect() as connection:
        connection.execute(
            "create table transactions (customer_id bigint, order_id varchar, order_date date, "
            "net_amount decimal(18, 4), product_id varchar default 'p', units decimal(18, 3) default 1, "
            "is_return boolean default false, is_first_day boolean default true, "
            "discount_amount decimal(18, 4) default 0, "
            "coupon_amount decimal(18, 4) default 0, cost_amount decimal(18, 4))"
        )
        connection.execute("alter table transactions add column ordered_at timestamp")
        connection.execute(
            "create table products as select 'p' as product_id, 'milk' as category, true as is_private_label"
        )
        connection.execute(
            f"create view lines as select transactions.*, {line_fingerprint()} as fingerprint "
            "from transactions left join products on transactions.product_id = products.product_id"
        )
        connection.execute(
            "create view delivered_days as select order_date, cast(null as varchar) as problem, "
            "sum(fingerprint) as fingerprint from lines group by order_date"
        )
        add(connection, *KEPT)
        connection.execute(f"create table customer_days as {DAYS} group by all")
        connection.execute(f"create table late_customer_days as {late_rows_sql(is_incremental=False)}")
        yield connection


def add(connection: duckdb.DuckDBPyConnection, *rows: tuple[int, str, str, str]) -> None:
    connection.executemany(f"insert into transactions {LINES} values (?, ?, ?, ?)", [list(row) for row in rows])
    connection.execute("update transactions set ordered_at = order_date + interval 8 hour")


def seen(connection: duckdb.DuckDBPyConnection) -> list[tuple]:
    """What a run finds: day, customer, lines and cents before and now."""
    found = connection.sql(late_rows_sql())
    assert set(found.select("seen_on").fetchall()) <= {(date(2024, 4, 10),)}
    return [
        (day.day, *rest)
        for day, *rest in found.select(
            "activity_date, customer_id, lines_before, lines_now, net_cents_before, net_cents_now"
        )
        .order("1, 2")
        .fetchall()
    ]


def log(connection: duckdb.DuckDBPyConnection, first: int = 10) -> None:
    """Keep what a run finds, as the model does: after its hook, and in place of the rows of the same key."""
    columns = tuple(connection.table("late_customer_days").columns)
    connection.execute(known(first=first, columns=columns).count_late_rows())
    connection.execute(f"create table found as {late_rows_sql(first=first)}")
    keys = "(seen_on, activity_date, customer_id)"
    connection.execute(f"delete from late_customer_days where {keys} in (select {keys} from found)")
    connection.execute("insert into late_customer_days by name from found")
    connection.execute("drop table found")


def build(connection: duckdb.DuckDBPyConnection, first: int, last: int) -> None:
    """A run as far as late rows are concerned, however it ends: it logs them, and keeps the days as delivered."""
    log(connection, first)
    connection.execute("delete from customer_days")
    connection.execute(f"insert into customer_days {DAYS} where order_date <= '2024-04-{last:02}' group by all")


def due(connection: duckdb.DuckDBPyConnection, last: int) -> tuple[int, date | None]:
    """How many customers a restatement could move, and from which day on."""
    connection.execute(
        "create or replace view customer_measures as select customer_id, "
        f"date '2024-04-{last:02}' as as_of_date from transactions group by all"
    )
    sql = known(first=last, last=last).render("checks/marts/restatement_due.sql")
    return connection.execute(f"select customers, first_day from ({sql})").fetchone()


def test_nothing_is_late_where_the_delivered_lines_are_those_that_are_kept(warehouse) -> None:
    assert seen(warehouse) == []


def test_nothing_is_late_before_the_first_run(warehouse) -> None:
    assert warehouse.sql(late_rows_sql(exists=False, is_incremental=False)).fetchall() == []


def test_the_days_of_the_run_itself_and_later_ones_are_not_late(warehouse) -> None:
    add(warehouse, (1, "x", "2024-04-10", "1.00"), (1, "y", "2024-04-11", "1.00"))
    assert seen(warehouse) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        # Of a day that changed only the customers whose own lines did.
        ("insert into transactions by name select * replace ('z' as order_id) from transactions where order_id = 'b'",
         [(2, 1, 1, 2, 100, 200)]),
        ("insert into transactions by name select * replace (3 as customer_id, date '2024-03-31' as order_date, "
         "timestamp '2024-03-31 08:00' as ordered_at) from transactions where order_id = 'b'",
         [(31, 3, 0, 1, 0, 100)]),
        ("update transactions set net_amount = 7 where order_id = 'd'", [(2, 2, 2, 2, 500, 900)]),
        ("update transactions set units = 2 where order_id = 'd'", [(2, 2, 2, 2, 500, 500)]),
        ("update transactions set customer_id = 2 where order_id = 'b'",
         [(2, 1, 1, 0, 100, 0), (2, 2, 2, 3, 500, 600)]),
        ("delete from transactions where order_id = 'e'", [(3, 3, 1, 0, 400, 0)]),
        ("update transactions set net_amount = 3.125 where order_id = 'd'", [(2, 2, 2, 2, 500, 512.5)]),
        ("update transactions set is_return = true where order_id = 'd'", [(2, 2, 2, 2, 500, 500)]),
        ("update transactions set is_first_day = false where order_id = 'd'", [(2, 2, 2, 2, 500, 500)]),
        ("update products set category = 'cheese'",
         [(1, 1, 1, 1, 500, 500), (2, 1, 1, 1, 100, 100), (2, 2, 2, 2, 500, 500), (3, 3, 1, 1, 400, 400)]),
    ],
    ids=["late", "late on a day without lines", "amount", "units", "customer", "deleted",
         "fraction of a cent", "return", "order begun earlier", "product"],
)  # fmt: skip
def test_customers_whose_lines_changed_are_late(warehouse, change: str, expected: list[tuple]) -> None:
    warehouse.execute(change)
    assert seen(warehouse) == expected


def test_what_was_before_the_first_of_several_runs_of_a_day_stays_before(warehouse) -> None:
    add(warehouse, (1, "x", "2024-04-01", "1.00"))
    log(warehouse)
    assert seen(warehouse) == [(1, 1, 1, 2, 500, 600)], "a run that was killed before customer_days finds them again"
    # A run that failed later had changed customer_days already; then there is more.
    warehouse.execute("update customer_days set lines = 2, net_exact = 60000, fingerprint = "
                      "(select sum(fingerprint) from lines where customer_id = 1 and order_date = '2024-04-01') "
                      "where activity_date = '2024-04-01'")  # fmt: skip
    assert seen(warehouse) == []
    add(warehouse, (1, "y", "2024-04-01", "1.00"))
    assert seen(warehouse) == [(1, 1, 1, 3, 500, 700)]
    log(warehouse)
    assert len(warehouse.table("late_customer_days")) == 1


# --- What restating has taken in ---------------------------------------------


def test_a_restatement_takes_in_what_a_run_saw_that_failed(warehouse) -> None:
    """Seen on the day after the last published one, with which a restatement ends, it was called due for ever."""
    build(warehouse, 4, 4)
    add(warehouse, (1, "x", "2024-04-02", "1.00"), (4, "y", "2024-04-01", "1.00"))
    build(warehouse, 5, 5)
    assert due(warehouse, 5) == (2, date(2024, 4, 1)), "the run of 04-05 sees them and fails"
    # Published days up to 04-04 are rewritten from 04-02 on, with the line of 04-02; 04-01 stays without its own.
    build(warehouse, 2, 4)
    assert due(warehouse, 4) == (1, date(2024, 4, 1))
    build(warehouse, 5, 5)
    assert due(warehouse, 5) == (1, date(2024, 4, 1)), "the next run has nothing to warn of that was rewritten"
    build(warehouse, 1, 5)
    assert due(warehouse, 5) == (0, None)

    # Nothing is lost: runs from the day on that saw them measure these customers, and they are counted as late.
    assert warehouse.sql("select seen_on, customer_id from late_customer_days order by all").fetchall() == [
        (date(2024, 4, 5), 1),
        (date(2024, 4, 5), 4),
    ]
    arrivals = known().render("marts/operations/fct_late_arrivals.sql")
    assert warehouse.sql(f"select activity_date, days_late, late_lines from ({arrivals}) order by all").fetchall() == [
        (date(2024, 4, 1), 4, 1),
        (date(2024, 4, 2), 3, 1),
    ]


def test_what_comes_after_a_restatement_is_due_although_its_days_were_restated(warehouse) -> None:
    """A restatement of all days up to a later one once covered them, whatever it had known."""
    build(warehouse, 4, 8)
    build(warehouse, 1, 8)
    add(warehouse, (1, "x", "2024-04-02", "1.00"))
    # Days from 04-05 on are rewritten for another reason.
    build(warehouse, 5, 8)
    assert due(warehouse, 8) == (1, date(2024, 4, 2))


def test_days_of_a_release_that_was_rolled_back_are_built_with_what_is_late(warehouse) -> None:
    build(warehouse, 4, 7)
    add(warehouse, (1, "x", "2024-04-06", "1.00"), (2, "y", "2024-04-03", "1.00"))
    build(warehouse, 8, 8)
    assert due(warehouse, 8) == (2, date(2024, 4, 3))
    # Back to the release of 04-04, and on: only of that and earlier days something is due.
    build(warehouse, 5, 8)
    assert due(warehouse, 8) == (1, date(2024, 4, 3))


def test_what_was_restated_and_is_taken_back_is_due_again(warehouse) -> None:
    build(warehouse, 4, 4)
    add(warehouse, (1, "x", "2024-04-02", "1.00"))
    build(warehouse, 5, 5)
    build(warehouse, 2, 4)
    warehouse.execute("delete from transactions where order_id = 'x'")
    build(warehouse, 5, 5)
    assert due(warehouse, 5) == (1, date(2024, 4, 2))


def test_a_log_of_an_earlier_version_begins_to_tell_what_was_built_with_it(warehouse) -> None:
    build(warehouse, 4, 4)
    add(warehouse, (1, "x", "2024-04-02", "1.00"))
    build(warehouse, 5, 5)
    warehouse.execute("alter table late_customer_days drop column counted_from")
    build(warehouse, 6, 6)
    assert due(warehouse, 6) == (1, date(2024, 4, 2))
    build(warehouse, 2, 6)
    assert due(warehouse, 6) == (0, None)
