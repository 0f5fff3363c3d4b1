"""The decisions of rules in words, once for each set of clauses that holds."""

from macros.python.rules.models import texts


def model(dbt, session):
    """One row per segmentation, segment that the rules decide, and clauses that hold."""
    dbt.config(materialized="table")
    return texts(
        dbt.ref("segment_explanations"), dbt.ref("rule_inputs"), dbt.ref("rule_cut_points"), dbt.ref("feature_units")
    )
