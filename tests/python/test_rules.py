"""The rule language: what it accepts, what it refuses and how it says so, and that its SQL decides as it reads."""

import itertools
import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import jinja2
import pyarrow as pa
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.rules.definitions import RuleError, parse
from flows.rules.macros import macros
from flows.steps.project import ROOT
from macros.python.rules import sql
from macros.python.rules.clauses import COMBINED, WrongClause, iso_date, parse_clause
from macros.python.rules.compiled import BEGIN, END, data_macro, decided_lines, model_sql, properties, with_columns
from macros.python.rules.definitions import (
    FOLDER,
    SEGMENT_KEYS,
    SEGMENTATION_KEYS,
    SHARE_KEYS,
    STRATEGY_KEYS,
    parse_definitions,
    read_definitions,
    read_files,
)
from macros.python.rules.features import CONTRACT, catalogue_of, read_features
from macros.python.rules.fits import Limits, rules_of, segment_fits
from macros.python.rules.inputs import inputs_sql
from macros.python.rules.mistakes import WrongDefinitions
from macros.python.rules.tree import (
    MOST_CLAUSES,
    All,
    AnyOf,
    Claim,
    Clause,
    Feature,
    Not,
    Percentile,
    Segmentation,
)

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
CATALOGUE = read_features(ROOT)
START = date(2017, 4, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("orders_365d >= 24", "customer_features.orders_365d >= 24"),
        ("orders_365d>=24", "customer_features.orders_365d >= 24"),
        ("orders_365d != -1.5", "customer_features.orders_365d <> -1.5"),
        ("orders_365d between 1 and 5", "customer_features.orders_365d between 1 and 5"),
        ("orders_365d in (1, 2)", "customer_features.orders_365d in (1, 2)"),
        ("orders_365d not in [1,2]", "customer_features.orders_365d not in (1, 2)"),
        ("age_band = '65+'", "customer_features.age_band = '65+'"),
        ("age_band = 65+", "customer_features.age_band = '65+'"),
        ("age_band in ('19-24', 25-34)", "customer_features.age_band in ('19-24', '25-34')"),
        ("age_band is null", "customer_features.age_band is null"),
        ("age_band is not null", "customer_features.age_band is not null"),
        ("is_member = true", "customer_features.is_member = true"),
        ("last_order_date < 2017-02-28", "customer_features.last_order_date < cast('2017-02-28' as date)"),
        (
            "discount_share_365d >= p80",
            "customer_features.discount_share_365d >= rule_cut_points.discount_share_365d_p80",
        ),
    ],
)
def test_clause_becomes_sql(text: str, expected: str) -> None:
    clause = parse_clause(text, FEATURES)
    assert sql.leaf_sql(clause, sql.DUCKDB) == expected
    # A question about missing values has an answer always; all else is false of them where `not` asks for it.
    is_answered = clause.operator in ("is null", "is not null")
    assert sql.never_null(clause, expected) == (expected if is_answered else f"coalesce({expected}, false)")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"all": ["orders_365d > 1", {"any": ["age_band = a", "age_band = b"]}]}, "{1} and ({2} or {3})"),
        ({"any": [{"all": ["orders_365d > 1", "age_band = a"]}, "age_band = b"]}, "({1} and {2}) or {3}"),
        ({"not": "orders_365d > 1"}, "not (coalesce({1}, false))"),
        ({"all": ["orders_365d > 1", {"not": "age_band = a"}]}, "{1} and not (coalesce({2}, false))"),
        ({"not": {"not": "orders_365d > 1"}}, "not (not (coalesce({1}, false)))"),
        ({"not": "age_band is null"}, "not (customer_features.age_band is null)"),
        ({"all": [{"any": ["orders_365d > 1"]}]}, "{1}"),
    ],
)
def test_only_what_a_not_negates_is_made_never_null(rule: Any, expected: str) -> None:
    clauses = {
        1: "customer_features.orders_365d > 1",
        2: "customer_features.age_band = 'a'",
        3: "customer_features.age_band = 'b'",
    }
    expected = expected.format(None, *clauses.values())
    (segmentation,) = parse_definitions({"seg_x": with_rule(rule)}, CATALOGUE)
    assert sql.rule_sql(segmentation.segments[0].rule, sql.DUCKDB) == expected


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
        ("orders_365d between 5 and 1", "between 5 and 1 is never true. Put the lower value first"),
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
        ("age_band = '{{ var }}'", "its value must be text"),
        ("age_band = '{% x %}'", "its value must be text"),
        ("age_band in (a, '{# x')", "its value must be text"),
        ("age_band = 'a\\'", "its value must be text"),
        ("age_band = 'a\nb'", "its value must be text"),
    ],
)
def test_clause_that_is_wrong(text: str, error: str) -> None:
    with pytest.raises(WrongClause) as raised:
        parse_clause(text, FEATURES)
    assert error in str(raised.value)


def test_a_clause_keeps_its_values_as_they_are_written() -> None:
    def values(text: str) -> tuple[Any, ...]:
        return parse_clause(text, FEATURES).values

    assert values("orders_365d between -1 and 2.50") == (Decimal(-1), Decimal("2.50"))
    assert values("last_order_date in (2017-02-28, 2016-02-29)") == (date(2017, 2, 28), date(2016, 2, 29))
    assert values("is_member != false") == (False,)
    assert values("age_band in ('a, b', c d)") == ("a, b", "c d")
    assert values("discount_share_365d < p5") == (Percentile(5),)
    assert values("age_band is null") == ()


