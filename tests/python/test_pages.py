"""Pages of a release that fail: the release is made all the same, and says so."""

import errno
import json
import os
import signal
import threading
from pathlib import Path

import duckdb
import pytest
from conftest import PUBLISHED
from shop import HISTORY_START

from flows.steps import api, pipeline
from flows.steps.errors import RunStopped, interruption
from flows.steps.operations_log import read_runs
from flows.steps.pages import write_page
from flows.steps.project import Project
from flows.steps.release import current_release
from flows.steps.run import Run
from flows.steps.window import Window


def run_with_marts(folder: Path) -> Run:
    """A run that has built a mart and is about to release it."""
    project = Project(
        warehouse=folder / "warehouse" / "tessera.duckdb", serving=folder / "serving", logs=folder / "logs"
    )
    project.warehouse.parent.mkdir(parents=True)
    told: list[str] = []
    run = Run(project, Window(PUBLISHED, PUBLISHED, HISTORY_START), "daily", report=told.append)
    run.told = told
    run.begin()
    with duckdb.connect(str(project.warehouse)) as connection:
        connection.execute("create schema marts; create table marts.dim_customers as select 7 as customer_id")
        connection.execute("create view marts.ops_runs as from operations.runs")
    return run


def broken(*_arguments: object, **_options: object) -> None:
    raise AttributeError("'float' object has no attribute 'replace'")


