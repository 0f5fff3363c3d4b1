"""What all customers are worth: how unequal, how much to expect, and how well that was foreseen."""

from datetime import timedelta

import pandas as pd
from markupsafe import Markup

from flows.report import charts, tables, words
from flows.report.marts import MONTH, Marts

ALL = "(all)"
MODEL, SEASONAL = "bg_nbd_gamma_gamma", "seasonal_naive"
METHODS = {MODEL: "BG/NBD and Gamma-Gamma", "past_spend": "Past spend goes on"}
EXPECTED_DAYS = 180


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
        "expected": None
        if pd.isna(values.expected_net_sales_180d)
        else f"{float(values.expected_net_sales_180d):,.0f}",
        "days": EXPECTED_DAYS,
        "brought": _brought(marts, float(values.net_sales_365d)),
        "negative": words.count(int(values.negative_customers), "customer") if values.negative_customers else None,
        "negative_sales": f"{float(values.negative_net_sales_365d):,.0f}",
        "curve": Markup(charts.svg(charts.lorenz(points), f"Lorenz curve of net sales over customers. {text}")),
        "backtest": _backtest(marts),
    }


def _brought(marts: Marts, net_sales_365d: float) -> str | None:
    """What a like period brought: as many days before, or their part of the last 365 or of all days there are."""
    ends = {marts.as_of - timedelta(days=days) for days in range(0, EXPECTED_DAYS, MONTH)}
    for name in marts.segmentations["segmentation"]:
        daily = marts.daily[(marts.daily["segmentation"] == name) & marts.daily["day"].isin(ends)]
        if set(daily["day"]) == ends:
            return f"the last {EXPECTED_DAYS} days brought {daily['net_sales_30d'].sum():,.0f}"
    (first,) = marts.connection.table("marts.fct_customer_features").min("first_order_date").fetchone()
    days = min(365, (marts.as_of - first).days + 1) if first else 0
    if days <= 0:
        return None
    return (
        f"the last {words.count(days, 'day')} brought {net_sales_365d:,.0f}, which is "
        f"{net_sales_365d * EXPECTED_DAYS / days:,.0f} in {EXPECTED_DAYS} days"
    )


def _label(forecaster: str, season_days: int | None) -> str:
    if forecaster != SEASONAL:
        return METHODS.get(forecaster, forecaster)
    # A year, or as many weeks as are nearest to it.
    return "The days a year before again" if season_days in (364, 365, 366) else f"The last {season_days} days again"


def _simpler_is_better(rows: pd.DataFrame) -> str | None:
    """Says that another forecast came closer than the model when both were tested; None where none did."""
    if MODEL not in set(rows["forecaster"]):
        return None
    model = rows[rows["forecaster"] == MODEL].iloc[0]
    nearest = rows.iloc[0]
    surest = rows.loc[rows["total_bias"].abs().fillna(float("inf")).idxmin()]
    parts = []
    if nearest["mean_absolute_error"] < model["mean_absolute_error"]:
        errors = f"{nearest['mean_absolute_error']:,.2f} against {model['mean_absolute_error']:,.2f}"
        parts.append(f"per customer “{nearest['label']}” (an error of {errors})")
    if abs(surest["total_bias"]) < abs(model["total_bias"]):
        biases = f"{abs(surest['total_bias']):.1%} against {abs(model['total_bias']):.1%}"
        parts.append(f"in total “{surest['label']}” (off by {biases})")
    return f"When this was tested a simpler forecast came closer: {', and '.join(parts)}." if parts else None


def _backtest(marts: Marts) -> dict[str, object] | None:
    rows = marts.table("fct_value_backtest")
    if rows.empty:
        return None
    rows = rows.sort_values(["mean_absolute_error", "forecaster"], ignore_index=True)
    rows["label"] = [_label(row.forecaster, row.season_days) for row in rows.itertuples()]
    shown = pd.DataFrame(
        {
            "Forecast": rows["label"],
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
        "until": words.day(pd.to_datetime(rows["as_of_date"].iloc[0]).date()),
        "best": rows["label"].iloc[0],
        "simpler": _simpler_is_better(rows),
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
