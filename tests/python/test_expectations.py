"""Every suite rule is broken once, in a small warehouse, and must be the one that fails."""

import re
import subprocess
import sys
from datetime import datetime
from itertools import zip_longest
from pathlib import Path
from shutil import copyfile

import duckdb
import pytest

from expectations import docs
from expectations.parameters import MartParameters, Parameters, Range
from expectations.runner import CheckResult, Gate, describe, failures, warnings

SEGMENTS = {"lifecycle": ["new", "active", "lost"], "value": ["high", "low"]}
NOT_AFTER = datetime(2018, 1, 4, 6, 0)
PARAMETERS = Parameters().with_segment_share(
    "value", "low", Range(0.1, 0.95, "Most customers of the test spend little.")
)

GOOD_TABLES = """
create schema conformed;
create schema checks;
create schema marts;

create table conformed.customers as
select 'shop' as source_system, customer_id, date '2017-04-01' as first_seen_date
from range(1, 21) as customers (customer_id);

create table checks.input_days as
select
    cast(date '2018-01-01' + cast(number as integer) as date) as order_date,
    number = 2 as is_closed_day,
    if(number = 2, 0, 4000) as lines,
    if(number = 2, null, -3.5::double) as min_net_amount,
    if(number = 2, null, 99.5::double) as max_net_amount,
    false as is_missing_day,
    if(number = 2, null, 1.02::double) as volume_ratio
from range(3) as days (number);

create table checks.input_shares as
select
    cast(date '2018-01-01' + cast(number as integer) as date) as order_date,
    kind,
    4000 as lines,
    0.02::double as share,
    0.01::double as usual_share,
    0.01::double as unusual_share,
    null::double as first_share,
    40::double as unusual_lines
from range(3) as days (number)
cross join (
    values ('identical_lines'), ('returned_lines'), ('uncategorised_lines'), ('cancelled_lines')
) as kinds (kind);

create table checks.input_past as
select 90000 as kept_lines, 90010 as delivered_lines, 10::double as changed_lines, 1.0001::double as kept_ratio;

create table checks.input_signs as
select amount, 3000 as lines, 0 as negative_lines, 0::double as negative_share
from (values ('units'), ('discount_amount'), ('coupon_amount'), ('cost_amount'), ('returned_amount'))
    as amounts (amount);

create table checks.input_customers as
select
    date '2017-12-31' as known_on, 3 as days, 1000 as known_customers, 0::double as usual_departures,
    1 as vanished_customers, 0.001::double as vanished_share, 1::double as vanished_times_usual,
    0 as closed_customers, 0::double as closed_share, 0::double as closed_times_usual;

create table checks.input_problems as
select
    0 as invalid_customer_id, 0 as invalid_order_id, 0 as invalid_ordered_at, 0 as invalid_net_amount,
    0 as unknown_customer, 0::double as unknown_customer_share, 0 as order_of_another_customer,
    0::double as order_of_another_customer_share, 7 as cancelled_order;

create table checks.source_files as
select 'shop' as source_system, 'transactions' as table_name, 'transactions.csv' as file, 9000 as records,
    9000 as rows_read, 9000 as rows_kept, 0 as rows_rejected, 0 as records_lost, 0 as rows_unaccounted
union all
-- Of a build without a flow, and of a table whose rows become something else.
select 'till', 'coupons', null, null, 9000, null, null, null, null;

create table checks.source_values as
select 'shop' as source_system, 'transactions' as table_name, 'discount_amount' as column_name, 9000 as rows_read,
    8000 as given_values, 0 as unreadable_values, 0::double as unreadable_share, null::text as example
union all
select 'shop', 'customers', 'closed_date', 100, 0, 0, null, null;

create table checks.input_freshness as
select 'shop' as source_system, timestamp '2018-01-03 21:15:00' as newest_at, 0 as days_behind;

create table checks.last_segment_sizes (
    segmentation text, segment text, customers bigint, share double, was_emptied boolean,
    emptied_customers bigint
);
insert into checks.last_segment_sizes values
    ('lifecycle', 'new', 0, 0.0, false, 0),
    ('lifecycle', 'active', 15, 0.75, false, 0),
    ('lifecycle', 'lost', 5, 0.25, false, 0),
    ('value', 'high', 2, 0.1, false, 0),
    ('value', 'low', 18, 0.9, false, 0);

create table checks.segment_sizes as
select date '2018-01-03' as as_of_date, *, 0.01::double as share_change, true as is_last_day
from checks.last_segment_sizes;

create table marts.customer_segments as
select customer_id, 'lifecycle' as segmentation, if(customer_id <= 15, 'active', 'lost') as segment
from conformed.customers
union all
select customer_id, 'value' as segmentation, if(customer_id <= 2, 'high', 'low') as segment
from conformed.customers;

create table checks.daily_totals as
select
    date '2018-01-03' as as_of_date, segmentation, 20 as customers_in_segments, 20 as customers_known,
    0 as difference, 0 as unbalanced
from (values ('lifecycle'), ('value')) as segmentations (segmentation);

create table checks.orphans as
select 'customer_segments.customer_id' as reference, 0 as orphans;

create table checks.rule_percentiles as
select 'discount_share_365d' as feature, 'p80' as percentile, 'between' as position;

create table checks.restatement_due as
select date '2018-01-01' as first_day, 1 as customers, 0.01::double as customer_share;

create table marts.fct_persona_claims as
select 'value' as segmentation, 'high' as segment, 'orders_365d' as feature, 'above' as claim, true as holds
union all
select 'lifecycle' as segmentation, 'new' as segment, 'orders_365d' as feature, 'below' as claim, null as holds;
"""

