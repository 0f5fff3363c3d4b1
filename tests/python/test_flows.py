"""The flows: windows, locks, releases, rollback, readers, and what a run leaves behind."""

import io
import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
import yaml
from conftest import NEXT_DAY, PUBLISHED, Shop, released, rows
from rich.console import Console
from shop import FIRST_ORDER_DATE, HISTORY_START, add_late_rows, read_rows, write_rows, write_shop

from flows.daily import daily
from flows.rollback import rollback
from flows.steps.dbt import read_event, readable_errors
from flows.steps.errors import RunStopped
from flows.steps.lock import warehouse_lock
from flows.steps.operations_log import Run, log_run, published_by, read_runs
from flows.steps.project import ROOT, Project
from flows.steps.release import current_release, list_releases, publish, roll_back
from flows.steps.run import Run as FlowRun
from flows.steps.run_log import log_file, read_events
from flows.steps.summary import print_summary
from flows.steps.watch import is_transient
from flows.steps.window import (
    Window,
    built_date,
    check_history,
    resolve_backfill,
    resolve_erasure,
    resolve_release,
    resolve_restatement,
    resolve_window,
)
from tests.faults.readers import reading

NOW = datetime(2024, 6, 1, tzinfo=UTC)


def project_of(shop: Shop) -> Project:
    return Project(overrides=yaml.safe_load(shop.vars), warehouse=shop.warehouse, serving=shop.serving)


def test_chunks_cover_the_window_in_order() -> None:
    window = Window(date(2017, 4, 1), date(2017, 4, 10), date(2017, 4, 1))
    assert [str(chunk) for chunk in window.chunks(4)] == [
        "2017-04-01 to 2017-04-04 (4 days)",
        "2017-04-05 to 2017-04-08 (4 days)",
        "2017-04-09 to 2017-04-10 (2 days)",
    ]
    assert list(window.chunks(100)) == [window]


def test_window_begins_after_the_published_day_and_ends_with_the_newest_complete_one(shop: Shop) -> None:
    assert resolve_window(project_of(shop), None, NOW) == Window(NEXT_DAY, NEXT_DAY, HISTORY_START)


def test_window_of_a_new_warehouse_begins_with_the_history(shop: Shop, tmp_path: Path) -> None:
    project = replace(project_of(shop), warehouse=tmp_path / "none.duckdb", serving=tmp_path / "none")
    assert resolve_window(project, None, NOW) == Window(HISTORY_START, NEXT_DAY, HISTORY_START)


@pytest.mark.parametrize("lost", ["link", "all releases", "manifest", "place"])
def test_what_was_published_stays_so_where_readers_see_no_release(shop: Shop, tmp_path: Path, lost: str) -> None:
    """All published history was once built again from the files of the day, unasked and unannounced."""
    project, told = project_of(shop), []
    if lost == "link":
        (shop.serving / "current").unlink()
    elif lost == "all releases":
        shutil.rmtree(shop.serving)
    elif lost == "manifest":
        (current_release(shop.serving) / "manifest.json").unlink()
    else:
        project = replace(project, serving=tmp_path / "mistyped")
    assert resolve_window(project, None, NOW, told.append) == Window(NEXT_DAY, NEXT_DAY, HISTORY_START)
    assert "TESSERA_SERVING" in told[0]
    assert f"days up to {PUBLISHED}" in told[0]
    with pytest.raises(RunStopped, match="rewritten on purpose only"):
        resolve_backfill(project, HISTORY_START, None, NOW)
    assert resolve_restatement(project, PUBLISHED, None, NOW) == Window(PUBLISHED, PUBLISHED, HISTORY_START)
    assert resolve_erasure(project, NOW) == Window(PUBLISHED, PUBLISHED, HISTORY_START)
    assert resolve_release(project).last == PUBLISHED
    # What it was built from stands in the structured log of the run.
    with pytest.raises(RunStopped, match="What was released last was built from files"):
        resolve_window(replace(project, overrides={}), None, NOW)


