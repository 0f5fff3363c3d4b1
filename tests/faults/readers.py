"""Readers of serving/current, as processes that query in a loop while runs release.

python -m tests.faults.readers {database,parquet} SERVING SECONDS_BETWEEN

A reader ends when its standard input does, and prints what it saw as JSON. The `database` reader opens
current/tessera.duckdb; the `parquet` reader resolves the link once for all the files of a query, which is all that a
reader of several files has to do to see one release.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from flows.steps.databases import file_text
from flows.steps.project import ROOT

MARTS = ("customer_segments", "dim_customers", "fct_segment_daily", "fct_segment_spells")


@dataclass
class Seen:
    """What readers saw: queries, those that failed or mixed releases (in words), and the days that were current."""

    queries: int = 0
    failed: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    days: set[str] = field(default_factory=set)

    def include(self, other: "Seen") -> None:
        """Add what another saw."""
        self.queries += other.queries
        self.failed += other.failed
        self.mixed += other.mixed
        self.days |= other.days


@contextmanager
def reading(serving: Path, kinds: Sequence[str], pause: float = 0.05) -> Iterator[Seen]:
    """Let a reader of each kind query while the block runs; when it ends, the result holds what all of them saw."""
    command = [sys.executable, "-m", "tests.faults.readers"]
    readers = [
        subprocess.Popen(
            [*command, kind, str(serving), str(pause)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for kind in kinds
    ]
    seen = Seen()
    try:
        for reader in readers:
            assert reader.stdout is not None
            reader.stdout.readline()
        yield seen
    finally:
        for reader in readers:
            output, _ = reader.communicate()
            if reader.returncode == 0:
                found = json.loads(output)
                seen.include(Seen(**found | {"days": set(found["days"])}))
            else:
                seen.failed.append(f"a reader ended with {reader.returncode}")


def query(relations: dict[str, str]) -> tuple[str, str]:
    """Query the marts, each at its own time; returns the day they are of, and what does not fit together.

    Args:
        relations: what to select from, by mart.
    """
    database = relations["database"]
    with duckdb.connect(database, read_only=database != ":memory:") as connection:
        facts = {
            "days": f"select max(as_of_date), max(as_of_date) from {relations['fct_segment_daily']}",
            "segments": f"select max(as_of_date), count(*) from {relations['customer_segments']}",
            "customers": f"select null, count(*) from {relations['dim_customers']}",
            "spells": f"select null, count(*) filter (is_current) from {relations['fct_segment_spells']}",
        }
        found = {name: connection.sql(statement).fetchone() for name, statement in facts.items()}
        (last, _), (segments_day, segments), (_, _), (_, spells) = (found[name] or (None, None) for name in facts)
        daily = connection.sql(
            f"select cast(sum(customers) as bigint) from {relations['fct_segment_daily']} where as_of_date = ?",
            params=[last],
        ).fetchone()
    wrong = []
    if segments_day != last:
        wrong.append(f"customer_segments are of {segments_day}, fct_segment_daily of {last}")
    if not segments == spells == (daily or (None,))[0]:
        wrong.append(f"{last}: {segments} segments, {spells} open spells, {daily} in fct_segment_daily")
    return str(last), "; ".join(wrong)


def through_the_database(serving: Path) -> dict[str, str]:
    """The marts in the file that current leads to; whoever has opened it keeps it."""
    return {"database": str(serving / "current" / "tessera.duckdb")} | {mart: f"marts.{mart}" for mart in MARTS}


def through_parquet(serving: Path) -> dict[str, str]:
    """The marts' files in the release that is current now."""
    files = (serving / "current").resolve() / "parquet"
    return {"database": ":memory:"} | {mart: f"read_parquet({file_text(files / f'{mart}.parquet')})" for mart in MARTS}


KINDS = {"database": through_the_database, "parquet": through_parquet}


def main() -> None:
    """Query until standard input ends."""
    kind, serving, pause = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    seen = Seen()
    print("reading", flush=True)
    while not ended.is_set():
        seen.queries += 1
        try:
            day, wrong = query(KINDS[kind](serving))
        except (OSError, duckdb.Error) as error:
            seen.failed.append(f"{kind}: {str(error).splitlines()[0]}")
        else:
            seen.days.add(day)
            if wrong:
                seen.mixed.append(f"{kind}: {wrong}")
        time.sleep(pause)
    print(json.dumps({**vars(seen), "days": sorted(seen.days)}))


if __name__ == "__main__":
    main()
