"""The changes of single features that could make rules decide otherwise, which segment_fits counts."""

from macros.python.rules.models import changes_of_day


def model(dbt, session):
    """One row per segmentation and change."""
    dbt.config(materialized="table")
    return changes_of_day(dbt.ref("rule_inputs"), dbt.ref("rule_cut_points"), dbt.ref("feature_units"))
