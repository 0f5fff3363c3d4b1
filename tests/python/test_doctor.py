"""The doctor: every finding, made by real files, locks and processes; and that it changes nothing."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
import yaml
from conftest import NEXT_DAY, PUBLISHED, Shop
from shop import HISTORY_START, edited, write_shop

from flows.doctor import as_text
from flows.steps.doctor import CHECKS, STATES, Facts, Finding, check_memory, examine
from flows.steps.holders import holders
from flows.steps.memory import least_limit, needed
from flows.steps.operations_log import Run, log_run
from flows.steps.project import ROOT, Project
from flows.steps.release import current_release

NOW = datetime(2024, 6, 1, tzinfo=UTC)


def facts_of(shop: Shop, root: Path = ROOT, **overrides: object) -> Facts:
    project = Project(
        overrides=yaml.safe_load(shop.vars) | overrides,
        warehouse=shop.warehouse,
        serving=shop.serving,
        logs=shop.logs,
    )
    return Facts(project, root=root, now=NOW)


@contextmanager
def process(code: str, *arguments: object) -> Iterator[subprocess.Popen]:
    """Another process that says `ready` and then waits to be killed."""
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"{code}\nprint('ready', flush=True)\nimport time; time.sleep(60)",
            *map(str, arguments),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout.readline() == "ready\n"
        yield child
    finally:
        child.kill()
        child.wait()


def locking(shop: Shop) -> object:
    """A process that has the lock of runs."""
    return process(
        "import sys; from pathlib import Path; from flows.steps.lock import warehouse_lock\n"
        "lock = warehouse_lock(Path(sys.argv[1])); lock.__enter__()",
        shop.warehouse,
    )


def opening(shop: Shop) -> object:
    """A process that has the warehouse open for writing, as dbt does."""
    return process("import duckdb, sys; connection = duckdb.connect(sys.argv[1])", shop.warehouse)


def write_run(shop: Shop, **changes: object) -> Run:
    """Put a run into the warehouse's log that began an hour before NOW."""
    run = Run(
        run_id="20240531T230000Z",
        first_as_of_date=NEXT_DAY,
        last_as_of_date=NEXT_DAY,
        kind="daily",
        status="failed",
        message="day_missing: no line",
        started_at=datetime(2024, 5, 31, 23),
        ended_at=None,
        code_version="test",
        rows_by_mart=None,
    )
    run = Run(**(vars(run) | changes))
    if "run_id" not in changes:
        run = Run(**(vars(run) | {"run_id": f"{run.started_at:%Y%m%dT%H%M%SZ}"}))
    log_run(shop.warehouse, run)
    return run


def write_log(shop: Shop, run_id: str, began: datetime, kind: str = "catch-up") -> Path:
    """The structured log of a run that is building its models."""
    file = shop.logs / "runs" / f"{run_id}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    events = [{"event": "run_begun", "kind": kind}, {"event": "step_begun", "step": "models"}]
    file.write_text("".join(json.dumps({"at": began.isoformat()} | event) + "\n" for event in events))
    return file


def copy_of_checkout(folder: Path) -> Path:
    """A checkout of its own, with what the doctor reads of it."""
    root = folder / "checkout"
    for name in ("models", "macros", "seeds"):
        shutil.copytree(ROOT / name, root / name)
    for name in ("dbt_project.yml", "profiles.yml", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, root / name)
    return root


def enlarged(shop: Shop, share_of_free: float) -> None:
    """Make the release as large as a share of what is free, with a file that takes no room."""
    file = shop.serving / "current" / "data_docs" / "large"
    with file.open("wb") as handle:
        handle.truncate(int(shutil.disk_usage(file.parent).free * share_of_free))


def deliver_customers(shop: Shop, count: int) -> None:
    """Deliver a file that lists so many customers."""
    (shop.files / "customers.csv").unlink()
    file = shop.files / "customers.parquet"
    duckdb.sql(f"select range as customer_id from range({count})").write_parquet(str(file))


def on_machine(facts: Facts, folder: Path, size: float, free: float) -> Facts:
    """The facts of a machine with so many GiB of memory."""
    (folder / "proc").mkdir(exist_ok=True)
    sizes = {"MemTotal": size, "MemAvailable": free}
    lines = [f"{name}: {int(gibibytes * 2**20)} kB\n" for name, gibibytes in sizes.items()]
    (folder / "proc" / "meminfo").write_text("".join(lines))
    return replace(facts, machine=folder)


