"""Writes the marts of a warehouse into the files of a release: a DuckDB file, and Parquet.

Most marts tell of the last day, or have a row per day and segment, and are copied whole. Of spells there are as many as
customers ever moved, and one that has ended changes no more. So they go by the month in which they ended::

    tessera.duckdb                                        all marts, schema `marts`
    parquet/<mart>.parquet                                a file
    parquet/fct_segment_spells.parquet/<month>.parquet    a file per month; 9999-12 has the spells that last

A release begins as a copy, byte by byte, of the files of the one before it, and a month is written where its rows in
the warehouse are not what they were then, by a hash over all of them. Nothing has to be known of what runs have done
since: of days restated, rules changed or releases rolled back.
"""

import json
import shutil
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from flows.steps.databases import catalog_name, copying_connection, file_text, mart_names

DATABASE = "tessera.duckdb"
PARQUET = "parquet"
MANIFEST = "manifest.json"

# The marts that are written by months, and the date that says of which month a row is; it does not change once it has
# passed, and is never null.
MONTHS_BY = {"fct_segment_spells": "valid_to"}
# The month of what has not ended.
LASTING = "9999-12"


def write_marts(warehouse: Path, folder: Path, base: Path | None = None) -> dict[str, Any]:
    """Write the marts into a folder, which has to be empty.

    Args:
        warehouse: which has the marts.
        folder: where to write them.
        base: the release to take unchanged months from, if it is as it was written and by this version of DuckDB.

    Returns:
        What the manifest has to say of the files: rows by mart, and what the next release has to know.

    Raises:
        OSError, duckdb.Error: they could not be written.
    """
    months = _take_over(base, folder) if base else {}
    (folder / PARQUET).mkdir(exist_ok=True)
    rows = {}
    with copying_connection() as connection:
        # Rows of a mart carry their keys, so their order is nobody's business but memory's.
        connection.execute("set preserve_insertion_order = false")
        # What does not fit into memory goes where the release goes, and is swept with it.
        connection.execute(f"set temp_directory = {file_text(folder / 'spilled')}")
        connection.execute(f"attach {file_text(folder / DATABASE)} as release")
        connection.execute("create schema if not exists release.marts")
        # Views name the warehouse as the file is called.
        name = catalog_name(warehouse)
        connection.execute(f"attach {file_text(warehouse)} as {name} (read_only)")
        marts = mart_names(connection, warehouse.stem)
        for mart in mart_names(connection, "release"):
            if mart not in marts or mart not in months or not _has_same_columns(connection, name, mart):
                connection.execute(f"drop table release.marts.{mart}")
                _remove(folder / PARQUET / f"{mart}.parquet")
                months.pop(mart, None)
        # What is dropped makes room for what follows.
        connection.execute("checkpoint release")
        for mart in marts:
            if mart in MONTHS_BY:
                months[mart] = _write_months(connection, name, mart, folder / PARQUET, months.get(mart))
            else:
                connection.execute(f"create table release.marts.{mart} as from {name}.marts.{mart}")
                connection.sql(f"from release.marts.{mart}").write_parquet(str(folder / PARQUET / f"{mart}.parquet"))
            rows[mart] = len(connection.sql(f"from release.marts.{mart}"))
        # DuckDB does not say where there was no room for that when the last connection ended.
        connection.execute("checkpoint release")
    files = [folder / DATABASE, *sorted(path for path in (folder / PARQUET).rglob("*") if path.is_file())]
    return {
        "rows_by_mart": rows,
        "engine": duckdb.__version__,
        "months": months,
        "checksums": {str(file.relative_to(folder)): checksum(file) for file in files},
    }


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


def _take_over(base: Path, folder: Path) -> dict[str, dict[str, str]]:
    """Copy what a release may begin with; returns the hash of every month of it, by mart, as the manifest has them.

    A release that is damaged, or was written by another version, is nothing to begin with: all is written anew then.
    """
    try:
        manifest = json.loads((base / MANIFEST).read_text())
        if manifest["engine"] != duckdb.__version__:
            return {}
        months = manifest["months"]
        of_months = (f"{PARQUET}/{mart}.parquet/{month}.parquet" for mart in months for month in months[mart])
        for file in (DATABASE, *of_months):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(base / file, folder / file)
            if checksum(folder / file) != manifest["checksums"][file]:
                raise ValueError(f"{base / file} is not as it was written")
        return months
    except (OSError, ValueError, LookupError, TypeError):
        _remove(folder / DATABASE)
        _remove(folder / PARQUET)
        return {}


def _has_same_columns(connection: duckdb.DuckDBPyConnection, warehouse: str, mart: str) -> bool:
    now, then = (connection.sql(f"from {catalog}.marts.{mart}") for catalog in (warehouse, "release"))
    return (now.columns, now.types) == (then.columns, then.types)


def _write_months(
    connection: duckdb.DuckDBPyConnection, warehouse: str, mart: str, folder: Path, taken: Mapping[str, str] | None
) -> dict[str, str]:
    """Write the months of a mart that are not as they were taken over; returns the hash of every month."""
    rows, copied, day = f"{warehouse}.marts.{mart}", f"release.marts.{mart}", MONTHS_BY[mart]
    columns = ", ".join(f'"{column}"' for column in connection.sql(f"from {rows}").columns)
    # Hashed twice, as hash() of several values only combines their hashes. By days first, of which there are few.
    hashes = connection.sql(
        "select strftime(day, '%Y-%m'), sum(rows) || ' rows, ' || sum(hash) "
        f"from (select {day} as day, count(*) as rows, sum(cast(hash(hash({columns})) as hugeint)) as hash "
        f"from {rows} group by day) group by all order by all"
    )
    # That one is always there, so that there are columns to read where there are no rows.
    months = {LASTING: "0 rows"} | dict(hashes.fetchall())
    if taken is None:
        connection.execute(f"create table {copied} as from {rows}")
    files = folder / f"{mart}.parquet"
    files.mkdir(exist_ok=True)
    for month in sorted(months.keys() | (taken or {}).keys()):
        if taken and months.get(month) == taken.get(month):
            continue
        of_month = f"{day} between date '{month}-01' and last_day(date '{month}-01')"
        if taken is not None:
            connection.execute(f"delete from {copied} where {of_month}")
            connection.execute(f"insert into {copied} from {rows} where {of_month}")
        _remove(files / f"{month}.parquet")
        if month in months:
            connection.sql(f"from {rows} where {of_month}").write_parquet(str(files / f"{month}.parquet"))
    return months


def _remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
