"""Measures what commands cost, and what this process needs in memory."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Cost:
    """What a process and its children took; costs of steps that follow each other can be added.

    Attributes:
        wall: seconds on the clock.
        cpu: seconds of processor time, user and system.
        peak: the largest resident set of any one process, in MiB.
    """

    wall: float
    cpu: float
    peak: float

    def __add__(self, other: "Cost") -> "Cost":
        """The cost of both, one after the other."""
        return Cost(self.wall + other.wall, self.cpu + other.cpu, max(self.peak, other.peak))

    def beyond(self, base: "Cost") -> "Cost":
        """What is left when a base is taken off, below zero where the base was measured in a busier moment."""
        return Cost(self.wall - base.wall, self.cpu - base.cpu, self.peak)


def reset_peak_memory() -> float:
    """Have Linux forget this process's peak so far; returns its resident set now, in MiB."""
    Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def peak_memory() -> float:
    """The largest resident set of this process since its peak was reset, in MiB."""
    return _memory("VmHWM")


def _memory(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1]) / 1024


def run(command: Sequence[str], log: Path, folder: Path = ROOT, environment: Mapping[str, str] | None = None) -> Cost:
    """Run a command to its end, with its output in a log file.

    Raises:
        SystemExit: the command failed; the message holds the end of its output.
    """
    variables = os.environ | {"PYTHONPATH": str(ROOT), "DO_NOT_TRACK": "1"} | dict(environment or {})
    # Python's bytecode is worth seconds to dbt and Prefect.
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        begun = time.monotonic()
        child = subprocess.Popen(command, cwd=folder, env=variables, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"{' '.join(command)}\nended with status {child.returncode}:\n{log.read_text()[-3000:]}")
    return Cost(time.monotonic() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