Trouble = Callable[[Shop, Path, ExitStack], Facts]
TROUBLES: dict[str, tuple[Trouble, str, str]] = {}
"""What makes each finding; what its text and its remedy must say, as patterns."""


def trouble(code: str, found: str, remedy: str) -> Callable[[Trouble], Trouble]:
    def add(make: Trouble) -> Trouble:
        TROUBLES[code] = (make, found, remedy)
        return make

    return add


@trouble(
    "run_stuck",
    r"under way for 25 hours, now in models.* median of 1 released runs of its kind is \d+",
    r"tail -f .*; .*kill \d",
)
def _(shop: Shop, _folder: Path, stack: ExitStack) -> Facts:
    write_log(shop, "20991231T000000Z", NOW - timedelta(hours=25))
    stack.enter_context(locking(shop))
    stack.enter_context(opening(shop))
    with duckdb.connect(str(current_release(shop.serving) / "tessera.duckdb"), read_only=True) as connection:
        assert connection.sql("select duration_seconds > 0 from marts.ops_runs").fetchall() == [(True,)]
    return facts_of(shop)


@trouble("run_interrupted", "20240531T230000Z .* its process is gone", "make run")
def _(shop: Shop, _folder: Path, _stack: ExitStack) -> Facts:
    write_run(shop, status="running")
    return facts_of(shop)


@trouble("last_run_failed", "stopped in input checks: day_missing", "make run")
def _(shop: Shop, _folder: Path, _stack: ExitStack) -> Facts:
    # Later than the run that published the shop, which is of today.
    write_run(shop, stopped_in="input checks", started_at=datetime(2099, 1, 1))
    return facts_of(shop)


@trouble("last_rewrite_failed", r"\(restate\) stopped in models: disk full", "restate again, or leave it")
def _(shop: Shop, _folder: Path, _stack: ExitStack) -> Facts:
    restated = {"kind": "restate", "message": "disk full", "started_at": datetime(2099, 1, 1)}
    write_run(shop, stopped_in="models", **restated)
    return facts_of(shop)


@trouble("run_not_begun", "2 runs stopped before .* 20990102T000000Z, so: source 'files'", "make run")
def _(shop: Shop, _folder: Path, _stack: ExitStack) -> Facts:
    stopped = {"stopped_in": "window", "first_as_of_date": None, "last_as_of_date": None}
    for day in (1, 2):
        began = datetime(2099, 1, day)
        write_run(shop, run_id=f"{began:%Y%m%dT%H%M%SZ}", message="source 'files': none", started_at=began, **stopped)
    return facts_of(shop)


@trouble(
    "restatement_rolled_back",
    f"keeps what run 20990101T000000Z restated, from {NEXT_DAY} on",
    f"restate once more: python -m flows.backfill --restate --first {NEXT_DAY}",
)
def _(shop: Shop, _folder: Path, _stack: ExitStack) -> Facts:
    write_run(shop, run_id="20990101T000000Z", kind="restate", status="released", started_at=datetime(2099, 1, 1))
    return facts_of(shop)


@trouble("warehouse_held", r"process \d+ \(python.* has .*tessera.duckdb open", r"kill \d+\.")
def _(shop: Shop, _folder: Path, stack: ExitStack) -> Facts:
    stack.enter_context(opening(shop))
    return facts_of(shop)


@trouble("warehouse_missing", "the history is gone", f"flows.backfill --first {HISTORY_START}")
def _(shop: Shop, _folder: Path, _stack: ExitStack) -> Facts:
    shop.warehouse.unlink()
    return facts_of(shop)


@trouble("warehouse_unreadable", "cannot read .*tessera.duckdb", f"mv .*flows.backfill --first {HISTORY_START}")
def _(shop: Shop, _folder: Path, _stack: ExitStack) -> Facts:
    shop.warehouse.write_bytes(shop.warehouse.read_bytes()[:4096].replace(b"DUCK", b"DUKE"))
    return facts_of(shop)


@trouble("warehouse_format", "has no format version", "python -m flows.backfill --first")
def _(shop: Shop, _folder: Path, _stack: ExitStack) -> Facts:
    with duckdb.connect(str(shop.warehouse)) as connection:
        connection.execute("drop table operations.format")
    return facts_of(shop)


