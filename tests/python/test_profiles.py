"""The profile marts: their SQL against customers counted by hand, and against slow and obvious code."""

import importlib.util
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from statistics import mean, pstdev, quantiles
from types import SimpleNamespace
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import yaml
from conftest import Shop
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from flows.rules.macros import macros
from flows.steps.project import ROOT
from macros.python.rules.features import read_features

TODAY = date(2024, 6, 30)
DBT = SimpleNamespace(
    type_string=lambda: "varchar",
    date_spine=lambda _part, start, end: f"select range as date_day from range({start}, {end}, interval 1 day)",
)
MARTS = (
    "fct_segment_profiles",
    "fct_segment_attribute_shares",
    "fct_segment_typical_customers",
    "fct_persona_daily",
    "fct_persona_claims",
)

# What the contract of customer_features says in these tests.
FEATURES = {
    "as_of_date": "date",
    "customer_id": "bigint",
    "orders_365d": "bigint",
    "discount_share_365d": "double",
    "last_order_date": "date",
    "age_band": "varchar",
    "is_member": "boolean",
    "marital_status": "varchar",
}
NUMBERS = ("orders_365d", "discount_share_365d", "days_since_last_order")
CLAIMS = {
    "a": {"orders_365d": "above", "age_band": {"mostly": "65+"}, "is_member": {"mostly": True}},
    "b": {"orders_365d": "above", "discount_share_365d": "below", "days_since_last_order": "below"},
    "c": {"orders_365d": "below"},
}
SEGMENTS = [{"name": name, "description": "-", "rule": "orders_365d > 1"} for name in CLAIMS] + [
    {"name": "z", "description": "-"}
]

Row = dict[str, Any]
Values = dict[str, float | None]
# One customer: segment, orders_365d, discount_share_365d, days since the last order, age_band, is_member.
Customer = tuple[str, int | None, float | None, int | None, str | None, bool | None]


COLUMNS = {
    name: {"data_type": data_type, "meta": {"protected": True} if name == "marital_status" else {}}
    for name, data_type in FEATURES.items()
}
MODELS = {
    "seg_x": {
        "owner": "a@example.com",
        "segments": [
            segment | {"persona_claims": CLAIMS[segment["name"]]} if segment["name"] in CLAIMS else segment
            for segment in SEGMENTS
        ],
    }
}


