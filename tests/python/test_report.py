"""The report: what it says are the numbers of the marts, and a browser shows it without loading anything."""

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import duckdb
import pandas as pd
import pytest
from conftest import PUBLISHED, Shop, rows

from flows.report import charts, page, sankey, words
from flows.report.__main__ import report_of
from flows.report.marts import Marts
from flows.rules.macros import macros
from flows.steps.errors import RunStopped
from flows.steps.project import Project

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def release(published_shop: Shop) -> Path:
    return (published_shop.serving / "current").resolve()


@dataclass
class Node:
    """An element of a page."""

    tag: str
    attributes: dict[str, str]
    parts: list["Node | str"] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What it says, its white space as a browser shows it."""
        return " ".join(self._said().split())

    def _said(self) -> str:
        return "".join(part if isinstance(part, str) else part._said() for part in self.parts)

    def find(self, tag: str | None = None, name: str | None = None) -> list["Node"]:
        """The elements within it, of a tag or of a class, in order."""
        own = [part for part in self.parts if isinstance(part, Node)]
        found = []
        for part in own:
            fits = (tag is None or part.tag == tag) and (
                name is None or name in (part.attributes.get("class") or "").split()
            )
            found += ([part] if fits else []) + part.find(tag, name)
        return found

    def has(self, name: str) -> bool:
        return any(node.attributes.get("id") == name for node in self.find())

    def one(self, name: str) -> "Node":
        """The element with an id."""
        (node,) = (node for node in self.find() if node.attributes.get("id") == name)
        return node

    def svgs(self) -> list["Node"]:
        return self.find(tag="svg")

    def table(self, name: str) -> list[dict[str, str]]:
        """The rows of a table, by the names of its columns; none where the page does not have it."""
        if not self.has(name):
            return []
        table = self.one(name)
        heads = [cell.text for cell in table.find(name="gt_col_heading")]
        bodies = table.find(tag="tbody")[0].find(tag="tr")
        return [dict(zip(heads, (cell.text for cell in row.find(name="gt_row")), strict=True)) for row in bodies]


class Reader(HTMLParser):
    """Reads a page into nodes, without a browser and without anything of flows/report."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Node("page", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs})
        self.open[-1].parts.append(node)
        if tag not in ("meta", "br", "col", "link", "hr", "img"):
            self.open.append(node)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self.open[-1].parts.append(data)


@dataclass(frozen=True)
class Paper:
    """A report that is read and the marts that it is of."""

    page: Node
    marts: Path

    def sql(self, query: str) -> list[tuple]:
        return rows(self.marts, query)


def read(file: Path) -> Node:
    reader = Reader()
    reader.feed(file.read_text())
    return reader.root


def agrees(cell: str, value: object) -> bool:
    """Whether a cell says a value as exactly as its digits can."""
    if value is None:
        return cell == "–"
    if isinstance(value, str):
        return cell == value
    text = cell.replace(",", "").replace("−", "-").replace("±", "")
    digits = len(text.rstrip("%").partition(".")[2])
    shown = float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
    half = 0.5 * 10**-digits / (100 if text.endswith("%") else 1)
    return abs(shown - float(value)) <= half * 1.000001 + 1e-9


def assert_says(shown: Sequence[dict[str, str]], expected: Sequence[tuple]) -> None:
    """Assert that the rows of a table are these, in this order."""
    assert len(shown) == len(expected)
    for row, values in zip(shown, expected, strict=True):
        wrong = [
            (name, cell, value)
            for (name, cell), value in zip(row.items(), values, strict=True)
            if not agrees(cell, value)
        ]
        assert not wrong, (row, wrong)


