"""One segmentation: how large its segments are, who moved, what they are worth, and a card for each."""

from datetime import date

import pandas as pd
from markupsafe import Markup

from flows.report import charts, sankey, tables, watch, words
from flows.report.marts import LEFT, MONTH, NEW, Marts

TREND_DAYS = 180
FEATURES_TOLD = 3
CATEGORIES_TOLD = 3
PATHS_TOLD = 5
# Fewer stays than these say nothing of how long others last.
LEAST_STAYS = 30
# What a smaller share of a segment bought is not what is bought there.
LEAST_PENETRATION = 0.05


def section(marts: Marts, row: object) -> dict[str, object]:
    """What the template segmentation.html.j2 shows of a row of dim_segmentations."""
    name, label = row.segmentation, row.label
    order = marts.order(name)
    labels = {segment: marts.labels[name, segment] for segment in [*order, NEW, LEFT]}
    daily = marts.daily[marts.daily["segmentation"] == name]
    sizes = marts.sizes_on(name, marts.as_of)
    shown = [segment for segment in order if daily.loc[daily["segment"] == segment, "customers"].any()]
    palette = charts.colours(order)
    broken = watch.broken_claims(marts, name)
    return {
        "name": name,
        "label": label,
        "description": row.description.strip(),
        "owner": row.owner,
        "confirm_days": int(row.confirm_days),
        "flapping": None if pd.isna(row.flapping_rate) else f"{row.flapping_rate:.0%}",
        "legend": [(labels[segment], palette[segment]) for segment in shown],
        "sizes_chart": Markup(
            charts.svg(
                charts.sizes_over_time(daily, order, labels),
                f"{label}: customers by segment and day, {words.day(daily['day'].min())} to {words.day(marts.as_of)}. "
                "The table below has the numbers at the ends of the months.",
            )
        ),
        "months_table": Markup(_months_table(name, daily, shown, labels)),
        "sizes_table": Markup(_sizes_table(marts, name, daily, shown, labels)),
        "value_table": Markup(_value_table(marts, name, shown, labels)),
        "migration": _migration(marts, name, label, order, labels, palette),
        "projection": _projection(marts, name, shown, labels),
        "paths": _paths(marts, name, labels),
        "profiled_on": _profiled_on(marts, name),
        "cards": [_card(marts, name, segment, labels, palette, daily, sizes, broken) for segment in shown],
        "empty": [labels[segment] for segment in order if segment not in shown],
    }


def _sizes_table(marts: Marts, name: str, daily: pd.DataFrame, shown: list[str], labels: dict[str, str]) -> str:
    month = marts.days_before(MONTH)
    today = daily[daily["day"] == marts.as_of].set_index("segment")
    recent = daily[daily["day"] > month].groupby("segment")[["entered", "exited"]].sum()
    total = max(int(today["customers"].sum()), 1)
    before = marts.sizes_on(name, month)
    rows = pd.DataFrame(
        [
            {
                "Segment": labels[segment],
                "Customers": int(today["customers"].get(segment, 0)),
                "Share": int(today["customers"].get(segment, 0)) / total,
                "Change, 30 days": int(today["customers"].get(segment, 0)) - int(before.get(segment, 0)),
                "Entered": int(recent["entered"].get(segment, 0)),
                "Exited": int(recent["exited"].get(segment, 0)),
                "Net sales, 30 days": float(today["net_sales_30d"].get(segment, 0)),
                "Orders, 30 days": int(today["orders_30d"].get(segment, 0)),
            }
            for segment in shown
        ]
    )
    return tables.table(
        rows,
        f"sizes-{name}",
        integers=["Customers", "Entered", "Exited", "Orders, 30 days"],
        signed=["Change, 30 days"],
        percents=["Share"],
        money=["Net sales, 30 days"],
    )


def _months_table(name: str, daily: pd.DataFrame, shown: list[str], labels: dict[str, str]) -> str:
    """The sizes on the first day, the last of every month and the last of all."""
    days = daily["day"].drop_duplicates().sort_values()
    ends = days.groupby(days.map(lambda day: (day.year, day.month))).max()
    kept = sorted({days.min(), *ends})
    sizes = daily[daily["day"].isin(kept)].pivot_table(index="day", columns="segment", values="customers", fill_value=0)
    table = pd.DataFrame(
        [
            {"Day": words.short_day(day)} | {labels[segment]: int(sizes.loc[day, segment]) for segment in shown}
            for day in kept
        ]
    )
    return tables.table(table, f"months-{name}", integers=list(table.columns[1:]))


