"""DuckDB files as SQL calls them: their paths, their names, what is in them."""

import os
import re
from pathlib import Path

import duckdb


def catalog_name(warehouse: Path) -> str:
    """The name that views in a warehouse call it by, quoted: its file's, which need not be a word of SQL's."""
    return '"' + warehouse.stem.replace('"', '""') + '"'


def file_text(file: Path) -> str:
    """A file's path as SQL's text."""
    return "'" + str(file).replace("'", "''") + "'"


def copying_connection() -> duckdb.DuckDBPyConnection:
    """A connection that copies databases, with as much memory as dbt's connection, see profiles.yml."""
    return duckdb.connect(config={"memory_limit": memory_setting()})


def memory_setting() -> str:
    """The memory that DuckDB may use, as a number with a unit."""
    return os.environ.get("TESSERA_MEMORY", "1500MB")


def memory_limit() -> int:
    """The memory that DuckDB may use, in bytes: it counts a KB as 1,000 of them and a KiB as 1,024.

    Raises:
        ValueError: TESSERA_MEMORY is not a number with a unit.
    """
    found = re.fullmatch(r"([0-9.]+)\s*([KMGT])(i?)(?:B?)", memory_setting().strip(), re.IGNORECASE)
    if not found:
        raise ValueError("TESSERA_MEMORY must be a number with a unit, such as 2GB.")
    number, unit, is_binary = found.groups()
    return int(float(number) * (1024 if is_binary else 1000) ** (1 + "KMGT".index(unit.upper())))


def mart_names(connection: duckdb.DuckDBPyConnection, catalog: str) -> list[str]:
    """The marts of an attached warehouse or release."""
    marts = "select table_name from information_schema.tables where table_schema = 'marts' and table_catalog = ?"
    return [name for (name,) in connection.execute(f"{marts} order by table_name", [catalog]).fetchall()]
