"""docs/faults.md, made of what was seen."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tests.faults.readers import Seen
from tests.faults.trial import Outcome


@dataclass(frozen=True)
class Session:
    """How the runs were made: on which commit, with which options, and the seconds of an undisturbed daily run."""

    code_version: str
    jobs: int
    seed: int
    undisturbed_seconds: float

    def __str__(self) -> str:
        """The session for people."""
        return (
            f"Run on `{self.code_version}`, {self.jobs} at a time, seed {self.seed}; an undisturbed daily run took "
            f"{self.undisturbed_seconds:.0f} seconds."
        )


INTRODUCTION = """# What a run survives

Made by `make faults` (`python -m tests.faults`); do not edit it by hand. Each group of faults says on which commit it
was run; `make faults ARGS="--only '^erasure'"` runs one of them again.

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

Before a restatement, orders of three published days have come late; before an erasure, seven customers were taken out
of the sources. After it was disturbed, either the same command runs "again" and then the daily run, or the daily run
alone. Then the marts equal those of the two run undisturbed, or, where the command had not got so far that "it counts",
those of the daily run alone: "nothing is left of it".
"""

READERS = """
## Readers

While daily runs release one day after the other, {processes} processes query `serving/current` in a loop, half of them
the DuckDB file and half Parquet. Each query reads four marts, which have to be of one day and count the same customers.

| releases | queries | failed | mixed two releases | days seen |
|---:|---:|---:|---:|---:|
| {releases} | {queries:,} | {failed} | {mixed} | {days} |
"""


READERS_TITLE = "Readers"


@dataclass(frozen=True)
class Group:
    """The cases of one kind on the page: their row in the table, and the section that lists them."""

    row: str
    section: str


def write_report(file: Path, outcomes: Sequence[Outcome], session: Session, whole: Collection[str]) -> None:
    """Put the groups of a session on the page, in place of what it says of them; the others stay.

    Args:
        file: the page.
        outcomes: what became of the cases.
        session: how they were run.
        whole: the kinds of which every case was run; a part of a group is not reported.
    """
    groups, readers = read_report(file)
    for kind, cases in groupby(outcomes, key=lambda outcome: outcome.case.kind):
        if kind in whole:
            groups[kind] = _group(kind, list(cases), session)
    _write(file, groups, readers)


def write_readers(file: Path, seen: Seen, releases: int, processes: int) -> None:
    """Put what readers saw on the page."""
    groups, _ = read_report(file)
    readers = READERS.format(
        processes=processes,
        releases=releases,
        queries=seen.queries,
        failed=len(seen.failed),
        mixed=len(seen.mixed),
        days=len(seen.days),
    )
    _write(file, groups, readers.strip())


def read_report(file: Path) -> tuple[dict[str, Group], str]:
    """The groups on the page by kind, and its section about readers; nothing where there is no page yet."""
    head, *sections = f"\n{file.read_text() if file.exists() else ''}".split("\n## ")
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in head.splitlines() if line.startswith("| ")}
    texts = {section.splitlines()[0]: f"## {section.strip()}" for section in sections}
    readers = texts.pop(READERS_TITLE, "")
    by_title = {_title(kind): Group(row, texts[_title(kind)]) for kind, row in rows.items() if _title(kind) in texts}
    return {kind: by_title[_title(kind)] for kind in rows if _title(kind) in by_title}, readers


def _write(file: Path, groups: Mapping[str, Group], readers: str) -> None:
    counts = [[int(count) for count in re.findall(r"\d+", group.row)] for group in groups.values()]
    runs, old, new, ok, equal, clean = (sum(column) for column in zip(*counts, strict=True))
    lines = [
        INTRODUCTION,
        "| faults | runs | current old / new | next run ok | marts equal | clean |",
        "|---|---:|---:|---:|---:|---:|",
        *(group.row for group in groups.values()),
        f"| **all** | {runs} | {old} / {new} | {ok} | {equal} | {clean} |",
    ]
    sections = [readers] if readers else []
    sections += [group.section for group in groups.values()]
    file.write_text("\n\n".join(["\n".join(lines), *sections]) + "\n")


def _group(kind: str, outcomes: Sequence[Outcome], session: Session) -> Group:
    old, new = (sum(outcome.current == which for outcome in outcomes) for which in ("old", "new"))
    ok, equal, clean = (
        sum(getattr(outcome, name) for outcome in outcomes) for name in ("next_ok", "marts_equal", "clean")
    )
    lines = [
        f"## {_title(kind)}",
        "",
        str(session),
        "",
        "| fault | the run | current | next run, marts, clean |",
        "|---|---|---|---|",
    ]
    for outcome in outcomes:
        held = all((outcome.next_ok, outcome.marts_equal, outcome.clean))
        verdict = "yes" if held and not outcome.wrong else f"**no**: {'; '.join(outcome.wrong)}"
        lines.append(f"| {outcome.case.name} | {outcome.ended} | {outcome.current} | {verdict} |")
    row = f"| {kind} | {len(outcomes)} | {old} / {new} | {ok} | {equal} | {clean} |"
    return Group(row, "\n".join(lines))


def _title(kind: str) -> str:
    return kind.capitalize()
