"""The rule language: what it accepts, what it refuses and how it says so, and that its SQL decides as it reads."""

import itertools
import math
from datetime import date
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.rules.definitions import RuleError
from flows.rules.definitions import parse as parse_all
from flows.steps.project import ROOT
from macros.python.rules import sql
from macros.python.rules.clauses import WrongClause, iso_date, parse_clause, parse_rule
from macros.python.rules.compiled import decided_lines
from macros.python.rules.definitions import read_files
from macros.python.rules.features import read_features
from macros.python.rules.fits import Limits, rules_of, segment_fits
from macros.python.rules.inputs import inputs_sql
from macros.python.rules.mistakes import Mistakes
from macros.python.rules.tree import WHOLE_NUMBERS, Clause, Feature, Segmentation

FEATURES = {
    name: Feature(name, data_type, is_protected=name == "marital_status")
    for name, data_type in {
        "orders_365d": "bigint",
        "discount_share_365d": "double",
        "age_band": "varchar",
        "last_order_date": "date",
        "is_member": "boolean",
        "marital_status": "varchar",
    }.items()
}


def parse(text: str) -> Clause:
    return parse_clause(text, FEATURES)


def never_null(clause: Clause) -> str:
    """A clause as it is compiled under a not."""
    return sql.never_null(clause, sql.leaf_sql(clause, sql.DUCKDB))


def definition_of(definition: Any, **others: Any) -> Segmentation:
    """A definition, parsed beside others."""
    found = parse_all({"seg_x": definition, **others}, history_start=date(2017, 4, 1))
    return next(each for each in found if each.name == "seg_x")


@pytest.mark.parametrize(
    ("text", "compiled"),
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
def test_clause_becomes_sql(text: str, compiled: str) -> None:
    assert never_null(parse(text)) == compiled


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("orders_365 >= 2", "there is no feature 'orders_365'. Did you mean 'orders_365d'?"),
        ("orders_365d => 2", "'=>' is not an operator. Did you mean '>='?"),
        ("orders_365d == 2", "'==' is not an operator. Did you mean '='?"),
        ("orders_365d <> 2", "'<>' is not an operator. Did you mean '!='?"),
        ("orders_365d betwen 2 and 3", "'betwen' is not an operator. Did you mean 'between'?"),
        ("age_band like '6%'", "'like' is not an operator. Did you mean '='?"),
        ("age_band isnull", "'isnull' is not an operator. Did you mean 'is null'?"),
        ("orders_365d >= many", "'orders_365d' is of type bigint, so its value must be a number"),
        ("orders_365d >= p0", "its value must be a number"),
        ("orders_365d = p50", "its value must be a number"),
        ("orders_365d >=", "its value must be a number"),
        ("orders_365d", "it is not of the form"),
        ("orders_365d is null 3", "nothing may follow 'is null'"),
        ("orders_365d between 5 and 1", "between 5 and 1 is never true"),
        ("orders_365d between 5", "between takes two values"),
        ("orders_365d in ()", "is not a list"),
        ("orders_365d in (1", "takes a list"),
        ("orders_365d in (1,,2)", "is not a list"),
        ("orders_365d in (1, ,2)", "is not a list"),
        ("orders_365d in ( )", "is not a list"),
        ("orders_365d not in [  ]", "is not a list"),
        ("age_band = 'a\0b'", "its value must be text"),
        ("age_band = 'a\tb'", "its value must be text"),
        ("age_band = null", "'null' is text here. Put it in quotes if you mean that; otherwise write `is null`"),
        ("age_band in (a, NULL)", "'NULL' is text here"),
        ("age_band = p80", "'p80' is text here"),
        ("age_band = a and orders_365d", "'a and orders_365d' is text here"),
        ("age_band > 'a'", "'age_band' is text, which has no order"),
        ("age_band = 'it''s'", "its value must be text"),
        ("age_band = a -- b", "its value must be text"),
        ("last_order_date < 2017-02-30", "its value must be a date"),
        ("is_member = yes", "its value must be true or false"),
        ("marital_status = Married", "'marital_status' is a protected attribute. A rule may use it only if"),
        ("orders_365d >= 1 or 1 = 1", "its value must be a number"),
        ("orders_365d >= 1); drop table customers; --", "its value must be a number"),
        ("age_band = ' or '1'='1", "its value must be text"),
    ],
)
def test_clause_that_is_wrong(text: str, error: str) -> None:
    with pytest.raises(WrongClause) as raised:
        parse(text)
    assert error in str(raised.value)


