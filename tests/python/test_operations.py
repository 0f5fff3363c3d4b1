"""What a run leaves behind to be told by: its row in ops_runs, its structured log, and what retention does to both."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest
import yaml
from apprise import Apprise
from conftest import NEXT_DAY, PUBLISHED, Shop, copy_release, rows
from shop import HISTORY_START, write_shop

from expectations.parameters import MartParameters, Parameters
from expectations.runner import CheckResult
from flows.daily import daily
from flows.rollback import rollback
from flows.rules.macros import macros
from flows.steps import lock, notify, operations_log, release
from flows.steps.doctor import STATES
from flows.steps.errors import RunStopped, first_line
from flows.steps.operations_log import SOURCES, log_run, read_runs
from flows.steps.pipeline import tidy
from flows.steps.project import ROOT, Project
from flows.steps.release import current_release
from flows.steps.run import Run
from flows.steps.run_log import RunLog, read_events
from flows.steps.warehouse_format import ensure_format
from flows.steps.window import Window, check_history

STEPS = ["inputs", "input checks", "models", "mart checks", "release"]
NEW_COLUMNS = ("duration_seconds", "stopped_in", "seconds_by_step", "rule_versions", "days_built", "customers")


def new_run(folder: Path, **overrides: object) -> Run:
    """A run of a warehouse of its own that has built nothing yet."""
    project = Project(
        overrides=overrides,
        warehouse=folder / "warehouse" / "tessera.duckdb",
        serving=folder / "serving",
        logs=folder / "logs",
    )
    project.warehouse.parent.mkdir(parents=True, exist_ok=True)
    return Run(project, Window(NEXT_DAY, NEXT_DAY, HISTORY_START), "daily", report=lambda _line: None)


def logged(run: Run) -> operations_log.Run:
    (found,) = (row for row in read_runs(run.project.warehouse) if row.run_id == run.run_id)
    return found


def test_row_of_a_released_run_says_how_long_how_much_and_on_which_rules(published_shop: Shop) -> None:
    release = current_release(published_shop.serving)
    (told,) = read_runs(release / "tessera.duckdb", "marts.ops_runs")
    with duckdb.connect(str(release / "tessera.duckdb"), read_only=True) as connection:
        in_force = connection.table("marts.dim_segmentations").filter("is_current")
        versions = dict(in_force.select("segmentation, rule_version").fetchall())
        customers = connection.table("marts.dim_customers").count("*").fetchone()[0]
    assert told.status == "released"
    assert json.loads(told.rule_versions) == versions
    assert told.customers == customers
    assert told.days_built == (PUBLISHED - HISTORY_START).days + 1
    assert told.stopped_in is None
    # The release cannot say how long its own copying took; the warehouse can, and so the next release.
    (known,) = read_runs(published_shop.warehouse)
    assert list(json.loads(told.seconds_by_step)) == STEPS[:-1]
    assert list(json.loads(known.seconds_by_step)) == STEPS
    for run in (told, known):
        assert sum(json.loads(run.seconds_by_step).values()) <= run.duration_seconds
    assert told.duration_seconds < known.duration_seconds


def test_structured_log_tells_the_run_line_by_line(published_shop: Shop) -> None:
    (run,) = read_runs(published_shop.warehouse)
    events = read_events(published_shop.logs / "runs" / f"{run.run_id}.jsonl")
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)
    assert [event["step"] for event in events if event["event"] == "step_begun"] == STEPS
    ended = {event["step"]: event for event in events if event["event"] == "step_ended"}
    assert all(event["succeeded"] for event in ended.values())
    assert {step: event["seconds"] for step, event in ended.items()} == json.loads(run.seconds_by_step)
    nodes = {event["node"]: event["seconds"] for event in events if event["event"] == "node_built"}
    assert nodes["features.customer_days"] > 0
    assert (events[0]["event"], events[0]["rule_versions"]) == ("run_begun", json.loads(run.rule_versions))
    (released,) = (event for event in events if event["event"] == "released")
    assert released["rows_by_mart"] == json.loads(run.rows_by_mart)
    assert (events[-1]["event"], events[-1]["status"]) == ("run_ended", "released")


def test_run_that_a_check_stops_says_where_and_why(tmp_path: Path) -> None:
    failed = CheckResult(
        suite="inputs/input_days",
        code="day_missing",
        description="every open day must have lines",
        mart="checks.input_days",
        status="failed",
        severity="error",
        observed="1 of 1 row",
        expected="false",
        remedy="Load the day.",
    )
    run = new_run(tmp_path)
    run.begin()
    assert logged(run).status == "running"
    with pytest.raises(RunStopped) as stopped, run.step("input checks"):
        run._judge([failed])
    run.end("failed", str(stopped.value))
    row = logged(run)
    assert (row.status, row.stopped_in) == ("failed", "input checks")
    assert "day_missing" in row.message
    assert row.duration_seconds >= json.loads(row.seconds_by_step)["input checks"]
    events = read_events(run.events.path)
    assert [event["event"] for event in events] == [
        "run_begun",
        "step_begun",
        "check_not_passed",
        "step_ended",
        "run_ended",
    ]
    assert events[2]["code"] == "day_missing"
    assert not events[3]["succeeded"]
    assert (events[4]["step"], events[4]["message"]) == ("input checks", row.message)


def test_step_that_succeeds_when_tried_again_is_not_where_the_run_stopped(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    run.begin()
    with pytest.raises(OSError, match="for now"), run.step("inputs"):
        raise OSError("not for now")
    with run.step("inputs"):
        pass
    run.end("failed", "for another reason")
    assert logged(run).stopped_in is None


def test_row_of_a_run_is_kept_where_the_process_ends_while_it_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was deleted and then written again: a run killed between was never marked as interrupted, nor as released."""

    def stop(*_arguments: object) -> None:
        raise KeyboardInterrupt

    run = new_run(tmp_path)
    run.begin()
    monkeypatch.setattr(operations_log, "_insert", stop)
    with pytest.raises(KeyboardInterrupt):
        run.log("failed")
    assert logged(run).status == "running"


