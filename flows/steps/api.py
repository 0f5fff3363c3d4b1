"""Prefect's API watches a run. It must not take one down with it."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import httpx
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_HOME,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
    temporary_settings,
)

from flows.steps.dbt import dies_with_parent
from flows.steps.errors import RunStopped
from flows.steps.places import existing, unwritable
from flows.steps.project import Project
from flows.steps.release import current_release


def call_flow(flow: Callable[..., str], **parameters: object) -> str:
    """Call a flow, and count what it released where Prefect's API went away meanwhile; returns what it says.

    Raises:
        RunStopped: a step failed, or the API went away and there is no release.
    """
    serving = Project().serving
    before = current_release(serving)
    with answering_api():
        url = PREFECT_API_URL.value()
        try:
            return flow(**parameters)
        except RunStopped:
            raise
        except Exception as error:
            after = current_release(serving)
            is_gone = isinstance(error, httpx.TransportError)
            if after is not None and after != before:
                what = "went away meanwhile" if is_gone else f"failed meanwhile ({type(error).__name__})"
                return f"Released {after.name}. Prefect's API ({url}) {what} and does not know how the run ended."
            if not is_gone:
                raise
            raise RunStopped(
                f"Prefect's API ({url}) went away: {error}. Nothing was released. Run again; "
                "without PREFECT_API_URL a run needs no server."
            ) from error


@contextmanager
def answering_api() -> Iterator[None]:
    """Use the API that is set, or a temporary one where none is set or that does not answer."""
    url = PREFECT_API_URL.value()
    if url and _answers(url):
        yield
        return
    if url:
        print(f"Prefect's API ({url}) does not answer: this run has a temporary one, and that one will not know of it.")
    with temporary_api() as own, temporary_settings({PREFECT_API_URL: own}):
        yield


@contextmanager
def temporary_api() -> Iterator[str]:
    """Run an API while the block runs; gives its address.

    Prefect would start the same server by itself, but that one lives on where this process is killed.

    Raises:
        RunStopped: it does not answer in time.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = [sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"]
    server += ["--host", "127.0.0.1", "--port", str(port), "--log-level", "error"]
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    environment |= {"PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1", "PREFECT_UI_ENABLED": "0"}
    limit = PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS.value()
    _check_home()
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            [*dies_with_parent(), *server], env=environment, stdout=subprocess.DEVNULL, stderr=said
        ) as child,
    ):
        try:
            url = f"http://127.0.0.1:{port}/api"
            deadline = time.monotonic() + limit
            while not _answers(url):
                if child.poll() is not None or time.monotonic() > deadline:
                    raise RunStopped(_did_not_start(child.poll(), limit, said))
                time.sleep(0.2)
            yield url
        finally:
            child.terminate()
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()


def _check_home() -> None:
    """Stop before a server is waited for that has nowhere to write.

    Raises:
        RunStopped: this user may not write Prefect's home.
    """
    home = Path(PREFECT_HOME.value())
    if unwritable({"PREFECT_HOME": home}):
        raise RunStopped(
            f"Prefect's temporary API cannot write its home {home}. Give this user the right to write "
            f"{existing(home)}, set PREFECT_HOME to another folder, or set PREFECT_API_URL to a server."
        )


def _did_not_start(status: int | None, limit: float, said: BinaryIO) -> str:
    said.seek(0)
    lines = [line for line in said.read().decode(errors="replace").splitlines() if line.strip()]
    how = f"did not answer within {limit} seconds" if status is None else f"ended with status {status}"
    # The end of a traceback says what was wrong.
    own = f" It said last: {' '.join(lines[-3:])}" if lines else ""
    return (
        f"Prefect's temporary API {how}.{own} Run again, or start a server (`prefect server start`) and set "
        "PREFECT_API_URL to it."
    )


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=10).status_code < 500
    except httpx.TransportError:
        return False