@trouble("release_missing", "Nothing is released", "make run")
def _(shop: Shop, _folder: Path, _stack: ExitStack) -> Facts:
    shutil.rmtree(shop.serving)
    shop.warehouse.unlink()
    return facts_of(shop)


@trouble(
    "release_lost", f"no .*current, though days up to {PUBLISHED} were released", "Correct TESSERA_SERVING.*make run"
)
def _(shop: Shop, _folder: Path, _stack: ExitStack) -> Facts:
    shutil.rmtree(shop.serving)
    return facts_of(shop)


@trouble("release_dangling", "points to no release", "^make run$")
def _(shop: Shop, _folder: Path, _stack: ExitStack) -> Facts:
    current = current_release(shop.serving)
    current.rename(current.with_name(f"{PUBLISHED}-earlier"))
    return facts_of(shop)


@trouble(
    "release_damaged",
    "dim_customers has .* in its Parquet file, but 1,200 in manifest",
    r"^rm .*current; make run$",
)
def _(shop: Shop, _folder: Path, _stack: ExitStack) -> Facts:
    parquet = shop.serving / "current" / "parquet" / "dim_customers.parquet"
    duckdb.read_parquet(str(parquet)).limit(7).write_parquet(str(parquet.with_suffix(".short")))
    parquet.with_suffix(".short").replace(parquet)
    return facts_of(shop)


@trouble("release_damaged", "dim_segments.parquet is not as it was written", r"^rm .*current; make run$")
def _(shop: Shop, _folder: Path, _stack: ExitStack) -> Facts:
    """As many rows are in it as ever; only one byte is another."""
    with (shop.serving / "current" / "parquet" / "dim_segments.parquet").open("r+b") as file:
        file.seek(100)
        byte = file.read(1)[0]
        file.seek(100)
        file.write(bytes([byte ^ 1]))
    return facts_of(shop)


@trouble("release_behind", f"Readers see {PUBLISHED}; .* up to {NEXT_DAY}; days that wait: 1", "make run")
def _(shop: Shop, _folder: Path, _stack: ExitStack) -> Facts:
    return facts_of(shop)


@trouble("sources_behind", f"The sources end on {HISTORY_START}, but {PUBLISHED}", "Deliver the whole files")
def _(shop: Shop, _folder: Path, _stack: ExitStack) -> Facts:
    write_shop(shop.files, HISTORY_START)
    return facts_of(shop)


@trouble("sources_late", f"complete up to {NEXT_DAY} only, 51 days ago .*after_days is 3", "Ask who delivers them")
def _(shop: Shop, _folder: Path, _stack: ExitStack) -> Facts:
    return facts_of(shop, sources_late_after_days=3)


@trouble("sources_changed", "built from files, but vars: sources names completejourney", "message")
def _(shop: Shop, _folder: Path, _stack: ExitStack) -> Facts:
    return facts_of(shop, sources=["completejourney"])


@trouble("source_missing", "there is no .*customers.csv or .parquet.* vars: files_folder", "docs/own-data.md")
def _(shop: Shop, _folder: Path, _stack: ExitStack) -> Facts:
    (shop.files / "customers.csv").unlink()
    return facts_of(shop)


@trouble("source_unread", "no table reads products.xlsx, transactions_2023.csv in", "as one file or one folder")
def _(shop: Shop, _folder: Path, _stack: ExitStack) -> Facts:
    (shop.files / "products.csv").rename(shop.files / "products.xlsx")
    (shop.files / "transactions_2023.csv").touch()
    (shop.files / "notes.txt").touch()
    return facts_of(shop)


@trouble(
    "source_unreadable", "table 'customers': .* has no column 'customer_id', which is required", "docs/own-data.md"
)
def _(shop: Shop, _folder: Path, _stack: ExitStack) -> Facts:
    edited(shop.files / "customers.csv", "customer_id", "customer_key")
    return facts_of(shop)


@trouble("variable_invalid", "vars: timezone is 'Mars/Olympus', but must be a time zone", "dbt_project.yml")
def _(shop: Shop, _folder: Path, _stack: ExitStack) -> Facts:
    return facts_of(shop, timezone="Mars/Olympus")


@trouble("yaml_invalid", "models/history/_history.yml is not YAML", "Repair the file")
def _(shop: Shop, folder: Path, _stack: ExitStack) -> Facts:
    root = copy_of_checkout(folder)
    edited(root / "models" / "history" / "_history.yml", "models:", "models: [")
    return facts_of(shop, root)