def killed(folder: Path) -> str:
    """A run in a process of its own that is killed in its models; returns its id."""
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "sys.path.insert(0, 'tests/python')\n"
        "from test_operations import new_run\n"
        "run = new_run(Path(sys.argv[1])); run.begin(); print(run.run_id, flush=True)\n"
        "with run.step('inputs'): pass\n"
        "step = run.step('models'); step.__enter__()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    return done.stdout.strip()


def next_run(folder: Path) -> Run:
    """A run that starts later, in another second."""
    run = new_run(folder)
    run.started_at += timedelta(minutes=1)
    run.begin()
    return run


def test_run_that_was_killed_is_marked_by_the_next_one(tmp_path: Path) -> None:
    run_id = killed(tmp_path)
    assert [(run.run_id, run.status) for run in read_runs(tmp_path / "warehouse" / "tessera.duckdb")] == [
        (run_id, "running")
    ]
    after = next_run(tmp_path)
    first, second = read_runs(after.project.warehouse)
    assert (first.run_id, first.status, first.stopped_in) == (run_id, "interrupted", "models")
    assert "killed" in first.message
    assert first.ended_at >= first.started_at
    assert list(json.loads(first.seconds_by_step)) == ["inputs"]
    assert (second.run_id, second.status) == (after.run_id, "running")


@pytest.mark.parametrize("is_current", [True, False])
def test_run_killed_while_it_released_is_released_only_where_readers_have_it(tmp_path: Path, is_current: bool) -> None:
    run = new_run(tmp_path)
    run.begin()
    run.rows_by_mart = {"dim_customers": 3}
    run.log("releasing")
    name = f"{NEXT_DAY}-{run.run_id}" if is_current else f"{PUBLISHED}-another"
    (tmp_path / "serving" / "releases" / name).mkdir(parents=True)
    (tmp_path / "serving" / "current").symlink_to(Path("releases") / name)
    with duckdb.connect(str(run.project.warehouse)) as connection:
        connection.execute(
            f"create schema history; create table history.segmentation_days as select date '{PUBLISHED}' as as_of_date"
        )
    first, _ = read_runs(next_run(tmp_path).project.warehouse)
    assert (first.status, first.customers) == (("released", 3) if is_current else ("interrupted", None))


def test_run_killed_after_its_release_is_called_released_by_a_next_one_with_nothing_to_do(tmp_path: Path) -> None:
    """The flow then begins no run, and the log said `releasing` until there was a new day."""
    run = new_run(tmp_path)
    run.begin()
    run.rows_by_mart = {"dim_customers": 3}
    run.log("releasing")
    name = f"{NEXT_DAY}-{run.run_id}"
    (tmp_path / "serving" / "releases" / name).mkdir(parents=True)
    (tmp_path / "serving" / "current").symlink_to(Path("releases") / name)
    tidy(run.project)
    assert logged(run).status == "released"