def _value_table(marts: Marts, name: str, shown: list[str], labels: dict[str, str]) -> str:
    values = marts.own("fct_segment_values", name).set_index("segment")
    rows = pd.DataFrame(
        [
            {
                "Segment": labels[segment],
                "Share of customers": values["customer_share"].get(segment),
                "Net sales, 365 days": values["net_sales_365d"].get(segment),
                "Share of net sales": values["value_share"].get(segment),
                "Known margin": values["margin_365d"].get(segment),
                "Margin rate": values["margin_rate"].get(segment),
                "Expected, 180 days": values["expected_net_sales_180d"].get(segment),
                "Expected each": values["average_expected_net_sales_180d"].get(segment),
                "Top 20 % have": values["top_20_percent_share"].get(segment),
            }
            for segment in shown
            if segment in values.index
        ]
    )
    if rows.empty:
        return ""
    money = ["Net sales, 365 days", "Known margin", "Expected, 180 days", "Expected each"]
    percents = ["Share of customers", "Share of net sales", "Margin rate", "Top 20 % have"]
    rows[money + percents] = rows[money + percents].astype(float)
    # Most sources deliver no costs.
    unknown = [column for column in ("Known margin", "Margin rate") if rows[column].isna().all()]
    money, percents = ([column for column in columns if column not in unknown] for columns in (money, percents))
    return tables.table(rows.drop(columns=unknown), f"value-{name}", percents=percents, money=money)


def _projection(marts: Marts, name: str, shown: list[str], labels: dict[str, str]) -> dict[str, object] | None:
    rows = marts.own("fct_segment_projections", name)
    rows = rows[pd.to_datetime(rows["projected_from"]).dt.date == marts.as_of]
    if rows.empty:
        return None
    columns = {months: words.day(pd.to_datetime(own["projected_date"].iloc[0]).date()) for months, own in
               rows.sort_values("months_ahead").groupby("months_ahead")}  # fmt: skip
    ahead = rows.pivot_table(index="segment", columns="months_ahead", values="projected_customers")
    now = marts.sizes_on(name, marts.as_of)
    table = pd.DataFrame(
        [
            {"Segment": labels[segment], "Now": int(now.get(segment, 0))}
            | {day: round(float(ahead.loc[segment, months])) for months, day in columns.items()}
            for segment in shown
            if segment in ahead.index
        ]
    )
    tests = marts.own("fct_projection_backtest", name)
    tests = tests[(tests["segment"] == "(all)") & (tests["projections"] > 0)].sort_values("months_ahead")
    return {
        "table": Markup(tables.table(table, f"projection-{name}", integers=list(table.columns[1:]))),
        "tests": [
            f"{words.count(int(test.months_ahead), 'month')} ahead by {test.weighted_error:.1%} of the customers "
            f"({test.no_change_weighted_error:.1%} if one says that nothing changes)"
            for test in tests.itertuples()
        ],
    }


def _paths(marts: Marts, name: str, labels: dict[str, str]) -> list[tuple[str, str, str]]:
    rows = marts.own("fct_life_paths", name).sort_values("place")
    return [
        (
            _path([labels.get(step, step) for step in row.life_path.split(" > ")]),
            words.count(int(row.customers), "customer"),
            f"{row.customer_share:.1%}",
        )
        for row in rows.head(PATHS_TOLD).itertuples()
    ]


def _path(steps: list[str]) -> str:
    return " → ".join(steps) if len(steps) > 1 else f"{steps[0]}, and never elsewhere"


def _migration(
    marts: Marts, name: str, label: str, order: list[str], labels: dict[str, str], palette: dict[str, str]
) -> dict[str, object] | None:
    before, last = marts.flows_begin(name), marts.as_of
    rows = marts.flows(name, before) if before < last else pd.DataFrame()
    if rows.empty:
        return None
    flows = {
        (row.from_segment, row.to_segment): int(row.customers) for row in rows.itertuples() if int(row.customers) > 0
    }
    moved = sum(customers for (a, b), customers in flows.items() if a != b)
    unmoved = sum(customers for (a, b), customers in flows.items() if a == b)
    days = words.span(before, last)
    text = (
        f"{label}: moves between segments, {days}. {unmoved:,} are in the same segment; {moved:,} moved, joined or "
        "left. The table below has the numbers."
    )
    picture = sankey.draw(
        flows,
        [*order, NEW],
        [*order, LEFT],
        labels,
        palette,
        (words.day(before), words.day(last)),
        text,
    )
    froms = [segment for segment in [*order, NEW] if any(a == segment for a, _ in flows)]
    tos = [segment for segment in [*order, LEFT] if any(b == segment for _, b in flows)]
    matrix = pd.DataFrame(
        [
            {"From": labels[a]} | {f"to {labels[b]}": flows.get((a, b), 0) if a != b else pd.NA for b in tos}
            | {"same segment": flows.get((a, a), 0)}
            for a in froms
        ]
    )  # fmt: skip
    columns = [column for column in matrix.columns if column.startswith("to ")]
    matrix[columns] = matrix[columns].astype("Int64")
    return {
        "days": days,
        "picture": Markup(picture),
        "matrix": Markup(tables.table(matrix, f"moves-{name}", integers=[*columns, "same segment"], shaded=columns)),
    }