def test_release_that_was_lost_is_made_again_from_the_warehouse_as_it_is(shop: Shop) -> None:
    """Late rows would change its days: they are not read."""
    write_shop(shop.files, PUBLISHED)
    add_late_rows(shop.files)
    marts = "from marts.fct_segment_daily order by all"
    before, seen = released(shop, marts), rows(shop.warehouse, "from history.segment_entries order by all")
    shutil.rmtree(shop.serving)
    assert daily(vars=shop.vars).startswith(f"Released {PUBLISHED}")
    assert released(shop, marts) == before
    assert rows(shop.warehouse, "from history.segment_entries order by all") == seen
    told = "select kind, status, first_as_of_date, last_as_of_date from marts.ops_runs order by run_id desc limit 1"
    assert released(shop, told) == [("release", "released", PUBLISHED, PUBLISHED)]
    assert (shop.serving / "current" / "report" / "index.html").is_file()
    assert daily(vars=shop.vars).startswith("Nothing to do")


def logged_run(shop: Shop, **changes: object) -> Run:
    """A run in the warehouse's log, later than the one that published the shop."""
    (last,) = read_runs(shop.warehouse)
    run = replace(last, run_id="29990101T000000Z", started_at=datetime(2999, 1, 1), **changes)
    log_run(shop.warehouse, run)
    return run


@pytest.mark.parametrize("changed_by", ["a failed run", "a rolled back restatement", "hand"])
def test_marts_that_are_not_what_readers_had_are_not_released_again(shop: Shop, changed_by: str) -> None:
    (shop.serving / "current").unlink()
    if changed_by == "a failed run":
        logged_run(shop, kind="daily", status="failed", stopped_in="models", first_as_of_date=NEXT_DAY)
        told = "run 29990101T000000Z began to build"
    elif changed_by == "a rolled back restatement":
        logged_run(shop, kind="rollback")
        told = "of a later release, from which readers were rolled back"
    else:
        with duckdb.connect(str(shop.warehouse)) as connection:
            connection.execute("insert into history.segmentation_days values (?, '', '')", [NEXT_DAY])
        told = f"its history ends on {NEXT_DAY}"
    with pytest.raises(RunStopped, match=rf"{told}.*--restate --first {PUBLISHED}"):
        resolve_release(project_of(shop))


def test_erasure_compares_rules_with_those_released_last_where_readers_see_no_release(shop: Shop) -> None:
    """They were compared with themselves then, and any rule would have passed for released."""
    (shop.serving / "current").unlink()
    run = FlowRun(project_of(shop), Window(PUBLISHED, PUBLISHED, HISTORY_START), "erase")
    run._check_rules_are_released()
    logged_run(shop, rule_versions="{}")
    with pytest.raises(RunStopped, match="are not those of the release"):
        run._check_rules_are_released()


def test_log_of_runs_tells_what_is_published() -> None:
    day, later = date(2024, 4, 9), date(2024, 4, 10)

    def run(kind: str, status: str, first: date | None, last: date | None, stopped_in: str | None = None) -> Run:
        return Run("r", first, last, kind, status, None, datetime(2024, 1, 1), None, "x", None, stopped_in=stopped_in)

    built = [run("catch-up", "released", HISTORY_START, day), run("daily", "released", later, later)]
    assert published_by([]) is None
    assert published_by([run("daily", "failed", HISTORY_START, day, "models")]) is None
    assert published_by(built) == later
    # Going back to a release is written down; without that, a day that was built over is not what was published.
    assert published_by([*built, run("rollback", "released", day, day)]) == day
    assert published_by([*built, run("daily", "failed", later, later, "models")]) == day
    assert published_by([*built, run("daily", "running", later, later)]) == day
    # These changed nothing in place.
    for harmless in (
        run("daily", "failed", None, None, "window"),
        run("daily", "failed", later, later, "input checks"),
        run("restate", "failed", HISTORY_START, later, "models"),
        run("release", "running", later, later),
    ):
        assert published_by([*built, harmless]) == later


