"""Feeds that are readable and not plausible: what the models of the input checks measure of them.

They are judged by the limits of runs; tests/python/test_expectations.py holds that each limit stops a run.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from functools import cache
from typing import Any

import duckdb
import pytest

from expectations.parameters import InputParameters
from flows.rules.macros import macros

FIRST = date(2024, 4, 10)
LIMITS = InputParameters()
COLUMNS = (
    "source_system, customer_id, order_id, product_id, ordered_at, order_date, units, is_return, net_amount, "
    "discount_amount, coupon_amount, cost_amount"
)


class This(str):
    """The model's own table, of whose schema and others further ones can be named."""

    def incorporate(self, path: dict[str, str]) -> str:
        return path["identifier"]


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    """Ten lines a day for eight weeks and on the day of the run, with products, and 400 customers who are all known."""
    with duckdb.connect() as connection:
        connection.execute(
            f"""
            create table closed_days (calendar_date date);
            create table transactions as
            select
                'shop' as source_system, line as customer_id, day || '-' || line as order_id, 'p' || line as product_id,
                cast(date '{FIRST}' - cast(day as integer) as timestamp) as ordered_at,
                date '{FIRST}' - cast(day as integer) as order_date, 1 as units, false as is_return,
                cast(5 as decimal(18, 2)) as net_amount, cast(if(line < 5, 1, 0) as decimal(18, 2)) as discount_amount,
                cast(0 as decimal(18, 2)) as coupon_amount,
                cast(null as decimal(18, 2)) as cost_amount
            from range(0, 57) as days (day)
            cross join range(0, 10) as lines (line);
            create table products as select 'p' || line as product_id, 'dairy' as category from range(0, 9) as p (line);
            create table customers as
            select
                customer_id, date '2023-01-01' as first_seen_date, cast(null as date) as closed_date
            from range(0, 400) as c (customer_id);
            """
        )
        yield connection


def keep_history(connection: duckdb.DuckDBPyConnection, last: date = FIRST - timedelta(days=1)) -> None:
    """The tables that the runs up to a day left of the feed as it is now."""
    connection.execute(
        f"""
        create table customer_days as
        select customer_id, order_date as activity_date, count(*) as lines from transactions
        where order_date <= date '{last}' group by all;
        create table customer_category_days as
        select order_date as activity_date, category, count(*) as lines
        from transactions left join products using (product_id) where order_date <= date '{last}' group by all;
        create table segmentation_days as
        select date '{last}' - cast(day as integer) as as_of_date, 'seg_value' as segmentation
        from range(0, 60) as d (day);
        create table raw_segment_entries as
        select
            customer_id, 'seg_value' as segmentation, date '2024-01-01' as entered_on, 'low' as segment,
            cast(null as text) as previous_segment, cast(null as date) as previous_entered_on, 'v' as rule_version,
            cast(0 as bigint) as entry_clauses
        from customers;
        """
    )
    remember_last_entries(connection)


def remember_last_entries(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "create or replace table last_raw_segment_entries as from raw_segment_entries "
        "qualify entered_on = max(entered_on) over (partition by customer_id)"
    )


def move(connection: duckdb.DuckDBPyConnection, customers: range, day: date, segment: str) -> None:
    """Let customers go to another segment."""
    connection.execute(
        f"insert into raw_segment_entries select customer_id, segmentation, date '{day}', '{segment}', segment, "
        f"entered_on, 'v', 0 from last_raw_segment_entries where customer_id between {customers[0]} and {customers[-1]}"
    )
    remember_last_entries(connection)


def render(connection: duckdb.DuckDBPyConnection, name: str, last: date = FIRST) -> str:
    """The SQL of a model of the input checks, in a run from FIRST on."""

    found = connection.execute("select table_name from duckdb_tables()").fetchall()
    return _rendered(name, last, frozenset(table for (table,) in found))


@cache
def _rendered(name: str, last: date, kept: frozenset[str]) -> str:
    known = macros(
        variables={
            "first_date": str(FIRST),
            "last_date": str(last),
            "history_start": "2024-01-01",
        },
        models={"seg_value": {"owner": "a@example.com", "segments": [{"name": "low", "description": "-"}]}},
        this=This("model"),
        load_cached_relation=lambda table: table if table in kept else None,
        dbt=DBT,
    )
    return known.render(f"checks/inputs/{name}.sql")


class DBT:
    """What dbt itself offers to models."""

    @staticmethod
    def type_string() -> str:
        return "varchar"

    @staticmethod
    def date_spine(_part: str, first: str, end: str) -> str:
        return f"select unnest(generate_series({first}, {end} - 1, interval 1 day)) as date_day"


def rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    found = connection.sql(sql)
    return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


def shares(connection: duckdb.DuckDBPyConnection, last: date = FIRST, day: date = FIRST) -> dict[str, dict[str, Any]]:
    """What is measured of a day, by kind of lines."""
    # As conformed has it where no source says.
    connection.execute("update transactions set is_return = net_amount < 0 or units < 0")
    connection.execute(f"create or replace table input_lines as {render(connection, 'input_lines', last)}")
    connection.execute(
        "create or replace table delivered_days as "
        "select order_date, cast(null as text) as problem, count(*) as lines from transactions group by order_date"
    )
    found = rows(connection, render(connection, "input_shares", last))
    return {row["kind"]: row for row in found if row["order_date"] == day}


def departures(connection: duckdb.DuckDBPyConnection, last: date = FIRST) -> dict[date, dict[str, Any]]:
    """What is measured of customers who are gone, by the day that they are compared with."""
    return {row["known_on"]: row for row in rows(connection, render(connection, "input_customers", last))}


def stops(row: dict[str, Any], kind: str = "vanished") -> bool:
    """Whether departures stop a run."""
    limits = {"vanished": LIMITS.vanished_share, "closed": LIMITS.closed_share}[kind]
    is_judged = row[f"{kind}_times_usual"] > LIMITS.departures_times_usual.maximum
    return is_judged and row[f"{kind}_share"] > limits.maximum


DAY_BEFORE = FIRST - timedelta(days=1)


def test_a2_a_quarter_of_the_customers_missing_is_counted(warehouse: duckdb.DuckDBPyConnection) -> None:
    keep_history(warehouse)
    assert not stops(departures(warehouse)[DAY_BEFORE])
    warehouse.execute("delete from customers where customer_id % 4 = 0")
    (row,) = departures(warehouse).values()
    assert (row["known_customers"], row["vanished_customers"], row["closed_customers"]) == (400, 100, 0)
    assert row["vanished_share"] == 0.25
    assert stops(row)


def test_a2_customers_with_a_closing_date_have_not_vanished(warehouse: duckdb.DuckDBPyConnection) -> None:
    keep_history(warehouse)
    warehouse.execute(f"update customers set closed_date = date '{FIRST}' where customer_id % 4 = 0")
    row = departures(warehouse)[DAY_BEFORE]
    assert (row["vanished_customers"], row["closed_customers"]) == (0, 100)
    assert stops(row, "closed")
    assert not stops(row)
    # Who closes later is a customer still.
    warehouse.execute(f"update customers set closed_date = date '{FIRST}' + 1 where closed_date is not null")
    assert departures(warehouse)[DAY_BEFORE]["closed_customers"] == 0


