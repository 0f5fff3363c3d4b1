"""Releases and warehouses in places that links lead to, and folders that are none of theirs."""

import json
import os
import re
import time
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from conftest import PUBLISHED
from shop import HISTORY_START

from flows.rollback import rollback
from flows.steps.dbt import scratch_folder
from flows.steps.doctor import Facts, check_blocks, check_release, check_stray_files, check_warehouse
from flows.steps.errors import RunStopped
from flows.steps.lock import warehouse_lock
from flows.steps.mart_files import damage
from flows.steps.operations_log import Run as LoggedRun
from flows.steps.operations_log import log_run, next_run_id, published_by, read_runs
from flows.steps.pipeline import tidy
from flows.steps.project import Project
from flows.steps.release import (
    current_release,
    every_release,
    forget_releases,
    list_releases,
    publish,
    roll_back,
    sweep,
)
from flows.steps.rewrite import FOLDER, Rewrite, discard_copy, restated_since
from flows.steps.run import Run, log_rollback, log_stop
from flows.steps.window import Window

WINDOW = Window(PUBLISHED, PUBLISHED, HISTORY_START)


def warehouse_of(folder: Path) -> Path:
    """A warehouse with a mart."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "tessera.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("create schema marts; create table marts.dim_customers as select 7 as customer_id")
    return file


def pages(folder: Path) -> None:
    for name in ("report", "data_docs"):
        (folder / name).mkdir()
        (folder / name / "index.html").write_text(name)


def release_of(warehouse: Path, serving: Path, run_id: str, keep: int = 9, **options: object) -> Path:
    return publish(warehouse, serving, PUBLISHED, run_id, "test", ["files"], keep, pages, **options)


def precious(folder: Path) -> Path:
    """A folder of somebody's, which nobody may empty."""
    folder.mkdir(parents=True)
    (folder / "precious").write_text("not ours")
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Project:
    warehouse = warehouse_of(tmp_path / "warehouse")
    return Project(warehouse=warehouse, serving=tmp_path / "serving", logs=tmp_path / "logs")


def test_d3_places_are_those_that_links_lead_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = warehouse_of(tmp_path / "disk")
    (tmp_path / "releases of all").mkdir()
    (tmp_path / "link.duckdb").symlink_to(real)
    (tmp_path / "serving").symlink_to(tmp_path / "releases of all")
    monkeypatch.setenv("TESSERA_WAREHOUSE", str(tmp_path / "link.duckdb"))
    monkeypatch.setenv("TESSERA_SERVING", str(tmp_path / "disk" / ".." / "serving"))
    monkeypatch.setenv("TESSERA_LOGS", os.path.relpath(tmp_path / "logs", Path(__file__).parents[2]))
    project = Project()
    assert project.warehouse == real
    assert project.serving == tmp_path / "releases of all"
    assert project.logs == tmp_path / "logs"


def test_d3_rewrite_of_a_linked_warehouse_replaces_the_file_itself(tmp_path: Path) -> None:
    """It replaced the link, and the old file stayed whole, with all who were erased."""
    real = warehouse_of(tmp_path / "disk")
    link = tmp_path / "tessera.duckdb"
    link.symlink_to(real)
    rewrite = Rewrite(Project(warehouse=link).warehouse, "to see")
    rewrite.begin()
    with duckdb.connect(str(rewrite.copy)) as connection:
        connection.execute("delete from marts.dim_customers")
    rewrite.take_over()
    assert link.readlink() == real
    with duckdb.connect(str(real), read_only=True) as connection:
        assert connection.table("marts.dim_customers").fetchall() == []


def test_d3_lock_of_a_linked_warehouse_is_that_of_the_file(tmp_path: Path) -> None:
    """The lock lay beside the link, so that two runs could hold one warehouse."""
    real = warehouse_of(tmp_path / "disk")
    link = tmp_path / "tessera.duckdb"
    link.symlink_to(real)
    with (
        warehouse_lock(Project(warehouse=link).warehouse),
        pytest.raises(RunStopped, match="Another run has the warehouse"),
        warehouse_lock(Project(warehouse=real).warehouse),
    ):
        pass


