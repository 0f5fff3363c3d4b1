"""Calls dbt, which is a child process, with progress, and says what stopped it."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from flows.steps.dbt_worker import SIZE_BYTES
from flows.steps.errors import RunStopped, without_values
from flows.steps.lock import LOCK_CONFLICT, held_open, lock_descriptors
from flows.steps.places import try_to_remove
from flows.steps.project import ROOT, Project
from flows.steps.settings import plain
from flows.steps.window import Window

# The part of the project that has to hold before the inputs can be judged.
INPUTS = ("path:seeds", "path:models/staging", "path:models/conformed", "path:models/checks/inputs")

# Models that keep days, and what they are made of. Everything else is about the last day.
KEEPS_DAYS = "config.materialized:incremental"
EVERY_DAY = (f"+{KEEPS_DAYS}",)

# The first line of dbt's message about a failed node.
BEGINS_A_NODE = re.compile(r"(Failure|Error) in (model|test|seed|snapshot|unit_test|operation) ")

Report = Callable[[str], None]


@dataclass(frozen=True)
class Node:
    """A model or seed that dbt built: its name and seconds, and its place among all nodes of the call."""

    name: str
    seconds: float
    index: int
    total: int


def dbt_arguments(command: str, project: Project, select: Sequence[str] = (), exclude: Sequence[str] = ()) -> list[str]:
    """The arguments of a dbt call that the flows make."""
    arguments = [command, "--project-dir", str(ROOT), "--profiles-dir", str(ROOT)]
    if project.overrides:
        arguments += ["--vars", json.dumps(plain(project.overrides), sort_keys=True)]
    if command in ("build", "test"):
        arguments += ["--exclude-resource-type", "unit_test", "--fail-fast"]
        # A test waits until all that it reads is built, and is left out only with all of it.
        arguments += ["--indirect-selection", "cautious"]
    if select:
        arguments += ["--select", *select]
    if exclude:
        arguments += ["--exclude", *exclude]
    return arguments


def environment(project: Project, window: Window, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment in which dbt's models and tests find the days that they are about, and `more`."""
    found = os.environ | {
        "TESSERA_WAREHOUSE": str(project.warehouse),
        "TESSERA_FIRST_DATE": str(window.first),
        "TESSERA_LAST_DATE": str(window.last),
        "TESSERA_HISTORY_START": str(window.history_start),
        "DBT_LOG_PATH": os.environ.get("DBT_LOG_PATH", str(project.logs)),
    }
    return _with_bytecode(found | dict(more or {}))


def _with_bytecode(variables: Mapping[str, str]) -> dict[str, str]:
    """An environment in which Python writes its bytecode, which is worth seconds to dbt."""
    return {name: value for name, value in variables.items() if name != "PYTHONDONTWRITEBYTECODE"}


def run_dbt(
    arguments: Sequence[str],
    project: Project,
    window: Window,
    report: Report,
    on_node: Callable[[Node], None] = lambda _node: None,
    more: Mapping[str, str] | None = None,
) -> list[Node]:
    """Run dbt on a window of days and report every node when it is done, in words and to `on_node`.

    Models and tests find the window in their environment, and `more`.

    Raises:
        RunStopped: dbt failed; the message is dbt's own, without the decoration.
    """
    project.warehouse.parent.mkdir(parents=True, exist_ok=True)
    nodes: list[Node] = []
    errors: list[str] = []
    with dbt_worker() as worker, scratch_folder(project.warehouse) as scratch:
        call = worker.call(arguments, environment(project, window, more) | {"TMPDIR": str(scratch)})
        for line in call:
            node, error = read_event(line)
            if error:
                errors.append(error)
            if node:
                nodes.append(node)
                on_node(node)
                report(f"  {node.index:3}/{node.total}  {node.seconds:6.1f} s  {node.name}")
    if call.status != 0:
        message = readable_errors(errors) or f"dbt ended with status {call.status} and said nothing."
        raise RunStopped(with_remedy(message, project.warehouse))
    return nodes


class Call:
    """A call of dbt that is running: iterating gives what it writes, line by line; then there is its exit status."""

    def __init__(self, worker: "Worker", output: int) -> None:
        """Take over the descriptor that the output can be read from."""
        self._worker = worker
        self._output = output
        self.status: int | None = None

    def __iter__(self) -> Iterator[str]:
        """The lines; whoever stops reading before the end stops the call."""
        try:
            with os.fdopen(self._output, encoding="utf-8", errors="replace") as lines:
                yield from lines
            self.status = self._worker.ended()
        except BaseException:
            self._worker.stop()
            raise