@pytest.mark.parametrize(("limit", "is_told"), [(None, False), (52, False), (51, True)])
def test_feed_that_has_stopped_is_told_also_where_there_is_nothing_to_do(
    shop: Shop, limit: int | None, is_told: bool
) -> None:
    """The run said that every complete day was published, however old the newest one was."""
    write_shop(shop.files, PUBLISHED)
    overrides, told = yaml.safe_load(shop.vars) | {"sources_late_after_days": limit}, []
    # The evening before in New York.
    now = datetime(2024, 6, 1, 3, tzinfo=UTC)
    assert resolve_window(Project(overrides=overrides), None, now, told.append) is None
    assert [
        line.startswith(f"warning: The sources are complete up to {PUBLISHED} only, 52 days ago") for line in told
    ] == ([True] * is_told)


def test_newest_day_that_is_still_filling_up_waits(shop: Shop) -> None:
    overrides = yaml.safe_load(shop.vars) | {"newest_day_is_complete": False}
    project = Project(overrides=overrides, warehouse=shop.warehouse, serving=shop.serving)
    assert resolve_window(project, None, NOW) is None


@pytest.mark.parametrize(
    ("as_of", "message"),
    [
        (PUBLISHED, "already published"),
        (date(1, 1, 1), "before the history begins"),
        (date(2024, 5, 1), f"complete up to {NEXT_DAY} only"),
    ],
)
def test_as_of_that_cannot_be_built(shop: Shop, as_of: date, message: str) -> None:
    with pytest.raises(RunStopped, match=message):
        resolve_window(project_of(shop), as_of, NOW)


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [
        (date(2024, 3, 1), None, "before the history begins"),
        (HISTORY_START, date(2024, 5, 1), "complete up to"),
        (HISTORY_START, date(2024, 4, 5), "published days are rewritten on purpose only"),
        (date(2024, 4, 20), None, "complete up to"),
        (NEXT_DAY, PUBLISHED, "before the first"),
    ],
)
def test_backfill_that_cannot_be_built(shop: Shop, first: date, last: date | None, message: str) -> None:
    with pytest.raises(RunStopped, match=message):
        resolve_backfill(project_of(shop), first, last, NOW)


def test_warehouse_that_was_lost_stops_runs_and_can_be_built_again(shop: Shop) -> None:
    """A daily run once built a history of one day beside the release of the days before, and would have released it."""
    project, window, before = project_of(shop), Window(NEXT_DAY, NEXT_DAY, HISTORY_START), shop.fingerprint()
    check_history(shop.warehouse, window)
    # An older one: two days are lost, and only these can be built again unasked.
    with duckdb.connect(str(shop.warehouse)) as connection:
        lost = PUBLISHED - timedelta(days=1)
        connection.execute("delete from history.segmentation_days where as_of_date >= ?", [lost])
    with pytest.raises(RunStopped, match=f"ends on {PUBLISHED - timedelta(days=2)}.*flows.backfill --first {lost}"):
        check_history(shop.warehouse, window)
    assert resolve_backfill(project, lost, None, NOW) == Window(lost, NEXT_DAY, HISTORY_START)
    for first, last in ((HISTORY_START, None), (lost, lost)):
        with pytest.raises(RunStopped, match="rewritten on purpose only"):
            resolve_backfill(project, first, last, NOW)

    shop.warehouse.unlink()
    assert resolve_backfill(project, HISTORY_START, None, NOW) == Window(HISTORY_START, NEXT_DAY, HISTORY_START)
    with pytest.raises(RunStopped, match=f"is not in the warehouse .*gone.*flows.backfill --first {HISTORY_START}"):
        daily(vars=shop.vars)
    # That it was tried stands in the log of runs, which is no history.
    assert built_date(shop.warehouse) is None
    with pytest.raises(RunStopped, match=r"is not in the warehouse .*there is no history in it"):
        daily(vars=shop.vars)
    assert shop.fingerprint() == before


