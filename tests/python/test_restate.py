"""Late rows and what rewriting published days does, through the flows, on the shop."""

import shutil
from collections.abc import Iterable
from datetime import date, timedelta
from errno import ENOSPC
from os import strerror
from pathlib import Path

import duckdb
import pytest
from conftest import NEXT_DAY, PUBLISHED, Shop, released, rows
from shop import HISTORY_START, LATE_CUSTOMERS, LATE_DAY, add_late_rows, write_shop

from flows.backfill import backfill
from flows.daily import daily
from flows.steps import operations_log
from flows.steps.errors import RunStopped
from flows.steps.run import Run

LAST = date(2024, 4, 12)
ONE_DAY = timedelta(days=1)


def published_marts(shop: Shop, last: date) -> dict[str, list[tuple]]:
    """What the release says of the days up to one."""
    return {
        "daily": released(shop, f"from marts.fct_segment_daily where as_of_date <= '{last}' order by all"),
        "entered": released(
            shop,
            "select customer_id, segmentation, segment, previous_segment, valid_from, entry_reason "
            f"from marts.fct_segment_spells where valid_from <= '{last}' order by all",
        ),
        "left": released(
            shop,
            "select customer_id, segmentation, segment, next_segment, valid_to, exit_reason "
            f"from marts.fct_segment_spells where valid_to <= '{last}' order by all",
        ),
    }


def segments_by_day(shop: Shop) -> dict[tuple[date, str], dict[int, str]]:
    """Who was where at the end of every day, by day and segmentation, one spell after the other."""
    days: dict[tuple[date, str], dict[int, str]] = {}
    for customer, segmentation, segment, begin, end in released(
        shop, "select customer_id, segmentation, segment, valid_from, valid_to from marts.fct_segment_spells"
    ):
        day = begin
        while day < min(end, LAST + ONE_DAY):
            days.setdefault((day, segmentation), {})[customer] = segment
            day += ONE_DAY
    return days


def by_day(found: Iterable[tuple]) -> dict[tuple[date, str], list[tuple]]:
    """Rows that begin with a day and a segmentation, by these."""
    days: dict[tuple[date, str], list[tuple]] = {}
    for day, segmentation, *rest in found:
        days.setdefault((day, segmentation), []).append(tuple(rest))
    return days


def marts_but_the_logs(shop: Shop) -> dict[str, list[tuple]]:
    names = [name for (name,) in released(shop, "select table_name from duckdb_tables() order by 1")]
    return {
        name: released(shop, f"from marts.{name} order by all")
        for name in names
        if not name.startswith("ops_") and name != "fct_late_arrivals"
    }