# What the small shop of a few days does not have: a longer history, alerts of every kind, projections and their
# tests, categories that are worth nothing, segments of one customer, texts that are missing.
DAY = f"date '{PUBLISHED}'"
STAGED = f"""
insert into marts.fct_segment_daily by name
select as_of_date - cast(ago as integer) as as_of_date, segmentation, segment, customers + ago % 7 as customers,
    1 as entered, 2 as exited, 0 as joined, 0 as "left", net_sales_30d + ago as net_sales_30d, orders_30d
from marts.fct_segment_daily, range(9, 200) as days (ago)
where as_of_date = {DAY};
update marts.fct_segment_daily set customers = 1
where as_of_date = {DAY} and segmentation = 'seg_lifecycle' and segment = 'reactivated';

insert into marts.fct_segment_migrations values
    ('month', date '2024-04-01', date '2024-04-30', 'seg_lifecycle', 'loyal', 'loyal', 1201),
    ('month', date '2024-04-01', date '2024-04-30', 'seg_lifecycle', 'active', 'loyal', 11);

insert into marts.fct_segment_projections
select segmentation, segment, projected_from, months, projected_from + cast(30 * months as integer), 3, customers,
    customers * (1 + months / 10) + 0.3, null
from (
    select segmentation, segment, as_of_date as projected_from, customers from marts.fct_segment_daily
    where segmentation = 'seg_lifecycle' and as_of_date in ({DAY}, date '2024-03-31')
), range(1, 4) as ahead (months);
insert into marts.fct_projection_backtest values
    ({DAY}, 'seg_lifecycle', '(all)', 1, 4, 0.0351, 0.0349, 0.2, 0.2, false),
    ({DAY}, 'seg_lifecycle', '(all)', 2, 3, 0.047, 0.0456, 0.2, 0.2, false),
    ({DAY}, 'seg_lifecycle', '(all)', 3, 0, null, null, null, null, null),
    ({DAY}, 'seg_lifecycle', 'loyal', 1, 4, 0.9, 0.9, 0.2, 0.2, false);

delete from marts.fct_segment_dwell where segmentation = 'seg_lifecycle';
insert into marts.fct_segment_dwell by name
select {DAY} as as_of_date, 'seg_lifecycle' as segmentation, * from (values
    ('loyal', 0, 1240, 0, 1.0, 8), ('loyal', 8, 1200, 700, 0.45, 8),
    ('at_risk', 0, 29, 0, 1.0, 3), ('at_risk', 3, 29, 20, 0.3, 3),
    ('active', 0, 274, 0, 1.0, null), ('active', 223, 30, 0, 1.0, null), ('active', 268, 4, 0, 1.0, null),
    ('new', 0, 40, 0, 1.0, null), ('new', 5, 35, 14, 0.6, null), ('new', 7, 10, 1, 0.55, null),
    ('reactivated', 0, 40, 0, 1.0, 178), ('reactivated', 1, 31, 3, 0.9, 178), ('reactivated', 178, 1, 1, 0.0, 178)
) as curves (segment, days, at_risk, exits, survival, median_days);

delete from marts.fct_alerts;
insert into marts.fct_alerts by name
select *, 'o@example.com' as owner from (values
    ('a1', 'size', 'seg_lifecycle', 'loyal', 'customers', 1234, 1500.25, -5, date '2024-04-05', date '2024-04-08',
        null, 'open'),
    ('a2', 'level', 'seg_lifecycle', 'active', 'orders_30d', 3.5, 2.25, 6, date '2024-04-06', date '2024-04-07',
        null, 'open'),
    ('a3', 'level', 'seg_lifecycle', 'active', 'net_sales_90d', 2000, 150, 4, date '2024-04-04', date '2024-04-09',
        null, 'acknowledged'),
    ('a4', 'level', 'seg_lifecycle', 'active', 'active_days_90d', 2, 4, -4.5, date '2024-04-04', date '2024-04-06',
        null, 'open'),
    ('a5', 'share_explained', 'seg_value', '(all)', 'share_explained', 0.5, 0.2, 7, date '2024-04-03',
        date '2024-04-03', null, 'open'),
    ('a6', 'distribution', 'seg_deals', 'balanced', 'orders_30d', 0.4, 0.2, 2, date '2024-04-01', date '2024-04-02',
        date '2024-04-05', 'resolved'),
    ('a7', 'response_rate', 'seg_deals', 'balanced', 'response_rate', 0.1, 0.2, -0.5, date '2024-01-01',
        date '2024-01-02', date '2024-04-05', 'resolved')
) as alerts (alert_id, kind, segmentation, segment, feature, observed, expected, score, first_day, last_day,
    resolved_on, state);
insert into marts.fct_alerts by name
select 'b' || segment as alert_id, 'distribution' as kind, segmentation, segment, 'orders_30d' as feature,
    0.25 as observed, 0.125 as expected, 2 as score, date '2024-04-01' as first_day, date '2024-04-03' as last_day,
    'open' as state, 'o@example.com' as owner
from marts.dim_segments where segmentation = 'seg_value' and is_current;

insert into marts.fct_alert_tests by name
select {DAY} as as_of_date, 'size' as kind, segmentation, segment, 'customers' as feature,
    50 + 7 * position as observed,
    case position when 1 then null when 2 then 1.25 else 0.1 + position % 4 / 10 end as detectable_change
from marts.dim_segments where is_current and segmentation in ('seg_value', 'seg_deals');
update marts.fct_alert_tests set is_alert = false where kind = 'distribution' and as_of_date = {DAY};
update marts.fct_alert_tests set is_alert = true
where kind = 'distribution' and as_of_date = {DAY} and (segmentation, segment, feature) in (
    select (segmentation, segment, feature) from marts.fct_segment_drift
    where as_of_date = {DAY} order by psi desc limit 1
);
update marts.fct_segment_drift set baseline_date = date '2024-03-15'
where as_of_date = {DAY} and psi = (select min(psi) from marts.fct_segment_drift where as_of_date = {DAY});

insert into marts.fct_value_backtest by name
select {DAY} as as_of_date, date '2024-01-09' as forecast_from, 2447 as customers, 1176367.69 as actual_net_sales, *
from (values
    ('bg_nbd_gamma_gamma', null, 1145032.03, -0.026638, 184.56, 283.41, 0.80527),
    ('past_spend', null, 1187167.80, 0.009181, 187.57, 290.06, 0.798764),
    ('seasonal_naive', 91, 1134296.42, -0.035764, 178.39, 275.34, 0.814012)
) as tests (forecaster, season_days, forecast_net_sales, total_bias, mean_absolute_error, root_mean_squared_error,
    rank_correlation);

insert into marts.fct_retention by name
select {DAY} as as_of_date, date '2023-01-01' as cohort_month, date '2023-01-01' as activity_month,
    months as months_since,
    true as is_complete, 20 as customers, 20 - 2 * months as active_customers, 1 - months / 10 as retention_rate,
    greatest(retention_rate - 0.19, 0) as retention_rate_lower, least(retention_rate + 0.2, 1) as retention_rate_upper
from range(0, 11) as since (months);
insert into marts.fct_reactivation by name
select {DAY} as as_of_date, true as is_complete, 90 as lapsed_days, * from (values
    (date '2024-02-01', 1041, 14, 9, 0.1667, 0.09, 0.287), (date '2024-03-01', 46, 54, 32, 0.323, 0.239, 0.42)
) as months (month_start, lapsed_at_start, newly_lapsed, reactivated, reactivation_rate, reactivation_rate_lower,
    reactivation_rate_upper);

delete from marts.fct_cross_sell where segmentation = 'seg_lifecycle';
insert into marts.fct_cross_sell by name
select {DAY} as as_of_date, 'seg_lifecycle' as segmentation, 'loyal' as segment, * from (values
    ('FRZN MEAT/MEAT DINNERS', true, 0.5, 1.2, 900), ('FRZN MEAT', true, 1.0, 1.2, 0),
    ('few buyers', false, 0.5, 2, 5000), ('seldom bought', true, 0.049, 2, 4000),
    ('not theirs', true, 0.5, 0.9, 3000), ('bakery', true, 0.05, 1.1, 500)
) as categories (category, is_offered, penetration, lift, potential_net_sales_365d);

update marts.fct_segment_typical_customers
set description = 'Known for 360 days, 12 orders in 365 for 13962.63, most on FRZN MEAT/MEAT DINNERS; '
    || 'customer type household; age band 65+'
where segmentation = 'seg_lifecycle' and segment = 'loyal';
update marts.fct_segment_typical_customers set description = null
where segmentation = 'seg_lifecycle' and segment = 'at_risk';
delete from marts.fct_segment_typical_customers where segmentation = 'seg_lifecycle' and segment = 'active';
insert into marts.fct_segment_attribute_shares
values ({DAY}, 'seg_lifecycle', 'loyal', 'customer_type', 'household', 279, 1, 1200, 1, 100);

update marts.fct_segment_profiles set feature = 'coupon_share_365d', mean = 0.0049, population_mean = 0.0131
where segmentation = 'seg_lifecycle' and segment = 'loyal' and difference_rank = 1;

update marts.ops_checks set status = 'warned', observed = '12345 rows'
where code = (select min(code) from marts.ops_checks);
"""


@pytest.fixture(scope="module")
def staged(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the marts of the release and what they lack, and with their report."""
    folder = tmp_path_factory.mktemp("staged")
    shutil.copy(release / "tessera.duckdb", folder / "tessera.duckdb")
    with duckdb.connect(str(folder / "tessera.duckdb")) as connection:
        connection.execute(STAGED)
    page.write(folder / "tessera.duckdb", folder, "staged", previous_as_of=PUBLISHED - timedelta(days=3))
    return folder


@pytest.fixture(scope="module", params=["released", "staged"])
def paper(request: pytest.FixtureRequest, release: Path, staged: Path) -> Paper:
    """The report of the release, and of its marts with what the small shop lacks."""
    if request.param == "staged":
        return Paper(read(staged / "index.html"), staged / "tessera.duckdb")
    return Paper(read(release / "report" / "index.html"), release / "tessera.duckdb")


@pytest.fixture(scope="module")
def staged_paper(staged: Path) -> Paper:
    return Paper(read(staged / "index.html"), staged / "tessera.duckdb")


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """A headless Chromium, Debian's package `chromium`; playwright only drives it."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed: the report is not looked at in a browser")
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield running
        running.close()


@pytest.fixture
def tab(browser: object, release: Path) -> Iterator[object]:
    """The report in a tab."""
    with opened_quietly(browser, release / "report" / "index.html") as opened:
        yield opened


@contextmanager
def opened_quietly(browser: object, file: Path) -> Iterator[object]:
    """A page in a tab; it fails the test if the page logs or loads anything."""
    opened = browser.new_page(viewport={"width": 1200, "height": 900})
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda request: said.append(request.url))
    address = file.as_uri()
    opened.goto(address)
    yield opened
    assert said == [address]
    opened.close()


