"""The parameters of expected sales, fitted on the day of backtest_repeats."""

from macros.python.value_models import parameters


def model(dbt, session):
    """One row; parameters are null where a fit failed, and the failure says why."""
    dbt.config(materialized="table", tags=["monthly"])
    return parameters(dbt.ref("backtest_patterns"), dbt.ref("backtest_repeats"))