def test_a2_customers_who_are_first_seen_in_future_have_vanished_but_for_those_who_ordered(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    keep_history(warehouse)
    warehouse.execute(f"update customers set first_seen_date = date '{FIRST}' + 1")
    # Ten of them have orders.
    assert departures(warehouse)[DAY_BEFORE]["vanished_customers"] == 390


def test_a2_nothing_is_said_where_nobody_was_known(warehouse: duckdb.DuckDBPyConnection) -> None:
    (row,) = departures(warehouse).values()
    assert (row["known_customers"], row["vanished_share"], row["vanished_times_usual"]) == (0, 0, 0)


def test_a2_who_left_before_is_not_missed(warehouse: duckdb.DuckDBPyConnection) -> None:
    keep_history(warehouse)
    move(warehouse, range(0, 100), FIRST - timedelta(days=3), "(left)")
    warehouse.execute("delete from customers where customer_id < 100")
    row = departures(warehouse)[DAY_BEFORE]
    assert (row["known_customers"], row["vanished_customers"]) == (300, 0)
    # And one odd day does not make the next one usual.
    assert row["usual_departures"] == 0
    warehouse.execute("delete from customers where customer_id < 200")
    assert stops(departures(warehouse)[DAY_BEFORE])


def test_a2_who_is_erased_is_not_missed(warehouse: duckdb.DuckDBPyConnection) -> None:
    keep_history(warehouse)
    for table in ("customers", "raw_segment_entries", "last_raw_segment_entries", "customer_days", "transactions"):
        warehouse.execute(f"delete from {table} where customer_id < 100")
    row = departures(warehouse)[DAY_BEFORE]
    assert (row["known_customers"], row["vanished_customers"]) == (300, 0)


def test_a2_companies_that_lose_many_customers_every_day_may_go_on(warehouse: duckdb.DuckDBPyConnection) -> None:
    keep_history(warehouse)
    for day in range(1, 11):
        move(warehouse, range(day * 10, day * 10 + 10), FIRST - timedelta(days=day), "(left)")
    warehouse.execute("delete from customers where customer_id between 10 and 129")
    row = departures(warehouse)[DAY_BEFORE]
    assert (row["known_customers"], row["usual_departures"], row["vanished_customers"]) == (300, 10, 20)
    assert row["vanished_share"] > LIMITS.vanished_share.maximum
    assert not stops(row)
    warehouse.execute("delete from customers where customer_id < 150")
    assert stops(departures(warehouse)[DAY_BEFORE])


def test_a2_a_few_customers_of_a_small_company_may_leave(warehouse: duckdb.DuckDBPyConnection) -> None:
    warehouse.execute("delete from customers where customer_id >= 40")
    keep_history(warehouse)
    warehouse.execute("delete from customers where customer_id < 3")
    row = departures(warehouse)[DAY_BEFORE]
    assert row["vanished_share"] == 3 / 40
    assert not stops(row)


def test_a2_a_catch_up_of_four_weeks_may_lose_four_times_as_many(warehouse: duckdb.DuckDBPyConnection) -> None:
    keep_history(warehouse)
    warehouse.execute("delete from customers where customer_id < 30")
    assert stops(departures(warehouse)[DAY_BEFORE])
    four_weeks = FIRST + timedelta(days=27)
    assert not stops(departures(warehouse, four_weeks)[DAY_BEFORE])
    warehouse.execute("delete from customers where customer_id < 100")
    assert stops(departures(warehouse, four_weeks)[DAY_BEFORE])


def test_a2_days_that_are_built_again_are_compared_with_what_was_built_and_the_day_before(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    """A restatement of all days has no day before, and a run that failed may have let customers go already."""
    last = FIRST + timedelta(days=60)
    keep_history(warehouse, last)
    move(warehouse, range(0, 100), FIRST, "(left)")
    warehouse.execute("delete from customers where customer_id < 200")
    found = departures(warehouse, last)
    assert {day: row["known_customers"] for day, row in found.items()} == {DAY_BEFORE: 400, last: 300}
    assert {day: row["vanished_customers"] for day, row in found.items()} == {DAY_BEFORE: 200, last: 100}
    assert stops(found[last])


def test_a2_a_warehouse_without_the_table_of_last_entries_is_no_blind_spot(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    keep_history(warehouse)
    warehouse.execute("drop table last_raw_segment_entries")
    warehouse.execute("delete from customers where customer_id < 100")
    assert departures(warehouse)[DAY_BEFORE]["vanished_customers"] == 100


def double(connection: duckdb.DuckDBPyConnection, where: str = "true") -> None:
    connection.execute(f"insert into transactions from transactions where {where}")


def test_a8_a_day_that_was_loaded_twice_jumps(warehouse: duckdb.DuckDBPyConnection) -> None:
    keep_history(warehouse)
    row = shares(warehouse)["identical_lines"]
    assert (row["share"], row["usual_share"], row["unusual_share"], row["first_share"]) == (0, 0, 0, None)
    double(warehouse, f"order_date = date '{FIRST}'")
    row = shares(warehouse)["identical_lines"]
    assert (row["lines"], row["share"], row["unusual_share"], row["unusual_lines"]) == (20, 0.5, 0.5, 10)
    assert row["unusual_share"] > LIMITS.identical_lines.possible.maximum
    assert row["unusual_lines"] > LIMITS.few_lines.maximum


def test_a8_lines_that_differ_in_one_column_are_not_identical(warehouse: duckdb.DuckDBPyConnection) -> None:
    keep_history(warehouse)
    for column, value in {
        "source_system": "'web'",
        "customer_id": "0",
        "order_id": "'x'",
        "product_id": "null",
        "ordered_at": "ordered_at + interval 1 minute",
        "units": "2",
        "net_amount": "4",
        "discount_amount": "3",
        "coupon_amount": "1",
        "cost_amount": "0",
    }.items():
        warehouse.execute(
            f"insert into transactions ({COLUMNS}) select * replace ({value} as {column}) from transactions "
            f"where order_id = '0-9' and order_date = date '{FIRST}'"
        )
    assert shares(warehouse)["identical_lines"]["share"] == 0


def test_a8_a_till_that_writes_a_line_for_every_piece_does_so_every_day(warehouse: duckdb.DuckDBPyConnection) -> None:
    double(warehouse, "customer_id < 5")
    keep_history(warehouse)
    row = shares(warehouse)["identical_lines"]
    assert row["share"] == row["usual_share"] == pytest.approx(1 / 3)
    assert row["unusual_share"] == 0
    double(warehouse, f"order_date = date '{FIRST}'")
    assert shares(warehouse)["identical_lines"]["unusual_share"] == pytest.approx(1 / 3)


def test_a8_odd_days_do_not_make_the_next_one_usual(warehouse: duckdb.DuckDBPyConnection) -> None:
    double(warehouse, f"order_date in (date '{FIRST}' - 1, date '{FIRST}' - 9)")
    keep_history(warehouse)
    double(warehouse, f"order_date = date '{FIRST}'")
    assert shares(warehouse)["identical_lines"]["unusual_share"] == 0.5


def test_a8_a_file_that_was_written_twice_is_seen_on_a_first_build(warehouse: duckdb.DuckDBPyConnection) -> None:
    double(warehouse)
    row = shares(warehouse)["identical_lines"]
    assert (row["usual_share"], row["unusual_share"], row["first_share"]) == (None, None, 0.5)
    assert row["first_share"] > LIMITS.identical_lines.first.maximum


def test_a8_a_published_day_that_is_delivered_twice_now_jumps_and_the_others_stay_as_they_are(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    keep_history(warehouse)
    third = FIRST - timedelta(days=3)
    double(warehouse, f"order_date = date '{third}'")
    assert shares(warehouse, day=third)["identical_lines"]["unusual_share"] == 0.5
    assert set(shares(warehouse, day=third)) == {"identical_lines"}
    assert not shares(warehouse, day=third - timedelta(days=1))


def test_a8_many_published_days_that_are_delivered_twice_do_not_become_usual(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    """Nine days of 56 are more than one in twenty, and made half of the lines the usual share."""
    keep_history(warehouse)
    first, last = FIRST - timedelta(days=20), FIRST - timedelta(days=12)
    double(warehouse, f"order_date between date '{first}' and date '{last}'")
    assert shares(warehouse, day=first)["identical_lines"]["unusual_share"] == 0.5


@pytest.mark.parametrize(
    ("change", "ratio"),
    [
        ("insert into transactions from transactions", 2),
        (f"delete from transactions where order_date < date '{FIRST}' - 28", 0.5),
        # Nor are lines of customers who are gone: there is a check about these.
        ("delete from customers where customer_id < 5; delete from transactions where customer_id < 5", 1),
        # A day that was not published and lines that are rejected are another matter.
        ("insert into transactions select * replace (date '2023-01-01' as order_date) from transactions", 1),
    ],
)
def test_a8_published_days_that_come_twice_or_not_at_all_are_seen(
    warehouse: duckdb.DuckDBPyConnection, change: str, ratio: float
) -> None:
    keep_history(warehouse)
    warehouse.execute(change)
    shares(warehouse)
    (row,) = rows(warehouse, render(warehouse, "input_past"))
    assert row["kept_ratio"] == ratio
    assert row["changed_lines"] == abs(ratio - 1) * 560


def test_a8_a_first_build_has_no_past(warehouse: duckdb.DuckDBPyConnection) -> None:
    shares(warehouse)
    (row,) = rows(warehouse, render(warehouse, "input_past"))
    assert (row["kept_lines"], row["kept_ratio"]) == (0, 1)


def test_a6_lines_that_lose_their_category_jump(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Products are delivered as they are now: those of past days lose it with them, so history tells what is usual."""
    keep_history(warehouse)
    row = shares(warehouse)["uncategorised_lines"]
    assert row["share"] == row["usual_share"] == 0.1
    warehouse.execute("update products set product_id = product_id || '.0'")
    row = shares(warehouse)["uncategorised_lines"]
    assert (row["share"], row["unusual_share"], row["unusual_lines"]) == (1, pytest.approx(0.9), 9)
    assert row["unusual_share"] > LIMITS.uncategorised_lines.possible.maximum


def test_a6_products_that_are_not_delivered_any_more_are_missed(warehouse: duckdb.DuckDBPyConnection) -> None:
    keep_history(warehouse)
    warehouse.execute("delete from products")
    assert shares(warehouse)["uncategorised_lines"]["unusual_share"] == pytest.approx(0.9)


@pytest.mark.parametrize("is_first", [True, False])
def test_a6_who_never_delivered_products_hears_nothing_of_them(
    warehouse: duckdb.DuckDBPyConnection, is_first: bool
) -> None:
    warehouse.execute("delete from products")
    if not is_first:
        keep_history(warehouse)
    row = shares(warehouse)["uncategorised_lines"]
    assert row["first_share"] is None
    assert not row["unusual_share"]


def test_a6_products_that_no_line_has_are_seen_on_a_first_build(warehouse: duckdb.DuckDBPyConnection) -> None:
    warehouse.execute("update products set product_id = product_id || '.0'")
    row = shares(warehouse)["uncategorised_lines"]
    assert row["first_share"] > LIMITS.uncategorised_lines.first.maximum


def test_a3_a_sign_that_is_turned_round_makes_a_day_of_returns(warehouse: duckdb.DuckDBPyConnection) -> None:
    keep_history(warehouse)
    warehouse.execute(f"update transactions set net_amount = -net_amount where order_date = date '{FIRST}'")
    assert shares(warehouse)["returned_lines"]["unusual_share"] > LIMITS.returned_lines.possible.maximum


def signs(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[int, int, float]]:
    """Lines with an amount, those of them with a negative one, and their share, by amount."""
    shares(connection)
    found = rows(connection, render(connection, "input_signs"))
    return {row["amount"]: (row["lines"], row["negative_lines"], row["negative_share"]) for row in found}


def test_a10_negative_discounts_coupons_and_costs_are_counted(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert signs(warehouse) == {
        "units": (10, 0, 0),
        "discount_amount": (5, 0, 0),
        "coupon_amount": (0, 0, 0),
        "cost_amount": (0, 0, 0),
        "returned_amount": (0, 0, 0),
    }
    warehouse.execute(
        "update transactions set discount_amount = -discount_amount, coupon_amount = if(customer_id = 7, -1, 0), "
        "cost_amount = if(customer_id < 2, -3, 3)"
    )
    assert signs(warehouse) == {
        "units": (10, 0, 0),
        "discount_amount": (5, 5, 1),
        "coupon_amount": (1, 1, 1),
        "cost_amount": (10, 2, pytest.approx(0.2)),
        "returned_amount": (0, 0, 0),
    }


def test_a10_returns_that_bring_money_in_are_counted(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Tills write what is given back as a positive amount; is_return alone says that it is."""
    assert signs(warehouse)["returned_amount"] == (0, 0, 0)
    warehouse.execute("alter table transactions rename column is_return to sign_says")
    warehouse.execute("alter table transactions add column is_return boolean default true")
    warehouse.execute("update transactions set net_amount = -net_amount where customer_id < 4")
    found = rows(warehouse, f"select * from ({render(warehouse, 'input_lines')}) where order_date = date '{FIRST}'")
    assert (found[0]["returned_amount_lines"], found[0]["negative_returned_amount_lines"]) == (10, 6)


@pytest.mark.parametrize("change", ["net_amount = -net_amount", "units = -1"])
def test_a10_returns_may_carry_negative_discounts(warehouse: duckdb.DuckDBPyConnection, change: str) -> None:
    warehouse.execute(f"update transactions set discount_amount = -discount_amount, {change}")
    assert signs(warehouse)["discount_amount"] == (0, 0, 0)


@pytest.mark.parametrize(("sign", "expected"), [("negative", (1, 0.5, 5)), ("as_delivered", (-1, -0.5, 5))])
def test_a10_a_setting_turns_discounts_round(sign: str, expected: tuple[float, ...]) -> None:
    known = macros(
        variables={"files_discount_sign": sign, "sources": ["files"]}, source=lambda _source, table: f"raw_{table}"
    )
    with duckdb.connect() as connection:
        connection.execute(
            "create table raw_transactions as select '1' as customer_id, 'o' as order_id, "
            "timestamp '2024-04-10' as ordered_at, 5 as net_amount, 'p' as product_id, 1 as units, false as is_return, "
            "'paid' as order_status, -1 as discount_amount, -0.5 as coupon_amount, 4 as cost_amount"
        )
        found = connection.sql(known.render("staging/files/stg_files__transactions.sql"))
        assert found.select("discount_amount, coupon_amount, net_amount").fetchone() == expected


@pytest.mark.parametrize(("count", "is_stopped"), [(0, False), (1, False), (3, True)])
def test_orders_that_change_their_customer_stop_a_run_where_they_are_many(count: int, is_stopped: bool) -> None:
    with duckdb.connect() as connection:
        connection.execute(
            f"create table delivered_days as select date '{FIRST}' as order_date, problem, lines from (values "
            f"(null, 100), ('order_of_another_customer', {count}), ('cancelled_order', 10)) as t (problem, lines)"
        )
        (row,) = rows(connection, render(connection, "input_problems"))
    assert (row["order_of_another_customer"], row["cancelled_order"]) == (count, 10)
    limit = LIMITS.order_of_another_customer_share.maximum
    assert (row["order_of_another_customer_share"] > limit) == is_stopped