def test_rollback_after_a_restatement_that_was_killed_says_that_the_warehouse_keeps_it(shop: Shop) -> None:
    """Readers had its release, but it had not said so yet, and was called interrupted after the rollback."""
    (run,) = read_runs(shop.warehouse)
    before = copy_release(shop.serving, "2024-04-08-20240409T000000Z")
    log_run(shop.warehouse, replace(run, kind="restate", status="releasing"))
    told = rollback()
    assert told.startswith(f"Readers now see {before}\nwarning: The warehouse keeps what was restated")
    assert f"{HISTORY_START} to {PUBLISHED} (run {run.run_id})" in told
    assert [each.kind for each in read_runs(shop.warehouse) if each.status == "released"] == ["restate", "rollback"]


def test_run_that_is_cancelled_says_so_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.steps import pipeline

    def cancel(_run: Run) -> None:
        raise KeyboardInterrupt

    project = new_run(tmp_path).project
    monkeypatch.setattr(pipeline, "build_inputs", cancel)
    with pytest.raises(KeyboardInterrupt):
        pipeline.run_window(project, Window(NEXT_DAY, NEXT_DAY, HISTORY_START), "daily")
    (row,) = read_runs(project.warehouse)
    assert (row.status, row.message) == ("interrupted", "Stopped from outside (KeyboardInterrupt).")


def test_run_that_is_cancelled_after_readers_have_its_release_is_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was called interrupted for ever, and its day unpublished as soon as its release was lost."""
    from flows.steps import pipeline

    def cancel(*_arguments: object) -> None:
        raise KeyboardInterrupt

    project = new_run(tmp_path).project
    with duckdb.connect(str(project.warehouse)) as connection:
        ensure_format(connection)
        connection.execute("create schema marts; create table marts.dim_customers as from range(3)")
    for name in ("build_inputs", "check_inputs", "build_marts", "check_marts"):
        monkeypatch.setattr(pipeline, name, lambda _run: None)
    monkeypatch.setattr(pipeline, "publish", lambda run: run.publish())
    monkeypatch.setattr(Run, "_write_pages", lambda _run, _folder: None)
    monkeypatch.setattr(release, "_forget_old", cancel)
    with pytest.raises(KeyboardInterrupt):
        pipeline.run_window(project, Window(NEXT_DAY, NEXT_DAY, HISTORY_START), "daily")
    (row,) = read_runs(project.warehouse)
    assert (row.status, row.message, row.customers) == ("released", None, 3)
    assert operations_log.published_by([row]) == NEXT_DAY
    assert read_events(project.logs / "runs" / f"{row.run_id}.jsonl")[-1]["status"] == "released"


def test_run_whose_warehouse_stays_open_elsewhere_stops_and_names_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "PATIENCE_SECONDS", 0.5)
    run = new_run(tmp_path)
    duckdb.connect(str(run.project.warehouse)).close()
    code = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(run.project.warehouse)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout.readline() == "open\n"
        with pytest.raises(RunStopped, match=rf"held open by another process.*PID {other.pid}"):
            run.begin()
        other.stdin.close()


def test_great_expectations_is_imported_while_dbt_builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    began = threading.Event()
    monkeypatch.setattr("flows.steps.run.import_great_expectations", began.set)
    monkeypatch.setattr("flows.steps.run.source_tables", lambda _project: [])
    monkeypatch.setattr("flows.steps.run.operations_log.log_rows_read", lambda *_: None)
    monkeypatch.setattr("flows.steps.run.operations_log.read_delivered_days", lambda _warehouse: {})
    during: list[bool] = []
    monkeypatch.setattr(Run, "_run_dbt", lambda *_: during.append(began.wait(10)))
    run = new_run(tmp_path)
    run.begin()
    run.build_inputs()
    assert during == [True]


def test_error_that_says_nothing_is_told_by_its_name() -> None:
    """A timeout of the disk has no text: what wanted its first line failed, and the run was not written down."""
    assert first_line(ValueError("what\nand where")) == "what"
    assert first_line(TimeoutError()) == "TimeoutError"
    assert first_line(OSError("\n")) == "OSError"


@pytest.mark.parametrize(
    ("error", "told"),
    [(TimeoutError, "The disk or the rights to it: TimeoutError"), (AssertionError, "AssertionError")],
)
def test_run_that_an_error_without_a_text_stops_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception], told: str
) -> None:
    from flows.steps import pipeline

    def stop(_run: Run) -> None:
        raise error

    project = new_run(tmp_path).project
    monkeypatch.setattr(pipeline, "build_inputs", stop)
    with pytest.raises((RunStopped, AssertionError)):
        pipeline.run_window(project, Window(NEXT_DAY, NEXT_DAY, HISTORY_START), "daily")
    (row,) = read_runs(project.warehouse)
    assert row.status == "failed"
    assert row.message.startswith(told)


def test_digest_that_one_of_the_urls_of_an_owner_takes_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one URL failed, the others got the same digest after every run, longer each time."""
    monkeypatch.setenv("TESSERA_NOTIFY", "{default: ['json://broken', 'json://good', 'nonsense://secret']}")
    sent = []

    def take(service: Apprise, **_message: object) -> bool:
        sent.extend(service.urls())
        return "broken" not in str(service.urls())

    monkeypatch.setattr(Apprise, "notify", take)
    alert = notify.Alert(
        "a1", "size", "seg_x", "big", "customers", 120.0, 100.0, NEXT_DAY, "open", "kim@x.org", "docs/operations.md"
    )
    monkeypatch.setattr(notify, "read_alerts", lambda _release: [alert])
    project, said = new_run(tmp_path).project, []
    folder = project.serving / "releases" / f"{NEXT_DAY}-run"
    assert notify.notify(project, folder, "run", said.append) == 1
    assert operations_log.told_events(project.warehouse) == {("a1", "opened")}
    assert said == [
        "warning: the digest of alerts for kim@x.org could not be sent to URLs 1, 3 of 3 that TESSERA_NOTIFY has for "
        "them; the others took it, and it is not sent again"
    ]
    assert notify.notify(project, folder, "later", said.append) == 0
    assert len(sent) == 2