def test_d3_releases_in_a_linked_folder_are_known_as_the_current_one(project: Project, tmp_path: Path) -> None:
    """The current release had another path than the same one in the list, and was taken for an old one."""
    (tmp_path / "large disk").mkdir()
    project.serving.mkdir()
    (project.serving / "releases").symlink_to(tmp_path / "large disk")
    first = release_of(project.warehouse, project.serving, "20240409T000000Z")
    assert list_releases(project.serving) == [current_release(project.serving)] == [first]
    forget_releases(project.serving, {first.name})
    assert list_releases(project.serving) == [first]


@pytest.mark.parametrize("place", ["elsewhere", "serving/releases/backup", "serving/kept", "serving"])
def test_d4_a_link_of_ours_that_leads_elsewhere_is_removed_and_what_it_leads_to_is_not(
    project: Project, tmp_path: Path, place: str
) -> None:
    """A run or a rollback emptied whatever folder `.next` led to."""
    release_of(project.warehouse, project.serving, "20240409T000000Z")
    target = tmp_path / place
    kept = target / "precious"
    target.mkdir(exist_ok=True)
    kept.write_text("not ours")
    (target / "manifest.json").write_text("{}")
    (project.serving / ".next").symlink_to(target)
    tidy(project)
    assert kept.read_text() == "not ours"
    assert not (project.serving / ".next").is_symlink()
    assert current_release(project.serving).name == f"{PUBLISHED}-20240409T000000Z"


def test_d4_release_that_nobody_has_seen_is_still_swept(project: Project) -> None:
    seen = release_of(project.warehouse, project.serving, "20240409T000000Z")
    unseen = release_of(project.warehouse, project.serving, "20240409T000001Z")
    (project.serving / "current").unlink()
    (project.serving / "current").symlink_to(Path("releases") / seen.name)
    (project.serving / ".next").symlink_to(Path("releases") / unseen.name)
    sweep(project.serving)
    assert list_releases(project.serving) == [seen]


def test_d4_links_among_what_runs_leave_are_removed_and_not_followed(project: Project, tmp_path: Path) -> None:
    kept = precious(tmp_path / "elsewhere")
    releases = project.serving / "releases"
    releases.mkdir(parents=True)
    for link in (
        releases / ".building-x",
        releases / ".leaving-x",
        project.warehouse.parent / FOLDER,
        Path(f"{project.warehouse}.tmp"),
    ):
        link.symlink_to(kept)
    # A folder that is called as a release is, but lies elsewhere.
    (releases / f"{PUBLISHED}-20200101T000000Z").symlink_to(kept)
    sweep(project.serving)
    discard_copy(project.warehouse)
    with scratch_folder(project.warehouse) as scratch:
        assert not scratch.is_symlink()
        (scratch / "spilled").write_text("spilled")
    forget_releases(project.serving, {f"{PUBLISHED}-20200101T000000Z"})
    assert [path.name for path in kept.iterdir()] == ["precious"]
    assert [path.name for path in releases.iterdir()] == [f"{PUBLISHED}-20200101T000000Z"]
    assert not Path(f"{project.warehouse}.tmp").exists()


def test_d4_copy_of_a_rewrite_is_removed_and_what_lies_beside_it_is_not(project: Project) -> None:
    kept = precious(project.warehouse.parent / FOLDER)
    (kept / "tessera.duckdb").write_text("half a copy")
    (kept / "tessera.duckdb.wal").write_text("its log")
    discard_copy(project.warehouse)
    assert [path.name for path in kept.iterdir()] == ["precious"]


def test_d4_releases_that_are_too_many_go_and_nothing_else(project: Project) -> None:
    backup = precious(project.serving / "releases" / "backup")
    (backup / "manifest.json").write_text("{}")
    made = [release_of(project.warehouse, project.serving, f"2024040{day}T000000Z", keep=2) for day in range(1, 5)]
    assert list_releases(project.serving) == made[2:]
    assert (backup / "precious").exists()


def test_d5_names_of_runs_only_grow() -> None:
    now = datetime(2024, 4, 9, 5, 30)
    assert next_run_id(now, []) == "20240409T053000Z"
    assert next_run_id(now, ["20240408T053000Z", "backup", "manifest.json"]) == "20240409T053000Z"
    # Two in a second, and a clock that was ahead over the end of a year.
    assert next_run_id(now, ["20240409T053000Z"]) == "20240409T053001Z"
    assert next_run_id(now, ["20991231T235959Z", "20240408T053000Z"]) == "21000101T000000Z"