# gate, statement that breaks a table, codes that must fail as errors, codes that must fail as warnings
BROKEN = [
    ("inputs", "delete from conformed.customers", {"customers_empty"}, set()),
    ("inputs", "insert into conformed.customers values ('shop', null, null)", {"customer_id_missing"}, set()),
    ("inputs", "insert into conformed.customers values ('shop', 17, null)", {"customer_duplicate"}, set()),
    ("inputs", "insert into conformed.customers values ('shop', -1, null)", {"customer_id_negative"}, set()),
    ("inputs", "delete from checks.input_days", {"input_days_empty"}, set()),
    (
        "inputs",
        "update checks.input_days set is_missing_day = null where is_closed_day",
        {"is_missing_day_not_measured"},
        set(),
    ),
    (
        "inputs",
        "update checks.input_days set is_missing_day = true where order_date = '2018-01-02'",
        {"day_missing"},
        set(),
    ),
    (
        "inputs",
        "update checks.input_days set volume_ratio = 0.1 where order_date = '2018-01-02'",
        {"volume_implausible"},
        set(),
    ),
    (
        "inputs",
        "update checks.input_days set volume_ratio = 2.6 where not is_closed_day",
        set(),
        {"volume_unusual"},
    ),
    ("inputs", "update checks.input_days set min_net_amount = -1000.5", set(), {"net_amount_too_low"}),
    ("inputs", "update checks.input_days set max_net_amount = 9950", set(), {"net_amount_too_high"}),
    ("inputs", "delete from checks.input_shares", {"input_shares_empty"}, set()),
    *(
        (
            "inputs",
            f"update checks.input_shares set {column} = {value}, unusual_lines = 6 where kind = '{kind}'",
            {f"{kind}_{code}" for code in codes_of_errors},
            {f"{kind}_{code}" for code in codes_of_warnings},
        )
        for kind, jump, more, most in (
            ("identical_lines", 0.11, 0.04, 0.41),
            ("returned_lines", 0.31, 0.11, 0.51),
            ("uncategorised_lines", 0.21, 0.11, 0.51),
            ("cancelled_lines", 0.21, 0.06, 0.51),
        )
        for column, value, codes_of_errors, codes_of_warnings in (
            ("unusual_share", jump, ["jumped"], ["more"]),
            ("unusual_share", more, [], ["more"]),
            ("first_share", most, ["many"], []),
        )
    ),
    # Of a few lines nothing is said.
    (
        "inputs",
        "update checks.input_shares set unusual_share = 1, first_share = 1, unusual_lines = 5",
        set(),
        set(),
    ),
    ("inputs", "delete from checks.input_past", {"input_past_empty"}, set()),
    ("inputs", "update checks.input_past set kept_ratio = null", {"kept_ratio_not_measured"}, set()),
    ("inputs", "update checks.input_past set kept_ratio = 2", {"past_lines_changed"}, set()),
    ("inputs", "update checks.input_past set kept_ratio = 0.8", {"past_lines_changed"}, set()),
    ("inputs", "update checks.input_past set kept_ratio = 2, changed_lines = 5", set(), set()),
    ("inputs", "delete from checks.input_signs where amount = 'cost_amount'", {"input_signs_empty"}, set()),
    ("inputs", "update checks.input_signs set negative_share = null", {"negative_share_not_measured"}, set()),
    (
        "inputs",
        "update checks.input_signs set negative_lines = 2, negative_share = 0.001 where amount = 'discount_amount'",
        set(),
        {"amount_negative"},
    ),
    (
        "inputs",
        "update checks.input_signs set negative_lines = 200, negative_share = 0.06 where amount = 'coupon_amount'",
        {"amounts_negative"},
        {"amount_negative"},
    ),
    ("inputs", "delete from checks.input_customers", {"input_customers_empty"}, set()),
    *(
        ("inputs", f"update checks.input_customers set {column} = null", {f"{column}_not_measured"}, set())
        for column in ("vanished_share", "vanished_times_usual", "closed_share", "closed_times_usual")
    ),
    (
        "inputs",
        "update checks.input_customers set vanished_share = 0.25, vanished_times_usual = 250",
        {"customers_vanished"},
        {"customers_missing"},
    ),
    (
        "inputs",
        "update checks.input_customers set vanished_share = 0.003, vanished_times_usual = 4",
        set(),
        {"customers_missing"},
    ),
    # As many as on other days, or a few of a few.
    ("inputs", "update checks.input_customers set vanished_share = 0.25, vanished_times_usual = 3", set(), set()),
    (
        "inputs",
        "update checks.input_customers set closed_share = 0.06, closed_times_usual = 60",
        {"customers_closed"},
        set(),
    ),
    ("inputs", "delete from checks.input_problems", {"input_problems_empty"}, set()),
    (
        "inputs",
        "insert into checks.input_problems from checks.input_problems",
        {"input_problems_empty"},
        set(),
    ),
    *(
        (
            "inputs",
            f"update checks.input_problems set {column} = 1",
            {column},
            set(),
        )
        for column in ("invalid_customer_id", "invalid_order_id", "invalid_ordered_at", "invalid_net_amount")
    ),
    (
        "inputs",
        "update checks.input_problems set invalid_customer_id = null, invalid_order_id = null,"
        " invalid_ordered_at = null, invalid_net_amount = null, unknown_customer = null,"
        " order_of_another_customer = null, cancelled_order = null",
        {
            "invalid_customer_id_not_measured",
            "invalid_order_id_not_measured",
            "invalid_ordered_at_not_measured",
            "invalid_net_amount_not_measured",
            "unknown_customer_not_measured",
            "order_of_another_customer_not_measured",
            "cancelled_order_not_measured",
        },
        set(),
    ),
    (
        "inputs",
        "update checks.input_problems set unknown_customer = 9, unknown_customer_share = 0.001",
        set(),
        {"unknown_customer"},
    ),
    (
        "inputs",
        "update checks.input_problems set unknown_customer = 900, unknown_customer_share = 0.1",
        {"unknown_customers_many"},
        {"unknown_customer"},
    ),
    ("inputs", "delete from checks.source_files", {"source_files_empty"}, set()),
    ("inputs", "update checks.source_files set rows_read = null", {"rows_read_not_measured"}, set()),
    ("inputs", "update checks.source_files set records_lost = 3 where file is not null", {"records_lost"}, set()),
    ("inputs", "update checks.source_files set records_lost = -3 where file is not null", {"records_lost"}, set()),
    (
        "inputs",
        "update checks.source_files set rows_unaccounted = 1 where file is not null",
        {"rows_unaccounted"},
        set(),
    ),
    ("inputs", "delete from checks.source_values", {"source_values_empty"}, set()),
    (
        "inputs",
        "update checks.source_values set unreadable_values = null",
        {"unreadable_values_not_measured"},
        set(),
    ),
    (
        "inputs",
        "update checks.source_values set unreadable_values = 8, unreadable_share = 0.001, example = '99.99.9999' "
        "where column_name = 'discount_amount'",
        set(),
        {"value_unreadable"},
    ),
    (
        "inputs",
        "update checks.source_values set unreadable_values = 800, unreadable_share = 0.1, example = '9,99' "
        "where column_name = 'discount_amount'",
        {"values_unreadable"},
        {"value_unreadable"},
    ),
    (
        "inputs",
        "update checks.input_problems set order_of_another_customer = 9, order_of_another_customer_share = 0.001",
        set(),
        {"order_shared"},
    ),
    (
        "inputs",
        "update checks.input_problems set order_of_another_customer = 900, order_of_another_customer_share = 0.1",
        {"orders_shared"},
        {"order_shared"},
    ),
    # One line of few is a large share.
    (
        "inputs",
        "update checks.input_problems set order_of_another_customer = 1, order_of_another_customer_share = 0.1",
        set(),
        {"order_shared"},
    ),
    (
        "inputs",
        "update checks.input_problems set unknown_customer = 1, unknown_customer_share = 0.1",
        set(),
        {"unknown_customer"},
    ),
    ("inputs", "update checks.input_problems set cancelled_order = 900", set(), set()),
    ("inputs", "delete from checks.input_freshness", {"input_freshness_empty"}, set()),
    ("inputs", "update checks.input_freshness set newest_at = null", {"newest_at_not_measured"}, set()),
    ("inputs", "update checks.input_freshness set days_behind = null", {"days_behind_not_measured"}, set()),
    ("inputs", "update checks.input_freshness set days_behind = 1", {"feed_behind"}, set()),
    (
        "inputs",
        "update checks.input_freshness set newest_at = '2018-01-04 06:01'",
        {"future_timestamp"},
        set(),
    ),
    (
        "marts",
        "update checks.rule_percentiles set position = 'at the minimum'",
        set(),
        {"percentile_tells_nobody_apart"},
    ),
    ("marts", "delete from marts.customer_segments", {"customer_segments_empty"}, set()),
    (
        "marts",
        "insert into marts.customer_segments values (3, 'value', 'low')",
        {"customer_segment_duplicate"},
        set(),
    ),
    (
        "marts",
        "update marts.customer_segments set segment = null where segment = 'lost'",
        {"segment_not_given"},
        set(),
    ),
    (
        "marts",
        "insert into marts.customer_segments values (99, null, 'low')",
        {"segmentation_not_measured"},
        set(),
    ),
    (
        "marts",
        "insert into marts.customer_segments values (3, 'old', 'low')",
        {"segmentation_unknown"},
        set(),
    ),
    ("marts", "delete from checks.segment_sizes", {"segment_sizes_empty"}, set()),
    (
        "marts",
        "update checks.segment_sizes set share_change = 0.3 where segment = 'high'",
        {"segment_share_jumped"},
        {"segment_share_moved"},
    ),
    (
        "marts",
        "update checks.segment_sizes set share_change = 0.06 where segment = 'high'",
        set(),
        {"segment_share_moved"},
    ),
    (
        "marts",
        "delete from checks.last_segment_sizes",
        {"last_segment_sizes_empty", "segment_missing"},
        set(),
    ),
    ("marts", "delete from checks.last_segment_sizes where segment = 'new'", {"segment_missing"}, set()),
    (
        "marts",
        "insert into checks.last_segment_sizes from checks.last_segment_sizes where segment = 'new'",
        {"segment_missing"},
        set(),
    ),
    (
        "marts",
        "insert into checks.last_segment_sizes values ('value', 'lost', 1, 0.05, false, 0)",
        {"segment_unknown"},
        set(),
    ),
    (
        "marts",
        "update checks.last_segment_sizes set share = null where segment = 'new'",
        {"share_not_measured"},
        set(),
    ),
    (
        "marts",
        "update checks.last_segment_sizes set share = 0.91 where segment = 'active'",
        set(),
        {"segment_share_dominant"},
    ),
    (
        "marts",
        "update checks.last_segment_sizes set share = 0.05 where segment = 'low'",
        {"segment_share_out_of_limits"},
        set(),
    ),
    (
        "marts",
        "update checks.last_segment_sizes set emptied_customers = null where segment = 'new'",
        {"emptied_customers_not_measured"},
        set(),
    ),
    (
        "marts",
        "update checks.last_segment_sizes set emptied_customers = 4 where segment = 'new'",
        set(),
        {"small_segment_emptied"},
    ),
    (
        "marts",
        "update checks.last_segment_sizes set emptied_customers = 5 where segment = 'new'",
        {"segment_emptied"},
        {"small_segment_emptied"},
    ),
    ("marts", "delete from checks.daily_totals", {"daily_totals_empty"}, set()),
    ("marts", "update checks.daily_totals set difference = null", {"difference_not_measured"}, set()),
    ("marts", "update checks.daily_totals set unbalanced = null", {"unbalanced_not_measured"}, set()),
    ("marts", "update checks.daily_totals set difference = -1", {"population_unequal"}, set()),
    ("marts", "update checks.daily_totals set unbalanced = 1", {"flows_unbalanced"}, set()),
    ("marts", "delete from checks.orphans", {"orphans_empty"}, set()),
    ("marts", "update checks.orphans set orphans = null", {"orphans_not_measured"}, set()),
    ("marts", "update checks.orphans set orphans = 3", {"orphan"}, set()),
    ("marts", "delete from checks.restatement_due", {"restatement_due_empty"}, set()),
    ("marts", "update checks.restatement_due set customer_share = null", {"customer_share_not_measured"}, set()),
    ("marts", "update checks.restatement_due set customer_share = 0.011", set(), {"restatement_due"}),
    (
        "marts",
        "update marts.fct_persona_claims set holds = false where segment = 'high'",
        set(),
        {"persona_claim_broken"},
    ),
]


