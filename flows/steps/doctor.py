"""Looks a checkout, its warehouse and its releases over; changes nothing.

Every problem has a code, which docs/operations.md explains. While a run has the warehouse, the warehouse is left alone
and what the last release and the structured logs tell is used. Otherwise it is opened once, for reading, for a moment.
"""

import importlib.metadata
import json
import math
import os
import platform
import shutil
import statistics
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Literal

import duckdb
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from flows.rules.definitions import parse
from flows.steps.databases import memory_limit, memory_setting
from flows.steps.errors import RunStopped, first_line
from flows.steps.holders import Holder, holders
from flows.steps.mart_files import MANIFEST, damage, files_of, read_manifest
from flows.steps.memory import MIB, least_limit, limit_that_fits, memory_of, needed
from flows.steps.operations_log import BUILDS, UNFINISHED, WINDOW, Run, published_by, read_runs
from flows.steps.places import existing, unwritable
from flows.steps.project import ROOT, Project
from flows.steps.release import current_release, day_of, list_releases
from flows.steps.rewrite import FOLDER, REWRITES, how_to_restate_back, restated_since
from flows.steps.run_log import read_events
from flows.steps.settings import invalid_environment, invalid_settings
from flows.steps.source_files import SourceTable, source_tables, unread_files, wrong_files
from flows.steps.warehouse_format import OtherFormat, check_format
from flows.steps.window import (
    ONE_DAY,
    OtherSources,
    built_date,
    history_start,
    late_sources,
    published_date,
    source_days,
)

State = Literal["ok", "warning", "error"]

# Every finding that is not fine. An error keeps readers from reading or runs from releasing.
STATES: dict[str, State] = {
    "run_stuck": "warning",
    "run_interrupted": "warning",
    "last_run_failed": "error",
    "last_rewrite_failed": "warning",
    "run_not_begun": "warning",
    "restatement_rolled_back": "warning",
    "warehouse_held": "error",
    "warehouse_missing": "error",
    "warehouse_unreadable": "error",
    "warehouse_format": "error",
    "release_missing": "warning",
    "release_lost": "error",
    "release_dangling": "error",
    "release_damaged": "error",
    "release_behind": "warning",
    "sources_behind": "error",
    "sources_late": "warning",
    "sources_changed": "error",
    "source_missing": "error",
    "source_unreadable": "error",
    "source_unread": "warning",
    "variable_invalid": "error",
    "yaml_invalid": "error",
    "rules_invalid": "error",
    "python_other": "error",
    "package_missing": "error",
    "package_differs": "warning",
    "disk_full": "error",
    "disk_low": "warning",
    "memory_short": "warning",
    "memory_limit_low": "warning",
    "place_not_writable": "error",
    "stray_files": "warning",
    "not_checked": "warning",
}

# A run is called stuck after so many times the median of the released ones, but not before ten minutes: runs of seconds
# vary with what else the machine does.
STUCK_AFTER_MEDIANS = 3
STUCK_AFTER_SECONDS = 600
# The disk is called low where fewer than so many runs fit.
LOW_BELOW_RUNS = 3
NAMED_VERSIONS = ("dbt-core", "dbt-duckdb", "duckdb", "great-expectations", "prefect")


@dataclass(frozen=True)
class Finding:
    """What a check found, and what to do about it."""

    check: str
    state: State
    code: str
    """The problem, a key of STATES; `ok` where there is none."""
    found: str
    remedy: str = ""