ONE_CUSTOMER = duckdb.connect()
ONE_CUSTOMER.execute(
    "create table customer_features ("
    + ", ".join(f"{name} {feature.data_type}" for name, feature in FEATURES.items())
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
    try:
        clause = parse(text)
    except WrongClause:
        return
    for value in clause.values:
        literal = sql.literal(value, clause.feature)
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
    (row,) = ONE_CUSTOMER.sql(f"select {never_null(clause)} from customer_features, rule_cut_points").fetchall()
    assert row in [(True,), (False,)]


VALUES = {"orders_365d": [None, 3, 6], "discount_share_365d": [None, 0.5], "age_band": [None, "a", "b"]}
CUSTOMERS = [dict(zip(VALUES, row, strict=True)) for row in itertools.product(*VALUES.values())]
NULLS = duckdb.connect()
NULLS.execute(
    "create table customer_features as select * from (values "
    + ", ".join(
        f"({i}, " + ", ".join("null" if value is None else repr(value) for value in row.values()) + ")"
        for i, row in enumerate(CUSTOMERS)
    )
    + f") as t (customer_id, {', '.join(VALUES)})"
)
# Each clause with what it says of a value that is there.
CLAUSES = {
    "orders_365d > 5": ("orders_365d", lambda value: value > 5),
    "orders_365d != 3": ("orders_365d", lambda value: value != 3),
    "orders_365d not in (3, 4)": ("orders_365d", lambda value: value not in (3, 4)),
    "discount_share_365d between 0.1 and 0.5": ("discount_share_365d", lambda value: 0.1 <= value <= 0.5),
    "age_band = a": ("age_band", lambda value: value == "a"),
    "age_band is null": ("age_band", None),
}
NESTED = st.recursive(
    st.sampled_from(sorted(CLAUSES)),
    lambda rule: st.one_of(
        st.fixed_dictionaries({"all": st.lists(rule, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"any": st.lists(rule, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"not": rule}),
    ),
    max_leaves=8,
)


def reads(rule: Any, customer: dict[str, Any]) -> bool:
    """What a rule says of a customer, slowly: a clause about a missing value is false."""
    if isinstance(rule, str):
        feature, says = CLAUSES[rule]
        value = customer[feature]
        return value is None if says is None else value is not None and says(value)
    ((key, parts),) = rule.items()
    if key == "not":
        return not reads(parts, customer)
    return (all if key == "all" else any)(reads(part, customer) for part in parts)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(NESTED)
def test_missing_values_make_a_clause_false_under_any_nesting(rule: Any) -> None:
    mistakes = Mistakes()
    parsed = parse_rule(rule, FEATURES, {}, mistakes, "here")
    assert mistakes.told == []
    expected = [i for i, customer in enumerate(CUSTOMERS) if reads(rule, customer)]
    for condition in (sql.rule_sql(parsed, sql.DUCKDB), "\n".join(sql.rule_lines(parsed, sql.DUCKDB, width=40))):
        rows = NULLS.sql(f"select customer_id from customer_features where {condition} order by 1").fetchall()
        assert [customer for (customer,) in rows] == expected


def segments_of(definition: dict[str, Any], columns: str, rows: str) -> dict[int, str]:
    """What the segmentation's SQL decides for customers given as rows of columns."""
    compiled = "\n".join(decided_lines(definition_of(definition), sql.DUCKDB))
    with duckdb.connect() as connection:
        connection.execute(f"create table customer_features as select * from (values {rows}) as t ({columns})")
        connection.execute("create table rule_cut_points (as_of_date date)")
        connection.execute("create table score_cut_points (as_of_date date)")
        return dict(connection.sql(f"select customer_id, segment from ({compiled})").fetchall())


def project_definition(name: str) -> dict[str, Any]:
    found, _ = read_files(ROOT)
    return dict(found[name])


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
    compiled = "\n".join(decided_lines(definition_of(definition), sql.DUCKDB))
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
            "segment a: a rule is a clause, or one of all, any, not and in_segment",
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
            "segment a: strategy is a mapping of approach, offer and channels, not 'reward'",
        ),
        (
            {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "strategy": {"approch": "x"}}, SEGMENTS[1]]},
            "segment a, strategy: unknown key 'approch'. Did you mean 'approach'?",
        ),
        (
            {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "persona": {"who": "x"}}, SEGMENTS[1]]},
            "segment a: persona is text",
        ),
        (
            {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "name": "a\n"}, SEGMENTS[1]]},
            "a segment's name is lower case",
        ),
        ("text", "it has no owner and segments"),
        ([1], "it has no owner and segments"),
        (
            {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "rule": "order_365d > 5"}, SEGMENTS[1]]},
            "Segmentation seg_x, segment a, clause 'order_365d > 5': there is no feature 'order_365d'",
        ),
    ],
)
def test_definition_that_is_wrong(definition: dict[str, Any], error: str) -> None:
    with pytest.raises(RuleError) as raised:
        definition_of(definition)
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
            "segment a, clause 'marital_status = Married': 'marital_status' is a protected attribute. A rule may "
            "use it only if the segmentation says why",
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
            "unknown key 'confrim_days'. Did you mean 'confirm_days'?",
        ),
        (
            {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "rules": "x"}, SEGMENTS[1]]},
            "segment a: unknown key 'rules'. Did you mean 'rule'?",
        ),
        (
            {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "immediate": "yes"}, SEGMENTS[1]]},
            "segment a: immediate is 'yes'; it can be true or false",
        ),
        (with_rule("orders_365d > 5", cut_points={"frozen_on": "2017-02-30"}), "which is not a valid date"),
        (with_rule("orders_365d > 5", cut_points={"frozen_on": "2017-06-30\n"}), "which is not a valid date"),
        (with_rule({"in_segment": "seg_z.a"}), "seg_z has no segment 'a'"),
        (
            with_rule("orders_365d > 5", cut_points={"frozen_on": "2016-12-31"}),
            "before the history begins (2017-04-01)",
        ),
        (with_rule("orders_365d > 5", cut_points="2017-06-30"), "cut_points says when they are frozen"),
        (with_rule("orders_365d > 5", status="challenger"), "a challenger names the segmentation that it challenges"),
    ],
)
def test_definition_that_goes_wrong_with_others(definition: dict[str, Any], error: str) -> None:
    other = with_rule("orders_365d > 5")
    other["segments"][0] = {**other["segments"][0], "name": "loyal"}
    with pytest.raises(RuleError) as raised:
        definition_of(definition, seg_y=other, seg_z={"segments": 5})
    assert error in str(raised.value)


