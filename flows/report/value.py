"""What all customers are worth: how unequal, how much to expect, and how well that was foreseen."""

import pandas as pd
from markupsafe import Markup

from flows.report import charts, tables, words
from flows.report.marts import Marts

ALL = "(all)"
METHODS = {
    "bg_nbd_gamma_gamma": "BG/NBD and Gamma-Gamma",
    "past_spend": "Past spend goes on",
    "seasonal_naive": "As in the season before",
}


def section(marts: Marts) -> dict[str, object] | None:
    """What the template value.html.j2 shows; None where nobody has bought."""
    total = marts.own("fct_segment_values", ALL)
    curve = marts.own("fct_value_concentration", ALL)
    if total.empty or curve.empty:
        return None
    values = total.iloc[0]
    text = (
        f"The fifth of the customers who spend most brings {values.top_20_percent_share:.0%} of the net sales of the "
        f"last 365 days (Gini {values.gini:.2f})."
    )
    points = curve[["customers_percent", "value_share"]].sort_values("customers_percent")
    return {
        "text": text,
        "net_sales": f"{float(values.net_sales_365d):,.0f}",
        "expected": None
        if pd.isna(values.expected_net_sales_180d)
        else f"{float(values.expected_net_sales_180d):,.0f}",
        "negative": int(values.negative_customers),
        "negative_sales": f"{float(values.negative_net_sales_365d):,.0f}",
        "curve": Markup(charts.svg(charts.lorenz(points), f"Lorenz curve of net sales over customers. {text}")),
        "backtest": _backtest(marts),
    }


def _backtest(marts: Marts) -> dict[str, object] | None:
    rows = marts.table("fct_value_backtest")
    if rows.empty:
        return None
    rows = rows.sort_values(["mean_absolute_error", "forecaster"])
    shown = pd.DataFrame(
        {
            "Forecast": [METHODS.get(name, name) for name in rows["forecaster"]],
            "Foreseen": rows["forecast_net_sales"].astype(float),
            "Came": rows["actual_net_sales"].astype(float),
            "Off by": rows["total_bias"].astype(float),
            "Error per customer": rows["mean_absolute_error"].astype(float),
            "Rank correlation": rows["rank_correlation"].astype(float),
        }
    )
    since = pd.to_datetime(rows["forecast_from"].iloc[0]).date()
    return {
        "since": words.day(since),
        "best": shown["Forecast"].iloc[0],
        "table": Markup(
            tables.table(
                shown,
                "value-backtest",
                money=["Foreseen", "Came"],
                percents=["Off by"],
                decimals=["Error per customer", "Rank correlation"],
            )
        ),
    }
