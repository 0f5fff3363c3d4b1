"""A small part of `make faults`: what a killed run leaves, a full disk, rights that are gone, a file that is held."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import duckdb
import httpx
import pytest
import yaml
from conftest import NEXT_DAY, PUBLISHED, Shop

from flows.steps import api, lock, release
from flows.steps.api import call_flow
from flows.steps.dbt import with_remedy
from flows.steps.errors import RunStopped
from flows.steps.lock import wait_until_free, warehouse_lock
from flows.steps.operations_log import log_run, read_runs
from flows.steps.pipeline import tidy
from flows.steps.project import ROOT, Project
from flows.steps.release import current_release, list_releases, publish, roll_back, sweep
from flows.steps.rewrite import Rewrite
from flows.steps.run import Run
from flows.steps.watch import api_url
from flows.steps.window import Window
from tests.faults.api import free_port
from tests.faults.cases import WITH_CHILD, AccessTaken, Case, Killed
from tests.faults.lab import Bench, Ended, Place, current_problem, strays
from tests.faults.readers import Seen
from tests.faults.report import Session, read_report, write_readers, write_report
from tests.faults.trial import DAYS, Outcome


@pytest.fixture
def bench(shop: Shop) -> Bench:
    """The shop as a bench of the harness, with what dbt parsed for all tests."""
    (shop.folder / "tmp").mkdir()
    return Bench(shop.folder, shop.folder, target=Path(os.environ["DBT_TARGET_PATH"]))


def left_by(ended: Ended, bench: Bench) -> None:
    """A killed run leaves readers what they had, and no process."""
    assert ended.reached
    assert ended.status == -signal.SIGKILL
    assert current_problem(bench, DAYS) == ("old", None)


def test_next_run_needs_no_hand_after_sigkill_of_the_flow_alone_and_of_its_group(bench: Bench) -> None:
    left_by(bench.run(WITH_CHILD["inputs, dbt is starting"], Killed(group=False).act), bench)
    # At once: what the flow had started may still be dying.
    left_by(bench.run(WITH_CHILD["models, features"], Killed(group=True).act), bench)

    ended = bench.run()
    assert ended.status == 0, ended.output
    assert current_problem(bench, DAYS) == ("new", None)
    assert strays(bench, bench) == []
    # Python models are files for a moment, with bytecode.
    assert not (bench.folder / "tmp" / "__pycache__").exists()
    assert sorted(path.name for path in bench.warehouse.parent.iterdir()) == ["tessera.duckdb", "tessera.lock"]
    assert sorted(path.name for path in bench.serving.iterdir()) == ["current", "releases"]
    with duckdb.connect(str(bench.warehouse), read_only=True) as connection:
        names = connection.sql("select table_name from duckdb_tables() where table_name like '%\\_\\_dbt%' escape '\\'")
        assert names.fetchall() == []


@pytest.mark.parametrize(
    ("place", "step"),
    [
        (WITH_CHILD["models, features"], "models"),
        (Place(line="^mart checks", delay=1), "mart checks"),
        (Place(event="os.mkdir", match=r"\.building-.*parquet"), "release"),
    ],
    ids=["models", "mart checks", "release"],
)
def test_e9_run_that_is_told_to_end_marks_itself_as_interrupted(bench: Bench, place: Place, step: str) -> None:
    """A worker of Prefect cancels by SIGTERM, and so does an operating system that goes down."""
    ended = bench.run(place, lambda _bench, process: process.terminate())
    assert ended.reached
    assert ended.status == -signal.SIGTERM, ended.output
    assert current_problem(bench, DAYS) == ("old", None)
    run = read_runs(bench.warehouse)[-1]
    assert (run.status, run.stopped_in) == ("interrupted", step), run.message
    assert bench.processes() == []


def test_source_that_may_not_be_read_is_named(bench: Bench) -> None:
    taken = AccessTaken("files/transactions.csv", 0)
    ended = bench.run(Place(), taken.act)
    assert ended.status == 1
    assert "transactions.csv cannot be read" in ended.message
    assert current_problem(bench, DAYS) == ("old", None)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A disk of so many bytes at a folder.

    Skips the test where this user may not mount.
    """
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("This user may not mount a disk.")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def publish_shop(shop: Shop, serving: Path, run_id: str = "29990101T000000Z", keep: int = 5, **options: object) -> Path:
    """Release the marts as they are in the warehouse."""
    return publish(shop.warehouse, serving, PUBLISHED, run_id, "test", ["files"], keep, lambda folder: None, **options)


