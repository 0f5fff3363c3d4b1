"""Writes the marts of a warehouse into the files of a release: a DuckDB file, and Parquet.

Most marts tell of the last day, or have a row per day and segment, and are copied whole. Of spells there are as many as
customers ever moved, and one that has ended changes no more. So they go by the month in which they ended::

    tessera.duckdb                                               all marts, schema `marts`
    parquet/<mart>.parquet                                       a file
    parquet/fct_segment_spells.parquet/<month>-<hash>.parquet    a file per month; 9999-12 has the spells that last

Where most of it stays, a release begins as a copy, byte by byte, of the files of the one before it, and the months
whose rows are not what they were then are written, by a hash over all of them. Nothing has to be known of what runs
have done since: of days restated, rules changed or releases rolled back.
"""

import json
import shutil
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb

from flows.steps.databases import catalog_name, copying_connection, file_text, mart_names

DATABASE = "tessera.duckdb"
PARQUET = "parquet"
MANIFEST = "manifest.json"

# The mart that is written by months, and the date that says of which month a row is. It is never null.
SPELLS, END = "fct_segment_spells", "valid_to"
# The month of what has not ended.
LASTING = "9999-12"

# The rows of every month and their hash, by month.
Months = dict[str, dict[str, Any]]


class DamagedRelease(Exception):
    """A release is not what its manifest says."""


def write_marts(warehouse: Path, folder: Path, base: Path | None = None) -> dict[str, Any]:
    """Write the marts into a folder, which has to be empty.

    Args:
        warehouse: which has the marts.
        folder: where to write them.
        base: the release to take unchanged months from. Where it is damaged, or nothing would be gained, nothing is.

    Returns:
        What the manifest has to say of the files: rows by mart, and what the next release and the doctor have to know.

    Raises:
        OSError, duckdb.Error: they could not be written.
    """
    if base:
        with suppress(OSError, duckdb.Error, DamagedRelease):
            return _write(warehouse, folder, base)
        shutil.rmtree(folder)
        folder.mkdir()
    return _write(warehouse, folder, None)


def checksum(file: Path) -> str:
    """The CRC-32 of a file, which tells whether a disk lost or changed some of it.

    Raises:
        OSError: it cannot be read.
    """
    crc = 0
    with file.open("rb") as content:
        while chunk := content.read(2**20):
            crc = zlib.crc32(chunk, crc)
    return f"{crc:08x}"


def all_checksums(folder: Path) -> dict[str, str]:
    """The checksums of all files of a release but its manifest, by their paths in it."""
    return {file: checksum(folder / file) for file in files_of(folder)}


def files_of(folder: Path) -> list[str]:
    """The paths of all files of a release but its manifest, in order."""
    files = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    return sorted(file for file in files if file != MANIFEST)


def damage(release: Path) -> list[str]:
    """What is wrong with the files of a release: missing, or not as its manifest says they were written."""
    manifest = read_manifest(release)
    if not manifest:
        return [f"its {MANIFEST} cannot be read"]
    found = []
    # Releases that an older Tessera made may have none.
    for file, promised in manifest.get("checksums", {}).items():
        try:
            is_same = checksum(release / file) == promised
        except OSError as error:
            found.append(f"{file} is missing or cannot be read ({error.strerror})")
        else:
            if not is_same:
                found.append(f"{file} is not as it was written: its CRC-32 is not that of {MANIFEST}")
    return found


