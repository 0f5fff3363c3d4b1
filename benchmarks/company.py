"""A generated company: N customers with 30 N order lines, and the project on its files."""

import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from benchmarks import measure
from benchmarks.console import CONSOLE
from benchmarks.day import project_in
from benchmarks.measure import ROOT
from benchmarks.run_sql import run_sql
from flows.steps.project import Project

FOLDER = ROOT / "build" / "bench"
# The files end on Sunday 2017-12-31. On the first day, a Monday, what is weekly is due, on the last one it is not.
FIRST_ORDERS, LAST_DATE = date(2016, 1, 2), date(2017, 12, 26)
DAY_BEFORE = LAST_DATE - timedelta(days=1)
# Customers are generated in hundreds.
SMALLEST = 100


class Company:
    """The files of a company, and a warehouse and releases that begin empty."""

    def __init__(self, customers: int, history_start: date = DAY_BEFORE) -> None:
        """Generate the files, unless they are there, and remove what was built before."""
        self.customers = customers
        self.folder = FOLDER / str(customers)
        self.files = self.folder / "files"
        self.variables: dict[str, Any] = {
            "sources": ["files"],
            "files_folder": str(self.files.relative_to(ROOT)),
            "history_start": str(history_start),
        }
        self._generate()
        for name in ("warehouse.duckdb", "warehouse.duckdb.wal"):
            (self.folder / name).unlink(missing_ok=True)
        shutil.rmtree(self.folder / "serving", ignore_errors=True)

    @property
    def project(self) -> Project:
        """The project on the files."""
        return project_in(self.folder, self.variables)

    def _generate(self) -> None:
        if self.files.exists():
            return
        half_done = self.folder / "half-done"
        shutil.rmtree(half_done, ignore_errors=True)
        half_done.mkdir(parents=True)
        script = Path(__file__).resolve().parent / "generate.sql"
        command = run_sql(":memory:", script, "--set", f"customers={self.customers}")
        cost = measure.run(command, self.folder / "generate.log", half_done)
        half_done.rename(self.files)
        CONSOLE.print(f"Generated {self.customers:,} customers in {cost.wall:.0f} s.")

    def keep(self) -> None:
        """Keep the warehouse and the releases as they are now."""
        kept = self.folder / "kept"
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir()
        shutil.copyfile(self.project.warehouse, kept / "warehouse.duckdb")
        shutil.copytree(self.project.serving, kept / "serving", symlinks=True)

    def back(self) -> None:
        """Have the warehouse and the releases as they were kept."""
        kept = self.folder / "kept"
        shutil.rmtree(self.project.serving, ignore_errors=True)
        shutil.copytree(kept / "serving", self.project.serving, symlinks=True)
        shutil.copyfile(kept / "warehouse.duckdb", self.project.warehouse)
