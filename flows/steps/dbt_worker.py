"""dbt as a process that takes calls, one after another.

python -m flows.steps.dbt_worker DESCRIPTOR    (flows.steps.dbt starts it; the descriptor is one end of a socket)

Importing dbt and reading what it has parsed takes seconds, so the worker does both once. Every call is then a copy of
the worker (a fork) that has its own environment, lets go of the warehouse when it ends, and leaves nothing to the next.

A call comes as JSON: dbt's arguments and environment. With it come descriptors: where the call writes, and the locks
that it holds while it runs. It writes a line of JSON for each error and each model that it has built.
"""

import ctypes
import json
import logging
import multiprocessing.resource_tracker
import os
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

    Tell = Callable[[Any], None]

# A call begins with the size of its text, in so many bytes.
SIZE_BYTES = 8
# Descriptors that may come with a call.
MOST_DESCRIPTORS = 16

# dbt writes every event as a line and then drops most of the lines, which takes seconds. Here it writes none, and what
# is worth a line is written by `Listener`. Nobody reads the JSON that it would leave in its target either.
QUIET = ("--log-level", "none", "--log-level-file", "none", "--no-use-colors", "--no-write-json")
# What parsing depends on, of the arguments of a call.
PARSED = ("--project-dir", "--profiles-dir", "--vars")
# Environment variables of dbt's that say where it writes, and so change nothing that it parses.
PLACES = ("DBT_TARGET_PATH", "DBT_LOG_PATH", "DBT_WRITE_JSON")

# Parsed projects that are kept, for calls with different vars.
KEPT = 3

# dbt's log is rotated at so many bytes, so often, as dbt does it.
LOG_BYTES = 10 * 1024 * 1024
LOG_FILES = 5

_DIE_WITH_PARENT = 1


class Listener:
    """Hears dbt's events: writes what was built and what failed as JSON, and all that dbt tells people to its log."""

    def __init__(self, log_folder: Path) -> None:
        """Open the log; where that is not possible, there is none."""
        self._log = logging.Logger("dbt", logging.INFO)
        with suppress(OSError):
            log_folder.mkdir(parents=True, exist_ok=True)
            file = RotatingFileHandler(
                log_folder / "dbt.log", maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf8"
            )
            file.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))
            self._log.addHandler(file)

    def hear(self, event: Any) -> None:
        """Take note of one event."""
        info = event.info
        if info.level not in ("info", "warn", "error"):
            return
        self._log.info("%s", info.msg)
        told: dict[str, Any] = {"info": {"name": info.name, "level": info.level, "msg": info.msg}}
        if info.name in ("LogModelResult", "LogSeedResult"):
            node, relation = event.data.node_info, event.data.node_info.node_relation
            told["data"] = {
                "index": event.data.index,
                "total": event.data.total,
                "execution_time": event.data.execution_time,
                "node_info": {
                    "node_status": node.node_status,
                    "node_relation": {"schema": relation.schema, "alias": relation.alias},
                },
            }
        elif info.level != "error":
            return
        print(json.dumps(told), flush=True)


class Worker:
    """What is kept between calls: dbt's modules, and the projects that it parsed."""

    def __init__(self) -> None:
        """Import what calls need, while nobody waits for it."""
        # For locks, which dbt makes and which a process of their own tidies up. A call must not have to start it: it
        # would hold what the call writes to open.
        multiprocessing.resource_tracker.ensure_running()
        import dbt.cli.main

        # Imported and not used (F401): every call is a fork and finds them loaded. dbt builds with the first, Python
        # models import the others.
        import dbt.task.build  # noqa: F401
        import pandas  # noqa: F401
        import scipy.optimize  # noqa: F401

        self._parsed: dict[str, tuple[Manifest, dict[str, str | None]]] = {}
        self._running: int | None = None

    def call(self, arguments: Sequence[str], environment: Mapping[str, str], output: int) -> int:
        """Run dbt with these arguments in a copy of this process; returns its exit status."""
        os.environ.clear()
        os.environ.update(environment)
        _write_to(output)
        tell = Listener(Path(environment.get("DBT_LOG_PATH", "logs"))).hear
        try:
            manifest = self._parse(arguments, tell)
            if manifest is None:
                return 2
            sys.stdout.flush()
            worker = os.getpid()
            self._running = os.fork()
            if self._running == 0:
                _run_copy(worker, arguments, tell, manifest)
            _, ended = os.waitpid(self._running, 0)
            self._running = None
            return os.waitstatus_to_exitcode(ended)
        finally:
            sys.stdout.flush()
            _write_to(None)

    def stop(self, *_signal: object) -> None:
        """End the call that is running, and this process."""
        if self._running:
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(self._running, signal.SIGTERM)
                os.waitpid(self._running, 0)
        os._exit(128 + signal.SIGTERM)

    def _parse(self, arguments: Sequence[str], tell: "Tell") -> "Manifest | None":
        """The project as dbt parses it for a call; None where it cannot be parsed, which has been told then."""
        key = _parsed_with(arguments)
        known = self._parsed.pop(key, None)
        # dbt lists the variables that it read from the environment as it parsed.
        if known is None or known[1] != {name: os.environ.get(name) for name in known[1]}:
            given = [word for option in PARSED for word in _option(arguments, option)]
            _, manifest = _invoke(["parse", *given], tell)
            if manifest is None:
                return None
            known = manifest, {name: os.environ.get(name) for name in manifest.env_vars}
        self._parsed[key] = known
        for old in list(self._parsed)[:-KEPT]:
            del self._parsed[old]
        return known[0]


