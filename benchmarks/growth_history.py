"""Measures what the history costs a daily run in the engine alone, by the length of the history before it.

python -m benchmarks.growth_history [--customers N]

The models of the history, the marts that are made of it and their tests, rendered without dbt, on segments that a
fixed formula gives: every customer changes them every 10 to 60 days and is away for 200 days now and then. A step's
time is the processor time of this process, so that neither dbt nor other processes are in it.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

from benchmarks.measure import ROOT
from flows.rules.macros import macros
from flows.steps.release import publish

FOLDER = ROOT / "build" / "bench" / "growth_history"
START = date(2016, 1, 1)
DAYS = (30, 300, 3000)
CHUNK_DAYS = 300
LOGS = ("raw_segment_entries", "segment_entries")
SPELLS = "fct_segment_spells"
# In the order in which dbt builds them: path, and the column by which an incremental one forgets.
MODELS = (
    ("history/raw_segment_entries", "entered_on"),
    ("history/segment_entries", "entered_on"),
    ("history/recent_spells", None),
    ("history/segmentation_moves", "as_of_date"),
    ("marts/segments/fct_segment_spells", "valid_from"),
    ("marts/segments/fct_segment_daily", "as_of_date"),
    ("marts/segments/fct_segment_migrations", "period_end"),
)
TESTS = (
    "history/assert_entries_alternate_between_segments",
    "history/assert_last_entries_are_the_last_of_the_log",
    "marts/assert_migrations_add_up_to_sizes",
    "marts/assert_migrations_lead_to_sizes",
    "marts/assert_sizes_change_by_what_entered_and_exited",
    "marts/assert_spells_of_a_customer_neither_overlap_nor_leave_gaps",
)


@dataclass(frozen=True)
class Relation:
    """A table as dbt hands it to macros; marts lie in a schema of theirs, from which releases copy them."""

    identifier: str

    def incorporate(self, path: dict[str, str]) -> "Relation":
        """The same with another name."""
        return Relation(**path)

    def __str__(self) -> str:
        """Its name in SQL."""
        return f"marts.{self.identifier}" if self.identifier.startswith("fct_") else self.identifier


class History:
    """A warehouse with the history alone."""

    def __init__(self, customers: int) -> None:
        """Begin with an empty one."""
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(parents=True)
        self.customers = customers
        self.warehouse = FOLDER / "tessera.duckdb"
        self.tables: set[str] = set()
        self.connection = self._connect()
        self.connection.execute("create schema marts")
        known = self._macros(START, START, "")
        self.definitions = known.definitions()
        self.connection.execute(f"create table clause_versions as {known.render('segmentations/clause_versions.sql')}")
        segments = [
            f"('{definition['name']}', '{segment['name']}', true)"
            for definition in self.definitions
            for segment in definition["segments"]
        ]
        self.connection.execute(
            f"create table dim_segments as from (values {', '.join(segments)}) as t (segmentation, segment, is_current)"
        )

    def run(self, first: date, last: date) -> dict[str, float]:
        """Build a window of days; returns the seconds of processor time of each step."""
        self._decide(first, last)
        seconds = {}
        for path, column in MODELS:
            name = path.split("/")[-1]
            known = self._macros(first, last, name)
            query, relation = known.render(f"{path}.sql"), Relation(name)
            statements = [f"create or replace view {relation} as {query}"]
            if name in self.tables:
                rewind = [known.rewind_last_entries()] if name in LOGS else []
                if name == SPELLS:
                    rewind = [known.rewind_spells(), known.forget_ending_spells()]
                statements = ["begin", known.forget(column), *rewind, f"insert into {relation} {query}"]
            elif column:
                statements = ["begin", f"create table {relation} as {query}"]
            if name in LOGS:
                statements.append(known.advance_last_entries())
            if name == SPELLS and name in self.tables:
                statements.append(known.count_days_of_spells())
            if column:
                statements.append("commit")
                self.tables.add(name)
            seconds[name] = self._cpu(
                lambda statements=statements: [self.connection.execute(each) for each in statements]
            )
        known = self._macros(first, last, "")
        tests = [known.render(f"../tests/{path}.sql") for path in TESTS]
        seconds["tests"] = self._cpu(lambda: [self._hold(test) for test in tests])
        return seconds

    def release(self, day: date) -> float:
        """Release the marts; returns the seconds of processor time."""
        self.connection.close()
        seconds = self._cpu(
            lambda: publish(self.warehouse, FOLDER, day, "run", "benchmark", [], 1, lambda folder: None)
        )
        self.connection = self._connect()
        return seconds

    def value(self, query: str) -> int:
        """One number."""
        return self.connection.execute(query).fetchone()[0]

    def _connect(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(str(self.warehouse))
        connection.execute("set preserve_insertion_order = false; set memory_limit = '2GB'; set threads = 2")
        return connection

    def _hold(self, test: str) -> None:
        failed = self.connection.execute(test).fetchall()
        if failed:
            sys.exit(f"A test failed: {failed[:3]}\n{test[:300]}")

    def _cpu(self, action: Callable[[], Any]) -> float:
        begun = time.process_time()
        action()
        return time.process_time() - begun

    def _decide(self, first: date, last: date) -> None:
        """What the rules say, and what was sold, on the days of the window and the day before it."""
        before = max(first - timedelta(days=1), START)
        series = f"generate_series(date '{before}', date '{last}', interval 1 day)"
        days = f"select cast(unnest({series}) as date) as as_of_date"
        segmentations = " union all ".join(
            f"select '{definition['name']}' as segmentation, '{definition['rule_version']}' as rule_version, "
            f"{[segment['name'] for segment in definition['segments']]} as segments"
            for definition in self.definitions
        )
        self.connection.execute(
            f"""
            create or replace table segment_states as
            select
                customer_id,
                as_of_date,
                segmentation,
                rule_version,
                cast(1 << (turn % 8) as bigint) as held_clauses,
                segments[1 + cast(turn % len(segments) as integer)] as segment
            from (
                select
                    customer_id,
                    as_of_date,
                    segmentation,
                    rule_version,
                    segments,
                    hash(hash(customer_id, segmentation), (day + phase) // pause) % 1000 as turn
                from (
                    select
                        *,
                        as_of_date - date '{START}' as day,
                        hash(customer_id) % 200 as phase,
                        10 + hash(segmentation, customer_id) % 50 as pause
                    from ({days}) as days
                    cross join (select range as customer_id from range({self.customers})) as customers
                    cross join ({segmentations}) as segmentations
                ) as placed
                where hash(hash(customer_id, 7), (day + phase) // 200) % 20 <> 0
            ) as decided;
            create or replace table customer_measures as
            select
                as_of_date,
                customer_id,
                customer_id % 5 as orders_30d,
                cast(customer_id % 5 * 10 as double) as net_sales_30d
            from segment_states
            where
                segmentation = '{self.definitions[0]["name"]}'
                and as_of_date >= date '{first}'
            """
        )

    def _macros(self, first: date, last: date, name: str) -> Any:
        return macros(
            variables={"first_date": str(first), "last_date": str(last), "tested_days": "run"},
            is_incremental=lambda: name in self.tables,
            this=Relation(name),
            relation=Relation,
            adapter={"quote": lambda column: f'"{column}"'},
            dbt=SimpleNamespace(
                type_string=lambda: "varchar",
                listagg=lambda measure, delimiter, order: f"listagg({measure}, {delimiter} {order})",
                date_trunc=lambda part, day: f"date_trunc('{part}', {day})",
                last_day=lambda day, _part: f"last_day({day})",
                date_spine=lambda _part, start, end: (
                    f"select unnest(generate_series({start}, {end} - 1, interval 1 day)) as date_day"
                ),
            ),
        )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth_history")
    parser.add_argument("--customers", type=int, default=10_000, metavar="N", help="customers")
    history = History(parser.parse_args().customers)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 130)
    measured: dict[int, dict[str, float]] = {}
    done = 0
    for number in DAYS:
        while done < number - 1:
            days = min(CHUNK_DAYS, number - 1 - done)
            history.run(START + timedelta(days=done), START + timedelta(days=done + days - 1))
            done += days
        day = START + timedelta(days=number - 1)
        measured[number] = history.run(day, day)
        measured[number]["all of these"] = sum(measured[number].values())
        measured[number]["release of the marts"] = history.release(day)
        done = number
    table = Table(title="A daily run, CPU seconds by the length of the history before it", title_justify="left")
    table.add_column("")
    for name in (
        *(f"day {number:,}" for number in DAYS),
        *(f"{later} : {earlier}" for earlier, later in pairwise(DAYS)),
    ):
        table.add_column(name, justify="right")
    for step in measured[DAYS[0]]:
        values = [seconds[step] for seconds in measured.values()]
        table.add_row(
            step,
            *(f"{value:.2f}" for value in values),
            *(f"{later / earlier:.2f}" for earlier, later in pairwise(values)),
        )
    console.print(table)
    moves = history.value('select cast(sum(entered + "left") as bigint) from marts.fct_segment_daily')
    states = history.customers * DAYS[-1] * len(history.definitions)
    for log in LOGS:
        rows = history.value(f"select count(*) from {log}")
        console.print(
            f"{log}: {rows:,} rows, {rows / moves:.2f} per move, {rows / states:.3f} per customer, day and segmentation"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