def test_history_that_ends_before_it_is_to_begin_is_built_from_its_beginning_on(tmp_path: Path) -> None:
    """The message named the day after the last one built, which the backfill then refused."""
    warehouse = tmp_path / "tessera.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create schema history")
        connection.execute("create table history.segmentation_days as select date '2024-03-01' as as_of_date")
    with pytest.raises(RunStopped, match=f"ends on 2024-03-01.*flows.backfill --first {HISTORY_START}$"):
        check_history(warehouse, Window(NEXT_DAY, NEXT_DAY, HISTORY_START))


@pytest.mark.parametrize("name", ["tessera-prod", "order", "1 of 2"])
def test_warehouse_may_have_a_name_that_sql_takes_in_quotes_only(tmp_path: Path, name: str) -> None:
    """A run of tessera-prod.duckdb, or in a folder with an apostrophe, stopped at its release, when all was built."""
    folder = tmp_path / "o'brien"
    folder.mkdir()
    project = Project(warehouse=folder / f"{name}.duckdb", serving=folder / "serving").checked()
    with duckdb.connect(str(project.warehouse)) as connection:
        connection.execute("create schema marts; create table marts.days as select 1 as number")
        connection.execute(f'create view marts.same_days as from "{name}".marts.days')
    made = release.publish(
        project.warehouse, project.serving, NEXT_DAY, "run", "test", ["files"], 5, lambda _folder: None
    )
    assert rows(made / "tessera.duckdb", "from marts.same_days") == [(1,)]


@pytest.mark.parametrize(
    "name", ["release", "Fresh", "system", "marts", "raw_completejourney", "tessera.prod", "it's", ".hidden"]
)
def test_warehouse_with_a_name_that_no_database_can_have_stops_a_run_before_anything(name: str) -> None:
    with pytest.raises(RunStopped, match=re.escape(f"cannot be called '{Path(f'{name}.duckdb').stem}'")):
        Project(warehouse=ROOT / f"{name}.duckdb").checked()


def stopped_logs(shop: Shop) -> list[dict]:
    """The structured logs of runs that stopped before they had a window, oldest first."""
    logs = sorted((shop.logs / "runs").glob("*.jsonl"))
    return [event for log in logs for event in read_events(log) if event["event"] == "run_stopped"]


def source_lost(shop: Shop) -> str:
    (shop.files / "transactions.csv").unlink()
    return shop.vars


def sources_cut_off(shop: Shop) -> str:
    write_shop(shop.files, HISTORY_START)
    return shop.vars


def other_sources(_shop: Shop) -> str:
    return "{}"


