"""The rule language: what it accepts, what it refuses and how it says so, and that its SQL decides as it reads."""

import math
import re
from collections.abc import Iterator
from datetime import date
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.rules.definitions import rows_of
from flows.rules.macros import RuleError, graph_nodes, macros
from macros.python.rule_fits import rules_of, segment_fits

FEATURES = {
    name: {"data_type": data_type, "protected": name == "marital_status", "value": f"customer_features.{name}"}
    for name, data_type in {
        "orders_365d": "bigint",
        "discount_share_365d": "double",
        "age_band": "varchar",
        "last_order_date": "date",
        "is_member": "boolean",
        "marital_status": "varchar",
    }.items()
}
M = macros()


def parse(text: str) -> dict[str, Any]:
    return M.parse_clause(text, FEATURES)


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("orders_365d >= 24", "coalesce(customer_features.orders_365d >= 24, false)"),
        ("orders_365d>=24", "coalesce(customer_features.orders_365d >= 24, false)"),
        ("orders_365d != -1.5", "coalesce(customer_features.orders_365d <> -1.5, false)"),
        ("orders_365d between 1 and 5", "coalesce(customer_features.orders_365d between 1 and 5, false)"),
        ("orders_365d in (1, 2)", "coalesce(customer_features.orders_365d in (1, 2), false)"),
        ("orders_365d not in [1,2]", "coalesce(customer_features.orders_365d not in (1, 2), false)"),
        ("age_band = '65+'", "coalesce(customer_features.age_band = '65+', false)"),
        ("age_band = 65+", "coalesce(customer_features.age_band = '65+', false)"),
        ("age_band in ('19-24', 25-34)", "coalesce(customer_features.age_band in ('19-24', '25-34'), false)"),
        ("age_band is null", "customer_features.age_band is null"),
        ("age_band is not null", "customer_features.age_band is not null"),
        ("is_member = true", "coalesce(customer_features.is_member = true, false)"),
        (
            "last_order_date < 2017-02-28",
            "coalesce(customer_features.last_order_date < cast('2017-02-28' as date), false)",
        ),
        (
            "discount_share_365d >= p80",
            "coalesce(customer_features.discount_share_365d >= rule_cut_points.discount_share_365d_p80, false)",
        ),
    ],
)
def test_clause_becomes_sql(text: str, sql: str) -> None:
    assert M.clause_sql(parse(text)) == sql


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("orders_365 >= 2", "there is no feature 'orders_365'. Did you mean 'orders_365d'?"),
        ("orders_365d => 2", "'=>' is no operator. Did you mean '>='?"),
        ("orders_365d == 2", "'==' is no operator. Did you mean '='?"),
        ("orders_365d <> 2", "'<>' is no operator. Did you mean '!='?"),
        ("orders_365d betwen 2 and 3", "'betwen' is no operator. Did you mean 'between'?"),
        ("age_band like '6%'", "'like' is no operator. Did you mean '='?"),
        ("age_band isnull", "'isnull' is no operator. Did you mean 'is null'?"),
        ("orders_365d >= many", "'orders_365d' is of type bigint, so its value must be a number"),
        ("orders_365d >= p0", "its value must be a number"),
        ("orders_365d = p50", "its value must be a number"),
        ("orders_365d >=", "its value must be a number"),
        ("orders_365d", "it is not of the form"),
        ("orders_365d is null 3", "nothing may follow 'is null'"),
        ("orders_365d between 5 and 1", "between 5 and 1 holds for nothing"),
        ("orders_365d between 5", "between takes two values"),
        ("orders_365d in ()", "is not a list"),
        ("orders_365d in (1", "takes a list"),
        ("orders_365d in (1,,2)", "is not a list"),
        ("orders_365d in (1, ,2)", "is not a list"),
        ("orders_365d in ( )", "is not a list"),
        ("orders_365d not in [  ]", "is not a list"),
        ("age_band = 'a\0b'", "its value must be text"),
        ("age_band = 'a\tb'", "its value must be text"),
        ("age_band = null", "'null' is text here. Put it in quotes if that is meant; else write `is null`"),
        ("age_band in (a, NULL)", "'NULL' is text here"),
        ("age_band = p80", "'p80' is text here"),
        ("age_band = a and orders_365d", "'a and orders_365d' is text here"),
        ("age_band > 'a'", "'age_band' is text, which has no order"),
        ("age_band = 'it''s'", "its value must be text"),
        ("age_band = a -- b", "its value must be text"),
        ("last_order_date < 2017-02-30", "its value must be a date"),
        ("is_member = yes", "its value must be true or false"),
        ("marital_status = Married", "'marital_status' is a protected attribute; a rule may use it only where"),
        ("orders_365d >= 1 or 1 = 1", "its value must be a number"),
        ("orders_365d >= 1); drop table customers; --", "its value must be a number"),
        ("age_band = ' or '1'='1", "its value must be text"),
    ],
)
def test_clause_that_is_wrong(text: str, error: str) -> None:
    assert error in parse(text)["error"]


ONE_CUSTOMER = duckdb.connect()
ONE_CUSTOMER.execute(
    "create table customer_features ("
    + ", ".join(f"{name} {feature['data_type']}" for name, feature in FEATURES.items())
    + "); insert into customer_features (orders_365d) values (3); create table rule_cut_points ("
    + ", ".join(f"{name}_p{p} double" for name in ("orders_365d", "discount_share_365d") for p in range(1, 100))
    + "); insert into rule_cut_points (orders_365d_p1) values (2)"
)