def test_release_that_does_not_say_what_it_is_stops_a_run(shop: Shop) -> None:
    (current_release(shop.serving) / "manifest.json").write_text('{"as_of')
    with pytest.raises(RunStopped, match=r"manifest\.json is damaged.*make doctor"):
        resolve_window(project_of(shop), None, NOW)


def test_history_begins_with_the_first_order_where_that_is_later(shop: Shop, tmp_path: Path) -> None:
    overrides = yaml.safe_load(shop.vars) | {"history_start": "2017-04-01"}
    project = Project(overrides=overrides, warehouse=tmp_path / "none.duckdb", serving=tmp_path / "none")
    assert resolve_window(project, None, NOW) == Window(FIRST_ORDER_DATE, NEXT_DAY, FIRST_ORDER_DATE)


@pytest.mark.parametrize("oldest", ["2024-02-01", "2024-04-03"])
def test_published_history_begins_where_it_began_whatever_line_is_the_oldest_now(shop: Shop, oldest: str) -> None:
    """One late line once made all customers older by two months whose source does not say since when they are known."""
    lines = [line.split(",") for line in (shop.files / "transactions.csv").read_text().splitlines()]
    stamp = lines[0].index("ordered_at")
    kept = [lines[0], *(line for line in lines[1:] if line[stamp] >= oldest)]
    kept.append([oldest + " 12:00:00" if place == stamp else value for place, value in enumerate(lines[1])])
    (shop.files / "transactions.csv").write_text("\n".join(map(",".join, kept)) + "\n")
    overrides = yaml.safe_load(shop.vars) | {"history_start": "2024-01-01"}
    for lost in (False, True):
        if lost:
            (shop.serving / "current").unlink()
        window = resolve_window(Project(overrides=overrides), None, NOW)
        assert window == Window(NEXT_DAY, NEXT_DAY, HISTORY_START)
    if oldest < str(HISTORY_START):
        earlier = date(2024, 2, 5)
        assert resolve_restatement(Project(overrides=overrides), earlier, None, NOW).history_start == earlier


def test_histories_of_different_sources_do_not_mix(shop: Shop) -> None:
    project = Project(overrides={}, warehouse=shop.warehouse, serving=shop.serving)
    with pytest.raises(RunStopped, match="built from files, but vars: sources names completejourney"):
        resolve_window(project, None, NOW)


def test_unknown_variable_and_source_are_named() -> None:
    with pytest.raises(RunStopped, match="there is no variable 'source'"):
        Project.with_vars("{source: [files]}").checked()
    with pytest.raises(RunStopped, match="must be a mapping"):
        Project.with_vars("files")
    with pytest.raises(RunStopped, match="vars: sources names 'crm'"):
        resolve_window(Project(overrides={"sources": ["crm"]}), None, NOW)


def test_second_run_of_a_warehouse_is_kept_out(tmp_path: Path) -> None:
    warehouse = tmp_path / "tessera.duckdb"
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path; from flows.steps.lock import warehouse_lock\n"
            f"with warehouse_lock(Path({str(warehouse)!r})): print('held', flush=True); time.sleep(60)",
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunStopped, match=f"process {holder.pid}"), warehouse_lock(warehouse):
            pass
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    # The lock dies with its holder, however it dies.
    with warehouse_lock(warehouse):
        pass


def test_contract_of_the_marts_is_what_was_promised(published_shop: Shop) -> None:
    promised = yaml.safe_load((Path(__file__).parent / "promised_columns.yml").read_text())
    with duckdb.connect(str(published_shop.serving / "current" / "tessera.duckdb"), read_only=True) as connection:
        for mart, columns in promised.items():
            there = {row[0] for row in connection.sql(f"describe marts.{mart}").fetchall()}
            assert set(columns) <= there, mart


