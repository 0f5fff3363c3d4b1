"""Prefect's API watches a run. It must not take one down with it."""

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import httpx
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_DEFAULT_RESULT_STORAGE_BLOCK,
    PREFECT_HOME,
    PREFECT_LOCAL_STORAGE_PATH,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
    temporary_settings,
)

from flows.steps.dbt import dies_with_parent
from flows.steps.errors import RunStopped, first_line
from flows.steps.project import Project
from flows.steps.release import current_release

# The prefix of a temporary Prefect home; the run that uses it holds the lock file in it.
HOME = "tessera-prefect-"
LOCK = "lock"


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
    with temporary_api():
        yield


@contextmanager
def temporary_home() -> Iterator[Path]:
    """A home for Prefect that is deleted after the block or, if this process is killed, by the next run.

    What Prefect knows of a run is kept for ever in its own home, where no erasure finds it.

    Raises:
        RunStopped: there is no place for it.
    """
    try:
        folder = Path(tempfile.gettempdir())
        _remove_left(folder)
        # Until it is locked, it has no name that another run would take for one that was left.
        made = Path(tempfile.mkdtemp(prefix=f".{HOME}", dir=folder))
    except OSError as error:
        raise RunStopped(
            f"Prefect's temporary API has no folder for temporary files: {first_line(error)}. Set TMPDIR to one that "
            "this user may write, or set PREFECT_API_URL to a server."
        ) from error
    with (made / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        home = made.rename(made.with_name(made.name.removeprefix(".")))
        try:
            yield home
        finally:
            shutil.rmtree(home, ignore_errors=True)


def _remove_left(folder: Path) -> None:
    """Remove the homes of this user's killed processes: nobody holds their locks any more."""
    for home in folder.glob(f"{HOME}*"):
        with suppress(OSError):
            if home.is_symlink() or home.stat().st_uid != os.getuid():
                continue
            with (home / LOCK).open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(home)


@contextmanager
def temporary_api() -> Iterator[str]:
    """Run an API with a home of its own, and use both, while the block runs; gives its address.

    Prefect would start the same server by itself, but that one lives on where this process is killed, and its home
    stays.

    Raises:
        RunStopped: it does not answer in time, or has no place for its home.
    """
    with temporary_home() as home, _server(home) as url:
        settings = {PREFECT_API_URL: url, PREFECT_HOME: home, PREFECT_LOCAL_STORAGE_PATH: home / "storage"}
        # Prefect pickles the error that stops a flow: keep it here, not with other results.
        with temporary_settings(settings, restore_defaults={PREFECT_DEFAULT_RESULT_STORAGE_BLOCK}):
            yield url


@contextmanager
def _server(home: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = [sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"]
    server += ["--host", "127.0.0.1", "--port", str(port), "--log-level", "error"]
    limit = PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS.value()
    with (
        (home / "said").open("w+b") as said,
        subprocess.Popen(
            [*dies_with_parent(), *server], env=_environment(home), stdout=subprocess.DEVNULL, stderr=said
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


def _environment(home: Path) -> dict[str, str]:
    """The environment of a temporary API, without settings of another API's database and places."""
    others = ("PREFECT_API_URL", "PREFECT_API_DATABASE_", "PREFECT_SERVER_DATABASE_", "PREFECT_PROFILE")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    return environment | {
        "PREFECT_HOME": str(home),
        "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home / 'prefect.db'}",
        "PREFECT_LOCAL_STORAGE_PATH": str(home / "storage"),
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(home / "storage"),
        "PREFECT_MEMO_STORE_PATH": str(home / "memo_store.toml"),
        "PREFECT_SERVER_MEMO_STORE_PATH": str(home / "memo_store.toml"),
        "PREFECT__SERVER_EPHEMERAL": "1",
        "PREFECT__SERVER_FINAL": "1",
        "PREFECT_UI_ENABLED": "0",
    }


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
