"""The steps of a run as Prefect tasks, in order, under the warehouse's lock."""

from contextlib import suppress
from pathlib import Path

import duckdb
from prefect import task
from prefect.artifacts import create_markdown_artifact
from rich.console import Console

from flows.steps.lock import warehouse_lock
from flows.steps.notify import notify
from flows.steps.project import Project
from flows.steps.run import Kind, Run
from flows.steps.summary import markdown_summary, print_summary
from flows.steps.window import Window

CONSOLE = Console(highlight=False)


def is_transient(_task: object, _task_run: object, state: object) -> bool:
    """Whether trying again could help: an interrupted disk or network can recover, a wrong input cannot."""
    # Prefect hands over a State; tests hand over anything with a result.
    error = state.result(raise_on_failure=False)  # type: ignore[attr-defined]
    return isinstance(error, OSError) and not isinstance(error, PermissionError | FileNotFoundError)


TRANSIENT = {"retries": 2, "retry_delay_seconds": [5, 30], "retry_condition_fn": is_transient, "cache_policy": None}


@task(name="build inputs", **TRANSIENT)
def build_inputs(run: Run) -> None:
    """Build staging and conformed models."""
    run.build_inputs()


@task(name="check inputs", **TRANSIENT)
def check_inputs(run: Run) -> None:
    """Judge the inputs."""
    run.check_inputs()


@task(name="build marts", **TRANSIENT)
def build_marts(run: Run) -> None:
    """Build features, segmentations, history and marts."""
    run.build_marts()


@task(name="check marts", **TRANSIENT)
def check_marts(run: Run) -> None:
    """Judge the marts."""
    run.check_marts()


@task(name="release", **TRANSIENT)
def publish(run: Run) -> Path:
    """Publish the marts."""
    return run.publish()


@task(name="notify", cache_policy=None)
def tell_owners(run: Run, release: Path) -> None:
    """Tell owners of segments about new alerts; what fails here is a warning."""
    notify(run.project, release, run.run_id, run.report)


def run_window(project: Project, window: Window, kind: Kind) -> str:
    """Build, check and release a window of days; returns a line for the person who started it.

    Raises:
        RunStopped: a step failed; what readers see is as it was.
    """
    with warehouse_lock(project.warehouse):
        run = Run(project, window, kind, report=CONSOLE.print)
        CONSOLE.print(f"Building {window}, sources {', '.join(project.vars['sources'])}")
        try:
            build_inputs(run)
            check_inputs(run)
            build_marts(run)
            check_marts(run)
            release = publish(run)
        except Exception as error:
            # Where even the log cannot be written, what stopped the run is still what has to be told.
            with suppress(duckdb.Error, OSError):
                run.log("failed", str(error))
            raise
        tell_owners(run, release)
        print_summary(CONSOLE, release, project.serving, run.results, run.seconds)
        create_markdown_artifact(
            key=f"{kind}-summary", markdown=markdown_summary(release, run.results, run.seconds), description=str(window)
        )
    return f"Released {release.name}"