def logged(run_id: str, started_at: datetime, **changes: object) -> LoggedRun:
    fields = {"first_as_of_date": PUBLISHED, "last_as_of_date": PUBLISHED, "kind": "daily", "status": "released"}
    told = {"message": None, "ended_at": None, "code_version": "test", "rows_by_mart": None}
    return LoggedRun(run_id=run_id, started_at=started_at, **(fields | told | changes))


def test_d5_run_after_one_whose_clock_was_ahead_is_the_later_one(project: Project) -> None:
    """Its release was called older, survived an erasure, and the published day was found wrong."""
    ahead = release_of(project.warehouse, project.serving, "20990101T000000Z")
    run = Run(project, WINDOW, "erase", report=lambda _line: None)
    assert run.run_id == "20990101T000001Z"
    erased = release_of(project.warehouse, project.serving, run.run_id)
    assert list_releases(project.serving) == [ahead, erased]
    # An erasure removes what was there when it began, whatever it is called.
    forget_releases(project.serving, {ahead.name})
    assert every_release(project.serving) == [erased]


def test_d5_every_place_that_knows_runs_is_asked_for_their_names(project: Project) -> None:
    with duckdb.connect(str(project.warehouse)) as connection:
        connection.execute("drop schema marts cascade")
    log_run(project.warehouse, logged("20970101T000000Z", datetime(2097, 1, 1)))
    assert Run(project, WINDOW, "daily").run_id == "20970101T000001Z"
    (project.logs / "runs").mkdir(parents=True)
    (project.logs / "runs" / "20980101T000000Z.jsonl").write_text("")
    assert Run(project, WINDOW, "daily").run_id == "20980101T000001Z"
    # What was killed before it had its name.
    (project.serving / "releases" / f".building-{PUBLISHED}-20990101T000000Z").mkdir(parents=True)
    assert Run(project, WINDOW, "daily").run_id == "20990101T000001Z"


def test_d5_log_is_in_the_order_of_runs_whatever_the_clock_said(project: Project) -> None:
    with duckdb.connect(str(project.warehouse)) as connection:
        connection.execute("drop schema marts cascade")
    later = PUBLISHED + timedelta(days=1)
    log_run(project.warehouse, logged("20990101T000000Z", datetime(2099, 1, 1)))
    log_run(project.warehouse, logged("20990101T000001Z", datetime(2024, 4, 10), last_as_of_date=later))
    runs = read_runs(project.warehouse)
    assert [run.run_id for run in runs] == ["20990101T000000Z", "20990101T000001Z"]
    assert published_by(runs) == later
    # Rolling back and stops are runs, too.
    release = release_of(project.warehouse, project.serving, "20990101T000001Z")
    log_rollback(project, release)
    log_stop(project, "daily", datetime(2024, 4, 11), "no file", in_log_of_runs=True)
    assert [(run.run_id[-3:], run.kind) for run in read_runs(project.warehouse)][2:] == [
        ("02Z", "rollback"),
        ("03Z", "daily"),
    ]
    restated = logged("20990101T000004Z", datetime(2024, 4, 12), kind="restate")
    assert restated_since([*runs, restated], release) == [restated]


def test_d5_release_of_a_clock_that_was_ahead_goes_after_its_time(project: Project) -> None:
    first = release_of(project.warehouse, project.serving, "20240401T000000Z")
    second = release_of(project.warehouse, project.serving, "20240402T000000Z")
    ahead = time.time() + 1e6
    os.utime(first, (ahead, ahead))
    hour = timedelta(hours=1)
    release_of(project.warehouse, project.serving, "20240403T000000Z", keep=1, grace=hour)
    assert {first, second} <= set(list_releases(project.serving))
    assert first.stat().st_mtime <= time.time()


