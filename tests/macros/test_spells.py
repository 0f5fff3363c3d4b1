"""What the hooks of fct_segment_spells leave as it was, and what the catalogue says of it."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import duckdb
import pytest

from flows.rules.macros import macros

RULES = {"owner": "a@example.com", "segments": [{"name": "all", "description": "-"}]}
END = date(9999, 12, 31)
# As after the run of 04-09, until when seg_old was run.
SPELLS = [
    (1, "seg_old", date(2024, 4, 1), date(2024, 4, 7), 6),
    (1, "seg_old", date(2024, 4, 7), END, 3),
    (2, "seg_old", date(2024, 4, 2), END, 8),
    (2, "seg_x", date(2024, 4, 2), END, 8),
]


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(
            "create table spells (customer_id bigint, segmentation varchar, valid_from date, valid_to date, "
            "days bigint, is_current boolean, next_segment varchar, exit_reason varchar)"
        )
        for spell in SPELLS:
            connection.execute("insert into spells values (?, ?, ?, ?, ?, ?, null, null)", [*spell, spell[3] == END])
        yield connection


def run_of(day: int, **settings: Any) -> Any:
    """The macros in the run of a day of April, which builds seg_x only."""
    return macros(
        models={"seg_x": RULES},
        variables={"first_date": f"2024-04-{day:02}", "last_date": f"2024-04-{day:02}"},
        is_incremental=lambda: True,
        **settings,
    )


def run(connection: duckdb.DuckDBPyConnection, day: int) -> list[tuple]:
    """The spells after the run of a day in which nobody moves."""
    hooks = run_of(day, this="spells")
    connection.execute(f"{hooks.rewind_spells()}; {hooks.count_days_of_spells()}")
    columns = "customer_id, segmentation, valid_from, valid_to, days"
    return connection.sql(f"select {columns} from spells order by all").fetchall()


def test_spells_of_a_segmentation_that_is_no_longer_run_stay_as_on_its_last_day(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    """Their days once went on to be counted, although nobody knows where these customers would be."""
    for day in (10, 11):
        assert run(warehouse, day) == [*SPELLS[:3], (2, "seg_x", date(2024, 4, 2), END, day - 1)]


def test_days_that_are_built_again_without_a_segmentation_end_its_history_before_them(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    assert run(warehouse, 5) == [
        (1, "seg_old", date(2024, 4, 1), END, 4),
        (2, "seg_old", date(2024, 4, 2), END, 3),
        (2, "seg_x", date(2024, 4, 2), END, 4),
    ]


def test_the_catalogue_says_what_is_no_longer_run(warehouse: duckdb.DuckDBPyConnection) -> None:
    """A segmentation that had been retired was active for ever in dim_segmentations."""
    warehouse.execute(
        "create table segmentation_versions as select segmentation, 'v1' as rule_version, null as label, "
        "null as description, null as owner, 'active' as status, null as challenger_of, 1 as confirm_days, "
        "null as cut_points_frozen_on, 1 as segment_count from (values ('seg_old'), ('seg_x')) as known (segmentation)"
    )
    warehouse.execute(
        "create table segmentation_days as select date '2024-04-09' as as_of_date, segmentation, rule_version "
        "from segmentation_versions union all select '2024-04-10', 'seg_x', 'v1'"
    )
    warehouse.execute(
        "create table segmentation_moves as select segmentation, rule_version, 0 as moves, 0 as reversed_moves "
        "from segmentation_versions"
    )
    sql = run_of(10).render("marts/segments/dim_segmentations.sql")
    found = warehouse.sql(f"select segmentation, status, is_current from ({sql}) order by all").fetchall()
    assert found == [("seg_old", "retired", False), ("seg_x", "active", True)]