def test_two_files_are_enough(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Customers and transactions, with their required columns only; the stamps have a zone, and so has the machine."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    shutil.rmtree(shop.warehouse.parent)
    shutil.rmtree(shop.serving)
    complete = shop.files.rename(shop.folder / "complete")
    shop.files.mkdir()
    duckdb.read_csv(str(complete / "customers.csv")).select("customer_id").write_csv(str(shop.files / "customers.csv"))
    orders = duckdb.read_csv(str(complete / "transactions.csv"))
    orders.select(
        "customer_id, order_id, timezone('America/New_York', ordered_at) as ordered_at, net_amount"
    ).write_parquet(str(shop.files / "transactions.parquet"))
    assert daily(vars=shop.vars).startswith(f"Released {NEXT_DAY}")
    by_day = "select {}, count(*) from {} group by all order by all"
    assert (
        rows(shop.warehouse, by_day.format("order_date", "conformed.transactions"))
        == orders.query("orders", by_day.format("cast(ordered_at as date)", "orders")).fetchall()
    )


def test_only_errors_that_can_pass_are_tried_again() -> None:
    assert is_transient(OSError("Resource temporarily unavailable"))
    assert not is_transient(RunStopped("a wrong rule"))
    assert not is_transient(PermissionError("read-only"))


def test_dbt_messages_are_told_without_decoration() -> None:
    error = json.dumps(
        {"info": {"name": "x", "level": "error", "msg": "\x1b[31mFailure in model a\x1b[0m"}, "data": {}}
    )
    assert read_event(error) == (None, "\x1b[31mFailure in model a\x1b[0m")
    assert read_event("no json") == (None, "no json")
    assert readable_errors(["\x1b[31mFailure in model a\x1b[0m", "  > called by macro b", "Done. PASS=1"]) == (
        "Failure in model a"
    )


def test_b2_test_that_failed_is_told_before_what_was_interrupted_because_of_it() -> None:
    interrupted = [
        "\x1b[31mFailure in model fct_x (models/marts/fct_x.sql)\x1b[0m",
        "  Runtime Error in model fct_x (models/marts/fct_x.sql)\n  INTERRUPT Error: Interrupted!",
    ]
    failed = [
        "\x1b[31mFailure in test assert_y (tests/marts/assert_y.sql)\x1b[0m",
        "  Got 1 result, configured to fail if != 0",
    ]
    other = ["3 of 3 FAIL 1 assert_y", "CANCEL query model.tessera.fct_x"]
    for errors in ([*other, *interrupted, *failed], [*other, *failed, *interrupted, *failed]):
        told = readable_errors(errors).splitlines()
        assert told[:2] == [
            "Failure in test assert_y (tests/marts/assert_y.sql)",
            "Got 1 result, configured to fail if != 0",
        ]
        assert told[2:] == [
            "Failure in model fct_x (models/marts/fct_x.sql)",
            "Runtime Error in model fct_x (models/marts/fct_x.sql)",
            "INTERRUPT Error: Interrupted!",
        ]
    assert readable_errors(["Runtime Error\n  cannot start"]) == "Runtime Error\ncannot start"


def test_deployments_point_to_flows_and_run_one_at_a_time() -> None:
    for deployment in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]:
        path, name = deployment["entrypoint"].split(":")
        assert f"def {name}(" in (ROOT / path).read_text()
        assert deployment["concurrency_limit"]["limit"] == 1


