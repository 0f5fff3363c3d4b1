"""Models of the history on tables that are there already, which dbt's unit tests cannot stand in for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

import duckdb

from flows.rules.macros import macros

RULES = {
    "owner": "a@example.com",
    "confirm_days": 3,
    "segments": [
        {"name": "champions", "description": "-", "rule": "orders_30d > 5"},
        {"name": "others", "description": "-"},
    ],
}


@dataclass(frozen=True)
class Relation:
    """A table as dbt hands it to macros."""

    identifier: str

    def incorporate(self, path: dict[str, str]) -> "Relation":
        return Relation(**path)

    def __str__(self) -> str:
        return self.identifier


def test_a_segment_that_the_rules_no_longer_have_is_left_at_once() -> None:
    """Customers once waited in it for a confirmation, in a segment that dim_segments had not: no release for days."""
    known = macros(
        models={"seg_x": RULES},
        variables={"first_date": "2024-04-10", "last_date": "2024-04-11"},
        is_incremental=lambda: True,
        this=Relation("kept_entries"),
        relation=Relation,
    )
    with duckdb.connect() as connection:
        connection.execute(
            "create table last_kept_entries as select *, 'seg_x' as segmentation, null as previous_segment, "
            "'v1' as rule_version, cast(0 as bigint) as entry_clauses, cast(0 as bigint) as exit_clauses from (values "
            "(1, date '2024-04-01', 'dropped'), (2, date '2024-04-01', 'dropped'), (3, date '2024-04-01', 'champions'))"
            " as t (customer_id, entered_on, segment)"
        )
        connection.execute(
            "create table raw_segment_entries as select *, 'seg_x' as segmentation, 'v2' as rule_version, "
            "cast(0 as bigint) as held_clauses, cast(0 as bigint) as entry_clauses from (values "
            "(1, date '2024-04-01', 'dropped', null, null), "
            "(1, date '2024-04-10', 'champions', 'dropped', date '2024-04-01'), "
            # What follows has to be confirmed again.
            "(1, date '2024-04-11', 'others', 'champions', date '2024-04-10'), "
            # This move was waiting already when the rules changed.
            "(2, date '2024-04-01', 'dropped', null, null), "
            "(2, date '2024-04-09', 'others', 'dropped', date '2024-04-01'), "
            "(3, date '2024-04-01', 'champions', null, null), "
            "(3, date '2024-04-10', 'others', 'champions', date '2024-04-01')"
            ") as t (customer_id, entered_on, segment, previous_segment, previous_entered_on)"
        )
        connection.execute(
            "create table last_raw_segment_entries as from raw_segment_entries "
            "qualify entered_on = max(entered_on) over (partition by customer_id)"
        )
        entries = connection.sql(
            "select customer_id, entered_on, segment, previous_segment, previous_entered_on "
            f"from ({known.render('history/segment_entries.sql')}) order by 1"
        ).fetchall()
    day = date(2024, 4, 10)
    since = date(2024, 4, 1)
    assert entries == [(1, day, "champions", "dropped", since), (2, day, "others", "dropped", since)]


LOGS = ("raw_segment_entries", "segment_entries")
FIRST_DAY = date(2024, 4, 1)
ONE_DAY = timedelta(days=1)


class History:
    """The two logs in a database of their own, run day by day as dbt runs them."""

    def __init__(self) -> None:
        self.connection = duckdb.connect()
        self.connection.execute(
            "set threads = 1; create table segment_states (customer_id bigint, as_of_date date, segment varchar, "
            "segmentation varchar default 'seg_x', rule_version varchar default 'v1'); "
            "create table customer_features (customer_id bigint, as_of_date date, orders_30d bigint default 9); "
            "create table rule_cut_points (as_of_date date); create table score_cut_points (as_of_date date)"
        )

    def decide(self, day: date, segments: Sequence[str | None]) -> None:
        """What the rules say on a day, by customer, in place of what they said before."""
        self.connection.execute("delete from segment_states where as_of_date = ?", [day])
        self.connection.execute("delete from customer_features where as_of_date = ?", [day])
        self.connection.executemany(
            "insert into segment_states (customer_id, as_of_date, segment) values (?, ?, ?)",
            [(number, day, segment) for number, segment in enumerate(segments) if segment],
        )
        self.connection.execute(
            "insert into customer_features (customer_id, as_of_date) "
            "select customer_id, as_of_date from segment_states where as_of_date = ?",
            [day],
        )

    def run(self, first: date, last: date) -> None:
        """Forget, append, and keep the last entries."""
        tables = {name for (name,) in self.connection.sql("select table_name from duckdb_tables()").fetchall()}
        for log in LOGS:
            known = macros(
                models={"seg_x": RULES},
                variables={"first_date": str(first), "last_date": str(last)},
                is_incremental=lambda log=log: log in tables,
                this=Relation(log),
                relation=Relation,
            )
            if log in tables:
                self.connection.execute(f"{known.forget('entered_on')}; {known.rewind_last_entries()}")
                self.connection.execute(f"insert into {log} {known.render(f'history/{log}.sql')}")
            else:
                self.connection.execute(f"create table {log} as {known.render(f'history/{log}.sql')}")
            self.connection.execute(known.advance_last_entries())

    def rows(self, table: str) -> list[tuple]:
        return self.connection.sql(f"from {table} order by all").fetchall()


def test_any_schedule_of_runs_keeps_the_same_logs_and_their_last_entries() -> None:
    """Days are built one by one, together, and again after their facts have changed."""
    random = Random(4)
    decided: dict[date, list[str | None]] = {}
    history = History()
    for first, last in ((0, 6), (7, 7), (8, 8), (7, 9), (10, 10), (10, 10), (3, 12), (13, 16), (0, 17), (15, 23)):
        window = [FIRST_DAY + number * ONE_DAY for number in range(first, last + 1)]
        for day in window:
            decided[day] = random.choices(("champions", "champions", "others", None), k=40)
            history.decide(day, decided[day])
        history.run(window[0], window[-1])
    in_one_run = History()
    for day, segments in decided.items():
        in_one_run.decide(day, segments)
    in_one_run.run(min(decided), max(decided))

    assert len(history.rows("segment_entries")) > 100
    for log in LOGS:
        assert history.rows(log) == in_one_run.rows(log)
        last_of_log = f"(from {log} qualify entered_on = max(entered_on) over (partition by customer_id))"
        columns = "customer_id, segmentation, entered_on, segment, previous_segment, rule_version, entry_clauses"
        columns += ", exit_clauses" if log == "segment_entries" else ""
        assert history.rows(f"last_{log}") == history.rows(f"(select {columns} from {last_of_log})")


# --- Reasons -------------------------------------------------------------------

HOUSEHOLDS = {
    "owner": "a@example.com",
    "segments": [
        {"name": "seniors", "description": "-", "rule": "age_band = '65+'"},
        {"name": "steady", "description": "-", "rule": {"all": ["orders_30d >= 3", {"not": "orders_30d > 8"}]}},
        {"name": "couples", "description": "-", "rule": "household_size = '2'"},
        {"name": "others", "description": "-"},
    ],
}
# Orders, age band and household size.
Facts = tuple[int, str | None, str | None]


def reason(before: tuple[str, Facts] | None, after: tuple[str, Facts]) -> list[str]:
    """The clauses that a move names: of a customer's segment and facts of the day before, as they are known today."""
    known = macros(
        models={"seg_x": HOUSEHOLDS},
        variables={"first_date": "2024-04-10", "last_date": "2024-04-10"},
        is_incremental=lambda: True,
        this=Relation("raw_segment_entries"),
        relation=Relation,
    )
    days = [(FIRST_DAY + 9 * ONE_DAY, after)] + ([(FIRST_DAY + 8 * ONE_DAY, before)] if before else [])
    with duckdb.connect() as connection:
        connection.execute(
            "set threads = 1; create table rule_cut_points (as_of_date date); create table score_cut_points "
            "(as_of_date date); create table customer_features (customer_id bigint, as_of_date date, "
            "orders_30d bigint, age_band varchar, household_size varchar); "
            "create table last_raw_segment_entries (customer_id bigint, segmentation varchar, entered_on date, "
            "segment varchar)"
        )
        for day, (_, facts) in days:
            connection.execute("insert into customer_features values (1, ?, ?, ?, ?)", [day, *facts])
        if before:
            connection.execute("insert into last_raw_segment_entries values (1, 'seg_x', '2024-04-02', ?)", [before[0]])
        (version,) = {definition["rule_version"] for definition in known.definitions()}
        connection.execute(
            "create table segment_states as select 1 as customer_id, 'seg_x' as segmentation, ? as segment, "
            "? as rule_version, date '2024-04-10' as as_of_date",
            [after[0], version],
        )
        connection.execute(f"create table clause_versions as {known.render('segmentations/clause_versions.sql')}")
        named = connection.sql(
            f"select clause_text from ({known.render('history/raw_segment_entries.sql')}) as entries "
            "inner join clause_versions using (segmentation, segment) "
            "where entry_clauses & clause_bit <> 0 order by clause_bit"
        )
        return [text for (text,) in named.fetchall()]


def test_a_move_names_the_clauses_that_began_to_hold() -> None:
    assert reason(("others", (2, None, None)), ("steady", (3, None, None))) == ["orders_30d >= 3"]
    assert reason(None, ("steady", (3, None, None))) == ["orders_30d >= 3", "not orders_30d > 8"]


def test_a_clause_under_a_not_is_named_where_it_holds_no_longer() -> None:
    """It once was named where it was as before, and left out where it was what changed."""
    assert reason(("others", (9, None, None)), ("steady", (8, None, None))) == ["not orders_30d > 8"]


def test_a_move_by_an_earlier_rule_that_fell_names_no_clause_of_its_own() -> None:
    assert reason(("steady", (3, None, "2")), ("couples", (2, None, "2"))) == []


def test_a_corrected_attribute_is_named_although_the_day_before_has_it_now_as_well() -> None:
    """Attributes are known as they are today: the rule of couples once was said to hold no longer, which it did."""
    corrected: Facts = (0, "65+", "2")
    assert reason(("couples", corrected), ("seniors", corrected)) == ["age_band = '65+'"]