@pytest.fixture(scope="module")
def good_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a warehouse file that passes both gates."""
    path = tmp_path_factory.mktemp("good") / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(GOOD_TABLES)
    return path


@pytest.fixture
def warehouse(good_warehouse: Path, tmp_path: Path) -> Path:
    """Return a good warehouse file that a test may break."""
    return Path(copyfile(good_warehouse, tmp_path / "warehouse.duckdb"))


@pytest.fixture
def gate(warehouse: Path) -> Gate:
    """Return a gate in front of the test's warehouse."""
    return Gate(warehouse, PARAMETERS)


def run(gate: Gate, name: str) -> list[CheckResult]:
    """Run a gate with the arguments of the good warehouse."""
    if name == "inputs":
        return gate.run("inputs", not_after=NOT_AFTER)
    return gate.run("marts", segments=SEGMENTS)


def change(warehouse: Path, statement: str) -> None:
    """Change the warehouse; fails if a connection is still open for reading."""
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(statement)


def codes(results: list[CheckResult]) -> set[str]:
    """Return the codes of results."""
    return {result.code for result in results}


def messages(results: list[CheckResult]) -> str:
    """Return all messages, one a line."""
    return "\n".join(describe(result) for result in results)


@pytest.mark.parametrize("name", ["inputs", "marts"])
def test_good_tables_pass(gate: Gate, warehouse: Path, name: str) -> None:
    """Nothing is found in good tables, and every check has a result of its own."""
    results = run(gate, name)
    assert {result.status for result in results} == {"passed"}, messages(results)
    assert len({(result.suite, result.code) for result in results}) == len(results)