ONE_CUSTOMER = duckdb.connect()
ONE_CUSTOMER.execute(
    "create table customer_features ("
    + ", ".join(f"{name} {feature.data_type}" for name, feature in FEATURES.items())
    + "); insert into customer_features (orders_365d) values (3); create table rule_cut_points ("
    + ", ".join(f"{name}_p{p} double" for name in ("orders_365d", "discount_share_365d") for p in range(1, 100))
    + "); insert into rule_cut_points (orders_365d_p1) values (2)"
)
JUNK = st.text(alphabet="abcp019 '\"-;(){}%#\\\n\0\t,.+/*", max_size=20)
VALUES = st.sampled_from(["1", "-2.5", "p80", "2017-02-28", "true", "'65+'", "65+", "a, b", "1 and 3", "'it', 'is'"])


@settings(max_examples=2000, deadline=None, derandomize=True)
@given(
    st.one_of(
        st.text(max_size=40),
        st.tuples(
            st.sampled_from([*FEATURES, "x"]),
            st.sampled_from([" = ", " != ", ">=", " in (", " not in [", " between ", " is null", " "]),
            st.one_of(JUNK, VALUES, st.tuples(VALUES, JUNK).map("".join), st.tuples(JUNK, VALUES).map("".join)),
            st.sampled_from(["", ")", "]", "'", " and 3", "--"]),
        ).map("".join),
    )
)
def test_nothing_but_the_grammar_reaches_the_warehouse(text: str) -> None:
    try:
        clause = parse_clause(text, FEATURES)
    except WrongClause:
        return
    compiled = sql.leaf_sql(clause, sql.DUCKDB)
    assert_only_grammar(clause, compiled)
    # dbt renders what is compiled, and finds no expression in it.
    assert jinja2.Template(sql.leaf_sql(clause, sql.DBT)).render() == compiled
    # A clause is spelled one way, which reads as the same clause.
    assert parse_clause(str(clause), FEATURES) == clause
    # The warehouse decides it, under any nesting.
    for rule in (clause, Not(clause), All((clause, Not(AnyOf((clause,)))))):
        condition = sql.rule_sql(rule, sql.DUCKDB)
        (row,) = ONE_CUSTOMER.sql(
            f"select coalesce({condition}, false) from customer_features, rule_cut_points"
        ).fetchall()
        assert row in [(True,), (False,)]


def assert_only_grammar(clause: Clause, compiled: str) -> None:
    """DuckDB's parser sees one statement, which compares one column with constants or cut points of its own."""
    assert not set(compiled) & set("{}\\\0\n\t")
    assert len(duckdb.extract_statements(f"select {compiled}")) == 1
    serialized = ONE_CUSTOMER.execute("select json_serialize_sql($query)", {"query": f"select {compiled}"}).fetchone()
    (statement,) = json.loads(serialized[0])["statements"]
    node = statement["node"]
    assert node["from_table"]["type"] == "EMPTY"
    assert not any((node["modifiers"], node["cte_map"]["map"], node["where_clause"]))
    (selected,) = node["select_list"]
    nodes = list(expressions(selected))
    allowed = {"COLUMN_REF", "CONSTANT", "COMPARISON", "BETWEEN", "OPERATOR", "CAST"}
    assert {each["class"] for each in nodes} <= allowed, compiled
    columns = [".".join(each["column_names"]) for each in nodes if each["class"] == "COLUMN_REF"]
    assert columns[0] == f"customer_features.{clause.feature.name}"
    assert columns[1:] == [f"rule_cut_points.{clause.feature.name}_p{n}" for n in clause.percentiles]
    assert {each["cast_type"]["id"] for each in nodes if each["class"] == "CAST"} <= {"DATE", "BOOLEAN"}
    texts = [each["value"]["value"] for each in nodes if each["class"] == "CONSTANT" and is_text(each)]
    # true is a cast of 't' there.
    words = {True: "t", False: "f"}
    assert texts == [words.get(value, str(value)) for value in clause.values if isinstance(value, str | date | bool)]


def is_text(constant: dict[str, Any]) -> bool:
    return constant["value"]["type"]["id"] == "VARCHAR"


def expressions(node: Any) -> Iterator[dict[str, Any]]:
    """All expressions of a tree as DuckDB writes it, from the top, left to right."""
    if isinstance(node, dict):
        if "class" in node:
            yield node
        for value in node.values():
            yield from expressions(value)
    elif isinstance(node, list):
        for value in node:
            yield from expressions(value)


DAY = date(2017, 12, 31)
DAY_BEFORE = date(2017, 12, 30)


def parsed(metas: Mapping[str, Any]) -> dict[str, Segmentation]:
    """Definitions as YAML has them, parsed, by name."""
    return {each.name: each for each in parse_definitions(metas, CATALOGUE, START)}


def decided(segmentation: Segmentation) -> str:
    """The query that decides, as DuckDB runs it."""
    return "\n".join(decided_lines(segmentation, sql.DUCKDB))


