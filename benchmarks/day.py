"""Runs one day as the flow does, and measures every step of the run and every node of dbt.

python -m benchmarks.day FOLDER --as-of DAY [--vars YAML]

Warehouse, releases and logs are FOLDER's own. The steps are those of a run, in this process; dbt is a child process
that runs one node at a time (benchmarks.nodes). What the flow itself costs is measured by benchmarks.flow_cpu. The
result is FOLDER/<day>.json.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import yaml

from benchmarks import measure, nodes
from benchmarks.measure import Cost
from benchmarks.nodes import NodeCost
from flows.steps import dbt
from flows.steps.project import Project
from flows.steps.run import Run
from flows.steps.window import Window

# The process that runs nodes, less its nodes.
DBT_ITSELF = "dbt itself"
NOTHING = Cost(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Day:
    """What building, checking and releasing a day cost.

    Attributes:
        steps: of the run, by name, without dbt's processes.
        dbt: its processes, by the step that called them.
        nodes: everything that dbt built or tested.
    """

    steps: dict[str, Cost]
    dbt: dict[str, Cost]
    nodes: list[NodeCost]

    @property
    def whole(self) -> Cost:
        """All steps with dbt's processes; the peak is that of the largest process, while its largest node ran."""
        # The system's own peak of a process is forgotten whenever a node begins.
        of_nodes = Cost(0.0, 0.0, max((node.peak for node in self.nodes), default=0.0))
        return sum((*self.steps.values(), *self.dbt.values()), of_nodes)

    def layers(self) -> dict[str, Cost]:
        """Nodes added up by layer, in the order in which the layers were first built; then what dbt took besides."""
        sums: dict[str, Cost] = {}
        for node in self.nodes:
            spent = Cost(node.wall, node.cpu, node.peak)
            sums[node.layer] = sums.get(node.layer, NOTHING) + spent
        whole = sum(self.dbt.values(), NOTHING)
        in_nodes = sum(sums.values(), NOTHING)
        return {**sums, DBT_ITSELF: Cost(whole.wall - in_nodes.wall, whole.cpu - in_nodes.cpu, 0.0)}

    def cost_of(self, is_meant: Callable[[NodeCost], bool]) -> Cost:
        """What some nodes took together."""
        return sum((Cost(node.wall, node.cpu, node.peak) for node in self.nodes if is_meant(node)), NOTHING)

    def write(self, file: Path) -> None:
        """Keep it."""
        file.write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def read(cls, file: Path) -> "Day":
        """What was kept."""
        kept = json.loads(file.read_text())
        steps, calls = ({name: Cost(**cost) for name, cost in kept[part].items()} for part in ("steps", "dbt"))
        return cls(steps, calls, [NodeCost(**node) for node in kept["nodes"]])


class MeasuredRun(Run):
    """A run that knows what its steps and nodes cost."""

    def __init__(self, project: Project, window: Window, folder: Path) -> None:
        """Nothing is measured yet."""
        super().__init__(project, window, "daily")
        self.folder = folder
        self.cost = Day({}, {}, [])

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """A step, measured without its child processes."""
        wall, cpu = time.monotonic(), time.process_time()
        measure.reset_peak_memory()
        calls = self.cost.dbt.get(name, NOTHING).wall
        with super().step(name):
            yield
        calls = self.cost.dbt.get(name, NOTHING).wall - calls
        spent = Cost(time.monotonic() - wall - calls, time.process_time() - cpu, measure.peak_memory())
        self.cost.steps[name] = spent

    def _run_dbt(self, arguments: Sequence[str], window: Window, more: Mapping[str, str] | None = None) -> None:
        name = str(self.unfinished_step)
        spent, measured = run_dbt(arguments, self.project, window, self.folder, self._environment(more))
        self.cost.dbt[name] = self.cost.dbt.get(name, NOTHING) + spent
        self.cost.nodes.extend(measured)


def run_dbt(
    arguments: Sequence[str], project: Project, window: Window, folder: Path, more: Mapping[str, str] | None = None
) -> tuple[Cost, list[NodeCost]]:
    """Run dbt in a process of its own; returns what the process cost, and each of its nodes."""
    output = folder / "nodes.json"
    command = [sys.executable, "-m", "benchmarks.nodes", str(output), *arguments]
    with dbt.scratch_folder(project.warehouse) as scratch:
        environment = dbt.environment(project, window, more) | {"TMPDIR": str(scratch), **places(folder)}
        spent = measure.run(command, folder / "logs" / "dbt.log", environment=environment)
    return spent, nodes.read(output)


def places(folder: Path) -> dict[str, str]:
    """Where dbt leaves its files, as it finds them in its environment."""
    return {"DBT_TARGET_PATH": str(folder / "target"), "DBT_LOG_PATH": str(folder / "logs")}


def project_in(folder: Path, variables: Mapping[str, object]) -> Project:
    """The project with a warehouse, releases and logs of its own."""
    return Project(dict(variables), folder / "warehouse.duckdb", folder / "serving", folder / "logs")


def run_day(folder: Path, window: Window, variables: Mapping[str, object]) -> Day:
    """Build, check and release a window in a process of its own; returns what it cost."""
    given = ["--first", str(window.first), "--as-of", str(window.last), "--history-start", str(window.history_start)]
    command = [sys.executable, "-m", "benchmarks.day", str(folder), *given, "--vars", yaml.safe_dump(dict(variables))]
    measure.run(command, folder / "logs" / f"{window.last}.log")
    return Day.read(folder / f"{window.last}.json")


def main() -> None:
    """Run the day and write down what it cost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.day", description="A day, measured by step and node.")
    parser.add_argument("folder", type=Path, help="where its warehouse and releases lie")
    for name in ("first", "as-of", "history-start"):
        parser.add_argument(f"--{name}", type=date.fromisoformat, required=True, metavar="DATE")
    parser.add_argument("--vars", metavar="YAML")
    given = parser.parse_args()
    folder = given.folder.resolve()
    os.environ |= places(folder)
    project = project_in(folder, Project.with_vars(given.vars).overrides).checked()
    run = MeasuredRun(project, Window(given.first, given.as_of, given.history_start), folder)
    run.begin()
    try:
        run.build_inputs()
        run.check_inputs()
        run.build_marts()
        run.check_marts()
        run.publish()
    except BaseException as error:
        run.end("failed", str(error))
        raise
    run.end("released")
    run.cost.write(folder / f"{given.as_of}.json")


if __name__ == "__main__":
    main()
