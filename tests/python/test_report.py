"""The report: what it says are the numbers of the marts, and a browser shows it without loading anything."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import duckdb
import pytest
from conftest import PUBLISHED, Shop

from flows.report import charts, page, sankey, words
from flows.report.__main__ import report_of
from flows.report.marts import Marts
from flows.steps.errors import RunStopped
from flows.steps.project import Project

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def release(published_shop: Shop) -> Path:
    return (published_shop.serving / "current").resolve()


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


def rows_of(tab: object, table: str) -> list[list[str]]:
    """The cells of a table on the page, row by row, its head left out."""
    return tab.eval_on_selector_all(
        f"#{table} tbody tr", "rows => rows.map(row => [...row.cells].map(cell => cell.innerText.trim()))"
    )


def number(text: str) -> int:
    return int(text.replace(",", "").replace("−", "-").replace("±", ""))


def test_every_release_carries_a_report_of_less_than_two_megabytes_that_needs_no_network(release: Path) -> None:
    file = release / "report" / "index.html"
    text = file.read_text()
    assert file.stat().st_size < 2_000_000
    assert "default-src 'none'; style-src 'unsafe-inline'" in text
    assert "<script" not in text
    # Namespaces of SVG are names, not addresses.
    addresses = set(re.findall(r"https?://[^\s\"'<]+", text)) - {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert addresses == set()


def test_sizes_on_the_page_are_those_of_the_marts(tab: object, release: Path) -> None:
    with duckdb.connect(str(release / "tessera.duckdb"), read_only=True) as connection:
        expected = connection.sql(
            f"""
            select daily.segmentation, segments.label, daily.customers, daily.net_sales_30d
            from marts.fct_segment_daily as daily
            inner join marts.dim_segments as segments using (segmentation, segment)
            inner join marts.dim_segmentations as segmentations using (segmentation)
            where daily.as_of_date = date '{PUBLISHED}' and segments.is_current and segmentations.is_current
                and segmentations.status = 'active'
            """
        ).fetchall()
    shown = {
        (name, row[0]): (number(row[1]), number(row[6]))
        for name in {row[0] for row in expected}
        for row in rows_of(tab, f"sizes-{name}")
    }
    for segmentation, label, customers, sales in expected:
        assert shown.get((segmentation, label), (0, 0)) == (customers, round(sales)), (segmentation, label)


def test_moves_on_the_page_are_those_of_the_marts(tab: object, release: Path) -> None:
    with duckdb.connect(str(release / "tessera.duckdb"), read_only=True) as connection:
        moved, stayed = connection.sql(
            """
            select
                coalesce(sum(customers) filter (from_segment <> to_segment), 0),
                coalesce(sum(customers) filter (from_segment = to_segment), 0)
            from marts.fct_segment_migrations
            where period = 'month' and segmentation = 'seg_lifecycle'
                and period_start = (select max(period_start) from marts.fct_segment_migrations where period = 'month')
            """
        ).fetchone()
    tab.click("#seg_lifecycle details summary")
    cells = [row[1:] for row in rows_of(tab, "moves-seg_lifecycle")]
    assert sum(number(row[-1]) for row in cells) == stayed
    assert sum(number(cell) for row in cells for cell in row[:-1] if cell != "–") == moved


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


@pytest.mark.parametrize(
    ("colour", "ground", "least"),
    [
        *((colour, "#ffffff", 3) for colour in charts.PALETTE),
        (charts.INK, "#ffffff", 4.5),
        (charts.MUTED, "#ffffff", 4.5),
        ("#c6d6ec", "#12335f", 4.5),
        (charts.INK, "#9dbde0", 4.5),
    ],
)
def test_colours_stand_out_from_their_ground(colour: str, ground: str, least: float) -> None:
    light, dark = sorted((luminance(colour), luminance(ground)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= least


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
    assert set(bands) == {"A & co, stayed: 80", "A & co to <B>: 20", "<B> to A & co: 10", "<B>, stayed: 90"}
    assert bands["A & co, stayed: 80"] / bands["<B> to A & co: 10"] == pytest.approx(8, rel=0.02)
    heights = [float(bar.get("height")) for bar in svg.iter(f"{SVG}rect")]
    assert [height / heights[0] for height in heights] == pytest.approx([1, 1, 0.9, 1.1], rel=0.01)
    assert sum(heights[:2]) == pytest.approx(sum(bands.values()), rel=0.01)
    assert svg.get("aria-label") == 'who "moved"'


def test_a_sankey_without_customers_is_no_picture() -> None:
    assert sankey.draw({}, ["a"], ["a"], {"a": "A"}, {"a": "#111111"}, ("", ""), "") == ""


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