def mistakes_in(metas: Mapping[str, Any]) -> str:
    """What is wrong with definitions, a line for each mistake."""
    with pytest.raises(WrongDefinitions) as raised:
        parse_definitions(metas, CATALOGUE, START)
    lines = str(raised.value).splitlines()
    assert len(set(lines)) == len(lines)
    assert all(line.endswith((".", "?")) and not line.endswith(("?.", "..")) for line in lines), lines
    return str(raised.value)


Customer = Mapping[str, Any]
# Clauses, and how they read. Nobody has a percentile on the day before.
READINGS: dict[str, Callable[[Customer], bool]] = {
    "orders_365d > 1": lambda customer: customer["orders_365d"] is not None and customer["orders_365d"] > 1,
    "orders_365d != 1": lambda customer: customer["orders_365d"] is not None and customer["orders_365d"] != 1,
    "orders_365d is null": lambda customer: customer["orders_365d"] is None,
    "age_band = 'x'": lambda customer: customer["age_band"] == "x",
    "age_band not in ('x', 'z')": lambda customer: customer["age_band"] == "y",
    "age_band is not null": lambda customer: customer["age_band"] is not None,
    "net_sales_365d between 1 and 5": lambda customer: customer["net_sales_365d"] == 3,
    "net_sales_365d >= p50": lambda customer: customer["as_of_date"] == DAY and customer["net_sales_365d"] == 7,
}
EVERYBODY = [
    {"customer_id": number, "as_of_date": day, "orders_365d": orders, "age_band": band, "net_sales_365d": spent}
    for number, (day, orders, band, spent) in enumerate(
        itertools.product((DAY_BEFORE, DAY), (None, 1, 2), (None, "x", "y"), (None, 3, 7))
    )
]
WAREHOUSE = duckdb.connect()
WAREHOUSE.execute(
    "create table customer_features (customer_id int, as_of_date date, orders_365d bigint, age_band varchar, "
    "net_sales_365d double); create table rule_cut_points as select date '2017-12-31' as as_of_date, "
    "6.0 as net_sales_365d_p50"
)
WAREHOUSE.executemany("insert into customer_features values (?, ?, ?, ?, ?)", [list(c.values()) for c in EVERYBODY])


def reads(rule: Any, customer: Customer) -> bool:
    """Whether a rule as YAML has it holds: a clause with a missing value is false, and only then negated."""
    match rule:
        case {"all": parts}:
            return all(reads(part, customer) for part in parts)
        case {"any": parts}:
            return any(reads(part, customer) for part in parts)
        case {"not": part}:
            return not reads(part, customer)
    return READINGS[rule](customer)


