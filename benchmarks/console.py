"""Where benchmarks print, and the tables that they share."""

import os
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.day import Day
from benchmarks.measure import Cost

CONSOLE = Console(highlight=False, width=None if sys.stdout.isatty() else 130)


def table_of(title: str, *columns: str) -> Table:
    """A table with its first column to the left and numbers to the right."""
    table = Table(title=f"\n{title}", title_justify="left", caption_justify="left")
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left")
    return table


def print_load() -> None:
    """Print how busy the machine is: times on one that others use too say little."""
    CONSOLE.print(f"{os.cpu_count()} cores, of which others kept {os.getloadavg()[0]:.1f} busy in the last minute")


def figures(cost: Cost) -> list[str]:
    """Wall seconds, CPU seconds and peak MiB, as the tables show them."""
    return [f"{cost.wall:,.1f}", f"{cost.cpu:,.1f}", f"{cost.peak:,.0f}" if cost.peak else ""]


def print_days(days: dict[str, Day]) -> None:
    """Print what days cost, side by side: by step, and dbt's work by layer."""
    names = [f"{name}\n{what}" for name in days for what in ("wall s", "CPU s", "peak MiB")]
    table = table_of("What a day costs", "", *names)

    def add(name: str, costs: Sequence[Cost | None], last: bool = False) -> None:
        cells = (figures(cost) if cost else ["", "", ""] for cost in costs)
        table.add_row(name, *(cell for row in cells for cell in row), end_section=last)

    for step in {step: None for day in days.values() for step in day.steps}:
        add(f"step: {step}", [day.steps.get(step) for day in days.values()])
    table.add_section()
    layers = {name: day.layers() for name, day in days.items()}
    for layer in {layer: None for of in layers.values() for layer in of}:
        add(f"dbt: {layer}", [of.get(layer) for of in layers.values()])
    table.add_section()
    add("all", [day.whole for day in days.values()])
    CONSOLE.print(table)


def print_nodes(days: dict[str, Day], shown: int = 30) -> None:
    """Print the nodes that take most CPU, side by side."""
    names = [f"{name}\n{what}" for name in days for what in ("CPU s", "peak MiB")]
    table = table_of("Models, tests and hooks by CPU, one at a time", "", "layer", *names)
    nodes = {name: {node.name: node for node in day.nodes} for name, day in days.items()}
    layer = {node.name: node.layer for day in days.values() for node in day.nodes}
    most = sorted(layer, key=lambda name: -max(of[name].cpu for of in nodes.values() if name in of))
    for name in most[:shown]:
        found = [of.get(name) for of in nodes.values()]
        cells = ([f"{node.cpu:.2f}", f"{node.peak:,.0f}"] if node else ["", ""] for node in found)
        table.add_row(name, layer[name], *(cell for row in cells for cell in row))
    others = [[f"{sum(of[name].cpu for name in most[shown:] if name in of):.2f}", ""] for of in nodes.values()]
    table.add_row(f"the other {max(len(most) - shown, 0)}", "", *(cell for row in others for cell in row))
    CONSOLE.print(table)