@dataclass(frozen=True)
class Facts:
    """What the checks look at; each fact is read once, when it is first needed.

    Attributes:
        deep: whether every block of the warehouse, and every file of every release, is read.
        machine: the folder under which Linux tells of the machine: its root.
    """

    project: Project
    root: Path = ROOT
    deep: bool = False
    machine: Path = Path("/")
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @cached_property
    def lock_holders(self) -> list[Holder]:
        """The processes that have the lock of runs: at most one."""
        return holders(self.project.warehouse.with_suffix(".lock"))

    @cached_property
    def file_holders(self) -> list[Holder]:
        """The processes that have the warehouse open."""
        return holders(self.project.warehouse)

    @cached_property
    def current(self) -> Path | None:
        """The release that readers see."""
        return current_release(self.project.serving)

    @cached_property
    def tables(self) -> list[SourceTable]:
        """The tables of every enabled source system."""
        return source_tables(self.project, self.root)

    @cached_property
    def customers(self) -> int:
        """How many customers the next run has: those of the release, or of the files that list customers if more."""
        released = read_manifest(self.current).get("rows_by_mart", {}).get("dim_customers", 0) if self.current else 0
        listed = [table for table in self.tables if table.entity == "customers" and not table.wrong]
        return max(released, sum(table.row_count for table in listed))

    @cached_property
    def runs(self) -> list[Run]:
        """The runs, oldest first, by the warehouse or, where that is not to be had, by the release."""
        is_free = not self.lock_holders and not self.file_holders
        if is_free and self.project.warehouse.is_file():
            return read_runs(self.project.warehouse)
        if self.current:
            return read_runs(self.current / "tessera.duckdb", "marts.ops_runs")
        return []

    @cached_property
    def logged(self) -> date | None:
        """The last day that is published by the warehouse's log of runs, where that can be read."""
        try:
            return published_by(self.runs)
        except duckdb.Error:
            return None


def examine(facts: Facts) -> list[Finding]:
    """All findings, in the order in which a person would look; at least one per check."""
    return [finding for name, check in CHECKS.items() for finding in _findings(name, check, facts)]


def _findings(name: str, check: Callable[[Facts], Iterator[Finding]], facts: Facts) -> list[Finding]:
    try:
        return list(check(facts))
    except (OSError, duckdb.Error, yaml.YAMLError, RunStopped, ValueError, LookupError, TypeError) as error:
        found = f"{type(error).__name__}: {first_line(error)}"
        return [_problem(name, "not_checked", found, "Look at the other findings first; they may be the cause.")]


def check_runs(facts: Facts) -> Iterator[Finding]:
    """Who has the warehouse, how the last runs ended, and whether one is stuck, was killed, or is rolled back."""
    if facts.lock_holders:
        yield _run_under_way(facts)
        return
    for run in facts.runs:
        if run.status in UNFINISHED:
            yield _problem(
                "runs",
                "run_interrupted",
                f"Run {run.run_id} ({run.kind}) began at {run.started_at} and its process is gone.",
                "Nothing to clean up: make run. It builds the same days and marks that run interrupted."
                if run.kind not in REWRITES
                else f"make run; it removes the copy and marks that run interrupted. Then {run.kind} again.",
            )
    yield from _failures(facts.runs)
    if facts.current and (restated := restated_since(facts.runs, facts.current)):
        yield _problem(
            "runs",
            "restatement_rolled_back",
            f"Readers were given {facts.current.name} again, but the warehouse keeps what run {restated[-1].run_id} "
            f"restated, from {min(run.first_as_of_date for run in restated)} on: the next release shows it again.",
            f"To take it back, mend the cause and restate once more: {how_to_restate_back(restated)}",
        )
    released = [run for run in facts.runs if _has_succeeded(run)]
    if released:
        ended = released[-1].ended_at or released[-1].started_at
        age = _spell_out((facts.now.replace(tzinfo=None) - ended).total_seconds())
        yield _fine("runs", f"No run is under way. The last success, {released[-1].run_id}, was {age} ago.")
    else:
        yield _fine("runs", "No run is under way, and none was released yet.")


def _failures(runs: list[Run]) -> Iterator[Finding]:
    """The last run that should have built new days, the last rewrite, and the runs that did not come so far."""
    cause = "Remove the cause (docs/operations.md has each message), then"
    # A rewrite that ends well does not build the days that a run before it failed to build.
    building = [run for run in runs if run.kind in (*BUILDS, "release") and run.stopped_in != WINDOW]
    if building and building[-1].status == "failed":
        yield _problem("runs", "last_run_failed", _stop_of(building[-1]), f"{cause}: make run")
    count = next((number for number, run in enumerate(reversed(runs)) if _has_succeeded(run)), len(runs))
    since = runs[len(runs) - count :]
    rewrites = [run for run in since if run.kind in REWRITES and run.stopped_in != WINDOW]
    if rewrites and rewrites[-1].status == "failed":
        # Readers and the next daily run miss nothing by it.
        again = f"{cause} {rewrites[-1].kind} again, or leave it."
        yield _problem("runs", "last_rewrite_failed", _stop_of(rewrites[-1]), again)
    # What somebody asked for and was refused, they were told.
    not_begun = [run for run in since if run.kind == "daily" and run.stopped_in == WINDOW]
    if not_begun:
        found = (
            f"Since the last release {len(not_begun)} runs stopped before they had found their days, the last, "
            f"{not_begun[-1].run_id}, so: {first_line(not_begun[-1].message)}"
        )
        yield _problem("runs", "run_not_begun", found, f"{cause}: make run. The next release ends this warning.")


