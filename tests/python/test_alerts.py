"""Drift and alerts: the compiled SQL of the marts against slow and obvious calculations, and what owners are told."""

import json
import math
import re
import threading
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import combinations, pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import jinja2
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from flows.alerts import acknowledge, listed
from flows.rules.macros import macros
from flows.steps.errors import RunStopped
from flows.steps.notify import MOST_ALERTS, Alert, digest, notify
from flows.steps.project import ROOT, Project

DAY = timedelta(days=1)
LAST = date(2024, 6, 30)
FEATURE = "net_sales_30d"
RULES = {
    "owner": "a@example.com",
    "segments": [
        {"name": "big", "description": "-", "rule": "orders_30d > 5"},
        {"name": "rest", "description": "-"},
    ],
}


@cache
def compiled(path: str, first: date, last: date, incremental: bool = False, **variables: Any) -> str:
    """The SQL of a model for a window of days, with one segmentation, seg_x, and one watched feature."""
    known = macros(
        models={"seg_x": RULES},
        variables={"first_date": str(first), "last_date": str(last), "drift_features": [FEATURE], **variables},
        dbt=SimpleNamespace(
            type_string=lambda: "varchar",
            date_spine=lambda _part, start, end: f"select range as date_day from range({start}, {end}, interval 1 day)",
        ),
        source=lambda _name, table: table,
        is_incremental=lambda: incremental,
        this="kept",
    )
    return known.render(path)


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        yield connection


def table(connection: duckdb.DuckDBPyConnection, name: str, columns: str, rows: Sequence[Sequence[Any]]) -> None:
    connection.execute(f"create or replace table {name} ({columns})")
    # As objects, in which a missing value stays one.
    given = pd.DataFrame(rows, columns=[column.split()[0] for column in columns.split(", ")], dtype=object)
    if rows:
        connection.register("given", given)
        connection.execute(f"insert into {name} from given")