RULES = st.recursive(
    st.sampled_from(list(READINGS)),
    lambda parts: st.one_of(
        st.lists(parts, min_size=1, max_size=3).map(lambda found: {"all": found}),
        st.lists(parts, min_size=1, max_size=3).map(lambda found: {"any": found}),
        parts.map(lambda found: {"not": found}),
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(RULES, RULES)
def test_a_clause_with_a_missing_value_is_false_under_any_nesting(first: Any, second: Any) -> None:
    """SQL, arrays and a slow reading decide alike."""
    rules = {"a": first, "b": second}
    segments = [{"name": name, "description": "-", "rule": rule} for name, rule in rules.items()]
    meta = {"owner": "a@example.com", "segments": [*segments, {"name": "c", "description": "-"}]}
    segmentation = parsed({"seg_x": meta})["seg_x"]
    expected = {
        customer["customer_id"]: (
            next((name for name, rule in rules.items() if reads(rule, customer)), "c"),
            sum(2**bit for bit, leaf in enumerate(segmentation.leaves) if READINGS[str(leaf)](customer)),
        )
        for customer in EVERYBODY
    }
    rows = WAREHOUSE.sql(f"select customer_id, segment, held_clauses from ({decided(segmentation)})").fetchall()
    assert {number: (segment, held) for number, segment, held in rows} == expected

    for day, cut_points in ((DAY_BEFORE, {}), (DAY, {DAY: {"net_sales_365d_p50": 6.0}})):
        inputs = WAREHOUSE.sql(
            f"with customer_features as (from main.customer_features where as_of_date = '{day}'), "
            + inputs_sql([segmentation], sql.DUCKDB)
        )
        fits = segment_fits(rules_of([segmentation], Limits(day, cut_points, {})), inputs.to_arrow_reader())
        found = {row["customer_id"]: ("abc"[row["decided_0"] - 1], row["held_0"]) for row in fits.to_pylist()}
        assert len(found) == len(EVERYBODY) / 2
        assert found == {number: expected[number] for number in found}


def segments_of(definition: dict[str, Any], columns: str, rows: str) -> dict[int, str]:
    """What the segmentation's SQL decides for customers given as rows of columns."""
    compiled = decided(parsed({"seg_x": definition})["seg_x"])
    with duckdb.connect() as connection:
        connection.execute(f"create table customer_features as select * from (values {rows}) as t ({columns})")
        return dict(connection.sql(f"select customer_id, segment from ({compiled})").fetchall())


def project_definition(name: str) -> dict[str, Any]:
    return read_files(ROOT)[0][name]


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
    compiled = decided(parsed({"seg_x": definition})["seg_x"])
    with duckdb.connect() as connection:
        connection.execute(
            "create table customer_features as select * from (values "
            "(1, date '2017-12-31', 6, 'x'), (2, date '2017-12-31', 6, null), (3, date '2017-12-31', 1, 'x'), "
            "(4, date '2017-12-31', null, null)) as t (customer_id, as_of_date, orders_365d, age_band)"
        )
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
            "segment a: a rule is a clause, or one of all, any, not and in_segment, not",
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
        ({"owner": "a@example.com", "segments": 5}, "segments must be a list in which every segment has a name"),
        ({"owner": "a@example.com", "segments": {"a": "orders_365d > 5"}}, "segments must be a list in which every"),
        (
            {"owner": "a@example.com", "segments": ["a", "b"]},
            "segments must be a list in which every segment has a name",
        ),
        ({"owner": "a@example.com", "segments": [{"name": 5}, "b"]}, "segments must be a list in which every segment"),
        ({"owner": " ", "segments": SEGMENTS}, "it has no owner"),
        ({"owner": 5, "segments": SEGMENTS}, "owner must be text, not '5'"),
        ({"owner": "a@example.com", "label": ["a"], "segments": SEGMENTS}, "label must be text, not '['a']'"),
        ({"owner": "a@example.com", "confirm_days": 10**30, "segments": SEGMENTS}, "from 1 to 366"),
        ({"owner": "a@example.com", "confirm_days": True, "segments": SEGMENTS}, "from 1 to 366"),
        (
            {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "strategy": "reward"}, SEGMENTS[1]]},
            "segment a: strategy must give approach, offer and channels by name, `strategy: {offer: ...}`, not 're",
        ),
        (
            {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "strategy": {"approch": "x"}}, SEGMENTS[1]]},
            "segment a, strategy: unknown key 'approch'. Did you mean 'approach'?",
        ),
        (
            {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "persona": {"who": "x"}}, SEGMENTS[1]]},
            "segment a: persona must be text",
        ),
        (
            {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "name": "a\n"}, SEGMENTS[1]]},
            "a segment's name is lower case",
        ),
        ("text", "Segmentation seg_x: it is 'text', but must have keys such as owner and segments"),
        (5, "Segmentation seg_x: it is '5', but must have keys"),
        (["owner", "segments"], "Segmentation seg_x: it is a list, but must have keys such as owner and segments"),
        (None, "Segmentation seg_x: it is empty, but must have keys such as owner and segments"),
        ({"owner": "a@example.com", "status": ["active"], "segments": SEGMENTS}, "status is '['active']'; it can be"),
        ({"owner": "a@example.com", "data_tests": "unique", "segments": SEGMENTS}, "data_tests must be a list"),
        (
            {"owner": "a@example.com", "challenger_of": "seg_y", "segments": SEGMENTS},
            "challenger_of is for challengers",
        ),
        ({"owner": "a@example.com", "models": [], "segments": SEGMENTS}, "Segmentation seg_x: unknown key 'models'"),
        (
            {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "rule": ["orders_365d > 5"]}, SEGMENTS[1]]},
            "a rule is a clause, or one of all, any, not and in_segment, not '['orders_365d > 5']'.",
        ),
        (
            {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "rule": None}, SEGMENTS[1]]},
            "a rule is a clause, or one of all, any, not and in_segment, not 'None'.",
        ),
        (
            {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "share": {"maximum": 0.5}}, SEGMENTS[1]]},
            "segment a: share limits the segment's share of the customers",
        ),
        (
            {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "share": {"maximun": 0.5}}, SEGMENTS[1]]},
            "segment a, share: unknown key 'maximun'. Did you mean 'maximum'?",
        ),
        (
            {"owner": "a@example.com", "segments": [{**SEGMENTS[0], "rule": "order_365d > 5"}, SEGMENTS[1]]},
            "Segmentation seg_x, segment a, clause 'order_365d > 5': there is no feature 'order_365d'",
        ),
    ],
)
def test_definition_that_is_wrong(definition: Any, error: str) -> None:
    assert error in mistakes_in({"seg_x": definition})


@pytest.mark.parametrize("key", ["all", "any"])
def test_a_rule_that_contains_itself_ends_soon(key: str) -> None:
    """Each level has three times as many parts as the one above."""
    rule: dict[str, Any] = {}
    rule[key] = [rule, rule, "orders_365d > many", rule]
    assert "its rule is nested more than 20 deep. Flatten it, or split the segment." in mistakes_in(
        {"seg_x": with_rule(rule)}
    )


def test_a_rule_may_be_nested_as_deep_as_the_message_says() -> None:
    for key in ("all", "not"):
        parsed({"seg_x": with_rule(nested(key, 20))})
        assert "nested more than 20 deep" in mistakes_in({"seg_x": with_rule(nested(key, 21))})


def test_a_text_that_is_no_definition_is_one_mistake() -> None:
    assert len(mistakes_in({"seg_x": "text", "seg_y": ["text"]}).splitlines()) == 2