def _has_succeeded(run: Run) -> bool:
    return run.status == "released" and run.kind != "rollback"


def _stop_of(run: Run) -> str:
    return f"Run {run.run_id} ({run.kind}) stopped in {run.stopped_in or 'an unknown step'}: {first_line(run.message)}"


def _run_under_way(facts: Facts) -> Finding:
    holder = facts.lock_holders[0]
    # Runs that were kept out have a log, too, which is of later.
    logs = sorted(facts.project.logs.glob("runs/*.jsonl"), reverse=True)
    read = ((log, read_events(log)) for log in logs)
    found_begun = ((log, events, event) for log, events in read for event in events if event["event"] == "run_begun")
    log, events, begun = next(found_begun, (None, [], {}))
    if log is None or events[-1]["event"] == "run_ended":
        return _fine("runs", f"The warehouse is held by {holder}.")
    spent = (facts.now - datetime.fromisoformat(begun["at"])).total_seconds()
    step = next((event["step"] for event in reversed(events) if event["event"] == "step_begun"), "its beginning")
    found = (
        f"Run {log.stem} ({begun['kind']}, {holder}) is under way for {_spell_out(spent)}, "
        f"now in {step}; its log was last written at {events[-1]['at'][:19]} UTC."
    )
    # Of its own kind alone: the first restatement may well take a hundred times as long as a day does.
    alike = [run.duration_seconds for run in facts.runs if _has_succeeded(run) and run.kind == begun["kind"]]
    known = [seconds for seconds in alike if seconds is not None]
    usual = statistics.median(known) if known else None
    if usual is not None and spent > max(STUCK_AFTER_MEDIANS * usual, STUCK_AFTER_SECONDS):
        return _problem(
            "runs",
            "run_stuck",
            f"{found} The median of {len(known)} released runs of its kind is {_spell_out(usual)}.",
            f"tail -f {log}; if it does not grow any more: kill {holder.process}; make run",
        )
    return _fine("runs", found)


def check_warehouse(facts: Facts) -> Iterator[Finding]:
    """Whether the warehouse is there, free, and readable by this version of DuckDB."""
    warehouse = facts.project.warehouse
    if not warehouse.is_file():
        if facts.current:
            yield _problem(
                "warehouse",
                "warehouse_missing",
                f"There is no {warehouse}, though {facts.current.name} is released: the history is gone.",
                f"Put the file back from a backup, or build the history again: {_build_all(facts)}",
            )
        else:
            yield _fine("warehouse", f"None yet; the first run makes {warehouse}.")
    elif facts.lock_holders:
        yield _fine("warehouse", "A run has it; it is left alone.")
    elif facts.file_holders:
        processes = " ".join(str(holder.process) for holder in facts.file_holders)
        yield _problem(
            "warehouse",
            "warehouse_held",
            f"{', '.join(map(str, facts.file_holders))} has {warehouse} open, so no run can write it.",
            f"Close it there, or end it: kill {processes}. Read serving/current instead: it can always be open.",
        )
    else:
        try:
            check_format(warehouse)
            built = built_date(warehouse)
        except OtherFormat as refused:
            yield _problem("warehouse", "warehouse_format", str(refused), f"See the message; then: {_build_all(facts)}")
        except duckdb.Error as error:
            yield _problem(
                "warehouse",
                "warehouse_unreadable",
                f"DuckDB {duckdb.__version__} cannot read {warehouse}: {first_line(error)}",
                f"Put it back from a backup, or: mv {warehouse} {warehouse}.damaged; {_build_all(facts)}",
            )
        else:
            what = f"with a history up to {built}" if built else "without a history yet"
            released = day_of(facts.current) if facts.current else None
            if released and (built is None or built < released):
                again = f"python -m flows.backfill --first {built + ONE_DAY}" if built else _build_all(facts)
                yield _problem(
                    "warehouse",
                    "warehouse_missing",
                    f"{warehouse} is {what}, though {facts.current.name} is released: what lies between is lost.",
                    f"Put the file back from a backup, or build what is lost: {again}",
                )
            else:
                yield _fine("warehouse", f"{_bytes(warehouse.stat().st_size)}, free, {what}.")