def run_distributions(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """What the Python model makes of profile_inputs, as dbt calls it."""
    path = ROOT / "models" / "history" / "profiles" / "profile_distributions.py"
    spec = importlib.util.spec_from_file_location("profile_distributions", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.model(SimpleNamespace(config=lambda **_settings: None, ref=connection.table), connection)


def sql_of(mart: str, alike: int, first: date = TODAY) -> str:
    return rendered(f"marts/profiles/{mart}", alike, first)


@cache
def rendered(path: str, alike: int, first: date = TODAY) -> str:
    variables = {
        "first_date": str(first),
        "last_date": str(TODAY),
        "typical_customer_alike": alike,
    }
    known = macros(
        variables=variables, dbt=DBT, models=MODELS, columns=COLUMNS, is_incremental=lambda: first != TODAY, this="kept"
    )
    return known.render(f"{path}.sql")


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(
            """
            -- The tables are tiny: threads would only wait for each other.
            set threads = 1;
            create table profile_days (as_of_date date);
            create table customer_segments (customer_id bigint, segmentation varchar, segment varchar);
            create table dim_segments as
            select 'seg_x' as segmentation, segment, persona, 'a@example.com' as owner, is_current
            from (values ('a', 'Old hand.', true), ('a', 'Young hand.', false), ('b', 'Idle.', true), ('c', '-', true))
                as segments (segment, persona, is_current);
            create view fct_segment_spells as
            select *, date '2000-01-01' as valid_from, date '9999-12-31' as valid_to from customer_segments;
            create table fct_customer_features (
                as_of_date date, customer_id bigint, orders_365d bigint, discount_share_365d double,
                last_order_date date, age_band varchar, is_member boolean, marital_status varchar,
                -- What only the description reads.
                tenure_days bigint default 400, days_since_last_order bigint, orders_lifetime bigint,
                orders_30d bigint default 2, net_sales_365d decimal(18, 2) default 84.5,
                average_order_value_365d double default 42.25, top_category_365d varchar default 'WINE'
            );
            create view customer_features as from fct_customer_features;
            create view profiled_customers as
            select fct_customer_features.*, dense_rank() over (order by segment) as combination
            from fct_customer_features inner join customer_segments using (customer_id);
            create view profiled_segments as
            select combination, 'seg_x' as segmentation, segment, count(*) as customers
            from profiled_customers inner join customer_segments using (customer_id) group by all;
            """
        )
        yield connection


def profile(
    connection: duckdb.DuckDBPyConnection, customers: Sequence[Customer], alike: int = 1
) -> dict[str, list[Row]]:
    """The rows of all marts, for customers with the keys 1, 2, and so on."""
    connection.execute("truncate customer_segments; truncate fct_customer_features")
    for number, (segment, orders, share, days, band, member) in enumerate(customers, start=1):
        connection.execute("insert into customer_segments values (?, 'seg_x', ?)", [number, segment])
        connection.execute(
            """
            insert into fct_customer_features (
                as_of_date, customer_id, orders_365d, discount_share_365d, last_order_date, age_band, is_member,
                marital_status, days_since_last_order, orders_lifetime
            ) values ($1, $2, $3, $4, $1 - cast($5 as integer), $6, $7, 'Married', $5, coalesce($3, 0))
            """,
            [TODAY, number, orders, share, days, band, member],
        )
    connection.execute("truncate profile_days; insert into profile_days values (?)", [TODAY])
    connection.execute(f"create or replace view profile_inputs as {rendered('history/profiles/profile_inputs', alike)}")
    distributions = run_distributions(connection)
    connection.execute("create or replace table profile_distributions as from distributions")
    assert distributions.num_rows > 0
    found = {}
    for mart in MARTS:
        connection.execute(f"create or replace table {mart} as {sql_of(mart, alike)}")
        result = connection.sql(f"from {mart}")
        found[mart] = [dict(zip(result.columns, row, strict=True)) for row in result.fetchall()]
    return found


# Two segments that fit on paper. Orders of all: 0, 2, 2, 4, 10; mean 3.6, deviation 3.4409...
PAPER: list[Customer] = [
    ("a", 2, 0.5, 1, "65+", True),
    ("a", 4, 0.5, 3, "65+", True),
    ("a", 10, 0.5, 5, None, True),
    ("b", 0, None, None, "19-24", False),
    ("b", 2, 0.5, 30, "65+", None),
]


def test_a_profile_counted_by_hand(connection: duckdb.DuckDBPyConnection) -> None:
    rows = profile(connection, PAPER)["fct_segment_profiles"]
    assert len(rows) == 2 * 3
    cells = {(row["segment"], row["feature"]): row for row in rows}
    orders = cells["a", "orders_365d"]
    assert (orders["customers"], orders["customers_with_value"]) == (3, 3)
    assert (orders["lower_quartile"], orders["median"], orders["upper_quartile"]) == (3, 4, 7)
    assert (orders["mean"], orders["population_mean"]) == (pytest.approx(16 / 3, abs=1e-6), 3.6)
    assert orders["mean_index"] == pytest.approx(148.15, abs=0.005)
    assert orders["standardised_difference"] == pytest.approx((16 / 3 - 3.6) / 11.84**0.5, abs=1e-6)
    # All who have a discount share have the same: nobody differs, and nothing is divided by nothing.
    share = cells["b", "discount_share_365d"]
    assert (share["customers_with_value"], share["population_deviation"], share["standardised_difference"]) == (1, 0, 0)
    # The date became an age; the one customer of b without an order has none.
    age = cells["b", "days_since_last_order"]
    assert (age["customers"], age["customers_with_value"], age["median"]) == (2, 1, 30)


def test_small_shares_are_compared_before_they_are_rounded(connection: duckdb.DuckDBPyConnection) -> None:
    # Means of 0.0000104 and 0.0000078, as numbers of six digits 0.00001 and 0.000008, once gave an index of 125.
    few = [("a", 1, 0.0000104, 1, None, None), ("b", 1, 0.0000052, 1, None, None)]
    (share,) = (
        row
        for row in profile(connection, few)["fct_segment_profiles"]
        if (row["segment"], row["feature"]) == ("a", "discount_share_365d")
    )
    assert share["mean_index"] == pytest.approx(133.33, abs=0.01)


def test_features_that_most_of_a_segment_lack_rank_last_and_equals_rank_by_name(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    strange = [("b", 5, None, 100, None, None), ("b", 5, None, None, None, None), ("b", 5, None, None, None, None)]
    usual = [("a", 5, None, 1, None, None)] * 9
    rows = profile(connection, [*strange, *usual])["fct_segment_profiles"]
    ranks = {row["feature"]: row["difference_rank"] for row in rows if row["segment"] == "b"}
    # Only one of three has an age, however strange. Nobody has a discount share.
    assert ranks == {"orders_365d": 1, "days_since_last_order": 2, "discount_share_365d": 3}
    rows = profile(connection, [("a", 5, 0.5, 1, None, None), ("b", 5, 0.5, 1, None, None)])["fct_segment_profiles"]
    by_rank = sorted((row["difference_rank"], row["feature"]) for row in rows if row["segment"] == "a")
    assert [name for _, name in by_rank] == ["days_since_last_order", "discount_share_365d", "orders_365d"]


def test_shares_counted_by_hand(connection: duckdb.DuckDBPyConnection) -> None:
    rows = profile(connection, PAPER)["fct_segment_attribute_shares"]
    cells = {
        (row["segment"], row["attribute"], row["attribute_value"]): (row["customers"], row["share"], row["share_index"])
        for row in rows
    }
    assert cells == {
        ("a", "age_band", "65+"): (2, 2 / 3, 111.11),
        ("a", "age_band", "(unknown)"): (1, 1 / 3, 166.67),
        ("b", "age_band", "19-24"): (1, 0.5, 250),
        ("b", "age_band", "65+"): (1, 0.5, 83.33),
        ("a", "is_member", "true"): (3, 1, 166.67),
        ("b", "is_member", "false"): (1, 0.5, 250),
        ("b", "is_member", "(unknown)"): (1, 0.5, 250),
        ("a", "marital_status", "Married"): (3, 1, 100),
        ("b", "marital_status", "Married"): (2, 1, 100),
    }


def test_the_typical_customer_in_words_beside_the_persona(connection: duckdb.DuckDBPyConnection) -> None:
    a, b = sorted(profile(connection, PAPER)["fct_segment_typical_customers"], key=lambda row: row["segment"])
    # The second has the medians of a: 4 orders, 0.5, 3 days. Protected attributes are not told.
    assert (a["customer_id"], a["distance"], a["customers"], a["persona"]) == (2, 0, 3, "Old hand.")
    assert a["description"] == (
        "Known for 400 days, last order 3 days ago, 2 orders in 30 days and 4 in 365 for about 85, 42 each, 50 % off, "
        "most on WINE; age band 65+; is member true"
    )
    # Half of b have a share and an age, so these are typical, and who lacks them is two units away.
    assert b["customer_id"] == 5


def test_a_customer_who_never_ordered_is_told_as_such(connection: duckdb.DuckDBPyConnection) -> None:
    (row,) = profile(connection, [("a", 0, None, None, None, None)])["fct_segment_typical_customers"]
    assert row["description"] == "Known for 400 days, never ordered, most on WINE"


def test_nobody_is_told_by_what_only_they_are(connection: duckdb.DuckDBPyConnection) -> None:
    """The report once told of typical customers what only they were, and of the only member of a segment everything."""
    customers: list[Customer] = [
        *[("a", 4, 0.5, 3, "65+", True)] * 3,
        *[("a", 4, 0.5, 3, "65+", False)] * 2,
        *[("b", 9, 0.5, 3, "65+", True)] * 2,
        ("b", 9, 0.5, 3, "19-24", True),
    ]

    def endings(alike: int) -> dict[str, str]:
        rows = profile(connection, customers, alike)["fct_segment_typical_customers"]
        return {row["segment"]: row["description"].split("off")[1] for row in rows}

    # Seven are 65 or older, five of them members; wine is what all buy most.
    assert endings(5) == {"a": ", most on WINE; age band 65+; is member true"}
    assert endings(3) == {"a": ", most on WINE; age band 65+; is member true"} | {
        "b": ", most on WINE; age band 65+; is member true"
    }
    connection.execute("update fct_customer_features set top_category_365d = 'BEER' where customer_id > 2")
    (row,) = connection.sql(f"select description from ({sql_of('fct_segment_typical_customers', 5)})").fetchall()
    # Two of those with wine are too few to say so; what follows is of those who share the wine as well.
    assert row[0].split("off")[1] == ""


@pytest.mark.parametrize(
    ("amount", "told"),
    [(0, "0"), (7.4, "7"), (84.5, "85"), (995, "1000"), (3962.63, "4000"), (1234567, "1200000"), (-84.5, "-85")],
)
def test_money_is_told_to_two_figures(connection: duckdb.DuckDBPyConnection, amount: float, told: str) -> None:
    profile(connection, [("a", 4, 0.5, 3, None, None)])
    connection.execute("update fct_customer_features set net_sales_365d = ?", [amount])
    (row,) = connection.sql(f"select description from ({sql_of('fct_segment_typical_customers', 1)})").fetchall()
    assert f"in 365 for about {told}, " in row[0]


def test_of_equally_near_customers_the_one_with_the_first_key_is_typical(connection: duckdb.DuckDBPyConnection) -> None:
    twins = [("a", 9, 0.9, 9, None, None), ("a", 3, 0.5, 4, None, None), ("a", 3, 0.5, 4, None, None)]
    (row,) = profile(connection, twins)["fct_segment_typical_customers"]
    assert row["customer_id"] == 2


def test_claims_are_held_against_the_data(connection: duckdb.DuckDBPyConnection) -> None:
    rows = profile(connection, PAPER)["fct_persona_claims"]
    found = {
        (row["segment"], row["feature"]): (row["segment_value"], row["population_value"], row["holds"]) for row in rows
    }
    assert found == {
        ("a", "orders_365d"): (4, 2, True),
        # Of those of whom it is known: two of two, and three of four among all.
        ("a", "age_band"): (1, 0.75, True),
        ("a", "is_member"): (1, 0.75, True),
        # Median 1 of b: the persona is wrong.
        ("b", "orders_365d"): (1, 2, False),
        # As everybody is not below everybody.
        ("b", "discount_share_365d"): (0.5, 0.5, False),
        ("b", "days_since_last_order"): (30, 4, False),
        # Nobody is in c: nothing can be said.
        ("c", "orders_365d"): (None, 2, None),
    }
    assert {(row["claim"], row["claimed_value"]) for row in rows if row["segment"] == "a"} == {
        ("above", None),
        ("mostly", "65+"),
        ("mostly", "true"),
    }


def test_claims_have_standard_errors_and_say_nothing_of_a_few(connection: duckdb.DuckDBPyConnection) -> None:
    """An erased customer's orders could be read from what was logged of a segment that they were alone in."""
    customers = [*PAPER, ("a", 3, 0.5, 5, "19-24", None)]
    rows = {(row["segment"], row["feature"]): row for row in profile(connection, customers, 2)["fct_persona_daily"]}
    # 2, 3, 4 and 10 orders: quartiles 2.75 and 5.5. Two of three are 65 or older.
    assert rows["a", "orders_365d"]["standard_error"] == pytest.approx(1.25 * 2.75 / (1.35 * 2))
    assert rows["a", "age_band"]["standard_error"] == pytest.approx((2 / 3 / 3 / 3) ** 0.5)
    # Only one of b has a share.
    told = rows["b", "discount_share_365d"]
    assert [told[name] for name in ("customers", "segment_value", "standard_error", "holds")] == [None] * 4
    assert told["population_value"] == 0.5


def test_half_is_not_most_and_a_value_that_nobody_has_is_no_ones(connection: duckdb.DuckDBPyConnection) -> None:
    half = [("a", 1, None, None, "65+", False), ("a", 1, None, None, "19-24", False)]
    rows = {row["feature"]: row for row in profile(connection, half)["fct_persona_claims"] if row["segment"] == "a"}
    assert (rows["age_band"]["segment_value"], rows["age_band"]["holds"]) == (0.5, False)
    assert (rows["is_member"]["segment_value"], rows["is_member"]["holds"]) == (0, False)


def test_claims_are_held_against_every_day_of_a_run(connection: duckdb.DuckDBPyConnection) -> None:
    """Personas were once judged on a run's last day only, so that their alerts told how days were split into runs."""
    yesterday = TODAY - timedelta(days=1)
    profile(connection, PAPER)
    # Yesterday the first of a was in b, and everybody had ten times as many orders.
    connection.execute(
        f"""
        create or replace table spells_of_days as
        select customer_id, segmentation, segment, date '{TODAY}' as valid_from, date '9999-12-31' as valid_to
        from customer_segments
        union all
        select customer_id, segmentation, case when customer_id = 1 then 'b' else segment end, date '2000-01-01',
            date '{TODAY}'
        from customer_segments;
        create or replace table features_of_days as
        from fct_customer_features
        union all by name
        select * replace (as_of_date - 1 as as_of_date, 10 * orders_365d as orders_365d) from fct_customer_features
        """
    )
    told = {}
    for first in (yesterday, TODAY):
        sql = sql_of("fct_persona_daily", 1, first).replace("* from fct_segment_spells", "* from spells_of_days")
        sql = re.sub("from customer_features(?=\n *where)", "from features_of_days", sql)
        told[first] = connection.sql(f"from ({sql}) order by all").fetchall()
    assert len(told[yesterday]) == 2 * 7
    assert told[yesterday][7:] == told[TODAY]
    found = {row[2:4]: (row[6], row[7], row[9], row[10]) for row in told[yesterday][:7]}
    assert found["a", "orders_365d"] == (2, 70, 20, True)
    assert found["b", "orders_365d"] == (3, 20, 20, False)
    # A day ago everybody's last order was a day nearer: 0 and 29 in b, 2 and 4 in a.
    assert found["b", "days_since_last_order"] == (2, 14.5, 3, False)


# --- Any customers ------------------------------------------------------------------

numbers = st.one_of(st.none(), st.integers(0, 12))
shares = st.one_of(st.none(), st.sampled_from([0.0, 0.125, 0.25, 0.5]))
anybody = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 12), shares, numbers, st.none(), st.none()), min_size=1, max_size=14
)


