"""Measures that are carried on against measures of everybody, and both against the oracle, over random runs."""

import os
from dataclasses import replace
from datetime import date, datetime, time
from decimal import Decimal
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from tests.python.oracle import ONE_DAY, Customer, Facts, Features, Line, Product, features_of_day
from tests.python.oracle_worlds import AMENDMENTS, HISTORY_START, Outline, amend, make_facts
from tests.python.test_oracle import assert_same
from tests.python.warehouse import Warehouse

FACTOR = int(os.environ.get("TESSERA_EXAMPLES", "1"))
KEYS = ["as_of_date", "customer_id"]


def examples(number: int) -> settings:
    return settings(
        max_examples=number * FACTOR,
        derandomize=FACTOR == 1,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )


outlines = st.builds(
    Outline, customers=st.integers(8, 16), days=st.integers(40, 110), seed=st.integers(min_value=0, max_value=10**6)
)


def a_window(published: date | None, last: date, random: Random) -> tuple[date, date]:
    """The days of the next run: mostly the next one or some, at times built days again, at times after a gap."""
    if published is None:
        return HISTORY_START, HISTORY_START + random.choice((0, 1, 25)) * ONE_DAY
    first = published + random.choice((1,) * 8 + (0, -1, -6, -40, 3)) * ONE_DAY
    first = min(max(first, HISTORY_START), last)
    return first, min(first + random.choice((0,) * 7 + (1, 6, 20)) * ONE_DAY, last)


def change(facts: Facts, published: date, random: Random, gone: list) -> Facts:
    """What the next delivery says otherwise: late, corrected and deleted rows, closings, customers gone and back."""
    for _ in range(random.choice((0, 0, 1, 1, 3))):
        before = facts
        facts = amend(facts, random.choice(AMENDMENTS), published, random)
        left = {each.customer_id for each in facts.customers}
        gone += [each for each in before.customers if each.customer_id not in left]
    if gone and random.random() < 0.4:
        back = gone.pop(0)
        closed = random.choice((None, back.closed_date, published, published + 5 * ONE_DAY))
        facts = replace(facts, customers=(*facts.customers, replace(back, closed_date=closed)))
    if random.random() < 0.2 and len(facts.contacts) > 1:
        facts = replace(facts, contacts=facts.contacts[1:], responses=facts.responses[1:])
    return facts


@examples(3)
@given(outlines)
def test_what_is_carried_on_is_what_everybody_would_be_measured_at(outline: Outline) -> None:
    random = Random(outline.seed)
    facts = make_facts(outline)
    carrying, measuring = (Warehouse(incremental_features=on) for on in (True, False))
    columns = ", ".join([*KEYS, *carrying.macros.measure_columns()])
    published: date | None = None
    gone: list = []
    expected: dict[date, Features] = {}
    for _ in range(random.randint(5, 9)):
        first, last = a_window(published, outline.last, random)
        if published:
            facts = change(facts, published, random, gone)
        note(f"{first} to {last}")
        for warehouse in (carrying, measuring):
            warehouse.run(facts, first, last)
        expected = {day: rows for day, rows in expected.items() if day < first}
        days = [first + number * ONE_DAY for number in range((last - first).days + 1)]
        expected |= {day: features_of_day(facts, day) for day in days}
        published = last

        names = columns.split(", ")
        history = [{name: row[name] for name in names} for features in expected.values() for row in features.values()]
        of_the_run = [row for row in history if row["as_of_date"] >= first]
        for warehouse in (carrying, measuring):
            told = warehouse.rows(f"select {columns} from customer_measures where as_of_date >= '{first}'")
            assert_same(f"measures from {first} to {last}", of_the_run, told, KEYS)
            told = warehouse.rows(f"select {columns} from customer_measures_history")
            assert_same("history", history, told, KEYS)
        # To the last bit, and the day before the run with them.
        query = f"select {columns} from customer_measures order by as_of_date, customer_id"
        assert carrying.rows(query) == measuring.rows(query)
    logs = [
        warehouse.rows("select count(*) as rows from measure_changes")[0]["rows"] for warehouse in (carrying, measuring)
    ]
    # Of a single day both logs have everybody.
    assert logs[0] < logs[1] or published == HISTORY_START