@settings(max_examples=2000, deadline=None, derandomize=True)
@given(
    st.one_of(
        st.text(max_size=40),
        st.tuples(
            st.sampled_from([*FEATURES, "x"]),
            st.sampled_from([" = ", ">=", " in (", " not in [", " between ", " is null", " "]),
            st.text(alphabet="abcp019 '\"-;(){}%\\\n\0\t,.+/*", max_size=20),
            st.sampled_from(["", ")", "]", "'", " and 3", "--"]),
        ).map("".join),
    )
)
def test_nothing_but_the_grammar_reaches_the_warehouse(text: str) -> None:
    clause = parse(text)
    if "error" in clause:
        return
    for literal in clause["literals"]:
        if literal.startswith("rule_cut_points."):
            continue
        # A literal that DuckDB reads as one constant, and nothing else, is all there is.
        statement = duckdb.extract_statements(f"select {literal}")
        assert len(statement) == 1
        assert len(duckdb.sql(f"select {literal}").columns) == 1
        assert all(
            character not in literal.removeprefix("cast(").removesuffix(" as date)")[1:-1] for character in "'{}"
        )
    # And of a clause one expression, which the warehouse decides.
    (row,) = ONE_CUSTOMER.sql(f"select {M.clause_sql(clause)} from customer_features, rule_cut_points").fetchall()
    assert row in [(True,), (False,)]


def segments_of(definition: dict[str, Any], columns: str, rows: str) -> dict[int, str]:
    """What the segmentation's SQL decides for customers given as rows of columns."""
    compiled = macros(models={"seg_x": definition}).segmentation_sql("seg_x")
    with duckdb.connect() as connection:
        connection.execute(f"create table customer_features as select * from (values {rows}) as t ({columns})")
        connection.execute("create table rule_cut_points (as_of_date date)")
        connection.execute("create table score_cut_points (as_of_date date)")
        return dict(connection.sql(f"select customer_id, segment from ({compiled})").fetchall())


def project_definition(name: str) -> dict[str, Any]:
    return graph_nodes()[f"model.tessera.{name}"].config.meta["segmentation"]


@pytest.mark.parametrize(
    ("name", "score"), [("seg_value", "frequency_score"), ("seg_value_by_spend", "monetary_score")]
)
def test_every_cell_of_recency_and_its_other_score_lies_in_its_segment(name: str, score: str) -> None:
    # The challenger is read alone, so nothing is there that it could challenge.
    definition = project_definition(name) | {"status": "active", "challenger_of": None}
    expected = """
        5: recent_customers potential_loyalists potential_loyalists champions       champions
        4: promising        potential_loyalists potential_loyalists loyal_customers loyal_customers
        3: about_to_sleep   about_to_sleep      needs_attention     loyal_customers loyal_customers
        2: hibernating      hibernating         at_risk             at_risk         cannot_lose
        1: hibernating      hibernating         at_risk             at_risk         cannot_lose
    """
    cells = {
        10 * int(line.split(":")[0]) + other: segment
        for line in expected.strip().splitlines()
        for other, segment in enumerate(line.split(":")[1].split(), start=1)
    }
    rows = ", ".join(f"({cell}, date '2017-12-31', {cell // 10}, {cell % 10})" for cell in cells)
    decided = segments_of(
        definition,
        f"customer_id, as_of_date, recency_score, {score}",
        f"{rows}, (99, date '2017-12-31', null, null)",
    )
    assert decided == cells | {99: "no_recent_orders"}
    assert len(set(cells.values())) == 10


def test_first_rule_that_holds_wins_and_missing_values_hold_no_clause() -> None:
    decided = segments_of(
        project_definition("seg_lifecycle"),
        "customer_id, as_of_date, orders_lifetime, days_since_last_order, days_since_first_order, longest_pause_90d, "
        "active_days_90d",
        """
        (1, date '2017-12-31', 0, null, null, null, 0),
        (2, date '2017-12-31', 1, 91, 91, null, 0),
        (3, date '2017-12-31', 1, 90, 90, null, 1),
        (4, date '2017-12-31', 1, 31, 60, null, 1),
        (5, date '2017-12-31', 20, 1, 300, 52, 13),
        (6, date '2017-12-31', 20, 1, 300, 51, 13),
        (7, date '2017-12-31', 20, 1, 300, null, 12)
        """,
    )
    assert decided == {
        1: "prospect",
        2: "churned",
        3: "at_risk",
        4: "new",
        5: "reactivated",
        6: "loyal",
        7: "active",
    }


def test_held_clauses_have_a_bit_each() -> None:
    definition = {
        "owner": "a@example.com",
        "segments": [
            {"name": "a", "description": "-", "rule": {"all": ["orders_365d > 5", {"not": "age_band is null"}]}},
            {"name": "b", "description": "-", "rule": {"any": ["orders_365d > 5", "orders_365d = 1"]}},
            {"name": "c", "description": "-"},
        ],
    }
    compiled = macros(models={"seg_x": definition}).segmentation_sql("seg_x")
    with duckdb.connect() as connection:
        connection.execute(
            "create table customer_features as select * from (values "
            "(1, date '2017-12-31', 6, 'x'), (2, date '2017-12-31', 6, null), (3, date '2017-12-31', 1, 'x'), "
            "(4, date '2017-12-31', null, null)) as t (customer_id, as_of_date, orders_365d, age_band)"
        )
        connection.execute("create table rule_cut_points (as_of_date date)")
        connection.execute("create table score_cut_points (as_of_date date)")
        rows = connection.sql(f"select customer_id, segment, held_clauses from ({compiled}) order by 1").fetchall()
    assert rows == [(1, "a", 0b001), (2, "b", 0b011), (3, "b", 0b100), (4, "c", 0b010)]


