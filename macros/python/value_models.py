"""Expected sales over relations: fits the models of expected_sales.py, and applies them.

Relations are DuckDB's, as Python models of dbt get them. They are read in order, so that the same rows always give the
same sums.
"""

from typing import Any

import numpy as np
import pandas as pd

from macros.python.expected_sales import expected_orders, fit_orders, fit_spend, probability_alive

DAYS_PER_WEEK = 7
# Exact amounts are ten-thousandths.
AMOUNT = 10_000

PARAMETER_TYPES = {
    **{"as_of_date": "datetime64[s]", "customers": "int64", "r": "Float64", "alpha": "Float64", "a": "Float64"},
    **{"b": "Float64", "log_likelihood": "Float64", "failure": "string", "note": "string", "spend_customers": "int64"},
    **{"p": "Float64", "q": "Float64", "gamma": "Float64", "spend_log_likelihood": "Float64"},
    **{"spend_failure": "string"},
}


def parameters(patterns: Any, repeats: Any) -> pd.DataFrame:
    """The parameters of BG/NBD and Gamma-Gamma, one row per as-of date; null where a fit failed, which says why.

    Args:
        patterns: customers who came back alike, counted (repeat_patterns).
        repeats: how often and for how much each came back (customer_repeats).
    """
    counted = patterns.order("as_of_date, repeats, recency_days, age_days").df()
    spenders = (
        repeats.aggregate("as_of_date, repeats, repeat_net_exact, count(*) as customers")
        .order("as_of_date, repeats, repeat_net_exact")
        .df()
    )
    rows = []
    for day, alike in counted.groupby("as_of_date"):
        orders = fit_orders(
            alike["repeats"].to_numpy(),
            alike["recency_days"].to_numpy() / DAYS_PER_WEEK,
            alike["age_days"].to_numpy() / DAYS_PER_WEEK,
            alike["customers"].to_numpy(),
        )
        spent = spenders[spenders["as_of_date"] == day]
        times = spent["repeats"].to_numpy()
        spend = fit_spend(
            times,
            spent["repeat_net_exact"].to_numpy() / AMOUNT / times.clip(min=1),
            spent["customers"].to_numpy(),
        )
        rows.append(
            [
                *(day, orders.customers, *(orders.parameters or [None] * 4)),
                *(orders.log_likelihood, orders.failure, orders.note),
                *(spend.customers, *(spend.parameters or [None] * 3), spend.log_likelihood, spend.failure),
            ]
        )
    return pd.DataFrame(rows, columns=list(PARAMETER_TYPES)).astype(PARAMETER_TYPES)


def expectations(patterns: Any, fitted_parameters: Any) -> pd.DataFrame:
    """What is expected of every pattern; null where the parameters are or a number is not finite.

    Args:
        patterns: customers who came back alike, counted (repeat_patterns).
        fitted_parameters: what `parameters` gave of them.
    """
    counted = patterns.order("as_of_date, repeats, recency_days, age_days").df()
    by_day = fitted_parameters.df().set_index("as_of_date")
    for column in ("probability_alive", "expected_order_days"):
        counted[column] = np.nan
    for (day, horizon), alike in counted.groupby(["as_of_date", "horizon_days"]):
        fitted = by_day.loc[day]
        if not pd.isna(fitted["failure"]):
            continue
        of_orders = [float(fitted[name]) for name in ("r", "alpha", "a", "b")]
        known = [
            alike["repeats"].to_numpy(),
            alike["recency_days"].to_numpy() / DAYS_PER_WEEK,
            alike["age_days"].to_numpy() / DAYS_PER_WEEK,
        ]
        counted.loc[alike.index, "probability_alive"] = probability_alive(of_orders, *known)
        counted.loc[alike.index, "expected_order_days"] = expected_orders(of_orders, *known, horizon / DAYS_PER_WEEK)
    return counted.replace([np.inf, -np.inf], np.nan)