class Worker:
    """A child process with dbt in it, see dbt_worker.py; it is started when it is made, and takes one call at a time.

    It ends with this process, however that ends.
    """

    def __init__(self) -> None:
        """Start it; it imports dbt while this process continues."""
        self._channel, there = socket.socketpair()
        # No `with` (SIM115): it is closed when the worker ends.
        self._said = tempfile.TemporaryFile()  # noqa: SIM115
        with there:
            self._process = subprocess.Popen(
                [*dies_with_parent(), sys.executable, "-m", "flows.steps.dbt_worker", str(there.fileno())],
                cwd=ROOT,
                env=_with_bytecode(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._said,
                pass_fds=[there.fileno()],
            )

    @property
    def process(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it can take a call."""
        return self._process.poll() is None

    def call(self, arguments: Sequence[str], environment: Mapping[str, str]) -> Call:
        """Begin a call."""
        text = json.dumps({"arguments": list(arguments), "environment": dict(environment)}).encode()
        output, there = os.pipe()
        try:
            # Where the call outlives this process all the same, the warehouse stays locked until it ends.
            descriptors = [there, *lock_descriptors()]
            with suppress(BrokenPipeError):
                socket.send_fds(self._channel, [len(text).to_bytes(SIZE_BYTES)], descriptors)
                self._channel.sendall(text)
        finally:
            os.close(there)
        return Call(self, output)

    def ended(self) -> int:
        """The status of the call that has ended."""
        with suppress(ConnectionError):
            if told := self._channel.recv(64):
                return int(told)
        status = self._process.wait()
        self._said.seek(0)
        said = self._said.read().decode(errors="replace").strip().splitlines()
        raise RunStopped(f"dbt's process ended with status {status}. It said last: {' '.join(said[-3:]) or 'nothing'}")

    def stop(self) -> None:
        """End it, and the call that is running, if there is one."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._channel.close()
        self._said.close()


_kept: list[Worker] = []
_users = 0


@contextmanager
def dbt_worker() -> Iterator[Worker]:
    """A worker for the calls of dbt in the block; blocks within others have the same one.

    So a run has one, and tests can have one for many runs.
    """
    global _users
    if _kept and not _kept[0].is_alive:
        _kept.pop().stop()
    if not _kept:
        _kept.append(Worker())
    _users += 1
    try:
        yield _kept[0]
    finally:
        _users -= 1
        if not _users:
            _kept.pop().stop()


@contextmanager
def scratch_folder(warehouse: Path) -> Iterator[Path]:
    """A folder for temporary files, gone afterwards: where DuckDB puts what does not fit into memory.

    Python models are written to a temporary file each, and leave it and its bytecode.
    """
    folder = Path(f"{warehouse}.tmp")
    # If a link is in its place, its target is somebody else's.
    try_to_remove(folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        try_to_remove(folder)


def with_remedy(message: str, warehouse: Path) -> str:
    """Dbt's message, with what to do where the trouble is not in the project."""
    for line in message.splitlines():
        if LOCK_CONFLICT in line:
            # Around it is dbt's call stack.
            return held_open(warehouse, line)
    if "No space left on device" in message:
        return f"{message}\nMake room where {warehouse} lies, and run again."
    return message


def dies_with_parent() -> list[str]:
    """The beginning of a command that ends when this process does, however it ends; empty where Linux's is missing."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


def read_event(line: str) -> tuple[Node | None, str | None]:
    """One line of dbt's JSON log, as a node that ended or an error, if it is one of these."""
    try:
        event = json.loads(line)
    except json.JSONDecodeError:
        return None, line.strip() or None
    info, data = event["info"], event.get("data", {})
    if info["name"] in ("LogModelResult", "LogSeedResult") and data["node_info"]["node_status"] == "success":
        relation = data["node_info"]["node_relation"]
        return Node(
            name=f"{relation['schema']}.{relation['alias']}",
            seconds=float(data["execution_time"]),
            index=data["index"],
            total=data["total"],
        ), None
    if info["level"] == "error":
        return None, without_values(info["msg"])
    return None, None


def readable_errors(errors: Sequence[str]) -> str:
    """Dbt's error messages without colours, call stacks, counts and paths of compiled code.

    What failed by itself comes first: other nodes were interrupted because of it.
    """
    told: list[list[str]] = [[]]
    for error in errors:
        plain_text = without_values(error).replace("\x1b[31m", "").replace("\x1b[0m", "").replace("\x1b[33m", "")
        if BEGINS_A_NODE.match(plain_text.strip()) and not plain_text.startswith(" "):
            told.append([])
        told[-1] += plain_text.splitlines()
    before, *nodes = told
    kept: list[str] = []
    for lines in (before, *sorted(nodes, key=_was_interrupted)):
        for line in lines:
            text = line.strip()
            noise = (
                not text
                or text.startswith(("> in macro", "> called by", "compiled code at", "Done.", "Encountered an error"))
                or " ERROR creating " in text
                or " FAIL " in text
                or text.startswith("CANCEL ")
                or text.startswith("Completed with")
            )
            if not noise and text not in kept:
                kept.append(text)
    return "\n".join(kept)


def _was_interrupted(lines: Sequence[str]) -> bool:
    return any("INTERRUPT Error" in line for line in lines)
