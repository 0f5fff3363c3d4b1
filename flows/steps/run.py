"""One run from inputs to release, step by step; the flows wrap these steps."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import duckdb

from expectations.parameters import InputParameters, MartParameters, Parameters
from expectations.runner import CheckResult, Gate, describe, failures
from flows.rules.definitions import RuleError, parse, segments_of, share_limits
from flows.steps import dbt, mart_files, operations_log, release, unchanged
from flows.steps.acceptance import Acceptance
from flows.steps.erasure import Erasure, forget_erased
from flows.steps.errors import RunStopped, first_line
from flows.steps.lock import wait_until_free
from flows.steps.pages import write_page
from flows.steps.project import Project
from flows.steps.rewrite import REWRITES, Rewrite, finish_switch
from flows.steps.run_log import RunLog, forget_logs, log_file, read_events
from flows.steps.source_files import source_tables
from flows.steps.termination import end_if_told
from flows.steps.warehouse_format import OtherFormat
from flows.steps.window import ONE_DAY, Window, check_history, last_published
from macros.python.rules.tree import Segmentation

# The errors of DuckDB that quote values of rows.
VALUE_ERRORS = (duckdb.ConversionException, duckdb.ConstraintException, duckdb.InvalidInputException)

Kind = Literal["daily", "catch-up", "backfill", "restate", "erase", "release"]


@dataclass
class Run:
    """A run under way.

    Attributes:
        project: what it runs on.
        window: the days it builds.
        kind: daily, catch-up, backfill, restate, erase, or release, which releases what is there once more.
        report: called with every line of progress.
        accepted: the checks that do not stop it.
        rewrite: what it changes of the published history, if anything; the project is then on a copy of the warehouse.
        seconds: time spent, by step.
        results: what the checks found so far.
        warnings: what went wrong that did not stop it.
        unfinished_step: the step that is under way, or that stopped the run.
        rows_by_mart: of the release; until it is written, of the marts that are tables.
    """

    project: Project
    window: Window
    kind: Kind
    report: Callable[[str], None] = print
    rewrite: Rewrite | None = None
    accepted: Acceptance = field(default_factory=Acceptance)
    seconds: dict[str, float] = field(default_factory=dict)
    results: list[CheckResult] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    started_at: datetime = field(default_factory=operations_log.utc_now)
    unfinished_step: str | None = None
    rows_by_mart: dict[str, int] = field(default_factory=dict)
    _begun: float = field(default_factory=time.monotonic)
    _gate: Gate | None = None

    @cached_property
    def run_id(self) -> str:
        """The run's name, greater than that of every run before it."""
        return run_id(replace(self.project, warehouse=self.published_warehouse), self.started_at)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step, announce it and log it; it begins when nobody else has the warehouse open."""
        self.report(f"{name} ...")
        self.events.write("step_begun", step=name)
        self.unfinished_step = name
        begun = time.monotonic()
        try:
            wait_until_free(self.project.warehouse, self.report)
            yield
            self.unfinished_step = None
        except VALUE_ERRORS as error:
            # Prefect keeps the message of a task's error, too.
            raise RunStopped(first_line(error)) from error
        finally:
            spent = time.monotonic() - begun
            self.seconds[name] = self.seconds.get(name, 0.0) + spent
            self.events.write("step_ended", step=name, seconds=round(spent, 3), succeeded=not self.unfinished_step)

    def begin(self) -> None:
        """Write down that the run is under way, and how the ones before it ended that did not say so.

        Raises:
            RunStopped: a rule does not hold to the rule language (a RuleError), the warehouse cannot be opened for
                writing, or has lost the history that the window goes on from.
        """
        if not self.events.is_written:
            self.report(f"warning: {self.events.path} cannot be written, so this run has no structured log.")
        self.events.write(
            "run_begun",
            kind=self.kind,
            first_as_of_date=self.window.first,
            last_as_of_date=self.window.last,
            sources=self.project.vars["sources"],
            code_version=self.project.code_version,
            rule_versions=self.rule_versions,
            process=os.getpid(),
        )
        # Before anything is touched. Mistakes that dbt lets pass, such as a duplicate key, stop here, too.
        _ = self.definitions
        warehouse = self.published_warehouse
        wait_until_free(warehouse, self.report)
        try:
            if published := last_published(replace(self.project, warehouse=warehouse)):
                # What a rewrite changes must be there, all of it.
                first = self.window.last + ONE_DAY if self.rewrite else self.window.first
                if self.rewrite and published != self.window.last:
                    raise RunStopped("A day was published while this began. Start it again.")
                check_history(warehouse, replace(self.window, first=first))
            finish_switch(warehouse, self.project.serving)
            self.log("running")
            settle(replace(self.project, warehouse=warehouse), but=self.run_id)
        except duckdb.Error as error:
            raise RunStopped(
                f"The warehouse {warehouse} cannot be opened for writing: {first_line(error)}. "
                "`make doctor` says who holds it or what is wrong with it, and what to do."
            ) from error

    def build_inputs(self) -> None:
        """Build staging and conformed models and what the input checks look at."""
        with self.step("inputs"):
            # It takes seconds, and dbt is a process of its own.
            threading.Thread(target=import_great_expectations, daemon=True).start()
            tables, warehouse = source_tables(self.project), self.project.warehouse
            # Before they are read: of a file that changes meanwhile the next run finds another fingerprint.
            files = unchanged.of_files(self.project, tables)
            kept = unchanged.unchanged(self.project, files)
            is_kept = bool(kept and operations_log.repeat_source_files(warehouse, self.run_id, str(kept.run_id)))
            if is_kept:
                self.report("unchanged source files: not read again")
            else:
                facts = [table.facts() for table in tables if table.files]
                operations_log.log_source_files(warehouse, self.run_id, facts)
            with self._building([] if is_kept else [files]):
                left_out = [f"tag:{unchanged.FILES}"] if is_kept else []
                self._run_dbt(
                    dbt.dbt_arguments("build", self.project, select=dbt.INPUTS, exclude=left_out), self.window
                )
            operations_log.log_rows_read(warehouse, self.run_id)
            knows_all_lines = self.project.vars["late_days"] is None
            days = operations_log.read_delivered_days(warehouse) if knows_all_lines else {}
            operations_log.log_built(warehouse, vars(replace(files, run_id=self.run_id, **days)))

    @contextmanager
    def _building(self, groups: Sequence[unchanged.Built]) -> Iterator[None]:
        """Build groups of tables; until that has succeeded nothing is known of them."""
        operations_log.log_built(self.project.warehouse, *({"tables": group.tables} for group in groups))
        yield
        built = [vars(replace(group, run_id=self.run_id)) for group in groups]
        operations_log.log_built(self.project.warehouse, *built)

    def check_inputs(self) -> None:
        """Judge the inputs.

        Raises:
            RunStopped: a check of severity error did not pass.
        """
        with self.step("input checks"):
            zone = ZoneInfo(self.project.vars["timezone"])
            clock = datetime.now(UTC).astimezone(zone).replace(tzinfo=None)
            self._judge(self.gate.run("inputs", not_after=clock))

    def build_marts(self) -> None:
        """Build features, segmentations, history and marts, in chunks of days where the window is long.

        What tells of the last day alone is built once, with the last chunk, and so are the tests.
        """
        with self.step("models"):
            groups = unchanged.of_days(self.project, self.window.last, self.rule_versions)
            # A rewrite or a backfill changes days that they are about.
            may_stay = self.kind in ("daily", "catch-up")
            kept = [group for group in groups if may_stay and unchanged.unchanged(self.project, group)]
            left_out = [f"tag:{group.tables}" for group in kept]
            keep = dbt.dbt_arguments("run", self.project, select=dbt.EVERY_DAY, exclude=dbt.INPUTS)
            build = dbt.dbt_arguments("build", self.project, exclude=(*dbt.INPUTS, *left_out))
            *chunks, last = self.window.chunks(self.chunk_days())
            for number, chunk in enumerate(chunks, start=1):
                self.report(f"days {chunk}, part {number} of {len(chunks) + 1}")
                self._run_dbt(keep, chunk)
            # A day that is added leaves the tests of the days before it true.
            with self._building([group for group in groups if group not in kept]):
                self._run_dbt(build, last, {} if self.kind == "daily" else {"TESSERA_TESTED_DAYS": "all"})

    def erase(self, erasure: Erasure) -> None:
        """Take customers out of all tables of the copy, and build what tells of the last day again.

        Rows of days past stay as they are for everybody else: they say what was published.

        Raises:
            RunStopped: a source still delivers one of the customers, or the rules are not those of the release.
        """
        with self.step("erase"):
            self._check_rules_are_released()
            self._run_dbt([*dbt.dbt_arguments("run-operation", self.project), "erase_customers"], self.window)
        with self.step("models"):
            last_day = dbt.dbt_arguments("run", self.project, exclude=(*dbt.INPUTS, dbt.KEEPS_DAYS))
            self._run_dbt(last_day, self.window)
            tests = dbt.dbt_arguments("test", self.project, exclude=dbt.INPUTS)
            self._run_dbt(tests, self.window, {"TESSERA_TESTED_DAYS": "all"})
            erasure.finish()

    def _check_rules_are_released(self) -> None:
        current = release.current_release(self.project.serving)
        runs = operations_log.read_runs(self.project.warehouse)
        made = [run for run in runs if run.status == "released" and run.rule_versions]
        if current:
            made = [run for run in made if current.name.endswith(run.run_id)]
        released = made[-1] if made else None
        versions = json.loads(released.rule_versions) if released else self.rule_versions
        changed = sorted(name for name, version in (self.rule_versions or {}).items() if versions.get(name) != version)
        if changed or set(versions) != set(self.rule_versions):
            raise RunStopped(
                f"The rules of this checkout are not those of the release ({', '.join(changed) or 'one is gone'}), and "
                f"an erasure changes no rule. Check out {released.code_version}, or publish the new rules first."
            )

    def check_marts(self) -> None:
        """Judge the marts.

        Raises:
            RunStopped: a check of severity error did not pass.
        """
        with self.step("mart checks"):
            self._judge(self.gate.run("marts", segments=segments_of(self.definitions)))
        for code in self.accepted.codes:
            if code not in self.let_through:
                self.report(f"--accept {code} was not needed: the check did not fail.")

    def publish(self) -> Path:
        """Release the marts and write the run down; returns the release's folder."""
        with self.step("release"):
            self.rows_by_mart = table_rows(self.project.warehouse)
            self.log("releasing", self.note)
            folder = release.publish(
                warehouse=self.project.warehouse,
                serving=self.project.serving,
                as_of_date=self.window.last,
                run_id=self.run_id,
                code_version=self.project.code_version,
                sources=self.project.vars["sources"],
                keep=int(self.project.vars["releases_kept"]),
                write_pages=self._write_pages,
                before_readers_see_it=self._take_over,
                grace=timedelta(minutes=int(self.project.vars["release_grace_minutes"])),
                base=self._release_to_begin_with(),
            )
        self.rows_by_mart = mart_files.read_manifest(folder)["rows_by_mart"]
        self.events.write("released", release=folder.name, rows_by_mart=self.rows_by_mart)
        # Readers have the release: what goes wrong from here on must not call the run failed.
        try:
            self.log("released", self.note)
            forget_erased(replace(self.project, warehouse=self.published_warehouse))
            self.forget_old()
        except (OSError, duckdb.Error) as error:
            self.warn(f"Released, but old files could not be removed: {first_line(error)}")
        return folder

    def _take_over(self) -> None:
        """What comes right before readers see the release; from then on the run counts."""
        end_if_told()
        if self.rewrite:
            self.rewrite.take_over()

    def _release_to_begin_with(self) -> Path | None:
        """The current release, if the warehouse made it and no history was rewritten since.

        Free blocks of its file keep for a while what is deleted: who was erased, or is in no warehouse any more.
        """
        current = release.current_release(self.project.serving)
        if current is None or self.rewrite:
            return None
        runs = operations_log.read_runs(self.project.warehouse)
        made_it = any(run.run_id == release.run_of(current) for run in runs)
        rewritten = any(run.kind in REWRITES and run.run_id > release.run_of(current) for run in runs)
        return current if made_it and not rewritten else None

    def _write_pages(self, folder: Path) -> None:
        """Write data docs and report; a failure is a warning, because the marts are complete.

        Raises:
            OSError: the disk is full, or may not be written.
        """

        def write_report(place: Path) -> None:
            # Imported on use, because drawing libraries take seconds.
            from flows.report import page

            page.write(
                folder / "tessera.duckdb",
                place,
                name=release.release_name(self.window.last, self.run_id),
                previous_as_of=last_published(self.project),
            )

        pages = {"data_docs": ("The data docs", self._write_docs), "report": ("The report", write_report)}
        for name, (title, write) in pages.items():
            if failed := write_page(folder / name, title, write):
                self.warn(f"{failed}. python -m flows.report writes it again once the cause is fixed.")

    def _write_docs(self, folder: Path) -> None:
        self.gate.write_docs(folder)

    def warn(self, text: str) -> None:
        """Report a problem that does not stop the run, and keep it for ops_runs."""
        self.warnings.append(text)
        self.events.write("warning", message=text)
        self.report(f"warning: {text}")

    @property
    def note(self) -> str | None:
        """What ops_runs says of it once it is released."""
        notes = [*([self.rewrite.note] if self.rewrite and self.rewrite.note else []), *self.warnings]
        return "\n".join(notes) or None

    def log(self, status: str, message: str | None = None) -> None:
        """Write the run into the log of runs, as it is now."""
        rows = self.rows_by_mart if status in ("releasing", "released") else None
        has_ended = status != "running"
        operations_log.log_run(
            self.project.warehouse if status == "releasing" else self.published_warehouse,
            operations_log.Run(
                run_id=self.run_id,
                first_as_of_date=self.window.first,
                last_as_of_date=self.window.last,
                kind=self.kind,
                status=status,
                message=message,
                started_at=self.started_at,
                ended_at=operations_log.utc_now() if has_ended else None,
                code_version=self.project.code_version,
                rows_by_mart=json.dumps(rows) if rows else None,
                duration_seconds=round(self.duration, 3) if has_ended else None,
                stopped_in=self.unfinished_step if status in ("failed", "interrupted") else None,
                seconds_by_step=json.dumps({step: round(spent, 3) for step, spent in self.seconds.items()}),
                rule_versions=json.dumps(self.rule_versions) if self.rule_versions else None,
                days_built=self.window.days,
                customers=rows["dim_customers"] if rows else None,
                accepted_checks=json.dumps(self.let_through) if self.let_through else None,
                accepted_reason=self.accepted.reason if self.let_through else None,
            ),
        )

    def end(self, status: str, message: str | None = None) -> None:
        """Write down how the run ended, and close its log; one that readers have the release of is released."""
        if status == "released" and self.warnings:
            # With what went wrong since.
            with suppress(duckdb.Error, OSError):
                self.log(status, self.note)
        if status != "released":
            if _is_seen(self.project, self.window.last, self.run_id):
                status, message = "released", self.note
            # Where even the warehouse cannot be written, what stopped the run is still what has to be told.
            with suppress(duckdb.Error, OSError, OtherFormat):
                self._log_end(status, message)
        self.events.write(
            "run_ended",
            status=status,
            seconds=round(self.duration, 3),
            step=self.unfinished_step,
            message=message,
        )
        self.events.close()

    def _log_end(self, status: str, message: str | None) -> None:
        warehouse = self.published_warehouse
        runs = operations_log.read_runs(warehouse) if warehouse.is_file() else []
        logged = next((run.status for run in runs if run.run_id == self.run_id), None)
        # That is written. Or readers will have its release: a rewrite says in its copy alone that it is releasing, so
        # this one has become the warehouse, and the next run lets readers see it.
        if logged == "released" or (status != "released" and self.rewrite and logged == "releasing"):
            return
        self.log(status, message)
        if status != "released" and self.rewrite:
            # Its copy goes; what it found stays.
            operations_log.log_checks(warehouse, self.run_id, self.results)

    def forget_old(self) -> None:
        """Remove logs of runs, and runs from the log of runs, that are older than the vars say."""
        now = datetime.now(UTC)
        removed = {}
        if (days := self.project.vars["logs_kept_days"]) is not None:
            removed["logs"] = len(forget_logs(self.project.logs, now - timedelta(days=days)))
        if (days := self.project.vars["runs_kept_days"]) is not None:
            before = now.replace(tzinfo=None) - timedelta(days=days)
            removed["runs"] = operations_log.forget_runs(self.published_warehouse, before)
        self.events.write("tidied", **removed)

    @property
    def published_warehouse(self) -> Path:
        """The warehouse that the next run builds on; a rewrite works on a copy of it."""
        return self.rewrite.published if self.rewrite else self.project.warehouse

    @property
    def let_through(self) -> list[str]:
        """The codes of the checks that failed and were accepted so far."""
        return sorted(result.code for result in self.results if result.was_accepted)

    @property
    def duration(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._begun

    @cached_property
    def events(self) -> RunLog:
        """The structured log of the run."""
        return RunLog(self.project.logs, self.run_id)

    @cached_property
    def rule_versions(self) -> dict[str, str] | None:
        """The rule version of every segmentation, by name; None where the rules cannot be read."""
        try:
            return {definition.name: definition.rule_version for definition in self.definitions}
        except RuleError:
            return None

    @cached_property
    def definitions(self) -> list[Segmentation]:
        """The segmentations of the checkout.

        Raises:
            RuleError: they break the rule language.
        """
        return parse(history_start=self.window.history_start)

    @property
    def gate(self) -> Gate:
        """The checks; made on first use, for it takes seconds."""
        if self._gate is None:
            is_number = self.project.vars["customer_id_type"] == "bigint"
            inputs = InputParameters(customer_id_is_number=is_number)
            marts = MartParameters(for_segment=share_limits(self.definitions))
            self._gate = Gate(self.project.warehouse, Parameters(inputs, marts), self.accepted.codes)
        return self._gate

    def chunk_days(self) -> int:
        """How many days to build at a time, so that a part has about vars: chunk_customer_days rows."""
        with duckdb.connect(str(self.project.warehouse), read_only=True) as connection:
            customers = connection.table("conformed.customers").count("*").fetchone()[0]
        return max(1, int(self.project.vars["chunk_customer_days"]) // max(customers, 1))

    def _run_dbt(self, arguments: Sequence[str], window: Window, more: Mapping[str, str] | None = None) -> None:
        """Run dbt on days of the run; `more` is added to its environment."""
        dbt.run_dbt(arguments, self.project, window, self.report, self._log_node, self._environment(more))

    def _environment(self, more: Mapping[str, str] | None) -> dict[str, str]:
        """What dbt has to know of the run, and `more`."""
        rewritten = self.rewrite.environment(self.run_id, self.window) if self.rewrite else {}
        return {"TESSERA_RUN_ID": self.run_id, **rewritten, **(more or {})}

    def _log_node(self, node: dbt.Node) -> None:
        self.events.write("node_built", step=self.unfinished_step, node=node.name, seconds=node.seconds)

    def _judge(self, results: list[CheckResult]) -> None:
        self.results += results
        wait_until_free(self.project.warehouse, self.report)
        operations_log.log_checks(self.project.warehouse, self.run_id, results)
        for result in results:
            if result.status == "passed":
                continue
            fields = ("suite", "code", "mart", "status", "severity", "observed", "expected", "was_accepted")
            self.events.write("check_not_passed", **{name: getattr(result, name) for name in fields})
            if result.severity == "warning":
                self.report(f"warning: {describe(result)}")
            elif result.was_accepted:
                self.report(f"accepted: {describe(result)}")
        failed = failures(results)
        if failed:
            raise RunStopped("\n".join(describe(result) for result in failed))


def import_great_expectations() -> None:
    """Import what the checks need; whoever needs it in the end says what is wrong with it."""
    with suppress(Exception):
        import_module("expectations.suites")


def run_id(project: Project, started_at: datetime) -> str:
    """The name of a run of a project that starts now, greater than that of every run that left anything behind."""
    taken = release.names_of_runs(project.serving)
    taken |= {file.stem for file in project.logs.glob("runs/*.jsonl")}
    # Where somebody has the warehouse open, releases and logs know.
    with suppress(duckdb.Error, OSError):
        taken |= {run.run_id for run in operations_log.read_runs(project.warehouse)}
    return operations_log.next_run_id(started_at, taken)


def log_stop(project: Project, kind: Kind, started_at: datetime, message: str, in_log_of_runs: bool) -> None:
    """Write down that a run stopped before it had a window: in a structured log, and in the log of runs if it may.

    A warehouse that is not there is not made for it, and one that cannot be written stays without.
    """
    name, ended_at = run_id(project, started_at), operations_log.utc_now()
    events = RunLog(project.logs, name)
    events.write("run_stopped", kind=kind, step=operations_log.WINDOW, message=message, process=os.getpid())
    events.close()
    if in_log_of_runs and project.warehouse.is_file():
        with suppress(duckdb.Error, OSError, OtherFormat):
            operations_log.log_run(
                project.warehouse,
                operations_log.Run(
                    run_id=name,
                    first_as_of_date=None,
                    last_as_of_date=None,
                    kind=kind,
                    status="failed",
                    message=message,
                    started_at=started_at,
                    ended_at=ended_at,
                    code_version=project.code_version,
                    rows_by_mart=None,
                    duration_seconds=(ended_at - started_at).total_seconds(),
                    stopped_in=operations_log.WINDOW,
                ),
            )


def log_rollback(project: Project, to: Path) -> None:
    """Write down that readers were given an earlier release: in a structured log, and in the log of runs if it can be.

    There it stands as what was released last, so that a release that is lost afterwards is not taken for the later one.
    """
    now, day = operations_log.utc_now(), release.day_of(to)
    name = run_id(project, now)
    events = RunLog(project.logs, name)
    events.write("rolled_back", release=to.name, process=os.getpid())
    events.close()
    if project.warehouse.is_file():
        with suppress(duckdb.Error, OSError, OtherFormat):
            operations_log.log_run(
                project.warehouse,
                operations_log.Run(
                    run_id=name,
                    first_as_of_date=day,
                    last_as_of_date=day,
                    kind="rollback",
                    status="released",
                    message=f"Readers were given {to.name} again.",
                    started_at=now,
                    ended_at=now,
                    code_version=project.code_version,
                    rows_by_mart=None,
                ),
            )


def settle(project: Project, but: str | None = None) -> None:
    """Write down how runs ended that were killed before they could say so.

    Args:
        project: whose log of runs it is.
        but: the run that is under way.

    Raises:
        duckdb.Error: the warehouse cannot be opened.
    """
    for run in operations_log.read_runs(project.warehouse):
        if run.status in operations_log.UNFINISHED and run.run_id != but:
            operations_log.log_run(project.warehouse, _ended(project, run))


def _is_seen(project: Project, last_day: date, run_id: str) -> bool:
    """Whether readers see the release of a run."""
    current = release.current_release(project.serving)
    return current is not None and current.name == release.release_name(last_day, run_id)


def _ended(project: Project, run: operations_log.Run) -> operations_log.Run:
    """A run that was killed: released where readers have its release, else interrupted, by what its log says."""
    if _is_seen(project, run.last_as_of_date, run.run_id):
        return replace(run, status="released")
    events = read_events(log_file(project.logs, run.run_id))
    step = next((event["step"] for event in reversed(events) if event["event"] == "step_begun"), None)
    ended_at = run.ended_at
    if events:
        ended_at = datetime.fromisoformat(events[-1]["at"]).replace(tzinfo=None, microsecond=0)
    return replace(
        run,
        status="interrupted",
        message="The process ended without a word: it was killed, or the machine went down.",
        ended_at=ended_at,
        duration_seconds=(ended_at - run.started_at).total_seconds() if ended_at else None,
        stopped_in=step,
        rows_by_mart=None,
        customers=None,
        seconds_by_step=json.dumps(
            {event["step"]: event["seconds"] for event in events if event["event"] == "step_ended"}
        ),
    )


def table_rows(warehouse: Path) -> dict[str, int]:
    """Rows of every mart that is a table, by name: to count those of a view takes as long as to make them."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        tables = connection.sql("from duckdb_tables()").filter("schema_name = 'marts' and not internal")
        names = [name for (name,) in tables.order("table_name").select("table_name").fetchall()]
        return {name: connection.table(f"marts.{name}").count("*").fetchone()[0] for name in names}
