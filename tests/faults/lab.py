"""A place where one run at a time is disturbed, and what is looked at afterwards.

A bench has a fixed folder, since dbt parses the project again where a path changes: the shop's files, a warehouse, the
releases, dbt's target, logs and temporary files. Every case starts from the same published base and the same target.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import duckdb
import yaml

from flows.steps.databases import file_text
from flows.steps.project import ROOT
from tests.faults.child import STOPPED
from tests.python.shop import LATE_DAY, TAKEN_OUT, add_late_rows, shop_vars, take_out, write_shop

PUBLISHED = date(2024, 4, 9)
NEXT_DAY = PUBLISHED + timedelta(days=1)
RUN_LIMIT = 900
MARK = "TESSERA_FAULTS_BENCH"


# What is done to a run: gets the bench and the process.
Act = Callable[["Bench", subprocess.Popen], None]


@dataclass(frozen=True)
class Command:
    """A flow that is run.

    Attributes:
        name: what it does, as the report calls it.
        module: what `python -m` runs.
        arguments: added to the vars; {files} is the folder of the delivered files.
        deliver: changes the delivered files, so that there is something to do.
    """

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    deliver: Callable[[Path], object] = lambda files: None


DAILY = Command("daily run", "flows.daily")
RESTATEMENT = Command(
    "restatement",
    "flows.backfill",
    ("--restate", "--first", str(LATE_DAY), "--reason", "orders came late"),
    add_late_rows,
)


def ask_for_erasure(files: Path) -> None:
    """Take customers out of the delivered files, and list them in one beside these."""
    take_out(files, TAKEN_OUT)
    (files / "erase.txt").write_text("".join(f"{customer}\n" for customer in TAKEN_OUT))


ERASURE = Command(
    "erasure",
    "flows.erase",
    ("--customers", "{files}/erase.txt", "--reason", "asked for it"),
    ask_for_erasure,
)


@dataclass
class Place:
    """Where in a run something is done: after a line of its output, or right before an audit event; then a delay.

    With neither, the delay counts from the start of the process.
    """

    line: str | None = None
    event: str | None = None
    match: str = ""
    delay: float = 0.0
    raises: str | None = None

    def is_reached(self, output: str) -> bool:
        """Whether a run that has printed this is there."""
        if self.event:
            return STOPPED in output
        return not self.line or re.search(self.line, output, re.MULTILINE) is not None

    def for_child(self) -> str:
        """The part that the child has to know."""
        place = {"event": self.event, "match": self.match} if self.event else {}
        return json.dumps(place | ({"raises": self.raises} if self.raises else {}))


@dataclass
class Ended:
    """How a run ended: its status, what it printed, its seconds, and whether the chosen place was reached."""

    status: int
    output: str
    seconds: float
    reached: bool

    @property
    def message(self) -> str:
        """Why a run stopped, or its last line where it crashed."""
        _, found, message = self.output.partition("\nStopped: ")
        return message.strip() if found else (self.output.strip().splitlines() or [""])[-1]


@dataclass
class Bench:
    """A folder with a shop whose days up to PUBLISHED are released and whose next day waits."""

    folder: Path
    base: Path
    api_port: int | None = None
    without_root: bool = field(default_factory=lambda: os.geteuid() == 0)
    target: Path = Path()

    def __post_init__(self) -> None:
        """Put dbt's artifacts into the folder, if nowhere else."""
        self.target = self.target if self.target.name else self.folder / "target"

    @property
    def api_url(self) -> str:
        """Prefect's API that runs use; empty if they use none."""
        return f"http://127.0.0.1:{self.api_port}/api" if self.api_port else ""

    @property
    def files(self) -> Path:
        """The delivered files."""
        return self.folder / "files"

    @property
    def warehouse(self) -> Path:
        """The warehouse's file."""
        return self.folder / "warehouse" / "tessera.duckdb"

    @property
    def serving(self) -> Path:
        """The folder of the releases."""
        return self.folder / "serving"

    def lay_out(self, last: date = NEXT_DAY, command: Command = DAILY) -> None:
        """Put everything as it is before the run: the base's warehouse, releases and target, and files up to `last`.

        The files are those that the command is there for.
        """
        for name in ("files", "warehouse", "serving", "target", "logs", "tmp"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for name in ("warehouse", "serving"):
            if (self.base / name).exists():
                shutil.copytree(self.base / name, self.folder / name, symlinks=True)
        kept = self.folder / "kept_target"
        if kept.exists():
            shutil.copytree(kept, self.target)
        (self.folder / "tmp").mkdir(parents=True)
        write_shop(self.files, last)
        command.deliver(self.files)

    def keep_target(self) -> None:
        """Remember what dbt parsed, for the next layouts."""
        shutil.rmtree(self.folder / "kept_target", ignore_errors=True)
        shutil.copytree(self.target, self.folder / "kept_target")

    def environment(self, api_url: str) -> dict[str, str]:
        """The variables of a run on this bench."""
        variables = os.environ | {
            "TESSERA_WAREHOUSE": str(self.warehouse),
            "TESSERA_SERVING": str(self.serving),
            "TESSERA_LOGS": str(self.folder / "logs"),
            "DBT_TARGET_PATH": str(self.target),
            "DBT_LOG_PATH": str(self.folder / "logs"),
            "PREFECT_HOME": str(self.folder / "prefect"),
            "TMPDIR": str(self.folder / "tmp"),
            "PYTHONPATH": str(ROOT),
            MARK: str(self.folder),
        }
        variables.pop("PYTHONDONTWRITEBYTECODE", None)
        variables.pop("PREFECT_API_URL", None)
        return variables | ({"PREFECT_API_URL": api_url} if api_url else {})

    def run(
        self,
        place: Place | None = None,
        act: Act | None = None,
        *,
        command: Command = DAILY,
        api_url: str | None = None,
    ) -> Ended:
        """Run a flow in a process group of its own, and act at a place.

        Args:
            place: where `act` is called.
            act: gets the bench and the process, which is stopped (SIGSTOP) where the place is an audit event.
            command: which flow.
            api_url: Prefect's API instead of the bench's; empty for none.
        """
        place = place or Place()
        words = [sys.executable, "-m", "tests.faults.child", place.for_child(), command.module]
        words += [
            "--vars",
            yaml.safe_dump(shop_vars(self.files)),
            *(argument.format(files=self.files) for argument in command.arguments),
        ]
        if self.without_root:
            # Root may read and write anything: a run as it would be started by anybody else.
            words = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *words]

        log = self.folder / "output.log"
        begun = time.monotonic()
        # Into a file: a pipe would be held open by whatever outlives the run.
        with log.open("w") as output:
            process = subprocess.Popen(
                words,
                cwd=ROOT,
                env=self.environment(self.api_url if api_url is None else api_url),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        reached = False
        try:
            while process.poll() is None:
                if time.monotonic() - begun > RUN_LIMIT:
                    raise TimeoutError(f"The run has not ended within {RUN_LIMIT} seconds; see {log}.")
                if act and not reached and place.is_reached(log.read_text()):
                    reached = True
                    if place.event and place.delay:
                        process.send_signal(signal.SIGCONT)
                    time.sleep(place.delay)
                    act(self, process)
                    with suppress(ProcessLookupError):
                        process.send_signal(signal.SIGCONT)
                time.sleep(0.01)
        finally:
            if process.poll() is None:
                kill(process, group=True)
        return Ended(process.returncode, log.read_text(), time.monotonic() - begun, reached)

    def processes(self) -> list[str]:
        """The processes that a run on this bench has left, each as its id and command."""
        found = []
        mark = f"{MARK}={self.folder}\0".encode()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    if mark in (entry / "environ").read_bytes() + b"\0":
                        command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                        found.append(f"{entry.name} {command.strip()[:120]}")
        return found


def kill(process: subprocess.Popen, *, group: bool) -> None:
    """End a run by SIGKILL, alone or with all processes of its group, and wait until it is gone."""
    if group:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def current_problem(bench: Bench, days: Mapping[date, str]) -> tuple[str, str | None]:
    """Which release is current, by `days`, and what is wrong with it: a release is whole or it is a fault."""
    try:
        release = (bench.serving / "current").resolve(strict=True)
        manifest = json.loads((release / "manifest.json").read_text())
        with duckdb.connect(str(release / "tessera.duckdb"), read_only=True) as connection:
            tables = {name for (name,) in connection.sql("select table_name from duckdb_tables()").fetchall()}
            rows = {mart: _count(connection, f"marts.{mart}") for mart in tables}
            files = {
                path.stem: _count(connection, f"read_parquet({file_text(path)})")
                for path in sorted((release / "parquet").iterdir())
            }
    except (OSError, ValueError, duckdb.Error) as error:
        return "broken", f"current cannot be read: {str(error).splitlines()[0]}"
    if not rows or not manifest["rows_by_mart"] == rows == files:
        return "broken", "rows differ between manifest, database and Parquet"
    if not (release / "data_docs" / "index.html").stat().st_size:
        return "broken", "data docs are empty"
    which = days.get(date.fromisoformat(manifest["as_of_date"]))
    return (which, None) if which else ("broken", f"as of {manifest['as_of_date']}, which nobody asked for")


def _count(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    # Every column is read, not only the number of rows: a torn file shows in its data.
    rows = connection.sql(f"select count(*), bit_xor(hash(t)) from {relation} as t").fetchone()
    assert rows is not None
    return rows[0]


def mart_differences(serving: Path, reference: Path) -> list[str]:
    """The marts of two current releases that differ in a row, but those that tell of the runs themselves."""
    databases = [(folder / "current" / "tessera.duckdb").resolve() for folder in (serving, reference)]
    return _differences(*databases, leave_out=("marts.ops_",))


def warehouse_differences(warehouse: Path, reference: Path) -> list[str]:
    """The schemas, tables and columns of two warehouses that are not in both, and the tables that differ in a row."""
    return _differences(warehouse, reference, leave_out=("marts.ops_", "operations."))


def _differences(one: Path, other: Path, leave_out: tuple[str, ...]) -> list[str]:
    with duckdb.connect() as connection:
        connection.execute(f"attach {file_text(one)} as tessera (read_only)")
        connection.execute(f"attach {file_text(other)} as reference (read_only)")
        columns = {
            catalog: {
                (f"{schema}.{table}", column, kind)
                for schema, table, column, kind in connection.sql(
                    "select schema_name, table_name, column_name, data_type from duckdb_columns() "
                    f"where database_name = '{catalog}' and not internal"
                ).fetchall()
            }
            for catalog in ("tessera", "reference")
        }
        found = [f"{table}.{column}" for table, column, _ in sorted(columns["tessera"] ^ columns["reference"])]
        schemas = [
            {
                name
                for (name,) in connection.sql(
                    f"select schema_name from duckdb_schemas() where database_name = '{c}'"
                ).fetchall()
            }
            for c in ("tessera", "reference")
        ]
        found += sorted(schemas[0] ^ schemas[1])
        tables = connection.sql(
            "select schema_name, table_name from duckdb_tables() where database_name = 'reference' order by all"
        ).fetchall()
        for schema, table in tables:
            name = f"{schema}.{table}"
            if name.startswith(leave_out) or any(name in difference for difference in found):
                continue
            pairs = (("tessera", "reference"), ("reference", "tessera"))
            rows = sum(
                connection.sql(f"select count(*) from (from {a}.{name} except all from {b}.{name})").fetchone()[0]
                for a, b in pairs
            )
            if rows:
                found.append(f"{name}: {rows} rows")
    return found


def strays(bench: Bench, reference: "Bench") -> list[str]:
    """What lies about after a run and does not after an undisturbed one: files, folders, links and processes."""
    found = []
    for name in ("warehouse", "tmp", "target"):
        ours, theirs = (_names(side.folder / name) for side in (bench, reference))
        found += [f"{name}/{path}" for path in sorted(ours ^ theirs)]
    expected = sorted(path.name for path in reference.serving.iterdir())
    found += [f"serving/{path.name}" for path in bench.serving.iterdir() if path.name not in expected]
    releases = [path.name for path in (bench.serving / "releases").iterdir()]
    known = len(list((reference.serving / "releases").iterdir()))
    if len(releases) != known or not all(re.fullmatch(r"\d{4}-\d\d-\d\d-\d{8}T\d{6}Z", name) for name in releases):
        found.append(f"releases: {', '.join(sorted(releases))}")
    deadline = time.monotonic() + 10
    while (left := bench.processes()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found + [f"process {process}" for process in left]


def _names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def unfinished_runs(warehouse: Path) -> list[str]:
    """What the log of runs says wrongly: runs that are still called under way, or a last one that is not released."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        runs = connection.sql("select run_id, status from operations.runs order by run_id").fetchall()
    wrong = [f"{run} {status}" for run, status in runs if status not in ("released", "failed", "interrupted")]
    return wrong + ([] if runs and runs[-1][1] == "released" else ["the last run is not called released"])