def _invoke(
    arguments: Sequence[str], tell: "Tell", manifest: "Manifest | None" = None
) -> tuple[int, "Manifest | None"]:
    """Call dbt in this process; returns its exit status, and the project if it was asked to parse it."""
    from dbt.cli.main import dbtRunner
    from dbt.contracts.graph.manifest import Manifest

    done = dbtRunner(manifest=manifest, callbacks=[tell]).invoke([*QUIET, *arguments])
    if done.exception and type(done.exception).__name__ == "DbtUsageException":
        # Of anything else it has told.
        print(done.exception, flush=True)
    status = 0 if done.success else 2 if done.exception else 1
    return status, done.result if done.success and isinstance(done.result, Manifest) else None


def _run_copy(worker: int, arguments: Sequence[str], tell: "Tell", manifest: "Manifest") -> NoReturn:
    """Run dbt in this copy of the worker, which is a process of its own and ends with its parent."""
    status = 2
    try:
        with suppress(OSError, AttributeError):
            # Linux's; elsewhere it ends when it next writes.
            ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != worker:
            return
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # The folder for temporary files is the call's.
        tempfile.tempdir = None
        status, _ = _invoke(arguments, tell, manifest)
        _close_warehouse()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        # What the worker does at its end is not the copy's to do.
        os._exit(status)


def _close_warehouse() -> None:
    """Have DuckDB write what is in its log into the file of the warehouse, while the call holds its lock."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    # There is none where a call has touched no table.
    with suppress(Exception):
        DuckDBConnectionManager.env().close()


def _parsed_with(arguments: Sequence[str]) -> str:
    """Everything that what dbt parses depends on, as text.

    Where files and warehouse lie is asked for when a call runs; of the warehouse's path, dbt parses its name.
    """
    variables = json.loads((_option(arguments, "--vars") or ["", "{}"])[1])
    flags = {name: value for name, value in os.environ.items() if name.startswith("DBT_") and name not in PLACES}
    root = Path((_option(arguments, "--project-dir") or ["", "."])[1])
    return json.dumps(
        [
            {name: value for name, value in variables.items() if not name.endswith("_folder")},
            Path(os.environ.get("TESSERA_WAREHOUSE", "")).stem,
            flags,
            str(root),
            [(str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in sorted(_files(root))],
        ],
        sort_keys=True,
    )


def _files(root: Path) -> list[Path]:
    """The files that dbt reads of a project."""
    folders = (root / name for name in ("models", "macros", "seeds", "tests"))
    kinds = (".sql", ".py", ".yml", ".yaml", ".csv", ".md")
    found = [file for folder in folders for file in folder.rglob("*") if file.suffix in kinds]
    return [*found, root / "dbt_project.yml", root / "profiles.yml"]


def _option(arguments: Sequence[str], name: str) -> list[str]:
    """An option and its value, if it is among the arguments."""
    return list(arguments[arguments.index(name) : arguments.index(name) + 2]) if name in arguments else []


def _write_to(descriptor: int | None) -> None:
    """Write there what is printed from now on, also by libraries that are not Python's; None drops it."""
    target = os.open(os.devnull, os.O_WRONLY) if descriptor is None else descriptor
    for standard in (1, 2):
        os.dup2(target, standard)
    if descriptor is None:
        os.close(target)


def _receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next call and its descriptors; None once nobody will call any more."""
    size, descriptors, _, _ = socket.recv_fds(channel, SIZE_BYTES, MOST_DESCRIPTORS)
    if not size:
        return None
    text, wanted = b"", int.from_bytes(size)
    while len(text) < wanted:
        part = channel.recv(wanted - len(text))
        if not part:
            return None
        text += part
    return json.loads(text), descriptors


def main() -> None:
    """Take calls until the socket is closed."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    # Whoever calls decides what an interruption ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker = Worker()
    signal.signal(signal.SIGTERM, worker.stop)
    while received := _receive(channel):
        request, descriptors = received
        try:
            status = worker.call(request["arguments"], request["environment"], descriptors[0])
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        channel.sendall(f"{status}\n".encode())


if __name__ == "__main__":
    main()