def check_release(facts: Facts) -> Iterator[Finding]:
    """Whether readers have a whole release."""
    serving, current = facts.project.serving, facts.current
    others = [release.name for release in list_releases(serving) if release != current]
    back = f'make rollback ARGS="--to {others[-1]}"; make run' if others else _build_all(facts)
    # The warehouse has what was released, so nothing has to be built again that readers have seen already.
    again = "make run" if facts.logged else back
    if current is None and (serving / "current").is_symlink():
        yield _problem("release", "release_dangling", f"{serving / 'current'} points to no release.", again)
        return
    if current is None and facts.logged:
        yield _problem(
            "release",
            "release_lost",
            f"There is no {serving / 'current'}, though days up to {facts.logged} were released: it was removed or "
            "moved, or TESSERA_SERVING names another place.",
            "Correct TESSERA_SERVING if that is wrong; else make run: readers see again what the warehouse has.",
        )
        return
    if current is None:
        yield _problem("release", "release_missing", "Nothing is released yet.", "make run")
        return
    try:
        rows = _count_release(current)
    except (OSError, ValueError, LookupError, duckdb.Error) as error:
        away = f"rm {serving / 'current'}; "
        yield _problem("release", "release_damaged", f"{current.name}: {first_line(error)}", away + again)
        return
    yield _fine("release", f"{current.name} is whole: {len(rows)} marts, {sum(rows.values()):,} rows.")


def check_blocks(facts: Facts) -> Iterator[Finding]:
    """Whether every block of the warehouse can be read, and every file of all releases is as it was written."""
    if not facts.deep:
        yield _fine("blocks", "Not checked; --deep reads every block of the warehouse and all releases.")
        return
    is_fine, warehouse = True, facts.project.warehouse
    is_free = warehouse.is_file() and not facts.lock_holders and not facts.file_holders
    tables, broken = _read_whole(warehouse) if is_free else (0, {})
    if broken:
        is_fine = False
        yield _problem(
            "blocks",
            "warehouse_unreadable",
            f"{warehouse}: {_some([f'{table} ({error})' for table, error in broken.items()])}",
            f"Put it back from a backup, or: mv {warehouse} {warehouse}.damaged; {_build_all(facts)}",
        )
    releases = list_releases(facts.project.serving)
    for release in releases:
        # Of the current one it is told already.
        if release != facts.current and (found := damage(release)):
            is_fine = False
            yield _problem(
                "blocks",
                "release_damaged",
                f"{release.name}: {_some(found)}",
                f"Readers do not see it, and no rollback can use it: rm -r {release}",
            )
    if is_fine:
        read = f"all {tables} tables of the warehouse" if is_free else "not the warehouse, which is gone or in use,"
        yield _fine("blocks", f"Read: {read} and all files of {len(releases)} releases.")


def _read_whole(warehouse: Path) -> tuple[int, dict[str, str]]:
    """Read every row and column of every table: how many there are, and what DuckDB says of those that it cannot read.

    Raises:
        duckdb.Error: the file cannot even be opened.
    """
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        tables = connection.sql("from duckdb_tables()").filter("not internal").select("schema_name, table_name")
        names = [f'"{schema}"."{table}"' for schema, table in tables.order("all").fetchall()]
    broken = {}
    for name in names:
        try:
            # Again for each: DuckDB closes a database in which it found a block that is not as it was written.
            with duckdb.connect(str(warehouse), read_only=True) as connection:
                connection.execute("set preserve_insertion_order = false")
                connection.sql(f"select bit_xor(hash(read)) from {name} as read").fetchall()
        except duckdb.Error as error:
            broken[name.replace('"', "")] = first_line(error)
    return len(names), broken


