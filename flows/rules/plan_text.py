"""A plan as text for a terminal and as Markdown for a pull request: the same blocks, written in two ways."""

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from flows.rules.plan import Change, EdgePercentile, Plan, Size
from flows.steps.console import DataConsole, markdown, plain
from macros.python.rules.proofs import FixedClause, Unreachable


@dataclass(frozen=True)
class Heading:
    """The name of what follows."""

    text: str
    level: int


@dataclass(frozen=True)
class Paragraph:
    """A few sentences."""

    text: str


@dataclass(frozen=True)
class Grid:
    """A table; the columns named in `left` are text."""

    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    left: frozenset[str]


Block = Heading | Paragraph | Grid


def blocks(plan: Plan) -> Iterator[Block]:
    """What a plan has to say, in the order in which people ask."""
    yield Heading(f"Rules of the working tree against the release of {plan.as_of_date}", 1)
    if not plan.changes:
        yield Paragraph("No rule and no setting differs from the release.")
    elif plan.unchanged:
        yield Paragraph(f"Unchanged: {', '.join(plan.unchanged)}.")
    for change in plan.changes:
        yield from _change(change, plan)
    yield Heading("Proofs", 2)
    for sentence in proof_sentences(plan.unreachable, plan.fixed):
        yield Paragraph(sentence)
    if not plan.unreachable:
        yield Paragraph("Every segment of the working tree can be reached by some customer.")
    for edge in plan.at_the_edge:
        yield Paragraph(_edge(edge))
    for name, size in plan.too_large:
        yield Paragraph(
            f"LARGE {name}.{size.segment} changes by {_percent(size.change)}, more than {plan.max_change:.0%} "
            "(--max-change)."
        )


def proof_sentences(unreachable: Sequence[Unreachable], fixed: Sequence[FixedClause]) -> Iterator[str]:
    """What is proved to be wrong with rules, a sentence each."""
    for each in unreachable:
        why = (
            f"earlier rules take everybody: {', '.join(each.covered_by)}"
            if each.covered_by
            else ("its own rule can never hold")
        )
        yield f"UNREACHABLE {each.segmentation}.{each.segment}: {why}."
    for each in fixed:
        always = "always true" if each.always else "always false"
        yield f"{each.segmentation}.{each.segment}: '{each.clause}' is {always} there and can go."


def _edge(edge: EdgePercentile) -> str:
    """Why a percentile does not tell customers apart."""
    name = f"EDGE p{edge.percentile:02} of {edge.feature}"
    if edge.cut_point is None:
        return f"{name}: no customer has a value, so no clause that compares with it holds."
    end = edge.position.removeprefix("at the ")
    return f"{name} is {edge.cut_point:g}, the feature's {end}: many share that value, so it hardly divides them."


def _change(change: Change, plan: Plan) -> Iterator[Block]:
    yield Heading(change.name, 2)
    if change.before is None or change.after is None:
        yield Paragraph(
            "A new segmentation." if change.before is None else "Its YAML is gone, or its status is retired."
        )
        yield Paragraph(f"Ask: {', '.join(change.owners)}.")
        yield _sizes(change.sizes)
        return
    if change.before.rule_version != change.after.rule_version:
        versions = f"Rules {change.before.rule_version} -> {change.after.rule_version}"
        if change.equivalent:
            yield Paragraph(f"{versions}: proved to mean the same for every customer there can be.")
        elif change.difference:
            found = change.difference
            values = ", ".join(f"{name} {value}" for name, value in found.example.values.items())
            yield Paragraph(f"{versions}: not the same. A customer with {values} goes {found.before} -> {found.after}.")
    for text in change.settings:
        yield Paragraph(f"Setting {text}.")
    moved = sum(move.customers for move in change.moves)
    sales = sum(round(move.net_sales * 100) for move in change.moves) / 100
    yield Paragraph(
        f"{moved:,} customers would move, with {sales:,.2f} net sales in 365 days."
        if moved
        else "The rules move nobody on that day."
    )
    yield from _confirmation(change)
    if change.owners:
        yield Paragraph(f"Ask: {', '.join(change.owners)}.")
    if change.moves or change.waiting:
        yield _sizes(change.sizes, change.counting if change.waiting and not _counts_at_once(change) else None)
    if change.moves:
        yield Heading("Who moves", 3)
        rows = [
            (each.from_segment, each.to_segment, f"{each.customers:,}", f"{each.net_sales:,.2f}")
            for each in change.moves
        ]
        yield Grid(("from", "to", "customers", "net sales 365d"), rows, frozenset({"from", "to"}))
    if change.movers:
        yield Heading(f"The {len(change.movers)} with most net sales", 3)
        for mover in change.movers:
            yield Paragraph(
                f"{mover.customer} ({mover.net_sales:,.2f}), {mover.from_segment} -> {mover.to_segment}\n"
                f"  before: {_because(mover.before)}{_missed(mover.to_segment, mover.before)}\n"
                f"  after:  {_because(mover.after)}{_missed(mover.from_segment, mover.after)}"
            )
    if change.histories:
        yield from _history(change, plan)