def test_daily_run_releases_one_day_and_then_finds_nothing_to_do(shop: Shop) -> None:
    first = current_release(shop.serving)
    # What a run that was killed left behind is swept.
    (shop.serving / "releases" / ".building-2024-04-10-x" / "parquet").mkdir(parents=True)
    (shop.serving / ".next-1").symlink_to("nowhere")

    # An order of a customer who is in no file.
    transactions = read_rows(shop.files / "transactions.csv")
    transactions[-1][0] = "999999"
    write_rows(shop.files / "transactions.csv", transactions)

    with reading(shop.serving, ["database"], pause=0.5) as seen:
        assert daily(vars=shop.vars).startswith(f"Released {NEXT_DAY}")

    # Readers saw a whole release at any time, the old one or the new one.
    assert seen.failed == seen.mixed == []
    assert str(PUBLISHED) in seen.days <= {str(PUBLISHED), str(NEXT_DAY)}
    release = current_release(shop.serving)
    assert list_releases(shop.serving) == [first, release]
    assert sorted(path.name for path in release.iterdir()) == [
        "data_docs",
        "manifest.json",
        "parquet",
        "report",
        "tessera.duckdb",
    ]
    assert not list((shop.serving / "releases").glob(".*"))
    assert not list(shop.serving.glob(".*"))

    manifest = json.loads((release / "manifest.json").read_text())
    with duckdb.connect(str(release / "tessera.duckdb"), read_only=True) as connection:
        run = connection.sql("from marts.ops_runs order by run_id desc limit 1").fetchone()
        marts = [name for (name,) in connection.sql("select table_name from duckdb_tables() order by 1").fetchall()]
        rows_by_mart = {mart: len(connection.sql(f"from marts.{mart}")) for mart in marts}
        days = connection.sql("select count(distinct as_of_date) from marts.fct_segment_daily").fetchone()[0]
    assert manifest["rows_by_mart"] == rows_by_mart
    assert sorted(path.stem for path in (release / "parquet").iterdir()) == marts
    assert run[1:5] == (NEXT_DAY, NEXT_DAY, "daily", "released")
    assert days == (NEXT_DAY - HISTORY_START).days + 1

    # What is of an unknown customer is kept apart and counted.
    unknown = rows(shop.warehouse, "select customer_id, problem from conformed.rejected_transactions")
    assert unknown == [(999999, "unknown_customer")]
    # Every record of every file is accounted for.
    files = released(
        shop,
        "select table_name, file, files, bytes, records, rows_read, rows_kept, rows_rejected "
        "from marts.ops_source_files where run_id = (select max(run_id) from marts.ops_runs) order by table_name",
    )
    assert [name for name, *_ in files] == sorted(path.stem for path in shop.files.iterdir())
    for name, file, count, size, records, *read in files:
        lines = len(read_rows(shop.files / file)) - 1
        rejected = 1 if name == "transactions" else 0
        assert (count, size) == (1, (shop.files / file).stat().st_size)
        assert [records, *read] == [lines, lines, lines - rejected, rejected]
    warned = released(
        shop,
        "select code, severity from marts.ops_checks "
        "where status = 'failed' and run_id = (select max(run_id) from marts.ops_checks) order by code",
    )
    # The personas are the demo's: some of what they claim does not hold for the customers of this shop.
    assert warned == [("persona_claim_broken", "warning"), ("unknown_customer", "warning")]

    fingerprint = shop.fingerprint()
    assert daily(vars=shop.vars).startswith("Nothing to do")
    assert shop.fingerprint() == fingerprint


def publish_again(shop: Shop, run_id: str, keep: int) -> Path:
    """Release the marts as they are in the warehouse."""
    return publish(shop.warehouse, shop.serving, PUBLISHED, run_id, "test", ["files"], keep, lambda folder: None)


def test_rollback_goes_one_release_back_and_the_next_run_goes_on_from_there(shop: Shop) -> None:
    first = current_release(shop.serving)
    second = publish_again(shop, "29990101T000000Z", keep=5)
    assert current_release(shop.serving) == second
    assert roll_back(shop.serving) == first
    assert current_release(shop.serving) == first
    assert resolve_window(project_of(shop), None, NOW) == Window(NEXT_DAY, NEXT_DAY, HISTORY_START)
    with pytest.raises(RunStopped, match="There is no release before the current one"):
        roll_back(shop.serving)
    with pytest.raises(RunStopped, match="called 'x'"):
        roll_back(shop.serving, "x")
    assert roll_back(shop.serving, second.name) == second


