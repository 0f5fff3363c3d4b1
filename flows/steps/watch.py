"""Flows and their steps: plain functions, which Prefect watches where it has an API to tell of them.

Importing Prefect and serving a temporary API took most of the time of a run that finds nothing to do, and the API was
gone with the run. So without an API nothing of Prefect is imported. With one, or where a worker of Prefect's loads a
flow, the same functions are flows and tasks of Prefect's. Steps are tried again in both.
"""

import functools
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flows.steps.termination import end_if_told

# Seconds until a step is tried again, if trying again can help.
DELAYS = (5, 30)

# How one of Prefect's files of settings names the address of an API, in TOML or as a variable.
_SETS_API = re.compile(r"PREFECT_API_URL|^\s*\[?(tool\.prefect\.)?api\b", re.MULTILINE | re.IGNORECASE)

_goes_without = False


def is_transient(error: BaseException) -> bool:
    """Whether trying again could help: an interrupted disk or network can recover, a wrong input cannot."""
    return isinstance(error, OSError) and not isinstance(error, PermissionError | FileNotFoundError)


def api_url() -> str | None:
    """The address of Prefect's API; None if none is set, or the run goes without it."""
    if _goes_without or not ("prefect" in sys.modules or _may_be_set()):
        return None
    from prefect.settings import PREFECT_API_URL

    return PREFECT_API_URL.value()


def _may_be_set() -> bool:
    """Whether the environment or one of Prefect's files may name an API: Prefect itself is slow to ask."""
    if os.environ.get("PREFECT_API_URL"):
        return True
    home = Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
    profiles = Path(os.environ.get("PREFECT_PROFILES_PATH") or home / "profiles.toml")
    files = (profiles, *(Path(name) for name in ("prefect.toml", "pyproject.toml", ".env")))
    return any(file.is_file() and _SETS_API.search(file.read_text(errors="replace")) for file in files)


@contextmanager
def without_api() -> Iterator[None]:
    """Call flows in the block as plain functions, whatever API is set."""
    global _goes_without
    before, _goes_without = _goes_without, True
    try:
        yield
    finally:
        _goes_without = before


def flow(name: str) -> Callable[[Callable[..., str]], Any]:
    """Make a function a flow: Prefect's own where Prefect is loaded already, as by its workers."""

    def decorate(function: Callable[..., str]) -> Any:
        return _prefect_flow(function, name) if "prefect" in sys.modules else _Flow(function, name)

    return decorate


class _Flow:
    """A flow that asks for Prefect's API whenever it is called."""

    def __init__(self, function: Callable[..., str], name: str) -> None:
        functools.update_wrapper(self, function)
        self.fn = function
        self.name = name

    def __call__(self, *arguments: Any, **named: Any) -> str:
        watched = _prefect_flow(self.fn, self.name) if api_url() else self.fn
        return watched(*arguments, **named)


def _prefect_flow(function: Callable[..., str], name: str) -> Callable[..., str]:
    from prefect import Flow

    class WatchedFlow(Flow):
        """A flow of Prefect's that needs no API: Prefect would start a temporary one."""

        def __call__(self, *arguments: Any, **named: Any) -> str:
            return super().__call__(*arguments, **named) if api_url() else self.fn(*arguments, **named)

    return WatchedFlow(function, name=name, log_prints=False, persist_result=False)


def step(name: str, delays: tuple[int, ...] = DELAYS) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a function a step of a flow: Prefect's task in a flow run of Prefect's.

    It is tried again after each of `delays` if its error is transient.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*arguments: Any) -> Any:
            if _in_flow_run():
                return _prefect_task(function, name, delays)(*arguments)
            for delay in delays:
                end_if_told()
                try:
                    return function(*arguments)
                except Exception as error:
                    if not is_transient(error):
                        raise
                time.sleep(delay)
            end_if_told()
            return function(*arguments)

        return call

    return decorate


def _in_flow_run() -> bool:
    """Whether Prefect is running a flow here."""
    context = sys.modules.get("prefect.context")
    return context is not None and context.FlowRunContext.get() is not None


def _prefect_task(function: Callable[..., Any], name: str, delays: tuple[int, ...]) -> Callable[..., Any]:
    from prefect import Task
    from prefect.states import State

    def may_help(_task: object, _task_run: object, state: State) -> bool:
        return is_transient(state.result(raise_on_failure=False))

    return Task(
        function,
        name=name,
        retries=len(delays),
        retry_delay_seconds=list(delays) or None,
        retry_condition_fn=may_help,
        # Arguments and results of steps are kept nowhere else.
        cache_policy=None,
        persist_result=False,
    )


def leave_artifact(key: str, markdown: str, description: str) -> None:
    """Leave a page about the run in Prefect, if it watches."""
    if _in_flow_run():
        from prefect.artifacts import create_markdown_artifact

        create_markdown_artifact(key=key, markdown=markdown, description=description)