def test_old_features_are_deleted_by_whole_months() -> None:
    facts = make_facts(Outline(customers=8, days=60, seed=1))
    warehouse = Warehouse(features_kept_days=20)
    first = date(2024, 2, 1)
    warehouse.run(facts, HISTORY_START, first - ONE_DAY)
    everything = warehouse.rows("select * from customer_measures_history where as_of_date >= '2024-01-01' order by all")

    warehouse.run(facts, first, first)

    # 20 days before the run lies in January.
    assert warehouse.rows("select min(as_of_date) as day from measured_days") == [{"day": date(2024, 1, 1)}]
    assert warehouse.rows("select min(measured_on) as day from measure_changes") == [{"day": date(2024, 1, 1)}]
    kept = warehouse.rows(f"select * from customer_measures_history where as_of_date < '{first}' order by all")
    assert kept == everything
    assert kept


@pytest.mark.parametrize("reason", ["a gap", "another way of measuring", "none"])
def test_a_run_that_finds_nothing_to_carry_on_begins_with_a_key_frame(reason: str) -> None:
    facts = make_facts(Outline(customers=8, days=60, seed=1))
    warehouse = Warehouse()
    warehouse.run(facts, HISTORY_START, HISTORY_START)
    if reason == "another way of measuring":
        warehouse.connection.execute("update measured_days set measures_version = 'older'")
    day = HISTORY_START + (2 if reason == "a gap" else 1) * ONE_DAY

    warehouse.run(facts, day, day)

    begins = HISTORY_START if reason == "none" else day
    assert warehouse.rows(f"select key_frame from measured_days where as_of_date = '{day}'") == [{"key_frame": begins}]
    told = warehouse.rows(f"select customer_id, orders_365d from customer_measures where as_of_date = '{day}'")
    expected = features_of_day(facts, day).values()
    assert {row["customer_id"]: row["orders_365d"] for row in told} == {
        row["customer_id"]: row["orders_365d"] for row in expected
    }


@pytest.mark.parametrize("days_later", [0, 1])
def test_rows_in_force_that_are_lost_are_made_again(days_later: int) -> None:
    facts = make_facts(Outline(customers=12, days=60, seed=1))
    last = HISTORY_START + 10 * ONE_DAY
    day = last + days_later * ONE_DAY
    warehouse, control = (Warehouse() for _ in range(2))
    for each in (warehouse, control):
        each.run(facts, HISTORY_START, last)
    # As in a warehouse that was built before there was such a table.
    warehouse.connection.execute("drop table measures_in_force")
    # Somebody has gone since: that is seen by who was there the day before.
    left = replace(facts, customers=facts.customers[1:])

    for each in (warehouse, control):
        each.run(left, day, day)

    for table in ("customer_measures", "measure_changes", "measures_in_force"):
        told = warehouse.rows(f"from {table} order by all")
        assert told == control.rows(f"from {table} order by all")
        assert told
    assert {row["as_of_date"] for row in warehouse.rows("from customer_measures")} == {day - ONE_DAY, day}


@pytest.mark.parametrize(("again", "beside"), [(0, "older"), (3, "older"), (3, "lost"), (0, "killed")])
def test_a_feature_more_begins_with_everybody(again: int, beside: str) -> None:
    """Building days again, as restating does, it once stopped the run: the log got a column when rows had gone."""
    facts = make_facts(Outline(customers=12, days=60, seed=1))
    days = [HISTORY_START + number * ONE_DAY for number in (10, 11, 12)]
    warehouse, control = (Warehouse() for _ in range(2))
    for each in (warehouse, control):
        each.run(facts, HISTORY_START, days[0] + again * ONE_DAY)
    # As in a warehouse that was built before there was this feature.
    for table in ("measure_changes", "measures_in_force"):
        warehouse.connection.execute(f"alter table {table} drop column longest_pause_90d")
    if beside != "older":
        warehouse.connection.execute("drop table measures_in_force")
    if beside == "killed":
        # The run before was killed when it had added the column.
        warehouse.connection.execute("alter table measure_changes add column longest_pause_90d integer")
    warehouse.connection.execute("update measured_days set measures_version = 'older'")

    for day in days[1:]:
        for each in (warehouse, control):
            each.run(facts, day, day)
        query = f"from customer_measures where as_of_date = '{day}' order by all"
        assert warehouse.rows(query) == control.rows(query)
        assert warehouse.rows(query)
    # The day before the first of these was measured without it.
    history = warehouse.rows(f"select longest_pause_90d from customer_measures_history where as_of_date = '{days[0]}'")
    assert {row["longest_pause_90d"] for row in history} == {None}


SOLD = [
    (key, day, discount)
    for key, day in ((1, 1), (2, 3), (3, 5), (1, 8))
    for discount in (Decimal("1.00") if day >= 5 else None,)
]


