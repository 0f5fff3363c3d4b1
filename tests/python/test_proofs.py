"""Proofs about rules: right where they find something, right where they find nothing, and never by accident."""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.rules.definitions import parse
from flows.rules.macros import macros
from flows.steps.project import ROOT
from macros.python.rules import proofs, sql
from macros.python.rules.clauses import parse_clause
from macros.python.rules.compiled import decided_lines
from macros.python.rules.definitions import read_files
from macros.python.rules.features import Catalogue, catalogue_of, read_features
from macros.python.rules.mistakes import WrongDefinitions
from macros.python.rules.proofs import Definitions, Difference, Domains, Example, FixedClause, Unreachable
from macros.python.rules.tree import All, AnyOf, Clause, InSegment, Leaf, Not, Percentile, Rule, Segment, Segmentation

CATALOGUE = read_features(ROOT)
DOMAINS = CATALOGUE.domains()


def unreachable_segments(definitions: Definitions, domains: Domains = DOMAINS) -> list[Unreachable]:
    return proofs.unreachable_segments(definitions, domains)


def fixed_clauses(definitions: Definitions, domains: Domains = DOMAINS) -> list[FixedClause]:
    return proofs.fixed_clauses(definitions, domains)


def example_customer(definitions: Definitions, segmentation: str, segment: str) -> Example | None:
    return proofs.example_customer(definitions, segmentation, segment, DOMAINS)


def difference(
    before: Definitions, after: Definitions, segmentation: str, domains: Domains = DOMAINS
) -> Difference | None:
    return proofs.difference(before, after, segmentation, domains)


def by_name(metas: Mapping[str, Any]) -> dict[str, Segmentation]:
    """Parsed definitions by name."""
    return {each.name: each for each in parse(metas)}


DEMO_METAS = {name: dict(found) for name, found in read_files(ROOT)[0].items()}
DEMO = by_name(DEMO_METAS)


def meta(*rules: tuple[str, Any], rest: str = "rest", **more: Any) -> dict[str, Any]:
    """The YAML of a segmentation: rules in order and the segment of all others."""
    segments = [{"name": name, "description": "-", "rule": rule} for name, rule in rules]
    return {"owner": "a@example.com", "segments": [*segments, {"name": rest, "description": "-"}], **more}


def parsed(*rules: tuple[str, Any], **more: Any) -> dict[str, Any]:
    """A set of one parsed segmentation, seg_x."""
    return by_name({"seg_x": meta(*rules, **more)})


def versions_differ(before: dict[str, Any], after: dict[str, Any]) -> Difference | None:
    """The proof's verdict on two versions of seg_x, given as YAML; a difference is confirmed by the warehouse."""
    old, new = by_name({"seg_x": before}), by_name({"seg_x": after})
    found = difference(old, new, "seg_x")
    if found:
        clauses = [*old["seg_x"].clauses, *new["seg_x"].clauses]
        assert (decided(before, clauses, found.example), decided(after, clauses, found.example)) == (
            found.before,
            found.after,
        )
    return found


def decided(definition: dict[str, Any], clauses: list[Clause], example: Example) -> str:
    """The segment that DuckDB decides by a definition's SQL for an example, all other features missing."""
    types = {name: column["data_type"] for name, column in CATALOGUE.columns.items()}
    features = {name: kind for name, kind in types.items() if name in example.features}
    features |= {name: types[name] for clause in clauses for name in clause.feature.columns if name in types}
    cut_points = {(clause.feature.name, n) for clause in clauses for n in clause.percentiles}
    day = example.features.get("as_of_date", date(2017, 12, 31))
    columns = [
        f"cast({literal(example.features.get(name))} as {kind}) as {name}"
        for name, kind in features.items()
        if name != "as_of_date"
    ]
    values = [
        f"cast({literal(example.cut_points.get(f'p{n} of {name}'))} as double) as {name}_p{n}" for name, n in cut_points
    ]
    query = "\n".join(decided_lines(by_name({"seg_x": definition})["seg_x"], sql.DUCKDB))
    with duckdb.connect() as connection:
        for table, selected in {
            "customer_features": columns,
            "rule_cut_points": values,
            "score_cut_points": [],
        }.items():
            row = ", ".join([f"1 as customer_id, date '{day}' as as_of_date", *selected])
            connection.execute(f"create table {table} as select {row}")
        ((segment,),) = connection.sql(f"select segment from ({query})").fetchall()
    return segment


def literal(value: Any) -> str:
    return "null" if value is None else f"'{value}'"


# The demo's segmentations

CELLS = {
    5: "recent_customers potential_loyalists potential_loyalists champions       champions",
    4: "promising        potential_loyalists potential_loyalists loyal_customers loyal_customers",
    3: "about_to_sleep   about_to_sleep      needs_attention     loyal_customers loyal_customers",
    2: "hibernating      hibernating         at_risk             at_risk         cannot_lose",
    1: "hibernating      hibernating         at_risk             at_risk         cannot_lose",
}


