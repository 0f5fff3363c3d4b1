"""DuckDB files as SQL calls them: their paths, their names, what is in them."""

import os
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
    return duckdb.connect(config={"memory_limit": os.environ.get("TESSERA_MEMORY", "2GB")})


def mart_names(connection: duckdb.DuckDBPyConnection, catalog: str) -> list[str]:
    """The marts of an attached warehouse or release."""
    marts = "select table_name from information_schema.tables where table_schema = 'marts' and table_catalog = ?"
    return [name for (name,) in connection.execute(f"{marts} order by table_name", [catalog]).fetchall()]
