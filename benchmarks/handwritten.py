"""Features and segments written by hand, that the models are measured beside and compared with, row for row."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from shutil import rmtree
from typing import ClassVar

import duckdb

from benchmarks import measure
from benchmarks.company import Company
from benchmarks.measure import Cost
from benchmarks.run_sql import run_sql

HERE = Path(__file__).resolve().parent
SLICE_DAYS = 60


class Script(ABC):
    """A way to compute features and segments from the company's files; it keeps customer days of its own."""

    name: ClassVar[str]

    def __init__(self, company: Company) -> None:
        """Keep everything in the company's folder."""
        self.company = company

    @abstractmethod
    def days(self, first: date, last: date) -> Cost:
        """Append customer days from the lines."""

    @abstractmethod
    def features(self, day: date) -> Cost:
        """Compute features and segments from customer days."""

    @abstractmethod
    def tables(self) -> tuple[Path | None, str, str]:
        """The database to attach as `handwritten`, if any, and what features and segments are called then."""

    def differing_rows(self, day: date) -> dict[str, int]:
        """How many rows of features and of segments only the models have, or only the script."""
        # In a process of its own: the peaks of later child processes begin at the memory of this one.
        with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
            return pool.submit(differing_rows, self.tables(), self.company.project.warehouse, day).result()

    def _run(self, command: Sequence[str], log: str) -> Cost:
        return measure.run(command, self.company.folder / "logs" / f"{log}.log", self.company.files)


class InSql(Script):
    """DuckDB's SQL."""

    name = "SQL"

    def __init__(self, company: Company) -> None:
        """Begin with an empty database."""
        super().__init__(company)
        self.database = company.folder / "handwritten.duckdb"
        self.database.unlink(missing_ok=True)

    def days(self, first: date, last: date) -> Cost:
        """Append customer days from the lines, in slices of days."""
        options = ("--days", str(first), str(last), str(SLICE_DAYS))
        return self._sql("handwritten_days", *options)

    def features(self, day: date) -> Cost:
        """Compute features and segments from customer days."""
        return self._sql("handwritten", "--set", f"as_of_date=date '{day}'")

    def tables(self) -> tuple[Path | None, str, str]:
        """The database's own tables."""
        return self.database, "handwritten.main.features", "handwritten.main.segments"

    def _sql(self, script: str, *options: str) -> Cost:
        return self._run(run_sql(str(self.database), HERE / f"{script}.sql", *options), script)


class InPolars(Script):
    """polars' streaming engine, with Parquet files."""

    name = "polars"

    def __init__(self, company: Company) -> None:
        """Begin with an empty folder."""
        super().__init__(company)
        self.folder = company.folder / "handwritten_polars"
        rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()

    def days(self, first: date, last: date) -> Cost:
        """Append customer days from the lines."""
        return self._polars("days", first, last)

    def features(self, day: date) -> Cost:
        """Compute features and segments from customer days."""
        return self._polars("features", day)

    def tables(self) -> tuple[Path | None, str, str]:
        """The files; no database."""
        return None, *(f"read_parquet('{self.folder / name}.parquet')" for name in ("features", "segments"))

    def _polars(self, what: str, *dates: date) -> Cost:
        # Not imported here: the peaks of child processes begin at the memory of this one.
        module = "benchmarks.handwritten_polars"
        command = [sys.executable, "-m", module, what, str(self.folder), *map(str, dates)]
        return self._run(command, f"handwritten_polars_{what}")


def differing_rows(tables: tuple[Path | None, str, str], warehouse: Path, day: date) -> dict[str, int]:
    """How many rows of features and of segments only one of a script's tables and the warehouse has."""
    database, features, segments = tables
    with duckdb.connect() as connection:
        connection.execute("set enable_progress_bar = false")
        if database:
            connection.execute(f"attach '{database}' as handwritten (read_only)")
        # Views name the warehouse as the file is called.
        connection.execute(f"attach '{warehouse}' as warehouse (read_only)")
        connection.execute("use warehouse")
        columns = ", ".join(connection.sql(f"from {features}").columns)
        segmentations = connection.sql(f"from {segments}").columns[1:]
        pairs = {
            "features": (
                f"select {columns} from warehouse.features.customer_features where as_of_date = date '{day}'",
                f"select {columns} from {features}",
            ),
            "segments": (
                "select segmentation, customer_id, segment from warehouse.history.segment_states "
                f"where as_of_date = date '{day}'",
                " union all ".join(f"select '{name}', customer_id, {name} from {segments}" for name in segmentations),
            ),
        }
        differing = {}
        for name, (ours, theirs) in pairs.items():
            either = f"({ours} except all ({theirs})) union all (({theirs}) except all {ours})"
            differing[name] = connection.execute(f"select count(*) from ({either})").fetchone()[0]
        return differing