def cell_by_cell(cells: Mapping[int, str]) -> dict[str, Any]:
    """seg_value as a table of its 25 cells would define it."""
    places: dict[str, list[Any]] = {}
    for recency, line in cells.items():
        for frequency, segment in enumerate(line.split(), start=1):
            cell = {"all": [f"recency_score = {recency}", f"frequency_score = {frequency}"]}
            places.setdefault(segment, []).append(cell)
    rules = [(segment, {"any": some}) for segment, some in places.items()]
    return by_name({"seg_value": meta(*rules, rest="no_recent_orders")})


def test_every_segment_of_the_demo_is_reachable_and_every_clause_decides() -> None:
    assert unreachable_segments(DEMO) == []
    assert fixed_clauses(DEMO) == []


def test_every_segment_of_the_demo_has_an_example_that_its_sql_puts_there() -> None:
    for name, definition in DEMO.items():
        for segment in definition.segments:
            example = example_customer(DEMO, name, segment.name)
            assert example is not None
            alone = DEMO_METAS[name] | {"status": "active", "challenger_of": None}
            assert decided(alone, list(definition.clauses), example) == segment.name


def test_value_is_the_partition_of_the_25_cells() -> None:
    assert difference(DEMO, cell_by_cell(CELLS), "seg_value") is None


def test_one_cell_in_another_segment_is_found() -> None:
    moved = CELLS | {3: CELLS[3].replace("needs_attention", "about_to_sleep ")}
    found = difference(DEMO, cell_by_cell(moved), "seg_value")
    assert found is not None
    assert (found.before, found.after) == ("needs_attention", "about_to_sleep")
    assert found.example.values == {"recency_score": "3", "frequency_score": "3"}


def test_rules_of_value_overlap_nowhere_so_that_their_order_does_not_matter() -> None:
    definition = DEMO["seg_value"]
    *rules, last = definition.segments
    turned = {"seg_value": replace(definition, segments=(*reversed(rules), last))}
    assert difference(DEMO, turned, "seg_value") is None


def test_order_of_lifecycle_does_matter() -> None:
    definition = DEMO["seg_lifecycle"]
    *rules, last = definition.segments
    turned = {"seg_lifecycle": replace(definition, segments=(*reversed(rules), last))}
    assert difference(DEMO, turned, "seg_lifecycle") is not None


@pytest.mark.parametrize("rule", ["recency_score is null", "monetary_score is null", "orders_365d = 0"])
def test_customers_without_recent_orders_are_exactly_those_without_scores(rule: str) -> None:
    probe = ("lost", {"in_segment": "seg_value.no_recent_orders"})
    by_segment = by_name({"seg_value": DEMO_METAS["seg_value"], "seg_x": meta(probe)})
    assert difference(by_segment, parsed(("lost", rule)), "seg_x") is None
    assert difference(by_segment, parsed(("lost", "orders_lifetime = 0")), "seg_x") is not None


# Segments out of reach


def test_segment_that_one_earlier_rule_covers_names_that_rule_alone() -> None:
    found = unreachable_segments(
        parsed(("many", "orders_365d >= 12"), ("old", "tenure_days > 900"), ("most", "orders_365d >= 24"))
    )
    assert found == [Unreachable("seg_x", "most", ("many",))]


def test_segment_that_only_two_earlier_rules_cover_together_names_both() -> None:
    found = unreachable_segments(
        parsed(
            ("few", "orders_365d < 5"),
            ("young", "age_band = '19-24'"),
            ("many", "orders_365d >= 5"),
            ("spenders", "net_sales_365d > 100"),
        )
    )
    assert found == [Unreachable("seg_x", name, ("few", "many")) for name in ("spenders", "rest")]


def test_of_rules_that_could_cover_alike_the_first_is_named() -> None:
    rules = [("a", "orders_7d >= 2"), ("b", "orders_7d >= 1"), ("c", "orders_7d >= 3")]
    assert unreachable_segments(parsed(*rules)) == [Unreachable("seg_x", "c", ("a",))]


def test_rule_that_never_holds_is_covered_by_nobody() -> None:
    rules = [("a", "orders_7d > 5"), ("b", {"all": ["orders_7d < 3", "orders_7d > 3"]})]
    assert unreachable_segments(parsed(*rules)) == [Unreachable("seg_x", "b", ())]


@pytest.mark.parametrize(
    "rule",
    [
        "recency_score > 5",
        "orders_7d < 0",
        "orders_7d is null",
        {"all": ["orders_7d > 3", "orders_30d <= 3"]},
        {"all": ["orders_7d > 3", "orders_lifetime <= 3"]},
        {"all": ["orders_90d > 0", "days_since_last_order >= 90"]},
        {"all": ["orders_365d = 0", "average_order_value_365d > 5"]},
        {"all": ["returns_30d > 2", "returns_365d <= 2"]},
        {"all": ["last_order_date is null", "days_since_last_order is not null"]},
        {"all": ["days_since_first_order < 10", "days_since_last_order > 20"]},
        {"all": ["days_since_first_seen < 10", "tenure_days > 20"]},
        {"all": ["first_order_date > 2017-06-01", "last_order_date < 2017-06-01"]},
        {"all": ["recency_score < p20", "recency_score > p80"]},
        "orders_7d = 1.5",
        {"all": ["recency_score = 1", "recency_score > p1"]},
    ],
)
def test_domains_rule_out_what_no_customer_shows(rule: Any) -> None:
    assert Unreachable("seg_x", "a", ()) in unreachable_segments(parsed(("a", rule)))