def test_rollback_says_when_the_next_run_shows_again_what_was_restated(shop: Shop) -> None:
    """The next daily run built on the restated warehouse, and readers had the rewritten days back without a word."""
    first = current_release(shop.serving)
    second = publish_again(shop, "29990101T000000Z", keep=5)
    (last,) = read_runs(shop.warehouse)
    restated = replace(last, run_id="29990101T000000Z", started_at=datetime(2999, 1, 1), kind="restate")
    log_run(shop.warehouse, replace(restated, status="failed"))
    assert rollback() == f"Readers now see {first}"
    assert rollback(second.name) == f"Readers now see {second}"
    log_run(shop.warehouse, restated)
    message = rollback()
    assert message.startswith(f"Readers now see {first}\nwarning: The warehouse keeps what was restated")
    assert f"flows.backfill --restate --first {HISTORY_START} --reason" in message

    # It is written down, as what readers were given last.
    told = next(run for run in reversed(read_runs(shop.warehouse)) if run.kind == "rollback")
    assert (told.status, told.last_as_of_date) == ("released", PUBLISHED)
    assert first.name in told.message
    event = read_events(log_file(shop.logs, told.run_id))[-1]
    assert (event["event"], event["release"]) == ("rolled_back", first.name)


def test_rollback_works_where_somebody_has_the_warehouse_open(shop: Shop) -> None:
    first = current_release(shop.serving)
    publish_again(shop, "29990101T000000Z", keep=5)
    code = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(shop.warehouse)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "open\n"
        assert rollback() == f"Readers now see {first}"
        other.stdin.close()
    assert [run.kind for run in read_runs(shop.warehouse)] == ["catch-up"]


def test_what_lies_beside_the_releases_is_none_and_stays(shop: Shop) -> None:
    """Any folder once passed for a release, and a file stopped all runs for ever when it was to be removed."""
    first, beside = current_release(shop.serving), shop.serving / "releases" / "backup"
    beside.mkdir()
    (shop.serving / "releases" / "notes.txt").write_text("-")
    (shop.serving / "releases" / ".leaving-notes.txt").write_text("-")
    with pytest.raises(RunStopped, match="There is no release before the current one"):
        roll_back(shop.serving)
    with pytest.raises(RunStopped, match="called 'backup'"):
        roll_back(shop.serving, "backup")
    made = [publish_again(shop, f"2999010{day}T000000Z", keep=2) for day in range(1, 4)]
    assert list_releases(shop.serving) == made[1:]
    assert not first.exists()
    assert sorted(path.name for path in (shop.serving / "releases").iterdir())[2:] == ["backup", "notes.txt"]


def test_places_are_told_from_the_folder_of_the_project_on(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.steps.project.ROOT", shop.folder)
    console = Console(file=io.StringIO())
    print_summary(console, current_release(shop.serving), shop.serving, [], {})
    places = [line for line in console.file.getvalue().splitlines() if "serving/" in line]
    assert [line.split(":")[1].strip() for line in places] == [
        f"serving/releases/{current_release(shop.serving).name}",
        "serving/current/tessera.duckdb and serving/current/parquet",
        "serving/current/report/index.html",
        "serving/current/data_docs/index.html",
    ]


def test_only_the_set_number_of_releases_stays(shop: Shop) -> None:
    publish_again(shop, "29990101T000000Z", keep=2)
    publish_again(shop, "29990102T000000Z", keep=2)
    assert [release.name[11:] for release in list_releases(shop.serving)] == ["29990101T000000Z", "29990102T000000Z"]


def test_command_says_what_stopped_it_fails_and_leaves_it_in_the_log(shop: Shop) -> None:
    (shop.files / "customers.csv").unlink()
    fingerprint = shop.fingerprint()
    done = subprocess.run(
        [sys.executable, "-m", "flows.daily", "--vars", shop.vars],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Stopped: " in done.stderr
    assert "table 'customers': there is no file" in done.stderr
    assert "Traceback" not in done.stderr
    assert shop.fingerprint() == fingerprint
    with duckdb.connect(str(shop.warehouse), read_only=True) as connection:
        logged = connection.sql("select status, message from operations.runs order by started_at desc limit 1")
        status, message = logged.fetchone()
    assert status == "failed"
    assert "table 'customers': there is no file" in message
