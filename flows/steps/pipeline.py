"""The steps of a run, in order, under the warehouse's lock."""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from flows.compile import compile_rules
from flows.rules.undelivered import undelivered_summary
from flows.steps.acceptance import Acceptance
from flows.steps.console import DataConsole
from flows.steps.dbt import dbt_worker
from flows.steps.erasure import Erasure, forget_erased
from flows.steps.errors import RunStopped, first_line, interruption
from flows.steps.lock import held_open, is_lock_conflict, wait_until_free, warehouse_lock
from flows.steps.notify import notify
from flows.steps.operations_log import utc_now
from flows.steps.places import existing, keep_private, try_to_remove, unwritable
from flows.steps.project import Project
from flows.steps.release import sweep
from flows.steps.rewrite import Rewrite, discard_copy, finish_switch
from flows.steps.run import VALUE_ERRORS, Kind, Run, log_stop, settle
from flows.steps.summary import markdown_summary, print_summary
from flows.steps.termination import told_to_end
from flows.steps.warehouse_format import OtherFormat, bring_up_to_date
from flows.steps.watch import leave_artifact, step
from flows.steps.window import Window

CONSOLE = DataConsole()


@dataclass(frozen=True)
class Job:
    """What there is to do for a run."""

    window: Window
    kind: Kind
    rewrite: Rewrite | None = None


@step("build inputs")
def build_inputs(run: Run) -> None:
    """Build staging and conformed models."""
    run.build_inputs()


@step("check inputs")
def check_inputs(run: Run) -> None:
    """Judge the inputs."""
    run.check_inputs()


@step("build marts")
def build_marts(run: Run) -> None:
    """Build features, segmentations, history and marts."""
    run.build_marts()


@step("check marts")
def check_marts(run: Run) -> None:
    """Judge the marts."""
    run.check_marts()


@step("release")
def publish(run: Run) -> Path:
    """Publish the marts."""
    return run.publish()


@step("notify", delays=())
def tell_owners(run: Run, release: Path) -> None:
    """Tell owners of segments about new alerts; what fails here is a warning."""
    notify(replace(run.project, warehouse=run.published_warehouse), release, run.run_id, run.report)


@step("copy warehouse")
def copy_warehouse(rewrite: Rewrite) -> None:
    """Copy the warehouse that is published, to rewrite its history."""
    rewrite.begin()


@step("erase customers", delays=())
def erase_customers(run: Run, erasure: Erasure) -> None:
    """Take customers out of the copy."""
    run.erase(erasure)


def tidy(project: Project) -> None:
    """Remove the files that a killed run left, and write down how it ended, for whoever has the lock."""
    # Where somebody has the file open, the next run does it; another version's is left alone.
    with suppress(duckdb.Error, OtherFormat):
        finish_switch(project.warehouse, project.serving)
        settle(project)
        _tidy(project)


def _tidy(project: Project) -> None:
    sweep(project.serving)
    discard_copy(project.warehouse)
    forget_erased(project)
    # What did not fit into memory, and the files of Python models.
    try_to_remove(Path(f"{project.warehouse}.tmp"))


def run_flow(
    kind: Kind, vars: str | None, find: Callable[[Project], Job | str], accepted: Acceptance | None = None
) -> str:
    """Find out what there is to do and do it, alone; returns a line for the person who started it.

    A run that stops before it has a window is written down as well: a schedule that fails every day must be seen.

    Args:
        kind: what kind of run it is until that is known.
        vars: dbt vars that differ from dbt_project.yml, as YAML.
        find: gives what there is to do, or says that there is nothing.
        accepted: the checks that do not stop it.

    Raises:
        RunStopped: a step failed, or there is no window; what readers see is as it was.
    """
    project, started_at, is_alone = Project(), utc_now(), False
    with ExitStack() as stack:
        try:
            # A worker of Prefect's calls the flow without a command.
            keep_private()
            _check_places(project)
            stack.enter_context(warehouse_lock(project.warehouse, CONSOLE.print))
            is_alone = True
            project = Project.with_vars(vars).checked()
            for change in compile_rules():
                CONSOLE.print(f"Compiled: {change}")
            _bring_up_to_date(project)
            try:
                job = find(project)
            except VALUE_ERRORS as error:
                raise RunStopped(first_line(error)) from error
        except Exception as error:
            # Of one that is kept out the log of runs does not tell: another is under way, and nothing is wrong.
            log_stop(project, kind, started_at, str(error) or first_line(error), in_log_of_runs=is_alone)
            raise
        return job if isinstance(job, str) else run_window(project, job.window, job.kind, job.rewrite, accepted)


