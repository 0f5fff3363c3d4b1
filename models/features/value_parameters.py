"""The parameters of expected sales, fitted once per as-of date in customer_repeats."""

import pandas as pd

from macros.python.expected_sales import fit_orders, fit_spend

DAYS_PER_WEEK = 7
# Exact amounts are ten-thousandths.
AMOUNT = 10_000


def model(dbt, session):
    """One row per as-of date; parameters are null where a fit failed, and the failure says why."""
    dbt.config(materialized="table")
    # In order, so that the same rows always give the same sums.
    patterns = dbt.ref("repeat_patterns").order("as_of_date, repeats, recency_days, age_days").df()
    spenders = (
        dbt.ref("customer_repeats")
        .aggregate("as_of_date, repeats, repeat_net_exact, count(*) as customers")
        .order("as_of_date, repeats, repeat_net_exact")
        .df()
    )
    rows = []
    for day, alike in patterns.groupby("as_of_date"):
        orders = fit_orders(
            alike["repeats"].to_numpy(),
            alike["recency_days"].to_numpy() / DAYS_PER_WEEK,
            alike["age_days"].to_numpy() / DAYS_PER_WEEK,
            alike["customers"].to_numpy(),
        )
        spent = spenders[spenders["as_of_date"] == day]
        repeats = spent["repeats"].to_numpy()
        spend = fit_spend(
            repeats,
            spent["repeat_net_exact"].to_numpy() / AMOUNT / repeats.clip(min=1),
            spent["customers"].to_numpy(),
        )
        rows.append(
            [
                *(day, orders.customers, *(orders.parameters or [None] * 4)),
                *(orders.log_likelihood, orders.failure, orders.note),
                *(spend.customers, *(spend.parameters or [None] * 3), spend.log_likelihood, spend.failure),
            ]
        )
    types = {
        **{"as_of_date": "datetime64[s]", "customers": "int64", "r": "Float64", "alpha": "Float64", "a": "Float64"},
        **{
            "b": "Float64",
            "log_likelihood": "Float64",
            "failure": "string",
            "note": "string",
            "spend_customers": "int64",
        },
        **{"p": "Float64", "q": "Float64", "gamma": "Float64"},
        **{"spend_log_likelihood": "Float64", "spend_failure": "string"},
    }
    return pd.DataFrame(rows, columns=list(types)).astype(types)
