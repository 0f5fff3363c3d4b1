"""What macros make of the columns of source files."""

from datetime import datetime
from zoneinfo import ZoneInfo

import duckdb
import pytest

from flows.rules.macros import macros
from flows.steps.window import wall_clock

M = macros()


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize(
    ("kind", "stamp"),
    [
        ("varchar", "'2024-03-02 01:30:00Z'"),
        ("varchar", "'2024-03-02T03:30:00.000+02:00'"),
        ("varchar", "'2024-03-01 20:30:00-05'"),
        ("varchar", "'2024-03-01 20:30'"),
        ("timestamptz", "'2024-03-02 01:30:00Z'"),
        ("timestamp", "'2024-03-01 20:30:00'"),
    ],
)
def test_the_zone_of_the_machine_does_not_decide_the_day(zone: str, kind: str, stamp: str) -> None:
    """Stamps with a zone once fell on the day that the server had, and text lost its zone."""
    with duckdb.connect() as connection:
        connection.execute(f"set TimeZone = '{zone}'")
        delivered = connection.sql(f"select cast({stamp} as {kind}) as ordered_at")
        # What a run looks for its days with says the same.
        for clock in (M.wall_clock, wall_clock):
            sql = clock("ordered_at", str(delivered.types[0]), ZoneInfo("America/New_York"))
            (found,) = delivered.select(f"try_cast({sql} as timestamp)").fetchone()
            assert found == datetime(2024, 3, 1, 20, 30)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-02", "2024-03-02"),
        ("2024-03-02 01:30:00", "2024-03-02 01:30:00"),
        ("", ""),
        ("2024-99-01 01:30:00Z", None),
        ("twelve in Zurich, -05", None),
    ],
)
def test_other_texts_stay_as_they_are_or_are_no_time(text: str, expected: str | None) -> None:
    with duckdb.connect() as connection:
        clock = M.wall_clock("$text", "VARCHAR", "America/New_York")
        assert connection.execute(f"select {clock}", {"text": text}).fetchone() == (expected,)


@pytest.mark.parametrize(
    ("delivered", "key"),
    [
        ("'17'", 17),
        ("'017'", 17),
        ("' 17.0 '", 17),
        ("'-3'", -3),
        ("9007199254740993", 9007199254740993),
        ("'12.6'", None),
        ("12.5", None),
        ("'C-17'", None),
        ("null", None),
    ],
)
def test_keys_that_are_no_whole_numbers_are_none(delivered: str, key: int | None) -> None:
    """12.6 once was customer 13."""
    with duckdb.connect() as connection:
        assert connection.sql(f"select {M.customer_key('id')} from (select {delivered} as id)").fetchone() == (key,)


def test_keys_that_are_text_stay_as_they_are() -> None:
    with duckdb.connect() as connection:
        sql = macros({"customer_id_type": "varchar"}).customer_key("id")
        assert connection.sql(f"select {sql} from (select 'C-0017' as id)").fetchone() == ("C-0017",)