def test_late_rows_count_from_the_next_run_on_and_history_follows_when_it_is_restated(shop: Shop, capsys) -> None:
    before = published_marts(shop, PUBLISHED)
    write_shop(shop.files, LAST)
    late_lines = add_late_rows(shop.files)

    # --- The next run, of the days missed, leaves what is published as it is, counts the lines and warns.
    assert daily(vars=shop.vars).startswith(f"Released {LAST}")
    assert published_marts(shop, PUBLISHED) == before
    marks = ", ".join(str(customer) for customer in LATE_CUSTOMERS)
    ordered = released(
        shop,
        "select customer_id, orders_7d, orders_lifetime from marts.fct_customer_features "
        f"where customer_id in ({marks})",
    )
    assert sorted(ordered) == [(LATE_CUSTOMERS[0], 3, 3), *((customer, 1, 1) for customer in LATE_CUSTOMERS[1:])]
    arrivals = released(
        shop,
        "select seen_on, activity_date, days_late, late_lines, withdrawn_lines, corrected_customers, customers, "
        "net_sales_change from marts.fct_late_arrivals order by all",
    )
    assert arrivals == [
        (NEXT_DAY, LATE_DAY, 4, 5, 0, 0, 5, 45),
        (NEXT_DAY, LATE_DAY + ONE_DAY, 3, 6, 0, 0, 6, 50),
        (NEXT_DAY, LATE_DAY + 2 * ONE_DAY, 2, 6, 0, 0, 6, 50),
    ]
    assert sum(row[3] for row in arrivals) == late_lines
    # 15 of 1,200 customers are more than a hundredth.
    assert "restatement_due" in capsys.readouterr().out
    warning = "select status, observed from marts.ops_checks where code = 'restatement_due' order by run_id"
    assert [status for status, _ in released(shop, warning)] == ["passed", "failed"]

    # --- Restating rewrites the days asked for and those that follow.
    history = segments_by_day(shop)
    sizes = by_day(released(shop, "select as_of_date, segmentation, columns(* exclude (as_of_date, segmentation)) "
                                  "from marts.fct_segment_daily"))  # fmt: skip
    message = backfill(first=LATE_DAY, last=LATE_DAY + ONE_DAY, restate=True, reason="It's late", vars=shop.vars)
    assert message.startswith(f"Released {LAST}")
    assert f"days after {LATE_DAY + ONE_DAY} follow from it" in capsys.readouterr().out
    assert not (shop.warehouse.parent / "restating").exists()
    assert [status for status, _ in released(shop, warning)] == ["passed", "failed", "passed"]
    run_id, first, last, kind, status = released(
        shop, "select run_id, first_as_of_date, last_as_of_date, kind, status from marts.ops_runs order by 1"
    )[-1]
    assert (first, last, kind, status) == (LATE_DAY, LAST, "restate", "released")

    # What the log says is what two releases, laid side by side, say.
    now = segments_by_day(shop)
    sizes_now = by_day(released(shop, "select as_of_date, segmentation, columns(* exclude (as_of_date, segmentation)) "
                                      "from marts.fct_segment_daily"))  # fmt: skip
    assert history.keys() == now.keys() == sizes.keys() == sizes_now.keys()
    expected = []
    for day, segmentation in sorted(now):
        old, new = history[day, segmentation], now[day, segmentation]
        changed = sum(old.get(customer) != new.get(customer) for customer in old.keys() | new.keys())
        segments = {row[0] for row in set(sizes[day, segmentation]) ^ set(sizes_now[day, segmentation])}
        is_asked = LATE_DAY <= day <= LATE_DAY + ONE_DAY
        if is_asked or changed or segments:
            expected.append((day, segmentation, is_asked, changed, len(old), len(new), len(segments)))
    log = released(
        shop,
        "select as_of_date, segmentation, is_asked, customers_changed, customers_known_before, customers_known, "
        "segments_changed from marts.ops_restatements order by 1, 2",
    )
    assert log == expected
    assert {row[0] for row in log if row[3]} > {LATE_DAY, LATE_DAY + ONE_DAY}, "no segment changed: nothing is shown"
    assert released(
        shop, "select distinct run_id, reason, asked_first_date, asked_last_date, rebuilt_last_date "
        "from marts.ops_restatements"
    ) == [(run_id, "It's late", LATE_DAY, LATE_DAY + ONE_DAY, LAST)]  # fmt: skip
    # Who they are, day by day.
    who = {
        (day, segmentation, customer): (before, after)
        for customer, segmentation, begin, end, before, after in released(
            shop,
            "select customer_id, segmentation, valid_from, valid_to, segment_before, segment_now "
            "from marts.ops_restated_customers",
        )
        for day in (begin + n * ONE_DAY for n in range((end - begin).days))
    }
    assert who == {
        (day, segmentation, customer): (old.get(customer), new.get(customer))
        for (day, segmentation), new in now.items()
        for old in (history[day, segmentation],)
        for customer in old.keys() | new.keys()
        if old.get(customer) != new.get(customer)
    }
    # Entries come and go where customers change.
    assert released(
        shop, "select sum(entries_added) - sum(entries_removed) from marts.ops_restatements"
    ) == [(entries(now) - entries(history),)]  # fmt: skip
    restated = marts_but_the_logs(shop)

    # --- And the history is the one that a clean backfill gives.
    shop.warehouse.unlink()
    (shop.serving / "current").unlink()
    # The first ten days are a part of their own, which builds what keeps days alone.
    assert backfill(first=HISTORY_START, vars=shop.vars).startswith(f"Released {LAST}")
    assert marts_but_the_logs(shop) == restated