SEGMENTS = [{"name": "a", "description": "-", "rule": "orders_365d > 5"}, {"name": "b", "description": "-"}]


def nested(key: str, depth: int) -> Any:
    """A clause under so many all, any or not."""
    rule: Any = "orders_365d > 5"
    for _ in range(depth):
        rule = {"not": rule} if key == "not" else {key: [rule]}
    return rule


@pytest.mark.parametrize(
    ("definition", "error"),
    [
        ({"segments": SEGMENTS}, "Segmentation seg_x: it has no owner"),
        ({"owner": "a@example.com"}, "Segmentation seg_x: it has no segments"),
        ({"owner": "a@example.com", "status": "old", "segments": SEGMENTS}, "status is 'old'"),
        ({"owner": "a@example.com", "confirm_days": 0, "segments": SEGMENTS}, "confirm_days is '0'"),
        ({"owner": "a@example.com", "segments": [SEGMENTS[0]]}, "segment a: the last segment takes everybody"),
        ({"owner": "a@example.com", "segments": [SEGMENTS[1], SEGMENTS[1]]}, "segment b: it has no rule"),
        ({"owner": "a@example.com", "segments": [SEGMENTS[0], *SEGMENTS]}, "segment a: the name is used twice"),
        (
            {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "name": "A'"}, SEGMENTS[1]]},
            "segment A': a segment's name is lower case",
        ),
        (
            {"owner": "a@example.com", "segments": [{"name": "a", "rule": "orders_365d > 5"}, SEGMENTS[1]]},
            "segment a: it has no description",
        ),
        (
            {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "rule": {"all": []}}, SEGMENTS[1]]},
            "segment a: 'all' takes a list of at least one clause",
        ),
        (
            {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "rule": {"some": ["a = 1"]}}, SEGMENTS[1]]},
            "segment a: a rule is a clause, in_segment, or one of all, any and not",
        ),
        (
            {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "rule": {"al": ["orders_365d = 1"]}}, SEGMENTS[1]]},
            "Did you mean 'all'?",
        ),
        (
            {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "rule": {"all": 5}}, SEGMENTS[1]]},
            "segment a: 'all' takes a list of at least one clause",
        ),
        (
            {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "rule": {"any": True}}, SEGMENTS[1]]},
            "segment a: 'any' takes a list of at least one clause",
        ),
        (
            {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "rule": nested("all", 400)}, SEGMENTS[1]]},
            "segment a: its rule is nested more than 20 deep",
        ),
        (
            {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "rule": nested("not", 400)}, SEGMENTS[1]]},
            "segment a: its rule is nested more than 20 deep",
        ),
        ({"owner": "a@example.com", "segments": 5}, "segments is a list in which every segment has a name"),
        ({"owner": "a@example.com", "segments": {"a": "orders_365d > 5"}}, "segments is a list in which every"),
        ({"owner": "a@example.com", "segments": ["a", "b"]}, "segments is a list in which every segment has a name"),
        ({"owner": "a@example.com", "segments": [{"name": 5}, "b"]}, "segments is a list in which every segment"),
        ({"owner": " ", "segments": SEGMENTS}, "it has no owner"),
        ({"owner": 5, "segments": SEGMENTS}, "owner is text, not '5'"),
        ({"owner": "a@example.com", "label": ["a"], "segments": SEGMENTS}, "label is text, not '['a']'"),
        ({"owner": "a@example.com", "confirm_days": 10**30, "segments": SEGMENTS}, "from 1 to 366"),
        ({"owner": "a@example.com", "confirm_days": True, "segments": SEGMENTS}, "from 1 to 366"),
        (
            {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "strategy": "reward"}, SEGMENTS[1]]},
            "segment a: strategy says approach, offer and channels by name, not 'reward'",
        ),
        (
            {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "strategy": {"approch": "x"}}, SEGMENTS[1]]},
            "segment a, strategy: 'approch' means nothing here. Did you mean 'approach'?",
        ),
        (
            {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "persona": {"who": "x"}}, SEGMENTS[1]]},
            "segment a: persona is text",
        ),
        (
            {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "name": "a\n"}, SEGMENTS[1]]},
            "a segment's name is lower case",
        ),
        ("text", "its YAML has no config: meta: segmentation"),
        (
            {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "rule": "order_365d > 5"}, SEGMENTS[1]]},
            "Segmentation seg_x, segment a, clause 'order_365d > 5': there is no feature 'order_365d'",
        ),
    ],
)
def test_definition_that_is_wrong(definition: dict[str, Any], error: str) -> None:
    with pytest.raises(RuleError) as raised:
        macros(models={"seg_x": definition}).definition_of("seg_x")
    assert error in str(raised.value)
    assert "?." not in str(raised.value)


def with_rule(rule: Any, **changes: Any) -> dict[str, Any]:
    return {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "rule": rule}, SEGMENTS[1]]} | changes


