"""sqlfluff reads models and tests without dbt: it finds there what it would find with it."""

import pytest
from sqlfluff.core import FluffConfig, Linter

from flows.steps.project import ROOT

# A query with faults of all kinds; each says what it is about.
FAULTS = """union all
SELECT
    Count(first_table.total) as total,
  cast(sum(first_table.share) as DOUBLE) as sum_of_shares,
    first_table.kind as kind,
    first_table.state as "state" ,
    case when first_table.day = null then 1 else null end as day_known,
    amount,
    first_table.day
from {{ ref('customers') }} first_table
join second_table using (customer_id)
left join third_table on {{ last_date() }} = third_table.day
inner join (select 1 as x) as fourth_table on fourth_table.x = first_table.x
cross join fifth_table as never_used
where first_table.sum <> 1 and first_table.sum != 2 and first_table.{name} = 1
order by 1, first_table.day desc
""".replace("{name}", "n" * 80)
FOUND = {
    "AL01",  # a table's alias without `as`
    "AL05",  # an alias that nothing uses
    "AL09",  # a column named as itself
    "AM05",  # a join that does not say which
    "AM06",  # order by a number and a name
    "CP01",  # a keyword in capitals
    "CP03",  # a function in capitals
    "CP05",  # a type in capitals
    "CV01",  # <> and != side by side
    "CV05",  # = null
    "LT01",  # a space too many
    "LT02",  # an indent that is none of four
    "LT05",  # a line too long
    "RF02",  # a column that may be of either table
    "RF06",  # quotes that are not needed
    "ST01",  # else null
    "ST05",  # a subquery in a join
    "ST07",  # using
    "ST09",  # a join condition that begins with the later table
}


def found(file: str, more: str = "") -> set[str]:
    linter = Linter(config=FluffConfig.from_path(str(ROOT / file)))
    text = (ROOT / file).read_text() + more
    return {violation.rule_code() for violation in linter.lint_string(text, fname=str(ROOT / file)).violations}


@pytest.mark.parametrize(
    "file",
    [
        "models/marts/segments/fct_segment_daily.sql",
        "models/history/raw_segment_entries.sql",
        "models/segmentations/seg_value.sql",
        "tests/history/assert_entries_alternate_between_segments.sql",
    ],
)
def test_lint_finds_every_kind_of_fault_in_models_among_macros_and_in_tests(file: str) -> None:
    assert found(file) == set()
    assert found(file, FAULTS) >= FOUND


def test_what_sqlfluff_cannot_read_is_a_fault() -> None:
    assert "PRS" in found("models/conformed/customers.sql", "select from where")
