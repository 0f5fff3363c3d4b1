"""Replays rules over the days of a warehouse: what the history would be had they been in force all the time."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

from macros.python.rules.tree import Segmentation

# The models of the history, in order; their own SQL computes the replay.
MODELS = ("history/raw_segment_entries.sql", "history/segment_entries.sql")
# The time that customers spent in segments, from the entries.
SPELLS = """
    select
        *,
        entered_on as valid_from,
        coalesce(lead(entered_on) over spells, date '9999-12-31') as valid_to,
        lead(segment) over spells as next_segment,
        lead(entered_on) over spells is null as is_current
    from {schema}.segment_entries
    window spells as (partition by customer_id, segmentation order by entered_on)
    qualify segment <> '(left)'
"""


@dataclass(frozen=True)
class Replay:
    """What rules would have done over all days.

    Attributes:
        sizes: customers by segment, on days of the replay.
        moves: moves that count.
        flapping_rate: the share of them that went back within 30 days; None without moves.
        dwell_days: mean days of the spells that ended; None where none did.
    """

    sizes: dict[date, dict[str, int]]
    moves: int
    flapping_rate: float | None
    dwell_days: float | None


def replay(
    connection: duckdb.DuckDBPyConnection, schema: str, definition: Segmentation, known: Any, days: list[date]
) -> Replay:
    """Replay one segmentation, whose decisions stand in <schema>.segment_states; sizes are told for some days.

    Args:
        connection: has the schema with segment_states, and rights to make tables there.
        schema: where refs of `known` lead.
        definition: the segmentation.
        known: the macros that know it, with the window of all days.
        days: the days whose sizes are wanted.
    """
    name = definition.name
    for path in MODELS:
        table = path.split("/")[1].removesuffix(".sql")
        connection.execute(f"create or replace table {schema}.{table} as {known.render(path)}")
    connection.execute(f"create or replace table {schema}.segment_spells as {SPELLS.format(schema=schema)}")
    sizes: dict[date, dict[str, int]] = {day: {} for day in days}
    for day in days:
        rows = connection.execute(
            f"select segment, count(*) from {schema}.segment_spells where segmentation = $name and valid_from <= $day "
            "and valid_to > $day group by segment order by segment",
            {"name": name, "day": day},
        ).fetchall()
        sizes[day] = dict(rows)
    moves, flapping_rate, dwell_days = connection.execute(
        f"""
        with spells as (
            select
                *,
                coalesce(previous_segment <> '(left)', false) as is_move
            from {schema}.segment_spells
            where segmentation = $name
        )
        select
            count(case when is_move then 1 end),
            count(case when is_move and next_segment = previous_segment and valid_to - valid_from <= 30 then 1 end)
            / nullif(cast(count(case when is_move then 1 end) as double), 0),
            avg(case when not is_current then valid_to - valid_from end)
        from spells
        """,
        {"name": name},
    ).fetchone()
    return Replay(sizes, moves, flapping_rate, dwell_days)