def broken_table(statement: str) -> str:
    """Return the name of the table that a statement breaks, without its schema."""
    return re.search(r"\b(?:conformed|checks|marts)\.(\w+)", statement)[1]


@pytest.fixture(scope="module")
def results_of_broken(good_warehouse: Path) -> dict[str, list[CheckResult]]:
    """Return, for each statement in BROKEN, the results of the table that it breaks.

    A run costs more than half a second, so one run breaks every table of both gates once.
    """
    by_table: dict[str, list[str]] = {}
    for _, statement, _, _ in BROKEN:
        by_table.setdefault(broken_table(statement), []).append(statement)
    results = {}
    for number, statements in enumerate(zip_longest(*by_table.values())):
        path = good_warehouse.with_name(f"broken_{number}.duckdb")
        copyfile(good_warehouse, path)
        broken = {broken_table(statement): statement for statement in statements if statement}
        for statement in broken.values():
            change(path, statement)
        gates = dict.fromkeys(gate for gate, statement, _, _ in BROKEN if statement in statements)
        for result in (found for gate in gates for found in run(Gate(path, PARAMETERS), gate)):
            if statement := broken.get(result.mart.split(".")[1]):
                results.setdefault(statement, []).append(result)
    return results


@pytest.mark.parametrize(
    ("name", "statement", "errors", "only_warnings"),
    BROKEN,
    ids=[statement for _, statement, _, _ in BROKEN],
)
def test_each_rule_fails_alone(
    results_of_broken: dict[str, list[CheckResult]],
    name: str,
    statement: str,
    errors: set[str],
    only_warnings: set[str],
) -> None:
    """A broken table fails its own rules, at their severity, and no other."""
    results = results_of_broken[statement]
    assert {result.suite for result in results} == {f"{name}/{broken_table(statement)}"}
    assert codes(failures(results)) == errors, messages(results)
    assert codes(warnings(results)) == only_warnings, messages(results)
    assert {result.status for result in results} <= {"passed", "failed"}


