"""Marts of plain SQL, run on tables of a few rows: the model's own file, without dbt."""

from collections.abc import Mapping, Sequence
from datetime import date
from types import SimpleNamespace
from typing import Any

import duckdb
import jinja2

from flows.rules.macros import macros
from flows.steps.project import ROOT

Row = dict[str, Any]


def render(path: str, last_date: date, **variables: Any) -> str:
    """The SQL of a model under models/, as of a day; ref() gives the bare name of a model."""
    known = macros(variables={"first_date": str(last_date), "last_date": str(last_date)} | variables)
    dbt = SimpleNamespace(
        date_trunc=lambda part, day: f"date_trunc('{part}', {day})",
        last_day=lambda day, _part: f"cast(last_day({day}) as date)",
        dateadd=lambda part, number, day: f"({day} + interval ({number}) {part})",
        generate_series=lambda number: f"select unnest(range(1, {number} + 1)) as generated_number",
    )
    return jinja2.Template((ROOT / "models" / path).read_text()).render(
        **vars(known),
        ref=lambda name: name,
        var=variables.__getitem__,
        config=lambda **_settings: "",
        dbt=dbt,
        adapter=SimpleNamespace(quote=lambda name: f'"{name}"'),
    )


def combinations(members: Sequence[tuple[Any, str, str]]) -> dict[str, tuple[str, Sequence[Sequence[Any]]]]:
    """The tables of combinations of segments, for customers given by key, segmentation and segment."""
    segments: dict[Any, dict[str, str]] = {}
    for customer, segmentation, segment in members:
        segments.setdefault(customer, {})[segmentation] = segment
    numbers = {
        kind: number for number, kind in enumerate(sorted({tuple(sorted(of.items())) for of in segments.values()}))
    }
    of_customers = {customer: numbers[tuple(sorted(of.items()))] for customer, of in segments.items()}
    customers = list(of_customers.values())
    return {
        "customer_combinations": ("customer_id bigint, combination bigint", list(of_customers.items())),
        "combination_segments": (
            "combination bigint, segmentation varchar, segment varchar, customers bigint",
            [(number, *member, customers.count(number)) for kind, number in numbers.items() for member in kind],
        ),
    }


def run(sql: str, tables: Mapping[str, tuple[str, Sequence[Sequence[Any]]]]) -> list[Row]:
    """The rows of a query over tables given as {name: (column definitions, rows)}."""
    with duckdb.connect() as connection:
        # The tables are tiny: threads would only wait for each other.
        connection.execute("set threads = 1")
        for name, (columns, rows) in tables.items():
            connection.execute(f"create table {name} ({columns})")
            if rows:
                connection.executemany(f"insert into {name} values ({', '.join('?' for _ in rows[0])})", rows)
        found = connection.sql(sql)
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]
