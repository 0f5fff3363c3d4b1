"""Runs the daily flow in this process and writes down the CPU seconds of its parts.

python -m benchmarks.flow_cpu OUTPUT

The parts are the steps of the run. Each has the CPU seconds of this process and those of dbt's, a child process for all
steps. Writing the data docs, a part of the release, is listed on its own.
"""

import json
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from expectations.runner import Gate
from flows.daily import daily
from flows.steps import dbt
from flows.steps.run import Run

Usage = dict[str, float]


def usage() -> Usage:
    """CPU seconds so far, of this process and of its children, with the calls of dbt that have ended."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    alive = sum(_of_process(worker.process) for worker in dbt._kept)
    return {"own": own.ru_utime + own.ru_stime, "children": children.ru_utime + children.ru_stime + alive}


def _of_process(process: int) -> float:
    """CPU seconds of a process and of its children that have ended."""
    # After the command's name: utime, stime, cutime and cstime are the fields 14 to 17.
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Run the flow with its steps measured."""
    parts: dict[str, Usage] = {}

    @contextmanager
    def measured(name: str) -> Iterator[None]:
        before = usage()
        yield
        after = usage()
        parts[name] = {key: after[key] - before[key] for key in after}

    step, write_docs = Run.step, Gate.write_docs

    @contextmanager
    def measured_step(run: Run, name: str) -> Iterator[None]:
        with measured(name), step(run, name):
            yield

    def measured_docs(gate: Gate, folder: Path) -> None:
        with measured("data docs"):
            write_docs(gate, folder)

    # Methods are replaced on purpose, so that the flow itself knows nothing of being measured.
    Run.step = measured_step  # type: ignore[method-assign]
    Gate.write_docs = measured_docs  # type: ignore[method-assign]
    print(daily())
    Path(sys.argv[1]).write_text(json.dumps(parts))


if __name__ == "__main__":
    main()