def _write(warehouse: Path, folder: Path, base: Path | None) -> dict[str, Any]:
    with copying_connection() as connection:
        # Rows of a mart carry their keys, so their order is nobody's business but memory's.
        connection.execute("set preserve_insertion_order = false")
        # What does not fit into memory goes where the release goes, and is swept with it.
        connection.execute(f"set temp_directory = {file_text(folder / 'spilled')}")
        # Views name the warehouse as the file is called.
        name = catalog_name(warehouse)
        connection.execute(f"attach {file_text(warehouse)} as {name} (read_only)")
        marts = mart_names(connection, warehouse.stem)
        months = _months(connection, f"{name}.marts.{SPELLS}") if SPELLS in marts else {}
        (folder / PARQUET).mkdir()
        taken = _take_over(base, folder, months) if base and months else {}
        changed = sorted(month for month in months.keys() | taken.keys() if months.get(month) != taken.get(month))
        connection.execute(f"attach {file_text(folder / DATABASE)} as release")
        connection.execute("create schema if not exists release.marts")
        for mart in mart_names(connection, "release"):
            if mart != SPELLS:
                connection.execute(f"drop table release.marts.{mart}")
        for mart in marts:
            source, copied = f"{name}.marts.{mart}", f"release.marts.{mart}"
            if mart != SPELLS or not taken:
                connection.execute(f"create table {copied} as from {source}")
            if mart != SPELLS:
                connection.sql(f"from {copied}").write_parquet(str(folder / PARQUET / f"{mart}.parquet"))
                continue
            (folder / PARQUET / f"{mart}.parquet").mkdir(exist_ok=True)
            for month in changed:
                of_month = f"from {source} where {_is_of(month)}"
                if taken:
                    connection.execute(f"delete from {copied} where {_is_of(month)}")
                    connection.execute(f"insert into {copied} {of_month}")
                if month in months:
                    connection.sql(of_month).write_parquet(str(folder / _file_of(month, months)))
        rows = {mart: len(connection.sql(f"from release.marts.{mart}")) for mart in marts}
        # DuckDB does not say where there was no room for that when the last connection ended.
        connection.execute("checkpoint release")
    if taken and rows[SPELLS] != _rows(months):
        raise DamagedRelease(f"{base} has other rows than its manifest says")
    return {
        "rows_by_mart": rows,
        "engine": duckdb.__version__,
        "months": months,
        "checksums": all_checksums(folder),
    }


def _months(connection: duckdb.DuckDBPyConnection, spells: str) -> Months:
    """What there is of every month: how many rows, and a hash of them and of the names and types of their columns."""
    relation = connection.sql(f"from {spells}")
    shape = zlib.crc32(repr([*zip(relation.columns, map(str, relation.types), strict=True)]).encode())
    columns = ", ".join(f'"{column}"' for column in relation.columns)
    # Hashed twice, as hash() of several values only combines their hashes. By days first, of which there are few.
    hashed = connection.sql(
        "select strftime(day, '%Y-%m'), cast(sum(rows) as bigint), sum(hash) "
        f"from (select {END} as day, count(*) as rows, sum(cast(hash(hash({columns})) as hugeint)) as hash "
        f"from {spells} group by day) group by all order by all"
    ).fetchall()
    # That month is always there, so that there are columns to read where there are no rows.
    counted = {LASTING: (0, 0)} | {month: (rows, total) for month, rows, total in hashed}
    return {
        month: {"rows": rows, "hash": f"{(int(total) + shape) % 2**64:016x}"}
        for month, (rows, total) in sorted(counted.items())
    }


def _take_over(base: Path, folder: Path, months: Months) -> Months:
    """Copy the files of a release that begin the new one; returns its months, or none where it is not to be begun with.

    That is where another version of DuckDB wrote it, whose hashes may be others, and where most rows would have to be
    replaced: that costs more than writing them, and leaves as many free blocks in the file.

    Raises:
        DamagedRelease, OSError: its files are not as they were written.
    """
    manifest = read_manifest(base)
    taken: Months = manifest.get("months", {})
    same = {month: taken[month] for month in taken if taken[month] == months.get(month)}
    if manifest.get("engine") != duckdb.__version__ or 2 * _rows(same) <= _rows(months):
        return {}
    (folder / PARQUET / f"{SPELLS}.parquet").mkdir()
    for file in (DATABASE, *(_file_of(month, same) for month in same)):
        shutil.copyfile(base / file, folder / file)
        if checksum(folder / file) != manifest["checksums"].get(file):
            raise DamagedRelease(f"{base / file} is not as it was written")
    return taken


def read_manifest(release: Path) -> dict[str, Any]:
    """The manifest of a release; empty where there is none, or it is damaged."""
    with suppress(OSError, ValueError):
        manifest = json.loads((release / MANIFEST).read_text())
        if isinstance(manifest, dict):
            return manifest
    return {}


def _file_of(month: str, months: Months) -> str:
    """The file of a month.

    It is called by what is in it: who follows the link to the current release for each file of the folder, while it is
    replaced, finds the same rows under a name or nothing.
    """
    return f"{PARQUET}/{SPELLS}.parquet/{month}-{months[month]['hash']}.parquet"


def _is_of(month: str) -> str:
    return f"{END} between date '{month}-01' and last_day(date '{month}-01')"


def _rows(months: Months) -> int:
    return sum(month["rows"] for month in months.values())
