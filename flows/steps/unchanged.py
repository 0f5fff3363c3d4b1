"""Source files that have not changed since the warehouse was built from them are not read again.

The warehouse keeps one hash of what its inputs were built from, beside the tables that were made of it: the path, size,
inode and times of every file, the bytes of small files, the vars, and all models and macros. A file that is replaced by
one of the same size at the same time of modification has another inode or time of change, which no tool sets back.
"""

from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path

import duckdb

from flows.steps import operations_log
from flows.steps.project import ROOT, Project
from flows.steps.source_files import SourceTable

# Models, with their tests, that are the same as long as the source files are, whatever the days of the run.
OF_FILES = "tag:of_files"
# Up to this size a file's bytes are compared, too.
SMALL_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Built:
    """What the warehouse knows of the source files that its inputs were built from.

    Attributes:
        fingerprint: of the files, and of what made tables of them.
        run_id: of the run that built them.
        first_date: the first day with a transaction line.
        newest_date: the newest day with one; both are None where the inputs do not know all lines (vars: late_days).
    """

    fingerprint: str
    run_id: str
    first_date: date | None = None
    newest_date: date | None = None


def fingerprint(project: Project, tables: list[SourceTable]) -> str:
    """A hash of everything that tables of source files are made of.

    Raises:
        OSError: a file cannot be read.
    """
    digest = blake2b(digest_size=16)

    def add(*parts: object) -> None:
        digest.update(repr(parts).encode())

    add(version("duckdb"), sorted(project.vars.items()))
    for folder in ("models", "macros"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".sql", ".yml", ".py"):
                add(str(path.relative_to(ROOT)), path.read_bytes())
    for table in tables:
        add(table.system, table.name)
        for file in map(Path, table.files):
            found = file.stat()
            add(str(file), found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
            if found.st_size <= SMALL_BYTES:
                add(file.read_bytes())
    return digest.hexdigest()


def unchanged(project: Project, tables: list[SourceTable]) -> Built | None:
    """What the warehouse's inputs were built from, if that is what a build would find now."""
    try:
        built = operations_log.read_built_inputs(project.warehouse)
        if built is None or built["fingerprint"] != fingerprint(project, tables):
            return None
    except (duckdb.Error, OSError):
        # Whoever reads the warehouse or the files next says what is wrong with them.
        return None
    return Built(**built)