def _count_release(release: Path) -> dict[str, int]:
    """The rows of every mart of a release, the same in its manifest, its database and its Parquet files.

    Raises:
        ValueError: they differ, a file is not as it was written, or the manifest is no JSON.
        OSError, LookupError, duckdb.Error: a file is missing or cannot be read.
    """
    manifest = json.loads((release / MANIFEST).read_text())
    rows = manifest["rows_by_mart"]
    with duckdb.connect(str(release / "tessera.duckdb"), read_only=True) as connection:
        for mart, promised in rows.items():
            counts = {
                "tessera.duckdb": len(connection.table(f"marts.{mart}")),
                "its Parquet file": len(connection.read_parquet(str(release / "parquet" / f"{mart}.parquet"))),
            }
            for place, count in counts.items():
                if count != promised:
                    raise ValueError(f"{mart} has {count:,} rows in {place}, but {promised:,} in manifest.json")
    if found := damage(release):
        raise ValueError("; ".join(found[:5]))
    return rows


def check_freshness(facts: Facts) -> Iterator[Finding]:
    """Whether the release is as of the newest complete day of the sources."""
    try:
        published = published_date(facts.project)
    except OtherSources as stopped:
        yield _problem("freshness", "sources_changed", str(stopped), "See the message.")
        return
    newest = source_days(facts.project, facts.now).newest
    if late := late_sources(facts.project, newest, facts.now):
        yield _problem("freshness", "sources_late", late, "Ask who delivers them; when they are there: make run")
    if published is None:
        yield _fine("freshness", f"The sources are complete up to {newest}; readers see no release.")
    elif newest < published:
        yield _problem(
            "freshness",
            "sources_behind",
            f"The sources end on {newest}, but {published} is released already.",
            "Deliver the whole files again, then: make run",
        )
    elif newest > published and not facts.lock_holders:
        days = (newest - published).days
        yield _problem(
            "freshness",
            "release_behind",
            f"Readers see {published}; the sources are complete up to {newest}; days that wait: {days}.",
            "make run; if it should have run by itself, look at the scheduler",
        )
    else:
        yield _fine("freshness", f"Readers see {published}; the sources are complete up to {newest}.")


def check_sources(facts: Facts) -> Iterator[Finding]:
    """Whether the files of every enabled source system are there and can be read, with their required columns."""
    for wrong in wrong_files(facts.tables):
        if wrong.code != "source_unread":
            yield _problem("sources", wrong.code, wrong.message, "Deliver the file as docs/own-data.md describes it.")
    for system in facts.project.vars["sources"]:
        own = [table for table in facts.tables if table.system == system]
        folder = own[0].folder
        # Others may be meant for somebody else; these look as if they were meant for a table.
        meant = [name for name in unread_files(own) if name.startswith(tuple(table.name for table in own))]
        if meant:
            yield _problem(
                "sources",
                "source_unread",
                f"source '{system}': no table reads {_some(meant)} in {folder}.",
                "Deliver a table as one file or one folder, see docs/own-data.md, or move these files away.",
            )
        yield _fine("sources", f"source '{system}': {sum(len(table.files) for table in own)} files in {folder}.")


def check_configuration(facts: Facts) -> Iterator[Finding]:
    """Whether variables, YAML files and rules are valid; dbt itself is not started."""
    is_fine = True
    paths = [facts.root / "dbt_project.yml", facts.root / "profiles.yml"]
    for folder in ("models", "seeds", "macros"):
        paths += sorted((facts.root / folder).rglob("*.yml"))
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for path in paths:
        try:
            yaml.load(path.read_text(), Loader=loader)
        except yaml.YAMLError as error:
            is_fine = False
            found = f"{path.relative_to(facts.root)} is not YAML: {' '.join(str(error).split())}"
            yield _problem("configuration", "yaml_invalid", found, "Repair the file.")
    for found in (*invalid_environment(os.environ), *invalid_settings(facts.project.vars, facts.root)):
        is_fine = False
        yield _problem("configuration", "variable_invalid", found, "Set it in dbt_project.yml, or with --vars.")
    # Rules that lie in broken YAML, or are not listed rightly, have been told already.
    if is_fine:
        try:
            found = parse(root=facts.root, history_start=facts.project.given_history_start)
        except RunStopped as stopped:
            yield _problem(
                "configuration", "rules_invalid", str(stopped), "Repair the rule, then: python -m flows.check"
            )
        else:
            yield _fine(
                "configuration", f"{len(paths)} YAML files, the variables and {len(found)} segmentations are valid."
            )


