"""The lifecycle marts: their SQL against small shops that were counted by hand, and against slow and obvious code."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from functools import cache
from statistics import median
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from flows.rules.macros import macros
from flows.steps.project import ROOT

TODAY = date(2024, 6, 30)
DAY = timedelta(days=1)
DBT = SimpleNamespace(
    type_string=lambda: "varchar",
    date_trunc=lambda part, value: f"date_trunc('{part}', {value})",
    datediff=lambda first, second, part: f"date_diff('{part}', {first}, {second})",
    last_day=lambda value, _part: f"last_day({value})",
)
M = macros()
MARTS = ("fct_lifecycle_funnel", "fct_retention", "fct_reactivation")

Row = dict[str, Any]
# One customer: first seen, closed, the days of orders with their number, the days of responses.
Customer = tuple[date, date | None, Sequence[tuple[date, int]], Sequence[date]]


@cache
def sql_of(mart: str, today: date = TODAY, **variables: Any) -> str:
    window = {"first_date": str(today), "last_date": str(today)}
    return macros(variables=window | variables, dbt=DBT).render(f"marts/lifecycle/{mart}.sql")


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(
            """
            -- The tables are tiny: threads would only wait for each other.
            set threads = 1;
            create table customers (customer_id bigint, first_seen_date date, closed_date date);
            create table customer_days (customer_id bigint, activity_date date, orders bigint, net_exact double);
            create table responses (customer_id bigint, response_date date);
            """
        )
        yield connection


class Company:
    """The tables that the marts read."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, customers: Sequence[Customer]) -> None:
        self.connection = connection
        for (table,) in connection.sql("select table_name from duckdb_tables()").fetchall():
            connection.execute(f"truncate {table}")
        for number, (first_seen, closed, orders, responses) in enumerate(customers):
            connection.execute("insert into customers values (?, ?, ?)", [number, first_seen, closed])
            for day, count in orders:
                # On a day without an order 10.00 were given back.
                net = 10**5 * (count or -1)
                connection.execute("insert into customer_days values (?, ?, ?, ?)", [number, day, count, net])
            for day in responses:
                connection.execute("insert into responses values (?, ?)", [number, day])

    def rows(self, mart: str, **variables: Any) -> list[Row]:
        found = self.connection.sql(sql_of(mart, **variables))
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


def reached(rows: Sequence[Row], cohort: date, days: int | None) -> dict[str, int]:
    return {
        row["stage"]: row["customers"]
        for row in sorted(rows, key=lambda row: row["stage_position"])
        if (row["cohort_month"], row["follow_up_days"]) == (cohort, days)
    }


# --- Intervals -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("successes", "trials", "lower", "upper"),
    # Newcombe, Statistics in Medicine 17 (1998), table I, the score method without continuity correction.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_intervals_are_those_of_a_published_table(successes: int, trials: int, lower: float, upper: float) -> None:
    assert wilson(successes, trials) == pytest.approx((lower, upper), abs=0.00005)


def test_intervals_are_those_of_scipy() -> None:
    for successes, trials in [(0, 1), (1, 1), (1, 2), (29, 29), (0, 1000), (999_999, 1_000_000)]:
        expected = binomtest(successes, trials).proportion_ci(method="wilson")
        assert wilson(successes, trials) == pytest.approx((expected.low, expected.high), abs=6e-7)


def test_no_interval_without_trials_and_no_minus_zero() -> None:
    assert wilson(0, 0) == (None, None)
    assert all(str(wilson(0, trials)[0]) == "0.0" for trials in range(1, 50))


def wilson(successes: int, trials: int) -> tuple[float | None, float | None]:
    bounds = ", ".join(f"cast({M.wilson_bound('s', 'n', sign)} as double)" for sign in "-+")
    (found,) = duckdb.execute(f"select {bounds} from (select ? as s, ? as n)", [successes, trials]).fetchall()
    return found


# --- The funnel --------------------------------------------------------------------