def test_full_disk_under_the_releases_stops_with_a_message_and_leaves_nothing(shop: Shop) -> None:
    serving = shop.folder / "small"
    with small_disk(serving, "1m"):
        with pytest.raises(RunStopped, match=r"could not be written: .*(?i:no space)"):
            publish_shop(shop, serving)
        assert list((serving / "releases").iterdir()) == []
        assert current_release(serving) is None


def test_release_takes_no_more_memory_than_it_may(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    # Of 1,000,000 customers it once took 7.7 GiB, whatever TESSERA_MEMORY said.
    monkeypatch.setenv("TESSERA_MEMORY", "1MB")
    with pytest.raises(RunStopped, match=r"could not be written: Out of Memory.*raise TESSERA_MEMORY"):
        publish_shop(shop, shop.serving)
    monkeypatch.undo()
    assert publish_shop(shop, shop.serving) == current_release(shop.serving)


def test_release_that_nobody_has_seen_is_removed_and_one_that_was_current_is_not(shop: Shop) -> None:
    first = current_release(shop.serving)
    unseen = shutil.copytree(first, first.with_name("2024-04-10-29990101T000000Z"))
    half = shutil.copytree(first, first.with_name(".leaving-2024-04-01-20240401T000000Z"))
    # As a run leaves it that is killed between its last two renames, and as a rollback does.
    (shop.serving / ".next").symlink_to(Path("releases") / unseen.name)
    (shop.serving / ".next-1").symlink_to(Path("releases") / first.name)
    sweep(shop.serving)
    assert list_releases(shop.serving) == [first]
    assert not half.exists()
    assert sorted(path.name for path in shop.serving.iterdir()) == ["current", "releases"]


@pytest.mark.parametrize("took_over", [True, False])
def test_restatement_that_was_killed_around_its_switch_is_finished_or_forgotten(shop: Shop, took_over: bool) -> None:
    """The warehouse has what was rewritten, and readers saw the release before it until the next day was released."""
    first = current_release(shop.serving)
    run_id = "29990101T000000Z"
    restated = shutil.copytree(first, first.with_name(f"{PUBLISHED}-{run_id}"))
    (shop.serving / ".next").symlink_to(Path("releases") / restated.name)
    run = next(run for run in read_runs(shop.warehouse) if run.status == "released")
    begun = replace(run, run_id=run_id, kind="restate", status="running", last_as_of_date=PUBLISHED)
    log_run(shop.warehouse, begun)
    copy = shop.warehouse.parent / "restating" / shop.warehouse.name
    copy.parent.mkdir()
    shutil.copyfile(shop.warehouse, copy)
    log_run(copy, replace(begun, status="releasing"))
    if took_over:
        copy.replace(shop.warehouse)
    tidy(Project(overrides=yaml.safe_load(shop.vars), warehouse=shop.warehouse, serving=shop.serving, logs=shop.logs))
    assert current_release(shop.serving) == (restated if took_over else first)
    assert restated.exists() == took_over
    (ended,) = (run for run in read_runs(shop.warehouse) if run.run_id == run_id)
    assert ended.status == ("released" if took_over else "interrupted")
    assert not copy.parent.exists()
    assert sorted(path.name for path in shop.serving.iterdir()) == ["current", "releases"]


def test_rewrite_whose_last_rename_fails_is_finished_by_the_next_run(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The release was swept away, though the warehouse had become what it shows."""
    first = current_release(shop.serving)
    project = Project(overrides=yaml.safe_load(shop.vars))
    rewrite = Rewrite(project.warehouse, "to see")
    run = Run(
        replace(project, warehouse=rewrite.copy), Window(PUBLISHED, PUBLISHED, PUBLISHED), "restate", rewrite=rewrite
    )
    monkeypatch.setattr(Run, "_write_pages", lambda self, folder: None)
    with monkeypatch.context() as patch:
        patch.setattr(release, "make_current", lambda serving: (serving / "no such link").rename(serving / "current"))
        run.begin()
        rewrite.begin()
        with pytest.raises(RunStopped, match="could not be written") as stopped:
            run.publish()
    run.end("failed", str(stopped.value))
    assert current_release(shop.serving) == first
    tidy(project)
    assert current_release(shop.serving).name == f"{PUBLISHED}-{run.run_id}"
    (ended,) = (each for each in read_runs(shop.warehouse) if each.run_id == run.run_id)
    assert ended.status == "released"


def test_release_stays_for_those_who_may_still_read_it(shop: Shop) -> None:
    hour = timedelta(hours=1)
    made = [current_release(shop.serving)]
    for day in range(1, 7):
        made.append(publish_shop(shop, shop.serving, f"299901{day:02}T000000Z", grace=hour))
    assert list_releases(shop.serving) == made
    # An hour after readers left it, one that is too many goes.
    os.utime(made[0], (0, 0))
    made.append(publish_shop(shop, shop.serving, "29990107T000000Z", grace=hour))
    assert list_releases(shop.serving) == made[1:]


def test_release_that_was_gone_back_to_stays_for_its_readers_too(shop: Shop) -> None:
    """It went at once: the age of the next release was taken for the time since readers left it."""
    first = current_release(shop.serving)
    second = publish_shop(shop, shop.serving, "29990101T000000Z")
    for each in (first, second):
        for path in (each, each / "manifest.json"):
            os.utime(path, (0, 0))
    roll_back(shop.serving)
    third = publish_shop(shop, shop.serving, "29990102T000000Z", keep=1, grace=timedelta(hours=1))
    # Readers left the second an hour ago at most, when it was rolled back, and the first now.
    assert list_releases(shop.serving) == [first, second, third]


def lazy_writer(file: Path) -> None:
    """Write a row that stays in the database's log, as where no room was left when the connection ended."""
    with duckdb.connect(str(file)) as connection:
        connection.execute("pragma disable_checkpoint_on_shutdown")
        connection.execute("set wal_autocheckpoint = '1TB'")
        connection.execute("create table written (number integer); insert into written values (7)")
    assert file.with_name(f"{file.name}.wal").exists()


def test_rewrite_takes_over_with_what_is_in_the_log_of_its_copy_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the main file was moved; what was written last was lost with the folder of the copy."""
    rewrite = Rewrite(tmp_path / "tessera.duckdb", "to see")
    lazy_writer(rewrite.published)
    rewrite.begin()
    with duckdb.connect(str(rewrite.copy)) as connection:
        connection.execute("drop table written")
    lazy_writer(rewrite.copy)
    with monkeypatch.context() as patch:
        # A disk on which there is no room for it.
        patch.setattr(duckdb, "connect", lambda *_: nullcontext(SimpleNamespace(checkpoint=lambda: None)))
        with pytest.raises(OSError, match=r"tessera\.duckdb\.wal could not be written"):
            rewrite.take_over()
    assert rewrite.copy.exists()
    rewrite.take_over()
    with duckdb.connect(str(rewrite.published), read_only=True) as connection:
        assert connection.table("written").fetchall() == [(7,)]


def test_lock_lives_as_long_as_what_a_killed_run_has_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "PATIENCE_SECONDS", 0.5)
    warehouse = tmp_path / "tessera.duckdb"
    code = (
        "import subprocess, sys, time; from pathlib import Path; from flows.steps.lock import *\n"
        f"with warehouse_lock(Path({str(warehouse)!r})):\n"
        "    child = subprocess.Popen(['sleep', '60'], pass_fds=lock_descriptors())\n"
        "    print(child.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:
        orphan = int(run.stdout.readline())
        run.kill()
    told: list[str] = []
    with (
        pytest.raises(RunStopped, match=rf"process {run.pid}.*what it started"),
        warehouse_lock(warehouse, told.append),
    ):
        pass
    assert told == [f"The run before (process {run.pid}) was killed; waiting for what it started to end ..."]
    os.kill(orphan, signal.SIGKILL)
    with warehouse_lock(warehouse, told.append):
        pass


@pytest.mark.parametrize("read_only", [True, False])
def test_warehouse_that_somebody_has_open_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_only: bool
) -> None:
    monkeypatch.setattr(lock, "PATIENCE_SECONDS", 1.0)
    warehouse = tmp_path / "tessera.duckdb"
    duckdb.connect(str(warehouse)).close()
    code = f"import duckdb; held = duckdb.connect({str(warehouse)!r}, read_only={read_only}); print('held', flush=True)"
    command = [sys.executable, "-c", f"{code}; input()"]
    told: list[str] = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunStopped, match=rf"held open by another process.*{holder.pid}"):
            wait_until_free(warehouse, told.append)
        holder.stdin.close()
        wait_until_free(warehouse, told.append)
    assert str(holder.pid) in told[0]


def test_lock_conflict_inside_dbt_is_told_without_its_call_stack() -> None:
    conflict = "IO Error: Could not set lock on file 'w': Conflicting lock is held in python (PID 7)"
    message = with_remedy(f"Encountered an error:\n{conflict}\nFile impl.py, line 219", Path("w"))
    assert message.startswith("The warehouse w is held open by another process: IO Error")
    assert "PID 7" in message
    assert "impl.py" not in message
    assert with_remedy("No space left on device", Path("w")).endswith("Make room where w lies, and run again.")
    assert with_remedy("Failure in model a", Path("w")) == "Failure in model a"


def test_release_counts_where_prefect_went_away_and_nothing_else_does(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def released_and_cut_off() -> str:
        publish_shop(shop, shop.serving)
        raise httpx.ConnectError("connection refused")

    def cut_off() -> str:
        raise httpx.ConnectError("connection refused")

    monkeypatch.setattr(api, "api_url", lambda: "http://somewhere/api")
    monkeypatch.setattr(api, "_answers", lambda _url: True)
    assert call_flow(released_and_cut_off).startswith(f"Released {PUBLISHED}-29990101T000000Z")
    with pytest.raises(RunStopped, match=r"connection refused\. Nothing was released"):
        call_flow(cut_off)


def test_run_goes_without_an_api_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dead = f"http://127.0.0.1:{free_port()}/api"
    seen: list[str | None] = []

    def plain() -> str:
        seen.append(api_url())
        return "done"

    monkeypatch.setattr(api, "api_url", lambda: dead)
    assert call_flow(plain) == "done"
    assert seen == [None]
    assert f"({dead}) does not answer: this run goes without it" in capsys.readouterr().out


def test_next_day_of_these_tests_is_the_day_of_the_harness() -> None:
    assert DAYS == {PUBLISHED: "old", NEXT_DAY: "new"}


def test_a_session_of_one_group_leaves_the_others_on_the_page(tmp_path: Path) -> None:
    page = tmp_path / "faults.md"

    def outcomes(kind: str, *names: str, wrong: str = "") -> list[Outcome]:
        cases = [Case(kind, name, AccessTaken("files", 0)) for name in names]
        held = {"next_ok": True, "marts_equal": not wrong, "clean": True}
        return [Outcome(case, current="old", ended="killed", wrong=[wrong] * bool(wrong), **held) for case in cases]

    def session(commit: str) -> Session:
        return Session(commit, jobs=1, seed=4, undisturbed_seconds=40)

    both = outcomes("killed", "in inputs", "in models")
    both += outcomes("Prefect cut off", "in inputs", wrong="a mart differs")
    write_report(page, both, session("0a"), whole={"killed", "Prefect cut off"})
    write_readers(page, Seen(queries=5090, days={PUBLISHED, NEXT_DAY}), releases=10, processes=8)
    first, readers = read_report(page)
    assert list(first) == ["killed", "Prefect cut off"]
    assert "| **all** | 3 | 3 / 0 | 3 | 2 | 3 |" in page.read_text()
    assert "| 10 | 5,090 | 0 | 0 | 2 |" in readers

    # One group is run again and holds; of the other only a part is run.
    again = [*outcomes("Prefect cut off", "in inputs"), *outcomes("killed", "in inputs")]
    write_report(page, again, session("0b"), whole={"Prefect cut off"})
    second, still = read_report(page)
    assert second["killed"] == first["killed"]
    assert still == readers
    assert "`0b`" in second["Prefect cut off"].section
    assert "a mart differs" not in page.read_text()
    assert "| **all** | 3 | 3 / 0 | 3 | 3 | 3 |" in page.read_text()
