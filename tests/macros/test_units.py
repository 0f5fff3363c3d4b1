"""The units of features: of each month the same, however the days came in runs."""

import random
from datetime import date, timedelta
from types import SimpleNamespace

import duckdb
import pytest

from flows.rules.definitions import rows_of
from flows.rules.macros import macros
from macros.python.rules.fits import Limits

FIRST, LAST = date(2017, 1, 20), date(2017, 4, 10)
MONTHS = [FIRST, date(2017, 2, 1), date(2017, 3, 1), date(2017, 4, 1)]
CLOSED = MONTHS[2]
NAMES = ("orders_30d", "net_sales_90d", "days_since_first_order")
# What is measured of each customer: values that move from day to day, a missing one, and one that most agree about.
CUSTOMERS = 9


def days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=i) for i in range((last - first).days + 1)]


def values(day: date) -> dict[str, list[float | None]]:
    """The values of all customers on a day, by feature."""
    chance = random.Random(day.toordinal())
    return {
        # Nobody could order before the first of March.
        "orders_30d": [0 if day == CLOSED else chance.randrange(20) for _ in range(CUSTOMERS)],
        "net_sales_90d": [None, *(chance.randrange(100_000) / 100 for _ in range(CUSTOMERS - 1))],
        "days_since_first_order": [7] * (CUSTOMERS - 1) + [chance.randrange(7)],
    }


def literal(value: float | date | None) -> str:
    if value is None:
        return "null"
    return f"date '{value}'" if isinstance(value, date) else repr(value)


def unit(numbers: list[float | None]) -> float:
    """The interquartile range / 1.349, between the least values that a quarter and three quarters do not exceed."""
    known = sorted(number for number in numbers if number is not None)
    lower, upper = (
        next(value for value in known if sum(other <= value for other in known) >= share * len(known))
        for share in (0.25, 0.75)
    )
    return (upper - lower) / 1.349


class Runs:
    """The model, built run by run as dbt builds it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self.window = {"TESSERA_FIRST_DATE": "", "TESSERA_LAST_DATE": ""}
        self.is_there = False
        self.known = macros(
            models={},
            env_var=lambda name, default=None: self.window.get(name, default),
            is_incremental=lambda: self.is_there,
            this="feature_units",
            dbt=SimpleNamespace(
                type_string=lambda: "varchar",
                date_trunc=lambda part, day: f"date_trunc('{part}', {day})",
                date_spine=lambda _part, first, end: (
                    f"select unnest(generate_series({first}, {end} - interval 1 day, interval 1 day)) as date_day"
                ),
            ),
        )
        columns = {name: feature["data_type"] for name, feature in self.known.known_features().items()}
        columns["first_order_date"] = "date"
        described = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        connection.execute(f"create table every_day (as_of_date date, {described})")
        rows = [[day, *row] for day in days(FIRST, LAST) for row in zip(*values(day).values(), strict=True)]
        literals = ", ".join(f"({', '.join(literal(value) for value in row)})" for row in rows)
        connection.execute(f"insert into every_day (as_of_date, {', '.join(NAMES)}) values {literals}")

    def run(self, first: date, last: date) -> None:
        self.window.update(TESSERA_FIRST_DATE=str(first), TESSERA_LAST_DATE=str(last))
        self.connection.execute(
            "create or replace table customer_features as from every_day where as_of_date between ? and ?",
            [first, last],
        )
        select = self.known.render("features/feature_units.sql")
        if self.is_there:
            self.connection.execute(self.known.forget("as_of_date"))
            self.connection.execute(f"insert into feature_units {select}")
        else:
            self.connection.execute(f"create table feature_units as {select}")
        self.is_there = True

    def units(self) -> dict[tuple[date, str], float]:
        query = "select as_of_date, feature, unit from feature_units where list_contains($names, feature)"
        rows = self.connection.execute(query, {"names": NAMES}).fetchall()
        found = {(day, feature): value for day, feature, value in rows}
        assert len(found) == len(rows), "a feature was measured twice in a month"
        return found

    def scales(self, day: date) -> dict[str, float]:
        rows = rows_of(self.connection.execute("from feature_units"))
        units = Limits.of_rows(day, [], rows).units
        return {name: units.get(name, 1.0) for name in NAMES}


@pytest.fixture
def runs() -> Runs:
    with duckdb.connect() as connection:
        yield Runs(connection)


def expected(firsts: list[date]) -> dict[tuple[date, str], float]:
    """The units of months that begin with these days."""
    return {(day, name): pytest.approx(in_force(day)[name]) for day in firsts for name in NAMES}


def in_force(day: date) -> dict[str, float]:
    """The units in force on a day: the last that could be measured on the first day of a month."""
    found = dict.fromkeys(NAMES, 1.0)
    for month in (month for month in MONTHS if month <= day):
        for name in NAMES:
            found[name] = unit(values(month)[name]) or found[name]
    return found


@pytest.mark.parametrize("seed", range(12))
def test_units_are_those_of_the_first_day_of_each_month_however_days_come_in_runs(runs: Runs, seed: int) -> None:
    chance = random.Random(seed)
    reached = FIRST - timedelta(days=1)
    while reached < LAST:
        # Some days again, then some new ones.
        first = max(FIRST, reached + timedelta(days=1 - chance.choice([0, 0, 1, 5, 40])))
        reached = min(LAST, max(first, reached) + timedelta(days=chance.choice([1, 2, 20, 60])))
        runs.run(first, reached)
    assert runs.units() == expected(MONTHS)


def test_a_unit_is_in_force_until_the_month_ends(runs: Runs) -> None:
    runs.run(FIRST, LAST)
    for day in (FIRST, date(2017, 1, 31), date(2017, 2, 1), date(2017, 2, 28), LAST):
        scales = runs.scales(day)
        assert {name: scales[name] for name in NAMES} == pytest.approx(in_force(day))


def test_a_feature_that_is_new_in_the_middle_of_a_month_has_units_from_then_on(runs: Runs) -> None:
    new, day = NAMES[0], date(2017, 3, 15)
    runs.run(FIRST, date(2017, 3, 10))
    runs.connection.execute("delete from feature_units where feature = ?", [new])
    assert runs.scales(date(2017, 3, 10))[new] == 1.0
    runs.run(date(2017, 3, 11), day - timedelta(days=1))
    runs.run(day, LAST)
    assert runs.scales(day)[new] == pytest.approx(unit(values(date(2017, 3, 11))[new]))
    others = {key: value for key, value in runs.units().items() if key[1] != new}
    assert others == {key: value for key, value in expected(MONTHS).items() if key[1] != new}


def test_units_of_days_that_are_built_again_are_measured_again(runs: Runs) -> None:
    """Days from the middle of a month on leave the units of its first day; from before it on, they do not."""
    runs.run(FIRST, LAST)
    runs.connection.execute("update feature_units set unit = 99")
    runs.run(date(2017, 2, 2), LAST)
    kept, again = expected(MONTHS[:2]), expected(MONTHS[2:])
    without_spread = {(day, name) for day, name in again if not unit(values(day)[name])}
    assert len(without_spread) == 3
    assert runs.units() == again | dict.fromkeys([*kept, *without_spread], 99)
