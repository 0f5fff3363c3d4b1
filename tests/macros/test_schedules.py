"""History under any schedule of runs: random rules and populations, the models' own SQL, against the oracle.

No dbt, so that hundreds of runs take seconds. What the oracle says of features and segments is tested through dbt in
tests/python/test_oracle.py; here features are given, and only what runs make of them day after day is in question.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from flows.rules.macros import macros
from flows.steps.project import ROOT
from tests.python.decided import decided
from tests.python.oracle import ONE_DAY, Features, History, PublishedDay, Segmentation, days_between, segments_of_day

START = date(2023, 12, 27)
FEATURES = {"orders_30d": "bigint", "net_sales_30d": "double", "days_since_last_order": "bigint", "age_band": "varchar"}
REF = re.compile(r"ref\('(\w+)'\)")
HOOK = re.compile(r"\{\{ (\w+)\((.*)\) \}\}")
BANDS = (None, "19-24", "65+")
# The tables that the oracle speaks for; they and the models that they read are built by every run, but for these.
CHECKED = (
    "raw_segment_entries",
    "segment_entries",
    "fct_segment_spells",
    "fct_segment_daily",
    "fct_segment_migrations",
)
GIVEN = ("customer_features", "customer_measures", "rule_cut_points", "score_cut_points", "dim_segments")


# --- Random rules, populations and schedules ---------------------------------


def make_clause(random: Random) -> str:
    return random.choice(
        (
            f"orders_30d {random.choice(('<', '<=', '=', '!=', '>', '>='))} {random.randint(0, 4)}",
            f"orders_30d not in ({random.randint(0, 1)}, {random.randint(2, 4)})",
            f"net_sales_30d between {random.randint(0, 10)} and {random.randint(10, 40)}",
            f"days_since_last_order > {random.randint(0, 9)}",
            "days_since_last_order is null",
            f"age_band = '{random.choice(BANDS[1:])}'",
        )
    )


def make_rule(random: Random, depth: int = 2) -> Any:
    kind = random.choice(("clause", "clause", "all", "any", "not")) if depth else "clause"
    if kind == "clause":
        return make_clause(random)
    if kind == "not":
        return {"not": make_rule(random, depth - 1)}
    return {kind: [make_rule(random, depth - 1) for _ in range(random.randint(1, 3))]}


def make_rules(random: Random) -> dict[str, Any]:
    """A segmentation as its YAML has it; at times a move into a segment counts at once."""
    names = ["a", "b", "c", "d"][: random.randint(1, 4)]
    segments = [{"name": name, "description": "-", "rule": make_rule(random)} for name in names]
    for segment in segments:
        if random.random() < 0.2:
            segment["immediate"] = True
    segments.append({"name": "rest", "description": "-"})
    return {"owner": "a@example.com", "confirm_days": random.choice((1, 2, 3, 3, 5, 9)), "segments": segments}


def make_features(random: Random, customers: int, last: date) -> dict[date, Features]:
    """Who is known on every day and how they fare; they come, go, and come back."""
    features: dict[date, Features] = {day: {} for day in days_between(START, last)}
    for customer_id in range(1, customers + 1):
        known = random.random() < 0.7
        stays, joins = random.choice(((0.99, 0.05), (0.9, 0.3), (1.0, 0.1)))
        orders = random.randint(0, 4)
        for of_day in features.values():
            known = random.random() < (stays if known else joins)
            # Most days are like the day before, so that some moves are confirmed and some are not.
            orders = orders if random.random() < 0.75 else random.randint(0, 4)
            if known:
                of_day[customer_id] = {
                    "customer_id": customer_id,
                    "orders_30d": orders,
                    "net_sales_30d": Fraction(orders * 7),
                    "days_since_last_order": None if orders == 0 else 12 - 3 * orders,
                    "age_band": BANDS[customer_id % len(BANDS)],
                }
    return features


def make_schedule(random: Random, last: date) -> list[tuple[date, date]]:
    """Runs that together build every day: one day each, in chunks or all at once; some do earlier days again."""
    longest = random.choice((1, 1, 3, 10, 99))
    expected, windows = START, []
    while expected <= last:
        again = random.choice((0, 0, 0, 0, 1, 2, 7, 99)) if windows else 0
        first = max(expected - again * ONE_DAY, START)
        # Whoever does an old day again does the days after it again too, in this run or in the next ones.
        end = min(first + (random.randint(1, longest) - 1 + random.choice((0, again))) * ONE_DAY, last)
        windows.append((first, end))
        expected = end + ONE_DAY
        if len(windows) > 25:
            windows.append((expected, last))
            break
    return [window for window in windows if window[0] <= window[1]]


# --- The models --------------------------------------------------------------


@dataclass(frozen=True)
class Relation:
    """A table as dbt hands it to macros."""

    identifier: str

    def incorporate(self, path: dict[str, str]) -> "Relation":
        return Relation(**path)

    def __str__(self) -> str:
        return self.identifier


def models_in_order(wanted: Iterable[str], segmentations: Iterable[str]) -> list[str]:
    """The files of models and of what they read, each after what it reads; without tables that are given."""
    files = {path.stem: path for path in (ROOT / "models").rglob("*.sql")}
    ordered: dict[str, None] = {}

    def add(name: str) -> None:
        if name in (*GIVEN, *segmentations, *ordered):
            return
        for read in REF.findall(files[name].read_text()):
            add(read)
        ordered[name] = None

    for name in wanted:
        add(name)
    return [str(files[name].relative_to(ROOT / "models")) for name in ordered]


class Runs:
    """The models of the history on a database in memory, built run by run as dbt builds them, hooks included."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, segmentations: dict[str, Any]) -> None:
        self.connection = connection
        self.this = ""
        self.was_there = False
        self.environment: dict[str, str] = {}
        self.settings: dict[str, Any] = {}
        self.models = models_in_order(CHECKED, segmentations)
        self.known = macros(
            models=segmentations,
            relation=Relation,
            config=self.configure,
            env_var=lambda name, default=None: self.environment.get(name, default),
            is_incremental=lambda: self.was_there,
            this=self,
            adapter={"quote": lambda name: f'"{name}"'},
            dbt=SimpleNamespace(
                type_string=lambda: "varchar",
                listagg=lambda what, separator, order: f"string_agg({what}, {separator} {order})",
                date_trunc=lambda part, day: f"date_trunc('{part}', {day})",
                last_day=lambda day, _part: f"last_day({day})",
                date_spine=lambda _part, first, end: (
                    f"select unnest(generate_series({first}, {end} - interval 1 day, interval 1 day)) as date_day"
                ),
            ),
        )
        columns = ", ".join(f"{name} {kind}" for name, kind in FEATURES.items())
        connection.execute(f"create table customer_features (as_of_date date, customer_id bigint, {columns})")
        connection.execute("create view customer_measures as from customer_features")
        connection.execute("create table rule_cut_points (as_of_date date)")
        connection.execute("create table score_cut_points (as_of_date date)")
        connection.execute("create table dim_segments (segmentation varchar, segment varchar, is_current boolean)")
        for name, rules in segmentations.items():
            connection.execute(f"create view {name} as {decided(self.known, name)}")
            connection.executemany(
                "insert into dim_segments values (?, ?, true)", [[name, each["name"]] for each in rules["segments"]]
            )

    # --- What dbt gives to a model

    def __str__(self) -> str:
        return self.this

    @property
    def identifier(self) -> str:
        return self.this

    def incorporate(self, path: dict[str, str]) -> Relation:
        return Relation(**path)

    def configure(self, **settings: Any) -> str:
        self.settings = settings
        return ""

    def exists(self, table: str) -> bool:
        return bool(self.connection.sql(f"from duckdb_tables() where table_name = '{table}'"))

    # --- What dbt does with it

    def run_hooks(self, hooks: str | list[str]) -> None:
        """The statements that `{{ macro('argument') }}` gives."""
        for hook in [hooks] if isinstance(hooks, str) else hooks:
            if not isinstance(hook, str):
                # What adds columns that a model has got: no model changes here.
                continue
            called = HOOK.fullmatch(hook)
            assert called, f"{self.this}: the hook {hook} is not the call of a macro"
            macro, arguments = called.groups()
            statement = getattr(self.known, macro)(*re.findall("'([^']*)'", arguments))
            if statement.strip():
                self.connection.execute(statement)

    def build(self, model: str) -> None:
        self.this = Path(model).stem
        self.was_there = self.exists(self.this)
        self.settings = {}
        select = self.known.render(model)
        settings = self.settings
        if settings.get("materialized") == "view":
            self.connection.execute(f"create or replace view {self.this} as {select}")
        elif settings.get("materialized") == "incremental":
            assert settings["incremental_strategy"] == "append"
            self.run_hooks(settings.get("pre_hook", []))
            begin = f"insert into {self.this} by name" if self.was_there else f"create table {self.this} as"
            self.connection.execute(f"{begin} {select}")
            self.run_hooks(settings.get("post_hook", []))
        else:
            self.connection.execute(f"create or replace table {self.this} as {select}")

    def run(self, features: dict[date, Features], first: date, last: date) -> None:
        """Forget the days from first on, and build those up to last."""
        self.environment = {"TESSERA_FIRST_DATE": str(first), "TESSERA_LAST_DATE": str(last)}
        rows = [
            [day, customer_id, *(float(value) if isinstance(value, Fraction) else value for value in values)]
            for day in days_between(first, last)
            for customer_id, row in features[day].items()
            for values in [[row[name] for name in FEATURES]]
        ]
        self.connection.execute("delete from customer_features where as_of_date >= ?", [first])
        if rows:
            marks = ", ".join("?" for _ in rows[0])
            self.connection.executemany(f"insert into customer_features values ({marks})", rows)
        for model in self.models:
            self.build(model)

    def rows(self, table: str, columns: Iterable[str]) -> list[tuple]:
        names = ", ".join(f'"{name}"' for name in columns)
        return self.connection.sql(f"select {names} from {table}").fetchall()


