"""Whether prospects become customers, customers stay, and those who were lost come back."""

import pandas as pd
from markupsafe import Markup

from flows.report import charts, tables, words
from flows.report.marts import Marts

FOLLOW_UP_DAYS = 90
COHORTS_SHOWN = 12
# What who reached a stage has done; one that is not here goes by its name.
STAGES = {
    "customer": "First order",
    "repeat_customer": "Second order",
    "regular": "Regular",
    "advocate": "Regular who answers offers",
}


def section(marts: Marts) -> dict[str, object] | None:
    """What the template lifecycle.html.j2 shows; None before any cohort was followed long enough."""
    funnel, retention, reactivation = _funnel(marts), _retention(marts), _reactivation(marts)
    if not (funnel or retention or reactivation):
        return None
    return {"days": FOLLOW_UP_DAYS, "funnel": funnel, "retention": retention, "reactivation": reactivation}


def _funnel(marts: Marts) -> Markup | None:
    rows = marts.table("fct_lifecycle_funnel", f"follow_up_days = {FOLLOW_UP_DAYS} and is_complete")
    rows = rows[rows["observed_customers"] > 0]
    if rows.empty:
        return None
    rows["cohort"] = pd.to_datetime(rows["cohort_month"]).dt.strftime("%Y-%m")
    stages = rows.sort_values("stage_position")["stage"].unique().tolist()
    table = pd.DataFrame(
        [
            {
                "First seen in": f"{cohort}{' *' if own['has_unknown_past'].any() else ''}",
                "Followed": int(own["observed_customers"].max()),
            }
            | {
                STAGES.get(stage, stage.replace("_", " ").capitalize()): _rate(own[own["stage"] == stage].iloc[0])
                for stage in stages[1:]
            }
            for cohort, own in sorted(rows.groupby("cohort"))[-COHORTS_SHOWN:]
        ]
    )
    return Markup(tables.table(table, "funnel", integers=["Followed"], ranges=list(table.columns[2:])))


def _rate(row: pd.Series) -> str:
    """A share with its interval, such as 45% (31 to 60)."""
    lower, upper = 100 * row["rate_from_start_lower"], 100 * row["rate_from_start_upper"]
    return f"{row['rate_from_start']:.0%} ({lower:.0f} to {upper:.0f})"


def _retention(marts: Marts) -> dict[str, Markup] | None:
    rows = marts.table("fct_retention", "is_complete")
    if rows.empty:
        return None
    rows["cohort"] = pd.to_datetime(rows["cohort_month"]).dt.strftime("%Y-%m")
    kept = sorted(rows["cohort"].unique())[-COHORTS_SHOWN:]
    rows = rows[rows["cohort"].isin(kept)].sort_values(["cohort", "months_since"])
    cells = rows[["cohort", "months_since", "retention_rate"]]
    cells = cells.rename(columns={"months_since": "months", "retention_rate": "share"})
    first, last = kept[0], kept[-1]
    text = (
        f"Share of the customers with their first order from {first} to {last} who ordered in the months after it. "
        "The table below has the numbers."
    )
    wide = cells.pivot_table(index="cohort", columns="months", values="share").reset_index()
    wide.columns = ["First order in", *(f"+{months}" for months in wide.columns[1:])]
    sizes = rows.groupby("cohort")["customers"].max()
    wide.insert(1, "Customers", [int(sizes[cohort]) for cohort in wide["First order in"]])
    shares = list(wide.columns[2:])
    return {
        "chart": Markup(charts.svg(charts.retention(cells), text)),
        "table": Markup(tables.table(wide, "retention", integers=["Customers"], percents=shares)),
        "least_certain": _least_certain(rows[rows["months_since"] > 0]),
    }


def _least_certain(rows: pd.DataFrame) -> str | None:
    """The rate with the widest interval in words; None without any."""
    if rows.empty:
        return None
    widths = (rows["retention_rate_upper"] - rows["retention_rate_lower"]).round(12)
    row = rows.loc[widths.idxmax()]
    customers = words.count(int(row["customers"]), "customer")
    return (
        f"Chance has a part in it: {row['retention_rate']:.0%} of the {customers} of {row['cohort']} after "
        f"{words.count(int(row['months_since']), 'month')}, the least certain of these shares, may stand for "
        f"{row['retention_rate_lower']:.0%} to {row['retention_rate_upper']:.0%} (95 % interval)."
    )


def _reactivation(marts: Marts) -> dict[str, object] | None:
    rows = marts.table("fct_reactivation", "is_complete")
    if rows.empty:
        return None
    rows = rows.sort_values("month_start").tail(COHORTS_SHOWN)
    table = pd.DataFrame(
        {
            "Month": pd.to_datetime(rows["month_start"]).dt.strftime("%Y-%m"),
            "Lost before": rows["lapsed_at_start"].astype(int),
            "Newly lost": rows["newly_lapsed"].astype(int),
            "Came back": rows["reactivated"].astype(int),
            "Rate": rows["reactivation_rate"].astype(float),
            "at least": rows["reactivation_rate_lower"].astype(float),
            "at most": rows["reactivation_rate_upper"].astype(float),
        }
    )
    return {
        "days": int(rows["lapsed_days"].iloc[-1]),
        "table": Markup(
            tables.table(
                table,
                "reactivation",
                integers=["Lost before", "Newly lost", "Came back"],
                percents=["Rate", "at least", "at most"],
            )
        ),
    }