def with_claims(claims: Any) -> dict[str, Any]:
    return {"owner": "a@example.com", "segments": [SEGMENTS[0] | {"persona_claims": claims}, SEGMENTS[1]]}


@pytest.mark.parametrize(
    ("claims", "error"),
    [
        (
            {"discount_share": "above"},
            "Segmentation seg_x, segment a, persona_claims: the profiles have no feature 'discount_share'. Did you "
            "mean 'discount_share_365d'?",
        ),
        (
            {"orders_365d": "abov"},
            "'orders_365d' is a number, so its claim is above or below, not 'abov'. Did you mean 'above'?",
        ),
        ({"orders_365d": {"mostly": 3}}, "'orders_365d' is a number, so its claim is above or below, not"),
        ({"orders_365d": True}, "'orders_365d' is a number, so its claim is above or below, not 'True'."),
        (
            {"age_band": "65+"},
            "'age_band' is of type varchar, so its claim is the most frequent value, `{mostly: ...}`, not '65+'.",
        ),
        ({"age_band": {"mostly": None}}, "so its claim is the most frequent value"),
        ({"age_band": {"mostly": "65+", "or": "55-64"}}, "so its claim is the most frequent value"),
        ({"last_order_date": "above"}, "'last_order_date' is a date; use its age in days instead."),
        # It is the same as tenure_days, which the profiles have.
        ({"days_since_first_seen": "above"}, "the profiles have no feature 'days_since_first_seen'. Did you mean '"),
        (["orders_365d"], "persona_claims says how the segment differs, by feature"),
        ("above", "persona_claims says how the segment differs, by feature"),
    ],
)
def test_claims_that_are_wrong(claims: Any, error: str) -> None:
    with pytest.raises(RuleError) as raised:
        definition_of(with_claims(claims))
    assert error in str(raised.value)
    assert "segment a" in str(raised.value)


