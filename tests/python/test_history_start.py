"""Where history begins when nobody has said so: with features that can be trusted."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from flows.rules.definitions import RuleError, parse
from flows.rules.macros import macros
from flows.steps.errors import RunStopped
from flows.steps.project import Project
from flows.steps.window import Window, resolve_backfill, resolve_window

NOW = datetime(2011, 12, 10, 12, tzinfo=UTC)
FIRST_ORDER = date(2010, 12, 1)


def project(folder: Path, *days: date, **overrides: object) -> Project:
    """A company that is started with the two variables of the README, with an order on each of these days."""
    rows = "".join(f"1,{number},{day} 10:00:00,5.00\n" for number, day in enumerate(days))
    (folder / "transactions.csv").write_text("customer_id,order_id,ordered_at,net_amount\n" + rows)
    (folder / "customers.csv").write_text("customer_id\n1\n")
    given = {"sources": ["files"], "files_folder": str(folder), "timezone": "UTC", **overrides}
    return Project(overrides=given, warehouse=folder / "none.duckdb", serving=folder / "none").checked()


@pytest.mark.parametrize(
    ("newest", "start", "told"),
    [
        (date(2011, 12, 9), date(2011, 3, 1), "90 days after the first order, 2010-12-01"),
        (date(2011, 3, 1), date(2011, 3, 1), "90 days after the first order, 2010-12-01"),
        (date(2011, 2, 28), FIRST_ORDER, "fewer than 90 days after it"),
        (FIRST_ORDER, FIRST_ORDER, "fewer than 90 days after it"),
    ],
)
def test_b3_history_begins_where_features_can_be_trusted(tmp_path: Path, newest: date, start: date, told: str) -> None:
    company, lines = project(tmp_path, FIRST_ORDER, newest), []
    assert resolve_window(company, None, NOW, lines.append) == Window(start, newest, start)
    (line,) = lines
    assert line.startswith(f"History begins on {start}, ")
    assert told in line
    assert resolve_backfill(company, start, newest, NOW) == Window(start, newest, start)
    if start > FIRST_ORDER:
        with pytest.raises(RunStopped, match=f"before the history begins, {start}"):
            resolve_backfill(company, start - timedelta(days=1), newest, NOW)


def test_b3_history_start_that_is_given_counts(tmp_path: Path) -> None:
    newest, lines = date(2011, 12, 9), []
    company = project(tmp_path, FIRST_ORDER, newest, history_start="2011-06-01")
    assert resolve_window(company, None, NOW, lines.append) == Window(date(2011, 6, 1), newest, date(2011, 6, 1))
    assert lines == ["History begins on 2011-06-01, as vars: history_start says."]
    early = project(tmp_path, FIRST_ORDER, newest, history_start="2010-01-01")
    assert resolve_window(early, None, NOW) == Window(FIRST_ORDER, newest, FIRST_ORDER)


def test_b3_history_that_begins_after_the_data_says_what_to_do(tmp_path: Path) -> None:
    company = project(tmp_path, FIRST_ORDER, date(2011, 12, 9), history_start="2017-04-01")
    with pytest.raises(RunStopped, match=r"end on 2011-12-09, before .* 2017-04-01 .*null: then it begins"):
        resolve_window(company, None, NOW)


def test_b3_data_without_a_complete_day_are_no_matter_of_the_history(tmp_path: Path) -> None:
    company = project(tmp_path, FIRST_ORDER, newest_day_is_complete=False)
    with pytest.raises(RunStopped, match="no complete day yet: they begin on 2010-12-01"):
        resolve_window(company, None, NOW)


def test_b3_rules_can_be_read_where_history_begins_by_itself() -> None:
    """Frozen cut points of 2011 once lay before the demo's history, for everybody."""
    frozen = {
        "owner": "crm@example.com",
        "cut_points": {"frozen_on": "2011-06-30"},
        "segments": [
            {"name": "big", "description": "Big.", "rule": "net_sales_365d >= p80"},
            {"name": "rest", "description": "Everybody else."},
        ],
    }
    (found,) = parse({"seg_x": frozen})
    assert found.frozen_on == date(2011, 6, 30)
    with pytest.raises(RuleError, match="before the history begins"):
        parse({"seg_x": frozen}, history_start=date(2017, 4, 1))
    # A bare build of the demo knows the days it builds.
    assert macros(models={}).first_kept_day() == "2017-04-01"