def _card(
    marts: Marts,
    name: str,
    segment: str,
    labels: dict[str, str],
    palette: dict[str, str],
    daily: pd.DataFrame,
    sizes: pd.Series,
    broken: dict[str, list[str]],
) -> dict[str, object]:
    own = daily[daily["segment"] == segment].sort_values("day")
    trend = own["customers"].tolist()[-TREND_DAYS:]
    month = marts.sizes_on(name, marts.days_before(MONTH))
    size, total = int(sizes.get(segment, 0)), max(int(sizes.sum()), 1)
    ruled = marts.segments[(marts.segments["segmentation"] == name) & (marts.segments["segment"] == segment)]
    about = ruled.iloc[0] if len(ruled) else None
    sales = float(own.loc[own["day"] == marts.as_of, "net_sales_30d"].sum())
    return {
        "id": f"{name}-{segment}",
        "label": labels[segment],
        "colour": palette[segment],
        "customers": size,
        "share": f"{size / total:.1%}",
        "change": words.signed(size - int(month.get(segment, 0))),
        "spark": Markup(
            charts.sparkline(
                trend,
                palette[segment],
                f"{labels[segment]}: {trend[0]:,} customers {len(trend) - 1} days earlier, {trend[-1]:,} now, "
                f"between {min(trend):,} and {max(trend):,}.",
            )
        ),
        "sales": f"{sales:,.0f}",
        "sales_each": f"{sales / size:,.2f}" if size else "–",
        "about": about,
        "approach": _word(about.strategy_approach) if about is not None else None,
        "offer": _word(about.strategy_offer) if about is not None else None,
        "channels": about.strategy_channels if about is not None else None,
        "stay": _stay(marts, name, segment, daily["day"].min()),
        "broken": broken.get(segment, []),
        "typical": _typical(marts, name, segment),
        "apart": _apart(marts, name, segment),
        "cross_sell": _cross_sell(marts, name, segment),
    }


def _stay(marts: Marts, name: str, segment: str, first: date) -> str | None:
    rows = marts.own("fct_segment_dwell", name)
    # The end of the curve rests on the few stays that are the oldest.
    rows = rows[(rows["segment"] == segment) & (rows["at_risk"] >= LEAST_STAYS)].sort_values("days")
    if rows.empty or not rows["days"].iloc[-1]:
        return None
    last = rows.iloc[-1]
    stays = int(rows["at_risk"].iloc[0])
    of = f"Of {stays:,} stays that began after {words.day(first)} "
    if pd.notna(last.median_days) and last.median_days <= last.days:
        return of + f"half were over after {words.count(int(last.median_days), 'day')}"
    over = "none was" if last.survival == 1 else f"{1 - last.survival:.1%} were"
    return of + f"{over} over after {words.count(int(last.days), 'day')}"


def _profiled_on(marts: Marts, name: str) -> str | None:
    """The day of the profiles in words, where it is another than that of the report."""
    days = pd.to_datetime(marts.own("fct_segment_profiles", name)["as_of_date"]).dt.date
    return words.day(days.max()) if len(days) and days.max() != marts.as_of else None


def _typical(marts: Marts, name: str, segment: str) -> str | None:
    rows = marts.own("fct_segment_typical_customers", name)
    rows = rows[(rows["segment"] == segment) & rows["description"].notna()]
    if rows.empty:
        return None
    told = [part for part in rows["description"].iloc[0].split("; ") if part not in _said_of_everybody(marts, name)]
    categories = marts.own("fct_cross_sell", name)["category"].unique()
    return words.prose("; ".join(told), categories)


def _said_of_everybody(marts: Marts, name: str) -> set[str]:
    """Attributes that have one value for all customers, as typical customers have them in words."""
    shares = marts.own("fct_segment_attribute_shares", name)
    same = shares[shares["population_share"] == 1]
    return {f"{row.attribute.replace('_', ' ')} {row.attribute_value}" for row in same.itertuples()}


def _apart(marts: Marts, name: str, segment: str) -> list[str]:
    rows = marts.own("fct_segment_profiles", name)
    rows = rows[(rows["segment"] == segment) & (rows["difference_rank"] <= FEATURES_TOLD)].sort_values(
        "difference_rank"
    )
    return [
        "{} {}, all customers {}".format(words.feature(row.feature), *words.apart(row.mean, row.population_mean))
        for row in rows.itertuples()
        if pd.notna(row.mean)
    ]


def _cross_sell(marts: Marts, name: str, segment: str) -> list[str]:
    rows = marts.own("fct_cross_sell", name)
    rows = rows[
        (rows["segment"] == segment)
        & (rows["lift"] > 1)
        & (rows["potential_net_sales_365d"] > 0)
        # Releases of earlier versions do not tell.
        & rows.get("is_offered", True)
        & (rows["penetration"] >= LEAST_PENETRATION)
    ]
    rows = rows.sort_values(["potential_net_sales_365d", "category"], ascending=[False, True]).head(CATEGORIES_TOLD)
    names = [words.category(name) for name in rows["category"]]
    return [name[:1].upper() + name[1:] for name in names]


def _word(name: str | None) -> str | None:
    return name.replace("_", " ") if name and name != "none" else None