@pytest.mark.parametrize(
    "rule",
    [
        "net_sales_365d < 0",
        "units_7d < 0",
        "discount_share_365d > 1",
        {"all": ["orders_365d > 0", "discount_share_365d is null"]},
        # Money may be given back without an order.
        {"all": ["orders_30d = 0", "net_sales_30d < 0"]},
        {"all": ["orders_7d = 3", "orders_lifetime = 3"]},
        {"all": ["days_since_last_order >= 89", "orders_90d > 0"]},
        {"all": ["recency_score >= p20", "recency_score <= p80"]},
        {"all": ["recency_score <= p20", "recency_score >= p80"]},
        {"all": ["recency_score = 5", "frequency_score = 1", "monetary_score = 3"]},
        {"all": ["tenure_days = 5", "first_seen_date = 2017-06-01"]},
        {"not": "age_band in ('19-24', '65+')"},
    ],
)
def test_domains_leave_what_customers_may_show(rule: Any) -> None:
    assert unreachable_segments(parsed(("a", rule))) == []


def test_default_segment_that_the_rules_leave_nobody_for() -> None:
    rules = [("few", "orders_365d <= 5"), ("many", "orders_365d > 5")]
    assert unreachable_segments(parsed(*rules)) == [Unreachable("seg_x", "rest", ("few", "many"))]


def test_missing_values_stay_for_the_default_segment() -> None:
    definitions = parsed(("few", "days_since_last_order <= 5"), ("many", "days_since_last_order > 5"))
    assert unreachable_segments(definitions) == []
    example = example_customer(definitions, "seg_x", "rest")
    assert example is not None
    assert example.values == {"days_since_last_order": "missing"}


def test_not_of_a_clause_takes_missing_values() -> None:
    definitions = parsed(("few", "days_since_last_order <= 5"), ("not_few", {"not": "days_since_last_order <= 5"}))
    assert unreachable_segments(definitions) == [Unreachable("seg_x", "rest", ("few", "not_few"))]


def test_text_may_be_something_that_no_rule_mentions() -> None:
    definitions = parsed(("a", "age_band in ('19-24', '25-34')"), ("b", "age_band != '65+'"), ("c", "age_band = '65+'"))
    assert unreachable_segments(definitions) == []
    b = example_customer(definitions, "seg_x", "b")
    assert b is not None
    assert b.values == {"age_band": "anything else"}
    assert example_customer(definitions, "seg_x", "rest").values == {"age_band": "missing"}


def test_unreachable_segment_has_no_example() -> None:
    assert example_customer(parsed(("a", "recency_score > 5")), "seg_x", "a") is None


def test_examples_are_readable() -> None:
    example = example_customer(
        parsed(("a", {"all": ["first_order_date >= 2017-03-01", "first_order_date < 2017-03-02", "orders_7d = 0"]})),
        "seg_x",
        "a",
    )
    assert example is not None
    assert example.values.items() >= {"first_order_date": "2017-03-01", "orders_7d": "0"}.items()
    half = example_customer(parsed(("a", "discount_share_365d = 0.25")), "seg_x", "a")
    assert half is not None
    assert half.values == {"discount_share_365d": "0.25"}


# Clauses that decide nothing


def fixed(rule: Any, **more: Any) -> list[tuple[str, bool]]:
    return [(each.clause, each.always) for each in fixed_clauses(parsed(("a", rule), **more))]


def test_clause_that_another_clause_makes_sure_of_is_always_true() -> None:
    assert fixed_clauses(parsed(("a", {"all": ["orders_7d >= 2", "orders_30d >= 1", "age_band = '65+'"]}))) == [
        FixedClause("seg_x", "a", "orders_30d >= 1", always=True)
    ]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("orders_7d >= 0", [("orders_7d >= 0", True)]),
        ("recency_score >= 1", []),
        ("recency_score > 5", [("recency_score > 5", False)]),
        ({"any": ["orders_7d >= 3", "orders_7d >= 5"]}, [("orders_7d >= 5", False)]),
        ({"any": ["recency_score = 6", "recency_score = 5"]}, [("recency_score = 6", False)]),
        ({"all": ["recency_score >= 4", "recency_score is not null"]}, [("recency_score is not null", True)]),
        (
            {"all": ["orders_365d > 0", {"not": "recency_score is null"}]},
            [("orders_365d > 0", True), ("recency_score is null", False)],
        ),
        ({"any": ["orders_7d > 1", {"not": "orders_7d > 1"}]}, [("orders_7d > 1", True), ("orders_7d > 1", False)]),
        ({"all": ["recency_score >= p80", "recency_score >= p20"]}, [("recency_score >= p20", True)]),
        ({"all": ["age_band = '65+'", "age_band != '19-24'"]}, [("age_band != '19-24'", True)]),
        ({"all": ["age_band != '65+'", "age_band != '19-24'"]}, []),
    ],
)
def test_clause_is_fixed_in_its_place(rule: Any, expected: list[tuple[str, bool]]) -> None:
    assert fixed(rule) == expected