def shop_without(*columns: str) -> Facts:
    """Three customers; discounts are given from the fifth day on, and nothing is said of what the columns hold."""
    lines = [
        Line(
            key,
            f"O{day}",
            datetime.combine(HISTORY_START + day * ONE_DAY, time(12)),
            Decimal("4.00"),
            "P1",
            1,
            discount,
        )
        for key, day, discount in SOLD
    ]
    hidden = dict.fromkeys(columns)
    customers = tuple(Customer(key, first_seen_date=HISTORY_START) for key in (1, 2, 3))
    products = (Product("P1", "bread", False),)
    return Facts(customers, tuple(replace(line, **hidden) for line in lines), products)


@pytest.mark.parametrize("days", [1, 9])
def test_a9_features_are_null_until_a_source_delivers_what_they_rest_on(days: int) -> None:
    warehouse = Warehouse(history_start=str(HISTORY_START))
    for number in range(0, 9, days):
        first = HISTORY_START + number * ONE_DAY
        warehouse.run(shop_without(), first, first + (days - 1) * ONE_DAY)
    told = warehouse.rows("select as_of_date, customer_id, discounts_7d from customer_measures_history")
    by_customer = {
        key: [
            row["discounts_7d"] for row in sorted(told, key=lambda row: row["as_of_date"]) if row["customer_id"] == key
        ]
        for key in (1, 2, 3)
    }
    assert by_customer == {
        1: [None] * 5 + [0, 0, 0, 1],
        # Nothing happened to them on the day that made it known.
        2: [None] * 5 + [0, 0, 0, 0],
        3: [None] * 5 + [1, 1, 1, 1],
    }


def test_a9_what_no_source_delivers_is_null_for_everybody() -> None:
    facts = shop_without("discount_amount", "coupon_amount", "product_id")
    warehouse = Warehouse(history_start=str(HISTORY_START))
    warehouse.run(facts, HISTORY_START, HISTORY_START + 8 * ONE_DAY)
    rests_on_nothing = [
        "discounts_7d", "discounts_365d", "discount_share_365d", "coupon_share_365d", "private_label_share_365d",
        "categories_365d", "top_category_365d", "top_category_share_365d", "contacts_365d", "responses_365d",
    ]  # fmt: skip
    told = warehouse.rows(f"select {', '.join(rests_on_nothing)} from customer_measures")
    assert told
    assert all(value is None for row in told for value in row.values())


def test_b7_customers_without_a_date_are_known_since_their_first_order() -> None:
    """Next month's buyers once were prospects since the first day of the history."""
    today = HISTORY_START + 10 * ONE_DAY
    customers = (Customer(1), Customer(2), Customer(3), Customer(4, first_seen_date=today))

    def line(customer: int, day: date) -> Line:
        return Line(customer, f"{customer}-{day}", datetime.combine(day, time(12)), Decimal("5.00"))

    facts = Facts(
        customers=customers,
        transactions=(line(1, HISTORY_START - ONE_DAY), line(2, today), line(2, today + 3 * ONE_DAY)),
    )
    last = today + 5 * ONE_DAY
    at_once, daily = Warehouse(), Warehouse()
    at_once.run(facts, HISTORY_START, last)
    day = HISTORY_START
    while day <= last:
        # Of later days a daily run knows nothing.
        past = tuple(each for each in facts.transactions if each.ordered_at.date() <= day)
        daily.run(replace(facts, transactions=past), day, day)
        day += ONE_DAY
    query = "select as_of_date, customer_id, first_seen_date from customer_measures_history order by all"
    known = at_once.rows(query)
    assert known == daily.rows(query)
    by_day = {day: {row["customer_id"] for row in known if row["as_of_date"] == day} for day in (HISTORY_START, today)}
    assert by_day == {HISTORY_START: {1}, today: {1, 2, 4}}
    assert {row["first_seen_date"] for row in known if row["customer_id"] == 2} == {today}

    # A date that is delivered later counts from the next run on, and so does a late order before it.
    dated = tuple(replace(each, first_seen_date=HISTORY_START) for each in customers)
    daily.run(replace(facts, customers=dated), last + ONE_DAY, last + ONE_DAY)
    told = daily.rows(f"select customer_id, first_seen_date from customer_measures where as_of_date > '{last}'")
    assert {row["customer_id"] for row in told} == {1, 2, 3, 4}
    assert {row["first_seen_date"] for row in told} == {HISTORY_START - ONE_DAY, HISTORY_START}