def assert_history(runs: Runs, history: History) -> None:
    """Every row is what the oracle says, and none is missing."""
    for table, expected in {
        "raw_segment_entries": history.raw_moves(),
        "segment_entries": history.confirmed_moves(),
        "fct_segment_spells": history.fct_segment_spells(),
        "fct_segment_daily": history.fct_segment_daily(),
        "fct_segment_migrations": history.fct_segment_migrations(),
    }.items():
        columns = list(expected[0]) if expected else ["*"]
        wanted = sorted(map(comparable, (row.values() for row in expected)))
        found = sorted(map(comparable, runs.rows(table, columns) if expected else runs.connection.sql(f"from {table}")
                           .fetchall()))  # fmt: skip
        if found != wanted:
            missing, superfluous = set(wanted) - set(found), set(found) - set(wanted)
            pytest.fail(
                f"{table} {columns}: missing {sorted(missing)[:5]}, superfluous {sorted(superfluous)[:5]}",
                pytrace=False,
            )


def comparable(row: Iterable[Any]) -> tuple[str, ...]:
    """A row whose amounts are told alike, whatever type they have."""
    return tuple(str(Fraction(value)) if isinstance(value, Decimal | Fraction) else str(value) for value in row)


# --- The property ------------------------------------------------------------


@settings(
    max_examples=6,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(customers=st.integers(1, 12), days=st.integers(1, 30), seed=st.integers(0, 10**6))
def test_any_rules_under_any_schedule_give_the_history_of_one_backfill(customers: int, days: int, seed: int) -> None:
    random = Random(seed)
    last = START + (days - 1) * timedelta(days=1)
    rules = {name: make_rules(random) for name in ("seg_x", "seg_y")}
    features = make_features(random, customers, last)
    schedule = make_schedule(random, last)
    note(f"{rules}\n{schedule}")
    segmentations = [
        Segmentation(
            name,
            each["confirm_days"],
            tuple((segment["name"], segment.get("rule")) for segment in each["segments"]),
            immediate=frozenset(segment["name"] for segment in each["segments"] if segment.get("immediate")),
        )
        for name, each in rules.items()
    ]
    published = {
        day: PublishedDay(of_day, {each.name: segments_of_day(of_day, each) for each in segmentations})
        for day, of_day in features.items()
    }
    whole = History(segmentations, published)
    with duckdb.connect() as connection:
        runs = Runs(connection, rules)
        for first, end in schedule:
            runs.run(features, first, end)
            assert_history(runs, whole.until(end))
    assert schedule[-1][1] == last
