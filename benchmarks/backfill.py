"""Measures what each day of a backfill costs beside a run that builds a day in full.

python -m benchmarks.backfill [--customers N] [--days N]

The day before it is built first, from the lines. A full day measures everybody, from stored customer days. Takes the
better part of an hour with 1,000,000 customers and 90 days.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import timedelta

from benchmarks.company import LAST_DATE, Company
from benchmarks.console import CONSOLE, print_load, table_of
from benchmarks.day import NOTHING, run_dbt
from benchmarks.measure import Cost
from benchmarks.nodes import NodeCost
from flows.steps import dbt
from flows.steps.window import Window


def build(
    company: Company, window: Window, command: str, select: Sequence[str] = (), exclude: Sequence[str] = dbt.INPUTS
) -> tuple[Cost, Cost, list[NodeCost]]:
    """Run dbt on days; returns what its process cost, what its nodes cost together, and each of them."""
    arguments = dbt.dbt_arguments(command, company.project, select=select, exclude=exclude)
    whole, nodes = run_dbt(arguments, company.project, window, company.folder)
    return whole, sum((Cost(node.wall, node.cpu, node.peak) for node in nodes), NOTHING), nodes


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.backfill", description="What a day of a backfill costs."
    )
    parser.add_argument("--customers", type=int, default=100_000, metavar="N", help="a multiple of 100")
    parser.add_argument("--days", type=int, default=90, metavar="N", help="days of the backfill")
    given = parser.parse_args()
    print_load()
    before = LAST_DATE - timedelta(days=given.days)
    company = Company(given.customers, before)
    build(company, Window(before, before, before), "build", select=dbt.INPUTS, exclude=())
    build(company, Window(before, before, before), "run", select=dbt.EVERY_DAY)
    part_days = max(1, int(company.project.vars["chunk_customer_days"]) // given.customers)
    *parts, last = Window(before + timedelta(days=1), LAST_DATE, before).chunks(part_days)
    process, in_nodes = NOTHING, NOTHING
    for part, select in [*((part, dbt.EVERY_DAY) for part in parts), (last, ())]:
        whole, sum_of_nodes, nodes = build(company, part, "run", select)
        process, in_nodes = process + whole, in_nodes + sum_of_nodes
        longest = sorted(nodes, key=lambda node: -node.cpu)[:6]
        shown = ", ".join(f"{node.name} {node.cpu:.1f}" for node in longest)
        CONSOLE.print(f"{part}: {whole.cpu:,.0f} s of CPU, {whole.peak:,.0f} MiB; {shown}")
    company.variables["incremental_features"] = False
    _, full, _ = build(company, Window(LAST_DATE, LAST_DATE, before), "run")
    table = table_of(
        f"A backfill of {given.days} days in parts of {part_days}, {given.customers:,} customers: what a day costs",
        *("", "wall s", "CPU s", "over a full day (CPU)", "peak MiB"),
    )
    for name, cost, days in (
        ("a full day: measures, segments, history and marts", full, 1),
        ("a day of the backfill", in_nodes, given.days),
        ("a day of the backfill, dbt itself included", process, given.days),
    ):
        share = f"{cost.cpu / days / full.cpu:.2f}"
        table.add_row(name, f"{cost.wall / days:.1f}", f"{cost.cpu / days:.1f}", share, f"{cost.peak:,.0f}")
    CONSOLE.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