def _confirmation(change: Change) -> Iterator[Block]:
    """What the wait for confirmation has to do with it."""
    if not change.waiting:
        return
    old, new = change.before.confirm_days, change.after.confirm_days
    waiting = (
        f"{change.waiting:,} customers count elsewhere today than the released rules say, for a move counts after "
    )
    waiting += f"{old} days."
    if _counts_at_once(change):
        yield Paragraph(
            f"{waiting} From the next run on they would count where the rules say: sizes before are what readers see "
            "today, moves are what the rules alone decide."
        )
        return
    yield Paragraph(
        f"{waiting} Sizes before and after, and moves, are what the rules alone decide; 'counting' is what readers see."
    )
    if old != new:
        yield Paragraph(f"A move would count after {new} days; --history shows what that does to sizes.")


def _counts_at_once(change: Change) -> bool:
    return change.waiting > 0 and change.after.confirm_days == 1


def _because(reasons: dict) -> str:
    values = f", with {reasons['clause_values']}" if reasons["clause_values"] else ""
    return f"{reasons['deciding_clauses'] or 'no rule holds'}{values}"


def _missed(segment: str, reasons: dict) -> str:
    """Why the customer is not in a segment that is tried earlier."""
    missed = reasons["missed"].get(segment)
    return f"; missed {missed}" if missed else ""


def _sizes(sizes: list[Size], counting: Mapping[str, int] | None = None) -> Grid:
    rows = [
        (
            size.segment,
            *(() if counting is None else (f"{counting.get(size.segment, 0):,}",)),
            "-" if size.before is None else f"{size.before:,}",
            "-" if size.after is None else f"{size.after:,}",
            f"{(size.after or 0) - (size.before or 0):+,}",
            "-" if size.before is None or size.after is None else _percent(size.change),
            f"{size.net_sales_after - size.net_sales_before:+,.2f}",
        )
        for size in sizes
    ]
    names = ("before", "after", "change", "share", "net sales 365d")
    return Grid(("segment", *(() if counting is None else ("counting",)), *names), rows, frozenset({"segment"}))


def _history(change: Change, plan: Plan) -> Iterator[Block]:
    before, after = change.histories
    yield Heading(f"All days, {plan.history_first} to {plan.as_of_date}, under the old and the new rules", 3)
    measures = [
        ("moves that count", f"{before.moves:,}", f"{after.moves:,}"),
        ("moves reversed within 30 days", _share(before.flapping_rate), _share(after.flapping_rate)),
        ("mean days of spells that ended", _days(before.dwell_days), _days(after.dwell_days)),
    ]
    yield Grid(("", "old", "new"), measures, frozenset({""}))
    segments = list(dict.fromkeys(size.segment for size in change.sizes))
    rows = [
        (
            segment,
            *(
                f"{old.get(segment, 0):,} | {new.get(segment, 0):,}"
                for day in plan.history_days
                for old, new in [(before.sizes[day], after.sizes[day])]
            ),
        )
        for segment in segments
    ]
    yield Paragraph("Customers at the ends of months, old | new:")
    yield Grid(("segment", *(f"{day:%y-%m-%d}" for day in plan.history_days)), rows, frozenset({"segment"}))


def _percent(share: float) -> str:
    return "from 0" if math.isinf(share) else f"{share:.1%}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _days(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def as_text(plan: Plan) -> str:
    """The plan for a terminal."""
    console = DataConsole(width=None if sys.stdout.isatty() else 140)
    with console.capture() as capture:
        for block in blocks(plan):
            if isinstance(block, Heading):
                console.print(Text(f"\n{plain(block.text)}", style="bold"))
            elif isinstance(block, Paragraph):
                console.print(block.text)
            else:
                table = Table(box=None, padding=(0, 2, 0, 0))
                for column in block.columns:
                    table.add_column(column, justify="left" if column in block.left else "right", no_wrap=True)
                for row in block.rows:
                    table.add_row(*row)
                console.print(table)
    return capture.get().strip("\n")


def as_markdown(plan: Plan) -> str:
    """The plan for a pull request."""
    lines: list[str] = []
    for block in blocks(plan):
        if isinstance(block, Heading):
            lines += [f"{'#' * (block.level + 1)} {markdown(block.text)}", ""]
        elif isinstance(block, Paragraph):
            first, *others = map(markdown, block.text.split("\n"))
            lines += [first, *(f"- {other}" for other in others), ""]
        else:
            lines.append("| " + " | ".join(map(markdown, block.columns)) + " |")
            lines.append("|" + "|".join("---" if column in block.left else "---:" for column in block.columns) + "|")
            lines += ["| " + " | ".join(markdown(value) for value in row) + " |" for row in block.rows]
            lines.append("")
    return "\n".join(lines).rstrip()