def test_a_funnel_counted_by_hand(connection: duckdb.DuckDBPyConnection) -> None:
    seen = date(2024, 3, 1)
    company = Company(
        connection,
        [
            # Registered, never ordered; an answer to an offer makes no advocate of them.
            (seen, None, [], [date(2024, 3, 9)]),
            # Ordered on day 10, twice on day 40: a regular (third order) then, an advocate on day 41.
            (seen, None, [(seen + 10 * DAY, 1), (seen + 40 * DAY, 2)], [seen + 9 * DAY, seen + 41 * DAY]),
            # Two orders on the day they were first seen; closed since, and still of the cohort.
            (date(2024, 3, 20), date(2024, 4, 1), [(date(2024, 3, 20), 2)], []),
            # Ordered before they registered: seen by the order. After today nothing counts.
            (date(2024, 5, 1), None, [(date(2024, 3, 5), 1), (TODAY + DAY, 9)], [TODAY + DAY]),
            # Of a later cohort, and known for less than 30 days.
            (date(2024, 6, 10), None, [(date(2024, 6, 11), 1)], []),
            # Not known yet.
            (TODAY + DAY, None, [], []),
        ],
    )
    rows = company.rows("fct_lifecycle_funnel", regular_orders=3, follow_up_days=(30, 120))
    march, june = date(2024, 3, 1), date(2024, 6, 1)
    stages = ["prospect", "customer", "repeat_customer", "regular", "advocate"]
    assert reached(rows, march, 30) == dict(zip(stages, [4, 3, 1, 0, 0], strict=True))
    # Of the four only two have been known for 120 days: those of March 1.
    assert reached(rows, march, 120) == dict(zip(stages, [2, 1, 1, 1, 1], strict=True))
    assert reached(rows, march, None) == dict(zip(stages, [4, 3, 2, 1, 1], strict=True))
    assert reached(rows, june, 30) == {}
    assert reached(rows, june, None) == dict(zip(stages, [1, 1, 0, 0, 0], strict=True))
    assert len(rows) == 4 * 5


def test_the_funnels_rates_days_and_marks(connection: duckdb.DuckDBPyConnection) -> None:
    seen = date(2024, 3, 1)
    company = Company(
        connection,
        [
            (seen, None, [(seen + 10 * DAY, 1), (seen + 20 * DAY, 1)], []),
            (seen, None, [(seen + 13 * DAY, 1)], []),
            (seen, None, [], []),
            (date(2024, 4, 1), None, [], []),
        ],
    )
    rows = company.rows("fct_lifecycle_funnel", follow_up_days=(90,))
    by_stage = {row["stage"]: row for row in rows if row["cohort_month"] == seen and row["follow_up_days"] == 90}
    assert by_stage["customer"]["rate_from_start"] == pytest.approx(2 / 3)
    assert by_stage["repeat_customer"]["rate_from_previous"] == pytest.approx(1 / 2)
    assert by_stage["customer"]["median_days_to_reach"] == 11.5
    assert by_stage["regular"]["median_days_to_reach"] is None
    # Nobody became a regular: of those who might go on there is none.
    assert by_stage["advocate"]["rate_from_previous"] is None
    interval = binomtest(1, 2).proportion_ci(method="wilson")
    assert by_stage["repeat_customer"]["rate_from_previous_upper"] == pytest.approx(interval.high, abs=6e-7)
    # Last day of March plus 90 days is June 29, last day of April plus 90 days July 29.
    marks = {(row["cohort_month"], row["follow_up_days"]): row["is_complete"] for row in rows}
    assert marks == {
        (seen, 90): True,
        (seen, None): True,
        (date(2024, 4, 1), 90): False,
        (date(2024, 4, 1), None): True,
    }
    assert {row["cohort_month"] for row in rows if row["has_unknown_past"]} == {seen}


