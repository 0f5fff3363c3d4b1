"""Whether customers still order, and how often they will, once per pattern of backtest_patterns."""

from macros.python.value_models import expectations


def model(dbt, session):
    """One row per pattern; null where the parameters are or a number is not finite."""
    dbt.config(materialized="table", tags=["monthly"])
    return expectations(dbt.ref("backtest_patterns"), dbt.ref("backtest_parameters"))