def check_versions(facts: Facts) -> Iterator[Finding]:
    """Whether Python and the packages are those that requirements.lock names."""
    wanted = tomllib.loads((facts.root / "pyproject.toml").read_text())["project"]["requires-python"]
    if platform.python_version() not in SpecifierSet(wanted):
        yield _problem(
            "versions",
            "python_other",
            f"This is Python {platform.python_version()}; the project needs {wanted}.",
            "Install it as python3.11, then: rm -r .venv; make setup",
        )
    locked = [
        Requirement(line)
        for line in (facts.root / "requirements.lock").read_text().splitlines()
        if line and not line.startswith((" ", "#", "-"))
    ]
    missing, other = [], []
    for package in locked:
        if package.marker and not package.marker.evaluate():
            continue
        try:
            version = importlib.metadata.version(package.name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(package.name)
            continue
        if version not in package.specifier:
            other.append(f"{package.name} {version} (locked {str(package.specifier).lstrip('=')})")
    if missing:
        yield _problem("versions", "package_missing", f"Not installed: {_some(missing)}.", "rm -r .venv; make setup")
    if other:
        yield _problem("versions", "package_differs", f"Not as locked: {_some(other)}.", "rm -r .venv; make setup")
    named = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in NAMED_VERSIONS if name not in missing)
    yield _fine("versions", f"Python {platform.python_version()}, {named}; {len(locked)} packages are locked.")


def check_disk(facts: Facts) -> Iterator[Finding]:
    """Whether a run fits on the disk: tables that are built again beside the old ones, and one more release."""
    project = facts.project
    warehouse = project.warehouse.stat().st_size if project.warehouse.is_file() else 0
    release = sum(file.stat().st_size for file in facts.current.rglob("*") if file.is_file()) if facts.current else 0
    needs: dict[int, tuple[Path, int]] = {}
    for place, need in ((existing(project.warehouse), warehouse), (existing(project.serving), release)):
        disk = place.stat().st_dev
        needs[disk] = (place, needs.get(disk, (place, 0))[1] + need)
    for place, need in needs.values():
        free = shutil.disk_usage(place).free
        found = f"{_bytes(free)} free at {place}; a run needs up to {_bytes(need)}."
        remedy = "Make room there, set vars: releases_kept lower, or move TESSERA_WAREHOUSE or TESSERA_SERVING."
        if free < need:
            yield _problem("disk", "disk_full", found, remedy)
        elif free < LOW_BELOW_RUNS * need:
            yield _problem("disk", "disk_low", found, remedy)
        else:
            yield _fine("disk", found)


def check_memory(facts: Facts) -> Iterator[Finding]:
    """Whether a run of so many customers fits into the memory of the machine, and into DuckDB's limit."""
    customers, limit, memory = facts.customers, memory_limit(), memory_of(facts.machine)
    if not customers:
        yield _fine("memory", "How many customers there are is known once something is released.")
        return
    need, least = needed(customers, limit), least_limit(customers)
    setting = f"TESSERA_MEMORY={memory_setting()}"
    found = f"With {customers:,} customers and {setting} a run needs up to {_bytes(need)}; there are"
    # What a run under way has taken is not free, and is no reason to warn.
    is_short = need > (memory.size if facts.lock_holders else memory.free)
    if need > memory.size:
        found = f"{found} {_bytes(memory.size)}."
        yield _problem("memory", "memory_short", found, _how_to_fit(customers, memory.size, "give the machine"))
    elif is_short:
        found = f"{found} {_bytes(memory.free)} free, of {_bytes(memory.size)}."
        yield _problem(
            "memory", "memory_short", found, _how_to_fit(customers, memory.free, "end other processes to have")
        )
    if limit < least:
        yield _problem(
            "memory",
            "memory_limit_low",
            f"{setting} may be too little for {customers:,} customers: DuckDB cannot spill everything to disk.",
            f"If a run stops for want of memory: TESSERA_MEMORY={math.ceil(least / MIB)}MiB make run",
        )
    elif not is_short:
        yield _fine("memory", f"{found} {_bytes(memory.free)} free, of {_bytes(memory.size)}.")


