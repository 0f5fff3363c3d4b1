"""Writes the report of a release: `index.html`, one file that loads nothing."""

from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from flows.report import charts, lifecycle, segmentation, value, watch, words
from flows.report.marts import LEFT, MONTH, NEW, Marts


@dataclass(frozen=True)
class Earlier:
    """What the release is compared with.

    Attributes:
        as_of: the day of the release before, or the one at whose end the flows begin where there is none.
        is_release: whether it is one.
    """

    as_of: date
    is_release: bool


def write(marts_file: Path, folder: Path, name: str, previous_as_of: date | None, interactive: bool = False) -> Path:
    """Write the report of a release into `folder`; returns its file.

    Args:
        marts_file: the release's tessera.duckdb.
        folder: where index.html goes; made if it is missing.
        name: what the release is called.
        previous_as_of: the day that the release before it shows, or None where there is none.
        interactive: whether charts answer the pointer, by scripts that the page carries.
    """
    with closing(Marts(marts_file)) as marts:
        page = _rendered(marts, name, previous_as_of, interactive)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "index.html"
    file.write_text(page, encoding="utf-8")
    return file


def _rendered(marts: Marts, name: str, previous_as_of: date | None, interactive: bool) -> str:
    earlier = _earlier(marts, previous_as_of)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    with charts.drawn_for(interactive):
        return environment.get_template("index.html.j2").render(
            name=name,
            as_of=words.day(marts.as_of),
            earlier=earlier,
            earlier_day=words.day(earlier.as_of),
            population=words.population(marts, earlier.as_of),
            changes=words.changes(marts, earlier.as_of),
            tiles=_tiles(marts),
            segmentations=[segmentation.section(marts, row) for row in marts.segmentations.itertuples()],
            value=value.section(marts),
            lifecycle=lifecycle.section(marts),
            alerts=watch.alerts(marts),
            drift=watch.drift(marts),
            checks=watch.checks(marts),
            script=charts.script() if interactive else None,
        )


def _earlier(marts: Marts, previous_as_of: date | None) -> Earlier:
    # A day that is released again, or one before an earlier backfill, has nothing to be compared with but its own past.
    if previous_as_of and marts.daily["day"].min() <= previous_as_of < marts.as_of:
        return Earlier(previous_as_of, True)
    return Earlier(marts.flows_begin(), False)


def _tiles(marts: Marts) -> list[tuple[str, str]]:
    one = marts.segmentations["segmentation"].iloc[0]
    today = marts.daily[(marts.daily["segmentation"] == one) & (marts.daily["day"] == marts.as_of)]
    names = set(marts.segmentations["segmentation"])
    flows = marts.moves("day", marts.days_before(MONTH))
    moved = flows[
        flows["segmentation"].isin(names)
        & (flows["from_segment"] != flows["to_segment"])
        & (flows["from_segment"] != NEW)
        & (flows["to_segment"] != LEFT)
    ]
    customers, orders = int(today["customers"].sum()), int(today["orders_30d"].sum())
    moves = int(moved["customers"].sum())
    return [
        (words.plural(customers, "customer"), f"{customers:,}"),
        ("net sales, 30 days", f"{today['net_sales_30d'].sum():,.0f}"),
        (f"{words.plural(orders, 'order')}, 30 days", f"{orders:,}"),
        (f"{words.plural(moves, 'move')}, 30 days", f"{moves:,}"),
    ]
