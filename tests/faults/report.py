"""docs/reliability.md, made of what was seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tests.faults.readers import Seen
from tests.faults.trial import Outcome


@dataclass(frozen=True)
class Session:
    """How the runs were made: the options, how many cases there are, and seconds."""

    jobs: int
    seed: int
    known_cases: int
    undisturbed_seconds: float
    seconds: float


INTRODUCTION = """# What a run survives

Made by `make faults` (`python -m tests.faults`); do not edit it by hand.

A small shop (1,200 customers, CSV files) has nine published days and one that waits. Every line below is a real
daily run of it as a process of its own that was disturbed as the line says, and then a run that was not; in a group
of its own a command that rewrites published days is disturbed. What is promised, and looked at each time:

- **current**: after the disturbed run `serving/current` is a whole release, the old or the new one: its manifest can be
  read, and the rows of every mart, all columns read, are as many as it says in the database and in Parquet.
- **next run**: the run after it succeeds, and nobody did anything in between but take the fault away (make room, give
  the right back, deliver the file again, let go of the file). After SIGKILL nobody did anything at all.
- **marts**: afterwards all marts but `ops_*` equal those of an undisturbed run, row for row.
- **clean**: afterwards the warehouse has the same schemas, tables, columns and rows (but for the log of runs); the
  folders of the warehouse, the releases, dbt's target and temporary files hold the same names; no write-ahead log and
  no process is left; the log of runs calls no run unfinished.

"The flow alone" means that SIGKILL hits the flow's process and not the dbt it has started; "the group" hits both.
Places in the release are exact: the process is stopped right before the system call and killed there. Where a run has
to stop with a message, the message is looked at too.

Before a restatement, orders of three published days have come late. After it was disturbed, either the same command
runs "again" and then the daily run, or the daily run alone. Then the marts equal those of the two run undisturbed,
or, where the restatement had not got so far that "it counts", those of the daily run alone: "nothing is left of it".
"""

READERS = """
## Readers

While daily runs release one day after the other, {processes} processes query `serving/current` in a loop, half of them
the DuckDB file and half Parquet. Each query reads four marts, which have to be of one day and count the same customers.

| releases | queries | failed | mixed two releases | days seen |
|---:|---:|---:|---:|---:|
| {releases} | {queries:,} | {failed} | {mixed} | {days} |
"""


def write_report(
    file: Path, outcomes: Sequence[Outcome], session: Session, seen: Seen | None, releases: int, processes: int
) -> None:
    """Write the page; `seen` is what the readers saw, where there were any."""
    kinds = [(kind, list(group)) for kind, group in groupby(outcomes, key=lambda outcome: outcome.case.kind)]
    broken = sum(bool(outcome.wrong) for outcome in outcomes)
    lines = [
        INTRODUCTION,
        f"{len(outcomes)} disturbed runs, {len(outcomes) - broken} of which keep all promises; seed {session.seed}, "
        f"{session.jobs} at a time, {session.seconds / 60:.0f} minutes. An undisturbed run took "
        f"{session.undisturbed_seconds:.0f} seconds.",
        *(
            [f"The harness has {session.known_cases} cases; the others were not run."]
            if len(outcomes) < session.known_cases
            else []
        ),
        "",
        "| faults | runs | current old / new | next run ok | marts equal | clean |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for kind, group in [*kinds, ("**all**", list(outcomes))]:
        old, new = (sum(outcome.current == which for outcome in group) for which in ("old", "new"))
        ok, equal, clean = (
            sum(getattr(outcome, name) for outcome in group) for name in ("next_ok", "marts_equal", "clean")
        )
        lines.append(f"| {kind} | {len(group)} | {old} / {new} | {ok} | {equal} | {clean} |")
    if seen is not None:
        lines += READERS.format(
            processes=processes,
            releases=releases,
            queries=seen.queries,
            failed=len(seen.failed),
            mixed=len(seen.mixed),
            days=len(seen.days),
        ).splitlines()
    for kind, group in kinds:
        lines += [
            "",
            f"## {kind.capitalize()}",
            "",
            "| fault | the run | current | next run, marts, clean |",
            "|---|---|---|---|",
        ]
        for outcome in group:
            held = all((outcome.next_ok, outcome.marts_equal, outcome.clean))
            verdict = "yes" if held and not outcome.wrong else f"**no**: {'; '.join(outcome.wrong)}"
            lines.append(f"| {outcome.case.name} | {outcome.ended} | {outcome.current} | {verdict} |")
    file.write_text("\n".join(lines) + "\n")