def test_b1_report_and_data_docs_that_raise_are_a_warning_of_a_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run was lost after nine minutes, and with it the day."""
    run = run_with_marts(tmp_path)
    monkeypatch.setattr("flows.report.page.write", broken)
    monkeypatch.setattr(Run, "_write_docs", broken)
    release = run.publish()
    run.end("released")
    assert current_release(run.project.serving) == release
    for name, title in (("report", "The report"), ("data_docs", "The data docs")):
        page = (release / name / "index.html").read_text()
        assert f"{title} could not be written (AttributeError)" in page
        assert any(
            line.startswith(f"warning: {title} could not be written: AttributeError: 'float'") for line in run.told
        )
    (logged,) = read_runs(run.project.warehouse)
    assert logged.status == "released"
    assert "The data docs could not be written" in logged.message
    assert "The report could not be written: AttributeError: 'float' object" in logged.message
    checksums = json.loads((release / "manifest.json").read_text())["checksums"]
    assert {"report/index.html", "data_docs/index.html", "tessera.duckdb"} <= set(checksums)


def test_b1_half_a_page_gives_way_to_one_that_says_so(tmp_path: Path) -> None:
    def half(folder: Path) -> None:
        folder.mkdir()
        (folder / "index.html").write_text("<p>half")
        (folder / "more.html").write_text("more")
        raise ZeroDivisionError

    told = write_page(tmp_path / "report", "The report", half)
    assert told == "The report could not be written: ZeroDivisionError: ZeroDivisionError"
    assert [file.name for file in (tmp_path / "report").iterdir()] == ["index.html"]
    assert "half" not in (tmp_path / "report" / "index.html").read_text()


def test_b1_a_full_disk_stops_the_release_also_where_a_library_hides_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object, **_options: object) -> None:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise RuntimeError("could not render") from error

    run = run_with_marts(tmp_path)
    monkeypatch.setattr("flows.report.page.write", full)
    monkeypatch.setattr(Run, "_write_docs", lambda *_: None)
    with pytest.raises(RunStopped, match="No space left on device"):
        run.publish()
    assert current_release(run.project.serving) is None


def test_b1_what_goes_wrong_after_the_release_is_kept_with_the_run(tmp_path: Path) -> None:
    run = run_with_marts(tmp_path)
    run.publish()
    run.warn("No summary: ZeroDivisionError: division by zero")
    run.end("released")
    (logged,) = read_runs(run.project.warehouse)
    assert (logged.status, logged.message.splitlines()[-1]) == (
        "released",
        "No summary: ZeroDivisionError: division by zero",
    )


def query_interrupted(*_arguments: object, **_options: object) -> None:
    """What DuckDB makes of a signal that comes while it works."""
    raise RuntimeError("Query interrupted") from KeyboardInterrupt()


@pytest.mark.parametrize("where", ["check_marts", "publish"])
def test_e9_run_that_is_told_to_end_during_a_query_is_interrupted_and_not_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """DuckDB made an error of the signal, so that the run was called failed and its process went on."""
    project = Project(
        warehouse=tmp_path / "warehouse" / "tessera.duckdb", serving=tmp_path / "serving", logs=tmp_path / "logs"
    )
    project.warehouse.parent.mkdir()
    for name in ("build_inputs", "check_inputs", "build_marts", "check_marts"):
        monkeypatch.setattr(pipeline, name, lambda _run: None)
    monkeypatch.setattr(pipeline, where, query_interrupted)
    with pytest.raises(KeyboardInterrupt):
        pipeline.run_window(project, Window(PUBLISHED, PUBLISHED, HISTORY_START), "daily")
    (logged,) = read_runs(project.warehouse)
    assert (logged.status, logged.message) == ("interrupted", "Stopped from outside (KeyboardInterrupt).")


def test_e9_page_that_is_interrupted_is_not_one_that_failed(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_page(tmp_path / "report", "The report", query_interrupted)


def test_e9_duckdb_still_says_it_in_these_words() -> None:
    def stop(*_arguments: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, stop)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGUSR1))
    with duckdb.connect() as connection:
        try:
            timer.start()
            with pytest.raises(RuntimeError) as raised:
                connection.sql("select sum(hash(i)) from range(100000000000) as numbers(i)").fetchall()
        finally:
            timer.cancel()
            signal.signal(signal.SIGUSR1, before)
            # It is still running: the next query of this connection would wait for its end.
            connection.interrupt()
    assert isinstance(interruption(raised.value), KeyboardInterrupt)
    assert interruption(ValueError("x")) is None


def test_b1_a_release_counts_whatever_fails_in_prefect_afterwards_and_nothing_else_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_with_marts(tmp_path)
    for name, place in (("WAREHOUSE", run.project.warehouse), ("SERVING", run.project.serving)):
        monkeypatch.setenv(f"TESSERA_{name}", str(place))
    monkeypatch.setattr(api, "api_url", lambda: "http://somewhere/api")
    monkeypatch.setattr(api, "_answers", lambda _url: True)
    monkeypatch.setattr(Run, "_write_pages", lambda *_: None)

    def fails() -> str:
        raise ValueError("500 Server Error")

    def kept_out() -> str:
        raise RunStopped("Another run has the warehouse")

    def released_and_fails() -> str:
        run.publish()
        return fails()

    with pytest.raises(ValueError, match="500"):
        api.call_flow(fails)
    told = api.call_flow(released_and_fails)
    assert told.startswith(f"Released {PUBLISHED}-{run.run_id}. Prefect's API")
    assert "failed meanwhile (ValueError)" in told
    with pytest.raises(RunStopped, match="Another run"):
        api.call_flow(kept_out)


def test_b1_what_fails_after_the_release_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_with_marts(tmp_path)
    for name in ("build_inputs", "check_inputs", "build_marts", "check_marts"):
        monkeypatch.setattr(pipeline, name, lambda _run: None)
    monkeypatch.setattr(pipeline, "publish", lambda run: run.publish())
    monkeypatch.setattr(Run, "_write_pages", lambda *_: None)
    for name in ("tell_owners", "print_summary", "markdown_summary"):
        monkeypatch.setattr(pipeline, name, broken)
    told = pipeline.run_window(run.project, Window(PUBLISHED, PUBLISHED, HISTORY_START), "daily")
    assert told.startswith("Released")
    logged = read_runs(run.project.warehouse)[-1]
    assert (logged.status, len(logged.message.splitlines())) == ("released", 3)
    assert "Owners could not be notified of alerts: AttributeError" in logged.message