def test_e6_rollback_to_what_is_no_release_is_refused_before_readers_are_switched(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers were switched to a copy called `backup`, and the command then failed."""
    first = release_of(project.warehouse, project.serving, "20240401T000000Z")
    second = release_of(project.warehouse, project.serving, "20240402T000000Z")
    releases = project.serving / "releases"
    copies = ("backup", f"{PUBLISHED}-20240403T000000Z", f"{PUBLISHED}-20240402T000000Z.old")
    for name in copies:
        (releases / name).mkdir()
        (releases / name / "manifest.json").write_bytes((first / "manifest.json").read_bytes())
    (releases / f"{PUBLISHED}-20240404T000000Z").symlink_to(first)
    for name, place in (("WAREHOUSE", project.warehouse), ("SERVING", project.serving), ("LOGS", project.logs)):
        monkeypatch.setenv(f"TESSERA_{name}", str(place))
    for name in (*copies, f"{PUBLISHED}-20240404T000000Z", "../releases", ""):
        if name:
            with pytest.raises(RunStopped, match=f"There are: {first.name}, {second.name}"):
                rollback(name)
        assert current_release(project.serving) == second
    rollback(None)
    assert current_release(project.serving) == first


def test_e6_rollback_to_a_damaged_release_is_refused(project: Project) -> None:
    first = release_of(project.warehouse, project.serving, "20240401T000000Z")
    second = release_of(project.warehouse, project.serving, "20240402T000000Z")
    (first / "report" / "index.html").unlink()
    with pytest.raises(RunStopped, match=r"is damaged: report/index\.html is missing"):
        roll_back(project.serving, first.name)
    assert current_release(project.serving) == second


def test_e4_checksums_cover_every_file_of_a_release(project: Project) -> None:
    """Those of report and data docs were missing, so they could be replaced whole."""
    release = release_of(project.warehouse, project.serving, "20240401T000000Z")
    checksums = json.loads((release / "manifest.json").read_text())["checksums"]
    files = {str(path.relative_to(release)) for path in release.rglob("*") if path.is_file()}
    assert set(checksums) == files - {"manifest.json"}
    assert {"report/index.html", "data_docs/index.html"} <= files
    assert damage(release) == []
    (release / "report" / "index.html").write_text("another")
    (release / "data_docs" / "index.html").unlink()
    assert damage(release) == [
        "data_docs/index.html is missing or cannot be read (No such file or directory)",
        "report/index.html is not as it was written: its CRC-32 is not that of manifest.json",
    ]


def flip(file: Path, place: int) -> None:
    """Turn the bits of a byte over, as a disk does that fails."""
    with file.open("r+b") as handle:
        handle.seek(place)
        (byte,) = handle.read(1)
        handle.seek(place)
        handle.write(bytes([byte ^ 0xFF]))


def test_e4_deep_look_reads_every_block_of_the_warehouse(project: Project) -> None:
    """The doctor called a warehouse with flipped bits ok."""
    with duckdb.connect(str(project.warehouse)) as connection:
        connection.execute("drop schema marts cascade; create schema operations; create schema features")
        connection.execute("create table operations.format as select 2 as version")
        for name in ("days", "moves"):
            connection.execute(
                f"create table features.{name} as select hash(i) as first, i as second from range(200000) t(i)"
            )
    fine = Facts(project, deep=True)
    assert [(finding.state, finding.found) for finding in check_blocks(fine)] == [
        ("ok", "Read: all 3 tables of the warehouse and all files of 0 releases.")
    ]
    flip(project.warehouse, project.warehouse.stat().st_size // 2)
    assert [finding.state for finding in check_warehouse(Facts(project))] == ["ok"]
    (finding,) = check_blocks(Facts(project, deep=True))
    assert (finding.code, finding.state) == ("warehouse_unreadable", "error")
    assert re.search(r"features\.(days|moves) \(.*Corrupt database file", finding.found)
    assert "python -m flows.backfill" in finding.remedy
    # Without being asked to it looks at none.
    (unasked,) = check_blocks(Facts(project))
    assert (unasked.state, "--deep" in unasked.found) == ("ok", True)


def test_e4_releases_with_missing_replaced_or_added_files_are_told(project: Project) -> None:
    first = release_of(project.warehouse, project.serving, "20240401T000000Z")
    second = release_of(project.warehouse, project.serving, "20240402T000000Z")
    assert [finding.state for finding in check_release(Facts(project))] == ["ok"]
    (second / "report" / "index.html").write_text("another report")
    (finding,) = check_release(Facts(project))
    assert (finding.code, "report/index.html is not as it was written" in finding.found) == ("release_damaged", True)
    (second / "report" / "index.html").unlink()
    (finding,) = check_release(Facts(project))
    assert "report/index.html is missing" in finding.found
    (second / "parquet" / "added.parquet").write_text("a mart that nobody released")
    strays = [finding.found for finding in check_stray_files(Facts(project))]
    assert strays == [f"{second / 'parquet' / 'added.parquet'} belongs to no run and no release."]
    # Those that are not current are read when they are asked for.
    (first / "data_docs" / "index.html").write_text("another")
    (finding,) = check_blocks(Facts(project, deep=True))
    assert (finding.code, first.name in finding.found) == ("release_damaged", True)
