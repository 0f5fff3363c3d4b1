"""Which lines of unknown customers stop a run."""

import duckdb
import pytest

from flows.rules.macros import macros

PROBLEMS = macros(variables={"first_date": "2024-04-01", "last_date": "2024-04-30"}).render(
    "checks/inputs/input_problems.sql"
)


@pytest.mark.parametrize(
    ("day", "count", "share"),
    [
        ("2024-04-30", 10, 0.1),
        ("2024-04-24", 10, 0.1),
        # Customers who are gone leave their lines behind.
        ("2024-04-23", 10, 0.0),
        # Of a day that the run does not build nothing is said.
        ("2024-03-31", 0, 0.0),
    ],
)
def test_only_new_lines_of_unknown_customers_speak_against_the_customer_feed(
    day: str, count: int, share: float
) -> None:
    with duckdb.connect() as connection:
        connection.execute(
            "create table delivered_days as select date '2024-04-30' as order_date, cast(null as varchar) as problem, "
            f"90 as lines union all select date '{day}', 'unknown_customer', 10"
        )
        found = connection.sql(PROBLEMS).select("unknown_customer, unknown_customer_share").fetchone()
    assert found == (count, pytest.approx(share))