@pytest.mark.parametrize(
    ("definition", "error"),
    [
        (with_rule({"in_segment": "seg_y"}), "segment a, clause 'in_segment: seg_y': it is not of the form"),
        (with_rule({"in_segment": "seg_yy.a"}), "there is no segmentation 'seg_yy'. Did you mean 'seg_y'?"),
        (with_rule({"in_segment": "seg_y.loyl"}), "seg_y has no segment 'loyl'. Did you mean 'loyal'?"),
        (with_rule({"in_segment": "seg_y.a'; drop"}), "it is not of the form"),
        (with_rule({"in_segment": ["seg_y.a"]}), "it is not of the form"),
        (with_rule({"all": [{"in_segment": "seg_x.a"}]}), "lead back to itself by in_segment: seg_x -> seg_x"),
        (
            with_rule("marital_status = Married"),
            "segment a, clause 'marital_status = Married': 'marital_status' is a protected attribute; a rule may "
            "use it only where the segmentation says why",
        ),
        (
            with_rule("marital_status = Married", protected_reasons={"marital_status": " "}),
            "protected_reasons of 'marital_status' is empty",
        ),
        (
            with_rule("orders_365d > 5", protected_reasons={"marital_state": "-"}),
            "there is no such feature. Did you mean 'marital_status'?",
        ),
        (
            with_rule("orders_365d > 5", confrim_days=3),
            "'confrim_days' means nothing here. Did you mean 'confirm_days'?",
        ),
        (
            {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "rules": "x"}, SEGMENTS[1]]},
            "segment a: 'rules' means nothing here. Did you mean 'rule'?",
        ),
        (
            {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "immediate": "yes"}, SEGMENTS[1]]},
            "segment a: immediate is 'yes'; it can be true or false",
        ),
        (with_rule("orders_365d > 5", cut_points={"frozen_on": "2017-02-30"}), "which is no day of the calendar"),
        (with_rule("orders_365d > 5", cut_points={"frozen_on": "2017-06-30\n"}), "which is no day of the calendar"),
        (with_rule({"in_segment": "seg_z.a"}), "seg_z has no segment 'a'"),
        (
            with_rule("orders_365d > 5", cut_points={"frozen_on": "2016-12-31"}),
            "before the history begins (2017-04-01)",
        ),
        (with_rule("orders_365d > 5", cut_points="2017-06-30"), "cut_points says on which day they are frozen"),
        (with_rule("orders_365d > 5", status="challenger"), "a challenger names the segmentation that it challenges"),
    ],
)
def test_definition_that_goes_wrong_with_others(definition: dict[str, Any], error: str) -> None:
    other = with_rule("orders_365d > 5")
    other["segments"][0] = {**other["segments"][0], "name": "loyal"}
    with pytest.raises(RuleError) as raised:
        macros(
            models={"seg_x": definition, "seg_y": other, "seg_z": {"segments": 5}},
            variables={"history_start": "2017-04-01"},
        ).definition_of("seg_x")
    assert error in str(raised.value)


def with_claims(claims: Any) -> dict[str, Any]:
    return {"owner": "a@example.com", "segments": [SEGMENTS[0] | {"persona_claims": claims}, SEGMENTS[1]]}


@pytest.mark.parametrize(
    ("claims", "error"),
    [
        (
            {"discount_share": "above"},
            "Segmentation seg_x, segment a: persona_claims names 'discount_share', but there is no such feature in the "
            "profiles. Did you mean 'discount_share_365d'?",
        ),
        (
            {"orders_365d": "abov"},
            "'orders_365d' is a number, so its claim is above or below, not 'abov'. Did you mean 'above'?",
        ),
        ({"orders_365d": {"mostly": 3}}, "'orders_365d' is a number, so its claim is above or below, not"),
        ({"orders_365d": True}, "'orders_365d' is a number, so its claim is above or below, not 'True'."),
        (
            {"age_band": "65+"},
            "'age_band' is of type varchar, so its claim is the value of most, `{mostly: ...}`, not '65+'.",
        ),
        ({"age_band": {"mostly": None}}, "so its claim is the value of most"),
        ({"age_band": {"mostly": "65+", "or": "55-64"}}, "so its claim is the value of most"),
        ({"last_order_date": "above"}, "'last_order_date' is a date; claim something of its age in days."),
        # It is the same as tenure_days, which the profiles have.
        ({"days_since_first_seen": "above"}, "there is no such feature in the profiles. Did you mean '"),
        (["orders_365d"], "persona_claims says of each feature how the segment differs"),
        ("above", "persona_claims says of each feature how the segment differs"),
    ],
)
def test_claims_that_are_wrong(claims: Any, error: str) -> None:
    with pytest.raises(RuleError) as raised:
        macros(models={"seg_x": with_claims(claims)}).definition_of("seg_x")
    assert error in str(raised.value)
    assert "segment a" in str(raised.value)


def test_claims_are_read_and_leave_the_rule_version_as_it_is() -> None:
    claims = {"orders_365d": "above", "days_since_last_order": "below", "age_band": {"mostly": "65+"}}
    # Claims decide nothing, so they may name protected attributes without a reason.
    claims |= {"marital_status": {"mostly": "Married"}}
    definition = macros(models={"seg_x": with_claims(claims)}).definition_of("seg_x")
    assert [tuple(claim.values()) for claim in definition["segments"][0]["persona_claims"]] == [
        ("orders_365d", "above", None),
        ("days_since_last_order", "below", None),
        ("age_band", "mostly", "65+"),
        ("marital_status", "mostly", "Married"),
    ]
    without = macros(models={"seg_x": with_claims({})}).definition_of("seg_x")
    assert definition["rule_version"] == without["rule_version"]


def test_segmentations_that_build_on_each_other_in_a_circle_are_refused() -> None:
    models = {"seg_x": with_rule({"in_segment": "seg_y.a"}), "seg_y": with_rule({"not": {"in_segment": "seg_x.b"}})}
    with pytest.raises(RuleError, match="seg_x -> seg_y -> seg_x"):
        macros(models=models).definitions()