def test_a3_money_given_back_reaches_no_stage_reactivates_nobody_and_counts_as_money(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    start = date(2024, 1, 1)
    company = Company(
        connection,
        [
            # Lapsed 91 days after January 20, and given money back since.
            (start, None, [(date(2024, 1, 20), 1), (date(2024, 5, 1), 0), (date(2024, 6, 1), 0)], []),
            # Given money back before the first order, and never an order.
            (start, None, [(date(2024, 2, 1), 0), (date(2024, 6, 2), 1)], []),
            (start, None, [(date(2024, 6, 3), 0)], []),
        ],
    )
    (april, *later) = sorted(company.rows("fct_reactivation", lapsed_days=90), key=lambda row: row["month_start"])
    assert (april["month_start"], april["newly_lapsed"]) == (date(2024, 4, 1), 1)
    assert {(row["newly_lapsed"], row["reactivated"], row["lapsed_at_end"]) for row in later} == {(0, 0, 1)}
    funnel = company.rows("fct_lifecycle_funnel", regular_orders=2, follow_up_days=())
    stages = ["prospect", "customer", "repeat_customer", "regular", "advocate"]
    assert reached(funnel, start, None) == dict(zip(stages, [3, 2, 0, 0, 0], strict=True))
    triangle = {
        (row["cohort_month"].month, row["activity_month"].month): (
            *(row["customers"], row["active_customers"], row["orders"], row["net_sales"]),
        )
        for row in company.rows("fct_retention")
        if row["orders"] or row["net_sales"]
    }
    assert triangle == {(1, 1): (1, 1, 1, 10), (1, 5): (1, 0, 0, -10), (1, 6): (1, 0, 0, -10), (6, 6): (1, 1, 1, 10)}


# --- Retention ----------------------------------------------------------------------


def test_a_triangle_counted_by_hand(connection: duckdb.DuckDBPyConnection) -> None:
    start = date(2024, 1, 1)
    company = Company(
        connection,
        [
            (start, None, [(date(2024, 3, 1), 1), (date(2024, 3, 31), 2), (date(2024, 5, 2), 1)], []),
            (start, date(2024, 4, 1), [(date(2024, 3, 15), 1)], []),
            (start, None, [(date(2024, 5, 31), 1), (TODAY + DAY, 1)], []),
            (start, None, [], []),
        ],
    )
    rows = company.rows("fct_retention")
    march, may, june = date(2024, 3, 1), date(2024, 5, 1), date(2024, 6, 1)
    # April, in which nobody ordered anything, has no row; June has one, for it holds the as-of date.
    assert {
        (row["cohort_month"], row["months_since"]): (row["customers"], row["active_customers"], row["orders"])
        for row in rows
    } == {
        (march, 0): (2, 2, 4),
        (march, 2): (2, 1, 1),
        (march, 3): (2, 0, 0),
        (may, 0): (1, 1, 1),
        (may, 1): (1, 0, 0),
    }
    (cell,) = (row for row in rows if (row["cohort_month"], row["activity_month"]) == (march, may))
    assert (cell["retention_rate"], cell["net_sales_per_customer"], cell["net_sales_per_active_customer"]) == (
        0.5,
        5.0,
        10.0,
    )
    assert cell["net_sales_per_customer_to_date"] == 25.0
    (cell,) = (row for row in rows if (row["cohort_month"], row["activity_month"]) == (march, june))
    assert cell["net_sales_per_active_customer"] is None
    assert cell["retention_rate_lower"] == 0
    assert all(row["is_complete"] for row in rows)
    assert {row["cohort_month"] for row in rows if row["has_unknown_past"]} == {march}


def test_a_month_that_is_not_over_is_marked(connection: duckdb.DuckDBPyConnection) -> None:
    company = Company(connection, [(date(2024, 1, 1), None, [(date(2024, 5, 1), 1)], [])])
    found = company.connection.sql(sql_of("fct_retention", today=TODAY - DAY))
    marks = {row[2]: row[4] for row in found.fetchall()}
    assert marks == {date(2024, 5, 1): True, date(2024, 6, 1): False}


# --- Reactivation ---------------------------------------------------------------------


def test_lapses_and_returns_counted_by_hand(connection: duckdb.DuckDBPyConnection) -> None:
    start = date(2024, 1, 1)
    company = Company(
        connection,
        [
            # Ten days without an order are none too many; on the eleventh day after the last order they lapse.
            (start, None, [(date(2024, 3, 1), 1), (date(2024, 3, 12), 1), (date(2024, 3, 24), 1)], []),
            # Lapsed on March 12, back on April 2 with two orders, again on April 11, lapsed again on April 22.
            (start, None, [(date(2024, 3, 1), 1), (date(2024, 4, 2), 2), (date(2024, 4, 11), 1)], []),
            # Lapsed on March 12, closed in April.
            (start, date(2024, 4, 20), [(date(2024, 3, 1), 1)], []),
            # Closed before they could lapse.
            (start, date(2024, 3, 12), [(date(2024, 3, 1), 1)], []),
            # Came back in June, and cannot be followed for ten days.
            (start, None, [(date(2024, 5, 1), 1), (date(2024, 6, 25), 1)], []),
            # Never ordered.
            (start, None, [], []),
        ],
    )
    rows = company.rows("fct_reactivation", lapsed_days=10)
    counted = {
        row["month_start"].month: tuple(
            row[name] for name in ("lapsed_at_start", "newly_lapsed", "reactivated", "closed", "lapsed_at_end")
        )
        for row in rows
    }
    assert counted == {
        # The first customer lapses on March 23, comes back the day after, and lapses on April 4.
        3: (0, 3, 1, 0, 2),
        4: (2, 2, 1, 1, 2),
        5: (2, 1, 0, 0, 3),
        6: (3, 0, 1, 0, 2),
    }
    by_month = {row["month_start"].month: row for row in rows}
    # Who was lapsed already when the data began is not seen.
    assert [month for month, row in by_month.items() if row["has_unknown_past"]] == [3]
    assert by_month[4]["reactivation_rate"] == 1 / 4
    assert by_month[4]["median_days_lapsed"] == 21
    # From April 2 on ten days, the last is April 11: three orders on two days.
    assert (by_month[4]["followed"], by_month[4]["orders_after"], by_month[4]["ordered_again_rate"]) == (1, 3, 1.0)
    assert (by_month[3]["orders_after"], by_month[3]["ordered_again_rate"]) == (1, 0.0)
    assert (by_month[6]["followed"], by_month[6]["orders_after_per_customer"]) == (0, None)


def test_without_lapses_there_are_no_rows(connection: duckdb.DuckDBPyConnection) -> None:
    assert Company(connection, [(TODAY, None, [(TODAY, 1)], [])]).rows("fct_reactivation") == []


# --- Any company ------------------------------------------------------------------------

days = st.integers(0, 200).map(lambda number: TODAY - (190 - number) * DAY)
companies = st.lists(
    st.tuples(
        days,
        st.one_of(st.none(), days),
        st.lists(st.tuples(days, st.integers(1, 3)), max_size=6, unique_by=lambda order: order[0]),
        st.lists(days, max_size=2),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=25, deadline=None, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate])
@given(companies)
def test_any_company_is_counted_as_slow_and_obvious_code_counts(
    connection: duckdb.DuckDBPyConnection, customers: list[Customer]
) -> None:
    company = Company(connection, customers)
    expected: dict[tuple[date, int | None, str], list[int]] = {}
    observed: dict[tuple[date, int | None], int] = {}
    for first_seen, _, orders, responses in customers:
        bought = sorted(day for day, count in orders for _ in range(count) if day <= TODAY)
        seen = min([first_seen, *bought])
        if seen > TODAY:
            continue
        regular_on = bought[3] if len(bought) > 3 else None
        answers = [day for day in responses if regular_on and regular_on <= day <= TODAY]
        on = {
            "prospect": seen,
            "customer": bought[0] if bought else None,
            "repeat_customer": bought[1] if len(bought) > 1 else None,
            "regular": regular_on,
            "advocate": min(answers, default=None),
        }
        cohort = seen.replace(day=1)
        for follow_up in (45, None):
            if (TODAY - seen).days >= (follow_up or 0):
                observed[cohort, follow_up] = observed.get((cohort, follow_up), 0) + 1
                for stage, day in on.items():
                    taken = expected.setdefault((cohort, follow_up, stage), [])
                    if day and (follow_up is None or (day - seen).days <= follow_up):
                        taken.append((day - seen).days)
    rows = company.rows("fct_lifecycle_funnel", regular_orders=4, follow_up_days=(45,))
    assert {
        (row["cohort_month"], row["follow_up_days"], row["stage"]): (
            row["observed_customers"],
            row["customers"],
            row["median_days_to_reach"],
        )
        for row in rows
    } == {key: (observed[key[:2]], len(taken), median(taken) if taken else None) for key, taken in expected.items()}

    # Lapsed, day by day: more than 20 days since the last order, at the end of the day.
    lapsed, ever = 0, 0
    for _, closed, orders, _ in customers:
        was = False
        day = TODAY - 200 * DAY
        while day <= TODAY:
            last = max((each for each, _ in orders if each <= day), default=None)
            here = bool(last and (day - last).days > 20 and not (closed and closed <= day))
            ever += here and not was
            was = here
            day += DAY
        lapsed += was
    months = company.rows("fct_reactivation", lapsed_days=20)
    assert sum(row["newly_lapsed"] for row in months) == ever
    last_month = max(months, key=lambda row: row["month_start"], default=None)
    assert (last_month["lapsed_at_end"] if last_month else 0) == lapsed


@pytest.mark.parametrize("mart", MARTS)
def test_columns_are_those_of_the_contract(connection: duckdb.DuckDBPyConnection, mart: str) -> None:
    models = yaml.safe_load((ROOT / "models" / "marts" / "lifecycle" / "_lifecycle.yml").read_text())["models"]
    (contract,) = ([column["name"] for column in model["columns"]] for model in models if model["name"] == mart)
    assert connection.sql(sql_of(mart)).columns == contract
