"""Whether customers still order, and how often they will, once per pattern of repeats."""

import numpy as np
import pandas as pd

from macros.python.expected_sales import expected_orders, probability_alive

DAYS_PER_WEEK = 7


def model(dbt, session):
    """One row per row of repeat_patterns; null where the parameters are or a number is not finite."""
    dbt.config(materialized="table")
    patterns = dbt.ref("repeat_patterns").order("as_of_date, repeats, recency_days, age_days").df()
    parameters = dbt.ref("value_parameters").df().set_index("as_of_date")
    for column in ("probability_alive", "expected_order_days"):
        patterns[column] = np.nan
    for (day, horizon), alike in patterns.groupby(["as_of_date", "horizon_days"]):
        fitted = parameters.loc[day]
        if not pd.isna(fitted["failure"]):
            continue
        of_orders = [float(fitted[name]) for name in ("r", "alpha", "a", "b")]
        known = [
            alike["repeats"].to_numpy(),
            alike["recency_days"].to_numpy() / DAYS_PER_WEEK,
            alike["age_days"].to_numpy() / DAYS_PER_WEEK,
        ]
        patterns.loc[alike.index, "probability_alive"] = probability_alive(of_orders, *known)
        patterns.loc[alike.index, "expected_order_days"] = expected_orders(of_orders, *known, horizon / DAYS_PER_WEEK)
    return patterns.replace([np.inf, -np.inf], np.nan)
