"""Measures a day of the demo: the command as people run it, its parts, and every node of dbt.

python -m benchmarks.demo

Builds the demo up to the last day but one, then, each from the same state: the last day by the flow, as a whole and by
part (benchmarks.flow_cpu), and by node (benchmarks.day); at the end the command once more, which finds nothing to do.
Everything stays in build/bench/demo.
"""

import json
import os
import shutil
import sys
from datetime import date

from benchmarks import measure
from benchmarks.company import FOLDER
from benchmarks.console import CONSOLE, figures, print_load, print_nodes, table_of
from benchmarks.day import places, project_in, run_day
from flows.steps.window import Window, built_days

DEMO = FOLDER / "demo"
DAY_BEFORE, LAST_DATE = date(2017, 12, 30), date(2017, 12, 31)
STATE = ("warehouse.duckdb", "serving")


def keep(source: str, target: str) -> None:
    """Copy the warehouse and the releases from one folder to another."""
    shutil.rmtree(DEMO / target, ignore_errors=True)
    (DEMO / target).mkdir(parents=True)
    shutil.copyfile(DEMO / source / STATE[0], DEMO / target / STATE[0])
    shutil.copytree(DEMO / source / STATE[1], DEMO / target / STATE[1], symlinks=True)


def environment(folder: str) -> dict[str, str]:
    """The environment of a command that works in a folder."""
    project = project_in(DEMO / folder, {})
    return {
        "TESSERA_WAREHOUSE": str(project.warehouse),
        "TESSERA_SERVING": str(project.serving),
        "TESSERA_LOGS": str(project.logs),
        **places(DEMO / folder),
    }


def main() -> int:
    """Measure and print."""
    print_load()
    shutil.rmtree(DEMO, ignore_errors=True)
    flow = [sys.executable, "-m", "flows.daily"]
    log = DEMO / "logs"
    history = measure.run([*flow, "--as-of", str(DAY_BEFORE)], log / "history.log", environment=environment("before"))
    for name in ("flow", "nodes"):
        keep("before", name)
        # dbt parses a project only where it finds no earlier parse.
        shutil.copytree(DEMO / "before" / "target", DEMO / name / "target")
    parts_file = DEMO / "parts.json"
    command = [sys.executable, "-m", "benchmarks.flow_cpu", str(parts_file)]
    one_day = measure.run(command, log / "day.log", environment=environment("flow"))
    nothing = measure.run(flow, log / "nothing.log", environment=environment("flow"))
    table = table_of(f"The demo on {LAST_DATE}", "", "wall s", "CPU s", "peak MiB")
    table.add_row(f"the history before it ({DAY_BEFORE})", *figures(history))
    table.add_row("one day", *figures(one_day))
    table.add_row("nothing to do", *figures(nothing))
    CONSOLE.print(table)
    parts = json.loads(parts_file.read_text())
    table = table_of("Where the day's CPU seconds go", "", "this process", "dbt and other processes")
    for name, part in parts.items():
        table.add_row(name, f"{part['own']:.1f}", f"{part['children']:.1f}")
    elsewhere = one_day.cpu - sum(part["own"] + part["children"] for part in parts.values())
    table.add_row("around the steps: start, imports, end", f"{elsewhere:.1f}", "")
    CONSOLE.print(table)
    os.environ |= environment("nodes")
    first: date = built_days(DEMO / "nodes" / STATE[0])[0]
    print_nodes({"one day": run_day(DEMO / "nodes", Window(LAST_DATE, LAST_DATE, first), {})})
    return 0


if __name__ == "__main__":
    sys.exit(main())
