"""late_customer_days on tables that are there already, which dbt's unit tests cannot stand in for."""

from collections.abc import Iterator
from datetime import date
from functools import cache

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


class This(str):
    """The model's own table, of whose schema others can be named."""

    def incorporate(self, path: dict[str, str]) -> str:
        return path["identifier"]


@cache
def late_rows_sql(exists: bool = True, is_incremental: bool = True) -> str:
    known = macros(
        variables={"first_date": "2024-04-10", "last_date": "2024-04-10"},
        is_incremental=lambda: is_incremental,
        this=This("late_customer_days"),
        load_cached_relation=lambda name: name if exists else None,
    )
    return known.render("features/late_customer_days.sql")


@cache
def line_fingerprint() -> str:
    return macros().line_fingerprint()


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    """Lines whose days are kept as they were delivered, and an empty log."""
    with duckdb.connect() as connection:
        connection.execute(
            "create table transactions (customer_id bigint, order_id varchar, order_date date, "
            "net_amount decimal(18, 2), product_id varchar default 'p', units bigint default 1, "
            "discount_amount decimal(18, 2) default 0,"
            " coupon_amount decimal(18, 2) default 0, cost_amount decimal(18, 2))"
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
        connection.execute(
            "create table customer_days as select customer_id, order_date as activity_date, count(*) as lines, "
            "cast(sum(net_amount * 100) as double) as net_cents, sum(fingerprint) as fingerprint "
            "from lines group by all"
        )
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


def log(connection: duckdb.DuckDBPyConnection) -> None:
    """Keep what a run finds, as the model does: in place of the rows of the same key."""
    connection.execute(f"create table found as {late_rows_sql()}")
    keys = "(seen_on, activity_date, customer_id)"
    connection.execute(f"delete from late_customer_days where {keys} in (select {keys} from found)")
    connection.execute("insert into late_customer_days from found")
    connection.execute("drop table found")


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
        ("update products set category = 'cheese'",
         [(1, 1, 1, 1, 500, 500), (2, 1, 1, 1, 100, 100), (2, 2, 2, 2, 500, 500), (3, 3, 1, 1, 400, 400)]),
    ],
    ids=["late", "late on a day without lines", "amount", "units", "customer", "deleted", "product"],
)  # fmt: skip
def test_customers_whose_lines_changed_are_late(warehouse, change: str, expected: list[tuple]) -> None:
    warehouse.execute(change)
    assert seen(warehouse) == expected


def test_what_was_before_the_first_of_several_runs_of_a_day_stays_before(warehouse) -> None:
    add(warehouse, (1, "x", "2024-04-01", "1.00"))
    log(warehouse)
    assert seen(warehouse) == [(1, 1, 1, 2, 500, 600)], "a run that was killed before customer_days finds them again"
    # A run that failed later had changed customer_days already; then there is more.
    warehouse.execute("update customer_days set lines = 2, net_cents = 600, fingerprint = "
                      "(select sum(fingerprint) from lines where customer_id = 1 and order_date = '2024-04-01') "
                      "where activity_date = '2024-04-01'")  # fmt: skip
    assert seen(warehouse) == []
    add(warehouse, (1, "y", "2024-04-01", "1.00"))
    assert seen(warehouse) == [(1, 1, 1, 3, 500, 700)]
    log(warehouse)
    assert len(warehouse.table("late_customer_days")) == 1
