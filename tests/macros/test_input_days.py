"""What the input checks see of each day: an odd day is one trouble."""

from datetime import date, timedelta
from types import SimpleNamespace

import duckdb

from flows.rules.macros import macros
from tests.python.warehouse import _date_spine

DBT = SimpleNamespace(type_string=lambda: "varchar", date_spine=_date_spine)
FIRST, LAST = date(2024, 4, 1), date(2024, 4, 14)


def days_of_a_shop_closed_on_saturdays(closed: list[date]) -> list[tuple]:
    """order_date, is_missing_day and volume_ratio of two weeks, after eight weeks of ten lines a day but Saturdays."""
    connection = duckdb.connect()
    connection.execute("create table closed_days (calendar_date date, reason varchar)")
    connection.execute(
        "create table input_lines (order_date date, lines bigint, min_net_amount decimal(18, 4), "
        "max_net_amount decimal(18, 4))"
    )
    for day in closed:
        connection.execute("insert into closed_days values (?, 'closed')", [day])
    day = FIRST - timedelta(days=56)
    while day <= LAST:
        if day.weekday() != 5:
            connection.execute("insert into input_lines values (?, 10, 5, 5)", [day])
        day += timedelta(days=1)
    connection.execute(
        "create table delivered_days as select order_date, lines, cast(null as varchar) as problem from input_lines"
    )
    window = {"first_date": str(FIRST), "last_date": str(LAST)}
    sql = macros(variables=window, models={}, dbt=DBT).render("checks/inputs/input_days.sql")
    return connection.sql(f"select order_date, is_missing_day, volume_ratio from ({sql}) order by all").fetchall()


def test_b6_day_without_lines_is_missing_and_nothing_else() -> None:
    """Of a shop that is closed on Saturdays every one was told twice: as missing, and as implausible."""
    found = days_of_a_shop_closed_on_saturdays([])
    saturdays = [row for row in found if row[0].weekday() == 5]
    assert [row[1:] for row in saturdays] == [(True, None)] * 2
    assert {row[1:] for row in found if row not in saturdays} == {(False, 1.0)}


def test_b6_closed_days_are_no_trouble() -> None:
    found = days_of_a_shop_closed_on_saturdays([date(2024, 4, 6), date(2024, 4, 13)])
    assert [row[1:] for row in found if row[0].weekday() == 5] == [(False, None)] * 2
