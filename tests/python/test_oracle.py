"""The models against the oracle: random small companies, through dbt and worked out by hand, row for row.

A call of dbt takes seconds, so there are few worlds with many customers each, the same ones in every run.
TESSERA_EXAMPLES=10 takes ten times as many, and other ones each time.
"""

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest
import yaml
from hypothesis import HealthCheck, Phase, example, given, note, settings
from hypothesis import strategies as st

from tests.python.oracle import (
    ONE_DAY,
    Features,
    History,
    PublishedDay,
    Row,
    Segmentation,
    clause_holds,
    features_of_day,
    in_cents,
    median,
    quantile_disc,
    read_segmentations,
)
from tests.python.oracle_worlds import AMENDMENTS, HISTORY_START, Outline, amend, make_facts, write_files

ROOT = Path(__file__).resolve().parents[2]
SEGMENTATIONS = read_segmentations(ROOT)

# The marts that the oracle knows, and the keys of their rows.
MARTS = {
    "fct_customer_features": ["customer_id"],
    "customer_segments": ["segmentation", "customer_id"],
    "dim_customers": ["customer_id"],
    "fct_segment_spells": ["segmentation", "customer_id", "valid_from"],
    "fct_segment_daily": ["segmentation", "segment", "as_of_date"],
    "fct_segment_migrations": ["segmentation", "period", "period_start", "from_segment", "to_segment"],
}

FACTOR = int(os.environ.get("TESSERA_EXAMPLES", "1"))


def examples(number: int) -> settings:
    """Settings of a test that calls dbt: so many examples; a failing one is not made smaller, which takes an hour."""
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
    Outline,
    customers=st.integers(8, 40),
    days=st.integers(40, 120),
    seed=st.integers(0, 10**6),
)


# --- The models --------------------------------------------------------------


@dataclass(frozen=True)
class Models:
    """The project on a warehouse of its own, fed from a folder of CSV files.

    The paths and vars stay the same for all worlds, so that dbt parses the project once.
    """

    folder: Path

    @property
    def warehouse(self) -> Path:
        """The DuckDB file."""
        return self.folder / "tessera.duckdb"

    def forget_everything(self) -> None:
        """Begin with no warehouse."""
        for path in (self.warehouse, self.warehouse.with_suffix(".duckdb.wal")):
            path.unlink(missing_ok=True)

    def run(self, facts: Any, first: date, last: date) -> None:
        """Build the days from first to last on these facts."""
        write_files(facts, self.folder / "files")
        variables = {
            "sources": ["files"],
            "files_folder": str(self.folder / "files"),
            "history_start": str(HISTORY_START),
        }
        command = [sys.executable, "-m", "dbt.cli.main", "--no-use-colors", "build"]
        command += ["--project-dir", str(ROOT), "--profiles-dir", str(ROOT)]
        command += ["--target-path", str(self.folder / "target"), "--log-path", str(self.folder / "logs")]
        command += ["--vars", json.dumps(variables), "--exclude-resource-type", "unit_test", "test"]
        command += ["--select", *(f"+{mart}" for mart in MARTS)]
        environment = os.environ | {
            "TESSERA_WAREHOUSE": str(self.warehouse),
            "TESSERA_FIRST_DATE": str(first),
            "TESSERA_LAST_DATE": str(last),
        }
        # Python's bytecode is worth seconds to dbt.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]

    def rows(self, relation: str) -> list[Row]:
        """The rows of a table or view."""
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            found = connection.sql(f"from {relation}")
            return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models(tmp_path_factory.mktemp("oracle"))


# --- Comparison --------------------------------------------------------------


def same(expected: Any, actual: Any) -> bool:
    """Whether two values are one; a double may differ from the exact value by its rounding."""
    if expected is None or actual is None:
        return expected is actual
    if isinstance(actual, float):
        return math.isclose(expected, actual, rel_tol=1e-12, abs_tol=1e-12)
    if isinstance(actual, Decimal):
        # Marts round to cents, once.
        return in_cents(Fraction(expected)) == Fraction(actual)
    return expected == actual


def differences(expected: Iterable[Row], actual: Iterable[Row], keys: Sequence[str]) -> list[str]:
    """What is missing, superfluous or different in rows, by key, in the columns that the expected rows have."""
    by_key: dict[tuple[Any, ...], Row] = {}
    found = []
    for row in actual:
        key = tuple(row[name] for name in keys)
        if key in by_key:
            found.append(f"{key}: stands twice")
        by_key[key] = row
    for row in expected:
        key = tuple(row[name] for name in keys)
        other = by_key.pop(key, None)
        if other is None:
            found.append(f"{key}: missing, expected {row}")
            continue
        found += [
            f"{key}: {name} is {other[name]!r}, expected {value!r}"
            for name, value in row.items()
            if not same(value, other[name])
        ]
    return found + [f"{key}: superfluous, {row}" for key, row in by_key.items()]


