"""What a run tells the person who started it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import duckdb
from rich.table import Table

from expectations.runner import CheckResult
from flows.steps.console import DataConsole, markdown
from flows.steps.project import shown


def segment_changes(release: Path) -> list[tuple[str, str, int, int | None]]:
    """The current segments as (segmentation, segment, customers, customers 30 days earlier), in rule order."""
    with duckdb.connect(str(release / "tessera.duckdb"), read_only=True) as connection:
        daily = connection.table("marts.fct_segment_daily").select("segmentation, segment, as_of_date, customers")
        last = daily.aggregate("max(as_of_date)").fetchone()[0]
        earlier = {
            (segmentation, segment): customers
            for segmentation, segment, _, customers in daily.filter(
                f"as_of_date = date '{last - timedelta(days=30)}'"
            ).fetchall()
        }
        sizes = {
            (segmentation, segment): customers
            for segmentation, segment, _, customers in daily.filter(f"as_of_date = date '{last}'").fetchall()
        }
        segments = (
            connection.table("marts.dim_segments")
            .filter("is_current")
            .select("segmentation, segment, position")
            .order("segmentation, position")
            .fetchall()
        )
    return [
        (segmentation, segment, sizes.get((segmentation, segment), 0), earlier.get((segmentation, segment)))
        for segmentation, segment, _ in segments
    ]


def moves_of_last_month(release: Path) -> dict[str, int]:
    """How often customers went from one segment to another in the last 30 days, by segmentation."""
    with duckdb.connect(str(release / "tessera.duckdb"), read_only=True) as connection:
        daily = connection.table("marts.fct_segment_migrations").filter("period = 'day'")
        last = daily.aggregate("max(period_start)").fetchone()[0]
        # Who stays has a row, too, and so has who joins or leaves.
        moved = daily.project(
            "segmentation, period_start, case when from_segment in (to_segment, '(new)') or to_segment = '(left)' "
            "then 0 else customers end as customers"
        )
        recent = moved.filter(f"period_start > date '{last - timedelta(days=30)}'")
        return dict(recent.aggregate("segmentation, cast(sum(customers) as bigint)").order("1").fetchall())


def print_summary(
    console: DataConsole,
    release: Path,
    serving: Path,
    results: Sequence[CheckResult],
    seconds: Mapping[str, float],
    accepted_reason: str | None = None,
) -> None:
    """Print segments, moves, checks, times and places of a release."""
    sizes = Table(title="Segments", title_justify="left")
    for name, justify in (("segmentation", "left"), ("segment", "left"), ("customers", "right"), ("30 days", "right")):
        sizes.add_column(name, justify=justify)
    previous = None
    for segmentation, segment, customers, earlier in segment_changes(release):
        if previous not in (None, segmentation):
            sizes.add_section()
        change = "" if earlier is None else f"{customers - earlier:+,}"
        sizes.add_row("" if segmentation == previous else segmentation, segment, f"{customers:,}", change)
        previous = segmentation
    console.print(sizes)

    moves = ", ".join(f"{name} {count:,}" for name, count in moves_of_last_month(release).items())
    console.print(f"Moves in the last 30 days: {moves}")
    passed = sum(result.status == "passed" for result in results)
    accepted = [result.code for result in results if result.was_accepted]
    console.print(f"Checks: {passed} passed, {len(results) - passed - len(accepted)} warnings")
    if accepted:
        console.print(f"Accepted: {', '.join(accepted)}: {accepted_reason}", markup=False)
    console.print("Seconds: " + ", ".join(f"{step} {spent:.1f}" for step, spent in seconds.items()))
    current = shown(serving / "current")
    console.print(f"Release:   {shown(release)}", soft_wrap=True)
    console.print(f"Marts:     {current / 'tessera.duckdb'} and {current / 'parquet'}", soft_wrap=True)
    console.print(f"Report:    {current / 'report' / 'index.html'}", soft_wrap=True)
    console.print(f"Data docs: {current / 'data_docs' / 'index.html'}", soft_wrap=True)


def markdown_summary(
    release: Path,
    results: Sequence[CheckResult],
    seconds: Mapping[str, float],
    accepted_reason: str | None = None,
) -> str:
    """The same summary as Markdown, for the artifact that Prefect shows."""
    lines = ["| segmentation | segment | customers | 30 days |", "|---|---|---:|---:|"]
    for segmentation, segment, customers, earlier in segment_changes(release):
        change = "" if earlier is None else f"{customers - earlier:+,}"
        lines.append(f"| {markdown(segmentation)} | {markdown(segment)} | {customers:,} | {change} |")
    moves = ", ".join(f"{markdown(name)} {count:,}" for name, count in moves_of_last_month(release).items())
    passed = sum(result.status == "passed" for result in results)
    accepted = [result.code for result in results if result.was_accepted]
    return "\n".join(
        [
            f"## {release.name}",
            *lines,
            "",
            f"Moves in the last 30 days: {moves}",
            "",
            f"Checks: {passed} of {len(results)} passed",
            "",
            *([f"Accepted: {', '.join(accepted)}: {accepted_reason}", ""] if accepted else []),
            "Seconds: " + ", ".join(f"{step} {spent:.1f}" for step, spent in seconds.items()),
        ]
    )
