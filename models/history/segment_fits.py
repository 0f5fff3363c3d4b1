"""What the rules decide of every customer on the run's last day, and how near the other segments are."""

from macros.python.rule_fits import BATCH_ROWS, rules_of, segment_fits


def model(dbt, session):
    """One row per row of rule_inputs, with four columns for every segmentation."""
    dbt.config(materialized="table")
    (row,) = dbt.ref("rules_in_force").to_arrow_table().to_pylist()
    return segment_fits(rules_of(row), dbt.ref("rule_inputs").to_arrow_reader(BATCH_ROWS))