def test_claims_are_read_and_leave_the_rule_version_as_it_is() -> None:
    claims = {"orders_365d": "above", "days_since_last_order": "below", "age_band": {"mostly": "65+"}}
    # Claims decide nothing, so they may name protected attributes without a reason.
    claims |= {"marital_status": {"mostly": "Married"}}
    definition = definition_of(with_claims(claims))
    assert [(claim.feature, claim.claim, claim.value) for claim in definition.segments[0].claims] == [
        ("orders_365d", "above", None),
        ("days_since_last_order", "below", None),
        ("age_band", "mostly", "65+"),
        ("marital_status", "mostly", "Married"),
    ]
    assert definition.rule_version == definition_of(with_claims({})).rule_version


def test_segmentations_that_build_on_each_other_in_a_circle_are_refused() -> None:
    models = {"seg_x": with_rule({"in_segment": "seg_y.a"}), "seg_y": with_rule({"not": {"in_segment": "seg_x.b"}})}
    with pytest.raises(RuleError, match="seg_x -> seg_y -> seg_x"):
        parse_all(models)


def test_a_protected_attribute_may_be_used_where_a_reason_is_written() -> None:
    definition = with_rule("marital_status = Married", protected_reasons={"marital_status": "Asked for by the law."})
    assert definition_of(definition).clauses[0].feature.name == "marital_status"


def test_every_date_has_an_age_in_days() -> None:
    features = read_features(ROOT).features
    age = features["days_since_first_seen"]
    assert (age.data_type, age.is_protected) == ("bigint", False)
    assert sql.feature_sql(age, sql.DUCKDB) == "(customer_features.as_of_date - customer_features.first_seen_date)"
    # Those that the catalogue has are columns.
    assert sql.feature_sql(features["days_since_last_order"], sql.DUCKDB) == "customer_features.days_since_last_order"


def test_a_segmentation_builds_on_another_on_the_same_day() -> None:
    below = with_rule("orders_365d > 5")
    above = with_rule({"all": [{"in_segment": "seg_y.a"}, "days_since_first_seen >= 30"]})
    found = parse_all({"seg_x": above, "seg_y": below})
    assert [definition.name for definition in found] == ["seg_y", "seg_x"]
    queries = {definition.name: "\n".join(decided_lines(definition, sql.DUCKDB)) for definition in found}
    with duckdb.connect() as connection:
        connection.execute(
            "create table customer_features as select * from (values "
            "(1, date '2017-12-31', 6, date '2017-12-01'), (2, date '2017-12-31', 6, date '2017-12-02'), "
            "(3, date '2017-12-31', 5, date '2017-01-01'), (2, date '2018-01-01', 6, date '2017-12-02')) "
            "as t (customer_id, as_of_date, orders_365d, first_seen_date)"
        )
        connection.execute("create table rule_cut_points (as_of_date date)")
        connection.execute("create table score_cut_points (as_of_date date)")
        connection.execute(f"create table seg_y as {queries['seg_y']}")
        rows = connection.sql(
            f"select customer_id, as_of_date::varchar, segment from ({queries['seg_x']}) order by 1, 2"
        ).fetchall()
    assert rows == [
        (1, "2017-12-31", "a"),
        (2, "2017-12-31", "b"),
        (2, "2018-01-01", "a"),
        (3, "2017-12-31", "b"),
    ]


def test_rules_that_ask_for_segments_are_another_version_when_these_change() -> None:
    def version(limit: int) -> str:
        below = with_rule(f"orders_365d > {limit}")
        return definition_of(with_rule({"in_segment": "seg_y.a"}), seg_y=below).rule_version

    assert version(5) != version(6)