def test_every_rule_is_broken_once(gate: Gate, warehouse: Path) -> None:
    """No rule is without a statement that breaks it."""
    broken = set().union(*(errors | only_warnings for _, _, errors, only_warnings in BROKEN))
    assert broken == codes(run(gate, "inputs") + run(gate, "marts"))


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            "insert into conformed.customers values ('shop', 17, null)",
            "inputs/customers: customer_id must be unique: 2 of 21 rows, expected one row each"
            " (customer_duplicate). Deduplicate the customers in staging, or tell the source systems' ids apart. To "
            "see them in the warehouse: select customer_id from conformed.customers",
        ),
        (
            "update checks.input_days set volume_ratio = 0.1234567 where order_date = '2018-01-02'",
            "1 of 3 rows: volume_ratio 0.1235 (order_date 2018-01-02), expected 0.2 to 5 (volume_impl",
        ),
        (
            "update checks.input_problems set invalid_order_id = 1",
            "no line may have an invalid order_id: 1 of 1 row: invalid_order_id 1, expected 0 (invalid_order_id). "
            "Repair the ids in the source or in staging. To see them in the warehouse: from conformed.rejected_",
        ),
        (
            "update checks.input_freshness set newest_at = '2018-01-04 06:01'",
            "newest_at 2018-01-04 06:01:00 (source_system shop), expected at most 2018-01-04 06:00:00",
        ),
        (
            "insert into marts.customer_segments values (3, 'value', 'low')",
            "a customer must be in one segment of a segmentation: 2 of 41 rows,",
        ),
        (
            "delete from checks.last_segment_sizes where segment = 'new'",
            "even without customers: lifecycle/new: 0 rows, expected 1 row (segment_missing).",
        ),
        (
            "update checks.last_segment_sizes set share = 0.05 where segment = 'low'",
            "value/low: 1 of 1 row: share 0.05 (segmentation value, segment low), expected 0.1 to 0.95",
        ),
        (
            "update marts.customer_segments set segment = null",
            "segment must be given: 40 of 40 rows, expected",
        ),
        (
            "insert into checks.last_segment_sizes values ('value', 'lost', 1, 0.05, false, 0)",
            "segmentation/segment value/lost, expected one of lifecycle/new, lifecycle/active,",
        ),
    ],
    ids=lambda value: value.split(":")[0],
)
def test_messages_say_what_where_and_what_to_do(gate: Gate, warehouse: Path, statement: str, message: str) -> None:
    """Messages name the suite, the rule, an example with its place, the limit, the code and the remedy."""
    change(warehouse, statement)
    results = run(gate, "inputs" if "input" in statement or "conformed" in statement else "marts")
    assert message in messages(failures(results))