def records(connection: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    found = connection.sql(sql)
    return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


def contract(mart: str) -> list[str]:
    described = yaml.safe_load((ROOT / "models" / "marts" / "alerts" / "_alerts.yml").read_text())["models"]
    (columns,) = (model["columns"] for model in described if model["name"] == mart)
    return [column["name"] for column in columns]


# --- Distributions -------------------------------------------------------------


def shop_days(connection: duckdb.DuckDBPyConnection, values: dict[date, Sequence[float | None]]) -> None:
    """Customers of segment big, all with a value of the feature on every day."""
    rows = [(day, number, value) for day, each in values.items() for number, value in enumerate(each)]
    table(connection, "customer_features", f"as_of_date date, customer_id bigint, {FEATURE} double", rows)
    connection.execute("create or replace table customer_features_history as from customer_features")
    most = max(len(each) for each in values.values())
    connection.execute(
        "create or replace table recent_spells as select range as customer_id, 'seg_x' as segmentation, "
        "'big' as segment, date '2024-01-01' as valid_from, date '9999-12-31' as valid_to "
        f"from range({most})"
    )
    connection.execute("create or replace view fct_segment_spells as from recent_spells")
    connection.execute(
        "create or replace view segment_entries as select * exclude (valid_from), valid_from as entered_on "
        "from recent_spells"
    )
    table(
        connection,
        "segmentation_days",
        "as_of_date date, segmentation varchar, rule_version varchar",
        [(day, "seg_x", "v1") for day in values],
    )


def population_stability_index(before: Sequence[float | None], after: Sequence[float | None]) -> tuple[float, int]:
    """The index and its bins, counted one value at a time."""
    known = sorted(value for value in before if value is not None)
    # quantile_disc: the smallest value whose cumulative share is at least q.
    cuts = [known[math.ceil(len(known) * decile / 10) - 1] for decile in range(1, 10)]

    def counts(values: Sequence[float | None]) -> list[int]:
        bins = [0] * 11
        for value in values:
            bins[0 if value is None else 1 + sum(value > cut for cut in cuts)] += 1
        return bins

    pairs = [(one, other) for one, other in zip(counts(before), counts(after), strict=True) if one or other]
    index = 0.0
    for one, other in pairs:
        share = (one + 0.5) / (len(before) + 0.5 * len(pairs))
        share_after = (other + 0.5) / (len(after) + 0.5 * len(pairs))
        index += (share_after - share) * math.log(share_after / share)
    return index, len(pairs)


def drift(connection: duckdb.DuckDBPyConnection, first: date, last: date, **variables: Any) -> list[dict[str, Any]]:
    baselines = compiled("history/drift_baselines.sql", first, first, **variables)
    connection.execute(f"create or replace table drift_baselines as {baselines}")
    return records(
        connection, compiled("marts/alerts/fct_segment_drift.sql", first, last, **variables) + " order by as_of_date"
    )


@pytest.mark.parametrize(
    ("shift", "distinct", "missing"), [(1.0, False, 0.0), (1.5, False, 0.1), (1.3, True, 0.0), (0.8, True, 0.3)]
)
def test_the_index_is_as_counted_by_hand(
    connection: duckdb.DuckDBPyConnection, shift: float, distinct: bool, missing: float
) -> None:
    draw = np.random.default_rng(7)

    def values(factor: float, size: int) -> list[float | None]:
        found = draw.lognormal(3, 0.5, size) * factor
        found = np.floor(found / 20) if distinct else np.round(found, 2)
        return [None if draw.random() < missing else float(value) for value in found]

    before, after = values(1, 130), values(shift, 170)
    shop_days(connection, {LAST - DAY: before, LAST: after})
    on_the_first_day, row = drift(connection, LAST - DAY, LAST)
    index, bins = population_stability_index(before, after)
    assert on_the_first_day["psi"] == 0
    assert list(row) == contract("fct_segment_drift")
    assert (row["psi"], row["bins"]) == (pytest.approx(index, abs=2e-6), bins)
    assert (row["baseline_customers"], row["customers"], row["baseline_date"]) == (130, 170, LAST - DAY)
    assert row["mean"] == pytest.approx(np.mean([value for value in after if value is not None]), abs=1e-5)
    noise = 1 / 130 + 1 / 170
    assert row["critical_psi"] == pytest.approx(stats.chi2.isf(0.1, bins - 1) * noise, rel=0.01)
    assert row["p_value"] == pytest.approx(stats.chi2.sf(index / noise, bins - 1), rel=1.1, abs=0.003)
    assert row["is_drifted"] == (index > 0.1 and index > row["critical_psi"])


def test_without_a_change_the_index_is_as_surprising_as_it_says(connection: duckdb.DuckDBPyConnection) -> None:
    """Of 100 days drawn from one distribution about 5 % have a p-value below 0.05, and 50 % one below 0.5."""
    draw = np.random.default_rng(11)
    days = [LAST - 100 * DAY + number * DAY for number in range(101)]
    # Each day is compared with the same baseline, so that is a large one.
    shop_days(connection, {day: draw.normal(100, 20, 2000 if day == days[0] else 150).tolist() for day in days})
    p_values = [row["p_value"] for row in drift(connection, days[0], days[-1])[1:]]
    assert len(p_values) == 100
    assert 0.01 <= np.mean(np.array(p_values) < 0.05) <= 0.1
    assert 0.4 <= np.mean(np.array(p_values) < 0.5) <= 0.6


def test_a_baseline_is_kept_until_the_rules_change(connection: duckdb.DuckDBPyConnection) -> None:
    shop_days(connection, {LAST - DAY: [1.0] * 60, LAST: [2.0] * 60})
    before = compiled("history/drift_baselines.sql", LAST - DAY, LAST - DAY)
    connection.execute(f"create table kept as {before}")
    again = compiled("history/drift_baselines.sql", LAST, LAST, incremental=True)
    assert records(connection, again) == []
    connection.execute(f"update segmentation_days set rule_version = 'v2' where as_of_date = date '{LAST}'")
    fresh = records(connection, again)
    assert {(row["rule_version"], row["baseline_date"], row["baseline_mean"]) for row in fresh} == {("v2", LAST, 2.0)}
    assert sum(row["customers"] for row in fresh) == 60


def test_a_day_can_be_set_as_the_baseline(connection: duckdb.DuckDBPyConnection) -> None:
    days = [LAST - 2 * DAY, LAST - DAY, LAST]
    shop_days(connection, {day: [float(number)] * 60 for number, day in enumerate(days)})
    sql = compiled("history/drift_baselines.sql", days[0], days[2], drift_baseline_date=str(days[1]))
    connection.execute(f"create table drift_baselines as {sql}")
    rows = records(connection, compiled("marts/alerts/fct_segment_drift.sql", days[0], days[2]) + " order by 1")
    assert [(row["as_of_date"], row["baseline_date"]) for row in rows if row["bins"] > 1] == [(LAST, days[1])]


@pytest.mark.parametrize(("history_start", "found"), [(LAST - DAY, {LAST - DAY, LAST}), (LAST, {LAST})])
def test_the_day_may_lie_before_the_run_but_not_before_the_history(
    connection: duckdb.DuckDBPyConnection, history_start: date, found: set[date]
) -> None:
    shop_days(connection, {LAST - DAY: [1.0] * 60, LAST: [2.0] * 70})
    variables = {"drift_baseline_date": str(LAST - DAY), "history_start": str(history_start)}
    sql = compiled("history/drift_baselines.sql", LAST, LAST, **variables)
    connection.execute(f"create table kept as {sql}")
    bins = records(connection, "from kept where customers > 0")
    assert {row["baseline_date"] for row in bins} == found
    assert all(row["customers"] == (70 if row["baseline_mean"] == 2.0 else 60) for row in bins)
    again = compiled("history/drift_baselines.sql", LAST, LAST, incremental=True, **variables)
    assert records(connection, again) == []


def test_the_day_may_be_one_whose_features_are_in_the_history_only(connection: duckdb.DuckDBPyConnection) -> None:
    """Set long after it had passed, it was no baseline: a run holds its own days and the one before."""
    day = LAST - 5 * DAY
    shop_days(connection, {day: [1.0] * 60, LAST - DAY: [3.0] * 60, LAST: [2.0] * 70})
    connection.execute("delete from customer_features where as_of_date = ?", [day])
    variables = {"drift_baseline_date": str(day), "history_start": str(day)}
    sql = compiled("history/drift_baselines.sql", LAST, LAST, **variables)
    kept = [row for row in records(connection, sql) if row["baseline_date"] == day and row["customers"]]
    assert [(row["customers"], row["baseline_mean"]) for row in kept] == [(60, 1.0)]


def test_small_segments_have_neither_baseline_nor_index(connection: duckdb.DuckDBPyConnection) -> None:
    shop_days(connection, {LAST: [1.0, 2.0] * 24})
    assert drift(connection, LAST, LAST) == []


# --- Response rates and agreement ------------------------------------------------


def test_a_fall_of_the_response_rate_is_a_test_of_two_proportions(connection: duckdb.DuckDBPyConnection) -> None:
    wait, window = 28, 56
    last_end, before_end = LAST - wait * DAY, LAST - (wait + window) * DAY
    contacts, responses = [], []
    for start, (size, answers) in {before_end: (200, 60), last_end: (150, 24)}.items():
        for number in range(size):
            customer, contacted = len(contacts), start - (number % window) * DAY
            contacts.append((customer, "c", contacted))
            if number < answers:
                responses.append((customer, "c", contacted + wait * DAY))
            elif number < answers + 5:
                # One day too late.
                responses.append((customer, "c", contacted + (wait + 1) * DAY))
    contacts.append((0, "c", last_end + DAY))
    table(connection, "contacts", "customer_id bigint, campaign_id varchar, contact_date date", contacts)
    table(connection, "responses", "customer_id bigint, campaign_id varchar, response_date date", responses)
    shop_days(connection, {LAST: [1.0] * len(contacts)})
    (row,) = records(connection, compiled("marts/alerts/fct_segment_response_rates.sql", LAST, LAST))
    assert list(row) == contract("fct_segment_response_rates")
    assert (row["contacts"], row["responses"], row["contacts_before"], row["responses_before"]) == (150, 24, 200, 60)
    # One-sided: half of what the chi-squared test of the table says, which is two-sided.
    both_sides = stats.chi2_contingency([[24, 126], [60, 140]], correction=False).pvalue
    assert row["p_value_of_fall"] == pytest.approx(both_sides / 2, rel=1e-6)


def test_agreement_with_a_year_ago_and_share_explained(connection: duckdb.DuckDBPyConnection) -> None:
    """The index counts pairs (Hubert and Arabie 1985); its error is what drawing the customers again gives."""
    draw = np.random.default_rng(3)
    then = draw.integers(0, 3, 150)
    now = np.where(draw.random(150) < 0.5, then, draw.integers(0, 3, 150))
    sales = draw.integers(0, 100_000, 150) + now * 20_000
    ago = LAST - 365 * DAY
    spells = [(i, "seg_x", f"s{then[i]}", ago, LAST) for i in range(150)]
    spells += [(i, "seg_x", f"s{now[i]}", LAST, date(9999, 12, 31)) for i in range(150)]
    columns = "customer_id bigint, segmentation varchar, segment varchar, valid_from date, valid_to date"
    table(connection, "fct_segment_spells", columns, spells)
    table(
        connection,
        "segmentation_days",
        "as_of_date date, segmentation varchar, rule_version varchar",
        [(day, "seg_x", "v1") for day in (ago, LAST)],
    )
    measures = [(LAST, i, int(sales[i]) / 100) for i in range(150)]
    table(connection, "customer_measures", "as_of_date date, customer_id bigint, net_sales_365d double", measures)
    (row,) = records(connection, compiled("marts/alerts/fct_segmentation_quality.sql", LAST, LAST))

    def adjusted_rand_index(one: np.ndarray, other: np.ndarray) -> float:
        pairs = [(one[i] == one[j], other[i] == other[j]) for i, j in combinations(range(len(one)), 2)]
        both, first, second = sum(a and b for a, b in pairs), sum(a for a, _ in pairs), sum(b for _, b in pairs)
        chance = first * second / len(pairs)
        return (both - chance) / ((first + second) / 2 - chance)

    assert list(row) == contract("fct_segmentation_quality")
    assert row["adjusted_rand_index"] == pytest.approx(adjusted_rand_index(now, then), abs=2e-6)
    redrawn = [draw.integers(0, 150, 150) for _ in range(60)]
    spread = np.std([adjusted_rand_index(now[again], then[again]) for again in redrawn])
    assert row["adjusted_rand_index_error"] == pytest.approx(spread, rel=0.35)
    groups = [sales[now == group] for group in range(3)]
    within = sum(((group - group.mean()) ** 2).sum() for group in groups)
    assert row["share_explained"] == pytest.approx(1 - within / ((sales - sales.mean()) ** 2).sum(), abs=2e-6)


# --- Tests of a day ----------------------------------------------------------------

QUALITY = "as_of_date date, segmentation varchar, customers bigint, share_explained double, " + (
    "adjusted_rand_index double, adjusted_rand_index_error double"
)
DRIFT = "as_of_date date, segmentation varchar, segment varchar, feature varchar, customers bigint, mean double, " + (
    "psi double, critical_psi double, p_value double, is_drifted boolean"
)
RATES = (
    "as_of_date date, segmentation varchar, segment varchar, response_rate double, response_rate_before double, "
    + ("p_value_of_fall double")
)
CLAIMS = "as_of_date date, segmentation varchar, segment varchar, feature varchar, claim varchar, " + (
    "customers bigint, segment_value double, standard_error double, population_value double, holds boolean"
)


def judged(
    connection: duckdb.DuckDBPyConnection,
    sizes: dict[str, Sequence[int]] | None = None,
    drifts: Sequence[Sequence[Any]] = (),
    quality: Sequence[Sequence[Any]] = (),
    rates: Sequence[Sequence[Any]] = (),
    claims: Sequence[Sequence[Any]] = (),
) -> list[dict[str, Any]]:
    """The tests of the last day; sizes are by segment and end with that day."""
    rows = [
        (LAST - (len(days) - 1 - number) * DAY, "seg_x", segment, size)
        for segment, days in (sizes or {}).items()
        for number, size in enumerate(days)
    ]
    columns = "as_of_date date, segmentation varchar, segment varchar, customers bigint"
    table(connection, "fct_segment_daily", columns, rows)
    table(connection, "fct_segment_drift", DRIFT, drifts)
    table(connection, "fct_segmentation_quality", QUALITY, quality)
    table(connection, "fct_segment_response_rates", RATES, rates)
    table(connection, "fct_persona_daily", CLAIMS, claims)
    tests = compiled("marts/alerts/fct_alert_tests.sql", LAST, LAST)
    return records(connection, f"from ({tests}) order by kind, segment")


def robust_score(days: Sequence[int]) -> tuple[float, float, float]:
    """Expected size, score of the last day and score of its step, by the definition."""
    deviations = []
    for number in range(21, len(days)):
        usual = max(float(np.median([days[number - 7], days[number - 14], days[number - 21]])), 1)
        deviations.append((days[number] / usual - 1, usual))
    found = [deviation for deviation, _ in deviations]
    steps = [after - before for before, after in pairwise(found)]

    def score(values: list[float]) -> tuple[float, float]:
        before = values[-78:-1]
        middle = float(np.median(before))
        median_absolute = float(np.median([abs(each - middle) for each in before]))
        mean_absolute = float(np.mean([abs(each - middle) for each in before]))
        scale = median_absolute / 0.6745 if median_absolute else 1.253314 * mean_absolute
        return middle, (values[-1] - middle) / max(scale, 0.01, 1 / max(days[-1], 1))

    middle, score_of_day = score(found)
    return deviations[-1][1] * (1 + middle), score_of_day, score(steps)[1]


def noisy(seed: int, level: float, noise: float, growth: float = 0.0, days: int = 99) -> list[int]:
    draw = np.random.default_rng(seed)
    weekly = np.array([1, 1.1, 0.9, 1, 1.05, 0.95, 1.2])
    return [
        round(level * (1 + growth) ** (day / 7) * weekly[day % 7] * (1 + noise * draw.normal())) for day in range(days)
    ]


@pytest.mark.parametrize(
    "days",
    [
        noisy(1, 1000, 0.01),
        [*noisy(2, 1000, 0.01)[:-1], 1400],
        noisy(3, 300, 0.02, growth=0.02),
        [*[500] * 95, 510, 500, 500, 600],  # the median absolute deviation is 0, the mean is not
        [*[174] * 98, 209],  # it never moved, and now by a fifth
        [*[174] * 98, 174],
    ],
)
def test_sizes_are_judged_by_the_robust_score(connection: duckdb.DuckDBPyConnection, days: list[int]) -> None:
    (row,) = judged(connection, {"big": days})
    expected, score, step_score = robust_score(days)
    assert list(row) == contract("fct_alert_tests")
    assert (row["observed"], row["expected"]) == (days[-1], pytest.approx(expected, abs=1e-5))
    assert row["score"] == pytest.approx(score, abs=6e-4)
    assert row["step_score"] == pytest.approx(step_score, abs=6e-4)
    # The smaller one, twice. Far out, where nothing hangs on it any more, the approximation of Student's t is coarser.
    p_value = min(2 * stats.t.sf(abs(score), 10), 2 * stats.t.sf(abs(step_score), 20))
    assert row["p_value"] == pytest.approx(min(2 * p_value, 1), rel=0.12, abs=1e-8)
    assert row["is_alert"] == (days[-1] in (1400, 600, 209))


def test_steady_growth_is_no_alert_and_a_fifth_more_is_one(connection: duckdb.DuckDBPyConnection) -> None:
    growing = noisy(5, 400, 0.005, growth=0.05)
    assert not judged(connection, {"big": growing})[0]["is_alert"]
    assert judged(connection, {"big": [*growing[:-1], round(growing[-1] * 1.2)]})[0]["is_alert"]


def test_a_jump_is_seen_in_a_segment_that_swings_slowly(connection: duckdb.DuckDBPyConnection) -> None:
    """Such as coupon_users of the demo: 20 % is no unusual deviation from three weeks ago, but an unusual step."""
    swinging = [round(500 * (1 + 0.15 * math.sin(day / 12))) for day in range(99)]
    (row,) = judged(connection, {"big": swinging})
    assert not row["is_alert"]
    (row,) = judged(connection, {"big": [*swinging[:-1], round(swinging[-1] * 1.2)]})
    assert abs(row["score"]) < 3.5 < row["step_score"]
    assert row["is_alert"]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    "usual",
    [
        noisy(7, 20_000, 0.01),
        noisy(8, 20_000, 0.05),
        noisy(9, 60_000, 0.1, growth=0.02),
        [round(50_000 * (1 + 0.15 * math.sin(day / 12))) for day in range(99)],
        [20_000] * 99,
    ],
)
def test_what_could_have_been_seen_is_seen_and_less_is_not(
    connection: duckdb.DuckDBPyConnection, usual: list[int], sign: int
) -> None:
    """The day before is as expected, the last day is off by a little more, or less, than is said to be detectable."""
    others = {f"s{number}": noisy(number, 1000, 0.01) for number in range(20)}
    days = list(usual)
    for until in (-1, None):
        expected = judged_big(connection, days[:until], others)["expected"]
        days[:until] = [*days[:until][:-1], round(expected)]
    before = judged_big(connection, days, others)
    assert before["score"] == pytest.approx(0, abs=0.01)
    for part in (1.03, 0.97):
        days[-1] = round(before["expected"] * (1 + sign * part * before["detectable_change"]))
        assert judged_big(connection, days, others)["is_alert"] == (part > 1)