def assert_same(what: str, expected: Iterable[Row], actual: Iterable[Row], keys: Sequence[str]) -> None:
    found = differences(expected, actual, keys)
    if found:
        pytest.fail(f"{what}: {len(found)} differences\n" + "\n".join(sorted(found)[:20]), pytrace=False)


def assert_marts(models: Models, history: History) -> None:
    """Every mart says what the oracle says."""
    for mart, keys in MARTS.items():
        assert_same(mart, getattr(history, mart)(), models.rows(f"marts.{mart}"), keys)


# --- One backfill ------------------------------------------------------------


@examples(1)
@example(Outline(customers=40, days=120, seed=5))
@given(outlines)
def test_a_backfill_gives_the_features_and_segments_of_every_day(models: Models, outline: Outline) -> None:
    facts = make_facts(outline)
    history = History(SEGMENTATIONS)
    history.run(facts, HISTORY_START, outline.last)

    models.forget_everything()
    models.run(facts, HISTORY_START, outline.last)

    features = [row for day in history.days.values() for row in day.features.values()]
    assert_same("customer_features", features, models.rows("features.customer_features"), ["as_of_date", "customer_id"])
    states = [
        {"as_of_date": day, "segmentation": name, "customer_id": customer_id, "segment": segment}
        for day, published in history.days.items()
        for name, segments in published.rules_say.items()
        for customer_id, segment in segments.items()
    ]
    assert_same("segment_states", states, models.rows("history.segment_states"), list(states[0])[:3])
    keys = ["segmentation", "customer_id", "entered_on"]
    assert_same("raw_segment_entries", history.raw_moves(), models.rows("history.raw_segment_entries"), keys)
    assert_same("segment_entries", history.confirmed_moves(), models.rows("history.segment_entries"), keys)
    assert_marts(models, history)


# --- Schedules ---------------------------------------------------------------

Windows = list[tuple[date, date]]


