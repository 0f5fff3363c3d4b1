"""One run from inputs to release, step by step; the flows wrap these steps."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import duckdb
import yaml

from expectations.parameters import InputParameters, Parameters
from expectations.runner import CheckResult, Gate, describe, failures
from flows.steps import dbt, operations_log, release
from flows.steps.errors import RunStopped
from flows.steps.project import ROOT, Project
from flows.steps.window import Window, published_date

Kind = Literal["daily", "catch-up", "backfill"]


@dataclass
class Run:
    """A run under way.

    Attributes:
        project: what it runs on.
        window: the days it builds.
        kind: daily, catch-up or backfill.
        report: called with every line of progress.
        seconds: time spent, by step.
        results: what the checks found so far.
    """

    project: Project
    window: Window
    kind: Kind
    report: Callable[[str], None] = print
    seconds: dict[str, float] = field(default_factory=dict)
    results: list[CheckResult] = field(default_factory=list)
    started_at: datetime = field(default_factory=operations_log.utc_now)
    _gate: Gate | None = None

    @property
    def run_id(self) -> str:
        """The run's name: the time it started, so that names sort by time."""
        return f"{self.started_at:%Y%m%dT%H%M%SZ}"

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step and announce it."""
        self.report(f"{name} ...")
        begun = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - begun

    def build_inputs(self) -> None:
        """Build staging and conformed models and what the input checks look at."""
        with self.step("inputs"):
            arguments = dbt.dbt_arguments("build", self.project, select=dbt.INPUTS)
            dbt.run_dbt(arguments, self.project, self.window, self.report)

    def check_inputs(self) -> None:
        """Judge the inputs.

        Raises:
            RunStopped: a check of severity error did not pass.
        """
        with self.step("input checks"):
            zone = ZoneInfo(self.project.vars["timezone"])
            clock = datetime.now(UTC).astimezone(zone).replace(tzinfo=None)
            self._judge(self.gate.run("inputs", not_after=clock))

    def build_marts(self) -> None:
        """Build features, segmentations, history and marts, in chunks of days where the window is long."""
        with self.step("models"):
            arguments = dbt.dbt_arguments("build", self.project, exclude=dbt.INPUTS)
            chunks = list(self.window.chunks(self.chunk_days()))
            for number, chunk in enumerate(chunks, start=1):
                if len(chunks) > 1:
                    self.report(f"days {chunk}, part {number} of {len(chunks)}")
                dbt.run_dbt(arguments, self.project, chunk, self.report)

    def check_marts(self) -> None:
        """Judge the marts.

        Raises:
            RunStopped: a check of severity error did not pass.
        """
        with self.step("mart checks"):
            self._judge(self.gate.run("marts", segments=defined_segments(self.project)))

    def publish(self) -> Path:
        """Release the marts and write the run down; returns the release's folder."""
        with self.step("release"):
            self.log("released")
            return release.publish(
                warehouse=self.project.warehouse,
                serving=self.project.serving,
                as_of_date=self.window.last,
                run_id=self.run_id,
                code_version=self.project.code_version,
                sources=self.project.vars["sources"],
                keep=int(self.project.vars["releases_kept"]),
                write_pages=self._write_pages,
            )

    def _write_pages(self, folder: Path) -> None:
        # Imported on use, for the libraries that draw take seconds.
        from flows.report import page

        self.gate.write_docs(folder / "data_docs")
        page.write(
            folder / "tessera.duckdb",
            folder / "report",
            name=f"{self.window.last}-{self.run_id}",
            previous_as_of=published_date(self.project),
        )

    def log(self, status: str, message: str | None = None) -> None:
        """Write the run into the log of runs."""
        rows = json.dumps(mart_rows(self.project.warehouse)) if status == "released" else None
        operations_log.log_run(
            self.project.warehouse,
            operations_log.Run(
                run_id=self.run_id,
                first_as_of_date=self.window.first,
                last_as_of_date=self.window.last,
                kind=self.kind,
                status=status,
                message=message,
                started_at=self.started_at,
                ended_at=operations_log.utc_now(),
                code_version=self.project.code_version,
                rows_by_mart=rows,
            ),
        )

    @property
    def gate(self) -> Gate:
        """The checks; made on first use, for it takes seconds."""
        if self._gate is None:
            is_number = self.project.vars["customer_id_type"] == "bigint"
            inputs = InputParameters(customer_id_is_number=is_number)
            self._gate = Gate(self.project.warehouse, Parameters(inputs=inputs))
        return self._gate

    def chunk_days(self) -> int:
        """How many days to build at a time, so that a part has about vars: chunk_customer_days rows."""
        with duckdb.connect(str(self.project.warehouse), read_only=True) as connection:
            customers = connection.table("conformed.customers").count("*").fetchone()[0]
        return max(1, int(self.project.vars["chunk_customer_days"]) // max(customers, 1))

    def _judge(self, results: list[CheckResult]) -> None:
        self.results += results
        operations_log.log_checks(self.project.warehouse, self.run_id, results)
        for result in results:
            if result.status != "passed" and result.severity == "warning":
                self.report(f"warning: {describe(result)}")
        failed = failures(results)
        if failed:
            raise RunStopped("\n".join(describe(result) for result in failed))


def mart_rows(warehouse: Path) -> dict[str, int]:
    """Rows of every mart, by name."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        marts = release.mart_names(connection, warehouse.stem)
        return {mart: len(connection.sql(f"from marts.{mart}")) for mart in marts}


def defined_segments(project: Project) -> dict[str, list[str]]:
    """The segments of every segmentation whose history is kept, as their YAML lists them."""
    segments = {}
    for path in sorted((ROOT / "models" / "segmentations").glob("*.yml")):
        for model in yaml.safe_load(path.read_text()).get("models", []):
            definition = model.get("config", {}).get("meta", {}).get("segmentation")
            if definition and model["name"] in project.vars["segmentations"]:
                segments[model["name"]] = [segment["name"] for segment in definition["segments"]]
    return segments
