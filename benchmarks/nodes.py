"""Runs dbt in this process and measures every node: model, seed, test and hook.

python -m benchmarks.nodes OUTPUT DBT-ARGUMENT...

One node runs at a time, so that its processor time and its peak memory are its own; DuckDB still uses every core. The
hooks of a model count as part of it. OUTPUT gets a list of nodes as JSON; what dbt needs around them is the process's
cost less theirs.
"""

import json
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import peak_memory, reset_peak_memory

CHECKS_OF_INPUTS = "checks/inputs"


@dataclass(frozen=True)
class NodeCost:
    """What a node took.

    Attributes:
        name: as dbt calls it; the hooks of a project by their place.
        layer: the folder of models that it is in; ``tests``, ``hooks`` or ``seeds``.
        wall: seconds on the clock.
        cpu: seconds of processor time, of all threads.
        peak: the largest resident set while it ran, in MiB; what nodes before it left in memory is in it.
        start: the resident set when it began, in MiB.
    """

    name: str
    layer: str
    wall: float
    cpu: float
    peak: float
    start: float


def read(file: Path) -> list[NodeCost]:
    """The nodes that a process wrote."""
    return [NodeCost(**node) for node in json.loads(file.read_text())]


class Meter:
    """Hears dbt's events, and measures from the beginning of a node to its end."""

    def __init__(self) -> None:
        """Nothing is measured yet."""
        self.nodes: list[NodeCost] = []
        self._lock = threading.Lock()
        self._begun: dict[str, tuple[float, float, float]] = {}

    def hear(self, event: Any) -> None:
        """Take note of an event."""
        name = event.info.name
        if name in ("NodeStart", "LogHookStartLine"):
            self._begin(event.data.node_info.unique_id or event.data.statement)
        elif name in ("NodeFinished", "LogHookEndLine"):
            self._end(event.data.node_info, event.data)

    def _begin(self, node: str) -> None:
        with self._lock:
            self._begun[node] = (time.monotonic(), time.process_time(), reset_peak_memory())

    def _end(self, node: Any, data: Any) -> None:
        wall, cpu = time.monotonic(), time.process_time()
        peak = peak_memory()
        unique_id = node.unique_id or data.statement
        with self._lock:
            begun = self._begun.pop(unique_id, None)
            if begun:
                name, layer = _name_and_layer(node, unique_id)
                self.nodes.append(NodeCost(name, layer, wall - begun[0], cpu - begun[1], peak, begun[2]))


def _name_and_layer(node: Any, unique_id: str) -> tuple[str, str]:
    kind = unique_id.split(".")[0]
    name = node.node_name or unique_id
    if kind in ("test", "unit_test"):
        return name, "tests"
    if kind == "seed":
        return name, "seeds"
    if kind != "model":
        return name, "hooks"
    folder = node.node_path
    return name, CHECKS_OF_INPUTS if folder.startswith(CHECKS_OF_INPUTS) else folder.split("/")[0]


def main() -> int:
    """Run dbt with these arguments; its exit status is that of dbt."""
    from dbt.cli.main import dbtRunner

    output, arguments = Path(sys.argv[1]), sys.argv[2:]
    meter = Meter()
    done = dbtRunner(callbacks=[meter.hear]).invoke([*arguments, "--threads", "1"])
    output.write_text(json.dumps([asdict(node) for node in meter.nodes]))
    if done.exception:
        print(done.exception, file=sys.stderr)
    return 0 if done.success else 1


if __name__ == "__main__":
    sys.exit(main())
