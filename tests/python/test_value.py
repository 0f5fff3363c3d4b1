"""The marts of value against cases that fit on paper."""

import importlib.util
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import duckdb
import lifetimes
import numpy as np
import pandas as pd
import pytest
from conftest import PUBLISHED, Shop
from rendered_marts import Row, combinations, render, run

from benchmarks.expected_sales import simulate_orders, simulate_spend
from flows.steps.project import ROOT

TODAY = date(2024, 6, 30)
DAY = timedelta(days=1)
HOLDOUT = 91
BEFORE = TODAY - HOLDOUT * DAY

# --- What is known of customers -------------------------------------------------

DAYS = "customer_id bigint, activity_date date, net_exact double, orders bigint"
# Exact amounts are ten-thousandths.
CENT = 100


def days(rows: Sequence[Sequence[Any]]) -> tuple[str, list[list[Any]]]:
    """Customer days of a customer, day and cents each, with one order; or with as many as come after the cents."""
    return DAYS, [[who, day, cents * CENT, *(orders or [1])] for who, day, cents, *orders in rows]


def test_repeats_are_order_days_after_the_first_as_known_on_each_day() -> None:
    tables = {
        "customers": ("customer_id bigint, closed_date date", [[1, None], [2, TODAY], [3, TODAY + DAY]]),
        "customer_days": days(
            [
                [1, BEFORE - 10 * DAY, 1000],
                [1, BEFORE, 2000],
                [1, TODAY - DAY, 400],
                [1, TODAY + DAY, 99],  # not yet
                [2, BEFORE - DAY, 500],  # closed since
                [3, TODAY, 700],
            ]
        ),
    }
    rows = [
        row
        for model in ("customer_repeats", "backtest_repeats")
        for row in run(render(f"features/{model}.sql", TODAY, value_holdout_days=HOLDOUT), tables)
    ]
    names = ("as_of_date", "customer_id", "repeats", "recency_days", "age_days", "net_exact", "repeat_net_exact")
    assert sorted(tuple(row[name] for name in names) for row in rows) == [
        (BEFORE, 1, 1, 10, 10, 3000 * CENT, 2000 * CENT),
        (BEFORE, 2, 0, 0, 1, 500 * CENT, 0),
        (TODAY, 1, 2, 100, 101, 3400 * CENT, 2400 * CENT),
        (TODAY, 3, 0, 0, 0, 700 * CENT, 0),
    ]
    assert {row["as_of_date"]: row["horizon_days"] for row in rows} == {BEFORE: HOLDOUT, TODAY: 180}


def test_a3_a_refund_is_no_repeat_and_lowers_what_repeats_brought() -> None:
    rows = run(
        render("features/customer_repeats.sql", TODAY, value_holdout_days=HOLDOUT),
        {
            "customers": ("customer_id bigint, closed_date date", [[n, None] for n in (1, 2, 3)]),
            "customer_days": days(
                [
                    *[[1, TODAY - 9 * DAY, 1000], [1, TODAY - 5 * DAY, 400], [1, TODAY - DAY, -300, 0]],
                    # Brought back, and never came again; and only ever got money.
                    *[[2, TODAY - 9 * DAY, 1000], [2, TODAY - DAY, -1000, 0]],
                    [3, TODAY - DAY, -500, 0],
                ]
            ),
        },
    )
    names = ("customer_id", "repeats", "recency_days", "age_days", "net_exact", "repeat_net_exact")
    assert sorted(tuple(row[name] for name in names) for row in rows) == [
        (1, 1, 4, 9, 1100 * CENT, 100 * CENT),
        (2, 0, 0, 9, 0, 0),
    ]


# --- Python models ----------------------------------------------------------------