@pytest.mark.parametrize(("kind", "sign"), [("level", 1), ("level", -1), ("share_explained", -1)])
def test_what_could_have_been_seen_of_means_and_shares_is_seen_too(
    connection: duckdb.DuckDBPyConnection, kind: str, sign: int
) -> None:
    """It swings around one half, and is one half on the last two days and three weeks before."""
    usual = [size / 20_000 for size in noisy(10, 10_000, 0.06)]
    for back in (1, 2, 8, 9, 15, 16, 22, 23):
        usual[-back] = 0.5

    # Of so many tests the p-value decides, not the least score.
    others = [(LAST, "seg_x", f"s{n:03}", FEATURE, "above", 400, 51, 1, 50, True) for n in range(300)]

    def judge(last: float) -> dict[str, Any]:
        values = [*usual[:-1], last]
        days = [(LAST - (len(values) - 1 - number) * DAY, value) for number, value in enumerate(values)]
        if kind == "level":
            drifts = [(day, "seg_x", "big", FEATURE, 100, value, 0, 1, 0.9, False) for day, value in days]
            found = judged(connection, drifts=drifts, claims=others)
        else:
            quality = [(day, "seg_x", 1000, value, None, None) for day, value in days]
            found = judged(connection, quality=quality, claims=others)
        (row,) = [row for row in found if row["kind"] == kind]
        return row

    before = judge(0.5)
    assert before["step_score"] == pytest.approx(0, abs=0.3)
    for part in (1.03, 0.97):
        row = judge(before["expected"] * (1 + sign * part * before["detectable_change"]))
        assert row["is_alert"] == (part > 1), row