def quartiles(values: Sequence[float]) -> list[float | None]:
    if len(values) < 2:
        return [values[0] if values else None] * 3
    return list(quantiles(values, n=4, method="inclusive"))


def values_of(customer: Customer) -> Values:
    return dict(zip(NUMBERS, customer[1:4], strict=True))


def known(customers: Sequence[Customer], feature: str) -> list[float]:
    return [value for each in customers if (value := values_of(each)[feature]) is not None]


def distance(one: Values, other: Values, units: Mapping[str, float]) -> float:
    """The mean over features of the absolute differences in units; one where a value is missing on one side only."""
    total = 0.0
    for feature, unit in units.items():
        first, second = one[feature], other[feature]
        missing = (first is None) + (second is None)
        total += abs(first - second) / unit if not missing else missing % 2
    return total / max(len(units), 1)


@settings(max_examples=30, deadline=None, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate])
@given(anybody)
def test_any_customers_are_profiled_as_slow_and_obvious_code_does(
    connection: duckdb.DuckDBPyConnection, customers: list[Customer]
) -> None:
    found = profile(connection, customers)
    for row in found["fct_segment_profiles"]:
        everybody = known(customers, row["feature"])
        own = known([customer for customer in customers if customer[0] == row["segment"]], row["feature"])
        assert [row["lower_quartile"], row["median"], row["upper_quartile"]] == pytest.approx(quartiles(own))
        assert row["customers_with_value"] == len(own)
        assert row["mean"] == (pytest.approx(mean(own), abs=1e-6) if own else None)
        spread = pstdev(everybody) if everybody else None
        difference = (mean(own) - mean(everybody)) / spread if own and spread else 0.0 if own else None
        assert row["standardised_difference"] == (None if difference is None else pytest.approx(difference, abs=1e-6))
    for row in found["fct_persona_daily"]:
        members = [customer for customer in customers if customer[0] == row["segment"]]
        if row["claim"] == "mostly":
            assert (row["customers"], row["segment_value"], row["holds"]) == (None, None, None)
            continue
        own = known(members, row["feature"])
        everybody = known(customers, row["feature"])
        low, middle, high = quartiles(own)
        assert (row["customers"], row["segment_value"]) == (len(own) or None, middle)
        assert row["population_value"] == quartiles(everybody)[1]
        if not own:
            assert (row["standard_error"], row["holds"]) == (None, None)
            continue
        assert row["standard_error"] == pytest.approx(1.25 * (high - low) / (1.35 * len(own) ** 0.5))
        apart = middle - quartiles(everybody)[1]
        assert row["holds"] == (apart > 0 if row["claim"] == "above" else apart < 0)
    for row in found["fct_segment_typical_customers"]:
        own = {n: each for n, each in enumerate(customers, start=1) if each[0] == row["segment"]}
        centre, units = {}, {}
        for feature in NUMBERS:
            low, _, high = quartiles(known(customers, feature))
            everybody = known(customers, feature)
            if everybody and round(pstdev(everybody), 6) > 0:
                units[feature] = (high - low) / 1.349 if low is not None and high != low else 1
            values = known(list(own.values()), feature)
            centre[feature] = quartiles(values)[1] if 2 * len(values) >= len(own) else None

        near = {n: distance(values_of(each), centre, units) for n, each in own.items()}
        least = min(near.values())
        assert row["distance"] == pytest.approx(least, abs=1e-6)
        assert near[row["customer_id"]] == pytest.approx(least)
        assert row["mean_distance"] == pytest.approx(mean(near.values()), abs=1e-6)
        if all(None not in each[1:4] for each in own.values()):
            # The promise of the description: by the triangle inequality, how far the exact medoid is from being beaten.
            sums = {
                n: mean(distance(values_of(each), values_of(other), units) for other in own.values())
                for n, each in own.items()
            }
            assert sums[row["customer_id"]] <= min(sums.values()) + least + 1e-9


