"""What a run may leave as it is in the warehouse, because it would come out the same.

Three groups of models are tagged: `of_files`, which depend on the source files and not on the days of the run; `weekly`
and `monthly`, which are computed as of a day of their own. The warehouse keeps one hash of what each group was built
from (operations.built): the vars, all models and macros, and of

- `of_files` the path, size, inode and times of every source file, and the bytes of small ones. A file that is replaced
  by one of the same size at the same time of modification has another inode or time of change, which no tool sets back;
- `weekly` and `monthly` their day, and of `weekly` the rules in force.

What tables say therefore never depends on when runs were made.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path

import duckdb

from flows.steps import operations_log
from flows.steps.project import ROOT, Project
from flows.steps.source_files import SourceTable

FILES, WEEKLY, MONTHLY = "of_files", "weekly", "monthly"
# vars: profiles_every_days are counted from this Monday.
FIRST_MONDAY = date(2001, 1, 1)
# Up to this size a file's bytes are compared, too.
SMALL_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Built:
    """What a group of tables was built from.

    Attributes:
        tables: the tag of their models.
        fingerprint: of everything that they are made of.
        run_id: of the run that built them.
        first_date: of files the first day with a transaction line.
        newest_date: the newest day with one; both are None where not all lines are known (vars: late_days).
    """

    tables: str
    fingerprint: str
    run_id: str | None = None
    first_date: date | None = None
    newest_date: date | None = None


def of_files(project: Project, tables: list[SourceTable]) -> Built:
    """What the inputs would be built from now.

    Raises:
        OSError: a file cannot be read.
    """
    parts: list[object] = []
    for table in tables:
        parts.append((table.system, table.name))
        for file in map(Path, table.files):
            found = file.stat()
            parts.append((str(file), found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino))
            if found.st_size <= SMALL_BYTES:
                parts.append(file.read_bytes())
    return Built(FILES, _fingerprint(project, *parts))


def of_days(project: Project, last: date, rule_versions: Mapping[str, str] | None) -> list[Built]:
    """What the tables that are not computed every day would be built from in a run that ends on a day."""
    weekly = last - timedelta(days=(last - FIRST_MONDAY).days % project.vars["profiles_every_days"])
    rules = sorted((rule_versions or {}).items())
    # Newer rules are profiled as of the run's last day (profile_days).
    profiled = weekly if set(rules) <= operations_log.rules_on(project.warehouse, weekly) else last
    next_day = last + timedelta(days=1)
    month_end = next_day.replace(day=1) - timedelta(days=1)
    return [
        Built(WEEKLY, _fingerprint(project, profiled, rules)),
        Built(MONTHLY, _fingerprint(project, month_end)),
    ]


def unchanged(project: Project, wanted: Built) -> Built | None:
    """What the warehouse has of a group of tables, if that is what a build would make now."""
    try:
        kept = operations_log.read_built(project.warehouse).get(wanted.tables)
    except duckdb.Error:
        # Whoever reads the warehouse next says what is wrong with it.
        return None
    return Built(**kept) if kept and kept["fingerprint"] == wanted.fingerprint else None


def unchanged_files(project: Project, tables: list[SourceTable]) -> Built | None:
    """What the warehouse knows of the source files, if they are those that its inputs were built from."""
    try:
        return unchanged(project, of_files(project, tables))
    except OSError:
        # Whoever reads the files next says what is wrong with them.
        return None


def _fingerprint(project: Project, *parts: object) -> str:
    digest = blake2b(digest_size=16)
    digest.update(repr((version("duckdb"), sorted(project.vars.items()), parts)).encode())
    for folder in ("models", "macros"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".sql", ".yml", ".py"):
                digest.update(repr((str(path.relative_to(ROOT)), path.read_bytes())).encode())
    return digest.hexdigest()
