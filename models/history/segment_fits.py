"""What the rules decide of every customer on the run's last day, how near the other segments are, and the way there."""

from macros.python.rules.models import fits


def model(dbt, session):
    """One row per row of rule_inputs, with five columns for every segmentation."""
    dbt.config(materialized="table")
    return fits(dbt.ref("rule_inputs"), dbt.ref("rule_cut_points"), dbt.ref("feature_units"))