# --- The project ------------------------------------------------------------------------


@pytest.mark.parametrize("mart", MARTS)
def test_columns_are_those_of_the_contract(connection: duckdb.DuckDBPyConnection, mart: str) -> None:
    models = yaml.safe_load((ROOT / "models" / "marts" / "profiles" / "_profiles.yml").read_text())["models"]
    (contract,) = ([column["name"] for column in model["columns"]] for model in models if model["name"] == mart)
    profile(connection, PAPER)
    assert connection.sql(f"from {mart}").columns == contract


def test_every_number_age_and_text_of_the_features_is_profiled_once() -> None:
    project = macros(dbt=DBT)
    numbers, texts = project.profiled_features(), project.profiled_attributes()
    catalogue = read_features(ROOT)
    kinds = {name: feature.kind for name, feature in catalogue.features.items() if name in catalogue.columns}
    columns = {name for name, kind in kinds.items() if kind == "number"}
    assert columns <= set(numbers)
    assert {name for name, kind in kinds.items() if kind in ("text", "boolean")} == set(texts)
    # Ages of all dates are among them; that of first_seen_date under the name tenure_days.
    assert {"days_since_last_response", "days_since_last_order", "tenure_days"} <= set(numbers)
    assert "days_since_first_seen" not in numbers
    assert set(project.profiled_attributes(with_protected=False)) == set(texts) - {"marital_status"}
    # The profiles read the mart, which has the columns of the features.
    (mart,) = (
        model
        for model in yaml.safe_load((ROOT / "models/marts/customers/_customers.yml").read_text())["models"]
        if model["name"] == "fct_customer_features"
    )
    assert {column["name"] for column in mart["columns"]} == set(catalogue.columns)


def test_personas_that_the_data_contradict_are_a_warning_and_the_run_is_released(published_shop: Shop) -> None:
    """The rules' thresholds are the demo's, and the test's shop is another: some of its personas must be wrong."""
    with duckdb.connect(str(published_shop.serving / "current" / "tessera.duckdb"), read_only=True) as release:
        (counts,) = release.sql("select count(*) filter (not holds), count(*) from marts.fct_persona_claims").fetchall()
        checks = release.sql(
            "select status, severity from marts.ops_checks where code = 'persona_claim_broken'"
        ).fetchall()
    broken, claims = counts
    assert 0 < broken < claims
    assert checks == [("failed", "warning")]
