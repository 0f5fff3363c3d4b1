"""Where the percentiles of rules lie among the values they are taken of."""

import duckdb
import pytest

from flows.rules.macros import macros

META = {
    "label": "Spend",
    "owner": "crm@example.com",
    "segments": [
        {"name": "high", "description": "High.", "rule": "discount_share_365d >= p80"},
        {"name": "rest", "description": "Everybody else."},
    ],
}


@pytest.mark.parametrize(
    ("values", "position"),
    [
        ("(0.0), (0.1), (0.2), (0.3), (0.4)", "between"),
        # Nobody gets a discount but one in six.
        ("(0.0), (0.0), (0.0), (0.0), (0.0), (0.4)", "at the minimum"),
        ("(0.0), (0.4), (0.4), (0.4)", "at the maximum"),
        ("(cast(null as double)), (null)", "no values"),
    ],
)
def test_a9_a_percentile_at_an_end_of_its_feature_is_found(values: str, position: str) -> None:
    rules = macros(models={"seg_spend": META}, variables={"last_date": "2024-04-30", "first_date": "2024-04-30"})
    with duckdb.connect() as connection:
        connection.execute(
            "create table customer_features as select date '2024-04-30' as as_of_date, discount_share_365d "
            f"from (values {values}) as given (discount_share_365d)"
        )
        rows = connection.sql(rules.render("checks/marts/rule_percentiles.sql")).fetchall()
    assert [(row[0], row[1], row[-1]) for row in rows] == [("discount_share_365d", "p80", position)]


def test_a9_rules_without_percentiles_have_none_to_look_at() -> None:
    meta = META | {"segments": [META["segments"][0] | {"rule": "orders_30d > 0"}, META["segments"][1]]}
    rules = macros(models={"seg_spend": meta}, variables={"last_date": "2024-04-30", "first_date": "2024-04-30"})
    with duckdb.connect() as connection:
        connection.execute("create table customer_features as select date '2024-04-30' as as_of_date, 1 as orders_30d")
        assert connection.sql(rules.render("checks/marts/rule_percentiles.sql")).fetchall() == []