@trouble("rules_invalid", "seg_lifecycle.*active_days_90", "flows.check")
def _(shop: Shop, folder: Path, _stack: ExitStack) -> Facts:
    root = copy_of_checkout(folder)
    edited(root / "models" / "segmentations" / "seg_lifecycle.yml", "active_days_90d >=", "active_days_90 >=")
    return facts_of(shop, root)


@trouble("python_other", "the project needs >=3.99", "make setup")
def _(shop: Shop, folder: Path, _stack: ExitStack) -> Facts:
    root = copy_of_checkout(folder)
    # As TOML allows it.
    edited(root / "pyproject.toml", 'requires-python = ">=3.11,<3.12"', "requires-python='>=3.99'")
    return facts_of(shop, root)


@trouble("package_missing", "Not installed: no-such-package", "make setup")
def _(shop: Shop, folder: Path, _stack: ExitStack) -> Facts:
    root = copy_of_checkout(folder)
    edited(root / "requirements.lock", "\nduckdb==", "\nno-such-package==1.0\nduckdb==")
    return facts_of(shop, root)


@trouble("package_differs", rf"Not as locked: duckdb {re.escape(duckdb.__version__)} \(locked 0.1\)", "make setup")
def _(shop: Shop, folder: Path, _stack: ExitStack) -> Facts:
    root = copy_of_checkout(folder)
    edited(root / "requirements.lock", f"\nduckdb=={duckdb.__version__}", "\nduckdb==0.1")
    return facts_of(shop, root)


@trouble("disk_full", "free at .* a run needs up to", "releases_kept")
def _(shop: Shop, _folder: Path, _stack: ExitStack) -> Facts:
    enlarged(shop, 1.5)
    return facts_of(shop)


@trouble("disk_low", "free at .* a run needs up to", "releases_kept")
def _(shop: Shop, _folder: Path, _stack: ExitStack) -> Facts:
    enlarged(shop, 0.5)
    return facts_of(shop)


@trouble(
    "memory_short",
    r"10,000,000 customers and TESSERA_MEMORY=1500MB .* there are 6 GiB",
    r"^Give the machine at least \d+ GiB\.",
)
def _(shop: Shop, folder: Path, _stack: ExitStack) -> Facts:
    deliver_customers(shop, 10_000_000)
    return on_machine(facts_of(shop), folder, size=6, free=6)


@trouble(
    "memory_limit_low", "TESSERA_MEMORY=1MB may be too little for 1,200 customers", r"TESSERA_MEMORY=\d+MiB make run"
)
def _(shop: Shop, folder: Path, stack: ExitStack) -> Facts:
    stack.enter_context(pytest.MonkeyPatch.context()).setenv("TESSERA_MEMORY", "1MB")
    return on_machine(facts_of(shop), folder, size=8, free=8)


@trouble("place_not_writable", r"\(TESSERA_LOGS\) cannot be written", "TESSERA_LOGS")
def _(shop: Shop, folder: Path, _stack: ExitStack) -> Facts:
    # A file where a folder should be: root, too, cannot write into it.
    shutil.rmtree(shop.logs)
    shop.logs.write_text("")
    return facts_of(shop)


@trouble("stray_files", "Half-written: .building-2024-04-10-x, .current-1", "make run")
def _(shop: Shop, _folder: Path, _stack: ExitStack) -> Facts:
    (shop.serving / "releases" / ".building-2024-04-10-x").mkdir()
    (shop.serving / ".current-1").symlink_to("nowhere")
    return facts_of(shop)


@trouble("not_checked", "manifest.json is damaged", "other findings")
def _(shop: Shop, _folder: Path, _stack: ExitStack) -> Facts:
    (shop.serving / "current" / "manifest.json").write_text("{")
    return facts_of(shop)


def test_warehouse_that_has_lost_days_and_what_belongs_to_no_run_are_found(shop: Shop) -> None:
    (shop.warehouse.parent / "restating").mkdir()
    (shop.serving / "releases" / "backup").mkdir()
    with duckdb.connect(str(shop.warehouse)) as connection:
        connection.execute(f"delete from history.segmentation_days where as_of_date > date '{HISTORY_START}'")
    found = {finding.found: finding for finding in examine(facts_of(shop))}
    (lost,) = (finding for finding in found.values() if finding.code == "warehouse_missing")
    assert f"with a history up to {HISTORY_START}" in lost.found
    assert f"flows.backfill --first {HISTORY_START + timedelta(days=1)}" in lost.remedy
    stray = " ".join(text for text, finding in found.items() if finding.code == "stray_files")
    assert "restating" in stray
    assert "backup belongs to no run and no release" in stray