def test_a_segment_that_was_empty_does_not_say_what_would_have_been_seen(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """The report once said that it took inf%."""
    (row,) = judged(connection, {"fresh": [*[0] * 98, 60]})
    assert (row["expected"], row["detectable_change"]) == (0, None)


def judged_big(connection: duckdb.DuckDBPyConnection, days: list[int], others: dict[str, list[int]]) -> dict[str, Any]:
    found = judged(connection, {"big": days} | {name: sizes[-len(days) :] for name, sizes in others.items()})
    (row,) = [row for row in found if row["segment"] == "big"]
    return row


def test_the_step_back_from_a_single_odd_day_is_no_alert(connection: duckdb.DuckDBPyConnection) -> None:
    usual = noisy(6, 1000, 0.01)
    days = [*usual[:-2], round(usual[-2] * 0.8), usual[-1]]
    (row,) = judged(connection, {"big": days})
    assert abs(row["score"]) < 1 < 9 < row["step_score"]
    assert not row["is_alert"]


def test_small_segments_and_short_histories_are_not_judged(connection: duckdb.DuckDBPyConnection) -> None:
    assert judged(connection, {"big": [*[40] * 98, 49], "rest": [1000] * 60}) == []


def test_false_discoveries_are_held_as_scipy_does(connection: duckdb.DuckDBPyConnection) -> None:
    """Among all tests of the day, and among those of the kind; the greater counts."""
    draw = np.random.default_rng(4)
    drifted = [float(p) for p in np.concatenate([draw.random(30) ** 8, draw.random(20)])]
    fell = [float(p) for p in draw.random(12) ** 2]
    drifts = [(LAST, "seg_x", f"s{n:02}", FEATURE, 100, None, 0.2, 0.1, p, True) for n, p in enumerate(drifted)]
    rates = [(LAST, "seg_x", f"s{n:02}", 0.1, 0.2, p) for n, p in enumerate(fell)]
    rows = judged(connection, drifts=drifts, rates=rates)
    of_all = stats.false_discovery_control(drifted + fell)
    of_kinds = np.concatenate([stats.false_discovery_control(drifted), stats.false_discovery_control(fell)])
    assert [row["adjusted_p_value"] for row in rows] == pytest.approx(np.maximum(of_all, of_kinds))
    assert {row["tests"] for row in rows} == {62}
    assert [row["is_alert"] for row in rows] == [row["adjusted_p_value"] <= 0.1 for row in rows]
    assert 0 < sum(row["is_alert"] for row in rows) < 62


def test_what_is_certain_but_slight_is_no_alert(connection: duckdb.DuckDBPyConnection) -> None:
    drifts = [(LAST, "seg_x", "big", FEATURE, 100, None, 0.05, 0.01, 1e-9, False)]
    # Nothing is a fall from nothing, and by how much it changed there is no saying: it once was infinite.
    rates = [(LAST, "seg_x", "big", 0.19, 0.2, 1e-9), (LAST, "seg_x", "small", 0.1, 0.0, 0.9)]
    rows = judged(connection, drifts=drifts, rates=rates)
    assert [row["is_alert"] for row in rows] == [False, False, False]
    assert [row["score"] for row in rows] == [5, -0.05, None]


def test_an_outgrown_segmentation_and_a_broken_claim(connection: duckdb.DuckDBPyConnection) -> None:
    quality = [(LAST, "seg_x", 1000, 0.3, 0.1, 0.02)]
    claims = [
        (LAST, "seg_x", "big", FEATURE, "above", 400, 45.0, 1.0, 50.0, False),
        (LAST, "seg_x", "few", FEATURE, "above", 49, 45.0, 1.0, 50.0, False),
        (LAST, "seg_x", "half", "age_band", "mostly", 400, 0.6, 0.02, 0.1, True),
        (LAST, "seg_x", "low", FEATURE, "below", 400, 51.0, 0.5, 50.0, False),
        (LAST, "seg_x", "none", FEATURE, "below", 0, None, None, 50.0, None),
    ]
    outgrown, *personas = judged(connection, quality=quality, claims=claims)
    assert (outgrown["kind"], outgrown["is_alert"], outgrown["score"]) == ("outgrown", True, pytest.approx(5))
    assert outgrown["p_value"] == pytest.approx(stats.norm.sf(5), rel=1e-6)
    assert {row["kind"] for row in personas} == {"persona"}
    told = {row["segment"]: (row["observed"], row["expected"], row["score"], row["is_alert"]) for row in personas}
    assert told == {
        "big": (45, 50, 5, True),
        # Half is what most must be more than.
        "half": (0.6, 0.5, -5, False),
        # Two standard errors, adjusted for four tests.
        "low": (51, 50, 2, True),
    }
    assert personas[0]["p_value"] == pytest.approx(stats.norm.sf(5), rel=1e-6)


# --- The life of an alert ------------------------------------------------------------


TESTS = (
    "as_of_date date, kind varchar, segmentation varchar, segment varchar, feature varchar, observed double, "
    "expected double, score double, step_score double, p_value double, adjusted_p_value double, is_alert boolean"
)


def alerts_on(
    connection: duckdb.DuckDBPyConnection, held: str, acknowledged: Sequence[Sequence[Any]] = (), **variables: Any
) -> list[dict[str, Any]]:
    """The alerts after days on which the test held (x), did not (.) or was not made ( ), of one segment's sizes."""
    first = date(2024, 1, 1)
    rows = [
        (first + n * DAY, "size", "seg_x", "big", "customers", 100.0 + n, 90.0, 4.0, 1.0, 0.001, 0.01, mark == "x")
        for n, mark in enumerate(held)
        if mark != " "
    ]
    table(connection, "fct_alert_tests", TESTS, rows)
    columns = "segmentation varchar, segment varchar, owner varchar, is_current boolean"
    table(connection, "dim_segments", columns, [("seg_x", "big", "big@example.com", True)])
    columns = "segmentation varchar, owner varchar, is_current boolean"
    table(connection, "dim_segmentations", columns, [("seg_x", "a@example.com", True)])
    columns = "alert_id varchar, acknowledged_by varchar, note varchar, acknowledged_at timestamp"
    table(connection, "alert_acknowledgements", columns, acknowledged)
    day = first + (len(held) - 1) * DAY
    return records(connection, compiled("marts/alerts/fct_alerts.sql", day, day, **variables) + " order by first_day")


def test_an_alert_opens_once_stays_is_acknowledged_resolves_and_comes_back_as_another(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    assert alerts_on(connection, "...") == []
    (opened,) = alerts_on(connection, "...x")
    assert list(opened) == contract("fct_alerts")
    assert (opened["state"], opened["first_day"], opened["owner"]) == ("open", date(2024, 1, 4), "big@example.com")
    assert (opened["observed"], opened["expected"], opened["runbook"]) == (103.0, 90.0, "docs/operations.md#size")
    # Six days without it do not end it, and it stays one row with its id and the numbers of its last day.
    (going_on,) = alerts_on(connection, "...x......x")
    assert going_on["alert_id"] == opened["alert_id"]
    assert (going_on["state"], going_on["days"], going_on["observed"]) == ("open", 2, 110.0)
    seen = [(opened["alert_id"], "Kim", "known", datetime(2024, 1, 5)), ("other", "Jo", None, datetime(2024, 1, 6))]
    (acknowledged,) = alerts_on(connection, "...x......x", seen)
    assert (acknowledged["state"], acknowledged["acknowledged_by"]) == ("acknowledged", "Kim")
    # Who acknowledges it again without a word once got the note of who had before.
    again = [*seen, (opened["alert_id"], "Ann", None, datetime(2024, 1, 7))]
    (acknowledged,) = alerts_on(connection, "...x......x", again)
    assert (acknowledged["acknowledged_by"], acknowledged["note"]) == ("Ann", None)
    # The seventh does.
    (resolved,) = alerts_on(connection, "...x......x.......", seen)
    assert (resolved["state"], resolved["resolved_on"]) == ("resolved", date(2024, 1, 18))
    first, second = alerts_on(connection, "...x......x........x", seen)
    assert (first["state"], second["state"]) == ("resolved", "open")
    assert second["alert_id"] != first["alert_id"]
    assert second["first_day"] == date(2024, 1, 20)


def test_an_alert_of_what_is_not_judged_any_more_ends_after_eight_weeks(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """Campaigns stop, and with them the tests of response rates: their last alerts once stayed open for ever."""
    (going_on,) = alerts_on(connection, "x.." + 54 * " ")
    assert (going_on["state"], going_on["resolved_on"]) == ("open", None)
    end = date(2024, 1, 1) + 57 * DAY
    # The same day however much later one looks, and whether anything is judged again.
    for after in (" ", 200 * " ", 9 * " " + 20 * "."):
        (ended,) = alerts_on(connection, "x.." + 54 * " " + after)
        assert (ended["state"], ended["resolved_on"]) == ("resolved", end), after
    # Judged days end it earlier, where there are enough.
    (ended,) = alerts_on(connection, "x" + 20 * " " + 7 * "." + 60 * " ")
    assert ended["resolved_on"] == date(2024, 1, 1) + 27 * DAY
    # Found after eight weeks it goes on, after that it is another one, which leaves the first one as it was.
    (going_on,) = alerts_on(connection, "x" + 55 * " " + "x")
    assert (going_on["state"], going_on["days"]) == ("open", 2)
    first, second = alerts_on(connection, "x" + 56 * " " + "x")
    assert (first["state"], first["resolved_on"], second["state"]) == ("resolved", end, "open")


def test_an_alert_of_what_is_judged_on_mondays_waits_for_as_many_of_them(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    every_fortnight = {"drift_every_days": 14, "alert_resolve_days": 5}
    mondays = "".join(13 * " " + mark for mark in ".....")
    (going_on,) = alerts_on(connection, "x" + mondays[:-1], **every_fortnight)
    assert going_on["state"] == "open"
    (ended,) = alerts_on(connection, "x" + mondays, **every_fortnight)
    assert ended["resolved_on"] == date(2024, 1, 1) + 70 * DAY
    (ended,) = alerts_on(connection, "x" + 80 * " ", **every_fortnight)
    assert ended["resolved_on"] == date(2024, 1, 1) + 71 * DAY


def after(path: str, last: date, kept_days: int | None) -> str:
    """What a model does after a run that ends on a day, by its own post-hook."""
    hook = re.search(r'post_hook="(.*)"', (ROOT / "models" / path).read_text())
    assert hook
    known = macros(variables={"last_date": str(last), "tests_kept_days": kept_days}, this=Path(path).stem)
    return jinja2.Template(hook[1]).render(**vars(known))


@pytest.mark.parametrize("path", ["marts/alerts/fct_segment_drift.sql", "marts/profiles/fct_persona_daily.sql"])
def test_what_alerts_are_made_of_is_kept_for_so_many_days(connection: duckdb.DuckDBPyConnection, path: str) -> None:
    days = [LAST - back * DAY for back in (31, 30, 29, 0)]
    table(connection, Path(path).stem, "as_of_date date", [(day,) for day in days])
    assert after(path, LAST, None) == ""
    connection.execute(after(path, LAST, 30))
    assert connection.sql(f"from {Path(path).stem} order by as_of_date").fetchall() == [(day,) for day in days[1:]]


@pytest.mark.parametrize("days_of_a_run", [9, 50])
def test_alerts_outlive_the_tests_that_are_forgotten(connection: duckdb.DuckDBPyConnection, days_of_a_run: int) -> None:
    """An alert is resolved by the days on which its kind was judged: these are known although their tests are gone."""
    draw = np.random.default_rng(days_of_a_run)
    kept, days = 30, 120
    names = ("big", "rest")
    # Two kinds, of which one pauses for days, and two segments.
    marks = [
        (LAST - back * DAY, kind, segment, bool(draw.random() < 0.1))
        for back in reversed(range(days))
        for kind, rate in (("size", 0.9), ("level", 0.3))
        if draw.random() < rate
        for segment in names
    ]
    table(connection, "dim_segments", "segmentation varchar, segment varchar, owner varchar, is_current boolean", [])
    table(connection, "dim_segmentations", "segmentation varchar, owner varchar, is_current boolean", [])
    columns = "alert_id varchar, acknowledged_by varchar, note varchar, acknowledged_at timestamp"
    table(connection, "alert_acknowledgements", columns, [])
    rows = [(day, kind, "seg_x", name, "customers", *[1.0] * 6, found) for day, kind, name, found in marks]
    alerts = compiled("marts/alerts/fct_alerts.sql", LAST, LAST) + " order by alert_id"
    table(connection, "fct_alert_tests", TESTS, rows)
    everything = connection.sql(alerts).fetchall()

    table(connection, "fct_alert_tests", TESTS, [])
    for back in reversed(range(0, days, days_of_a_run)):
        last = LAST - back * DAY
        of_the_run = [row for row in rows if last - days_of_a_run * DAY < row[0] <= last]
        if of_the_run:
            connection.executemany(f"insert into fct_alert_tests values ({', '.join(12 * '?')})", of_the_run)
        connection.execute(after("marts/alerts/fct_alert_tests.sql", last, kept))

    oldest = LAST - kept * DAY
    found = {(day, kind) for day, kind, _, is_alert in marks if is_alert}
    stays = [
        row
        for row, (day, kind, name, is_alert) in zip(rows, marks, strict=True)
        if day >= oldest or is_alert or ((day, kind) not in found and name == names[0])
    ]
    order = " order by as_of_date, kind, segment"
    assert connection.sql(f"from fct_alert_tests {order}").fetchall() == sorted(stays)
    assert len(stays) < len(rows)
    assert connection.sql(alerts).fetchall() == everything
    assert len(everything) > 5


def test_the_alerts_do_not_depend_on_how_many_days_a_run_builds(connection: duckdb.DuckDBPyConnection) -> None:
    """The same tests by days and at once: the log of tests is all that alerts derive from."""
    marks = [*noisy(8, 500, 0.01, days=110)[:-6], 650, 660, 655, 500, 640, 650]
    at_once = None
    for windows in ([(5, 0)], [(5, 3), (2, 2), (1, 0)]):
        found = []
        for back, until in windows:
            judged(connection, {"big": marks})
            sql = compiled("marts/alerts/fct_alert_tests.sql", LAST - back * DAY, LAST - until * DAY)
            found += connection.sql(f"from ({sql}) order by as_of_date").fetchall()
        at_once = at_once or found
        assert found == at_once
    assert len(at_once) == 6


# --- What owners are told --------------------------------------------------------------


class Receiver:
    """A local HTTP server that keeps what Apprise's json:// service posts."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver.status == 200:
                    receiver.received.append(json.loads(body) | {"path": self.path})
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path: str) -> str:
        return f"json://127.0.0.1:{self.server.server_port}/{path}"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    release = tmp_path / "serving" / "releases" / "2024-06-30-run"
    release.mkdir(parents=True)
    (tmp_path / "serving" / "current").symlink_to(release)
    return Project(warehouse=tmp_path / "tessera.duckdb", serving=tmp_path / "serving")


def release_with(project: Project, *alerts: tuple[str, str, str]) -> Path:
    """The release of a project with alerts given as (id, state, owner)."""
    release = project.serving / "releases" / "2024-06-30-run"
    with duckdb.connect(str(release / "tessera.duckdb")) as connection:
        connection.execute("create schema if not exists marts")
        columns = "alert_id varchar, kind varchar, segmentation varchar, segment varchar, feature varchar, "
        columns += "observed double, expected double, first_day date, state varchar, owner varchar, runbook varchar, "
        columns += "adjusted_p_value double"
        runbook = "docs/operations.md#size"
        rows = [(a, "size", "seg_x", "big", "customers", 120.0, 100.0, LAST, s, o, runbook, 0.01) for a, s, o in alerts]
        table(connection, "marts.fct_alerts", columns, rows)
    return release


def test_each_owner_gets_one_digest_of_what_is_new_and_nothing_twice(
    project: Project, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "TESSERA_NOTIFY", yaml.safe_dump({"kim@x.org": receiver.url("kim"), "default": receiver.url("all")})
    )
    said: list[str] = []
    release = release_with(
        project, ("a1", "open", "kim@x.org"), ("a2", "open", "kim@x.org"), ("b1", "open", "jo@x.org"),
        ("c1", "resolved", "jo@x.org"), ("d1", "acknowledged", "jo@x.org"),
    )  # fmt: skip
    assert notify(project, release, "run1", said.append) == 2
    to_all, to_kim = sorted(receiver.received, key=lambda message: message["path"])
    assert (to_all["path"], to_kim["path"]) == ("/all", "/kim")
    assert "2 new alerts, 0 over, for kim@x.org" in to_kim["title"]
    assert "a1" in to_kim["message"]
    assert "docs/operations.md#size" in to_kim["message"]
    # What ended before anybody was told of it is no news, nor is what somebody acknowledged.
    assert "b1" in to_all["message"]
    assert not {"a1", "c1", "d1"} & set(to_all["message"].replace("[", " ").replace("]", " ").split())
    assert notify(project, release, "run2", said.append) == 0
    release_with(project, ("a1", "resolved", "kim@x.org"), ("a2", "open", "kim@x.org"), ("b1", "open", "jo@x.org"))
    assert notify(project, release, "run3", said.append) == 1
    assert "0 new alerts, 1 over" in receiver.received[-1]["title"]
    assert notify(project, release, "run4", said.append) == 0
    assert (len(receiver.received), said) == (3, [])


def test_a_digest_that_could_not_be_sent_is_a_warning_and_sent_later(
    project: Project, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESSERA_NOTIFY", receiver.url("secret-token"))
    release = release_with(project, ("a1", "open", "kim@x.org"))
    receiver.status = 500
    said: list[str] = []
    assert notify(project, release, "run1", said.append) == 0
    assert len(said) == 1
    assert said[0].startswith("warning: the digest of alerts for kim@x.org could not be sent")
    assert "secret-token" not in said[0]
    receiver.status = 200
    assert notify(project, release, "run2", said.append) == 1
    assert len(receiver.received) == 1


@pytest.mark.parametrize("text", ["{a: [", "[1, 2]", "{a: {b: c}}", "nonsense://x"])
def test_settings_that_are_wrong_never_stop_a_run(project: Project, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("TESSERA_NOTIFY", text)
    said: list[str] = []
    assert notify(project, release_with(project, ("a1", "open", "kim@x.org")), "run1", said.append) == 0
    assert len(said) == 1
    assert said[0].startswith("warning: ")


def test_a_digest_counts_what_it_does_not_spell_out() -> None:
    alerts = [
        Alert(f"id{n}", "size", "seg_x", "big", "customers", 1.0, 2.0, LAST, "open", "o", "docs") for n in range(50)
    ]
    _, text = digest("o", [(alert, "opened") for alert in alerts], "2024-06-30")
    assert text.count("\n") == MOST_ALERTS + 1
    assert text.endswith(f"and {50 - MOST_ALERTS} more, see the mart fct_alerts")


def test_an_alert_that_goes_on_can_be_acknowledged(project: Project) -> None:
    release_with(project, ("a1", "open", "kim@x.org"), ("c1", "resolved", "jo@x.org"))
    assert listed(project).endswith("1 open alert.")
    assert acknowledge(project, "a1", "Kim", "a campaign").startswith("Acknowledged a1 by Kim")
    with duckdb.connect(str(project.warehouse), read_only=True) as connection:
        found = connection.table("operations.alert_acknowledgements").select("alert_id, acknowledged_by, note")
        assert found.fetchall() == [("a1", "Kim", "a campaign")]
    with pytest.raises(RunStopped, match="is over already"):
        acknowledge(project, "c1", "Kim")
    with pytest.raises(RunStopped, match="has no alert 'zz'"):
        acknowledge(project, "zz", "Kim")