def test_every_release_carries_a_report_of_less_than_two_megabytes_that_needs_no_network(release: Path) -> None:
    file = release / "report" / "index.html"
    text = file.read_text()
    assert file.stat().st_size < 2_000_000
    assert "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'\"" in text
    assert "<script" not in text
    # Namespaces of SVG are names, not addresses.
    addresses = set(re.findall(r"https?://[^\s\"'<]+", text)) - {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert addresses == set()


# The segments that a section shows, in the order of the rules: those that ever had customers.
SHOWN = """(
    select segmentation, segment, segments.label, segments.position, segmentations.label as title
    from marts.dim_segments as segments
    inner join marts.dim_segmentations as segmentations using (segmentation)
    where segments.is_current and segmentations.is_current and segmentations.status = 'active'
        and (segmentation, segment) in (
            select (segmentation, segment) from marts.fct_segment_daily where customers > 0
        )
)"""
MONTH_AGO = f"greatest({DAY} - 30, (select min(as_of_date) from marts.fct_segment_daily))"
INNER = "from_segment <> to_segment and from_segment <> '(new)' and to_segment <> '(left)'"


def segmentations(paper: Paper) -> list[str]:
    return [name for (name,) in paper.sql(f"select distinct segmentation from {SHOWN} order by 1")]


def spoken(feature: str) -> str:
    """A feature as people call it, by a rule of this test's own."""
    if feature == "tenure_days":
        return "days known"
    *words_before, last = feature.split("_")
    if re.fullmatch(r"\d+d", last):
        return f"{' '.join(words_before)} in {last[:-1]} days"
    return feature.replace("_lifetime", " so far").replace("_", " ")


def people_day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def test_the_first_numbers_are_those_of_the_marts(paper: Paper) -> None:
    assert [head.text for head in paper.page.find(tag="h1")] == [f"Customer segments on {people_day(PUBLISHED)}"]
    first = paper.sql(f"select segmentation from {SHOWN} order by title, segmentation limit 1")[0][0]
    (customers, sales, orders), ((moves,),) = (
        paper.sql(
            "select sum(customers), sum(net_sales_30d), sum(orders_30d) from marts.fct_segment_daily "
            f"where segmentation = '{first}' and as_of_date = {DAY}"
        )[0],
        paper.sql(
            f"select sum(customers) from marts.fct_segment_migrations where period = 'day' and {INNER} "
            f"and period_start > {MONTH_AGO} and segmentation in (select segmentation from {SHOWN})"
        ),
    )
    tiles = [tile.find(tag="strong")[0].text for tile in paper.page.find(name="tiles")[0].find(tag="li")]
    assert [agrees(tile, value) for tile, value in zip(tiles, (customers, sales, orders, moves), strict=False)] == [
        True
    ] * 4
    passed, checks = paper.sql("select count(*) filter (status = 'passed'), count(*) from marts.ops_checks")[0]
    assert tiles[4] == f"{passed} of {checks}"


def test_what_changed_is_what_the_marts_say(staged_paper: Paper) -> None:
    since = PUBLISHED - timedelta(days=3)
    lead = staged_paper.page.one("changes")
    for div in lead.find(tag="dl")[0].find(tag="div"):
        name = div.find(tag="a")[0].attributes["href"].removeprefix("#")
        ways = staged_paper.sql(
            "select from_segment, to_segment, sum(customers) from marts.fct_segment_migrations "
            f"where period = 'day' and period_start > date '{since}' and segmentation = '{name}' and {INNER} "
            "group by all order by 3 desc, 1, 2"
        )
        total = sum(customers for _, _, customers in ways)
        said = div.find(tag="dd")[0].text
        if not ways:
            assert said.startswith("Nobody moved.")
            continue
        assert said.startswith(f"{total:,} move")
        labels = dict(staged_paper.sql(f"select segment, label from {SHOWN} where segmentation = '{name}'"))
        a, b, customers = ways[0]
        assert f"the largest flow was {labels[a]} → {labels[b]} with {customers:,}." in said
        for verb, order in (("grew", "desc"), ("shrank", "asc")):
            segment, now, before = staged_paper.sql(
                f"""
                select segment, now.customers, before.customers
                from marts.fct_segment_daily as now
                inner join marts.fct_segment_daily as before using (segmentation, segment)
                where now.as_of_date = {DAY} and before.as_of_date = date '{since}' and segmentation = '{name}'
                order by now.customers - before.customers {order}, segment
                limit 1
                """
            )[0]
            if (now > before) == (verb == "grew") and now != before:
                assert re.search(rf" {verb} most, by {abs(now - before):,} to {now:,}\b", said), (said, segment)


def test_sizes_are_those_of_the_marts(paper: Paper) -> None:
    for name in segmentations(paper):
        expected = paper.sql(
            f"""
            with recent as (
                select segment, sum(entered) as entered, sum(exited) as exited from marts.fct_segment_daily
                where segmentation = '{name}' and as_of_date > {MONTH_AGO}
                group by segment
            )
            select label, now.customers, now.customers / sum(now.customers) over (), now.customers - before.customers,
                recent.entered, recent.exited, now.net_sales_30d, now.orders_30d
            from {SHOWN} as shown
            inner join marts.fct_segment_daily as now using (segmentation, segment)
            inner join marts.fct_segment_daily as before using (segmentation, segment)
            inner join recent using (segment)
            where now.as_of_date = {DAY} and before.as_of_date = {MONTH_AGO} and segmentation = '{name}'
            order by position
            """
        )
        assert_says(paper.page.table(f"sizes-{name}"), expected)


def test_sizes_over_time_have_a_table_of_months(paper: Paper) -> None:
    """The chart said that the table below had its numbers, which had those of one day."""
    first = paper.sql("select min(as_of_date) from marts.fct_segment_daily")[0][0]
    for name in segmentations(paper):
        labels = [label for (label,) in paper.sql(
            f"select label from {SHOWN} where segmentation = '{name}' order by position"
        )]  # fmt: skip
        shown = paper.page.table(f"months-{name}")
        assert [list(row) for row in shown] == [["Day", *labels]] * len(shown)
        days = paper.sql(
            f"""
            select as_of_date, list(customers order by position)
            from marts.fct_segment_daily inner join {SHOWN} using (segmentation, segment)
            where segmentation = '{name}' and as_of_date in (
                select unnest([min(as_of_date), max(as_of_date)]) from marts.fct_segment_daily
                union select last_day(as_of_date) from marts.fct_segment_daily
            )
            group by as_of_date order by as_of_date
            """
        )
        assert_says(shown, [(f"{day.day} {day:%b %Y}", *sizes) for day, sizes in days])
        chart = paper.page.one(name).svgs()[0].attributes["aria-label"]
        assert f"{people_day(first)} to {people_day(PUBLISHED)}" in chart
        assert "at the ends of the months" in chart


def test_moves_are_those_of_the_marts(paper: Paper) -> None:
    """Who is in one segment at both ends of a month may have been elsewhere in between: nobody is said to stay."""
    start = PUBLISHED.replace(day=1)
    ((begin,),) = paper.sql("select min(as_of_date) from marts.fct_segment_daily")
    is_young = begin >= start
    for name in segmentations(paper):
        migrations = (
            "select from_segment, to_segment, customers from marts.fct_segment_migrations where period = 'month' "
            f"and period_start = date '{start}' and segmentation = '{name}' and customers > 0"
        )
        # In the month in which history begins everybody was newly known; so it begins with its first day.
        spells = (
            "with days as (select customer_id, "
            f"coalesce(max(case when valid_from <= date '{begin}' and date '{begin}' < valid_to then segment end), "
            f"'(new)') as a, coalesce(max(case when valid_from <= {DAY} and {DAY} < valid_to then segment end), "
            f"'(left)') as b from marts.fct_segment_spells where segmentation = '{name}' group by customer_id) "
            "select a, b, count(*) as customers from days where (a, b) <> ('(new)', '(left)') group by all"
        )
        query = spells if is_young else migrations
        flows = {(a, b): customers for a, b, customers in paper.sql(query)}
        labels = dict(paper.sql(f"select segment, label from {SHOWN} where segmentation = '{name}' order by position"))
        labels |= {"(new)": "Newly known", "(left)": "No longer known"}
        shown = {
            (row["From"], column.removeprefix("to ")): cell
            for row in paper.page.table(f"moves-{name}")
            for column, cell in row.items()
            if column != "From"
        }
        for (a, b), customers in flows.items():
            assert agrees(shown.pop((labels[a], labels[b] if a != b else "same segment")), customers)
        assert set(shown.values()) <= {"–", "0"}
        picture = paper.page.one(name).svgs()[1]
        titles = sorted(title.text for title in picture.find(tag="title"))
        assert titles == sorted(
            f"{labels[a]} to {labels[b]}: {n:,}" if a != b else f"{labels[a]}, at both ends: {n:,}"
            for (a, b), n in flows.items()
        )
        unmoved = sum(n for (a, b), n in flows.items() if a == b)
        moved = sum(n for (a, b), n in flows.items() if a != b)
        assert f"{unmoved:,} are in the same segment; {moved:,} moved" in picture.attributes["aria-label"]
        for side in ("from", "to"):
            place = ["from", "to"].index(side)
            sides = [
                sum(n for ends, n in flows.items() if ends[place] == segment)
                for segment in {ends[place] for ends in flows}
            ]
            ends = {"from": "end", "to": "start"}[side]
            bars = [text.find(tag="tspan")[0].text for text in picture.find(tag="text")
                    if text.attributes.get("text-anchor") == ends and text.find(tag="tspan")]  # fmt: skip
            assert sorted(bars) == sorted(f"{n:,}" for n in sides)
        heads = [head.text for head in paper.page.one(name).find(tag="h3")]
        span = words.span(begin if is_young else start - timedelta(days=1), PUBLISHED)
        assert f"Moves between segments, {span}" in heads
        if is_young:
            assert flows.get(("(new)", "loyal"), 0) < sum(flows.values()) / 2
        assert "stayed" not in paper.page.one(name).text


def test_projections_and_their_errors_are_those_of_the_marts(paper: Paper) -> None:
    told = 0
    for name in segmentations(paper):
        expected = paper.sql(
            f"""
            select label, customers_at_start, list(round(projected_customers) order by months_ahead)
            from marts.fct_segment_projections inner join {SHOWN} using (segmentation, segment)
            where segmentation = '{name}' and projected_from = {DAY}
            group by label, customers_at_start, position order by position
            """
        )
        ahead = paper.page.table(f"projection-{name}")
        if expected and name == "seg_lifecycle":
            expected = [(label, 1 if label == "Reactivated" else now, sizes) for label, now, sizes in expected]
        assert_says(ahead, [(label, now, *sizes) for label, now, sizes in expected])
        told += len(ahead)
        for months, error, unchanged in paper.sql(
            "select months_ahead, weighted_error, no_change_weighted_error from marts.fct_projection_backtest "
            f"where segmentation = '{name}' and segment = '(all)' and projections > 0"
        ):
            said = re.search(
                rf"\b{months} months? ahead by ([\d.]+%) of the customers \(([\d.]+%) if", paper.page.one(name).text
            )
            assert agrees(said[1], error)
            assert agrees(said[2], unchanged)
    assert told or not paper.sql("select * from marts.fct_segment_projections")


def test_ways_are_those_of_the_marts_and_the_most_frequent_is_there_also_where_nobody_moved(paper: Paper) -> None:
    for name in segmentations(paper):
        labels = dict(paper.sql(f"select segment, label from marts.dim_segments where segmentation = '{name}'"))
        expected = []
        for path, customers, share in paper.sql(
            "select life_path, customers, customer_share from marts.fct_life_paths "
            f"where segmentation = '{name}' order by place limit 5"
        ):
            steps = [labels.get(step, "No longer known") for step in path.split(" > ")]
            way = " → ".join(steps) if len(steps) > 1 else f"{steps[0]}, and never elsewhere"
            expected.append(f"{way} {customers:,} customer{'s' if customers != 1 else ''}, {share:.1%}")
        section = paper.page.one(name)
        assert [way.text for way in section.find(name="paths")[0].find(tag="li")] == expected
        assert "five at most" in section.text
        assert any("never elsewhere" in way for way in expected)


def test_values_of_segments_are_those_of_the_marts(paper: Paper) -> None:
    columns = {
        "Segment": "label",
        "Share of customers": "customer_share",
        "Net sales, 365 days": "net_sales_365d",
        "Share of net sales": "value_share",
        "Known margin": "margin_365d",
        "Margin rate": "margin_rate",
        "Expected, 180 days": "expected_net_sales_180d",
        "Expected each": "average_expected_net_sales_180d",
        "Top 20 % have": "top_20_percent_share",
    }
    for name in segmentations(paper):
        shown = paper.page.table(f"value-{name}")
        assert set(columns) - set(shown[0]) <= {"Known margin", "Margin rate"}
        expected = paper.sql(
            f"select {', '.join(columns[head] for head in shown[0])} from marts.fct_segment_values "
            f"inner join {SHOWN} using (segmentation, segment) where segmentation = '{name}' order by position"
        )
        assert_says(shown, expected)


def test_cards_are_of_the_numbers_of_the_marts(paper: Paper) -> None:
    cards = paper.sql(
        f"""
        select segmentation, segment, label, now.customers, before.customers, now.net_sales_30d,
            sum(now.customers) over (partition by segmentation),
            (
                select list(customers order by as_of_date) from marts.fct_segment_daily as days
                where days.segmentation = now.segmentation and days.segment = now.segment
                    and as_of_date > {DAY} - 180
            )
        from {SHOWN} as shown
        inner join marts.fct_segment_daily as now using (segmentation, segment)
        inner join marts.fct_segment_daily as before using (segmentation, segment)
        where now.as_of_date = {DAY} and before.as_of_date = {MONTH_AGO}
        """
    )
    assert len(cards) == len(paper.page.find(name="card"))
    for segmentation, segment, label, customers, before, sales, total, trend in cards:
        card = paper.page.one(f"{segmentation}-{segment}")
        size, bought, *_ = (line.text for line in card.find(name="size"))
        noun = "customer" if customers == 1 else "customers"
        change = f"{customers - before:+,}".replace("-", "−") if customers != before else "±0"
        assert size == f"{customers:,} {noun}, {customers / total:.1%} {change} in 30 days"
        own, each = re.fullmatch(r"(\S+) net sales in 30 days, (\S+) each", bought).groups()
        assert agrees(own, sales)
        assert agrees(each, sales / customers if customers else None)
        assert card.svgs()[0].attributes["aria-label"] == (
            f"{label}: {trend[0]:,} customers {len(trend) - 1} days earlier, {trend[-1]:,} now, "
            f"between {min(trend):,} and {max(trend):,}."
        )


BAREST = {
    "owner": "crm@example.com",
    "status": "active",
    "segments": [
        {"name": "buyers", "description": "Ordered once.", "rule": "orders_lifetime > 0"},
        {"name": "others", "description": "Never ordered."},
    ],
}


@pytest.mark.parametrize("all_segments", [True, False])
def test_b1_report_of_segments_that_say_no_more_than_they_must(
    release: Path, tmp_path: Path, all_segments: bool
) -> None:
    """No persona and no strategy ended a run after nine minutes: what pandas has for no text is a number."""
    versions = macros(models={"seg_barest": BAREST}).render("segmentations/segment_versions.sql")
    with duckdb.connect() as connection:
        barest = connection.sql(versions)
        optional = ("persona", "strategy_approach", "strategy_offer", "strategy_channels")
        told = barest.aggregate(", ".join(f"min({column}) as {column}" for column in optional)).fetchone()
    assert told == (None, None, None, "")
    database = tmp_path / "tessera.duckdb"
    shutil.copy(release / "tessera.duckdb", database)
    with duckdb.connect(str(database)) as connection:
        bare = ", ".join(f"{column} = null" for column in optional)
        where = "" if all_segments else "where segmentation = 'seg_value' and position > 1"
        connection.execute(f"update marts.dim_segments set {bare} {where}")
    page_of_it = read(page.write(database, tmp_path / "report", "r", previous_as_of=None))
    cards = page_of_it.find(name="card")
    assert len(cards) == len(read(release / "report" / "index.html").find(name="card"))
    assert not any(re.search(r"\b(nan|None|NaN|null)\b", card.text) for card in cards)
    assert bool(page_of_it.find(name="persona")) != all_segments


def test_what_cards_say_stands_out_is_what_the_marts_say(paper: Paper) -> None:
    for segmentation, segment in paper.sql(f"select segmentation, segment from {SHOWN}"):
        card = paper.page.one(f"{segmentation}-{segment}")
        lines = [line.text for node in card.find(name="plain") for line in node.find(tag="li")]
        expected = paper.sql(
            "select feature, mean, population_mean from marts.fct_segment_profiles "
            f"where segmentation = '{segmentation}' and segment = '{segment}' and difference_rank <= 3 "
            "and mean is not null order by difference_rank"
        )
        assert len(lines) == len(expected)
        for line, (feature, mean, everybody) in zip(lines, expected, strict=True):
            own, all_customers = re.fullmatch(rf"{spoken(feature)} (\S+), all customers (\S+)", line).groups()
            assert agrees(own, mean)
            assert agrees(all_customers, everybody)
            # A difference that the mart ranks first must be seen.
            assert own != all_customers or mean == everybody
        claims = [
            f"{spoken(feature)} mostly {value}" if claim == "mostly" else f"{spoken(feature)} {claim} all customers"
            for feature, claim, value in paper.sql(
                "select feature, claim, claimed_value from marts.fct_persona_claims where not holds "
                f"and segmentation = '{segmentation}' and segment = '{segment}' order by feature"
            )
        ]
        told = [node.text for node in card.find(name="broken")]
        assert told == ([f"Not borne out {'; '.join(claims)}"] if claims else [])


def test_cards_offer_only_what_enough_customers_buy_and_others_could(paper: Paper) -> None:
    """A category worth nothing, or bought by two, was once offered."""
    for segmentation, segment in paper.sql(f"select segmentation, segment from {SHOWN}"):
        offers = paper.sql(
            "select category from marts.fct_cross_sell where lift > 1 and potential_net_sales_365d > 0 "
            f"and is_offered and penetration >= 0.05 and segmentation = '{segmentation}' and segment = '{segment}' "
            "order by potential_net_sales_365d desc, category limit 3"
        )
        text = paper.page.one(f"{segmentation}-{segment}").text
        if offers:
            assert f"Could also buy {'; '.join(category.capitalize() for (category,) in offers)}" in text
        else:
            assert "Could also buy" not in text


def test_cards_say_how_long_stays_last_only_where_enough_of_them_do(staged_paper: Paper) -> None:
    """All of four open stays were once said to last longer than 268 days."""
    said = {
        segment: re.search(
            r"Of [\d,]+ stays.*? over after \d+ days?", staged_paper.page.one(f"seg_lifecycle-{segment}").text
        )
        for segment in ("loyal", "at_risk", "active", "new", "reactivated", "churned")
    }
    since = "stays that began after 23 September 2023"
    assert {segment: found and found[0] for segment, found in said.items()} == {
        "loyal": f"Of 1,240 {since} half were over after 8 days",
        "at_risk": None,
        "active": f"Of 274 {since} none was over after 223 days",
        "new": f"Of 40 {since} 40.0% were over after 5 days",
        "reactivated": f"Of 40 {since} 10.0% were over after 1 day",
        "churned": None,
    }


def test_typical_customers_are_told_in_the_words_of_the_mart_or_not_at_all(staged_paper: Paper) -> None:
    cards = {segment: staged_paper.page.one(f"seg_lifecycle-{segment}") for segment in ("loyal", "at_risk", "active")}
    assert [node.text for node in cards["loyal"].find(name="typical")] == [
        "Typical customer Known for 360 days, 12 orders in 365 for 13,962.63, most on frzn meat/meat dinners; "
        "age band 65+"
    ]
    for segment in ("at_risk", "active"):
        assert cards[segment].find(name="typical") == []
        assert not {"nan", "None"} & set(cards[segment].text.split())
    assert "FRZN" not in staged_paper.page.text
    for segment, text in staged_paper.sql(
        "select segment, description from marts.fct_segment_typical_customers where segmentation = 'seg_deals'"
    ):
        assert staged_paper.page.one(f"seg_deals-{segment}").find(name="typical")[0].text == f"Typical customer {text}"


def test_what_customers_are_worth_is_what_the_marts_say(paper: Paper) -> None:
    section = paper.page.one("value")
    share, gini, expected, year = paper.sql(
        "select top_20_percent_share, gini, expected_net_sales_180d, net_sales_365d from marts.fct_segment_values "
        "where segmentation = '(all)'"
    )[0]
    assert f"brings {share:.0%} of the net sales of the last 365 days (Gini {gini:.2f})" in section.text
    assert f"should bring {expected:,.0f} in the next 180 days; the last" in section.text
    half_year = paper.sql(
        f"select sum(net_sales_30d), count(distinct as_of_date) from marts.fct_segment_daily "
        f"where segmentation = 'seg_deals' and as_of_date <= {DAY} and as_of_date > {DAY} - 180 "
        f"and datediff('day', as_of_date, {DAY}) % 30 = 0"
    )[0]
    if half_year[1] == 6:
        assert f"; the last 180 days brought {half_year[0]:,.0f}." in section.text
    else:
        days = paper.sql(f"select {DAY} - min(first_order_date) + 1 from marts.fct_customer_features")[0][0]
        assert (
            f"; the last {days} days brought {year:,.0f}, which is {float(year) * 180 / days:,.0f} in 180 days."
            in section.text
        )
    tests = paper.sql(
        "select forecaster, forecast_net_sales, actual_net_sales, total_bias, mean_absolute_error, rank_correlation "
        "from marts.fct_value_backtest order by mean_absolute_error"
    )
    names = {
        "bg_nbd_gamma_gamma": "BG/NBD and Gamma-Gamma",
        "past_spend": "Past spend goes on",
        "seasonal_naive": "The last 91 days again",
    }
    assert_says(paper.page.table("value-backtest"), [(names[test[0]], *test[1:]) for test in tests])
    lead = section.find(name="lead")[0].text
    assert ("a simpler forecast came closer" in lead) == bool(tests)
    if tests:
        assert "per customer “The last 91 days again” (an error of 178.39 against 184.56)" in lead
        assert "in total “Past spend goes on” (off by 0.9% against 2.7%)" in lead


def test_seasonal_forecasts_are_called_by_their_season_and_a_model_that_is_best_is_not_doubted(
    staged: Path, tmp_path: Path
) -> None:
    database = tmp_path / "tessera.duckdb"
    shutil.copy(staged / "tessera.duckdb", database)
    with duckdb.connect(str(database)) as connection:
        connection.execute(
            "update marts.fct_value_backtest set season_days = 365 where forecaster = 'seasonal_naive';"
            "update marts.fct_value_backtest set mean_absolute_error = 1, total_bias = 0 where season_days is null"
        )
    section = read(page.write(database, tmp_path, "r", previous_as_of=None)).one("value")
    assert "The days a year before again" in section.text
    assert "came closer" not in section.text


def test_the_development_of_customers_is_that_of_the_marts(paper: Paper) -> None:
    section = paper.page.one("lifecycle")
    cohorts = paper.sql(
        """
        select strftime(cohort_month, '%Y-%m') || case when bool_or(has_unknown_past) then ' *' else '' end,
            max(observed_customers),
            list([rate_from_start, rate_from_start_lower, rate_from_start_upper] order by stage_position)
        from marts.fct_lifecycle_funnel where follow_up_days = 90 and is_complete and observed_customers > 0
        group by cohort_month order by cohort_month desc limit 12
        """
    )[::-1]
    shown = paper.page.table("funnel")
    assert cohorts
    for row, (cohort, customers, rates) in zip(shown, cohorts, strict=True):
        assert list(row)[:4] == ["First seen in", "Followed", "First order", "Second order"]
        first, followed, *cells = row.values()
        assert first == cohort
        assert agrees(followed, customers)
        for cell, (rate, lower, upper) in zip(cells, rates[1:], strict=True):
            said, low, high = re.fullmatch(r"(\d+%) \((\d+) to (\d+)\)", cell).groups()
            assert agrees(said, rate)
            assert agrees(low, 100 * lower)
            assert agrees(high, 100 * upper)
    retention = paper.sql(
        """
        select strftime(cohort_month, '%Y-%m'), max(customers), list(retention_rate order by months_since)
        from marts.fct_retention where is_complete group by cohort_month order by cohort_month desc limit 12
        """
    )[::-1]
    table = paper.page.table("retention")
    longest = max(len(rates) for _, _, rates in retention)
    assert_says(table, [(*row, *rates, *[None] * (longest - len(rates))) for *row, rates in retention])
    marks = [mark for mark in section.svgs()[0].find(tag="g") if "role-mark" in mark.attributes.get("class", "")]
    cells = [text.text for text in marks[-1].find(tag="text")]
    uncertain = paper.sql(
        """
        select retention_rate, customers, strftime(cohort_month, '%Y-%m'), months_since, retention_rate_lower,
            retention_rate_upper
        from marts.fct_retention
        where is_complete and months_since > 0
        order by round(retention_rate_upper - retention_rate_lower, 12) desc, cohort_month, months_since limit 1
        """
    )
    for rate, customers, cohort, months, lower, upper in uncertain:
        said = f"{rate:.0%} of the {customers:,} customers of {cohort} after {months} month{'s' if months > 1 else ''}"
        assert f"Chance has a part in it: {said}, " in section.text
        assert f"may stand for {lower:.0%} to {upper:.0%} (95 % interval)." in section.text
    assert ("Chance has a part in it" in section.text) == bool(uncertain)
    rates = [rate for _, _, cohort in retention for rate in cohort]
    assert all(agrees(cell, rate) for cell, rate in zip(cells, rates, strict=True))
    assert_says(
        paper.page.table("reactivation"),
        paper.sql(
            "select strftime(month_start, '%Y-%m'), lapsed_at_start, newly_lapsed, reactivated, reactivation_rate, "
            "reactivation_rate_lower, reactivation_rate_upper from marts.fct_reactivation where is_complete order by 1"
        ),
    )
    if paper.sql("select * from marts.fct_reactivation"):
        assert "has not ordered for more than 90 days" in section.text


WHAT = {
    ("size", True): "size fell",
    ("level", True): "average fell",
    ("level", False): "average rose",
    ("share_explained", False): "divides value better",
    ("distribution", False): "distribution has drifted",
    ("persona", True): "persona no longer fits",
}


def test_alerts_are_those_of_the_marts(paper: Paper) -> None:
    found = paper.sql(
        """
        select kind, observed < expected, any_value(segmentations.label), any_value(segments.label),
            alerts.segment, list(feature order by abs(score) desc, feature), arg_max(observed, abs(score)),
            arg_max(expected, abs(score)), min(first_day), max(last_day), any_value(alerts.owner),
            list(distinct state order by state)
        from marts.fct_alerts as alerts
        inner join marts.dim_segmentations as segmentations
            on alerts.segmentation = segmentations.segmentation and segmentations.is_current
        left join marts.dim_segments as segments
            on alerts.segmentation = segments.segmentation and alerts.segment = segments.segment and segments.is_current
        where state <> 'resolved'
        group by kind, observed < expected, alerts.segmentation, alerts.segment
        """
    )
    shown = paper.page.table("open-alerts") + paper.page.table("older-alerts")
    assert len(shown) == len(found)
    by_what = {(row["What"], row["Where"]): row for row in shown}
    for kind, fell, title, label, segment, features, observed, expected, first, last, owner, states in found:
        row = by_what[WHAT[kind, fell], title if segment == "(all)" else f"{title}, {label}"]
        more = f" and {len(features) - 2} more" if len(features) > 2 else ""
        assert row["Of what"] == ", ".join(spoken(feature) for feature in features[:2]) + more
        assert agrees(row["Found"], observed)
        assert agrees(row["Expected"], expected)
        assert row["Since"] == f"{first.day} {first:%b %Y}"
        assert row["Last seen"] == f"{last.day} {last:%b %Y}"
        assert (row["Owner"], row["State"]) == (owner, " and ".join(states))
    total, acknowledged = paper.sql(
        "select count(*), count(*) filter (state = 'acknowledged') from marts.fct_alerts where state <> 'resolved'"
    )[0]
    lead = paper.page.one("alerts").find(name="lead")[0].text
    assert lead.startswith(f"{total:,} open alerts{f', {acknowledged} of them acknowledged' if acknowledged else ''}.")
    # Judged on every day, an alert of 2 April that was resolved on 5 April was so after three days without it.
    (days,) = paper.sql("select max(resolved_on - last_day) from marts.fct_alerts where kind <> 'response_rate'")[0]
    assert f"after {days or 'some'} judged days without it" in lead


def test_the_page_says_what_size_alerts_cannot_see(paper: Paper) -> None:
    judged = paper.sql(
        f"""
        select segmentations.label || ', ' || segments.label, observed, detectable_change
        from marts.fct_alert_tests as tests
        inner join marts.dim_segmentations as segmentations
            on tests.segmentation = segmentations.segmentation and segmentations.is_current
        inner join marts.dim_segments as segments
            on tests.segmentation = segments.segmentation and tests.segment = segments.segment and segments.is_current
        where kind = 'size' and as_of_date = {DAY} and detectable_change is not null
        order by detectable_change desc, tests.segmentation, tests.segment
        """
    )
    section = paper.page.one("alerts")
    if not judged:
        assert "judged by size" not in section.text
        return
    assert_says(paper.page.table("sight-table"), judged)
    half = sorted(row[2] for row in judged)[len(judged) // 2]
    assert f"{len(judged)} segments were judged by size." in section.text
    assert f"an overnight change of {half:.0%} in half of them would have been one" in section.text
    assert f"; in {judged[0][0]} it takes {judged[0][2]:.0%}, so that no fall is seen." in section.text


def test_drift_counts_what_the_alerts_of_the_day_count(paper: Paper) -> None:
    """Eleven distributions were once said to have drifted by more than chance, of which the alerts knew none."""
    drifted = paper.sql(
        f"""
        select segmentations.label || ', ' || segments.label, drift.feature, psi, critical_psi, baseline_mean, mean,
            coalesce(tests.is_alert, false), is_drifted, baseline_date
        from marts.fct_segment_drift as drift
        inner join marts.dim_segmentations as segmentations
            on drift.segmentation = segmentations.segmentation and segmentations.is_current
        inner join marts.dim_segments as segments
            on drift.segmentation = segments.segmentation and drift.segment = segments.segment and segments.is_current
        left join marts.fct_alert_tests as tests
            on tests.kind = 'distribution' and drift.as_of_date = tests.as_of_date
            and drift.segmentation = tests.segmentation and drift.segment = tests.segment
            and drift.feature = tests.feature
        where drift.as_of_date = {DAY} and psi is not null and baseline_customers > 0
        order by psi desc, drift.segmentation, drift.segment, drift.feature
        """
    )
    assert_says(
        paper.page.table("drift-table"),
        [
            (f"{where}: {spoken(feature)}", *numbers, "yes" if is_alert else "no")
            for where, feature, *numbers, is_alert, _, _ in drifted[:12]
        ],
    )
    section = paper.page.one("drift")
    alerts, alone = sum(row[6] for row in drifted), sum(row[7] for row in drifted)
    has = "has" if alerts == 1 else "have"
    assert section.find(name="lead")[0].text.startswith(f"{alerts} of {len(drifted)} distributions {has} drifted ")
    assert (f"Tested one by one {alone} would be called so" in section.text) == (alone > alerts)
    first, last = min(row[8] for row in drifted), max(row[8] for row in drifted)
    since = f"{first.day} {first:%B} to {people_day(last)}" if first != last else people_day(last)
    assert f"The baselines are of {since}." in section.text
    orange = [path for path in section.svgs()[0].find(tag="path") if path.attributes.get("fill") == charts.PALETTE[1]]
    assert len(orange) == sum(row[6] for row in drifted[:12])


def test_checks_are_those_of_the_marts(paper: Paper) -> None:
    section = paper.page.one("checks")
    passed, total = paper.sql("select count(*) filter (status = 'passed'), count(*) from marts.ops_checks")[0]
    assert section.find(name="lead")[0].text.startswith(f"{passed} of {total} checks passed before this release.")
    columns = "code, mart, description, observed, expected"
    others = paper.sql(f"select {columns} from marts.ops_checks where status <> 'passed'")
    found = section.find(name="warnings")
    told = [line.text.replace(",", "") for line in found[0].find(tag="li")] if found else []
    assert sorted(told) == sorted(
        f"{code} ({mart}): {description}. Found {observed}, expected {expected}.".replace(",", "")
        for code, mart, description, observed, expected in others
    )
    for suite, checks in paper.sql("select suite, count(*) from marts.ops_checks group by suite"):
        assert f"{suite} ({checks})" in section.text


def test_charts_are_drawn_from_the_numbers_of_the_marts(staged: Path, tmp_path: Path) -> None:
    marts = staged / "tessera.duckdb"
    whole = read(page.write(marts, tmp_path, "r", previous_as_of=None, interactive=True))

    def drawn(section: str) -> list[list[dict]]:
        """The data of each chart of a section, the largest of its layers' first."""
        specs = [json.loads(node.text) for node in whole.one(section).find(tag="script")]
        return [max(spec["datasets"].values(), key=len) for spec in specs]

    for (name,) in rows(marts, f"select distinct segmentation from {SHOWN}"):
        (sizes,) = drawn(name)
        expected = rows(
            marts,
            f"select cast(as_of_date as varchar), label, customers from marts.fct_segment_daily "
            f"inner join {SHOWN} using (segmentation, segment) where segmentation = '{name}'",
        )
        shown = {(row["day"], row["label"]): row["customers"] for row in sizes}
        known = {(day, label): customers for day, label, customers in expected}
        assert str(PUBLISHED) in {day for day, _ in shown}
        assert {key: known.get(key, 0) for key in shown} == shown
    (curve,) = drawn("value")
    (points,) = rows(
        marts,
        "select list(customers_percent / 100 order by customers_percent), list(value_share order by customers_percent) "
        "from marts.fct_value_concentration where segmentation = '(all)'",
    )
    assert [[row[name] for row in curve] for name in ("customers", "value")] == [
        pytest.approx(column) for column in points
    ]


def test_every_column_of_every_table_has_a_heading(paper: Paper) -> None:
    heads = [head for head in paper.page.find(tag="th") if head.attributes.get("scope") == "col"]
    assert len(heads) > 50
    assert all(head.text for head in heads)


def test_nothing_is_said_of_one_in_the_plural_and_thousands_are_set_apart(paper: Paper) -> None:
    spoken_parts = [node.text for node in paper.page.find() if node.tag in ("p", "li", "dd", "td", "figcaption")]
    for text in spoken_parts:
        assert not re.search(r"(?<![\d.,])1 (customers|orders|days|moves|alerts|stays|checks)\b", text), text
        # Days of the calendar, names of releases and of months have years.
        years = re.sub(r"\b(19|20)\d\d(-\d\d)?\b|Release \S+", "", text)
        assert not re.search(r"(?<![\d.,-])\d{4,}", years), text


def test_charts_are_drawn_and_say_what_they_show(tab: object) -> None:
    pictures = tab.eval_on_selector_all(
        "svg",
        "all => all.map(svg => [svg.getAttribute('role'), svg.getAttribute('aria-label'), "
        "svg.getBoundingClientRect().height, svg.querySelectorAll('path, rect, polyline').length])",
    )
    assert len(pictures) >= 12
    for role, label, height, marks in pictures:
        assert role == "img"
        assert len(label) > 20
        assert height > 20
        assert marks > 0


@pytest.mark.parametrize("width", [360, 768, 1200])
def test_the_page_never_scrolls_sideways(tab: object, width: int) -> None:
    tab.set_viewport_size({"width": width, "height": 800})
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_paper_has_all_that_the_screen_has(browser: object, staged: Path) -> None:
    """Closed details, colours and the right sides of wide tables were once not printed."""
    with opened_quietly(browser, staged / "index.html") as opened:
        opened.emulate_media(media="print")
        # What A4 leaves between margins of a centimetre.
        opened.set_viewport_size({"width": 718, "height": 1000})
        hidden = opened.eval_on_selector_all(
            "details > .scroll, summary",
            "all => all.filter(part => part.getBoundingClientRect().height < 10 ||"
            " !part.checkVisibility({contentVisibilityAuto: true})).map(part => part.innerText)",
        )
        assert hidden == []
        cut = opened.eval_on_selector_all(
            ".scroll", "all => all.filter(part => part.scrollWidth > part.clientWidth + 1).map(part => part.ariaLabel)"
        )
        assert cut == []
        for selector, name, value in (
            (".legend span", "printColorAdjust", "exact"),
            ("td.gt_row", "printColorAdjust", "exact"),
            (".card", "printColorAdjust", "exact"),
            ("h3", "breakAfter", "avoid"),
            ("figure", "breakInside", "avoid"),
        ):
            styles = opened.eval_on_selector_all(
                selector, f"all => [...new Set(all.map(part => getComputedStyle(part).{name}))]"
            )
            assert styles == [value], (selector, name)


def test_the_keyboard_reaches_the_report_at_once_and_every_part_that_scrolls(tab: object) -> None:
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.getAttribute('href')") == "#main"
    unreachable = tab.eval_on_selector_all(
        ".scroll", "all => all.filter(part => part.tabIndex !== 0 || !part.getAttribute('aria-label')).length"
    )
    assert unreachable == 0


def test_every_link_inside_the_page_leads_somewhere_and_headings_leave_no_level_out(tab: object) -> None:
    dead = tab.eval_on_selector_all(
        'a[href^="#"]',
        "all => all.filter(link => !document.getElementById(link.hash.slice(1))).map(link => link.hash)",
    )
    assert dead == []
    levels = tab.eval_on_selector_all("h1, h2, h3, h4", "all => all.map(head => Number(head.tagName[1]))")
    assert levels[0] == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))
    names = tab.eval_on_selector_all("[id]", "all => all.map(part => part.id)")
    assert len(names) == len(set(names))