def test_earlier_rules_make_no_clause_fixed() -> None:
    assert fixed_clauses(parsed(("a", "orders_7d > 5"), ("b", {"all": ["orders_7d <= 5", "orders_30d > 2"]}))) == []


# Versions that are the same


def test_reformatted_and_reordered_rules_are_the_same() -> None:
    before = meta(
        ("a", {"all": ["orders_365d >= 3", {"not": {"any": ["age_band = '65+'", "recency_score in (1, 2)"]}}]}),
        ("b", "orders_365d between 1 and 2"),
    )
    after = meta(
        ("a", {"all": [{"not": "recency_score between 1 and 2"}, {"not": "age_band in ('65+')"}, "orders_365d>2"]}),
        ("b", {"any": ["orders_365d = 2", "orders_365d = 1"]}),
    )
    assert versions_differ(before, after) is None


@pytest.mark.parametrize(
    ("before", "after", "values"),
    [
        ("orders_365d >= 3", "orders_365d > 3", {"orders_365d": "3"}),
        ("discount_share_365d > 0.5", "discount_share_365d >= 0.5", {"discount_share_365d": "0.5"}),
        ("age_band = '65+'", "age_band in ('65+', '45-54')", {"age_band": "45-54"}),
        ("age_band = '65+'", {"not": "age_band != '65+'"}, {"age_band": "missing"}),
        ("last_order_date < 2017-06-01", "last_order_date <= 2017-06-01", {"last_order_date": "2017-06-01"}),
        ("recency_score <= 2", {"not": "recency_score > 2"}, {"recency_score": "missing"}),
        ("days_since_first_seen > 7", "tenure_days >= 7", {"days_since_first_seen": "7", "tenure_days": "7"}),
        ("net_sales_30d > p80", "net_sales_30d >= p80", {}),
        ("net_sales_30d > p80", "net_sales_30d > p90", {}),
        ({"any": ["orders_7d > 1", "orders_30d > 5"]}, {"all": ["orders_7d > 1", "orders_30d > 5"]}, {}),
    ],
)
def test_changed_rule_has_a_counter_example_that_the_warehouse_confirms(
    before: Any, after: Any, values: dict[str, str]
) -> None:
    found = versions_differ(meta(("a", before)), meta(("a", after)))
    assert found is not None
    assert {found.before, found.after} == {"a", "rest"}
    assert found.example.values.items() >= values.items()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("orders_365d > 2.5", "orders_365d >= 3"),
        ("days_since_first_seen > 7", "tenure_days > 7"),
        ("orders_90d > 0", "days_since_last_order < 90"),
        ("recency_score <= 2", {"not": {"any": ["recency_score > 2", "recency_score is null"]}}),
        ({"all": ["net_sales_30d > p80", "net_sales_30d >= p20"]}, "net_sales_30d > p80"),
        ("age_band not in ('65+')", {"all": ["age_band is not null", {"not": "age_band = 65+"}]}),
        (
            "last_order_date between 2017-06-01 and 2017-06-30",
            {"all": ["last_order_date >= 2017-06-01", "last_order_date < 2017-07-01"]},
        ),
    ],
)
def test_rule_in_other_words_is_the_same(before: Any, after: Any) -> None:
    assert versions_differ(meta(("a", before)), meta(("a", after))) is None


def test_renamed_segment_is_a_difference() -> None:
    found = versions_differ(meta(("a", "orders_7d > 1")), meta(("b", "orders_7d > 1")))
    assert found is not None
    assert (found.before, found.after) == ("a", "b")


def test_order_of_rules_that_overlap_is_a_difference() -> None:
    rules = [("a", "orders_7d > 1"), ("b", "age_band = '65+'")]
    found = versions_differ(meta(*rules), meta(*reversed(rules)))
    assert found is not None
    assert (found.before, found.after) == ("a", "b")
    assert found.example.values["age_band"] == "65+"


def test_unreachable_segment_can_be_dropped() -> None:
    rules = [("a", "orders_7d > 1"), ("b", "orders_7d > 2")]
    assert versions_differ(meta(*rules), meta(rules[0])) is None