def run_python_model(name: str, relations: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """What a Python model returns, as dbt calls it, after the engine stored and read it."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "models" / "features" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with duckdb.connect() as connection:
        dbt = SimpleNamespace(config=lambda **_settings: None, ref=lambda model: connection.from_df(relations[model]))
        connection.register("result", module.model(dbt, connection))
        connection.execute("create table made as from result")
        return connection.table("made").df()


def customers_of_two_days(customers: int) -> dict[str, pd.DataFrame]:
    """Simulated customers as of TODAY, and fifty of them as of BEFORE, too few for a fit."""
    repeats, recency, age = simulate_orders((0.7, 6.0, 0.6, 2.0), customers)
    today = pd.DataFrame(
        {
            "as_of_date": pd.Timestamp(TODAY),
            "horizon_days": 180,
            "repeats": repeats.astype(int),
            "recency_days": (recency * 7).astype(int),
            "age_days": (age * 7).round().astype(int),
            "repeat_net_exact": (simulate_spend((6.25, 3.74, 15.44), repeats) * repeats * 100).round() * CENT,
        }
    )
    repeated = pd.concat([today, today.head(50).assign(as_of_date=pd.Timestamp(BEFORE), horizon_days=HOLDOUT)])
    keys = ["as_of_date", "horizon_days", "repeats", "recency_days", "age_days"]
    return {
        "customer_repeats": repeated,
        "repeat_patterns": repeated.groupby(keys).size().reset_index(name="customers"),
    }


def test_each_day_has_its_fit_and_a_day_without_one_says_why() -> None:
    relations = customers_of_two_days(2000)
    relations["value_parameters"] = run_python_model("value_parameters", relations)
    before, today = relations["value_parameters"].sort_values("as_of_date").to_dict("records")
    assert (before["customers"], today["customers"]) == (50, 2000)
    assert before["failure"] == before["spend_failure"] == "fewer than 100 customers with repeat orders"
    assert np.isnan([before[name] for name in ("r", "alpha", "a", "b", "log_likelihood", "p", "q", "gamma")]).all()
    assert pd.isna(today["failure"])
    assert pd.isna(today["spend_failure"])
    assert np.isfinite([today[name] for name in ("r", "alpha", "a", "b", "log_likelihood", "p", "q", "gamma")]).all()

    expected = run_python_model("pattern_expectations", relations)
    assert len(expected) == len(relations["repeat_patterns"])
    is_today = expected["as_of_date"] == pd.Timestamp(TODAY)
    assert expected.loc[is_today, ["probability_alive", "expected_order_days"]].notna().all(axis=None)
    assert expected.loc[~is_today, ["probability_alive", "expected_order_days"]].isna().all(axis=None)
    other = lifetimes.BetaGeoFitter()
    other.params_ = pd.Series({name: today[name] for name in ("r", "alpha", "a", "b")})
    weeks = expected[is_today]
    assert weeks["expected_order_days"].to_numpy() == pytest.approx(
        other.conditional_expected_number_of_purchases_up_to_time(
            180 / 7, weeks["repeats"], weeks["recency_days"] / 7, weeks["age_days"] / 7
        ).to_numpy(),
        rel=1e-8,
    )


def test_the_order_of_rows_changes_no_digit_of_a_fit() -> None:
    relations = customers_of_two_days(2000)
    shuffled = {name: rows.sample(frac=1, random_state=5) for name, rows in relations.items()}
    pd.testing.assert_frame_equal(
        run_python_model("value_parameters", relations), run_python_model("value_parameters", shuffled)
    )


def test_without_any_order_there_is_nothing_to_fit() -> None:
    relations = {name: rows.head(0) for name, rows in customers_of_two_days(60).items()}
    relations["value_parameters"] = run_python_model("value_parameters", relations)
    assert len(relations["value_parameters"]) == 0
    assert len(run_python_model("pattern_expectations", relations)) == 0


# --- What is expected -------------------------------------------------------------


def expectations(parameters: Sequence[Any], customers: Sequence[tuple[int, float]]) -> list[Row]:
    """The expectations of customers given by repeats and mean cents; 4 order days are expected of each."""
    rows = run(
        render("features/customer_expectations.sql", TODAY),
        {
            "customer_repeats": (
                "as_of_date date, horizon_days int, customer_id bigint, repeats bigint, recency_days bigint, "
                "age_days bigint, repeat_net_exact double",
                [[TODAY, 180, n, x, x * 10, 100, x * mean * CENT] for n, (x, mean) in enumerate(customers)],
            ),
            "value_parameters": (
                "as_of_date timestamp, failure varchar, spend_failure varchar, p double, q double, gamma double",
                [[TODAY, *parameters]],
            ),
            "pattern_expectations": (
                "as_of_date timestamp, repeats bigint, recency_days bigint, age_days bigint, "
                "probability_alive double, expected_order_days double",
                [
                    [TODAY, x, x * 10, 100, 0.5, 4.0] if parameters[0] is None else [TODAY, x, x * 10, 100, None, None]
                    for x in {x for x, _ in customers}
                ],
            ),
        },
    )
    return sorted(rows, key=lambda row: row["customer_id"])


def test_spend_is_expected_as_another_implementation_does() -> None:
    customers = [(0, 0.0), (1, 5000.0), (7, 3500.0), (10_000, 100.0)]
    rows = expectations([None, None, 6.25, 3.74, 15.44], customers)
    other = lifetimes.GammaGammaFitter()
    other.params_ = pd.Series({"p": 6.25, "q": 3.74, "v": 15.44})
    repeats, cents = (np.array(column) for column in zip(*customers, strict=True))
    means = other.conditional_expected_average_profit(pd.Series(repeats), pd.Series(cents / 100))
    assert [row["expected_sales_per_order_day"] for row in rows] == pytest.approx(list(means), abs=1e-6)
    assert [row["expected_net_cents"] for row in rows] == [round(400 * mean) for mean in means]
    # Of who never came back the mean of all is expected: p gamma / (q - 1).
    assert rows[0]["expected_sales_per_order_day"] == pytest.approx(35.219, abs=0.001)
    assert {row["missing_because"] for row in rows} == {None}


@pytest.mark.parametrize(
    ("parameters", "customer", "reason"),
    [
        ([None, None, 6.25, 3.74, 15.44], (2, 0.0), "spend: no positive net sales in the repeat orders"),
        ([None, None, 6.25, 3.74, 15.44], (2, -100.0), "spend: no positive net sales in the repeat orders"),
        ([None, None, 6.25, 0.9, 15.44], (0, 0.0), "spend: the mean over customers has no limit"),
        (["too few", None, 6.25, 3.74, 15.44], (2, 100.0), "orders: too few"),
        ([None, "too few", None, None, None], (2, 100.0), "spend: too few"),
    ],
)
def test_what_cannot_be_expected_is_null_with_its_reason(
    parameters: list[Any], customer: tuple[int, float], reason: str
) -> None:
    (row,) = expectations(parameters, [customer])
    assert row["missing_because"] == reason
    assert row["expected_sales_per_order_day"] is None
    assert row["expected_net_cents"] is None


# --- Concentration and segments -------------------------------------------------------


def concentration(values: dict[str, Sequence[float]]) -> list[Row]:
    """The curves of segments whose customers have these net sales."""
    placed = [(segment, value) for segment, sales in values.items() for value in sales]
    return run(
        render("marts/value/fct_value_concentration.sql", TODAY),
        {
            "fct_customer_values": (
                "customer_id bigint, net_sales_365d decimal(18,2)",
                [[n, Decimal(str(value))] for n, (_, value) in enumerate(placed)],
            ),
            **combinations([(n, "seg", segment) for n, (segment, _) in enumerate(placed)]),
        },
    )


def test_concentration_of_four_customers_is_as_on_paper() -> None:
    """Of 1, 2, 3 and 4: Gini (2 * 30 - 5 * 10) / (4 * 10) = 0.25; the lower 80 % have 6 and a fifth of 4."""
    rows = {row["customers_percent"]: row for row in concentration({"a": [3, 1, 4, 2]}) if row["segment"] == "a"}
    assert sorted(rows) == list(range(101))
    assert {row["gini"] for row in rows.values()} == {0.25}
    shares = {percent: rows[percent]["value_share"] for percent in (0, 10, 25, 50, 60, 75, 80, 100)}
    assert shares == {0: 0, 10: 0.04, 25: 0.1, 50: 0.3, 60: 0.42, 75: 0.6, 80: 0.68, 100: 1}


def test_concentration_at_its_ends() -> None:
    rows = concentration({"equal": [5] * 7, "one": [0] * 9 + [8], "nothing": [0, 0], "single": [3], "back": [-2]})
    ends = {(row["segment"], row["customers_percent"]): (row["value_share"], row["gini"]) for row in rows}
    assert ends["equal", 37] == (0.37, 0)
    assert (ends["one", 90], ends["one", 95]) == ((0, 0.9), (0.5, 0.9))
    assert ends["nothing", 100] == (None, None)
    assert (ends["single", 40], ends["single", 100]) == ((0.4, 0), (1, 0))
    # Who brought more back than they bought has no place in a curve; the population is 35 + 8 + 3 over 20 customers.
    assert ("back", 100) not in ends
    assert {row["customers"] for row in rows if row["segment"] == "(all)"} == {20}


def test_any_curve_is_that_of_slow_counting() -> None:
    values = [(n * n * 7919) % 1009 / 4 for n in range(137)]
    rows = [row for row in concentration({"a": values}) if row["segment"] == "a"]
    ordered, total = sorted(values), sum(values)
    for row in rows:
        whole, part = divmod(row["customers_percent"] * len(values), 100)
        held = sum(ordered[:whole]) + (ordered[whole] * part / 100 if part else 0)
        assert row["value_share"] == pytest.approx(held / total, abs=1e-6)
    gaps = sum(abs(one - other) for one in values for other in values)
    assert rows[0]["gini"] == pytest.approx(gaps / (2 * len(values) * total), abs=1e-6)


def test_segment_values_add_up_and_set_negative_ones_apart() -> None:
    values = [(1, "a", 100.0, 60.0), (2, "a", -20.0, None), (3, "b", 300.0, 20.0), (4, "b", 20.0, 0.0)]
    costs = {1: (60.0, 15.0), 2: (-20.0, -5.0)}
    rows = run(
        render("marts/value/fct_segment_values.sql", TODAY),
        {
            "fct_customer_values": (
                "customer_id bigint, net_sales_365d decimal(18,2), expected_net_sales_180d decimal(18,2), "
                "costed_net_sales_365d decimal(18,2), margin_365d decimal(18,2)",
                [
                    [customer, sales, expected, *costs.get(customer, (None, None))]
                    for customer, _, sales, expected in values
                ],
            ),
            **combinations([(customer, "seg", segment) for customer, segment, _, _ in values]),
            "fct_value_concentration": (
                "segmentation varchar, segment varchar, customers_percent bigint, value_share double, gini double",
                [["seg", "a", 80, 0.454425, 0.4], ["seg", "a", 81, 0.9, 0.4]],
            ),
        },
    )
    found = {row["segment"]: row for row in rows}
    a, b, everybody = found["a"], found["b"], found["(all)"]
    assert (a["customers"], a["net_sales_365d"], a["customer_share"], a["value_share"]) == (2, 80, 0.5, 0.2)
    assert (a["average_net_sales_365d"], a["negative_customers"], a["negative_net_sales_365d"]) == (40, 1, -20)
    assert (a["top_20_percent_share"], a["gini"]) == (0.545575, 0.4)
    assert (a["customers_with_expectation"], a["expected_net_sales_180d"], a["expected_value_share"]) == (1, 60, 0.75)
    assert a["average_expected_net_sales_180d"] == 60
    assert (b["negative_customers"], b["top_20_percent_share"], b["average_expected_net_sales_180d"]) == (0, None, 10)
    assert (everybody["customers"], everybody["net_sales_365d"], everybody["value_share"]) == (4, 400, 1)
    assert (everybody["segmentation"], everybody["negative_net_sales_365d"]) == ("(all)", -20)
    assert (a["margin_365d"], a["margin_rate"], a["costed_share"]) == (10, 0.25, 0.5)
    assert (b["margin_365d"], b["margin_rate"], b["costed_share"]) == (None, None, None)
    assert (everybody["margin_365d"], everybody["costed_share"]) == (10, 0.1)


def test_margins_are_those_of_the_lines_with_costs(published_shop: Shop) -> None:
    lines = (
        "select customer_id, cast(net_amount as decimal(18, 2)) as net, cast(cost_amount as decimal(18, 2)) as cost "
        f"from read_csv('{published_shop.files}/transactions.csv', header = true) where cost_amount is not null "
        f"and cast(ordered_at as date) between date '{PUBLISHED}' - 364 and date '{PUBLISHED}'"
    )
    with duckdb.connect(str(published_shop.serving / "current" / "tessera.duckdb"), read_only=True) as connection:
        different, known = connection.execute(
            "select count(case when margin_365d is distinct from margin or costed_net_sales_365d is distinct from net "
            "then 1 end), count(margin_365d) from marts.fct_customer_values left join (select customer_id, "
            f"sum(net - cost) as margin, sum(net) as net from ({lines}) group by customer_id) using (customer_id)"
        ).fetchone()
        assert (different, known > 900) == (0, True)
        total, margin, share = connection.execute(
            "select net_sales_365d, margin_365d, costed_share from marts.fct_segment_values where segment = '(all)'"
        ).fetchone()
    assert 0.5 < share < 0.9
    assert float(margin) == pytest.approx(0.4 * float(total) * share, rel=0.01)


# --- Backtest -----------------------------------------------------------------------


def backtest(orders: Sequence[tuple[int, date, float]], expected: dict[int, float | None]) -> dict[str, Row]:
    first = {customer: min(day for who, day, _ in orders if who == customer) for customer in expected}
    rows = run(
        render("marts/value/fct_value_backtest.sql", TODAY, value_holdout_days=HOLDOUT),
        {
            "customer_days": days(orders),
            "backtest_repeats": (
                "as_of_date date, customer_id bigint, age_days bigint, net_exact double",
                [
                    [BEFORE, who, (BEFORE - day).days, sum(c for w, d, c in orders if w == who and d <= BEFORE) * CENT]
                    for who, day in first.items()
                ],
            ),
            "backtest_expectations": (
                "as_of_date date, customer_id bigint, expected_net_cents double",
                [[BEFORE, who, cents] for who, cents in expected.items()],
            ),
        },
    )
    return {row["forecaster"]: row for row in rows}


def test_backtest_holds_three_forecasts_against_what_came() -> None:
    orders = [
        *[(1, BEFORE - 181 * DAY, 10_000), (1, BEFORE - 5 * DAY, 8_200), (1, TODAY, 9_000)],
        *[(2, BEFORE - 90 * DAY, 9_100), (2, BEFORE + DAY, 1_000)],
        *[(3, BEFORE - 181 * DAY, 3_640)],
        *[(4, BEFORE, 500), (4, TODAY, 77_700)],  # nothing is expected of them, so nobody is asked
    ]
    found = backtest(orders, {1: 9_500, 2: 3_000, 3: 100, 4: None})
    model, past, season = (found[name] for name in ("bg_nbd_gamma_gamma", "past_spend", "seasonal_naive"))
    assert {row["customers"] for row in found.values()} == {3}
    assert {row["actual_net_sales"] for row in found.values()} == {100}
    # 95, 30 and 1 against 90, 10 and 0.
    assert (model["forecast_net_sales"], model["total_bias"]) == (126, 0.26)
    assert model["mean_absolute_error"] == pytest.approx(26 / 3, abs=0.005)
    assert model["root_mean_squared_error"] == pytest.approx(((25 + 400 + 1) / 3) ** 0.5, abs=0.005)
    assert model["rank_correlation"] == 1
    # 182 in 182 days, 91 in 91 and 36.40 in 182: half a year's pace goes on for 91 days.
    assert past["forecast_net_sales"] == Decimal("200.20")
    assert past["mean_absolute_error"] == pytest.approx((1 + 81 + 18.2) / 3, abs=0.005)
    # Equals share the mean of their ranks: 2.5, 2.5, 1 against 3, 2, 1.
    assert past["rank_correlation"] == pytest.approx(0.866025, abs=1e-6)
    # Orders do not reach back a year: the 91 days before come again, 82, 91 and 0.
    assert (season["season_days"], season["forecast_net_sales"]) == (91, 173)
    assert season["rank_correlation"] == 0.5
    # The second, who came 90 days before, is new; the others came 181 days before.
    assert {row["new_customers"] for row in found.values()} == {1}
    new = [(row["new_actual_net_sales"], row["new_forecast_net_sales"]) for row in (model, past, season)]
    assert new == [(10, 30), (10, 91), (10, 91)]
    assert (model["new_total_bias"], model["new_mean_absolute_error"]) == (2, 20)


def test_seasonal_forecast_repeats_the_year_before_where_it_is_known() -> None:
    year_before = BEFORE - 365 * DAY
    orders = [
        *[(1, year_before + DAY, 700), (1, year_before + HOLDOUT * DAY, 40)],
        *[(1, year_before + (HOLDOUT + 1) * DAY, 9_999), (1, BEFORE, 8_888), (1, TODAY, 500)],
    ]
    season = backtest(orders, {1: 1.0})["seasonal_naive"]
    assert (season["season_days"], season["forecast_net_sales"]) == (365, Decimal("7.40"))
    # One day later the first of these days would be unknown.
    season = backtest([(1, year_before + 2 * DAY, 700), *orders[1:]], {1: 1.0})["seasonal_naive"]
    assert (season["season_days"], season["forecast_net_sales"]) == (91, Decimal("88.88"))


def test_the_backtest_is_of_the_last_end_of_a_month_whatever_day_it_is() -> None:
    tables = {
        "customers": ("customer_id bigint, closed_date date", [[1, None]]),
        "customer_days": days([[1, BEFORE, 2000], [1, TODAY + 20 * DAY, 99]]),
    }
    of_days = [
        run(render("features/backtest_repeats.sql", day, value_holdout_days=HOLDOUT), tables)
        for day in (TODAY, TODAY + DAY, TODAY + 30 * DAY)
    ]
    assert of_days[0] == of_days[1] == of_days[2] != []
    assert {row["as_of_date"] for row in of_days[0]} == {BEFORE}
    (later,) = run(render("features/backtest_repeats.sql", TODAY + 31 * DAY, value_holdout_days=HOLDOUT), tables)
    assert later["as_of_date"] == TODAY + 31 * DAY - HOLDOUT * DAY


# --- Cross-sell ------------------------------------------------------------------------


def bought(
    rows: Sequence[tuple[int, str | None, date, float]], **variables: Any
) -> dict[str, tuple[str, list[list[Any]]]]:
    """Who bought in which category, of customer, category, day and cents."""
    variables = {"cross_sell_excluded_categories": [], **variables}
    found = run(
        render("features/category_buyers.sql", TODAY, **variables),
        {
            "customer_category_days": (
                "customer_id bigint, category varchar, activity_date date, net_exact double",
                [(*where, cents * CENT) for *where, cents in rows],
            )
        },
    )
    return {
        "category_buyers": (
            "customer_id bigint, category varchar, net_exact double",
            [list(row.values()) for row in found],
        )
    }


def test_cross_sell_is_what_others_in_the_segment_buy() -> None:
    year = timedelta(days=365)
    lines = [
        *[(1, "wine", TODAY, 3_000), (1, "wine", TODAY - DAY, 1_000), (2, "wine", TODAY - year + DAY, 2_000)],
        *[(3, "wine", TODAY - year, 5_000)],  # too long ago
        *[(4, "wine", TODAY, 900), (4, "wine", TODAY, -900)],  # brought back
        *[(5, "wine", TODAY, 1_200), (5, None, TODAY, 1_200)],
    ]
    rows = run(
        render("marts/value/fct_cross_sell.sql", TODAY, cross_sell_minimum_buyers=2),
        bought(lines) | combinations([(n, "seg", "a" if n <= 4 else "b") for n in range(1, 9)]),
    )
    a, b = sorted(rows, key=lambda row: row["segment"])
    assert (a["category"], a["customers"], a["buyers"], a["customers_without"]) == ("wine", 4, 2, 2)
    # Half of a buys wine, 3 of 8 customers do; buyers spend 30, so two more customers half as often give 30.
    assert (a["penetration"], a["lift"]) == (0.5, pytest.approx(0.5 / 0.375, abs=1e-6))
    assert (a["average_net_sales_365d"], a["potential_net_sales_365d"]) == (30, 30)
    assert (b["buyers"], b["penetration"], b["potential_net_sales_365d"]) == (1, 0.25, 9)
    # One buyer does not speak for b.
    assert (a["is_offered"], b["is_offered"]) == (True, False)


def test_a_customer_is_offered_what_is_worth_most_of_what_they_lack() -> None:
    baskets = {
        # Of segment a everybody buys bread (10), three buy wine (100 each, so 75), two books (10 each, so 5).
        **{1: {"bread": 1_000, "wine": 10_000, "books": 1_000}, 2: {"bread": 1_000, "wine": 10_000}},
        **{3: {"wine": 10_000, "bread": 1_000, "books": 1_000}, 4: {"bread": 1_000}},
        # 5 is like nobody else, 6 and 7 buy nothing, 8 brought it back.
        **{5: {"tea": 500}, 8: {"wine": 0}},
    }
    segments = [*[(n, "seg", "a") for n in (1, 2, 3, 4)], (5, "seg", "b"), (6, "seg", "b"), (7, "seg", "c")]
    members = [*segments, (8, "seg", "b"), *((n, "other", "x") for n in range(1, 9))]
    tables = {
        **bought([(who, what, TODAY, cents) for who, basket in baskets.items() for what, cents in basket.items()]),
        **combinations(members),
        "customer_segments": (
            "as_of_date date, customer_id bigint, segmentation varchar, segment varchar",
            [(TODAY, *row) for row in members],
        ),
    }
    columns = "segmentation varchar, segment varchar, category varchar, penetration double, lift double, "
    columns += "average_net_sales_365d double, is_offered boolean"
    names = [column.split()[0] for column in columns.split(", ")]

    def offered(**variables: object) -> list[Row]:
        variables = {"cross_sell_segmentation": "seg", "cross_sell_minimum_buyers": 1, **variables}
        cross_sell = run(render("marts/value/fct_cross_sell.sql", TODAY, **variables), tables)
        all_tables = {**tables, "fct_cross_sell": (columns, [[row[name] for name in names] for row in cross_sell])}
        return run(render("marts/value/fct_customer_cross_sell.sql", TODAY, **variables), all_tables)

    offers = offered()
    found = {
        row["customer_id"]: (row["segment"], row["category"], float(row["expected_net_sales_365d"])) for row in offers
    }
    # 1 and 3 buy all that a buys, 5 all that b buys; nobody in c buys anything.
    assert found == {
        2: ("a", "books", 5.0),
        4: ("a", "wine", 75.0),
        6: ("b", "tea", pytest.approx(5 / 3, abs=0.01)),
        8: ("b", "tea", pytest.approx(5 / 3, abs=0.01)),
    }
    assert {row["segmentation"] for row in offers} == {"seg"}
    # Two who bought books and one who bought tea are too few to speak for their segments.
    assert {(row["customer_id"], row["category"]) for row in offered(cross_sell_minimum_buyers=3)} == {(4, "wine")}
    assert offered(cross_sell_segmentation=None) == []


def test_offers_take_memory_for_what_customers_bought_not_for_every_segment() -> None:
    # With 1,000,000 customers and 2 GB the model once ended with "Out of Memory": the engine joined what everybody
    # bought to the categories of all ten segments before it looked up in which one the customer is.
    with duckdb.connect(config={"memory_limit": "200MB", "temp_directory": "", "threads": 1}) as connection:
        connection.execute("set preserve_insertion_order = false")
        connection.execute(
            f"""
            create table customer_segments as
            select date '{TODAY}' as as_of_date, range as customer_id, 'seg' as segmentation,
                'segment ' || range % 10 as segment
            from range(20_000);
            create table category_buyers as
            select customers.range as customer_id, 'category ' || categories.range as category,
                100.0::double as net_exact
            from range(20_000) as customers, range(60) as categories
            where hash(customers.range, categories.range) % 4 = 0;
            create table fct_cross_sell as
            select 'seg' as segmentation, 'segment ' || segments.range as segment,
                'category ' || categories.range as category, 0.2::double as penetration, 1.0::double as lift,
                categories.range::double as average_net_sales_365d, true as is_offered
            from range(10) as segments, range(60) as categories
            """
        )
        offers = render("marts/value/fct_customer_cross_sell.sql", TODAY, cross_sell_segmentation="seg")
        assert connection.sql(f"select count(*) from ({offers})").fetchone() == (20_000,)


def test_what_may_not_be_offered_is_left_out() -> None:
    lines = [(1, "wine", TODAY, 1_000), (1, "it's gas", TODAY, 9_000), (2, "it's gas", TODAY, 9_000)]
    tables = bought(lines, cross_sell_excluded_categories=["it's gas"])
    tables |= combinations([(1, "seg", "a"), (2, "seg", "a")])
    rendered = render("marts/value/fct_cross_sell.sql", TODAY, cross_sell_minimum_buyers=1)
    assert [row["category"] for row in run(rendered, tables)] == ["wine"]