def variable_misspelt(shop: Shop) -> str:
    return shop.vars + "no_such: 1"


def variable_wrong(shop: Shop) -> str:
    return shop.vars + "timezone: Mars"


def manifest_damaged(shop: Shop) -> str:
    (current_release(shop.serving) / "manifest.json").write_text("{")
    return shop.vars


@pytest.mark.parametrize(
    "trouble", [source_lost, sources_cut_off, other_sources, variable_misspelt, variable_wrong, manifest_damaged]
)
def test_run_that_stops_before_it_has_a_window_is_written_down(shop: Shop, trouble: Callable[[Shop], str]) -> None:
    """A schedule that failed every day for a week left nothing to see it by."""
    variables = trouble(shop)
    with pytest.raises(RunStopped) as stopped:
        daily.fn(vars=variables)
    row = read_runs(shop.warehouse)[-1]
    assert (row.kind, row.status, row.stopped_in) == ("daily", "failed", "window")
    assert row.message == str(stopped.value)
    assert (row.first_as_of_date, row.last_as_of_date, row.seconds_by_step) == (None, None, None)
    assert row.ended_at >= row.started_at
    (event,) = stopped_logs(shop)
    assert (event["kind"], event["step"], event["message"]) == ("daily", "window", row.message)


def test_run_that_stops_makes_no_warehouse_where_there_is_none(shop: Shop) -> None:
    source_lost(shop)
    shop.warehouse.unlink()
    with pytest.raises(RunStopped, match="there is no file"):
        daily.fn(vars=shop.vars)
    assert not shop.warehouse.exists()
    assert len(stopped_logs(shop)) == 1


def test_run_that_is_kept_out_is_no_failure_of_the_history(shop: Shop) -> None:
    before = read_runs(shop.warehouse)
    with lock.warehouse_lock(shop.warehouse), pytest.raises(RunStopped, match="Another run has the warehouse"):
        daily.fn(vars=shop.vars)
    assert read_runs(shop.warehouse) == before
    (event,) = stopped_logs(shop)
    assert event["message"].startswith("Another run has the warehouse")


def test_run_with_nothing_to_do_is_no_row(shop: Shop) -> None:
    before = read_runs(shop.warehouse)
    write_shop(shop.files, PUBLISHED)
    assert daily.fn(vars=shop.vars).startswith("Nothing to do")
    assert read_runs(shop.warehouse) == before
    assert stopped_logs(shop) == []


def old_warehouse(file: Path) -> None:
    """A warehouse whose log of runs is that of the first version, with a run."""
    (source,) = yaml.safe_load(SOURCES.read_text())["sources"]
    (runs,) = (table for table in source["tables"] if table["name"] == "runs")
    columns = [column for column in runs["columns"] if column["name"] not in NEW_COLUMNS]
    with duckdb.connect(str(file)) as connection:
        connection.execute("create schema operations")
        definition = ", ".join(f"{column['name']} {column['data_type']}" for column in columns)
        connection.execute(f"create table operations.runs ({definition})")
        connection.execute("insert into operations.runs (run_id, status, kind) values ('old', 'released', 'daily')")


def by_flows(file: Path) -> None:
    """As a run does it when it begins."""
    run = operations_log.Run(
        "new", None, None, "daily", "running", None, datetime(2024, 1, 1), None, "test", None, customers=7
    )
    log_run(file, run)


def by_dbt(file: Path) -> None:
    """As dbt does it before it builds."""
    (source,) = yaml.safe_load(SOURCES.read_text())["sources"]
    tables = {
        table["name"]: {
            "source_name": "operations",
            "schema": source["schema"],
            "identifier": table["name"],
            "columns": {column["name"]: column for column in table["columns"]},
        }
        for table in source["tables"]
    }
    with duckdb.connect(str(file)) as connection:

        def run_query(sql: str) -> SimpleNamespace:
            return SimpleNamespace(rows=connection.execute(sql).fetchall())

        macros(graph={"nodes": {}, "sources": tables}, run_query=run_query).attach_operations()


@pytest.mark.parametrize("make", [by_flows, by_dbt])
def test_older_warehouse_gets_the_new_columns_and_keeps_its_rows(make: Callable[[Path], None], tmp_path: Path) -> None:
    file = tmp_path / "tessera.duckdb"
    old_warehouse(file)
    make(file)
    make(file)
    old = read_runs(file)[-1] if make is by_dbt else next(run for run in read_runs(file) if run.run_id == "old")
    assert (old.run_id, old.status) == ("old", "released")
    assert [getattr(old, column) for column in NEW_COLUMNS] == [None] * len(NEW_COLUMNS)
    with duckdb.connect(str(file), read_only=True) as connection:
        assert set(NEW_COLUMNS) <= set(connection.table("operations.runs").columns)
        assert connection.table("operations.checks").columns[0] == "run_id"