def _how_to_fit(customers: int, space: int, make_room: str) -> str:
    fits = limit_that_fits(customers, space)
    if fits is None:
        return f"{make_room.capitalize()} at least {_bytes(needed(customers, least_limit(customers)))}."
    return f"TESSERA_MEMORY={fits // MIB}MiB make run, which spills more to disk; or {make_room} more."


def check_places(facts: Facts) -> Iterator[Finding]:
    """Whether this user may write where a run writes."""
    project = facts.project
    places = {
        "TESSERA_WAREHOUSE": project.warehouse.parent,
        "TESSERA_SERVING": project.serving,
        "TESSERA_LOGS": project.logs,
        "DBT_TARGET_PATH": facts.root / os.environ.get("DBT_TARGET_PATH", "target"),
    }
    found = unwritable(places)
    for name, place in found.items():
        yield _problem(
            "places",
            "place_not_writable",
            f"{place} ({name}) cannot be written.",
            f"Grant this user the right to write {existing(place)}, or set {name} to another place.",
        )
    if not found:
        yield _fine("places", f"All {len(places)} can be written: {', '.join(places)}.")


def check_stray_files(facts: Facts) -> Iterator[Finding]:
    """Whether runs that were killed left something behind."""
    serving, spill = facts.project.serving, Path(f"{facts.project.warehouse}.tmp")
    if facts.lock_holders:
        yield _fine("stray files", "A run is under way; what it is writing is not looked at.")
        return
    # A run gives everything that is not whole yet a name with a dot.
    swept = [*(serving / "releases").glob(".*"), *serving.glob(".*"), *facts.project.warehouse.parent.glob(FOLDER)]
    if swept:
        names = _some([path.name for path in swept])
        yield _problem("stray files", "stray_files", f"Half-written: {names}.", "make run; it sweeps them")
    own = list_releases(serving)
    others = (path for path in (serving / "releases").resolve().glob("[!.]*") if path not in own)
    left = sorted(others) + ([spill] if spill.exists() and not facts.file_holders else [])
    left += _added(facts.current) if facts.current in own else []
    for path in left:
        yield _problem("stray files", "stray_files", f"{path} belongs to no run and no release.", f"rm -r {path}")
    if not swept and not left:
        yield _fine("stray files", "None.")


def _added(release: Path) -> list[Path]:
    """The files that lie in a release, and that its manifest does not know."""
    checksums = read_manifest(release).get("checksums", {})
    # Those of an older Tessera did not list the pages.
    lists_pages = any(file.startswith("report/") for file in checksums)
    return [release / file for file in files_of(release) if lists_pages and file not in checksums]


CHECKS: dict[str, Callable[[Facts], Iterator[Finding]]] = {
    "runs": check_runs,
    "warehouse": check_warehouse,
    "release": check_release,
    "blocks": check_blocks,
    "freshness": check_freshness,
    "sources": check_sources,
    "configuration": check_configuration,
    "versions": check_versions,
    "disk": check_disk,
    "memory": check_memory,
    "places": check_places,
    "stray files": check_stray_files,
}


def _fine(check: str, found: str) -> Finding:
    return Finding(check, "ok", "ok", found)


def _problem(check: str, code: str, found: str, remedy: str) -> Finding:
    return Finding(check, STATES[code], code, found, remedy)


def _build_all(facts: Facts) -> str:
    """The command that builds the whole history again."""
    try:
        first = history_start(facts.project, source_days(facts.project, facts.now))
    except RunStopped:
        first = facts.project.vars["history_start"] or "YYYY-MM-DD"
    return f"python -m flows.backfill --first {first}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _bytes(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:,.1f} TiB"


def _spell_out(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