def test_d6_no_result_and_no_page_has_a_key(gate: Gate, warehouse: Path, tmp_path: Path) -> None:
    """Great Expectations' own pages list what a rule did not expect, with the columns that say where it stands."""
    for key in ("987654321", "987654321", "-987654321"):
        change(warehouse, f"insert into conformed.customers values ('shop', {key}, null)")
    for segment in ("'low'", "'low'", "null"):
        change(warehouse, f"insert into marts.customer_segments values (987654321, 'value', {segment})")
    change(warehouse, "insert into marts.customer_segments values (987654321, 'gone', 'low')")
    results = [*run(gate, "inputs"), *run(gate, "marts")]
    failed = {result.code: result.observed for result in failures(results)}
    assert failed == {
        "customer_duplicate": "2 of 23 rows",
        "customer_id_negative": "1 of 23 rows",
        "customer_segment_duplicate": "3 of 44 rows",
        "segment_not_given": "1 of 44 rows",
        "segmentation_unknown": "1 of 44 rows",
    }
    gate.write_docs(tmp_path)
    told = [str(results), *(page.read_text(encoding="utf-8") for page in tmp_path.rglob("*.html"))]
    assert len(told) > 2
    assert not any("987654321" in text.replace(",", "") for text in told)


def test_share_limits_of_one_segment_replace_the_common_ones(gate: Gate, warehouse: Path) -> None:
    """`low` may have 92 %, the other segments may not."""
    change(warehouse, "update checks.last_segment_sizes set share = 0.92 where segment = 'low'")
    assert not failures(run(gate, "marts"))