def test_a_protected_attribute_may_be_used_where_a_reason_is_written() -> None:
    definition = with_rule("marital_status = Married", protected_reasons={"marital_status": "Asked for by the law."})
    assert macros(models={"seg_x": definition}).definition_of("seg_x")["clauses"][0]["feature"] == "marital_status"


def test_every_date_has_an_age_in_days() -> None:
    features = M.known_features()
    assert features["days_since_first_seen"] == {
        "data_type": "bigint",
        "protected": False,
        "value": "(customer_features.as_of_date - customer_features.first_seen_date)",
    }
    # Those that the catalogue has are columns.
    assert features["days_since_last_order"]["value"] == "customer_features.days_since_last_order"


def test_a_segmentation_builds_on_another_on_the_same_day() -> None:
    below = with_rule("orders_365d > 5")
    above = with_rule({"all": [{"in_segment": "seg_y.a"}, "days_since_first_seen >= 30"]})
    known = macros(models={"seg_x": above, "seg_y": below})
    assert [definition["name"] for definition in known.definitions()] == ["seg_y", "seg_x"]
    with duckdb.connect() as connection:
        connection.execute(
            "create table customer_features as select * from (values "
            "(1, date '2017-12-31', 6, date '2017-12-01'), (2, date '2017-12-31', 6, date '2017-12-02'), "
            "(3, date '2017-12-31', 5, date '2017-01-01'), (2, date '2018-01-01', 6, date '2017-12-02')) "
            "as t (customer_id, as_of_date, orders_365d, first_seen_date)"
        )
        connection.execute("create table rule_cut_points (as_of_date date)")
        connection.execute("create table score_cut_points (as_of_date date)")
        connection.execute(f"create table seg_y as {known.segmentation_sql('seg_y')}")
        rows = connection.sql(
            f"select customer_id, as_of_date::varchar, segment from ({known.segmentation_sql('seg_x')}) order by 1, 2"
        ).fetchall()
    assert rows == [
        (1, "2017-12-31", "a"),
        (2, "2017-12-31", "b"),
        (2, "2018-01-01", "a"),
        (3, "2017-12-31", "b"),
    ]


def test_rules_that_ask_for_segments_are_another_version_when_these_change() -> None:
    def version(limit: int) -> str:
        models = {"seg_x": with_rule({"in_segment": "seg_y.a"}), "seg_y": with_rule(f"orders_365d > {limit}")}
        return macros(models=models).definition_of("seg_x")["rule_version"]

    assert version(5) != version(6)


def test_frozen_cut_points_are_those_of_their_day_from_then_on() -> None:
    """A customer whose own value stays does not move because others change."""
    rule = {"any": ["net_sales_365d >= p50", "frequency_score >= 5"]}
    frozen = macros(models={"seg_x": with_rule(rule, cut_points={"frozen_on": "2017-06-30"})})
    moving = macros(models={"seg_x": with_rule(rule)})
    assert frozen.definition_of("seg_x")["rule_version"] != moving.definition_of("seg_x")["rule_version"]
    with duckdb.connect() as connection:
        days = ["2017-06-29", "2017-06-30", "2017-07-01"]
        connection.execute(
            "create table customer_features as select 1 as customer_id, cast(day as date) as as_of_date, "
            f"100.0 as net_sales_365d, 3 as orders_365d, 1 as frequency_score from (select unnest({days!r}) as day)"
        )
        connection.execute(
            "create table rule_cut_points as from (values (date '2017-06-29', 101.0), (date '2017-06-30', 99.0), "
            "(date '2017-07-01', 500.0)) as t (as_of_date, net_sales_365d_p50)"
        )
        connection.execute(
            "create table score_cut_points as select as_of_date, 9 as frequency_p20, 9 as frequency_p40, "
            "9 as frequency_p60, 9 as frequency_p80 from rule_cut_points"
        )

        def segments(known: Any) -> list[str]:
            query = f"select segment from ({known.segmentation_sql('seg_x')}) order by as_of_date"
            return [segment for (segment,) in connection.sql(query).fetchall()]

        assert segments(moving) == ["b", "a", "b"]
        assert segments(frozen) == ["b", "a", "a"]
        # Scores, too, are by the frozen cut points.
        connection.execute("update rule_cut_points set net_sales_365d_p50 = 500")
        connection.execute(
            "update score_cut_points set frequency_p20 = 1, frequency_p40 = 1, frequency_p60 = 1, "
            "frequency_p80 = 2 where as_of_date = '2017-06-30'"
        )
        assert segments(moving) == ["b", "b", "b"]
        assert segments(frozen) == ["b", "a", "a"]