def aged(file: Path, days: float) -> Path:
    """A file that was last written so many days ago."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("{}\n")
    then = (datetime.now(UTC) - timedelta(days=days)).timestamp()
    os.utime(file, (then, then))
    return file


@pytest.mark.parametrize(("kept_days", "left"), [(30, {"new", "run"}), (None, {"old", "older", "new", "run"})])
def test_runs_and_logs_are_kept_for_as_long_as_the_variables_say(
    tmp_path: Path, kept_days: int | None, left: set[str]
) -> None:
    run = new_run(tmp_path, logs_kept_days=kept_days, runs_kept_days=kept_days)
    now = run.started_at
    run.begin()
    ages = {"older": 400, "old": 31, "new": 29}
    for name, days in ages.items():
        aged(run.project.logs / "runs" / f"{name}.jsonl", days)
        aged(run.project.logs / f"dbt.log.{days}", days)
        began = now - timedelta(days=days)
        row = operations_log.Run(name, None, None, "daily", "released", None, began, began, "test", None)
        log_run(run.project.warehouse, row)
        check = SimpleNamespace(
            suite="s",
            code="c",
            description="d",
            mart="m",
            status="passed",
            severity="error",
            observed="o",
            expected="e",
            was_accepted=False,
        )
        operations_log.log_checks(run.project.warehouse, name, [check])
    run.forget_old()
    names = left - {"run"}
    assert {file.stem for file in (run.project.logs / "runs").iterdir()} == names | {run.run_id}
    assert {file.name for file in run.project.logs.glob("dbt.log*")} == {f"dbt.log.{ages[name]}" for name in names}
    assert {row.run_id for row in read_runs(run.project.warehouse)} == names | {run.run_id}
    with duckdb.connect(str(run.project.warehouse), read_only=True) as connection:
        assert {row[0] for row in connection.table("operations.checks").select("run_id").fetchall()} == names
    assert read_events(run.events.path)[-1]["event"] == "tidied"


def test_line_that_was_cut_off_does_not_spoil_the_log(tmp_path: Path) -> None:
    log = RunLog(tmp_path, "run")
    log.write("step_begun", step="models", day=date(2024, 1, 1))
    log.close()
    with log.path.open("a") as file:
        file.write('{"at": "2024-01-01T00:')
    (event,) = read_events(log.path)
    assert (event["event"], event["step"], event["day"]) == ("step_begun", "models", "2024-01-01")


def test_run_goes_on_where_logs_cannot_be_written(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    run.project.logs.write_text("a file, where a folder should be")
    warnings: list[str] = []
    run.report = warnings.append
    run.begin()
    assert logged(run).status == "running"
    assert "no structured log" in warnings[0]


def check_codes() -> set[str]:
    """The codes of all checks, with limits for a segment so that its check is there too."""
    # Imported here, for it takes seconds, also where a process that is to be killed imports this file.
    from expectations.suites import input_tables, mart_tables

    segments = {"lifecycle": ["active"]}
    parameters = Parameters()
    limits = MartParameters(for_segment={"lifecycle/active": parameters.marts.share})
    tables = [*input_tables(parameters.inputs, datetime(2024, 1, 1)), *mart_tables(limits, segments)]
    return {expectation.meta["code"] for table in tables for expectation in table.suite.expectations}


def codes_in_tables(text: str, header: str) -> set[str]:
    """The codes in the first column of the Markdown tables whose first column is called `header`."""
    found: set[str] = set()
    is_inside = False
    for line in text.splitlines():
        if not line.startswith("|"):
            is_inside = False
        elif line.startswith(f"| {header} |"):
            is_inside = True
        elif is_inside:
            found |= set(re.findall(r"`([a-z_]+)`", line.split("|")[1]))
    return found


def test_runbook_explains_every_check_and_every_finding_and_nothing_else() -> None:
    runbook = (ROOT / "docs" / "operations.md").read_text()
    assert codes_in_tables(runbook, "check") == check_codes()
    assert codes_in_tables(runbook, "finding") == set(STATES)