def test_frozen_cut_points_are_others_than_those_of_the_day() -> None:
    frozen = {"cut_points": {"frozen_on": "2017-06-30"}}
    for rule in ("net_sales_30d > p80", "recency_score = 5"):
        daily, kept = parsed(("a", rule)), parsed(("a", rule), **frozen)
        assert difference(kept, kept, "seg_x") is None
        found = difference(daily, kept, "seg_x")
        assert found is not None
        assert any("2017-06-30" in name for name in found.example.values)
    # What does not depend on the cut points stays the same.
    assert (
        difference(parsed(("a", "recency_score is null")), parsed(("a", "recency_score is null"), **frozen), "seg_x")
        is None
    )


# Rules on segments of others


def built_on(rule: str, *rules: tuple[str, Any]) -> dict[str, Any]:
    return by_name({"seg_y": meta(("seniors", "age_band = '65+'"), ("regulars", rule)), "seg_x": meta(*rules)})


def test_segments_of_another_segmentation_are_its_rules() -> None:
    both = ("a", {"all": [{"in_segment": "seg_y.seniors"}, {"in_segment": "seg_y.regulars"}]})
    assert Unreachable("seg_x", "a", ()) in unreachable_segments(built_on("orders_30d > 4", both))

    # Regulars are those whom the rule before theirs did not take.
    regulars = built_on("orders_30d > 4", ("a", {"in_segment": "seg_y.regulars"}))
    rule = {"all": ["orders_30d > 4", {"not": "age_band = '65+'"}]}
    assert difference(regulars, parsed(("a", rule)), "seg_x") is None
    found = difference(regulars, parsed(("a", "orders_30d > 4")), "seg_x")
    assert found is not None
    assert (found.before, found.after, found.example.features["age_band"]) == ("rest", "a", "65+")

    # So is the default.
    others = built_on("orders_30d > 4", ("a", {"in_segment": "seg_y.rest"}))
    assert difference(others, parsed(("a", {"not": {"any": ["orders_30d > 4", "age_band = '65+'"]}})), "seg_x") is None


def test_change_below_is_a_change_above() -> None:
    rule = ("a", {"in_segment": "seg_y.regulars"})
    before, after = built_on("orders_30d > 4", rule), built_on("orders_30d > 5", rule)
    found = difference(before, after, "seg_x")
    assert found is not None
    assert (found.before, found.after, found.example.features["orders_30d"]) == ("a", "rest", 5)


def test_clause_on_a_segment_can_be_fixed() -> None:
    rule = ("a", {"all": [{"in_segment": "seg_y.seniors"}, "age_band = '65+'"]})
    assert [each.clause for each in fixed_clauses(built_on("orders_30d > 4", rule))] == [
        "in seg_y.seniors",
        "age_band = '65+'",
    ]


# Domains