class CutPointRuns:
    """rule_cut_points of ten customers, run by run as dbt builds it, hooks included.

    On the n-th of June customer c has bought for 100 n + c: p50 of the third is 305 while all ten are there.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        connection.execute("set threads = 1")
        connection.execute("create table customers as select unnest(range(1, 11)) as customer_id")
        connection.execute("create table measures (as_of_date date, customer_id bigint, net_sales_365d bigint)")
        connection.execute(
            "create view customer_features_history as select measures.* from measures "
            "inner join customers on measures.customer_id = customers.customer_id"
        )
        connection.execute("create view customer_features as from customer_features_history")
        connection.execute("create view measured_days as select distinct as_of_date from measures")

    def run(self, first: int, last: int, *percentiles: int, frozen_on: int | None = 3) -> None:
        """Build these days of June with rules that compare with these percentiles."""
        settings: dict[str, Any] = {}
        freezing = {"cut_points": {"frozen_on": f"2017-06-{frozen_on:02}"}} if frozen_on else {}
        known = macros(
            variables={"first_date": f"2017-06-{first:02}", "last_date": f"2017-06-{last:02}"},
            models={"seg_x": with_rule({"any": [f"net_sales_365d >= p{each}" for each in percentiles]}, **freezing)},
            config=lambda **given: settings.update(given) or "",
            is_incremental=lambda: bool(self.columns()),
            this="rule_cut_points",
            adapter={"get_columns_in_relation": lambda _: [SimpleNamespace(name=name) for name in self.columns()]},
            run_query=lambda query: SimpleNamespace(rows=self.connection.execute(query).fetchall()),
            sql=SimpleNamespace(),
        )
        self.connection.execute(f"delete from measures where as_of_date >= '2017-06-{first:02}'")
        self.connection.execute(
            "insert into measures select make_date(2017, 6, day), customer_id, 100 * day + customer_id "
            f"from customers, (select unnest(range({first}, {last} + 1)) as day)"
        )
        select = known.render("segmentations/rule_cut_points.sql")
        if not self.columns():
            self.connection.execute(f"create table rule_cut_points as {select}")
            return
        for hook in settings["pre_hook"]:
            call = hook if isinstance(hook, str) else hook["sql"]
            macro, argument = re.fullmatch(r"\{\{ (\w+)\((?:'(\w+)')?\) \}\}", call).groups()
            if macro == "add_new_columns":
                # It asks for the columns of what dbt has compiled.
                added = [name for name in self.connection.sql(select).columns if name not in self.columns()]
                for name in added:
                    self.connection.execute(f"alter table rule_cut_points add column {name} double")
            else:
                self.connection.execute(getattr(known, macro)(*([argument] if argument else [])))
        self.connection.execute(f"create or replace temporary table appended as {select}")
        for key in settings.get("unique_key", []):
            self.connection.execute(f"delete from rule_cut_points where {key} in (select {key} from appended)")
        self.connection.execute("insert into rule_cut_points by name from appended")

    def columns(self) -> list[str]:
        """The columns that the table has, none where there is no table."""
        query = "select column_name from duckdb_columns() where table_name = 'rule_cut_points' order by column_index"
        return [name for (name,) in self.connection.execute(query).fetchall()]

    def take_out(self, *customers: int) -> None:
        """Deliver these customers no more."""
        self.connection.execute("delete from customers where list_contains(?, customer_id)", [list(customers)])

    def cut_points(self, *percentiles: int) -> dict[int, Any]:
        """What is kept, by day of June."""
        columns = ", ".join(f"net_sales_365d_p{each}" for each in percentiles)
        rows = self.connection.sql(f"select day(as_of_date), {columns} from rule_cut_points order by 1").fetchall()
        assert len({day for day, *_ in rows}) == len(rows)
        return {day: values[0] if len(values) == 1 else tuple(values) for day, *values in rows}


@pytest.fixture
def cut_point_runs() -> Iterator[CutPointRuns]:
    with duckdb.connect() as connection:
        yield CutPointRuns(connection)


def test_frozen_cut_points_stay_where_customers_leave(cut_point_runs: CutPointRuns) -> None:
    """Every run once computed the frozen day again, of the customers who were still delivered, and moved everybody."""
    cut_point_runs.run(1, 3, 50)
    cut_point_runs.take_out(1, 2, 3, 4)
    for day in (4, 5):
        cut_point_runs.run(day, day, 50)
    # Those of other days tell of who was there: the middle of 5 to 10.
    assert cut_point_runs.cut_points(50) == {1: 105, 2: 205, 3: 305, 4: 407, 5: 507}


def test_a_rule_that_asks_a_frozen_day_for_more_leaves_it_what_it_has(cut_point_runs: CutPointRuns) -> None:
    cut_point_runs.run(1, 4, 50)
    cut_point_runs.take_out(1, 2, 3, 4)
    # p90 was never asked for: it is that of the customers of that day who are left.
    cut_point_runs.run(5, 5, 50, 90)
    assert cut_point_runs.cut_points(50, 90)[3] == (305, 310)
    cut_point_runs.take_out(10)
    # p50 leaves the rules while p20 is missing, and comes back.
    cut_point_runs.run(6, 6, 20, 90)
    cut_point_runs.take_out(5)
    cut_point_runs.run(7, 7, 20, 50)
    assert cut_point_runs.cut_points(20, 50, 90) == {
        **{1: (None, 105, None), 2: (None, 205, None), 3: (305, 305, 310), 4: (None, 405, None)},
        **{5: (None, 507, 510), 6: (605, None, 609), 7: (706, 707, None)},
    }


def test_a_day_that_becomes_the_frozen_one_keeps_its_cut_points(cut_point_runs: CutPointRuns) -> None:
    """What it lacks, since nobody had asked for it on that day, is computed."""
    cut_point_runs.run(1, 4, 50, frozen_on=None)
    cut_point_runs.run(5, 5, 50, 90, frozen_on=None)
    cut_point_runs.take_out(1, 2, 3, 4)
    cut_point_runs.run(6, 6, 50, 90, frozen_on=2)
    assert [cut_point_runs.cut_points(50, 90)[day] for day in (2, 3)] == [(205, 210), (305, None)]


def test_restating_the_frozen_day_computes_its_cut_points_again(cut_point_runs: CutPointRuns) -> None:
    cut_point_runs.run(1, 5, 50)
    cut_point_runs.take_out(1, 2, 3, 4)
    # Days after it: it stays.
    cut_point_runs.run(4, 5, 50)
    assert cut_point_runs.cut_points(50) == {1: 105, 2: 205, 3: 305, 4: 407, 5: 507}
    # Days from before it on, in parts.
    cut_point_runs.run(2, 2, 50)
    assert cut_point_runs.cut_points(50) == {1: 105, 2: 207}
    cut_point_runs.run(3, 5, 50)
    cut_point_runs.take_out(9, 10)
    cut_point_runs.run(6, 6, 50)
    assert cut_point_runs.cut_points(50) == {1: 105, 2: 207, 3: 307, 4: 407, 5: 507, 6: 606}


def test_frozen_cut_points_are_the_same_however_days_are_split_into_runs() -> None:
    def built(*windows: tuple[int, int]) -> dict[int, Any]:
        with duckdb.connect() as connection:
            runs = CutPointRuns(connection)
            for first, last in windows:
                runs.run(first, last, 20, 50)
            return runs.cut_points(20, 50)

    in_one_run = built((1, 6))
    assert in_one_run[3] == (302, 305)
    for windows in (((1, 2), (3, 6)), ((1, 3), (4, 6)), ((1, 5), (2, 2), (3, 4), (4, 6)), ((1, 6), (6, 6))):
        assert built(*windows) == in_one_run


def test_a_table_of_cut_points_that_was_lost_gets_the_frozen_day_back(cut_point_runs: CutPointRuns) -> None:
    cut_point_runs.run(1, 4, 50)
    cut_point_runs.connection.execute("drop table rule_cut_points")
    cut_point_runs.run(5, 5, 50)
    assert cut_point_runs.cut_points(50) == {3: 305, 5: 505}
    # So does another day that cut points are frozen on now, and it keeps them when its features are forgotten.
    cut_point_runs.run(6, 6, 50, frozen_on=4)
    cut_point_runs.connection.execute("delete from measures where as_of_date < '2017-06-05'")
    cut_point_runs.run(7, 7, 50, frozen_on=4)
    assert cut_point_runs.cut_points(50) == {3: 305, 4: 405, 5: 505, 6: 605, 7: 705}


def kept(status: str = "active", challenger_of: str | None = None) -> dict[str, Any]:
    """A definition that is right but for, perhaps, what it says of challengers."""
    return {"owner": "a@example.com", "status": status, "challenger_of": challenger_of, "segments": SEGMENTS}


@pytest.mark.parametrize(
    ("models", "error"),
    [
        (
            {"seg_x": kept("challenger", "seg_oldd"), "seg_old": kept()},
            "Segmentation seg_x: a challenger names the segmentation that it challenges, but challenger_of is "
            "'seg_oldd'. Did you mean 'seg_old'?",
        ),
        (
            {"seg_x": kept("challenger"), "seg_old": kept()},
            "a challenger names the segmentation that it challenges, but challenger_of is ''. Did you mean 'seg_old'?",
        ),
        (
            {"seg_x": kept("challenger", "seg_x")},
            "Segmentation seg_x: challenger_of names the segmentation itself",
        ),
        (
            {"seg_x": kept("challenger", "seg_y"), "seg_y": kept("challenger", "seg_old"), "seg_old": kept()},
            "Segmentation seg_x: it challenges seg_y, which is not active but challenger",
        ),
        (
            {"seg_x": kept("challenger", "seg_old"), "seg_old": kept("retired")},
            "Segmentation seg_x: it challenges seg_old, which is not active but retired",
        ),
        (
            {"seg_x": kept("active", "seg_old"), "seg_old": kept()},
            "Segmentation seg_x: its status is active, but challenger_of is for challengers",
        ),
        (
            {"seg_x": kept("retired"), "seg_old": kept()},
            "Segmentation seg_x: its status is retired, so its history is not kept. Take the name out of vars",
        ),
    ],
)
def test_challenge_that_is_wrong(models: dict[str, Any], error: str) -> None:
    with pytest.raises(RuleError) as raised:
        macros(models=models).check_segmentations()
    assert error in str(raised.value)


def test_challenger_of_an_active_segmentation_is_right() -> None:
    own = macros(models={"seg_x": kept("challenger", "seg_old"), "seg_old": kept()})
    own.check_segmentations()
    assert own.definition_of("seg_x")["challenger_of"] == "seg_old"


def test_only_retired_segmentations_may_stay_outside_of_vars() -> None:
    def check(status: str) -> None:
        models = {"seg_old": kept(), "seg_x": kept(status, "seg_old" if status == "challenger" else None)}
        macros(models=models, variables={"segmentations": ["seg_old"]}).check_segmentations()

    check("retired")
    for status in ("active", "challenger"):
        with pytest.raises(RuleError, match="Segmentation seg_x: its history is not kept"):
            check(status)


def test_customers_have_columns_of_active_segmentations_only() -> None:
    models = {"seg_x": kept("challenger", "seg_old"), "seg_old": kept(), "seg_y": {"segments": SEGMENTS}}
    assert macros(models=models).active_segmentations() == ["seg_old", "seg_y"]
    # While dbt parses no status is known, and a column too many refers to nothing.
    assert macros(models=models, execute=False).active_segmentations() == ["seg_x", "seg_old", "seg_y"]


def test_rule_version_depends_on_the_rules_alone() -> None:
    def version(**changes: Any) -> str:
        definition = {"owner": "a@example.com", "segments": SEGMENTS} | changes
        return macros(models={"seg_x": definition}).definition_of("seg_x")["rule_version"]

    assert version() == version(owner="b@example.com", confirm_days=7, label="X")
    assert version() == version(status="retired")
    assert version() == version(segments=[{**SEGMENTS[0], "rule": "orders_365d>5", "persona": "p"}, SEGMENTS[1]])
    assert version() != version(segments=[{**SEGMENTS[0], "rule": "orders_365d > 6"}, SEGMENTS[1]])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("age_band = 65+", "age_band = '65+'"),
        ("orders_365d in (1,2)", "orders_365d   in [1, 2]"),
        ("orders_365d between 1  and 5", "orders_365d between 1 and 5"),
        ("orders_365d>=5", "orders_365d >= 5"),
    ],
)
def test_spelling_makes_no_version(one: str, other: str) -> None:
    versions = {macros(models={"seg_x": with_rule(r)}).definition_of("seg_x")["rule_version"] for r in (one, other)}
    assert len(versions) == 1


def test_rules_that_nest_otherwise_never_read_the_same() -> None:
    """With lists of one part, `X and A or B` once stood for two rules that differ, and they had one version."""
    x, a, b = "orders_30d > 1", "orders_90d > 2", "orders_365d > 3"
    one = {"all": [x, {"all": [{"any": [a, b]}]}]}
    other = {"any": [{"any": [{"all": [x, a]}]}, b]}
    texts = [macros(models={"seg_x": with_rule(rule)}).definition_of("seg_x")["segments"][0] for rule in (one, other)]
    assert texts[0]["rule_text"] == f"{x} and ({a} or {b})"
    assert texts[1]["rule_text"] == f"({x} and {a}) or {b}"


@pytest.mark.parametrize(
    ("variables", "error"),
    [
        ({"first_date": "2017-13-01"}, "first_date is '2017-13-01', which is no day of the calendar"),
        ({"last_date": "tomorrow"}, "last_date is 'tomorrow'"),
        ({"first_date": "2018-01-01", "last_date": "2017-12-31"}, "The window is empty"),
    ],
)
def test_window_that_is_wrong(variables: dict[str, str], error: str) -> None:
    with pytest.raises(RuleError) as raised:
        macros(variables=variables).run_window()
    assert error in str(raised.value)


def test_window_has_its_days() -> None:
    window = macros(variables={"first_date": "2016-02-28", "last_date": "2016-03-01"}).run_window()
    assert (str(window["first"]), str(window["last"]), window["days"]) == ("2016-02-28", "2016-03-01", 3)


@pytest.mark.parametrize("day", ["2016-02-29", "2000-02-29", "2017-12-31"])
def test_days_of_the_calendar(day: str) -> None:
    assert M.is_iso_date(day)


@pytest.mark.parametrize("day", ["2017-02-29", "1900-02-29", "2017-04-31", "0000-01-01", "2017-1-1", "2017-01-01 "])
def test_no_days_of_the_calendar(day: str) -> None:
    assert not M.is_iso_date(day)


def test_literals_are_quoted() -> None:
    assert M.sql_text("it's").strip() == "cast('it''s' as varchar)"
    assert M.sql_text(None).strip() == "cast(null as varchar)"


@pytest.mark.parametrize(
    ("rule", "orders", "distance"),
    [
        ("orders_365d >= 10", 12, 2.5),
        ("orders_365d >= 10", 10, 0.5),
        ("orders_365d >= 10", 9, -0.5),
        ("orders_365d > 10", 10, -0.5),
        ("orders_365d <= 10", 10, 0.5),
        ("orders_365d < 10", 10, -0.5),
        ("orders_365d = 10", 10, 0.5),
        ("orders_365d = 10", 13, -2.5),
        ("orders_365d != 10", 11, 0.5),
        ("orders_365d in (5, 10)", 8, -1.5),
        ("orders_365d between 5 and 10", 9, 1.5),
        ("orders_365d between 5 and 10", 12, -1.5),
        ("orders_365d >= 10", None, -1),
        ("orders_365d is null", None, 1),
        ({"all": ["orders_365d >= 10", "orders_365d <= 14"]}, 11, 1.5),
        ({"any": ["orders_365d >= 20", "orders_365d <= 14"]}, 11, 3.5),
        ({"not": "orders_365d >= 10"}, 11, -1.5),
        ("discount_share_365d >= 0.25", None, -1),
    ],
)
def test_fit_is_the_squashed_distance_to_the_nearest_boundary(rule: Any, orders: int | None, distance: float) -> None:
    definition = {
        "owner": "a@example.com",
        "confirm_days": 2,
        "segments": [{"name": "a", "description": "-", "rule": rule}, {"name": "b", "description": "-"}],
    }
    own = macros(models={"seg_x": definition})
    day = date(2017, 12, 31)
    definitions = own.definitions()
    ctes = own.rules_in_force(definitions, f"date '{day}'") + "," + own.rule_inputs(definitions)
    with duckdb.connect() as connection:
        connection.execute(
            f"create table customer_features as select 1 as customer_id, date '{day}' as as_of_date, "
            f"cast({'null' if orders is None else orders} as bigint) as orders_365d, "
            "cast(null as double) as discount_share_365d"
        )
        connection.execute("create table feature_scales as select 1.0 as orders_365d, 1.0 as discount_share_365d")
        connection.execute("create table rule_cut_points (as_of_date date)")
        connection.execute(
            "create table waiting_segments as select 1 as customer_id, 'seg_x' as segmentation, 'a' as segment"
        )
        (rules,) = rows_of(connection.execute(f"with {ctes} from rules_in_force"))
        inputs = connection.execute(f"with {ctes} from rule_inputs").to_arrow_reader()
        (fit,) = segment_fits(rules_of(rules), inputs).column("fit_0").to_pylist()
    assert fit == pytest.approx(1 / (1 + math.exp(-distance)))