# What YAML may have: also keys that are not text.
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 10**20),
    st.floats(),
    st.dates(),
    st.sampled_from(
        ["", " ", "a", "seg_x", "seg_y", "seg_y.a", "active", "challenger", "above", "orders_365d > 5", "\n"]
    ),
)
KEYS = st.sampled_from(
    [
        *SEGMENTATION_KEYS,
        *SEGMENT_KEYS,
        *STRATEGY_KEYS,
        *SHARE_KEYS,
        *COMBINED,
        "frozen_on",
        "mostly",
        "orders_365d",
    ]
)
CONTENT = st.recursive(
    SCALARS,
    lambda parts: st.one_of(
        st.lists(parts, max_size=3),
        st.dictionaries(st.one_of(KEYS, st.none(), st.integers(), st.dates()), parts, max_size=3),
    ),
    max_leaves=6,
)


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(
    st.dictionaries(st.sampled_from(SEGMENTATION_KEYS), CONTENT, max_size=4),
    st.dictionaries(st.sampled_from(SEGMENT_KEYS), CONTENT, max_size=3),
    st.one_of(st.none(), CONTENT),
)
def test_whatever_yaml_says_is_compiled_or_refused_in_a_line_each(
    changes: dict[str, Any], segment_changes: dict[str, Any], other: Any
) -> None:
    """A list where a name was expected once ended with a traceback."""
    meta = with_rule("orders_365d > 5") | changes
    if meta["segments"] and "segments" not in changes:
        meta["segments"] = [meta["segments"][0] | segment_changes, meta["segments"][1]]
    metas = {"seg_x": meta, "seg_y": with_rule("orders_365d > 5")} | ({"seg_z": other} if other is not None else {})
    try:
        found = parse_definitions(metas, CATALOGUE, START)
    except WrongDefinitions:
        told = mistakes_in(metas)
        assert all(line.startswith("Segmentation seg_") for line in told.splitlines())
        return
    for segmentation in found:
        assert model_sql(segmentation)
    assert data_macro(found, CATALOGUE, {})
    assert yaml.safe_load(properties(found, {}))


def test_as_many_clauses_as_bits_and_no_more() -> None:
    def with_clauses(count: int) -> dict[str, Any]:
        return {"seg_x": with_rule({"any": [f"orders_365d = {number}" for number in range(count)]})}

    segmentation = parsed(with_clauses(MOST_CLAUSES))["seg_x"]
    with duckdb.connect() as connection:
        connection.execute(
            f"create table customer_features as select 1 as customer_id, date '{DAY}' as as_of_date, "
            f"{MOST_CLAUSES - 1} as orders_365d"
        )
        assert connection.sql(f"select held_clauses from ({decided(segmentation)})").fetchall() == [(2**61,)]
    # The same clause twice is one.
    assert parsed({"seg_x": with_rule({"any": ["orders_365d = 1"] * 100})})["seg_x"].bits == {"orders_365d = 1": 1}
    assert mistakes_in(with_clauses(MOST_CLAUSES + 1)) == (
        "Segmentation seg_x: it has 63 different clauses, but at most 62 are possible. Split it into two segmentations."
    )


def test_keys_without_a_value_are_as_good_as_none() -> None:
    meta = with_rule("orders_365d > 5", label=None, description=None)
    segmentation = parsed({"seg_my_rules": meta | {"challenger_of": None}})["seg_my_rules"]
    assert (segmentation.label, segmentation.description) == ("My rules", "")


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
            "use it only if the segmentation says why: protected_reasons: {marital_status: ...}.",
        ),
        (
            with_rule("marital_status = Married", protected_reasons={"marital_status": " "}),
            "protected_reasons of 'marital_status' is not a reason in words",
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
        (
            with_rule("orders_365d > 5", cut_points="2017-06-30"),
            "cut_points must give the day on which they are frozen",
        ),
        (with_rule("orders_365d > 5", status="challenger"), "a challenger names the segmentation that it competes"),
        (
            with_rule("orders_365d > 5", status="challenger", challenger_of=["seg_y"]),
            "but challenger_of is '['seg_y']'. Did you mean 'seg_y'?",
        ),
        (with_rule({"in_segment": "y.loyal"}), "there is no segmentation 'y'. Did you mean 'seg_y'?"),
        (with_rule({"in_segment": "seg_old.loyal"}), "there is no segmentation 'seg_old'. Did you mean 'seg_"),
        (with_rule("orders_365d > 5", protected_reasons=["marital_status"]), "protected_reasons must give a reason"),
    ],
)
def test_definition_that_goes_wrong_with_others(definition: dict[str, Any], error: str) -> None:
    other = with_rule("orders_365d > 5")
    other["segments"][0] = {**other["segments"][0], "name": "loyal"}
    metas = {"seg_x": definition, "seg_y": other, "seg_z": {"segments": 5}, "seg_old": other | {"status": "retired"}}
    assert error in mistakes_in(metas)


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
        ({"age_band": {"mostly": ["65+", "55-64"]}}, "so its claim is the most frequent value"),
        (["orders_365d"], "persona_claims says how the segment differs, by feature"),
        ("above", "persona_claims says how the segment differs, by feature"),
    ],
)
def test_claims_that_are_wrong(claims: Any, error: str) -> None:
    told = mistakes_in({"seg_x": with_claims(claims)})
    assert error in told
    assert "segment a" in told


def test_claims_are_read_and_leave_the_rule_version_as_it_is() -> None:
    claims = {"orders_365d": "above", "days_since_last_order": "below", "age_band": {"mostly": "65+"}}
    # Claims decide nothing, so they may name protected attributes without a reason.
    claims |= {"marital_status": {"mostly": "Married"}}
    segmentation = parsed({"seg_x": with_claims(claims)})["seg_x"]
    assert segmentation.segments[0].claims == (
        Claim("orders_365d", "above", None),
        Claim("days_since_last_order", "below", None),
        Claim("age_band", "mostly", "65+"),
        Claim("marital_status", "mostly", "Married"),
    )
    assert segmentation.rule_version == parsed({"seg_x": with_claims({})})["seg_x"].rule_version