def luminance(colour: str) -> float:
    """Relative luminance of a colour, by the definition of WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(colour: str, ground: str) -> float:
    light, dark = sorted((luminance(colour), luminance(ground)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(
    ("colour", "ground", "least"),
    [
        *((colour, "#ffffff", 3) for colour in charts.PALETTE),
        (charts.INK, "#ffffff", 4.5),
        (charts.MUTED, "#ffffff", 4.5),
        ("#c6d6ec", "#12335f", 4.5),
        (charts.INK, charts.SHADE, 4.5),
    ],
)
def test_colours_stand_out_from_their_ground(colour: str, ground: str, least: float) -> None:
    assert contrast(colour, ground) >= least


def test_every_cell_of_the_retention_chart_can_be_read(paper: Paper) -> None:
    marks = paper.page.one("lifecycle").svgs()[0].find(tag="g")
    grounds = next(mark for mark in marks if mark.attributes.get("class", "").startswith("mark-rect role-mark"))
    texts = next(mark for mark in marks if mark.attributes.get("class", "").startswith("mark-text role-mark"))
    cells = list(zip(grounds.find(tag="path"), texts.find(tag="text"), strict=True))
    assert cells
    for ground, text in cells:
        red, green, blue = (int(part) for part in re.findall(r"\d+", ground.attributes["fill"]))
        assert contrast(text.attributes["fill"], f"#{red:02x}{green:02x}{blue:02x}") >= 4.5, text.text


def test_charts_of_the_interactive_report_answer_the_pointer(browser: object, release: Path, tmp_path: Path) -> None:
    serving = release.parent.parent
    file = Path(report_of(tmp_path, interactive=True, project=Project(serving=serving)))
    assert file.stat().st_size < 2_000_000
    with opened_quietly(browser, file) as opened:
        charts_drawn = opened.locator('script[type="application/json"]').count()
        assert charts_drawn > 5
        opened.wait_for_function(f"document.querySelectorAll('.live svg[role=img]').length === {charts_drawn}")
        assert opened.evaluate("document.documentElement.scrollWidth") <= 1200
        picture = opened.locator("#seg_lifecycle .live svg").first
        assert len(picture.get_attribute("aria-label")) > 20
        picture.scroll_into_view_if_needed()
        box = picture.bounding_box()
        opened.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.6 * box["height"])
        opened.wait_for_selector("#vg-tooltip-element.visible")
        tooltip = opened.inner_text("#vg-tooltip-element")
        assert "segment" in tooltip
        assert "customers" in tooltip


def test_a_report_is_written_again_as_it_is_in_its_release(release: Path, tmp_path: Path) -> None:
    serving = release.parent.parent
    file = Path(report_of(tmp_path, release.name, project=Project(serving=serving)))
    assert file.read_text() == (release / "report" / "index.html").read_text()
    with pytest.raises(RunStopped, match="There is no release 2000-01-01"):
        report_of(tmp_path, "2000-01-01", project=Project(serving=serving))
    with pytest.raises(RunStopped, match="which never change"):
        report_of(release / "report", project=Project(serving=serving))
    with pytest.raises(RunStopped, match=r"There is no release yet .* python -m flows\.daily"):
        report_of(tmp_path, project=Project(serving=tmp_path))


def test_it_compares_with_the_release_before_it_where_there_is_one(release: Path, tmp_path: Path) -> None:
    yesterday = PUBLISHED - timedelta(days=1)
    after = page.write(release / "tessera.duckdb", tmp_path, "r", previous_as_of=yesterday).read_text()
    assert f"What changed since the last release, {words.day(yesterday)}" in after
    first = page.write(release / "tessera.duckdb", tmp_path, "r", previous_as_of=None).read_text()
    assert "since the last release" not in first


def test_b9_a_first_report_shows_nobody_as_newly_known_who_was_there_before(release: Path, tmp_path: Path) -> None:
    page_of = read(page.write(release / "tessera.duckdb", tmp_path, "r", previous_as_of=None))
    marts = Marts(release / "tessera.duckdb")
    known = int(marts.sizes_on("seg_lifecycle", marts.flows_begin()).sum())
    flows = marts.flows("seg_lifecycle", marts.flows_begin())
    assert int(flows.loc[flows["from_segment"] != "(new)", "customers"].sum()) == known
    span = words.span(marts.flows_begin(), PUBLISHED)
    heads = [head.text for head in page_of.find(tag="h3")]
    assert f"Moves between segments, {span}" in heads
    # Text and flows are of one period.
    assert f"What changed since {words.day(marts.flows_begin())}" in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize(
    ("as_of", "first", "begin"),
    [
        (date(2017, 12, 31), date(2017, 4, 1), date(2017, 11, 30)),
        (date(2017, 12, 7), date(2017, 4, 1), date(2017, 11, 30)),
        # The first of a month has flows of one day; the month before is shown with it.
        (date(2017, 12, 1), date(2017, 4, 1), date(2017, 10, 31)),
        (date(2017, 12, 1), date(2017, 11, 20), date(2017, 11, 20)),
        (date(2017, 12, 9), date(2017, 12, 1), date(2017, 12, 1)),
        (date(2018, 1, 1), date(2017, 4, 1), date(2017, 11, 30)),
        (date(2017, 12, 1), date(2017, 12, 1), date(2017, 12, 1)),
    ],
)
def test_b9_flows_begin_with_a_month_or_with_the_history(tmp_path: Path, as_of: date, first: date, begin: date) -> None:
    marts = Marts(tmp_path / "marts.duckdb")
    days = {"segmentation": ["seg_x", "seg_x", "seg_y"], "day": [first, as_of, as_of]}
    marts.__dict__["daily"] = pd.DataFrame(days)
    assert marts.flows_begin() == marts.flows_begin("seg_x") == begin
    # One that is run since today has moved nobody.
    assert marts.flows_begin("seg_y") == as_of


def test_b9_flows_of_spells_are_those_of_the_months(tmp_path: Path) -> None:
    file, day = tmp_path / "tessera.duckdb", date(2024, 5, 2)
    with duckdb.connect(str(file)) as connection:
        connection.execute(
            """
            create schema marts;
            create table marts.fct_segment_daily as
            select unnest([date '2024-03-01', date '2024-05-02']) as as_of_date, 's' as segmentation,
                'a' as segment, 1 as customers, 0 as net_sales_30d;
            create table marts.fct_segment_spells (
                customer_id int, segmentation varchar, segment varchar, valid_from date, valid_to date
            );
            insert into marts.fct_segment_spells values
                (1, 's', 'a', '2024-03-01', '9999-12-31'),
                (2, 's', 'a', '2024-03-01', '2024-05-01'), (2, 's', 'b', '2024-05-01', '9999-12-31'),
                (3, 's', 'b', '2024-04-20', '9999-12-31'),
                (4, 's', 'b', '2024-03-01', '2024-04-10'),
                (5, 's', 'a', '2024-04-02', '2024-04-12'),
                (1, 't', 'x', '2024-03-01', '9999-12-31')
            """
        )
    marts = Marts(file)
    assert (marts.as_of, marts.flows_begin("s")) == (day, date(2024, 3, 31))
    flows = marts.flows("s", marts.flows_begin("s"))
    assert sorted(flows.itertuples(index=False, name=None)) == [
        ("(new)", "b", 1),
        ("a", "a", 1),
        ("a", "b", 1),
        ("b", "(left)", 1),
    ]


def test_what_changed_is_counted_from_the_moves(release: Path) -> None:
    marts = Marts(release / "tessera.duckdb")
    since = PUBLISHED - timedelta(days=3)
    with duckdb.connect(str(release / "tessera.duckdb"), read_only=True) as connection:
        moves = connection.sql(
            f"""
            select count(*) from marts.fct_segment_spells
            where segmentation = 'seg_lifecycle' and previous_segment <> '(left)' and valid_from > date '{since}'
            """
        ).fetchone()[0]
    (lifecycle,) = (change for change in words.changes(marts, since) if change.anchor == "seg_lifecycle")
    assert lifecycle.sentences[0].startswith(words.count(moves, "move"))


def test_a_sankey_draws_every_flow_as_thick_as_it_is_large() -> None:
    drawn = sankey.draw(
        {("a", "a"): 80, ("a", "b"): 20, ("b", "a"): 10, ("b", "b"): 90},
        ["a", "b"],
        ["a", "b"],
        {"a": "A & co", "b": "<B>"},
        {"a": "#111111", "b": "#222222"},
        ("Before", "After"),
        'who "moved"',
    )
    svg = ElementTree.fromstring(drawn)
    bands = {
        path.find(f"{SVG}title").text: float(re.search(r"v([\d.]+)C", path.get("d")).group(1))
        for path in svg.iter(f"{SVG}path")
    }
    assert set(bands) == {"A & co, at both ends: 80", "A & co to <B>: 20", "<B> to A & co: 10", "<B>, at both ends: 90"}
    assert bands["A & co, at both ends: 80"] / bands["<B> to A & co: 10"] == pytest.approx(8, rel=0.02)
    heights = [float(bar.get("height")) for bar in svg.iter(f"{SVG}rect")]
    assert [height / heights[0] for height in heights] == pytest.approx([1, 1, 0.9, 1.1], rel=0.01)
    assert sum(heights[:2]) == pytest.approx(sum(bands.values()), rel=0.01)
    assert svg.get("aria-label") == 'who "moved"'


def test_a_sankey_without_customers_is_no_picture() -> None:
    assert sankey.draw({}, ["a"], ["a"], {"a": "A"}, {"a": "#111111"}, ("", ""), "") == ""


def test_figures_have_the_digits_that_they_need() -> None:
    assert [words.figure(value) for value in (12345.6, 614.0, 96.946, 0.04123, -1234.5, 0, float("nan"))] == [
        "12,346", "614", "96.9", "0.0412", "−1,234", "0", "–",
    ]  # fmt: skip
    assert words.apart(0.0049, 0.0131) == ("0.005", "0.013")
    assert words.apart(1234.5, 99.0) == ("1,234", "99")
    assert words.apart(0.5, 0.5) == ("0.50", "0.50")


def test_names_of_features_and_categories_and_texts_read_as_people_write_them() -> None:
    assert [words.feature(name) for name in ("orders_30d", "net_sales_lifetime", "tenure_days", "units_1d")] == [
        "orders in 30 days", "net sales so far", "days known", "units in 1 day",
    ]  # fmt: skip
    assert [words.category(name) for name in ("CHRISTMAS  SEASONAL", "Dairy", "bakery")] == [
        "christmas seasonal", "Dairy", "bakery",
    ]  # fmt: skip
    assert words.prose("12345 of 999 for 3962.63 on 2017-12-31") == "12,345 of 999 for 3,962.63 on 2017-12-31"
    assert words.prose("on FRZN MEAT/MEAT DINNERS", ["FRZN MEAT", "FRZN MEAT/MEAT DINNERS"]) == (
        "on frzn meat/meat dinners"
    )


def test_two_days_read_as_people_write_them() -> None:
    december, january = date(2017, 12, 31), date(2018, 1, 31)
    assert words.span(date(2017, 11, 30), december) == "30 November to 31 December 2017"
    assert words.span(december, january) == "31 December 2017 to 31 January 2018"
    assert words.span(january, january) == "31 January 2018"


def test_counts_and_changes_read_as_people_write_them() -> None:
    assert words.count(1, "customer") == "1 customer"
    assert words.count(2469, "customer") == "2,469 customers"
    assert [words.signed(change) for change in (-1200, 0, 7)] == ["−1,200", "±0", "+7"]


def test_without_a_browser_the_pictures_are_still_well_formed(release: Path) -> None:
    text = (release / "report" / "index.html").read_text()
    pictures = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(pictures) >= 12
    for picture in pictures:
        ElementTree.fromstring(picture)
