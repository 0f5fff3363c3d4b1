"""Charts of the report, drawn by Altair and turned into SVG without a browser."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from html import escape

import altair as alt
import pandas as pd
import vl_convert

# Every colour stands out from white by at least 3 to 1, and neighbours from each other in lightness or hue.
PALETTE = (
    "#1b4f91", "#c8591b", "#2e7d4f", "#8e2f6f", "#b8860b", "#0e7c86", "#b3323d", "#5d4bb0", "#6b7d1e", "#8a5a2b",
    "#3f7fbf", "#4a5560",
)  # fmt: skip
INK, MUTED, GRID = "#1d2733", "#55606c", "#e3e6ea"
# The darkest ground of a cell: INK is readable on it, and on whatever lies between it and white.
SHADE = "#9dbde0"
FONT = "system-ui, -apple-system, Segoe UI, Roboto, sans-serif"
DAYS_DRAWN = 160
# The name of a layer that is there for the pointer alone.
UNSEEN = "unseen"
_INTERACTIVE = ContextVar("interactive", default=False)


@contextmanager
def drawn_for(interactive: bool) -> Iterator[None]:
    """Within it charts carry, or do not, what they were drawn from: a page with script() then answers the pointer."""
    token = _INTERACTIVE.set(interactive)
    try:
        yield
    finally:
        _INTERACTIVE.reset(token)


def script() -> str:
    """Vega, Vega-Lite and Vega-Embed, which an interactive page needs."""
    return vl_convert.javascript_bundle()


def colours(names: Sequence[str]) -> dict[str, str]:
    """A colour per segment, by its place in the rules; who comes from or goes outside is grey."""
    return {name: PALETTE[place % len(PALETTE)] for place, name in enumerate(names)} | {
        "(new)": "#7a8490",
        "(left)": "#7a8490",
    }


def svg(chart: alt.LayerChart, text: str) -> str:
    """A chart as SVG that says what it shows and scales with the page.

    Args:
        chart: the chart, its data inside it.
        text: what it shows, for those who do not see it.
    """
    configured = (
        chart.configure_view(stroke=None)
        .configure_axis(
            labelFont=FONT, titleFont=FONT, labelFontSize=12, titleFontSize=12, labelColor=MUTED, titleColor=MUTED,
            titleFontWeight="normal", gridColor=GRID, domainColor=GRID, tickColor=GRID,
        )
        .configure_text(font=FONT)
        .configure_header(labelFont=FONT, titleFont=FONT, labelFontSize=12, labelColor=INK)
        .configure_legend(labelFont=FONT, titleFont=FONT, labelFontSize=12, labelColor=INK)
    )  # fmt: skip
    whole = configured.to_dict()
    seen = [layer for layer in whole["layer"] if layer.get("name") != UNSEEN]
    drawn = vl_convert.vegalite_to_svg(whole | {"layer": seen})
    width = float(re.search(r'width="([\d.]+)"', drawn).group(1))
    # The reader hears one text, not every tick.
    drawn = re.sub(r' (?:role|aria-[a-z]+)="[^"]*"', "", drawn)
    head = f'<svg role="img" aria-label="{escape(text)}" style="max-width:{width * 1.15:.0f}px"'
    picture = re.sub(r'<svg [^>]*?class="marks" width="[\d.]+" height="[\d.]+"', head, drawn, count=1)
    if not _INTERACTIVE.get():
        return picture
    return f'{picture}<script type="application/json">{inline_json(whole)}</script>'


def inline_json(value: object) -> str:
    """A value as JSON that may stand in a script: a browser finds nothing in it that begins or ends an element."""
    text = json.dumps(value, separators=(",", ":"))
    # Within JSON these are only in texts.
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def sizes_over_time(daily: pd.DataFrame, order: Sequence[str], labels: dict[str, str]) -> alt.LayerChart:
    """Customers by day, stacked in the order of the rules.

    Args:
        daily: columns day, segment, customers.
        order: the segments from the top.
        labels: what people call them.
    """
    days = sorted(daily["day"].unique())
    step = max(1, -(-len(days) // DAYS_DRAWN))
    # Thinned from the end, so that the last day is always there.
    kept = set(days[::-1][::step])
    data = daily.loc[daily["day"].isin(kept), ["day", "segment", "customers"]].copy()
    data["day"] = data["day"].astype(str)
    data["place"] = data["segment"].map({name: place for place, name in enumerate(order)})
    data["label"] = data["segment"].map(labels)
    palette = colours(order)
    stacked = (
        alt.Chart(data[["day", "customers", "place", "label"]])
        .encode(
            x=alt.X("day:T", title=None, scale=alt.Scale(type="utc"), axis=alt.Axis(tickCount=8, grid=False)),
            y=alt.Y("customers:Q", title="customers", stack="zero", axis=alt.Axis(tickCount=5, format=",d")),
            color=alt.Color(
                "label:N",
                scale=alt.Scale(domain=[labels[name] for name in order], range=[palette[name] for name in order]),
                legend=None,
            ),
            order=alt.Order("place:Q", sort="descending"),
        )
        .properties(width=780, height=300)
    )
    areas = stacked.mark_area(opacity=0.92, stroke="white", strokeWidth=0.6)
    # An area is one mark for all its days, of which the pointer would find the first.
    told = [alt.Tooltip("day:T"), alt.Tooltip("label:N", title="segment"), alt.Tooltip("customers:Q", format=",d")]
    bars = stacked.mark_bar(opacity=0, width=780 / max(len(kept), 1)).encode(tooltip=told)
    return areas + bars.properties(name=UNSEEN)


def sparkline(values: Sequence[float], colour: str, text: str) -> str:
    """A small line of a segment's size as SVG, the last value marked."""
    width, height, edge = 220, 44, 4
    low, high = min(values), max(values)
    spread = (high - low) or 1
    steps = max(len(values) - 1, 1)
    points = [
        (
            edge + place * (width - 2 * edge) / steps,
            height - edge - (value - low) * (height - 2 * edge) / spread if high > low else height / 2,
        )
        for place, value in enumerate(values)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    x, y = points[-1]
    return (
        f'<svg role="img" aria-label="{escape(text)}" viewBox="0 0 {width} {height}" class="spark" '
        'preserveAspectRatio="xMinYMid meet">'
        f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2" stroke-linejoin="round"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/></svg>'
    )


def lorenz(points: pd.DataFrame) -> alt.LayerChart:
    """The share of net sales that the customers with least bring together, beside equal shares.

    Args:
        points: columns customers_percent (0 to 100) and value_share (0 to 1).
    """
    axis = alt.Axis(format=".0%", tickCount=5)
    data = pd.DataFrame({"customers": points["customers_percent"] / 100, "value": points["value_share"].astype(float)})
    x = alt.X("customers:Q", title="share of customers, least net sales first", axis=axis)
    y = alt.Y("value:Q", title="share of net sales", axis=axis)
    curve = alt.Chart(data).mark_area(
        line={"color": PALETTE[0], "strokeWidth": 2.5}, color=PALETTE[0], fillOpacity=0.15
    )
    equal = alt.Chart(pd.DataFrame({"customers": [0.0, 1.0], "value": [0.0, 1.0]})).mark_line(
        color=MUTED, strokeDash=[4, 4], strokeWidth=1
    )
    told = [alt.Tooltip("customers:Q", format=".0%"), alt.Tooltip("value:Q", title="net sales", format=".1%")]
    points = alt.Chart(data).mark_point(opacity=0, size=120).encode(x=x, y=y, tooltip=told).properties(name=UNSEEN)
    return (curve.encode(x=x, y=y) + equal.encode(x=x, y=y) + points).properties(width=420, height=300)


def drift(rows: pd.DataFrame) -> alt.LayerChart:
    """How far distributions lie from their baseline, each beside what chance alone may do.

    Args:
        rows: columns where, psi, limit and drifted (coloured), the farthest first.
    """
    data = rows[["where", "psi", "limit", "drifted"]]
    y = alt.Y("where:N", sort=None, title=None, axis=alt.Axis(labelLimit=330, grid=False))
    bars = (
        alt.Chart(data)
        .mark_bar(height=12)
        .encode(
            x=alt.X("psi:Q", title="population stability index", axis=alt.Axis(tickCount=5)),
            y=y,
            color=alt.condition("datum.drifted", alt.value(PALETTE[1]), alt.value("#9aa5b1")),
            tooltip=[alt.Tooltip("psi:Q", format=".3f"), alt.Tooltip("limit:Q", title="chance alone", format=".3f")],
        )
    )
    limits = alt.Chart(data).mark_tick(color=INK, thickness=2, size=18).encode(x="limit:Q", y=y)
    return (bars + limits).properties(
        width=420, height=alt.Step(24), padding={"left": 60, "top": 5, "right": 10, "bottom": 5}
    )


def retention(rows: pd.DataFrame) -> alt.LayerChart:
    """A retention triangle: the share of a cohort that bought, by month since its first order.

    Args:
        rows: columns cohort (YYYY-MM), months and share (0 to 1).
    """
    x = alt.X("months:O", title="months since the first order", axis=alt.Axis(labelAngle=0, orient="top"))
    y = alt.Y("cohort:O", title="first order in", axis=alt.Axis(titlePadding=14))
    cells = (
        alt.Chart(rows)
        .mark_rect()
        .encode(
            x=x,
            y=y,
            color=alt.Color("share:Q", scale=alt.Scale(domain=[0, 1], range=["#f7f9fb", SHADE]), legend=None),
            tooltip=[alt.Tooltip("cohort:O"), alt.Tooltip("months:O"), alt.Tooltip("share:Q", format=".1%")],
        )
    )
    texts = alt.Chart(rows).mark_text(fontSize=11, color=INK).encode(x=x, y=y, text=alt.Text("share:Q", format=".0%"))
    return (cells + texts).properties(width=alt.Step(46), height=alt.Step(26))
