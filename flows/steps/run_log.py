"""The structured log of a run: one JSON object a line, in logs/runs/<run id>.jsonl.

Every line has `at` (UTC) and `event`; the other fields depend on the event::

    run_begun         kind, first_as_of_date, last_as_of_date, sources, code_version, rule_versions, process
    step_begun        step
    node_built        step, node, seconds
    check_not_passed  suite, code, mart, status, severity, observed, expected
    step_ended        step, seconds, succeeded
    warning           message: what went wrong and did not stop the run
    released          release, rows_by_mart
    tidied            what retention removed
    run_ended         status, seconds, step and message of a run that stopped

Two logs have one line only::

    run_stopped       kind, step, message, process: a run that stopped before it had a window
    rolled_back       release, process: readers were given an earlier release

A line is written out before the run goes on, so the log of a run that was killed ends where the run did.
"""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class JsonLines(logging.Formatter):
    """Formats a record, whose message is the name of an event, with its fields, given as `extra={"fields": ...}`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        return json.dumps({"at": at, "event": record.getMessage(), **record.fields}, default=str)


class _File(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:
        """A full disk stops the run where it writes data, with a message; the log says no more."""


class RunLog:
    """The log file of one run. Where the folder cannot be written there is none, and the run goes on."""

    def __init__(self, folder: Path, run_id: str) -> None:
        """Open the file."""
        self.path = log_file(folder, run_id)
        self._logger = logging.getLogger(f"tessera.run.{run_id}")
        self._logger.setLevel(logging.INFO)
        self._logger.propagate = False
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._handler: logging.Handler = _File(self.path, encoding="utf-8")
        except OSError:
            self._handler = logging.NullHandler()
        self._handler.setFormatter(JsonLines())
        self._logger.addHandler(self._handler)

    @property
    def is_written(self) -> bool:
        """Whether there is a file."""
        return isinstance(self._handler, logging.FileHandler)

    def write(self, event: str, **fields: Any) -> None:
        """Write a line."""
        self._logger.info(event, extra={"fields": fields})

    def close(self) -> None:
        """Close the file."""
        self._logger.removeHandler(self._handler)
        self._handler.close()


def log_file(folder: Path, run_id: str) -> Path:
    """Where the log of a run lies in the folder of logs."""
    return folder / "runs" / f"{run_id}.jsonl"


def read_events(file: Path) -> list[dict[str, Any]]:
    """The events of a log file, in order; none where there is no file. A line that was cut off is left out."""
    events = []
    if file.is_file():
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                events.append(json.loads(line))
            except json.JSONDecodeError:
                continue
    return events


def forget_logs(folder: Path, before: datetime) -> list[Path]:
    """Remove the logs of runs, and those that dbt has rotated, last written before a time; returns them."""
    old = [
        file
        for file in [*folder.glob("runs/*.jsonl"), *folder.glob("dbt.log*")]
        if datetime.fromtimestamp(file.stat().st_mtime, UTC) < before
    ]
    for file in old:
        file.unlink()
    return old