@pytest.mark.parametrize(
    ("name", "statement", "suite", "reason"),
    [
        (
            "inputs",
            "alter table conformed.customers drop column customer_id",
            "inputs/customers",
            "customer_id",
        ),
        ("inputs", "drop table checks.input_days", "inputs/input_days", "input_days does not exist"),
        ("marts", "drop schema checks cascade", "marts/orphans", "checks"),
        (
            "marts",
            "alter table checks.segment_sizes drop column as_of_date",
            "marts/segment_sizes",
            "as_of_date",
        ),
    ],
)
def test_what_cannot_be_read_is_not_evaluated_and_fails(
    gate: Gate, warehouse: Path, name: str, statement: str, suite: str, reason: str
) -> None:
    """A missing column, table or schema is told apart from a violation, and stops the run all the same."""
    change(warehouse, statement)
    stopped = [result for result in failures(run(gate, name)) if result.suite == suite]
    unread = [result for result in stopped if result.status == "not evaluated"]
    assert unread
    assert unread == stopped
    assert all("not evaluated: " in describe(result) and reason in result.observed for result in unread)


def test_docs_show_both_gates_and_load_nothing(gate: Gate, warehouse: Path, tmp_path: Path) -> None:
    """One site shows both gates; its links lead to its own files, and nothing comes from a network."""
    run(gate, "inputs")
    change(warehouse, "update checks.orphans set orphans = 3")
    run(gate, "marts")
    folder = tmp_path / "release" / "data_docs"
    gate.write_docs(folder)

    index = (folder / "index.html").read_text(encoding="utf-8")
    for text in ("inputs/customers", "marts/orphans", "1 failed", "every reference must find its row"):
        assert text in index
    assert "&#10007;" in (folder / "marts_orphans.html").read_text(encoding="utf-8")
    pages = list(folder.rglob("*.html"))
    assert len(pages) == 19
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"<script|<link|\bsrc=|url\(|@import", text), page.name
        for link in re.findall(r'href="([^"#]+)"', text):
            assert (page.parent / link).is_file(), f"{page.name}: {link}"
    assert all(file.suffix == ".html" for file in folder.rglob("*") if file.is_file())