def make_schedule(outline: Outline, random: Random) -> Windows:
    """Two to four runs that together build every day: daily ones, catch-ups, backfills, some days again."""
    windows: Windows = []
    expected = HISTORY_START
    first_length = random.choice((1, 2, outline.days // 3, outline.days // 2, outline.days - 4))
    runs = random.randint(2, 4)
    for number in range(runs):
        # Runs may do the day before again, or more days, or everything.
        again = random.choice((0, 0, 0, 1, 1, 2, 40)) if windows else 0
        first = max(expected - again * ONE_DAY, HISTORY_START)
        length = random.choice((1, 1, 2, 5, 30)) if windows else first_length
        last = outline.last if number == runs - 1 else min(first + (length - 1) * ONE_DAY, outline.last)
        windows.append((first, last))
        # Whoever runs an old day forgets the days after it, which come again.
        expected = last + ONE_DAY
        if expected > outline.last:
            expected = outline.last
    return windows


@examples(1)
@example(Outline(customers=40, days=40, seed=8))
@given(outlines)
def test_any_schedule_of_runs_gives_the_same_history(models: Models, outline: Outline) -> None:
    facts = make_facts(outline)
    schedule = make_schedule(outline, Random(outline.seed))
    note(f"schedule: {schedule}")
    in_one_run = History(SEGMENTATIONS)
    in_one_run.run(facts, HISTORY_START, outline.last)

    models.forget_everything()
    for first, last in schedule:
        models.run(facts, first, last)
        assert_marts(models, in_one_run.until(last))
    assert schedule[-1][1] == outline.last


# --- Late rows ---------------------------------------------------------------


@examples(1)
@given(outlines)
def test_late_rows_leave_published_history_alone_and_count_from_the_next_run_on(
    models: Models, outline: Outline
) -> None:
    random = Random(outline.seed)
    kinds = list(AMENDMENTS)
    random.shuffle(kinds)
    middle = HISTORY_START + (outline.days // 2) * ONE_DAY
    runs = [
        (HISTORY_START, middle, []),
        # The days to come, and then days that are published already, on other facts each time.
        (middle + ONE_DAY, outline.last - ONE_DAY, kinds[::2]),
        (middle - 5 * ONE_DAY, outline.last, kinds[1::2]),
    ]
    facts = make_facts(outline)
    history = History(SEGMENTATIONS)
    models.forget_everything()
    for first, last, amendments in runs:
        note(f"{amendments}, then {first} to {last}")
        for kind in amendments:
            facts = amend(facts, kind, first - ONE_DAY, random)
        history.run(facts, first, last)
        models.run(facts, first, last)
        assert_marts(models, history)


# --- The oracle itself -------------------------------------------------------


def test_the_oracle_knows_every_feature() -> None:
    contract = yaml.safe_load((ROOT / "models" / "features" / "_features.yml").read_text())["models"]
    (columns,) = (model["columns"] for model in contract if model["name"] == "customer_features")
    facts = make_facts(Outline(customers=8, days=40, seed=1))
    row = next(iter(features_of_day(facts, HISTORY_START).values()))
    assert sorted(row) == sorted(column["name"] for column in columns)


def test_the_worlds_reach_every_segment_and_every_kind_of_move() -> None:
    reached, kinds = set(), set()
    for seed in range(3):
        outline = Outline(customers=40, days=60, seed=seed)
        history = History(SEGMENTATIONS)
        history.run(make_facts(outline), HISTORY_START, outline.last)
        moves = history.confirmed_moves()
        reached |= {(move["segmentation"], move["segment"]) for move in moves}
        kinds |= {
            "joined later" for move in moves if not move["previous_segment"] and move["entered_on"] > HISTORY_START
        }
        kinds |= {"left" for move in moves if move["segment"] == "(left)"}
        kinds |= {"moved" for move in moves if move["previous_segment"] and move["segment"] != "(left)"}
        kinds |= {"not confirmed" for _ in range(len(history.raw_moves()) > len(moves))}
    assert kinds == {"joined later", "left", "moved", "not confirmed"}
    assert {(each.name, segment) for each in SEGMENTATIONS for segment, _ in each.segments} <= reached


@pytest.mark.parametrize("kind", AMENDMENTS)
def test_every_amendment_changes_some_feature(kind: str) -> None:
    # Of this world everything is delivered that can be amended.
    facts = make_facts(Outline(customers=40, days=40, seed=13))
    amended = amend(facts, kind, HISTORY_START, Random(1))
    day = HISTORY_START + ONE_DAY
    assert features_of_day(facts, day) != features_of_day(amended, day)


def test_quantile_disc_is_the_smallest_value_with_the_share() -> None:
    assert quantile_disc([10, 20, 30, 40, 50], 20) == 10
    assert quantile_disc([10, 20, 30, 40, 50], 21) == 20
    assert quantile_disc([5, 5, 5, 9], 75) == 5
    assert quantile_disc([5, 5, 5, 9], 76) == 9
    assert quantile_disc([], 50) is None


def test_median_lies_between_the_two_middle_values() -> None:
    assert median([9, 1, 4]) == 4
    assert median([1, 4, 9, 16]) == Fraction(13, 2)
    assert median([]) is None


@pytest.mark.parametrize(
    ("clause", "holds"),
    [
        ("orders_30d >= 2", True),
        ("orders_30d != 2", False),
        ("orders_30d between 2 and 3", True),
        ("orders_30d not in (3, 4)", True),
        ("orders_30d >= p50", False),
        ("orders_30d <= p34", True),
        ("age_band in ('65+', '19-24')", True),
        ("top_category_365d = 'Wein, rot'", True),
        ("top_category_365d in ('bread', 'Wein, rot')", True),
        ("last_order_date > 2024-01-01", False),
        ("last_response_date is null", True),
        ("last_response_date > 2024-01-01", False),
        ("recency_score != 3", False),
        ("age_band is not null", True),
    ],
)
def test_a_clause_holds_or_does_not(clause: str, holds: bool) -> None:
    row: Row = {
        "orders_30d": 2,
        "age_band": "65+",
        "top_category_365d": "Wein, rot",
        "last_order_date": date(2024, 1, 1),
        "last_response_date": None,
        "recency_score": None,
    }
    population: Features = {
        1: row,
        2: row | {"orders_30d": 5},
        3: row | {"orders_30d": 6},
        4: row | {"orders_30d": None},
    }
    assert clause_holds(clause, row, population) is holds


def test_a_move_counts_on_the_last_of_its_days() -> None:
    said = ["a", "b", "b", "a", "b", "b", "b", "c", None, "a", "b"]
    days = {
        HISTORY_START + number * ONE_DAY: PublishedDay({}, {"seg": {1: segment} if segment else {}})
        for number, segment in enumerate(said)
    }
    history = History([Segmentation("seg", 3, ())], days)
    history.settle()
    counts = [history.effective["seg"][day].get(1) for day in days]
    assert counts == ["a", "a", "a", "a", "a", "a", "b", "b", None, "a", "a"]