def entries(days: dict[tuple[date, str], dict[int, str]]) -> int:
    """How often a customer is in another segment than the day before."""
    return sum(
        days.get((day - ONE_DAY, segmentation), {}).get(customer) != segment
        for (day, segmentation), customers in days.items()
        for customer, segment in customers.items()
    )


def test_published_days_are_rewritten_on_purpose_only(shop: Shop) -> None:
    before = shop.fingerprint()
    for arguments, message in [
        ({"first": PUBLISHED}, f'--restate --first {PUBLISHED} --reason "..."'),
        (
            {"first": LATE_DAY, "last": PUBLISHED - ONE_DAY},
            f"--restate --first {LATE_DAY} --last {PUBLISHED - ONE_DAY} ",
        ),
        ({"first": LATE_DAY, "restate": True}, "Say why"),
        ({"first": LATE_DAY, "restate": True, "reason": "  "}, "Say why"),
        ({"first": NEXT_DAY, "reason": "x"}, "add --restate or --accept CODE"),
        ({"first": NEXT_DAY, "restate": True, "reason": "x"}, "only published days can be restated"),
        ({"first": LATE_DAY, "last": NEXT_DAY, "restate": True, "reason": "x"}, "only published days can be restated"),
        ({"first": LATE_DAY, "last": HISTORY_START, "restate": True, "reason": "x"}, "lies before the first"),
    ]:
        with pytest.raises(RunStopped, match=message.replace(".", r"\.").replace("(", r"\(")):
            backfill.fn(vars=shop.vars, **arguments)
    assert shop.fingerprint() == before


def test_a_restatement_that_fails_leaves_history_as_it_was(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next daily run once would have gone on from a history that was half rewritten."""
    before = shop.fingerprint()
    history = rows(shop.warehouse, "from history.segment_entries order by all")
    # What a restatement that was killed left behind.
    (shop.warehouse.parent / "restating").mkdir()
    (shop.warehouse.parent / "restating" / "tessera.duckdb").write_text("half a copy")

    def forget_history(run: Run) -> None:
        assert run.project.warehouse != shop.warehouse
        with duckdb.connect(str(run.project.warehouse)) as connection:
            connection.execute("delete from history.segment_entries")
        raise RunStopped("something was wrong")

    monkeypatch.setattr(Run, "build_inputs", forget_history)
    with pytest.raises(RunStopped, match="something was wrong"):
        backfill(first=LATE_DAY, restate=True, reason="to see", vars=shop.vars)
    assert shop.fingerprint() == before
    assert rows(shop.warehouse, "from history.segment_entries order by all") == history
    assert not (shop.warehouse.parent / "restating").exists()
    assert rows(shop.warehouse, "select kind, status, message from operations.runs order by run_id desc limit 1") == [
        ("restate", "failed", "something was wrong")
    ]


def test_a_restatement_that_finds_no_room_says_so_in_the_log_of_runs(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What had been copied by then took the room that the log needed, and the run was called killed later."""

    def fill_the_disk(source: Path, copy: Path) -> None:
        copy.write_text("half a copy")
        raise OSError(ENOSPC, strerror(ENOSPC))

    log = operations_log.log_run

    def log_where_there_is_room(warehouse: Path, run: operations_log.Run) -> None:
        if (shop.warehouse.parent / "restating").exists():
            raise duckdb.IOException("Could not write file: No space left on device")
        log(warehouse, run)

    monkeypatch.setattr(shutil, "copyfile", fill_the_disk)
    monkeypatch.setattr(operations_log, "log_run", log_where_there_is_room)
    # A full disk can have room a little later: the step is tried again.
    monkeypatch.setattr("flows.steps.watch.time.sleep", lambda _seconds: None)
    with pytest.raises(RunStopped, match="No space left on device"):
        backfill(first=LATE_DAY, restate=True, reason="to see", vars=shop.vars)
    (run,) = rows(shop.warehouse, "select status, message from operations.runs order by run_id desc limit 1")
    assert run[0] == "failed"
    assert "No space left on device" in run[1]