def columns(**domains: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """Columns of customer_features with a data type and a domain each."""
    return {name: {"data_type": data_type, "meta": {"domain": domain}} for name, (data_type, domain) in domains.items()}


DECLARED = columns(
    orders=("bigint", {"minimum": 0, "maximum": 9, "nullable": False, "exactly_when": "day is not null"}),
    recent=("bigint", {"at_most": "orders"}),
    amount=("double", {"nullable": False, "only_when": "orders > 0"}),
    share=("double", {"only_when": "orders > 0"}),
    score=("bigint", {"exactly_when": "orders > 0"}),
    day=("date", {"minimum": "2017-01-01"}),
    age=("bigint", {"age_of": "day"}),
    gifts=("bigint", {"optional": True, "exactly_when": "orders > 5"}),
    given=("double", {"optional": True, "only_when": "orders > 0"}),
)
ROWS = {
    "nothing": "0, null, 0.0, null, null, null, null, 0, 0.0",
    "something": "2, 1, 3.5, 0.5, 4, date '2017-03-01', 5, 0, 2.5",
    "another_something": "6, null, 0.0, null, 0, date '2017-03-01', 5, 1, 0.0",
    "what_nobody_delivers": "6, 1, 3.5, 0.5, 4, date '2017-03-01', 5, null, null",
}


def broken_by(row: str) -> list[tuple[str, str]]:
    known = macros(models={}, columns=DECLARED)
    types = ", ".join(f"{name} {column['data_type']}" for name, column in DECLARED.items())
    with duckdb.connect() as connection:
        connection.execute(f"create table customer_features (customer_id bigint, as_of_date date, {types})")
        connection.execute(f"insert into customer_features values (1, date '2017-03-06', {row})")
        return connection.sql(f"select feature, declaration from ({known.domain_violations()})").fetchall()


@pytest.mark.parametrize("row", ROWS.values())
def test_rows_that_keep_to_all_domains_break_none(row: str) -> None:
    assert broken_by(row) == []


@pytest.mark.parametrize(
    ("row", "broken"),
    [
        ("-1, null, 0.0, null, null, date '2017-03-01', 5, null, null", [("orders", "orders >= 0")]),
        ("10, 1, 3.5, 0.5, 4, date '2017-03-01', 5, null, null", [("orders", "orders <= 9")]),
        ("null, null, 0.0, null, null, null, null, null, null", [("orders", "nullable: false")]),
        ("2, 1, 3.5, 0.5, 4, null, null, null, null", [("orders", "exactly_when: day is not null")]),
        ("0, 0, 0.0, null, null, date '2017-03-01', 5, null, null", [("orders", "exactly_when: day is not null")]),
        ("2, 3, 3.5, 0.5, 4, date '2017-03-01', 5, null, null", [("recent", "at_most: orders")]),
        ("0, 0, 1.0, null, null, null, null, null, null", [("amount", "only_when: orders > 0")]),
        ("0, 0, 0.0, 0.0, null, null, null, null, null", [("share", "only_when: orders > 0")]),
        ("0, 0, 0.0, null, 1, null, null, null, null", [("score", "exactly_when: orders > 0")]),
        ("2, 1, 3.5, 0.5, null, date '2017-03-01', 5, null, null", [("score", "exactly_when: orders > 0")]),
        ("2, 1, 3.5, 0.5, 4, date '2016-12-31', 65, null, null", [("day", "day >= 2017-01-01")]),
        ("2, 1, 3.5, 0.5, 4, date '2017-03-01', 6, null, null", [("age", "age_of: day")]),
        ("2, 1, 3.5, 0.5, 4, date '2017-03-01', null, null, null", [("age", "age_of: day")]),
        ("0, 0, 0.0, null, null, null, 5, null, null", [("age", "age_of: day")]),
        ("2, 1, 3.5, 0.5, 4, date '2017-03-01', 5, 1, null", [("gifts", "exactly_when: orders > 5")]),
        ("6, 1, 3.5, 0.5, 4, date '2017-03-01', 5, 0, null", [("gifts", "exactly_when: orders > 5")]),
        ("0, 0, 0.0, null, null, null, null, 0, 0.5", [("given", "only_when: orders > 0")]),
    ],
)
def test_row_that_breaks_a_domain_is_told_with_the_declaration(row: str, broken: list[tuple[str, str]]) -> None:
    assert broken_by(row) == broken


@pytest.mark.parametrize(
    ("data_type", "domain", "error"),
    [
        ("bigint", {"minimun": 0}, "Feature x, domain: unknown key 'minimun'. Did you mean 'minimum'?"),
        ("bigint", {"minimum": "few"}, "Feature x, domain, minimum, clause 'x >= few': "),
        ("bigint", {"minimum": "p5"}, "a percentile differs from day to day"),
        ("varchar", {"maximum": 5}, "'x' is text, which has no order"),
        ("bigint", {"nullable": "no"}, "nullable is 'no'; it can be true or false"),
        ("bigint", {"optional": "no"}, "optional is 'no'; it can be true or false"),
        ("bigint", {"optional": True, "nullable": False}, "this is never missing"),
        ("varchar", {"optional": True}, "this is a text"),
        ("bigint", {"at_most": "yy"}, "there is no feature 'yy'. Did you mean 'y'?"),
        ("bigint", {"at_most": "day"}, "'x' (bigint) and 'day' (date) have no common order"),
        ("bigint", {"age_of": "y"}, "'y' is of type bigint"),
        ("bigint", {"only_when": "z > 0"}, "Feature x, domain, only_when, clause 'z > 0': there is no feature 'z'"),
        ("varchar", {"nullable": False, "only_when": "y > 0"}, "text is never 0"),
    ],
)
def test_domain_that_is_wrong(data_type: str, domain: dict[str, Any], error: str) -> None:
    with pytest.raises(WrongDefinitions) as raised:
        catalogue_of(columns(x=(data_type, domain), y=("bigint", {}), day=("date", {}))).domains()
    assert error in str(raised.value)


# Any rules: the verdicts are those of trying every customer of a tiny world

TINY = columns(
    a=("bigint", {"minimum": 0, "maximum": 2, "nullable": False}),
    b=("bigint", {"minimum": 0, "maximum": 2, "at_most": "a"}),
    c=("double", {"only_when": "a > 0"}),
    d=("bigint", {"minimum": 0, "maximum": 1, "optional": True, "exactly_when": "a > 1"}),
    t=("varchar", {"exactly_when": "b is not null"}),
    f=("boolean", {}),
)
TINY_CATALOGUE: Catalogue = catalogue_of(TINY)
TINY_DOMAINS = TINY_CATALOGUE.domains()
ATOMS = [
    "a >= 1", "a = 2", "a < 1", "a between 1 and 2", "a in (0, 2)", "a not in (1, 2)", "a != 1", "a > 0.5",
    "b < 2", "b = 0", "b >= p80", "b < p20", "b > p20", "b is null", "b is not null",
    "c > 0.5", "c = 0.5", "c <= 0.5", "c is not null", "t = x", "t != x", "t in (x, y)", "t is null",
    "f = true", "f != true", "f is null", "d = 0", "d >= 1", "d is null",
]  # fmt: skip
CLAUSES = [parse_clause(text, TINY_CATALOGUE.features) for text in ATOMS]
BELOW = ("seg_y", ("one", "two", "rest"))
IN_SEGMENTS = [InSegment(BELOW[0], name) for name in BELOW[1]]


@dataclass(frozen=True)
class Somebody:
    """A customer of the tiny world, and the cut points of their day."""

    features: dict[str, Any]
    p20: int
    p80: int


def everybody() -> Iterator[Somebody]:
    for a, b, c, t, f, d, p20, p80 in itertools.product(
        (0, 1, 2),
        (None, 0, 1, 2),
        (None, 0.4, 0.5, 0.6),
        (None, "x", "y", "z"),
        (None, True, False),
        (None, 0, 1),
        (0, 1, 2),
        (0, 1, 2),
    ):
        if (
            p20 <= p80
            and not (b is not None and b > a)
            and not (c is not None and a == 0)
            and (t is None) == (b is None)
            # 1 exactly for those of a > 1, or missing for one and all.
            and (d is None or d == (a > 1))
        ):
            yield Somebody({"a": a, "b": b, "c": c, "t": t, "f": f, "d": d}, p20, p80)


EVERYBODY = list(everybody())


def clause_holds(clause: Clause, somebody: Somebody) -> bool:
    value = somebody.features[clause.feature.name]
    if clause.operator == "is null":
        return value is None
    if value is None:
        return False
    cut_points = {Percentile(20): somebody.p20, Percentile(80): somebody.p80}
    constants = [cut_points[one] if isinstance(one, Percentile) else one for one in clause.values]
    # 0.5 is a double in the world, and a decimal in the clause.
    first, *others = [float(one) if isinstance(one, Decimal) else one for one in constants] or [None]
    return {
        "is not null": lambda: True,
        "=": lambda: value == first,
        "!=": lambda: value != first,
        "<": lambda: value < first,
        "<=": lambda: value <= first,
        ">": lambda: value > first,
        ">=": lambda: value >= first,
        "between": lambda: first <= value <= others[0],
        "in": lambda: value in [first, *others],
        "not in": lambda: value not in [first, *others],
    }[clause.operator]()


# A customer is a place in EVERYBODY; a clause or a rule is the set of those it holds for.
ALL = frozenset(range(len(EVERYBODY)))
HOLDS = [frozenset(place for place in ALL if clause_holds(clause, EVERYBODY[place])) for clause in CLAUSES]


def takers(rule: Any, holds: list[frozenset[int]]) -> frozenset[int]:
    if rule is None:
        return ALL
    ((key, inside),) = rule.items()
    if key == "clause":
        return holds[inside]
    if key == "not":
        return ALL - takers(inside, holds)
    parts = [takers(part, holds) for part in inside]
    return frozenset.intersection(*parts) if key == "all" else frozenset.union(*parts)


def members(rules: list[Any], holds: list[frozenset[int]]) -> dict[str, frozenset[int]]:
    """Who is in each segment: those whom its rule takes of those who are left."""
    left, found = ALL, {}
    for name, rule in named(rules):
        found[name] = left & takers(rule, holds)
        left -= found[name]
    return found


def named(rules: list[Any]) -> list[tuple[str, Any]]:
    """Segments with their rules."""
    return [*zip(("one", "two", "three", "four"), rules, strict=False), ("rest", None)]


def like(example: Example) -> list[int]:
    """Everybody whom an example describes; amounts and texts stand for all on the same side of what clauses say."""
    wanted = dict(example.features)
    if wanted.get("c") is not None:
        wanted["c"] = 0.5 + (wanted["c"] > 0.5) * 0.1 - (wanted["c"] < 0.5) * 0.1
    if wanted.get("t") not in (None, "x", "y"):
        wanted["t"] = "z"
    return [
        place
        for place, somebody in enumerate(EVERYBODY)
        if wanted.items() <= somebody.features.items()
        and example.cut_points.items() <= {"p20 of b": somebody.p20, "p80 of b": somebody.p80}.items()
    ]


def trees(clauses: int) -> st.SearchStrategy[dict[str, Any]]:
    clause = st.integers(0, clauses - 1).map(lambda place: {"clause": place})
    return st.recursive(
        clause,
        lambda part: st.one_of(
            st.lists(part, min_size=1, max_size=3).map(lambda parts: {"all": parts}),
            st.lists(part, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
            part.map(lambda inside: {"not": inside}),
        ),
        max_leaves=4,
    )


def definition(name: str, rules: list[Any], leaves: list[Leaf]) -> Segmentation:
    segments = [
        Segment(
            name=segment,
            label="",
            position=position,
            rule=None if rule is None else tree(rule, leaves),
            source=None,
            is_immediate=False,
            share=None,
            description="",
            persona=None,
            claims=(),
            owner="",
            strategy={},
        )
        for position, (segment, rule) in enumerate(named(rules), start=1)
    ]
    return Segmentation(
        name=name,
        label="",
        description="",
        owner="",
        status="active",
        challenger_of=None,
        confirm_days=1,
        frozen_on=None,
        segments=tuple(segments),
    )


def tree(rule: Any, leaves: list[Leaf]) -> Rule:
    """A rule of this test as the language has it."""
    ((key, inside),) = rule.items()
    match key:
        case "clause":
            return leaves[inside]
        case "not":
            return Not(tree(inside, leaves))
        case _:
            return (All if key == "all" else AnyOf)(tuple(tree(part, leaves) for part in inside))


def in_other_words(rule: Any) -> Any:
    """The same rule: parts turned round, all as not any not."""
    ((key, inside),) = rule.items()
    if key == "clause":
        return rule
    if key == "not":
        return {"not": in_other_words(inside)}
    turned = [{"not": in_other_words(part)} for part in reversed(inside)]
    return {"not": {"any" if key == "all" else "all": turned}}


def test_verdicts_are_those_of_trying_everybody() -> None:
    verdicts: Counter[str] = Counter()
    above = [*CLAUSES, *IN_SEGMENTS]

    @settings(max_examples=300, deadline=None, derandomize=True, database=None)
    @given(
        st.lists(trees(len(CLAUSES)), min_size=2, max_size=2),
        st.lists(trees(len(above)), min_size=1, max_size=4),
        st.lists(trees(len(above)), min_size=1, max_size=4),
        st.booleans(),
    )
    def agree(below_rules: list[Any], rules: list[Any], other_rules: list[Any], tidied: bool) -> None:
        below = definition("seg_y", below_rules, CLAUSES)
        before = definition("seg_x", rules, above)
        new_rules = [in_other_words(rule) for rule in rules] if tidied else other_rules
        after = definition("seg_x", new_rules, above)
        holds = [*HOLDS, *members(below_rules, HOLDS).values()]
        old, new = members(rules, holds), members(new_rules, holds)

        found = difference({"seg_y": below, "seg_x": before}, {"seg_y": below, "seg_x": after}, "seg_x", TINY_DOMAINS)
        stay = frozenset.union(*(old[name] & new[name] for name in old.keys() & new.keys()))
        assert (found is None) == (stay == ALL)
        verdicts["different" if found else "the same"] += 1
        if found:
            assert found.before != found.after
            assert like(found.example)
            assert old[found.before] & new[found.after] >= set(like(found.example))

        definitions = {"seg_y": below, "seg_x": before}
        unreachable = [one for one in unreachable_segments(definitions, TINY_DOMAINS) if one.segmentation == "seg_x"]
        assert [one.segment for one in unreachable] == [name for name, some in old.items() if not some]
        verdicts["reachable"] += len(old) - len(unreachable)
        verdicts["unreachable"] += len(unreachable)
        taken = {name: takers(rule, holds) for name, rule in named(rules)}
        for one in unreachable:
            verdicts[f"covered by {len(one.covered_by)}"] += 1
            assert taken[one.segment] <= frozenset().union(*(taken[name] for name in one.covered_by))
            for spared in one.covered_by:
                others = [taken[name] for name in one.covered_by if name != spared]
                assert not taken[one.segment] <= frozenset().union(*others)

        expected = []
        for name, rule in named(rules)[:-1]:
            for clause, as_true, as_false in replaced(rule, above):
                # The two are one that holds for all and one that holds for nobody.
                constant = [*holds, ALL, frozenset()]
                if takers(as_true, constant) == taken[name]:
                    expected.append(FixedClause("seg_x", name, clause, always=True))
                elif takers(as_false, constant) == taken[name]:
                    expected.append(FixedClause("seg_x", name, clause, always=False))
                else:
                    verdicts["deciding clause"] += 1
        assert [one for one in fixed_clauses(definitions, TINY_DOMAINS) if one.segmentation == "seg_x"] == expected
        verdicts["fixed clause"] += len(expected)

    agree()
    # None of the verdicts agrees because it never comes up.
    assert min(verdicts[one] for one in ("the same", "different", "reachable", "deciding clause")) >= 40, verdicts
    assert min(verdicts[one] for one in ("unreachable", "fixed clause", "covered by 0", "covered by 1")) >= 15, verdicts
    assert verdicts["covered by 2"] >= 5, verdicts


def replaced(rule: Any, clauses: list[Any]) -> Iterator[tuple[str, Any, Any]]:
    """The clauses of a rule as they stand there, each with the rule where two more clauses stand in its place."""
    ((key, inside),) = rule.items()
    if key == "clause":
        yield str(clauses[inside]), {"clause": len(clauses)}, {"clause": len(clauses) + 1}
    elif key == "not":
        for text, as_true, as_false in replaced(inside, clauses):
            yield text, {"not": as_true}, {"not": as_false}
    else:
        for place, part in enumerate(inside):
            for text, as_true, as_false in replaced(part, clauses):
                yield (
                    text,
                    {key: [*inside[:place], as_true, *inside[place + 1 :]]},
                    {key: [*inside[:place], as_false, *inside[place + 1 :]]},
                )
