"""Writes the report of a release: `index.html`, one file that loads nothing."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from flows.report import charts, sankey, tables, words
from flows.report.marts import LEFT, NEW, Marts

MONTH = 30


@dataclass(frozen=True)
class Earlier:
    """What the release is compared with.

    Attributes:
        as_of: the day of the release before, or one a month ago where there is none.
        is_release: whether it is one.
    """

    as_of: date
    is_release: bool


def write(marts_file: Path, folder: Path, name: str, previous_as_of: date | None) -> Path:
    """Write the report of a release into `folder`; returns its file.

    Args:
        marts_file: the release's tessera.duckdb.
        folder: where index.html goes; made if it is missing.
        name: what the release is called.
        previous_as_of: the day that the release before it shows, or None where there is none.
    """
    marts = Marts(marts_file)
    earlier = _earlier(marts, previous_as_of)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("index.html.j2").render(
        name=name,
        as_of=words.day(marts.as_of),
        earlier=earlier,
        earlier_day=words.day(earlier.as_of),
        population=words.population(marts, earlier.as_of),
        changes=words.changes(marts, earlier.as_of),
        tiles=_tiles(marts),
        segmentations=[_segmentation(marts, row, earlier) for row in marts.segmentations.itertuples()],
        checks=_checks(marts),
    )
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "index.html"
    file.write_text(page, encoding="utf-8")
    return file


def _earlier(marts: Marts, previous_as_of: date | None) -> Earlier:
    # A day that is released again, or one before an earlier backfill, has nothing to be compared with but its own past.
    if previous_as_of and marts.daily["day"].min() <= previous_as_of < marts.as_of:
        return Earlier(previous_as_of, True)
    return Earlier(marts.days_before(MONTH), False)


def _tiles(marts: Marts) -> list[tuple[str, str]]:
    one = marts.segmentations["segmentation"].iloc[0]
    today = marts.daily[(marts.daily["segmentation"] == one) & (marts.daily["day"] == marts.as_of)]
    names = set(marts.segmentations["segmentation"])
    moves = marts.moves("day", marts.days_before(MONTH))
    moved = moves[
        moves["segmentation"].isin(names)
        & (moves["from_segment"] != moves["to_segment"])
        & (moves["from_segment"] != NEW)
        & (moves["to_segment"] != LEFT)
    ]
    return [
        ("customers", f"{int(today['customers'].sum()):,}"),
        ("net sales, 30 days", f"{today['net_sales_30d'].sum():,.0f}"),
        ("orders, 30 days", f"{int(today['orders_30d'].sum()):,}"),
        ("moves, 30 days", f"{int(moved['customers'].sum()):,}"),
    ]


def _segmentation(marts: Marts, row: object, earlier: Earlier) -> dict[str, object]:
    name, label = row.segmentation, row.label
    order = marts.order(name)
    labels = {segment: marts.labels[name, segment] for segment in [*order, NEW, LEFT]}
    daily = marts.daily[marts.daily["segmentation"] == name]
    sizes = marts.sizes_on(name, marts.as_of)
    shown = [segment for segment in order if daily.loc[daily["segment"] == segment, "customers"].any()]
    palette = charts.colours(order)
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
                "The table below has the numbers.",
            )
        ),
        "sizes_table": Markup(_sizes_table(marts, name, daily, shown, labels)),
        "migration": _migration(marts, name, label, order, labels, palette),
        "cards": [_card(marts, name, segment, labels, palette, daily, sizes) for segment in shown],
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


def _migration(
    marts: Marts, name: str, label: str, order: list[str], labels: dict[str, str], palette: dict[str, str]
) -> dict[str, object] | None:
    months = marts.table("fct_segment_migrations", f"period = 'month' and segmentation = '{name}'")
    if months.empty:
        return None
    start = pd.to_datetime(months["period_start"]).max()
    rows = months[pd.to_datetime(months["period_start"]) == start]
    flows = {
        (row.from_segment, row.to_segment): int(row.customers) for row in rows.itertuples() if int(row.customers) > 0
    }
    moved = sum(customers for (a, b), customers in flows.items() if a != b)
    stayed = sum(customers for (a, b), customers in flows.items() if a == b)
    title = f"{start:%B %Y}"
    text = (
        f"{label}: where customers moved in {title}. {stayed:,} stayed in their segment, {moved:,} moved, joined or "
        "left. The table below has the numbers."
    )
    last = min((start + pd.offsets.MonthEnd(0)).date(), marts.as_of)
    picture = sankey.draw(
        flows,
        [*order, NEW],
        [*order, LEFT],
        labels,
        palette,
        (f"Before {words.day(start.date())}", f"End of {words.day(last)}"),
        text,
    )
    froms = [segment for segment in [*order, NEW] if any(a == segment for a, _ in flows)]
    tos = [segment for segment in [*order, LEFT] if any(b == segment for _, b in flows)]
    matrix = pd.DataFrame(
        [
            {"From": labels[a]} | {f"to {labels[b]}": flows.get((a, b), 0) if a != b else pd.NA for b in tos}
            | {"stayed": flows.get((a, a), 0)}
            for a in froms
        ]
    )  # fmt: skip
    columns = [column for column in matrix.columns if column.startswith("to ")]
    matrix[columns] = matrix[columns].astype("Int64")
    return {
        "title": title,
        "picture": Markup(picture),
        "matrix": Markup(tables.table(matrix, f"moves-{name}", integers=[*columns, "stayed"], shaded=columns)),
        "moved": moved,
    }


def _card(
    marts: Marts,
    name: str,
    segment: str,
    labels: dict[str, str],
    palette: dict[str, str],
    daily: pd.DataFrame,
    sizes: pd.Series,
) -> dict[str, object]:
    own = daily[daily["segment"] == segment].sort_values("day")
    trend = own["customers"].tolist()[-180:]
    month = marts.sizes_on(name, marts.days_before(MONTH))
    size, total = int(sizes.get(segment, 0)), max(int(sizes.sum()), 1)
    ruled = marts.segments[(marts.segments["segmentation"] == name) & (marts.segments["segment"] == segment)]
    about = ruled.iloc[0] if len(ruled) else None
    sales = float(own.loc[own["day"] == marts.as_of, "net_sales_30d"].sum())
    return {
        "id": f"{name}-{segment}",
        "label": labels[segment],
        "colour": palette[segment],
        "customers": f"{size:,}",
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
    }


def _word(name: str | None) -> str | None:
    return name.replace("_", " ") if name and name != "none" else None


def _checks(marts: Marts) -> dict[str, object]:
    checks = marts.table("ops_checks")
    own = checks[checks["run_id"] == checks["run_id"].max()]
    passed = int((own["status"] == "passed").sum())
    rows = own[own["status"] != "passed"].sort_values(["severity", "suite", "code"])
    return {
        "total": len(own),
        "passed": passed,
        "others": rows[["code", "mart", "description", "observed", "expected", "severity"]].to_dict("records"),
        "suites": own.groupby("suite").agg(total=("code", "size")).reset_index().to_dict("records"),
    }