def test_frozen_cut_points_are_those_of_their_day_from_then_on() -> None:
    """A customer whose own value stays does not move because others change."""
    rule = {"any": ["net_sales_365d >= p50", "frequency_score >= 5"]}
    frozen = definition_of(with_rule(rule, cut_points={"frozen_on": "2017-06-30"}))
    moving = definition_of(with_rule(rule))
    assert frozen.rule_version != moving.rule_version
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

        def segments(definition: Segmentation) -> list[str]:
            decided = "\n".join(decided_lines(definition, sql.DUCKDB))
            query = f"select segment from ({decided}) order by as_of_date"
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
            "Segmentation seg_x: it challenges seg_y, which is challenger",
        ),
        (
            {"seg_x": kept("challenger", "seg_old"), "seg_old": kept("retired")},
            "Segmentation seg_x: it challenges seg_old, which is retired",
        ),
        (
            {"seg_x": kept("active", "seg_old"), "seg_old": kept()},
            "Segmentation seg_x: its status is active, but challenger_of is for challengers",
        ),
    ],
)
def test_challenge_that_is_wrong(models: dict[str, Any], error: str) -> None:
    with pytest.raises(RuleError) as raised:
        parse_all(models)
    assert error in str(raised.value)


def test_challenger_of_an_active_segmentation_is_right() -> None:
    assert definition_of(kept("challenger", "seg_old"), seg_old=kept()).challenger_of == "seg_old"


def test_no_rule_asks_for_segments_of_a_retired_segmentation() -> None:
    with pytest.raises(RuleError, match="there is no segmentation 'seg_old'"):
        definition_of(with_rule({"in_segment": "seg_old.a"}), seg_old=kept("retired"))


def test_rule_version_depends_on_the_rules_alone() -> None:
    def version(**changes: Any) -> str:
        definition = {"owner": "a@example.com", "segments": SEGMENTS} | changes
        return definition_of(definition).rule_version

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
    versions = {definition_of(with_rule(rule)).rule_version for rule in (one, other)}
    assert len(versions) == 1


def test_rules_that_nest_otherwise_never_read_the_same() -> None:
    """With lists of one part, `X and A or B` once stood for two rules that differ, and they had one version."""
    x, a, b = "orders_30d > 1", "orders_90d > 2", "orders_365d > 3"
    one = {"all": [x, {"all": [{"any": [a, b]}]}]}
    other = {"any": [{"any": [{"all": [x, a]}]}, b]}
    texts = [definition_of(with_rule(rule)).segments[0].rule_text for rule in (one, other)]
    assert texts == [f"{x} and ({a} or {b})", f"({x} and {a}) or {b}"]


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
    assert fit_of(definition, orders) == pytest.approx(1 / (1 + math.exp(-distance)))


def fit_of(definition: dict[str, Any], orders: int | None, data_type: str = "bigint") -> float:
    """The fit of a customer in the first segment, which counts."""
    day, found = date(2017, 12, 31), [definition_of(definition)]
    with duckdb.connect() as connection:
        connection.execute(
            f"create table customer_features as select 1 as customer_id, date '{day}' as as_of_date, "
            f"cast({'null' if orders is None else orders} as {data_type}) as orders_365d, "
            "cast(null as double) as discount_share_365d"
        )
        connection.execute(
            "create table waiting_segments as select 1 as customer_id, 'seg_x' as segmentation, 'a' as segment"
        )
        inputs = connection.execute(f"with {inputs_sql(found, sql.DUCKDB)}").to_arrow_reader()
        (fit,) = segment_fits(rules_of(found, Limits(day, {}, {})), inputs).column("fit_0").to_pylist()
    return fit


@pytest.mark.parametrize("data_type", WHOLE_NUMBERS)
def test_integers_of_any_size_are_whole_numbers(data_type: str) -> None:
    """Only bigint counted as one: the boundary of an integer lay on the number, and not half-way to the next."""
    feature = Feature("orders", data_type)
    assert (feature.kind, feature.is_whole) == ("number", True)
    assert not Feature("share", "double").is_whole


@pytest.mark.parametrize("day", ["2016-02-29", "2000-02-29", "2017-12-31"])
def test_valid_dates(day: str) -> None:
    assert iso_date(day) == date.fromisoformat(day)


@pytest.mark.parametrize(
    "day",
    ["2017-02-29", "1900-02-29", "2017-04-31", "0000-01-01", "2017-1-1", "2017-01-01 ", "2017-01-01\n", "20170101"],
)
def test_invalid_dates(day: str) -> None:
    assert iso_date(day) is None