def _bring_up_to_date(project: Project) -> None:
    # If it cannot be read, the next reader says so.
    with suppress(duckdb.Error):
        wait_until_free(project.warehouse, CONSOLE.print)
        bring_up_to_date(project.warehouse, CONSOLE.print)


def _check_places(project: Project) -> None:
    places = {"TESSERA_WAREHOUSE": project.warehouse.parent, "TESSERA_SERVING": project.serving}
    if found := unwritable(places):
        told = "; ".join(f"{name}: {existing(place)}" for name, place in found.items())
        raise RunStopped(
            f"This user may not write where a run writes ({told}). Grant the right to write, or set the variable to "
            "another place."
        )


def run_window(
    project: Project,
    window: Window,
    kind: Kind,
    rewrite: Rewrite | None = None,
    accepted: Acceptance | None = None,
) -> str:
    """Build, check and release a window of days, for whoever has the lock; returns a line for people.

    Raises:
        RunStopped: a step failed; what readers see is as it was.
    """
    published = project.warehouse
    if rewrite:
        project = replace(project, warehouse=rewrite.copy)
    run = Run(project, window, kind, report=CONSOLE.print, rewrite=rewrite, accepted=accepted or Acceptance())
    doing = "Releasing" if kind == "release" else "Building"
    CONSOLE.print(f"{doing} {window}, sources {', '.join(project.vars['sources'])}")
    try:
        run.begin()
        for sentence in undelivered_summary(run.definitions, project):
            CONSOLE.print(f"warning: {sentence}")
        _tidy(replace(project, warehouse=published))
        if rewrite:
            copy_warehouse(rewrite)
        if kind != "release":
            # It imports dbt at once, and goes as soon as the marts are built: the release needs the memory.
            with dbt_worker():
                _build(run)
        check_marts(run)
        release = publish(run)
    except Exception as error:
        if interrupted := told_to_end() or interruption(error):
            _interrupt(run, interrupted)
            raise interrupted from error
        told = _told(error, published)
        # First, for the log of runs may need the room.
        discard_copy(published)
        run.end("failed", str(told) or first_line(told))
        if told is error:
            raise
        raise told from error
    except BaseException as error:
        _interrupt(run, error)
        raise
    # The release counts, whatever goes wrong from here on.
    reason = run.accepted.reason
    for what, tell in (
        ("Owners could not be notified of alerts", lambda: tell_owners(run, release)),
        ("No summary", lambda: print_summary(CONSOLE, release, project.serving, run.results, run.seconds, reason)),
        ("Prefect has no summary", lambda: _leave_artifact(run, release)),
    ):
        try:
            tell()
        except Exception as error:
            run.warn(f"{what}: {type(error).__name__}: {first_line(error)}")
    run.end("released")
    return f"Released {release.name}"


def _build(run: Run) -> None:
    if isinstance(run.rewrite, Erasure):
        erase_customers(run, run.rewrite)
        return
    build_inputs(run)
    check_inputs(run)
    build_marts(run)


def _interrupt(run: Run, by: BaseException) -> None:
    discard_copy(run.published_warehouse)
    run.end("interrupted", f"Stopped from outside ({type(by).__name__}).")


def _leave_artifact(run: Run, release: Path) -> None:
    summary = markdown_summary(release, run.results, run.seconds, run.accepted.reason)
    leave_artifact(f"{run.kind}-summary", summary, str(run.window))


def _told(error: Exception, warehouse: Path) -> Exception:
    """The error as the person who runs it can use it."""
    if is_lock_conflict(error):
        return RunStopped(held_open(warehouse, error))
    if isinstance(error, OSError | duckdb.IOException):
        return RunStopped(
            f"The disk or the rights to it: {first_line(error)}. Readers see the release before. "
            f"Make room where {warehouse} lies, or give this user the right to write, and run again."
        )
    return error