def test_warehouse_can_be_written_by_another_process_after_a_run(gate: Gate, warehouse: Path) -> None:
    """No connection is left open, even after a table could not be read."""
    change(warehouse, "drop table checks.orphans")
    run(gate, "inputs")
    run(gate, "marts")
    write = "import duckdb, sys; duckdb.connect(sys.argv[1]).execute('create table written (id integer)')"
    subprocess.run([sys.executable, "-c", write, str(warehouse)], check=True)


def test_great_expectations_is_imported_late() -> None:
    """Reading limits or describing results does not cost the import."""
    script = "import sys, expectations.parameters, expectations.runner; sys.exit('great_expectations' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[2])


def test_wrong_arguments_are_refused_with_a_message(gate: Gate, warehouse: Path, tmp_path: Path) -> None:
    """Arguments that would make a gate pass for the wrong reason are refused."""
    with pytest.raises(FileNotFoundError, match="run dbt before the gate"):
        Gate(tmp_path / "nowhere.duckdb").run("inputs")
    with pytest.raises(ValueError, match="needs the defined segments"):
        gate.run("marts", segments={})
    with pytest.raises(ValueError, match="There is no gate 'mart'"):
        gate.run("mart")
    with pytest.raises(ValueError, match="carry none"):
        gate.run("inputs", not_after=NOT_AFTER.astimezone())
    misspelt = Parameters().with_segment_share("value", "hihg", Range(0, 0.5, "A typing error."))
    with pytest.raises(ValueError, match="value/hihg, which no segmentation defines"):
        Gate(warehouse, misspelt).run("marts", segments=SEGMENTS)


def test_a_range_needs_ends_in_order_and_a_reason() -> None:
    """A range that judges nothing is refused."""
    with pytest.raises(ValueError, match="needs a minimum or a maximum"):
        Range(None, None, "No ends.")
    with pytest.raises(ValueError, match="is empty"):
        Range(2, 1, "Reversed.")
    with pytest.raises(ValueError, match="needs a reason"):
        Range(0, 1, " ")
    assert MartParameters().share.maximum == 0.9


def test_d7_pages_forbid_what_they_do_not_need_and_link_to_each_other_alone(
    gate: Gate, warehouse: Path, tmp_path: Path
) -> None:
    """They had no policy, and linked to the site of Great Expectations."""
    run(gate, "inputs")
    gate.write_docs(tmp_path / "data_docs")
    for page in (tmp_path / "data_docs").glob("*.html"):
        text = page.read_text(encoding="utf-8")
        (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', text)
        assert {"default-src 'none'", "base-uri 'none'", "form-action 'none'"} <= set(policy.split("; ")), page.name
        assert text.index("Content-Security-Policy") < text.index("<body")
        assert not re.search(r"https?://|<[^>]*\son\w+=", text, re.IGNORECASE), page.name


def test_d7_tags_of_a_page_keep_links_within_the_folder_and_lose_the_others() -> None:
    page = (
        '<head></head><a href=\'https://example.com\'>x</a><a class="b" href="index.html#top">y</a>'
        '<a href=javascript:alert(1)>z</a><b onclick="go(1 > 0)" title="a > b">w</b><i>src = there</i>'
    )
    kept = docs._self_contained(page)
    assert '<a>x</a><a class="b" href="index.html#top">y</a><a>z</a>' in kept
    assert '<b title="a > b">w</b><i>src = there</i>' in kept


def test_e9_checks_that_are_interrupted_are_not_checks_that_failed(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was told to end meanwhile went on to be called failed by a check."""

    def interrupted(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("Query interrupted") from KeyboardInterrupt()

    monkeypatch.setattr("great_expectations.ValidationDefinition.run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(gate, "inputs")