@pytest.mark.parametrize("code", TROUBLES)
def test_trouble_is_found_with_what_to_do(code: str, shop: Shop, tmp_path: Path) -> None:
    make, found, remedy = TROUBLES[code]
    with ExitStack() as stack:
        facts = make(shop, tmp_path, stack)
        findings = examine(facts)
        told = {finding.code: finding for finding in findings}
        assert code in told
        assert told[code].state == STATES[code]
        assert re.search(found, told[code].found)
        assert re.search(remedy, told[code].remedy)
        # Every check says something, and the page shows it.
        assert {finding.check for finding in findings} == set(CHECKS)
        assert code in as_text(findings)


def test_every_finding_is_made_by_a_test() -> None:
    assert set(TROUBLES) == set(STATES)


def healthy(shop: Shop) -> Facts:
    """The shop as it was published, without the day that waits."""
    write_shop(shop.files, PUBLISHED)
    return facts_of(shop)


def snapshot(folder: Path) -> dict[str, tuple]:
    """Everything in a folder: names, kinds, sizes, times of change and contents."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            path.lstat().st_size,
            path.lstat().st_mtime_ns,
            path.read_bytes() if path.is_file() else None,
        )
        for path in sorted(folder.rglob("*"))
    }


def not_fine(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.state != "ok"]


def test_published_shop_is_fine_and_is_left_as_it_was(shop: Shop) -> None:
    facts = healthy(shop)
    before = snapshot(shop.folder)
    assert not_fine(examine(facts)) == []
    assert snapshot(shop.folder) == before


def test_release_is_brought_back_without_building_anything_again_or_from_an_older_one(shop: Shop) -> None:
    """What the doctor said once led to rewriting all published history from the files of the day."""
    current = current_release(shop.serving)
    earlier = shutil.copytree(current, current.with_name(f"{PUBLISHED - timedelta(days=1)}-20200101T000000Z"))

    def remedy(code: str) -> str:
        return next(finding.remedy for finding in examine(facts_of(shop)) if finding.code == code)

    (current / "parquet" / "dim_customers.parquet").unlink()
    assert remedy("release_damaged") == f"rm {shop.serving / 'current'}; make run"
    shutil.rmtree(current)
    assert remedy("release_dangling") == "make run"
    # Without the warehouse, what an older release shows is better than nothing.
    shop.warehouse.unlink()
    assert remedy("release_dangling") == f'make rollback ARGS="--to {earlier.name}"; make run'


def test_a_failed_run_is_told_until_its_days_are_built_whatever_is_restated_meanwhile(shop: Shop) -> None:
    """A restatement that failed after a daily run hid it, and the probe of the monitoring said that all was well."""

    def codes() -> list[str]:
        found = {finding.code for finding in not_fine(examine(healthy(shop)))}
        return sorted(found & {"last_run_failed", "last_rewrite_failed", "run_not_begun"})

    def run(day: int, **changes: object) -> None:
        began = datetime(2099, 1, day)
        write_run(shop, run_id=f"{began:%Y%m%dT%H%M%SZ}", started_at=began, **changes)

    run(1, stopped_in="models")
    run(2, kind="restate", stopped_in="models")
    assert codes() == ["last_rewrite_failed", "last_run_failed"]
    run(3, stopped_in="window")
    run(4, kind="restate", stopped_in="window")
    assert codes() == ["last_rewrite_failed", "last_run_failed", "run_not_begun"]
    run(5, kind="rollback", status="released")
    assert codes() == ["last_rewrite_failed", "last_run_failed", "run_not_begun"]
    run(6, kind="restate", status="released")
    assert codes() == ["last_run_failed"]
    run(7, status="released")
    assert codes() == []


def test_memory_is_told_by_how_many_customers_there_are_and_by_what_would_do(shop: Shop, tmp_path: Path) -> None:
    customers, default = 500_000, 2 * 10**9
    deliver_customers(shop, customers)
    # Enough with a lower limit, but not with the default.
    little = (needed(customers, least_limit(customers)) + needed(customers, default)) / 2 / 2**30

    def told(size: float, free: float) -> Finding:
        (finding,) = check_memory(on_machine(facts_of(shop), tmp_path, size, free))
        return finding

    assert told(size=64, free=32).state == "ok"
    # Others have it: they can be ended, or DuckDB can spill more.
    busy = told(size=64, free=little)
    assert busy.code == "memory_short"
    assert busy.found.endswith(" GiB free, of 64 GiB.")
    limit = int(re.match(r"TESSERA_MEMORY=(\d+)MiB make run, ", busy.remedy)[1])
    assert 0 < limit * 2**20 < default
    assert busy.remedy.endswith("or end other processes to have more.")
    # With the limit that it names, it is fine.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TESSERA_MEMORY", f"{limit}MiB")
        assert told(size=64, free=little).state == "ok"
    # What a run under way has taken is no reason to warn.
    with locking(shop):
        assert told(size=64, free=0.5).state == "ok"


def test_memory_of_the_release_counts_where_no_file_lists_customers(shop: Shop, tmp_path: Path) -> None:
    (shop.files / "customers.csv").unlink()
    (told,) = check_memory(on_machine(facts_of(shop), tmp_path, 64, 64))
    assert told.found.startswith("With 1,200 customers")
    (shop.serving / "current").unlink()
    (told,) = check_memory(on_machine(facts_of(shop), tmp_path, 64, 64))
    assert told.found == "How many customers there are is known once something is released."


def test_first_run_of_its_kind_is_not_called_stuck_for_taking_longer_than_others(shop: Shop) -> None:
    """A restatement of a year was, after thrice the time of a day."""
    write_log(shop, "20991231T000000Z", NOW - timedelta(hours=25), kind="restate")
    # A run that was kept out is the last to have a log, and is not the one under way.
    (shop.logs / "runs" / "20991231T010000Z.jsonl").write_text(
        json.dumps({"at": NOW.isoformat(), "event": "run_stopped", "step": "window"}) + "\n"
    )
    with locking(shop), opening(shop):
        findings = examine(healthy(shop))
    assert not_fine(findings) == []
    assert "Run 20991231T000000Z (restate, " in next(finding.found for finding in findings if finding.check == "runs")


def test_run_under_way_is_no_trouble_and_is_not_disturbed(shop: Shop) -> None:
    """It has the lock and, through dbt, the warehouse; the doctor reads the release and the structured log."""
    file = write_log(shop, "20991231T000000Z", NOW - timedelta(seconds=50))
    (shop.serving / "releases" / ".building-2024-04-10-x").mkdir()
    with locking(shop) as run, opening(shop):
        findings = examine(healthy(shop))
    assert not_fine(findings) == []
    (told,) = (finding.found for finding in findings if finding.check == "runs")
    assert file.stem in told
    assert f"process {run.pid}" in told
    assert "now in models" in told


def test_lock_that_a_child_has_after_its_parent_was_killed_is_seen(shop: Shop) -> None:
    code = (
        "import fcntl, os, signal, subprocess, sys\n"
        "file = open(sys.argv[1], 'a'); fcntl.flock(file, fcntl.LOCK_EX)\n"
        "child = subprocess.Popen(['sleep', '60'], pass_fds=[file.fileno()])\n"
        "print(child.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    lock = shop.warehouse.with_suffix(".lock")
    # The child keeps the pipe open, so the first line is all that is read of it.
    with subprocess.Popen([sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
    try:
        assert [holder.process for holder in holders(lock)] == [child]
    finally:
        os.kill(child, signal.SIGKILL)


def test_fresh_clone_only_lacks_a_release_and_stays_empty(shop: Shop, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    project = Project(
        overrides=yaml.safe_load(shop.vars),
        warehouse=fresh / "warehouse" / "tessera.duckdb",
        serving=fresh / "serving",
        logs=fresh / "logs",
    )
    assert [finding.code for finding in not_fine(examine(Facts(project, now=NOW)))] == ["release_missing"]
    assert not fresh.exists()


def test_command_fails_on_errors_only_and_speaks_json(shop: Shop) -> None:
    # The day that waits is a warning.
    def ask() -> tuple[int, set[str]]:
        done = subprocess.run(
            [sys.executable, "-m", "flows.doctor", "--json", "--vars", shop.vars],
            cwd=ROOT,
            env=os.environ | shop.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, {finding["code"] for finding in json.loads(done.stdout)}

    assert ask() == (0, {"ok", "release_behind"})
    (shop.files / "customers.csv").unlink()
    status, codes = ask()
    assert status == 1
    assert "source_missing" in codes