@pytest.mark.parametrize(
    ("asked", "circles"),
    [
        ({"x": "x"}, ["x -> x"]),
        ({"x": "y", "y": "x"}, ["x -> y -> x", "y -> x -> y"]),
        ({"x": "y", "y": "z", "z": "x"}, ["x -> y -> z -> x", "y -> z -> x -> y", "z -> x -> y -> z"]),
        # Who builds on a circle is not part of it.
        ({"w": "x", "x": "y", "y": "x"}, ["x -> y -> x", "y -> x -> y"]),
    ],
)
def test_segmentations_that_build_on_each_other_in_a_circle_are_refused(
    asked: dict[str, str], circles: list[str]
) -> None:
    metas = {
        f"seg_{name}": with_rule({"all": [{"not": {"in_segment": f"seg_{other}.b"}}]}) for name, other in asked.items()
    }
    expected = [" -> ".join(f"seg_{name}" for name in circle.split(" -> ")) for circle in circles]
    assert mistakes_in(metas).splitlines() == [
        f"Segmentation {circle.split()[0]}: its rules lead back to itself by in_segment: {circle}. Remove one of these "
        "in_segment clauses."
        for circle in expected
    ]


def test_a_protected_attribute_may_be_used_where_a_reason_is_written() -> None:
    definition = with_rule("marital_status = Married", protected_reasons={"marital_status": "Asked for by the law."})
    assert parsed({"seg_x": definition})["seg_x"].clauses[0].feature.name == "marital_status"


def test_every_date_has_an_age_in_days() -> None:
    age = CATALOGUE.features["days_since_first_seen"]
    assert (age.data_type, age.is_protected, age.age_of) == ("bigint", False, "first_seen_date")
    assert sql.feature_sql(age, sql.DUCKDB) == "(customer_features.as_of_date - customer_features.first_seen_date)"
    # Those that the catalogue has are columns.
    column = CATALOGUE.features["days_since_last_order"]
    assert sql.feature_sql(column, sql.DUCKDB) == "customer_features.days_since_last_order"


def test_a_segmentation_builds_on_another_on_the_same_day() -> None:
    below = with_rule("orders_365d > 5")
    above = with_rule({"all": [{"in_segment": "seg_y.a"}, "days_since_first_seen >= 30"]})
    known = parsed({"seg_x": above, "seg_y": below})
    assert list(known) == ["seg_y", "seg_x"]
    with duckdb.connect() as connection:
        connection.execute(
            "create table customer_features as select * from (values "
            "(1, date '2017-12-31', 6, date '2017-12-01'), (2, date '2017-12-31', 6, date '2017-12-02'), "
            "(3, date '2017-12-31', 5, date '2017-01-01'), (2, date '2018-01-01', 6, date '2017-12-02')) "
            "as t (customer_id, as_of_date, orders_365d, first_seen_date)"
        )
        connection.execute(f"create table seg_y as {decided(known['seg_y'])}")
        rows = connection.sql(
            f"select customer_id, as_of_date::varchar, segment from ({decided(known['seg_x'])}) order by 1, 2"
        ).fetchall()
    assert rows == [
        (1, "2017-12-31", "a"),
        (2, "2017-12-31", "b"),
        (2, "2018-01-01", "a"),
        (3, "2017-12-31", "b"),
    ]


def test_rules_that_ask_for_segments_are_another_version_when_these_change() -> None:
    def version(limit: int, between: Any = None) -> str:
        metas = {"seg_x": with_rule({"in_segment": "seg_y.a"}), "seg_y": with_rule(f"orders_365d > {limit}")}
        if between:
            metas |= {"seg_x": with_rule({"in_segment": "seg_z.a"}), "seg_z": with_rule({"in_segment": "seg_y.a"})}
        return parsed(metas)["seg_x"].rule_version

    assert version(5) != version(6)
    assert version(5, between=True) != version(6, between=True)


def test_frozen_cut_points_are_those_of_their_day_from_then_on() -> None:
    """A customer whose own value stays does not move because others change."""
    rule = {"any": ["net_sales_365d >= p50", "frequency_score >= 5"]}
    frozen = parsed({"seg_x": with_rule(rule, cut_points={"frozen_on": "2017-06-30"})})["seg_x"]
    moving = parsed({"seg_x": with_rule(rule)})["seg_x"]
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

        def segments(known: Segmentation) -> list[str]:
            query = f"select segment from ({decided(known)}) order by as_of_date"
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


def with_status(status: str = "active", challenger_of: str | None = None) -> dict[str, Any]:
    """A definition that is right but for, perhaps, what it says of challengers."""
    return {"owner": "a@example.com", "status": status, "challenger_of": challenger_of, "segments": SEGMENTS}


