"""Models of the history on tables that are there already, which dbt's unit tests cannot stand in for."""

from datetime import date

import duckdb

from flows.rules.macros import macros

RULES = {
    "owner": "a@example.com",
    "confirm_days": 3,
    "segments": [
        {"name": "champions", "description": "-", "rule": "orders_30d > 5"},
        {"name": "others", "description": "-"},
    ],
}


def test_a_segment_that_the_rules_no_longer_have_is_left_at_once() -> None:
    """Customers once waited in it for a confirmation, in a segment that dim_segments had not: no release for days."""
    known = macros(
        models={"seg_x": RULES},
        variables={"segmentations": ["seg_x"], "first_date": "2024-04-10", "last_date": "2024-04-11"},
        is_incremental=lambda: True,
        this="kept_entries",
    )
    with duckdb.connect() as connection:
        connection.execute(
            "create table kept_entries as select *, 'seg_x' as segmentation from (values "
            "(1, date '2024-04-01', 'dropped'), (2, date '2024-04-01', 'dropped'), (3, date '2024-04-01', 'champions'))"
            " as t (customer_id, entered_on, segment)"
        )
        connection.execute(
            "create table raw_segment_entries as select *, 'seg_x' as segmentation, 'v2' as rule_version, "
            "cast(0 as bigint) as held_clauses, cast(0 as bigint) as entry_clauses from (values "
            "(1, date '2024-04-01', 'dropped', null), (1, date '2024-04-10', 'champions', 'dropped'), "
            # What follows has to be confirmed again.
            "(1, date '2024-04-11', 'others', 'champions'), "
            # This move was waiting already when the rules changed.
            "(2, date '2024-04-01', 'dropped', null), (2, date '2024-04-09', 'others', 'dropped'), "
            "(3, date '2024-04-01', 'champions', null), (3, date '2024-04-10', 'others', 'champions')"
            ") as t (customer_id, entered_on, segment, previous_segment)"
        )
        entries = connection.sql(
            "select customer_id, entered_on, segment, previous_segment "
            f"from ({known.render('history/segment_entries.sql')}) order by 1"
        ).fetchall()
    day = date(2024, 4, 10)
    assert entries == [(1, day, "champions", "dropped"), (2, day, "others", "dropped")]
