"""The parameters of expected sales, fitted on the day of customer_repeats."""

from macros.python.value_models import parameters


def model(dbt, session):
    """One row; parameters are null where a fit failed, and the failure says why."""
    dbt.config(materialized="table")
    return parameters(dbt.ref("repeat_patterns"), dbt.ref("customer_repeats"))