@pytest.mark.parametrize(
    ("models", "error"),
    [
        (
            {"seg_x": with_status("challenger", "seg_oldd"), "seg_old": with_status()},
            "Segmentation seg_x: a challenger names the segmentation that it competes with, but challenger_of "
            "is 'seg_oldd'. Did you mean 'seg_old'?",
        ),
        (
            {"seg_x": with_status("challenger"), "seg_old": with_status()},
            "it competes with, but challenger_of is ''. Did you mean 'seg_old'?",
        ),
        (
            {"seg_x": with_status("challenger", "seg_x")},
            "Segmentation seg_x: challenger_of names the segmentation itself",
        ),
        (
            {
                "seg_x": with_status("challenger", "seg_y"),
                "seg_y": with_status("challenger", "seg_old"),
                "seg_old": with_status(),
            },
            "Segmentation seg_x: challenger_of is seg_y, whose status is challenger. Name an active",
        ),
        (
            {"seg_x": with_status("challenger", "seg_old"), "seg_old": with_status("retired")},
            "Segmentation seg_x: challenger_of is seg_old, whose status is retired. Name an active",
        ),
        (
            {"seg_x": with_status("active", "seg_old"), "seg_old": with_status()},
            "Segmentation seg_x: its status is active, but challenger_of is for challengers",
        ),
    ],
)
def test_challenge_that_is_wrong(models: dict[str, Any], error: str) -> None:
    assert error in mistakes_in(models)


def test_challenger_of_an_active_segmentation_is_right() -> None:
    own = parsed({"seg_x": with_status("challenger", "seg_old"), "seg_old": with_status()})
    assert own["seg_x"].challenger_of == "seg_old"


def test_customers_have_columns_of_active_segmentations_only() -> None:
    own = parsed({"seg_x": with_status("challenger", "seg_old"), "seg_old": with_status(), "seg_y": with_status()})
    columns = yaml.safe_load(with_columns(f"columns:\n{BEGIN}      - name: seg_gone\n{END}", own.values()))["columns"]
    assert [column["name"] for column in columns] == ["seg_old", "seg_y"]
    known = macros(definitions=list(own.values()))
    assert known.active_segmentations() == ["seg_old", "seg_y"]


def test_rule_version_depends_on_the_rules_alone() -> None:
    def version(**changes: Any) -> str:
        return parsed({"seg_x": {"owner": "a@example.com", "segments": SEGMENTS} | changes})["seg_x"].rule_version

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
    versions = {parsed({"seg_x": with_rule(rule)})["seg_x"].rule_version for rule in (one, other)}
    assert len(versions) == 1


def test_rules_that_nest_otherwise_never_read_the_same() -> None:
    """With lists of one part, `X and A or B` once stood for two rules that differ, and they had one version."""
    x, a, b = "orders_30d > 1", "orders_90d > 2", "orders_365d > 3"
    one = {"all": [x, {"all": [{"any": [a, b]}]}]}
    other = {"any": [{"any": [{"all": [x, a]}]}, b]}
    texts = [parsed({"seg_x": with_rule(rule)})["seg_x"].segments[0].rule_text for rule in (one, other)]
    assert texts == [f"{x} and ({a} or {b})", f"({x} and {a}) or {b}"]


# Files


@pytest.fixture
def checkout(tmp_path: Path) -> Callable[..., Path]:
    """Makes a checkout whose segmentations are these files."""

    def make(**files: str | bytes) -> Path:
        for folder in (FOLDER, CONTRACT.parent):
            (tmp_path / folder).mkdir(parents=True)
        shutil.copy(ROOT / CONTRACT, tmp_path / CONTRACT)
        for name, content in files.items():
            file = tmp_path / FOLDER / f"{name}.yml"
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path

    return make


FILE = """
owner: a@example.com
segments:
  - name: a
    description: Orders.
    rule: orders_30d > 1
  - name: b
    description: Does not.
"""


def test_a_segmentation_has_the_name_of_its_file(checkout: Callable[..., Path]) -> None:
    root = checkout(seg_new=FILE, seg_gone=f"status: retired{FILE}", _notes="no: segmentation")
    (found,) = read_definitions(root)
    assert (found.name, found.label, found.rule_version) == ("seg_new", "New", found.rule_version)
    assert [each.name for each in parse(root=root)] == ["seg_new"]


def test_all_mistakes_of_all_files_are_told_at_once(checkout: Callable[..., Path]) -> None:
    root = checkout(
        seg_deals=FILE.replace("owner", "confirm_days: x\nowner"),
        seg_life=FILE.replace("orders_30d > 1", "{any: [orders_30 > 1, {all: 5}, orders_30d > many]}"),
        seg_value=FILE.replace("owner: a@example.com", "ownr: a@example.com").replace("- name: b", "- name: B"),
        seg_broken="owner: [",
    )
    with pytest.raises(RuleError) as raised:
        parse(root=root)
    told = str(raised.value)
    assert told.splitlines() == [
        "models/segmentations/seg_broken.yml: it is not YAML: line 2, column 1: did not find expected node content.",
        "Segmentation seg_deals: confirm_days is 'x'; it is a whole number of days, from 1 to 366.",
        "Segmentation seg_life, segment a, clause 'orders_30 > 1': there is no feature 'orders_30'. Did you mean "
        "'orders_30d'?",
        "Segmentation seg_life, segment a: 'all' takes a list of at least one clause.",
        "Segmentation seg_life, segment a, clause 'orders_30d > many': 'orders_30d' is of type bigint, so its value "
        "must be a number such as 12.5, or for < <= > >= a percentile p1 to p99, not 'many'.",
        "Segmentation seg_value: unknown key 'ownr'. Did you mean 'owner'?",
        "Segmentation seg_value: it has no owner. Give the address of a role, such as owner: crm-lead@example.com.",
        "Segmentation seg_value, segment B: a segment's name is lower case letters, digits and _, beginning with a "
        "letter.",
    ]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (
            FILE.replace("name: a", "name: a\n    name: c"),
            'it is not YAML: line 4, column 5: found duplicate key "name"',
        ),
        (f"{FILE}\nowner: b@example.com", 'it is not YAML: line 2, column 1: found duplicate key "owner"'),
        (FILE.replace("orders_30d > 1", "{all: [orders_30d > 1], all: [orders_90d > 1]}"), 'found duplicate key "all"'),
        ("- owner", "it is a list, but must have keys such as owner and segments"),
        ("owner", "it is 'owner', but must have keys such as owner and segments"),
        ("", "it is empty, but must have keys such as owner and segments"),
        ("owner: [", "it is not YAML"),
        (b"owner: \xff\xfe", "it is not YAML"),
        ("? [a, b]\n: c", "it is not YAML"),
    ],
)
def test_file_that_is_wrong_is_named(checkout: Callable[..., Path], content: str | bytes, error: str) -> None:
    with pytest.raises(WrongDefinitions) as raised:
        read_definitions(checkout(seg_new=content))
    assert str(raised.value).startswith("models/segmentations/seg_new.yml: ")
    assert error in str(raised.value)


@pytest.mark.parametrize("name", ["value", "seg_Value", "seg-value", "seg_", "seg_" + 60 * "a"])
def test_file_that_is_called_otherwise_is_refused(checkout: Callable[..., Path], name: str) -> None:
    with pytest.raises(WrongDefinitions) as raised:
        read_definitions(checkout(**{name: FILE}))
    assert str(raised.value) == (
        f"models/segmentations/{name}.yml: a segmentation's file is called seg_<name>.yml, lower case letters, digits "
        "and _."
    )


def test_anchors_may_be_merged_and_their_keys_replaced(checkout: Callable[..., Path]) -> None:
    merged = FILE.replace("- name: a", "- &first\n    name: a").replace(
        "  - name: b", "  - {<<: *first, name: c, rule: orders_30d > 0}\n  - name: b"
    )
    (found,) = read_definitions(checkout(seg_new=merged))
    assert [(each.name, each.description, each.rule_text) for each in found.segments] == [
        ("a", "Orders.", "orders_30d > 1"),
        ("c", "Orders.", "orders_30d > 0"),
        ("b", "Does not.", "everybody else"),
    ]


# Fits


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
    # A customer who waits has the fit of the segment that counts, whether its rule holds or not.
    segmentation = parsed({"seg_x": with_rule(rule, confirm_days=2)})["seg_x"]
    with duckdb.connect() as connection:
        connection.execute(
            f"create table customer_features as select 1 as customer_id, date '{DAY}' as as_of_date, "
            f"cast({'null' if orders is None else orders} as bigint) as orders_365d, "
            "cast(null as double) as discount_share_365d"
        )
        connection.execute(
            "create table waiting_segments as select 1 as customer_id, 'seg_x' as segmentation, 'a' as segment"
        )
        inputs = connection.execute(f"with {inputs_sql([segmentation], sql.DUCKDB)}").to_arrow_reader()
        (fit,) = segment_fits(rules_of([segmentation], Limits(DAY, {}, {})), inputs).column("fit_0").to_pylist()
    assert fit == pytest.approx(1 / (1 + math.exp(-distance)))


@pytest.mark.parametrize("day", ["2016-02-29", "2000-02-29", "2017-12-31"])
def test_valid_dates(day: str) -> None:
    assert iso_date(day) == date.fromisoformat(day)


@pytest.mark.parametrize("day", ["2017-02-29", "1900-02-29", "2017-04-31", "0000-01-01", "2017-1-1", "2017-01-01 "])
def test_dates_that_are_not_valid(day: str) -> None:
    assert iso_date(day) is None


@pytest.mark.parametrize(
    ("data_type", "is_whole"),
    [
        *((data_type, True) for data_type in ("tinyint", "smallint", "int", "integer", "bigint", "hugeint", "BIGINT")),
        *((data_type, False) for data_type in ("double", "float", "decimal(18, 2)", "real")),
    ],
)
def test_boundaries_of_whole_numbers_lie_half_way_to_the_next(data_type: str, is_whole: bool) -> None:
    catalogue = catalogue_of({"visits": {"data_type": data_type, "meta": {}}})
    assert catalogue.features["visits"].is_whole == is_whole
    fits = []
    for rule in ("visits >= 10", "visits > 9"):
        (segmentation,) = parse_definitions({"seg_x": with_rule(rule)}, catalogue)
        inputs = pa.table({"customer_id": [1, 2, 3], "as_of_date": 3 * [DAY], "visits": [9.0, 10.0, None]})
        found = segment_fits(rules_of([segmentation], Limits(DAY, {}, {"visits": 2.0})), inputs.to_reader())
        assert found.column("decided_0").to_pylist() == [2, 1, 2]
        fits.append(found.column("fit_0").to_pylist())
    # Clauses that say the same of whole numbers are as far away.
    assert (fits[0] == fits[1]) == is_whole
    assert fits[0][1] == pytest.approx(1 / (1 + math.exp(-0.25))) if is_whole else 0.5
